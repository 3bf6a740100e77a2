"""Show how a network would run: the steps, the kernel of each, why it is exact there, and what it costs.

A step is one node, or several that run as one kernel because nobody else sees the tensors between them:
their names are joined by +. Costs are of one sample: MACs, and the bytes that the step reads and writes
(its inputs, its outputs, its weights and biases). With --events the plan is that of a run that counts
overflows.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intsim.cli.door import load_network
from intsim.cli.output import add_json, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from intsim.engine import Plan

SUMMARY = "kernels, and why each is exact"
EXAMPLES = """\
  intsim plan model.h5
  intsim plan model.h5 --datapath chip.toml --events
  intsim plan model.h5 --engine reference --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NET.h5", type=Path)
    parser.add_argument("--datapath", metavar="D.toml", type=Path, help="the hardware's accumulators")
    parser.add_argument("--engine", metavar="E", default="fast", help="fast, reference, exact or crosscheck")
    parser.add_argument("--events", action="store_true", help="plan for a run that counts overflows")
    add_json(parser)


def run(arguments: Namespace) -> int:
    from intsim.engine import plan

    described = describe(plan(load_network(arguments), engine=arguments.engine, events=arguments.events))
    if arguments.json:
        print_json(described)
    else:
        _print(described)
    return 0


def describe(plan: Plan) -> dict[str, Any]:
    """Everything that `plan` shows, as plain data."""
    from intsim.network.costs import macs, tensor_bytes, weight_bytes

    specs = plan.network.specs
    steps = [
        {
            "nodes": [node.name for node in step.nodes],
            "ops": [node.op.name for node in step.nodes],
            "kernel": step.kernel,
            "reason": step.reason,
            "macs": sum(macs(plan.network, node) for node in step.nodes),
            "bytes": sum(tensor_bytes(specs[name]) for name in (*step.inputs, *step.outputs))
            + sum(weight_bytes(node.op) for node in step.nodes),
        }
        for step in plan.steps
    ]
    return {
        "engine": plan.engine,
        "events": plan.events,
        "sample_bytes": plan.sample_bytes,
        "macs": sum(step["macs"] for step in steps),
        "bytes": sum(step["bytes"] for step in steps),
        "steps": steps,
    }


def _print(described: dict[str, Any]) -> None:
    steps = described["steps"]
    print_table(
        ("MACs", "bytes", "kernel", "nodes"),
        ((step["macs"], step["bytes"], step["kernel"], " + ".join(step["nodes"])) for step in steps),
    )
    print()
    for reason in dict.fromkeys(step["reason"] for step in steps):  # each once: many steps share one
        same = [step["nodes"][-1] for step in steps if step["reason"] == reason]
        print(f"{', '.join(same)}:\n  {reason}")
    print()
    nodes = sum(len(step["nodes"]) for step in steps)
    print_pairs(
        (
            ("steps", f"{len(steps):,} of {nodes:,} nodes"),
            ("MACs", described["macs"]),
            ("bytes", described["bytes"]),
            ("most bytes held at once", described["sample_bytes"]),
        )
    )
