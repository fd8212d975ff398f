"""Plans on disk: how a graph was cut at its host nodes, found again with the programs of its stretches.

In comes a `PlanRunner`, out goes a `Plan`, and the other way round. The one idea: each stretch is kept as a program under a key of its own, so a plan is the graph as rows,
and for each step the key, or the host node, by their places.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..graph.expressions import expression_of_rows, expression_rows
from ..graph.rows import Unportable, graph_of, rows_of, rows_of_sizes, sizes_of
from ..graph.symbolic import ShapeEnv, SymInt
from .stretches import HostStep, PlanRunner, StretchStep, step_of


@dataclass(frozen=True)
class Plan:
    """sizes, graph   the graph after its passes, as rows
    steps   (key of a stretch, places of its inputs, of its outputs), or the place of a host node
    direct  positions that the last stretch writes itself
    """

    sizes: tuple
    graph: bytes
    steps: tuple[Any, ...]
    direct: tuple[int, ...]


def described(runner: PlanRunner) -> Plan | None:
    """The plan of a runner; None where it holds graphs, or a stretch is not kept."""
    graph = runner.graph
    number = {node: place for place, node in enumerate(graph.nodes)}
    try:
        sizes, rows = rows_of_sizes(graph.shape_env), rows_of(graph)
    except Unportable:
        return None
    if any(type(step) is StretchStep and step.runner.key is None for step in runner.steps):
        return None
    steps = tuple(
        (step.runner.key, *(tuple(number[node] for node in nodes) for nodes in (step.inputs, step.outputs))) if type(step) is StretchStep else number[step.node]
        for step in runner.steps
    )
    written = io.BytesIO()
    _Writer(written, pickle.HIGHEST_PROTOCOL).dump(rows)
    return Plan(sizes, written.getvalue(), steps, tuple(position for position, _ in graph.writes if position not in [place for place, _ in runner.writes]))


def revived(plan: Plan, load: Callable[[str], Any]) -> PlanRunner | None:
    """The runner of a plan, whose stretches `load` finds; None where one of them is gone."""
    env = sizes_of(plan.sizes)
    graph = graph_of(_Reader(io.BytesIO(plan.graph), env).load(), env)
    nodes, runners = graph.nodes, [load(step[0]) for step in plan.steps if type(step) is tuple]
    if None in runners:
        return None
    stretches = iter(runners)
    steps = [_step(step, nodes, env, stretches) for step in plan.steps]
    hosts = [step.node for step in steps if isinstance(step, HostStep)]
    return PlanRunner(graph, steps, runners, hosts, [write for write in graph.writes if write[0] in plan.direct])


def _step(step: Any, nodes: Any, env: ShapeEnv, stretches: Iterator[Any]) -> Any:
    if type(step) is int:
        return step_of(nodes[step], env, _none_held, [])
    _, inputs, outputs = step
    return StretchStep(next(stretches), [nodes[place] for place in inputs], [nodes[place] for place in outputs])


def _none_held(graph: Any) -> Any:
    raise NotImplementedError("a plan that is kept holds no graphs")


class _Writer(pickle.Pickler):
    """Sizes are written by their expressions."""

    def persistent_id(self, obj: Any) -> Any:
        return expression_rows(obj.expr) if type(obj) is SymInt else None


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, env: ShapeEnv) -> None:
        super().__init__(file)
        self.env = env

    def persistent_load(self, pid: Any) -> Any:
        return self.env.wrap(expression_of_rows(pid))


__all__ = ["Plan", "described", "revived"]
