"""A symbolic frame: the state of one running function over Values, and the loop that executes its canonical instructions.

In comes a decoded body with the parameters bound; out goes what the function returns (or yields). The one idea: an instruction either completes, or raises
`Observed`, an exception of the user's program, which is sent to the instruction's handler as CPython does it; everything else that goes wrong leaves all frames at
once.
"""

from __future__ import annotations

import builtins
import itertools
from typing import Any

from ...eager.errors import Location, UndecidedSize
from ..bytecode import Body, Instruction
from . import followed
from .outcome import Break, Observed
from .values.base import Value
from .values.constants import Constant
from .values.containers import Unread
from .values.exceptions import ExceptionValue, name_error
from .values.functions import CellValue

HANDLERS: dict[str, Any] = {}  # opcode -> function(frame, instruction); filled by the handlers_*.py
AFTER_YIELD_FROM = 2  # in the argument of RESUME
TIDYING = frozenset({"PUSH_EXC_INFO", "CHECK_EXC_MATCH", "LOAD_CONST", "STORE_FAST", "DELETE_FAST", "STORE_DEREF", "DELETE_DEREF", "COPY", "POP_EXCEPT", "CALL_INTRINSIC_1"})


class Null(Value):
    """The NULL of CPython's stack."""

    def type(self) -> type:
        return type(None)

    def describe(self) -> str:
        return "NULL"

    def build(self, out: Any) -> None:
        out.emit("PUSH_NULL")


NULL = Null()


class PreviousException(Value):
    """The slot that PUSH_EXC_INFO leaves: the exception that the function, or generator, handled before; `handled` is the one that it made the handled one."""

    def __init__(self, previous: Value, handled: Value) -> None:
        self.previous = previous
        self.handled = handled
        self.ended = False  # POP_EXCEPT was executed; copies of the slot may remain below

    def type(self) -> type:
        return type(None)


class Frame:
    """One function that runs symbolically."""

    def __init__(self, run: Any, body: Body, globals: dict, slots: dict[str, Any], cells: list[CellValue], module: str | None = None) -> None:
        self.run_state = run
        self.body = body
        self.code = body.code
        self.globals = globals
        self.namespace = run.namespace(globals)
        self.slots = slots
        self.free = dict(zip(self.code.co_freevars, cells))
        self.stack: list[Any] = []
        self.index = 0
        self.module = module
        self.is_root = False
        self.names: Any = None  # of a class body: the entries of the class
        self.current: Instruction = body[0]
        self.began = self.met = 0  # how many instructions the attempt had followed, and how many nodes its graph had, when the frame was entered

    # -- stack and slots ----------------------------------------------------------------------------------------------

    def push(self, value: Value) -> None:
        self.stack.append(value)

    def pop(self) -> Value:
        slot = self.stack.pop()
        return self.run_state.wrap(slot.real, slot.source) if type(slot) is Unread else slot

    def read(self, slot: Any) -> Value:
        """A parameter of the root frame becomes a Value, and is guarded, only when something is done with it."""
        return self.run_state.wrap(slot.real, slot.source) if type(slot) is Unread else slot

    def peek(self, depth: int) -> Value:
        """The slot at a depth (1 is the top), which stays where it is."""
        found = self.stack[-depth] = self.read(self.stack[-depth])
        return found

    def pop_many(self, count: int) -> list[Value]:
        if not count:
            return []
        found = [self.read(slot) for slot in self.stack[-count:]]
        del self.stack[-count:]
        return found

    def load(self, name: str) -> Any:
        """A Value, or the unread place of a parameter."""
        found = self.slots.get(name)
        if found is None:
            text = f"cannot access local variable '{name}' where it is not associated with a value"
            raise Observed(name_error(self.run_state, UnboundLocalError, text, name))
        return found

    def cell(self, name: str) -> CellValue:
        if name in self.free:
            return self.free[name]
        found = self.slots[name]
        if type(found) is Unread:  # a comprehension that was broken within puts the cell back that a resume function was handed
            found = self.slots[name] = self.run_state.cell(found.real, found.source)
        return found

    # -- where it is --------------------------------------------------------------------------------------------------

    @property
    def line(self) -> int:
        return self.current.positions[0] or self.code.co_firstlineno

    def location(self) -> Location:
        line, end_line, start, end = self.current.positions
        columns = (start, end) if start is not None and end is not None and line == end_line else None
        return Location(self.code.co_filename, self.line, self.code.co_name, columns)

    # -- execution ----------------------------------------------------------------------------------------------------

    def run(self) -> Value:
        """Run a plain function to its end."""
        return self.resume(None, None)[1]

    def resume(self, sent: Value | None, error: Value | None) -> tuple[str, Value]:
        """Run until the function returns or yields. `sent` is the value of the yield where it stands, `error` is raised there."""
        run = self.run_state
        telling = run.telling
        run.frames.append(self)
        self.began, self.met = run.followed, len(run.tracer.nodes)
        if telling is not None:
            telling.enter(self)
        try:
            if sent is not None:
                self.push(sent)
            if error is not None:
                thrown = Observed(error, again=not isinstance(run.handling[-1], ExceptionValue))  # what the caller handles is no context of what it throws
                self.note_raise(thrown, False)
                self.unwind(self.current, thrown)
            instructions = self.body.instructions
            while True:
                instruction = self.current = instructions[self.index]
                if telling is not None and self.index >= self.body.start:
                    telling.at(instruction.positions[0])
                if self.is_root:
                    run.begin_step(self)
                self.index += 1
                run.followed += 1
                try:
                    if run.followed == run.enough:
                        run.look_back()
                    handler = HANDLERS.get(instruction.opcode)
                    if handler is None:
                        raise Break(f"the instruction {instruction.opcode} is not captured")
                    outcome = handler(self, instruction)
                except Observed as observed:
                    self.note_raise(observed, instruction.opcode == "RERAISE" or (instruction.opcode == "RAISE_VARARGS" and instruction.argument == 0))
                    self.unwind(instruction, observed)
                    continue
                except (Break, UndecidedSize):
                    if run.failed_at is None:
                        run.failed_at = run.location(), entered(run.frames)
                    raise
                if outcome is not None:
                    return outcome
        finally:
            run.frames.pop()
            if telling is not None:
                telling.leave(self)

    def note_raise(self, observed: Observed, silent: bool) -> None:
        """Where an exception is raised first, the one that is handled becomes its context; each frame that it passes joins its traceback."""
        error: Any = observed.value
        self.run_state.thrown.append(observed)
        if not observed.again:
            observed.again = True
            error.chain(self.run_state)
        if not silent and self.globals is not vars(followed):  # what stands there is C code, which leaves no trace
            error.raised_at.append((self.is_root, self.code, self.globals, self.current.positions))

    def delegates_to(self) -> Value | None:
        """What a generator's frame stands in a `yield from` of."""
        following = self.body.instructions[self.index] if self.stack else self.current
        return self.stack[-1] if following.opcode == "RESUME" and following.argument & 3 == AFTER_YIELD_FROM else None

    def ends_with_more(self) -> bool:
        """Whether code of the user's runs where GeneratorExit is raised at the place where the frame stands. What CPython puts there itself, and clauses of other classes, do not count."""
        instructions, handler = self.body.instructions, self.current.handler
        while handler is not None:
            index, caught = handler.target, None
            while (instruction := instructions[index]).opcode not in ("RERAISE", "CLEANUP_THROW"):
                index += 1
                if instruction.opcode == "LOAD_GLOBAL":
                    caught = self.globals.get(instruction.argument, getattr(builtins, instruction.argument, None))
                elif instruction.opcode == "POP_JUMP_IF_FALSE" and isinstance(caught, type) and not issubclass(GeneratorExit, caught):
                    index = instruction.target
                elif instruction.opcode not in TIDYING:
                    return True
            handler = instruction.handler
        return False

    def unwind(self, instruction: Instruction, observed: Observed) -> None:
        """Send an exception to the handler of an instruction, or out of the frame."""
        handler = instruction.handler
        if handler is None:
            raise observed
        del self.stack[handler.depth :]
        if handler.lasti:
            self.push(Constant(instruction.offset // 2))
        self.push(observed.value)
        self.index = handler.target


def entered(frames: list[Frame]) -> str:
    """The function of the standard library that the user's line called, while it runs; "" where the line itself runs."""
    inner = list(itertools.takewhile(lambda frame: not frame.namespace.users, reversed(frames)))
    if not inner or len(inner) == len(frames) or inner[-1].namespace.trusted:
        return ""
    return f"{inner[-1].namespace.label}.{inner[-1].code.co_qualname}"
