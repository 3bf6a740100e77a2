"""Quantize the digits networks to int8, run them in LiteRT, and keep network, inputs and outputs.

For each network, from ``float.npz`` (see `train_digits.py`):

    model.tflite    the quantized network
    network.h5      the same, converted by intsim
    inputs.npy      64 digits that were not trained on, as int8
    labels.npy      which digits they are
    outputs.npz     what LiteRT's reference kernels gave for them: not intsim's own answer

    pip install '.[tflite,test]'
    python golden/make_digits.py            make them anew
    python golden/make_digits.py --check    compare what would be made with what is kept
"""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from intsim_converters.tflite import CONVERTER
from sklearn.datasets import load_digits

from intsim.storage import load, save

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))  # the flatbuffer builder and the runtime live with the tests

from tests.zoo.litert import Session  # noqa: E402
from tests.zoo.tflite_builder import ModelBuilder, Tensor  # noqa: E402

TRAINED, KEPT = 1400, 64
Parameters = dict[str, np.ndarray]


def coarse(value: float) -> float:
    """The next number up with 10 significant bits: the same whatever order a sum was made in."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(math.ceil(mantissa * 1024), exponent - 10)


class Quantizer:
    """Builds a .tflite network layer by layer beside its float twin, whose ranges give the scales."""

    def __init__(self, name: str, images: np.ndarray) -> None:
        self.model = ModelBuilder(name)
        self.real: dict[int, np.ndarray] = {}
        self.scale: dict[int, float] = {}
        self.input = self.model.input("image", (1, *images.shape[1:]), "int8", 1 / 256, -128)
        self.real[self.input.index] = images
        self.scale[self.input.index] = 1 / 256

    def activation(
        self, name: str, real: np.ndarray, scale: float | None = None, zero_point: int = 0
    ) -> Tensor:
        """A tensor whose scale and zero point cover the values that its float twin takes."""
        if scale is None:
            low, high = min(0.0, float(real.min())), float(real.max())
            scale = coarse((high - low) / 255)
            zero_point = int(np.clip(-128 - round(low / scale), -128, 127))
        tensor = self.model.tensor(name, (1, *real.shape[1:]), "int8", scale, zero_point)
        self.real[tensor.index] = real
        self.scale[tensor.index] = scale
        return tensor

    def weights(
        self, name: str, x: Tensor, weight: np.ndarray, bias: np.ndarray, axis: int | None
    ) -> list[Tensor]:
        """Symmetric int8 weights, per channel along `axis` or per tensor, and their int32 bias."""
        others = tuple(i for i in range(weight.ndim) if i != axis) if axis is not None else None
        peak = np.abs(weight).max(axis=others, keepdims=axis is not None)
        scale = np.vectorize(coarse)(peak / 127)
        codes = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
        scales = [float(np.float32(s)) for s in scale.ravel()]
        bias_scales = [float(np.float32(s) * np.float32(self.scale[x.index])) for s in scales]
        bias_codes = np.rint(bias / np.array(bias_scales)).astype(np.int32)
        kernel = self.model.constant(
            f"{name}/weight", codes, "int8", scales, [0] * len(scales), axis=axis or 0
        )
        offset = self.model.constant(
            f"{name}/bias", bias_codes, "int32", bias_scales, [0] * len(scales), axis=0
        )
        return [kernel, offset]

    def convolution(
        self, name: str, x: Tensor, weight: np.ndarray, bias: np.ndarray, padding: str, activation: str
    ) -> Tensor:
        """CONV_2D, stride 1; `weight` in the order K C H W of the float network."""
        real = _activate(_convolve(self.real[x.index], weight, bias, padding), activation)
        y = self.activation(name, real)
        constants = self.weights(name, x, weight.transpose(0, 2, 3, 1), bias, axis=0)
        options = {"padding": padding, "stride_w": 1, "stride_h": 1, "fused_activation_function": activation}
        self.model.operator("CONV_2D", [x, *constants], [y], version=3, **options)
        return y

    def depthwise(
        self, name: str, x: Tensor, weight: np.ndarray, bias: np.ndarray, activation: str
    ) -> Tensor:
        """DEPTHWISE_CONV_2D, SAME, stride 1; `weight` in the order C 1 H W."""
        grouped = np.einsum("cohw,cd->cdhw", weight, np.eye(len(weight)))  # the same as a full convolution
        real = _activate(_convolve(self.real[x.index], grouped, bias, "SAME"), activation)
        y = self.activation(name, real)
        constants = self.weights(name, x, weight.transpose(1, 2, 3, 0), bias, axis=3)
        options = {"padding": "SAME", "stride_w": 1, "stride_h": 1, "depth_multiplier": 1}
        self.model.operator(
            "DEPTHWISE_CONV_2D",
            [x, *constants],
            [y],
            version=3,
            fused_activation_function=activation,
            **options,
        )
        return y

    def dense(self, name: str, x: Tensor, weight: np.ndarray, bias: np.ndarray, activation: str) -> Tensor:
        """FULLY_CONNECTED, per tensor."""
        y = self.activation(name, _activate(self.real[x.index] @ weight.T + bias, activation))
        constants = self.weights(name, x, weight, bias, axis=None)
        self.model.operator(
            "FULLY_CONNECTED", [x, *constants], [y], version=4, fused_activation_function=activation
        )
        return y

    def add(self, name: str, a: Tensor, b: Tensor, activation: str) -> Tensor:
        y = self.activation(name, _activate(self.real[a.index] + self.real[b.index], activation))
        self.model.operator("ADD", [a, b], [y], version=2, fused_activation_function=activation)
        return y

    def max_pool(self, name: str, x: Tensor) -> Tensor:
        n, h, w, c = self.real[x.index].shape
        real = self.real[x.index].reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))
        y = self.activation(name, real, self.scale[x.index], -128)
        options = {"padding": "VALID", "stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2}
        self.model.operator("MAX_POOL_2D", [x], [y], version=2, **options)
        return y

    def mean(self, name: str, x: Tensor) -> Tensor:
        """MEAN over height and width."""
        y = self.activation(name, self.real[x.index].mean(axis=(1, 2)))
        axes = self.model.constant(f"{name}/axes", np.array([1, 2]), "int32")
        self.model.operator("MEAN", [x, axes], [y], version=2, keep_dims=False)
        return y

    def reshape(self, name: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        y = self.activation(name, self.real[x.index].reshape(-1, *shape), self.scale[x.index], -128)
        wanted = self.model.constant(f"{name}/shape", np.array([1, *shape]), "int32")
        self.model.operator("RESHAPE", [x, wanted], [y], new_shape=[1, *shape])
        return y

    def softmax(self, name: str, x: Tensor) -> Tensor:
        y = self.activation(name, self.real[x.index], 1 / 256, -128)
        self.model.operator("SOFTMAX", [x], [y], version=2, beta=1.0)
        return y

    def finish(self, *outputs: Tensor) -> bytes:
        self.model.output(*outputs)
        return self.model.build()


def digits_cnn(p: Parameters, images: np.ndarray) -> bytes:
    """Convolution, a depthwise separable residual block, max pool, convolution, mean, dense, softmax."""
    q = Quantizer("digits_cnn", images)
    stem = q.convolution("stem", q.input, p["stem.weight"], p["stem.bias"], "SAME", "RELU")
    separable = q.depthwise("block/depthwise", stem, p["depthwise.weight"], p["depthwise.bias"], "RELU6")
    pointwise = (p["pointwise.weight"], p["pointwise.bias"])
    separable = q.convolution("block/pointwise", separable, *pointwise, "VALID", "NONE")
    joined = q.add("block/add", stem, separable, "RELU")
    body = q.convolution(
        "body", q.max_pool("pool", joined), p["body.weight"], p["body.bias"], "VALID", "RELU"
    )
    logits = q.dense("logits", q.mean("mean", body), p["classes.weight"], p["classes.bias"], "NONE")
    return q.finish(q.softmax("probabilities", logits))


def digits_mlp(p: Parameters, images: np.ndarray) -> bytes:
    """Two dense layers."""
    q = Quantizer("digits_mlp", images)
    flat = q.reshape("flat", q.input, (64,))
    hidden = q.dense("hidden", flat, p["hidden.weight"], p["hidden.bias"], "RELU")
    return q.finish(q.dense("logits", hidden, p["classes.weight"], p["classes.bias"], "NONE"))


NETWORKS: dict[str, Callable[[Parameters, np.ndarray], bytes]] = {
    "digits_cnn": digits_cnn,
    "digits_mlp": digits_mlp,
}


def make(name: str) -> dict[str, bytes]:
    """Every file of one network, by file name."""
    digits = load_digits()
    images = digits.images[..., None] / 16
    with np.load(FOLDER / name / "float.npz") as stored:
        parameters = {key: stored[key].astype(np.float64) for key in stored.files}
    model = NETWORKS[name](parameters, images[:TRAINED])
    kept = slice(TRAINED, TRAINED + KEPT)
    inputs = np.clip(np.rint(images[kept] * 256) - 128, -128, 127).astype(np.int8)
    session = Session(model, "ref")
    answers = [session.run({"image": sample[None]}) for sample in inputs]
    outputs = {key: np.concatenate([answer[key] for answer in answers]) for key in answers[0]}
    return {
        "model.tflite": model,
        "network.h5": _converted(model),
        "inputs.npy": _npy(inputs),
        "labels.npy": _npy(digits.target[kept].astype(np.int64)),
        "outputs.npz": _npz(outputs),
    }


def _converted(model: bytes) -> bytes:
    """What ``intsim convert model.tflite -o network.h5`` writes; the file's name is kept in it."""
    with TemporaryDirectory() as folder:
        source, network = Path(folder, "model.tflite"), Path(folder, "network.h5")
        source.write_bytes(model)
        save(CONVERTER.convert(source), network)
        return network.read_bytes()


def _same(path: Path, content: bytes) -> bool:
    """Whether a kept file has this content; a network by what it says, as HDF5 libraries lay it out apart."""
    if path.suffix != ".h5":
        return path.read_bytes() == content
    with TemporaryDirectory() as folder:
        made = Path(folder, path.name)
        made.write_bytes(content)
        return load(path) == load(made)


def _convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, padding: str) -> np.ndarray:
    """Stride 1; x in N H W C, weight in K C H W."""
    if padding == "SAME":
        pads = [(size // 2, size // 2) for size in weight.shape[2:]]
        x = np.pad(x, ((0, 0), *pads, (0, 0)))
    seen = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(1, 2))
    return np.einsum("nyxchw,kchw->nyxk", seen, weight, optimize=True) + bias


def _activate(x: np.ndarray, activation: str) -> np.ndarray:
    low, high = {"NONE": (-np.inf, np.inf), "RELU": (0, np.inf), "RELU6": (0, 6)}[activation]
    return np.clip(x, low, high)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    """An .npz file; numpy writes fixed time stamps, so the same arrays give the same bytes."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the digits networks anew, or check what is kept.")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 where a file differs")
    check = parser.parse_args().check
    different = 0
    for name in NETWORKS:
        for file, content in make(name).items():
            path = FOLDER / name / file
            if not check:
                path.write_bytes(content)
            elif not path.exists() or not _same(path, content):
                different += 1
                print(f"{name}/{file}: differs from what is kept")
    print(f"{different} files differ" if check else "made")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
