"""Captures on disk: what tracing a frame gave, found again by a later process, which then neither traces nor differentiates nor lowers.

In comes a frame that no entry fits; out comes a `CacheEntry` that an earlier process made for such a frame, or nothing. The one idea: a capture is a function of the
code, of the knobs, of this package's own code, and of what its guards say. The first three make the key; the guards are the entry's first part, and are
checked in C for this very frame before anything else of it is read. What a guard compares by identity is found again by name or by path, and must be made of
what it was made of (see portable.py). A capture that depends on anything else is not stored, and counted.
"""

from __future__ import annotations

import functools
import marshal
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ...eager.autograd.autocast import get_autocast_dtype
from ...eager.config import config
from ...eager.log import log
from ...eager.stats import stats
from ...eager.tensor import Tensor
from ...graph.cache import current, digest, own_code
from ...graph.compiled import CompiledGraph
from ...graph.ir import Graph
from ...graph.rows import Unportable, graph_of, rows_of, rows_of_sizes
from .. import guards, sources
from .._capture import CacheEntry, Program
from ..bytecode.breaks import entry_of
from ..portable import Gone, Reader, Writer, code_text
from .observe import Unwatched
from .values.state import modes, put_modes_back

KIND = "capture"
ROOMS = ("eager", "graph", "capture", "inductor")  # whose code decides what a capture is
SILENT = ("logs", "debug_dir", "progress", "cache", "cache_captures", "cache_dir", "threads", "check_guards")  # knobs that change no capture
ENTRIES = 16  # of one key; the newest stay


class StoredGuards(guards.GuardSet):
    """Guards from the disk. The engine is built from their description; the guards themselves are read when somebody asks for them."""

    __slots__ = ("_nodes", "_checks", "_read")

    def __init__(self, nodes: tuple, checks: tuple, ran: tuple, read: Callable[[], tuple[guards.Guard, ...]]) -> None:
        self.ran = ran
        self._nodes = nodes
        self._checks = checks
        self._read = read

    def __len__(self) -> int:
        return len(self._checks)

    @property
    def guards(self) -> tuple[guards.Guard, ...]:  # type: ignore[override]
        return self._read()

    def description(self, count: int | None = None) -> tuple[list[tuple], list[tuple]]:
        """As of a `GuardSet`; of the first `count` guards only."""
        return list(self._nodes), [(*check, LateGuard(self._read, index)) for index, check in enumerate(self._checks[:count])]


class LateGuard:
    """A guard that is read when it is asked for something."""

    __slots__ = ("_read", "_index")

    def __init__(self, read: Callable[[], tuple[guards.Guard, ...]], index: int) -> None:
        self._read = read
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read()[self._index], name)


# -- the key -------------------------------------------------------------------------------------------------------------------


def key_of(settings: Any, state: Any, code: types.CodeType, view: Any) -> str | None:
    """The key of a frame's captures; None where none may be stored or read."""
    kept = settings.backend.kept
    if not (config.cache and config.cache_captures) or kept is None or settings.break_before is not None or type(settings.observer) is not Unwatched:
        return None
    own, backend = own_code(ROOMS), kept.identity()
    if own is None or backend is None or config.verify:
        return None
    knobs = sorted((name, value) for name, value in config.snapshot().items() if name not in SILENT)
    learned = [{str(source): sorted(dims) for source, dims in state.dynamic.items()}, *(sorted(map(str, found)) for found in (state.varying, state.constants))]
    entry = entry_of(code)
    shapes = [(str(source), entries) for source, entries in settings.shapes.items()]
    asked = (settings.fullgraph, settings.dynamic, shapes, settings.numerics, settings.memory_budget, code is settings.root)
    said = (sys.version, sys.flags.optimize, np.__version__, own, backend, knobs, learned, asked, str(get_autocast_dtype("cpu")))
    place = None if entry is None else (entry.index, entry.shape, entry.bound)
    varies = bool(settings.dynamic or settings.shapes or state.dynamic)
    return digest([KIND, repr(said), repr(code_text(code)), repr(place), repr([(name, shown(value, varies)) for name, value in view.locals.items()])])


def shown(value: Any, varies: bool) -> Any:
    """A parameter as the key sees it, so that frames that can hardly share a capture do not look at each other's. Sizes are left out where one `varies`."""
    if issubclass(type(value), Tensor):
        return type(value).__qualname__, value._data.ndim if varies else value._data.shape, str(value._data.dtype)
    if type(value) is tuple:
        return [shown(item, varies) for item in value[:64]]
    return type(value).__module__, type(value).__qualname__


# -- writing -------------------------------------------------------------------------------------------------------------------


def keep(key: str, code: types.CodeType, entry: CacheEntry) -> None:
    """Store a capture under its key, before those that are there. What cannot be stored is counted, and said."""
    try:
        if entry.keep.only_here:
            raise Unportable(entry.keep.only_here)
        written = described(code, entry)
    except Exception as reason:  # Unportable, or what a user's object raised when it was looked at: the capture itself is whole
        stats.count("captures_not_stored")
        log("cache", f"the capture of {code.co_qualname} is not stored: {reason}")
        return
    entries = [written, *(found for found in entries_of(key) if found != written)]
    current().put(KIND, key, pickle.dumps(entries[:ENTRIES], pickle.HIGHEST_PROTOCOL))
    stats.count("captures_stored")


def described(code: types.CodeType, entry: CacheEntry) -> tuple:
    """A capture as data: references, guards as the engine wants them, what runs, and what is read later. Raises Unportable."""
    captured, checks = entry.keep, entry.guards
    compiled = captured.compiled
    writer = Writer(live_paths(checks), code, compiled)
    nodes, rows = checks.description()
    engine = writer.dumps((tuple(nodes), tuple(row[:3] for row in rows), checks.ran))
    record, graph, env = (None, None, None) if compiled is None else (compiled.record(), rows_of(compiled.graph), compiled.graph.shape_env)
    sizes = rows_of_sizes(env)
    runs = writer.dumps((marshal.dumps(entry.code.replace(co_consts=())), entry.code.co_consts, captured.facts()))
    late = writer.dumps(checks.guards), writer.dumps(graph)
    return tuple(writer.rows), sizes, engine, writer.dumps(record), runs, *late


def live_paths(checks: guards.GuardSet) -> dict[int, sources.Source]:
    """For each object that a guard compares by identity: the path at which it sees it."""
    found: dict[int, sources.Source] = {}
    for guard in checks:
        if isinstance(guard, guards.Is):
            found.setdefault(id(guard.value.target()), guard.source)
        elif isinstance(guard, (guards.TypeIs, guards.TensorMatch)):
            found.setdefault(id(guard.type), sources.TypeOf(guard.source))
    return found


# -- reading -------------------------------------------------------------------------------------------------------------------


def entries_of(key: str) -> list[tuple]:
    payload = current().get(KIND, key)
    if payload is None:
        return []
    try:
        return pickle.loads(payload)
    except Exception as error:  # whole, but not ours
        log("cache", f"captures {key}: cannot be read, {type(error).__name__}: {error}")
        return []


def find(key: str, backend: Any, code: types.CodeType, view: Any, captured: Callable[..., Any]) -> CacheEntry | None:
    """The stored capture that holds for this frame. `captured` makes of a compiled graph, guards and facts what stands behind an entry."""
    for rows, sizes, engine, record, runs, late_guards, late_graph in entries_of(key):
        try:
            reader = Reader(rows, view, code, sizes)
            checks = guards_of(reader, engine, late_guards)
            if checks is None or not Program(checks.description()).check(view):
                continue
            if revive_graph(reader, record, late_graph, backend):
                code_bytes, constants, facts = reader.loads(runs)
                reader.let_go()
                stats.count("captures_loaded")
                log("cache", f"capture of {code.co_qualname}: {key}: hit; nothing was traced")
                failed = functools.partial(put_modes_back, modes()) if entry_of(code) is None else None  # the guards hold: the modes stand as they were
                made = marshal.loads(code_bytes).replace(co_consts=constants)
                return CacheEntry(checks, made, captured(reader.compiled, checks, *facts), failed)
        except Gone as reason:
            log("cache", f"a stored capture of {code.co_qualname} does not hold: {reason}")
    return None


def guards_of(reader: Reader, engine: bytes, late: bytes) -> StoredGuards | None:
    """The guards, once the functions have run that capture ran for real, each behind the guards before it; None where one of these does not hold."""
    nodes, rows, ran = reader.loads(engine)
    checks = StoredGuards(nodes, rows, ran, functools.cache(lambda: reader.loads(late)))
    for count, function, paths in ran:
        if not Program(checks.description(count)).check(reader.view):
            return None
        function(*[path.fetch(reader.view) for path in paths])
    return checks


def revive_graph(reader: Reader, record: bytes, late: bytes, backend: Any) -> bool:
    """Give the reader the compiled graph, if the capture has one. False where its program is gone."""
    known = reader.loads(record)
    if known is None:
        return True

    @functools.cache
    def graph() -> Graph:
        return graph_of(reader.loads(late), reader.env)

    reader.compiled = CompiledGraph.of_record(known, graph, backend)
    return reader.compiled is not None
