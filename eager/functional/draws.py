"""Draws with tensors as parameters: Poisson, binomial, gamma, Dirichlet, von Mises.

In come parameters, out go draws. The one idea: a draw is made without a gradient; where it moves smoothly with a parameter (gamma, Dirichlet) the row
`implicit_...` passes the draw on and holds how it moves.
"""

from __future__ import annotations

from typing import Any

from ..autograd.mode import STATE
from ..dtypes import finfo
from ..errors import error
from ..ops import batching
from ..ops.definition import OPS, Scalar, define
from ..ops.samples import Sample, Source
from ..ops.shapes import broadcast
from ..promotion import promoted_floating
from ..random import next_call
from ..tensor import Tensor


def _first_order(F: Any, name: str, *args: Tensor) -> Tensor:
    """The slope's row. Raises NotImplementedError where it would have to be differentiated again: none is better than a wrong derivative."""
    if STATE.enabled and any(a.requires_grad for a in args):
        raise error(NotImplementedError, f"the derivative of {name}() is not implemented: draws of this distribution have first derivatives only")
    return getattr(F, name)(*args)


def _gamma_pull(F: Any, g: Any, x: Any, concentration: Any) -> Any:
    return g * _first_order(F, "gamma_slope", concentration, x)


def _dirichlet_slope(F: Any, x: Any, concentration: Any) -> Any:
    """dx[i]/da[i] / (1 - x[i]): how the marginal beta draw moves; the others share what it takes in proportion to their size."""
    others = F.sum(concentration, -1, True) - concentration
    return _first_order(F, "beta_slope", x, concentration, others) / (1 - x)


def _dirichlet_pull(F: Any, g: Any, x: Any, concentration: Any) -> Any:
    return _dirichlet_slope(F, x, concentration) * (g - F.sum(x * g, -1, True))


def _dirichlet_push(F: Any, t: Any, x: Any, concentration: Any) -> Any:
    moved = _dirichlet_slope(F, x, concentration) * t
    return moved - x * F.sum(moved, -1, True)


def _implicit(name: str, pull: Any, push: Any, doc: str) -> None:
    def samples() -> list[Sample]:
        s = Source(name)
        return [((s.floats(shape, 0.1, 0.9), s.floats(shape, 0.5, 2.0)), {}) for shape in ((2, 3), (1,), (0, 2))]

    define(
        name, "x: Tensor, concentration: Tensor", kind="pointwise", dtype=promoted_floating, shape=broadcast(name), kernel=lambda xp, x, _: x.copy(),
        lower=Scalar(lambda h, x, _: x), vjp={"concentration": pull}, jvp=push, batch=batching.broadcasting(name), samples=samples, doc=doc,
    )  # fmt: skip


_implicit("implicit_gamma", _gamma_pull, "elementwise", "The gamma draw x itself; its derivative for the shape is that of the draw.")
_implicit("implicit_dirichlet", _dirichlet_pull, {"concentration": _dirichlet_push},
          "The Dirichlet draw x itself; its derivative for the concentration is that of the draw.")  # fmt: skip


def _drawn(name: str, generator: Any, *parameters: Tensor) -> Tensor:
    state, call = next_call(generator)
    return OPS[name](state, call, *(p.detach() for p in parameters))


def _standard_gamma(concentration: Tensor, generator: Any = None) -> Tensor:
    """Draws of gamma distributions of rate 1, at least the smallest normal number; differentiable once."""
    draw = OPS["clamp_min"](_drawn("draw_gamma", generator, concentration), finfo(concentration.dtype).tiny)
    return OPS["implicit_gamma"](draw, concentration)


def _sample_dirichlet(concentration: Tensor, generator: Any = None) -> Tensor:
    """Draws of Dirichlet distributions over the last dimension; differentiable once."""
    return OPS["implicit_dirichlet"](_drawn("draw_dirichlet", generator, concentration), concentration)


def _von_mises(location: Tensor, concentration: Tensor, generator: Any = None) -> Tensor:
    """Draws of von Mises distributions, without a derivative."""
    return _drawn("draw_von_mises", generator, location, concentration)


def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """A draw of a Poisson distribution for each rate in `input`, in its dtype. Raises RuntimeError for a negative rate.

    >>> import segue
    >>> tuple(segue.poisson(segue.full((2, 3), 4.0)).shape)
    (2, 3)
    """
    return _drawn("draw_poisson", generator, input)


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """The successes among `count` trials of probability `prob`, in `prob`'s dtype. Raises RuntimeError for counts below 0 and no probabilities."""
    return _drawn("draw_binomial", generator, count, prob)


__all__ = ["binomial", "poisson"]
