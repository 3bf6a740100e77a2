"""Float steps that wait for a quantizer: Add, Sub, Mul, Div with constants, BatchNormalization, Relu, Clip.

Rules
-----
E1. One operand is computed, the other a constant; it broadcasts to the computed one. Two computed operands
    of Add and Sub are added as integers (`lower_joining`).
E2. What multiplies or divides is finite; a divisor is not 0. A constant divided by what is computed is
    refused, as it neither rises nor falls.
E3. BatchNormalization has its four parameters as constants, one each per channel, and is in inference mode.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from intsim_converters.onnx.model import Constant
from intsim_converters.onnx.values import FORMATS
from intsim_converters.qonnx.chain import Step, batch_norm
from intsim_converters.qonnx.lower_joining import join
from intsim_converters.qonnx.lowering import QonnxLowering, lowers
from intsim_converters.qonnx.parameters import Array, compact, fitted, one
from intsim_converters.qonnx.quantizers import fewest, narrowed
from intsim_converters.qonnx.values import Carried, Fixed, Pending


@lowers("Add", "Sub", "Mul", "Div")
def lower_arithmetic(op: QonnxLowering) -> None:
    computed = [i for i in (0, 1) if isinstance(op.given(i), Carried)]
    if len(computed) == 2:
        join(op, op.carried(0), op.carried(1))
        return
    i = computed[0] if computed else 0
    x = op.carried(i)
    value = _fitted(op, op.reals(1 - i, "operand"), x)
    op.require(bool(np.isfinite(value).all()), "constant must be finite. [E2]")
    if i == 1 and op.name in ("Sub", "Div"):
        op.require(op.name == "Sub", "divisor must be a constant, not computed. [E2]")
        op.bind(x.then(Step("From", (value,))))
        return
    op.require(op.name != "Div" or bool((value != 0).all()), "divisor must not be 0. [E2]")
    op.bind(x.then(Step(op.name, (value,))))


def _fitted(op: QonnxLowering, values: Array, x: Carried) -> Array:
    found = fitted(values, x.shape)
    if found is None:
        op.refuse(f"constant of shape {values.shape} must broadcast to {x.shape}. [E1]")
    return found


@lowers("BatchNormalization")
def lower_batch_normalization(op: QonnxLowering) -> None:
    """Rule E3."""
    x = op.carried(0)
    op.require(not op.attribute("training_mode", 0), "must be in inference mode. [E3]")
    op.require(len(x.shape) >= 2, f"input must have channels, not shape {x.shape}. [E3]")
    channels = x.shape[1]
    given = [op.reals(i, "parameter").reshape(-1) for i in range(1, 5)]
    op.require(
        all(entry.size == channels for entry in given), f"parameters must have {channels} values each. [E3]"
    )
    scale, bias, mean, variance = given
    made = batch_norm(scale, bias, mean, variance, float(op.attribute("epsilon", 1e-5)))
    op.require(all(bool(np.isfinite(entry).all()) for entry in made), "parameters must be finite. [E3]")
    shape = (1, channels, *(1,) * (len(x.shape) - 2))
    factor, offset = (compact(entry.reshape(shape)) for entry in made)
    op.bind(x.then(Step("BatchNormalization", (factor, offset))))


@lowers("Relu")
def lower_relu(op: QonnxLowering) -> None:
    op.bind(op.carried(0).then(Step("Relu")))


@lowers("LeakyRelu")
def lower_leaky_relu(op: QonnxLowering) -> None:
    x, alpha = op.carried(0), np.float32(op.attribute("alpha", 0.01))
    op.require(0 <= alpha < np.inf, f"alpha must not be negative, not {alpha}: codes would fall and rise")
    op.bind(x.then(Step("LeakyRelu", (one(alpha, len(x.shape), np.float32),))))


@lowers("Clip")
def lower_clip(op: QonnxLowering) -> None:
    """Of floats a step; of what a QuantizeLinear gives, fewer codes."""
    value = op.given(0)
    low, high = (_limit(op, i, name) for i, name in ((1, "min"), (2, "max")))
    if isinstance(value, Pending):
        op.bind(_narrowed(op, value, low, high))
        return
    if isinstance(value, Constant) and value.values.dtype.kind in "iu":
        op.bind(_limited(value, low, high))
        return
    x = op.carried(0)
    ends = [-np.inf if low is None else low, np.inf if high is None else high]
    op.require(ends[0] <= ends[1], f"limits must be in order, not {ends}")
    op.bind(x.then(Step("Clip", tuple(one(end, len(x.shape), np.float32) for end in ends))))


def _limit(op: QonnxLowering, i: int, name: str) -> Any:
    """A limit from an input or, before operator set 11, an attribute; None: there is none."""
    if not op.has(i):
        return op.attribute(name)
    values = op.constant(i)
    op.require(values.size == 1, f"{name} must be one value, not {values.size}")
    return values.reshape(-1)[0]


def _limited(constant: Constant, low: Any, high: Any) -> Fixed:
    """Constant integers within limits, in the narrowest format of these."""
    codes = constant.values.astype(np.int64)
    held = FORMATS[constant.dtype]
    ends = (held.min if low is None else int(low), held.max if high is None else int(high))
    codes, rank = np.clip(codes, *ends), codes.ndim
    format = fewest(*ends, held.signed, one(0, rank, np.int64))
    return Fixed(constant.name, codes, format, one(1, rank, np.float64), one(0, rank, np.int64))


def _narrowed(op: QonnxLowering, x: Pending, low: Any, high: Any) -> Pending:
    """Fewer codes behind a QuantizeLinear."""
    q = x.quantizer
    first = q.least if low is None else max(int(low), q.least)
    last = q.highest if high is None else min(int(high), q.highest)
    op.require(first <= last, f"limits must leave a code, not {low} to {high}")
    return Pending(x.source, narrowed(q, first, last), x.shape)


@lowers("Identity", "Dropout")
def lower_identity(op: QonnxLowering) -> None:
    op.require(
        len(op.node.outputs) == 1 or op.node.outputs[1] not in op.target.outputs, "mask must not be read"
    )
    op.bind(op.given(0))
