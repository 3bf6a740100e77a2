"""Lowering of sums whose registers may overflow: proved, certified at run time, or stepped.

Rules
-----
K6. A channel whose registers cannot change its sum in the accumulator's own order (rule Z3), and where
    events are counted meets nothing that does not fit, is as good as one of rule K1.
K7. Where a channel is not proved, its sums are certified one by one (rules Y1 to Y5): where the order of
    the terms is the accumulator's, of whatever topology and tiles. That needs codes of at most 8 bits, sums
    of fewer than 28 bits, and no weight's zero point outside the products.
K8. Sums that are not certified are stepped in the accumulator's own order: in int32 lanes where every
    product fits int16 and a register and what enters it int32, else in int64 lanes. One register that
    saturates, of values below 2**24, can take whole blocks in float32 lanes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, Bounds, Overflow, Topology, ZeroPointPlace
from intsim.engine.products import Products
from intsim.formats import IntFormat
from intsim.kernels.isa.table import ISAS, PANEL, STEP, Isa, Kernel, chosen
from intsim.kernels.packing import Operands, operands, pack
from intsim.record import Array

_INT32 = IntFormat(32)
_LARGEST = 1 << 28
TERMS = 32
"""Rows are padded to a multiple of so many terms."""


def proved_channels(bounds: Bounds, counted: bool, channels: int) -> Array:
    """Rule K6: bool (channels)."""
    if not bounds.registers:
        return np.zeros(channels, bool)
    right = np.asarray(bounds.registers[0].exact)
    if counted:
        for entry in bounds.registers:
            format = entry.register.format
            right = right & (np.asarray(entry.partial.lo) >= format.min)
            right = right & (np.asarray(entry.partial.hi) <= format.max)
    right = right.astype(bool)
    return np.broadcast_to(right if right.size == channels else right.all(), (channels,))


def in_its_order(bounds: Bounds, counted: bool) -> bool:
    """Whether every channel is proved in the accumulator's own order (rule K6)."""
    return bool(proved_channels(bounds, counted, 1).all())


def padded_taps(taps: int) -> int:
    """The length of a row."""
    return -(-taps // TERMS) * TERMS


def certifying() -> Isa:
    """The instruction set that certifies: tiles cannot look at sums on the way."""
    isa = chosen()
    return next(entry for entry in ISAS if entry.name == "avx512_vnni") if isa.name == "amx" else isa


def taken(products: Products, storage: np.dtype[Any]) -> Operands | None:
    """The operands of 8-bit codes; None where the windows are gathered as int64."""
    zero = products.input_zero_point
    if storage not in (np.int8, np.uint8) or not products.input_format.holds(zero, zero):
        return None
    centred = products.centred()
    return operands(certifying(), storage, int(centred.min()), int(centred.max()))


def kernel_of(found: Operands | None) -> Kernel:
    """The kernel that a call is compiled for."""
    return certifying().words if found is None else found.kernel


def windows_of(products: Products, found: Operands | None) -> Any:
    """How the taps are gathered."""
    from intsim.kernels.certificate import Windows

    zero = products.input_zero_point
    subtract = products.accumulator.zero_point is ZeroPointPlace.SUBTRACT
    moved, flip, back, fill = 0, 0, 0, zero
    if found is not None:
        moved, flip, back = found.moved, found.flip, found.back
        fill = zero + moved
        if found.operand == np.uint8:
            fill %= 256
            moved = fill - zero
    natural = np.array_equal(products.order, np.arange(products.taps))
    order = np.zeros(0, np.int64) if natural else products.order
    minus = moved + (zero if subtract else 0)
    return Windows(products.geometry, order, products.taps, fill, flip, back, minus, moved)


def entering(products: Products) -> Array:
    """The weights as they are multiplied, (K, taps) in entering order, int64 or object."""
    subtract = products.accumulator.zero_point is ZeroPointPlace.SUBTRACT
    flat = products.centred() if subtract else products.flat()
    return flat[:, products.order]


def no_certificate() -> Any:
    """What says that nothing is certified."""
    from intsim.kernels.certificate import Certificate

    floats, codes = np.zeros((1, 0), np.float32), np.zeros((1, 0), np.int32)
    table = np.zeros((1, 0, 0, PANEL), np.int32)
    packed = np.zeros((1, 0), np.int8)
    return Certificate(0, 0, packed, 0, 0, 0, table, floats, 0, 0, codes, codes, codes, codes, codes)


def certificate_of(
    products: Products,
    found: Operands | None,
    windows: Any,
    start: Array,
    after: Array,
    bounds: Bounds,
    counted: bool,
) -> Any:
    """Rule K7; or the reason why nothing is certified, a string.

    Parameters
    ----------
    found, windows : of the products
    start, after : (2, K) and (values, 2, K), see `kernels.stepwise.step_outputs`
    """
    from intsim.kernels.certificate import GROUP, Certificate

    accumulator = products.accumulator
    weights, groups = entering(products), products.groups
    if found is None or bounds.final is None:
        return "codes are beyond 8 bits"
    if start[1].any() or after[:, 1].any():
        return "the zero points' correction depends on the input"
    if products.depthwise:
        return "channels have one input each"
    largest = int(np.abs(weights).sum(axis=1).max()) * (256 + abs(windows.minus))
    if largest >= _LARGEST or not bounds.final.within(_INT32):
        return "sums are beyond 28 bits"
    each, item = products.channels // groups, found.operand.itemsize
    length, wide = padded_taps(products.taps), -(-(products.channels // groups) // PANEL) * PANEL
    looks = length // GROUP
    rows = np.zeros((groups, wide, length), np.int64)
    rows[:, :each, : products.taps] = weights.reshape(groups, each, -1)
    prefix = windows.minus * rows.reshape(groups, wide, looks, GROUP).sum(axis=3).cumsum(axis=2)
    table = prefix.reshape(groups, wide // PANEL, PANEL, looks).transpose(0, 1, 3, 2)
    squares = (rows * rows).reshape(groups, wide, looks, GROUP).sum(axis=3).max(axis=2)
    norms = np.sqrt(squares) * 0.500001
    bottom, top = _limits(products, start, after)
    between, ends, long, short = _inside(accumulator, GROUP)
    proved = proved_channels(bounds, counted, products.channels)
    every = np.ones(products.channels, np.int64)
    constant = start[0] + after[:, 0].sum(axis=0) - windows.minus * weights.sum(axis=1)
    forgiving = len(accumulator.levels()) == 1 and accumulator.overflow is Overflow.WRAP

    def spread(values: Array) -> Array:
        padded = np.zeros((groups, wide), np.int64)
        padded[:, :each] = values.reshape(groups, each)
        return padded.astype(np.int32)

    return Certificate(
        asked=1,
        forgiving=int(forgiving),
        packed=pack(rows[:, :, None, :], found.kernel, item),
        panels=wide // PANEL,
        looks=looks,
        steps=GROUP * item // STEP,
        table=np.ascontiguousarray(table).astype(np.int32),
        norms=norms.astype(np.float32),
        between=between,
        ends=ends,
        final=spread((constant + 2**31) % 2**32 - 2**31),
        bottom=spread(np.where(proved, _INT32.min, bottom)),
        top=spread(np.where(proved, _INT32.max, top)),
        long=spread(np.where(proved, _INT32.max, long * every)),
        short=spread(np.where(proved, _INT32.max, short * every)),
    )


def _limits(products: Products, start: Array, after: Array) -> tuple[Array, Array]:
    """The limits of the outermost register for the sums alone, per channel, as int32 holds them."""
    format = products.accumulator.format
    offsets = [start[0].astype(object)]
    for entry in after[:, 0]:
        offsets.append(offsets[-1] + entry)
    bottom = format.min - np.minimum.reduce(offsets)
    top = format.max - np.maximum.reduce(offsets)
    ends = _INT32.min, _INT32.max
    return np.clip(bottom, *ends).astype(np.int64), np.clip(top, *ends).astype(np.int64)


def _inside(accumulator: Accumulator, group: int) -> tuple[int, int, int, int]:
    """Rule Y3 for an accumulator: `between`, `ends`, `long` and `short` of its certificate.

    Examples
    --------
    A tree of 16 bits has a node for every two, four, ... of its terms:

    >>> _inside(Accumulator(IntFormat(16), topology=Topology.TREE), 16)
    (0, 0, 32767, 32767)
    """
    outer, *inner = accumulator.levels()
    tree, tile = outer.topology is Topology.TREE, outer.tile
    whole = tile is not None and tile % group == 0
    limits = [min(level.format.max, -level.format.min, _INT32.max) for level in (outer, *inner)]
    nodes = limits[0] if tree else _INT32.max
    held = min([_INT32.max, *limits[1:]])
    between = int(not tree and not whole)
    if not inner:
        exact = tile is None or whole or group % tile == 0
        return between if exact or not tree else 1, 0 if exact else 2, nodes, nodes
    if len(inner) == 1 and inner[0].tile is None:
        if tile is not None and group % tile == 0:
            return between, 0, nodes, min(nodes, held)
        if whole:
            ends = 0 if inner[0].topology is Topology.TREE else 1
            return between, ends, min(nodes, held), min(nodes, held)
    return 1, 2, min(nodes, held), min(nodes, held)


def saturating_of(products: Products, found: Operands | None, largest: int, counted: bool) -> Any:
    """Whole blocks through one register that saturates (rule K8), if that is what the accumulator is.

    Parameters
    ----------
    largest : no product is larger
    """
    from intsim.kernels.certificate import Saturating

    accumulator, groups = products.accumulator, products.groups
    each = products.channels // groups
    limits = accumulator.format.min, accumulator.format.max
    lone = accumulator.tile is None and accumulator.topology is Topology.CHAIN
    fits = max(-limits[0], limits[1]) + largest < 1 << 24
    saturates = accumulator.overflow is Overflow.SATURATE and lone and fits and not counted
    if not saturates or found is None or each < 4:
        return Saturating(0, np.zeros((1, 0, 0, PANEL), np.float32), 1, np.zeros(2, np.float32))
    vectors = 1 if each <= PANEL else 2 if each <= 2 * PANEL else 4
    width, taps = PANEL * vectors, products.taps
    blocks = -(-each // width)
    rows = np.zeros((groups, blocks * width, padded_taps(taps)), np.float32)
    rows[:, :each, :taps] = entering(products).reshape(groups, each, taps)
    packed = rows.reshape(groups, blocks, width, -1).transpose(0, 1, 3, 2)
    return Saturating(1, np.ascontiguousarray(packed), vectors, np.array(limits, np.float32))
