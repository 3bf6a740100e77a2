"""The float32 steps against ONNX Runtime's own operators, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from intsim_converters.qonnx.chain import Step, batch_norm

from tests.converters.onnx.builder import OnnxBuilder

RNG = np.random.default_rng(11)
X = (RNG.normal(size=(1, 16, 400)) * 10.0 ** RNG.integers(-3, 4, (1, 1, 400))).astype(np.float32)
BY_CHANNEL = (1, 16, 1)


def runtime(
    kind: str, *given: np.ndarray[Any, Any], first: bool = False, **attributes: Any
) -> np.ndarray[Any, Any]:
    """ONNX Runtime's result of one node."""
    b = OnnxBuilder(13)
    names = [b.input("x", X.shape, "float32")]
    names += [b.constant(f"c{k}", values, "float32") for k, values in enumerate(given)]
    b.output(b.node(kind, names[::-1] if first else names, **attributes), "float32")
    (found,) = onnxruntime.InferenceSession(b.build()).run(None, {"x": X})
    return np.asarray(found)


def numbers(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.asarray(RNG.normal(0, 3, shape), np.float32)


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div", "From"])
def test_arithmetic(kind: str) -> None:
    values = numbers(BY_CHANNEL)
    wanted = runtime("Sub" if kind == "From" else kind, values, first=kind == "From")
    assert np.array_equal(Step(kind, (values,))(X), wanted)


def test_activations() -> None:
    assert np.array_equal(Step("Relu")(X), runtime("Relu"))
    alpha = np.full((1, 1, 1), 0.07, np.float32)
    assert np.array_equal(Step("LeakyRelu", (alpha,))(X), runtime("LeakyRelu", alpha=float(alpha[0, 0, 0])))
    low, high = np.float32(-0.3), np.float32(1.7)
    assert np.array_equal(Step("Clip", (low, high))(X), runtime("Clip", low, high))


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3, 0.0])
def test_batch_norms(epsilon: float) -> None:
    scale, bias, mean = (numbers((16,)) for _ in range(3))
    variance = (RNG.random(16) * 10.0 ** RNG.integers(-5, 4, 16)).astype(np.float32)
    made = batch_norm(scale, bias, mean, variance, epsilon)
    step = Step("BatchNormalization", tuple(values.reshape(BY_CHANNEL) for values in made))
    wanted = runtime("BatchNormalization", scale, bias, mean, variance, epsilon=epsilon)
    assert np.array_equal(step(X), wanted)
