"""Random programs of nested control flow: captured, with their gradients and tangents, they are what they are eagerly.

In come programs drawn by hypothesis: a tree of branches, folds, loops and arithmetic over a vector. The one idea: a program is a nested tuple, which one small function runs, so
a failing one shrinks to a few words.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segue
from segue import func

ARITHMETIC = {
    "sin": lambda x, w: (x * w).sin(), "tanh": lambda x, w: x.tanh() + w, "square": lambda x, w: x * x * 0.5, "mix": lambda x, w: x.flip(0) * w - x,
    "softmax": lambda x, w: x.softmax(0), "where": lambda x, w: segue.where(x > 0, x, w),
}  # fmt: skip
trees = st.recursive(
    st.sampled_from(sorted(ARITHMETIC)),
    lambda inner: st.one_of(
        st.tuples(st.just("then"), inner, inner), st.tuples(st.just("cond"), inner, inner), st.tuples(st.just("scan"), inner, st.booleans()),
        st.tuples(st.just("loop"), inner, st.integers(0, 3)), st.tuples(st.just("map"), inner),
    ),
    max_leaves=4,
)  # fmt: skip


def run(tree, x, w):
    """The program on a vector `x`; `w` is read from outside by every part."""
    if isinstance(tree, str):
        return ARITHMETIC[tree](x, w)
    kind, first, *rest = tree
    if kind == "then":
        return run(rest[0], run(first, x, w), w)
    if kind == "cond":
        return segue.cond(x.sum() > 0.3, lambda x: run(first, x, w), lambda x: run(rest[0], x, w) * 2, (x,))
    if kind == "scan":
        carry, ys = segue.scan(lambda c, row: (run(first, c + row, w), c * row), x, segue.stack([x, w, x * w]), reverse=rest[0])
        return carry + ys.sum(0)
    if kind == "loop":
        step = segue.tensor(0)
        return segue.while_loop(lambda i, x: (i < 3) & (x.sum() < 4), lambda i, x: (i + 1, run(first, x, w)), (step, x), max_iterations=rest[0])[1]
    return segue.map(lambda row: run(first, row, w), segue.stack([x, w])).sum(0)


def results(function, x, w):
    """Value, first and second gradients, and the tangent."""
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    value = function(x, w)
    first = segue.autograd.grad((value * value).sum(), [x, w], create_graph=True, allow_unused=True, materialize_grads=True)
    second = [None, None]
    total = sum((g * g).sum() for g in first)
    if total.requires_grad:
        second = segue.autograd.grad(total, [x, w], allow_unused=True, materialize_grads=True)
    return [value, *first, *second]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@settings(max_examples=8, deadline=None, derandomize=True)
@given(tree=trees)
def test_random_control_flow(sign, tree):
    x, w = segue.tensor([0.5, 0.2, -0.1], dtype=segue.float64) * sign, segue.tensor([0.9, -0.4, 0.7], dtype=segue.float64)
    compiled = segue.compile(lambda x, w: run(tree, x, w), backend="eager", fullgraph=True)
    pushed = [func.jvp(lambda x: run(tree, x, w), (x,), (w,))]
    pushed.append(segue.compile(lambda x: func.jvp(lambda x: run(tree, x, w), (x,), (w,)), backend="eager", fullgraph=True)(x))
    for found, expected in ((results(compiled, x, w), results(lambda x, w: run(tree, x, w), x, w)), pushed):
        for a, b in zip(found, expected):
            assert (a is None) == (b is None)
            assert a is None or np.allclose(a.detach().numpy(), b.detach().numpy(), 1e-8, 1e-10)
