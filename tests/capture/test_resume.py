"""Resume functions without any tensor: programs run with a break at every instruction, and must do what plain Python does.

The null interpreter below captures nothing: it breaks at the first instruction of a function, at the first one of the resume function that follows,
and so on, so every instruction is executed alone, between a restored and a collected frame. With `follow_exceptions` an exception is carried into
its handler the way the symbolic interpreter does it, so handlers are stepped through as well.
"""

from __future__ import annotations

import inspect
import types
from dataclasses import replace

import pytest

from segue.capture.bytecode import NULL, CannotBreak, FrameState, Handled, break_frame, breaks, decode
from segue.capture.bytecode.shape import COPIED, HANDLED, VALUE, given

from .resume_programs import PROGRAMS, Log


def nothing(out):
    """The prologue of an interpreter that captured nothing."""


def slot_of_parameter(name, kind):
    """The stack slot of a resume function that breaks where it was entered."""

    def emit(out):
        out.emit("LOAD_FAST", name)

    return Handled(emit) if kind == HANDLED else emit


def entered_state(code):
    """The state of a resume function's frame where it goes into the original code."""
    entry = breaks.entry_of(code)
    names = iter(name for name in code.co_varnames if name.startswith("stack."))
    stack = [NULL if kind is NULL else Handled(nothing, True) if kind == COPIED else slot_of_parameter(next(names), kind) for kind in entry.shape]
    return FrameState(dict.fromkeys(entry.bound), stack, cleared=frozenset(code.co_cellvars) - frozenset(entry.bound))


def isolated(function, arguments):
    """As a generator the call has an exception state of its own: a frame whose handler was not asked when it raised does not restore it."""
    yield function(*arguments)


class Stepper:
    """Replaces every function that is about to be entered by one that breaks at its first instruction."""

    def __init__(self, monkeypatch, follow_exceptions):
        self.follow_exceptions = follow_exceptions
        self.steps = 0
        self.places = set()
        self.eager = 0
        self.entered = {}
        stepper = self

        class Stepping(breaks.Continuation):
            __slots__ = ()

            def __new__(cls, pair):
                function, arguments = pair
                return tuple.__new__(cls, (stepper.step(function), arguments))

        self.continuation = Stepping
        monkeypatch.setattr(breaks, "Continuation", Stepping)
        if follow_exceptions:
            relabelled = breaks.relabelled
            monkeypatch.setattr(breaks, "relabelled", lambda instruction, labels: replace(relabelled(instruction, labels), handler=None))

    def step(self, function):
        """The resume function, broken where it is entered."""
        code = function.__code__
        entry = breaks.entry_of(code)
        self.steps += 1
        self.places.add(entry.index)
        broken = types.FunctionType(self.broken(code), function.__globals__, "step", None, function.__closure__)
        return self.following(broken, entry, function.__closure__) if self.follow_exceptions else broken

    def broken(self, code):
        """The code of a resume function, broken where it is entered."""
        if code not in self.entered:
            entry = breaks.entry_of(code)
            try:
                self.entered[code] = break_frame(code, entry.length + entry.index, entered_state(code), nothing)
            except CannotBreak:
                self.entered[code] = code
                self.eager += 1
        return self.entered[code]

    def following(self, broken, entry, closure):
        """As `broken`, but an exception for which the original code has a handler goes on there."""
        handler = entry.family.body[entry.index].handler
        if handler is None:
            return broken

        def run(*arguments):
            try:
                return next(isolated(broken, arguments))
            except BaseException as exception:
                slots = arguments[: len(entry.bound)]
                stack = list(arguments[len(entry.bound) :])
                kept = len(given(entry.shape[: handler.depth]))
                shape = (*entry.shape[: handler.depth], *[VALUE] * handler.lasti, VALUE)
                code = breaks.resume_code(entry.family, handler.target, shape, entry.bound)
                function = types.FunctionType(code, broken.__globals__, "handler", None, closure)
                order = breaks.entry_of(code).bound
                known = dict(zip(entry.bound, slots))
                return self.continuation((function, (*[known[name] for name in order], *stack[:kept], *[0] * handler.lasti, exception)))

        return run

    def function(self, original):
        """`original`, stepped through. The first resume function is named in the code, so it is replaced there by a stepping one."""
        code = original.__code__
        body = decode(code)
        broken = break_frame(code, body.start, FrameState(dict.fromkeys(breaks.parameters(code))), nothing)
        constants = []
        for value in broken.co_consts:
            if isinstance(value, types.CodeType) and breaks.entry_of(value) is not None:
                value = self.broken(value)
            constants.append(value)
        code = broken.replace(co_consts=tuple(constants))
        stepped = types.FunctionType(code, original.__globals__, original.__name__, original.__defaults__, original.__closure__)
        stepped.__kwdefaults__ = original.__kwdefaults__
        return stepped


def outcome(function, program):
    """Result or exception, and what the log saw."""
    log = Log()
    arguments, keywords = program.arguments(log)
    try:
        result = function(*arguments, **keywords)
        if inspect.isgenerator(result):
            result = list(result)
    except BaseException as exception:
        context = exception.__context__
        return "raised", type(exception), str(exception), type(context), log.entries
    return "returned", repr(result), log.entries


@pytest.mark.parametrize("follow_exceptions", [False, True], ids=["handlers run on", "handlers stepped"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_break_at_every_instruction(program, follow_exceptions, monkeypatch):
    expected = outcome(program.function, program)
    stepper = Stepper(monkeypatch, follow_exceptions)
    assert outcome(stepper.function(program.function), program) == expected
    assert stepper.steps > 0


def test_a_long_loop_neither_nests_nor_makes_new_code(monkeypatch):
    def loop(n):
        total = 0
        for i in range(n):
            total += abs(i)
        return total

    stepper = Stepper(monkeypatch, follow_exceptions=False)
    assert stepper.function(loop)(3000) == sum(range(3000))
    assert stepper.steps > 3000 * 5
    # Before and behind the first assignment to `i` the bound variables differ, so an instruction of the loop may have two.
    assert len(stepper.entered) <= 2 * len(decode(loop.__code__))
