"""Files as the readers and writers here see them: any part can be read, and a new file appears whole or not at all.

In comes a path or a file object, out go bytes and arrays of bytes at an offset. The one idea: nothing is asked for that the file's size does not cover, so a
size that a damaged or hostile file claims is refused before memory is taken for it.
"""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..errors import CheckpointError
from ..lazy import LazyModule

tempfile: Any = LazyModule("tempfile")

Bytes: TypeAlias = Any  # bytes, bytearray, memoryview or an array of bytes


def is_path(f: Any) -> bool:
    """Whether this names a file, rather than being one."""
    return isinstance(f, (str, os.PathLike))


class Source:
    """A file to read from, as a context manager. With `mapped` arrays are private maps of the file, which are read when they are used."""

    def __init__(self, f: Any, mapped: bool = False) -> None:
        if mapped and not is_path(f):
            raise ValueError("load(): mmap=True maps a file, so `f` must be its name, not a file object")
        self.owns = is_path(f)
        stream: Any = open(f, "rb") if self.owns else f  # noqa: SIM115  (closed by __exit__)
        if not self.owns and not (hasattr(f, "seek") and hasattr(f, "readinto") and f.seekable() and f.tell() == 0):
            if not hasattr(f, "read"):
                raise TypeError(f"load() takes a file name or an object with read(), not {type(f).__name__}")
            stream = io.BytesIO(f.read())
        self.stream = stream
        self.size: int = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        self.map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY) if mapped and self.size else None

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *problem: Any) -> None:
        if self.owns:
            self.stream.close()

    def read(self, offset: int, count: int) -> bytes:
        """Bytes at an offset. Raises CheckpointError where the file has not as many."""
        self._check(offset, count)
        self.stream.seek(offset)
        return self.stream.read(count)

    def array(self, offset: int, count: int) -> np.ndarray:
        """Bytes at an offset, as a flat array that may be written to."""
        self._check(offset, count)
        if self.map is not None:
            return np.frombuffer(self.map, np.uint8, count, offset) if count else np.empty(0, np.uint8)
        out = np.empty(count, np.uint8)
        self.stream.seek(offset)
        view, done = out.data, 0
        while done < count:
            got = self.stream.readinto(view[done:])
            if not got:
                raise CheckpointError(f"the file ended after {offset + done} bytes, {count - done} before its time")
            done += got
        return out

    def _check(self, offset: int, count: int) -> None:
        if offset < 0 or count < 0 or offset + count > self.size:
            raise CheckpointError(f"the file is truncated or damaged: it has {self.size} bytes, and names the bytes {offset} to {offset + count}")


@contextmanager
def replacing(f: Any) -> Iterator[Any]:
    """A file object to write to. What a path names is replaced when everything was written, and stays as it was when something went wrong."""
    if not is_path(f):
        if not hasattr(f, "write"):
            raise TypeError(f"save() takes a file name or an object with write(), not {type(f).__name__}")
        yield f
        return
    target = Path(os.path.realpath(f))
    if target.exists() and not target.is_file():  # a device or a pipe cannot be replaced
        with open(target, "wb") as stream:
            yield stream
        return
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
