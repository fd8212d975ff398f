"""Checkpoints of functions that change something, in training steps that are one graph: what the second run changes is changed twice, exactly as eagerly and in PyTorch."""

import functools
import importlib
import warnings

import numpy as np
import pytest

import segue
from segue.utils.checkpoint import checkpoint, checkpoint_sequential, set_checkpoint_early_stop


def blocks(lib, count, dropout):
    nn = lib.nn
    made = nn.Sequential(*[nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.5 if dropout else 0.0)) for _ in range(count)]).double()
    with lib.no_grad():
        for place, p in enumerate(made.parameters()):
            p.copy_((lib.arange(p.numel()).reshape(p.shape).double() * (0.37 + place)).sin())
    return made


def each(run, net, x):
    for block in net:
        x = run(block, x)
    return x


def nested(run, net, x):
    return run(net[2], run(lambda y: run(net[1], run(net[0], y)), x))


def two_results(run, net, x):
    a, b = run(lambda a, b: (net[0](a) + b, net[1](b) * a), x, x * 2)
    return net[2](a.square() + b)


def one_result_unused(run, net, x):
    return run(lambda a, b: (net[0](a) + b, net[1](b) * a), x, x * 2)[0]


def with_a_finally(run, net, x):
    def inside(x):
        net.log = [*net.log, "in"]
        try:
            with net.no_grad():
                net[1](x)
            return net[0](x)
        finally:
            net.log = [*net.log, "out"]

    return run(inside, x)


def counted_behind(run, net, x):
    def inside(x):
        y = net[0](x)
        net.log.append(len(net.log))  # the second run ends in front of this line
        return y

    return run(inside, x)


SHAPES = [each, nested, two_results, one_result_unused, with_a_finally, counted_behind]


def train(lib, run, shape, compiled, *, dropout=False, retain=False, steps=3):
    lib.manual_seed(3)
    net = blocks(lib, 3, dropout)
    net.log, net.no_grad = [], lib.no_grad
    optimizer = lib.optim.SGD(net.parameters(), 0.1, momentum=0.9)

    def step(x):
        optimizer.zero_grad()
        loss = shape(run, net, x).square().mean()
        if retain:
            loss.backward(retain_graph=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = segue.compile(step, backend="eager", fullgraph=True) if compiled else step
    x = (lib.arange(24).reshape(4, 6).double() * 0.7).cos().requires_grad_()
    losses = [step(x) for _ in range(steps)]
    left = [*losses, x.grad, *(lib.zeros(1) if p.grad is None else p.grad for p in net.parameters()), *net.state_dict().values()]
    return [value.detach().numpy() for value in left], net.log


def ways(library, reentrant):
    return functools.partial(library, use_reentrant=reentrant)


@pytest.mark.torch
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda f: f.__name__)
def test_batch_norm_and_python_change_twice_in_one_graph_as_in_pytorch(shape, reentrant):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    importlib.import_module("torch.utils.checkpoint")
    theirs, their_log = train(torch, ways(torch.utils.checkpoint.checkpoint, reentrant), shape, False)
    for compiled in (False, True):
        ours, log = train(segue, ways(checkpoint, reentrant), shape, compiled)
        assert log == their_log
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("reentrant", [False, True])
def test_the_second_run_in_the_graph_draws_the_same_numbers(reentrant, retain):
    runs = [train(segue, ways(checkpoint, reentrant), each, compiled, dropout=True, retain=retain)[0] for compiled in (False, True)]
    assert runs[0][-1] == (9 if retain else 6)  # num_batches_tracked
    for a, b in zip(*runs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def test_checkpoint_sequential_of_batch_norms_is_one_graph():
    def parts(run, net, x):
        return checkpoint_sequential(net, 3, x, use_reentrant=False)

    for a, b in zip(train(segue, None, parts, False)[0], train(segue, None, parts, True)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def test_where_the_backward_is_outside_eager_mode_does_both_runs():
    net = blocks(segue, 2, False)
    compiled = segue.compile(functools.partial(each, ways(checkpoint, False), net), backend="eager")
    x = segue.ones(4, 6, dtype=segue.float64).requires_grad_()
    compiled(x).sum().backward()
    assert [block[1].num_batches_tracked.item() for block in net] == [2, 2]
    found = segue.explain(compiled)(x)
    assert any("changes it again" in graph.ended.reason for graph in found.captured if graph.ended is not None)


def test_second_runs_end_early_as_the_program_says_now():
    class Counting(segue.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.calls = segue.nn.Linear(3, 3), 0

        def forward(self, x):
            x = self.linear(x).tanh()
            self.calls += 1
            return x

    net = Counting()
    step = segue.compile(lambda x: checkpoint(net, x, use_reentrant=False).sum().backward(), backend="eager", fullgraph=True)
    step(segue.ones(2, 3))
    assert net.calls == 1
    with set_checkpoint_early_stop(False):
        step(segue.ones(2, 3))
    assert net.calls == 3
    step(segue.ones(2, 3))
    assert net.calls == 4


def test_a_reentrant_checkpoint_of_what_wants_no_gradient_gives_none():
    net, x = blocks(segue, 2, False).eval(), segue.ones(4, 6, dtype=segue.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not checkpoint(net, x, use_reentrant=True).requires_grad
        for mode in (net.eval, net.train):
            mode()
            assert not segue.compile(lambda x: checkpoint(net, x, use_reentrant=True), backend="eager")(x).requires_grad


def test_the_arena_is_smaller():
    """What each block keeps to itself is computed again, with the batch's statistics."""
    found = []
    for run in (lambda f, x: f(x), ways(checkpoint, False)):
        segue.manual_seed(0)
        net = segue.nn.Sequential(*[segue.nn.Sequential(*inside(32, 256)) for _ in range(4)])

        def step(x, net=net, run=run):
            each(run, net, x).square().mean().backward()

        before = segue.compiler.stats()["arena_bytes"]
        segue.compile(step, fullgraph=True)(segue.randn(128, 32))
        found.append(segue.compiler.stats()["arena_bytes"] - before)
    assert found[1] < found[0] / 2


def inside(width, hidden):
    nn = segue.nn
    return nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, width)
