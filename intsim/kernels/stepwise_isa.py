"""Products of chosen rows, turned so that each row has a lane of its own."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from intsim.kernels.isa.emit import I16, I32, I64, counted, function, load, store, vector

LANES = 16
TERMS = 32
"""Terms that are turned at a time: where products are small, two of 16 bits in each of the lanes."""


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """Sixteen vectors of 16 int32 lanes, transposed: four rounds of exchanges."""
    for distance in (8, 4, 2, 1):
        first = [lane if not lane & distance else lane - distance + 16 for lane in range(16)]
        second = [lane + distance if not lane & distance else lane + 16 for lane in range(16)]
        for i in range(16):
            if not i & distance:
                a, b = rows[i], rows[i + distance]
                rows[i], rows[i + distance] = (
                    builder.shuffle_vector(a, b, ir.Constant(vector(I32, 16), order))
                    for order in (first, second)
                )
    return rows


def _function(module: ir.Module, small: bool) -> ir.Function:
    """The function behind `turned_products`."""
    name = f"turned_products.{'small' if small else 'large'}"
    found = module.globals.get(name)
    if found is not None:
        return found
    made, builder = function(module, name, 5)
    xs, ws, count, to, stride = made.args
    terms = TERMS if small else TERMS // 2
    words, lanes = vector(I16, terms), vector(I32, 16)
    sixteen = ir.Constant(lanes, [16] * 16)
    with counted(builder, count if small else builder.mul(count, I64(2))) as step:
        move = builder.mul(step, I64(2 * terms))
        rows = []
        for lane in range(LANES):
            x, w = (
                load(builder, builder.add(load(builder, builder.add(at, I64(8 * lane)), I64), move), words)
                for at in (xs, ws)
            )
            if small:
                rows.append(builder.bitcast(builder.mul(x, w), lanes))
            else:
                rows.append(builder.mul(builder.sext(x, lanes), builder.sext(w, lanes)))
        for index, products in enumerate(_turned(builder, rows)):
            term = builder.add(builder.mul(step, I64(terms)), I64(2 * index if small else index))
            place = builder.add(to, builder.mul(term, stride))
            if small:
                store(builder, builder.ashr(builder.shl(products, sixteen), sixteen), place)
                store(builder, builder.ashr(products, sixteen), builder.add(place, stride))
            else:
                store(builder, products, place)
    builder.ret_void()
    return made


def _turned_products(typing: Any, small: Any, xs: Any, ws: Any, count: Any, to: Any, stride: Any) -> Any:
    """to[t, lane] = x[lane][t] * w[lane][t] for 16 lanes and count times 32 terms.

    Parameters
    ----------
    small : whether every product fits int16
    xs, ws : addresses of 16 int64, each the address of int16 terms
    count : how many times 32 terms
    to, stride : address of int32, bytes from term to term
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        wanted, *rest = values
        for small in (True, False):
            with builder.if_then(builder.icmp_signed("==", wanted, I64(int(small)))):
                builder.call(_function(builder.module, small), rest)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


turned_products: Any = intrinsic(_turned_products)
