"""What models for TensorFlow Lite Micro are drawn from: scales, shapes, and a model in the making."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.zoo.tflite_builder import DTYPES, ModelBuilder, Tensor

Shape = tuple[int, ...]
Meaning = tuple[float, int]

BOTH = ("int8", "int16")
ANY_SCALE = st.floats(2.0**-9, 2.0).map(np.float32).map(float)
FRACTIONS = st.tuples(st.integers(1, 40), st.integers(10, 40)).map(
    lambda pair: float(np.float32(pair[0] / pair[1]))
)
SCALES = ANY_SCALE | FRACTIONS.filter(lambda scale: scale < 2)
"""Quotients of fractions lie beside ties, where products in float32 and in float64 part ways."""

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(lambda sizes: (1, *sizes))
IMAGES = st.tuples(st.just(1), st.integers(1, 7), st.integers(1, 7), st.integers(1, 4))


class Drawn:
    """A model in the making, and what is drawn for it."""

    def __init__(self, draw: DrawFn, types: Sequence[str] = BOTH) -> None:
        self.draw, self.model = draw, ModelBuilder()
        self.type = draw(st.sampled_from(types))

    def meaning(self, type: str | None = None) -> Meaning:
        """A scale, and a zero point anywhere in the type; int16 has none."""
        kind = DTYPES[type or self.type]
        zero = 0 if kind.name == "int16" else self.draw(st.integers(kind.low, kind.high))
        return self.draw(SCALES), zero

    def x(self, shape: Shape, meaning: Meaning | None = None, name: str = "x") -> Tensor:
        return self.model.input(name, shape, self.type, *(meaning or self.meaning()))

    def y(self, shape: Shape, meaning: Meaning | None = None, type: str | None = None) -> Tensor:
        type = type or self.type
        return self.model.tensor("y", shape, type, *(meaning or self.meaning(type)))

    def ints(self, name: str, values: Any) -> Tensor:
        return self.model.constant(name, np.array(values), "int32")

    def activation(self) -> str:
        return self.draw(st.sampled_from(("NONE", "RELU", "RELU6", "RELU_N1_TO_1")))

    def finish(
        self, op: str, inputs: Sequence[Tensor], output: Tensor, version: int = 2, **more: Any
    ) -> bytes:
        self.model.operator(op, inputs, [output], version=version, **more)
        self.model.output(output)
        return self.model.build()
