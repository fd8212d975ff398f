"""Inputs that are not contiguous: slices, transposes, steps and expansions of buffers whose sizes vary.

In come views of varying sizes, out go counts of graphs, and answers that are eager mode's. The one idea: the strides of an input are numbers while they stay the same, products of
its sizes where its memory is dense, and numbers of their own else, so that any number of lengths needs two graphs.
"""

import pytest

import segue
from segue.capture import guards as g
from segue.capture.layouts import choose

R = segue.rand
VIEWS = {  # name -> the input for a length, what is said of its strides
    "the last of a longer one": (lambda n: R(3, n + 7)[:, -n:], "strides=(None, 1)"),
    "the last few": (lambda n: R(3, n + 7)[:, -4:], "strides=(None, 1)"),
    "the first of a buffer": (lambda n: R(3, 64)[:, :n], "strides=(64, 1)"),
    "a stretch of a buffer's rows": (lambda n: R(40, n)[2 : 3 + n % 4], "dense in order (1, 0)"),
    "transposed": (lambda n: R(3, n).transpose(0, 1), "dense in order (0, 1)"),
    "rows transposed": (lambda n: R(n, 3).t(), "dense in order (0, 1)"),
    "each second row": (lambda n: R(2 * n, 3)[::2], "strides=(6, 1)"),
    "each second column": (lambda n: R(3, 2 * n)[:, ::2], "strides=(None, 2)"),
    "a slice transposed": (lambda n: R(3, n + 3)[..., :n].t(), "strides=(1, None)"),
    "an image, channels last": (lambda n: R(1, n, n + 1, 3).permute(0, 3, 1, 2)[0], "dense in order (0, 2, 1)"),
    "expanded": (lambda n: R(1, 3).expand(n, 3), "strides=(0, 1)"),
    "expanded along what varies": (lambda n: R(n, 1).expand(n, 4), "strides=(1, 0)"),
    "one head of many": (lambda n: R(n + 1, 12)[:n, 4:8].unflatten(1, (2, 2)).transpose(0, 1)[0], "strides=(12, 1)"),
}
LENGTHS = (5, 8, 6, 9, 2, 10, 1, 7, 0, 33, 1, 18)


def program(x):
    y = (x * 2 + 1).softmax(-1) @ x.mT
    return y.sum(-1) * x.shape[0], x.reshape(-1).square(), x.contiguous().amax() if x.numel() else x.sum()


def graphs_of(function, make, lengths, backend="eager", **options):
    compiled = segue.compile(function, backend=backend, fullgraph=True, **options)
    for n in lengths:
        x = make(n)
        segue.testing.assert_close(compiled(x), function(x))
    return compiled.cache.settings.captured


def said(captured):
    return "".join(guard.text() for guard in captured.guards if isinstance(guard, g.TensorMatch))


@pytest.mark.parametrize("name", VIEWS)
def test_many_lengths_of_a_view_need_two_graphs(name):
    make, strides = VIEWS[name]
    captured = graphs_of(lambda x: program(x)[:2], make, [n for n in LENGTHS if n])
    assert len(captured) == 2
    assert strides in said(captured[-1])


def test_native_code_walks_each_of_them():
    def function(*xs):
        return [(x * 2 + 1).sum(-1) for x in xs], xs[0] @ xs[0].mT, xs[2].reshape(-1) * 2

    names = ("the last of a longer one", "transposed", "each second column", "an image, channels last")
    compiled = segue.compile(function, fullgraph=True)
    for n in (5, 8, 3, 1, 33):
        xs = [VIEWS[name][0](n) for name in names]
        segue.testing.assert_close(compiled(*xs), function(*xs), atol=1e-4, rtol=1e-4)
    assert len(compiled.cache.settings.captured) == 2


@pytest.mark.parametrize("name", VIEWS)
def test_gradients_reach_the_buffer(name):
    make = VIEWS[name][0]
    compiled, found = segue.compile(lambda x: (x.softmax(-1) * x).square().sum(), backend="eager", fullgraph=True), []
    for n in (5, 8, 6, 1, 9):
        for run in (compiled, lambda x: (x.softmax(-1) * x).square().sum()):
            segue.manual_seed(n)
            x = make(n).requires_grad_()
            found.append(segue.autograd.grad(run(x), x)[0])
        segue.testing.assert_close(*found[-2:])
    assert len(compiled.cache.settings.captured) == 2


COLUMNS = lambda b, n: b[:, 1 : 1 + n]  # noqa: E731


@pytest.mark.parametrize(("view", "backend"), [(COLUMNS, "inductor"), (COLUMNS, "eager"), (lambda b, n: b[:, :n].t(), "eager"), (lambda b, n: b[:n, ::2], "eager")])
def test_writes_go_into_the_buffer_and_nowhere_else(view, backend):
    def write(x):
        x[:1] += 3
        x.mul_(2)
        return x.sum()

    compiled = segue.compile(write, backend=backend, fullgraph=True)
    for n in (3, 5, 2, 6, 1):
        one, other = (segue.arange(float(7 * (n + 8))).reshape(7, n + 8) for _ in range(2))
        segue.testing.assert_close(compiled(view(one, n)), write(view(other, n)))
        segue.testing.assert_close(one, other)
    assert len(compiled.cache.settings.captured) <= 3


def test_what_is_written_must_not_overlap_itself():
    """As many columns as the step from row to row has room for; one more would be the next row's."""
    compiled = segue.compile(lambda x: x.add_(1), backend="eager")
    for n in (2, 3, 4, 5):
        one, other = (segue.zeros(3, 4) for _ in range(2))
        compiled(one.as_strided((2, n), (4, 1)))
        other.as_strided((2, n), (4, 1)).add_(1)
        assert segue.equal(one, other)
    windows = segue.compile(lambda x: x[:, :1].fill_(5), backend="eager")
    x = segue.zeros(6)
    windows(x.unfold(0, 3, 1))
    assert x.tolist() == [5, 5, 5, 5, 0, 0]


def test_columns_that_share_memory_are_told_from_those_that_only_lie_side_by_side():
    def function(a, b):
        a.add_(1)
        return a + b

    compiled = segue.compile(function, backend="eager")
    for start in (4, 1, 4, 3, 5):
        one, other = (segue.zeros(3, 9) for _ in range(2))
        segue.testing.assert_close(compiled(one[:, :4], one[:, start : start + 4]), function(other[:, :4], other[:, start : start + 4]))


LAYOUT_READERS = {
    "is_contiguous": lambda x: x * (2 if x.is_contiguous() else 3),
    "is_contiguous of a reshaped one": lambda x: (lambda y: y * (2 if y.is_contiguous() else 3))(x.reshape(x.shape[0], 1, x.shape[1])),
    "stride": lambda x: x * (1 + x.stride(0)) + x.t().stride(0),
    "view": lambda x: viewed(x),
}


def viewed(x):
    try:
        return x.view(-1)
    except RuntimeError:
        return x.reshape(-1) * 2


@pytest.mark.parametrize("name", LAYOUT_READERS)
def test_what_the_program_reads_of_the_layout_is_eager_modes(name):
    function = LAYOUT_READERS[name]
    compiled = segue.compile(function, backend="eager")
    for n in (5, 8, 1, 4, 0, 7, 1, 3):
        for x in (R(4, n + 2)[:, :n], R(4, n), R(n, 4).t(), R(n, 4)[:, :1], R(1, n).expand(4, n), R(n)[:, None], R(n)[None]):
            segue.testing.assert_close(compiled(x), function(x))


def test_memory_of_a_reshaped_input_is_shared_as_in_eager_mode():
    compiled = segue.compile(lambda x: x.reshape(-1), backend="eager")
    for n in (5, 8, 1, 6, 1):
        x = segue.zeros(3, 1, 4).expand(3, n, 4)
        found, expected = compiled(x), x.reshape(-1)
        expected.add_(1)
        assert bool(found.sum()) == bool(x.sum())


def test_promises_hold_for_views():
    def marked(n):
        x = R(3, 20)[:, :n]
        segue.compiler.mark_dynamic(x, 1)
        return x

    assert len(graphs_of(lambda x: x * 2, marked, (5, 8, 2))) == 1
    assert len(graphs_of(lambda x: x * 2, lambda n: R(3, n + 9)[:, :n], (5, 8, 2), dynamic=True)) == 1
    assert len(graphs_of(lambda x: x * 2, lambda n: R(4, n).t(), (5, 8, 1), shapes={"x": ("N", 4)})) == 1
    assert len(graphs_of(lambda x: x * 2, lambda n: R(3, n + 9)[:, :n], (5, 8, 2), dynamic=False)) == 3


def test_tensors_that_are_walked_in_another_order_have_code_of_their_own():
    """A step of 1 stays a number, by which vectors are loaded."""
    captured = graphs_of(lambda x: x * 2, lambda n: R(n, n + 1) if n % 2 else R(n + 1, n).t(), (5, 6, 7, 8, 9, 12))
    assert len(captured) == 3
    assert all("None" not in said(entry) for entry in captured)


def test_layouts_are_chosen_by_what_was_seen():
    def seen(shape, strides, order=None):
        return g.TensorMatch(g.Local("a"), segue.Tensor, None, shape, strides, order)

    assert choose([seen((2, 1), (1, 1))], (2, 3), (7, 1), {1}).strides == (None, 1)
    assert choose([seen((1, 4), (1, 1))], (6, 4), (1, 6), {0}).order == (0, 1)
    assert choose([seen((6, 4), (1, 6))], (1, 4), (1, 1), {0}).order == (0, 1)
    assert choose([seen((8, 5), (64, 1))], (8, 64), (64, 1), {1}).strides == (64, 1)
    assert choose([seen((8, 4), (64, 1))], (8, 4), (4, 1), ()).strides == (4, 1)
    assert choose([seen((8, 4), (64, 1))], (8, 4), (32, 1), ()).strides == (None, 1)
    assert choose([seen((8, None), (None, 1))], (8, 0), (3, 3), {1}).strides == (None, 1)
    assert choose([seen((8, None), None, (1, 0))], (8, 4), (9, 1), {1}).strides == (None, 1)
    assert choose([seen((4, 8), (1, 4))], (4, 9), (9, 1), {1}).order == (1, 0)
