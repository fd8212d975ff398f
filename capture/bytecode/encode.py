"""encode: a list of canonical instructions and labels becomes a code object.

In comes the list (targets and handlers are Labels), the Layout, and a code object that lends name, file, flags and parameters; out goes a new
CodeType. The one idea: the version's writers are looked up, jumps get their distance by repeating until no EXTENDED_ARG is missing, exception
ranges are the runs of instructions with the same handler, and the stack size comes from walking all paths, which also proves that the code is
consistent. The tables of lines and exceptions are written by the package `bytecode`.
"""

from __future__ import annotations

import dis
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from bytecode import CompilerFlags, ConcreteBytecode, ConcreteInstr
from bytecode.concrete import ExceptionTableEntry
from bytecode.instr import InstrLocation

from .instruction import Handler, Instruction, Label, Positions
from .layout import Layout
from .opcodes import OPCODES
from .versions import CURRENT, JUMPS

Item = Instruction | Label


class InconsistentCode(Exception):  # noqa: N818  (a defect of whoever wrote the list, never of the user)
    """The list to be encoded is no valid program: a stack depth that depends on the path, a missing label, an unknown opcode."""


@dataclass
class Word:
    """One real instruction on its way: its number is filled in when its target's place is known."""

    name: str
    number: int
    target: Label | None
    handler: Handler | None
    positions: Positions
    caches: int
    prefixes: int = 0  # EXTENDED_ARG

    def size(self) -> int:
        return self.prefixes + 1 + self.caches


@dataclass(frozen=True)
class Signature:
    """What a code object says beside its instructions."""

    name: str
    qualname: str
    filename: str
    first_line: int
    flags: int
    argcount: int
    posonlyargcount: int = 0
    kwonlyargcount: int = 0

    @classmethod
    def of(cls, code: CodeType) -> Signature:
        """The signature of an existing code object."""
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        return cls(code.co_name, code.co_qualname, code.co_filename, code.co_firstlineno, code.co_flags, *counts)


def labelled(instructions: Sequence[Instruction]) -> tuple[list[Item], dict[int, Label]]:
    """Decoded instructions as a list that can be cut, joined and encoded, and the Label before each of them."""
    labels = {index: Label(str(index)) for index in range(len(instructions) + 1)}
    items: list[Item] = []
    for index, instruction in enumerate(instructions):
        items += [labels[index], relabelled(instruction, labels)]
    return [*items, labels[len(instructions)]], labels


def relabelled(instruction: Instruction, labels: dict[int, Label]) -> Instruction:
    """The instruction with Labels in place of indices."""
    handler = instruction.handler
    if handler is not None:
        handler = Handler(labels[handler.target], handler.depth, handler.lasti)
    target = None if instruction.target is None else labels[instruction.target]
    return Instruction(instruction.opcode, instruction.argument, target, handler, instruction.positions, instruction.offset)


def encode(items: Sequence[Item], layout: Layout, signature: Signature) -> CodeType:
    """Make the code object. Raises InconsistentCode."""
    stack_size = depth_of(items)
    words, places = _words(items, layout)
    starts = _distances(words, places)
    concrete = ConcreteBytecode(_instructions(words), consts=tuple(layout.constants), names=tuple(layout.names), varnames=layout.varnames)
    concrete.name, concrete.qualname, concrete.filename = signature.name, signature.qualname, signature.filename
    concrete.first_lineno, concrete.flags = signature.first_line, CompilerFlags(signature.flags)
    concrete.argcount, concrete.posonlyargcount, concrete.kwonlyargcount = signature.argcount, signature.posonlyargcount, signature.kwonlyargcount
    concrete.cellvars, concrete.freevars = list(layout.cellvars), list(layout.freevars)
    concrete.exception_table = _exception_table(words, starts, places)
    return concrete.to_code(stacksize=stack_size + 1, compute_exception_stack_depths=False)  # + 1: the keyword names of CALL_KW


def _words(items: Sequence[Item], layout: Layout) -> tuple[list[Word], dict[Any, int]]:
    """Real instructions, and the place of each Label: the number of the word behind it. (Label, "FOR_ITER"): where its END_FOR stands."""
    order = {item: index for index, item in enumerate(items) if isinstance(item, Label)}
    words: list[Word] = []
    places: dict[Any, int] = {}
    end_for: int | None = None  # the place of the END_FOR just passed, while nothing but labels follow
    for index, item in enumerate(items):
        if isinstance(item, Label):
            places[item] = len(words)
            places[item, "FOR_ITER"] = len(words) if end_for is None else end_for
            continue
        end_for = len(words) if item.opcode == "END_FOR" else None
        for name, number in _written(item, index, order, layout):
            target = item.target if item.opcode in JUMPS else None
            words.append(Word(name, number, target, item.handler, item.positions, cache_count(name)))
    return words, places


def _written(item: Instruction, index: int, order: dict[Label, int], layout: Layout) -> list[tuple[str, int]]:
    """The real opcodes and numbers of one canonical instruction."""
    if item.opcode not in JUMPS:
        writer = CURRENT.writers.get(item.opcode)
        if writer is None:
            raise InconsistentCode(f"{item.opcode} is not an opcode that can be written")
        return [(name, number) for name, number in writer(item.argument, layout)]
    if item.target not in order:
        raise InconsistentCode(f"{item!r} jumps out of the code")
    name = CURRENT.jumps.get((item.opcode, order[item.target] <= index))
    if name is None:
        raise InconsistentCode(f"{item!r} cannot jump backward in this version of Python")
    return [(name, 0)]


@functools.cache
def cache_count(name: str) -> int:
    """How many cache words follow an instruction."""
    table = dis._inline_cache_entries  # type: ignore[attr-defined]
    return table.get(name, 0) if isinstance(table, dict) else table[dis.opmap[name]]


@functools.cache
def takes_number(operation: int) -> bool:
    """Does the opcode use its second byte."""
    return operation in dis.hasarg if hasattr(dis, "hasarg") else operation >= dis.HAVE_ARGUMENT


def _distances(words: list[Word], places: dict[Any, int]) -> list[int]:
    """Fill in the numbers of jumps; returns where each word starts (and the end), counted in code units, EXTENDED_ARGs first."""
    while True:
        starts = [0]
        for word in words:
            starts.append(starts[-1] + word.size())
        changed = False
        for index, word in enumerate(words):
            if word.target is not None:
                key = (word.target, "FOR_ITER") if word.name == "FOR_ITER" else word.target
                word.number = abs(starts[places[key]] - starts[index + 1])
            prefixes = max(word.prefixes, (max(word.number.bit_length(), 1) - 1) // 8)
            changed |= prefixes != word.prefixes
            word.prefixes = prefixes
        if not changed:
            return starts


def _instructions(words: list[Word]) -> list[ConcreteInstr]:
    result = []
    for word in words:
        location = _location(word.positions)
        arguments = (word.number,) if takes_number(dis.opmap[word.name]) else ()
        result.append(ConcreteInstr(word.name, *arguments, location=location, extended_args=word.prefixes or None))
        result += [ConcreteInstr("CACHE", 0, location=location)] * word.caches
    return result


@functools.lru_cache
def _location(positions: Positions) -> InstrLocation:
    """The line table cannot say an end without a column."""
    line, end, column, end_column = positions
    if line is None:
        return InstrLocation(None, None, None, None)
    if column is None or end_column is None or end is None:
        return InstrLocation(line, None, None, None)
    return InstrLocation(line, end, column, end_column)


def _exception_table(words: list[Word], starts: list[int], places: dict[Any, int]) -> list[ExceptionTableEntry]:
    """One row for each run of instructions with the same handler."""
    table: list[ExceptionTableEntry] = []
    current: Handler | None = None
    for index, word in enumerate(words):
        if word.handler is not None and word.handler == current:
            table[-1].stop_offset = starts[index + 1] - 1
        elif word.handler is not None:
            target = starts[places[word.handler.target]]
            table.append(ExceptionTableEntry(starts[index], starts[index + 1] - 1, target, word.handler.depth, word.handler.lasti))
        current = word.handler
    return table


def depth_of(items: Sequence[Item]) -> int:
    """The greatest stack depth on any path from the first item. Raises InconsistentCode where two paths meet with different depths."""
    place = {item: index for index, item in enumerate(items) if isinstance(item, Label)}
    depths: dict[int, int] = {}
    pending = [(0, 0)]
    while pending:
        index, depth = pending.pop()
        if index == len(items):
            raise InconsistentCode("execution runs off the end of the code")
        if index in depths:
            if depths[index] != depth:
                raise InconsistentCode(f"at item {index}, {items[index]!r}, the stack holds {depths[index]} or {depth} slots, as the path may be")
            continue
        depths[index] = depth
        pending += _successors(items[index], index, depth, place)
    return max(depths.values())


def _successors(item: Item, index: int, depth: int, place: dict[Label, int]) -> list[tuple[int, int]]:
    """Where execution may go from an item, each with the stack depth there."""
    if isinstance(item, Label):
        return [(index + 1, depth)]
    opcode = OPCODES.get(item.opcode)
    if opcode is None:
        raise InconsistentCode(f"{item.opcode} is not a canonical opcode")
    result = []
    popped, pushed = opcode.effect(item.argument)
    if popped > depth:
        raise InconsistentCode(f"{item!r} pops {popped} slots of {depth}")
    if not opcode.ends:
        result.append((index + 1, depth - popped + pushed))
    if opcode.jump_effect is not None:
        popped, pushed = opcode.jump_effect
        result.append((place[item.target], depth - popped + pushed))
    if item.handler is not None:
        result.append((place[item.handler.target], item.handler.depth + item.handler.lasti + 1))
    return result
