"""Distributions that are a transform of another one, and the named ones among them.

In come a base distribution and transforms, out go distributions. The one idea: the density of f(x) is that of x over |f'(x)|; log-normal, Gumbel, Weibull,
Pareto and others are one line of transforms each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import functional as F
from ..autograd.mode import no_grad
from ..dtypes import finfo
from ..shapes import Size
from ..tensor import Tensor
from . import constraints
from .composed_transforms import ComposeTransform
from .composite import Independent
from .continuous import Cauchy, Normal, Uniform
from .distribution import Distribution
from .gamma import Exponential, Gamma
from .shaped_transforms import StickBreakingTransform
from .transforms import AbsTransform, AffineTransform, ExpTransform, PowerTransform, Transform
from .utils import broadcast_all, euler_constant, sum_rightmost


class TransformedDistribution(Distribution):
    """The distribution of transforms[-1](... transforms[0](x)) for x of the base distribution.

    Raises ValueError for what is no transform, or does not fit the base's shape.

    >>> import segue
    >>> TransformedDistribution(Normal(0.0, 1.0), [ExpTransform()]).log_prob(segue.tensor(1.0))
    tensor(-0.9189)
    """

    arg_constraints: Any = {}

    def __init__(self, base_distribution: Distribution, transforms: Transform | Sequence[Transform], validate_args: bool | None = None) -> None:
        parts = [transforms] if isinstance(transforms, Transform) else transforms
        if not isinstance(parts, list) or not all(isinstance(t, Transform) for t in parts):
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        self.transforms = list(parts)
        whole = ComposeTransform(self.transforms)
        shape = tuple(base_distribution.batch_shape) + tuple(base_distribution.event_shape)
        if len(shape) < whole.domain.event_dim:
            raise ValueError(f"base_distribution needs to have shape with size at least {whole.domain.event_dim}, but got {shape}.")
        out = tuple(whole.forward_shape(shape))
        base_shape = tuple(whole.inverse_shape(out))
        event_dims = len(base_distribution.event_shape)
        base = base_distribution
        if base_shape != shape:
            base = base_distribution.expand(base_shape[: len(base_shape) - event_dims])
        more = whole.domain.event_dim - event_dims
        self.base_dist = Independent(base, more) if more > 0 else base
        event = max(whole.codomain.event_dim + max(event_dims - whole.domain.event_dim, 0), whole.codomain.event_dim)
        super().__init__(out[: len(out) - event], out[len(out) - event :], validate_args=validate_args)

    def _whole(self) -> ComposeTransform:
        return ComposeTransform(self.transforms)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(TransformedDistribution, _instance)
        new.transforms = self.transforms
        shape = self._whole().inverse_shape((*Size(batch_shape), *self._event_shape))
        new.base_dist = self.base_dist.expand(tuple(shape[: len(shape) - len(self.base_dist.event_shape)]))
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:  # type: ignore[override]
        if not self.transforms:
            return self.base_dist.support
        found, count = self.transforms[-1].codomain, len(self._event_shape)
        return constraints.independent(found, count - found.event_dim) if count > found.event_dim else found

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return self._whole()(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self._whole()(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        dims, found = len(self._event_shape), 0.0
        y = value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            dims += transform.domain.event_dim - transform.codomain.event_dim
            found = found - sum_rightmost(transform.log_abs_det_jacobian(x, y), dims - transform.domain.event_dim)
            y = x
        return found + sum_rightmost(self.base_dist.log_prob(y), dims - len(self.base_dist.event_shape))

    def _monotonic(self, value: Tensor) -> Tensor:
        """A probability of the base, turned round where the transforms fall."""
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5

    def cdf(self, value: Tensor) -> Tensor:
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._monotonic(self.base_dist.cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        return self._whole()(self.base_dist.icdf(self._monotonic(value)))

    def __repr__(self) -> str:
        if type(self).arg_constraints:
            parts = [(name, getattr(self, name)) for name in type(self).arg_constraints]
            return f"{type(self).__name__}({', '.join(f'{n}: {v if v.numel() == 1 else v.shape}' for n, v in parts)})"
        return f"{type(self).__name__}()"


class _Named(TransformedDistribution):
    """A transformed distribution with parameters of its own: `_build` makes base and transforms of them."""

    _parameters: tuple[str, ...] = ()

    def _build(self) -> tuple[Distribution, list[Transform]]:
        raise NotImplementedError

    def _make(self, validate_args: bool | None) -> None:
        base, transforms = self._build()
        TransformedDistribution.__init__(self, base, transforms, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(type(self)._owner, _instance)
        for name in self._parameters:
            setattr(new, name, F.expand(self.__dict__[name], tuple(Size(batch_shape))))
        new._validate_args = False
        new._make(False)
        new._validate_args = self._validate_args
        return new


class LogNormal(TransformedDistribution):
    """exp of a normal draw."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale, validate_args=validate_args), [ExpTransform()], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, self._get_checked_instance(LogNormal, _instance))

    @property
    def loc(self) -> Tensor:
        """The mean of the logarithm."""
        return self.base_dist.loc  # type: ignore[attr-defined]

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale  # type: ignore[attr-defined]

    @property
    def mean(self) -> Tensor:
        return F.exp(self.loc + self.scale**2 / 2)

    @property
    def mode(self) -> Tensor:
        return F.exp(self.loc - self.scale**2)

    @property
    def variance(self) -> Tensor:
        s = self.scale**2
        return F.expm1(s) * F.exp(2 * self.loc + s)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() + self.loc


class _Folded(TransformedDistribution):
    """|x| of a symmetric distribution around 0."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    _folds: Any = None

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(self._folds(0, scale, validate_args=False), [AbsTransform()], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, self._get_checked_instance(_Folded, _instance))

    @property
    def scale(self) -> Tensor:
        """The scale of what is folded."""
        return self.base_dist.scale  # type: ignore[attr-defined]

    @property
    def mode(self) -> Tensor:
        return F.zeros_like(self.scale)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return F.where(F.ge(value, 0), self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, prob: Tensor) -> Tensor:
        return self.base_dist.icdf((prob + 1) / 2)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() - math.log(2)


class HalfNormal(_Folded):
    """|x| of a normal draw with mean 0."""

    _folds = Normal

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        return self.scale**2 * (1 - 2 / math.pi)


class HalfCauchy(_Folded):
    """|x| of a Cauchy draw around 0: mean infinite."""

    _folds = Cauchy

    @property
    def mean(self) -> Tensor:
        return F.full(tuple(self._batch_shape), math.inf, dtype=self.scale.dtype, device=self.scale.device)

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance


class Gumbel(_Named):
    """The distribution of maxima: loc - scale * log(-log(u))."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    _parameters = ("loc", "scale")

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        self._make(validate_args)

    def _build(self) -> tuple[Distribution, list[Transform]]:
        limits = finfo(self.loc.dtype)
        base = Uniform(F.full_like(self.loc, limits.tiny), 1 - limits.eps, validate_args=False)
        inner = [ExpTransform().inv, AffineTransform(0, -F.ones_like(self.scale)), ExpTransform().inv]
        return base, [*inner, AffineTransform(self.loc, -self.scale)]

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z = (self.loc - value) / self.scale
        return z - F.exp(z) - F.log(self.scale)

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * euler_constant

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev**2

    def entropy(self) -> Tensor:
        return F.log(self.scale) + (1 + euler_constant)


class Weibull(_Named):
    """scale * (exponential draw) ** (1 / concentration)."""

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive
    _parameters = ("scale", "concentration")

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        self._make(validate_args)

    @property
    def concentration_reciprocal(self) -> Tensor:
        """1 / concentration."""
        return F.reciprocal(self.concentration)

    def _build(self) -> tuple[Distribution, list[Transform]]:
        base = Exponential(F.ones_like(self.scale), validate_args=False)
        return base, [PowerTransform(F.reciprocal(self.concentration)), AffineTransform(0, self.scale)]

    @property
    def mean(self) -> Tensor:
        return self.scale * F.exp(F.lgamma(1 + 1 / self.concentration))

    @property
    def mode(self) -> Tensor:
        k = self.concentration
        return F.where(F.gt(k, 1), self.scale * ((k - 1) / k) ** (1 / k), 0.0)

    @property
    def variance(self) -> Tensor:
        k = self.concentration
        return self.scale**2 * (F.exp(F.lgamma(1 + 2 / k)) - F.exp(2 * F.lgamma(1 + 1 / k)))

    def entropy(self) -> Tensor:
        return euler_constant * (1 - 1 / self.concentration) + F.log(self.scale / self.concentration) + 1


class Pareto(_Named):
    """scale * exp(exponential draw of rate alpha)."""

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}
    _parameters = ("scale", "alpha")

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = broadcast_all(scale, alpha)
        self._make(validate_args)

    def _build(self) -> tuple[Distribution, list[Transform]]:
        return Exponential(self.alpha, validate_args=False), [ExpTransform(), AffineTransform(0, self.scale)]

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        a = F.clamp_min(self.alpha, 1)  # infinite for alpha <= 1
        return a * self.scale / (a - 1)

    @property
    def mode(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        a = F.clamp_min(self.alpha, 2)
        return self.scale**2 * a / ((a - 1) ** 2 * (a - 2))

    def entropy(self) -> Tensor:
        return F.log(self.scale / self.alpha) + (1 + F.reciprocal(self.alpha))


class Kumaraswamy(_Named):
    """On (0, 1): (1 - u ** (1 / concentration0)) ** (1 / concentration1), much like the beta distribution (Kumaraswamy 1980)."""

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    _parameters = ("concentration1", "concentration0")

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        self._make(validate_args)

    def _build(self) -> tuple[Distribution, list[Transform]]:
        base = Uniform(F.zeros_like(self.concentration0), 1, validate_args=False)
        powers = [PowerTransform(F.reciprocal(self.concentration0)), AffineTransform(1.0, -1.0), PowerTransform(F.reciprocal(self.concentration1))]
        return base, powers

    def _moment(self, n: int) -> Tensor:
        """b B(1 + n / a, b)."""
        a, b = self.concentration1, self.concentration0
        return F.exp(F.log(b) + F.lgamma(1 + n / a) + F.lgamma(b) - F.lgamma(1 + b + n / a))

    @property
    def mean(self) -> Tensor:
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        return F.where(F.logical_or(F.lt(a, 1), F.lt(b, 1)), math.nan, ((a - 1) / (a * b - 1)) ** (1 / a))

    @property
    def variance(self) -> Tensor:
        return self._moment(2) - self.mean**2

    def entropy(self) -> Tensor:
        first, second = 1 - F.reciprocal(self.concentration1), 1 - F.reciprocal(self.concentration0)
        harmonic = F.digamma(self.concentration0 + 1) + euler_constant
        return second + first * harmonic - F.log(self.concentration1) - F.log(self.concentration0)


class InverseGamma(TransformedDistribution):
    """1 / (gamma draw)."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        super().__init__(base, [PowerTransform(-F.ones_like(base.rate))], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, self._get_checked_instance(InverseGamma, _instance))

    @property
    def concentration(self) -> Tensor:
        """The shape of the gamma draw."""
        return self.base_dist.concentration  # type: ignore[attr-defined]

    @property
    def rate(self) -> Tensor:
        """The rate of the gamma draw."""
        return self.base_dist.rate  # type: ignore[attr-defined]

    @property
    def mean(self) -> Tensor:
        return F.where(F.gt(self.concentration, 1), self.rate / (self.concentration - 1), math.inf)

    @property
    def mode(self) -> Tensor:
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        a = self.concentration
        return F.where(F.gt(a, 2), self.rate**2 / ((a - 1) ** 2 * (a - 2)), math.inf)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a + F.log(self.rate) + F.lgamma(a) - (1 + a) * F.digamma(a)


class LogisticNormal(TransformedDistribution):
    """A normal vector of K - 1 numbers, broken to K shares of a stick (Atchison and Shen 1980)."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand([1])
        super().__init__(base, [StickBreakingTransform()], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, self._get_checked_instance(LogisticNormal, _instance))

    @property
    def loc(self) -> Tensor:
        """The means of the normal vector."""
        return self.base_dist.base_dist.loc  # type: ignore[attr-defined]

    @property
    def scale(self) -> Tensor:
        """The standard deviations of the normal vector."""
        return self.base_dist.base_dist.scale  # type: ignore[attr-defined]
