"""Many calls one after another in one, by one thread or by several that share the work.

Rules
-----
N4. The calls come in stages, and the stages in parts: a part is the calls of one column, from the stage's
    first row to its last. Every thread goes through all stages; it takes each part that nobody has taken,
    its own first, and does not go on before all parts of the stage are done. Who comes late finds nothing
    left to do: nobody waits for a thread that has not begun.
N5. A thread that waits looks again and again, and at every `PATIENCE`-th time lets others have its processor.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic as untyped

from intsim.kernels.isa.emit import I32, I64, at
from intsim.kernels.isa.micro import address
from intsim.kernels.jit import compiled
from intsim.kernels.native import RESULT, call_block

intrinsic: Any = untyped

FIRST, END, PARTS = range(3)
"""Places of a row of `stages`, int64: its rows of `blocks`, and how many parts it has."""

PATIENCE = 256
DONE, TAKEN = 0, 1
"""Places of a row of `marks`: parts that are done; then one place for each part, 1 if it is taken."""

FAILED, TRAPPED = 0, 1
"""Places of the last row of `marks`: calls that failed, and rows that trapped."""


@compiled
def play(stages: Any, blocks: Any, marks: Any, me: int, resting: int) -> None:
    """Go through all stages.

    Parameters
    ----------
    stages : int64 (stages, 3)
    blocks : int64 (calls, parts), addresses
    marks : int64 (stages + 1, 1 + parts), zeros when the first thread begins: a row for each stage, and one
        for what went wrong
    me : which thread this is
    resting : address of a function that gives the processor away; 0 if there is none
    """
    wide = 8 * marks.shape[1]
    row, wrong = address(marks), address(marks) + wide * stages.shape[0]
    for stage in range(stages.shape[0]):
        parts = stages[stage, PARTS]
        for turn in range(parts):
            part = (me + turn) % parts
            if exchange(row + 8 * (TAKEN + part), 1) != 0:
                continue
            for call in range(stages[stage, FIRST], stages[stage, END]):
                failed, trapped = call_block(blocks[call, part]), read(blocks[call, part] + 8 * RESULT)
                if failed or trapped:
                    add(wrong + 8 * FAILED, failed)
                    add(wrong + 8 * TRAPPED, trapped)
            add(row + 8 * DONE, 1)
        looked = 0
        while read(row + 8 * DONE) < parts:
            looked += 1
            if looked % PATIENCE == 0:
                rest(resting)
        row += wide


@functools.cache
def resting() -> int:
    """The address of the function that gives the processor away; 0 where the C library has none."""
    try:
        found = ctypes.CDLL(None).sched_yield
    except (AttributeError, OSError, TypeError):
        return 0
    return int(ctypes.cast(found, ctypes.c_void_p).value or 0)


def _exchange(typing: Any, place: Any, value: Any) -> Any:
    """Put a value in the place of another, which is returned; no other thread comes between."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.atomic_rmw("xchg", at(builder, values[0], I64), values[1], "acq_rel")

    return types.int64(types.int64, types.int64), generate


exchange: Any = intrinsic(_exchange)


def _add(typing: Any, place: Any, value: Any) -> Any:
    """Add to what is there; what was written before is seen by whoever reads the sum."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.atomic_rmw("add", at(builder, values[0], I64), values[1], "acq_rel")

    return types.int64(types.int64, types.int64), generate


add: Any = intrinsic(_add)


def _read(typing: Any, place: Any) -> Any:
    """What is there now."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(at(builder, values[0], I64), "acquire", 8)

    return types.int64(types.int64), generate


read: Any = intrinsic(_read)


def _rest(typing: Any, function: Any) -> Any:
    """Call a function of C without arguments; none where the address is 0."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        with builder.if_then(builder.icmp_signed("!=", values[0], I64(0))):
            builder.call(at(builder, values[0], ir.FunctionType(I32, [])), [])
        return context.get_dummy_value()

    return types.void(types.int64), generate


rest: Any = intrinsic(_rest)
