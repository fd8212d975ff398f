"""The interpreter: a graph run node by node with the eager operators. The oracle for everything that compiles graphs.

In come a graph and tensors (or arrays, or ints for sizes), out come its results. The one idea: a node is run by calling its row on tensors, so
the interpreter works for every kind of array; on traced tensors it traces the graph anew, which is how graphs are differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..eager.autograd.mode import STATE
from ..eager.cuda import is_real
from ..eager.errors import GraphError
from ..eager.tensor import Storage, Tensor
from .ir import Graph, Node
from .runtime_sizes import Sizes, bind
from .symbolic import SymInt


def interpret(graph: Graph, inputs: Sequence[Any]) -> list:
    """Run `graph` and return its raw outputs, in order: tensors when any input is a tensor, else arrays. Writes are carried out at the end.

    Nothing is recorded for differentiation. Raises GraphError when the number of inputs is wrong.

    >>> import segue
    >>> from segue.graph.trace import Tracer
    >>> tracer = Tracer()
    >>> x = tracer.input(segue.ones(3), "x")
    >>> interpret(tracer.finish([x * 2]), [segue.tensor([1.0, 2.0, 3.0])])
    [tensor([2., 4., 6.])]
    """
    return Interpreter(graph)(inputs)


class Interpreter:
    """A graph made ready for interpretation: it knows after which node each value is dead."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.random_position = None if graph.random_state is None else list(graph.inputs).index(graph.random_state)
        last: dict[Node, Node] = {}
        for node in graph.nodes:
            for used in node.inputs:
                last[used] = node
        self.dead: dict[Node, list[Node]] = {}
        for used, node in last.items():
            if node.kind == "op":
                self.dead.setdefault(node, []).append(used)
        self.written = {position for position, _ in graph.writes}

    def __call__(self, inputs: Sequence[Any], differentiable: bool = False) -> list:
        """Run it; with `differentiable` the operators go on the tape (and the graph must have no writes)."""
        graph = self.graph
        if len(inputs) != len(graph.inputs):
            raise GraphError(f"the graph {graph.name} takes {len(graph.inputs)} inputs but {len(inputs)} were given")
        tensors = any(isinstance(value, Tensor) for value in inputs)
        sizes = Sizes(graph.shape_env, graph.bindings(inputs))
        values: dict[Node, Any] = {node: _as_tensor(value) for node, value in zip(graph.inputs, inputs)}
        enabled = STATE.enabled
        try:
            for node in graph.nodes:
                if node.kind == "op":
                    STATE.enabled = differentiable and node.differentiable
                    values[node] = run_node(node, values, sizes)
                    for used in self.dead.get(node, ()):
                        del values[used]
                elif node.kind == "constant":
                    values[node] = Tensor._wrap(node.args[0], Storage())
            results = [_argument(output, values, sizes) for output in graph.outputs]
            for position, value in [(position, values[node]._data) for position, node in graph.writes]:
                target = inputs[position]
                if isinstance(target, Tensor):
                    target._write("write", Tensor._wrap(value, Storage()))
                else:
                    target[...] = value
        finally:
            STATE.enabled = enabled
        return results if tensors else [value._data if isinstance(value, Tensor) else value for value in results]


def run_node(node: Node, values: dict[Node, Any], sizes: Callable[[SymInt], Any] | None = None) -> Tensor:
    """Call the node's row on the values of its arguments; `sizes` gives the value of a SymInt (None: it stays symbolic)."""
    if type(node.value) is SymInt:
        return bind(node.value, values[node.args[0]], sizes)
    return node.target(*[_argument(argument, values, sizes) for argument in node.args])  # type: ignore[misc]


def _argument(argument: Any, values: dict[Node, Any], sizes: Callable[[SymInt], Any] | None) -> Any:
    if isinstance(argument, Node):
        return values[argument]
    if isinstance(argument, tuple):
        return tuple(_argument(item, values, sizes) for item in argument)
    if isinstance(argument, SymInt) and sizes is not None:
        return sizes(argument)
    return argument


def _as_tensor(value: Any) -> Any:
    return Tensor._wrap(value, Storage()) if is_real(value) else value
