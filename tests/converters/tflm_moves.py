"""Single-operator models for TensorFlow Lite Micro, drawn by Hypothesis: what only moves data.

`MODELS`: operator name -> strategy of .tflite bytes. Only types that the runtime has kernels for are drawn.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.converters.tflm_drawing import BOTH, IMAGES, SHAPES, Drawn, Shape

TINY = st.integers(1, 3)


def axis_of(d: Drawn, shape: Shape) -> int:
    """Any axis but the batch's."""
    return d.draw(st.integers(1, len(shape) - 1))


@st.composite
def concatenations(draw: DrawFn) -> bytes:
    d = Drawn(draw)
    shape, meaning = draw(SHAPES), d.meaning()
    axis = axis_of(d, shape)
    sizes = draw(st.lists(TINY, min_size=1, max_size=4))
    inputs = [d.x((*shape[:axis], n, *shape[axis + 1 :]), meaning, f"x{i}") for i, n in enumerate(sizes)]
    y = d.y((*shape[:axis], sum(sizes), *shape[axis + 1 :]), meaning)
    return d.finish("CONCATENATION", inputs, y, axis=axis, fused_activation_function="NONE")


@st.composite
def packs(draw: DrawFn) -> bytes:
    d = Drawn(draw, ("int8",))
    shape, meaning, count = draw(SHAPES), d.meaning(), draw(TINY)
    axis = axis_of(d, (*shape, 1))
    inputs = [d.x(shape, meaning, f"x{i}") for i in range(count)]
    y = d.y((*shape[:axis], count, *shape[axis:]), meaning)
    return d.finish("PACK", inputs, y, axis=axis, values_count=count)


@st.composite
def splits(draw: DrawFn, op: str) -> bytes:
    d = Drawn(draw)
    shape, meaning = draw(SHAPES), d.meaning()
    axis = axis_of(d, shape)
    sizes = draw(st.lists(TINY, min_size=1, max_size=3))
    if op != "SPLIT_V":
        sizes = [1 if op == "UNPACK" else sizes[0]] * len(sizes)
    x = d.x((*shape[:axis], sum(sizes), *shape[axis + 1 :]), meaning)
    inside = [() if op == "UNPACK" else (n,) for n in sizes]
    ys = [
        d.model.tensor(f"y{i}", (*shape[:axis], *part, *shape[axis + 1 :]), d.type, *meaning)
        for i, part in enumerate(inside)
    ]
    if op == "SPLIT":
        d.model.operator(op, [d.ints("axis", axis), x], ys, version=2, num_splits=len(ys))
    elif op == "SPLIT_V":
        inputs = [x, d.ints("sizes", sizes), d.ints("axis", axis)]
        d.model.operator(op, inputs, ys, version=2, num_splits=len(ys))
    else:
        d.model.operator(op, [x], ys, version=2, axis=axis, num=len(ys))
    d.model.output(*ys)
    return d.model.build()


@st.composite
def pads(draw: DrawFn, op: str) -> bytes:
    d = Drawn(draw, ("int8",) if op == "MIRROR_PAD" else BOTH)
    shape, meaning = draw(IMAGES), d.meaning()
    mode = draw(st.sampled_from(("REFLECT", "SYMMETRIC")))
    most = [n - (mode == "REFLECT") if op == "MIRROR_PAD" else 2 for n in shape]
    widths = [(0, 0), *(tuple(draw(st.integers(0, n)) for _ in range(2)) for n in most[1:])]
    inputs = [d.x(shape, meaning), d.ints("paddings", widths)]
    if op == "PADV2":
        inputs.append(d.model.constant("value", draw(st.integers(-128, 127)), d.type, *meaning))
    y = d.y(tuple(n + sum(pair) for n, pair in zip(shape, widths, strict=True)), meaning)
    return d.finish(op, inputs, y, **({"mode": mode} if op == "MIRROR_PAD" else {}))


@st.composite
def slices(draw: DrawFn) -> bytes:
    d = Drawn(draw)
    shape, meaning = draw(IMAGES), d.meaning()
    begin = [0, *(draw(st.integers(0, n - 1)) for n in shape[1:])]
    size = [1, *(draw(st.integers(1, n - b)) for n, b in zip(shape[1:], begin[1:], strict=True))]
    inputs = [d.x(shape, meaning), d.ints("begin", begin), d.ints("size", size)]
    return d.finish("SLICE", inputs, d.y(tuple(size), meaning))


@st.composite
def strided_slices(draw: DrawFn) -> bytes:
    d = Drawn(draw)
    shape, meaning = draw(IMAGES), d.meaning()
    begin, end, stride = [0], [1], [1]
    for n in shape[1:]:
        step = draw(st.sampled_from((1, 1, 2, -1)))
        first, last = draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))
        begin.append(max(first, last) if step < 0 else min(first, last))
        end.append(min(first, last) - 1 - n * (min(first, last) == 0) if step < 0 else max(first, last) + 1)
        stride.append(step)
    cuts = tuple(
        slice(b, None if s < 0 and e < -n else e, s)
        for b, e, s, n in zip(begin, end, stride, shape, strict=True)
    )
    result = np.zeros(shape)[cuts].shape
    inputs = [d.x(shape, meaning), *(d.ints(*pair) for pair in (("b", begin), ("e", end), ("s", stride)))]
    return d.finish("STRIDED_SLICE", inputs, d.y(result, meaning), version=2)


@st.composite
def gathers(draw: DrawFn) -> bytes:
    d = Drawn(draw, ("int8",))
    shape, meaning = draw(IMAGES), d.meaning()
    axis = axis_of(d, shape)
    places = draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=4))
    y = d.y((*shape[:axis], len(places), *shape[axis + 1 :]), meaning)
    return d.finish("GATHER", [d.x(shape, meaning), d.ints("places", places)], y, axis=axis, batch_dims=0)


@st.composite
def shapings(draw: DrawFn, op: str) -> bytes:
    d = Drawn(draw)
    shape, meaning = draw(IMAGES), d.meaning()
    x, options, inputs = d.x(shape, meaning), {}, []
    if op == "RESHAPE":
        result: Shape = (1, shape[1] * shape[3], shape[2])
        inputs, options = [d.ints("shape", result)], {"new_shape": result}
    elif op == "SQUEEZE":
        axes = [axis for axis in range(1, 4) if shape[axis] == 1]
        result = tuple(n for axis, n in enumerate(shape) if axis not in axes)
        options = {"squeeze_dims": axes}
        if not axes:
            result = tuple(n for axis, n in enumerate(shape) if axis)
            options = {"squeeze_dims": [0]}
    elif op == "EXPAND_DIMS":
        axis = draw(st.integers(1, 4))
        inputs, result = [d.ints("axis", axis)], (*shape[:axis], 1, *shape[axis:])
    else:
        order = [0, *(axis + 1 for axis in draw(st.permutations(range(3))))]
        inputs, result = [d.ints("order", order)], tuple(shape[axis] for axis in order)
    return d.finish(op, [x, *inputs], d.y(result, meaning), 1 if op != "TRANSPOSE" else 2, **options)


@st.composite
def blocks(draw: DrawFn, op: str) -> bytes:
    d = Drawn(draw, ("int8",))
    block, meaning = draw(TINY), d.meaning()
    h, w, c = (draw(TINY) for _ in range(3))
    small, large = (1, h, w, c * block * block), (1, h * block, w * block, c)
    shapes = (large, small) if op == "SPACE_TO_DEPTH" else (small, large)
    return d.finish(op, [d.x(shapes[0], meaning)], d.y(shapes[1], meaning), 1, block_size=block)


@st.composite
def nearests(draw: DrawFn) -> bytes:
    d = Drawn(draw)
    shape, meaning = draw(IMAGES), d.meaning()
    size = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    options = {"align_corners": draw(st.booleans()), "half_pixel_centers": draw(st.booleans())}
    y = d.y((1, *size, shape[3]), meaning)
    return d.finish("RESIZE_NEAREST_NEIGHBOR", [d.x(shape, meaning), d.ints("size", size)], y, 3, **options)


@st.composite
def broadcasts(draw: DrawFn) -> bytes:
    d = Drawn(draw)
    shape, meaning = draw(IMAGES), d.meaning()
    given = tuple(draw(st.sampled_from((1, n))) for n in shape)
    return d.finish("BROADCAST_TO", [d.x(given, meaning), d.ints("shape", shape)], d.y(shape, meaning))


MODELS: dict[str, SearchStrategy[bytes]] = {
    "BROADCAST_TO": broadcasts(),
    "CONCATENATION": concatenations(),
    "DEPTH_TO_SPACE": blocks("DEPTH_TO_SPACE"),
    "EXPAND_DIMS": shapings("EXPAND_DIMS"),
    "GATHER": gathers(),
    "MIRROR_PAD": pads("MIRROR_PAD"),
    "PACK": packs(),
    "PAD": pads("PAD"),
    "PADV2": pads("PADV2"),
    "RESHAPE": shapings("RESHAPE"),
    "RESIZE_NEAREST_NEIGHBOR": nearests(),
    "SLICE": slices(),
    "SPACE_TO_DEPTH": blocks("SPACE_TO_DEPTH"),
    "SPLIT": splits("SPLIT"),
    "SPLIT_V": splits("SPLIT_V"),
    "SQUEEZE": shapings("SQUEEZE"),
    "STRIDED_SLICE": strided_slices(),
    "TRANSPOSE": shapings("TRANSPOSE"),
    "UNPACK": splits("UNPACK"),
}
