"""Relaxed distributions: Bernoulli and one-hot categorical draws made smooth by a temperature, so that they have gradients.

In come a temperature and probabilities or logits, out go draws in the open interval or simplex. The one idea: the logits plus logistic or Gumbel noise over
the temperature, through sigmoid or softmax (Maddison, Mnih and Teh 2016, "The concrete distribution"; Jang, Gu and Poole 2016).
"""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..functional.activation import logsigmoid
from ..tensor import Tensor
from . import constraints
from .categorical import Categorical, OverCategories
from .continuous import uniform_in
from .discrete import ProbsOrLogits
from .transformed import TransformedDistribution
from .transforms import ExpTransform, SigmoidTransform
from .utils import clamp_probs


class LogitRelaxedBernoulli(ProbsOrLogits):
    """The logit of a relaxed Bernoulli draw."""

    support = constraints.real
    has_rsample = True
    _parameters = ("probs", "logits")

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self.temperature = temperature
        self._given(probs, logits)
        super().__init__(self._param.shape, validate_args=validate_args)

    def _copy_rest(self, new: Any) -> None:
        new.temperature = self.temperature

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        probs = clamp_probs(F.expand(self.probs, tuple(self._extended_shape(sample_shape))))
        u = clamp_probs(uniform_in(probs.shape, probs))
        return (F.log(u) - F.log1p(-u) + F.log(probs) - F.log1p(-probs)) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        away = self.logits - value * self.temperature
        return F.log(F.as_tensor(self.temperature)) + away + 2 * logsigmoid(-away)


class Relaxed(TransformedDistribution):
    """What a smooth draw shares: its parameters are those of the distribution that is transformed."""

    @property
    def temperature(self) -> Any:
        """How far the draw is from a corner."""
        return self.base_dist.temperature  # type: ignore[attr-defined]

    @property
    def probs(self) -> Tensor:
        """The probabilities: of 1, or along the last dimension."""
        return self.base_dist.probs  # type: ignore[attr-defined]

    @property
    def logits(self) -> Tensor:
        """Their logits: log(probs / (1 - probs)), or the log-probabilities."""
        return self.base_dist.logits  # type: ignore[attr-defined]


class RelaxedBernoulli(Relaxed):
    """A smooth draw in (0, 1), near 0 or 1 for small temperatures."""

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(LogitRelaxedBernoulli(temperature, probs, logits), SigmoidTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, self._get_checked_instance(RelaxedBernoulli, _instance))


class ExpRelaxedCategorical(OverCategories):
    """The logarithm of a relaxed one-hot draw."""

    support = constraints.real_vector  # of rows whose exponentials add up to 1
    has_rsample = True

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self.temperature = temperature
        self._over(Categorical(probs, logits), validate_args)

    def _copy_rest(self, new: Any) -> None:
        new.temperature = self.temperature

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = clamp_probs(uniform_in(self._extended_shape(sample_shape), self._param))
        scores = (self.logits - F.log(-F.log(u))) / self.temperature
        return scores - F.logsumexp(scores, -1, True)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        size = self._event_shape[0]
        temperature = F.as_tensor(self.temperature).to(self._param.dtype)
        normalizer = F.lgamma(F.full((), float(size), dtype=self._param.dtype, device=self._param.device)) + F.log(temperature) * (size - 1)
        score = self.logits - value * temperature
        return F.sum(score - F.logsumexp(score, -1, True), -1) + normalizer


class RelaxedOneHotCategorical(Relaxed):
    """A smooth draw on the simplex, near a corner for small temperatures."""

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, self._get_checked_instance(RelaxedOneHotCategorical, _instance))
