"""Kernels of the native library that eager code calls, against what they stand in for: the same bits where they compute the same, edge cases too."""

import contextlib

import numpy as np
import pytest

import segue
import segue.nn.functional as F
from segue.eager.functional import curves, kernels, normalization_kernels, recurrent, statistics
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
            for name in ("kernel", "curve", "choose", "cumsum", "cumprod", "linear_recurrence", "cummax_indices", "cummin_indices", "gather", "add_rows"):
                patched.delitem(NATIVE, name)
            with np.errstate(all="ignore"):
                return function(*args)

    return call


CURVES = {
    "hardtanh": (curves.bounded, (-1.0, 1.0)), "relu6": (curves.bounded, (0.0, 6.0)), "negative": (curves.bounded, (-2.0, -0.0)), "without": (curves.bounded, (float("nan"), 1.0)), "hardswish": (curves.hard_swish, ()),
    "hardsigmoid": (curves.hard_sigmoid, ()), "leaky_relu": (curves.leaky_relu, (0.01,)), "steep": (curves.leaky_relu, (-2.0,)), "clamp": (curves.clamped, (-1.0, 1.5)), "crossed": (curves.clamped, (1.0, -1.0)),
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
    _same_bits(forward(x.T, *numbers)[0], by_numpy(forward, x.T, *numbers)[0])
    spread = np.broadcast_to(g[:1], g.shape)
    _same_bits(backward(spread, saved, (True,))[0], by_numpy(backward, spread, saved, (True,))[0])


@needs_library
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("numbers", [(1.0, 0.5, 1.0), (2.0, 0.5, 2.0), (0.25, 2.0, 1.0)])
def test_smooth_loss(numbers, dtype, by_numpy):
    x, target = _values((40, 50), dtype), _values((40, 50), dtype, 1)
    _same_bits(curves.smooth[0](x, target, *numbers)[0], by_numpy(curves.smooth[0], x, target, *numbers)[0])


def _near(found, wanted):
    """Equal but for some units in the last place of float32 (a slope by tanh takes the difference of 1 and almost 1)."""
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    assert np.allclose(found, wanted, rtol=2e-5, atol=1e-5, equal_nan=True)


SMOOTH_CURVES = {
    "gelu": ((kernels.gelu, kernels.gelu_backward), ("none",)), "gelu by tanh": ((kernels.gelu, kernels.gelu_backward), ("tanh",)), "elu": (curves.elu, (1.3, 1.0)),
    "celu": (curves.elu, (0.7, 0.7)), "softplus": (curves.softplus, (1.5, 2.0)), "log_sigmoid": (curves.log_sigmoid, ()),
}  # fmt: skip


@needs_library
@pytest.mark.parametrize("name", SMOOTH_CURVES)
def test_smooth_curves(name, by_numpy):
    (forward, backward), numbers = SMOOTH_CURVES[name]
    x, g = _values((40, 50), "float32"), np.random.default_rng(1).normal(size=(40, 50)).astype("float32")
    out, saved, _ = forward(x, *numbers)
    wanted, kept, _ = by_numpy(forward, x, *numbers)
    _near(out, wanted)
    _near(backward(g, saved, (True,))[0], by_numpy(backward, g, kept, (True,))[0])


@needs_library
def test_logits_and_their_gradient(by_numpy):
    x, target, g = _values((40, 50), "float32"), np.random.default_rng(1).random((40, 50), "float32"), np.random.default_rng(2).random((40, 50), "float32")
    forward, backward = curves.binary_cross_entropy
    out, saved, _ = forward(x, target)
    _near(out, by_numpy(forward, x, target)[0])
    _near(backward(g, saved, (True, False))[0], by_numpy(backward, g, saved, (True, False))[0])


@needs_library
@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 33), (2, 5000)])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_rows_of_weights(name, shape, by_numpy):
    forward, backward = getattr(kernels, name), getattr(kernels, f"{name}_backward")
    random = np.random.default_rng(3)
    x, g = (random.normal(size=shape) * 3).astype("float32"), random.normal(size=shape).astype("float32")
    for odd in (None, np.nan, np.inf, -np.inf):
        if odd is not None:
            x[0, 1] = odd
        for dims in ((len(shape) - 1,), tuple(range(1, len(shape)))):
            out, saved, _ = forward(x, dims)
            _near(out, by_numpy(forward, x, dims)[0])
            _near(backward(g, saved, (True,))[0], by_numpy(backward, g, saved, (True,))[0])


WEIGHTED = {  # dimensions, the weights' layout, whether there is a weight and a bias
    "rows": ((6, 70), (1,), (70,), True, True), "plain rows": ((4, 3, 40), (2,), (), False, False), "bias": ((33, 10), (1,), (10,), False, True),
    "weight": ((33, 10), (1,), (10,), True, False), "two": ((5, 6, 8), (1, 2), (6, 8), True, True), "channels": ((3, 4, 5, 6), (0, 2, 3), (1, 4, 1, 1), True, True),
    "plain channels": ((3, 4, 30), (0, 2), (1, 4, 1), False, False), "of a channel each": ((3, 4, 30), (2,), (1, 4, 1), True, True), "one": ((3, 1, 30), (2,), (1, 1, 1), True, True),
    "small planes": ((30, 4, 3), (0, 2), (1, 4, 1), True, True), "many": ((2, 3, 5000), (0, 2), (1, 3, 1), True, True), "many rows": ((1000, 9), (1,), (9,), True, True),
}  # fmt: skip


@needs_library
@pytest.mark.parametrize("name", WEIGHTED)
def test_normalisation(name, by_numpy):
    shape, dims, laid, weighted, shifted = WEIGHTED[name]
    random = np.random.default_rng(4)
    x, g = (random.normal(size=shape) * 2 + 5).astype("float32"), random.normal(size=shape).astype("float32")
    size = tuple(size for size in laid if size > 1) or (1,)
    weight, bias = [random.normal(size=size).astype("float32") if there else None for there in (weighted, shifted)]
    args = (x, dims, 1e-5, weight, bias, laid)
    out, saved, statistics_of = normalization_kernels.normalise(*args)
    wanted, _, known = by_numpy(normalization_kernels.normalise, *args)
    for ours, theirs in zip((out, *statistics_of), (wanted, *known)):
        assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    for wishes in ((True, True, True, weighted, shifted), (False, True, True, weighted, shifted), (True, True, True, False, False)):
        found, expected = normalization_kernels.normalise_backward(g, saved, wishes), by_numpy(normalization_kernels.normalise_backward, g, saved, wishes)
        for place in (0, 3, 4):
            if wishes[place]:
                assert found[place].shape == expected[place].shape and np.allclose(found[place], expected[place], rtol=1e-4, atol=2e-4)


@needs_library
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_where_and_relu(dtype, by_numpy):
    x, y = _values((40, 50), dtype), _values((40, 50), dtype, 1)
    condition = np.random.default_rng(2).random((40, 50)) > 0.5
    where, relu = OPS["where"].kernel, OPS["relu"].kernel
    for operands in ((condition, x, y), (condition, x, 0.5), (condition, -1, y), (condition.T, x.T, y.T), (condition, np.asarray(x[0, 5]), y), (condition[:1], x, y)):
        _same_bits(where(np, *operands), by_numpy(where, np, *operands))
    assert np.array_equal(relu(np, x), by_numpy(relu, np, x), equal_nan=True)


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
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax_indices", "cummin_indices", "linear_recurrence"])
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


STEPS = {  # of tensors: the step that the native library takes, and the composition that it stands in for
    **{f"grid_sample {mode} {padding} {aligned}": (lambda x, grid, mode=mode, padding=padding, aligned=aligned: F.grid_sample(x, grid, mode, padding, aligned), ((2, 3, 5, 7), (2, 6, 9, 2)))
       for mode in ("bilinear", "nearest", "bicubic") for padding in ("zeros", "border", "reflection") for aligned in (False, True)},
    **{f"grid_sample of volumes {padding}": (lambda x, grid, padding=padding: F.grid_sample(x, grid, "bilinear", padding, False), ((2, 3, 4, 5, 7), (2, 3, 6, 9, 3)))
       for padding in ("zeros", "border", "reflection")},
    **{f"pad {mode}": (lambda x, mode=mode: F.pad(x, (2, 1, 0, 3), mode), ((2, 3, 5, 7),)) for mode in ("reflect", "replicate", "circular")},
    "pad of lines": (lambda x: F.pad(x, (2, 1), "reflect"), ((3, 5),)), "pad of volumes": (lambda x: F.pad(x, (2, 1, 1, 0, 0, 2), "replicate"), ((2, 3, 4, 5),)),
    "pad that crops": (lambda x: F.pad(x, (2, -1), "reflect"), ((3, 5),)),
    "adaptive": (lambda x: F.adaptive_avg_pool2d(x, (3, 5)), ((2, 3, 8, 7),)), "adaptive, larger": (lambda x: F.adaptive_avg_pool1d(x, 9), ((2, 3, 7),)),
    **{f"{name} {backwards}": (lambda gates, h, c, weight, bias, name=name, backwards=backwards: (
        recurrent._lstm(gates, h, c, weight, bias, backwards) if name == "LSTM" else recurrent._gru(gates[..., :15], h, weight[:15], bias[:15], backwards) + c
    ), ((7, 3, 20), (3, 5), (3, 5), (20, 5), (20,))) for name in ("LSTM", "GRU") for backwards in (False, True)},
}  # fmt: skip


@needs_library
@pytest.mark.filterwarnings("ignore:anomaly detection")
@pytest.mark.parametrize("name", STEPS)
def test_steps_are_their_compositions(name):
    function, shapes = STEPS[name]
    random = np.random.default_rng(7)
    values = [(random.random(shape) * 3 - 1.5).astype("float32") for shape in shapes]
    results = []
    for look in (contextlib.nullcontext(), segue.autograd.detect_anomaly(check_nan=False)):  # someone who looks at each step makes the composition run
        with look:
            leaves = [segue.tensor(x).requires_grad_() for x in values]
            out = function(*leaves)
            weights = segue.from_numpy(np.random.default_rng(8).normal(size=tuple(out.shape)).astype("float32"))
            results.append([out, *segue.autograd.grad(out, leaves, weights, allow_unused=True, materialize_grads=True)])
    for ours, theirs in zip(*results):
        assert ours.shape == theirs.shape and np.allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("largest", [False, True])
def test_the_first_places_are_those_of_a_stable_sort(dim, largest):
    x = segue.from_numpy(np.random.default_rng(9).integers(-2, 3, (9, 12, 7)).astype("float32"))
    x[0, 3, 0] = x[4, 0, 4] = float("nan")
    for k in (1, 2, 5):
        found = x.topk(k, dim, largest)
        assert segue.equal(found.indices, x.argsort(dim, largest, stable=True).narrow(dim, 0, k))
        _same_bits(found.values.numpy(), x.gather(dim, found.indices).numpy())


@needs_library
def test_kernels_refuse_what_does_not_fit():
    x = np.zeros((2, 3, 4), np.float32)
    run, places = NATIVE["kernel"], np.array([0, 4])
    for outputs, inputs, sizes in (
        ((x.copy(),), (x, np.array([0]), np.array([0]), places), (2, 1, 3, 4, 1, 1, 2)), ((x.T,), (x,), (1,)), ((x,) * 5, (x,), (1,)), ((x,), ("x",), (1,)), ((x,), (x,), (-1,)),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="refused"):
            run("pick", outputs, inputs, sizes)
