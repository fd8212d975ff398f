"""What holds for all compiled objects: stances, functions that are taken as they are, compiling in the background, and forgetting."""

from __future__ import annotations

import collections
import gc
import sys
import threading
import warnings
import weakref

import pytest
from interp_support import compiled, same

import segue
from segue import compiler
from segue.eager.errors import BackendError, CaptureError
from segue.eager.stats import stats
from segue.graph.backends import BackgroundRunner, lookup_backend


def graphs(function):
    before = stats["graphs"]
    function()
    return stats["graphs"] - before


def chosen(x, name):
    return getattr(x, name)()


X = segue.tensor([1.0, -2.0, 3.0])


# -- recompiles ---------------------------------------------------------------------------------------------------------------------


class Options:
    def __init__(self, rate):
        self.rate = rate


VARYING = {  # what differs from call to call -> (the function, its second argument in call `n`, compilations in all, told of the limit)
    "float": (lambda x, k: x * k, float, 2, False),
    "int": (lambda x, k: x * k, int, 2, False),
    "size": (lambda x, y: x.sum() + y, lambda n: segue.ones(n + 2), 2, False),
    "float of a dict": (lambda x, options: x + options["rate"], lambda n: {"rate": float(n)}, 2, False),
    "float of an object": (lambda x, options: x + options.rate, lambda n: Options(float(n)), 2, False),
    "str": (lambda x, text: x + len(text), lambda n: "a" * n, 3, True),
}


@pytest.mark.parametrize("what", VARYING)
def test_what_varies_is_generalised_or_ends_at_the_limit(what):
    function, argument, compilations, told = VARYING[what]
    with segue.config.override(recompile_limit=3):
        made = compiled(function)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for n in range(2, 10):
            assert same(made(X, argument(n)), function(X, argument(n)))
    assert [state.compilations for _, state in made.cache.settings.states.values()] == [compilations]
    assert len([w for w in seen if "runs eagerly from now on" in str(w.message)]) == told


# -- stances ------------------------------------------------------------------------------------------------------------------------


def test_eager_runs_nothing_compiled():
    made = compiled(lambda x: (x * 2, compiler.is_compiling()))
    assert made(X)[1]
    with compiler.set_stance("eager"):
        assert not made(X)[1]
        with compiler.set_stance("default"):
            assert made(X)[1]
        assert not made(X)[1]
    assert made(X)[1]


def test_fail_on_recompile_lets_what_is_there_run():
    made = compiled(chosen)
    made(X, "relu")
    with compiler.set_stance("fail_on_recompile"):
        assert same(made(X, "relu"), X.relu())
        assert graphs(lambda: compiled(chosen)(X, "exp")) == 1  # the first one is no recompile
        with pytest.raises(CaptureError, match="compiled again.*name"):
            made(X, "exp")
    assert same(made(X, "exp"), X.exp())


def test_eager_on_recompile():
    made = compiled(chosen)
    made(X, "relu")
    with compiler.set_stance("eager_on_recompile"):
        assert graphs(lambda: made(X, "exp")) == 0
        assert same(made(X, "exp"), X.exp())
    assert graphs(lambda: made(X, "exp")) == 1


def test_a_stance_as_function_and_as_decorator():
    made = compiled(lambda x: (x * 2, compiler.is_compiling()))

    @compiler.set_stance("force_eager")
    def eagerly():
        return made(X)[1]

    assert made(X)[1] and not eagerly() and made(X)[1]
    compiler.set_stance("eager")
    try:
        assert not made(X)[1]
    finally:
        compiler.set_stance("default")
    assert made(X)[1]
    with pytest.raises(ValueError, match="eager_on_recompile"):
        compiler.set_stance("never")


def test_a_refused_recompile_is_not_counted_against_the_limit():
    with segue.config.override(recompile_limit=2):
        made = compiled(chosen)
    made(X, "relu")
    with compiler.set_stance("eager_on_recompile"):
        for _ in range(5):
            made(X, "exp")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert graphs(lambda: made(X, "exp")) == 1


# -- functions that are taken as they are -------------------------------------------------------------------------------------------


def test_disable_of_one_frame_only():
    def inner(x):
        return x * 2, compiler.is_compiling()

    @compiler.disable(recursive=False, reason="it opens a file")
    def outer(x):
        return inner(x), compiler.is_compiling()

    made = compiled(lambda x: outer(x + 1))
    (_, inside), outside = made(X)
    assert inside and not outside
    assert "it opens a file" in str([record.ended for record in made.cache.settings.captured])
    with pytest.raises(TypeError, match="takes a function"):
        compiler.disable(3, recursive=False)


def test_allow_in_graph():
    calls = []

    @compiler.allow_in_graph
    def noted(x, factor=2):
        calls.append(type(x._data).__name__)
        return x * factor

    made = compiled(lambda x: noted(x + 1, factor=3), fullgraph=True)
    for _ in range(3):
        assert same(made(X), (X + 1) * 3)
    assert calls == ["TracedArray"]
    with pytest.raises(TypeError, match="takes a function"):
        compiler.allow_in_graph(3)


def test_assume_constant_result():
    answers = iter([2.0, 5.0])

    @compiler.assume_constant_result
    def factor(name):
        return {"a": next(answers)}[name]

    made = compiled(lambda x: x * factor("a"), fullgraph=True)
    assert same(made(X), X * 2) and same(made(X), X * 2)
    assert same(made(segue.ones(2, 2)), segue.ones(2, 2) * 5)


def test_a_tensor_assumed_constant():
    table = segue.arange(3.0)
    made = compiled(lambda x: x + compiler.assume_constant_result(lambda: table)(), fullgraph=False)
    assert same(made(X), X + table)

    @compiler.assume_constant_result
    def of_table():
        return table

    assert same(compiled(lambda x: x + of_table(), fullgraph=True)(X), X + table)


# -- compiling in the background --------------------------------------------------------------------------------------------------------


def test_eager_until_the_compile_is_done():
    may_end, calls = threading.Event(), []

    def slow(graph_module, inputs):
        assert may_end.wait(60)

        def run(*args):
            calls.append("compiled")
            return graph_module(*args)

        return run

    made = compiled(lambda x: x * 2 + 1, backend=slow, wait=False)
    backend = made.cache.settings.backend
    assert backend.name == "slow in the background"
    for _ in range(3):
        assert same(made(X), X * 2 + 1)
    assert not calls
    may_end.set()
    made.cache.settings.captured[0].compiled._infer.wait()
    assert same(made(X), X * 2 + 1) and calls == ["compiled"]


def faulty(graph_module, inputs):
    raise ValueError("a fault of the backend's")


def test_what_a_callable_backend_raises_is_not_hidden_by_running_eagerly():
    made = compiled(lambda x: x * 2 + 1, backend=faulty)
    for _ in range(2):
        with pytest.raises(BackendError, match="ValueError: a fault of the backend's"):
            made(X)
    before = stats["fallbacks"]
    with pytest.warns(RuntimeWarning, match="a fault of the backend's"):
        behind = compiled(lambda x: x * 2 + 1, backend=faulty, wait=False)
        assert same(behind(X), X * 2 + 1)
        behind.cache.settings.captured[0].compiled._infer.wait()
    assert stats["fallbacks"] == before + 1 and same(behind(X), X * 2 + 1)


def test_the_result_of_the_background_takes_over():
    inner = lookup_backend("eager").compile_fn
    may_end, ran = threading.Event(), []

    class Runner:
        kernels, arena_bytes, cache_hit, source = 7, 0, False, "compiled"

        def __init__(self, graph):
            self.runner = inner(graph)

        def __call__(self, inputs):
            ran.append(1)
            return self.runner(inputs)

    def compile_fn(graph):
        assert may_end.wait(60)
        return Runner(graph)

    made = []
    compiler.register_backend("slow", lambda graph: compile_fn(graph))
    f = compiled(lambda x: x.exp(), backend="slow", wait=False)
    assert same(f(X), X.exp()) and not ran
    runner = f.cache.settings.captured[0].compiled._infer
    assert isinstance(runner, BackgroundRunner) and runner.kernels == 0 and not made
    may_end.set()
    runner.wait()
    assert runner.source == "compiled" and runner.kernels == 7
    assert same(f(X), X.exp()) and ran == [1]


def test_a_failure_in_the_background_is_told_and_counted():
    def failing(graph):
        raise ValueError("no compiler today")

    compiler.register_backend("failing", failing)
    before = stats["fallbacks"]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        f = compiled(lambda x: x.exp(), backend="failing", wait=False)
        assert same(f(X), X.exp())
        f.cache.settings.captured[0].compiled._infer.wait()
    assert same(f(X), X.exp())
    assert stats["fallbacks"] == before + 1
    assert any("no compiler today" in str(warning.message) for warning in seen)


def test_the_inductor_in_the_background():
    made = segue.compile(lambda x: (x * 2).exp().sum(), wait=False)
    for _ in range(3):
        assert same(made(X), (X * 2).exp().sum())
    made.cache.settings.captured[0].compiled._infer.wait()  # or the thread that lists the cache's files is counted with what later tests leave
    assert same(made(X), (X * 2).exp().sum())
    with pytest.raises(ValueError, match="wait=False"):
        segue.compile(lambda x: x, wait=False, numerics="fast")


# -- forgetting, and leaks --------------------------------------------------------------------------------------------------------------


class Held:
    """An object that captures come past."""

    scale = 2.0


def plain(x, held):
    return x * held.scale + segue.ones(3)


def broken(x, held):
    y = x * held.scale
    compiler.graph_break()
    return y + 1


def raising(x, held):
    y = x * held.scale
    raise ValueError(y)


def wrong(x, held):
    return (x * held.scale).reshape(7)


def with_block(x, held):
    try:
        with segue.no_grad():
            return (x * held.scale).reshape(7)
    except RuntimeError:
        return x


def failing_inside(x, held):
    raise RecursionError


def round_trip(function):
    made = segue.compile(function, backend="eager")
    try:
        made(segue.ones(3), Held())
    except (ValueError, RuntimeError):
        pass


def census():
    gc.collect()
    return collections.Counter(type(thing) for thing in gc.get_objects())


@pytest.mark.parametrize("function", [plain, broken, raising, wrong, with_block, failing_inside], ids=lambda function: function.__name__)
def test_captures_leave_nothing(function):
    for _ in range(40):
        round_trip(function)
    before, blocks = census(), _blocks()
    for _ in range(50):
        round_trip(function)
    after = census()
    assert {kind.__name__: after[kind] - before[kind] for kind in after if after[kind] - before[kind] >= 40} == {}  # one left by each round would be 50; caches of classes fill once
    assert _blocks() - blocks < 1000


def _blocks():
    gc.collect()
    return sys.getallocatedblocks()


def test_reset_frees_all():
    def branch(x, held):
        y = x * held.scale
        compiler.graph_break()
        return y + held.scale

    made = compiled(branch)
    held = Held()
    made(X, held)
    graph = weakref.ref(made.cache.settings.captured[0].compiled)
    code = made.cache.entries(branch.__code__)[0].code
    watched = weakref.ref(code)
    del code
    compiler.reset()
    gc.collect()
    assert graph() is None and watched() is None
    assert made.cache.codes() == [] and made.cache.settings.captured == [] and made.cache.settings.states == {}
    assert graphs(lambda: made(X, held)) == 2


def test_a_call_on_the_meta_device_runs_eagerly_and_the_next_one_is_captured():
    f = segue.compile(lambda x: (x * 2).sum() + segue.ones(3).sum(), fullgraph=True, backend="eager")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with segue.device("meta"):
            assert f(segue.ones(3)).device.type == "meta"
        assert f(segue.ones(3)).item() == 9
        assert len(f.cache.settings.captured) == 1
        shape = segue.ones(3, device="meta")
        g = segue.compile(lambda x: (x.sum(), shape.sum(), x.to("meta"), x * 2), backend="eager")
        assert g(segue.ones(3))[3].tolist() == [2, 2, 2] and g(segue.ones(3))[2].device.type == "meta"
    assert "a tensor of the meta device has no values" in str(segue.explain(lambda x: shape * x)(segue.ones(3)))
