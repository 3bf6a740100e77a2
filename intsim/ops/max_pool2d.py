"""max_pool2d: the largest element of a window, channel by channel.

Rules
-----
R1. P1 and P2 give the output and the taps.
R2. Output = the largest tap inside the image; padding never wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.pooling import Pool2d
from intsim.ops.windows import windows
from intsim.record import Array


@dataclass(frozen=True, eq=False, repr=False)
class MaxPool2d(Pool2d):
    """Maximum pooling."""

    name: ClassVar[str] = "max_pool2d"

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        lowest = x.min()  # no window lies in the padding alone, so it never shows (P2)
        taps = windows(x, self.kernel, self.stride, self.dilation, self.padding, lowest)
        return (np.asarray(taps.max(axis=(-2, -1))),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return Bounds((inputs[0],), inputs[0].hull())
