"""QuantLinear whose weights have a scale for every group of inputs, as MX formats do.

Rules
-----
G1, G2. The sums are whole numbers by the rules of `group_scales`. Sums that 64 bits do not surely hold are
    refused.
G3. The register has 32 bits if they surely hold the sums, else 64. A bias is added in reals.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from brevitas.proxy.groupwise_int_parameter_quant import GroupwiseWeightQuantProxyFromInjector
from brevitas.quant_tensor import GroupwiseIntQuantTensor
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import Carried
from intsim_converters.brevitas.floats import exact_sum, is_power_of_two, sum_error
from intsim_converters.brevitas.lowering import Lowering
from intsim_converters.brevitas.weights import bits_of, codes_of, integers_of, real_bias
from intsim_converters.group_scales import Groups, whole_scales

from intsim.arithmetic import Accumulator
from intsim.formats import IntFormat
from intsim.ops import GroupDense

Array = np.ndarray[Any, Any]


def has_groups(layer: Any) -> bool:
    """Whether a layer's weights have scales of groups."""
    proxy = layer.weight_quant
    return type(proxy) is GroupwiseWeightQuantProxyFromInjector and bool(proxy.is_quant_enabled)


def group_sums(op: Lowering, x: Carried, zero: int) -> tuple[GroupDense, Carried]:
    """The node of a layer's sums, and what they stand for."""
    op.require(x.rank == 1, f"input must have one axis per sample, not shape {x.shape}")
    op.require(x.affine.channels == 1, "input must have one scale")
    groups, format = _read(op)
    found = whole_scales(groups, max(abs(x.format.min - zero), abs(x.format.max - zero)))
    op.require(found.fits, f"{found.misfit()}. [G2]")
    narrow = max(found.reach) < 1 << 31
    node = GroupDense(
        groups.codes,
        found.integers,
        groups.length,
        groups.zero,
        weight_format=format,
        scale_format=IntFormat.covering(0, int(found.integers.max())),
        zero_format=IntFormat.covering(min(int(groups.zero.min()), 0), int(groups.zero.max())),
        input_zero_point=zero,
        accumulator=Accumulator() if narrow else Accumulator(IntFormat(64)),
    )
    return node, _meaning(op, x, node, found.units, found.reach)


def _read(op: Lowering) -> tuple[Groups, IntFormat]:
    """The weights, and their format."""
    quant = op.module.quant_weight(None)
    op.require(
        isinstance(quant, GroupwiseIntQuantTensor), f"weights must be integers, not {type(quant).__name__}"
    )
    op.require(quant.group_dim in (1, -1), f"groups must be of inputs, not along axis {quant.group_dim}")
    channels, depth = quant.value.shape
    plain = quant.value_, quant.scale_, quant.zero_point_
    codes = codes_of(op.where, "weights", _Plain(*plain))
    zeros = integers_of(op.where, "weight zero point", quant.zero_point_)
    groups = codes.shape[1]
    scale = quant.scale_.expand(channels, groups, 1).detach().double().reshape(channels, groups).numpy()
    good = bool((np.isfinite(scale) & (scale > 0)).all())
    op.require(good, "scales of groups must be positive and finite")
    rows = zeros.reshape(-1, groups) if zeros.any() else np.zeros((1, 1), np.int64)
    zero = np.broadcast_to(rows, scale.shape)
    format = IntFormat(bits_of(op.where, quant.bit_width), bool(quant.signed))
    return Groups(codes.reshape(channels, -1)[:, :depth], scale, zero, int(quant.group_size)), format


@dataclass(frozen=True)
class _Plain:
    """What `codes_of` reads."""

    value: torch.Tensor
    scale: torch.Tensor
    zero_point: torch.Tensor


def _meaning(op: Lowering, x: Carried, node: GroupDense, units: list[Fraction], reach: list[int]) -> Carried:
    """Rule G3, and rules U1 and U2 of `floats`."""
    (given,) = x.affine.scales() or ()
    scales = [given * unit for unit in units]
    affine = Affine.scaled(scales if len(set(scales)) > 1 else scales[:1])
    bias = real_bias(op.where, op.module)
    if bias:
        affine = affine.plus(bias)
    depth = node.weight.shape[1]
    magnitudes, errors = [], []
    for k, scale in enumerate(scales):
        more = bias[k] if bias else Fraction(0)
        magnitude = reach[k] * scale + abs(more)
        exact = not any(x.error) and is_power_of_two(given) and exact_sum((scale,), magnitude, more)
        magnitudes.append(magnitude)
        inherited = 2 * max(x.error) * (reach[k] * units[k])
        errors.append((Fraction(0) if exact else sum_error(depth, magnitude)) + inherited)
    shape = tuple(op.result.shape[1:])
    return Carried("", shape, node.accumulator.format, affine, tuple(errors), tuple(magnitudes))
