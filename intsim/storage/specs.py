"""A `TensorSpec` and its place in an order, as one group."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import h5py

from intsim.formats import TensorSpec
from intsim.record import Record, field
from intsim.storage.decode import read_record
from intsim.storage.encode import write_fields
from intsim.storage.hdf5 import Place


@dataclass(frozen=True, eq=False, repr=False)
class SpecHead(Record):
    """What the group says beside the fields of `TensorSpec`."""

    kind: ClassVar[str] = "tensor"

    position: int = field("place in the order, from 0")


def write_spec(group: h5py.Group, position: int, spec: TensorSpec) -> None:
    """Write a tensor's place and specification into a group."""
    write_fields(group, SpecHead(position))
    write_fields(group, spec)


def read_spec(place: Place) -> tuple[int, TensorSpec]:
    """A tensor's place and specification."""
    head = read_record(place, SpecHead, {entry.name for entry in fields(TensorSpec)})
    return head.position, read_record(place, TensorSpec, ("position",))
