"""`Fields`: codes of a few bits side by side in words, rules K1 and K2 of `packing`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.formats.codes import check_codes
from intsim.record import Array, Record, field


@dataclass(frozen=True, eq=False, repr=False)
class Fields(Record):
    """Codes of a few bits side by side in words (rules K1 and K2).

    Examples
    --------
    >>> Fields(4, order=(0, 1)).put(np.array([1, 2, 3, 4])).tolist()
    [33, 67]
    """

    kind: ClassVar[str] = "fields"

    bits: int = field("width of a code, 1 to 32")
    order: tuple[int, ...] = field(
        "which element of the word each field holds, from the least significant bit"
    )
    words: int = field("words of a group: how far apart the elements of a word are", default=1)
    bytes: int = field("size of a word, 1 to 8", default=1)
    big_endian: bool = field("whether the most significant byte of a word comes first", default=False)

    def check(self) -> Iterator[tuple[str, str]]:
        if not 1 <= self.bits <= 32:
            yield "bits", f"must be 1 to 32, not {self.bits}"
        if not 1 <= self.bytes <= 8:
            yield "bytes", f"must be 1 to 8, not {self.bytes}"
        elif sorted(self.order) != list(range(len(self.order))) or not self.order:
            yield "order", f"must hold 0 to {len(self.order) - 1} once each, not {self.order}"
        elif 1 <= self.bits <= 32 and len(self.order) * self.bits > 8 * self.bytes:
            yield "order", f"must fit {8 * self.bytes} bits, not {len(self.order)} fields of {self.bits}"
        if self.words < 1:
            yield "words", f"must be at least 1, not {self.words}"

    @property
    def group(self) -> int:
        """Elements that are packed together."""
        return len(self.order) * self.words

    def size(self, count: int) -> int:
        """Bytes of `count` codes."""
        return -(-count // self.group) * self.words * self.bytes

    def put(self, codes: Array) -> Array:
        """Whole groups of codes into bytes."""
        check_codes(codes, self.bits)
        elements = codes.reshape(*codes.shape[:-1], -1, len(self.order), self.words).astype(np.uint64)
        words = np.zeros((*elements.shape[:-2], self.words), np.uint64)
        for place, element in enumerate(self.order):
            words |= elements[..., element, :] << np.uint64(place * self.bits)
        shifts = np.arange(0, 8 * self.bytes, 8, dtype=np.uint64)
        bytes = (words[..., None] >> (shifts[::-1] if self.big_endian else shifts)).astype(np.uint8)
        return bytes.reshape(*codes.shape[:-1], -1)

    def take(self, bytes: Array, count: int) -> Array:
        """Bytes of `count` codes into whole groups of codes."""
        pieces = bytes.reshape(*bytes.shape[:-1], -1, self.words, self.bytes).astype(np.uint64)
        shifts = np.arange(0, 8 * self.bytes, 8, dtype=np.uint64)
        words = np.bitwise_or.reduce(pieces << (shifts[::-1] if self.big_endian else shifts), axis=-1)
        elements = np.empty((*words.shape[:-1], len(self.order), self.words), np.uint64)
        for place, element in enumerate(self.order):
            elements[..., element, :] = words >> np.uint64(place * self.bits) & np.uint64(
                (1 << self.bits) - 1
            )
        return elements.reshape(*bytes.shape[:-1], -1)
