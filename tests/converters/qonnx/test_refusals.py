"""What cannot be converted: one error that names it, exit 2, and no file."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.qonnx import convert_file
from intsim_converters.qonnx.lowering import LOWERINGS

from intsim.cli.main import main
from intsim.errors import ConversionError, FileError
from tests.converters.onnx.damage import DAMAGES, damaged
from tests.converters.qonnx.builder import QonnxBuilder


def codes(b: QonnxBuilder) -> str:
    return b.codes((1, 2, 4), "INT8")


def fractional_bits(b: QonnxBuilder) -> str:
    return b.quant(codes(b), 0.5, 3.5)


def several_widths(b: QonnxBuilder) -> str:
    return b.quant(codes(b), 0.5, np.array([3.0, 4.0]).reshape(1, 2, 1))


def stochastic(b: QonnxBuilder) -> str:
    return b.quant(codes(b), 0.5, mode="STOCHASTIC")


def fractional_zero(b: QonnxBuilder) -> str:
    return b.quant(codes(b), 0.5, zero=0.5)


def negative_scale(b: QonnxBuilder) -> str:
    return b.quant(codes(b), -0.5)


def scale_that_does_not_fit(b: QonnxBuilder) -> str:
    return b.quant(codes(b), np.ones((1, 3, 1)))


def computed_scale(b: QonnxBuilder) -> str:
    x = codes(b)
    return b.custom("Quant", [x, x, b.floats(0.0), b.floats(4.0)], signed=1, narrow=0)


def scales_by_place(b: QonnxBuilder) -> str:
    y = b.node("Mul", [codes(b), b.floats(np.arange(1, 9).reshape(1, 2, 4))])
    return b.quant(y, 0.5)


def too_many_codes(b: QonnxBuilder) -> str:
    return b.quant(b.node("Mul", [b.codes((1, 2, 4), "INT32"), b.floats(0.3)]), 0.5, 24.0)


def float_weights(b: QonnxBuilder) -> str:
    return b.node("MatMul", [codes(b), b.floats(np.full((4, 2), 0.3))])


def two_input_scales(b: QonnxBuilder) -> str:
    x = b.quant(codes(b), np.array([0.5, 1]).reshape(1, 2, 1))
    return b.node("Conv", [x, b.quant(b.floats(np.ones((3, 2, 1))), 1.0, narrow=1)], kernel_shape=[1])


def sigmoid(b: QonnxBuilder) -> str:
    return b.quant(b.node("Sigmoid", [codes(b)]), 0.1)


def float_quant(b: QonnxBuilder) -> str:
    return b.custom("FloatQuant", [codes(b), b.floats(1.0)])


def control_flow(b: QonnxBuilder) -> str:
    return b.node("Loop", [codes(b)])


def zero_among_signs(b: QonnxBuilder) -> str:
    return b.thresholds(codes(b), [[-1.0, 1.0]], out_bias=-1.0, out_dtype="BIPOLAR")


def constant_over_computed(b: QonnxBuilder) -> str:
    return b.quant(b.node("Div", [b.floats(1.0), codes(b)]), 0.1)


def float_output(b: QonnxBuilder) -> str:
    return b.node("Add", [codes(b), b.floats(0.3)])


def scales_that_do_not_meet(b: QonnxBuilder) -> str:
    x = codes(b)
    return b.node("Add", [b.quant(x, 0.3), b.quant(x, 0.5)])


def unknown_data_type(b: QonnxBuilder) -> str:
    return b.quant(b.codes((1, 2, 4), "COMPLEX8"), 0.5)


def scaled_input(b: QonnxBuilder) -> str:
    return b.quant(b.codes((1, 2, 4), "SCALEDINT<8>"), 0.5)


def weights_outside_their_type(b: QonnxBuilder) -> str:
    return b.node("MatMul", [codes(b), b.annotate(b.floats(np.full((4, 2), 9.0)), "INT4")])


def dynamic_shape(b: QonnxBuilder) -> str:
    return b.quant(b.annotate(b.input("x", (1, "height", 4), "float32"), "INT8"), 0.5)


def largest_two(b: QonnxBuilder) -> str:
    b.node("TopK", [codes(b), b.whole(2)], ["values", "places"])
    return "places"


def kernel_beyond_the_image(b: QonnxBuilder) -> str:
    w = b.quant(b.floats(np.ones((3, 2, 2))), 1.0, narrow=1)
    return b.node("Conv", [codes(b), w], kernel_shape=[2], dilations=[9])


def no_weights(b: QonnxBuilder) -> str:
    w = b.quant(b.floats(np.ones((0, 2, 1))), 1.0, narrow=1)
    return b.node("Conv", [codes(b), w], kernel_shape=[1])


def no_scale(b: QonnxBuilder) -> str:
    return b.quant(codes(b), np.ones(0))


def attribute_of_another_type(b: QonnxBuilder) -> str:
    given = [codes(b), b.floats(0.5), b.floats(0.0), b.floats(8.0)]
    return b.custom("Quant", given, signed=1.0, narrow=0)


def many_axes(b: QonnxBuilder) -> str:
    return b.quant(b.codes((1,) * 60, "INT8"), 0.5)


REFUSALS: list[tuple[Callable[[QonnxBuilder], str], str]] = [
    (fractional_bits, r"Quant \(-> 't1'\): bit width must be one whole number from 1 to 32, not \[3.5\]"),
    (several_widths, r"bit width must be one whole number from 1 to 32, not \[3.0, 4.0\]"),
    (stochastic, "rounding_mode must be one of ROUND, .*, not 'STOCHASTIC'"),
    (fractional_zero, r"zero point must be a whole number, not \[0.5\]"),
    (negative_scale, "scale must be positive and finite"),
    (scale_that_does_not_fit, r"scale of shape \(1, 3, 1\) must broadcast to \(1, 2, 4\)"),
    (computed_scale, "scale 'x' must be constant, not computed"),
    (scales_by_place, r"parameters must run along one axis, not axes \[1, 2\]"),
    (too_many_codes, "codes must be at most 65536 apart"),
    (float_weights, "weights 'c1' must be integers: quantize them, or annotate an integer data type"),
    (two_input_scales, "input must have one scale and one zero point, as a sum mixes channels"),
    (sigmoid, r"Sigmoid \(-> 't1'\): is not an operator that this converter knows"),
    (float_quant, "FloatQuant .* is not an operator that this converter knows"),
    (control_flow, r"Loop \(-> 't1'\): runs other graphs; control flow is not converted"),
    (zero_among_signs, r"out_dtype BIPOLAR must hold the code \[0\]"),
    (constant_over_computed, "divisor must be a constant, not computed"),
    (float_output, "graph output .* float region: Add behind 'x' must be a scale"),
    (scales_that_do_not_meet, "scales must be equal, or whole multiples of one another"),
    (unknown_data_type, "data type must say which integers it holds, not 'COMPLEX8'"),
    (scaled_input, "data type must say which integers it holds, not 'SCALEDINT<8>'"),
    (weights_outside_their_type, "constant 'c1' must be in int4 as annotated"),
    (dynamic_shape, r"shape must be known, but for the batch on the first axis, not \(1, height, 4\)"),
    (largest_two, r"K must be 1, not \(2,\)"),
    (kernel_beyond_the_image, r"conv2d: .* \[R1\]|conv2d.*must"),
    (no_weights, r"input must have elements, not shape \(0, 2, 1\)"),
    (no_scale, r"scale of shape \(0,\) must broadcast to \(1, 2, 4\)"),
    (attribute_of_another_type, "attribute 'signed' must be of type INT"),
    (many_axes, "must have at most 32 axes, not 60"),
]


def model(make: Callable[[QonnxBuilder], str]) -> bytes:
    b = QonnxBuilder()
    return b.finish(make(b))


@pytest.mark.parametrize(("make", "said"), REFUSALS, ids=[make.__name__ for make, _ in REFUSALS])
def test_refused_by_name(make: Callable[[QonnxBuilder], str], said: str) -> None:
    with pytest.raises(ConversionError, match=said):
        convert_file(model(make))


def test_all_reasons_are_told_at_once() -> None:
    b = QonnxBuilder()
    x = codes(b)
    data = b.finish(b.quant(x, 0.5, 3.5), b.node("Sigmoid", [x]))
    with pytest.raises(ConversionError) as caught:
        convert_file(data)
    assert len(caught.value.findings) == 2


def test_an_unknown_dialect() -> None:
    with pytest.raises(ConversionError, match="dialect must be one of qonnx, qonnx-image8, not 'finn'"):
        convert_file(model(codes), "finn")


def test_the_command_says_it_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "net.onnx", tmp_path / "net.h5"
    source.write_bytes(model(fractional_bits))
    assert main(["convert", str(source), "--from", "qonnx", "-o", str(target)]) == 2
    assert "bit width must be one whole number from 1 to 32, not [3.5]" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_an_error_in_words_or_another_model(data: st.DataObject) -> None:
    """Bytes changed, put in or left out: one of the converter's own errors, or a network."""
    b = QonnxBuilder()
    x = b.quant(b.node("Conv", [codes(b), b.quant(b.floats(np.ones((3, 2, 2))), 0.5, 4)]), 0.7)
    whole = b.finish(b.node("MaxPool", [x], kernel_shape=[2]))
    with suppress(FileError, ConversionError):
        convert_file(damaged(whole, data.draw(DAMAGES)))


def test_the_command_converts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    b = QonnxBuilder()
    source, target = tmp_path / "net.onnx", tmp_path / "net.h5"
    source.write_bytes(b.finish(b.quant(codes(b), 0.5, 4.0)))
    assert main(["convert", str(source), "--from", "qonnx", "-o", str(target)]) == 0
    assert "1 nodes, dialect qonnx" in capsys.readouterr().err
    assert target.exists()


def test_every_operator_is_listed_in_the_readme() -> None:
    text = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    listed = text.partition("Operators of QONNX and FINN files:")[2].partition("Bit widths")[0]
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted({operator for _, operator in LOWERINGS})
