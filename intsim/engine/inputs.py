"""The door of a run: what is given is checked in full before anything is computed.

Rules
-----
I1. Every input of the network is given, and nothing else; a network with one input also takes its array.
I2. An integer input is an array of integers of any width; a real input is of exactly its float dtype.
I3. The first axis is the batch; the others are the input's shape.
I4. Every value is in the input's format.
I5. All inputs have one batch size; it may be 0.
All findings are reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from intsim.errors import Finding, InputError
from intsim.formats import Discrete, IntFormat, TensorSpec
from intsim.network import Network
from intsim.record import Array

_SCANNED = 1 << 24  # elements looked at in one go, so that arrays on disk stay there


def check_inputs(network: Network, given: Any) -> tuple[dict[str, Any], int]:
    """Name the inputs and check them (rules I1 to I5).

    Parameters
    ----------
    given : dict of input name -> array, or the array of a network with one input. Anything with
        ``shape``, ``dtype`` and slices (a memory map, an HDF5 dataset) is read piece by piece.

    Returns
    -------
    The inputs by name, and the batch size.

    Raises
    ------
    InputError
        With every finding.
    """
    named = _name_inputs(network, given)
    findings: list[Finding] = []
    for entry in network.inputs:
        findings += [Finding(entry.name, what) for what in _wrong(entry.spec, named[entry.name])]
    batches = {entry.name: named[entry.name].shape[0] for entry in network.inputs if not findings}
    if len(set(batches.values())) > 1:
        sizes = ", ".join(f"{name} {size}" for name, size in batches.items())
        findings.append(Finding("inputs", f"batch sizes must be the same, not {sizes}. [I5]"))
    if findings:
        raise InputError(findings)
    return named, next(iter(batches.values()))


def _name_inputs(network: Network, given: Any) -> dict[str, Any]:
    names = [entry.name for entry in network.inputs]
    known = ", ".join(names)
    if not isinstance(given, Mapping):
        if len(names) != 1:
            raise InputError(f"inputs must be given by name ({known}), not as one array. [I1]")
        given = {names[0]: given}
    findings = [
        Finding(str(name), f"inputs must be {known}, not {name!r}. [I1]")
        for name in given
        if name not in names
    ]
    findings += [
        Finding(name, f"must be given; inputs are {known}. [I1]") for name in names if name not in given
    ]
    if findings:
        raise InputError(findings)
    return {name: _array_like(given[name]) for name in names}


def _array_like(value: Any) -> Any:
    return value if hasattr(value, "shape") and hasattr(value, "dtype") else np.asarray(value)


def _wrong(spec: TensorSpec, value: Any) -> list[str]:
    """What breaks rules I2 to I4 in one input; values are looked at only where the rest is right."""
    found = [
        what for what in (_wrong_dtype(spec, value.dtype), _wrong_shape(spec, tuple(value.shape))) if what
    ]
    if not found and isinstance(spec.format, Discrete):
        what = _wrong_value(spec.format, value)
        found = [what] if what else []
    return found


def _wrong_dtype(spec: TensorSpec, dtype: np.dtype[Any]) -> str | None:
    if isinstance(spec.format, Discrete):
        if dtype.kind not in "iu":
            hint = " Quantize them first." if dtype.kind == "f" else ""
            return f"values must be integers ({spec.format}), not {dtype}.{hint} [I2]"
    elif dtype != spec.format.storage:
        return f"values must be {spec.format}, not {dtype}. [I2]"
    return None


def _wrong_shape(spec: TensorSpec, shape: tuple[int, ...]) -> str | None:
    if shape[1:] == spec.shape and len(shape) >= 1:
        return None
    wanted = f"({', '.join(['batch', *map(str, spec.shape)])})"
    hint = " Put a batch axis in front: x[None]." if shape == spec.shape else ""
    return f"shape must be {wanted}, not {shape}.{hint} [I3]"


def _wrong_value(format: Discrete, value: Any) -> str | None:
    """Rule I4: the first value outside, and how many there are."""
    dtype = np.iinfo(value.dtype)
    if isinstance(format, IntFormat) and format.holds(dtype.min, dtype.max):
        return None  # nothing else can be in the array
    step = max(1, _SCANNED // max(1, int(np.prod(value.shape[1:]))))
    first, count = "", 0
    for begin in range(0, value.shape[0], step):
        piece = np.asarray(value[begin : begin + step])
        outside = format.outside(piece)
        if outside.any():
            index = tuple(int(i) for i in np.argwhere(outside)[0])
            place = (begin + index[0], *index[1:])
            first = first or f"{int(piece[index])} at {place}"
            count += int(np.count_nonzero(outside))
    if not first:
        return None
    others = f"; {count} values do not fit" if count > 1 else ""
    return f"values must fit {format} ({format.min} to {format.max}), not {first}{others}. [I4]"


def chunk_of(network: Network, named: Mapping[str, Any], begin: int, end: int) -> dict[str, Array]:
    """Samples begin to end of every input, each in its format's storage."""
    return {
        entry.name: np.asarray(named[entry.name][begin:end]).astype(entry.spec.format.storage, copy=False)
        for entry in network.inputs
    }
