"""Composed operators beside NumPy: joins and splits, scans, searches, order statistics, histograms.

The one idea: what NumPy has under the same name is the reference; derivatives are checked by finite differences where a formula is ours.
"""

import numpy as np
import pytest

import segue
from segue.eager.ops import OPS

X = np.random.default_rng(1).standard_normal((4, 5))
NUMPY = {
    "hstack": (lambda x: segue.hstack((x, x)), lambda a: np.hstack((a, a))), "vstack": (lambda x: segue.vstack((x, x)), lambda a: np.vstack((a, a))),
    "dstack": (lambda x: segue.dstack((x, x)), lambda a: np.dstack((a, a))), "rot90": (segue.rot90, np.rot90),
    "rot90_thrice": (lambda x: segue.rot90(x, 3), lambda a: np.rot90(a, 3)), "fliplr": (segue.fliplr, np.fliplr), "flipud": (segue.flipud, np.flipud),
    "kron": (lambda x: segue.kron(x, x[:2]), lambda a: np.kron(a, a[:2])), "trace": (segue.trace, np.trace),
    "cumprod": (lambda x: x.cumprod(1), lambda a: a.cumprod(1)), "diff": (lambda x: segue.diff(x, 2), lambda a: np.diff(a, 2)),
    "logcumsumexp": (lambda x: segue.logcumsumexp(x, 1), lambda a: np.log(np.exp(a).cumsum(1))),
    "cummax": (lambda x: segue.cummax(x, 0)[0], lambda a: np.maximum.accumulate(a, 0)),
    "trapezoid": (segue.trapezoid, lambda a: np.trapezoid(a) if hasattr(np, "trapezoid") else np.trapz(a)), "msort": (segue.msort, lambda a: np.sort(a, 0)),
    "quantile": (lambda x: segue.quantile(x, 0.3, 1), lambda a: np.quantile(a, 0.3, 1)), "cov": (segue.cov, np.cov), "corrcoef": (segue.corrcoef, np.corrcoef),
    "nansum": (segue.nansum, np.nansum), "diagflat": (segue.diagflat, np.diagflat),
    "gradient": (lambda x: segue.gradient(x, dim=1)[0], lambda a: np.gradient(a, axis=1)),
    "gradient_uneven": (lambda x: segue.gradient(x, dim=1, spacing=(segue.tensor([0.0, 1, 3, 4, 7]),), edge_order=2)[0],
                        lambda a: np.gradient(a, [0.0, 1, 3, 4, 7], axis=1, edge_order=2)),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMPY)
def test_values_are_numpys_and_derivatives_differences(name):
    ours, theirs = NUMPY[name]
    assert np.allclose(ours(segue.from_numpy(X)).numpy(), theirs(X), 1e-6, 1e-7)
    assert segue.autograd.gradcheck(ours, (segue.from_numpy(X.copy()).requires_grad_(),))


@pytest.mark.parametrize("zeros", [[], [1], [0, 3]])
def test_running_products_with_zeros(zeros):
    x = X.copy()
    x[1, zeros] = 0
    leaf = segue.from_numpy(x).requires_grad_()
    assert segue.autograd.gradcheck(lambda x: x.cumprod(1), (leaf,)) and segue.autograd.gradgradcheck(lambda x: x.cumprod(1), (leaf,))


def test_linear_recurrence_is_its_definition():
    factor, x = X, X[::-1].copy()
    expected = x.copy()
    for i in range(1, 5):
        expected[:, i] += factor[:, i] * expected[:, i - 1]
    found = OPS["linear_recurrence"](segue.from_numpy(factor), segue.from_numpy(x), 1)
    assert np.allclose(found.numpy(), expected)


def test_row_order_sorts_by_columns():
    rows = np.array([[1, 2], [0, 3], [1, 1], [0, 3]])
    assert OPS["row_order"](segue.from_numpy(rows)).tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize("dim", [None, 0, 1])
def test_unique(dim):
    a = np.array([[3, 1, 3], [1, 1, 1], [3, 1, 3]])
    values, inverse, counts = segue.unique(segue.from_numpy(a), return_inverse=True, return_counts=True, dim=dim)
    expected = np.unique(a, return_inverse=True, return_counts=True, axis=dim)
    assert values.tolist() == expected[0].tolist() and counts.tolist() == expected[2].tolist()
    assert np.array_equal(inverse.numpy().ravel(), expected[1].ravel())


def test_unique_consecutive():
    values, inverse, counts = segue.unique_consecutive(segue.tensor([1, 1, 2, 2, 2, 1]), return_inverse=True, return_counts=True)
    assert (values.tolist(), inverse.tolist(), counts.tolist()) == ([1, 2, 1], [0, 0, 1, 1, 1, 2], [2, 3, 1])
    assert segue.unique_consecutive(segue.tensor([], dtype=segue.int64)).tolist() == []


def test_searches():
    edges, values = np.array([1.0, 2.0, 2.0, 5.0]), np.array([[0.0, 2.0], [3.0, 9.0]])
    for side in ("left", "right"):
        assert segue.searchsorted(segue.from_numpy(edges), segue.from_numpy(values), side=side).tolist() == np.searchsorted(edges, values, side).tolist()
    assert segue.isin(segue.tensor([1, 2, 3]), segue.tensor([3, 1])).tolist() == [True, False, True]
    assert segue.searchsorted(segue.tensor([1, 2]), 1.5).item() == segue.searchsorted(segue.tensor([1, 2]), segue.tensor(1.5)).item() == 1  # in the common dtype
    with pytest.raises(RuntimeError, match="dtype"):
        segue.searchsorted(segue.tensor([1.0, 2.0]), 1, sorter=segue.tensor([0.0, 1.0]))


def test_order_statistics_with_nan():
    x = segue.tensor([[3.0, float("nan"), 1.0, 2.0], [4.0, 1.0, 3.0, 2.0]])
    assert np.isnan(segue.median(x, 1).values[0].item()) and segue.median(x, 1).values[1].item() == 2
    assert segue.nanmedian(x, 1).values.tolist() == [2, 2] and segue.kthvalue(x, 2, 1).values.tolist() == [2, 2]
    assert segue.mode(segue.tensor([5, 1, 5, 1, 2])).values.item() == 1
    assert segue.nanquantile(x, 0.5, 1).tolist() == [2, 2.5]


def test_counts():
    x = segue.tensor([1, 3, 3])
    assert segue.bincount(x).tolist() == [0, 1, 0, 2] and segue.bincount(x, minlength=6).tolist() == [0, 1, 0, 2, 0, 0]
    hist, edges = segue.histogram(segue.from_numpy(X), 4)
    expected = np.histogram(X, 4)
    assert hist.tolist() == expected[0].tolist() and np.allclose(edges.numpy(), expected[1])
    with pytest.raises(RuntimeError, match="non-negative"):
        segue.bincount(segue.tensor([-1]))


def test_as_strided_shares_memory_and_stays_inside():
    x = segue.arange(6).float()
    windows = x.as_strided((4, 3), (1, 1))
    windows[0, 0] = 9
    assert x[0].item() == 9 and x[2:].storage_offset() == 2
    assert x[2:].as_strided((2,), (2,)).tolist() == [2, 4]
    with pytest.raises(RuntimeError, match="memory"):
        x.as_strided((4, 3), (2, 1))
    assert segue.autograd.gradcheck(lambda x: x.as_strided((4, 3), (1, 1)), (x.double().requires_grad_(),))


def test_take_put_and_masks():
    x = segue.arange(6).reshape(2, 3)
    assert x.take(segue.tensor([[0, -1]])).tolist() == [[0, 5]]
    assert x.put(segue.tensor([1, -1]), segue.tensor([9, 8])).tolist() == [[0, 9, 2], [3, 4, 8]]
    assert x.masked_scatter(x > 3, segue.tensor([7, 6])).tolist() == [[0, 1, 2], [3, 7, 6]]
    assert segue.nonzero_static(x > 3, size=3).tolist() == [[1, 1], [1, 2], [-1, -1]]
    with pytest.raises(IndexError):
        x.take(segue.tensor([6]))


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_reductions_at_places(reduce, include_self):
    x, index, source = X[0], np.array([3, 0, 3, 3, 1]), X[1]
    fold = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[reduce]
    groups = [[v for v, i in zip(source, index) if i == place] for place in range(5)]
    expected = [fold([x[i], *group] if include_self or not group else group) for i, group in enumerate(groups)]
    call = lambda x, source: segue.scatter_reduce(x, 0, segue.from_numpy(index), source, reduce, include_self=include_self)
    assert np.allclose(call(segue.from_numpy(x), segue.from_numpy(source)).numpy(), expected)
    assert segue.autograd.gradcheck(call, (segue.from_numpy(x.copy()).requires_grad_(), segue.from_numpy(source.copy()).requires_grad_()))


def test_windows():
    from_scipy = pytest.importorskip("scipy.signal.windows")
    for name in ("bartlett", "blackman", "cosine", "hamming", "hann", "nuttall"):
        for sym in (True, False):
            found = getattr(segue.signal.windows, name)(8, sym=sym, dtype=segue.float64).numpy()
            assert np.allclose(found, getattr(from_scipy, name)(8, sym=sym), 1e-12, 1e-12), name
    assert np.allclose(segue.signal.windows.kaiser(7, beta=3.0, dtype=segue.float64).numpy(), from_scipy.kaiser(7, 3.0))
    assert np.allclose(segue.signal.windows.gaussian(7, std=2.0, dtype=segue.float64).numpy(), from_scipy.gaussian(7, 2.0))
    assert np.allclose(segue.signal.windows.exponential(7, tau=2.0, dtype=segue.float64).numpy(), from_scipy.exponential(7, tau=2.0))


def test_draws_in_place():
    segue.manual_seed(0)
    x = segue.empty(20000, dtype=segue.float64)
    assert abs(x.exponential_(2.0).mean().item() - 0.5) < 0.02 and x.min().item() > -1e-12
    assert abs(x.geometric_(0.25).mean().item() - 4) < 0.1 and x.min().item() == 1
    assert abs(x.cauchy_(1.0, 2.0).median().item() - 1) < 0.1
    assert abs(x.log_normal_(0.5, 0.3).log().mean().item() - 0.5) < 0.02


def test_masked_folds_are_those_of_what_is_kept():
    keep = np.random.default_rng(2).random(X.shape) < 0.6
    keep[:, 0] = True
    x, mask = segue.from_numpy(X), segue.from_numpy(keep)
    rows = [row[kept] for row, kept in zip(X, keep)]
    for name, fold in {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min, "norm": np.linalg.norm}.items():
        found = getattr(segue.masked, name)(x, dim=1, mask=mask).numpy()
        assert np.allclose(found, [fold(row) for row in rows]), name
    assert np.allclose(segue.masked.var(x, 1, False, mask=mask).numpy(), [row.var() for row in rows])
    weights = segue.masked.softmax(x, 1, mask=mask).numpy()
    assert np.allclose(weights.sum(1), 1) and not weights[~keep].any()
    assert segue.autograd.gradcheck(lambda x: segue.masked.mean(x, 1, mask=mask), (segue.from_numpy(X.copy()).requires_grad_(),))


def test_what_was_wrong_once():
    grids = segue.meshgrid(segue.arange(2), segue.arange(3), indexing="xy")
    assert [g.tolist() for g in grids] == [g.tolist() for g in np.meshgrid(range(2), range(3))]
    x = segue.arange(6).reshape(2, 3)
    assert x.masked_select(segue.tensor([True, False, True])).tolist() == [0, 2, 3, 5]
    assert x.diff(0, append=x).tolist() == x.tolist()
    z = segue.tensor([1 + 2j, 3 - 1j], dtype=segue.complex128)
    assert z.var().dtype is segue.float64 and np.isclose(z.var().item(), np.var(z.numpy(), ddof=1))
    lone = segue.tensor(2.0)
    assert lone.index_select(0, segue.tensor([0])).shape == () and lone.index_fill(0, segue.tensor([0]), 5.0).item() == 5
    assert lone.index_copy(0, segue.tensor([0]), segue.tensor([7.0])).item() == 7
    rows = segue.tensor([[3.0, 4.0], [0.3, 0.4]]).renorm(2, 0, 1.0)
    assert np.allclose(rows.numpy(), [[0.6, 0.8], [0.3, 0.4]], 1e-5)
