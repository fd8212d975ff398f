"""Compiled graphs: a graph and its backend as one callable on tensors, with derivatives of every order.

In comes a graph from a tracer, out goes a `CompiledGraph`, which rewritten bytecode calls with the inputs and which returns the user's results:
new tensors, the very inputs, or views of either. The one idea: derivatives stay on the ordinary tape. A call leaves one tape node, whose backward
runs the compiled backward graph; when that backward is itself to be differentiated, it runs as another `CompiledGraph` of the inputs and
tangents, and so on.

Everything that can be known before a call is worked out in the constructors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..eager.autograd.autocast import autocast_off
from ..eager.autograd.mode import STATE, enable_grad
from ..eager.autograd.tape import CallbackNode, MultipleNode, Part
from ..eager.config import config
from ..eager.random import default_generator
from ..eager.tensor import Tensor
from ..eager.transforms.batched import BatchLevel
from ..eager.transforms.levels import Level
from .backends import Backend, Runner, lookup_backend
from .derivative import joint_graph, roots_of
from .ir import FakeValue, Graph, OutputSpec
from .passes import BEFORE_DERIVATIVE, run_passes
from .printer import log_graph
from .rows import Unportable
from .symbolic import SymInt
from .training import Derived, Known, Training, compile_runner, dense, wrapped
from .transformed import batched_graph, dual_graph, innermost


def compile_graph(
    graph: Graph, backend: str | Callable | Backend = "inductor", *, title: str = "captured", state: str = "generator", own_tape: bool = False
) -> CompiledGraph:  # fmt: skip
    """Compile a graph for a backend.

    The result is called with the graph's inputs (tensors, and ints for sizes) in order. With `state="generator"` the input `random_state` is left out
    by the caller: it comes from the default generator, which then advances by `graph.random_calls`; with "argument" it is passed like any other.
    Results are put on the tape where the thread records when they are asked for; with `own_tape=True` where the graph itself says so, as the captured
    program may switch recording on or off in between.

    >>> import segue
    >>> from segue.graph.trace import Tracer
    >>> tracer = Tracer()
    >>> x = tracer.input(segue.ones(2, requires_grad=True), "x")
    >>> compiled = compile_graph(tracer.finish([(x * x).sum()]), "eager")
    >>> w = segue.tensor([1.0, 2.0], requires_grad=True)
    >>> (loss,) = compiled(w)
    >>> loss.backward()
    >>> w.grad
    tensor([2., 4.])
    """
    log_graph(lambda: graph, title)
    compiled = CompiledGraph(graph, lookup_backend(backend), title, state, own_tape)
    if graph.shape_env is not None:
        graph.shape_env.freeze()  # the caller guards what was asked so far
    return compiled


@dataclass(frozen=True)
class Record:
    """What a compiled graph is without its graph, as data that another process can go on from.

    draws, random_calls, is_tensor   its inputs: whether it draws random numbers and how often, and which of the others are tensors
    specs, plain, written            its results, whether they are the graph's outputs as they are, and the positions of the inputs whose version a call raises
    program                          the key under which the backend finds the runner (of the forward, where there is a derivative)
    derivative, backward             what a call knows of its derivative, and the key of its backward
    numerics, memory_budget          the knobs under which it was made
    """

    title: str
    own_tape: bool
    draws: bool
    random_calls: int
    is_tensor: tuple[bool, ...]
    specs: tuple[OutputSpec, ...]
    plain: bool
    written: tuple[int, ...]
    program: str
    derivative: Known | None
    backward: str | None
    numerics: str
    memory_budget: float


class CompiledGraph:
    """A callable made of a graph. `stats` tells graphs, kernels and bytes; `graph` is what was captured, `source` what was generated."""

    _infer: Runner | None
    _training: Training | None

    def __init__(self, graph: Graph, backend: Backend, title: str = "captured", state: str = "generator", own_tape: bool = False) -> None:
        random = graph.random_state
        draws = random is not None and state == "generator"
        if draws and graph.inputs[-1] is not random:
            raise ValueError("random_state must be the last input of a graph that takes it from the generator")
        passed, specs = graph.inputs[:-1] if draws else graph.inputs, tuple(graph.output_specs or ())
        self._prepare(
            graph, backend, title, own_tape, draws, graph.random_calls, tuple(isinstance(node.value, FakeValue) for node in passed),
            specs, specs == tuple(OutputSpec("fresh", index) for index in range(len(graph.outputs))), tuple(position for position, _ in graph.writes if position not in graph.unheard),
        )  # fmt: skip
        if graph.differentiable_inputs and roots_of(graph):
            with autocast_off():
                joint = joint_graph(run_passes(graph, BEFORE_DERIVATIVE))
            if joint is not None:
                self._training = Training.of(joint, graph, backend, title, _of_gradients(backend))
        if self._training is None:
            self._runner()

    def _prepare(
        self, graph: Graph | Callable[[], Graph], backend: Backend, title: str, own_tape: bool, draws: bool, random_calls: int, is_tensor: tuple[bool, ...],
        specs: tuple[OutputSpec, ...], plain: bool, written: tuple[int, ...],
    ) -> None:  # fmt: skip
        self._graph = graph
        self.backend = backend
        self.title = title
        self._own_tape = own_tape
        self._draws = draws
        self._random_calls = random_calls
        self._is_tensor = is_tensor
        self._all_tensors = all(is_tensor)
        self.input_count = len(is_tensor)
        self._specs = specs
        self._plain = plain
        self._written = written
        self._infer = None
        self._training = None
        self._variants = Variants(backend, title)

    @property
    def graph(self) -> Graph:
        """What was captured; read from the disk when it is first asked for, where the capture came from there."""
        if not isinstance(self._graph, Graph):
            self._graph = self._graph()
        return self._graph

    # ------------------------------------------------------------------------------------------------ on disk

    def record(self) -> Record:
        """What another process needs beside the graph. Raises Unportable where the backend keeps no program of it."""
        training, kept = self._training, self.backend.kept
        if kept is None:
            raise Unportable(f"the backend '{self.backend.name}' keeps nothing")
        program = getattr(self._infer if training is None else training.forward, "key", None)
        if program is None:
            raise Unportable("the backend keeps no program of this graph")
        backward = None if training is None else kept.key_of(training.partition.backward)
        return Record(
            self.title, self._own_tape, self._draws, self._random_calls, self._is_tensor, self._specs, self._plain, self._written, program,
            None if training is None else training.known, backward, config.numerics, config.memory_budget,
        )  # fmt: skip

    @classmethod
    def of_record(cls, record: Record, graph: Callable[[], Graph], backend: Backend) -> CompiledGraph | None:
        """The compiled graph that a record tells of, and whose graph `graph()` gives (each time the same one); None where its program is gone."""
        runner = backend.load(record.program)
        if runner is None:
            return None
        log_graph(graph, record.title)
        made = cls.__new__(cls)
        made._prepare(graph, backend, record.title, record.own_tape, record.draws, record.random_calls, record.is_tensor, record.specs,
                      record.plain, record.written)  # fmt: skip
        if record.derivative is None:
            made._infer = runner
            return made

        def derived() -> Derived:
            with autocast_off(), config.override(numerics=record.numerics, memory_budget=record.memory_budget):
                joint = joint_graph(run_passes(graph(), BEFORE_DERIVATIVE))
                assert joint is not None
                return Derived.of(joint)

        made._training = Training(record.derivative, runner, derived, backend, record.title, _of_gradients(backend), record.backward)
        made._training.log_graphs()
        return made

    def _runner(self) -> Runner:
        """The runner without derivatives; compiled when it is first needed."""
        if self._infer is None:
            self._infer = compile_runner(self.backend, self.graph)
        return self._infer

    # ------------------------------------------------------------------------------------------------ calls

    def __call__(self, *inputs: Any) -> tuple:
        """Run on tensors and ints. Raises TypeError when the number of inputs is wrong."""
        if self._own_tape and not STATE.enabled:
            with enable_grad():
                return self(*inputs)
        if STATE.levels and (level := innermost(inputs)) is not None:
            return self._call_transformed(level, inputs)
        if len(inputs) != self.input_count:
            raise TypeError(f"the compiled graph '{self.title}' takes {self.input_count} inputs but {len(inputs)} were given")
        if self._all_tensors:
            arrays = [value._data for value in inputs]
        else:
            arrays = [value._data if tensor else value for value, tensor in zip(inputs, self._is_tensor)]
        training, state = self._training, None
        if training is not None and STATE.enabled:
            training.check_writes(inputs)
        if self._draws:
            state = default_generator.state_array()
            arrays.append(state)
            default_generator.offset += self._random_calls
        if training is not None and STATE.enabled:
            return self._call_training(training, inputs, arrays, state)
        raw = self._run(self._infer or self._runner(), arrays)
        for position in self._written:
            inputs[position]._storage.version += 1
        if self._plain:
            return tuple([wrapped(value) for value in raw])
        fresh = [wrapped(value) for value in raw]
        return self._results(fresh, inputs)

    def _run(self, runner: Runner, arrays: list) -> list:
        """The raw outputs. A runner that raises has changed no input, and then no random numbers count as drawn."""
        try:
            return runner(arrays)
        except BaseException:
            if self._draws:
                default_generator.offset -= self._random_calls
            raise

    def _call_training(self, training: Training, inputs: tuple, arrays: list, state: Any) -> tuple:
        edges = training.edges(inputs)
        snapshots = training.snapshots(inputs)
        raw = self._run(training.forward, arrays)
        for position in self._written:
            inputs[position]._storage.version += 1
        fresh = [wrapped(value) for value in raw[: training.results]]
        if any(edge is not None for edge in edges):
            training.attach(edges, inputs, snapshots, state, arrays, raw, fresh)
        return self._results(fresh, inputs)

    def _call_transformed(self, level: Level, inputs: tuple) -> tuple:
        """Run on batches or tangents: by another compiled graph on what stands under the level. Only gradients come here, which write and draw nothing."""
        lifted = [level.lift(value) if isinstance(value, Tensor) else value for value in inputs]
        found = self._variants.call(self.graph, level, lifted)
        training = self._training
        edges = training.edges(lifted) if training is not None and STATE.enabled else []
        if training is None or all(edge is None for edge in edges):
            return tuple(found)

        def pull(gradients: list) -> list:
            tangents = [found[i].new_zeros(found[i].shape) if g is None else dense(g) for g, (_, i) in zip(gradients, training.roots)]
            results = training.differentiable_gradients([*lifted, *tangents], tuple(g is not None for g in gradients))
            return [g if edge is not None else None for g, edge in zip(results, edges)]

        node = MultipleNode(edges, pull, f"Compiled[{self.title}]Backward", len(training.roots))
        for index, (_, position) in enumerate(training.roots):
            if training.depends(index, edges):
                found[position]._edge, found[position]._requires_grad = Part(node, index), True
        return tuple(found)

    def _results(self, fresh: list, inputs: tuple) -> tuple:
        """The user's results from the raw outputs and the inputs, as the specs say."""
        return tuple([self._result(spec, fresh, inputs) for spec in self._specs])

    def _result(self, spec: OutputSpec, fresh: list, inputs: tuple) -> Any:
        if spec.kind == "input":
            return inputs[spec.index]
        value = inputs[spec.index] if spec.kind == "alias_of_input" else fresh[spec.index]
        if spec.chain:
            value = self._replayed(value, spec, inputs, fresh)
        if spec.requires_grad and not value._requires_grad and STATE.enabled:
            if spec.released:
                value._edge = CallbackNode((), _nothing, "CapturedBackward")
                value._edge.release()
                value._requires_grad = True
            elif spec.leaf:
                value._requires_grad = True
        return value

    def _replayed(self, value: Tensor, spec: OutputSpec, inputs: tuple, fresh: list) -> Tensor:
        """The views of a chain on a real tensor, recorded on the tape where eager mode would have."""
        bindings: dict | None = None
        enabled = STATE.enabled
        try:
            for step in spec.chain:
                STATE.enabled = enabled and step.differentiable and spec.requires_grad
                attributes = step.attributes
                if any(isinstance(a, (SymInt, tuple)) for a in attributes):
                    bindings = bindings or self._bindings(inputs, fresh)
                    attributes = tuple(self._concrete(a, bindings) for a in attributes)
                value = step.op(value, *attributes)
        finally:
            STATE.enabled = enabled
        return value

    def _bindings(self, inputs: tuple, fresh: list) -> dict:
        """The values of all symbols: those of the inputs, and those that the graph gave out."""
        graph = self.graph
        given = {value.expr: fresh[i] for i, value in enumerate(graph.outputs) if isinstance(value, SymInt) and value.expr in graph.runtime}
        return {**graph.bindings(inputs), **given}

    def _concrete(self, attribute: Any, bindings: dict) -> Any:
        if isinstance(attribute, SymInt):
            return attribute.env.evaluate(attribute, bindings)
        if isinstance(attribute, tuple):
            return tuple(self._concrete(item, bindings) for item in attribute)
        return attribute

    # ------------------------------------------------------------------------------------------------ what there is to see

    def runners(self) -> dict[str, Runner]:
        """The runners compiled so far, by role: "inference", "forward", "backward"."""
        found = {"inference": self._infer}
        if self._training is not None:
            found["forward"] = self._training.forward
            found.update((f"backward {n}" if n else "backward", runner) for n, (runner, _) in enumerate(self._training.backwards.values()))
        return {role: runner for role, runner in found.items() if runner is not None}

    @property
    def source(self) -> str:
        """The generated code of all runners."""
        return "\n\n".join(runner.source for runner in self.runners().values())

    @property
    def stats(self) -> dict[str, int]:
        """graphs (compiled so far), kernels, arena_bytes, saved_bytes (kept between forward and backward), cache_hits."""
        runners = self.runners().values()
        return {
            "graphs": len(runners),
            "operations": len(self.graph.operations),
            "kernels": sum(runner.kernels for runner in runners),
            "arena_bytes": sum(runner.arena_bytes for runner in runners),
            "saved_bytes": 0 if self._training is None else self._training.known.saved_bytes,
            "cache_hits": sum(bool(runner.cache_hit) for runner in runners),
        }

    def __repr__(self) -> str:
        return f"<CompiledGraph '{self.title}' by {self.backend.name}: {len(self.graph.operations)} operations>"


class Variants:
    """A graph under function transforms: one compiled graph for each way in which its inputs can be batched or have tangents."""

    def __init__(self, backend: Backend, title: str) -> None:
        self.backend, self.title = backend, title
        self.compiled: dict[Any, CompiledGraph] = {}

    def call(self, graph: Graph, level: Any, inputs: list) -> list:
        """The results at the level of the inputs."""
        arrays = [value._data if isinstance(value, Tensor) else value for value in inputs]
        if isinstance(level, BatchLevel):
            several = tuple(getattr(array, "dim", None) is not None for array in arrays)
            compiled = self._made((several, level.size), lambda: batched_graph(graph, several, level.size), "batched")
            below = [dense(array.value.movedim(array.dim, 0)) if on else getattr(array, "value", array) for array, on in zip(arrays, several)]
            return [level.enter(value, 0) if isinstance(value, Tensor) else value for value in compiled(*below)]
        directed = tuple(getattr(array, "tangent", None) is not None for array in arrays)
        compiled = self._made(directed, lambda: dual_graph(graph, directed), "with tangents")
        below = [getattr(array, "value", array) for array in arrays] + [dense(array.tangent) for array, on in zip(arrays, directed) if on]
        found = compiled(*below)
        half = len(found) // 2
        return [level.enter(value, t) if isinstance(value, Tensor) else value for value, t in zip(found[:half], found[half:])]

    def _made(self, key: Any, make: Callable[[], Graph], what: str) -> CompiledGraph:
        if key not in self.compiled:
            with autocast_off():
                self.compiled[key] = CompiledGraph(make(), self.backend, f"{self.title}, {what}", state="argument")
        return self.compiled[key]


def _of_gradients(backend: Backend) -> Callable[[Graph, str], CompiledGraph]:
    """Makes a callable of the gradients of a graph, which is differentiable in its turn."""
    return lambda graph, title: CompiledGraph(graph, backend, title, state="argument")


def _nothing(g: Any) -> Sequence[Any]:
    return ()
