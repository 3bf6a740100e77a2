"""Poolings: max on integers, average as a sum whose divisor goes into what it stands for.

Rules
-----
L1. A maximum commutes with what rises with the integers; a batch norm with a negative factor does not rise.
L2. An average is the exact sum of the window; 1 / (places in it) goes into the scale. Padding counts.
L3. TruncAvgPool2d behind a quantized tensor: the sum, then Brevitas' own truncation, run on every sum that
    the window can have.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.proxy.runtime_quant import TruncQuantProxyFromInjector
from brevitas.quant_tensor import IntQuantTensor
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import Carried
from intsim_converters.brevitas.floats import exact_sum, is_power_of_two, sum_error
from intsim_converters.brevitas.lowering import Lowering, lowers
from intsim_converters.brevitas.truncation import truncation
from intsim_converters.brevitas.windows import Pair, pair

from intsim.arithmetic import Accumulator
from intsim.formats import IntFormat
from intsim.ops import DepthwiseConv2d, MaxPool2d, Requantize


@lowers(torch.nn.MaxPool2d, torch.nn.MaxPool1d)
def lower_max_pool(op: Lowering) -> Carried:
    x, pool = op.operand(), op.module
    op.spatial(x)
    op.require(
        x.rising,
        "integers must rise with the reals, not fall as behind a batch norm of negative factor or gelu",
    )
    node = MaxPool2d(
        kernel=pair(pool.kernel_size, x.rank, 1),
        stride=pair(pool.stride, x.rank, 1),
        dilation=pair(pool.dilation, x.rank, 1),
        padding=_symmetric(pair(pool.padding, x.rank, 0)),
    )
    y = x.replace(shape=tuple(op.result.shape[1:]))
    (spec,) = node.infer(op.spec(x))
    op.require(spec.shape == y.stored, f"ceil_mode must not add windows, as it does for {x.shape}")
    return op.chain([node], x.name, op.where, y)


@lowers(torch.nn.AvgPool2d, torch.nn.AvgPool1d)
def lower_average(op: Lowering) -> Carried:
    pool, rank = op.module, op.operand().rank
    kernel, padding = pair(pool.kernel_size, rank, 1), pair(pool.padding, rank, 0)
    op.require(pool.count_include_pad or padding == (0, 0), "padding must be counted, or be 0")
    op.require(getattr(pool, "divisor_override", None) is None, "divisor must be the window's size")
    return _average(op, kernel, pair(pool.stride, rank, 1), padding, op.where)


@lowers(torch.nn.AdaptiveAvgPool2d)
def lower_adaptive_average(op: Lowering) -> Carried:
    return _average(op, *_adaptive(op), (0, 0), op.where)


@lowers(qnn.TruncAvgPool2d, qnn.TruncAdaptiveAvgPool2d)
def lower_truncated_average(op: Lowering) -> Carried:
    proxy, value, plain = op.module.trunc_quant, op.values[0], op.module
    adaptive = isinstance(plain, qnn.TruncAdaptiveAvgPool2d)
    if adaptive:
        kernel, stride = _adaptive(op)
    else:
        kernel, stride = pair(plain.kernel_size, 3, 1), pair(plain.stride, 3, 1)
        op.require(plain.divisor_override is None, "divisor must be the window's size")
    if not (isinstance(value, IntQuantTensor) and proxy.is_quant_enabled):
        return _average(op, kernel, stride, (0, 0), op.where)
    op.require(type(proxy) is TruncQuantProxyFromInjector, f"quantizer {type(proxy).__name__} is unknown")
    sums = _average(op, kernel, stride, (0, 0), f"{op.where}.sum")
    base = torch.nn.AdaptiveAvgPool2d if adaptive else torch.nn.AvgPool2d
    rule, affine = truncation(op, sums, base.forward(plain, value), proxy)
    reach = (max(affine.scales() or ()) * max(abs(rule.format.min), rule.format.max),)
    y = Carried("", sums.shape, rule.format, affine, (Fraction(0),), reach)
    return op.chain([Requantize(rule)], sums.name, op.where, y)


def _adaptive(op: Lowering) -> tuple[Pair, Pair]:
    """Kernel and stride of an adaptive average whose windows are all alike."""
    x = op.operand()
    size = op.spatial(x)
    out = tuple(op.result.shape[2:])
    alike = all(extent % wanted == 0 for extent, wanted in zip(size, out, strict=True))
    op.require(alike, f"output size {out} must divide the input's {size}")
    kernel = (size[0] // out[0], size[1] // out[1])
    return kernel, kernel


def _average(op: Lowering, kernel: Pair, stride: Pair, padding: Pair, name: str) -> Carried:
    """Rule L2."""
    x, zero = op.integers()
    op.spatial(x)
    places = math.prod(kernel)
    low, high = min(x.format.min - zero, 0) * places, max(x.format.max - zero, 0) * places
    node = DepthwiseConv2d(
        weight=np.ones((x.shape[0], 1, *kernel), np.int64),
        weight_format=IntFormat(1, signed=False),
        input_zero_point=zero,
        stride=stride,
        padding=_symmetric(padding),
        accumulator=Accumulator(IntFormat.covering(low, high)),
    )
    scales = tuple(scale / places for scale in x.affine.scales() or ())
    magnitude = max(scales) * max(-low, high)
    exact = all(map(is_power_of_two, scales)) and exact_sum((min(scales),), magnitude)
    error = max(x.error) + (0 if exact else sum_error(places + 1, magnitude))
    shape = tuple(op.result.shape[1:])
    y = Carried("", shape, node.accumulator.format, Affine.scaled(scales), (Fraction(error),), (magnitude,))
    (spec,) = node.infer(op.spec(x))
    op.require(spec.shape == y.stored, f"ceil_mode must not add windows, as it does for {x.shape}")
    return op.chain([node], x.name, name, y)


def _symmetric(padding: Pair) -> Any:
    return tuple((amount, amount) for amount in padding)
