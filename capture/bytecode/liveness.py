"""Which local variables may still be read: what a break need not carry on.

In comes a code object and the index of an instruction, out goes a set of names. The one idea: the textbook backward analysis over the canonical
instructions, with sets as bit masks. Objects with a life of their own (a temporary directory, a lock) must stay alive as long as their variable,
read or not; so this only answers the question, and the caller drops no more than values that nobody can miss, such as tensors made by the graph.
"""

from __future__ import annotations

from types import CodeType

from .decode import CodeCache, decode
from .instruction import Instruction
from .opcodes import OPCODES

READS = frozenset({"LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR", "DELETE_FAST", "MAKE_CELL"})
SEES_FRAMES = frozenset({"locals", "vars", "dir", "eval", "exec", "breakpoint", "_getframe", "currentframe", "set_trace"})

_live = CodeCache()


def live_names(code: CodeType, index: int) -> frozenset[str]:
    """The local variables, without those in cells, that the instruction at `index` or one that can follow it may read.

    >>> def example(x, y):
    ...     z = x + y
    ...     return z * x
    >>> body = decode(example.__code__)
    >>> place = next(i for i, instruction in enumerate(body.instructions) if instruction.opcode == "STORE_FAST")
    >>> sorted(live_names(example.__code__, place)), sorted(live_names(example.__code__, place + 1))
    (['x'], ['x', 'z'])
    """
    known = _live.get(code)
    if known is None:
        known = _analysed(decode(code).instructions, code)
        _live.set(code, known)
    names, masks = known
    return frozenset(name for place, name in enumerate(names) if masks[index] >> place & 1)


def _analysed(instructions: list[Instruction], code: CodeType) -> tuple[tuple[str, ...], list[int]]:
    """The names, and for each instruction the mask of those that are live before it."""
    names = tuple(name for name in code.co_varnames if name not in code.co_cellvars)
    everything = (1 << len(names)) - 1
    if SEES_FRAMES.intersection(code.co_names):
        return names, [everything] * len(instructions)
    bit = {name: 1 << place for place, name in enumerate(names)}
    reads = [bit.get(item.argument, 0) if item.opcode in READS else 0 for item in instructions]
    keeps = [~bit.get(item.argument, 0) if item.opcode == "STORE_FAST" else -1 for item in instructions]
    live = [0] * (len(instructions) + 1)
    changed = True
    while changed:
        changed = False
        for index in range(len(instructions) - 1, -1, -1):
            item = instructions[index]
            after = 0 if OPCODES[item.opcode].ends else live[index + 1]
            if item.target is not None:
                after |= live[item.target]
            before = after & keeps[index] | reads[index]
            if item.handler is not None:
                before |= live[item.handler.target]
            changed |= before != live[index]
            live[index] = before
    return names, live[:-1]
