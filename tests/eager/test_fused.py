"""Compositions that own an eager kernel: it gives the composition's values to the last bit, and its derivatives of every order."""

import contextlib

import numpy as np
import pytest

import segue
import segue.nn.functional as F
from segue.eager import pieces
from segue.eager.functional import (
    activation,
    attending,
    attention,
    classification,
    dropouts,
    kernels,
    losses,
    normalization,
    pooling,
    recurrent,
    reduction,
)
from segue.eager.functional.fused import FusedNode
from segue.eager.ops.definition import OPS

RNG = np.random.default_rng(0)
TARGET = segue.tensor([[0, 3, -100], [1, 4, 2]])
MASK = segue.tensor(RNG.random((4, 5)) > 0.4)
MASK[1] = False  # looks nowhere
KEPT = segue.tensor(RNG.random((4, 5)) > 0.2)


def _of(*shapes):
    return [segue.tensor(RNG.standard_normal(shape)) for shape in shapes]


HEADS = ((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 2))
CASES = {
    "softmax": (reduction._softmax, _of((3, 4, 5)), ((1,),)),
    "softmax over two": (reduction._softmax, _of((3, 4, 5)), ((0, 2),)),
    "log_softmax": (reduction._log_softmax, _of((3, 7)), ((1,),)),
    "gelu": (activation._gelu, _of((4, 9)), ("none",)),
    "gelu by tanh": (activation._gelu, _of((4, 9)), ("tanh",)),
    "layer norm": (lambda x, w, b: normalization._normalised(x, (1, 2), 1e-5, w, b, (4, 5)), _of((3, 4, 5), (4, 5), (4, 5)), ()),
    "batch norm": (lambda x, w, b: normalization._normalised(x, (0, 2), 1e-5, w, b, (1, 4, 1)), _of((3, 4, 5), (4,), (4,)), ()),
    "bias alone": (lambda x, b: normalization._normalised(x, (1,), 1e-5, None, b, (4,)), _of((3, 4), (4,)), ()),
    "nothing more": (lambda x: normalization._normalised(x, (2,), 1e-5, None, None, ()), _of((3, 4, 5)), ()),
    "rms norm": (lambda x, w: normalization._scaled(x, (1, 2), 1e-5, w, (4, 5)), _of((3, 4, 5), (4, 5)), ()),
    "rms norm alone": (lambda x: normalization._scaled(x, (1,), 1e-5, None, (5,)), _of((3, 5)), ()),
    "dropout": (lambda x: dropouts._scaled_where(x, KEPT, 1.25), _of((4, 5)), ()),
    "largest of windows": (lambda x: F.max_pool2d(x, 2), _of((2, 3, 6, 7)), ()),
    "largest of windows that overlap": (lambda x: F.max_pool2d(x, 3, 2, 1), _of((2, 3, 6, 7)), ()),
    "bilinear": (lambda x: F.interpolate(x, (9, 4), mode="bilinear"), _of((2, 3, 5, 7)), ()),
    "bicubic": (lambda x: F.interpolate(x, (9, 4), mode="bicubic", align_corners=True), _of((2, 3, 5, 7)), ()),
    "nearest": (lambda x: F.interpolate(x, scale_factor=1.7), _of((2, 3, 5)), ()),
    "nll": (classification._nll_loss, _of((2, 5, 3)), (TARGET, None, -100, "mean")),
    "nll, none": (classification._nll_loss, _of((2, 5, 3)), (TARGET, None, -100, "none")),
    "attention": (attention._attention, _of(*HEADS), (None, False, 0.3, 0.0)),
    "causal": (attention._attention, _of(*HEADS), (None, True, 0.3, 0.0)),
    "masked": (attention._attention, _of(*HEADS), (MASK, False, 0.3, 0.0)),
    "added mask": (lambda q, k, v, m: attention._attention(q, k, v, m, False, 0.3, 0.0), _of(*HEADS, (3, 1, 5)), ()),
    "leaky": (activation._leaky, _of((4, 9)), (0.1,)),
    "leaky, steep": (activation._leaky, _of((4, 9)), (-1.5,)),
    "elu": (activation._elu, _of((4, 9)), (1.3, 1.0)),
    "celu": (activation._elu, _of((4, 9)), (0.7, 0.7)),
    "softplus": (activation._softplus, _of((4, 9)), (1.5, 1.0)),
    "log_sigmoid": (activation._log_sigmoid, _of((4, 9)), ()),
    "bounded": (activation._bounded, _of((4, 9)), (0.0, 0.7)),
    "hard_swish": (lambda x: activation._hard_swish(x * 4), _of((4, 9)), ()),
    "smooth": (losses._smooth, _of((4, 9), (4, 9)), (0.5, 1.0, 1.0)),
    "smooth, as Huber": (losses._smooth, _of((4, 9), (4, 9)), (0.7, 0.5, 0.7)),
    "of logits": (losses._of_logits, _of((4, 9), (4, 9)), ()),
    "LSTM": (recurrent._lstm, _of((3, 2, 16), (2, 4), (2, 4), (16, 4), (16,)), (False,)),
    "LSTM backwards": (lambda *x: recurrent._lstm(*x, None, True), _of((3, 2, 16), (2, 4), (2, 4), (16, 4)), ()),
    "GRU": (recurrent._gru, _of((3, 2, 12), (2, 4), (12, 4), (12,)), (False,)),
    "GRU backwards": (lambda *x: recurrent._gru(*x, None, True), _of((3, 2, 12), (2, 4), (12, 4)), ()),
    "windows": (pooling._sums, _of((2, 3, 6, 7)), ((3, 2), (2, 1), (1, 0), (3, 6), False)),
}  # fmt: skip


def _first(out):
    return out[0] if type(out) is tuple else out


def _run(function, tensors, rest):
    """Result, gradients, and gradients of a function of the gradients."""
    leaves = [x.clone().requires_grad_() for x in tensors]
    out = _first(function(*leaves, *rest))
    weight = segue.from_numpy(np.random.default_rng(1).standard_normal(tuple(out.shape)))
    once = segue.autograd.grad((out * weight).sum(), leaves, retain_graph=True)
    again = segue.autograd.grad((out * out * weight).sum(), leaves, create_graph=True)
    twice = segue.autograd.grad(sum((g * g).sum() for g in again), leaves, allow_unused=True, materialize_grads=True)
    return out, once, twice


@pytest.mark.filterwarnings("ignore:anomaly detection")
@pytest.mark.parametrize("name", CASES)
def test_kernel_and_composition_agree(name):
    function, tensors, rest = CASES[name]
    found = _run(function, tensors, rest)
    assert isinstance(found[0].grad_fn, FusedNode)
    with segue.autograd.detect_anomaly(check_nan=False):  # someone looks at each step: the composition runs
        expected = _run(function, tensors, rest)
    assert not isinstance(expected[0].grad_fn, FusedNode)
    np.testing.assert_array_equal(found[0].detach().numpy(), expected[0].detach().numpy())
    for ours, theirs in zip((*found[1], *found[2]), (*expected[1], *expected[2])):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.filterwarnings("ignore:anomaly detection")
def test_the_kernel_is_left_out_where_operators_are_watched():
    x = segue.ones(2, 3, requires_grad=True)
    assert repr(F.softmax(x, -1).grad_fn) == "<SoftmaxBackward0>"
    seen = segue.func.vmap(lambda row: F.softmax(row, -1))(x)
    np.testing.assert_allclose(seen.detach().numpy(), np.full((2, 3), 1 / 3, "f"), rtol=1e-6)
    with segue.autograd.detect_anomaly(check_nan=False):
        assert not isinstance(F.softmax(x, -1).grad_fn, FusedNode)
    _, tangent = segue.func.jvp(lambda y: F.gelu(y), (x.detach(),), (segue.ones(2, 3),))
    np.testing.assert_allclose(tangent.numpy(), np.full((2, 3), 1.0833155, "f"), rtol=1e-6)


def test_hooks_for_saved_tensors_see_the_operands():
    seen = []
    function, tensors, rest = CASES["attention"]
    expected = _run(function, tensors, rest)
    with segue.autograd.graph.saved_tensors_hooks(lambda x: seen.append(x.shape) or x.numpy().copy(), segue.from_numpy):
        found = _run(function, tensors, rest)
    assert set(HEADS) <= set(seen)
    for ours, theirs in zip((*found[1], *found[2]), (*expected[1], *expected[2])):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_what_was_saved_is_watched():
    x = segue.randn(3, 4, requires_grad=True)
    out = F.softmax(x, -1)
    loss = (out * out).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        out.sum().backward()
    out = F.softmax(x * 1, -1)
    out.mul_(2)
    with pytest.raises(RuntimeError, match="softmax.* modified|modified by an inplace operation"):
        out.sum().backward()
    y = x * 1
    out = F.softmax(y, -1)
    y.add_(1)  # not what the derivative reads
    (out * out).sum().backward()
    normal = F.instance_norm(segue.randn(2, 3, 4, requires_grad=True) * 1)
    F.relu(normal, inplace=True).sum().backward()


def test_a_derivative_with_derivatives_does_not_read_what_was_overwritten():
    def slope(function, overwritten):
        x = segue.linspace(-1, 1, 12).reshape(3, 4).requires_grad_()
        y = x * 1.0
        out = function(y)
        if overwritten:
            y.sin_()
        return segue.autograd.grad((out * out.detach()).sum(), x, create_graph=True)[0]

    def softmax(y):
        return y.softmax(-1)

    def pooled(y):  # linear: nothing of y is read
        return segue.nn.functional.avg_pool1d(y[None], 2)

    slope(softmax, False)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        slope(softmax, True)
    segue.testing.assert_close(slope(pooled, True), slope(pooled, False))


def test_bad_input_raises_as_the_composition():
    scores, target = segue.randn(2, 3), segue.tensor([0, 7])
    with pytest.raises((IndexError, RuntimeError), match="nll|gather|index"):
        F.cross_entropy(scores, target)
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        F.cross_entropy(scores, segue.tensor([0, -2]))
    with pytest.raises(RuntimeError, match="approximate"):
        F.gelu(scores, approximate="erf")


@pytest.mark.filterwarnings("ignore:anomaly detection")
def test_the_logarithm_of_a_sigmoid_has_slope_one_half_at_zero():
    for look in (contextlib.nullcontext(), segue.autograd.detect_anomaly(check_nan=False)):
        x = segue.zeros(2, requires_grad=True)
        with look:
            one, two = [segue.autograd.grad(loss.sum(), x)[0] for loss in (F.logsigmoid(x), F.binary_cross_entropy_with_logits(x, segue.ones(2), reduction="sum"))]
        assert one.tolist() == [0.5, 0.5] and two.tolist() == [-0.5, -0.5]


@pytest.mark.parametrize("largest", [True, False])
def test_the_first_places_are_those_of_a_stable_sort(largest):
    apart, ties = RNG.permutation(120).reshape(2, 20, 3).astype("f"), RNG.integers(0, 3, (2, 20, 3)).astype("f")
    odd = apart.copy()
    odd[0, 3, 1], odd[1, 5, 2] = np.nan, -np.inf
    for x in map(segue.tensor, (apart, ties, np.minimum(apart, 90), odd)):
        expected = OPS["argsort"](x, 1, largest)[:, :4]
        values, places = x.requires_grad_().topk(4, 1, largest)
        assert places.tolist() == expected.tolist() and not places.requires_grad
        np.testing.assert_array_equal(values.detach().numpy(), x.detach().gather(1, expected).numpy())
        assert segue.autograd.grad(values.nan_to_num().sum(), x)[0].abs().sum() > 0


def test_sums_of_many_small_windows():
    x = segue.tensor(RNG.standard_normal((2, 4, 40, 41)).astype("f"))
    view = OPS["unfold"](OPS["unfold"](x, 2, 3, 2), 3, 2, 1)
    found = OPS["sum"](view, (4, 5), False)
    np.testing.assert_allclose(found.numpy(), view.numpy().astype("d").sum((4, 5)), rtol=1e-5, atol=1e-6)
    assert found.is_contiguous() and found.shape == view.shape[:4]


@pytest.mark.filterwarnings("ignore:anomaly detection")
@pytest.mark.parametrize("kept", [0, 1 << 20])
@pytest.mark.parametrize("name", CASES)
def test_what_is_done_piece_by_piece_is_the_same(name, kept, monkeypatch):
    for module in (kernels, attending):
        monkeypatch.setattr(module, "KEPT", kept)
    monkeypatch.setattr(pieces, "BLOCK", 7)
    monkeypatch.setattr(attending, "BLOCK", 7)
    monkeypatch.setattr(attending, "LEAST_ROWS", 2)
    function, tensors, rest = CASES[name]
    found = _run(function, tensors, rest)
    with segue.autograd.detect_anomaly(check_nan=False):
        expected = _run(function, tensors, rest)
    for ours, theirs in zip((found[0].detach(), *found[1], *found[2]), (expected[0].detach(), *expected[1], *expected[2])):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-11)
