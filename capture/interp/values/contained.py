"""Values of instances of users' classes that derive from list, dict or OrderedDict: a Counter, a dict whose keys are attributes, what a model returns.

In come a class and what it holds, out goes an instance like any other. The one idea: CPython keeps the builtin part and the attributes of such an object side by side, so its contents
are a Value of their own, to which the builtin class's methods go, however the class's own methods come to them.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

from ...sources import MISSING
from ..outcome import Break
from .base import Value
from .constants import Constant, constant
from .containers import ListValue
from .mappings import DictValue
from .objects import ObjectValue

HELD = (collections.OrderedDict, dict, list)  # the builtin classes, the most special first


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
        base = held_class(cls)
        self.contents: Any = contents if contents is not None else ListValue([]) if base is list else DictValue((), base)  # type: ignore[arg-type]
        self.contents.holder = self

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
        if not isinstance(other, (ListValue, DictValue)) and symbol not in ("*", "+"):
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
        else:
            for key, value in self.contents.entries.values():
                out.statement("store_item", self, key, value)
        for name, value in self.attributes.items():
            if value is not None:
                out.statement("store_plain_attribute", self, Constant(name), value)


def _init(self: ContainerObject, run: Any, *args: Value, **kwargs: Value) -> Value:
    if isinstance(self.contents, DictValue):
        return self.contents.call_method(run, "update", list(args), kwargs)
    self.contents.call_method(run, "clear", [], {})
    return self.contents.call_method(run, "extend", list(args), kwargs) if args else constant(None)


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
    return run.formatted(self.contents, "repr", "")


SPECIAL: dict[str, Callable] = {
    "__init__": _init, "__getitem__": _getitem, "__repr__": _repr, "__reversed__": lambda self, run: run.call(run.wrap_known(reversed), [self.contents], {}),
}  # fmt: skip
COMPARED = {"==": "__eq__", "!=": "__ne__", "<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__"}
OPERATORS: dict[str, tuple[str, bool, bool]] = {  # name of the slot -> symbol, in place?, reflected?
    **{name: (symbol, False, False) for symbol, name in COMPARED.items()},
    "__add__": ("+", False, False), "__iadd__": ("+", True, False), "__mul__": ("*", False, False), "__rmul__": ("*", False, True), "__imul__": ("*", True, False),
    "__or__": ("|", False, False), "__ror__": ("|", False, True), "__ior__": ("|", True, False),
}  # fmt: skip
