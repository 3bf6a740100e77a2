"""Poolings, reductions, arguments and resizing: by hand, bounds per channel, refusals in their words."""

from __future__ import annotations

import numpy as np
import pytest

from intsim.arithmetic import Interval, Rounding
from intsim.errors import SpecError
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import (
    ArgMax,
    ArgMin,
    AvgPool2d,
    Between,
    MaxPool2d,
    Mean,
    ReduceMax,
    ReduceMin,
    ResizeBilinear,
    ResizeNearest,
)

INT8 = IntFormat(8)
CHANNELS = Interval(np.array([-3, 4], object), np.array([7, 9], object))


def spec(*shape: int) -> TensorSpec:
    return TensorSpec(shape, INT8)


def row(*values: int) -> np.ndarray:
    """One sample of one row and one channel."""
    return np.array(values).reshape(1, 1, -1, 1)


@pytest.mark.parametrize(
    ("op", "wanted"),
    [
        (AvgPool2d((1, 2)), [-2, 1, 2]),  # -3/2, 1/2 and 3/2 of the raw codes, ties away from zero
        (AvgPool2d((1, 2), zero_point=-2), [-1, 1, 2]),  # 1/2, 5/2 and 7/2 above the zero point
        (AvgPool2d((1, 2), rounding=Rounding.FLOOR), [-2, 0, 1]),
        (AvgPool2d((1, 3), padding=((0, 0), (1, 1))), [-2, 0, 1, 2]),  # two taps at the ends, three inside
        (AvgPool2d((1, 3), padding=((0, 0), (1, 1)), count_padding=True), [-1, 0, 1, 1]),
        (MaxPool2d((1, 3), padding=((0, 0), (1, 1))), [-1, 2, 2, 2]),
        (MaxPool2d((1, 2), dilation=(1, 2)), [2, 1]),
    ],
)
def test_by_hand(op, wanted):
    x = row(-2, -1, 2, 1)
    assert op.reference(x)[0].ravel().tolist() == wanted
    assert op.reference(x.astype(object))[0].ravel().tolist() == wanted


def test_padding_never_wins():
    op = MaxPool2d((1, 3), padding=((0, 0), (1, 1)))
    assert op.reference(row(-5, -9))[0].ravel().tolist() == [-5, -5]


@pytest.mark.parametrize(
    ("op", "wanted"),
    [
        (Mean((1,)), CHANNELS),
        (Mean((0, 1)), CHANNELS),
        (Mean((2,)), Interval(1, 8)),  # 1/2 and 8, the ends of the channels averaged
        (Mean((2,), zero_point=1), Interval(0, 8)),  # -1/2 above the zero point goes away from it
        (ReduceMax((0,)), CHANNELS),
        (ReduceMax((2,)), Interval(4, 9)),
        (ReduceMin((2,)), Interval(-3, 7)),
        (ReduceMin((1, 2)), Interval(-3, 7)),
        (AvgPool2d((2, 2)), CHANNELS),
        (AvgPool2d((2, 2), padding=((0, 1), (0, 0))), CHANNELS),
        (MaxPool2d((2, 2)), CHANNELS),
        (ResizeNearest([0, 1], [0]), CHANNELS),
        (ArgMax(0), Interval(0, 1)),
        (ArgMin(1), Interval(0, 2)),
    ],
)
def test_bounds(op, wanted):
    assert op.bounds([spec(2, 3, 2)], [CHANNELS]).outputs[0] == wanted


def test_counted_padding_reaches_the_zero_point():
    op = AvgPool2d((2, 2), padding=((0, 1), (0, 0)), count_padding=True, zero_point=5)
    wanted = Interval(np.array([-3, 4], object), np.array([7, 9], object))
    assert op.bounds([spec(2, 3, 2)], [CHANNELS]).outputs[0] == wanted
    low = op.replace(zero_point=-8).bounds([spec(2, 3, 2)], [CHANNELS]).outputs[0]
    assert low == Interval(np.array([-8, -8], object), np.array([7, 9], object))


@pytest.mark.parametrize("kind", [ArgMax, ArgMin])
def test_equal_elements(kind):
    x = np.array([[4, 4, 4]])
    assert kind(0).reference(x)[0].tolist() == [0]
    assert kind(0, last=True).reference(x)[0].tolist() == [2]
    assert kind(0, keepdims=True).reference(x)[0].tolist() == [[0]]


def test_bilinear_by_hand():
    """Halfway between -1 and 2 is 1/2: away from zero 1, down 0; a quarter of the way, -1/4, is 0."""
    between = Between([0, 0], [1, 1], [2, 1])
    one = Between([0], [0], [0])
    x = row(-1, 2)
    assert ResizeBilinear(one, between, 2).reference(x)[0].ravel().tolist() == [1, 0]
    down = ResizeBilinear(one, between, 2, Rounding.FLOOR)
    assert down.reference(x)[0].ravel().tolist() == [0, -1]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: AvgPool2d((0, 1)), "avg_pool2d.kernel: must be 1 to 65536, not (0, 1). [W3]"),
        (
            lambda: AvgPool2d((1, 1), rounding=Rounding.STOCHASTIC),
            "avg_pool2d.rounding: must not be STOCHASTIC. [R4]",
        ),
        (lambda: Mean((0,), rounding=Rounding.STOCHASTIC), "mean.rounding: must not be STOCHASTIC. [R3]"),
        (
            lambda: ReduceMax(()),
            "reduce_max.axes: must ascend from 0 or more and name one at least, not (). [D1]",
        ),
        (
            lambda: ReduceMin((1, 1)),
            "reduce_min.axes: must ascend from 0 or more and name one at least, not (1, 1). [D1]",
        ),
        (lambda: ArgMax(-1), "arg_max.axis: must be at least 0, not -1. [G1]"),
        (lambda: ResizeNearest([0, -1], [0]), "resize_nearest.rows: must be at least 0, not -1. [R3]"),
        (
            lambda: ResizeNearest([0], np.zeros((0,), np.int64)),
            "resize_nearest.columns: must be a list of at least one index, not of shape (0,). [R1]",
        ),
        (
            lambda: Between([0], [0, 1], [0]),
            "Between.high: must be a list, as long as low, not of shape (2,). [R2]",
        ),
        (
            lambda: ResizeBilinear(Between([0], [0], [9]), Between([0], [0], [0]), 3),
            "resize_bilinear.rows.weight: must be 0 to 8, not 9. [R2]",
        ),
        (
            lambda: ResizeBilinear(Between([0], [0], [0]), Between([0], [0], [0]), 31),
            "resize_bilinear.weight_bits: must be 0 to 30, not 31. [R2]",
        ),
    ],
)
def test_fields(build, message):
    with pytest.raises(SpecError) as caught:
        build()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (Mean((3,)), "mean: axes must be below 3, the rank of (2, 3, 2), not (3,). [D1]"),
        (ArgMin(3), "arg_min: axis must be below 3, the rank of (2, 3, 2), not 3. [G1]"),
        (ArgMax(1, format=IntFormat(2)), "arg_max: format must hold 0 to 2, not int2. [G2]"),
        (ResizeNearest([0, 2], [0]), "resize_nearest: rows must be below 2, not 2. [R3]"),
        (
            ResizeBilinear(Between([0], [1], [0]), Between([3], [0], [0])),
            "resize_bilinear: columns must be below 3, not 3. [R4]",
        ),
        (
            AvgPool2d((1, 1), count_padding=True, zero_point=200),
            "avg_pool2d: zero_point must be in int8 where padding is counted, not 200. [R3]",
        ),
    ],
)
def test_shapes(op, message):
    with pytest.raises(SpecError) as caught:
        op.infer(spec(2, 3, 2))
    assert str(caught.value) == message
