"""The tape, and what happens to the tensors that it keeps."""

from segue.eager.autograd.graph import GradientEdge, Node, get_gradient_edge, increment_version, register_multi_grad_hook
from segue.eager.autograd.saved import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks

__all__ = [
    "GradientEdge", "Node", "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version", "register_multi_grad_hook", "save_on_cpu",
    "saved_tensors_hooks",
]  # fmt: skip
