"""The text: short, shared between equal kernels, readable; and results that do not depend on the number of threads."""

import re

import numpy as np
import pytest
import sympy
from graph_support import compare, floats, traced

import segue
import segue.nn.functional as F
from segue.inductor import runtime
from segue.inductor.backend import compile_graph, program_of
from segue.inductor.loops import Trace
from segue.inductor.translation import TOGETHER, translation_units


def layers(count):
    def network(x, *weights):
        for w in weights:
            x = F.layer_norm(x + F.gelu(x @ w), (32,))
        return x

    return traced(network, floats(16, 32), *(floats(32, 32, seed=n) for n in range(count)))


def test_equal_kernels_are_one_function():
    two, six = program_of(layers(2)), program_of(layers(6))
    assert six.kernels == two.kernels + 4
    assert six.functions == two.functions


def test_equal_graphs_have_equal_text():
    assert program_of(layers(3)).source == program_of(layers(3)).source


def test_comments_name_what_was_fused_and_the_line():
    source = program_of(traced(lambda x: F.softmax(x * 2, -1), floats(4, 8))).source
    assert re.search(r"// mul, amax, sub, exp, sum, div  test_codegen\.py:\d+\n", source), source


def test_no_standard_header_and_no_address():
    source = program_of(layers(2)).source
    assert re.findall(r"#include .*", source) == ['#include "segue_loops.h"']
    assert not re.search(r"0x[0-9a-f]{6,}", source)


def test_costly_values_that_two_passes_need_are_kept():
    source = program_of(traced(lambda x: F.softmax(x, -1), floats(4, 100))).source
    assert source.count("exp(") == 1 and "float s0[100]" in source


def test_a_value_of_the_row_is_computed_once_for_the_row():
    source = program_of(traced(lambda x, y: x * y.exp(), floats(4, 100), floats(4, 1))).source
    assert "const float v" in source and source.index("exp(") < source.index("for_lanes")


def test_names_of_symbols_do_not_clash_with_ours():
    graph = traced(lambda x, y: (x.sum(0) + y.shape[0], y.sum()), floats(4, 8), floats(5, 3), dynamic={0: {0: "a", 1: "begin"}, 1: {0: "float"}})
    runner = compile_graph(graph)
    for sizes in ((4, 8, 5), (9, 70, 1)):
        compare(graph, runner, [floats(*sizes[:2]), floats(sizes[2], 3)], tolerance=1e-5)


def test_constants_travel_beside_the_code():
    table = segue.tensor(floats(3, 4))
    graph = traced(lambda x: x + table, floats(3, 4))
    assert len(program_of(graph).constants) == 1
    compare(graph, compile_graph(graph), [floats(3, 4)])


@pytest.fixture
def pool():
    """Sets the number of threads; the former number is back afterwards."""
    before = runtime.threads()
    yield runtime.set_threads
    runtime.set_threads(before)


def test_results_do_not_depend_on_the_number_of_threads(pool):
    def everything(x):
        return x.sum(), x.sum(0), x.sum(1), x.var(0), F.softmax(x, -1), (x * x).sum(0).sum(), x.prod(1), F.layer_norm(x, (301,))

    x = floats(2000, 301)
    runner = compile_graph(traced(everything, x))
    results = []
    for threads in (1, 2, 3):
        pool(threads)
        results.append(runner([x]))
    for others in results[1:]:
        for a, b in zip(results[0], others):
            np.testing.assert_array_equal(a, b)


SUMS = {
    "all": (lambda x: x.sum(), (4000, 500), None),
    "a vector": (lambda x: x.sum(), (2_000_000,), None),
    "long rows": (lambda x: x.sum(1), (3, 300_000), 1),
    "many rows": (lambda x: x.sum(0), (300_000, 3), 0),
    "middle": (lambda x: x.sum((0, 2)), (300, 4, 900), (0, 2)),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_are_as_good_as_pairwise(name):
    """Positive numbers, so that the relative error is that of the summation: below 2e-6, where adding one by one gives 1e-4 and more."""
    function, shape, axis = SUMS[name]
    x = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    (got,) = compile_graph(traced(function, x))([x])
    np.testing.assert_allclose(got, x.astype(np.float64).sum(axis=axis), rtol=2e-6)


def test_a_long_program_is_several_units_with_the_entry_by_itself():
    bodies = [f"// neg  train.py:{n}\nstatic void k{n}(int64_t begin, int64_t end, void* context) {{ {'x;' * n} }}" for n in range(TOGETHER + 4)]
    entry = "SEGUE_API int64_t segue_entry(...) {}\n"
    (together,) = translation_units(bodies[:TOGETHER], entry, 2, True)
    assert together.count("static void") == TOGETHER and entry in together
    *kernels, cold = translation_units(bodies, entry, 2, True)
    assert len(kernels) == 2 and not any("segue_entry(" in unit for unit in kernels) and entry in cold and "segue_loops" not in cold
    assert sorted("".join(kernels).count(f"SEGUE_KERNEL k{n}(") for n in range(len(bodies))) == [1] * len(bodies)
    assert all(f"SEGUE_KERNEL k{n}(" in cold for n in range(len(bodies)))
    assert "segue_loops" in translation_units(bodies, entry, 2, False)[-1]
    assert len(translation_units(bodies, entry, 1, True)) == 2


@pytest.mark.parametrize("size", [32, 33])
def test_many_kernels_in_several_units_compute_what_one_unit_computes(size):
    def f(x):
        return [((x[k:] * k).cumsum(0).relu() + k).sum(0) for k in range(12)]

    graph = traced(f, floats(20, size))
    program = program_of(graph)
    assert program.functions > TOGETHER and len(program.units) == min(runtime.threads(), program.functions) + 1
    compare(graph, compile_graph(graph), [floats(20, size, seed=1)])


def test_a_size_as_sympy_has_it_is_no_number():
    """A row's body meets sizes as SymInts, or as sums of them in the shapes of what stands before it: n + 3 behind a padding."""
    trace = Trace()
    trace.result_dtype = segue.float32
    made = trace.constant(sympy.Symbol("n", integer=True, nonnegative=True) + 3)
    assert made.op == "cast" and made.dtype is segue.float32
    assert trace.constant(3).op == "constant"


@pytest.mark.parametrize("made", (lambda x: x @ x.mT, lambda x: x.sum(1), lambda x: segue.linalg.inv(x @ x.mT + segue.eye(3))), ids=("product", "sum", "inverse"))
def test_what_is_written_over_whole_is_not_read(made):
    """A slice of size one that is written over leaves nothing of what was there: it got no memory, and cannot be asked for (random program 824)."""

    def program(x):
        result = segue.tanh(made(x))
        result.narrow(0, 0, x.shape[0]).fill_(4)
        return result

    x = segue.ones(1, 3, 1)
    segue.testing.assert_close(segue.compile(program, fullgraph=True, dynamic=False)(x), program(x))
