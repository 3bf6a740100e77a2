"""Reshapes: through the order in which Brevitas lists a sample's elements, channel by channel."""

from __future__ import annotations

import math
from fractions import Fraction

from intsim_converters.brevitas.carried import Carried, stored_shape

from intsim.ops import Op, Reshape, Transpose

Shape = tuple[int, ...]


def reshaping(old: Shape, new: Shape) -> list[Op]:
    """The ops between tensors that Brevitas sees in these shapes."""
    there: list[Op] = [Transpose((2, 0, 1))] if _moves(old) else []
    back: list[Op] = [Transpose((1, 2, 0))] if _moves(new) else []
    between = (new[0], *stored_shape(new)[:2]) if _moves(new) else stored_shape(new)
    return [*there, Reshape(between), *back]


def _moves(shape: Shape) -> bool:
    """Whether channels last is another order of the elements."""
    return len(shape) > 1 and shape[0] > 1 and math.prod(shape) > shape[0]


def reshaped(x: Carried, shape: Shape) -> Carried:
    """What the tensor in another shape stands for: one meaning for all, or flattened channel by channel."""
    places = math.prod(x.shape) // x.shape[0]

    def repeated(values: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        if len(values) == 1 or len(shape) > 1:
            return (max(values),)
        return tuple(value for value in values for _ in range(places))

    return x.replace(
        shape=shape, affine=x.affine.repeated(places), error=repeated(x.error), reach=repeated(x.reach)
    )
