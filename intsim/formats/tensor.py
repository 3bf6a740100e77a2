"""`TensorSpec` and `Quantization`: what one tensor of a network is, and what its integers stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from intsim.formats.bipolar import Bipolar
from intsim.formats.codebook import Codebook
from intsim.formats.discrete import Discrete
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.integer import IntFormat
from intsim.formats.minifloat import Minifloat
from intsim.formats.power_of_two import PowerOfTwo
from intsim.formats.real import RealFormat
from intsim.formats.ternary import Ternary
from intsim.record import FloatArray, IntArray, Record, field


@dataclass(frozen=True, eq=False, repr=False)
class Quantization(Record):
    """What an integer stands for: real = scale * (q - zero_point). Execution ignores it."""

    scale: FloatArray = field("float64, one value per tensor or one per index along `axis`; positive")
    zero_point: IntArray = field("the integer that stands for 0; as many values as `scale`")
    axis: int | None = field("axis of the sample (batch not counted) the values run along", default=None)

    def check(self) -> Iterator[tuple[str, str]]:
        self.narrow("scale", np.float64)
        if self.scale.ndim != 1 or self.scale.size == 0:
            yield "scale", f"must be a list of at least one value, not of shape {self.scale.shape}"
        elif not (np.isfinite(self.scale) & (self.scale > 0)).all():
            yield "scale", "must be positive and finite"
        if self.zero_point.shape != self.scale.shape:
            yield (
                "zero_point",
                f"must have as many values as scale ({self.scale.shape}), not {self.zero_point.shape}",
            )
        if self.axis is None and self.scale.size > 1:
            yield "axis", f"must be given for {self.scale.size} scales"

    @classmethod
    def per_tensor(cls, scale: float, zero_point: int = 0) -> Quantization:
        return cls(np.array([scale], np.float64), np.array([zero_point]))


AnyDiscrete = IntFormat | Bipolar | Ternary | Codebook | FixedPoint | Minifloat | PowerOfTwo
"""What the entries of a tensor may be (see `Discrete`)."""

WeightFormat = IntFormat | Bipolar | Ternary | Codebook
"""What stored integers that are multiplied may be."""


@dataclass(frozen=True, eq=False, repr=False)
class TensorSpec(Record):
    """One tensor: shape of one sample (no batch axis; N H W C order), number format, meaning."""

    shape: tuple[int, ...] = field("sizes of one sample, batch not counted; each at least 1")
    format: AnyDiscrete | RealFormat = field("which numbers it holds")
    quantization: Quantization | None = field("what they stand for; an annotation", default=None)

    def check(self) -> Iterator[tuple[str, str]]:
        if any(size < 1 for size in self.shape):
            yield "shape", f"must have sizes of at least 1, not {self.shape}"
        quantization = self.quantization
        if quantization is not None and quantization.axis is not None:
            if not 0 <= quantization.axis < len(self.shape):
                yield "quantization.axis", f"must be an axis of {self.shape}, not {quantization.axis}"
            elif self.shape[quantization.axis] != quantization.scale.size:
                yield (
                    "quantization.scale",
                    f"must have {self.shape[quantization.axis]} values along axis {quantization.axis}, "
                    f"not {quantization.scale.size}",
                )

    @property
    def size(self) -> int:
        """Elements in one sample."""
        return int(np.prod(self.shape, dtype=object)) if self.shape else 1

    @property
    def integer(self) -> Discrete:
        """The format, known to be one of integers.

        Raises
        ------
        TypeError
            The tensor is real; only doors may meet one, and they ask first.
        """
        if not isinstance(self.format, Discrete):
            raise TypeError(f"an integer tensor is needed here, not {self.format}")
        return self.format

    def __str__(self) -> str:
        return f"{self.format}[{', '.join(map(str, self.shape))}]"
