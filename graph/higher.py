"""The derivative of a derivative from what a call kept, for a call whose inputs have been overwritten since.

In come the forward and backward graphs of a derivative, out go two graphs that can be differentiated: the backward as a function of what was kept, and the gradients of what
was kept by the inputs. The one idea: what a call keeps stands on the tape like any result of it. The backward's derivative arrives there and goes on to the inputs, reading
what was kept where the plain way (`Joint.gradients`) computes everything from the inputs again; so an input that eager's tape would not have saved may be overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..eager.autograd.tape import MultipleNode, Part
from ..eager.tensor import Storage, Tensor
from .derivative import Joint, joint_graph
from .ir import FakeValue, Graph, OutputSpec
from .partition import Partition, extract
from .trace import COPY


@dataclass(frozen=True)
class Higher:
    """backward: what is kept and tangents -> gradients. kept: inputs, what is kept of results (`places` in the order of Partition.saved), one tangent for each of `roots` -> gradients.

    places   which of what is kept came out of the forward, in the order of `kept`'s inputs
    roots    which of `places` depend differentiably on an input
    """

    backward: Graph
    kept: Graph | None
    places: tuple[int, ...]
    roots: tuple[int, ...]

    @classmethod
    def of(cls, joint: Joint, split: Partition) -> Higher | None:
        """None where what was kept does not tell the derivative: a rule of the user's has no graph to go back through, and sizes that only the run gives are not inputs."""
        if any(node.target.name == "part" for node in joint.graph.operations) or any(saved.kind == "number" for saved in split.saved):
            return None
        moving = frozenset(position for position, node in enumerate(split.backward.inputs) if _is_continuous(node.value))
        specs = tuple(OutputSpec("fresh", i, requires_grad=output is not None) for i, output in enumerate(split.backward.outputs))
        backward = split.backward.rewrite(output_specs=specs, differentiable_inputs=moving, name="backward")
        places = tuple(place for place, saved in enumerate(split.saved) if saved.kind == "output")
        nodes: list[Any] = [split.forward.outputs[split.saved[place].index] for place in places]
        found = joint_graph(split.forward.rewrite(
            outputs=nodes, writes=(), output_specs=tuple(OutputSpec("fresh", i, requires_grad=_is_continuous(node.value)) for i, node in enumerate(nodes)),
            differentiable_inputs=joint.graph.differentiable_inputs, differentiable_writes=frozenset(), name="kept",
        )) if nodes else None  # fmt: skip
        if found is None:
            return cls(backward, None, places, ())
        graph = found.graph
        count = len(graph.inputs) - len(found.roots)
        inputs: list[Any] = [*graph.inputs[:count], *graph.outputs[: found.results], *graph.inputs[count:]]
        copies = [node for node in graph.outputs[: found.results] if node.target.name == COPY]
        made = extract(graph, inputs, graph.outputs[found.results :], (), "kept", copies)
        specs = tuple(OutputSpec("fresh", i, requires_grad=output is not None) for i, output in enumerate(made.outputs))
        moving = frozenset(position for position, node in enumerate(made.inputs) if _is_continuous(node.value))
        return cls(backward, made.rewrite(output_specs=specs, differentiable_inputs=moving), places, tuple(index for _, index in found.roots))


def on_the_tape(higher: Higher, kept: list, edges: list, label: str, pull: Callable[[list, list], list]) -> list:
    """What was kept as tensors of the tape. `pull(results, gradients)` gives the gradients of the inputs from those of `higher.roots`; `edges` are the inputs' places."""
    results = [Tensor._wrap(kept[place], Storage()) for place in higher.places]
    node = MultipleNode(edges, lambda gradients: pull(results, gradients), label, len(higher.roots))
    for index, root in enumerate(higher.roots):
        results[root]._edge, results[root]._requires_grad = Part(node, index), True
    found = list(kept)
    for place, result in zip(higher.places, results):
        found[place] = result
    return found


def _is_continuous(value: Any) -> bool:
    return isinstance(value, FakeValue) and (value.dtype.is_floating_point or value.dtype.is_complex)
