"""The tape and the engine: what is saved, what is summed where, views and in-place operations, hooks, errors."""

import gc
import weakref

import numpy as np
import pytest

import segue
import segue.eager.functional as F
from segue.eager.autograd.engine import backward, grad
from segue.eager.autograd.gradcheck import gradcheck, gradgradcheck
from segue.eager.autograd.mode import enable_grad, is_grad_enabled, no_grad
from segue.eager.dtypes import float64


def leaf(*shape, seed=0):
    return F.from_numpy(np.random.default_rng(seed).normal(size=shape)).requires_grad_()


def test_a_product_gives_each_factor_the_other():
    x, y = leaf(3), leaf(3, seed=1)
    (x * y).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    np.testing.assert_array_equal(y.grad.numpy(), x.detach().numpy())


def test_gradients_of_broadcast_operands_are_summed_down():
    x, y = leaf(2, 3), leaf(3, seed=1)
    (x + y * 2).sum().backward()
    assert y.grad.shape == (3,)
    np.testing.assert_array_equal(y.grad.numpy(), np.full(3, 4.0))


def test_leaves_do_not_share_the_memory_of_one_gradient():
    x, y = leaf(3), leaf(3, seed=1)
    (x + y).backward(F.ones(3, dtype=float64))
    x.grad.mul_(5)
    np.testing.assert_array_equal(y.grad.numpy(), np.ones(3))


def test_a_second_backward_adds_and_a_freed_graph_raises():
    x = leaf(3)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 4 * x.detach().numpy())
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_grad_returns_and_writes_nothing():
    x, y = leaf(3), leaf(3, seed=1)
    (gx,) = grad((x * y).sum(), x)
    np.testing.assert_array_equal(gx.numpy(), y.detach().numpy())
    assert x.grad is None and y.grad is None


def test_grad_with_respect_to_a_result_stops_there():
    x = leaf(3)
    h = x * 2
    (gh,) = grad((h * h).sum(), h)
    np.testing.assert_allclose(gh.numpy(), 4 * x.detach().numpy())


def test_unused_inputs_raise_unless_allowed():
    x, y = leaf(3), leaf(3, seed=1)
    with pytest.raises(RuntimeError, match="allow_unused"):
        grad(x.sum(), y)
    assert grad(x.sum(), y, allow_unused=True) == (None,)


def test_an_overwritten_value_is_noticed():
    x = leaf(3)
    h = x * 1
    y = h * h
    h.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_overwriting_what_no_formula_reads_is_fine():
    x = leaf(3)
    h = x + 1
    y = h + 2
    h.mul_(0)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.ones(3))


def test_an_in_place_write_to_a_view_changes_the_bases_gradient():
    x = leaf(4)
    b = x * 1
    b[1:3].mul_(10)
    b.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, 10, 10, 1])


def test_other_views_follow_an_in_place_write():
    x = leaf(4)
    b = x * 1
    other = b.view(2, 2)
    b[0] = 7.0
    other.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 1, 1, 1])


def test_a_leaf_that_needs_a_gradient_cannot_be_overwritten():
    x = leaf(4)
    before = x.detach().numpy().copy()
    for write in (lambda: x.add_(1), lambda: x[:2].add_(1), lambda: x.__setitem__(0, 1.0)):
        with pytest.raises(RuntimeError, match="leaf Variable"):
            write()
    np.testing.assert_array_equal(x.detach().numpy(), before)
    with no_grad():
        x.add_(1)
    np.testing.assert_array_equal(x.detach().numpy(), before + 1)


@pytest.mark.parametrize("write", [lambda h: h.zero_(), lambda h: h.fill_(2.0), lambda h: h.copy_(F.ones(3)), lambda h: h.uniform_(), lambda h: h.normal_()])
def test_a_result_that_is_written_over_goes_on_requiring_a_gradient(write):
    """As in PyTorch: none reaches what was there before."""
    x = leaf(3)
    h = write(x * 2)
    assert h.requires_grad and not h.is_leaf
    h.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros(3))
    with no_grad():
        unrecorded = write(x * 2)
    assert not unrecorded.requires_grad


def test_copying_a_leaf_makes_no_leaf():
    x, copy = leaf(3), F.zeros(3, dtype=float64)
    copy.copy_(x)
    assert copy.requires_grad and not copy.is_leaf
    copy.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.ones(3))


def test_t_in_place_keeps_the_history_and_the_views():
    x, weights = leaf(2, 3), F.arange(6.0, dtype=float64).reshape(3, 2)
    h = x * 2
    row = h[0]
    h.t_()
    h[0].mul_(5)
    np.testing.assert_array_equal(row.detach().numpy(), [10, 2, 2] * x[0].detach().numpy())
    row.zero_()
    (h * weights).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[0, 0, 0], [10, 6, 10]])


def test_t_in_place_of_a_leaf_needs_no_grad():
    x = leaf(2, 3)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x.t_()
    assert x.shape == (2, 3)
    with no_grad():
        x.t_()
    assert x.shape == (3, 2) and x.requires_grad and x.is_leaf


@pytest.mark.parametrize(
    "write", [lambda h, y: h.clamp_(-0.5, 0.5), lambda h, y: h.sin_(), lambda h, y: h.mul_(y), lambda h, y: h.exp_(), lambda h, y: h.div_(y)]
)
def test_an_in_place_operator_may_read_what_it_overwrites(write):
    def function(x, y):
        h = x * 1
        return write(h, y) * 2

    assert gradcheck(function, (leaf(3), leaf(3, seed=1)))


def test_hooks_see_and_replace_gradients():
    x = leaf(3)
    h = x * 2
    seen = []
    h.register_hook(lambda g: seen.append(g.numpy().copy()))
    handle = x.register_hook(lambda g: g * 10)
    h.sum().backward()
    np.testing.assert_array_equal(seen[0], np.ones(3))
    np.testing.assert_array_equal(x.grad.numpy(), np.full(3, 20.0))
    handle.remove()
    x.grad = None
    (x * 1).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.ones(3))


@pytest.mark.parametrize("order", ["first", "between", "last"])
def test_a_gradient_is_kept_as_the_hooks_of_its_tensor_leave_it(order):
    """As PyTorch's: `retain_grad` comes behind all hooks of the tensor, wherever it was called, and in front of those of the node."""

    def kept(x):
        y = x * 2
        seen = []
        y.grad_fn.register_prehook(lambda gradients: (gradients[0] + 100,))
        if order == "first":
            y.retain_grad()
        y.register_hook(lambda g: g + 1)
        if order == "between":
            y.retain_grad()
        y.register_hook(lambda g: seen.append(g.tolist()) or g * 10)
        if order == "last":
            y.retain_grad()
        (y * 3).sum().backward()
        return y.grad, x.grad, seen

    for function in (kept, segue.compile(kept)):
        grad, of_x, seen = function(segue.ones(2, requires_grad=True))
        assert (grad.tolist(), of_x.tolist(), seen) == ([40.0, 40.0], [280.0, 280.0], [[4.0, 4.0]])


def test_retain_grad_keeps_a_results_gradient():
    x = leaf(3)
    h = x * 2
    h.retain_grad()
    (h * h).sum().backward()
    np.testing.assert_allclose(h.grad.numpy(), 4 * x.detach().numpy())


def test_create_graph_gives_derivatives_of_derivatives():
    x = leaf(3)
    (g,) = grad((x**3).sum(), x, create_graph=True)
    (gg,) = grad(g.sum(), x, create_graph=True)
    (ggg,) = grad(gg.sum(), x)
    np.testing.assert_allclose(gg.detach().numpy(), 6 * x.detach().numpy())
    np.testing.assert_allclose(ggg.numpy(), np.full(3, 6.0))


def test_modes_nest_and_decorate():
    @no_grad()
    def inside():
        return is_grad_enabled()

    assert is_grad_enabled() and not inside()
    with no_grad():
        with enable_grad():
            assert is_grad_enabled()
        assert not is_grad_enabled()


def test_a_scalar_is_needed_without_a_gradient():
    x = leaf(3)
    with pytest.raises(RuntimeError, match="scalar outputs"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match="shape"):
        (x * 2).backward(F.ones(2, dtype=float64))
    with pytest.raises(RuntimeError, match="does not require grad"):
        F.ones(1).backward()


def test_the_tape_makes_no_reference_cycle():
    x = leaf(3)
    gc.disable()
    try:
        y = F.exp(x) * F.tanh(x)
        dead = weakref.ref(y)
        del y
        assert dead() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: F.softmax(x @ y, 1),
        lambda x, y: F.log_softmax(x, 0).sum(1) + y.mean(0).sum(),
        lambda x, y: F.layer_norm(x, (3,), y[0], y[1]),
        lambda x, y: F.cat([x, y.t()], 0)[1:, ::2].exp(),
        lambda x, y: x.transpose(0, 1).reshape(9) * F.where(x > 0, x, x * 0.1).view(9),
        lambda x, y: F.logsumexp(x, 1) + x.var(1) + x.amax(1),
        lambda x, y: x[[0, 2, 0], [1, 1, 2]] * y[0, 0],
    ],
)
def test_compositions_against_finite_differences(function):
    x, y = leaf(3, 3), leaf(3, 3, seed=4)
    assert gradcheck(function, (x, y))
    assert gradgradcheck(function, (x, y), atol=1e-4)


def test_backward_of_several_roots():
    x = leaf(2)
    backward([x.sum(), (x * 2).sum()])
    np.testing.assert_array_equal(x.grad.numpy(), [3, 3])


def test_a_retained_gradient_is_that_of_what_the_tensor_is_now():
    """As PyTorch's: `retain_grad` follows writes, a hook stays where it was registered."""
    w, seen = F.tensor([1.0, -2.0, 3.0], requires_grad=True), []
    y = w * 2
    y.retain_grad()
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.relu_()
    (y * F.tensor([5.0, 6.0, 7.0])).sum().backward()
    assert y.grad.tolist() == [5, 6, 7] and seen == [[5, 0, 7]] and y.retains_grad
    y = w * 2
    y.retain_grad()
    y.view(3).mul_(3)
    y.sum().backward()
    assert y.grad.tolist() == [1, 1, 1]


def test_gradients_of_parts_are_summed_in_one_array():
    def parts(x):
        first, *rest = x.split(2, 1)
        return (first * x[1, :2]).sum() + sum((part * part).sum() for part in rest) + (x[:, 3] * x[0, 1]).sum() + x.sin().sum() + x[1:, ::2].sum() + x[2, 2, 1]

    values = np.random.default_rng(0).random((3, 8, 2))
    x = segue.tensor(values, requires_grad=True)
    inner = x * 2.0
    out = parts(inner) + parts(x)
    found = segue.autograd.grad(out, [x, inner], retain_graph=True)
    expected = segue.autograd.grad(out, [x, inner], create_graph=True)  # one whole array for each part, as it is recorded
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-12)
    out.backward(retain_graph=True)
    kept = x.grad
    out.backward()
    assert x.grad is kept
    np.testing.assert_allclose(kept.numpy(), 2 * expected[0].detach().numpy(), rtol=1e-12)


def test_gradients_of_parts_do_not_write_into_what_others_hold():
    x = segue.ones(4, requires_grad=True)
    given = segue.ones(4)
    seen = []
    y = x * 1
    y.register_hook(seen.append)
    segue.autograd.backward([y, y[:2].sum()], [given, None])
    assert given.tolist() == [1, 1, 1, 1] and seen[0].tolist() == x.grad.tolist() == [2, 2, 1, 1]
    x.grad = None
    segue.autograd.backward([x[1:].sum(), x[:2].sum(), x.sum()])
    assert x.grad.tolist() == [2, 3, 2, 2]


@pytest.mark.parametrize("write", [lambda y, v: y.copy_(v), lambda y, v: y.__setitem__(..., v), lambda y, v: y.view(3).copy_(v), lambda y, v: y.zero_().add_(v)])
def test_a_copy_has_a_place_of_its_own_on_the_tape(write):
    """What comes to the copy's source by other ways is not the copy's gradient."""
    w = segue.ones(3, requires_grad=True)
    v, y = w * 2, segue.zeros(3)
    write(y, v)
    found = segue.autograd.grad((3 * y + 5 * v).sum(), [y, v, w])
    assert [g[0].item() for g in found] == [3.0, 8.0, 16.0]
