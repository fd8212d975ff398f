"""A graph break forced before each instruction of a program in turn: result, side effects, exceptions and tracebacks are eager's.

The hook is `Settings.break_before` (capture/interp/capture.py). Each program runs once to learn which instructions its frame comes past, and then once for each
of them; graphs are interpreted (backend "eager"). The programs without tensors are those of resume_programs.py and hard_programs.py, here through the symbolic interpreter.
"""

from __future__ import annotations

import copy
import sys
import traceback

import pytest
from hard_programs import HARD
from interp_support import compiled, same
from resume_programs import PROGRAMS, Log

import segue
from segue import nn
from segue.capture.bytecode.breaks import family_of

SLOW = {"long_jumps", "loop_in_handler", "try_in_with_in_loop", "comprehensions", "comprehension_shadows"}  # their parts stand in other programs too
CHOSEN = list({program.function.__name__: program for program in PROGRAMS if program.function.__name__ not in SLOW}.values())


# -- programs with tensors --------------------------------------------------------------------------------------------------------


def arithmetic(log, x):
    y = x * 2
    log("doubled")
    z = y + x.sum()
    return y, z


def written_in_place(log, x):
    y = x[1:]
    y += 1
    log(x.tolist())
    x.mul_(2)
    return y


def with_gradient(log, x):
    w = x.detach().clone().requires_grad_()
    loss = (w * w).sum()
    loss.backward()
    log(w.grad.tolist())
    return w.grad * 2


def no_gradient(log, x):
    w = x.detach().clone().requires_grad_()
    with segue.no_grad():
        y = w * 2
        log(y.requires_grad)
    z = w * y
    return z.requires_grad, z


def collected(log, x):
    found = []
    for part in x:
        found.append(part * 2)
    return [f + 1 for f in found], {"n": len(found), "last": found[-1]}


def closed_over(log, x):
    total = x * 0

    def add(value):
        nonlocal total
        total = total + value
        log("added")

    add(x)
    add(x * 2)
    return total


def caught(log, x):
    y = x + 1
    try:
        y = y @ segue.ones(7)
    except RuntimeError:
        log("caught")
        y = y * 10
    finally:
        y = y - 1
    return y


def managed(log, x):
    with log.manager("outer", swallow=True), log.manager("inner"):
        y = x.exp()
        log.fail(ValueError("inside"))
    return y * 2


def failing(log, x):
    y = x * 3
    log("before")
    return y.reshape(7)


def failing_in_handler(log, x):
    try:
        x = x * 2
        x.reshape(7)
    except RuntimeError:
        x = x + 1
        raise KeyError("second") from None


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(segue.ones(4))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.weight


def through_a_module(log, x):
    model = Model()
    y = model(x)
    y = model(y).relu()
    return y, model.calls, model.training


def random_draws(log, x):
    segue.manual_seed(3)
    a = segue.rand(4)
    log("between")
    b = segue.rand(4) + x
    return a, b


TENSORS = [
    arithmetic, written_in_place, with_gradient, no_gradient, collected, closed_over, caught, managed, failing, failing_in_handler, through_a_module, random_draws
]  # fmt: skip


# -- running them ---------------------------------------------------------------------------------------------------------------


def users_lines(error, function):
    """The lines of the function that a traceback shows. A frame that went on in a resume function is there twice: where it broke, and where it went on."""
    lines = [entry.lineno for entry in traceback.extract_tb(error.__traceback__) if entry.name == function.__name__]
    return lines[-1:]


def outcome(run, function, log, args):
    try:
        result = run(log, *args)
    except Exception as error:
        links = type(error.__cause__), type(error.__context__), error.__suppress_context__
        return "raised", type(error), str(error).splitlines()[0], links, users_lines(error, function)
    return "returned", result


def compare(function, args):
    """Eager once; compiled with a break before each instruction that the compiled run comes past. How many breaks there were."""
    eager_log, eager_args = Log(), copy.deepcopy(args)
    expected = outcome(function, function, eager_log, eager_args)
    breaks = 0
    passed: set[int] = set()

    def run(wanted):
        log, given = Log(), copy.deepcopy(args)
        made = compiled(function)
        broken = []

        def break_before(code, index):
            if family_of(code).signature.qualname != function.__qualname__:
                return False
            passed.add(index)
            if index == wanted:
                broken.append(index)
            return index == wanted

        made.cache.settings.break_before = break_before
        found = outcome(made, function, log, given)
        where = f"with a break before instruction {wanted}"
        assert same(found, expected), where
        assert same(log.entries, eager_log.entries), where
        assert same(given, eager_args) or any(isinstance(value, BaseException) for value in args), where
        assert sys.exception() is None, where
        return bool(broken)

    run(None)
    done: set[int] = set()
    while todo := sorted(passed - done):
        done.add(todo[0])
        breaks += run(todo[0])
    return breaks


@pytest.mark.parametrize("function", TENSORS, ids=lambda function: function.__name__)
def test_tensors(function):
    assert compare(function, (segue.tensor([1.0, -2.0, 3.0, 0.5]),)) > 5


@pytest.mark.parametrize("program", [*CHOSEN, *HARD], ids=lambda program: program.name.partition("(")[0])
def test_python(program):
    assert compare(program.function, program.values) >= 3


def test_there_are_forty():
    assert len(TENSORS) + len(CHOSEN) + len(HARD) >= 60
