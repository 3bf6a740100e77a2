"""Constants of bool: moved as one unsigned bit each, refused by operators that compute."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from intsim_converters.tflite import CONVERTER, batch_layout, from_sample_batch, to_sample_batch

import intsim
from intsim.errors import ConversionError
from tests.zoo import litert
from tests.zoo.tflite_builder import ModelBuilder, Tensor

TRUTH = np.array([[True, False, True, True]])
GIVEN = np.array([[0, 1, 1, 0]], np.uint8)


def model(op: str, shape: tuple[int, ...], version: int = 1, **options: Any) -> bytes:
    """The operator on a bool input and a bool constant, both of shape (1, 4)."""
    m = ModelBuilder()
    inputs = [m.input("x", (1, 4), "bool"), m.constant("truth", TRUTH, "bool")]
    m.operator(op, inputs, [_output(m, shape)], version=version, **options)
    return m.build()


def _output(m: ModelBuilder, shape: tuple[int, ...]) -> Tensor:
    y = m.tensor("y", shape, "bool")
    m.output(y)
    return y


def agrees(data: bytes, inputs: dict[str, np.ndarray]) -> None:
    wanted, layout = litert.run(data, inputs)["y"], batch_layout(data)
    for engine in ("reference", "fast"):
        result = intsim.run(CONVERTER.convert(data), to_sample_batch(layout, [inputs]), engine=engine)
        (found,) = from_sample_batch(layout, result.outputs)
        assert found["y"].dtype == np.uint8
        assert found["y"].tolist() == wanted.astype(np.uint8).tolist()


@pytest.mark.parametrize("axis", [0, 1])
def test_a_constant_beside_an_input(axis: int) -> None:
    shape = (2, 4) if axis == 0 else (1, 8)
    agrees(model("CONCATENATION", shape, axis=axis, fused_activation_function="NONE"), {"x": GIVEN})


def test_rows_of_a_constant() -> None:
    m = ModelBuilder()
    indices = m.input("indices", (3,), "int32")
    table = m.constant("table", np.array([[True, False], [False, False], [True, True]]), "bool")
    m.operator("GATHER", [table, indices], [_output(m, (3, 2))], axis=0)
    agrees(m.build(), {"indices": np.array([2, 0, 1], np.int32)})


@pytest.mark.parametrize("op", ["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"])
def test_operators_that_compute_have_no_kernel_for_it(op: str) -> None:
    data = model(op, (1, 4))
    with pytest.raises(litert.RuntimeRefused):
        litert.run(data, {"x": GIVEN})
    with pytest.raises(ConversionError, match=r"must all be one of .*, not bool, bool and bool\. \[E1\]"):
        CONVERTER.convert(data)


def test_a_byte_that_is_neither_0_nor_1() -> None:
    data = model("CONCATENATION", (1, 8), axis=1, fused_activation_function="NONE")
    table = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    (buffer,) = (buffer for buffer in table.buffers if buffer.data is not None and len(buffer.data) == 4)
    buffer.data = [1, 2, 0, 1]
    builder = flatbuffers.Builder(1024)
    builder.Finish(table.Pack(builder), b"TFL3")
    with pytest.raises(ConversionError, match=r"must fit uint1 .*, not 2 at"):
        CONVERTER.convert(bytes(builder.Output()))
