"""ONNX Runtime and onnx.reference behind one call: inputs and names of tensors to arrays.

Two session options make ONNX Runtime's integers the same on every x86 processor with AVX2 and FMA:

- ``session.qdqisint8allowed``: QDQ groups of int8 are fused as they are. Without it x86 computes some in
  uint8 and the others in float; which they are depends on the graph around them.
- ``session.x64quantprecision``: sums of uint8 by int8 overflow 16 bits in the kernels of processors without
  VNNI; with the option weights become uint8, and no sum overflows. It is set for models that read uint8 only:
  the runtime has no kernel for what it makes of others.

Rules
-----
S1. The file's outputs are those of the file as it is. Other tensors are those of the same file with them
    for outputs, because a runtime may fuse more where nobody looks.
S2. Integers of 2 and 4 bits, which numpy has not, are given as 8 bits; bool is 0 or 1; float8 is its codes.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import helper

from intsim.errors import ConversionError, Finding, InputError

Arrays = dict[str, np.ndarray]

_WIDE = {
    **dict.fromkeys(("int2", "int4"), onnx.TensorProto.INT8),
    **dict.fromkeys(("uint2", "uint4"), onnx.TensorProto.UINT8),
}


_FLOAT8 = {
    "tensor(float8e4m3fn)": onnx.TensorProto.FLOAT8E4M3FN,
    "tensor(float8e4m3fnuz)": onnx.TensorProto.FLOAT8E4M3FNUZ,
    "tensor(float8e5m2)": onnx.TensorProto.FLOAT8E5M2,
    "tensor(float8e5m2fnuz)": onnx.TensorProto.FLOAT8E5M2FNUZ,
}


class Session(Protocol):
    """A model in a runtime.

    what : the runtime and its version
    """

    what: str

    def run(self, inputs: Mapping[str, np.ndarray], names: Sequence[str]) -> Arrays:
        """Tensors by name. Raises InputError where the runtime fails."""
        ...


class OrtSession:
    """A model in ONNX Runtime (rules S1 and S2).

    where : the file, in a reader's words
    proto : the ModelProto
    inside : tensors that are asked for -> element type

    Raises
    ------
    ConversionError
        The runtime does not take the model.
    """

    def __init__(self, where: str, proto: Any, inside: Mapping[str, str]) -> None:
        self.what, self._where = runtime_name(), where
        narrow = {name for name, dtype in inside.items() if dtype in _WIDE}
        self._outputs = {port.name for port in proto.graph.output} - narrow
        self._plain = ort_session(where, proto.SerializeToString())
        wide = onnx.ModelProto()
        wide.CopyFrom(proto)
        self._called = {}
        for name in inside.keys() - self._outputs:
            self._called[name] = called = f"{name}/8bit" if name in narrow else name
            if name in narrow:
                wide.graph.node.append(helper.make_node("Cast", [name], [called], to=_WIDE[inside[name]]))
            wide.graph.output.append(onnx.ValueInfoProto(name=called))  # its type follows from the graph
        self._wide = ort_session(where, wide.SerializeToString()) if self._called else None

    def run(self, inputs: Mapping[str, np.ndarray], names: Sequence[str]) -> Arrays:
        found: Arrays = {}
        outputs = [name for name in names if name in self._outputs]
        others = {self._called[name]: name for name in names if name not in self._outputs}
        try:
            if outputs:
                found.update(zip(outputs, run_ort(self._plain, outputs, inputs), strict=True))
            if others and self._wide is not None:
                found.update(zip(others.values(), run_ort(self._wide, list(others), inputs), strict=True))
        except Exception as error:  # of several kinds, none with a common parent
            raise _failure(self._where, self.what, error) from error
        return {name: _as_numpys(np.asarray(x)) for name, x in found.items()}


def runtime_name() -> str:
    """ONNX Runtime as it is installed, and its version."""
    import onnxruntime

    return f"ONNX Runtime {onnxruntime.__version__}"


def ort_session(where: str, data: bytes) -> Any:
    """A model's bytes in ONNX Runtime, with its default optimizations, on one thread.

    Raises
    ------
    ConversionError
        The runtime does not take the model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    if _reads_uint8(data):
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of several kinds, none with a common parent
        raise ConversionError(Finding(where, f"is not taken by ONNX Runtime: {_one_line(error)}")) from error


def run_ort(session: Any, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """A session's tensors; float8 goes in and comes out as codes, uint8."""
    types = {port.name: port.type for port in (*session.get_inputs(), *session.get_outputs())}
    if not any("float8" in types[name] for name in (*inputs, *names)):
        return list(session.run(list(names), dict(inputs)))
    import onnxruntime

    made = onnxruntime.OrtValue
    given = {
        name: made.ortvalue_from_numpy_with_onnx_type(x.view(np.uint8), _FLOAT8[types[name]])
        if types[name] in _FLOAT8
        else made.ortvalue_from_numpy(x)
        for name, x in inputs.items()
    }
    found = session.run_with_ort_values(list(names), given)
    pairs = zip(names, found, strict=True)
    return [_codes(value) if types[name] in _FLOAT8 else value.numpy() for name, value in pairs]


def _codes(value: Any) -> np.ndarray:
    """The bytes of a tensor whose type numpy has not."""
    shape = tuple(value.shape())
    data = ctypes.string_at(value.data_ptr(), math.prod(shape))
    return np.frombuffer(data, np.uint8).reshape(shape)


class ReferenceSession:
    """A model in onnx.reference (rule S2); arguments and errors as of `OrtSession`."""

    def __init__(self, where: str, proto: Any, inside: Mapping[str, str]) -> None:
        from onnx.reference import ReferenceEvaluator

        self.what, self._where = f"onnx.reference {onnx.__version__}", where
        wide = onnx.ModelProto()
        wide.CopyFrom(proto)
        outputs = {port.name for port in proto.graph.output}
        wide.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inside if name not in outputs)
        try:
            self._evaluator = ReferenceEvaluator(wide)
        except Exception as error:  # of several kinds, none with a common parent
            what = f"is not taken by onnx.reference: {_one_line(error)}"
            raise ConversionError(Finding(where, what)) from error
        self._names = [port.name for port in wide.graph.output]

    def run(self, inputs: Mapping[str, np.ndarray], names: Sequence[str]) -> Arrays:
        try:
            with np.errstate(all="ignore"):
                given = self._evaluator.run(None, dict(inputs))
        except Exception as error:  # of several kinds, none with a common parent
            raise _failure(self._where, self.what, error) from error
        found = dict(zip(self._names, given, strict=True))
        return {name: _as_numpys(np.asarray(found[name])) for name in names}


def _as_numpys(x: np.ndarray) -> np.ndarray:
    """Rule S2."""
    kind = x.dtype.name
    if kind.startswith(("float8", "float4")):
        return x.view(np.uint8)
    return x.astype(np.int8 if kind[0] == "i" else np.uint8) if kind in _WIDE or kind == "bool" else x


def _failure(where: str, what: str, error: Exception) -> InputError:
    return InputError(Finding(where, f"is not run by {what}: {_one_line(error)}"))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _reads_uint8(data: bytes) -> bool:
    graph = onnx.ModelProto.FromString(data).graph
    tensors = [entry.data_type for entry in graph.initializer]
    tensors += [entry.type.tensor_type.elem_type for entry in graph.input]
    return onnx.TensorProto.UINT8 in tensors
