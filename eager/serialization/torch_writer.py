"""Checkpoints that PyTorch reads: its zip format, written without PyTorch.

In come nested containers of tensors, numbers and strings, out go a pickle (protocol 2) and the storages. The one idea: only those opcodes are written that PyTorch's own
files hold, for a fixed set of types, so `torch.load(weights_only=True)` takes every file that comes out of here.
"""

from __future__ import annotations

import struct
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..dtypes import device, dtype
from ..errors import error
from ..memory import whole
from ..nn.parameter import Buffer, Parameter
from ..shapes import Size
from ..tensor import Tensor
from .archive import ArchiveWriter
from .storages import Saved
from .torch_reader import STORAGES

FOLDER = "archive"
_STORAGE_OF = {of: name for name, of in STORAGES.items()}


class Name(NamedTuple):
    """A class or function of PyTorch's."""

    module: str
    name: str


class Call(NamedTuple):
    """What a function gives for these arguments."""

    function: Name
    arguments: tuple


class Persistent(NamedTuple):
    """A storage."""

    parts: tuple


class Writer:
    """The opcodes of one pickle."""

    def __init__(self) -> None:
        self.out = bytearray(b"\x80\x02")
        self.places: dict[Any, int] = {}  # name, or id of an object -> its place in the memo
        self.kept: list[Any] = []
        self.saved = Saved()
        self.types: dict[int, dtype] = {}  # storage -> its one dtype

    def write(self, x: Any) -> None:
        """Any object. Raises TypeError for a class without a form here."""
        key = x if type(x) is Name else id(x)
        if key in self.places:
            self.out += b"j" + struct.pack("<I", self.places[key])
            return
        writer = WRITERS.get(type(x))
        if writer is None:
            raise error(
                TypeError, f"save(format='torch'): a {type(x).__module__}.{type(x).__qualname__} has no form that PyTorch reads without running code",
                "save(module.state_dict(), f, format='torch')",
            )  # fmt: skip
        writer(self, x)

    def remember(self, x: Any) -> None:
        """What was written last is `x`; it will not be written again."""
        self.out += b"r" + struct.pack("<I", len(self.places))
        self.places[x if type(x) is Name else id(x)] = len(self.places)
        self.kept.append(x)

    def marked(self, items: Iterable[Any], end: bytes) -> None:
        self.out += b"("
        for item in items:
            self.write(item)
        self.out += end


def _integer(w: Writer, x: int) -> None:
    if 0 <= x < 256:
        w.out += b"K" + bytes([x])
    elif -(1 << 31) <= x < 1 << 31:
        w.out += b"J" + struct.pack("<i", x)
    else:
        data = x.to_bytes(x.bit_length() // 8 + 1, "little", signed=True)
        w.out += (b"\x8a" + bytes([len(data)]) if len(data) < 256 else b"\x8b" + struct.pack("<i", len(data))) + data


def _string(w: Writer, x: str) -> None:
    data = x.encode("utf-8", "surrogatepass")
    w.out += b"X" + struct.pack("<I", len(data)) + data


def _name(w: Writer, x: Name) -> None:
    w.out += f"c{x.module}\n{x.name}\n".encode()
    w.remember(x)


def _call(w: Writer, x: Call) -> None:
    w.write(x.function)
    w.marked(x.arguments, b"tR")


def _persistent(w: Writer, x: Persistent) -> None:
    w.marked(x.parts, b"tQ")


def _list(w: Writer, x: list) -> None:
    w.out += b"]"
    w.remember(x)
    w.marked(x, b"e")


def _tuple(w: Writer, x: tuple) -> None:
    w.marked(x, b"t")
    if x:
        w.remember(x)


def _dict(w: Writer, x: dict) -> None:
    w.out += b"}"
    w.remember(x)
    w.marked((part for item in x.items() for part in item), b"u")


def _ordered_dict(w: Writer, x: OrderedDict) -> None:
    w.write(Call(Name("collections", "OrderedDict"), ()))
    w.remember(x)
    w.marked((part for item in x.items() for part in item), b"u")
    if x.__dict__:
        w.write(dict(x.__dict__))
        w.out += b"b"


def _as_call(function: Callable[[Any], Call]) -> Callable[[Writer, Any], None]:
    def write(w: Writer, x: Any) -> None:
        w.write(function(x))
        w.remember(x)

    return write


def _rebuilt(w: Writer, x: Tensor) -> Call:
    """The call that makes a plain tensor. Raises RuntimeError for a storage with tensors of two dtypes, for which PyTorch's format has no form."""
    if x.is_meta:
        return Call(Name("torch._utils", "_rebuild_meta_tensor_no_storage"), (x.dtype, tuple(x.shape), x.stride(), x.requires_grad))
    number, start = w.saved.place(x)
    nbytes, width = w.saved.memories[number].nbytes, x.itemsize
    if w.types.setdefault(number, x.dtype) is not x.dtype or nbytes % width or start % width:
        raise error(RuntimeError, f"save(format='torch'): tensors of {w.types[number]} and {x.dtype} show the same memory", "clone() one of them")
    storage = Persistent(("storage", Name("torch", _STORAGE_OF[x.dtype]), str(number), w.saved.devices[number], nbytes // width))
    return Call(
        Name("torch._utils", "_rebuild_tensor_v2"), (storage, start // width, tuple(x.shape), x.stride(), x.requires_grad, OrderedDict())
    )


def _tensor(w: Writer, x: Tensor) -> None:
    attributes = dict(x.__dict__)
    made = _rebuilt(w, x)
    if type(x) is Parameter:
        form = "_rebuild_parameter_with_state" if attributes else "_rebuild_parameter"
        made = Call(Name("torch._utils", form), (made, x.requires_grad, OrderedDict(), *([attributes] if attributes else ())))
    elif attributes:
        state = {**attributes, "_is_buffer": True} if type(x) is Buffer else attributes
        made = Call(Name("torch._tensor", "_rebuild_from_type_v2"), (made.function, Name("torch", "Tensor"), made.arguments, state))
    w.write(made)
    w.remember(x)


_BUILTIN = "__builtin__"
WRITERS: dict[type, Callable[[Writer, Any], None]] = {
    type(None): lambda w, x: w.out.extend(b"N"), bool: lambda w, x: w.out.extend(b"\x88" if x else b"\x89"), int: _integer,
    float: lambda w, x: w.out.extend(b"G" + struct.pack(">d", x)), str: _string,
    Name: _name, Call: _call, Persistent: _persistent, list: _list, tuple: _tuple, dict: _dict, OrderedDict: _ordered_dict,
    Tensor: _tensor, Parameter: _tensor, Buffer: _tensor,
    dtype: lambda w, x: w.write(Name("torch", x.name)), device: _as_call(lambda x: Call(Name("torch", "device"), (str(x),))),
    Size: _as_call(lambda x: Call(Name("torch", "Size"), (tuple(int(size) for size in x),))),
    complex: _as_call(lambda x: Call(Name(_BUILTIN, "complex"), (x.real, x.imag))),
    set: _as_call(lambda x: Call(Name(_BUILTIN, "set"), (list(x),))),
    bytes: _as_call(lambda x: Call(Name("_codecs", "encode"), (x.decode("latin1"), "latin1"))),
    bytearray: _as_call(lambda x: Call(Name(_BUILTIN, "bytearray"), (bytes(x),))),
    Counter: _as_call(lambda x: Call(Name("collections", "Counter"), (dict(x),))),
}  # fmt: skip


def write(obj: Any, archive: ArchiveWriter) -> None:
    """Write `obj`. Raises TypeError for what PyTorch's format does not hold without code, before anything is written."""
    w = Writer()
    w.write(obj)
    w.out += b"."
    archive.add(f"{FOLDER}/data.pkl", w.out)
    archive.add(f"{FOLDER}/byteorder", sys.byteorder.encode())
    for number, memory in enumerate(w.saved.memories):
        archive.add(f"{FOLDER}/data/{number}", whole(memory))
    archive.add(f"{FOLDER}/version", b"3\n")
