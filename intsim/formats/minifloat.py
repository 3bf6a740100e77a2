"""`Minifloat`: binary floating point of any few bits, from E2M1 to IEEE's own formats.

Rules
-----
M1. A code is, from the top: a sign bit (where the format is signed), the exponent field, the mantissa.
    The part without the sign is the body; of positive values it orders them.
M2. An exponent field f > 0 stands for (2**mantissa_bits + mantissa) * 2**(f - bias - mantissa_bits).
M3. Field 0 stands for mantissa * 2**(1 - bias - mantissa_bits): zero and the subnormals. In a format
    without subnormals every code of field 0 is zero.
M4. `nan` says which codes are NaN; with TOP_EXPONENT they take all of the top field but its first code.
    An infinity, where there is one, is the body just below the NaNs: where there are none, the top one.
M5. Minus zero is the sign bit alone. In a format without `signed_zero` it is NaN where `nan` says so, and
    otherwise a second code of plus zero that is never written.
M6. Without exponent bits every code is of field 0: the format is sign and magnitude in steps of
    2**(1 - bias - mantissa_bits).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

import numpy as np

from intsim.errors import InputError
from intsim.formats.codes import check_codes
from intsim.formats.discrete import Discrete
from intsim.formats.dyadic import Dyadic, Kind
from intsim.record import field


class NanCodes(Enum):
    """Which codes are NaN."""

    NONE = "none"
    TOP_CODE = "the top body, with either sign"
    TOP_EXPONENT = "the top exponent field with a mantissa that is not 0, as IEEE has it"
    MINUS_ZERO = "the sign bit alone"

    def __repr__(self) -> str:
        return f"NanCodes.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class Minifloat(Discrete):
    """A floating-point format, by its parameters (rules M1 to M6).

    Examples
    --------
    >>> e2m1 = Minifloat(2, 1, bias=1)
    >>> e2m1.bits, e2m1.emax, e2m1.decode(range(8)).fractions()[-2:]
    (4, 2, [Fraction(4, 1), Fraction(6, 1)])
    """

    kind: ClassVar[str] = "minifloat"
    coded: ClassVar[bool] = True
    min: ClassVar[int] = 0

    exponent_bits: int = field("bits of the exponent field, 0 to 11")
    mantissa_bits: int = field("bits of the mantissa, without the leading 1; 0 to 52")
    bias: int = field("field minus bias is the exponent")
    infinities: bool = field("whether there are infinities", default=False)
    nan: NanCodes = field("which codes are NaN", default=NanCodes.NONE)
    subnormals: bool = field("whether exponent field 0 has values below the normal ones", default=True)
    signed: bool = field("whether there is a sign bit", default=True)
    signed_zero: bool = field("whether minus zero is a value", default=True)

    def check(self) -> Iterator[tuple[str, str]]:
        if not 0 <= self.exponent_bits <= 11:
            yield "exponent_bits", f"must be 0 to 11, not {self.exponent_bits}"
        if not 0 <= self.mantissa_bits <= 52:
            yield "mantissa_bits", f"must be 0 to 52, not {self.mantissa_bits}"
        if not -(2**12) <= self.bias <= 2**12:
            yield "bias", f"must be -4096 to 4096, not {self.bias}"
        if self.exponent_bits + self.mantissa_bits < 1:
            yield "mantissa_bits", "must be at least 1 where there are no exponent bits"
        if not self.subnormals and not self.exponent_bits:
            yield "subnormals", "must be true where there are no exponent bits"
        if self.nan is NanCodes.TOP_EXPONENT and not (self.exponent_bits and self.mantissa_bits):
            yield "nan", "must not be top_exponent without exponent bits and mantissa bits"
        if self.nan is NanCodes.MINUS_ZERO and not self.signed:
            yield "nan", "must not be minus_zero without a sign bit"
        if self.signed_zero and (self.nan is NanCodes.MINUS_ZERO):
            yield "signed_zero", "must be false where minus zero is NaN"
        if self._top - self._nans - self.infinities < 1:
            yield "mantissa_bits", "must leave a code for a finite value beside zero"

    @property
    def bits(self) -> int:
        return self.signed + self.exponent_bits + self.mantissa_bits

    @property
    def max(self) -> int:
        """The largest code."""
        return (1 << self.bits) - 1

    @property
    def precision(self) -> int:
        """Bits of the longest significand."""
        return self.mantissa_bits + (self.exponent_bits > 0)

    @property
    def emin(self) -> int:
        """The exponent of the smallest normal value, and of the subnormals' leading place."""
        return 1 - self.bias

    @property
    def lsb(self) -> int:
        """Every finite value is a multiple of ``2**lsb``."""
        return self.emin - self.mantissa_bits

    @property
    def emax(self) -> int:
        """The exponent of the largest finite value: floor(log2(max))."""
        largest = self.decode(self.max_code)
        return int(largest.significand).bit_length() - 1 + int(largest.exponent)

    @property
    def max_code(self) -> int:
        """The code of the largest finite value."""
        return self._top - self._nans - self.infinities

    @property
    def infinity_code(self) -> int | None:
        """The code of plus infinity."""
        return self.max_code + 1 if self.infinities else None

    @property
    def nan_code(self) -> int | None:
        """The code that a NaN is written as: the sign bit is 0 where it can be, an IEEE NaN is quiet."""
        if self.nan is NanCodes.TOP_EXPONENT:
            return self._top - (1 << (self.mantissa_bits - 1)) + 1
        if self.nan is NanCodes.NONE:
            return None
        return self._top + (self.nan is NanCodes.MINUS_ZERO)

    @property
    def _top(self) -> int:
        """The top body; one more is the sign bit."""
        return (1 << (self.exponent_bits + self.mantissa_bits)) - 1

    @property
    def _nans(self) -> int:
        """How many bodies at the top are NaN."""
        if self.nan is NanCodes.TOP_EXPONENT:
            return (1 << self.mantissa_bits) - 1
        return int(self.nan is NanCodes.TOP_CODE)

    def decode(self, codes: Any) -> Dyadic:
        """The values of codes.

        Parameters
        ----------
        codes : integers of any shape, 0 to 2**bits - 1

        Raises
        ------
        InputError
            Something is no code of the format. Bits above the format's are not ignored.
        """
        given = check_codes(codes, self.bits).astype(np.uint64)
        sign = given > np.uint64(self._top)
        body = (given & np.uint64(self._top)).astype(np.int64)
        exponent_field, mantissa = body >> self.mantissa_bits, body & ((1 << self.mantissa_bits) - 1)
        normal = exponent_field > 0
        significand = mantissa + (normal.astype(np.int64) << self.mantissa_bits)
        if not self.subnormals:
            significand = np.where(normal, significand, 0)
        kind = np.where(body > self._top - self._nans, Kind.NAN, Kind.FINITE).astype(np.uint8)
        if self.infinities:
            kind[body == self.max_code + 1] = Kind.INFINITE
        if self.nan is NanCodes.MINUS_ZERO:
            kind[sign & (body == 0)] = Kind.NAN
        finite = kind == Kind.FINITE
        negative = sign & (kind != Kind.NAN) & (self.signed_zero | (significand > 0) | ~finite)
        return Dyadic(
            negative,
            np.where(finite, significand, 0),
            np.maximum(exponent_field, 1) - (self.bias + self.mantissa_bits),
            kind,
        )


def ieee(exponent_bits: int, mantissa_bits: int) -> Minifloat:
    """The format with those fields, by IEEE 754's rules for bias, infinities and NaN."""
    bias = (1 << (exponent_bits - 1)) - 1
    return Minifloat(exponent_bits, mantissa_bits, bias, infinities=True, nan=NanCodes.TOP_EXPONENT)


BINARY16 = ieee(5, 10)
BFLOAT16 = ieee(8, 7)
BINARY32 = ieee(8, 23)
BINARY64 = ieee(11, 52)


def read_floats(values: Any) -> Dyadic:
    """The exact values of float16, float32 or float64, from their bits.

    Raises
    ------
    InputError
        The values are no floats of these widths. Integers are `Dyadic.of_integers`.
    """
    array = np.asarray(values)
    formats = {"f2": BINARY16, "f4": BINARY32, "f8": BINARY64}
    name = f"{array.dtype.kind}{array.dtype.itemsize}"
    if name not in formats:
        raise InputError(f"values must be float16, float32 or float64, not {array.dtype}")
    native = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))).reshape(array.shape)
    return formats[name].decode(native.view(f"u{array.dtype.itemsize}"))
