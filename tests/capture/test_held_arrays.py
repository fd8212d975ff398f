"""NumPy arrays that modules, objects and globals keep: read by graphs as tensors are, guarded by type and shape, never given away."""

import numpy as np
import pytest

import segue
from segue import nn
from segue.eager.stats import stats

TABLE = np.arange(3.0)


class Triangular(nn.Module):
    """As the linear layers of normalizing flows make a matrix of its entries."""

    def __init__(self):
        super().__init__()
        self.places, self.mask, self.scale = np.tril_indices(3, -1), np.array([True, False, True]), np.array([1.0, 2.0, 3.0], "float32")
        self.entries = nn.Parameter(segue.tensor([1.0, 2.0, 3.0]))

    def forward(self, x):
        matrix = x.new_zeros(3, 3)
        matrix[self.places[0], self.places[1]] = self.entries
        matrix[self.mask] += 1
        y = (x @ matrix) * segue.tensor(self.scale) + self.scale
        return y, x[:, self.places[0]], (self.scale.shape, len(self.mask), self.mask.ndim), self.scale.copy() * 2, self.scale


@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_arrays_of_a_module_are_inputs_of_its_graph(backend):
    model, x = Triangular(), segue.ones(2, 3)
    made, before = segue.compile(model, fullgraph=True, backend=backend), stats.read()

    def agree():
        ours, theirs = made(x), model(x)
        assert segue.equal(ours[0], theirs[0]) and segue.equal(ours[1], theirs[1]) and ours[0].dtype is theirs[0].dtype and ours[2] == theirs[2]
        assert ours[3].tolist() == theirs[3].tolist() and ours[4] is model.scale
        assert segue.equal(*(segue.autograd.grad(y[0].sum(), model.entries)[0] for y in (ours, theirs)))

    agree()
    model.scale[0] = 7.0
    agree()
    assert stats.since(before)["captures"] == 1
    model.scale = np.array([1.0, 2.0, 4.0])
    agree()
    assert stats.since(before)["captures"] == 2


def test_what_shares_memory_is_seen():
    def program(x):
        x += 1
        return x * TABLE

    made, kept = segue.compile(program), TABLE.copy()
    for fresh in (True, False):
        found = []
        for run in (program, made):
            TABLE[:] = kept
            x = segue.ones(3, dtype=segue.float64) if fresh else segue.from_numpy(TABLE)
            found.append((run(x).tolist(), TABLE.tolist()))
        assert found[0] == found[1]
    TABLE[:] = kept


@pytest.mark.parametrize("program", [lambda x: (x * 1, segue.from_numpy(TABLE)), lambda x: (x * 1, TABLE[1:]), lambda x: (x * 1, segue.as_tensor(TABLE)), lambda x: (x * 1, TABLE.reshape(1, 3))])
def test_views_of_an_array_are_made_outside_of_the_graph(program):
    found = segue.compile(program)(segue.ones(3))[1]
    assert np.shares_memory(found if isinstance(found, np.ndarray) else found.numpy(), TABLE)


def test_an_array_as_an_argument_ends_the_graph_as_before():
    made = segue.compile(lambda x, array: x * array)
    assert [made(segue.ones(n, dtype=segue.float64), np.arange(float(n))).tolist() for n in (2, 3, 4)] == [[0, 1], [0, 1, 2], [0, 1, 2, 3]]
