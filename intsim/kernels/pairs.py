"""`combine`: two flat tensors into one, by the forms of `kernels.pairing` (rules L2 and L3).

Sixteen elements at a time, as vector instructions; see `kernels.finish`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped
from numba.extending import intrinsic

from intsim.kernels.epilogue import LANES
from intsim.kernels.jit import compiled
from intsim.kernels.pairing import ADD_DOUBLE, MUL_DOUBLE, PRODUCT_SINGLE, SUB_DOUBLE, SUM_SINGLE

cgutils: Any = untyped
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_REALS = {32: ir.FloatType(), 64: ir.DoubleType()}
_MAGIC = {32: 1.5 * 2**23, 64: 1.5 * 2**52}


@compiled
def combine(a: Any, b: Any, pair: Any, begin: int, end: int, out: Any) -> None:
    """out[i] for i from begin to end; all flat and contiguous, integers of at most 32 bits."""
    whole = end - (end - begin) % LANES
    blocks(a, b, pair, begin, whole, out)
    if whole < end:
        left, right, codes = np.zeros(LANES, a.dtype), np.zeros(LANES, b.dtype), np.zeros(LANES, out.dtype)
        left[: end - whole], right[: end - whole] = a[whole:end], b[whole:end]
        blocks(left, right, pair, 0, LANES, codes)
        out[whole:end] = codes[: end - whole]


@compiled
def blocks(a: Any, b: Any, pair: Any, begin: int, end: int, out: Any) -> None:
    """`combine` for whole blocks."""
    if pair.form == SUM_SINGLE:
        single_sum(a, b, pair, begin, end, out)
    elif pair.form == PRODUCT_SINGLE:
        single_product(a, b, pair, begin, end, out)
    elif pair.form == ADD_DOUBLE:
        double_sum(a, b, pair, begin, end, out)
    elif pair.form == SUB_DOUBLE:
        double_difference(a, b, pair, begin, end, out)
    elif pair.form == MUL_DOUBLE:
        double_product(a, b, pair, begin, end, out)


class _Lanes:
    """Sixteen elements, as an intrinsic is asked for them."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any, bits: int) -> None:
        self.context, self.builder, self.bits = context, builder, bits
        self.types, self.values = signature.args, values
        self.real = _REALS[bits]
        self.vector = ir.VectorType(self.real, LANES)

    def parameter(self, name: str) -> Any:
        """A field of the pair, in every lane."""
        place = self.types[2].fields.index(name)
        value = self.builder.extract_value(self.values[2], place)
        if name in ("centre", "low", "high"):
            value = self.builder.sitofp(value, self.real)
        elif self.bits == 32:
            value = self.builder.fptrunc(value, self.real)  # exact: these are float32
        return self.splat(value)

    def splat(self, value: Any) -> Any:
        """One number in every lane."""
        undefined = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
        one = self.builder.insert_element(undefined, value, _I32(0))
        return self.builder.shuffle_vector(
            one, undefined, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
        )

    def address(self, which: int, index: Any) -> tuple[Any, Any]:
        """Where sixteen elements of an argument begin, and their type."""
        kind = self.types[which]
        lane = self.context.get_data_type(kind.dtype)
        array = self.context.make_array(kind)(self.context, self.builder, self.values[which])
        base = self.builder.bitcast(array.data, lane.as_pointer())
        vector = ir.VectorType(lane, LANES)
        at = self.builder.gep(base, [index], source_etype=lane)
        return self.builder.bitcast(at, vector.as_pointer()), vector

    def load(self, which: int, index: Any) -> Any:
        """Sixteen codes as floats."""
        at, vector = self.address(which, index)
        dtype = self.types[which].dtype
        codes = self.builder.load(at, align=dtype.bitwidth // 8, typ=vector)
        wide = ir.VectorType(_I32, LANES)
        if dtype.bitwidth < 32:
            codes = self.builder.sext(codes, wide) if dtype.signed else self.builder.zext(codes, wide)
        return self.builder.sitofp(codes, self.vector)

    def fused(self, a: Any, b: Any, added: Any) -> Any:
        """a * b + added, rounded once."""
        name = f"llvm.fma.v{LANES}f{self.bits}"
        shape = ir.FunctionType(self.vector, [self.vector] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, shape, name)
        return self.builder.call(function, [a, b, added])

    def nearest(self, value: Any) -> Any:
        """The nearest integer as a float, ties to even, of values below 2**51."""
        magic = ir.Constant(self.vector, [_MAGIC[self.bits]] * LANES)
        return self.builder.fsub(self.builder.fadd(value, magic), magic)

    def scaled(self, value: Any, factor: Any, offset: Any) -> Any:
        """value * factor + offset, rounded twice."""
        return self.builder.fadd(self.builder.fmul(value, factor), offset)

    def operand(self, code: Any, factor: Any, offset: Any, nudge: Any) -> Any:
        """The nearest integer of y + copysign(nudge, y), y = code * factor + offset."""
        y = self.scaled(code, factor, offset)
        name = f"llvm.copysign.v{LANES}f{self.bits}"
        shape = ir.FunctionType(self.vector, [self.vector] * 2)
        function = cgutils.get_or_insert_function(self.builder.module, shape, name)
        return self.nearest(self.builder.fadd(y, self.builder.call(function, [nudge, y])))

    def store(self, y: Any, limits: tuple[Any, Any, Any], index: Any) -> None:
        """The nearest integers, limited, plus the centre."""
        low, high, centre = limits
        builder = self.builder
        y = builder.select(builder.fcmp_ordered("<", y, low), low, y)
        y = builder.select(builder.fcmp_ordered(">", y, high), high, y)
        whole = builder.fptosi(builder.fadd(self.nearest(y), centre), ir.VectorType(_I32, LANES))
        at, vector = self.address(5, index)
        narrow = whole if vector.element == _I32 else builder.trunc(whole, vector)
        builder.store(narrow, at, align=vector.element.width // 8)


Form = Callable[[_Lanes], Callable[[Any, Any], Any]]
"""Loads the parameters, and says how y follows from two operands."""


def _intrinsic(form: Form, bits: int) -> Any:
    @intrinsic
    def run(typing: Any, a: Any, b: Any, pair: Any, begin: Any, end: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            lanes = _Lanes(context, builder, signature, values, bits)
            y = form(lanes)
            centre = lanes.parameter("centre")
            low, high = (builder.fsub(lanes.parameter(end), centre) for end in ("low", "high"))
            begin, end = values[3], values[4]
            with cgutils.for_range_slice(builder, begin, end, _I64(LANES), _I64) as (index, _):
                lanes.store(y(lanes.load(0, index), lanes.load(1, index)), (low, high, centre), index)
            return context.get_dummy_value()

        return types.void(a, b, pair, types.int64, types.int64, out), generate

    return run


def _sum(lanes: _Lanes) -> Callable[[Any, Any], Any]:
    fa, fb, offset = (lanes.parameter(name) for name in ("fa", "fb", "offset"))
    return lambda a, b: lanes.fused(a, fa, lanes.fused(b, fb, offset))


def _product(lanes: _Lanes) -> Callable[[Any, Any], Any]:
    oa, ob, factor, offset = (lanes.parameter(name) for name in ("oa", "ob", "factor", "offset"))

    def y(a: Any, b: Any) -> Any:
        product = lanes.builder.fmul(lanes.builder.fadd(a, oa), lanes.builder.fadd(b, ob))
        return lanes.fused(product, factor, offset)

    return y


def _double(op: str) -> Form:
    def form(lanes: _Lanes) -> Callable[[Any, Any], Any]:
        builder = lanes.builder
        first = [lanes.parameter(name) for name in ("fa", "oa", "na")]
        second = [lanes.parameter(name) for name in ("fb", "ob", "nb")]
        factor, offset, below = (lanes.parameter(name) for name in ("factor", "offset", "below"))
        none = ir.Constant(lanes.vector, [0.0] * LANES)

        def y(a: Any, b: Any) -> Any:
            left, right = lanes.operand(a, *first), lanes.operand(b, *second)
            value = getattr(builder, op)(left, right)
            negative = builder.fcmp_ordered("<", value, none)
            return lanes.scaled(value, factor, builder.select(negative, below, offset))

        return y

    return form


single_sum = _intrinsic(_sum, 32)
single_product = _intrinsic(_product, 32)
double_sum = _intrinsic(_double("fadd"), 64)
double_difference = _intrinsic(_double("fsub"), 64)
double_product = _intrinsic(_double("fmul"), 64)
