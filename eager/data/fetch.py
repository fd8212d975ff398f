"""How a batch is made: from item numbers, or from the next items of a stream.

In come a data set and a list of numbers, out goes a collated batch. The one idea: one object does it, in this process or in a worker's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from .dataset import IterableDataset, _items


class Fetcher:
    """`fetch(numbers)`: the batch of these items. Of a stream, the next `len(numbers)` items; raises StopIteration where none are left."""

    def __init__(self, dataset: Any, batched: bool, collate_fn: Callable[[Any], Any], drop_last: bool) -> None:
        self.dataset, self.batched, self.collate_fn, self.drop_last = dataset, batched, collate_fn, drop_last
        self.stream = iter(dataset) if isinstance(dataset, IterableDataset) else None
        self.ended = False

    def fetch(self, numbers: Any) -> Any:
        """The batch, collated."""
        if self.stream is None:
            return self.collate_fn(_items(self.dataset, numbers) if self.batched else self.dataset[numbers])
        if not self.batched:
            return self.collate_fn(next(self.stream))
        if self.ended:
            raise StopIteration
        found = list(itertools.islice(self.stream, len(numbers)))
        self.ended = len(found) < len(numbers)
        if not found or (self.ended and self.drop_last):
            raise StopIteration
        return self.collate_fn(found)
