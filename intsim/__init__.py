"""Bit-exact reference simulator for quantized neural networks, in explicit integer arithmetic.

The public names are loaded when they are first used, so that ``import intsim`` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intsim.arithmetic import Accumulator, Events, Interval, Overflow, Register, Requantization, Rounding
    from intsim.bounds import NetworkBounds, network_bounds
    from intsim.engine import ENGINES, Plan, Result, plan, run, stream
    from intsim.errors import IntsimError
    from intsim.formats import IntFormat, Quantization, RealFormat, TensorSpec
    from intsim.network import Datapath, Input, Network, NetworkBuilder, Node
    from intsim.storage import load, save

_ROOMS = {
    "intsim.arithmetic": (
        "Accumulator",
        "Events",
        "Interval",
        "Overflow",
        "Register",
        "Requantization",
        "Rounding",
    ),
    "intsim.bounds": ("NetworkBounds", "network_bounds"),
    "intsim.engine": ("ENGINES", "Plan", "Result", "plan", "run", "stream"),
    "intsim.errors": ("IntsimError",),
    "intsim.formats": ("IntFormat", "Quantization", "RealFormat", "TensorSpec"),
    "intsim.network": ("Datapath", "Input", "Network", "NetworkBuilder", "Node"),
    "intsim.storage": ("load", "save"),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "ENGINES",
    "Accumulator",
    "Datapath",
    "Events",
    "Input",
    "IntFormat",
    "Interval",
    "IntsimError",
    "Network",
    "NetworkBounds",
    "NetworkBuilder",
    "Node",
    "Overflow",
    "Plan",
    "Quantization",
    "RealFormat",
    "Register",
    "Requantization",
    "Result",
    "Rounding",
    "TensorSpec",
    "load",
    "network_bounds",
    "plan",
    "run",
    "save",
    "stream",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
