"""QuantizeLinear and DequantizeLinear: the doors between reals and codes, and the ends of a fused group.

Rules (D), cited by the lowerings
---------------------------------
D1. QuantizeLinear of a float32 graph input: the quotient in float32, half to even, plus the zero point,
    saturated; one scale or several along an axis. Activations in front of it limit the codes: rounding
    keeps the order. Moves in front of it, one scale then, move the codes.
D2. DequantizeLinear to a float32 graph output: the code less its zero point, rounded to float32, times the
    scale. The bits of int32 codes beyond float32 are rounded first, half to even. Moves in between move
    the codes.
D3. QuantizeLinear of what a DequantizeLinear gave is the code itself, where both mean the same and codes
    have 16 bits at most; otherwise, and after functions of one tensor, it is a table with an entry for
    every code, filled in float32 as D2 and D1 say.
D4. QuantizeLinear behind an operator on dequantized tensors makes it an integer operator (see that operator).
    An activation between them limits the codes; in ort it must limit none that the output's format does not.
D5. Scales in blocks by the rules of `lower_blocked`. Those of several tensors' product with other axes have
    no integer operator.
D6. Those of com.microsoft are the same, in operator sets that have fewer types too.
D7. Codes of float8 and float4 are the quotient rounded once, half to even, saturated; bit patterns in the
    network. In ort a NaN is the lowest code of integers, and of float8 all ones behind its sign, but where
    the runtime drops a DequantizeLinear and a QuantizeLinear that mean the same. float4 it has not.

References
----------
ONNX, docs/Operators.md; ONNX Runtime 1.31.1: onnxruntime/core/mlas/lib/quantize.cpp,
core/optimizer/qdq_transformer/selectors_actions/qdq_selectors.cc.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from intsim_converters.onnx.elementwise import TABLED, any_view, copy, means_same, table_of
from intsim_converters.onnx.lower_blocked import bind_blocked_codes, blocked_value
from intsim_converters.onnx.lowering import MICROSOFT, Lowering, lowers
from intsim_converters.onnx.model import NUMBERS, Constant
from intsim_converters.onnx.values import (
    CODED,
    FORMATS,
    Blocked,
    Codes,
    Entry,
    Layout,
    Meaning,
    Pending,
    Real,
    Shape,
)

from intsim.arithmetic import Requantization, Rounding, Scale
from intsim.formats import IntFormat
from intsim.ops import Clamp, Dequantize, Lookup, Quantize, Requantize

_EXACT = 24  # bits of an integer that float32 always holds


@lowers("QuantizeLinear", domain=MICROSOFT)
@lowers("QuantizeLinear")
def lower_quantize(op: Lowering) -> None:
    _own(op)
    value = op.value(0)
    if isinstance(value, Blocked) or op.attribute("block_size", 0):
        bind_blocked_codes(op)
        return
    meaning = _output_meaning(op, value.shape if isinstance(value, (Entry, Real)) else None)
    if isinstance(value, Entry):
        op.bind(_moved(op, value, meaning) if value.moves else _quantized(op, value, meaning, op.output))
    elif isinstance(value, Pending):
        meaning = _limited(op, value.limits, meaning)
        op.bind(value.finish(op, meaning))
    elif isinstance(value, Real) and isinstance(value.codes, Constant):
        good = not value.functions and value.meaning.same(meaning)
        op.require(good, "constants must keep their scale, as nothing is rounded while converting. [D3]")
        op.bind(value.codes)
    elif isinstance(value, Real) and isinstance(value.codes, Codes):
        op.bind(requantized(op, value, value.codes, meaning))
    else:
        op.refuse("input must be a graph input, a dequantized tensor or a function of some, not integers")


def _own(op: Lowering) -> None:
    """Rule D6."""
    if op.node.domain:
        op.require_own()


def _output_meaning(op: Lowering, shape: Shape | None) -> Meaning:
    """The codes' format comes from the zero point, else from output_dtype, else it is uint8."""
    number = op.attribute("output_dtype", 0)
    dtype = NUMBERS.get(number, f"type number {number}") if number else "uint8"
    if op.has(2):
        op.constant(2)
        given = op.value(2)
        assert isinstance(given, Constant)
        dtype = given.dtype
    if dtype in CODED:
        _check_floats(op, dtype)
    axis = op.attribute("axis", 1)
    if shape is not None and op.constant(1).size > 1:
        op.require(-len(shape) <= axis < len(shape), f"axis must be of {shape}, not {axis}. [D1]")
        axis %= len(shape)
    return op.meaning(1, 2, dtype, axis)


def _check_floats(op: Lowering, dtype: str) -> None:
    """Rule D7."""
    op.require(not op.node.domain, f"codes of {op.node.domain} must be integers, not {dtype}. [D6]")
    op.require(op.attribute("saturate", 1) == 1, f"saturate must be 1 for {dtype}. [D7]")
    op.require(
        not op.as_runtime or dtype != "float4e2m1",
        f"the runtime must have a kernel of {op.name}, but for {dtype} it has none. [D7]",
    )


def _moved(op: Lowering, entry: Entry, meaning: Meaning) -> Codes:
    """Rule D1 for a graph input that was moved first: its codes are moved."""
    op.require(meaning.axis is None, "scale must be one where the graph input is moved in front. [D1]")
    codes = _quantized(op, entry, meaning, op.target.fresh(f"{op.output}/unmoved"))
    for i, move in enumerate(entry.moves[:-1]):
        codes = move(codes, op.target.fresh(f"{op.output}/moved{i}"))
    return entry.moves[-1](codes, op.output)


def _quantized(op: Lowering, entry: Entry, meaning: Meaning, output: str) -> Codes:
    """Rule D1."""
    op.require(meaning.scale.dtype == np.float32, f"scale must be float32, not {meaning.scale.dtype}. [D1]")
    op.require(
        op.fuses or meaning.dtype != "float4e2m1",
        "output must not be float4e2m1, where onnx.reference drops the sign of a zero. [D7]",
    )
    axis = None
    if meaning.axis is not None:
        axis = op.axis(meaning.axis, entry.shape)
    door = Quantize(meaning.scale, meaning.zero_point, axis, meaning.format, Rounding.HALF_EVEN)
    name = entry.name
    if not entry.limits:
        return op.emit(door, name, shape=entry.shape, dtype=meaning.dtype, meaning=meaning, name=output)
    op.require(axis is None, "scale must be one where an activation is in front. [D1]")
    op.require(meaning.dtype in FORMATS, f"no activation must stand in front of {meaning.dtype}. [D7]")
    if (0.0, np.inf) in entry.limits:
        _check_relu(op, meaning)
    codes = op.step(door, name, name="quantized")
    for i, limits in enumerate(entry.limits):
        lo, hi = _codes_of(op, limits, meaning)
        if i < len(entry.limits) - 1:
            codes = op.step(Clamp(lo, hi), codes, name=f"limited{i}")
    return op.emit(Clamp(lo, hi), codes, shape=entry.shape, dtype=meaning.dtype, meaning=meaning, name=output)


def _check_relu(op: Lowering, meaning: Meaning) -> None:
    """Rule D1: the runtime drops a Relu in front of integers of 4 bits, and of floats, whatever it does."""
    few = meaning.format.bits < 8 or meaning.dtype in CODED
    needed = meaning.dtype in CODED or meaning.zero_point[0] != meaning.format.min
    op.require(
        not (op.as_runtime and few and needed),
        f"Relu must not stand in front where {meaning.dtype} has the zero point {meaning.zero_point[0]}: the"
        " runtime drops it. [D1]",
    )


def _codes_of(op: Lowering, limits: tuple[float, float], meaning: Meaning) -> tuple[int, int]:
    """The codes of real limits."""
    ends = np.array(limits, np.float32)
    op.require(ends[0] <= ends[1], f"an activation's limits must ascend, not be {ends[0]} to {ends[1]}")
    quotient = np.rint(np.clip(ends / meaning.scale[0], -(2.0**40), 2.0**40)).astype(np.int64)
    codes = np.clip(quotient + meaning.zero_point[0], meaning.format.min, meaning.format.max)
    return int(codes[0]), int(codes[1])


def _limited(op: Lowering, limits: tuple[tuple[float, float], ...], meaning: Meaning) -> Meaning:
    """Rule D4: in ort the limits' codes are not within the output's format; else they limit the codes."""
    if not limits:
        return meaning
    op.require(meaning.axis is None, "scale must be one behind an activation. [D4]")
    op.require(meaning.dtype in FORMATS, f"no activation must stand in front of {meaning.dtype}. [D7]")
    low, high = meaning.format.min, meaning.format.max
    for ends in limits:
        if op.as_runtime:
            _check_redundant(op, ends, meaning)
        found = _codes_of(op, ends, meaning)
        low, high = (min(max(end, found[0]), found[1]) for end in (low, high))
    return replace(meaning, limits=(low, high))


def _check_redundant(op: Lowering, limits: tuple[float, float], meaning: Meaning) -> None:
    """Rule D4 for ort."""
    op.require(op.constant(1).ndim == 0, "scale must be without axes behind an activation. [D4]")
    ends = np.rint(np.array(limits, np.float32) / meaning.scale[0].astype(np.float32)) + meaning.zero_point[0]
    op.require(
        bool(ends[0] <= meaning.format.min and ends[1] >= meaning.format.max),
        f"float region: an activation to {limits[0]:.9g} .. {limits[1]:.9g} in front must limit no"
        " code of the"
        f" output, but it allows {ends[0]:.0f} .. {ends[1]:.0f}: the runtime computes in float. [D4]",
    )


def requantized(op: Lowering, real: Real, codes: Codes, meaning: Meaning) -> Codes:
    """What a DequantizeLinear gave, or functions of it, as codes of another meaning (rule D3)."""
    if means_same(op, real, meaning) or _dropped(op, real, meaning):
        return copy(op, codes)
    op.require(
        real.meaning.axis is None and meaning.axis is None,
        "scales must be one each where a tensor is requantized. [D3]",
    )
    bits = codes.format.bits
    op.require(bits <= TABLED, f"codes must have {TABLED} bits at most to be requantized, not {bits}. [D3]")
    if real.nodes and real.nodes[-1].op == "Relu":
        _check_relu(op, meaning)
    name, layout = any_view(codes)
    entries = table_of(op, real, meaning)
    lookup = Lookup(entries, codes.format, meaning.format)
    return op.emit(lookup, name, shape=codes.shape, dtype=meaning.dtype, layout=layout, meaning=meaning)


def _dropped(op: Lowering, real: Real, meaning: Meaning) -> bool:
    """Whether the runtime drops a DequantizeLinear and the QuantizeLinear behind it (rule D7)."""
    if not op.fuses or real.functions or meaning.dtype not in CODED or not real.meaning.same(meaning):
        return False
    name = op.node.inputs[0]
    makers = [node for node in op.target.graph.nodes if name in node.outputs]
    plain = makers[0].op == "DequantizeLinear" and name not in op.target.outputs
    op.require(
        plain and len(op.target.readers(name)) == 1,
        f"{name!r} must be what a DequantizeLinear gives, for this node alone: else the runtime changes"
        f" infinities and NaN of {meaning.dtype}. [D7]",
    )
    return True


@lowers("DequantizeLinear", domain=MICROSOFT)
@lowers("DequantizeLinear")
def lower_dequantize(op: Lowering) -> None:
    _own(op)
    value = op.value(0)
    op.require(
        isinstance(value, (Codes, Constant)), f"input {op.node.inputs[0]!r} must be integers, not real"
    )
    assert isinstance(value, (Codes, Constant))
    if op.attribute("block_size", 0):
        op.bind(blocked_value(op, value))
        return
    if value.dtype in CODED:
        _check_floats(op, value.dtype)
    axis = op.attribute("axis", 1)
    if op.constant(1).size > 1:
        shape = value.shape
        op.require(-len(shape) <= axis < len(shape), f"axis must be of {shape}, not {axis}")
        axis %= len(shape)
        wanted = shape[axis]
        op.require(
            op.constant(1).size == wanted, f"scale must have one value or {wanted}, not {op.constant(1).size}"
        )
    op.bind(Real(value, op.meaning(1, 2, value.dtype, axis)))


def emit_real(op: Lowering, real: Real, output: str) -> None:
    """Add the node that yields a float graph output: what codes stand for, moved or not (rule D2)."""
    codes, meaning = real.codes, real.meaning
    if not isinstance(codes, Codes):
        op.refuse(f"{output!r} must be computed, not a constant")
    if real.functions:
        op.refuse(f"float region: {output!r} must be quantized, being a function of what a code stands for")
    op.require(meaning.scale.dtype == np.float32, f"scale must be float32, not {meaning.scale.dtype}. [D2]")
    name = op.view(codes, Layout.PLAIN)
    points = meaning.zero_point
    if codes.format.bits > _EXACT:
        op.require(not points.any(), f"zero point of {codes.dtype} must be 0. [D2]")
        wide = IntFormat(64) if codes.format.bits > 32 else codes.format
        to_float = Requantization((Scale(factors=np.float32(1)),), wide)
        name = op.step(Requantize(to_float), name, name="float32")
    axis = None if meaning.axis is None else op.axis(meaning.axis, codes.shape)
    target = op.target
    coded = CODED.get(meaning.dtype)
    target.add(Dequantize(meaning.scale, points, axis, input_format=coded), name, name=output)
