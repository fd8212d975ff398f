"""Graphs that raise: the frame runs again eagerly, so that handlers, side effects, tracebacks and random numbers are those of eager mode."""

import contextlib
import traceback

import pytest

import segue
from segue.nn import functional as F


def handled(x, i, log):
    log.append("before")
    try:
        y = x[i] * 2
        log.append("after")
    except IndexError:
        log.append("handled")
        y = x
    finally:
        log.append("finally")
    return y + 1


def raises(x, i, log):
    log.append("before")
    with contextlib.suppress(KeyError):
        x = segue.index_select(x, 0, i)
    log.append("after")
    return x


def suppressed(x, i, log):
    y = x + 1
    with contextlib.suppress(IndexError):
        y = y + x[i].sum()
        log.append("inside")
    return y


def writes_first(x, i, log):
    x.add_(1)
    y = x[i]
    x.mul_(2)
    return y


def writes_and_breaks(x, i, log):
    x.add_(1)
    segue.compiler.graph_break()
    try:
        x.mul_(2)
        y = x[i]
    except IndexError:
        y = x
    segue.compiler.graph_break()
    return y * 2


def unused(x, i, log):
    try:
        x[i]
    except IndexError:
        return x * 0
    return x + 1


def used_in_part(x, i, log):
    return (x[i] * 2)[:1] + x[i][i][:1]


def random_numbers(x, i, log):
    y = F.dropout(x, 0.5)
    try:
        return y[i] + segue.rand(1)
    except IndexError:
        return y + segue.rand(1)


def inner(x, i):
    return x[i]


def deep(x, i, log):
    return sum(inner(x + n, i) for n in range(2))


def holds(x, i, log):
    try:
        n = i.sum().item()
        assert n < 5, "too many"
        return x * n
    except AssertionError:
        log.append("handled")
    return x


def whole_numbers(x, i, log):
    return x.long() // i, x.long() % i, segue.fmod(x.long(), i)


def classes(x, i, log):
    return F.one_hot(i, 4)


def loss(x, i, log):
    return F.cross_entropy(x.expand(2, 4), i).round(decimals=4)


def embedded(x, i, log):
    return F.embedding(i, x[:, None])


def along(x, i, log):
    return x.gather(0, i), x.scatter(0, i, 9.0), x.index_add(0, i, segue.ones(2)), x.scatter_add(0, i, segue.ones(2))


def factors(x, i, log):
    try:
        segue.linalg.cholesky(x[:1, None] + i[0])
    except RuntimeError:
        return x
    return x + 1


PROGRAMS = [handled, raises, suppressed, writes_and_breaks, random_numbers, deep, holds, factors]
NATIVE = [writes_first, unused, used_in_part, whole_numbers, classes, loss, embedded, along]  # what the kernels themselves must find


def outcome(function, i):
    """What a call gives, raises and leaves behind."""
    segue.manual_seed(1)
    x, log = segue.arange(4.0), []
    try:
        found = function(x, segue.tensor(i), log)
        said = [y.tolist() for y in found] if isinstance(found, tuple) else found.tolist()
    except Exception as problem:
        frames = traceback.extract_tb(problem.__traceback__)
        said = type(problem), str(problem).splitlines()[0], [(frame.name, frame.lineno) for frame in frames if frame.filename == __file__][1:]
    return said, log, x.tolist(), segue.rand(1).tolist()


@pytest.mark.parametrize("program", PROGRAMS + NATIVE, ids=lambda program: program.__name__)
def test_a_graph_that_raises_leaves_the_rest_to_eager_mode(program):
    compiled = segue.compile(program, backend="inductor" if program in NATIVE else "eager")
    for i in ([1, 2], [0, 7], [3, 1], [0, -1], [-9, 0]):
        assert outcome(compiled, i) == outcome(program, i), i


def test_reruns_are_counted_and_capture_nothing():
    compiled = segue.compile(deep, fullgraph=True, backend="eager")
    outcome(compiled, [1, 2])
    before = segue.compiler.stats()
    outcome(compiled, [0, 7])
    after = segue.compiler.stats()
    assert after["reruns"] == before["reruns"] + 1
    assert after["captures"] == before["captures"]


def test_no_input_changes_before_all_that_may_fail_is_done():
    def program(weight, state, i):
        state.mul_(2)
        weight.sub_(0.1 * state.sum())
        return weight[i]

    weight, state = segue.ones(4), segue.ones(4)
    compiled = segue.compile(program)
    compiled(weight, state, segue.tensor([1]))
    graph = compiled.cache.settings.captured[0].compiled
    before = weight.tolist(), state.tolist()
    with pytest.raises(IndexError):
        graph(*[{"weight": weight, "state": state, "i": segue.tensor([7])}[node.name] for node in graph.graph.inputs])
    assert (weight.tolist(), state.tolist()) == before
