"""Poolings, sums, tables and softmax rows take their kernels, and give what the reference gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim import NetworkBuilder, plan, run
from intsim.arithmetic import (
    Accumulator,
    FixedPointSoftmax,
    FloatSoftmax,
    Multiply,
    Overflow,
    QuotientSoftmax,
    Register,
    Requantization,
    Rounding,
    ShiftLeft,
    ShiftRight,
    Table,
)
from intsim.arithmetic import Add as AddStep
from intsim.arithmetic.fixed_point import reciprocal
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.kernels.softmax import half_away, high_product, one_over
from intsim.ops import (
    AvgPool2d,
    Clamp,
    FloatAvgPool2d,
    LeakyRelu,
    Lookup,
    MaxPool2d,
    Mean,
    Requantize,
    Softmax,
    Sum,
)

INT8, UINT8, INT16 = IntFormat(8), IntFormat(8, signed=False), IntFormat(16)
ROUNDINGS = [rounding for rounding in Rounding if rounding is not Rounding.STOCHASTIC]


def check(op, shape, format, kernel, batch=3, seed=0, x=None):
    b = NetworkBuilder()
    b.output(b.add(op, b.input("x", shape, format), name="y"))
    network = b.build()
    made = plan(network)
    assert made.nodes[0].kernel == kernel
    if x is None:
        x = np.random.default_rng(seed).integers(format.min, format.max + 1, (batch, *shape))
    for threads in (1, 2):
        found, expected = made.run(x, threads=threads), run(network, x, engine="reference")
        assert np.array_equal(found.output, expected.output)
        assert found.output.dtype == expected.output.dtype
    return made


@pytest.mark.parametrize("format", [INT8, UINT8, INT16])
@pytest.mark.parametrize("count_padding", [False, True])
def test_average_pooling(format, count_padding):
    window = {"kernel": (3, 2), "stride": (2, 1), "dilation": (1, 2), "padding": ((1, 1), (0, 1))}
    for zero_point in (0, 5):
        op = AvgPool2d(**window, zero_point=zero_point, count_padding=count_padding)
        check(op, (7, 8, 19), format, "avg_pool2d int32")


@pytest.mark.parametrize("format", [INT8, UINT8, INT16])
@pytest.mark.parametrize("count_padding", [False, True])
def test_average_pooling_in_float32(format, count_padding):
    """Powers of two, whose sums have ties, and reals, by scales that leave float32 few bits below a code."""
    window = {"kernel": (3, 2), "stride": (2, 1), "dilation": (1, 2), "padding": ((1, 1), (0, 1))}
    codes = np.arange(format.min, format.max + 1, dtype=np.float32)
    reals = np.random.default_rng(0).normal(0, 40, codes.size).astype(np.float32)
    for table, scale in ((codes * np.float32(0.5), 0.5), (codes - np.float32(7), 0.03), (reals, 0.003)):
        op = FloatAvgPool2d(
            **window, table=table, scale=np.float32(scale), zero_point=5,
            count_padding=count_padding, input_format=format, format=INT16,
        )  # fmt: skip
        check(op, (7, 8, 19), format, "float_avg_pool2d float32", batch=20)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("zero_point", [0, -3])
def test_every_sum_of_a_mean(rounding, zero_point):
    """Of 6 codes from -4 to 4, every sum and so every tie; of 5, none."""
    codes = np.stack(np.meshgrid(*[np.arange(-4, 5, 2)] * 3, np.arange(-4, 5)), -1).reshape(-1, 4)
    for count in (4, 3):
        op = Mean(axes=(0,), rounding=rounding, zero_point=zero_point)
        check(op, (count, 1), INT8, "mean int32", x=codes[:, :count, None])


@pytest.mark.parametrize("format", [INT8, UINT8, INT16, IntFormat(32)])
def test_largest_elements(format):
    op = MaxPool2d(kernel=(3, 3), stride=(2, 2), padding=((1, 0), (0, 1)))
    check(op, (7, 8, 19), format, "max_pool2d")


@pytest.mark.parametrize("axes", [(0, 1), (1,), (0, 1, 2), (2,)])
def test_sums_along_axes(axes):
    check(Sum(axes=axes), (5, 6, 17), INT8, "sum int32")


def test_sums_of_many_small_codes_that_fit_a_narrow_register():
    check(Sum(axes=(0,), accumulator=Accumulator(IntFormat(12))), (15, 3), INT8, "sum int32")
    check(
        Sum(axes=(0,), accumulator=Accumulator(IntFormat(12), Overflow.SATURATE)),
        (40, 3),
        INT8,
        "reference int64",
    )


def test_tables_of_few_codes():
    check(Clamp(lo=-3, hi=77), (40, 9), INT8, "clamp table")
    check(Lookup(entries=np.arange(256)[::-1] - 128), (40, 9), INT8, "lookup table")
    steps = AddStep(values=-128), Multiply(multipliers=77), ShiftRight(bits=6, rounding=Rounding.HALF_EVEN)
    check(Requantize(requantization=Requantization(steps, INT8)), (40, 9), UINT8, "requantize table")


def test_a_table_that_traps_or_that_few_codes_reach():
    trap = Requantization((ShiftLeft(bits=1, into=Register(INT8, Overflow.TRAP)),), INT8)
    b = NetworkBuilder()
    x = b.add(Clamp(lo=0, hi=3), b.input("x", (4,), INT8), name="clamp")
    few = Requantize(requantization=Requantization((Table(entries=np.array([7, 5, 3, 1])),), INT8))
    b.output(b.add(few, x, name="few"), b.add(Requantize(requantization=trap), x, name="double"))
    made = plan(b.build())
    assert [node.kernel for node in made.nodes] == ["clamp table", "requantize table", "requantize table"]
    assert made.run([[-9, 1, 2, 99]]).outputs["few"].tolist() == [[7, 5, 3, 1]]
    b = NetworkBuilder()
    b.output(b.add(Requantize(requantization=trap), b.input("x", (1,), INT8), name="double"))
    assert plan(b.build()).run([[63]]).output.tolist() == [[126]]
    with pytest.raises(OverflowTrap, match=r"^double: sample 1: register must hold int8"):
        plan(b.build()).run([[3], [64]])


def test_what_looks_at_the_place_of_an_element_has_no_table():
    draw = Requantization((ShiftRight(bits=3, rounding=Rounding.STOCHASTIC, seed=5),), INT8)
    plain = Requantization((ShiftRight(bits=3),), INT8)
    check(LeakyRelu(draw, plain), (40, 9), INT8, "reference int64")
    check(LeakyRelu(plain, plain), (40, 9), INT8, "leaky_relu table")
    check(Requantize(requantization=draw), (40, 9), INT8, "reference int64")
    channels = Requantization((AddStep(values=np.arange(9)),), INT8)
    check(Requantize(requantization=channels), (40, 9), INT8, "requantize int64")


def fixed_point(scale=1 << 22, diff_min=-124):
    return FixedPointSoftmax(Requantization((Multiply(multipliers=scale),), IntFormat(32)), diff_min)


@pytest.mark.parametrize("depth", [1, 2, 10, 300])
@pytest.mark.parametrize(("format", "output"), [(INT8, INT8), (UINT8, UINT8), (INT8, INT16)])
def test_softmax_in_fixed_point(depth, format, output):
    op = Softmax(fixed_point(), output)
    check(op, (3, depth), format, "softmax int64", batch=20)


def test_a_softmax_that_traps_says_so_in_the_references_words():
    b = NetworkBuilder()
    b.output(b.add(Softmax(fixed_point(), IntFormat(4)), b.input("x", (40,), INT8), name="y"))
    network = b.build()
    x = np.zeros((2, 40), np.int8)
    x[0, 0] = 127
    said = []
    for engine in ("fast", "reference"):
        with pytest.raises(OverflowTrap) as caught:
            run(network, x, engine=engine)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].startswith("y: sample 1: sum of a row's exponentials must be below")


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("depth", [1, 7, 300])
def test_softmax_in_float32(rounding, depth):
    table = np.exp(np.arange(-255, 1) * np.float32(0.07), dtype=np.float32)
    op = Softmax(FloatSoftmax(table, np.float32(1 / 256), -128, rounding), INT8)
    check(op, (2, depth), INT8, "softmax float32", batch=20)


@pytest.mark.parametrize("multiplier", [256, 255, 0, 4095, 30000])
@pytest.mark.parametrize("depth", [1, 3, 300])
def test_softmax_by_quotients_in_float32(multiplier, depth):
    """Of whole numbers there are quotients halfway between two codes, which only exact products find."""
    whole = np.arange(1, 257, dtype=np.float32)
    steep = np.exp(60 + np.arange(-255, 1) * 0.07).astype(np.float32)
    for table in (whole, steep, np.full(256, 1e30, np.float32)):
        op = Softmax(QuotientSoftmax(table, np.float32(multiplier), -128), INT16)
        check(op, (7, depth), INT8, "softmax float32", batch=100)


def test_a_quotient_whose_product_is_rounded_first():
    """241 * 29999 / 389 is 18585.499, rounded down; a reciprocal or 241 / 389 first would give 18586."""
    table = np.full(256, 148, np.float32)
    table[-1] = 241
    op = Softmax(QuotientSoftmax(table, np.float32(29999)), INT16)
    made = check(op, (2,), INT8, "softmax float32", x=np.array([[1, 0], [-7, 9]]))
    assert made.run(np.array([[1, 0]])).output.tolist() == [[18585, 11414]]


def test_a_softmax_whose_shares_are_not_finite_has_no_kernel():
    table = np.full(256, 1e-30, np.float32)
    op = Softmax(FloatSoftmax(table, np.float32(1e-30), 0), INT8)
    check(op, (3,), INT8, "reference int64", x=np.zeros((0, 3), np.int8))


@given(st.integers(1 << 19, (1 << 31) - 1))
def test_the_reciprocal_is_the_references(total):
    scale, over = reciprocal(np.array([total]), 12)
    assert one_over(total) == (int(scale[0]), int(over[0]))


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(0, 31))
def test_products_and_shifts_are_the_references(a, b, bits):
    from intsim.arithmetic import round_shift
    from intsim.arithmetic.fixed_point import high_multiply

    assert high_product(a, b) == int(high_multiply(np.int64(a), np.int64(b)))
    assert half_away(a, bits) == round_shift(a, bits, Rounding.HALF_AWAY)
