"""The other side of ``intsim diff``: an .onnx file in ONNX Runtime or in onnx.reference.

Every tensor of the graph that the network names alike is made an output of it. Two session options make ONNX
Runtime's integers the same on every x86 processor with AVX2 and FMA:

- ``session.qdqisint8allowed``: QDQ groups of int8 are fused as they are. Without it x86 computes some in
  uint8 and the others in float; which they are depends on the graph around them.
- ``session.x64quantprecision``: sums of uint8 by int8 overflow 16 bits in the kernels of processors without
  VNNI; with the option weights become uint8, and no sum overflows. It is set for models that read uint8 only:
  the runtime has no kernel for what it makes of others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from intsim_converters.onnx.convert import convert_model
from intsim_converters.onnx.reader import read_model
from intsim_converters.onnx.values import Layout

from intsim.errors import ConversionError, Finding, InputError

_IMAGE = (2, 0, 1)
"""Of height, width, channels: where the file's channels, height and width are."""

_Run = Callable[[Mapping[str, Any]], Sequence[Any]]


class OnnxRunner:
    """See `intsim.converter.Runner`."""

    def __init__(self, source: Path, dialect: str) -> None:
        model = read_model(source)
        self._where, self._conversion = model.where, convert_model(model, dialect)
        proto = onnx.load_model(str(source))
        shown = {port.name for port in proto.graph.output}
        made = {name for node in proto.graph.node for name in node.output}
        specs = self._conversion.network.specs
        names = [name for name in specs if name in made and name in self._conversion.network.producers]
        for name in names:
            if name not in shown:
                proto.graph.output.append(onnx.ValueInfoProto(name=name))  # its type follows from the graph
        self._shapes = {
            port.name: tuple(size.dim_value for size in port.type.tensor_type.shape.dim)
            for port in proto.graph.input
        }
        self._names = [port.name for port in proto.graph.output]
        layouts = self._conversion.layouts
        self.axes = {name: _IMAGE if layouts.get(name) is Layout.IMAGE else None for name in names}
        self.what, self._run = (_ort if dialect != "onnx-ref" else _reference)(model.where, proto)

    def run(self, inputs: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, np.ndarray]:
        batch = self._conversion.batch
        given = {name: np.asarray(x) for name, x in inputs.items()}
        count = len(next(iter(given.values())))
        if batch.symbol:
            pieces = [self._once(given)]
        elif batch.strict:
            if count % batch.size:
                raise InputError(f"{self._where}: takes {batch.size} samples at a time, not {count}")
            parts = range(0, count, batch.size)
            pieces = [self._once({n: x[i : i + batch.size] for n, x in given.items()}) for i in parts]
        else:
            pieces = [self._sample({name: x[i] for name, x in given.items()}) for i in range(count)]
        return {name: self._joined(name, [piece[name] for piece in pieces]) for name in names}

    def _sample(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One sample, in the shapes that the file's inputs have."""
        return self._once({name: x.reshape(self._shapes[name]) for name, x in given.items()})

    def _once(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self._names, map(np.asarray, self._run(given)), strict=True))

    def _joined(self, name: str, pieces: Sequence[np.ndarray]) -> np.ndarray:
        """Samples one after another, a batch axis first."""
        if self._conversion.batch.strict:
            return np.concatenate(pieces)
        shape = self._conversion.network.specs[name].shape
        axes = self.axes[name]
        theirs = shape if axes is None else tuple(shape[axis] for axis in axes)
        return np.stack(
            [piece.reshape(theirs) if piece.size == np.prod(theirs) else piece for piece in pieces]
        )


def _ort(where: str, proto: Any) -> tuple[str, _Run]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    if _reads_uint8(proto):
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # of several kinds, none with a common parent
        raise ConversionError(Finding(where, f"is not taken by ONNX Runtime: {error}")) from error
    return f"ONNX Runtime {onnxruntime.__version__}", lambda given: session.run(None, dict(given))


def _reference(where: str, proto: Any) -> tuple[str, _Run]:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(proto)
    return f"onnx.reference {onnx.__version__}", lambda given: evaluator.run(None, dict(given))


def _reads_uint8(proto: Any) -> bool:
    tensors = [entry.data_type for entry in proto.graph.initializer]
    tensors += [entry.type.tensor_type.elem_type for entry in proto.graph.input]
    return onnx.TensorProto.UINT8 in tensors
