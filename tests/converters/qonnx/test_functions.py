"""The quantizers' float32 functions against QONNX' own, on ties and the floats beside them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intsim_converters.qonnx import quantizers
from intsim_converters.qonnx.quantizers import ROUNDINGS, limits

from tests.converters.qonnx.drawing import MODES, positive

with warnings.catch_warnings():  # what others warn of while they are imported
    warnings.simplefilter("ignore")
    from qonnx.custom_op.general.bipolar_quant import binary_quant
    from qonnx.custom_op.general.multithreshold import multithreshold
    from qonnx.custom_op.general.quant import quant
    from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2

F = np.float32


@st.composite
def values(draw: Any, scale: float) -> np.ndarray[Any, Any]:
    """Half steps of a scale and their neighbours, small and large floats, and drawn ones."""
    near = np.arange(-300, 301, dtype=F) / F(2) * F(scale)
    sides = [np.nextafter(near, F(end)) for end in (-np.inf, np.inf)]
    extremes = np.array(
        [0.0, -0.0, 1e-45, -1e-45, 1e-30, 8388609.0, -8388609.0, 1e37, -1e37, np.inf, -np.inf], F
    )
    drawn = np.array(draw(st.lists(st.floats(-1e4, 1e4, width=32), max_size=20)), F)
    return np.concatenate([near, *sides, extremes, drawn])


@given(st.data(), st.integers(1, 8), st.booleans(), st.booleans(), st.integers(-20, 20))
def test_quant(data: Any, bits: int, signed: bool, narrow: bool, zero: int) -> None:
    scale, mode = data.draw(positive()), data.draw(st.sampled_from(MODES))
    x = data.draw(values(scale))
    low, high = limits(bits, signed, narrow)
    wanted = quant(x, F(scale), F(zero), F(bits), signed, narrow, mode)
    if bits == 1 and signed:
        codes = 2 * quantizers.sign(x, F(scale), F(zero)) - 1
    else:
        codes = low + quantizers.integers(ROUNDINGS[mode], low, high)(x, F(scale), F(zero))
        assert low <= codes.min() <= codes.max() <= high
    assert np.array_equal((codes - zero).astype(F) * F(scale), wanted)


@pytest.mark.parametrize("mode", MODES)
def test_every_rounding_beside_its_ties(mode: str) -> None:
    ties = np.arange(-20, 21, dtype=F) / F(2)
    x = np.concatenate([ties, *(np.nextafter(ties, F(end)) for end in (-np.inf, np.inf))])
    codes = quantizers.integers(ROUNDINGS[mode], -8, 7)(x, F(1), F(0)) - 8
    assert np.array_equal(codes.astype(F), quant(x, F(1), F(0), F(4), True, False, mode))


@given(st.data())
def test_bipolar(data: Any) -> None:
    x = data.draw(values(1.0))
    codes = 2 * quantizers.sign(x, F(1), F(0)) - 1
    assert np.array_equal(codes.astype(F) * F(0.3), binary_quant(x, F(0.3)))


@given(st.data(), st.integers(1, 5))
def test_multi_threshold(data: Any, channels: int) -> None:
    steps = data.draw(st.integers(1, 9))
    row = st.lists(st.integers(-40, 40).map(lambda n: n / 8), min_size=steps, max_size=steps)
    rows = np.array(data.draw(st.lists(row, min_size=channels, max_size=channels)), F)
    x = np.repeat(data.draw(values(0.25))[:, None], channels, axis=1)
    assert np.array_equal(quantizers.reached(x, np.sort(rows, axis=1)), multithreshold(x, rows))


@given(st.data(), st.integers(2, 10), st.integers(-4, 4))
def test_truncations(data: Any, before: int, zero: int) -> None:
    scale, mode = data.draw(positive()), data.draw(st.sampled_from(MODES))
    after = data.draw(st.integers(1, before))
    x = np.clip(data.draw(values(scale)), F(-1e6), F(1e6))
    codes = quantizers.truncated(ROUNDINGS[mode], 2.0 ** (before - after), None)(x, F(scale), F(zero))
    wanted = trunc_v1(x, F(scale), F(zero), F(before), F(after), mode)
    assert np.array_equal((codes - zero).astype(F) * F(scale), wanted)


@given(st.data(), st.integers(1, 8), st.booleans(), st.integers(0, 5))
def test_truncations_of_version_2(data: Any, bits: int, signed: bool, power: int) -> None:
    scale, mode = data.draw(positive()), data.draw(st.sampled_from(MODES))
    zero = data.draw(st.integers(-3, 3)) << power
    low, high = limits(bits, signed, False)
    x = data.draw(values(scale))
    divisor = 2.0**power
    target = F(F(scale) * F(divisor))
    codes = low + quantizers.truncated(ROUNDINGS[mode], divisor, (low, high))(x, F(scale), F(zero))
    wanted = trunc_v2(x, F(scale), F(zero), F(8), False, signed, target, F(bits), mode)
    assert np.array_equal((codes - (zero >> power)).astype(F) * target, wanted)
