"""Optimizers and learning-rate schedules."""

from segue.eager.optim import SGD, Adam, AdamW, Optimizer

from . import lr_scheduler

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]
