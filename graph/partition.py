"""The partitioner: a joint graph split into a forward and a backward graph.

In comes a `Joint`, out goes a `Partition`: the forward gives the results and the values to keep, the backward takes those and the tangents. The
one idea: what to keep is a minimum cut. Each value that can be kept is an edge as heavy as its bytes; a value that the backward may compute again
from others lets the flow through; products, convolutions, random draws and whatever is compared for equality are never computed again, so the cut
lies behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..eager.config import config
from ..eager.ops.definition import OPS
from .derivative import Joint
from .flow import UNLIMITED, Network
from .functionalise import view_strides
from .ir import FakeValue, Graph, Node, OutputSpec, Rewriter, nodes_in, symbols_of
from .recompute import chosen, is_cheap, is_inner, is_repeatable
from .symbolic import SymInt, structural_key
from .trace import COPY


@dataclass(frozen=True, slots=True)
class Saved:
    """Where the forward finds one input of the backward: "input" `index`, its own "output" `index`, or the "size" of input `index` at `dim`."""

    kind: str
    index: int
    dim: int | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """forward: inputs of the joint without tangents -> results, then what is kept. backward: `saved`, then tangents -> gradients.

    saved_bytes counts (at the sizes seen while tracing) what is kept beyond inputs; keep_all_bytes what a tape would keep that saves all operands.
    """

    forward: Graph
    backward: Graph
    saved: tuple[Saved, ...]
    saved_bytes: int
    keep_all_bytes: int


def partition(joint: Joint, budget: float | None = None) -> Partition:
    """Split a joint graph so that as few bytes as possible are kept between forward and backward.

    With a budget of 1 only what is cheap is computed again, and what checkpoints keep to themselves; with less, as much of the rest as brings the bytes kept
    down to that share of them, and with 0 all that may be. None: `config.memory_budget`.
    """
    graph, copies = _copy_written_inputs(joint.graph)
    results, gradients = graph.outputs[: joint.results], graph.outputs[joint.results :]
    count = len(graph.inputs) - len(joint.roots)
    primals, tangents = graph.inputs[:count], graph.inputs[count:]
    after = _descendants(graph, tangents)
    backward_roots = [node for node in gradients if isinstance(node, Node)]
    needed = _ancestors(backward_roots)
    forward = _ancestors([*nodes_in(tuple(results)), *(node for _, node in graph.writes)])
    kept = _kept(graph, needed, after, forward, copies, config.memory_budget if budget is None else budget)
    keep_all = {node for late in needed if late in after for node in late.inputs if node not in after}
    kept_inputs = [node for node in primals if node in kept and (node in graph.outputs or _is_operand(node, after))]
    copied = [_copy_of(node) for node in primals if node in kept and node not in kept_inputs]
    kept_values = [*copied, *(node for node in graph.nodes if node in kept and node.kind == "op")]
    positions = {node: position for position, node in enumerate(primals)}
    places = {node: index for index, node in enumerate(results) if isinstance(node, Node)}
    outputs = list(results)
    saved = [Saved("input", positions[node]) for node in kept_inputs]
    for node in kept_values:
        if node not in places:
            places[node] = len(outputs)
            outputs.append(node)
        saved.append(Saved("output", places[node]))
    backward_inputs = [*kept_inputs, *kept_values]
    sizes = _missing_sizes(graph, backward_roots, [*backward_inputs, *tangents])
    sources = {source.symbol: source for source in graph.symbols}
    saved.extend(Saved("size", sources[size.expr].position, sources[size.expr].dim) for size in sizes)
    return Partition(
        extract(graph, primals, outputs, graph.writes, "forward", copied),
        extract(graph, [*backward_inputs, *sizes, *tangents], gradients, (), "backward", copied),
        tuple(saved),
        sum(node.value.nbytes_hint for node in kept_values if node not in results),
        sum(node.value.nbytes_hint for node in keep_all if node.kind == "op"),
    )


def _kept(graph: Graph, needed: set[Node], after: set[Node], forward: set[Node], copies: set[Node], budget: float) -> set[Node]:
    """The nodes to keep within a budget."""
    owned = set(nodes_in(graph.output_node.args))
    nodes = [node for node in graph.nodes if node.kind == "op" and node in needed and node in forward and node not in after and node not in copies]
    given = {node for node in nodes if not is_cheap(node) if not is_inner(node, owned)}
    given |= {node for node in nodes if node.region > 0 and "alias" not in node.target.tags and not is_inner(node, owned)}  # what checkpoints hand on

    def cut(again: set[Node]) -> set[Node]:
        return _minimum_cut(graph, needed, after, copies | (given - again))

    def bytes_kept(again: set[Node]) -> int:
        return sum(node.value.nbytes_hint for node in cut(again) if node not in graph.outputs and (node.kind == "op" or not _is_operand(node, after)))

    if budget >= 1:
        return cut(set())
    return cut(chosen([node for node in nodes if node in given and is_repeatable(node) and not isinstance(node.value, tuple)], bytes_kept, budget * bytes_kept(set())))


def _minimum_cut(graph: Graph, needed: set[Node], after: set[Node], fixed: set[Node]) -> set[Node]:
    """The nodes to keep: the lightest set without which the backward (`after`) cannot be reached from the inputs. What is `fixed` is never made again."""
    nodes = [node for node in graph.nodes if node in needed and node not in after]
    enter = {node: 2 * place for place, node in enumerate(nodes)}  # a node is an edge, from this vertex to the next
    source, sink = 2 * len(nodes), 2 * len(nodes) + 1
    network = Network(sink + 1)
    outputs = set(nodes_in(tuple(graph.outputs)))
    given = {node for node in nodes if node.kind == "input" or node in fixed}
    for node in nodes:
        weight = _weight(node, node.kind == "input" and (_is_operand(node, after) or node in outputs))
        network.edge(enter[node], enter[node] + 1, UNLIMITED if weight is None else weight)
        if node in given:
            network.edge(source, enter[node])
        for user in node.users:
            if user in after and user in needed:
                network.edge(enter[node] + 1, sink)
            elif user in needed and user not in given:  # what is given needs nothing
                network.edge(enter[node] + 1, enter[user])
        if node in outputs:  # a gradient that does not depend on tangents
            network.edge(enter[node] + 1, sink)
    behind = network.cut(source, sink)
    return {node for node in nodes if enter[node] not in behind and enter[node] + 1 in behind}


def _copy_of(node: Node) -> Node:
    """A copy of an input, for the backward."""
    return Node("op", OPS[COPY], (node,), node.value.dense(), f"{node.name}_kept", node.line, node.module)


def _is_operand(node: Node, after: set[Node]) -> bool:
    """Whether the backward reads an input itself, as eager's tape would. Of others a copy is kept to compute from them again: the user may write there."""
    if isinstance(node.value, SymInt) or not after.isdisjoint(node.users):
        return True
    return any(user.kind == "op" and "alias" in user.target.tags and _is_operand(user, after) for user in node.users)


def _weight(node: Node, is_there: bool) -> int | None:
    """Bytes that keeping a node costs; None where it cannot be kept (a view keeps its source; a constant and a size stand in both graphs; of several results
    each is kept by itself)."""
    if node.kind == "input" and is_there:
        return 0
    if node.kind == "constant" or (node.kind == "op" and "alias" in node.target.tags) or isinstance(node.value, tuple):
        return None
    return max(1, node.value.nbytes_hint)


def _copy_written_inputs(graph: Graph) -> tuple[Graph, set[Node]]:
    """Let everything read a copy of an input that the graph overwrites, so that keeping it for the backward means keeping the copy."""
    written = {graph.inputs[position] for position, _ in graph.writes}
    copies: set[Node] = set()
    if not written:
        return graph, copies
    rewriter = Rewriter(graph)
    for node in graph.nodes[:-1]:
        made = rewriter.place[node] = _copied(rewriter, node)
        if node in written:
            rewriter.place[node] = rewriter.op(OPS[COPY], (made,), node.value.dense(), node)
            copies.add(rewriter.place[node])
    inputs = {node.name: node for node in rewriter.nodes if node.kind == "input"}
    outputs, writes = rewriter.map(graph.outputs), [(position, rewriter.place[node]) for position, node in graph.writes]
    ordered = [inputs[node.name] for node in graph.inputs]
    return Graph(rewriter.nodes, ordered, outputs, writes, graph.shape_env, graph.random_calls, graph.output_specs, name=graph.name), copies


def _copied(rewriter: Rewriter, node: Node) -> Node:
    """A node of the new graph. Where a copy stands in for what a view was taken of, the strides follow, and a view that has become impossible is one of a copy."""
    if node.kind != "op" or "alias" not in node.target.tags:
        return rewriter.copy(node)
    source, *attributes = rewriter.map(node.args)
    if structural_key(source.value.strides) == structural_key(node.args[0].value.strides):
        return rewriter.copy(node)
    strides = view_strides(node.target, source.value.shape, source.value.strides, tuple(attributes))
    if strides is None:
        source = rewriter.op(OPS[COPY], (source,), source.value.dense(), node)
        strides = view_strides(node.target, source.value.shape, source.value.strides, tuple(attributes))
    made = rewriter.copy(node, (source, *attributes))
    made.value = FakeValue(made.value.shape, made.value.dtype, strides, made.value.device)
    return made


def _descendants(graph: Graph, roots: Iterable[Node]) -> set[Node]:
    found = set(roots)
    for node in graph.nodes:
        if node.kind == "op" and not found.isdisjoint(node.inputs):
            found.add(node)
    return found


def _ancestors(roots: Iterable[Node], stop: Iterable[Node] = ()) -> set[Node]:
    """The roots and all they depend on, not looking behind `stop`."""
    stops = set(stop)
    found: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            if node not in stops:
                stack.extend(node.inputs)
    return found


def _missing_sizes(graph: Graph, roots: Sequence[Node], inputs: Sequence[Node]) -> list[SymInt]:
    """The symbols that nodes between `inputs` and `roots` hold, and that no input has as its size."""
    bound = set()
    for node in inputs:
        bare = (node.value,) if isinstance(node.value, SymInt) else node.value.shape
        bound |= {size.expr for size in bare if isinstance(size, SymInt) and size.expr.is_Symbol}
    held: set[Any] = set().union(*(symbols_of(node.value) for node in inputs), set())
    for node in _ancestors(roots, inputs):
        held |= symbols_of(node.value).union(*(symbols_of(argument) for argument in node.args), set())
    env = graph.shape_env
    return [SymInt(symbol, env, env.hints[symbol]) for symbol in sorted(held - bound, key=lambda s: s.name)] if env is not None else []


def extract(
    graph: Graph, inputs: Sequence[Any], outputs: Sequence[Any], writes: Sequence[tuple[int, Node]], name: str, copies: Sequence[Node] = ()
) -> Graph:
    """The part of a graph between `inputs` (nodes that become inputs, or SymInts) and `outputs`. `copies` of inputs are nodes beside those of the graph."""
    roots = [*nodes_in(tuple(outputs)), *(node for _, node in writes)]
    cut = [node for node in inputs if isinstance(node, Node)]
    needed = _ancestors(roots, cut)
    rewriter = Rewriter(graph)
    made: list[Node] = []
    for item in inputs:
        if isinstance(item, SymInt):
            made.append(rewriter.add(Node("input", None, (), item, rewriter.names.fresh(str(item)))))
        else:
            value: FakeValue | SymInt = item.value
            made.append(rewriter.add(Node("input", None, (), value, item.name, item.line, item.module)))
            rewriter.place[item] = made[-1]
            if item in copies:
                rewriter.place[item.args[0]] = made[-1]
    for node in [*graph.nodes[:-1], *copies]:
        if node in needed and node not in rewriter.place:
            rewriter.place[node] = _copied(rewriter, node)
    new_writes = [(position, rewriter.place[node]) for position, node in writes]
    new_outputs = rewriter.owned(rewriter.map(tuple(outputs)))  # a gradient may be a value that was kept
    specs = tuple(OutputSpec("fresh", index) for index in range(len(new_outputs)))
    return Graph(rewriter.nodes, made, new_outputs, new_writes, graph.shape_env, graph.random_calls, specs, name=name)
