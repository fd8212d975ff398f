"""Exception groups and `except*` in captured code: each program is one graph, without a break, and what it leaves of its exceptions is what eager mode leaves."""

from __future__ import annotations

import traceback

import pytest
from interp_support import compiled

import segue
from segue.eager.stats import stats


def seen(found):
    """Everything that can be seen of what a program gives; exceptions by class, arguments, notes, links, and the lines of their tracebacks."""
    if isinstance(found, BaseException):
        lines = [(entry.lineno, entry.name) for entry in traceback.extract_tb(found.__traceback__)]
        inner = seen(found.exceptions) if isinstance(found, BaseExceptionGroup) else ()
        return type(found).__name__, seen(found.args), str(found), repr(found), vars(found), seen(found.__cause__), seen(found.__context__), found.__suppress_context__, lines, inner
    if isinstance(found, (list, tuple)):
        return type(found), [seen(item) for item in found]
    return found.tolist() if isinstance(found, segue.Tensor) else found


class Coded(ExceptionGroup):
    """As Python's documentation writes one."""

    def __new__(cls, message, errors, code):
        made = super().__new__(Coded, message, errors)
        made.code = code
        return made

    def derive(self, errors):
        return Coded(self.message, errors, self.code)


def tree():
    return ExceptionGroup("tree", [ValueError(1), ExceptionGroup("branch", [TypeError(2), KeyError(3)]), OSError(4)])


def taken_apart(x):
    try:
        raise ExceptionGroup("both", [ValueError(1), TypeError(2)])
    except* ValueError as error:
        first = error
    except* TypeError as error:
        second = error
    return x * 2, first, second


def naked(x):
    try:
        try:
            raise ValueError(1)
        except* ValueError as error:
            group = error
            raise TypeError(2) from error
    except TypeError as error:
        return x * 2, group, error, error.__cause__ is group, error.__context__ is group, sorted([str(group), repr(group)])


def naked_and_not_taken(x):
    log = []
    try:
        try:
            raise OSError(1)
        except* (ValueError, TypeError):
            log.append("no")
        finally:
            log.append("finally")
    except OSError as error:
        return x * 2, error, log


def rest_is_raised_on(x):
    try:
        try:
            raise tree()
        except* KeyError as error:
            taken = error
        except* ValueError:
            raise
        finally:
            x = x + 1
    except ExceptionGroup as error:
        return x * 2, taken, error, error.message, error.exceptions


def each_clause_raises(x):
    try:
        try:
            raise tree()
        except* KeyError:
            raise RuntimeError("k")  # noqa: B904
        except* ValueError as error:
            raise RuntimeError("v") from error
        except* TypeError as error:
            raise error
    except ExceptionGroup as error:
        return x * 2, error, error.exceptions[0].__context__


def one_is_raised(x):
    try:
        try:
            raise tree()
        except* Exception:
            raise SyntaxError("bad")  # noqa: B904
    except SyntaxError as error:
        return x * 2, error


def nothing_is_raised(x):
    try:
        y = x * 2
    except* ValueError:
        y = x
    else:
        y = y + 1
    finally:
        y = y * 3
    return y


def in_a_loop(x):
    counts = []
    for error in (ValueError(1), ExceptionGroup("g", [TypeError(1), ValueError(2)]), KeyError(3)):
        try:
            try:
                raise error
            except* ValueError as group:
                counts.append(len(group.exceptions))
                x = x * 2
        except Exception as left:
            counts.append(type(left))
    return x, counts


def nested(x):
    try:
        try:
            raise tree()
        except* OSError as error:
            try:
                raise error.subgroup(OSError)
            except* OSError as inner:
                x, kept = x * 2, inner
    except* (ValueError, TypeError, KeyError) as error:
        return_of = error
    return x, kept, return_of


def by_hand(x):
    group = tree()
    group.add_note("noted")
    group.__cause__ = ZeroDivisionError()
    match, rest = group.split(ValueError)
    odd = group.subgroup(lambda error: isinstance(error, KeyError))
    made = group.derive([ValueError("new")])
    same = group.split((Exception,))
    return x, match, rest, odd, made, group.subgroup(ArithmeticError), same[0] is group, match.exceptions[0] is group.exceptions[0], group.exceptions is group.exceptions


def a_class_of_the_user(x):
    group = Coded("mine", [ValueError(1), Coded("inner", [TypeError(2), ValueError(7)], 9)], 4)
    try:
        raise group
    except* TypeError as error:
        taken = error
    except* ValueError as error:
        left = error
    return x * 2, group, taken, left, taken.code, taken.exceptions[0].code


def wrong(x):
    found = []
    makers = (
        lambda: ExceptionGroup("a", []), lambda: ExceptionGroup(1, [ValueError()]), lambda: ExceptionGroup("a", [1]), lambda: ExceptionGroup("a"),
        lambda: ExceptionGroup("a", {1}), lambda: ExceptionGroup("a", [KeyboardInterrupt()]), lambda: ExceptionGroup("a", [ValueError()]).split(3),
        lambda: Coded("a", [KeyboardInterrupt()], 1), lambda: type(BaseExceptionGroup("a", [KeyboardInterrupt()])), lambda: type(BaseExceptionGroup("a", (ValueError(),))),
    )  # fmt: skip
    for make in makers:
        try:
            found.append(make())
        except Exception as error:
            found.append((type(error), str(error)))
    for classes in (ExceptionGroup, 3, (ValueError, 3)):
        try:
            try:
                raise ValueError
            except* classes:
                pass
        except TypeError as error:
            found.append(str(error))
    for name in ("message", "exceptions"):
        try:
            setattr(tree(), name, 1)
        except AttributeError as error:
            found.append(str(error))
    try:
        try:
            raise ValueError
        except 3:  # noqa: B030
            pass
    except TypeError as error:
        found.append(str(error))
    return x, found


def raised_again(x):
    """`raise` alone leaves no line of its own."""
    try:
        try:
            raise ValueError(1)
        except ValueError:
            x = x + 1
            raise
    except ValueError as error:
        return x, error


PROGRAMS = [taken_apart, naked, naked_and_not_taken, rest_is_raised_on, each_clause_raises, one_is_raised, nothing_is_raised, in_a_loop, nested, by_hand, a_class_of_the_user, wrong, raised_again]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_one_graph(program):
    made, x = compiled(program, fullgraph=True), segue.tensor([1.0, 2.0])
    expected = seen(program(x))
    assert [seen(made(x)) for _ in range(2)] == [expected] * 2


def test_a_group_from_outside_is_the_callers_and_guarded():
    def program(x, group):
        try:
            raise group
        except* ValueError as error:
            first = error
        except* TypeError as error:
            x, first = x * 2, error
        return x, first, first.exceptions[0]

    made, x = compiled(program, fullgraph=True), segue.tensor([1.0])
    errors, before = [ValueError(1), TypeError(2)], stats.read()
    for inner in ([errors[0]], [errors[1]], [errors[0]], errors):
        group, eager_group = ExceptionGroup("o", inner), ExceptionGroup("o", inner)
        y, first, leaf = made(x, group)
        expected = program(x, eager_group)
        assert y.tolist() == expected[0].tolist() and leaf is expected[2]
        assert (first is group) == (expected[1] is eager_group) and str(first) == str(expected[1])
    assert stats.since(before)["captures"] == 3


def test_classes_of_a_clause_are_guarded(monkeypatch):
    made, x = compiled(catches), segue.tensor([1.0])
    assert made(x).tolist() == [2.0]
    monkeypatch.setitem(globals(), "TAKEN", KeyError)
    assert made(x).tolist() == [3.0]
    monkeypatch.setattr(Coded, "derive", lambda self, errors: ExceptionGroup("other", errors))
    assert made(x).tolist() == [3.0]


TAKEN = ValueError


def catches(x):
    try:
        raise Coded("c", [ValueError(1), KeyError(2)], 1)
    except* TAKEN as error:
        found = error
    except* Exception:
        pass
    return x * 2 if isinstance(found.exceptions[0], ValueError) else x * 3


def test_a_break_in_a_clause():
    def program(x, log):
        try:
            raise tree()
        except* ValueError as error:
            print(end="")
            log.append(str(error))
            x = x * 2
        except* Exception as error:
            print(end="")
            log.append(str(error))
            x = x + 1
        return x

    made, x, logs = compiled(program), segue.tensor([1.0]), ([], [])
    assert made(x, logs[0]).tolist() == program(x, logs[1]).tolist() == [3.0]
    assert logs[0] == logs[1]


def keep(value):
    return value


def taken_by_the_second(x):
    try:
        raise tree()
    except* IndexError:
        pass
    except* Exception as group:
        raise LookupError(3) from group


def raises_behind_a_break(x):
    try:
        raise tree()
    except* ValueError as group:
        segue.compiler.disable(keep)(group)
        raise LookupError(4) from None


@pytest.mark.parametrize("program", [taken_by_the_second, raises_behind_a_break])
def test_what_an_except_star_raises_has_the_part_that_it_took_as_context(program):
    raised = []
    for function in (program, compiled(program)):
        with pytest.raises(BaseExceptionGroup if program is raises_behind_a_break else LookupError) as info:
            function(segue.ones(1))
        inner = info.value.exceptions[0] if isinstance(info.value, BaseExceptionGroup) else info.value
        raised.append([(str(one), one.__suppress_context__, one.__cause__ is inner.__context__) for one in (inner, inner.__context__)])
    assert raised[0] == raised[1]
