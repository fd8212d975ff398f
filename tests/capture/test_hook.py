"""The frame hook: frames pass through untouched, and run other code when an entry's guards hold."""

import asyncio
import copy
import functools
import gc
import inspect
import pickle
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest

from segue.capture import frame as hook
from segue.capture.frame import SKIP, Cache, CacheEntry, Compiled, Disabled, FrameView
from segue.capture.guards import Equals, GuardSet, Local, TypeIs

pytestmark = pytest.mark.skipif(not hook.FRAMES_KNOWN, reason="the hook does not know this Python version")


def replacing(table, guards=lambda view: (), log=None):
    """A callback that replaces the code of the functions in `table` by that of their partners."""
    codes = {old.__code__: new.__code__ for old, new in table.items()}

    def callback(settings, code, view, entries):
        if log is not None:
            log.append((code.co_name, dict(view.locals), len(entries)))
        return CacheEntry(GuardSet(guards(view)), codes[code]) if code in codes else None

    return callback


def compiled(function, partner=None, **options):
    callback = replacing({} if partner is None else {function: partner}, **options)
    return Compiled(function, Cache(callback))


def counted(call):
    """The counters that a call changes."""
    before = hook.stats()
    call()
    return {name: value - before[name] for name, value in hook.stats().items() if value != before[name]}


@pytest.fixture(autouse=True)
def nothing_left_behind():
    yield
    assert not hook.is_installed()
    assert not hook.is_active()


# ---------------------------------------------------------------------------------------------------------------- passing through


def mixture(a, /, b, *rest, c=3, **more):
    def inner(x):
        return x + b + len(rest)

    total = sum(inner(i) for i in range(a))
    squares = [i * i for i in rest]
    try:
        more["missing"]
    except KeyError as error:
        text = str(error)
    return total, squares, text, c, sorted(more)


def test_code_that_nobody_compiles_runs_as_it_is():
    expected = mixture(3, 4, 5, 6, c=7, d=8)
    assert compiled(mixture)(3, 4, 5, 6, c=7, d=8) == expected


def test_the_hook_is_installed_only_while_a_region_runs():
    seen = []

    def inside():
        seen.append((hook.is_installed(), hook.is_active()))

    inside()
    compiled(inside)()
    inside()
    assert seen == [(False, False), (True, True), (False, False)]


def test_code_outside_of_regions_is_not_even_counted():
    compiled(mixture)(3, 4)
    assert counted(lambda: [mixture(3, 4) for _ in range(100)]) == {}


def test_exceptions_go_through_and_leave_nothing_installed():
    def deep(n):
        if n == 0:
            raise LookupError("here")
        return deep(n - 1)

    with pytest.raises(LookupError, match="here") as caught:
        compiled(deep)(5)
    names = [entry.name for entry in caught.traceback]
    assert names.count("deep") == 6


def test_generators_coroutines_and_class_bodies_are_not_looked_up():
    log = []

    def numbers(n):
        received = yield from range(n)
        return received

    async def later(x):
        await asyncio.sleep(0)
        return x

    def user():
        class Local:
            attribute = 5

        stream = numbers(2)
        values = list(stream)
        coroutine = later(3)
        loop = asyncio.new_event_loop()
        try:
            answer = loop.run_until_complete(coroutine)
        finally:
            loop.close()
        thrown = numbers(3)
        next(thrown)
        with pytest.raises(ValueError, match="in"):
            thrown.throw(ValueError("in"))
        return Local.attribute, values, answer, eval("1 + 1"), eval(compile("2 + 2", "<user>", "eval"))

    assert Compiled(user, Cache(replacing({}, log=log)))() == (5, [0, 1], 3, 2, 4)
    assert {"numbers", "later", "Local", "<module>"}.isdisjoint(name for name, *_ in log)


def test_recursion_goes_as_deep_as_the_c_stack_lets_it():
    def depth(n):
        return 0 if n == 0 else 1 + depth(n - 1)

    assert compiled(depth)(400) == 400


def test_too_deep_a_recursion_is_an_error_and_no_crash():
    def endless(n):
        return endless(n + 1)

    with pytest.raises(RecursionError):
        compiled(endless)(0)


# ---------------------------------------------------------------------------------------------------------------- other code


def plain(x, y=2):
    return x + y


def other(x, y=2):
    first, second, third = x * 10, y * 10, None
    third = (first, second, (first, (second, (first, second, first, (second, [first, second]))))) and first + second
    return third


def test_a_frame_runs_the_code_of_its_entry():
    f = compiled(plain, other)
    assert (f(1), f(1, 3), f(x=2, y=2)) == (30, 40, 40)


def test_the_entry_whose_guards_hold_is_taken():
    log = []
    f = compiled(plain, other, guards=lambda view: [TypeIs(Local("x"), type(view.locals["x"])), Equals(Local("y"), view.locals["y"])], log=log)
    assert [f(1), f(2), f(1.5), f(3, 4), f(4), f(2.5)] == [30, 40, 35, 70, 60, 45]
    assert log == [("plain", {"x": 1, "y": 2}, 0), ("plain", {"x": 1.5, "y": 2}, 1), ("plain", {"x": 3, "y": 4}, 2)]
    entries = f.cache.entries(plain.__code__)
    assert sorted(entry.hits for entry in entries) == [0, 1, 2]
    assert entries[0].hits == 1, "the most recently hit entry is the first"


def test_counters_tell_hits_and_misses():
    f = compiled(plain, other)
    assert counted(lambda: f(1)).items() >= {"calls": 1, "frames": 1, "misses": 1, "retargeted": 1}.items()
    change = counted(lambda: f(1))
    assert change.items() >= {"calls": 1, "frames": 1, "hits": 1, "retargeted": 1}.items()
    assert "misses" not in change


def test_an_entry_may_keep_the_code():
    f = compiled(plain, plain)
    assert (f(1), f(2)) == (3, 4)
    assert counted(lambda: f(1))["hits"] == 1
    assert not hook.is_skipped(plain)


def test_none_runs_eagerly_once_and_skip_for_ever():
    answers, asked = [None, SKIP], []

    def callback(settings, code, view, entries):
        asked.append(code)
        return answers.pop(0)

    f = Compiled(plain, Cache(callback))
    assert [f(1), f(1), f(1), f(1)] == [3, 3, 3, 3]
    assert asked == [plain.__code__] * 2


def test_settings_and_view_reach_the_callback():
    cell = 5
    settings, seen = object(), []

    def user(x, *rest, key, **more):
        return cell

    def callback(given, code, view, entries):
        seen.append((given, code, view, entries))

    Compiled(user, Cache(callback, settings))(1, 2, key=3, extra=4)
    given, code, view, entries = seen[0]
    assert given is settings
    assert code is view.code is user.__code__
    assert view.function is user
    assert view.globals is globals()
    assert view.builtins["len"] is len
    assert entries == ()
    assert {name: value for name, value in view.locals.items() if name != "cell"} == {"x": 1, "rest": (2,), "key": 3, "more": {"extra": 4}}
    assert view.locals["cell"].cell_contents == 5
    assert view.parameters == (1, 3, (2,), {"extra": 4})


def test_an_error_of_the_callback_reaches_the_user():
    def callback(settings, code, view, entries):
        raise ZeroDivisionError("in the callback")

    with pytest.raises(ZeroDivisionError, match="in the callback"):
        Compiled(plain, Cache(callback))(1)


def test_a_wrong_answer_of_the_callback_is_a_type_error():
    with pytest.raises(TypeError, match="CacheEntry, None or SKIP"):
        Compiled(plain, Cache(lambda *args: 5))(1)


def test_the_hook_is_off_while_the_callback_runs():
    asked = []

    def helper():
        return hook.is_active()

    def callback(settings, code, view, entries):
        asked.append((code.co_name, helper()))

    Compiled(plain, Cache(callback))(1)
    assert asked == [("plain", False)]


def test_called_functions_are_looked_up_in_the_same_cache():
    def caller(x):
        return plain(x) + 1

    f = Compiled(caller, Cache(replacing({plain: other})))
    assert f(1) == 31
    assert caller(1) == 4, "outside the region nothing is replaced"


def test_caches_do_not_mix():
    f, g = compiled(plain, other), compiled(plain)
    assert (f(1), g(1), f(1)) == (30, 3, 30)


def test_a_nested_compiled_function_brings_its_own_cache():
    inner = compiled(plain)

    def caller(x):
        return inner(x), plain(x)

    f = Compiled(caller, Cache(replacing({plain: other})))
    assert f(1) == (3, 30)


def test_exceptions_and_handlers_inside_other_code():
    def risky(x):
        return x

    def handled(x):
        try:
            raise KeyError(x)
        except KeyError as error:
            if x == 2:
                raise RuntimeError("second") from error
            return error.args[0]

    f = compiled(risky, handled)
    assert f(1) == 1
    with pytest.raises(RuntimeError, match="second") as caught:
        f(2)
    assert [entry.name for entry in caught.traceback][-1] == "handled"
    assert f(3) == 3


def test_closures_cells_and_super_work_in_other_code():
    class Base:
        def method(self, x):
            return x

    class Old(Base):
        def method(self, x):
            return super().method(x)

    class New(Base):
        def method(self, x):
            extra = [x + i for i in range(2)]
            return (lambda: (super(type(self), self).method(x), __class__.__name__, extra))()  # noqa: F821

    f = compiled(Old.method, New.method)
    assert f(Old(), 1) == (1, "Old", [1, 2])


def test_parameters_that_are_cells():
    def old(x, y):
        return (lambda: x + y)()

    def new(x, y):
        x += 100
        return (lambda: (x, y))()

    assert compiled(old, new)(1, 2) == (101, 2)


def test_all_kinds_of_parameters_reach_other_code():
    def old(a, /, b, *rest, c, d=4, **more):
        return None

    def new(a, /, b, *rest, c, d=4, **more):
        local = (a, b, rest, c, d, more)
        return local

    assert compiled(old, new)(1, 2, 3, c=5, e=6) == (1, 2, (3,), 5, 4, {"e": 6})


# A function with so many temporaries that its frame does not fit where the small one stood: the data stack of a thread comes in chunks of 16 KiB.
SOURCE = "def large({0}):\n    " + "\n    ".join(f"v{i} = {i}" for i in range(1500)) + "\n    return ({1}, v0 + v1499)\n"


def large(parameters, result):
    namespace = {}
    exec(SOURCE.format(parameters, result), namespace)
    return namespace["large"]


def test_a_frame_without_room_runs_a_replacement_function():
    def small(a, /, b, *rest, c, d=4, **more):
        return a

    big = large("a, /, b, *rest, c, d=4, **more", "a, b, rest, c, d, more")
    f = compiled(small, big)

    def call():
        assert f(1, 2, 3, c=5, e=6) == (1, 2, (3,), 5, 4, {"e": 6}, 1499)

    changes = [counted(call) for _ in range(3)]
    assert all(change.get("replaced", 0) + change.get("retargeted", 0) == 1 for change in changes)


def countdown(n):
    return n if n == 0 else countdown(n - 1) + 1


def test_deep_recursion_with_growing_frames():
    filler = "".join(f"    v{i} = n\n" for i in range(40))
    namespace = {}
    exec(f"def grown(n):\n{filler}    return n if n == 0 else countdown(n - 1) + 1 + v39 - v0\n", namespace)
    f = compiled(countdown, namespace["grown"])
    results = []
    change = counted(lambda: results.append(f(300)))
    assert results == [300]
    assert change["retargeted"] + change["replaced"] == 301
    assert change["replaced"] > 0, "some frame stood at the end of its chunk"
    assert "refused" not in change


def test_code_that_does_not_fit_is_refused():
    def renamed(z, y=2):
        return z

    f = compiled(plain, renamed)
    with pytest.warns(RuntimeWarning, match="another name"):
        assert f(1) == 3
    assert f(1) == 3
    assert hook.mismatch(plain.__code__, renamed.__code__) == "a parameter has another name"
    assert hook.mismatch(plain.__code__, (lambda x: x).__code__) == "the number of parameters differs"
    assert hook.mismatch(plain.__code__, other.__code__) is None


# ---------------------------------------------------------------------------------------------------------------- skipping


def test_skipped_code_is_not_looked_up():
    def own():
        return plain(1)

    log = []
    hook.skip(own)
    f = Compiled(own, Cache(replacing({plain: other}, log=log)))
    assert f() == 30
    assert [name for name, *_ in log] == ["plain"]


def test_below_a_leaf_the_hook_is_off():
    log = []

    @hook.leaf
    def own():
        return plain(1)

    def caller():
        return own() + plain(1)

    assert Compiled(caller, Cache(replacing({plain: other}, log=log)))() == 33
    assert [name for name, *_ in log] == ["caller", "plain"]


def test_below_a_disabled_function_nothing_is_compiled():
    f = compiled(plain, other)
    off = Disabled(lambda: (plain(1), f(1), hook.is_active()))

    def caller():
        return off(), plain(1)

    assert Compiled(caller, Cache(replacing({plain: other})))() == ((3, 3, False), 30)


def test_the_standard_library_and_our_own_rooms_are_skipped_but_users_packages_are_not():
    assert hook.is_skipped(inspect.signature)
    assert hook.is_skipped(hook.check_guards)
    assert hook.is_skipped(functools.wraps)
    assert not hook.is_skipped(plain)
    site = next(path for path in sys.path if path.endswith("site-packages"))
    assert not hook.is_skipped(compile("0", f"{site}/users_package/module.py", "exec"))


def test_a_library_function_is_looked_up_when_it_is_asked_for():
    log = []
    assert Compiled(textwrap.indent, Cache(replacing({}, log=log)))("x", "  ") == "  x"
    assert [name for name, *_ in log][0] == "indent"
    assert hook.is_skipped(textwrap.dedent)
    hook.keep(textwrap.shorten)
    assert not hook.is_skipped(textwrap.shorten)


def test_a_user_function_called_by_the_library_is_looked_up():
    log = []

    def key(x):
        return -x

    def caller():
        return functools.reduce(lambda a, b: a + b, sorted([1, 3, 2], key=key))

    assert Compiled(caller, Cache(replacing({}, log=log)))() == 6
    assert [name for name, *_ in log].count("key") == 3


# ---------------------------------------------------------------------------------------------------------------- what it looks like


def documented(x: int, *, y: str = "a") -> tuple:
    """What it says."""
    return x, y


def test_it_looks_like_the_function():
    f = compiled(documented)
    assert f.__name__ == "documented"
    assert f.__qualname__ == "documented"
    assert f.__doc__ == "What it says."
    assert f.__module__ == documented.__module__
    assert f.__wrapped__ is documented
    assert f.__annotations__ == documented.__annotations__
    assert inspect.signature(f) == inspect.signature(documented)
    assert "documented" in repr(f)
    f.note = 5
    assert f.note == 5
    with pytest.raises(AttributeError):
        f.nothing  # noqa: B018


module_level = compiled(documented)


def test_copies_and_pickles_are_by_name():
    assert copy.copy(module_level) is module_level
    assert copy.deepcopy([module_level])[0] is module_level
    assert weakref.ref(module_level)() is module_level
    with pytest.raises(pickle.PicklingError):  # the name leads to the plain function, not to this object: as for any decorated function
        pickle.dumps(module_level)


def test_as_a_method_it_binds():
    class Counter:
        start = 3

        def plus(self, x):
            return self.start + x

        replaced = compiled(plus)

    assert Counter().replaced(4) == 7
    assert Counter.replaced(Counter(), 4) == 7


def test_only_callables_are_taken():
    with pytest.raises(TypeError):
        Compiled(5, Cache(lambda *args: None))
    with pytest.raises(TypeError):
        Compiled(plain, "no cache")
    with pytest.raises(TypeError):
        Cache(5)
    with pytest.raises(TypeError):
        hook.skip(5)


def test_frame_views_can_be_made_by_hand():
    view = FrameView(documented, {"x": 1, "y": "b"})
    assert view.locals == {"x": 1, "y": "b"}
    with pytest.raises(KeyError, match="'y'"):
        FrameView(documented, {"x": 1})


# ---------------------------------------------------------------------------------------------------------------- cache


def test_clearing_the_cache_asks_again():
    log = []
    f = compiled(plain, other, log=log)
    f(1), f(1)
    f.cache.clear()
    assert f(1) == 30
    assert len(log) == 2
    assert f.cache.codes() == [plain.__code__]


def test_a_cache_grows_over_many_functions():
    functions = []
    for i in range(100):
        namespace = {}
        exec(f"def f(x):\n    return x + {i}\n", namespace)
        functions.append(namespace["f"])

    def caller():
        return sum(function(1) for function in functions) - sum([function(1) for function in functions])

    f = compiled(caller)
    assert f() == 0
    assert {function.__code__ for function in functions} <= set(f.cache.codes())


def test_clearing_the_cache_while_its_code_runs():
    def old(caches):
        return None

    def new(caches):
        caches.pop().clear()
        gc.collect()
        return [i + len(caches) for i in range(3)]

    f = compiled(old, new)
    for _ in range(3):
        assert f([f.cache]) == [0, 1, 2]
        assert f.cache.entries(old.__code__) == ()


def test_discarded_entries_are_forgotten():
    f = compiled(plain, other)
    f(1)
    (entry,) = f.cache.entries(plain.__code__)
    assert f.cache.discard(entry)
    assert not f.cache.discard(entry)
    assert f.cache.entries(plain.__code__) == ()


# ---------------------------------------------------------------------------------------------------------------- threads, tracing, leaks


def test_other_threads_are_not_compiled():
    started, go_on, seen = threading.Event(), threading.Event(), []

    def region():
        started.set()
        assert go_on.wait(20)
        return plain(1)

    f = Compiled(region, Cache(replacing({plain: other})))
    thread = threading.Thread(target=lambda: seen.append(f()))
    thread.start()
    assert started.wait(20)
    seen.append((plain(1), hook.is_installed(), hook.is_active()))
    go_on.set()
    thread.join(20)
    assert seen == [(3, True, False), 30]


def test_many_threads_share_a_compiled_function():
    f = compiled(plain, other, guards=lambda view: [Equals(Local("y"), view.locals["y"])])
    wrong = []

    def work(seed):
        for i in range(300):
            y = (i + seed) % 5
            if f(i, y) != 10 * (i + y):
                wrong.append((i, y))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(switch)
    assert wrong == []


def test_tracing_sees_the_lines_of_both_codes():
    def lines_of(function, call):
        seen = []

        def tracer(frame, event, argument):
            if frame.f_code is function.__code__:
                seen.append((event, frame.f_lineno - function.__code__.co_firstlineno, sorted(frame.f_locals)))
            return tracer

        old = sys.gettrace()
        sys.settrace(tracer)
        try:
            call()
        finally:
            sys.settrace(old)
        return seen

    expected = lines_of(plain, lambda: plain(1))
    assert expected
    assert lines_of(plain, lambda: compiled(plain)(1)) == expected
    assert lines_of(other, lambda: compiled(plain, other)(1)) == lines_of(other, lambda: other(1))


def test_frames_of_other_code_show_their_locals():
    def look(x):
        return None

    def looking(x):
        here = x + 1  # noqa: F841
        return sys._getframe(0).f_locals["here"], sys._getframe(0).f_code.co_name

    assert compiled(look, looking)(1) == (2, "looking")


class Token:
    """An object whose life can be watched."""


def living():
    gc.collect()
    return sum(type(thing) is Token for thing in gc.get_objects())


def test_nothing_leaks_over_a_thousand_rounds():
    def user(token, *rest, **more):
        return token

    def instead(token, *rest, **more):
        kept = [token, rest, more]
        return kept[0]

    def failing(token, *rest, **more):
        raise ValueError(token)

    def round_trip(f):
        try:
            f(Token(), Token(), name=Token())
        except (ValueError, LookupError):
            pass

    def raising(settings, code, view, entries):
        raise LookupError(view)

    ways = [compiled(user), compiled(user, instead), compiled(user, failing), Compiled(user, Cache(raising)), Disabled(user)]
    for f in ways:
        for _ in range(1000):
            round_trip(f)
    assert living() == 0


def test_replacement_functions_do_not_leak():
    def user(token, *rest, key, **more):
        return token

    f = compiled(user, large("token, *rest, key, **more", "token, rest"))
    for _ in range(200):
        f(Token(), Token(), key=Token(), other=Token())
    assert living() == 0


def test_reference_counts_of_code_do_not_drift():
    f = compiled(plain, other)
    f(1)
    before = [sys.getrefcount(thing) for thing in (plain.__code__, other.__code__, plain, f, f.cache)]
    for _ in range(1000):
        f(1)
    after = [sys.getrefcount(thing) for thing in (plain.__code__, other.__code__, plain, f, f.cache)]
    assert after == before


def test_compiled_functions_and_their_caches_are_collected():
    def make():
        token = Token()

        def user(x):
            return token

        callback = replacing({})
        f = Compiled(user, Cache(callback, token))
        user.compiled = f  # a cycle through the function
        f(1)
        f.self = f

    for _ in range(20):
        make()
    assert living() == 0


# ---------------------------------------------------------------------------------------------------------------- the end of the process


def run(source):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=120)


HEAD = """
    import sys
    from segue.capture.frame import Cache, CacheEntry, Compiled, is_installed
    from segue.capture.guards import GuardSet
    def plain(x):
        return x
    def other(x):
        y = x + 1
        return y
    f = Compiled(plain, Cache(lambda settings, code, view, entries: CacheEntry(GuardSet([]), other.__code__) if code is plain.__code__ else None))
"""


@pytest.mark.parametrize(
    "tail",
    [
        "print(f(1))",
        "import atexit; print(f(1)); atexit.register(lambda: f(2))",
        "def last():\n        print(f(1)); sys.exit(0)\n    Compiled(last, f.cache)()",
        "class Late:\n        def __del__(self): f(5)\n    late = Late(); print(f(1)); sys.modules['late'] = late",
        "import threading, time\n    def region():\n        time.sleep(30)\n"
        "    threading.Thread(target=Compiled(region, f.cache), daemon=True).start(); time.sleep(0.1); print(f(1))",
        "import os\n    def child():\n        pid = os.fork()\n        if pid == 0:\n            os._exit(0 if f(1) == 2 and is_installed() else 1)\n"
        "        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n    print(2 - Compiled(child, f.cache)())",
    ],
    ids=["plain", "atexit", "sys.exit inside", "finaliser", "daemon thread", "fork"],
)
def test_the_interpreter_ends_unharmed(tail):
    done = run(HEAD + "    " + tail + "\n")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "2", "")
