"""Values of functions with a cache: functools.lru_cache and cache.

In come arguments, out goes what the cached function gives for them. The one idea: such a function is called for real, once during capture and once by a guard at each call after,
so its cache holds, counts and forgets what it would eagerly; what it gave is a constant while the guard gets that very object. Sizes that vary are no keys of a
cache that a graph could look into: for them the function behind the cache is followed, where it gives numbers and texts that are computed, not kept or drawn.
"""

from __future__ import annotations

import functools
import gc
from typing import Any

from ... import guards, sources
from ..outcome import Break
from .base import MISSING, Value
from .classes import ClassValue
from .constants import Constant, SymIntValue
from .containers import ListValue, TupleValue
from .functions import KnownValue
from .mappings import DictValue
from .modules import ModuleValue
from .objects import ObjectValue
from .running import RunningIterator
from .state import ModesValue, modes, set_modes


class CachedValue(KnownValue):
    """A function that lru_cache made."""

    def describe(self) -> str:
        return f"cached function {getattr(self.real, '__qualname__', '')}"

    def attribute(self, run: Any, name: str) -> Value:
        if name == "__wrapped__":
            return run.wrap(self.real.__wrapped__, sources.Attribute(sources.Constant(self.real, self.describe()), name))
        return super().attribute(run, name)

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if any(_varies(run, value) for value in (*args, *kwargs.values())):
            found = self.attribute(run, "__wrapped__").call(run, args, kwargs)
            if not _is_plain(run, found):
                raise Break(f"what the {self.describe()} gives for a size that varies is not captured: it may be an object that the cache keeps")
            return found
        plain = tuple(self.plain(run, arg) for arg in args)
        named = {name: self.plain(run, value) for name, value in kwargs.items()}
        run.only_here = "what a cached function gave holds for this process only"
        path = sources.Constant(self.real, self.describe())
        behind = bool(run.journal.effects) or any(type(changed) not in (ModesValue, RunningIterator) for changed in run.journal.entries.values())
        if behind and not keeps(self.real, plain, named):  # it would run, and read objects as they were before
            missing = guards.Predicate((path,), functools.partial(lacks, plain, tuple(named.items())))
            raise Break(f"a first call of the {self.describe()} behind changes of objects from outside is not captured", "call it first", missing)
        found = self.found(run, plain, named)
        run.guard(guards.Predicate((path,), Gives(guards.Is(path, found).value, behind, plain, named)))
        return run.wrap(found, sources.Constant(found, f"result of the {self.describe()}"))

    def found(self, run: Any, args: tuple, named: dict[str, Any]) -> Any:
        """What the function gives. Attempts at one frame are one call of the program: the cache counts it once."""
        call, calls, place = (self.real, args, named, [*map(type, args), *map(type, named.values())]), run.knowledge.cached, run.cached_calls
        run.cached_calls += 1
        if place < len(calls) and calls[place][0] == call:
            return calls[place][1]
        inside = modes()
        with run.outside():
            set_modes(inside)  # as they stand here: `with no_grad():` around the call
            try:
                made = self.real(*args, **named)
            except Exception as error:
                raise Break(f"the {self.describe()} raised {type(error).__name__}") from None
        calls[place:] = [(call, made)]
        return made

    def plain(self, run: Any, value: Value) -> Any:
        if isinstance(value, Constant) or (isinstance(value, TupleValue) and all(isinstance(item, Constant) for item in value.items_of(run))):
            return value.python(run)
        if isinstance(value, TupleValue) and value.cls is tuple:
            return tuple(self.plain(run, item) for item in value.items_of(run))
        if isinstance(value, ObjectValue) and value.real is not MISSING and type(value.real).__hash__ is object.__hash__ and type(value.real).__eq__ is object.__eq__:
            run.guard(guards.Is(value.source, value.real))  # a key by its identity
            return value.real
        if type(value) in (ClassValue, ModuleValue):
            return value.real
        raise Break(f"a {value.describe()} as an argument of the {self.describe()} is not captured")


def _varies(run: Any, value: Value) -> bool:
    return isinstance(value, SymIntValue) or (isinstance(value, TupleValue) and any(_varies(run, item) for item in value.items_of(run)))


def _is_plain(run: Any, value: Value) -> bool:
    if isinstance(value, (TupleValue, ListValue)):
        return all(_is_plain(run, item) for item in value.items_of(run))
    if isinstance(value, DictValue):
        return all(_is_plain(run, value.get(run, key)) for key in list(value.entries))
    return type(value) in (Constant, SymIntValue)


class Gives:
    """Whether a cached function gives the object that it gave during capture, and without running where it must be `kept`. `expected` holds the object.

    The first check is that of the frame that was captured, whose call the cache has counted.
    """

    def __init__(self, expected: Any, kept: bool, args: tuple, named: dict[str, Any]) -> None:
        self.expected = expected
        self.kept = kept
        self.args = args
        self.named = named
        self.counted = True

    def __call__(self, function: Any) -> bool:
        counted, self.counted = self.counted, False
        held = (counted or self.kept) and keeps(function, self.args, self.named)
        if counted and held:
            return True
        return (held or not self.kept) and function(*self.args, **self.named) is self.expected.target()


def lacks(args: tuple, named: tuple, function: Any) -> bool:
    return not keeps(function, args, dict(named))


def keeps(function: Any, args: tuple, named: dict[str, Any]) -> bool:
    """Whether the cache of a function has an answer. It cannot be asked without a call that runs the function or is counted, but the collector shows the dict that it is."""
    parts = gc.get_referents(function)
    key: Any = args
    if named:
        key += (next((part for part in parts if type(part) is object), None), *(item for pair in named.items() for item in pair))
    if function.cache_parameters()["typed"]:
        key += (*map(type, args), *map(type, named.values()))
    elif not named and len(args) == 1 and type(args[0]) in (int, str):
        key = args[0]
    return any(type(part) is dict and part is not function.__dict__ and key in part for part in parts)
