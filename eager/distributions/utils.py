"""What distributions share: parameters brought to one shape, probabilities and logits of each other, numerically safe bounds.

In come tensors and numbers, out go tensors. The one idea: a distribution stores its parameters broadcast to one shape, so that every formula is plain
arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import functional as F
from ..dtypes import finfo, get_default_dtype
from ..functional.activation import softplus
from ..tensor import Tensor

euler_constant = 0.57721566490153286060


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors of one shape; numbers become tensors of the tensors' dtype (the default dtype where there is none). Raises ValueError for other kinds.

    >>> [tuple(t.shape) for t in broadcast_all(1.0, F.zeros(2, 1), F.zeros(3))]
    [(2, 3), (2, 3), (2, 3)]
    """
    if not all(isinstance(v, (Tensor, int, float)) for v in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__.")
    tensors = [v for v in values if isinstance(v, Tensor)]
    if len(tensors) < len(values):
        of = tensors[0].dtype if tensors else get_default_dtype()
        of = of if of.is_floating_point else get_default_dtype()
        values = tuple(v if isinstance(v, Tensor) else F.full((), v, dtype=of, device=tensors[0].device if tensors else None) for v in values)
    return tuple(F.broadcast_tensors(*values))


def _standard_normal(shape: Sequence[int], dtype: Any, device: Any) -> Tensor:
    """Draws from the normal distribution of mean 0 and variance 1."""
    return F.randn(tuple(shape), dtype=dtype, device=device)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities: by the logistic function, or by softmax over the last dimension."""
    return F.sigmoid(logits) if is_binary else F.softmax(logits, -1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Logits, finite ones: probabilities are kept an epsilon away from 0 and 1."""
    kept = clamp_probs(probs)
    return F.log(kept) - F.log1p(-kept) if is_binary else F.log(kept)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities within [eps, 1 - eps] of their dtype."""
    eps = finfo(probs.dtype).eps
    return F.clamp(probs, eps, 1 - eps)


def binary_cross_entropy(logits: Tensor, value: Tensor) -> Tensor:
    """-log of the probability of `value` (between 0 and 1) where 1 has these logits, without overflow."""
    return softplus(-logits) + (1 - value) * logits


def log_factorial_ratio(total: Any, part: Tensor) -> Tensor:
    """log of the binomial coefficient."""
    return F.lgamma(total + 1) - F.lgamma(part + 1) - F.lgamma(total - part + 1)


def sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the last `dim` dimensions."""
    return value if dim == 0 or not isinstance(value, Tensor) else F.sum(value, tuple(range(-dim, 0)))


class lazy_property:
    """A property that an attribute set on the instance hides: a parameter that was not given follows from the one that was."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self.wrapped(instance)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements of the lower triangle, row by row."""
    rows, columns = F.tril_indices(mat.shape[-2], mat.shape[-1], diag, device=mat.device)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The lower triangular matrix whose elements, row by row, are `vec`. Raises ValueError where no size fits."""
    size = int((-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2)
    rows, columns = F.tril_indices(size, size, diag, device=vec.device)
    if rows.shape[0] != vec.shape[-1]:
        raise ValueError(f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as the lower triangular part of a square D x D matrix.")
    flat = F.zeros(*vec.shape[:-1], size * size, dtype=vec.dtype, device=vec.device)
    place = F.expand(rows * size + columns, tuple(vec.shape))
    return F.reshape(F.scatter(flat, -1, place, vec), (*vec.shape[:-1], size, size))


__all__ = [
    "broadcast_all", "clamp_probs", "euler_constant", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec", "vec_to_tril_matrix",
]  # fmt: skip
