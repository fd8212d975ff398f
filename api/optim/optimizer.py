"""The base class of optimizers."""

from segue.eager.optim.optimizer import Optimizer, required

__all__ = ["Optimizer", "required"]
