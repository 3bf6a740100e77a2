"""The others: LiteRT, ONNX Runtime, numpy. Each is looked for when it is asked, and may be absent."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from intsim.bench.case import Case
from intsim.record import Array


@dataclass(frozen=True)
class Call:
    """Runs the batch once and gives the outputs, batch axis first; `note` says what is special about it."""

    run: Callable[[], list[Array]]
    note: str = ""

    def __call__(self) -> list[Array]:
        return self.run()


Maker = Callable[[Case, list[Array], int], Call]
"""Makes the call from the case, the inputs and the number of threads."""


class Absent(Exception):  # noqa: N818
    """A peer does not take part; the message says why, in a few words."""


def intsim(case: Case, inputs: list[Array], threads: int) -> Call:
    """The fast engine, with a plan that is built once."""
    return _engine(case, inputs, threads, "fast")


def numpy(case: Case, inputs: list[Array], threads: int) -> Call:
    """The same integers in numpy: intsim's reference engine."""
    if threads > 1:
        raise Absent("numpy's integers have one thread")
    return _engine(case, inputs, threads, "reference")


def _engine(case: Case, inputs: list[Array], threads: int, engine: str) -> Call:
    from intsim.engine import plan

    ready = plan(case.network, engine=engine)
    named = {entry.name: values for entry, values in zip(case.network.inputs, inputs, strict=True)}
    outputs = case.network.outputs

    def call() -> list[Array]:
        result = ready.run(named, threads=threads)
        return [result.outputs[name] for name in outputs]

    return Call(call)


def litert_ref(case: Case, inputs: list[Array], threads: int) -> Call:
    """LiteRT's reference kernels."""
    return _litert(case, inputs, threads, "BUILTIN_REF")


def litert(case: Case, inputs: list[Array], threads: int) -> Call:
    """LiteRT as it comes: XNNPACK where it takes an operator, optimized kernels elsewhere."""
    return _litert(case, inputs, threads, "AUTO")


def _litert(case: Case, inputs: list[Array], threads: int, resolver: str) -> Call:
    if case.tflite is None:
        raise Absent("no .tflite file")
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        raise Absent("ai-edge-litert is not installed") from None
    batch = len(inputs[0])
    try:
        interpreter: Any = _interpreter(Interpreter, case, threads, getattr(OpResolverType, resolver))
        for detail, values in _matched(interpreter.get_input_details(), inputs):
            interpreter.resize_tensor_input(detail["index"], values.shape)
        interpreter.allocate_tensors()
        if all(len(_output(interpreter, index)) == batch for index in _outputs(interpreter)):
            return Call(lambda: _invoked(interpreter, inputs))
    except (ValueError, RuntimeError) as error:
        if batch == 1:
            raise Absent(f"refuses the file: {_first_line(error)}") from None
    interpreter = _interpreter(Interpreter, case, threads, getattr(OpResolverType, resolver))
    interpreter.allocate_tensors()

    return _one_by_one(lambda i: _invoked(interpreter, [values[i : i + 1] for values in inputs]), batch)


def _one_by_one(run: Callable[[int], list[Array]], batch: int) -> Call:
    """A peer whose file has shapes of one; run : one sample's outputs."""

    def call() -> list[Array]:
        return [np.concatenate(parts) for parts in zip(*map(run, range(batch)), strict=True)]

    return Call(call, "one sample at a time: its file has shapes of one")


def _interpreter(kind: Any, case: Case, threads: int, resolver: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(model_path=str(case.tflite), num_threads=threads, experimental_op_resolver_type=resolver)


def _outputs(interpreter: Any) -> list[int]:
    return [detail["index"] for detail in interpreter.get_output_details()]


def _output(interpreter: Any, index: int) -> Array:
    found: Array = interpreter.get_tensor(index)
    return found


def _invoked(interpreter: Any, inputs: list[Array]) -> list[Array]:
    for detail, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return [_output(interpreter, index) for index in _outputs(interpreter)]


def _matched(details: list[dict[str, Any]], inputs: list[Array]) -> list[tuple[dict[str, Any], Array]]:
    """The model's inputs, in order, with intsim's values for them."""
    if len(details) != len(inputs):
        raise Absent(f"its file has {len(details)} inputs, not {len(inputs)}")
    for detail, values in zip(details, inputs, strict=True):
        shape = tuple(int(size) for size in detail["shape"])
        dtype = np.dtype(detail["dtype"])
        if shape[1:] != values.shape[1:] or dtype != values.dtype:
            raise Absent(f"its input is {dtype} {shape}, not {values.dtype} {values.shape}")
    return list(zip(details, inputs, strict=True))


def onnxruntime(case: Case, inputs: list[Array], threads: int) -> Call:
    """ONNX Runtime on the processor."""
    if case.onnx is None:
        raise Absent("no .onnx file")
    session = onnx_session(case.onnx.read_bytes(), threads)
    given = {
        entry.name: _as_onnx(values, entry.type, entry.shape)
        for entry, values in zip(session.get_inputs(), inputs, strict=True)
    }
    batch = len(inputs[0])
    fixed = {entry.shape[0] for entry in session.get_inputs() if isinstance(entry.shape[0], int)} - {batch}
    if fixed == {1}:
        return _one_by_one(
            lambda i: list(session.run(None, {name: x[i : i + 1] for name, x in given.items()})), batch
        )
    if fixed:
        raise Absent(f"its file has batches of {', '.join(map(str, sorted(fixed)))}")
    return Call(lambda: list(session.run(None, given)))


def onnx_session(model: bytes, threads: int) -> Any:
    """A session of ONNX Runtime whose threads rest while others are measured."""
    try:
        import onnxruntime as runtime
    except ImportError:
        raise Absent("onnxruntime is not installed") from None
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.qdqisint8allowed", "1")  # as dialect ort has it
    try:
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class of their own
        raise Absent(f"refuses the file: {_first_line(error)}") from None


def _as_onnx(values: Array, kind: str, shape: list[Any]) -> Array:
    """The same work in the model's layout and type: channels may come first, signed codes be unsigned."""
    sample = tuple(shape[1:])
    moved = np.moveaxis(values, -1, 1) if values.ndim > 2 else values
    if sample == moved.shape[1:] and sample != values.shape[1:]:
        values = moved
    elif sample != values.shape[1:]:
        raise Absent(f"its input is {shape}, not {list(values.shape)}")
    dtype = np.dtype(kind.removeprefix("tensor(").removesuffix(")").replace("float", "float32"))
    change = f"{values.dtype} to {dtype}"
    if change == "int8 to uint8":
        values = (values.astype(np.int16) + 128).astype(np.uint8)
    elif change == "uint8 to int8":
        values = (values.astype(np.int16) - 128).astype(np.int8)
    return np.ascontiguousarray(values.astype(dtype))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


PEERS: dict[str, Maker] = {
    "litert-ref": litert_ref,
    "litert": litert,
    "onnxruntime": onnxruntime,
    "numpy": numpy,
}
"""Whom intsim can be measured beside."""

PACKAGES = {"litert-ref": "ai-edge-litert", "litert": "ai-edge-litert"}
"""The package of a peer that is not called as the peer is."""


def version_of(package: str) -> str | None:
    """The version that is installed; None if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
