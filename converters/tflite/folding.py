"""Shape arithmetic, done at conversion: integer operators on constants, and SHAPE of anything.

Converters leave small int32 subgraphs (SHAPE, STRIDED_SLICE, PACK) that only compute the operand of a
RESHAPE. Their results are constants, because shapes are; what folds is an operator without scales whose
inputs are all known and small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from intsim_converters.tflite.model import ABSENT, Array, Graph, Operator, Tensor

_MOST = 4096  # elements; shapes are small
_TYPES = ("int32", "int64")

Fold = Callable[[Operator, Sequence[Array]], Array]


def fold(graph: Graph) -> Graph:
    """The graph with its shape arithmetic done: fewer operators, more constants."""
    tensors = list(graph.tensors)
    left = []
    for operator in graph.operators:
        result = _fold_one(operator, tensors)
        if result is None or operator.outputs[0] in graph.inputs:
            left.append(operator)
            continue
        index = operator.outputs[0]
        tensors[index] = replace(tensors[index], shape=result.shape, raw=result.tobytes())
    return replace(graph, tensors=tuple(tensors), operators=tuple(left))


def _fold_one(operator: Operator, tensors: Sequence[Tensor]) -> Array | None:
    """The operator's one result where it folds."""
    if len(operator.outputs) != 1 or ABSENT in operator.inputs or not operator.inputs:
        return None
    output = tensors[operator.outputs[0]]
    inputs = [tensors[index] for index in operator.inputs]
    if output.dtype not in _TYPES or output.scales is not None or output.variable:
        return None
    try:
        if operator.name == "SHAPE":
            result: Array = np.array(inputs[0].shape)
        elif operator.name == "RANK":
            result = np.array(len(inputs[0].shape))
        elif operator.name in _FOLDS and all(map(_is_small, inputs)):
            result = np.asarray(_FOLDS[operator.name](operator, [tensor.data for tensor in inputs]))
        else:
            return None
        return result.astype(output.dtype) if result.size <= _MOST else None
    except (ValueError, IndexError, KeyError, AttributeError, TypeError, OverflowError):
        return None  # an operator that breaks its own rules is left, and refused with its name


def _is_small(tensor: Tensor) -> bool:
    integers = tensor.dtype in _TYPES and tensor.scales is None
    return integers and tensor.is_constant and not tensor.sparse and tensor.size <= _MOST


def _strided_slice(operator: Operator, inputs: Sequence[Array]) -> Array:
    data, begin, end, stride = inputs
    options = operator.options
    if data.ndim != 1 or options.ellipsis_mask or options.new_axis_mask:
        raise ValueError("only a plain slice of a list folds")
    first = None if options.begin_mask & 1 else int(begin[0])
    if options.shrink_axis_mask & 1:
        return np.asarray(data[int(begin[0])])
    return data[first : None if options.end_mask & 1 else int(end[0]) : int(stride[0])]


def _pack(operator: Operator, inputs: Sequence[Array]) -> Array:
    return np.stack(inputs, axis=operator.options.axis)


def _concatenation(operator: Operator, inputs: Sequence[Array]) -> Array:
    if operator.options.fused_activation_function != "NONE":
        raise ValueError("an activation does not fold")
    return np.concatenate(inputs, axis=operator.options.axis)


def _gather(operator: Operator, inputs: Sequence[Array]) -> Array:
    data, indices = inputs
    if data.ndim != 1 or operator.options.axis or operator.options.batch_dims or (indices < 0).any():
        raise ValueError("only a plain gather from a list folds")
    return np.asarray(data[indices])


def _arithmetic(ufunc: np.ufunc) -> Fold:
    def compute(operator: Operator, inputs: Sequence[Array]) -> Array:
        a, b = inputs
        if operator.options.fused_activation_function != "NONE":
            raise ValueError("an activation does not fold")
        exact = np.asarray(ufunc(a.astype(object), b.astype(object)))
        limits = np.iinfo(a.dtype)
        if a.dtype != b.dtype or any(not limits.min <= int(v) <= limits.max for v in exact.flat):
            raise ValueError("a result that wraps does not fold")
        return exact

    return compute


def _reduce_prod(operator: Operator, inputs: Sequence[Array]) -> Array:
    data, axes = inputs
    if data.ndim != 1 or axes.size != 1 or int(axes.flat[0]) not in (0, -1):
        raise ValueError("only the product of a list folds")
    product = 1
    for value in data.tolist():
        product *= value
    if not -(2**31) <= product < 2**31:
        raise ValueError("a result that wraps does not fold")
    return np.array([product] if operator.options.keep_dims else product)


_FOLDS: dict[str, Fold] = {
    "ADD": _arithmetic(np.add),
    "CAST": lambda operator, inputs: inputs[0],
    "CONCATENATION": _concatenation,
    "EXPAND_DIMS": lambda operator, inputs: np.expand_dims(inputs[0], int(inputs[1].item())),
    "GATHER": _gather,
    "MUL": _arithmetic(np.multiply),
    "PACK": _pack,
    "REDUCE_PROD": _reduce_prod,
    "RESHAPE": lambda operator, inputs: inputs[0].reshape(inputs[1].tolist()),
    "SQUEEZE": lambda operator, inputs: np.squeeze(inputs[0]),
    "STRIDED_SLICE": _strided_slice,
    "SUB": _arithmetic(np.subtract),
}
