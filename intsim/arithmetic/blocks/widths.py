"""The exact widths of block dot products, from the formats alone: integers of Python, and nothing measured.

Notes
-----
Signed two's complement, on the grid of both formats' last places. Products: bits of max_a * max_b and a sign.
Sums of k products: ceil(log2(k * max_a * max_b + 1)) and a sign. Registers between blocks: the sum's bits,
one for every place that the exponents of the scales span, and one for every doubling of the blocks.
"""

from __future__ import annotations

from intsim.formats.dyadic import Kind
from intsim.formats.element import ElementFormat, integer_table
from intsim.formats.power_of_two import PowerOfTwo


def largest_integer(format: ElementFormat, symmetric: bool = False) -> int:
    """The largest magnitude in units of the last place; `symmetric` leaves out what only a minus has."""
    integers, kinds = integer_table(format)
    finite = [int(value) for value, kind in zip(integers, kinds, strict=True) if kind == Kind.FINITE]
    return min(max(finite), -min(finite)) if symmetric else max(max(finite), -min(finite))


def product_bits(a: ElementFormat, b: ElementFormat, symmetric: bool = False) -> int:
    """Bits of a signed register that holds every product.

    Examples
    --------
    >>> from intsim.formats.table import E4M3, E5M2
    >>> product_bits(E4M3, E4M3), product_bits(E5M2, E5M2)
    (37, 65)
    """
    return block_sum_bits(a, b, 1, symmetric)


def block_sum_bits(a: ElementFormat, b: ElementFormat, size: int = 32, symmetric: bool = False) -> int:
    """Bits of a signed register that holds every sum of `size` products.

    Examples
    --------
    >>> from intsim.formats.table import E2M1, E5M2
    >>> block_sum_bits(E2M1, E2M1), block_sum_bits(E5M2, E5M2)
    (14, 70)
    """
    largest = size * largest_integer(a, symmetric) * largest_integer(b, symmetric)
    return largest.bit_length() + 1


def kulisch_bits(
    a: ElementFormat,
    b: ElementFormat,
    scale: PowerOfTwo,
    blocks: int,
    size: int = 32,
    symmetric: bool = False,
) -> int:
    """Bits of a register that holds the exact sum of `blocks` block products, whatever their scales.

    Examples
    --------
    >>> from intsim.formats.power_of_two import E8M0
    >>> from intsim.formats.table import E2M1
    >>> kulisch_bits(E2M1, E2M1, E8M0, blocks=1)
    522
    """
    return block_sum_bits(a, b, size, symmetric) + 2 * scale.max_code + (blocks - 1).bit_length()
