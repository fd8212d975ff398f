"""Code for a frame whose graph is ready: `whole_frame` when the graph reaches the end, `break_frame` when it ends before an instruction.

In come the code object of the frame, the index of the instruction that could not be captured, what is alive there (FrameState), and a prologue
that runs the graph. Out goes a code object with the parameters of the old one. It

    runs the prologue; restores local variables, cells and the stack;
    executes a copy of the one instruction, with its exception handler (the original code stands behind it, with handlers, `finally` and `__exit__`);
    collects the stack and the bound variables and goes on in a resume function: the original code once more, entered just behind that instruction.

A prologue that fails may go on with the frame's own code in place of all this (`Assembler.start_again`).

The one idea: nothing of the user's code is rewritten, so nothing can be rewritten wrongly. A resume function depends only on the original
function, the place, and which slots are bound; it is made once, and a break within it leads to resume functions of the same original function.
They do not call each other: one that breaks returns a Continuation to the first frame, whose `go_on` (csrc/resume.c) calls what it says, so a break in
a loop costs no depth; and nobody but the resume function holds what it is called with, so what the user's program drops is gone.

Slots are passed as they are: a cell goes on as the cell (it is a parameter that already holds one), NULLs and the exception being handled are
put back by the resume function. Free variables stay the free variables.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_OPTIMIZED, CO_VARARGS, CO_VARKEYWORDS
from types import CodeType
from typing import Any

from .._capture import go_on, is_debugged
from .assembler import Assembler, Emit
from .decode import CodeCache, decode
from .encode import InconsistentCode, Signature, encode, labelled, relabelled
from .instruction import Handler, Instruction, Label, Positions
from .layout import Layout
from .opcodes import OPCODES
from .shape import COPIED, HANDLED, NULL, VALUE, Bound, Shape, after, after_jump, given, nearest_handled

UNBREAKABLE = frozenset(
    """RETURN_GENERATOR YIELD_VALUE SEND END_SEND GET_YIELD_FROM_ITER CLEANUP_THROW GET_AWAITABLE GET_AITER GET_ANEXT END_ASYNC_FOR BEFORE_ASYNC_WITH
    COPY_FREE_VARS RESUME END_FOR LOAD_NAME STORE_NAME DELETE_NAME LOAD_LOCALS LOAD_CLASSDEREF SETUP_ANNOTATIONS IMPORT_STAR PRINT_EXPR""".split()
)


CALLS = ("CALL", "CALL_FUNCTION_EX")


class CannotBreak(Exception):  # noqa: N818  (an answer, not an error)
    """A break is not possible at this instruction; the frame must run eagerly, or break earlier."""


class Continuation(tuple):
    """(function, arguments): what a resume function returns when it breaks in its turn."""

    __slots__ = ()


@dataclass(frozen=True)
class Handled:
    """A stack slot that PUSH_EXC_INFO left (the exception handled before); `exception` pushes the one that is handled now."""

    exception: Emit
    copy: bool = False  # of the nearest such slot below


@dataclass
class FrameState:
    """What is alive where the graph ends. Emitters see the frame as it entered, and the prologue's temporaries; each pushes one value.

    `locals`: every bound local slot, by name; None where the slot already holds it. Slots with a cell need not be named while they hold the cell.
    `stack`: bottom to top; an emitter, NULL, or Handled.
    `cells`: contents to put into cells and free variables (None: empty the cell); cells that are not named stay as they are.
    `cleared`: variables with a cell whose slot is empty (LOAD_FAST_AND_CLEAR in an inlined comprehension).
    """

    locals: Mapping[str, Emit | None]
    stack: Sequence[Any] = ()
    cells: Mapping[str, Emit | None] = field(default_factory=dict)
    cleared: frozenset[str] = frozenset()

    def bound(self, cellvars: Iterable[str]) -> Bound:
        """The slots that hold something, in a function with these cells."""
        return (frozenset(self.locals) | frozenset(cellvars)) - self.cleared

    def shape(self) -> Shape:
        """Which stack slots hold a value."""
        return tuple(map(kind_of, self.stack))


def kind_of(slot: Any) -> Any:
    """What a shape says of a slot of a FrameState."""
    if isinstance(slot, Handled):
        return COPIED if slot.copy else HANDLED
    return NULL if slot is NULL else VALUE


class Family:
    """An original function and its resume functions: what they share. It does not keep any of their code objects alive."""

    def __init__(self, code: CodeType) -> None:
        self.body = decode(code).instructions
        self.start = decode(code).start
        self.signature = Signature.of(code)
        self.varnames, self.cellvars, self.freevars = code.co_varnames, code.co_cellvars, code.co_freevars
        self.names, self.constants = code.co_names, code.co_consts
        self.slots = (*self.varnames, *(name for name in self.cellvars if name not in self.varnames))
        self.resumes: weakref.WeakValueDictionary[Any, CodeType] = weakref.WeakValueDictionary()


@dataclass(frozen=True)
class Entry:
    """Where a resume function goes in: the index in the original body, the shape of the stack, the bound slots; `length`: of its own beginning."""

    family: Family
    index: int
    shape: Shape
    bound: tuple[str, ...]
    length: int


_families = CodeCache()
_entries = CodeCache()


def family_of(code: CodeType) -> Family:
    """The family of an original or resume function."""
    family = _families.get(code)
    if family is None:
        family = Family(code)
        _families.set(code, family)
    return family


def entry_of(code: CodeType) -> Entry | None:
    """How a resume function was entered; None for any other code."""
    return _entries.get(code)


def original_index(code: CodeType, index: int) -> int:
    """The index in the original function's body of an instruction of `code`, which may be a resume function's."""
    entry = entry_of(code)
    return index if entry is None else index - entry.length


# -- the two kinds of frames -------------------------------------------------------------------------------------------------


def whole_frame(code: CodeType, prologue: Callable[[Assembler], Any]) -> CodeType:
    """A code object that runs `prologue`, which leaves one value on the stack, and returns it."""
    body = decode(code)
    out = Assembler(code, body[body.start].positions if body.start < len(body) else (code.co_firstlineno, None, None, None))
    _preamble(out)
    prologue(out)
    out.return_value()
    if out.goes_again:
        _own_code(out)
    return out.finish()


def _own_code(out: Assembler) -> dict[int, Label]:
    """The code of the frame as it was, behind the new code; the Label before each of its instructions."""
    body = decode(out.code)
    kept, labels = labelled(body.instructions)
    start = kept.index(labels[body.start])
    out.append(*kept[:start], out.again, *kept[start:])
    return labels


def can_break(code: CodeType, index: int) -> str | None:
    """None if a break is possible before the instruction, else the reason why not."""
    if code.co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR):
        return "a generator or coroutine has no resume functions"
    if not code.co_flags & CO_OPTIMIZED:
        return "a class body or module has no resume functions"
    family = family_of(code)
    place = original_index(code, index)
    if place < family.start:
        return "the function has not begun"
    if family.body[place].opcode in UNBREAKABLE:
        return f"{family.body[place].opcode} cannot be executed outside its frame"
    return None


def break_frame(code: CodeType, index: int, state: FrameState, prologue: Emit) -> CodeType:
    """A code object that runs `prologue`, restores `state`, executes the instruction at `index` of decode(code) and goes on in resume functions.

    Raises CannotBreak where `can_break` gives a reason, InconsistentCode when the state cannot belong to the place.
    """
    reason = can_break(code, index)
    if reason is not None:
        raise CannotBreak(reason)
    family = family_of(code)
    place = original_index(code, index)
    instruction = decode(code)[index]
    out = Assembler(code, instruction.positions)
    _preamble(out)
    prologue(out)
    _restore(out, state, family)
    before, out.items = out.items, []
    labels = _own_code(out)
    behind, out.items = out.items, before
    _execute(out, code, place, relabelled(instruction, labels), state, labels[index + 1] if instruction.opcode in CALLS else None)
    if instruction.handler is not None or out.goes_again or instruction.opcode in CALLS:
        out.append(*behind)
    return out.finish()


# -- before the instruction ----------------------------------------------------------------------------------------------------


def _preamble(out: Assembler) -> None:
    """The beginning of the frame's own code: free variables, cells, RESUME.

    `locals()` believes in a cell when a MAKE_CELL lies before the instruction that runs; a resume function, whose cells exist, jumps over them.
    """
    body = decode(out.code)
    out.append(*body.instructions[: body.start])
    if entry_of(out.code) is not None and out.code.co_cellvars:
        behind = Label("cells")
        out.jump(behind)
        for name in out.code.co_cellvars:
            out.emit("MAKE_CELL", name)
        out.place(behind)


def parameters(code: CodeType) -> tuple[str, ...]:
    """The names of all parameters, in the order of their slots."""
    stars = bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + stars]


def bound_at_entry(code: CodeType) -> Bound:
    """The slots that hold something behind the preamble: the parameters, and the cells unless they are a resume function's."""
    return frozenset(parameters(code)) | (frozenset(code.co_cellvars) if entry_of(code) is None else frozenset())


def _restore(out: Assembler, state: FrameState, family: Family) -> None:
    """Stack, local slots and cells of the state. Everything is computed before anything is stored: emitters may read what the stores replace."""
    bound, entered = state.bound(family.cellvars), bound_at_entry(out.code)
    for name in state.locals.keys() - set(family.slots) | bound - entered - state.locals.keys():
        raise InconsistentCode(f"{name}: no local variable of {family.signature.qualname} that this frame has")
    shape = state.shape()
    for index, slot in enumerate(state.stack):
        if slot is NULL:
            out.push_null()
        elif shape[index] == COPIED:
            out.copy(index - nearest_handled(shape[:index]))
        elif isinstance(slot, Handled):
            slot.exception(out)
            out.emit("PUSH_EXC_INFO")
            out.pop_top()
        else:
            slot(out)
    stores: list[tuple[str, str]] = []
    for opcode, slots in (("STORE_FAST", state.locals), ("STORE_DEREF", state.cells)):
        for name, emit in slots.items():
            if emit is not None:
                emit(out)
                stores.append((opcode, name))
    for opcode, name in reversed(stores):
        out.emit(opcode, name)
    for name, emit in state.cells.items():
        if emit is None:
            out.load_const(None)
            out.store_deref(name)
            out.delete_deref(name)
    for name in sorted(entered - bound):
        out.emit("DELETE_FAST", name)
    for name in out.temporaries:
        out.emit("DELETE_FAST", name)


# -- the instruction and what follows --------------------------------------------------------------------------------------------


def _execute(out: Assembler, code: CodeType, place: int, instruction: Instruction, state: FrameState, stay: Label | None) -> None:
    """The instruction itself, and on each way out of it the step into a resume function. A call may start a debugger, which is to see this frame:
    it goes on in its own code then, behind the call, at `stay`."""
    family = family_of(code)
    shape, bound = state.shape(), state.bound(family.cellvars)
    opcode = OPCODES[instruction.opcode]
    target = family.body[place].target
    taken = Label("taken")
    if opcode.name != "JUMP":
        # 3.13 looks for the handler of a Python function's exception one word before the CALL; in the original code that word is covered too.
        out.append(Instruction("NOP", handler=instruction.handler, positions=instruction.positions))
        out.append(replace(instruction, target=None if target is None else taken))
    if stay is not None:
        out.load_const(is_debugged)
        out.prepare_call()
        out.call(0)
        out.jump_if(stay)
    if not opcode.ends:
        _continue(out, code, place + 1, *after(instruction, shape, bound), decided=target is not None)
    if target is not None:
        if opcode.name == "FOR_ITER":
            out.emit("END_FOR")
        out.place(taken)
        _continue(out, code, target, after_jump(instruction, shape), bound, decided=True)


def _continue(out: Assembler, code: CodeType, place: int, shape: Shape, bound: Bound, decided: bool) -> None:
    """Leave the frame for the original instruction at `place`, one of two that were possible where it was `decided`."""
    family = family_of(code)
    end = _ending(family, place, bound)
    if end is not None:
        out.append(*end)
        return
    if decided:
        out.positions = family.body[place].positions  # a tracer sees that this line follows the one that decided
    values = _collected(out, shape)
    resume = resume_code(family, place, shape, bound)
    entry = _entries.get(resume)
    if family.freevars:
        for name in family.freevars:
            out.load_cell(name)
        out.build_tuple(len(family.freevars))
    out.make_function(resume, ["closure"] if family.freevars else [])
    first = entry_of(code) is None
    function = out.store_temporary()
    out.load_const(go_on if first else Continuation)
    out.prepare_call()
    if first:
        out.load_const(Continuation)
        out.move_temporary(function)
    for name in entry.bound:
        out.emit("LOAD_FAST_CHECK", name)
        if name not in family.cellvars:
            out.emit("DELETE_FAST", name)
    for name in values:
        out.move_temporary(name)
    out.build_tuple(len(entry.bound) + len(values))
    if not first:
        arguments = out.store_temporary()
        out.move_temporary(function)
        out.move_temporary(arguments)
        out.build_tuple(2)
        out.call(1)
        out.return_value()
        return
    raised = Label("raised")
    outer, out.handler = out.handler, Handler(raised, 0, False)
    out.call(3)
    out.handler = outer
    out.return_value()
    out.place(raised)
    _raise_as_one(out)


def _ending(family: Family, place: int, bound: Bound) -> list[Instruction] | None:
    """The instructions from `place` on when they do no more than return; a resume function would be a waste."""
    end: list[Instruction] = []
    for instruction in family.body[place : place + 4]:
        loads_bound = instruction.opcode == "LOAD_FAST" and instruction.argument in bound
        if not loads_bound and instruction.opcode not in ("POP_TOP", "LOAD_CONST", "NOP", "RETURN_VALUE"):
            return None
        end.append(replace(instruction, handler=None))
        if instruction.opcode == "RETURN_VALUE":
            return end
    return None


def _collected(out: Assembler, shape: Shape) -> list[str]:
    """Pop the whole stack; the temporaries that hold its values, bottom to top. A HANDLED slot gives the exception being handled, which ends."""
    values = []
    for slot in reversed(shape):
        if slot is NULL:
            out.store_temporary()  # storing a NULL leaves the temporary empty
        elif slot == COPIED:
            out.pop_top()
        elif slot == HANDLED:
            out.load_const(sys.exception)
            out.prepare_call()
            out.call(0)
            values.append(out.store_temporary())
            out.emit("POP_EXCEPT")
        else:
            values.append(out.store_temporary())
    return values[::-1]


def without_first(problem: BaseException) -> None:
    """A resume function raised: the frame that called it is the same function of the user, and is not to be seen twice in the traceback."""
    trace = problem.__traceback__
    if trace is not None and trace.tb_next is not None:
        problem.__traceback__ = trace.tb_next


def _raise_as_one(out: Assembler) -> None:
    """[exception] -> raised again, which adds nothing to its traceback."""
    out.emit("PUSH_EXC_INFO")
    out.load_const(without_first)
    out.prepare_call()
    out.copy(3)
    out.call(1)
    out.pop_top()
    out.swap(2)
    out.emit("POP_EXCEPT")
    out.emit("RERAISE", 0)


# -- resume functions ------------------------------------------------------------------------------------------------------------------


def resume_code(family: Family, place: int, shape: Shape, bound: Iterable[str]) -> CodeType:
    """The code of the resume function that enters at `place`. Its parameters are the bound slots in the original's order, then the stack's values."""
    known = frozenset(bound)
    key = (place, shape, known)
    resume = family.resumes.get(key)
    if resume is None:
        names = tuple(name for name in family.slots if name in known)
        resume = _resume(family, place, shape, names)
        family.resumes[key] = resume
    return resume


def _resume(family: Family, place: int, shape: Shape, bound: tuple[str, ...]) -> CodeType:
    stack = [f"stack.{index}" for index in given(shape)]
    parameters = (*bound, *stack)
    rest = [name for name in family.varnames if name not in bound]
    layout = Layout((*parameters, *rest), family.cellvars, family.freevars, family.names, family.constants)
    beginning = _entrance(family, shape, stack, family.body[place].positions if place < len(family.body) else (None,) * 4)
    kept, labels = labelled(family.body)
    jump = Instruction("JUMP", target=labels[place], positions=beginning[-1].positions)
    flags = family.signature.flags & ~(CO_VARARGS | CO_VARKEYWORDS)
    signature = replace(family.signature, flags=flags, argcount=len(parameters), posonlyargcount=0, kwonlyargcount=0)
    code = encode([*beginning, jump, *kept], layout, signature)
    _families.set(code, family)
    _entries.set(code, Entry(family, place, shape, bound, len(beginning) + 1))
    return code


def _entrance(family: Family, shape: Shape, stack: list[str], positions: Positions) -> list[Instruction]:
    """The beginning of a resume function: free variables, and the stack, whose parameters are emptied."""
    result = [Instruction("COPY_FREE_VARS", len(family.freevars), positions=positions)] if family.freevars else []
    result.append(Instruction("RESUME", 0, positions=positions))
    names = iter(stack)
    for index, slot in enumerate(shape):
        if slot is NULL:
            result.append(Instruction("PUSH_NULL", positions=positions))
            continue
        if slot == COPIED:
            result.append(Instruction("COPY", index - nearest_handled(shape[:index]), positions=positions))
            continue
        name = next(names)
        result += [Instruction("LOAD_FAST", name, positions=positions), Instruction("DELETE_FAST", name, positions=positions)]
        if slot == HANDLED:
            result += [Instruction("PUSH_EXC_INFO", positions=positions), Instruction("POP_TOP", positions=positions)]
    return result
