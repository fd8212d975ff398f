"""The functions of neural networks that stand at PyTorch's top level too, gathered.

Nothing comes in; out go names for this package and for the front door. The one idea: only functions whose arguments have the same order at both places are here;
those that take more at the top level are given again by top.py.
"""

from __future__ import annotations

from .activation import celu, celu_, hardshrink, prelu, relu, relu_, rrelu, rrelu_, selu, selu_, threshold, threshold_
from .convolutions import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from .dropouts import alpha_dropout, dropout, feature_alpha_dropout, feature_dropout
from .folding import channel_shuffle, native_channel_shuffle, pixel_shuffle, pixel_unshuffle
from .grid import grid_sampler, grid_sampler_2d, grid_sampler_3d
from .layers import bilinear
from .normalization import (
    _native_batch_norm_legit,
    cosine_similarity,
    group_norm,
    layer_norm,
    native_batch_norm,
    native_group_norm,
    native_layer_norm,
    pairwise_distance,
    rms_norm,
)  # fmt: skip
from .numbered import (
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    hinge_embedding_loss,
    kl_div,
    margin_ranking_loss,
    poisson_nll_loss,
    triplet_margin_loss,
)
from .padding import constant_pad_nd
from .pooling import adaptive_avg_pool1d, avg_pool1d, max_pool1d, max_pool1d_with_indices, max_pool2d, max_pool3d
from .pooling import adaptive_max_pool1d_with_indices as adaptive_max_pool1d  # the top level gives both, nn.functional chooses

__all__ = [
    "_native_batch_norm_legit", "adaptive_avg_pool1d", "adaptive_max_pool1d", "alpha_dropout", "avg_pool1d", "bilinear", "binary_cross_entropy_with_logits", "celu", "celu_",
    "channel_shuffle", "constant_pad_nd", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "cosine_embedding_loss", "cosine_similarity", "dropout", "feature_alpha_dropout", "feature_dropout", "grid_sampler", "grid_sampler_2d",
    "grid_sampler_3d", "group_norm", "hardshrink", "hinge_embedding_loss", "kl_div", "layer_norm", "margin_ranking_loss", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool3d", "native_batch_norm", "native_channel_shuffle", "native_group_norm", "native_layer_norm",
    "pairwise_distance", "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu", "relu", "relu_", "rms_norm", "rrelu", "rrelu_", "selu", "selu_",
    "threshold", "threshold_", "triplet_margin_loss",
]  # fmt: skip
