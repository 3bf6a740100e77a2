"""Real networks against the runtimes that they were made for, integer by integer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from intsim_converters.tflite import CONVERTER, batch_layout, from_sample_batch, to_sample_batch

from intsim.engine import run
from intsim.errors import ConversionError
from intsim.network import Network
from tests.converters.agree import differences, edge_runs, random_runs, session_of
from tests.zoo.folder import zoo

FOLDER = zoo("tflite")
NETWORKS = sorted(path.stem for path in FOLDER.glob("*.tflite"))
LARGE, UNSIGNED = "mobilenet_v2_1.0_224_ptq", "mobilenet_v1_0.25_128_quant"
COUNT = {
    "litert-ref": {name: 4 if name == LARGE else 10 for name in NETWORKS},
    "xnnpack": {name: 2 if name == LARGE else 10 for name in NETWORKS},
    "tflm": {name: 1 if name == LARGE else 2 for name in NETWORKS if name != UNSIGNED},
}
"""Random inputs, beside three edges; with the marker `sweep`, 100 of every network."""

CASES = [(dialect, name) for dialect, networks in COUNT.items() for name in networks]
CHUNK = 4  # runs at a time: every tensor of every run is kept


@cache
def network(name: str, dialect: str) -> tuple[bytes, Network]:
    path = FOLDER / f"{name}.tflite"
    return path.read_bytes(), CONVERTER.convert(path, dialect)


def compare(name: str, dialect: str, count: int, seed: int) -> tuple[int, dict[str, int]]:
    """Elements compared, and the number that differ by tensor, over edges and random inputs.

    Every tensor that an operator yields is compared where the runtime keeps them: LiteRT's reference
    kernels and TensorFlow Lite Micro do, the default resolver gives outputs only.
    """
    data, converted = network(name, dialect)
    session, layout = session_of(data, dialect), batch_layout(data)
    runs = edge_runs(converted, layout.shapes) + random_runs(converted, layout.shapes, count, seed)
    yielded = {node.name for node in converted.nodes} & set(session.keys)
    compared, differing = 0, {}
    for chunk in chunks(runs):
        wanted = [session.run(entry) for entry in chunk]
        result = run(converted, to_sample_batch(layout, chunk), trace=("*",))
        found = from_sample_batch(layout, {**result.trace, **result.outputs})
        kept = set(session.output_keys) if dialect == "xnnpack" else yielded
        assert all(kept <= entry.keys() for entry in (*wanted, *found))
        more, wrong = differences(wanted, found)
        compared += more
        differing = {key: differing.get(key, 0) + wrong.get(key, 0) for key in (*differing, *wrong)}
    return compared, differing


def chunks(runs: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(runs), CHUNK):
        yield runs[start : start + CHUNK]


def test_the_zoo_has_its_networks() -> None:
    assert len(NETWORKS) == 8


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_every_integer_is_the_runtimes(dialect: str, name: str) -> None:
    compared, differing = compare(name, dialect, COUNT[dialect][name], seed=0)
    assert differing == {}, f"of {compared} elements"


@pytest.mark.sweep
@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_every_integer_is_the_runtimes_on_100_inputs(dialect: str, name: str) -> None:
    compared, differing = compare(name, dialect, 100, seed=1)
    assert differing == {}, f"of {compared} elements"


def test_unsigned_networks_have_no_kernels_in_tensorflow_lite_micro() -> None:
    with pytest.raises(ConversionError, match="not uint8 with uint8"):
        network(UNSIGNED, "tflm")


@pytest.mark.parametrize("name", ["mlperf_tiny_kws_dscnn", LARGE])
def test_the_resolvers_do_differ(name: str) -> None:
    """So the tests above can tell one dialect from another."""
    data, converted = network(name, "litert-ref")
    session, layout = session_of(data, "xnnpack"), batch_layout(data)
    runs = random_runs(converted, layout.shapes, 4, seed=0)
    result = run(converted, to_sample_batch(layout, runs))
    wanted = [session.run(entry) for entry in runs]
    assert differences(wanted, from_sample_batch(layout, result.outputs))[1]
