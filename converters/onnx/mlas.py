"""Float32 functions as ONNX Runtime's kernels for x86 with FMA compute them.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/mlas/lib/logistic.cpp (the constants, which are Eigen's), and
x86_64/LogisticKernelFma3.S (which operations are fused).
"""

from __future__ import annotations

import numpy as np
from intsim_converters.onnx.fused_add import fma
from intsim_converters.onnx.model import Array

_REACH = np.float32(18)
_ODD = (
    4.37031012579801e-11, 1.15627324459942e-07, 6.08574864600143e-05, 8.51377133304701e-03,
    2.48287947061529e-01,
)  # fmt: skip
_EVEN = (
    6.10247389755681e-13, 5.76102136993427e-09, 6.29106785017040e-06, 1.70198817374094e-03,
    1.16817656904453e-01, 9.93151921023180e-01,
)  # fmt: skip


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)) by a quotient of polynomials.

    Examples
    --------
    >>> logistic(np.zeros(1, np.float32)).tolist()
    [0.5]
    """
    x = np.minimum(np.maximum(x, -_REACH), _REACH).astype(np.float32)
    square = x * x
    quotient = (x * _polynomial(_ODD, square)) / _polynomial(_EVEN, square)
    return np.maximum(quotient + np.float32(0.5), np.float32(0))


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Horner's rule, every step fused; the highest power's coefficient is the first."""
    total = np.full(x.shape, coefficients[0], np.float32)
    for coefficient in coefficients[1:]:
        total = fma(total, x, np.float32(coefficient))
    return total
