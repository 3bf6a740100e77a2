"""arg_max: where the largest element along an axis is.

Rules
-----
R1. The rules of arguments (G) give the output's shape and format.
R2. Output = the place, from 0, of the largest element along `axis`; of equal ones the first, or the last
    where `last` is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from intsim.ops.arguments import Argument


@dataclass(frozen=True, eq=False, repr=False)
class ArgMax(Argument):
    """Index of the maximum along an axis."""

    name: ClassVar[str] = "arg_max"
    method: ClassVar[str] = "argmax"
