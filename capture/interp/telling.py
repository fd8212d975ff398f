"""Tracers of the user's program: what coverage tools and debuggers see of compiled functions.

In comes what traces the thread, out goes whether its frames run compiled. The one idea: a tool that counts lines (coverage.py, `python -m trace`) is told the lines that
capture walked, by running functions that stand on these lines and do nothing; so compiled code is tested and measured at once. For any other tracer, a debugger, frames run
eagerly, line by line, with their variables.
"""

from __future__ import annotations

import ast
import sys
import types
from typing import Any

from .._capture import is_debugged, skip


def tracer() -> str | None:
    """What looks at the lines of this thread: "counter", "tracer" (a debugger, or anything else), or None."""
    if sys.gettrace() is not None:
        return "tracer" if is_debugged() else "counter"
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        return None
    if monitoring.get_tool(monitoring.DEBUGGER_ID) is not None:
        return "tracer"
    return None if monitoring.get_tool(monitoring.COVERAGE_ID) is None else "counter"


class Call:
    """The lines of one call of a function, in order; between them, the calls that were followed there."""

    def __init__(self, code: types.CodeType, globals: dict, line: int | None) -> None:
        self.code = code
        self.names: dict[str, Any] = {"__name__": globals.get("__name__"), "__file__": globals.get("__file__"), "__builtins__": {}}
        self.events: list[int | Call] = [] if line is None else [line]
        self.last = line

    def function(self) -> Any:
        """A function that does nothing, on these lines."""
        first = self.code.co_firstlineno
        names = dict(self.names)
        body: list[ast.stmt] = []
        line = first
        for place, event in enumerate(self.events):
            if isinstance(event, int):
                line = event
                body.append(_at(line, ast.Pass()))
            else:
                names[f"f{place}"] = event.function()
                body.append(_at(line, ast.Expr(ast.Call(ast.Name(f"f{place}", ast.Load()), [], []))))
        arguments = ast.arguments([], [], None, [], [], None, [])
        more: Any = {"type_params": []} if sys.version_info >= (3, 12) else {}
        made = _at(first, ast.FunctionDef("f", arguments, body or [_at(first, ast.Pass())], [], None, **more))
        module = compile(ast.Module([made], []), self.code.co_filename, "exec")
        code = next(constant for constant in module.co_consts if isinstance(constant, types.CodeType))
        code = code.replace(co_name=self.code.co_name, co_qualname=self.code.co_qualname)
        skip(code)
        return types.FunctionType(code, names)


def _at(line: int, node: Any) -> Any:
    part: Any
    for part in ast.walk(node):
        if not hasattr(part, "lineno") and "lineno" in part._attributes:
            part.lineno = part.end_lineno = line
            part.col_offset = part.end_col_offset = 0
    return node


class Telling:
    """What an attempt writes down for a tool that counts lines."""

    def __init__(self) -> None:
        self.root: Call | None = None
        self.calls: list[Call] = []
        self.suspended: dict[Any, int | None] = {}  # generators -> the line on which each stands

    def enter(self, frame: Any) -> None:
        made = Call(frame.code, frame.globals, self.suspended.pop(frame, None))
        if self.calls:
            self.calls[-1].events.append(made)
        else:
            self.root = made
        self.calls.append(made)

    def leave(self, frame: Any) -> None:
        self.suspended[frame] = self.calls.pop().last

    def at(self, line: int | None) -> None:
        call = self.calls[-1]
        if line is not None and line != call.last:
            call.events.append(line)
            call.last = line
