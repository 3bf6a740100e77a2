"""`block_dot`: the reference of dot products of blocks, as a `BlockAccumulator` says (its rules K1 to K8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from intsim.arithmetic.blocks.accumulator import BlockAccumulator, ScaleOrder, ScalePlace
from intsim.arithmetic.blocks.align import Alignment
from intsim.arithmetic.blocks.exact_sum import stack, total, zeros
from intsim.arithmetic.blocks.operand import Operand, operand
from intsim.arithmetic.blocks.register import FloatRegister
from intsim.arithmetic.blocks.registers import add_up, add_up_aligned
from intsim.errors import InputError
from intsim.formats.blocks import Blocks
from intsim.formats.dyadic import Dyadic
from intsim.formats.exact import multiply
from intsim.record import Array


def block_dot(a: Operand | Blocks, b: Operand | Blocks, accumulator: BlockAccumulator) -> Dyadic:
    """Dot products along the last axis of rows of blocks.

    Parameters
    ----------
    a, b : rows of blocks, of shapes (..., K) that broadcast over all axes but the last. A matrix product is
        one of shapes (M, 1, K) and (1, N, K). Blocks of one size, or of one that divides the other
    accumulator : BlockAccumulator

    Returns
    -------
    Dyadic of the shape that the rows broadcast to: exact, or values of the register's or the output's float.

    Raises
    ------
    InputError
        The rows do not fit each other, or have outer scales that the accumulator does not multiply.
    OverflowTrap
        A register with TRAP receives a value that does not fit.

    Notes
    -----
    Significands are int64 wherever the lengths of the numbers at hand prove that nothing outgrows 62 bits,
    and Python ints elsewhere: E5M2 products need 65, exact registers up to `kulisch_bits`.
    """
    a, b = (side if isinstance(side, Operand) else operand(side) for side in (a, b))
    if a.elements.shape[-1] != b.elements.shape[-1]:
        raise InputError(f"rows must be of one length, not {a.elements.shape[-1]} and {b.elements.shape[-1]}")
    size = min(a.size, b.size)
    a, b = a.finer(size), b.finer(size)
    if accumulator.outer is None and (a.outer is not None or b.outer is not None):
        raise InputError("scales of whole tensors need an accumulator with outer. [K7]")
    shape = np.broadcast_shapes(a.elements.shape[:-1], b.elements.shape[:-1])
    a = a.rows()  # numpy takes single Python ints out of their arrays
    result = _register(_Terms(list(_terms(a, b, accumulator))), accumulator, shape or (1,))
    if accumulator.output is not None:
        result = accumulator.output.round(result)
    return _outer(result, a, b, accumulator).reshape(*shape)


@dataclass(frozen=True)
class _Term:
    """A term (rule K1): its value, the sum of its factors' exponents, its block, and the block's scales."""

    value: Dyadic
    factors: Array
    block: int
    scales: tuple[Dyadic, Dyadic]


@dataclass(frozen=True)
class _Terms:
    all: list[_Term]

    def groups(self, alignment: Alignment, place: ScalePlace) -> Iterator[list[_Term]]:
        """Rule G1."""
        if place is ScalePlace.SUM or not alignment.group:
            blocks: dict[int, list[_Term]] = {}
            for term in self.all:
                blocks.setdefault(term.block, []).append(term)
            rows = list(blocks.values())
        else:
            rows = [self.all]
        for row in rows:
            step = alignment.group or len(row)
            yield from (row[begin : begin + step] for begin in range(0, len(row), step))


def _terms(a: Operand, b: Operand, accumulator: BlockAccumulator) -> Iterator[_Term]:
    """Rule K1, and K3 for TERM."""
    products = multiply(a.elements, b.elements)
    exponents = products.exponent + (a.fraction + b.fraction)
    length = products.shape[-1]
    for block, begin in enumerate(range(0, length, a.size)):
        end = min(begin + a.size, length)
        step = accumulator.exact or a.size
        scales = a.scales[..., block], b.scales[..., block]
        for first in range(begin, end, step):
            last = min(first + step, end)
            value = total(products[..., first:last])
            factors = exponents[..., first] if step == 1 else np.zeros(value.shape, np.int64)
            if accumulator.scales is ScalePlace.TERM:
                value = _scaled(value, scales, accumulator)
                factors = factors + sum(
                    scale.exponent + side.scale_fraction for scale, side in zip(scales, (a, b), strict=True)
                )
            yield _Term(value, np.asarray(factors), block, scales)


def _scaled(value: Dyadic, scales: tuple[Dyadic, Dyadic], accumulator: BlockAccumulator) -> Dyadic:
    """Rule K4."""
    first, second = scales
    arithmetic = accumulator.scale_arithmetic
    if arithmetic is None:
        return multiply(value, multiply(first, second))
    product, value = arithmetic.float.multiply, arithmetic.float.round(value)
    if arithmetic.order is ScaleOrder.SUM_FIRST:
        return product(product(value, first), second)
    return product(value, product(first, second))


def _register(terms: _Terms, accumulator: BlockAccumulator, shape: tuple[int, ...]) -> Dyadic:
    """Rules K2, K3 for SUM, and K5."""
    alignment, register = accumulator.alignment, accumulator.register
    if not terms.all:
        return zeros(shape)
    if alignment is None:
        values = [_after(term.value, term, accumulator) for term in terms.all]
        return add_up(register, values)
    groups = []
    for group in terms.groups(alignment, accumulator.scales):
        together = stack([term.value for term in group])
        factors = np.stack([np.broadcast_to(term.factors, together.shape[:-1]) for term in group], axis=-1)
        groups.append((together, alignment.exponents(together, factors), group[0]))
    if isinstance(register, FloatRegister) and (register.aligned or register.join is not None):
        return add_up_aligned(register, alignment, [(values, exponents) for values, exponents, _ in groups])
    sums = [
        _after(alignment.sum(values, exponents)[0], first, accumulator) for values, exponents, first in groups
    ]
    return add_up(register, sums)


def _after(value: Dyadic, term: _Term, accumulator: BlockAccumulator) -> Dyadic:
    return _scaled(value, term.scales, accumulator) if accumulator.scales is ScalePlace.SUM else value


def _outer(result: Dyadic, a: Operand, b: Operand, accumulator: BlockAccumulator) -> Dyadic:
    """Rule K7."""
    scales = [side.outer for side in (a, b) if side.outer is not None]
    if accumulator.outer is None or not scales:
        return result
    factor = scales[0] if len(scales) == 1 else accumulator.outer.multiply(scales[0], scales[1])
    return accumulator.outer.multiply(result, factor)
