"""List the dialects: named sets of other tools' rounding conventions.

A dialect of requantization turns a real ratio of scales into integer steps. A dialect of a converter says
whose bits a converted network gives; it is what `intsim convert --dialect` takes.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from intsim.cli.output import add_json, print_json, print_pairs, print_table

SUMMARY = "whose roundings there are"
EXAMPLES = """\
  intsim dialects
  intsim dialects tflite-double
  intsim dialects --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="one dialect")
    add_json(parser)


def run(arguments: Namespace) -> int:
    from intsim.errors import SpecError

    known = _requantizations() + _conversions()
    if arguments.name is None:
        _list(known, arguments.json)
        return 0
    chosen = [entry for entry in known if entry["name"] == arguments.name]
    if not chosen:
        names = ", ".join(entry["name"] for entry in known)
        raise SpecError(f"dialect must be one of {names}, not {arguments.name!r}")
    if arguments.json:
        print_json(chosen[0])
    else:
        print_pairs(chosen[0].items())
    return 0


def _requantizations() -> list[dict[str, Any]]:
    from intsim.arithmetic.dialects import DIALECTS

    return [
        {"name": dialect.name, "of": "requantization", "meaning": dialect.summary, "source": dialect.source}
        for dialect in DIALECTS.values()
    ]


def _conversions() -> list[dict[str, Any]]:
    """Those of the converters that can be loaded; one whose framework is missing lists none."""
    from intsim.cli import installed
    from intsim.errors import ConversionError

    listed = []
    for name in installed.names():
        try:
            converter = installed.load(name)
        except ConversionError:
            continue
        for dialect, meaning in converter.dialects.items():
            default = " (default)" if dialect == converter.default_dialect else ""
            listed.append({"name": dialect, "of": f"converter {name}{default}", "meaning": meaning})
    return listed


def _list(known: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(known)
    else:
        print_table(("dialect", "of", "meaning"), ((e["name"], e["of"], e["meaning"]) for e in known))
