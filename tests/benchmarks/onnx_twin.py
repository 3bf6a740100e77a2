"""A .tflite network as ONNX Runtime runs such networks: the same shapes, weights and scales, in QLinear ops.

It is there to do the same work, not to give the same bits: the runtimes round differently. Activations are
unsigned, which ONNX Runtime multiplies fastest on x86-64; channels come first; the batch is free. Limits of
an activation are those of its codes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from intsim_converters.tflite.model import Graph, Operator, Tensor
from intsim_converters.tflite.reader import read_model
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"


class Twin:
    """The ONNX graph that grows operator by operator."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def build(self) -> bytes:
        """The .onnx file of the whole network.

        Raises
        ------
        NotImplementedError
            It has an operator, or a type of activations, that is not written here.
        """
        for operator in self.graph.operators:
            method = getattr(self, operator.name.lower(), None)
            if method is None:
                raise NotImplementedError(operator.name)
            method(operator)
        ends = [
            [helper.make_tensor_value_info(t.name, TensorProto.UINT8, _channels_first(t)) for t in listed]
            for listed in (self._tensors(self.graph.inputs), self._tensors(self.graph.outputs))
        ]
        graph = helper.make_graph(self.nodes, "twin", *ends, list(self.constants.values()))
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
        made: bytes = helper.make_model(graph, ir_version=8, opset_imports=opsets).SerializeToString()
        return made

    def conv_2d(self, op: Operator, group: int = 1, weight: np.ndarray | None = None) -> None:
        x, w, b, y = self._operands(op)
        kernels = np.moveaxis(w.data, -1, 1) if weight is None else weight
        strides = (op.options.stride_h, op.options.stride_w)
        attributes = {
            "kernel_shape": kernels.shape[2:],
            "strides": strides,
            "group": group,
            "auto_pad": "SAME_UPPER" if op.options.padding == "SAME" else "VALID",
        }
        inputs = [x.name, *self._meaning(x), *self._weights(w, kernels), *self._meaning(y)]
        self._node(
            "QLinearConv",
            [*inputs, self._constant(f"{y.name}/bias", b.data.astype(np.int32))],
            y,
            **attributes,
        )

    def depthwise_conv_2d(self, op: Operator) -> None:
        channels = self.graph.tensors[op.inputs[0]].shape[3]
        self.conv_2d(op, channels, np.moveaxis(self.graph.tensors[op.inputs[1]].data, -1, 0))

    def fully_connected(self, op: Operator) -> None:
        x, w, b, y = self._operands(op)
        inputs = [x.name, *self._meaning(x), *self._weights(w, w.data)]
        bias = self._constant(f"{y.name}/bias", b.data.astype(np.int32))
        self._node("QGemm", [*inputs, bias, *self._meaning(y)], y, MICROSOFT, transB=1)

    def add(self, op: Operator) -> None:
        left, right, y = *self._tensors(op.inputs), self.graph.tensors[op.outputs[0]]
        inputs = [left.name, *self._meaning(left), right.name, *self._meaning(right), *self._meaning(y)]
        self._node("QLinearAdd", inputs, y, MICROSOFT)

    def mean(self, op: Operator) -> None:
        """Over the whole image."""
        x, y = self.graph.tensors[op.inputs[0]], self.graph.tensors[op.outputs[0]]
        pooled = f"{y.name}/pooled"
        inputs = [x.name, *self._meaning(x), *self._meaning(y)]
        self.nodes.append(
            helper.make_node("QLinearGlobalAveragePool", inputs, [pooled], domain=MICROSOFT, channels_last=0)
        )
        if len(y.shape) == 4:
            self.nodes.append(helper.make_node("Identity", [pooled], [y.name]))
        else:
            self.nodes.append(helper.make_node("Flatten", [pooled], [y.name]))

    def average_pool_2d(self, op: Operator) -> None:
        x = self.graph.tensors[op.inputs[0]]
        window = (op.options.filter_height, op.options.filter_width)
        if window == x.shape[1:3]:
            self.mean(op)
            return
        y = self.graph.tensors[op.outputs[0]]
        inputs = [x.name, *self._meaning(x), *self._meaning(y)]
        strides = (op.options.stride_h, op.options.stride_w)
        self._node("QLinearAveragePool", inputs, y, MICROSOFT, kernel_shape=window, strides=strides)

    def max_pool_2d(self, op: Operator) -> None:
        x, y = self.graph.tensors[op.inputs[0]], self.graph.tensors[op.outputs[0]]
        attributes = {
            "kernel_shape": (op.options.filter_height, op.options.filter_width),
            "strides": (op.options.stride_h, op.options.stride_w),
            "auto_pad": "SAME_UPPER" if op.options.padding == "SAME" else "VALID",
        }
        self._node("MaxPool", [x.name], y, **attributes)

    def reshape(self, op: Operator) -> None:
        """To rows, in the order of the channels first: as many elements."""
        self._node("Flatten", [self.graph.tensors[op.inputs[0]].name], self.graph.tensors[op.outputs[0]])

    def softmax(self, op: Operator) -> None:
        x, y = self.graph.tensors[op.inputs[0]], self.graph.tensors[op.outputs[0]]
        inputs = [x.name, *self._meaning(x), *self._meaning(y)]
        self._node("QLinearSoftmax", inputs, y, MICROSOFT, axis=1, opset=13)

    def quantize(self, op: Operator) -> None:
        """Between uint8 and int8, which are the same codes here."""
        self._node("Identity", [self.graph.tensors[op.inputs[0]].name], self.graph.tensors[op.outputs[0]])

    def _node(self, kind: str, inputs: list[str], y: Tensor, domain: str = "", **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [y.name], domain=domain, **attributes))

    def _operands(self, op: Operator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x, w, b = self._tensors(op.inputs)
        return x, w, b, self.graph.tensors[op.outputs[0]]

    def _tensors(self, indices: tuple[int, ...]) -> list[Tensor]:
        return [self.graph.tensors[index] for index in indices]

    def _constant(self, name: str, values: Any) -> str:
        self.constants[name] = numpy_helper.from_array(np.array(values, order="C"), name)
        return name

    def _meaning(self, tensor: Tensor) -> list[str]:
        """Scale and zero point of an activation; signed codes are moved up by 128."""
        assert tensor.scales is not None
        if tensor.dtype not in ("int8", "uint8"):
            raise NotImplementedError(f"activations of {tensor.dtype}")
        zero = int(tensor.scales.zero_point[0]) + (128 if tensor.dtype == "int8" else 0)
        return [
            self._constant(f"{tensor.name}/scale", np.float32(tensor.scales.scale[0])),
            self._constant(f"{tensor.name}/zero", np.uint8(zero)),
        ]

    def _weights(self, tensor: Tensor, values: np.ndarray) -> list[str]:
        assert tensor.scales is not None
        scale, zero = tensor.scales.scale, tensor.scales.zero_point
        if scale.size == 1:
            scale, zero = scale[0], zero[0]
        return [
            self._constant(f"{tensor.name}/weight", values),
            self._constant(f"{tensor.name}/scale", np.asarray(scale, np.float32)),
            self._constant(f"{tensor.name}/zero", np.asarray(zero).astype(values.dtype)),
        ]


def _channels_first(tensor: Tensor) -> list[Any]:
    shape = list(tensor.shape[1:])
    return ["batch", *(shape[-1:] + shape[:-1] if len(shape) == 3 else shape)]


def twin(path: Path) -> bytes:
    """The .onnx file of a .tflite file."""
    return Twin(read_model(path).graphs[0]).build()
