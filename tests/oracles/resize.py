"""Oracles of resizing: every output from the inputs that its row and column name, in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.oracles import arith

Plain = dict[str, Any]
Shape = tuple[int, ...]


def _resize_nearest(fields: Plain, shapes: list[Shape], inputs: list[Any]) -> list[Any]:
    return [[[list(inputs[0][row][column]) for column in fields["columns"]] for row in fields["rows"]]]


def _resize_bilinear(fields: Plain, shapes: list[Shape], inputs: list[Any]) -> list[Any]:
    (x,), (_, _, channels) = inputs, shapes[0]
    one = 2 ** fields["weight_bits"]

    def corners(between: Plain) -> list[list[tuple[int, Fraction]]]:
        """For each output index, the input indices with their shares."""
        triples = zip(between["low"], between["high"], between["weight"], strict=True)
        return [
            [(low, 1 - Fraction(weight, one)), (high, Fraction(weight, one))] for low, high, weight in triples
        ]

    rows, columns = corners(fields["rows"]), corners(fields["columns"])

    def mixed(row: Any, column: Any, c: int) -> int:
        exact = sum(a * b * x[i][j][c] for i, a in row for j, b in column)
        return arith.round_fraction(Fraction(exact), fields["rounding"])

    return [[[[mixed(row, column, c) for c in range(channels)] for column in columns] for row in rows]]


ORACLES = {
    "resize_bilinear": _resize_bilinear,
    "resize_nearest": _resize_nearest,
}
