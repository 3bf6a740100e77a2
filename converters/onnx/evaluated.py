"""One operator on float32 as the dialect's runtime computes it.

Rules (V), cited by the lowerings
---------------------------------
V1. The operator alone is run in the runtime: ONNX Runtime, or onnx.reference in onnx-ref. Its bits are those
    of the processor and the version that convert.
V2. Kernels compute whole registers in one way and what is left over in another. So every real is run alone,
    and within vectors of several lengths; all results that it may have are kept.
V3. Results that are not one and the same must have one code, or they are refused: the code would depend on
    where in a tensor the element lies.
V4. The network says which runtime was asked, and its version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.model import Array, Constant, Node
from intsim_converters.onnx.sessions import ort_session, runtime_name
from intsim_converters.onnx.values import Function
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from intsim.errors import ConversionError

_LENGTHS = (1, 3, 4, 8, 16)
"""Of vectors beside the whole: left over, a register of SSE, AVX and AVX-512, and a part of one."""

Run = Callable[[Array], Array]


def evaluated(op: Lowering, nodes: Sequence[Node], x: str) -> Function:
    """The function from tensor `x` to the output of the last of some nodes (rules V1 and V2).

    Returns
    -------
    A function of float32 arrays, rows of results that are possible by elements; it has more rows, or fewer.
    """

    def function(values: Array) -> Array:
        run = _runner(op, nodes, x)
        whole = (*_LENGTHS, values.shape[1])
        try:
            rows = [_in_vectors(run, row, length) for row in values for length in whole]
        except Exception as error:  # of several kinds, none with a common parent
            op.refuse(f"is not run by the runtime: {' '.join(str(error).split())}")
        return distinct(np.stack(rows))

    return function


def _runner(op: Lowering, nodes: Sequence[Node], x: str) -> Run:
    proto = _model(op, nodes, x)
    if not op.fuses:
        op.target.asked.add(f"onnx.reference {onnx.__version__}")
        evaluator = ReferenceEvaluator(proto)
        return lambda values: np.asarray(evaluator.run(None, {x: values})[0], np.float32)
    try:
        session = ort_session(op.node.where, proto.SerializeToString())
        op.target.asked.add(runtime_name())
    except ImportError:
        op.refuse("needs ONNX Runtime, whose results the table holds; install onnxruntime. [V1]")
    except ConversionError as error:
        op.refuse(str(error).removeprefix(f"{op.node.where}: "))
    return lambda values: np.asarray(session.run(None, {x: values})[0], np.float32)


def _model(op: Lowering, nodes: Sequence[Node], x: str) -> onnx.ModelProto:
    """The nodes as a model of their own, of one input."""
    made = [helper.make_node(n.op, n.inputs, n.outputs, domain=n.domain, **n.attributes) for n in nodes]
    values = op.target.values
    constants = {name: values.get(name) for node in nodes for name in node.inputs if name and name != x}
    held = [
        numpy_helper.from_array(value.values, name)
        for name, value in constants.items()
        if isinstance(value, Constant)
    ]
    port = helper.make_tensor_value_info(x, onnx.TensorProto.FLOAT, ["n"])
    output = helper.make_tensor_value_info(nodes[-1].outputs[0], onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(made, "function", [port], [output], held)
    opsets = [helper.make_opsetid(domain, version) for domain, version in op.target.opsets.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _in_vectors(run: Run, values: Array, length: int) -> Array:
    """The results for all values, run in vectors of a length."""
    parts = [run(values[begin : begin + length]) for begin in range(0, len(values), length)]
    return np.concatenate([part.reshape(-1) for part in parts])


def distinct(rows: Array) -> Array:
    """Rows of float32 with every column's different bit patterns, in as few rows as that takes.

    Examples
    --------
    >>> distinct(np.float32([[1, 2, 3], [1, 5, 3], [1, 2, 3]])).tolist()
    [[1.0, 2.0, 3.0], [1.0, 5.0, 3.0]]
    """
    bits = np.sort(np.ascontiguousarray(rows, np.float32).view(np.int32), axis=0)
    change = np.zeros(bits.shape, np.int64)
    change[1:] = bits[1:] != bits[:-1]
    places = np.cumsum(change, axis=0)
    found = np.repeat(bits[:1], places.max() + 1, axis=0)
    np.put_along_axis(found, places, bits, axis=0)
    return found.view(np.float32)
