"""What XNNPACK does not read, for where its scale is written or for its rank, other kernels compute.

Their integers are the reference kernels', or the conversion is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.tflite import CONVERTER

from intsim.engine import run
from intsim.errors import ConversionError
from tests.converters.elementwise_models import demand
from tests.zoo import litert
from tests.zoo.tflite_builder import ModelBuilder

CODES = np.arange(-128, 128, dtype=np.int8)
OUTPUTS = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
AXES: dict[str, dict[str, Any]] = {
    "input along axis 1": {"axis": 1},
    "output along axis 1": {"out": 1},
    "7 axes": {"shape": (1, 1, 1, 1, 1, 1, 256)},
}


def model(
    op: str, scale: float = 0.0437, *, shape: tuple[int, ...] = (1, 256), axis: int = 0, out: int = 0
) -> bytes:
    """The operator on all codes of int8, and a constant that is drawn once; every second sum is a tie."""
    m = ModelBuilder()
    inputs = [m.input("x", shape, "int8", scale, -5, axis=axis)]
    options: dict[str, Any] = {"alpha": 0.3} if op == "LEAKY_RELU" else {}
    if op in ("ADD", "SUB", "MUL"):
        codes = np.random.default_rng(0).integers(-128, 127, shape, endpoint=True)
        inputs.append(m.constant("b", codes, "int8", scale, 3))
    y = m.tensor("y", shape, "int8", *OUTPUTS.get(op, (2 * scale, 7)), axis=out)
    m.operator(op, inputs, [y], version={"ELU": 1}.get(op, 2), **options)
    m.output(y)
    return m.build()


@pytest.mark.parametrize("where", AXES)
@pytest.mark.parametrize("op", ["ADD", "SUB", "LEAKY_RELU", "LOGISTIC", "TANH", "ELU"])
def test_it_goes_by_the_reference_rules(op: str, where: str) -> None:
    for scale in (0.0437, 0.0211, 0.0893):
        data = model(op, scale, **AXES[where])
        codes = CODES.reshape(AXES[where].get("shape", (1, 256)))
        assert demand(data, "xnnpack", runs=[{"x": codes}]) == 512


@pytest.mark.parametrize("op", ["ADD", "SUB", "LEAKY_RELU"])
def test_what_it_reads_has_other_integers(op: str) -> None:
    """So the test above can fail."""
    taken, left = (
        run(CONVERTER.convert(model(op, **axes), "xnnpack"), {"x": CODES.reshape(1, 256)}).output
        for axes in ({}, AXES["input along axis 1"])
    )
    assert np.count_nonzero(taken != left)


@pytest.mark.parametrize("where", AXES)
@pytest.mark.parametrize(("op", "label"), [("MUL", "E7"), ("QUANTIZE", "X5")])
def test_it_is_refused_where_places_matter(op: str, label: str, where: str) -> None:
    data = model(op, **AXES[where])
    assert CONVERTER.convert(data, "litert-ref").nodes
    with pytest.raises(ConversionError, match=rf"at most 6 axes, and scales written .*\. \[{label}\]"):
        CONVERTER.convert(data, "xnnpack")


@pytest.mark.parametrize("changes", [{"axis": 1}, {"shape": (1, 1, 1, 1, 1, 1, 8)}], ids=str)
@pytest.mark.parametrize(("op", "label"), [("QUANTIZE", "D1"), ("DEQUANTIZE", "D3")])
def test_the_doors_are_refused(op: str, label: str, changes: dict[str, Any]) -> None:
    shape = changes.get("shape", (1, 8))
    codes: dict[str, Any] = {"scale": 0.05, "zero_point": 3, "axis": changes.get("axis", 0)}
    m = ModelBuilder()
    x = m.input(
        "x", shape, "int8" if op == "DEQUANTIZE" else "float32", **codes if op == "DEQUANTIZE" else {}
    )
    y = m.tensor("y", shape, "int8" if op == "QUANTIZE" else "float32", **codes if op == "QUANTIZE" else {})
    m.operator(op, [x], [y], version=2)
    m.output(y)
    assert CONVERTER.convert(m.build(), "litert-ref").nodes
    with pytest.raises(ConversionError, match=rf"at most 6 axes, and scales written .*\. \[{label}\]"):
        CONVERTER.convert(m.build(), "xnnpack")


def negated(dtype: str, axis: int = 0) -> bytes:
    """LEAKY_RELU by -1 to twice the scale: every second code below 0 is a tie."""
    m = ModelBuilder()
    x = m.input("x", (1, 256), dtype, 0.25, axis=axis)
    y = m.tensor("y", (1, 256), dtype, 0.5)
    m.operator("LEAKY_RELU", [x], [y], version=2, alpha=-1.0)
    m.output(y)
    return m.build()


def test_a_negative_slope_of_8_bits() -> None:
    assert demand(negated("int8", axis=1), "xnnpack", runs=[{"x": CODES[None]}]) == 512


def test_a_negative_slope_of_16_bits_is_refused() -> None:
    """The optimized kernel gives 2 for -3, the reference kernel 1."""
    data, codes = negated("int16"), {"x": CODES.astype(np.int16)[None]}
    assert demand(data, "litert-ref", runs=[codes]) == 512
    reference, default = (litert.run(data, codes, kernels)["y"] for kernels in ("ref", "default"))
    assert (reference != default).sum() == 64
    with pytest.raises(ConversionError, match=r"alpha of int16 must not be negative, .*, not -1; .* \[A3\]"):
        CONVERTER.convert(data, "xnnpack")
