"""The terms of every sum, as intervals (rule V3).

A sum's terms are columns: the lowest and the highest raw terms; and, where a correction depends on the
input, also the ends of its part for each term, and of term and part together.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any, NamedTuple

from .form import Pair, Range, Shape, need
from .ranges import hull, wide
from .registers import Columns, register
from .stored import Tensor, field, several


def sums(op: str, at: Any, acc: Any, inputs: list[Tensor], levels: list[Any]) -> list[tuple[Range, Range]]:
    """For every register, outermost first, its final and partial ranges, per channel."""
    sizes, channels = totals(op, at, acc, inputs)
    order = acc["order"]
    places = order if type(order) is list else in_order(order, sizes)
    need(len(places) == prod(sizes), "order", f"must list {prod(sizes)} places, not {len(places)}")
    result: list[tuple[Range, Range]] = [([], []) for _ in levels]
    for variants in channels:
        found: list[Range] = [[] for _ in levels]
        for columns, constant, bias in variants:
            if order != "hwc":
                columns = [[column[place] for place in places] for column in columns]
            register(acc, columns, found, 0, constant, bias)
        for (finals, partials), pairs in zip(result, found, strict=True):
            finals.append(hull(pairs[::2]))
            partials.append(hull(pairs[1::2]))
    return result


def in_order(order: str, sizes: Shape) -> list[int]:
    """The terms' places, counted with c fastest, in the order in which they enter (A4)."""
    steps = {"h": sizes[1] * sizes[2], "w": sizes[2], "c": 1}
    ranges = [range(0, size * steps["hwc"[i]], steps["hwc"[i]]) for i, size in enumerate(sizes)]
    return [sum(place) for place in product(*(ranges["hwc".index(letter)] for letter in order))]


class Total(NamedTuple):
    """One sum to be made: its terms in order, the constant part of the correction, the bias."""

    columns: Columns
    constant: int
    bias: int


def totals(op: str, g: Any, acc: Any, inputs: list[Tensor]) -> tuple[Shape, Iterator[list[Total]]]:
    """Sizes of the reduction axes h, w and c, and for every output channel the sums that are made."""
    x, subtract = inputs[0], acc["zero_point"] == "subtract"
    if op in ("sum", "batch_matmul"):
        need(x.shape, op, "cannot be checked: its input's shape is not known")
    shape = x.shape or ()
    if op == "sum":
        axes = several(g, "axes")
        sizes = tuple(size if i in axes else 1 for i, size in enumerate(shape))
        sizes = sizes if len(sizes) == 3 else (1, 1, prod(sizes))
        count = prod(sizes)
        rows = [[pair] * count for pair in x.range]
        if len(shape) - 1 in axes:  # the channels are among the terms, fastest
            rows = [wide(x.range, shape[-1]) * (count // shape[-1])]
        return sizes, ([Total([list(column) for column in zip(*row, strict=True)], 0, 0)] for row in rows)
    if op == "batch_matmul":
        depth = shape[-2 if field(g, "transpose_x") else -1]
        return (1, 1, depth), iter([[matmul_total(g, hull(x.range), hull(inputs[1].range), depth, subtract)]])
    need(op in ("conv2d", "depthwise_conv2d", "transpose_conv2d", "dense"), op, "cannot be checked")
    shape, zx = g["weight"].shape, field(g, "input_zero_point")
    channels = prod(shape[:2]) if op == "depthwise_conv2d" else shape[0]
    sizes = (1, 1, shape[1]) if op == "dense" else (*shape[2:], 1) if op == "depthwise_conv2d" else shape[1:]
    groups = shape[0] if op == "depthwise_conv2d" else field(g, "groups") or 1
    rows = g["weight"][()].reshape(channels, -1).tolist()
    zw, bias = (wide(several(g, name), channels) for name in ("weight_zero_point", "bias"))
    axes = [{(0,)}] * 2 if op == "dense" else [live_taps(op, g, i, x.shape or (), sizes[i]) for i in range(2)]
    seen = [windows(x.range, sizes, group, zx, axes) for group in range(groups)]
    return sizes, (
        [dot(rows[k], taps, zx, zw[k], bias[k], subtract) for taps in seen[k * groups // channels]]
        for k in range(channels)
    )


def dot(weights: list[int], taps: Range, zx: int, zw: int, bias: int, subtract: bool) -> Total:
    if subtract:
        return Total(products([w - zw for w in weights], [(a - zx, b - zx) for a, b in taps]), 0, bias)
    columns = products(weights, taps)
    if zw:
        columns += products([-zw] * len(taps), taps) + products([w - zw for w in weights], taps)
    return Total(columns, len(taps) * zx * zw - zx * sum(weights), bias)


def products(weights: list[int], taps: Range) -> Columns:
    pairs = list(zip(weights, taps, strict=True))
    return [
        [w * (t[0] if w > 0 else t[1]) for w, t in pairs],
        [w * (t[1] if w > 0 else t[0]) for w, t in pairs],
    ]


def live_taps(op: str, g: Any, axis: int, x: Shape, kernel: int) -> set[tuple[int, ...]]:
    """The sets of taps that outputs along an axis have inside the image."""
    dilation, stride, size = field(g, "dilation")[axis], field(g, "stride")[axis], x[axis]
    if op == "transpose_conv2d":
        offset, outputs = field(g, "offset")[axis], field(g, "output_size")[axis]
        rows = [[o + offset - k * dilation for k in range(kernel)] for o in range(outputs)]
        return {tuple(k for k, at in enumerate(row) if at in range(0, size * stride, stride)) for row in rows}
    before, after = field(g, "padding")[axis]
    outputs = (size + before + after - (kernel - 1) * dilation - 1) // stride + 1
    rows = [[o * stride - before + k * dilation for k in range(kernel)] for o in range(outputs)]
    return {tuple(k for k, at in enumerate(row) if 0 <= at < size) for row in rows}


def windows(x: Range, sizes: Shape, group: int, zx: int, axes: list[set[tuple[int, ...]]]) -> list[Range]:
    """The taps' ranges in a group of channels, for the sets of taps along h and w that are inside."""
    height, width, depth = sizes
    pairs = x * depth if len(x) == 1 else x[group * depth : (group + 1) * depth]
    if all(a <= zx <= b for a, b in pairs):  # more taps inside, wider sums
        axes = [{s for s in sets if not any(set(s) < set(t) for t in sets)} for sets in axes]
    places, outside = list(product(range(height), range(width))), [(zx, zx)] * depth
    return [
        [p for h, w in places for p in (pairs if h in rows and w in cols else outside)]
        for rows, cols in product(*axes)
    ]


def matmul_total(g: Any, x: Pair, y: Pair, depth: int, subtract: bool) -> Total:
    zx, zy = field(g, "x_zero_point"), field(g, "y_zero_point")
    corners = list(product(x, y))
    raw = [(a - zx) * (b - zy) if subtract else a * b for a, b in corners]
    part = [-zy * a - zx * b for a, b in corners]
    both = [a * b - zy * a - zx * b for a, b in corners]
    kinds = [raw] if subtract else [raw, part, both]
    columns = [[end(kind)] * depth for kind in kinds for end in (min, max)]
    return Total(columns, 0 if subtract else depth * zx * zy, 0)
