"""`Lowering`: one call of the traced module at work, and the registry of what is known.

To teach the converter another module or function, write a function that takes a `Lowering` and returns what
its result stands for, and register it with `lowers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NoReturn

from intsim_converters.brevitas.carried import Carried, Moved, Real
from intsim_converters.brevitas.refusals import refuse
from intsim_converters.brevitas.staircase import IntegerSteps
from torch.nn import ReLU

from intsim.arithmetic import Accumulator
from intsim.formats import IntFormat, Quantization, TensorSpec
from intsim.network import NetworkBuilder
from intsim.ops import Clamp, Op

Rule = Callable[["Lowering"], Any]
LOWERINGS: dict[Any, Rule] = {}
"""Module class, function or method name -> how it is lowered."""


def lowers(*known: Any) -> Callable[[Rule], Rule]:
    """Register a rule for module classes, functions, or names of tensor methods."""

    def register(rule: Rule) -> Rule:
        for entry in known:
            LOWERINGS[entry] = rule
        return rule

    return register


@dataclass(frozen=True)
class Noted:
    """A requantization that was derived: its name, the sums before it, and its staircases."""

    name: str
    sums: Carried
    steps: tuple[IntegerSteps, ...]


@dataclass(frozen=True)
class Lowering:
    """One call: a module, a function or a method, with its operands.

    builder : of the network
    where : the module's qualified name, or the call as the trace names it
    module : None for functions and methods
    target : the function, or the name of the method
    args, kwargs : operands; a tensor is a Carried or a Real, the rest is as the trace has it
    values : what Brevitas computed for the tensors among args on the example, in order
    result : what it computed for the call
    accumulators : patterns of qualified names, and the registers promised for them
    noted : the requantizations so far, in order
    """

    builder: NetworkBuilder
    where: str
    module: Any
    target: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    values: tuple[Any, ...]
    result: Any
    accumulators: Mapping[str, Accumulator]
    noted: list[Noted]

    def refuse(self, reason: str) -> NoReturn:
        refuse(self.where, reason)

    def require(self, condition: bool, reason: str) -> None:
        if not condition:
            self.refuse(reason)

    def operand(self, i: int = 0) -> Carried:
        """An operand that must be an integer tensor by now."""
        found = self.args[i] if i < len(self.args) else None
        if isinstance(found, Moved) and isinstance(found.source, Carried):
            self.refuse(f"samples must have 1 to 3 axes and be picked one by one, not shape {found.shape}")
        if isinstance(found, Real | Moved):
            self.refuse("input must be quantized first: put a QuantIdentity before it")
        if not isinstance(found, Carried):
            self.refuse(f"operand {i} must be a tensor of integers, not {type(found).__name__}")
        return found

    def integers(self, i: int = 0) -> tuple[Carried, int]:
        """An operand whose integers stand for scale * (n - zero), and its zero."""
        x = self.settled(self.operand(i))
        return x, self.zero_of(x)

    def settled(self, x: Carried) -> Carried:
        """With relus done on integers, where one of them stands for 0; other functions wait."""
        zeros = x.affine.zeros()
        relus = all(type(function.call) is ReLU for function in x.after)
        if not x.after or not relus or zeros is None or len(set(zeros)) != 1 or zeros[0].denominator != 1:
            return x
        least = max(int(zeros[0]), x.format.min)
        if not isinstance(x.format, IntFormat) or least > x.format.max:
            return x
        y = x.replace(after=())
        node = Clamp(lo=least, hi=x.format.max)
        return y.replace(name=self.add(node, x.name, name=f"{x.name}.relu", like=y))

    def zero_of(self, x: Carried) -> int:
        """The integer that stands for 0, where a tensor's integers stand for scale * (n - zero)."""
        zeros = x.affine.zeros()
        if x.after or zeros is None or len(set(zeros)) != 1 or zeros[0].denominator != 1:
            self.refuse(
                f"{x.name!r} must be quantized before it, as its sums have a real bias, a batch norm or an"
                " activation that no integer stands for"
            )
        return int(zeros[0])

    def spec(self, x: Carried) -> TensorSpec:
        """What the network holds of a tensor."""
        return TensorSpec(x.stored, x.format)

    def spatial(self, x: Carried) -> tuple[int, int]:
        """Height and width of a feature map; a line has height 1."""
        self.require(x.rank in (2, 3), f"input must have channels and places, not shape {x.shape}")
        return x.stored[0], x.stored[1]

    def add(self, op: Op, *inputs: str, name: str | None = None, like: Carried | None = None) -> str:
        """Add a node, annotated with what `like` stands for. Returns its name."""
        name = self.builder.fresh(self.where if name is None else name)
        quantization = None if like is None else annotation(like)
        return self.builder.add(op, *inputs, name=name, quantization=quantization)

    def chain(self, ops: Sequence[Op], tensor: str, name: str, like: Carried) -> Carried:
        """Add nodes one behind another; the last gets the name. Returns `like` as that tensor."""
        for op in ops[:-1]:
            tensor = self.add(op, tensor, name=f"{name}.{op.name}")
        for op in ops[-1:]:
            tensor = self.add(op, tensor, name=name, like=like)
        return like.replace(name=tensor)

    def promised(self, where: str) -> Accumulator | None:
        """What `accumulators` says of a module."""
        for pattern, accumulator in self.accumulators.items():
            if fnmatchcase(where, pattern):
                return accumulator
        return None


def annotation(x: Carried) -> Quantization | None:
    """The scale and zero point of an integer tensor, where it has them."""
    scales, zeros = x.affine.scales(), x.affine.zeros()
    if x.after or scales is None or zeros is None or any(zero.denominator != 1 for zero in zeros):
        return None
    axis = len(x.stored) - 1 if len(scales) > 1 else None
    return Quantization([float(scale) for scale in scales], [int(zero) for zero in zeros], axis)
