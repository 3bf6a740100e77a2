"""How the registers between blocks add: rules R1 to R7 of `register`, executed."""

from __future__ import annotations

import functools
from typing import TypeVar

import numpy as np

from intsim.arithmetic.accumulate import Topology
from intsim.arithmetic.blocks.align import Alignment, leading
from intsim.arithmetic.blocks.exact_sum import of_sums, stack, total, zeros
from intsim.arithmetic.blocks.register import AnyRegister, FixedRegister, FloatRegister, Kulisch
from intsim.arithmetic.overflow import fit
from intsim.arithmetic.units import scaled_round
from intsim.formats.dyadic import Dyadic
from intsim.record import Array

_NARROW = 62  # bits of a word that is int64

T = TypeVar("T")

Group = tuple[Dyadic, Array]
"""Terms that are aligned together along the last axis, and their exponents."""


def add_up(register: AnyRegister, values: list[Dyadic]) -> Dyadic:
    """What a register holds after values of one shape, first to last."""
    if isinstance(register, Kulisch):
        return total(stack(values))
    if isinstance(register, FixedRegister):
        return _fixed(register, values)
    entered = values if register.entering is None else [register.entering.round(value) for value in values]
    if register.topology is Topology.TREE and register.parts == 1:
        return _tree(register, [register.float.round(value) for value in entered])
    sums = [_chain(register, part) for part in _parts(register, entered)]
    return _combine(register, sums)


def add_up_aligned(register: FloatRegister, alignment: Alignment, groups: list[Group]) -> Dyadic:
    """What a float register holds after groups of terms that it is aligned with (rule R7)."""
    step = _with_terms if register.aligned else _joined
    sums = []
    for part in _parts(register, groups):
        held = zeros(groups[0][0].shape[:-1])
        for terms, exponents in part:
            held = step(register, alignment, held, terms, exponents)
        sums.append(held)
    return _combine(register, sums)


def _fixed(register: FixedRegister, values: list[Dyadic]) -> Dyadic:
    """Rule R3. A word below 62 bits and a value of at most 62 add up in int64."""
    narrow = register.bits < _NARROW
    held = np.zeros(values[0].shape, np.int64 if narrow else object)
    for value in values:
        units = scaled_round(value, np.full(value.shape, -register.fraction_bits), register.rounding)
        found = np.asarray(fit(np.asarray(held + units), register.format, register.overflow))
        held = found.astype(np.int64) if narrow else found
    return of_sums(held, np.full(held.shape, -register.fraction_bits), stack(values))


def _chain(register: FloatRegister, values: list[Dyadic]) -> Dyadic:
    """Rule R1, in a float: what was rounded enters as an operand, what was not is exact."""
    add = register.float.add_exact if register.entering is None else register.float.add
    return functools.reduce(add, values, zeros(values[0].shape))


def _tree(register: FloatRegister, values: list[Dyadic]) -> Dyadic:
    """Rule R6."""
    while len(values) > 1:
        pairs = zip(values[0::2], values[1::2], strict=False)
        last = values[len(values) - len(values) % 2 :]
        values = [register.float.add(a, b) for a, b in pairs] + last
    return values[0]


def _parts(register: FloatRegister, values: list[T]) -> list[list[T]]:
    """Rule R5: the shares of the parts, none of them empty."""
    parts = register.parts
    if register.interleaved:
        shares = [values[first::parts] for first in range(parts)]
    else:
        size = -(-len(values) // parts)
        shares = [values[begin : begin + size] for begin in range(0, len(values), size)]
    return [share for share in shares if share]


def _combine(register: FloatRegister, sums: list[Dyadic]) -> Dyadic:
    if register.topology is Topology.TREE:
        return _tree(register, sums)
    return functools.reduce(register.float.add, sums)


def _own_exponent(register: FloatRegister, held: Dyadic) -> Array:
    """The exponent of what a float register holds, by its format: that of the subnormals is the smallest."""
    return np.maximum(leading(held), register.float.format.emin)


def _with_terms(
    register: FloatRegister, alignment: Alignment, held: Dyadic, terms: Dyadic, exponents: Array
) -> Dyadic:
    """The register as one more term (rule R7, aligned)."""
    own = alignment.exponents(held, _own_exponent(register, held))
    everything = stack([*(terms[..., place] for place in range(terms.shape[-1])), held])
    found, _ = alignment.sum(everything, np.concatenate([exponents, own[..., None]], axis=-1))
    return register.float.round(found)


def _joined(
    register: FloatRegister, alignment: Alignment, held: Dyadic, terms: Dyadic, exponents: Array
) -> Dyadic:
    """The sum and the register, aligned with each other (rule R7, join)."""
    found, largest = alignment.sum(terms, exponents)
    if register.join is None:
        return register.float.add_exact(held, found)
    sum_side, register_side = register.join.sides(found, largest, held, _own_exponent(register, held))
    return register.float.round(total(stack([sum_side, register_side])))
