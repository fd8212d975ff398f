"""The Kullback-Leibler divergence of two distributions, by a table of pairs of classes.

In come two distributions, out goes KL(p || q) = E_p[log p - log q], one number for each of the batch. The one idea: where no shorter formula is written
it is -(entropy of p) - E_p[log q], and E_p[log q] is one formula for each q, in terms of a few expectations under p.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import functional as F
from ..autograd.engine import grad
from ..autograd.mode import enable_grad
from ..functional import linalg
from ..tensor import Tensor
from . import continuous as c
from . import discrete as d
from . import gamma as g
from . import transformed as t
from .categorical import Categorical, OneHotCategorical
from .composite import Independent
from .constraints import all_hold
from .distribution import Distribution, ExponentialFamily
from .matrices import Wishart, mvdigamma
from .multivariate import LowRankMultivariateNormal, MultivariateNormal, half_log_det, squared_distance
from .utils import euler_constant, sum_rightmost

_KL_REGISTRY: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Callable], Callable]:
    """A decorator that enters a function for a pair of classes and their subclasses. Raises TypeError for what is no class.

    >>> @register_kl(c.Normal, c.Uniform)
    ... def kl_normal_uniform(p, q):
    ...     return F.full(tuple(p.batch_shape), math.inf)
    """
    for kind in (type_p, type_q):
        if not isinstance(kind, type):
            raise TypeError(f"Expected type_p and type_q to be Distribution subclasses but got {kind}")

    def enter(function: Callable) -> Callable:
        _KL_REGISTRY[type_p, type_q] = function
        return function

    return enter


def _lookup(type_p: type, type_q: type) -> Any:
    """The entry of the nearest classes: those of p first."""
    for kind_p in type_p.__mro__:
        for kind_q in type_q.__mro__:
            if (kind_p, kind_q) in _KL_REGISTRY:
                return _KL_REGISTRY[kind_p, kind_q]
    return None


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), of the broadcast batch shape. Raises NotImplementedError for a pair that no formula is known of.

    >>> kl_divergence(c.Normal(0.0, 1.0), c.Normal(1.0, 1.0))
    tensor(0.5000)
    """
    function = _lookup(type(p), type(q))
    if function is None:
        raise NotImplementedError(f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}")
    return function(p, q)


def _infinite(p: Any, q: Any) -> Tensor:
    """Where p reaches what q does not."""
    return F.full(tuple(F.broadcast_shapes(tuple(p.batch_shape), tuple(q.batch_shape))), math.inf)


# ---------------------------------------------------------------------------------------------------------------- equal classes


@register_kl(d.Bernoulli, d.Bernoulli)
def _(p: Any, q: Any) -> Tensor:
    return _binary(p.probs, q.probs)


def _binary(p: Tensor, q: Tensor) -> Tensor:
    """p log(p/q) + (1-p) log((1-p)/(1-q)), where 0 log 0 is 0."""
    certain = F.xlogy(p, p) + F.xlogy(1 - p, 1 - p)
    return certain - F.xlogy(p, q) - F.xlogy(1 - p, 1 - q)


@register_kl(d.Binomial, d.Binomial)
def _(p: Any, q: Any) -> Tensor:
    if not all_hold(F.ge(p.total_count, q.total_count)):
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    kl = p.total_count * (p.probs * (p.logits - q.logits) + F.log1p(-p.probs) - F.log1p(-q.probs))
    return F.where(F.gt(p.total_count, q.total_count), math.inf, kl)


@register_kl(Categorical, Categorical)
def _(p: Any, q: Any) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms = F.where(F.eq(q.probs, 0), math.inf, terms)
    return F.sum(F.where(F.eq(p.probs, 0), 0.0, terms), -1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _(p: Any, q: Any) -> Tensor:
    return kl_divergence(p._categorical, q._categorical)


@register_kl(d.Poisson, d.Poisson)
def _(p: Any, q: Any) -> Tensor:
    return p.rate * (F.log(p.rate) - F.log(q.rate)) - (p.rate - q.rate)


@register_kl(d.Geometric, d.Geometric)
def _(p: Any, q: Any) -> Tensor:
    return -p.entropy() - F.log1p(-q.probs) / p.probs - q.logits


@register_kl(g.Dirichlet, g.Dirichlet)
def _(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    total = F.sum(a, -1)
    normalizers = F.lgamma(total) - F.lgamma(F.sum(b, -1)) + F.sum(F.lgamma(b) - F.lgamma(a), -1)
    return normalizers + F.sum((a - b) * (F.digamma(a) - F.unsqueeze(F.digamma(total), -1)), -1)


@register_kl(g.Beta, g.Beta)
def _(p: Any, q: Any) -> Tensor:
    return kl_divergence(p._dirichlet, q._dirichlet)


@register_kl(g.Gamma, g.Gamma)
def _(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    return b * F.log(p.rate / q.rate) + F.lgamma(b) - F.lgamma(a) + (a - b) * F.digamma(a) + (q.rate - p.rate) * (a / p.rate)


@register_kl(c.Normal, c.Normal)
def _(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - F.log(ratio))


@register_kl(t.HalfNormal, t.HalfNormal)
def _(p: Any, q: Any) -> Tensor:
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(c.Laplace, c.Laplace)
def _(p: Any, q: Any) -> Tensor:
    away = F.abs(p.loc - q.loc)
    return F.log(q.scale / p.scale) + away / q.scale + p.scale / q.scale * F.exp(-away / p.scale) - 1


@register_kl(c.Cauchy, c.Cauchy)
def _(p: Any, q: Any) -> Tensor:
    """Chyzak and Nielsen 2019."""
    return F.log((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2) - F.log(4 * p.scale * q.scale)


@register_kl(c.Uniform, c.Uniform)
def _(p: Any, q: Any) -> Tensor:
    kl = F.log((q.high - q.low) / (p.high - p.low))
    return F.where(F.logical_or(F.gt(q.low, p.low), F.lt(q.high, p.high)), math.inf, kl)


@register_kl(t.Gumbel, t.Gumbel)
def _(p: Any, q: Any) -> Tensor:
    ratio, moved = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return -F.log(ratio) - moved + ratio * euler_constant + F.exp(moved + F.lgamma(1 + ratio)) - (1 + euler_constant)


@register_kl(t.Pareto, t.Pareto)
def _(p: Any, q: Any) -> Tensor:
    ratio = q.alpha / p.alpha
    kl = q.alpha * F.log(p.scale / q.scale) - F.log(ratio) + ratio - 1
    return F.where(F.lt(p.scale, q.scale), math.inf, kl)


@register_kl(t.TransformedDistribution, t.TransformedDistribution)
def _(p: Any, q: Any) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of transformed distributions is known for equal transforms only")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def _(p: Any, q: Any) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of Independent distributions is known for equal reinterpreted_batch_ndims only")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(ExponentialFamily, ExponentialFamily)
def _(p: Any, q: Any) -> Tensor:
    """The Bregman divergence of the log-normalizers (Nielsen and Nock 2010), for two of one class."""
    if type(p) is not type(q):
        raise NotImplementedError("The cross KL-divergence between different exponential families cannot be computed using Bregman divergences")
    mine = [eta.detach().requires_grad_() for eta in p._natural_params]
    others = q._natural_params
    with enable_grad():
        normalizer = p._log_normalizer(*mine)
        slopes = grad(F.sum(normalizer), mine, create_graph=True)
    found = q._log_normalizer(*others) - normalizer
    for a, b, slope in zip(mine, others, slopes):
        found = found - sum_rightmost((b - a) * slope, len(q.event_shape))
    return found


# ---------------------------------------------------------------------------------------------------------------- normal vectors

@register_kl(Wishart, Wishart)
def _(p: Any, q: Any) -> Tensor:
    size, half, its_half = p.event_shape[-1], p.df / 2, q.df / 2
    ours, theirs = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    trace = F.sum(linalg.solve_triangular(theirs, ours, upper=False) ** 2, (-2, -1))  # of the quotient of the covariances
    log_det = 2 * (half_log_det(ours) - half_log_det(theirs))
    gammas = F.mvlgamma(its_half, size) - F.mvlgamma(half, size) + (half - its_half) * mvdigamma(half, size)
    return half * (trace - size) - its_half * log_det + gammas


_VECTORS = (MultivariateNormal, LowRankMultivariateNormal)


def _normal_vectors(p: Any, q: Any) -> Tensor:
    """1/2 (log det q - log det p + trace(q^-1 p) + distance of the means - size)."""
    if p.event_shape != q.event_shape:
        raise ValueError(f"KL-divergence between normal vectors of different sizes: {tuple(p.event_shape)} and {tuple(q.event_shape)}")
    size = p.event_shape[0]
    batch = tuple(F.broadcast_shapes(tuple(p.batch_shape), tuple(q.batch_shape)))
    mine, other = (F.expand(x.scale_tril, (*batch, size, size)) for x in (p, q))
    solved = linalg.solve_triangular(other, mine, upper=False)
    trace = F.sum(solved**2, (-2, -1))
    return half_log_det(other) - half_log_det(mine) + 0.5 * (trace + squared_distance(other, q.loc - p.loc) - size)


for _one in _VECTORS:
    for _other in _VECTORS:
        register_kl(_one, _other)(_normal_vectors)

# ---------------------------------------------------------------------------------------------------------------- E_p of log q


def _nearest(table: dict[type, Callable], p: Any) -> Callable:
    return next(table[kind] for kind in type(p).__mro__ if kind in table)


def _mean_log(p: Any) -> Tensor:
    """E_p[log x]."""
    return _nearest(_MEAN_LOG, p)(p)


_MEAN_LOG: dict[type, Callable[[Any], Tensor]] = {
    g.Beta: lambda p: F.digamma(p.concentration1) - F.digamma(p.concentration1 + p.concentration0),
    g.Exponential: lambda p: -euler_constant - F.log(p.rate),
    g.Gamma: lambda p: F.digamma(p.concentration) - F.log(p.rate),
    t.Pareto: lambda p: F.log(p.scale) + F.reciprocal(p.alpha),
    c.Uniform: lambda p: (F.xlogy(p.high, p.high) - F.xlogy(p.low, p.low)) / (p.high - p.low) - 1,
}


def _mean_exp(p: Any, s: Tensor) -> Tensor:
    """E_p[exp(-x / s)], as its logarithm."""
    return _nearest(_MEAN_EXP, p)(p, s)


_MEAN_EXP: dict[type, Callable[[Any, Any], Tensor]] = {
    g.Exponential: lambda p, s: -F.log1p(F.reciprocal(s * p.rate)),
    g.Gamma: lambda p, s: -p.concentration * F.log1p(F.reciprocal(s * p.rate)),
    c.Normal: lambda p, s: -p.loc / s + 0.5 * (p.scale / s) ** 2,
    c.Uniform: lambda p, s: F.log((F.exp(-p.low / s) - F.exp(-p.high / s)) * s / (p.high - p.low)),
}


def _under_normal(p: Any, q: Any) -> Tensor:
    return -0.5 * (p.variance + (p.mean - q.loc) ** 2) / q.scale**2 - F.log(q.scale) - 0.5 * math.log(2 * math.pi)


def _under_exponential(p: Any, q: Any) -> Tensor:
    return F.log(q.rate) - q.rate * p.mean


def _under_gamma(p: Any, q: Any) -> Tensor:
    return q.concentration * F.log(q.rate) - F.lgamma(q.concentration) + (q.concentration - 1) * _mean_log(p) - q.rate * p.mean


def _under_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    return p.mean * q.logits + F.log1p(-q.probs) + q._cont_bern_log_norm()


def _under_gumbel(p: Any, q: Any) -> Tensor:
    return -(p.mean - q.loc) / q.scale - F.exp(q.loc / q.scale + _mean_exp(p, q.scale)) - F.log(q.scale)


def _normal_under_laplace(p: Any, q: Any) -> Tensor:
    z = (p.loc - q.loc) / p.scale
    distance = p.scale * (math.sqrt(2 / math.pi) * F.exp(-0.5 * z * z) + z * F.erf(z * math.sqrt(0.5)))
    return -distance / q.scale - F.log(2 * q.scale)


def _uniform_under_beta(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    other = c.Uniform(1 - p.high, 1 - p.low, validate_args=False)
    return (a - 1) * _mean_log(p) + (b - 1) * _mean_log(other) - (F.lgamma(a) + F.lgamma(b) - F.lgamma(a + b))


def _uniform_under_pareto(p: Any, q: Any) -> Tensor:
    return F.log(q.alpha * q.scale**q.alpha) - (q.alpha + 1) * _mean_log(p)


def _register_cross(kinds: tuple[type, ...], q_kind: type, mean_log_q: Callable[[Any, Any], Tensor], outside: Any = None) -> None:
    """KL of each kind from q: minus the entropy minus E_p[log q], and infinite where `outside(p, q)` says that p reaches further than q."""

    def function(p: Any, q: Any) -> Tensor:
        kl = -p.entropy() - mean_log_q(p, q)
        return kl if outside is None else F.where(outside(p, q), math.inf, kl)

    for kind in kinds:
        register_kl(kind, q_kind)(function)


def _below_zero(p: Any, q: Any) -> Tensor:
    return F.broadcast_tensors(F.lt(p.support.lower_bound * F.ones_like(p.mean), 0), q.mean)[0]


def _outside_unit(p: Any, q: Any) -> Tensor:
    return F.logical_or(F.lt(p.low, 0), F.gt(p.high, 1))


_register_cross((g.Beta, c.ContinuousBernoulli, g.Exponential, g.Gamma, t.Gumbel, c.Laplace, t.Pareto, c.Uniform), c.Normal, _under_normal)
_register_cross((g.Beta, c.ContinuousBernoulli, g.Gamma, t.Pareto), g.Exponential, _under_exponential)
_register_cross((c.Uniform,), g.Exponential, _under_exponential, _below_zero)
_register_cross((g.Beta, g.Exponential, t.Pareto), g.Gamma, _under_gamma)
_register_cross((c.Uniform,), g.Gamma, _under_gamma, _below_zero)
_register_cross((g.Beta,), c.ContinuousBernoulli, _under_continuous_bernoulli)
_register_cross((c.Uniform,), c.ContinuousBernoulli, _under_continuous_bernoulli, _outside_unit)
_register_cross((g.Exponential, g.Gamma, c.Normal, c.Uniform), t.Gumbel, _under_gumbel)
_register_cross((c.Normal,), c.Laplace, _normal_under_laplace)
_register_cross((c.Uniform,), g.Beta, _uniform_under_beta, _outside_unit)
_register_cross((c.Uniform,), t.Pareto, _uniform_under_pareto, lambda p, q: F.lt(p.low, q.scale))


@register_kl(c.ContinuousBernoulli, c.ContinuousBernoulli)
def _(p: Any, q: Any) -> Tensor:
    return -p.entropy() - _under_continuous_bernoulli(p, q)


@register_kl(g.Exponential, g.Exponential)
def _(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - 1 - F.log(ratio)


def _inside(p: Any, q: Any) -> Tensor:
    """From a p on [0, 1] to a uniform q that may be narrower."""
    kl = -p.entropy() + F.log(q.high - q.low)
    return F.where(F.logical_or(F.gt(q.low, 0), F.lt(q.high, 1)), math.inf, kl)


register_kl(g.Beta, c.Uniform)(_inside)
register_kl(c.ContinuousBernoulli, c.Uniform)(_inside)

_REACH: dict[type, tuple[type, ...]] = {  # p -> every q that does not reach as far
    g.Beta: (t.Pareto,),
    c.ContinuousBernoulli: (t.Pareto,),
    g.Exponential: (g.Beta, c.ContinuousBernoulli, t.Pareto, c.Uniform),
    g.Gamma: (g.Beta, c.ContinuousBernoulli, t.Pareto, c.Uniform),
    t.Gumbel: (g.Beta, c.ContinuousBernoulli, g.Exponential, g.Gamma, t.Pareto, c.Uniform),
    c.Laplace: (g.Beta, c.ContinuousBernoulli, g.Exponential, g.Gamma, t.Pareto, c.Uniform),
    c.Normal: (g.Beta, c.ContinuousBernoulli, g.Exponential, g.Gamma, t.Pareto, c.Uniform),
    t.Pareto: (g.Beta, c.ContinuousBernoulli, c.Uniform),
    d.Poisson: (d.Bernoulli, d.Binomial),
}
for _wide, _narrower in _REACH.items():
    for _narrow in _narrower:
        register_kl(_wide, _narrow)(_infinite)


@register_kl(d.Bernoulli, d.Poisson)
def _(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (p.probs * F.log(q.rate) - q.rate)


__all__ = ["kl_divergence", "register_kl"]
