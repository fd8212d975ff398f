"""When objects die: behind a graph break, too, one that the program drops is gone, and who waits for that is told in the program's order."""

from __future__ import annotations

import collections
import functools
import gc
import weakref

import pytest
from interp_support import compiled, same

import segue


class Thing: ...


class Told:
    def __init__(self, log):
        self.log = log

    def __del__(self):
        self.log.append("gone")


def alive(reference):
    print(end="")
    return reference() is not None


def deleted_behind_a_break(x, log):
    first, second = Thing(), Thing()
    of_first, of_second = weakref.ref(first), weakref.ref(second)
    print(end="")
    log += [alive(of_first), alive(of_second)]
    del first
    log += [alive(of_first), alive(of_second)]
    print(end="")
    second = None
    log += [alive(of_first), alive(of_second)]
    return x + 1


def asked_in_captured_code(x, log):
    thing = Thing()
    reference = weakref.ref(thing)
    print(end="")
    log.append(reference() is thing)
    del thing
    log.append(reference() is None)
    return x + 1


def asked_behind_a_change(x, log):
    held = {"thing": Thing()}
    reference = weakref.ref(held["thing"])
    print(end="")
    log.append(reference() is None)
    del held["thing"]
    log.append(reference() is None)
    return x + 1


def replaced_in_a_loop(x, log):
    for _ in range(3):
        thing = Thing()
        reference = weakref.ref(thing)
        print(end="")
        thing = None
        log.append(alive(reference))
    return x + 1


def told_in_order(x, log):
    thing, told = Thing(), Told(log)
    reference = weakref.ref(thing, lambda _: log.append("called"))
    print(end="")
    log.append("before")
    thing = None
    log.append("between")
    told = None
    log.append("behind")
    return x + 1, reference, thing, told


def a_tensor_behind_a_break(x, log):
    y = x * 2
    reference = weakref.ref(y)
    print(end="")
    z = y.sum()
    del y
    log.append(alive(reference))
    return z


def told_by_containers(x, log):
    held, rows = {"told": Told(log), 1: 2}, [Told(log), 3]
    owner = Thing()
    owner.told = Told(log)
    print(end="")
    log.append("before")
    held["told"] = 1
    log.append("of the dict")
    rows[0] = 2
    log.append("of the list")
    owner.told = 3
    log.append("of the object")
    rows.append(Told(log))
    print(end="")
    del rows[-1]
    log.append("of the list")
    return x + 1


def told_within_others(x, log):
    row, rest = (Told(log), 1), [2, {"told": Told(log)}]
    print(end="")
    log.append("before")
    row = None
    log.append("of the tuple")
    del rest[1]
    log.append("of the list")
    return x + 1, row, rest


PROGRAMS = [deleted_behind_a_break, asked_in_captured_code, asked_behind_a_change, replaced_in_a_loop, told_in_order, told_by_containers, told_within_others, a_tensor_behind_a_break]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_objects_die_when_they_are_dropped(program):
    made, logs = compiled(program), ([], [])
    for _ in range(2):
        program(segue.ones(2), logs[0])
        made(segue.ones(2), logs[1])
        assert logs[0] == logs[1]


class Text(str): ...


class Bag(dict): ...


class Row(list): ...


class Group(set): ...


class Fixed(frozenset): ...


class Kept(collections.OrderedDict): ...


def asks(thing, x):
    return x + 1 if hasattr(thing, "missing") else x + 2


def catches(thing, x):
    try:
        return thing.missing
    except AttributeError:
        return x + 1


def fails_below(thing, x):
    def ask():
        return thing[0, 0]

    try:
        return ask()
    except (TypeError, KeyError, IndexError):
        return x + 1


def hands_on(thing, x):
    held = [thing, (thing, {"thing": thing})]
    return x + len(held)


def knows_its_number(thing, x):
    if hasattr(thing, "__dict__"):
        thing.number = id(thing)
    return x + 1


def fails(thing, x):
    raise ValueError(thing)


MAKERS = [Thing, functools.partial(Text, "a"), functools.partial(Bag, a=1), Row, Group, Fixed, Kept, collections.Counter, functools.partial(Told, [])]


@pytest.mark.parametrize("program", [asks, catches, fails_below, hands_on, knows_its_number, fails], ids=lambda program: program.__name__)
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: getattr(make, "func", make).__name__)
def test_a_capture_leaves_nothing_to_the_garbage_collector(make, program):
    thing = make()
    reference = weakref.ref(thing)
    gc.disable()
    try:
        try:
            compiled(program)(thing, segue.ones(2))
        except ValueError:
            assert program is fails
        del thing
        assert reference() is None
    finally:
        gc.enable()


def watched_in_front(x, keep):
    grown = x + 1
    keep.append(weakref.ref(grown))
    print(end="")
    return keep[0]() is None, x * 2


def watched_between(x, keep):
    grown = x + 1
    print(end="")
    watch = weakref.ref(grown)
    print(end="")
    doubled = x * 2
    print(end="")
    return watch() is None, doubled


def watched_by_the_call(x, keep):
    grown = x + 1
    watch(keep, grown)
    doubled = x * 2
    print(end="")
    return keep[0]() is None, doubled


def watched_in_what_is_handed_over(x, keep):
    grown = x + 1
    watch(keep, [grown, x])
    doubled = x * 2
    print(end="")
    return keep[0]() is None, doubled


@segue.compiler.disable
def watch(keep, given):
    keep.append(weakref.ref(given[0] if isinstance(given, list) else given))


@pytest.mark.parametrize("program", [watched_in_front, watched_between, watched_by_the_call, watched_in_what_is_handed_over], ids=lambda function: function.__name__)
def test_a_tensor_that_is_watched_lives_as_long_as_its_variable(program):
    x, made = segue.ones(2), segue.compile(program, backend="eager")
    for _ in range(3):
        found, expected = made(x, []), program(x, [])
        assert found[0] == expected[0] and segue.equal(found[1], expected[1])


class Node:
    def __init__(self, scale=2):
        self.scale = scale
        self.child = None


class Child:
    def __init__(self, parent):
        self.parent = weakref.ref(parent)

    def act(self, x):
        return x * self.parent().scale


def of_a_variable(x):
    node = Node(3)
    reference = weakref.ref(node)
    return x * reference().scale, reference() is node


def of_a_parent(x):
    parent = Node(4)
    parent.child = Child(parent)
    return parent.child.act(x), parent.child.parent() is parent


def kept_in_a_container(x):
    nodes = [Node(5), {"a": Node(6)}]
    references = [weakref.ref(nodes[0]), weakref.ref(nodes[1]["a"])]
    return [x * reference().scale for reference in references], nodes[0].scale


@pytest.mark.parametrize("program", [of_a_variable, of_a_parent, kept_in_a_container], ids=lambda program: program.__name__)
def test_a_weak_reference_to_what_lives_is_part_of_the_graph(program):
    made = compiled(program, fullgraph=True)
    for _ in range(2):
        assert same(made(segue.ones(2)), program(segue.ones(2)))


def test_a_weak_reference_that_leaves_the_graph():
    def program(x, held):
        held.append(Node(7))
        node = Node(8)
        return x * 2, weakref.ref(held[-1]), weakref.ref(node)

    for run in (program, compiled(program)):
        held = []
        _, one, other = run(segue.ones(2), held)
        assert one() is held[0] and other() is None


def gone_at_once(x):
    return x * 2, weakref.ref(Node())() is None


def gone_with_its_variable(x):
    node = Node()
    reference = weakref.ref(node)
    scale = reference().scale
    del node
    return x * scale, reference() is None


def gone_with_its_cell(x):
    node = Node()
    reference, get = weakref.ref(node), lambda: node
    scale = reference().scale
    node = None
    return x * scale, reference() is None, get()


def gone_with_its_function(x):
    def make():
        node = Node()
        return weakref.ref(node)

    return x * 2, make()() is None


def gone_with_its_attribute(x):
    node = Node()
    node.child = Node(3)
    reference = weakref.ref(node.child)
    y = x * reference().scale
    node.child = None
    return y, reference() is None


def in_weak_containers(x):
    nodes, values, node = weakref.WeakSet(), weakref.WeakValueDictionary(), Node()
    nodes.add(Node())
    nodes.add(node)
    values["a"], values["b"] = node, Node()
    return x * len(nodes), len(nodes), node in nodes, sorted(values)


@pytest.mark.parametrize("program", [gone_at_once, gone_with_its_variable, gone_with_its_cell, gone_with_its_function, gone_with_its_attribute, in_weak_containers], ids=lambda program: program.__name__)
def test_a_weak_reference_to_what_is_gone_knows_it(program):
    made = compiled(program)
    for _ in range(2):
        assert same(made(segue.ones(2)), program(segue.ones(2)))


def last_of_a_list(nodes, values):
    nodes.pop()
    return len(values)


def removed_from_a_list(nodes, values):
    nodes.remove(nodes[1])
    return len(values)


def items_of_a_dict(nodes, values):
    held = dict(enumerate(nodes))
    nodes.clear()
    if held:
        held.popitem()
    return len(values)


def first_of_a_deque(nodes, values):
    nodes.popleft()
    before = len(values)
    nodes.append(0)
    return before, len(values)


def some_of_a_set(nodes, values):
    nodes.pop()
    return len(values)


@pytest.mark.parametrize(("program", "kind"), [(last_of_a_list, list), (removed_from_a_list, list), (items_of_a_dict, list), (first_of_a_deque, lambda nodes: collections.deque(nodes, 3)),
                                               (some_of_a_set, set)], ids=lambda case: getattr(case, "__name__", ""))  # fmt: skip
def test_what_is_taken_out_of_a_container_is_gone(program, kind):
    made, found = compiled(lambda x, *given: (x * 2, program(*given))), []
    for run in (lambda x, *given: (x * 2, program(*given)), made):
        nodes = [Node() for _ in range(4)]
        values = weakref.WeakValueDictionary(enumerate(nodes))
        held = kind(nodes)
        del nodes
        found.append([run(segue.ones(2), held, values) for _ in range(2)])
    assert same(*found)


def test_classes_that_others_know_weakly_are_walked_in_one_graph():
    """As the caches of functools.singledispatch and of abstract classes know them."""
    known = weakref.WeakKeyDictionary({Thing: 1, object: 2})

    def names(x):
        found = []
        for cls in Thing.__mro__:
            found.append(cls.__name__)
        return x + len(found), found

    assert segue.compile(names, fullgraph=True)(segue.ones(2))[1] == ["Thing", "object"] and len(known) == 2
