"""Which classes and functions of the user's own a checkpoint may name.

In come classes, out goes a table by the name under which a pickle knows them. The one idea: the list is short and the user's to extend; what is on it is
called while loading, so it must be code that may be run on whatever a file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Entry = Callable[..., Any] | tuple[Callable[..., Any], str]
_allowed: list[Entry] = []


def add_safe_globals(safe_globals: Sequence[Entry]) -> None:
    """Allow `load(weights_only=True)` to use these classes and functions, each alone or with the full name that files give it.

    >>> class Settings: ...
    >>> add_safe_globals([(Settings, "training.Settings")])
    >>> get_safe_globals()
    [(<class 'segue.eager.serialization.safe.Settings'>, 'training.Settings')]
    >>> clear_safe_globals()
    """
    _allowed.extend(entry for entry in safe_globals if entry not in _allowed)


def get_safe_globals() -> list[Entry]:
    """What was allowed so far."""
    return list(_allowed)


def clear_safe_globals() -> None:
    """Allow nothing more than what makes up weights."""
    _allowed.clear()


class safe_globals:  # noqa: N801  (PyTorch's name)
    """Allow these classes and functions within a `with` block."""

    def __init__(self, safe_globals: Sequence[Entry]) -> None:
        self.added, self.before = safe_globals, get_safe_globals()

    def __enter__(self) -> None:
        self.before = get_safe_globals()
        add_safe_globals(self.added)

    def __exit__(self, *problem: Any) -> None:
        _allowed[:] = self.before


def by_name() -> dict[tuple[str, str], Any]:
    """(module, name) -> what is allowed under it."""
    found = {}
    for entry in _allowed:
        value, full = entry if isinstance(entry, tuple) else (entry, f"{entry.__module__}.{entry.__qualname__}")
        module, _, name = full.rpartition(".")
        if not isinstance(entry, tuple):
            module, name = entry.__module__, entry.__qualname__
        found[module, name] = value
    return found
