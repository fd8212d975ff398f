"""Seeding inside captured code: `manual_seed`, `get_rng_state`, `set_rng_state`, `fork_rng`.

In comes a program that draws, out go eager's numbers, and the generator stands where eager mode leaves it.
"""

from __future__ import annotations

import pytest
from interp_support import compiled, same

import segue
from segue import nn


def seeded_twice(x, n):
    first = segue.rand(3)
    segue.manual_seed(3)
    second = segue.rand(3)
    segue.manual_seed(3)
    return x + first, second, segue.rand(3), nn.functional.dropout(x, 0.5)


def seeded_by_the_step(x, n):
    segue.manual_seed(42 + n)
    return x + segue.randn_like(x), segue.randperm(4), segue.randint(0, 100, (2,))


def put_back(x, n):
    before = segue.rand(2)
    state = segue.get_rng_state()
    first = segue.rand(3)
    segue.set_rng_state(state)
    return before, first, segue.rand(3) + x, state


def forked(x, n):
    outer = segue.rand(1)
    with segue.random.fork_rng():
        segue.manual_seed(-5)
        inner = segue.rand(3)
    with segue.random.fork_rng(enabled=False):
        segue.rand(1)
    return inner + x, segue.rand(3), outer


def asked(x, n):
    generator = segue.manual_seed(n)
    return x + segue.rand(3), generator.initial_seed(), segue.initial_seed()


def refused(x, n):
    try:
        segue.manual_seed(2**70)
    except RuntimeError as error:
        return x + segue.rand(3), str(error).splitlines()[0]


@pytest.mark.parametrize("backend", ["eager", "inductor"])
@pytest.mark.parametrize("program", [seeded_twice, seeded_by_the_step, put_back, forked, asked, refused], ids=lambda program: program.__name__)
def test_the_stream_is_eagers(program, backend):
    made, found = compiled(program, backend=backend, fullgraph=program is not asked), []
    for run in (program, made):
        segue.manual_seed(7)
        found.append([(run(segue.tensor([1.0, -2.0, 3.0]), n), segue.rand(2)) for n in range(4)])
    assert same(*found)
    assert len(made.cache.settings.recompiles) <= 1 + (program is asked)


def test_a_training_step_that_seeds():
    def outcome(wrapper):
        segue.manual_seed(0)
        layer = nn.Linear(3, 1)
        optimizer = segue.optim.SGD(layer.parameters(), lr=0.1)

        def step(x, n):
            segue.manual_seed(n)
            loss = (layer(x + segue.randn_like(x)) ** 2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = wrapper(step)
        return [run(segue.ones(3), n) for n in (5, 9, 2, 5)]

    assert same(outcome(lambda step: compiled(step, fullgraph=True)), outcome(lambda step: step))
