"""What capture believes of classes, and of the parts of the standard library that it answers itself: inheritance, names, isinstance, super(), copy, unions of dicts."""

from __future__ import annotations

import abc
import collections
import collections.abc
import copy

import pytest
from interp_support import compiled

import segue
from segue.eager.errors import CaptureError


def classes():
    """A class with two bases to choose from, as new ones for each test."""
    A = type("A", (), {})
    B1, B2 = type("B1", (A,), {}), type("B2", (A,), {})
    return type("C", (B1,), {}), B1, B2


CHANGES = {
    "bases": lambda C, B2: setattr(C, "__bases__", (B2,)),
    "name": lambda C, B2: setattr(C, "__name__", "D"),
    "qualname": lambda C, B2: setattr(C, "__qualname__", "D"),
    "doc": lambda C, B2: setattr(C, "__doc__", "new"),
}
READS = {
    "bases": lambda C, B1, B2: C.__bases__ == (B1,),
    "mro": lambda C, B1, B2: B1 in C.__mro__,
    "subclass": lambda C, B1, B2: issubclass(C, B1),
    "instance": lambda C, B1, B2: isinstance(C(), (int, B1)),
    "name": lambda C, B1, B2: C.__name__ == "C",
    "qualname": lambda C, B1, B2: C.__qualname__ == "C",
    "doc": lambda C, B1, B2: C.__doc__ is None,
}


@pytest.mark.parametrize("read, change", [(read, change) for read in READS for change in CHANGES])
def test_facts_of_a_class_that_change(read, change):
    C, B1, B2 = classes()
    asks = READS[read]

    def f(x):
        return x + 1 if asks(C, B1, B2) else x - 1

    made, x = compiled(f), segue.zeros(1)
    assert made(x).item() == f(x).item() == 1
    CHANGES[change](C, B2)
    assert made(x).item() == f(x).item()
    assert made.cache.settings.captured and not made.cache.settings.skipped


def test_a_class_registered_later_is_an_instance():
    class Shape(abc.ABC):  # noqa: B024
        pass

    class Square:
        pass

    square = Square()

    def f(x):
        return x + 1 if isinstance(square, Shape) else x - 1

    made = compiled(f, fullgraph=True)
    assert made(segue.zeros(1)).item() == -1
    Shape.register(Square)
    assert made(segue.zeros(1)).item() == 1


def test_a_users_instance_check_runs_for_real():
    class Meta(type):
        def __instancecheck__(cls, instance):
            return instance == 3

    class Three(metaclass=Meta):
        pass

    def f(x, n):
        return x + 1 if isinstance(n, Three) else x - 1

    made = compiled(f)
    assert [made(segue.zeros(1), n).item() for n in (3, 4)] == [1, -1]


def test_unions_and_abstract_classes_of_the_standard_library():
    def f(x, value):
        kind = int | list
        if isinstance(value, collections.abc.Sequence) and isinstance(value, kind | None):
            return x + len(value)
        return x - 1

    made = compiled(f, fullgraph=True)
    assert [made(segue.zeros(1), value).item() for value in ([1, 2], (1, 2), 7)] == [2, -1, -1]


class Odd:
    """Its class cannot be asked for without running its code."""

    def __getattribute__(self, name):
        raise AssertionError(name)

    def __instancecheck__(self, instance):
        return True


ODD = Odd()


def test_asking_an_object_does_not_run_its_code():
    def f(x):
        return x + 1 if isinstance(3, ODD) else x - 1

    assert compiled(f)(segue.zeros(1)).item() == 1


def test_deepcopy_keeps_what_is_shared_and_what_is_circular():
    def f(x):
        inner = [1, 2]
        circle = {"inner": inner}
        circle["self"] = circle
        whole = [inner, inner, circle, ((1, 2), 3), (inner, 4)]
        return x + 1, whole, copy.deepcopy(whole)

    _, whole, other = compiled(f)(segue.zeros(1))
    assert other[0] is other[1] is other[2]["inner"] is other[4][0] and other[0] is not whole[0]
    assert other[2]["self"] is other[2] is not whole[2]
    assert other[3] is whole[3] and other[4] == whole[4] and other[4] is not whole[4]


def test_copy_of_a_frozenset_is_itself():
    def f(x, kept):
        return x + 1, copy.copy(kept)

    kept = frozenset({1, 2})
    assert compiled(f)(segue.zeros(1), kept)[1] is kept


def test_the_union_of_dicts_has_the_class_that_python_gives_it():
    def f(x, left, right):
        return x + 1, left | right

    plain, ordered = {"a": 1, "b": 2}, collections.OrderedDict(b=3, c=4)
    default = collections.defaultdict(list, b=5)
    for left, right in [(plain, ordered), (ordered, plain), (plain, default), (default, plain), (plain, plain)]:
        found, wanted = compiled(f)(segue.zeros(1), left, right)[1], left | right
        assert type(found) is type(wanted) and list(found.items()) == list(wanted.items())
        assert getattr(found, "default_factory", None) is getattr(wanted, "default_factory", None)


def test_keys_that_leave_and_come_back_while_they_are_iterated_over():
    def f(x):
        d = {0: 0}
        try:
            for _ in d:
                del d[0]
                d[0] = 0
        except RuntimeError as error:
            return x + 1, str(error)
        return x, ""

    assert compiled(f)(segue.zeros(1))[1] == f(segue.zeros(1))[1] != ""


def wrong_calls():
    def plain(a, b=None, *, c=None):
        return a

    def no_arguments():
        return super().method()

    return {
        "too many": lambda: plain(1, 2, 3),
        "slice": lambda: slice(),
        "slice of four": lambda: slice(1, 2, 3, 4),
        "super without arguments": no_arguments,
        "super of a number": lambda: super(1, int),
        "cause": lambda: _raise_from_five(),
        "subscript of a class": lambda: Exception[OSError],
        "long range": lambda: len(range(-(10**30), 10**30)),
        "issubclass of a number": lambda: issubclass(3, int),
    }


def _raise_from_five():
    raise IndexError from 5


@pytest.mark.parametrize("name", wrong_calls())
def test_wrong_calls_raise_as_python_does(name):
    call = wrong_calls()[name]

    def f(x):
        try:
            call()
        except Exception as error:
            return x + 1, type(error), str(error)

    assert compiled(f)(segue.zeros(1))[1:] == f(segue.zeros(1))[1:]


def test_generators_and_coroutines_say_that_they_run_eagerly():
    def steps(x):
        yield x + 1
        yield x + 2

    async def waits(x):
        return x + 1

    for function in (steps, waits):
        with pytest.warns(RuntimeWarning, match="compile the functions that they call"):
            made = compiled(function)
        assert [skipped.function for skipped in made.cache.settings.skipped] == [function.__qualname__]
        with pytest.raises(CaptureError, match="generators and coroutines"):
            compiled(function, fullgraph=True)
    with pytest.warns(RuntimeWarning):
        assert [value.item() for value in compiled(steps)(segue.zeros(1))] == [1, 2]
