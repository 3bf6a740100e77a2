"""Ternary codes in less than two bits: rules K3 and K4 of `packing`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.errors import InputError
from intsim.formats.codes import fill
from intsim.formats.fields import Fields
from intsim.record import Array, Record, field


@dataclass(frozen=True, eq=False, repr=False)
class Trits(Record):
    """Ternary codes as digits of a byte (rule K3).

    Examples
    --------
    >>> Trits(5).put(np.array([1, 0, 2, 0, 1])), Trits(5, scaled=True).put(np.array([1, 0, 2, 0, 1]))
    (array([100], dtype=uint8), array([106], dtype=uint8))
    """

    kind: ClassVar[str] = "trits"

    digits: int = field("codes in a byte, 1 to 5")
    words: int = field("bytes of a group: how far apart the codes of a byte are", default=1)
    scaled: bool = field("whether the byte is the number times 256 / 243, rounded up", default=False)
    least_first: bool = field("whether the first code is the least significant digit", default=False)

    def check(self) -> Iterator[tuple[str, str]]:
        if not 1 <= self.digits <= 5:
            yield "digits", f"must be 1 to 5, not {self.digits}"
        if self.words < 1:
            yield "words", f"must be at least 1, not {self.words}"
        if self.scaled and self.least_first:
            yield "least_first", "must be false where the byte is scaled"

    @property
    def group(self) -> int:
        """Elements that are packed together."""
        return self.digits * self.words

    def size(self, count: int) -> int:
        """Bytes of `count` codes."""
        return -(-count // self.group) * self.words

    @property
    def _weights(self) -> Array:
        places = np.arange(self.digits)
        top = 4 if self.scaled else self.digits - 1
        return np.asarray(3 ** (places if self.least_first else top - places))

    def put(self, codes: Array) -> Array:
        """Whole groups of codes into bytes."""
        _check_trits(codes)
        digits = codes.reshape(*codes.shape[:-1], -1, self.digits, self.words).astype(np.int64)
        number = (digits * self._weights[:, None]).sum(axis=-2)
        if self.scaled:
            number = (number * 256 + 242) // 243
        return np.asarray(number).astype(np.uint8).reshape(*codes.shape[:-1], -1)

    def take(self, bytes: Array, count: int) -> Array:
        """Bytes of `count` codes into whole groups of codes."""
        words = bytes.reshape(*bytes.shape[:-1], -1, 1, self.words).astype(np.int64)
        if self.scaled:  # the digit is what a multiplication by 3 pushes over the byte's top
            pushed = (words * (3 ** np.arange(self.digits))[:, None]) & 255
            return np.asarray((pushed * 3) >> 8).reshape(*bytes.shape[:-1], -1)
        if (words >= 3**self.digits).any():
            raise InputError(
                f"bytes of {self.digits} trits must be below {3**self.digits}, not {words.max()}"
            )
        return np.asarray(words // self._weights[:, None] % 3).reshape(*bytes.shape[:-1], -1)


@dataclass(frozen=True, eq=False, repr=False)
class SignedTriples(Record):
    """Three ternary codes as a size of four bits and a sign (rule K4).

    Examples
    --------
    >>> SignedTriples().put(np.array([0, 1, 2, 2, 2, 2])).tolist()  # -1 0 1 is -8, 1 1 1 is 13
    [216, 1]
    """

    kind: ClassVar[str] = "signed_triples"
    group: ClassVar[int] = 3

    def size(self, count: int) -> int:
        """Bytes of `count` codes."""
        triples = -(-count // 3)
        return -(-triples // 2) + -(-triples // 8)

    def put(self, codes: Array) -> Array:
        """Whole groups of codes into bytes."""
        _check_trits(codes)
        number = (codes.reshape(*codes.shape[:-1], -1, 3).astype(np.int64) - 1) @ np.array([9, 3, 1])
        return np.concatenate(
            [_NIBBLES.put(fill(np.abs(number), 2)), _BITS.put(fill((number < 0).astype(np.int64), 8))],
            axis=-1,
        )

    def take(self, bytes: Array, count: int) -> Array:
        """Bytes of `count` codes into whole groups of codes."""
        triples = -(-count // 3)
        cut = -(-triples // 2)
        size = _NIBBLES.take(bytes[..., :cut], triples)[..., :triples].astype(np.int64)
        sign = _BITS.take(bytes[..., cut:], triples)[..., :triples]
        if (size > 13).any():
            raise InputError(f"sizes of three ternary codes must be 0 to 13, not {size.max()}")
        number = np.where(sign == 1, -size, size) + 13
        digits = number[..., None] // np.array([9, 3, 1]) % 3
        return np.asarray(digits).reshape(*bytes.shape[:-1], -1)


def _check_trits(codes: Array) -> None:
    wrong = codes > 2
    if wrong.any():
        raise InputError(f"codes of trits must be 0, 1 or 2, not {codes[wrong].ravel()[0]}")


_NIBBLES = Fields(4, order=(0, 1))
_BITS = Fields(1, order=tuple(range(8)))
