"""The derivative of a compiled graph as calls meet it: the forward and backward runners, and one node of the tape for each call.

In comes a joint graph, or what a capture on disk says about one; out goes a `Training`, which puts calls on the tape. The one idea: what a call needs to know
is data (`Known`), apart from the graphs that it was read from. These are wanted only where something new is compiled (a backward that not every result
reaches, the derivative of a derivative), and a stored capture makes them again only then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..eager.autograd import engine
from ..eager.autograd.mode import STATE
from ..eager.autograd.saved import Packed
from ..eager.autograd.tape import MultipleNode, Part
from ..eager.cuda import ACCELERATED, is_real, moved
from ..eager.dtypes import CPU
from ..eager.errors import AutogradError, error
from ..eager.ops.definition import OPS
from ..eager.stats import stats
from ..eager.tensor import Storage, Tensor
from .backends import Backend, Runner
from .derivative import Joint, dependencies, spent_together, stood_on, without
from .higher import Higher, on_the_tape
from .interpreter import Interpreter
from .ir import Graph, SymbolSource
from .partition import Partition, Saved, partition
from .passes import BEFORE_DERIVATIVE, run_passes, without_rules
from .printer import log_parts
from .trace import COPY
from .transformed import innermost

Given = tuple[bool, ...]  # for each root of a graph, whether a gradient comes to it


@dataclass(frozen=True)
class Derived:
    """The graphs of a derivative: forward and backward, and (made when asked for) the gradients as a graph that can be differentiated again."""

    joint: Joint
    partition: Partition

    @classmethod
    def of(cls, joint: Joint) -> Derived:
        joint = Joint(run_passes(joint.graph, BEFORE_DERIVATIVE), joint.results, joint.roots, joint.targets)
        undifferentiated = Joint(without_rules(joint.graph), joint.results, joint.roots, joint.targets)
        return cls(joint, partition(undifferentiated))

    @cached_property
    def gradients(self) -> Graph:
        return self.joint.gradients()

    @cached_property
    def again(self) -> Interpreter:
        """The roots from the inputs, on the tape."""
        return Interpreter(self.joint.forward())

    @cached_property
    def higher(self) -> Higher | None:
        return Higher.of(self.joint, self.partition)


@dataclass(frozen=True)
class Known:
    """What a call needs to know of its derivative.

    results, roots, targets     as in `Joint`
    names, symbols              of the joint graph's inputs: their names, and where its sizes are found
    tangents                    the fake value of each root
    saved, saved_bytes          what the backward gets besides the tangents
    dependencies                for each root, the targets on which it depends
    spent                       for each root, the roots that its backward uses up
    stood_on                    the roots from which another was computed
    copied_first                inputs that a second derivative reads and the forward overwrites
    read                        inputs of the whole backward that it reads
    """

    results: int
    roots: tuple[tuple[str, int], ...]
    targets: tuple[int, ...]
    names: tuple[str, ...]
    symbols: tuple[SymbolSource, ...]
    tangents: tuple[Any, ...]
    saved: tuple[Saved, ...]
    saved_bytes: int
    dependencies: tuple[frozenset[int], ...]
    spent: tuple[frozenset[int], ...]
    stood_on: frozenset[int]
    copied_first: tuple[int, ...]
    read: frozenset[int]

    @classmethod
    def of(cls, derived: Derived, captured: Graph) -> Known:
        joint, graph, split = derived.joint, derived.joint.graph, derived.partition
        tangents = graph.inputs[len(graph.inputs) - len(joint.roots) :]
        written = {position for position, _ in graph.writes}
        read_twice = tuple(sorted(written & reads(derived.gradients))) if written else ()
        return cls(
            joint.results, joint.roots, joint.targets, tuple(node.name for node in graph.inputs), graph.symbols, tuple(node.value for node in tangents),
            split.saved, split.saved_bytes, dependencies(joint), spent_together(captured, joint.roots), stood_on(joint), read_twice, reads(split.backward),
        )  # fmt: skip


class Training:
    """The forward and backward runners of a graph that is differentiable, and the tape node of each call.

    `derived` gives the graphs, `compiled` makes a callable of one; `whole_backward`: the key under which the backend keeps the backward's program, if it does.
    """

    def __init__(
        self, known: Known, forward: Runner, derived: Callable[[], Derived], backend: Backend, title: str, compiled: Callable[[Graph, str], Any],
        whole_backward: str | None = None,
    ) -> None:  # fmt: skip
        self.known = known
        self.results, self.roots, self.targets, self.names, self.saved = known.results, known.roots, known.targets, known.names, known.saved
        self.forward = forward
        self.backend = backend
        self.title = title
        self.backwards: dict[Given, tuple[Runner, frozenset[int]]] = {}
        self.whole_backward = whole_backward
        self._gradients: dict[tuple[str, Given], Any] = {}
        self._compiled = compiled
        self._derived: Derived | Callable[[], Derived] = derived

    @classmethod
    def of(cls, joint: Joint, captured: Graph, backend: Backend, title: str, compiled: Callable[[Graph, str], Any]) -> Training:
        """Split the joint graph of what was captured, and compile its forward."""
        derived = Derived.of(joint)
        log_parts(lambda: derived.partition, title)
        return cls(Known.of(derived, captured), compile_runner(backend, derived.partition.forward), lambda: derived, backend, title, compiled)

    def log_graphs(self) -> None:
        """Send the two graphs to whoever reads SEGUE_LOGS=graph."""
        log_parts(lambda: self.derived.partition, self.title)

    @property
    def derived(self) -> Derived:
        """The graphs, made again where they were not at hand."""
        if not isinstance(self._derived, Derived):
            self._derived = self._derived()
        return self._derived

    @property
    def partition(self) -> Partition:
        return self.derived.partition

    def edges(self, inputs: Sequence[Any]) -> list:
        """For each gradient, the place on the tape that it goes to, or None."""
        found = []
        for position in self.targets:
            tensor = inputs[position]
            if tensor.requires_grad:
                found.append(tensor if tensor._edge is None else tensor._edge)
            else:
                found.append(None)
        return found

    def depends(self, root: int, edges: list) -> bool:
        """Whether a root has a gradient for one of the inputs that want one."""
        return any(edges[target] is not None for target in self.known.dependencies[root])

    def check_writes(self, inputs: Sequence[Any]) -> None:
        """Refuse what eager mode refuses: a view of a leaf is an input like others to the graph, and must not be written."""
        for kind, position in self.roots:
            if kind == "write":
                inputs[position]._check_write("write", inputs[position].shape, inputs[position].dtype)

    def snapshots(self, inputs: Sequence[Any]) -> dict[int, Tensor]:
        """Copies of what the forward overwrites, with the history it has now: a second derivative goes on along it."""
        return {position: inputs[position].clone() for position in self.known.copied_first}

    def attach(self, edges: list, inputs: tuple, snapshots: dict, state: Any, arrays: list, raw: list, fresh: list) -> None:
        """Put the call on the tape: one node, and a `Part` of it for each differentiable result and write."""
        call = Call(self, inputs, snapshots, state, arrays, raw, fresh, edges)
        node = CallNode(edges, call, f"Compiled[{self.title}]Backward")
        for index, (kind, position) in enumerate(self.roots):
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
            with stats.timed("compile_seconds"):
                self.backwards[given] = self._stored_backward(given) or self._made_backward(given)
        return self.backwards[given]

    def _stored_backward(self, given: Given) -> tuple[Runner, frozenset[int]] | None:
        """The whole backward, of a capture from the disk whose program is there too."""
        found = self.backend.load(self.whole_backward) if self.whole_backward is not None and all(given) else None
        return None if found is None else (found, self.known.read)

    def _made_backward(self, given: Given) -> tuple[Runner, frozenset[int]]:
        graph = self._reduced(self.partition.backward, given)
        return compile_runner(self.backend, graph), reads(graph)

    def _reduced(self, graph: Graph, given: Given) -> Graph:
        return graph if all(given) else without(graph, graph.inputs[len(graph.inputs) - len(given) :], given)

    def differentiable_gradients(self, inputs: list, given: Given) -> Sequence[Any]:
        """The gradients on the tape, from inputs and tangents."""
        return _run_guarded(self.gradients(given), inputs)

    def gradients(self, given: Given, of: str = "inputs") -> Any:
        """The gradients as a differentiable function; compiled at the first derivative of a derivative. It takes tangents behind the inputs, or behind what was kept
        ("kept"), or it gives the gradients of what was kept from both and tangents of that ("results")."""
        key = of, given
        if key not in self._gradients:
            higher: Any = self.derived.higher if of != "inputs" else None
            graph = self.derived.gradients if higher is None else higher.backward if of == "kept" else higher.kept
            self._gradients[key] = self._compiled(self._reduced(graph, given), f"{self.title}, gradients")
        return self._gradients[key]


class CallNode(MultipleNode):
    """The tape's node of one call. A backward from a result uses up the history of those (`spent`) that eagerly have a step with saved values in common with it."""

    __slots__ = ("spent", "stood_on", "left", "pulled", "apart", "gradients")

    def __init__(self, edges: Sequence[Any], call: Call, label: str) -> None:
        known = call.training.known
        super().__init__(edges, call.pull, label, len(known.spent))
        self.spent, self.stood_on = known.spent, known.stood_on
        self.left = set(range(len(known.spent)))
        self.pulled: set[int] = set()
        self.apart: Callable[[list, Sequence[Callable]], tuple[list, list]] | None = call.apart
        self.gradients: list | None = None

    def hides(self, targets: Sequence[Any]) -> bool:
        edges = [target._edge for target in targets]
        return any(isinstance(edge, Part) and edge.node is self and edge.index in self.stood_on for edge in edges)

    def arrive(self, values: list, watched: Any) -> list:
        looked_at = {*watched, *(getattr(hook, "result", None) for hook in self.hooks or ())}
        if looked_at.isdisjoint(self.stood_on):
            return super().arrive(values, watched)
        self.use([index for index, gradient in enumerate(values) if gradient is not None])
        assert self.apart is not None
        arrived, self.gradients = self.apart(values, self.hooks or ())
        return arrived

    def use(self, given: Sequence[int]) -> None:
        """Note from which results a backward comes. Raises RuntimeError where the history of one is used up."""
        self.pulled = set(given)
        if not self.pulled <= self.left:
            raise self.used_up()

    def pull(self, g: list) -> Sequence[Any]:
        if self.gradients is not None:
            gradients, self.gradients = self.gradients, None
            return gradients
        self.use([index for index, gradient in enumerate(g) if gradient is not None])
        return super().pull(g)

    def release(self) -> None:
        self.left.difference_update(*(self.spent[index] for index in self.pulled))
        if not self.left:
            self.apart = None
            super().release()


class Call:
    """What one call keeps for its backward."""

    __slots__ = ("training", "inputs", "versions", "state", "saved", "checks", "shapes", "wanted", "edges")

    def __init__(self, training: Training, inputs: tuple, snapshots: dict, state: Any, arrays: list, raw: list, fresh: list, edges: list) -> None:
        self.training = training
        self.edges = edges
        self.wanted = tuple([edge is not None for edge in edges])
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
        for place, saved in enumerate(training.saved):
            if saved.kind == "input":
                self.saved.append(arrays[saved.index] if saved.index >= len(inputs) else _packed(arrays[saved.index]))
                if saved.index < len(inputs) and not STATE.saved_hooks:
                    storage = inputs[saved.index]._storage
                    self.checks.append((place, storage, storage.version, names[saved.index]))
            elif saved.kind == "output":
                self.saved.append(_packed(raw[saved.index]))
                if saved.index < len(fresh) and not STATE.saved_hooks:
                    storage = fresh[saved.index]._storage
                    self.checks.append((place, storage, storage.version, f"result {saved.index}"))
            elif saved.kind == "number":
                self.saved.append(raw[saved.index])
            else:
                self.saved.append(arrays[saved.index] if saved.dim is None else arrays[saved.index].shape[saved.dim])
        self.shapes = tuple((raw if kind == "output" else arrays)[index].shape for kind, index in training.known.roots)

    def pull(self, gradients: list) -> list:
        """The gradients of the inputs from those of the results: by the backward runner, or, under create_graph, differentiably."""
        if STATE.enabled or (STATE.levels and innermost(gradients) is not None):
            return self._pull_differentiably(gradients)
        runner, read = self.training.backward(tuple([g is not None for g in gradients]))
        self._check_kept(read)
        tangents = [self._tangent(i, None if g is None else g._data) for i, g in enumerate(gradients)]
        raw = runner([*map(_unpacked, self.saved), *tangents])
        return [wrapped(value) if on else None for value, on in zip(raw, self._given(gradients))]

    def apart(self, gradients: list, hooks: Sequence[Callable]) -> tuple[list, list]:
        """What arrives at each result, and the gradients of the inputs, where results are looked at from which others were computed: the graph holds no step between them,
        so it is run again on the tape, from the inputs."""
        again = self.training.derived.again
        self._check(again.graph)
        wanted = [position for position, on in zip(self.training.targets, self.wanted) if on]
        inputs = list(self.inputs)
        if not STATE.enabled:
            inputs = [x.detach().requires_grad_(place in wanted) if isinstance(x, Tensor) else x for place, x in enumerate(inputs)]
        switched = self._switched() if STATE.enabled else []
        inputs = [x.detach() if place in switched else x for place, x in enumerate(inputs)]
        results = again([*inputs, *[None] * len(gradients)], differentiable=True)
        for place in switched:  # the history that it has now is behind it for what reads it from here on
            now = self.inputs[place].view_as(self.inputs[place])
            inputs[place]._edge, inputs[place]._requires_grad = now._edge, True
        arrived: list[Any] = [None] * len(gradients)

        def look(index: int, gradient: Any) -> Any:
            values = [gradient if place == index else None for place in range(len(gradients))]
            for hook in hooks:
                values = hook(values)
            arrived[index] = values[index]
            return values[index]

        for index, result in enumerate(results):
            if result.requires_grad:
                result.register_hook(partial(look, index))
        pairs = [(result, g) for result, g in zip(results, gradients) if g is not None]
        found = iter(engine.grad([r for r, _ in pairs], [inputs[p] for p in wanted], [g for _, g in pairs], create_graph=STATE.enabled, allow_unused=True))
        return arrived, [next(found) if on else None for on in self.wanted]

    def _pull_differentiably(self, gradients: list) -> list:
        if self._switched():
            return self.apart(gradients, ())[1]
        given = tuple([g is not None for g in gradients])
        tangents = [Tensor._wrap(self._tangent(i, None), Storage()) if g is None else dense(g) for i, g in enumerate(gradients)]
        if self._lost(self.training.gradients(given).graph) is not None and self.training.derived.higher is not None:
            results = self._from_kept(given, tangents)
        else:
            self._check(self.training.gradients(given).graph)
            results = self.training.differentiable_gradients([*self.inputs, *tangents], given)
        return [value if on else None for value, on in zip(results, self._given(gradients))]

    def _from_kept(self, given: Given, tangents: list) -> Sequence[Any]:
        """The gradients as differentiable functions of what was kept: an input from which they would be computed has changed since."""
        higher, training = self.training.derived.higher, self.training
        assert higher is not None
        compiled = training.gradients(given, "kept")
        self._check_kept(reads(compiled.graph))

        def pull(results: list, arriving: list) -> list:
            assert higher is not None
            on = tuple([g is not None for g in arriving])
            behind = training.gradients(on, "results")
            self._check(behind.graph)
            filled = [results[root].new_zeros(results[root].shape) if g is None else dense(g) for root, g in zip(higher.roots, arriving)]
            return [g if wanted else None for g, wanted in zip(_run_guarded(behind, [*self.inputs, *results, *filled]), self.wanted)]

        kept = [self.inputs[saved.index] if saved.kind == "input" else _unpacked(value) for saved, value in zip(training.saved, self.saved)]
        return _run_guarded(compiled, [*on_the_tape(higher, kept, self.edges, f"Compiled[{training.title}]Backward", pull), *tangents])

    def _switched(self) -> list[int]:
        """The inputs that have come to require a gradient since the call: a derivative of its gradients goes to them, but not through its own steps."""
        wanted = {position for position, on in zip(self.training.targets, self.wanted) if on}
        kept = [place for place, (x, version) in enumerate(zip(self.inputs, self.versions)) if isinstance(x, Tensor) and x._storage.version == version]
        return [place for place in kept if place not in wanted and self.inputs[place].requires_grad]

    def _lost(self, graph: Graph) -> tuple[str, int, int] | None:
        """The first input that a graph of the inputs reads and that has been overwritten: its name, and its versions then and now."""
        read = reads(graph)
        for place, (value, version, name) in enumerate(zip(self.inputs, self.versions, self.training.names)):
            if isinstance(value, Tensor) and value._storage.version != version and place in read:
                return name, version, value._storage.version
        return None

    def _check(self, graph: Graph) -> None:
        lost = self._lost(graph)
        if lost is not None:
            self._overwritten(*lost)

    def _check_kept(self, read: frozenset[int]) -> None:
        for place, storage, version, name in self.checks:
            if storage.version != version and place in read:
                self._overwritten(name, version, storage.version)

    def _given(self, gradients: list) -> Sequence[bool]:
        """Which inputs get a gradient: those wanted on which a result that has one depends. The others get None, as eagerly, not zeros."""
        if all(g is not None for g in gradients):
            return self.wanted
        reached = frozenset().union(*(targets for g, targets in zip(gradients, self.training.known.dependencies) if g is not None))
        return [on and index in reached for index, on in enumerate(self.wanted)]

    def _tangent(self, index: int, array: Any) -> Any:
        """A gradient as the backward takes it: contiguous, of the result's dtype; zeros where none arrived."""
        value = self.training.known.tangents[index]
        if array is None:
            return moved(np.zeros(self.shapes[index], value.dtype.numpy), value.device or CPU)
        if type(array) in ACCELERATED:
            return array.astype(value.dtype.numpy, order="C", copy=False)
        return np.ascontiguousarray(array, value.dtype.numpy) if array.ndim else np.asarray(array, value.dtype.numpy)

    def _overwritten(self, name: str, saved: int, now: int) -> None:
        raise error(
            AutogradError,
            f"one of the variables needed for gradient computation has been modified by an inplace operation: {name} was at version {saved} when the "
            f"compiled graph '{self.training.title}' ran, it is now at version {now}",
            "use the operation that returns a new tensor, or clone() before it",
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


def _run_guarded(compiled: Any, inputs: list) -> Sequence[Any]:
    """Call what was compiled after the guards were taken, or interpret it where a guard that this second compilation made does not hold."""
    if _late_guards_hold(compiled.graph, inputs):
        return compiled(*inputs)
    stats.count("late_guard_misses")
    return Interpreter(compiled.graph)(inputs, differentiable=True)


def _late_guards_hold(graph: Graph, inputs: Sequence[Any]) -> bool:
    env = graph.shape_env
    if env is None or len(env.guards) == env.frozen:
        return True
    bindings = graph.bindings(inputs)
    return all(env.evaluate(guard.relation, bindings) for guard in env.late_guards(bindings))


def _packed(array: Any) -> Any:
    """What is kept of a saved array: what the hooks made of it, the user's or those of a checkpoint around the call."""
    if not STATE.saved_hooks:
        return array
    pack, unpack = STATE.saved_hooks[-1]
    return Packed(wrapped(array), None, (getattr(pack, "within_a_call", pack), unpack), Tensor._wrap)


def _unpacked(value: Any) -> Any:
    return value.get()._data if isinstance(value, Packed) else value


def reads(graph: Graph) -> frozenset[int]:
    """The positions of the inputs that a graph reads."""
    return frozenset(position for position, node in enumerate(graph.inputs) if node.users)


def wrapped(value: Any) -> Any:
    return Tensor._wrap(value, Storage()) if is_real(value) else value


def dense(gradient: Tensor) -> Tensor:
    """A gradient as a compiled graph takes it, differentiably: C-contiguous."""
    return gradient if gradient.is_contiguous() else OPS[COPY](gradient)
