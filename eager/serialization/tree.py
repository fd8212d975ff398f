"""segue's own format: a zip archive with one JSON text for the objects and one member for each storage. No part of it is code.

In come nested containers of tensors, numbers and strings, out goes `segue.json` and the storages, or the other way round. The one idea: every object that is
no plain number or string stands once in a flat list and is named by its place there, so what is shared stays shared, circles close, and nothing nests.

`segue.json` is {"format": "segue", "version": 1, "byteorder": ..., "storages": [bytes of each], "objects": [...], "root": value}. A value is null, true, false,
a number, a string, {"ref": place of an object}, {"float": "nan"}, or {"int": "0x..."} for integers above 64 bits. An object is {"type": its name, ...}, as
the writers in `WRITERS` make it. Storage i is the member `storages/i`.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import device, dtype
from ..errors import CheckpointError, UnsafeCheckpointError, error
from ..memory import whole
from ..nn.parameter import Buffer, Parameter
from ..shapes import Size
from ..tensor import Tensor
from .archive import Archive, ArchiveWriter
from .storages import Loaded, Placement, Saved, device_named, dtype_named, meta

INDEX = "segue.json"
VERSION = 1
CLASSES: dict[str, Any] = {"Tensor": Tensor, "Parameter": Parameter, "Buffer": Buffer}
FACTORIES: dict[str, Any] = {"list": list, "dict": dict, "set": set, "int": int, "float": float, "str": str, "tuple": tuple}
Object = dict[str, Any]


def storage_member(number: int) -> str:
    """The name of a storage's member."""
    return f"storages/{number}"


# ---------------------------------------------------------------------------------------------------------------- writing


class Writer:
    """Turns objects into the list. With `pickle_module` what has no form of its own is pickled; without, it is refused."""

    def __init__(self, pickle_module: Any = None) -> None:
        self.pickle = pickle_module
        self.objects: list[Object] = []
        self.places: dict[int, int] = {}
        self.kept: list[Any] = []
        self.saved = Saved()
        self.path: list[str] = []

    def value(self, x: Any) -> Any:
        """What stands for `x` where it is used."""
        kind = type(x)
        if x is None or kind is bool or kind is str:
            return x
        if kind is int:
            return x if -(1 << 63) <= x < 1 << 64 else {"int": hex(x)}
        if kind is float:
            return x if math.isfinite(x) else {"float": repr(x)}
        return {"ref": self.places[id(x)] if id(x) in self.places else self.object(x)}

    def object(self, x: Any) -> int:
        """The place of a new object. Containers that can change take theirs before their members', so that circles close; others after."""
        writer = next((WRITERS[kind] for kind in (type(x), *type(x).__mro__) if kind in WRITERS and (kind is type(x) or issubclass(kind, FREE))), None)
        if writer is None:
            writer = _pickled if self.pickle is not None else _refused
        self.kept.append(x)
        if type(x) in MUTABLE:
            entry: Object = {}
            self._add(x, entry)
            entry.update(writer(self, x))
            return self.places[id(x)]
        return self._add(x, writer(self, x))

    def _add(self, x: Any, entry: Object) -> int:
        self.places[id(x)] = len(self.objects)
        self.objects.append(entry)
        return self.places[id(x)]

    def inside(self, name: Any, x: Any) -> Any:
        """The value of a member; its name is for the message, should it be refused."""
        self.path.append(f"[{name!r}]")
        found = self.value(x)
        self.path.pop()
        return found


def _listed(name: str) -> Callable:
    return lambda w, x: {"type": name, "items": [w.inside(i, item) for i, item in enumerate(x)]}


def _paired(name: str) -> Callable:
    def write(w: Writer, x: Any) -> Object:
        entry: Object = {"type": name, "items": [[w.value(key), w.inside(key, item)] for key, item in x.items()]}
        if getattr(x, "__dict__", None):
            entry["attributes"] = w.value(dict(x.__dict__))
        return entry

    return write


def _defaultdict(w: Writer, x: defaultdict) -> Object:
    factory = x.default_factory
    if factory is not None and FACTORIES.get(getattr(factory, "__name__", "")) is not factory:
        return (_pickled if w.pickle is not None else _refused)(w, x)
    return {**_paired("defaultdict")(w, x), "factory": None if factory is None else factory.__name__}


def _has_form(x: Tensor) -> bool:
    return CLASSES.get(type(x).__name__) is type(x)


def _tensor(w: Writer, x: Tensor) -> Object:
    if not _has_form(x):
        return (_pickled if w.pickle is not None else _refused)(w, x)
    entry: Object = {"type": "tensor", "class": type(x).__name__, "dtype": x.dtype.name, "shape": list(x.shape), "stride": list(x.stride())}
    if x.is_meta:
        entry["storage"] = None
    else:
        entry["storage"], entry["start"] = w.saved.place(x)
    entry["requires_grad"] = x.requires_grad
    if x.__dict__:
        entry["attributes"] = w.value(dict(x.__dict__))
    return entry


def _array(w: Writer, x: np.ndarray | np.generic) -> Object:
    if x.dtype.kind not in "biufc" or not x.dtype.isnative:
        return (_pickled if w.pickle is not None else _refused)(w, x)
    kind = "array" if isinstance(x, np.ndarray) else "scalar"
    return {"type": kind, "dtype": x.dtype.str, "shape": list(x.shape), "base64": _encoded(np.ascontiguousarray(x).tobytes())}


def _pickled(w: Writer, x: Any) -> Object:
    """A pickle in which tensors are references to the list, so that they share memory with all others."""
    stream = io.BytesIO()

    class Pickler(w.pickle.Pickler):  # type: ignore[name-defined,misc]
        def persistent_id(self, inner: Any) -> int | None:
            return w.value(inner)["ref"] if isinstance(inner, Tensor) and _has_form(inner) else None

    Pickler(stream, 2).dump(x)
    return {"type": "pickle", "base64": _encoded(stream.getvalue())}


def _refused(w: Writer, x: Any) -> Object:
    where = f" at {''.join(w.path)}" if w.path else ""
    raise error(
        TypeError,
        f"save(): a {type(x).__module__}.{type(x).__qualname__}{where} has no form without pickle; there are tensors, numbers, strings, bytes, lists, "
        "tuples, dicts, sets, dtypes, devices and NumPy arrays",
        "save(module.state_dict(), f), or pickle_module=pickle and load(f, weights_only=False)",
    )


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


WRITERS: dict[type, Callable[[Writer, Any], Object]] = {
    list: _listed("list"), tuple: _listed("tuple"), set: _listed("set"), frozenset: _listed("frozenset"),
    dict: _paired("dict"), OrderedDict: _paired("ordered dict"), Counter: _paired("counter"), defaultdict: _defaultdict,
    Size: lambda w, x: {"type": "size", "items": [int(size) for size in x]},
    complex: lambda w, x: {"type": "complex", "parts": [w.value(x.real), w.value(x.imag)]},
    bytes: lambda w, x: {"type": "bytes", "base64": _encoded(x)},
    bytearray: lambda w, x: {"type": "bytearray", "base64": _encoded(x)},
    slice: lambda w, x: {"type": "slice", "items": [w.value(part) for part in (x.start, x.stop, x.step)]},
    range: lambda w, x: {"type": "range", "items": [x.start, x.stop, x.step]},
    dtype: lambda w, x: {"type": "dtype", "name": x.name}, device: lambda w, x: {"type": "device", "name": str(x)},
    Tensor: _tensor, np.ndarray: _array, np.generic: _array,
}  # fmt: skip
FREE = (Tensor, np.generic)  # the classes whose subclasses have the same form
MUTABLE = frozenset({list, set, dict, OrderedDict, Counter, defaultdict})


def write(obj: Any, archive: ArchiveWriter, pickle_module: Any = None) -> None:
    """Write `obj`. Raises TypeError for what has no form here, before anything is written."""
    w = Writer(pickle_module)
    root = w.value(obj)
    index = {
        "format": "segue", "version": VERSION, "byteorder": sys.byteorder, "storages": [memory.nbytes for memory in w.saved.memories],
        **({"devices": w.saved.devices} if any(where != "cpu" for where in w.saved.devices) else {}),
        "objects": w.objects, "root": root,
    }  # fmt: skip
    archive.add(INDEX, json.dumps(index, allow_nan=False, separators=(",", ":")).encode("ascii"))
    for number, memory in enumerate(w.saved.memories):
        archive.add(storage_member(number), whole(memory))


# ---------------------------------------------------------------------------------------------------------------- reading


class Reader:
    """Builds the objects of a list. Raises CheckpointError for a list that no writer makes."""

    def __init__(self, archive: Archive, place: Placement, pickle_module: Any = None) -> None:
        self.pickle = pickle_module  # None: pickles are refused
        try:
            index = json.loads(archive.read(INDEX))
            self.objects, self.root, sizes, order = index["objects"], index["root"], index["storages"], index["byteorder"]
            if index["format"] != "segue" or index["version"] > VERSION:
                raise CheckpointError(f"the checkpoint has version {index['version']} of its format; this segue reads up to {VERSION}")
        except (ValueError, KeyError, TypeError, RecursionError) as problem:
            raise CheckpointError(f"the checkpoint is damaged: {INDEX} cannot be read ({problem})") from problem
        where = [str(device_named(name)) for name in index.get("devices", ["cpu"] * len(sizes))]
        if len(where) != len(sizes):
            raise CheckpointError(f"the checkpoint is damaged: {INDEX} names {len(where)} devices for {len(sizes)} storages")
        self.storages = [place(self._storage(archive, number, size, order), where[number]) for number, size in enumerate(sizes)]
        self.built: list[Any] = [_NOT_YET] * len(self.objects)

    @staticmethod
    def _storage(archive: Archive, number: int, size: Any, order: str) -> Loaded:
        name = storage_member(number)
        if archive.size(name) != size or order != sys.byteorder:
            raise CheckpointError(f"the checkpoint is damaged: storage {number} has {archive.size(name)} bytes of byte order {order}, not {size}")
        return Loaded(size, None, lambda: archive.array(name))

    def build(self) -> Any:
        """All objects, and the one that was saved: empty containers first, then what cannot change, in order, then the containers' members, then attributes."""
        try:
            for build in (_begin, _freeze, _fill, _adorn):
                for number, entry in enumerate(self.objects):
                    build(self, number, entry)
            return self.value(self.root)
        except CheckpointError:
            raise
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, binascii.Error) as problem:
            raise CheckpointError(f"the checkpoint is damaged: {INDEX} describes what cannot be ({type(problem).__name__}: {problem})") from problem

    def value(self, written: Any) -> Any:
        """The object that `written` stands for."""
        if type(written) is not dict:
            if type(written) is list:
                raise CheckpointError("the checkpoint is damaged: a list stands where a value is wanted")
            return written
        ((kind, what),) = written.items()
        if kind == "float":
            return float(what)
        if kind == "int":
            return int(what, 16)
        if kind != "ref" or type(what) is not int or not 0 <= what < len(self.built) or self.built[what] is _NOT_YET:
            raise CheckpointError(f"the checkpoint is damaged: {str(written)[:60]} refers to nothing")
        return self.built[what]


_NOT_YET = object()


def _begin(r: Reader, number: int, entry: Object) -> None:
    kind = entry["type"]
    if kind in EMPTY:
        r.built[number] = EMPTY[kind](entry)
    elif kind in DIRECT:
        r.built[number] = DIRECT[kind](r, entry)
    elif kind not in FROZEN:
        raise CheckpointError(f"the checkpoint holds an object of the type {str(kind)[:40]!r}, which this segue does not know")


def _freeze(r: Reader, number: int, entry: Object) -> None:
    if entry["type"] in FROZEN:
        r.built[number] = FROZEN[entry["type"]](r, entry)


def _fill(r: Reader, number: int, entry: Object) -> None:
    made, kind = r.built[number], entry["type"]
    if kind == "list":
        made.extend(r.value(item) for item in entry["items"])
    elif kind == "set":
        made.update(r.value(item) for item in entry["items"])
    elif kind in EMPTY:
        for key, item in entry["items"]:
            made[r.value(key)] = r.value(item)


def _adorn(r: Reader, number: int, entry: Object) -> None:
    made = r.built[number]
    if "attributes" in entry:
        for name, value in dict(r.value(entry["attributes"])).items():
            if type(name) is not str or name.startswith("__"):
                raise CheckpointError(f"the checkpoint is damaged: {str(name)[:40]!r} is no attribute's name")
            made.__dict__[name] = value


def _read_tensor(r: Reader, entry: Object) -> Tensor:
    of, number = dtype_named(entry["dtype"]), entry["storage"]
    if number is None:
        found = meta(of, entry["shape"], entry["stride"])
    elif type(number) is int and 0 <= number < len(r.storages):
        found = r.storages[number].tensor(of, entry["shape"], entry["stride"], int(entry["start"]))
    else:
        raise CheckpointError(f"the checkpoint is damaged: a tensor names storage {str(number)[:20]} of {len(r.storages)}")
    return as_class(found, CLASSES[entry["class"]], entry["requires_grad"] is True)


def as_class(found: Tensor, cls: Any, requires_grad: bool) -> Tensor:
    """A leaf of another class over the same memory."""
    out = found if cls is Tensor else cls._wrap(found._data, found._storage)
    return out.requires_grad_() if requires_grad else out


def _read_array(r: Reader, entry: Object) -> Any:
    of = np.dtype(entry["dtype"])
    if of.kind not in "biufc":
        raise CheckpointError(f"the checkpoint is damaged: NumPy's {of} holds no numbers")
    made = np.frombuffer(_decoded(entry), of).reshape([int(size) for size in entry["shape"]]).copy()
    return made if entry["type"] == "array" else made[()]


def _read_pickle(r: Reader, entry: Object) -> Any:
    if r.pickle is None:
        raise UnsafeCheckpointError(
            "the checkpoint holds a pickle, which may run any code. If you trust where it comes from: load(f, weights_only=False)"
        )

    class Unpickler(r.pickle.Unpickler):  # type: ignore[name-defined,misc]
        def persistent_load(self, number: int) -> Any:
            return r.value({"ref": number})

    return Unpickler(io.BytesIO(_decoded(entry))).load()


def _decoded(entry: Object) -> bytes:
    return base64.b64decode(entry["base64"], validate=True)


EMPTY: dict[str, Callable[[Object], Any]] = {
    "list": lambda entry: [], "set": lambda entry: set(), "dict": lambda entry: {}, "ordered dict": lambda entry: OrderedDict(),
    "counter": lambda entry: Counter(), "defaultdict": lambda entry: defaultdict(None if entry["factory"] is None else FACTORIES[entry["factory"]]),
}  # fmt: skip
DIRECT: dict[str, Callable[[Reader, Object], Any]] = {
    "size": lambda r, entry: Size(int(size) for size in entry["items"]), "complex": lambda r, entry: complex(*map(r.value, entry["parts"])),
    "bytes": lambda r, entry: _decoded(entry), "bytearray": lambda r, entry: bytearray(_decoded(entry)),
    "slice": lambda r, entry: slice(*map(r.value, entry["items"])), "range": lambda r, entry: range(*map(int, entry["items"])),
    "dtype": lambda r, entry: dtype_named(entry["name"]), "device": lambda r, entry: device_named(entry["name"]),
    "tensor": _read_tensor, "array": _read_array, "scalar": _read_array,
}  # fmt: skip
FROZEN: dict[str, Callable[[Reader, Object], Any]] = {
    "tuple": lambda r, entry: tuple([r.value(item) for item in entry["items"]]),
    "frozenset": lambda r, entry: frozenset([r.value(item) for item in entry["items"]]), "pickle": _read_pickle,
}  # fmt: skip
