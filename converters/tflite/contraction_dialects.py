"""Which arithmetic the sums of CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED meet, by dialect.

| dialect         | 32-bit sum                                    | 64-bit sum                               |
|-----------------|-----------------------------------------------|------------------------------------------|
| litert-ref      | tflite-double; FULLY_CONNECTED: litert-ref-fc | tflite-m64; FULLY_CONNECTED:             |
|                 |                                               | litert-ref-fc (int16 weights tflite-m64) |
| tflm            | tflite-double                                 | tflite-m64                               |
| single-rounding | tflite-single                                 | tflite-m64                               |
| xnnpack         | rules X1 to X4                                | X4                                       |

Rules (X), LiteRT 2.3.0 on x86 with its default resolver, measured on single operators
---------------------------------------------------------------------------------------
X1. XNNPACK takes int8 and uint8 activations where input and output have their one scale along axis 0,
    the bias (which only FULLY_CONNECTED may lack) is quantized, and the weights are: uint8 with their
    scale along axis 0; int8, of which those of one scale have zero point 0; in FULLY_CONNECTED also int4
    with an even depth, and int2 with several scales and a depth that is a multiple of 4. The sum becomes
    f32-rne-zp-after.
X2. What it leaves to the optimized kernels of CONV_2D and FULLY_CONNECTED becomes tflite-neon; but a
    grouped CONV_2D runs on the reference kernel, tflite-double.
X3. What it leaves of DEPTHWISE_CONV_2D is tflite-double for uint8, and refused for int8: the optimized
    kernel rounds some channels one way and some the other, by their place in memory.
X4. A 64-bit sum runs on the reference kernels. FULLY_CONNECTED of int16 without bias is a 32-bit sum.
"""

from __future__ import annotations

from intsim_converters.tflite.contraction import Contraction
from intsim_converters.tflite.lowering import Lowering
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic.dialects import DIALECTS, Dialect


def window_dialect(op: Lowering, parts: Contraction, groups: int = 1) -> Dialect:
    """The arithmetic of a convolution's sums.

    groups : of CONV_2D
    """
    if parts.wide:
        return DIALECTS["tflite-m64"]
    if op.dialect != "xnnpack":
        return op.fixed_point
    if xnnpack_takes(op, parts):
        return DIALECTS["f32-rne-zp-after"]
    if op.name == "DEPTHWISE_CONV_2D" and parts.x.dtype != "uint8":
        op.refuse(
            "XNNPACK does not take it, and the optimized kernel's rounding depends on where a channel lies"
            " in memory; use another dialect. [X3]"
        )
    reference = op.name == "DEPTHWISE_CONV_2D" or groups != 1
    return DIALECTS["tflite-double" if reference else "tflite-neon"]


def dense_dialect(op: Lowering, parts: Contraction) -> Dialect:
    """The arithmetic of the sums of FULLY_CONNECTED."""
    if parts.w.dtype == "int16":
        return DIALECTS["tflite-m64"]
    if op.dialect == "litert-ref" or (op.dialect == "xnnpack" and parts.wide):
        return DIALECTS["litert-ref-fc"]
    if parts.wide:
        return DIALECTS["tflite-m64"]
    if op.dialect != "xnnpack":
        return op.fixed_point
    return DIALECTS["f32-rne-zp-after"] if xnnpack_takes(op, parts) else DIALECTS["tflite-neon"]


def xnnpack_takes(op: Lowering, parts: Contraction) -> bool:
    """Rule X1."""
    dense = op.name == "FULLY_CONNECTED"
    if parts.x.dtype == "int16" or not (_plain(parts.x) and _plain(parts.y)):
        return False
    if op.has(2):
        scales = op.input(2).tensor.scales
        if scales is None or scales.scale.size == 0:
            return False
    elif not dense:
        return False
    w = parts.w
    if w.dtype == "uint8":
        return _plain(w)
    if parts.weight_zero_point != 0:
        return False
    if w.dtype == "int8":
        return True
    depth = w.shape[-1]
    if w.dtype == "int4":
        return dense and depth % 2 == 0
    return dense and depth % 4 == 0 and w.scales.size > 1


def _plain(view: TensorView) -> bool:
    """Whether the tensor's scale is written along axis 0, as XNNPACK's delegate asks."""
    return view.quantized_axis == 0
