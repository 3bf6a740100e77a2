"""Float networks that ONNX Runtime's own quantizer turns into integers, as its users do it: the whole
network, and every tensor that both sides name, equal to ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import CONVERTER
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from intsim.verify.diff import diff
from tests.converters.onnx.builder import OnnxBuilder


class Drawn(OnnxBuilder):
    """Layers of floats with drawn weights; every method adds some to a tensor and gives the result."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(opset=17)
        self.rng = np.random.default_rng(3)
        self.shape = shape
        self.x = self.input("x", (1, *shape), "float32")
        self.count = 0

    def weights(self, *shape: int) -> str:
        self.count += 1
        values = self.rng.normal(0, 1.2 / np.sqrt(np.prod(shape[1:], initial=1)), shape)
        return self.constant(f"w{self.count}", values, "float32")

    def conv(self, x: str, outputs: int, inputs: int, kernel: int = 1, **attributes: Any) -> str:
        parts = [x, self.weights(outputs, inputs, kernel, kernel), self.weights(outputs)]
        return self.node("Conv", parts, pads=[kernel // 2] * 4, **attributes)

    def dense(self, x: str, outputs: int, inputs: int) -> str:
        return self.node("MatMul", [x, self.weights(inputs, outputs)])

    def ints(self, *values: int) -> str:
        self.count += 1
        return self.constant(f"n{self.count}", np.array(values), "int64")

    def number(self, value: float) -> str:
        self.count += 1
        return self.constant(f"n{self.count}", np.float32(value), "float32")

    def done(self, y: str) -> Drawn:
        self.output(y, "float32")
        return self


def residual() -> Drawn:
    """Convolutions, one by channels, added to what went around them; pooled, classified, softmax."""
    b = Drawn((3, 12, 12))
    x = b.node("Relu", [b.conv(b.x, 8, 3, 3)])
    y = b.node("Clip", [b.conv(x, 8, 1, 3, group=8), b.number(0.0), b.number(6.0)])
    y = b.node("Add", [b.conv(y, 8, 8), x])
    y = b.node("GlobalAveragePool", [b.node("MaxPool", [y], kernel_shape=[2, 2], strides=[2, 2])])
    y = b.dense(b.node("Flatten", [y]), 10, 8)
    return b.done(b.node("Softmax", [y], axis=1))


def gated() -> Drawn:
    """Hard swish, and channels weighed by hard sigmoids of their means, as in MobileNet v3."""
    b = Drawn((3, 12, 12))
    x = b.conv(b.x, 8, 3, 3, strides=[2, 2])
    x = b.node("Mul", [x, b.node("HardSigmoid", [x], alpha=1 / 6)])
    z = b.node("Relu", [b.conv(b.node("GlobalAveragePool", [x]), 4, 8)])
    x = b.node("Mul", [x, b.node("HardSigmoid", [b.conv(z, 8, 4)], alpha=1 / 6)])
    x = b.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = b.node("LeakyRelu", [x], alpha=0.1)
    return b.done(b.dense(b.node("Flatten", [b.node("GlobalAveragePool", [x])]), 10, 8))


def enlarging() -> Drawn:
    """Sigmoid and tanh, parts of a tensor beside the image, channels spread over it."""
    b = Drawn((3, 8, 8))
    y = b.node("Sigmoid", [b.conv(b.x, 8, 3, 3)])
    y = b.node("Tanh", [b.node("AveragePool", [y], kernel_shape=[2, 2], strides=[2, 2])])
    y = b.node("Slice", [y, b.ints(0), b.ints(4), b.ints(1)])
    y = b.node("Resize", [y, "", b.constant("sizes", [1, 1, 2, 2], "float32")], mode="nearest",
               coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    y = b.node("Concat", [y, b.x], axis=1)
    return b.done(b.node("DepthToSpace", [b.conv(y, 12, 7, 3)], blocksize=2, mode="CRD"))


def attending() -> Drawn:
    """Attention without normalization, and a layer with GELU: products of two tensors, softmax, erf."""
    b = Drawn((6, 16))
    q, k, v = (b.dense(b.x, 16, 16) for _ in range(3))
    scores = b.node("MatMul", [q, b.node("Transpose", [k], perm=[0, 2, 1])])
    scores = b.node("Div", [scores, b.number(4.0)])
    x = b.node("Add", [b.dense(b.node("MatMul", [b.node("Softmax", [scores], axis=-1), v]), 16, 16), b.x])
    h = b.dense(x, 32, 16)
    erf = b.node("Erf", [b.node("Div", [h, b.number(np.sqrt(2))])])
    h = b.node("Mul", [b.node("Mul", [h, b.node("Add", [erf, b.number(1.0)])]), b.number(0.5)])
    return b.done(b.node("Add", [b.dense(h, 16, 32), x]))


class Samples(CalibrationDataReader):  # type: ignore[misc]
    """What the quantizer sees."""

    def __init__(self, samples: np.ndarray) -> None:
        self._left: Iterator[dict[str, np.ndarray]] = iter([{"x": sample[None]} for sample in samples])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._left, None)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("activations", ["QUInt8", "QInt8"])
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize("network", [residual, gated, enlarging, attending])
def test_no_integer_differs(
    network: Callable[[], Drawn], form: str, activations: str, per_channel: bool, tmp_path: Path
) -> None:
    drawn = network()
    samples = drawn.rng.normal(0, 1, (12, *drawn.shape)).astype(np.float32)
    given, made = tmp_path / "float.onnx", tmp_path / "model.onnx"
    given.write_bytes(drawn.build())
    quantize_static(
        given, made, Samples(samples[:4]), quant_format=QuantFormat[form], per_channel=per_channel,
        activation_type=QuantType[activations], weight_type=QuantType.QInt8,
    )  # fmt: skip
    found = diff(CONVERTER.convert(made), CONVERTER.runner(made, "ort"), [{"x": samples}], engine="reference")
    assert found.first is None, found
    assert sum(entry.difference.size for entry in found.tensors) >= 12 * 10
