"""The native backend: `compile_graph(graph)` gives a runner.

In comes a graph, out goes a callable on the list of its input arrays and sizes that returns the list of its raw outputs and carries out its writes. The one
idea: lowering, scheduling, memory plan, text, build and launcher stand in one row here, and each of them can be read, logged and tested alone.
"""

from __future__ import annotations

import sys
import threading
import warnings
from functools import cache as cached
from typing import Any

import numpy as np

from ..eager.config import config
from ..eager.forks import made_again
from ..eager.log import log
from ..eager.stats import stats
from ..graph.backends import InterpreterRunner, register_backend
from ..graph.ir import FakeValue, Graph
from ..graph.passes import FOR_BACKEND, run_passes
from .build import build, make_launcher
from .expressions import sizes_known_by
from .plans import Plan, described, revived
from .program import Builder
from .programs import find, find_or_make, key_of
from .stretches import PlanRunner, has_host_nodes, plan_stretches
from .toolchain import BuildError, toolchain
from .translation import Program, ProgramPrinter

_compiling = threading.RLock()
made_again(sys.modules[__name__], "_compiling", threading.RLock)
_warned: set[str] = set()


class Runner:
    """A compiled graph: call it with the list of inputs.

    kernels       generated loops that run in a call
    functions     distinct functions among them
    calls         calls of the run-time library
    arena_bytes   memory that one call keeps between its kernels (the part that does not depend on symbolic sizes)
    cache_hit     whether no compiler ran
    key           under which `Programs` finds it again, None where it cannot
    host_nodes    operators that run as eager kernels, since they have no native form
    """

    def __init__(self, program: Program, library: Any, launcher: Any, key: str | None = None) -> None:
        self.key = key
        self.source = program.source
        self.kernels = program.kernels
        self.functions = program.functions
        self.calls = program.calls
        self.arena_bytes = program.arena_bytes
        self.cache_hit = library.cache_hit
        self.host_nodes = 0
        self.launcher = launcher

    def __call__(self, inputs: list) -> list:
        return self.launcher(inputs)


def program_of(graph: Graph) -> Program:
    """The program of a graph without host rows: everything but the compiler's run."""
    stats.count("lowerings")
    with _compiling, sizes_known_by(graph.shape_env):
        return ProgramPrinter(Builder(graph, config.fusion)).build()


def runner_of(program: Program, key: str | None = None) -> Runner:
    """Build a program and load it. Raises BuildError where there is no compiler."""
    log("schedule", lambda: _summary(program))
    log("code", program.source)
    library = build(program.units)
    constants = tuple(np.ascontiguousarray(array) for array in program.constants)
    launcher = make_launcher(
        library, program.inputs, program.outputs, symbols=program.symbols, arena_bytes=program.arena_bytes, constants=constants
    )
    return Runner(program, library, launcher, key)


def compile_stretch(graph: Graph) -> Runner:
    """A runner for a graph in which every node has a native form."""
    program, key = find_or_make(graph, lambda: program_of(graph))
    assert isinstance(program, Program)
    return runner_of(program, key)


def planned(graph: Graph) -> PlanRunner:
    """A runner for a graph with nodes that have no native form."""
    with sizes_known_by(graph.shape_env):
        return plan_stretches(graph, compile_stretch, compile_graph)


def loaded(made: Program | Plan, key: str | None) -> Any:
    """The runner of what was kept; None where a stretch of a plan is gone. Raises BuildError where there is no compiler."""
    if isinstance(made, Program):
        return runner_of(made, key)
    runner = revived(made, PROGRAMS.load)
    if runner is not None:
        runner.key = key
    return runner


def compile_graph(graph: Graph) -> Any:
    """A runner for a graph as it was captured; the passes are run here, unless the cache holds its program. Nodes without a native form run as eager
    kernels between compiled stretches (`host_nodes` counts them).

    Graphs with tensors on a GPU run through the interpreter, and count as `fallbacks`. Where the C++ cannot be built it runs the graph, too: one warning for each cause, and `fallbacks` counts every such graph.
    """
    ready = cached(lambda: run_passes(graph, FOR_BACKEND))
    if is_on_gpu(graph):
        stats.count("fallbacks")
        return InterpreterRunner(ready())
    try:
        made: list[PlanRunner] = []

        def make() -> Program | Plan | None:
            if not has_host_nodes(ready()):
                return program_of(ready())
            made.append(planned(ready()))
            return described(made[0])

        found, key = find_or_make(graph, make)
        if made:
            made[0].key = key
            return made[0]
        assert found is not None
        return loaded(found, key) or planned(ready())
    except BuildError as error:
        stats.count("fallbacks")
        cause = str(error).partition("; the log is ")[0]
        if cause not in _warned:
            _warned.add(cause)
            warnings.warn(f"segue: {error}. Until that is mended, compiled graphs run through the interpreter with eager kernels.", RuntimeWarning, stacklevel=2)
        return InterpreterRunner(ready())


def is_on_gpu(graph: Graph) -> bool:
    """Whether a value of the graph lies on a GPU."""
    values = (getattr(node, "value", None) for node in graph.nodes)
    return any(isinstance(value, FakeValue) and value.device is not None and value.device.type == "cuda" for value in values)


def _summary(program: Program) -> str:
    """Each kernel with what was fused into it, and each refusal with its name."""
    titles = [line[3:] for line in program.source.splitlines() if line.startswith("    // ")]
    head = f"{program.kernels} kernels ({program.functions} functions), {program.calls} library calls, arena {program.arena_bytes} bytes"
    return "\n".join([head, *titles, *(f"not fused: {note}" for note in program.notes)])


class Programs:
    """What the backend keeps: programs on disk, by the keys of programs.py."""

    def identity(self) -> str | None:
        """The compiler that programs are written for; None where there is none."""
        try:
            return toolchain().identity
        except BuildError:
            return None

    def key_of(self, graph: Graph) -> str | None:
        """The key of a graph's program, which need not be there yet."""
        return key_of(graph)

    def load(self, key: str) -> Runner | None:
        """The runner of the program under a key; None where it is gone or cannot be built."""
        found = find(key)
        try:
            return None if found is None else loaded(found, key)
        except BuildError as error:
            log("cache", f"program {key}: {error}")
            return None


PROGRAMS = Programs()
register_backend("inductor", compile_graph, passes=(), kept=PROGRAMS)
