"""`Lowering`: one ONNX operator on its way into an intsim network.

How to write a lowering
-----------------------
One file per family, ``lower_<family>.py``, imported by the package; one function per operator or group::

    @lowers("Neg")
    def lower_neg(op: Lowering) -> None:
        x = op.codes(0)                                # integers, or a refusal
        ...
        op.emit(Requantize(rule), op.view(x), shape=x.shape, dtype="int32")   # the node that yields the
        output

1. `value(i)` is what input i stands for (see `values`); `codes(i)` demands integers of the network,
   `constant(i)` and `ints(i)` what must be a constant. `attribute(name, default)` reads an attribute.
2. `view(codes, layout)` is the network's tensor; images are asked for in `Layout.IMAGE`.
3. `axis(a, shape)` turns an axis, negative or not, into an axis of the sample, and refuses the batch's.
4. `step` adds a helper node "<output>/<name>"; `emit` adds the node that yields an output of the file.
5. `refuse(reason)` ends this node and notes the reason; the other nodes are still looked at, and all
   reasons are raised together. Write reasons as "<what> must be <rule>, not <value>".
6. An operator on floats binds a `Pending` (`bind`): the QuantizeLinear behind it finishes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from intsim_converters.onnx.model import Array, Constant, Node
from intsim_converters.onnx.target import Refused, Target
from intsim_converters.onnx.values import (
    FORMATS,
    Blocked,
    Codes,
    Entry,
    Layout,
    Meaning,
    Pending,
    Real,
    Shape,
    Value,
    is_held,
    too_large,
)

from intsim.errors import Finding, SpecError
from intsim.formats import Quantization
from intsim.ops import Op

Lower = Callable[["Lowering"], None]

LOWERINGS: dict[tuple[str, str], Lower] = {}
"""(domain, operator) -> its lowering."""

MICROSOFT = "com.microsoft"


def lowers(*names: str, domain: str = "") -> Callable[[Lower], Lower]:
    """Register a lowering for operators of a domain."""

    def register(lower: Lower) -> Lower:
        for name in names:
            LOWERINGS[domain, name] = lower
        return lower

    return register


class Lowering:
    """What a lowering function gets: one node, and the network it goes into."""

    def __init__(self, target: Target, node: Node, dialect: str) -> None:
        self.target, self.node, self.dialect = target, node, dialect

    # -- what the node is --

    @property
    def name(self) -> str:
        """The operator's name, such as "QLinearConv"."""
        return self.node.op

    @property
    def opset(self) -> int:
        """The version of the operator set that the node's domain has in the file."""
        return self.target.opsets.get(self.node.domain, 1)

    @property
    def fuses(self) -> bool:
        """Whether the dialect makes integer operators of QDQ groups, and knows ONNX Runtime's own ones."""
        return self.dialect != "onnx-ref"

    @property
    def as_runtime(self) -> bool:
        """Whether what ONNX Runtime has no integer kernel for is refused."""
        return self.dialect == "ort"

    @property
    def strict(self) -> bool:
        """Whether samples of a batch must not mix (rule B1 of `batch`)."""
        return self.target.batch.strict

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, or what it is where the file leaves it out."""
        value = self.node.attributes.get(name)
        return default if value is None else value

    def has(self, i: int) -> bool:
        """Whether input i is given."""
        return i < len(self.node.inputs) and bool(self.node.inputs[i])

    @property
    def output(self) -> str:
        """The name of the first output."""
        return self.node.outputs[0]

    # -- its tensors --

    def value(self, i: int) -> Value:
        """What input i stands for; refuses where it is left out or unknown."""
        self.require(self.has(i), f"input {i} must be given")
        name = self.node.inputs[i]
        if name not in self.target.values:
            earlier = (node for node in self.target.graph.nodes if node.index < self.node.index)
            if any(name in node.outputs for node in earlier):
                raise Refused  # the node that yields it was refused, and that is noted
            self.refuse(f"input {name!r} must be computed before it is read")
        return self.target.values[name]

    def codes(self, i: int) -> Codes:
        """Input i as integers of the network; refuses floats. A constant becomes a node."""
        value = self.value(i)
        if isinstance(value, Constant):
            return self.constant_codes(value)
        if not isinstance(value, Codes):
            self.refuse(self.float_reason(i))
        return value

    def constant_codes(self, constant: Constant) -> Codes:
        """A constant as integers of the network."""
        self.require(
            is_held(constant.dtype), f"constant {constant.name!r} must hold integers, not {constant.dtype}"
        )
        self.require(not self.strict, f"constant {constant.name!r} must not stand for samples of a batch")
        codes = Codes(constant.name, constant.shape, constant.dtype)
        sample = constant.values.reshape(self.target.batch.sample(constant.shape))
        codes.views[Layout.PLAIN] = self.target.constant(constant, sample, constant.dtype)
        return codes

    def float_reason(self, i: int) -> str:
        """Why input i is no integer."""
        name, value = self.node.inputs[i], self.target.values[self.node.inputs[i]]
        if isinstance(value, Pending):
            return f"float region: {name!r} must be integers, but {value.reason}"
        if isinstance(value, Blocked):
            return (
                f"float region: {name!r} has scales in blocks, which only weights of MatMul, Gemm and Conv"
                " may have"
            )
        if isinstance(value, Entry):
            return f"float region: {name!r} must be quantized by a QuantizeLinear before it is computed with"
        return (
            f"float region: {self.name} of {name!r} computes in float, as no fused integer operator"
            " stands for it"
            f" in dialect {self.dialect}"
        )

    def constant(self, i: int) -> Array:
        """The values of input i; refuses what is not a constant."""
        value = self.value(i)
        if not isinstance(value, Constant):
            self.refuse(f"input {self.node.inputs[i]!r} must be a constant, not computed or a graph input")
        return value.values

    def ints(self, i: int) -> tuple[int, ...]:
        """The values of a constant integer input, flat: a shape, paddings, axes."""
        values = self.constant(i)
        self.require(values.dtype.kind in "iu", f"input {i} must hold integers, not {values.dtype}")
        return tuple(int(value) for value in values.reshape(-1))

    def view(self, codes: Codes, layout: Layout = Layout.PLAIN) -> str:
        """The network's tensor that holds codes in a layout."""
        return self.target.view(codes, layout)

    def axis(self, axis: int, shape: Shape) -> int:
        """An axis of the file's (negative: from the end) as an axis of the sample."""
        self.require(-len(shape) <= axis < len(shape), f"axis must be of {shape}, not {axis}")
        lead = self.target.batch.batched(shape)
        axis %= len(shape)
        self.require(
            not lead or axis > 0,
            f"axis must not be the first of {shape}, which is the batch; samples must not mix",
        )
        return axis - lead

    def meaning(self, scale: int, zero_point: int, dtype: str, axis: int | None = None) -> Meaning:
        """Scale and zero point from inputs; the zero point is 0 where it is left out.

        scale, zero_point : which inputs
        dtype : of the codes
        axis : that several scales run along
        """
        values = self.constant(scale)
        self.require(
            values.dtype.kind == "f", f"scale {self.node.inputs[scale]!r} must be float, not {values.dtype}"
        )
        good = np.isfinite(values).all() and (values > 0).all() and values.size > 0
        self.require(good, f"scale {self.node.inputs[scale]!r} must be positive and finite")
        points = self.constant(zero_point) if self.has(zero_point) else np.zeros((), np.int64)
        self.require(
            points.dtype.kind in "iu" and points.size in (1, values.size),
            f"zero point must be one or {values.size} integers, not {points.dtype} of shape {points.shape}",
        )
        if self.has(zero_point):
            given = self.target.values[self.node.inputs[zero_point]]
            assert isinstance(given, Constant)
            self.require(
                given.dtype == dtype, f"zero point must be {dtype} as its codes are, not {given.dtype}"
            )
        self.require(is_held(dtype), f"codes must be integers, float8 or float4, not {dtype}")
        self.require(dtype in FORMATS or not points.any(), f"zero point of {dtype} must be 0")
        several = values.size > 1
        points = np.broadcast_to(points.reshape(-1), (values.size,)).astype(np.int64)
        return Meaning(values.reshape(-1), points, axis if several else None, dtype)

    # -- what becomes of it --

    def bind(self, value: Value, output: int = 0) -> None:
        """Say what an output stands for."""
        self.target.values[self.node.outputs[output]] = value

    def step(self, op: Op, *inputs: str, name: str, quantization: Quantization | None = None) -> str:
        """Add a helper node "<output>/<name>". Returns its name."""
        full = self.target.fresh(f"{self.output}/{name}")
        return self._add(lambda: self.target.add(op, *inputs, name=full, quantization=quantization))

    def emit(
        self,
        op: Op,
        *inputs: str,
        shape: Shape,
        dtype: str,
        layout: Layout = Layout.PLAIN,
        meaning: Meaning | None = None,
        output: int = 0,
        name: str | None = None,
    ) -> Codes:
        """Add the node that yields an output of the file.

        shape : the file's, with the batch
        meaning : of the codes; an annotation
        name : in place of the output's
        """
        self.require(
            not self.strict or (bool(shape) and shape[0] == self.target.batch.size),
            f"output must keep the batch on its first axis, not have shape {shape}; samples must not mix",
        )
        self.require(not too_large(shape), f"output must have fewer than 2**31 elements, not shape {shape}")
        codes = Codes(name or self.node.outputs[output], shape, dtype)
        lead = int(self.target.batch.batched(shape))
        note = meaning.quantization(lead) if meaning is not None else None
        self._add(lambda: self.target.produce(codes, op, *inputs, layout=layout, quantization=note))
        if name is None:
            self.bind(codes, output)
        return codes

    def refuse(self, reason: str) -> NoReturn:
        """Note why the node cannot be converted, and leave it."""
        self.target.findings.append(Finding(self.node.where, reason))
        raise Refused

    def require(self, condition: bool | np.bool_, reason: str) -> None:
        """`refuse` unless the condition holds."""
        if not condition:
            self.refuse(reason)

    def require_own(self) -> None:
        """Refuse an operator of ONNX Runtime's in a dialect that has none of them."""
        self.require(self.fuses, f"is ONNX Runtime's own operator, which dialect {self.dialect} has not")

    def _add(self, add: Callable[[], Any]) -> Any:
        try:
            return add()
        except SpecError as error:
            self.refuse(str(error))


__all__ = ["LOWERINGS", "MICROSOFT", "Lower", "Lowering", "Real", "lowers"]
