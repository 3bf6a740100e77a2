"""Elementwise ops and the doors: what they refuse, in which words; numbers by hand; bounds per channel."""

import numpy as np
import pytest

from intsim.arithmetic import Interval, Overflow, Register, Rounding
from intsim.errors import InputError, SpecError
from intsim.formats import IntFormat, Minifloat, RealFormat, TensorSpec
from intsim.formats.table import named
from intsim.ops import (
    Dequantize,
    FloatElementwise,
    FloatFunction,
    Maximum,
    Minimum,
    Mul,
    Quantize,
    Select,
    SquaredDifference,
    Sub,
)

INT8, UINT8, BIT = IntFormat(8), IntFormat(8, signed=False), IntFormat(1, signed=False)
HALF = np.float32(0.5)
E4M3 = named("e4m3").format


def spec(*shape: int, format: IntFormat | RealFormat = INT8) -> TensorSpec:
    return TensorSpec(shape, format)


def message_of(build) -> str:
    with pytest.raises(SpecError) as caught:
        build()
    return str(caught.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Quantize(np.float32([0.5, 0.0])), "quantize.scale: must be positive and finite"),
        (
            lambda: Quantize(np.float32([[0.5]])),
            "quantize.scale: must be one value or a list, not of shape (1, 1)",
        ),
        (
            lambda: Quantize(np.float32([0.5, 1]), [1, 2, 3], axis=0),
            "quantize.zero_point: must be one value or 2, not 3",
        ),
        (lambda: Quantize(np.float32([0.5, 1])), "quantize.axis: must be given for 2 scales"),
        (lambda: Quantize(HALF, axis=-1), "quantize.axis: must not be negative, not -1"),
        (lambda: Quantize(HALF, 2**33), "quantize.zero_point: must be between -2**33 and 2**33"),
        (
            lambda: Quantize(HALF, format=IntFormat(33)),
            "quantize.format: must have at most 32 bits, not int33. [R3]",
        ),
        (
            lambda: Quantize(HALF, rounding="stochastic"),
            "quantize.rounding: must not be STOCHASTIC. [R2]",
        ),
        (
            lambda: Quantize(np.float32(1e-44), reciprocal=True),
            "quantize.scale: must have a finite reciprocal. [R2]",
        ),
        (lambda: Quantize(HALF, 3, format=E4M3), "quantize.zero_point: must be 0 for codes of e4m3. [R6]"),
        (
            lambda: Dequantize(HALF, 3, input_format=E4M3),
            "dequantize.zero_point: must be 0 for codes of e4m3. [R3]",
        ),
        (
            lambda: Dequantize(HALF, input_format=Minifloat(8, 23, 127)),
            "dequantize.input_format: must have at most 16 bits, not"
            " Minifloat(exponent_bits=8, mantissa_bits=23, bias=127). [R3]",
        ),
        (
            lambda: Dequantize(HALF, input_format=Minifloat(4, 3, 2000)),
            "dequantize.input_format: must have float64's values only, not those of"
            " Minifloat(exponent_bits=4, mantissa_bits=3, bias=2000). [R3]",
        ),
        (lambda: Quantize(1), "quantize.scale: must be float32 or float64, not int64"),
        (lambda: Dequantize(-HALF), "dequantize.scale: must be positive and finite"),
    ],
)
def test_fields_are_refused(build, message):
    assert message_of(build).split("\n")[0] == message


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (Sub(), [spec(2), spec(3)], "sub: shapes must broadcast, not (2,), (3,). [B1]"),
        (
            Mul(),
            [spec(2), spec(2, format=RealFormat(32))],
            "mul: input must be integers, not float32; quantize it first",
        ),
        (
            Maximum(),
            [spec(2), spec(2, format=UINT8)],
            "maximum: inputs must have one format, not int8, uint8. [R2]",
        ),
        (Select(), [spec(2), spec(2), spec(2)], "select: condition must be uint1, not int8. [R2]"),
        (
            Select(),
            [spec(2, format=BIT), spec(2), spec(2, format=UINT8)],
            "select: inputs must have one format, not int8, uint8. [R2]",
        ),
        (
            Select(),
            [spec(3, format=BIT), spec(2), spec(2)],
            "select: shapes must broadcast, not (3,), (2,), (2,). [R1]",
        ),
        (
            Dequantize(HALF),
            [spec(2, format=E4M3)],
            "dequantize: input must be integers, not the codes of e4m3",
        ),
        (
            Dequantize(HALF, input_format=E4M3),
            [spec(2)],
            "dequantize: input must be e4m3, not int8. [R3]",
        ),
        (Minimum(), [spec(2), spec(3)], "minimum: shapes must broadcast, not (2,), (3,). [R1]"),
        (Quantize(HALF), [spec(2)], "quantize: input must be float32 as scale is, not int8. [R1]"),
        (
            Quantize(np.float64(0.5)),
            [spec(2, format=RealFormat(32))],
            "quantize: input must be float64 as scale is, not float32. [R1]",
        ),
        (
            Quantize(np.float32([1, 2]), axis=1),
            [spec(2, format=RealFormat(32))],
            "quantize: axis must be one of (2,), not 1",
        ),
        (
            Dequantize(np.float32([1, 2]), axis=0),
            [spec(3)],
            "dequantize: scale must have one value or 3, not 2",
        ),
        (
            Dequantize(HALF),
            [spec(3, format=IntFormat(33))],
            "dequantize: input must have at most 32 bits, not int33. [R1]",
        ),
    ],
)
def test_inputs_are_refused(op, inputs, message):
    assert message_of(lambda: op.infer(*inputs)) == message


def test_quantize_by_hand():
    x = np.float32([[0.24, 0.25, -0.25, 0.75, 63.6, -np.inf, np.inf, -0.0]])
    (away,) = Quantize(HALF).reference(x)
    assert away.tolist() == [[0, 1, -1, 2, 127, -128, 127, 0]]
    (even,) = Quantize(HALF, 3, rounding=Rounding.HALF_EVEN).reference(x)
    assert even.tolist() == [[3, 3, 3, 5, 127, -128, 127, 3]]


def test_a_reciprocal_is_rounded_once_more():
    x, scale = np.float32([[0.1495]]), np.float32(0.013)  # the quotient is 11.5, the product 11.499999
    assert Quantize(scale).reference(x)[0].tolist() == [[12]]
    assert Quantize(scale, reciprocal=True).reference(x)[0].tolist() == [[11]]


def test_nan_is_refused():
    with pytest.raises(InputError, match=r"^quantize: values must be numbers, not NaN at \(0, 1\)\. \[R4\]$"):
        Quantize(HALF).reference(np.float32([[1, np.nan]]))


def test_scales_along_an_axis():
    op = Quantize(np.float32([1, 2]), [0, 10], axis=0)
    x = np.float32([[[4, 5, 6], [4, 5, 6]]])
    assert op.reference(x)[0].tolist() == [[[4, 5, 6], [12, 13, 13]]]
    back = Dequantize(np.float32([1, 2]), [0, 10], axis=0)
    assert back.reference(np.array([[[4, 5, 6], [12, 13, 13]]]))[0].tolist() == [[[4, 5, 6], [4, 6, 6]]]


def test_registers_by_hand():
    a, b = np.array([[100, -100]]), np.array([[-100, 100]])
    assert Sub(register=Register(INT8)).reference(a, b)[0].tolist() == [[-56, 56]]
    assert Sub(register=Register(INT8, Overflow.SATURATE)).reference(a, b)[0].tolist() == [[127, -128]]
    assert Mul().reference(a, b)[0].tolist() == [[-10000, -10000]]
    assert SquaredDifference().reference(a, b)[0].tolist() == [[40000, 40000]]


def test_reals_and_codes_of_e4m3_by_hand():
    """Ties to even, the largest value and beyond, both zeros; NaN and 1.125 back."""
    x = np.float32([[0.5, 0.53125, 0.59375, 448, 1e9, -np.inf, -0.0]])
    (codes,) = Quantize(HALF, format=E4M3, rounding=Rounding.HALF_EVEN).reference(x)
    assert codes.tolist() == [[0x38, 0x38, 0x3A, 0x7E, 0x7E, 0xFE, 0x80]]
    (reals,) = Dequantize(HALF, input_format=E4M3).reference(np.array([[0x39, 0x7E, 0x80, 0x7F]]))
    assert reals.tolist()[0][:3] == [0.5625, 224, 0]
    assert np.signbit(reals[0, 2])
    assert np.isnan(reals[0, 3])


@pytest.mark.parametrize(("bits", "range"), [((0, 1), (-3, 9)), ((1, 1), (-3, 5)), ((0, 0), (4, 9))])
def test_what_a_condition_never_picks_is_not_in_the_bounds(bits, range):
    given = (Interval(*bits), Interval(-3, 5), Interval(4, 9))
    assert Select().bounds((), given).outputs == (Interval(*range),)
    assert Select().bounds((), given).partial == Interval(-3, 9)


@pytest.mark.parametrize(
    ("op", "a", "b", "range"),
    [
        (Sub(), (-3, 5), (1, 4), (-7, 4)),
        (Mul(), (-3, 5), (-4, 2), (-20, 12)),
        (SquaredDifference(), (-3, 5), (1, 4), (0, 49)),
        (SquaredDifference(), (6, 7), (1, 4), (4, 36)),
        (SquaredDifference(), (-7, -6), (1, 4), (49, 121)),
        (Maximum(), (-3, 5), (1, 4), (1, 5)),
        (Minimum(), (-3, 5), (1, 4), (-3, 4)),
    ],
)
def test_bounds_are_reached_and_not_passed(op, a, b, range):
    bounds = op.bounds((spec(), spec()), (Interval(*a), Interval(*b)))
    assert bounds.outputs == (Interval(*range),)
    grid = np.meshgrid(np.arange(a[0], a[1] + 1), np.arange(b[0], b[1] + 1))
    (values,) = op.reference(*(part.ravel() for part in grid))
    assert (int(values.min()), int(values.max())) == range


ONE = np.float32(1)
THIRD = np.float32(1 / 3)


def through_floats(function: FloatFunction = FloatFunction.ADD, **fields) -> FloatElementwise:
    scales = {"lhs_scale": ONE, "rhs_scale": ONE, "scale": ONE}
    return FloatElementwise(function, **{**scales, "format": IntFormat(16), **fields})


@pytest.mark.parametrize(
    ("op", "wanted"),
    [
        (through_floats(), [3, 255, -255]),
        (through_floats(FloatFunction.SUBTRACT), [-1, 1, -1]),
        (through_floats(FloatFunction.MULTIPLY, lhs_zero_point=3), [-4, 15875, 16637]),
        (through_floats(FloatFunction.MAXIMUM, rhs_zero_point=1), [1, 128, -128]),
        (through_floats(FloatFunction.MINIMUM, rhs_scale=HALF), [1, 64, -128]),
        (through_floats(scale=HALF, zero_point=7, format=INT8), [13, 127, -128]),
        (through_floats(scale=np.float32(2)), [2, 128, -128]),  # 1.5, 127.5 and -127.5: half to even
        (through_floats(lhs_scale=THIRD, rhs_scale=THIRD, scale=THIRD), [3, 255, -255]),
    ],
)
def test_what_codes_stand_for_is_computed_with(op, wanted):
    a, b = np.array([[1, 128, -128]]), np.array([[2, 127, -127]])
    assert op.reference(a, b)[0].tolist() == [wanted]
    assert op.reference(a.astype(object), b.astype(object))[0].tolist() == [wanted]


def test_every_step_is_float32():
    """32766 less about 1e-5 is 32766 in float32: a quarter of it is a tie, which more digits would break."""
    tiny = np.float32(3 * 2.0**-18)
    op = through_floats(FloatFunction.SUBTRACT, lhs_scale=np.float32(2), rhs_scale=tiny, scale=np.float32(4))
    assert op.reference(np.array([[16383]]), np.array([[1]]))[0].tolist() == [[8192]]
    assert round((16383 * 2 - float(tiny)) / 4) == 8191


@pytest.mark.parametrize("function", FloatFunction)
def test_bounds_of_floats_are_reached(function):
    op = through_floats(function, lhs_scale=THIRD, scale=np.float32(0.7), lhs_zero_point=2, format=INT8)
    a, b = np.meshgrid(np.arange(-5, 9), np.arange(-3, 7))
    found = op.reference(a.reshape(1, -1), b.reshape(1, -1))[0]
    bounds = op.bounds([spec(140), spec(140)], [Interval(-5, 8), Interval(-3, 6)])
    assert bounds.outputs == (Interval(int(found.min()), int(found.max())),)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: through_floats(lhs_scale=-ONE),
            "float_elementwise.lhs_scale: must be one positive float32, not -1.0 (float32). [R2]",
        ),
        (
            lambda: through_floats(scale=np.float64(1)),
            "float_elementwise.scale: must be one positive float32, not 1.0 (float64). [R2]",
        ),
        (
            lambda: through_floats(format=IntFormat(17)),
            "float_elementwise.format: must have at most 16 bits, not int17. [R1]",
        ),
        (
            lambda: through_floats(zero_point=200, format=INT8),
            "float_elementwise.zero_point: must be in int8, not 200. [R1]",
        ),
        (
            lambda: through_floats(rhs_zero_point=200).infer(spec(2), spec(2)),
            "float_elementwise: zero point must be in int8, not 200. [R1]",
        ),
        (
            lambda: through_floats().infer(spec(2), spec(2, format=IntFormat(17))),
            "float_elementwise: inputs must have 16 bits at most, not int17. [R1]",
        ),
        (
            lambda: through_floats(lhs_scale=np.float32(1e38)).infer(spec(2), spec(2)),
            "float_elementwise: scales must keep every number finite in float32. [R5]",
        ),
        (
            lambda: through_floats(scale=np.float32(1e-38)).infer(spec(2), spec(2)),
            "float_elementwise: scales must keep every number finite in float32. [R5]",
        ),
    ],
)
def test_floats_are_refused(build, message):
    assert message_of(build) == message
