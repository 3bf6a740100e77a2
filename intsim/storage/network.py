"""`save` and `load`: a network as an HDF5 file. The layout is told in the package's own documentation."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import h5py

from intsim.errors import FileError, Finding, SpecError
from intsim.formats import Quantization
from intsim.network import Input, Network, Node
from intsim.ops import Op
from intsim.record import Record, field
from intsim.storage.atomic import replacing
from intsim.storage.creating import creating
from intsim.storage.decode import build, read_fields, read_record, unknown
from intsim.storage.encode import write_fields
from intsim.storage.findings import Collector, in_file
from intsim.storage.hdf5 import Place, opened
from intsim.storage.names import decode_name, encode_name
from intsim.storage.registry import Registry
from intsim.storage.specs import read_spec, write_spec

FORMAT = "intsim-network"
FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False, repr=False)
class Root(Record):
    """What the file's root says."""

    kind: ClassVar[str] = "root"

    format: str = field("always intsim-network")
    format_version: int = field("of this layout")
    writer: str = field("the program that wrote the file")
    source: str = field("where the network came from, in a reader's words")
    outputs: tuple[str, ...] = field("names of the network's outputs, in order")


@dataclass(frozen=True, eq=False, repr=False)
class NodeHead(Record):
    """What a node's group says beside the fields of its op."""

    kind: ClassVar[str] = "node"

    position: int = field("place among the nodes, from 0; a node comes after those it reads from")
    op: str = field("name of the op")
    op_version: int = field("version of the op's rules")
    inputs: tuple[str, ...] = field("names of the tensors it reads")
    outputs: tuple[str, ...] | None = field("names of the tensors it gives, unless it is its own name alone")

    def check(self) -> Iterator[tuple[str, str]]:
        if self.outputs == ():
            yield "outputs", "must not be empty; leave it out where the node gives one tensor of its name"


ANNOTATIONS = "output_quantization"
"""The group in a node's group that says what its outputs stand for: one group per output, named 0, 1, ..."""

HEAD = tuple(entry.name for entry in fields(NodeHead))
RESERVED = (*HEAD, ANNOTATIONS)
"""Names in a node's group that no field of an op may have."""


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network to an HDF5 file. The same network gives the same bytes.

    Raises
    ------
    FileError
        The file cannot be written, or a value is beyond what HDF5 holds. `path` is then as it was.

    Notes
    -----
    Written beside `path` and renamed, so that nobody meets half a file.
    """
    with replacing(path) as beside:
        try:
            with creating(beside) as (file, _):
                _write(network, file)
        except FileError as error:
            raise in_file(str(path), error) from None


def _write(network: Network, file: h5py.File) -> None:
    write_fields(file, Root(FORMAT, FORMAT_VERSION, "intsim", network.source, network.outputs))
    inputs, nodes = file.create_group("inputs"), file.create_group("nodes")
    for position, entry in enumerate(network.inputs):
        write_spec(inputs.create_group(encode_name(entry.name)), position, entry.spec)
    for position, node in enumerate(network.nodes):
        _write_node(nodes.create_group(encode_name(node.name)), position, node)


def _write_node(group: h5py.Group, position: int, node: Node) -> None:
    taken = [entry.name for entry in fields(node.op) if entry.name in RESERVED]
    if taken:
        raise FileError(Finding(group.name, f"{node.op.name} must not have a field named {taken[0]!r}"))
    outputs = None if node.outputs == (node.name,) else node.outputs
    write_fields(group, NodeHead(position, node.op.name, node.op.version, node.inputs, outputs))
    write_fields(group, node.op)
    if node.quantization:
        annotations = group.create_group(ANNOTATIONS)
        for index, quantization in enumerate(node.quantization):
            if quantization is not None:
                write_fields(annotations.create_group(str(index)), quantization)


def load(path: str | os.PathLike[str], extra_ops: Iterable[type[Op]] | None = None) -> Network:
    """Read a network from an HDF5 file.

    Parameters
    ----------
    path : of the file
    extra_ops : op classes beside intsim's own and those of installed packages (entry points `intsim.ops`)

    Raises
    ------
    FileError
        The file is no valid network; every finding names its place in the file.
    """
    registry = Registry(extra_ops)
    with opened(path) as root:
        try:
            return _read(root, registry)
        except FileError as error:
            raise in_file(str(path), error) from None


def _read(root: Place, registry: Registry) -> Network:
    _check_version(root)
    found = Collector()
    head: Root | None = None
    with found.noting():
        head = read_record(root, Root, groups=("inputs", "nodes"))
    inputs = _ordered(root, "inputs", found, _read_input)
    nodes = _ordered(root, "nodes", found, lambda place, name: _read_node(place, name, registry))
    found.check()
    try:
        return Network(inputs, nodes, head.outputs, head.source)
    except SpecError as error:
        raise FileError(_placed(finding, inputs, nodes) for finding in error.findings) from None


def _check_version(root: Place) -> None:
    """Look at nothing else before the file is known to be of this layout."""
    for name, right in (("format", FORMAT), ("format_version", FORMAT_VERSION)):
        said = root.attribute(name).tolist() if name in root.attributes else "missing"
        if said != right:
            raise FileError(Finding(root.field(name), f"must be {right!r}, not {said!r}"))


def _ordered(root: Place, name: str, found: Collector, read: Any) -> tuple[Any, ...]:
    """The entries of /inputs or /nodes, by their positions."""
    if name not in root.groups:
        if name not in (*root.attributes, *root.arrays):  # else it has been told already
            found.add(root.at(name), "must be a group, not missing")
        return ()
    entries: list[tuple[int, Any]] = []
    with found.noting():
        place = root.group(name)
        for extra in unknown(place, (), place.groups):
            found.add(place.at(extra), "must be a group")
        for component in place.groups:
            with found.noting():
                entries.append(read(place.group(component), _name(place, component)))
    positions = sorted(position for position, _ in entries)
    if positions != list(range(len(entries))) and not found.findings:
        rule = f"positions must be 0 to {len(entries) - 1}, each once"
        found.add(root.at(name), f"{rule}, not {_shorten(positions)}")
    return tuple(entry for _, entry in sorted(entries, key=lambda pair: pair[0]))


def _name(place: Place, component: str) -> str:
    try:
        return decode_name(component)
    except ValueError as error:
        raise FileError(Finding(place.at(component), f"name {error}")) from None


def _shorten(positions: list[int]) -> str:
    return str(positions) if len(positions) <= 20 else f"{str(positions[:20])[:-1]}, ...]"


def _read_input(place: Place, name: str) -> tuple[int, Input]:
    position, spec = read_spec(place)
    return position, Input(name, spec)


def _read_node(place: Place, name: str, registry: Registry) -> tuple[int, Node]:
    everything = (*place.attributes, *place.arrays)
    head = read_record(place, NodeHead, everything, place.groups)
    op = registry.find(head.op)
    if op is None:
        known = ", ".join(registry.names())
        raise FileError(Finding(place.field("op"), f"must be a known op ({known}), not {head.op!r}"))
    if head.op_version != op.version:
        raise FileError(
            Finding(place.field("op_version"), f"must be {op.version} for {op.name}, not {head.op_version}")
        )
    found = Collector()
    values: dict[str, Any] = {}
    annotations: tuple[Quantization | None, ...] = ()
    outputs = (name,) if head.outputs is None else head.outputs
    with found.noting():
        values = read_fields(place, op, HEAD, (ANNOTATIONS,))
    with found.noting():
        annotations = _read_annotations(place, len(outputs))
    found.check()
    return head.position, Node(name, build(place, op, values), head.inputs, outputs, annotations)


def _read_annotations(place: Place, outputs: int) -> tuple[Quantization | None, ...]:
    if ANNOTATIONS not in place.groups:
        return ()
    inside = place.group(ANNOTATIONS)
    names = [str(index) for index in range(outputs)]
    found = Collector()
    for extra in unknown(inside, (), names):
        found.add(inside.at(extra), f"must be the number of an output, 0 to {outputs - 1}")
    annotations: list[Quantization | None] = [None] * outputs
    for index, name in enumerate(names):
        if name in inside.groups:
            with found.noting():
                annotations[index] = read_record(inside.group(name), Quantization)
    found.check()
    return tuple(annotations)


def _placed(finding: Finding, inputs: tuple[Input, ...], nodes: tuple[Node, ...]) -> Finding:
    """A finding of the network's own rules with the HDF5 path of what it names."""
    homes = {entry.name: f"/inputs/{encode_name(entry.name)}" for entry in inputs}
    for node in nodes:
        home = f"/nodes/{encode_name(node.name)}"
        homes.update({name: home for name in node.outputs if name not in homes})
        homes[node.name] = home
    return Finding(homes.get(finding.where, f"/{finding.where}"), finding.what)
