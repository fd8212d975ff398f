"""Seeding and generators inside captured code: `manual_seed`, `get_rng_state`, `set_rng_state`, `fork_rng`, `Generator`.

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
    made, found = compiled(program, backend=backend, fullgraph=True), []
    for run in (program, made):
        segue.manual_seed(7)
        found.append([(run(segue.tensor([1.0, -2.0, 3.0]), n), segue.rand(2)) for n in range(4)])
    assert same(*found)
    assert len(made.cache.settings.recompiles) <= 1


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


def of_two_streams(one, other, x):
    first = segue.rand(3, generator=one)
    second = segue.randn(3, generator=other) + segue.rand(3)
    third = segue.randperm(5, generator=one), segue.empty(3).normal_(generator=other), segue.rand(2)
    return x + first, second, third, one.initial_seed()


def seeded_again(one, other, x):
    state = one.get_state()
    first = segue.rand(3, generator=one)
    one.manual_seed(x.shape[0])
    second = segue.rand(3, generator=one), one.initial_seed()
    one.set_state(state)
    other.manual_seed(-1)
    nn.init.normal_(x, generator=one)
    return first, second, segue.rand(3, generator=one), state, other.initial_seed(), one.device


def made_inside(one, other, x):
    generator = segue.Generator().manual_seed(11)
    fresh = segue.Generator("cpu")
    first = segue.rand(3, generator=generator)
    return x + first, segue.rand(3, generator=generator), generator, segue.rand(2, generator=fresh), fresh.initial_seed(), generator.initial_seed(), segue.rand(2)


def around_a_break(one, other, x):
    made = segue.Generator().manual_seed(3)
    first = segue.rand(3, generator=one), segue.rand(3, generator=made)
    print(end="")
    return x + segue.rand(3, generator=one), segue.rand(3, generator=made), first


def drawing_in_a_loop(one, other, x):
    for _ in range(3):
        x = x + segue.rand(3, generator=one)
        if not segue.isfinite(x).all():
            raise OverflowError
    return x, segue.initial_seed()


@pytest.mark.parametrize("backend", ["eager", "inductor"])
@pytest.mark.parametrize("program", [of_two_streams, seeded_again, made_inside, around_a_break, drawing_in_a_loop], ids=lambda program: program.__name__)
def test_generators(program, backend):
    made, found = compiled(program, backend=backend, fullgraph=program is not around_a_break), []
    for run in (program, made):
        segue.manual_seed(7)
        one, other = segue.Generator().manual_seed(1), segue.Generator().manual_seed(2)
        results = [run(one, other, segue.tensor([1.0, -2.0, 3.0])) for _ in range(3)]
        for generator in (item for result in results for item in result if isinstance(item, segue.Generator)):
            segue.rand(2, generator=generator)
        found.append((results, [segue.rand(2, generator=generator) for generator in (one, other, None)]))
    assert same(*found)
    assert len(made.cache.settings.recompiles) == 0


def test_generators_that_turn_out_to_be_one():
    def program(one, other, x):
        return segue.rand(2, generator=one), segue.rand(2, generator=other), segue.rand(2), x * 2

    made, default = compiled(program), segue.default_generator
    pairs = [lambda: (segue.Generator().manual_seed(1), segue.Generator().manual_seed(2)), lambda: [segue.Generator().manual_seed(3)] * 2, lambda: [default] * 2, lambda: (segue.Generator(), default)]
    for make in [*pairs, *pairs]:
        found = []
        for run in (program, made):
            segue.manual_seed(5)
            pair = make()
            found.append((run(*pair, segue.ones(2)), [segue.rand(2, generator=generator) for generator in pair]))
        assert same(*found)


def test_a_generator_stays_where_it_was_when_the_graph_raises():
    def program(generator, x):
        y = x + segue.rand(2, generator=generator)
        if y.sum() > 10:
            raise OverflowError(f"{y}")
        return y

    texts = []
    for run in (program, compiled(program, fullgraph=True)):
        generator = segue.Generator().manual_seed(1)
        with pytest.raises(OverflowError) as problem:
            run(generator, segue.full((2,), 9.0))
        texts.append((str(problem.value), run(generator, segue.ones(2)).tolist(), generator.get_state().tolist()))
    assert texts[0] == texts[1]
