"""Hooks of modules: functions called before and after `forward`, and the handles that remove them.

In comes a dict of a module and a function; out goes a handle. The one idea: the dict's keys are running numbers, so removing one hook never
disturbs another.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

Entries = dict[int, tuple[Callable, bool]]
_number = itertools.count()


class RemovableHandle:
    """What registering a hook returns: `remove()` it, or use the handle in a `with` block."""

    def __init__(self, entries: Entries, key: int) -> None:
        self._entries = entries
        self.id = key

    def remove(self) -> None:
        """Remove the hook; the second time does nothing."""
        self._entries.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def add_hook(entries: Entries, hook: Callable, prepend: bool, with_kwargs: bool) -> RemovableHandle:
    """Add a hook at the end, or with `prepend` at the front. Raises TypeError for what cannot be called."""
    if not callable(hook):
        raise TypeError(f"a hook is a callable, not {type(hook).__name__}")
    key = next(_number)
    after = dict(entries) if prepend else {}
    if prepend:
        entries.clear()
    entries[key] = (hook, with_kwargs)
    entries.update(after)
    return RemovableHandle(entries, key)
