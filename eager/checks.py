"""Checks that also hold for what only the run of a compiled graph knows: PyTorch's `_check` and its kin.

In come conditions and, for the error, a function that gives the message; out goes nothing, or the error. The one idea: while a graph is captured, a condition on a runtime
size (`mask.sum().item() > 0`) does not end the graph; its run checks it, and what comes after relies on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import error

__all__ = ["FAILURE", "_assert", "_check", "_check_index", "_check_is_size", "_check_not_implemented", "_check_type", "_check_value", "check"]

FAILURE = "Expected cond to be True, but got False."
Message = Callable[[], Any] | None


def check(kind: type[Exception], condition: Any, message: Message = None) -> None:
    """Raise an error of this class unless the condition holds. Raises TypeError for a condition that is no bool, and a message that is no function."""
    if not isinstance(condition, bool):
        raise error(TypeError, f"cond must be a bool, but got {type(condition)}", "bool(condition)")
    if not condition:
        if message is not None and not callable(message):
            raise error(TypeError, "message must be a callable", "lambda: text")
        raise error(kind, FAILURE if message is None else str(message()))


def _assert_async(input: Any, assert_msg: str = "") -> None:
    """Raises RuntimeError where the one element of a tensor is false; it is looked at at once."""
    if not bool(input):
        raise RuntimeError(assert_msg or "Expected Tensor with single nonzero value, but got zero")


def _assert(condition: Any, message: Any = "") -> None:
    """Raise AssertionError with the message unless the condition (a bool, or a tensor of one element) holds.

    >>> _assert(2 > 1, "numbers have an order")
    """
    check(AssertionError, bool(condition), lambda: message)


def _check(cond: Any, message: Message = None) -> None:
    """Raise RuntimeError with `message()` unless `cond` holds.

    >>> _check(2 > 1)
    """
    check(RuntimeError, cond, message)


def _check_index(cond: Any, message: Message = None) -> None:
    """`_check` that raises IndexError."""
    check(IndexError, cond, message)


def _check_value(cond: Any, message: Message = None) -> None:
    """`_check` that raises ValueError."""
    check(ValueError, cond, message)


def _check_type(cond: Any, message: Message = None) -> None:
    """`_check` that raises TypeError."""
    check(TypeError, cond, message)


def _check_not_implemented(cond: Any, message: Message = None) -> None:
    """`_check` that raises NotImplementedError."""
    check(NotImplementedError, cond, message)


def _check_is_size(i: Any, message: Message = None, *, max: Any = None) -> None:  # noqa: A002  (PyTorch's name)
    """Check that a number is a size: not negative, and not above `max`.

    >>> _check_is_size(3, max=5)
    """
    check(RuntimeError, bool(i >= 0), message)
    if max is not None:
        check(RuntimeError, bool(i <= max), message)
