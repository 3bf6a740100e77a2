"""What `run` and `trace` take in: a network, its datapath, and a file of inputs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intsim.errors import InputError

if TYPE_CHECKING:
    from intsim.network import Network


def add_door(parser: ArgumentParser) -> None:
    """Add the arguments of everything that runs a network."""
    parser.add_argument("network", metavar="NET.h5", type=Path)
    parser.add_argument(
        "-i",
        "--input",
        metavar="IN",
        type=Path,
        required=True,
        help=".npy (one input), .npz or .h5 (by input name); batch axis first",
    )
    parser.add_argument("--datapath", metavar="D.toml", type=Path, help="the hardware's accumulators")
    parser.add_argument("--engine", metavar="E", default="fast", help="fast, reference, exact or crosscheck")
    parser.add_argument(
        "--threads", metavar="N", type=int, help="threads of the kernels; all cores if absent"
    )
    parser.add_argument(
        "--real",
        action="store_true",
        help="inputs are reals, quantized by the inputs' scales: float32 division, ties away from zero",
    )


def load_network(arguments: Namespace) -> Network:
    """The network with its datapath."""
    from intsim.network import Datapath
    from intsim.storage import load

    network = load(arguments.network)
    if arguments.datapath is not None:
        network = network.with_datapath(Datapath.read(arguments.datapath))
    return network


@contextmanager
def opened_inputs(network: Network, arguments: Namespace) -> Iterator[tuple[dict[str, Any], int]]:
    """The inputs by name, checked, and the batch size; files stay open while the block lasts."""
    from intsim.cli.reals import at_the_door
    from intsim.engine.inputs import check_inputs
    from intsim.storage import open_tensors

    with open_tensors(arguments.input) as file:
        first = network.inputs[0].name
        stored = file.named(first) if len(network.inputs) == 1 else file
        given = {name: stored[name] for name in stored}
        try:
            ready = check_inputs(network, at_the_door(network, given) if arguments.real else given)
        except InputError as error:
            raise error.at(str(arguments.input)) from None
        yield ready
