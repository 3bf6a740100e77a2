"""Two engines at once, node by node on the same inputs, up to the first difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from intsim.arithmetic import Events
from intsim.engine.lowered import Lowered, Site, Work
from intsim.errors import Finding, MismatchError, OverflowTrap
from intsim.formats import TensorSpec
from intsim.network.datapath import accumulator_of
from intsim.record import Array

Outcome = tuple[tuple[Array, ...], Events | None, OverflowTrap | None]


def lower_crosscheck(
    first_name: str, first: Callable[[Site], Lowered], second_name: str, second: Callable[[Site], Lowered]
) -> Callable[[Site], Lowered]:
    """A rule that runs both kernels of a node and compares outputs, event counts and traps."""

    def lower(site: Site) -> Lowered:
        a, b = first(site), second(site)

        def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
            seen, other = _run(site, a, inputs, work), _run(site, b, inputs, work)
            _compare(site, (first_name, seen), (second_name, other))
            if seen[2] is not None:
                raise seen[2]
            if work.events is not None and seen[1] is not None:
                work.events.add(seen[1])
            return seen[0]

        return Lowered(f"{a.kernel} = {b.kernel}", f"{a.reason}; compared", call, a.workspace + b.workspace)

    return lower


def _run(site: Site, lowered: Lowered, inputs: tuple[Array, ...], work: Work) -> Outcome:
    accumulator = accumulator_of(site.op)
    counted = work.events is not None and accumulator is not None
    events = Events.none(accumulator) if counted and accumulator is not None else None
    try:
        return lowered.call(inputs, replace(work, events=events)), events, None
    except OverflowTrap as trap:
        return (), None, trap


def _compare(site: Site, first: tuple[str, Outcome], second: tuple[str, Outcome]) -> None:
    (a_name, (a, a_events, a_trap)), (b_name, (b, b_events, b_trap)) = first, second
    if str(a_trap) != str(b_trap):
        says = [f"{name}: {trap or 'no trap'}" for name, trap in ((a_name, a_trap), (b_name, b_trap))]
        raise MismatchError(Finding(site.node.name, "; ".join(says)))
    for name, spec, left, right in zip(site.node.outputs, site.outputs, a, b, strict=False):
        where = site.node.name if name == site.node.name else f"{site.node.name} ({name})"
        _compare_arrays(where, spec, (a_name, left), (b_name, right))
    if a_events != b_events:
        raise MismatchError(Finding(site.node.name, f"events: {a_name} {a_events}, {b_name} {b_events}"))


def _compare_arrays(
    where: str, spec: TensorSpec, first: tuple[str, Array], second: tuple[str, Array]
) -> None:
    (a_name, a), (b_name, b) = first, second
    if a.dtype != b.dtype or a.shape != b.shape:
        said = f"{a_name} {a.dtype}{a.shape}, {b_name} {b.dtype}{b.shape}"
        raise MismatchError(Finding(where, f"kinds differ: {said}"))
    bits = np.dtype(f"u{a.dtype.itemsize}")
    differ = np.ascontiguousarray(a).view(bits) != np.ascontiguousarray(b).view(bits)
    if differ.any():
        index = tuple(int(i) for i in np.argwhere(differ)[0])
        values = ", ".join(f"{name} {_both(spec, array[index])}" for name, array in (first, second))
        raise MismatchError(
            Finding(where, f"first difference at {index}: {values}; {int(differ.sum())} of {a.size} differ")
        )


def _both(spec: TensorSpec, value: np.generic) -> str:
    """A value in decimal, and its bits in hex with as many digits as the format has."""
    width = spec.format.bits
    digits = -(-width // 4)
    if value.dtype.kind == "f":
        return f"{value!r} ({float(value).hex()})"
    return f"{int(value)} (0x{int(value) & ((1 << width) - 1):0{digits}x})"
