"""`finish`: a block of int32 sums through an epilogue (rules G1 to G5) into rows of the output.

Sixteen channels at a time, written as vector instructions of LLVM: what they compute does not depend on
the processor, only how many of them it takes. No float operation may be fused or reordered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped
from numba.extending import intrinsic

from intsim.kernels.epilogue import (
    ABOVE,
    BELOW,
    DOUBLE,
    FACTOR,
    FIXED,
    LANES,
    MORE_ABOVE,
    MORE_BELOW,
    MORE_BITS,
    MULTIPLIER,
    SINGLE,
)
from intsim.kernels.jit import compiled

cgutils: Any = untyped
_I8, _I32, _I64 = (ir.IntType(bits) for bits in (8, 32, 64))
_FIRST = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
_FLOATS: dict[ir.Type, tuple[int, ir.Type, float]] = {
    ir.FloatType(): (32, _I32, 1.5 * 2**23),
    ir.DoubleType(): (64, _I64, 1.5 * 2**52),
}
"""Bits, the integer of that width, and what moves a value's ones to the last place."""


@compiled
def finish(sums: Any, rows: int, epilogue: Any, out: Any, top: int, first: int) -> None:
    """Rows `top` to `top + rows` of `out` from the first rows of `sums`.

    Parameters
    ----------
    sums : int32, C-contiguous, each row at least the channels padded to a multiple of 16; what is beyond
        the channels is read, not used. Changed where the accumulator is narrower than 32 bits
    rows : how many
    epilogue : `Epilogue`
    out : 2-D int8, uint8, int16, uint16, int32 or uint32, its last axis contiguous
    top : the first row of `out`
    first : the column of `out` that takes channel 0
    """
    channels, kind = epilogue.channels, epilogue.kind
    if epilogue.width < 32:
        wrap(sums, rows, epilogue)
    for i in range(rows):
        for c in range(0, channels, LANES):
            count = channels - c
            if kind == SINGLE:
                single_block(sums, i, c, epilogue, out, top + i, first + c, count)
            elif kind == DOUBLE:
                double_block(sums, i, c, epilogue, out, top + i, first + c, count)
            elif kind == FIXED:
                fixed_block(sums, i, c, epilogue, out, top + i, first + c, count)
            else:
                store_block(sums, i, c, epilogue, out, top + i, first + c, count)
    if epilogue.table.size:
        look_up(epilogue, out[top : top + rows, first : first + channels])


@compiled
def wrap(sums: Any, rows: int, epilogue: Any) -> None:
    """The low bits of sum + start, less start: it is added again later."""
    lane = sums.dtype.type
    mask = (1 << epilogue.width) - 1
    sign = (1 << (epilogue.width - 1)) if epilogue.signed else 0
    for i in range(rows):
        for c in range(epilogue.channels):
            value = lane(sums[i, c] + epilogue.start[c])
            sums[i, c] = lane(lane((value & lane(mask)) ^ lane(sign)) - lane(sign)) - epilogue.start[c]


@compiled
def look_up(epilogue: Any, codes: Any) -> None:
    """Rule G5, in place."""
    keep, table, first = codes.dtype.type, epilogue.table, epilogue.first
    for i in range(codes.shape[0]):
        for c in range(codes.shape[1]):
            codes[i, c] = keep(table[(int(codes[i, c]) - first) & 255])


class _Lanes:
    """Sixteen channels of one row, as an intrinsic is asked for them."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.context, self.builder = context, builder
        self.types, self.values = signature.args, values
        self.column = values[2]

    def scalar(self, name: str) -> Any:
        """A field of the epilogue, as int64."""
        return self.builder.extract_value(self.values[3], self.types[3].fields.index(name))

    def splat(self, value: Any, kind: ir.Type) -> Any:
        """One number in every lane."""
        vector = ir.VectorType(kind, LANES)
        undefined = ir.Constant(vector, ir.Undefined)
        one = self.builder.insert_element(undefined, value, _I32(0))
        return self.builder.shuffle_vector(
            one, undefined, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
        )

    def constant(self, name: str, kind: ir.Type = _I32) -> Any:
        """A field of the epilogue in every lane of integers."""
        value = self.scalar(name)
        return self.splat(value if kind == _I64 else self.builder.trunc(value, kind), kind)

    def pointer(self, kind: Any, value: Any, row: Any, column: Any) -> Any:
        """The address of [row, column]."""
        array = self.context.make_array(kind)(self.context, self.builder, value)
        strides = cgutils.unpack_tuple(self.builder, array.strides, kind.ndim)
        places = (row, column)[2 - kind.ndim :]
        offset = self.builder.mul(places[-1], ir.Constant(_I64, kind.dtype.bitwidth // 8))
        if kind.ndim == 2:
            offset = self.builder.add(offset, self.builder.mul(row, strides[0]))
        base = self.builder.bitcast(array.data, _I8.as_pointer())
        return self.builder.gep(base, [offset], source_etype=_I8)

    def load(self, kind: Any, value: Any, row: Any, column: Any) -> Any:
        """Sixteen elements."""
        lane = self.context.get_data_type(kind.dtype)
        address = self.pointer(kind, value, row, column)
        vector = ir.VectorType(lane, LANES)
        address = self.builder.bitcast(address, vector.as_pointer())
        return self.builder.load(address, align=kind.dtype.bitwidth // 8, typ=vector)

    def parameter(self, name: str, row: int = 0) -> Any:
        """Sixteen channels of one row of an array of the epilogue."""
        place = self.types[3].fields.index(name)
        array = self.builder.extract_value(self.values[3], place)
        return self.load(self.types[3].types[place], array, _I64(row), self.column)

    def sums(self) -> Any:
        """Sum plus start, of the register's width already."""
        sums, row, column = self.values[:3]
        return self.builder.add(self.load(self.types[0], sums, row, column), self.parameter("start"))

    def store(self, codes: Any) -> None:
        """The low bits of int32 codes; only `count` of them where that is below sixteen."""
        builder, kind = self.builder, self.types[4]
        lane = self.context.get_data_type(kind.dtype)
        vector = ir.VectorType(lane, LANES)
        narrow = codes if kind.dtype.bitwidth == 32 else builder.trunc(codes, vector)
        out, row, column, count = self.values[4:8]
        address = builder.bitcast(self.pointer(kind, out, row, column), vector.as_pointer())
        with builder.if_else(builder.icmp_signed(">=", count, _I64(LANES))) as (whole, part):
            with whole:
                builder.store(narrow, address, align=kind.dtype.bitwidth // 8)
            with part:
                places = ir.Constant(ir.VectorType(_I32, LANES), list(range(LANES)))
                mask = builder.icmp_signed("<", places, self.splat(builder.trunc(count, _I32), _I32))
                self._masked_store(narrow, address, mask, kind.dtype.bitwidth // 8)

    def _masked_store(self, value: Any, address: Any, mask: Any, alignment: int) -> None:
        name = f"llvm.masked.store.v{LANES}i{value.type.element.width}.p0"
        shape = ir.FunctionType(ir.VoidType(), [value.type, address.type, _I32, mask.type])
        function = cgutils.get_or_insert_function(self.builder.module, shape, name)
        self.builder.call(function, [value, address, _I32(alignment), mask])

    def limited(self, value: Any, low: Any, high: Any, less: Callable[..., Any]) -> Any:
        """The nearest value from low to high."""
        value = self.builder.select(less("<", value, low), low, value)
        return self.builder.select(less(">", value, high), high, value)


def _block(emit: Callable[[_Lanes], Any]) -> Any:
    """An intrinsic that finishes sixteen channels of one row and stores `count` of them."""

    @intrinsic
    def block(
        typing: Any,
        sums: Any,
        row: Any,
        column: Any,
        epilogue: Any,
        out: Any,
        to: Any,
        place: Any,
        count: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            lanes = _Lanes(context, builder, signature, values)
            lanes.store(emit(lanes))
            return context.get_dummy_value()

        wide = types.int64
        return types.void(sums, wide, wide, epilogue, out, wide, wide, wide), generate

    return block


def _store(lanes: _Lanes) -> Any:
    """Rule G2."""
    return lanes.sums()


def _real(real: ir.Type, name: str) -> Callable[[_Lanes], Any]:
    """Rule G3. y + 1.5 * 2**23 (or 2**52) has the nearest integer in its last bits, ties to even."""
    bits, whole, magic = _FLOATS[real]

    def emit(lanes: _Lanes) -> Any:
        builder, vector = lanes.builder, ir.VectorType(real, LANES)
        integers = ir.VectorType(whole, LANES)
        value = lanes.sums()
        negative = builder.icmp_signed("<", value, ir.Constant(value.type, [0] * LANES))
        offset = builder.select(negative, lanes.parameter(name, BELOW), lanes.parameter(name, ABOVE))
        y = builder.fmul(builder.sitofp(value, vector), lanes.parameter(name, FACTOR))
        y = builder.fadd(y, offset)
        zero, low, high = (lanes.scalar(field) for field in ("zero", "low", "high"))
        low, high = (lanes.splat(builder.sitofp(builder.sub(end, zero), real), real) for end in (low, high))
        y = lanes.limited(y, low, high, builder.fcmp_ordered)
        moved = builder.bitcast(builder.fadd(y, ir.Constant(vector, [magic] * LANES)), integers)
        if bits == 64:
            moved = builder.trunc(moved, ir.VectorType(_I32, LANES))  # the low bits of 1.5 * 2**52 are 0
            return builder.add(moved, lanes.constant("zero"))
        shift = builder.sub(builder.trunc(zero, _I32), _I32(0x4B400000))  # 1.5 * 2**23, as bits
        return builder.add(moved, lanes.splat(shift, _I32))

    return emit


def _fixed(lanes: _Lanes) -> Any:
    """Rule G4."""
    builder, wide = lanes.builder, ir.VectorType(_I64, LANES)
    value = builder.add(lanes.sums(), lanes.constant("before"))
    product = builder.mul(
        builder.sext(value, wide), builder.sext(lanes.parameter("integers", MULTIPLIER), wide)
    )
    none = ir.Constant(wide, [0] * LANES)
    rounding = builder.select(
        builder.icmp_signed("<", product, none), lanes.constant("below", _I64), lanes.constant("above", _I64)
    )
    shifted = builder.ashr(builder.add(product, rounding), lanes.constant("bits", _I64))
    value = builder.trunc(shifted, ir.VectorType(_I32, LANES))
    negative = builder.icmp_signed("<", value, ir.Constant(value.type, [0] * LANES))
    below, above = lanes.parameter("integers", MORE_BELOW), lanes.parameter("integers", MORE_ABOVE)
    value = builder.add(value, builder.select(negative, below, above))
    value = builder.ashr(value, lanes.parameter("integers", MORE_BITS))
    value = builder.add(value, lanes.constant("zero"))
    return lanes.limited(value, lanes.constant("low"), lanes.constant("high"), builder.icmp_signed)


store_block = _block(_store)
single_block = _block(_real(ir.FloatType(), "singles"))
double_block = _block(_real(ir.DoubleType(), "doubles"))
fixed_block = _block(_fixed)
