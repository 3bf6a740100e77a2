"""Batch norms in evaluation mode, folded exactly: into what a sum stands for, not into the weights.

real' = (real - mean) / sqrt(var + eps) * gamma + beta is slope and offset again (rule E1 of `affine`). The
quantizer behind it turns them into thresholds on the same integer sum: weights, scales and accumulators stay
what they were, and nothing is rounded. A norm after an activation, or one whose result leaves the network
without a quantizer, is refused.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch
from intsim_converters.brevitas.affine import Span
from intsim_converters.brevitas.carried import Carried
from intsim_converters.brevitas.floats import UNIT
from intsim_converters.brevitas.lowering import Lowering, lowers
from intsim_converters.brevitas.weights import fractions


@lowers(torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
def lower_batch_norm(op: Lowering) -> Carried:
    x, norm = op.settled(op.operand()), op.module
    op.require(not x.after, "a batch norm must stand before the activation, or behind a quantizer")
    op.require(norm.track_running_stats and norm.running_mean is not None, "must have running statistics")
    channels = norm.num_features
    mean, var = fractions(norm.running_mean), fractions(norm.running_var)
    gamma = _affine(norm.weight, channels, Fraction(1))
    beta = _affine(norm.bias, channels, Fraction(0))
    op.require(
        all(value + Fraction(norm.eps) > 0 for value in var), "variances must be positive with eps added"
    )
    factor = [Span.of(g) / Span.root(v + Fraction(norm.eps)) for g, v in zip(gamma, var, strict=True)]
    more = [Span.of(b) - f * Span.of(m) for b, f, m in zip(beta, factor, mean, strict=True)]
    size = [f.magnitude for f in factor]
    reach, error = [], []
    for c in range(channels):
        product = size[c] * (x.reach[c % len(x.reach)] + abs(mean[c]))
        reach.append(product + abs(beta[c]))
        error.append(size[c] * x.error[c % len(x.error)] + 6 * UNIT * reach[c])
    return x.replace(affine=x.affine.then(factor, more), error=tuple(error), reach=tuple(reach))


def _affine(values: Any, channels: int, default: Fraction) -> tuple[Fraction, ...]:
    return (default,) * channels if values is None else fractions(values)
