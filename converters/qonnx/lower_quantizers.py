"""Quant, IntQuant, BipolarQuant, MultiThreshold and Trunc: rules Q1 to Q4 of `quantizers`.

Rules
-----
P1. Scales are positive; zero points are whole numbers; a bit width is one whole number from 1 to 32.
P2. MultiThreshold: where out_scale and out_bias are whole, the codes are what it gives; one threshold whose
    two results are opposite gives a sign; else the codes are the counts, and scale and bias are steps
    behind them.
P3. The codes fit out_dtype, and are in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from intsim_converters.qonnx import quantizers
from intsim_converters.qonnx.annotations import Format, parse
from intsim_converters.qonnx.chain import Step
from intsim_converters.qonnx.lowering import CUSTOM, QonnxLowering, lowers
from intsim_converters.qonnx.parameters import Array, one
from intsim_converters.qonnx.quantizers import DOOR_ROUNDINGS, ROUNDINGS, Quantizer, limits, packed, whole
from intsim_converters.qonnx.quantizing import apply, parameter, shape_of
from intsim_converters.qonnx.values import Carried, Entry

from intsim.formats import Bipolar, IntFormat

_MOST_BITS = 32
_LAYOUTS = {2: "NC", 3: "NWC", 4: "NCHW"}


@lowers("Quant", "IntQuant", domain=CUSTOM)
def lower_quant(op: QonnxLowering) -> None:
    x = op.given(0)
    shape = shape_of(op, x)
    scale, zero = _scale(op, 1, shape), _zero(op, 2, shape)
    bits, mode = bit_width(op, 3), _mode(op, "ROUND")
    signed, narrow = (bool(op.attribute(name, 1)) for name in ("signed", "narrow"))
    low, high = limits(bits, signed, narrow)
    if bits == 1 and signed:
        parts: dict[str, Any] = {"climbed": quantizers.sign, "least": -1, "unit": 2, "steps": 1}
        format: Format = Bipolar()
    else:
        climbed = quantizers.integers(ROUNDINGS[mode], low, high)
        parts = {"climbed": climbed, "least": low, "unit": 1, "steps": high - low}
        format = packed(low, high, bits, signed, zero)
    made = Quantizer(
        parameters=(scale, zero),
        format=format,
        slope=scale.astype(np.float64),
        zero=zero.astype(np.int64),
        rounding=DOOR_ROUNDINGS.get(mode),
        **parts,
    )
    op.bind(apply(op, x, made))


@lowers("BipolarQuant", domain=CUSTOM)
def lower_bipolar(op: QonnxLowering) -> None:
    x = op.given(0)
    shape = shape_of(op, x)
    scale, rank = _scale(op, 1, shape), len(shape)
    unscaled = (one(1, rank, np.float32), one(0, rank, np.float32))
    zero = one(0, rank, np.int64)
    made = Quantizer(quantizers.sign, unscaled, -1, 2, 1, Bipolar(), scale.astype(np.float64), zero)
    op.bind(apply(op, x, made))


@lowers("Trunc", domain=CUSTOM)
def lower_trunc(op: QonnxLowering) -> None:
    """Rule Q4: five inputs are version 1, six are version 2."""
    x = op.given(0)
    shape = shape_of(op, x)
    scale, zero = _scale(op, 1, shape), _zero(op, 2, shape)
    before, mode = bit_width(op, 3), ROUNDINGS[_mode(op, "FLOOR")]
    if len(op.node.inputs) == 5:
        after = bit_width(op, 4)
        op.require(after <= before, f"output must have at most {before} bits, not {after}")
        climbed = quantizers.truncated(mode, 2.0 ** (before - after), None)
        made = Quantizer(
            climbed, (scale, zero), 0, 1, None, None, scale.astype(np.float64), zero.astype(np.int64)
        )
        op.bind(apply(op, x, made))
        return
    after, target = bit_width(op, 5), _scale(op, 4, shape)
    signed, narrow = bool(op.attribute("signed", 1)), bool(op.attribute("narrow", 0))
    low, high = limits(after, signed, narrow)
    divisors = np.unique(np.float32(2) ** np.rint(np.log2(target / scale)))
    op.require(divisors.size == 1, "ratio of output scale to scale must be the same power of two everywhere")
    divisor = float(divisors[0])
    left = zero / np.float32(divisor)
    op.require(whole(left), f"zero point must stay a whole number when divided by {divisor}")
    climbed = quantizers.truncated(mode, divisor, (low, high))
    made = Quantizer(
        climbed,
        (scale, zero),
        low,
        1,
        high - low,
        packed(low, high, after, signed, left),
        target.astype(np.float64),
        left.astype(np.int64),
    )
    op.bind(apply(op, x, made))


@lowers("MultiThreshold", domain=CUSTOM)
def lower_multi_threshold(op: QonnxLowering) -> None:
    x = op.given(0)
    op.require(isinstance(x, Carried | Entry), "input must be computed, not a constant")
    shape = shape_of(op, x)
    axis = _channel_axis(op, shape)
    values = op.reals(1, "thresholds")
    op.require(values.ndim == 2 and values.size > 0, f"thresholds must be rows, not of shape {values.shape}")
    op.require(not np.isnan(values).any(), "thresholds must be numbers")
    op.require(
        len(values) in (1, shape[axis]), f"thresholds must be 1 or {shape[axis]} rows, not {len(values)}"
    )
    if len(values) > 1 and (values == values[:1]).all():
        values = values[:1]
    wide = [1] * len(shape)
    wide[axis] = len(values)
    rows = np.sort(values, axis=1).reshape(*wide, -1)
    codes = apply(op, x, _counting(op, rows, len(shape)))
    op.bind(_behind(op, codes))


def _counting(op: QonnxLowering, rows: Array, rank: int) -> Quantizer:
    """Rules P2 and P3."""
    scale, bias = np.float32(op.attribute("out_scale", 1.0)), np.float32(op.attribute("out_bias", 0.0))
    op.require(bool(np.isfinite([scale, bias]).all()) and scale > 0, "out_scale must be positive and finite")
    steps = rows.shape[-1]
    slope, zero = one(1, rank, np.float64), one(0, rank, np.int64)
    if steps == 1 and bias == -scale / 2:
        slope = one(scale / 2, rank, np.float64)
        return Quantizer(quantizers.reached, (rows,), -1, 2, 1, Bipolar(), slope, zero)
    if whole([scale, bias]) and max(abs(scale * steps), abs(bias)) < 2**24:
        least, unit = int(bias), int(scale)
        format = _out_type(op, least + unit * np.arange(steps + 1))
        return Quantizer(quantizers.reached, (rows,), least, unit, steps, format, slope, zero)
    slope = one(scale, rank, np.float64)
    format = IntFormat.covering(0, steps)
    return Quantizer(quantizers.reached, (rows,), 0, 1, steps, format, slope, zero)


def _behind(op: QonnxLowering, codes: Any) -> Any:
    """Rule P2: a bias that is not in the codes."""
    bias = np.float32(op.attribute("out_bias", 0.0))
    if not isinstance(codes, Carried) or not bias or (codes.slope == 1).all() or codes.format == Bipolar():
        return codes
    return codes.then(Step("Add", (one(bias, len(codes.shape), np.float32),)))


def _out_type(op: QonnxLowering, codes: Array) -> Format:
    """Rule P3."""
    name = op.attribute("out_dtype", "")
    kind = parse(name)
    op.require(not name or kind is not None, f"out_dtype must be one of QONNX' data types, not {name!r}")
    if kind is None or kind.format is None or kind.step != 1:
        return IntFormat.covering(int(codes.min()), int(codes.max()))
    outside = codes[kind.format.outside(codes)]
    op.require(not outside.size, f"out_dtype {name} must hold the code {outside[:1].tolist()}. [P3]")
    return kind.format


def _channel_axis(op: QonnxLowering, shape: tuple[int, ...]) -> int:
    """Where MultiThreshold has its channels: by data_layout, else by the rank."""
    layout = op.attribute("data_layout", "") or _LAYOUTS.get(len(shape), "")
    axis = layout.index("C") if "C" in layout else 1
    op.require(axis < len(shape), f"input must have a channel axis, not shape {shape}")
    return axis


def _scale(op: QonnxLowering, i: int, shape: tuple[int, ...]) -> Array:
    return parameter(op, i, "scale", shape, positive=True)


def _zero(op: QonnxLowering, i: int, shape: tuple[int, ...]) -> Array:
    zero = parameter(op, i, "zero point", shape)
    good = whole(zero) and bool((np.abs(zero) < 2**24).all())
    op.require(good, f"zero point must be a whole number, not {zero.reshape(-1)[:3].tolist()}. [P1]")
    return zero


def bit_width(op: QonnxLowering, i: int) -> int:
    """Rule P1."""
    values = np.unique(op.reals(i, "bit width"))
    good = values.size == 1 and whole(values) and 1 <= values[0] <= _MOST_BITS
    op.require(
        good, f"bit width must be one whole number from 1 to {_MOST_BITS}, not {values[:3].tolist()}. [P1]"
    )
    return int(values[0])


def _mode(op: QonnxLowering, default: str) -> str:
    mode = str(op.attribute("rounding_mode", default)).upper()
    op.require(mode in ROUNDINGS, f"rounding_mode must be one of {', '.join(ROUNDINGS)}, not {mode!r}")
    return mode
