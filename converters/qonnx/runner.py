"""The other side of ``intsim diff``: a QONNX file in QONNX' own execution, every tensor of it.

Rules
-----
E1. QONNX computes with float32 in the place of integers. They are turned back, n = real / slope + zero, where
    the converter has proved that float32 is exactly (n - zero) * slope, rounded once, and only if that gives
    the same float32 back. Tensors that are not proved are left out, with the reason.
E2. The file gets one sample at a time; of a fixed batch, as many as it takes, the last repeated to fill it
    and cut off behind.
E3. What float32 leaves open is rule T3 of `staircase`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from intsim_converters.onnx.reader import read_bytes
from intsim_converters.onnx.values import Layout
from intsim_converters.qonnx.convert import Conversion, convert_file
from intsim_converters.qonnx.execution import WHAT, Execution
from intsim_converters.qonnx.values import Carried

from intsim.errors import Finding, InputError

_IMAGE = (2, 0, 1)
"""Of height, width, channels: where the file's channels, height and width are."""


class QonnxRunner:
    """See `intsim.converter.DoubtingRunner`."""

    doubt = f"float32 of {WHAT}: the exact sum lies within its rounding error of a threshold"

    def __init__(self, source: Path, dialect: str | None) -> None:
        self._conversion = convert_file(source, dialect)
        self.network, self._where = self._conversion.network, Path(source).name
        self._execution = Execution(self._where, read_bytes(Path(source)))
        self.what = WHAT
        self.axes: dict[str, tuple[int, ...] | None] = {}
        self.left_out: dict[str, str] = {}
        for name, carried in self._carried().items():
            if carried.error.any():
                self.left_out[name] = "QONNX' float32 need not be exactly these integers"
            else:
                image = self._conversion.layouts.get(name) is Layout.IMAGE
                self.axes[name] = _IMAGE if image else None

    def _carried(self) -> dict[str, Carried]:
        """The tensors of the file that the network names alike and computes."""
        conversion: Conversion = self._conversion
        return {
            name: carried
            for name, carried in conversion.tensors.items()
            if name in self.network.producers and name in carried.codes.views.values() and not carried.steps
        }

    def run(self, inputs: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, np.ndarray]:
        given = {name: np.asarray(x) for name, x in inputs.items()}
        count, size = len(next(iter(given.values()))), self._conversion.batch.size
        kept: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for begin in range(0, count, size):
            taken = np.minimum(np.arange(begin, begin + size), count - 1)
            found = self._once({name: x[taken] for name, x in given.items()})
            for name, held in kept.items():
                held.append(self._integers(name, found[name]))
        return {name: np.concatenate(held)[:count] for name, held in kept.items()}

    def undecided(self, tensor: str, read: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Rule E3."""
        stairs = self._conversion.staircases.get(tensor)
        if stairs is None or not stairs.error.any():
            return None
        low, high = stairs.ends(read.astype(np.int64).reshape(-1, read.shape[-1]))
        return low.reshape(read.shape), high.reshape(read.shape)

    def _once(self, samples: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        given = {}
        for name, x in samples.items():
            carried = self._conversion.tensors.get(name)
            real = x.reshape(self._execution.shape(name))
            if carried is not None:
                real = (real.astype(np.int64) - carried.zero) * carried.slope
            given[name] = real.astype(np.float32)
        return self._execution.run(given)

    def _integers(self, name: str, real: np.ndarray) -> np.ndarray:
        """Rule E1: integers with the file's axes, a batch axis first."""
        carried = self._conversion.tensors[name]
        with np.errstate(all="ignore"):
            codes = np.rint(real.astype(np.float64) / carried.slope + carried.zero)
            same = np.isfinite(codes) & (((codes - carried.zero) * carried.slope).astype(np.float32) == real)
        if not same.all():
            value = real[~same].reshape(-1)[0]
            raise InputError(
                Finding(self._where, f"{name}: {self.what} must give integers of its scale, not {value}")
            )
        shape, axes = self.network.specs[name].shape, self.axes[name]
        theirs = shape if axes is None else tuple(shape[axis] for axis in axes)
        return codes.astype(np.int64).reshape(-1, *theirs)
