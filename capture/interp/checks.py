"""Functions that ask for a bool, under capture: `segue._check` and its kin, `segue.equal`, `bool`, `math.isnan`. Conditions that only the run decides become checks of the run.

In come the Values of a condition and a message, out goes nothing. The one idea: a condition that is known is checked now, as eager code would; a question to the run
is handed to the ShapeEnv, and what comes after relies on its answer.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from ...eager import checks, errors
from ...eager.functional.elementary import is_nonzero
from ...eager.functional.pointwise import allclose, equal
from ..sources import MISSING
from .builtins import BUILTINS, FUNCTIONS
from .constructors import CONSTRUCTORS
from .outcome import RUNTIME, Break
from .truths import bool_of, negation, question_of, state_of
from .values.base import Value
from .values.callbacks import reached
from .values.constants import NONE, Constant, constant
from .values.floats import FloatValue
from .values.iterators import IteratorValue
from .values.questions import QuestionValue, TensorQuestion

OF_FLOATS = {math.isnan: "isnan", math.isinf: "isinf", math.isfinite: "isfinite"}


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


def asserting(function: Any, kind: type[Exception]) -> Callable:
    """The handler of `_assert` or `_assert_async`: the condition is anything that is true or false, the message a text."""

    def handler(run: Any, condition: Value, message: Value = Constant("")) -> Value:
        if not isinstance(message, Constant):
            raise Break(f"{function.__name__}() with a {message.describe()} for a message is not captured")
        question = question_of(run, condition)
        if question is not None:
            with errors.at(run.location):
                question.check(run, errors.error(kind, str(message.value)))
        elif not run.truth(condition):
            raise run.raised(kind, str(message.value))
        return NONE

    return handler


FUNCTIONS.update({
    checks._assert: asserting(checks._assert, AssertionError), checks._assert_async: asserting(checks._assert_async, RuntimeError), checks._check: checking(RuntimeError), checks._check_index: checking(IndexError), checks._check_value: checking(ValueError),
    checks._check_type: checking(TypeError), checks._check_not_implemented: checking(NotImplementedError), checks._check_is_size: check_is_size,
})  # fmt: skip


def of_float(function: Any) -> Any:
    """`math.isnan` and its kin, of a float that only the run gives."""
    before, name = BUILTINS[function], OF_FLOATS[function]

    def answer(run: Any, value: Value) -> Value:
        if isinstance(value, FloatValue) and RUNTIME in value.origins:
            return TensorQuestion(run.tensor_value(value.twin).call_method(run, name, [], {}).twin)
        return before(run, value)

    return answer


def first_that_is(found: bool) -> Callable:
    """`any` and `all`: what is looked for ends the search, and whether the run finds it is a question to the run."""

    def answer(run: Any, items: Value) -> Value:
        asked, before, is_own = None, (), is_nobody_elses(run, items)
        twins = [value.twin for value in run.twins.values()]
        for item in run.each(items):
            question = question_of(run, item) if is_own else None
            if not isinstance(question, TensorQuestion) or question.flag is not None:
                if run.truth(item) == found:
                    return constant(found)
                continue
            before = before or state_of(run, twins)
            question = question if found else question.negated(run)
            asked = question if asked is None else asked.either(run, question)
        if asked is None:
            return constant(not found)
        if state_of(run, twins) != before:
            raise Break("any() or all() of tensors, over a generator that changes something, is not captured", "write a loop")
        return asked if found else asked.negated(run)

    return answer


def is_nobody_elses(run: Any, items: Value) -> bool:
    """Whether nobody can tell how far it was gone over."""
    others = {id(value) for value in reached([vars(frame) for frame in run.frames])}
    return not any(isinstance(value, IteratorValue) and (value.real is not MISSING or id(value) in others) for value in reached(items))


for _function in OF_FLOATS:
    BUILTINS[_function] = of_float(_function)
for _asked in (equal, allclose, is_nonzero):
    FUNCTIONS[_asked] = lambda run, x, *args, _name=_asked.__name__, **kwargs: x.call_method(run, _name, list(args), kwargs)
BUILTINS.update({any: first_that_is(True), all: first_that_is(False), operator.not_: negation, operator.truth: bool_of})
CONSTRUCTORS[bool] = lambda run, cls, args, kwargs: bool_of(run, *args, **kwargs)
