"""Reals at the door of `run` and `trace`: the codes that an annotated input makes of them.

A real is taken as float32, divided by the scale in float32, rounded to nearest with ties away from zero,
moved by the zero point and saturated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from intsim.errors import Finding, InputError
from intsim.formats import IntFormat, RealFormat, TensorSpec
from intsim.network import Network
from intsim.ops import Quantize

_SCANNED = 1 << 22  # elements looked at in one go


def at_the_door(network: Network, given: Mapping[str, Any]) -> dict[str, Any]:
    """Reals in place of the codes of every input that has a scale."""
    specs = {entry.name: entry.spec for entry in network.inputs}
    taken: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, value in given.items():
        spec = specs.get(name)
        if spec is None or isinstance(spec.format, RealFormat):
            taken[name] = value
        elif not isinstance(spec.format, IntFormat):
            findings.append(Finding(name, f"is {spec.format}, which --real does not make: give integers"))
        elif np.dtype(value.dtype).kind != "f":
            findings.append(Finding(name, f"values must be reals with --real, not {value.dtype}"))
        elif spec.quantization is None:
            findings.append(Finding(name, "has no scale in the network; quantize it and leave --real out"))
        else:
            taken[name] = RealInput(name, value, spec)
    if findings:
        raise InputError(findings)
    return taken


class RealInput:
    """An array of reals, read as the codes of an input; slices are quantized when they are asked for.

    Raises
    ------
    InputError
        Some value is not a number; the first index is named.
    """

    def __init__(self, name: str, values: Any, spec: TensorSpec) -> None:
        self._values, self._quantize = values, door_of(spec)
        self.shape, self.dtype = tuple(values.shape), spec.format.storage
        _refuse_nan(name, values)

    def __getitem__(self, index: Any) -> Any:
        with np.errstate(over="ignore"):  # beyond float32 is infinite, which saturates
            reals = np.asarray(self._values[index], dtype=np.float32)
        return self._quantize.reference(reals)[0].astype(self.dtype)


def door_of(spec: TensorSpec) -> Quantize:
    """The op that quantizes reals to the codes of an annotated tensor."""
    quantization, format = spec.quantization, spec.format
    if quantization is None or not isinstance(format, IntFormat):
        raise ValueError("the tensor has no scale, or no plain integers")
    return Quantize(
        scale=quantization.scale.astype(np.float32),
        zero_point=quantization.zero_point,
        axis=quantization.axis,
        format=format,
    )


def _refuse_nan(name: str, values: Any) -> None:
    step = max(1, _SCANNED // max(1, int(np.prod(values.shape[1:]))))
    for begin in range(0, values.shape[0] if values.shape else 0, step):
        wrong = np.isnan(values[begin : begin + step])
        if wrong.any():
            first = np.argwhere(wrong)[0].tolist()
            place = (begin + first[0], *first[1:])
            raise InputError(Finding(name, f"values must be numbers, not NaN at {place}"))
