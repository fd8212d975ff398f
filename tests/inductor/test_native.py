"""Eager convolution on the native library gives what the NumPy kernels give, and steps aside where it cannot."""

import numpy as np
import pytest

import segue
from segue.eager.ops import OPS, convolution
from segue.inductor import native

PLAIN = {
    "convolution": convolution._convolve, "convolution_input_gradient": convolution._input_gradient,
    "convolution_weight_gradient": convolution._weight_gradient,
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_as_the_numpy_kernels(name, dtype):
    for (first, second, *rest), _ in OPS[name].samples():
        if first.size and second.size:
            a, b = first.astype(dtype), np.asfortranarray(second.astype(dtype))
            found, expected = native.convolve(name, a, b, *rest), PLAIN[name](np, a, b, *rest)
            assert found.dtype == dtype and found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_eager_calls_it_for_floats_only(monkeypatch):
    seen = []
    monkeypatch.setattr(convolution, "_native", [lambda name, *args: seen.append(name) or native.convolve(name, *args)])
    weight = segue.ones(1, 1, 2, 2)
    segue.conv2d(segue.ones(1, 1, 3, 3, requires_grad=True), weight).sum().backward()
    assert seen == ["convolution", "convolution_input_gradient"]
    for dtype in (segue.int64, segue.complex64):
        assert segue.conv2d(segue.ones(1, 1, 3, 3, dtype=dtype), weight.to(dtype)).dtype is dtype
    assert segue.conv2d(segue.ones(0, 1, 3, 3), weight).shape == (0, 1, 2, 2) and len(seen) == 2
    assert segue.conv2d(segue.ones(1, 1, 3, 3).half(), weight.half()).dtype is segue.float16 and len(seen) == 3


def test_what_the_library_refuses_raises():
    with pytest.raises(RuntimeError, match="refused"):
        native.convolve("convolution_input_gradient", np.ones((1, 1, 9)), np.ones((1, 1, 2)), (1, 1, 3), (1,), (0,), (1,), 1)
