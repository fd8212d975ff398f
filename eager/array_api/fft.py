"""The standard's extension `fft`.

In come tensors, out go spectra or signals. The one idea: `segue.fft` with `axis` and `axes` for `dim`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..functional import fourier
from ..tensor import Tensor


def _along_one(name: str) -> Callable[..., Tensor]:
    function = getattr(fourier, name)

    def transform(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
        return function(x, n, axis, norm)

    return _described(transform, name, function)


def _along_all(name: str) -> Callable[..., Tensor]:
    function = getattr(fourier, name)

    def transform(x: Tensor, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
        return function(x, s, axes, norm)

    return _described(transform, name, function)


def _described(made: Callable, name: str, function: Callable) -> Callable[..., Tensor]:
    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"The array API's `{name}`: {(function.__doc__ or name).strip().splitlines()[0]}"
    return made


fft, ifft, rfft, irfft, hfft, ihfft = (_along_one(name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))
fftn, ifftn, rfftn, irfftn = (_along_all(name) for name in ("fftn", "ifftn", "rfftn", "irfftn"))


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of `fft`'s result for samples `d` apart."""
    return fourier.fftfreq(n, d, dtype=dtype, device=device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of `rfft`'s result for samples `d` apart."""
    return fourier.rfftfreq(n, d, dtype=dtype, device=device)


def fftshift(x: Tensor, /, *, axes: Any = None) -> Tensor:
    """Frequency 0 moved to the middle."""
    return fourier.fftshift(x, axes)


def ifftshift(x: Tensor, /, *, axes: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    return fourier.ifftshift(x, axes)


__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft", "rfftfreq", "rfftn",
]  # fmt: skip
