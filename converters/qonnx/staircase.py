"""From integers to codes: where QONNX' float steps and quantizer change their answer.

Rules
-----
T1. An integer n goes through QONNX' own float32: its carrier float32((n - zero) * slope), the chain's
    steps, the quantizer. Nothing on that way falls (or rises, where the direction is -1; then -n is looked
    at).
T2. So for every code there is a least n that reaches it, and bisection over all integers of the source's
    format finds it exactly. These are the thresholds, one row per channel, or one for all where they are
    the same.
T3. An n is in doubt where QONNX' carrier need not be the exact real (its float sum was rounded on the way):
    the codes of the two ends of that error differ. Everywhere else the threshold's code is QONNX' code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from intsim_converters.qonnx.chain import Step, directions
from intsim_converters.qonnx.parameters import Array
from intsim_converters.qonnx.quantizers import Quantizer
from intsim_converters.staircase import least

from intsim.arithmetic import Add, AnyStep, Multiply, Requantization, Thresholds
from intsim.formats import IntFormat

MOST_STEPS = 1 << 16
MOST_THRESHOLDS = 1 << 22  # of all channels


class NoStaircaseError(ValueError):
    """The function has no thresholds, or too many."""


@dataclass(frozen=True, eq=False)
class Staircase:
    """A function of integers, per channel; parameters are one value or a list of one per channel.

    low, high : the integers that the source's format has
    """

    slope: Array
    zero: Array
    error: Array
    steps: tuple[Step, ...]
    quantizer: Quantizer
    channels: int
    low: int
    high: int

    def carrier(self, n: Array) -> Array:
        """What QONNX has in the place of n; channels along the last axis."""
        return _nearest((n - self.zero).astype(np.float64) * self.slope)

    def climbed(self, value: Array) -> Array:
        """From a carrier to steps."""
        for step in self.steps:
            value = step(value)
        return self.quantizer(value)

    def doubtful(self, n: Array) -> Array:
        """Rule T3, element by element."""
        low, high = self.ends(n)
        return (low != high) & (self.error > 0)

    def ends(self, n: Array) -> tuple[Array, Array]:
        """The codes of the two ends of the error around n (rule T3)."""
        real = (n - self.zero).astype(np.float64) * self.slope
        slack = self.error * (1 + 2.0**-20)  # float64 rounds here, far below the error
        steps = (self.climbed(_nearest(real + side * slack)) for side in (-1, 1))
        below, above = (self.quantizer.least + self.quantizer.unit * climbed for climbed in steps)
        return np.minimum(below, above), np.maximum(below, above)

    def sign(self) -> Array:
        """1 or -1 per channel: what n is multiplied with so that codes never fall."""
        sign = np.where(self.slope < 0, -1, 1) * directions(self.steps)
        return np.broadcast_to(sign, (self.channels,)).astype(np.int64)

    def channel(self, index: int) -> Staircase:
        """The function of one channel."""

        def pick(values: Array) -> Array:
            return values if len(values) == 1 else values[index : index + 1]

        steps = tuple(step.flat(pick) for step in self.steps)
        parts = pick(self.slope), pick(self.zero), pick(self.error)
        return Staircase(*parts, steps, self.quantizer.flat(pick), 1, self.low, self.high)

    def requantization(self) -> Requantization:
        """Rule T2.

        Raises
        ------
        NoStaircaseError
            A step gives no number, or the codes are too many.
        """
        fewest, at = self.thresholds()
        q, sign = self.quantizer, self.sign()
        base = q.least + q.unit * fewest
        format = q.format if isinstance(q.format, IntFormat) else IntFormat(2)
        if q.format is None:
            ends = sorted((base, base + q.unit * at.shape[0]))
            format = IntFormat.covering(*ends)
        first = (Add(values=base),) if base else ()
        if not at.size:
            return Requantization((Multiply(multipliers=0), *first), format)
        same = bool((at == at[:, :1]).all() and (sign == sign[0]).all())
        rows = at[:, 0] if same else np.ascontiguousarray(at.T)
        steps: list[AnyStep] = []
        if (sign < 0).any():
            steps.append(Multiply(multipliers=sign[:1] if same else sign))
        steps.append(Thresholds(values=rows))
        if q.unit != 1:
            steps.append(Multiply(multipliers=q.unit))
        return Requantization((*steps, *first), format)

    def thresholds(self) -> tuple[int, Array]:
        """The fewest steps that any n climbs; for each one more the least signed n that does, per channel."""
        sign = self.sign()
        low, high = np.where(sign > 0, self.low, -self.high), np.where(sign > 0, self.high, -self.low)
        ends = [self._steps(end[None], sign) for end in (low, high)]
        fewest, most = int(ends[0].min()), int(ends[1].max())
        count = most - fewest
        if count > MOST_STEPS or count * self.channels > MOST_THRESHOLDS:
            raise NoStaircaseError(
                f"codes must be at most {MOST_STEPS} apart and thresholds at most {MOST_THRESHOLDS} for all"
                f" channels, not {count} for each of {self.channels}"
            )
        wanted = np.arange(fewest + 1, most + 1)[:, None]
        below, above = (np.broadcast_to(end, (count, self.channels)) for end in (low - 1, high + 1))
        return fewest, least(below, above, lambda n: self._steps(np.clip(n, low, high), sign) >= wanted)

    def _steps(self, signed: Array, sign: Array) -> Array:
        value = self.carrier(signed * sign)
        for step in self.steps:
            value = step(value)
        if np.isnan(value).any():
            raise NoStaircaseError("every integer must have a number, but for some the float steps give none")
        found = self.quantizer(value)
        return np.broadcast_to(found, np.broadcast_shapes(found.shape, (1, self.channels)))


def _nearest(real: Array) -> Array:
    with np.errstate(over="ignore"):  # beyond float32 is an infinity, which a quantizer limits
        return real.astype(np.float32)
