"""Lowering of sums whose registers may overflow: term by term (rule K5 of `engine.sums`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, BiasPlace, Events, Interval, Overflow, ZeroPointPlace
from intsim.engine.lowered import Lowered, Site, Work, ready
from intsim.engine.products import Products
from intsim.engine.reference import fault, lower_reference
from intsim.formats import IntFormat
from intsim.record import Array

_INT32, _INT64 = IntFormat(32), IntFormat(64)
_PATCH = 1 << 16  # lanes of one block's taps: 256 KiB of int32
_MODES = {Overflow.WRAP: 1, Overflow.SATURATE: 2, Overflow.TRAP: 3}


def lower_chain(site: Site, products: Products) -> Lowered | str:
    """The stepwise kernel, or why its lanes would not do."""
    accumulator, reach = products.accumulator, site.bounds.reach
    if reach is None or not site.bounds.partial.within(_INT64):
        return f"values on the way can be in {site.bounds.partial}, beyond int64"
    largest = _largest(accumulator, reach, products.taps)
    lane = next((format.storage for format in (_INT32, _INT64) if largest <= format.max), None)
    if lane is None:
        return f"a register and what enters it can be {largest}, beyond int64"
    counting = ", counting events" if site.counted else ""
    reason = (
        f"partial sums can be in {reach}, beyond {_narrowest(accumulator)}:"
        f" one addition after another{counting} [K5]"
    )
    return Lowered(f"{products.word} stepwise {lane}", reason, _call(site, products, lane))


def _call(site: Site, products: Products, lane: np.dtype[Any]) -> Any:
    accumulator = products.accumulator
    subtract = accumulator.zero_point is ZeroPointPlace.SUBTRACT
    flat = products.centred() if subtract else products.flat()
    w = flat.astype(lane)
    fill = products.input_zero_point
    offset = fill if subtract else 0
    order = products.order
    start, after = _values(products)
    levels = level_table(accumulator)
    registers = len(accumulator.levels())
    block = max(8, min(128, _PATCH // (products.taps * products.groups) // 8 * 8))
    shape, storage = site.outputs[0].shape, site.outputs[0].format.storage
    reference = lower_reference(site)

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        from intsim.kernels.stepwise import chain_positions
        from intsim.kernels.threads import run_parts

        x = ready(products.images(inputs[0]))
        positions = x.shape[0] * int(np.prod(products.geometry[3:5]))
        out = np.empty((positions, products.channels), storage)
        watched = work.events is not None
        found: list[tuple[int, Array]] = []

        def part(begin: int, end: int) -> None:
            counts = np.zeros((levels.shape[0], 2), np.int64)
            fixed = (products.geometry, levels, watched, block)
            trapped = chain_positions(
                x, w, offset, fill, order, start, after, *fixed, begin, end, counts, out
            )
            found.append((trapped, counts))

        run_parts(part, positions, work.threads, least=block)
        if any(trapped for trapped, _ in found):
            reference.call(inputs, replace(work, events=None))  # says where, in the reference's words
            raise fault(site.node.name, "the kernel trapped where the reference did not")
        if work.events is not None:
            total = np.sum([counts for _, counts in found], axis=0)[:registers]
            work.events.add(Events(total[:, 0].tolist(), total[:, 1].tolist()))
        return (out.reshape(inputs[0].shape[0], *shape),)

    return call


def _values(products: Products) -> tuple[Array, Array]:
    """What is loaded first and what is added last, each as (constant, factor of the sum of the taps)."""
    accumulator, taps, zx = products.accumulator, products.taps, products.input_zero_point
    zw, none = products.weight_zero_point, np.zeros(products.channels, np.int64)
    first: list[tuple[Array, Array]] = [(none, none)]
    last: list[tuple[Array, Array]] = []
    if accumulator.zero_point is not ZeroPointPlace.SUBTRACT:
        weights = products.flat().sum(axis=1).astype(object)
        correction = (taps * zx * zw - zx * weights, -zw)
        (first if accumulator.zero_point is ZeroPointPlace.PRELOAD else last).append(correction)
    (first if accumulator.bias is BiasPlace.FIRST else last).append((products.bias, none))
    start = np.stack([sum(entry[0] for entry in first), sum(entry[1] for entry in first)])
    after = np.zeros((len(last), 2, products.channels), np.int64)
    for index, entry in enumerate(last):
        after[index] = entry
    return start.astype(np.int64), after


def level_table(accumulator: Accumulator) -> Array:
    """The registers as `kernels.stepwise` reads them; an exact innermost tile is a row of its own."""
    rows: list[list[int]] = []
    tile = 0
    for level in accumulator.levels():
        format = level.format
        sign = 1 << (format.bits - 1) if format.signed else 0
        mask = (1 << format.bits) - 1
        rows.append([_MODES[level.overflow], format.min, format.max, mask, sign, tile])
        tile = level.tile or 0
    if tile:
        rows.append([0, 0, 0, 0, 0, tile])
    return np.array(rows, dtype=np.int64)


def _largest(accumulator: Accumulator, reach: Interval, taps: int) -> int:
    """A bound on every value that a lane holds: registers, what enters them, and exact running sums."""
    term = max(-reach.min, reach.max, 0)
    levels = accumulator.levels()
    largest, entering = term, term
    for level in reversed(levels):
        held = max(-level.format.min, level.format.max)
        # no more values enter than there are terms, beside what is loaded and added at the end
        exact = term if level is levels[-1] else taps * entering + 3 * term
        largest = max(largest, held + max(entering, term), exact, (1 << level.format.bits) - 1)
        entering = held
    return largest


def _narrowest(accumulator: Accumulator) -> str:
    return str(min(accumulator.levels(), key=lambda level: level.format.bits).register)
