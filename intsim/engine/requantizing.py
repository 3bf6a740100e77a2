"""Lowering of requantize: the steps as a program on int64 values."""

from __future__ import annotations

import numpy as np

from intsim.engine.lowered import Lowered, Site, Work
from intsim.engine.reference import fault, lower_reference
from intsim.kernels.program import Program, program, unfit
from intsim.record import Array

_BLOCK = 1 << 15  # elements in flight: 256 KiB of int64


def lower_requantize(site: Site) -> Lowered | str:
    """The program, or why int64 does not hold it."""
    reason = unfit(site.op.requantization, site.ranges[0])
    if reason is not None:
        return reason
    steps = program(site.op.requantization)
    reference = lower_reference(site)
    storage = site.outputs[0].format.storage

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        out = np.empty(inputs[0].shape, storage)
        if _run(steps, np.ascontiguousarray(inputs[0]).reshape(-1), out.reshape(-1), work.threads):
            reference.call(inputs, work)  # says where, in the reference's words
            raise fault(site.node.name, "the kernel trapped where the reference did not")
        return (out,)

    why = f"values on the way are in {site.bounds.partial}, so int64 holds every step [P1]"
    return Lowered("requantize int64", why, call)


def _run(steps: Program, x: Array, out: Array, threads: int) -> int:
    """Run the program from `x` to `out`, both flat; how many values trapped."""
    from intsim.kernels.steps import run_steps
    from intsim.kernels.threads import run_parts

    width = steps.width
    block = width * max(1, _BLOCK // width)
    trapped: list[int] = []

    def part(begin: int, end: int) -> None:
        for first in range(begin * width, min(end * width, x.size), block):
            last = min(first + block, end * width, x.size)
            values = x[first:last].astype(np.int64)
            trapped.append(run_steps(values, *steps.arrays()))
            out[first:last] = values.astype(out.dtype)

    run_parts(part, -(-x.size // width), threads, least=-(-4096 // width))
    return sum(trapped)
