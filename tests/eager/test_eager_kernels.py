"""Kernels of the native library that eager code calls, against the NumPy kernels that they stand in for: the same bits, edge cases too."""

import numpy as np
import pytest

import segue
from segue.eager.functional import curves, kernels, statistics
from segue.eager.ops.definition import OPS
from segue.eager.ops.native import NATIVE

needs_library = pytest.mark.skipif("curve" not in NATIVE, reason="the native library is not built")
ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 3.0, -3.0, 6.0, -6.0, 1.0, -1.0, 1e-40, 0.5])


def _values(shape, dtype, seed=0):
    """Random numbers, among them the odd ones."""
    x = np.random.default_rng(seed).normal(size=shape) * 3
    x.reshape(-1)[: 4 * ODD.size : 4] = ODD
    return x.astype(dtype)


def _same_bits(found, wanted):
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    same = (found == wanted) & (np.signbit(found) == np.signbit(wanted)) if found.dtype.kind == "f" else found == wanted
    assert (same | ((found != found) & (wanted != wanted))).all()


@pytest.fixture
def by_numpy(monkeypatch):
    """Call a function without the native library."""

    def call(function, *args):
        with monkeypatch.context() as patched:
            for name in ("curve", "cumprod", "linear_recurrence", "cummax_indices", "cummin_indices", "gather", "add_rows"):
                patched.delitem(NATIVE, name)
            with np.errstate(all="ignore"):
                return function(*args)

    return call


CURVES = {
    "hardtanh": (curves.bounded, (-1.0, 1.0)), "relu6": (curves.bounded, (0.0, 6.0)), "negative": (curves.bounded, (-2.0, -0.0)), "without": (curves.bounded, (float("nan"), 1.0)), "hardswish": (curves.hard_swish, ()),
    "hardsigmoid": (curves.hard_sigmoid, ()), "leaky_relu": (curves.leaky_relu, (0.01,)), "steep": (curves.leaky_relu, (-2.0,)),
}  # fmt: skip


@needs_library
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CURVES)
def test_curves(name, dtype, by_numpy):
    (forward, backward), numbers = CURVES[name]
    x, g = _values((40, 50), dtype), _values((40, 50), dtype, 1)
    out, saved, _ = forward(x, *numbers)
    _same_bits(out, by_numpy(forward, x, *numbers)[0])
    _same_bits(backward(g, saved, (True,))[0], by_numpy(backward, g, saved, (True,))[0])
    assert NATIVE["curve"]("hard_swish", x.T, x.T, ()) is None and NATIVE["curve"]("hard_swish", x, g.T, ()) is None


@needs_library
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("numbers", [(1.0, 0.5, 1.0), (2.0, 0.5, 2.0), (0.25, 2.0, 1.0)])
def test_smooth_loss(numbers, dtype, by_numpy):
    x, target = _values((40, 50), dtype), _values((40, 50), dtype, 1)
    _same_bits(curves.smooth[0](x, target, *numbers)[0], by_numpy(curves.smooth[0], x, target, *numbers)[0])


def test_hardsigmoid_is_its_composition():
    x = segue.tensor(_values((30, 50), "float32")).requires_grad_()
    wanted = segue.nn.functional.hardtanh(x + 3.0, 0.0, 6.0) / 6.0
    found = segue.nn.functional.hardsigmoid(x)
    _same_bits(found.numpy(force=True), wanted.numpy(force=True))
    g = segue.tensor(_values((30, 50), "float32", 1))
    _same_bits(segue.autograd.grad(found, x, g)[0].numpy(), segue.autograd.grad(wanted, x, g)[0].numpy())


@needs_library
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("name", ["cumprod", "cummax_indices", "cummin_indices", "linear_recurrence"])
def test_scans(name, dim, dtype, by_numpy):
    x = segue.tensor(_values((30, 20, 10), "float32")).to(getattr(segue, dtype))._data
    turned = np.ascontiguousarray(x.T).T
    kernel = OPS[name].kernel
    args = (x * 0.25, x) if name == "linear_recurrence" else (x,)
    with np.errstate(all="ignore"):
        wanted, found = by_numpy(kernel, np, *args, dim), kernel(np, *args, dim)
        if name == "linear_recurrence":  # which may keep more digits of the product
            tolerance = {"float32": 1e-5, "float64": 1e-12}.get(dtype, 2e-2)
            assert np.allclose(found.astype(np.float64), wanted.astype(np.float64), tolerance, tolerance, equal_nan=True)
        else:
            _same_bits(found.astype(np.float64), wanted.astype(np.float64))
            _same_bits(kernel(np, turned, dim).astype(np.float64), wanted.astype(np.float64))


@needs_library
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_gather_and_added_rows(dim, dtype, by_numpy):
    x = _values((20, 15, 10), dtype)
    shape = [20, 15, 10]
    shape[dim] = 30
    index = np.random.default_rng(2).integers(0, x.shape[dim], shape)
    gather, add = OPS["gather"].kernel, OPS["index_add"].kernel
    _same_bits(gather(np, x, dim, index), np.take_along_axis(x, index, dim))
    _same_bits(gather(np, x, dim, np.ascontiguousarray(index.T).T), np.take_along_axis(x, index, dim))
    rows, source = np.random.default_rng(3).integers(0, x.shape[dim], 30), _values(shape, dtype, 4)
    with np.errstate(all="ignore"):
        _same_bits(add(np, x, dim, rows, source), by_numpy(add, np, x, dim, rows, source))
        _same_bits(OPS["scatter_add"].kernel(np, x, dim, index, source), by_numpy(OPS["scatter_add"].kernel, np, x, dim, index, source))
    for bad in (-1, x.shape[dim]):
        index[3, 3, 3] = rows[4] = bad
        with pytest.raises(IndexError):
            segue.gather(segue.tensor(x), dim, segue.tensor(index))
        with pytest.raises(IndexError):
            segue.index_add(segue.tensor(x), dim, segue.tensor(rows), segue.tensor(source))
        with pytest.raises(RuntimeError, match="refused"):
            NATIVE["add_rows"](x.reshape(-1, 10), np.full(200, x.size + bad), np.zeros((200, 10), dtype))


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("values", ["different", "few", "missing"])
def test_order_statistics_stand_where_a_stable_sort_puts_them(values, dim):
    random = np.random.default_rng(5)
    x = random.normal(size=(9, 8, 7)) if values == "different" else random.integers(-1, 2, (9, 8, 7)) * random.choice([-1.0, 1.0], (9, 8, 7))
    if values == "missing":
        x[random.random(x.shape) < 0.3] = np.nan
    t, place = segue.tensor(x, dtype=segue.float32), dim % 3
    order = segue.argsort(t, place, stable=True)
    for k in range(1, t.shape[place] + 1):
        found = segue.kthvalue(t, k, dim)
        assert segue.equal(found.indices, order.select(place, k - 1))
        _same_bits(found.values.numpy(), t.gather(place, found.indices.unsqueeze(place)).squeeze(place).numpy())
    for function, ignore in ((segue.median, False), (segue.nanmedian, True)):
        assert segue.equal(function(t, dim).indices, statistics._median_place.__wrapped__(t, place, ignore).squeeze(place))
    wide = t.clone().requires_grad_()
    segue.kthvalue(wide, 2, dim).values.sum().backward()
    assert wide.grad.sum() == t.numel() / t.shape[place] and kernels.kth_place(x[:0].reshape(0, 8), 1, 3)[0].shape == (0, 1)


def test_product_of_many():
    x = np.random.default_rng(6).uniform(0.9, 1.1, 10_007)
    for dtype, tolerance in ((np.float32, 1e-3), (np.float64, 1e-11)):
        found = segue.tensor(x.astype(dtype)).prod()
        assert found.shape == () and found.dtype.numpy == dtype and np.allclose(found.item(), np.prod(x.astype(dtype).astype(np.float64)), rtol=tolerance)
    for odd in (np.nan, np.inf, 0.0):
        x[9_999] = odd
        with np.errstate(invalid="ignore"):
            assert np.array_equal(segue.tensor(x).prod().numpy(), np.prod(x) if odd != 0 else 0.0, equal_nan=True)
    assert segue.arange(1, 5000).prod() == np.prod(np.arange(1, 5000))


@pytest.mark.parametrize("count", [1, 4, (2, 6), (None, 3)])
def test_adaptive_maxima_of_even_windows(count):
    x = segue.tensor(_values((2, 3, 12, 12), "float32"))
    x[0, 0, 0, 0] = 1.0
    rows, columns = (count, count) if isinstance(count, int) else (count[0] or 12, count[1])
    found, indices = segue.nn.functional.adaptive_max_pool2d(x, count, return_indices=True)
    blocks = x.numpy().reshape(2, 3, rows, 12 // rows, columns, 12 // columns).max((3, 5))
    assert np.array_equal(found.numpy(), blocks, equal_nan=True)
    assert np.array_equal(x.flatten(2).gather(2, indices.flatten(2)).numpy(), blocks.reshape(2, 3, -1), equal_nan=True)
    assert segue.nn.functional.adaptive_max_pool2d(x[0], count).shape == (3, rows, columns)
