"""Eager convolution on the native library gives what the NumPy kernels give, and steps aside where it cannot."""

import numpy as np
import pytest
from scipy.special import erf

import segue
from segue.eager import philox
from segue.eager.ops import OPS, convolution, pooling
from segue.eager.ops.native import NATIVE
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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(30))
def test_depthwise_convolutions_of_all_kinds(seed, dtype):
    """One input channel a group: one to three dimensions, odd sizes, strides, paddings, dilations, one or two filters a group."""
    rng = np.random.default_rng(seed)
    rank, groups = 1 + seed % 3, int(rng.integers(2, 9))
    filters = int(rng.integers(1, 3))
    kernel, stride, dilation = (tuple(int(n) for n in rng.integers(1, high, rank)) for high in (5, 4, 3))
    kernel = kernel if max(kernel) > 1 else (2,) * rank
    padding = tuple(int(rng.integers(0, k + 1)) for k in kernel)
    sizes = [d * (k - 1) + 1 + int(rng.integers(0, 20 // rank)) for k, d in zip(kernel, dilation)]
    x = rng.standard_normal((2, groups, *sizes)).astype(dtype)
    w = rng.standard_normal((groups * filters, 1, *kernel)).astype(dtype)
    rest = stride, padding, dilation, groups
    out = convolution._convolve(np, x, w, *rest)
    g = rng.standard_normal(out.shape).astype(dtype)
    for name, *args in (("convolution", x, w), ("convolution_input_gradient", g, w, x.shape), ("convolution_weight_gradient", g, x, w.shape)):
        found, expected = native.convolve(name, *args, *rest), PLAIN[name](np, *args, *rest)
        np.testing.assert_allclose(found, expected, rtol=2e-5 if dtype is np.float32 else 1e-12, atol=1e-4 if dtype is np.float32 else 1e-12)


def test_depthwise_infinities_stay_where_they_are_met():
    x, w = np.ones((1, 2, 5, 5), "f"), np.ones((2, 1, 3, 3), "f")
    x[0, 0, 0, 4] = np.inf  # the last of a row: behind it in memory comes the next row
    rest = (1, 1), (0, 0), (1, 1), 2
    found = native.convolve("convolution", x, w, *rest)
    assert np.isinf(found).sum() == 1 and np.isinf(found[0, 0, 0, 2]) and not np.isnan(found).any()
    gradient = native.convolve("convolution_weight_gradient", np.ones_like(found), x, w.shape, *rest)
    assert np.isinf(gradient).sum() == 1 and np.isinf(gradient[0, 0, 0, 2]) and not np.isnan(gradient).any()
    w[0, 0, 0, 0] = np.inf
    back = native.convolve("convolution_input_gradient", np.ones_like(found), w, x.shape, *rest)
    assert np.isinf(back).sum() == 9 and np.isinf(back[0, 0, :3, :3]).all() and not np.isnan(back).any()


def test_eager_calls_it_for_floats_only(monkeypatch):
    seen = []
    for name in PLAIN:
        monkeypatch.setitem(NATIVE, name, lambda *args, name=name: seen.append(name) or native.convolve(name, *args))
    weight = segue.ones(1, 1, 2, 2)
    segue.conv2d(segue.ones(1, 1, 3, 3, requires_grad=True), weight).sum().backward()
    assert seen == ["convolution", "convolution_input_gradient"]
    for dtype in (segue.int64, segue.complex64):
        assert segue.conv2d(segue.ones(1, 1, 3, 3, dtype=dtype), weight.to(dtype)).dtype is dtype
    assert segue.conv2d(segue.ones(0, 1, 3, 3), weight).shape == (0, 1, 2, 2) and seen[2:] == ["convolution"]
    assert segue.conv2d(segue.ones(1, 1, 3, 3).half(), weight.half()).dtype is segue.float16 and len(seen) == 4


def test_what_the_library_refuses_raises():
    with pytest.raises(RuntimeError, match="refused"):
        native.convolve("convolution_input_gradient", np.ones((1, 1, 9)), np.ones((1, 1, 2)), (1, 1, 3), (1,), (0,), (1,), 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_places_of_max_pooling(dtype):
    for (x, *rest), _ in OPS["max_pool_indices"].samples():
        if x.size:
            np.testing.assert_array_equal(native.max_pool_indices(x.astype(dtype), *rest), pooling._kernel(np, x.astype(dtype), *rest))


@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (1, 2, 3, 8, 4), (1, 1, 301, 302), (1, 2, 2, 9000), (2, 3, 6, 5)])
def test_places_of_the_greatest_of_two_by_two(shape):
    x = np.random.default_rng(0).integers(-2, 3, shape).astype("f")  # many equal ones: the first of them counts, and the first NaN
    x[..., 1, 2] = np.nan
    rest = [tuple(1 if d < len(shape) - 4 else pair for d in range(len(shape) - 2)) for pair in (2, 2, 0, 1)]
    rest[2] = (0,) * (len(shape) - 2)
    np.testing.assert_array_equal(native.max_pool_indices(x, *rest, False), pooling._kernel(np, x, *rest, False))


@pytest.mark.parametrize("name", native.ELEMENTARY)
def test_elementary_functions_within_two_ulps(name):
    function, exact = NATIVE[name], erf if name == "erf" else getattr(np, {"acos": "arccos", "atan": "arctan"}.get(name, name))
    span = 1.0 if name == "acos" else 80.0
    x = np.concatenate([np.linspace(-span, span, 40000), np.geomspace(1e-38, 1, 1000), [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1.0, 1.0, 3e38]]).astype("f")
    with np.errstate(all="ignore"):
        found, expected = function(x), exact(x.astype("d")).astype("f")
    known = np.isfinite(expected)
    np.testing.assert_array_max_ulp(found[known], expected[known], 2)
    np.testing.assert_array_equal(found[~known], expected[~known])
    np.testing.assert_array_equal(np.signbit(found[expected == 0]), np.signbit(expected[expected == 0]))
    strided = np.asfortranarray(x[:40000].reshape(200, 200))
    np.testing.assert_array_equal(function(strided), found[:40000].reshape(200, 200))
    assert function(x[:10]) is NotImplemented and function(x.astype("d")) is NotImplemented


@pytest.mark.parametrize("count", [0, 1, 3, 4, 63, 64, 65, 1000, 200_003])
def test_uniform_numbers_are_the_stream(count):
    for seed, offset in ((0, 0), (2**63 + 5, 7), (2**32 - 1, 2**64 - 1)):
        np.testing.assert_array_equal(native.uniform(seed, offset, count), philox.uniform(np, seed, offset, count, segue.float32))
