"""`TensorView`: one operand of an operator, as a lowering function sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import numpy as np
from intsim_converters.tflite.model import Array, Tensor

from intsim.errors import SpecError
from intsim.formats import IntFormat, Quantization, RealFormat, TensorSpec

FORMATS: dict[str, IntFormat] = {
    **{f"int{bits}": IntFormat(bits) for bits in (2, 4, 8, 16, 32, 64)},
    **{f"uint{bits}": IntFormat(bits, signed=False) for bits in (4, 8, 16, 32)},
    "bool": IntFormat(1, signed=False),
}
"""Element type -> number format; bool is one unsigned bit."""


class TensorView:
    """One operand: the file's tensor, and how it is cut into samples (rules B1 to B3 of `batch`).

    Attributes
    ----------
    tensor : the file's data
    batched : whether the leading axis is the batch's, and so not in the samples
    """

    def __init__(self, tensor: Tensor, batched: bool, label: str, refuse: Callable[[str], NoReturn]) -> None:
        self.tensor, self.batched = tensor, batched
        self._label, self._refuse = label, refuse

    @property
    def name(self) -> str:
        return self.tensor.name

    @property
    def shape(self) -> tuple[int, ...]:
        """TFLite's shape, with the batch axis where there is one."""
        return self.tensor.shape

    @property
    def rank(self) -> int:
        """Number of TFLite's axes."""
        return len(self.tensor.shape)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.shape[1:] if self.batched else self.shape

    @property
    def dtype(self) -> str:
        """The file's element type, such as "int8"."""
        return self.tensor.dtype

    @property
    def is_constant(self) -> bool:
        return self.tensor.is_constant

    @property
    def is_float(self) -> bool:
        return self.tensor.is_float

    @property
    def data(self) -> Array:
        """A constant's values in TFLite's shape; refuses what is not a constant."""
        if not self.is_constant:
            self._refuse(f"{self._label} must be a constant, not computed")
        try:
            return self.tensor.data
        except ValueError as error:
            self._refuse(f"{self._label} {error}")

    @property
    def codes(self) -> Array:
        """`data` as integers: a bool's bytes as the file has them, of which 0 and 1 fit its format."""
        data = self.data
        return data.view(np.uint8) if data.dtype == np.bool_ else data

    @property
    def format(self) -> IntFormat:
        """The number format; refuses what holds no integers."""
        if self.dtype not in FORMATS:
            self._refuse(f"{self._label} must hold integers, not {self.dtype}")
        return FORMATS[self.dtype]

    @property
    def scales(self) -> Array:
        """The float32 scales, one or one per index along `quantized_axis`; refuses where there are none."""
        found = self.tensor.scales
        if found is None or found.scale.size == 0:
            self._refuse(f"{self._label} must be quantized; the file gives no scale")
        if found.details != "NONE":
            self._refuse(f"{self._label} must be quantized by scales, not by {found.details}")
        if not np.isfinite(found.scale).all() or (found.scale < 0).any():
            self._refuse(f"{self._label}: scales must be finite and not negative")
        return found.scale

    @property
    def scale(self) -> np.float32:
        """The one float32 scale; refuses several."""
        scales = self.scales
        if scales.size != 1:
            self._refuse(f"{self._label} must have one scale, not {scales.size}")
        return np.float32(scales[0])

    @property
    def zero_points(self) -> Array:
        """The zero points, as many as scales; refuses where the tensor is not quantized."""
        self.scales  # noqa: B018 - refuses
        assert self.tensor.scales is not None
        return self.tensor.scales.zero_point

    @property
    def zero_point(self) -> int:
        """The one zero point, which must be in the format; refuses several."""
        self.scale  # noqa: B018 - refuses
        zero_point = int(self.zero_points[0])
        if not self.format.holds(zero_point, zero_point):
            self._refuse(f"{self._label}: zero point must be in {self.format}, not {zero_point}")
        return zero_point

    @property
    def quantized_axis(self) -> int:
        """TFLite's axis that several scales run along."""
        return self.tensor.scales.axis if self.tensor.scales is not None else 0

    @property
    def quantization(self) -> Quantization | None:
        """The annotation for intsim: none where the file's scales make no meaningful one."""
        found = self.tensor.scales
        if found is None or found.details != "NONE" or found.scale.size == 0:
            return None
        if not np.isfinite(found.scale).all():
            return None
        axis = None
        if found.scale.size > 1:
            axis = found.axis - self.batched
            fits = 0 <= axis < len(self.sample_shape) and self.sample_shape[axis] == found.scale.size
            if not fits:
                return None
        try:
            return Quantization(found.scale.astype(np.float64), found.zero_point, axis)
        except SpecError:
            return None

    @property
    def spec(self) -> TensorSpec:
        """What intsim says of the tensor; refuses sizes below 1."""
        format = RealFormat(32) if self.dtype == "float32" else self.format
        try:
            return TensorSpec(self.sample_shape, format, self.quantization)
        except SpecError as error:
            self._refuse(f"{self._label}: {error}")
