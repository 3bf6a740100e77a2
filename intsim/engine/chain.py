"""Lowering of sums whose registers may overflow: the call and its lanes (rules K6 to K8 of `certified`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, BiasPlace, Events, Interval, Overflow, Topology, ZeroPointPlace
from intsim.engine.certified import (
    certificate_of,
    entering,
    kernel_of,
    no_certificate,
    padded_taps,
    saturating_of,
    taken,
    windows_of,
)
from intsim.engine.lowered import Lowered, Site, Work, ready
from intsim.engine.products import Products
from intsim.engine.reference import fault, lower_reference
from intsim.formats import IntFormat
from intsim.record import Array

_INT16, _INT32, _INT64 = IntFormat(16), IntFormat(32), IntFormat(64)
_MODES = {Overflow.WRAP: 1, Overflow.SATURATE: 2, Overflow.TRAP: 3}


def lower_chain(site: Site, products: Products) -> Lowered | str:
    """The certifying and stepping kernel, or why its lanes would not do."""
    accumulator, reach = products.accumulator, site.bounds.reach
    if reach is None or not site.bounds.partial.within(_INT64):
        return f"values on the way can be in {site.bounds.partial}, beyond int64"
    largest = largest_held(accumulator, reach, products.taps)
    if largest > _INT64.max:
        return f"a register and what enters it can be {largest}, beyond int64"
    x, weights = _entering_ranges(products)
    narrow = largest <= _INT32.max and x.within(_INT16) and weights.within(_INT16)
    lane = np.dtype(np.int32 if narrow else np.int64)
    term = max(-x.min, x.max) * max(-weights.min, weights.max)
    found = taken(products, site.inputs[0].format.storage) if narrow else None
    windows = windows_of(products, found)
    start, after = _values(products)
    certificate = certificate_of(products, found, windows, start, after, site.bounds, site.counted)
    certified = not isinstance(certificate, str)
    saturating = saturating_of(products, found, term, site.counted)
    counting = ", counting events" if site.counted else ""
    how = "certified at run time, else stepped" if certified else f"{certificate}: every sum is stepped"
    reason = (
        f"partial sums can be in {reach}, beyond {_narrowest(accumulator)}:"
        f" {how} in {lane} lanes{counting} [{'K7' if certified else 'K8'}]"
    )
    chosen = no_certificate() if isinstance(certificate, str) else certificate
    tools = windows, int(term <= _INT16.max), start, after, chosen, saturating
    return Lowered(f"{products.word} stepwise {lane}", reason, _call(site, products, found, lane, tools))


def _call(site: Site, products: Products, found: Any, lane: np.dtype[Any], tools: tuple[Any, ...]) -> Any:
    from intsim.kernels.certificate import BLOCK, Registers

    windows, small, start, after, certificate, saturating = tools
    taps, length = products.taps, padded_taps(products.taps)
    rows_type = np.dtype(np.int16 if lane == np.int32 else np.int64)
    patch_type = np.dtype(np.int64) if found is None else found.operand
    w = np.zeros((products.channels, length), rows_type)
    w[:, :taps] = entering(products)
    levels = level_table(products.accumulator)
    totalled = int(bool(start[1].any() or after[:, 1].any()))
    registers = Registers(w, start, after, levels, small, totalled, int(site.counted))
    count = len(products.accumulator.levels())
    kernel = kernel_of(found)
    shape, storage = site.outputs[0].shape, site.outputs[0].format.storage
    reference = lower_reference(site)

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        from intsim.kernels.certificate import certified_positions
        from intsim.kernels.scratch import scratch
        from intsim.kernels.stepwise import CHUNK, LANES
        from intsim.kernels.threads import run_parts

        x = products.images(inputs[0])
        x = ready(x.astype(np.int64) if found is None else x.view(found.code))
        positions = x.shape[0] * int(np.prod(products.geometry[3:5]))
        out = np.empty((positions, products.channels), storage)
        watched = registers._replace(watched=int(work.events is not None))
        results: list[tuple[int, Array]] = []

        def part(begin: int, end: int) -> None:
            counts = np.zeros((levels.shape[0], 2), np.int64)
            patch, rows, z = scratch(
                ((BLOCK, length), patch_type), ((BLOCK, length), rows_type), ((CHUNK, LANES), lane)
            )
            fixed = (kernel, x, windows, watched, certificate, saturating, patch, rows, z)
            results.append((certified_positions(*fixed, begin, end, counts, out), counts))

        run_parts(part, positions, work.threads, least=BLOCK)
        if any(trapped for trapped, _ in results):
            reference.call(inputs, replace(work, events=None))  # says where, in the reference's words
            raise fault(site.node.name, "the kernel trapped where the reference did not")
        if work.events is not None:
            total = np.sum([counts for _, counts in results], axis=0)[:count]
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
        tree = int(level.topology is Topology.TREE)
        rows.append([_MODES[level.overflow], format.min, format.max, mask, sign, tile, tree])
        tile = level.tile or 0
    if tile:
        rows.append([0, 0, 0, 0, 0, tile, 0])
    return np.array(rows, dtype=np.int64)


def _entering_ranges(products: Products) -> tuple[Interval, Interval]:
    """What is multiplied: inputs and weights."""
    subtract = products.accumulator.zero_point is ZeroPointPlace.SUBTRACT
    zero, format = products.input_zero_point, products.input_format
    offset, weights = zero if subtract else 0, entering(products)
    x = Interval(min(format.min, zero) - offset, max(format.max, zero) - offset)
    return x, Interval(int(weights.min()), int(weights.max()))


def largest_held(accumulator: Accumulator, reach: Interval, taps: int) -> int:
    """A bound on every value that a lane holds: registers, what enters them, and exact running sums."""
    term = max(-reach.min, reach.max, 0)
    levels = accumulator.levels()
    largest, entering = term, term
    for level in reversed(levels):
        held = max(-level.format.min, level.format.max)
        # no more values enter than there are terms, beside what is loaded and added at the end
        exact = term if level is levels[-1] else taps * entering + 3 * term
        nodes = 2 * held if level.topology is Topology.TREE else 0
        largest = max(largest, held + max(entering, term), nodes, exact, (1 << level.format.bits) - 1)
        entering = held
    return largest


def _narrowest(accumulator: Accumulator) -> str:
    return str(min(accumulator.levels(), key=lambda level: level.format.bits).register)
