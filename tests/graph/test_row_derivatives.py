"""Second derivatives of every differentiable row through compiled graphs, against the tape's.

In come the rows' samples in float64, all of one row in one graph. The one idea: the gradient of a compiled graph, taken with create_graph=True, is another
compiled graph, whose gradient must be what eager code gives; tests/eager/test_row_derivatives.py holds that against differences. Every row runs through
the interpreter; a few, and with `-m slow` all, through generated code.
"""

import numpy as np
import pytest

from segue.eager.autograd.engine import grad
from segue.eager.ops import NAMES, OPS
from segue.eager.ops.samples import map_arrays
from segue.eager.tensor import wrap
from segue.graph.compiled import compile_graph
from segue.graph.trace import trace_function

ROWS = sorted(name for name in NAMES if OPS[name].vjp)
WIDE = {"f": np.float64, "c": np.complex128}
GENERATED = ("div", "where", "prod", "gather", "matmul", "convolution")


def programs(row):
    """For each sample: the arrays of its differentiable operands, and the function of them."""
    for args, keywords in row.samples():
        args = map_arrays(lambda a: a.astype(WIDE.get(a.dtype.kind, a.dtype)), args)
        if row.name == "cast" and not (args[1].is_floating_point and args[1].itemsize >= 8):
            continue
        arrays = _differentiable(row, args)
        if arrays and sum(a.size for a in arrays) <= 400:
            yield arrays, _function(row, args, keywords)


def _differentiable(row, args):
    found = []
    for parameter, value in zip(row.schema.parameters, args):
        if parameter.name in row.vjp:
            map_arrays(lambda a: found.append(a) if a.dtype.kind in WIDE and a.size else None, value)
    return found


def _function(row, args, keywords):
    def function(*tensors):
        rest = iter(tensors)

        def place(parameter, value):
            active = parameter.name in row.vjp
            return map_arrays(lambda a: next(rest) if active and a.dtype.kind in WIDE and a.size else wrap(a), value)

        return row(*[place(parameter, value) for parameter, value in zip(row.schema.parameters, args)], **keywords)

    return function


def weighted(outputs):
    """A number that depends on every element in a way of its own."""
    total = 0.0
    for seed, out in enumerate(outputs):
        if out is not None and out.requires_grad:
            out = out.real + 0.5 * out.imag if out.dtype.is_complex else out
            total = total + (out * wrap(np.random.default_rng(seed).uniform(0.5, 1.5, tuple(out.shape)))).sum()
    return total


def derivatives(function, leaves):
    """First and second derivatives of the weighted results."""
    first = grad(weighted(function(*leaves)), leaves, create_graph=True, materialize_grads=True)
    total = weighted(first)
    second = grad(total, leaves, materialize_grads=True) if not isinstance(total, float) else ()
    return [g.detach().numpy() for g in (*first, *second)]


def check(name, backend):
    pairs = list(programs(OPS[name]))
    assert pairs
    sizes = [len(arrays) for arrays, _ in pairs]
    leaves = [wrap(a.copy()).requires_grad_() for arrays, _ in pairs for a in arrays]

    def together(*tensors):
        rest = iter(tensors)
        return [f(*[next(rest) for _ in range(size)]) for size, (_, f) in zip(sizes, pairs)]

    expected = derivatives(together, leaves)
    found = derivatives(compile_graph(trace_function(together, leaves), backend), leaves)
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, 1e-9, 1e-11, err_msg=name)


@pytest.mark.parametrize("name", ROWS)
def test_derivatives_of_derivatives_interpreted(name):
    check(name, "eager")


@pytest.mark.parametrize("name", GENERATED)
def test_derivatives_of_derivatives_in_generated_code(name):
    check(name, "inductor")


@pytest.mark.slow
def test_derivatives_of_derivatives_of_all_in_generated_code(request):
    if "slow" not in request.config.option.markexpr:
        pytest.skip("half a minute; run with -m slow")
    for name in sorted(set(ROWS) - set(GENERATED)):
        check(name, "inductor")
