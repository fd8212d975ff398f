"""Draws whose distribution is given by a tensor, and how a draw of a gamma or Dirichlet distribution moves with its parameters.

In come the generator's state, a call number and parameters of one shape; out go rows. The one idea: NumPy's samplers run over a counter-based bit
generator whose key is (seed, draw), so that a draw is a pure function of both and of the parameters, eagerly and compiled.

A draw x of a continuous distribution function P(x; a) moves along its level lines: dx/da = -(dP/da) / (dP/dx) (Figurnov, Mohamed and Mnih 2018,
"Implicit reparameterization gradients"). P's derivative for a shape parameter has no closed form; six-point central differences in float64 give it
to about eleven digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import batching
from .definition import Host, define
from .pointwise import special
from .random import _batch, _no_cast, _state, _stream
from .samples import Sample, Source
from .shapes import broadcast_shapes

_HOST = Host("no native form: NumPy's sampler")
_ONCE = Host("no native form: differences of SciPy's functions")


def _numbers(state: Any, call: int) -> np.random.Generator:
    seed, draw = _stream(state, call)
    return np.random.Generator(np.random.Philox(key=seed | draw << 64))


def _gamma(draw: np.random.Generator, concentration: Any) -> Any:
    return draw.standard_gamma(concentration)


def _dirichlet(draw: np.random.Generator, concentration: Any) -> Any:
    """Gamma draws over their sum, by their logarithms: those of small shapes would all be 0 (Marsaglia and Tsang 2000: G[a] = G[a + 1] U ** (1 / a))."""
    logs = np.log(draw.standard_gamma(concentration + 1)) + np.log1p(-draw.random(concentration.shape)) / concentration
    weights = np.exp(logs - logs.max(-1, keepdims=True, initial=-np.inf))
    return weights / weights.sum(-1, keepdims=True)


def _binomial(draw: np.random.Generator, count: Any, probability: Any) -> Any:
    return draw.binomial(count.astype(np.int64), probability)


def _von_mises(draw: np.random.Generator, location: Any, concentration: Any) -> Any:
    return draw.vonmises(location, concentration)


def _poisson(draw: np.random.Generator, rate: Any) -> Any:
    return draw.poisson(rate)


def _row(name: str, parameters: tuple[str, ...], sampler: Callable[..., Any], low: float, high: float, doc: str) -> None:
    def kernel(xp: Any, state: Any, call: int, *given: Any) -> Any:
        out = sampler(_numbers(state, call), *(np.asarray(p, np.float64) for p in given))
        return xp.asarray(out, given[-1].dtype)

    def samples() -> list[Sample]:
        s = Source(name)
        shapes: tuple = ((2, 3), (1,), (0, 2)) if sampler is _dirichlet else ((2, 3), (), (0, 2))
        return [((_state(5, call), call, *(s.floats(shape, low, high) for _ in parameters)), {}) for call, shape in enumerate(shapes)]

    define(
        name, "state: Tensor, call, " + ", ".join(f"{p}: Tensor" for p in parameters), kind="random", dtype=_no_cast(lambda state, call, *p: p[-1].dtype),
        shape=lambda state, call, *p: broadcast_shapes(name, *(tuple(each.shape) for each in p)), kernel=kernel, lower=_HOST, batch=_batch,
        samples=samples, tags="random nondifferentiable", doc=doc,
    )  # fmt: skip


_row("draw_gamma", ("concentration",), _gamma, 0.3, 4, "Draws of gamma distributions of rate 1.")
_row("draw_dirichlet", ("concentration",), _dirichlet, 0.3, 4, "Draws of Dirichlet distributions over the last dimension.")
_row("draw_poisson", ("rate",), _poisson, 0, 9, "Draws of Poisson distributions.")
_row("draw_binomial", ("count", "probability"), _binomial, 0, 1, "The successes among `count` trials of probability `probability`.")
_row("draw_von_mises", ("location", "concentration"), _von_mises, 0.3, 3, "Draws of von Mises distributions, angles in [-pi, pi].")

_STENCIL = ((1, 45.0), (2, -9.0), (3, 1.0))  # f' = sum of weight * (f(a + k h) - f(a - k h)) / (60 h), of sixth order


def _by_shape(function: Callable[[Any], Any], a: Any) -> Any:
    """The derivative for a shape parameter a > 0: distribution functions vary with it over a scale of a, and of sqrt(a) where a is large."""
    h = 0.01 * np.minimum(a, np.sqrt(a))
    return sum(w * (function(a + k * h) - function(a - k * h)) for k, w in _STENCIL) / (60 * h)


def _gamma_slope(xp: Any, concentration: Any, x: Any) -> Any:
    a, value = (np.asarray(v, np.float64) for v in (concentration, x))
    value = np.maximum(value, np.finfo(np.float64).tiny)
    below = special(xp, "gammainc")(a, value) < 0.5
    change = np.where(below, _by_shape(lambda s: special(xp, "gammainc")(s, value), a), -_by_shape(lambda s: special(xp, "gammaincc")(s, value), a))
    log_density = (a - 1) * np.log(value) - value - special(xp, "gammaln")(a)
    return xp.asarray(-change * np.exp(-log_density), x.dtype)


def _beta_slope(xp: Any, x: Any, a: Any, b: Any) -> Any:
    value, first, second = (np.asarray(v, np.float64) for v in (x, a, b))
    value = np.clip(value, np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).epsneg)
    lower, upper = special(xp, "betainc"), special(xp, "betaincc")
    below = lower(first, second, value) < 0.5
    change = np.where(below, _by_shape(lambda s: lower(s, second, value), first), -_by_shape(lambda s: upper(s, second, value), first))
    log_density = (first - 1) * np.log(value) + (second - 1) * np.log1p(-value) - special(xp, "betaln")(first, second)
    return xp.asarray(-change * np.exp(-log_density), x.dtype)


def _slope(name: str, parameters: tuple[str, ...], kernel: Callable[..., Any], bounds: tuple[tuple[float, float], ...], doc: str) -> None:
    def samples() -> list[Sample]:
        s = Source(name)
        return [(tuple(s.floats(shape, *b) for b in bounds), {}) for shape in ((2, 3), (), (0, 2))]

    define(
        name, ", ".join(f"{p}: Tensor" for p in parameters), kind="extern", dtype=lambda *p: p[0].dtype,
        shape=lambda *p: broadcast_shapes(name, *(tuple(each.shape) for each in p)), kernel=kernel, lower=_ONCE, batch=batching.broadcasting(name), samples=samples,
        tags="nondifferentiable", doc=doc,
    )  # fmt: skip


_slope("gamma_slope", ("concentration", "x"), _gamma_slope, ((0.5, 4), (0.5, 4)), "How a gamma draw x moves with its shape: dx / d concentration.")
_slope("beta_slope", ("x", "a", "b"), _beta_slope, ((0.1, 0.9), (0.5, 4), (0.5, 4)), "How a beta draw x moves with its first shape: dx / da.")
