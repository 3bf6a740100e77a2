"""lookup: a table of codes, one entry per code of the input, or interpolated between entries.

Rules
-----
R1. The input has input_format, of at most 16 bits. Every element becomes the entry of its code; entries
    are in order from the smallest code on, one per code. Both formats may be minifloats: bit patterns
    become entries, whatever they stand for.
R2. With interpolation_bits k > 0 there is one entry per 2**k codes, and one more. With p = code - smallest
    code, base = entries[p >> k] and slope = entries[(p >> k) + 1] - base, the output is
    base + ((slope * (p mod 2**k) + 2**(k - 1)) >> k).
R3. Slope and output of R2 are each held in the output's format, which is signed, and wrap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, look_up, table_size
from intsim.formats import IntFormat, Minifloat, TensorSpec
from intsim.ops.base import Op, discrete_input, kind_of
from intsim.ops.weights import check_codes
from intsim.record import Array, CodeArray, field

_MOST_BITS = 16


@dataclass(frozen=True, eq=False, repr=False)
class Lookup(Op):
    """entries[x]."""

    name: ClassVar[str] = "lookup"

    entries: CodeArray = field("what the codes become, from the smallest code on")
    input_format: IntFormat | Minifloat = field("of the input, at most 16 bits", default=IntFormat(8))
    format: IntFormat | Minifloat = field(
        "of the entries and the output, at most 32 bits", default=IntFormat(8)
    )
    interpolation_bits: int = field("low bits of a code that interpolate between two entries", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        bits, low = self.input_format.bits, self.interpolation_bits
        if bits > _MOST_BITS:
            yield "input_format", f"must have at most {_MOST_BITS} bits, not {self.input_format}. [R1]"
        elif not 0 <= low < bits:
            yield "interpolation_bits", f"must be 0 to {bits - 1}, not {low}. [R2]"
        elif self.entries.shape != (table_size(bits, low),):
            wanted = table_size(bits, low)
            yield "entries", f"must be a list of {wanted}, not of shape {self.entries.shape}. [R1]"
        else:
            yield from check_codes(self, "entries", self.format, "R1")
        if self.format.bits > 32:
            yield "format", f"must have at most 32 bits, not {self.format}. [R1]"
        if low and not (isinstance(self.format, IntFormat) and self.format.signed):
            yield "format", f"must be signed where entries are interpolated, not {self.format}. [R3]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = discrete_input(self, x)
        self.require(format == self.input_format, f"input must be {self.input_format}, not {format}. [R1]")
        return (TensorSpec(x.shape, self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        place = x - self.input_format.min
        return (look_up(self.entries.astype(kind_of(x)), place, self.interpolation_bits, self.format),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        """Exact: the extremes over all codes that each channel's interval holds."""
        (x,) = inputs
        first = self.input_format.min
        (values,) = self.reference(np.arange(first, self.input_format.max + 1))
        lows, highs = np.broadcast_arrays(np.asarray(x.lo, dtype=object), np.asarray(x.hi, dtype=object))
        pairs = zip(lows.flat, highs.flat, strict=True)
        reached = [values[lo - first : hi - first + 1] for lo, hi in pairs]
        ends = [np.array([end(part) for part in reached], dtype=object) for end in (np.min, np.max)]
        output = Interval.of_arrays(ends[0].reshape(lows.shape), ends[1].reshape(lows.shape))
        products = 1 << (self.format.bits + self.interpolation_bits + 1)
        return Bounds((output,), Interval.join((x.hull(), output.hull(), Interval(-products, products))))
