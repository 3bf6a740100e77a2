"""Run a network and write every tensor that is asked for, in the order in which it is made.

Without --only every tensor is written, accumulators left out; --accumulators takes them in too. Patterns
are those of a shell: * and ?. An accumulator is what a convolution or a dense layer yields before it is
requantized.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from intsim.cli.door import add_door, load_network, opened_inputs
from intsim.cli.origin import notes_of
from intsim.cli.output import progress

if TYPE_CHECKING:
    from intsim.network import Network

SUMMARY = "every tensor asked for"
EXAMPLES = """\
  intsim trace model.h5 -i inputs.npy -o trace.h5
  intsim trace model.h5 -i inputs.npy -o trace.h5 --only 'block1/*' --accumulators
"""


def add_arguments(parser: ArgumentParser) -> None:
    add_door(parser)
    parser.add_argument("-o", "--output", metavar="T.h5", type=Path, required=True, help=".h5 or .npz")
    parser.add_argument("--only", metavar="GLOB", action="append", help="tensors to write; may be repeated")
    parser.add_argument("--accumulators", action="store_true", help="write accumulators too")


def run(arguments: Namespace) -> int:
    from intsim.engine import plan, select
    from intsim.errors import InputError
    from intsim.storage import write_tensors
    from intsim.storage.writing import kind_of

    network = load_network(arguments)
    hidden = set() if arguments.accumulators else _accumulators(network)
    chosen = [name for name in select(network, arguments.only or ("*",)) if name not in hidden]
    if not chosen:
        raise InputError("--only must name a tensor that is no accumulator, or --accumulators be said too")
    kind_of(arguments.output, len(chosen))
    ready = plan(network, engine=arguments.engine)
    specs = {name: network.specs[name] for name in chosen}
    notes = notes_of(arguments)
    with (
        opened_inputs(network, arguments) as (inputs, batch),
        write_tensors(arguments.output, specs, batch, notes) as writer,
        progress("trace") as advance,
    ):
        for part in ready.stream(inputs, trace=chosen, threads=arguments.threads, progress=advance):
            writer.append({name: part.trace[name] for name in chosen})
    return 0


def _accumulators(network: Network) -> set[str]:
    """Tensors that come out of an accumulator."""
    from intsim.network.datapath import accumulator_of

    return {
        name for node in network.nodes if accumulator_of(node.op) is not None for name in node.outputs
    } - set(network.outputs)
