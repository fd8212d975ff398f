"""Values of dicts.

Keys are compared as Python does where that needs no user code: constants by value, objects whose class keeps the default `__hash__` by identity, tuples of these item by
item. Any other key breaks the graph. Of an existing dict only what is looked up is guarded: an entry by its value, an absent key by its absence, and the keys
as a whole only where somebody iterates or asks for the length.
"""

from __future__ import annotations

import collections
import itertools
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

from ... import guards, sources
from ...sources import MISSING
from ..journal import check_keys, followed_hash, let_go
from ..outcome import Break, NotPython
from .base import Value, method
from .constants import LITERALS, OWN_CONSTANTS, Constant, SymIntValue, constant, hash_of, is_constant_type
from .containers import SLOTS, STORING_SLOTS, TupleValue, Unread, is_same_place
from .floats import FloatValue

FEW_KEYS = 16


class Identity:
    """A key that is compared by identity; it keeps its object alive."""

    __slots__ = ("object",)

    def __init__(self, value: Any) -> None:
        self.object = value

    def __hash__(self) -> int:
        return object.__hash__(self.object) if type(self.object).__hash__ is object.__hash__ else id(self.object)  # as the object itself has it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.object is self.object


class MethodKey:
    """A bound method as a key: of the same function, or of a name, and the same object."""

    __slots__ = ("function", "owner")

    def __init__(self, function: Any, owner: Any) -> None:
        self.function = Identity(function)
        self.owner = Identity(owner)

    def __hash__(self) -> int:
        return hash((self.function, self.owner))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MethodKey) and (other.function, other.owner) == (self.function, self.owner)


class ObjectKey:
    """A key whose class has a `__hash__` and an `__eq__` of its own, which are followed."""

    __slots__ = ("run", "value", "followed_hash", "told")

    def __init__(self, run: Any, value: Any) -> None:
        self.run = run
        self.value = value
        self.followed_hash = hash_of(run, value.dunder(run, "__hash__"))
        self.told: dict[int, bool] = {}  # which keys it was found to equal: a dict asks once where ours are looked through several times

    def __hash__(self) -> int:
        return self.followed_hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectKey):
            raise Break(f"a {self.value.describe()} as a key beside other kinds of keys is not captured")
        if id(self) not in other.told:
            notes = self.run.journal.notes
            before, other.told[id(self)] = len(notes), self.run.alike(self.value, other.value)
            if any(hasattr(changed, "entries") for changed in notes[before:]):
                raise Break(f"an __eq__ of a {self.value.describe()} that changes a dict or set while one looks for it is not captured")
        return other.told[id(self)]


def hashes_by_identity(cls: type) -> bool:
    """Whether objects of the class are dict keys by identity, without user code."""
    return cls.__hash__ is object.__hash__ and cls.__eq__ is object.__eq__ or getattr(cls, "_segue_identity_hash", False)


def key_of(run: Any, value: Any) -> Any:
    """What stands for a Value as a key of our own dicts."""
    if isinstance(value, Constant):
        run.concrete(hash, value.value)
        return value.value
    if isinstance(value, SymIntValue):
        return int(value.symbol)
    if isinstance(value, FloatValue) or value.type() is str:
        return value.python(run)  # raises Specialise: as a key it is the number or text that it is
    if value.type() is frozenset:
        return frozenset(value.shadow)
    if isinstance(value, TupleValue):
        return tuple(key_of(run, item) for item in value.items_of(run))
    if value.type() in (types.MethodType, types.BuiltinMethodType) and hasattr(value, "owner"):
        run.note_identity(value.owner)
        return MethodKey(value.function.identity() if hasattr(value, "function") else sys.intern(value.name), value.owner.identity())
    if run.is_identity_key(value):
        run.note_identity(value)
        return Identity(value.identity())
    if value.type().__hash__ is None:
        raise run.raised(TypeError, f"unhashable type: '{value.type().__name__}'")
    if hasattr(value, "contents") and type(run.class_entry(value.type(), "__eq__")) is type(run.class_entry(value.type(), "__hash__")) is types.WrapperDescriptorType:
        return key_of(run, value.contents)  # text or a number with attributes
    if isinstance(run.class_entry(value.type(), "__hash__"), types.FunctionType) and hasattr(value, "dunder"):
        return ObjectKey(run, value)
    raise Break(f"a {value.describe()} as a key is not captured", "use strings, numbers or tuples of these as keys")


def equals_none(run: Any, key: Any, keys: Any) -> bool:
    """Whether a key is a size that varies and equals none of a few keys, which is guarded: then it may go on varying."""
    return type(key) is SymIntValue and len(keys) <= FEW_KEYS and not any(run.equal(key, Constant(other)) for other in keys if type(other) in (int, bool, float))


def key_of_real(run: Any, key: Any) -> Any:
    """The same for a key of an existing dict."""
    if is_constant_type(type(key)) or isinstance(key, OWN_CONSTANTS):
        return key
    if type(key) is tuple:
        return tuple(key_of_real(run, item) for item in key)
    if type(key) is types.MethodType:
        return MethodKey(key.__func__, key.__self__)
    if run.is_identity_class(type(key)):
        return Identity(key)
    raise Break(f"a dict with a key of class {type(key).__name__} is not captured")


class DictValue(Value):
    """A dict, OrderedDict or defaultdict."""

    def __init__(self, entries: Iterable[tuple[Any, Any, Any]] = (), cls: type = dict, source: Any = None, real: Any = MISSING) -> None:
        self.entries: dict[Any, tuple[Any, Any]] = {key: (key_value, value) for key, key_value, value in entries}
        self.cls = cls
        self.source = source
        self.real = real
        self.factory: Value | None = None
        self.original = dict(self.entries) if real is not MISSING else None
        self.removals = 0
        self.deleted: dict[Any, Any] = {}  # keys that were deleted at some time, so that a later store puts them at the end again
        self.attributes: dict[str, Value] = {}  # an OrderedDict may have some: a state_dict has its `_metadata`

    def type(self) -> type:
        return self.cls

    def describe(self) -> str:
        return f"{self.cls.__name__} of {len(self.entries)}"

    def python(self, run: Any) -> Any:
        if self.cls not in (dict, collections.OrderedDict):
            raise NotPython(self.describe())
        if self.all_attributes(run):
            raise NotPython(self.describe())
        self.guard_keys(run)
        return self.cls((self.key_value(run, key).python(run), self.get(run, key).python(run)) for key in list(self.entries))

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, run: Any, key: Any) -> Value:
        key_value, found = self.entries[key]
        if isinstance(found, Unread):
            found = run.wrap(found.real, found.source)
            self.entries[key] = (key_value, found)
        return found

    def at(self, place: Any) -> Any:
        """What stands under a key as it is known, without a look at the object."""
        return self.entries.get(place, (None, None))[1]

    def key_value(self, run: Any, key: Any) -> Value:
        key_value, found = self.entries[key]
        if isinstance(key_value, Unread):
            key_value = run.wrap(key_value.real, key_value.source)
            self.entries[key] = (key_value, found)
        return key_value

    def guard_keys(self, run: Any) -> None:
        if self.source is not None:
            run.guard_keys(self)

    def place_of(self, run: Any, key: Value) -> Any:
        """What stands for a key. What an existing dict holds under an object follows from which object that is: it is guarded to stay the same one."""
        return key_of(run, key) if self.original is None else run.guarded_key(key)

    def lookup(self, run: Any, key: Value) -> Value | None:
        """The value under a key, or None; the absence is guarded."""
        if self.misses(run, key):
            return None
        return self.found(run, self.place_of(run, key))

    def found(self, run: Any, place: Any) -> Value | None:
        """What `lookup` gives, of a key that is known already."""
        if place in self.entries:
            return self.get(run, place)
        self.guard_absent(run, place)
        return None

    def guard_place(self, run: Any, place: Any) -> None:
        """That the object has the key, or has it not, as it was."""
        if self.source is not None and self.original is not None and place in self.original:
            run.guard_present_key(self, place)
        self.guard_absent(run, place)

    def guard_absent(self, run: Any, place: Any) -> None:
        if self.source is not None and self.original is not None and place not in self.original:
            run.guard_absent_key(self, place)

    def item(self, run: Any, key: Value) -> Value:
        found = self.lookup(run, key)
        if found is not None:
            return found
        if self.factory is not None and not (isinstance(self.factory, Constant) and self.factory.value is None):
            found = run.call(self.factory, [], {})
            self.set_item(run, key, found)
            return found
        raise run.raised_with(KeyError, key)

    def misses(self, run: Any, key: Value) -> bool:
        if type(key) is SymIntValue:
            self.guard_keys(run)
        return equals_none(run, key, self.entries)

    def contains(self, run: Any, item: Value) -> bool:
        if self.misses(run, item):
            return False
        place = self.place_of(run, item)
        if place not in self.entries:
            self.guard_absent(run, place)
            return False
        if self.source is not None and self.original is not None and place in self.original:
            run.guard_present_key(self, place)
        return True

    def length(self, run: Any) -> Constant:
        if self.source is not None:
            run.guard_length(self)
        return Constant(len(self.entries))

    def truth(self, run: Any) -> bool:
        return bool(self.length(run).value)

    def iterate(self, run: Any) -> Value:
        return self.view(run, "keys").iterate(run)

    def items_of(self, run: Any) -> list[Value]:
        self.guard_keys(run)
        return [self.key_value(run, key) for key in list(self.entries)]

    def view(self, run: Any, kind: str) -> Value:
        return DictView(self, kind)

    def attribute(self, run: Any, name: str) -> Value:
        if name == "default_factory" and self.factory is not None:
            return self.factory
        if name == "move_to_end" and self.cls is not collections.OrderedDict:
            raise run.raised(AttributeError, f"'{self.cls.__name__}' object has no attribute '{name}'")
        if name in self.attributes:
            return self.attributes[name]
        state = self.own_dict()
        if state is None or name in self.methods:
            return super().attribute(run, name)
        if name in state:
            self.attributes[name] = run.wrap(state[name], sources.DictValue(sources.InstanceDict(self.source), name))
            return self.attributes[name]
        run.guard_absent_attribute(self, name)
        return super().attribute(run, name)

    def own_dict(self) -> dict | None:
        """The instance's dict of one that exists outside, where its class has such."""
        return None if self.holder is not None or self.source is None else getattr(self.real, "__dict__", None)

    def all_attributes(self, run: Any) -> dict[str, Value]:
        """What a copy takes along."""
        state = self.own_dict()
        if state is not None:
            run.guard(guards.DictKeys(sources.InstanceDict(self.source), tuple(state)))
        return {name: self.attribute(run, name) for name in {**(state or {}), **self.attributes}}

    # -- writing ------------------------------------------------------------------------------------------------------

    def changed(self, run: Any) -> None:
        run.journal.note(self)

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        if self.cls is not collections.OrderedDict or self.real is not MISSING or hasattr(self.cls, name):
            super().set_attribute(run, name, value)
        self.attributes[name] = value

    def set_item(self, run: Any, key: Value, value: Value) -> None:
        self.store(run, self.place_of(run, key), key, value)

    def store(self, run: Any, place: Any, key: Value, value: Value) -> None:
        key, *known = self.entries.get(place, (key,))
        let_go(known)
        self.entries[place] = (key, value)
        self.changed(run)

    def delete_item(self, run: Any, key: Value) -> None:
        place = self.place_of(run, key)
        if place not in self.entries:
            self.guard_absent(run, place)
            raise run.raised_with(KeyError, key)
        self.remove(run, place)

    def remove(self, run: Any, place: Any) -> None:
        """Take a key out. Whether the object had it before is guarded, also where it was stored meanwhile: there is something to delete, or there is not."""
        self.guard_place(run, place)
        let_go(self.entries[place])
        key_value, _ = self.entries.pop(place)
        if self.real is not MISSING:
            self.deleted[place] = key_value
        self.removals += 1
        self.changed(run)

    # -- output -------------------------------------------------------------------------------------------------------

    def build(self, out: Any) -> None:
        check_keys(self)
        if self.holder is not None:
            out.value(self.holder)
            return
        if self.cls is dict and not out.is_cyclic(self) and all(followed_hash(place) is None for place in self.entries):
            for one in itertools.chain(*self.entries.values()):
                out.value(one)
            out.emit("BUILD_MAP", len(self.entries))
            return
        out.call(self.cls, *([self.factory or constant(None)] if self.cls is collections.defaultdict else []))
        out.remember(self)
        for place, (key_value, value) in self.entries.items():
            out.statement("store_item", self, key_value, value, Constant(followed_hash(place)))
        for name, value in self.attributes.items():
            out.statement("store_attribute", self, Constant(name), value)

    def is_as_before(self) -> bool:
        before = self.original
        return before is not None and not self.deleted and before.keys() == self.entries.keys() and all(
            is_same_place(before[place][1], value) for place, (_, value) in self.entries.items())

    def replay(self, out: Any) -> None:
        before = self.original or {}
        for place, key_value in self.deleted.items():
            if place in before:
                out.statement("delete_item", self, key_value)
        for place, (key_value, value) in self.entries.items():
            if place in self.deleted or place not in before or not is_same_place(before[place][1], value):
                out.statement("store_item", self, key_value, value, Constant(followed_hash(place)))


def dict_entries(run: Any, obj: dict, source: Any, cls: type, path: type = sources.DictValue) -> DictValue:
    entries = []
    for index, (key, value) in enumerate(cls.items(obj)):  # type: ignore[attr-defined]
        key_value: Any = constant(key) if type(key) in LITERALS else Unread(key, sources.DictKey(source, index))
        entries.append((key_of_real(run, key), key_value, Unread(value, path(source, key))))
    made = DictValue(entries, cls, source, obj)
    if cls is collections.defaultdict:
        made.factory = run.wrap(obj.default_factory, sources.Attribute(source, "default_factory"))  # type: ignore[attr-defined]
    return made


class DictView(Value):
    """d.keys(), d.values() or d.items()."""

    CLASSES = {"keys": type({}.keys()), "values": type({}.values()), "items": type({}.items())}

    def __init__(self, owner: DictValue, kind: str) -> None:
        self.owner = owner
        self.kind = kind

    def type(self) -> type:
        return self.CLASSES[self.kind]

    def items_of(self, run: Any) -> list[Value]:
        self.owner.guard_keys(run)
        return [self.entry(run, key) for key in list(self.owner.entries)]

    def entry(self, run: Any, key: Any) -> Value:
        if self.kind == "keys":
            return self.owner.key_value(run, key)
        if self.kind == "values":
            return self.owner.get(run, key)
        return TupleValue([self.owner.key_value(run, key), self.owner.get(run, key)])

    def iterate(self, run: Any) -> Value:
        self.owner.guard_keys(run)
        return run.dict_iterator(self)

    def length(self, run: Any) -> Value:
        return self.owner.length(run)

    def truth(self, run: Any) -> bool:
        return self.owner.truth(run)

    def attribute(self, run: Any, name: str) -> Value:
        return run.builtin_method(self, name) if name == "isdisjoint" else super().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name != "isdisjoint" or len(args) != 1:
            raise self.unsupported(f"method '{name}'")
        return constant(not any(self.contains(run, item) for item in run.drawn(args[0], asks_length=False)))

    def contains(self, run: Any, item: Value) -> bool:
        if self.kind == "keys":
            return self.owner.contains(run, item)
        return any(run.alike(own, item) for own in self.items_of(run))

    def build(self, out: Any) -> None:
        out.helper("call_method", self.owner, Constant(self.kind))


DICT_METHODS: dict[str, Callable] = {**SLOTS, **STORING_SLOTS}
DictValue.methods = DICT_METHODS
for _kind in ("keys", "values", "items"):
    DICT_METHODS[_kind] = lambda self, run, kind=_kind: self.view(run, kind)


@method(DICT_METHODS, "get")
def _get(self: DictValue, run: Any, key: Value, default: Value = Constant(None)) -> Value:
    return self.lookup(run, key) or default


@method(DICT_METHODS, "setdefault")
def _setdefault(self: DictValue, run: Any, key: Value, default: Value = Constant(None)) -> Value:
    place = MISSING if self.misses(run, key) else self.place_of(run, key)
    found = None if place is MISSING else self.found(run, place)
    if found is None:
        self.store(run, self.place_of(run, key) if place is MISSING else place, key, default)
    return default if found is None else found


@method(DICT_METHODS, "pop")
def _pop(self: DictValue, run: Any, key: Value, *default: Value) -> Value:
    place = MISSING if self.misses(run, key) else self.place_of(run, key)
    found = None if place is MISSING else self.found(run, place)
    if found is None and default:
        return default[0]
    if found is None:
        raise run.raised_with(KeyError, key)
    self.remove(run, place)
    return found


@method(DICT_METHODS, "popitem")
def _popitem(self: DictValue, run: Any, *, last: Value = Constant(True)) -> Value:
    self.guard_keys(run)
    if not self.entries:
        raise run.raised(KeyError, "dictionary is empty" if self.cls is collections.OrderedDict else "popitem(): dictionary is empty")
    place = next(reversed(self.entries) if last.truth(run) else iter(self.entries))
    pair = TupleValue([self.key_value(run, place), self.get(run, place)])
    self.remove(run, place)
    return pair


@method(DICT_METHODS, "update")
def _update(self: DictValue, run: Any, *others: Value, **named: Value) -> Value:
    for other in others:
        for key, value in run.pairs(other):
            self.set_item(run, key, value)
    for name, value in named.items():
        self.set_item(run, Constant(name), value)
    return constant(None)


@method(DICT_METHODS, "clear")
def _clear(self: DictValue, run: Any) -> Value:
    self.guard_keys(run)
    for place in list(self.entries):
        self.remove(run, place)
    return constant(None)


@method(DICT_METHODS, "copy")
def _copy(self: DictValue, run: Any) -> Value:
    self.guard_keys(run)
    made = DictValue([(key, *entry) for key, entry in self.entries.items()], self.cls)
    made.factory = self.factory
    return made


@method(DICT_METHODS, "move_to_end")
def _move_to_end(self: DictValue, run: Any, key: Value, last: Value = Constant(True)) -> Value:
    place = self.place_of(run, key)
    if (found := self.lookup(run, key)) is None:
        raise run.raised_with(KeyError, key)
    if not last.truth(run):
        if self.real is not MISSING:
            raise Break("OrderedDict.move_to_end(last=False) of a dict from outside is not captured")
        self.entries = {place: self.entries.pop(place), **self.entries}
        return constant(None)
    key_value = self.key_value(run, place)
    self.remove(run, place)
    self.set_item(run, key_value, found)
    return constant(None)
