"""Brevitas with true sums: its layers' float products added in float64, then rounded once to float32."""

from contextlib import contextmanager

import brevitas.nn as qnn
import torch
from brevitas.quant_tensor import QuantTensor

from tests.converters.brevitas.agree import LAYERS, integer_bias, products, real


@contextmanager
def true_sums():
    """Inside, convolutions and linear layers add in float64."""
    kept = {kind: kind.inner_forward_impl for kind in LAYERS}

    def exact(layer, x, weight, bias):
        (kind,) = [entry for entry in type(layer).__mro__ if entry in kept]
        result = kept[kind](layer, x, weight, bias)
        value = _sums(layer, x, weight, bias)
        return result.set(value=value) if isinstance(result, QuantTensor) else value

    try:
        for kind in kept:
            kind.inner_forward_impl = exact
        yield
    finally:
        for kind, function in kept.items():
            kind.inner_forward_impl = function


def _sums(layer, x, weight, bias):
    """Integers and scales as Brevitas has them; the layer's arithmetic in float64."""
    scale = x.scale.double().reshape(-1) * weight.scale.double().reshape(-1)
    linear = isinstance(layer, qnn.QuantLinear)
    if not linear:
        scale = scale.reshape(1, -1, *[1] * (x.value.ndim - 2))
    operands = [torch.round(part.value.double() / part.scale.double()) for part in (x, weight)]
    result = products(layer, *operands, None) * scale
    if bias is not None:
        flat = real(bias).double()
        whole = integer_bias(bias, x, weight) if isinstance(bias, QuantTensor) else None
        if whole is not None:  # at the exact scale
            flat = whole * scale.reshape(-1)
        result = result + (flat if linear else flat.reshape(1, -1, *[1] * (result.ndim - 2)))
    return result.float()
