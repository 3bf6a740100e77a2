"""Oracles of the ops over blocks: one number at a time, in fractions, zeros with their signs.

A number is a pair (negative, size), size a Fraction or "inf"; or "nan". Formats are plain dictionaries.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from tests.oracles import lowbit
from tests.oracles.arith import flat, nest, round_fraction
from tests.oracles.blocks import floor_log2, power

Plain = dict[str, Any]
Number = Any
ZERO = (False, Fraction(0))
PARTS = ("scale", "zero", "offset", "offset_scale")


# --- numbers ---


def number(value: Fraction | int) -> Number:
    return (value < 0, abs(Fraction(value)))


def signed(x: Number) -> Fraction:
    return -x[1] if x[0] else x[1]


def times(x: Number, y: Number) -> Number:
    if "nan" in (x, y):
        return "nan"
    if "inf" in (x[1], y[1]):
        return "nan" if 0 in (x[1], y[1]) else (x[0] != y[0], "inf")
    return (x[0] != y[0], x[1] * y[1])


def plus(x: Number, y: Number) -> Number:
    """Exactly; of zeros minus only where both are."""
    if "nan" in (x, y):
        return "nan"
    infinite = {z[0] for z in (x, y) if z[1] == "inf"}
    if infinite:
        return (infinite.pop(), "inf") if len(infinite) == 1 else "nan"
    found = signed(x) + signed(y)
    return (x[0] and y[0], Fraction(0)) if found == 0 else number(found)


def minus(x: Number, y: Number) -> Number:
    return plus(x, y if y == "nan" else (not y[0], y[1]))


def total(values: list[Number]) -> Number:
    """The exact sum; a zero has no minus."""
    found = ZERO
    for value in values:
        found = plus(found, value)
    return found


# --- formats ---


def decode(entry: int, format: Plain) -> Number:
    """What an entry of a plane stands for."""
    kind = format["type"]
    if kind == "FixedPoint":
        return number(entry * power(format["exponent"]))
    if kind == "PowerOfTwo":
        if format["nan"] and entry == 2 ** format["bits"] - 1:
            return "nan"
        return (False, power((format["bias"] - entry) * (1 if format["down"] else -1)))
    if kind == "Minifloat":
        names = ("exponent_bits", "mantissa_bits", "bias", "infinities", "nan", "signed")
        negative, value = lowbit.minifloat(entry, *(format[name] for name in names))
        return "nan" if value == lowbit.NAN else (negative, value)
    return number(entry)


def fields_of(format: Plain) -> tuple[int, int]:
    """Limits of a float: the smallest exponent, and the code of the largest finite value."""
    body = format["exponent_bits"] + format["mantissa_bits"]
    tops = {"none": 0, "minus_zero": 0, "top_code": 1, "top_exponent": 2 ** format["mantissa_bits"] - 1}
    return 1 - format["bias"], 2**body - 1 - tops[format["nan"]] - format["infinities"]


def encode(x: Number, format: Plain, rounding: str, saturate: bool = False) -> int:
    """The code of a float that a number is rounded to; what is beyond it is special, or the largest."""
    least, largest = fields_of(format)
    mantissa, body = format["mantissa_bits"], format["exponent_bits"] + format["mantissa_bits"]
    nan = {"top_code": 2**body - 1, "minus_zero": 2**body, "none": None}
    nan["top_exponent"] = 2**body - 2 ** max(mantissa - 1, 0)
    if x == "nan":
        return nan[format["nan"]]
    special = largest + 1 if format["infinities"] else None
    code, over = special, x[1] == "inf"
    if not over:
        exponent = max(floor_log2(x[1]), least) if format["exponent_bits"] else least
        units = abs(round_fraction(signed(x) / power(exponent - mantissa), rounding))
        code = units + ((exponent - least) << mantissa)
        over = code > largest
        if over and rounding == "toward_zero":
            code, over = largest, False
    if over:
        code = largest if saturate else special
        if code is None:
            return nan[format["nan"]]
    has_minus = x[0] and format["signed"] and (format["signed_zero"] or code)
    return code + (2**body if has_minus else 0)


def rounded(x: Number, float: Plain) -> Number:
    return decode(encode(x, float["format"], float["rounding"]), float["format"])


def written(x: Number, format: Plain, rounding: str, symmetric: bool) -> int:
    """The entry of an element nearest to a number, saturated."""
    if format["type"] == "Minifloat":
        return encode(x, format, rounding, saturate=True)
    half = 2 ** (format["bits"] - format["signed"])
    low = -half * format["signed"] + (1 if symmetric else 0)
    units = round_fraction(signed(x) / power(format["exponent"]), rounding)
    return min(max(units, low - format["offset"]), half - 1 - format["offset"])


def largest(format: Plain) -> Fraction:
    if format["type"] == "Minifloat":
        return decode(fields_of(format)[1], format)[1]
    return (2 ** (format["bits"] - format["signed"]) - 1) * power(format["exponent"])


# --- planes ---


def shared(format: Plain, index: int, planes: list[Any], outer: Any, row: Any, places: Any) -> list[Plain]:
    """What every level shares with an element: part -> number."""
    found, rest, scales = [], list(planes), list(outer or [])
    for level in format["levels"]:
        parts = {}
        for part in PARTS:
            if level[part] is None:
                continue
            if not level["size"] and outer is not None:
                entry = scales.pop(0)
            else:
                entry = rest.pop(0)
                for place in places:
                    entry = entry[place if len(entry) > 1 else 0]
                entry = entry[index // level["size"] if level["size"] else 0]
            parts[part] = decode(entry, level[part])
        found.append(parts)
    return found


def places_of(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for size in shape:
        found = [(*place, i) for place in found for i in range(size)]
    return found


def at(nested: Any, place: tuple[int, ...]) -> Any:
    for index in place:
        nested = nested[index]
    return nested


# --- ops ---


def block_dequantize(fields: Plain, shapes: list[tuple[int, ...]], inputs: list[Any]) -> list[Any]:
    format, found = fields["format"], []
    for place in places_of(shapes[0]):
        levels = shared(format, place[-1], inputs[1:], fields["outer"], None, place[:-1])
        value, taken = decode(at(inputs[0], place), format["element"]), None
        for parts in levels:
            if "zero" in parts:
                value = minus(value, parts["zero"])
            value = times(value, parts["scale"])
            if taken is not None:
                taken = times(taken, parts.get("offset_scale", parts["scale"]))
            if "offset" in parts:
                taken = parts["offset"] if taken is None else plus(taken, parts["offset"])
        value = value if taken is None else minus(value, taken)
        found.append(encode(value, fields["output"]["format"], fields["output"]["rounding"]))
    if fields["real"]:
        found = [as_float(decode(code, fields["output"]["format"])) for code in found]
    return [nest(found, tuple(shapes[0]))]


def as_float(x: Number) -> float:
    if x == "nan":
        return math.nan
    size = math.inf if x[1] == "inf" else float(x[1])
    return math.copysign(size, -1.0 if x[0] else 1.0)


def block_quantize(fields: Plain, shapes: list[tuple[int, ...]], inputs: list[Any]) -> list[Any]:
    """Finite numbers, scale mode FLOOR."""
    shape, format = tuple(shapes[0]), fields["format"]
    values = {place: read(at(inputs[0], place), fields["input_format"]) for place in places_of(shape)}
    levels, lead = format["levels"], places_of(shape[:-1])
    scales: list[dict[Any, int]] = [
        {} for _ in levels
    ]  # per level, by the leading places and the number of the block
    for place in lead:
        row = [values[(*place, i)] for i in range(shape[-1])]
        everything = row if fields["per_row"] else list(values.values())
        for number_, entry in zip(scales, row_scales(format, row, everything, fields["outer"]), strict=True):
            number_[place] = entry
    elements = {}
    for place, value in values.items():
        scale = Fraction(1)
        for level, found in zip(levels, scales, strict=True):
            block = place[-1] // level["size"] if level["size"] else 0
            scale *= signed(decode(found[place[:-1]][block], level["scale"]))
        ratio = (value[0], value[1] / scale if scale else Fraction(0))
        elements[place] = written(ratio, format["element"], fields["rounding"], format["symmetric"])
    outputs = [nest(list(elements.values()), shape)]
    for level, found in zip(levels, scales, strict=True):
        if level["size"] or fields["per_row"]:
            outputs.append(nest(flat([found[place] for place in lead]), (*shape[:-1], len(found[lead[0]]))))
        elif fields["outer"] is None:
            outputs.append(nest(found[lead[0]], (1,) * len(shape)))
    return outputs


def read(entry: Any, format: Plain | None) -> Number:
    if format is not None:
        return decode(entry, format)
    if isinstance(entry, float):
        return (math.copysign(1, entry) < 0, abs(Fraction(entry)))
    return number(entry)


def row_scales(format: Plain, row: list[Number], everything: list[Number], outer: Any) -> list[list[int]]:
    """The scales of a row, per level: entries of its blocks."""
    levels, element = format["levels"], format["element"]

    def amax(level: Plain) -> list[Fraction]:
        size = level["size"]
        return [max(x[1] for x in row[i : i + size]) for i in range(0, len(row), size)]

    if levels[-1]["scale"]["type"] == "PowerOfTwo":
        scale = levels[-1]["scale"]
        top = 2 ** scale["bits"] - 1 - scale["nan"]
        emax = floor_log2(largest(element))
        found = [
            [0 if a == 0 else min(max(floor_log2(a) - emax + scale["bias"], 0), top) for a in amax(level)]
            for level in levels
        ]
        if len(levels) == 1:
            return found
        inner, over = found
        step, most = levels[1]["size"] // levels[0]["size"], 2 ** levels[0]["scale"]["bits"] - 1
        return [[min(over[i // step] - code, most) for i, code in enumerate(inner)], over]
    whole = max(x[1] for x in everything)
    scale = levels[1]["scale"]
    code = encode(number(1), scale, "half_even")
    if whole:
        code = encode(
            number(whole / (largest(element) * largest(levels[0]["scale"]))),
            scale,
            "half_even",
            saturate=True,
        )
    if outer is not None:
        (code,) = outer
    unit = signed(decode(code, scale)) * largest(element)
    inner = [
        written(number(a / unit if unit else 0), levels[0]["scale"], "half_even", False)
        for a in amax(levels[0])
    ]
    return [inner, [code]]


def block_dense(fields: Plain, shapes: list[tuple[int, ...]], inputs: list[Any]) -> list[Any]:
    """Accumulators that align nothing and scale every term exactly, in one chain."""
    rule, shape = fields["accumulator"], tuple(shapes[0])
    weight_format, input_format = fields["weight_format"], fields["input_format"]
    blocks = input_format is not None and input_format["type"] == "BlockFormat"
    sides = [weight_format, *([input_format] if blocks else [])]
    sizes = [max(level["size"] for level in side["levels"]) for side in sides]
    size = min([size for size in sizes if size], default=shape[-1])
    whole = any(level["size"] == 0 for side in sides for level in side["levels"])
    last = rule["outer"] if whole else rule["output"] or rule["register"].get("float")
    found = []
    for place in places_of(shape[:-1]):
        x = side_of(input_format, at(inputs[0], place), inputs[1:], fields["outer"], place, blocks)
        for k, row in enumerate(fields["weight"]):
            planes = [
                [[entries[min(k, len(entries) - 1)]][0]]
                if level["size"]
                else [[flat(entries)[k % len(entries)]]]
                for level, entries in zip(weight_format["levels"], fields["weight_scales"], strict=True)
            ]
            w = side_of(weight_format, row, planes, None, (0,), True)
            value = dot(x, w, size, rule)
            if fields["bias"] is not None:
                bias = flat(fields["bias"])
                other = decode(bias[k % len(bias)], last["format"])
                value = rounded(plus(value, other), last)
            found.append(encode(value, last["format"], last["rounding"]))
    return [nest(found, (*shape[:-1], len(fields["weight"])))]


def side_of(format: Any, row: list[int], planes: Any, outer: Any, place: Any, blocks: bool) -> Any:
    """Of a row: elements times inner scales, scales of the outermost counted level, scales of the whole."""
    if not blocks:
        values = [number(entry) if format is None else decode(entry, format) for entry in row]
        return values, [(False, Fraction(1))] * len(row), []
    sizes = [level["size"] for level in format["levels"]]
    counted = [i for i, size in enumerate(sizes) if size]
    elements, scales, whole = [], [], []
    for i, entry in enumerate(row):
        parts = shared(format, i, planes, outer, None, place)
        value = decode(entry, format["element"])
        for level in counted[:-1]:
            value = times(value, parts[level]["scale"])
        elements.append(value)
        scales.append(parts[counted[-1]]["scale"] if counted else (False, Fraction(1)))
        whole = [part["scale"] for part, size in zip(parts, sizes, strict=True) if not size]
    return elements, scales, whole


def dot(a: Any, b: Any, size: int, rule: Plain) -> Number:
    products = [times(x, y) for x, y in zip(a[0], b[0], strict=True)]
    terms = []
    for begin in range(0, len(products), size):
        block = products[begin : begin + size]
        step = rule["exact"] or size
        for i in range(0, len(block), step):
            scale = times(a[1][begin], b[1][begin])
            terms.append(times(total(block[i : i + step]), scale))
    register = rule["register"]
    if register["type"] == "Kulisch":
        value = total(terms)
    else:
        value = ZERO
        for term in terms:
            entering = register["entering"]
            value = rounded(plus(value, rounded(term, entering) if entering else term), register["float"])
    if rule["output"] is not None:
        value = rounded(value, rule["output"])
    factors = [product(side[2]) for side in (a, b) if side[2]]
    if factors:
        factor = factors[0] if len(factors) == 1 else rounded(times(*factors), rule["outer"])
        value = rounded(times(value, factor), rule["outer"])
    return value


def product(values: list[Number]) -> Number:
    found: Number = (False, Fraction(1))
    for value in values:
        found = times(found, value)
    return found


ORACLES = {
    "block_dense": block_dense,
    "block_dequantize": block_dequantize,
    "block_quantize": block_quantize,
}
