"""Blocks of registers that count bits: words of rows against panels of words of output channels.

See the rules of `kernels.isa.counters`. Each instruction set gives three functions: what a count begins
with, one more vector of bits, and what it comes to in int32, a lane for each channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from intsim.kernels.isa.counters import CHANNELS, WORD, Count
from intsim.kernels.isa.emit import I8, I32, I64, call, counted, function, load, splat, store, vector


@dataclass(frozen=True)
class _Lanes:
    """How bits are counted: lanes of 64 bits in a vector of bits, and the kind of a count."""

    width: int
    kind: ir.Type

    def add(self, builder: Any, count: Any, bits: Any) -> Any:
        """One more vector of bits: LLVM has an instruction or a few for it on every processor."""
        return builder.add(count, call(builder, f"llvm.ctpop.v{self.width}i64", bits.type, [bits]))

    def total(self, builder: Any, count: Any) -> Any:
        """int32, a lane for each channel."""
        return builder.trunc(count, vector(I32, self.width))


class _Table256(_Lanes):
    """16 counts of 4 bits, twice; bytes are then summed to words."""

    def add(self, builder: Any, count: Any, bits: Any) -> Any:
        bytes = vector(I8, 32)
        table = ir.Constant(bytes, [value.bit_count() for value in range(16)] * 2)
        low = ir.Constant(bytes, [15] * 32)
        given = builder.bitcast(bits, bytes)
        high = builder.bitcast(builder.lshr(bits, ir.Constant(bits.type, [4] * 4)), bytes)
        looked = [
            call(builder, "llvm.x86.avx2.pshuf.b", bytes, [table, builder.and_(part, low)])
            for part in (given, high)
        ]
        zero = ir.Constant(bytes, [0] * 32)
        summed = call(builder, "llvm.x86.avx2.psad.bw", bits.type, [builder.add(*looked), zero])
        return builder.add(count, summed)


class _Dots(_Lanes):
    """Counts of bytes, summed four at a time into lanes of 32 bits, two for each channel."""

    def add(self, builder: Any, count: Any, bits: Any) -> Any:
        bytes = vector(I8, 16)
        counts = call(builder, "llvm.ctpop.v16i8", bytes, [builder.bitcast(bits, bytes)])
        ones = ir.Constant(bytes, [1] * 16)
        return call(builder, "llvm.aarch64.neon.udot.v4i32.v16i8", count.type, [count, counts, ones])

    def total(self, builder: Any, count: Any) -> Any:
        undefined = ir.Constant(count.type, ir.Undefined)
        even, odd = (
            builder.shuffle_vector(count, undefined, ir.Constant(vector(I32, 2), places))
            for places in ([0, 2], [1, 3])
        )
        return builder.add(even, odd)


_LANES: dict[str, _Lanes] = {
    "Popcount512": _Lanes(8, vector(I64, 8)),
    "Popcount256": _Table256(4, vector(I64, 4)),
    "PopcountNeon": _Dots(2, vector(I32, 4)),
    "PopcountPortable": _Lanes(2, vector(I64, 2)),
}


def _bits(builder: Any, count: Count, x: Sequence[Any], w: Sequence[Any]) -> list[Any]:
    """The vectors of bits that rule P2 counts, from the planes of both."""
    if count is Count.BOTH:
        return [builder.and_(x[0], w[0])]
    differ = builder.xor(x[-1], w[-1])
    if count is Count.DIFFER:
        return [differ]
    if count is Count.DIFFER_IN_W:
        return [builder.and_(differ, w[0])]
    if count is Count.DIFFER_IN_X:
        return [builder.and_(differ, x[0])]
    both = builder.and_(x[0], w[0])
    return [both, builder.and_(both, differ)]


def _value(builder: Any, totals: Sequence[Any]) -> Any:
    """A count from what its vectors came to: the second, if any, is taken off twice."""
    if len(totals) == 1:
        return totals[0]
    return builder.sub(totals[0], builder.add(totals[1], totals[1]))


def count_block(module: ir.Module, counter: str, count: Count, rows: int, panels: int) -> ir.Function:
    """One block of registers, made in a module once; see `kernels.isa.counting.count_panels`."""
    name = f"{counter}.{count.name}.{rows}x{panels}"
    return module.globals.get(name) or _made(module, name, counter, count, rows, panels)


def _made(module: ir.Module, name: str, counter: str, count: Count, rows: int, panels: int) -> ir.Function:
    lanes = _LANES[counter]
    sums_of_one = 2 if count is Count.SIGNS else 1
    made, builder = function(module, name, 12)
    (x, row_stride, step_stride, offsets, segments, steps, w, panel_stride, *ends) = made.args
    sums, sums_stride, begun, factor = ends
    parts = CHANNELS // lanes.width
    kind = vector(I64, lanes.width)
    places = [(i, j, p) for i in range(rows) for j in range(panels) for p in range(parts)]
    held = {(*place, k): builder.alloca(lanes.kind) for place in places for k in range(sums_of_one)}
    for slot in held.values():
        builder.store(ir.Constant(lanes.kind, [0] * lanes.kind.count), slot)
    weights = builder.alloca(I64)
    builder.store(w, weights)
    with counted(builder, segments) as segment:
        offset = load(builder, builder.add(offsets, builder.mul(segment, I64(8))), I64)
        first = builder.add(x, offset)
        with counted(builder, steps) as step:
            here = builder.load(weights)
            factors = {}
            for j in range(panels):
                panel = builder.add(here, builder.mul(panel_stride, I64(j)))
                for q in range(count.w):
                    for p in range(parts):
                        at = WORD * (CHANNELS * q + lanes.width * p)
                        factors[j, p, q] = load(builder, builder.add(panel, I64(at)), kind)
            place = builder.add(first, builder.mul(step, step_stride))
            for i in range(rows):
                row = builder.add(place, builder.mul(row_stride, I64(i)))
                words = [load(builder, builder.add(row, I64(WORD * q)), I64) for q in range(count.x)]
                seen = [splat(builder, word, lanes.width) for word in words]
                for j in range(panels):
                    for p in range(parts):
                        met = [factors[j, p, q] for q in range(count.w)]
                        for k, bits in enumerate(_bits(builder, count, seen, met)):
                            slot = held[i, j, p, k]
                            builder.store(lanes.add(builder, builder.load(slot), bits), slot)
            builder.store(builder.add(here, I64(WORD * CHANNELS * count.w)), weights)
    several = splat(builder, builder.trunc(factor, I32), lanes.width)
    keep = splat(builder, builder.trunc(begun, I32), lanes.width)
    for i, j, p in places:
        totals = [lanes.total(builder, builder.load(held[i, j, p, k])) for k in range(sums_of_one)]
        value = builder.mul(_value(builder, totals), several)
        at = builder.add(sums, builder.mul(sums_stride, I64(i)))
        at = builder.add(at, I64(4 * (CHANNELS * j + lanes.width * p)))
        before = builder.and_(load(builder, at, value.type), keep)
        store(builder, builder.add(before, value), at)
    builder.ret_void()
    return made
