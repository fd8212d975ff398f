"""Optimizers that a step makes: for an inner loop, for an attack, or once, at the first step.

In comes a step, out go eager's parameters and state, from one graph.
"""

from __future__ import annotations

import copy

import pytest
from interp_support import compiled, same

import segue
from segue import nn, optim

X = segue.tensor([1.0, -2.0, 3.0])
MAKERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1), "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True), "Adam": lambda p: optim.Adam(p, lr=0.1),
    "AdamW": lambda p: optim.AdamW(p, lr=0.1, amsgrad=True), "RMSprop": lambda p: optim.RMSprop(p, lr=0.01), "Adagrad": lambda p: optim.Adagrad(p),
}  # fmt: skip


def layers():
    segue.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize("name", MAKERS)
def test_an_inner_loop(name):
    def step(net, x):
        optimizer = MAKERS[name](net.parameters())
        for _ in range(2):
            loss = net(x).pow(2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss, [p.detach().clone() for p in net.parameters()]

    one, other = layers(), layers()
    made = compiled(lambda x: step(one, x), fullgraph=True)
    for _ in range(3):
        assert same(made(X), step(other, X))


def test_a_copy_that_adapts():
    net = layers()

    def step(x):
        fast = copy.deepcopy(net)
        optimizer = optim.SGD(fast.parameters(), lr=0.1)
        fast(x).pow(2).sum().backward()
        optimizer.step()
        return fast(x), net(x)

    assert same(compiled(step, fullgraph=True)(X), step(X))


def test_an_attack():
    net = layers()

    def step(x):
        delta = segue.zeros_like(x).requires_grad_()
        optimizer = optim.Adam([delta], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (-net(x + delta).pow(2).sum()).backward()
            optimizer.step()
            with segue.no_grad():
                delta.clamp_(-0.2, 0.2)
        net.zero_grad()
        return delta.detach()

    assert same(compiled(step, fullgraph=True)(X), step(X))


def test_one_that_is_kept_goes_on():
    def program():
        net, kept = layers(), {}

        def step(x):
            if "optimizer" not in kept:
                kept["optimizer"] = optim.Adam(net.parameters(), lr=0.1)
            optimizer = kept["optimizer"]
            loss = net(x).pow(2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return step, kept

    (eager, one), (step, other) = program(), program()
    made = compiled(step, fullgraph=True)
    for _ in range(3):
        assert same(made(X), eager(X))
    states = [kept["optimizer"].state_dict()["state"] for kept in (one, other)]
    assert same(*states) and states[0][0]["step"] == 3
