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
from .outcome import RUNTIME
from .values.base import Value
from .values.constants import Constant, constant
from .values.floats import FloatValue, decided
from .values.questions import QuestionValue, TensorQuestion
from .values.tensors import TensorValue

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
    return run.truth(condition)


def refusal(instructions: Any, start: int) -> Exception:
    """What the program raises there, as far as it can be seen: an export has no program to ask."""
    near = instructions[start : start + 6]
    named = [vars(builtins).get(one.argument) for one in near if one.opcode == "LOAD_GLOBAL"] + [one.argument for one in near if one.opcode == "LOAD_CONST"]
    kind = next((one for one in named if isinstance(one, type) and issubclass(one, Exception)), RuntimeError)
    return errors.error(kind, next((one for one in named if isinstance(one, str)), UNNAMED))
