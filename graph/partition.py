"""The partitioner: a joint graph split into a forward and a backward graph.

In comes a `Joint`, out goes a `Partition`: the forward gives the results and the values to keep, the backward takes those and the tangents. The
one idea: what to keep is a minimum cut. Each value that can be kept is an edge as heavy as its bytes; a value that the backward may compute again
from others lets the flow through; products, convolutions, random draws and whatever is compared for equality are never computed again, so the cut
lies behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..eager.config import config
from ..eager.ops.definition import OPS
from .cut import ancestors, descendants, is_operand, kept
from .derivative import Joint
from .functionalise import view_strides
from .ir import FakeValue, Graph, Node, OutputSpec, Rewriter, nodes_in, symbols_of
from .symbolic import SymInt, structural_key
from .trace import COPY


@dataclass(frozen=True, slots=True)
class Saved:
    """Where the forward finds one input of the backward: "input" `index`, its own "output" `index`, a "number" that is output `index`, or the "size" of input
    `index` at `dim`."""

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
    after = descendants(graph, tangents)
    backward_roots = [node for node in gradients if isinstance(node, Node)]
    needed = ancestors(backward_roots, computing_sizes=False)
    forward = ancestors([*nodes_in(tuple(results)), *(node for _, node in graph.writes)])
    cut = kept(graph, needed, after, forward, copies, config.memory_budget if budget is None else budget)
    keep_all = {node for late in needed if late in after for node in nodes_in(late.args) if node not in after}
    kept_inputs = [node for node in primals if node in cut and (node in graph.outputs or is_operand(node, after))]
    given = set(nodes_in(tuple(results)))
    computed = [node for node in graph.nodes if node in cut and node.kind == "op"]
    own = [node for node in computed if node not in given or is_operand(node, after)]
    copied = [_copy_of(node) for node in (*primals, *computed) if node in cut and node not in kept_inputs and node not in own]
    kept_values = [*copied, *own]
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
    for size in sizes:
        if size.expr in sources:
            saved.append(Saved("size", sources[size.expr].position, sources[size.expr].dim))
        else:  # what only the run gives
            saved.append(Saved("number", len(outputs)))
            outputs.append(size)
    return Partition(
        extract(graph, primals, outputs, graph.writes, "forward", copied, computing_sizes=True),
        extract(graph, [*backward_inputs, *sizes, *tangents], gradients, (), "backward", copied),
        tuple(saved),
        sum(node.value.nbytes_hint for node in kept_values if node not in results),
        sum(node.value.nbytes_hint for node in keep_all if node.kind == "op"),
    )


def _copy_of(node: Node) -> Node:
    """A copy of an input or a result, for the backward."""
    return Node("op", OPS[COPY], (node,), node.value.dense(), f"{node.name}_kept", node.line, node.module)


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
    strides = view_strides(node.target, source.value.shape, source.value.strides, tuple(attributes), source.value.dtype)
    if strides is None:
        source = rewriter.op(OPS[COPY], (source,), source.value.dense(), node)
        strides = view_strides(node.target, source.value.shape, source.value.strides, tuple(attributes), source.value.dtype)
    assert strides is not None, "a copy can be viewed in every way"
    made = rewriter.copy(node, (source, *attributes))
    made.value = FakeValue(made.value.shape, made.value.dtype, strides, made.value.device)
    return made


def _missing_sizes(graph: Graph, roots: Sequence[Node], inputs: Sequence[Node]) -> list[SymInt]:
    """The symbols that nodes between `inputs` and `roots` hold, and that no input has as its size."""
    env = graph.shape_env
    if env is None or not env.hints:
        return []
    bound = set()
    for node in inputs:
        bare = (node.value,) if isinstance(node.value, SymInt) else node.value.shape
        bound |= {size.expr for size in bare if isinstance(size, SymInt) and size.expr.is_Symbol}
    held: set[Any] = set().union(*(symbols_of(node.value) for node in inputs), set())
    for node in ancestors(roots, inputs, computing_sizes=False):
        held |= symbols_of(node.value).union(*(symbols_of(argument) for argument in node.args), set())
    return [SymInt(symbol, env, env.hints[symbol]) for symbol in sorted(held - bound, key=lambda s: s.name)]


def extract(
    graph: Graph, inputs: Sequence[Any], outputs: Sequence[Any], writes: Sequence[tuple[int, Node]], name: str, copies: Sequence[Node] = (),
    *, computing_sizes: bool = False,
) -> Graph:  # fmt: skip
    """The part of a graph between `inputs` (nodes that become inputs, or SymInts) and `outputs`. `copies` are nodes beside those of the graph.

    Runtime sizes are among the inputs, unless the part computes (and checks) them itself.
    """
    roots = [*nodes_in(tuple(outputs)), *(node for _, node in writes)]
    if computing_sizes:
        roots += [*graph.giving(tuple(outputs)), *graph.checking]
    cut = [node for node in inputs if isinstance(node, Node)]
    cut += [node.args[0] for node in cut if node in copies]
    needed = ancestors(roots, cut, computing_sizes)
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
