"""AlexNet with narrow layers: convolutions, overlapping pooling, dropout, three linear layers.

Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks".
"""

import torch
import torch.nn as nn


class AlexNet(nn.Module):
    def __init__(self, num_classes: int = 7, dropout: float = 0.0) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(8, 12, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(12, 16, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 12, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(12 * 2 * 2, 32), nn.ReLU(inplace=True), nn.Dropout(p=dropout), nn.Linear(32, 32), nn.ReLU(inplace=True),
            nn.Linear(32, num_classes),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)


class Job:
    """A model, its optimizer, and one step of training."""

    def __init__(self):
        self.model = AlexNet()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def batch(self, rng):
        return torch.from_numpy(rng.standard_normal((2, 3, 63, 63)).astype("float32")), torch.from_numpy(rng.integers(0, 7, 2))

    def step(self, images, labels):
        self.optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(self.model(images), labels)
        loss.backward()
        self.optimizer.step()
        return loss
