"""Activations: what they refuse, in which words; numbers by hand; exact bounds."""

import numpy as np
import pytest

from intsim.arithmetic import (
    Add,
    FixedPointSoftmax,
    FloatSoftmax,
    Interval,
    Multiply,
    Overflow,
    QuotientSoftmax,
    Register,
    Requantization,
    Rounding,
    ShiftLeft,
    ShiftRight,
    TableSoftmax,
)
from intsim.errors import OverflowTrap, SpecError
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import HardSwish, L2Normalization, LeakyRelu, LogSoftmax, Lookup, Prelu, Softmax

INT8, UINT8, INT16, INT32 = IntFormat(8), IntFormat(8, signed=False), IntFormat(16), IntFormat(32)
SAME = Requantization((), INT8)
HALVED = Requantization((ShiftRight(bits=1, rounding=Rounding.HALF_UP),), INT8)
TO_Q5 = Requantization((ShiftLeft(bits=22),), INT32)  # one code is 1/16
BACK = Requantization((ShiftRight(bits=22),), INT32)
TABLE = np.arange(513)
PER_CHANNEL = Requantization((Add(values=[1, 2]),), INT8)
FLAT = np.float32([1.0] * 256)


def message_of(build) -> str:
    with pytest.raises(SpecError) as caught:
        build()
    return str(caught.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: LeakyRelu(SAME, Requantization((), UINT8)),
            "leaky_relu.negative: must give int8 as positive does, not uint8. [L2]",
        ),
        (
            lambda: LeakyRelu(PER_CHANNEL, SAME),
            "leaky_relu.positive: must have one value for all channels, not 2. [L2]",
        ),
        (
            lambda: Prelu([1, 300], SAME, SAME),
            "prelu.slope: values must fit int8 (-128 to 127), not 300 at (1,). [R3]",
        ),
        (lambda: Prelu([], SAME, SAME), "prelu.slope: must not be empty, not of shape (0,). [R3]"),
        (lambda: Lookup([1, 2, 3]), "lookup.entries: must be a list of 256, not of shape (3,). [R1]"),
        (
            lambda: Lookup([1], input_format=IntFormat(17)),
            "lookup.input_format: must have at most 16 bits, not int17. [R1]",
        ),
        (
            lambda: Lookup(TABLE, INT16, INT16, 16),
            "lookup.interpolation_bits: must be 0 to 15, not 16. [R2]",
        ),
        (
            lambda: Lookup(TABLE, INT16, IntFormat(16, signed=False), 7),
            "lookup.format: must be signed where entries are interpolated, not uint16. [R3]",
        ),
        (
            lambda: Lookup(TABLE, INT16, INT8, 7),
            "lookup.entries: values must fit int8 (-128 to 127), not 128 at (128,). [R1]",
        ),
        (
            lambda: HardSwish(2**15, 0, 0, 0),
            "hard_swish.output_multiplier: must be 0 to 32767, not 32768. [R2]",
        ),
        (lambda: HardSwish(0, 16, 0, 0), "hard_swish.output_shift: must be 0 to 15, not 16. [R5]"),
        (lambda: HardSwish(0, 0, 0, -16), "hard_swish.relu_shift: must be -15 to 31, not -16. [R3]"),
        (
            lambda: L2Normalization(output_bits=16),
            "l2_normalization.output_bits: must be 0 to 15, not 16. [R3]",
        ),
        (lambda: FixedPointSoftmax(TO_Q5, 1), "FixedPointSoftmax.diff_min: must be -2147483648 to 0, not 1"),
        (
            lambda: FixedPointSoftmax(Requantization((ShiftLeft(bits=22),), IntFormat(40)), -513),
            "FixedPointSoftmax.rescale: must give -2147483648 to 0 for -513 to 0, not [-2151677952, 0]",
        ),
        (
            lambda: FixedPointSoftmax(Requantization((Add(values=-1),), INT32), 0),
            "FixedPointSoftmax.rescale: must turn 0 into 0",
        ),
        (
            lambda: LogSoftmax(Requantization((Multiply(multipliers=[1, 2]),), INT32), BACK, 0),
            "log_softmax.rescale: must have one value for all channels, not 2",
        ),
        (
            lambda: LogSoftmax(TO_Q5, BACK, -5, IntFormat(10)),
            "log_softmax.format: must have at most 9 bits, not int10. [R4]",
        ),
        (
            lambda: TableSoftmax(SAME, TABLE[:-1], TABLE),
            "TableSoftmax.exponential: must be a list of 513, not of shape (512,)",
        ),
        (
            lambda: TableSoftmax(SAME, TABLE * 0, TABLE),
            "TableSoftmax.exponential: must end above 0",
        ),
        (
            lambda: FloatSoftmax(np.ones(256), np.float32(1)),
            "FloatSoftmax.table: must be float32 with 1 axes, not float64 of shape (256,)",
        ),
        (
            lambda: FloatSoftmax(-FLAT, np.float32(1)),
            "FloatSoftmax.table: must be finite, not negative, and above 0 at the end",
        ),
        (
            lambda: QuotientSoftmax(-FLAT, np.float32(256)),
            "QuotientSoftmax.table: must be finite, not negative, and above 0 at the end",
        ),
        (
            lambda: QuotientSoftmax(FLAT, np.float32(np.inf)),
            "QuotientSoftmax.multiplier: must be finite, not negative",
        ),
        (
            lambda: QuotientSoftmax(FLAT, np.float32(2**25)),
            "QuotientSoftmax.multiplier: must be at most 2**24, not 33554432.0",
        ),
        (
            lambda: QuotientSoftmax(FLAT * np.float32(1e37), np.float32(256)),
            "QuotientSoftmax.multiplier: must not make a product with an entry of table infinite",
        ),
        (
            lambda: QuotientSoftmax(FLAT, np.float32(256), 2**25),
            "QuotientSoftmax.zero_point: must have at most 24 bits and a sign, not 33554432",
        ),
    ],
)
def test_fields_are_refused(build, message):
    assert message in message_of(build).split("\n")


@pytest.mark.parametrize(
    ("op", "format", "shape", "message"),
    [
        (
            Prelu([[1], [2]], SAME, SAME),
            INT8,
            (3, 2),
            "prelu: slope must broadcast to (3, 2), not shape (2, 1). [R3]",
        ),
        (Lookup(TABLE[:256] - 128), UINT8, (2,), "lookup: input must be int8, not uint8. [R1]"),
        (
            HardSwish(0, 0, 0, 0),
            IntFormat(9),
            (2,),
            "hard_swish: input must have at most 8 bits, not int9. [R1]",
        ),
        (
            Softmax(FixedPointSoftmax(TO_Q5, -5)),
            INT8,
            (),
            "softmax: input must have an axis, not shape (). [R1]",
        ),
        (
            Softmax(FloatSoftmax(FLAT, np.float32(1))),
            INT16,
            (2,),
            "softmax: formats must be those of FloatSoftmax, not int16 to int8. [R2]",
        ),
        (LogSoftmax(TO_Q5, BACK, -5), INT8, (), "log_softmax: input must have an axis, not shape (). [R5]"),
        (
            L2Normalization(),
            IntFormat(15),
            (8,),
            "l2_normalization: sum of squares must fit int32,"
            " not reach 2147483648 with rows of 8 int15. [R1]",
        ),
    ],
)
def test_inputs_are_refused(op, format, shape, message):
    assert message_of(lambda: op.infer(TensorSpec(shape, format))) == message


def test_branches_by_hand():
    x = np.array([[-5, -4, -1, 0, 3]])
    assert LeakyRelu(SAME, HALVED).reference(x)[0].tolist() == [[-2, -2, 0, 0, 3]]
    assert LeakyRelu(SAME, HALVED, -4).reference(x)[0].tolist() == [[0, 0, 3, 4, 7]]
    slope = Prelu([1, 2, 3, 4, 5], SAME, HALVED, slope_zero_point=1)
    assert slope.reference(x)[0].tolist() == [[0, -2, -1, 0, 3]]


def test_a_branch_that_nothing_takes_does_not_trap():
    narrow = Requantization((), IntFormat(3, signed=False), Overflow.TRAP)
    wide = Requantization((Add(values=9),), IntFormat(3, signed=False), Overflow.TRAP)
    op = LeakyRelu(narrow, wide)
    assert op.reference(np.array([[7, 1, 0]]))[0].tolist() == [[7, 1, 0]]
    assert op.reference(np.array([[-2, -9]]))[0].tolist() == [[7, 0]]
    assert op.reference(np.array([[7, -9]]))[0].tolist() == [[7, 0]]
    with pytest.raises(OverflowTrap):
        op.reference(np.array([[-1, 0]]))


def test_a_line_between_two_entries():
    table = Lookup([0, 10, -20], IntFormat(3, signed=False), INT8, 2)
    (values,) = table.reference(np.arange(8)[None])
    assert values.tolist() == [[0, 3, 5, 8, 10, 3, -5, -12]]
    steep = Lookup([-100, 100, 0], IntFormat(3, signed=False), INT8, 2)
    assert steep.reference(np.arange(2)[None])[0].tolist() == [[-100, -114]]  # 200 wraps to -56


def test_bounds_of_a_table_are_those_of_its_channels():
    op = Lookup(np.arange(256)[::-1] - 128)
    x = Interval(np.array([-128, 0], object), np.array([-100, 5], object))
    (output,) = op.bounds((TensorSpec((2,), INT8),), (x,)).outputs
    assert (list(output.lo), list(output.hi)) == ([99, -6], [127, -1])


def test_softmax_of_equal_codes_and_of_one():
    op = Softmax(FixedPointSoftmax(TO_Q5, -512))
    assert op.reference(np.array([[7], [-8]]))[0].tolist() == [[127], [127]]
    assert op.reference(np.array([[5, 5, 5, 5]]))[0].tolist() == [[-64] * 4]
    assert op.reference(np.array([[127, -128]]))[0].tolist() == [[127, -128]]


def test_softmax_stops_where_the_runtime_does():
    op = Softmax(FixedPointSoftmax(TO_Q5, -512))
    assert op.reference(np.zeros((1, 511), np.int64))[0].max() == -127
    with pytest.raises(OverflowTrap, match=r"must be below 512 times the largest, not 512\.00$"):
        op.reference(np.zeros((1, 512), np.int64))


def test_a_float_sum_is_made_in_order():
    """1 + 2**-25 is 1 in float32, but 256 * 2**-25 + 1 is more."""
    recipe = FloatSoftmax(np.float32([2.0**-25, 1]), np.float32(2.0**-14), rounding=Rounding.FLOOR)
    op = Softmax(recipe, INT16)
    one_first = np.array([[1] + [0] * 256])
    assert op.reference(one_first)[0].max() == 16384
    assert op.reference(one_first[:, ::-1])[0].max() == 16383


def test_a_quotient_is_rounded_where_it_stands():
    """256 * 1 / 3 and half a code; a product is rounded before the quotient is."""
    even = Softmax(QuotientSoftmax(np.ones(256, np.float32), np.float32(5)), INT16)
    assert even.reference(np.array([[3, 3], [1, 1]]))[0].tolist() == [[2, 2], [2, 2]]  # 5/2
    third = Softmax(QuotientSoftmax(np.ones(256, np.float32), np.float32(256), -128))
    assert third.reference(np.array([[0, 0, 0], [7, 7, 7]]))[0].tolist() == [[-43] * 3] * 2
    table = np.full(256, 148, np.float32)
    table[-1] = 241  # 241 * 29999 / 389 is 18585.499; 241 / 389 first, or a reciprocal, would give 18586
    first = Softmax(QuotientSoftmax(table, np.float32(29999)), INT16)
    assert first.reference(np.array([[1, 0]]))[0].tolist() == [[18585, 11414]]
    one = Softmax(QuotientSoftmax(np.ones(256, np.float32), np.float32(256), -128))
    assert one.reference(np.array([[0]]))[0].tolist() == [[127]]


def test_a_register_in_the_rescaling_counts():
    kept = Requantization((ShiftLeft(bits=22, into=Register(INT32, Overflow.SATURATE)),), INT32)
    wide = FixedPointSoftmax(kept, -5000)  # saturates at -32, and so stays inside
    assert Softmax(wide).reference(np.array([[0, -100]]))[0].tolist() == [[127, -128]]


def test_log_softmax_and_l2_by_hand():
    log = LogSoftmax(TO_Q5, BACK, -512)
    assert log.reference(np.array([[0, 0]]))[0].tolist() == [[116, 116]]  # log 2 is 11.09 / 16
    unit = L2Normalization()
    assert unit.reference(np.array([[3, 4], [0, 0], [-5, 0]]))[0].tolist() == [[77, 102], [0, 0], [-128, 0]]


def test_hard_swish_by_hand():
    """Scale 1/16 in and out, both zero points 0: x for x >= 3, 0 for x <= -3."""
    op = HardSwish(output_multiplier=2**14, output_shift=6, relu_multiplier=21845, relu_shift=3)
    codes = np.array([[-48, -16, 0, 16, 48, 127]])
    assert op.reference(codes)[0].tolist() == [[0, -5, 0, 11, 48, 127]]
