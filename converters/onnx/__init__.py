"""ONNX files to networks: QOperator and QDQ graphs.

A lowering for one more family of operators: see the recipe in `lowering`, write ``lower_<family>.py``, and
import it here.
"""

from intsim_converters.onnx import (
    lower_blocked,
    lower_blocked_products,
    lower_cast,
    lower_compare,
    lower_concat,
    lower_conv_transpose,
    lower_convolution,
    lower_doors,
    lower_elementwise,
    lower_functions,
    lower_matmul,
    lower_means,
    lower_movement,
    lower_pooling,
    lower_reduce,
    lower_resize,
    lower_slicing,
    lower_softmax,
    lower_tables,
    lower_where,
)
from intsim_converters.onnx.convert import CONVERTER, Conversion, OnnxConverter, convert_model
from intsim_converters.onnx.reader import read_model
from intsim_converters.onnx.values import Layout

LOWERED = (
    lower_blocked,
    lower_blocked_products,
    lower_cast,
    lower_compare,
    lower_concat,
    lower_conv_transpose,
    lower_convolution,
    lower_doors,
    lower_elementwise,
    lower_functions,
    lower_matmul,
    lower_means,
    lower_movement,
    lower_pooling,
    lower_reduce,
    lower_resize,
    lower_slicing,
    lower_softmax,
    lower_tables,
    lower_where,
)
"""The modules that register lowerings, by being imported."""

__all__ = [
    "CONVERTER",
    "LOWERED",
    "Conversion",
    "Layout",
    "OnnxConverter",
    "convert_model",
    "read_model",
]
