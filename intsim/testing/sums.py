"""Partial sums: what the registers of an accumulator are offered, and the events that follow."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from intsim.arithmetic import Accumulator, Bounds, Events, Interval, Overflow, fit
from intsim.formats import IntFormat
from intsim.testing.case import INT64, TRAPPED, Case, outcome_of, ranges_of


def check_sums(case: Case, bounds: Bounds, reach: Interval, final: Interval) -> None:
    """Make the sums in registers that hold everything; what they are offered must be within reach."""
    wide = {
        entry.name: _shadow(value)
        for entry in dataclasses.fields(case.op)
        if isinstance(value := getattr(case.op, entry.name), Accumulator)
    }
    if not wide or not reach.within(INT64):
        return
    shadow = Case(case.op.replace(**wide), case.specs, case.inputs)
    with _offered() as seen:
        outcome = outcome_of(shadow, object)
    assert outcome != TRAPPED, f"C3: a partial sum needs more than 64 bits, reach is {reach}"
    assert seen, "C3: bounds tell a reach, but no sum went through accumulate"
    hull = reach.hull()
    low, high = min(seen), max(seen)
    assert hull.min <= low <= high <= hull.max, f"C3: partial sums {low} to {high}, reach {hull} of {case}"
    values = outcome[0].tolist()
    _check_registers(case, shadow, (low, high))
    assert final.contains(outcome[0]), f"C3: final sums {final} do not contain {values} of {case}"


def _check_registers(case: Case, shadow: Case, seen: tuple[int, int]) -> None:
    """Every register has ranges of its own; those of registers with room contain what they were offered."""
    for made in (case, shadow):
        for ranges in ranges_of(made):
            found = made.op.bounds(made.specs, ranges).registers
            levels = next(
                value.levels()
                for entry in dataclasses.fields(made.op)
                if isinstance(value := getattr(made.op, entry.name), Accumulator)
            )
            told = [entry.register for entry in found]
            expected = [level.register for level in levels]
            assert told == expected, f"C3: bounds tell of registers {told}, the accumulator has {expected}"
            if made is shadow:
                hull = Interval.join(entry.partial.hull() for entry in found)
                assert hull.min <= seen[0] <= seen[1] <= hull.max, (
                    f"C3: partial sums {seen[0]} to {seen[1]}, registers {hull} of {case}"
                )


def _shadow(accumulator: Accumulator) -> Accumulator:
    """The same additions in the same order, in registers of 64 bits."""
    inner = None if accumulator.inner is None else _shadow(accumulator.inner)
    return accumulator.replace(format=INT64, overflow=Overflow.TRAP, inner=inner)


@contextmanager
def _offered() -> Iterator[list[int]]:
    """Every value that is written into an accumulator's register meanwhile."""
    room = importlib.import_module("intsim.arithmetic.accumulate")
    seen: list[int] = []

    def watching(value: Any, format: IntFormat, overflow: Overflow) -> Any:
        seen.extend(int(entry) for entry in np.ravel(value))
        return fit(value, format, overflow)

    with mock.patch.object(room, "fit", watching):
        yield seen


def events_of(case: Case) -> Events | None:
    """The overflow events of the reference, where the op has an accumulator."""
    for entry in dataclasses.fields(case.op):
        value = getattr(case.op, entry.name)
        if isinstance(value, Accumulator):
            events = Events.none(value)
            case.op.reference(*case.inputs, events=events)
            return events
    return None
