"""Corners of Python that CPython's own tests found: compiled code answers what eager code answers, and raises what it raises."""

from __future__ import annotations

import collections
import sys

import pytest
from interp_support import compiled, same

import segue

X = segue.tensor([1.0, -2.0, 3.0])


def told(*functions):
    """What each gives, or says when it raises."""
    found = []
    for function in functions:
        try:
            found.append(function())
        except Exception as error:
            found.append((type(error).__name__, str(error)))
    return found


class Held:
    def __init__(self, held):
        self.held = held

    def __eq__(self, other):
        return self.held == other.held

    def __str__(self):
        return self.held

    __repr__ = __str__


class Text(str):
    __slots__ = ()


class Spoken(str):
    __slots__ = ()

    def __repr__(self):
        return "spoken"


class Accented:
    def __repr__(self):
        return "'\u00e9\\n'"


class Plain: ...


class Both:
    def __new__(cls, *args, **kwargs):
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


class Initialised:
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


class Made:
    def __new__(cls, *args):
        return super().__new__(cls)


def the_opposite_of_eq(x):
    one, other = Held(1), Held(2)
    return x + 1, one.__ne__(other), one.__ne__(one), object.__ne__(one, other), object().__ne__(3)


def texts_of_a_class_of_their_own(x):
    of, plain = Held(Text("a")), type(f"{Held(Text('a'))!s}")
    return x + 1, type(str(of)), type(repr(of)), type(ascii(of)), plain, str(Spoken("x")), repr(Spoken("x")), ascii(Text("abc")), ascii(Accented()), f"{Accented()!a}"


def what_is_no_text(x):
    return x + 1, told(lambda: str(Held(3)), lambda: repr(Held(None)))


def iterators_of_bytearrays(x):
    first = bytearray(b"abc")
    one = iter(first)
    next(one)
    first[1:] = b"xyz"
    rest = list(one)
    first.extend(b"12")
    other = iter(first)
    next(other)
    first.clear()
    return x + 1, rest, list(one), type(one), list(other)


def an_iterator_of_a_bytearray_over_a_break(x):
    first = bytearray(b"abc")
    one = iter(first)
    next(one)
    print(end="")
    first.append(7)
    return x + 1, list(one)


def stored(of, key, value):
    of[key] = value


def errors_of_bytearrays(x):
    of = bytearray(b"abc")
    places = ("a", 1), (0, "a"), (slice(0, 1), "abc"), (slice(0, 1), ["a"]), (slice(0, 1), (1, 2))
    return x + 1, [told(lambda place=place, value=value: stored(of, place, value)) for place, value in places], of


def iterators_of_deques(x):
    of = collections.deque([1, 2, 3])
    back = reversed(of)
    first = next(back)
    of.append(4)
    return x + 1, type(back), first, told(lambda: next(back)), list(reversed(of)), type(iter(of)), told(lambda: collections.deque(of=[]))


def arguments_that_object_refuses(x):
    return x + 1, told(
        lambda: Plain(42), lambda: Plain.__new__(Plain, 42), lambda: Plain().__init__(42), lambda: object.__new__(Plain, 42), lambda: object.__init__(Plain(), 42),
        lambda: Both(42), lambda: object.__new__(Both, 42), lambda: Initialised(a=1), lambda: Initialised().__init__(42), lambda: object.__init__(Made(1), 3),
        lambda: type(Made(1, 2)), lambda: type(object.__new__(Initialised, 3)),
    )  # fmt: skip


def keys_of_one_hash(x):
    alike = False

    class Key:
        def __hash__(self):
            return 1

        def __eq__(self, other):
            return alike

    of, among = {Key(): 1, Key(): 2}, {Key(), Key()}
    alike = True
    print(end="")
    return x + 1, len(of), len(among)


class Members(set): ...


def sets_of_a_class_of_their_own(x):
    made, of = Members([1]), Members(key for key in "a")
    made.add(2)
    print(end="")
    return x + 1, made, of, Members(made), len(of), Members(iter([3])) | made


class NoError(Exception):
    def __new__(cls):
        return None


def a_cause_that_is_no_exception(x):
    def refused():
        raise IndexError from NoError

    if sys.version_info < (3, 13):  # where None is taken for a cause
        return x + 1
    return x + 1, told(refused)


PROGRAMS = [
    a_cause_that_is_no_exception, sets_of_a_class_of_their_own,
    the_opposite_of_eq, texts_of_a_class_of_their_own, what_is_no_text, iterators_of_bytearrays, an_iterator_of_a_bytearray_over_a_break, errors_of_bytearrays,
    iterators_of_deques, arguments_that_object_refuses, keys_of_one_hash,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_the_answer_is_eagers(program):
    made = compiled(program)
    for _ in range(2):
        assert same(made(X), program(X))


def test_numbers_that_python_does_not_write():
    limit = sys.get_int_max_str_digits()
    made = compiled(lambda x, n: (x + 1, n > 0))
    for n in (10 ** (limit + 1), 10 ** (limit + 2)):
        assert same(made(X, n), (X + 1, True))


class Counting:
    """One that notices when it is printed."""

    printed = 0

    def __init__(self, rate):
        self.rate = rate

    def __repr__(self):
        Counting.printed += 1
        return "counting"


def test_compiling_again_prints_nothing_of_the_users():
    made = compiled(lambda x, held, rows: (x * held.rate, len(rows)))
    for n in range(4):
        held = Counting(n + 1.0) if n % 2 else n and Held(2)
        if held:
            held.rate = n + 1.0
            made(X, held, [Counting(1.0)] * n)
    assert made.cache.settings.recompiles and Counting.printed == 0


def a_memoryview_that_is_released(x):
    of = memoryview(b"abc")
    view = of[1:]
    view.release()
    print(end="")
    return x + 1, told(lambda: len(view)), bytes(of)


def test_a_memoryview_that_is_released():
    assert same(compiled(a_memoryview_that_is_released)(X), a_memoryview_that_is_released(X))


def slices_of_step_zero(x):
    items = [1, 2, 3]
    return x + 1, told(lambda: items.__setitem__(slice(0, 2, 0), [])), told(lambda: items.__delitem__(slice(None, None, 0))), items


def test_slices_of_step_zero_are_refused_in_pythons_words():
    assert same(compiled(slices_of_step_zero)(X), slices_of_step_zero(X))


def an_eq_that_clears_what_is_looked_in(x):
    class Key(int):
        def __hash__(self):
            return 13

        def __eq__(self, other):
            if len(of) > 1:
                of.clear()
            return False

    found = []
    of = {}
    of = {Key(1): 1, Key(2): 2}
    found += told(lambda: dict.fromkeys(of) and None, lambda: len(of))
    of = set()
    of = {Key(1), Key(2)}
    found += told(lambda: Key(3) in of, lambda: len(of))
    return x + 1, found


def test_an_eq_that_clears_what_is_looked_in():
    assert same(compiled(an_eq_that_clears_what_is_looked_in)(X), an_eq_that_clears_what_is_looked_in(X))


class Slotted:
    __slots__ = ("other", "place")


class Borrower:
    __slots__ = ("own",)
    borrowed = Slotted.place


Slotted.alias = Slotted.place


def slots_under_other_names(x, slotted, borrower):
    slotted.alias = 3
    found = [slotted.place, slotted.alias]
    slotted.place = 4
    found.append(slotted.alias)
    del slotted.alias
    found += told(lambda: slotted.place, lambda: slotted.alias, lambda: delattr(slotted, "alias"))
    found += told(lambda: borrower.borrowed, lambda: setattr(borrower, "borrowed", 3), lambda: delattr(borrower, "borrowed"))
    made = Slotted()
    made.alias = 5
    slotted.alias = 6
    return x + 1, found, made.place, hasattr(made, "other")


def test_slots_under_other_names():
    ours, eager = Slotted(), Slotted()
    assert same(compiled(slots_under_other_names)(X, ours, Borrower()), slots_under_other_names(X, eager, Borrower()))
    assert ours.place == eager.place == 6


def sums_of_numbers(x, n):
    class Own:
        def __radd__(self, other):
            return ["own", other]

    of_the_run = [x[0].item(), x[1].item(), 0.25, 1e16, -1e16]
    known = [sum([0.1] * 10), sum([1.0, 10e100, 1.0, -10e100]), sum([1, 0.5, True]), sum(i * 0.1 for i in range(7)), sum([]), sum([0.1, 0.2], 0.3), sum([1.0, 2, Own()])]
    return x + 1, known, sum(of_the_run), sum([n * 0.1, 0.2, 0.3]), sum([1j, 2, 0.5]), sum([n, n]), sum([x, x, 1.0])


def test_sums_of_floats_are_as_exact_as_pythons():
    made = compiled(sums_of_numbers)
    for n in (3, 4, 5):
        found, expected = made(X, n), sums_of_numbers(X, n)
        assert same(found, expected) and repr(found[1:6]) == repr(expected[1:6])


def cells_of_comprehensions_that_ended(x):
    first = [(lambda: i) for i in range(3)]  # noqa: B023
    print(end="")
    second = {(lambda: i) for i in range(5)}  # noqa: B023
    i = 20
    print(end="")
    return x + 1, [one() for one in first], {one() for one in second}, i


def cells_beside_one_of_the_function(x):
    i = 7
    own = lambda: i  # noqa: E731
    made = {(lambda: i) for i in range(5)}  # noqa: B023
    print(end="")
    i += 1
    return x + 1, {one() for one in made}, own(), i


@pytest.mark.parametrize("program", [cells_of_comprehensions_that_ended, cells_beside_one_of_the_function], ids=lambda one: one.__name__)
def test_functions_of_a_comprehension_keep_its_variable_behind_a_break(program):
    assert same(compiled(program)(X), program(X))
