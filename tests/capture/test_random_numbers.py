"""Random numbers of Python and NumPy inside of compiled functions.

In come programs that draw, out go what they return and what the generator draws next, after as many calls of the compiled function as of the function itself. The one idea: the same
numbers in the same order at every call, whatever becomes of the graph.
"""

import random

import numpy as np
import pytest
from interp_support import same

import segue
from segue.eager.errors import CaptureError
from segue.eager.stats import stats

X = segue.tensor([[1.0, 2.0, 3.5], [4.0, 5.0, 6.0]])
RNG = random.Random(7)
NUMPY = np.random.default_rng(8)
STATE = NUMPY.bit_generator.state


def shuffled(x):
    order = list(range(3))
    random.shuffle(order)
    return x[:, order], x[:, order[:2]], order


def masked(x):
    start = random.randint(0, 1)
    y = x.clone()
    y[:, start : start + random.randrange(1, 3)] = 0
    return y, start


def looped(x):
    for _ in range(3):
        x = x * random.uniform(0.5, 1.5) + RNG.gauss(0, 1)
    return x, random.getrandbits(8), [RNG.random() for _ in range(2)]


def sampled(x):
    found = random.sample(range(10), 3)
    found.append(random.choice([1, 5, 9]))
    return found, x * segue.tensor(found[:3]), random.choices([0.5, 1.5], k=2)


def compared(x):
    return segue.where(segue.rand(3) < random.random(), x, -x), segue.tensor(random.random()), x * np.random.randint(3)


def seeded(x):
    random.seed(3)
    return x + random.random()


def branched(x):
    return x * 2 if random.random() < 0.5 else x * 3


def interrupted(x):
    y = x * random.random()
    print("", end="")
    return y + random.random()


def in_a_branch(x):
    return segue.cond(x.sum() > 100, lambda x: x * random.random(), lambda x: x + 1, (x,))


def chosen_of_kinds(x):
    return random.choice(["a", "b"]), x + random.random()


def of_numpy(x):
    order = np.random.permutation(3)
    noise = np.random.uniform(-1, 1, size=(2, 3)) * 2 - 1
    return x[:, order] + segue.from_numpy(noise).float(), order, noise < 0, np.random.randint(1, 5), np.random.normal(), x * np.random.beta(2.0, 3.0)


def of_a_numpy_generator(x):
    y = x + segue.tensor(NUMPY.normal(size=3), dtype=segue.float32)
    return y * NUMPY.random(), NUMPY.integers(0, 9, size=2)


PROGRAMS = {  # program -> its breaks
    shuffled: 0, masked: 0, looped: 0, sampled: 0, seeded: 0, compared: 0, branched: 1, interrupted: 1, chosen_of_kinds: 1, of_numpy: 0,
    of_a_numpy_generator: 0,
}  # fmt: skip


def run(function, x, calls=4):
    random.seed(5)
    RNG.seed(6)
    np.random.seed(7)
    segue.manual_seed(9)
    NUMPY.bit_generator.state = STATE
    return [function(x) for _ in range(calls)], random.random(), RNG.random(), np.random.rand(), NUMPY.random()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_the_same_numbers_at_every_call(program):
    before = stats.read()
    compiled = segue.compile(program, backend="eager")
    assert same(run(program, X), run(compiled, X))
    assert stats.since(before)["breaks"] == PROGRAMS[program]


def test_what_only_one_branch_draws_is_not_captured():
    with pytest.raises(CaptureError, match="never or often"):
        segue.compile(in_a_branch, backend="eager", fullgraph=True)(X)


def test_a_graph_that_raises_has_drawn_nothing():
    def program(x, index):
        return x[index] * random.random()

    compiled = segue.compile(program, backend="eager")
    compiled(X[0], segue.tensor([0]))
    random.seed(1)
    expected = random.random()
    random.seed(1)
    with pytest.raises(IndexError):
        compiled(X[0], segue.tensor([9]))
    assert random.random() == expected


def test_a_list_of_sizes_is_a_tensor():
    compiled = segue.compile(lambda x: segue.tensor([[x.shape[0], 2], [3, 4]]) * x, backend="eager", dynamic=True, fullgraph=True)
    for count in (2, 3):
        assert compiled(segue.ones(count, 2, 2)).tolist() == (segue.tensor([[count, 2], [3, 4]]) * segue.ones(count, 2, 2)).tolist()


def crop(x):
    top, left = random.randint(0, x.shape[0] - 4), random.randrange(x.shape[1] - 3)
    part = x[top : top + 4, left : left + 4]
    return part.reshape(16) * segue.arange(16), part, top, left


def rows(x):
    return x[random.randrange(len(x))], x[random.randint(0, len(x) - 1)], x[: random.randint(1, len(x))]


def arrays(x):
    n = len(x)
    order, noise = np.random.permutation(n), np.random.randn(*x.shape).astype(np.float32)
    kept = segue.from_numpy(np.random.rand(n) < 0.5)
    return x[order], x + segue.from_numpy(noise), kept, x[kept] * np.random.beta(2.0, 3.0), x[np.random.permutation(n)[: n // 2]]


def arrays_by_size(x):
    n = len(x)
    scale = segue.tensor(np.random.uniform(0.5, 1.5, size=(n, 1)), dtype=segue.float32)
    return x * scale, x[np.random.randint(0, n, 3)], x[np.random.randint(4, size=n)], np.random.normal(size=n), np.random.random((n // 2, 2)), np.random.exponential(2.0, n * 2)


def arrays_of_a_generator(x):
    return x[NUMPY.permutation(len(x))], NUMPY.normal(0, 1, (len(x), 2)), segue.from_numpy(NUMPY.random(len(x))) * 2, NUMPY.integers(0, len(x), size=2)


@pytest.mark.parametrize("program", [arrays, arrays_by_size, arrays_of_a_generator])
def test_arrays_of_sizes_that_vary_are_drawn_in_front_of_one_graph(program):
    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for n in (5, 6, 8, 7, 12, 9, 4, 5):
        x = segue.arange(float(n * 3)).reshape(n, 3)
        assert same(run(program, x, 1), run(compiled, x, 1))
    assert len(compiled.cache.settings.captured) == 2


@pytest.mark.parametrize("program", [arrays_of_a_generator, lambda x: (x * 2, np.random.rand(len(x), 2), segue.from_numpy(np.random.permutation(len(x))))])
def test_arrays_of_few_or_no_numbers(program):
    compiled = segue.compile(program, backend="eager")
    for n in (5, 1, 2, 0, 3, 1, 0):
        x = segue.arange(float(n * 3)).reshape(n, 3)
        if n or program is not arrays_of_a_generator:
            assert same(run(program, x, 2), run(compiled, x, 2))


@pytest.mark.parametrize("program", [crop, rows])
def test_places_within_sizes_that_vary_are_drawn_in_front_of_one_graph(program):
    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for n in (5, 6, 8, 7, 12, 9, 4, 5):
        x = segue.arange(float(n * (n + 2))).reshape(n, n + 2)
        found = []
        for run in (program, compiled):
            random.seed(n)
            found.append((*run(x), random.random()))
        segue.testing.assert_close(*found)
    assert len(compiled.cache.settings.captured) == 2


def test_no_place_within_a_size_raises_what_python_raises():
    def program(x):
        try:
            return x[random.randint(0, x.shape[0] - 4)]
        except ValueError:
            return x * 2

    compiled = segue.compile(program, backend="eager")
    for n in (5, 6, 3, 7, 2):
        random.seed(n)
        expected = program(segue.arange(n))
        random.seed(n)
        assert segue.equal(compiled(segue.arange(n)), expected)
