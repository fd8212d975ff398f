"""GraphModule: a graph as PyTorch's backends expect to find one.

In comes a `Graph`, out goes an object with `.graph.nodes`, `.code`, `.forward` and `print_readable()`. The one idea: `forward` is the printed
text itself, executed, so what a backend reads is what it runs.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator
from typing import Any

from ..eager.autograd.mode import no_grad
from ..eager.tensor import Tensor
from .ir import Graph, Node
from .printer import describe, namespace, print_graph


class GraphView:
    """`graph_module.graph`: the nodes, and a table of them."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.nodes: tuple[Node, ...] = tuple(graph.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def find_nodes(self, *, op: str, target: Any = None) -> list[Node]:
        """Nodes of a kind ("call_function" ...) and target."""
        return [node for node in self.nodes if node.op == op and (target is None or node.target is target)]

    def print_tabular(self) -> None:
        """Print op, name, target and arguments of each node."""
        rows = [("opcode", "name", "target", "args"), *((n.op, n.name, getattr(n.target, "name", n.name), str(n.args)) for n in self.nodes)]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        for row in rows:
            print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[3]]))

    def __str__(self) -> str:
        return print_graph(self._graph)


class GraphModule:
    """A graph that can be called with tensors, read as code, and walked node by node.

    >>> import segue
    >>> from segue.graph.trace import Tracer
    >>> tracer = Tracer()
    >>> x = tracer.input(segue.ones(2), "x")
    >>> module = GraphModule(tracer.finish([x + 1]))
    >>> [node.op for node in module.graph.nodes]
    ['placeholder', 'call_function', 'output']
    >>> module(segue.tensor([1.0, 2.0]))
    (tensor([2., 3.]),)
    """

    _count = 0

    def __init__(self, graph: Graph) -> None:
        self.ir = graph
        self.graph = GraphView(graph)
        self.code = print_graph(graph)
        self.meta: dict[str, Any] = {}
        self.forward: Callable[..., tuple] = self._execute()

    def _execute(self) -> Callable[..., tuple]:
        """The function that the text defines; tracebacks and debuggers find its lines."""
        GraphModule._count += 1
        file = f"<segue graph {GraphModule._count}>"
        linecache.cache[file] = (len(self.code), None, self.code.splitlines(keepends=True), file)
        names = namespace(self.ir)
        exec(compile(self.code, file, "exec"), names)  # noqa: S102  (our own printer's text)
        return names[self.ir.name]

    def __call__(self, *inputs: Any) -> tuple:
        with no_grad():
            return self.forward(*inputs)

    def print_readable(self, print_output: bool = True) -> str:
        """The graph with its inputs, guards and results in words above the code; printed unless told not to."""
        text = describe(self.ir)
        if print_output:
            print(text)
        return text

    def parameters(self) -> list[Tensor]:
        """Empty: parameters are inputs of the graph."""
        return []

    def eval(self) -> GraphModule:
        return self

    def train(self, mode: bool = True) -> GraphModule:
        return self
