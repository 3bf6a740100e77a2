"""`Network`: an immutable graph of ops in topological order, fully checked when it is built.

Rules
-----
N1. Tensor names are unique, not empty, at most 1000 characters; inputs and nodes share one name space.
N2. A node's inputs come before it; its number of inputs is in its op's arity.
N3. Every op accepts the specifications of its inputs (its own rules).
N4. A node has as many output names as its op has outputs; a node with one output is named as it is.
N5. Outputs name tensors of the network, each once, and there is at least one.
N6. Real tensors stand only at the doors: a network input read by an op that makes codes of it (`quantize`,
    `block_quantize`), or what an op gives that makes reals (`dequantize`, `block_dequantize`) and nothing but
    the network's outputs takes.
All findings are reported at once, each with the name of its node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from intsim.errors import SpecError
from intsim.formats import Quantization, RealFormat, TensorSpec
from intsim.ops import Op
from intsim.record import Record, field

if TYPE_CHECKING:
    from intsim.network.datapath import Datapath

_LONGEST_NAME = 1000


@dataclass(frozen=True, eq=False, repr=False)
class Input(Record):
    """A tensor that is given from outside."""

    name: str = field("of the tensor")
    spec: TensorSpec = field("shape of one sample, format, quantization")


@dataclass(frozen=True, eq=False, repr=False)
class Node(Record):
    """One op at work: which tensors it reads, and what the tensors it gives are called."""

    name: str = field("of the node")
    op: Op = field("what it does")
    inputs: tuple[str, ...] = field("names of the tensors it reads", default=())
    outputs: tuple[str, ...] = field("names of the tensors it gives; (name,) if empty", default=())
    quantization: tuple[Quantization | None, ...] = field(
        "what the outputs stand for, one entry per output; an annotation", default=()
    )

    def locate(self, name: str) -> str:
        return f"{self.name}.{name}"

    def check(self) -> Iterator[tuple[str, str]]:
        if not self.outputs:
            object.__setattr__(self, "outputs", (self.name,))
        if self.quantization and len(self.quantization) != len(self.outputs):
            yield "quantization", f"must have {len(self.outputs)} entries, not {len(self.quantization)}"


@dataclass(frozen=True, eq=False, repr=False)
class Network(Record):
    """A quantized network. Build one by hand with `NetworkBuilder`."""

    inputs: tuple[Input, ...] = field("tensors given from outside")
    nodes: tuple[Node, ...] = field("in topological order")
    outputs: tuple[str, ...] = field("names of the tensors given back, in order")
    source: str = field("where the network came from, in a reader's words", default="")

    def locate(self, name: str) -> str:
        return name or "network"

    def check(self) -> Iterator[tuple[str, str]]:
        specs: dict[str, TensorSpec] = {}
        for entry in self.inputs:
            yield from _declare(specs, entry.name, entry.spec)
        for node in self.nodes:
            yield from _check_node(node, specs)
        yield from self._check_outputs(specs)
        yield from self._check_doors(specs)
        object.__setattr__(self, "_specs", MappingProxyType(specs))

    @property
    def specs(self) -> Mapping[str, TensorSpec]:
        """What every tensor is, by name, in the order in which they are made."""
        specs: Mapping[str, TensorSpec] = self.__dict__["_specs"]
        return specs

    @cached_property
    def producers(self) -> Mapping[str, Node]:
        """The node that gives each tensor that is not an input."""
        return {name: node for node in self.nodes for name in node.outputs}

    def node(self, name: str) -> Node:
        """The node of this name.

        Raises
        ------
        SpecError
            There is none.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        raise SpecError(f"network has no node {name!r}")

    def with_datapath(self, datapath: Datapath) -> Network:
        """The network with its sums made as the datapath says: see `intsim.network.datapath`."""
        from intsim.network.datapath import with_datapath

        return with_datapath(self, datapath)

    def _check_outputs(self, specs: Mapping[str, TensorSpec]) -> Iterator[tuple[str, str]]:
        if not self.inputs:
            yield "inputs", "must not be empty"
        if not self.outputs:
            yield "outputs", "must not be empty. [N5]"
        for name in self.outputs:
            if name not in specs:
                yield "outputs", f"must name tensors of the network, not {name!r}. [N5]"
            if self.outputs.count(name) > 1:
                yield "outputs", f"must name each tensor once, not {name!r} again. [N5]"

    def _check_doors(self, specs: Mapping[str, TensorSpec]) -> Iterator[tuple[str, str]]:
        for node in self.nodes:
            for name in node.inputs:
                spec = specs.get(name)
                real = spec is not None and isinstance(spec.format, RealFormat)
                if real and not (node.op.real_inputs and name not in self.producers):
                    yield node.name, f"input {name!r} is real, which only quantize at the door reads. [N6]"
            for name in node.outputs:
                spec = specs.get(name)
                real = spec is not None and isinstance(spec.format, RealFormat)
                if real and (not node.op.real_outputs or name not in self.outputs):
                    yield node.name, "a real result must be a network output made by dequantize. [N6]"


def _declare(specs: dict[str, TensorSpec], name: str, spec: TensorSpec) -> Iterator[tuple[str, str]]:
    if not 1 <= len(name) <= _LONGEST_NAME or "\0" in name:
        yield name[:60], f"name must have 1 to {_LONGEST_NAME} characters, none of them NUL. [N1]"
    if name in specs:
        yield name, "name must be unique. [N1]"
    specs[name] = spec


def _check_node(node: Node, specs: dict[str, TensorSpec]) -> Iterator[tuple[str, str]]:
    """Rules N1 to N4 for one node; a node whose inputs are unknown is not looked into further."""
    missing = [name for name in node.inputs if name not in specs]
    for name in missing:
        yield node.name, f"input {name!r} must be made before it is read. [N2]"
    fewest, most = node.op.arity
    if len(node.inputs) < fewest or (most is not None and len(node.inputs) > most):
        wanted = str(fewest) if fewest == most else f"{fewest} to {most if most is not None else 'any'}"
        yield node.name, f"{node.op.name} takes {wanted} inputs, not {len(node.inputs)}. [N2]"
    elif not missing:
        try:
            results = node.op.infer(*(specs[name] for name in node.inputs))
        except SpecError as error:
            for finding in error.findings:
                yield node.name, str(finding)
            return
        if len(results) != len(node.outputs):
            yield node.name, f"gives {len(results)} outputs, not {len(node.outputs)}. [N4]"
            return
        annotations = node.quantization or (None,) * len(results)
        for name, spec, annotation in zip(node.outputs, results, annotations, strict=True):
            try:
                annotated = TensorSpec(spec.shape, spec.format, annotation)
            except SpecError as error:
                for finding in error.findings:
                    yield name, str(finding)
                annotated = spec
            yield from _declare(specs, name, annotated)
