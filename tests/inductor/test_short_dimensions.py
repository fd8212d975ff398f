"""Short dimensions: folds of a few elements are written out, and vectors go along a longer dimension than a last one of two or three. All beside eager kernels."""

import numpy as np
import pytest
from graph_support import compare, traced

import segue
import segue.nn.functional as F
from segue.inductor.backend import compile_graph

FOLDS = ("sum", "prod", "amax", "amin", "argmax", "argmin", "any", "all")
PLACES = (((100, 3), 1), ((3, 100), 0), ((70, 2, 2), (1, 2)), ((70, 4, 5), 1), ((2, 70, 3), (0, 2)), ((90, 1), 1), ((80, 3, 1), (1, 2)), ((64, 8), -1))


def numbers(shape, dtype):
    drawn = np.random.default_rng(0).integers(-3, 4, shape).astype("float64")  # many equal ones: the first of them counts
    if dtype.is_floating_point:
        drawn.flat[::7] = np.nan
    return segue.tensor(abs(drawn) if dtype is segue.uint8 else drawn).to(dtype)


@pytest.mark.parametrize("dtype", [segue.float32, segue.float64, segue.float16, segue.bfloat16, segue.int8, segue.uint8, segue.int64, segue.bool], ids=str)
@pytest.mark.parametrize("name", FOLDS)
def test_folds_of_a_few(name, dtype):
    if name.startswith("arg") and dtype is segue.bool:
        pytest.skip("argmax of bools is refused, as in PyTorch")
    for shape, dim in PLACES:
        if isinstance(dim, tuple) and name in ("prod", "argmax", "argmin"):
            continue
        x = numbers(shape, dtype)
        for keepdim in (False, True):

            def function(x, dim=dim, keepdim=keepdim):
                return getattr(segue, name)(x, dim=dim, keepdim=keepdim)

            found, expected = segue.compile(function, fullgraph=True)(x), function(x)
            assert found.dtype is expected.dtype and found.shape == expected.shape
            np.testing.assert_array_equal(found.float().numpy(), expected.float().numpy(), err_msg=f"{shape} {dim}")


FUNCTIONS = {
    "cross products": lambda x: segue.cross(x, x.flip(0), dim=-1),
    "a scale for each coordinate": lambda x: x * segue.tensor([1.0, 2.0, 3.0]) + x[:, :1],
    "outer products": lambda x: (x[:, :, None] * x[:, None, :]).sum(1),
    "distances": lambda x: (x[:, None] - x[None, :20]).square().sum(-1).sqrt(),
    "a matrix for each point": lambda x: segue.stack([x, x.roll(1, 1), x.roll(2, 1)], 1).transpose(1, 2) * 2,
    "a mean of the points": lambda x: (x - x.mean(0), x.var(0), x.amax(0), (x * x).sum()),
    "a mean of groups": lambda x: x.view(2, 100, 3).mean((0, 1)) + x.view(100, 2, 3).prod(0)[1],
    "in place": lambda x: x.clone().mul_(2)[:, [2, 0, 1]],
    "coordinates in rows": lambda x: x.t().flip(0) + x.t(),
    "added rows": lambda x: segue.zeros(5, 3).index_add(0, segue.arange(x.shape[0]) % 5, x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_points_beside_eager(name):
    x = np.random.default_rng(1).standard_normal((200, 3)).astype("f")
    graph = traced(FUNCTIONS[name], x)
    compare(graph, compile_graph(graph), [x], tolerance=2e-6)


def test_vectors_go_along_the_points():
    graph = traced(FUNCTIONS["cross products"], np.ones((200, 3), "f"))
    assert "load_strided" in compile_graph(graph).source and "lookup" not in compile_graph(graph).source


def test_lines_between_pixels_need_no_kernel_for_each_neighbour():
    x = np.random.default_rng(2).standard_normal((2, 3, 9, 16)).astype("f")
    graph = traced(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False), x)
    runner = compile_graph(graph)
    compare(graph, runner, [x], tolerance=2e-6)
    assert "fold_sum" not in runner.source


TURNED = {
    "a copy": lambda x: x.transpose(1, 2).contiguous(),
    "a sum with what lies straight": lambda x: x.transpose(1, 2) * 2 + segue.ones(33, 1),
    "folded afterwards": lambda x: (x.transpose(1, 2) + 1).contiguous().view(2, -1).sum(1),
    "of another dtype": lambda x: x.double().permute(2, 0, 1).contiguous(),
    "of bools": lambda x: (x > 0).permute(1, 2, 0).contiguous(),
    "written in place": lambda x: x.clone().transpose(1, 2).mul_(3),
    "by rows from data": lambda x: x.transpose(1, 2)[:, segue.arange(33).flip(0)],
}


@pytest.mark.parametrize("name", TURNED)
def test_what_lies_across_is_walked_in_blocks(name):
    x = np.random.default_rng(4).standard_normal((2, 50, 33)).astype("f")
    graph = traced(TURNED[name], x)
    runner = compile_graph(graph)
    compare(graph, runner, [x], tolerance=2e-6)
    if name == "a copy":
        assert "b += 16" in runner.source


SHORT_ROWS = {
    "pixels shuffled": (lambda x: F.pixel_shuffle(x, 2), (2, 8, 24, 20), "store_strided"),
    "pixels gathered": (lambda x: F.pixel_unshuffle(x, 3), (2, 3, 27, 24), "load_strided"),
    "patches": (lambda x: x.reshape(4, 16, 8, 4, 8, 4).permute(0, 2, 4, 1, 3, 5).reshape(256, -1), (4, 16, 32, 32), "++i"),
    "pairs turned": (lambda x: segue.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2), (40, 64), "load_strided"),
    "pairs halved": (lambda x: F.avg_pool2d(x, 2) + x[..., 1::2, 1::2], (2, 3, 28, 54), "load_strided"),
}


@pytest.mark.parametrize("name", SHORT_ROWS)
def test_short_rows_are_walked_together_or_across(name):
    function, shape, expected = SHORT_ROWS[name]
    x = np.random.default_rng(5).standard_normal(shape).astype("f")
    graph = traced(function, x)
    runner = compile_graph(graph)
    compare(graph, runner, [x], tolerance=2e-6)
    assert expected in runner.source


def test_only_the_places_that_are_looked_at_are_sorted():
    x = np.random.default_rng(3).integers(0, 9, (20, 50)).astype("f")
    def two_ways(x):
        order = x.argsort(1, descending=True)
        return order[:, :5] + 1, order + 1

    for function, part in ((lambda x: x.topk(5, 1), True), (two_ways, False), (lambda x: x.kthvalue(4, 1), False)):
        graph = traced(function, x)
        runner = compile_graph(graph)
        compare(graph, runner, [x])
        assert ("call.wanted = 5;" in runner.source) == part


@pytest.mark.parametrize("program", [
    lambda x: F.pad(segue.stack([x, x * 2], 0).reshape(-1), (0, 3)),
    lambda x: segue.cat([segue.stack([x, x + 1], 1).reshape(-1), segue.ones(2)]),
    lambda x: F.pad(segue.stack([x, x * 2], 0).T.reshape(-1).reshape(2, -1).T.reshape(-1), (1, 2)),
], ids=["pad", "cat", "turned"])  # fmt: skip
def test_a_dimension_without_elements_beside_what_surrounds_it(program):
    """Lanes that a mask leaves out still compute their places, by the sizes of what is empty."""
    compiled = segue.compile(program, dynamic=True, fullgraph=True)
    masked = segue.compile(lambda x, mask: program(x[mask]), fullgraph=True)
    for n in (4, 5, 0, 1):
        x = segue.randn(n)
        assert segue.equal(compiled(x), program(x)), n
        y, mask = segue.randn(6), segue.arange(6) < n
        assert segue.equal(masked(y, mask), program(y[mask])), n
