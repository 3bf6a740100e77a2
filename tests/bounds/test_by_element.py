"""Ranges per element against every input there is: through movements into sums (rule B4)."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim import Interval, NetworkBuilder, network_bounds
from intsim.arithmetic import Accumulator
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import (
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Pad,
    Reshape,
    Sum,
    Transpose,
    TransposeConv2d,
)
from intsim.testing import plain
from tests.contract.registry import ORACLES

INT6 = IntFormat(6)
SHAPE = (2, 2, 1)


def executed(chain, shape, low, high):
    """Every output of a chain of ops, by their oracles, for all inputs within the ends."""
    for x in itertools.product(*(range(a, b + 1) for a, b in zip(low, high, strict=True))):
        value, here = np.array(x).reshape(shape).tolist(), shape
        for op, times in chain:
            (value,) = ORACLES[op.name](plain(op), [here] * times, [value] * times)
            here = np.shape(value)
        yield np.array(value, dtype=object)


def network(chain, shape):
    b = NetworkBuilder()
    here = b.input("x", shape, INT6)
    for number, (op, times) in enumerate(chain):
        here = b.add(op, *[here] * times, name=f"n{number}")
    b.output(here)
    return b.build(), here


@st.composite
def ends(draw, size=4):
    low = draw(st.lists(st.integers(-9, 9), min_size=size, max_size=size))
    widths = draw(st.lists(st.sampled_from([0, 0, 1, 3]), min_size=size, max_size=size))
    return low, [a + width for a, width in zip(low, widths, strict=True)]


MOVEMENTS = [
    (),
    ((Reshape(shape=(1, 4, 1)), 1),),
    ((Pad(padding=((1, 0), (0, 1), (0, 0)), value=-7), 1),),
    ((Transpose(permutation=(1, 2, 0)), 1),),
    ((Concat(axis=2), 2),),
    ((Concat(axis=0), 2), (Transpose(permutation=(1, 0, 2)), 1), (Reshape(shape=(4, 2, 1)), 1)),
]


def summing(draw, shape):
    """A sum over an image of a shape, in a register that holds everything."""
    height, width, depth = shape
    wide = Accumulator(IntFormat(40), order=draw(st.sampled_from(["hwc", "cwh"])))
    zeros = {"input_zero_point": draw(st.integers(-4, 4)), "weight_zero_point": draw(st.integers(-2, 2))}
    kind = draw(st.sampled_from([Dense, Conv2d, DepthwiseConv2d, TransposeConv2d, Sum]))
    if kind is Sum:
        return Sum(axes=draw(st.sampled_from([(2,), (0, 1), (0, 1, 2)])), keepdims=True, accumulator=wide)
    weights = {
        Dense: (2, depth),
        Conv2d: (2, 3, 2, depth),
        DepthwiseConv2d: (depth, 1, 3, 2),
        TransposeConv2d: (2, 2, 2, depth),
    }[kind]
    codes = draw(st.lists(st.integers(-5, 5), min_size=2, max_size=8))
    rest = {"weight": np.resize(codes, weights), "bias": draw(st.integers(-9, 9)), "accumulator": wide}
    if kind in (Conv2d, DepthwiseConv2d):
        rest["padding"] = ((1, 1), (0, 1))
    if kind is TransposeConv2d:
        rest["output_size"] = (height + 1, width + 1)
    return kind(**rest, **zeros)


@settings(max_examples=60)
@given(ends=ends(), data=st.data(), moved=st.sampled_from(MOVEMENTS))
def test_sums_behind_movements(ends, data, moved):
    low, high = ends
    shape = SHAPE
    for op, times in moved:
        (spec,) = op.infer(*[TensorSpec(shape, INT6)] * times)
        shape = spec.shape
    op = summing(data.draw, shape)
    chain = (*moved, (op, 1))
    built, name = network(chain, SHAPE)
    arrays = (np.array(end, dtype=object).reshape(SHAPE) for end in (low, high))
    found = network_bounds(built, {"x": Interval(*arrays)})
    values = list(executed(chain, SHAPE, low, high))
    if moved:  # what is only moved keeps a range per element, exactly
        places = list(executed(moved, SHAPE, low, high))
        before = found.tensors[f"n{len(moved) - 1}"]
        np.testing.assert_array_equal(before.lo, np.minimum.reduce(places))
        np.testing.assert_array_equal(before.hi, np.maximum.reduce(places))
    claimed = found.tensors[name].by_channel()
    assert all(claimed.contains(value) for value in values)
    if all(times == 1 for _, times in moved):  # else elements meet themselves, which ranges do not know
        channels = [value.reshape(-1, value.shape[-1]) for value in values]
        least = np.minimum.reduce([rows.min(axis=0) for rows in channels])
        most = np.maximum.reduce([rows.max(axis=0) for rows in channels])
        np.testing.assert_array_equal(np.broadcast_to(claimed.lo, np.shape(least)), least)
        np.testing.assert_array_equal(np.broadcast_to(claimed.hi, np.shape(most)), most)
