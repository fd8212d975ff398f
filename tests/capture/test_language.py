"""The standard library's containers, managers and iterators in user code: each program is one graph, without a break, and eager's to the last effect."""

from __future__ import annotations

import bisect
import collections
import contextlib
import copy
import dataclasses
import functools
import heapq
import itertools
import operator
from collections import deque

import pytest
from interp_support import check, compiled, same

import segue


def x3():
    return segue.tensor([1.0, -2.0, 3.0])


def queue(x):
    q, found = deque([(x, 0)], maxlen=5), []
    while q:
        t, n = q.popleft()
        found.append(t)
        if n < 3:
            q.append((t * 2, n + 1))
    return found, q


def deque_methods(x):
    d = deque([3, 1, 2])
    d.extend([5, 6])
    d.extendleft([7, 8])
    d.remove(1)
    d.insert(1, 9)
    d.reverse()
    d.rotate(2)
    d += [4]
    d[0] = x
    c = d.copy()
    del c[0]
    return d, list(c), 9 in c, c.index(4), c == d, c + c, c * 2, d.maxlen, list(reversed(c)), repr(c), c < c


def deque_errors(x):
    d, found = deque(maxlen=1), []
    for wrong in (lambda: d.pop(), lambda: d.popleft(), lambda: d[0], lambda: d.remove(1), lambda: deque([1], 1).insert(0, 2), lambda: deque([1])[0:1]):
        try:
            wrong()
        except (IndexError, ValueError, TypeError) as error:
            found.append((type(error), str(error)))
    return x, found


def deque_grows_in_loop(x):
    d = deque([1, 2])
    try:
        for item in d:
            d.append(item)
    except RuntimeError as error:
        return x, str(error)


def deque_from_outside(x, d):
    d.append(x * 2)
    d.append(x * 3)
    return sum(d), d.maxlen, len(d)


def exit_stack(x):
    log = []
    with contextlib.ExitStack() as stack:
        stack.callback(log.append, 1)
        stack.enter_context(segue.no_grad())
        stack.push(lambda *details: log.append(details[0]) or True)
        x = x + 1
    return x, log


def exit_stack_left_by_an_error(x):
    log = []
    with contextlib.ExitStack() as stack:
        stack.push(lambda *details: log.append(details[0]) or True)
        x = x + 1
        raise ValueError("a")
    return x, log


@contextlib.contextmanager
def noted(log, value):
    log.append("enter")
    try:
        yield value
    except KeyError as error:
        log.append(error.args)
        raise
    finally:
        log.append("exit")


def manager_sees_the_error(x):
    log = []
    try:
        with noted(log, 2) as y, contextlib.nullcontext(3) as z, contextlib.suppress(ValueError):
            x = x * y * z
            raise KeyError("q", 1)
    except KeyError as error:
        log.append(error.args)
    return x, log


def manager_made_inside(x):
    log = []

    @contextlib.contextmanager
    def manager(a):
        log.append(a)
        yield a * 2
        log.append("end")

    @manager(1)
    def decorated(a):
        return a + 1

    with manager(3) as y:
        x = x * y
    return decorated(x), log


def throws(x):
    def steps():
        try:
            yield 1
        except ValueError as error:
            yield error.args
        except KeyError as error:
            yield error.args

    found = []
    for thrown in ((ValueError(1),), (ValueError, 2), (KeyError, ("a", "b")), (ValueError,)):
        g = steps()
        next(g)
        found.append(g.throw(*thrown))
    return x, found


def wraps_inside(x):
    def twice(f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            return f(*args, **kwargs) * 2

        wrapper.calls = 1
        return wrapper

    @twice
    def g(a, b=1):
        """of g"""
        return a + b

    return g(x, b=3), g.__name__, g.__doc__, g.__wrapped__(x), g.__dict__["calls"], sorted(vars(g))


def wrapped_is_returned(x):
    def f(a: int = 1):
        return a

    @functools.wraps(f)
    def g(a):
        return f(a) + 1

    return g


def groups(x):
    found = [(key, list(group)) for key, group in itertools.groupby("aabbc")]
    late = [(key, group) for key, group in itertools.groupby([1, 3, 2], key=lambda v: v % 2)]
    sums = [sum(item[1] for item in group) for _, group in itertools.groupby([(1, x), (1, x * 2), (2, x)], key=operator.itemgetter(0))]
    return found, [(key, list(group)) for key, group in late], sums


def iterators(x):
    a, b = itertools.tee([x, x + 1])
    return (next(a), list(b), list(a), list(itertools.compress([x, 2, x * 3], [1, 0, 1])), list(itertools.filterfalse(None, [0, 1])),
            list(itertools.filterfalse(lambda v: v % 2, range(5))), list(itertools.combinations_with_replacement([1, 2], 2)),
            list(itertools.chain.from_iterable([[1], [2, 3]])))  # fmt: skip


def mappings(x):
    d = collections.OrderedDict(a=1, b=2, c=3)
    d.move_to_end("c", last=False)
    return x, d, d.popitem(last=False), d.keys().isdisjoint({"q"}), list(reversed(d))


def sets(x):
    s = {1, 2, 3, 7}
    s.difference_update([1])
    s.intersection_update([2, 7])
    s.symmetric_difference_update([9, 2])
    t = frozenset([7, 9])
    return x, s, s.pop() in (7, 9), {7} < {7, 9}, t > t, t.__contains__(7), slice(None, None, -1).indices(3), s.clear(), s


class Plain:
    def __init__(self, a):
        self.a = a


class Copied(Plain):
    def __copy__(self):
        return Copied("copied")

    def __deepcopy__(self, memo):
        return Copied(copy.deepcopy(self.a, memo))


@dataclasses.dataclass(slots=True)
class Slotted:
    a: int
    b: float = 1.5


def copies(x, outside):
    u = Plain([x, [1]])
    v, w = copy.copy(u), copy.deepcopy(outside)
    v.b, v.a[1] = 2, 3
    w.a.append(w)
    shared = [u, u]
    deep = copy.deepcopy([Plain(1)] * 2)
    return (u, v, u.a is v.a, len(w.a), outside, shared, deep[0] is deep[1], copy.copy(Copied(1)).a, copy.deepcopy(Copied([1])).a, copy.copy(Slotted(1)).b,
            copy.deepcopy(deque([[1]], 3)), copy.deepcopy({1, 2}), copy.deepcopy(collections.defaultdict(list, a=[1])), copy.copy(range(3)))  # fmt: skip


@dataclasses.dataclass(frozen=True, order=True)
class Frozen:
    a: int
    b: float = 2.5


def dataclass_methods(x):
    try:
        Frozen(1).a = 3
    except dataclasses.FrozenInstanceError as error:
        text = str(error), repr(error)
    return x, text, repr(Frozen(1)), Frozen(1) == Frozen(1), Frozen(1) < Frozen(2), f"{Slotted(1)!r:>30}", dataclasses.replace(Frozen(1), b=3)


class Texts:
    def __str__(self):
        return "s"

    def __repr__(self):
        return "r"

    def __format__(self, spec):
        return f"<{spec}>"

    def __index__(self):
        return 1


def texts(x):
    v = Texts()
    return x, "%s %r" % (v, v), f"{v} {v!r:>4} {v:z}", f"{[v]}", str((v, {"a": v})), repr(deque([v])), [4, 5][v], range(9)[v]


PROGRAMS = [
    (queue, (x3,)), (deque_methods, (x3,)), (deque_errors, (x3,)), (deque_grows_in_loop, (x3,)), (deque_from_outside, (x3, lambda: deque([x3()], 2))),
    (exit_stack, (x3,)), (manager_sees_the_error, (x3,)), (manager_made_inside, (x3,)), (throws, (x3,)), (wraps_inside, (x3,)), (wrapped_is_returned, (x3,)),
    (groups, (x3,)), (iterators, (x3,)), (mappings, (x3,)), (sets, (x3,)), (copies, (x3, lambda: Plain([1, [2]]))), (dataclass_methods, (x3,)), (texts, (x3,)),
]  # fmt: skip


@pytest.mark.parametrize("program, makers", PROGRAMS, ids=lambda value: getattr(value, "__name__", ""))
def test_one_graph(program, makers):
    check(program, *(make() for make in makers))


def test_an_error_that_leaves_an_exit_stack():
    check(exit_stack_left_by_an_error, x3(), breaks=None)


# -- what they read may change ---------------------------------------------------------------------------------------------


def reads_deque(x, d):
    return x * d[0] + len(d)


def shorter(d):
    d.pop()


def other_item(d):
    d[0] = 5


def rotated(d):
    d.rotate(1)


@pytest.mark.parametrize("change", [shorter, other_item, rotated])
def test_a_deque_that_changed(change):
    made, d = compiled(reads_deque), deque([2, 3, 4])
    assert same(made(x3(), d), reads_deque(x3(), d))
    change(d)
    assert same(made(x3(), d), reads_deque(x3(), d))
    assert same(made(x3(), deque(d, 9)), reads_deque(x3(), d))


def handles_nothing(x):
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: None)
        return x + 1


def test_an_exit_stack_within_a_handler():
    made = compiled(handles_nothing)
    made(x3())
    try:
        raise ValueError
    except ValueError:
        assert same(made(x3()), handles_nothing(x3()))


# -- functions with a cache, keys with a hash of their own, heaps ------------------------------------------------------------


@functools.lru_cache(None)
def listed(n):
    return [n]


@functools.lru_cache(4)
def positions(n, scale=1.0):
    """of positions"""
    return segue.arange(n).float() * scale


def cached(x):
    return x * listed(3)[0] + positions(3, scale=2.0), listed(3) is listed(3), positions.__doc__, positions.__wrapped__(1)


@dataclasses.dataclass(frozen=True)
class Place:
    row: int
    name: str = "a"


class Modulo:
    def __init__(self, n):
        self.n = n

    def __hash__(self):
        return self.n % 3

    def __eq__(self, other):
        return isinstance(other, Modulo) and self.n % 6 == other.n % 6


def own_keys(x):
    d = {Place(1): x, Place(2): 3}
    d[Place(1)] *= 2
    m = {Modulo(1): "one", Modulo(4): "four"}
    return d[Place(1)], Place(3) in d, d.get(Place(2)), len({Place(1), Place(1, "b"), Place(1)}), list(d)[1].row, m[Modulo(7)], m.pop(Modulo(4)), len(m)


def heaps(x):
    heap, xs = [], [4, 2, 9, 7, 1]
    for v in [5, 3, 8, 1, 9, 2, 7]:
        heapq.heappush(heap, (v, "t"))
    heapq.heapify(xs)
    before = xs.copy()
    line = [1, 3, 5]
    bisect.insort(line, 4)
    bisect.insort_left(line, 0, key=abs)
    best = [(2, x)]
    heapq.heappush(best, (1, x * 2))
    return (heapq.heappop(heap), heap, before, heapq.heapreplace(xs, 5), heapq.heappushpop(xs, 0), xs, list(heapq.merge([1, 4], [2, 3])), line,
            bisect.bisect(line, 3), bisect.bisect_left(line, 3, 1, 3), heapq.heappop(best)[1])  # fmt: skip


@pytest.mark.parametrize("program", [cached, own_keys, heaps], ids=lambda value: value.__name__)
def test_followed(program):
    check(program, x3())


def test_a_cache_that_was_cleared():
    calls = []

    @functools.lru_cache(None)
    def scale(n):
        calls.append(n)
        return [n * len(calls)]

    def program(x):
        return x * scale(2)[0]

    made = compiled(program)
    assert same(made(x3()), x3() * 2) and same(made(x3()), x3() * 2) and calls == [2]
    scale.cache_clear()
    assert same(made(x3()), x3() * 4) and calls == [2, 2]
    scale(2)[0] = 7
    assert same(made(x3()), x3() * 7) and calls == [2, 2]


def test_a_hash_that_changed():
    class Key:
        def __init__(self, n):
            self.n = n

        def __hash__(self):
            return 1

        def __eq__(self, other):
            return self.n == other.n

    def program(x):
        return x * {Key(1): 2, Key(2): 3}.get(Key(2), 9)

    made = compiled(program)
    assert same(made(x3()), program(x3()))
    Key.__eq__ = lambda self, other: False
    assert same(made(x3()), program(x3()))
