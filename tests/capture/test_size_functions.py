"""Functions of sizes that no expression says: Python computes them in front of the graph, and their results are inputs.

In come programs that call such functions on sizes, out must come what eager mode gives, to the bit, from two graphs for any number of lengths.
"""

import math

import numpy as np
import pytest

import segue

FUNCTIONS = {
    "exp": lambda n: math.exp(-n / 10), "cosine": lambda n: 0.5 * (1 + math.cos(math.pi * n / 64)) - math.tan(n) * math.sinh(n / 90), "log1p": lambda n: math.log1p(n) + math.expm1(1 / n) + math.erf(n / 9),
    "two": lambda n: (math.fmod(n, 3), math.atan2(n, 3), math.hypot(n, 4), math.copysign(n, -1), math.pow(n, 0.3)), "counts": lambda n: (math.comb(n, 2), math.perm(n, 2), math.lcm(n, 6)),
    "rounded": lambda n: (round(n / 3, 2), round(n, -1), round(n / 7, 1) * 2), "powers": lambda n: (pow(n, 2), pow(2, n % 9), pow(n, 3, 7), pow(n, -1.5)), "bits": lambda n: (n & (n - 1), n | (n // 2), n ^ (n + 1), n >> (n % 3)),
    "negative powers": lambda n: (2**-n, 10**-n * 3, 0.5**n, 2 ** (5 - n)), "NumPy's": lambda n: (np.clip(n, 6, 9), np.clip(n, 9, 6), np.abs(n - 10), np.divmod(n, 4)),
    "questions": lambda n: (math.isclose(n / 2, 0.3), math.isfinite(n / 2)), "chained": lambda n: math.sqrt(math.exp(-n / 50)) / math.lgamma(n + 5),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_many_lengths_need_two_graphs(name):
    function = FUNCTIONS[name]
    compiled = segue.compile(lambda x: (x * 2, function(x.shape[0])), backend="eager", fullgraph=True)
    for n in (5, 8, 6, 9, 12, 7, 33, 18):
        found, expected = compiled(segue.ones(n))[1], function(n)
        assert repr(found) == repr(expected)
    assert len(compiled.cache.settings.captured) == 2


def test_they_go_on_into_operators_and_gradients():
    def program(x):
        n = x.shape[0]
        return (x * math.exp(-n / 10)).sum() + x[: math.comb(n, 2) % n].square().sum() * round(1 / n, 3)

    compiled = segue.compile(program, fullgraph=True)
    for n in (5, 8, 6, 9):
        x, y = (segue.linspace(0, 1, n).requires_grad_() for _ in range(2))
        segue.testing.assert_close(*(segue.autograd.grad(run(z), z) for run, z in ((compiled, x), (program, y))))
    assert len(compiled.cache.settings.captured) == 2


def test_what_python_refuses_is_refused():
    compiled = segue.compile(lambda x: x * math.exp(x.shape[0] * 100), backend="eager")
    for n in (2, 3, 5, 8, 4, 9):
        if n < 8:
            segue.testing.assert_close(compiled(segue.ones(n)), segue.ones(n) * math.exp(n * 100))
        else:
            with pytest.raises(OverflowError, match="math range error"):
                compiled(segue.ones(n))


def test_a_size_to_the_power_of_a_tensor_has_a_gradient_for_all_sizes():
    def program(x):
        return (x.shape[0] ** x).sum()

    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for n in (5, 6, 8, 9, 1, 3):
        x, y = (segue.linspace(-1, 2, n).requires_grad_() for _ in range(2))
        segue.testing.assert_close(*(segue.autograd.grad(run(z), z) for run, z in ((compiled, x), (program, y))))
    assert len(compiled.cache.settings.captured) == 2


def test_numpy_floats_of_sizes_become_whole_numbers():
    def program(x):
        return x[: np.floor(len(x) / 3).astype(int)] * 2, np.ceil(len(x) / 4).astype(np.int64), np.round(len(x) / 2).astype(int) + 1, np.sqrt(len(x)).astype(int)

    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for n in (5, 6, 8, 9, 3, 12):
        found, expected = compiled(segue.ones(n)), program(segue.ones(n))
        assert segue.equal(found[0], expected[0]) and found[1:] == expected[1:] and all(type(v) is np.int64 for v in found[1:])
    assert len(compiled.cache.settings.captured) == 2
