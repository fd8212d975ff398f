"""Index expressions, beside Python's own numbers at every place of their loops: what they are, and that they stay within the bounds that are claimed for them."""

import itertools
import random

import numpy as np
import pytest
from graph_support import compare, traced

import segue
from segue.inductor.backend import compile_graph
from segue.inductor.expressions import Index, Rounded, flatten, unflatten, variables_of


def value(index, place):
    """What an index is where the loop variables are at `place`."""
    total = index.offset
    for atom, c in index.terms.items():
        if isinstance(atom, Rounded):
            inner = value(atom.index, place)
            total += c * (inner // atom.size if atom.kind == "//" else inner % atom.size)
        else:
            total += c * place[atom]
    return total


def parts(index):
    """An index and those that are rounded in it."""
    yield index
    for atom in index.terms:
        if isinstance(atom, Rounded):
            yield from parts(atom.index)


def drawn(draw, variables):
    """(an index, the same as a function of the numbers of the variables), of a few steps as views take them."""
    index, number = Index({}), lambda at: 0
    for _ in range(draw.randrange(2, 8)):
        step, by, n = draw.randrange(5), draw.choice([1, 2, 3, 4, 6, 7, 12, 14, 98]), draw.randrange(len(variables))
        before = number
        if step == 0:
            index, number = index + variables[n] * by, lambda at, f=before, n=n, by=by: f(at) + at[n] * by
        elif step == 1:  # walked backwards
            size = draw.randrange(1, 200)
            index, number = (size - 1) - index, lambda at, f=before, size=size: size - 1 - f(at)
        elif step == 2:
            index, number = index // by, lambda at, f=before, by=by: f(at) // by
        elif step == 3:
            index, number = index % by, lambda at, f=before, by=by: f(at) % by
        else:
            index, number = index * by + by // 2, lambda at, f=before, by=by: f(at) * by + by // 2
    return index, number


@pytest.mark.parametrize("seed", range(20))
def test_an_index_is_what_python_makes_of_its_numbers(seed):
    draw = random.Random(seed)
    for _ in range(60):
        sizes = tuple(draw.choice([2, 3, 4, 7, 14]) for _ in range(draw.randrange(1, 4)))
        variables = variables_of(sizes)
        atoms = [next(iter(v.terms)) for v in variables]
        index, number = drawn(draw, variables)
        for at in itertools.product(*map(range, sizes)):
            place = dict(zip(atoms, at))
            assert value(index, place) == number(at), (index, at)
            for part in parts(index):
                low, high = part.bounds()
                assert (low is None or low <= value(part, place)) and (high is None or value(part, place) <= high), (part, low, high)


def test_places_in_a_shape():
    for shape in ((4, 7, 14), (2, 3), (5,), (3, 1, 4)):
        variables = variables_of(shape)
        linear = flatten(variables, shape)
        assert unflatten(linear, shape) == variables


VIEWS = {
    "flipped": lambda x: segue.stack([x.reshape(4, 1568), x.reshape(4, 1568).flip(-1)], 1),
    "flipped and cut": lambda x: x.reshape(4, -1).flip(1)[:, ::3] + 1,
    "rolled backwards": lambda x: x.flip((1, 3)).reshape(4, 2, -1).flip(2).roll(5, 2) * 2,
    "turned": lambda x: segue.rot90(x.reshape(64, 98), 1).reshape(14, -1).flip(0) + 1,
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_that_walk_backwards_through_others(name):
    x = np.arange(4 * 16 * 7 * 14, dtype="f").reshape(4, 16, 7, 14)
    graph = traced(VIEWS[name], x)
    compare(graph, compile_graph(graph), [x])
