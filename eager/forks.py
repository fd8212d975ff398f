"""What a forked child must not inherit from threads that it does not have.

In come locks, by the place where they stand, and what a block of code has changed for its length; out goes a child in which those locks are free, and
what other threads had changed is put back. The one idea: of the process that forks, only the thread that forks is in the child, so whatever the others
were in the middle of will never end there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_made_again: list[tuple[Any, str, Callable[[], Any]]] = []
_undone: list[tuple[int, Callable[[], Any]]] = []


def made_again(owner: Any, name: str, make: Callable[[], Any]) -> None:
    """In a child, `owner.name` is what `make()` gives then; for locks, which the owner looks up whenever it takes them."""
    _made_again.append((owner, name, make))


@contextmanager
def undone(undo: Callable[[], Any]) -> Iterator[None]:
    """Within the block a child that another thread forks calls `undo`."""
    entry = threading.get_ident(), undo
    _undone.append(entry)
    try:
        yield
    finally:
        _undone.remove(entry)


def _in_child() -> None:
    for owner, name, make in _made_again:
        setattr(owner, name, make())
    mine = threading.get_ident()
    for thread, undo in reversed(_undone):
        if thread != mine:
            undo()
    _undone[:] = [entry for entry in _undone if entry[0] == mine]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
