"""List the number formats, or every code of one.

Plain integers and floats are named as files and datapaths name them: int1 to int64, uint1 to uint64,
float32, float64. The others have names of their own, and sources. The codes of a block format are those of
its elements, before any scale. A code that stands for nothing is shown as nan.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from intsim.cli.output import add_json, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from intsim.formats.block import BlockFormat, Level
    from intsim.formats.element import AnyFormat
    from intsim.formats.table import NamedFormat

SUMMARY = "the number formats"
EXAMPLES = """\
  intsim formats
  intsim formats int4
  intsim formats e2m1
  intsim formats mxfp4 --json
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
    from intsim.formats.table import FORMATS

    families: list[dict[str, Any]] = [
        {"name": "int1 to int64", "meaning": "two's complement integers"},
        {"name": "uint1 to uint64", "meaning": "unsigned integers"},
        {"name": "float32, float64", "meaning": "IEEE floats, at the door of a network only"},
    ]
    listed = [
        {"name": e.name, "bits": _per_element(e.format), "meaning": e.summary, "source": e.source}
        for e in FORMATS.values()
    ]
    if as_json:
        print_json(families + listed)
        return 0
    rows = [(entry["name"], str(entry.get("bits", "")), entry["meaning"]) for entry in families + listed]
    print_table(("name", "bits", "meaning"), rows)
    return 0


def _show(name: str, as_json: bool) -> int:
    from intsim.errors import SpecError
    from intsim.formats import IntFormat, RealFormat
    from intsim.formats.table import find

    if name in ("float32", "float64"):
        real = RealFormat(int(name.removeprefix("float")))
        facts: dict[str, Any] = {"name": name, "bits": real.bits, "storage": str(real.storage)}
        return _print(facts, None, real.bits, as_json)
    if (entry := find(name)) is not None:
        return _named(entry, as_json)
    try:
        format = IntFormat.parse(name)
    except SpecError as error:
        if re.fullmatch(r"u?int[0-9]+", name):
            raise
        raise SpecError(f"{error}. `intsim formats` lists the others") from None
    codes = _integers(format.bits, format.max) if format.bits <= _LARGEST_TABLE else None
    facts = {"name": name, "bits": format.bits, "min": format.min, "max": format.max}
    return _print(facts if as_json else facts | {"storage": str(format.storage)}, codes, format.bits, as_json)


def _named(entry: NamedFormat, as_json: bool) -> int:
    """A format of the table: its codes, or those of its elements."""
    from intsim.formats.block import BlockFormat

    facts: dict[str, Any] = {"name": entry.name}
    element: AnyFormat
    if isinstance(entry.format, BlockFormat):
        element = entry.format.element
        facts |= {"bits": element.bits, "bits_per_element": _per_element(entry.format)}
        facts |= {"shared": ", ".join(map(_shared, entry.format.levels))}
    else:
        element = entry.format
        facts |= {"bits": element.bits}
    facts |= {"meaning": entry.summary, "source": entry.source, "definition": repr(entry.format)}
    return _print(facts, _values(element) if element.bits <= _LARGEST_TABLE else None, element.bits, as_json)


def _print(facts: dict[str, Any], codes: list[Any] | None, bits: int, as_json: bool) -> int:
    if as_json:
        print_json(facts | ({"codes": codes} if codes is not None else {}))
        return 0
    print_pairs(facts.items())
    if codes is not None:
        print()
        print_table(("code", "value"), ((f"{code:0{bits}b}", value) for code, value in enumerate(codes)))
    return 0


def _per_element(format: AnyFormat | BlockFormat) -> int | float:
    """Bits of an element, its part of what is shared included."""
    from intsim.formats.block import BlockFormat

    bits = format.bits_per_element if isinstance(format, BlockFormat) else format.bits
    return int(bits) if bits == int(bits) else float(bits)


def _shared(level: Level) -> str:
    return f"{level.bits} bits by {level.size or 'all'}"


def _integers(bits: int, hi: int) -> list[int]:
    """The values of code 0, 1, ...: the codes are the low bits."""
    return [code if code <= hi else code - (1 << bits) for code in range(1 << bits)]


def _values(format: AnyFormat) -> list[int | float | str]:
    """The values of code 0, 1, ...: integers, floats, or the words inf, -inf and nan."""
    from math import isfinite

    from intsim.formats.element import table

    values = table(format)
    broken = values.exponent[values.finite & ~values.zero] < 0
    whole = not broken.any() and not (values.zero & values.negative).any()
    return [
        str(value) if not isfinite(value) else int(value) if whole else value
        for value in values.floats().tolist()
    ]
