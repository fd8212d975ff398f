"""Zip archives of uncompressed members, read with suspicion and written so that they can be mapped.

In come named members, out goes a zip file whose members begin at multiples of 64 bytes, or the other way round. The one idea: every member is a stretch of the
file itself. What is compressed, encrypted, listed twice, overlapping, or claims to reach beyond the file is refused, so the memory that reading
takes is bounded by the size of the file.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..lazy import LazyModule
from .files import Bytes, Source

zipfile: Any = LazyModule("zipfile")

ALIGNMENT = 64
MAGIC = b"PK\x03\x04"
_HEADER = struct.Struct("<4s5H3L2H")  # the local header of a member (APPNOTE.TXT 4.3.7)
_ZIP64 = 20  # bytes of the extra field that zipfile adds to members that may pass 2 GiB
_CHUNK = 1 << 24


class Archive:
    """A zip file to read. Raises CheckpointError for one that is damaged, or that is not as the writers of checkpoints make them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        try:
            infos = zipfile.ZipFile(source.stream).infolist()
        except (zipfile.BadZipFile, struct.error, ValueError, OSError, OverflowError, NotImplementedError, EOFError) as problem:
            raise CheckpointError(f"the file is truncated or damaged: its zip directory cannot be read ({problem})") from problem
        self.places: dict[str, tuple[int, int, int]] = {}  # member -> where its bytes begin, how many, their checksum
        end = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            begin = self._begin(info)
            if info.filename in self.places:
                raise CheckpointError(f"the archive lists '{info.filename}' twice")
            if info.header_offset < end or begin + info.file_size > source.size:
                raise CheckpointError(f"the archive is damaged: '{info.filename}' claims bytes of another member, or beyond the file's {source.size}")
            end = begin + info.file_size
            self.places[info.filename] = begin, info.file_size, info.CRC

    def _begin(self, info: zipfile.ZipInfo) -> int:
        name = info.filename
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name or "\0" in info.orig_filename:
            raise CheckpointError(f"the archive names a member outside itself: {info.orig_filename!r}")
        if info.flag_bits & 1:
            raise CheckpointError(f"'{name}' is encrypted, which no writer of checkpoints does")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise CheckpointError(
                f"'{name}' is compressed ({info.compress_size} bytes that claim to be {info.file_size}), which no writer of checkpoints does"
            )
        header = self.source.read(info.header_offset, _HEADER.size)
        mark, *_, name_length, extra_length = _HEADER.unpack(header)
        if mark != MAGIC:
            raise CheckpointError(f"the archive is damaged: '{name}' does not begin where its directory says")
        return info.header_offset + _HEADER.size + name_length + extra_length

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def size(self, name: str) -> int:
        """How many bytes a member has. Raises CheckpointError where it is missing."""
        return self._place(name)[1]

    def _place(self, name: str) -> tuple[int, int, int]:
        if name not in self.places:
            raise CheckpointError(f"the archive is damaged: it has no member '{name}'")
        return self.places[name]

    def read(self, name: str) -> bytes:
        """A member's bytes. Raises CheckpointError where it is missing or its checksum is wrong."""
        begin, count, checksum = self._place(name)
        data = self.source.read(begin, count)
        self._verify(name, data, checksum)
        return data

    def array(self, name: str) -> np.ndarray:
        """A member's bytes as an array. A mapped file is not read here, so its checksum is not looked at either."""
        begin, count, checksum = self._place(name)
        data = self.source.array(begin, count)
        if self.source.map is None:
            self._verify(name, data, checksum)
        return data

    def _verify(self, name: str, data: Bytes, checksum: int) -> None:
        if zlib.crc32(data) != checksum:
            raise CheckpointError(f"the archive is damaged: the checksum of '{name}' is wrong")


class ArchiveWriter:
    """A zip file to write, from front to back: what it is written to needs `write` alone."""

    def __init__(self, stream: Any) -> None:
        self.sink = _Sink(stream)
        self.zip = zipfile.ZipFile(self.sink, "w", zipfile.ZIP_STORED)  # type: ignore[call-overload]

    def add(self, name: str, data: Bytes) -> None:
        """A member; its first byte stands at a multiple of 64."""
        view = memoryview(data)
        info = zipfile.ZipInfo(name)
        info.file_size = view.nbytes
        large = view.nbytes > (1 << 30)
        begin = self.sink.position + _HEADER.size + len(name.encode()) + 4 + (_ZIP64 if large else 0)
        padding = -begin % ALIGNMENT
        info.extra = b"FB" + struct.pack("<H", padding) + b"\0" * padding
        with self.zip.open(info, "w", force_zip64=large) as member:
            for start in range(0, view.nbytes, _CHUNK):
                member.write(view[start : start + _CHUNK])

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: Any, *problem: Any) -> None:
        """Write the directory, without which there is no archive; but not behind a failure."""
        if kind is None:
            self.zip.close()
        else:
            self.zip.fp = None  # or its destructor would write


class _Sink:
    """What zipfile writes to: not seekable, so that the archive may begin anywhere in a stream; counts what was written."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.position = stream, 0

    def write(self, data: Any) -> int:
        self.stream.write(data)
        self.position += len(data)
        return len(data)

    def flush(self) -> None:
        if hasattr(self.stream, "flush"):
            self.stream.flush()
