"""Foreign functions: eagerly, in graphs, with derivatives and batches, and what is said when they do not keep their word."""

from __future__ import annotations

import traceback

import numpy as np
import pytest
from scipy import special

import segue
from segue.testing import assert_close

calls = []


@segue.opaque(shape=lambda x, scale=1.0: x.shape, derivative=lambda g, x, scale=1.0: g * scale * x.cos())
def sine(x, scale=1.0):
    calls.append(tuple(x.shape))
    return np.sin(x.numpy()) * np.float32(scale)


@segue.opaque(shape=lambda x, y: [segue.empty_like(x), (x.shape[0],)], dtype=[segue.float32, segue.float64], derivative=lambda g, x, y: (g[0] * y, None))
def two(x, y):
    return x * y, special.erf(x.detach().numpy()).sum(1).astype(np.float64)


@segue.opaque(shape=lambda x: x.shape)
def plain(x):
    return x * 2


def data(*shape):
    segue.manual_seed(1)
    return segue.randn(*shape, requires_grad=True)


PROGRAMS = {
    "derivative": lambda x: (sine(x * 2) ** 2).sum(),
    "keyword": lambda x: (sine(x, scale=3.0) * x).sum(),
    "two results": lambda x: sum(part.sum().float() for part in two(x, x * 0.5)),
    "vmap": lambda x: (segue.vmap(sine)(x) * x).sum(),
    "no gradient": lambda x: plain(x.detach()).sum() + (x * x).sum(),
}


@pytest.mark.parametrize("backend", ["eager", "inductor"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_one_graph_and_first_and_second_derivatives(name, backend):
    program = PROGRAMS[name]

    def derivatives(function, x):
        value = function(x)
        (first,) = segue.autograd.grad(value, x, create_graph=True)
        return value, first, segue.autograd.grad((first * first).sum(), x, materialize_grads=True)[0]

    x = data(4, 3)
    expected = derivatives(program, x)
    assert_close(derivatives(segue.compile(program, fullgraph=True, backend=backend), x), expected)
    assert_close(segue.compile(lambda x: derivatives(program, x), fullgraph=True, backend=backend)(x), expected)


def test_the_derivative_is_right():
    assert segue.autograd.gradcheck(lambda x: sine(x) * x, data(5).double().detach().requires_grad_())


def test_it_is_called_once_in_a_graph_and_not_where_it_is_not_used():
    compiled = segue.compile(lambda x: sine(x) + sine(x) + 0 * len(sine(x + 1)), fullgraph=True)
    compiled(data(2).detach())
    calls.clear()
    compiled(data(2).detach())
    assert calls == [(2,)]


def test_sizes_stay_symbolic():
    compiled = segue.compile(lambda x: sine(x).sum(), fullgraph=True, dynamic=True)
    for count in (2, 5, 7):
        x = data(count)
        assert_close(compiled(x), sine(x).sum())
        assert_close(segue.autograd.grad(compiled(x), x)[0], x.cos())


@pytest.mark.parametrize("compiled", [False, True])
def test_what_does_not_keep_its_word(compiled):
    made = segue.compile if compiled else (lambda f: f)
    wrong_shape = segue.opaque(shape=lambda x: (3,))(lambda x: x * 1)
    with pytest.raises(RuntimeError, match=r"gave float32\[2\] as result 0, where its shape and dtype say float32\[3\]"):
        made(lambda x: wrong_shape(x) + 1)(segue.ones(2))
    wrong_type = segue.opaque(shape=lambda x: x.shape)(lambda x: "text")
    with pytest.raises(TypeError, match="result 0 is a str"):
        made(lambda x: wrong_type(x) + 1)(segue.ones(2))
    x = data(2)
    y = made(lambda x: plain(x).sum())(x)
    assert y.requires_grad
    with pytest.raises(RuntimeError, match="plain has no derivative"):
        y.backward()


def test_bad_declarations():
    with pytest.raises(TypeError, match="shape must be callable"):
        segue.opaque(shape=(3,))
    with pytest.raises(TypeError, match="must return a shape"):
        segue.opaque(shape=lambda x: "four")(lambda x: x)(segue.ones(2))


# -- a graph that raises: its program runs again, its foreign functions do not ---------------------------------------------------

said = []


@segue.opaque(shape=lambda x: x.shape, derivative=lambda g, x: g)
def telling(x):
    said.append(("telling", x.tolist()))
    return x.numpy() * 2


@segue.opaque(shape=lambda x: x.shape)
def refusing(x):
    said.append(("refusing", x.tolist()))
    if float(x.sum()) > 5:
        raise ValueError("too much")
    return x.numpy() + 1


def behind(x, i):
    return telling(x)[i]


def around_a_write(x, i):
    y = telling(x)
    x.add_(1)
    z = telling(x)
    try:
        return z[i] + y
    except IndexError:
        return telling(x) + telling(y)


def chained(x, i):
    return telling(refusing(telling(x * 3)))[i]


def before_and_behind(x, i):
    y = x[i + telling(x).long() * 0]
    return y + telling(x * 4)


def handled(x, i):
    y = telling(x)
    try:
        return refusing(x * 9)[i] + y
    except (ValueError, IndexError):
        return y


def in_a_branch(x, i):
    return segue.cond(x.sum() > 0, lambda c: telling(c) + 1, lambda c: c - 1, (x,))[i]


def behind_a_break(x, i):
    y = telling(x)
    segue.compiler.graph_break()
    return telling(y)[i]


def inexact(x, i):
    return telling(x.exp().sin())[i].sum().round()


def told(function, i, scale):
    said.clear()
    x = segue.tensor([0.5, 0.25]) * scale
    try:
        result = function(x, segue.tensor(i)).tolist()
    except (IndexError, ValueError) as problem:
        frames = [entry.name for entry in traceback.extract_tb(problem.__traceback__)]
        result = type(problem), str(problem), frames.count("refusing")
    return result, [(name, [round(number, 3) for number in numbers]) for name, numbers in said], x.tolist()


@pytest.mark.parametrize("backend", ["eager", "inductor"])
@pytest.mark.parametrize("program", [behind, around_a_write, chained, before_and_behind, handled, in_a_branch, behind_a_break, inexact], ids=lambda p: p.__name__)
def test_a_graph_that_raises_has_called_each_function_once(program, backend):
    compiled = segue.compile(program, backend=backend)
    for i in ([0, 1], [0, 7], [1, 1], [9, 0]):
        for scale in (1, 2):
            assert told(compiled, i, scale) == told(program, i, scale), (i, scale)


def test_answers_are_forgotten_with_the_call_that_raised():
    compiled = segue.compile(lambda x, i: (telling(x * 2), telling(x)[i])[1])
    with pytest.raises(IndexError) as problem:
        compiled(segue.ones(1), segue.tensor([7]))
    said.clear()
    telling(segue.ones(1))
    assert said == [("telling", [1.0])] and problem.value is not None  # although its traceback holds the frame
