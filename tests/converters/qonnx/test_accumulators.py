"""What registers sums are made in, and what formats low-bit integers land in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.qonnx import convert_file

from intsim.arithmetic import Accumulator, Overflow
from intsim.errors import ConversionError
from intsim.formats import Bipolar, IntFormat, Ternary
from tests.converters.qonnx.builder import CUSTOM, QonnxBuilder


def dense(b: QonnxBuilder, y: str) -> Any:
    network = convert_file(b.finish(y)).network
    return next(node.op for node in network.nodes if node.op.name == "dense")


def product(b: QonnxBuilder, **attributes: Any) -> str:
    w = b.annotate(b.floats(np.ones((8, 2))), "BIPOLAR")
    return b.node("MatMul", [b.codes((1, 8), "BIPOLAR"), w], **attributes)


def test_32_bits_where_nothing_is_said() -> None:
    b = QonnxBuilder()
    assert dense(b, product(b)).accumulator == Accumulator(IntFormat(32))


def test_the_data_type_of_the_sums() -> None:
    b = QonnxBuilder()
    y = b.annotate(product(b), "INT5")
    assert dense(b, y).accumulator == Accumulator(IntFormat(5), Overflow.WRAP)


def test_an_attribute_comes_first() -> None:
    b = QonnxBuilder()
    y = b.annotate(product(b, accDataType="INT7"), "INT5")
    assert dense(b, y).accumulator == Accumulator(IntFormat(7))


def test_a_width_is_said_of_scaled_sums() -> None:
    b = QonnxBuilder()
    w = b.quant(b.floats(np.ones((8, 2))), 0.3, 4.0, narrow=1)
    y = b.annotate(b.node("MatMul", [b.codes((1, 8), "BIPOLAR"), w]), "SCALEDINT<9>")
    assert dense(b, y).accumulator == Accumulator(IntFormat(9))


def test_a_data_type_of_scaled_reals_says_nothing_of_sums() -> None:
    b = QonnxBuilder()
    w = b.quant(b.floats(np.ones((8, 2))), 0.5, 4.0, narrow=1)
    y = b.annotate(b.node("MatMul", [b.codes((1, 8), "BIPOLAR"), w]), "INT5")
    assert dense(b, y).accumulator == Accumulator(IntFormat(32))


def test_more_bits_where_the_bounds_ask_for_them() -> None:
    b = QonnxBuilder()
    w = b.annotate(b.floats(np.full((8, 2), 2.0**20)), "INT24")
    y = b.node("MatMul", [b.codes((1, 8), "INT16"), w])
    assert dense(b, y).accumulator.format.bits == 39


def test_an_accumulator_that_is_no_integer() -> None:
    b = QonnxBuilder()
    data = b.finish(product(b, accDataType="FLOAT32"))
    with pytest.raises(ConversionError, match="accDataType must be an integer data type, not 'FLOAT32'"):
        convert_file(data)


@pytest.mark.parametrize(
    ("bits", "narrow", "format"),
    [(1.0, 0, Bipolar()), (2.0, 1, Ternary()), (2.0, 0, IntFormat(2)), (3.0, 1, IntFormat(3))],
)
def test_low_bit_weights_and_codes(bits: float, narrow: int, format: Any) -> None:
    b = QonnxBuilder()
    x = b.quant(b.codes((1, 4), "INT8"), 0.5, bits, narrow=narrow)
    w = b.quant(b.floats(np.eye(4)), 0.25, bits, narrow=narrow)
    y = b.node("MatMul", [x, w])
    network = convert_file(b.finish(y)).network
    assert network.specs[x].format == format
    assert next(node.op for node in network.nodes if node.op.name == "dense").weight_format == format


def test_matches_are_sums_over_signs() -> None:
    b = QonnxBuilder()
    w = b.annotate(b.floats([[1, 0], [0, 0], [1, 0]]), "BINARY")
    y = b.node("XnorPopcountMatMul", [b.codes((1, 3), "BINARY"), w], domain=CUSTOM)
    op = dense(b, b.annotate(y, "UINT32"))
    assert op.weight_format == Bipolar()
    assert op.bias.tolist() == [1, 3]
    assert op.accumulator == Accumulator(IntFormat(32, signed=False))
