"""Lowering of ops that work element by element on few codes: a table of what each code becomes.

Rules
-----
T1. The table is the op's own reference on every code of the proved range, of at most 16 bits. Where one
    of them traps there is no table.
"""

from __future__ import annotations

import numpy as np

from intsim.engine.following import pointwise
from intsim.engine.lowered import Lowered, Site, launched
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.kernels.launch import Launch
from intsim.record import Array

_MOST_BITS = 16
_LEAST = 1 << 15  # elements below which a thread costs more than it gives
_INT64 = IntFormat(64)


def lower_table(site: Site) -> Lowered | str:
    """A table of every code; or why there is none."""
    format = site.inputs[0].integer
    if format.bits > _MOST_BITS or not pointwise(site.op):
        return f"{site.op.name} of {format} has no table"
    if not site.bounds.partial.within(_INT64):
        return f"values on the way can be in {site.bounds.partial}, beyond int64"
    reached = site.ranges[0]
    first = reached.min
    try:
        (entries,) = site.op.reference(np.arange(first, reached.max + 1))
    except OverflowTrap:
        return "a register can trap"
    table = entries.astype(site.outputs[0].format.storage)

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        from intsim.kernels.pooling import look_up

        return Launch(look_up, (inputs[0].reshape(-1), table, first), (out.reshape(-1),), out.size, _LEAST)

    reason = f"a table of all {table.size} codes in {reached.hull()} [T1]"
    return launched(f"{site.op.name} table", reason, site.outputs[0], begin)
