"""Values of exceptions and of their tracebacks.

An exception is an instance like any other, with what `raise` adds: its arguments, what it is linked to (`__cause__`, `__context__`), and where it passed. The one
idea: what CPython keeps in the C structure of an exception class (an errno, a name, the end of a range) is asked of a real exception made from the same
arguments, so no class needs rules of its own.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from ... import guards, sources
from ...bytecode.instruction import Instruction
from ...sources import MISSING
from ..outcome import Break
from .base import Value, method
from .constants import Constant, constant
from .containers import ListValue, TupleValue
from .mappings import DictValue
from .objects import ObjectValue

HEAP_TYPE = 1 << 9
LINKS = ("__cause__", "__context__", "__suppress_context__")
STRUCTURE = (types.MemberDescriptorType, types.GetSetDescriptorType)


def base_in_c(cls: type) -> type:
    """The exception class written in C that an exception class derives from."""
    return next(base for base in cls.__mro__ if not base.__flags__ & HEAP_TYPE)


def has_structure(cls: type) -> bool:
    """Whether exceptions of the class keep more in C than every exception does: OSError, UnicodeError, StopIteration, ImportError ..."""
    return base_in_c(cls).__basicsize__ != BaseException.__basicsize__


class ExceptionValue(ObjectValue):
    """An exception object. `model` is a real one from the same arguments, where its class has a structure of its own and they are plain."""

    def __init__(self, cls: type, args: list[Value] | None, real: Any = MISSING, source: Any = None) -> None:
        super().__init__(cls, real, source)
        self.args = args  # None: those of an exception from outside, not read yet
        self.given = args or []  # what the class was called with
        self.named: dict[str, Value] = {}
        self.model: BaseException | None = None
        self.linked: dict[str, Value] = {}
        self.relinked: set[str] = set()
        self.in_caller = False  # raised where the captured frame handles nothing: its context is what the caller handles, if anything
        self.raised_at: list[tuple] = []  # (of the captured frame itself?, code, module, positions), from the innermost frame outwards
        self.traced_before: Value | None = None  # a traceback that it was given, which these go on from

    def knows(self, *names: str) -> bool:
        """Whether it was told one of these."""
        return any(name in self.named or name in self.attributes for name in names)

    def arguments(self, run: Any) -> list[Value]:
        if self.args is None:
            self.args = run.wrap(self.real.args, sources.Attribute(self.source, "args")).items_of(run)
        return self.args

    def describe(self) -> str:
        shown = ", ".join(str(arg.value) if isinstance(arg, Constant) else "..." for arg in self.args or ())
        return f"{self.cls.__name__}({shown})"

    def text(self, run: Any) -> Value:
        """What BaseException.__str__ and KeyError.__str__ give."""
        args = self.arguments(run)
        whole = args[0] if len(args) == 1 else TupleValue(args) if args else constant("")
        return run.formatted(whole, "repr" if issubclass(self.cls, KeyError) and len(args) == 1 else "str", "")

    # -- being raised -------------------------------------------------------------------------------------------------

    def chain(self, run: Any) -> None:
        """`raise` makes the exception that is being handled the context, and cuts the cycle that this would close."""
        handled = run.handled
        if not isinstance(handled, ExceptionValue):
            if "__context__" in self.relinked:
                check_caller(run)  # what it handles would take the place of the context
            else:
                self.in_caller = True
                run.journal.note(self)
            return
        if handled is self:
            return
        self.in_caller = False
        place: Any = handled
        seen: list[Any] = []
        while isinstance(place, ExceptionValue) and not any(place is other for other in seen):
            seen.append(place)
            following = place.linked.get("__context__") if self.real is MISSING else place.link(run, "__context__")
            if following is self:
                place.set_link(run, "__context__", constant(None))
                break
            place = following
        self.set_link(run, "__context__", handled)

    def link(self, run: Any, name: str) -> Value:
        if name == "__context__" and self.in_caller and name not in self.relinked:
            check_caller(run)
        if name not in self.linked and self.real is not MISSING:
            self.linked[name] = run.wrap(getattr(self.real, name), sources.Attribute(self.source, name))
        return self.linked.get(name, constant(False if name == "__suppress_context__" else None))

    def set_link(self, run: Any, name: str, value: Value) -> None:
        self.linked[name] = value
        self.relinked.add(name)
        if name == "__cause__":
            self.linked["__suppress_context__"] = constant(True)
            self.relinked.add("__suppress_context__")
        run.journal.note(self)

    # -- attributes ---------------------------------------------------------------------------------------------------

    def attribute(self, run: Any, name: str) -> Value:
        if name == "args" and run.class_entry(self.cls, name) is BaseException.__dict__[name]:
            return TupleValue(self.arguments(run))
        if name in LINKS:
            return self.link(run, name)
        if name == "__traceback__":
            if self.raised_at:
                return TracebackValue(self)
            if self.real is MISSING:
                return self.traced_before or constant(None)
            return run.wrap(self.real.__traceback__, sources.Attribute(self.source, name))
        if name == "value" and issubclass(self.cls, StopIteration) and name not in self.attributes and self.real is MISSING:
            return self.arguments(run)[0] if self.arguments(run) else constant(None)
        if name in EXCEPTION_METHODS:
            return run.builtin_method(self, name)
        return super().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return EXCEPTION_METHODS[name](self, run, *args, **kwargs)

    def structured(self, run: Any, descriptor: Any) -> Value:
        """What a class written in C keeps in the exception itself."""
        name = descriptor.__name__
        if self.attributes.get(name) is not None:
            return self.attributes[name]
        if name in self.named and self.real is MISSING:
            return self.named[name]
        if self.real is not MISSING:
            return run.wrap(descriptor.__get__(self.real), sources.Attribute(self.source, name))
        if self.model is None:
            raise self.unsupported(f"attribute '{name}'")
        return run.make(run.concrete(descriptor.__get__, self.model))

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        if name in LINKS:
            plain = isinstance(value, ExceptionValue) or (isinstance(value, Constant) and value.value in (None, True, False))
            if not plain:
                raise self.unsupported(f"setting attribute '{name}' to a {value.describe()}")
            self.set_link(run, name, value)
        elif name == "__traceback__":
            self.set_traceback(value)
        else:
            super().set_attribute(run, name, value)

    def set_traceback(self, value: Value) -> None:
        if self.real is not MISSING and not (isinstance(value, TracebackValue) and value.owner is self):
            raise self.unsupported("setting the traceback")
        if isinstance(value, TracebackValue) and value.owner is self:
            self.raised_at = self.raised_at[: value.count]  # as it was when somebody took it
        elif value.type() in (types.TracebackType, type(None)):
            self.raised_at, self.traced_before = [], None if value.type() is type(None) else value
        else:
            raise self.unsupported(f"setting the traceback to a {value.describe()}")

    # -- output -------------------------------------------------------------------------------------------------------

    def build(self, out: Any) -> None:
        named = DictValue([(name, Constant(name), value) for name, value in self.named.items()])
        out.helper("new_exception", Constant(self.cls), TupleValue(self.args or ()), TupleValue(self.given), named)
        self.build_rest(out)

    def build_rest(self, out: Any) -> None:
        out.remember(self)
        self.store_attributes(out)
        self.build_links(out)

    def replay(self, out: Any) -> None:
        super().replay(out)
        self.build_links(out)

    def build_links(self, out: Any) -> None:
        if self.traced_before is not None:
            out.statement("store_attribute", self, Constant("__traceback__"), self.traced_before)
        if self.raised_at:
            handler = out.assembler.handler
            out.assembler.append(*[Instruction("NOP", handler=handler, positions=positions) for is_own, _, _, positions in self.raised_at if is_own])
            out.statement("give_traceback", self, Constant(tuple(self.raised_at)))
        if self.in_caller and "__context__" not in self.relinked:
            out.statement("chain_to_caller", self)
        for name in sorted(self.relinked):  # storing the cause sets __suppress_context__, which comes behind it
            out.statement("store_attribute", self, Constant(name), self.linked[name])


def check_caller(run: Any) -> None:
    """Raise Break where the caller of the compiled function handles an exception; that it handles none is guarded."""
    if run.caller_handles:
        raise Break("the exception that the caller of the compiled function handles is not captured")
    run.guard(guards.Predicate((), nothing_is_handled, "sys.exception() is None"))


def nothing_is_handled() -> bool:
    return sys.exception() is None


class GroupValue(ExceptionValue):
    """An exception group. Its message and its exceptions are what the class in C keeps; both never change."""

    def __init__(self, cls: type, args: list[Value] | None, message: Value | None = None, exceptions: Value | None = None, real: Any = MISSING, source: Any = None) -> None:
        super().__init__(cls, args, real, source)
        self.kept = {"message": message, "exceptions": exceptions}

    def structured(self, run: Any, descriptor: Any) -> Value:
        kept = self.kept.get(descriptor.__name__)
        return super().structured(run, descriptor) if kept is None else kept

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        if name in self.kept:
            raise run.raised(AttributeError, "readonly attribute")
        super().set_attribute(run, name, value)

    def text(self, run: Any) -> Value:
        message, exceptions = self.attribute(run, "message"), self.attribute(run, "exceptions")
        count = run.python(exceptions.length(run))
        return constant(f"{run.text(message)} ({count} sub-exception{'' if count == 1 else 's'})")

    def build(self, out: Any) -> None:
        out.helper("new_group", Constant(self.cls), self.kept["message"], self.kept["exceptions"], TupleValue(self.args or ()))
        self.build_rest(out)


def new_group(run: Any, cls: type, *args: Value) -> Value:
    """What `BaseExceptionGroup.__new__(cls, *args)` gives."""
    if len(args) != 2:
        raise run.raised(TypeError, f"BaseExceptionGroup.__new__() takes exactly 2 arguments ({len(args)} given)")
    if not issubclass(args[0].type(), str):
        raise run.raised(TypeError, f"BaseExceptionGroup.__new__() argument 1 must be str, not {args[0].type().__name__}")
    if not hasattr(args[1].type(), "__getitem__") or issubclass(args[1].type(), (dict, types.MappingProxyType)):
        raise run.raised(TypeError, "second argument (exceptions) must be a sequence")
    found = run.unpack(args[1])
    if not found:
        raise run.raised(ValueError, "second argument (exceptions) must be a non-empty sequence")
    for index, error in enumerate(found):
        if not issubclass(error.type(), BaseException):
            raise run.raised(ValueError, f"Item {index} of second argument (exceptions) is not an exception")
    if any(not issubclass(error.type(), Exception) for error in found):
        if issubclass(cls, Exception):
            raise run.raised(TypeError, f"Cannot nest BaseExceptions in {'an ExceptionGroup' if cls is ExceptionGroup else repr(cls.__name__)}")
    elif cls is BaseExceptionGroup:
        cls = ExceptionGroup
    whole = args[1] if isinstance(args[1], TupleValue) and args[1].cls is tuple else TupleValue(found)
    return GroupValue(cls, list(args), args[0], whole)


def exception_classes(run: Any, of: Value, of_groups: bool = False) -> tuple:
    """The classes that an `except` names; of an `except*`, which takes no groups."""
    found = tuple(item.real for item in of.items_of(run)) if isinstance(of, TupleValue) else (of.real,)  # type: ignore[union-attr]
    if not all(isinstance(one, type) and issubclass(one, BaseException) for one in found):
        raise run.raised(TypeError, "catching classes that do not inherit from BaseException is not allowed")
    if of_groups and any(issubclass(one, BaseExceptionGroup) for one in found):
        raise run.raised(TypeError, "catching ExceptionGroup with except* is not allowed. Use except instead.")
    return found


def same_history(run: Any, error: Any, other: Any) -> Value:
    """Whether two exceptions went the same way: their traceback, their cause and their context are the same objects."""
    links = all(run.same(error.link(run, name), other.link(run, name)) for name in ("__cause__", "__context__"))
    return constant(links and run.same(error.attribute(run, "__traceback__"), other.attribute(run, "__traceback__")))


def of_error(run: Any, error: BaseException) -> ExceptionValue:
    """The Value of an exception that real code raised on plain data during capture."""
    made = ExceptionValue(type(error), [run.make(arg) for arg in error.args])
    made.attributes.update({name: run.make(value) for name, value in vars(error).items()})
    if has_structure(type(error)):
        made.model = error
        names = ("name", "obj") if isinstance(error, AttributeError) else ("name",) if isinstance(error, (NameError, ImportError)) else ()
        made.named = {name: run.make(getattr(error, name)) for name in names}
    return made


def name_error(run: Any, cls: type, text: str, name: str) -> ExceptionValue:
    """A NameError or UnboundLocalError, which knows the name."""
    return of_error(run, cls(text, name=name))


EXCEPTION_METHODS: dict[str, Callable] = {}


@method(EXCEPTION_METHODS, "with_traceback")
def _with_traceback(self: ExceptionValue, run: Any, traceback: Value) -> Value:
    self.set_traceback(traceback)
    return self


@method(EXCEPTION_METHODS, "add_note")
def _add_note(self: ExceptionValue, run: Any, note: Value) -> Value:
    notes = self.own(run, "__notes__")
    if notes is None:
        notes = ListValue([])
        self.store_own(run, "__notes__", notes)
    if not isinstance(notes, ListValue) or not (isinstance(note, Constant) and isinstance(note.value, str)):
        raise Break("add_note() with these arguments is not captured")
    return notes.call_method(run, "append", [note], {})


class TracebackValue(Value):
    """The traceback of an exception that was raised during capture; it exists once the exception is built."""

    def __init__(self, owner: ExceptionValue) -> None:
        self.owner = owner
        self.count = len(owner.raised_at)
        self.last = owner.raised_at[-1]

    def type(self) -> type:
        return types.TracebackType

    def truth(self, run: Any) -> bool:
        return True

    def identity(self) -> Any:
        return self.last

    def build(self, out: Any) -> None:
        out.helper("traceback_of", self.owner, Constant(len(self.owner.raised_at) - self.count))
