"""Matrix products of blocks by a `BlockAccumulator`: `prepare` weights once, `multiply` rows by them.

Every result is that of `arithmetic.blocks.block_dot`, bit by bit; `Product.path` says how many were made
which way.

Rules
-----
X1. Where nothing but the last step rounds (an exact register, exact scales, no alignment), rows are integers
    on a grid of their own, cut into limbs of 7 bits for the int8 kernels: `kernels.block_exact`.
X2. Everything else, and rows whose scales are too far apart for limbs, is made pair by pair:
    `kernels.block_dots`.
X3. What neither holds is asked of `block_dot`: single rows with infinities, or whole products (`reason`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from intsim.arithmetic.blocks import BlockAccumulator, Kulisch, Operand, block_dot
from intsim.arithmetic.blocks.exact_sum import zeros
from intsim.arithmetic.encode import Beyond, encode
from intsim.errors import InputError
from intsim.formats.blocks import Blocks
from intsim.formats.dyadic import Dyadic, Kind
from intsim.formats.minifloat import Minifloat
from intsim.kernels.block_exact import Columns, columns_of
from intsim.kernels.block_exact import multiply_rows as limb_rows
from intsim.kernels.block_general import TERM, Side, layout_of, multiply_rows, of_words, side_of, traps
from intsim.kernels.block_planes import Source, source, storage
from intsim.kernels.block_rule import PLACES, STEP, Rule, rule_of
from intsim.record import Array

_INFINITE = 1  # of `kernels.block_round`, said again: a plan needs no numba


@dataclass(frozen=True, eq=False)
class Product:
    """What a product of M rows by N rows is.

    format : of the codes; None where there are none: the result is a word, or exact, or an infinity that the
        format has not
    codes : unsigned (M, N), the smallest dtype that holds them; None where there is no format
    exact : Dyadic (M, N); None where there are codes
    path : how many dot products were made as `limbs` (rule X1), as `pairs` (X2) and by the `reference` (X3)
    reason : why the reference was asked for all of them; "" where it was not
    """

    format: Minifloat | None
    codes: Array | None
    exact: Dyadic | None
    path: dict[str, int]
    reason: str = ""

    def values(self) -> Dyadic:
        """The results, as `block_dot` has them."""
        if self.format is not None and self.codes is not None:
            return self.format.decode(self.codes)
        if self.exact is None:
            raise InputError("product must hold codes or values")
        return self.exact


@dataclass(frozen=True, eq=False)
class Prepared:
    """Weights that were prepared for an accumulator.

    weights : Source of N rows
    accumulator : BlockAccumulator
    """

    weights: Source
    accumulator: BlockAccumulator
    _kept: dict[Any, Any] = field(default_factory=dict)

    def kept(self, key: Any, make: Callable[[], Any]) -> Any:
        """What is made of the weights once."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


def prepare(weights: Blocks | Operand, accumulator: BlockAccumulator) -> Prepared:
    """Weights for `multiply`; what is made of them is made at the first product, and kept.

    Parameters
    ----------
    weights : N rows of blocks, (N, K)
    accumulator : BlockAccumulator

    Raises
    ------
    InputError
        The weights have not two axes, or are none of a dot product.
    """
    return Prepared(source(weights), accumulator)


def multiply(prepared: Prepared, rows: Blocks | Operand, threads: int = 1) -> Product:
    """The dot products of `rows` with all rows of the weights.

    Parameters
    ----------
    rows : M rows of blocks, (M, K), their blocks of the weights' size, or of one that divides it or is
        divided by it
    threads : how many may work at once

    Returns
    -------
    Product of (M, N).

    Raises
    ------
    InputError
        The rows do not fit the weights, or have scales of the whole that the accumulator does not multiply.
    OverflowTrap
        A register with TRAP receives a value that does not fit.
    """
    left, right, accumulator = source(rows), prepared.weights, prepared.accumulator
    size = _common_size(left, right, accumulator)
    if left.rows == 0 or right.rows == 0 or left.length == 0:
        return _asked(left, right, accumulator, "there is nothing to add")
    rule = rule_of(accumulator, left.has_outer or right.has_outer)
    reason = rule if isinstance(rule, str) else left.asks or right.asks
    if isinstance(rule, str) or reason:
        return _asked(left, right, accumulator, reason)
    call = _Call(left, right, accumulator, rule, size, threads)
    if _rounds_once(call):
        columns = prepared.kept("limbs", lambda: columns_of(right))
        if not isinstance(columns, str):
            return _limbs(call, columns)
    single = (rule.fields[STEP] or size) == 1
    return _pairs(call, prepared.kept(("side", single), lambda: side_of(right, single)))


@dataclass(frozen=True)
class _Call:
    """What is multiplied, and how.

    size : elements of the blocks that both sides have
    """

    left: Source
    right: Source
    accumulator: BlockAccumulator
    rule: Rule
    size: int
    threads: int

    def some(self, rows: Array, columns: Array) -> _Call:
        """Some rows by some columns."""
        return replace(self, left=self.left.some(rows), right=self.right.some(columns))


def _common_size(a: Source, b: Source, accumulator: BlockAccumulator) -> int:
    """Elements of a block that both sides have; errors are those of `block_dot`."""
    if a.length != b.length:
        raise InputError(f"rows must be of one length, not {a.length} and {b.length}")
    size = min(a.size, b.size)
    for side in (a, b):
        if side.size % size:
            raise InputError(f"blocks must divide into blocks of {size}, not {side.size}")
    if accumulator.outer is None and (a.has_outer or b.has_outer):
        raise InputError("scales of whole tensors need an accumulator with outer. [K7]")
    return size


def _asked(left: Source, right: Source, accumulator: BlockAccumulator, reason: str) -> Product:
    """Rule X3 for everything."""
    found = reference(left, right, accumulator)
    return Product(None, None, found, {"limbs": 0, "pairs": 0, "reference": found.size}, reason)


def reference(a: Source, b: Source, accumulator: BlockAccumulator) -> Dyadic:
    """`block_dot` of all rows of `a` with all of `b`."""
    if not a.rows or not b.rows:
        return zeros((a.rows, b.rows))
    x = a.operand
    outer = x.outer
    if outer is not None and outer.shape:
        outer = outer.reshape(-1, 1)
    elements, scales = (
        values.each(lambda array: np.asarray(array)[:, None]) for values in (x.elements, x.scales)
    )
    tall = Operand(elements, scales, x.size, x.fraction, x.scale_fraction, outer)
    return block_dot(tall, b.operand, accumulator)


def _rounds_once(call: _Call) -> bool:
    """Whether rule X1 holds."""
    accumulator = call.accumulator
    exact = accumulator.alignment is None and accumulator.scale_arithmetic is None
    return exact and isinstance(accumulator.register, Kulisch) and not traps(call.rule)


def _limbs(call: _Call, columns: Columns) -> Product:
    """Rule X1, and X2 for the rows that limbs do not hold."""
    out = np.empty((call.left.rows, call.right.rows), storage(call.rule.result))
    skipped = limb_rows(call.rule, call.left, columns, out, call.threads)
    product = Product(call.rule.result, out, None, {"limbs": out.size, "pairs": 0, "reference": 0})
    rest = np.setdiff1d(np.arange(call.left.rows), skipped)
    single = (call.rule.fields[STEP] or call.size) == 1
    for i, j in ((skipped, np.arange(call.right.rows)), (rest, columns.left_out)):
        if i.size and j.size:
            part = call.some(i, j)
            product = _take(product, i, j, _pairs(part, side_of(part.right, single)))
    return product


def _pairs(call: _Call, right: Side) -> Product:
    """Rule X2."""
    left, rule = call.left, call.rule
    a, b = side_of(left, right.single), right
    if a.bits > TERM or b.bits > TERM:
        return _asked(
            left, call.right, call.accumulator, f"elements of a row span more than {TERM} bits [I3]"
        )
    a, b = a.finer(left.size, call.size), b.finer(call.right.size, call.size)
    fractions = left.fraction + call.right.fraction, left.scale_fraction + call.right.scale_fraction
    layout = layout_of(rule, a, b, call.size, fractions)
    if isinstance(layout, str):
        return _asked(left, call.right, call.accumulator, layout)
    shape = left.rows, call.right.rows
    out = np.zeros(shape if rule.result else (0, 0), storage(rule.result))
    words = np.zeros((0, 0, 4) if rule.result else (*shape, 4), np.int64)
    again = multiply_rows(rule, a, b, layout, out, words, call.threads)
    codes, exact = (out, None) if rule.result else (None, of_words(words, -rule.fields[PLACES]))
    path = {"limbs": 0, "pairs": left.rows * call.right.rows, "reference": 0}
    product = Product(rule.result, codes, exact, path)
    redo = np.flatnonzero(again | (a.planes.kinds == _INFINITE))
    other = np.flatnonzero(b.planes.kinds == _INFINITE)
    rest = np.setdiff1d(np.arange(left.rows), redo)
    for i, j in ((redo, np.arange(call.right.rows)), (rest, other)):
        if i.size and j.size:
            part = call.some(i, j)
            product = _take(product, i, j, _asked(part.left, part.right, call.accumulator, ""))
    return product


def _take(product: Product, rows: Array, columns: Array, part: Product) -> Product:
    """A product with a part that was made another way, where it belongs."""
    place, codes = np.ix_(rows, columns), part.codes
    format = product.format
    if codes is None and format is not None:
        found = part.values()
        if format.infinity_code is None and (found.kind == Kind.INFINITE).any():
            product = replace(product, format=None, codes=None, exact=product.values())
        else:
            codes = encode(format, found, beyond=Beyond.SPECIAL)
    if product.codes is not None:
        product.codes[place] = codes
    else:
        product = replace(product, exact=_put(product.values(), place, part.values()))
    path = {name: count + part.path[name] for name, count in product.path.items()}
    path["limbs" if product.path["limbs"] else "pairs"] -= rows.size * columns.size
    return replace(product, path=path)


def _put(into: Dyadic, place: Any, values: Dyadic) -> Dyadic:
    """Values at a place among others."""

    def arrays(name: str) -> Array:
        old, new = getattr(into, name), getattr(values, name)
        found = np.array(old, object if object in (old.dtype, new.dtype) else old.dtype)
        found[place] = new
        return found

    return Dyadic(*map(arrays, ("negative", "significand", "exponent", "kind")))
