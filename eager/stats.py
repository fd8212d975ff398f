"""Counters of what the compiler did: graphs, breaks, kernels, recompiles, seconds, bytes.

The rooms count as they work (`stats.count("graphs")`, `with stats.timed("compile_seconds")`), and `segue.compiler.stats()`, `segue.explain`, the demo
and the tests read. The one idea: a fallback or a recompile that is counted can be asserted on; one that is timed cannot.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from .forks import made_again

COUNTERS = {  # name -> what it counts
    "graphs": "graphs captured",
    "breaks": "graph breaks",
    "recompiles": "compilations after a guard failed",
    "skipped_frames": "frames that were left to run eagerly",
    "transformed_frames": "frames of compiled functions that ran eagerly because a function transform around them does",
    "traced_frames": "frames that ran eagerly because a debugger, or another tracer, looks at their lines",
    "reruns": "frames that ran again eagerly because their graph raised",
    "captures": "frames that were traced, restarts not counted",
    "captures_stored": "captures written to the disk cache",
    "captures_loaded": "captures that the disk cache held, so that nothing was traced",
    "captures_not_stored": "captures that hold for this process only; SEGUE_LOGS=cache says why",
    "compile_seconds": "seconds from a miss to the runnable result, everything included",
    "kernels": "kernels in the generated code",
    "library_calls": "calls of the native library in the generated code",
    "host_nodes": "operators of compiled graphs that run as eager kernels",
    "build_seconds": "seconds in the C++ compiler and linker",
    "builds": "runs of the C++ compiler",
    "compiler_questions": "short questions to the C++ compiler: what it is, and where its linker is",
    "lowerings": "graphs that were lowered to loops and scheduled",
    "program_hits": "graphs whose finished program the disk cache held, so that nothing was lowered",
    "cache_hits": "libraries that the disk cache held",
    "cache_misses": "libraries that it did not hold",
    "fallbacks": "graphs run by the interpreter because they could not be built",
    "host_rows": "operators on GPU tensors that went to the host and back, as CuPy lacks something for them",
    "late_guard_misses": "calls that the interpreter ran because of a guard made after the capture, as for the derivative of a derivative",
    "arena_bytes": "bytes of all arenas",
}


class Stats:
    """The counters. Those that nobody touched read 0.

    >>> counters = Stats()
    >>> counters.count("graphs")
    >>> counters["graphs"], counters["breaks"]
    (1, 0)
    """

    def __init__(self) -> None:
        self._values: dict[str, float] = dict.fromkeys(COUNTERS, 0)
        self._lock = threading.Lock()

    def count(self, name: str, amount: float = 1) -> None:
        """Add `amount` to a counter. Raises KeyError for a name that is not in `COUNTERS`."""
        with self._lock:
            self._values[name] += amount

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the seconds that the block takes, however it ends."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.count(name, time.perf_counter() - start)

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def read(self) -> dict[str, float]:
        """A copy of all counters."""
        with self._lock:
            return dict(self._values)

    def since(self, before: Mapping[str, float]) -> dict[str, float]:
        """What was counted since `before`, an earlier `read()`."""
        return {name: value - before[name] for name, value in self.read().items()}

    def reset(self) -> None:
        """All counters to 0."""
        with self._lock:
            self._values.update(dict.fromkeys(COUNTERS, 0))


stats = Stats()
made_again(stats, "_lock", threading.Lock)
