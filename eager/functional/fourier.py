"""`segue.fft`: discrete Fourier transforms with PyTorch's names, lengths, dimensions and norms.

In come tensors, out go spectra or signals. The one idea: three unscaled rows (eager/ops/fourier.py) do every transform; a length pads or cuts, and a
norm is a factor behind.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..errors import error
from ..ops.definition import OPS
from ..promotion import COMPLEX_OF, floating
from ..sizes import demand, known, larger
from ..tensor import Tensor
from .arguments import accepts_out, cast, dimension, need_tensor
from .complex_numbers import conj
from .creation import arange, tensor
from .devices import make
from .kinds import is_whole
from .repeats import roll
from .shape import narrow

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "ihfft2", "ihfftn", "irfft",
    "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip


def _real(count: Any) -> Any:
    """A number of points to divide by: a size that varies in a graph as a 0-d tensor, since its quotient is no size."""
    return cast(tensor(count), dtypes.float64) if hasattr(count, "segue_symbol") else count


def _scale(name: str, norm: str | None, count: Any, forward: bool) -> Any:
    """The factor of a norm: 1/n falls on the backward transform, the forward one, or its root on both ("ortho")."""
    if norm not in (None, "backward", "forward", "ortho"):
        raise error(RuntimeError, f'{name}: Invalid normalization mode: "{norm}"', "'backward', 'forward' or 'ortho'")
    if norm == "ortho":
        return 1 / _real(count) ** 0.5
    return 1 / _real(count) if (norm == "forward") == forward else 1.0


def _scaled(x: Tensor, factor: Any) -> Tensor:
    return x if not isinstance(factor, Tensor) and factor == 1 else x * factor


def _ready(name: str, x: Any, wants_complex: bool, wants_real: bool = False) -> Tensor:
    """A floating or complex tensor that the rows take: integers become the default dtype. Raises RuntimeError for half precision on the CPU."""
    x = need_tensor(x, name)
    if wants_real and x.dtype.is_complex:
        raise error(RuntimeError, f"{name} expects a real input tensor, but got {x.dtype.name}", "x.real")
    if x.dtype in (dtypes.float16, dtypes.bfloat16):
        raise error(RuntimeError, f"Unsupported dtype {x.dtype.name}: {name} takes float32, float64 and complex tensors on the CPU", "x.float()")
    kind = floating(x.dtype)
    return cast(x, COMPLEX_OF.get(kind, kind) if wants_complex else kind)


def _sized(name: str, x: Tensor, dim: int, n: Any) -> Tensor:
    """`x` padded with zeros, or cut, to `n` along `dim`."""
    demand(n, ">=", 1, lambda: error(RuntimeError, f"{name}: Invalid number of data points ({n}) specified"))
    size = x.shape[dim]
    if known(size, "<", n) is not False:
        missing = make("full", x.device, (*x.shape[:dim], larger(n - size, 0), *x.shape[dim + 1 :]), 0, x.dtype)
        x = OPS["cat"]((x, missing), dim)
    return x if known(x.shape[dim], ">", n) is False else narrow(x, dim, 0, n)


def _places(name: str, x: Tensor, s: Any, dim: Any) -> tuple[tuple, tuple]:
    """Dimensions and lengths; a length of -1 is the size that there is. Raises RuntimeError for a repeated dimension or lengths that do not fit."""
    lengths = None if s is None else (s,) if is_whole(s) else tuple(s)
    if dim is None:
        dims = tuple(range(x.ndim)) if lengths is None else tuple(range(x.ndim - len(lengths), x.ndim))
    else:
        dims = tuple(dimension(d, x.ndim) for d in ((dim,) if isinstance(dim, int) else dim))
    if any(d < 0 for d in dims):
        raise error(RuntimeError, f"{name}: Got shape with {len(lengths or ())} values but input tensor only has {x.ndim} dimensions.")
    if len(set(dims)) != len(dims):
        raise error(RuntimeError, f"{name}: FFT dims must be unique, not {dim}")
    if lengths is not None and len(lengths) != len(dims):
        raise error(RuntimeError, f"{name}: When given, dim and shape arguments must have the same length, not {len(dims)} and {len(lengths)}")
    return dims, tuple(x.shape[d] if n is None or n == -1 else n for d, n in zip(dims, lengths or (None,) * len(dims)))


def _c2c(name: str, x: Any, s: Any, dim: Any, norm: str | None, forward: bool) -> Tensor:
    x = _ready(name, x, True)
    dims, lengths = _places(name, x, s, dim)
    for d, n in zip(dims, lengths):
        x = _sized(name, x, d, n)
    return _scaled(OPS["fft_c2c"](x, dims, forward), _scale(name, norm, math.prod(lengths), forward)) if dims else x


def _r2c(name: str, x: Any, s: Any, dim: Any, norm: str | None, forward: bool) -> Tensor:
    """The half spectrum; backward (ihfft) it is the conjugate."""
    x = _ready(name, x, False, wants_real=True)
    dims, lengths = _places(name, x, s, dim)
    if not dims:
        raise error(RuntimeError, f"{name} must transform at least one axis")
    for d, n in zip(dims, lengths):
        x = _sized(name, x, d, n)
    out = OPS["fft_r2c"](x, dims[-1])
    out = OPS["fft_c2c"](out, dims[:-1], True) if dims[:-1] else out
    return _scaled(out if forward else conj(out), _scale(name, norm, math.prod(lengths), forward))


def _c2r(name: str, x: Any, s: Any, dim: Any, norm: str | None, forward: bool) -> Tensor:
    """The real signal of a half spectrum; forward (hfft) of its conjugate."""
    x = _ready(name, x, True)
    dims, lengths = _places(name, x, s, dim)
    if not dims:
        raise error(RuntimeError, f"{name} must transform at least one axis")
    given = None if s is None else (s if is_whole(s) else tuple(s)[-1])
    last = 2 * (x.shape[dims[-1]] - 1) if given in (None, -1) else given
    demand(last, ">=", 1, lambda: error(RuntimeError, f"{name}: Invalid number of data points ({last}) specified"))
    for d, n in zip(dims[:-1], lengths[:-1]):
        x = _sized(name, x, d, n)
    x = _sized(name, x, dims[-1], last // 2 + 1)
    x = OPS["fft_c2c"](x, dims[:-1], forward) if dims[:-1] else x
    out = OPS["fft_c2r"](conj(x) if forward else x, dims[-1], last)
    return _scaled(out, _scale(name, norm, math.prod(lengths[:-1]) * last, forward))


_KINDS: dict[str, tuple[Callable[..., Tensor], bool, str]] = {
    "fft": (_c2c, True, "The discrete Fourier transform"),
    "ifft": (_c2c, False, "The inverse discrete Fourier transform"),
    "rfft": (_r2c, True, "The first n // 2 + 1 entries of the spectrum of a real signal"),
    "irfft": (_c2r, False, "The real signal of a half spectrum, of even size unless a length says otherwise"),
    "hfft": (_c2r, True, "The real spectrum of half a Hermitian signal"),
    "ihfft": (_r2c, False, "Half of the Hermitian signal of a real spectrum"),
}


def _named(function: Any, name: str, doc: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}. `norm` is backward, forward or ortho. Raises RuntimeError for lengths below 1 and dtypes that have no transform."
    return autocasts(accepts_out(function))


def _one(kind: str) -> Any:
    compute, forward, doc = _KINDS[kind]

    def function(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
        return compute(f"fft.{kind}", input, n, dim, norm, forward)

    return _named(function, kind, f"{doc}, along `dim`, padded or cut to `n`")


def _many(kind: str, name: str, default: Any) -> Any:
    compute, forward, doc = _KINDS[kind]

    def function(input: Tensor, s: Any = None, dim: Any = default, norm: str | None = None) -> Tensor:
        return compute(f"fft.{name}", input, s, dim, norm, forward)

    return _named(function, name, f"{doc}, over the dimensions `dim`, padded or cut to the lengths `s`")


fft, ifft, rfft, irfft, hfft, ihfft = (_one(kind) for kind in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))
fft2, ifft2, rfft2, irfft2, hfft2, ihfft2 = (_many(kind, kind + "2", (-2, -1)) for kind in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))
fftn, ifftn, rfftn, irfftn, hfftn, ihfftn = (_many(kind, kind + "n", None) for kind in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))


def _shift(input: Tensor, dim: Any, half: Callable[[Any], Any]) -> Tensor:
    dims = tuple(range(input.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    return roll(input, tuple(half(input.shape[d]) for d in dims), dims) if dims else input.clone()


def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The zero frequency moved to the middle of each dimension `dim` (all by default)."""
    return _shift(input, dim, lambda n: n // 2)


def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _shift(input, dim, lambda n: (n + 1) // 2)


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The frequencies 0, 1 ... (n-1)//2, -(n//2) ... -1 over n d of the entries of a spectrum.

    >>> import segue
    >>> segue.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    places = arange(n, device=device)
    found = OPS["where"](places < (n + 1) // 2, places, places - n)
    return (cast(found, dtypes.as_dtype(dtype or dtypes.get_default_dtype())) * (1.0 / (_real(n) * d))).requires_grad_(requires_grad)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The frequencies 0 ... n // 2 over n d of the entries of a half spectrum."""
    found = cast(arange(n // 2 + 1, device=device), dtypes.as_dtype(dtype or dtypes.get_default_dtype()))
    return (found * (1.0 / (_real(n) * d))).requires_grad_(requires_grad)
