"""NumPy arrays that compiled functions make.

In come programs, out go the same results as eagerly at every call, with arrays of their own each time.
"""

import numpy as np
import pytest
from interp_support import same

import segue
from segue.eager.stats import stats

X = segue.tensor([[1.0, 2.0, 3.5], [4.0, 5.0, 6.0]])


def positions(x):
    table = np.arange(4)[:, None] / np.power(10000, 2 * (np.arange(6)[None] // 2) / 6)
    table[:, 0::2] = np.sin(table[:, 0::2])
    return x.sum() + segue.tensor(table, dtype=segue.float32)


def operators(x):
    a = np.arange(3)
    b = a * 2
    b += 1
    b[1:][0] = 9
    return x * b, a * x, x[:, np.array([0, 2])], b > 3, -a, 2 in b, len(a), [int(i) for i in a], b.reshape(3, 1).T @ b


def numbers(x):
    a = np.array([1.0, 2.0], dtype=np.float32)
    return x * a.mean() if a.sum() > 2 and isinstance(a, np.ndarray) and a.shape == (2,) else x, a.max(), a.tolist(), a.astype(int)


def mask(x):
    return x.masked_fill(segue.from_numpy(np.triu(np.ones((3, 3)), k=1).astype(bool))[0], 0), np.ones_like(x), np.eye(2)


def memory_of_a_tensor(x):
    a = np.zeros(3)
    t = segue.from_numpy(a)
    t.add_(1)
    return x * t, a


def two_views(x):
    a = np.zeros(4)
    v = a[:2]
    v += 1
    return x, a, v


def functions_of_tensors(x):
    return np.sin(x) + np.maximum(x, 2.0)


PROGRAMS = {positions: True, operators: True, numbers: True, mask: True, functions_of_tensors: True, memory_of_a_tensor: False, two_views: False}  # whether in one graph


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_arrays(program):
    before = stats.read()
    compiled = segue.compile(program, backend="eager")
    for _ in range(2):
        expected, found = program(X), compiled(X)
        assert same(expected, found)
        for array in found if isinstance(found, tuple) else ():
            if isinstance(array, np.ndarray):
                array.fill(7)
    assert (stats.since(before)["breaks"] == 0) == PROGRAMS[program]


def test_an_array_that_is_changed_here_is_seen_there():
    found = segue.compile(two_views, backend="eager")(X)
    found[2][0] = 5
    assert found[1][0] == 5


OF_SIZES = {
    "counts": lambda x: (np.arange(len(x)), np.arange(1, len(x), 2), np.arange(len(x), dtype=np.float32), np.arange(len(x))[1:-1] * 2 + 1, np.arange(len(x)) // 2, np.arange(len(x)) < 3),
    "filled": lambda x: (np.ones(len(x)), np.zeros((len(x), 2), dtype=np.int32), np.zeros(x.shape), np.full((len(x), 2), 0.5), np.full(3, len(x)), np.ones(len(x), bool), np.eye(len(x)), np.identity(len(x))),
    "linspace": lambda x: (np.linspace(0, 1, len(x)), np.linspace(-1, len(x), num=len(x)), np.linspace(0.5, 2, len(x))), "shapes": lambda x: (np.array(x.shape), np.array([len(x), 3]), np.zeros((len(x), 3)).shape, len(np.arange(len(x)))),
    "a mask": lambda x: segue.zeros(len(x), len(x)).masked_fill(segue.from_numpy(np.triu(np.ones((len(x), len(x))), k=1).astype(bool)), 1.0), "tril": lambda x: np.tril(np.ones((len(x), len(x)))).astype("uint8"),
    "positions": lambda x: segue.from_numpy((np.arange(len(x))[:, None] / 10 ** (2 * np.arange(4) / 8)).astype(np.float32)) + np.sin(np.arange(len(x)) / len(x))[:, None],
    "an index": lambda x: x[np.arange(len(x))] * segue.tensor(np.ones(len(x), dtype=np.float32))[:, None] + segue.as_tensor(np.linspace(0, 1, len(x)), dtype=segue.float32)[:, None],
}


@pytest.mark.parametrize("name", OF_SIZES)
def test_arrays_of_sizes_that_vary_need_two_graphs(name):
    program = OF_SIZES[name]
    compiled = segue.compile(lambda x: (x * 2, program(x)), backend="eager", fullgraph=True)
    for n in (5, 6, 8, 7, 3, 1, 12):
        found, expected = compiled(segue.ones(n, 4))[1], program(segue.ones(n, 4))
        for a, b in zip(*((v if isinstance(v, tuple) else (v,)) for v in (found, expected)), strict=True):
            if isinstance(b, segue.Tensor):
                segue.testing.assert_close(a, b)
            else:
                assert type(a) is type(b) and np.array_equal(a, b) and (not isinstance(b, np.ndarray) or a.dtype == b.dtype)
    assert len(compiled.cache.settings.captured) <= 3


def test_what_is_asked_of_numpy_in_other_words_ends_the_graph():
    program = lambda x: (x * 2, np.linspace(0, 1, len(x), endpoint=False), np.arange(0.0, len(x)), np.eye(len(x), k=1))  # noqa: E731
    compiled = segue.compile(program, backend="eager")
    for n in (5, 6, 8):
        for a, b in zip(compiled(segue.ones(n))[1:], program(segue.ones(n))[1:]):
            assert np.array_equal(a, b) and a.dtype == b.dtype
