"""Values of things that are called: functions, cells, bound methods, builtins and partials.

A function is followed (calls.py) when it has Python bytecode; a builtin is carried out by an entry of the tables in builtins.py. A function made during
capture shares its cells with the frame that made it, as in Python.
"""

from __future__ import annotations

import functools
import types
from typing import Any

from ... import guards, sources
from ...sources import MISSING
from ..outcome import Break, Specialise, Unbuildable
from .base import Existing, Value
from .constants import Constant, constant
from .containers import TupleValue, Unread
from .mappings import DictValue


class CellValue(Value):
    """A cell. `content` is a Value, Unread or None (empty); `name` is set for a cell of the root frame itself, which the new code has under that name."""

    def __init__(self, content: Any = None, real: Any = MISSING, source: Any = None, name: str = "") -> None:
        self.content = self.first = content
        self.real = real
        self.source = source
        self.name = name

    def type(self) -> type:
        return types.CellType

    def get(self, run: Any) -> Value | None:
        if isinstance(self.content, Unread):
            self.content = run.wrap(self.content.real, self.content.source)
        return self.content

    def set(self, run: Any, value: Value | None) -> None:
        self.content = value
        run.journal.note(self)

    def attribute(self, run: Any, name: str) -> Value:
        if name == "cell_contents":
            found = self.get(run)
            if found is None:
                raise run.raised(ValueError, "Cell is empty")
            return found
        return super().attribute(run, name)

    def build(self, out: Any) -> None:
        if self.name:
            out.load_cell(self.name)
        else:
            out.call(types.CellType)
        out.defer_cell(self)

    def replay(self, out: Any) -> None:
        out.fill_cell(self)


class CallableValue(Value):
    """What functions and builtins share: they are true, hash by identity, and have plain attributes."""

    def truth(self, run: Any) -> bool:
        return True


PARTS = {"__code__": sources.FunctionCode, "__defaults__": sources.FunctionDefaults, "__kwdefaults__": sources.FunctionKwDefaults}


class FunctionValue(CallableValue, Existing):
    """An existing Python function."""

    def describe(self) -> str:
        return f"function {self.real.__qualname__}"

    def path(self) -> Any:
        return self.source if self.source is not None else sources.Constant(self.real, self.real.__qualname__)

    @property
    def code(self) -> types.CodeType:
        return self.real.__code__

    @property
    def globals(self) -> dict:
        return self.real.__globals__

    def defaults(self, run: Any) -> list[Any]:
        source = sources.FunctionDefaults(self.path())
        return [Unread(value, sources.Item(source, index)) for index, value in enumerate(self.real.__defaults__ or ())]

    def keyword_defaults(self, run: Any) -> dict[str, Any]:
        source = sources.FunctionKwDefaults(self.path())
        return {name: Unread(value, sources.DictValue(source, name)) for name, value in (self.real.__kwdefaults__ or {}).items()}

    def cells(self, run: Any) -> list[CellValue]:
        source = sources.Closure(self.path())
        return [run.cell(cell, sources.Item(source, index)) for index, cell in enumerate(self.real.__closure__ or ())]

    def attribute(self, run: Any, name: str) -> Value:
        if name in ("__name__", "__qualname__", "__module__", "__doc__"):
            found = getattr(self.real, name)
            return run.make(found) if type(self) is FunctionValue and run.is_trusted(self.real) else run.wrap(found, sources.Attribute(self.path(), name))
        if name == "__get__":
            return run.builtin_method(self, name)
        if name == "__dict__":
            return self.namespace(run)
        if name in PARTS or (name in ("__annotations__", "__type_params__") and hasattr(self.real, name)):
            path = PARTS[name](self.path()) if name in PARTS else sources.Attribute(self.path(), name)
            return run.wrap(getattr(self.real, name), path)
        if name not in vars(types.FunctionType):
            if not self.namespace(run).contains(run, Constant(name)):
                raise run.raised(AttributeError, f"'function' object has no attribute '{name}'")
            return self.namespace(run).item(run, Constant(name))
        return super().attribute(run, name)

    def namespace(self, run: Any) -> Any:
        """The function's `__dict__`, which holds what users set on it."""
        return run.wrap(self.real.__dict__, sources.InstanceDict(self.path()))

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        if name in vars(types.FunctionType):
            if run.is_trusted(self.real) and isinstance(value, Constant) and getattr(self.real, name) == value.value:
                return  # functools.total_ordering gives its functions their names anew
            raise self.unsupported(f"setting attribute '{name}'")
        self.namespace(run).set_item(run, Constant(name), value)

    def delete_attribute(self, run: Any, name: str) -> None:
        self.attribute(run, name)  # raises where there is none
        if name in vars(types.FunctionType):
            raise self.unsupported(f"deleting attribute '{name}'")
        self.namespace(run).delete_item(run, Constant(name))

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return bound_to(self, *args)

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return run.call_function(self, args, kwargs)


class AnewFunction(FunctionValue):
    """A function that is another one at each call, made of the same code."""

    def python(self, run: Any) -> Any:
        raise Specialise(frozenset((self.source,)))

    def unsupported(self, what: str, suggestion: str = "") -> Any:
        return Specialise(frozenset((self.source,)))


def guard_cells(run: Any) -> None:
    """Where functions are known by their parts, the cells that they share, and those that they do not, stay such."""
    cells = [value for value in run.wrapped.values() if isinstance(value, CellValue) and value.source is not None] if run.made_anew else []
    if len(cells) > 1:
        run.guard(guards.SameObjects.of([value.source for value in cells], [value.real for value in cells]))


def bound_to(function: Value, owner: Value, cls: Value | None = None) -> Value:
    """What `__get__` of a function gives: read from the class it is the function itself."""
    return function if cls is not None and owner.type() is type(None) and cls.real is not type(None) else MethodValue(function, owner)


FIXED_PARTS = ("__code__", "__defaults__", "__kwdefaults__", "__closure__", "__globals__", "__dict__")


class MadeFunction(CallableValue):
    """A function that the captured code makes: a lambda, a def, a comprehension."""

    def __init__(self, code: types.CodeType, globals: dict, cells: list[CellValue], defaults: list[Value], kwdefaults: dict[str, Value]) -> None:
        self.code = code
        self.globals = globals
        self.closure = cells
        self.default_values = defaults
        self.keyword_values = kwdefaults
        self.attributes: dict[str, Value] = {}  # its name, text and annotations, where they were set
        self.state = DictValue()  # its __dict__
        self.born: int | None = None  # the step at which it was made; since 3.13 it gets its parts in later ones

    def type(self) -> type:
        return types.FunctionType

    def describe(self) -> str:
        return f"function {self.code.co_qualname}"

    def defaults(self, run: Any) -> list[Any]:
        return self.default_values

    def keyword_defaults(self, run: Any) -> dict[str, Any]:
        return self.keyword_values

    def cells(self, run: Any) -> list[CellValue]:
        return self.closure

    def attribute(self, run: Any, name: str) -> Value:
        if name in self.attributes:
            return self.attributes[name]
        if name in self.state.entries:
            return self.state.get(run, name)
        plain = {"__name__": self.code.co_name, "__qualname__": self.code.co_qualname, "__module__": self.globals.get("__name__"),
                 "__doc__": self.code.co_consts[0] if self.code.co_consts and isinstance(self.code.co_consts[0], str) else None}
        if name in plain:
            return constant(plain[name])
        if name == "__get__":
            return run.builtin_method(self, name)
        if name == "__defaults__":
            return TupleValue(self.default_values) if self.default_values else constant(None)
        if name == "__dict__":
            return self.state
        if name == "__code__":
            return Constant(self.code)
        if name == "__closure__":
            return TupleValue(self.closure) if self.closure else constant(None)
        if name == "__kwdefaults__" and not self.keyword_values:
            return constant(None)
        if name == "__type_params__":
            return TupleValue([])
        if name == "__annotations__":
            made = self.attributes[name] = DictValue()
            return made
        if name not in vars(types.FunctionType):
            raise run.raised(AttributeError, f"'function' object has no attribute '{name}'")
        return super().attribute(run, name)

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        if name in FIXED_PARTS:
            raise self.unsupported(f"setting attribute '{name}'")
        if name in vars(types.FunctionType):
            self.attributes[name] = value
        else:
            self.state.set_item(run, Constant(name), value)

    def delete_attribute(self, run: Any, name: str) -> None:
        if name not in self.state.entries:
            raise self.unsupported(f"deleting attribute '{name}'")
        self.state.delete_item(run, Constant(name))

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return bound_to(self, *args)

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return run.call_function(self, args, kwargs)

    def build(self, out: Any) -> None:
        if len(self.closure) != len(self.code.co_freevars):
            raise Unbuildable(self, f"the function {self.code.co_qualname} has no closure yet")
        keywords = DictValue([(name, Constant(name), value) for name, value in self.keyword_values.items()])
        out.helper("make_function", Constant(self.code), Constant(self.globals), TupleValue(self.default_values), keywords,
                         TupleValue(self.closure))
        out.remember(self)
        for name, value in self.attributes.items():
            out.statement("store_plain_attribute", self, Constant(name), value)
        for name, (_, value) in self.state.entries.items():
            out.statement("store_plain_attribute", self, Constant(name), value)


BOUND = {types.WrapperDescriptorType: types.MethodWrapperType, types.MethodDescriptorType: types.BuiltinMethodType}  # what a method in C is when it is bound


class MethodValue(CallableValue):
    """A function bound to an object."""

    def __init__(self, function: Value, owner: Value, source: Any = None, real: Any = MISSING) -> None:
        self.function = function
        self.owner = owner
        self.source = source
        self.real = real

    def type(self) -> type:
        return BOUND.get(type(self.function.real), types.MethodType)

    def describe(self) -> str:
        return f"method {self.function.describe()}"

    def attribute(self, run: Any, name: str) -> Value:
        if name == "__self__":
            return self.owner
        if name == "__func__":
            return self.function
        if name == "__get__" and name in vars(types.MethodType):  # since 3.13 what is bound stays bound
            return run.builtin_method(self, name)
        return self.function.attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return self

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return run.call(self.function, [self.owner, *args], kwargs)

    def build(self, out: Any) -> None:
        if self.type() is types.MethodType:
            out.call(types.MethodType, self.function, self.owner)
        else:
            out.helper("call_method", self.function, Constant("__get__"), self.owner)


class KnownValue(CallableValue, Existing):
    """A callable known by identity, of which what names it can be read."""

    def attribute(self, run: Any, name: str) -> Value:
        if name in ("__name__", "__qualname__", "__module__", "__doc__"):
            return run.make(getattr(self.real, name))
        return super().attribute(run, name)


class CompiledValue(KnownValue):
    """A function that is compiled on its own, called inside of another: it is followed as the function that it wraps."""

    def wrapped(self, run: Any) -> Value:
        return run.wrap(self.real.__wrapped__, sources.Attribute(self.source, "__wrapped__"))

    def attribute(self, run: Any, name: str) -> Value:
        return self.wrapped(run).attribute(run, name)

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return run.call(self.wrapped(run), args, kwargs)


class DisabledValue(CompiledValue):
    """A function that `compiler.disable` keeps out of graphs."""

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        function = self.real.__wrapped__
        name = getattr(function, "__qualname__", repr(function))
        raise Break(f"{name} is disabled for capture", getattr(self.real, "__segue_reason__", ""))


class BuiltinValue(KnownValue):
    """A callable without Python bytecode."""

    def describe(self) -> str:
        return f"builtin {getattr(self.real, '__qualname__', repr(self.real))}"

    def attribute(self, run: Any, name: str) -> Value:
        if isinstance(self.real, property) and name in ("fget", "fset", "fdel"):
            return run.wrap_known(getattr(self.real, name))
        if not hasattr(self.real, name):
            raise run.raised(AttributeError, f"'{self.type().__name__}' object has no attribute '{name}'")
        return super().attribute(run, name)

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return run.call_builtin(self.real, args, kwargs)


class WrappedFunction(KnownValue):
    """A staticmethod or classmethod itself, as it stands in its class."""

    def attribute(self, run: Any, name: str) -> Value:
        if name in ("__func__", "__wrapped__"):
            return run.wrap_known(self.real.__func__)
        if not hasattr(self.real, name):
            raise run.raised(AttributeError, f"'{self.type().__name__}' object has no attribute '{name}'")
        if name in ("__isabstractmethod__", "__type_params__"):
            return run.make(getattr(self.real, name))
        if name == "__dict__":
            return run.wrap(self.real.__dict__, sources.InstanceDict(self.source))
        return run.builtin_method(self, name) if name == "__get__" else super().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        owner, cls = args[0], args[1] if len(args) > 1 else run.wrap_known(args[0].type())
        return run.bind_entry(self.real, owner, cls.real)

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if not isinstance(self.real, staticmethod):
            raise run.raised(TypeError, "'classmethod' object is not callable")
        return run.call(run.wrap_known(self.real.__func__), args, kwargs)


class BuiltinMethod(CallableValue):
    """A method of a Value's own table, bound: `xs.append`."""

    def __init__(self, owner: Value, name: str) -> None:
        self.owner = owner
        self.name = name

    def type(self) -> type:
        return types.BuiltinMethodType

    def describe(self) -> str:
        return f"method {self.owner.type().__name__}.{self.name}"

    def attribute(self, run: Any, name: str) -> Value:
        if name == "__self__":
            return self.owner
        if name == "__name__":
            return Constant(self.name)
        return super().attribute(run, name)

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return run.call_checked(lambda: self.owner.call_method(run, self.name, args, kwargs), self.describe())

    def build(self, out: Any) -> None:
        out.value(self.owner)
        out.emit("LOAD_ATTR", self.name)


class PartialValue(CallableValue):
    """functools.partial."""

    def __init__(self, function: Value, args: list[Any], kwargs: dict[str, Any], source: Any = None, real: Any = MISSING) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.attributes: dict[str, Value] = {}
        self.source = source
        self.real = real

    def type(self) -> type:
        return functools.partial

    def attribute(self, run: Any, name: str) -> Value:
        if name == "func":
            return self.function
        if name == "args":
            return TupleValue(self.args)
        if name == "keywords":
            return DictValue([(key, Constant(key), value) for key, value in self.kwargs.items()])
        return self.attributes[name] if name in self.attributes else super().attribute(run, name)

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        if self.source is not None or name in vars(functools.partial):
            raise self.unsupported(f"setting attribute '{name}'")
        self.attributes[name] = value

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        before = [run.read(item) for item in self.args]
        named = {name: run.read(item) for name, item in self.kwargs.items()}
        return run.call(self.function, [*before, *args], {**named, **kwargs})

    def build(self, out: Any) -> None:
        keywords = DictValue([(name, Constant(name), value) for name, value in self.kwargs.items()])
        out.helper("make_partial", self.function, TupleValue(self.args), keywords)
        out.remember(self)
        for name, value in self.attributes.items():
            out.statement("store_attribute", self, Constant(name), value)
