"""Single operators that move data, drawn at random: intsim's integers against LiteRT's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from intsim_converters.tflite import CONVERTER, batch_layout, from_sample_batch, to_sample_batch

import intsim
from intsim.errors import ConversionError
from tests.zoo import litert
from tests.zoo.tflite_builder import DTYPES, ModelBuilder, Tensor

RUNS = 2
MIXED = "samples must not mix"
Shape = tuple[int, ...]

QUANTIZED = ("int8", "uint8", "int16")
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
BATCHED = SHAPES.map(lambda shape: (1, *shape[1:]))
ANY_SHAPE = BATCHED | SHAPES
SCALES = st.sampled_from([0.5, 0.25, 1.0, 2.0**-8, 0.1, 0.0123])


def agree(model: ModelBuilder, seed: int, may_refuse: str = "") -> None:
    """Compare every integer of every output, for the reference kernels and for what LiteRT runs by default.

    may_refuse : a converter that refuses the model in these words is right too
    """
    for dialect, resolver, engine in (("litert-ref", "ref", "reference"), ("xnnpack", "default", "fast")):
        agree_in(model.build(), seed, may_refuse, dialect, resolver, engine)


def agree_in(
    data: bytes, seed: int, may_refuse: str, dialect: str, resolver: litert.Resolver, engine: str
) -> None:
    try:
        session = litert.Session(data, resolver)
        runs = draws(session, seed)
        wanted = [session.run(run) for run in runs]
    except litert.RuntimeRefused:
        assume(False)
    network = converted(data, dialect, may_refuse)
    if network is None:
        return
    layout = batch_layout(data)
    result = intsim.run(network, to_sample_batch(layout, runs), engine=engine)
    found = from_sample_batch(layout, result.outputs)
    assert len(found) == RUNS
    for run, expected in zip(found, wanted, strict=True):
        assert list(run) == list(expected)
        for name, value in expected.items():
            assert run[name].tolist() == value.tolist(), (dialect, name)


def converted(data: bytes, dialect: str, may_refuse: str) -> intsim.Network | None:
    """The network, or None where the converter rightly refuses it."""
    try:
        return CONVERTER.convert(data, dialect)
    except ConversionError as error:
        batch = batch_layout(data).size
        if may_refuse and may_refuse in str(error) and (batch > 1 or may_refuse != MIXED):
            return None
        raise


def draws(session: litert.Session, seed: int) -> list[dict[str, np.ndarray]]:
    """Inputs for each run: uniform over the format, its two ends often among them."""
    rng = np.random.default_rng(seed)
    details = dict(zip(session.input_keys, session._interpreter.get_input_details(), strict=True))
    return [{key: _values(rng, key, detail) for key, detail in details.items()} for _ in range(RUNS)]


def _values(rng: np.random.Generator, key: str, detail: dict[str, Any]) -> np.ndarray:
    """Integers of one input; one that is named "indices<n>" gets 0 to n - 1, a bool 0 and 1."""
    shape, dtype = tuple(detail["shape"]), np.dtype(detail["dtype"])
    if dtype.kind == "b":
        return rng.integers(0, 2, shape, dtype=np.uint8)
    if key.startswith("indices"):
        return rng.integers(0, int(key.removeprefix("indices")), shape, dtype=dtype)
    limits = np.iinfo(dtype)
    values = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    edge = rng.choice(np.array([limits.min, limits.max], dtype=dtype), shape)
    return np.where(rng.random(shape) < 0.2, edge, values)


def meaning(draw: DrawFn, dtype: str) -> dict[str, Any]:
    """A scale and a zero point, where the type has them."""
    if dtype not in QUANTIZED:
        return {}
    kind = DTYPES[dtype]
    zero = 0 if dtype == "int16" else draw(st.integers(kind.low, kind.high))
    return {"scale": draw(SCALES), "zero_point": zero}


class Drawn:
    """A model of one operator, with the pieces that every test draws."""

    def __init__(self, draw: DrawFn, dtypes: Sequence[str], shapes: Any = ANY_SHAPE) -> None:
        self.draw, self.model = draw, ModelBuilder()
        self.dtype = draw(st.sampled_from(dtypes))
        self.meaning = meaning(draw, self.dtype)
        self.shape: Shape = draw(shapes)

    def x(self, name: str = "x", shape: Shape | None = None, **meaning: Any) -> Tensor:
        shape = self.shape if shape is None else shape
        return self.model.input(name, shape, self.dtype, **(meaning or self.meaning))

    def y(self, shape: Shape, name: str = "y", **meaning: Any) -> Tensor:
        tensor = self.model.tensor(name, shape, self.dtype, **(meaning or self.meaning))
        self.model.output(tensor)
        return tensor

    def ints(self, name: str, values: Any, dtype: str = "int32") -> Tensor:
        return self.model.constant(name, np.array(values, dtype=np.int64), dtype)

    def axis(self, rank: int, least: int = 0) -> tuple[int, int]:
        """An axis from 0, and the same one as a file may write it."""
        axis = self.draw(st.integers(least, rank - 1))
        return axis, self.draw(st.sampled_from([axis, axis - rank]))

    def seed(self) -> int:
        return self.draw(st.integers(0, 2**32 - 1))


@given(st.data())
def test_concatenation(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64", "bool"))
    axis, written = d.axis(len(d.shape))
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    shapes = [(*d.shape[:axis], size, *d.shape[axis + 1 :]) for size in sizes]
    free = d.dtype == "uint8" and data.draw(st.booleans())  # scales of their own
    own = [meaning(data.draw, d.dtype) if free and data.draw(st.booleans()) else {} for _ in sizes]
    inputs = [d.x(f"x{i}", shape, **own[i]) for i, shape in enumerate(shapes)]
    y = d.y((*d.shape[:axis], sum(sizes), *d.shape[axis + 1 :]))
    d.model.operator("CONCATENATION", inputs, [y], version=2, axis=written, fused_activation_function="NONE")
    agree(d.model, d.seed(), MIXED if axis == 0 else "")


@given(st.data())
def test_concatenation_of_uint8_at_other_scales(data: st.DataObject) -> None:
    """Every scale and zero point its own: the float32 rescale."""
    d = Drawn(data.draw, ["uint8"])
    zeros = st.integers(0, 255)
    so = data.draw(st.floats(1e-3, 10))
    steps = data.draw(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 128)), min_size=2, max_size=2))
    inputs = [  # some multiple of every ratio lies near a tie, where a rounding on the way shows
        d.x(f"x{i}", (1, 512), scale=so * (2 * half + 1) / (2 * parts), zero_point=data.draw(zeros))
        for i, (half, parts) in enumerate(steps)
    ]
    y = d.y((1, 1024), scale=so, zero_point=data.draw(zeros))
    d.model.operator("CONCATENATION", inputs, [y], axis=1, fused_activation_function="NONE")
    agree(d.model, d.seed())


@given(st.data())
def test_pack(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64"))
    axis, written = d.axis(len(d.shape) + 1)
    count = data.draw(st.integers(1, 4))
    inputs = [d.x(f"x{i}") for i in range(count)]
    y = d.y((*d.shape[:axis], count, *d.shape[axis:]))
    d.model.operator("PACK", inputs, [y], version=2, axis=written, values_count=count)
    agree(d.model, d.seed(), MIXED)


@given(st.data())
def test_unpack(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "bool"))
    axis, written = d.axis(len(d.shape))
    left = (*d.shape[:axis], *d.shape[axis + 1 :])
    x = d.x()
    ys = [d.y(left, f"y{i}") for i in range(d.shape[axis])]
    d.model.operator("UNPACK", [x], ys, version=2, axis=written, num=len(ys))
    agree(d.model, d.seed(), MIXED if axis == 0 else "")


@given(st.data())
def test_split(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32"))
    axis, written = d.axis(len(d.shape))
    count, size = data.draw(st.integers(1, 3)), d.shape[axis]
    x = d.x("x", (*d.shape[:axis], count * size, *d.shape[axis + 1 :]))
    ys = [d.y(d.shape, f"y{i}") for i in range(count)]
    d.model.operator("SPLIT", [d.ints("axis", written), x], ys, version=2, num_splits=count)
    agree(d.model, d.seed(), MIXED if axis == 0 else "")


@given(st.data())
def test_split_v(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64"))
    axis, written = d.axis(len(d.shape))
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    x = d.x("x", (*d.shape[:axis], sum(sizes), *d.shape[axis + 1 :]))
    ys = [d.y((*d.shape[:axis], size, *d.shape[axis + 1 :]), f"y{i}") for i, size in enumerate(sizes)]
    if data.draw(st.booleans()):
        sizes[data.draw(st.integers(0, len(sizes) - 1))] = -1
    operands = [x, d.ints("sizes", sizes), d.ints("axis", written)]
    d.model.operator("SPLIT_V", operands, ys, version=2, num_splits=len(sizes))
    agree(d.model, d.seed(), MIXED if axis == 0 else "")


@given(st.data())
def test_pad(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64"))
    pairs = [[data.draw(st.integers(0, 2)) for _ in range(2)] for _ in d.shape]
    if data.draw(st.booleans()):
        pairs[0] = [0, 0]
    x, paddings = d.x(), d.ints("paddings", pairs, data.draw(st.sampled_from(["int32", "int64"])))
    other = meaning(data.draw, d.dtype) if data.draw(st.booleans()) else {}
    y = d.y(tuple(n + sum(pair) for n, pair in zip(d.shape, pairs, strict=True)), **other)
    d.model.operator("PAD", [x, paddings], [y], version=2)
    agree(d.model, d.seed(), MIXED if pairs[0] != [0, 0] else "")


@given(st.data())
def test_pad_v2(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64"))
    pairs = [[data.draw(st.integers(0, 2)) for _ in range(2)] for _ in d.shape]
    pairs[0] = data.draw(st.sampled_from([pairs[0], [0, 0]]))
    kind = DTYPES[d.dtype]
    value = data.draw(st.integers(kind.low, kind.high))
    operands = [d.x(), d.ints("paddings", pairs), d.model.constant("fill", value, d.dtype, **d.meaning)]
    y = d.y(tuple(n + sum(pair) for n, pair in zip(d.shape, pairs, strict=True)))
    d.model.operator("PADV2", operands, [y], version=2)
    agree(d.model, d.seed(), MIXED if pairs[0] != [0, 0] else "")


@given(st.data())
def test_mirror_pad(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64"))
    mode = data.draw(st.sampled_from(["REFLECT", "SYMMETRIC"]))
    most = [n - (mode == "REFLECT") for n in d.shape]
    pairs = [[data.draw(st.integers(0, n)) for _ in range(2)] for n in most]
    x, paddings = d.x(), d.ints("paddings", pairs)
    y = d.y(tuple(n + sum(pair) for n, pair in zip(d.shape, pairs, strict=True)))
    d.model.operator("MIRROR_PAD", [x, paddings], [y], version=2, mode=mode)
    agree(d.model, d.seed(), MIXED if pairs[0] != [0, 0] else "")


@given(st.data())
def test_slice(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64", "bool"))
    begin = [data.draw(st.integers(0, n - 1)) for n in d.shape]
    size = [data.draw(st.integers(1, n - first)) for n, first in zip(d.shape, begin, strict=True)]
    if data.draw(st.booleans()):
        begin[0], size[0] = 0, d.shape[0]
    to_end = [data.draw(st.booleans()) and b + s == n for b, s, n in zip(begin, size, d.shape, strict=True)]
    written = [-1 if end else s for end, s in zip(to_end, size, strict=True)]
    x, y = d.x(), d.y(tuple(size))
    d.model.operator("SLICE", [x, d.ints("begin", begin), d.ints("size", written)], [y], version=2)
    agree(d.model, d.seed(), MIXED if size[0] != d.shape[0] else "")


@given(st.data())
def test_reverse(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64", "bool"))
    axis, written = d.axis(len(d.shape))
    x, y = d.x(), d.y(d.shape)
    d.model.operator("REVERSE_V2", [x, d.ints("axis", [written])], [y], version=2)
    agree(d.model, d.seed(), MIXED if axis == 0 else "")


@given(st.data())
def test_strided_slice(data: st.DataObject) -> None:
    """Entries of every kind in any order, then the shape that numpy's rules give."""
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64", "bool"))
    kinds = data.draw(
        st.lists(st.sampled_from(["run", "run", "place", "new"]), min_size=1, max_size=5).filter(
            lambda kinds: sum(kind != "new" for kind in kinds) <= len(d.shape)
        )
    )
    if sum(kind != "new" for kind in kinds) < len(d.shape) and data.draw(st.booleans()):
        kinds.insert(data.draw(st.integers(0, len(kinds))), "ellipsis")
    begin, end, stride, keys, axis = [], [], [], [], 0
    masks = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    for i, kind in enumerate(kinds):
        entry = [0, 0, 1]
        if kind == "new":
            masks["new_axis_mask"] |= 1 << i
            keys.append(None)
        elif kind == "ellipsis":
            masks["ellipsis_mask"] |= 1 << i
            keys.append(Ellipsis)
            axis += len(d.shape) - sum(kind in ("run", "place") for kind in kinds)
        elif kind == "place":
            n = d.shape[axis]
            entry[0] = data.draw(st.integers(-n, n - 1))
            entry[1] = entry[0] + 1
            masks["shrink_axis_mask"] |= 1 << i
            keys.append(entry[0])
            axis += 1
        else:
            n = d.shape[axis]
            entry = [data.draw(st.integers(-n - 1, n + 1)) for _ in range(2)]
            entry.append(data.draw(st.sampled_from([1, 1, 2, 3, -1, -2])))
            first, last = entry[:2]
            if data.draw(st.booleans()):
                masks["begin_mask"] |= 1 << i
                first = None
            if data.draw(st.booleans()):
                masks["end_mask"] |= 1 << i
                last = None
            keys.append(slice(first, last, entry[2]))
            axis += 1
        begin.append(entry[0])
        end.append(entry[1])
        stride.append(entry[2])
    result = np.zeros(d.shape)[tuple(keys)].shape
    assume(0 not in result)
    x, y = d.x(), d.y(result)
    operands = [x, d.ints("begin", begin), d.ints("end", end), d.ints("strides", stride)]
    d.model.operator("STRIDED_SLICE", operands, [y], version=2, **masks)
    agree(d.model, d.seed(), MIXED)


@given(st.data())
def test_gather(data: st.DataObject) -> None:
    """Stored indices, computed ones, and a stored table."""
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64"))
    axis, written = d.axis(len(d.shape))
    form = data.draw(st.sampled_from(["indices stored", "computed", "table stored"]))
    shared = axis > 0 and data.draw(st.booleans())
    picked = data.draw(st.lists(st.integers(1, 3), min_size=0, max_size=2).map(tuple))
    if shared:
        picked = (d.shape[0], *picked)
    n = d.shape[axis]
    rng = np.random.default_rng(d.seed())
    if form == "table stored":
        low, high = DTYPES[d.dtype].low, DTYPES[d.dtype].high
        codes = rng.integers(low, high, d.shape, endpoint=True)
        x = d.model.constant("x", codes, d.dtype, **d.meaning)
    else:
        x = d.x()
    if form == "indices stored":
        indices = d.ints("indices", rng.integers(0, n, picked))
    else:
        indices = d.model.input(f"indices{n}", picked, data.draw(st.sampled_from(["int32", "int64"])))
    y = d.y((*d.shape[:axis], *picked[shared:], *d.shape[axis + 1 :]))
    d.model.operator("GATHER", [x, indices], [y], version=5, axis=written, batch_dims=int(shared))
    agree(d.model, d.seed(), "batch_dims" if shared and d.shape[0] > 1 else MIXED)


@given(st.data())
def test_embedding_lookup(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8"), SHAPES.filter(lambda shape: len(shape) >= 2))
    kind = DTYPES[d.dtype]
    codes = np.random.default_rng(d.seed()).integers(kind.low, kind.high, d.shape, endpoint=True)
    table = d.model.constant("table", codes, d.dtype, **d.meaning)
    count = data.draw(st.integers(1, 4))
    indices = d.model.input(f"indices{d.shape[0]}", (count,), "int32")
    y = d.y((count, *d.shape[1:]))
    d.model.operator("EMBEDDING_LOOKUP", [indices, table], [y])
    agree(d.model, d.seed())


@given(st.data())
def test_reshape(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64", "bool"))
    left, shape = math.prod(d.shape), []
    while left > 1:
        shape.append(data.draw(st.sampled_from([k for k in range(2, left + 1) if left % k == 0])))
        left //= shape[-1]
    for _ in range(data.draw(st.integers(0, 2))):
        shape.insert(data.draw(st.integers(0, len(shape))), 1)
    written = list(shape)
    if shape and data.draw(st.booleans()):
        written[data.draw(st.integers(0, len(shape) - 1))] = -1
    x, y = d.x(), d.y(tuple(shape))
    form = data.draw(st.sampled_from(["operand", "options", "operand that is not read"]))
    if form == "operand":
        d.model.operator("RESHAPE", [x, d.ints("shape", written)], [y])
    else:
        operands = [x] if form == "options" else [x, d.ints("shape", [written], "int64")]
        d.model.operator("RESHAPE", operands, [y], new_shape=written or [0])
    agree(d.model, d.seed(), MIXED if d.shape[0] > 1 else "")


@given(st.data())
def test_squeeze(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64", "bool"))
    ones = [axis for axis, n in enumerate(d.shape) if n == 1]
    axes = data.draw(st.lists(st.sampled_from(ones), unique=True)) if ones else []
    dropped = axes or ones
    written = [data.draw(st.sampled_from([axis, axis - len(d.shape)])) for axis in axes]
    x, y = d.x(), d.y(tuple(n for axis, n in enumerate(d.shape) if axis not in dropped))
    d.model.operator("SQUEEZE", [x], [y], squeeze_dims=written)
    agree(d.model, d.seed(), MIXED if d.shape[0] > 1 else "")


@given(st.data())
def test_expand_dims(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64", "bool"))
    axis, written = d.axis(len(d.shape) + 1)
    x, y = d.x(), d.y((*d.shape[:axis], 1, *d.shape[axis:]))
    d.model.operator("EXPAND_DIMS", [x, d.ints("axis", written)], [y])
    agree(d.model, d.seed(), MIXED if d.shape[0] > 1 else "")


@given(st.data())
def test_transpose(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64", "bool"))
    order = data.draw(st.permutations(range(len(d.shape))))
    x, y = d.x(), d.y(tuple(d.shape[axis] for axis in order))
    written = [data.draw(st.sampled_from([axis, axis - len(order)])) for axis in order]
    d.model.operator("TRANSPOSE", [x, d.ints("order", written)], [y], version=2)
    agree(d.model, d.seed(), MIXED if order[0] != 0 else "")


@given(st.data())
def test_tile(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64", "bool"))
    multiples = [data.draw(st.integers(1, 3)) for _ in d.shape]
    multiples[0] = data.draw(st.sampled_from([1, multiples[0]]))
    x, y = d.x(), d.y(tuple(n * times for n, times in zip(d.shape, multiples, strict=True)))
    d.model.operator("TILE", [x, d.ints("multiples", multiples)], [y], version=2)
    agree(d.model, d.seed(), MIXED if multiples[0] != 1 else "")


@given(st.data())
def test_broadcast_to(data: st.DataObject) -> None:
    d = Drawn(data.draw, ("int8", "uint8", "int16", "int32", "int64", "bool"))
    wide = [n if n > 1 else data.draw(st.integers(1, 3)) for n in d.shape]
    extra = data.draw(st.lists(st.integers(1, 3), max_size=2))
    x, y = d.x(), d.y((*extra, *wide))
    d.model.operator("BROADCAST_TO", [x, d.ints("shape", [*extra, *wide])], [y], version=2)
    agree(d.model, d.seed(), MIXED)


@given(st.data())
def test_blocks(data: st.DataObject) -> None:
    deepen = data.draw(st.booleans())
    d = Drawn(data.draw, ("int8", "uint8", "int32", "int64"))
    batch, high, wide, deep, block = (data.draw(st.integers(1, 3)) for _ in range(5))
    space, depth = (batch, high * block, wide * block, deep), (batch, high, wide, deep * block * block)
    x, y = (d.x("x", space), d.y(depth)) if deepen else (d.x("x", depth), d.y(space))
    d.model.operator("SPACE_TO_DEPTH" if deepen else "DEPTH_TO_SPACE", [x], [y], block_size=block)
    agree(d.model, d.seed())


@given(st.data())
def test_cast(data: st.DataObject) -> None:
    kinds = ("int8", "uint8", "int16", "int32", "int64")
    d = Drawn(data.draw, (*kinds, "bool"))
    to = data.draw(st.sampled_from(kinds))
    x = d.x()
    y = d.model.tensor("y", d.shape, to)
    d.model.output(y)
    d.model.operator("CAST", [x], [y], in_data_type=d.dtype.upper(), out_data_type=to.upper())
    agree(d.model, d.seed())
