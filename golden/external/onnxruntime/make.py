"""Make cases.json with ONNX Runtime: python make.py, in an environment that README.md names.

Every sum reaches the requantization as the bias of a 1x1 QLinearConv whose input is its zero point, so
that the sum is exactly the one that is written down.
"""

import json
import pathlib

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

TYPES = {"int8": (np.int8, TensorProto.INT8), "uint8": (np.uint8, TensorProto.UINT8)}
EDGES = [0, 1, -1, 2**23 + 1, -(2**23) - 1, 2**24 + 1, 2**24 + 3, -(2**24) - 3, 2**31 - 1, -(2**31)]


def session(nodes, inputs, outputs, constants):
    graph = helper.make_graph(
        nodes, "g", inputs, outputs, [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    )
    domains = [helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def conv(sums, x_scale, w_scales, y_scale, zero_point, kind):
    dtype, code = TYPES[kind]
    channels = len(sums)
    constants = {
        "xs": np.float32(x_scale),
        "xz": dtype(3),
        "w": np.ones((channels, 1, 1, 1), np.int8),
        "ws": w_scales,
        "wz": np.zeros(w_scales.shape, np.int8),
        "ys": np.float32(y_scale),
        "yz": dtype(zero_point),
        "b": np.array(sums, np.int32),
    }
    node = helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"])
    x = helper.make_tensor_value_info("x", code, [1, 1, 1, 1])
    y = helper.make_tensor_value_info("y", code, [1, channels, 1, 1])
    run = session([node], [x], [y], constants)
    return run.run(None, {"x": np.full((1, 1, 1, 1), 3, dtype)})[0].ravel().tolist()


def matmul(sums, x_scale, w_scale, y_scale, zero_point, kind):
    """Sums up to 127 * 127: one row of one product each."""
    dtype, code = TYPES[kind]
    constants = {
        "xs": np.float32(x_scale),
        "xz": dtype(0),
        "w": np.array([[127, 1]], np.int8).T,
        "ws": np.float32(w_scale),
        "wz": np.int8(0),
        "ys": np.float32(y_scale),
        "yz": dtype(zero_point),
    }
    rows = np.array([[value // 127, value % 127] for value in sums])
    node = helper.make_node("QLinearMatMul", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"])
    x = helper.make_tensor_value_info("x", code, list(rows.shape))
    y = helper.make_tensor_value_info("y", code, [len(sums), 1])
    run = session([node], [x], [y], constants)
    return run.run(None, {"x": rows.astype(dtype)})[0].ravel().tolist()


def add(values, x_scale, y_scale, zero_point, kind):
    """QLinearAdd with a second operand that is zero everywhere."""
    dtype, code = TYPES[kind]
    constants = {
        "as": np.float32(x_scale),
        "az": dtype(0),
        "bs": np.float32(x_scale),
        "bz": dtype(0),
        "b": np.zeros(len(values), dtype),
        "cs": np.float32(y_scale),
        "cz": dtype(zero_point),
    }
    names = ["a", "as", "az", "b", "bs", "bz", "cs", "cz"]
    node = helper.make_node("QLinearAdd", names, ["c"], domain="com.microsoft")
    a = helper.make_tensor_value_info("a", code, [len(values)])
    c = helper.make_tensor_value_info("c", code, [len(values)])
    run = session([node], [a], [c], constants)
    return run.run(None, {"a": np.array(values, dtype)})[0].tolist()


def scale(value):
    return float(np.float32(value)).hex()


def main():
    rng = np.random.default_rng(20250101)
    cases = []

    def case(name, special, dialect, scales, zero_point, kind, sums, codes):
        x, w, y = scales
        cases.append(
            {
                "name": name,
                "special": special,
                "dialect": dialect,
                "input_scale": scale(x),
                "weight_scale": [scale(s) for s in np.atleast_1d(w)],
                "output_scale": scale(y),
                "zero_point": int(zero_point),
                "format": kind,
                "sums": [int(s) for s in sums],
                "codes": codes,
            }
        )

    for number in range(16):
        kind = ["int8", "uint8"][number % 2]
        zero_point = int(rng.integers(np.iinfo(kind).min, np.iinfo(kind).max + 1))
        ties = number % 4 == 1
        x, y = np.float32(rng.uniform(0.001, 0.1)), np.float32(rng.uniform(0.01, 1))
        w = rng.uniform(0.0001, 0.1, 64).astype(np.float32)
        if ties:
            x, y, w = np.float32(0.5), np.float32(1), np.full(64, 1 / 2 ** (number // 4), np.float32)
        reach = (130 * y / (x * w.astype(np.float64))).astype(np.int64)
        sums = rng.integers(-reach, reach + 1)
        sums[: len(EDGES)] = EDGES
        codes = conv(sums, x, w, y, zero_point, kind)
        special = "ties at every odd sum" if ties else "per channel; the first ten sums are edges of float32"
        case(f"conv{number}", special, "f32-rne-zp-after", (x, w, y), zero_point, kind, sums, codes)
    for number in range(6):
        kind = ["int8", "uint8"][number % 2]
        zero_point = int(rng.integers(-9, 9)) if kind == "int8" else int(rng.integers(90, 150))
        low, high = (-127 * 127, 127 * 127) if kind == "int8" else (0, 200 * 127)
        sums = rng.integers(low, high, 64)
        x, w, y = [(0.25, 0.5, 16), (0.0123, 0.0077, 0.03), (0.031, 0.0007, 0.01)][number // 2]
        codes = matmul(sums, x, w, y, zero_point, kind)
        case(f"matmul{number}", "per tensor", "f32-rne-zp-after", (x, w, y), zero_point, kind, sums, codes)
    for number in range(6):
        kind = ["int8", "uint8"][number % 2]
        zero_point = [3, 5, -4, 128, 7, 101][number]
        values = np.arange(np.iinfo(kind).min, np.iinfo(kind).max + 1)
        x, y = [(0.5, 1), (0.0123, 0.03), (0.031, 0.0197)][number // 2]
        codes = add(values, x, y, zero_point, kind)
        special = "a QLinearAdd of zero: the zero point is added before the rounding"
        case(f"add{number}", special, "f32-rne-zp-before", (x, 1, y), zero_point, kind, values, codes)
    head = json.dumps({"tool": "onnxruntime", "version": onnxruntime.__version__})
    lines = ",\n".join(map(json.dumps, cases))  # one case per line
    text = f'{head[:-1]}, "cases": [\n{lines}\n]}}\n'
    pathlib.Path(__file__).with_name("cases.json").write_text(text)


main()
