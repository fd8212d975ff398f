"""Small print of the language that captured code must keep: hashes, the order of a dict, slots, patterns, views, what AttributeError knows, who is asked first."""

from __future__ import annotations

import copy
import functools
import itertools
import pathlib

import pytest
from interp_support import check, compiled, outcome, same

import segue


class Hashed:
    def __init__(self, key):
        self.key = key

    def __hash__(self):
        return hash(self.key)

    def __eq__(self, other):
        return self.key == other.key


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a=1, b=2):
        self.a, self.b = a, b


class Plain:
    pass


class Generic:
    @functools.singledispatchmethod
    def shown(self, value):
        return "any"

    @shown.register
    def _(self, value: int):
        return value * 2

    @functools.singledispatchmethod
    @classmethod
    def made(cls, value):
        return cls, value

    @made.register
    @classmethod
    def _(cls, value: str):
        return cls, len(value)

    def both(self, a, b=1):
        return a, b

    five = functools.partialmethod(both, 5)


def hashes(x):
    return x, hash(Hashed("a long name")) == hash("a long name"), hash(Hashed(2**62)) == hash(2**62), hash(Hashed(2**40)), {Hashed("k"): 1}[Hashed("k")]


def order_in_a_dict(x):
    one = Plain()
    one.a, one.b = 1, 2
    del one.a
    one.a = 3
    return x, list(vars(one)), one


def lists_that_change(x):
    class Clears:
        def __init__(self, target):
            self.target = target

        def __eq__(self, other):
            self.target.clear()
            return NotImplemented

    left, right = [], []
    left.append(Clears(right))
    right.append(Clears(left))
    return x, left == right, [1, 2] == [1, 3], [1] < [1, 2]


def patterns(x):
    found = []
    for value, names in ((Slots(1, 2), ("a", "a")), (Slots(), ["a"]), (Slots(), (1,)), (Slots(), ("a",))):
        made = type("Made", (Slots,), {"__match_args__": names})
        value = made(1, 2)
        try:
            match value:
                case made(first, second):
                    found.append((first, second))
        except TypeError as error:
            found.append(str(error))
    key = "k"
    try:
        match {"k": 1}:
            case {"k": _, Named.key: _}:
                found.append(key)
    except ValueError as error:
        found.append(str(error))
    return x, found


class Named:
    key = "k"


def views(x):
    d, e = {1: [1], 2: [2]}, {1: [1]}
    return x, e.items() <= d.items(), d.items() > e.items(), e.items() == d.items(), e.items() < e.items(), d.keys() >= e.keys(), {1: []}.items() == {1: []}.items()


def what_an_error_knows(x):
    try:
        return Plain().missing
    except AttributeError as error:
        return x, error.name, type(error.obj), str(error)


def descriptors(x):
    one = Generic()
    return x, one.shown(2), one.shown("a"), one.made("abc"), Generic.made(1.5), one.five(b=3), Generic.five(one), Generic.both.__get__(None, Generic) is Generic.both, Generic.both.__get__(one)(1)


def paths(x):
    path = pathlib.PurePosixPath("a") / "b.tar.gz"
    return x, str(path), path.suffixes, str(path.with_suffix(".txt")), path == pathlib.PurePosixPath("a/b.tar.gz"), hash(path) == hash(pathlib.PurePosixPath("a/b.tar.gz")), path.match("*.gz"), path.parts


def iterators_that_read_their_arguments_at_once(x):
    numbers, shared = [1, 2], iter([1, 2, 3, 4, 5])
    pairs, twos, cycle = itertools.product(numbers, repeat=2), itertools.combinations(numbers, 2), itertools.cycle(iter([7, 8]))
    numbers.append(3)
    return x, list(pairs), list(twos), [next(cycle) for _ in range(5)], list(itertools.zip_longest(shared, shared)), next(itertools.zip_longest(itertools.count(), "a")), list(
        itertools.accumulate([1, 2], None))  # fmt: skip


class Gives:
    def __new__(cls, other):
        return object.__new__(other)

    def __init__(self, other):
        self.other = other


class GivesMore(Gives):
    def __init__(self, other):
        self.more = 1


class Odd:
    """Its `__new__` is not the staticmethod that a class statement makes of one."""

    def __init__(self, given):
        self.given = given


class Even(Odd): ...


class Called:
    def __call__(self, cls, given):
        return given


Odd.__new__ = lambda cls, given: object.__new__(Even) if given else given
Even.__new__ = Called()


def who_makes_an_object(x):
    return x, vars(Gives(GivesMore)), type(Odd(1)).__name__, Odd(1).given, Odd(0), Even(3), copy.deepcopy(slice([1], 2)).start


class Left:
    def __eq__(self, other):
        LOG.append("left ==")
        return NotImplemented

    def __floordiv__(self, other):
        return "left"

    def __rfloordiv__(self, other):
        return "turned"


class Right(Left):
    def __ne__(self, other):
        LOG.append("right !=")
        return NotImplemented


class Turned(Left):
    def __rfloordiv__(self, other):
        return "turned first"


LOG: list = []


def who_is_asked_first(x):
    LOG.clear()
    return x, Left() != Right(), Left() != Plain(), Plain() != Left(), list(LOG), Left() // Right(), Left() // Turned()


PROGRAMS = [
    hashes, order_in_a_dict, lists_that_change, patterns, views, what_an_error_knows, descriptors, paths, iterators_that_read_their_arguments_at_once, who_makes_an_object, who_is_asked_first,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_one_graph(program):
    check(program, segue.ones(2))
    compiled(program, fullgraph=True)(segue.ones(2))


def test_order_of_what_is_stored_in_objects_from_outside():
    def again(x, one):
        one.c, one.d, one.c = 1, 2, 3
        del one.a
        one.a = x
        return list(vars(one))

    found = []
    for function in (again, compiled(again)):
        one = Plain()
        one.a, one.b = 1, 2
        found.append((function(segue.ones(2), one), list(vars(one).items())))
    assert same(*found) and found[0][0] == ["b", "c", "d", "a"]


def test_slots_of_objects_from_outside_are_deleted():
    def program(x, one):
        del one.a
        try:
            del one.a
        except AttributeError as error:
            return x, str(error), hasattr(one, "a")

    found = []
    for function in (program, compiled(program, fullgraph=True)):
        one = Slots()
        found.append((outcome(function, (segue.ones(2), one), {}), hasattr(one, "a"), one.b))
    assert same(*found)


class Bound:
    def __init__(self, k):
        self.k = k
        self.heard = {self.go: "own"}

    def go(self, x):
        return x * self.k


ONE, TWO = Bound(1), Bound(2)


def methods_as_keys(x):
    one, two = ONE, TWO
    made, names = {one.go: 1, two.go: 2}, {one.go, one.go, two.go}
    listeners = [one.go, two.go]
    listeners.remove(two.go)
    appends = [].append
    found = made.get(one.go), two.go in made, Bound(1).go in made, len(names), one.go in names, {appends: 1}.get(appends), {one.go: 1}.get(Bound.go)
    return x, found, len(listeners), one.heard.get(one.go), one.heard.get(two.go), one.go in one.heard


def test_bound_methods_are_keys_by_their_function_and_object():
    check(methods_as_keys, segue.ones(2))


def test_a_float_that_varies_is_a_key_by_its_value():
    state, names = {"share": 0.0}, {0.5: "half", 1.0: "one"}

    def program(x):
        state["share"] += 0.5
        return x * state["share"], names.get(state["share"]), {state["share"]: 1}

    made = compiled(program, fullgraph=True)
    assert [made(segue.ones(1))[1:] for _ in range(4)] == [("half", {0.5: 1}), ("one", {1.0: 1}), (None, {1.5: 1}), (None, {2.0: 1})]


class Shadowed:
    x = 1


def test_what_deleting_an_attribute_of_the_class_says():
    def program(x):
        try:
            del Shadowed().x
        except AttributeError as error:
            return x, str(error)

    check(program, segue.ones(2))


def test_unions_of_generic_aliases_within_a_try():
    def unions(x):
        try:
            found = list[int] | str, str | list[int], list[int] | None, list[int] | dict[str, int]
        except TypeError as problem:
            found = repr(problem)
        return x + 1, found

    assert segue.compile(unions, fullgraph=True)(segue.ones(2))[1] == unions(segue.ones(2))[1]
