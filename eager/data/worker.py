"""What runs in a worker process of a `DataLoader`.

In come lists of item numbers through a pipe, out go batches, or what was raised. The one idea: a thread takes the messages as they come, so that the loader
never waits for a worker to read them, and knows at once when the loader is gone.
"""

from __future__ import annotations

import queue
import random
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..random import manual_seed
from .fetch import Fetcher
from .transport import send

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker knows of itself: its number, how many there are, its seed, and its copy of the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: list[WorkerInfo] = []


def get_worker_info() -> WorkerInfo | None:
    """In a worker process its `WorkerInfo` (id, num_workers, seed, dataset); elsewhere None.

    >>> get_worker_info() is None
    True
    """
    return _info[-1] if _info else None


@dataclass(frozen=True)
class Failure:
    """An exception on its way to the loader: its class and its traceback as text."""

    kind: type[BaseException]
    text: str
    where: str

    @classmethod
    def of(cls, problem: BaseException, where: str) -> Failure:
        """The failure of what is being handled."""
        return cls(type(problem), "".join(traceback.format_exception(problem)), where)

    def error(self) -> BaseException:
        """An exception of the same class with the worker's traceback in its text; RuntimeError where the class cannot be made of a text."""
        text = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        try:
            return self.kind(_Text(text) if issubclass(self.kind, KeyError) else text)
        except Exception:
            return RuntimeError(text)


class _Text(str):
    """A text whose repr is itself: KeyError shows the repr of what it is given."""

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Ended:
    """A worker's stream has no more items."""


@dataclass(frozen=True)
class Job:
    """All that a worker needs."""

    dataset: Any
    batched: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    number: int
    count: int
    init_fn: Callable[[int], None] | None


def work(job: Job, pipe: Connection, others: list[Connection]) -> None:
    """The worker's life: ("epoch", seed) begins an epoch, ("batch", place, numbers) asks for a batch, ("stop",) or a closed pipe ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the loader, which ends its workers
    for other in others:  # inherited by fork: the loader's ends of earlier workers' pipes
        other.close()
    messages: queue.SimpleQueue = queue.SimpleQueue()
    stopping = threading.Event()
    threading.Thread(target=_listen, args=(pipe, messages, stopping), daemon=True).start()
    where = f"in DataLoader worker process {job.number}"
    fetcher: Fetcher | None = None
    broken: Failure | None = None
    started = False
    while not stopping.is_set():
        message = messages.get()
        if message[0] == "epoch":
            try:
                _seed(job, message[1])
                if not started and job.init_fn is not None:
                    job.init_fn(job.number)
                started = True
                fetcher, broken = Fetcher(job.dataset, job.batched, job.collate_fn, job.drop_last), None
            except Exception as problem:
                broken = Failure.of(problem, where)
        elif message[0] == "batch" and not stopping.is_set():
            answer = broken or _fetched(fetcher, message[2], where)
            try:
                send(pipe, (message[1], answer))
            except OSError:
                return
            except Exception as problem:  # what cannot be pickled: an item, or the class of an exception
                text = answer.text if isinstance(answer, Failure) else Failure.of(problem, where).text
                send(pipe, (message[1], Failure(RuntimeError, text, where)))


def _fetched(fetcher: Any, numbers: Any, where: str) -> Any:
    try:
        return fetcher.fetch(numbers)
    except StopIteration as problem:
        return Ended() if fetcher.stream is not None else Failure.of(problem, where)
    except Exception as problem:
        return Failure.of(problem, where)


def _listen(pipe: Connection, messages: queue.SimpleQueue, stopping: threading.Event) -> None:
    message: Any = None
    while message != ("stop",):
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            message = ("stop",)
        if message == ("stop",):
            stopping.set()
        messages.put(message)


def _seed(job: Job, base_seed: int) -> None:
    """Every generator of the process starts at the loader's seed and the worker's number."""
    seed = base_seed + job.number
    _info[:] = [WorkerInfo(job.number, job.count, seed, job.dataset)]
    manual_seed(seed)
    random.seed(seed)
    np.random.seed(np.random.SeedSequence([base_seed, job.number]).generate_state(4))
