"""`segue.multiprocessing`: Python's multiprocessing with PyTorch's few names beside it.

In come functions and tensors, which travel between processes by pickling, as arrays do. The one idea: everything is the standard library's; only `spawn`
and the sharing strategies are added.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

from .errors import error

_strategy = ["file_descriptor"]


def get_all_sharing_strategies() -> set[str]:
    """The names that `set_sharing_strategy` takes."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """What was set."""
    return _strategy[0]


def set_sharing_strategy(new_strategy: str) -> None:
    """Kept, and without effect: tensors are copied to other processes. Raises ValueError for another name."""
    if new_strategy not in get_all_sharing_strategies():
        raise error(ValueError, f"set_sharing_strategy(): takes one of {sorted(get_all_sharing_strategies())}, not {new_strategy!r}")
    _strategy[0] = new_strategy


class ProcessRaisedException(RuntimeError):
    """A process that `spawn` started has failed."""


class SpawnContext:
    """The processes that `spawn` started."""

    def __init__(self, processes: list[Any]) -> None:
        self.processes = processes

    def pids(self) -> list[int]:
        """Their numbers."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None) -> bool:
        """Wait for all. Raises ProcessRaisedException when one has failed; the others are then ended."""
        for position, process in enumerate(self.processes):
            process.join(timeout)
            if process.exitcode:
                for other in self.processes:
                    other.terminate()
                raise ProcessRaisedException(f"process {position} terminated with exit code {process.exitcode}; its traceback stands above")
        return all(process.exitcode == 0 for process in self.processes)


def start_processes(
    fn: Callable, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False, start_method: str = "spawn"
) -> SpawnContext | None:
    """Run `fn(i, *args)` in `nprocs` processes; with `join` wait for them, else return what can be joined."""
    context = multiprocessing.get_context(start_method)
    processes = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]  # type: ignore[attr-defined]
    for process in processes:
        process.start()
    started = SpawnContext(processes)
    if not join:
        return started
    started.join()
    return None


def spawn(fn: Callable, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False, start_method: str = "spawn") -> SpawnContext | None:
    """`start_processes` by "spawn"."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)
