"""What the formats of single values share: the union of them, and their tables of integers."""

from __future__ import annotations

import numpy as np

from intsim.errors import SpecError
from intsim.formats.bipolar import Bipolar
from intsim.formats.codebook import Codebook
from intsim.formats.dyadic import Dyadic, Kind
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.minifloat import Minifloat
from intsim.formats.power_of_two import PowerOfTwo
from intsim.formats.ternary import Ternary
from intsim.record import Array

ElementFormat = FixedPoint | Minifloat | Bipolar | Ternary | Codebook
"""What the elements of a block may be. Each has `bits`, `lsb` and `decode`."""

ScaleFormat = PowerOfTwo | Minifloat | FixedPoint
"""What a scale may be."""

AnyFormat = FixedPoint | Minifloat | Bipolar | Ternary | Codebook | PowerOfTwo

_LARGEST = 16  # bits: a table of 65536 entries is still a table


def table(format: AnyFormat) -> Dyadic:
    """The values of code 0, 1, ... of a format of at most 16 bits.

    Raises
    ------
    SpecError
        The format is wider.
    """
    if format.bits > _LARGEST:
        raise SpecError(f"format must have at most {_LARGEST} bits to be a table, not {format.bits}")
    return format.decode(np.arange(1 << format.bits))


def integer_table(format: ElementFormat) -> tuple[Array, Array]:
    """The values of code 0, 1, ... as integer multiples of ``2**format.lsb``.

    Returns
    -------
    int64 array of 2**bits values, 0 where the code is none (Python ints where int64 is too narrow), and the
    `Kind` of each.

    Examples
    --------
    >>> integer_table(Minifloat(2, 1, bias=1))[0][:8].tolist()
    [0, 1, 2, 3, 4, 6, 8, 12]
    """
    values = table(format)
    finite = Dyadic(values.negative, values.significand, values.exponent, np.zeros_like(values.kind))
    return finite.integers(format.lsb), np.asarray(values.kind)


def largest(format: ElementFormat) -> Dyadic:
    """The largest finite value of a format, as a Dyadic of shape ()."""
    if isinstance(format, Minifloat):
        return format.decode(format.max_code)
    if isinstance(format, FixedPoint):
        return Dyadic.of_integers(format.max, format.exponent)
    integers, kinds = integer_table(format)
    return Dyadic.of_integers(integers[kinds == Kind.FINITE].max(), format.lsb)
