"""Tracebacks of what compiled code raises: the user's frames, lines and columns, as eagerly, also behind graph breaks.

In comes a program that raises, out goes the list of functions, lines and columns of its traceback, once eagerly and once compiled.
"""

from __future__ import annotations

import sys
import traceback

import pytest
from interp_support import compiled

import segue

PROGRAMS = []


def program(function):
    PROGRAMS.append(function)
    return function


@program
def behind_one_break(x):
    y = x + 1
    print(end="")
    return y, {}["missing"]


@program
def behind_many(x):
    for _ in range(3):
        print(end="")
        x = x * 2
    print(end="")
    raise ValueError(x.sum().item())


def deep(x, n):
    print(end="")
    if n == 0:
        raise LookupError(n)
    return deep(x * 2, n - 1) + 1


@program
def recursion(x):
    y = deep(x, 3)
    return y + 1


@program
def handled_and_raised_again(x):
    try:
        print(end="")
        return deep(x, 0)
    except LookupError as error:
        print(end="")
        raise RuntimeError("again") from error
    finally:
        x = x + 1
        print(end="")


@program
def raised_as_it_was(x):
    try:
        print(end="")
        x.reshape(5, 5)
    except RuntimeError:
        print(end="")
        assert sys.exc_info()[1] is not None
        raise


@program
def in_a_with_block(x):
    with segue.no_grad():
        print(end="")
        deep(x, 1)
    return x


def quotient(x, n):
    return x + (1 / n if n < 3 else 2)


@program
def caught_in_a_graph(x):
    error = None
    for n in (5, 0):
        try:
            x = quotient(x, n) * 2
        except ZeroDivisionError as found:
            error = found
    raise error


def frames(error):
    shown = []
    while error is not None:
        shown += [(type(error), frame.name, frame.line, frame.colno, frame.end_colno) for frame in traceback.extract_tb(error.__traceback__) if frame.filename == __file__ and frame.name != "raised"]
        error = error.__cause__ or error.__context__
    return shown


def raised(function):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        function(segue.ones(3))
    return frames(caught.value), sys.exc_info()[1]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda function: function.__name__)
def test_each_frame_is_shown_once(program):
    expected, made = raised(program), compiled(program)
    assert [raised(made) for _ in range(2)] == [expected] * 2


def test_classes_whose_module_is_no_text():
    class Odd:
        pass

    Odd.__module__ = 5
    assert compiled(lambda x: (x + 1, isinstance(Odd(), (int, Odd)), issubclass(Odd, int)))(segue.ones(2))[1:] == (True, False)


def raises(error):
    raise error


def taken_of_one_from_outside(error, x):
    before = error.__traceback__
    try:
        raises(error)
    except ValueError as found:
        first, same_one = sys.exc_info()[2], found.__traceback__
    print(end="")
    try:
        raise error
    except ValueError as found:
        second = found.__traceback__
    return x + 1, before, first, first is same_one, second, second.tb_next is first


def dropped_by_one_from_outside(error, x):
    try:
        raises(error)
    except ValueError as found:
        found.__traceback__ = None
        return x + 1, error.__traceback__


def raised_before():
    try:
        raise ValueError(3)
    except ValueError as error:
        return error


@pytest.mark.parametrize("make", [ValueError, raised_before], ids=["new", "raised before"])
@pytest.mark.parametrize("program", [taken_of_one_from_outside, dropped_by_one_from_outside], ids=lambda function: function.__name__)
def test_an_exception_from_outside_that_is_raised_and_caught(program, make):
    shown = []
    for function in (program, compiled(program)):
        error = make()
        found = function(error, segue.ones(2))[1:]
        of = [one if isinstance(one, bool) else [(frame.name, frame.lineno) for frame in traceback.extract_tb(one)] for one in (*found, error.__traceback__)]
        shown.append(of)
    assert shown[0] == shown[1]
