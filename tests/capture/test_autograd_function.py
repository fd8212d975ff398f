"""`autograd.Function` in captured code: one graph, the user's derivative of every order, and eager's answer where a graph cannot say it."""

from __future__ import annotations

import pytest

import segue
from segue.autograd import Function
from segue.autograd.function import once_differentiable
from segue.eager.stats import stats
from segue.testing import assert_close


class ScaledExp(Function):
    """exp(x) * k with a derivative that is off by a factor of 10, so that one mistaken for the forward's own shows."""

    @staticmethod
    def forward(ctx, x, k):
        y = x.exp() * k
        ctx.save_for_backward(y)
        ctx.factor = 10.0
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y * ctx.factor, None


class Reversal(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g.neg() * ctx.alpha, None


class Rounded(Function):
    """The straight-through estimator."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.round()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x.abs() < 1)


class SplitUp(Function):
    @staticmethod
    def forward(x, y):
        return x * y, x + y, (x > y)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.mark_non_differentiable(output[2])

    @staticmethod
    def backward(ctx, product, total, _):
        x, y = ctx.saved_tensors
        wants_x, wants_y = ctx.needs_input_grad
        return (product * y * 3 + total if wants_x else None), (product * x * 5 + total if wants_y else None)


class Cube(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx, g):
        return 7 * g * ctx.saved_tensors[0] ** 2


class Once(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return 2 * g * ctx.saved_tensors[0]


def both(a, b):
    product, total, larger = SplitUp.apply(a, b)
    return (product * larger + total.sin()).sum()


PROGRAMS = {
    "factor": lambda a, b: (ScaledExp.apply(a * 2, 3.0) + b).sum(),
    "reversal": lambda a, b: (Reversal.apply(a * b, 0.5).tanh() * b).sum(),
    "reversal of an input": lambda a, b: (Reversal.apply(a, 0.5).tanh() * b).sum(),
    "straight through": lambda a, b: (Rounded.apply(a * b) * a).sum(),
    "several results": both,
    "one result unused": lambda a, b: SplitUp.apply(a, b)[0].sum(),
    "twice": lambda a, b: ScaledExp.apply(ScaledExp.apply(a, 0.1) * b, 0.1).sum(),
    "once differentiable": lambda a, b: (Once.apply(a) * b).sum(),
    "vmap inside": lambda a, b: (segue.vmap(Cube.apply)(a) * b).sum(),
    "no gradient": lambda a, b: Rounded.apply(a.detach()).sum() + (a * b).sum(),
}


def inputs():
    segue.manual_seed(3)
    return segue.randn(4, 3, requires_grad=True), segue.randn(4, 3, requires_grad=True)


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_graph_and_the_users_derivative(name):
    program = PROGRAMS[name]
    a, b = inputs()
    expected = segue.autograd.grad(program(a, b), (a, b))
    compiled = segue.compile(program, fullgraph=True)
    assert_close(segue.autograd.grad(compiled(a, b), (a, b)), expected)

    def step(a, b):
        loss = program(a, b)
        loss.backward()
        return loss

    segue.compile(step, fullgraph=True)(a, b)
    assert_close((a.grad, b.grad), expected)


@pytest.mark.parametrize("name", sorted(set(PROGRAMS) - {"once differentiable"}))
def test_second_derivatives_are_those_of_the_users_backward(name):
    program = PROGRAMS[name]

    def second(function, a, b):
        first = segue.autograd.grad(function(a, b), (a, b), create_graph=True)
        return segue.autograd.grad(sum((x * x).sum() for x in first), (a, b), materialize_grads=True)

    a, b = inputs()
    expected = second(program, a, b)
    assert_close(second(segue.compile(program, fullgraph=True), a, b), expected)
    assert_close(segue.compile(lambda a, b: second(program, a, b), fullgraph=True)(a, b), expected)


def test_a_function_that_is_once_differentiable_refuses_the_second_derivative():
    a, b = inputs()
    compiled = segue.compile(PROGRAMS["once differentiable"], fullgraph=True)
    (first,) = segue.autograd.grad(compiled(a, b), a, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        segue.autograd.grad(first.sum(), a)


def test_the_rule_is_guarded():
    class Own(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    compiled = segue.compile(lambda x: Own.apply(x).sum())
    x = segue.ones(3, requires_grad=True)
    assert segue.autograd.grad(compiled(x), x)[0].tolist() == [2, 2, 2]
    Own.backward = staticmethod(lambda ctx, g: g * 5)
    assert segue.autograd.grad(compiled(x), x)[0].tolist() == [5, 5, 5]
    Own.forward = staticmethod(lambda ctx, x: x * 9)
    assert compiled(x).item() == 27


def test_what_a_backward_does_besides_happens_as_often_as_eagerly():
    seen = []

    class Noted(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            seen.append(tuple(g.shape))
            return g * 2

    compiled = segue.compile(lambda x: Noted.apply(x).sum())
    x = segue.ones(3, requires_grad=True)
    for _ in range(2):
        compiled(x)
    assert seen == []
    compiled(x).backward()
    assert seen == [(3,)] and x.grad.tolist() == [2, 2, 2]


def test_a_result_that_shares_memory_is_not_taken_for_a_copy():
    def program(x):
        y = Reversal.apply(x, 1.0)
        with segue.no_grad():
            x.mul_(2)
        return y

    x = segue.ones(3, requires_grad=True)
    assert segue.compile(program)(x).tolist() == [2, 2, 2]
    shared = segue.compile(lambda x: Reversal.apply(x, 1.0))(x)
    with segue.no_grad():
        x.mul_(2)
    assert shared.tolist() == x.tolist()


def test_dynamic_sizes_and_kept_sizes():
    class Mean(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.count = x.shape[0]
            return x.sum(0) / x.shape[0]

        @staticmethod
        def backward(ctx, g):
            return g.expand(ctx.count, *g.shape) / ctx.count * 4

    before = stats["graphs"]
    compiled = segue.compile(lambda x: (Mean.apply(x * 3) ** 2).sum(), fullgraph=True, dynamic=True)
    for count in (2, 5, 7):
        x = segue.randn(count, 3, requires_grad=True)
        assert_close(segue.autograd.grad(compiled(x), x), segue.autograd.grad((Mean.apply(x * 3) ** 2).sum(), x))
    assert stats["graphs"] == before + 1


def test_anomaly_mode_names_the_forward_line_in_a_captured_step():
    def step(x):
        y = x.sqrt()
        loss = (y * 0).sum()
        loss.backward()
        return loss

    def own(x):
        with segue.autograd.detect_anomaly():
            return step(x)

    compiled = segue.compile(step)
    compiled(segue.ones(3, requires_grad=True))
    with pytest.warns(UserWarning, match="anomaly"):
        for function in (lambda x: own(x), segue.compile(own)):
            with pytest.raises(RuntimeError, match=r"(?s)SqrtBackward0.*nan.*y = x\.sqrt\(\)"):
                function(segue.zeros(3, requires_grad=True))
        with segue.autograd.detect_anomaly(), pytest.raises(RuntimeError, match=r"(?s)SqrtBackward0.*nan.*y = x\.sqrt\(\)"):
            compiled(segue.zeros(3, requires_grad=True))
    compiled(segue.ones(3, requires_grad=True))
    assert len(compiled.cache.entries(step.__code__)) == 1
