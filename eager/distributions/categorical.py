"""Distributions over categories: one of them, as a number or as a row with a one in it, or counts of many.

In come probabilities or logits along the last dimension, out go draws and log-probabilities. The one idea: all rest on `Categorical`, whose parameters
are normalised when it is made.
"""

from __future__ import annotations

import math
from typing import Any

from .. import functional as F
from ..autograd.mode import no_grad
from ..dtypes import finfo, int64
from ..functional.layers import one_hot
from ..shapes import Size
from ..tensor import Tensor
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, clamp_probs, lazy_property, logits_to_probs, probs_to_logits


class Categorical(Distribution):
    """One of K categories, a number in [0, K). `probs` need not add up to 1; `logits` are unnormalised log-probabilities.

    Raises ValueError where both or none are given, or where a value is no category.

    >>> import segue
    >>> Categorical(segue.tensor([1.0, 1.0, 2.0])).log_prob(segue.tensor(2))
    tensor(-0.6931)
    """

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _parameters = ("probs", "logits")

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        given = probs if probs is not None else logits
        if given.ndim < 1:
            raise ValueError(f"`{'probs' if probs is not None else 'logits'}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = probs / F.sum(probs, -1, True)  # type: ignore[assignment]
        else:
            self.logits = logits - F.logsumexp(logits, -1, True)  # type: ignore[assignment]
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    def _copy_rest(self, new: Any) -> None:
        new._num_events = self._num_events

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def _param(self) -> Tensor:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter that was given."""
        return self._param.shape

    @lazy_property
    def probs(self) -> Any:
        """The probabilities, along the last dimension."""
        return logits_to_probs(self.logits)

    @lazy_property
    def logits(self) -> Any:
        """The log-probabilities, along the last dimension."""
        return probs_to_logits(self.probs)

    @property
    def mean(self) -> Tensor:
        return F.full(tuple(self._batch_shape), math.nan, dtype=self._param.dtype, device=self._param.device)

    @property
    def mode(self) -> Tensor:
        return F.argmax(self.probs, -1)

    @property
    def variance(self) -> Tensor:
        return F.full(tuple(self._batch_shape), math.nan, dtype=self._param.dtype, device=self._param.device)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Category numbers (int64)."""
        shape = Size(sample_shape)
        with no_grad():
            drawn = F.multinomial(F.reshape(self.probs, (-1, self._num_events)), math.prod(shape), True)
            return F.reshape(F.transpose(drawn, 0, 1), (*shape, *self._batch_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        wanted, logits = F.broadcast_tensors(F.unsqueeze(value.to(int64), -1), self.logits)
        return F.squeeze(F.gather(logits, -1, wanted[..., :1]), -1)

    def entropy(self) -> Tensor:
        logits = F.clamp_min(self.logits, finfo(self.logits.dtype).min)
        return -F.sum(logits * self.probs, -1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = F.reshape(F.arange(self._num_events, device=self._param.device), (-1,) + (1,) * len(self._batch_shape))
        return F.expand(values, (-1, *self._batch_shape)) if expand else values


class OverCategories(Distribution):
    """A distribution whose parameters are those of a `Categorical`, and whose events have one place for each category."""

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}
    _categorical: Categorical

    def _over(self, categorical: Categorical, validate_args: bool | None) -> None:
        self._categorical = categorical
        Distribution.__init__(self, categorical.batch_shape, categorical.param_shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = type(self).__new__(type(self)) if _instance is None else _instance
        self._copy_rest(new)
        new._categorical = self._categorical.expand(batch_shape)
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def _param(self) -> Tensor:
        return self._categorical._param

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter that was given."""
        return self._param.shape

    @property
    def probs(self) -> Tensor:
        """The probabilities, along the last dimension."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The log-probabilities, along the last dimension."""
        return self._categorical.logits

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class OneHotCategorical(OverCategories):
    """One of K categories, as a row of zeros with a one in its place."""

    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._over(Categorical(probs, logits, validate_args), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return one_hot(F.argmax(self.probs, -1), self._event_shape[0]).to(self._param.dtype)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return one_hot(self._categorical.sample(sample_shape), self._event_shape[0]).to(self._param.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value, logits = F.broadcast_tensors(value, self.logits)
        return F.squeeze(F.gather(logits, -1, F.argmax(value, -1, True)), -1)

    def entropy(self) -> Tensor:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        size = self._event_shape[0]
        values = F.reshape(F.eye(size, dtype=self._param.dtype, device=self._param.device), (size, *(1,) * len(self._batch_shape), size))
        return F.expand(values, (size, *self._batch_shape, size)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """`OneHotCategorical` with a biased `rsample`: the gradient of a draw is taken to be that of the probabilities (Bengio et al. 2013)."""

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        drawn, probs = self.sample(sample_shape), self.probs
        return drawn + (probs - probs.detach())


class Multinomial(OverCategories):
    """How often each category came up in `total_count` draws."""

    def __init__(self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._over(Categorical(probs, logits, validate_args), validate_args)

    def _copy_rest(self, new: Any) -> None:
        new.total_count = self.total_count

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:  # type: ignore[override]
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        drawn = self._categorical.sample((self.total_count, *Size(sample_shape)))
        return F.sum(one_hot(drawn, self._event_shape[0]), 0).to(self._param.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = F.where(F.logical_and(F.eq(value, 0), F.eq(logits, -math.inf)), 0.0, logits)
        return F.lgamma(F.sum(value, -1) + 1) - F.sum(F.lgamma(value + 1), -1) + F.sum(logits * value, -1)

    def entropy(self) -> Tensor:
        """From the entropy of each category's binomial count."""
        n = F.full((), self.total_count, dtype=self._param.dtype, device=self._param.device)
        counts = F.reshape(F.arange(1, self.total_count + 1, dtype=self._param.dtype, device=self._param.device), (-1,) + (1,) * self.logits.ndim)
        probs = clamp_probs(self.probs)
        log_binomial = F.lgamma(n + 1) - F.lgamma(counts + 1) - F.lgamma(n - counts + 1) + counts * F.log(probs) + (n - counts) * F.log1p(-probs)
        weights = F.exp(log_binomial) * F.lgamma(counts + 1)
        return n * self._categorical.entropy() - F.lgamma(n + 1) + F.sum(F.sum(weights, 0), -1)
