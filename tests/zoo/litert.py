"""Run .tflite models on LiteRT, the runtime whose integers intsim has to reproduce.

Keys of a result
    A tensor is keyed by its name. Where several tensors of the graph share a name, or the name is
    empty, each of them is keyed "<name>#<index>", the index being the tensor's in the graph; so no
    tensor hides another. `Session.key_of` gives the key of an index.

LiteRT writes notes to the process's stderr when it loads; they are left there.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

Resolver = Literal["ref", "default", "no-delegates"]
Keep = Literal["outputs", "all"]

RESOLVERS: dict[str, OpResolverType] = {
    "ref": OpResolverType.BUILTIN_REF,  # plain reference kernels
    "default": OpResolverType.AUTO,  # optimized kernels and XNNPACK
    "no-delegates": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,  # optimized kernels
}


class RuntimeRefused(RuntimeError):  # noqa: N818
    """LiteRT would not load, prepare or run the model.

    `stage` is "load", "allocate" or "invoke"; the message is the runtime's own.
    """

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(f"{stage}: {message}")
        self.stage = stage


def tensor_keys(model: bytes) -> list[str]:
    """One key per tensor of the graph, by index; see the module's docstring."""
    names = _tensor_names(model)
    count = Counter(names)
    taken = {name for name in names if name and count[name] == 1}
    keys = []
    for index, name in enumerate(names):
        key = name
        if not name or count[name] > 1:
            key = f"{name}#{index}"
            while key in taken:
                key += "'"
            taken.add(key)
        keys.append(key)
    return keys


class Session:
    """A model loaded once, for many runs.

    Parameters
    ----------
    model : bytes of a .tflite file
    resolver : "ref" for the reference kernels, "no-delegates" for the optimized ones, "default" for
        what a user gets (XNNPACK where it takes an operator, optimized kernels elsewhere)
    keep : "outputs", or "all" for every tensor of the graph: inputs, constants and intermediates.
        With "default", "all" has XNNPACK take each operator alone instead of in groups

    Attributes
    ----------
    keys : the key of each tensor of the graph, by index
    input_keys, output_keys : the keys of the graph's inputs and outputs, in their order

    Raises
    ------
    RuntimeRefused
        The runtime will not load the model or prepare its operators.
    ValueError
        An unknown resolver or keep.
    """

    def __init__(self, model: bytes, resolver: Resolver = "ref", keep: Keep = "outputs") -> None:
        if resolver not in RESOLVERS:
            raise ValueError(f"resolver must be one of {', '.join(RESOLVERS)}, not {resolver!r}")
        if keep not in ("outputs", "all"):
            raise ValueError(f"keep must be outputs or all, not {keep!r}")
        self._keep = keep
        try:
            with warnings.catch_warnings():  # "all" with "default" warns of its memory use
                warnings.simplefilter("ignore")
                self._interpreter = Interpreter(
                    model_content=model,
                    num_threads=1,
                    experimental_op_resolver_type=RESOLVERS[resolver],
                    experimental_preserve_all_tensors=keep == "all",
                )
        except (ValueError, RuntimeError) as error:
            raise RuntimeRefused("load", str(error)) from error
        try:
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise RuntimeRefused("allocate", str(error)) from error
        self.keys = tensor_keys(model)
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()
        self.input_keys = [self.keys[detail["index"]] for detail in self._inputs]
        self.output_keys = [self.keys[detail["index"]] for detail in self._outputs]

    def key_of(self, index: int) -> str:
        """The key, in a result, of the tensor with this index in the graph."""
        return self.keys[index]

    def run(self, inputs: Mapping[str, Any] | Sequence[Any]) -> dict[str, np.ndarray]:
        """Run the model once.

        Parameters
        ----------
        inputs : values by key, or in the order of the graph's inputs. Shapes must be the graph's;
            values must be exact in the graph's type

        Returns
        -------
        key -> value. With keep="outputs" the graph's outputs, in their order. With keep="all" every
        tensor, by index, of which the runtime holds a value; it holds none of a tensor which
        nothing writes, or which has no elements

        Raises
        ------
        RuntimeRefused
            The runtime fails while it runs.
        ValueError
            Inputs which are missing, unknown, or of another shape or type.
        """
        given = self._in_order(inputs)
        for detail, key, value in zip(self._inputs, self.input_keys, given, strict=True):
            self._interpreter.set_tensor(detail["index"], _fit(key, value, detail))
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise RuntimeRefused("invoke", str(error)) from error
        if self._keep == "outputs":
            indices = [detail["index"] for detail in self._outputs]
            return {self.keys[index]: self._interpreter.get_tensor(index) for index in indices}
        return self._all_tensors()

    def reset(self) -> None:
        """Put variable tensors back to their first values."""
        self._interpreter.reset_all_variables()

    def _in_order(self, inputs: Mapping[str, Any] | Sequence[Any]) -> list[Any]:
        if isinstance(inputs, Mapping):
            if set(inputs) != set(self.input_keys):
                raise ValueError(f"inputs must be {sorted(self.input_keys)}, not {sorted(inputs)}")
            return [inputs[key] for key in self.input_keys]
        if len(inputs) != len(self._inputs):
            raise ValueError(f"there must be {len(self._inputs)} inputs, not {len(inputs)}")
        return list(inputs)

    def _all_tensors(self) -> dict[str, np.ndarray]:
        values = {}
        for index, key in enumerate(self.keys):
            try:
                values[key] = self._interpreter.get_tensor(index)
            except ValueError:  # the runtime holds no value of it
                continue
        return values


def run(
    model: bytes,
    inputs: Mapping[str, Any] | Sequence[Any],
    resolver: Resolver = "ref",
    keep: Keep = "outputs",
) -> dict[str, np.ndarray]:
    """Load a model and run it once; parameters and errors as for `Session` and `Session.run`."""
    return Session(model, resolver, keep).run(inputs)


def _tensor_names(model: bytes) -> list[str]:
    """The names of the graph's own tensors; the runtime appends scratch tensors after them."""
    graph = schema.Model.GetRootAs(model).Subgraphs(0)
    names = (graph.Tensors(i).Name() for i in range(graph.TensorsLength()))
    return [(name or b"").decode() for name in names]


def _fit(key: str, value: Any, detail: dict[str, Any]) -> np.ndarray:
    """The value as the runtime's type, if that loses nothing."""
    given = np.asarray(value)
    shape = tuple(detail["shape"].tolist())
    if given.shape != shape:
        raise ValueError(f"{key}: shape must be {shape}, not {given.shape}")
    dtype = np.dtype(detail["dtype"])
    with np.errstate(invalid="ignore"):  # NaN to an integer; refused below
        fitted = given.astype(dtype)
    if not np.array_equal(fitted, given, equal_nan=given.dtype.kind == "f"):
        raise ValueError(f"{key}: values must be exact in {dtype}, not {given.dtype} values")
    return fitted
