"""What the tests of the symbolic interpreter share: run a program eagerly and compiled, and compare everything that can be seen."""

from __future__ import annotations

import collections
import copy
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

import segue
from segue.capture.compile import compile as segue_compile
from segue.eager.stats import stats
from segue.eager.tensor import Tensor


def compiled(function: Callable, **options: Any) -> Any:
    """A compiled function whose inner faults are raised, not hidden by running eagerly."""
    made = segue_compile(function, **{"backend": "eager", **options})
    made.cache.settings.strict = True
    return made


class Programs(list):
    """The programs of a file: as a decorator it keeps what it is given."""

    def __call__(self, function: Callable) -> Callable:
        self.append(function)
        return function


def same(a: Any, b: Any) -> bool:
    """Equal in type and value, with tensors and containers compared deeply."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        left, right = a.detach().numpy(), b.detach().numpy()
        return type(a) is type(b) and left.dtype == right.dtype and left.shape == right.shape and bool(np.allclose(left, right, equal_nan=True)) and (
            a.requires_grad == b.requires_grad)
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool(np.allclose(a, b, equal_nan=True))
    if isinstance(a, collections.deque) and a.maxlen != b.maxlen:
        return False
    if isinstance(a, (list, tuple, collections.deque)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if hasattr(a, "__dict__") and not callable(a) and not isinstance(a, (Enum, BaseException)):
        return same(vars(a), vars(b))
    if isinstance(a, float) and a != a:
        return b != b
    if isinstance(a, BaseException):
        return a.args == b.args
    return callable(a) or bool(a == b)


def outcome(function: Callable, args: tuple, kwargs: dict) -> tuple[str, Any]:
    try:
        return "returned", function(*args, **kwargs)
    except Exception as error:
        return "raised", error


def check(function: Callable, *args: Any, graphs: int | None = None, breaks: int | None = 0, skipped: int = 0, times: int = 2, **kwargs: Any) -> Any:
    """Eager and compiled agree on result, exception and what happened to the arguments; each call `times` times. Returns the compiled function."""
    made = compiled(function)
    before = stats.read()
    for _ in range(times):
        eager_args, compiled_args = copy.deepcopy((args, kwargs)), copy.deepcopy((args, kwargs))
        expected = outcome(function, *eager_args)
        found = outcome(made, *compiled_args)
        assert expected[0] == found[0], (expected, found)
        assert same(expected[1], found[1]), (expected, found)
        assert same(eager_args, compiled_args), (eager_args, compiled_args)
    counted = stats.since(before)
    assert counted["skipped_frames"] == skipped, made.cache.settings.skipped
    if graphs is not None:
        assert counted["graphs"] == graphs, counted
    if breaks is not None:
        assert counted["breaks"] == breaks, [str(c.ended) for c in made.cache.settings.captured]
    return made


def stays_eager(program: Callable, calls: int = 2) -> None:
    """A program is a generator: it yields a function to run, changes something that the function reads, and yields again (the function, or None for the same one).
    The answer, or the error, is eager's at each of the `calls` after each step."""
    made: dict[Callable, Any] = {}
    for given in program():
        run = given or run  # noqa: F821  (the first one is given)
        if run not in made:
            made[run] = compiled(run)
        for _ in range(calls):
            found = []
            for function in (run, made[run]):
                np.random.seed(0)  # noqa: NPY002
                found.append(outcome(function, (segue.tensor([1.0, -2.0, 3.0]),), {}))
            (how, eager), (also, ours) = found
            assert how == also and type(eager) is type(ours) and same(eager, ours), (eager, ours)
