"""Oracles of the activations: element by element and row by row, in Python ints and exact fractions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tests.oracles import fixed_point as fp
from tests.oracles.arith import (
    Trap,
    fit,
    flat,
    limits,
    nest,
    requantize,
    round_div,
    round_float,
    round_fraction,
    round_shift,
)

Plain = dict[str, Any]
Place = tuple[int, ...]
INT16, INT32 = {"bits": 16, "signed": True}, {"bits": 32, "signed": True}


def _through(value: int, rule: Plain, index: int = 0) -> int:
    """One value through a requantization, at an element's place in its sample."""
    steps = [
        {**step, "seed": (step["seed"] + index * 0x9E3779B97F4A7C15) % 2**64}
        if step["type"] == "ShiftRight"
        else step
        for step in rule["steps"]
    ]
    return requantize(value, {**rule, "steps": steps})


def _elements(function: Callable[[Plain, int, int], int]) -> Callable[..., list[Any]]:
    """An oracle from a function of (fields, value, place in the sample)."""

    def oracle(fields: Plain, shapes: list[Place], inputs: list[Any]) -> list[Any]:
        codes = [function(fields, value, index) for index, value in enumerate(flat(inputs[0]))]
        return [nest(codes, shapes[0])]

    return oracle


def _leaky_relu(fields: Plain, x: int, index: int) -> int:
    value = x - fields["input_zero_point"]
    return _through(value, fields["negative" if value < 0 else "positive"], index)


def _prelu(fields: Plain, shapes: list[Place], inputs: list[Any]) -> list[Any]:
    codes = []
    for index, x in enumerate(flat(inputs[0])):
        value, rule = x - fields["input_zero_point"], fields["positive"]
        if value < 0:
            value *= _broadcast(fields["slope"], index, shapes[0]) - fields["slope_zero_point"]
            rule = fields["negative"]
        codes.append(_through(value, rule, index))
    return [nest(codes, shapes[0])]


def _broadcast(nested: Any, index: int, shape: Place) -> int:
    """The element of smaller nested lists that stands at a flat index of a shape."""
    place = []
    for size in reversed(shape):
        index, last = divmod(index, size)
        place.insert(0, last)
    depth, inner = 0, nested
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]
    for at in place[len(place) - depth :] if depth else ():
        nested = nested[at % len(nested)]
    return nested


def _hard_swish(fields: Plain, x: int, index: int) -> int:
    def saturated(value: int) -> int:
        return fit(value, INT16, "saturate")

    shift = fields["relu_shift"]
    value = fit((x - fields["input_zero_point"]) * 128, INT16, "wrap")
    scaled = saturated(round_shift(value * fields["output_multiplier"], 15, "half_up"))
    gate = saturated(value * 2 ** (shift - 1)) if shift > 0 else value
    gate = saturated(round_shift(gate * fields["relu_multiplier"], 15, "half_up"))
    if shift > 0:
        gate = saturated(2 * gate)
    elif shift < 0:
        gate = round_shift(gate, -shift, "half_away")
    gate = (gate + 32768) // 2
    output = round_shift(round_shift(gate * scaled, 15, "toward_zero"), fields["output_shift"], "half_away")
    return fit(fit(output + fields["output_zero_point"], INT16, "wrap"), fields["format"], "saturate")


def _entry(entries: list[int], place: int, k: int, format: Plain) -> int:
    """The entry for a place, on a line between two where k > 0."""
    if k == 0:
        return entries[place]
    at, part = divmod(place, 2**k)
    slope = fit(entries[at + 1] - entries[at], format, "wrap")
    return fit(entries[at] + round_div(slope * part, 2**k, "half_up"), format, "wrap")


def _lookup(fields: Plain, x: int, index: int) -> int:
    source = fields["input_format"]
    place = x - (0 if source["type"] == "Minifloat" else limits(source)[0])
    return _entry(fields["entries"], place, fields["interpolation_bits"], fields["format"])


def _rows(function: Callable[[Plain, list[int], int], list[int]]) -> Callable[..., list[Any]]:
    """An oracle from a function of (fields, a row, place of the row's first element in the sample)."""

    def oracle(fields: Plain, shapes: list[Place], inputs: list[Any]) -> list[Any]:
        codes, size, values = [], shapes[0][-1], flat(inputs[0])
        for start in range(0, len(values), size):
            codes += function(fields, values[start : start + size], start)
        return [nest(codes, shapes[0])]

    return oracle


def _softmax(fields: Plain, row: list[int], start: int) -> list[int]:
    kinds = {
        "FixedPointSoftmax": _fixed_softmax,
        "TableSoftmax": _table_softmax,
        "FloatSoftmax": _float_softmax,
        "QuotientSoftmax": _quotient_softmax,
    }
    recipe = fields["recipe"]
    return kinds[recipe["type"]](recipe, row, fields["format"])


def _exponentials(rule: Plain, row: list[int]) -> tuple[dict[int, Fraction], Fraction]:
    """exp of the differences that count, and the sum over the row in Q12."""
    exps = {}
    for difference in {x - max(row) for x in row}:
        if difference >= rule["diff_min"]:
            exps[difference] = fp.exp(Fraction(_through(difference, rule["rescale"]), 2**26))
    terms = [fp.q(exps[x - max(row)], 12, "half_away") for x in row if x - max(row) in exps]
    return exps, sum(terms, Fraction(0))


def _fixed_softmax(recipe: Plain, row: list[int], format: Plain) -> list[int]:
    exps, total = _exponentials(recipe, row)
    if total >= min(2**12, 2 ** (format["bits"] + 1)):
        raise Trap("sum of exponentials")
    over = 0
    while total >= 2 ** (over + 1):
        over += 1
    share = fp.inverse(total / 2**over - 1)
    low = limits(format)[0]
    codes = []
    for x in row:
        code = low
        if x - max(row) in exps:
            real = fp.times(share, 0, exps[x - max(row)], 0) / 2**over
            code += round_fraction(real * 2 ** format["bits"], "half_away")
        codes.append(fit(code, format, "saturate"))
    return codes


def _table_softmax(recipe: Plain, row: list[int], format: Plain) -> list[int]:
    def table(name: str, index: int) -> int:
        return _entry(recipe[name], fit(index, INT16, "saturate") + 32768, 7, INT16)

    exps = [table("exponential", _through(x - max(row), recipe["rescale"]) + 32767) for x in row]
    total = sum(exps)
    top = total.bit_length() - 1
    mantissa = round_fraction(Fraction(total * 2**16, 2**top), "half_up")  # 1 to 2, times 2**16
    share = table("reciprocal", mantissa - 2**16 - 2**15)
    return [sorted((0, round_fraction(Fraction(e * share, 2**top), "half_up"), 32767))[1] for e in exps]


def _f32(exact: Fraction) -> Fraction:
    return round_float(exact, "float32")


def _in_order(table: list[float], row: list[int]) -> tuple[list[Fraction], Fraction]:
    """A row's float32 exponentials, and their float32 sum."""
    exps = [Fraction(table[len(table) - 1 + x - max(row)]) for x in row]
    total = Fraction(0)
    for e in exps:
        total = _f32(total + e)
    return exps, total


def _float_softmax(recipe: Plain, row: list[int], format: Plain) -> list[int]:
    exps, total = _in_order(recipe["table"]["values"], row)
    share = _f32(1 / _f32(total * Fraction(recipe["scale"]["values"])))
    codes = [round_fraction(_f32(e * share), recipe["rounding"]) + recipe["zero_point"] for e in exps]
    return [fit(code, format, "saturate") for code in codes]


def _quotient_softmax(recipe: Plain, row: list[int], format: Plain) -> list[int]:
    exps, total = _in_order(recipe["table"]["values"], row)
    multiplier = Fraction(recipe["multiplier"]["values"])
    quotients = [_f32(_f32(e * multiplier) / total) for e in exps]
    codes = [round_fraction(q, "half_even") + recipe["zero_point"] for q in quotients]
    return [fit(code, format, "saturate") for code in codes]


def _log_softmax(fields: Plain, row: list[int], start: int) -> list[int]:
    _, total = _exponentials(fields, row)
    if total >= 2**12:
        raise Trap("sum of exponentials")
    logarithm = fp.logarithm(total, 12, 5)
    least = max(fields["diff_min"] - 1, _through(int(logarithm * 2**26) - 2**31, fields["reverse"]))
    low, high = limits(fields["format"])
    codes = []
    for x in row:
        difference, code = x - max(row), low
        if difference > least:
            exponent = Fraction(_through(difference, fields["rescale"]), 2**26)
            code = high + round_fraction(16 * (exponent - logarithm), "half_away")
        codes.append(fit(code, fields["format"], "saturate"))
    return codes


def _l2_normalization(fields: Plain, row: list[int], start: int) -> list[int]:
    values = [x - fields["input_zero_point"] for x in row]
    multiplier, shift = fp.inverse_root(sum(v * v for v in values))
    codes = []
    for value in values:
        power = fields["output_bits"]
        if fields["scaled_first"]:
            value, power = value * 2**power, 0
        code = _scale(value, multiplier, power - shift, fields["single_rounding"])
        codes.append(fit(code + fields["output_zero_point"], fields["format"], "saturate"))
    return codes


def _scale(value: int, multiplier: int, power: int, single: bool) -> int:
    """value * multiplier * 2**(power - 31) in 32 bits, rounded once or twice."""
    if single:
        return round_fraction(Fraction(value * multiplier) * Fraction(2) ** (power - 31), "half_up")
    high = round_shift(fit(value * 2 ** max(power, 0), INT32, "wrap") * multiplier, 31, "half_up")
    return round_shift(fit(high, INT32, "saturate"), max(-power, 0), "half_away")


ORACLES = {
    "hard_swish": _elements(_hard_swish),
    "l2_normalization": _rows(_l2_normalization),
    "leaky_relu": _elements(_leaky_relu),
    "log_softmax": _rows(_log_softmax),
    "lookup": _elements(_lookup),
    "prelu": _prelu,
    "softmax": _rows(_softmax),
}
