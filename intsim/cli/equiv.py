"""Are two requantizations, tables or datapaths the same function on every reachable input?

Every integer that is proved to reach a requantization or a table goes through both sides: all are counted
that become another code, and the lowest is shown. Nodes with more than 2**28 accumulators are decided from
the ends of the stretches on which both sides are constant, where all steps are proved monotone; --enumerate
goes through each accumulator however many there are. Two networks are compared over the ranges that are
proved in the first.

Datapaths are the same where nothing overflows in either, or both keep the same low bits. Elsewhere an input
of the node is searched on which they differ, and run through both.

--narrowest shows, for every channel, the multiplier with the fewest bits, and its right shift, that makes
the same code of every reachable accumulator; without --rounding it rounds as the network does, and keeps
what follows the first right shift.

Exit status: 0 the same everywhere, 1 not the same or not decided, 2 wrong usage or a bad file.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intsim.cli.output import add_json, progress
from intsim.cli.ranges import add_ranges
from intsim.errors import SpecError

if TYPE_CHECKING:
    from intsim.arithmetic import Rounding
    from intsim.network import Network
    from intsim.verify.equivalence_networks import Options

SUMMARY = "are two requantizations, tables or datapaths the same function"
EXAMPLES = """\
  intsim equiv litert.h5 xnnpack.h5
  intsim equiv model.h5 --against-dialect tosa-scale32 --only 'block1/*' --channels
  intsim equiv model.h5 --datapath wide.toml --against narrow.toml -o inputs.npz
  intsim equiv model.h5 --narrowest
  intsim equiv model.h5 --narrowest --rounding half_up --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NET.h5", type=Path)
    parser.add_argument("other", metavar="B.h5", type=Path, nargs="?", help="a network of the same nodes")
    parser.add_argument(
        "--datapath", metavar="A.toml", type=Path, help="accumulators; else the network's own"
    )
    parser.add_argument("--against", metavar="B.toml", type=Path, help="other accumulators, as --datapath")
    parser.add_argument(
        "--against-dialect",
        metavar="NAME",
        help="what another dialect of requantization makes of the same scales: see `intsim dialects`",
    )
    parser.add_argument("--narrowest", action="store_true", help="multipliers of the fewest bits")
    parser.add_argument(
        "--rounding", metavar="R", help="of the one right shift of --narrowest, as half_up or half_even"
    )
    add_ranges(parser)
    parser.add_argument("--only", metavar="GLOB", action="append", help="nodes; may be repeated")
    parser.add_argument("--enumerate", action="store_true", help="go through every accumulator")
    parser.add_argument("--channels", action="store_true", help="a line per channel as well")
    parser.add_argument("--threads", metavar="N", type=int, help="all cores if absent")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write the inputs on which datapaths differ"
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    from intsim.cli import equiv_output as shown
    from intsim.storage import load

    asked = _asked(arguments)
    network = load(arguments.network)
    with _options(network, arguments) as options:
        if asked == "datapaths":
            from intsim.cli.equiv_inputs import write_inputs
            from intsim.verify.equivalence_datapaths import compare_datapaths

            a, b = (_with_datapath(network, path) for path in (arguments.datapath, arguments.against))
            sums = list(compare_datapaths(a, b, options))
            if arguments.output is not None:
                write_inputs(arguments.output, network, sums)
            return shown.show_sums(sums, arguments.json)
        if asked == "narrowest":
            from intsim.verify.equivalence_widths import narrowest_of_network

            widths = list(narrowest_of_network(network, _rounding(arguments.rounding), options))
            return shown.show_widths(widths, arguments.channels, arguments.json)
        if asked == "dialects":
            from intsim.verify.equivalence_networks import compare_with_dialect

            nodes = list(compare_with_dialect(network, arguments.against_dialect, options))
        else:
            from intsim.verify.equivalence_networks import compare_networks

            nodes = list(compare_networks(network, load(arguments.other), options))
    return shown.show_nodes(nodes, network, str(arguments.network), arguments.channels, arguments.json)


def _asked(arguments: Namespace) -> str:
    """Which of the questions is asked; exactly one may be."""
    questions = {
        "networks": arguments.other is not None,
        "datapaths": arguments.datapath is not None or arguments.against is not None,
        "dialects": arguments.against_dialect is not None,
        "narrowest": arguments.narrowest,
    }
    asked = [name for name, given in questions.items() if given]
    if len(asked) != 1:
        raise SpecError(
            "one must be given of a second network, --datapath or --against, --against-dialect, --narrowest,"
            f" not {len(asked)}"
        )
    if arguments.rounding is not None and not arguments.narrowest:
        raise SpecError("--rounding goes with --narrowest only")
    if arguments.output is not None and asked != ["datapaths"]:
        raise SpecError("--output goes with datapaths only")
    if arguments.threads is not None and arguments.threads < 1:
        raise SpecError(f"--threads must be at least 1, not {arguments.threads}")
    return asked[0]


@contextmanager
def _options(network: Network, arguments: Namespace) -> Iterator[Options]:
    from intsim.cli.ranges import ranges_of
    from intsim.verify.equivalence_networks import Options

    with progress("equiv") as advance:
        yield Options(
            tuple(arguments.only or ()),
            arguments.enumerate,
            arguments.threads,
            None if advance is None else lambda _: advance,
            ranges_of(network, arguments),
        )


def _with_datapath(network: Network, path: Path | None) -> Network:
    from intsim.network import Datapath

    return network if path is None else network.with_datapath(Datapath.read(path))


def _rounding(name: str | None) -> Rounding | None:
    from intsim.arithmetic import Rounding

    known: dict[str, Any] = {rounding.name.lower(): rounding for rounding in Rounding}
    if name is not None and name not in known:
        raise SpecError(f"--rounding must be one of {', '.join(known)}, not {name!r}")
    return None if name is None else known[name]
