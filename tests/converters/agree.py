"""Compare a converted network with LiteRT, integer by integer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from intsim_converters.tflite import CONVERTER, batch_layout, from_sample_batch, to_sample_batch

from intsim.engine import run
from intsim.network import Network
from tests.zoo import litert, tflm


def edge_runs(network: Network, shapes: Mapping[str, tuple[int, ...]]) -> list[dict[str, np.ndarray]]:
    """Framework inputs that are all lowest, all highest, and all zero points."""
    runs = []
    for pick in ("min", "max", "zero"):
        run_ = {}
        for entry in network.inputs:
            format, meaning = entry.spec.integer, entry.spec.quantization
            zero = int(meaning.zero_point[0]) if meaning is not None else 0
            value = {"min": format.min, "max": format.max, "zero": zero}[pick]
            run_[entry.name] = np.full(shapes[entry.name], value, format.storage)
        runs.append(run_)
    return runs


def random_runs(
    network: Network, shapes: Mapping[str, tuple[int, ...]], count: int, seed: int
) -> list[dict[str, np.ndarray]]:
    """Framework inputs over the formats' whole ranges."""
    rng = np.random.default_rng(seed)
    return [
        {
            entry.name: rng.integers(
                entry.spec.integer.min,
                entry.spec.integer.max,
                shapes[entry.name],
                dtype=entry.spec.integer.storage,
                endpoint=True,
            )
            for entry in network.inputs
        }
        for _ in range(count)
    ]


def differences(
    want: Sequence[Mapping[str, np.ndarray]], got: Sequence[Mapping[str, np.ndarray]]
) -> tuple[int, dict[str, int]]:
    """Elements compared, and the number that differ by tensor; shapes and types must be equal too."""
    compared, differing = 0, {}
    for wanted, found in zip(want, got, strict=True):
        for name in wanted.keys() & found.keys():
            assert found[name].dtype == wanted[name].dtype, (name, found[name].dtype, wanted[name].dtype)
            assert found[name].shape == wanted[name].shape, (name, found[name].shape, wanted[name].shape)
            compared += wanted[name].size
            wrong = int(np.count_nonzero(found[name] != wanted[name]))
            if wrong:
                differing[name] = differing.get(name, 0) + wrong
    return compared, differing


def session_of(
    data: bytes, dialect: str, resolver: litert.Resolver | None = None
) -> litert.Session | tflm.Session:
    """The runtime whose integers a dialect stands for; of LiteRT, the resolver may be named instead.

    Raises
    ------
    litert.RuntimeRefused
        It does not take the model.
    """
    if dialect == "tflm" and resolver is None:
        return tflm.Session(data)
    resolver = resolver or ("default" if dialect == "xnnpack" else "ref")
    return litert.Session(data, resolver, "all" if resolver == "ref" else "outputs")


def assert_agrees(
    data: bytes,
    *,
    count: int = 3,
    seed: int = 0,
    dialect: str = "litert-ref",
    resolver: litert.Resolver | None = None,
    engine: str = "reference",
) -> int:
    """Convert a model, run it on edge and random inputs, and demand the runtime's every integer.

    Compares the outputs, and every tensor that both sides name where the runtime keeps them.

    Returns
    -------
    The number of elements compared.

    Raises
    ------
    litert.RuntimeRefused
        The runtime does not take the model.
    """
    session = session_of(data, dialect, resolver)
    network = CONVERTER.convert(data, dialect)
    layout = batch_layout(data)
    runs = edge_runs(network, layout.shapes) + random_runs(network, layout.shapes, count, seed)
    wanted = [session.run(inputs) for inputs in runs]
    result = run(network, to_sample_batch(layout, runs), engine=engine, trace=("*",))
    constants = {node.name for node in network.nodes if node.op.name == "constant"}
    traced = {name: array for name, array in result.trace.items() if name not in constants}
    found = from_sample_batch(layout, {**traced, **result.outputs})
    compared, differing = differences(wanted, found)
    assert not differing, f"{differing} of {compared} elements differ"
    assert all(name in found[0] for name in session.output_keys)
    return compared
