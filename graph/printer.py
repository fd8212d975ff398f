"""The printer: a graph as Python that runs, and as a log that a newcomer can follow.

In comes a `Graph`, out goes text. `print_graph` gives a function `forward` whose statements are the nodes, each with its fake value and, where
they change, the user's line and the module path; `namespace` gives the names under which the text runs. The one idea: the text is the graph, so
executing it must give what the interpreter gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..eager import dtypes
from ..eager.autograd.mode import no_grad
from ..eager.dtypes import dtype
from ..eager.log import log
from ..eager.ops.definition import OPS
from ..eager.tensor import Storage, Tensor
from .control import CONTROL, Control, show_fakes
from .ir import Graph, Node
from .symbolic import SymInt, print_python


def print_graph(graph: Graph) -> str:
    """The graph as the text of a function `forward`.

    >>> import segue
    >>> from segue.graph.trace import Tracer
    >>> tracer = Tracer()
    >>> x = tracer.input(segue.ones(3), "x")
    >>> with tracer.active(line="train.py:7"):
    ...     y = x * 2
    >>> print(print_graph(tracer.finish([y])))
    def forward(x):
        # train.py:7
        mul = ops.mul(x, 2)  # float32[3]
        return (mul,)
    """
    return _function(graph, graph.name)


def _function(graph: Graph, name: str) -> str:
    lines = [f"def {name}({', '.join(node.name for node in graph.inputs)}):"]
    for source in graph.symbols:
        name = graph.inputs[source.position].name
        lines.append(f"    {source.symbol.name} = {name}" + ("" if source.dim is None else f".shape[{source.dim}]"))
    place: tuple = (None, None)
    for node in graph.nodes:
        if node.kind == "op":
            here = (node.line, node.module)
            if here != place and any(here):
                lines.append("    # " + ", in ".join(str(part) for part in (_short(node.line), node.module) if part))
            place = here
            lines.extend(_held(node) if isinstance(node.target, Control) else [])
            arguments = ", ".join(show(argument) for argument in _named(node))
            value = show_fakes(node.value) if isinstance(node.value, tuple) else node.value
            name = str(value) if isinstance(value, SymInt) else node.name
            lines.append(f"    {name} = ops.{node.target.name}({arguments})  # {_bounds(value) if isinstance(value, SymInt) else value}")
    for position, value in graph.writes:
        lines.append(f"    write({graph.inputs[position].name}, {value.name})")
    lines.append(f"    return {show(graph.outputs)}")
    return "\n".join(lines)


class _Name:
    """The name of a graph that is held by a node, as an argument. Names of nodes have no double underscore."""

    def __init__(self, node: Node, kind: str) -> None:
        self.name = f"{node.name}__{kind}"

    def __repr__(self) -> str:
        return self.name


def _held(node: Node) -> list[str]:
    """The graphs that a node holds, as functions above it."""
    texts = (_function(graph, f"{_Name(node, kind)}") for graph, kind in zip(node.args[0], node.target.kind_names))
    return [f"    {line}" for text in texts for line in text.splitlines()]


def _named(node: Node) -> tuple:
    """A node's arguments, with names for the graphs that it holds."""
    if not isinstance(node.target, Control):
        return node.args
    return (tuple(_Name(node, kind) for kind in node.target.kind_names), *node.args[1:])


def show(value: Any) -> str:
    """One argument as Python text."""
    if isinstance(value, Node):
        return value.name
    if isinstance(value, SymInt):
        return print_python(value.expr)
    if isinstance(value, tuple):
        return f"({', '.join(map(show, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"
    if isinstance(value, dtype):
        return f"segue.{value.name}"
    return repr(value)


def namespace(graph: Graph) -> dict[str, Any]:
    """The globals under which the printed text runs: `ops`, `segue` (the dtypes), `write`, and the graph's constants by name."""
    names: dict[str, Any] = {
        "ops": SimpleNamespace(**OPS, **CONTROL),
        "segue": SimpleNamespace(**{d.name: d for d in dtypes.ALL}),
        "write": _write,
    }
    names.update({node.name: Tensor._wrap(node.args[0], Storage()) for node in graph.nodes if node.kind == "constant"})
    return names


def _write(target: Tensor, value: Tensor) -> None:
    with no_grad():
        target._write("write", value)


def describe(graph: Graph) -> str:
    """The graph's text with its inputs, guards, writes and results in words above it."""
    lines = [f"# {len(graph.operations)} operations, {len(graph.inputs)} inputs, {len(graph.outputs)} results"]
    for position, node in enumerate(graph.inputs):
        marks = ["needs a gradient"] if position in graph.differentiable_inputs else []
        marks += ["written at the end"] if any(position == written for written, _ in graph.writes) else []
        lines.append(f"#   {node.name}: {_value(node)}" + (f"  ({', '.join(marks)})" if marks else ""))
    for node in graph.nodes:
        if node.kind == "constant":
            lines.append(f"#   {node.name}: {_value(node)}  (a constant)")
    for index, spec in enumerate(graph.output_specs or ()):
        if spec.kind != "fresh":
            of = graph.inputs[spec.index].name if spec.kind != "alias_of_output" else show(graph.outputs[spec.index])
            lines.append(f"# result {index} is {of}" + "".join(f".{step}" for step in spec.chain))
    if graph.random_calls:
        lines.append(f"# draws {graph.random_calls} times from the random generator")
    if graph.shape_env is not None:
        lines.extend(f"# holds while {guard}" for guard in graph.shape_env.guards)
        lines.extend(f"# the run checks that {check}" for check in graph.shape_env.checks)
    return "\n".join([*lines, print_graph(graph)])


def log_graph(graph: Callable[[], Graph], title: str) -> None:
    """Send the graph to whoever reads SEGUE_LOGS=graph; it is only asked for when somebody does."""
    log("graph", lambda: describe(graph()), title)


def log_parts(parts: Callable[[], Any], title: str) -> None:
    """The same for the forward and the backward of a partition."""
    log_graph(lambda: parts().forward, f"{title}, forward")
    log_graph(lambda: parts().backward, f"{title}, backward")


def _value(node: Node) -> str:
    return "int, a size" if isinstance(node.value, SymInt) else str(node.value)


def _bounds(size: SymInt) -> str:
    bounds = size.env.interval(size.expr)
    return f"a size in [{bounds.low}, {bounds.high}]"


def _short(line: str | None) -> str | None:
    """A user's line without the folders above the file."""
    if line is None:
        return None
    file, _, number = line.rpartition(":")
    return f"{Path(file).name}:{number}" if file else line
