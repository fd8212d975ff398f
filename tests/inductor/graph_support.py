"""What the inductor's tests share: tracing a function on arrays, and comparing the compiled graph with the interpreter."""

import numpy as np

import segue
from segue.eager.tensor import Tensor
from segue.graph.interpreter import interpret
from segue.graph.trace import Tracer
from segue.inductor.backend import compile_graph


def traced(function, *arrays, dynamic=()):
    """The graph of `function` on these arrays; `dynamic` maps the number of an array to {dimension: name of the symbol}."""
    tracer = Tracer()
    symbols = {}
    twins = []
    for number, array in enumerate(arrays):
        named = dict(dynamic).get(number, {})
        for dim, name in named.items():
            if name not in symbols:
                symbols[name] = tracer.shape_env.new_symbol(array.shape[dim], name)
        tensor = array if isinstance(array, Tensor) else Tensor._wrap(array, segue.eager.tensor.Storage())
        twins.append(tracer.input(tensor, None, {dim: symbols[name] for dim, name in named.items()}))
    with tracer.active():
        results = function(*twins)
    return tracer.finish([results] if isinstance(results, Tensor) else list(results))


def data(value):
    return value._data if isinstance(value, Tensor) else value


def compare(graph, runner, arrays, tolerance=2e-6):
    """Run compiled and interpreted on copies of the arrays: results and written inputs agree. Returns the compiled results."""
    copies = [np.array(a, copy=True) if graph.writes else a for a in arrays]
    ours, theirs = list(arrays), copies
    expected, got = interpret(graph, theirs), runner(ours)
    assert len(expected) == len(got)
    for result, wanted in zip([*got, *ours], [*map(data, expected), *theirs]):
        if not isinstance(wanted, np.ndarray):
            assert result == wanted
            continue
        assert (result.shape, result.dtype) == (wanted.shape, wanted.dtype)
        if result.dtype.kind in "iub":
            np.testing.assert_array_equal(result, wanted)
        else:
            np.testing.assert_allclose(result.astype(np.float64), wanted.astype(np.float64), rtol=tolerance, atol=tolerance)
    return got


def check(function, *arrays, tolerance=2e-6):
    """Trace, compile, compare; returns the runner."""
    graph = traced(function, *arrays)
    runner = compile_graph(graph)
    compare(graph, runner, arrays, tolerance)
    return runner


def floats(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)
