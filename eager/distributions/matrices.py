"""Distributions of matrices: Wishart's, of covariances, and the one of Lewandowski, Kurowicka and Joe, of correlations.

In come a number that says how concentrated they are and a matrix or a size, out go draws and densities. The one idea: both draw a lower triangular factor
row by row, from independent normal, gamma and beta draws, and never the matrix itself.
"""

from __future__ import annotations

import math
from typing import Any

from .. import functional as F
from ..functional import linalg
from ..functional.draws import _standard_gamma
from ..functional.elementary import mvlgamma
from ..tensor import Tensor
from . import constraints
from .distribution import Distribution, ExponentialFamily
from .gamma import Beta
from .multivariate import LOWER_FACTOR, given_matrix, half_log_det, transposed
from .utils import broadcast_all, lazy_property


def mvdigamma(a: Tensor, size: int) -> Tensor:
    """The derivative of the multivariate log-gamma function: the sum of digamma(a - i / 2) for i < size."""
    return F.sum(F.digamma(F.unsqueeze(a, -1) - 0.5 * F.arange(size, dtype=a.dtype, device=a.device)), -1)


class Wishart(ExponentialFamily):
    """Sums of `df` outer products of normal vectors of a covariance, which one of `covariance_matrix`, `precision_matrix`, `scale_tril` gives.

    `df` may be any number above p - 1, p the matrices' size. Draws are Bartlett's (Smith and Hocking 1972, algorithm AS 53); one that is singular in its
    dtype is drawn again, at most `max_try_correction` times (10). Raises ValueError unless just one of the three is given, and for a `df` too small.

    >>> import segue
    >>> Wishart(segue.tensor(3.0), segue.eye(2)).log_prob(segue.eye(2))
    tensor(-3.5310)
    """

    arg_constraints = {
        "covariance_matrix": constraints.positive_definite, "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky,
        "df": constraints.positive,
    }  # fmt: skip
    support = constraints.positive_definite
    has_rsample = True
    _parameters = ("df", "covariance_matrix", "precision_matrix", "scale_tril", "_unbroadcasted_scale_tril")

    def __init__(self, df: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        name, value = given_matrix(covariance_matrix=covariance_matrix, precision_matrix=precision_matrix, scale_tril=scale_tril)
        number = df if isinstance(df, Tensor) else F.full((), df, dtype=value.dtype, device=value.device)
        batch = tuple(F.broadcast_shapes(tuple(value.shape[:-2]), tuple(number.shape)))
        size = value.shape[-1]
        if not constraints.all_hold(F.gt(number, size - 1)):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {size - 1}.")
        self.df = F.expand(number, batch)
        setattr(self, name, F.expand(value, (*batch, *value.shape[-2:])))
        super().__init__(batch, value.shape[-2:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = F.expand(LOWER_FACTOR[name](value), (*batch, *value.shape[-2:]))

    @lazy_property
    def scale_tril(self) -> Any:
        """The lower Cholesky factor of the covariance."""
        return self._unbroadcasted_scale_tril

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance of the vectors."""
        return F.matmul(self.scale_tril, transposed(self.scale_tril))

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return F.cholesky_inverse(self.scale_tril)

    def _times(self, factor: Tensor) -> Tensor:
        return F.reshape(factor, (*tuple(self._batch_shape), 1, 1)) * self.covariance_matrix

    @property
    def mean(self) -> Tensor:
        return self._times(self.df)

    @property
    def mode(self) -> Tensor:
        """(df - p - 1) times the covariance; NaN where there is none, for a df of no more than p + 1."""
        factor = self.df - self._event_shape[-1] - 1
        return self._times(F.where(F.le(factor, 0), math.nan, factor))

    @property
    def variance(self) -> Tensor:
        diagonal = F.diagonal(self.covariance_matrix, 0, -2, -1)
        spread = self.covariance_matrix**2 + F.unsqueeze(diagonal, -1) * F.unsqueeze(diagonal, -2)
        return F.reshape(self.df, (*tuple(self._batch_shape), 1, 1)) * spread

    def _bartlett(self, shape: tuple) -> Tensor:
        """L A (L A)^T: A is lower triangular, standard normal below its diagonal and the root of a chi-squared draw of df - i on it."""
        size = self._event_shape[-1]
        degrees = F.unsqueeze(self.df, -1) - F.arange(size, dtype=self.df.dtype, device=self.df.device)
        roots = F.sqrt(2 * _standard_gamma(F.expand(degrees / 2, shape[:-1])))
        factor = F.matmul(self._unbroadcasted_scale_tril, F.tril(F.randn(shape, dtype=self.df.dtype, device=self.df.device), -1) + F.diag_embed(roots))
        return F.matmul(factor, transposed(factor))

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        drawn = self._bartlett(shape)
        for _ in range(10 if max_try_correction is None else max_try_correction):
            regular = self.support.check(drawn)
            if constraints.all_hold(regular):
                break
            drawn = F.where(F.reshape(regular, (*tuple(regular.shape), 1, 1)), drawn, self._bartlett(shape))
        return drawn

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        size, log_det = self._event_shape[-1], half_log_det(self._unbroadcasted_scale_tril)
        normalizer = self.df * (size * math.log(2) / 2 + log_det) + mvlgamma(self.df / 2, size)
        weighted = F.cholesky_solve(value, self._unbroadcasted_scale_tril)
        trace = F.sum(F.diagonal(weighted, 0, -2, -1), -1)
        return (self.df - size - 1) * half_log_det(linalg.cholesky(value)) - trace / 2 - normalizer

    def entropy(self) -> Tensor:
        size, half = self._event_shape[-1], self.df / 2
        constant = size * (size + 1) * math.log(2) / 2
        scale = (size + 1) * half_log_det(self._unbroadcasted_scale_tril)
        return scale + constant + mvlgamma(half, size) - (self.df - size - 1) / 2 * mvdigamma(half, size) + half * size


class LKJCholesky(Distribution):
    """Lower Cholesky factors of correlation matrices, whose density goes with det^(concentration - 1): 1 is uniform, larger ones are nearer to the identity.

    The onion method and the normalising constant of Lewandowski, Kurowicka and Joe 2009: row i of the factor is a point of the sphere of i dimensions, its
    squared length a beta draw. Raises ValueError for a `dim` below 2.

    >>> import segue
    >>> LKJCholesky(3, 1.0).log_prob(segue.eye(3))
    tensor(-1.5963)
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky
    _parameters = ("concentration",)

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args=validate_args)

    def _copy_rest(self, new: Any) -> None:
        new.dim = self.dim

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape, of = tuple(self._extended_shape(sample_shape)), self.concentration.dtype
        where = self.concentration.device
        row = F.arange(1, self.dim, dtype=of, device=where)
        lengths = Beta(F.expand(row / 2, shape[:-2] + (self.dim - 1,)), F.unsqueeze(self.concentration, -1) + (self.dim - 1 - row) / 2, validate_args=False)
        squared = F.unsqueeze(lengths.sample(), -1)
        noise = F.tril(F.randn((*shape[:-2], self.dim - 1, self.dim), dtype=of, device=where))
        below = F.sqrt(squared) * noise / F.linalg.vector_norm(noise, dim=-1, keepdim=True)
        first = F.zeros((*shape[:-2], 1, self.dim), dtype=of, device=where)
        left = F.cat([F.ones((*shape[:-2], 1), dtype=of, device=where), F.sqrt(1 - F.squeeze(squared, -1))], -1)
        return F.cat([first, below], -2) + F.diag_embed(left)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        diagonal = F.diagonal(value, 0, -2, -1)[..., 1:]
        rest = self.dim - F.arange(2, self.dim + 1, dtype=diagonal.dtype, device=diagonal.device)
        powers = 2 * (F.unsqueeze(self.concentration, -1) - 1) + rest
        count = self.dim - 1
        alpha = self.concentration + count / 2
        constant = count * math.log(math.pi) / 2 + mvlgamma(alpha - 0.5, count) - count * F.lgamma(alpha)
        return F.sum(powers * F.log(diagonal), -1) - constant
