"""Say whether a file is a valid network, and if not, everything that is wrong and where.

Exit status 0 if it is valid, 2 if not.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from intsim.cli.output import add_json, print_json

SUMMARY = "is the file valid"
EXAMPLES = """\
  intsim check-model model.h5
  intsim check-model model.h5 --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NET.h5", type=Path)
    add_json(parser)


def run(arguments: Namespace) -> int:
    from intsim.errors import FileError
    from intsim.storage import load

    if not arguments.json:
        network = load(arguments.network)
        print(f"{arguments.network}: valid, {len(network.nodes)} nodes")
        return 0
    try:
        load(arguments.network)
    except FileError as error:
        findings = [{"where": finding.where, "what": finding.what} for finding in error.findings]
        print_json({"valid": False, "findings": findings})
        return 2
    print_json({"valid": True, "findings": []})
    return 0
