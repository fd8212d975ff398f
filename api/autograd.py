"""Derivatives: backward, grad, modes, and the check of gradients by differences."""

from segue.eager.autograd.engine import backward, grad
from segue.eager.autograd.function import Function
from segue.eager.autograd.gradcheck import gradcheck, gradgradcheck
from segue.eager.autograd.mode import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["Function", "backward", "enable_grad", "grad", "gradcheck", "gradgradcheck", "inference_mode", "no_grad", "set_grad_enabled"]
