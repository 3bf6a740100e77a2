"""Layers that cannot be integers here, and why."""

from __future__ import annotations

from typing import Any

import brevitas.nn as qnn
from torch import nn

_DEEP = "has feature maps of three axes, which no op here has"
_FLOAT = "has float weights; take the layer of brevitas.nn"
_BROKEN = "fails in Brevitas 0.13.4 itself, whatever it is given"
_STEPS = "keeps a state from step to step, made of gates between sums: write the steps out in layers"
_SCORES = "has a softmax of float scores"

REASONS: dict[Any, str] = {
    qnn.QuantConv3d: _DEEP,
    qnn.QuantConvTranspose3d: _DEEP,
    qnn.QuantRNN: _STEPS,
    qnn.QuantLSTM: _STEPS,
    qnn.QuantMultiheadAttention: _SCORES,
    qnn.QuantScaledDotProductAttention: _SCORES,
    qnn.ScaledDotProductAttention: _SCORES,
    qnn.HadamardClassifier: "divides by the norm of each sample",
    qnn.ScaleBias: "has a float scale; take QuantScaleBias",
    qnn.QuantCat: f"{_BROKEN}; take torch.cat behind a shared QuantIdentity",
    qnn.TruncQuantAccumulator: _BROKEN,
    qnn.ClampQuantAccumulator: _BROKEN,
    nn.Linear: _FLOAT,
    nn.Conv1d: _FLOAT,
    nn.Conv2d: _FLOAT,
    nn.Conv3d: _FLOAT,
    nn.ConvTranspose1d: _FLOAT,
    nn.ConvTranspose2d: _FLOAT,
    nn.Embedding: _FLOAT,
    nn.LayerNorm: "divides by the deviation of each sample",
    nn.GroupNorm: "divides by the deviation of each sample",
    nn.InstanceNorm1d: "divides by the deviation of each sample",
    nn.InstanceNorm2d: "divides by the deviation of each sample",
    nn.Softmax: "divides by a sum of exponentials",
    nn.LogSoftmax: "takes the logarithm of a sum of exponentials",
    nn.MultiheadAttention: _SCORES,
}
"""Kind of module -> what stands behind its name in the refusal."""
