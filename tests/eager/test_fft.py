"""Fourier transforms beside NumPy's, their derivatives by differences, and what must raise."""

import numpy as np
import pytest

import segue
from segue.eager.autograd.gradcheck import gradcheck, gradgradcheck

KINDS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")


def draw(kind, *shape):
    numbers = np.random.default_rng(2)
    values = numbers.normal(size=shape)
    return values if kind in ("rfft", "ihfft") else values + 1j * numbers.normal(size=shape)


@pytest.mark.parametrize("norm", [None, "forward", "ortho"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_dimension_is_numpys(kind, norm):
    x = draw(kind, 3, 5)
    for n, dim in ((None, -1), (4, 0), (7, 1), (2, -1)):
        found = getattr(segue.fft, kind)(segue.from_numpy(x), n, dim, norm)
        assert np.allclose(found.numpy(), getattr(np.fft, kind)(x, n, dim, norm))
    single = getattr(segue.fft, kind)(segue.from_numpy(x.astype(np.complex64 if x.dtype.kind == "c" else np.float32)))
    assert single.dtype in (segue.float32, segue.complex64)


@pytest.mark.parametrize("kind", ("fft", "ifft", "rfft", "irfft"))
def test_several_dimensions_are_numpys(kind):
    x = draw(kind, 3, 4, 5)
    for s, dim in ((None, (0, 2)), ((2, 6), (-2, -1)), ((4, 3, 2), (0, 1, 2))):
        found = getattr(segue.fft, kind + "n")(segue.from_numpy(x), s, dim)
        assert np.allclose(found.numpy(), getattr(np.fft, kind + "n")(x, s, dim))
    assert np.allclose(getattr(segue.fft, kind + "2")(segue.from_numpy(x)).numpy(), getattr(np.fft, kind + "2")(x))


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives(kind):
    x = draw(kind, 2, 4)
    is_complex = x.dtype.kind == "c"
    leaf = (segue.view_as_real(segue.from_numpy(x)) if is_complex else segue.from_numpy(x)).requires_grad_()

    def function(leaf):
        out = getattr(segue.fft, kind + "2")(segue.view_as_complex(leaf) if is_complex else leaf, (3, 5))
        return segue.view_as_real(out) ** 2 if out.is_complex() else out**2

    assert gradcheck(function, (leaf,)) and gradgradcheck(function, (leaf,))


def test_shifts_frequencies_and_integers():
    for n in (4, 5):
        x = np.arange(float(n * 3)).reshape(n, 3)
        assert np.array_equal(segue.fft.fftshift(segue.from_numpy(x)).numpy(), np.fft.fftshift(x))
        assert np.array_equal(segue.fft.ifftshift(segue.from_numpy(x), 0).numpy(), np.fft.ifftshift(x, 0))
        assert np.allclose(segue.fft.fftfreq(n, 0.5, dtype=segue.float64).numpy(), np.fft.fftfreq(n, 0.5))
        assert np.allclose(segue.fft.rfftfreq(n, dtype=segue.float64).numpy(), np.fft.rfftfreq(n))
    assert segue.fft.fft(segue.arange(4)).dtype is segue.complex64


@pytest.mark.parametrize(
    "call",
    [
        lambda: segue.fft.fft(segue.ones(3), 0),
        lambda: segue.fft.rfft(segue.ones(3, dtype=segue.complex64)),
        lambda: segue.fft.fft(segue.ones(3), norm="unit"),
        lambda: segue.fft.fftn(segue.ones(3, 3), dim=(0, 0)),
        lambda: segue.fft.fftn(segue.ones(3, 3), (2,), (0, 1)),
        lambda: segue.fft.fft(segue.ones(3).half()),
    ],
)
def test_what_has_no_transform_raises(call):
    with pytest.raises(RuntimeError):
        call()
