"""Lowering of softmax on codes of at most 8 bits: tables of exponentials, row by row.

Rules
-----
X1. Exponentials depend on d = x - the row's largest code alone: one table for all of them, made by the
    recipe's own functions.
X2. The rest of a row is the recipe's arithmetic, step by step (`kernels.softmax`). A row that traps is
    given to the reference, which says where.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.arithmetic import FixedPointSoftmax, FloatSoftmax, QuotientSoftmax, Rounding, round_shift
from intsim.arithmetic.softmax import exponentials_of
from intsim.engine.lowered import Begin, Call, Lowered, Site, Work, launched
from intsim.engine.reference import fault, lower_reference
from intsim.engine.sums import grain
from intsim.kernels.launch import Launch
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
        return launched("softmax int64", _REASON, site.outputs[0], _fixed(site), _trap(site))
    if isinstance(recipe, FloatSoftmax) and _finite(recipe, site.inputs[0].shape[-1]):
        return launched("softmax float32", _REASON, site.outputs[0], _float(site))
    if isinstance(recipe, QuotientSoftmax):
        return launched("softmax float32", _REASON, site.outputs[0], _quotients(site))
    return f"no kernel for {type(recipe).__name__}, or its shares are not finite"


def _finite(recipe: FloatSoftmax, depth: int) -> bool:
    """Whether every row's sum has a finite share, so that nothing but finite numbers is rounded."""
    ends = recipe.table[-1], recipe.table.max() * np.float32(depth) * np.float32(1.001)
    with np.errstate(over="ignore", divide="ignore"):
        shares = [np.float32(1) / np.float32(end * recipe.scale) for end in ends]
    return all(np.isfinite(share) and share > 0 for share in shares)


def _trap(site: Site) -> Call:
    reference = lower_reference(site)

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        reference.call(inputs, work)
        raise fault(site.node.name, "the kernel trapped where the reference did not")

    return call


def _fixed(site: Site) -> Begin:
    recipe: FixedPointSoftmax = site.op.recipe
    format = site.op.format
    differences = np.arange(-(1 << site.inputs[0].integer.bits) + 1, 1)
    seen, exponentials = exponentials_of(differences, recipe.rescale, recipe.diff_min)
    terms = np.asarray(round_shift(exponentials, 12, Rounding.HALF_AWAY))
    table = np.where(seen, exponentials, -1)
    limit = 1 << min(31, 20 + format.bits)

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        from intsim.kernels.softmax import fixed_rows

        return _rows(fixed_rows, inputs[0], (table, terms, limit, format.bits, format.min), out)

    return begin


def _float(site: Site) -> Begin:
    recipe, format = site.op.recipe, site.op.format
    limits = np.array([format.min, format.max])
    rounding = ROUNDINGS.index(recipe.rounding)
    scale = np.float32(recipe.scale)
    table = np.ascontiguousarray(recipe.table)

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        from intsim.kernels.softmax import float_rows

        return _rows(float_rows, inputs[0], (table, scale, recipe.zero_point, rounding, limits), out)

    return begin


def _quotients(site: Site) -> Begin:
    recipe, format = site.op.recipe, site.op.format
    ends = np.array([format.min, format.max])
    numbers = np.ascontiguousarray(recipe.table), np.float32(recipe.multiplier), recipe.zero_point, ends

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        from intsim.kernels.softmax import quotient_rows

        return _rows(quotient_rows, inputs[0], numbers, out)

    return begin


def _rows(kernel: Any, x: Array, numbers: tuple[Any, ...], out: Array) -> Launch:
    """A kernel on the rows of its input and output."""
    rows, to = (tensor.reshape(-1, x.shape[-1]) for tensor in (x, out))
    return Launch(kernel, (rows, *numbers), (to,), rows.shape[0], grain(x.shape[-1] * _COST))
