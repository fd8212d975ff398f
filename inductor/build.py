"""From C++ source to a loaded library.

In come one or more translation units that include only our own headers; out goes a `Library`: the addresses of its functions. The one idea: a library
is a function of its source, the compiler, the flags, the instruction set and our own headers, so its cache key is the digest of just these, and what
was built once by any process is loaded by all.

A library exports `segue_entry` (see segue_runtime.h), and `segue_shapes` where sizes are symbolic. The launcher that calls it is made by
`make_launcher`; its specs are tuples:

    inputs    ("array", dtype, shape, strides, writable)    strides and writable may be left out: None and False
              ("size", symbol)                              an int that gives the symbol's value
    outputs   ("array", dtype, shape)  ("size", symbol)  ("input", i): that input itself  ("output", k): the same object as an earlier output
              ("computed",): an int from segue_shapes       ("value", object): always that object
    shape     a tuple of sizes; -1 - k stands for symbol k; None (inputs only): not checked
    strides   None: C-contiguous; "any": not checked; a tuple of ints: exactly these, in elements
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..eager.lazy import LazyModule
from ..eager.log import log
from ..eager.stats import stats
from ..graph.cache import Cache, current, digest
from . import runtime
from .toolchain import INCLUDE, BuildError, Toolchain, toolchain

if TYPE_CHECKING:
    import subprocess
else:
    subprocess = LazyModule("subprocess")
tempfile: Any = LazyModule("tempfile")

__all__ = ["BuildError", "Library", "build", "library_key", "make_launcher"]

EXPORTS = ("segue_entry", "segue_shapes")


@dataclass(frozen=True)
class Library:
    """A loaded library. `path`: its file in the cache (/dev/null where there is none). `addresses`: of the exported names, 0 for one that it lacks.
    `cache_hit`: no compiler ran."""

    path: Path
    source: str
    addresses: Mapping[str, int] = field(repr=False)
    cache_hit: bool
    key: str


@cache
def headers_digest() -> str:
    """Of our own headers, whose code ends up in every library, and which hold the ABI's number."""
    return digest(piece for path in sorted(INCLUDE.glob("*.h")) for piece in (path.name, path.read_bytes()))


def library_key(sources: Sequence[str], tools: Toolchain, exports: Sequence[str] = EXPORTS) -> str:
    """The content address of what `build` makes. Comments, which quote the user's lines, do not count."""
    return digest(["library", headers_digest(), tools.identity, *exports, *map(_without_comments, sources)])


def _without_comments(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if not line.lstrip().startswith("//"))


def build(sources: str | Sequence[str], *, numerics: str | None = None, exports: Sequence[str] = EXPORTS) -> Library:
    """Compile, link and load; several translation units are compiled side by side. Found in the cache, nothing is compiled.

    Raises BuildError, with the path of a log that holds commands, messages and source, where there is no compiler or it fails. KeyboardInterrupt
    stops the compilers and leaves nothing behind.
    """
    units = [sources] if isinstance(sources, str) else list(sources)
    tools = toolchain(numerics)
    key = library_key(units, tools, exports)
    store = current()
    found = _from_cache(store, key, exports)
    stats.count("cache_hits" if found else "cache_misses")
    if found:
        path, addresses = found
        log("cache", f"hit: {path}")
        return Library(path, "\n".join(units), addresses, True, key)
    with stats.timed("build_seconds"):
        payload = _compile(units, tools)
    kept = store.put("library", key, payload)
    addresses = _load(kept, exports) if kept else _load_bytes(payload, exports)
    return Library(kept or Path(os.devnull), "\n".join(units), addresses, False, key)


def _load(path: Path, exports: Sequence[str]) -> dict[str, int]:
    return dict(zip(exports, runtime.launcher().load(str(path), tuple(exports))))


def _from_cache(store: Cache, key: str, exports: Sequence[str]) -> tuple[Path, dict[str, int]] | None:
    path = store.path("library", key)
    payload = store.get("library", key)
    if payload is None:
        return None
    if path is None or not path.exists():
        return Path(os.devnull), _load_bytes(payload, exports)
    try:
        return path, _load(path, exports)
    except OSError as error:  # evicted by another process just now, or a folder that forbids execution
        log("cache", f"{path} cannot be loaded: {error}")
        return None


def _load_bytes(payload: bytes, exports: Sequence[str]) -> dict[str, int]:
    """Load a library that the cache has no file for, from one that is gone when this returns (what is loaded stays)."""
    try:
        with tempfile.NamedTemporaryFile(prefix="segue-", suffix=".so") as file:
            file.write(payload)
            file.flush()
            return _load(Path(file.name), exports)
    except OSError as error:
        raise BuildError(f"there is no place for the compiled library: {error}") from error


# --------------------------------------------------------------------------------------------------------------------
# Running the compiler


def _compile(units: Sequence[str], tools: Toolchain) -> bytes:
    """The shared library's bytes."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="segue-build-")
    except OSError as error:
        raise BuildError(f"there is no place to compile in: {error}") from error
    with folder as name:
        sources = [Path(name, f"unit{number}.cpp") for number in range(len(units))]
        objects = [source.with_suffix(".o") for source in sources]
        target = Path(name, "library.so")
        try:
            for source, text in zip(sources, units):
                source.write_text(text, encoding="utf-8")
            _run([tools.compile_command(*pair) for pair in zip(sources, objects)], units)
            _run([tools.link_command(objects, target)], units)
            return target.read_bytes()
        except OSError as error:
            raise BuildError(f"compiling in {name} failed: {error}") from error


def _run(commands: Sequence[list[str]], units: Sequence[str]) -> None:
    """Run the commands, as many at once as the pool has threads. Whatever ends this ends them too."""
    waiting = list(commands)
    running: list[tuple[list[str], subprocess.Popen]] = []
    try:
        while waiting or running:
            while waiting and len(running) < max(1, runtime.threads()):
                command = waiting.pop(0)
                stats.count("builds")
                # a session of its own: Ctrl-C reaches us, and we stop the compiler with all that it started
                running.append((command, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                                          text=True, errors="replace", start_new_session=True)))  # fmt: skip
            command, process = running[0]
            output, _ = process.communicate()
            running.pop(0)
            if process.returncode != 0:
                raise _failure(command, process.returncode, output, units)
    finally:
        for _, process in running:
            _stop(process)


def _stop(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it ended by itself just now
        pass
    process.communicate()


def _failure(command: list[str], code: int, output: str, units: Sequence[str]) -> BuildError:
    reason = f"was killed by signal {-code}" if code < 0 else f"failed with code {code}"
    text = f"{shlex.join(command)}\n{reason}\n\n{output}\n" + "\n".join(f"// ---- unit{number}.cpp\n{unit}" for number, unit in enumerate(units))
    path = _write_log(text)
    first = next((line for line in output.splitlines() if "error" in line), output.strip()[:200])
    where = f"; the log is {path}" if path else ""
    return BuildError(f"the C++ compiler {reason}: {first.strip()}{where}", path)


def _write_log(text: str) -> Path | None:
    """A file with this text in the temporary folder; it stays, because somebody is to read it. None where it cannot be written."""
    try:
        handle, name = tempfile.mkstemp(prefix="segue-build-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        log("cache", f"the build log could not be written: {error}")
        return None
    return Path(name)


# --------------------------------------------------------------------------------------------------------------------


def make_launcher(library: Library, inputs: Sequence[tuple], outputs: Sequence[tuple], *, symbols: int = 0, arena_bytes: int = 0,
                  constants: Sequence[Any] = (), errors: Mapping[int, tuple[type[Exception], str]] | None = None) -> Any:  # fmt: skip
    """The callable `launcher(list of arrays and ints) -> list of results` of a library; specs are described above.

    `errors` names the library's own error codes. Raises BuildError where the library has no entry, TypeError and ValueError for a wrong spec; a call
    raises TypeError or ValueError for an input that is not as specified, and changes nothing then.
    """
    if not library.addresses["segue_entry"]:
        raise BuildError(f"{library.path} exports no segue_entry")
    return runtime.launcher().Launcher(library.addresses["segue_entry"], runtime.table(), inputs, outputs, symbols=symbols, arena_bytes=arena_bytes,
                                       shapes=library.addresses["segue_shapes"], constants=tuple(constants), errors=dict(errors or {}))  # fmt: skip
