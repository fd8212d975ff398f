"""Discrete Fourier transforms: complex to complex, real to half a spectrum, half a spectrum to real.

In come tensors and the dimensions to transform, out go rows on SciPy's pocketfft, none of them scaled. The one idea: the transform is a symmetric
matrix, so it is its own transpose; the real ones keep half of a spectrum that is symmetric, and their transposes count that half twice where it
stands for two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import promotion
from ..dtypes import dtype
from ..errors import DtypeError, error
from ..lazy import LazyModule
from . import batching
from .definition import Host, define
from .samples import Source, calls
from .shapes import replaced, require, same_shape

pocketfft: Any = LazyModule("scipy.fft")
_HOST = Host("Fourier transforms run in SciPy's pocketfft")


def _dtype(name: str, table: Any) -> Any:
    def facet(x: Any, *attributes: Any) -> dtype:
        if x.dtype not in table:
            raise error(DtypeError, f"{name}(): Unsupported dtype {x.dtype.name}; the row takes {', '.join(d.name for d in table)}", "x.float()")
        return table[x.dtype]

    facet.no_cast = True  # type: ignore[attr-defined]
    return facet


_COMPLEX = {kind: kind for kind in promotion.REAL_OF}
_FROM_REAL = {real: kind for kind, real in promotion.REAL_OF.items()}


def _shifted(name: str) -> Any:
    return batching.shifted(name, lambda x, dim, *rest: (tuple(d + 1 for d in dim) if isinstance(dim, tuple) else dim + 1, *rest))


def transforms(xp: Any) -> Any:
    """SciPy's pocketfft for NumPy; CuPy's own module, which is cuFFT."""
    return pocketfft if xp is np else xp.fft


def _c2c(xp: Any, x: Any, dim: tuple, forward: bool) -> Any:
    if not dim or not x.size:
        return x.copy()
    of = transforms(xp)
    return of.fftn(x, axes=dim) if forward else of.ifftn(x, axes=dim, norm="forward")


def _c2c_samples() -> list:
    s = Source("fft_c2c")
    return calls(
        (s.complexes((4,)), (0,), True), (s.complexes((2, 3)), (0, 1), False), (s.complexes((2, 3, 2)), (1,), True), (s.complexes((0, 2)), (1,), True),
    )  # fmt: skip


define(
    "fft_c2c", "x: Tensor, dim, forward", kind="extern", dtype=_dtype("fft_c2c", _COMPLEX), shape=same_shape, kernel=_c2c, lower=_HOST,
    vjp={"x": lambda F, g, dim, forward: F.fft_c2c(g, dim, forward)}, jvp="linear", batch=_shifted("fft_c2c"), samples=_c2c_samples,
    doc="The sums of x[t] exp(-+ 2 pi i k t / n) over each of the dimensions `dim`; minus for `forward`. Not scaled.",
)  # fmt: skip


def _r2c_shape(x: Any, dim: int) -> tuple:
    return replaced(x.shape, dim, x.shape[dim] // 2 + 1)


def _r2c_vjp(F: Any, g: Any, x_shape: Any, dim: int) -> Any:
    """The transpose: the half spectrum filled up with zeros, transformed."""
    missing = x_shape[dim] - (x_shape[dim] // 2 + 1)
    zeros = F.zeros(replaced(g.shape, dim, missing), dtype=g.dtype, device=g.device)
    return F.fft_c2c(F.cat((g, zeros), dim), (dim,), True)


define(
    "fft_r2c", "x: Tensor, dim", kind="extern", dtype=_dtype("fft_r2c", _FROM_REAL), shape=_r2c_shape,
    kernel=lambda xp, x, dim: transforms(xp).rfft(x, axis=dim) if x.size else xp.zeros(_r2c_shape(x, dim), np.result_type(x.dtype, np.complex64)),
    lower=_HOST, vjp={"x": _r2c_vjp}, jvp="linear", batch=_shifted("fft_r2c"),
    samples=lambda: calls((Source("a").floats((5,)), 0), (Source("b").floats((2, 4)), 1), (Source("c").floats((3, 2)), 0), (Source("d").floats((0, 2)), 1)),
    doc="The first n // 2 + 1 sums of x[t] exp(-2 pi i k t / n) over `dim`: the others are their conjugates. Not scaled.",
)  # fmt: skip


def _c2r_shape(x: Any, dim: int, size: Any) -> tuple:
    wanted, have = size // 2 + 1, x.shape[dim]
    require(wanted is have or wanted == have, lambda: f"fft_c2r(): a result of size {size} needs {wanted} entries of the spectrum, not {have}")
    return replaced(x.shape, dim, size)


def _c2r_vjp(F: Any, g: Any, x_dtype: Any, dim: int, size: Any) -> Any:
    """The adjoint: the half spectrum of g, with weight 2 where an entry stands for its conjugate too. The result is real, so g is not conjugated."""
    spectrum = F.fft_r2c(g, dim)
    places = F.arange(spectrum.shape[dim], device=g.device)
    alone = F.logical_or(F.eq(places, 0), F.eq(places * 2, size))
    weights = F.where(alone, 1.0, 2.0)
    return spectrum * F.reshape(F.cast(weights, g.dtype), (-1, *(1,) * (spectrum.ndim - 1 - dim)))


def _c2r_samples() -> list:
    s = Source("fft_c2r")
    return calls((s.complexes((3,)), 0, 5), (s.complexes((2, 3)), 1, 4), (s.complexes((2, 2)), 0, 3), (s.complexes((0, 2)), 1, 2))


define(
    "fft_c2r", "x: Tensor, dim, size", kind="extern", dtype=_dtype("fft_c2r", promotion.REAL_OF), shape=_c2r_shape,
    kernel=lambda xp, x, dim, size: transforms(xp).irfft(x, size, axis=dim, norm="forward") if x.size else xp.zeros(_c2r_shape(x, dim, size), x.real.dtype),
    lower=_HOST, vjp={"x": _c2r_vjp}, jvp="linear", batch=_shifted("fft_c2r"), samples=_c2r_samples,
    doc="The real signal of `size` whose half spectrum is x: the sums of X[k] exp(2 pi i k t / size) over the whole spectrum. Not scaled.",
)  # fmt: skip
