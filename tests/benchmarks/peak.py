"""The most that the processor does: the same instruction on registers only, no memory."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from intsim.kernels.isa import micro
from intsim.kernels.isa.emit import I8, I32, I64, VOID, call, counted, vector
from intsim.kernels.isa.lanes import DOTS
from intsim.kernels.isa.table import PANEL
from intsim.kernels.jit import compiled

SUMS = 12
"""Vectors of sums: enough to hide how long one product takes, few enough for sixteen registers."""


def _spin(typing, kernel, times):
    name = kernel.instance_class.__name__

    def generate(context, builder, signature, values):
        if name == "AmxBytes":
            with counted(builder, values[1]):
                for tile in range(4):
                    tiles = [I8(tile), I8(4 + tile // 2), I8(6 + tile % 2)]
                    call(builder, "llvm.x86.tdpbssd", VOID, tiles)
            return I64(0)
        width, dot = DOTS[name]
        kind = vector(I32, width)
        held = [builder.alloca(kind) for _ in range(SUMS)]
        for i, place in enumerate(held):
            builder.store(ir.Constant(kind, [i] * width), place)
        # operands that the compiler does not know
        operand = builder.bitcast(
            builder.insert_element(ir.Constant(kind, [3] * width), builder.trunc(values[1], I32), I32(0)),
            kind,
        )
        with counted(builder, values[1]):
            for place in held:
                builder.store(dot(builder, builder.load(place), operand, operand), place)
        total = builder.load(held[0])
        for place in held[1:]:
            total = builder.xor(total, builder.load(place))
        return builder.sext(builder.extract_element(total, I32(0)), I64)

    return types.int64(kernel, types.int64), generate


_spinning = intrinsic(_spin)


@compiled
def spin(kernel, times):
    micro.begin_tiles(kernel)
    result = _spinning(kernel, times)
    micro.end_tiles(kernel)
    return result


def operations(kernel, times):
    """Multiplications and additions of one call of `spin`."""
    name, taps = type(kernel).__name__, 2 if "Words" in type(kernel).__name__ else 4
    if name == "AmxBytes":
        return times * 4 * 2 * 16 * 16 * 64
    return times * SUMS * 2 * DOTS[name][0] * taps


assert PANEL == 16
