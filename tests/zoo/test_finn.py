"""FINN's tutorial network, 1-bit weights and activations: numpy's floats against intsim's integers.

The file is read with the onnx package alone. Numpy evaluates its graph in float32, node by node. For intsim
each float step between a product and the thresholds behind it is tried on every sum that there can be, and
becomes an integer threshold per channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from intsim.arithmetic import Add, Multiply, Requantization, Thresholds
from intsim.engine import run
from intsim.formats import Bipolar, IntFormat
from intsim.network import Network, NetworkBuilder
from intsim.ops import ArgMax, Dense, Requantize
from tests.zoo.folder import zoo

Array = np.ndarray[Any, Any]

MODEL = onnx.load(zoo("finn") / "tfc_w1a1_multithreshold.onnx").graph
CONSTANTS = {entry.name: numpy_helper.to_array(entry) for entry in MODEL.initializer}
LAYERS = 4
EDGES = [np.zeros(784), np.full(784, 255), np.full(784, 127), np.full(784, 128), np.arange(784) % 256]
RNG = np.random.default_rng(7)
PICTURES = np.concatenate([np.stack(EDGES), RNG.integers(0, 256, (100, 784))]).astype(np.uint8)


def evaluated(node: onnx.NodeProto, x: Array, *rest: Array) -> Array:
    """One node of the file in float32; the batch is the first axis."""
    given = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    if node.op_type in ("Add", "Sub", "Mul", "Div"):
        function = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}[node.op_type]
        return np.asarray(function(x, *rest))
    if node.op_type in ("Reshape", "Unsqueeze", "Squeeze"):  # one axis of features throughout
        return x.reshape(len(x), -1)
    if node.op_type == "BatchNormalization":
        scale, bias, mean, variance = rest
        factor = scale * (np.float32(1) / np.sqrt(variance + np.float32(given["epsilon"])))
        return x * factor + (bias - mean * factor)
    if node.op_type == "MultiThreshold":
        counts = (x[..., None] >= rest[0]).sum(axis=-1).astype(np.float32)
        return counts * np.float32(given["out_scale"]) + np.float32(given["out_bias"])
    if node.op_type == "MatMul":
        return x @ rest[0]
    assert node.op_type == "TopK"
    return np.argmax(x, axis=-1, keepdims=True).astype(np.float32)


def evaluation(pictures: Array) -> dict[str, Array]:
    """Every tensor that the graph computes."""
    found: dict[str, Array] = {MODEL.input[0].name: pictures.astype(np.float32)}
    for node in MODEL.node:
        tensors = [found[name] if name in found else CONSTANTS[name] for name in node.input]
        found[node.output[-1]] = evaluated(node, *tensors)
        assert found[node.output[-1]].dtype == np.float32
    return found


def steps_before(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The float nodes between the last integers and a MultiThreshold, in order, and the MultiThreshold."""
    makers = {name: entry for entry in MODEL.node for name in entry.output}
    chain = [node]
    while (before := makers.get(chain[0].input[0])) is not None and before.op_type != "MatMul":
        chain.insert(0, before)
    return chain


def threshold_rule(node: onnx.NodeProto, sums: Array, channels: int) -> Requantization:
    """The sign that the float steps give every sum, as a threshold per channel on the sum or its negative."""
    value = np.broadcast_to(sums[:, None], (sums.size, channels)).astype(np.float32)
    for step in steps_before(node):
        value = evaluated(step, value, *(CONSTANTS[name] for name in step.input[1:]))
    positive = value > 0
    falls = positive[0] & ~positive[-1]
    turned = np.where(falls, -1, 1)
    counts = positive.sum(axis=0)
    ordered = np.where(falls, positive[::-1], positive)
    assert (np.diff(ordered.astype(int), axis=0) >= 0).all()
    ends = np.where(falls, -sums[counts - 1], sums[np.minimum(sums.size - counts, sums.size - 1)])
    ends = np.where(counts == 0, sums[-1] + 1, ends)
    steps = (Multiply(multipliers=turned), Thresholds(values=ends[:, None]), Multiply(multipliers=2))
    return Requantization((*steps, Add(values=-1)), IntFormat(2))


def network() -> Network:
    """The same graph in integers."""
    builder = NetworkBuilder("FINN's tfc_w1a1")
    x = builder.input("picture", (784,), IntFormat(8, signed=False))
    sums = np.arange(256)
    products = iter(node for node in MODEL.node if node.op_type == "MatMul")
    for node in (entry for entry in MODEL.node if entry.op_type == "MultiThreshold"):
        weight = CONSTANTS[(product := next(products)).input[1]].T.astype(np.int64)
        rule = threshold_rule(node, sums, weight.shape[1])
        x = builder.add(Requantize(rule, Bipolar()), x, name=node.output[0])
        x = builder.add(Dense(weight=weight, weight_format=Bipolar()), x, name=product.output[0])
        sums = np.arange(-weight.shape[1], weight.shape[1] + 1)
    builder.output(builder.add(ArgMax(axis=0, keepdims=True), x, name=MODEL.output[0].name))
    return builder.build()


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_every_integer_is_numpys(engine: str) -> None:
    net = network()
    wanted = evaluation(PICTURES)
    result = run(net, {"picture": PICTURES}, engine=engine, trace=("*",))
    found = {**result.trace, **result.outputs}
    names = [node.name for node in net.nodes]
    assert len(names) == 2 * LAYERS + 1
    for name in names:
        assert np.array_equal(found[name].astype(np.float64), wanted[name].astype(np.float64)), name


def test_both_signs_and_all_classes_are_met() -> None:
    """The inputs reach what could differ."""
    wanted = evaluation(PICTURES)
    signs = [name for node in MODEL.node if node.op_type == "MultiThreshold" for name in node.output]
    assert all(set(np.unique(wanted[name])) == {-1.0, 1.0} for name in signs)
    assert np.unique(wanted[MODEL.output[0].name]).size > 3
