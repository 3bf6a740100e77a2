"""`Lowering`: one TFLite operator on its way into an intsim network.

How to write a lowering
-----------------------
One file per family, ``lower_<family>.py``, imported by the package; one function per operator or group::

    @lowers("ABS", options="AbsOptions")
    def lower_abs(op: Lowering) -> None:
        x, y = op.input(0), op.output(0)                 # TensorView: shapes, scales, formats
        op.require(x.dtype == "int8", f"input must be int8, not {x.dtype}")
        ratio = ratio_float64([x.scale], y.scale)
        rule = op.fixed_point.requantization(ratio, zero_point=y.zero_point, format=y.format)
        wide = op.step(Centre(zero_point=x.zero_point), op.value(0), name="centred")  # "<y>/centred"
        op.emit(Requantize(rule), wide)                  # the node that yields y, and is named so

1. `value(i)` is the intsim name of input i; a constant becomes a `constant` node. `operands()` gives all
   of them, for operators that broadcast. `constant(i)` and `ints(i)` read what must be a constant.
2. `axis(a)` turns a TFLite axis, negative or not, into an axis of the sample.
3. `refuse(reason)` ends this operator and notes the reason; the other operators are still looked at, and
   all reasons are raised together. Write reasons as "<what> must be <rule>, not <value>".
4. `op.dialect` is the conversion's dialect by name, `op.fixed_point` its arithmetic on 32-bit values.
5. `op.options.stride_h`: the options, by the schema's names in snake_case, enumerations as their names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from intsim_converters.tflite.dialects import fixed_point
from intsim_converters.tflite.model import ABSENT, Array, Operator, Options
from intsim_converters.tflite.target import Refused, Target
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic.dialects import Dialect
from intsim.errors import Finding, SpecError
from intsim.formats import Quantization, TensorSpec
from intsim.network import NetworkBuilder
from intsim.ops import Op

Lower = Callable[["Lowering"], None]


@dataclass(frozen=True)
class Rule:
    """A lowering function, and the options table that its operator has in a file."""

    lower: Lower
    options: str


LOWERINGS: dict[str, Rule] = {}
"""Operator name -> its lowering."""


def lowers(*names: str, options: str = "") -> Callable[[Lower], Lower]:
    """Register a lowering for operators (names of the schema's BuiltinOperator).

    options : the schema's table with the operators' options; empty: they are not looked at
    """

    def register(lower: Lower) -> Lower:
        for name in names:
            LOWERINGS[name] = Rule(lower, options)
        return lower

    return register


class Lowering:
    """What a lowering function gets: one operator, and the network it goes into."""

    def __init__(self, target: Target, operator: Operator, dialect: str) -> None:
        self.target, self.operator, self.dialect = target, operator, dialect

    # -- what the operator is --

    @property
    def name(self) -> str:
        """The operator's name, such as "CONV_2D"."""
        return self.operator.name

    @property
    def version(self) -> int:
        return self.operator.version

    @property
    def options(self) -> Options:
        return self.operator.options

    @property
    def builder(self) -> NetworkBuilder:
        return self.target.builder

    @property
    def batch(self) -> int:
        """B of the rules in `batch`."""
        return self.target.layout.size

    @property
    def fixed_point(self) -> Dialect:
        """The dialect's arithmetic for a 32-bit value times a ratio of scales."""
        return fixed_point(self.dialect)

    # -- its tensors --

    def has(self, i: int) -> bool:
        """Whether input i is given."""
        return i < len(self.operator.inputs) and self.operator.inputs[i] != ABSENT

    def input(self, i: int) -> TensorView:
        """Input tensor i; refuses where it is left out."""
        if not self.has(i):
            self.refuse(f"input {i} must be given")
        return self._view(self.operator.inputs[i], f"input {i}")

    def output(self, i: int = 0) -> TensorView:
        """Output tensor i."""
        if i >= len(self.operator.outputs):
            self.refuse(f"output {i} must be given")
        return self._view(self.operator.outputs[i], f"output {i}")

    @property
    def inputs(self) -> tuple[TensorView, ...]:
        """All inputs; refuses where one is left out."""
        return tuple(self.input(i) for i in range(len(self.operator.inputs)))

    @property
    def outputs(self) -> tuple[TensorView, ...]:
        return tuple(self.output(i) for i in range(len(self.operator.outputs)))

    def constant(self, i: int) -> Array:
        """The values of input i in TFLite's shape; refuses what is not a constant."""
        return self.input(i).data

    def ints(self, i: int) -> tuple[int, ...]:
        """The values of a constant integer input, flat: a shape, paddings, axes."""
        data = self.constant(i)
        self.require(data.dtype.kind in "iu", f"input {i} must hold integers, not {data.dtype}")
        return tuple(int(value) for value in data.reshape(-1))

    def value(self, i: int) -> str:
        """The intsim name of input i; a constant operand becomes a node."""
        view = self.input(i)
        if view.is_constant:
            return self.target.constant(view)
        return self.target.names[view.tensor.index]

    def operands(self) -> tuple[str, ...]:
        """The intsim names of all inputs of an operator that broadcasts them to its output's shape."""
        rank = self.output(0).rank
        for i, view in enumerate(self.inputs):
            mixes = self.batch > 1 and not view.is_constant and view.rank != rank
            self.require(not mixes, f"input {i} must have {rank} axes, as samples of a batch must not mix")
        return tuple(self.value(i) for i in range(len(self.operator.inputs)))

    def axis(self, axis: int, i: int = 0) -> int:
        """An axis of input i, as TFLite counts (negative: from the end), as an axis of its sample."""
        view = self.input(i)
        if not -view.rank <= axis < view.rank:
            self.refuse(f"axis must be of {view.shape}, not {axis}")
        axis %= view.rank
        if view.batched and axis == 0:
            self.refuse(f"axis must not be the batch axis of {view.shape}; samples must not mix")
        return axis - view.batched

    # -- what becomes of it --

    def step(
        self, op: Op, *inputs: str, name: str, output: int = 0, quantization: Quantization | None = None
    ) -> str:
        """Add a helper node "<output tensor>/<name>", annotated with what it stands for. Returns its name."""
        full = self.target.fresh(f"{self.output(output).name}/{name}")
        (spec,) = self._infer(op, inputs)
        self.target.specs[full] = spec
        return self.builder.add(op, *inputs, name=full, quantization=quantization)

    def emit(self, op: Op, *inputs: str, output: int = 0) -> str:
        """Add the node that yields output tensor i, named and annotated as the file says."""
        view = self.output(output)
        (spec,) = self._infer(op, inputs)
        self._check(view, spec)
        return self.builder.add(op, *inputs, name=view.name, quantization=view.quantization)

    def emit_many(self, op: Op, *inputs: str) -> tuple[str, ...]:
        """Add one node that yields all the operator's outputs."""
        specs = self._infer(op, inputs)
        views = self.outputs
        self.require(len(specs) == len(views), f"must have {len(specs)} outputs, not {len(views)}")
        if len(views) == 1:
            return (self.emit(op, *inputs),)
        for view, spec in zip(views, specs, strict=True):
            self._check(view, spec)
        return self.builder.add_many(
            op,
            *inputs,
            name=self.target.fresh(f"{views[0].name}/{op.name}"),
            outputs=tuple(view.name for view in views),
            quantization=tuple(view.quantization for view in views),
        )

    def refuse(self, reason: str) -> NoReturn:
        """Note why the operator cannot be converted, and leave it."""
        self.target.findings.append(Finding(self.where, reason))
        raise Refused

    def require(self, condition: bool | np.bool_, reason: str) -> None:
        """`refuse` unless the condition holds."""
        if not condition:
            self.refuse(reason)

    # -- inside --

    def _view(self, index: int, label: str) -> TensorView:
        tensor = self.target.graph.tensors[index]
        batched = self.target.layout.batched(tensor.shape)
        if tensor.is_constant and self.batch > 1:
            result = self.target.graph.tensors[self.operator.outputs[0]]
            same_rank = len(tensor.shape) == len(result.shape)
            batched = same_rank and bool(tensor.shape) and tensor.shape[0] == 1
        return TensorView(tensor, batched, f"{label} {tensor.name!r}", self.refuse)

    def _infer(self, op: Op, inputs: tuple[str, ...]) -> tuple[TensorSpec, ...]:
        if any(name not in self.target.specs for name in inputs):
            raise Refused  # the operator that yields the input was refused, and that is noted
        try:
            return op.infer(*(self.target.specs[name] for name in inputs))
        except SpecError as error:
            self.refuse(str(error))

    def _check(self, view: TensorView, spec: TensorSpec) -> None:
        wanted = view.spec
        found = (spec.shape, spec.format)
        self.require(
            found == (wanted.shape, wanted.format),
            f"output {view.name!r} must be {spec}, as its operands say, not {wanted}",
        )
        self.target.specs[view.name] = wanted

    @property
    def where(self) -> str:
        """How messages name the operator: index, name, tensors read and written."""
        tensors = self.target.graph.tensors

        def listed(indices: tuple[int, ...]) -> str:
            names = ["-" if index == ABSENT else repr(_short(tensors[index].name)) for index in indices[:8]]
            return ", ".join(names + ["..."] * (len(indices) > 8))

        operator = self.operator
        name = operator.name if not operator.custom else f"{operator.name} {operator.custom!r}"
        return f"operator {operator.index} {name} ({listed(operator.inputs)} -> {listed(operator.outputs)})"


def _short(name: str) -> str:
    """A name as messages show it; converters join dozens of names into one."""
    return name if len(name) <= 60 else f"{name[:60]}..."
