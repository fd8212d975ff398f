"""Parameters of modules."""

from segue.eager.nn.parameter import Parameter

__all__ = ["Parameter"]
