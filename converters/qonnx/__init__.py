"""QONNX and FINN dialect ONNX files to networks.

A QONNX file computes in float32 and says with quantizers which of its tensors are integers. Here the
integers are computed, and the float steps between a sum and the quantizer behind it become the thresholds
that they amount to (`staircase`). A lowering for one more family of operators: see `lowering`, write
``lower_<family>.py``, and import it here.
"""

from intsim_converters.qonnx import (
    lower_arguments,
    lower_convolution,
    lower_elementwise,
    lower_movement,
    lower_pooling,
    lower_products,
    lower_quantize_linear,
    lower_quantizers,
)
from intsim_converters.qonnx.convert import CONVERTER, Conversion, QonnxConverter, convert_file

LOWERED = (
    lower_arguments,
    lower_convolution,
    lower_elementwise,
    lower_movement,
    lower_pooling,
    lower_products,
    lower_quantize_linear,
    lower_quantizers,
)
"""The modules that register lowerings, by being imported."""

__all__ = ["CONVERTER", "LOWERED", "Conversion", "QonnxConverter", "convert_file"]
