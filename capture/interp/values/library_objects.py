"""Values of objects of Python's and NumPy's library that the captured code makes of plain data, and that do the same whenever they are made: hashes, generators of random numbers with a seed,
buffers of text, arrays of numbers.

In come the constructor and the methods that are called, with plain data; out goes plain data. The one idea: such an object is really made during capture, and its methods are really called; where it must
exist behind the graph, it is made anew there and the same methods are called again.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..outcome import Break
from ..rebuild import remade
from .base import Value, method
from .constants import Constant, SymIntValue, constant
from .containers import ListValue, Sequence, TupleValue
from .mappings import DictValue
from .ranges import RangeValue

BLOCKS: dict[str, Callable] = {}
PICKS = ("choice", "choices", "sample", "shuffle")  # methods that pick from a sequence, or mix it, as they do with its places
SEEDED = (random.Random, np.random.default_rng, np.random.RandomState)
CHANGES_ARGUMENTS = ("readinto", "shuffle", "tofile", "fromfile")


class LibraryObject(Value):
    """One object. `made` is how it came about: the constructor with its arguments; `calls` are those that followed; `model` is what stands in for it during capture."""

    methods: ClassVar[dict[str, Callable]] = BLOCKS

    def __init__(self, run: Any, maker: Any, args: tuple, named: dict[str, Any], calls: tuple = ()) -> None:
        self.made = maker, copy.deepcopy(args), copy.deepcopy(named)  # what is given may change
        self.calls = [*calls]
        self.model: Any = run.concrete(remade, self.made, self.calls)
        self.born = run.step

    def type(self) -> type:
        return type(self.model)

    def truth(self, run: Any) -> bool:
        return bool(self.model)

    def attribute(self, run: Any, name: str) -> Value:
        if name == "__class__" or not hasattr(self.model, name):
            return super().attribute(run, name)
        found = getattr(self.model, name)
        return run.builtin_method(self, name) if callable(found) else run.make(found)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name in BLOCKS:
            return BLOCKS[name](self, run, *args)
        if name in PICKS and args and isinstance(args[0], Sequence) and (isinstance(self.model, random.Random) or name == "shuffle"):
            return self.pick(run, name, args, kwargs)
        return self.called(run, name, tuple(plain_data(run, arg) for arg in args), {key: plain_data(run, value) for key, value in kwargs.items()})

    def called(self, run: Any, name: str, args: tuple = (), named: Any = {}) -> Value:  # noqa: B006
        if name.startswith(CHANGES_ARGUMENTS) or "out" in named:
            raise Break(f"{name}() of a {self.describe()}, which changes its argument, is not captured")
        if name == "copy":
            return LibraryObject(run, *self.made, tuple(self.calls))
        given = copy.deepcopy((name, args, named))
        result = run.concrete(getattr(self.model, name), *args, **named)
        self.calls.append(given)
        return self if result is self.model else run.make(result)

    def pick(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """What random numbers pick from a sequence of any objects."""
        sequence: Any = args[0]
        items = sequence.items_of(run)
        places, rest, named = list(range(len(items))), [plain_data(run, arg) for arg in args[1:]], {key: plain_data(run, value) for key, value in kwargs.items()}
        self.calls.append((name, (places[:], *rest), named))
        found = run.concrete(getattr(self.model, name), places, *rest, **named)
        if name != "shuffle":
            return items[found] if name == "choice" else ListValue([items[place] for place in found])
        if not isinstance(sequence, ListValue):
            raise Break(f"shuffling a {sequence.describe()} is not captured")
        sequence.items[:] = [items[place] for place in places]
        sequence.changed(run)
        return constant(None)

    def item(self, run: Any, key: Value) -> Value:
        return self.called(run, "__getitem__", (plain_data(run, key),))

    def set_item(self, run: Any, key: Value, value: Value) -> None:
        self.called(run, "__setitem__", (plain_data(run, key), plain_data(run, value)))

    def delete_item(self, run: Any, key: Value) -> None:
        self.called(run, "__delitem__", (plain_data(run, key),))

    def contains(self, run: Any, item: Value) -> bool:
        return run.concrete(self.model.__contains__, plain_data(run, item))

    def length(self, run: Any) -> Value:
        return constant(run.concrete(len, self.model))

    def iterate(self, run: Any) -> Value:
        return self if hasattr(self.model, "__next__") else run.sequence_iterator(run.make(run.concrete(list, self.model)))

    def next(self, run: Any) -> Value | None:
        found = run.concrete(next, self.model, None)  # a line, of which none is None
        self.calls += [("__next__", (), {})] if found is not None else []
        return None if found is None else run.make(found)

    def build(self, out: Any) -> None:
        out.helper("remade", Constant(self.made), Constant(tuple(self.calls)))


@method(BLOCKS, "__enter__")
def _enter(self: LibraryObject, run: Any) -> Value:
    return self


@method(BLOCKS, "__exit__")
def _leave(self: LibraryObject, run: Any, *details: Value) -> Value:
    self.called(run, "close")
    return constant(None)


def making(maker: Any) -> Callable:
    """The handler of a constructor, or of a function that makes such an object."""

    def handler(run: Any, *args: Value, **kwargs: Value) -> Value:
        plain, named = tuple(plain_data(run, arg) for arg in args), {name: plain_data(run, value) for name, value in kwargs.items()}
        if maker in SEEDED and not any(seed is not None for seed in (*plain, *named.values())):
            raise Break(f"{maker.__name__}() without a seed is not captured", "give it a seed, or make it outside of the compiled function")
        return LibraryObject(run, maker, plain, named)

    return handler


def plain_data(run: Any, value: Value) -> Any:
    """Numbers, texts and containers of these, as real code may read them. Raises Break for anything else."""
    if isinstance(value, SymIntValue):
        return int(value.symbol)
    if isinstance(value, Constant):
        return value.value
    if isinstance(value, RangeValue) or hasattr(value, "look"):
        return run.plain(value)
    if isinstance(value, (TupleValue, ListValue)):
        items = [plain_data(run, item) for item in value.items_of(run)]
        return items if isinstance(value, ListValue) and value.cls is list else tuple.__new__(value.cls, items)
    if type(value) is DictValue and value.cls is dict:
        return {plain_data(run, key): plain_data(run, item) for key, item in run.pairs(value)}
    found = run.python(value)
    if isinstance(found, (np.ndarray, np.generic, set, frozenset)):
        return found
    raise Break(f"a {value.describe()} in the hands of Python's library is not captured", "pass numbers and texts")
