"""QuantLinear whose weights have a scale for every group of inputs, as MX formats do.

Rules
-----
G1. A group's scales are fractions: over a common unit they are integers m[g], and the sum is unit times the
    sum over g of m[g] * D[g], D[g] the sum over a group of (w - z[g]) * (x - zx): a `group_dense`.
G2. The unit is one for all outputs where their sums then fit 64 bits, else one per output. Sums that 64 bits
    do not surely hold even then are refused.
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
from intsim_converters.brevitas.weights import bits_of, codes_of, fractions, integers_of, real_bias
from intsim_converters.dyadic import common_unit

from intsim.arithmetic import Accumulator
from intsim.formats import IntFormat
from intsim.ops import GroupDense

Array = np.ndarray[Any, Any]
_MOST = 1 << 63


@dataclass(frozen=True)
class Groups:
    """Weights with scales of groups.

    codes : (K, C)
    zeros : (K, G), or one
    scales : K lists of G
    length : of a group
    """

    codes: Array
    zeros: Array
    scales: list[list[Fraction]]
    length: int
    format: IntFormat

    def magnitudes(self) -> Array:
        """The sum of |w - z| over each group: (K, G)."""
        depth = self.codes.shape[1]
        zeros = np.broadcast_to(self.zeros, (len(self.scales), len(self.scales[0])))
        wide = np.repeat(zeros, self.length, axis=1)[:, :depth]
        return np.add.reduceat(np.abs(self.codes - wide), np.arange(0, depth, self.length), axis=1)


def has_groups(layer: Any) -> bool:
    """Whether a layer's weights have scales of groups."""
    proxy = layer.weight_quant
    return type(proxy) is GroupwiseWeightQuantProxyFromInjector and bool(proxy.is_quant_enabled)


def group_sums(op: Lowering, x: Carried, zero: int) -> tuple[GroupDense, Carried]:
    """The node of a layer's sums, and what they stand for."""
    op.require(x.rank == 1, f"input must have one axis per sample, not shape {x.shape}")
    op.require(x.affine.channels == 1, "input must have one scale")
    groups = _read(op)
    largest = max(abs(x.format.min - zero), abs(x.format.max - zero))
    units, whole, reach = _units(op, groups, largest)
    narrow = max(reach) < 1 << 31
    node = GroupDense(
        groups.codes,
        whole,
        groups.length,
        groups.zeros,
        weight_format=groups.format,
        scale_format=IntFormat.covering(0, int(whole.max())),
        zero_format=IntFormat.covering(min(int(groups.zeros.min()), 0), int(groups.zeros.max())),
        input_zero_point=zero,
        accumulator=Accumulator() if narrow else Accumulator(IntFormat(64)),
    )
    return node, _meaning(op, x, node, units, reach)


def _read(op: Lowering) -> Groups:
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
    rows = fractions(quant.scale_.expand(channels, groups, 1))
    format = IntFormat(bits_of(op.where, quant.bit_width), bool(quant.signed))
    return Groups(
        codes.reshape(channels, -1)[:, :depth],
        np.zeros((), np.int64)
        if not zeros.any()
        else np.broadcast_to(zeros.reshape(-1, groups), (channels, groups)),
        [list(rows[k * groups : (k + 1) * groups]) for k in range(channels)],
        int(quant.group_size),
        format,
    )


@dataclass(frozen=True)
class _Plain:
    """What `codes_of` reads."""

    value: torch.Tensor
    scale: torch.Tensor
    zero_point: torch.Tensor


def _units(op: Lowering, groups: Groups, largest: int) -> tuple[list[Fraction], Array, list[int]]:
    """Rules G1 and G2: a unit per output, the scales over it, and what no sum exceeds."""
    magnitudes = np.maximum(groups.magnitudes(), 1).astype(object) * largest
    one = [common_unit(scale for row in groups.scales for scale in row)] * len(groups.scales)
    units, rows = one, _over(groups.scales, one)
    if (rows * magnitudes).sum(axis=1).max() >= _MOST:
        units = [common_unit(row) for row in groups.scales]
        rows = _over(groups.scales, units)
    reach = [int(entry) for entry in (rows * magnitudes).sum(axis=1)]
    bits = max(reach).bit_length() + 1
    op.require(
        bits <= 64, f"sums must fit 64 bits, but over a common unit of the groups' scales need {bits}. [G2]"
    )
    return units, rows.astype(np.int64), reach


def _over(scales: list[list[Fraction]], units: list[Fraction]) -> Array:
    """The scales as integers over a unit per output, as Python has them."""
    rows = [[int(scale / unit) for scale in row] for row, unit in zip(scales, units, strict=True)]
    return np.array(rows, object)


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
