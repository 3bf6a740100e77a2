"""List the number formats, or every code of one.

A format is named as files and datapaths name it: int1 to int64, uint1 to uint64, float32, float64.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from intsim.cli.output import add_json, print_json, print_pairs, print_table

SUMMARY = "the number formats"
EXAMPLES = """\
  intsim formats
  intsim formats int4
  intsim formats uint2 --json
"""

_LARGEST_TABLE = 8  # bits: a table of 256 codes is still looked at


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="one format")
    add_json(parser)


def run(arguments: Namespace) -> int:
    if arguments.name is None:
        return _list(arguments.json)
    return _show(arguments.name, arguments.json)


def _list(as_json: bool) -> int:
    families = [
        {"name": "int1 to int64", "meaning": "two's complement integers"},
        {"name": "uint1 to uint64", "meaning": "unsigned integers"},
        {"name": "float32, float64", "meaning": "IEEE floats, at the door of a network only"},
    ]
    if as_json:
        print_json(families)
    else:
        print_table(("name", "meaning"), ((family["name"], family["meaning"]) for family in families))
    return 0


def _show(name: str, as_json: bool) -> int:
    from intsim.formats import IntFormat, RealFormat

    if name in ("float32", "float64"):
        real = RealFormat(int(name.removeprefix("float")))
        facts = {"name": name, "bits": real.bits, "storage": str(real.storage)}
        if as_json:
            print_json(facts)
        else:
            print_pairs(facts.items())
        return 0
    format = IntFormat.parse(name)
    codes = _codes(format.bits, format.max) if format.bits <= _LARGEST_TABLE else None
    facts = {"name": name, "bits": format.bits, "min": format.min, "max": format.max}
    if as_json:
        print_json(facts | ({"codes": codes} if codes is not None else {}))
        return 0
    print_pairs((facts | {"storage": str(format.storage)}).items())
    if codes is not None:
        print()
        rows = ((f"{code:0{format.bits}b}", value) for code, value in enumerate(codes))
        print_table(("code", "value"), rows)
    return 0


def _codes(bits: int, hi: int) -> list[int]:
    """The values of code 0, 1, ...: the codes are the low bits."""
    return [code if code <= hi else code - (1 << bits) for code in range(1 << bits)]
