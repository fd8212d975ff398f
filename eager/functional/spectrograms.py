"""Short-time Fourier transforms: stft and its inverse.

In come signals and a window, out go spectrograms, or signals again. The one idea: overlapping frames are a view (`unfold`), and adding them up again is that
view's transpose, so both directions and their derivatives come from rows that exist. The inverse divides by the sum of the squared windows, which is least
squares (Griffin and Lim, IEEE Trans. ASSP 32, 1984).
"""

from __future__ import annotations

import warnings

from .. import dtypes
from ..errors import error
from ..ops.definition import OPS
from ..sizes import at_least, smaller
from ..tensor import Tensor
from . import fourier
from .arguments import need_tensor
from .devices import make
from .indexing import index_add
from .padding import pad
from .positions import none_of
from .shape import narrow, reshape, transpose, unfold

__all__ = ["istft", "stft"]


def _framing(name: str, x: Tensor, n_fft: int, hop: int | None, length: int | None, window: Tensor | None) -> tuple[int, Tensor]:
    """The hop, and the window widened with zeros on both sides to `n_fft`. Raises RuntimeError for sizes that do not fit."""
    step, width = n_fft // 4 if hop is None else hop, n_fft if length is None else length
    if step <= 0 or not 0 < width <= n_fft:
        raise error(RuntimeError, f"{name}: expected hop_length > 0 and 0 < win_length <= n_fft, but got hop_length={step}, win_length={width}, n_fft={n_fft}")
    if window is not None and (window.ndim != 1 or window.shape[0] != width):
        raise error(RuntimeError, f"{name}: expected a 1D window tensor of size equal to win_length={width}, but got window with size {tuple(window.shape)}")
    of = {dtypes.complex64: dtypes.float32, dtypes.complex128: dtypes.float64}.get(x.dtype, x.dtype)
    window = make("full", x.device, (width,), 1, of) if window is None else window
    left = (n_fft - width) // 2
    return step, window if width == n_fft else OPS["pad"](window, (left, n_fft - width - left), 0)


def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Tensor | None = None, center: bool = True,
    pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None, return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """The spectra of overlapping frames of a signal (T) or of several (B, T): (..., frequencies, frames), complex.

    Frame t covers the samples from t * `hop_length` (n_fft / 4) on, around them with `center`, weighted by `window` (ones). `onesided` gives the n_fft // 2 + 1
    frequencies that a real signal has; `normalized` divides by sqrt(n_fft); with `return_complex=False` a last dimension holds real and imaginary parts.
    Raises RuntimeError for sizes that do not fit.

    >>> import segue
    >>> segue.stft(segue.ones(16), 4, return_complex=True, window=segue.ones(4)).shape
    segue.Size([3, 17])
    """
    x = need_tensor(input, "stft")
    if x.dtype.category <= dtypes.INTEGER or x.ndim not in (1, 2):
        raise error(RuntimeError, f"stft: expected a 1D or 2D tensor of floating point or complex values, got {x.dtype} {tuple(x.shape)}")
    if align_to_window and center:
        raise error(RuntimeError, "stft: align_to_window should only be set when center = false")
    both = x.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None:
        if not both:
            raise error(RuntimeError, "stft requires the return_complex parameter be given for real inputs", "return_complex=True")
        return_complex = True
    if not return_complex:
        warnings.warn("stft with return_complex=False is deprecated in PyTorch", stacklevel=2)
    if center:
        wide = reshape(x, (1,) * (3 - x.ndim) + tuple(x.shape))
        x = reshape(pad(wide, (n_fft // 2, n_fft // 2), mode=pad_mode), (*x.shape[:-1], -1))
    if not 0 < n_fft <= x.shape[-1]:
        raise error(RuntimeError, f"stft: expected 0 < n_fft <= {x.shape[-1]}, but got n_fft={n_fft}")
    step, weights = _framing("stft", x, n_fft, hop_length, win_length, window)
    frames = unfold(x, x.ndim - 1, n_fft, step) * weights
    one_side = not both if onesided is None else onesided
    if one_side and both:
        raise error(RuntimeError, "stft: Cannot have onesided output if window or input is complex")
    spectra = (fourier.rfft if one_side else fourier.fft)(frames, norm="ortho" if normalized else None)
    spectra = transpose(spectra, -2, -1)
    return spectra if return_complex else OPS["view_as_real"](spectra.contiguous())


def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Tensor | None = None, center: bool = True,
    normalized: bool = False, onesided: bool | None = None, length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The signal (T) or signals (B, T) whose `stft` comes nearest to `input` (..., frequencies, frames).

    Raises RuntimeError for sizes that do not fit, and where the windows leave a gap.

    >>> import segue
    >>> x = segue.arange(16.0)
    >>> segue.istft(segue.stft(x, 8, window=segue.ones(8), return_complex=True), 8, window=segue.ones(8)).round()[:4]
    tensor([0., 1., 2., 3.])
    """
    x = need_tensor(input, "istft")
    if not x.dtype.is_complex or x.ndim not in (2, 3) or not x.numel():
        raise error(RuntimeError, f"istft: expected a complex tensor with 2 or 3 dimensions and some elements, got {x.dtype} {tuple(x.shape)}")
    one_side = x.shape[-2] != n_fft if onesided is None else onesided
    if x.shape[-2] != (n_fft // 2 + 1 if one_side else n_fft):
        raise error(RuntimeError, f"istft: expected the frequency dimension (2nd to the last) of {tuple(x.shape)} to match n_fft={n_fft}")
    if return_complex and one_side:
        raise error(RuntimeError, "istft: cannot have onesided input and a complex output")
    step, weights = _framing("istft", x, n_fft, hop_length, win_length, window)
    norm = "ortho" if normalized else None
    spectra = transpose(x, -2, -1)
    if return_complex:
        frames = fourier.ifft(spectra, norm=norm)
    else:  # of a real signal one half of the frequencies tells the other
        frames = fourier.irfft(narrow(spectra, -1, 0, n_fft // 2 + 1), n_fft, norm=norm)
    count = frames.shape[-2]
    total = n_fft + step * (count - 1)
    places = (OPS["unsqueeze"](make("arange", input.device, 0, step, count, dtypes.int64), 1) + make("arange", input.device, 0, 1, n_fft, dtypes.int64)).reshape(-1)

    def overlapped(pieces: Tensor) -> Tensor:
        """Frames added up where they lie."""
        lead = tuple(pieces.shape[:-2])
        return index_add(make("full", pieces.device, (*lead, total), 0, pieces.dtype), len(lead), places, reshape(pieces, (*lead, -1)))

    signal = overlapped(frames * weights)
    square = overlapped(OPS["expand"](weights * weights, (count, n_fft)))
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - start if center else total
    kept = at_least(smaller(end, total) - start, 0)
    signal, square = narrow(signal, -1, start, kept), narrow(square, -1, start, kept)
    none_of(
        abs(square.detach()) < 1e-11,
        lambda: error(RuntimeError, f"istft: the windows overlap too little (hop {step}, window {tuple(weights.shape)}): their squares add up to 0 somewhere"),
    )
    signal = signal / square
    missing = (length if length is not None else kept) - kept
    if missing > 0:
        warnings.warn("The length of signal is shorter than the length parameter. Result is being padded with zeros in the tail.", stacklevel=2)
        signal = OPS["cat"]((signal, make("full", input.device, (*signal.shape[:-1], missing), 0, signal.dtype)), signal.ndim - 1)
    return signal
