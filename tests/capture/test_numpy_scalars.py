"""NumPy's scalars in captured code: what `np.sqrt(d)` gives is a constant as what `math.sqrt(d)` gives. And reversed() of what is indexed."""

import numpy as np
import pytest

import segue
from segue import nn


class Holder:
    scale = np.float64(0.3)

    def __init__(self):
        self.own = np.sqrt(7)


class Short:
    """Says that it has three items, and has two."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index == 0:
            raise IndexError
        return index


class Backwards:
    def __reversed__(self):
        return iter([3, 2])


holder = Holder()
layers = nn.ModuleList([nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)])


def follow_back(x):
    for layer in reversed(layers):
        x = layer(x)
    return x


PROGRAMS = {
    "a ufunc of a size": lambda x: x / np.sqrt(x.shape[-1]),
    "from the left": lambda x: np.sqrt(2.0) * x,
    "attributes": lambda x: x * holder.scale - holder.own,
    "prod of a shape": lambda x: x.reshape(2, np.prod(x.shape[1:])),
    "arithmetic": lambda x: 2595 * np.log10(1 + 3 / 700),
    "float of it": lambda x: float(np.log(3.0)) * x,
    "a branch": lambda x: x * 2 if np.isnan(np.float64(3)) else x * 3,
    "types": lambda x: x * np.float32(3.3) + np.sqrt(3).astype(np.float32).item(),
    "as index and dim": lambda x: x[np.int64(1)].sum(np.int64(1)),
    "returned": lambda x: np.int64(3),
    "modules from the end": follow_back,
    "the end comes early": lambda x: list(reversed(Short())),
    "its own reversed": lambda x: list(reversed(Backwards())),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_graph_with_eager_results(name):
    program, x = PROGRAMS[name], segue.arange(24.0).reshape(2, 3, 4)
    expected, found = program(x), segue.compile(program, fullgraph=True, backend="eager")(x)
    assert type(found) is type(expected)
    assert segue.equal(found, expected) if isinstance(found, segue.Tensor) else found == expected


def test_another_scalar_is_another_capture():
    held, x = Holder(), segue.ones(3)
    compiled = segue.compile(lambda x: x * held.own, backend="eager")
    assert segue.equal(compiled(x), x * np.sqrt(7))
    held.own = np.sqrt(8)
    assert segue.equal(compiled(x), x * np.sqrt(8))


def test_a_drawn_scalar_is_not_compiled_for_each_value():
    compiled, before = segue.compile(lambda x: x * 2 if np.random.rand() > 0.5 else x * 3, backend="eager"), segue.compiler.stats()["graphs"]
    for _ in range(10):
        compiled(segue.ones(3))
    assert segue.compiler.stats()["graphs"] - before <= 3


def test_modules_from_the_end_go_on_behind_a_break():
    def f(x):
        for layer in reversed(layers):
            x = layer(x)
            print(end="")
        return x

    x = segue.ones(2, 4)
    assert segue.equal(segue.compile(f, backend="eager")(x), f(x))
