"""`save` and `load`: objects to files and back.

In come an object and a file, or a file alone. The one idea: a file says by its first bytes what it is, so `load` looks and asks the reader of that format; no
reader runs anything that a file holds, unless `weights_only=False` says that it may.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

from ..dtypes import device
from ..errors import CheckpointError
from . import safetensors, torch_reader, torch_writer, tree
from .archive import MAGIC, Archive, ArchiveWriter
from .files import Source, is_path, replacing
from .storages import Placement, placement

MAP_LOCATION = Callable[[Any, str], Any] | device | str | dict[str, str] | None  # what `load` takes, for programs' annotations

FORMATS = ("segue", "torch", "safetensors")


def save(
    obj: Any, f: Any, pickle_module: Any = None, pickle_protocol: int = 2, _use_new_zipfile_serialization: bool = True, *, format: str | None = None  # noqa: A002
) -> None:  # fmt: skip
    """Write tensors, and containers of tensors, numbers and strings, to a file name or a file object.

    What shares memory when it is saved shares it when it is loaded. A file appears whole, under its name, or not at all. `format` is "segue" (the default; no
    part of it is code), "torch" (what `torch.load` reads) or "safetensors" (the default for names that end so; a flat dict of tensors). With
    `pickle_module=pickle` objects of other classes, such as whole modules, are pickled into the "segue" format; reading them takes `weights_only=False`.
    `pickle_protocol` is accepted for PyTorch's sake. Raises TypeError for objects that the format does not hold, ValueError for an unknown format.

    >>> import io, segue
    >>> file = io.BytesIO()
    >>> save({"weight": segue.ones(2), "epoch": 3}, file)
    >>> load(io.BytesIO(file.getvalue()))
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    if format is None:
        format = "safetensors" if is_path(f) and os.fspath(f).endswith(safetensors.SUFFIX) else "segue"  # noqa: A001
    if format not in FORMATS:
        raise ValueError(f"save(): the format {format!r} is not known; there are {', '.join(FORMATS)}")
    if format != "segue" and pickle_module is not None:
        raise ValueError(f"save(): pickle_module is for the format 'segue', not for {format!r}")
    with replacing(f) as stream:
        if format == "safetensors":
            safetensors.write(obj, stream)
            return
        with ArchiveWriter(stream) as archive:
            if format == "torch":
                torch_writer.write(obj, archive)
            else:
                tree.write(obj, archive, pickle_module)


def load(
    f: Any, map_location: Any = None, pickle_module: Any = None, *, weights_only: bool | None = None, mmap: bool | None = None, **pickle_load_args: Any
) -> Any:
    """Read what `save` wrote, a `.safetensors` file, or a PyTorch checkpoint (the zip format and the one before it), from a name or a file object.

    Nothing in the file is run. A PyTorch file may hold tensors, containers, numbers and the like, and what `serialization.add_safe_globals` allowed; anything else
    raises UnsafeCheckpointError, a pickle.UnpicklingError. With `weights_only=False` pickles in the file are run: only for files that you trust.
    `map_location` is a device, a dict of devices by device, or a function of a storage and its device; "meta" reads no values. With `mmap=True` the file is
    mapped privately and read as it is used. Raises CheckpointError, a RuntimeError, for a file that is damaged or of another kind, EOFError for an empty one.
    """
    if weights_only is None:
        weights_only = pickle_module is None
    if weights_only and pickle_module is not None:
        raise RuntimeError("load(): weights_only=True runs no pickle module; leave pickle_module out")
    unsafe = None if weights_only else pickle_module or pickle
    with Source(f, bool(mmap)) as source:
        if source.size == 0:
            raise EOFError("load(): the file is empty")
        return _read(source, placement(map_location), unsafe)


def _read(source: Source, place: Placement, unsafe: Any) -> Any:
    head = source.read(0, min(source.size, 265))
    if head.startswith(MAGIC):
        archive = Archive(source)
        if tree.INDEX in archive:
            return tree.Reader(archive, place, unsafe).build()
        return torch_reader.read_archive(archive, place, unsafe)
    if safetensors.is_safetensors(head):
        return safetensors.read(source, place)
    if head.startswith(torch_reader.LEGACY_MAGIC):
        return torch_reader.read_legacy(source, place, unsafe)
    if head[257:262] == b"ustar":
        raise CheckpointError("this is a tar archive, PyTorch's format before version 0.1.10, which is not read; save it again with a newer PyTorch")
    raise CheckpointError("this is no checkpoint: the file begins as neither a zip archive, a safetensors file nor a PyTorch file does")
