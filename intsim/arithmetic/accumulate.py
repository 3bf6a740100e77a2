"""`Accumulator`: how a sum is made, register by register, and the reference that makes it so.

Rules
-----
A1. A register adds one value at a time; after every addition its overflow is applied.
A2. CHAIN: the terms enter in order, one after another. TREE: neighbours are added in pairs, the sums
    in pairs again, a last odd one passing up; the result of every adder is held by the format.
A3. With `tile`, every `tile` consecutive terms (the last tile may be shorter) are summed by `inner`
    first, exactly where `inner` is absent, and only those sums enter this register.
A4. `order` names the reduction axes outermost first, or lists every term's place.
A5. The bias is loaded before the first term (FIRST) or added after the last (LAST). A TREE adds what is
    preloaded at its root.
A6. Zero points: SUBTRACT makes the terms (x - zx) * (w - zw). PRELOAD and AFTER make them x * w, and
    the correction (sum of SUBTRACT's terms minus sum of theirs) is loaded with the start value, or
    added after the last term and before a LAST bias. What is preloaded is one value, written once.
A7. Events, per register and per sum made in it, from the exact running sum of what enters it:
    persistent if the final sum does not fit, transient if only a sum on the way does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from intsim.arithmetic.overflow import Overflow, Register, fit
from intsim.formats import IntFormat
from intsim.record import Array, Record, field

Term = Callable[[int], Array]
"""Gives the k-th term of every sum at once: an int64 or object array."""


class Topology(Enum):
    """In which shape the additions are made."""

    CHAIN = "one after another"
    TREE = "neighbours in pairs, then pairs of pairs"

    def __repr__(self) -> str:
        return f"Topology.{self.name}"


class BiasPlace(Enum):
    """When the bias enters the sum."""

    FIRST = "preloaded"
    LAST = "added at the end"

    def __repr__(self) -> str:
        return f"BiasPlace.{self.name}"


class ZeroPointPlace(Enum):
    """When zero points enter the sum."""

    SUBTRACT = "from every operand, before the product"
    PRELOAD = "as one correction, loaded before the first term"
    AFTER = "as one correction, added after the last term"

    def __repr__(self) -> str:
        return f"ZeroPointPlace.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class Accumulator(Record):
    """How a sum is made. WRAP is free of order; SATURATE and TRAP are not.

    Examples
    --------
    Sixteen lanes summed exactly, entering a 20-bit register that saturates:

    >>> Accumulator(IntFormat(20), Overflow.SATURATE, tile=16)
    Accumulator(format=IntFormat(bits=20), overflow=Overflow.SATURATE, tile=16)
    """

    format: IntFormat = field("the register", default=IntFormat(32))
    overflow: Overflow = field("applied after every addition", default=Overflow.WRAP)
    order: str | tuple[int, ...] = field(
        "reduction axes outermost first (h, w, c), or the terms' places", default="hwc"
    )
    topology: Topology = field("chain or tree", default=Topology.CHAIN)
    tile: int | None = field("consecutive terms summed by `inner` before they enter", default=None)
    inner: Accumulator | None = field("the register of one tile; absent: exact", default=None)
    bias: BiasPlace = field("first (preloaded) or last", default=BiasPlace.LAST)
    zero_point: ZeroPointPlace = field("subtract, preload or after", default=ZeroPointPlace.SUBTRACT)

    def check(self) -> Iterator[tuple[str, str]]:
        if isinstance(self.order, str):
            if sorted(self.order) != ["c", "h", "w"]:
                yield "order", f"must be the letters h, w and c once each, not {self.order!r}. [A4]"
        elif sorted(self.order) != list(range(len(self.order))):
            yield "order", "must name every term from 0 up exactly once. [A4]"
        if self.tile is not None and self.tile < 1:
            yield "tile", f"must be at least 1, not {self.tile}. [A3]"
        if self.inner is not None:
            yield from self._check_inner(self.inner)

    def _check_inner(self, inner: Accumulator) -> Iterator[tuple[str, str]]:
        if self.tile is None:
            yield "inner", "needs a tile. [A3]"
        if inner.tile is not None and self.tile is not None and inner.tile >= self.tile:
            yield "inner.tile", f"must be below the outer tile {self.tile}, not {inner.tile}. [A3]"
        for name in ("order", "bias", "zero_point"):
            if getattr(inner, name) != getattr(Accumulator(), name):
                yield f"inner.{name}", "is said by the outermost register only. [A3]"

    @property
    def register(self) -> Register:
        return Register(self.format, self.overflow)

    def levels(self) -> tuple[Accumulator, ...]:
        """This register and the ones inside it, outermost first."""
        return (self, *(self.inner.levels() if self.inner else ()))

    def permutation(self, sizes: tuple[int, int, int]) -> Array:
        """The places of the terms, in the order in which they enter.

        Parameters
        ----------
        sizes : of the reduction axes h, w, c; the terms' places count with c fastest

        Raises
        ------
        ValueError
            An explicit order is of another length.
        """
        places = np.arange(int(np.prod(sizes)))
        if isinstance(self.order, str):
            axes = ["hwc".index(letter) for letter in self.order]
            return places.reshape(sizes).transpose(axes).ravel()
        if len(self.order) != places.size:
            raise ValueError(f"order must list {places.size} terms, not {len(self.order)}. [A4]")
        return np.array(self.order)


@dataclass
class Events:
    """Counts of overflows in one accumulator, per register level, outermost first (rule A7)."""

    persistent: list[int]
    transient: list[int]

    @classmethod
    def none(cls, accumulator: Accumulator) -> Events:
        levels = len(accumulator.levels())
        return cls([0] * levels, [0] * levels)

    def add(self, other: Events) -> None:
        """Count another batch's events with these."""
        self.persistent = [a + b for a, b in zip(self.persistent, other.persistent, strict=True)]
        self.transient = [a + b for a, b in zip(self.transient, other.transient, strict=True)]

    @property
    def total(self) -> int:
        return sum(self.persistent) + sum(self.transient)


def accumulate(
    term: Term,
    order: Sequence[int],
    accumulator: Accumulator,
    *,
    start: Any = 0,
    after: Sequence[Any] = (),
    events: Events | None = None,
) -> Array:
    """Sum terms through the registers of an accumulator.

    Parameters
    ----------
    term : gives the term at a place, for all sums at once
    order : the places, in the order in which the terms enter
    accumulator : Accumulator
    start : the value loaded before the first term (integer or array)
    after : values added one by one after the last term
    events : counts are added here if given

    Returns
    -------
    The register's value after the last addition, of the terms' shape and kind.

    Raises
    ------
    OverflowTrap
        A register with TRAP receives a value that does not fit.
    """
    return np.asarray(_sum(term, list(order), accumulator, start, after, events, 0))


def _sum(
    term: Term,
    places: list[int],
    accumulator: Accumulator,
    start: Any,
    after: Sequence[Any],
    events: Events | None,
    level: int,
) -> Any:
    entering: Iterator[Array]
    if accumulator.tile is None:
        entering = (term(place) for place in places)
    else:
        entering = _tiles(term, places, accumulator, events, level)
    total = _Running(accumulator, events is not None)
    if accumulator.topology is Topology.CHAIN:
        total.load(start)
        for value in entering:
            total.add(value)
    else:
        total.load_tree(list(entering))
        if np.any(np.asarray(start) != 0):  # rule A5
            total.add(start)
    for value in after:
        total.add(value)
    if events is not None:
        total.count(events, level)
    return total.value


def _tiles(
    term: Term, places: list[int], accumulator: Accumulator, events: Events | None, level: int
) -> Iterator[Array]:
    """The sums of consecutive tiles, as the inner register delivers them (rule A3)."""
    tile = accumulator.tile or 1
    for begin in range(0, len(places), tile):
        chosen = places[begin : begin + tile]
        if accumulator.inner is not None:
            yield _sum(term, chosen, accumulator.inner, 0, (), events, level + 1)
        else:
            total = term(chosen[0])
            for place in chosen[1:]:
                total = total + term(place)
            yield total


class _Running:
    """A register's value, beside the exact sum of what entered it."""

    def __init__(self, accumulator: Accumulator, watched: bool) -> None:
        self.format, self.overflow = accumulator.format, accumulator.overflow
        self.watched = watched
        self.value: Any = 0
        self.exact: Any = 0
        self.left: Any = False  # whether the exact sum was ever outside the format

    def load(self, value: Any) -> None:
        self.value, self.exact = fit(value, self.format, self.overflow), value
        self._watch()

    def add(self, value: Any) -> None:
        self.value = fit(self.value + value, self.format, self.overflow)
        if self.watched:
            self.exact = self.exact + value
            self._watch()

    def load_tree(self, leaves: list[Array]) -> None:
        """Rule A2, TREE. Every leaf passes through a register of the format too."""
        exact = leaves
        held = [fit(leaf, self.format, self.overflow) for leaf in leaves]
        self.left = np.zeros(np.shape(leaves[0]), bool)
        while True:
            if self.watched:
                for node in exact:
                    self.left = self.left | self.format.outside(np.asarray(node))
            if len(held) == 1:
                break
            held = [fit(pair, self.format, self.overflow) for pair in _pairs(held)]
            exact = _pairs(exact) if self.watched else held
        self.value, self.exact = held[0], exact[0]

    def _watch(self) -> None:
        if self.watched:
            self.left = self.left | self.format.outside(np.asarray(self.exact))

    def count(self, events: Events, level: int) -> None:
        persistent = np.broadcast_to(self.format.outside(np.asarray(self.exact)), np.shape(self.left))
        events.persistent[level] += int(np.count_nonzero(persistent))
        events.transient[level] += int(np.count_nonzero(self.left & ~persistent))


def _pairs(values: list[Array]) -> list[Array]:
    summed = [a + b for a, b in zip(values[0::2], values[1::2], strict=False)]
    return summed + values[len(values) - len(values) % 2 :]
