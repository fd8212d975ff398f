"""PyTorch's place for these names, `torch.nn.modules.flatten`."""

from segue.eager.nn import Flatten, Unflatten

__all__ = ["Flatten", "Unflatten"]
