"""What one integer step means: rounding, overflow, accumulation, requantization."""

from intsim.arithmetic import fixed_point
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
from intsim.arithmetic.softmax import FixedPointSoftmax, TableSoftmax
from intsim.arithmetic.softmax_float import AnySoftmax, FloatSoftmax, QuotientSoftmax
from intsim.arithmetic.tables import look_up, table_size

__all__ = [
    "Accumulator",
    "Add",
    "AnySoftmax",
    "AnyStep",
    "BiasPlace",
    "Bounds",
    "Clamp",
    "Compare",
    "Events",
    "FixedPointSoftmax",
    "FloatSoftmax",
    "Interval",
    "Multiply",
    "Overflow",
    "QuotientSoftmax",
    "Register",
    "Requantization",
    "Rounding",
    "Scale",
    "ShiftLeft",
    "ShiftRight",
    "Slice",
    "Step",
    "Table",
    "TableSoftmax",
    "Thresholds",
    "Topology",
    "ZeroPointPlace",
    "accumulate",
    "fit",
    "fixed_point",
    "look_up",
    "round_divide",
    "round_real",
    "round_shift",
    "table_size",
]
