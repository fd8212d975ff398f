"""Derivatives of graphs against the eager tape: orders one to three, the partition, and what a tape node of a compiled graph must refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segue
import segue.nn.functional as functional
from segue import nn
from segue.eager.autograd import engine
from segue.graph.backends import lookup_backend, register_backend
from segue.graph.compiled import compile_graph
from segue.graph.derivative import joint_graph
from segue.graph.interpreter import interpret
from segue.graph.ir import identifier
from segue.graph.partition import partition
from segue.graph.passes import BEFORE_DERIVATIVE, FOR_BACKEND, run_passes
from segue.graph.recompute import is_cheap
from segue.graph.trace import Tracer, trace_function
from segue.graph.verifier import verify


def randn(*shape, seed=0, requires_grad=True):
    return segue.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=requires_grad)  # float64


def mlp(x, w, b):
    return (functional.gelu(x @ w + b).tanh().mean(),)


def normalised(x, w, b):
    return functional.layer_norm(x @ w, (3,), b, b), (x @ w).softmax(-1)


def broadcast(x, w, b):
    return (x.exp() * x.sum(0, keepdim=True) / (1 + b.square().sum()), w.t() @ x.t())


def with_views(x, w, b):
    y = x.t().reshape(2, -1) * 2
    z = y.clone()
    z[0].mul_(b.sum())
    return z[:, ::2], (w * b)[1]


def reused(x, w, b):
    y = (x @ w).sigmoid()
    return y * y, y.max(1).values, segue.cat([y, y + b])


PROGRAMS = [mlp, normalised, broadcast, with_views, reused]


def operands():
    return randn(4, 3, seed=1), randn(3, 3, seed=2), randn(3, seed=3)


def scalar(results):
    return sum((r * r.detach().cos() + r * r * r).sum() for r in results)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_orders_one_to_three(program):
    inputs = operands()
    compiled = compile_graph(trace_function(program, inputs), "eager")
    eager = graph = None
    for order in (1, 2, 3):
        if order == 1:
            eager, graph = scalar(program(*inputs)), scalar(compiled(*inputs))
        else:
            eager, graph = (sum((g * g).sum() for g in gradients) for gradients in (eager, graph))
        eager, graph = (engine.grad(value, inputs, create_graph=True, allow_unused=True) for value in (eager, graph))
        eager, graph = ([g for g in gradients if g is not None] for gradients in (eager, graph))
        for a, b in zip(eager, graph, strict=True):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=f"order {order}")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_forward_and_backward_are_the_joint_graph(program):
    inputs = operands()
    graph = trace_function(program, inputs)
    joint = joint_graph(run_passes(graph, BEFORE_DERIVATIVE))
    verify(joint.graph)
    parts = partition(joint)
    verify(parts.forward)
    verify(parts.backward)
    primals = [x.detach().numpy() for x in inputs]
    tangents = [np.random.default_rng(i).normal(size=node.value.shape) for i, node in enumerate(joint.graph.inputs[len(inputs) :])]
    whole = interpret(joint.graph, [*primals, *tangents])
    forward = interpret(parts.forward, primals)
    saved = [primals[s.index] if s.kind == "input" else forward[s.index] for s in parts.saved]
    backward = interpret(parts.backward, [*saved, *tangents])
    for a, b in zip(whole, [*forward[: joint.results], *backward], strict=True):
        np.testing.assert_array_equal(a, b)
    assert parts.saved_bytes <= parts.keep_all_bytes


def test_passes_for_backends_keep_the_bits():
    inputs = operands()
    for program in PROGRAMS:
        joint = joint_graph(trace_function(program, inputs)).graph
        ready = verify(run_passes(joint, FOR_BACKEND))
        assert len(ready.operations) <= len(joint.operations)
        arrays = [np.random.default_rng(i).normal(size=node.value.shape) for i, node in enumerate(joint.inputs)]
        for a, b in zip(interpret(joint, arrays), interpret(ready, arrays), strict=True):
            np.testing.assert_array_equal(a, b)


def test_products_and_draws_are_never_computed_again():
    segue.manual_seed(0)
    x, w = randn(8, 8), randn(8, 8, seed=1)
    graph = trace_function(lambda x, w: (functional.dropout((x @ w).exp(), 0.5).sin().sum(),), [x, w])
    parts = partition(joint_graph(graph))
    late = [node for node in parts.backward.operations if not is_cheap(node)]
    assert all(node.target.name in ("matmul", "sum") for node in late)
    assert len([node for node in late if node.target.name == "matmul"]) == 2, "one product for each gradient"
    assert "uniform" not in {node.target.name for node in parts.backward.operations}


def test_random_masks_are_the_same_in_both_directions_and_the_stream_goes_on():
    x = randn(5, 5)
    graph = trace_function(lambda x: (functional.dropout(x, 0.4) + segue.rand(5, 5),), [x])
    assert graph.random_calls == 2
    compiled = compile_graph(graph, "eager")

    def run(call):
        segue.manual_seed(11)
        leaf = x.detach().clone().requires_grad_()
        results = [call(leaf)[0] for _ in range(2)]
        sum(r.sum() for r in results).backward()
        return [*(r.detach().numpy() for r in results), leaf.grad.numpy(), segue.rand(3).numpy()]

    for a, b in zip(run(lambda x: (functional.dropout(x, 0.4) + segue.rand(5, 5),)), run(compiled), strict=True):
        np.testing.assert_array_equal(a, b)


def test_symbolic_sizes_differentiate():
    x, w = randn(4, 3), randn(3, 3, seed=1)
    graph = trace_function(lambda x, w: ((x @ w).tanh().mean(0), (x * x.shape[0]).t()), [x, w], {0: {0: "batch"}})
    compiled = compile_graph(graph, "eager")
    for size in (3, 9, 30):
        x = randn(size, 3, seed=size)
        eager, got = ((x @ w).tanh().mean(0), (x * x.shape[0]).t()), compiled(x, w)
        for a, b in zip(engine.grad(scalar(eager), [x, w], create_graph=True), engine.grad(scalar(got), [x, w], create_graph=True), strict=True):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10)


def test_a_saved_value_that_was_overwritten_is_refused():
    x, w = randn(4, 3), randn(3, 3, seed=1)
    (y,) = compile_graph(trace_function(lambda x, w: (x @ w,), [x, w]), "eager")(x, w)
    with segue.no_grad():
        w.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_copy_of_an_input_that_was_overwritten_is_read():
    """A queue of keys that is changed behind the loss (He, Fan, Wu, Xie and Girshick 2020, Momentum Contrast)."""
    x, queue = randn(4, 3), segue.ones(3, 3, dtype=segue.float64)
    (y,) = compile_graph(trace_function(lambda x, q: (x @ q.clone().detach(),), [x, queue]), "eager")(x, queue)
    queue.mul_(2)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full((4, 3), 3.0))


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_result_without_a_gradient_takes_no_part_in_the_backward(create_graph):
    """As in eager mode: its saved values may be overwritten, its infinite derivatives make no NaN, and its inputs get None."""
    compiled = compile_graph(trace_function(lambda x, w, v: (x.log(), x * w, v.exp()), [randn(3), randn(3), randn(3)]), "eager")
    x, w, v = segue.zeros(3, requires_grad=True), randn(3), randn(3)
    unread, y, gone = compiled(x, w, v)
    with segue.no_grad():
        gone.mul_(2)
    gx, gv = engine.grad(y.sum(), [x, v], allow_unused=True, create_graph=create_graph)
    np.testing.assert_array_equal(gx.detach().numpy(), w.detach().numpy())
    assert gv is None
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        gone.sum().backward()


def test_gradients_of_several_results_are_those_of_each():
    """What arrives nowhere is left out: in a sum it is not added, beside others in an operator it is zeros."""
    inputs = [randn(4, seed=1), randn(4, seed=2)]

    def several(x, w):
        y = x * w
        return y.sin(), y * 3, segue.cat([y, w])[2:6], y.sum(0)

    compiled = compile_graph(trace_function(several, inputs), "eager")
    for chosen in ([0], [1, 2], [3], [0, 2, 3], [0, 1, 2, 3]):
        for create_graph in (False, True):
            expected = engine.grad(sum(several(*inputs)[i].square().sum() for i in chosen), inputs, create_graph=create_graph)
            found = engine.grad(sum(compiled(*inputs)[i].square().sum() for i in chosen), inputs, create_graph=create_graph)
            for a, b in zip(expected, found, strict=True):
                np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


def test_each_result_is_used_up_on_its_own():
    x, w = randn(3), randn(3, seed=1)
    y, z = compile_graph(trace_function(lambda x, w: (x.exp(), w.exp()), [x, w]), "eager")(x, w)
    y.sum().backward()
    z.sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), z.detach().numpy())
    with pytest.raises(RuntimeError, match="second time"):
        z.sum().backward()


def test_backward_twice_needs_retain_graph():
    x = randn(3)
    compiled = compile_graph(trace_function(lambda x: (x.exp().sum(),), [x]), "eager")
    (y,) = compiled(x)
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(x.detach().numpy()))
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_without_gradients_nothing_is_recorded():
    x = randn(3)
    compiled = compile_graph(trace_function(lambda x: (x.exp(), x.detach() * 2), [x]), "eager")
    with segue.no_grad():
        assert not any(y.requires_grad for y in compiled(x))
    assert [y.requires_grad for y in compiled(x)] == [True, False]
    assert not any(y.requires_grad for y in compiled(x.detach()))


def test_an_unused_input_gets_no_gradient():
    x, w = randn(3), randn(3, seed=1)
    (y,) = compile_graph(trace_function(lambda x, w: (x * 2,), [x, w]), "eager")(x, w)
    assert engine.grad(y.sum(), [x, w], allow_unused=True)[1] is None


def test_a_captured_backward_leaves_nothing_to_differentiate():
    x = randn(3)
    tracer = Tracer()
    twin = tracer.input(x, "x")
    with tracer.active():
        loss = (twin * twin).sum()
        loss.backward()
    graph = verify(tracer.finish([loss, twin.grad]))
    compiled = compile_graph(graph, "eager")
    assert compiled.stats["saved_bytes"] == 0 and list(compiled.runners()) == ["inference"]
    loss, gradient = compiled(x)
    np.testing.assert_allclose(gradient.numpy(), 2 * x.detach().numpy())
    assert loss.requires_grad
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def traced_step(model, optimiser_step, x, y):
    """One whole train step as one graph: forward, backward and the update, on twins of the parameters."""
    tracer = Tracer()
    twins = {name: tracer.input(p, name) for name, p in model.named_parameters()}
    tracer.on_grad_read = lambda tensor: None
    for name, twin in twins.items():
        owner, _, leaf = name.rpartition(".")
        model.get_submodule(owner)._parameters[leaf] = twin
    real_x, real_y = tracer.input(x, "x"), tracer.input(y, "y")
    with tracer.active():
        loss = functional.mse_loss(model(real_x), real_y)
        loss.backward()
        with segue.no_grad():
            for twin in twins.values():
                optimiser_step(twin, twin.grad)
    return tracer.finish([loss.detach()])


def test_a_whole_train_step_is_one_graph():
    def step(p, g):
        p.sub_(g, alpha=0.1)

    def model():
        segue.manual_seed(3)
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))

    x, y = randn(6, 4, requires_grad=False).float(), randn(6, 2, seed=1, requires_grad=False).float()
    reference, real = model(), model()
    parameters = list(real.parameters())
    graph = verify(traced_step(real, step, x, y))
    assert [graph.inputs[position].name for position, _ in graph.writes] == [identifier(name) for name, _ in reference.named_parameters()]
    compiled = compile_graph(graph, "eager")
    for _ in range(3):
        (loss,) = compiled(*parameters, x, y)
        expected = functional.mse_loss(reference(x), y)
        reference.zero_grad()
        expected.backward()
        with segue.no_grad():
            for p in reference.parameters():
                step(p, p.grad)
        np.testing.assert_array_equal(loss.numpy(), expected.detach().numpy())
    for p, q in zip(parameters, reference.parameters(), strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())
        assert p._version == q._version and p.requires_grad


UNARY = ["exp", "tanh", "sin", "sigmoid", "square", "neg"]
STEPS = [*UNARY, "add", "mul", "matmul", "sum", "transpose", "cat"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=6))
def test_random_programs(steps):
    def program(x, w, b):
        pool = [x, w, b]
        for name, i, j in steps:
            a, c = pool[i], pool[j]
            if name in UNARY:
                pool[j] = getattr(a.tanh(), name)()
            elif name == "add":
                pool[i] = a + c
            elif name == "mul":
                pool[i] = a * c.tanh()
            elif name == "matmul":
                pool[i] = a @ c / 3
            elif name == "sum":
                pool[i] = a.mean(1, keepdim=True) + c
            elif name == "transpose":
                pool[j] = a.t()
            else:
                pool[j] = segue.cat([a, c])[1:4]
        return tuple(p * 1 for p in pool)

    inputs = randn(3, 3, seed=1), randn(3, 3, seed=2), randn(3, 3, seed=3)
    compiled = compile_graph(trace_function(program, inputs), "eager")
    first = [engine.grad(scalar(call(*inputs)), inputs, create_graph=True, allow_unused=True) for call in (program, compiled)]
    second = [engine.grad(sum((g * g).sum() for g in gradients if g is not None), inputs, allow_unused=True) for gradients in first]
    for eager, got in (first, second):
        for a, b in zip(eager, got, strict=True):
            if a is None or b is None:
                assert a is b or not np.any((a if b is None else b).detach().numpy())
            else:
                np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("size", [4, 9])
def test_guards_made_by_late_compilation_are_checked_at_the_call(size):
    """The backward and the second derivative are compiled after the guards were taken; what they assume is theirs to check."""
    asked = []

    def curious(graph):
        if graph.name in ("backward", "gradients"):
            asked.append(graph.inputs[0].value.shape[0] == 4)
        runner = lookup_backend("eager").compile(graph)

        def strict(inputs):
            assert graph.name not in ("backward", "gradients") or inputs[0].shape[0] == 4, "called outside of its guards"
            return runner(inputs)

        strict.kernels = strict.arena_bytes = 0
        strict.source, strict.cache_hit = "", False
        return strict

    register_backend("test_curious", curious)
    x = randn(4, 3)
    compiled = compile_graph(trace_function(lambda x: (x.exp().sin(),), [x], {0: {0: "n"}}), "test_curious")
    taken = len(compiled.graph.shape_env.guards)
    for n in (4, size):
        x = randn(n, 3, seed=n)
        eager, got = (engine.grad((y * y).sum(), [x], create_graph=create) for y, create in ((x.exp().sin(), True), (compiled(x)[0], False)))
        np.testing.assert_allclose(eager[0].detach().numpy(), got[0].numpy())
        (got,) = engine.grad((compiled(x)[0] ** 2).sum(), [x], create_graph=True)
        second = [engine.grad((g * g).sum(), [x])[0].numpy() for g in (eager[0], got)]
        np.testing.assert_allclose(*second, rtol=1e-9)
    assert asked and all(asked) and len(compiled.graph.shape_env.guards) > taken
