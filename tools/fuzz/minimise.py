"""Cuts a failing program down to what its failure needs.

In comes a program that `check` finds a difference in, out goes a smaller one with a difference of the same kind. The one idea: greedy descent. Each
cut is a function that yields smaller programs; the first one that still fails is taken, and all begins again until no cut helps (Zeller's delta
debugging in its simplest form).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from .checker import BACKENDS, Difference, Invalid, check
from .program import Call, Program, Variable

NAME = re.compile(r"\b[vx]\d+\b")


def fewer_calls(program: Program) -> Iterator[Program]:
    for i in range(len(program.calls)):
        if len(program.calls) > 1:
            yield replace(program, calls=program.calls[:i] + program.calls[i + 1 :])


def fewer_lines(program: Program) -> Iterator[Program]:
    for size in (8, 4, 2, 1):
        for end in range(len(program.lines), 0, -size):
            kept = program.lines[: max(end - size, 0)] + program.lines[end:]
            if len(kept) < len(program.lines):
                yield known(replace(program, lines=kept))


def shorter_lines(program: Program) -> Iterator[Program]:
    """A line's value is replaced by a variable that it reads."""
    for i, line in enumerate(program.lines):
        name, _, expression = line.partition(" = ")
        for other in dict.fromkeys(NAME.findall(expression)):
            if NAME.fullmatch(name) and expression != other:
                yield replace(program, lines=[*program.lines[:i], f"{name} = {other}", *program.lines[i + 1 :]])


def direct_names(program: Program) -> Iterator[Program]:
    """`v3 = v1` goes, and v1 is named instead."""
    for i, line in enumerate(program.lines):
        name, _, other = line.partition(" = ")
        if NAME.fullmatch(name) and NAME.fullmatch(other):
            rest = [re.sub(rf"\b{name}\b", other, later) for later in program.lines[i + 1 :]]
            outputs = [Variable(other, v.exact) if v.name == name else v for v in program.outputs]
            yield replace(program, lines=program.lines[:i] + rest, outputs=outputs)


def fewer_outputs(program: Program) -> Iterator[Program]:
    for i in range(len(program.outputs)):
        yield replace(program, outputs=program.outputs[:i] + program.outputs[i + 1 :])


def less_setup(program: Program) -> Iterator[Program]:
    for i in range(len(program.setup)):
        yield replace(program, setup=program.setup[:i] + program.setup[i + 1 :])


def fewer_inputs(program: Program) -> Iterator[Program]:
    """The last input goes, where no line names it."""
    last = len(program.inputs) - 1
    if last > 0 and not any(f"x{last}" in NAME.findall(text) for text in [*program.lines, *(v.name for v in program.outputs)]):
        yield replace(program, inputs=program.inputs[:last], exact_inputs=program.exact_inputs[:last])


def simpler(program: Program) -> Iterator[Program]:
    """Plain inputs, no gradients, static sizes, calls that change nothing."""
    if program.dynamic:
        yield replace(program, dynamic=None)
    if program.twice:
        yield replace(program, twice=False)
    elif program.backward:
        yield replace(program, backward=False)
    for i, given in enumerate(program.inputs):
        for change in ({"twin": None}, {"role": "plain"}, {"layout": "plain"}, {"dtype": "float32"}, {"role": "leaf"}):
            if given.role == "plain" and change == {"role": "leaf"}:
                continue
            made = replace(given, **change)  # type: ignore[arg-type]
            if made != given:
                yield replace(program, inputs=[*program.inputs[:i], made, *program.inputs[i + 1 :]])
    for i, call in enumerate(program.calls):
        for j in range(len(call.before)):
            yield replace(program, calls=_with(program.calls, i, replace(call, before=call.before[:j] + call.before[j + 1 :])))
        if i and call.flags != program.calls[i - 1].flags:
            yield replace(program, calls=_with(program.calls, i, replace(call, flags=program.calls[i - 1].flags)))
        for j, size in enumerate(call.sizes):
            for less in (1, 2, 3):
                if size > less:
                    yield replace(program, calls=_with(program.calls, i, replace(call, sizes=(*call.sizes[:j], less, *call.sizes[j + 1 :]))))


CUTS: tuple[Callable[[Program], Iterator[Program]], ...] = (
    fewer_calls, fewer_lines, fewer_outputs, less_setup, shorter_lines, direct_names, fewer_inputs, simpler,
)  # fmt: skip


def _with(calls: list[Call], place: int, call: Call) -> list[Call]:
    return [*calls[:place], call, *calls[place + 1 :]]


def known(program: Program) -> Program:
    """The program without the outputs that no line makes any more."""
    text = "\n".join(program.lines)
    return replace(program, outputs=[v for v in program.outputs if v.name in program.parameters or re.search(rf"\b{v.name} [+]?= |\b{v.name}, ", text)])


def verdict(program: Program, backends: tuple[str, ...]) -> Difference | None:
    try:
        return check(copy.deepcopy(program), backends)
    except Invalid:
        return None


def minimise(program: Program, backends: tuple[str, ...] = BACKENDS, judge: Callable[..., Difference | None] = verdict) -> tuple[Program, Difference]:
    """The smallest program found that fails as this one does, and its difference. Raises ValueError where this one does not fail."""
    found = judge(program, backends)
    if found is None:
        raise ValueError("the program does not fail: eager, interpreted and compiled agree")
    only, wanted = (found.backend,), family(found)

    def still(smaller: Program) -> Difference | None:
        difference = judge(smaller, only)
        return difference if difference is not None and family(difference) == wanted else None

    progress = True
    while progress:
        progress = False
        for cut in CUTS:
            if cut is fewer_outputs and found.kind == "an error":
                continue  # what nobody reads need not raise
            taken = True
            while taken:
                taken = False
                for smaller in cut(program):
                    difference = still(smaller)
                    if difference is not None:
                        program, found, taken, progress = smaller, difference, True, True
                        break
    return program, found


def family(difference: Difference) -> str:
    """The kind of a difference, whichever variable shows it."""
    return re.sub(r"\d+|afterwards", "", NAME.sub("value", difference.kind)).strip()
