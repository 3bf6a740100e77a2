"""Which accumulators cannot overflow, whatever the input, and which input breaks those that can.

Every accumulator is proved, channel by channel, from the weights and the ranges of the inputs: the final
sum and every sum on the way, in the order and the registers of the datapath. Where that fails, an input of
the layer that makes the register wrong is made and executed (a local witness), and then one of the network
is looked for (a network witness). Witnesses are written as files: run them.

The table tells, for the worst channel: the bits that the register's own overflow mode needs and the bits it
has above that (headroom); the width that is safe with WRAP, with SATURATE or TRAP, and in any order of the
terms; and beside them the bounds of the literature, which know less.

--search finds the narrowest safe registers, node by node, and writes them as a datapath.
--certificate writes what was proved; --check verifies such a file by a checker of its own that shares no
code with the prover.

Exit status: 0 all proved (or the certificate holds), 1 not all, 2 wrong usage or a bad file.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from intsim.cli.output import add_json
from intsim.cli.ranges import add_ranges

if TYPE_CHECKING:
    from intsim.arithmetic import Interval
    from intsim.network import Network

SUMMARY = "which accumulators cannot overflow, and what breaks the others"
EXAMPLES = """\
  intsim prove model.h5
  intsim prove model.h5 --datapath chip.toml --certificate proof.json
  intsim prove model.h5 --check proof.json
  intsim prove model.h5 --range image=-128:100 --observe images.npy
  intsim prove model.h5 --datapath chip.toml --search narrow.toml
  intsim prove model.h5 --only 'block1/*' --channels
"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NET.h5", type=Path)
    parser.add_argument("--datapath", metavar="D.toml", type=Path, help="the hardware's accumulators")
    add_ranges(parser)
    parser.add_argument("--certificate", metavar="C.json", type=Path, help="write what was proved")
    parser.add_argument("--check", metavar="C.json", type=Path, help="verify a certificate; nothing else")
    parser.add_argument("--search", metavar="OUT.toml", type=Path, help="write the narrowest safe datapath")
    parser.add_argument(
        "-w",
        "--witness",
        metavar="DIR",
        type=Path,
        help="folder for witnesses; NET.witnesses in the current one if absent",
    )
    parser.add_argument("--no-witness", action="store_true", help="look for no witnesses")
    parser.add_argument(
        "--seconds",
        metavar="S",
        type=float,
        default=2.0,
        help="how long to look for a network witness of each node that is not proved; 0: not at all",
    )
    parser.add_argument(
        "--observe", metavar="IN", type=Path, help="inputs; what sums came to stands beside the proof"
    )
    parser.add_argument("--only", metavar="GLOB", action="append", help="nodes to show; may be repeated")
    parser.add_argument("--channels", action="store_true", help="a line per channel")
    add_json(parser)


def run(arguments: Namespace) -> int:
    if arguments.check is not None:
        return _check(arguments)
    from intsim.cli.door import load_network
    from intsim.cli.ranges import ranges_of

    network = load_network(arguments)
    ranges = ranges_of(network, arguments)
    if arguments.search is not None:
        return _search(arguments, network, ranges)
    return _prove(arguments, network, ranges)


def _prove(arguments: Namespace, network: Network, ranges: dict[str, Interval]) -> int:
    from intsim.cli import prove_output as shown
    from intsim.cli.prove_witness import write_witnesses
    from intsim.verify.prove import prove

    chosen = shown.chosen_nodes(network, arguments.only)
    proof = prove(network, ranges, witnesses=not arguments.no_witness)
    seen = _observe(arguments, network)
    witnesses = {} if arguments.no_witness else write_witnesses(arguments, network, proof, chosen)
    if arguments.certificate is not None:
        from intsim.storage import load
        from intsim.verify.certificate import write_certificate

        stored = network if arguments.datapath is None else load(arguments.network)
        write_certificate(arguments.certificate, proof, _sha256(arguments.network.read_bytes()), stored)
    if arguments.json:
        shown.print_proof_json(proof, chosen, seen, witnesses)
    else:
        shown.print_proof(proof, chosen, seen, witnesses, arguments.channels)
    return 0 if proof.proved else 1


def _observe(arguments: Namespace, network: Network) -> dict[str, Interval]:
    """Ranges seen on data, never a proof."""
    if arguments.observe is None:
        return {}
    from intsim.cli.output import progress
    from intsim.engine.inputs import check_inputs
    from intsim.errors import InputError
    from intsim.storage import open_tensors
    from intsim.verify.observed import observed

    with open_tensors(arguments.observe) as file, progress("observe") as advance:
        first = network.inputs[0].name
        given = file.named(first) if len(network.inputs) == 1 else file
        try:
            inputs, _ = check_inputs(network, {name: given[name] for name in given})
        except InputError as error:
            raise error.at(str(arguments.observe)) from None
        return dict(observed(network, inputs, advance))


def _search(arguments: Namespace, network: Network, ranges: dict[str, Interval]) -> int:
    from intsim.cli import prove_output as shown
    from intsim.network.datapath_text import datapath_text
    from intsim.storage.atomic import replacing
    from intsim.verify.narrowest import datapath_of, narrowest
    from intsim.verify.prove import prove

    found = narrowest(network, ranges)
    datapath = datapath_of(found)
    proof = prove(network.with_datapath(datapath), ranges, witnesses=False)
    comments = ["The narrowest registers that are proved safe, node by node.", *shown.assumptions(proof)]
    with replacing(arguments.search) as beside:
        beside.write_text(datapath_text(datapath, tuple(comments)), encoding="utf-8")
    if arguments.json:
        shown.print_search_json(found)
    else:
        shown.print_search(found)
    return 0 if proof.proved else 1


def _check(arguments: Namespace) -> int:
    from intsim.cli import prove_output as shown
    from intsim.errors import FileError, Finding
    from intsim.storage import load
    from intsim.verify.check_certificate import examine

    load(arguments.network)  # says what is wrong with the network's file, if anything is
    if not arguments.check.is_file():
        raise FileError(Finding(str(arguments.check), "must be a file; there is none"))
    outcome = examine(str(arguments.check), str(arguments.network))
    holds = not outcome.findings and not outcome.unproved
    if arguments.json:
        from intsim.cli.output import print_json

        print_json({"holds": holds, **outcome._asdict()})
    else:
        shown.print_check(arguments.check, outcome, holds)
    return 0 if holds else 1


def _sha256(stored: bytes) -> str:
    import hashlib

    return hashlib.sha256(stored).hexdigest()
