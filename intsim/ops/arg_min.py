"""arg_min: where the smallest element along an axis is.

Rules
-----
R1. The rules of arguments (G) give the output's shape and format.
R2. Output = the place, from 0, of the smallest element along `axis`; of equal ones the first, or the last
    where `last` is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from intsim.ops.arguments import Argument


@dataclass(frozen=True, eq=False, repr=False)
class ArgMin(Argument):
    """Index of the minimum along an axis."""

    name: ClassVar[str] = "arg_min"
    method: ClassVar[str] = "argmin"
