"""Weights as the kernels of `kernels.gemm` read them, packed once when a plan is made.

Rules
-----
K6. Weights and input are bytes where both fit 8 bits and the instruction set has a kernel for bytes, else
    words. A kernel for bytes that takes one signedness only is given the other moved by 128: modulo
    2**32, what that adds is 128 times the sum of the weights, taken off the start values.
B4. A segment of `terms` weights is padded with zeros to a multiple of the kernel's depth, the output
    channels to a multiple of 16. Packed: (groups, panels, segments, steps of 4 bytes, 16 channels, 4 bytes).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from intsim.formats import IntFormat
from intsim.kernels.isa.table import (
    BITS1,
    BITS2,
    BITS4,
    PANEL,
    SIGNS,
    STEP,
    AmxBytes,
    Isa,
    Kernel,
    host_features,
)
from intsim.kernels.scratch import aligned
from intsim.record import Array

_INT8, _INT16 = IntFormat(8), IntFormat(16)
_CHUNK = 2048
"""Bytes of input row that are multiplied at a time, for one panel at once (rule B2): 32 KiB of weights, which
are more of them where they are packed."""
_GRAIN, _SHORT_GRAIN, _SHORT = 48, 64, 128
"""About how many rows are finished at a time, of longer rows and of those of at most so many bytes."""


@dataclass(frozen=True)
class Operands:
    """What the input becomes before it is multiplied.

    kernel : Kernel
    code : dtype that the input is read as: uint8 or int16
    operand : dtype that it is multiplied as: uint8 or int16
    flip : exclusive or with this, as bytes
    back : then subtract this
    moved : by how much the operand is above the code (rule K6)
    signed : whether the operand is signed, for a kernel that takes both
    """

    kernel: Kernel
    code: np.dtype[np.generic]
    operand: np.dtype[np.generic]
    flip: int
    back: int
    moved: int
    signed: bool

    @property
    def same(self) -> bool:
        """Whether the input is multiplied as it lies in memory."""
        return self.code == self.operand and self.flip == 0


def operands(isa: Isa, storage: np.dtype[np.generic], low: int, high: int, zero: int = 0) -> Operands | None:
    """The operands for an input of this dtype and weights from `low` to `high`; None where they do not fit.

    Parameters
    ----------
    zero : what is outside the input; codes are bytes only if it is one of them

    Examples
    --------
    >>> from intsim.kernels.isa.table import ISAS
    >>> operands(ISAS[1], np.dtype(np.int8), -128, 127).moved
    128
    """
    if storage not in (np.int8, np.uint8, np.int16) or not _INT16.holds(min(low, zero), max(high, zero)):
        return None
    signed, byte, word = storage != np.uint8, np.dtype(np.uint8), np.dtype(np.int16)
    if storage == np.int16:
        return Operands(isa.words, word, word, 0, 0, 0, True)
    codes = IntFormat(8, bool(signed))
    if isa.bytes is None or not _INT8.holds(low, high) or not codes.holds(zero, zero):
        sign = 128 if signed else 0
        return Operands(isa.words, byte, word, sign, sign, 0, True)
    moved = {("u8", True): 128, ("s8", False): -128}.get((isa.takes, signed), 0)
    return Operands(isa.bytes, byte, byte, 128 if moved else 0, 0, moved, signed != bool(moved))


def steps_of(terms: int, kernel: Kernel, item: int) -> int:
    """Steps of the kernel's depth that hold so many terms."""
    return -(-terms * item // kernel.depth)


def pieces(steps: int, kernel: Kernel) -> int:
    """Into how many equal pieces a long segment is cut, so that several chunks can be made of it."""
    most = _CHUNK * 8 // kernel.bits // kernel.panels // kernel.depth
    for count in range(1, steps + 1):
        if steps % count == 0 and steps // count <= most:
            return count if steps // count * 4 >= most else 1
    return 1


def chunk(steps: int, kernel: Kernel) -> int:
    """How many segments of so many steps are multiplied at a time."""
    return max(1, _CHUNK * 8 // kernel.bits // kernel.panels // (steps * kernel.depth))


def grain(kernel: Kernel, depth: int) -> int:
    """How many rows of so many bytes are finished at a time (rule B12): short ones need more."""
    return kernel.rows * ((_SHORT_GRAIN if depth <= _SHORT else _GRAIN) // kernel.rows)


def pack(weights: Array, kernel: Kernel, item: int) -> Array:
    """Rule B4.

    Parameters
    ----------
    weights : (groups, channels, segments, terms)
    item : bytes of a weight, 1 or 2

    Returns
    -------
    int8 (groups, bytes)
    """
    groups, channels, segments, terms = weights.shape
    length = steps_of(terms, kernel, item) * kernel.depth // item
    panels = -(-channels // PANEL)
    rows = np.zeros((groups, panels * PANEL, segments, length), np.int16 if item == 2 else np.int8)
    rows[:, :channels, :, :terms] = weights
    each = STEP // item
    split = rows.reshape(groups, panels, PANEL, segments * length // each, each).transpose(0, 1, 3, 2, 4)
    if kernel.bits < 8:
        return _narrowed(split.reshape(groups, -1, 8 // kernel.bits, PANEL * STEP), kernel)
    packed = aligned(split.shape, rows.dtype)
    packed[:] = split
    return packed.reshape(groups, -1).view(np.int8)


def _narrowed(lines: Array, kernel: Kernel) -> Array:
    """Rule V5 of `kernels.isa.table`: (groups, lines, lines that share their bytes, bytes).

    Three tiles beyond them there is memory (rule V7 of `kernels.isa.unpack`).
    """
    bits = lines < 0 if kernel is SIGNS else lines & (1 << kernel.bits) - 1
    places = (np.arange(8 // kernel.bits) * kernel.bits)[:, None]
    shared = (bits.astype(np.int64) << places).sum(axis=2).astype(np.uint8).view(np.int8)
    packed = aligned((shared.size + 3 * PANEL * kernel.depth,), np.int8)
    packed[: shared.size] = shared.ravel()
    return packed[: shared.size].reshape(lines.shape[0], -1)


def narrowed(found: Operands, weights: Array, terms: int) -> Operands:
    """The operands with weights of as few bits as the instruction set has a kernel for.

    Parameters
    ----------
    weights : what the operands meet
    terms : of a segment: what is missing to whole steps must be zeros, which +1 and -1 have no bits for
    """
    if not isinstance(found.kernel, AmxBytes) or not host_features().get("gfni", False):
        return found
    low, high = int(weights.min()), int(weights.max())
    signs = low >= -1 and high <= 1 and bool(np.all(weights != 0))
    if signs and terms % found.kernel.depth == 0:
        return replace(found, kernel=SIGNS)
    fitting = ((BITS1, 0, 1), (BITS2, -2, 1), (BITS4, -8, 7))
    for kernel, least, most in fitting:
        if least <= low and high <= most:
            return replace(found, kernel=kernel)
    return found
