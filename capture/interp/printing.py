"""What a Value looks like as text: f-strings, str, repr, format and `%`.

In come Values, out go strings. The one idea: the formatting itself is Python's own; what a user's object contributes is an object that follows its `__str__`, `__repr__` or `__format__` when it is asked.
"""

from __future__ import annotations

import builtins
import collections
import enum
import types
from collections.abc import Callable
from typing import Any

from .followed import text_of_namespace
from .outcome import Break
from .values.base import Value
from .values.constants import Constant, MemberValue, SymIntValue
from .values.contained import ContainerObject, PlainObject
from .values.containers import Sequence, SliceValue
from .values.deques import DequeValue
from .values.exceptions import ExceptionValue
from .values.mappings import DictValue
from .values.objects import ObjectValue
from .values.tensors import TensorValue
from .values.texts import SizeText, text_of, varying

CONVERSIONS: dict[str | None, Callable[[Any], Any]] = {None: lambda x: x, "str": str, "repr": repr, "ascii": ascii}  # of an f-string
ASKED = {None: ("__format__", "__str__", "__repr__"), "str": ("__str__", "__repr__"), "repr": ("__repr__",), "ascii": ("__repr__",)}
MEMBERS_ASK: dict[str | None, tuple[str, ...]] = {None: ("__format__", "__str__"), "str": ("__str__",), "repr": ("__repr__",), "ascii": ("__repr__",)}
TEXTS_OF_THEIR_OWN = (OSError, SyntaxError, UnicodeError, ImportError)  # all others write their arguments
EXCEPTION_TEXTS = [  # the slots of the exception classes in C that do, some of which have one of their own
    vars(cls)["__str__"] for cls in vars(builtins).values()
    if isinstance(cls, type) and issubclass(cls, BaseException) and "__str__" in vars(cls) and not issubclass(cls, TEXTS_OF_THEIR_OWN)
]  # fmt: skip


def escaped(text: str) -> str:
    """What `ascii()` makes of what `repr()` gives."""
    return text.encode("ascii", "backslashreplace").decode()


class Shown:
    """A user's object on its way through str.format or `%`, which may ask for no more than its text."""

    __slots__ = ("_run", "_value")

    def __init__(self, run: Any, value: Value) -> None:
        self._run = run
        self._value = value

    def __str__(self) -> str:
        return self._run.text(self._run.formatted(self._value, "str", ""))

    def __repr__(self) -> str:
        return self._run.text(self._run.formatted(self._value, "repr", ""))

    def __format__(self, spec: str) -> str:
        return self._run.text(self._run.formatted(self._value, None, spec))

    def __getattr__(self, name: str) -> Any:
        raise Break(f"formatting '{name}' of a {self._value.describe()} is not captured")

    def __index__(self) -> int:
        raise Break(f"formatting a {self._value.describe()} as a number is not captured")

    __int__ = __float__ = __index__  # type: ignore[assignment]


class ShownMapping(Shown):
    """One that has items, which `%` may ask for by name."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        raise Break(f"formatting an item of a {self._value.describe()} is not captured")


class Printing:
    """The part of an attempt that makes text."""

    def printable(self: Any, value: Value) -> Any:
        """What str.format and % may print."""
        value = self.whole(value)
        if isinstance(value, TensorValue):
            raise value.needs_data("__format__")
        if isinstance(value, DequeValue):
            return collections.deque(map(self.printable, value.items_of(self)), value.limit)
        if isinstance(value, Sequence):
            items = [self.printable(item) for item in value.items_of(self)]
            return value.cls(items) if value.cls in (list, tuple) else tuple.__new__(value.cls, items)
        if type(value) is DictValue and value.cls is dict:
            return {self.printable(key): self.printable(item) for key, item in self.pairs(value)}
        if isinstance(value, ObjectValue) or (isinstance(value, MemberValue) and not value.is_standard(self, *ASKED[None])):
            return (ShownMapping if hasattr(value.type(), "__getitem__") else Shown)(self, value)
        if isinstance(value, SliceValue):
            return slice(*map(self.printable, value.parts))
        found = self.python(value)
        return int(found) if isinstance(value, SymIntValue) else found

    def said(self: Any, value: Value, conversion: str) -> Value:
        """`str(value)`, `repr(value)`, `ascii(value)`: the very text that a method of the user gives, of whatever class."""
        found, name = None, ""
        for name in ASKED[conversion] if isinstance(value, ObjectValue) else ():
            found = self.class_entry(value.type(), name)
            if found is not getattr(object, name):
                break
        if isinstance(found, types.FunctionType):
            result = self.call(self.bind_entry(found, value, value.type()), [], {})
            if not issubclass(result.type(), str):
                raise self.raised(TypeError, f"{name} returned non-string (type {result.type().__name__})")
            return result if conversion != "ascii" or self.text(result).isascii() else self.make(escaped(self.text(result)))
        return self.formatted(value, conversion, "")

    def formatted(self: Any, value: Value, conversion: str | None, spec: str) -> Value:
        """`format(conversion(value), spec)`."""
        value = self.whole(value)
        if isinstance(value, ObjectValue):
            return self.format_object(value, conversion, spec)
        if isinstance(value, MemberValue) and (shown := self.format_member(value, conversion, spec)) is not None:
            return shown
        if isinstance(value, SizeText) and conversion in (None, "str") and not spec:
            return value
        if (held := varying(self, value)) is not None and (text := text_of(self, "format_of", held, Constant(conversion), Constant(spec))) is not None:
            return text
        plain = value.value if isinstance(value, MemberValue) else self.printable(value)
        converted = CONVERSIONS[conversion](plain)
        return self.make(self.concrete(format, converted, spec))

    def format_member(self: Any, value: MemberValue, conversion: str | None, spec: str) -> Value | None:
        """A member of an Enum whose class says how it is shown; None for others."""
        for name in MEMBERS_ASK[conversion]:
            if not value.is_standard(self, name):
                result = value.dunder(self, name, *([Constant(spec)] if name == "__format__" else []))
                return result if name == "__format__" else self.make(self.concrete(format, self.converted(result, conversion), spec))
            if name == "__format__" and self.class_entry(value.type(), name) is not enum.Enum.__format__:
                break
        return None

    def format_object(self: Any, value: ObjectValue, conversion: str | None, spec: str) -> Value:
        for name in ASKED[conversion]:
            found = self.class_entry(value.type(), name)
            if isinstance(found, types.FunctionType):
                args: list[Value] = [Constant(spec)] if name == "__format__" else []
                result = self.call(self.bind_entry(found, value, value.type()), args, {})
                if isinstance(result, SizeText) and conversion != "ascii":
                    return self.formatted(result, None, spec)
                return result if name == "__format__" else self.make(self.concrete(format, self.converted(result, conversion), spec))
            if name == "__format__" and isinstance(value, PlainObject) and found is not object.__format__:
                if spec:
                    return self.formatted(value.contents, None, spec)
                continue  # as str() has it
            text = self.own_text(value, name, found)
            if text is not None:
                return self.make(self.concrete(format, escaped(text) if conversion == "ascii" else text, spec))
            if found is not getattr(object, name):
                break
        raise Break(f"printing a {value.describe()} by its address is not captured", "give the class a __repr__")

    def converted(self: Any, result: Value, conversion: str | None) -> str:
        return escaped(self.text(result)) if conversion == "ascii" else self.text(result)

    def own_text(self: Any, value: ObjectValue, name: str, found: Any) -> str | None:
        """What a builtin class writes of itself, as far as it is known."""
        if isinstance(value, ExceptionValue):
            if name == "__str__" and (found in EXCEPTION_TEXTS or (found is OSError.__str__ and len(value.arguments(self)) < 2)):  # of more it makes a number and a name
                return self.text(value.text(self))
            if name == "__str__" and found is ImportError.__str__ and isinstance(message := value.attribute(self, "msg"), Constant) and type(message.value) is str:
                return message.value
            if name == "__repr__" and found is BaseException.__repr__:
                args = [self.printable(arg) for arg in value.arguments(self)]
                called = self.text(self.name_of_class(value.cls, "__name__"))
                return f"{called}({args[0]!r})" if len(args) == 1 else f"{called}{tuple(args)!r}"
        if found is types.SimpleNamespace.__repr__:
            return self.text(self.call(self.wrap_known(text_of_namespace), [value], {}))
        if isinstance(value, ContainerObject) and name in ("__repr__", "__str__") and found is not object.__str__ and isinstance(found, types.WrapperDescriptorType):
            return self.text(value.builtin_method(self, name, [], {}))
        return None
