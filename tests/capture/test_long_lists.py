"""Lists that have as many items as a size that varies says: `[0] * n`, `list(range(n))`, and sums of such.

In come programs over many lengths, out must come what eager code gives: two graphs where nobody looks at an item, and a graph for each size where somebody does.
"""

import math

import numpy as np
import pytest

import segue

F = segue.nn.functional
LENGTHS = (5, 8, 6, 9, 12, 7, 33, 18, 20, 11, 13, 10, 16, 24, 17, 21, 40, 15, 14, 31)


class Kept:
    labels = None


def kept(x):
    Kept.labels = [7] * len(x)
    return x * 2, Kept.labels


TWO_GRAPHS = {
    "labels": lambda x: segue.tensor([1] * len(x) + [0] * (len(x) // 2)),
    "bools": lambda x: segue.tensor([True] * len(x)),
    "floats": lambda x: (segue.tensor([0.1] * len(x)), segue.tensor([0.1] * len(x), dtype=segue.float64), segue.as_tensor([0.1, math.pi] * len(x))),
    "ints as floats": lambda x: segue.tensor([3] * len(x), dtype=segue.float32),
    "large ints": lambda x: segue.tensor([2**60 + 1] * len(x)),
    "no numbers": lambda x: segue.tensor([math.nan, math.inf] * len(x)),
    "sizes": lambda x: segue.tensor([len(x)] * len(x)),
    "a range": lambda x: (segue.tensor(list(range(len(x)))), segue.tensor(list(range(len(x), 0, -3)))),
    "an older name": lambda x: segue.LongTensor([1] * len(x)),
    "an index": lambda x: (x[list(range(len(x)))], x[list(range(0, len(x), 2))], x[range(1, len(x))], x[[0] * len(x)]),
    "classes": lambda x: F.cross_entropy(x, segue.tensor([1] * len(x))),
    "an array": lambda x: (np.array([2] * len(x)), segue.from_numpy(np.array([0.5] * len(x)))),
    "returned": lambda x: ([0] * len(x), len(x) * [None], ["a", len(x)] * len(x), list(range(len(x))), [1] * len(x) + [2] * 3 + list(range(len(x))), {"l": [[0] * len(x)]}),
    "returned, perhaps empty": lambda x: [0] * (len(x) - 9),
    "kept": kept,
    "len": lambda x: x * len([0] * len(x) + [1, 2]) if [0] * len(x) else x,
    "as a shape": lambda x: segue.zeros([2] + [len(x)] * 2),
}
FIXED = {
    "an item": lambda x: ([0] * len(x))[3],
    "a store": lambda x: [l := [0] * len(x), l.__setitem__(2, 5), segue.tensor(l)],
    "append": lambda x: [l := [1] * len(x), l.append(2), segue.tensor(l)],
    "items of two types": lambda x: segue.tensor([1, 0.5] * len(x)),
    "a narrow dtype": lambda x: segue.tensor([1] * len(x), dtype=segue.uint8),
    "one object": lambda x: [l := [[1]] * len(x), l[0] is l[-1], l[0].append(2)],
    "a comparison": lambda x: [0] * len(x) == [0] * len(x),
    "sorted": lambda x: (sorted([3, 1] * len(x)), sum([2] * len(x)), 3 in [0] * len(x)),
}


def check(program, lengths, dtype=None):
    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for n in lengths:
        x = segue.arange(float(n * 2)).view(n, 2) / 8
        found, expected = compiled(x), program(x)
        assert repr(found) == repr(expected), n
    return len(compiled.cache.settings.captured)


@pytest.mark.parametrize("name", TWO_GRAPHS)
def test_many_lengths_need_two_graphs(name):
    assert check(TWO_GRAPHS[name], LENGTHS) <= (3 if name == "returned, perhaps empty" else 2)


@pytest.mark.parametrize("name", [*TWO_GRAPHS, *FIXED])
def test_short_ones(name):
    program = {**TWO_GRAPHS, **FIXED}[name]
    lengths = [n for n in (4, 5, 1, 0, 2, 7, 1, 0, 3) if n > 3 or name not in ("an item", "a store", "one object", "classes")]
    check(program, lengths)


@pytest.mark.parametrize("name", FIXED)
def test_where_items_matter_the_size_is_fixed(name):
    assert check(FIXED[name], (5, 8, 6, 9)) == 4


def test_the_returned_list_is_a_new_one():
    compiled = segue.compile(lambda x: [0] * len(x), backend="eager", dynamic=True)
    first, second = compiled(segue.ones(3)), compiled(segue.ones(3))
    first[0] = 1
    assert first == [1, 0, 0] and second == [0, 0, 0]


def test_what_does_not_fit_a_dtype_raises():
    for n in (3, 4, 5):
        with pytest.raises(RuntimeError, match="overflow"):
            segue.compile(lambda x: segue.tensor([300] * len(x), dtype=segue.uint8), backend="eager", dynamic=True)(segue.ones(n))
