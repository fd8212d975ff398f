"""The context of an exception: what was being handled where it was raised.

In comes a program that raises within handlers, in generators and managers, and asks for `__context__`; out go eager's chains, also where the caller of the
compiled function handles an exception itself. The one idea: a generator handles for itself, and what is thrown into it comes as it is.
"""

from __future__ import annotations

import contextlib
import sys

import pytest
from interp_support import compiled, same

import segue
from segue.eager.stats import stats

X = segue.tensor([1.0, -2.0])


def history(error):
    found = []
    while error is not None and len(found) < 9:
        found.append(repr(error))
        error = error.__context__
    return found


@contextlib.contextmanager
def raises_at_its_end(error):
    try:
        yield
    finally:
        raise error


def managers_on_a_stack(x):
    log = []
    try:
        with contextlib.ExitStack() as stack:
            for number in (4, 3, 2):
                stack.enter_context(raises_at_its_end(Exception(number)))
            raise Exception(1)
    except Exception as error:
        log.append(history(error))
    return x + 1, log


def catches(log):
    try:
        yield 1
    except BaseException as error:
        log.append(history(error))
        yield 2
        raise LookupError("late") from None


def handles_a_key_error(log):
    try:
        raise KeyError("own")
    except KeyError:
        yield 1
        try:
            yield 2
        except BaseException as error:
            log.append(history(error))
    while True:
        yield log.append(repr(sys.exception()))


def thrown_within_a_handler(x):
    log = []
    generator, other = catches(log), KeyError("thrown")
    next(generator)
    try:
        raise ValueError("handled")
    except ValueError:
        generator.throw(other)
        log.append(history(other))
        try:
            generator.throw(TypeError)
        except TypeError as error:
            log.append(history(error))
    return x + 1, log


def thrown_and_kept(x):
    """The generator goes on handling what its caller handled."""
    log = []
    generator = catches(log)
    next(generator)
    try:
        raise ValueError("handled")
    except ValueError as error:
        generator.throw(error)
    try:
        next(generator)
    except LookupError as error:
        log.append(history(error))
    return x + 1, log


def thrown_where_nothing_runs(x):
    log, given = [], OSError("given")
    ended = (number for number in ())
    list(ended)
    try:
        raise ValueError("handled")
    except ValueError:
        for generator, error in ((ended, given), (catches(log), given), (ended, TypeError), (catches(log), TypeError)):
            try:
                generator.throw(error)
            except Exception as found:
                log.append(history(found))
    return x + 1, log


def begun_within_a_handler(x):
    """What the generator's caller handled when it began is no matter later on."""
    log = []
    generator = handles_a_key_error(log)
    try:
        raise ValueError("first")
    except ValueError:
        next(generator)
        next(generator)
    next(generator)
    try:
        raise ValueError("second")
    except ValueError:
        next(generator)
        log.append(repr(sys.exception()))
    next(generator)
    log.append(repr(sys.exception()))
    return x + 1, log


def thrown_where_it_handles(x):
    log = []
    generator = handles_a_key_error(log)
    next(generator)
    next(generator)
    try:
        raise ValueError("handled")
    except ValueError:
        generator.throw(IndexError("thrown"))
    return x + 1, log


def closes(log):
    try:
        yield 1
    except GeneratorExit as error:
        log.append(history(error))


def closes_where_it_handles(log):
    try:
        raise KeyError("own")
    except KeyError:
        yield 1
        try:
            yield 2
        except GeneratorExit as error:
            log.append(history(error))


def closed_within_a_handler(x):
    log = []
    first, second, third = closes(log), closes(log), closes_where_it_handles(log)
    for generator in (first, second, third, third):
        next(generator)
    first.close()
    try:
        raise ValueError("handled")
    except ValueError:
        second.close()
        third.close()
    return x + 1, log


def generators_in_generators(x):
    log = []

    def inner():
        try:
            raise KeyError("inner")
        except KeyError:
            yield repr(sys.exception())
        yield repr(sys.exception())
        try:
            yield
        finally:
            log.append(repr(sys.exception()))
            raise OSError("end")

    def outer():
        within = inner()
        log.append(next(within))
        try:
            raise ValueError("outer")
        except ValueError:
            log.append(next(within))
            yield
            next(within)
        log.append(repr(sys.exception()))
        for _ in range(2):
            try:
                within.throw(IndexError("thrown"))
            except (OSError, IndexError) as error:
                log.append(history(error))
                yield

    whole = outer()
    next(whole)
    try:
        raise ZeroDivisionError("caller")
    except ZeroDivisionError:
        next(whole)
        log.append(repr(sys.exception()))
    next(whole)
    log.append(repr(sys.exception()))
    return x + 1, log


def raised_once_more(x):
    """It has a context from before, which stays where nobody handles anything."""
    log = []
    try:
        try:
            raise KeyError("a")
        except KeyError:
            raise LookupError("b")  # noqa: B904
    except LookupError as error:
        kept = error
    try:
        raise kept
    except LookupError as error:
        log.append(history(error))
    return x + 1, log


def raises_what_it_is_given(x, given):
    try:
        raise given
    except LookupError as error:
        return x + 1, error


def chains_of_what_the_caller_handled(function):
    """The caller handles an exception whose context is the one that is raised within."""
    given = LookupError("given")
    try:
        try:
            raise given
        except LookupError:
            raise KeyError("caller")  # noqa: B904
    except KeyError:
        error = function(X, given)[1]
    return history(error), history(error.__context__)


def test_the_context_of_an_exception_from_outside_closes_no_cycle():
    made = compiled(raises_what_it_is_given)
    for _ in range(2):
        assert chains_of_what_the_caller_handled(made) == chains_of_what_the_caller_handled(raises_what_it_is_given)


PROGRAMS = [managers_on_a_stack, thrown_within_a_handler, thrown_and_kept, thrown_where_nothing_runs, begun_within_a_handler, thrown_where_it_handles, closed_within_a_handler,
            generators_in_generators, raised_once_more]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_contexts_are_those_of_eager_mode(program):
    made, before = compiled(program, fullgraph=True), stats.read()
    for _ in range(2):
        assert same(program(X), made(X))
    assert stats.since(before)["graphs"] == 1


@pytest.mark.parametrize("captured_before", [False, True])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_what_the_caller_handles_ends_the_chains(program, captured_before):
    made = compiled(program)
    if captured_before:
        assert same(program(X), made(X))
    try:
        raise RuntimeError("caller")
    except RuntimeError:
        for _ in range(2):
            assert same(program(X), made(X))
    assert same(program(X), made(X))
