"""Single quantizers behind drawn float steps, on all integers, against QONNX' own execution."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from intsim_converters.qonnx import convert_file
from intsim_converters.qonnx.annotations import parse

from tests.converters.qonnx.agree import assert_agrees
from tests.converters.qonnx.builder import QonnxBuilder
from tests.converters.qonnx.drawing import TYPES, quantizer, step, trunc
from tests.converters.qonnx.execution import Execution


def every_code(data_type: str, channels: int) -> np.ndarray[Any, Any]:
    """All integers of a data type, in each channel."""
    kind = parse(data_type)
    assert kind is not None
    assert kind.format is not None
    values = np.arange(kind.format.min, kind.format.max + 1)
    values = values[~kind.format.outside(values)]
    return np.broadcast_to(values, (1, channels, values.size))


def assert_all_codes_agree(b: QonnxBuilder, y: str, codes: np.ndarray[Any, Any]) -> None:
    data = b.finish(y)
    conversion = convert_file(data)
    assert_agrees(conversion, Execution(data), iter([{"x": codes}]), engine="reference")


@given(st.data())
def test_quantizers_behind_float_steps(data: Any) -> None:
    channels, kind = data.draw(st.integers(1, 3)), data.draw(st.sampled_from(TYPES))
    codes = every_code(kind, channels)
    rank = data.draw(st.sampled_from([3, 4]))
    codes = codes.reshape(codes.shape if rank == 3 else (1, channels, -1, 1))
    b = QonnxBuilder()
    y = b.codes(codes.shape, kind)
    for _ in range(data.draw(st.integers(0, 3))):
        y = data.draw(step(b, y, channels, rank))
    y = data.draw(quantizer(b, y, channels, rank))
    assert_all_codes_agree(b, y, codes)


@given(st.data())
def test_a_quantizer_behind_a_quantizer(data: Any) -> None:
    codes = every_code("INT10", 2)
    b = QonnxBuilder()
    y = b.codes(codes.shape, "INT10")
    for last in (False, False, True):
        y = data.draw(quantizer(b, b.node("Mul", [y, b.floats(0.375)]), 2, 3, last))
    assert_all_codes_agree(b, y, codes)


@given(st.data(), st.sampled_from([1, 2]))
def test_truncations(data: Any, version: int) -> None:
    codes = every_code(data.draw(st.sampled_from(["INT10", "UINT8", "INT8"])), 1)
    kind = "INT10" if codes.size == 1024 else "UINT8" if codes.min() == 0 else "INT8"
    b = QonnxBuilder(version=version)
    y = b.node("Mul", [b.codes(codes.shape, kind), b.floats(data.draw(st.sampled_from([0.25, 1.0, 1.5])))])
    assert_all_codes_agree(b, data.draw(trunc(b, y)), codes)
