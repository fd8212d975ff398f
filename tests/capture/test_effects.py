"""What compiled code does beside computing: warnings come as eagerly, with the same lines, and locks are held while what they guard is read and written.

In come programs that warn or take a lock, each run eagerly and compiled.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
import warnings

import pytest
from interp_support import compiled, same

import segue
from segue.eager.stats import stats

X = segue.tensor([1.0, -2.0, 3.0])
LOCK, AGAIN = threading.Lock(), threading.RLock()
COUNTS = {"calls": 0}


class Own(UserWarning):
    pass


def told(function, action="always", calls=2):
    """What the calls give, and all that they warn of: class, text, file and line."""
    globals().pop("__warningregistry__", None)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter(action)
        found = []
        for _ in range(calls):
            try:
                found.append(function(X.clone()))
            except Warning as error:
                found.append(repr(error))
    return found, [(one.category, str(one.message), one.lineno, os.path.basename(one.filename)) for one in seen]


def old(x, level):
    warnings.warn("old() is old", DeprecationWarning, stacklevel=level)
    return x + 1


def plain(x):
    y = x * 2
    warnings.warn("careful")
    return y + 1


def followed(x):
    y = old(x, 1)
    y = old(y, 2)
    warnings.warn(f"{y.shape[0]} rows", category=Own)
    warnings.warn(Own("an object"))
    return y * 3


def of_the_caller(x):
    y = x * 2
    warnings.warn("to the caller", stacklevel=2)
    return old(y, 3)


def with_data(x):
    y = x.sum()
    warnings.warn(f"the sum is {y.item():.2f}")
    return y


def hidden(x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Own)
        warnings.warn("not seen", Own)
        y = old(x, 1)
    warnings.warn("seen", Own)
    return y * 2


@pytest.mark.parametrize("program", [plain, followed, of_the_caller, with_data, hidden], ids=lambda program: program.__name__)
def test_warnings(program):
    made, before = compiled(program), stats.read()
    for action in ("always", "default", "ignore", "once"):
        eager, found = told(program, action), told(made, action)
        assert same(eager[0], found[0])
        assert eager[1] == found[1]
    counted = stats.since(before)
    assert (counted["graphs"], counted["breaks"]) == (1, 0)


def after_a_break(x):
    y = x * 2
    print(end="")
    warnings.warn("to the caller", stacklevel=2)
    return y + 1


def within_the_block(x):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="not")
        y = x * 2
        print(end="")
        warnings.warn("not seen")
        y = y + 1
    warnings.warn("not hidden")
    return y


@pytest.mark.parametrize("program", [after_a_break, within_the_block], ids=lambda program: program.__name__)
def test_warnings_around_a_break(program):
    made, before = compiled(program), stats.read()
    eager, found = told(program), told(made)
    assert same(eager[0], found[0])
    assert eager[1] == found[1]
    assert stats.since(before)["breaks"] == 1


def caught(x):
    done = ["begun"]
    try:
        y = x * 2
        warnings.warn("wrong", Own)
        done.append("not caught")
    except Own as error:
        return done, str(error)
    return y, done


def test_a_warning_that_is_an_error():
    made = compiled(caught)
    for action in ("always", "error", "always"):
        assert same(told(caught, action), told(made, action))
    assert same(told(plain, "error"), told(compiled(plain), "error"))


def made_an_error(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            warnings.warn("wrong", Own)
        except Own:
            return x * 2
    return x


def kept(x):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn("kept")
    return x * len(seen)


def no_category(x):
    try:
        warnings.warn("text", int)
    except TypeError as error:
        return x * 2, str(error)


@pytest.mark.parametrize("program", [made_an_error, kept, no_category], ids=lambda program: program.__name__)
def test_what_is_left_to_eager_mode(program):
    assert same(told(program), told(compiled(program)))


def counted(x):
    y = x * 2
    with LOCK:
        COUNTS["calls"] += 1
    return y + COUNTS["calls"]


def returned_within(x):
    with AGAIN:
        COUNTS["calls"] += 1
        return x * COUNTS["calls"]


def by_hand(x):
    LOCK.acquire()
    try:
        y = x * 2
    finally:
        LOCK.release()
    return y * y


@pytest.mark.parametrize(("program", "graphs"), [(counted, 3), (returned_within, 2), (by_hand, 1)], ids=lambda case: getattr(case, "__name__", ""))
def test_a_lock_is_one_break(program, graphs):
    made, found = compiled(program), []
    for function in (program, made):
        COUNTS["calls"], before = 0, stats.read()
        found.append([function(X) for _ in range(3)])
        assert not LOCK.locked()
        assert AGAIN.acquire(blocking=False)
        AGAIN.release()
    assert same(*found)
    assert stats.since(before)["graphs"] == graphs  # the count varies from its second value on
    assert {str(captured.ended).split(": ")[1].splitlines()[0] for captured in made.cache.settings.captured if captured.ended} == {
        f"taking a {'RLock' if program is returned_within else 'lock'} object ends the graph"}


def raises_within(x):
    with LOCK:
        COUNTS["calls"] += 1
        y = x * 2
        raise ValueError("within")
    return y


def test_a_lock_is_released_when_an_exception_leaves_the_block():
    for _ in range(2):
        for function in (raises_within, compiled(raises_within)):
            with pytest.raises(ValueError, match="within"):
                function(X)
            assert not LOCK.locked()


def test_what_a_lock_guards_is_counted_by_all_threads():
    made, COUNTS["calls"] = compiled(counted), 0
    for _ in range(3):
        made(X)

    def work():
        for _ in range(200):
            made(X)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert COUNTS["calls"] == 603


def locks_of_its_own(x):
    lock, again = threading.Lock(), threading.RLock()
    with lock, again, again:
        y = x * lock.locked()
        taken = lock.acquire(blocking=False)
    try:
        lock.release()
    except RuntimeError as error:
        text = str(error)
    again.acquire()
    return y, taken, text, lock.locked(), again


def test_locks_made_in_the_captured_code():
    made, before = compiled(locks_of_its_own), stats.read()
    for _ in range(2):
        eager, found = locks_of_its_own(X), made(X)
        assert same(eager[:4], found[:4])
        assert type(eager[4]) is type(found[4])
        for again in (eager[4], found[4]):
            again.release()
            with pytest.raises(RuntimeError):
                again.release()
    counted = stats.since(before)
    assert (counted["graphs"], counted["breaks"]) == (1, 0)


def test_a_list_of_warnings_is_read_as_it_is():
    def counting(x, seen):
        warnings.warn("one more")
        y = x * 2
        return y + len(seen)

    made, other = compiled(counting), []
    for _ in range(2):
        assert made(X, other)[0] == 2
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            for count in (1, 2, 3):
                assert made(X, seen)[0] == 2 + count
                assert len(seen) == count


def test_warnings_that_a_function_shows_come_when_they_are_due(monkeypatch):
    shown = []
    made = compiled(lambda x: (x * 2, warnings.warn("shown"), len(shown)))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        made(X)
        monkeypatch.setattr(warnings, "showwarning", lambda *args: shown.append(args))
        assert [made(X)[2] for _ in range(2)] == [1, 2]


def test_a_foreign_function_may_take_the_lock_that_was_released():
    @segue.opaque(shape=lambda x: x)
    def doubled(x):
        with LOCK:
            warnings.warn("from the foreign function")
            return x * 2

    def program(x):
        with LOCK:
            y = x + 1
        warnings.warn("before it")
        return doubled(y) + 1

    made = compiled(program)
    eager, found = told(program), told(made)
    assert same(eager[0], found[0]) and [text for _, text, *_ in eager[1]] == [text for _, text, *_ in found[1]] == ["before it", "from the foreign function"] * 2
    assert not LOCK.locked()


def test_warnings_of_modules_in_training_steps():
    class Model(segue.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = segue.nn.Linear(3, 1)

        def forward(self, x):
            if x.dim() == 1:
                warnings.warn(f"no batch in {x.shape}", stacklevel=2)
            return segue.utils.checkpoint.checkpoint(self.inner, x, use_reentrant=False)

        def inner(self, x):
            warnings.warn("within")
            return self.layer(x)

    def run(wrapper):
        segue.manual_seed(0)
        model = Model()
        optimizer = segue.optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = model(x).sum()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return told(wrapper(step), calls=3)

    eager, found = run(lambda step: step), run(compiled)
    assert same(eager[0], found[0])
    assert [one[1:3] for one in eager[1]] == [one[1:3] for one in found[1]]


def test_a_cached_function_may_take_the_lock_that_was_released():
    @functools.lru_cache
    def answer():
        with LOCK:
            return 3

    def program(x):
        with LOCK:
            y = x + 1
        return y * answer()

    made = compiled(program)
    assert same(made(X), (X + 1) * 3) and same(made(X), (X + 1) * 3)


DIVERTED = """
import io, sys, warnings, segue
warnings.simplefilter("always")

def diverted(x):
    out, before = io.StringIO(), sys.stderr
    warnings.warn("before")
    sys.stderr = out
    warnings.warn("inside")
    sys.stderr = before
    warnings.warn("behind")
    return x + 1, [word in out.getvalue() for word in ("before", "inside", "behind")]

print(diverted(segue.ones(2))[1], segue.compile(diverted, backend="eager")(segue.ones(2))[1])
"""


def test_a_warning_goes_where_stderr_leads_when_it_is_issued():
    """In a process of its own, as pytest keeps warnings from stderr."""
    found = subprocess.run([sys.executable, "-c", DIVERTED], capture_output=True, text=True, timeout=120)
    assert found.stdout.strip() == "[False, True, False] [False, True, False]", found.stderr
