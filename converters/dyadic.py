"""Several scales as integers over one: floats are dyadic fractions, so there always is one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction


def common_unit(scales: Iterable[Fraction]) -> Fraction:
    """The largest fraction of which every scale is a whole multiple.

    Examples
    --------
    >>> common_unit([Fraction(3, 4), Fraction(1, 2)])
    Fraction(1, 4)
    >>> common_unit([Fraction(0.3), Fraction(0.3)]) == Fraction(0.3)
    True
    """
    given = list(scales)
    below = math.lcm(*(scale.denominator for scale in given))
    return Fraction(math.gcd(*(int(scale * below) for scale in given)), below)
