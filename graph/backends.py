"""Backends: who turns a graph into something that runs, by name.

In comes a name, or a callable as PyTorch's backends are; out goes a function from a `Graph` to a runner. A runner takes the list of input arrays
(ints for sizes), carries out the graph's writes, and returns its raw outputs; it has `kernels`, `source`, `arena_bytes` and `cache_hit`. The one
idea: the graph room knows no backend but the interpreter; others register themselves, or are found through the entry-point group
`segue.backends`.
"""

from __future__ import annotations

import queue
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..eager.errors import BackendError
from ..eager.lazy import LazyModule
from ..eager.stats import stats
from ..eager.tensor import Storage, Tensor
from .interpreter import Interpreter
from .ir import Graph
from .module import GraphModule
from .passes import FOR_BACKEND, Pass, run_passes
from .printer import print_graph

GROUP = "segue.backends"
metadata: Any = LazyModule("importlib.metadata")


class Runner(Protocol):
    """What a backend makes of a graph."""

    kernels: int
    source: str
    arena_bytes: int
    cache_hit: bool

    def __call__(self, inputs: list) -> list: ...


class Kept(Protocol):
    """How a backend finds again, also in another process, what it made of a graph. A runner that can be found has its `key`."""

    def identity(self) -> str | None:
        """What all that it makes depends on beside the graph; None: nothing is kept now."""

    def key_of(self, graph: Graph) -> str | None:
        """The key of what it makes, or will make, of this graph; None for a graph that is not kept."""

    def load(self, key: str) -> Runner | None:
        """What stands under a key."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A name, the function that makes a runner of a graph, the passes that the graph goes through before, and how runners are found again, if they are."""

    name: str
    compile_fn: Callable[[Graph], Runner]
    passes: tuple[Pass, ...] = FOR_BACKEND
    kept: Kept | None = None

    def compile(self, graph: Graph) -> Runner:
        """The runner of a graph; its kernels and bytes are counted."""
        return _counted(self.compile_fn(run_passes(graph, self.passes)))

    def load(self, key: str) -> Runner | None:
        """The runner that was kept under a key, counted likewise; None where there is none any more."""
        found = None if self.kept is None else self.kept.load(key)
        return None if found is None else _counted(found)


def _counted(runner: Runner) -> Runner:
    stats.count("kernels", runner.kernels)
    stats.count("library_calls", getattr(runner, "calls", 0))
    stats.count("arena_bytes", runner.arena_bytes)
    return runner


_backends: dict[str, Backend] = {}


def register_backend(name: str, compile_fn: Callable[[Graph], Runner], passes: tuple[Pass, ...] = FOR_BACKEND, kept: Kept | None = None) -> None:
    """Make `compile_fn` known as `name`; a later registration takes the place of an earlier one. `passes` are run on a graph before it gets it."""
    _backends[name] = Backend(name, compile_fn, passes, kept)


def lookup_backend(backend: str | Callable | Backend) -> Backend:
    """The backend of a name, or a PyTorch-style callable `(graph_module, example_inputs) -> callable` made into one.

    Raises BackendError for a name that nobody registered, and when loading its entry point fails.
    """
    if isinstance(backend, Backend):
        return backend
    if callable(backend):
        return Backend(getattr(backend, "__name__", type(backend).__name__), lambda graph: CallableRunner(graph, backend))
    if backend not in _backends:
        found = next(iter(metadata.entry_points(group=GROUP, name=backend)), None)
        if found is None:
            known = ", ".join(list_backends())
            raise BackendError(f"no backend is called '{backend}'; there are {known}, and any callable (graph_module, example_inputs)")
        try:
            loaded = found.load()
        except Exception as problem:
            raise BackendError(f"the backend '{backend}' ({found.value}) cannot be loaded: {type(problem).__name__}: {problem}") from problem
        if backend not in _backends:  # else its module has registered itself
            register_backend(backend, loaded)
    return _backends[backend]


def list_backends() -> list[str]:
    """All names that `lookup_backend` knows."""
    return sorted({*_backends, *(point.name for point in metadata.entry_points(group=GROUP))})


class InterpreterRunner:
    """The graph run node by node with the eager kernels."""

    kernels = 0
    arena_bytes = 0
    cache_hit = False

    def __init__(self, graph: Graph) -> None:
        self.source = print_graph(graph)
        self._interpreter = Interpreter(graph)

    def __call__(self, inputs: list) -> list:
        return self._interpreter(inputs)


class BackgroundRunner:
    """The graph with eager kernels until a thread has compiled it; for good when that fails, with a warning, and counted as a fallback."""

    def __init__(self, graph: Graph, compile_fn: Callable[[Graph], Runner]) -> None:
        self._runner: Runner = InterpreterRunner(graph)
        self._made_of = graph, compile_fn
        self._start()

    def _start(self) -> None:
        self._ended = self._called = False
        self._examples: queue.SimpleQueue[list] = queue.SimpleQueue()  # copies of what the first call was given
        self._thread = threading.Thread(target=self._compile, args=self._made_of, name="segue compiles", daemon=True)
        self._thread.start()

    def _compile(self, graph: Graph, compile_fn: Callable[[Graph], Runner]) -> None:
        try:
            runner = compile_fn(graph)
            if isinstance(runner, CallableRunner):
                runner.prepare(self._examples.get())
        except Exception as problem:
            stats.count("fallbacks")
            warnings.warn(f"segue: a compile in the background failed ({type(problem).__name__}: {problem}); the graph runs eagerly", RuntimeWarning, stacklevel=2)
            self._ended = True
            return
        self._runner = runner
        self._ended = True
        stats.count("kernels", runner.kernels)
        stats.count("library_calls", getattr(runner, "calls", 0))
        stats.count("arena_bytes", runner.arena_bytes)

    def wait(self) -> None:
        """Until the compile is done."""
        self._thread.join()

    def __call__(self, inputs: list) -> list:
        if not self._ended and not self._thread.is_alive():  # in a forked child, which does not have the thread
            self._start()
        if not self._called:
            self._called = True
            self._examples.put([value if isinstance(value, int) else value.copy() for value in inputs])
        return self._runner(inputs)

    def __getattr__(self, name: str) -> Any:
        """What the runner has that is in use now: kernels, source ..."""
        if name == "_runner":
            raise AttributeError(name)
        return getattr(self._runner, name)


def in_background(backend: Backend) -> Backend:
    """The backend, which compiles on a thread of its own while the graph runs with eager kernels."""
    return Backend(f"{backend.name} in the background", lambda graph: BackgroundRunner(graph, backend.compile_fn), backend.passes)


class CallableRunner:
    """A PyTorch-style backend's result. The backend is called at the first run, since it wants to see example inputs; what it raises is a BackendError."""

    kernels = 0
    arena_bytes = 0
    cache_hit = False

    def __init__(self, graph: Graph, backend: Callable) -> None:
        self.module = GraphModule(graph)
        self.source = self.module.code
        self._backend = backend
        self._compiled: Callable | None = None

    def prepare(self, inputs: list) -> Callable:
        """Call the backend. Raises BackendError where it raises, and where it gives nothing that can be called."""
        try:
            made = self._backend(self.module, _tensors(inputs))
        except Exception as problem:
            raise BackendError(f"the backend {self._backend!r} failed: {type(problem).__name__}: {problem}") from problem
        if not callable(made):
            raise BackendError(f"the backend {self._backend!r} returned {made!r}, which is not callable")
        self._compiled = made
        return made

    def __call__(self, inputs: list) -> list:
        run = self._compiled or self.prepare(inputs)
        results = run(*_tensors(inputs))
        return [value._data if isinstance(value, Tensor) else value for value in _sequence(results)]


def _tensors(inputs: list) -> list:
    return [value if isinstance(value, int) else Tensor._wrap(value, Storage()) for value in inputs]


def _sequence(results: Any) -> Sequence[Any]:
    return results if isinstance(results, (tuple, list)) else (results,)


register_backend("eager", InterpreterRunner)
