"""The gamma distribution and what is made of its draws: exponential, chi-squared, beta, Dirichlet, F and Student's t.

In come parameters, out go draws, densities and moments. The one idea: a gamma draw can be differentiated for its shape (functional/draws.py), and all
others here are quotients of gamma draws.

Formulas are from Johnson, Kotz and Balakrishnan 1994 and 1995, "Continuous univariate distributions".
"""

from __future__ import annotations

import math
from typing import Any

from .. import functional as F
from ..dtypes import finfo
from ..functional.draws import _sample_dirichlet, _standard_gamma
from ..functional.layers import one_hot
from ..tensor import Tensor
from . import constraints
from .continuous import uniform_in
from .distribution import Distribution, ExponentialFamily
from .utils import broadcast_all


def _undefined(where: Tensor, value: Tensor, otherwise: float) -> Tensor:
    return F.where(where, value, otherwise)


class Gamma(ExponentialFamily):
    """The gamma distribution with shape `concentration` and `rate`.

    >>> import segue
    >>> Gamma(2.0, 1.0).log_prob(segue.tensor(1.0))
    tensor(-1.)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _parameters = ("concentration", "rate")
    _mean_carrier_measure = 0

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return F.clamp_min((self.concentration - 1) / self.rate, 0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate**2

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        found = _standard_gamma(F.expand(self.concentration, shape)) / self.rate
        return F.clamp_min(found, finfo(found.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        (value,) = broadcast_all(value) if not isinstance(value, Tensor) else (value,)
        if self._validate_args:
            self._validate_sample(value)
        return F.xlogy(self.concentration, self.rate) + F.xlogy(self.concentration - 1, value) - self.rate * value - F.lgamma(self.concentration)

    def cdf(self, value: Tensor) -> Tensor:
        """The regularised lower incomplete gamma function."""
        if self._validate_args:
            self._validate_sample(value)
        return F.igamma(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - F.log(self.rate) + F.lgamma(a) + (1 - a) * F.digamma(a)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return F.lgamma(x + 1) + (x + 1) * F.log(-F.reciprocal(y))


class Chi2(Gamma):
    """The sum of `df` squared normal draws: gamma of shape df / 2 and rate 1/2."""

    arg_constraints = {"df": constraints.positive}
    _parameters = ("concentration", "rate")

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self.concentration * 2


class Exponential(ExponentialFamily):
    """rate * exp(-rate * x)."""

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _parameters = ("rate",)
    _mean_carrier_measure = 0

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return F.reciprocal(self.rate)

    @property
    def mode(self) -> Tensor:
        return F.zeros_like(self.rate)

    @property
    def stddev(self) -> Tensor:
        return F.reciprocal(self.rate)

    @property
    def variance(self) -> Tensor:
        return F.reciprocal(self.rate * self.rate)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return -F.log(uniform_in(self._extended_shape(sample_shape), self.rate)) / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return F.log(self.rate) - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return -F.expm1(-self.rate * value)

    def icdf(self, value: Tensor) -> Tensor:
        return -F.log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        return 1 - F.log(self.rate)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (-self.rate,)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return -F.log(-x)


class Dirichlet(ExponentialFamily):
    """Numbers along the last dimension that are positive and add up to 1."""

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True
    _parameters = ("concentration",)

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / F.sum(self.concentration, -1, True)

    @property
    def mode(self) -> Tensor:
        """Where all concentrations are below 1 the corner of the largest."""
        less = F.clamp_min(self.concentration - 1, 0)
        mode = less / F.sum(less, -1, True)
        corner = one_hot(F.argmax(self.concentration, -1), self.concentration.shape[-1]).to(mode.dtype)
        return F.where(F.all(F.lt(self.concentration, 1), -1, True), corner, mode)

    @property
    def variance(self) -> Tensor:
        total = F.sum(self.concentration, -1, True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return _sample_dirichlet(F.expand(self.concentration, tuple(self._extended_shape(sample_shape))))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return F.sum(F.xlogy(a - 1, value), -1) + F.lgamma(F.sum(a, -1)) - F.sum(F.lgamma(a), -1)

    def entropy(self) -> Tensor:
        k, a = self.concentration.shape[-1], self.concentration
        total = F.sum(a, -1)
        return F.sum(F.lgamma(a), -1) - F.lgamma(total) - (k - total) * F.digamma(total) - F.sum((a - 1) * F.digamma(a), -1)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.concentration,)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return F.sum(F.lgamma(x), -1) - F.lgamma(F.sum(x, -1))


class Beta(ExponentialFamily):
    """On [0, 1]: x ** (concentration1 - 1) * (1 - x) ** (concentration0 - 1), normalised. The Dirichlet distribution of two."""

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        first, second = broadcast_all(concentration1, concentration0)
        self._dirichlet = Dirichlet(F.stack([first, second], -1), validate_args=validate_args)
        super().__init__(self._dirichlet._batch_shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Beta, _instance)
        new._dirichlet = self._dirichlet.expand(batch_shape)
        Distribution.__init__(new, batch_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def concentration1(self) -> Tensor:
        """The exponent of x, plus 1."""
        return self._dirichlet.concentration[..., 0]

    @property
    def concentration0(self) -> Tensor:
        """The exponent of 1 - x, plus 1."""
        return self._dirichlet.concentration[..., 1]

    @property
    def mean(self) -> Tensor:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Tensor:
        return self._dirichlet.mode[..., 0]

    @property
    def variance(self) -> Tensor:
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total**2 * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self._dirichlet.rsample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return self._dirichlet.log_prob(F.stack([value, 1 - value], -1))

    def entropy(self) -> Tensor:
        return self._dirichlet.entropy()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.concentration1, self.concentration0

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return F.lgamma(x) + F.lgamma(y) - F.lgamma(x + y)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class FisherSnedecor(Distribution):
    """The F distribution: the quotient of two chi-squared draws over their degrees of freedom."""

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True
    _parameters = ("df1", "df2")

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        super().__init__(self.df1.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return _undefined(F.gt(self.df2, 2), self.df2 / (self.df2 - 2), math.nan)

    @property
    def mode(self) -> Tensor:
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return _undefined(F.gt(self.df1, 2), mode, math.nan)

    @property
    def variance(self) -> Tensor:
        d1, d2 = self.df1, self.df2
        return _undefined(F.gt(d2, 4), 2 * d2**2 * (d1 + d2 - 2) / (d1 * (d2 - 2) ** 2 * (d2 - 4)), math.nan)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        above, below = (_standard_gamma(F.expand(df / 2, shape)) / (df / 2) for df in (self.df1, self.df2))
        tiny = finfo(self.df1.dtype).tiny
        return F.clamp_min(above / F.clamp_min(below, tiny), tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        a, b, ratio = self.df1 / 2, self.df2 / 2, self.df1 / self.df2
        return F.lgamma(a + b) - F.lgamma(a) - F.lgamma(b) + a * F.log(ratio) + (a - 1) * F.log(value) - (a + b) * F.log1p(ratio * value)


class StudentT(Distribution):
    """Student's t with `df` degrees of freedom, moved and scaled."""

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _parameters = ("df", "loc", "scale")

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return _undefined(F.gt(self.df, 1), self.loc, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        finite = _undefined(F.gt(self.df, 2), self.scale**2 * self.df / (self.df - 2), math.inf)
        return _undefined(F.gt(self.df, 1), finite, math.nan)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        normal = F.randn(shape, dtype=self.df.dtype, device=self.df.device)
        chi_squared = 2 * _standard_gamma(F.expand(self.df / 2, shape))
        return self.loc + self.scale * normal * F.rsqrt(chi_squared / self.df)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        normalizer = F.log(self.scale) + 0.5 * F.log(self.df) + 0.5 * math.log(math.pi) + F.lgamma(0.5 * self.df) - F.lgamma(0.5 * (self.df + 1))
        return -0.5 * (self.df + 1) * F.log1p(z * z / self.df) - normalizer

    def entropy(self) -> Tensor:
        half, more = 0.5 * self.df, 0.5 * (self.df + 1)
        log_beta = F.lgamma(half) + math.lgamma(0.5) - F.lgamma(more)
        return F.log(self.scale) + more * (F.digamma(more) - F.digamma(half)) + 0.5 * F.log(self.df) + log_beta
