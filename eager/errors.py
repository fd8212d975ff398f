"""Errors for people: the exception classes, and how a message finds and shows the user's line.

In comes what went wrong, in words; out goes an exception whose message ends with the user's file, line and source text, with a caret where the Python
version knows the column. The one idea: the user's line is the innermost frame that is not segue's own, or, while a graph is captured
(when no such frame runs), the place that the tracer says it is at.
"""

from __future__ import annotations

import itertools
import linecache
import pickle
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

OWN_ROOMS = ("eager", "graph", "capture", "inductor")  # tools/ holds programs that use segue as anyone would
_PACKAGE = __name__.partition(".")[0]
_OWN_MODULES = (_PACKAGE, *(f"{_PACKAGE}.{room}" for room in OWN_ROOMS))
_OWN_PREFIXES = tuple(name + "." for name in _OWN_MODULES[1:])


class SegueError(Exception):
    """Base class of segue's own errors; each is also the built-in (or PyTorch's) class that people catch."""


class ShapeError(SegueError, RuntimeError):
    """Shapes or sizes do not fit."""


class DtypeError(SegueError, RuntimeError):
    """A dtype does not fit, or a value does not fit its dtype."""


class UnsupportedDtypeError(DtypeError, NotImplementedError):
    """An operator has no meaning, or no kernel, on a dtype: PyTorch raises NotImplementedError for it in most operators, RuntimeError in others."""


class DeviceError(SegueError, RuntimeError):
    """Tensors on different devices, or a device that is not there."""


class DimensionError(SegueError, IndexError):
    """A dimension or an index out of range."""


class BoundsError(DimensionError, RuntimeError):
    """A value of an index tensor out of bounds: PyTorch raises IndexError for it in some operators, RuntimeError in others (gather, scatter)."""


class LinAlgError(SegueError, RuntimeError):
    """A matrix has no such decomposition or inverse: singular, not positive definite, or an iteration that did not converge."""


class AutogradError(SegueError, RuntimeError):
    """The backward cannot run: an overwritten value, a graph used twice, nothing that requires a gradient."""


class InplaceError(AutogradError):
    """An in-place operation that is not allowed here."""


class WrittenByTrace(InplaceError):
    """A traced or transformed value is to be written into a real `tensor`."""

    tensor: Any = None


class CaptureError(SegueError, RuntimeError):
    """`fullgraph=True` met something that capture cannot follow."""


class UndecidedSize(SegueError):  # noqa: N818  (a question, not a fault)
    """What the code asks about a size that only the run of a graph gives. Caught by capture, which ends the graph there; `suggestion` says what to write instead."""

    def __init__(self, reason: str, suggestion: str = "") -> None:
        super().__init__(reason if not suggestion else f"{reason}\nInstead: {suggestion}")
        self.reason = reason
        self.suggestion = suggestion


class GraphError(SegueError, RuntimeError):
    """A graph breaks one of its invariants."""


class BackendError(SegueError, RuntimeError):
    """A backend failed, or is not known."""


class CheckpointError(SegueError, RuntimeError):
    """A file is no checkpoint, or a damaged one: truncated, inconsistent, or of a kind that is not read here."""


class UnsafeCheckpointError(CheckpointError, pickle.UnpicklingError):
    """A checkpoint names code to run that is not on the short list of what makes up weights. Nothing of it was run."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the user's code. `columns` is the (start, end) of the running expression on its line, where it is known."""

    file: str
    line: int
    function: str = ""
    columns: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def show(self) -> str:
        """File and line, the source text, and a caret under the expression."""
        text = linecache.getline(self.file, self.line).rstrip("\n")
        head = f'  File "{self.file}", line {self.line}' + (f", in {self.function}" if self.function else "")
        if not text.strip():
            return head
        stripped = text.lstrip()
        lines = [head, "    " + stripped]
        if self.columns is not None:
            lead = len(text) - len(stripped)
            start, end = (max(0, column - lead) for column in self.columns)
            lines.append("    " + " " * start + "^" * max(1, min(end, len(stripped)) - start))
        return "\n".join(lines)


class _Places(threading.local):
    stack: tuple[Callable[[], Location], ...] = ()


_places = _Places()


class at:  # noqa: N801  (read as `with errors.at(where):`)
    """Within the block `user_location()` is `where()`: what the tracer says while the user's frame does not really run. Asked only for a message."""

    __slots__ = ("where", "outer")

    def __init__(self, where: Callable[[], Location]) -> None:
        self.where = where
        self.outer: tuple[Callable[[], Location], ...] = ()

    def __enter__(self) -> None:
        self.outer = _places.stack
        _places.stack = (*self.outer, self.where)

    def __exit__(self, *problem: object) -> None:
        _places.stack = self.outer


def is_own(frame: FrameType) -> bool:
    """Whether a frame runs segue's own code (tools/ counts as a user's)."""
    name = frame.f_globals.get("__name__", "")
    return name in _OWN_MODULES or name.startswith(_OWN_PREFIXES) or name.startswith("contextlib")


def columns_of(code: CodeType, lasti: int) -> tuple[int, int] | None:
    """(start, end) columns of an instruction, when it begins and ends on one line."""
    position = next(itertools.islice(code.co_positions(), lasti // 2, None), None)
    if position is None:
        return None
    line, end_line, start, end = position
    if line != end_line or start is None or end is None:
        return None
    return start, end


def user_location() -> Location | None:
    """The user's line: the tracer's, else that of the innermost frame outside segue; None when there is none."""
    if _places.stack:
        return _places.stack[-1]()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_own(frame):
        frame = frame.f_back
    if frame is None:
        return None
    code = frame.f_code
    return Location(code.co_filename, frame.f_lineno, code.co_name, columns_of(code, frame.f_lasti))


def message(problem: str, hint: str = "", location: Location | None = None) -> str:
    """The text of an error: the problem, the user's line (found when not given), and what to write instead."""
    where = location or user_location()
    parts = [problem]
    if where is not None:
        parts.append(where.show())
    if hint:
        parts.append(f"Instead: {hint}")
    return "\n".join(parts)


def error(kind: type[Exception], problem: str, hint: str = "", location: Location | None = None) -> Exception:
    """An exception of class `kind` with the full message; write `raise error(ShapeError, "...", "...")`."""
    return kind(message(problem, hint, location))


def renamed(problem: Exception, inner: str, outer: str) -> Exception:
    """The exception as what the user called would raise it: where an operator that it is made of speaks of itself."""
    return type(problem)(str(problem).replace(inner, outer, 1))


def refusing(name: str, doc: str, kind: type[Exception], said: str, instead: str) -> Any:
    """A function of this name and docstring that raises, whatever it is called with: for what programs may name but not have here."""

    def demand(*args: Any, **kwargs: Any) -> Any:
        raise error(kind, said, instead)

    demand.__name__ = demand.__qualname__ = name
    demand.__doc__ = doc
    return demand
