"""Function transforms of compiled functions: one graph for both, as often as it is called, and eager's answer in every nesting."""

from __future__ import annotations

import pytest

import segue
from segue import func
from segue.eager.stats import stats
from segue.testing import assert_close


def wave(x):
    return (x.sin() * x).sum()


def rows(x):
    return x.tanh() * x.sum()


TRANSFORMS = {
    "grad": lambda f, x: func.grad(f)(x),
    "grad and value": lambda f, x: func.grad_and_value(f)(x),
    "vmap": lambda f, x: func.vmap(f)(x.expand(3, 4)),
    "vmap of grad": lambda f, x: func.vmap(func.grad(f))(x.expand(3, 4)),
    "grad of grad": lambda f, x: func.grad(lambda x: func.grad(f)(x).sum())(x),
    "jvp": lambda f, x: func.jvp(f, (x,), (x.cos(),)),
    "jacrev": lambda f, x: func.jacrev(f)(x),
    "jacfwd": lambda f, x: func.jacfwd(f)(x),
    "hessian": lambda f, x: func.hessian(f)(x),
    "vjp": lambda f, x: func.vjp(f, x)[1](f(x)),
    "inside of a lambda": lambda f, x: func.vmap(lambda x: f(x) + 1)(x.expand(3, 4)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_answer_is_eagers(name):
    transform = TRANSFORMS[name]
    segue.manual_seed(0)
    x = segue.randn(4)
    compiled = segue.compile(wave)
    for value in (x, x + 1):
        assert_close(transform(compiled, value), transform(wave, value))


@pytest.mark.parametrize("name", sorted(set(TRANSFORMS) - {"vjp", "grad of grad", "inside of a lambda"}))
def test_one_graph_for_function_and_transform(name):
    transform = TRANSFORMS[name]
    compiled = segue.compile(rows if name in ("jacrev", "jacfwd") else wave, fullgraph=True)
    before = stats.read()
    for shift in range(3):
        transform(compiled, segue.ones(4) + shift)
    found = stats.since(before)
    assert (found["graphs"], found["transformed_frames"]) == (1, 0)


def test_what_the_function_changes_is_guarded_through_the_transform():
    scale = [2.0]
    compiled = segue.compile(lambda x: (x * scale[0]).sum())
    assert func.grad(compiled)(segue.ones(2)).tolist() == [2, 2]
    scale[0] = 5.0
    assert func.grad(compiled)(segue.ones(2)).tolist() == [5, 5]
    assert func.vmap(compiled, in_dims=1)(segue.ones(2, 3)).tolist() == [10, 10, 10]
    assert func.vmap(compiled, in_dims=0)(segue.ones(2, 3)).tolist() == [15, 15]
