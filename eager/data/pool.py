"""The worker processes of a `DataLoader`: started, asked, heard, and ended.

In come messages for workers, out come their answers. The one idea: each worker has a pipe of its own and nothing is shared between workers, so that one that
is killed takes nothing with it; the loader waits on all pipes and on the processes themselves at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from ..lazy import LazyModule
from .transport import discard, receive
from .worker import Job, work

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

connection: Any = LazyModule("multiprocessing.connection")
resource_tracker: Any = LazyModule("multiprocessing.resource_tracker")

PATIENCE = 5.0  # seconds that a worker has to finish its batch when it is told to stop


class Pool:
    """`count` processes that run `work`."""

    def __init__(self, context: Any, jobs: list[Job]) -> None:
        self.pipes: list[Connection] = []
        self.processes: list[Any] = []
        self.owner = os.getpid()
        resource_tracker.ensure_running()  # one for all: a worker's own would remove what it left for the loader
        forks = context.get_start_method() == "fork"
        try:
            for job in jobs:
                ours, theirs = context.Pipe()
                process = context.Process(target=work, args=(job, theirs, [*self.pipes, ours] if forks else []), daemon=True)
                self.pipes.append(ours)
                process.start()
                theirs.close()
                self.processes.append(process)
        except BaseException:
            self.shutdown()
            raise

    def all_alive(self) -> bool:
        """Whether every worker runs."""
        return all(process.is_alive() for process in self.processes)

    def tell(self, worker: int, message: tuple) -> None:
        """Send a message. Raises RuntimeError where the worker is gone."""
        try:
            self.pipes[worker].send(message)
        except OSError:
            raise self._death([worker]) from None

    def hear(self, waiting: list[int], timeout: float) -> Any:
        """(worker, answer) of one of the workers `waiting`.

        Raises RuntimeError where one of them died, or where none answers within `timeout` seconds (0: no limit).
        """
        pipes = {self.pipes[worker]: worker for worker in waiting}
        sentinels = {self.processes[worker].sentinel: worker for worker in waiting}
        ready = connection.wait([*pipes, *sentinels], timeout or None)
        if not ready:
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
        for found in ready:
            if found in pipes:
                with contextlib.suppress(EOFError, OSError):
                    return pipes[found], receive(found)  # type: ignore[arg-type]
        raise self._death(sorted({pipes[found] if found in pipes else sentinels[found] for found in ready}))

    def _death(self, workers: list[int]) -> RuntimeError:
        told = []
        for worker in workers:
            process = self.processes[worker]
            process.join(PATIENCE)
            told.append(f"worker {worker} (pid {process.pid}) {_how(process.exitcode)}")
        return RuntimeError(f"DataLoader worker (pid(s) {', '.join(str(self.processes[w].pid) for w in workers)}) exited unexpectedly: {'; '.join(told)}")

    def shutdown(self) -> None:
        """End every worker: told to stop, heard out, and after some patience killed. Nothing is left running, unread or in shared memory."""
        if os.getpid() != self.owner:
            return  # a copy in a forked child
        open_pipes = [pipe for pipe in self.pipes if not pipe.closed]
        for pipe in open_pipes:
            with contextlib.suppress(OSError):
                pipe.send(("stop",))
        self._drain(open_pipes, time.monotonic() + PATIENCE)
        for process in self.processes:
            if process.is_alive():
                process.join(0.1)
            if process.is_alive():
                process.kill()
        self._drain(open_pipes, time.monotonic() + PATIENCE)
        for process in self.processes:
            process.join()
        for pipe in self.pipes:
            pipe.close()

    @staticmethod
    def _drain(pipes: list[Connection], deadline: float) -> None:
        """Read and throw away until every pipe is closed at its other end."""
        left = list(pipes)
        while left and (ready := connection.wait(left, max(deadline - time.monotonic(), 0))):
            for pipe in ready:
                try:
                    discard(pipe)  # type: ignore[arg-type]
                except (EOFError, OSError):
                    left.remove(pipe)  # type: ignore[arg-type]


def _how(code: int | None) -> str:
    if code is None:
        return "closed its pipe"
    if code < 0:
        hint = " (is shared memory full?)" if -code == getattr(signal, "SIGBUS", None) else ""
        return f"was killed by signal {signal.Signals(-code).name}{hint}"
    return f"ended with exit code {code}"
