"""AVERAGE_POOL_2D and MAX_POOL_2D.

Rules (P), measured on LiteRT 2.3.0 with every resolver, and on tflite-micro
----------------------------------------------------------------------------
P1. Averages are of the raw codes, over the taps inside the image, half away from zero. Scales and zero
    points are not looked at, but for the fused activation's limits.
P2. XNNPACK takes MAX_POOL_2D of int8 and uint8 whose strides are at most the kernel's size, and has its own
    limits (rule L2 of `limits`). There input and output must have one meaning: with another the
    runtime stops, or rescales.

Sources: LiteRT tflite/kernels/pooling.cc, internal/reference/pooling.h,
internal/reference/integer_ops/pooling.h, tflite/delegates/xnnpack/xnnpack_delegate.cc.
"""

from __future__ import annotations

from typing import Any

from intsim_converters.tflite.contraction import window_padding
from intsim_converters.tflite.kernels import require_kernel, xnnpack_reads
from intsim_converters.tflite.limits import activation_limits
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.moving import require_same_meaning

from intsim.ops import AvgPool2d, Clamp, MaxPool2d, Op

_MOST_TAPS = 2**16 - 1  # of int16, in the runtimes' 32-bit sums


@lowers("AVERAGE_POOL_2D", options="Pool2DOptions")
def lower_average_pool_2d(op: Lowering) -> None:
    window = _window(op)
    taps = window["kernel"][0] * window["kernel"][1]
    op.require(taps <= _MOST_TAPS, f"window must have at most {_MOST_TAPS} taps, not {taps}")
    _finish(op, AvgPool2d(**window), "average")


@lowers("MAX_POOL_2D", options="Pool2DOptions")
def lower_max_pool_2d(op: Lowering) -> None:
    window = _window(op)
    taken = _xnnpack_takes(op, window)
    if taken:
        require_same_meaning(op, op.input(0), op.output(0))
    _finish(op, MaxPool2d(**window), "maximum", taken)


def _xnnpack_takes(op: Lowering, window: dict[str, Any]) -> bool:
    """Rule P2."""
    if op.dialect != "xnnpack" or not xnnpack_reads(op.input(0), op.output(0)):
        return False
    return all(step <= taps for step, taps in zip(window["stride"], window["kernel"], strict=True))


def _window(op: Lowering) -> dict[str, Any]:
    """Kernel, stride and padding as the ops have them."""
    x, y = op.input(0), op.output(0)
    require_kernel(op, x, ("int8", "uint8", "int16"), micro=("int8", "int16"))
    op.require(x.rank == 4 and x.batched, f"input must have shape (batch {op.batch}, H, W, C), not {x.shape}")
    op.require(y.dtype == x.dtype, f"output must be {x.dtype} as the input is, not {y.dtype}")
    kernel = (op.options.filter_height, op.options.filter_width)
    stride = (op.options.stride_h, op.options.stride_w)
    padding = window_padding(op, (x.shape[1], x.shape[2]), kernel, stride, (1, 1))
    return {"kernel": kernel, "stride": stride, "padding": padding}


def _finish(op: Lowering, pool: Op, name: str, xnnpack: bool = False) -> None:
    """The pooling, and a clamp where the fused activation limits it."""
    format = op.output(0).format
    lo, hi = activation_limits(op, op.output(0), xnnpack=xnnpack)
    if (lo, hi) == (format.min, format.max):
        op.emit(pool, op.value(0))
    else:
        op.emit(Clamp(lo, hi), op.step(pool, op.value(0), name=name))
