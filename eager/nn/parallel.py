"""`DataParallel`: what programs for several GPUs wrap their model in; with one device it is the model.

In comes a module, out goes one that calls it. The one idea: names in `state_dict` get PyTorch's prefix `module.`, all else is the module's own.
"""

from __future__ import annotations

from typing import Any

from ..errors import error
from .module import Module


class DataParallel(Module):
    """Calls `module`. There is one device here, so inputs are not cut.

    >>> from segue import nn
    >>> list(DataParallel(nn.Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        self.module = module
        self.dim = dim
        self.device_ids: list[int] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """Trains with a group of processes, of which there is none: making one raises RuntimeError."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        raise error(RuntimeError, "DistributedDataParallel needs a process group, and segue has none", "ask distributed.is_initialized() first")


def data_parallel(module: Module, inputs: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0, module_kwargs: Any = None) -> Any:
    """`module(*inputs, **module_kwargs)`."""
    return module(*(inputs if isinstance(inputs, tuple) else (inputs,)), **(module_kwargs or {}))
