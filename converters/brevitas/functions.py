"""Activation functions between a sum and its quantizer: what is known of their float32.

Rules
-----
F1. EXACT functions never fall in float32: comparisons, and single roundings of what never falls. Relu,
    relu6, hardtanh, clamp, hardsigmoid; leaky relu and prelu with one slope that is not negative.
F2. RISING functions never fall as functions of reals, but their float32 can: sigmoid, tanh, elu, selu, celu,
    softplus, softsign, logsigmoid. What torch gives for one number even depends on the place in its tensor,
    as the last elements are computed by another library than the others.
F3. VALLEY functions fall to their bottom and rise from there: silu, gelu, hardswish, mish.
F4. Half of the slack holds torch's error and its changes from place to place. Slack is 2**-20 of the result;
    for gelu, up to 16, 2**-19 of the argument too. A code that slack can change is in doubt (`doubts`).
F5. At most one function between a sum and its quantizer is not EXACT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from brevitas.core.function_wrapper import misc
from brevitas.nn import quant_activation
from intsim_converters.brevitas.refusals import refuse, require
from torch import nn

Tensor = Any
_FAR = 16.0  # gelu is 0 or its argument there


class Form(Enum):
    """How a function of reals goes, and what its float32 keeps of that (rules F1 to F3)."""

    EXACT = "never falls, in float32 either"
    RISING = "never falls as a function of reals"
    VALLEY = "falls to its bottom, then rises"


@dataclass(frozen=True)
class Function:
    """An activation function.

    call : torch's own
    bottom : where a VALLEY turns, to 4 decimals: nearer to it than slack tells
    by_argument : whether slack holds a part of the argument too
    """

    call: Callable[[Tensor], Tensor]
    form: Form = Form.EXACT
    bottom: float = 0.0
    by_argument: bool = False

    def __call__(self, x: Tensor, side: int = 0) -> Tensor:
        """float32 of x; with slack added (side 1) or taken away (side -1)."""
        y = self.call(x.clone())
        if not side or self.form is Form.EXACT:
            return y
        slack = y.abs() * 2.0**-20
        if self.by_argument:
            slack += torch.where(x.abs() < _FAR, x.abs() * 2.0**-19, 0.0)
        return torch.where(y.isinf(), y, y + side * slack)


_IDENTITIES = (nn.Identity, misc.Identity)
_EXACT = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Hardsigmoid)
_RISING = (
    nn.Sigmoid,
    nn.Tanh,
    quant_activation.Sigmoid,
    quant_activation.Tanh,
    nn.SELU,
    nn.Softsign,
    nn.LogSigmoid,
)
_BOTTOMS = {nn.SiLU: -1.27846, nn.Hardswish: -1.5, nn.Mish: -1.19241}
_POSITIVE = {nn.ELU: "alpha", nn.CELU: "alpha", nn.Softplus: "beta"}
_GELU = {"none": -0.75179, "tanh": -0.75246}


def function_of(where: str, module: Any) -> Function | None:
    """What is known of a torch module; None for one that gives back what it is given."""
    kind = type(module)
    if kind in _IDENTITIES:
        return None
    if kind in _EXACT:
        return Function(module)
    if kind in _RISING:
        return Function(module, Form.RISING)
    if kind in _POSITIVE:
        name = _POSITIVE[kind]
        require(getattr(module, name) > 0, where, f"{name} must be above 0, not {getattr(module, name)}")
        return Function(module, Form.RISING)
    if kind in _BOTTOMS:
        return Function(module, Form.VALLEY, _BOTTOMS[kind])
    if kind is nn.GELU:
        return Function(module, Form.VALLEY, _GELU[module.approximate], by_argument=True)
    if kind is nn.LeakyReLU:
        slope = module.negative_slope
        require(slope >= 0, where, f"slope must not be negative, as {slope}. [F1]")
        return Function(module)
    if kind is not nn.PReLU:
        refuse(where, f"activation {kind.__name__} is unknown. [F1 to F3]")
    slopes = module.weight.detach()
    one = slopes.numel() == 1 and bool((slopes >= 0).all())
    require(one, where, "prelu must have one slope, which is not negative. [F1]")
    return Function(module)


KNOWN = (
    *_EXACT,
    *(kind for kind in _RISING if kind.__module__.startswith("torch.")),
    *_BOTTOMS,
    *_POSITIVE,
    nn.GELU,
    nn.LeakyReLU,
    nn.PReLU,
)
"""Modules of torch that are activation functions here."""


def _clamp(min: float | None = None, max: float | None = None) -> nn.Module:
    return nn.Hardtanh(-torch.inf if min is None else min, torch.inf if max is None else max)


CALLED: dict[Any, Callable[..., nn.Module]] = {
    torch.relu: nn.ReLU,
    "relu": nn.ReLU,
    "relu_": nn.ReLU,
    nn.functional.relu: nn.ReLU,
    nn.functional.relu6: nn.ReLU6,
    nn.functional.hardtanh: nn.Hardtanh,
    nn.functional.hardsigmoid: nn.Hardsigmoid,
    nn.functional.leaky_relu: nn.LeakyReLU,
    nn.functional.elu: nn.ELU,
    nn.functional.selu: nn.SELU,
    nn.functional.celu: nn.CELU,
    nn.functional.softplus: nn.Softplus,
    nn.functional.softsign: nn.Softsign,
    nn.functional.logsigmoid: nn.LogSigmoid,
    nn.functional.silu: nn.SiLU,
    nn.functional.gelu: nn.GELU,
    nn.functional.hardswish: nn.Hardswish,
    nn.functional.mish: nn.Mish,
    torch.sigmoid: nn.Sigmoid,
    "sigmoid": nn.Sigmoid,
    nn.functional.sigmoid: nn.Sigmoid,
    torch.tanh: nn.Tanh,
    "tanh": nn.Tanh,
    nn.functional.tanh: nn.Tanh,
    torch.clamp: _clamp,
    "clamp": _clamp,
    "clip": _clamp,
    torch.clip: _clamp,
}
"""Functions and methods, and the module that takes their other arguments and does the same."""
