"""The certificate of a proof: what was proved of a network's accumulators, for somebody else to check.

`check_certificate` checks one without trusting what made it. A certificate is a JSON file in UTF-8; the
same proof of the same file gives the same bytes.

Rules
-----
C1. ``format`` is "intsim-certificate", ``format_version`` 1; ``network.sha256`` is the SHA-256 of all bytes
    of the network's HDF5 file, in lower-case hexadecimal.
C2. Every object has the keys that are told here and no other, each once. Numbers are integers.
C3. A range is ``{"lo": a, "hi": b}``, ends included: two integers, or two lists with one integer per channel
    (index of the last axis) where channels differ.
C4. ``assumptions.inputs`` has the range of every integer input of the network. The claims hold for inputs
    inside these ranges and for no other; a range that is all of the format assumes nothing.
C5. ``assumptions.datapath`` lists the nodes whose accumulator is not the one in the network's file, but one
    that the proof assumes instead.
C6. ``tensors`` has the ranges that the claims rest on: of the outputs of nodes that an accumulator reads,
    directly or through other nodes, where narrower than the tensor's format. A tensor that is not there may
    be anything of its format.
C7. ``nodes`` has every node that accumulates. ``accumulator`` says in full how its sums are made: format,
    overflow, order, topology, tile, bias, zero_point, and inner, an object of format, overflow, topology,
    tile and inner. ``registers`` lists, outermost first, what each register meets before its overflow is
    applied: ``final``, the sum after the last addition, and ``partial``, every sum on the way too; over all
    output positions and, in an inner register, all tiles. In a register that WRAPs, and that is entered by
    values right modulo its width only, ``final`` is the exact sum.
C8. ``proved`` is true, false, or a list of these per channel: whether the outermost register delivers the
    exact sum for every input that is assumed. The ``proved`` at the top is true where all of them are.

What a certificate does not prove it says: a node that may overflow has its ranges and ``proved`` false, so a
certificate can always be made, and all that it claims is true. Whoever wants a network without overflow asks
for ``proved`` at the top beside a checker without findings.

The claims are made to be checkable by simple means. Where the checker does not follow an op, the op's
outputs are taken as all of their format; where it follows a movement of data channel by channel no further,
as the hull of what is moved. Ranges per element become ranges per channel. All that comes after is derived
anew from these, so a certificate may, rarely, claim less than `prove` found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, Bounds, Interval
from intsim.errors import Finding, SpecError
from intsim.formats import IntFormat, TensorSpec
from intsim.network import Network, Node
from intsim.network.datapath import accumulator_of
from intsim.ops import OPS
from intsim.storage.atomic import replacing
from intsim.verify.prove import Proof

FORMAT = "intsim-certificate"
FORMAT_VERSION = 1

FOLLOWED = (
    *("requantize", "clamp", "lookup", "add", "sub", "mul", "maximum", "minimum", "squared_difference"),
    *("max_pool2d", "avg_pool2d", "resize_nearest", "resize_bilinear", "reshape"),
    *("mean", "reduce_max", "reduce_min"),
)
"""Ops whose own bounds the checker comes to, beside the accumulators."""

MOVED = (
    *("concat", "transpose", "slice", "split", "tile", "gather", "pack", "unpack"),
    *("space_to_depth", "depth_to_space"),
)
"""Ops of which the checker knows that nothing comes out that did not go in."""

STORED = {"constant": "values", "embedding_lookup": "table"}
"""Ops that give what they hold, and where."""


def certificate(proof: Proof, sha256: str, network: Network | None = None) -> dict[str, Any]:
    """The certificate of a proof, ready for `json`.

    Parameters
    ----------
    proof : Proof
    sha256 : of the bytes of the network's file
    network : as the file has it, where the proof is of another datapath (rule C5)

    Raises
    ------
    SpecError
        The network has an op that is not intsim's own.
    """
    proved = proof.network
    foreign = [node for node in proved.nodes if node.op.name not in OPS]
    if foreign:
        raise SpecError(
            Finding(node.name, f"op must be one of intsim's own for a certificate, not {node.op.name}")
            for node in foreign
        )
    tensors, bounds = _claimable(proved, proof.ranges)
    nodes = {node.name: _node(node, bounds[node.name]) for node in proved.nodes if node.name in bounds}
    assumed = {
        name: _range(tensors[name]) for name in (entry.name for entry in proved.inputs) if name in tensors
    }
    verdicts = [node["proved"] for node in nodes.values()]
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "network": {"sha256": sha256},
        "assumptions": {"inputs": assumed, "datapath": _assumed_nodes(proved, network or proved)},
        "tensors": {name: _range(tensors[name]) for name in sorted(_rested_on(proved, tensors))},
        "nodes": nodes,
        "proved": all(verdict is True for verdict in verdicts),
    }


def write_certificate(
    path: str | os.PathLike[str], proof: Proof, sha256: str, network: Network | None = None
) -> None:
    """Write a proof's certificate, whole or not at all; the parameters are those of `certificate`.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    text = text_of(certificate(proof, sha256, network))
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def text_of(claims: Mapping[str, Any]) -> str:
    """A certificate as JSON: keys sorted, one line per tensor and per node."""
    lines = []
    for key in sorted(claims):
        value = json.dumps(claims[key], sort_keys=True)
        if key in ("nodes", "tensors") and claims[key]:
            entries = [
                f"  {json.dumps(name)}: {json.dumps(claims[key][name], sort_keys=True)}"
                for name in sorted(claims[key])
            ]
            value = "{\n" + ",\n".join(entries) + "\n }"
        lines.append(f" {json.dumps(key)}: {value}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _claimable(
    network: Network, ranges: Mapping[str, Interval]
) -> tuple[dict[str, Interval], dict[str, Bounds]]:
    """Ranges that the checker comes to as well, of every integer tensor, and what every sum is on them."""
    tensors = {name: interval.by_channel() for name, interval in ranges.items()}
    sums: dict[str, Bounds] = {}
    for node in network.nodes:
        specs = [network.specs[name] for name in node.inputs]
        given = [tensors.get(name, Interval(0, 0)) for name in node.inputs]
        outputs = [network.specs[name] for name in node.outputs]
        if accumulator_of(node.op) is not None:
            sums[node.name] = node.op.bounds(specs, given)
            found = sums[node.name].outputs
        else:
            found = tuple(_followed(node, specs, given, spec) for spec in outputs)
        for name, spec, interval in zip(node.outputs, outputs, found, strict=True):
            if isinstance(spec.format, IntFormat):
                tensors[name] = interval
    return tensors, sums


def _followed(
    node: Node, specs: Sequence[TensorSpec], given: Sequence[Interval], output: TensorSpec
) -> Interval:
    """What the checker finds that an output can be, or more."""
    op: Any = node.op
    if op.name in ("mean", "reduce_max", "reduce_min") and len(specs[0].shape) - 1 in op.axes:
        return given[0].hull()
    if op.name == "reshape" and op.shape[-1:] != specs[0].shape[-1:]:
        return given[0].hull()
    if op.name in FOLLOWED and not getattr(op, "interpolation_bits", 0):
        return op.bounds(specs, given).outputs[0]  # type: ignore[no-any-return]
    if op.name in MOVED:
        return Interval.join(interval.hull() for interval in (given[:1] if op.name == "gather" else given))
    if op.name == "pad":
        return Interval.join((given[0].hull(), *_constant(op)))
    if op.name in STORED:
        codes = getattr(op, STORED[op.name])
        return Interval(int(codes.min()), int(codes.max()))
    return Interval.of_format(output.integer) if isinstance(output.format, IntFormat) else Interval(0, 0)


def _constant(op: Any) -> list[Interval]:
    """What a border of a constant holds."""
    return [Interval(op.value, op.value)] if op.mode.name == "CONSTANT" else []


def _rested_on(network: Network, tensors: Mapping[str, Interval]) -> set[str]:
    """Rule C6: the narrow tensors that accumulators read, and those that these are derived from."""
    inputs = {entry.name for entry in network.inputs}
    wanted: set[str] = set()
    for node in reversed(network.nodes):
        if accumulator_of(node.op) is not None or wanted & set(node.outputs):
            for name in node.inputs:
                format = network.specs[name].format
                if (
                    name not in inputs
                    and isinstance(format, IntFormat)
                    and tensors[name] != Interval.of_format(format)
                ):
                    wanted.add(name)
    return wanted


def _node(node: Node, bounds: Bounds) -> dict[str, Any]:
    """Rules C7 and C8."""
    accumulator: Any = accumulator_of(node.op)
    exact = np.atleast_1d(bounds.registers[0].exact).tolist()
    return {
        "accumulator": _accumulator(accumulator, outer=True),
        "registers": [
            {"final": _range(entry.final), "partial": _range(entry.partial)} for entry in bounds.registers
        ],
        "proved": exact[0] if len(set(exact)) == 1 else exact,
    }


def _accumulator(accumulator: Accumulator, outer: bool = False) -> dict[str, Any]:
    said: dict[str, Any] = {
        "format": str(accumulator.format),
        "overflow": accumulator.overflow.name.lower(),
        "topology": accumulator.topology.name.lower(),
        "tile": accumulator.tile,
        "inner": _accumulator(accumulator.inner) if accumulator.inner else None,
    }
    if outer:
        order = accumulator.order
        said["order"] = order if isinstance(order, str) else list(order)
        said["bias"], said["zero_point"] = accumulator.bias.name.lower(), accumulator.zero_point.name.lower()
    return said


def _assumed_nodes(proved: Network, network: Network) -> list[str]:
    """Rule C5."""
    stored = {node.name: accumulator_of(node.op) for node in network.nodes}
    return sorted(
        node.name
        for node in proved.nodes
        if (accumulator := accumulator_of(node.op)) is not None and accumulator != stored[node.name]
    )


def _range(interval: Interval) -> dict[str, Any]:
    """Rule C3."""
    lo, hi = np.broadcast_arrays(
        np.atleast_1d(np.asarray(interval.lo, dtype=object)), np.asarray(interval.hi, dtype=object)
    )
    pairs = {(int(a), int(b)) for a, b in zip(lo, hi, strict=True)}
    if len(pairs) == 1:
        return {"lo": int(lo[0]), "hi": int(hi[0])}
    return {"lo": [int(end) for end in lo], "hi": [int(end) for end in hi]}
