"""scikit-learn's digits, and a training of a few seconds: seeded, one thread, the same every time."""

import warnings

import numpy as np
import torch
from sklearn.datasets import load_digits

EPOCHS, BATCH = 5, 100


def _split():
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(0).permutation(len(images))
    first, rest = order[:1200], order[1200:]
    return (images[first], labels[first]), (images[rest], labels[rest])


TRAIN, TEST = _split()
"""(images (N, 1, 8, 8) float32 from 0 to 1, labels)."""


def example():
    """Two images of the test set."""
    return torch.from_numpy(TEST[0][:2])


def trained(build, *, epochs=EPOCHS, seed=0, rate=2e-2):
    """A trained network in evaluation mode.

    Parameters
    ----------
    build : makes the module, called with torch's generator seeded
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, about named tensors and the like
            torch.manual_seed(seed)
            return _train(build(), epochs, rate)
    finally:
        torch.set_num_threads(threads)


def _train(module, epochs, rate):
    images, labels = (torch.from_numpy(part) for part in TRAIN)
    optimizer = torch.optim.Adam(module.parameters(), rate)
    module.train()
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for start in range(0, len(images), BATCH):
            chosen = order[start : start + BATCH]
            result = module(images[chosen])
            logits = getattr(result, "value", result)
            loss = torch.nn.functional.cross_entropy(logits, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return module.eval()
