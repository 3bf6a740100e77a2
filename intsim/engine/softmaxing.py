"""Lowering of softmax on codes of at most 8 bits: tables of exponentials, row by row.

Rules
-----
X1. Exponentials depend on d = x - the row's largest code alone: one table for all of them, made by the
    recipe's own functions.
X2. The rest of a row is the recipe's arithmetic, step by step (`kernels.softmax`). A row that traps is
    given to the reference, which says where.
"""

from __future__ import annotations

import numpy as np

from intsim.arithmetic import FixedPointSoftmax, FloatSoftmax, Rounding, round_shift
from intsim.arithmetic.softmax import exponentials_of
from intsim.engine.lowered import Call, Lowered, Site, Work, ready
from intsim.engine.reference import fault, lower_reference
from intsim.engine.sums import grain
from intsim.kernels.program import ROUNDINGS
from intsim.record import Array

_REASON = "a table of exponentials, then the recipe's steps [X1]"
_COST = 16  # of an element, in products


def lower_softmax(site: Site) -> Lowered | str:
    """A kernel for rows of at most 256 codes; or why there is none."""
    recipe, format = site.op.recipe, site.inputs[0].integer
    if format.bits > 8 or site.outputs[0].size == 0:
        return f"{format} has too many codes for a table"
    if isinstance(recipe, FixedPointSoftmax):
        return Lowered("softmax int64", _REASON, _fixed(site))
    if isinstance(recipe, FloatSoftmax) and _finite(recipe, site.inputs[0].shape[-1]):
        return Lowered(
            "softmax float32", "a table of exponentials, then the recipe's steps [X1]", _float(site)
        )
    return f"no kernel for {type(recipe).__name__}, or its shares are not finite"


def _finite(recipe: FloatSoftmax, depth: int) -> bool:
    """Whether every row's sum has a finite share, so that nothing but finite numbers is rounded."""
    ends = recipe.table[-1], recipe.table.max() * np.float32(depth) * np.float32(1.001)
    with np.errstate(over="ignore", divide="ignore"):
        shares = [np.float32(1) / np.float32(end * recipe.scale) for end in ends]
    return all(np.isfinite(share) and share > 0 for share in shares)


def _fixed(site: Site) -> Call:
    recipe: FixedPointSoftmax = site.op.recipe
    reference, format = lower_reference(site), site.op.format
    differences = np.arange(-(1 << site.inputs[0].integer.bits) + 1, 1)
    seen, exponentials = exponentials_of(differences, recipe.rescale, recipe.diff_min)
    terms = np.asarray(round_shift(exponentials, 12, Rounding.HALF_AWAY))
    table = np.where(seen, exponentials, -1)
    limit = 1 << min(31, 20 + format.bits)

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        from intsim.kernels.softmax import fixed_rows
        from intsim.kernels.threads import run_parts

        x, out, rows, to = _rows(site, inputs[0])
        trapped: list[int] = []

        def part(begin: int, end: int) -> None:
            trapped.append(fixed_rows(rows, table, terms, limit, format.bits, format.min, begin, end, to))

        run_parts(part, rows.shape[0], work.threads, grain(rows.shape[1] * _COST))
        if any(trapped):
            reference.call((x,), work)
            raise fault(site.node.name, "the kernel trapped where the reference did not")
        return (out,)

    return call


def _float(site: Site) -> Call:
    recipe, format = site.op.recipe, site.op.format
    limits = np.array([format.min, format.max])
    rounding = ROUNDINGS.index(recipe.rounding)
    scale = np.float32(recipe.scale)
    table = np.ascontiguousarray(recipe.table)

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        from intsim.kernels.softmax import float_rows
        from intsim.kernels.threads import run_parts

        _, out, rows, to = _rows(site, inputs[0])

        def part(begin: int, end: int) -> None:
            float_rows(rows, table, scale, recipe.zero_point, rounding, limits, begin, end, to)

        run_parts(part, rows.shape[0], work.threads, grain(rows.shape[1] * _COST))
        return (out,)

    return call


def _rows(site: Site, given: Array) -> tuple[Array, Array, Array, Array]:
    """The input and the output, and both as rows."""
    x = ready(given)
    out = np.empty(x.shape, site.outputs[0].format.storage)
    return x, out, x.reshape(-1, x.shape[-1]), out.reshape(-1, x.shape[-1])
