"""Harder programs for breaks before every instruction: what unwinds, what runs in pieces, and what changes under the feet of what was captured.

In come a log and, for some, values; out goes what the program returns or raises. They are run by test_break_everywhere.py.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from resume_programs import Program

HARD: list[Program] = []


def program(*values: Any) -> Any:
    def enter(function: Any) -> Any:
        HARD.append(Program(function, values))
        return function

    return enter


@program()
def returns_through_finally(log):
    def inner(how):
        for turn in range(3):
            try:
                if how == "return":
                    return "returned"
                if how == "break":
                    break
                if how == "raise":
                    log.fail(KeyError(how))
                continue
            finally:
                log("finally", turn)
                if how == "override":
                    return "overridden"  # noqa: B012
        else:
            return "ended"
        return "broken"

    found = []
    for how in ("return", "break", "continue", "override"):
        found.append(inner(how))
    try:
        inner("raise")
    except KeyError as error:
        found.append(error.args)
    return found


@program(2)
def finally_in_finally(log, n):
    total = 0
    try:
        try:
            total += 1
            log.fail(ValueError("first"))
        finally:
            total += 10
            try:
                log.fail(KeyError("second"))
            except KeyError as error:
                log(type(error.__context__))
            finally:
                total += n
    except ValueError as error:
        log("outer", error.__context__)
        return total
    finally:
        log("last", total)


@program()
def managers_within_managers(log):
    with log.manager("a") as a, log.manager("b", swallow=True) as b:
        with log.manager("c") as c:
            log(a, b, c)
            try:
                log.fail(ValueError("in c"))
            except KeyError:
                log("never")
            finally:
                log("finally")
        log("not reached")
    with log.manager("d"):
        for turn in range(2):
            with log.manager(f"e{turn}"):
                if turn:
                    return "from within", turn
    return "never"


@program()
def a_stack_of_managers(log):
    with contextlib.ExitStack() as stack:
        for name in "ab":
            stack.enter_context(log.manager(name))
        stack.callback(log, "called")
        moved = stack.pop_all()
    log("left")
    moved.close()
    with contextlib.suppress(ZeroDivisionError):
        1 / 0  # noqa: B018
    return "done"


@contextlib.contextmanager
def made_of_a_generator(log, swallow):
    log("begins")
    try:
        yield "given"
    except ValueError as error:
        log("sees", str(error))
        if not swallow:
            raise
    finally:
        log("ends")


@program()
def managers_made_of_generators(log):
    with made_of_a_generator(log, True) as given:
        log.fail(ValueError(given))
    try:
        with made_of_a_generator(log, False):
            log.fail(ValueError("passed on"))
    except ValueError as error:
        return str(error)


@program()
def generators_that_are_sent_to(log):
    def averages():
        total = count = 0
        value = None
        try:
            while True:
                value = yield value and total / count
                total += value
                count += 1
        except KeyError as error:
            log("thrown", error.args)
            yield "caught"
        finally:
            log("closed", total)

    one = averages()
    found = [next(one), one.send(2), one.send(4), one.throw(KeyError("k"))]
    one.close()
    other = averages()
    next(other)
    try:
        other.throw(ValueError("v"))
    except ValueError as error:
        found.append(error.args)
    return found


@program()
def generators_of_generators(log):
    def inner(n):
        got = []
        for k in range(n):
            got.append((yield k))
        return got

    def outer():
        first = yield from inner(2)
        log(first)
        try:
            second = yield from inner(3)
        except ValueError as error:
            second = error.args
        return first, second

    one = outer()
    found = [next(one)]
    try:
        found += [one.send("a"), one.send("b"), one.throw(ValueError("v"))]
    except StopIteration as stopped:
        found.append(stopped.value)
    return found


class Turns:
    """An awaitable that suspends a few times."""

    def __init__(self, count):
        self.count = count

    def __await__(self):
        yield from range(self.count)
        return self.count


@program()
def coroutines_run_by_hand(log):
    class Manager:
        async def __aenter__(self):
            log("aenter")
            return await Turns(1)

        async def __aexit__(self, *error):
            log("aexit", error[0])
            return True

    async def numbers():
        for k in range(2):
            yield k

    async def work():
        async with Manager() as entered:
            log(entered)
            log.fail(ValueError("inside"))
        return [k async for k in numbers()] + [await Turns(2)]

    coroutine, turns = work(), []
    while True:
        try:
            turns.append(coroutine.send(None))
        except StopIteration as stopped:
            return turns, stopped.value


@program()
def groups_in_parts(log):
    group = ExceptionGroup("all", [ValueError("v"), ExceptionGroup("inner", [KeyError("k"), TypeError("t")]), OSError("o")])
    try:
        try:
            log.fail(group)
        except* (ValueError, KeyError) as some:
            log([type(one) for one in some.exceptions], some.message)
        except* TypeError as some:
            log("types", len(some.exceptions))
            raise IndexError("new") from some.exceptions[0]
        finally:
            log("finally")
    except ExceptionGroup as rest:
        return [type(one).__name__ for one in rest.exceptions], rest.message


@dataclass
class Point:
    x: int
    y: int


@program([("a", 1), ["b", 2, 3], {"kind": "c", "of": {"n": 5}, "more": 6}, Point(0, 7), Point(2, 3), 4, "text", None])
def patterns_of_all_kinds(log, subjects):
    found = []
    for subject in subjects:
        match subject:
            case (str(name), int(n)) if n > 5:
                found.append(("large", name))
            case (str() as name, 1 | 2 as n):
                found.append((name, n))
            case [first, *rest]:
                found.append((first, rest))
            case {"kind": "c", "of": {"n": n}, **others}:
                found.append((n, others))
            case Point(0, y) | Point(y, 0):
                found.append(y)
            case Point(x=x, y=y) if log(x) == 2:
                found.append((x, y))
            case int() | None as plain:
                found.append(plain)
            case _:
                found.append("else")
    return found


@program()
def closures_changed_between(log):
    count, step = 0, 1

    def add():
        nonlocal count
        count += step
        return count

    def twice():
        nonlocal step
        step *= 2
        return add()

    found = [add(), twice(), count, step]
    count = 100
    found += [add(), twice(), count]
    functions = [lambda k=k: (k, count) for k in range(2)]
    del step
    try:
        add()
    except NameError as error:
        log(type(error))
    step = 7
    return found, [function() for function in functions], add()


@program([3, 1, 2])
def changed_while_iterated(log, values):
    found = []
    for value in values:
        found.append(value)
        if value == 1:
            values.append(9)
        if len(found) == 2:
            values[2:3] = [5, 6]
    pairs = {value: value * 2 for value in values}
    try:
        for key in pairs:
            pairs[key + 100] = 1
    except RuntimeError as error:
        log(str(error))
    return found, len(pairs)


@program(3)
def raised_again_and_again(log, n):
    errors = []
    for turn in range(n):
        try:
            try:
                log.fail(ValueError(turn))
            except ValueError as error:
                if turn == 0:
                    raise
                if turn == 1:
                    raise KeyError("k") from error
                raise IndexError("i") from None
        except (ValueError, KeyError, IndexError) as error:
            errors.append((type(error).__name__, type(error.__cause__).__name__, type(error.__context__).__name__, error.__suppress_context__))
    return errors
