"""Discrete distributions of one number: Bernoulli, geometric, binomial, negative binomial, Poisson.

In come probabilities or their logits, out go draws, log-probabilities and moments. The one idea: whichever of `probs` and `logits` was given is
stored, and the other follows from it when it is asked for.

Formulas are from Johnson, Kemp and Kotz 2005, "Univariate discrete distributions".
"""

from __future__ import annotations

import math
from typing import Any

from .. import functional as F
from ..autograd.mode import no_grad
from ..functional.activation import logsigmoid
from ..functional.draws import _standard_gamma, binomial, poisson
from ..shapes import Size
from ..tensor import Tensor
from . import constraints
from .continuous import uniform_in
from .distribution import Distribution, ExponentialFamily
from .utils import binary_cross_entropy, broadcast_all, lazy_property, log_factorial_ratio, logits_to_probs, probs_to_logits


class ProbsOrLogits(Distribution):
    """A distribution given by `probs` or by `logits`, elementwise."""

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}

    def _given(self, probs: Any, logits: Any, *others: Any) -> tuple[Tensor, ...]:
        """Store the one that was given, broadcast with `others`, which are returned. Raises ValueError for both or none."""
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        *rest, value = broadcast_all(*others, probs if probs is not None else logits)
        if probs is not None:
            self.probs = value  # type: ignore[assignment]
        else:
            self.logits = value  # type: ignore[assignment]
        return tuple(rest)

    @property
    def _param(self) -> Tensor:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter that was given."""
        return self._param.shape

    @lazy_property
    def probs(self) -> Any:
        """The probability of 1."""
        return logits_to_probs(self.logits, True)

    @lazy_property
    def logits(self) -> Any:
        """log(probs / (1 - probs))."""
        return probs_to_logits(self.probs, True)


class Bernoulli(ProbsOrLogits, ExponentialFamily):
    """1 with probability `probs`, else 0.

    >>> import segue
    >>> Bernoulli(0.25).log_prob(segue.tensor(1.0))
    tensor(-1.3863)
    """

    support = constraints.boolean
    has_enumerate_support = True
    _parameters = ("probs", "logits")
    _mean_carrier_measure = 0

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._given(probs, logits)
        super().__init__(self._param.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return F.where(F.eq(self.probs, 0.5), math.nan, F.ge(self.probs, 0.5).to(self.probs.dtype))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return F.bernoulli(F.expand(self.probs, tuple(self._extended_shape(sample_shape))))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return -binary_cross_entropy(self.logits, value)

    def entropy(self) -> Tensor:
        return binary_cross_entropy(self.logits, self.probs)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = F.reshape(F.arange(2, dtype=self._param.dtype, device=self._param.device), (-1,) + (1,) * len(self._batch_shape))
        return F.expand(values, (-1, *self._batch_shape)) if expand else values

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (F.logit(self.probs),)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return F.log1p(F.exp(x))


class Geometric(ProbsOrLogits):
    """The failures before the first success of probability `probs`."""

    support = constraints.nonnegative_integer
    _parameters = ("probs", "logits")

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._given(probs, logits)
        super().__init__(self._param.shape, validate_args=validate_args)
        if self._validate_args and probs is not None and not constraints.all_hold(F.gt(self.probs, 0)):
            raise ValueError(f"Expected parameter probs of distribution {self!r} to be positive but found invalid values:\n{self.probs}")

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return F.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            u = uniform_in(self._extended_shape(sample_shape), self.probs)
            return F.floor(F.log(u) / F.log1p(-self.probs))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        certain = F.logical_and(F.eq(probs, 1), F.eq(value, 0))
        return value * F.log1p(-F.where(certain, 0.0, probs)) + F.log(self.probs)

    def entropy(self) -> Tensor:
        return binary_cross_entropy(self.logits, self.probs) / self.probs


class Binomial(ProbsOrLogits):
    """The successes among `total_count` trials of probability `probs`."""

    arg_constraints = {"total_count": constraints.nonnegative_integer, "probs": constraints.unit_interval, "logits": constraints.real}
    has_enumerate_support = True
    _parameters = ("total_count", "probs", "logits")

    def __init__(self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        (count,) = self._given(probs, logits, total_count)
        self.total_count = count.to(self._param.dtype)
        super().__init__(self._param.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return F.minimum(F.floor((self.total_count + 1) * self.probs), self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        with no_grad():
            return binomial(F.expand(self.total_count, shape), F.expand(self.probs, shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log(n! / (k! (n - k)!)) + k logits - n log(1 + exp(logits)), without overflow for large logits."""
        if self._validate_args:
            self._validate_sample(value)
        normalizer = self.total_count * (F.clamp_min(self.logits, 0) + F.log1p(F.exp(-F.abs(self.logits))))
        return log_factorial_ratio(self.total_count, value) + value * self.logits - normalizer

    def _same_count(self, what: str) -> int:
        count = int(F.amax(self.total_count).item())
        if not F.amin(self.total_count).item() == count:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        return count

    def entropy(self) -> Tensor:
        self._same_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -F.sum(F.exp(log_prob) * log_prob, 0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        count = self._same_count("enumerate_support")
        values = F.reshape(F.arange(1 + count, dtype=self._param.dtype, device=self._param.device), (-1,) + (1,) * len(self._batch_shape))
        return F.expand(values, (-1, *self._batch_shape)) if expand else values


class NegativeBinomial(ProbsOrLogits):
    """The successes of probability `probs` before `total_count` failures."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0), "probs": constraints.half_open_interval(0.0, 1.0), "logits": constraints.real,
    }  # fmt: skip
    support = constraints.nonnegative_integer
    _parameters = ("total_count", "probs", "logits")

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        (count,) = self._given(probs, logits, total_count)
        self.total_count = count.to(self._param.dtype)
        super().__init__(self._param.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.total_count * F.exp(self.logits)

    @property
    def mode(self) -> Tensor:
        return F.clamp_min(F.floor((self.total_count - 1) * F.exp(self.logits)), 0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / F.sigmoid(-self.logits)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """A Poisson draw whose rate is a gamma draw (Greenwood and Yule 1920)."""
        with no_grad():
            shape = tuple(self._extended_shape(sample_shape))
            return poisson(_standard_gamma(F.expand(self.total_count, shape)) * F.exp(self.logits))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        unnormalized = self.total_count * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        normalizer = F.lgamma(1 + value) + F.lgamma(self.total_count) - F.lgamma(self.total_count + value)
        return unnormalized - F.where(F.eq(self.total_count + value, 0), 0.0, normalizer)


class Poisson(ExponentialFamily):
    """The number of events of a rate."""

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    _parameters = ("rate",)

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def mode(self) -> Tensor:
        return F.floor(self.rate)

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return poisson(F.expand(self.rate, tuple(self._extended_shape(sample_shape))))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return F.xlogy(value, self.rate) - self.rate - F.lgamma(value + 1)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (F.log(self.rate),)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return F.exp(x)
