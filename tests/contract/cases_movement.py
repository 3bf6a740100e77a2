"""Cases of the ops that move data, for the contract suite."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from intsim.formats import IntFormat, TensorSpec
from intsim.ops import (
    Concat,
    Constant,
    DepthToSpace,
    EmbeddingLookup,
    Gather,
    Pack,
    Pad,
    Reshape,
    Slice,
    SpaceToDepth,
    Split,
    Tile,
    Transpose,
    Unpack,
)
from intsim.testing import Case

Shape = tuple[int, ...]

FORMATS = st.builds(IntFormat, st.integers(1, 64), st.booleans()).filter(
    lambda drawn: drawn.max < 2**63  # inputs are int64
)
BATCHES = st.integers(1, 3)


def shapes(least: int = 0, most: int = 4, largest: int = 4) -> SearchStrategy[Shape]:
    return st.lists(st.integers(1, largest), min_size=least, max_size=most).map(tuple)


def codes(draw: DrawFn, format: IntFormat, shape: Shape) -> np.ndarray:
    """Values of a format, its ends and its middle often among them."""
    middle = [v for v in (-1, 0, 1) if format.min <= v <= format.max]
    edges = st.sampled_from(sorted({format.min, format.max, *middle}))
    one = edges | st.integers(format.min, format.max)
    count = int(np.prod(shape, dtype=np.int64))
    values = draw(st.lists(one, min_size=count, max_size=count))
    return np.array(values, dtype=np.int64).reshape(shape)


def case(draw: DrawFn, op: Any, format: IntFormat, *samples: Shape) -> Case:
    batch = draw(BATCHES)
    specs = tuple(TensorSpec(shape, format) for shape in samples)
    return Case(op, specs, tuple(codes(draw, format, (batch, *shape)) for shape in samples))


@st.composite
def constants(draw: DrawFn) -> Case:
    format = draw(FORMATS)
    return Case(Constant(codes(draw, format, draw(shapes())), format), (), ())


@st.composite
def concats(draw: DrawFn) -> Case:
    shape = draw(shapes(1))
    axis = draw(st.integers(0, len(shape) - 1))
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    samples = [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]
    return case(draw, Concat(axis), draw(FORMATS), *samples)


@st.composite
def splits(draw: DrawFn) -> Case:
    shape = draw(shapes(1))
    axis = draw(st.integers(0, len(shape) - 1))
    sizes = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)))
    sample = (*shape[:axis], sum(sizes), *shape[axis + 1 :])
    return case(draw, Split(axis, sizes), draw(FORMATS), sample)


@st.composite
def pads(draw: DrawFn) -> Case:
    shape = draw(shapes(most=3))
    mode = draw(st.sampled_from(["constant", "reflect", "symmetric"]))
    most = {"constant": [3] * len(shape), "reflect": [n - 1 for n in shape], "symmetric": shape}[mode]
    padding = tuple((draw(st.integers(0, n)), draw(st.integers(0, n))) for n in most)
    format = draw(FORMATS)
    value = draw(st.integers(format.min, format.max)) if mode == "constant" else 0
    return case(draw, Pad(padding, value, mode), format, shape)


@st.composite
def slices(draw: DrawFn) -> Case:
    shape = draw(shapes(largest=6))
    begin, size, stride = [], [], []
    for extent in shape:
        first, last = (draw(st.integers(0, extent - 1)) for _ in range(2))
        steps = draw(st.integers(1, abs(last - first) or 1))
        sign = 1 if last >= first else -1
        begin.append(first)
        size.append(abs(last - first) // steps + 1)
        stride.append(sign * steps)
    return case(draw, Slice(tuple(begin), tuple(size), tuple(stride)), draw(FORMATS), shape)


@st.composite
def gathers(draw: DrawFn) -> Case:
    shape = draw(shapes(1, 3))
    axis = draw(st.integers(0, len(shape) - 1))
    format, picked = draw(FORMATS), draw(shapes(most=2, largest=3))
    places = IntFormat.covering(0, shape[axis] - 1)
    index = st.integers(0, shape[axis] - 1)
    batch = draw(BATCHES)
    x = codes(draw, format, (batch, *shape))
    stored = draw(st.booleans())
    count = int(np.prod(picked, dtype=np.int64)) * (1 if stored else batch)
    values = np.array(draw(st.lists(index, min_size=count, max_size=count)), dtype=np.int64)
    spec = TensorSpec(shape, format)
    if stored:
        return Case(Gather(axis, values.reshape(picked)), (spec,), (x,))
    wide = draw(st.sampled_from([places, IntFormat(32), IntFormat(64)]))
    return Case(Gather(axis), (spec, TensorSpec(picked, wide)), (x, values.reshape(batch, *picked)))


@st.composite
def reshapes(draw: DrawFn) -> Case:
    shape = draw(shapes())
    left, sizes = int(np.prod(shape, dtype=np.int64)), []
    while left > 1:
        divisor = draw(st.sampled_from([d for d in range(2, left + 1) if left % d == 0]))
        sizes.append(divisor)
        left //= divisor
    for _ in range(draw(st.integers(0, 2))):
        sizes.insert(draw(st.integers(0, len(sizes))), 1)
    return case(draw, Reshape(tuple(sizes)), draw(FORMATS), shape)


@st.composite
def transposes(draw: DrawFn) -> Case:
    shape = draw(shapes())
    return case(draw, Transpose(tuple(draw(st.permutations(range(len(shape)))))), draw(FORMATS), shape)


@st.composite
def packs(draw: DrawFn) -> Case:
    shape = draw(shapes(most=3))
    count = draw(st.integers(1, 4))
    return case(draw, Pack(draw(st.integers(0, len(shape)))), draw(FORMATS), *[shape] * count)


@st.composite
def unpacks(draw: DrawFn) -> Case:
    shape = draw(shapes(1))
    return case(draw, Unpack(draw(st.integers(0, len(shape) - 1))), draw(FORMATS), shape)


@st.composite
def blocks(draw: DrawFn, deepen: bool) -> Case:
    block, high, wide, deep = (draw(st.integers(1, 3)) for _ in range(4))
    if deepen:
        return case(draw, SpaceToDepth(block), draw(FORMATS), (high * block, wide * block, deep))
    return case(draw, DepthToSpace(block), draw(FORMATS), (high, wide, deep * block * block))


@st.composite
def embeddings(draw: DrawFn) -> Case:
    format, rows = draw(FORMATS), draw(st.integers(1, 6))
    table = codes(draw, format, (rows, *draw(shapes(most=2))))
    shape, batch = draw(shapes(most=2)), draw(BATCHES)
    count = batch * int(np.prod(shape, dtype=np.int64))
    values = draw(st.lists(st.integers(0, rows - 1), min_size=count, max_size=count))
    wide = draw(st.sampled_from([IntFormat.covering(0, rows - 1), IntFormat(32)]))
    indices = np.array(values, dtype=np.int64).reshape(batch, *shape)
    return Case(EmbeddingLookup(table, format), (TensorSpec(shape, wide),), (indices,))


@st.composite
def tiles(draw: DrawFn) -> Case:
    shape = draw(shapes(most=3))
    multiples = tuple(draw(st.integers(1, 3)) for _ in shape)
    return case(draw, Tile(multiples), draw(FORMATS), shape)


CASES: dict[str, SearchStrategy[Case]] = {
    "concat": concats(),
    "constant": constants(),
    "depth_to_space": blocks(deepen=False),
    "embedding_lookup": embeddings(),
    "gather": gathers(),
    "pack": packs(),
    "pad": pads(),
    "reshape": reshapes(),
    "slice": slices(),
    "space_to_depth": blocks(deepen=True),
    "split": splits(),
    "tile": tiles(),
    "transpose": transposes(),
    "unpack": unpacks(),
}
