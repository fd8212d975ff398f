"""Handwritten digits: a small convolutional network on the 1,797 images of 8x8 that scikit-learn ships.

In comes a seed, out go the model, the batches and the accuracy on a held-out fifth. Written as anyone would write it for PyTorch, the import aside.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import segue
import segue.nn.functional as F
from segue import nn
from segue.utils.data import DataLoader, TensorDataset

BATCH = 64
EPOCHS = 15
LEARNING_RATE = 2e-3


class DigitNet(nn.Module):
    """Two convolutions with batch norm, a pool, dropout, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.MaxPool2d(2),
        )  # fmt: skip
        self.dropout = nn.Dropout(0.25)
        self.classifier = nn.Linear(32 * 4 * 4, 10)

    def forward(self, images):
        x = self.features(images)
        return self.classifier(self.dropout(x.flatten(1)))


class Digits:
    """The data, split once by a fixed permutation."""

    def __init__(self, epochs: int = EPOCHS) -> None:
        from sklearn.datasets import load_digits  # an optional dependency, so imported where it is needed

        images, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(images))
        images = (images[order].reshape(-1, 1, 8, 8) / 16.0 - 0.5).astype(np.float32)
        labels = labels[order].astype(np.int64)
        cut = len(images) // 5
        self.test = (segue.from_numpy(images[:cut]), segue.from_numpy(labels[:cut]))
        self.train = TensorDataset(segue.from_numpy(images[cut:]), segue.from_numpy(labels[cut:]))
        self.epochs = epochs

    def build(self):
        """A new model and its optimizer."""
        model = DigitNet()
        return model, segue.optim.AdamW(model.parameters(), lr=LEARNING_RATE)

    def loss(self, model, images, labels):
        """What training makes small."""
        return F.cross_entropy(model(images), labels)

    def steps(self) -> int:
        """How many batches `batches()` gives."""
        return self.epochs * (len(self.train) // BATCH)

    def batches(self) -> Iterator:
        """All batches of all epochs."""
        loader = DataLoader(self.train, batch_size=BATCH, shuffle=True, drop_last=True)
        for _ in range(self.epochs):
            yield from loader

    def accuracy(self, model) -> float:
        """The share of held-out images that the model names rightly."""
        images, labels = self.test
        model.eval()
        with segue.no_grad():
            right = (model(images).argmax(1) == labels).float().mean().item()
        model.train()
        return right
