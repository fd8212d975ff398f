"""PyTorch's place for these names, `torch.nn.modules.module`."""

from segue.eager.nn import Module
from segue.eager.nn.hooks import (
    register_module_backward_hook, register_module_forward_hook, register_module_forward_pre_hook, register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)  # fmt: skip

__all__ = [
    "Module", "register_module_backward_hook", "register_module_forward_hook", "register_module_forward_pre_hook",
    "register_module_full_backward_hook", "register_module_full_backward_pre_hook",
]  # fmt: skip
