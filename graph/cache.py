"""The disk cache: what was compiled once is found again by its content.

In comes a kind, a key (a digest of everything the result depends on) and bytes; out come the same bytes in this or a later process. The one idea: an
entry is one file that is only ever made whole (temporary name, fsync, atomic rename) and ends with a digest of itself, so that any number of
processes may read and write at once, and a damaged entry is just a miss. Nothing here raises for a disk that is full, read-only or missing: then the
entries live in a private temporary folder, or in memory.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import struct
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ..eager import IMPORTED
from ..eager.config import config
from ..eager.forks import made_again
from ..eager.lazy import LazyModule
from ..eager.log import log

shutil: Any = LazyModule("shutil")
tempfile: Any = LazyModule("tempfile")

LAYOUT = "v1"
LIMIT = 2 << 30  # bytes on disk, over which the entries used longest ago are removed
CHECK_EVERY = 64  # writes of one process between looks at the size
CHECK_SECONDS = 3600.0  # between those of processes that write less: a look takes a second where there are 50,000 files
CHECKED = ".checked"  # a file whose time is that of the last look
SUFFIXES = {"library": ".so"}
_TRAILER = struct.Struct("<32sQ8s")  # digest of the payload, its length, a mark
_MARK = b"segue-1\n"


def digest(parts: Iterable[str | bytes]) -> str:
    """One key from many parts; the boundaries count.

    >>> digest(["ab", "c"]) == digest(["a", "bc"])
    False
    """
    found = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(struct.pack("<Q", len(data)))
        found.update(data)
    return found.hexdigest()


def own_code(rooms: tuple[str, ...]) -> str | None:
    """The digest of this package's own code in these rooms. None where a file was changed after this process read it: then nobody knows what runs here."""
    found = [room_code(room) for room in rooms]
    return None if None in found else digest(map(str, found))


@cache
def room_code(room: str) -> str | None:
    """The digest of one room's code, or None as for `own_code`. Files that nobody touched (times, sizes, inodes) since they were read last are not read again."""
    root = Path(__file__).parent.parent / room
    files = sorted(_python_files(str(root)))
    if any(state.st_mtime_ns > IMPORTED for _, state in files):
        return None
    seen = digest(f"{path} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino}" for path, state in files)
    store = current()
    known = store.get("code", seen)
    if known is not None:
        return known.decode()
    found = digest(piece for path, _ in files for piece in (os.path.relpath(path, root), Path(path).read_bytes()))
    store.put("code", seen, found.encode())
    return found


def _python_files(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _python_files(entry.path)
            elif entry.name.endswith(".py"):
                yield entry.path, entry.stat()


def seal(payload: bytes) -> bytes:
    """The file's content for a payload: the payload and the trailer (a shared library may be followed by bytes that its headers do not name)."""
    return payload + _TRAILER.pack(hashlib.sha256(payload).digest(), len(payload), _MARK)


def unseal(content: bytes) -> bytes | None:
    """The payload, or None where the content is not whole."""
    if len(content) < _TRAILER.size:
        return None
    payload, trailer = content[: -_TRAILER.size], content[-_TRAILER.size :]
    expected, length, mark = _TRAILER.unpack(trailer)
    whole = mark == _MARK and length == len(payload) and expected == hashlib.sha256(payload).digest()
    return payload if whole else None


def _writable(folder: Path) -> bool:
    """Whether we can make files in this folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _wanted_folder() -> Path | None:
    """config.cache_dir, else $XDG_CACHE_HOME/segue, else ~/.cache/segue; None without a home."""
    if config.cache_dir:
        return Path(config.cache_dir)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base, "segue") if os.path.isabs(base) else None


def _private_folder() -> Path | None:
    """A folder of this process alone, removed when it ends; None where not even that can be made."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="segue-"))
    except OSError:
        return None
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return folder


class Cache:
    """A cache in `folder`, or in memory where it is None.

    >>> cache = Cache(None)
    >>> cache.put("graph", "k1", b"text")
    >>> cache.get("graph", "k1"), cache.get("graph", "k2")
    (b'text', None)
    """

    def __init__(self, folder: Path | None, limit: int = LIMIT) -> None:
        self.folder = folder / LAYOUT if folder else None
        self.limit = limit
        self._memory: dict[tuple[str, str], bytes] = {}
        self._writes = 0

    def path(self, kind: str, key: str) -> Path | None:
        """Where the entry's file is, or would be; None for a cache in memory."""
        return self.folder / kind / key[:2] / (key + SUFFIXES.get(kind, ".bin")) if self.folder else None

    def get(self, kind: str, key: str) -> bytes | None:
        """The payload, or None. An entry that is not whole is removed."""
        path = self.path(kind, key)
        if path is None:
            return self._memory.get((kind, key))
        try:
            content = path.read_bytes()
        except OSError:
            return self._memory.get((kind, key))
        payload = unseal(content)
        if payload is None:
            log("cache", f"damaged entry {path}: removed")
            self._remove(path)
            return None
        try:
            os.utime(path)  # used now: see evict()
        except OSError as error:
            log("cache", f"{path}: {error}")
        return payload

    def put(self, kind: str, key: str, payload: bytes) -> Path | None:
        """Keep a payload. Returns its file, or None where it could only be kept in memory."""
        path = self.path(kind, key)
        if path is None or not self._write(path, seal(payload)):
            self._memory[kind, key] = payload
            return None
        with _lock:
            self._writes += 1
            due = self._writes % CHECK_EVERY == 0
        if due or not self._looked_lately(path.parents[2] / CHECKED):
            self.evict()
        return path

    @staticmethod
    def _looked_lately(stamp: Path) -> bool:
        """Whether some process looked at the size within CHECK_SECONDS; if not, this one is taken to look now."""
        try:
            if 0 <= time.time() - stamp.stat().st_mtime < CHECK_SECONDS:
                return True
        except OSError:
            pass  # nobody looked so far
        try:
            stamp.touch()
        except OSError as error:
            log("cache", f"{stamp}: {error}")
        return False

    def _write(self, path: Path, content: bytes) -> bool:
        """The file appears whole or not at all, whatever happens here."""
        temporary = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o700)
            os.replace(temporary, path)
            return True
        except OSError as error:
            log("cache", f"cannot write {path}: {error}; kept in memory")
            return False
        finally:
            if temporary is not None and os.path.exists(temporary):
                self._remove(Path(temporary))

    @staticmethod
    def _remove(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log("cache", f"cannot remove {path}: {error}")

    def files(self) -> list[tuple[float, int, Path]]:
        """(time of last use, bytes, path) of every file, left-over temporary ones included."""
        found = []
        for path in self.folder.rglob("*") if self.folder else ():
            try:
                if path.name != CHECKED and path.is_file():
                    state = path.stat()
                    found.append((state.st_mtime, state.st_size, path))
            except OSError:  # another process removed it just now
                continue
        return found

    def evict(self) -> int:
        """Remove the entries used longest ago until the rest is within the limit. Returns how many were removed."""
        files = sorted(self.files())
        excess = sum(size for _, size, _ in files) - self.limit
        removed = 0
        for _, size, path in files:
            if excess <= 0:
                break
            self._remove(path)
            excess -= size
            removed += 1
        return removed

    def clear(self) -> int:
        """Remove every entry. Returns how many there were."""
        files = self.files()
        for _, _, path in files:
            self._remove(path)
        count = len(files) + len(self._memory)
        self._memory.clear()
        return count

    def size(self) -> int:
        """Bytes of all entries."""
        return sum(size for _, size, _ in self.files()) + sum(map(len, self._memory.values()))


_caches: dict[tuple[str, bool, str | None], Cache] = {}
_private: list[tuple[int, Path | None]] = []
_lock = threading.Lock()
made_again(sys.modules[__name__], "_lock", threading.Lock)


def _own_folder() -> Path | None:
    """This process's private folder, made at the first call (a forked child makes its own)."""
    if not _private or _private[-1][0] != os.getpid():
        _private.append((os.getpid(), _private_folder()))
    return _private[-1][1]


def current() -> Cache:
    """The cache that config.cache, config.cache_dir and the environment ask for now: on disk, else private, else in memory. Never raises."""
    with _lock:
        asked = (config.cache_dir, config.cache, os.environ.get("XDG_CACHE_HOME"))
        found = _caches.get(asked)
        if found is not None and (found.folder is None or found.folder.parent.is_dir()):
            return found
        folder = _wanted_folder() if config.cache else None
        if config.cache and (folder is None or not _writable(folder)):
            log("cache", f"{folder or 'no home folder'}: not writable; compiled graphs are kept for this process only")
            folder = None
        made = _caches[asked] = Cache(folder or _own_folder())
        return made
