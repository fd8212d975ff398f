"""Continuous distributions of one number whose draws are a formula of a uniform or a normal draw.

In come parameters, out go draws, densities and moments. The one idea: a location and a scale move a fixed distribution about; everything is written for
that one.

Formulas are from Johnson, Kotz and Balakrishnan 1994, "Continuous univariate distributions", unless a source is named.
"""

from __future__ import annotations

import math
from typing import Any

from .. import functional as F
from ..dtypes import finfo
from ..functional import special
from ..functional.draws import _von_mises
from ..tensor import Tensor
from . import constraints
from .distribution import Distribution, ExponentialFamily
from .utils import broadcast_all, logits_to_probs, probs_to_logits

_LOG_ROOT_TAU = 0.5 * math.log(2 * math.pi)


def uniform_in(shape: Any, like: Tensor) -> Tensor:
    """Uniform draws in the open interval (0, 1), safe under logarithms."""
    return F.clamp_min(F.rand(tuple(shape), dtype=like.dtype, device=like.device), finfo(like.dtype).tiny)


class LocationScale(Distribution):
    """A distribution with `loc` and `scale`."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _parameters = ("loc", "scale")
    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def _standard(self, shape: Any) -> Tensor:
        """A draw with location 0 and scale 1."""
        raise NotImplementedError

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """loc + scale * (a draw of the standard distribution)."""
        return self.loc + self._standard(self._extended_shape(sample_shape)) * self.scale

    def _checked(self, value: Tensor) -> Tensor:
        """The value on the standard scale."""
        if self._validate_args:
            self._validate_sample(value)
        return (value - self.loc) / self.scale

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc


class Normal(LocationScale, ExponentialFamily):
    """The normal distribution with mean `loc` and standard deviation `scale`.

    >>> import segue
    >>> Normal(0.0, 2.0).log_prob(segue.tensor(1.0))
    tensor(-1.7371)
    """

    _parameters = ("loc", "scale")
    _mean_carrier_measure = 0

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale**2

    def _standard(self, shape: Any) -> Tensor:
        return F.randn(tuple(shape), dtype=self.loc.dtype, device=self.loc.device)

    def log_prob(self, value: Tensor) -> Tensor:
        z = self._checked(value)
        return -0.5 * (z * z) - F.log(self.scale) - _LOG_ROOT_TAU

    def cdf(self, value: Tensor) -> Tensor:
        return 0.5 * (1 + F.erf(self._checked(value) * math.sqrt(0.5)))

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * F.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        return 0.5 + _LOG_ROOT_TAU + F.log(self.scale)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.loc / self.scale**2, -0.5 / self.scale**2

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return -0.25 * x**2 / y + 0.5 * F.log(-math.pi / y)


class Laplace(LocationScale):
    """The Laplace distribution: exp(-|x - loc| / scale) / (2 scale)."""

    _parameters = ("loc", "scale")

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale**2

    @property
    def stddev(self) -> Tensor:
        return math.sqrt(2) * self.scale

    def _standard(self, shape: Any) -> Tensor:
        u = uniform_in(shape, self.loc) - 0.5
        return -F.sign(u) * F.log1p(F.clamp_min(-2 * F.abs(u), finfo(u.dtype).eps - 1))

    def log_prob(self, value: Tensor) -> Tensor:
        return -F.log(2 * self.scale) - F.abs(self._checked(value))

    def cdf(self, value: Tensor) -> Tensor:
        z = self._checked(value)
        return 0.5 - 0.5 * F.sign(z) * F.expm1(-F.abs(z))

    def icdf(self, value: Tensor) -> Tensor:
        term = value - 0.5
        return self.loc - self.scale * F.sign(term) * F.log1p(-2 * F.abs(term))

    def entropy(self) -> Tensor:
        return 1 + F.log(2 * self.scale)


class Cauchy(LocationScale):
    """The Cauchy distribution: no mean, no variance."""

    _parameters = ("loc", "scale")

    @property
    def mean(self) -> Tensor:
        return F.full(tuple(self._batch_shape), math.nan, dtype=self.loc.dtype, device=self.loc.device)

    @property
    def variance(self) -> Tensor:
        return F.full(tuple(self._batch_shape), math.inf, dtype=self.loc.dtype, device=self.loc.device)

    def _standard(self, shape: Any) -> Tensor:
        return F.tan((uniform_in(shape, self.loc) - 0.5) * math.pi)

    def log_prob(self, value: Tensor) -> Tensor:
        z = self._checked(value)
        return -math.log(math.pi) - F.log(self.scale) - F.log1p(z * z)

    def cdf(self, value: Tensor) -> Tensor:
        return F.atan(self._checked(value)) / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return F.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Tensor:
        return math.log(4 * math.pi) + F.log(self.scale)


class Uniform(Distribution):
    """Uniform in [low, high). Raises ValueError where low >= high."""

    arg_constraints = {"low": constraints.dependent(is_discrete=False, event_dim=0), "high": constraints.dependent(is_discrete=False, event_dim=0)}
    has_rsample = True
    _parameters = ("low", "high")

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        if self._validate_args and not constraints.all_hold(F.lt(self.low, self.high)):
            raise ValueError(f"Uniform is not defined when low >= high; got low={self.low}, high={self.high}")

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        return math.nan * self.high

    @property
    def stddev(self) -> Tensor:
        return (self.high - self.low) / math.sqrt(12)

    @property
    def variance(self) -> Tensor:
        return (self.high - self.low) ** 2 / 12

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = F.rand(tuple(self._extended_shape(sample_shape)), dtype=self.low.dtype, device=self.low.device)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        inside = F.logical_and(F.le(self.low, value), F.gt(self.high, value))
        return F.where(inside, -F.log(self.high - self.low), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return F.clamp((value - self.low) / (self.high - self.low), 0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        return F.log(self.high - self.low)


class GeneralizedPareto(Distribution):
    """Excesses over a threshold `loc`: the tail of many distributions, heavy for a positive `concentration`, exponential for 0, bounded for a negative one.

    The survival function is (1 + c z)^(-1/c), z = (x - loc) / scale (Pickands 1975).

    >>> GeneralizedPareto(0.0, 1.0, 0.0).cdf(F.ones(1))
    tensor([0.6321])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True
    _parameters = ("loc", "scale", "concentration")

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def _bent(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is not 0, and the concentration with something harmless at the other places."""
        bent = F.ne(self.concentration, 0)
        return bent, F.where(bent, self.concentration, 1.0)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        c = self._bent()[1]
        return constraints.interval(self.loc, F.where(F.lt(self.concentration, 0), self.loc - self.scale / c, math.inf))

    @property
    def mean(self) -> Tensor:
        below = F.lt(self.concentration, 1)
        return F.where(below, self.loc + self.scale / (1 - F.where(below, self.concentration, 0.0)), math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        below = F.lt(self.concentration, 0.5)
        c = F.where(below, self.concentration, 0.0)
        return F.where(below, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), math.nan)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(F.rand(tuple(self._extended_shape(sample_shape)), dtype=self.loc.dtype, device=self.loc.device))

    def log_survival_function(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of more than `value`."""
        if self._validate_args:
            self._validate_sample(value)
        bent, c = self._bent()
        z = (value - self.loc) / self.scale
        return F.where(bent, -F.log1p(F.clamp_min(c * z, -1)) / c, -z)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.log_survival_function(value) * (1 + self.concentration) - F.log(self.scale)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of no more than `value`."""
        return F.log1p(-F.exp(self.log_survival_function(value)))

    def cdf(self, value: Tensor) -> Tensor:
        return -F.expm1(self.log_survival_function(value))

    def icdf(self, value: Tensor) -> Tensor:
        bent, c = self._bent()
        survived = F.log1p(-value)
        return self.loc + self.scale * F.where(bent, F.expm1(-c * survived) / c, -survived)

    def entropy(self) -> Tensor:
        return F.log(self.scale) + self.concentration + 1


class VonMises(Distribution):
    """A circular distribution: exp(concentration * cos(x - loc)), normalised over angles."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    _parameters = ("loc", "concentration")

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The circular variance, 1 - I1 / I0."""
        return 1 - special.i1e(self.concentration) / special.i0e(self.concentration)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        return _von_mises(F.expand(self.loc, shape), F.expand(self.concentration, shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        log_bessel = F.log(special.i0e(self.concentration)) + self.concentration
        return self.concentration * F.cos(value - self.loc) - math.log(2 * math.pi) - log_bessel


class ContinuousBernoulli(ExponentialFamily):
    """On [0, 1] with density proportional to probs ** x * (1 - probs) ** (1 - x) (Loaiza-Ganem and Cunningham 2019).

    Near probs = 1/2, within `lims`, its formulas are 0/0 and a Taylor series stands in for them.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _parameters = ("probs", "logits")
    _mean_carrier_measure = 0

    def __init__(self, probs: Any = None, logits: Any = None, lims: tuple[float, float] = (0.499, 0.501), validate_args: bool | None = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self._lims = lims
        if probs is not None:
            (given,) = broadcast_all(probs)
            if self._validate_args if validate_args is None else validate_args:
                if not constraints.all_hold(constraints.unit_interval.check(given)):
                    raise ValueError("The parameter probs has invalid values")
            eps = finfo(given.dtype).eps
            self.probs = F.clamp(given, eps, 1 - eps)
            self.logits = probs_to_logits(self.probs, True)
        else:
            (self.logits,) = broadcast_all(logits)
            eps = finfo(self.logits.dtype).eps
            self.probs = F.clamp(logits_to_probs(self.logits, True), eps, 1 - eps)
        super().__init__(self.logits.shape, validate_args=validate_args)

    def _copy_rest(self, new: Any) -> None:
        new._lims = self._lims

    def _away(self) -> tuple[Tensor, Tensor]:
        """Where probs is not near 1/2, and probs with something harmless at the other places."""
        far = F.logical_or(F.le(self.probs, self._lims[0]), F.gt(self.probs, self._lims[1]))
        return far, F.where(far, self.probs, self._lims[0])

    def _cont_bern_log_norm(self) -> Tensor:
        far, p = self._away()
        exact = F.log(F.abs(F.log1p(-p) - F.log(p))) - F.log(F.abs(1 - 2 * p))
        x = (self.probs - 0.5) ** 2
        return F.where(far, exact, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Tensor:
        far, p = self._away()
        x = self.probs - 0.5
        return F.where(far, p / (2 * p - 1) + 1 / (F.log1p(-p) - F.log(p)), 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x**2) * x)

    @property
    def variance(self) -> Tensor:
        far, p = self._away()
        x = (self.probs - 0.5) ** 2
        exact = p * (p - 1) / (1 - 2 * p) ** 2 + 1 / (F.log1p(-p) - F.log(p)) ** 2
        return F.where(far, exact, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(F.rand(tuple(self._extended_shape(sample_shape)), dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return value * F.log(self.probs) + (1 - value) * F.log1p(-self.probs) + self._cont_bern_log_norm()

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        far, p = self._away()
        found = F.where(far, (p**value * (1 - p) ** (1 - value) + p - 1) / (2 * p - 1), value)
        return F.where(F.le(value, 0), 0.0, F.where(F.ge(value, 1), 1.0, found))

    def icdf(self, value: Tensor) -> Tensor:
        far, p = self._away()
        exact = (F.log1p(-p + value * (2 * p - 1)) - F.log1p(-p)) / (F.log(p) - F.log1p(-p))
        return F.where(far, exact, value)

    def entropy(self) -> Tensor:
        other, itself = F.log1p(-self.probs), F.log(self.probs)
        return self.mean * (other - itself) - self._cont_bern_log_norm() - other

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        near = F.logical_and(F.gt(x, self._lims[0] - 0.5), F.le(x, self._lims[1] - 0.5))
        safe = F.where(near, (self._lims[0] - 0.5), x)
        return F.where(near, 0.5 * x + x**2 / 24.0 - x**4 / 2880.0, F.log(F.abs(F.exp(safe) - 1)) - F.log(F.abs(safe)))
