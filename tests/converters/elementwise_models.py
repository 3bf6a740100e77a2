"""Single elementwise operators, drawn at random, and the demand that intsim gives LiteRT's integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from intsim_converters.tflite import CONVERTER, batch_layout, from_sample_batch, to_sample_batch

from intsim.engine import run
from intsim.errors import ConversionError
from tests.converters.agree import edge_runs, random_runs, session_of
from tests.zoo import litert
from tests.zoo.tflite_builder import DTYPES, ModelBuilder, Tensor

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(lambda shape: (1, *shape))


@st.composite
def scales(draw: st.DrawFn, low: float = -8, high: float = 0) -> float:
    """A float32 scale, a power of two often."""
    power = draw(st.floats(low, high) | st.integers(int(low), int(high)).map(float))
    return float(np.float32(2.0**power))


@st.composite
def meanings(draw: st.DrawFn, dtype: str, symmetric16: bool = True) -> tuple[float, int]:
    """Scale and zero point that suit an element type; int16 is finer, and centred at 0."""
    kind = DTYPES[dtype]
    if dtype == "int16":
        return draw(scales(-16, -8)), 0 if symmetric16 else draw(st.integers(-300, 300))
    edges = st.sampled_from([kind.low, kind.high, (kind.low + kind.high + 1) // 2])
    return draw(scales()), draw(edges | st.integers(kind.low, kind.high))


@st.composite
def broadcast(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast, and what comes of them."""
    shape = draw(SHAPES)
    pair = []
    for _ in range(2):
        other = tuple(draw(st.sampled_from([1, size, size])) for size in shape)
        pair.append(other[draw(st.sampled_from([0, 0, len(other) - 1])) :])
    return pair[0], pair[1], tuple(np.broadcast_shapes(*pair))


def values(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Integers over an element type's whole range."""
    kind = DTYPES[dtype]
    return np.random.default_rng(seed).integers(kind.low, kind.high, shape, endpoint=True)


def operand(
    m: ModelBuilder,
    name: str,
    shape: Any,
    dtype: str,
    meaning: tuple[float, int] | None,
    constant: bool,
    seed: int,
) -> Tensor:
    """A computed operand, or a constant one."""
    parameters: tuple[Any, ...] = meaning if meaning is not None else ()
    if constant:
        return m.constant(name, values(shape, dtype, seed), dtype, *parameters)
    return m.input(name, shape, dtype, *parameters)


STOPS = "the runtime"
"""What every refusal says that stands for an abort, or an undefined result, of the runtime's own."""


def demand(
    data: bytes,
    dialect: str = "litert-ref",
    *,
    resolver: litert.Resolver | None = None,
    seed: int = 0,
    runs: list[dict[str, np.ndarray]] | None = None,
    refusable: bool = False,
) -> int:
    """Equality in every integer of the outputs, unless the runtime refuses the model.

    runs : inputs by name; edges and random ones where absent
    refusable : whether the converter may refuse; else only where the runtime would stop

    Returns
    -------
    The number of elements compared.
    """
    network, refusal = None, ""
    try:
        network = CONVERTER.convert(data, dialect)
    except ConversionError as error:
        refusal = str(error)
    if network is None:
        assert refusable or STOPS in refusal, refusal
        assume(False)
    layout = batch_layout(data)
    if runs is None:
        runs = edge_runs(network, layout.shapes) + random_runs(network, layout.shapes, 2, seed)
    try:
        session = session_of(data, dialect, resolver)
        wanted = [session.run(given) for given in runs]
    except litert.RuntimeRefused:
        assume(False)
    compared = 0
    for engine in ("reference", "fast"):
        found = from_sample_batch(layout, run(network, to_sample_batch(layout, runs), engine=engine).outputs)
        for given, want, got in zip(runs, wanted, found, strict=True):
            assert set(got) == set(session.output_keys)
            for name, values in got.items():
                wrong = np.flatnonzero(values.ravel() != want[name].ravel())  # XNNPACK drops axes of size 1
                assert values.dtype == want[name].dtype
                assert not wrong.size, (
                    engine,
                    {key: x.ravel()[wrong[:5]] for key, x in given.items()},
                    values.ravel()[wrong[:5]],
                    want[name].ravel()[wrong[:5]],
                )
                compared += values.size
    return compared
