"""PyTorch's place for these names, `torch.nn.modules.lazy`."""

from segue.eager.nn.lazy import LazyModuleMixin

__all__ = ["LazyModuleMixin"]
