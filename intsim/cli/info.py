"""Show what a network is: inputs, outputs, nodes, formats, multiply-accumulates, parameters.

MACs and parameters are of one sample: a MAC is one term of a sum of products, a parameter one stored weight
or bias. Weight bits count the weights in their own format, as hardware stores them, with the scales and zeros
that they share.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intsim.cli.output import add_json, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from intsim.network import Network, Node

SUMMARY = "inputs, outputs, nodes, formats, MACs, parameters, weight bits"
EXAMPLES = """\
  intsim info model.h5
  intsim info model.h5 --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NET.h5", type=Path)
    add_json(parser)


def run(arguments: Namespace) -> int:
    from intsim.storage import load

    described = describe(load(arguments.network))
    if arguments.json:
        print_json(described)
    else:
        _print(described)
    return 0


def describe(network: Network) -> dict[str, Any]:
    """Everything that `info` shows, as plain data."""
    nodes = [_node(network, node) for node in network.nodes]
    totals = {key: sum(node[key] for node in nodes) for key in ("macs", "parameters", "weight_bits")}
    inputs = [entry.name for entry in network.inputs]
    return {
        "source": network.source,
        "inputs": [_tensor(network, name) for name in inputs],
        "outputs": [_tensor(network, name) for name in network.outputs],
        **totals,
        "nodes": nodes,
    }


def _tensor(network: Network, name: str) -> dict[str, Any]:
    spec = network.specs[name]
    described: dict[str, Any] = {"name": name, "format": str(spec.format), "shape": list(spec.shape)}
    if spec.quantization is not None:
        described["scale"] = spec.quantization.scale.tolist()
        described["zero_point"] = spec.quantization.zero_point.tolist()
        described["axis"] = spec.quantization.axis
    return described


def _node(network: Network, node: Node) -> dict[str, Any]:
    from intsim.network.costs import macs, weight_bits

    first = network.specs[node.outputs[0]]
    weight = getattr(node.op, "weight", None)
    bias = getattr(node.op, "bias", None)
    stored = 0 if weight is None else int(weight.size)
    bits = weight_bits(node.op)
    return {
        "name": node.name,
        "op": node.op.name,
        "format": str(first.format),
        "shape": list(first.shape),
        "accumulator": _accumulator(node),
        "macs": macs(network, node),
        "parameters": stored + (0 if weight is None or bias is None else int(bias.size)),
        "weight_bits": bits,
        "bits_per_weight": bits / stored if stored else None,
    }


def _accumulator(node: Node) -> str | None:
    """The register that sums end in; of blocks, the name of how they are made, where it has one."""
    from intsim.arithmetic import Accumulator
    from intsim.arithmetic.blocks import BLOCK_ACCUMULATORS, BlockAccumulator

    accumulator = getattr(node.op, "accumulator", None)
    if isinstance(accumulator, BlockAccumulator):
        named = (name for name, preset in BLOCK_ACCUMULATORS.items() if preset.accumulator == accumulator)
        return next(named, accumulator.register.kind)
    return str(accumulator.register) if isinstance(accumulator, Accumulator) else None


def _print(described: dict[str, Any]) -> None:
    if described["source"]:
        print(described["source"])
        print()
    rows = [
        (role, entry["name"], entry["format"], _shape(entry), _meaning(entry))
        for role, entries in (("input", described["inputs"]), ("output", described["outputs"]))
        for entry in entries
    ]
    print_table(("", "tensor", "format", "shape", "stands for"), rows)
    print()
    header = ("op", "format", "shape", "accumulator", "MACs", "parameters", "weight bits", "node")
    print_table(
        header,
        (
            (
                node["op"],
                node["format"],
                _shape(node),
                node["accumulator"] or "",
                node["macs"],
                node["parameters"],
                node["weight_bits"],
                node["name"],  # last: framework names are long
            )
            for node in described["nodes"]
        ),
    )
    print()
    totals = (("MACs", "macs"), ("parameters", "parameters"), ("weight bits", "weight_bits"))
    print_pairs((label, described[key]) for label, key in totals)


def _shape(entry: dict[str, Any]) -> str:
    return "x".join(map(str, entry["shape"])) or "scalar"


def _meaning(entry: dict[str, Any]) -> str:
    if "scale" not in entry:
        return ""
    scales, zero_points = entry["scale"], entry["zero_point"]
    if len(scales) > 1:
        return f"{len(scales)} scales along axis {entry['axis']}"
    if zero_points[0] == 0:
        return f"{scales[0]:.9g} * q"
    return f"{scales[0]:.9g} * (q {'-' if zero_points[0] > 0 else '+'} {abs(zero_points[0])})"
