"""`Dialect`: another tool's named way from a real ratio of scales to the steps of a requantization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic.requantize import Add, AnyStep, Clamp, Requantization
from intsim.errors import SpecError
from intsim.formats import IntFormat
from intsim.record import Array

Steps = Callable[[Array], tuple[AnyStep, ...]]
Ratio = Callable[[Sequence[Any], Any], Array]


def ratio_float64(numerators: Sequence[Any], denominator: Any) -> Array:
    """Every scale a float32, widened; products and the quotient in float64."""
    product: Any = np.float64(1)
    for scale in numerators:
        product = product * np.asarray(scale, np.float32).astype(np.float64)
    return np.atleast_1d(product / np.asarray(denominator, np.float32).astype(np.float64))


def ratio_float32_product(numerators: Sequence[Any], denominator: Any) -> Array:
    """Products in float32, the quotient in float64."""
    product: Any = np.float32(1)
    for scale in numerators:
        product = product * np.asarray(scale, np.float32)
    return np.atleast_1d(
        np.asarray(product, np.float32).astype(np.float64)
        / np.asarray(denominator, np.float32).astype(np.float64)
    )


def ratio_float32(numerators: Sequence[Any], denominator: Any) -> Array:
    """Products and the quotient in float32, then widened to float64."""
    product: Any = np.float32(1)
    for scale in numerators:
        product = product * np.asarray(scale, np.float32)
    return np.atleast_1d(product / np.asarray(denominator, np.float32)).astype(np.float64)


@dataclass(frozen=True)
class Dialect:
    """A named set of rounding conventions.

    name : as the command and the converters say it
    summary : what it does to a sum, in one line
    source : tool, version and place that it was read from
    steps : from ratios (float64, one per channel or one) to the steps before the zero point
    ratio : how the tool forms a ratio from scales: numerators, denominator -> float64
    """

    name: str
    summary: str
    source: str
    steps: Steps
    ratio: Ratio = ratio_float64

    def requantization(
        self,
        ratio: Any,
        *,
        zero_point: Any = 0,
        lo: Any = None,
        hi: Any = None,
        format: IntFormat = IntFormat(8),  # noqa: B008 - frozen
        bias: Any = None,
    ) -> Requantization:
        """The steps from a sum to a code: by `ratio`, with the zero point, then the limits.

        Parameters
        ----------
        ratio : real ratio(s) of scales, one or one per channel
        zero_point : of the output
        lo, hi : limits of an activation; the format's own where absent
        format : of the code
        bias : a real bias in units of the sum, for the dialects that add one in float

        Raises
        ------
        SpecError
            A ratio or a bias that the dialect has no steps for.
        """
        limits = Clamp(lo=format.min if lo is None else lo, hi=format.max if hi is None else hi)
        steps = self.steps(np.atleast_1d(np.asarray(ratio, np.float64)))
        if bias is not None:
            steps = self.biased(steps, bias)
        return Requantization((*self.offset(steps, zero_point), limits), format)

    def offset(self, steps: tuple[AnyStep, ...], zero_point: Any) -> tuple[AnyStep, ...]:
        """The steps with the zero point at its place: after them all."""
        return (*steps, Add(values=zero_point)) if np.any(np.asarray(zero_point) != 0) else steps

    def biased(self, steps: tuple[AnyStep, ...], bias: Any) -> tuple[AnyStep, ...]:
        """The steps with a real bias at its place; most dialects have none."""
        raise SpecError(f"{self.name} takes no real bias: add an integer bias to the sum")


def positive_ratios(ratios: Array, dialect: str) -> Array:
    """The ratios, each finite and above 0.

    Raises
    ------
    SpecError
        One is not.
    """
    wrong = ~(np.isfinite(ratios) & (ratios > 0))
    if wrong.any():
        raise SpecError(f"ratio of scales must be positive and finite for {dialect}, not {ratios[wrong][0]}")
    return ratios
