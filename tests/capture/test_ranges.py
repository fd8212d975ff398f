"""Ranges whose bounds are sizes that vary: what is fixed of them is how many turns a loop takes, and only where it takes them.

In come programs over 20 lengths, out must come what eager code gives. The one idea: the number of graphs is counted; two where no loop goes over the range.
"""

import pytest

import segue

LENGTHS = (5, 8, 6, 9, 12, 7, 33, 18, 20, 11, 13, 10, 16, 24, 17, 21, 40, 15, 14, 31)


def left_early(x):
    for i in range(len(x)):
        if i * 2 >= 3:
            return x * i
    return x


TWO_GRAPHS = {
    "returned": lambda x: (range(len(x)), range(len(x), 0, -2), range(2, len(x) // 2)),
    "attributes": lambda x: (range(len(x)).start, range(3, len(x)).stop, range(0, len(x), 3).step),
    "len": lambda x: segue.ones(len(range(0, len(x), 3)), len(range(len(x), 2, -2))),
    "len of one that may be empty": lambda x: x * len(range(10, len(x))),
    "items": lambda x: (range(len(x))[2], range(0, len(x), 3)[-1], range(len(x), 0, -1)[1]),
    "truth": lambda x: x * 2 if range(2, len(x)) else x,
    "in": lambda x: (len(x) in range(4, len(x) + 1), 100 in range(len(x)), 3.5 in range(8)),
    "chunks": lambda x: segue.cat([x[start : start + 64] * 2 for start in range(0, len(x), 64)]),
    "chunks to their ends": lambda x: segue.stack([x[start : min(start + 50, len(x))].sum(0) for start in range(0, len(x), 50)]),
    "chunks, counted": lambda x: [(place, x[start:].sum() * start) for place, start in enumerate(range(len(x) - 2, len(x)))],
    "backwards": lambda x: [x[i] * i for i in reversed(range(len(x) - 3, len(x)))],
    "left early": left_early,
    "beside a shorter one": lambda x: [x[i] * j for i, j in zip(range(len(x)), (3, 1, 2))],
    "next": lambda x: next(iter(range(len(x), 100))),
    "sum": lambda x: x * sum(range(len(x))) + sum(range(1, len(x), 2), 5),
}


def same(a, b):
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return a.shape == b.shape and a.equal(b) if isinstance(a, segue.Tensor) else (type(a), a) == (type(b), b)


@pytest.mark.parametrize("name", TWO_GRAPHS)
def test_many_lengths_need_two_graphs(name):
    program = TWO_GRAPHS[name]
    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for n in LENGTHS:
        x = segue.arange(float(n * 2)).view(n, 2) / 8
        assert same(compiled(x), program(x)), n
    assert len(compiled.cache.settings.captured) <= 2


def test_a_loop_needs_a_graph_for_each_number_of_turns():
    def program(x):
        return [x[start : start + 16].sum() * start for start in range(0, len(x), 16)]

    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for n in (*LENGTHS, 1, 0, 2):
        x = segue.arange(float(n))
        assert same(compiled(x), program(x)), n
    assert len(compiled.cache.settings.captured) <= 1 + 4 + 1  # the first length, none to three turns, and a last part that is whole


def test_a_break_in_a_loop_goes_on_with_its_range():
    def program(x):
        found = []
        for start in range(0, len(x), 64):
            segue.compiler.graph_break()
            found.append(x[start : start + 64] * 2)
        return found

    compiled = segue.compile(program, backend="eager")
    for n in LENGTHS:
        x = segue.arange(float(n))
        assert same(compiled(x), program(x)), n
    assert len(compiled.cache.settings.captured) <= 4


@pytest.mark.parametrize("program", [lambda x: range(len(x), 0, 0), lambda x: range(len(x))[len(x)], lambda x: range(len(x))[-len(x) - 1], lambda x: range(len(x), x)])
def test_errors(program):
    for n in (3, 4, 5):
        with pytest.raises((ValueError, IndexError, TypeError)) as expected:
            program(segue.ones(n))
        with pytest.raises(expected.type) as found:
            segue.compile(program, backend="eager", dynamic=True)(segue.ones(n))
        assert str(found.value).split("\n")[0] == str(expected.value).split("\n")[0]


def test_ranges_beyond_the_words_of_the_machine():
    def look(x):
        long = range(0, 2**100, 3)
        try:
            found = len(long)
        except OverflowError as problem:
            found = str(problem)
        return x + 1, long[2**90], long[-1], long[::2**98], found, issubclass(int, int | str)

    assert segue.compile(look, backend="eager")(segue.ones(2))[1:] == look(segue.ones(2))[1:]
