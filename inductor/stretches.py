"""Graphs with nodes that have no native form: compiled stretches with eager kernels between them.

In comes a graph, out goes a runner that carries out a plan: run a compiled stretch, run the host nodes that wait for it, go on. The one idea: the level of
a node is the number of host nodes that must have run before it; all native nodes of one level are one stretch, and a value that crosses a level is an
output of one stretch and an input of another, and is let go behind the last that reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..eager.log import log
from ..eager.stats import stats
from ..eager.tensor import Storage, Tensor
from ..graph.foreign import is_foreign
from ..graph.ir import FakeValue, Graph, Node, contiguous_strides, nodes_in
from ..graph.symbolic import SymInt
from .lower import kind_of

Writes = Sequence[tuple[int, Node]]


def has_host_nodes(graph: Graph) -> bool:
    return any(node.kind == "op" and kind_of(node) == "host" for node in graph.nodes)


class PlanRunner:
    """Runs the plan. The attributes are the sums over its stretches."""

    def __init__(self, graph: Graph, steps: list[Any], stretches: list[Any], hosts: list[Node], direct: Writes) -> None:
        self.graph = graph
        self.steps = steps
        self.writes = [write for write in graph.writes if write not in direct]
        self.source = "\n".join(stretch.source for stretch in stretches)
        self.kernels = sum(stretch.kernels for stretch in stretches)
        self.functions = sum(stretch.functions for stretch in stretches)
        self.calls = sum(stretch.calls for stretch in stretches)
        self.arena_bytes = max([stretch.arena_bytes for stretch in stretches], default=0)
        self.cache_hit = all(stretch.cache_hit for stretch in stretches)
        self.host_nodes = len(hosts)
        self.key: str | None = None  # under which the plan is kept
        self.dead = _dead_behind(graph, steps, self.writes)
        for node in hosts:
            if node.target.kind != "control":
                stats.count("host_nodes")
                log("schedule", f"{node.target.name} runs as an eager kernel: {getattr(node.target.lower, 'reason', 'its dtypes have no native form')}  {node.line or ''}")

    def __call__(self, inputs: list) -> list:
        values: dict[Any, Any] = dict(zip(self.graph.inputs, inputs))
        sizes = self.graph.bindings(inputs)
        for step, dead in zip(self.steps, self.dead):
            step(values, sizes)
            for node in dead:
                del values[node]
        env = self.graph.shape_env
        results = [_result(output, values, env, sizes) for output in self.graph.outputs]
        new = [(position, values[node]) for position, node in self.writes]
        for position, value in new:
            inputs[position][...] = value
        return results


def _dead_behind(graph: Graph, steps: list[Any], writes: Writes) -> list[list[Node]]:
    """For each step the values that nothing reads any more when it has run."""
    kept = {*nodes_in(tuple(graph.outputs)), *(node for _, node in writes)}
    found: list[list[Node]] = []
    for step in reversed(steps):
        found.append([node for node in dict.fromkeys([*step.inputs, *step.outputs]) if node not in kept and node.kind == "op"])
        kept.update(found[-1])
    return found[::-1]


def _result(output: Any, values: dict, env: Any, sizes: dict) -> Any:
    if isinstance(output, Node):
        return values[output]
    return env.evaluate(output, sizes) if isinstance(output, SymInt) else output


def plan_stretches(graph: Graph, compile_stretch: Callable[[Graph], Any], compile_held: Callable[[Graph], Any]) -> PlanRunner:
    """Cut a graph at its host nodes and compile the stretches between them, and the graphs that nodes hold."""
    level = _levels(graph)
    hosts = [node for node in graph.operations if kind_of(node) == "host"]
    steps: list[Any] = []
    stretches: list[Any] = []
    again, last = _made_again(graph), max(level.values(), default=0)
    direct = _direct_writes(graph, level, last, hosts)
    crossing = _crossing(graph, level, again, direct)
    for number in range(last + 1):
        wanted = [node for node in crossing if level[node] == number and node.kind == "op" and kind_of(node) != "host"]
        writes = direct if number == last else []
        if wanted or writes:
            stretch, inputs = _stretch(graph, level, number, wanted, again, writes)
            runner = compile_stretch(stretch)
            stretches.append(runner)
            steps.append(StretchStep(runner, inputs, wanted))
        steps += [step_of(node, graph.shape_env, compile_held, stretches) for node in hosts if level[node] == number]
    return PlanRunner(graph, steps, stretches, hosts, direct)


def _levels(graph: Graph) -> dict[Node, int]:
    """The stretch that makes each value: the first that can, but a view or pointwise value that is read later only waits until then, where no more bytes cross for it."""
    level: dict[Node, int] = {}
    checked = {*graph.checking, *(node for node in graph.operations if "checked" in node.target.tags)}
    failing = 0  # what may raise, and stands earlier, has run up to this level: a foreign function is called only behind it, as eagerly
    for node in graph.nodes[:-1]:
        foreign = node.kind == "op" and is_foreign(node)
        found = failing if foreign else 0
        for argument in node.inputs:
            after_host = argument.kind == "op" and kind_of(argument) == "host"
            found = max(found, level[argument] + after_host)
        level[node] = found
        if foreign or node in checked:
            failing = max(failing, found)
    owned = set(nodes_in(graph.output_node.args))
    waiting = [node for node in reversed(graph.operations) if node not in owned | checked and node.users and isinstance(node.value, FakeValue)]
    for node in [node for kind in ("view", "pointwise") for node in waiting if kind_of(node) == kind]:  # first, that is, which operands cross anyway
        latest = min(level.get(user, 0) for user in node.users)  # 0: the output, of which a size is read
        crossing = [x for x in dict.fromkeys(node.inputs) if x.kind == "op" and x not in owned and not any(u is not node and level.get(u, 0) >= latest for u in x.users)]
        if latest > level[node] and sum(x.value.nbytes_hint for x in crossing if isinstance(x.value, FakeValue)) <= node.value.nbytes_hint:
            level[node] = latest
    return level


def _made_again(graph: Graph) -> set[Node]:
    """Views of inputs: every stretch that reads one takes its own."""
    found: set[Node] = set()
    for node in graph.operations:
        if kind_of(node) != "host" and "alias" in node.target.tags and all(x in found or x.kind == "input" for x in node.inputs):
            found.add(node)
    return found


def _direct_writes(graph: Graph, level: dict[Node, int], last: int, hosts: list[Node]) -> Writes:
    """The writes that the last stretch may carry out itself: nothing can fail behind it, and nobody else holds the memory."""
    read = {x for host in hosts for x in nodes_in(host.args)} | set(nodes_in(tuple(graph.outputs)))
    if any(level[host] == last for host in hosts) or any(node.kind != "op" for _, node in graph.writes) or {graph.inputs[p] for p, _ in graph.writes} & read:
        return []
    return [(position, node) for position, node in graph.writes if level[node] == last and kind_of(node) != "host"]


def _crossing(graph: Graph, level: dict[Node, int], again: set[Node], direct: Writes) -> list[Node]:
    """Nodes whose value is needed outside of their stretch: by a later one, by a host node, or as a result."""
    needed: dict[Node, None] = dict.fromkeys([*nodes_in(tuple(graph.outputs)), *(node for position, node in graph.writes if (position, node) not in direct)])
    for node in graph.operations:
        host = kind_of(node) == "host"
        for argument in nodes_in(node.args):
            if host or (level[argument] != level[node] and argument not in again):
                needed[argument] = None
    order = {node: n for n, node in enumerate(graph.nodes)}
    return sorted(needed, key=order.__getitem__)


def _stretch(graph: Graph, level: dict[Node, int], number: int, wanted: list[Node], again: set[Node], writes: Writes) -> tuple[Graph, list[Node]]:
    """The graph of one level, and the nodes of the whole graph that are its inputs."""
    place: dict[Node, Node] = {}
    inputs: list[Node] = []
    nodes: list[Node] = []

    def placed(node: Node) -> Node:
        if node in place:
            return place[node]
        native = node.kind == "op" and kind_of(node) != "host" and (level[node] == number or node in again)
        if native or node.kind == "constant":
            args = _mapped(node.args, placed)
            made = Node(node.kind, node.target, args, node.value, node.name, node.line, node.module, node.differentiable, node.region, node.late)
        else:
            made = Node("input", None, (), _as_input(node), node.name, node.line, node.module)
            inputs.append(node)
        nodes.append(made)
        place[node] = made
        return made

    outputs = [placed(node) for node in wanted]
    for position, node in writes:
        placed(node)
        placed(graph.inputs[position])
    for node in graph.inputs:  # sizes, and tensors that carry them
        if node not in place and (isinstance(node.value, SymInt) or graph.symbols):
            placed(node)
    for node in graph.giving([node.value for node in nodes] + [node.args for node in nodes if node.kind == "op"]):
        if level[node] < number:  # before it has run, an input carries the size: a gradient that came in
            placed(node)
    written = [(inputs.index(graph.inputs[position]), place[node]) for position, node in writes]
    made = Graph(nodes, [place[node] for node in inputs], outputs, written, graph.shape_env, name=f"{graph.name}_{number}")
    return made, inputs


def _mapped(args: Any, placed: Callable[[Node], Node]) -> Any:
    if isinstance(args, Node):
        return placed(args)
    return tuple(_mapped(item, placed) for item in args) if isinstance(args, tuple) else args


def _as_input(node: Node) -> Any:
    value = node.value
    if node.kind == "input" or not isinstance(value, FakeValue):
        return value
    return FakeValue(value.shape, value.dtype, contiguous_strides(value.shape), value.device)


class StretchStep:
    """Runs a compiled stretch."""

    def __init__(self, runner: Any, inputs: list[Node], outputs: list[Node]) -> None:
        self.runner = runner
        self.inputs = inputs
        self.outputs = outputs

    def __call__(self, values: dict, sizes: dict) -> None:
        arrays = [values[node] if node in values else node.args[0] for node in self.inputs]
        values.update(zip(self.outputs, self.runner(arrays)))


def step_of(node: Node, env: Any, compile_held: Callable[[Graph], Any], runners: list) -> Any:
    """What runs a host node; runners of the graphs that it holds join `runners`."""
    made = STEPS.get(node.target.name)
    if made is None:
        return HostStep(node, env)
    held = [compile_held(graph) for graph in node.args[0]] if isinstance(node.args[0], tuple) else []
    runners += held
    return made(node, env, held)


class HostStep:
    """Runs an eager kernel."""

    def __init__(self, node: Node, env: Any, held: Sequence[Any] = ()) -> None:
        self.held = held
        self.node = node
        self.env = env
        self.inputs, self.outputs = list(nodes_in(node.args)), [node]

    def __call__(self, values: dict, sizes: dict) -> None:
        args = [self._argument(argument, values, sizes) for argument in self.node.args]
        with np.errstate(all="ignore"):
            array = np.asarray(self.node.target.kernel(np, *args))
        values[self.node] = np.ascontiguousarray(array.astype(self.node.value.dtype.numpy, copy=False)).reshape(array.shape)

    def _argument(self, argument: Any, values: dict, sizes: dict) -> Any:
        if isinstance(argument, Node):
            return argument.args[0] if argument.kind == "constant" else values[argument]
        if isinstance(argument, SymInt):
            return self.env.evaluate(argument, sizes)
        if isinstance(argument, FakeValue):
            shape = tuple(self._argument(size, values, sizes) for size in argument.shape)
            return FakeValue(shape, argument.dtype, contiguous_strides(shape), argument.device)
        return tuple(self._argument(item, values, sizes) for item in argument) if isinstance(argument, tuple) else argument


class _Part(HostStep):
    """Picks one result of a node that has several."""

    def __call__(self, values: dict, sizes: dict) -> None:
        values[self.node] = values[self.node.args[0]][self.node.args[1]]


class _OnTensors(HostStep):
    """Runs a row that gives several results, on tensors: a foreign function, or a gradient that must not be asked for."""

    def __call__(self, values: dict, sizes: dict) -> None:
        graphs, operands, *attributes = self._argument(self.node.args, values, sizes)
        tensors = [Tensor._wrap(x, Storage()) if isinstance(x, np.ndarray) else x for x in operands]
        found = self.node.target.run(graphs, tensors, *attributes)
        values[self.node] = [np.ascontiguousarray(x._data).reshape(x.shape) for x in found]


class _Branch(HostStep):
    """Runs one of two graphs."""

    def __call__(self, values: dict, sizes: dict) -> None:
        holds, *rest = self._argument(self.node.args[1], values, sizes)
        values[self.node] = self.held[0 if holds else 1](rest)


class _Scan(HostStep):
    """Runs a graph for each slice."""

    def __call__(self, values: dict, sizes: dict) -> None:
        _, operands, carries, slices, reverse = self.node.args
        given = self._argument(operands, values, sizes)
        carried, walked, fixed = list(given[:carries]), given[carries : carries + slices], given[carries + slices :]
        length = walked[0].shape[0]
        body = self.held[0]
        rows: list[np.ndarray] = []
        for index in range(length - 1, -1, -1) if reverse else range(length):
            found = body([*carried, *[x[index, ...] for x in walked], *fixed])
            carried = found[:carries]
            rows = rows or [np.empty((length, *y.shape), y.dtype) for y in found[carries:]]
            for row, y in zip(rows, found[carries:]):
                row[index] = y
        values[self.node] = [*carried, *rows]


class _While(HostStep):
    """Runs one graph while another gives True."""

    def __call__(self, values: dict, sizes: dict) -> None:
        _, operands, carries = self.node.args
        given = self._argument(operands, values, sizes)
        carried, fixed = [x.copy() for x in given[:carries]], given[carries:]
        test, body = self.held
        while test([*carried, *fixed])[0]:
            carried = body([*carried, *fixed])
        values[self.node] = carried


class _Item(HostStep):
    """Reads a size that the graph has computed."""

    def __call__(self, values: dict, sizes: dict) -> None:
        value = values[self.node] = int(self._argument(self.node.args[0], values, sizes).item())
        self.env.bind(self.node.value.expr, value, sizes)


STEPS: dict[str, type[HostStep]] = {
    "item": _Item, "part": _Part, "final": _OnTensors, "opaque": _OnTensors, "cond": _Branch, "scan": _Scan, "while_loop": _While,
}  # fmt: skip

__all__ = ["HostStep", "PlanRunner", "StretchStep", "has_host_nodes", "plan_stretches", "step_of"]
