"""The windows of `segue.signal.windows`: weights for the frames of a signal.

In come a length and a shape's parameters, out go vectors. The one idea: each window is a formula of the sample's number, symmetric for filters (`sym`) or one
period of a longer one for spectra. Formulas: Harris, Proceedings of the IEEE 66 (1978); Nuttall, IEEE Trans. ASSP 29 (1981).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from .. import dtypes
from ..dtypes import as_dtype, get_default_dtype
from ..errors import error
from ..layouts import strided
from ..ops.definition import OPS
from ..tensor import Tensor
from .creation import arange, full


def _window(
    formula: Callable[..., Tensor], M: int, sym: bool, *parameters: Any, dtype: Any = None, device: Any = None, layout: Any = None, requires_grad: bool = False
) -> Tensor:
    """`formula(n, last, *parameters)`: n = 0 ... M - 1 in float64, `last` the number of the last sample of the symmetric window."""
    if layout not in (None, strided):
        raise error(ValueError, f"windows are implemented for strided tensors only, got: {layout}")
    of = as_dtype(dtype) if dtype is not None else get_default_dtype()
    if M < 0 or of not in (dtypes.float32, dtypes.float64):
        raise error(ValueError, f"a window needs M >= 0 and float32 or float64, got M={M} and {of}")
    if M <= 1:
        out = full((M,), 1.0, dtype=of, device=device)
    else:
        out = OPS["cast"](formula(arange(M, dtype=dtypes.float64, device=device), M - 1 if sym else M, *parameters), of)
    return out.requires_grad_() if requires_grad else out


def _cosines(n: Tensor, last: int, a: Iterable[float]) -> Tensor:
    total: Any = 0.0
    for i, weight in enumerate(a):
        total = OPS["cos"](n * (2 * math.pi * i / last)) * ((-1) ** i * weight) + total
    return total


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **options: Any) -> Tensor:
    """The sum of (-1)^i a[i] cos(2 pi i n / (M - 1))."""
    weights = tuple(a)
    if not weights:
        raise error(ValueError, "Coefficients cannot be empty")
    return _window(_cosines, M, sym, weights, **options)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Tensor:
    """alpha - (1 - alpha) cos(2 pi n / (M - 1))."""
    return general_cosine(M, a=(alpha, 1.0 - alpha), sym=sym, **options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """0.54 - 0.46 cos(2 pi n / (M - 1))."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """sin^2(pi n / (M - 1))."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Three cosine terms: 0.42, 0.5, 0.08."""
    return general_cosine(M, a=(0.42, 0.5, 0.08), sym=sym, **options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Four cosine terms with the least side lobes and a continuous first derivative."""
    return general_cosine(M, a=(0.3635819, 0.4891775, 0.1365995, 0.0106411), sym=sym, **options)


def bartlett(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """A triangle that begins and ends with 0."""
    return _window(lambda n, last: 1.0 - OPS["abs"](n * (2.0 / last) - 1.0), M, sym, **options)


def cosine(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """sin(pi (n + 0.5) / M)."""
    return _window(lambda n, last: OPS["sin"]((n + 0.5) * (math.pi / (last + 1))), M, sym, **options)


def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **options: Any) -> Tensor:
    """exp(-|n - center| / tau)."""
    if tau <= 0 or (sym and center is not None):
        raise error(ValueError, f"Tau must be positive, and a symmetric window has no center of its own; got tau={tau}, center={center}")
    return _window(lambda n, last: OPS["exp"](OPS["abs"](n - (last / 2 if center is None else center)) * (-1.0 / tau)), M, sym, **options)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options: Any) -> Tensor:
    """exp(-(n - middle)^2 / (2 std^2))."""
    if std <= 0:
        raise error(ValueError, f"Standard deviation must be positive, got: {std} instead.")
    return _window(lambda n, last: OPS["exp"](OPS["square"]((n - last / 2) * (1.0 / std)) * -0.5), M, sym, **options)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options: Any) -> Tensor:
    """i0(beta sqrt(1 - (2 n / (M - 1) - 1)^2)) / i0(beta)."""
    if beta < 0:
        raise error(ValueError, f"beta must be non-negative, got: {beta} instead.")

    def formula(n: Tensor, last: int) -> Tensor:
        inside = OPS["clamp_min"](1.0 - OPS["square"](n * (2.0 / last) - 1.0), 0.0)
        return OPS["i0"](OPS["sqrt"](inside) * beta) / OPS["i0"](OPS["full"]((), beta, dtypes.float64))

    return _window(formula, M, sym, **options)


__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann", "kaiser", "nuttall",
]  # fmt: skip
