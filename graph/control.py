"""Operators that hold graphs: what `cond`, `while_loop`, `scan` and `map` are in a graph.

In come graphs and the tensors that they take, out come several tensors; each is picked from the node's value, a tuple, by a node `part`. The one idea: such an operator
is a row like any other, with a meaning on each kind of tensor: on real ones it runs, on traced ones it is recorded, at a level of `vmap` or `jvp` it is the same operator
over transformed graphs, and its derivative is the same operator over the graphs of derivatives. So what is said here holds at any order and in any nesting.

The rows are not in `OPS`, whose rows give one tensor each; they stand in `CONTROL`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..eager.autograd import engine
from ..eager.autograd.mode import STATE
from ..eager.autograd.tape import F, MultipleNode, Part
from ..eager.ops.definition import OPS, Host, OpDef, Schema
from ..eager.tensor import Storage, Tensor
from ..eager.transforms.batched import BatchLevel
from ..eager.transforms.dual import DualLevel
from ..eager.transforms.levels import level_of, lifted
from .functionalise import TracedArray, TracedStorage
from .ir import FakeValue, Graph, Node, contiguous_strides, nodes_in, replace_symbols
from .region import Regions, examples_of, run_graph
from .runtime_sizes import ITEM
from .symbolic import ShapeEnv, same_shape, structural_key
from .trace import COPY, Tracer

CONTROL: dict[str, OpDef] = {ITEM.name: ITEM}


def _none(*args: Any) -> Any:
    raise NotImplementedError("an operator that holds graphs has no single result")


class Control(OpDef):
    """One kind of control flow. Its arguments: graphs, the tensors and sizes that they take, and numbers (see `schema`).

    A kind says how it runs (`run`), what it gives (`fakes`), its derivative (`pull`), and what it is at a level (`dual`, `batched`).
    """

    kind_names: tuple[str, ...] = ()  # of its graphs, for the printed text

    def __init__(self, name: str, schema: str, doc: str, kind_names: tuple[str, ...]) -> None:
        super().__init__(
            name, "control", Schema.parse(schema), _none, _none, _none, Host("it chooses or repeats compiled graphs"), list, doc,
            vjp={"operands": _none}, jvp=None, tags=frozenset({"pure"}),
        )  # fmt: skip
        object.__setattr__(self, "kind_names", kind_names)
        CONTROL[name] = self

    def __call__(self, graphs: tuple, operands: Any, *attributes: Any) -> tuple:
        """Carry it out on tensors of any kind; a tuple of tensors. Real ones meet the tape inside of the graphs; for all others it is one step there."""
        operands = lifted((tuple(operands),))[0] if STATE.levels else tuple(operands)
        tensors = [x for x in operands if isinstance(x, Tensor)]
        level = next((level for x in tensors if (level := level_of(x)) is not None), None)
        tracer = next((x._data.tracer for x in tensors if isinstance(x._data, TracedArray)), None)
        if level is None and tracer is None:
            return tuple(self.run(graphs, operands, *attributes))
        if level is None:
            operands = tuple(dense(x) if isinstance(x, Tensor) else x for x in operands)
        active = [isinstance(x, Tensor) and x.requires_grad for x in operands]
        tracked = STATE.enabled and any(active)
        used = self.tracked(graphs, *attributes) if tracked else graphs
        if level is None:
            results = self.record(tracer, used, operands, *attributes)
        else:
            level.need_running()
            results = tuple((self.dual if isinstance(level, DualLevel) else self.batched)(level, used, operands, *attributes))
        if tracked:
            self._attach(used, operands, attributes, active, results)
        return results if used is graphs else results[: len(results) - len(used[-1].outputs) + len(graphs[-1].outputs)]

    def tracked(self, graphs: tuple, *attributes: Any) -> tuple:
        """The graphs that give, behind the results, what the derivative needs."""
        return graphs

    def record(self, tracer: Any, graphs: tuple, operands: tuple, *attributes: Any) -> tuple:
        """Append the node and its parts."""
        args = tuple(tracer._argument(x._data) if isinstance(x, Tensor) else x for x in operands)
        fakes = replace_symbols(self.fakes(graphs, operands, *attributes), tracer.shape_env.equalities())
        node = tracer.add(self, (graphs, args, *attributes), fakes)
        return tuple(_traced(tracer, tracer.add(PART, (node, index), fake)) for index, fake in enumerate(fakes))

    def _attach(self, graphs: tuple, operands: tuple, attributes: tuple, active: list, results: tuple) -> None:
        edges = [(x if x._edge is None else x._edge) if on else None for x, on in zip(operands, active)]

        def pull(gradients: list) -> list:
            again = [F[0].from_parts(x._data, x._storage, Part(node, i)) if i in reached else x for i, x in enumerate(kept)]
            return self.pull(graphs, operands, active, again, gradients, *attributes)

        node = MultipleNode(edges, pull, f"{self.name.title().replace('_', '')}Backward", len(results))
        reached = self.reached(graphs, active, *attributes)
        kept = [Tensor._wrap(x._data, x._storage) for x in results]
        for index in reached:
            if results[index].dtype.is_floating_point or results[index].dtype.is_complex:
                results[index]._edge, results[index]._requires_grad = Part(node, index), True

    # -- what a kind says

    def run(self, graphs: tuple, operands: tuple, *attributes: Any) -> Sequence[Tensor]:
        """On real tensors. `graphs` may be functions, as in a printed graph."""
        raise NotImplementedError

    def fakes(self, graphs: tuple, operands: tuple, *attributes: Any) -> tuple:
        """The fake value of each result."""
        raise NotImplementedError

    def reached(self, graphs: tuple, active: list, *attributes: Any) -> set[int]:
        """The results that depend on the operands marked active."""
        raise NotImplementedError

    def pull(self, graphs: tuple, operands: tuple, active: list, results: list, gradients: list, *attributes: Any) -> list:
        """The gradient of each active operand (None for others) from those of the results (None where none came)."""
        raise NotImplementedError

    def dual(self, level: Any, graphs: tuple, operands: tuple, *attributes: Any) -> Sequence[Tensor]:
        raise NotImplementedError

    def batched(self, level: Any, graphs: tuple, operands: tuple, *attributes: Any) -> Sequence[Tensor]:
        raise NotImplementedError

    def check(self, node: Node) -> Iterator[str]:
        """What is wrong with a node, for the verifier."""
        fakes = self.fakes(*node.args)
        if len(fakes) != len(node.value) or any(a.dtype is not b.dtype or not same_shape(a.shape, b.shape) for a, b in zip(fakes, node.value)):
            yield f"{node.name} is called {show_fakes(node.value)} but its graphs give {show_fakes(fakes)}"


class PartOf(OpDef):
    """The row `part`: one of the several results of a node."""

    def __init__(self) -> None:
        super().__init__(
            "part", "control", Schema.parse("results: Tensor, index"), _none, _none, _none, Host("it belongs to the node before it"), list,
            "One result of a node that has several.", vjp={"results": _none}, jvp=None, tags=frozenset({"pure"}),
        )  # fmt: skip
        CONTROL["part"] = self

    def __call__(self, results: tuple, index: int) -> Tensor:  # type: ignore[override]
        return results[index]


PART = PartOf()


def _traced(tracer: Tracer, node: Node) -> Tensor:
    value: FakeValue = node.value
    return Tensor._wrap(TracedArray(tracer, value.shape, value.dtype.numpy, value.strides, TracedStorage(node, value.strides)), Storage())


def dense(x: Tensor) -> Tensor:
    """A tensor as the graphs take it: C-contiguous."""
    if isinstance(x._data, TracedArray):
        contiguous = structural_key(tuple(x._data.element_strides)) == structural_key(contiguous_strides(tuple(x._data.shape)))
    else:
        contiguous = x.is_contiguous()
    return x if contiguous else OPS[COPY](x)


def show_fakes(values: Any) -> str:
    return f"({', '.join(map(str, values))})"


def call_any(graph: Any, inputs: Sequence[Any]) -> list:
    """A graph, or the function that is its printed text, on real tensors."""
    return list(graph(*inputs)) if callable(graph) else run_graph(graph, inputs)


def value_at(graph: Graph, index: int) -> FakeValue:
    return graph.outputs[index].value


# --------------------------------------------------------------------------------------------------- graphs from graphs


def depends(graph: Graph, positions: Sequence[int]) -> set[int]:
    """The outputs of a graph that depend differentiably on the inputs at these positions."""
    found = {graph.inputs[position] for position in positions}
    for node in graph.operations:
        if node.differentiable and node.target.vjp is not None:
            sources = (a for p, a in zip(node.target.schema.parameters, node.args) if p.name in node.target.vjp)
            if not found.isdisjoint(nodes_in(tuple(sources))):
                found.add(node)
    return {index for index, output in enumerate(graph.outputs) if output in found}


def is_float(value: Any) -> bool:
    return isinstance(value, FakeValue) and (value.dtype.is_floating_point or value.dtype.is_complex)


def gradients_within(graph: Graph, inputs: Sequence[Any], wanted: Sequence[int], roots: Sequence[int], tangents: Sequence[Tensor]) -> list[Tensor]:
    """In a region: the gradients of the inputs at `wanted` (zeros where none comes) from `tangents` of the outputs at `roots`."""
    outputs = run_graph(graph, inputs)
    pairs = [(outputs[root], tangent) for root, tangent in zip(roots, tangents) if outputs[root].requires_grad]
    targets = [inputs[place] for place in wanted]
    if not pairs or not targets:
        return [F[0].zeros_like(target) for target in targets]
    found = engine.grad([x for x, _ in pairs], targets, [t for _, t in pairs], create_graph=True, allow_unused=True)
    return [F[0].zeros_like(target) if g is None else g for target, g in zip(targets, found)]


def make(env: ShapeEnv, bodies: Sequence[tuple[Callable, Sequence[tuple[Any, bool]]]], names: Sequence[str], what: str) -> tuple[tuple[Graph, ...], list]:
    """Graphs of functions of twins, and what they take besides."""
    regions = Regions(env)
    for body, examples in bodies:
        regions.trace(body, examples, what, enabled=True)
    return regions.finish(names)


def duals_within(graph: Graph, inputs: Sequence[Any], tangents: Sequence[Tensor | None], wanted: set[int]) -> list[Tensor]:
    """In a region: the outputs, then the tangents of those at `wanted` (zeros where there is none)."""
    with DualLevel() as level:
        outputs = run_graph(graph, [level.enter(x, t) if t is not None else x for x, t in zip(inputs, tangents)])
        pairs = [level.leave(x) for x in outputs]
    return [x for x, _ in pairs] + [F[0].zeros_like(x) if t is None else t for i, (x, t) in enumerate(pairs) if i in wanted]


def batches_within(graph: Graph, inputs: Sequence[Any], batched: Sequence[bool], size: Any, results: Callable | None = None) -> list[Tensor]:
    """In a region: the outputs over a batch, which is dimension 0 of the inputs so marked and of every output. `results` works on them as examples first."""
    with BatchLevel(size) as level:
        entered = [level.enter(x, 0) if on else x for x, on in zip(inputs, batched)]
        outputs = run_graph(graph, entered)
        return [level.leave(x, 0) for x in (outputs if results is None else results(entered, outputs))]


def with_batch(node: Node, batched: bool, size: Any) -> tuple[Any, bool]:
    """The example for an input of a batched graph."""
    value = node.value
    if not batched:
        return value, False
    shape = (size, *value.shape)
    return FakeValue(shape, value.dtype, contiguous_strides(shape), value.device), False


def below_level(level: BatchLevel, operands: Sequence[Any], several: Sequence[bool]) -> list[Any]:
    """The operands of a level as they stand under it: those that differ by example with the batch at dimension 0."""
    return [level.leave(x, 0) if on else getattr(getattr(x, "_data", None), "value", x) for x, on in zip(operands, several)]


def tangent_of(level: DualLevel, x: Any) -> tuple[Any, Tensor | None]:
    """An operand of a level in its parts; a size has no tangent."""
    return level.leave(x) if isinstance(x, Tensor) else (x, None)


__all__ = ["CONTROL", "PART", "Control", "examples_of"]
