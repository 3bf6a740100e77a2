"""ONNX's own node tests against intsim: everything quantized, and the casts of narrow types."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from intsim_converters.onnx.backend import IntsimBackend, Rep

from intsim.errors import InputError

QUANTIZED = ("quantizelinear", "qlinear", "matmulinteger", "convinteger", "dynamicquantize")
NARROW = ("INT4", "FLOAT8", "FLOAT4", "INT2", "E8M0")
OPERATORS = {
    "QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger",
}  # fmt: skip
_NAN = "float4 has no NaN, and intsim makes up no code: the test's data have the minus zero of ml_dtypes"
REFUSED = {
    f"test_cast{like}_{source}_to_FLOAT4E2M1{expanded}": _NAN
    for like, expanded in (("", ""), ("like", ""), ("like", "_expanded"))
    for source in ("FLOAT", "FLOAT16")
}
"""Name of a cast that does not pass -> why."""


@cache
def cases() -> dict[str, Any]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():  # of the tests' own arithmetic
        warnings.simplefilter("ignore")
        return {case.name: case for case in collect_testcases(None)}


def quantized() -> list[str]:
    return sorted(name for name in cases() if any(word in name for word in QUANTIZED))


def casts() -> list[str]:
    found = (name for name in cases() if name.startswith("test_cast"))
    return sorted(name for name in found if any(word in name for word in NARROW))


def array_of(value: Any) -> np.ndarray:
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def check(name: str) -> Rep:
    """Every output of every data set: type, shape and every bit."""
    case = cases()[name]
    rep = IntsimBackend.prepare(case.model)
    for inputs, outputs in case.data_sets:
        found = rep.run(list(inputs))
        assert len(found) == len(outputs)
        for got, expected in zip(found, outputs, strict=True):
            wanted = array_of(expected)
            assert got.dtype == wanted.dtype
            assert got.shape == wanted.shape
            assert np.array_equal(bits(got), bits(wanted)) or same_reals(got, wanted)
    return rep


def bits(array: np.ndarray) -> np.ndarray:
    size = array.dtype.itemsize
    return np.ascontiguousarray(array).view(f"u{size}")


def same_reals(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal but for NaN's bits and zero's sign."""
    return np.array_equal(a.astype(np.float64), b.astype(np.float64), equal_nan=True)


def test_there_are_as_many_as_there_were() -> None:
    assert (len(quantized()), len(casts())) == (45, 148)


@pytest.mark.parametrize("name", quantized())
def test_quantized_operators(name: str) -> None:
    rep = check(name)
    by = {how for op, how in rep.ran if op in OPERATORS}
    assert by
    assert by <= {"network", "formats"}


@pytest.mark.parametrize("name", casts())
def test_casts_of_narrow_types(name: str) -> None:
    if name not in REFUSED:
        check(name)
        return
    with pytest.raises(InputError, match="values must have a code, and NaN and infinity have none"):
        check(name)
    assert np.isnan(array_of(cases()[name].data_sets[0][0][0]).astype(np.float64)).any()


def test_what_does_not_pass_is_there() -> None:
    assert REFUSED.keys() <= set(casts())
    assert len(REFUSED) == 6
