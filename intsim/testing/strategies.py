"""Hypothesis strategies for intsim's types: edges first, then anything.

Needs the extra ``testing``. Strategies named after a type draw valid objects of it; `tensors` draws
values for a `TensorSpec`, with the extremes of the format, 0, 1, -1, and powers of two and their
neighbours far more often than chance would.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from intsim.arithmetic import (
    Accumulator,
    BiasPlace,
    Overflow,
    Register,
    Requantization,
    Topology,
    ZeroPointPlace,
)
from intsim.formats import Discrete, IntFormat, TensorSpec
from intsim.formats.discrete import Listed
from intsim.record import Array
from intsim.testing.steps import step_lists

INT64_MAX = 2**63 - 1


@st.composite
def formats(draw: st.DrawFn, min_bits: int = 1, max_bits: int = 32, signed: bool | None = None) -> IntFormat:
    """Integer formats; the usual widths are the likely ones."""
    usual = [bits for bits in (8, 4, 16, 32, 1, 2, 64) if min_bits <= bits <= max_bits]
    widths = st.integers(min_bits, max_bits)
    bits = draw(st.sampled_from(usual) | widths if usual else widths)
    return IntFormat(bits, draw(st.booleans()) if signed is None else signed)


def overflows(trap: bool = False) -> st.SearchStrategy[Overflow]:
    """WRAP and SATURATE, and TRAP where asked for."""
    return st.sampled_from([Overflow.WRAP, Overflow.SATURATE, *([Overflow.TRAP] if trap else [])])


@st.composite
def registers(draw: st.DrawFn, min_bits: int = 4, max_bits: int = 40, trap: bool = False) -> Register:
    """Registers of the widths that hardware has."""
    return Register(draw(formats(min_bits, max_bits)), draw(overflows(trap)))


@st.composite
def accumulators(
    draw: st.DrawFn,
    sizes: tuple[int, int, int],
    min_bits: int = 4,
    max_bits: int = 40,
    trap: bool = False,
) -> Accumulator:
    """Accumulators for sums over the reduction axes h, w, c of these sizes, up to two tiles deep."""
    taps = math.prod(sizes)
    letters = ["hwc", "chw", "cwh", "hcw", "wch", "whc"]
    order: Any = draw(st.sampled_from(letters) | st.permutations(range(taps)).map(tuple))
    tile = draw(st.none() | st.integers(1, taps + 1))
    inner = draw(st.none() | _inner(tile, min_bits, max_bits, trap)) if tile is not None else None
    return Accumulator(
        format=draw(_register_formats(min_bits, max_bits)),
        overflow=draw(overflows(trap)),
        order=order,
        topology=draw(st.sampled_from(Topology)),
        tile=tile,
        inner=inner,
        bias=draw(st.sampled_from(BiasPlace)),
        zero_point=draw(st.sampled_from(ZeroPointPlace)),
    )


@st.composite
def _inner(draw: st.DrawFn, outer_tile: int, min_bits: int, max_bits: int, trap: bool) -> Accumulator:
    tile = draw(st.none() | st.integers(1, outer_tile - 1)) if outer_tile > 1 else None
    return Accumulator(
        format=draw(_register_formats(min_bits, max_bits)),
        overflow=draw(overflows(trap)),
        topology=draw(st.sampled_from(Topology)),
        tile=tile,
        inner=draw(st.none() | _inner(tile, min_bits, max_bits, trap)) if tile is not None else None,
    )


def _register_formats(min_bits: int, max_bits: int) -> st.SearchStrategy[IntFormat]:
    """Mostly signed, as accumulators are."""
    signed = formats(min_bits, max_bits, signed=True)
    return st.one_of(signed, signed, formats(min_bits, max_bits))


@st.composite
def requantizations(
    draw: st.DrawFn,
    channels: int = 1,
    format: IntFormat | None = None,
    trap: bool = False,
    input_bits: int = 32,
) -> Requantization:
    """Requantizations for sums of `input_bits` with this many channels.

    Fixed point with one or two shifts, float scales, thresholds, tables behind a clamp, slices; with
    registers between the steps now and then.
    """
    format = draw(formats(2, 32)) if format is None else format
    steps = draw(step_lists(channels, input_bits, registers(8, 48, trap)))
    return Requantization(steps, format, draw(overflows(trap)))


def codes(format: Discrete) -> st.SearchStrategy[int]:
    """Integers of a format that fit int64: edges, sums of two edges, masked random ones, and any.

    The patterns are those of Berkeley TestFloat: edges are the ends of the format, 0, and powers of two
    with their neighbours; a masked random code has some low bits, or all but some, free, and the others
    all 0 or all 1. Of a format that lists its integers, any.
    """
    if isinstance(format, Listed):
        return st.sampled_from(sorted(format.listed()[0].tolist(), key=abs))
    low, high = format.min, min(format.max, INT64_MAX)
    edges = {low, low + 1, high, high - 1, 0, 1, -1, low // 2, high // 2}
    for bit in range(format.bits):
        edges |= {sign * 2**bit + step for sign in (1, -1) for step in (-1, 0, 1)}
    likely = sorted((edge for edge in edges if low <= edge <= high), key=lambda edge: (abs(edge), edge < 0))
    edge, anything = st.sampled_from(likely), st.integers(low, high)
    sums = st.tuples(edge, edge).map(lambda pair: _wrapped(sum(pair), low, high))
    masked = st.tuples(anything, st.integers(0, format.bits), st.sampled_from(_MASKS))
    return edge | anything | sums | masked.map(lambda drawn: _wrapped(drawn[2](*drawn[:2]), low, high))


_MASKS = (
    lambda code, bits: code & ((1 << bits) - 1),  # the low bits are free, the others 0
    lambda code, bits: code | -(1 << bits),  # the low bits are free, the others 1
    lambda code, bits: code & -(1 << bits),  # the low bits are 0
    lambda code, bits: code | ((1 << bits) - 1),  # the low bits are 1
)


def _wrapped(value: int, low: int, high: int) -> int:
    """Into a range of codes, by whole turns."""
    return (value - low) % (high - low + 1) + low


@st.composite
def arrays(draw: st.DrawFn, shape: tuple[int, ...], elements: st.SearchStrategy[Any]) -> Array:
    """int64 arrays of drawn elements; now and then one element everywhere, as worst cases are."""
    count = math.prod(shape)
    if draw(st.integers(0, 5)) == 0:
        return np.full(shape, draw(elements), dtype=np.int64)
    drawn = draw(st.lists(elements, min_size=count, max_size=count))
    return np.array(drawn, dtype=np.int64).reshape(shape)


def tensors(spec: TensorSpec, batch: int | None = None) -> st.SearchStrategy[Array]:
    """int64 values for a tensor, batch axis first; batches of 1 to 3 unless one is given."""
    sizes = st.integers(1, 3) if batch is None else st.just(batch)
    return sizes.flatmap(lambda size: arrays((size, *spec.shape), codes(spec.integer)))


def batches(*specs: TensorSpec) -> st.SearchStrategy[tuple[Array, ...]]:
    """Values for several tensors, all of one batch size."""
    return st.integers(1, 3).flatmap(lambda size: st.tuples(*(tensors(spec, size) for spec in specs)))
