"""The blocks of registers as numba intrinsics, chosen by the type of the kernel they are given."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from intsim.kernels.isa import tiles
from intsim.kernels.isa.emit import I8, I32, I64, VOID, at, call
from intsim.kernels.isa.lanes import lanes_block
from intsim.kernels.isa.table import ISAS, NARROW, Kernel

_KERNELS: dict[str, Kernel] = {
    type(kernel).__name__: kernel
    for kernel in (*(kernel for isa in ISAS for kernel in (isa.bytes, isa.words)), *NARROW)
    if kernel is not None
}


def variants(kernel: Kernel) -> list[tuple[int, int]]:
    """(rows, panels) of every block of registers that a kernel has."""
    panels = [1 << power for power in range(kernel.panels.bit_length())]
    return [(rows, count) for rows in (kernel.rows, kernel.least) for count in panels]


def has_tiles(name: str) -> bool:
    """Whether a kernel of this name is on tiles."""
    return name.startswith("Amx")


def block(module: ir.Module, name: str, rows: int, panels: int, signed: bool) -> ir.Function:
    """One block of registers of the kernel of this name, made in a module once."""
    if has_tiles(name):
        full = f"{name}.{rows}x{panels}{'s' if signed else 'u'}"
        return module.globals.get(full) or tiles.tiles_block(module, name, rows, panels, signed)
    return module.globals.get(f"{name}.{rows}x{panels}") or lanes_block(module, name, rows, panels)


def _multiply_block(
    typing: Any,
    kernel: Any,
    rows: Any,
    panels: Any,
    signed: Any,
    x: Any,
    row_stride: Any,
    offsets: Any,
    segments: Any,
    steps: Any,
    w: Any,
    panel_stride: Any,
    sums: Any,
    sums_stride: Any,
    begin: Any,
    begin_stride: Any,
) -> Any:
    """sums[i, j] = begin[i, j] + x[i] . w[j] for one block of registers.

    Parameters
    ----------
    kernel : its type says which instructions
    rows, panels : one of `variants`
    signed : whether the input is signed, for a kernel that takes both
    x, row_stride : address of the first row of the input, bytes from row to row
    offsets, segments : address of int64 byte offsets from the row, one for each segment of a row
    steps : of the kernel's depth, in each segment
    w, panel_stride : address of the first panel, bytes from panel to panel
    sums, sums_stride : address of int32, bytes from row to row
    begin, begin_stride : the same of what is added, which may be `sums`; address 0 for nothing. A stride
        of 0 adds one row to all
    """
    name = kernel.instance_class.__name__

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, rows, panels, signed, *rest = values
        signs = (True, False) if has_tiles(name) else (True,)
        choices = [(*variant, sign) for variant in variants(_KERNELS[name]) for sign in signs]
        for height, width, sign in choices:
            wanted = builder.and_(
                builder.icmp_signed("==", rows, I64(height)), builder.icmp_signed("==", panels, I64(width))
            )
            if len(signs) > 1:
                wanted = builder.and_(wanted, builder.icmp_signed("==", signed, I64(int(sign))))
            with builder.if_then(wanted):
                builder.call(block(builder.module, name, height, width, sign), rest)
        return context.get_dummy_value()

    return types.void(kernel, *[types.int64] * 14), generate


def _multiply_each(
    typing: Any,
    kernel: Any,
    rows: Any,
    x: Any,
    row_stride: Any,
    offsets: Any,
    segments: Any,
    w: Any,
    sums: Any,
    sums_stride: Any,
) -> Any:
    """sums[i, c] = x[i, c] . w[c] for 16 channels c, in segments of one step each.

    See `multiply_block`; a kernel on tiles has none.
    """
    name = kernel.instance_class.__name__

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, rows, x, row_stride, offsets, segments, w, sums, sums_stride = values
        for height in (_KERNELS[name].rows, _KERNELS[name].least):
            full = f"{name}.{height}x1.each"
            with builder.if_then(builder.icmp_signed("==", rows, I64(height))):
                made = builder.module.globals.get(full) or lanes_block(
                    builder.module, name, height, 1, each=True
                )
                given = [
                    x,
                    row_stride,
                    offsets,
                    segments,
                    I64(1),
                    w,
                    I64(0),
                    sums,
                    sums_stride,
                    I64(0),
                    I64(0),
                ]
                builder.call(made, given)
        return context.get_dummy_value()

    return types.void(kernel, *[types.int64] * 8), generate


def _begin_tiles(typing: Any, kernel: Any) -> Any:
    """Before the first block of registers in a call: tiles are configured, if the kernel has any."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if has_tiles(kernel.instance_class.__name__):
            place = kernel.fields.index("config")
            config = builder.extract_value(values[0], place)
            data = context.make_array(kernel.types[place])(context, builder, config).data
            tiles.configure(builder, builder.ptrtoint(data, I64))
        return context.get_dummy_value()

    return types.void(kernel), generate


def _end_tiles(typing: Any, kernel: Any) -> Any:
    """After the last block of registers in a call."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if has_tiles(kernel.instance_class.__name__):
            tiles.release(builder)
        return context.get_dummy_value()

    return types.void(kernel), generate


def _address(typing: Any, array: Any) -> Any:
    """Where an array's first element is. Who uses it holds the array as long."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(array)(context, builder, values[0]).data
        return builder.ptrtoint(data, I64)

    return types.int64(array), generate


def _fetch(typing: Any, place: Any) -> Any:
    """Ask for the line at an address, to be written; there need not be memory."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        flags = [I32(1), I32(3), I32(1)]
        call(builder, "llvm.prefetch.p0", VOID, [at(builder, values[0], I8), *flags])
        return context.get_dummy_value()

    return types.void(types.int64), generate


multiply_block: Any = intrinsic(_multiply_block)
multiply_each: Any = intrinsic(_multiply_each)
begin_tiles: Any = intrinsic(_begin_tiles)
end_tiles: Any = intrinsic(_end_tiles)
address: Any = intrinsic(_address)
fetch: Any = intrinsic(_fetch)
