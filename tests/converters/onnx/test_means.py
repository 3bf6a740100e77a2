"""ReduceMean and ReduceSum in dialect integer: GlobalAveragePool's integers, and along any axes by numpy;
ONNX Runtime's where floats are exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import CONVERTER

from intsim.engine import run
from tests.converters.onnx.builder import LIMITS, OnnxBuilder
from tests.converters.onnx.drawing import EIGHT, codes
from tests.converters.onnx.runtime import Session
from tests.converters.onnx.test_refusals import refusal

SHAPE = (1, 3, 4, 5)


def mean(dtype: str, op: str, axes: Any = None, opset: int = 21, **given: Any) -> OnnxBuilder:
    """Between doors; axes as an attribute, or from opset 18 on as an input."""
    b = OnnxBuilder(opset)
    x = [b.dequantize(b.input("x", SHAPE, dtype), b.meaning("x", 0.05, 3, dtype))]
    if axes is not None and opset >= 18:
        x.append(b.constant("axes", axes, "int64"))
    elif axes is not None:
        given["axes"] = axes
    b.output(b.quantize(b.node(op, x, **given), b.meaning("y", 0.013, 5, dtype), "y"), dtype)
    return b


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("dtype", EIGHT)
def test_a_mean_of_images_is_the_runtimes_global_average(dtype: str, opset: int) -> None:
    x = codes(np.random.default_rng(0), dtype, SHAPE).astype(dtype)
    wanted = Session(mean(dtype, "GlobalAveragePool").build()).run({"x": x})["y"]
    network = CONVERTER.convert(mean(dtype, "ReduceMean", [2, 3], opset).build(), "integer")
    assert np.array_equal(run(network, x).outputs["y"], wanted)


@pytest.mark.parametrize("dtype", ["int4", "uint8", "int16", "uint16"])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [[1], [-1], [1, 3], [1, 2, 3], [0, 2], None])
def test_means_along_axes(axes: Any, keepdims: int, dtype: str) -> None:
    x = codes(np.random.default_rng(1), dtype, SHAPE).astype({"int4": "int8"}.get(dtype, dtype))
    network = CONVERTER.convert(mean(dtype, "ReduceMean", axes, keepdims=keepdims).build(), "integer")
    gone = tuple(axes) if axes is not None else None
    sums = (x.astype(np.int64) - 3).sum(axis=gone, keepdims=bool(keepdims))
    count = np.float32(x.size // sums.size)
    ratio = np.float32(0.05) / (np.float32(0.013) * count)
    wanted = np.clip(np.rint(sums.astype(np.float32) * ratio) + 5, *LIMITS[dtype])
    found = run(network, x).outputs["y"]
    assert np.array_equal(found.reshape(wanted.shape), wanted)


@pytest.mark.parametrize("dialect", ["ort", "onnx-ref"])
def test_dialects_that_compute_it_in_float(dialect: str) -> None:
    (found,) = refusal(mean("uint8", "ReduceMean", [2, 3]), dialect)
    said = f"ReduceMean computes in float in dialect {dialect}; --dialect integer adds up codes. [N1]"
    assert found.endswith(f"float region: {said}")


def test_a_mean_of_nothing() -> None:
    (found,) = refusal(mean("uint8", "ReduceMean", noop_with_empty_axes=1), "integer")
    assert found.endswith("axes must not be none. [N1]")


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum"])
@pytest.mark.parametrize("axes", [[2, 3], [1], [-1], None])
@pytest.mark.parametrize("opset", [11, 13, 18])
def test_where_floats_are_exact_the_runtime_has_the_same(op: str, axes: Any, opset: int) -> None:
    """Powers of two as scales and as counts: ties stay ties. Sums' axes are an input from opset 13 on."""
    b, given = OnnxBuilder(opset), {}
    x = [b.dequantize(b.input("x", (1, 4, 4, 8), "uint8"), b.meaning("x", 0.5, 3, "uint8"))]
    if axes is not None and opset >= (13 if op == "ReduceSum" else 18):
        x.append(b.constant("axes", axes, "int64"))
    elif axes is not None:
        given["axes"] = axes
    b.output(
        b.quantize(
            b.node(op, x, **given), b.meaning("y", 2.0 if op == "ReduceMean" else 32.0, 7, "int8"), "y"
        ),
        "int8",
    )
    codes_in = codes(np.random.default_rng(0), "uint8", (1, 4, 4, 8)).astype(np.uint8)
    wanted = Session(b.build()).run({"x": codes_in})["y"]
    found = run(CONVERTER.convert(b.build(), "integer"), codes_in).outputs["y"]
    assert len(np.unique(wanted)) > (axes is not None)
    assert np.array_equal(found.reshape(wanted.shape), wanted)


@pytest.mark.parametrize("axes", [[1], [-1, 2], [1, 2, 3]])
def test_sums_along_axes(axes: Any) -> None:
    x = codes(np.random.default_rng(2), "int8", SHAPE).astype(np.int8)
    found = run(CONVERTER.convert(mean("int8", "ReduceSum", axes).build(), "integer"), x).outputs["y"]
    sums = (x.astype(np.int64) - 3).sum(axis=tuple(axes), keepdims=True)
    ratio = np.float32(0.05) / np.float32(0.013)
    wanted = np.clip(np.rint(sums.astype(np.float32) * ratio) + 5, -128, 127)
    assert np.array_equal(found.reshape(wanted.shape), wanted)
