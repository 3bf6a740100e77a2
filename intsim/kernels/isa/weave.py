"""Lines of input woven into steps, and the sums of windows of few steps, for depthwise convolutions.

A step is 4 bytes for each place of a line: the codes of 4 lines (or 2 of 16 bits), one below the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from intsim.kernels.isa.emit import I8, I16, I32, I64, call, counted, function, load, splat, store, vector
from intsim.kernels.isa.lanes import DOTS
from intsim.kernels.isa.table import PANEL, STEP

FEW = (3, 6)
"""Windows of so many steps have their weights in registers: 3 lines by 3 columns, of bytes and of words."""

_ROUND = 4
"""Blocks of 16 places that a round of the loop weaves: the loop itself costs as much as one of them."""


def _shuffled(builder: Any, first: Any, second: Any, places: Sequence[int]) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(vector(I32, len(places)), list(places)))


def _pairs(builder: Any, first: Any, second: Any, high: bool) -> Any:
    """One half of two vectors, element by element in turn."""
    count = first.type.count
    begin = count // 2 if high else 0
    places = [place + more for place in range(begin, begin + count // 2) for more in (0, count)]
    return _shuffled(builder, first, second, places)


def _bytes_at_once(builder: Any, lines: Sequence[Any]) -> list[Any]:
    """Sixteen places of 4 lines, as one vector of 64 bytes: 4 places to a quarter, then turned."""
    upper, lower = (_shuffled(builder, lines[i], lines[i + 1], range(2 * PANEL)) for i in (0, 2))
    whole = builder.bitcast(_shuffled(builder, upper, lower, range(4 * PANEL)), vector(I32, PANEL))
    quarters = ir.Constant(whole.type, [4 * line + part for part in range(4) for line in range(4)])
    turned = [16 * part + 4 * line + place for part in range(4) for place in range(4) for line in range(4)]
    codes = vector(I8, 4 * PANEL)
    whole = call(builder, "llvm.x86.avx512.permvar.si.512", whole.type, [whole, quarters])
    places = ir.Constant(codes, [place % 16 for place in turned])
    return [call(builder, "llvm.x86.avx512.pshuf.b.512", codes, [builder.bitcast(whole, codes), places])]


def _bytes_in_turn(builder: Any, lines: Sequence[Any]) -> list[Any]:
    """The same as four vectors of 16 bytes."""
    woven = []
    for high in (False, True):
        upper, lower = (_pairs(builder, lines[i], lines[i + 1], high) for i in (0, 2))
        upper, lower = (builder.bitcast(pairs, vector(I16, PANEL // 2)) for pairs in (upper, lower))
        woven += [_pairs(builder, upper, lower, half) for half in (False, True)]
    return [builder.bitcast(part, vector(I8, PANEL)) for part in woven]


def weave_lines(module: ir.Module, at_once: bool, code: ir.Type, operand: ir.Type) -> ir.Function:
    """The function of one kernel and two dtypes: see `weave` for its arguments."""
    name = f"weave.{'wide' if at_once else 'plain'}.{code}.{operand}"
    found = module.globals.get(name)
    if found is not None:
        return found
    made, builder = function(module, name, 5)
    sources, blocks, flip, back, to = made.args
    taps = STEP * 8 // operand.width
    lines = [load(builder, builder.add(sources, I64(8 * tap)), I64) for tap in range(taps)]
    flip = builder.trunc(flip, code)
    backs = splat(builder, builder.trunc(back, operand), PANEL)

    def block(index: Any) -> None:
        place = builder.mul(index, I64(PANEL * code.width // 8))
        seen = [load(builder, builder.add(line, place), vector(code, PANEL)) for line in lines]
        if operand.width == 16:
            seen = [builder.xor(codes, splat(builder, flip, PANEL)) for codes in seen]
            if code.width == 8:
                seen = [builder.zext(codes, vector(operand, PANEL)) for codes in seen]
            seen = [builder.sub(codes, backs) for codes in seen]
            places = [place + line for place in range(PANEL) for line in (0, PANEL)]
            woven = [_shuffled(builder, seen[0], seen[1], places)]
        else:
            woven = _bytes_at_once(builder, seen) if at_once else _bytes_in_turn(builder, seen)
            woven = [builder.xor(part, splat(builder, flip, part.type.count)) for part in woven]
        into = builder.add(to, builder.mul(index, I64(PANEL * STEP)))
        for part, values in enumerate(woven):
            store(builder, values, builder.add(into, I64(part * PANEL * STEP // len(woven))))

    rounds = builder.udiv(blocks, I64(_ROUND))
    rest = builder.mul(rounds, I64(_ROUND))
    with counted(builder, rounds) as index:
        for i in range(_ROUND):
            block(builder.add(builder.mul(index, I64(_ROUND)), I64(i)))
    with counted(builder, builder.sub(blocks, rest)) as index:
        block(builder.add(rest, index))
    builder.ret_void()
    return made


def few_steps(module: ir.Module, kernel: str, steps: int) -> ir.Function:
    """The windows of one line, each channel by itself: see `multiply_few`."""
    name = f"{kernel}.{steps}.few"
    found = module.globals.get(name)
    if found is not None:
        return found
    width, dot = DOTS[kernel]
    made, builder = function(module, name, 8)
    x, stride, offsets, w, panels, sums, sums_stride, columns = made.args
    kind, parts = vector(I32, width), [4 * width * part for part in range(PANEL // width)]
    places = [load(builder, builder.add(offsets, I64(8 * step)), I64) for step in range(steps)]
    with counted(builder, panels) as panel:
        factors = builder.add(w, builder.mul(panel, I64(steps * PANEL * STEP)))
        held = [
            [load(builder, builder.add(factors, I64(step * PANEL * STEP + part)), kind) for part in parts]
            for step in range(steps)
        ]
        begin = builder.mul(panel, I64(4 * PANEL))
        first, to = builder.add(x, begin), builder.add(sums, begin)
        with counted(builder, columns) as column:
            window = builder.add(first, builder.mul(column, stride))
            into = builder.add(to, builder.mul(column, sums_stride))
            for i, part in enumerate(parts):
                total: Any = ir.Constant(kind, [0] * width)
                for place, weights in zip(places, held, strict=True):
                    here = builder.add(builder.add(window, place), I64(part))
                    total = dot(builder, total, load(builder, here, kind), weights[i])
                store(builder, total, builder.add(into, I64(part)))
    builder.ret_void()
    return made


def _weave(
    typing: Any, kernel: Any, x: Any, sample: Any, sources: Any, blocks: Any, flip: Any, back: Any, to: Any
) -> Any:
    """Steps of `blocks` times 16 places.

    Parameters
    ----------
    kernel : its type says which instructions
    x, sample : arrays, for the dtypes of codes and of operands
    sources : address of int64 addresses of lines of codes, as many as a step has taps
    blocks : how many; lines are read, and steps written, to the end of the last block
    flip, back : what makes an operand of a code: see `kernels.packing.Operands`
    to : address of the steps
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code, operand = (context.get_data_type(array.dtype) for array in (x, sample))
        at_once = kernel.instance_class.__name__ == "VnniBytes512"
        builder.call(weave_lines(builder.module, at_once, code, operand), list(values[3:]))
        return context.get_dummy_value()

    return types.void(kernel, x, sample, *[types.int64] * 5), generate


def _multiply_few(
    typing: Any,
    kernel: Any,
    steps: Any,
    x: Any,
    stride: Any,
    offsets: Any,
    w: Any,
    panels: Any,
    sums: Any,
    sums_stride: Any,
    columns: Any,
) -> Any:
    """sums[i, c] = x[i, c] . w[c] for any number of columns i and 16 channels c of each panel.

    Parameters
    ----------
    kernel : its type says which instructions
    steps : of a window, one of `FEW`
    x, stride : address of the first window, bytes from window to window
    offsets : address of int64 byte offsets from the window, one for each step
    w, panels : address of the weights, how many panels there are, one after another
    sums, sums_stride : address of int32, bytes from row to row
    columns : how many windows
    """
    name = kernel.instance_class.__name__

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        for count in FEW:
            with builder.if_then(builder.icmp_signed("==", values[1], I64(count))):
                builder.call(few_steps(builder.module, name, count), list(values[2:]))
        return context.get_dummy_value()

    return types.void(kernel, *[types.int64] * 9), generate


weave: Any = intrinsic(_weave)
multiply_few: Any = intrinsic(_multiply_few)
