"""Helpers around modules and parameters, under the names of torch.nn.utils."""

from . import parametrizations, parametrize, rnn  # noqa: F401
from .clip import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
    parameters_to_vector,
    vector_to_parameters,
)  # fmt: skip
from .fusion import fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval, fuse_linear_bn_weights, skip_init
from .parametrizations import hook_spectral_norm as spectral_norm
from .parametrizations import hook_weight_norm as weight_norm
from .parametrizations import remove_spectral_norm, remove_weight_norm

__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval",
    "fuse_linear_bn_weights", "get_total_norm", "parameters_to_vector", "remove_spectral_norm", "remove_weight_norm", "skip_init", "spectral_norm",
    "vector_to_parameters", "weight_norm",
]  # fmt: skip
