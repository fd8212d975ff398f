"""Loops in the midst of which a graph broke: the next graph goes on with the iterator as it stands, without taking from it before its time."""

import itertools
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

import segue
from segue import nn
from segue.capture._capture import coming_count, coming_item
from segue.capture.sources import MISSING, ComingItem, Local
from segue.eager.stats import stats

LISTS = st.lists(st.integers(0, 5), max_size=4)
PLAIN = st.one_of(
    LISTS.map(lambda items: lambda: iter(items)), LISTS.map(lambda items: lambda: iter(tuple(items))), LISTS.map(lambda items: lambda: reversed(items)),
    LISTS.map(lambda items: lambda: reversed(tuple(items))), LISTS.map(lambda items: lambda: iter(set(items))), LISTS.map(lambda items: lambda: iter(dict.fromkeys(items, 1))),
    LISTS.map(lambda items: lambda: iter(dict.fromkeys(items, 1).items())), LISTS.map(lambda items: lambda: iter(dict.fromkeys(items, 1).values())),
    LISTS.map(lambda items: lambda: iter(OrderedDict.fromkeys(items, 1).items())), LISTS.map(lambda items: lambda: reversed(OrderedDict.fromkeys(items, 1))),
    st.builds(lambda start, stop, step: lambda: iter(range(start, stop, step)), st.integers(-3, 3), st.integers(-3, 3), st.sampled_from([-2, -1, 1, 2])),
    st.sampled_from([lambda: iter("ab"), lambda: iter("a\xe9"), lambda: iter(b"ab"), lambda: iter(range(10**20, 10**20 + 3)), lambda: zip()]),
)  # fmt: skip
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.builds(lambda make, start: lambda: enumerate(make(), start), inner, st.sampled_from([0, 3, 2**70])),
        st.lists(inner, min_size=1, max_size=3).map(lambda makers: lambda: zip(*(make() for make in makers))),
    ),
    max_leaves=4,
)


@given(NESTED, st.integers(0, 3))
def test_what_is_coming_is_what_comes(make, skipped):
    iterator = make()
    for _ in range(skipped):
        next(iterator, None)
    expected = make()
    for _ in range(skipped):
        next(expected, None)
    expected = list(expected)
    for index in range(len(expected) + 2):
        assert coming_count(iterator, index) == min(index, len(expected))
        if index < len(expected):
            assert coming_item(iterator, index) == expected[index]
        else:
            with pytest.raises(IndexError):
                coming_item(iterator, index)
    assert list(iterator) == expected


@pytest.mark.parametrize("make", [lambda: (x for x in [1]), lambda: zip([1], [2], strict=True), lambda: itertools.count(), lambda: map(abs, [1]), lambda: 3, lambda: iter(set(range(2000)))])
def test_what_cannot_be_known_is_refused(make):
    with pytest.raises(TypeError):
        coming_item(make(), 0)


@pytest.mark.parametrize("outer", [enumerate, zip])
def test_an_iterator_that_somebody_else_holds_is_refused(outer):
    held = iter([1, 2])
    with pytest.raises(TypeError, match="somebody else"):
        coming_count(outer(held), 1)


def test_a_dict_that_grew_is_refused():
    entries = {1: 2}
    iterator = iter(entries)
    entries[3] = 4
    with pytest.raises(RuntimeError, match="changed size"):
        coming_item(iterator, 0)
    assert ComingItem(Local("a"), 0).fetch(type("View", (), {"locals": {"a": iterator}})) is MISSING


class Stack(nn.Module):
    def __init__(self, when):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(6))
        self.when, self.seen = when, []

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            if self.when(i):
                note(self.seen, i)
            x = layer(x).relu() + i
        return x


@segue.compiler.disable
def note(seen, i):
    seen.append(i)


def counted(f, *args):
    before = stats.read()
    found = f(*args)
    since = stats.since(before)
    return found, since["graphs"], since["breaks"]


@pytest.mark.parametrize(
    ("when", "graphs", "breaks"),
    [
        (lambda i: i == 0, 1, 1),  # the rest is one graph
        (lambda i: i == 2, 2, 1),
        (lambda i: i >= 0, 3, 3),  # from a turn to the next, once with the number in it and once for all numbers, and the last turn
    ],
    ids=["first", "third", "each"],
)
def test_the_rest_of_a_loop_is_one_graph(when, graphs, breaks):
    model, x = Stack(when), segue.randn(2, 4)
    expected = model(x)
    compiled = segue.compile(model.forward)
    found, made, broken = counted(compiled, x)
    segue.testing.assert_close(found, expected)
    assert model.seen == 2 * [i for i in range(6) if when(i)]
    assert (made, broken) == (graphs, breaks)
    _, made, _ = counted(compiled, x)
    assert made == 0


def test_a_loop_that_breaks_again_goes_on_turn_by_turn():
    def f(x, seen):
        for i in range(40):
            if i % 10 == 0:
                note(seen, i)
            x = x * 0.5 + i
        return x

    x, seen, compiled = segue.ones(3), [], segue.compile(f)
    expected = f(x, [])
    found, graphs, _ = counted(compiled, x, seen)
    assert found.tolist() == expected.tolist() and seen == [0, 10, 20, 30]
    assert graphs <= 6
    _, graphs, _ = counted(compiled, x, seen)
    assert graphs == 0


def test_a_long_loop_is_not_read_to_its_end():
    def f(x):
        for i in range(1000):
            if i == 0:
                note([], i)
            x = x * 0.5 + i
        return x

    x, compiled = segue.ones(3), segue.compile(f)
    found, graphs, _ = counted(compiled, x)
    assert found.tolist() == f(x).tolist() and graphs <= 4


def both(f, *make):
    """What f does to what `make` gives, eagerly and compiled: its result or error, and its arguments afterwards; twice, as the second call finds a graph."""
    compiled = segue.compile(f)
    for _ in range(2):
        ends = []
        for g in (f, compiled):
            args = [one() for one in make]
            try:
                found = g(*args)
            except Exception as error:
                found = (type(error), str(error))
            ends.append((plain(found), [plain(arg) for arg in args]))
        assert ends[0] == ends[1]


def plain(value):
    if isinstance(value, segue.Tensor):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if hasattr(value, "__next__") else value


def grows(x, items):
    for i, item in enumerate(items):
        note([], i)
        x = x + item
        if i < 3:
            items.append(i)
    return x


def grows_behind(x, items):
    it = iter(items)
    note([], 0)
    x = x + next(it)
    items.append(7)
    return x + sum(it)


def grows_at_the_end(x, items):
    it = iter(items)
    note([], 0)
    for item in it:
        x = x + item
    items.append(7)
    return x, list(it), items


def grows_a_dict(x, entries):
    for key in entries:
        note([], 0)
        x = x + key
        entries[key + 10] = 1
    return x


def takes_within(x, items):
    it = iter(items)
    for a in it:
        note([], a)
        x = x + a - next(it, 5)
    return x


def pairs(x, items):
    it = iter(items)
    for a, b in zip(it, it):
        note([], a)
        x = x * a + b
    return x


def ends_unevenly(x, items):
    it = iter(items)
    z = zip(it, [1, 2])
    note([], 0)
    for a, b in z:
        x = x + a * b
    return x, list(it)


def returns_it(x, items):
    it = enumerate(items)
    note([], 0)
    _, a = next(it)
    return x + a, it


def is_left(x, items):
    for i, item in enumerate(items):
        if i == 1:
            note([], i)
        x = x + item
        if i == 2:
            break
    else:
        x = x - 100
    return x


def is_done(x, items):
    for i, item in enumerate(items):
        if i == 1:
            note([], i)
        x = x + item
    else:
        x = x - 100
    return x, i


def in_a_loop(x, items):
    for a in items:
        for b in reversed(items):
            note([], a)
            x = x * a + b
        x = x + 1
    return x


@pytest.mark.parametrize("f", [grows, grows_behind, grows_at_the_end, takes_within, pairs, ends_unevenly, returns_it, is_left, is_done, in_a_loop], ids=lambda f: f.__name__)
@pytest.mark.parametrize("items", [[], [2], [2, 3], [2, 3, 4, 5], [1.5, 2.5, 3.5]], ids=str)
def test_as_eagerly(f, items):
    both(f, lambda: segue.ones(2), lambda: list(items))


def test_a_dict_that_grows_is_refused_as_eagerly():
    both(grows_a_dict, lambda: segue.ones(2), lambda: {1: 2, 3: 4})


def test_the_list_that_is_gone_over_may_be_another_one_than_the_one_that_grows():
    """A capture in which they were apart does not hold where they are one."""

    def f(x, it, items):
        for item in it:
            x = x + item
            items.append(item)
            if len(items) > 8:
                break
        return x

    for compiled in (f, segue.compile(f)):
        items = [1, 2]
        assert compiled(segue.zeros(1), iter([1, 2]), [5]).tolist() == [3.0]
        assert compiled(segue.zeros(1), iter(items), items).tolist() == [10.0]
        assert items[:4] == [1, 2, 1, 2] and len(items) == 9


def test_two_iterators_may_be_one():
    def f(x, a, b):
        return x + next(a) * 10 + next(b)

    for compiled in (f, segue.compile(f)):
        assert compiled(segue.zeros(1), iter([1, 2]), iter([1, 2])).tolist() == [11.0]
        one = iter([1, 2])
        assert compiled(segue.zeros(1), one, one).tolist() == [12.0]
        assert next(one, None) is None


def test_a_graph_that_raises_takes_nothing():
    def f(x, it, index):
        a = next(it)
        return x[index] + a

    it = iter([1, 2])
    with pytest.raises(IndexError):
        segue.compile(f)(segue.ones(3), it, segue.tensor(7))
    assert list(it) == [2]  # eager code has taken one before it raised


def test_a_loop_over_an_ordered_dict_goes_on_behind_a_break():
    factors = OrderedDict(a=2.0, b=3.0, c=4.0)

    def f(x, seen):
        for name, factor in factors.items():
            if name == "a":
                note(seen, name)
            x = x * factor
        return x

    x, seen, compiled = segue.ones(3), [], segue.compile(f)
    found, graphs, breaks = counted(compiled, x, seen)
    assert found.tolist() == f(x, []).tolist() and seen == ["a"] and graphs == 1 and breaks == 1
