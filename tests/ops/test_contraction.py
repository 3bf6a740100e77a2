"""Sums of products: exact bounds, ranges per channel, events, refusals in their words."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from intsim.arithmetic import Accumulator, Events, Interval, Overflow, ZeroPointPlace
from intsim.errors import OverflowTrap, SpecError
from intsim.formats import IntFormat, RealFormat, TensorSpec
from intsim.ops import BatchMatmul, Conv2d, Dense, DepthwiseConv2d, Sum, TransposeConv2d

INT8, UINT4 = IntFormat(8), IntFormat(4, signed=False)


def spec(*shape: int, format: IntFormat | RealFormat = INT8) -> TensorSpec:
    return TensorSpec(shape, format)


def every_input(spec: TensorSpec, ranges: list[tuple[int, int]]) -> np.ndarray:
    """All tensors whose elements, channel by channel, take the ends of their range."""
    positions = spec.size // len(ranges)
    choices = itertools.product(*(ranges * positions))
    return np.array(list(choices)).reshape(-1, *spec.shape)


def hull_of(op, *inputs):
    (result,) = op.reference(*inputs)
    channels = result.reshape(-1, result.shape[-1])
    return channels.min(axis=0).tolist(), channels.max(axis=0).tolist()


@pytest.mark.parametrize("zero_point", list(ZeroPointPlace))
def test_dense_bounds_are_met_per_channel(zero_point):
    op = Dense(
        np.array([[3, -2, 1], [-4, 0, 5]]),
        bias=np.array([10, -7]),
        input_zero_point=2,
        weight_zero_point=np.array([0, 1]),
        accumulator=Accumulator(zero_point=zero_point),
    )
    ranges = [(-3, 7), (0, 5), (4, 9)]
    x = spec(3)
    interval = Interval(*(np.array(ends, dtype=object) for ends in zip(*ranges, strict=True)))
    bounds = op.bounds([x], [interval])
    low, high = hull_of(op, every_input(x, ranges))
    assert bounds.outputs[0] == Interval(np.array(low, object), np.array(high, object))
    assert bounds.final == bounds.outputs[0]


def test_conv_bounds_are_met_with_groups_and_ranges_per_channel():
    """Channels 0 and 1 see the first input channel, 2 and 3 the second."""
    weight = np.array([[3, -2], [-4, 2], [5, -1], [1, 1]]).reshape(4, 2, 1, 1)
    op = Conv2d(weight, groups=2, input_zero_point=1)
    x, ranges = spec(2, 2, 2), [(-3, 7), (4, 9)]
    interval = Interval(*(np.array(ends, dtype=object) for ends in zip(*ranges, strict=True)))
    low, high = hull_of(op, every_input(x, ranges))
    assert op.bounds([x], [interval]).outputs[0] == Interval(np.array(low, object), np.array(high, object))


def test_depthwise_bounds_are_met_with_ranges_per_channel():
    op = DepthwiseConv2d(np.array([3, -2, -1, 4]).reshape(2, 1, 1, 2), bias=np.array([1, -1]))
    x, ranges = spec(1, 2, 2), [(-3, 7), (4, 9)]
    interval = Interval(*(np.array(ends, dtype=object) for ends in zip(*ranges, strict=True)))
    low, high = hull_of(op, every_input(x, ranges))
    assert op.bounds([x], [interval]).outputs[0] == Interval(np.array(low, object), np.array(high, object))


def test_transpose_conv_bounds_know_which_taps_meet():
    """Stride 2, three taps: an output meets taps 0 and 2, or tap 1 alone; the ends meet 0 or 2 alone."""
    op = TransposeConv2d(np.array([5, 7, 3]).reshape(1, 3, 1, 1), (5, 1), stride=(2, 1))
    x = spec(2, 1, 1, format=UINT4)
    bounds = op.bounds([x], [Interval(2, 9)])
    assert hull_of(op, every_input(x, [(2, 9)])) == ([6], [72])
    assert (bounds.final.min, bounds.final.max) == (6, 72), "all three taps together never meet"


def test_batch_matmul_bounds_are_met():
    op = BatchMatmul(x_zero_point=1, y_zero_point=-2)
    x, y = spec(1, 2), spec(2, 1)
    xs, ys = every_input(x, [(-3, 4), (-3, 4)]), every_input(y, [(-5, 6)])
    pairs = list(itertools.product(range(len(xs)), range(len(ys))))
    low, high = hull_of(op, xs[[i for i, _ in pairs]], ys[[j for _, j in pairs]])
    bounds = op.bounds([x, y], [Interval(-3, 4), Interval(-5, 6)])
    assert (bounds.final.min, bounds.final.max) == (low[0], high[0])


def test_sum_bounds_are_met_per_channel():
    x, ranges = spec(2, 1, 2), [(-3, 7), (4, 9)]
    interval = Interval(*(np.array(ends, dtype=object) for ends in zip(*ranges, strict=True)))
    kept = Sum((0, 1)).bounds([x], [interval]).outputs[0]
    assert kept == Interval(np.array([-6, 8], object), np.array([14, 18], object))
    assert Sum((0, 2)).bounds([x], [interval]).outputs[0] == Interval(2, 32)


def test_padding_widens_what_a_tap_can_hold():
    op = Conv2d(np.array([[[[2], [3]]]]), padding=((0, 0), (0, 1)), input_zero_point=-4)
    bounds = op.bounds([spec(1, 2, 1)], [Interval(5, 6)])
    assert (bounds.final.min, bounds.final.max) == (18, 50), "the last column sees one tap of two"


def test_int64_bounds_are_those_of_python_ints():
    weight = np.array([[2**40, -(2**40)]])
    narrow = Dense(np.array([[2, -2]]), weight_format=INT8)
    wide = Dense(weight, weight_format=IntFormat(42), accumulator=Accumulator(IntFormat(64)))
    x = TensorSpec((2,), IntFormat(40))
    ends = Interval(-(2**39), 2**39 - 1)
    assert wide.bounds([x], [ends]).final.max == 2**40 * (2**40 - 1)
    assert narrow.bounds([x], [ends]).final.max == 2 * (2**40 - 1)


def test_order_matters_where_the_register_saturates():
    """On 7, 7, -7 in int4: 7 + 7 saturates to 7, so the sum is 0; the other way round it is 7."""

    def sums(order):
        rule = Accumulator(IntFormat(4), Overflow.SATURATE, order=order)
        events = Events.none(rule)
        op = Dense(np.array([[1, 1, 1]]), accumulator=rule)
        (result,) = op.reference(np.array([[7, 7, -7]]), events=events)
        return int(result[0, 0]), events.persistent, events.transient

    assert sums((0, 1, 2)) == (0, [0], [1])
    assert sums((2, 0, 1)) == (7, [0], [0])


def test_letters_of_an_order_are_the_samples_axes():
    """Columns of channel 0 first: 7 + 7 saturates to 7, then -7, 0, 1 and -3 make -2."""
    rule = Accumulator(IntFormat(4), Overflow.SATURATE, order="hcw")
    x = np.array([[7, -7, 1], [7, 0, -3]]).reshape(1, 1, 2, 3)
    assert Sum((1, 2), accumulator=rule).reference(x)[0].tolist() == [[-2]]


def test_a_tile_that_wraps_is_not_undone_by_the_outer_register():
    """7-bit tiles of 100 and -60: 100 is -28 there, and the sum -88, not 40."""
    rule = Accumulator(IntFormat(16), tile=2, inner=Accumulator(IntFormat(7)))
    for op, x in (
        (Dense(np.array([[1, 1, 1, 1]]), accumulator=rule), np.array([[50, 50, -30, -30]])),
        (Sum((0,), accumulator=rule), np.array([[50, 50, -30, -30]])),
    ):
        assert op.reference(x)[0].ravel().tolist() == [-88]


def test_trap_names_the_place():
    op = Sum((0,), accumulator=Accumulator(IntFormat(4), Overflow.TRAP))
    with pytest.raises(OverflowTrap, match="must hold int4"):
        op.reference(np.array([[7, 1]]))


ONES = np.ones((2, 1, 1, 2), np.int8)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Conv2d(ONES, groups=3),
            "conv2d.groups: must divide the output channels of (2, 1, 1, 2), not 3. [R2]",
        ),
        (
            lambda: Conv2d(9 * ONES, weight_format=IntFormat(4)),
            "conv2d.weight: values must fit int4 (-8 to 7), not 9 at (0, 0, 0, 0). [R4]",
        ),
        (
            lambda: DepthwiseConv2d(ONES, bias=np.zeros(3, np.int64)),
            "depthwise_conv2d.bias: must be one value or 2, not of shape (3,). [R4]",
        ),
        (
            lambda: Conv2d(ONES[:0]),
            "conv2d.weight: must have 4 axes and no size 0, not shape (0, 1, 1, 2). [R4]",
        ),
        (
            lambda: DepthwiseConv2d(ONES[0]),
            "depthwise_conv2d.weight: must have 4 axes and no size 0, not shape (1, 1, 2). [R4]",
        ),
        (
            lambda: TransposeConv2d(ONES, (0, 1)),
            "transpose_conv2d.output_size: must be at least 1, not (0, 1). [R2]",
        ),
        (
            lambda: TransposeConv2d(ONES, (1, 1), groups=0),
            "transpose_conv2d.groups: must divide the output channels of (2, 1, 1, 2), not 0. [R3]",
        ),
        (
            lambda: Dense(np.ones((1, 3), np.int8), accumulator=Accumulator(order=(0, 1))),
            "dense.accumulator.order: must list 3 terms, not 2. [A4]",
        ),
    ],
)
def test_fields(build, message):
    with pytest.raises(SpecError) as caught:
        build()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("op", "specs", "message"),
    [
        (Conv2d(ONES), [spec(4, 4, 3)], "conv2d: input must have 2 channels, not 3. [R1]"),
        (
            DepthwiseConv2d(ONES),
            [spec(4, 2)],
            "depthwise_conv2d: input must have shape (H, W, C), not (4, 2). [R1]",
        ),
        (
            TransposeConv2d(ONES, (1, 1)),
            [spec(4, 4, 3)],
            "transpose_conv2d: input must have 2 channels, not 3. [R1]",
        ),
        (
            Dense(np.ones((1, 3), np.int8)),
            [spec(4)],
            "dense: input must have 3 elements on its last axis, not shape (4,). [R1]",
        ),
        (
            BatchMatmul(),
            [spec(3), spec(3, 2)],
            "batch_matmul: inputs must be matrices, not (3,) and (3, 2). [R1]",
        ),
        (
            BatchMatmul(transpose_y=True),
            [spec(2, 3), spec(3, 2)],
            "batch_matmul: inputs must share the reduced axis, not 3 and 2. [R1]",
        ),
        (
            BatchMatmul(),
            [spec(2, 1, 3), spec(3, 3, 1)],
            "batch_matmul: leading axes must broadcast, not (2,) and (3,). [R1]",
        ),
        (
            BatchMatmul(accumulator=Accumulator(order=(1, 0))),
            [spec(1, 3), spec(3, 1)],
            "batch_matmul: accumulator.order must list 3 terms, not 2. [A4]",
        ),
        (
            Conv2d(ONES),
            [spec(4, 4, 2, format=RealFormat(32))],
            "conv2d: input must be integers, not float32; quantize it first",
        ),
    ],
)
def test_shapes(op, specs, message):
    with pytest.raises(SpecError) as caught:
        op.infer(*specs)
    assert str(caught.value) == message
