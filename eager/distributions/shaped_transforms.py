"""Transforms of vectors and matrices: reshaping, softmax, stick breaking, Cholesky factors.

In come tensors, out go tensors. The one idea: what a constraint asks of a whole vector or matrix is reached from plain numbers, which is what optimisers
and samplers move in.
"""

from __future__ import annotations

import math
from typing import Any

from .. import functional as F
from ..dtypes import finfo
from ..functional import linalg
from ..functional.activation import softplus
from ..functional.padding import pad
from ..shapes import Size
from ..tensor import Tensor
from . import constraints
from .transforms import Parameterless, Transform
from .utils import tril_matrix_to_vec, vec_to_tril_matrix


class ReshapeTransform(Transform):
    """The last dimensions of shape `in_shape` reshaped to `out_shape`. Raises ValueError where the counts differ."""

    bijective = True

    def __init__(self, in_shape: Any, out_shape: Any, cache_size: int = 0) -> None:
        self.in_shape, self.out_shape = Size(in_shape), Size(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ValueError("in_shape, out_shape have different numbers of elements")
        super().__init__(cache_size)

    @constraints.dependent_property
    def domain(self) -> Any:  # type: ignore[override]
        return constraints.independent(constraints.real, len(self.in_shape))

    @constraints.dependent_property
    def codomain(self) -> Any:  # type: ignore[override]
        return constraints.independent(constraints.real, len(self.out_shape))

    def with_cache(self, cache_size: int = 1) -> Any:
        return self if self._cache_size == cache_size else ReshapeTransform(self.in_shape, self.out_shape, cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return F.reshape(x, tuple(self.forward_shape(x.shape)))

    def _inverse(self, y: Tensor) -> Tensor:
        return F.reshape(y, tuple(self.inverse_shape(y.shape)))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return F.zeros(tuple(x.shape[: x.ndim - len(self.in_shape)]), dtype=x.dtype, device=x.device)

    def forward_shape(self, shape: Any) -> Any:
        return _replaced(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Any) -> Any:
        return _replaced(shape, self.out_shape, self.in_shape)


def _replaced(shape: Any, before: Any, after: Any) -> Size:
    if len(shape) < len(before):
        raise ValueError("Too few dimensions on input")
    cut = len(shape) - len(before)
    if tuple(shape[cut:]) != tuple(before):
        raise ValueError(f"Shape mismatch: expected {tuple(shape[cut:])} but got {tuple(before)}")
    return Size((*shape[:cut], *after))


class SoftmaxTransform(Parameterless):
    """softmax over the last dimension: not one to one, so without a determinant."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        return F.softmax(x, -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return F.log(y)

    def forward_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return shape

    inverse_shape = forward_shape


class StickBreakingTransform(Parameterless):
    """From K - 1 numbers to K shares of a stick, each broken off what is left (Stan reference manual, "Unit simplex")."""

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def _offset(self, x: Tensor, size: int) -> Tensor:
        """log(K - k), so that zeros give equal shares."""
        return F.log(F.arange(size, 0, -1, dtype=x.dtype, device=x.device))

    def _call(self, x: Tensor) -> Tensor:
        limits = finfo(x.dtype)
        share = F.clamp(F.sigmoid(x - self._offset(x, x.shape[-1])), limits.tiny, 1 - limits.eps)
        left = F.cumprod(1 - share, -1)
        return pad(share, (0, 1), value=1.0) * pad(left, (1, 0), value=1.0)

    def _inverse(self, y: Tensor) -> Tensor:
        most = y[..., :-1]
        left = F.clamp_min(1 - F.cumsum(most, -1), finfo(y.dtype).tiny)
        return F.log(most) - F.log(left) + self._offset(y, most.shape[-1])

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        z = x - self._offset(x, x.shape[-1])
        return F.sum(-z - softplus(-z) + F.log(y[..., :-1]), -1)

    def forward_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return Size((*shape[:-1], shape[-1] + 1))

    def inverse_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return Size((*shape[:-1], shape[-1] - 1))


class LowerCholeskyTransform(Parameterless):
    """The lower triangle of a matrix with exp of its diagonal."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return F.tril(x, -1) + F.diag_embed(F.exp(F.diagonal(x, 0, -2, -1)))

    def _inverse(self, y: Tensor) -> Tensor:
        return F.tril(y, -1) + F.diag_embed(F.log(F.diagonal(y, 0, -2, -1)))


class PositiveDefiniteTransform(Parameterless):
    """L @ L.T of the Cholesky factor that `LowerCholeskyTransform` makes."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        lower = LowerCholeskyTransform()(x)
        return F.matmul(lower, F.transpose(lower, -2, -1))

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform().inv(linalg.cholesky(y))


class CorrCholeskyTransform(Parameterless):
    """From D (D - 1) / 2 numbers to the Cholesky factor of a D x D correlation matrix.

    tanh gives partial correlations; row i of the factor is them times what is left of its unit length (Lewandowski, Kurowicka and Joe 2009).
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        eps = finfo(x.dtype).eps
        r = vec_to_tril_matrix(F.clamp(F.tanh(x), -1 + eps, 1 - eps), -1)
        left = F.cumprod(F.sqrt(1 - r**2), -1)
        return (r + F.eye(r.shape[-1], dtype=r.dtype, device=r.device)) * pad(left[..., :-1], (1, 0), value=1.0)

    def _inverse(self, y: Tensor) -> Tensor:
        left = F.clamp_min(1 - F.cumsum(y * y, -1), finfo(y.dtype).tiny)
        before = pad(left[..., :-1], (1, 0), value=1.0)
        return F.atanh(tril_matrix_to_vec(y, -1) / F.sqrt(tril_matrix_to_vec(before, -1)))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor, intermediates: Any = None) -> Tensor:
        left = F.clamp_min(1 - F.cumsum(y * y, -1), finfo(y.dtype).tiny)
        below = tril_matrix_to_vec(left, -2)
        stick = 0.5 * F.sum(F.log(below), -1)
        tanh = -2 * F.sum(x + softplus(-2 * x) - math.log(2.0), -1)
        return stick + tanh

    def forward_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        count = shape[-1]
        size = round((0.25 + 2 * count) ** 0.5 + 0.5)
        if size * (size - 1) // 2 != count:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return Size((*shape[:-1], size, size))

    def inverse_shape(self, shape: Any) -> Any:
        if len(shape) < 2:
            raise ValueError("Too few dimensions on input")
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))
