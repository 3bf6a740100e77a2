"""Layers with weights: sums of products, from the layers' own integers.

QuantConv1d, QuantConv2d, QuantConvTranspose1d, QuantConvTranspose2d, QuantLinear, QuantScaleBias and its
batch norms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import brevitas.nn as qnn
import numpy as np
from brevitas.quant_tensor import QuantTensor
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import Carried, stored_shape
from intsim_converters.brevitas.floats import exact_sum, is_power_of_two, sum_error
from intsim_converters.brevitas.lower_activations import apply_proxy
from intsim_converters.brevitas.lower_groups import group_sums, has_groups
from intsim_converters.brevitas.lowering import Lowering, lowers
from intsim_converters.brevitas.promises import promised_accumulator
from intsim_converters.brevitas.weights import Bias, Weights, read_bias, read_weights
from intsim_converters.brevitas.windows import pair, window

from intsim.arithmetic import Accumulator
from intsim.ops import Conv2d, Dense, DepthwiseConv2d, Op, Reshape, Transpose, TransposeConv2d

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layer:
    """A layer's operands as the ops want them.

    terms : how many products a sum has
    bias : of the sum, one per channel or 0
    real_bias : what the sum does not hold of the bias, in reals; () without
    """

    x: Carried
    zero: int
    weights: Weights
    bias: Any
    real_bias: tuple[Fraction, ...]
    accumulator: Accumulator

    @property
    def fields(self) -> dict[str, Any]:
        """What all three ops are given."""
        return {
            "weight_format": self.weights.format,
            "weight_zero_point": self.weights.zero_point,
            "input_zero_point": self.zero,
            "bias": self.bias,
            "accumulator": self.accumulator,
        }


@lowers(qnn.QuantLinear)
def lower_linear(op: Lowering) -> Any:
    if has_groups(op.module):
        x, zero, _ = quantized_input(op)
        node, y = group_sums(op, x, zero)
        return quantized(op, op.chain([node], x.name, op.where, y))
    layer = _read(op)
    node = Dense(weight=layer.weights.codes, **layer.fields)
    if layer.x.rank == 1:
        return _finish(op, layer, node)
    alike = len(layer.weights.scales) == 1 and not layer.real_bias
    op.require(alike, f"weights must have one scale and biases be integers where inputs are {layer.x.shape}")
    there, back = ((0, 2, 1), (0, 2, 1)) if layer.x.rank == 2 else ((2, 0, 1), (1, 2, 0))
    return _finish(op, layer, node, before=[Transpose(there)], behind=[Transpose(back)])


@lowers(qnn.QuantConv2d, qnn.QuantConv1d)
def lower_convolution(op: Lowering) -> Any:
    layer = _read(op)
    op.require(op.module.padding_mode == "zeros", f"padding must be zeros, not {op.module.padding_mode}")
    codes = layer.weights.codes
    if codes.ndim == 3:  # a line: the kernel gets the height that the line has
        codes = codes[:, :, None]
    kernel = (codes.shape[2], codes.shape[3])
    places = window(op, op.module, layer.x, kernel)
    depth = layer.x.shape[0]
    if op.module.groups == depth and depth > 1:
        by_channel = codes.reshape(depth, -1, *kernel)
        return _finish(op, layer, DepthwiseConv2d(weight=by_channel, **places, **layer.fields))
    weight = codes.transpose(0, 2, 3, 1)
    return _finish(op, layer, Conv2d(weight=weight, groups=op.module.groups, **places, **layer.fields))


@lowers(qnn.QuantConvTranspose1d, qnn.QuantConvTranspose2d)
def lower_transposed_convolution(op: Lowering) -> Any:
    layer, module = _read(op), op.module
    op.spatial(layer.x)
    codes, rank = layer.weights.codes, layer.x.rank
    if codes.ndim == 3:
        codes = codes[:, :, None]
    node = TransposeConv2d(
        weight=codes.transpose(0, 2, 3, 1),
        output_size=stored_shape(_shape(op))[:2],
        stride=pair(module.stride, rank, 1),
        dilation=pair(module.dilation, rank, 1),
        offset=pair(module.padding, rank, 0),
        groups=module.groups,
        **layer.fields,
    )
    return _finish(op, layer, node)


@lowers(qnn.QuantScaleBias, qnn.BatchNorm1dToQuantScaleBias, qnn.BatchNorm2dToQuantScaleBias)
def lower_scale_bias(op: Lowering) -> Any:
    """A depthwise convolution of one tap; the input has places, be it one."""
    layer = _read(op)
    shape = layer.x.shape
    op.require(_shape(op) == shape, f"must give shape {shape} as it is, not {_shape(op)}; see runtime_shape")
    weight = layer.weights.codes.reshape(-1, 1, 1, 1)
    node = DepthwiseConv2d(weight=weight, **layer.fields)
    if len(shape) > 1:
        return _finish(op, layer, node)
    return _finish(op, layer, node, before=[Reshape((1, 1, *shape))], behind=[Reshape(shape)])


def _read(op: Lowering) -> Layer:
    """The operands, the input quantized first where the layer has an input quantizer."""
    layer = op.module
    x, zero, quant_input = quantized_input(op)
    op.require(x.affine.channels == 1 or _by_channel(layer, x), _MIXED)
    weights = read_weights(op.where, layer, quant_input)
    bias = read_bias(op.where, layer, quant_input, weights)
    promised = promised_accumulator(op)
    inside, outside = _places(bias, promised is not None, x, weights)
    return Layer(x, zero, weights, inside, outside, promised or Accumulator())


def quantized_input(op: Lowering) -> tuple[Carried, int, QuantTensor | None]:
    """The input, behind the layer's own quantizer where it has one; its zero; and as Brevitas has it."""
    proxy, value = op.module.input_quant, op.values[0]
    if proxy.is_quant_enabled:
        x = apply_proxy(op, proxy, op.args[0], f"{op.where}.input_quant")
        value = proxy(value)
        op = replace(op, args=(x,))
    return *op.integers(), value if isinstance(value, QuantTensor) else None


def quantized(op: Lowering, y: Carried) -> Carried:
    """A layer's sums, behind its output quantizer where it has one."""
    proxy = op.module.output_quant
    return apply_proxy(op, proxy, y, f"{op.where}.output_quant") if proxy.is_quant_enabled else y


_MIXED = "input must have one scale, as a sum mixes channels, not one per channel"


def _by_channel(layer: Any, x: Carried) -> bool:
    apart = isinstance(layer, qnn.QuantScaleBias) or getattr(layer, "groups", 1) == x.shape[0]
    return apart and x.affine.channels == x.shape[0]


def _places(
    bias: Bias | None, promised: bool, x: Carried, weights: Weights
) -> tuple[Any, tuple[Fraction, ...]]:
    """What of the bias the sum holds, and the rest in reals (rules W3 and P2)."""
    if bias is None:
        return 0, ()
    if bias.reals is not None:
        return 0, bias.reals
    integers = bias.integers or ()
    if not promised:
        return np.array(integers), ()
    scales = _scales(x, weights, len(integers))
    wide = scales * len(integers) if len(scales) == 1 else scales
    return 0, tuple(value * scale for value, scale in zip(integers, wide, strict=True))


def _scales(x: Carried, weights: Weights, channels: int) -> tuple[Fraction, ...]:
    """What a sum of one stands for: one, or one per output channel."""
    given = x.affine.scales() or ()
    if len(given) > 1:
        given = tuple(scale for scale in given for _ in range(channels // len(given)))
    if len(given) == len(weights.scales):
        return tuple(a * b for a, b in zip(given, weights.scales, strict=True))
    return tuple(a * b for a in given for b in weights.scales)


def _finish(
    op: Lowering, layer: Layer, node: Op, *, before: Sequence[Op] = (), behind: Sequence[Op] = ()
) -> Any:
    """The node of the sums, what they stand for, and the layer's output quantizer."""
    channels = layer.weights.codes.shape[0]
    scales = _scales(layer.x, layer.weights, channels)
    affine = Affine.scaled(scales)
    if layer.real_bias:
        affine = affine.plus(layer.real_bias)
    reach, error = _floats(layer, scales)
    shape = _shape(op)
    if shape[0] != channels:  # features of many places, all with one scale
        error, reach = (max(error),), (max(reach),)
    y = Carried("", shape, layer.accumulator.format, affine, error, reach)
    return quantized(op, op.chain([*before, node, *behind], layer.x.name, op.where, y))


def _shape(op: Lowering) -> tuple[int, ...]:
    """Of the layer's output, as Brevitas has it; one sample."""
    return tuple(op.result.shape[1:])


def _floats(layer: Layer, scales: tuple[Fraction, ...]) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Per channel the largest magnitude on the way, and the float error (rules U1 and U2)."""
    codes = layer.weights.codes
    zeros = np.broadcast_to(layer.weights.zero_point, (codes.shape[0],))
    flat = np.abs(codes.reshape(codes.shape[0], -1) - zeros[:, None])
    largest = max(abs(layer.x.format.min - layer.zero), abs(layer.x.format.max - layer.zero))
    biases = _each(layer.real_bias or (Fraction(0),), len(codes))
    held = np.broadcast_to(np.abs(np.asarray(layer.bias)), (codes.shape[0],))
    steps = _each(scales, len(codes))
    factors = [*(layer.x.affine.scales() or ()), *layer.weights.scales]
    dyadic = all(is_power_of_two(factor) for factor in factors)
    reach, error = [], []
    for c, row in enumerate(flat):
        magnitude = (int(row.sum()) * largest + int(held[c])) * steps[c] + abs(biases[c])
        exact = dyadic and exact_sum((steps[c],), magnitude, biases[c])
        inherited = max(layer.x.error) * int(row.sum()) * _each(layer.weights.scales, len(codes))[c]
        reach.append(magnitude)
        error.append((Fraction(0) if exact else sum_error(row.size, magnitude)) + inherited * 2)
    return tuple(reach), tuple(error)


def _each(values: tuple[Fraction, ...], channels: int) -> tuple[Fraction, ...]:
    return values * channels if len(values) == 1 else values
