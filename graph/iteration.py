"""`scan` and `while_loop` in graphs: one graph runs again and again.

In come a body's graph, what it carries, the slices that it walks and what stays the same; out come the last carry and the stacked results. The one idea: a scan that
also gives the carry with which each step began can be walked backwards by another scan, whose body is the derivative of the body; and since that is a scan
again, so can its derivative. (Baydin et al., "Automatic differentiation in machine learning: a survey", 2018, on reverse mode and its checkpoints.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..eager import control
from ..eager.autograd.mode import STATE
from ..eager.autograd.tape import F
from ..eager.errors import AutogradError, CaptureError, error
from ..eager.ops.definition import OPS
from ..eager.pytree import tree_flatten, tree_unflatten
from ..eager.tensor import Tensor
from ..eager.transforms.levels import TransformedArray
from .branches import traced_cond
from .control import (
    CONTROL,
    Control,
    batches_within,
    below_level,
    call_any,
    depends,
    duals_within,
    gradients_within,
    is_float,
    make,
    tangent_of,
    with_batch,
)  # fmt: skip
from .ir import FakeValue, Graph, Node, contiguous_strides
from .region import Regions, run_graph, value_of
from .trace import COPY, Tracer

Tree = Any


class Scan(Control):
    """operands: `carries` values that are carried, `slices` tensors walked along dimension 0, and what stays the same. Results: the last carries, then the stacked results."""

    def run(self, graphs: tuple, operands: tuple, carries: int, slices: int, reverse: bool) -> Sequence[Tensor]:  # type: ignore[override]
        carried, walked, fixed = list(operands[:carries]), operands[carries : carries + slices], operands[carries + slices :]
        length = walked[0].shape[0]
        rows: list[Any] = [None] * length
        for index in reversed(range(length)) if reverse else range(length):
            found = call_any(graphs[0], [*carried, *(x.select(0, index) for x in walked), *fixed])
            carried, rows[index] = found[:carries], found[carries:]
        return [*carried, *(F[0].stack(list(column), 0) for column in zip(*rows))]

    def fakes(self, graphs: tuple, operands: tuple, carries: int, slices: int, reverse: bool) -> tuple:  # type: ignore[override]
        walked = operands[carries]
        length = (walked.value if isinstance(walked, Node) else walked._data).shape[0]
        values = [output.value for output in graphs[0].outputs]
        return (*values[:carries], *(stacked(value, length) for value in values[carries:]))

    def tracked(self, graphs: tuple, carries: int, slices: int, reverse: bool) -> tuple:  # type: ignore[override]
        return (with_history(graphs[0], carries),)

    def live(self, graph: Graph, active: Sequence[bool], carries: int) -> tuple[list[int], set[int]]:
        """The inputs that differ with the active ones, carries among them that do so after some steps, and the outputs that do."""
        positions = [place for place, on in enumerate(active) if on]
        while True:
            outputs = depends(graph, positions)
            more = [place for place in range(carries) if place in outputs and place not in positions]
            if not more:
                return sorted(positions), outputs
            positions += more

    def reached(self, graphs: tuple, active: list, carries: int, slices: int, reverse: bool) -> set[int]:  # type: ignore[override]
        return self.live(graphs[0], active, carries)[1]

    def pull(  # type: ignore[override]
        self, graphs: tuple, operands: tuple, active: list, results: list, gradients: list, carries: int, slices: int, reverse: bool
    ) -> list:  # fmt: skip
        graph = graphs[0]
        wanted = [place for place in self.live(graph, active, carries)[0] if is_float(graph.inputs[place].value)]
        moving = [place for place in wanted if place < carries]  # their gradients are carried backwards
        fixed = [place for place in wanted if place >= carries + slices]  # theirs are summed
        rows = [index for index in range(carries, len(results)) if gradients[index] is not None]
        inputs, history = len(graph.inputs), history_of(graph, carries)
        start = [F[0].zeros_like(results[place]) if gradients[place] is None else gradients[place] for place in moving]
        start += [F[0].zeros_like(operands[place]) for place in fixed]
        walked = [*(results[history[place]] for place in range(carries)), *operands[carries : carries + slices], *(gradients[index] for index in rows)]

        def body(*given: Any) -> list[Tensor]:
            behind, sums, rest = given[: len(moving)], given[len(moving) : len(start)], given[len(start) :]
            values = [*rest[: carries + slices], *rest[carries + slices + len(rows) :]]
            pulled = gradients_within(graph, values, wanted, [*moving, *rows], [*behind, *rest[carries + slices : carries + slices + len(rows)]])
            by_place = dict(zip(wanted, pulled))
            added = [total + by_place[place] for total, place in zip(sums, fixed)]
            return [*(by_place[place] for place in moving), *added, *(g for place, g in by_place.items() if carries <= place < carries + slices)]

        flags = [(node.value, place in wanted) for place, node in enumerate(graph.inputs)]
        examples = [(graph.inputs[place].value, False) for place in (*moving, *fixed)] + flags[: carries + slices]
        examples += [(graph.outputs[index].value, False) for index in rows] + flags[carries + slices :]
        made, extra = make(graph.shape_env, [(body, examples)], ("gradient",), "the derivative of scan")
        found = self(made, (*start, *walked, *operands[carries + slices : inputs], *extra), len(start), len(walked), not reverse)
        order = [*moving, *fixed, *(place for place in wanted if carries <= place < carries + slices)]
        by_place = dict(zip(order, found))
        return [by_place.get(place) if on else None for place, on in enumerate(active)]

    def dual(self, level: Any, graphs: tuple, operands: tuple, carries: int, slices: int, reverse: bool) -> Sequence[Tensor]:  # type: ignore[override]
        graph = graphs[0]
        groups = [(0, carries), (carries, carries + slices), (carries + slices, len(operands))]
        pairs = with_tangents(level, graph, operands, carries)
        directed = [t is not None for _, t in pairs]
        floats = {index for index, output in enumerate(graph.outputs) if is_float(output.value)}

        def body(*given: Any) -> list[Tensor]:
            values, tangents = separated(given, groups, directed)
            found = duals_within(graph, values, tangents, floats)
            pushed = dict(zip(sorted(floats), found[len(graph.outputs) :]))
            ends = ((0, carries), (carries, len(graph.outputs)))
            return [x for a, b in ends for x in (*found[a:b], *(pushed[i] for i in range(a, b) if i in floats))]

        made, extra = make(graph.shape_env, [(body, joined([(n.value, False) for n in graph.inputs], groups, directed))], ("tangent",), "the tangent of scan")
        below = joined([x for x, _ in pairs], groups, directed, [t for _, t in pairs])
        counts = [b - a + sum(directed[a:b]) for a, b in groups]
        found = iter(self(made, (*below, *extra), counts[0], counts[1], reverse))
        results: list[Tensor] = []
        for a, b in ((0, carries), (carries, len(graph.outputs))):
            values = [next(found) for _ in range(a, b)]
            results += [level.enter(x, next(found) if index in floats else None) for index, x in zip(range(a, b), values)]
        return results

    def batched(self, level: Any, graphs: tuple, operands: tuple, carries: int, slices: int, reverse: bool) -> Sequence[Tensor]:  # type: ignore[override]
        graph = graphs[0]
        several = [place < carries or (isinstance(x, Tensor) and x._data.dim is not None) for place, x in enumerate(operands)]
        below = [
            (level.leave(x, 1 if carries <= place < carries + slices else 0) if on else getattr(getattr(x, "_data", None), "value", x))
            for place, (x, on) in enumerate(zip(operands, several))
        ]
        examples = [with_batch(node, on, level.size) for node, on in zip(graph.inputs, several)]
        made, extra = make(graph.shape_env, [(lambda *inputs: batches_within(graph, inputs, several, level.size), examples)], ("batch",), "a batch of scan")
        found = self(made, (*below, *extra), carries, slices, reverse)
        return [level.enter(x, 0 if index < carries else 1) for index, x in enumerate(found)]


class While(Control):
    """operands: `carries` values that are carried, and what stays the same. The first graph says whether the second runs once more."""

    def run(self, graphs: tuple, operands: tuple, carries: int) -> Sequence[Tensor]:  # type: ignore[override]
        carried, fixed = [OPS[COPY](x) for x in operands[:carries]], operands[carries:]
        while bool(call_any(graphs[0], [*carried, *fixed])[0]):
            carried = call_any(graphs[1], [*carried, *fixed])
        return carried

    def fakes(self, graphs: tuple, operands: tuple, carries: int) -> tuple:  # type: ignore[override]
        return tuple(output.value for output in graphs[1].outputs)

    def reached(self, graphs: tuple, active: list, carries: int) -> set[int]:  # type: ignore[override]
        return set(SCAN.live(graphs[1], active, carries)[0]) & set(range(carries))

    def pull(self, graphs: tuple, operands: tuple, active: list, results: list, gradients: list, carries: int) -> list:  # type: ignore[override]
        raise error(AutogradError, NO_REVERSE, INSTEAD)

    def dual(self, level: Any, graphs: tuple, operands: tuple, carries: int) -> Sequence[Tensor]:  # type: ignore[override]
        test, graph = graphs
        groups = [(0, carries), (carries, len(operands))]
        pairs = with_tangents(level, graph, operands, carries)
        directed = [t is not None for _, t in pairs]
        floats = {index for index, output in enumerate(graph.outputs) if is_float(output.value)}
        examples = joined([(node.value, False) for node in graph.inputs], groups, directed)
        bodies: list[tuple[Callable, Sequence]] = [
            (lambda *given: run_graph(test, separated(given, groups, directed)[0]), examples),
            (lambda *given: duals_within(graph, *separated(given, groups, directed), floats), examples),
        ]
        made, extra = make(graph.shape_env, bodies, ("test", "tangent"), "the tangent of while_loop")
        below = joined([x for x, _ in pairs], groups, directed, [t for _, t in pairs])
        found = self(made, (*below, *extra), carries + sum(directed[:carries]))
        tangents = iter(found[carries:])
        return [level.enter(x, next(tangents) if index in floats else None) for index, x in enumerate(found[:carries])]

    def batched(self, level: Any, graphs: tuple, operands: tuple, carries: int) -> Sequence[Tensor]:  # type: ignore[override]
        test, graph = graphs
        several = [place < carries or (isinstance(x, Tensor) and x._data.dim is not None) for place, x in enumerate(operands)]
        below = below_level(level, operands, several)

        def some_go_on(*inputs: Any) -> list[Tensor]:
            return [F[0].any(x) for x in batches_within(test, inputs, several, level.size)]

        def moved(*inputs: Any) -> list[Tensor]:
            return batches_within(graph, inputs, several, level.size, lambda entered, after: [
                F[0].where(run_graph(test, entered)[0].bool(), new, old) for new, old in zip(after, entered)])  # fmt: skip

        examples = [with_batch(node, on, level.size) for node, on in zip(graph.inputs, several)]
        made, extra = make(graph.shape_env, [(some_go_on, examples), (moved, examples)], ("test", "batch"), "a batch of while_loop")
        return [level.enter(x, 0) for x in self(made, (*below, *extra), carries)]


NO_REVERSE = "while_loop: reverse mode through a graph needs max_iterations=, a bound on the carries that must be kept"
INSTEAD = "while_loop(..., max_iterations=n), or scan"
SCAN = Scan("scan", "graphs, operands: Tensor[], carries, slices, reverse", "The first graph folded over slices.", ("body",))
WHILE = While("while_loop", "graphs, operands: Tensor[], carries", "The second graph, while the first one gives True.", ("test", "body"))


# ------------------------------------------------------------------------------------------------------------- small services


def stacked(value: FakeValue, length: Any) -> FakeValue:
    shape = (length, *value.shape)
    return FakeValue(shape, value.dtype, contiguous_strides(shape), value.device)


def history_of(graph: Graph, carries: int) -> dict[int, int]:
    """Carry -> the output of a body that is a copy of it as the step began."""
    places = {graph.inputs[place]: place for place in range(carries)}
    found: dict[int, int] = {}
    for index, output in enumerate(graph.outputs[carries:], carries):
        if output.target.name == COPY and output.args[0] in places:
            found.setdefault(places[output.args[0]], index)
    return found


def with_history(graph: Graph, carries: int) -> Graph:
    """The body that also gives each carry as the step began."""
    known = history_of(graph, carries)
    missing = [place for place in range(carries) if place not in known]
    if not missing:
        return graph
    copies = [Node("op", OPS[COPY], (graph.inputs[place],), graph.inputs[place].value, f"before_{place}") for place in missing]
    whole = Graph([*graph.nodes[:-1], *copies], graph.inputs, [*graph.outputs, *copies], (), graph.shape_env, name=graph.name)
    return whole.rewrite()


def with_tangents(level: Any, graph: Graph, operands: Sequence[Any], carries: int) -> list[tuple[Any, Tensor | None]]:
    """Values and tangents: every carry that can have one gets one, since it may have one after a step."""
    pairs = [tangent_of(level, x) for x in operands]
    return [(x, F[0].zeros_like(x) if t is None and place < carries and is_float(node.value) else t) for place, ((x, t), node) in enumerate(zip(pairs, graph.inputs))]


def joined(values: Sequence[Any], groups: Sequence[tuple[int, int]], directed: Sequence[bool], tangents: Sequence[Any] | None = None) -> list:
    """Group by group the values, then their tangents."""
    second = values if tangents is None else tangents
    return [x for a, b in groups for x in (*values[a:b], *(second[i] for i in range(a, b) if directed[i]))]


def separated(given: Sequence[Any], groups: Sequence[tuple[int, int]], directed: Sequence[bool]) -> tuple[list, list]:
    """Values, and tangents (or None), from what `joined` put together."""
    rest, values, tangents = iter(given), [], []
    for a, b in groups:
        values += [next(rest) for _ in range(a, b)]
        tangents += [next(rest) if directed[i] else None for i in range(a, b)]
    return values, tangents


# ------------------------------------------------------------------------------------------------------------------- tracing


def _examples(tensors: Sequence[Tensor]) -> list[tuple[FakeValue, bool]]:
    return [(value_of(x), x.requires_grad) for x in tensors]


def traced_scan(tracer: Tracer, combine_fn: Callable, init: Tree, xs: Tree, length: Any, reverse: bool) -> tuple[Tree, Tree]:
    """`scan` over tensors that have their slices along dimension 0: the body is traced once, and one node is recorded."""
    carries, carry_spec = tree_flatten(init)
    walked, xs_spec = tree_flatten(xs)
    specs: list[Any] = []

    def body(*given: Any) -> list[Tensor]:
        carry, x = tree_unflatten(given[: len(carries)], carry_spec), tree_unflatten(given[len(carries) :], xs_spec)
        after, y = control.check_pair(combine_fn(carry, x))
        leaves = control.check_carry(list(given[: len(carries)]), carry_spec, after, "scan: combine_fn", "init")
        ys, spec = control.tensors_of(y, "scan: the second result of combine_fn")
        specs.append(spec)
        return [*leaves, *ys]

    regions = Regions(tracer.shape_env)
    slices = [FakeValue(v.shape[1:], v.dtype, contiguous_strides(v.shape[1:]), v.device) for v in map(value_of, walked)]
    regions.trace(body, [*_examples(carries), *((value, x.requires_grad) for value, x in zip(slices, walked))], "scan: combine_fn")
    graphs, fixed = regions.finish(("body",))
    found = SCAN(graphs, (*carries, *walked, *fixed), len(carries), len(walked), reverse)
    regions.share(found[: len(carries)], [*carries, *walked], regions.regions)
    return tree_unflatten(found[: len(carries)], carry_spec), tree_unflatten(found[len(carries) :], specs[0])


def traced_while(tracer: Tracer, cond_fn: Callable, body_fn: Callable, carried: tuple, max_iterations: int | None) -> tuple:
    """`while_loop`: test and body are traced once, and one node is recorded; with a bound and gradients, a scan of as many steps."""
    leaves, spec = tree_flatten(carried)

    def test(*given: Any) -> list[Tensor]:
        found = cond_fn(*tree_unflatten(given, spec))
        control.check_test(found)
        return [found.reshape(()).bool() if isinstance(found, Tensor) else F[0].full((), found)]

    def body(*given: Any) -> list[Tensor]:
        after = body_fn(*tree_unflatten(given, spec))
        return control.check_carry(list(given), spec, tuple(after) if isinstance(after, (tuple, list)) else (after,), "while_loop: body_fn", "carried_inputs")

    count = len(leaves)
    if max_iterations is None:
        bounded = (test, body)
    else:
        leaves = [*leaves, F[0].full((), 0)]
        bounded = (
            lambda *given: [test(*given[:count])[0] & (given[count] < max_iterations)],
            lambda *given: [*body(*given[:count]), given[count] + 1],
        )  # fmt: skip
    regions = Regions(tracer.shape_env)
    for function, what in zip(bounded, ("while_loop: cond_fn", "while_loop: body_fn")):
        regions.trace(function, _examples(leaves), what)
    graphs, fixed = regions.finish(("test", "body"))
    if STATE.enabled and any(isinstance(x, Tensor) and is_on_a_tape(x) for x in (*leaves, *fixed)):
        if max_iterations is None:
            raise error(CaptureError, NO_REVERSE, INSTEAD)
        return _as_scan(tracer, test, body, leaves[:count], spec, max_iterations)
    found = WHILE(graphs, (*leaves, *fixed), len(leaves))[:count]
    regions.share(found, leaves, regions.regions[1:])
    return tree_unflatten(found, spec)


def is_on_a_tape(x: Tensor) -> bool:
    """Whether a tensor, or one below it under the transforms that run, requires grad."""
    while not x.requires_grad and isinstance(x._data, TransformedArray):
        x = x._data.value
    return x.requires_grad


def _as_scan(tracer: Tracer, test: Callable, body: Callable, leaves: list, spec: Any, max_iterations: int) -> tuple:
    """A loop of so many steps, of which those behind its end change nothing."""
    if max_iterations == 0:
        return tree_unflatten(leaves, spec)

    def step(carry: list, _: Tensor) -> tuple[list, tuple]:
        return traced_cond(tracer_now(), test(*carry)[0], lambda *c: body(*c), lambda *c: list(c), tuple(carry)), ()

    def tracer_now() -> Tracer:
        return STATE.tracers[-1]

    found, _ = traced_scan(tracer, step, leaves, F[0].arange(max_iterations), max_iterations, False)
    return tree_unflatten(found, spec)


class Recorder:
    """What eager/control.py calls while a graph is traced."""

    cond, scan, while_loop = staticmethod(traced_cond), staticmethod(traced_scan), staticmethod(traced_while)


control.install_graphs(Recorder)

__all__ = ["CONTROL", "SCAN", "WHILE"]
