"""What is true of a Value, where only the run of the graph may know: the bool that it is, and branches on it.

In come Values, out go bools or questions to the run (values/questions.py). The one idea: `if bad: raise ...` is a check. Where one side of a branch can only raise, and nobody in
the captured code catches it, the graph goes on along the other side and its run checks that this was right; where it was not, the frame runs again eagerly and raises.
"""

from __future__ import annotations

import builtins
import operator
from typing import Any

from ...eager import errors
from ..bytecode import catches, only_raises
from .frame import HANDLERS
from .outcome import RUNTIME, Break, Observed
from .values.base import Value
from .values.constants import Constant, constant
from .values.floats import FloatValue, decided
from .values.questions import QuestionValue, TensorQuestion
from .values.tensors import TensorValue

STATEMENTS = ("STORE", "DELETE", "RETURN", "YIELD", "SEND", "RAISE", "RERAISE", "IMPORT", "BEFORE", "WITH", "PUSH_EXC", "POP_EXC", "CHECK", "POP_TOP")  # more than computing
BRANCHES = ("POP_JUMP_IF_TRUE", "POP_JUMP_IF_FALSE")
UNNAMED = "a check of the compiled program does not hold"


def question_of(run: Any, value: Value) -> QuestionValue | None:
    """The truth of a Value as a question to the run; None where it is known, or no graph could tell."""
    if isinstance(value, QuestionValue):
        return value
    if isinstance(value, TensorValue):
        return value.question(run)
    if isinstance(value, FloatValue) and RUNTIME in value.origins:
        return compare_floats(run, operator.ne, "!=", value, Constant(0.0))  # type: ignore[return-value]
    return None


def bool_of(run: Any, value: Value = Constant(False)) -> Value:
    """`bool(value)`"""
    return question_of(run, value) or constant(run.truth(value))


def negation(run: Any, value: Value) -> Value:
    """`not value`"""
    question = question_of(run, value)
    return constant(not run.truth(value)) if question is None else question.negated(run)


def compare_floats(run: Any, function: Any, symbol: str, left: Value, right: Value) -> Value:
    """A comparison in which a float stands that varies: what the run gives is a question to it."""
    if not any(isinstance(value, FloatValue) and RUNTIME in value.origins for value in (left, right)):
        return constant(decided(run, function, symbol, left, right))
    twins = [run.tensor_value(value.twin) if isinstance(value, FloatValue) else value for value in (left, right)]
    if not all(isinstance(value, TensorValue) or (isinstance(value, Constant) and is_exact(value.value)) for value in twins):
        return constant(decided(run, function, symbol, left, right))
    return TensorQuestion(run.leaf(function, twins, {}, symbol).twin)


def is_exact(number: Any) -> bool:
    """Whether a number is the same as a float of 64 bits."""
    return type(number) is float or (type(number) is int and abs(number) <= 2**53)


def takes(frame: Any, i: Any, jumps_if: bool) -> bool:
    """Whether a branch on the top of the stack finds it true."""
    run, condition, instructions = frame.run_state, frame.pop(), frame.body.instructions
    if isinstance(condition, (QuestionValue, TensorValue, FloatValue)):
        yes, no = (i.target, frame.index) if jumps_if else (frame.index, i.target)
        refused = only_raises(instructions, yes)
        if refused != only_raises(instructions, no) and not any(catches(one.body.instructions, one.current.handler) for one in run.frames):
            question = question_of(run, condition)
            if question is not None and question.may_check(run):
                with errors.at(run.location):
                    (question.negated(run) if refused else question).check(run, refusal(instructions, yes if refused else no))
                return not refused
        elif not refused and (shorter := either(frame, condition, yes, no)) is not None:
            return shorter
    return run.truth(condition)


def either(frame: Any, condition: Value, yes: int, no: int) -> bool | None:
    """`assert a or b`: one side of the branch goes on, the other only asks more, and in the end raises or goes on, too. All is asked at once, and the run checks that one of the answers goes on.
    Returns whether `yes` is the side that goes on; None where this is no such branch."""
    run, instructions = frame.run_state, frame.body.instructions
    goes_on, asks = next((pair for pair in ((yes, no), (no, yes)) if leads_back(instructions, pair[1], pair[0]) is not None), (None, 0))
    if goes_on is None or any(catches(one.body.instructions, one.current.handler) for one in run.frames):
        return None
    asked = question_of(run, condition)
    if not isinstance(asked, TensorQuestion) or asked.flag is not None or not asked.may_check(run):
        return None
    twins = [value.twin for value in run.twins.values()]
    asked, before, known = asked if goes_on == yes else asked.negated(run), state_of(run, twins), False
    while not known and not only_raises(instructions, asks):
        end: int = leads_back(instructions, asks, goes_on)  # type: ignore[assignment]
        condition, branch = evaluated(frame, asks, end), instructions[end]
        towards = (branch.target == goes_on) == (branch.opcode == "POP_JUMP_IF_TRUE")
        asks = end + 1 if branch.target == goes_on else branch.target
        if isinstance(question := question_of(run, condition), TensorQuestion):
            asked = asked.either(run, question if towards else question.negated(run))
        else:
            known = run.truth(condition) == towards
    if state_of(run, twins) != before:
        raise Break("an assertion of which a part that may not run changes something is not captured", "change it in front of the assertion")
    if not known:
        with errors.at(run.location):
            asked.check(run, refusal(instructions, asks))
    return goes_on == yes


def leads_back(instructions: Any, start: int, goes_on: int) -> int | None:
    """Where a place leads, over nothing but a computation, to a branch of which one side is `goes_on` and the other raises, or is such a place again: the index of the branch."""
    index = start
    while instructions[index].target is None and not instructions[index].opcode.startswith(STATEMENTS):
        index += 1
    branch = instructions[index]
    if branch.opcode not in BRANCHES or goes_on not in (branch.target, index + 1) or branch.target <= index:
        return None
    other = index + 1 if branch.target == goes_on else branch.target
    return index if only_raises(instructions, other) or leads_back(instructions, other, goes_on) is not None else None


def evaluated(frame: Any, start: int, end: int) -> Value:
    """What the instructions from one place up to another leave on the stack, as part of the instruction that runs now."""
    branch, after = frame.current, frame.index
    try:
        for frame.index in range(start, end):
            frame.current = frame.body.instructions[frame.index]
            HANDLERS[frame.current.opcode](frame, frame.current)
    except Observed:
        raise Break("an assertion of which a part that may not run raises is not captured") from None
    frame.current, frame.index = branch, after
    return frame.pop()


def state_of(run: Any, twins: list[Any]) -> tuple:
    """What is different when a computation has changed something, one of these tensors, or drawn."""
    memory = [getattr(getattr(twin._data, "storage", None), "node", None) for twin in twins]
    return len(run.journal.notes), memory, run.tracer.random_calls, len(run.draws)


def refusal(instructions: Any, start: int) -> Exception:
    """What the program raises there, as far as it can be seen: an export has no program to ask."""
    near = instructions[start : start + 6]
    named = [vars(builtins).get(one.argument) for one in near if one.opcode == "LOAD_GLOBAL"] + [one.argument for one in near if one.opcode == "LOAD_CONST"]
    kind = next((one for one in named if isinstance(one, type) and issubclass(one, Exception)), RuntimeError)
    return errors.error(kind, next((one for one in named if isinstance(one, str)), UNNAMED))
