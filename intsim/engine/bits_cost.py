"""Whether counting bits is expected to be cheaper than multiplying bytes.

The rates are what large products reach on one thread, as `tests/benchmarks/bits.py` measures them; only their
ratios matter, and only for the choice: either way the sums are the same.
"""

from __future__ import annotations

from intsim.engine.products import Products
from intsim.kernels.bits_coding import Coding, passes_of
from intsim.kernels.bits_packing import words_of
from intsim.kernels.isa.counters import CHANNELS, counter_of
from intsim.kernels.isa.table import PANEL, Isa
from intsim.kernels.packing import operands

_RATES = {
    "Popcount512": 1400.0,
    "Popcount256": 480.0,
    "PopcountNeon": 250.0,
    "PopcountPortable": 250.0,
    "AmxBytes": 2400.0,
    "VnniBytes512": 680.0,
    "VnniBytes256": 410.0,
    "NeonBytes": 100.0,
    "VnniWords512": 340.0,
    "Avx2Words": 145.0,
    "PortableWords": 150.0,
}
"""10**9 operations per second, two for each product of bits, or of bytes, in one pass."""

_PACKING = 4200.0
"""Operations in the time that 64 codes take to become a word of a plane: about 3 ns of counting."""


def expected_ratio(products: Products, x: Coding, w: Coding, isa: Isa) -> float | None:
    """The time of counting for one output position over that of bytes; None where bytes do not fit.

    Examples
    --------
    A dense layer of 1024 by 1024 bits takes half the time with vpopcntq that it takes with vpdpbusd.
    """
    found = operands(isa, products.storage, w.low, w.high, products.input_zero_point)
    if found is None:
        return None
    _, _, depth, _, _, kh, kw, down, across, *_ = products.geometry.tolist()
    words, panels = words_of(depth), -(-products.channels // CHANNELS)
    counted = 2 * 64 * CHANNELS * panels * words * kh * kw * passes_of(x, w).cost
    packed = words * len(x.planes) * min(down * across, kh * kw) * _PACKING
    counter = _RATES[type(counter_of(isa)).__name__]
    step = found.kernel.depth // found.operand.itemsize
    terms = -(-kw * depth // step) * step * kh
    multiplied = 2 * terms * -(-products.channels // PANEL) * PANEL
    return float((counted + packed) / counter / (multiplied / _RATES[type(found.kernel).__name__]))
