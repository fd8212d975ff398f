"""Several threads, and what else runs beside a capture: what one of them does never lands in the graph of another."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import os
import pdb  # noqa: T100
import sys
import threading
import trace
from contextlib import contextmanager

import pytest
from interp_support import compiled, same

import segue
from segue.capture.interp import capture
from segue.eager.config import config
from segue.eager.errors import Location, at, user_location
from segue.eager.stats import stats
from segue.graph import cache
from segue.graph.backends import BackgroundRunner, lookup_backend, register_backend
from segue.graph.trace import Tracer
from segue.inductor import backend, toolchain


def in_thread(function, *args):
    """The result of a call in another thread; its exception is raised here."""
    found = []

    def work():
        try:
            found.append((function(*args), None))
        except BaseException as error:
            found.append((None, error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert found, "the other thread hangs"
    if found[0][1] is not None:
        raise found[0][1]
    return found[0][0]


@contextmanager
def frequent_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def run_together(*functions):
    """Each function in a thread of its own, begun at the same moment; their results."""
    barrier = threading.Barrier(len(functions))
    results = [None] * len(functions)

    def work(index, function):
        barrier.wait(60)
        try:
            results[index] = function()
        except BaseException as error:
            results[index] = error

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(functions)]
    with frequent_switches():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


# -- a graph in the making ------------------------------------------------------------------------------------------------------


def test_creation_in_another_thread_is_not_recorded():
    tracer = Tracer()
    with tracer.active("here.py:1"):
        other, drawn = in_thread(lambda: (segue.ones(3) + 1, segue.rand(2)))
        own = segue.ones(2)
    graph = tracer.finish([own])
    assert other.tolist() == [2, 2, 2] and drawn.shape == (2,)
    assert [node.target.name for node in graph.operations] == ["full"]
    assert graph.random_calls == 0


def test_the_place_of_an_error_is_the_threads_own():
    place = Location("elsewhere.py", 7, "f")
    with at(lambda: place):
        other = in_thread(user_location)
        assert user_location() is place
    assert other is None or other.file != "elsewhere.py"


def test_eager_code_beside_captures():
    done = threading.Event()

    def eager():
        wrong = []
        while not done.is_set():
            x = segue.full((3,), 2.0) * segue.arange(3)
            if x.tolist() != [0, 2, 4]:
                wrong.append(x)
        return wrong

    def captures():
        try:
            return [compiled(lambda x, k=k: x + segue.ones(3) * k)(segue.zeros(3)).tolist() for k in range(15)]
        finally:
            done.set()

    wrong, found = run_together(eager, captures)
    assert wrong == []
    assert found == [[k] * 3 for k in range(15)]


# -- one compiled function in many threads ------------------------------------------------------------------------------------------


def test_threads_that_come_together_compile_once():
    def f(x):
        return (x * 2 + segue.ones(4)).sum()

    made = compiled(f)
    x = segue.arange(4.0)
    before = stats.read()
    found = run_together(*[lambda: made(x)] * 6)
    assert all(same(value, f(x)) for value in found)
    assert stats.since(before)["graphs"] == 1


def test_threads_with_different_configurations():
    def step(k):
        made = compiled(lambda x: (x * k).exp(), numerics="fast" if k % 2 else "eager")
        return [made(segue.ones(n)) for n in (2, 3, 4)]

    before = segue.config.numerics
    found = run_together(*[lambda k=k: step(k) for k in range(4)])
    assert segue.config.numerics == before
    assert all(same(value, (segue.ones(n) * k).exp()) for k, values in enumerate(found) for n, value in zip((2, 3, 4), values))


def test_gradients_in_threads():
    weight = segue.ones(3, requires_grad=True)

    def loss(x):
        return ((x * weight) ** 2).sum()

    made = compiled(loss)

    def gradient(k):
        return segue.autograd.grad(made(segue.full((3,), float(k))), weight)[0].tolist()

    assert run_together(*[lambda k=k: gradient(k) for k in range(5)]) == [[2.0 * k * k] * 3 for k in range(5)]


def test_grad_mode_belongs_to_the_thread():
    made = compiled(lambda x: x * 2)
    x = segue.ones(2, requires_grad=True)
    with segue.no_grad():
        assert not made(x).requires_grad
        assert in_thread(made, x).requires_grad
    assert made(x).requires_grad


def test_a_thread_started_inside_runs_eagerly():
    def f(x):
        return in_thread(lambda: x + segue.ones(2)) * 2

    made = compiled(f)
    for _ in range(2):
        assert made(segue.ones(2)).tolist() == [4, 4]


def test_thread_locals_are_read_on_their_thread():
    local = threading.local()

    def f(x):
        return x * local.factor

    made = compiled(f)

    def run(factor):
        local.factor = factor
        return made(segue.ones(2)).tolist()

    assert [run(2.0), in_thread(run, 3.0), run(4.0), in_thread(run, 5.0)] == [[2, 2], [3, 3], [4, 4], [5, 5]]


def test_context_variables():
    factor = contextvars.ContextVar("factor", default=2.0)
    made = compiled(lambda x: x * factor.get())
    assert made(segue.ones(1)).item() == 2
    token = factor.set(3.0)
    assert made(segue.ones(1)).item() == 3
    factor.reset(token)
    assert made(segue.ones(1)).item() == 2


# -- asyncio --------------------------------------------------------------------------------------------------------------------


def test_compiled_functions_in_tasks():
    made = compiled(lambda x, k: x * k + 1)

    async def task(k):
        total = segue.zeros(2)
        for _ in range(3):
            await asyncio.sleep(0)
            total = total + made(segue.ones(2), k)
        return total.tolist()

    async def together():
        return await asyncio.gather(*[task(float(k)) for k in range(4)])

    assert asyncio.run(together()) == [[3.0 * k + 3] * 2 for k in range(4)]


def test_a_compiled_coroutine_function_runs_eagerly():
    async def f(x):
        await asyncio.sleep(0)
        return x * 2

    with pytest.warns(RuntimeWarning, match="runs? eagerly"):
        made = compiled(f)
    assert asyncio.run(made(segue.ones(2))).tolist() == [2, 2]


def test_a_loop_run_inside_of_a_compiled_function():
    async def inner(x):
        await asyncio.sleep(0)
        return x + 1

    def f(x):
        return asyncio.run(inner(x * 2)) * 3

    made = compiled(f)
    for _ in range(2):
        assert made(segue.ones(2)).tolist() == [9, 9]


# -- fork -----------------------------------------------------------------------------------------------------------------------


def in_child(function):
    """Whether the call gives something true in a forked child."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if function() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_uses_and_makes_graphs():
    made = compiled(lambda x: x * 2 + segue.ones(3))
    assert made(segue.ones(3)).tolist() == [3, 3, 3]
    assert in_child(lambda: made(segue.ones(3)).tolist() == [3, 3, 3] and made(segue.ones(1)).tolist() == [3, 3, 3])
    assert in_child(lambda: compiled(lambda x: x - 1)(segue.ones(1)).tolist() == [0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_while_another_thread_captures():
    reached, may_go_on = threading.Event(), threading.Event()

    def waiting():
        with capture.one_at_a_time:
            reached.set()
            may_go_on.wait(60)

    thread = threading.Thread(target=waiting)
    thread.start()
    reached.wait(60)
    try:
        assert in_child(lambda: compiled(lambda x: x - 1)(segue.ones(1)).tolist() == [0])
    finally:
        may_go_on.set()
        thread.join(60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_while_another_thread_is_in_the_middle_of_something():
    """What it holds is free in the child, and what it had changed for the time is put back."""
    reached, may_go_on, inner = threading.Event(), threading.Event(), lookup_backend("eager").compile_fn

    def slow(graph):
        with cache._lock, toolchain._lock, backend._compiling:
            reached.set()
            may_go_on.wait(60)
        return inner(graph)

    register_backend("slow in the middle", slow)
    thread = threading.Thread(target=lambda: segue.compile(lambda x: x * 3, backend="slow in the middle", memory_budget=0.5)(segue.ones(2)))
    thread.start()
    reached.wait(60)
    assert not gc.isenabled() and config.memory_budget == 0.5
    try:
        assert in_child(lambda: gc.isenabled() and config.memory_budget == 1.0)
        assert in_child(lambda: segue.compile(lambda x: (x - 1).exp())(segue.ones(1)).tolist() == [1])
    finally:
        may_go_on.set()
        thread.join(60)
    assert gc.isenabled() and config.memory_budget == 1.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_compiles_what_the_background_had_begun():
    reached, may_go_on, inner = threading.Event(), threading.Event(), lookup_backend("eager").compile_fn

    def slow(graph):
        reached.set()
        may_go_on.wait(60)
        return inner(graph)

    register_backend("slow behind", slow)
    made = segue.compile(lambda x: x * 3, backend="slow behind", wait=False)
    made(segue.ones(2))
    reached.wait(60)

    def child():
        may_go_on.set()
        made(segue.ones(2))
        runner = made.cache.settings.captured[0].compiled._infer
        runner.wait()
        return not isinstance(runner._runner, BackgroundRunner) and runner._ended and made(segue.ones(2)).tolist() == [3, 3]

    assert in_child(child)
    may_go_on.set()


# -- debuggers, tracers, coverage ---------------------------------------------------------------------------------------------------


def traced(x):
    y = x * 2
    with segue.no_grad():
        z = y + 1
    return z


def test_a_tracer_changes_nothing():
    made, seen = compiled(traced), []
    x = segue.ones(2)

    def tracer(frame, event, argument):
        if frame.f_code.co_filename == __file__ and frame.f_code.co_name == "traced":
            seen.append((event, frame.f_lineno))
        return tracer

    for _ in range(2):
        before = sys.gettrace()
        sys.settrace(tracer)
        try:
            found = made(x)
        finally:
            sys.settrace(before)
        assert found.tolist() == [3, 3]
    assert same(made(x), traced(x))
    first = traced.__code__.co_firstlineno
    assert seen and all(first <= line <= first + 4 for _, line in seen)


def test_a_profiler_changes_nothing():
    made, seen = compiled(traced), []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, argument: seen.append(event))
    try:
        found = made(segue.ones(2))
    finally:
        sys.setprofile(before)
    assert found.tolist() == [3, 3] and {"call", "return"} <= set(seen)


def inner_of_debugged(debugger, x):
    y = x * 2
    debugger.set_trace()
    z = y + 1
    return z * 3


def debugged(debugger, x):
    here = x + 1
    found = inner_of_debugged(debugger, here)
    last = found + here
    return last * 2


@pytest.mark.parametrize("commands", ["n n pp(y) pp(z) c", "n n n n n pp(found) n pp(last) c", "u pp(here) d n pp(y) r n pp(found) c"])
def test_a_debugger_inside_of_a_compiled_function(commands):
    def session(function):
        shown = io.StringIO()
        debugger = pdb.Pdb(stdin=io.StringIO(commands.replace("pp(", "p (").replace(" ", "\n").replace("p\n(", "p (") + "\n"), stdout=shown, nosigint=True, readrc=False)
        before = sys.gettrace()
        try:
            found = function(debugger, segue.ones(2))
        finally:
            sys.settrace(before)
        return found.tolist(), shown.getvalue()

    made = compiled(debugged)
    assert session(made) == session(made) == session(debugged)


def stepped(x):
    for n in range(2):
        yield x + n


def counted(x, n):
    y = x * 2
    if n > 3:
        y = y + 1
    else:
        y = y - 1
    for value in stepped(y):
        y = helped(y) + value
    segue.compiler.graph_break()
    if y.sum() > 0:
        z = [y + k for k in range(2)][1]
    else:
        z = y.mean()
    try:
        z = z + [1.0][n]
    except IndexError:
        z = z * 2
    finally:
        z = z + 1
    return z * 3


def helped(x):
    with segue.no_grad():
        x = x + 1
    return x


class Counts:
    """A tracer that notes which line followed which in a frame, as coverage.py does."""

    def __init__(self):
        self.last, self.steps = {}, set()

    def trace(self, frame, event, argument):
        if frame.f_code.co_filename != __file__ or frame.f_code.co_name in ("__init__", "trace"):
            return None
        if event == "line":
            if self.last.get(frame, frame.f_lineno) != frame.f_lineno:
                self.steps.add((frame.f_code.co_name, self.last[frame], frame.f_lineno))
            self.last[frame] = frame.f_lineno
        return self.trace


Counts.__module__ = "coverage"


@pytest.mark.parametrize("n", [0, 5])
@pytest.mark.parametrize("tool", ["steps", "trace"])
def test_lines_are_counted_in_compiled_code(n, tool):
    def lines(function):
        x = segue.ones(2)
        if tool == "trace":
            counter = trace.Trace(count=1, trace=0)
            counter.runfunc(function, x, n)
            return {line for file, line in counter.results().counts if file == __file__}
        counts, before = Counts(), sys.gettrace()
        sys.settrace(counts.trace)
        try:
            function(x, n)
        finally:
            sys.settrace(before)
        return counts.steps

    expected, made = lines(counted), compiled(counted)
    for _ in range(3):
        assert expected and lines(made) == expected
    (first,) = [captured for captured in made.cache.settings.captured if captured.function == "counted" and captured.location.endswith(str(counted.__code__.co_firstlineno))][:1]
    assert first.tells and first.compiled is not None


def test_what_was_captured_before_the_tracer_came_runs_eagerly_under_it():
    made = compiled(helped)
    made(segue.ones(2))
    before = segue.compiler.stats()
    counter = trace.Trace(count=1, trace=0)
    counter.runfunc(made, segue.ones(2))
    assert sum(file == __file__ for file, _ in counter.results().counts) == 3
    after = segue.compiler.stats()
    assert after["traced_frames"] == before["traced_frames"] + 1 and after["captures"] == before["captures"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is of 3.12")
def test_lines_are_counted_by_monitoring():
    def lines(function):
        seen, tool = set(), sys.monitoring.COVERAGE_ID
        sys.monitoring.use_tool_id(tool, "lines")
        sys.monitoring.register_callback(tool, sys.monitoring.events.LINE, lambda code, line: seen.add(line) if code.co_filename == __file__ else None)
        sys.monitoring.set_events(tool, sys.monitoring.events.LINE)
        try:
            function(segue.ones(2), 5)
        finally:
            sys.monitoring.set_events(tool, 0)
            sys.monitoring.free_tool_id(tool)
        return seen

    assert lines(compiled(counted)) == lines(counted)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is of 3.12")
@pytest.mark.parametrize("tool", [0, 1], ids=["debugger", "coverage"])
@pytest.mark.parametrize("everywhere", [True, False])
def test_monitoring_that_begins_after_a_capture_sees_the_lines(tool, everywhere):
    def lines(function):
        seen, events = set(), sys.monitoring.events.LINE
        sys.monitoring.use_tool_id(tool, "lines")
        sys.monitoring.register_callback(tool, events, lambda code, line: seen.add(line) if code.co_filename == __file__ else None)
        sys.monitoring.set_events(tool, events) if everywhere else sys.monitoring.set_local_events(tool, counted.__code__, events)
        try:
            function(segue.ones(2), 5)
        finally:
            sys.monitoring.set_events(tool, 0) if everywhere else sys.monitoring.set_local_events(tool, counted.__code__, 0)
            sys.monitoring.free_tool_id(tool)
        return {line for line in seen if line in range(counted.__code__.co_firstlineno, max(line for *_, line in counted.__code__.co_lines() if line) + 1)}

    made = compiled(counted)
    made(segue.ones(2), 5)
    assert lines(made) == lines(counted)


def test_assertions_that_pytest_rewrote():
    def asserting(x, n):
        y = x * 2
        assert n == y.shape[0], "sizes"
        return y

    made = compiled(asserting)
    assert made(segue.ones(2), 2).tolist() == [2, 2]
    with pytest.raises(AssertionError, match="sizes\nassert 3 == 2"):
        made(segue.ones(2), 3)


# -- recursion and re-entrancy ----------------------------------------------------------------------------------------------------------


def test_a_compiled_function_that_calls_itself():
    def down(x, n):
        return x if n == 0 else made(x + 1, n - 1) * 2

    made = compiled(down)
    assert made(segue.ones(1), 3).tolist() == [32]

    def broken(x, n):
        if n == 0:
            return x
        segue.compiler.graph_break()
        return again(x + 1, n - 1) * 2

    again = compiled(broken)
    assert again(segue.ones(1), 3).tolist() == [32]


def test_a_capture_begun_by_a_finaliser():
    made = compiled(lambda x: x + 1)
    found = []

    class Late:
        def __del__(self):
            found.append(made(segue.ones(1)).item())

    def f(x):
        Late()
        return x * 2

    for _ in range(2):
        assert compiled(f)(segue.ones(2)).tolist() == [2, 2]
    assert found and set(found) == {2.0}


def test_an_iterator_that_calls_the_function_again():
    def total(x, parts):
        for part in parts:
            x = x + part
        return x

    made = compiled(total)

    def parts(n):
        for k in range(n):
            yield made(segue.ones(1), parts(k)) if k else segue.ones(1)

    assert made(segue.zeros(1), parts(3)).tolist() == total(segue.zeros(1), (segue.ones(1), segue.ones(1) * 2, segue.ones(1) * 4)).tolist()
