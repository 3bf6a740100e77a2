"""The blocks of registers that count bits as a numba intrinsic, chosen by the type of the kernel."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from intsim.kernels.isa.counters import NAMED, Count, shapes
from intsim.kernels.isa.emit import I1, I8, I64, call, load, splat, vector
from intsim.kernels.isa.popcount import count_block


def _count_panels(
    typing: Any,
    counter: Any,
    count: Any,
    rows: Any,
    panels: Any,
    x: Any,
    row_stride: Any,
    step_stride: Any,
    offsets: Any,
    segments: Any,
    steps: Any,
    w: Any,
    panel_stride: Any,
    sums: Any,
    sums_stride: Any,
    begun: Any,
    factor: Any,
) -> Any:
    """sums[i, j] = sums[i, j] * begun + factor * (count of x[i] with w[j]) for one block of registers.

    Parameters
    ----------
    counter : its type says which instructions
    count : the place of a `Count`
    rows, panels : one of `shapes`
    x, row_stride, step_stride : address of the first row's first plane; bytes from row to row and from
        word to word of a plane. The second plane, if it is read, follows word by word
    offsets, segments : address of int64 byte offsets from the row, one for each segment of a row
    steps : words of a segment
    w, panel_stride : address of the first panel, bytes from panel to panel
    sums, sums_stride : address of int32, bytes from row to row
    begun : -1 where `sums` hold something already, else 0: they are read anyhow
    factor : of the count; modulo 2**32
    """
    name = counter.instance_class.__name__

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        for kind in Count:
            for height, width in shapes(NAMED[name], kind):
                wanted = I1(1)
                for value, meant in zip(values[1:4], (kind.place, height, width), strict=True):
                    wanted = builder.and_(wanted, builder.icmp_signed("==", value, I64(meant)))
                with builder.if_then(wanted):
                    builder.call(count_block(builder.module, name, kind, height, width), values[4:])
        return context.get_dummy_value()

    return types.void(counter, *[types.int64] * 15), generate


def _plane(typing: Any, x: Any, bit: Any) -> Any:
    """One bit of each of 64 bytes at an address, the first byte's at the least significant end."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address, bit = values
        kind = vector(I8, 64)
        mask = splat(builder, builder.shl(I8(1), builder.trunc(bit, I8)), 64)
        chosen = builder.and_(load(builder, address, kind), mask)
        return builder.bitcast(builder.icmp_unsigned("!=", chosen, kind([0] * 64)), I64)

    return types.int64(types.int64, types.int64), generate


def _ones(typing: Any, address: Any) -> Any:
    """How many bits of the word at an address are set."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return call(builder, "llvm.ctpop.i64", I64, [load(builder, values[0], I64)])

    return types.int64(types.int64), generate


count_panels: Any = intrinsic(_count_panels)
plane: Any = intrinsic(_plane)
ones: Any = intrinsic(_ones)
