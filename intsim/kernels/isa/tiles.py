"""Blocks of registers on tiles (AMX): up to 32 rows of input against up to 2 panels of weights.

A tile of input is 16 rows by 64 bytes, read where it lies; a tile of weights is 16 steps of a panel, as
it is packed or was unpacked (`kernels.isa.unpack`). Sums are tiles 0 to 3, input 4 and 5, weights 6 and 7.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from intsim.kernels.isa.emit import I8, I64, VOID, at, call, counted, function, load
from intsim.kernels.isa.table import PANEL, STEP
from intsim.kernels.isa.unpack import weights_of

_ROWS, _BYTES = 16, 64


def configure(builder: Any, address: Any) -> None:
    """Load the tile configuration of this thread."""
    call(builder, "llvm.x86.ldtilecfg", VOID, [at(builder, address, I8)])


def release(builder: Any) -> None:
    """Back to no tiles: a thread that has some is switched more slowly."""
    call(builder, "llvm.x86.tilerelease", VOID, [])


def _load(builder: Any, tile: int, address: Any, stride: Any) -> None:
    call(builder, "llvm.x86.tileloadd64", VOID, [I8(tile), at(builder, address, I8), stride])


def tiles_block(module: ir.Module, name: str, rows: int, panels: int, signed: bool) -> ir.Function:
    """The block of registers: see `kernels.isa.micro.multiply_block` for the arguments."""
    instruction = "llvm.x86.tdpbssd" if signed else "llvm.x86.tdpbusd"
    made, builder = function(module, f"{name}.{rows}x{panels}{'s' if signed else 'u'}", 11)
    x, row_stride, offsets, segments, steps, w, panel_stride, sums, sums_stride, begin, begin_stride = (
        made.args
    )
    downs, acrosses = range(rows // _ROWS), range(panels)
    given = weights_of(builder, name, w, panel_stride, panels)

    def cell(first: Any, stride: Any, i: int, j: int) -> Any:
        row = builder.add(first, builder.mul(stride, I64(_ROWS * i)))
        return builder.add(row, I64(4 * PANEL * j))

    with builder.if_else(builder.icmp_signed("!=", begin, I64(0))) as (then, otherwise):
        with then:
            for i in downs:
                for j in acrosses:
                    _load(builder, 2 * i + j, cell(begin, begin_stride, i, j), begin_stride)
        with otherwise:
            for i in downs:
                for j in acrosses:
                    call(builder, "llvm.x86.tilezero", VOID, [I8(2 * i + j)])
    with counted(builder, segments) as segment:
        offset = load(builder, builder.add(offsets, builder.mul(segment, I64(8))), I64)
        first = builder.add(x, offset)
        with counted(builder, steps) as step:
            place = builder.add(first, builder.mul(step, I64(_BYTES)))
            here = given.tiles()
            for i in downs:
                for j in acrosses:
                    if i == 0:
                        _load(builder, 6 + j, here[j], I64(PANEL * STEP))
                    if j == 0:
                        block = builder.add(place, builder.mul(row_stride, I64(_ROWS * i)))
                        _load(builder, 4 + i, block, row_stride)
                    call(builder, instruction, VOID, [I8(2 * i + j), I8(4 + i), I8(6 + j)])
            given.advance()
    for i in downs:
        for j in acrosses:
            pointer = at(builder, cell(sums, sums_stride, i, j), I8)
            call(builder, "llvm.x86.tilestored64", VOID, [I8(2 * i + j), pointer, sums_stride])
    builder.ret_void()
    return made
