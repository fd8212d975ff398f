"""Hooks on gradients that a step registers and removes: they are part of its graph.

In comes a step, out go eager's gradients, and what the hooks saw.
"""

from __future__ import annotations

import pytest
from interp_support import compiled, same

import segue
from segue import nn


def scaled(net, x):
    weight = net[0].weight
    handle = weight.register_hook(lambda gradient: gradient * 2)
    net(x).sum().backward()
    handle.remove()
    handle.remove()
    return [p.grad.clone() for p in net.parameters()]


def watched(net, x):
    norms = {}

    def watch(name):
        def hook(gradient):
            norms[name] = gradient.norm()

        return hook

    handles = [p.register_hook(watch(name)) for name, p in net.named_parameters()]
    try:
        net(x).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    return norms


def stepped_in_the_backward(net, x):
    seen = []

    def update(p):
        seen.append(tuple(p.shape))
        with segue.no_grad():
            p -= 0.1 * p.grad
        p.grad = None

    handles = [p.register_post_accumulate_grad_hook(update) for p in net.parameters()]
    net(x).sum().backward()
    for handle in handles:
        handle.remove()
    return seen, [p.detach().clone() for p in net.parameters()]


def on_tensors_of_the_step(net, x):
    inner = (x * 1).requires_grad_()
    gone = inner.register_hook(lambda gradient: gradient * 3)
    twice = inner.register_hook(lambda gradient: gradient + 1)
    total = (inner * inner).sum()
    middle = net[0](inner)
    middle_hook = middle.register_hook(lambda gradient: gradient * 5)
    total.backward(retain_graph=True)
    gone.remove()
    total.backward()
    twice.remove()
    middle_hook.remove()
    middle.sum().backward()
    return inner.grad


STEPS = [scaled, watched, stepped_in_the_backward, on_tensors_of_the_step]


def outcomes(step, wrapper, **options):
    segue.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    run, x = wrapper(lambda x: step(net, x), **options), segue.tensor([1.0, -2.0, 3.0])
    found = []
    for _ in range(3):
        for p in net.parameters():
            p.grad = None
        found.append(run(x))
        assert all(not p._hooks for p in net.parameters())
    return found


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_hooks_that_come_and_go_are_part_of_the_graph(step):
    assert same(outcomes(step, compiled, fullgraph=True), outcomes(step, lambda run: run))


def test_a_hook_that_stays_is_there_behind_the_graph():
    weight = nn.Parameter(segue.ones(3))

    def step(x):
        weight.register_hook(lambda gradient: gradient * 2)
        return (weight * x).sum()

    compiled(step)(segue.ones(3)).backward()
    assert weight.grad.tolist() == [2, 2, 2] and len(weight._hooks) == 1
