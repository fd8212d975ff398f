"""Every row of the operator table, compiled, against the interpreter: all samples of a row in one graph."""

import numpy as np
import pytest

from segue.eager.functional import arguments  # noqa: F401  (installs the public operators)
from segue.eager.ops.definition import OPS, Host
from segue.eager.tensor import Storage, Tensor
from segue.graph.interpreter import interpret
from segue.graph.trace import Tracer
from segue.inductor.backend import compile_graph
from segue.inductor.lower import supported

TOLERANCE = {2: 2e-2, 4: 3e-6, 8: 1e-12}


def traced(row, samples):
    """One graph with a result for each sample, and the arrays of its inputs."""
    tracer = Tracer()
    arrays = []

    def twin(argument):
        if isinstance(argument, np.ndarray):
            arrays.append(argument)
            return tracer.input(Tensor._wrap(argument, Storage()))
        if isinstance(argument, (tuple, list)):
            return tuple(twin(part) for part in argument)
        return argument

    with tracer.active():
        results = [row(*map(twin, args), **{name: twin(value) for name, value in keywords.items()}) for args, keywords in samples]
    return tracer.finish([result.clone() if "alias" in row.tags else result for result in results]), arrays


@pytest.mark.parametrize("name", sorted(OPS))
def test_row(name):
    row = OPS[name]
    samples = [sample for sample in row.samples() if len(sample[0]) or sample[1]]
    graph, arrays = traced(row, samples)
    runner = compile_graph(graph)
    native = not isinstance(row.lower, Host) and all(supported(node) for node in graph.operations)
    if native:
        assert runner.host_nodes == 0
    expected = interpret(graph, [array.copy() for array in arrays])
    got = runner(list(arrays))
    for result, wanted in zip(got, expected):
        wanted = wanted._data if isinstance(wanted, Tensor) else wanted
        assert result.dtype == wanted.dtype and result.shape == wanted.shape
        if result.dtype.kind in "iub":
            np.testing.assert_array_equal(result, wanted)
        else:
            tolerance = TOLERANCE.get(result.dtype.itemsize if result.dtype.kind != "c" else 4)
            wide = np.complex128 if result.dtype.kind == "c" else np.float64
            np.testing.assert_allclose(result.astype(wide), wanted.astype(wide), rtol=tolerance, atol=tolerance)
