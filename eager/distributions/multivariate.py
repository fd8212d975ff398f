"""Normal distributions of vectors: with any covariance, and with one of low rank plus a diagonal.

In come a mean and a covariance in one of its forms, out go draws and densities. The one idea: a lower triangular factor L of the covariance turns
standard normal draws into draws, and (x - loc) back by one triangular solve.
"""

from __future__ import annotations

import math
from typing import Any

from .. import functional as F
from ..functional import linalg
from ..tensor import Tensor
from . import constraints
from .distribution import Distribution
from .utils import lazy_property

_LOG_TAU = math.log(2 * math.pi)


def transposed(x: Tensor) -> Tensor:
    """The matrices, transposed."""
    return F.transpose(x, -2, -1)


def half_log_det(triangular: Tensor) -> Tensor:
    """The sum of the logarithms of the diagonal."""
    return F.sum(F.log(F.diagonal(triangular, 0, -2, -1)), -1)


def squared_distance(triangular: Tensor, x: Tensor) -> Tensor:
    """|L^-1 x|^2, batches broadcast: the squared Mahalanobis distance for the covariance L L^T."""
    solved = linalg.solve_triangular(triangular, F.unsqueeze(x, -1), upper=False)
    return F.sum(F.squeeze(solved, -1) ** 2, -1)


def precision_to_scale_tril(precision: Tensor) -> Tensor:
    """The lower triangular factor of the inverse: the Cholesky factor of P read backwards, inverted and turned round."""
    backwards = linalg.cholesky(F.flip(precision, (-2, -1)))
    upper = transposed(F.flip(backwards, (-2, -1)))
    eye = F.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return linalg.solve_triangular(upper, eye, upper=False)


LOWER_FACTOR = {"covariance_matrix": linalg.cholesky, "precision_matrix": precision_to_scale_tril, "scale_tril": lambda x: x}


def given_matrix(**forms: Tensor | None) -> tuple[str, Tensor]:
    """Name and value of the one of `LOWER_FACTOR`'s matrices that is given. Raises ValueError unless it is just one, of two dimensions or more."""
    given = [(name, value) for name, value in forms.items() if value is not None]
    if len(given) != 1:
        raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
    name, value = given[0]
    if value.ndim < 2:
        raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
    return name, value


def identity(shape: Any, size: int, like: Tensor) -> Tensor:
    """Identity matrices of a batch."""
    return F.expand(F.eye(size, dtype=like.dtype, device=like.device), (*shape, size, size))


class MultivariateNormal(Distribution):
    """Normal vectors of mean `loc` and one of `covariance_matrix`, `precision_matrix`, `scale_tril` (the lower Cholesky factor).

    Raises ValueError unless just one of the three is given.

    >>> import segue
    >>> MultivariateNormal(segue.zeros(2), segue.eye(2)).log_prob(segue.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector, "covariance_matrix": constraints.positive_definite, "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }  # fmt: skip
    support = constraints.real_vector
    has_rsample = True
    _parameters = ("loc", "covariance_matrix", "precision_matrix", "scale_tril", "_unbroadcasted_scale_tril")

    def __init__(self, loc: Tensor, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, value = given_matrix(covariance_matrix=covariance_matrix, precision_matrix=precision_matrix, scale_tril=scale_tril)
        batch = tuple(F.broadcast_shapes(tuple(value.shape[:-2]), tuple(loc.shape[:-1])))
        self.loc = F.expand(loc, (*batch, loc.shape[-1]))
        setattr(self, name, F.expand(value, (*batch, *value.shape[-2:])))
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = LOWER_FACTOR[name](value)

    @lazy_property
    def scale_tril(self) -> Any:
        """The lower Cholesky factor of the covariance."""
        return F.expand(self._unbroadcasted_scale_tril, tuple(self._batch_shape + self._event_shape + self._event_shape))

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        return F.matmul(self.scale_tril, transposed(self.scale_tril))

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return F.cholesky_inverse(self.scale_tril)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return F.expand(F.sum(self._unbroadcasted_scale_tril**2, -1), tuple(self._batch_shape + self._event_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        noise = F.randn(tuple(self._extended_shape(sample_shape)), dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + F.squeeze(F.matmul(self._unbroadcasted_scale_tril, F.unsqueeze(noise, -1)), -1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = squared_distance(self._unbroadcasted_scale_tril, value - self.loc)
        return -0.5 * (self._event_shape[0] * _LOG_TAU + distance) - half_log_det(self._unbroadcasted_scale_tril)

    def entropy(self) -> Tensor:
        found = 0.5 * self._event_shape[0] * (1 + _LOG_TAU) + half_log_det(self._unbroadcasted_scale_tril)
        return F.expand(found, tuple(self._batch_shape))


class LowRankMultivariateNormal(Distribution):
    """Normal vectors of covariance `cov_factor @ cov_factor.T + diag(cov_diag)`.

    The Woodbury identity and the matrix determinant lemma bring everything down to the small matrix I + W^T D^-1 W, whose Cholesky factor is kept.
    """

    arg_constraints = {
        "loc": constraints.real_vector, "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }  # fmt: skip
    support = constraints.real_vector
    has_rsample = True
    _parameters = ("loc", "cov_factor", "cov_diag", "_capacitance_tril")

    def __init__(self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        size = loc.shape[-1]
        if cov_factor.ndim < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2] != size:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {size} x m")
        if cov_diag.shape[-1] != size:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {(size,)}")
        try:
            batch = tuple(F.broadcast_shapes(tuple(loc.shape[:-1]), tuple(cov_factor.shape[:-2]), tuple(cov_diag.shape[:-1])))
        except RuntimeError:
            raise ValueError(
                f"Incompatible batch shapes: loc {tuple(loc.shape)}, cov_factor {tuple(cov_factor.shape)}, cov_diag {tuple(cov_diag.shape)}"
            ) from None
        self.loc, self.cov_diag = F.expand(loc, (*batch, size)), F.expand(cov_diag, (*batch, size))
        self.cov_factor = F.expand(cov_factor, (*batch, *cov_factor.shape[-2:]))
        super().__init__(batch, (size,), validate_args=validate_args)
        scaled = transposed(self.cov_factor / F.unsqueeze(self.cov_diag, -1))
        rank = self.cov_factor.shape[-1]
        self._capacitance_tril = linalg.cholesky(F.matmul(scaled, self.cov_factor) + F.eye(rank, dtype=loc.dtype, device=loc.device))

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return F.sum(self.cov_factor**2, -1) + self.cov_diag

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        return F.matmul(self.cov_factor, transposed(self.cov_factor)) + F.diag_embed(self.cov_diag)

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance (Woodbury 1950)."""
        scaled = transposed(self.cov_factor / F.unsqueeze(self.cov_diag, -1))
        part = linalg.solve_triangular(self._capacitance_tril, scaled, upper=False)
        return F.diag_embed(F.reciprocal(self.cov_diag)) - F.matmul(transposed(part), part)

    @lazy_property
    def scale_tril(self) -> Any:
        """The lower Cholesky factor of the covariance."""
        return linalg.cholesky(self.covariance_matrix)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        factors = F.randn((*shape[:-1], self.cov_factor.shape[-1]), dtype=self.loc.dtype, device=self.loc.device)
        common = F.squeeze(F.matmul(self.cov_factor, F.unsqueeze(factors, -1)), -1)
        return self.loc + common + F.sqrt(self.cov_diag) * F.randn(shape, dtype=self.loc.dtype, device=self.loc.device)

    def _log_det(self) -> Tensor:
        return 2 * half_log_det(self._capacitance_tril) + F.sum(F.log(self.cov_diag), -1)

    def _distance(self, x: Tensor) -> Tensor:
        scaled = transposed(self.cov_factor / F.unsqueeze(self.cov_diag, -1))
        common = F.squeeze(F.matmul(scaled, F.unsqueeze(x, -1)), -1)
        return F.sum(x**2 / self.cov_diag, -1) - squared_distance(self._capacitance_tril, common)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return -0.5 * (self._event_shape[0] * _LOG_TAU + self._log_det() + self._distance(value - self.loc))

    def entropy(self) -> Tensor:
        return 0.5 * (self._event_shape[0] * (1 + _LOG_TAU) + self._log_det())
