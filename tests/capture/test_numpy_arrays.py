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
