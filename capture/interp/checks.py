"""`segue._check` and its kin under capture: conditions that only the run decides become checks of the run.

In come the Values of a condition and a message, out goes nothing. The one idea: a condition that is known is checked now, as eager code would; a question to the run
is handed to the ShapeEnv, and what comes after relies on its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...eager import checks, errors
from .builtins import FUNCTIONS
from .outcome import Break
from .values.base import Value
from .values.constants import NONE, Constant
from .values.questions import QuestionValue


def checking(kind: type[Exception]) -> Callable:
    """The handler of a function that raises this class."""

    def handler(run: Any, cond: Value, message: Value = NONE) -> Value:
        if isinstance(cond, QuestionValue):
            text = _text(run, message)
            with errors.at(run.location):
                cond.check(run, errors.error(kind, text))
        elif cond.type() is not bool:
            raise run.raised(TypeError, f"cond must be a bool, but got {cond.type()}")
        elif not run.truth(cond):
            raise run.raised(kind, _text(run, message))
        return NONE

    return handler


def _text(run: Any, message: Value) -> str:
    if isinstance(message, Constant) and message.value is None:
        return checks.FAILURE
    try:
        found = run.call(message, [], {})
    except (Break, errors.UndecidedSize):  # it shows what only the run knows
        return checks.FAILURE
    return str(found.value) if isinstance(found, Constant) else checks.FAILURE


def check_is_size(run: Any, i: Value, message: Value = NONE, *, max: Value = NONE) -> Value:  # noqa: A002  (PyTorch's name)
    """`_check_is_size`."""
    check = checking(RuntimeError)
    check(run, run.compare(">=", i, Constant(0)), message)
    return NONE if isinstance(max, Constant) and max.value is None else check(run, run.compare("<=", i, max), message)


def check_assertion(run: Any, condition: Value, message: Value = Constant("")) -> Value:
    """`_assert`: the condition is anything that is true or false, the message a text."""
    if not isinstance(message, Constant):
        raise Break(f"_assert() with a {message.describe()} for a message is not captured")
    if isinstance(condition, QuestionValue):
        condition.check(run, errors.error(AssertionError, str(message.value)))
    elif not run.truth(condition):
        raise run.raised(AssertionError, str(message.value))
    return NONE


FUNCTIONS.update({
    checks._assert: check_assertion, checks._check: checking(RuntimeError), checks._check_index: checking(IndexError), checks._check_value: checking(ValueError),
    checks._check_type: checking(TypeError), checks._check_not_implemented: checking(NotImplementedError), checks._check_is_size: check_is_size,
})  # fmt: skip
