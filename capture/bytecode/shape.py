"""What is known of a frame without running it: which stack slots hold a value, and which local slots are bound.

In comes a shape and one instruction, out go the shapes behind it. The one idea: a break must know where a NULL lies on the stack and which
variables exist, and both follow from the instruction alone, whatever the values are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .instruction import Instruction
from .opcodes import OPCODES

VALUE: Final = "value"
HANDLED: Final = "handled"  # what PUSH_EXC_INFO left: the exception that was being handled before
COPIED: Final = "copied"  # a copy of the nearest HANDLED slot below, which POP_EXCEPT is about to take


class Null:
    """The type of NULL, an empty stack slot."""

    def __repr__(self) -> str:
        return "NULL"


NULL: Final = Null()

Shape = tuple[str | Null, ...]
Bound = frozenset[str]
Change = tuple[Shape, Bound]


def _store(instruction: Instruction, shape: Shape, bound: Bound) -> Change:
    name = {instruction.argument}
    return shape[:-1], bound - name if shape[-1] is NULL else bound | name


def _load_and_clear(instruction: Instruction, shape: Shape, bound: Bound) -> Change:
    return (*shape, VALUE if instruction.argument in bound else NULL), bound - {instruction.argument}


def _copy(instruction: Instruction, shape: Shape, bound: Bound) -> Change:
    kind = shape[-instruction.argument]
    return (*shape, COPIED if kind == HANDLED else kind), bound


def _pop_except(instruction: Instruction, shape: Shape, bound: Bound) -> Change:
    rest = list(shape[:-1])
    if shape[-1] == COPIED:  # nothing is handled any more, and what PUSH_EXC_INFO left is a value like others
        rest[nearest_handled(shape)] = VALUE
    return tuple(rest), bound


def nearest_handled(shape: Shape) -> int:
    """The index of the HANDLED slot that is nearest to the top."""
    return max(index for index, kind in enumerate(shape) if kind == HANDLED)


def given(shape: Shape) -> list[int]:
    """The indices of the slots for which a resume function is handed a value."""
    return [index for index, kind in enumerate(shape) if kind in (VALUE, HANDLED)]


def _swap(instruction: Instruction, shape: Shape, bound: Bound) -> Change:
    slots = list(shape)
    slots[-1], slots[-instruction.argument] = slots[-instruction.argument], slots[-1]
    return tuple(slots), bound


SPECIAL: dict[str, Callable[[Instruction, Shape, Bound], Change]] = {
    "STORE_FAST": _store,
    "LOAD_FAST_AND_CLEAR": _load_and_clear,
    "SWAP": _swap,
    "DELETE_FAST": lambda instruction, shape, bound: (shape, bound - {instruction.argument}),
    "MAKE_CELL": lambda instruction, shape, bound: (shape, bound | {instruction.argument}),
    "COPY": _copy,
    "POP_EXCEPT": _pop_except,
    "PUSH_NULL": lambda instruction, shape, bound: ((*shape, NULL), bound),
    "PUSH_EXC_INFO": lambda instruction, shape, bound: ((*shape[:-1], HANDLED, VALUE), bound),
    "WITH_EXCEPT_START": lambda instruction, shape, bound: ((*shape, VALUE), bound),
}


def after(instruction: Instruction, shape: Shape, bound: Bound) -> Change:
    """Stack shape and bound slots behind an instruction that fell through."""
    special = SPECIAL.get(instruction.opcode)
    if special is not None:
        return special(instruction, shape, bound)
    return _changed(shape, OPCODES[instruction.opcode].effect(instruction.argument)), bound


def after_jump(instruction: Instruction, shape: Shape) -> Shape:
    """Stack shape at the target of an instruction that jumped."""
    effect = OPCODES[instruction.opcode].jump_effect
    assert effect is not None
    return _changed(shape, effect)


def _changed(shape: Shape, effect: tuple[int, int]) -> Shape:
    popped, pushed = effect
    return (*shape[: len(shape) - popped], *[VALUE] * pushed)
