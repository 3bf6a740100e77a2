"""ResNet-50 and MobileNet v2 as .tflite files: the published shapes, with random weights from a seed.

Scales are such that codes spread over their range in every layer, as in a trained network: a layer's output
is scaled by what a sum of so many random products comes to.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.zoo.tflite_builder import ModelBuilder, Tensor

SCALE = 0.05  # of every activation
SPREAD = 45.0  # codes: standard deviation that a layer's output is scaled to
WEIGHT_SPREAD = 73.0  # of weights that are even in -127 to 127


class Drawn:
    """A network that grows at its end. Layers with a relu have their zero point at -128."""

    def __init__(self, name: str, size: int, seed: int) -> None:
        self.model = ModelBuilder(description=name)
        self.rng = np.random.default_rng(seed)
        self.count = 0
        self.x = self.model.input("image", (1, size, size, 3), "int8", SCALE, 0)
        self.zero = {self.x.name: 0}

    def conv(self, x: Tensor, channels: int, kernel: int, stride: int = 1, relu: bool = True) -> Tensor:
        """A convolution, padded so that only the stride makes the image smaller."""
        depth = x.shape[3]
        weight = self._weights((channels, kernel, kernel, depth))
        parts = self._parts(x, weight, kernel * kernel * depth, channels, axis=0)
        y = self._after(x, (1, *self._smaller(x, stride), channels), relu)
        window = {"padding": "SAME", "stride_w": stride, "stride_h": stride}
        self._add("CONV_2D", [x, *parts], y, 3, relu, dilation_w_factor=1, dilation_h_factor=1, **window)
        return y

    def depthwise(self, x: Tensor, stride: int) -> Tensor:
        """3 by 3 on each channel."""
        channels = x.shape[3]
        weight = self._weights((1, 3, 3, channels))
        parts = self._parts(x, weight, 9, channels, axis=3)
        y = self._after(x, (1, *self._smaller(x, stride), channels), True)
        window = {"padding": "SAME", "stride_w": stride, "stride_h": stride, "depth_multiplier": 1}
        dilation = {"dilation_w_factor": 1, "dilation_h_factor": 1}
        self._add("DEPTHWISE_CONV_2D", [x, *parts], y, 3, True, **window, **dilation)
        return y

    def dense(self, x: Tensor, channels: int) -> Tensor:
        """A fully connected layer with one scale for all weights."""
        weight = self._weights((channels, x.shape[1]))
        parts = self._parts(x, weight, x.shape[1], channels, axis=None)
        y = self._after(x, (1, channels), False)
        self._add("FULLY_CONNECTED", [x, *parts], y, 4, False)
        return y

    def add(self, x: Tensor, other: Tensor, relu: bool) -> Tensor:
        """A sum of two activations."""
        y = self._after(x, x.shape, relu, scale=SCALE * 1.4)
        self._add("ADD", [x, other], y, 2, relu)
        return y

    def max_pool(self, x: Tensor) -> Tensor:
        """3 by 3, stride 2."""
        y = self._after(x, (1, *self._smaller(x, 2), x.shape[3]), None)
        window = {"padding": "SAME", "stride_w": 2, "stride_h": 2, "filter_width": 3, "filter_height": 3}
        self._add("MAX_POOL_2D", [x], y, 2, False, **window)
        return y

    def mean(self, x: Tensor) -> Tensor:
        """Over height and width."""
        y = self._after(x, (1, x.shape[3]), None)
        axes = self.model.constant(f"axes{self.count}", np.array([1, 2]), "int32")
        self.model.operator("MEAN", [x, axes], [y], version=2, keep_dims=False)
        return y

    def build(self, y: Tensor) -> bytes:
        """The file."""
        self.model.output(y)
        return self.model.build()

    def _weights(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.rng.integers(-127, 127, shape, np.int8, endpoint=True)

    def _parts(
        self, x: Tensor, weight: np.ndarray, taps: int, channels: int, axis: int | None
    ) -> list[Tensor]:
        """Weights and bias, whose scales make the output spread as it should."""
        self.count += 1
        ratio = SPREAD / (SPREAD * WEIGHT_SPREAD * np.sqrt(taps))
        about = self.rng.uniform(0.8, 1.2, 1 if axis is None else channels)
        scales = (ratio * about).astype(np.float32)  # input and output have one scale
        bias = self.rng.integers(-5000, 5000, channels).astype(np.int32)
        both = (scales * np.float32(self.scale_of(x))).astype(np.float32)
        return [
            self.model.constant(f"weight{self.count}", weight, "int8", scales.tolist(), 0, axis=axis or 0),
            self.model.constant(f"bias{self.count}", bias, "int32", both.tolist(), 0),
        ]

    def scale_of(self, x: Tensor) -> float:
        return SCALE * 1.4 if x.name.startswith("wide") else SCALE

    def _after(
        self, x: Tensor, shape: tuple[int, ...], relu: bool | None, scale: float | None = None
    ) -> Tensor:
        """A new activation; without a say about relu it has the quantization of `x`."""
        self.count += 1
        wide = scale is not None or (relu is None and x.name.startswith("wide"))
        name = f"{'wide' if wide else 'layer'}{self.count}"
        self.zero[name] = self.zero[x.name] if relu is None else (-128 if relu else 0)
        return self.model.tensor(name, shape, "int8", SCALE * 1.4 if wide else SCALE, self.zero[name])

    def _add(
        self, op: str, inputs: list[Tensor], y: Tensor, version: int, relu: bool, **options: object
    ) -> None:
        activation = "RELU" if relu else "NONE"
        self.model.operator(op, inputs, [y], version=version, fused_activation_function=activation, **options)

    @staticmethod
    def _smaller(x: Tensor, stride: int) -> tuple[int, int]:
        return -(-x.shape[1] // stride), -(-x.shape[2] // stride)


def resnet50(size: int = 224, width: int = 64, classes: int = 1000, seed: int = 50) -> bytes:
    """He and others 2015, with the stride in the 3 by 3 convolution."""
    n = Drawn("resnet50", size, seed)
    x = n.max_pool(n.conv(n.x, width, 7, 2))
    for stage, blocks in enumerate((3, 4, 6, 3)):
        inner = width << stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            y = n.conv(n.conv(n.conv(x, inner, 1), inner, 3, stride), 4 * inner, 1, relu=False)
            x = n.add(y, x if block else n.conv(x, 4 * inner, 1, stride, relu=False), relu=True)
    return n.build(n.dense(n.mean(x), classes))


def mobilenet_v2(size: int = 224, width: int = 32, classes: int = 1000, seed: int = 2) -> bytes:
    """Sandler and others 2018."""
    n = Drawn("mobilenet_v2", size, seed)
    x = n.conv(n.x, width, 3, 2)
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2))
    for widen, channels, blocks, stride in (*stages, (6, 320, 1, 1)):
        for block in range(blocks):
            y = x if widen == 1 else n.conv(x, widen * x.shape[3], 1)
            y = n.depthwise(y, 1 if block else stride)
            y = n.conv(y, channels * width // 32, 1, relu=False)
            x = n.add(y, x, relu=False) if block else y
    return n.build(n.dense(n.mean(n.conv(x, 40 * width, 1)), classes))


SHAPES: dict[str, Callable[..., bytes]] = {"resnet50": resnet50, "mobilenet_v2": mobilenet_v2}
