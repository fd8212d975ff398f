"""Operators that programs register under a name: called, in graphs, with derivatives, and what they refuse."""

import numpy as np
import pytest

import segue
from segue.library import custom_op, register_autograd, register_fake
from segue.testing import assert_close


def made(name, **said):
    return custom_op(f"tests::{name}", lambda x, scale=2.0: segue.from_numpy(np.sin(x.numpy()) * np.float32(scale)), mutates_args=(), **said)


def test_an_operator_stands_in_graphs_once_its_shape_is_known():
    sine = made("sine")
    x = segue.tensor([0.5, 1.0], requires_grad=True)
    program = lambda x: sine(x * 2, scale=3.0) + 1
    before = segue.compiler.stats()["breaks"]
    assert_close(segue.compile(program)(x.detach()), program(x.detach()))
    assert segue.compiler.stats()["breaks"] > before
    with pytest.raises(RuntimeError, match="register_autograd"):
        program(x).sum().backward()

    register_fake("tests::sine", lambda x, scale=2.0: segue.empty_like(x))

    def setup(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.scale = inputs[1]

    register_autograd("tests::sine", lambda ctx, g: (g * ctx.saved_tensors[0].cos() * ctx.scale, None), setup_context=setup)
    for run in (program, segue.compile(program, fullgraph=True), segue.compile(lambda x: segue.ops.tests.sine.default(x * 2, 3.0) + 1, fullgraph=True)):
        found = run(x)
        assert_close(found, (x * 2).sin() * 3 + 1)
        assert_close(segue.autograd.grad(found.sum(), x)[0], (x * 2).cos() * 6)
    assert_close(segue.vmap(lambda x: sine(x))(segue.ones(3, 2)), segue.ones(3, 2).sin() * 2)


def test_an_operator_that_writes_is_called_between_graphs():
    @custom_op("tests::fill", mutates_args={"x"})
    def fill(x: segue.Tensor, value: float) -> None:
        x.numpy()[...] = value

    def program(x):
        y = x * 2
        fill(y, 7.0)
        return y + x

    x = segue.ones(2)
    version = x._version
    fill(x, 1.0)
    assert x._version == version + 1
    assert segue.compile(program)(x).tolist() == program(x).tolist() == [8.0, 8.0]
    with pytest.raises(RuntimeError, match="non-functional"):
        fill.register_autograd(lambda ctx, g: g)


def test_an_operator_without_a_derivative_refuses_where_the_gradient_is_computed():
    def scaled(name, number):
        return custom_op(f"tests::{name}", lambda x: segue.from_numpy(x.numpy() * np.float32(number)), mutates_args=())

    double, triple = scaled("double", 2), scaled("triple", 3)
    double.register_fake(segue.empty_like)
    triple.register_fake(segue.empty_like)
    triple.register_autograd(lambda ctx, g: double(g))  # whose own derivative nobody asks for
    for wrap in (lambda f: f, lambda f: segue.compile(f, fullgraph=True)):
        x = segue.ones(2, requires_grad=True)
        assert segue.autograd.grad(wrap(lambda x: triple(x) * 2)(x).sum(), x)[0].tolist() == [4.0, 4.0]
        found = wrap(lambda x: double(x) + x)(x)
        assert found.tolist() == [3.0, 3.0] and found.requires_grad
        with pytest.raises(RuntimeError, match="double has no derivative"):
            found.sum().backward()
    foreign = segue.opaque(shape=lambda x: x.shape)(lambda x: x.numpy() * 3)
    assert segue.compile(lambda x: foreign(x) + 1, fullgraph=True)(segue.ones(2, requires_grad=True)).tolist() == [4.0, 4.0]


def test_what_is_refused():
    with pytest.raises(ValueError, match="namespace"):
        custom_op("sine", abs, mutates_args=())
    with pytest.raises(RuntimeError, match="does not exist"):
        register_fake("tests::nothing", abs)
    with pytest.raises(AttributeError, match="nowhere"):
        segue.ops.nowhere  # noqa: B018
    with pytest.raises(NotImplementedError, match="no kernel for cpu"):
        made("elsewhere", device_types="cuda")(segue.ones(1))
    with pytest.raises(NotImplementedError, match="by keyword alone"):
        custom_op("tests::keywords", lambda x, *, a: x, mutates_args=())
    with pytest.raises(OSError, match="cannot be loaded"):
        segue.ops.load_library("lib.so")
