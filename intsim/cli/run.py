"""Run a network on a file of inputs and write its outputs.

Inputs are integers, or with --real reals that are quantized at the door; the first axis is the batch.
Batches of any size are fed through piece by piece. With --events, every accumulator's overflows are
counted: persistent where the final sum does not fit the register, transient where only a sum on the way
does not.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intsim.cli.door import add_door, load_network, opened_inputs
from intsim.cli.output import add_json, print_json, print_table, progress

if TYPE_CHECKING:
    from intsim.arithmetic import Events

SUMMARY = "inputs to outputs"
EXAMPLES = """\
  intsim run model.h5 -i inputs.npy -o outputs.npz
  intsim run model.h5 -i photos.npz -o outputs.h5 --real
  intsim run model.h5 -i inputs.npy -o outputs.npz --datapath chip.toml --events
  intsim run model.h5 -i inputs.npy -o outputs.npz --engine crosscheck
"""


def add_arguments(parser: ArgumentParser) -> None:
    add_door(parser)
    parser.add_argument(
        "-o", "--output", metavar="OUT", type=Path, required=True, help=".npy (one output), .npz or .h5"
    )
    parser.add_argument("--events", action="store_true", help="count the overflows in every accumulator")
    add_json(parser)


def run(arguments: Namespace) -> int:
    from intsim.engine import plan
    from intsim.storage import write_tensors
    from intsim.storage.writing import kind_of

    network = load_network(arguments)
    kind_of(arguments.output, len(network.outputs))  # refuse before the work, not after it
    ready = plan(network, engine=arguments.engine, events=arguments.events)
    specs = {name: network.specs[name] for name in network.outputs}
    counted: dict[str, Events] = {}
    with (
        opened_inputs(network, arguments) as (inputs, batch),
        write_tensors(arguments.output, specs, batch) as writer,
        progress("run") as advance,
    ):
        for part in ready.stream(inputs, threads=arguments.threads, progress=advance):
            writer.append(part.outputs)
            for name, events in part.events.items():
                if name in counted:
                    counted[name].add(events)
                else:
                    counted[name] = events
    if arguments.events:
        _tell(counted, arguments.json)
    elif arguments.json:
        print_json({"samples": batch, "outputs": list(network.outputs)})
    return 0


def _tell(counted: dict[str, Events], as_json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {"node": name, "register": level, "persistent": persistent, "transient": transient}
        for name, events in counted.items()
        for level, (persistent, transient) in enumerate(zip(events.persistent, events.transient, strict=True))
    ]
    if as_json:
        print_json({"events": rows})
        return
    header = ("register", "persistent", "transient", "node")
    print_table(header, ([row[key] for key in header] for row in rows))
