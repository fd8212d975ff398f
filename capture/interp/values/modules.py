"""Values of Python modules, and of their globals.

In come a module and a name, out goes the Value of what stands there, with its guard. The one idea: globals are read name by name, so a capture depends on no more of a module than it
looked at.
"""

from __future__ import annotations

import types
from typing import Any

from ... import guards, sources
from ...sources import MISSING
from ..outcome import Break
from .base import Existing, Value
from .constants import Constant
from .functions import CallableValue

OWN = __name__.partition(".")[0] + "."


class ModuleValue(CallableValue, Existing):
    """A Python module."""

    def describe(self) -> str:
        return f"module {self.real.__name__}"

    def attribute(self, run: Any, name: str) -> Value:
        return run.module_namespace(self.real).load(run, name, self)

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        run.module_namespace(self.real).store(run, name, value)


class Namespace(Value):
    """The globals of a module: read name by name, each with its guard; stores go to the journal."""

    def __init__(self, real: dict, label: str, root: bool, trusted: bool, standard: bool) -> None:
        self.real = real
        self.label = label
        self.root = root  # the globals of the frame that is captured
        self.trusted = trusted  # segue's own module: its functions and classes need no guard
        self.users = not (trusted or standard)
        self.values: dict[str, Value | None] = {}
        self.stored: dict[str, Value | None] = {}

    def type(self) -> type:
        return dict

    def path(self, name: str) -> Any:
        if self.root:
            return sources.Global(name)
        return sources.DictValue(sources.Constant(self.real, self.label), name)

    def get(self, run: Any, name: str) -> Value | None:
        """The value of a name, or None where there is none (then guarded as absent)."""
        if name in self.stored:
            return self.stored[name]
        if name not in self.values:
            found = self.real.get(name, MISSING)
            if found is MISSING:
                run.guard_absent_global(self, name)
                self.values[name] = None
            elif self.trusted and isinstance(found, (type, types.FunctionType, types.ModuleType, types.BuiltinFunctionType)):
                self.values[name] = run.wrap_known(found)
            else:
                self.values[name] = run.wrap(found, self.path(name))
        return self.values[name]

    def load(self, run: Any, name: str, module: ModuleValue) -> Value:
        if not self.trusted:
            kind = type(module.real)
            run.guard(guards.TypeIs(sources.Constant(module.real, self.label), kind))  # it may be given a class that has properties
            found, owner = run.entry_of(kind, name)
            if hasattr(type(found), "__set__") and owner not in types.ModuleType.__mro__:
                return run.bind_entry(run.class_entry(kind, name), module, kind)
        imports = (getattr(self.real.get("__getattr__"), "__module__", None) or "").startswith(OWN)
        if imports and name not in self.real:
            with run.outside():
                getattr(module.real, name, None)  # a module of segue's that is imported when somebody asks for it
        found = self.get(run, name)
        if found is not None:
            return found
        if not imports and not hasattr(types.ModuleType, name) and (computes := self.get(run, "__getattr__")) is not None:
            return run.call(computes, [Constant(name)], {})
        real = getattr(module.real, name, MISSING)
        if real is MISSING:
            raise run.raised(AttributeError, f"module '{module.real.__name__}' has no attribute '{name}'")
        if isinstance(real, types.ModuleType):
            return run.wrap_known(real)
        raise Break(f"attribute '{name}' that module {module.real.__name__} computes is not captured")

    def store(self, run: Any, name: str, value: Value | None) -> None:
        self.stored[name] = value
        run.journal.note(self)

    def build(self, out: Any) -> None:
        out.constant(self.real)

    def replay(self, out: Any) -> None:
        for name, value in self.stored.items():
            if value is None:
                out.statement("discard_item", Constant(self.real), Constant(name))
            else:
                out.statement("store_item", Constant(self.real), Constant(name), value)
