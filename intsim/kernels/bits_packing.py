"""Codes as planes of bits, 64 to a word: what the kernels of `kernels.bits` read.

Rules
-----
W1. Plane j of a row of codes is bit j of each code in two's complement: of +1 and -1 bit 1 is the sign; of
    -1, 0 and 1 bit 0 says "not zero" and bit 1 is the sign.
W2. Bit i of word t of a plane is of code 64 t + i. What is missing to whole words is 0 in every plane.
W3. The planes of one row lie word by word: word 0 of every plane, then word 1 of every plane.
W4. Weights: (sets, panels of 8 channels, segments, words of a segment, planes of a set, 8 channels). Each
    stretch of a segment's terms begins a word.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intsim.kernels.isa.counters import CHANNELS
from intsim.kernels.scratch import aligned
from intsim.record import Array

BITS = 64
"""Bits of a word."""


def words_of(codes: int) -> int:
    """Words of a plane of so many codes.

    Examples
    --------
    >>> words_of(1), words_of(64), words_of(65)
    (1, 1, 2)
    """
    return -(-codes // BITS)


def planes_of(codes: Array, planes: Sequence[int]) -> Array:
    """Rules W1 to W3, for codes in memory of any kind of integer.

    Parameters
    ----------
    codes : (..., terms), of at most 62 bits each
    planes : which bits of a code

    Returns
    -------
    uint64 (..., words, planes)
    """
    padding = [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % BITS)]
    wide = np.pad(codes.astype(np.int64), padding)
    bits = np.stack([(wide >> plane & 1).astype(np.uint8) for plane in planes], axis=-2)
    packed = np.packbits(bits, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").swapaxes(-1, -2)


def pack_weights(weights: Array, sets: Sequence[Sequence[int]]) -> Array:
    """Rule W4.

    Parameters
    ----------
    weights : (channels, segments, stretches, terms)
    sets : the planes of every set, as many in each

    Returns
    -------
    int64 (sets, words): the words' bits, read as signed
    """
    channels, segments = weights.shape[:2]
    panels = -(-channels // CHANNELS)
    full = np.pad(weights, [(0, panels * CHANNELS - channels), (0, 0), (0, 0), (0, 0)])
    made = [_set(planes_of(full, planes), panels, segments) for planes in sets]
    packed = aligned((len(sets), made[0].size), np.int64)
    packed[:] = np.stack(made).view(np.int64)
    return packed


def _set(words: Array, panels: int, segments: int) -> Array:
    """One set: (channels, segments, stretches, words, planes) as rule W4 has it, flat."""
    split = words.reshape(panels, CHANNELS, segments, -1, words.shape[-1])
    return split.transpose(0, 2, 3, 4, 1).ravel()
