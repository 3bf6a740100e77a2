"""ONNX Runtime's float32 sum in integers: every pair of codes, by Python's integers; one kernel runs it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import CONVERTER
from intsim_converters.onnx.fused_add import scaled_sum
from intsim_converters.onnx.integer_add import IntegerSum, integer_sum
from intsim_converters.onnx.values import Meaning

from intsim.engine import plan
from tests.converters.onnx.agree import assert_agrees
from tests.converters.onnx.builder import MICROSOFT, OnnxBuilder

Meanings = tuple[Meaning, Meaning, Meaning]


def drawn(seed: int) -> tuple[Meanings, bool]:
    """Scales within a factor of 30, zero points anywhere."""
    rng = np.random.default_rng(seed)
    dtype, least = ("uint8", 0) if seed % 2 else ("int8", -128)
    y = np.exp(rng.uniform(-4, 1))
    given = (y * np.exp(rng.uniform(-2.5, 1)), y * np.exp(rng.uniform(-2.5, 1)), y)
    points = rng.integers(least, least + 256, 3)
    first, second, third = (
        Meaning(np.array([scale], np.float32), np.array([point]), None, dtype)
        for scale, point in zip(given, points, strict=True)
    )
    return (first, second, third), bool(seed & 2)


def by_python(sums: IntegerSum, a: int, b: int, y: Meaning) -> int:
    """Rule H1."""
    exact = a * sums.fa + b * sums.fb + sums.c
    whole, rest = divmod(exact, 1 << sums.shift)
    half = 1 << (sums.shift - 1)
    whole += rest > half or (rest == half and whole % 2 == 1)
    return min(max(whole, y.lowest), y.highest)


def pairs(meanings: Meanings) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.arange(entry.format.min, entry.format.max + 1) for entry in meanings[:2])
    return first[:, None], second[None]


@pytest.mark.parametrize("seed", range(4))
def test_every_pair_has_its_code(seed: int) -> None:
    meanings, swapped = drawn(seed)
    made = integer_sum(meanings, swapped)
    assert made is not None
    a, b = pairs(meanings)
    wanted = scaled_sum(a, b, meanings, swapped)
    found = [[by_python(made, x, z, meanings[2]) for z in b.ravel().tolist()] for x in a.ravel().tolist()]
    assert found == wanted.tolist()


def test_few_sums_have_no_such_integers() -> None:
    """Of 100 drawn ones; where plain fixed point would differ in a pair, moving it a little mostly helps."""
    made = [integer_sum(*drawn(seed)) for seed in range(100)]
    assert sum(entry is not None for entry in made) >= 95


def test_moving_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fixed point alone has a wrong code in some of them."""
    monkeypatch.setattr("intsim_converters.onnx.integer_add._moved", lambda made, *given: made)
    made = [integer_sum(*drawn(seed)) for seed in range(40)]
    assert any(entry is None for entry in made)


def addition(seed: int) -> bytes:
    meanings, _ = drawn(seed)
    b, parts = OnnxBuilder(), []
    for name, entry in zip("ab", meanings, strict=False):
        parts += [b.input(name, (1, 40), entry.dtype), *meaning(b, name, entry)]
    b.output(b.node("QLinearAdd", [*parts, *meaning(b, "y", meanings[2])], ["y"], domain=MICROSOFT), "int8")
    return b.build()


def meaning(b: OnnxBuilder, name: str, entry: Meaning) -> list[str]:
    return b.meaning(name, entry.scale[0], entry.zero_point[0], entry.dtype)


def test_a_network_runs_it_in_one_kernel() -> None:
    network = CONVERTER.convert(addition(0))
    assert [node.op.name for node in network.nodes] == ["requantize", "requantize", "add", "requantize"]
    (step,) = plan(network).steps
    assert step.kernel == "requantize + requantize + add float32 + requantize"
    assert assert_agrees(addition(0), count=20, engine="fast") > 0


def test_without_such_integers_it_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intsim_converters.onnx.lower_elementwise.integer_sum", lambda *given: None)
    ops: Any = [node.op.name for node in CONVERTER.convert(addition(0)).nodes]
    assert ops[-2:] == ["add", "lookup"]
    assert assert_agrees(addition(0), count=20) > 0
