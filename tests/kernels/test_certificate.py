"""Sums that are certified at run time, and those that just are not: values, events and traps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim import plan, run
from intsim.arithmetic import Accumulator, BiasPlace, Events, Overflow, Topology, ZeroPointPlace
from intsim.engine.certified import proved_channels
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import BatchMatmul, Conv2d, Dense, DepthwiseConv2d, TransposeConv2d
from intsim.testing import Case, network_of
from intsim.testing.strategies import accumulators

WRAP, SATURATE, TRAP, TREE = Overflow.WRAP, Overflow.SATURATE, Overflow.TRAP, Topology.TREE
INT8, UINT8 = IntFormat(8), IntFormat(8, signed=False)


def outcome(case, engine, events, threads=1):
    inputs = {f"x{i}": x for i, x in enumerate(case.inputs)}
    try:
        result = run(network_of(case), inputs, engine=engine, events=events, threads=threads)
    except OverflowTrap as trap:
        return str(trap)
    return result.outputs["node"].tolist(), dict(result.events)


def same(case, threads=1):
    for events in (False, True):
        expected = outcome(case, "reference", events)
        assert outcome(case, "fast", events, threads) == expected


def drawn_codes(rng, shape, format, spread):
    """Codes near the middle of the format, so that few sums are large, and some at its ends."""
    middle = (format.min + format.max) // 2
    x = np.clip(np.rint(rng.normal(middle, spread, shape)), format.min, format.max)
    x[rng.random(shape) < 0.01] = format.max
    return x.astype(np.int64)


def fields(data, rng, shape, channels, sizes):
    """What all ops with stored weights share; registers that some of the sums overflow."""
    return {
        "weight": drawn_codes(rng, shape, INT8, data.draw(st.sampled_from([3, 30, 60]))),
        "bias": rng.integers(-900, 900, channels),
        "input_zero_point": data.draw(st.sampled_from([0, 0, 3, -128, 127, 200])),
        "weight_zero_point": data.draw(st.sampled_from([0, 0, 0, 5])),
        "accumulator": data.draw(accumulators(sizes, min_bits=10, max_bits=19, trap=True)),
    }


COUNTS = st.sampled_from([1, 4, 15, 16, 17, 31, 33, 48, 63, 64, 65, 80])


@pytest.mark.parametrize("kind", [Dense, Conv2d, DepthwiseConv2d, TransposeConv2d, BatchMatmul])
@given(data=st.data())
def test_all_accumulators_at_the_edges_of_blocks(kind, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    format = data.draw(st.sampled_from([INT8, UINT8, IntFormat(4), IntFormat(10)]))
    spread = data.draw(st.sampled_from([1, 8, 50]))
    channels = data.draw(COUNTS)
    if kind in (Dense, BatchMatmul):
        depth, rows = data.draw(st.integers(1, 140)), data.draw(COUNTS)
        x = drawn_codes(rng, (rows, depth), format, spread)
        if kind is Dense:
            case = Case(
                Dense(**fields(data, rng, (channels, depth), channels, (1, 1, depth))),
                (TensorSpec((depth,), format),),
                (x,),
            )
        else:
            op = BatchMatmul(
                x_zero_point=data.draw(st.sampled_from([0, 7, -128])),
                y_zero_point=data.draw(st.sampled_from([0, 0, -3])),
                transpose_y=True,
                accumulator=data.draw(accumulators((1, 1, depth), min_bits=10, max_bits=19, trap=True)),
            )
            y = drawn_codes(rng, (1, channels, depth), INT8, 30)
            case = Case(op, (TensorSpec((rows, depth), format), TensorSpec(y.shape[1:], INT8)), (x[None], y))
    else:
        case = windows(kind, data, rng, format, spread, min(channels, 33))
    same(case, data.draw(st.integers(1, 2)))


def windows(kind, data, rng, format, spread, channels):
    """A convolution of some kind on a small image."""
    groups = data.draw(st.integers(1, 2))
    depth = data.draw(st.sampled_from([1, 3, 8])) * groups
    kernel = data.draw(st.sampled_from([(3, 3), (1, 1), (2, 3)]))
    stride = data.draw(st.sampled_from([(1, 1), (2, 1), (1, 2)]))
    size = data.draw(st.sampled_from([(5, 6), (8, 9), (3, 11)]))
    x = drawn_codes(rng, (2, *size, depth), format, spread)
    spec = (TensorSpec((*size, depth), format),)
    if kind is DepthwiseConv2d:
        multiple = data.draw(st.integers(1, 2))
        shape, each = (depth, multiple, *kernel), (*kernel, 1)
        op = DepthwiseConv2d(
            **fields(data, rng, shape, depth * multiple, each), stride=stride, padding=((1, 1), (1, 1))
        )
        return Case(op, spec, (x,))
    shape = (channels * groups, *kernel, depth // groups)
    common = fields(data, rng, shape, shape[0], shape[1:])
    if kind is Conv2d:
        op = Conv2d(**common, groups=groups, stride=stride, padding=((1, 0), (1, 1)))
    else:
        sides = [(a - 1) * b + k for a, b, k in zip(size, stride, kernel, strict=True)]
        op = TransposeConv2d(**common, groups=groups, stride=stride, output_size=tuple(sides), offset=(0, 0))
    return Case(op, spec, (x,))


def dense(weight, accumulator, x, **more):
    op = Dense(weight=weight, accumulator=accumulator, **more)
    return Case(op, (TensorSpec((len(weight[0]),), INT8),), (np.array(x),))


# An excursion of 8 * 500 up and down again inside of 16 terms, after 1000 and 16 zeros: the bound of rule Y2
# is met exactly, so that a limit that is one too large would let it pass.
PEAK = [[100] + [0] * 15 + [50] * 8 + [-50] * 8 + [0] * 16]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("overflow", [SATURATE, TRAP, WRAP])
@pytest.mark.parametrize("bias", BiasPlace)
def test_a_peak_between_looks_that_just_exceeds(sign, events, overflow, bias):
    x = [[sign * 10] * 48] * 70
    top = 2**13 - 1
    for more in (0, 1):  # 8191 and 8192 at the top, -8192 and -8193 at the bottom
        start = (top - 5000 + more) * sign - (sign < 0)
        if bias is BiasPlace.LAST:  # then the peak must come without it
            weight = np.array(PEAK)
            weight[0, 1] = 100  # 1000 more
            accumulator = Accumulator(IntFormat(14), overflow, bias=bias)
            case = dense(weight.tolist(), accumulator, x, bias=-sign * 100)
        else:
            accumulator = Accumulator(IntFormat(14), overflow, bias=bias)
            case = dense(PEAK, accumulator, x, bias=start)
        same(case)
        if bias is BiasPlace.FIRST:
            result = outcome(case, "fast", events)
            if overflow is TRAP:
                assert isinstance(result, str) == bool(more)
            elif overflow is SATURATE:
                expected = start + sign * 1000 - sign * more
                assert result[0] == [[expected]] * 70
            if events and not isinstance(result, str):
                assert result[1]["node"] == Events([0], [70 * more])


INT14 = Accumulator(IntFormat(14), SATURATE)
TREE14 = INT14.replace(topology=TREE)
WIDE = Accumulator(IntFormat(20))

# Weights for an input of 16 everywhere: some sum of neighbours is 8192, as large as the bound of rule Y3.
NEIGHBOURS = {
    "a tile between looks": (WIDE.replace(tile=16, inner=INT14), [32] * 16),
    "a tree between looks": (WIDE.replace(tile=16, inner=TREE14), [32] * 16),
    "half a tile": (WIDE.replace(tile=8, inner=INT14), [64] * 8),
    "a tree across looks": (TREE14, [16] * 32),
    "a tree of tiles": (TREE14.replace(tile=16), [16] * 32),
    "a tree of odd tiles": (TREE14.replace(tile=24), [0] * 16 + [-32] * 8 + [32] * 8 + [16] * 16),
    "a tile across looks": (WIDE.replace(tile=48, inner=INT14), [12] * 32 + [16] * 8 + [-16] * 8),
    "a tree in a long tile": (WIDE.replace(tile=32, inner=TREE14), [16] * 32),
    "an odd tile": (
        WIDE.replace(tile=40, inner=INT14),
        [0] * 32 + [-16] * 8 + [16] * 24 + [16] * 8 + [-16] * 8,
    ),
    "a register at looks": (INT14.replace(tile=16), [16] * 32 + [-16] * 32),
    "a tree's last sum": (TREE14, [-16] * 16 + [16] * 16 + [16] * 32),
}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_sums_of_neighbours_that_just_exceed(name):
    accumulator, weight = NEIGHBOURS[name]
    x = np.full((3, len(weight)), 16)
    x[1] = -16  # -8192 fits
    x[2, 0] = 15  # and so does a little less
    case = dense([weight], accumulator, x)
    assert "certified at run time" in plan(network_of(case)).nodes[0].reason
    _, events = outcome(case, "fast", True)
    assert events["node"].total >= 1
    same(case)
    same(Case(case.op, case.specs, (x[1:2],)))
    trapping = accumulator.replace(overflow=TRAP)
    if accumulator.inner is not None:
        trapping = accumulator.replace(inner=accumulator.inner.replace(overflow=TRAP))
    assert isinstance(outcome(dense([weight], trapping, x), "fast", False), str)
    same(dense([weight], trapping, x))


def test_channels_that_are_proved():
    weight = np.zeros((20, 40), np.int64)
    weight[:10], weight[10:] = 1, 100
    accumulator = Accumulator(IntFormat(14), SATURATE)
    case = dense(weight.tolist(), accumulator, np.full((3, 40), 127))
    network = network_of(case)
    made = plan(network)
    bounds = made.bounds.nodes["node"]
    assert proved_channels(bounds, False, 20).tolist() == [True] * 10 + [False] * 10
    same(case)


def test_a_proof_in_the_accumulators_own_order():
    # 255 first, then up to 255 more, then up to 255 less: never below 0, though another order would be
    accumulator = Accumulator(IntFormat(9, signed=False), SATURATE, bias=BiasPlace.FIRST)
    op = Dense(weight=[[1, -1]], bias=255, accumulator=accumulator)
    x = np.array([[0, 255], [255, 0], [255, 255], [0, 0]])
    case = Case(op, (TensorSpec((2,), UINT8),), (x,))
    for events in (False, True):
        planned = plan(network_of(case), events=events).nodes[0]
        assert planned.kernel.startswith("dense int32")
        assert planned.reason == "in its own order no register changes a sum: all met is in [0, 510] [K6]"
    assert outcome(case, "fast", True) == ([[0], [510], [255], [255]], {"node": Events([0], [0])})
    same(case)
    turned = accumulator.replace(order=(1, 0), bias=BiasPlace.LAST)
    case = Case(op.replace(accumulator=turned), case.specs, case.inputs)
    assert "stepped" in plan(network_of(case)).nodes[0].reason
    same(case)


def test_a_wrap_that_is_forgiven_is_still_an_event():
    # on the way 200 leaves int8, the final sum is 0: right without events, stepped with them
    case = dense([[100, 100, -100, -100]], Accumulator(IntFormat(8), WRAP), [[1, 1, 1, 1], [0, 1, 0, 1]])
    assert outcome(case, "fast", True) == ([[0], [0]], {"node": Events([0], [1])})
    same(case)


@pytest.mark.parametrize("zero_point", ZeroPointPlace)
@pytest.mark.parametrize("kinds", [(INT8, 0), (UINT8, 100), (INT8, -128)])
def test_zero_points_in_every_place(zero_point, kinds):
    format, zero = kinds
    rng = np.random.default_rng(3)
    weight = rng.integers(-40, 41, (21, 3, 3, 16))
    x = drawn_codes(rng, (2, 9, 8, 16), format, 20)
    for bits in (14, 16, 18):
        op = Conv2d(
            weight=weight,
            padding=((1, 1), (1, 1)),
            input_zero_point=zero,
            bias=rng.integers(-500, 500, 21),
            accumulator=Accumulator(IntFormat(bits), SATURATE, zero_point=zero_point),
        )
        case = Case(op, (TensorSpec((9, 8, 16), format),), (x,))
        assert "certified" in plan(network_of(case)).nodes[0].reason
        same(case, threads=2)


def test_blocks_that_all_saturate_and_blocks_that_do_not():
    rng = np.random.default_rng(4)
    x = np.zeros((3000, 96), np.int64)
    x[:40] = x[700:1500] = 127  # some blocks, then none for a while, then many
    x += rng.integers(-1, 1, x.shape)
    for channels in (1, 4, 16, 20, 40, 100):
        weight = rng.integers(-10, 100, (channels, 96))
        case = dense(weight.tolist(), Accumulator(IntFormat(15), SATURATE), x, bias=-9)
        expected = outcome(case, "reference", False)
        assert outcome(case, "fast", False) == expected
        assert outcome(case, "fast", False, threads=3) == expected
