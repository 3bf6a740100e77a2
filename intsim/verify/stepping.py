"""One sum through an accumulator's registers, step by step, in Python ints (rules A1 to A6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from intsim.arithmetic import Accumulator, BiasPlace, Topology, ZeroPointPlace, fit
from intsim.ops.group_sums import stages
from intsim.verify.terms import Terms

EXACT = "exact"


@dataclass(frozen=True)
class Addition:
    """One value that enters a register.

    level : of the register, 0 the outermost
    what : "start", "term", "tile", "pair", "correction", "bias", or "group" with its number and scale
    place : of the term among the terms, or None
    entering : the value
    register : what the register holds after it
    overflow : whether the sum did not fit the register
    """

    level: int
    what: str
    place: int | None
    entering: int
    register: int
    overflow: bool


def product(terms: Terms, place: int) -> int:
    """The term at a place."""
    x = terms.x[place]
    if terms.w is None:
        return x
    w = terms.w[place]
    if terms.accumulator.zero_point is ZeroPointPlace.SUBTRACT:
        return (x - terms.zx) * (w - terms.zw)
    return x * w


def additions(terms: Terms) -> Iterator[Addition]:
    """Every addition that makes the sum, in order; the last one's register is the result."""
    if terms.groups is not None:
        yield from _grouped(terms)
        return
    accumulator = terms.accumulator
    order = [int(place) for place in accumulator.permutation(terms.sizes)]
    start, after = _around(terms)
    yield from _register(terms, order, accumulator, start, after, 0)


def _grouped(terms: Terms) -> Iterator[Addition]:
    """The additions in every group's register, and then that of its scaled sum."""
    groups = terms.groups
    assert groups is not None
    cut = stages(terms.accumulator, groups.size)
    deeper, count = len(list(cut.outer.levels())), len(groups.scales)
    parts = [list(_group(terms, group, cut.inner, deeper)) for group in range(count)]
    values = tuple(part[-1].register * scale for part, scale in zip(parts, groups.scales, strict=True))
    outer = cut.outer.replace(zero_point=ZeroPointPlace.SUBTRACT)
    sums = Terms(outer, (1, 1, count), (None,) * count, values, (1,) * count, bias=terms.bias)
    for step in additions(sums):
        if step.place is None:
            yield step
            continue
        yield from parts[step.place]
        yield replace(step, what=f"group {step.place} * {groups.scales[step.place]}", place=None)


def _group(terms: Terms, group: int, inner: Accumulator | None, deeper: int) -> Iterator[Addition]:
    """The sum of one group, exact where there is no register for it."""
    assert terms.groups is not None
    assert terms.w is not None
    first = group * terms.groups.size
    part = slice(first, first + terms.groups.size)
    alone = replace(
        terms,
        accumulator=terms.accumulator if inner is None else inner.replace(bias=BiasPlace.FIRST),
        sizes=(1, 1, len(terms.x[part])),
        places=terms.places[part],
        x=terms.x[part],
        w=terms.w[part],
        zw=terms.groups.zeros[group],
        bias=0,
        groups=None,
    )
    if inner is not None:
        for step in additions(alone):
            place = None if step.place is None else first + step.place
            yield replace(step, level=step.level + deeper, place=place)
        return
    held = 0
    for place, x in enumerate(alone.x):
        value = (x - alone.zx) * (terms.w[first + place] - alone.zw)
        held += value
        yield Addition(deeper, "term", first + place, value, held, overflow=False)


def _around(terms: Terms) -> tuple[int, list[tuple[str, int]]]:
    """What is preloaded, and what is added after the last term (rules A5 and A6)."""
    accumulator = terms.accumulator
    if terms.w is None:
        return 0, []
    start, after = 0, []
    if accumulator.zero_point is not ZeroPointPlace.SUBTRACT:
        taps = len(terms.x)
        correction = taps * terms.zx * terms.zw - terms.zw * sum(terms.x) - terms.zx * sum(terms.w)
        if accumulator.zero_point is ZeroPointPlace.PRELOAD:
            start = correction
        else:
            after.append(("correction", correction))
    if accumulator.bias is BiasPlace.FIRST:
        start += terms.bias
    else:
        after.append(("bias", terms.bias))
    return start, after


def _register(
    terms: Terms,
    order: list[int],
    accumulator: Accumulator,
    start: int,
    after: list[tuple[str, int]],
    level: int,
) -> Iterator[Addition]:
    def add(held: int, what: str, place: int | None, value: int) -> Addition:
        exact = held + value
        fitted = int(fit(exact, accumulator.format, accumulator.overflow))
        return Addition(level, what, place, value, fitted, not accumulator.format.holds(exact, exact))

    chain = accumulator.topology is Topology.CHAIN
    last = add(0, "start", None, start) if chain else None
    if last is not None:
        yield last
    leaves: list[int] = []
    for steps, what, place, value in _entering(terms, order, accumulator, level):
        yield from steps
        held = last.register if last is not None and chain else 0
        last = add(held, what, place, value)
        leaves.append(last.register)
        yield last
    if not chain:
        while len(leaves) > 1:
            pairs = [add(a, "pair", None, b) for a, b in zip(leaves[0::2], leaves[1::2], strict=False)]
            yield from pairs
            leaves = [pair.register for pair in pairs] + leaves[len(leaves) - len(leaves) % 2 :]
        if start:
            last = add(leaves[0], "start", None, start)
            leaves = [last.register]
            yield last
    held = leaves[0] if not chain else (last.register if last is not None else 0)
    for what, value in after:
        last = add(held, what, None, value)
        held = last.register
        yield last


def _entering(
    terms: Terms, order: list[int], accumulator: Accumulator, level: int
) -> Iterator[tuple[list[Addition], str, int | None, int]]:
    """What enters a register, each with the additions that made it (rule A3)."""
    if accumulator.tile is None:
        for place in order:
            yield [], "term", place, product(terms, place)
        return
    for begin in range(0, len(order), accumulator.tile):
        chosen = order[begin : begin + accumulator.tile]
        if accumulator.inner is not None:
            steps = list(_register(terms, chosen, accumulator.inner, 0, [], level + 1))
        else:
            steps, held = [], 0
            for place in chosen:
                value = product(terms, place)
                held += value
                steps.append(Addition(level + 1, "term", place, value, held, overflow=False))
        yield steps, "tile", None, steps[-1].register
