"""Lowering of sums whose registers may overflow: the call and its lanes (rules K6 to K8 of `certified`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from intsim.arithmetic import (
    Accumulator,
    BiasPlace,
    Bounds,
    Events,
    Interval,
    Overflow,
    Topology,
    ZeroPointPlace,
)
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
from intsim.kernels.packing import Operands
from intsim.record import Array

_INT16, _INT32, _INT64 = IntFormat(16), IntFormat(32), IntFormat(64)
_MODES = {Overflow.WRAP: 1, Overflow.SATURATE: 2, Overflow.TRAP: 3}


def lower_chain(site: Site, products: Products) -> Lowered | str:
    """The certifying and stepping kernel, or why its lanes would not do."""
    ranges = _entering_ranges(products)
    lane = lane_of(site, products.taps, *ranges)
    if isinstance(lane, str):
        return lane
    found = taken(products, site.inputs[0].format.storage) if lane == np.int32 else None
    stepping = stepping_of(products, found, lane, _largest(*ranges), site.bounds, site.counted)
    shape, storage = site.outputs[0].shape, site.outputs[0].format.storage
    reference = lower_reference(site)

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        x = products.images(inputs[0])
        positions = x.shape[0] * int(np.prod(products.geometry[3:5]))
        out = np.empty((positions, products.channels), storage)
        if not stepping.run(x, out, work):
            trap(site, reference, inputs, work)
        return (out.reshape(inputs[0].shape[0], *shape),)

    return Lowered(f"{products.word} stepwise {lane}", why_stepped(site, stepping), call)


def lane_of(site: Site, taps: int, x: Interval, w: Interval) -> np.dtype[Any] | str:
    """The lanes of rule K8, for operands in these ranges; or why none would do."""
    reach = site.bounds.reach
    if reach is None or not site.bounds.partial.within(_INT64):
        return f"values on the way can be in {site.bounds.partial}, beyond int64"
    largest = largest_held(site.op.accumulator, reach, taps)
    if largest > _INT64.max:
        return f"a register and what enters it can be {largest}, beyond int64"
    narrow = largest <= _INT32.max and x.within(_INT16) and w.within(_INT16)
    return np.dtype(np.int32 if narrow else np.int64)


def trap(site: Site, reference: Lowered, inputs: tuple[Array, ...], work: Work) -> None:
    """Some register trapped: the reference says where, in its own words."""
    reference.call(inputs, replace(work, events=None))
    raise fault(site.node.name, "the kernel trapped where the reference did not")


def why_stepped(site: Site, stepping: Stepping) -> str:
    """The reason in the plan."""
    counting = ", counting events" if site.counted else ""
    how, rule = "certified at run time, else stepped", "K7"
    if stepping.uncertified:
        how, rule = f"{stepping.uncertified}: every sum is stepped", "K8"
    return (
        f"partial sums can be in {site.bounds.reach}, beyond {_narrowest(site.op.accumulator)}:"
        f" {how} in {stepping.lane} lanes{counting} [{rule}]"
    )


@dataclass(frozen=True, eq=False)
class Stepping:
    """Everything that a call of the kernel needs beside the input.

    code, patch : dtypes that codes are read as, and windows gathered as
    lane, kernel, windows, registers, certificate, saturating : see `kernels.certificate`
    levels : registers of the accumulator
    uncertified : why nothing is certified; empty where something is
    """

    code: np.dtype[Any]
    patch: np.dtype[Any]
    lane: np.dtype[Any]
    kernel: Any
    windows: Any
    registers: Any
    certificate: Any
    saturating: Any
    levels: int
    uncertified: str

    def run(self, x: Array, out: Array, work: Work) -> bool:
        """Sums of images (N, H, W, C) into `out` (positions, channels); False where a register trapped."""
        from intsim.kernels.certificate import BLOCK, certified_positions
        from intsim.kernels.scratch import scratch
        from intsim.kernels.stepwise import CHUNK, LANES
        from intsim.kernels.threads import run_parts

        x = ready(x.view(self.code) if self.code.itemsize == 1 else x.astype(np.int64))
        registers = self.registers._replace(watched=int(work.events is not None))
        shape = BLOCK, registers.w.shape[1]
        results: list[tuple[int, Array]] = []

        def part(begin: int, end: int) -> None:
            counts = np.zeros((registers.levels.shape[0], 2), np.int64)
            patch, rows, z = scratch(
                (shape, self.patch), (shape, registers.w.dtype), ((CHUNK, LANES), self.lane)
            )
            tools = self.kernel, x, self.windows, registers, self.certificate, self.saturating
            trapped = certified_positions(*tools, patch, rows, z, begin, end, counts, out)
            results.append((trapped, counts))

        run_parts(part, out.shape[0], work.threads, least=BLOCK)
        if work.events is not None:
            total = np.array([counts for _, counts in results]).sum(axis=0)[: self.levels]
            work.events.add(Events(total[:, 0].tolist(), total[:, 1].tolist()))
        return not any(trapped for trapped, _ in results)


def stepping_of(
    products: Products,
    found: Operands | None,
    lane: np.dtype[Any],
    largest: int,
    bounds: Bounds,
    counted: bool,
) -> Stepping:
    """The call for sums of products (rules K7 and K8).

    Parameters
    ----------
    products : sums of products
    found : the operands of 8-bit codes, None for others
    lane : of `lane_of`
    largest : no product is larger
    bounds, counted : of the site
    """
    from intsim.kernels.certificate import Registers

    windows = windows_of(products, found)
    start, after = _values(products)
    certificate = certificate_of(products, found, windows, start, after, bounds, counted)
    w = np.zeros((products.channels, padded_taps(products.taps)), np.int16 if lane == np.int32 else np.int64)
    w[:, : products.taps] = entering(products)
    totalled = int(bool(start[1].any() or after[:, 1].any()))
    small = int(largest <= _INT16.max)
    refused = certificate if isinstance(certificate, str) else ""
    return Stepping(
        code=np.dtype(np.int64) if found is None else found.code,
        patch=np.dtype(np.int64) if found is None else found.operand,
        lane=lane,
        kernel=kernel_of(found),
        windows=windows,
        registers=Registers(w, start, after, level_table(products.accumulator), small, totalled, 0),
        certificate=no_certificate() if refused else certificate,
        saturating=saturating_of(products, found, largest, counted),
        levels=len(products.accumulator.levels()),
        uncertified=refused,
    )


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


def _largest(x: Interval, w: Interval) -> int:
    """No product is larger."""
    return max(-x.min, x.max) * max(-w.min, w.max)


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
