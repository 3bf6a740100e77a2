"""Lowering of requantize: a table of few codes, the usual stages mostly in int32, or a program on int64."""

from __future__ import annotations

import numpy as np

from intsim.engine.following import pointwise
from intsim.engine.lowered import Begin, Call, Lowered, Site, Work, launched
from intsim.engine.reference import fault, lower_reference
from intsim.engine.tabling import lower_table
from intsim.kernels.launch import Launch
from intsim.kernels.program import Program, program, unfit
from intsim.kernels.stages import Fixed, fixed
from intsim.record import Array

_BLOCK = 1 << 15  # elements in flight: 256 KiB of int64
_LEAST = 1 << 13  # elements below which a thread costs more than it gives


def lower_requantize(site: Site) -> Lowered | str:
    """A table, stages or a program; or why int64 does not hold it."""
    if site.inputs[0].integer.bits <= 8 and pointwise(site.op):
        return lower_table(site)
    reason = unfit(site.op.rule, site.ranges[0])
    if reason is not None:
        return reason
    steps = program(site.op.rule, site.ranges[0])
    why = f"values on the way are in {site.bounds.partial}, so int64 holds every step [P1]"
    stages = fixed(steps, site.ranges[0])
    if stages is not None:
        reason = why + ", and int32 all but the product"
        return launched("requantize int32", reason, site.outputs[0], _fixed(stages))
    return Lowered("requantize int64", why, _program_call(site, steps))


def _fixed(stages: Fixed) -> Begin:
    width = stages.integers.shape[1]

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        from intsim.kernels.fixed import fixed_rows

        flat, to, rows = inputs[0].reshape(-1), out.reshape(-1), -(-out.size // width)
        return Launch(fixed_rows, (flat, stages.scalars, stages.integers), (to,), rows, -(-_LEAST // width))

    return begin


def _program_call(site: Site, steps: Program) -> Call:
    reference = lower_reference(site)
    storage = site.outputs[0].format.storage

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        out = np.empty(inputs[0].shape, storage)
        if _run(steps, np.ascontiguousarray(inputs[0]).reshape(-1), out.reshape(-1), work.threads):
            reference.call(inputs, work)  # says where, in the reference's words
            raise fault(site.node.name, "the kernel trapped where the reference did not")
        return (out,)

    return call


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

    run_parts(part, -(-x.size // width), threads, least=-(-_LEAST // width))
    return sum(trapped)
