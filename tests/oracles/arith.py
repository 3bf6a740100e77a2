"""The arithmetic that oracles share: Python ints, and exact fractions wherever something is rounded.

Formats, accumulators and requantizations are plain dictionaries, as `intsim.testing.plain` writes them:
``{"type": "IntFormat", "bits": 8, "signed": True}``; enums are lower-case names; a float array is
``{"type": "float32", "values": ...}`` (or float64).
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

Plain = dict[str, Any]


class Trap(ArithmeticError):  # noqa: N818 - the field's word for the event
    """A register that traps was given a value that it does not hold."""


# --- nested lists ---


def flat(nested: Any) -> list[Any]:
    """The elements of nested lists, last axis fastest; a bare number is one element."""
    if not isinstance(nested, list):
        return [nested]
    return [element for entry in nested for element in flat(entry)]


def nest(elements: list[Any], shape: tuple[int, ...]) -> Any:
    """Elements, last axis fastest, as nested lists of a shape; a bare number for shape ()."""
    if not shape:
        (element,) = elements
        return element
    step = math.prod(shape[1:])
    return [nest(elements[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


def shape_of(nested: Any) -> tuple[int, ...]:
    """The shape of nested lists."""
    return (len(nested), *shape_of(nested[0])) if isinstance(nested, list) else ()


# --- rounding ---


def round_fraction(exact: Fraction, rounding: str) -> int:
    """An exact value to an integer; `rounding` is a lower-case name of intsim's Rounding."""
    low, high = math.floor(exact), math.ceil(exact)
    directed = {
        "floor": low,
        "ceil": high,
        "toward_zero": min((low, high), key=abs),
        "away_from_zero": max((low, high), key=abs),
    }
    if rounding in directed:
        return directed[rounding]
    if exact - low != high - exact:
        return min((low, high), key=lambda candidate: abs(candidate - exact))
    ties = {
        "half_up": high,
        "half_down": low,
        "half_away": max((low, high), key=abs),
        "half_toward_zero": min((low, high), key=abs),
        "half_even": low if low % 2 == 0 else high,
        "half_odd": low if low % 2 == 1 else high,
    }
    return ties[rounding]


def round_div(value: int, divisor: int, rounding: str) -> int:
    """value / divisor, rounded."""
    return round_fraction(Fraction(value, divisor), rounding)


def round_shift(value: int, shift: int, rounding: str, seed: int = 0, index: int = 0) -> int:
    """value / 2**shift, rounded; `seed`, and `index` in the sample, are for stochastic rounding."""
    if rounding != "stochastic":
        return round_div(value, 2**shift, rounding)
    low = value // 2**shift
    draw = splitmix64(seed, index) // 2 ** (64 - shift)
    return low + 1 if draw < value - low * 2**shift else low


def splitmix64(seed: int, index: int) -> int:
    """The 64 random bits that belong to an element."""
    modulus = 2**64
    z = (seed + (index + 1) * 0x9E3779B97F4A7C15) % modulus
    z = (z ^ (z // 2**30)) * 0xBF58476D1CE4E5B9 % modulus
    z = (z ^ (z // 2**27)) * 0x94D049BB133111EB % modulus
    return z ^ (z // 2**31)


def round_float(exact: Fraction, kind: str) -> Fraction:
    """An exact value to the nearest float32 or float64, ties to even, as an exact value."""
    digits, least = {"float32": (24, -149), "float64": (53, -1074)}[kind]
    if exact == 0:
        return exact
    numerator, denominator = abs(exact.numerator), exact.denominator
    exponent = (
        numerator.bit_length() - denominator.bit_length()
    )  # 2**(exponent-1) < |exact| < 2**(exponent+1)
    if Fraction(2) ** exponent > abs(exact):
        exponent -= 1
    unit = Fraction(2) ** max(exponent - digits + 1, least)
    return round_fraction(exact / unit, "half_even") * unit


# --- registers ---


def limits(format: Plain) -> tuple[int, int]:
    """The smallest and the largest integer of a format."""
    codes = 2 ** format["bits"]
    return (-codes // 2, codes // 2 - 1) if format["signed"] else (0, codes - 1)


def fit(value: int, format: Plain, overflow: str) -> int:
    """What a register holds after a write."""
    low, high = limits(format)
    if overflow == "wrap":
        return (value - low) % (high - low + 1) + low
    if overflow == "trap" and not low <= value <= high:
        raise Trap(f"{value} outside {low} to {high}")
    return sorted((low, value, high))[1]


def write(value: int, register: Plain) -> int:
    """`fit` for a record of type Register."""
    return fit(value, register["format"], register["overflow"])


# --- sums ---


def dot(
    x: list[int],
    w: list[int],
    input_zero_point: int,
    weight_zero_point: int,
    sizes: tuple[int, int, int],
    accumulator: Plain,
    bias: int = 0,
) -> int:
    """A sum of products with its zero points where the accumulator wants them; taps in h, w, c places."""
    whole = [(a - input_zero_point) * (b - weight_zero_point) for a, b in zip(x, w, strict=True)]
    raw = [a * b for a, b in zip(x, w, strict=True)]
    terms = whole if accumulator["zero_point"] == "subtract" else raw
    return accumulate(terms, sizes, accumulator, bias, sum(whole) - sum(terms))[0]


def accumulate(
    terms: list[int],
    order_sizes: tuple[int, int, int],
    accumulator: Plain,
    bias: int = 0,
    correction: int = 0,
) -> tuple[int, list[int], list[int]]:
    """One sum through the registers.

    Parameters
    ----------
    terms : by place, c fastest
    order_sizes : of the axes h, w, c
    accumulator : plain record
    bias, correction : the correction is used where zero points are preloaded or come after

    Returns
    -------
    the value; persistent and transient events per register level, outermost first.
    """
    sequence = [terms[place] for place in _places(order_sizes, accumulator["order"])]
    start, after = 0, []
    if accumulator["zero_point"] == "preload":
        start += correction
    if accumulator["zero_point"] == "after":
        after.append(correction)
    if accumulator["bias"] == "first":
        start += bias
    else:
        after.append(bias)
    depth = 1
    inner = accumulator["inner"]
    while inner is not None:
        depth, inner = depth + 1, inner["inner"]
    persistent, transient = [0] * depth, [0] * depth
    value = _register(sequence, accumulator, start, after, persistent, transient, 0)
    return value, persistent, transient


def _places(sizes: tuple[int, int, int], order: Any) -> list[int]:
    if isinstance(order, list):
        return order
    extent = dict(zip("hwc", sizes, strict=True))
    places = []
    for position in itertools.product(*(range(extent[letter]) for letter in order)):
        at = dict(zip(order, position, strict=True))
        places.append((at["h"] * extent["w"] + at["w"]) * extent["c"] + at["c"])
    return places


def _register(
    terms: list[int],
    rule: Plain,
    start: int,
    after: list[int],
    persistent: list[int],
    transient: list[int],
    level: int,
) -> int:
    entering = terms
    if rule["tile"] is not None:
        tiles = [terms[at : at + rule["tile"]] for at in range(0, len(terms), rule["tile"])]
        entering = [
            _register(tile, rule["inner"], 0, [], persistent, transient, level + 1)
            if rule["inner"]
            else sum(tile)
            for tile in tiles
        ]
    seen: list[int] = []  # every exact sum that this register was meant to hold

    def held(value: int) -> int:
        return fit(value, rule["format"], rule["overflow"])

    if rule["topology"] == "tree":
        value, exact = _tree(entering, held, seen)
        additions = [start, *after]
    else:
        value, exact = held(start), start
        seen.append(exact)
        additions = [*entering, *after]
    for addend in additions:
        value, exact = held(value + addend), exact + addend
        seen.append(exact)
    low, high = limits(rule["format"])
    if not low <= exact <= high:
        persistent[level] += 1
    elif any(not low <= sum_ <= high for sum_ in seen):
        transient[level] += 1
    return value


def _tree(leaves: list[int], held: Any, seen: list[int]) -> tuple[int, int]:
    """Pairs of neighbours, an odd last one passing up; a pair is (what is held, the exact sum)."""
    row = [(held(leaf), leaf) for leaf in leaves]
    seen += leaves
    while len(row) > 1:
        paired = []
        for at in range(0, len(row), 2):
            if at + 1 == len(row):
                paired.append(row[at])
                continue
            (a, exact_a), (b, exact_b) = row[at], row[at + 1]
            paired.append((held(a + b), exact_a + exact_b))
            seen.append(exact_a + exact_b)
        row = paired
    return row[0]


# --- requantization ---


def requantize(values: Any, requantization: Plain) -> Any:
    """One sample (nested lists, last axis = channels) through the steps; codes of the same shape."""
    shape = shape_of(values)
    channels = shape[-1] if shape else 1
    codes = []
    for index, value in enumerate(flat(values)):
        for step in requantization["steps"]:
            value = _step(value, step, index % channels, index)
        codes.append(fit(value, requantization["format"], requantization["overflow"]))
    return nest(codes, shape)


def _step(value: int, step: Plain, channel: int, index: int) -> int:
    def own(name: str) -> Any:
        return pick(step[name], channel)

    kind = step["type"]
    if kind == "Add":
        value += own("values")
    elif kind == "ShiftLeft":
        value *= 2 ** own("bits")
    elif kind == "Multiply":
        value *= own("multipliers")
    elif kind == "ShiftRight":
        value = round_shift(value, own("bits"), step["rounding"], step["seed"], index)
    elif kind == "Clamp":
        value = sorted((own("lo"), value, own("hi")))[1]
    elif kind == "Scale":
        value = _scale(value, step, channel)
    elif kind == "Thresholds":
        rows = step["values"]
        row = rows[channel] if isinstance(rows[0], list) else rows
        value = sum(1 for t in row if value > t or (value == t and step["compare"] == "at_least"))
    elif kind == "Table":
        at = value - step["first"]
        if at < 0:
            raise IndexError(f"table has no entry {value}")
        value = step["entries"][at]
    elif kind == "Slice":
        width = {"bits": step["hi"] - step["lo"] + 1, "signed": step["signed"]}
        value = fit(value // 2 ** step["lo"], width, "wrap")
    else:
        raise KeyError(kind)
    return value if step["into"] is None else write(value, step["into"])


def _scale(value: int, step: Plain, channel: int) -> int:
    """Each operation exact, then rounded to the float that the factors are."""
    kind = step["factors"]["type"]

    def own(name: str) -> Fraction:
        return Fraction(pick(step[name]["values"], channel))

    real = round_float(Fraction(value), kind)
    if step["before"] is not None:
        real = round_float(real + own("before"), kind)
    real = round_float(real * own("factors"), kind)
    if step["after"] is not None:
        real = round_float(real + own("after"), kind)
    return round_fraction(real, step["rounding"])


def pick(values: Any, channel: int) -> Any:
    """A parameter's value for a channel: one for all, or one each."""
    if not isinstance(values, list):
        return values
    return values[0] if len(values) == 1 else values[channel]
