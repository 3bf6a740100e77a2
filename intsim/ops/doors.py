"""The doors of a network: what quantize and dequantize share, one scale or several along an axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from intsim.formats import TensorSpec
from intsim.record import Array


def check_door(op: Any) -> Iterator[tuple[str, str]]:
    """The rules of the fields scale, zero_point and axis."""
    for name in ("scale", "zero_point"):
        values = getattr(op, name)
        if values.ndim > 1 or values.size == 0:
            yield name, f"must be one value or a list, not of shape {values.shape}"
    if not np.isfinite(op.scale).all() or not (op.scale > 0).all():
        yield "scale", "must be positive and finite"
    if op.zero_point.size not in (1, op.scale.size):
        yield "zero_point", f"must be one value or {op.scale.size}, not {op.zero_point.size}"
    if ((op.zero_point <= -(1 << 33)) | (op.zero_point >= 1 << 33)).any():
        yield "zero_point", "must be between -2**33 and 2**33"
    if op.scale.size > 1 and op.axis is None:
        yield "axis", f"must be given for {op.scale.size} scales"
    if op.axis is not None and op.axis < 0:
        yield "axis", f"must not be negative, not {op.axis}"


def check_door_axis(op: Any, x: TensorSpec) -> None:
    """The axis is one of the sample's, and has as many indices as there are scales."""
    if op.axis is None:
        return
    op.require(op.axis < len(x.shape), f"axis must be one of {x.shape}, not {op.axis}")
    wanted = x.shape[op.axis]
    op.require(op.scale.size in (1, wanted), f"scale must have one value or {wanted}, not {op.scale.size}")


def along_axis(values: Array, axis: int | None, x: Array) -> Array:
    """Values shaped to broadcast with `x`, whose first axis is the batch; integers of x's own kind."""
    if x.dtype == object and values.dtype.kind in "iu":
        values = values.astype(object)
    if values.size == 1 or axis is None:
        return values.reshape(())
    return values.reshape((-1,) + (1,) * (x.ndim - axis - 2))
