"""Who takes from an iterable takes each item when Python does: what a generator sees of the list that it fills, what is left where it raises, and who is asked how often."""

from __future__ import annotations

import collections
import functools
import itertools

import pytest
from interp_support import compiled, same

import segue


class Number:
    """It writes down what it is asked."""

    def __init__(self, value, log):
        self.value = value
        self.log = log

    def told(self, *what):
        self.log.append((self.value, *what))
        return self

    def __add__(self, other):
        return Number(self.told("+").value + other.value, self.log)

    def __radd__(self, other):
        return self.told("r+")

    def __lt__(self, other):
        return self.told("<", other.value).value < other.value

    def __gt__(self, other):
        return self.told(">", other.value).value > other.value

    def __eq__(self, other):
        return self.told("==", other.value).value == other.value

    def __hash__(self):
        return self.told("hash").value % 2


class Counted:
    def __init__(self, items, length=2):
        self.items = items
        self.length = length

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        self.items[0].told("length")
        return self.length


def failing(numbers):
    yield numbers[0].told("taken")
    yield numbers[1].told("taken")
    raise LookupError(3)


def taken(numbers):
    return (number.told("taken") for number in numbers)


def caught(change, target):
    try:
        change()
    except (LookupError, ValueError, TypeError) as error:
        return type(error).__name__, str(error), len(target)
    return len(target)


def a_list_that_is_filled(numbers):
    found = [5]
    found.extend(len(found) for _ in range(3))
    found += (found[-1] for _ in range(2))
    return found


def what_is_left_of_a_list(numbers):
    found: list = []
    return caught(lambda: found.extend(failing(numbers)), found)


def what_is_left_of_others(numbers):
    members, table, queue = {7}, {}, collections.deque()
    return [caught(lambda: members.update(failing(numbers)), members), caught(lambda: table.update((number, 1) for number in failing(numbers)), table),
            caught(lambda: queue.extend(failing(numbers)), queue), caught(lambda: queue.extendleft(failing(numbers)), queue),
            caught(lambda: members.difference_update(failing(numbers)), members)]  # fmt: skip


def folds(numbers):
    return [sum(taken(numbers)), functools.reduce(lambda a, b: a + b, taken(numbers)), max(taken(numbers)), min(taken(numbers), key=lambda n: n.told("key"))]


def sets(numbers):
    return len(set(taken(numbers))), {1, 2}.isdisjoint(iter([3, 2, numbers[0]])), {1}.issuperset(itertools.chain([5], failing(numbers))), len(dict.fromkeys(taken(numbers)))


def sorts(numbers):
    numbers.sort()
    return [n.value for n in sorted(numbers, reverse=True)], [n.value for n in numbers]


class Unordered(Number):
    def __lt__(self, other):
        if other.value == 2:
            raise LookupError(2)
        return super().__lt__(other)


def sorts_that_fail(numbers):
    found = [Unordered(value, numbers[0].log) for value in (5, 4, 3, 2, 1)]
    told = caught(found.sort, found)
    seen: list = [3, 1, 2]
    seen.sort(key=lambda one: (len(seen), one))
    return told, [one.value for one in found], seen, caught(lambda: seen.sort(key=lambda one: seen.append(one) or one), seen)


def lengths(numbers):
    counted = Counted(numbers)
    return len(list(counted)), len([*counted]), sum(1 for _ in counted), (lambda *a: len(a))(*counted), caught(lambda: list(Counted(numbers, -1)), [])


def unpacked(numbers):
    rest = iter([1, 2, 3, 4, 5])
    try:
        a, b = rest
    except ValueError as error:
        return str(error), list(rest)


def asked_once(numbers):
    table = {numbers[0]: 1}
    table[numbers[0]] = 2
    table.setdefault(numbers[2], 3)
    table[None] = 4
    return table.setdefault(None, 5), table.pop(None), table.pop(numbers[0]), table.get(numbers[1], 0), (numbers[0],) == (numbers[1], 2)


PROGRAMS = [a_list_that_is_filled, what_is_left_of_a_list, what_is_left_of_others, folds, sets, sorts, sorts_that_fail, lengths, unpacked, asked_once]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_each_item_is_taken_when_eager_code_takes_it(program):
    def f(x, numbers, log):
        return x + 1, program(numbers), len(log)

    logs: list[list] = [[], [], [], []]
    x, made = segue.ones(2), compiled(f)
    found = []
    for function, log in zip((f, made, f, made), logs):
        result = function(x, [Number(value, log) for value in (3, 1, 3)], log)
        found.append((result[0], [one.value if isinstance(one, Number) else one for one in result[1]] if isinstance(result[1], list) else result[1], result[2]))
    assert logs[1] == logs[0] and logs[3] == logs[2]
    assert same(found[1], found[0]) and same(found[3], found[2])


class Says:
    def __init__(self, answer):
        self.answer = answer

    def __len__(self):
        return self.answer

    def __bool__(self):
        return self.answer

    def __iter__(self):
        return self.answer


class Long:
    def __init__(self, answer):
        self.answer = answer

    def __len__(self):
        return self.answer


@pytest.mark.parametrize("answer", [True, -1, 1.5, None, 2**70, 3])
def test_what_special_methods_may_say(answer):
    def f(x):
        found = []
        for ask in (len, bool, iter, lambda one: 1 if one else 2, lambda one: not one):
            for one in (Says(answer), Long(answer)):
                try:
                    found.append(ask(one))
                except (TypeError, ValueError, OverflowError) as error:
                    found.append((type(error), str(error)))
        return x + 1, found

    made = compiled(f)
    assert same(made(segue.ones(2)), f(segue.ones(2)))


class Equal:
    def __eq__(self, other):
        return False

    __hash__ = None


def test_lists_find_the_object_itself_whatever_it_equals():
    def f(x, numbers):
        one = Equal()
        nan = numbers[0]
        return x + 1, [one].count(one), [Equal(), one].index(one), numbers.count(nan), numbers.index(nan), one in [one], (one, nan).count(nan)

    made, numbers = compiled(f), [float("nan"), 2.0]
    assert same(made(segue.ones(1), numbers), f(segue.ones(1), numbers))
