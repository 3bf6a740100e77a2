"""Powers of two for blocks, from the largest magnitude in them: `ScaleMode`.

Rules
-----
S1. Only finite values count. The largest magnitude a of a block has the exponent e = floor(log2(a)), which is
    where its leading bit is; M is the largest element of the format and has the exponent emax.
S2. FLOOR is 2**(e - emax), and an a above M * 2**(e - emax) saturates. CEIL is 2**(ceil(log2(a)) - emax).
    RCEIL is the smallest power with a <= M * power: nothing saturates. EVEN rounds a, a half up, to as many
    bits as an element's significand has, and takes the exponent of that.
S3. A power below the smallest scale becomes the smallest, code 0x00 of E8M0. One above the largest becomes
    the largest, code 0xFE, or with SPECIAL NaN, code 0xFF. A block of zeros has the smallest scale.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from intsim.errors import SpecError
from intsim.formats.dyadic import Dyadic, bit_length
from intsim.formats.element import ElementFormat, largest
from intsim.record import Array


class ScaleMode(Enum):
    """How a power-of-two scale is chosen (rule S2)."""

    FLOOR = "exponent of the largest magnitude: OCP MX, microxcaling, torchao's default"
    CEIL = "exponent of the largest magnitude, upward: torchao, AMD Quark"
    RCEIL = "smallest scale at which nothing saturates: NVIDIA, torchao"
    EVEN = "exponent of the largest magnitude rounded as an element: AMD Quark's default, vLLM"

    def __repr__(self) -> str:
        return f"ScaleMode.{self.name}"


_TOP = 62  # bits to which significands are brought to be compared


def largest_magnitude(values: Dyadic) -> Dyadic:
    """The largest finite magnitude along the last axis, with a significand of 62 bits; 0 if there is none.

    Raises
    ------
    SpecError
        Significands are longer than 62 bits.
    """
    if values.significand.dtype == object:
        raise SpecError("values must have significands of at most 62 bits")
    length = bit_length(values.significand)
    there = values.finite & ~values.zero
    least = np.iinfo(np.int64).min
    leading = np.where(there, values.exponent + length - 1, least)
    top = leading.max(axis=-1, initial=least)
    brought = np.where(leading == top[..., None], values.significand << (_TOP - length), 0)
    largest = np.where(top == least, 0, brought.max(axis=-1, initial=0))
    exponent = np.where(top == least, 0, top - (_TOP - 1))
    return Dyadic(np.zeros(top.shape, bool), largest, exponent, np.zeros(top.shape, np.uint8))


def scale_exponent(mode: ScaleMode, amax: Dyadic, element: ElementFormat) -> Array:
    """The exponent of the scale, before it is kept in the scale's range (rules S1 and S2).

    Parameters
    ----------
    mode : ScaleMode
    amax : of `largest_magnitude`, no element 0
    element : the format of the elements

    Examples
    --------
    >>> from intsim.formats.table import E2M1
    >>> seven = largest_magnitude(Dyadic.of_integers([[7]]))
    >>> [int(scale_exponent(mode, seven, E2M1)[0]) for mode in ScaleMode]
    [0, 1, 1, 1]
    """
    most = largest(element)
    length = int(most.significand).bit_length()  # M is normal: as long as a significand gets
    emax = length - 1 + int(most.exponent)
    exponent = amax.exponent + (_TOP - 1) - emax
    one = 1 << (_TOP - 1)
    if mode is ScaleMode.CEIL:
        return np.asarray(exponent + (amax.significand > one))
    if mode is ScaleMode.RCEIL:
        return np.asarray(exponent + (amax.significand > int(most.significand) << (_TOP - length)))
    if mode is ScaleMode.EVEN:
        half = 1 << (_TOP - 1 - length)
        return np.asarray(exponent + (amax.significand >= 2 * one - half))
    return np.asarray(exponent)
