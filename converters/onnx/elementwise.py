"""What lowerings of operators that work element by element share: any layout will do; tables of codes.

A table's entries are computed here in float32 and held in the network as integers.
"""

from __future__ import annotations

import numpy as np
from intsim_converters.onnx import narrow
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.model import Array
from intsim_converters.onnx.values import CODED, Codes, Layout, Meaning, Real

from intsim.ops import Lookup, Reshape

TABLED = 16
"""Bits of a code, at most, that a table is made for."""


_NAN_KEPT = frozenset(
    (
        *("Abs", "Ceil", "Celu", "Elu", "Erf", "Exp", "Floor", "Log", "Mish", "Neg", "Pow", "Reciprocal"),
        *("Round", "Selu", "Softplus", "Softsign", "Sqrt", "Tanh"),
    )
)
"""Operators that make NaN of NaN, or whose results the runtime itself gave."""


def any_view(codes: Codes) -> tuple[str, Layout]:
    """The network's tensor that holds codes already, an image rather than not."""
    layout = Layout.IMAGE if Layout.IMAGE in codes.views else Layout.PLAIN
    return codes.views[layout], layout


def copy(op: Lowering, codes: Codes) -> Codes:
    """The same codes under the output's name; a node only where the graph's output asks for one."""
    if op.output not in op.target.outputs or codes.name == op.output:
        return codes
    name = op.view(codes, Layout.PLAIN)
    sample = op.target.batch.sample(codes.shape)
    return op.emit(Reshape(sample), name, shape=codes.shape, dtype=codes.dtype)


def results_of(real: Real) -> Array:
    """What every code may become by the functions, float32: rows of results that are possible."""
    values = reals_of(real.meaning)[None]
    for function in real.functions:
        values = np.asarray(function(values), np.float32)
    return values


def rises(real: Real) -> bool:
    """Whether no code stands for less than the code before it, whichever result it has."""
    if not real.functions:
        return True
    if real.meaning.format.bits > TABLED:
        return False
    rows = results_of(real)
    return bool((rows.max(axis=0)[:-1] <= rows.min(axis=0)[1:]).all())


def reals_of(meaning: Meaning) -> Array:
    """What every code stands for, from the smallest code on, in float32."""
    return reals(meaning, np.arange(meaning.format.min, meaning.format.max + 1))


def reals(meaning: Meaning, codes: Array) -> Array:
    """What codes stand for, in float32; a NaN has the sign of its code."""
    scale = meaning.scale[0].astype(np.float32)
    if meaning.dtype not in CODED:
        return (codes - meaning.zero_point[0]).astype(np.float32) * scale
    return narrow.values_of(meaning.dtype)[codes] * scale


def quantized(op: Lowering, reals: Array, meaning: Meaning, *, moved: bool = False) -> Array:
    """Reals as codes: the quotient in float32, half to even, plus the zero point, saturated.

    moved : where a real is NaN, so is the runtime's: a NaN may have a code
    """
    quotient = reals.astype(np.float32) / meaning.scale[0].astype(np.float32)
    nan = np.isnan(quotient)
    taken = moved and meaning.limits is None and (op.fuses or meaning.dtype in CODED)
    op.require(taken or not nan.any(), "every code must have a result, but one is not a number")
    if meaning.dtype in CODED:
        return _floats(op, quotient, meaning)
    inside = op.fuses or bool((np.abs(quotient) < 2.0**31).all())
    op.require(inside, "every result must fit int32 before it is saturated, as onnx.reference holds it")
    whole = np.rint(np.clip(quotient, -(2.0**40), 2.0**40)).astype(np.int64) + meaning.zero_point[0]
    return np.where(nan, meaning.lowest, np.clip(whole, meaning.lowest, meaning.highest))


def _floats(op: Lowering, quotient: Array, meaning: Meaning) -> Array:
    """Codes of float8 and float4: the quotient rounded once, saturated."""
    least = meaning.dtype == "float4e2m1"
    op.require(not least or not np.isnan(quotient).any(), f"results must not be NaN for {meaning.dtype}")
    if least and not op.fuses:
        quotient = quotient + np.float32(0)  # onnx.reference drops the sign of a zero
    return narrow.codes_of(meaning.dtype, quotient, quiet=not op.fuses)


def table_of(op: Lowering, real: Real, meaning: Meaning) -> Array:
    """One entry for every code: what it stands for, through the functions, in codes of `meaning`."""
    kept = all(node.op in _NAN_KEPT for node in real.nodes) and len(real.nodes) == len(real.functions)
    moved = not real.functions or (kept and meaning.dtype not in CODED)
    return one_code(op, quantized(op, results_of(real), meaning, moved=moved))


def means_same(op: Lowering, real: Real, meaning: Meaning) -> bool:
    """Whether what a DequantizeLinear gave has the same codes in `meaning`."""
    if real.functions or meaning.format.bits > TABLED or not real.meaning.same(meaning):
        return False
    if meaning.dtype not in CODED or meaning.axis is not None:
        return meaning.dtype not in CODED
    return bool((table_of(op, real, meaning) == np.arange(meaning.format.max + 1)).all())


def one_code(op: Lowering, rows: Array) -> Array:
    """The one code of every element, for those that its possible results have (rule V3 of `evaluated`)."""
    wrong = np.argwhere((rows != rows[:1]).any(axis=0))
    if wrong.size:
        at = tuple(wrong[0])
        found = sorted({int(code) for code in rows[(slice(None), *at)]})
        op.refuse(
            f"float region: every code must have one result, but what entry {', '.join(map(str, at))} of the"
            f" table gives depends on its place in a tensor: {' or '.join(map(str, found))}. [V3]"
        )
    return np.asarray(rows[0])


def codes_in(op: Lowering, real: Real, meaning: Meaning, name: str, label: str) -> Codes:
    """What a DequantizeLinear gave, in codes of `meaning`: the same ones, or a helper node "<output>/<name>".

    label : of the rule that refusals cite
    """
    codes = real.codes if isinstance(real.codes, Codes) else op.constant_codes(real.codes)
    op.require(
        real.meaning.axis is None and meaning.axis is None,
        f"inputs and output must have one scale each. [{label}]",
    )
    if means_same(op, real, meaning):
        return codes
    bits = codes.format.bits
    op.require(
        bits <= TABLED, f"codes must have {TABLED} bits at most to be requantized, not {bits}. [{label}]"
    )
    held, layout = any_view(codes)
    lookup = Lookup(table_of(op, real, meaning), codes.format, meaning.format)
    found = Codes(f"{op.output}/{name}", codes.shape, meaning.dtype)
    found.views[layout] = op.step(lookup, held, name=name)
    return found
