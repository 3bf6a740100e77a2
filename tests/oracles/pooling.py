"""Oracles of poolings and reductions: the elements that make one output, listed, then judged."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

from tests.oracles import arith

Plain = dict[str, Any]
Shape = tuple[int, ...]


def _windows(fields: Plain, shape: Shape, x: Any) -> list[list[list[list[Any]]]]:
    """The taps of each output, nested (OH, OW, C); None for a tap outside the image."""
    starts = []
    for axis in range(2):
        before, after = fields["padding"][axis]
        reach = (fields["kernel"][axis] - 1) * fields["dilation"][axis] + 1
        starts.append(range(-before, shape[axis] + after - reach + 1, fields["stride"][axis]))
    places = list(product(range(fields["kernel"][0]), range(fields["kernel"][1])))

    def read(h: int, w: int, c: int) -> Any:
        return x[h][w][c] if 0 <= h < shape[0] and 0 <= w < shape[1] else None

    return [
        [
            [
                [
                    read(top + i * fields["dilation"][0], left + j * fields["dilation"][1], c)
                    for i, j in places
                ]
                for c in range(shape[2])
            ]
            for left in starts[1]
        ]
        for top in starts[0]
    ]


def _avg_pool2d(fields: Plain, shapes: list[Shape], inputs: list[Any]) -> list[Any]:
    zero = fields["zero_point"]

    def average(taps: list[Any]) -> int:
        inside = [tap for tap in taps if tap is not None]
        count = len(taps) if fields["count_padding"] else len(inside)
        return arith.round_div(sum(inside) - zero * len(inside), count, fields["rounding"]) + zero

    return [
        [[[average(taps) for taps in cell] for cell in row] for row in _windows(fields, shapes[0], inputs[0])]
    ]


def _float_avg_pool2d(fields: Plain, shapes: list[Shape], inputs: list[Any]) -> list[Any]:
    table, first = fields["table"]["values"], arith.limits(fields["input_format"])[0]

    def f32(exact: Fraction) -> Fraction:
        return arith.round_float(exact, "float32")

    def average(taps: list[Any]) -> int:
        inside = [Fraction(table[tap - first]) for tap in taps if tap is not None]
        total = Fraction(0)
        for real in inside:
            total = f32(total + real)
        mean = f32(total / (len(taps) if fields["count_padding"] else len(inside)))
        code = f32(f32(mean / Fraction(fields["scale"]["values"])) + fields["zero_point"])
        return arith.fit(arith.round_fraction(code, "half_even"), fields["format"], "saturate")

    return [
        [[[average(taps) for taps in cell] for cell in row] for row in _windows(fields, shapes[0], inputs[0])]
    ]


def _max_pool2d(fields: Plain, shapes: list[Shape], inputs: list[Any]) -> list[Any]:
    return [
        [
            [[max(tap for tap in taps if tap is not None) for taps in cell] for cell in row]
            for row in _windows(fields, shapes[0], inputs[0])
        ]
    ]


def _groups(shape: Shape, axes: list[int], x: Any) -> list[list[int]]:
    """The elements that meet in each output, outputs and elements with the last axis fastest."""
    found: dict[Shape, list[int]] = {}
    values = iter(arith.flat(x))
    for place in product(*map(range, shape)):
        kept = tuple(index for axis, index in enumerate(place) if axis not in axes)
        found.setdefault(kept, []).append(next(values))
    return list(found.values())


def _left(shape: Shape, axes: list[int], keepdims: bool) -> Shape:
    sizes = []
    for axis, size in enumerate(shape):
        if axis not in axes:
            sizes.append(size)
        elif keepdims:
            sizes.append(1)
    return tuple(sizes)


def _reduced(judge: Callable[[Plain, Shape, list[int]], int]) -> Callable[..., list[Any]]:
    def oracle(fields: Plain, shapes: list[Shape], inputs: list[Any]) -> list[Any]:
        axes = fields["axes"] if "axes" in fields else [fields["axis"]]
        groups = _groups(shapes[0], axes, inputs[0])
        results = [judge(fields, shapes[0], group) for group in groups]
        return [arith.nest(results, _left(shapes[0], axes, fields["keepdims"]))]

    return oracle


def _sum(fields: Plain, shape: Shape, group: list[int]) -> int:
    sizes = (1, 1, len(group))
    if len(shape) == 3:
        sizes = tuple(size if axis in fields["axes"] else 1 for axis, size in enumerate(shape))
    return arith.accumulate(group, sizes, fields["accumulator"])[0]


def _mean(fields: Plain, shape: Shape, group: list[int]) -> int:
    zero = fields["zero_point"]
    return arith.round_div(sum(value - zero for value in group), len(group), fields["rounding"]) + zero


def _place(fields: Plain, group: list[int], extreme: int) -> int:
    places = [at for at, value in enumerate(group) if value == extreme]
    return places[-1] if fields["last"] else places[0]


ORACLES = {
    "arg_max": _reduced(lambda fields, shape, group: _place(fields, group, max(group))),
    "arg_min": _reduced(lambda fields, shape, group: _place(fields, group, min(group))),
    "avg_pool2d": _avg_pool2d,
    "float_avg_pool2d": _float_avg_pool2d,
    "max_pool2d": _max_pool2d,
    "mean": _reduced(_mean),
    "reduce_max": _reduced(lambda fields, shape, group: max(group)),
    "reduce_min": _reduced(lambda fields, shape, group: min(group)),
    "sum": _reduced(_sum),
}
