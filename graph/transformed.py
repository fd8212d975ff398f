"""Graphs under function transforms: from a graph on examples, the graph on batches of them, or on values with tangents.

In comes a functional graph (no writes), out goes another whose inputs are those of the level below. The one idea: the graph is interpreted on twins that
a transform's level has wrapped (eager/transforms), and what the level does to them is recorded; so a graph is batched by the same rules as eager code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..eager.tensor import Tensor
from ..eager.transforms.batched import BatchLevel
from ..eager.transforms.dual import DualLevel
from ..eager.transforms.levels import Level, level_of
from .derivative import replay
from .ir import FakeValue, Graph, Node, contiguous_strides
from .sharing import IGNORE
from .symbolic import SymInt
from .trace import Tracer


def innermost(values: Sequence[Any]) -> Level | None:
    """The level of the innermost transform among tensors, or None where all are plain."""
    levels = [level for value in values if isinstance(value, Tensor) and (level := level_of(value)) is not None]
    return max(levels, key=lambda level: level.depth) if levels else None


def batched_graph(graph: Graph, batched: Sequence[bool], size: int) -> Graph:
    """The graph over `size` examples: the inputs so marked have the batch at dimension 0, and so has every result."""
    tracer = Tracer(graph.shape_env)
    tracer.sharing = IGNORE
    with tracer.active(), BatchLevel(size) as level:
        values: dict[Node, Any] = {}
        for position, (node, several) in enumerate(zip(graph.inputs, batched)):
            value = _example(tracer, node, position in graph.differentiable_inputs, (size,) if several else ())
            values[node] = level.enter(value, 0) if several else value
        replay(graph, values, tracer)
        return tracer.finish([level.leave(found, 0) if isinstance(found := values.get(o, o), Tensor) else found for o in graph.outputs], graph.name)


def dual_graph(graph: Graph, directed: Sequence[bool]) -> Graph:
    """The graph with forward-mode derivatives: its inputs are followed by a tangent for each one so marked, its results by their tangents (or None)."""
    tracer = Tracer(graph.shape_env)
    tracer.sharing = IGNORE
    with tracer.active(), DualLevel() as level:
        primals = [_example(tracer, node, position in graph.differentiable_inputs, ()) for position, node in enumerate(graph.inputs)]
        values: dict[Node, Any] = dict(zip(graph.inputs, primals))
        for position, node in enumerate(graph.inputs):
            if directed[position]:
                values[node] = level.enter(values[node], _example(tracer, node, position in graph.differentiable_inputs, ()))
        replay(graph, values, tracer)
        pairs = [level.leave(found) if isinstance(found := values.get(o, o), Tensor) else (found, None) for o in graph.outputs]
        return tracer.finish([x for x, _ in pairs] + [t for _, t in pairs], graph.name)


def _example(tracer: Tracer, node: Node, requires_grad: bool, batch: tuple) -> Any:
    """The twin of one input, with the batch in front; a size that is passed stays itself."""
    if isinstance(node.value, SymInt):
        tracer.add_size_input(node.value)
        return node.value
    shape = (*batch, *node.value.shape)
    strides = contiguous_strides(shape) if batch else node.value.strides
    return tracer.fake_input(FakeValue(shape, node.value.dtype, strides, node.value.device), node.name, requires_grad)
