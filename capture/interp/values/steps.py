"""Values of the iterators of itertools.

In come Values, out go iterators that step over them, an item at each `next`, as the C code does. The one idea: each is a Python generator over Values; consumed inside of the
compiled function, it never needs to be made again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from ..outcome import Observed, Unbuildable
from .base import Value
from .constants import Constant, index_of
from .containers import TupleValue
from .iterators import IteratorValue


class StepIterator(IteratorValue):
    """An iterator of itertools, stepped by a Python generator over Values. Where it raised, the generator is over, while the real iterator would go on."""

    def __init__(self, cls: type, steps: Any) -> None:
        self.python_type = cls
        self.steps = steps
        self.raised = False

    def next(self, run: Any) -> Value | None:
        if self.raised:
            raise Unbuildable(self, "an iterator of itertools that goes on behind an exception is not captured")
        if getattr(self.steps, "gi_running", False):
            raise Unbuildable(self, "an iterator of itertools that is asked for an item while it makes one is not captured")
        try:
            return next(self.steps, None)
        except Observed:
            self.raised = True
            raise


def _steps(function: Callable) -> Callable:
    """A maker of an itertools iterator from a generator function over Values, which yields None when it has read its arguments: that happens when the iterator is made."""
    def make(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
        steps = function(run, *args, **kwargs)
        next(steps)
        return StepIterator(cls, steps)

    return make


def _chain(run: Any, *parts: Value) -> Any:
    yield None
    for part in parts:
        iterator = run.iterate(part)
        while (item := iterator.next(run)) is not None:
            yield item


def _islice(run: Any, source: Value, *bounds: Value) -> Any:
    plain = slice(*(None if isinstance(b, Constant) and b.value is None else index_of(run, b) for b in bounds))
    start, stop, step = plain.start or 0, plain.stop, plain.step or 1
    iterator = run.iterate(source)
    yield None
    wanted = itertools.count(start, step) if stop is None else iter(range(start, stop, step))
    position = -1
    for target in wanted:
        while position < target:
            item = iterator.next(run)
            if item is None:
                return
            position += 1
        yield item
    while stop is not None and position + 1 < stop and iterator.next(run) is not None:
        position += 1


def _count(run: Any, start: Value = Constant(0), step: Value = Constant(1)) -> Any:
    numbers = itertools.count(run.python(start), run.python(step))
    yield None
    for number in numbers:
        yield Constant(number)


def _repeat(run: Any, item: Value, times: Value | None = None) -> Any:
    rounds = itertools.count() if times is None else range(index_of(run, times))
    yield None
    for _ in rounds:
        yield item


def _cycle(run: Any, source: Value) -> Any:
    iterator = run.iterate(source)
    yield None
    items = []
    while (item := iterator.next(run)) is not None:
        items.append(item)
        yield item
    while items:
        yield from items


def _combinations(function: Callable) -> Callable:
    def steps(run: Any, source: Value, *rest: Value) -> Any:
        every = function(list(run.unpack(source)), *(index_of(run, r) for r in rest))
        yield None
        for found in every:
            yield TupleValue(found)

    return steps


def _product(run: Any, *sources: Value, repeat: Value = Constant(1)) -> Any:
    every = itertools.product(*[list(run.unpack(source)) for source in sources], repeat=index_of(run, repeat))
    yield None
    for found in every:
        yield TupleValue(found)


def _zip_longest(run: Any, *sources: Value, fillvalue: Value = Constant(None)) -> Any:
    iterators: list[Value | None] = [run.iterate(source) for source in sources]
    yield None
    while any(iterators):
        found = []
        for place, iterator in enumerate(iterators):
            item = iterator.next(run) if iterator is not None else None
            if item is None:
                iterators[place], item = None, fillvalue
                if not any(iterators):
                    return
            found.append(item)
        yield TupleValue(found)


def _accumulate(run: Any, source: Value, function: Value | None = None, *, initial: Value = Constant(None), func: Value | None = None) -> Any:
    given = func if function is None else function
    function = None if given is None or (isinstance(given, Constant) and given.value is None) else given
    iterator = run.iterate(source)
    yield None
    total = iterator.next(run) if isinstance(initial, Constant) and initial.value is None else initial
    while total is not None:
        yield total
        item = iterator.next(run)
        if item is None:
            return
        total = run.binary("+", total, item) if function is None else run.call(function, [total, item], {})


def _takewhile(run: Any, condition: Value, source: Value) -> Any:
    iterator = run.iterate(source)
    yield None
    while (item := iterator.next(run)) is not None and run.truth(run.call(condition, [item], {})):
        yield item


def _dropwhile(run: Any, condition: Value, source: Value) -> Any:
    iterator = run.iterate(source)
    yield None
    dropping = True
    while (item := iterator.next(run)) is not None:
        dropping = dropping and run.truth(run.call(condition, [item], {}))
        if not dropping:
            yield item


def _starmap(run: Any, function: Value, source: Value) -> Any:
    iterator = run.iterate(source)
    yield None
    while (item := iterator.next(run)) is not None:
        yield run.call(function, run.unpack(item), {})


def _pairwise(run: Any, source: Value) -> Any:
    iterator = run.iterate(source)
    yield None
    before = iterator.next(run)
    while before is not None and (item := iterator.next(run)) is not None:
        yield TupleValue([before, item])
        before = item


def _compress(run: Any, data: Value, selectors: Value) -> Any:
    items, chosen = run.iterate(data), run.iterate(selectors)
    yield None
    while (item := items.next(run)) is not None and (choice := chosen.next(run)) is not None:
        if run.truth(choice):
            yield item


def _filterfalse(run: Any, condition: Value, source: Value) -> Any:
    iterator = run.iterate(source)
    plain = isinstance(condition, Constant) and condition.value is None
    yield None
    while (item := iterator.next(run)) is not None:
        if not run.truth(item if plain else run.call(condition, [item], {})):
            yield item


def _batched(run: Any, source: Value, n: Value, *, strict: Value = Constant(False)) -> Any:
    iterator, size = run.iterate(source), index_of(run, n)
    if size < 1:
        raise run.raised(ValueError, "n must be at least one")
    yield None
    while (first := iterator.next(run)) is not None:
        batch = [first]
        while len(batch) < size and (item := iterator.next(run)) is not None:
            batch.append(item)
        if len(batch) < size and run.truth(strict):
            raise run.raised(ValueError, "batched(): incomplete batch")
        yield TupleValue(batch)


class _Groups:
    """What a groupby and its groups share: the item that was read last, and its key. A group ends where the key changes, or where the next group was asked for."""

    def __init__(self, run: Any, source: Value, key: Value) -> None:
        self.iterator = run.iterate(source)
        self.key = None if isinstance(key, Constant) and key.value is None else key
        self.current: tuple[Value, Value] | None = None  # key, item
        self.number = 0

    def advance(self, run: Any) -> bool:
        item = self.iterator.next(run)
        self.current = None if item is None else (item if self.key is None else run.call(self.key, [item], {}), item)
        return self.current is not None

    def steps(self, run: Any) -> Iterator[Value]:
        self.advance(run)
        while self.current is not None:
            self.number += 1
            target = self.current[0]
            yield TupleValue([target, born(run, StepIterator(GROUPER, self.members(run, target, self.number)))])
            while self.current is not None and run.alike(self.current[0], target):
                self.advance(run)

    def members(self, run: Any, target: Value, number: int) -> Iterator[Value]:
        while self.number == number and self.current is not None and run.alike(self.current[0], target):
            yield self.current[1]
            if self.number != number or not self.advance(run):
                return


GROUPER = type(next(itertools.groupby("a"))[1])


def _groupby(run: Any, iterable: Value, key: Value = Constant(None)) -> Any:
    groups = _Groups(run, iterable, key)
    yield None
    yield from groups.steps(run)


def tee(run: Any, source: Value, n: Value = Constant(2)) -> Value:
    """itertools.tee: iterators that share what one of them has read ahead."""
    iterator = run.iterate(source)
    read: list[Value] = []

    def steps() -> Iterator[Value]:
        position = 0
        while True:
            if position == len(read):
                item = iterator.next(run)
                if item is None:
                    return
                read.append(item)
            yield read[position]
            position += 1

    return TupleValue([born(run, StepIterator(TEE, steps())) for _ in range(index_of(run, n))])


TEE: type = type(itertools.tee(())[0])


def chain_from_iterable(run: Any, sources: Value) -> Value:
    """itertools.chain.from_iterable."""
    parts = run.iterate(sources)

    def steps() -> Iterator[Value]:
        while (part := parts.next(run)) is not None:
            iterator = run.iterate(part)
            while (item := iterator.next(run)) is not None:
                yield item

    return born(run, StepIterator(itertools.chain, steps()))


def born(run: Any, made: Value) -> Value:
    """An iterator that cannot be made again: where it is alive at the end of a graph, the graph ends before it was made."""
    made.born = run.step  # type: ignore[attr-defined]
    return made


ITERTOOLS: dict[type, Callable] = {
    itertools.chain: _steps(_chain),
    itertools.islice: _steps(_islice),
    itertools.count: _steps(_count),
    itertools.repeat: _steps(_repeat),
    itertools.cycle: _steps(_cycle),
    itertools.product: _steps(_product),
    itertools.combinations: _steps(_combinations(itertools.combinations)),
    itertools.permutations: _steps(_combinations(itertools.permutations)),
    itertools.zip_longest: _steps(_zip_longest),
    itertools.accumulate: _steps(_accumulate),
    itertools.takewhile: _steps(_takewhile),
    itertools.dropwhile: _steps(_dropwhile),
    itertools.starmap: _steps(_starmap),
    itertools.pairwise: _steps(_pairwise),
    itertools.compress: _steps(_compress),
    itertools.filterfalse: _steps(_filterfalse),
    itertools.groupby: _steps(_groupby),
    itertools.combinations_with_replacement: _steps(_combinations(itertools.combinations_with_replacement)),
}
if hasattr(itertools, "batched"):  # since 3.12
    ITERTOOLS[itertools.batched] = _steps(_batched)
