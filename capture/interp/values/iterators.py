"""Values of iterators: over sequences, dicts, zip, enumerate, map, filter, reversed, and generators. Those of itertools are in steps.py.

An iterator Value steps as Python's does, one `next` at a time, so that whoever consumes it part of the way leaves the right rest. Those over sequences can be
rebuilt behind a graph break at the place where they stand; a generator that is still alive there cannot, and so the graph ends before it is made.
"""

from __future__ import annotations

import sys
from typing import Any

from ..outcome import Break, Observed, Unbuildable
from .base import Value
from .constants import Constant, constant, index_of
from .containers import ListValue, Sequence, TupleValue
from .exceptions import ExceptionValue
from .ranges import RangeValue

CLOSE_GIVES_RESULT = sys.version_info >= (3, 13)


class IteratorValue(Value):
    """What iterators share: they iterate over themselves."""

    python_type: type = type(iter([]))

    def type(self) -> type:
        return self.python_type

    def iterate(self, run: Any) -> Value:
        return self

    def truth(self, run: Any) -> bool:
        return True

    def attribute(self, run: Any, name: str) -> Value:
        if name in ("__next__", "__iter__"):
            return run.builtin_method(self, name)
        return super().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name == "__iter__":
            return self
        found = self.next(run)
        if found is None:
            raise run.raised(StopIteration)
        return found


class SequenceIterator(IteratorValue):
    """Over a list (seen live, as Python does), tuple, range or string."""

    def __init__(self, sequence: Value) -> None:
        self.sequence = sequence
        self.index = 0

    def type(self) -> type:
        return type(iter(self.sequence.type()()) if self.sequence.type() in (list, tuple, str, bytes) else iter(range(0)))

    def next(self, run: Any) -> Value | None:
        sequence = self.sequence
        if isinstance(sequence, Sequence):
            if self.index >= len(sequence.items):
                self.sequence = TupleValue([])
                return None
            found = sequence.get(run, self.index)
        elif isinstance(sequence, RangeValue):
            if not sequence.has(self.index):
                return None
            found = sequence.at(run, self.index)
        else:
            known = sequence.value  # type: ignore[attr-defined]
            if self.index >= len(known):
                return None
            found = Constant(known[self.index])
        self.index += 1
        return found

    def build(self, out: Any) -> None:
        out.helper("sequence_iterator", self.sequence, Constant(self.index))


class DictIterator(IteratorValue):
    """Over a dict's keys, values or items."""

    def __init__(self, view: Any) -> None:
        self.view = view
        self.keys = list(view.owner.entries)
        self.removals = view.owner.removals
        self.index = 0

    def is_changed(self) -> bool:
        """Whether keys came or went since the start: what CPython's iterator then gives depends on the places in its table."""
        return self.view.owner.removals != self.removals or list(self.view.owner.entries) != self.keys

    def type(self) -> type:
        return type(iter(getattr({}, self.view.kind)()))

    def next(self, run: Any) -> Value | None:
        if len(self.view.owner.entries) != len(self.keys):
            raise run.raised(RuntimeError, "dictionary changed size during iteration")
        if self.is_changed():
            raise Unbuildable(self, "a dict whose keys change while it is iterated over is not captured")
        if self.index >= len(self.keys):
            return None
        self.index += 1
        return self.view.entry(run, self.keys[self.index - 1])

    def build(self, out: Any) -> None:
        if self.is_changed():
            raise Unbuildable(self, "an iterator of a dict that has changed cannot be made again behind a graph break")
        out.helper("advanced_iterator", self.view, Constant(self.index))


class SetIterator(IteratorValue):
    """Over a set; one that changes size meanwhile ends it."""

    python_type: type = type(iter(set()))

    def __init__(self, owner: Any, items: list[Value]) -> None:
        self.owner = owner
        self.items = items
        self.index = 0

    def next(self, run: Any) -> Value | None:
        if len(self.owner.entries) != len(self.items):
            raise run.raised(RuntimeError, "Set changed size during iteration")
        if self.index >= len(self.items):
            return None
        self.index += 1
        return self.items[self.index - 1]

    def build(self, out: Any) -> None:
        if list(self.owner.entries.values()) != self.items and set(map(id, self.owner.entries.values())) != set(map(id, self.items)):
            raise Unbuildable(self, "an iterator of a set that has changed cannot be made again behind a graph break")
        out.helper("sequence_iterator", TupleValue(self.items), Constant(self.index))


class ReversedIterator(IteratorValue):
    """reversed(x) of a list, seen live, or a tuple."""

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self.index = len(sequence.items) - 1

    def type(self) -> type:
        return type(reversed([])) if isinstance(self.sequence, ListValue) else reversed

    def next(self, run: Any) -> Value | None:
        if not 0 <= self.index < len(self.sequence.items):
            self.sequence, self.index = TupleValue([]), -1
            return None
        self.index -= 1
        return self.sequence.get(run, self.index + 1)

    def build(self, out: Any) -> None:
        out.helper("reversed_iterator", self.sequence, Constant(self.index))


class ReversedItems(IteratorValue):
    """reversed(x) of a user's object that has a length and is indexed."""

    python_type = reversed

    def __init__(self, owner: Value, length: int) -> None:
        self.owner = owner
        self.index = length - 1

    def next(self, run: Any) -> Value | None:
        if self.index < 0:
            return None
        self.index -= 1
        try:
            return self.owner.item(run, Constant(self.index + 1))
        except Observed as observed:
            if not issubclass(observed.value.type(), (IndexError, StopIteration)):
                raise
            self.index = -1
            return None

    def build(self, out: Any) -> None:
        out.helper("reversed_iterator", self.owner, Constant(self.index))


class EnumerateValue(IteratorValue):
    """enumerate(iterator, start)."""

    python_type = enumerate

    def __init__(self, iterator: Value, start: int = 0) -> None:
        self.iterator = iterator
        self.count = start

    def next(self, run: Any) -> Value | None:
        found = self.iterator.next(run)
        if found is None:
            return None
        self.count += 1
        return TupleValue([Constant(self.count - 1), found])

    def build(self, out: Any) -> None:
        out.call(enumerate, self.iterator, Constant(self.count))


class ZipValue(IteratorValue):
    """zip(*iterators, strict=...)."""

    python_type = zip

    def __init__(self, iterators: list[Value], strict: bool = False) -> None:
        self.iterators = iterators
        self.strict = strict

    def next(self, run: Any) -> Value | None:
        found: list[Value] = []
        for position, iterator in enumerate(self.iterators):
            item = iterator.next(run)
            if item is None:
                if self.strict:
                    self.check_lengths(run, position)
                return None
            found.append(item)
        return TupleValue(found) if found else None

    def check_lengths(self, run: Any, position: int) -> None:
        """zip(strict=True): the iterator at `position` has ended; those before must not have given an item, those behind must end too."""
        if position:
            raise run.raised(ValueError, f"zip() argument {position + 1} is shorter than argument{_up_to(position)}")
        for place, other in enumerate(self.iterators[1:], 1):
            if other.next(run) is not None:
                raise run.raised(ValueError, f"zip() argument {place + 1} is longer than argument{_up_to(place)}")

    def build(self, out: Any) -> None:
        if self.strict:
            out.helper("strict_zip", TupleValue(self.iterators))
        else:
            out.call(zip, *self.iterators)


def _up_to(count: int) -> str:
    return " 1" if count == 1 else f"s 1-{count}"


class MapValue(IteratorValue):
    """map(function, *iterators)."""

    python_type = map

    def __init__(self, function: Value, iterators: list[Value]) -> None:
        self.function = function
        self.iterators = iterators

    def next(self, run: Any) -> Value | None:
        found: list[Value] = []
        for iterator in self.iterators:
            item = iterator.next(run)
            if item is None:
                return None
            found.append(item)
        return run.call(self.function, found, {})

    def build(self, out: Any) -> None:
        out.call(map, self.function, *self.iterators)


class FilterValue(IteratorValue):
    """filter(function, iterator)."""

    python_type = filter

    def __init__(self, function: Value, iterator: Value) -> None:
        self.function = function
        self.iterator = iterator

    def next(self, run: Any) -> Value | None:
        while (item := self.iterator.next(run)) is not None:
            plain = isinstance(self.function, Constant) and self.function.value is None
            if run.truth(item if plain else run.call(self.function, [item], {})):
                return item
        return None

    def build(self, out: Any) -> None:
        out.call(filter, self.function, self.iterator)


class GeneratorValue(IteratorValue):
    """A generator: a symbolic frame that stands still between two `next`."""

    python_type = type(_ for _ in ())

    def __init__(self, frame: Any) -> None:
        self.frame = frame
        self.finished = False
        self.started = False
        self.running = False
        self.handled: Value = constant(None)  # the exception that it handles while it stands still
        self.outer: Any = None  # the frame that took from it last by `yield from`

    def check_end(self, run: Any) -> None:
        """Raise Unbuildable where it is left standing and something happens when it is dropped: within a `try` or a `with`, or in a `yield from` of what has a close()."""
        if not self.started or self.finished:
            return
        inner = self.frame.delegates_to()
        if self.frame.ends_with_more() or (inner is not None and not isinstance(inner, GeneratorValue) and hasattr(inner.type(), "close")):
            raise Unbuildable(self, "a generator that is left standing where something happens when it is dropped is not captured")

    def check_alone(self) -> None:
        """Raise Break where a generator that stands in a `yield from` of this one would close it when it is dropped, which may have happened."""
        if self.outer is not None and self.outer.delegates_to() is self:
            raise Break("taking from a generator in whose 'yield from' another one stands is not captured")

    def next(self, run: Any) -> Value | None:
        self.check_alone()
        return self.send(run, constant(None))

    def send(self, run: Any, value: Value, error: Value | None = None) -> Value | None:
        """Go on to the next yield; None when the generator returns. The returned value is kept in `result`."""
        if self.finished:
            if error is not None:
                raise Observed(error, again=True)
            self.result: Value = constant(None)
            return None
        if self.running:
            raise run.raised(ValueError, "generator already executing")
        if error is not None and self.frame.delegates_to() is not None:
            raise Break("an exception that is thrown into a generator where it stands in a 'yield from' is not captured")
        if not self.started and not (isinstance(value, Constant) and value.value is None):
            raise run.raised(TypeError, "can't send non-None value to a just-started generator")
        self.running = True
        run.handling.append(self.handled)
        try:
            outcome = self.frame.resume(value if self.started else None, error)
        except Observed as observed:
            self.finished = True
            if issubclass(observed.value.type(), StopIteration):
                problem = run.raised(RuntimeError, "generator raised StopIteration").value
                for link in ("__cause__", "__context__"):
                    problem.set_link(run, link, observed.value)
                raise Observed(problem, again=True) from None
            raise
        finally:
            self.running = False
            self.started = True
            self.handled = run.handling.pop()
        kind, result = outcome
        if kind == "yield":
            return result
        self.finished = True
        self.result = result
        return None

    def attribute(self, run: Any, name: str) -> Value:
        if name in ("send", "throw", "close"):
            return run.builtin_method(self, name)
        return super().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        self.check_alone()
        if name == "send":
            return self.yielded(run, self.send(run, args[0]))
        if name == "throw":
            return self.yielded(run, self.send(run, constant(None), thrown(run, *args)))
        if name == "close":
            found = self.close(run) if self.started and not self.finished else constant(None)
            self.finished = True
            return found
        return super().call_method(run, name, args, kwargs)

    def close(self, run: Any) -> Value:
        leaving = run.as_exception(run.wrap_known(GeneratorExit))
        leaving.chain(run)
        try:
            if self.send(run, constant(None), leaving) is not None:
                raise run.raised(RuntimeError, "generator ignored GeneratorExit")
        except Observed as observed:
            if not issubclass(observed.value.type(), (GeneratorExit, StopIteration)):
                raise
            return constant(None)
        return self.result if CLOSE_GIVES_RESULT else constant(None)

    def yielded(self, run: Any, found: Value | None) -> Value:
        if found is None:
            raise run.raised_with(StopIteration, *([] if isinstance(self.result, Constant) and self.result.value is None else [self.result]))
        return found


def thrown(run: Any, what: Value, value: Value | None = None, traceback: Value | None = None) -> Value:
    """What `throw(what, value, traceback)` raises: the value, made by its class where it is none yet."""
    if isinstance(value, ExceptionValue):
        error = value
    elif value is None or (isinstance(value, Constant) and value.value is None):
        error = run.as_exception(what)
    else:
        error = run.call(what, value.items_of(run) if isinstance(value, TupleValue) else [value], {})
    if traceback is not None and not (isinstance(traceback, Constant) and traceback.value is None):
        error.set_traceback(traceback)
    return error


def make_reversed(run: Any, value: Value) -> Value:
    """reversed(x) of a sequence or dict of known length, or of an object that is indexed or says itself what that is."""
    if isinstance(value, RangeValue):
        return SequenceIterator(value.backwards())
    own = run.special_method(value, "__reversed__") if hasattr(value, "dunder") else None
    if own is not None:
        return run.call(own, [], {})
    if not any(hasattr(value.type(), name) for name in ("__reversed__", "__getitem__")):
        raise run.raised(TypeError, f"'{value.type().__name__}' object is not reversible")
    if "__reversed__" in value.methods:
        return value.call_method(run, "__reversed__", [], {})
    items = value.items_of(run)
    if items is None and hasattr(value, "dunder") and run.special_method(value, "__len__") is not None and run.special_method(value, "__getitem__") is not None:
        return ReversedItems(value, index_of(run, value.length(run)))
    if items is None:
        raise Break(f"reversed() of a {value.describe()} is not captured")
    return ReversedIterator(value) if isinstance(value, (ListValue, TupleValue)) else SequenceIterator(TupleValue(items[::-1]))


