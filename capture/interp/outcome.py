"""How an attempt at capture leaves the straight path: the exceptions that the symbolic interpreter raises to itself.

They come from values, handlers and calls, and are caught in frame.py (a Python exception of the user's program) and in capture.py (everything else). The one
idea: nothing is undone. A wrong guess ends the attempt, and the next attempt starts afresh knowing one thing more.
"""

from __future__ import annotations

from typing import Any

from ...eager.config import config


class Break(Exception):  # noqa: N818  (an outcome, not an error)
    """The instruction that runs now cannot be captured; the graph ends before it. `suggestion` says what to write instead.

    `only_while` is a guard: once it does not hold, the instruction is tried again.
    """

    def __init__(self, reason: str, suggestion: str = "", only_while: Any = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.suggestion = suggestion
        self.only_while = only_while


class Observed(Exception):  # noqa: N818
    """The user's program raised an exception while it was followed; `value` is the Value of the exception object.

    `again`: it is raised once more as it is (`raise` alone, the end of a `finally`), so that the exception handled meanwhile is not its context.
    """

    def __init__(self, value: Any, again: bool = False) -> None:
        super().__init__(value)
        self.value = value
        self.again = again


class Skip(Exception):  # noqa: N818
    """This frame cannot be captured at all; it runs eagerly."""


class Unbuildable(Exception):  # noqa: N818
    """A Value that is alive where the graph ends cannot be rebuilt in bytecode; the graph must end before `value` is made."""

    def __init__(self, value: Any, reason: str) -> None:
        super().__init__(reason)
        self.value = value
        self.reason = reason


RUNTIME = "a value that only the run gives"  # among the sources of a Specialise: there is no constant to take, the graph ends where it is needed


class PlainPython(Exception):  # noqa: N818
    """Very many instructions were followed without an operation on a tensor: the graph ends before `step`, behind which they stand, or there is none (None)."""

    def __init__(self, step: int | None) -> None:
        super().__init__(step)
        self.step = step


def plain_python() -> Break:
    """What is said of it."""
    reason = f"more than {config.follow_limit} instructions of plain Python without an operation on a tensor are not followed"
    return Break(reason, "compile the functions that compute with tensors; or raise config.follow_limit")


class Specialise(Exception):  # noqa: N818
    """Something that was taken as varying must be taken as a constant; `sources` says which."""

    def __init__(self, sources: Any) -> None:
        super().__init__(sources)
        self.sources = sources


class Anew(Exception):  # noqa: N818
    """The attempt learned something, which stands in its `Knowledge`; the next one starts from the beginning."""


class NotPython(Exception):  # noqa: N818
    """A Value has no plain Python object that could be handed to real code during capture."""
