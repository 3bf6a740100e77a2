"""One layer or two between quantizers, calibrated on random data: for what the digits do not need."""

import warnings

import torch
from torch import nn


def calibrated(*layers, shape, seed=0):
    """A chain of layers that has seen data in training mode, in evaluation mode; and the next data.

    Parameters
    ----------
    layers : modules, in order
    shape : of a sample
    """
    torch.manual_seed(seed)
    module = nn.Sequential(*layers)
    return seen(module, shape)


def seen(module, shape):
    """A module that has seen data in training mode, in evaluation mode; and the next data."""
    generator = torch.Generator().manual_seed(7)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        module.train()
        for _ in range(3):
            module(torch.randn(16, *shape, generator=generator))
    return module.eval(), torch.randn(32, *shape, generator=generator).numpy()
