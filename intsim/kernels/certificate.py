"""Sums that are exact because nothing overflowed on their way, and the other ones step by step.

Rules
-----
Y1. P(n) is the exact sum of a chain's first n terms; it is known after every 16 terms, and between them it
    is no further from the nearer one of the two than half the sum of the 16 terms' sizes.
Y2. The sum of |x| |w| over 16 terms is at most the root of the product of their sums of squares. So with
    the largest of them in the row and in the channel, every P(n) lies in an interval [low, high].
Y3. What a tile or a node of a tree holds is a sum of neighbouring terms: a difference of two P(n), so at
    most high - low in size. Where it begins and ends at a look, these are the lowest and the highest sum
    that was looked at; where it lies between two looks, it is no larger than the sizes of the 16 terms.
Y4. A sum is certified where [low, high], moved by what is loaded first and added last, fits the register,
    and what rule Y3 says fits every register inside it and every node of a tree. Then every register on
    its way is exact: the value is the exact sum, and there are no events.
Y5. A lone register that wraps is right in any case: where the final sum does not fit, that is one
    persistent event, whatever happened before. Only the others are stepped.
Y6. What is not certified is stepped through its registers. Where that is most of a block, all of it is
    stepped at once if there is a kernel for that, and the next blocks are not asked.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from intsim.kernels.certificate_isa import envelope_block, largest_square
from intsim.kernels.isa.micro import address
from intsim.kernels.jit import compiled
from intsim.kernels.saturating import saturate_block
from intsim.kernels.stepwise import HIGH, LOW, MASK, SIGN, step_outputs
from intsim.kernels.sums import DH, DW, GROUPS, KH, KW, LEFT, OH, OW, SH, SW, TOP, C, H, W
from intsim.record import Array

BLOCK = 64
"""Positions of a block: a multiple of 16."""

GROUP = 16
"""Terms from look to look (rule Y1)."""

_UNASKED = 15  # blocks that are not asked after one that failed (rule Y6)


class Windows(NamedTuple):
    """How the taps of a position are gathered, as operands in entering order.

    geometry : the places of `kernels.sums`
    order : int64 (taps) places in h, w, c order; empty where that is the entering order
    taps : how many
    fill : what is outside the image, an operand
    flip, back : an operand is (code ^ flip) - back
    minus : an operand less this is what is multiplied
    moved : an operand less this is the code
    """

    geometry: Array
    order: Array
    taps: int
    fill: int
    flip: int
    back: int
    minus: int
    moved: int


class Registers(NamedTuple):
    """What the sums go through: see `kernels.stepwise.step_outputs`. `totalled`: whether totals matter."""

    w: Array
    start: Array
    after: Array
    levels: Array
    small: int
    totalled: int
    watched: int


class Certificate(NamedTuple):
    """What certifies sums; one row for each group of channels, padded to whole panels of 16.

    asked : whether there is one
    forgiving : rule Y5
    packed : int8 (groups, bytes), one segment per channel
    panels, looks, steps : per group; per row; steps of 4 bytes from look to look
    table : int32 (groups, panels, looks, 16)
    norms : float32 (groups, channels), at least half the root of the largest sum of 16 squares
    between : 1, or 0 where the outermost register is written at looks only
    ends : how many ends of what rule Y3 limits can be between looks, where it is long: 0 to 2
    final : int32 (groups, channels), added to the kernel's sum
    bottom, top : int32 (groups, channels), the limits of the lowest and the highest sum
    long, short : int32 (groups, channels), the limits of rule Y3, across looks and between two
    """

    asked: int
    forgiving: int
    packed: Array
    panels: int
    looks: int
    steps: int
    table: Array
    norms: Array
    between: int
    ends: int
    final: Array
    bottom: Array
    top: Array
    long: Array
    short: Array


class Saturating(NamedTuple):
    """Whole blocks through one register that saturates: see `kernels.saturating`.

    usable : whether that may be done
    packed : float32 (groups, blocks, padded taps, 16 * vectors)
    vectors : of 16 channels in a block
    limits : float32 (2)
    """

    usable: int
    packed: Array
    vectors: int
    limits: Array


@compiled
def certified_positions(
    kernel: Any,
    x: Any,
    windows: Any,
    registers: Any,
    certificate: Any,
    saturating: Any,
    patch: Any,
    rows: Any,
    z: Any,
    begin: int,
    end: int,
    counts: Any,
    out: Any,
) -> int:
    """Output positions begin to end, counted over all rows of all images.

    Parameters
    ----------
    kernel : of `kernels.isa.table`, not tiles
    x : (N, H, W, C)
    patch : scratch (BLOCK, padded taps) of operands: uint8, int16 or int64
    rows : scratch of that shape, int16 or int64: what is multiplied
    z : see `kernels.stepwise.step_outputs`
    counts : (levels, 2) int64, persistent and transient events are added
    out : (positions, channels)

    Returns
    -------
    0 if no register trapped.
    """
    groups, taps = windows.geometry[GROUPS], windows.taps
    each = registers.w.shape[0] // groups
    wide = certificate.norms.shape[1]
    sums = np.zeros((BLOCK, wide), np.int32)
    lows, highs = np.zeros((BLOCK, wide), np.int32), np.zeros((BLOCK, wide), np.int32)
    failed = np.zeros((BLOCK, wide), np.uint8)
    picked = np.zeros((2, BLOCK * each), np.int32)
    natural = np.zeros(taps, patch.dtype)
    totals = np.zeros(BLOCK, np.int64)
    values = np.zeros((BLOCK, saturating.packed.shape[1] * saturating.packed.shape[3]), np.float32)
    floats = np.zeros((16, saturating.packed.shape[2]), np.float32)
    patch[:] = windows.minus
    rows[:] = 0
    unasked, trapped = 0, 0
    for top in range(begin, end, BLOCK):
        count = min(BLOCK, end - top)
        asked = certificate.asked and unasked == 0
        missed = 0
        for g in range(groups):
            gather_windows(x, top, count, g, windows, natural, patch)
            first = g * each
            if asked:
                envelope(kernel, patch, count, g, certificate, sums, lows, highs)
                judge(patch, count, g, each, windows.minus, certificate, sums, lows, highs, failed)
                settle(count, g, each, top, certificate, registers.levels, sums, failed, counts, out)
                listed = pick(failed, count, picked)
            else:
                listed = pick_all(count, each, picked)
            missed += listed
            if listed == 0:
                continue
            if registers.totalled:
                total_rows(patch, count, taps, windows.moved, totals)
            if saturating.usable and listed * 4 > count * each:
                saturate_rows(
                    patch, count, g, each, top, windows, registers, saturating, totals, floats, values, out
                )
                continue
            centre_rows(patch, count, taps, windows.minus, rows)
            trapped += step_outputs(
                rows,
                registers.w[first : first + each],
                taps,
                registers.small,
                totals,
                picked,
                listed,
                registers.start,
                registers.after,
                registers.levels,
                registers.watched,
                counts,
                top,
                first,
                z,
                out,
            )
            if trapped:
                return trapped
        if unasked:
            unasked -= 1
        elif saturating.usable and missed * 2 > count * each * groups:
            unasked = _UNASKED
    return trapped


@compiled
def gather_windows(x: Any, top: int, count: int, g: int, windows: Any, natural: Any, patch: Any) -> None:
    """The operands of positions top to top + count for group g, one row of `patch` each."""
    geometry, keep = windows.geometry, patch.dtype.type
    depth, columns = geometry[C] // geometry[GROUPS], geometry[OW]
    fill, flip, back = keep(windows.fill), windows.flip, windows.back
    channel = g * depth
    height, width, across, gap = geometry[KH], geometry[KW], geometry[C], geometry[DW]
    joined = gap == 1 and geometry[GROUPS] == 1  # taps of one line lie side by side
    line = width * depth
    source = x.reshape(x.shape[0] * x.shape[1], x.shape[2] * x.shape[3])
    for i in range(count):
        position = (top + i) // columns
        row, image = position % geometry[OH], position // geometry[OH]
        left = ((top + i) % columns) * geometry[SW] - geometry[LEFT]
        to = patch[i] if windows.order.size == 0 else natural
        t = 0
        for kh in range(height):
            h = row * geometry[SH] - geometry[TOP] + kh * geometry[DH]
            inside = 0 <= h < geometry[H]
            if inside and joined and left >= 0 and left + width <= geometry[W]:
                seen = source[image * geometry[H] + h, left * across : left * across + line]
                into = to[t : t + line]
                for c in range(line):
                    into[c] = keep(keep(seen[c] ^ flip) - back)
                t += line
            else:
                for kw in range(width):
                    v = left + kw * gap
                    into = to[t : t + depth]
                    if inside and 0 <= v < geometry[W]:
                        place = v * across + channel
                        seen = source[image * geometry[H] + h, place : place + depth]
                        for c in range(depth):
                            into[c] = keep(keep(seen[c] ^ flip) - back)
                    else:
                        into[:] = fill
                    t += depth
        if windows.order.size:
            for t in range(windows.order.size):
                patch[i, t] = natural[windows.order[t]]


@compiled
def envelope(
    kernel: Any, patch: Any, count: int, g: int, certificate: Any, sums: Any, lows: Any, highs: Any
) -> None:
    """The sums of all rows and channels of a group, and the lowest and highest at the looks."""
    row_stride, stride = patch.shape[1] * patch.itemsize, sums.shape[1] * 4
    looks, panels = certificate.looks, certificate.panels
    panel_bytes, look_bytes = certificate.packed.shape[1] // panels, looks * 64
    panel = 0
    while panel < panels:
        wide = 2 if panels - panel >= 2 else 1
        row = 0
        while row < count:
            high = 4 if wide == 2 else 8
            envelope_block(
                kernel,
                high,
                wide,
                address(patch) + row * row_stride,
                row_stride,
                looks,
                certificate.steps,
                address(certificate.packed) + g * certificate.packed.shape[1] + panel * panel_bytes,
                panel_bytes,
                address(certificate.table) + (g * panels + panel) * look_bytes,
                look_bytes,
                address(sums) + row * stride + panel * 64,
                address(lows) + row * stride + panel * 64,
                address(highs) + row * stride + panel * 64,
                stride,
            )
            row += high
        panel += wide


@compiled
def judge(
    patch: Any,
    count: int,
    g: int,
    each: int,
    centre: int,
    certificate: Any,
    sums: Any,
    lows: Any,
    highs: Any,
    failed: Any,
) -> None:
    """Rule Y4: failed[i, k] = 0 where the sum is certified."""
    norms, between, ends = certificate.norms[g], np.int32(certificate.between), np.int32(certificate.ends)
    bottom, top = certificate.bottom[g], certificate.top[g]
    long, short = certificate.long[g], certificate.short[g]
    square = np.zeros(1, np.int32)
    for i in range(count):
        place = address(patch) + i * patch.shape[1] * patch.itemsize
        largest_square(place, patch.shape[1] // 32, centre, patch.itemsize, address(square))
        norm = np.float32(np.sqrt(np.float64(square[0])) * 1.000001)
        low, high, found = lows[i], highs[i], failed[i]
        for k in range(each):
            half = np.float32(norm * norms[k])  # no less than it is: both are rounded up
            more, sizes = np.int32(half), np.int32(half + half)
            under, over = np.int32(low[k] - more * between), np.int32(high[k] + more * between)
            span = np.int32(high[k] - low[k] + more * ends)
            found[k] = (under < bottom[k]) | (over > top[k]) | (span > long[k]) | (sizes > short[k])


@compiled
def settle(
    count: int,
    g: int,
    each: int,
    top: int,
    certificate: Any,
    levels: Any,
    sums: Any,
    failed: Any,
    counts: Any,
    out: Any,
) -> None:
    """The final sums as they are; rule Y5."""
    final, first, keep = certificate.final[g], g * each, out.dtype.type
    low, high, mask, sign = levels[0, LOW], levels[0, HIGH], levels[0, MASK], levels[0, SIGN]
    persistent = 0
    for i in range(count):
        row, to = sums[i], out[top + i, first : first + each]
        if certificate.forgiving:
            outside = failed[i]
            for k in range(each):
                value = np.int64(np.int32(row[k] + final[k]))
                beyond = (value < low) | (value > high)
                persistent += beyond
                outside[k] &= not beyond
                to[k] = keep(((value & mask) ^ sign) - sign)
        else:
            for k in range(each):
                to[k] = keep(np.int32(row[k] + final[k]))
    counts[0, 0] += persistent


@compiled
def pick(failed: Any, count: int, picked: Any) -> int:
    """The places where `failed` is not 0; how many."""
    found = 0
    rows, channels = picked[0], picked[1]
    words = failed.view(np.uint64)
    for i in range(count):
        for word in range(words.shape[1]):
            if words[i, word]:
                for k in range(word * 8, word * 8 + 8):
                    if failed[i, k]:
                        rows[found], channels[found] = i, k
                        found += 1
    return found


@compiled
def pick_all(count: int, each: int, picked: Any) -> int:
    """All places."""
    for i in range(count):
        for k in range(each):
            picked[0, i * each + k], picked[1, i * each + k] = i, k
    return count * each


@compiled
def total_rows(patch: Any, count: int, taps: int, moved: int, totals: Any) -> None:
    """The sum of every row's codes."""
    for i in range(count):
        total = np.int64(0)
        for t in range(taps):
            total += np.int64(patch[i, t])
        totals[i] = total - taps * moved


@compiled
def centre_rows(patch: Any, count: int, taps: int, minus: int, rows: Any) -> None:
    """What is multiplied."""
    keep = rows.dtype.type
    for i in range(count):
        seen, to = patch[i, :taps], rows[i, :taps]
        for t in range(taps):
            to[t] = keep(keep(seen[t]) - minus)


@compiled
def saturate_rows(
    patch: Any,
    count: int,
    g: int,
    each: int,
    top: int,
    windows: Any,
    registers: Any,
    saturating: Any,
    totals: Any,
    floats: Any,
    values: Any,
    out: Any,
) -> None:
    """All sums of a block through one register that saturates."""
    taps, minus, first, packed = windows.taps, windows.minus, g * each, saturating.packed
    low, high, keep = registers.levels[0, LOW], registers.levels[0, HIGH], out.dtype.type
    vectors, stride = saturating.vectors, values.shape[1] * 4
    high_rows = 16 // vectors
    for i in range(count):
        for k in range(each):
            loaded = registers.start[0, first + k] + registers.start[1, first + k] * totals[i]
            values[i, k] = np.float32(min(max(loaded, low), high))
    for row in range(0, count, 16):
        for i in range(min(16, count - row)):
            seen, to = patch[row + i, :taps], floats[i, :taps]
            for t in range(taps):
                to[t] = np.float32(np.int32(seen[t]) - np.int32(minus))
        for block in range(packed.shape[1]):
            for i in range(0, min(16, count - row), high_rows):
                saturate_block(
                    vectors,
                    address(floats) + i * floats.shape[1] * 4,
                    floats.shape[1] * 4,
                    taps,
                    address(packed) + (g * packed.shape[1] + block) * packed.shape[2] * packed.shape[3] * 4,
                    address(saturating.limits),
                    address(values) + (row + i) * stride + block * packed.shape[3] * 4,
                    stride,
                )
    for i in range(count):
        for k in range(each):
            value = np.int64(values[i, k])
            for entry in range(registers.after.shape[0]):
                constant, factor = registers.after[entry, 0, first + k], registers.after[entry, 1, first + k]
                value = min(max(value + constant + factor * totals[i], low), high)
            out[top + i, first + k] = keep(value)
