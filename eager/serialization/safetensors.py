"""The `.safetensors` format: a JSON table of names, dtypes, shapes and places, and then the tensors' bytes.

In comes a dict of tensors, out goes a file, or the other way round (the format is described in the README of huggingface/safetensors). The one idea: the table
is the whole of what must be believed, and every claim in it is checked: the stretches are as long as shape and dtype say, and follow one another without
gaps or overlaps to the end of the file.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import CheckpointError, error
from ..tensor import Tensor
from .files import Source
from .storages import Loaded, Placement

SUFFIX = ".safetensors"
LIMIT = 100_000_000  # bytes of the table, as in the reference implementation
NAMES = {
    "BOOL": dtypes.bool, "U8": dtypes.uint8, "I8": dtypes.int8, "I16": dtypes.int16, "I32": dtypes.int32, "I64": dtypes.int64, "F16": dtypes.float16,
    "BF16": dtypes.bfloat16, "F32": dtypes.float32, "F64": dtypes.float64, "C64": dtypes.complex64,
}  # fmt: skip
_CODES = {of: name for name, of in NAMES.items()}


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins so may be one: the length of a table, and the table's brace."""
    return len(head) >= 9 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= LIMIT


def read(source: Source, place: Placement) -> dict[str, Tensor]:
    """Name -> tensor. Raises CheckpointError for a file that is truncated, damaged, or claims what it does not hold."""
    (length,) = struct.unpack("<Q", source.read(0, 8))
    if length > LIMIT:
        raise CheckpointError(f"the table of a safetensors file has at most {LIMIT} bytes, not {length}")
    try:
        table = json.loads(source.read(8, length), object_pairs_hook=_once)
        table.pop("__metadata__", None)
        found = {name: _claim(name, entry) for name, entry in table.items()}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as problem:
        raise CheckpointError(f"the table of the safetensors file cannot be read ({problem})") from problem
    _check_places(found, source.size - 8 - length)
    out = {}
    for name, (of, shape, begin, end) in found.items():
        storage = place(Loaded(end - begin, of, lambda begin=begin, end=end: source.array(8 + length + begin, end - begin)), "cpu")  # type: ignore[misc]
        strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        out[name] = storage.tensor(of, shape, strides, 0)
    return out


def _once(pairs: list) -> dict:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name stands in it twice")
    return dict(pairs)


def _claim(name: str, entry: Any) -> tuple[dtypes.dtype, list, int, int]:
    of, shape, (begin, end) = NAMES.get(entry["dtype"]), entry["shape"], entry["data_offsets"]
    if of is None:
        raise CheckpointError(f"'{name}' has the dtype {str(entry['dtype'])[:20]!r}; there are {', '.join(NAMES)}")
    if any(type(number) is not int or number < 0 for number in (*shape, begin, end)) or math.prod(shape) * of.itemsize != end - begin:
        raise CheckpointError(f"'{name}' of shape {str(shape)[:80]} and dtype {of} claims the bytes {begin} to {end}, which are not as many as it needs")
    return of, shape, begin, end


def _check_places(found: dict[str, tuple], size: int) -> None:
    position = 0
    for name, (_, _, begin, end) in sorted(found.items(), key=lambda item: item[1][2:]):
        if begin != position:
            raise CheckpointError(f"'{name}' begins at byte {begin}, where {position} was due: the stretches of a safetensors file neither overlap nor leave gaps")
        position = end
    if position != size:
        raise CheckpointError(f"the file is truncated or damaged: the tensors end at byte {position} of {size}")


def write(tensors: Any, stream: Any) -> None:
    """Write a dict of tensors, each in row-major order and with memory of its own. Raises TypeError for anything else, before anything is written."""
    hint = 'format="segue" keeps any nesting of containers'
    if not isinstance(tensors, Mapping) or not all(isinstance(name, str) and isinstance(x, Tensor) for name, x in tensors.items()):
        raise error(TypeError, "save(format='safetensors') takes a dict of names and tensors", hint)
    unknown = [f"{name}: {x.dtype}" for name, x in tensors.items() if x.dtype not in _CODES or x.is_meta]
    if unknown:
        raise error(TypeError, f"the safetensors format holds no such tensors: {', '.join(unknown)}", hint)
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))  # wide elements first, so that all are aligned
    table, position = {}, 0
    for name, x in ordered:
        table[name] = {"dtype": _CODES[x.dtype], "shape": list(x.shape), "data_offsets": [position, position + x.nbytes]}
        position += x.nbytes
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    stream.write(struct.pack("<Q", len(text)) + text)
    for _, x in ordered:
        stream.write(np.ascontiguousarray(x._real("save()")).reshape(-1).view(np.uint8).data)
