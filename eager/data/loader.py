"""`DataLoader`: batches of a data set, in order or shuffled, collated into tensors.

In comes a data set, out come batches. The one idea: an epoch is a list of numbers from a sampler, cut into batches; the order of a
shuffle comes from segue's generator, so `manual_seed` decides it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..functional import stack
from ..functional.creation import from_numpy, randperm, tensor
from ..random import Generator
from ..tensor import Tensor


class SequentialSampler:
    """0, 1, 2 ..."""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(SequentialSampler):
    """All numbers once, in random order; a new order for each epoch."""

    def __init__(self, data_source: Any, generator: Generator | None = None) -> None:
        super().__init__(data_source)
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        return iter(randperm(len(self.data_source), generator=self.generator).tolist())


def default_collate(batch: Sequence[Any]) -> Any:
    """Items of one kind joined along a new first dimension: tensors stacked, numbers as a tensor, tuples, lists and dicts member by member.

    Strings stay a list. Raises TypeError for other kinds.

    >>> default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.])]
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(list(batch))
    if isinstance(first, (np.ndarray, np.generic)):
        return from_numpy(np.stack(list(batch)))
    if isinstance(first, (bool, int, float)):
        return tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(members) for members in zip(*batch)))
    if isinstance(first, Sequence):
        if len({len(item) for item in batch}) > 1:
            raise RuntimeError("the items of a batch have different numbers of members; pass collate_fn= to join them")
        return [default_collate(members) for members in zip(*batch)]
    raise TypeError(f"cannot make a batch of {type(first).__name__}; pass collate_fn= to join such items")


class DataLoader:
    """Iterate over batches of a data set; each `for` is one epoch.

    Raises NotImplementedError for worker processes, ValueError for settings that exclude each other.

    >>> [len(batch) for batch in DataLoader(range(5), batch_size=2)]
    [2, 2, 1]
    """

    def __init__(
        self, dataset: Any, batch_size: int | None = 1, shuffle: bool = False, sampler: Iterable[int] | None = None, num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None, pin_memory: bool = False, drop_last: bool = False, generator: Generator | None = None,
    ) -> None:  # fmt: skip
        if num_workers:
            raise NotImplementedError(f"num_workers={num_workers}: batches are made in this process; leave num_workers at 0")
        if batch_size is not None and batch_size <= 0:
            raise ValueError(f"batch_size is a positive number or None, not {batch_size}")
        if batch_size is None and drop_last:
            raise ValueError("drop_last needs a batch_size")
        if sampler is not None and shuffle:
            raise ValueError("give a sampler or shuffle=True, not both")
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.collate_fn = collate_fn or default_collate
        self.sampler: Any = sampler if sampler is not None else RandomSampler(dataset, generator) if shuffle else SequentialSampler(dataset)

    def __len__(self) -> int:
        count = len(self.sampler)
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        batch: list[Any] = []
        for number in self.sampler:
            if self.batch_size is None:
                yield self.dataset[number]
                continue
            batch.append(self.dataset[number])
            if len(batch) == self.batch_size:
                yield self.collate_fn(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.collate_fn(batch)
