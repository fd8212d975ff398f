"""Batch normalisation folded into the layer before it, for evaluation, and modules made without drawing their parameters.

In come a layer and a batch norm, out goes one layer that computes both. Formula: w' = w s and b' = (b - mean) s + beta with s = gamma / sqrt(var + eps).
"""

from __future__ import annotations

import copy
from typing import Any

from ...functional.creation import ones_like, zeros_like
from ...tensor import Tensor
from ..module import Module
from ..parameter import Parameter


def _fused(
    weight: Tensor, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float, gamma: Tensor | None, beta: Tensor | None, dim: int
) -> tuple[Parameter, Parameter]:
    bias = zeros_like(mean) if bias is None else bias
    scale = (ones_like(mean) if gamma is None else gamma) * (var + eps).rsqrt()
    shape = [1] * weight.ndim
    shape[dim] = -1
    shift = (bias - mean) * scale + (zeros_like(mean) if beta is None else beta)
    return (
        Parameter((weight * scale.reshape(shape)).to(weight.dtype).detach(), weight.requires_grad),
        Parameter(shift.to(bias.dtype).detach(), bias.requires_grad),
    )


def fuse_conv_bn_weights(
    conv_w: Tensor, conv_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Tensor | None, bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """The weight and bias of a convolution with a batch norm behind it."""
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Tensor | None, bn_b: Tensor | None
) -> tuple[Parameter, Parameter]:
    """The weight and bias of a linear layer with a batch norm behind it."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def _eval(layer: Module, bn: Module, dim: int) -> Module:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    made = copy.deepcopy(layer)
    made.weight, made.bias = _fused(made.weight, made.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, dim)
    return made


def fuse_conv_bn_eval(conv: Module, bn: Module, transpose: bool = False) -> Module:
    """A convolution that computes `bn(conv(x))` in evaluation. Raises AssertionError in training."""
    return _eval(conv, bn, 1 if transpose else 0)


def fuse_linear_bn_eval(linear: Module, bn: Module) -> Module:
    """A linear layer that computes `bn(linear(x))` in evaluation. Raises AssertionError in training."""
    return _eval(linear, bn, 0)


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Module:
    """A module whose parameters are left unfilled. Raises RuntimeError for what is no class of modules."""
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    final = kwargs.pop("device", "cpu")
    make: Any = module_cls
    return make(*args, device="meta", **kwargs).to_empty(device=final)
