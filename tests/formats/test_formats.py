"""Formats, quantizations and tensor specifications: what they hold and what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.errors import SpecError
from intsim.formats import IntFormat, Quantization, RealFormat, TensorSpec
from intsim.testing.strategies import formats

INT8 = IntFormat(8)


@pytest.mark.parametrize(
    ("format", "text", "lo", "hi", "storage"),
    [
        (IntFormat(1), "int1", -1, 0, "int8"),
        (IntFormat(1, signed=False), "uint1", 0, 1, "uint8"),
        (IntFormat(4), "int4", -8, 7, "int8"),
        (IntFormat(8), "int8", -128, 127, "int8"),
        (IntFormat(9, signed=False), "uint9", 0, 511, "uint16"),
        (IntFormat(17), "int17", -(2**16), 2**16 - 1, "int32"),
        (IntFormat(33, signed=False), "uint33", 0, 2**33 - 1, "uint64"),
        (IntFormat(64), "int64", -(2**63), 2**63 - 1, "int64"),
        (IntFormat(64, signed=False), "uint64", 0, 2**64 - 1, "uint64"),
    ],
)
def test_integer_formats(format, text, lo, hi, storage):
    assert (str(format), format.min, format.max, format.storage) == (text, lo, hi, np.dtype(storage))
    assert IntFormat.parse(text) == format
    assert format.holds(lo, hi)
    assert not format.holds(lo - 1, hi)
    assert not format.holds(lo, hi + 1)
    values = np.array([lo - 1, lo, hi, hi + 1], object)
    assert format.outside(values).tolist() == [True, False, False, True]


@given(format=formats(1, 64), dtype=st.sampled_from("bhilBHIL"), data=st.data())
def test_outside_for_any_dtype(format, dtype, data):
    limits = np.iinfo(dtype)
    near = {format.min - 1, format.min, format.max, format.max + 1, 0, int(limits.min), int(limits.max)}
    likely = sorted(value for value in near if limits.min <= value <= limits.max)
    value = data.draw(st.sampled_from(likely) | st.integers(int(limits.min), int(limits.max)))
    expected = not format.min <= value <= format.max
    assert format.outside(np.array([value], dtype)).tolist() == [expected]
    assert format.outside(np.array([value], object)).tolist() == [expected]


@given(st.integers(-(2**63), 2**64 - 1), st.integers(-(2**63), 2**64 - 1))
def test_covering_is_the_narrowest(a, b):
    lo, hi = sorted((a, b))
    if lo < 0 and hi >= 2**63:
        with pytest.raises(SpecError, match=r"^IntFormat.bits: must be 1 to 64, not 65$"):
            IntFormat.covering(lo, hi)
        return
    format = IntFormat.covering(lo, hi)
    assert format.signed == (lo < 0)
    assert format.holds(lo, hi)
    assert format.bits == 1 or not IntFormat(format.bits - 1, format.signed).holds(lo, hi)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: IntFormat(0), "IntFormat.bits: must be 1 to 64, not 0"),
        (lambda: IntFormat(65), "IntFormat.bits: must be 1 to 64, not 65"),
        (lambda: IntFormat(8.0), "IntFormat.bits: must be an integer, not 8.0"),
        (lambda: IntFormat(True), "IntFormat.bits: must be an integer, not True"),
        (lambda: IntFormat(8, 1), "IntFormat.signed: must be true or false, not 1"),
        (
            lambda: IntFormat("8", None),
            "IntFormat.bits: must be an integer, not '8'\nIntFormat.signed: must be true or false, not None",
        ),
        (lambda: IntFormat.parse("int08"), "format must be int1 to int64 or uint1 to uint64, not 'int08'"),
        (lambda: IntFormat.parse("int8 "), "format must be int1 to int64 or uint1 to uint64, not 'int8 '"),
        (lambda: IntFormat.parse("int99"), "IntFormat.bits: must be 1 to 64, not 99"),
        (lambda: RealFormat(16), "RealFormat.bits: must be 32 or 64, not 16"),
        (
            lambda: Quantization(np.zeros((1, 1)), [0]),
            "Quantization.scale: must be a list of at least one value, not of shape (1, 1)\n"
            "Quantization.zero_point: must have as many values as scale ((1, 1)), not (1,)",
        ),
        (lambda: Quantization([0.0], [0]), "Quantization.scale: must be positive and finite"),
        (lambda: Quantization([np.nan], [0]), "Quantization.scale: must be positive and finite"),
        (lambda: Quantization([np.inf], [0]), "Quantization.scale: must be positive and finite"),
        (
            lambda: Quantization([1], [0]),
            "Quantization.scale: must be float32 or float64, not int64",
        ),
        (lambda: Quantization([1.0, 2.0], [0, 0]), "Quantization.axis: must be given for 2 scales"),
        (
            lambda: Quantization([1.0], [0.5]),
            "Quantization.zero_point: must be integers, not float64",
        ),
        (lambda: TensorSpec((2, 0), INT8), "TensorSpec.shape: must have sizes of at least 1, not (2, 0)"),
        (
            lambda: TensorSpec((2, 1.5), INT8),
            "TensorSpec.shape: must be an integer, not 1.5",
        ),
        (
            lambda: TensorSpec((2,), "int8"),
            "TensorSpec.format: must be a number format, not 'int8'",
        ),
        (
            lambda: TensorSpec((2,), INT8, Quantization([1.0, 2.0], [0, 0], axis=1)),
            "TensorSpec.quantization.axis: must be an axis of (2,), not 1",
        ),
        (
            lambda: TensorSpec((2, 3), INT8, Quantization([1.0, 2.0], [0, 0], axis=1)),
            "TensorSpec.quantization.scale: must have 3 values along axis 1, not 2",
        ),
    ],
)
def test_refused(build, message):
    with pytest.raises(SpecError) as error:
        build()
    assert str(error.value) == message


def test_tensors():
    spec = TensorSpec((2, 3), INT8, Quantization.per_tensor(0.5, -3))
    assert (spec.size, spec.integer, str(spec)) == (6, INT8, "int8[2, 3]")
    assert TensorSpec((), INT8).size == 1
    assert spec == eval(
        repr(spec), {"np": np, **{c.__name__: c for c in (TensorSpec, IntFormat, Quantization)}}
    )
    real = TensorSpec((4,), RealFormat())
    assert (str(real), real.format.storage) == ("float32[4]", np.dtype("float32"))
    with pytest.raises(TypeError, match=r"^an integer tensor is needed here, not float32$"):
        _ = real.integer


def test_a_scale_is_kept_in_float64():
    quantization = Quantization(np.array([0.1], np.float32), [0])
    assert quantization.scale.dtype == np.float64
    assert quantization.scale[0] == np.float64(np.float32(0.1))
