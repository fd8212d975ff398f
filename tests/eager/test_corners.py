"""Corners of operators: operands of mixed dtypes and ranks, nothing at all, and numbers beyond a dtype, each eagerly and captured.

Each row is what PyTorch 2.13 answers: values and dtype, or the type of the error.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import segue
from segue import tensor as T  # noqa: N812  (a table reads better with short names)
from segue.nn import functional

B, U, I, F, D = segue.bool, segue.uint8, segue.int32, segue.float32, segue.float64  # noqa: E741
NONE = segue.zeros(0, dtype=segue.int64)

VALUES = {
    "scatter multiply": (lambda: segue.full((3,), 2.0).scatter(0, T([0, 0]), T([2.0, 3.0]), reduce="multiply"), [12.0, 2.0, 2.0], F),
    "scatter multiply a number": (lambda: T([3, 3]).scatter(0, T([0, 0]), 2.5, reduce="multiply"), [12, 3], segue.int64),
    "scatter multiply 0-d": (lambda: T(2.0).scatter(0, T([0, 0]), T([3.0, 4.0]), reduce="multiply"), 24.0, F),
    "scatter multiply a part": (lambda: segue.ones(2, 2).scatter(0, T([[0, 0]]), T([[2.0, 3, 4], [2, 2, 2]]), reduce="multiply"), [[2.0, 3.0], [1.0, 1.0]], F),
    "block_diag 0-d": (lambda: segue.block_diag(T([[1.0]]), T(2.0, dtype=D)), [[1.0, 0.0], [0.0, 2.0]], F),
    "addr": (lambda: segue.addr(segue.ones(1, 2, dtype=B), segue.ones(1, dtype=U), segue.ones(2, dtype=B), beta=3, alpha=2), [[5, 5]], U),
    "select_scatter": (lambda: T([[1, 2]]).select_scatter(T([2.5, 1]), 0, 0), [[2, 1]], segue.int64),
    "slice_scatter": (lambda: segue.zeros(3, dtype=I).slice_scatter(T([2.5, 1]), 0, 0, 2), [2, 1, 0], I),
    "diagonal_scatter": (lambda: segue.zeros(2, 2, dtype=I).diagonal_scatter(T([2.5, 1])), [[2, 0], [0, 1]], I),
    "as_strided_scatter": (lambda: segue.zeros(3, dtype=I).as_strided_scatter(T([2.5, 1]), (2,), (1,)), [2, 1, 0], I),
    "nonzero 0-d": (lambda: segue.nonzero(T(3.0), as_tuple=True)[0], [0], segue.int64),
    "masked.logaddexp": (lambda: segue.masked.logaddexp(T([0.0]), T([0.0], dtype=D)).exp(), [2.0], F),
    "index_copy 0-d index": (lambda: segue.index_copy(T([1.0]), 0, T(0), T([5.0])), [5.0], F),
    "index_add 0-d index": (lambda: segue.index_add(T([1.0]), 0, T(0), T([5.0])), [6.0], F),
    "index_add alpha": (lambda: segue.index_add(T([1, 2]), 0, T([1]), T([5]), alpha=-1.5), [1, -3], segue.int64),
    "searchsorted number": (lambda: segue.searchsorted(T([1, 2]), 1.5), 1, segue.int64),
    "searchsorted half": (lambda: segue.searchsorted(T([1.0, 2.0], dtype=segue.float16), T([1.0001], dtype=D)), [1], segue.int64),
    "bucketize number": (lambda: segue.bucketize(1.5, T([1, 2])), 1, segue.int64),
    "segment_reduce axis": (lambda: segue._segment_reduce(segue.arange(5.0), "max", lengths=T([2, 3]), axis=-1), [1.0, 4.0], F),
    "logit beyond the half": (lambda: T([0.3, 0.9]).logit(np.float32(0.75)), T([3.0, 3.0]).log().mul(T([1, -1])).tolist(), F),
    "diff of none": (lambda: segue.diff(T([1.0]), 0, 2), [1.0], F),
    "masked_fill complex": (lambda: T([1.0, 0.0]).masked_fill(T([True, False]), 2 + 0j), [2.0, 0.0], F),
    "normal dtype": (lambda: segue.normal(T([1.0]), T([0.0], dtype=D)), [1.0], F),
    "div trunc of bools": (lambda: segue.div(T([True]), T([3], dtype=I), rounding_mode="trunc"), [0], I),
    "mse_loss of bools": (lambda: segue.nn.functional.mse_loss(T([3.0]), T([True])), 4.0, F),
    "soft_margin_loss of bools": (lambda: segue.nn.functional.soft_margin_loss(T([0.0]), T([False])).exp(), 2.0, F),
    "linspace from True": (lambda: segue.linspace(True, 3, 3), [1.0, 2.0, 3.0], F),
    "all into bool": (lambda: segue.all(T([5], dtype=U), out=segue.zeros((), dtype=B)), True, B),
    "norm of order True": (lambda: segue.norm(T([3.0, 4.0]), True), 7.0, F),
    "unique no slices": (lambda: segue.unique(segue.zeros(0, 2), dim=0), [], F),
}  # fmt: skip

ERRORS = {
    "float - bool": (lambda: T([1.0]) - T([True]), RuntimeError),
    "1 - bool": (lambda: 1 - T([True]), RuntimeError),
    "float - True": (lambda: T([1.0]) - True, RuntimeError),
    "sub alpha bool": (lambda: segue.sub(T([1.0]), T([True]), alpha=2), RuntimeError),
    "scatter reduce": (lambda: segue.ones(3).scatter(0, T([0]), T([2.0]), reduce="prod"), RuntimeError),
    "addr alpha": (lambda: segue.addr(segue.ones(1, 1), segue.ones(1), segue.ones(1), alpha=True), RuntimeError),
    "addr beta": (lambda: segue.addr(segue.ones(1, 1, dtype=I), segue.ones(1, dtype=I), segue.ones(1, dtype=I), beta=0.5), RuntimeError),
    "addr rank": (lambda: segue.addr(segue.ones(2, 2), T(1.0), segue.ones(2)), RuntimeError),
    "addmm complex beta": (lambda: segue.addmm(segue.ones(1, 1), segue.ones(1, 1), segue.ones(1, 1), beta=1j), RuntimeError),
    "meshgrid rank": (lambda: segue.meshgrid(segue.ones(2, 2), segue.ones(2)), RuntimeError),
    "polar of ints": (lambda: segue.polar(T([1]), T([1.0])), RuntimeError),
    "randperm below 0": (lambda: segue.randperm(-1), RuntimeError),
    "float of two": (lambda: float(segue.ones(2)), ValueError),
    "index_copy count": (lambda: segue.index_copy(segue.ones(2, 2), 0, T([0, 1]), segue.ones(1, 2)), IndexError),
    "index_copy rank": (lambda: segue.index_copy(segue.ones(2, 2), 0, T(1), segue.zeros(2)), IndexError),
    "index_copy matrix": (lambda: segue.index_copy(segue.ones(2, 2), 0, T([[0, 1]]), segue.ones(1, 2)), IndexError),
    "index_copy slices": (lambda: segue.index_copy(segue.ones(2, 2), 0, T([0]), segue.ones(1, 1)), RuntimeError),
    "index_copy nothing": (lambda: segue.index_copy(T(1.0), 0, NONE, T(2.0)), IndexError),
    "index_add 0-d": (lambda: segue.index_add(T(1.0), 0, T([0, 0]), T([1.0, 2.0])), RuntimeError),
    "pow": (lambda: T([2], dtype=I) ** 2**40, RuntimeError),
    "where": (lambda: segue.where(T([True]), T([1], dtype=U), 300), RuntimeError),
    "masked_fill": (lambda: T([1], dtype=U).masked_fill(T([True]), 300), RuntimeError),
    "amax": (lambda: segue.amax(segue.ones(0, 0), 1), IndexError),
    "argmax of nothing": (lambda: segue.argmax(segue.ones(0, 0)), IndexError),
    "argmin": (lambda: segue.argmin(segue.ones(0, 0), 1), IndexError),
    "unique": (lambda: segue.unique(segue.ones(5, 0), dim=0), RuntimeError),
    "native_batch_norm": (lambda: segue.native_batch_norm(segue.ones(0, 2), None, None, None, None, True, 0.1, 1e-5), RuntimeError),
    "index_fill": (lambda: segue.zeros(2).index_fill(0, T([0]), T([5.0])), RuntimeError),
    "clamp": (lambda: T([1.0]).clamp(), RuntimeError),
    "all": (lambda: segue.all(T([1.0]), out=segue.zeros(())), RuntimeError),
    "histc": (lambda: segue.histc(T([True])), NotImplementedError),
    "bool // bool": (lambda: T([True]) // T([True]), NotImplementedError),
    "~ float": (lambda: ~T([1.0]), RuntimeError),
    "atan2": (lambda: segue.atan2(T([1j]), T([1.0])), NotImplementedError),
    "normal of integers": (lambda: segue.normal(T([1]), T([1.0])), NotImplementedError),
    "abs_": (lambda: T([1j]).abs_(), RuntimeError),
    "float_power_": (lambda: T([1.0]).float_power_(2), RuntimeError),
}  # fmt: skip


MIXED = {  # the dtype of the result for a first operand of bfloat16 and a second of float32, and the other way round
    "cosine_similarity": (F, F), "pairwise_distance": (F, F), "cross_entropy": (F, F), "multilabel_soft_margin_loss": (F, F), "triplet_margin_loss": (F, F),
    "mse_loss": (F, F), "huber_loss": (segue.bfloat16, F), "soft_margin_loss": (segue.bfloat16, F), "rms_norm": (segue.bfloat16, F),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
def test_two_precisions(name):
    half, single = segue.ones(2, 3, dtype=segue.bfloat16), segue.ones(2, 3)
    function = getattr(segue.nn.functional, name)
    rest = {"triplet_margin_loss": lambda x, y: (y, x), "rms_norm": lambda x, y: ((3,), y[0])}.get(name, lambda x, y: (y,))
    assert (function(half, *rest(half, single)).dtype, function(single, *rest(single, half)).dtype) == MIXED[name]


@pytest.mark.parametrize("way", [lambda f: f, lambda f: segue.compile(f, backend="eager")], ids=["eager", "captured"])
def test_values(way):
    for name, (call, expected, of) in VALUES.items():
        found = way(call)()
        assert (found.tolist(), found.dtype) == (expected, of), name


@pytest.mark.parametrize("way", [lambda f: f, lambda f: segue.compile(f, backend="eager")], ids=["eager", "captured"])
def test_errors(way):
    for name, (call, kind) in ERRORS.items():
        with pytest.raises(kind):
            way(call)()
            pytest.fail(f"{name} does not raise")


def test_statistics_of_nothing_stay():
    mean, variance = segue.ones(2), segue.full((2,), 3.0)
    segue.nn.functional.instance_norm(segue.ones(3, 2, 0), mean, variance)
    segue.nn.functional.batch_norm(segue.ones(0, 2), mean, variance, training=True)
    assert (mean.tolist(), variance.tolist()) == ([1.0, 1.0], [3.0, 3.0])


def test_scatter_multiply_has_a_derivative():
    x, source = T([2.0, 5.0], requires_grad=True), T([3.0, 4.0], requires_grad=True)
    x.scatter(0, T([0, 0]), source, reduce="multiply").sum().backward()
    assert (x.grad.tolist(), source.grad.tolist()) == ([12.0, 1.0], [8.0, 6.0])
    assert isinstance(segue.broadcast_shapes((2, 1), (3,)), segue.Size)


def test_powers_with_complex_exponents_have_derivatives():
    x, y = T([1 + 2j, 0j], requires_grad=True), T([2 + 1j, 1 + 0j], requires_grad=True)
    (x**y).real.sum().backward()
    assert segue.allclose(y.grad, T([((1 + 2j) ** (2 + 1j) * segue.log(T(1 + 2j))).conj(), 0j]))
    assert segue.autograd.gradcheck(lambda e: (2j**e).real, T([1 + 1j], dtype=segue.complex128, requires_grad=True))


@pytest.mark.parametrize("dtype", [segue.float32, segue.float64])
def test_where_chooses_bits(dtype):
    random = np.random.default_rng(0)
    x, y = (segue.tensor(random.standard_normal((3, 2000)), dtype=dtype) for _ in "xy")
    x[0, :4] = segue.tensor([float("nan"), -0.0, float("inf"), 5e-46])
    condition = segue.tensor(random.random((3, 2000)) > 0.5)
    condition[0, :4] = True
    for a, b in ((x, y), (x, -0.0), (float("inf"), y), (x.T.contiguous().T, y), (x, 1)):
        arrays = [v.numpy() if isinstance(v, segue.Tensor) else v for v in (a, b)]
        found, expected = segue.where(condition, a, b).numpy(), np.where(condition.numpy(), *arrays)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize(("call", "said"), [
    (lambda: functional.embedding(T([7]), segue.ones(5, 2)), r"embedding\(\): index 7"), (lambda: functional.embedding_bag(T([[1, 9]]), segue.ones(4, 2)), r"embedding_bag\(\): index 9"),
    (lambda: functional.cross_entropy(segue.ones(3, 5), T([1, 2, 7])), r"Target 7 is out of bounds"), (lambda: functional.nll_loss(segue.ones(3, 5), T([1, -2, 0])), r"Target -2 is out of bounds"),
])  # fmt: skip
def test_a_place_outside_is_named_by_what_was_called(call, said):
    with pytest.raises(IndexError, match=said):
        call()


def test_reductions_over_nothing_and_by_name():
    x = segue.arange(6.0).reshape(2, 3)
    assert x.all(()).shape == x.any(dim=[]).shape == (2, 3) and x.sum(()).shape == ()
    assert segue.logsumexp(segue.zeros(0, 3), 0).tolist() == [-math.inf] * 3
    assert x.max(dim=segue.tensor(1)).values.tolist() == [2, 5] and segue.max(x, other=x + 1).equal(x + 1)
    assert x.long().median(1).indices.is_contiguous() and x.norm(segue.tensor(1.0)) == 15


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin", "argmax", "argmin"])
def test_complex_numbers_have_no_extreme(name):
    for dim in ((), (0,)):
        with pytest.raises(RuntimeError, match="complex"):
            getattr(segue.ones(2, dtype=segue.complex64), name)(*dim)


@pytest.mark.parametrize("call, kind", [
    (lambda x: x.roll("a"), TypeError), (lambda x: x.roll(None), TypeError), (lambda x: x.flip(), TypeError), (lambda x: segue.tensor(3).var(), RuntimeError),
    (lambda x: x.repeat(), TypeError), (lambda x: segue.promote_types(1, 2), TypeError), (lambda x: x.__delitem__(0), TypeError),
    (lambda x: x.new_full((2,)), TypeError), (lambda x: segue.tensor(1.0).expand(-1), RuntimeError), (lambda x: x.type("torch.Foo"), ValueError),
    (lambda x: x[[0], [0, 1], [0, 1, 2]], IndexError), (lambda x: x["a"], TypeError), (lambda x: segue.zeros(0)[0.5:], TypeError),
])  # fmt: skip
def test_arguments_that_are_none(call, kind):
    with pytest.raises(kind):
        call(segue.zeros(2, 3, 4))


def test_what_to_takes_by_place():
    x = segue.ones(2)
    assert x.to(segue.float32, False, True) is not x and x.to(segue.float32, False) is x and x.to(1.5).dtype is segue.float64
    assert segue.equal(segue.arange(6.0).reshape(2, 3).topk(2).indices.view(-1), segue.tensor([2, 1, 2, 1]))
    assert (segue.tensor([True]) ** 2.0).dtype is segue.float32 and segue.tensor(1.0).movedim(0, 0).shape == ()


@pytest.mark.parametrize("call, kind", [
    (lambda x: x.to(object()), TypeError), (lambda x: x.fill_(segue.ones(3)), RuntimeError), (lambda x: x.fill_(None), TypeError),
    (lambda x: x.outer(x), RuntimeError), (lambda x: x.mv(x.t()), RuntimeError), (lambda x: x.long().exponential_(), NotImplementedError),
])  # fmt: skip
def test_arguments_that_are_taken_for_none_other(call, kind):
    with pytest.raises(kind):
        call(segue.zeros(2, 3))


def test_to_takes_a_device_by_place_and_a_dtype_by_name():
    x = segue.ones(2)
    for moved in (x.to("cpu", dtype=segue.float64), x.to(x.device, segue.float64), x.to(device="cpu", dtype=segue.float64), x.to(None, dtype=segue.float64)):
        assert moved.dtype is segue.float64
    assert x.to("cpu", dtype=segue.float32) is x
    for wrong in (lambda: x.to(segue.float64, device="cpu"), lambda: x.to("cpu", device="cpu"), lambda: x.to(x, dtype=segue.float64), lambda: x.to("cpu", "cpu")):
        with pytest.raises(TypeError):
            wrong()
