"""Assertions about integers, ranges and accumulators, whose messages say what a person needs to look for.

Rules
-----
T1. Integers are compared as integers, exactly; a float is never one.
T2. A message names the first element that is wrong, in C order, its value in decimal and, where a format is
    given, in two's-complement hexadecimal with as many digits as the format has; and how many are wrong.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from intsim.arithmetic import Events, Interval
from intsim.formats import IntFormat
from intsim.network import Network
from intsim.record import Array


def assert_same(found: Any, expected: Any, format: IntFormat | None = None) -> None:
    """Require that two arrays hold the same integers, in the same shape (rules T1 and T2).

    Parameters
    ----------
    found, expected : integer arrays, or nested lists of ints
    format : of both, for the hexadecimal form

    Raises
    ------
    AssertionError
        They differ.

    Examples
    --------
    >>> assert_same([1, -109], [1, 147], IntFormat(8))
    Traceback (most recent call last):
        ...
    AssertionError: 1 of 2 integers differ; the first at (1,): found -109 (0x93), expected 147 (not in int8)
    """
    a, b = _integers("found", found), _integers("expected", expected)
    if a.shape != b.shape:
        raise AssertionError(f"found has shape {a.shape}, expected {b.shape}")
    differ = np.asarray(a != b, dtype=bool)
    if not differ.any():
        return
    place = _first(differ)
    raise AssertionError(
        f"{int(differ.sum())} of {a.size} integers differ; the first at {place}: "
        f"found {_shown(a[place], format)}, expected {_shown(b[place], format)}"
    )


def assert_within(bounds: Interval, values: Any, format: IntFormat | None = None) -> None:
    """Require that integers are within bounds: one pair of ends, one per channel, or one per element.

    Parameters
    ----------
    bounds : Interval; its ends broadcast to `values`, whose last axis is that of the channels
    values : integer array, or nested lists of ints
    format : of the values, for the hexadecimal form

    Raises
    ------
    AssertionError
        Some value is below or above its bound.

    Examples
    --------
    >>> assert_within(Interval(-100, 100), [5, 101, -101])
    Traceback (most recent call last):
        ...
    AssertionError: 2 of 3 integers are out of bounds; the first at (1,): 101 is above 100
    """
    given = _integers("values", values)
    low, high = (np.broadcast_to(np.asarray(end, object), given.shape) for end in (bounds.lo, bounds.hi))
    below, above = (np.asarray(wrong, dtype=bool) for wrong in (given < low, given > high))
    outside = below | above
    if not outside.any():
        return
    place = _first(outside)
    side = f"below {low[place]}" if below[place] else f"above {high[place]}"
    raise AssertionError(
        f"{int(outside.sum())} of {given.size} integers are out of bounds; the first at {place}: "
        f"{_shown(given[place], format)} is {side}"
    )


def assert_no_overflow(network: Network, inputs: Any, engine: str = "reference") -> None:
    """Require that no accumulator overflows on these inputs, on any register, not even on the way.

    Parameters
    ----------
    network : Network, with the datapath that is meant
    inputs : as `intsim.run` takes them, batch first
    engine : that executes

    Raises
    ------
    AssertionError
        One does; all of them are listed. A register that traps is named by its OverflowTrap.
    """
    errors = importlib.import_module("intsim.errors")
    try:
        result = importlib.import_module("intsim.engine").run(network, inputs, engine=engine, events=True)
    except errors.OverflowTrap as trap:
        raise AssertionError(f"an accumulator trapped: {trap}") from trap
    said = []
    for node in network.nodes:
        events = result.events.get(node.name)
        if events is not None:
            said += list(_overflows(node, events))
    if said:
        raise AssertionError("accumulators overflow:\n  " + "\n  ".join(said))


def _overflows(node: Any, events: Events) -> Iterator[str]:
    """One line per register that overflowed, outermost first."""
    levels = node.op.accumulator.levels()
    for level, persistent, transient in zip(levels, events.persistent, events.transient, strict=True):
        if persistent or transient:
            where = f"{node.name} ({node.op.name}), {level.register}"
            where += "" if level is levels[0] else " inside"
            yield f"{where}: {persistent} sums do not fit, {transient} more do not on the way"


def assert_proved(network: Network, ranges: Mapping[str, Interval] | None = None) -> None:
    """Require that every accumulator delivers exact sums for every input, by proof, not by trying.

    Parameters
    ----------
    network : Network, with the datapath that is meant
    ranges : input name -> Interval, where inputs are narrower than their formats

    Raises
    ------
    AssertionError
        Some accumulator is not proved; each is listed with a channel and, where one was found, with the sum
        that comes out wrong and an input of the node that makes it so.
    """
    proof = importlib.import_module("intsim.verify.prove").prove(network, ranges)
    if not proof.proved:
        wrong = [_unproved(node) for node in proof.nodes if node.verdict != "proved"]
        raise AssertionError("accumulators are not proved:\n  " + "\n  ".join(wrong))


def _unproved(node: Any) -> str:
    """One accumulator, for `assert_proved`."""
    count = sum(verdict != "proved" for verdict in node.verdicts)
    register = node.registers[0].range.register
    said = f"{node.node} ({node.op}, {register}): {count} of {len(node.verdicts)} channels"
    channel = node.verdicts.index(node.verdict)
    if node.witnesses:
        witness = node.witnesses[0]
        inputs = " and ".join(map(_brief, witness.inputs))
        found = f"delivers {witness.delivered} where the sum is {witness.exact}"
        return f"{said}; channel {witness.channel} {found}, on {inputs}"
    met = node.registers[0].range.partial
    low, high = (np.broadcast_to(end, (len(node.verdicts),))[channel] for end in (met.lo, met.hi))
    return f"{said}; channel {channel} may meet {low} to {high} on the way"


def _brief(values: Array) -> str:
    listed = values.ravel().tolist()
    rest = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return f"{listed[:8]}{rest}"


def _integers(name: str, values: Any) -> Array:
    """Any integers as Python ints (rule T1)."""
    array = np.asarray(values)
    if array.dtype.kind in "iu" or array.size == 0:
        return array.astype(object)
    if array.dtype == object and all(type(value) is int for value in array.flat):
        return array
    raise AssertionError(f"{name} must be integers, not {array.dtype}. [T1]")


def _first(wrong: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _shown(value: int, format: IntFormat | None) -> str:
    """Rule T2."""
    if format is None:
        return str(value)
    if not format.holds(value, value):
        return f"{value} (not in {format})"
    digits = -(-format.bits // 4)
    return f"{value} (0x{value & ((1 << format.bits) - 1):0{digits}x})"
