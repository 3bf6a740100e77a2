"""Requantizations in float32, as processors run them: one product, ties to even.

They differ in whether the zero point is added before or after the rounding, which shows at ties when it
is odd, and in whether a bias is an integer in the sum or a real added to the sum. Limits that a runtime
applies to the float, before it rounds, are the same limits on the integers after it.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/mlas/lib/quantize.cpp (MlasRequantizeOutput), qlinear_conv.cc;
XNNPACK: src/qs8-requantization, the fp32 microkernels; FBGEMM: include/fbgemm/OutputProcessing-inl.h
(ReQuantizeOutput); PyTorch 2.13.0: aten/src/ATen/native/quantized/cpu.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic.dialects.base import Dialect, ratio_float32
from intsim.arithmetic.requantize import AnyStep, Scale
from intsim.arithmetic.rounding import Rounding
from intsim.errors import SpecError
from intsim.record import Array


def float32_half_even(ratios: Array) -> tuple[AnyStep, ...]:
    """One float32 product, rounded half to even."""
    return (Scale(factors=ratios.astype(np.float32), rounding=Rounding.HALF_EVEN),)


@dataclass(frozen=True)
class FloatDialect(Dialect):
    """A dialect whose one step is a `Scale`.

    zero_point_first : it is added to the product before the rounding, in the product's arithmetic
    real_bias : the bias is a real in units of the sum, added to it before the product
    """

    zero_point_first: bool = False
    real_bias: bool = False

    def offset(self, steps: tuple[AnyStep, ...], zero_point: Any) -> tuple[AnyStep, ...]:
        """The steps with the zero point at its place."""
        after = np.asarray(zero_point, np.float32)
        if not self.zero_point_first or not after.any():
            return super().offset(steps, zero_point)
        if (after.astype(object) != np.asarray(zero_point, object)).any():
            raise SpecError(f"zero_point must be exact in float32, not {zero_point}")
        return (self._scale(steps).replace(after=after),)

    def biased(self, steps: tuple[AnyStep, ...], bias: Any) -> tuple[AnyStep, ...]:
        """The steps with the bias at its place."""
        if not self.real_bias:
            return super().biased(steps, bias)
        return (self._scale(steps).replace(before=np.asarray(bias, np.float32)),)

    @staticmethod
    def _scale(steps: tuple[AnyStep, ...]) -> Scale:
        (scale,) = steps
        if not isinstance(scale, Scale):
            raise SpecError(f"a float dialect must have one Scale, not {scale!r}")
        return scale


def bias_in_sums(bias: Any, input_scale: Any, weight_scale: Any) -> Array:
    """A real bias in units of the sum, as `fbgemm-float-bias` adds it.

    Parameters
    ----------
    bias : float32, real, one or one per channel
    input_scale, weight_scale : float32
    """
    product = np.asarray(input_scale, np.float32) * np.asarray(weight_scale, np.float32)
    return np.asarray(np.asarray(bias, np.float32) / product, np.float32)


DIALECTS = (
    FloatDialect(
        "f32-rne-zp-after",
        "one float32 product, ties to even, then the zero point",
        "ONNX Runtime 1.31.1 QLinearConv and QLinearMatMul (mlas/lib/quantize.cpp); XNNPACK fp32 kernels;"
        " FBGEMM and QNNPACK in PyTorch 2.13.0",
        float32_half_even,
        ratio_float32,
    ),
    FloatDialect(
        "f32-rne-zp-before",
        "one float32 product, the zero point added in float32, ties to even",
        "oneDNN in PyTorch 2.13.0; torch.quantize_per_tensor",
        float32_half_even,
        ratio_float32,
        zero_point_first=True,
    ),
    FloatDialect(
        "fbgemm-float-bias",
        "a real bias added to the sum in float32, one float32 product, ties to even, then the zero point",
        "FBGEMM in PyTorch 2.13.0: OutputProcessing-inl.h, ReQuantizeOutput with a float bias",
        float32_half_even,
        ratio_float32,
        real_bias=True,
    ),
)
