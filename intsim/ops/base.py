"""`Op`: what every layer is, and the helpers that its rules are stated with.

A checklist for a new op, here or in another package:

1. One file ``ops/<name>.py``: numbered rules in the module docstring, then one frozen dataclass with
   `name`, `version`, documented fields, `check`, `infer`, `reference` and `bounds`, in this order.
2. One line in `OPS` (``ops/__init__.py``), or the entry-point group ``intsim.ops``.
3. One case in the contract suite, and an oracle written from the rules in Python ints.

Everything else, storage, the command, traces, the exact engine, follows from these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Register, fit
from intsim.errors import SpecError
from intsim.formats import AnyDiscrete, IntFormat, RealFormat, TensorSpec
from intsim.record import Array, Record


@dataclass(frozen=True, eq=False, repr=False)
class Op(Record):
    """One kind of layer with its parameters.

    Class attributes
    ----------------
    name : the op's name in files and commands
    version : raised when a rule changes an integer; released integers never change
    arity : the fewest and the most inputs; None: any number
    by_element : whether `bounds` takes ranges per element; else it is given them per channel at most
    real_inputs, real_outputs : whether it may stand at a door, where tensors are real
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    arity: ClassVar[tuple[int, int | None]] = (1, 1)
    by_element: ClassVar[bool] = False
    real_inputs: ClassVar[bool] = False
    real_outputs: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        cls.kind = cls.name

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        """The outputs' shapes and formats for inputs of these.

        Raises
        ------
        SpecError
            The inputs break a rule; the message ends in the rule's label.
        """
        raise NotImplementedError

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        """The outputs, as the rules say.

        Parameters
        ----------
        inputs : int64 arrays, or object arrays of Python ints, all of one kind; batch axis first.
            A real input (only at a door) is float32 or float64.
        events : ops that accumulate add their overflow counts to it

        Returns
        -------
        Arrays of the inputs' kind, batch axis first.
        """
        raise NotImplementedError

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        """The exact range of every output, and the hull of every value on the way.

        Parameters
        ----------
        specs : the inputs' specifications (shapes are needed where elements are summed)
        inputs : the inputs' ranges
        """
        raise NotImplementedError

    def require(self, condition: bool, what: str) -> None:
        """Raise SpecError naming this op unless `condition`."""
        if not condition:
            raise SpecError(f"{self.name}: {what}")


def kind_of(array: Array) -> np.dtype[np.generic]:
    """The dtype that parameters must take to meet `array`: object for Python ints, else int64."""
    return np.dtype(object) if array.dtype == object else np.dtype(np.int64)


def held(interval: Interval, register: Register, *on_the_way: Interval) -> Bounds:
    """Bounds of an op whose result `interval` is written into a register."""
    output = interval.fit(register.format, register.overflow)
    return Bounds((output,), Interval.join((interval.hull(), output.hull(), *on_the_way)))


def moved(*inputs: Interval) -> Bounds:
    """Bounds of an op that only moves data: the hull of its inputs."""
    output = Interval.join(entry.hull() for entry in inputs)
    return Bounds((output,), output)


def write(value: Array, register: Register) -> Array:
    """What a register holds after `value` is written into it."""
    return np.asarray(fit(value, register.format, register.overflow))


def broadcast_shape(op: Op, label: str, *inputs: TensorSpec) -> tuple[int, ...]:
    """The common shape of samples under numpy's rule, or a SpecError that cites `label`."""
    try:
        return tuple(np.broadcast_shapes(*(spec.shape for spec in inputs)))
    except ValueError:
        shapes = ", ".join(str(spec.shape) for spec in inputs)
        raise SpecError(f"{op.name}: shapes must broadcast, not {shapes}. [{label}]") from None


def align(*inputs: Array) -> tuple[Array, ...]:
    """Insert axes after the batch axis so that all samples have the same rank and broadcast."""
    rank = max(array.ndim for array in inputs)
    return tuple(
        array.reshape(array.shape[:1] + (1,) * (rank - array.ndim) + array.shape[1:]) for array in inputs
    )


def same_format(op: Op, label: str, inputs: Sequence[TensorSpec]) -> AnyDiscrete:
    """The one format that all inputs have, or a SpecError that cites `label`."""
    formats = sorted({str(spec.format) for spec in inputs})
    op.require(len(formats) == 1, f"inputs must have one format, not {', '.join(formats)}. [{label}]")
    return discrete_input(op, inputs[0])


def discrete_input(op: Op, spec: TensorSpec) -> AnyDiscrete:
    """The format of an input that is only moved, or a SpecError where it is real."""
    if isinstance(spec.format, RealFormat):
        raise SpecError(f"{op.name}: input must be integers, not {spec.format}; quantize it first")
    return spec.format


def whole_input(op: Op, spec: TensorSpec) -> AnyDiscrete:
    """The format of an input whose integers are compared or multiplied, or a SpecError where it has none."""
    format = discrete_input(op, spec)
    if format.coded:
        raise SpecError(f"{op.name}: input must be integers, not the codes of {format}")
    return format


def integer_input(op: Op, spec: TensorSpec) -> IntFormat:
    """The format of an input that must be a plain integer one, or a SpecError."""
    format = whole_input(op, spec)
    if not isinstance(format, IntFormat):
        raise SpecError(f"{op.name}: input must be plain integers, not {format}; requantize it first")
    return format
