"""Compare a converted network with the runtime of its dialect, integer by integer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from intsim_converters.onnx import Conversion, Layout, convert_model, read_model

from intsim.engine import run
from intsim.formats import RealFormat
from tests.converters.onnx.runtime import Arrays, session_of


def inputs_of(
    conversion: Conversion, shapes: Mapping[str, tuple[int, ...]], seed: int, count: int
) -> Iterator[Arrays]:
    """Codes all lowest, all highest, and over the whole format; reals small, large, at ties, and zero."""
    rng = np.random.default_rng(seed)
    for kind in ("low", "high", *("random",) * count):
        given = {}
        for entry in conversion.network.inputs:
            shape = shapes[entry.name]
            if isinstance(entry.spec.format, RealFormat):
                given[entry.name] = reals(rng, shape, kind)
                continue
            format = entry.spec.integer
            ends = {"low": (format.min, format.min), "high": (format.max, format.max)}
            low, high = ends.get(kind, (format.min, format.max))
            given[entry.name] = rng.integers(low, high, shape, endpoint=True).astype(format.storage)
        yield given


def reals(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> np.ndarray:
    if kind == "low":
        return np.full(shape, -3e38, np.float32)
    if kind == "high":
        return np.full(shape, 3e38, np.float32)
    spread = float(rng.choice([0.1, 1, 10, 1000]))
    values = rng.normal(0, spread, shape)
    ties = np.round(values * 64) / 64  # eighths and the like: ties where scales are powers of two
    return np.where(rng.random(shape) < 0.5, values, ties).astype(np.float32)


def as_samples(conversion: Conversion, given: Mapping[str, np.ndarray]) -> Arrays:
    """The runtime's arrays as intsim's, with a batch axis first; bool is 0 or 1."""
    whole = {name: array.view(np.uint8) if array.dtype == bool else array for name, array in given.items()}
    return {
        name: array if conversion.batch.batched(array.shape) else array[None] for name, array in whole.items()
    }


def as_file(conversion: Conversion, name: str, array: np.ndarray) -> np.ndarray:
    """An array of intsim's, batch first, with the axes of the file's tensor but for a leading 1."""
    if conversion.layouts.get(name) is Layout.IMAGE:
        return np.moveaxis(array, -1, 1)
    return array


def differing(conversion: Conversion, name: str, wanted: np.ndarray, found: np.ndarray) -> int:
    """Elements that differ; shapes and types must be equal."""
    found = as_file(conversion, name, found)
    assert found.size == wanted.size, (name, found.shape, wanted.shape)
    assert [size for size in found.shape if size > 1] == [size for size in wanted.shape if size > 1], name
    wanted = wanted.view(np.uint8) if wanted.dtype == bool else wanted
    assert found.dtype == wanted.dtype, (name, found.dtype, wanted.dtype)
    found = found.reshape(wanted.shape)
    wrong = found != wanted
    if wanted.dtype.kind == "f":
        wrong &= ~(np.isnan(found) & np.isnan(wanted))
    return int(np.count_nonzero(wrong))


def assert_agrees(
    data: bytes, dialect: str = "ort", *, count: int = 3, seed: int = 0, engine: str = "reference"
) -> int:
    """Convert a model, run it on edge and random inputs, and demand the runtime's every output.

    Returns
    -------
    The number of elements compared.

    Raises
    ------
    RuntimeRefused
        The runtime does not take the model.
    """
    model = read_model(data)
    conversion = convert_model(model, dialect)
    session = session_of(data, dialect)
    shapes = {
        port.name: tuple(2 if isinstance(size, str) else size for size in port.shape or ())
        for port in model.graph.inputs
    }
    compared = 0
    bools = {port.name for port in model.graph.inputs if port.dtype == "bool"}
    for given in inputs_of(conversion, shapes, seed, count):
        given.update({name: given[name].astype(bool) for name in bools})
        wanted = session.run(given)
        result = run(conversion.network, as_samples(conversion, given), engine=engine)
        assert set(result.outputs) == set(wanted)
        for name, array in wanted.items():
            wrong = differing(conversion, name, array, result.outputs[name])
            assert wrong == 0, f"{wrong} of {array.size} elements of {name} differ"
            compared += array.size
    return compared
