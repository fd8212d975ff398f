"""Values of instances of users' classes that derive from a builtin class that holds something: a Counter, a dict whose keys are attributes, what a model returns, a str with
methods, a float with a unit.

In come a class and what it holds, out goes an instance like any other. The one idea: CPython keeps the builtin part and the attributes of such an object side by side, so its contents
are a Value of their own, to which the builtin class's methods go, however the class's own methods come to them.
"""

from __future__ import annotations

import collections
import weakref
from collections.abc import Callable
from typing import Any

from ... import guards, sources
from ...sources import MISSING
from ..outcome import Break
from .base import Value
from .constants import Constant, SymIntValue, constant
from .containers import ListValue, TupleValue
from .mappings import DictValue
from .objects import ObjectValue
from .sets import SetValue

BARE: dict[Any, Callable[[Any], Any]] = {  # those whose contents never change, and what gives the builtin part past the methods of the class
    str: str.__str__, int: int.__int__, float: float.__float__, complex: complex.__complex__, bytes: lambda given: bytes.__getitem__(given, slice(None)),
}  # fmt: skip
PLAIN = tuple(BARE)
HELD = (collections.OrderedDict, dict, list, set, frozenset, tuple, *PLAIN)  # the builtin classes, the most special first
TEXTS = ("__str__", "__repr__", "__format__")
OF_TUPLES = frozenset({"__getnewargs__", "__replace__", "__reduce__", "__orig_bases__", "__class_getitem__", "__init_subclass__", "__parameters__", "__type_params__", "__static_attributes__"})
NO_BEHAVIOUR = frozenset({
    "__module__", "__doc__", "__dict__", "__weakref__", "__slots__", "__init__", "__new__", "__annotations__", "__firstlineno__", "__static_attributes__", "__match_args__", *TEXTS,
})  # fmt: skip


def held_class(cls: type) -> type | None:
    """The builtin class of HELD that a class derives from."""
    return next((base for base in HELD if issubclass(cls, base)), None)


def overrides(cls: type, *names: str) -> bool:
    """Whether a class has one of these methods from elsewhere than its builtin class."""
    base = held_class(cls)
    return any(getattr(cls, name, None) is not getattr(base, name, None) for name in names)


class ContainerObject(ObjectValue):
    """An instance whose builtin part is `contents`."""

    def __init__(self, cls: type, contents: Any = None, real: Any = MISSING, source: Any = None) -> None:
        super().__init__(cls, real, source)
        self.contents: Any = contents
        self.contents.held_by = weakref.ref(self)

    def builtin_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A method of the builtin class, called on this object."""
        special = SPECIAL.get(name)
        if special is not None:
            return special(self, run, *args, **kwargs)
        symbol, in_place, turned = OPERATORS.get(name, ("", False, False))
        if symbol:
            return self.operate(run, symbol, in_place, turned, args[0])
        if name not in self.contents.methods or (name == "copy" and self.contents.cls is collections.OrderedDict):
            raise Break(f"{self.contents.cls.__name__}.{name} of a {self.describe()} is not captured")
        return self.contents.call_method(run, name, args, kwargs)

    def operate(self, run: Any, symbol: str, in_place: bool, turned: bool, other: Value) -> Value:
        other = other.contents if isinstance(other, ContainerObject) else other
        if not isinstance(other, (ListValue, TupleValue, DictValue, SetValue)) and symbol not in ("*", "+"):
            return constant(NotImplemented)
        if symbol in COMPARED:
            return run.compare(symbol, self.contents, other) if type(other) is type(self.contents) else constant(NotImplemented)
        if in_place:
            run.inplace(symbol, self.contents, other)
            return self
        return run.binary(symbol, *((other, self.contents) if turned else (self.contents, other)))

    def build(self, out: Any) -> None:
        out.helper("new_container", Constant(self.cls), Constant(held_class(self.cls)))
        out.remember(self)
        if isinstance(self.contents, ListValue):
            out.statement("extend_list", self, ListValue(self.contents.items))
        elif isinstance(self.contents, SetValue):
            out.statement("change_set", self, Constant("update"), ListValue([self.contents.entries[place] for place in self.contents.shadow]))
        else:
            for key, value in self.contents.entries.values():
                out.statement("store_item", self, key, value)
        self.store_attributes(out)


class PlainObject(ContainerObject):
    """An instance whose builtin part never changes: text, a number, bytes, a frozenset."""

    def python(self, run: Any) -> Any:
        """Real code may have the builtin part alone where the class changes nothing of its behaviour."""
        return self.contents.python(run) if not run.keeps and self.is_plain(run) else super().python(run)

    def is_plain(self, run: Any) -> bool:
        found = is_plain(self.cls)
        if found:
            run.guard(guards.Predicate((sources.Constant(self.cls, self.cls.__qualname__),), is_plain, f"{self.cls.__qualname__} has no special methods"))
        return found

    def builtin_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name == "__iter__":
            return self.contents.iterate(run)
        if name == "__hash__":
            run.only_here = "a hash differs from process to process"
        if isinstance(self.contents, SetValue) and name != "__hash__":
            return super().builtin_method(run, name, args, kwargs)
        plain = [arg.contents if isinstance(arg, PlainObject) else arg for arg in args]
        return Constant(self.contents.python(run)).call_method(run, name, plain, kwargs)

    def build(self, out: Any) -> None:
        out.helper("new_plain", Constant(self.cls), Constant(held_class(self.cls)), self.contents.bare() if isinstance(self.contents, SetValue) else self.contents)
        out.remember(self)
        self.store_attributes(out)


class OwnDictObject(ContainerObject):
    """A dict that is its own `__dict__` (`self.__dict__ = self`): its items are its attributes."""

    def own(self, run: Any, name: str) -> Value | None:
        return self.contents.lookup(run, Constant(name))

    def store_own(self, run: Any, name: str, value: Value | None) -> None:
        if value is None:
            self.contents.delete_item(run, Constant(name))
        else:
            self.contents.set_item(run, Constant(name), value)


class TupleObject(ContainerObject):
    """A tuple whose class has operators of its own: a vector that adds."""

    def build(self, out: Any) -> None:
        out.helper("tuple_of_class", self.contents, Constant(self.cls))
        out.remember(self)
        self.store_attributes(out)


def is_plain(cls: type, allowed: frozenset[str] = frozenset()) -> bool:
    """Whether a class adds methods to a builtin class and leaves the special ones alone, but for those that make text."""
    base = held_class(cls)
    return all(name in NO_BEHAVIOUR or name in allowed or not name.startswith("__") for one in cls.__mro__ if one not in base.__mro__ for name in vars(one))  # type: ignore[union-attr]


def container(cls: type, contents: Any, real: Any = MISSING, source: Any = None) -> ContainerObject:
    return (PlainObject if held_class(cls) in (*PLAIN, frozenset) else ContainerObject)(cls, contents, real, source)


def new_container(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> ContainerObject:
    """What `__new__` of the builtin class gives. Raises Break for a number that only the run gives."""
    base: Any = held_class(cls)
    if base is list:
        return container(cls, ListValue([]))
    if base is set:
        return container(cls, SetValue(run, []))
    if base not in (*PLAIN, frozenset):
        return container(cls, DictValue((), base))
    if len(args) == 1 and isinstance(args[0], PlainObject) and args[0].is_plain(run):
        args = [args[0].contents]
    made = run.call(run.wrap_known(base), args, kwargs)
    if isinstance(made, SymIntValue):
        made = Constant(int(made.symbol))
    if made.type() is not base or not isinstance(made, (Constant, SetValue)):
        raise Break(f"making a {cls.__qualname__} of what only the run knows is not captured")
    return container(cls, Constant(made.value) if isinstance(made, Constant) else made.bare())


def _init(self: ContainerObject, run: Any, *args: Value, **kwargs: Value) -> Value:
    if isinstance(self.contents, DictValue):
        return self.contents.call_method(run, "update", list(args), kwargs)
    name = self.contents.cls.__name__
    if kwargs or len(args) > 1:
        raise run.raised(TypeError, f"{name}() takes no keyword arguments" if kwargs else f"{name} expected at most 1 argument, got {len(args)}")
    self.contents.call_method(run, "clear", [], {})
    return self.contents.call_method(run, "update" if isinstance(self.contents, SetValue) else "extend", list(args), kwargs) if args else constant(None)


def _getitem(self: ContainerObject, run: Any, key: Value) -> Value:
    if not isinstance(self.contents, DictValue):
        return self.contents.item(run, key)
    found = self.contents.lookup(run, key)
    if found is not None:
        return found
    missing = run.special_method(self, "__missing__")
    if missing is None:
        raise run.raised_with(KeyError, key)
    return run.call(missing, [key], {})


def _repr(self: ContainerObject, run: Any) -> Value:
    if self.contents.cls is collections.OrderedDict:
        raise Break(f"printing a {self.describe()} is not captured")
    if isinstance(self.contents, SetValue):
        return constant(f"{run.text(run.name_of_class(self.cls, '__name__'))}({run.text(run.formatted(self.contents.bare(set), 'repr', '')) if self.contents.entries else ''})")
    return run.formatted(self.contents, "repr", "")


SPECIAL: dict[str, Callable] = {
    "__init__": _init, "__getitem__": _getitem, "__repr__": _repr, "__reversed__": lambda self, run: run.call(run.wrap_known(reversed), [self.contents], {}),
}  # fmt: skip
COMPARED = {"==": "__eq__", "!=": "__ne__", "<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__"}
OPERATORS: dict[str, tuple[str, bool, bool]] = {  # name of the slot -> symbol, in place?, reflected?
    **{name: (symbol, False, False) for symbol, name in COMPARED.items()},
    "__add__": ("+", False, False), "__iadd__": ("+", True, False), "__mul__": ("*", False, False), "__rmul__": ("*", False, True), "__imul__": ("*", True, False),
    **{f"__{turned}{name}__": (symbol, turned == "i", turned == "r") for symbol, name in (("&", "and"), ("-", "sub"), ("^", "xor")) for turned in ("", "i", "r")},
    "__or__": ("|", False, False), "__ror__": ("|", False, True), "__ior__": ("|", True, False),
}  # fmt: skip
