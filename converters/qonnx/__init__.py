"""QONNX and FINN dialect ONNX files to networks.

A QONNX file computes in float32 and says with quantizers which of its tensors are integers. Here the
integers are computed, and the float steps between a sum and the quantizer behind it become the thresholds
that they amount to (`staircase`). A lowering for one more family of operators: see `lowering`, write
``lower_<family>.py``, and import it here.

What is equal
-------------
QONNX' float32 is exact where scales are powers of two (or have few bits) and sums stay within 24 bits: then
every integer is QONNX', for every input. Elsewhere the network holds the true integer sums, and a code can
differ from QONNX' only where its float sum was rounded across a threshold; `doubts` counts the sums where
that could be.
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
from intsim_converters.qonnx.doubts import Doubt, doubts

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

__all__ = ["CONVERTER", "LOWERED", "Conversion", "Doubt", "QonnxConverter", "convert_file", "doubts"]
