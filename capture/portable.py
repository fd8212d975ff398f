"""Live objects on paper: how a capture names what it refers to, so that another process finds the same there.

In come guards, paths, constants of code and the record of a compiled graph; out go bytes, and from these, in another process, the same with that process's own objects.
The one idea: data is written down, and every live object (a function, a class, a module, its globals) is a reference: either by module and qualified name, or by the path
from the frame that a guard walks anyway; with it goes a digest of what the object is made of, which must be the same where it is found. What has neither cannot
be written (`Unportable`), and what is found changed is `Gone`.

Bytes from the cache are unpickled and their code is run: they are trusted exactly as the libraries (.so) beside them are, in a folder that only its owner may write.
"""

from __future__ import annotations

import builtins
import dataclasses
import enum
import functools
import hashlib
import io
import pickle
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..eager.dtypes import device, dtype
from ..eager.errors import Location
from ..eager.ops.definition import OPS, OpDef
from ..eager.shapes import Size
from ..graph.compiled import Record
from ..graph.expressions import expression_of_rows, expression_rows
from ..graph.ir import FakeValue, OutputSpec, SymbolSource, ViewStep
from ..graph.partition import Saved
from ..graph.rows import Place, Unportable, row_name, sizes_of
from ..graph.symbolic import ShapeEnv, SymInt
from ..graph.training import Known
from ._capture import Compiled, Disabled
from .bytecode.breaks import entry_of, family_of, resume_code
from .bytecode.shape import NULL
from .guard_constants import Held, held
from .guard_kinds import Guard
from .interp.values.formulas import Formula, Read
from .sources import MISSING, Source

PACKAGE = __name__.partition(".")[0]
BY_VALUE = frozenset({type(None), bool, int, float, complex, str, bytes, tuple, frozenset, type(Ellipsis), type(NotImplemented), range, slice})
DATA = frozenset({Location, Record, FakeValue, OutputSpec, SymbolSource, ViewStep, Saved, Known, Formula, Read})  # written field by field, as guards and paths are
MUTABLE = (list, dict, set)
INNER = ("", "__func__", "fget", "fset", "fdel", "func", "__wrapped__")  # where, behind its name, a function of a descriptor or of a decorated function stands
UNSAID = frozenset({"__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "_abc_impl", "__static_attributes__", "__firstlineno__", "__annotate__"})
HEAP_TYPE = 1 << 9
C_FUNCTIONS = frozenset((
    types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType, types.GetSetDescriptorType,
    types.MemberDescriptorType,
))  # fmt: skip


class Gone(Exception):  # noqa: N818  (an answer, not an error)
    """A reference leads nowhere in this process, or to something else than it did."""


# -- what an object is made of -----------------------------------------------------------------------------------------------


def digest_of(said: Any) -> bytes:
    return hashlib.sha256(repr(said).encode("utf-8", "surrogatepass")).digest()


def code_text(code: types.CodeType) -> tuple:
    """All that a code object says, its file and lines included, as plain data."""
    return (
        code.co_filename, code.co_firstlineno, code.co_qualname, code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_code,
        code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars, code.co_linetable, code.co_exceptiontable, tuple(map(constant_text, code.co_consts)),
    )  # fmt: skip


def constant_text(value: Any) -> Any:
    """A constant of a code object, or what a cell holds, in a form whose repr says its type and value, or its name."""
    if isinstance(value, types.CodeType):
        return ("code", code_text(value))
    if isinstance(value, tuple):
        return tuple(map(constant_text, value))
    if isinstance(value, frozenset):
        return ("frozenset", *sorted(map(repr, value)))
    return (type(value).__name__, repr(value)) if type(value) in BY_VALUE or type(value) is OpDef else named_text(value)


def named_text(obj: Any) -> str:
    """The name of an object, or of its class where it has none of its own."""
    named = obj if type(obj) in NAMED or issubclass(type(obj), type) else type(obj)
    return f"{getattr(getattr(named, '__objclass__', named), '__module__', None)}.{named.__qualname__}"


def said_of(obj: Any) -> Any:
    """What an object is made of, as far as no guard asks it: plain data whose repr differs where another process's object is another one. Raises Unportable.

    The contents of what can change (lists, dicts, attributes of instances, defaults of functions, cells of those that are followed) are not said: who reads them guards them.
    """
    kind = type(obj)
    if kind in BY_VALUE and kind not in (tuple, frozenset):
        return (kind.__name__, repr(obj))
    if kind in SAID:
        return SAID[kind](obj)
    if issubclass(kind, type):
        return class_text(obj, ())
    if kind in C_FUNCTIONS:
        return ("in C", named_text(obj))
    if issubclass(kind, enum.Enum):
        return ("member", class_text(kind, ()), obj.name)
    if all(base is object or is_written_in_python(base) for base in kind.__mro__):
        return ("instance", class_text(kind, ()))
    raise Unportable(f"an object of class {kind.__module__}.{kind.__qualname__}")


def function_text(function: types.FunctionType) -> tuple:
    """A function: its code, and whose globals it reads; one of this package, which is called and not followed, also what its cells hold."""
    space = str(function.__globals__.get("__name__"))
    cells = [constant_text(cell.cell_contents) for cell in function.__closure__ or () if cell != types.CellType()] if space.partition(".")[0] == PACKAGE else []
    return ("function", named_text(function), space, function.__globals__ is vars(sys.modules.get(space, builtins)), code_text(function.__code__), cells)


def class_text(cls: type, within: tuple[type, ...]) -> tuple:
    """A class: its bases, and what its entries are made of. Classes of this package, of Python itself and in C are what their name says."""
    module = str(cls.__module__)
    if not cls.__flags__ & HEAP_TYPE or module.partition(".")[0] in OWN or cls in within:
        return ("class", module, cls.__qualname__)
    inner = (*within, cls)
    entries = [(name, entry_text(entry, inner)) for name, entry in sorted(vars(cls).items()) if name not in UNSAID]
    members = [(name, repr(member.value)) for name, member in cls.__members__.items()] if issubclass(cls, enum.Enum) else []
    return ("class", module, cls.__qualname__, class_text(type(cls), inner), tuple(class_text(base, inner) for base in cls.__bases__), entries, members)


def entry_text(entry: Any, within: tuple[type, ...]) -> Any:
    """An entry of a class. What is read of it is guarded; so of what cannot be said the kind is enough."""
    if isinstance(entry, type):
        return class_text(entry, within)
    if type(entry) in SAID or type(entry) in BY_VALUE:
        try:
            return said_of(entry)
        except Unportable:
            pass
    return named_text(type(entry))


OWN = frozenset({PACKAGE, *sys.stdlib_module_names, "numpy"})


def is_written_in_python(cls: type) -> bool:
    """Whether a class statement made the class. One made in C may be a heap type as well, but then it has slots of its own."""
    return bool(cls.__flags__ & HEAP_TYPE) and not any(
        type(entry) in (types.WrapperDescriptorType, types.MethodDescriptorType) and entry.__objclass__ is cls for entry in vars(cls).values())


def _parts(*names: str) -> Callable[[Any], tuple]:
    return lambda obj: (type(obj).__name__, *(said_of(getattr(obj, name)) for name in names))


SAID: dict[type, Callable[[Any], Any]] = {
    types.FunctionType: function_text,
    types.CodeType: code_text,
    types.ModuleType: lambda module: ("module", module.__name__),
    property: _parts("fget", "fset", "fdel"),
    staticmethod: _parts("__func__"),
    classmethod: _parts("__func__"),
    functools.cached_property: _parts("func"),
    tuple: lambda items: ("tuple", *map(said_of, items)),
    frozenset: lambda items: ("frozenset", *sorted(repr(said_of(item)) for item in items)),
    **dict.fromkeys(MUTABLE, lambda obj: type(obj).__name__),
    Compiled: _parts("__wrapped__"),
    Disabled: _parts("__wrapped__"),
    dtype: repr,
    device: repr,
}


# -- references ----------------------------------------------------------------------------------------------------------------


def module_named(name: Any) -> Any:
    """A module that was imported already. Raises Gone."""
    found = sys.modules.get(name) if isinstance(name, str) else None
    if found is None:
        raise Gone(f"no module {name}")
    return found


def resolve(module: str, qualname: str, inner: str) -> Any:
    """What stands under a name; nothing is run on the way. Raises Gone."""
    found = module_named(module)
    try:
        for part in qualname.split("."):
            found = vars(found)[part]
        return getattr(found, inner) if inner else found
    except (KeyError, TypeError, AttributeError):
        raise Gone(f"{module}.{qualname}") from None


def name_of(obj: Any) -> tuple[str, str, str] | None:
    """(module, qualified name, attribute behind it) under which an object is found, or None."""
    if type(obj) not in NAMED and not issubclass(type(obj), type):  # of other objects nothing is asked that could run their code
        return None
    owner = getattr(obj, "__objclass__", None) or getattr(obj, "__self__", None)
    module = getattr(obj, "__module__", None) or getattr(owner, "__module__", None) or getattr(owner, "__name__", None)
    qualname = getattr(obj, "__qualname__", None)
    if issubclass(type(obj), type) and obj in TYPES:
        return "types", TYPES[obj], ""
    if not isinstance(module, str) or not isinstance(qualname, str) or "<locals>" in qualname:
        return None
    for inner in INNER:
        try:
            if resolve(module, qualname, inner) is obj:
                return module, qualname, inner
        except Gone:
            continue
    return None


NAMED = frozenset({types.FunctionType, type, staticmethod, classmethod, Compiled, Disabled}) | C_FUNCTIONS  # objects that know a name of their own
TYPES = {cls: name for name, cls in vars(types).items() if isinstance(cls, type) and cls.__module__ == "builtins"}  # those that builtins does not name


@functools.cache
def own_modules() -> tuple[str, ...]:
    """The names of this package's modules, in order."""
    return tuple(sorted(name for name in sys.modules if name == PACKAGE or name.startswith(PACKAGE + ".")))


class Writer:
    """Writes values as bytes, and gathers the references in them: `rows`, in the order in which they are to be found again.

    `live`: for objects without a name, by id, the path at which a guard sees them. `code`: the frame's original code. `compiled`: the compiled graph, which is
    written apart.
    """

    def __init__(self, live: dict[int, Source], code: types.CodeType, compiled: Any) -> None:
        self.live = live
        self.code = code
        self.compiled = compiled
        self.rows: list[tuple] = []
        self.places: dict[int, int] = {}
        self.kept: list[Any] = []

    def dumps(self, value: Any) -> bytes:
        """The bytes of a value. Raises Unportable."""
        out = io.BytesIO()
        _Pickler(out, self).dump(value)
        return out.getvalue()

    def reference(self, obj: Any) -> Any:
        """What stands for a live object."""
        if obj is self.compiled:
            return "compiled"
        place = self.places.get(id(obj))
        if place is None:
            row = self.row(obj)
            place = self.places[id(obj)] = len(self.rows)
            self.rows.append(row)
            self.kept.append(obj)
        return place

    def size(self, size: SymInt) -> tuple:
        """What stands for a symbolic size: its expression, if it is one of the compiled graph's."""
        if self.compiled is None or size.env is not self.compiled.graph.shape_env:
            raise Unportable("a size that no compiled graph knows")
        return "size", expression_rows(size.expr)

    def row(self, obj: Any) -> tuple:
        if type(obj) is types.ModuleType and sys.modules.get(obj.__name__) is obj:
            return ("module", obj.__name__)
        if type(obj) is dict and isinstance(obj.get("__name__"), str) and vars(sys.modules.get(obj["__name__"], builtins)) is obj:
            return ("namespace", obj["__name__"])
        if issubclass(type(obj), enum.Enum):
            return ("member", self.reference(type(obj)), obj.name)
        name = name_of(obj)
        if name is not None:
            return ("named", *name, digest_of(said_of(obj)))
        state = self.own_state.get(id(obj)) if not isinstance(obj, types.CodeType) else None
        if state is not None:
            return ("state", *state)
        source = self.live.pop(id(obj), None)
        if source is not None:
            return ("live", self.dumps(source), digest_of(said_of(obj)))
        raise Unportable(f"an object of class {type(obj).__module__}.{type(obj).__qualname__}" + (f" called {obj.__qualname__}" if type(obj) in NAMED else ""))

    @functools.cached_property
    def own_state(self) -> dict[int, tuple[str, str]]:
        """The objects of this package that its modules hold, by id: (module, name)."""
        return {id(value): (module, name) for module in own_modules() for name, value in list(vars(sys.modules[module]).items()) if type(value) not in BY_VALUE}

    def code_reference(self, code: types.CodeType) -> Any:
        """A code object among the constants of new code: a resume function, or one of the user's own."""
        if code is self.code:
            return ("const", ())
        entry = entry_of(code)
        if entry is not None and entry.family is family_of(self.code):
            return ("resume", entry.index, tuple(slot is NULL or slot for slot in entry.shape), entry.bound)
        for path, found in constants_of(self.code, ()):
            if found is code:
                return ("const", path)
        return self.reference(code)


def constants_of(code: types.CodeType, path: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], types.CodeType]]:
    """The code objects within a code object, and the way to each."""
    for index, value in enumerate(code.co_consts):
        if isinstance(value, types.CodeType):
            yield (*path, index), value
            yield from constants_of(value, (*path, index))


class _Pickler(pickle.Pickler):
    def __init__(self, out: io.BytesIO, writer: Writer) -> None:
        super().__init__(out, pickle.HIGHEST_PROTOCOL)
        self.writer = writer

    def persistent_id(self, obj: Any) -> Any:
        kind = type(obj)
        if kind is Exactly:
            return self.writer.reference(obj.value)
        if kind is SymInt:
            return self.writer.size(obj)
        if kind.__name__ == "Symbol" and kind.__module__.startswith("sympy."):
            return ("symbol", obj.name)
        if kind in BY_VALUE or kind in REDUCED or kind in DATA or issubclass(kind, (Source, Guard, np.dtype)):
            return None
        if kind is type and (obj in DATA or issubclass(obj, (Source, Guard))):
            return None
        return self.writer.code_reference(obj) if kind is types.CodeType else self.writer.reference(obj)

    def reducer_override(self, obj: Any) -> Any:
        kind: Any = type(obj)
        reduce = REDUCED.get(kind)
        if reduce is not None:
            return reduce(obj)
        if kind in DATA or issubclass(kind, (Source, Guard)):
            return kind, tuple([getattr(obj, name) for name in fields_of(kind)])
        return NotImplemented


@dataclasses.dataclass(frozen=True)
class Exactly:
    """Stands for the very object, where an equal one would not do."""

    value: Any


def _of_held(value: Held) -> tuple:
    target = value.target()
    if target is None and isinstance(value.target, weakref.ref):
        raise Unportable("an object that is gone")
    return held, (Exactly(target) if type(target) in (tuple, frozenset) else target,)


def _of_method(method: types.MethodType) -> tuple:
    if not isinstance(method.__self__, Source):
        raise Unportable(f"a bound method {method.__qualname__}")
    return getattr, (method.__self__, method.__name__)


def _of_partial(made: functools.partial) -> tuple:
    if made.keywords:
        raise Unportable("a partial with keywords")
    return functools.partial, (made.func, *made.args)


def operator_named(name: str) -> OpDef:
    return OPS[name]


@functools.cache
def fields_of(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


REDUCED: dict[type, Callable[[Any], tuple]] = {
    Held: _of_held,
    types.MethodType: _of_method,
    functools.partial: _of_partial,
    OpDef: lambda row: (operator_named, (row_name(row),)),
    Place: lambda place: (Place, (int(place),)),
    Size: lambda size: (Size, (tuple(size),)),
    dtype: lambda kind: kind.__reduce__(),
    device: lambda where: (device, (where.type, where.index)),
    np.ndarray: lambda array: array.__reduce__(),
}


# -- in the other process ---------------------------------------------------------------------------------------------------------


class Reader:
    """Finds the references of `Writer.rows` for a frame (`view`, running `code`) and reads what was written. Raises Gone where one is not what it was.

    `sizes`: what is known of symbolic sizes, as data; read when the first one is met.
    """

    def __init__(self, rows: tuple, view: Any, code: types.CodeType, sizes: tuple = ((), (), 0)) -> None:
        self.rows = rows
        self.sizes = sizes
        self.view = view
        self.code = code
        self.compiled: Any = None
        self.objects: list[Any] = []
        for kind, *data in rows:
            self.objects.append(FINDERS[kind](self, *data))

    @functools.cached_property
    def env(self) -> ShapeEnv:
        return sizes_of(self.sizes)

    def let_go(self) -> None:
        """Hold neither the frame nor, more than a guard does, what was found by a path from it."""
        self.view = None
        self.objects = [weakly(found) if row[0] == "live" else found for row, found in zip(self.rows, self.objects)]

    def loads(self, data: bytes) -> Any:
        return _Unpickler(io.BytesIO(data), self).load()

    def referred(self, reference: Any) -> Any:
        """The object that a reference stands for."""
        if type(reference) is int:
            found = self.objects[reference]
            return found() if type(found) is Weakly else found
        if reference == "compiled":
            return self.compiled
        kind, *data = reference
        return MADE[kind](self, *data)

    def same(self, obj: Any, digest: bytes) -> Any:
        """The object, if it is made of what it was made of."""
        try:
            if digest_of(said_of(obj)) == digest:
                return obj
        except Exception as error:  # it is not what could be said once
            raise Gone(f"{named_text(obj)}: {error}") from None
        raise Gone(f"{named_text(obj)} has changed")

    def live(self, path: bytes, digest: bytes) -> Any:
        source = self.loads(path)
        found = source.fetch(self.view)
        if found is MISSING:
            raise Gone(source.text())
        return self.same(found, digest)

    def member(self, place: int, name: str) -> Any:
        found = self.objects[place].__members__.get(name)
        if found is None:
            raise Gone(f"no member {name}")
        return found


def _resume(reader: Reader, index: int, shape: tuple, bound: Any) -> types.CodeType:
    return resume_code(family_of(reader.code), index, tuple(NULL if slot is True else slot for slot in shape), bound)


MADE: dict[str, Callable[..., Any]] = {  # what is not found but made
    "const": lambda reader, path: functools.reduce(lambda code, index: code.co_consts[index], path, reader.code),
    "resume": _resume,
    "size": lambda reader, rows: reader.env.wrap(expression_of_rows(rows)),
    "symbol": lambda reader, name: expression_of_rows(name),
}


class Weakly(weakref.ref):
    """Gives an object, or, when it is gone, one that nothing is."""

    __slots__ = ()

    def __call__(self) -> Any:
        found = super().__call__()
        return object() if found is None else found


def weakly(obj: Any) -> Any:
    """The object, or what holds it weakly where its class allows."""
    try:
        return Weakly(obj)
    except TypeError:
        return obj


FINDERS: dict[str, Callable[..., Any]] = {
    "module": lambda reader, name: module_named(name),
    "namespace": lambda reader, name: vars(module_named(name)),
    "named": lambda reader, module, qualname, inner, digest: reader.same(resolve(module, qualname, inner), digest),
    "state": lambda reader, module, name: resolve(module, name, ""),
    "live": Reader.live,
    "member": Reader.member,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: io.BytesIO, reader: Reader) -> None:
        super().__init__(data)
        self.reader = reader

    def persistent_load(self, reference: Any) -> Any:
        return self.reader.referred(reference)
