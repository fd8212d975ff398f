"""Context variables: what they hold is guarded, what captured code sets is set behind the graph.

In comes a program that asks and sets them, out go eager's answers, in each context.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading

import pytest
from interp_support import compiled, same

import segue
from segue.eager.stats import stats

X = segue.tensor([1.0, -2.0])


def variables():
    return contextvars.ContextVar("scale", default=2.0), contextvars.ContextVar("empty")


def asked(scale, empty, x):
    return x * scale.get(), scale.get(7), empty.get(7), scale.name


def set_and_put_back(scale, empty, x):
    token, other = scale.set(scale.get() + 1), empty.set("a")
    y = x * scale.get(), empty.get()
    scale.reset(token)
    empty.reset(other)
    return y, scale.get(), empty.get(None)


def scoped(scale, empty, x):
    @contextlib.contextmanager
    def scaled(value):
        token = scale.set(value)
        try:
            yield
        finally:
            scale.reset(token)

    with scaled(3.0):
        y = x * scale.get()
        with scaled(x.sum()):
            y = y * scale.get()
        print(end="")
        y = y + scale.get()
    return y, scale.get()


def left_set(scale, empty, x):
    empty.set(x * 2)
    scale.set(4.0)
    return x * scale.get() + empty.get()


def refused(scale, empty, x):
    try:
        return empty.get()
    except LookupError:
        return x * 3


@pytest.mark.parametrize("program", [asked, set_and_put_back, scoped, left_set, refused], ids=lambda program: program.__name__)
def test_what_a_program_sees_and_leaves(program):
    found = []
    for wrapper in (lambda run: run, compiled):
        scale, empty = variables()
        run = wrapper(lambda x, s=scale, e=empty: program(s, e, x))
        found.append([run(X) for _ in range(3)] + [scale.get(), empty.get(None)])
    assert same(*found)


def test_each_context_has_its_own():
    scale, _ = variables()
    made = compiled(lambda x: x * scale.get(), fullgraph=True)
    found = [made(X).tolist()]

    def other():
        scale.set(4.0)
        found.append(made(X).tolist())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    contextvars.copy_context().run(other)
    found.append(made(X).tolist())
    assert found == [[2, -4], [4, -8], [4, -8], [2, -4]]


def test_one_that_differs_at_each_call_is_not_compiled_for():
    counter = contextvars.ContextVar("counter", default=0)

    def run(x):
        counter.set(counter.get() + 1)
        return x * counter.get()

    made = compiled(run)
    for _ in range(8):
        made(X)
    before = stats.read()
    for turn in range(9, 24):
        assert made(X).tolist() == [turn, -2 * turn]
    assert stats.since(before)["captures"] <= 3


def test_what_a_thread_keeps_for_itself():
    kept = threading.local()
    kept.scale = 2.0

    def run(x):
        kept.count = getattr(kept, "count", 0) + 1
        if hasattr(kept, "offset"):
            x = x + kept.offset
        return x * kept.scale * kept.count, kept.count

    made, found = compiled(run, fullgraph=True), []

    def work(scale):
        kept.scale, kept.count = scale, 0
        found.append([made(X)[0].tolist() for _ in range(12)])
        kept.offset = 1.0
        found.append(made(X)[0].tolist())

    work(2.0)
    threads = [threading.Thread(target=work, args=(scale,)) for scale in (3.0, 5.0)]
    for thread in threads:
        thread.start()
        thread.join()
    for turn, scale in enumerate((2.0, 3.0, 5.0)):
        assert found[2 * turn] == [[scale * n, -2 * scale * n] for n in range(1, 13)]
        assert found[2 * turn + 1] == [2 * scale * 13, -scale * 13]
    del kept.scale
    with pytest.raises(AttributeError, match="object has no attribute 'scale'"):
        compiled(run)(X)


class Block:
    def __init__(self, log, name, swallows=False, raises=None):
        self.log, self.name, self.swallows, self.raises = log, name, swallows, raises

    def __enter__(self):
        self.log.append(self.name)
        return self

    def __exit__(self, kind, error, traceback):
        self.log.append((self.name, kind, str(error), None if error is None else repr(error.__context__)))
        if self.raises:
            raise self.raises(self.name)
        return self.swallows


def history(error):
    found = []
    while error is not None:
        found.append((repr(error), error.__suppress_context__, repr(error.__cause__)))
        error = error.__context__
    return found


def stacked(x, blocks, error):
    log = []
    try:
        with contextlib.ExitStack() as stack:
            for block in blocks:
                stack.enter_context(Block(log, *block))
            stack.callback(log.append, "called")
            y = x * 2
            if error:
                raise error("body") from KeyError("cause")
        log.append("behind")
    except Exception as problem:
        log.append(history(problem))
    return y, log


def stacked_within_a_handler(x, blocks, error):
    try:
        raise TypeError("outside")
    except TypeError:
        return stacked(x, blocks, error)


def stacked_twice(x, blocks, error):
    log = []
    try:
        with contextlib.ExitStack() as outer:
            outer.enter_context(Block(log, "outer", False, LookupError))
            log.append(stacked(x, blocks, error))
            with contextlib.ExitStack() as inner, contextlib.suppress(AttributeError):
                inner.push(lambda *details: log.append(details[0]))
                inner.enter_context(Block(log, "inner", False, error))
    except Exception as problem:
        log.append(history(problem))
    return x + 1, log


STACKS = [(), (("a",),), (("a", True),), (("a", True), ("b",)), (("a", False, ValueError),), (("a", False, ValueError), ("b", False, OSError)), (("a", True), ("b", False, OSError)),
          (("a", False, ValueError), ("b", True))]  # fmt: skip


@pytest.mark.parametrize("blocks", STACKS, ids=repr)
@pytest.mark.parametrize("program", [stacked, stacked_within_a_handler, stacked_twice], ids=lambda program: program.__name__)
def test_exceptions_that_leave_an_exit_stack(program, blocks):
    made, before = compiled(program, fullgraph=True), stats.read()
    for error in (None, RuntimeError, RuntimeError):
        assert same(program(X, blocks, error), made(X, blocks, error))
    assert stats.since(before)["graphs"] == 2
