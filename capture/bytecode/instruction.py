"""What code is made of: Instruction, Label, Handler and Body.

Decoding makes them from a code object, the assembler makes them anew, encoding turns them into a code object. The one idea: an instruction
carries everything that is true of it (where it jumps, who handles its exceptions, where the user wrote it), so that a list of them can be cut
and joined without side tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import CodeType
from typing import Any

Positions = tuple[int | None, int | None, int | None, int | None]  # line, end line, column, end column


class Label:
    """A place between instructions, in a list that is still to be encoded."""

    __slots__ = ("name",)

    def __init__(self, name: str = "") -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<Label {self.name or hex(id(self))}>"


@dataclass(frozen=True)
class Handler:
    """Where an exception goes: the stack is cut to `depth`, the offset is pushed if `lasti`, then the exception; execution goes on at `target`."""

    target: Any  # an index into Body.instructions, or a Label
    depth: int
    lasti: bool


@dataclass(frozen=True)
class Instruction:
    """One canonical instruction; OPCODES tells what `argument` is. `target` is an index into Body.instructions, or a Label while assembling."""

    opcode: str
    argument: Any = None
    target: Any = None
    handler: Handler | None = None
    positions: Positions = (None, None, None, None)
    offset: int = -1  # in co_code; several instructions may share one

    @property
    def line(self) -> int | None:
        """The line in the user's file."""
        return self.positions[0]

    def __repr__(self) -> str:
        parts = [self.opcode]
        if self.argument is not None:
            parts.append(repr(self.argument))
        if self.target is not None:
            parts.append(f"to {self.target}")
        return f"<{' '.join(parts)} line {self.line}>"


@dataclass(frozen=True)
class Body:
    """A decoded function. `start` is the index behind the preamble (COPY_FREE_VARS, MAKE_CELL, RESUME); a break cannot come earlier."""

    code: CodeType
    instructions: list[Instruction] = field(repr=False)
    start: int = 0

    def __len__(self) -> int:
        return len(self.instructions)

    def __getitem__(self, index: int) -> Instruction:
        return self.instructions[index]

    def listing(self) -> str:
        """The instructions as text, one in a line, for logs."""
        lines = []
        for index, instruction in enumerate(self.instructions):
            handler = instruction.handler
            note = "" if handler is None else f"   except {handler.target}, depth {handler.depth}{', lasti' if handler.lasti else ''}"
            target = "" if instruction.target is None else f" -> {instruction.target}"
            argument = "" if instruction.argument is None else f" {instruction.argument!r}"
            lines.append(f"{instruction.line or '':>6} {index:>5} {instruction.opcode}{argument}{target}{note}")
        return "\n".join(lines)
