"""Strategies for the steps of a requantization."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from intsim.arithmetic import (
    Add,
    AnyStep,
    Clamp,
    Compare,
    Multiply,
    Register,
    Rounding,
    Scale,
    ShiftLeft,
    ShiftRight,
    Slice,
    Table,
    Thresholds,
)

Registers = st.SearchStrategy[Register]
Steps = tuple[AnyStep, ...]


@st.composite
def step_lists(draw: st.DrawFn, channels: int, input_bits: int, registers: Registers) -> Steps:
    """Steps from sums of `input_bits` to what fits a code, per tensor or per channel."""
    kinds = [fixed_point, double_shift, real_scale, staircase, table, wires]
    steps = draw(draw(st.sampled_from(kinds))(channels, input_bits, registers))
    if draw(st.booleans()):
        steps += (Add(values=draw(_values(channels, -200, 200))),)
    if draw(st.booleans()):
        lo = draw(_values(channels, -130, 10))
        steps += (Clamp(lo=lo, hi=lo + draw(_values(1, 0, 300))),)
    return steps


@st.composite
def fixed_point(draw: st.DrawFn, channels: int, input_bits: int, registers: Registers) -> Steps:
    """A multiplier and one right shift with any rounding."""
    into = st.none() | registers
    return (
        Multiply(multipliers=draw(_multipliers(channels)), into=draw(into)),
        ShiftRight(
            bits=draw(_values(channels, 0, 62)),
            rounding=draw(st.sampled_from(Rounding)),
            seed=draw(st.integers(0, 2**64 - 1)),
            into=draw(into),
        ),
    )


@st.composite
def double_shift(draw: st.DrawFn, channels: int, input_bits: int, registers: Registers) -> Steps:
    """A left shift, a multiplier, and two right shifts, each rounded its own way."""
    roundings = st.sampled_from([r for r in Rounding if r is not Rounding.STOCHASTIC])
    return (
        ShiftLeft(bits=draw(_values(channels, 0, 8)), into=draw(st.none() | registers)),
        Multiply(multipliers=draw(_multipliers(channels))),
        ShiftRight(bits=31, rounding=draw(roundings)),
        ShiftRight(bits=draw(_values(channels, 0, 31)), rounding=draw(roundings)),
    )


@st.composite
def real_scale(draw: st.DrawFn, channels: int, input_bits: int, registers: Registers) -> Steps:
    """A float32 or float64 factor, with or without what is added before and after it."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    factors = st.integers(1, 2**24).map(lambda mantissa: mantissa * 2.0**-34) | st.sampled_from(
        [0.5, 0.25, 1.0, 0.1, 0.0]
    )
    offsets = st.none() | st.integers(-1000, 1000).map(lambda value: dtype(value / 4))
    return (
        Scale(
            factors=np.array(draw(_list(channels, factors)), dtype),
            rounding=draw(st.sampled_from([r for r in Rounding if r is not Rounding.STOCHASTIC])),
            before=draw(offsets),
            after=draw(offsets),
        ),
    )


@st.composite
def staircase(draw: st.DrawFn, channels: int, input_bits: int, registers: Registers) -> Steps:
    """Thresholds, one list or one row per channel."""
    count, reach = draw(st.integers(1, 7)), 2 ** (input_bits - 1)
    row = st.lists(st.integers(-9, 9) | st.integers(-reach, reach - 1), min_size=count, max_size=count)
    rows: Any = draw(row.map(sorted) if draw(st.booleans()) else _all(channels, row.map(sorted)))
    return (Thresholds(values=rows, compare=draw(st.sampled_from(Compare))),)


@st.composite
def table(draw: st.DrawFn, channels: int, input_bits: int, registers: Registers) -> Steps:
    """A table behind the clamp that it needs."""
    first, size = draw(st.integers(-128, 0)), draw(st.integers(1, 40))
    entries = draw(st.lists(st.integers(-128, 127), min_size=size, max_size=size))
    return (Clamp(lo=first, hi=first + size - 1), Table(entries=entries, first=first))


@st.composite
def wires(draw: st.DrawFn, channels: int, input_bits: int, registers: Registers) -> Steps:
    """A slice of the bits."""
    lo = draw(st.integers(0, input_bits - 1))
    hi = draw(st.integers(lo, min(lo + 31, 62)))
    return (Slice(hi=hi, lo=lo, signed=draw(st.booleans()), into=draw(st.none() | registers)),)


def _multipliers(channels: int) -> st.SearchStrategy[Any]:
    usual = st.integers(2**30, 2**31 - 1) | st.integers(-300, 300) | st.sampled_from([0, 1, 2**30, 2**31 - 1])
    return _list(channels, usual).map(np.array)


def _values(channels: int, low: int, high: int) -> st.SearchStrategy[Any]:
    return _list(channels, st.integers(low, high)).map(np.array)


def _list(channels: int, elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One value, or one per channel."""
    return elements | _all(channels, elements)


def _all(channels: int, elements: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(elements, min_size=channels, max_size=channels)
