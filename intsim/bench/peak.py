"""The most 8-bit multiply-accumulates that this processor does: a loop that touches registers only.

It uses the instruction that the kernels use (`kernels.isa`), on operands that are in registers already. No
kernel that reads memory can be faster; how near one comes says how good it is.
"""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from intsim.kernels.isa.emit import I8, I32, I64, VOID, call, counted, load, store, vector
from intsim.kernels.isa.lanes import DOTS
from intsim.kernels.isa.micro import address, begin_tiles, end_tiles
from intsim.kernels.isa.table import PANEL, chosen
from intsim.kernels.jit import compiled
from intsim.kernels.threads import run_parts

_CHAINS = 12  # sums that do not wait for each other
_TILE_CHAINS = 6  # tiles 0 to 5 are sums, 6 and 7 operands
_ROUNDS = 5


def peak(threads: int, seconds: float = 0.2, kernel: Any = None) -> float:
    """10**9 operations (two of each multiply-accumulate) per second, the best of some rounds.

    Each thread is measured by its own processor time, which other processes do not lengthen.

    Parameters
    ----------
    threads : at once
    seconds : in all
    kernel : of `kernels.isa.table`; where absent, the one that this processor's products run on
    """
    if kernel is None:
        isa = chosen()
        kernel = isa.bytes if isa.bytes is not None else isa.words
    spin: Any = spinning
    spin(kernel, 1, np.zeros(PANEL * _CHAINS, np.int32))  # compiled now
    each = 2e-9 * macs(type(kernel).__name__)
    times, best = 1000, 0.0
    for _ in range(_ROUNDS):
        taken = _timed(spin, kernel, times, threads)
        while min(taken) < seconds / _ROUNDS:
            times *= 2
            taken = _timed(spin, kernel, times, threads)
        best = max(best, sum(each * times / one for one in taken))
    return best


def _timed(spin: Any, kernel: Any, times: int, threads: int) -> list[float]:
    """Seconds that each of the threads worked."""
    sinks = [np.zeros(PANEL * _CHAINS, np.int32) for _ in range(threads)]
    taken = [0.0] * threads

    def part(begin: int, end: int) -> None:
        for index in range(begin, end):
            start = time.thread_time()
            spin(kernel, times, sinks[index])
            taken[index] = time.thread_time() - start

    run_parts(part, threads, threads)
    return taken


@functools.cache
def macs(kernel: str) -> int:
    """Multiply-accumulates of one turn of the loop."""
    if kernel == "AmxBytes":
        return _TILE_CHAINS * 16 * 16 * 64
    width, _ = DOTS[kernel]
    return _CHAINS * width * (4 if kernel.rstrip("0123456789").endswith("Bytes") else 2)


def _typed(typing: Any, kernel: Any, times: Any, sink: Any) -> Any:
    name = kernel.instance_class.__name__

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        (_tiles if name == "AmxBytes" else functools.partial(_lanes, name))(builder, *values[1:])
        return context.get_dummy_value()

    return types.void(kernel, types.int64, types.int64), generate


_spin: Any = intrinsic(_typed)


@compiled
def spinning(kernel: Any, times: int, sink: Any) -> None:
    """Turn the loop; what it comes to is written down, so that no compiler leaves it out."""
    begin_tiles(kernel)
    _spin(kernel, times, address(sink))
    end_tiles(kernel)


def _lanes(name: str, builder: Any, times: Any, sink: Any) -> None:
    """Every sum is also a factor: nothing can be worked out before the loop."""
    width, dot = DOTS[name]
    kind = vector(I32, width)
    places = [builder.add(sink, I64(4 * width * chain)) for chain in range(_CHAINS)]
    held = [builder.alloca(kind) for _ in places]
    for place, slot in zip(places, held, strict=True):
        builder.store(load(builder, place, kind), slot)
    factor = load(builder, places[0], kind)
    with counted(builder, times):
        for slot in held:
            sums = builder.load(slot)
            builder.store(dot(builder, sums, factor, sums), slot)
    for place, slot in zip(places, held, strict=True):
        store(builder, builder.load(slot), place)


def _tiles(builder: Any, times: Any, sink: Any) -> None:
    for tile in range(8):
        call(builder, "llvm.x86.tilezero", VOID, [I8(tile)])
    with counted(builder, times):
        for tile in range(_TILE_CHAINS):
            call(builder, "llvm.x86.tdpbssd", VOID, [I8(tile), I8(6), I8(7)])
