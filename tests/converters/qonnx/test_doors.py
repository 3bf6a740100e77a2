"""Float graph inputs behind a quantizer, and inputs that a data type or a dialect makes integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intsim_converters.qonnx import Conversion, convert_file

from intsim.engine import run
from intsim.errors import ConversionError
from intsim.formats import Bipolar, IntFormat, Quantization, RealFormat, Ternary
from tests.converters.qonnx.agree import assert_agrees, inputs_of
from tests.converters.qonnx.builder import QonnxBuilder
from tests.converters.qonnx.drawing import MODES, by_channel, positive
from tests.converters.qonnx.execution import Execution

MODES_OF_DOORS = sorted(set(MODES) - {"HALF_UP"})


def around_steps(scale: np.ndarray[Any, Any], channels: int) -> np.ndarray[Any, Any]:
    """Multiples of a quarter of the scale, and the floats on both sides of each."""
    near = (
        np.arange(-40, 41, dtype=np.float32) / 4 * np.broadcast_to(scale.reshape(1, -1, 1), (1, channels, 1))
    )
    sides = [np.nextafter(near, np.float32(end)) for end in (-np.inf, np.inf)]
    extremes = np.array([0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38], np.float32)
    wide = np.broadcast_to(extremes, (1, channels, extremes.size))
    return np.concatenate([near, *sides, wide], axis=2).astype(np.float32)


def assert_door_agrees(b: QonnxBuilder, y: str, values: np.ndarray[Any, Any]) -> Conversion:
    data = b.finish(y)
    conversion = convert_file(data)
    assert conversion.network.inputs[0].spec.format == RealFormat(32)
    assert_agrees(conversion, Execution(data), iter([{"x": values}]), engine="reference")
    return conversion


@given(st.data())
def test_quantizers_of_floats(data: Any) -> None:
    b, bits = QonnxBuilder(), data.draw(st.integers(1, 8))
    scale = data.draw(by_channel(positive(), 3, 3))
    values = around_steps(scale, 3)
    signs = {"signed": data.draw(st.integers(0, 1)), "narrow": data.draw(st.integers(0, int(bits > 1)))}
    x = b.input("x", values.shape, "float32")
    y = b.quant(x, scale, float(bits), mode=data.draw(st.sampled_from(MODES_OF_DOORS)), **signs)
    assert_door_agrees(b, y, values)


@given(st.data())
def test_quantize_linear_of_floats(data: Any) -> None:
    b, several = QonnxBuilder(), data.draw(st.booleans())
    dtype = data.draw(st.sampled_from(["int8", "uint8"]))
    scale = np.array(data.draw(st.lists(positive(), min_size=3, max_size=3)), np.float32)
    zero = np.array(data.draw(st.lists(st.integers(0, 9), min_size=3, max_size=3)))
    values = around_steps(scale if several else scale[:1], 3)
    meaning = b.meaning("m", scale if several else scale[0], zero if several else zero[0], dtype)
    codes = b.quantize(b.input("x", values.shape, "float32"), meaning, axis=1)
    if data.draw(st.booleans()):
        low = b.constant("low", -8 if dtype == "int8" else 0, dtype)
        codes = b.node("Clip", [codes, low, b.constant("high", 7, dtype)])
    assert_door_agrees(b, b.dequantize(codes, meaning, axis=1), values)


def test_the_sign_of_floats() -> None:
    b = QonnxBuilder()
    values = around_steps(np.array([0.5], np.float32), 2)
    y = b.custom("BipolarQuant", [b.input("x", values.shape, "float32"), b.floats(0.3)])
    conversion = assert_door_agrees(b, y, values)
    assert conversion.network.specs[y].format == Bipolar()
    assert conversion.network.specs[y].quantization == Quantization.per_tensor(np.float32(0.3))


def test_a_reshaped_float_input() -> None:
    b = QonnxBuilder()
    x = b.node("Flatten", [b.input("x", (1, 2, 3), "float32")])
    conversion = assert_door_agrees(
        b, b.quant(x, 0.5, 2.0, narrow=1), np.linspace(-2, 2, 6, dtype=np.float32).reshape(1, 2, 3)
    )
    assert conversion.network.specs[conversion.network.outputs[0]].format == Ternary()


@pytest.mark.parametrize(
    ("mode", "zero", "said"),
    [
        ("HALF_UP", 0.0, "cannot be exact at the door"),
        ("ROUND", 3.0, "zero point of float input 'x' must be 0"),
    ],
)
def test_floats_that_qonnx_rounds_in_its_own_way(mode: str, zero: float, said: str) -> None:
    b = QonnxBuilder()
    data = b.finish(b.quant(b.input("x", (1, 4), "float32"), 0.5, zero=zero, mode=mode))
    with pytest.raises(ConversionError, match=said):
        convert_file(data)


@pytest.mark.parametrize(
    ("data_type", "format", "step"),
    [
        ("UINT8", IntFormat(8, signed=False), 1.0),
        ("BIPOLAR", Bipolar(), 1.0),
        ("TERNARY", Ternary(), 1.0),
        ("BINARY", IntFormat(1, signed=False), 1.0),
        ("FIXED<6,2>", IntFormat(6), 0.0625),
    ],
)
def test_data_types_of_inputs(data_type: str, format: Any, step: float) -> None:
    b = QonnxBuilder()
    data = b.finish(b.quant(b.codes((1, 9), data_type), 0.5, 4.0))
    conversion, execution = convert_file(data), Execution(data)
    spec = conversion.network.inputs[0].spec
    assert (spec.format, spec.quantization) == (format, Quantization.per_tensor(step))
    assert_agrees(conversion, execution, inputs_of(conversion, execution, 3, seed=0), engine="reference")


def test_images_of_8_bits_by_dialect() -> None:
    b = QonnxBuilder()
    x = b.input("x", (1, 1, 16, 16), "float32")
    data = b.finish(b.quant(b.node("Mul", [x, b.floats(2.0)]), 0.01, 6.0, signed=0))
    with pytest.raises(ConversionError, match="dialect qonnx-image8"):
        convert_file(data)
    conversion = convert_file(data, "qonnx-image8")
    codes = np.arange(256).reshape(1, 1, 16, 16)
    assert_agrees(conversion, Execution(data), iter([{"x": codes}]))
    tensor = (np.arange(256, dtype=np.float32) / np.float32(255)).reshape(1, 1, 16, 16)  # as ToTensor divides
    found = run(conversion.network, {"x": codes.astype(np.uint8)}).outputs
    wanted = Execution(data).run({"x": tensor})
    for name, array in found.items():
        assert np.count_nonzero((array * np.float32(0.01)).astype(np.float32) != wanted[name]) <= 1
