"""Integers of 128 bits as two int64: numba intrinsics. The low half holds its 64 bits, whatever their sign.

LLVM has such integers, and makes of each of these one to four instructions. A bit length is one instruction
as well, and one that vectors have.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from intsim.kernels.isa.emit import I1, I64, call, load

I128 = ir.IntType(128)
_PAIR: Any = types.UniTuple(types.int64, 2)  # type: ignore[no-untyped-call]


def _join(builder: Any, high: Any, low: Any) -> Any:
    upper = builder.shl(builder.zext(high, I128), ir.Constant(I128, 64))
    return builder.or_(upper, builder.zext(low, I128))


def _split(context: Any, builder: Any, value: Any) -> Any:
    high = builder.trunc(builder.lshr(value, ir.Constant(I128, 64)), I64)
    return context.make_tuple(builder, _PAIR, (high, builder.trunc(value, I64)))


def _length(typing: Any, value: Any) -> Any:
    """Bits of an int64 that is not below 0: 0 of 0, 1 of 1, 2 of 2 and 3."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        zeros = call(builder, "llvm.ctlz.i64", I64, [values[0], I1(0)])
        return builder.sub(I64(64), zeros)

    return types.int64(types.int64), generate


def _at(typing: Any, numbers: Any, place: Any) -> Any:
    """One of some int64 that nobody writes meanwhile: of an address, or of a tuple, for loops in vectors."""
    if isinstance(numbers, types.UniTuple):
        if not isinstance(place, types.IntegerLiteral):
            return None

        def take(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.extract_value(values[0], place.literal_value)

        return types.int64(numbers, place), take

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address, place = values
        found = load(builder, builder.add(address, builder.shl(place, I64(3))), I64)
        found.set_metadata("invariant.load", builder.module.add_metadata([]))
        return found

    return types.int64(types.int64, types.int64), generate


def _stays_apart(typing: Any) -> Any:
    """A function that says this is not copied into its callers: these are compiled sooner."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


def _trailing(typing: Any, value: Any) -> Any:
    """Zeros at the end of an int64: 64 of 0."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return call(builder, "llvm.cttz.i64", I64, [values[0], I1(0)])

    return types.int64(types.int64), generate


def _multiply_add(typing: Any, high: Any, low: Any, a: Any, b: Any) -> Any:
    """(high, low) + a * b, all of them signed."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        high, low, a, b = values
        product = builder.mul(builder.sext(a, I128), builder.sext(b, I128))
        return _split(context, builder, builder.add(_join(builder, high, low), product))

    return _PAIR(*[types.int64] * 4), generate


def _add(typing: Any, high: Any, low: Any, more_high: Any, more_low: Any) -> Any:
    """The sum of two."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _split(context, builder, builder.add(_join(builder, *values[:2]), _join(builder, *values[2:])))

    return _PAIR(*[types.int64] * 4), generate


def _times(typing: Any, high: Any, low: Any, factor: Any) -> Any:
    """A product with an int64 that is not below 0, modulo 2**128."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        product = builder.mul(_join(builder, *values[:2]), builder.zext(values[2], I128))
        return _split(context, builder, product)

    return _PAIR(*[types.int64] * 3), generate


def _shift(left: bool) -> Any:
    def shift(typing: Any, high: Any, low: Any, bits: Any) -> Any:
        """By 0 to 127 bits; to the right zeros come in."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            value, bits = _join(builder, *values[:2]), builder.zext(values[2], I128)
            shifted = builder.shl(value, bits) if left else builder.lshr(value, bits)
            return _split(context, builder, shifted)

        return _PAIR(*[types.int64] * 3), generate

    return shift


trailing: Any = intrinsic(_trailing)
at: Any = intrinsic(prefer_literal=True)(_at)
stays_apart: Any = intrinsic(_stays_apart)
length: Any = intrinsic(_length)
multiply_add: Any = intrinsic(_multiply_add)
add: Any = intrinsic(_add)
times: Any = intrinsic(_times)
shift_left: Any = intrinsic(_shift(True))
shift_right: Any = intrinsic(_shift(False))
