"""Parameters and buffers of modules."""

from segue.eager.nn.parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter"]
