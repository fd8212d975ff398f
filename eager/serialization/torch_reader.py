"""PyTorch's checkpoints: the zip format, and the one before it, read without running anything.

In comes a file, out goes what was saved. The one idea: a PyTorch file is a pickle that names a handful of functions, and storages by persistent ids; `NAMES` gives for each
of those functions one of ours, that checks what it is given. A name that is not in the table is refused before anything is called.
"""

from __future__ import annotations

import io
import re
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..dtypes import _NAMES, dtype
from ..errors import CheckpointError, UnsafeCheckpointError
from ..functional.complex_numbers import conj
from ..layouts import strided
from ..nn.parameter import Buffer, Parameter
from ..shapes import Size
from ..tensor import Tensor
from . import safe
from .archive import Archive
from .files import Source
from .machine import Machine
from .storages import Loaded, Placement, device_named, meta, native, placement
from .tree import as_class

LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickle of 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001
STORAGES = {
    "DoubleStorage": dtypes.float64, "FloatStorage": dtypes.float32, "HalfStorage": dtypes.float16, "BFloat16Storage": dtypes.bfloat16,
    "LongStorage": dtypes.int64, "IntStorage": dtypes.int32, "ShortStorage": dtypes.int16, "CharStorage": dtypes.int8, "ByteStorage": dtypes.uint8,
    "BoolStorage": dtypes.bool, "ComplexFloatStorage": dtypes.complex64, "ComplexDoubleStorage": dtypes.complex128,
}  # fmt: skip


class StorageType:
    """What the name of a class of storages stands for; `dtype` is None for bytes."""

    def __init__(self, of: dtype | None) -> None:
        self.dtype = of


class Named:
    """What the name of a class stands for that may be mentioned, and not called."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind


# ---------------------------------------------------------------------------------------------------- what the names stand for


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise CheckpointError(f"the checkpoint is damaged: {what}")


def _tensor(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, hooks: Any = None, metadata: Any = None, of: Any = None
) -> Tensor:
    """_rebuild_tensor_v2: a tensor over a storage, from an offset in elements on."""
    _need(isinstance(storage, Loaded) and type(offset) is int, "a tensor has no storage or no offset")
    kind = of or storage.dtype
    _need(isinstance(kind, dtype), "a tensor has no dtype")
    found = storage.tensor(kind, tuple(size), tuple(stride), offset * kind.itemsize)
    if metadata:
        _need(type(metadata) is dict and metadata.keys() <= {"conj", "neg"}, f"a tensor has the properties {str(metadata)[:60]}")
        found = conj(found) if metadata.get("conj") else found
        found = -found if metadata.get("neg") else found
    return found.requires_grad_() if requires_grad is True else found


def _tensor_of_dtype(storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, of: Any, metadata: Any = None) -> Tensor:
    """_rebuild_tensor_v3: the storage is bytes, the dtype is told."""
    return _tensor(storage, offset, size, stride, requires_grad, hooks, metadata, of)


def _meta_tensor(of: Any, size: Any, stride: Any, requires_grad: Any) -> Tensor:
    _need(isinstance(of, dtype), "a tensor has no dtype")
    found = meta(of, tuple(size), tuple(stride))
    return found.requires_grad_() if requires_grad is True else found


def _parameter(data: Any, requires_grad: Any, hooks: Any = None, state: Any = None) -> Tensor:
    _need(isinstance(data, Tensor), "a parameter has no tensor")
    return _with_state(as_class(data.detach(), Parameter, requires_grad is True), state)


def _typed(function: Any, cls: Any, arguments: Any, state: Any) -> Tensor:
    """_rebuild_from_type_v2: a tensor of a class, with attributes."""
    _need(function in REBUILDERS and type(cls) is Named and type(arguments) is tuple, f"a tensor is made by {str(function)[:60]}")
    found = function(*arguments)
    if type(state) is dict and state.get("_is_buffer"):
        made = as_class(found, Buffer, found.requires_grad)
        made.persistent = bool(state.get("persistent", True))  # type: ignore[attr-defined]
        return made
    return _with_state(as_class(found, cls.kind, found.requires_grad), state)


def _with_state(x: Tensor, state: Any) -> Tensor:
    attributes, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    for part in (attributes, slots):
        _need(part is None or type(part) is dict and all(type(name) is str and not name.startswith("__") for name in part), "a tensor's attributes")
        x.__dict__.update(part or {})
    return x


def _made_of(kind: Any) -> Callable:
    """A container's class, which takes containers only: a number would ask for memory that the file does not hold."""

    def make(items: Any = ()) -> Any:
        _need(type(items) in (list, tuple, set, frozenset, dict, OrderedDict), f"a {kind.__name__} is made of {str(items)[:40]}")
        return kind(items)

    return make


def _bytes_of(text: Any, encoding: Any = "latin1") -> bytes:
    _need(type(text) is str and encoding in ("latin1", "latin-1", "utf-8", "ascii"), f"a text has the encoding {str(encoding)[:20]}")
    return text.encode(encoding)


def _bytearray(data: Any = b"", encoding: Any = None) -> bytearray:
    return bytearray(data if type(data) is bytes else _bytes_of(data, encoding))


def _defaultdict(factory: Any = None, items: Any = ()) -> defaultdict:
    kind = factory.kind if type(factory) is Named else FACTORIES.get(factory)
    _need((factory is None or kind is not None) and type(items) in (tuple, dict, list), "a defaultdict has another factory than a builtin")
    return defaultdict(kind, items)


def _size(sizes: Any = ()) -> Size:
    _need(type(sizes) in (tuple, list) and all(type(size) is int for size in sizes), f"a size is {str(sizes)[:40]}")
    return Size(sizes)


def _device(kind: Any = "cpu", index: Any = None) -> Any:
    _need(index is None or type(index) is int, f"a device's number is {str(index)[:40]}")
    return device_named(kind, index)


def _number(kind: type) -> Callable:
    def make(*parts: Any) -> Any:
        _need(len(parts) <= 2 and all(type(part) in (int, float) for part in parts), f"a {kind.__name__} is made of {str(parts)[:40]}")
        return kind(*parts)

    return make


def _indices(kind: Any) -> Callable:
    def make(*bounds: Any) -> Any:
        _need(all(bound is None or type(bound) is int for bound in bounds), f"a {kind.__name__} is made of {str(bounds)[:40]}")
        return kind(*bounds)

    return make


def _layout(name: Any) -> Any:
    _need(name == "torch.strided", f"the layout {str(name)[:40]} is not there")
    return strided


def _numpy_dtype(name: Any, align: Any = False, copy: Any = True) -> np.dtype:
    _need(type(name) is str and re.fullmatch(r"[<|=]?[biufc]\d\d?", name) is not None, f"NumPy's {str(name)[:20]} holds no numbers")
    return np.dtype(name)


def _numpy_scalar(of: Any, data: Any) -> Any:
    _need(isinstance(of, np.dtype) and of.kind in "biufc" and type(data) is bytes and len(data) == of.itemsize, "a NumPy number")
    return np.frombuffer(data, of)[0]


def _numpy_array(cls: Any, shape: Any, code: Any) -> np.ndarray:
    _need(type(cls) is Named and cls.kind is np.ndarray and shape == (0,), "a NumPy array")
    return np.empty(0, np.int8)


REBUILDERS = (_tensor, _tensor_of_dtype, _meta_tensor, _parameter)
_BUILTINS = {
    "list": _made_of(list), "tuple": _made_of(tuple), "set": _made_of(set), "frozenset": _made_of(frozenset), "dict": _made_of(dict),
    "complex": _number(complex), "int": Named(int), "float": Named(float), "str": Named(str), "bytearray": _bytearray, "slice": _indices(slice), "range": _indices(range),
}  # fmt: skip
FACTORIES = {_BUILTINS[kind.__name__]: kind for kind in (list, dict, set, tuple)}
"""(module, name) in the file -> what it stands for."""
NAMES: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor"): _tensor, ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_dtype, ("torch._utils", "_rebuild_meta_tensor_no_storage"): _meta_tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter, ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _typed, ("torch", "Tensor"): Named(Tensor), ("torch._tensor", "Tensor"): Named(Tensor),
    ("torch.nn.parameter", "Parameter"): Named(Parameter), ("torch", "Size"): _size, ("torch", "device"): _device,
    ("torch.serialization", "_get_layout"): _layout, ("torch.storage", "UntypedStorage"): StorageType(None), ("torch", "UntypedStorage"): StorageType(None),
    **{("torch", name): StorageType(of) for name, of in STORAGES.items()}, **{("torch", name): of for name, of in _NAMES.items()},
    ("collections", "OrderedDict"): _made_of(OrderedDict), ("collections", "defaultdict"): _defaultdict, ("collections", "Counter"): _made_of(Counter),
    ("_codecs", "encode"): _bytes_of,
    **{(module, name): made for module in ("builtins", "__builtin__") for name, made in _BUILTINS.items()},
    ("numpy", "dtype"): _numpy_dtype, ("numpy", "ndarray"): Named(np.ndarray),
    **{(f"numpy.{core}.multiarray", name): made for core in ("core", "_core")
       for name, made in (("scalar", _numpy_scalar), ("_reconstruct", _numpy_array))},
}  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- reading


class Checkpoint:
    """One file: its storages by key, and its pickles. `open_storage(key, of, count, place)` says where a storage's bytes are."""

    def __init__(self, place: Placement, unsafe: Any) -> None:
        self.place, self.unsafe = place, unsafe
        self.storages: dict[str, Loaded] = {}
        self.own = safe.by_name()

    def storage(self, key: str, of: dtype | None, count: int) -> Loaded:
        """The storage under a key of the file; made when it is first named."""
        raise NotImplementedError

    def find(self, module: str, name: str) -> Any:
        """What a name stands for. Raises UnsafeCheckpointError where the table has none."""
        found = self.own.get((module, name), NAMES.get((module, name)))
        if found is None:
            hint = f"serialization.add_safe_globals([{name.rpartition('.')[2]}])"
            if module.partition(".")[0] == "torch":
                hint = "in PyTorch save the state_dict() instead"
            raise UnsafeCheckpointError(
                f"the checkpoint names {module}.{name}, which is not among what makes up weights; nothing of the file was run. If you trust it: {hint}, or "
                "load(f, weights_only=False)"
            )
        return found

    def persistent(self, what: Any) -> Any:
        """A storage, from ('storage', its class, key, device, elements), in the older format with a part of it behind."""
        _need(type(what) is tuple and len(what) in (5, 6) and what[0] == "storage", f"a persistent id is {str(what)[:60]}")
        _, kind, key, location, count, *part = what
        _need(type(kind) is StorageType and type(key) is str and type(location) is str and type(count) is int and count >= 0, "a storage's id")
        if key not in self.storages:
            self.storages[key] = self.place(self.storage(key, kind.dtype, count), location)
        found = self.storages[key]
        _need(found.dtype is kind.dtype, f"storage {key} is named with two dtypes")
        if part and part[0] is not None:
            return self._part(found, *part[0])
        _need(len(found) == count, f"storage {key} is named with {len(found)} and with {count} elements")
        return found

    @staticmethod
    def _part(root: Loaded, key: Any, offset: Any, count: Any) -> Loaded:
        _need(type(offset) is int and type(count) is int and offset >= 0 and count >= 0 and offset + count <= len(root), "a part of a storage")
        begin, width = offset, 1 if root.dtype is None else root.dtype.itemsize
        made = Loaded(count * width, root.dtype, lambda: root.whole()[begin * width : (begin + count) * width])
        made.storage, made.device = root.storage, root.device
        return made

    def unpickle(self, stream: Any) -> Any:
        """The object of the pickle that begins where the stream stands."""
        if self.unsafe is None:
            return Machine(stream, self.find, self.persistent, frozenset(map(id, self.own.values()))).run()
        checkpoint = self

        class Unpickler(self.unsafe.Unpickler):  # type: ignore[name-defined,misc]
            def find_class(self, module: str, name: str) -> Any:
                if (module, name) in NAMES or module.partition(".")[0] == "torch":
                    return checkpoint.find(module, name)
                return super().find_class(module, name)

            def persistent_load(self, what: Any) -> Any:
                return checkpoint.persistent(what)

        return Unpickler(stream).load()


class ZipCheckpoint(Checkpoint):
    """The format since PyTorch 1.6: one pickle, and a member for each storage."""

    def __init__(self, archive: Archive, place: Placement, unsafe: Any) -> None:
        super().__init__(place, unsafe)
        self.archive = archive
        found = [name for name in archive.places if name.endswith("/data.pkl")]
        _need(len(found) == 1, "the archive has no data.pkl; it is neither a checkpoint of segue's nor one of PyTorch's")
        self.folder = found[0].removesuffix("data.pkl")
        if self.folder + "constants.pkl" in archive:
            raise CheckpointError("this is a TorchScript archive, which holds code; in PyTorch save the state_dict() instead")
        order = self.folder + "byteorder"
        self.order = archive.read(order).decode("ascii", "replace") if order in archive else "little"
        _need(self.order in ("little", "big"), f"the byte order is {self.order[:20]!r}")

    def storage(self, key: str, of: dtype | None, count: int) -> Loaded:
        name, width = f"{self.folder}data/{key}", 1 if of is None else of.itemsize
        size = self.archive.size(name)
        _need(size == count * width, f"storage {key} should have {count} elements of {width} bytes, and has {size} bytes")
        _need(of is not None or self.order == "little", "bytes of the other byte order have no dtype")
        return Loaded(size, of, lambda: native(self.archive.array(name), of or dtypes.uint8, self.order))


def read_archive(archive: Archive, place: Placement, unsafe: Any) -> Any:
    """What `torch.save` wrote into a zip archive."""
    checkpoint = ZipCheckpoint(archive, place, unsafe)
    return checkpoint.unpickle(io.BytesIO(archive.read(checkpoint.folder + "data.pkl")))


class LegacyCheckpoint(Checkpoint):
    """The format before: pickles one after another, then the storages in the order of a list of keys.

    How long a storage is stands in the pickle in front of it, so that is read twice: for the storages' names, all on the meta device, and for the objects.
    """

    def __init__(self, source: Source, place: Placement, unsafe: Any) -> None:
        super().__init__(place, unsafe)
        self.source, self.order = source, "little"
        self.begins: dict[str, int] = {}

    def storage(self, key: str, of: dtype | None, count: int) -> Loaded:
        _need(of is not None, "a storage has no dtype")
        assert of is not None
        return Loaded(count * of.itemsize, of, lambda: native(self.source.array(self.begins[key], count * of.itemsize), of, self.order))

    def read(self) -> Any:
        stream = self.source.stream
        stream.seek(0)
        _, version, system = (Machine(stream, self.find, self.persistent).run() for _ in range(3))
        _need(version == LEGACY_VERSION and type(system) is dict, f"the version is {str(version)[:20]}, not {LEGACY_VERSION}")
        self.order = "little" if system.get("little_endian", True) else "big"
        begin, place = stream.tell(), self.place
        self.place = placement("meta")
        self.unpickle(stream)
        end = stream.tell()
        keys = Machine(stream, self.find, self.persistent).run()
        _need(type(keys) is list and set(keys) >= self.storages.keys(), "the list of storages lacks some that are used")
        self._find_storages(keys, stream.tell())
        self.storages, self.place = {}, place
        return self.unpickle(io.BytesIO(self.source.read(begin, end - begin)))

    def _find_storages(self, keys: list, position: int) -> None:
        for key in keys:
            _need(key in self.storages, f"storage {str(key)[:40]} is used nowhere")
            count = int.from_bytes(self.source.read(position, 8), self.order)  # type: ignore[arg-type]
            _need(count == len(self.storages[key]), f"storage {key} has {count} elements, not {len(self.storages[key])}")
            self.begins[key] = position + 8
            position += 8 + self.storages[key].nbytes
        if position > self.source.size:
            raise CheckpointError(f"the file is truncated: its storages end at byte {position} of {self.source.size}")


def read_legacy(source: Source, place: Placement, unsafe: Any) -> Any:
    """What `torch.save` wrote before PyTorch 1.6. Raises RuntimeError for a mapped file, whose storages may stand at odd places."""
    if source.map is not None:
        raise RuntimeError("load(): mmap=True reads files of the zip format; this is the one before. Instead: mmap=False")
    return LegacyCheckpoint(source, place, unsafe).read()
