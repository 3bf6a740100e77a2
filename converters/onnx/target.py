"""`Target`: the network that a conversion makes, while it is being made.

Names and layouts
-----------------
L1. A tensor is named as in the file. Graph inputs and outputs have the file's axes.
L2. What a convolution, a pooling, a resize or depth_to_space reads or writes is an image: the network's
    tensor holds its samples as height, width, channels (a signal: 1, length, channels). What the operator
    yields is named as in the file, and what follows element by element stays in this layout.
L3. A tensor that is needed in the other layout too is transposed once, into "<name>/nhwc" or "<name>/nchw". A
    graph output that is an image is "<name>/nhwc" before its transposition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from intsim_converters.onnx.batch import Batch
from intsim_converters.onnx.model import Array, Constant, Graph, Node
from intsim_converters.onnx.values import Codes, Layout, Shape, Value, format_of

from intsim.errors import Finding
from intsim.formats import Quantization, TensorSpec
from intsim.network import NetworkBuilder
from intsim.ops import Constant as ConstantOp
from intsim.ops import Op, Reshape, Transpose


class Refused(Exception):  # noqa: N818 - an event, collected by the conversion
    """A node cannot be converted; the reason is noted already."""


class Target:
    """The network being made: its builder, and what the file's tensors are by now.

    asked : runtimes, with their versions, that functions were asked of
    findings : why it cannot be made
    """

    def __init__(self, graph: Graph, batch: Batch, opsets: Mapping[str, int], source: str) -> None:
        self.graph, self.batch, self.opsets = graph, batch, opsets
        self.builder = NetworkBuilder(source)
        self.values: dict[str, Value] = dict(graph.constants)
        self.specs: dict[str, TensorSpec] = {}
        self.layouts: dict[str, Layout] = {}
        self.shapes: dict[str, Shape] = {}
        self.slack: dict[str, Array] = {}
        self.asked: set[str] = set()
        self.findings: list[Finding] = []
        self.outputs = {port.name for port in graph.outputs}
        self._readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in dict.fromkeys(node.inputs):
                self._readers.setdefault(name, []).append(node)
        used = Counter(name for node in graph.nodes for name in (*node.inputs, *node.outputs))
        self._taken = {*used, *graph.constants, *(port.name for port in (*graph.inputs, *graph.outputs))}
        self._constants: dict[tuple[str, Shape, int], str] = {}

    def readers(self, name: str) -> list[Node]:
        """The nodes that read a tensor of the file."""
        return self._readers.get(name, [])

    def fresh(self, stem: str) -> str:
        """A name that no tensor of the file and no node has: the stem, or the stem with a number."""
        name, number = stem, 0
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name

    def add(self, op: Op, *inputs: str, name: str, quantization: Quantization | None = None) -> str:
        """Add a node. Raises SpecError where its inputs do not fit it."""
        (spec,) = op.infer(*(self.specs[entry] for entry in inputs))
        self.specs[name] = spec
        return self.builder.add(op, *inputs, name=name, quantization=quantization)

    def produce(
        self, codes: Codes, op: Op, *inputs: str, layout: Layout, quantization: Quantization | None = None
    ) -> Codes:
        """Add the node that yields a tensor of the file, in a layout (rules L1 to L3)."""
        image = layout is Layout.IMAGE
        name = codes.name
        if image and name in self.outputs:
            name = self.fresh(f"{name}/nhwc")
        if image and quantization is not None and quantization.axis is not None:
            quantization = None
        codes.views[layout] = self.add(op, *inputs, name=name, quantization=quantization)
        self.layouts[name] = layout
        if name != codes.name:
            self._plain(codes, codes.name)
        return codes

    def view(self, codes: Codes, layout: Layout) -> str:
        """The network's tensor that holds codes in a layout."""
        if layout not in codes.views:
            if layout is Layout.PLAIN:
                self._plain(codes, self.fresh(f"{codes.name}/nchw"))
            else:
                self._image(codes)
        return codes.views[layout]

    def _image(self, codes: Codes) -> None:
        """(C, H, W) to (H, W, C), or (C, L) to (1, L, C)."""
        plain, sample = codes.views[Layout.PLAIN], self.batch.sample(codes.shape)
        name = self.fresh(f"{codes.name}/nhwc")
        *size, channels = (*sample[1:], sample[0])
        if len(size) == 1:
            size = [1, *size]
        shape = (*size, channels)
        if channels == 1 or size == [1, 1]:
            self.add(Reshape(shape), plain, name=name)
        elif len(sample) == 3:
            self.add(Transpose((1, 2, 0)), plain, name=name)
        else:
            turned = self.add(Transpose((1, 0)), plain, name=self.fresh(f"{name}/turned"))
            self.add(Reshape(shape), turned, name=name)
        codes.views[Layout.IMAGE] = name
        self.layouts[name] = Layout.IMAGE

    def _plain(self, codes: Codes, name: str) -> None:
        """(H, W, C) to (C, H, W), or (1, L, C) to (C, L)."""
        image, sample = codes.views[Layout.IMAGE], self.batch.sample(codes.shape)
        size, channels = sample[1:], sample[0]
        if channels == 1 or set(size) == {1}:
            self.add(Reshape(sample), image, name=name)
        elif len(sample) == 3:
            self.add(Transpose((2, 0, 1)), image, name=name)
        else:
            flat = self.add(Reshape((size[0], channels)), image, name=self.fresh(f"{name}/flat"))
            self.add(Transpose((1, 0)), flat, name=name)
        codes.views[Layout.PLAIN] = name
        self.layouts[name] = Layout.PLAIN

    def constant(self, constant: Constant, values: Array, dtype: str) -> str:
        """The name of the node that holds (part of) a constant as samples have it, made when first read."""
        key = (constant.name, tuple(values.shape), hash(values.tobytes()))
        if key not in self._constants:
            first = all(name != constant.name for name, *_ in self._constants)
            free = first and constant.name not in self.specs and constant.name not in self.outputs
            values = values.astype(format_of(dtype).storage)  # bool is one bit
            name = constant.name if free else self.fresh(f"{constant.name}/constant")
            self.add(ConstantOp(values, format_of(dtype)), name=name)
            self._constants[key] = name
        return self._constants[key]
