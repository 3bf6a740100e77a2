"""Oracles of convolutions and matrix products: output by output, tap by tap.

A convolution is a dictionary from output position to the taps it meets, filled by walking the input
(`_scatter`) or the output (`_gather`); nothing is padded, strided or reshaped.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from tests.oracles import arith

Plain = dict[str, Any]
Shape = tuple[int, ...]


def _gather(fields: Plain, size: tuple[int, int], kernel: tuple[int, int]) -> Any:
    """Of a convolution: output position -> {(kh, kw): input position}, taps outside left out."""
    positions = [range(0), range(0)]
    for axis in range(2):
        before, after = fields["padding"][axis]
        reach = (kernel[axis] - 1) * fields["dilation"][axis] + 1
        last = size[axis] + after - reach  # where the last window may begin
        positions[axis] = range(-before, last + 1, fields["stride"][axis])
    met: dict[tuple[int, int], dict[tuple[int, int], tuple[int, int]]] = {}
    for oh, top in enumerate(positions[0]):
        for ow, left in enumerate(positions[1]):
            seen = met.setdefault((oh, ow), {})
            for kh, kw in product(range(kernel[0]), range(kernel[1])):
                h, w = top + kh * fields["dilation"][0], left + kw * fields["dilation"][1]
                if 0 <= h < size[0] and 0 <= w < size[1]:
                    seen[kh, kw] = (h, w)
    return met


def _scatter(fields: Plain, size: tuple[int, int], kernel: tuple[int, int]) -> Any:
    """Of a transposed convolution: the same dictionary, filled from the input's side."""
    height, width = fields["output_size"]
    met: Any = {place: {} for place in product(range(height), range(width))}
    for h, w, kh, kw in product(range(size[0]), range(size[1]), range(kernel[0]), range(kernel[1])):
        oh = h * fields["stride"][0] - fields["offset"][0] + kh * fields["dilation"][0]
        ow = w * fields["stride"][1] - fields["offset"][1] + kw * fields["dilation"][1]
        if (oh, ow) in met:
            met[oh, ow][kh, kw] = (h, w)
    return met


def _sums(fields: Plain, x: Any, filters: list[Any], met: Any, first_channel: Any) -> Any:
    """Nested (OH, OW, K) sums; filters[k][kh][kw][c] meets input channel first_channel(k) + c."""
    zx, rule = fields["input_zero_point"], fields["accumulator"]
    kernel = len(filters[0]), len(filters[0][0]), len(filters[0][0][0])
    rows = 1 + max(oh for oh, _ in met)
    columns = 1 + max(ow for _, ow in met)
    result: Any = [[[] for _ in range(columns)] for _ in range(rows)]
    for (oh, ow), seen in met.items():
        for k, taps in enumerate(filters):
            xs, ws = [], []
            for kh, kw, c in product(*map(range, kernel)):
                place = seen.get((kh, kw))
                xs.append(zx if place is None else x[place[0]][place[1]][first_channel(k) + c])
                ws.append(taps[kh][kw][c])
            zw, bias = arith.pick(fields["weight_zero_point"], k), arith.pick(fields["bias"], k)
            result[oh][ow].append(arith.dot(xs, ws, zx, zw, kernel, rule, bias))
    return result


def _conv2d(fields: Plain, shapes: list[Shape], inputs: list[Any]) -> list[Any]:
    filters = fields["weight"]
    met = _gather(fields, shapes[0][:2], (len(filters[0]), len(filters[0][0])))
    return [_sums(fields, inputs[0], filters, met, _group_start(fields))]


def _transpose_conv2d(fields: Plain, shapes: list[Shape], inputs: list[Any]) -> list[Any]:
    filters = fields["weight"]
    met = _scatter(fields, shapes[0][:2], (len(filters[0]), len(filters[0][0])))
    return [_sums(fields, inputs[0], filters, met, _group_start(fields))]


def _group_start(fields: Plain) -> Any:
    filters = fields["weight"]
    each, depth = len(filters) // fields["groups"], len(filters[0][0][0])
    return lambda k: (k // each) * depth


def _depthwise_conv2d(fields: Plain, shapes: list[Shape], inputs: list[Any]) -> list[Any]:
    filters, channel_of = [], []
    for c, multiples in enumerate(fields["weight"]):
        for plane in multiples:
            filters.append([[[value] for value in row] for row in plane])
            channel_of.append(c)
    met = _gather(fields, shapes[0][:2], (len(filters[0]), len(filters[0][0])))
    return [_sums(fields, inputs[0], filters, met, lambda k: channel_of[k])]


def _dense(fields: Plain, shapes: list[Shape], inputs: list[Any]) -> list[Any]:
    depth = shapes[0][-1]
    elements = arith.flat(inputs[0])
    sums = []
    for start in range(0, len(elements), depth):
        for k, row in enumerate(fields["weight"]):
            sums.append(
                arith.dot(
                    elements[start : start + depth],
                    row,
                    fields["input_zero_point"],
                    arith.pick(fields["weight_zero_point"], k),
                    (1, 1, depth),
                    fields["accumulator"],
                    arith.pick(fields["bias"], k),
                )
            )
    return [arith.nest(sums, (*shapes[0][:-1], len(fields["weight"])))]


def _batch_matmul(fields: Plain, shapes: list[Shape], inputs: list[Any]) -> list[Any]:
    x_shape, y_shape = shapes
    rows, depth = x_shape[-2:][::-1] if fields["transpose_x"] else x_shape[-2:]
    columns = y_shape[-2] if fields["transpose_y"] else y_shape[-1]
    rank = max(len(x_shape), len(y_shape)) - 2
    leading = []
    for axis in range(-rank - 2, -2):
        sizes = {shape[axis] for shape in shapes if -axis <= len(shape)}
        leading.append(max(sizes))

    def read(i: int, matrix: Shape, row: int, column: int) -> int:
        if fields[("transpose_x", "transpose_y")[i]]:
            row, column = column, row
        extra = len(shapes[i]) - 2
        place = [
            index if size > 1 else 0
            for index, size in zip(matrix[len(matrix) - extra :], shapes[i][:extra], strict=True)
        ]
        value = inputs[i]
        for index in (*place, row, column):
            value = value[index]
        return int(value)

    sums = []
    for matrix in product(*map(range, leading)):
        for r, c in product(range(rows), range(columns)):
            xs = [read(0, matrix, r, d) for d in range(depth)]
            ys = [read(1, matrix, d, c) for d in range(depth)]
            zx, zy = fields["x_zero_point"], fields["y_zero_point"]
            sums.append(arith.dot(xs, ys, zx, zy, (1, 1, depth), fields["accumulator"]))
    return [arith.nest(sums, (*leading, rows, columns))]


ORACLES = {
    "batch_matmul": _batch_matmul,
    "conv2d": _conv2d,
    "dense": _dense,
    "depthwise_conv2d": _depthwise_conv2d,
    "transpose_conv2d": _transpose_conv2d,
}
