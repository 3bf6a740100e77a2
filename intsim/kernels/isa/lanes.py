"""Blocks of registers on vectors: rows of input, each 4 bytes broadcast, against panels of weights.

Or each channel by itself, for depthwise convolutions: a step of a row is then 4 bytes for each of the
16 channels of a panel, and meets the weights of the same channel.

Every instruction set gives one function: sums + products of 4 bytes (or 2 words) in each lane of 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from intsim.kernels.isa.emit import I8, I16, I32, I64, call, counted, function, load, splat, store, vector
from intsim.kernels.isa.table import PANEL, STEP

Dot = Callable[[Any, Any, Any, Any], Any]
"""builder, sums, input and weights, each a vector of int32 lanes, to sums."""


def _vnni(name: str) -> Dot:
    def dot(builder: Any, sums: Any, x: Any, w: Any) -> Any:
        return call(builder, f"llvm.x86.avx512.{name}", sums.type, [sums, x, w])

    return dot


def _sdot(builder: Any, sums: Any, x: Any, w: Any) -> Any:
    codes = vector(I8, 16)
    operands = [sums, builder.bitcast(x, codes), builder.bitcast(w, codes)]
    return call(builder, "llvm.aarch64.neon.sdot.v4i32.v16i8", sums.type, operands)


def _madd(builder: Any, sums: Any, x: Any, w: Any) -> Any:
    """The sum of two products is modulo 2**32: only -2**15 four times reaches 2**31."""
    words = vector(I16, 16)
    operands = [builder.bitcast(x, words), builder.bitcast(w, words)]
    return builder.add(sums, call(builder, "llvm.x86.avx2.pmadd.wd", sums.type, operands))


def _plain(builder: Any, sums: Any, x: Any, w: Any) -> Any:
    """Products of words, neighbours added: LLVM knows an instruction for this on some processors."""
    lanes = sums.type.count
    words, wide = vector(I16, 2 * lanes), vector(I32, 2 * lanes)
    x, w = (builder.sext(builder.bitcast(v, words), wide) for v in (x, w))
    products, undefined = builder.mul(x, w), ir.Constant(wide, ir.Undefined)
    even, odd = (
        builder.shuffle_vector(products, undefined, ir.Constant(vector(I32, lanes), places))
        for places in (list(range(0, 2 * lanes, 2)), list(range(1, 2 * lanes, 2)))
    )
    return builder.add(sums, builder.add(even, odd))


DOTS: dict[str, tuple[int, Dot]] = {
    "VnniBytes512": (16, _vnni("vpdpbusd.512")),
    "VnniBytes256": (8, _vnni("vpdpbusd.256")),
    "NeonBytes": (4, _sdot),
    "VnniWords512": (16, _vnni("vpdpwssd.512")),
    "Avx2Words": (8, _madd),
    "PortableWords": (8, _plain),
}
"""Lanes of a vector, and the instruction, of every kernel but those on tiles."""


def lanes_block(module: ir.Module, kernel: str, rows: int, panels: int, each: bool = False) -> ir.Function:
    """The block of registers of one kernel: see `kernels.isa.micro.multiply_block` for the arguments.

    `each` : every channel by itself; there is one panel then.
    """
    width, dot = DOTS[kernel]
    made, builder = function(module, f"{kernel}.{rows}x{panels}{'.each' if each else ''}", 11)
    x, row_stride, offsets, segments, steps, w, panel_stride, sums, sums_stride, begin, begin_stride = (
        made.args
    )
    parts = PANEL // width
    kind = vector(I32, width)
    places = [(i, j, p) for i in range(rows) for j in range(panels) for p in range(parts)]

    def cell(first: Any, stride: Any, i: int, j: int, p: int) -> Any:
        row = builder.add(first, builder.mul(stride, I64(i)))
        return builder.add(row, I64(4 * (PANEL * j + width * p)))

    held = {place: builder.alloca(kind) for place in places}
    weights = builder.alloca(I64)
    builder.store(w, weights)
    with builder.if_else(builder.icmp_signed("!=", begin, I64(0))) as (then, otherwise):
        with then:
            for place in places:
                builder.store(load(builder, cell(begin, begin_stride, *place), kind), held[place])
        with otherwise:
            for place in places:
                builder.store(ir.Constant(kind, [0] * width), held[place])
    with counted(builder, segments) as segment:
        offset = load(builder, builder.add(offsets, builder.mul(segment, I64(8))), I64)
        first = builder.add(x, offset)
        with counted(builder, steps) as step:
            here = builder.load(weights)
            factors = [
                [
                    load(
                        builder,
                        builder.add(builder.add(here, builder.mul(panel_stride, I64(j))), I64(4 * width * p)),
                        kind,
                    )
                    for p in range(parts)
                ]
                for j in range(panels)
            ]
            place = builder.add(first, builder.mul(step, I64(STEP)))
            for i in range(rows):
                row = builder.add(place, builder.mul(row_stride, I64(i)))
                once = None if each else splat(builder, load(builder, row, I32), width)
                for j in range(panels):
                    for p in range(parts):
                        seen = once or load(builder, builder.add(row, I64(4 * width * p)), kind)
                        slot = held[i, j, p]
                        builder.store(dot(builder, builder.load(slot), seen, factors[j][p]), slot)
            builder.store(builder.add(here, I64(PANEL * STEP)), weights)
    for place in places:
        store(builder, builder.load(held[place]), cell(sums, sums_stride, *place))
    builder.ret_void()
    return made
