"""What one integer step means: rounding, overflow, accumulation, requantization."""

from intsim.arithmetic.accumulate import (
    Accumulator,
    BiasPlace,
    Events,
    Topology,
    ZeroPointPlace,
    accumulate,
)
from intsim.arithmetic.interval import Bounds, Interval
from intsim.arithmetic.overflow import Overflow, Register, fit
from intsim.arithmetic.requantize import (
    Add,
    AnyStep,
    Clamp,
    Compare,
    Multiply,
    Requantization,
    Scale,
    ShiftLeft,
    ShiftRight,
    Slice,
    Step,
    Table,
    Thresholds,
)
from intsim.arithmetic.rounding import Rounding, round_divide, round_real, round_shift

__all__ = [
    "Accumulator",
    "Add",
    "AnyStep",
    "BiasPlace",
    "Bounds",
    "Clamp",
    "Compare",
    "Events",
    "Interval",
    "Multiply",
    "Overflow",
    "Register",
    "Requantization",
    "Rounding",
    "Scale",
    "ShiftLeft",
    "ShiftRight",
    "Slice",
    "Step",
    "Table",
    "Thresholds",
    "Topology",
    "ZeroPointPlace",
    "accumulate",
    "fit",
    "round_divide",
    "round_real",
    "round_shift",
]
