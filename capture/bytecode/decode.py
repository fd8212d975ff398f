"""decode: a code object becomes a Body of canonical instructions.

In comes a CodeType, out goes the Body (kept as long as the code object lives). The one idea: one pass over the words of `co_code` with the
tables of versions.py; then jump targets and the exception table, which speak of offsets, are turned into indices and hung on the instructions
they concern.
"""

from __future__ import annotations

import dis
import weakref
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from types import CodeType
from typing import Any, NamedTuple

from .instruction import Body, Handler, Instruction
from .layout import Layout
from .versions import CURRENT, JUMPS

EXTENDED_ARG = dis.opmap["EXTENDED_ARG"]
CACHE = dis.opmap["CACHE"]
PREAMBLE = ("COPY_FREE_VARS", "MAKE_CELL", "RESUME", "NOP", "RETURN_GENERATOR")


class UnknownOpcode(Exception):  # noqa: N818  (says that this code cannot be captured)
    """The code holds an opcode that the tables of this Python version do not know."""


class Word(NamedTuple):
    """One real instruction: its name, its number with EXTENDED_ARG joined, where it starts and where the next one starts."""

    name: str
    number: int
    offset: int
    end: int


class Range(NamedTuple):
    """One row of the exception table, in byte offsets."""

    start: int
    end: int
    target: int
    depth: int
    lasti: bool


class CodeCache:
    """A mapping by identity of code objects (equal ones may come from other files) that does not keep them alive."""

    def __init__(self) -> None:
        self.entries: dict[int, tuple[weakref.ref, Any]] = {}

    def get(self, code: CodeType) -> Any:
        entry = self.entries.get(id(code))
        return None if entry is None else entry[1]

    def set(self, code: CodeType, value: Any) -> None:
        key = id(code)
        entries = self.entries

        def forget(_: Any) -> None:
            entries.pop(key, None)

        entries[key] = (weakref.ref(code, forget), value)


_bodies = CodeCache()


def decode(code: CodeType) -> Body:
    """The canonical instructions of a code object. Raises UnknownOpcode.

    >>> [instruction.opcode for instruction in decode((lambda x: x + 1).__code__).instructions]
    ['RESUME', 'LOAD_FAST', 'LOAD_CONST', 'BINARY_OP', 'RETURN_VALUE']
    """
    body = _bodies.get(code)
    if body is None:
        instructions = _instructions(code)
        start = next((index for index, instruction in enumerate(instructions) if instruction.opcode not in PREAMBLE), len(instructions))
        # The instructions alone are kept: a Body refers to its code, and would keep it alive for ever.
        body = (instructions, start)
        _bodies.set(code, body)
    return Body(code, *body)


def words(code: CodeType) -> Iterator[Word]:
    """The real instructions, without caches."""
    text = code.co_code
    offset = number = 0
    while offset < len(text):
        start = offset
        while text[offset] == EXTENDED_ARG:
            number = (number | text[offset + 1]) << 8
            offset += 2
        operation = text[offset]
        number |= text[offset + 1]
        offset += 2
        while offset < len(text) and text[offset] == CACHE:
            offset += 2
        yield Word(dis.opname[operation], number, start, offset)
        number = 0


def ranges(table: bytes) -> list[Range]:
    """The exception table, decoded (format: CPython's InternalDocs/exception_handling.md)."""
    numbers: list[int] = []
    continued = False
    for byte in table:
        if continued:
            numbers[-1] = numbers[-1] << 6 | byte & 63
        else:
            numbers.append(byte & 63)
        continued = bool(byte & 64)
    rows = zip(*[iter(numbers)] * 4)
    return [Range(2 * start, 2 * (start + length), 2 * target, depth >> 1, bool(depth & 1)) for start, length, target, depth in rows]


def _instructions(code: CodeType) -> list[Instruction]:
    layout = Layout.of(code)
    positions = list(code.co_positions())
    found: list[Instruction] = []
    index_of: dict[int, int] = {}  # offset -> index of the first instruction from there on
    keywords: tuple[str, ...] = ()
    previous = ""
    for word in words(code):
        index_of[word.offset] = len(found)
        pairs: list[tuple[str, Any]]
        if word.name == "KW_NAMES":
            keywords = layout.constants[word.number]
            continue
        if word.name == "CALL_KW":
            keywords = found.pop().argument
            index_of[word.offset] = len(found)
            pairs = [("CALL", (word.number, keywords))]
        elif word.name in ("POP_TOP", "POP_ITER") and previous == "END_FOR" and not CURRENT.null_first:
            pairs = []  # the end of a loop takes two instructions from 3.13 on
        elif word.name in CURRENT.readers:
            pairs = CURRENT.readers[word.name](word.number, layout)
        else:
            raise UnknownOpcode(word.name)
        where = positions[word.offset // 2]
        for opcode, argument in pairs:
            if opcode == "CALL":
                argument, keywords = (argument[0], keywords), ()
            target = _target(word) if opcode in JUMPS else None
            found.append(Instruction(opcode, argument, target, None, where, word.offset))
        previous = word.name
    index_of[len(code.co_code)] = len(found)
    return _resolved(found, index_of, ranges(code.co_exceptiontable))


def _target(word: Word) -> int:
    """The offset that a jump goes to."""
    return word.end - 2 * word.number if "BACKWARD" in word.name else word.end + 2 * word.number


def _resolved(found: list[Instruction], index_of: dict[int, int], table: list[Range]) -> list[Instruction]:
    """Offsets in targets become indices; every instruction gets its handler."""
    starts = [entry.start for entry in table]
    handlers = [Handler(index_of[entry.target], entry.depth, entry.lasti) for entry in table]
    result = []
    for instruction in found:
        row = bisect_right(starts, instruction.offset) - 1
        handler = handlers[row] if row >= 0 and instruction.offset < table[row].end else None
        target = instruction.target
        if target is not None:
            target = index_of[target]
            if instruction.opcode == "FOR_ITER" and found[target].opcode == "END_FOR":
                target += 1
        result.append(replace(instruction, handler=handler, target=target))
    return result
