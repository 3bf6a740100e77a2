"""Oracles of the elementwise ops of two tensors, and of the doors: place by place, in exact fractions."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

from tests.oracles.arith import fit, limits, round_float, round_fraction, write
from tests.oracles.block_ops import decode, encode

Place = tuple[int, ...]
_REACH = {"float32": Fraction(2) ** 128, "float64": Fraction(2) ** 1024}


def _at(nested: Any, place: Place) -> Any:
    """An element of nested lists that broadcast to a larger shape, axes matched from the last."""
    depth, inner = 0, nested
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]
    for index in place[len(place) - depth :] if depth else ():
        nested = nested[index if len(nested) > 1 else 0]
    return nested


def each(shape: Place, value: Callable[[Place], Any]) -> Any:
    """Nested lists of a shape, `value` of every place in them."""
    found = {place: value(place) for place in product(*map(range, shape))}

    def part(place: Place) -> Any:
        if len(place) == len(shape):
            return found[place]
        return [part((*place, index)) for index in range(shape[len(place)])]

    return part(())


def _common(shapes: list[Place]) -> Place:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(max(sizes) for sizes in zip(*padded, strict=True))


def _binary(function: Callable[[int, int], int]) -> Callable[..., list[Any]]:
    def oracle(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
        def value(place: Place) -> int:
            exact = function(_at(inputs[0], place), _at(inputs[1], place))
            return write(exact, fields["register"]) if "register" in fields else exact

        return [each(_common(shapes), value)]

    return oracle


def _select(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    condition, a, b = inputs
    return [each(_common(shapes), lambda place: _at(a if _at(condition, place) == 1 else b, place))]


_FLOATS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "maximum": max,
    "minimum": min,
}


def _float_elementwise(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    def f32(exact: Fraction) -> Fraction:
        return round_float(exact, "float32")

    def real(side: str, code: int) -> Fraction:
        return f32((code - fields[f"{side}_zero_point"]) * Fraction(fields[f"{side}_scale"]["values"]))

    def value(place: Place) -> int:
        a, b = (real(side, _at(x, place)) for side, x in zip(("lhs", "rhs"), inputs, strict=True))
        result = f32(_FLOATS[fields["function"]](a, b))
        whole = round_fraction(f32(result / Fraction(fields["scale"]["values"])), "half_even")
        return fit(whole + fields["zero_point"], fields["format"], "saturate")

    return [each(_common(shapes), value)]


def _own(fields: dict[str, Any], name: str, place: Place) -> Any:
    """A parameter of a door at a place."""
    values = fields[name]["values"] if name == "scale" else fields[name]
    if not isinstance(values, list):
        return values
    return values[0] if len(values) == 1 else values[place[fields["axis"]]]


def _quantize(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    kind, format = fields["scale"]["type"], fields["format"]
    coded = format["type"] == "Minifloat"
    low, high = (0, 0) if coded else limits(format)

    def value(place: Place) -> int:
        real = _at(inputs[0], place)
        negative = math.copysign(1, real) < 0
        if math.isinf(real):
            return (
                encode((negative, "inf"), format, fields["rounding"], True)
                if coded
                else (high, low)[negative]
            )
        scale = Fraction(_own(fields, "scale", place))
        if fields["reciprocal"]:
            quotient = Fraction(real) * round_float(1 / scale, kind)
        else:
            quotient = Fraction(real) / scale
        if coded:
            near = abs(Fraction(round_float(quotient, kind)))
            return encode((negative, near), format, fields["rounding"], True)
        code = round_fraction(round_float(quotient, kind), fields["rounding"])
        return sorted((low, code + _own(fields, "zero_point", place), high))[1]

    return [each(shapes[0], value)]


def _narrowed(exact: Fraction, kind: str) -> float:
    """A product in float64, and then in the output's float."""
    wide = round_float(exact, "float64")
    narrow = round_float(wide, kind)
    if abs(narrow) >= _REACH[kind]:
        return math.copysign(math.inf, narrow)
    return math.copysign(float(abs(narrow)), wide)


def _scaled(code: int, fields: dict[str, Any], scale: float) -> float:
    """What a minifloat's code stands for, times the scale."""
    found = decode(code, fields["input_format"])
    if found == "nan":
        return math.nan
    negative, size = found
    if size == "inf":
        return -math.inf if negative else math.inf
    product = _narrowed(size * Fraction(scale), f"float{fields['format']['bits']}")
    return -product if negative else product


def _dequantize(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    kind = f"float{fields['format']['bits']}"

    def value(place: Place) -> float:
        if fields["input_format"] is not None:
            return _scaled(_at(inputs[0], place), fields, _own(fields, "scale", place))
        difference = Fraction(_at(inputs[0], place) - _own(fields, "zero_point", place))
        scale = Fraction(_own(fields, "scale", place))
        return _narrowed(round_float(difference, "float64") * scale, kind)

    return [each(shapes[0], value)]


ORACLES = {
    "dequantize": _dequantize,
    "float_elementwise": _float_elementwise,
    "maximum": _binary(max),
    "minimum": _binary(min),
    "mul": _binary(lambda a, b: a * b),
    "quantize": _quantize,
    "select": _select,
    "squared_difference": _binary(lambda a, b: (a - b) ** 2),
    "sub": _binary(lambda a, b: a - b),
}
