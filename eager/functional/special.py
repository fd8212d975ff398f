"""The functions of `segue.special`: torch.special's names over rows and formulas.

In come real tensors and numbers, out go tensors. The one idea: most are a row of eager/ops/special.py under its own name, the orthogonal polynomials are one
row with the family's name, and the rest are functions of the front door under SciPy's names.
"""

from __future__ import annotations

import math
from typing import Any

from ..ops.definition import OPS
from ..ops.special import FAMILIES
from ..promotion import promoted_floating
from ..tensor import Tensor
from .arguments import accepts_out, as_operand, cast
from .elementary import (
    digamma,
    erfc,
    erfinv,
    gammainc,
    gammaincc,
    i0,
    lgamma,
    logit,
    mvlgamma,
    polygamma,
    sinc,
    undifferentiable,
    xlogy,
)  # fmt: skip
from .pointwise import binary, binary_function, erf, exp2, expm1, log1p, need_tensors, round, sigmoid, unary_function  # noqa: A004
from .reduction import log_softmax, logsumexp, softmax

psi, gammaln, expit, multigammaln = digamma, lgamma, sigmoid, mvlgamma

erfcx = unary_function("erfcx")
ndtri = unary_function("ndtri")
log_ndtr = unary_function("log_ndtr")
i0e = unary_function("i0e")
i1 = unary_function("i1")
i1e = unary_function("i1e")
bessel_j0 = unary_function("bessel_j0")
bessel_j1 = unary_function("bessel_j1")
bessel_y0 = unary_function("bessel_y0")
bessel_y1 = unary_function("bessel_y1")
modified_bessel_i0 = i0
modified_bessel_i1 = i1
modified_bessel_k0 = unary_function("modified_bessel_k0")
modified_bessel_k1 = unary_function("modified_bessel_k1")
scaled_modified_bessel_k0 = unary_function("scaled_modified_bessel_k0")
scaled_modified_bessel_k1 = unary_function("scaled_modified_bessel_k1")
airy_ai = unary_function("airy_ai")
xlog1py = binary_function("xlog1py")


@accepts_out
def ndtr(input: Tensor) -> Tensor:
    """The standard normal distribution function."""
    return OPS["erfc"](cast(input, promoted_floating(input)) * -math.sqrt(0.5)) * 0.5


@accepts_out
def entr(input: Tensor) -> Tensor:
    """-x log x: 0 at 0, -inf below."""
    found = OPS["neg"](OPS["xlogy"](cast(input, promoted_floating(input)), input))
    return OPS["where"](OPS["lt"](input, 0), -math.inf, found)


@accepts_out
def spherical_bessel_j0(input: Tensor) -> Tensor:
    """sin(x) / x, and 1 at 0."""
    return sinc(cast(input, promoted_floating(input)) / math.pi)


@accepts_out
def zeta(input: Any, other: Any) -> Tensor:
    """The Hurwitz zeta function: the sum of (other + k) ** -input over k >= 0. It has a derivative for `other` only."""
    need_tensors("zeta", input, other)
    undifferentiable("zeta", "input", input)
    return binary(OPS["zeta"], input, other)


def _polynomial(family: str) -> Any:
    def function(input: Any, n: Any) -> Tensor:
        need_tensors(family, input, n)
        return OPS["orthogonal_polynomial"](family, 0, as_operand(input, family), as_operand(n, family))

    function.__name__ = function.__qualname__ = family
    function.__doc__ = f"The {family.replace('_', ' ')} of degree `n` (0 for negative degrees) at `input`."
    return accepts_out(function)


for _family in FAMILIES:
    globals()[_family] = _polynomial(_family)

__all__ = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", *FAMILIES, "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit",
    "expm1", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp",
    "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round",
    "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "sinc", "softmax", "spherical_bessel_j0", "xlog1py", "xlogy", "zeta",
]  # fmt: skip
