"""Weights quantized in groups and reshaped to a matrix: Brevitas does not write them; refused by name."""

import numpy as np
import pytest
from intsim_converters.qonnx import CONVERTER

from intsim.errors import ConversionError
from tests.converters.qonnx.builder import QonnxBuilder


def test_scales_of_groups_of_inputs() -> None:
    b = QonnxBuilder()
    weights = b.quant(b.floats(np.ones((2, 4, 6))), np.linspace(0.1, 1, 12).reshape(2, 1, 6), 4)
    matrix = b.node("Reshape", [weights, b.whole(8, 6)])
    data = b.finish(b.quant(b.node("MatMul", [b.codes((1, 8), "INT8"), matrix]), 0.5))
    with pytest.raises(
        ConversionError,
        match=r"scales of weights 'c1' must be one, or one per output channel, not of shape \(8, 6\)",
    ):
        CONVERTER.convert(data)
