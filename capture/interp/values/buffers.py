"""Values of bytearrays and of memoryviews.

In come such objects, or the Values of bytes, out go Values on which every method and operator is the real one's, run during capture on a *model*: a bytearray that stands for the one of the
program, with real memoryviews of it. The one idea: bytes are plain data, so nothing of them need be written twice; only where the object is made or filled again is code emitted.
"""

from __future__ import annotations

import functools
import operator
import struct
from collections.abc import Callable
from typing import Any

from ... import guards
from ...sources import MISSING
from ..outcome import Break, Observed, Unbuildable
from .base import Value
from .constants import Constant, index_of
from .containers import TupleValue
from .iterators import SequenceIterator


class BufferValue(Value):
    """What bytearrays and memoryviews share."""

    model: Any

    def type(self) -> type:
        return type(self.model)

    def describe(self) -> str:
        return type(self.model).__name__

    def look(self, run: Any) -> Any:
        """The model, whose content matters from now on."""
        return self.model

    def plain(self, run: Any) -> Any:
        """What a function of plain data that neither keeps nor changes it gets."""
        return self.look(run)

    def memory(self) -> BytearrayValue | None:
        """The bytearray whose bytes these are."""
        raise NotImplementedError

    def carried_out(self, run: Any, function: Callable, *args: Any, step: Callable[[Any], None] | None = None) -> Value:
        """The result of a function of the model. `step` emits code that makes a new view of it."""
        memory = self.memory()
        before = bytes(memory.model) if memory is not None else b""
        try:
            found = run.concrete(function, *args)
        except Observed as observed:
            if observed.value.type() is BufferError:  # the views of the program may be gone already
                raise Break(f"resizing a {self.describe()} that has a view is not captured") from None
            raise
        if memory is not None and before != memory.model:
            run.journal.note(memory)
        if found is self.model:
            return self
        if isinstance(found, memoryview):
            if step is None:
                raise self.unsupported("another view")
            return MemoryviewValue(found, memory, step)
        return run.make(found)

    def operate(self, run: Any, function: Callable, operands: tuple[Value, ...]) -> Value:
        return self.carried_out(run, function, *(run.plain(value) for value in operands))

    def attribute(self, run: Any, name: str) -> Value:
        found = run.concrete(getattr, self.look(run), name)
        return run.builtin_method(self, name) if callable(found) else run.make(found)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name == "__exit__":
            args = [Constant(None)] * 3
        if name == "extend" and not isinstance(args[0], (Constant, BufferValue)):
            args = [TupleValue(run.unpack(args[0]))]
        method = getattr(self.look(run), name)
        named = {key: run.plain(value) for key, value in kwargs.items()}
        return self.carried_out(run, functools.partial(method, **named), *map(run.plain, args), step=lambda out: self.again(out, name, args, kwargs))

    def again(self, out: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> None:
        """Emit the call of a method."""
        if kwargs:
            raise Break(f"{name}() of a {self.describe()} with keywords is not captured")
        out.helper("call_method", self, Constant(name), *args)

    def item(self, run: Any, key: Value) -> Value:
        return self.carried_out(run, operator.getitem, self.look(run), run.python(key), step=lambda out: out.call(operator.getitem, self, key))

    def set_item(self, run: Any, key: Value, value: Value) -> None:
        if isinstance(value, (Constant, BufferValue)):
            plain = run.plain(value)
        else:
            plain = index_of(run, value) if type(key) is Constant else run.plain(TupleValue(run.unpack(value)))
        self.carried_out(run, operator.setitem, self.look(run), run.python(key), plain)

    def delete_item(self, run: Any, key: Value) -> None:
        self.carried_out(run, operator.delitem, self.look(run), run.python(key))

    def contains(self, run: Any, item: Value) -> bool:
        return run.concrete(operator.contains, self.look(run), run.plain(item))

    def length(self, run: Any) -> Value:
        return Constant(run.concrete(len, self.look(run)))

    def truth(self, run: Any) -> bool:
        return bool(self.length(run).value)  # type: ignore[attr-defined]

    def items_of(self, run: Any) -> list[Value]:
        return [Constant(item) for item in run.concrete(list, self.look(run))]

    def iterate(self, run: Any) -> Value:
        return run.sequence_iterator(TupleValue(self.items_of(run)))


class BytearrayValue(BufferValue):
    """A bytearray."""

    def __init__(self, model: bytearray, source: Any = None, real: Any = MISSING) -> None:
        self.model = model
        self.source = source
        self.real = real
        self.original = bytes(model) if real is not MISSING else None
        self.looked = False

    def look(self, run: Any) -> bytearray:
        if self.original is not None and not self.looked:
            self.looked = True
            run.guard(guards.Predicate((self.source,), functools.partial(operator.eq, self.original), f"{self.source.text()} == {self.original!r:.40}"))
        return self.model

    def memory(self) -> BytearrayValue:
        return self

    def iterate(self, run: Any) -> Value:
        return BytearrayIterator(self)

    def build(self, out: Any) -> None:
        out.call(bytearray, Constant(bytes(self.model)))

    def is_as_before(self) -> bool:
        return self.original == self.model

    def replay(self, out: Any) -> None:
        out.statement("fill_bytearray", self, Constant(bytes(self.model)))


class BytearrayIterator(SequenceIterator):
    """Over a bytearray, seen live."""

    python_type = type(iter(bytearray()))

    def type(self) -> type:
        return self.python_type

    def next(self, run: Any) -> Value | None:
        bytes_now: Any = self.sequence.look(run)  # type: ignore[attr-defined]
        if self.index >= len(bytes_now):
            self.sequence, self.index = BytearrayValue(bytearray()), 0
            return None
        self.index += 1
        return Constant(bytes_now[self.index - 1])


class MemoryviewValue(BufferValue):
    """A memoryview that the captured code makes."""

    def __init__(self, model: memoryview, owner: BytearrayValue | None, make: Callable[[Any], None]) -> None:
        self.model = model
        self.owner = owner
        self.make = make

    def memory(self) -> BytearrayValue | None:
        return self.owner

    def attribute(self, run: Any, name: str) -> Value:
        if name == "obj" and self.owner is not None:
            return self.owner
        return super().attribute(run, name)

    def build(self, out: Any) -> None:
        owner = self.owner
        if owner is not None and owner.original is not None and len(owner.original) != len(owner.model):
            raise Unbuildable(self, "a memoryview of a bytearray from outside that has another length now is not captured")
        try:
            len(self.model)
        except ValueError:
            raise Unbuildable(self, "a memoryview that was released is not captured") from None
        self.make(out)


def new_bytearray(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) == 1 and not kwargs and not isinstance(args[0], (Constant, BufferValue)):
        args = [TupleValue(run.unpack(args[0]))] if args[0].type() is not int else args
    return BytearrayValue(run.concrete(bytearray, *map(run.plain, args), **{name: run.plain(value) for name, value in kwargs.items()}))


def new_memoryview(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) != 1 or kwargs or not isinstance(args[0], (Constant, BufferValue)):
        raise Break("a memoryview of this object is not captured")
    (of,) = args
    return MemoryviewValue(run.concrete(memoryview, run.plain(of)), of.memory() if isinstance(of, BufferValue) else None, lambda out: out.call(memoryview, of))


def pack_into(run: Any, pattern: Value, buffer: Value, *rest: Value) -> Value:
    """`struct.pack_into`, of which `pattern` is the format or a Struct."""
    if not isinstance(buffer, BufferValue):
        raise Break(f"packing into a {buffer.describe()} is not captured")
    return buffer.carried_out(run, struct.pack_into, run.plain(pattern), buffer.look(run), *map(run.plain, rest))


def wrap_bytearray(run: Any, obj: bytearray, source: Any) -> Value:
    run.guard(guards.TypeIs(source, bytearray))
    return BytearrayValue(bytearray(obj), source, obj)
