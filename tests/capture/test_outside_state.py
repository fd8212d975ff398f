"""What stood in objects from outside decides what a call leaves and says, also where the program did not look at it: one compiled function, several states."""

import collections
import copy

import pytest

import segue


class Plain:
    pass


class Slotted:
    __slots__ = ("kept", "name")


def stored_and_popped(d, o, s):
    d["name"] = 7
    d["other"] = 1
    d.pop("name", None)


def stored_and_deleted(d, o, s):
    d["name"] = 7
    del d["name"]


def stored_and_popitem(d, o, s):
    d["name"] = 7
    return d.popitem()


def updated_and_popped(d, o, s):
    d.update({"name": 3})
    return d.pop("name")


def defaulted_and_deleted(d, o, s):
    d.setdefault("name", 7)
    del d["name"]


def cleared(d, o, s):
    d["name"] = 7
    d.clear()
    d["other"] = 1


def attribute(d, o, s):
    o.name = 7
    del o.name


def attribute_and_another(d, o, s):
    o.name = 7
    o.other = 1
    del o.name
    return hasattr(o, "name"), sorted(vars(o))


def attribute_by_name(d, o, s):
    setattr(o, "name", 3)  # noqa: B010
    delattr(o, "name")


def attribute_by_dict(d, o, s):
    o.name = 7
    o.__dict__.pop("name")


def slot(d, o, s):
    s.name = 7
    del s.name


def slot_and_another(d, o, s):
    s.name = 7
    del s.name
    s.kept = 1
    return hasattr(s, "name")


PROGRAMS = [stored_and_popped, stored_and_deleted, stored_and_popitem, updated_and_popped, defaulted_and_deleted, cleared, attribute, attribute_and_another,
            attribute_by_name, attribute_by_dict, slot, slot_and_another]  # fmt: skip


def objects(there):
    d, o, s = {"first": 0}, Plain(), Slotted()
    o.kept = s.kept = 3
    if there:
        d["name"] = o.name = s.name = 1
    return d, o, s


def state(d, o, s):
    return list(d.items()), list(vars(o).items()), [(name, getattr(s, name)) for name in Slotted.__slots__ if hasattr(s, name)]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@pytest.mark.parametrize("order", [(True, False, True), (False, True, False)], ids=str)
def test_what_was_there_decides(program, order):
    def f(x, *things):
        return x * 2, program(*things)

    compiled = segue.compile(f)
    for there in order:
        eager, ours = objects(there), copy.deepcopy(objects(there))
        assert f(segue.ones(1), *eager)[1] == compiled(segue.ones(1), *ours)[1]
        assert state(*eager) == state(*ours)


def first_is_two(x, items):
    items[0] = 2


def last_is_three(x, items):
    items[-1] = 3


def inserted(x, items):
    items.insert(0, 1)


def inserted_length(x, items):
    items.insert(0, len(items))


def turned(x, items):
    items.reverse()


def swapped(x, items):
    items[0], items[-1] = items[-1], items[0]


def sliced(x, items):
    items[:1] = [2]


def stored_before_an_error(x, items):
    items[0] = x.shape[0]
    raise KeyError("after")


LISTS = [[2, 2, 2], ["a", "a", "a"], [1, 2, 1], [3, 2, 1], [2], [3], [1, 5, 3]]


@pytest.mark.parametrize("program", [first_is_two, last_is_three, inserted, inserted_length, turned, swapped, sliced, stored_before_an_error], ids=lambda program: program.__name__)
@pytest.mark.parametrize("turn", [1, -1])
def test_what_equals_it_by_chance_is_stored_all_the_same(program, turn):
    def f(x, items):
        y = x * 2
        program(x, items)
        return y

    compiled = segue.compile(f)
    for items in LISTS[::turn]:
        ends = []
        for function in (f, compiled):
            given = list(items)
            try:
                function(segue.ones(2), given)
            except KeyError as error:
                given.append(repr(error))
            ends.append(given)
        assert ends[0] == ends[1]


DICTS = [{1: 2}, {1: 3}, {}, {3: 2}, {1: 2, 3: 2}]
COMPARISONS = [
    lambda a, b: a == b, lambda a, b: a != b, lambda a, b: a.keys() == b.keys(), lambda a, b: a.items() == b.items(), lambda a, b: a.keys() <= b.keys(),
    lambda a, b: sorted(a.keys() & b.keys()), lambda a, b: collections.Counter(a) == b, lambda a, b: b == collections.Counter(a), lambda a, b: collections.Counter(a) != b,
]  # fmt: skip


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_comparisons_of_dicts(comparison):
    for a in DICTS:
        compiled = segue.compile(lambda x, a, b: (x * 2, comparison(a, b)), fullgraph=True)
        for b in DICTS:
            assert compiled(segue.ones(1), dict(a), dict(b))[1] == comparison(a, b)


def test_a_counter_from_outside_equals_a_dict():
    one = {1: 1}
    compiled = segue.compile(lambda x, c: (x * 2, c == one, one == c, c != one, c == collections.Counter([1])))
    for items in ([1], [2], [1, 1], []):
        c = collections.Counter(items)
        assert compiled(segue.ones(1), c)[1:] == (c == one, c == one, c != one, c == one)


def test_looking_why_a_guard_failed_makes_no_entry():
    compiled = segue.compile(lambda x, entries: (x * 2, entries.get("a")))
    for entries in ({"a": [0]}, {2: [0]}, {}):
        given = collections.defaultdict(list, entries)
        assert compiled(segue.ones(1), given)[1] == entries.get("a")
        assert given == entries


@segue.compiler.disable
def look():
    pass


def through_the_dict(o, d):
    d["name"] = 5
    return o.name, hasattr(o, "kept")


def through_the_object(o, d):
    o.name = 5
    return d["name"], list(d), len(d)


def emptied(o, d):
    d.clear()
    look()
    o.kept = 1
    return list(d), hasattr(o, "name")


def popped(o, d):
    vars(o).popitem()
    o.name = 3
    return hasattr(o, "kept"), list(vars(o))


def behind_a_break(o, d):
    mine = vars(o)
    look()
    mine["name"] = 9
    o.other = 4
    return o.name, mine.get("other"), dict(d)


@pytest.mark.parametrize("program", [through_the_dict, through_the_object, emptied, popped, behind_a_break], ids=lambda program: program.__name__)
@pytest.mark.parametrize("order", [(True, False, True), (False, True, False)], ids=str)
def test_an_object_and_its_dict_are_one(program, order):
    """Also where they were two at capture: `order` says in which calls the dict is the object's."""

    def f(x, o, d):
        return x * 2, program(o, d)

    compiled = segue.compile(f)
    for own in order:
        for there in (True, False):
            ends = []
            for function in (f, compiled):
                o = objects(there)[1]
                d = vars(o) if own else {"name": 7, "more": 8}
                ends.append((attempted(function, o, d), list(vars(o).items()), list(d.items())))
            assert ends[0] == ends[1]


def attempted(function, o, d):
    try:
        return function(segue.ones(1), o, d)[1]
    except Exception as error:
        return repr(error)


def test_looking_for_the_owner_of_a_dict_asks_nobody():
    asked = []

    class Watching:
        def __getattribute__(self, name):
            asked.append(name)
            return object.__getattribute__(self, name)

    def f(x, o, d):
        d["name"] = 5
        return x * 2

    compiled = segue.compile(f)
    for function in (f, compiled, compiled):
        d = {}
        function(segue.ones(1), Watching(), d)
        assert d == {"name": 5} and asked == []


COUNT = 0


@segue.compiler.disable
def shown(value):
    return value


def counted_in_globals(x):
    globals()["COUNT"] += 1
    return x + 1, COUNT


def read_behind_a_break(x):
    names = shown(globals())
    names["COUNT"] = 5
    found = COUNT
    names.pop("COUNT")
    return x + 1, found, "COUNT" in names


@pytest.mark.parametrize("program", [counted_in_globals, read_behind_a_break])
def test_globals_are_one_by_their_names_and_as_a_dict(program):
    found = []
    for function in (program, segue.compile(program, backend="eager")):
        for count in (0, 3):
            globals()["COUNT"] = count
            found.append(function(segue.ones(1))[1:])
    assert found[:2] == found[2:]
