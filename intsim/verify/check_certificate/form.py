"""The certificate's own form: its text, its ranges, formats and accumulators (rule V1)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Pair = tuple[int, int]  # the lowest and the highest value
Range = list[Pair]  # one pair for all channels, or one for each
Shape = tuple[int, ...]

INNER = ("format", "overflow", "topology", "tile", "inner")
OUTER = (*INNER, "order", "bias", "zero_point")
WORDS = {
    "overflow": ("wrap", "saturate", "trap"),
    "topology": ("chain", "tree"),
    "bias": ("first", "last"),
    "zero_point": ("subtract", "preload", "after"),
}


class Rejected(Exception):  # noqa: N818 - a verdict
    """A claim that is not believed, and where it stands."""


def need(true: object, where: str, what: str) -> None:
    if not true:
        raise Rejected(f"{where}: {what}")


def short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def load(path: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            need(key not in seen, path, f"keys must be there once, not twice: {short(key)}")
            seen[key] = value
        return seen

    def never(text: str) -> Any:
        raise Rejected(f"{path}: numbers must be integers, not {short(text)}")

    try:
        text = Path(path).read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=once, parse_float=never, parse_constant=never)
    except RecursionError:
        raise Rejected(f"{path}: must not be nested so deep") from None
    except (OSError, ValueError) as error:
        raise Rejected(f"{path}: must be JSON: {short(str(error))}") from None


def entries(where: str, value: Any, names: Sequence[str]) -> list[Any]:
    """The values of an object with these keys and no other."""
    need(type(value) is dict, where, f"must be an object, not {short(value)}")
    for name in names:
        need(name in value, where, f"must have the key {short(name)}, which is missing")
    for name in value:
        need(name in names, where, f"must have no key {short(name)}")
    return [value[name] for name in names]


def ends(where: str, value: Any, shape: Shape | None) -> Range:
    """A range: lo and hi, each one integer, or each a list with one per channel."""
    columns: list[list[int]] = []
    for name, end in zip(("lo", "hi"), entries(where, value, ("lo", "hi")), strict=True):
        column, where_end = end if type(end) is list else [end], f"{where}.{name}"
        if type(end) is list and shape is not None:
            channels = shape[-1] if shape else 0
            need(len(end) == channels, where_end, f"must have {channels} channels, not {len(end)}")
        for v in column:
            small = type(v) is int and v.bit_length() <= 256
            need(small, where_end, f"must be integers of at most 256 bits, not {short(v)}")
        columns.append(column)
    same = len(columns[0]) == len(columns[1]) > 0 and type(value["lo"]) is type(value["hi"])
    need(same, where, "must have as many values in lo as in hi")
    for lo, hi in zip(*columns, strict=True):
        need(lo <= hi, where, f"must not be empty, not {lo} to {hi}")
    return list(zip(*columns, strict=True))


def limits(name: Any, where: str = "format") -> Pair:
    """The lowest and the highest value of a format."""
    found = re.fullmatch(r"(u?)int([1-9][0-9]?)", name) if type(name) is str else None
    if found is None or int(found[2]) > 64:
        raise Rejected(f"{where}: must be int1 to int64 or uint1 to uint64, not {short(name)}")
    bits = int(found[2])
    return (0, (1 << bits) - 1) if found[1] else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def width(name: str) -> int:
    return int(name[name.index("t") + 1 :])


def fits(pair: Pair, name: str) -> bool:
    """Whether a format holds a range; by bit lengths."""
    if name.startswith("u"):
        return pair[0] >= 0 and pair[1].bit_length() <= width(name)
    return all((v if v >= 0 else ~v).bit_length() < width(name) for v in pair)


def accumulator_form(where: str, acc: Any, names: Sequence[str] = OUTER) -> None:
    said = dict(zip(names, entries(where, acc, names), strict=True))
    limits(said["format"], f"{where}.format")
    for name in (name for name in WORDS if name in said):
        told = f"must be {', '.join(WORDS[name])}, not {short(said[name])}"
        need(said[name] in WORDS[name], f"{where}.{name}", told)
    order, tile, inner = said.get("order", "hwc"), said["tile"], said["inner"]
    right = sorted(order) == ["c", "h", "w"] if type(order) is str else type(order) is list
    if type(order) is list:
        right = all(type(v) is int for v in order) and sorted(order) == list(range(len(order)))
    need(right, f"{where}.order", f"must be the letters h, w, c or all places, not {short(order)}")
    right = (type(tile) is int and tile > 0) or (tile is None and inner is None)
    need(right, f"{where}.tile", f"must be 1 or more, or null where nothing is inside, not {short(tile)}")
    if inner is not None:
        accumulator_form(f"{where}.inner", inner, INNER)


def differing(where: str, said: Any, stored: Any) -> Iterator[str]:
    """Where an accumulator is not the file's."""
    if type(said) is dict and type(stored) is dict and said.keys() == stored.keys():
        for name in stored:
            yield from differing(f"{where}.{name}", said[name], stored[name])
    elif type(said) is not type(stored) or said != stored:
        yield f"{where}: must be {short(stored)} as in the network, not {short(said)}"
