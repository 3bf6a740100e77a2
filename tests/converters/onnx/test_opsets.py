"""One network from every operator set since there is QuantizeLinear, whatever is an attribute in it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from intsim_converters.onnx import CONVERTER

from intsim.network import Network
from tests.converters.onnx.builder import OnnxBuilder

VERSIONS = range(10, onnx.defs.onnx_opset_version() + 1)


def network(opset: int) -> Network:
    """Clip, QuantizeLinear, QLinearConv, Resize, Pad, Unsqueeze, Squeeze, Split, DequantizeLinear."""
    b = OnnxBuilder(opset)
    scale = {name: b.meaning(name, np.float32(0.5), 3, "uint8") for name in "xy"}
    weights = b.meaning("w", np.float32(0.25), 0, "int8")
    x = b.input("x", (1, 2, 4, 4), "float32")
    ends = [b.constant(name, np.float32(end), "float32") for name, end in (("low", -1), ("high", 6))]
    x = b.node("Clip", [x], min=-1.0, max=6.0) if opset < 11 else b.node("Clip", [x, *ends])
    x = b.quantize(x, scale["x"], "q")
    w = b.constant("w", np.arange(8).reshape(4, 2, 1, 1) - 4, "int8")
    x = b.node("QLinearConv", [x, *scale["x"], w, *weights, *scale["y"]], ["conv"])
    factors = b.constant("factors", np.array([1, 1, 2, 2], np.float32), "float32")
    inputs = [x, factors] if opset < 11 else [x, "", factors]
    where = {} if opset < 11 else {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    x = b.node("Resize", inputs, ["resized"], mode="nearest", **where)
    pads = [0, 0, 1, 1, 0, 0, 1, 1]
    if opset < 11:
        x = b.node("Pad", [x], ["padded"], pads=pads, mode="reflect")
    else:
        x = b.node("Pad", [x, b.constant("pads", pads, "int64")], ["padded"], mode="reflect")
    old = opset < 13
    if old:
        x = b.node("Unsqueeze", [x], ["wide"], axes=[1])
        x = b.node("Squeeze", [x], ["thin"], axes=[1])
        b.node("Split", [x], ["a", "b"], axis=1, split=[1, 3])
    else:
        x = b.node("Unsqueeze", [x, b.constant("one", [1], "int64")], ["wide"])
        x = b.node("Squeeze", [x, "one"], ["thin"])
        b.node("Split", [x, b.constant("parts", [1, 3], "int64")], ["a", "b"], axis=1)
    b.output(b.dequantize("a", scale["y"], "left"), "float32")
    b.output("b", "uint8")
    return CONVERTER.convert(b.build())


@pytest.mark.parametrize("opset", VERSIONS)
def test_the_same_network_from_every_version(opset: int) -> None:
    assert network(opset) == network(VERSIONS[-1])
    assert network(opset).outputs == ("left", "b")
