"""`finish`: a block of int32 sums through an epilogue (rules G1 to G8) into rows of the output.

Sixteen channels at a time, written as vector instructions of LLVM: what they compute does not depend on
the processor, only how many of them it takes. Float operations are fused where a rule says so and nowhere
else, and none is reordered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped
from numba.extending import intrinsic

from intsim.kernels.epilogue import (
    BELOW,
    DOUBLE,
    FACTOR,
    FIXED,
    LANES,
    MORE_ABOVE,
    MORE_BELOW,
    MORE_BITS,
    MULTIPLIER,
    OFFSET,
    SIGNED,
    SINGLE,
    STORE,
)
from intsim.kernels.jit import compiled

cgutils: Any = untyped
_I8, _I32, _I64 = (ir.IntType(bits) for bits in (8, 32, 64))
_FIRST = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
_MAGIC = {32: 1.5 * 2**23, 64: 1.5 * 2**52}
"""What moves a value's ones to the last place of float32 and float64."""


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
    if epilogue.width < 32:
        wrap(sums, 0, rows, 0, epilogue, 0, epilogue.channels)
    for c in range(0, epilogue.channels, LANES):
        finish_channels(sums, 0, rows, c, epilogue, c, out, top, first + c)
    if epilogue.table.size:
        look_up(epilogue, out[top : top + rows, first : first + epilogue.channels])


@compiled
def wrap(sums: Any, begin: int, rows: int, column: int, epilogue: Any, c: int, count: int) -> None:
    """The low bits of sum + start, less start: it is added again later."""
    lane = sums.dtype.type
    mask = (1 << epilogue.width) - 1
    sign = (1 << (epilogue.width - 1)) if epilogue.signed else 0
    for i in range(begin, begin + rows):
        for j in range(count):
            start = epilogue.start[c + j]
            value = lane(sums[i, column + j] + start)
            sums[i, column + j] = lane(lane((value & lane(mask)) ^ lane(sign)) - lane(sign)) - start


@compiled
def look_up(epilogue: Any, codes: Any) -> None:
    """Rule G8, in place."""
    keep, table, first = codes.dtype.type, epilogue.table, epilogue.first
    for i in range(codes.shape[0]):
        for c in range(codes.shape[1]):
            codes[i, c] = keep(table[(int(codes[i, c]) - first) & 255])


class _Lanes:
    """One block of sixteen channels, as an intrinsic is asked for it."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.context, self.builder = context, builder
        self.sums, self.begin, self.rows, self.column, self.epilogue = values[:5]
        self.channel, self.out, self.top, self.place = values[5:]
        self.sums_type, self.epilogue_type, self.out_type = (signature.args[i] for i in (0, 4, 6))

    def kind(self) -> Any:
        """The block's kind (rule G7)."""
        place = self.epilogue_type.fields.index("kinds")
        kinds = self.epilogue_type.types[place]
        array = self.context.make_array(kinds)(
            self.context, self.builder, self.builder.extract_value(self.epilogue, place)
        )
        block = self.builder.udiv(self.channel, _I64(LANES))
        return self.builder.load(self.builder.gep(array.data, [block], source_etype=_I64), typ=_I64)

    def scalar(self, name: str) -> Any:
        """A field of the epilogue, as int64."""
        return self.builder.extract_value(self.epilogue, self.epilogue_type.fields.index(name))

    def splat(self, value: Any, kind: ir.Type) -> Any:
        """One number in every lane."""
        undefined = ir.Constant(ir.VectorType(kind, LANES), ir.Undefined)
        one = self.builder.insert_element(undefined, value, _I32(0))
        return self.builder.shuffle_vector(one, undefined, _FIRST)

    def constant(self, name: str, kind: ir.Type = _I32) -> Any:
        """A field of the epilogue in every lane of integers."""
        value = self.scalar(name)
        return self.splat(value if kind == _I64 else self.builder.trunc(value, kind), kind)

    def limits(self, middle: str, real: ir.Type) -> tuple[Any, Any]:
        """low and high less a middle, in every lane of floats."""
        ends = (self.builder.sub(self.scalar(end), self.scalar(middle)) for end in ("low", "high"))
        low, high = (self.splat(self.builder.sitofp(end, real), real) for end in ends)
        return low, high

    def pointer(self, kind: Any, value: Any, row: Any, column: Any) -> Any:
        """The address of sixteen elements from [row, column] on."""
        array = self.context.make_array(kind)(self.context, self.builder, value)
        strides = cgutils.unpack_tuple(self.builder, array.strides, kind.ndim)
        offset = self.builder.mul(column, _I64(kind.dtype.bitwidth // 8))
        if kind.ndim == 2:
            offset = self.builder.add(offset, self.builder.mul(row, strides[0]))
        base = self.builder.bitcast(array.data, _I8.as_pointer())
        vector = ir.VectorType(self.context.get_data_type(kind.dtype), LANES)
        return self.builder.bitcast(self.builder.gep(base, [offset], source_etype=_I8), vector.as_pointer())

    def load(self, kind: Any, value: Any, row: Any, column: Any) -> Any:
        """Sixteen elements."""
        vector = ir.VectorType(self.context.get_data_type(kind.dtype), LANES)
        address = self.pointer(kind, value, row, column)
        return self.builder.load(address, align=kind.dtype.bitwidth // 8, typ=vector)

    def parameter(self, name: str, row: int = 0) -> Any:
        """Sixteen channels of one row of an array of the epilogue."""
        place = self.epilogue_type.fields.index(name)
        array = self.builder.extract_value(self.epilogue, place)
        return self.load(self.epilogue_type.types[place], array, _I64(row), self.channel)

    def finish(self, form: Form) -> None:
        """Every row, with all channels stored or, in the last block, fewer."""
        start, codes = self.parameter("start"), form(self)
        places = ir.Constant(ir.VectorType(_I32, LANES), list(range(LANES)))
        left = self.builder.sub(self.scalar("channels"), self.channel)
        count = self.splat(self.builder.trunc(left, _I32), _I32)
        mask = self.builder.icmp_signed("<", places, count)
        whole = self.builder.icmp_signed(">=", left, _I64(LANES))
        with self.builder.if_else(whole) as branches:
            for branch, chosen in zip(branches, (None, mask), strict=True):
                with branch, self.each_row() as (sums, to):
                    self.store(codes(self.builder.add(sums, start)), to, chosen)

    @contextmanager
    def each_row(self) -> Iterator[tuple[Any, Any]]:
        """A loop over the rows: sixteen sums, and the address of their codes."""
        builder = self.builder
        ends = (
            (self.sums_type, self.sums, self.begin, self.column),
            (self.out_type, self.out, self.top, self.place),
        )
        places = [cgutils.alloca_once(builder, _I64) for _ in ends]
        strides = []
        for (kind, value, row, column), place in zip(ends, places, strict=True):
            builder.store(builder.ptrtoint(self.pointer(kind, value, row, column), _I64), place)
            array = self.context.make_array(kind)(self.context, builder, value)
            strides.append(cgutils.unpack_tuple(builder, array.strides, kind.ndim)[0])
        with cgutils.for_range(builder, self.rows):
            here, to = (builder.load(place) for place in places)
            vector = ir.VectorType(_I32, LANES)
            sums = builder.load(builder.inttoptr(here, vector.as_pointer()), align=4, typ=vector)
            yield sums, to
            for place, at, stride in zip(places, (here, to), strides, strict=True):
                builder.store(builder.add(at, stride), place)

    def store(self, codes: Any, to: Any, mask: Any) -> None:
        """The low bits of integers at an address, where the mask says."""
        builder, bits = self.builder, self.out_type.dtype.bitwidth
        vector = ir.VectorType(ir.IntType(bits), LANES)
        narrow = codes if codes.type == vector else builder.trunc(codes, vector)
        address = builder.inttoptr(to, vector.as_pointer())
        if mask is None:
            builder.store(narrow, address, align=bits // 8)
            return
        shape = ir.FunctionType(ir.VoidType(), [vector, address.type, _I32, mask.type])
        name = f"llvm.masked.store.v{LANES}i{bits}.p0"
        function = cgutils.get_or_insert_function(builder.module, shape, name)
        builder.call(function, [narrow, address, _I32(bits // 8), mask])

    def where_negative(self, value: Any, negative: Any, other: Any) -> Any:
        """One of two vectors by the sign of integers."""
        none = ir.Constant(value.type, [0] * LANES)
        return self.builder.select(self.builder.icmp_signed("<", value, none), negative, other)

    def limited(self, value: Any, low: Any, high: Any, less: Callable[..., Any]) -> Any:
        """The nearest value from low to high."""
        value = self.builder.select(less("<", value, low), low, value)
        return self.builder.select(less(">", value, high), high, value)

    def rounded(self, y: Any, low: Any, high: Any, middle: str) -> Any:
        """The integer nearest to y, limited, plus the middle; y moved so that its ones are its last place."""
        real = y.type.element
        bits = 32 if real == ir.FloatType() else 64
        y = self.limited(y, low, high, self.builder.fcmp_ordered)
        y = self.builder.fadd(y, ir.Constant(y.type, [_MAGIC[bits]] * LANES))
        whole = self.builder.bitcast(y, ir.VectorType(ir.IntType(bits), LANES))
        if bits == 64:  # the low 32 bits of what was added are 0
            whole = self.builder.trunc(whole, ir.VectorType(_I32, LANES))
            return self.builder.add(whole, self.constant(middle))
        centre = self.builder.sub(self.builder.trunc(self.scalar(middle), _I32), _I32(0x4B400000))
        return self.builder.add(whole, self.splat(centre, _I32))


Codes = Callable[[Any], Any]
"""From values to integers whose low bits are the codes."""

Form = Callable[[_Lanes], Codes]
"""Loads a block's parameters, and says how the codes follow from values."""


def _store(lanes: _Lanes) -> Codes:
    """Rule G2."""
    return lambda value: value


def _single(with_sign: bool) -> Form:
    """Rules G3 and G4."""
    real = ir.FloatType()

    def form(lanes: _Lanes) -> Codes:
        vector = ir.VectorType(real, LANES)
        factor, offset, below = (lanes.parameter("singles", row) for row in (FACTOR, OFFSET, BELOW))
        low, high = lanes.limits("centre", real)
        shape = ir.FunctionType(vector, [vector] * 3)
        name = f"llvm.fma.v{LANES}f32"
        fused = cgutils.get_or_insert_function(lanes.builder.module, shape, name)

        def codes(value: Any) -> Any:
            added = lanes.where_negative(value, below, offset) if with_sign else offset
            y = lanes.builder.call(fused, [lanes.builder.sitofp(value, vector), factor, added])
            return lanes.rounded(y, low, high, "centre")

        return codes

    return form


def _double(lanes: _Lanes) -> Codes:
    """Rule G5."""
    real = ir.DoubleType()
    factor, offset, below = (lanes.parameter("doubles", row) for row in (FACTOR, OFFSET, BELOW))
    low, high = lanes.limits("zero", real)

    def codes(value: Any) -> Any:
        y = lanes.builder.sitofp(value, ir.VectorType(real, LANES))
        y = lanes.builder.fmul(y, factor)
        y = lanes.builder.fadd(y, lanes.where_negative(value, below, offset))
        return lanes.rounded(y, low, high, "zero")

    return codes


def _fixed(lanes: _Lanes) -> Codes:
    """Rule G6."""
    builder, wide = lanes.builder, ir.VectorType(_I64, LANES)
    factor, more_bits, more_below, more_above = (
        lanes.parameter("integers", row) for row in (MULTIPLIER, MORE_BITS, MORE_BELOW, MORE_ABOVE)
    )
    before, zero, low, high = (lanes.constant(name) for name in ("before", "zero", "low", "high"))
    bits, below, above = (lanes.constant(name, _I64) for name in ("bits", "below", "above"))

    def codes(value: Any) -> Any:
        value = builder.sext(builder.add(value, before), wide)
        product = builder.mul(value, builder.sext(factor, wide))
        product = builder.add(product, lanes.where_negative(product, below, above))
        value = builder.trunc(builder.ashr(product, bits), ir.VectorType(_I32, LANES))
        value = builder.add(value, lanes.where_negative(value, more_below, more_above))
        value = builder.add(builder.ashr(value, more_bits), zero)
        return lanes.limited(value, low, high, builder.icmp_signed)

    return codes


_FORMS: dict[int, Form] = {
    STORE: _store,
    SINGLE: _single(with_sign=False),
    SIGNED: _single(with_sign=True),
    DOUBLE: _double,
    FIXED: _fixed,
}


def _finish_channels(
    typing: Any,
    sums: Any,
    begin: Any,
    rows: Any,
    column: Any,
    epilogue: Any,
    channel: Any,
    out: Any,
    top: Any,
    place: Any,
) -> Any:
    """Sixteen channels, or the last ones, of some rows; but neither `wrap` nor `look_up`.

    Parameters
    ----------
    sums, begin, rows : from which row of the sums on, and how many rows
    column : of the sums, where the first of the channels is
    epilogue, channel : the first of the channels, a multiple of 16
    out, top, place : the first row of `out`, and its column for the first of the channels
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        lanes = _Lanes(context, builder, signature, values)
        kind = lanes.kind()
        for number, form in _FORMS.items():
            with builder.if_then(builder.icmp_signed("==", kind, _I64(number))):
                lanes.finish(form)
        return context.get_dummy_value()

    wide = types.int64
    return types.void(sums, wide, wide, wide, epilogue, wide, out, wide, wide), generate


finish_channels: Any = intrinsic(_finish_channels)
"""An intrinsic: a function counts who holds each of its arrays, which costs more than this."""
