"""`Launch`: one compiled function on rows begin to end, with everything that it is given.

It can be run at once, by as many threads as there is work for, or put on a tape (`kernels.tape`) that runs
many of them one after another without Python between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from intsim.kernels.scratch import Wanted, scratch
from intsim.kernels.threads import run_parts


@dataclass(frozen=True, eq=False)
class Launch:
    """`kernel(*before, begin, end, *scratch, *after)` for all of `total` rows, or lines, or elements.

    kernel : of `kernels.jit.compiled`; returns nothing, or how many of its rows trapped
    before, after : arrays, integers, floats, and named tuples of them
    total : how many rows there are; any split of them gives the same bytes
    least : rows below which a thread costs more than it gives
    scratch : memory that it works in
    """

    kernel: Any
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    total: int
    least: int = 1
    scratch: tuple[Wanted, ...] = ()

    def run(self, threads: int) -> int:
        """Run it now; how many rows trapped."""
        trapped: list[int] = []

        def part(begin: int, end: int) -> None:
            found = self.kernel(*self.before, begin, end, *scratch(*self.scratch), *self.after)
            trapped.append(found or 0)

        run_parts(part, self.total, threads, self.least)
        return sum(trapped)
