"""Brevitas' integers at every layer, read from its own forward pass, beside the network's."""

import warnings

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.quant_tensor import QuantTensor

import intsim

LAYERS = (
    qnn.QuantLinear,
    qnn.QuantConv1d,
    qnn.QuantConv2d,
    qnn.QuantConvTranspose1d,
    qnn.QuantConvTranspose2d,
    qnn.QuantScaleBias,
)
QUANTIZERS = (
    qnn.QuantIdentity,
    qnn.QuantReLU,
    qnn.QuantHardTanh,
    qnn.QuantSigmoid,
    qnn.QuantTanh,
    qnn.QuantHardSwish,
)


def real(value):
    """The float tensor of a tensor, quantized or not."""
    return value.value if isinstance(value, QuantTensor) else value


def brevitas_integers(module, images):
    """Name -> integers of every layer's sums and every quantizer's codes, in Brevitas' order.

    Codes are what its quantizers gave. Sums are of its own integer weights and its own integer inputs, in
    float64, where they are exact. Names are those of the network.
    """
    found = {}
    hooks = [
        part.register_forward_hook(_hook(found, name))
        for name, part in module.named_modules()
        if isinstance(part, LAYERS + QUANTIZERS)
    ]
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = module(torch.from_numpy(images))
    finally:
        for hook in hooks:
            hook.remove()
    return found, real(result).numpy()


def _hook(found, name):
    def keep(part, inputs, output):
        if isinstance(part, QUANTIZERS):
            if part.act_quant.is_quant_enabled:
                _note(found, name, codes(part.act_quant, output))
            return
        given = part.input_quant(inputs[0])
        if part.input_quant.is_quant_enabled:
            _note(found, f"{name}.input_quant", codes(part.input_quant, given))
        _note(found, name, _sums(part, given))
        if part.output_quant.is_quant_enabled:
            _note(found, f"{name}.output_quant", codes(part.output_quant, output))

    return keep


def _note(found, name, integers):
    """A module that is called again gets a number."""
    found[f"{name}_1" if name in found else name] = integers


def codes(proxy, output):
    """What an activation quantizer's float stands for."""
    steps = real(output).double() / proxy.scale().double() + proxy.zero_point().double()
    q = torch.round(steps)
    assert torch.abs(q - steps).max() < 1e-3
    return q.numpy().astype(np.int64)


def _sums(layer, quant):
    x = torch.round(quant.value.double() / quant.scale.double())
    weight = layer.quant_weight(quant)
    w = torch.round(weight.value.double() / weight.scale.double())
    bias = None
    if layer.bias is not None and layer.bias_quant.is_quant_enabled and not promised(layer):
        bias = integer_bias(layer.bias_quant(layer.bias, quant, weight), quant, weight)
    return products(layer, x, w, bias).numpy().astype(np.int64)


def integer_bias(bias, x, weight):
    """A bias as integers of the sum; None where its scale is another."""
    scale = x.scale.reshape(-1) * weight.scale.reshape(-1)
    if not torch.equal(*torch.broadcast_tensors(scale, bias.scale.reshape(-1))):
        return None
    return torch.round(bias.value.double() / bias.scale.double())


def products(layer, x, weight, bias):
    """A layer's sums of products of plain tensors."""
    functional = torch.nn.functional
    if isinstance(layer, qnn.QuantLinear):
        return functional.linear(x, weight, bias)
    if isinstance(layer, qnn.QuantScaleBias):
        shape = layer.runtime_shape
        return x * weight.view(shape) + (0 if bias is None else bias.view(shape))
    if isinstance(layer, (qnn.QuantConvTranspose1d, qnn.QuantConvTranspose2d)):
        line = isinstance(layer, qnn.QuantConvTranspose1d)
        sums = functional.conv_transpose1d if line else functional.conv_transpose2d
        places = layer.stride, layer.padding, layer.output_padding, layer.groups, layer.dilation
        return sums(x, weight, bias, *places)
    if layer.is_same_padded_strided:
        line = isinstance(layer, qnn.QuantConv1d)
        padded = layer.conv1d_same_zeros_pad_stride if line else layer.conv2d_same_zeros_pad_stride
        return padded(x, weight, bias)
    return layer._conv_forward(x, weight, bias)


def promised(layer):
    """Whether the layer was trained for an accumulator's width, so that its bias stays out of the sum."""
    return layer.weight_quant.requires_quant_input


def channels_last(array):
    """Brevitas' order to the network's."""
    if array.ndim == 4:
        return array.transpose(0, 2, 3, 1)
    return array.transpose(0, 2, 1)[:, None] if array.ndim == 3 else array


def run_all(network, images):
    """Every tensor of the network for images in Brevitas' order."""
    (entry,) = network.inputs
    given = {entry.name: np.ascontiguousarray(channels_last(images))}
    return intsim.run(network, given, engine="reference", trace=("*",))


def differences(found, trace):
    """Name -> how many integers differ, for the names that have any."""
    assert found
    counts = {name: int((channels_last(ours) != trace[name]).sum()) for name, ours in found.items()}
    return {name: count for name, count in counts.items() if count}
