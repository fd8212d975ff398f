"""Special functions over SciPy: gamma, Bessel and error functions, Airy, zeta, and orthogonal polynomials, each with its derivative.

In come real tensors, out go rows. The one idea: a family that is closed under differentiation is one table or one row. The derivatives of Bessel
functions are Bessel functions, that of polygamma n is polygamma n + 1, and a three-term recurrence, differentiated, is one again.

Formulas are from the NIST Digital Library of Mathematical Functions (dlmf.nist.gov), whose section numbers stand beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import promotion
from . import batching, samples
from .definition import Host, define
from .pointwise import special, special_kernel, unary
from .shapes import broadcast, same_shape

_HOST = Host("no native form: SciPy's function")


def function(name: str, kernel: Any, gradient: Callable | None, doc: str, **options: Any) -> None:
    """A real function of one operand."""
    kernel = special_kernel(kernel) if isinstance(kernel, str) else kernel
    unary(name, kernel, gradient, doc, dtype=promotion.ordered(name, promotion.promoted_floating), lower=_HOST, **options)


# --------------------------------------------------------------------------------------------------------------------
# Error functions (DLMF 7)

_ROOT_PI = math.sqrt(math.pi)
function("erfinv", "erfinv", lambda F, g, out: g * (0.5 * _ROOT_PI * F.exp(out * out)), "The inverse of erf; NaN outside [-1, 1].",
         domain=(-0.8, 0.8))  # fmt: skip
function("erfcx", "erfcx", lambda g, x, out: g * (2 * x * out - 2 / _ROOT_PI), "exp(x * x) * erfc(x), without underflow.")
function("ndtri", "ndtri", lambda F, g, out: g * (math.sqrt(2 * math.pi) * F.exp(0.5 * (out * out))),
         "The quantile function of the standard normal distribution; NaN outside [0, 1].", domain=(0.1, 0.9))  # fmt: skip
function("log_ndtr", "log_ndtr", lambda F, g, x: g * (math.sqrt(2 / math.pi) / F.erfcx(x * -math.sqrt(0.5))),
         "The logarithm of the standard normal distribution function.")  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Gamma functions (DLMF 5, 8)


def _psi(xp: Any, x: Any) -> Any:
    """NaN at the negative whole numbers, as PyTorch has it, and an infinity of the other sign at the zeros."""
    if x.dtype.itemsize == 2:
        return _psi(xp, x.astype(np.float32)).astype(x.dtype)
    with np.errstate(all="ignore"):
        found = xp.asarray(special(xp, "digamma")(x))
        pole = (x < 0) & (xp.floor(x) == x)
        return xp.where(x == 0, xp.copysign(x.dtype.type(np.inf), -x), xp.where(pole, x.dtype.type(np.nan), found))


def _polygamma_kernel(xp: Any, n: int, x: Any) -> Any:
    if x.dtype.itemsize == 2:
        return _polygamma_kernel(xp, n, x.astype(np.float32)).astype(x.dtype)
    if n == 0:
        return _psi(xp, x)
    if n == 1:  # reflection (DLMF 5.15.6), which reaches the negative numbers
        zeta = special(xp, "zeta")
        low = x < 0.5
        sine = xp.sin(np.pi * x)
        return xp.where(low, np.pi**2 / (sine * sine) - zeta(2.0, xp.where(low, 1 - x, 1)), zeta(2.0, xp.where(low, 1, x))).astype(x.dtype)
    return ((-1.0) ** (n + 1) * math.gamma(n + 1) * special(xp, "zeta")(n + 1.0, x)).astype(x.dtype)


function("digamma", _psi, lambda F, g, x: g * F.polygamma(1, x), "The derivative of lgamma.", domain=(0.5, 3.0))
define(
    "polygamma", "n, x: Tensor", kind="pointwise", dtype=promotion.ordered("polygamma", lambda n, x: promotion.promoted_floating(x)),
    shape=lambda n, x: same_shape(x), kernel=_polygamma_kernel, lower=_HOST, vjp={"x": lambda F, g, n, x: g * F.polygamma(n + 1, x)},
    jvp="elementwise", batch=batching.broadcasting("polygamma"), tags="recompute",
    samples=lambda: [((n, *args), {}) for n, (args, _) in zip((1, 2, 4), samples.unary("polygamma", 0.7, 3.0)())],
    doc="The n-th derivative of digamma.",
)  # fmt: skip
function("lgamma", lambda xp, x: xp.where(xp.isinf(x), x.dtype.type(np.inf), special_kernel("gammaln")(xp, x)), lambda F, g, x: g * F.digamma(x), "The logarithm of the absolute value of the gamma function.", domain=(0.5, 3.0))


def _in_first_precision(name: str) -> Callable[..., Any]:
    """A SciPy function of two operands, either of which may be a number; half precision goes through float32."""

    def kernel(xp: Any, x: Any, y: Any) -> Any:
        wanted = x.dtype if hasattr(x, "dtype") else y.dtype
        wide = np.float32 if wanted.itemsize == 2 else wanted
        return special(xp, name)(xp.asarray(x, wide), xp.asarray(y, wide)).astype(wanted, copy=False)

    return kernel


def _of_second(name: str, kernel: str, gradient: Callable, doc: str, low: tuple[float, float], second: tuple[float, float]) -> None:
    """A function of two operands with a derivative for the second."""
    define(
        name, "x: Tensor, y: Tensor", kind="pointwise", dtype=promotion.ordered(name, promotion.promoted_floating), shape=broadcast(name),
        kernel=_in_first_precision(kernel), lower=_HOST, vjp={"y": gradient}, jvp="elementwise", batch=batching.broadcasting(name), tags="recompute",
        samples=samples.binary(name, *low, second=second), doc=doc,
    )  # fmt: skip


def _gamma_density(F: Any, x: Any, y: Any) -> Any:
    """y**(x - 1) exp(-y) / Gamma(x) (DLMF 8.8.13)."""
    shape = F.lgamma(x) if hasattr(x, "dtype") else math.lgamma(x)
    return F.exp((x - 1) * F.log(y) - y - shape)


_of_second("igamma", "gammainc", lambda F, g, x, y: g * _gamma_density(F, x, y), "The regularised lower incomplete gamma function P(x, y).",
           (0.5, 3.0), (0.5, 3.0))  # fmt: skip
_of_second("igammac", "gammaincc", lambda F, g, x, y: -g * _gamma_density(F, x, y), "The regularised upper incomplete gamma function Q(x, y).",
           (0.5, 3.0), (0.5, 3.0))  # fmt: skip
_of_second("zeta", "zeta", lambda F, g, x, y: -g * (x * F.zeta(x + 1, y)), "The Hurwitz zeta function: the sum of (y + k) ** -x over k >= 0.",
           (1.5, 4.0), (0.5, 3.0))  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Bessel functions (DLMF 10.6, 10.29) and Airy functions (9.2)


def _ratio(F: Any, out: Any, x: Any, limit: float) -> Any:
    """out / x, with its limit at 0."""
    zero = F.eq(x, 0)
    return F.where(zero, limit, out / F.where(zero, 1.0, x))


_BESSEL = (
    ("bessel_j0", "j0", lambda F, g, x: -g * F.bessel_j1(x), "The Bessel function of the first kind of order 0."),
    ("bessel_j1", "j1", lambda F, g, x, out: g * (F.bessel_j0(x) - _ratio(F, out, x, 0.5)), "The Bessel function of the first kind of order 1."),
    ("bessel_y0", "y0", lambda F, g, x: -g * F.bessel_y1(x), "The Bessel function of the second kind of order 0."),
    ("bessel_y1", "y1", lambda F, g, x, out: g * (F.bessel_y0(x) - out / x), "The Bessel function of the second kind of order 1."),
    ("i0", "i0", lambda F, g, x: g * F.i1(x), "The modified Bessel function of the first kind of order 0."),
    ("i1", "i1", lambda F, g, x, out: g * (F.i0(x) - _ratio(F, out, x, 0.5)), "The modified Bessel function of the first kind of order 1."),
    ("i0e", "i0e", lambda F, g, x, out: g * (F.i1e(x) - F.sign(x) * out), "exp(-|x|) i0(x)."),
    ("i1e", "i1e", lambda F, g, x, out: g * (F.i0e(x) - F.sign(x) * out - _ratio(F, out, x, 0.5)), "exp(-|x|) i1(x)."),
    ("modified_bessel_k0", "k0", lambda F, g, x: -g * F.modified_bessel_k1(x), "The modified Bessel function of the second kind of order 0."),
    ("modified_bessel_k1", "k1", lambda F, g, x, out: -g * (F.modified_bessel_k0(x) + out / x),
     "The modified Bessel function of the second kind of order 1."),
    ("scaled_modified_bessel_k0", "k0e", lambda F, g, x, out: g * (out - F.scaled_modified_bessel_k1(x)), "exp(x) k0(x)."),
    ("scaled_modified_bessel_k1", "k1e", lambda F, g, x, out: g * (out - F.scaled_modified_bessel_k0(x) - out / x), "exp(x) k1(x)."),
)  # fmt: skip
for _name, _kernel, _gradient, _doc in _BESSEL:
    function(_name, _kernel, _gradient, _doc, domain=(0.5, 3.0))


def _airy(place: int) -> Callable[..., Any]:
    def kernel(xp: Any, x: Any) -> Any:
        wide = x.astype(np.float32) if x.dtype.itemsize == 2 else x
        return special(xp, "airy")(wide)[place].astype(x.dtype, copy=False)

    return kernel


function("airy_ai", _airy(0), lambda F, g, x: g * F.airy_ai_slope(x), "The Airy function Ai.")
function("airy_ai_slope", _airy(1), lambda F, g, x: g * (x * F.airy_ai(x)), "The derivative of the Airy function Ai.")

# --------------------------------------------------------------------------------------------------------------------
# Orthogonal polynomials (DLMF 18.9): P[m + 1] = (a x + b) P[m] - c P[m - 1], with P[0] = 1 and P[1] = first * x + shift


def _shifted(first: float, shift: float) -> tuple:
    """Of 2 x - 1 in place of x."""
    return 2 * first, shift - first, lambda m: (4.0, -2.0, 1.0)


FAMILIES: dict[str, tuple[float, float, Callable[[int], tuple[float, float, float]]]] = {
    "chebyshev_polynomial_t": (1.0, 0.0, lambda m: (2.0, 0.0, 1.0)),
    "chebyshev_polynomial_u": (2.0, 0.0, lambda m: (2.0, 0.0, 1.0)),
    "chebyshev_polynomial_v": (2.0, -1.0, lambda m: (2.0, 0.0, 1.0)),
    "chebyshev_polynomial_w": (2.0, 1.0, lambda m: (2.0, 0.0, 1.0)),
    "shifted_chebyshev_polynomial_t": _shifted(1.0, 0.0),
    "shifted_chebyshev_polynomial_u": _shifted(2.0, 0.0),
    "shifted_chebyshev_polynomial_v": _shifted(2.0, -1.0),
    "shifted_chebyshev_polynomial_w": _shifted(2.0, 1.0),
    "hermite_polynomial_h": (2.0, 0.0, lambda m: (2.0, 0.0, 2.0 * m)),
    "hermite_polynomial_he": (1.0, 0.0, lambda m: (1.0, 0.0, float(m))),
    "laguerre_polynomial_l": (-1.0, 1.0, lambda m: (-1 / (m + 1), (2 * m + 1) / (m + 1), m / (m + 1))),
    "legendre_polynomial_p": (1.0, 0.0, lambda m: ((2 * m + 1) / (m + 1), 0.0, m / (m + 1))),
}


def _polynomial_kernel(xp: Any, family: str, order: int, x: Any, n: Any) -> Any:
    """The `order`-th derivative by the recurrence, differentiated `order` times (Leibniz); degrees below 0 give 0. Computed in float64.

    Rows of `below` and `now` hold the derivatives 0 ... order of P[m - 1] and P[m].
    """
    wanted = x.dtype if hasattr(x, "dtype") else n.dtype
    x, n = xp.asarray(x, wanted), xp.asarray(n, wanted)
    first, shift, step = FAMILIES[family]
    wide, degree = xp.broadcast_arrays(x.astype(np.float64), xp.trunc(n.astype(np.float64)))
    zero = xp.zeros(wide.shape)
    below = [xp.ones(wide.shape)] + [zero] * order
    now = [first * wide + shift, xp.full(wide.shape, first), *[zero] * order][: order + 1]
    found = xp.where(degree == 0, below[order], xp.where(degree == 1, now[order], zero))
    top = max(int(xp.max(degree)), 0) if degree.size and xp.isfinite(degree).all() else 0
    for m in range(1, top):
        a, b, c = step(m)
        after = [(a * wide + b) * now[k] + (k * a * now[k - 1] if k else 0.0) - c * below[k] for k in range(order + 1)]
        below, now = now, after
        found = xp.where(degree == m + 1, now[order], found)
    return found.astype(wanted)


def _polynomial_samples() -> list[samples.Sample]:
    s = samples.Source("orthogonal_polynomial")
    degrees = np.array([0, 1, 2, 5], np.float32)
    return samples.calls(*(
        (family, 0, s.floats((2, 4), -0.9, 0.9), degrees) for family in
        ("chebyshev_polynomial_t", "shifted_chebyshev_polynomial_w", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p")
    ), ("chebyshev_polynomial_u", 1, s.floats((3,), -0.9, 0.9), 4), ("hermite_polynomial_h", 0, s.floats((0,)), degrees[:1]))  # fmt: skip


define(
    "orthogonal_polynomial", "family, order, x: Tensor, n: Tensor", kind="pointwise",
    dtype=promotion.ordered("orthogonal_polynomial", lambda family, order, x, n: promotion.promoted_floating(x, n)),
    shape=lambda family, order, x, n: broadcast(family)(x, n), kernel=_polynomial_kernel, lower=_HOST,
    vjp={"x": lambda F, g, family, order, x, n: g * F.orthogonal_polynomial(family, order + 1, x, n)}, jvp="elementwise",
    batch=batching.broadcasting("orthogonal_polynomial"), samples=_polynomial_samples, tags="recompute",
    doc="The `order`-th derivative of the polynomial of degree n of a family (Chebyshev, Hermite, Laguerre, Legendre) at x.",
)  # fmt: skip
