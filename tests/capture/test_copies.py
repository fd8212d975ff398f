"""copy.copy and copy.deepcopy of modules and of objects that say themselves what a copy takes along.

In comes a program that copies, out goes eager's answer, within one graph.
"""

from __future__ import annotations

import copy

import pytest
from interp_support import compiled, same

import segue
from segue import nn


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(self.a(x))


class Dropping:
    def __init__(self):
        self.parts = [1]
        self.open = object()

    def __getstate__(self):
        state = self.__dict__.copy()
        del state["open"]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.open = None


class Packed:
    def __init__(self):
        self.parts = [1, 2]

    def __getstate__(self):
        return self.parts, 3

    def __setstate__(self, state):
        self.parts, self.more = state


class Told:
    def __init__(self):
        self.parts = [1, 2]

    def __setstate__(self, state):
        self.got = sorted(state)


def layers():
    segue.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def averaged(net, x):
    other = copy.deepcopy(net)
    with segue.no_grad():
        for mine, its in zip(other.parameters(), net.parameters()):
            mine.mul_(0.5).add_(its, alpha=0.1)
    return other(x), net(x), other.training, other[0].weight is net[0].weight


def adapted(net, x):
    fast = copy.deepcopy(net[0])
    loss = fast(x).pow(2).sum()
    gradients = segue.autograd.grad(loss, list(fast.parameters()))
    with segue.no_grad():
        for p, gradient in zip(fast.parameters(), gradients):
            p.sub_(0.1 * gradient)
    return fast(x), net[0](x)


def stacked(net, x):
    blocks = nn.ModuleList([copy.deepcopy(net[1]) for _ in range(3)])
    y = net[0](x)
    for block in blocks:
        y = block(y)
    return y, len(list(blocks.parameters()))


def shared(net, x):
    other = copy.copy(net)
    other.extra = 3
    return other(x), other[0] is net[0], hasattr(net, "extra")


def tied(net, x):
    other = copy.deepcopy(TIED)
    return other(x), other.a.weight is other.b.weight, len(list(other.parameters()))


def states(net, x):
    a, b, c, d = copy.copy(DROPPING), copy.deepcopy(DROPPING), copy.deepcopy(PACKED), copy.deepcopy(TOLD)
    b.parts.append(5)
    return x * len(b.parts), a.parts is DROPPING.parts, a.open, b.open, DROPPING.open is None, c.parts, c.more, c.parts is PACKED.parts, d.got, hasattr(d, "parts")


TIED, DROPPING, PACKED, TOLD = Tied(), Dropping(), Packed(), Told()


@pytest.mark.parametrize("program", [averaged, adapted, stacked, shared, tied, states], ids=lambda program: program.__name__)
def test_copies_are_part_of_the_graph(program):
    nets, x = (layers(), layers()), segue.tensor([[1.0, -2.0, 3.0], [2.0, 0.0, 1.0]])
    made = compiled(lambda x: program(nets[0], x), fullgraph=True)
    for _ in range(2):
        assert same(made(x), program(nets[1], x))


def test_a_copy_that_is_kept():
    net, kept = layers(), []
    before = [p.detach().clone() for p in net.parameters()]

    def run(x):
        kept.append(copy.deepcopy(net))
        net(x).sum().backward()
        with segue.no_grad():
            for p in net.parameters():
                p -= p.grad

    compiled(run, fullgraph=True)(segue.ones(2, 3))
    assert all(type(p) is nn.Parameter and p.grad is None and same(p.detach(), old) for p, old in zip(kept[0].parameters(), before))
    assert not same(net[3].bias.detach(), before[-1]) and list(kept[0].state_dict()) == list(net.state_dict())
