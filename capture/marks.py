"""Marks on tensors that say which of their sizes vary: `mark_dynamic`, `maybe_mark_dynamic`, `mark_static`.

In come a tensor and dimensions, out goes nothing: the mark is kept with the tensor, and capture reads it where it meets the tensor. The one idea: a mark says ahead what
capture would else learn from the second value; "dynamic" is a promise that capture keeps or says why it could not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..eager.errors import CaptureError, error
from ..eager.tensor import Tensor
from ..graph.expressions import class_of
from ..graph.symbolic import ShapeEnv, print_python

MARKS = "_segue_marked_sizes"  # in a tensor's __dict__: dimension -> "dynamic", "maybe" or "static"


def mark_dynamic(t: Tensor, index: int | Sequence[int], *, min: int | None = None, max: int | None = None) -> None:  # noqa: A002  (PyTorch's names)
    """The sizes of `t` at `index` (one dimension or several) vary: compiled functions take them as symbols at first sight.

    A program that needs such a size to be one number raises CaptureError, which names the line that asked. `min` and `max` bound what the size is now (ValueError); the compiled
    code holds for all sizes. Raises IndexError for a dimension out of range.

    >>> import segue
    >>> x = segue.ones(3, 4)
    >>> mark_dynamic(x, 0)
    """
    for dim in _dims(t, index):
        size = t.shape[dim]
        if (min is not None and size < min) or (max is not None and size > max):
            raise error(ValueError, f"mark_dynamic: the size {size} of dimension {dim} is not between {min} and {max}")
        _marks(t)[dim] = "dynamic"


def maybe_mark_dynamic(t: Tensor, index: int | Sequence[int]) -> None:
    """As `mark_dynamic`, but a program may fix the size: then it is compiled for that number."""
    for dim in _dims(t, index):
        _marks(t)[dim] = "maybe"


def mark_static(t: Tensor, index: int | Sequence[int] | None = None) -> None:
    """The sizes of `t` at `index` (None: all) never become symbols: each other size is compiled anew.

    >>> import segue
    >>> mark_static(segue.ones(3, 4), 1)
    """
    for dim in range(t.ndim) if index is None else _dims(t, index):
        _marks(t)[dim] = "static"


def mark_static_address(t: Tensor, guard: bool = False) -> None:
    """Nothing: a compiled graph takes the address of a tensor anew at each call, so it need not stay."""


def _marks(t: Tensor) -> dict[int, str]:
    return t.__dict__.setdefault(MARKS, {})


def _dims(t: Tensor, index: int | Sequence[int]) -> list[int]:
    dims = [index] if isinstance(index, int) else list(index)
    for dim in dims:
        if not -t.ndim <= dim < t.ndim:
            raise error(IndexError, f"Dimension out of range (expected to be in range of [{-t.ndim}, {t.ndim - 1}], but got {dim})")
    return [dim % t.ndim for dim in dims]


def apply_marks(t: Tensor, dims: dict[int, Any]) -> None:
    """Take the marks of a tensor into account among its dimensions that become symbols (dimension -> name or None)."""
    for dim, kind in t.__dict__.get(MARKS, {}).items():
        if kind == "static":
            dims.pop(dim, None)
        else:
            dims.setdefault(dim, None)


def why_fixed(size: Any, env: ShapeEnv) -> str:
    """Why a size that was to vary became a number: the line of the user's that fixed it, and what it needs."""
    fixing = (guard for guard in env.guards if class_of(guard.relation) == "Equality" and size.expr in guard.relation.free_symbols)
    return next((f"{guard.line or 'the program'} needs {print_python(guard.relation)}" for guard in fixing), "the program fixes it")


def check_marks(t: Tensor, shape: Sequence[Any], name: str, env: ShapeEnv) -> None:
    """Raise CaptureError where a size that was marked as dynamic had to become a number."""
    for dim, kind in t.__dict__.get(MARKS, {}).items():
        size = shape[dim]
        if kind != "dynamic" or not env.is_static(size):
            continue
        raise CaptureError(f"mark_dynamic: size {dim} of {name} was marked as dynamic, but it became the number {t.shape[dim]}: {why_fixed(size, env)}\n"
                           "Instead: maybe_mark_dynamic(), or a program that does not depend on the number")  # fmt: skip
