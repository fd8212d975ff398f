"""Learning-rate schedules."""

from segue.eager.optim.cycles import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from segue.eager.optim.lr_scheduler import (
    ChainedScheduler, ConstantLR, CosineAnnealingLR, ExponentialLR, LambdaLR, LinearLR, LRScheduler, MultiplicativeLR, MultiStepLR, PolynomialLR,
    ReduceLROnPlateau, SequentialLR, StepLR,
)  # fmt: skip

_LRScheduler = LRScheduler  # the older name

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR", "LRScheduler", "LambdaLR",
    "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip
