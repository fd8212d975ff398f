"""Code that does nothing but raise, and who catches it: what a branch on something that only the run of a graph knows may be guessed by.

In come instructions and a place among them, out goes an answer. The one idea: `if bad: raise ...` is a check, and its other side is the program; so where one side of a branch can
only end in an exception that nobody here catches, the graph goes on along the other side, and its run checks that this was right.
"""

from __future__ import annotations

from collections.abc import Sequence

from .instruction import Handler, Instruction

LIMIT = 200  # instructions that are looked at
LEAVES = frozenset({"RETURN_VALUE", "YIELD_VALUE", "FOR_ITER", "SEND", "GET_ITER"})
RAISES = frozenset({"RAISE_VARARGS", "RERAISE"})
CATCHES = frozenset({"CHECK_EXC_MATCH", "CHECK_EG_MATCH", "POP_EXCEPT", "RETURN_VALUE"})


def only_raises(instructions: Sequence[Instruction], start: int) -> bool:
    """Whether every way on from a place ends in an exception before anything else could be done with the frame."""
    waiting, seen = [start], set()
    while waiting:
        index = waiting.pop()
        while True:
            instruction = instructions[index]
            if index in seen or instruction.opcode in RAISES:
                break
            seen.add(index)
            target = instruction.target
            if instruction.opcode in LEAVES or len(seen) > LIMIT or (target is not None and target <= index):
                return False
            if target is not None:
                waiting.append(target)
            if instruction.opcode == "JUMP":
                break
            index += 1
    return True


def catches(instructions: Sequence[Instruction], handler: Handler | None) -> bool:
    """Whether an exception that goes to this handler may be caught in the function. What a `with` and a `finally` do lets it go on."""
    while handler is not None:
        first = instructions[handler.target]
        if first.opcode == "PUSH_EXC_INFO" and instructions[handler.target + 1].opcode != "WITH_EXCEPT_START":
            rest = (one.opcode for one in instructions[handler.target :] if one.opcode in CATCHES or one.opcode in RAISES)
            if next(rest) in CATCHES:
                return True
        handler = first.handler
    return False
