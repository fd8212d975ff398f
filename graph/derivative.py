"""Derivatives of graphs: from a graph, the joint graph that computes its results and the gradients of its inputs.

In comes a functional graph, out goes a `Joint`: a graph of the same inputs followed by one tangent for each differentiable result, whose outputs
are the old outputs, the written values, and the gradients. The one idea: the graph is interpreted on traced tensors that require grad, and then
the eager tape engine is asked for the gradients; it records what it does. So one formula serves eager and compiled code, and the derivative,
being recorded with `create_graph=True`, is a graph that can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..eager.autograd import engine
from ..eager.autograd.mode import STATE
from ..eager.ops.definition import OPS
from ..eager.tensor import Storage, Tensor
from .functionalise import TracedArray
from .interpreter import run_node
from .ir import FakeValue, Graph, Node, OutputSpec, Rewriter, contiguous_strides, map_nodes, nodes_in
from .passes import dead_code
from .sharing import IGNORE
from .symbolic import SymInt, same_shape, same_size
from .trace import COPY, Tracer


@dataclass(frozen=True, slots=True)
class Joint:
    """A graph and its derivative in one.

    graph        inputs: those of the original, then the tangents; outputs: the original's, then the gradients. It has the original's writes
    results      number of outputs of the original
    roots        for each tangent, what it is the gradient of: ("output", index) or ("write", position of the input)
    targets      for each gradient, the position of the input
    """

    graph: Graph
    results: int
    roots: tuple[tuple[str, int], ...]
    targets: tuple[int, ...]

    def root_nodes(self) -> list[Node]:
        """What each tangent is the gradient of."""
        written = dict(self.graph.writes)
        return [self.graph.outputs[i] if kind == "output" else written[i] for kind, i in self.roots]

    def forward(self) -> Graph:
        """The roots alone, as a graph without writes. It takes the tangents too, and reads none."""
        specs = tuple(OutputSpec("fresh", i, requires_grad=True) for i in range(len(self.roots)))
        made = self.graph.rewrite(outputs=tuple(self.root_nodes()), writes=(), output_specs=specs, differentiable_writes=frozenset(), name="forward")
        return dead_code(made)

    def gradients(self) -> Graph:
        """The part that computes the gradients only, as a graph of inputs and tangents that is differentiable itself."""
        graph = self.graph
        count = len(graph.inputs) - len(self.roots)
        outputs = graph.outputs[self.results :]
        specs = tuple(OutputSpec("fresh", i, requires_grad=output is not None) for i, output in enumerate(outputs))
        tangents = frozenset(range(count, len(graph.inputs)))
        wanted = graph.differentiable_inputs | tangents
        made = graph.rewrite(
            outputs=outputs, writes=(), output_specs=specs, differentiable_inputs=wanted, differentiable_writes=frozenset(), name="gradients"
        )  # fmt: skip
        return dead_code(made)


def roots_of(graph: Graph) -> list[tuple[str, int]]:
    """What may receive a gradient: raw outputs behind results that require grad, and differentiable writes. Leaves and released results do not."""
    wanted = set()
    for spec in graph.output_specs or ():
        if spec.requires_grad and not spec.released and spec.kind in ("fresh", "alias_of_output") and isinstance(graph.outputs[spec.index], Node):
            wanted.add(spec.index)
    writes = [("write", position) for position, _ in graph.writes if position in graph.differentiable_writes]
    return [("output", index) for index in sorted(wanted)] + writes


def dependencies(joint: Joint) -> tuple[frozenset[int], ...]:
    """For each root, the indices of the targets on which it depends differentiably."""
    found = _followed(joint.graph, {joint.graph.inputs[position]: frozenset((index,)) for index, position in enumerate(joint.targets)})
    return tuple(found.get(node, frozenset()) for node in joint.root_nodes())


def stood_on(joint: Joint) -> frozenset[int]:
    """The roots from which another was computed."""
    nodes = joint.root_nodes()
    found = _followed(joint.graph, {node: frozenset((index,)) for index, node in enumerate(nodes)})
    return frozenset(under for node in nodes for under in found[node] if nodes[under] is not node)


def _followed(graph: Graph, seeds: dict[Node, frozenset[int]]) -> dict[Node, frozenset[int]]:
    """For each node, the numbers of the seeds on which it depends differentiably."""
    found = dict(seeds)
    for node in graph.operations:
        if node.differentiable and node.target.vjp is not None:
            sources = nodes_in(tuple(a for p, a in zip(node.target.schema.parameters, node.args) if p.name in node.target.vjp))
            reached = {id(numbers): numbers for source in sources if (numbers := found.get(source))}
            if reached:
                reached[0] = seeds.get(node, frozenset())
                found[node] = frozenset().union(*reached.values()) if len(reached) > 2 or reached[0] else next(iter(reached.values()))
    return found


def spent_together(graph: Graph, roots: Sequence[tuple[str, int]]) -> tuple[frozenset[int], ...]:
    """For each root, the roots from which no backward can run once one has run from it: the graph, as captured, saves values on the way to both."""
    moving = {graph.inputs[position] for position in graph.differentiable_inputs}
    saving: set[Node] = set()
    sources: dict[Node, list[Node]] = {}
    for node in graph.operations:
        vjp, parameters = node.target.vjp, node.target.schema.parameters
        if not node.differentiable or vjp is None:
            continue
        active = [(p.name, found) for p, a in zip(parameters, node.args) if p.name in vjp and (found := moving.intersection(nodes_in((a,))))]
        if active:
            moving.add(node)
            sources[node] = [source for _, found in active for source in found]
            kept = {"out", *(p.name for p in parameters if p.kind != "attribute")}
            saving |= {node} if any(kept.intersection(node.target.reads.get(name, ("out",))) for name, _ in active) else set()
    written = dict(graph.writes)
    passed = []
    for kind, index in roots:
        todo, seen = [graph.outputs[index] if kind == "output" else written[index]], set()
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo += sources.get(node, ())
        passed.append(seen & saving)
    return tuple(frozenset(other for other, theirs in enumerate(passed) if not ours.isdisjoint(theirs)) for ours in passed)


def without(graph: Graph, tangents: Sequence[Node], given: Sequence[bool]) -> Graph:
    """A graph of gradients in which nothing arrives at some of its `tangents`: what comes from those only is left out, as eager mode would not run it.

    Zeros in their place would not do: 0 * inf is NaN, and values would be read that may have been overwritten since. All inputs stay, some without users;
    a gradient that nothing reaches is None.
    """
    rewriter = Rewriter(graph)
    moving = set(tangents)
    gone = {node for node, on in zip(tangents, given) if not on}

    def zeros(node: Node) -> Node:
        value = node.value.dense()
        return rewriter.op(OPS["full"], (value.shape, 0, value.dtype), value, node)

    for node in graph.nodes[:-1]:
        if node.kind == "input":
            rewriter.place[node] = rewriter.copy(node)
            continue
        arriving = [source for source in node.inputs if source in moving]
        if not arriving:
            rewriter.place[node] = rewriter.copy(node)
            continue
        moving.add(node)
        left = [source for source in node.inputs if source not in gone]
        if node.target.name == "add" and len(left) == 1 and len(node.inputs) == 2 and _same_type(left[0].value, node.value):
            found = rewriter.place[left[0]]  # which may be zeros that no tangent enters any more: the derivative of floor
            alike = all(map(same_size, left[0].value.strides, node.value.strides))  # a view of it holds for the strides that the sum had
            rewriter.place[node] = found if alike else rewriter.op(OPS["clone"], (found,), node.value.dense(), node)
        elif gone.issuperset(arriving):
            gone.add(node)
        else:
            rewriter.place[node] = rewriter.copy(node, map_nodes(lambda source: zeros(source) if source in gone else rewriter.place[source], node.args))
    outputs = rewriter.owned(rewriter.map([None if output in gone else output for output in graph.outputs]))
    specs = tuple(OutputSpec("fresh", i, requires_grad=output is not None) for i, output in enumerate(outputs))
    return dead_code(rewriter.finish(new_outputs=outputs, output_specs=specs))


def _same_type(a: FakeValue, b: FakeValue) -> bool:
    return a.dtype is b.dtype and same_shape(a.shape, b.shape)


def joint_graph(graph: Graph) -> Joint | None:
    """The joint graph, or None when no result depends differentiably on an input that requires grad."""
    tracer = Tracer(graph.shape_env)
    tracer.sharing = IGNORE
    values: dict[Node, Any] = {}
    leaves: dict[int, Tensor] = {}
    for position, node in enumerate(graph.inputs):
        if isinstance(node.value, SymInt):
            tracer.add_size_input(node.value)
            values[node] = node.value
        else:
            values[node] = tracer.fake_input(node.value, node.name, position in graph.differentiable_inputs)
            if position in graph.differentiable_inputs:
                leaves[position] = values[node]
    with tracer.active():
        replay(graph, values, tracer)
        written = dict(graph.writes)
        roots = [(kind, i) for kind, i in roots_of(graph) if values[graph.outputs[i] if kind == "output" else written[i]].requires_grad]
        if not roots or not leaves:
            return None
        sources = [values[graph.outputs[i] if kind == "output" else written[i]] for kind, i in roots]
        tracer.line, tracer.module = "", None
        tangents = [tracer.fake_input(_tangent(source), f"tangent_{i}") for i, source in enumerate(sources)]
        gradients = engine.grad(sources, list(leaves.values()), tangents, create_graph=True, allow_unused=True)
        primals = [values[output] if isinstance(output, Node) else output for output in graph.outputs]
        return _assemble(graph, tracer, primals, [values[node] for _, node in graph.writes], list(gradients), roots, list(leaves))


def replay(graph: Graph, values: dict[Node, Any], tracer: Tracer) -> None:
    """Interpret the graph on traced tensors; sizes stay symbolic, nodes keep their lines and their gradient mode."""
    enabled = STATE.enabled
    try:
        for node in graph.nodes:
            if node.kind == "op":
                tracer.line, tracer.module, tracer.in_checkpoint, tracer.walks = node.line or "", node.module, node.region, int(node.late)
                STATE.enabled = node.differentiable
                values[node] = run_node(node, values)
            elif node.kind == "constant":
                values[node] = Tensor._wrap(tracer.constant(node.args[0]), Storage())
    finally:
        STATE.enabled, tracer.in_checkpoint, tracer.walks = enabled, 0, 0


def _tangent(source: Tensor) -> FakeValue:
    array = source._data
    return FakeValue(tuple(array.shape), source.dtype, contiguous_strides(array.shape), source.device)


def _assemble(
    graph: Graph, tracer: Tracer, primals: list, written: list[Tensor], gradients: list, roots: list[tuple[str, int]], targets: list[int]
) -> Joint:
    """Finish the trace: results, written values and gradients as raw outputs, each in memory of its own."""
    with tracer.recording(True):
        taken = {id(value._data.storage) for value in (*primals, *written) if isinstance(value, Tensor)}
        gradients = [_materialised(value, taken) for value in gradients]
    # without their histories, which the joint graph has no use for: to walk each of many gradients' takes time in the square of the depth
    made = tracer.finish([value._like(value._data, False) if isinstance(value, Tensor) else value for value in (*primals, *written, *gradients)], name="joint")
    assert made.output_specs is not None
    raw = [made.outputs[spec.index] for spec in made.output_specs]
    results, values, found = raw[: len(primals)], raw[len(primals) : len(primals) + len(written)], raw[len(primals) + len(written) :]
    joint = Graph(
        made.nodes[:-1],
        made.inputs,
        [*results, *found],
        [(position, value) for (position, _), value in zip(graph.writes, values)],
        graph.shape_env,
        graph.random_calls,
        None,
        graph.differentiable_inputs,
        graph.differentiable_writes,
        "joint",
    )
    return Joint(joint, len(results), tuple(roots), tuple(targets))


def _materialised(gradient: Tensor | None, taken: set[int]) -> Tensor | None:
    """A gradient in memory of its own, C-contiguous: a copy where it is a view, an input, or given out already."""
    if gradient is None:
        return None
    array: TracedArray = gradient._data
    if array.chain or array.storage.input is not None or id(array.storage) in taken:
        gradient = OPS[COPY](gradient)
    taken.add(id(gradient._data.storage))
    return gradient
