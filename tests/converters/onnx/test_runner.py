"""ONNX Runtime and onnx.reference as the other side of `intsim diff`: batches, layouts, types, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from intsim_converters.onnx import CONVERTER

from intsim.arithmetic import Accumulator, Overflow, Rounding
from intsim.errors import ConversionError, SpecError
from intsim.formats import IntFormat
from intsim.network import Network
from intsim.verify.diff import Diff, diff
from intsim.verify.diff_reasons import Reason
from tests.converters.onnx.builder import OnnxBuilder

RNG = np.random.default_rng(0)
HALF = np.float32(0.5)


def convolution(shape: Any) -> bytes:
    """Two convolutions in integers, a pooling between them: five tensors that both sides name."""
    b, rng = OnnxBuilder(), np.random.default_rng(7)
    real = b.input("real", shape, "float32")
    meanings = [b.meaning(name, np.float32(s), z, "uint8") for name, s, z in (
        ("x", 0.5, 3), ("a", 11.3, 7), ("b", 35.7, 128)
    )]  # fmt: skip
    x = b.quantize(real, meanings[0], "x")
    rank = len(shape) - 2
    w = b.constant("w", rng.integers(-9, 10, (4, shape[1], *(3,) * rank)), "int8")
    weights = b.meaning("w", HALF, 0, "int8")
    a = b.node("QLinearConv", [x, *meanings[0], w, *weights, *meanings[1]], ["a"], pads=[1] * 2 * rank)
    p = b.node("MaxPool", [a], ["p"], kernel_shape=[2] * rank, strides=[2] * rank)
    v = b.constant("v", rng.integers(-9, 10, (5, 4, *(1,) * rank)), "int8")
    more = b.meaning("v", HALF, 0, "int8")
    y = b.node("QLinearConv", [p, *meanings[1], v, *more, *meanings[2]], ["b"])
    b.output(b.dequantize(y, meanings[2], "y"), "float32")
    return b.build()


def one_node(
    op: str, dtype: str, to: str, *more: tuple[Any, str], shape: Any = (1, 6), **attributes: Any
) -> bytes:
    b = OnnxBuilder()
    constants = [b.constant(f"c{k}", *constant) for k, constant in enumerate(more)]
    b.output(b.node(op, [b.input("x", shape, dtype), *constants], ["y"], **attributes), to, shape)
    return b.build()


def compared(
    folder: Path, data: bytes, count: int, dialect: str = "ort", network: Network | None = None
) -> Diff:
    """A file's network, or another one, against the file."""
    path = folder / "model.onnx"
    path.write_bytes(data)
    network = network or CONVERTER.convert(path, dialect)
    inputs = {}
    for entry in CONVERTER.runner(path, dialect).network.inputs:
        name, spec = entry.name, entry.spec
        shape = count, *spec.shape
        real = not isinstance(spec.format, IntFormat)
        values = (
            RNG.normal(0, 40, shape) if real else RNG.integers(spec.format.min, spec.format.max + 1, shape)
        )
        inputs[name] = values.astype(spec.format.storage)
    return diff(network, CONVERTER.runner(path, dialect), [inputs], engine="reference")


def sizes(found: Diff) -> dict[str, int]:
    assert found.first is None, found
    return {entry.difference.name: entry.difference.size for entry in found.tensors}


@pytest.mark.parametrize("dialect", ["ort", "onnx-ref"])
@pytest.mark.parametrize("batch", ["N", 1, 3])
def test_every_reading_of_the_batch_and_every_layout(batch: Any, dialect: str, tmp_path: Path) -> None:
    """Seven samples: of a fixed batch of three, two files' worth and one more."""
    found = compared(tmp_path, convolution((batch, 2, 6, 4)), 7, dialect)
    assert sizes(found) == {"x": 7 * 48, "a": 7 * 96, "p": 7 * 24, "b": 7 * 30, "y": 7 * 30}
    assert found.samples == 7
    version = {"ort": "ONNX Runtime 1.", "onnx-ref": "onnx.reference 1."}
    assert found.against.startswith(version[dialect])


@pytest.mark.parametrize("batch", ["N", 1, 2])
def test_signals_of_one_axis(batch: Any, tmp_path: Path) -> None:
    found = compared(tmp_path, convolution((batch, 2, 6)), 3)
    assert sizes(found) == {"x": 3 * 12, "a": 3 * 24, "p": 3 * 12, "b": 3 * 15, "y": 3 * 15}


@pytest.mark.parametrize("shape", [(6,), (3, 4)])
def test_files_without_a_batch(shape: Any, tmp_path: Path) -> None:
    """The second is a fixed batch that is mixed: a sample is the whole."""
    node: dict[str, Any] = {"op": "Relu"} if len(shape) == 1 else {"op": "Transpose", "perm": [1, 0]}
    data = one_node(dtype="int8", to="int8", shape=shape, **node)
    if len(shape) == 2:
        model = onnx.ModelProto.FromString(data)
        del model.graph.output[0].type.tensor_type.shape.dim[:]
        model.graph.output[0].type.tensor_type.ClearField("shape")
        data = model.SerializeToString()
    assert sizes(compared(tmp_path, data, 5)) == {"y": 5 * int(np.prod(shape))}


@pytest.mark.parametrize("dialect", ["ort", "onnx-ref"])
def test_bool_is_compared_as_numbers(dialect: str, tmp_path: Path) -> None:
    data = one_node("Transpose", "bool", "bool", perm=[0, 1])
    assert sizes(compared(tmp_path, data, 20, dialect)) == {"y": 120}


@pytest.mark.parametrize("dialect", ["ort", "onnx-ref"])
@pytest.mark.parametrize("dtype", ["int4", "uint4", "int16", "uint16"])
def test_types_that_numpy_has_not(dtype: str, dialect: str, tmp_path: Path) -> None:
    """An output, and a tensor inside: 4 bits are compared as 8 bits that hold the same numbers."""
    b = OnnxBuilder()
    meaning = b.meaning("q", np.float32(8), 1, dtype)
    x = b.input("x", ("N", 6), "float32")
    inside = b.quantize(x, meaning, "inside")
    b.output(b.dequantize(inside, meaning, "real"), "float32")
    b.output(b.quantize(x, b.meaning("r", np.float32(4), 1, dtype), "y"), dtype)
    found = compared(tmp_path, b.build(), 20, dialect)
    assert sizes(found) == {"inside": 120, "real": 120, "y": 120}


def test_a_changed_scale_is_found(tmp_path: Path) -> None:
    data = convolution((1, 2, 6, 4))
    (tmp_path / "model.onnx").write_bytes(data)
    network = CONVERTER.convert(tmp_path / "model.onnx")
    model = onnx.ModelProto.FromString(data)
    (scale,) = (entry for entry in model.graph.initializer if entry.name == "a_scale")
    scale.CopyFrom(onnx.numpy_helper.from_array(np.array(11.9, np.float32), "a_scale"))
    found = compared(tmp_path, model.SerializeToString(), 4, network=network)
    assert found.first is not None
    assert found.first.name == "a"
    assert found.reason == Reason("op", "a has another requantization.steps[0].factors in the file")


def changed(network: Network, tensor: str, **fields: Any) -> Network:
    """With other fields of the op that makes a tensor."""
    maker = network.producers[tensor]
    nodes = [n.replace(op=n.op.replace(**fields)) if n is maker else n for n in network.nodes]
    return network.replace(nodes=tuple(nodes))


def test_another_rounding_is_found(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(convolution((1, 2, 6, 4)))
    network = CONVERTER.convert(tmp_path / "model.onnx")
    rule = network.producers["a"].op.requantization  # type: ignore[attr-defined]
    steps = (rule.steps[0].replace(rounding=Rounding.FLOOR), *rule.steps[1:])
    other = changed(network, "a", requantization=rule.replace(steps=steps))
    found = compared(tmp_path, (tmp_path / "model.onnx").read_bytes(), 4, network=other)
    assert found.first is not None
    assert found.first.name == "a"
    assert found.reason is not None
    assert found.reason.kind == "rounding"
    assert "step 1 rounds HALF_EVEN, not FLOOR" in (found.reason.words, *found.reason.also)


def test_a_narrow_accumulator_is_found(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(convolution((1, 2, 6, 4)))
    network = CONVERTER.convert(tmp_path / "model.onnx")
    narrow = Accumulator(IntFormat(12), Overflow.SATURATE)
    found = compared(
        tmp_path,
        (tmp_path / "model.onnx").read_bytes(),
        4,
        network=changed(network, "a/accumulator", accumulator=narrow),
    )
    assert found.first is not None
    assert found.first.name == "a"
    assert found.reason is not None
    assert (found.reason.kind, found.reason.words) == ("overflow", "the register holds every sum")


@pytest.mark.parametrize(
    ("mine", "theirs", "kind", "words"),
    [
        ("onnx-ref", "ort", "rounding", "as f32-rne-zp-after"),
        ("ort", "onnx-ref", "scale", "step 1 computes in float64, not float32"),
    ],
)  # fmt: skip
def test_the_other_runtime(mine: str, theirs: str, kind: str, words: str, tmp_path: Path) -> None:
    """Scales that are no powers of two and odd zero points: a few codes in ten thousand."""
    path = tmp_path / "model.onnx"
    path.write_bytes(convolution((1, 2, 6, 4)))
    real = np.random.default_rng(1).normal(0, 40, (400, 2, 6, 4)).astype(np.float32)
    found = diff(CONVERTER.convert(path, mine), CONVERTER.runner(path, theirs), [{"real": real}],
                 engine="reference")  # fmt: skip
    assert found.first is not None
    assert found.first.name == "a"
    assert found.reason is not None
    assert found.reason.kind == kind
    assert found.reason.words.startswith(words)


def test_a_file_that_its_dialect_does_not_take_is_run_all_the_same(tmp_path: Path) -> None:
    """A QDQ group in onnx.reference, which computes it in float: every code is that of the integers here."""
    b = OnnxBuilder()
    meanings = [b.meaning(name, np.float32(s), z, "uint8") for name, s, z in (("x", 0.5, 3), ("a", 16, 7))]
    x = b.dequantize(b.input("x", (1, 2, 4, 4), "uint8"), meanings[0])
    w = b.constant("w", RNG.integers(-9, 10, (4, 2, 3, 3)), "int8")
    weight = b.dequantize(w, b.meaning("w", HALF, 0, "int8"))
    b.output(b.quantize(b.node("Conv", [x, weight]), meanings[1], "y"), "uint8")
    path = tmp_path / "model.onnx"
    path.write_bytes(b.build())
    with pytest.raises(ConversionError, match="Conv computes in float in dialect onnx-ref"):
        CONVERTER.convert(path, "onnx-ref")
    inputs = {"x": RNG.integers(0, 256, (9, 2, 4, 4)).astype(np.uint8)}
    found = diff(CONVERTER.convert(path), CONVERTER.runner(path, "onnx-ref"), [inputs], engine="reference")
    assert sizes(found) == {"y": 9 * 16}


def test_another_file_is_refused(tmp_path: Path) -> None:
    path, other = tmp_path / "model.onnx", tmp_path / "other.onnx"
    path.write_bytes(convolution((1, 2, 6, 4)))
    network = CONVERTER.convert(path)
    inputs = [{"real": np.zeros((1, 2, 6, 4), np.float32)}]
    for data, words in (
        (convolution((1, 2, 6, 5)), r"input 'real': must be float32 of \(2, 6, 5\), as the file has it, not"),
        (one_node("Relu", "int8", "int8"), "input 'real': must be one of x, as of the file"),
        (one_node("Relu", "int8", "int8"), "input 'x': must be the network's too, as the file has it"),
    ):
        other.write_bytes(data)
        with pytest.raises(SpecError, match=words):
            diff(network, CONVERTER.runner(other), inputs, engine="reference")


def test_a_dialect_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(one_node("Relu", "int8", "int8"))
    with pytest.raises(ConversionError, match="dialect must be one of ort, integer, onnx-ref, not 'tflm'"):
        CONVERTER.runner(path, "tflm")
