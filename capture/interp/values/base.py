"""What a Value is: what the symbolic interpreter knows about one Python object of the user's program.

Every kind of object has a subclass. What can be done with an object is a slot, a method here: attribute, call, item, iterate, truth ... In come other
Values and the running attempt (`run`), out go Values. The one idea: a slot that a kind does not answer breaks the graph and says so; so what nobody thought
of is never wrong, only eager.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ...sources import MISSING
from ..outcome import Break, NotPython, Unbuildable


class Value:
    """One object. `source` says how the frame reaches it (None: made during capture), `real` is the object itself where it exists already."""

    source: Any = None
    real: Any = MISSING
    methods: ClassVar[dict[str, Callable]] = {}
    held_by: Callable[[], Any] = staticmethod(lambda: None)

    @property
    def holder(self) -> Any:
        """The object whose builtin part this is, or None, see contained.py. It is not held: objects of the user would wait for the garbage collector."""
        return self.held_by()

    def type(self) -> type:
        """The exact Python class of the object."""
        raise NotImplementedError(self.__class__.__name__)

    def python(self, run: Any) -> Any:
        """The object as real code may use it during capture: constants, twins, and containers of them. Raises NotPython."""
        raise NotPython(self.describe())

    def describe(self) -> str:
        """A few words for messages."""
        return f"{self.type().__name__} object"

    def identity(self) -> Any:
        """The object whose identity stands for this Value's."""
        return self if self.real is MISSING else self.real

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} {self.describe()}{'' if self.source is None else f' from {self.source}'}>"

    # -- slots --------------------------------------------------------------------------------------------------------

    def unsupported(self, what: str, suggestion: str = "") -> Break:
        return Break(f"{what} of a {self.describe()} is not captured", suggestion)

    def attribute(self, run: Any, name: str) -> Value:
        if name in self.methods:
            return run.builtin_method(self, name)
        if name == "__class__":
            return run.wrap_known(self.type())
        if not hasattr(self.type(), name):
            raise run.raised(AttributeError, f"'{self.type().__name__}' object has no attribute '{name}'")
        raise self.unsupported(f"attribute '{name}'")

    def has_attribute(self, run: Any, name: str) -> bool:
        """`hasattr` without evaluating a property where that can be known from the type."""
        return run.attribute_or_none(self, name) is not None

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        raise self.unsupported(f"setting attribute '{name}'")

    def delete_attribute(self, run: Any, name: str) -> None:
        raise self.unsupported(f"deleting attribute '{name}'")

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        raise self.unsupported("a call")

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A method from the table `methods` of the kind."""
        if name not in self.methods:
            raise self.unsupported(f"method '{name}'")
        return self.methods[name](self, run, *args, **kwargs)

    def item(self, run: Any, key: Value) -> Value:
        raise self.unsupported("indexing")

    def set_item(self, run: Any, key: Value, value: Value) -> None:
        raise self.unsupported("storing an item")

    def delete_item(self, run: Any, key: Value) -> None:
        raise self.unsupported("deleting an item")

    def contains(self, run: Any, item: Value) -> bool:
        raise self.unsupported("'in'")

    def iterate(self, run: Any) -> Value:
        """An iterator Value, one that has `next`."""
        raise self.unsupported("iteration")

    def next(self, run: Any) -> Value | None:
        """The next item of an iterator; None when there are no more."""
        raise self.unsupported("next()")

    def truth(self, run: Any) -> bool:
        raise self.unsupported("the truth value")

    def length(self, run: Any) -> Value:
        raise self.unsupported("len()")

    def items_of(self, run: Any) -> list[Value] | None:
        """All items of a sequence whose length is known, without the detour over an iterator; None for other objects."""
        return None

    # -- output -------------------------------------------------------------------------------------------------------

    def build(self, out: Any) -> None:
        """Emit code that makes the object anew and leaves it on the stack. Only called for a Value without a source."""
        raise Unbuildable(self, f"a {self.describe()} cannot be rebuilt behind a graph break")

    def replay(self, out: Any) -> None:
        """Emit the stores that bring the real object to the state it has at the end of the capture. For Values in the journal."""
        raise NotImplementedError(self.__class__.__name__)

    def is_as_before(self) -> bool:
        """Whether all that was written to the object was put back. For Values in the journal."""
        return False


class Existing(Value):
    """What all Values of objects that exist already, and are taken as they are, have in common."""

    def __init__(self, real: Any, source: Any = None) -> None:
        self.real = real
        self.source = source

    def type(self) -> type:
        return type(self.real)

    def build(self, out: Any) -> None:
        out.constant(self.real)


def method(table: dict[str, Callable], *names: str) -> Callable[[Callable], Callable]:
    """Enter a function into a table of methods under each of `names`."""

    def enter(function: Callable) -> Callable:
        for name in names:
            table[name] = function
        return function

    return enter
