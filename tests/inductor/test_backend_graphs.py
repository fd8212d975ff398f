"""Whole graphs, compiled against interpreted: compositions, layouts, dtypes, symbolic sizes, writes, host nodes."""

import ml_dtypes
import numpy as np
import pytest
from graph_support import check, compare, floats, traced

import segue
import segue.nn.functional as F
from segue.eager.config import config
from segue.eager.ops import OPS
from segue.graph.backends import lookup_backend
from segue.inductor.backend import compile_graph

CASES = {
    "softmax of a middle dimension": lambda x: F.softmax(x, 1),
    "softmax of a transposed operand": lambda x: F.softmax(x.transpose(1, 2), 2),
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "layer norm": lambda x: F.layer_norm(x, (33,)),
    "batch statistics": lambda x: (x - x.mean((0, 2), keepdim=True)) / (x.var((0, 2), keepdim=True) + 1e-5).sqrt(),
    "two folds of one operand": lambda x: (x.sum(0), x.sum(-1)),
    "folds of folds": lambda x: (x.amax(-1).sum(0), x.amin(0).amax()),
    "mean of all": lambda x: x.mean(),
    "mean of a product": lambda x: (x * x[0, 0]).mean(),
    "gelu": lambda x: F.gelu(x),
    "triangles": lambda x: (x.tril(1), x.triu(-2)),
    "cat and split": lambda x: segue.cat([x[..., :5] * 2, x[..., 7:]], -1),
    "stack": lambda x: segue.stack([x, x + 1], 1),
    "flip and roll": lambda x: (x.flip(1), x.roll(3, 2)),
    "pad": lambda x: F.pad(x, (1, 2, 3, 0), value=1.5),
    "permuted copy": lambda x: x.permute(2, 0, 1).contiguous() + 1,
    "reshape through a permute": lambda x: x.permute(1, 0, 2).reshape(5, -1).sum(1),
    "cumulative sum": lambda x: x.cumsum(1),
    "sorted": lambda x: x.sort(-1),
    "topk": lambda x: x.topk(3, -1),
    "argmax of each dimension": lambda x: (x.argmax(0), x.argmax(1), x.argmax(2), x.argmax()),
    "unfold": lambda x: x.unfold(2, 3, 2).mean(-1),
    "batched product": lambda x: x @ x.transpose(1, 2),
    "product with an expanded operand": lambda x: x @ x[0].transpose(0, 1),
    "where and comparisons": lambda x: segue.where((x > 0) & (x < 1), x, -x),
    "integer arithmetic": lambda x: ((x * 7).to(segue.int32) // 3 % 5, (x * 100).to(segue.int8) * 3),
    "diagonal": lambda x: x.diagonal(0, 1, 2) * 2,
    "one-hot": lambda x: F.one_hot((x[0, 0] * 2).abs().to(segue.int64), 12),
    "same result twice": lambda x: (y := x + 1, y),
    "an input as a result": lambda x: (x, x * 2),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    check(CASES[name], floats(4, 5, 33), tolerance=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_case_unfused(name):
    with config.override(fusion=False):
        check(CASES[name], floats(4, 5, 33), tolerance=2e-5)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16, np.int64, np.int32, np.int16, np.uint8, np.bool_])
def test_dtypes(dtype):
    x = (floats(7, 19) * 3).astype(dtype)
    tolerance = {8: 1e-12, 2: 2e-2}.get(np.dtype(dtype).itemsize, 1e-5)
    check(lambda a: (a * 2, a.sum(1), a.amax(0), a.argmax(1), a > 1, a.to(segue.float32), a.any(0)), x, tolerance=tolerance)


@pytest.mark.parametrize("layout", ["transposed", "sliced", "reversed columns", "expanded"])
def test_input_layouts(layout):
    base = floats(24, 30)
    x = {"transposed": base.T, "sliced": base[::2, 3:20], "reversed columns": base[:, ::-1], "expanded": np.broadcast_to(base[0], (24, 30))}[layout]
    check(lambda a: (a + 1, F.softmax(a, -1), a.sum(0), a @ a.transpose(0, 1)), x, tolerance=2e-5)


def test_values_that_are_not_numbers():
    x = np.array([[np.nan, 1, np.inf, -np.inf, -0.0, 0.0, 1e-40, 3e38] * 3, [-np.inf] * 24], np.float32)
    check(lambda a: (a.exp(), a.tanh(), a.log(), a.sqrt(), a.sign(), a.relu(), a.amax(1), a.amin(1), a.argmax(1), a.argmin(1), 1 / a, a.floor()), x)


DYNAMIC = {
    "pointwise": (lambda x: (x + 1) * 2, [8, 1, 65, 0]),
    "softmax along it": (lambda x: F.softmax(x, 0), [8, 3, 65]),
    "softmax beside it": (lambda x: F.softmax(x, 1), [8, 3, 65]),
    "fold along it": (lambda x: x.sum(0) * 2, [8, 3, 700, 0, 64]),
    "fold of all": (lambda x: x.sum(), [8, 3, 700, 0]),
    "product": (lambda x: x @ x.transpose(0, 1), [8, 3, 65]),
    "cat": (lambda x: segue.cat([x, x * 2], 0), [8, 3, 65]),
    "flattened": (lambda x: x.reshape(-1) + 1, [8, 3, 65]),
    "sizes as numbers": (lambda x: (x * x.shape[0], x.shape[0] * 2 + 1), [8, 3, 65]),
    "half of it": (lambda x: x[: x.shape[0] // 2] + 1, [8, 4, 66]),
}


@pytest.mark.parametrize("name", DYNAMIC)
def test_one_program_for_all_sizes(name):
    function, sizes = DYNAMIC[name]
    graph = traced(function, floats(sizes[0], 37), dynamic={0: {0: "p"}})
    runner = compile_graph(graph)
    for size in sizes:
        compare(graph, runner, [floats(size, 37, seed=size)], tolerance=1e-4)


def test_a_long_dynamic_vector():
    graph = traced(lambda x: (x.sum(), F.softmax(x, 0)), floats(100), dynamic={0: {0: "n"}})
    runner = compile_graph(graph)
    for size in (100, 8192, 8193, 70000):
        compare(graph, runner, [floats(size)], tolerance=2e-4)


def writes_in_place(x, y):
    x.mul_(2).add_(y)
    return x.sum()


def writes_that_cross(x, y):
    old = x.clone()
    x.copy_(y)
    y.copy_(old)
    return x + y


def writes_a_part(x, y):
    x[1:3] = 7.0
    x[:, 2] += y[:, 2]
    return x * 1


def writes_what_is_read_shifted(x, y):
    z = x.roll(1, 0)
    x.add_(z)
    return z


def writes_a_fold(x, y):
    x.copy_(F.softmax(x, -1))
    y.copy_(x.sum(0))
    return x


@pytest.mark.parametrize("function", [writes_in_place, writes_that_cross, writes_a_part, writes_what_is_read_shifted, writes_a_fold])
@pytest.mark.parametrize("layout", ["dense", "transposed"])
def test_writes(function, layout):
    x, y = floats(6, 6), floats(6, 6, seed=1)
    if layout == "transposed":
        x = np.array(x.T, order="F")
    graph = traced(function, x, y)
    assert graph.writes
    runner = compile_graph(graph)
    ours = [np.array(x, order="K", copy=True), y.copy()]
    theirs = [np.array(x, order="K", copy=True), y.copy()]
    expected = lookup_backend("eager").compile(graph)(theirs)
    got = runner(ours)
    for a, b in zip([*got, *ours], [*expected, *theirs]):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_host_nodes_run_between_stretches():
    graph = traced(lambda x: (x + 1).to(segue.complex64) * 2, floats(5, 3))
    runner = compile_graph(graph)
    assert runner.host_nodes == 2 and runner.kernels == 1
    (result,) = runner([floats(5, 3)])
    np.testing.assert_allclose(result, (floats(5, 3) + 1).astype(np.complex64) * 2)


def test_an_index_out_of_range_is_an_error():
    table, places = floats(10, 4), np.array([0, 9, -10])
    graph = traced(lambda w, i: w[i], table, places)
    runner = compile_graph(graph)
    compare(graph, runner, [table, places])
    with pytest.raises(IndexError, match="out of range"):
        runner([table, np.array([0, 10, 1])])


def test_random_numbers_are_those_of_eager_mode():
    def draw():
        joined = segue.cat([segue.rand(33), segue.bernoulli(segue.full((33,), 0.3))])  # each drawn under a mask that changes from lane to lane
        return segue.rand(3, 70), segue.randn(5, 7), segue.randint(0, 10, (6,)), F.dropout(segue.ones(4, 40), 0.3), joined

    segue.manual_seed(5)
    eager = draw()
    segue.manual_seed(5)
    before = segue.compiler.stats()["fallbacks"]
    compiled = segue.compile(draw)()
    assert segue.compiler.stats()["fallbacks"] == before
    for a, b in zip(compiled, eager):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [segue.float32, segue.float64, segue.float16, segue.int64, segue.int8])
def test_a_size_is_compared_as_a_number(dtype):
    """Not as the truth value that the result is."""

    def compared(x):
        size = x.shape[0]
        values = segue.arange(size).to(dtype)
        return values < size // 2, values >= size - 2, values == size // 3, size // 2 > values, segue.where(values != size - 1, values, size)

    run = segue.compile(compared, dynamic=True)
    for size in (9, 33):
        x = segue.zeros(size)
        for found, expected in zip(run(x), compared(x)):
            assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [segue.float16, segue.bfloat16, segue.float32, segue.float64])
def test_uniform_numbers_have_as_many_bits_as_their_dtype(dtype):
    """Rounding more bits would give other numbers, and sometimes 1."""

    def draw():
        return segue.rand(3000, dtype=dtype), segue.empty(70, dtype=dtype).uniform_()

    segue.manual_seed(5)
    eager = draw()
    segue.manual_seed(5)
    for a, b in zip(segue.compile(draw)(), eager):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        assert (a < 1).all()


OUT_OF_RANGE = {
    "broadcast": (lambda x, i: x.expand(4, 3)[i], (1, 3)),
    "computed": (lambda x, i: (x * 2)[i], (1, 3)),
    "no row": (lambda x, i: x[i], (0, 3)),
    "transposed": (lambda x, i: x.t()[:, i], (1, 3)),
    "gathered": (lambda x, i: (x * 2).index_select(0, i), (1, 3)),
    "written": (lambda x, i: x.index_put((i,), x[0]), (1, 3)),
    "a constant": (lambda x, i: segue.full((3,), 2.0)[i] + x, (1, 1)),
    "a class": (lambda x, i: segue.nn.functional.cross_entropy(x, i), (1, 1)),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_an_index_out_of_range_is_an_error_wherever_it_leads(name):
    """Also where the place that is read does not depend on it."""
    function, shape = OUT_OF_RANGE[name]
    compiled = segue.compile(function)
    with pytest.raises(IndexError):
        compiled(segue.ones(shape), segue.tensor([7]))


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_additions_to_one_place_add_up(dtype):
    """The place does not depend on the loop, yet what stands there changes in every step."""
    x = segue.tensor([1, 2, 3]).to(getattr(segue, dtype))
    compiled = segue.compile(lambda x: segue.zeros(3, dtype=x.dtype).scatter_add(0, segue.zeros(3, dtype=segue.int64), x))
    assert compiled(x).tolist() == [6, 0, 0]
    twice = segue.compile(lambda x: x.index_put((segue.tensor([1, 1, -1]),), x[:1], accumulate=True))
    assert twice(x).tolist() == [1, 4, 4]


def test_a_computed_base_of_a_scatter():
    def f(x):
        v = segue.rand_like(x)
        v.index_put_((segue.tensor([0, 1, 0]),), v[0] * 0 + 1)
        return v

    before = segue.compiler.stats()["fallbacks"]
    assert segue.compile(f)(segue.ones(2)).tolist() == [1, 1]
    assert segue.compiler.stats()["fallbacks"] == before


def test_a_view_that_crosses_a_host_node_is_not_read_before_it_is_written():
    """It gets memory of its own after its readers were planned; they go on reading what stands behind it."""

    def f(x):
        row = segue.arange(3.0).unsqueeze(0).expand(5, 3)
        return (-row) * x.digamma(), row + x.digamma()

    runner = check(f, floats(5, 3))
    assert runner.host_nodes == 1


def test_a_product_behind_a_mask_that_always_holds_is_not_missed():
    """The body asks for what the whole slice overwrites, though nothing depends on it; the schedule has not seen to it."""

    def f(a, b):
        made = a @ b
        return OPS["slice_scatter"](OPS["where"](a > 0, made, 0.0), b, 0, 0, 3, 1).tril() + a

    check(f, floats(3, 3), floats(3, 3, seed=1))


def test_stretches_hand_on_little_and_let_it_go():
    """A view crosses as what it is taken of, cheap values wait for their reader, and the last stretch writes to inputs itself."""

    def step(x, state):
        early = state * 0.9
        kept = x.exp()
        y = kept.digamma() + kept.t() + (kept > 1)
        state.copy_(early + y)
        return y.sum()

    given = [floats(4, 4), floats(4, 4)]
    graph = traced(step, *given)
    runner = compile_graph(graph)
    (first, host, last), sent = runner.steps, [[x.copy() for x in given] for _ in range(2)]
    assert [node.name for node in first.outputs] == ["exp"] and runner.writes == [] and set(runner.dead[2]) == {*first.outputs, *host.outputs}
    assert not set(runner.dead[0] + runner.dead[1]) and last.runner.kernels
    expected = lookup_backend("eager").compile(graph)(sent[0])
    for a, b in zip([*runner(sent[1]), *sent[1]], [*expected, *sent[0]]):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [segue.int8, segue.uint8, segue.int16, segue.int32, segue.int64])
def test_extremes_of_numbers_that_all_lie_at_one_end_of_their_dtype(dtype):
    """Where a fold over rows keeps its result in memory, it begins there with a number of that dtype."""
    limits = np.iinfo(dtype.numpy)
    for values in ([limits.min, limits.min + 1], [limits.max, limits.max - 1]):
        x = segue.tensor(values * 6, dtype=dtype).reshape(4, 3)

        def extremes(x):
            return [getattr(x + 0, name)(dim) for name in ("amin", "amax") for dim in (0, 1, (0, 1))]

        for found, expected in zip(segue.compile(extremes)(x), extremes(x)):
            assert found.tolist() == expected.tolist()
