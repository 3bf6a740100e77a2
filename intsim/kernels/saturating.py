"""Chains that saturate after every term, for all channels of some rows at once.

Values are float32: one fused product and sum, a maximum, a minimum. All are integers of fewer than 25 bits,
so that each is exact; the caller proves it. Vectors of floats have two of every unit where those of
integers have one.

Weights are packed as (blocks of channels, terms, channels of a block); a block has 1, 2 or 4 vectors of 16.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from intsim.kernels.isa.emit import I64, call, counted, function, load, splat, store, vector

ROWS = {4: 4, 2: 8, 1: 16}
"""Rows of a block of registers, by its vectors."""

LANES = 16
_FLOAT = ir.FloatType()


def _function(module: ir.Module, vectors: int) -> ir.Function:
    """The function behind `saturate_block`."""
    name = f"saturate.{vectors}"
    found = module.globals.get(name)
    if found is not None:
        return found
    made, builder = function(module, name, 7)
    x, row_stride, terms, w, limits, values, stride = made.args
    kind = vector(_FLOAT, LANES)
    low, high = (
        splat(builder, load(builder, builder.add(limits, I64(4 * place)), _FLOAT), LANES) for place in (0, 1)
    )
    cells = [(i, j) for i in range(ROWS[vectors]) for j in range(vectors)]

    def place(i: int, j: int) -> Any:
        return builder.add(builder.add(values, builder.mul(stride, I64(i))), I64(4 * LANES * j))

    held = {cell: builder.alloca(kind) for cell in cells}
    for cell in cells:
        builder.store(load(builder, place(*cell), kind), held[cell])
    with counted(builder, terms) as term:
        here = builder.add(w, builder.mul(term, I64(4 * LANES * vectors)))
        factors = [load(builder, builder.add(here, I64(4 * LANES * j)), kind) for j in range(vectors)]
        column = builder.add(x, builder.mul(term, I64(4)))
        for i in range(ROWS[vectors]):
            code = load(builder, builder.add(column, builder.mul(row_stride, I64(i))), _FLOAT)
            seen = splat(builder, code, LANES)
            for j in range(vectors):
                operands = [seen, factors[j], builder.load(held[i, j])]
                total = call(builder, "llvm.fma.v16f32", kind, operands)
                total = builder.select(builder.fcmp_ordered(">", total, low), total, low)
                total = builder.select(builder.fcmp_ordered("<", total, high), total, high)
                builder.store(total, held[i, j])
    for cell in cells:
        store(builder, builder.load(held[cell]), place(*cell))
    builder.ret_void()
    return made


def _saturate_block(
    typing: Any,
    vectors: Any,
    x: Any,
    row_stride: Any,
    terms: Any,
    w: Any,
    limits: Any,
    values: Any,
    stride: Any,
) -> Any:
    """values[i, k] = the register after x[i, t] * w[t, k] entered it for every t, one block of registers.

    Parameters
    ----------
    vectors : of 16 channels: 1, 2 or 4
    x, row_stride, terms : address of float32 rows, bytes from row to row, terms of a row
    w : address of one block of channels
    limits : address of the register's lowest and highest value, float32
    values, stride : address of the register's values, float32, bytes from row to row
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        wanted, *rest = values
        for vectors in ROWS:
            with builder.if_then(builder.icmp_signed("==", wanted, I64(vectors))):
                builder.call(_function(builder.module, vectors), rest)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 8), generate


saturate_block: Any = intrinsic(_saturate_block)
