"""Derivatives: backward, grad, modes, user-defined operations, and the check of gradients by differences."""

from segue.eager.autograd.anomaly import detect_anomaly, set_detect_anomaly
from segue.eager.autograd.engine import backward, grad
from segue.eager.autograd.function import Function
from segue.eager.autograd.mode import enable_grad, inference_mode, no_grad, set_grad_enabled

from segue.eager.legacy import Variable

from . import forward_ad, function, functional, gradcheck as _gradcheck, graph, profiler

gradcheck, gradgradcheck = _gradcheck.gradcheck, _gradcheck.gradgradcheck

__all__ = [
    "Function", "Variable", "backward", "detect_anomaly", "enable_grad", "forward_ad", "function", "functional", "grad", "gradcheck", "gradgradcheck", "graph",
    "inference_mode", "no_grad", "profiler", "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip
