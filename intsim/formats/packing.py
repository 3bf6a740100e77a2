"""Packings: how codes lie in bytes. Bit order, lane order and padding are data.

Rules
-----
K1. `Fields`: a word holds fields of `bits` bits, the first at the least significant end, without gaps.
    `bytes` is the size of a word; words are little-endian, or big-endian where it says so.
K2. `words` words make a group. Field f of word w holds the element ``order[f] * words + w`` of the group:
    with one word, elements follow each other in the word; with more, they are that far apart.
K3. `Trits`: a byte holds `digits` ternary codes (0, 1, 2), read as one number v in base 3, the first element
    as the most or the least significant digit. Plain, the byte is v. Scaled, digits missing to five are 0 at
    the end, and the byte is ceil(v * 256 / 243), so that multiplying by 3 pushes the digits out on top.
    Digit j of byte w holds the element ``j * words + w`` of the group.
K4. `SignedTriples`: three ternary codes t are 9*t0 + 3*t1 + t2 with t from -1 to 1; its size is a nibble, its
    sign a bit, 1 for negative. All nibbles come first, the first one in the low half of its byte, then the
    signs, eight to a byte from the least significant bit. Each of the two runs ends in a whole byte.
K5. `Parts`: stretches of a block, each packed its own way, one after another.
K6. What is missing to a whole group is filled with the code `pad`; it is cut off again when reading, and what
    the file had there is not looked at.
K7. Codes that do not fit are refused, and so are bytes that no codes have: 243 to 255 in plain trits.
    A scaled byte is read by the multiplication whatever it is, as ggml reads it: all 256 have digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from intsim.errors import InputError
from intsim.formats.codes import check_codes, fill
from intsim.formats.fields import Fields
from intsim.formats.trits import SignedTriples, Trits
from intsim.record import Array, Record, field


@dataclass(frozen=True, eq=False, repr=False)
class Part(Record):
    """A stretch of a block, and how it is packed."""

    kind: ClassVar[str] = "part"

    count: int = field("elements, a multiple of the packing's group")
    packing: Fields | Trits = field("how they are packed")

    def check(self) -> Iterator[tuple[str, str]]:
        if self.count < 1 or self.count % self.packing.group:
            yield "count", f"must be a positive multiple of {self.packing.group}, not {self.count}"


@dataclass(frozen=True, eq=False, repr=False)
class Parts(Record):
    """Stretches of a block one after another, each packed its own way (rule K5)."""

    kind: ClassVar[str] = "parts"

    parts: tuple[Part, ...] = field("the stretches in order")

    def check(self) -> Iterator[tuple[str, str]]:
        if not self.parts:
            yield "parts", "must be at least one"

    @property
    def group(self) -> int:
        """Elements that are packed together."""
        return sum(part.count for part in self.parts)

    def size(self, count: int) -> int:
        """Bytes of `count` codes."""
        return -(-count // self.group) * self._bytes

    @property
    def _bytes(self) -> int:
        return sum(part.packing.size(part.count) for part in self.parts)

    def put(self, codes: Array) -> Array:
        """Whole groups of codes into bytes."""
        blocks = codes.reshape(*codes.shape[:-1], -1, self.group)
        ends = np.cumsum([part.count for part in self.parts])[:-1]
        stretches = zip(self.parts, np.split(blocks, ends, axis=-1), strict=True)
        bytes = np.concatenate([part.packing.put(stretch) for part, stretch in stretches], axis=-1)
        return bytes.reshape(*codes.shape[:-1], -1)

    def take(self, bytes: Array, count: int) -> Array:
        """Bytes of `count` codes into whole groups of codes."""
        blocks = bytes.reshape(*bytes.shape[:-1], -1, self._bytes)
        ends = np.cumsum([part.packing.size(part.count) for part in self.parts])[:-1]
        stretches = zip(self.parts, np.split(blocks, ends, axis=-1), strict=True)
        codes = np.concatenate(
            [part.packing.take(stretch, part.count) for part, stretch in stretches], axis=-1
        )
        return codes.reshape(*bytes.shape[:-1], -1)


__all__ = ["Fields", "Packing", "Part", "Parts", "SignedTriples", "Trits", "bits_per_code", "pack", "unpack"]

Packing = Fields | Trits | SignedTriples | Parts


def pack(codes: Any, packing: Packing, pad: int = 0) -> Array:
    """Codes into bytes.

    Parameters
    ----------
    codes : integers, packed along the last axis
    packing : Packing
    pad : the code that fills the last group (rule K6)

    Returns
    -------
    uint8 array, the last axis ``packing.size(count)`` long.

    Raises
    ------
    InputError
        A code does not fit the packing.
    """
    given = check_codes(codes, 32)
    if given.ndim == 0:
        raise InputError("codes must have an axis to pack along")
    if given.size == 0:
        return np.zeros((*given.shape[:-1], packing.size(given.shape[-1])), np.uint8)
    return packing.put(fill(given.astype(np.int64), packing.group, pad))


def unpack(bytes: Any, packing: Packing, count: int) -> Array:
    """Bytes back into codes.

    Parameters
    ----------
    bytes : uint8 array, unpacked along the last axis
    packing : Packing
    count : how many codes there are; the padding after them is dropped

    Returns
    -------
    uint8 array of codes, uint16 or uint32 where a code is wider.

    Raises
    ------
    InputError
        The bytes are not as many as `count` codes take, or no codes have such bytes.
    """
    given = check_codes(bytes, 8).astype(np.uint8)
    if given.ndim == 0 or given.shape[-1] != packing.size(count):
        raise InputError(f"bytes of {count} codes must be {packing.size(count)}, not {given.shape[-1:]}")
    wide = packing.bits if isinstance(packing, Fields) else 8
    dtype = np.uint8 if wide <= 8 else np.uint16 if wide <= 16 else np.uint32
    if given.size == 0:
        return np.zeros((*given.shape[:-1], count), dtype)
    return np.asarray(packing.take(given, count)[..., :count]).astype(dtype)


def bits_per_code(packing: Packing) -> Fraction:
    """What a code takes in whole groups, exactly."""
    many = packing.group * 24  # SignedTriples ends in whole bytes of nibbles and of signs
    return Fraction(8 * packing.size(many), many)
