"""Rows of the benchmark of matrix products: (M, K) 8-bit codes by (K, N) 8-bit weights into 32-bit sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from intsim.bench.measure import take_turns
from intsim.bench.networks import add_ratios, result
from intsim.bench.peers import Absent, Call, onnx_session
from intsim.formats import IntFormat
from intsim.network import Network, NetworkBuilder
from intsim.ops import Dense
from intsim.record import Array

SHAPES = {
    "square": (1024, 1024, 1024),
    "resnet50 conv1": (12544, 147, 64),
    "resnet50 conv2 3x3": (3136, 576, 64),
    "resnet50 conv2 1x1": (3136, 64, 256),
    "resnet50 conv3 3x3": (784, 1152, 128),
    "resnet50 conv3 1x1": (784, 512, 128),
    "resnet50 conv4 3x3": (196, 2304, 256),
    "resnet50 conv4 1x1": (196, 1024, 256),
    "resnet50 conv5 3x3": (49, 4608, 512),
    "resnet50 dense": (1, 2048, 1000),
}
"""M, K, N: those of ResNet-50 are its layers on one image of 224 by 224, each window a row."""


def rows(
    shapes: dict[str, tuple[int, int, int]], threads: Sequence[int], seconds: float
) -> Iterator[dict[str, Any]]:
    """One row for each shape and number of threads; as in `networks.rows`, a sample being the product."""
    for name, (m, k, n) in shapes.items():
        rng = np.random.default_rng(0)
        x = rng.integers(-128, 127, (m, k), np.int8, endpoint=True)
        w = rng.integers(-127, 127, (k, n), np.int8, endpoint=True)
        wanted = (x.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)
        for count in threads:
            results: dict[str, dict[str, Any]] = {}
            calls: dict[str, Call] = {}
            for peer, make in (("onnxruntime", matmul_integer), ("numpy-float32", float_matmul)):
                try:
                    calls[peer] = make(x, w, count)
                except Absent as why:
                    results[peer] = {"absent": str(why)}
            own = dense(x, w, count)
            agreed = bool(np.array_equal(own()[0], wanted))
            for peer, found in take_turns({"intsim": own, **calls}, seconds, count).items():
                results[peer] = result(found, 1, m * k * n)
            if agreed:
                add_ratios(results)
            yield {
                "gemm": name,
                "shape": [m, k, n],
                "threads": count,
                "macs": m * k * n,
                "agrees": agreed,
                "results": results,
            }


def dense(x: Array, w: Array, threads: int) -> Call:
    """intsim: a network of one dense layer, planned once, whose outputs are the sums."""
    from intsim.engine import plan

    ready = plan(_network(w))

    return Call(lambda: [ready.run(x, threads=threads, chunk=len(x)).output])


def _network(w: Array) -> Network:
    builder = NetworkBuilder()
    x = builder.input("x", (w.shape[0],), IntFormat(8))
    builder.output(builder.add(Dense(weight=np.ascontiguousarray(w.T)), x, name="sums"))
    return builder.build()


def matmul_integer(x: Array, w: Array, threads: int) -> Call:
    """ONNX Runtime's MatMulInteger of unsigned by signed codes, which is its fastest."""
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise Absent("onnx is not installed") from None
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])],
        "gemm",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.INT32, (len(x), w.shape[1]))],
        [numpy_helper.from_array(w, "w")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    session = onnx_session(model.SerializeToString(), threads)
    unsigned = (x.astype(np.int16) + 128).astype(np.uint8)
    return Call(lambda: list(session.run(None, {"x": unsigned})))


def float_matmul(x: Array, w: Array, threads: int) -> Call:
    """numpy's float32 product, the usual way to go fast without integers; exact only for small sums."""
    left, right = x.astype(np.float32), w.astype(np.float32)
    out = np.empty((len(x), w.shape[1]), np.float32)
    limited = blas_threads(threads)

    def call() -> list[Array]:
        with limited():
            np.matmul(left, right, out=out)
        return [out]

    return Call(call)


def blas_threads(threads: int) -> Any:
    """A context in which numpy's BLAS has so many threads."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        raise Absent("threadpoolctl is not installed") from None
    controller = ThreadpoolController()
    return lambda: controller.limit(limits=threads, user_api="blas")
