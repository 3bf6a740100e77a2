"""Arrays of low-bit entries as packed codes: rule K3 of `kinds`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from intsim.errors import FileError, Finding, InputError
from intsim.formats import Discrete, pack, unpack
from intsim.formats.packings import PACKINGS
from intsim.record import Array, CodeArray, Record, field

PACKED = {1: "bits", 2: "two-bit", 4: "nibbles", 6: "six-bit"}
"""The packing that entries of so many bits are written in."""


@dataclass(frozen=True, eq=False, repr=False)
class Packed(Record):
    """What the group of a packed array holds."""

    kind: ClassVar[str] = "packed"

    packing: str = field("bits, two-bit, nibbles or six-bit")
    shape: tuple[int, ...] = field("of the array")
    bytes: CodeArray = field("uint8, the codes in C order as one stream")

    def check(self) -> Iterator[tuple[str, str]]:
        if self.packing not in PACKED.values():
            yield "packing", f"must be one of {', '.join(PACKED.values())}, not {self.packing!r}. [K3]"
            return
        if any(size < 0 for size in self.shape):
            yield "shape", f"must have no negative size, not {self.shape}. [K3]"
            return
        wanted = PACKINGS[self.packing].packing.size(math.prod(self.shape))
        if self.bytes.shape != (wanted,):
            yield "bytes", f"must be {wanted} for shape {self.shape}, not of shape {self.bytes.shape}. [K3]"
        elif self.bytes.size and (self.bytes.min() < 0 or self.bytes.max() > 255):
            yield "bytes", "must be 0 to 255. [K3]"


def packed(entries: Array, format: Discrete) -> Packed | None:
    """The entries as packed codes; None where their format has no packing."""
    if format.bits not in PACKED:
        return None
    name = PACKED[format.bits]
    codes = format.codes_of(entries.reshape(-1))
    return Packed(name, entries.shape, pack(codes, PACKINGS[name].packing))


def unpacked(record: Packed, format: Discrete, where: str) -> Array:
    """The entries of packed codes.

    Raises
    ------
    FileError
        The packing is not that of the format's bits, or a code stands for nothing.
    """
    if PACKED.get(format.bits) != record.packing:
        raise FileError(
            Finding(
                f"{where}.packing",
                f"must be of {format.bits} bits for {format}, not {record.packing!r}. [K3]",
            )
        )
    codes = unpack(record.bytes, PACKINGS[record.packing].packing, math.prod(record.shape))
    try:
        return format.entries_of(codes).reshape(record.shape)
    except InputError as error:
        raise FileError(finding.at(where) for finding in error.findings) from None
