"""Files from strangers: whole ones are read, others are one FileError, and nothing is read elsewhere."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.onnx import CONVERTER, read_model
from onnx import TensorProto, helper

from intsim.errors import ConversionError, FileError
from tests.converters.onnx.builder import MICROSOFT, OnnxBuilder
from tests.converters.onnx.damage import DAMAGES, damaged

TYPES = ("uint8", "int8", "uint16", "int16", "int32", "int64", "float32", "float16", "bool", "uint4", "int4")


def model() -> Any:
    b = OnnxBuilder()
    x = b.input("x", (1, 4), "float32")
    b.output(b.quantize(x, b.meaning("x", np.float32(0.5), 3, "uint8"), "y"), "uint8")
    return b.model()


def fused() -> bytes:
    """A convolution between doors, pooled, padded, reshaped, added to itself, multiplied."""
    b = OnnxBuilder()
    m = b.meaning("m", np.float32(0.5), 3, "uint8")
    x = b.dequantize(b.quantize(b.input("x", (1, 2, 4, 4), "float32"), m), m)
    w = b.dequantize(
        b.constant("w", np.ones((2, 2, 1, 1)), "int8"), b.meaning("w", np.float32(0.5), 0, "int8")
    )
    y = b.quantize(b.node("Conv", [x, w]), m)
    y = b.node("MaxPool", [y], kernel_shape=[2, 2], strides=[2, 2])
    y = b.node(
        "Reshape",
        [b.node("Pad", [y, b.constant("p", [0, 0, 1, 0] * 2, "int64")]), b.constant("s", [1, -1], "int64")],
    )
    y = b.node("QLinearAdd", [y, *m, y, *m, *m], domain=MICROSOFT)
    v = b.constant("v", np.ones((16, 3)), "uint8")
    b.output(b.node("QLinearMatMul", [y, *m, v, *m, *m], ["y"]), "uint8")
    return b.build()


def external(changes: dict[str, Any], data: bytes = b"\0\0\0\x3f") -> Any:
    """The model with its scale in another file."""
    made = model()
    (scale,) = [entry for entry in made.graph.initializer if entry.name == "x_scale"]
    scale.ClearField("raw_data")
    scale.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "weights.bin", "offset": 0, "length": len(data), **changes}.items():
        if value is not None:
            entry = scale.external_data.add()
            entry.key, entry.value = key, str(value)
    return made


def refused(data: bytes | Path) -> str:
    with pytest.raises(FileError) as caught:
        read_model(data)
    return str(caught.value)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("raw", [True, False])
def test_constants_are_what_onnx_says(dtype: str, raw: bool) -> None:
    number = getattr(TensorProto, {"float32": "FLOAT"}.get(dtype, dtype.upper()))
    values = np.array([0, 1, 1, 0, 1]) if dtype == "bool" else np.array([0, 1, 5, 3, 7])
    if dtype.startswith(("int", "float")):
        values = values - 4
    kind = helper.tensor_dtype_to_np_dtype(number)
    tensor = onnx.numpy_helper.from_array(values.astype(kind), "c")
    if not raw:
        tensor = helper.make_tensor("c", number, values.shape, values.tolist())
    made = model()
    made.graph.initializer.append(tensor)
    found = read_model(made.SerializeToString()).graph.constants["c"]
    assert found.dtype == dtype
    assert found.values.astype(np.float64).tolist() == values.astype(np.float64).tolist()


def test_no_protobuf() -> None:
    assert refused(b"\xff" * 20).startswith(
        "model in memory: must be an ONNX model; it cannot be read as one: "
    )
    assert "must be an ONNX model with a graph" in refused(b"")


def test_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.onnx").endswith("cannot be read: No such file or directory")
    assert refused(tmp_path).endswith("must be a file")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.dims.append(7), "float32 of shape (7,) must have 28 bytes, not 4"),
        (lambda t: t.dims.append(-1), "none negative, not (-1,)"),
        (lambda t: t.dims.extend([2**40, 2**40]), "must have fewer than 2**31 elements"),
        (lambda t: t.dims.extend([1] * 65), "shape must have at most 64 sizes"),
        (lambda t: setattr(t, "data_type", 99), "element type must be a number's, not number 99"),
        (lambda t: t.ClearField("raw_data"), "float_data must have 1 values for float32, not 0"),
        (lambda t: setattr(t, "name", ""), "initializers must have names of their own"),
    ],
)
def test_tensors_that_do_not_hold_what_they_say(change: Any, text: str) -> None:
    made = model()
    change(next(entry for entry in made.graph.initializer if entry.name == "x_scale"))
    assert text in refused(made.SerializeToString())


def test_values_beyond_their_type() -> None:
    made = model()
    made.graph.initializer.append(
        TensorProto(name="c", data_type=TensorProto.INT8, dims=[1], int32_data=[300])
    )
    assert "values must fit int8, not 300 to 300" in refused(made.SerializeToString())


def test_external_data_in_the_models_folder(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"....\0\0\0\x3f")
    path = tmp_path / "model.onnx"
    path.write_bytes(external({"offset": 4}).SerializeToString())
    assert float(read_model(path).graph.constants["x_scale"].values) == 0.5
    assert "must be in the file" in refused(path.read_bytes())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"location": "../weights.bin"},
            "external data must lie in the model's folder, not at '../weights.bin'",
        ),
        ({"location": "/etc/passwd"}, "external data must lie in the model's folder, not at '/etc/passwd'"),
        ({"location": "."}, "external data must lie in the model's folder, not at '.'"),
        ({"location": None}, "external data must lie in the model's folder, not at ''"),
        ({"location": "link.bin"}, "external data must lie in the model's folder, not at 'link.bin'"),
        ({"location": "none.bin"}, "external data 'none.bin' must be a file in the model's folder"),
        ({"offset": 2}, "external data must be 4 bytes within the 4 of 'weights.bin', not 4 from 2"),
        ({"offset": -1}, "not 4 from -1"),
        ({"length": 2**40}, "not 1099511627776 from 0"),
        ({"length": "many"}, "cannot be read: invalid literal"),
    ],
)
def test_external_data_elsewhere(changes: dict[str, Any], text: str, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"\0\0\0\x3f")
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"\0\0\0\x3f")
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    path = folder / "model.onnx"
    path.write_bytes(external(changes).SerializeToString())
    assert text in refused(path)


def test_names_that_are_no_text() -> None:
    data = model().SerializeToString().replace(b"QuantizeLinear", b"Quantize\xffinear")
    assert refused(data) == "model in memory: names must be UTF-8, not b'Quantize\\xffinear'"


def test_the_models_are_whole() -> None:
    assert [CONVERTER.convert(data).outputs for data in (model().SerializeToString(), fused())] == [
        ("y",)
    ] * 2


def test_sparse_initializers_are_told() -> None:
    made = model()
    made.graph.sparse_initializer.add()
    assert "initializers must be dense" in refused(made.SerializeToString())


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_file_is_an_error_in_words_or_another_model(data: st.DataObject) -> None:
    """Bytes changed, put in or left out: the converter raises one of its own errors, or reads it."""
    whole = data.draw(st.sampled_from([model().SerializeToString(), fused()]))
    with suppress(FileError, ConversionError):
        CONVERTER.convert(damaged(whole, data.draw(DAMAGES)))
