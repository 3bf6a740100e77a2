"""Ranges through an op: what comes out, given what goes in (rule V2)."""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from .form import Pair, Range, Shape, limits, need
from .stored import Tensor, field, several


def hull(pairs: Iterable[Pair]) -> Pair:
    lows, highs = zip(*pairs, strict=True)
    return min(lows), max(highs)


def wide(values: list[Any], channels: int) -> list[Any]:
    """One value per channel."""
    need(len(values) in (1, channels), "channels", f"must be 1 or {channels}, not {len(values)}")
    return values * channels if len(values) == 1 else values


def each(*ranges: Range) -> Range:
    """The hull, channel by channel."""
    channels = max(map(len, ranges))
    return [hull(pairs) for pairs in zip(*(wide(r, channels) for r in ranges), strict=True)]


def held(pair: Pair, g: Any) -> Pair:
    """What a register holds after a value of the range is written into it."""
    low, high = limits(field(g, "format"))
    if field(g, "overflow") == "wrap":
        return pair if low <= pair[0] and pair[1] <= high else (low, high)
    return min(max(pair[0], low), high), min(max(pair[1], low), high)


def rounded(value: int, divisor: int, rounding: str) -> int:
    floor, rest = divmod(value, divisor)
    sides = {"floor": False, "ceil": True, "toward_zero": value < 0, "away_from_zero": value > 0}
    ties = {"half_up": True, "half_down": False, "half_away": value > 0, "half_toward_zero": value < 0}
    ties |= {"half_even": floor % 2 == 1, "half_odd": floor % 2 == 0}
    if rounding in sides:
        up = sides[rounding]
    else:
        up = ties[rounding] if 2 * rest == divisor else 2 * rest > divisor
    return floor + 1 if rest and up else floor


def scaled(value: int, bits: int, before: Any, factors: float, after: Any, rounding: str) -> int:
    """The step Scale, IEEE operation by operation; what float32 rounds, rounds the same through float64."""
    need(-(2**63) <= value < 2**63, "Scale", "must meet at most 64 bits")

    def ieee(x: float) -> float:
        return x if bits == 64 else float(struct.unpack("f", struct.pack("f", x))[0])

    drop = max(abs(value).bit_length() - (53 if bits == 64 else 24), 0)
    x = float(rounded(value, 1 << drop, "half_even") << drop)
    x = x if before is None else ieee(x + before)
    x = ieee(x * factors)
    x = x if after is None else ieee(x + after)
    return rounded(*x.as_integer_ratio(), rounding)


def step(kind: str, p: dict[str, Any], lo: int, hi: int) -> Pair:
    """One step of a requantization on one channel, with that channel's parameters."""
    if kind == "Table":
        need(p["first"] <= lo and hi < p["first"] + len(p["entries"]), "Table", "must hold what comes")
        reached = p["entries"][lo - p["first"] : hi - p["first"] + 1]
        return min(reached), max(reached)
    if kind == "Slice":
        codes = 1 << (p["hi"] - p["lo"] + 1)
        sign = codes // 2 if p["signed"] else 0
        lo, hi = (lo >> p["lo"]) + sign, (hi >> p["lo"]) + sign
        return (
            (lo % codes - sign, hi % codes - sign)
            if lo // codes == hi // codes
            else (-sign, codes - 1 - sign)
        )
    if kind == "ShiftRight" and p["rounding"] == "stochastic":
        return rounded(lo, 1 << p["bits"], "floor"), rounded(hi, 1 << p["bits"], "ceil")
    monotone: Callable[[int], int] = {
        "Add": lambda v: v + p["values"],
        "ShiftLeft": lambda v: v << p["bits"],
        "Multiply": lambda v: v * p["multipliers"],
        "ShiftRight": lambda v: rounded(v, 1 << p["bits"], p["rounding"]),
        "Clamp": lambda v: min(max(v, p["lo"]), p["hi"]),
        "Scale": lambda v: scaled(v, p["real"], p.get("before"), p["factors"], p.get("after"), p["rounding"]),
        "Thresholds": lambda v: (bisect_left if p["compare"] == "above" else bisect_right)(p["values"], v),
    }[kind]
    return min(monotone(lo), monotone(hi)), max(monotone(lo), monotone(hi))


def requantized(g: Any, x: Range) -> Range:
    for place in range(len(g["steps"])):
        s = g["steps"][str(place)]
        p = {name: field(s, name) for name in (*s.attrs, *s)}
        if p["type"] == "Table" or (p["type"] == "Thresholds" and s["values"].ndim == 1):
            p |= {name: [several(s, name)] for name in ("entries", "values") if name in p}
        if p["type"] == "Scale":
            p["real"] = 8 * s["factors"].dtype.itemsize
        channels = max(len(x), *(len(v) for v in p.values() if isinstance(v, list)), 1)
        columns = {name: wide(v if isinstance(v, list) else [v], channels) for name, v in p.items()}
        x = [
            step(p["type"], {name: column[c] for name, column in columns.items()}, *pair)
            for c, pair in enumerate(wide(x, channels))
        ]
        x = [held(pair, s["into"]) for pair in x] if "into" in s else x
    return [held(pair, g) for pair in x]


def image(op: str, g: Any, inputs: list[Tensor], shape: Shape | None) -> Range | None:
    """What the op makes of its inputs' ranges; None where it is not followed."""
    x = [tensor.range for tensor in inputs]
    last = inputs[0].shape[-1:] if inputs and inputs[0].shape else None
    if op in ("add", "sub", "mul", "squared_difference", "maximum", "minimum"):
        (a, b), (c, d) = hull(x[0]), hull(x[1])
        corners = [f * h for f in (a, b) for h in (c, d)]
        square = [(a - d) ** 2, (b - c) ** 2, *([0] if a <= d and c <= b else [])]
        found = {
            "add": (a + c, b + d),
            "sub": (a - d, b - c),
            "mul": (min(corners), max(corners)),
            "squared_difference": (min(square), max(square)),
            "maximum": (max(a, c), max(b, d)),
            "minimum": (min(a, c), min(b, d)),
        }[op]
        return [held(found, g["register"])] if "register" in g else [found]
    if op == "requantize":
        return requantized(g["requantization"], x[0])
    if op == "clamp":
        return [step("Clamp", {"lo": field(g, "lo"), "hi": field(g, "hi")}, *pair) for pair in x[0]]
    if op == "lookup" and field(g, "interpolation_bits") == 0:
        first, entries = limits(field(g, "input_format"))[0], field(g, "entries")
        image = {pair: step("Table", {"first": first, "entries": entries}, *pair) for pair in set(x[0])}
        return [image[pair] for pair in x[0]]
    if op in ("constant", "embedding_lookup"):
        codes = g["values" if op == "constant" else "table"][()].ravel().tolist()
        return [(min(codes), max(codes))]
    if op in ("max_pool2d", "resize_nearest", "resize_bilinear"):
        return x[0]
    if op == "avg_pool2d":
        padded = field(g, "count_padding") and any(map(any, field(g, "padding")))
        return each(x[0], [(field(g, "zero_point"),) * 2]) if padded else x[0]
    if op in ("mean", "reduce_max", "reduce_min"):
        whole = inputs[0].shape and len(inputs[0].shape) - 1 not in several(g, "axes")
        return x[0] if whole else [hull(x[0])]
    if op == "pad":
        ranges = x[0] if last and not any(field(g, "padding")[-1]) else [hull(x[0])]
        return each(ranges, [(field(g, "value"),) * 2]) if field(g, "mode") == "constant" else ranges
    if op == "reshape":
        return x[0] if last and shape and shape[-1:] == last else [hull(x[0])]
    if op == "concat":
        if last and field(g, "axis") == len(inputs[0].shape or ()) - 1:
            return [pair for t in inputs for pair in wide(t.range, (t.shape or (0,))[-1])]
        return each(*x) if last else [hull(pair for r in x for pair in r)]
    if op in ("transpose", "slice", "split", "tile", "gather", "pack", "unpack") or op.endswith("_depth"):
        return [hull(pair for r in x[: 1 if op == "gather" else None] for pair in r)]
    return [hull(x[0])] if op == "depth_to_space" else None
