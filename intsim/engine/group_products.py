"""Lowering of group_dense: as one dense layer where no register changes a sum, else group by group.

Rules
-----
V1. Where no register of the accumulator meets a value that it does not hold, the scales of the groups may as
    well be in the weights: the layer is a dense one, with weights (w - zero) * scale, and has its kernels. On
    the way to the sums that layer may leave the register, which therefore wraps.
V2. With scales on both sides, or weights of more than 32 bits by V1, every group is then a product of
    matrices of float64, which is exact where operands and the group's sum of |x - zx| * |w - zero| stay
    below 2**53; the scaled sums are added in int64, which holds all that is met.
V3. Scales that multiply weights make a dense layer, whatever the registers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from intsim.arithmetic import Accumulator, Interval, Overflow
from intsim.engine.lowered import Lowered, Site, Work
from intsim.formats import IntFormat
from intsim.ops import Dense, GroupDense, GroupScales
from intsim.record import Array

_EXACT = 1 << 53
"""Integers up to it, and their sums up to it, are exact in float64."""
_WORD = IntFormat(64)


def lower_group_dense(site: Site, lower_dense: Callable[[Site], Lowered | str]) -> Lowered | str:
    """A kernel for a group_dense; or why there is none."""
    op: GroupDense = site.op
    if op.scales is GroupScales.WEIGHT:
        return _as_dense(site, op, lower_dense)
    if not all(entry.partial.within(entry.register.format) for entry in site.bounds.registers):
        return "a register may change a sum"
    if len(site.inputs) == 1 and op.scale_product is None:
        found = _as_dense(site, op, lower_dense) if _narrow(op) else ""
        if not isinstance(found, str):
            return found
    return _by_groups(site, op)


def _as_dense(site: Site, op: GroupDense, lower_dense: Callable[[Site], Lowered | str]) -> Lowered | str:
    """Rules V1 and V3."""
    weight = op.scaled_weight
    least, most = int(weight.min()), int(weight.max())
    if not IntFormat(32).holds(least, most):
        return f"scaled weights are in [{least}, {most}], beyond int32"
    accumulator, by_sum = op.accumulator, op.scales is GroupScales.SUM
    if by_sum:
        accumulator = Accumulator(accumulator.format, Overflow.WRAP)
    dense = Dense(
        weight,
        IntFormat.covering(min(least, -1), most),
        bias=op.bias,
        input_zero_point=op.input_zero_point,
        accumulator=accumulator,
    )
    bounds = dense.bounds(site.inputs, site.ranges)
    counted = site.counted and not by_sum  # no register is left, so there is nothing to count
    found = lower_dense(replace(site, node=site.node.replace(op=dense), bounds=bounds, counted=counted))
    if isinstance(found, str):
        return found
    rule = "V1" if by_sum else "V3"
    return replace(found, reason=f"scales multiplied into weights [{rule}]; {found.reason}")


def _by_groups(site: Site, op: GroupDense) -> Lowered | str:
    """Rule V2."""
    storage, zx = site.outputs[0].format.storage, op.input_zero_point
    if not site.bounds.partial.within(_WORD):
        return f"values on the way are in {site.bounds.partial}, beyond int64"
    reach = _largest(op, site.ranges[0])
    if reach > _EXACT:
        return f"sums of a group may reach {reach}, beyond float64"
    parts = [op.part(group) for group in range(op.groups)]
    centred = [
        (op.weight[:, part].astype(np.float64) - op.zeros[:, group, None]).T.copy()
        for group, part in enumerate(parts)
    ]

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        x = inputs[0].astype(np.float64) - zx
        scale = op.scale_of(*(entry.astype(np.int64) for entry in inputs))
        sums = np.zeros((*x.shape[:-1], len(op.weight)), np.int64) + op.bias
        for group, part in enumerate(parts):
            sums += (x[..., part] @ centred[group]).astype(np.int64) * scale(group)
        return (sums.astype(storage),)

    return Lowered("group product float64", f"all met is in {site.bounds.partial} [V2]", call)


def _largest(op: GroupDense, x: Interval) -> int:
    """What no operand and no sum of a group, or part of one, exceeds in magnitude."""
    operand = max(abs(end) for end in (x.min, x.max, op.input_zero_point, *_ends(op)))
    if operand > _EXACT:
        return operand
    most = int(np.add.reduceat(_magnitudes(op), _begins(op), axis=1).max())
    return max(operand, most * max(x.max - op.input_zero_point, op.input_zero_point - x.min))


def _narrow(op: GroupDense) -> bool:
    """Whether no weight times its group's scale is beyond int32."""
    largest = np.maximum.reduceat(_magnitudes(op), _begins(op), axis=1).astype(object)
    return int((largest * np.abs(op.scale.astype(object))).max()) <= 1 << 31


def _magnitudes(op: GroupDense) -> Array:
    """Every |w - zero|."""
    kind = np.int64 if max(abs(end) for end in _ends(op)) < _EXACT else object
    zeros = np.repeat(op.zeros.astype(kind), op.group, axis=1)[:, : op.weight.shape[1]]
    return np.asarray(np.abs(op.weight.astype(kind) - zeros))


def _ends(op: GroupDense) -> list[int]:
    """The least and the largest weight and zero."""
    return [int(end) for values in (op.weight, op.zero) for end in (values.min(), values.max())]


def _begins(op: GroupDense) -> Array:
    return np.arange(0, op.weight.shape[1], op.group)
