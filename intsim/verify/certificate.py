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
    tile and inner. ``registers`` lists, outermost first, what each register would meet if none of them ever
    overflowed: ``final``, the sum after the last addition, and ``partial``, every sum on the way too; over
    all output positions and, in an inner register, all tiles. It is null where nothing is claimed.
C8. ``proved`` is true, false, or a list of these per channel: whether the outermost register delivers the
    exact sum for every input that is assumed. The ``proved`` at the top is true where all of them are, and no
    sum of blocks is made in a fixed-point word, of which nothing is claimed.

What a certificate does not prove it says: a node that may overflow has its ranges and ``proved`` false, so a
certificate can always be made, and all that it claims is true. Whoever wants a network without overflow asks
for ``proved`` at the top beside a checker without findings.

The claims are made to be checkable by simple means. What the checker does not follow (`FOLLOWED`, `STEPS`)
may be all of its format; what only moves, the hull of all that goes in; ranges per element become ranges per
channel. A tap that may lie outside the image holds an input or the zero point, wherever it is. Sums of
tensors are claimed where the checker knows how many terms they have (`SHAPED`). All that comes after is
derived anew from these, so a certificate may claim less than `prove` found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, Interval
from intsim.errors import Finding, SpecError
from intsim.formats import Bipolar, Codebook, Discrete, IntFormat, TensorSpec, Ternary
from intsim.formats.table import name_of
from intsim.network import Network, Node
from intsim.network.datapath import accumulator_of
from intsim.ops import OPS
from intsim.storage.atomic import replacing
from intsim.verify.prove import Proof

FORMAT = "intsim-certificate"
FORMAT_VERSION = 1

FOLLOWED = ("requantize", "clamp", "add", "sub", "mul", "maximum", "minimum", "max_pool2d")
"""Ops whose own bounds the checker comes to, beside the accumulators."""

STEPS = ("Add", "ShiftLeft", "Multiply", "ShiftRight", "Clamp", "Scale")
"""The steps of a requantization that the checker follows; a rounding that is not STOCHASTIC."""

MOVED = (
    *("concat", "transpose", "slice", "split", "pad", "tile", "gather", "pack", "unpack", "reshape"),
    *("space_to_depth", "depth_to_space", "resize_nearest", "resize_bilinear"),
    *("avg_pool2d", "mean", "reduce_max", "reduce_min"),
)
"""Ops of which the checker knows that nothing comes out that lies outside of what went in."""

WINDOWED = ("conv2d", "depthwise_conv2d", "transpose_conv2d", "dense")
"""Sums whose terms the weights count."""

SHAPED = (
    *("conv2d", "depthwise_conv2d", "max_pool2d", "avg_pool2d"),
    *("add", "sub", "mul", "maximum", "minimum", "requantize", "clamp", "lookup", "hard_swish"),
)
"""Ops of which the checker knows the output's shape where it knows the inputs'."""


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
    tensors, nodes = _claimable(proved, proof.ranges)
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
        "proved": all(verdict is True for verdict in verdicts) and not proof.words,
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
) -> tuple[dict[str, Interval], dict[str, dict[str, Any]]]:
    """Ranges that the checker comes to as well, of every integer tensor, and what it finds of every sum."""
    tensors = {
        name: interval.by_channel() for name, interval in ranges.items() if _read(network.specs[name].format)
    }
    shaped = {entry.name for entry in network.inputs}
    claims: dict[str, dict[str, Any]] = {}
    for node in network.nodes:
        specs = [network.specs[name] for name in node.inputs]
        given = [tensors.get(name, Interval(0, 0)) for name in node.inputs]
        outputs = [network.specs[name] for name in node.outputs]
        if accumulator_of(node.op) is not None:
            counted = node.op.name in WINDOWED or (node.op.name == "sum" and node.inputs[0] in shaped)
            formats = [spec.format for spec in specs] + [getattr(node.op, "weight_format", IntFormat(8))]
            counted &= all(map(_read, formats))
            claims[node.name], delivered = _sums(node, specs, given, counted)
            found = [delivered]
        else:
            found = [_followed(node, specs, given, spec) for spec in outputs]
        for name, spec, interval in zip(node.outputs, outputs, found, strict=True):
            if _read(spec.format):
                tensors[name] = interval
        if node.op.name in SHAPED and _same_shapes(node, specs, shaped):
            shaped.update(node.outputs)
    return tensors, claims


def _same_shapes(node: Node, specs: Sequence[TensorSpec], shaped: set[str]) -> bool:
    return shaped.issuperset(node.inputs) and len({spec.shape for spec in specs}) == 1


def _followed(
    node: Node, specs: Sequence[TensorSpec], given: Sequence[Interval], output: TensorSpec
) -> Interval:
    """What the checker finds that an output can be."""
    op: Any = node.op
    if op.name in FOLLOWED and (op.name != "requantize" or _steps_followed(op)):
        return op.bounds(specs, given).outputs[0]  # type: ignore[no-any-return]
    if op.name == "avg_pool2d" and not op.count_padding:
        return given[0]
    if op.name == "reshape" and op.shape[-1:] == specs[0].shape[-1:]:
        return given[0]
    if op.name in MOVED:
        border = {"pad": "value", "avg_pool2d": "zero_point"}.get(op.name)
        moved = [interval.hull() for interval in (given[:1] if op.name == "gather" else given)]
        return Interval.join([*moved, *([_point(getattr(op, border))] if border else [])])
    return Interval.of_format(output.integer) if isinstance(output.format, Discrete) else Interval(0, 0)


def _read(format: Any) -> bool:
    """Whether the checker reads a format: plain integers, and those that list theirs by name or values."""
    if isinstance(format, Codebook):
        return name_of(format) is None
    return isinstance(format, IntFormat | Bipolar | Ternary)


def _steps_followed(op: Any) -> bool:
    return op.format is None and all(map(_steps, op.requantization.steps))


def _steps(step: Any) -> bool:
    """Whether the checker follows a step of a requantization."""
    rounding = getattr(step, "rounding", None)
    return type(step).__name__ in STEPS and (rounding is None or rounding.name != "STOCHASTIC")


def _point(value: int) -> Interval:
    return Interval(value, value)


def _sums(
    node: Node, specs: Sequence[TensorSpec], given: Sequence[Interval], counted: bool
) -> tuple[dict[str, Any], Interval]:
    """Rules C7 and C8 for one node, and what it delivers."""
    accumulator: Any = accumulator_of(node.op)
    said = _accumulator(accumulator, outer=True)
    limits = Interval.of_format(accumulator.format)
    if not counted:
        return {"accumulator": said, "registers": None, "proved": False}, limits
    op, specs, given = _as_the_checker(node.op, specs, given)
    exact = np.atleast_1d(op.bounds(specs, given).registers[0].exact)
    wide = []
    for level in range(len(accumulator.levels())):
        alone = op.replace(accumulator=_exact_inside(accumulator, level))
        wide.append(alone.bounds(specs, given).registers[level])
    registers = [{"final": _range(entry.final), "partial": _range(entry.partial)} for entry in wide]
    final = [np.atleast_1d(np.asarray(end, dtype=object)) for end in (wide[0].final.lo, wide[0].final.hi)]
    ends = (limits.lo, limits.hi)
    delivered = [np.where(exact, end, limit) for end, limit in zip(final, ends, strict=True)]
    verdict = exact.tolist() if len(set(exact.tolist())) > 1 else bool(exact[0])
    return {"accumulator": said, "registers": registers, "proved": verdict}, Interval.of_arrays(*delivered)


def _as_the_checker(
    op: Any, specs: Sequence[TensorSpec], given: Sequence[Interval]
) -> tuple[Any, Sequence[TensorSpec], Sequence[Interval]]:
    """The op as one whose bounds are what the checker finds: one window, its taps inputs or zero points."""
    if op.name == "sum" and len(specs[0].shape) - 1 in op.axes:
        return op, specs, [given[0].hull()]
    if op.name in ("sum", "dense"):
        return op, specs, given
    if op.name == "transpose_conv2d":
        names = ("weight", "weight_format", "bias", "input_zero_point", "weight_zero_point", "groups")
        fields = {name: getattr(op, name) for name in (*names, "accumulator")}
        op, padded = OPS["conv2d"](**fields), True
    else:
        padded = any(map(any, op.padding))
    if padded:
        given = [Interval.join([given[0], _point(op.input_zero_point)])]
    first = 2 if op.name == "depthwise_conv2d" else 1
    window = TensorSpec((*op.weight.shape[first : first + 2], specs[0].shape[2]), specs[0].format)
    return op.replace(padding=((0, 0), (0, 0)), stride=(1, 1), dilation=(1, 1)), [window], given


def _exact_inside(accumulator: Any, level: int) -> Accumulator:
    """The same registers down to one, which is entered by exact sums."""
    inner = _exact_inside(accumulator.inner, level - 1) if level else None
    return accumulator.replace(inner=inner)  # type: ignore[no-any-return]


def _rested_on(network: Network, tensors: Mapping[str, Interval]) -> set[str]:
    """Rule C6: the narrow tensors that accumulators read, and those that these are derived from."""
    inputs = {entry.name for entry in network.inputs}
    wanted: set[str] = set()
    for node in reversed(network.nodes):
        if accumulator_of(node.op) is not None or wanted & set(node.outputs):
            for name in node.inputs:
                if (
                    name not in inputs
                    and name in tensors
                    and tensors[name] != Interval.of_format(network.specs[name].integer)
                ):
                    wanted.add(name)
    return wanted


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
