"""`segue.profiler`: how long named ranges of a program take, under PyTorch's names.

In come `record_function` ranges inside of a `profile` block, out go a table and a trace file for Perfetto. The one idea: ranges are measured where the program
names them; single operators are not (Python's own profilers and `SEGUE_LOGS` show those).
"""

from __future__ import annotations

import enum
import functools
import json
import os
import time
from collections.abc import Callable
from typing import Any


class ProfilerActivity(enum.Enum):
    """What a profile may watch. Only the CPU's is there to be watched."""

    CPU = 0
    CUDA = 1
    XPU = 2


class FunctionEvent:
    """One finished range: its name, start and length in microseconds, and how often it ran."""

    def __init__(self, key: str, start: float, length: float, count: int = 1) -> None:
        self.key = self.name = key
        self.start, self.cpu_time_total, self.count = start, length, count

    @property
    def cpu_time(self) -> float:
        """The mean length in microseconds."""
        return self.cpu_time_total / self.count


class EventList(list):
    """Events that print as a table."""

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """Name, number of calls, total and mean microseconds."""
        rows = sorted(self, key=lambda event: -event.cpu_time_total) if sort_by else list(self)
        lines = [f"{'Name':40} {'# of Calls':>10} {'CPU total us':>14} {'CPU time avg us':>16}"]
        lines += [f"{e.key[:40]:40} {e.count:>10} {e.cpu_time_total:>14.1f} {e.cpu_time:>16.1f}" for e in rows[:row_limit]]
        return "\n".join(lines)


_running: list[profile] = []


class record_function:  # noqa: N801  (PyTorch's name)
    """A named range: a context manager, or a decorator.

    >>> with profile() as p:
    ...     with record_function("step"):
    ...         pass
    >>> [(event.key, event.count) for event in p.key_averages()]
    [('step', 1)]
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._starts: list[float] = []

    def __enter__(self) -> record_function:
        self._starts.append(time.perf_counter() * 1e6)
        return self

    def __exit__(self, *exception: object) -> None:
        start = self._starts.pop()
        for one in _running:
            one.ranges.append(FunctionEvent(self.name, start, time.perf_counter() * 1e6 - start))

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def ranged(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return function(*args, **kwargs)

        return ranged


class profile:  # noqa: N801  (PyTorch's name)
    """Collects the ranges that finish while it runs. `schedule` and what else PyTorch takes is accepted; every step is recorded."""

    def __init__(self, *, activities: Any = None, schedule: Any = None, on_trace_ready: Callable | None = None, **options: Any) -> None:
        self.on_trace_ready = on_trace_ready
        self.ranges: list[FunctionEvent] = []
        self.step_num = 0

    def start(self) -> None:
        """Begin to collect."""
        _running.append(self)

    def stop(self) -> None:
        """End, and hand the profile to `on_trace_ready`."""
        _running.remove(self)
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def step(self) -> None:
        """Count a step."""
        self.step_num += 1

    def events(self) -> EventList:
        """All ranges, in the order in which they ended."""
        return EventList(self.ranges)

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The ranges of one name together."""
        together: dict[str, FunctionEvent] = {}
        for one in self.ranges:
            if one.key in together:
                together[one.key].cpu_time_total += one.cpu_time_total
                together[one.key].count += 1
            else:
                together[one.key] = FunctionEvent(one.key, one.start, one.cpu_time_total)
        return EventList(together.values())

    def export_chrome_trace(self, path: str) -> None:
        """Write the ranges as a trace that Perfetto and Chrome show."""
        events = [{"name": e.key, "ph": "X", "ts": e.start, "dur": e.cpu_time_total, "pid": os.getpid(), "tid": 0} for e in self.ranges]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events}, file)


def schedule(*, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0) -> Callable[[int], None]:
    """Accepted by `profile`, which records every step."""
    return lambda step: None


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False) -> Callable[[profile], None]:
    """A handler for `on_trace_ready` that writes a trace into a folder."""

    def handle(finished: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        finished.export_chrome_trace(os.path.join(dir_name, f"{worker_name or os.getpid()}.{time.time_ns()}.pt.trace.json"))

    return handle
