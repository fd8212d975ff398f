"""Compiled graphs: a graph and its backend as one callable on tensors, with derivatives of every order.

In comes a graph from a tracer, out goes a `CompiledGraph`, which rewritten bytecode calls with the inputs and which returns the user's results:
new tensors, the very inputs, or views of either. The one idea: derivatives stay on the ordinary tape. A call leaves one tape node, whose backward
runs the compiled backward graph; when that backward is itself to be differentiated, it runs as another `CompiledGraph` of the inputs and
tangents, and so on.

Everything that can be known before a call is worked out in the constructors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..eager.autograd.autocast import autocast_off
from ..eager.autograd.mode import STATE, enable_grad
from ..eager.autograd.tape import CallbackNode, MultipleNode, Part
from ..eager.errors import AutogradError
from ..eager.ops.definition import OPS
from ..eager.random import default_generator
from ..eager.stats import stats
from ..eager.tensor import Storage, Tensor
from ..eager.transforms.batched import BatchLevel
from ..eager.transforms.levels import Level
from .backends import Backend, Runner, lookup_backend
from .derivative import Joint, dependencies, joint_graph, roots_of, without
from .interpreter import Interpreter
from .ir import FakeValue, Graph, OutputSpec
from .partition import Partition, partition
from .passes import BEFORE_DERIVATIVE, run_passes, without_rules
from .printer import log_graph
from .symbolic import SymInt
from .trace import COPY
from .transformed import batched_graph, dual_graph, innermost

Given = tuple[bool, ...]  # for each root of a graph, whether a gradient comes to it


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
    log_graph(graph, title)
    compiled = CompiledGraph(graph, lookup_backend(backend), title, state, own_tape)
    if graph.shape_env is not None:
        graph.shape_env.freeze()  # the caller guards what was asked so far
    return compiled


class CompiledGraph:
    """A callable made of a graph. `stats` tells graphs, kernels and bytes; `graph` is what was captured, `source` what was generated."""

    def __init__(self, graph: Graph, backend: Backend, title: str = "captured", state: str = "generator", own_tape: bool = False) -> None:
        self.graph = graph
        self._own_tape = own_tape
        self.backend = backend
        self.title = title
        self._prepare_inputs(state)
        self._specs = tuple(graph.output_specs or ())
        self._plain = self._specs == tuple(OutputSpec("fresh", index) for index in range(len(graph.outputs)))
        self._written = tuple(position for position, _ in graph.writes)
        self._infer: Runner | None = None
        self._training: Training | None = None
        self._variants = Variants(graph, backend, title)
        if graph.differentiable_inputs and roots_of(graph):
            with autocast_off():
                joint = joint_graph(run_passes(graph, BEFORE_DERIVATIVE))
            if joint is not None:
                self._training = Training(joint, backend, title)
        if self._training is None:
            self._runner()

    def _prepare_inputs(self, state: str) -> None:
        nodes = self.graph.inputs
        random = self.graph.random_state
        self._draws = random is not None and state == "generator"
        if self._draws and nodes[-1] is not random:
            raise ValueError("random_state must be the last input of a graph that takes it from the generator")
        passed = nodes[:-1] if self._draws else nodes
        self._is_tensor = tuple(isinstance(node.value, FakeValue) for node in passed)
        self._all_tensors = all(self._is_tensor)
        self.input_count = len(passed)

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
        state = None
        if self._draws:
            state = default_generator.state_array()
            arrays.append(state)
            default_generator.offset += self.graph.random_calls
        training = self._training
        if training is not None and STATE.enabled:
            return self._call_training(training, inputs, arrays, state)
        raw = (self._infer or self._runner())(arrays)
        for position in self._written:
            inputs[position]._storage.version += 1
        if self._plain:
            return tuple([_wrapped(value) for value in raw])
        fresh = [_wrapped(value) for value in raw]
        return self._results(fresh, inputs)

    def _call_training(self, training: Training, inputs: tuple, arrays: list, state: Any) -> tuple:
        edges = training.edges(inputs)
        snapshots = training.snapshots(inputs)
        raw = training.forward(arrays)
        for position in self._written:
            inputs[position]._storage.version += 1
        fresh = [_wrapped(value) for value in raw[: training.results]]
        if any(edge is not None for edge in edges):
            training.attach(edges, inputs, snapshots, state, arrays, raw, fresh)
        return self._results(fresh, inputs)

    def _call_transformed(self, level: Level, inputs: tuple) -> tuple:
        """Run on batches or tangents: by another compiled graph on what stands under the level. Only gradients come here, which write and draw nothing."""
        wrapped = [level.lift(value) if isinstance(value, Tensor) else value for value in inputs]
        found = self._variants.call(level, wrapped)
        training = self._training
        edges = training.edges(wrapped) if training is not None and STATE.enabled else []
        if training is None or all(edge is None for edge in edges):
            return tuple(found)

        def pull(gradients: list) -> list:
            tangents = [found[i].new_zeros(found[i].shape) if g is None else _dense(g) for g, (_, i) in zip(gradients, training.joint.roots)]
            results = training.differentiable_gradients([*wrapped, *tangents], tuple(g is not None for g in gradients))
            return [g if edge is not None else None for g, edge in zip(results, edges)]

        node = MultipleNode(edges, pull, f"Compiled[{self.title}]Backward", len(training.joint.roots))
        for index, (_, position) in enumerate(training.joint.roots):
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
            value = self._replayed(value, spec, inputs)
        if spec.requires_grad and not value._requires_grad and STATE.enabled:
            if spec.released:
                value._edge = CallbackNode((), _nothing, "CapturedBackward")
                value._edge.release()
                value._requires_grad = True
            elif spec.leaf:
                value._requires_grad = True
        return value

    def _replayed(self, value: Tensor, spec: OutputSpec, inputs: tuple) -> Tensor:
        """The views of a chain on a real tensor, recorded on the tape where eager mode would have."""
        bindings: dict | None = None
        enabled = STATE.enabled
        try:
            for step in spec.chain:
                STATE.enabled = enabled and step.differentiable and spec.requires_grad
                attributes = step.attributes
                if any(isinstance(a, (SymInt, tuple)) for a in attributes):
                    bindings = bindings or self.graph.bindings(inputs)
                    attributes = tuple(self._concrete(a, bindings) for a in attributes)
                value = step.op(value, *attributes)
        finally:
            STATE.enabled = enabled
        return value

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
            "saved_bytes": 0 if self._training is None else self._training.partition.saved_bytes,
            "cache_hits": sum(bool(runner.cache_hit) for runner in runners),
        }

    def __repr__(self) -> str:
        return f"<CompiledGraph '{self.title}' by {self.backend.name}: {len(self.graph.operations)} operations>"


class Variants:
    """A graph under function transforms: one compiled graph for each way in which its inputs can be batched or have tangents."""

    def __init__(self, graph: Graph, backend: Backend, title: str) -> None:
        self.graph, self.backend, self.title = graph, backend, title
        self.compiled: dict[Any, CompiledGraph] = {}

    def call(self, level: Any, inputs: list) -> list:
        """The results at the level of the inputs."""
        arrays = [value._data if isinstance(value, Tensor) else value for value in inputs]
        if isinstance(level, BatchLevel):
            several = tuple(getattr(array, "dim", None) is not None for array in arrays)
            compiled = self._made((several, level.size), lambda: batched_graph(self.graph, several, level.size), "batched")
            below = [_dense(array.value.movedim(array.dim, 0)) if on else getattr(array, "value", array) for array, on in zip(arrays, several)]
            return [level.enter(value, 0) if isinstance(value, Tensor) else value for value in compiled(*below)]
        directed = tuple(getattr(array, "tangent", None) is not None for array in arrays)
        compiled = self._made(directed, lambda: dual_graph(self.graph, directed), "with tangents")
        below = [getattr(array, "value", array) for array in arrays] + [_dense(array.tangent) for array, on in zip(arrays, directed) if on]
        found = compiled(*below)
        half = len(found) // 2
        return [level.enter(value, t) if isinstance(value, Tensor) else value for value, t in zip(found[:half], found[half:])]

    def _made(self, key: Any, make: Callable[[], Graph], what: str) -> CompiledGraph:
        if key not in self.compiled:
            with autocast_off():
                self.compiled[key] = CompiledGraph(make(), self.backend, f"{self.title}, {what}", state="argument")
        return self.compiled[key]


class Training:
    """The forward and backward runners of a graph that is differentiable, and the tape node of each call."""

    def __init__(self, joint: Joint, backend: Backend, title: str) -> None:
        self.backend = backend
        self.title = title
        self.joint = Joint(run_passes(joint.graph, BEFORE_DERIVATIVE), joint.results, joint.roots, joint.targets)
        undifferentiated = Joint(without_rules(self.joint.graph), joint.results, joint.roots, joint.targets)
        self.partition: Partition = partition(undifferentiated)
        log_graph(self.partition.forward, f"{title}, forward")
        log_graph(self.partition.backward, f"{title}, backward")
        self.results = joint.results
        self.forward: Runner = compile_runner(backend, self.partition.forward)
        self.backwards: dict[Given, tuple[Runner, frozenset[int]]] = {}
        self._gradients: dict[Given, CompiledGraph] = {}
        graph = self.joint.graph
        self.count = len(graph.inputs) - len(joint.roots)
        self.names = tuple(node.name for node in graph.inputs)
        self.tangents = tuple(node.value for node in graph.inputs[self.count :])
        self.gradient_graph = self.joint.gradients()
        self.dependencies = dependencies(self.joint)
        written = {position for position, _ in graph.writes}
        used = {position for position, node in enumerate(self.gradient_graph.inputs) if node.users}
        self._copied_first = tuple(sorted(written & used))  # inputs that a second derivative reads and the forward overwrites

    def edges(self, inputs: Sequence[Any]) -> list:
        """For each gradient, the place on the tape that it goes to, or None."""
        found = []
        for position in self.joint.targets:
            tensor = inputs[position]
            if tensor.requires_grad:
                found.append(tensor if tensor._edge is None else tensor._edge)
            else:
                found.append(None)
        return found

    def depends(self, root: int, edges: list) -> bool:
        """Whether a root has a gradient for one of the inputs that want one."""
        return any(edges[target] is not None for target in self.dependencies[root])

    def snapshots(self, inputs: Sequence[Any]) -> dict[int, Tensor]:
        """Copies of what the forward overwrites, with the history it has now: a second derivative goes on along it."""
        return {position: inputs[position].clone() for position in self._copied_first}

    def attach(self, edges: list, inputs: tuple, snapshots: dict, state: Any, arrays: list, raw: list, fresh: list) -> None:
        """Put the call on the tape: one node, and a `Part` of it for each differentiable result and write."""
        call = Call(self, inputs, snapshots, state, arrays, raw, fresh, tuple(edge is not None for edge in edges))
        node = CallNode(edges, call.pull, f"Compiled[{self.title}]Backward", len(self.joint.roots))
        for index, (kind, position) in enumerate(self.joint.roots):
            if not self.depends(index, edges):
                continue
            if kind == "output":
                value = fresh[position]
                value._edge = Part(node, index)
                value._requires_grad = True
            else:
                target = inputs[position]
                value = Tensor._wrap(target._data, Storage())
                value._edge = Part(node, index)
                value._requires_grad = True
                target._rebase(value)

    def backward(self, given: Given) -> tuple[Runner, frozenset[int]]:
        """The backward runner for those roots to which a gradient comes, and which inputs it reads; compiled when it is first needed."""
        if given not in self.backwards:
            graph = self._reduced(self.partition.backward, given)
            with stats.timed("compile_seconds"):
                self.backwards[given] = compile_runner(self.backend, graph), _read(graph)
        return self.backwards[given]

    def _reduced(self, graph: Graph, given: Given) -> Graph:
        return graph if all(given) else without(graph, graph.inputs[len(graph.inputs) - len(given) :], given)

    def differentiable_gradients(self, inputs: list, given: Given) -> Sequence[Any]:
        """The gradients on the tape: compiled, or interpreted where a guard that this second compilation made does not hold."""
        compiled = self.gradients(given)
        if _late_guards_hold(compiled.graph, inputs):
            return compiled(*inputs)
        stats.count("late_guard_misses")
        return Interpreter(compiled.graph)(inputs, differentiable=True)

    def gradients(self, given: Given) -> CompiledGraph:
        """The gradients as a differentiable function of inputs and tangents; compiled at the first derivative of a derivative."""
        if given not in self._gradients:
            graph = self._reduced(self.gradient_graph, given)
            self._gradients[given] = CompiledGraph(graph, self.backend, f"{self.title}, gradients", state="argument")
        return self._gradients[given]


class CallNode(MultipleNode):
    """The tape's node of one call. Each result's history is used up on its own, like that of the many steps it stands for."""

    __slots__ = ("left", "pulled")

    def __init__(self, edges: Sequence[Any], function: Callable[[Any], Sequence[Any]], label: str, results: int) -> None:
        super().__init__(edges, function, label, results)
        self.left = set(range(results))
        self.pulled: set[int] = set()

    def pull(self, g: list) -> Sequence[Any]:
        self.pulled = {index for index, gradient in enumerate(g) if gradient is not None}
        if not self.pulled <= self.left:
            raise self.used_up()
        return super().pull(g)

    def release(self) -> None:
        self.left -= self.pulled
        if not self.left:
            super().release()


class Call:
    """What one call keeps for its backward."""

    __slots__ = ("training", "inputs", "versions", "state", "saved", "checks", "sizes", "wanted")

    def __init__(self, training: Training, inputs: tuple, snapshots: dict, state: Any, arrays: list, raw: list, fresh: list, wanted: tuple) -> None:
        self.training = training
        self.wanted = wanted
        kept = list(inputs)
        for position, copy in snapshots.items():
            kept[position] = copy
        if state is not None:
            kept.append(Tensor._wrap(state, Storage()))
        self.inputs = kept
        self.versions = [value._storage.version if isinstance(value, Tensor) else 0 for value in kept]
        self.saved: list[Any] = []
        self.checks: list[tuple[int, Storage, int, str]] = []
        names = training.names
        for place, saved in enumerate(training.partition.saved):
            if saved.kind == "input":
                self.saved.append(arrays[saved.index])
                if saved.index < len(inputs):
                    storage = inputs[saved.index]._storage
                    self.checks.append((place, storage, storage.version, names[saved.index]))
            elif saved.kind == "output":
                self.saved.append(raw[saved.index])
                if saved.index < len(fresh):
                    storage = fresh[saved.index]._storage
                    self.checks.append((place, storage, storage.version, f"result {saved.index}"))
            else:
                self.saved.append(arrays[saved.index] if saved.dim is None else arrays[saved.index].shape[saved.dim])
        self.sizes = {s.symbol: (arrays[s.position] if s.dim is None else arrays[s.position].shape[s.dim]) for s in training.joint.graph.symbols}

    def pull(self, gradients: list) -> list:
        """The gradients of the inputs from those of the results: by the backward runner, or, under create_graph, differentiably."""
        if STATE.enabled or (STATE.levels and innermost(gradients) is not None):
            return self._pull_differentiably(gradients)
        runner, read = self.training.backward(tuple([g is not None for g in gradients]))
        for place, storage, version, name in self.checks:
            if storage.version != version and place in read:
                self._overwritten(name, version, storage.version)
        tangents = [self._tangent(i, None if g is None else g._data) for i, g in enumerate(gradients)]
        raw = runner([*self.saved, *tangents])
        return [_wrapped(value) if on else None for value, on in zip(raw, self._given(gradients))]

    def _pull_differentiably(self, gradients: list) -> list:
        given = tuple(g is not None for g in gradients)
        read = _read(self.training.gradients(given).graph)
        for place, (value, version, name) in enumerate(zip(self.inputs, self.versions, self.training.names)):
            if isinstance(value, Tensor) and value._storage.version != version and place in read:
                self._overwritten(name, version, value._storage.version)
        tangents = [Tensor._wrap(self._tangent(i, None), Storage()) if g is None else _dense(g) for i, g in enumerate(gradients)]
        results = self.training.differentiable_gradients([*self.inputs, *tangents], given)
        return [value if on else None for value, on in zip(results, self._given(gradients))]

    def _given(self, gradients: list) -> Sequence[bool]:
        """Which inputs get a gradient: those wanted on which a result that has one depends. The others get None, as eagerly, not zeros."""
        if all(g is not None for g in gradients):
            return self.wanted
        reached = frozenset().union(*(targets for g, targets in zip(gradients, self.training.dependencies) if g is not None))
        return [on and index in reached for index, on in enumerate(self.wanted)]

    def _tangent(self, index: int, array: Any) -> np.ndarray:
        """A gradient as the backward takes it: contiguous, of the result's dtype; zeros where none arrived."""
        value = self.training.tangents[index]
        if array is None:
            shape = tuple(size.env.evaluate(size, self.sizes) if isinstance(size, SymInt) else size for size in value.shape)
            return np.zeros(shape, value.dtype.numpy)
        return np.ascontiguousarray(array, value.dtype.numpy) if array.ndim else np.asarray(array, value.dtype.numpy)

    def _overwritten(self, name: str, saved: int, now: int) -> None:
        raise AutogradError(
            f"one of the variables needed for gradient computation has been modified by an inplace operation: {name} was at version {saved} when the "
            f"compiled graph '{self.training.title}' ran, it is now at version {now}; use the operation that returns a new tensor, "
            "or clone() before it"
        )


def compile_runner(backend: Backend, graph: Graph) -> Runner:
    """The backend's runner. What is compiled after the guards were taken checks the guards it added itself, and is interpreted where they fail."""
    runner = backend.compile(graph)
    env = graph.shape_env
    late = env is not None and env.late_guards(source.symbol for source in graph.symbols)
    return LateRunner(runner, graph) if late else runner


class LateRunner:
    """A runner with guards of its own, and the interpreter for the inputs that they exclude."""

    def __init__(self, runner: Runner, graph: Graph) -> None:
        self.runner = runner
        self.graph = graph
        self.interpreter = Interpreter(graph)
        self.kernels, self.source, self.arena_bytes, self.cache_hit = runner.kernels, runner.source, runner.arena_bytes, runner.cache_hit

    def __call__(self, inputs: list) -> list:
        if _late_guards_hold(self.graph, inputs):
            return self.runner(inputs)
        stats.count("late_guard_misses")
        return self.interpreter(inputs)


def _late_guards_hold(graph: Graph, inputs: Sequence[Any]) -> bool:
    env = graph.shape_env
    if env is None or len(env.guards) == env.frozen:
        return True
    bindings = graph.bindings(inputs)
    return all(env.evaluate(guard.relation, bindings) for guard in env.late_guards(bindings))


def _read(graph: Graph) -> frozenset[int]:
    """The positions of the inputs that a graph reads."""
    return frozenset(position for position, node in enumerate(graph.inputs) if node.users)


def _wrapped(value: Any) -> Any:
    return Tensor._wrap(value, Storage()) if type(value) is np.ndarray else value


def _dense(gradient: Tensor) -> Tensor:
    """A gradient as a compiled graph takes it, differentiably: C-contiguous."""
    return gradient if gradient.is_contiguous() else OPS[COPY](gradient)


def _nothing(g: Any) -> Sequence[Any]:
    return ()
