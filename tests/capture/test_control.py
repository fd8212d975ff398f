"""Control flow on data: cond, while_loop, scan and map, eagerly, captured, differentiated and transformed.

In come programs that use them. The one idea: eagerly they are Python's own statements, so the captured program, with its one node, must give what the eager one gives, and so must
all derivatives and transforms of both.
"""

import numpy as np
import pytest

import segue
from segue import func
from segue.autograd import gradcheck, gradgradcheck
from segue.utils._pytree import tree_leaves

X = segue.tensor([[0.3, 0.7, 1.1], [0.5, 0.25, 0.4], [0.9, 0.1, 0.2]], dtype=segue.float64)
W = segue.tensor([1.5, -0.5, 0.8], dtype=segue.float64)


def branch(x, w):
    return segue.cond(x.sum() > 0, lambda a: {"a": (a * w).sin(), "b": (a.sum(), w * 1)}, lambda a: {"a": (a - w).exp(), "b": (a.prod(), a[0] * w)}, (x,))


def nested(x, w):
    def inner(a):
        return segue.cond(a[0, 0] > 0.4, lambda a: a * w, lambda a: a.cos() * w[0], (a,))

    return segue.cond(x.sum() > 0, inner, lambda a: a.exp(), (x,))


def fold(x, w):
    return segue.scan(lambda c, a: ((c * a + w).tanh(), {"y": c * w, "z": a.sum()}), x[0], x)


def fold_backwards(x, w):
    return segue.scan(lambda c, a: ((c * a.sum() + w[0]).tanh(), a * c), x[0, 0], x, dim=1, reverse=True)


def each(x, w):
    return segue.map(lambda row, w: ((row * w).cos(), row.sum()), x, w)


def bounded(x, w):
    return segue.while_loop(lambda i, y: y.abs().sum() < 9, lambda i, y: (i + 1, y * 1.5 + w), (segue.tensor(0), x), max_iterations=4)


def loop(x, w):
    return segue.while_loop(lambda i, y: y.abs().sum() < 20, lambda i, y: (i + 1, y * 1.5 + w), (segue.tensor(0), x))


def choice_in_a_fold(x, w):
    return segue.scan(lambda c, a: (segue.cond(c.sum() > 0.5, lambda c: c * a, lambda c: c + w, (c,)), c), x[0], x)


PROGRAMS = {f.__name__: f for f in (branch, nested, fold, fold_backwards, each, bounded, choice_in_a_fold)}
LEAF_NAMES = ["cond", "scan", "while_loop"]


def total(tree):
    return sum((x * x).sum() for x in tree_leaves(tree))


def same(found, expected):
    found, expected = tree_leaves(found), tree_leaves(expected)
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert np.allclose(a.detach().numpy(), b.detach().numpy(), 1e-9, 1e-12)


def in_one_graph(program, *args, backend="eager"):
    """The result of the compiled program, which is one graph with one node of control flow at its top, and no break."""
    compiled = segue.compile(program, backend=backend, fullgraph=True)
    before = segue.compiler.stats()
    with segue.config.override(verify=True):
        found = compiled(*args)
    after = segue.compiler.stats()
    assert (after["graphs"] - before["graphs"], after["breaks"] - before["breaks"]) == (1, 0)
    return found


@pytest.mark.parametrize("backend", ["eager", "inductor"])
@pytest.mark.parametrize("program", [*PROGRAMS.values(), loop], ids=lambda p: p.__name__)
def test_captured_it_is_one_node_that_gives_what_eager_gives(program, backend):
    for x in (X, -X, X * 0.1):
        same(in_one_graph(program, x, W, backend=backend), program(x, W))
    (captured,) = segue.explain(program)(X, W).captured
    assert [node.target.name for node in captured.graph.operations if node.target.kind == "control" and node.target.name != "part"] == [
        {"each": "scan", "branch": "cond", "nested": "cond"}.get(program.__name__, "scan" if "fold" in program.__name__ else "while_loop")]  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_of_the_compiled_program_are_those_of_eager(name):
    program = PROGRAMS[name]
    for sign in (1, -1):
        found = []
        for run in (program, segue.compile(program, backend="eager", fullgraph=True)):
            x, w = (sign * X).clone().requires_grad_(), W.clone().requires_grad_()
            first = segue.autograd.grad(total(run(x, w)), [x, w], create_graph=True, allow_unused=True, materialize_grads=True)
            found.append([*first, *segue.autograd.grad(total(first), [x, w], allow_unused=True, materialize_grads=True)])
        same(found[1], found[0])


@pytest.mark.parametrize("name", ["branch", "fold", "each", "bounded"])
def test_second_derivatives_against_differences(name):
    def run(x, w):
        return total(PROGRAMS[name](x, w))

    compiled = segue.compile(run, backend="eager", fullgraph=True)
    inputs = (X[:2].clone().requires_grad_(), W.clone().requires_grad_())
    assert gradcheck(compiled, inputs) and gradgradcheck(compiled, inputs)


TRANSFORMS = {
    "jvp": lambda f: lambda x, w: func.jvp(lambda x, w: total(f(x, w)), (x, w), (x, w)),
    "vmap": lambda f: lambda x, w: func.vmap(lambda x: f(x, w))(segue.stack([x, -x, x * 0.1])),
    "vmap over what is read": lambda f: lambda x, w: func.vmap(lambda w: f(x, w))(segue.stack([w, w * 2])),
    "vmap of grad": lambda f: lambda x, w: func.vmap(func.grad(lambda x: total(f(x, w))))(segue.stack([x, -x])),
    "grad of jvp": lambda f: lambda x, w: func.grad(lambda x: func.jvp(lambda y: total(f(y, w)), (x,), (x,))[1])(x),
    "hessian": lambda f: lambda x, w: func.hessian(lambda w: total(f(x, w)))(w),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("program", [branch, fold, bounded, choice_in_a_fold], ids=lambda p: p.__name__)
def test_transforms_of_captured_control_flow(program, transform):
    transformed = TRANSFORMS[transform](program)
    same(in_one_graph(transformed, X, W), transformed(X, W))


@pytest.mark.parametrize("transform", ["jvp", "vmap", "vmap over what is read"])
def test_forward_transforms_of_a_loop_without_a_bound(transform):
    transformed = TRANSFORMS[transform](loop)
    same(in_one_graph(transformed, X, W), transformed(X, W))


def test_reverse_mode_of_a_loop_without_a_bound_breaks_the_graph_and_is_right():
    x = X.clone().requires_grad_()
    compiled = segue.compile(lambda x: total(loop(x, W)) * 2)
    same(segue.autograd.grad(compiled(x), x), segue.autograd.grad(total(loop(x, W)) * 2, x))
    with pytest.raises(RuntimeError, match="max_iterations"):
        segue.compile(lambda x: total(loop(x, W)), fullgraph=True)(x)


def test_a_training_step_with_control_flow_is_one_graph():
    def step(x, w):
        loss = total(fold(x, w))
        loss.backward()
        with segue.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
        return loss

    a, b = W.clone().requires_grad_(), W.clone().requires_grad_()
    compiled = segue.compile(step, backend="eager", fullgraph=True)
    for _ in range(3):
        same(compiled(X, a), step(X, b))
        same(a, b)


def test_sizes_that_vary_vary_inside_too():
    compiled = segue.compile(lambda x: segue.scan(lambda c, a: (c + a.sum(), a.reshape(-1) / a.shape[0]), x[0, 0], x), backend="eager", fullgraph=True)
    before = segue.compiler.stats()["graphs"]
    for n in (2, 3, 5, 7):
        x = segue.rand(n, n + 1)
        same(compiled(x), segue.scan(lambda c, a: (c + a.sum(), a.reshape(-1) / a.shape[0]), x[0, 0], x))
    assert segue.compiler.stats()["graphs"] - before <= 2


def test_the_printed_graph_runs():
    (captured,) = segue.explain(choice_in_a_fold)(X, W).captured
    module = segue.graph.module.GraphModule(captured.graph)
    assert "def scan__body" in module.code and "def cond__true" in module.code
    same(module(X, W), choice_in_a_fold(X, W))


# --------------------------------------------------------------------------------------------------------------- bad input


def caught(program, *args):
    with pytest.raises(RuntimeError) as eager_or_not:
        segue.compile(program, backend="eager", fullgraph=True)(*args)
    return str(eager_or_not.value)


def test_branches_that_differ_are_named():
    assert "true_fn returned float64[3, 3] as leaf 0, false_fn float64[3]" in caught(lambda x: segue.cond(x.sum() > 0, lambda: x, lambda: x[0]), X)
    assert "true_fn returned float64[3, 3] as leaf 0, false_fn float32[3, 3]" in caught(lambda x: segue.cond(x.sum() > 0, lambda: x, lambda: x.float()), X)
    assert "the structure" in caught(lambda x: segue.cond(x.sum() > 0, lambda: (x, x), lambda: x), X)


def test_a_carry_that_changes_is_named():
    for program in (lambda x: segue.scan(lambda c, a: (c.float(), a), x[0], x), lambda x: segue.scan(lambda c, a: (a[:1], a), x[0], x)):
        with pytest.raises(RuntimeError, match="leaf 0 of the carry, where init has float64"):
            program(X)
        assert "leaf 0 of the carry" in caught(program, X)
    with pytest.raises(RuntimeError, match="body_fn returned the structure"):
        segue.while_loop(lambda x: x.sum() < 9, lambda x: (x, x), (X,))


BAD = {
    "callable": lambda: segue.cond(True, 1, 2),
    "Expected pred to be bool or tensor": lambda: segue.cond("yes", len, len),
    "single-element": lambda: segue.cond(X > 0, lambda: X, lambda: X),
    "operands": lambda: segue.cond(True, len, len, X),
    "same length": lambda: segue.scan(lambda c, x: (c, c), W, (X, X[:2])),
    "size > 0": lambda: segue.scan(lambda c, x: (c, c), W, X[:0]),
    "pair": lambda: segue.scan(lambda c, x: c, W, X),
    "expected tensors": lambda: segue.scan(lambda c, x: (c, 1), W, X),
    "init leaves": lambda: segue.scan(lambda c, x: (c, x), (), X),
    "boolean scalar": lambda: segue.while_loop(lambda x: x > 0, lambda x: x, (X,)),
    "must be a tuple": lambda: segue.while_loop(lambda x: True, lambda x: x, X),
}


@pytest.mark.parametrize("text", BAD)
def test_bad_input(text):
    with pytest.raises(RuntimeError, match=text):
        BAD[text]()


def test_side_effects_of_a_branch_break_the_graph():
    seen, box = [], {"n": 0}

    def program(x):
        mine = []

        def yes(a):
            inside = [a]
            inside.append(a * 2)
            mine.append(1)
            seen.append("yes")
            return inside[1]

        def no(a):
            box["n"] += 1
            return a

        return segue.cond(x.sum() > 0, yes, no, (x,)), len(mine)

    compiled = segue.compile(program, backend="eager")
    assert compiled(X)[1] == 1 and compiled(-X)[1] == 0
    assert seen == ["yes"] and box["n"] == 1
    assert "changes a list" in caught(program, X)


def test_writes_to_what_stands_outside_break_the_graph():
    def program(x):
        y = x * 1
        segue.cond(x.sum() > 0, lambda: y.add_(1), lambda: y * 2)
        return y

    same(segue.compile(program, backend="eager")(X), X + 1)
    assert "in place" in caught(program, X)
    assert "random" in caught(lambda x: segue.cond(x.sum() > 0, lambda: segue.rand(2), lambda: segue.ones(2)), X)


def test_a_branch_may_differentiate_and_switch_gradients_off():
    def program(x):
        def gradient(a):
            with segue.no_grad():
                factor = a.sum()
            a = a.detach().requires_grad_()
            return segue.autograd.grad((a**3).sum(), a)[0] * factor

        return segue.cond(x.sum() > 0, gradient, lambda a: a, (x,))

    same(in_one_graph(program, X), program(X))
