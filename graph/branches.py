"""`cond` in graphs: one of two graphs runs.

In come a predicate, two graphs and what they take; out come the results of the one that runs. The one idea: both graphs take the same operands, so the derivative, the
tangents and the batches of a choice are the choice between derivatives, tangents and batches; only where each example of a batch chooses for itself do both run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..eager.autograd.tape import F
from ..eager.control import check_same, tensors_of
from ..eager.pytree import tree_leaves, tree_map, tree_unflatten
from ..eager.tensor import Tensor
from ..eager.transforms.levels import to_innermost
from .control import (
    Control,
    batches_within,
    below_level,
    call_any,
    depends,
    duals_within,
    examples_of,
    gradients_within,
    is_float,
    make,
    tangent_of,
    with_batch,
)  # fmt: skip
from .ir import Graph
from .region import Regions, run_graph, value_of
from .trace import Tracer


class Cond(Control):
    """operands: the predicate, then what both graphs take."""

    def run(self, graphs: tuple, operands: tuple) -> Sequence[Tensor]:  # type: ignore[override]
        return call_any(graphs[0] if bool(operands[0]) else graphs[1], operands[1:])

    def fakes(self, graphs: tuple, operands: tuple) -> tuple:  # type: ignore[override]
        return tuple(output.value for output in graphs[0].outputs)

    def reached(self, graphs: tuple, active: list) -> set[int]:  # type: ignore[override]
        positions = [place for place, on in enumerate(active[1:]) if on]
        return depends(graphs[0], positions) | depends(graphs[1], positions)

    def pull(self, graphs: tuple, operands: tuple, active: list, results: list, gradients: list) -> list:  # type: ignore[override]
        wanted = [place for place, on in enumerate(active[1:]) if on]
        roots = [index for index, gradient in enumerate(gradients) if gradient is not None]
        tangents = [(value_of(results[index]), False) for index in roots]

        def body(graph: Graph) -> Callable:
            count = len(graph.inputs)
            return lambda *inputs: gradients_within(graph, inputs[:count], wanted, roots, inputs[count:])

        examples = [[*examples_of(graph, active[1:]), *tangents] for graph in graphs]
        made, extra = make(graphs[0].shape_env, [(body(g), e) for g, e in zip(graphs, examples)], ("true_gradient", "false_gradient"), "the derivative of cond")
        found = iter(self(made, (*operands, *(gradients[index] for index in roots), *extra)))
        return [next(found) if on else None for on in active]

    def dual(self, level: Any, graphs: tuple, operands: tuple) -> Sequence[Tensor]:  # type: ignore[override]
        pred, *rest = [tangent_of(level, x) for x in operands]
        wanted = {index for index, output in enumerate(graphs[0].outputs) if is_float(output.value)}
        directed = [t is not None for _, t in rest]

        def body(graph: Graph) -> Callable:
            count = len(graph.inputs)

            def pushed(*inputs: Any) -> list[Tensor]:
                tangents = iter(inputs[count:])
                return duals_within(graph, inputs[:count], [next(tangents) if on else None for on in directed], wanted)

            return pushed

        bodies = [(body(g), [*examples_of(g), *((node.value, False) for node, on in zip(g.inputs, directed) if on)]) for g in graphs]
        made, extra = make(graphs[0].shape_env, bodies, ("true_tangent", "false_tangent"), "the tangent of cond")
        found = self(made, (pred[0], *(x for x, _ in rest), *(t for _, t in rest if t is not None), *extra))
        count = len(graphs[0].outputs)
        tangents = iter(found[count:])
        return [level.enter(x, next(tangents) if index in wanted else None) for index, x in enumerate(found[:count])]

    def batched(self, level: Any, graphs: tuple, operands: tuple) -> Sequence[Tensor]:  # type: ignore[override]
        pred = operands[0]
        if pred._data.dim is not None:
            both = [run_graph(graph, operands[1:]) for graph in graphs]
            return [F[0].where(pred.bool(), x, y) for x, y in zip(*both)]
        several = [isinstance(x, Tensor) and x._data.dim is not None for x in operands[1:]]
        below = below_level(level, operands[1:], several)

        def body(graph: Graph) -> Callable:
            return lambda *inputs: batches_within(graph, inputs, several, level.size)

        bodies = [(body(g), [with_batch(node, on, level.size) for node, on in zip(g.inputs, several)]) for g in graphs]
        made, extra = make(graphs[0].shape_env, bodies, ("true_batch", "false_batch"), "a batch of cond")
        return [level.enter(x, 0) for x in self(made, (pred._data.value, *below, *extra))]


COND = Cond("cond", "graphs, operands: Tensor[]", "The results of the first graph where operands[0] holds, else of the second.", ("true", "false"))


def traced_cond(tracer: Tracer, pred: Tensor, true_fn: Callable, false_fn: Callable, operands: tuple) -> Any:
    """`cond` on a predicate without a value: both branches are traced, and one node is recorded."""
    regions = Regions(tracer.shape_env)
    found: list[Any] = []

    def branch(function: Callable, name: str) -> Callable:
        def traced() -> list[Tensor]:
            inside = tree_map(lambda x: to_innermost(x) if isinstance(x, Tensor) else x, operands)
            found.append(tensors_of(function(*inside), f"cond: {name}"))
            return found[-1][0]

        return traced

    for function, name in ((true_fn, "true_fn"), (false_fn, "false_fn")):
        regions.trace(branch(function, name), (), f"cond: {name}")
    check_same(found[0], found[1], ("true_fn", "false_fn"), "cond")
    graphs, operands_of_graphs = regions.finish(("true_branch", "false_branch"))
    results = COND(graphs, (pred, *operands_of_graphs))
    regions.share(results, tree_leaves(operands), regions.regions)
    return tree_unflatten(results, found[0][1])


__all__ = ["COND", "traced_cond"]
