"""Blocks of registers that sum products and keep the lowest and the highest sum on the way.

As `kernels.isa.lanes`, for one segment of terms and with a look at the sums every `group` steps. A sum is
looked at less what a table holds for that look and channel: what moved the input, or its zero point, has
added to it so far.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from intsim.kernels.isa.emit import I8, I16, I32, I64, counted, function, load, splat, store, vector
from intsim.kernels.isa.lanes import DOTS
from intsim.kernels.isa.table import PANEL, STEP

SHAPES = ((4, 2), (8, 1))
"""(rows, panels) of the blocks of registers."""


def _more(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_signed(">", a, b), a, b)


def _less(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_signed("<", a, b), a, b)


def _envelope(module: ir.Module, kernel: str, rows: int, panels: int) -> ir.Function:
    """The block of registers of one kernel: see `envelope_block` for the arguments."""
    name = f"envelope.{kernel}.{rows}x{panels}"
    found = module.globals.get(name)
    if found is not None:
        return found
    width, dot = DOTS[kernel]
    made, builder = function(module, name, 12)
    (x, row_stride, looks, group, w, panel_stride, table, table_stride, sums, lows, highs, stride) = made.args
    kind, parts = vector(I32, width), PANEL // width
    cells = [(i, j, p) for i in range(rows) for j in range(panels) for p in range(parts)]
    held = {cell: [builder.alloca(kind) for _ in range(3)] for cell in cells}
    zero = ir.Constant(kind, [0] * width)
    for cell in cells:
        for slot in held[cell]:
            builder.store(zero, slot)
    weights, codes = builder.alloca(I64), builder.alloca(I64)
    builder.store(w, weights)
    builder.store(x, codes)
    with counted(builder, looks) as look:
        with counted(builder, group):
            here, seen_at = builder.load(weights), builder.load(codes)
            factors = {
                (j, p): load(
                    builder,
                    builder.add(builder.add(here, builder.mul(panel_stride, I64(j))), I64(4 * width * p)),
                    kind,
                )
                for j in range(panels)
                for p in range(parts)
            }
            for i in range(rows):
                code = load(builder, builder.add(seen_at, builder.mul(row_stride, I64(i))), I32)
                seen = splat(builder, code, width)
                for j in range(panels):
                    for p in range(parts):
                        slot = held[i, j, p][0]
                        builder.store(dot(builder, builder.load(slot), seen, factors[j, p]), slot)
            builder.store(builder.add(here, I64(PANEL * STEP)), weights)
            builder.store(builder.add(seen_at, I64(STEP)), codes)
        entry = builder.add(table, builder.mul(look, I64(4 * PANEL)))
        for j in range(panels):
            for p in range(parts):
                place = builder.add(builder.add(entry, builder.mul(table_stride, I64(j))), I64(4 * width * p))
                added = load(builder, place, kind)
                for i in range(rows):
                    total, low, high = held[i, j, p]
                    now = builder.sub(builder.load(total), added)
                    builder.store(_less(builder, builder.load(low), now), low)
                    builder.store(_more(builder, builder.load(high), now), high)
    for (i, j, p), slots in held.items():
        for slot, to in zip(slots, (sums, lows, highs), strict=True):
            row = builder.add(to, builder.mul(stride, I64(i)))
            store(builder, builder.load(slot), builder.add(row, I64(4 * (PANEL * j + width * p))))
    builder.ret_void()
    return made


def _envelope_block(
    typing: Any,
    kernel: Any,
    rows: Any,
    panels: Any,
    x: Any,
    row_stride: Any,
    looks: Any,
    group: Any,
    w: Any,
    panel_stride: Any,
    table: Any,
    table_stride: Any,
    sums: Any,
    lows: Any,
    highs: Any,
    stride: Any,
) -> Any:
    """Sums of one block of registers, and their lowest and highest values on the way, 0 among them.

    Parameters
    ----------
    kernel : its type says which instructions; not tiles
    rows, panels : one of `SHAPES`
    x, row_stride : address of the first row of the input, bytes from row to row
    looks, group : how often the sums are looked at, every so many steps of 4 bytes
    w, panel_stride : address of the first panel, bytes from panel to panel
    table, table_stride : address of int32 (looks, 16) that a look takes off, bytes from panel to panel
    sums, lows, highs, stride : addresses of int32, bytes from row to row; `sums` has nothing taken off
    """
    name = kernel.instance_class.__name__

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, rows, panels, *rest = values
        for height, width in SHAPES:
            wanted = builder.and_(
                builder.icmp_signed("==", rows, I64(height)), builder.icmp_signed("==", panels, I64(width))
            )
            with builder.if_then(wanted):
                builder.call(_envelope(builder.module, name, height, width), rest)
        return context.get_dummy_value()

    return types.void(kernel, *[types.int64] * 14), generate


def _squares(module: ir.Module, item: int) -> ir.Function:
    """The largest sum of squares of 16 neighbours in a row: see `largest_square`."""
    name = f"squares.{item}"
    found = module.globals.get(name)
    if found is not None:
        return found
    made, builder = function(module, name, 4)
    x, count, centre, to = made.args
    words, wide, half = vector(I16, 32), vector(I32, 32), vector(I32, 16)
    none = ir.Constant(half, ir.Undefined)
    best = builder.alloca(half)
    builder.store(ir.Constant(half, [0] * 16), best)
    middle = splat(builder, builder.trunc(centre, I16), 32)
    with counted(builder, count) as index:
        place = builder.add(x, builder.mul(index, I64(32 * item)))
        codes = load(builder, place, vector(I8 if item == 1 else I16, 32))
        seen = builder.sub(builder.zext(codes, words) if item == 1 else codes, middle)
        far = builder.sext(seen, wide)
        products = builder.mul(far, far)
        undefined = ir.Constant(wide, ir.Undefined)
        even, odd = (
            builder.shuffle_vector(products, undefined, ir.Constant(half, list(range(first, 32, 2))))
            for first in (0, 1)
        )
        total = builder.add(even, odd)
        for distance in (4, 2, 1):
            order = [lane ^ distance for lane in range(16)]
            total = builder.add(total, builder.shuffle_vector(total, none, ir.Constant(half, order)))
        builder.store(_more(builder, builder.load(best), total), best)
    first = builder.load(best)
    a, b = (builder.extract_element(first, I32(lane)) for lane in (0, 8))
    store(builder, _more(builder, a, b), to)
    builder.ret_void()
    return made


def _largest_square(typing: Any, x: Any, count: Any, centre: Any, item: Any, to: Any) -> Any:
    """The largest sum of (x - centre)**2 over 16 neighbours, each 16 beginning at a multiple of 16.

    Parameters
    ----------
    x, count : address of the row, how many times 32 elements; differences fit 9 bits and a sign
    centre : of the elements
    item : bytes of an element: 1 (unsigned) or 2 (signed)
    to : address of int32
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, count, centre, item, to = values
        for size in (1, 2):
            with builder.if_then(builder.icmp_signed("==", item, I64(size))):
                builder.call(_squares(builder.module, size), [x, count, centre, to])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), generate


envelope_block: Any = intrinsic(_envelope_block)
largest_square: Any = intrinsic(_largest_square)
