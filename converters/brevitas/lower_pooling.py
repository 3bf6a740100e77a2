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
from dataclasses import replace
from fractions import Fraction
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.proxy.runtime_quant import TruncQuantProxyFromInjector
from brevitas.quant_tensor import IntQuantTensor
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import Carried, Shape
from intsim_converters.brevitas.floats import exact_sum, is_power_of_two, sum_error
from intsim_converters.brevitas.lowering import Lowering, lowers
from intsim_converters.brevitas.truncation import truncation
from intsim_converters.brevitas.windows import Pair, pair
from torch.nn import functional

from intsim.arithmetic import Accumulator
from intsim.formats import IntFormat
from intsim.ops import DepthwiseConv2d, MaxPool2d, Requantize, Reshape


@lowers(torch.nn.MaxPool2d, torch.nn.MaxPool1d)
def lower_max_pool(op: Lowering) -> Carried:
    x, pool = op.operand(), op.module
    op.spatial(x)
    op.require(not pool.return_indices, "must not return indices")
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


@lowers(torch.nn.AdaptiveAvgPool2d, torch.nn.AdaptiveAvgPool1d)
@lowers(functional.adaptive_avg_pool2d, functional.adaptive_avg_pool1d, torch.adaptive_avg_pool1d)
def lower_adaptive_average(op: Lowering) -> Carried:
    return _average(op, *_adaptive(op), (0, 0), op.where)


@lowers(torch.nn.AdaptiveMaxPool2d, torch.nn.AdaptiveMaxPool1d)
def lower_adaptive_max(op: Lowering) -> Carried:
    kernel, _ = _adaptive(op)
    kind = torch.nn.MaxPool1d if op.operand().rank == 2 else torch.nn.MaxPool2d
    return lower_max_pool(replace(op, module=kind(kernel[-1:] if op.operand().rank == 2 else kernel)))


_POOLS = {
    functional.max_pool2d: (torch.nn.MaxPool2d, lower_max_pool),
    functional.max_pool1d: (torch.nn.MaxPool1d, lower_max_pool),
    torch.max_pool2d: (torch.nn.MaxPool2d, lower_max_pool),
    torch.max_pool1d: (torch.nn.MaxPool1d, lower_max_pool),
    functional.avg_pool2d: (torch.nn.AvgPool2d, lower_average),
    functional.avg_pool1d: (torch.nn.AvgPool1d, lower_average),
}
_NAMES = {
    lower_max_pool: ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    lower_average: (
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
        "divisor_override",
    ),
}


@lowers(*_POOLS)
def lower_pool(op: Lowering) -> Carried:
    """A function: the module that is given the same arguments."""
    kind, rule = _POOLS[op.target]
    names = _NAMES[rule]
    given = {**dict(zip(names, op.args[1:], strict=False)), **op.kwargs}
    given = {key: value for key, value in given.items() if key != "input"}
    return rule(replace(op, module=kind(**given)))


@lowers(torch.mean, "mean", torch.sum, "sum")
def lower_mean(op: Lowering) -> Carried:
    """Over all places of each channel."""
    x = op.operand()
    dims = op.args[1] if len(op.args) > 1 else op.kwargs.get("dim")
    given = {dims} if isinstance(dims, int) else set(dims or ())
    op.require(not set(op.kwargs) - {"dim", "keepdim"}, f"arguments {sorted(op.kwargs)} are unknown")
    axes = {axis % (x.rank + 1) for axis in given}
    op.require(
        x.rank > 1 and axes == set(range(2, x.rank + 1)),
        f"must be over all places of a channel, not axes {dims}",
    )
    places = op.spatial(x)
    divisor = 1 if op.target in (torch.sum, "sum") else None
    shape = (x.shape[0], *(1,) * (x.rank - 1))
    flat = tuple(op.result.shape[1:]) == (x.shape[0],)
    name = f"{op.where}.places" if flat else op.where
    y = _average(op, places, places, (0, 0), name, shape=shape, divisor=divisor)
    return op.chain([Reshape((x.shape[0],))], y.name, op.where, y.replace(shape=(x.shape[0],))) if flat else y


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
    out = (1, *op.result.shape[2:])[-2:]
    alike = all(extent % wanted == 0 for extent, wanted in zip(size, out, strict=True))
    op.require(alike, f"output size {out} must divide the input's {size}")
    kernel = (size[0] // out[0], size[1] // out[1])
    return kernel, kernel


def _average(
    op: Lowering,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    name: str,
    *,
    shape: Shape | None = None,
    divisor: int | None = None,
) -> Carried:
    """Rule L2; a divisor takes the place of the window's size, a shape that of the call's result."""
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
    scales = tuple(scale / (divisor or places) for scale in x.affine.scales() or ())
    magnitude = max(scales) * max(-low, high)
    exact = all(map(is_power_of_two, scales)) and exact_sum((min(scales),), magnitude)
    error = max(x.error) * (1 if divisor is None else places) + (
        0 if exact else sum_error(places + 1, magnitude)
    )
    y = Carried(
        "",
        shape or tuple(op.result.shape[1:]),
        node.accumulator.format,
        Affine.scaled(scales),
        (Fraction(error),),
        (magnitude,),
    )
    (spec,) = node.infer(op.spec(x))
    op.require(spec.shape == y.stored, f"ceil_mode must not add windows, as it does for {x.shape}")
    return op.chain([node], x.name, name, y)


def _symmetric(padding: Pair) -> Any:
    return tuple((amount, amount) for amount in padding)
