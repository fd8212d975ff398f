"""`DataLoader`: batches of a data set, in order or shuffled, collated into tensors, made here or in worker processes.

In comes a data set, out come batches. The one idea: an epoch is a list of numbers from a sampler, cut into batches; the order of a shuffle comes from segue's
generator in this process, so `manual_seed` decides it, and workers only fetch what they are told to.
"""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import GenericAlias
from typing import Any

from ..lazy import LazyModule
from ..random import Generator
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .fetch import Fetcher
from .pool import Pool
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, drawn_seed
from .worker import Ended, Failure, Job

multiprocessing: Any = LazyModule("multiprocessing")


class _Endless(Sampler[None]):
    """The sampler of a stream, which knows itself what comes next."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader:
    """Iterate over batches of a data set; each `for` is one epoch.

    `num_workers` processes fetch batches ahead, `prefetch_factor` each. `pin_memory` is accepted and changes nothing on the CPU. Raises ValueError for settings
    that exclude each other, and in the loop what a worker raised, of the same class with the worker's traceback in its text.

    >>> [len(batch) for batch in DataLoader(range(5), batch_size=2)]
    [2, 2, 1]
    """

    __class_getitem__: Any = classmethod(GenericAlias)  # DataLoader[int] in annotations
    multiprocessing_context: Any
    _iterator: Any = None
    _fixed = frozenset({"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"})
    _ready = False

    def __init__(
        self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None, sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None, num_workers: int = 0, collate_fn: Callable[[list], Any] | None = None, pin_memory: bool = False,
        drop_last: bool = False, timeout: float = 0, worker_init_fn: Callable[[int], None] | None = None, multiprocessing_context: Any = None,
        generator: Generator | None = None, *, prefetch_factor: int | None = None, persistent_workers: bool = False, pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:  # fmt: skip
        self._check(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        streams = isinstance(dataset, IterableDataset)
        if streams:
            self._check_stream(shuffle, sampler, batch_sampler)
        elif sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            sampler = _Endless() if streams else RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset, self.batch_size, self.drop_last, self.generator = dataset, batch_size, drop_last, generator
        self.sampler: Any = sampler
        self.batch_sampler: Any = batch_sampler
        self.collate_fn = collate_fn or (default_collate if batch_sampler is not None else default_convert)
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.multiprocessing_context = _context(multiprocessing_context)
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers, self.in_order = persistent_workers, in_order
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self._ready = True

    @staticmethod
    def _check(num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool, context: Any) -> None:
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError("prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to enable multiprocessing.")
        if prefetch_factor is not None and prefetch_factor <= 0:
            raise ValueError(f"prefetch_factor option should be positive, not {prefetch_factor}")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        if context is not None and num_workers == 0:
            raise ValueError(f"multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got num_workers={num_workers}")

    @staticmethod
    def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
        if shuffle not in (False, None):
            raise ValueError(f"DataLoader with IterableDataset: expected unspecified shuffle option, but got shuffle={shuffle}")
        for name, value in (("sampler", sampler), ("batch_sampler", batch_sampler)):
            if value is not None:
                raise ValueError(f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}")

    def __setattr__(self, name: str, value: Any) -> None:
        if self._ready and name in self._fixed:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def _batched(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._batched else self.sampler

    def __len__(self) -> int:
        """The number of batches. Raises TypeError for streams without a length."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        count = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers == 0:
            return _Single(self)
        if not self.persistent_workers:
            return _Several(self)
        if self._iterator is None or not self._iterator.finish.alive:
            self._iterator = _Several(self)
        else:
            self._iterator.reset()
        return self._iterator


def _context(given: Any) -> Any:
    """A multiprocessing context, by name or as it is. Raises ValueError for an unknown name, TypeError for what is no context."""
    if isinstance(given, str):
        known = multiprocessing.get_all_start_methods()
        if given not in known:
            raise ValueError(f"multiprocessing_context option should specify a valid start method in {known!r}, but got multiprocessing_context={given!r}")
        return multiprocessing.get_context(given)
    if given is not None and not isinstance(given, multiprocessing.context.BaseContext):
        raise TypeError(f"multiprocessing_context option should be a valid context object or a string specifying the start method, but got {given!r}")
    return given


class _Epoch:
    """What a loader's `iter` gives."""

    sampler: Any

    def __iter__(self) -> Any:
        return self

    def __len__(self) -> int:
        return len(self.sampler)


class _Single(_Epoch):
    """An epoch in this process."""

    def __init__(self, loader: DataLoader) -> None:
        self.sampler = loader._index_sampler
        self.numbers = iter(self.sampler)
        drawn_seed(loader.generator)  # as workers would have one: the generator stands where it would stand with them
        self.fetcher = Fetcher(loader.dataset, loader._batched, loader.collate_fn, loader.drop_last)

    def __next__(self) -> Any:
        return self.fetcher.fetch(next(self.numbers))


class _Several(_Epoch):
    """Epochs by worker processes. Batch number n is asked of the workers in turn; what comes before its turn is kept."""

    def __init__(self, loader: DataLoader) -> None:  # keeps no reference to the loader, which may keep one to it
        self.sampler, self.generator = loader._index_sampler, loader.generator
        self.timeout, self.in_order, self.persistent = loader.timeout, loader.in_order, loader.persistent_workers
        self.ahead = (loader.prefetch_factor or 2) * loader.num_workers
        count = loader.num_workers
        jobs = [
            Job(loader.dataset, loader._batched, loader.collate_fn, loader.drop_last, number, count, loader.worker_init_fn) for number in range(count)
        ]
        self.finish: Any = bool  # nothing to end yet
        self.pool = Pool(loader.multiprocessing_context or multiprocessing.get_context(), jobs)
        self.finish = weakref.finalize(self, self.pool.shutdown)
        self.asked: deque[tuple[int, int]] = deque()  # (batch, worker), in the order in which they are given out
        self.waiting: dict[int, set[int]] = {}  # worker -> the batches it was asked for and has not answered
        self.reset()

    def reset(self) -> None:
        """Begin an epoch: answers of an epoch that was broken off are waited for and thrown away."""
        while any(self.waiting.values()):
            self._hear()
        self.numbers = iter(self.sampler)
        seed = drawn_seed(self.generator)
        self.answers: dict[int, Any] = {}
        self.asked.clear()
        self.count = 0
        self.active = deque(range(len(self.pool.pipes)))  # workers whose stream has not ended, the next to be asked first
        self.waiting = {worker: set() for worker in self.active}
        for worker in self.active:
            self.pool.tell(worker, ("epoch", seed))
        for _ in range(self.ahead):
            self._ask()

    def __del__(self) -> None:
        self.finish()

    def _ask(self) -> None:
        """Ask the next worker for the next batch."""
        if not self.active:
            return
        try:
            numbers = next(self.numbers)
        except StopIteration:
            return
        worker = self.active[0]
        self.active.rotate(-1)
        self.pool.tell(worker, ("batch", self.count, numbers))
        self.asked.append((self.count, worker))
        self.waiting[worker].add(self.count)
        self.count += 1

    def _hear(self) -> None:
        worker, (batch, answer) = self.pool.hear([w for w, batches in self.waiting.items() if batches], self.timeout)
        self.waiting[worker].discard(batch)
        self.answers[batch] = answer

    def _next_answer(self) -> Any:
        """The answer whose turn it is: the oldest asked, or with in_order=False whichever is there."""
        while True:
            for place, (batch, worker) in enumerate(self.asked):
                if batch in self.answers:
                    del self.asked[place]
                    return worker, self.answers.pop(batch)
                if self.in_order:
                    break
            self._hear()

    def __next__(self) -> Any:
        try:
            while self.asked:
                worker, answer = self._next_answer()
                if isinstance(answer, Ended):
                    if worker in self.active:
                        self.active.remove(worker)
                    self._ask()
                    continue
                self._ask()
                if isinstance(answer, Failure):
                    raise answer.error()
                return answer
        except BaseException as problem:
            if not isinstance(problem, Exception) or not self.pool.all_alive():
                self._close()
            raise
        if not self.persistent:
            self._close()
        raise StopIteration

    def _close(self) -> None:
        self.finish()
        self.asked.clear()
