"""The functions behind the modules: the namespace `torch.nn.functional`, gathered from eager/functional.

Nothing is computed here but the in-place variants that PyTorch keeps as an argument.
"""

from __future__ import annotations

from ..functional import conv1d, conv2d, log_softmax, pad, sigmoid, softmax, tanh
from ..functional import relu as _relu
from ..functional.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)  # fmt: skip
from ..functional.neural import (
    batch_norm,
    bilinear,
    cosine_similarity,
    dropout,
    elu,
    embedding,
    gelu,
    glu,
    group_norm,
    hardsigmoid,
    hardswish,
    hardtanh,
    instance_norm,
    layer_norm,
    leaky_relu,
    linear,
    logsigmoid,
    mish,
    normalize,
    one_hot,
    relu6,
    rms_norm,
    scaled_dot_product_attention,
    selu,
    silu,
    softplus,
    softsign,
)  # fmt: skip
from ..functional.products import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d
from ..tensor import Tensor

__all__ = [
    "adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d", "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "conv1d", "conv2d", "cosine_similarity", "cross_entropy", "dropout", "elu", "embedding", "gelu", "glu", "group_norm", "hardsigmoid", "hardswish",
    "hardtanh", "huber_loss", "instance_norm", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax", "logsigmoid", "max_pool2d",
    "mish", "mse_loss", "nll_loss", "normalize", "one_hot", "pad", "relu", "relu6", "rms_norm", "scaled_dot_product_attention", "selu", "sigmoid",
    "silu", "smooth_l1_loss", "softmax", "softplus", "softsign", "tanh",
]  # fmt: skip


def relu(input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002
    """max(input, 0); with `inplace`, written into `input`."""
    return input.relu_() if inplace else _relu(input)
