"""Small networks of Brevitas layers for the digits: one class per family of layers."""

from functools import cache

import brevitas.nn as qnn
import brevitas.quant as bq
import torch
from brevitas.core.restrict_val import PowerOfTwoRestrictValue
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerChannelFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from brevitas.quant.scaled_int import (
    Int8AccumulatorAwareWeightQuant,
    Int8AccumulatorAwareZeroCenterWeightQuant,
)
from torch import nn

from tests.converters.brevitas.digits import trained


class Convolutions(nn.Module):
    """Batch norm and a real bias; per-channel weights; max pooling; an integer bias; a sum that leaves."""

    def __init__(self, bits, weights=bq.Int8WeightPerChannelFloat):
        super().__init__()
        self.image = qnn.QuantIdentity(
            act_quant=bq.Uint8ActPerTensorFloat, bit_width=bits, return_quant_tensor=True
        )
        self.conv1 = qnn.QuantConv2d(1, 8, 3, padding=1, weight_quant=weights, weight_bit_width=bits)
        self.norm1 = nn.BatchNorm2d(8)
        self.relu1 = qnn.QuantReLU(bit_width=bits, return_quant_tensor=True)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = qnn.QuantConv2d(
            8, 8, 3, padding=1, weight_quant=weights, weight_bit_width=bits, bias_quant=bq.Int32Bias
        )
        self.relu2 = qnn.QuantReLU(bit_width=bits, return_quant_tensor=True)
        self.last = qnn.QuantLinear(
            128, 10, bias=True, weight_bit_width=bits, bias_quant=bq.Int32Bias, return_quant_tensor=True
        )

    def forward(self, x):
        x = self.pool(self.relu1(self.norm1(self.conv1(self.image(x)))))
        return self.last(self.relu2(self.conv2(x)).flatten(1))


class PowersOfTwo(nn.Module):
    """Every scale a power of two; strides, groups, a depthwise layer, an average that is truncated."""

    def __init__(self, bits):
        super().__init__()
        weights = {"weight_quant": Int8WeightPerChannelFixedPoint, "weight_bit_width": bits}
        codes = {"bit_width": bits, "return_quant_tensor": True}
        self.image = qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, **codes)
        self.conv1 = qnn.QuantConv2d(1, 8, 3, padding=1, bias=False, **weights)
        self.relu1 = qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, **codes)
        self.depthwise = qnn.QuantConv2d(
            8, 16, 3, stride=2, padding=1, groups=8, bias_quant=bq.Int32Bias, **weights
        )
        self.relu2 = qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, **codes)
        self.grouped = qnn.QuantConv2d(16, 16, 3, padding="same", dilation=2, groups=4, bias=False, **weights)
        self.relu3 = qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, **codes)
        self.average = qnn.TruncAvgPool2d(2, bit_width=bits)
        self.last = qnn.QuantLinear(64, 10, bias=False, return_quant_tensor=True, **weights)

    def forward(self, x):
        x = self.relu1(self.conv1(self.image(x)))
        x = self.relu2(self.depthwise(x))
        x = self.average(self.relu3(self.grouped(x)))
        return self.last(torch.flatten(x, 1))


class OneBit(nn.Module):
    """Weights and activations of -1 and 1 behind batch norms; ternary weights in the last layer."""

    def __init__(self):
        super().__init__()
        one = {"weight_quant": bq.SignedBinaryWeightPerTensorConst, "bias": False}
        sign = {"act_quant": bq.SignedBinaryActPerTensorConst, "return_quant_tensor": True}
        self.image = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.first = qnn.QuantLinear(64, 96, **one)
        self.norm1 = nn.BatchNorm1d(96)
        self.sign1 = qnn.QuantIdentity(**sign)
        self.second = qnn.QuantLinear(96, 96, **one)
        self.norm2 = nn.BatchNorm1d(96)
        self.sign2 = qnn.QuantIdentity(**sign)
        self.last = qnn.QuantLinear(
            96, 10, bias=False, weight_quant=bq.SignedTernaryWeightPerTensorConst, return_quant_tensor=True
        )

    def forward(self, x):
        x = self.image(x.flatten(1))
        x = self.sign1(self.norm1(self.first(x)))
        x = self.sign2(self.norm2(self.second(x)))
        return self.last(x)


class Residual(nn.Module):
    """A shared quantizer before a sum of two tensors, hardtanh, a line of places."""

    def __init__(self):
        super().__init__()
        self.image = qnn.QuantIdentity(bit_width=6, return_quant_tensor=True)
        self.widen = qnn.QuantConv1d(8, 16, 3, padding=1, weight_bit_width=6)
        self.shared = qnn.QuantHardTanh(bit_width=6, min_val=-2.0, max_val=2.0, return_quant_tensor=True)
        self.block = qnn.QuantConv1d(16, 16, 3, padding=1, weight_bit_width=6)
        self.relu = qnn.QuantReLU(bit_width=5, return_quant_tensor=True)
        self.pool = nn.MaxPool1d(2)
        self.last = qnn.QuantLinear(64, 10, bias=False, weight_bit_width=8, return_quant_tensor=True)

    def forward(self, x):
        x = self.shared(self.widen(self.image(x).view(x.shape[0], 8, 8)))
        x = self.relu(x + self.shared(self.block(x)))
        return self.last(self.pool(x).flatten(1))


class PlainTensors(nn.Module):
    """Layers that hand on plain floats; their own input quantizers; an average; activations of torch."""

    def __init__(self):
        super().__init__()
        eight = bq.Int8ActPerTensorFloat
        self.conv1 = qnn.QuantConv2d(1, 12, 3, bias=True, input_quant=eight)
        self.relu = nn.ReLU()
        self.conv2 = qnn.QuantConv2d(12, 12, 3, stride=1, input_quant=eight, output_quant=eight)
        self.average = nn.AvgPool2d(2)
        self.last = qnn.QuantLinear(48, 10, bias=True, input_quant=eight, output_quant=eight)

    def forward(self, x):
        x = self.conv2(torch.relu(self.relu(self.conv1(x))))
        return self.last(self.average(x).flatten(1))


PLAIN = Int8WeightPerChannelFixedPoint
A2Q = Int8AccumulatorAwareWeightQuant
A2Q_PLUS = Int8AccumulatorAwareZeroCenterWeightQuant


class Promised(nn.Module):
    """Two layers whose weights are trained for sums of `width` bits; the last layer is an ordinary one.

    Scales are powers of two, or any floats where `floats` is set.
    """

    def __init__(self, weights, width, weight_bits, bits, floats=False):
        super().__init__()
        kind = {"weight_quant": weights, "weight_bit_width": weight_bits, "bias_quant": bq.Int32Bias}
        codes = {"bit_width": bits, "return_quant_tensor": True}
        codes["act_quant"] = bq.Uint8ActPerTensorFloat if floats else Uint8ActPerTensorFixedPoint
        if weights is not PLAIN:
            kind["weight_accumulator_bit_width"] = width
            if not floats:
                kind["weight_restrict_scaling_impl"] = PowerOfTwoRestrictValue
        self.image = qnn.QuantIdentity(**codes)
        self.first = qnn.QuantLinear(64, 48, bias=True, **kind)
        self.relu1 = qnn.QuantReLU(**codes)
        self.second = qnn.QuantLinear(48, 48, bias=True, **kind)
        self.relu2 = qnn.QuantReLU(**codes)
        self.last = qnn.QuantLinear(48, 10, bias=False, weight_bit_width=8, return_quant_tensor=True)

    def forward(self, x):
        x = self.relu1(self.first(self.image(x.flatten(1))))
        return self.last(self.relu2(self.second(x)))


_NAMED = {
    "8 bits": (lambda: Convolutions(8), 5),
    "4 bits": (lambda: Convolutions(4), 5),
    "8 bits, powers of two": (lambda: PowersOfTwo(8), 5),
    "4 bits, powers of two": (lambda: PowersOfTwo(4), 5),
    "1 bit": (OneBit, 10),
    "residual": (Residual, 5),
    "plain tensors": (PlainTensors, 5),
    "a2q, any scales": (lambda: Promised(A2Q, 12, 5, 5, floats=True), 20),
    "a2q+, any scales": (lambda: Promised(A2Q_PLUS, 12, 5, 5, floats=True), 10),
}
"""How to build a network, and for how many epochs it is trained."""


@cache
def of(name):
    """A trained network by its name, trained once."""
    build, epochs = _NAMED[name]
    return trained(build, epochs=epochs)


@cache
def promised(weights, width, weight_bits, bits):
    """A trained `Promised`, trained once."""
    epochs = 10 if weights is PLAIN else 30  # a bound on weights is slow to train
    return trained(lambda: Promised(weights, width, weight_bits, bits), epochs=epochs)
