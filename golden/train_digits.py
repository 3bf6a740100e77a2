"""Train the two float networks behind the digits networks, and keep their parameters.

The data are the 1797 handwritten digits (8 x 8 pixels, 0 to 16) that ship inside scikit-learn. Training
is floating point and need not give the same bits on another machine, so its result is kept:
``digits_cnn/float.npz`` and ``digits_mlp/float.npz``. Everything after it is integer or exactly
rounded, and `make_digits.py` makes it anew from these files.

    pip install torch==2.13.0 scikit-learn
    python golden/train_digits.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

FOLDER = Path(__file__).parent
TRAINED = 1400  # the first samples train, the rest test


class Cnn(nn.Module):
    """Convolution, a depthwise separable residual block, convolution, average, dense."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.pointwise = nn.Conv2d(8, 8, 1)
        self.body = nn.Conv2d(8, 16, 3)
        self.classes = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.pointwise(nn.functional.relu6(self.depthwise(x))))
        x = nn.functional.max_pool2d(x, 2)
        x = torch.relu(self.body(x))
        return self.classes(x.mean(dim=(2, 3)))


class Mlp(nn.Module):
    """Two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(64, 32)
        self.classes = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classes(torch.relu(self.hidden(x.flatten(1))))


def train(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int) -> float:
    """Fit with Adam; returns the accuracy on the samples not trained on."""
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=epochs * (TRAINED // 50))
    for _ in range(epochs):
        for batch in torch.randperm(TRAINED).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        found = network(images[TRAINED:]).argmax(1)
    return float((found == labels[TRAINED:]).float().mean())


def main() -> None:
    torch.manual_seed(0)
    digits = load_digits()
    images = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    for name, network, epochs in (("digits_cnn", Cnn(), 60), ("digits_mlp", Mlp(), 40)):
        accuracy = train(network, images, labels, epochs)
        parameters = {key: value.numpy() for key, value in network.state_dict().items()}
        np.savez(FOLDER / name / "float.npz", **parameters)
        print(f"{name}: {accuracy:.1%} of {len(labels) - TRAINED} test digits")


if __name__ == "__main__":
    main()
