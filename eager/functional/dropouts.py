"""Dropout in its kinds, under the names of torch.nn.functional.

In comes a tensor and a probability, out goes the tensor with elements, channels or features left out. The one idea: they differ only in the shape of the draw and in
what stands in place of what is left out.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from .. import dtypes
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor
from . import kernels
from .arguments import offers_inplace
from .creation import rand
from .fused import fused

_SATURATION = -1.7580993408473766  # the value that SELU takes for very negative x: -scale * alpha (Klambauer et al., 2017)


def _kept(input: Tensor, p: float, shape: Any) -> Tensor:
    of = input.dtype if input.dtype.itemsize >= 4 else dtypes.float32
    return OPS["ge"](rand(tuple(shape), dtype=of, device=input.device), p)


def _check(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise error(ValueError, f"dropout probability has to be between 0 and 1, but got {p}")


def _dropped(input: Tensor, p: float, training: bool, shape: Any) -> Tensor:
    _check(p)
    if not training or p == 0.0:
        return input
    if p == 1.0:
        return input * 0.0
    return _scaled_where(input, _kept(input, p, shape), 1.0 / (1.0 - p))


@fused(kernels.dropped, kernels.dropped_backward, linear=True)
def _scaled_where(input: Tensor, kept: Tensor, scale: float) -> Tensor:
    return OPS["where"](kept, input * scale, 0.0)


def _features(input: Tensor) -> tuple:
    """One draw for each channel of each example."""
    if input.ndim < 2:
        raise error(RuntimeError, f"Feature dropout requires at least 2 dimensions in the input, got shape {tuple(input.shape)}")
    return (*input.shape[:2], *(1,) * (input.ndim - 2))


@offers_inplace
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element zeroed with probability `p`, the rest scaled by 1/(1-p); the identity unless `training`. Raises ValueError for p outside [0, 1]."""
    return _dropped(input, p, training, input.shape)


def _of_channels(input: Tensor, p: float, training: bool, rank: int) -> Tensor:
    """Of (N, C, *space); an input without a batch is one example."""
    if input.ndim not in (rank + 1, rank + 2):
        warnings.warn(f"dropout{rank}d: Received a {input.ndim}-D input, where {rank + 1}-D or {rank + 2}-D is expected", stacklevel=4)
    if input.ndim == rank + 1 and rank != 2:
        return OPS["squeeze"](_of_channels(OPS["unsqueeze"](input, 0), p, training, rank), (0,))
    return _dropped(input, p, training, _features(input))


@offers_inplace
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, L) or (C, L) zeroed with probability `p`, the rest scaled by 1/(1-p)."""
    return _of_channels(input, p, training, 1)


@offers_inplace
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, H, W) zeroed with probability `p`, the rest scaled by 1/(1-p). A 3-d input is (N, C, L), as in PyTorch."""
    return _of_channels(input, p, training, 2)


@offers_inplace
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, D, H, W) or (C, D, H, W) zeroed with probability `p`, the rest scaled by 1/(1-p)."""
    return _of_channels(input, p, training, 3)


feature_dropout = dropout2d


def _alpha(input: Tensor, p: float, training: bool, shape: Any) -> Tensor:
    """What is left out becomes SELU's saturation; then scale and shift keep mean 0 and variance 1."""
    _check(p)
    if not training or p == 0.0:
        return input
    if p == 1.0:
        return input * 0.0
    scale = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * _SATURATION**2))
    shift = -scale * p * _SATURATION
    return OPS["where"](_kept(input, p, shape), input * scale + shift, _SATURATION * scale + shift)


@offers_inplace
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps the mean and variance of self-normalising networks (Klambauer et al., 2017)."""
    return _alpha(input, p, training, input.shape)


@offers_inplace
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels."""
    return _alpha(input, p, training, _features(input) if training and p else None)
