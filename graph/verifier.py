"""The verifier: every invariant of a graph, in one table.

In comes a `Graph`; out goes nothing, or a GraphError that names the invariant and the nodes that break it, above the graph's text. The one idea:
each invariant is a row, with a name, a sentence and a check that yields what is wrong, so that the table is also the definition of a well-formed
graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..eager.autograd.mode import no_grad
from ..eager.dtypes import INTEGER
from ..eager.errors import GraphError
from ..eager.meta import MetaArray
from ..eager.ops.definition import OPS, OpDef
from ..eager.tensor import Storage, Tensor
from . import foreign, iteration, rules  # noqa: F401  (they bring the operators that hold graphs)
from .control import CONTROL
from .functionalise import view_strides
from .ir import KINDS, FakeValue, Graph, Node, contiguous_strides, nodes_in, symbols_of
from .printer import print_graph
from .runtime_sizes import ITEM
from .symbolic import SymInt, same_shape, structural_key

Check = Callable[[Graph], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One row: `check(graph)` yields one message for each thing that breaks it."""

    name: str
    sentence: str
    check: Check


def verify(graph: Graph) -> Graph:
    """Check every invariant; returns the graph. Raises GraphError with the first few offences of the first invariant that is broken."""
    for invariant in INVARIANTS:
        offences = list(invariant.check(graph))
        if offences:
            shown = "\n".join(f"  {offence}" for offence in offences[:5])
            raise GraphError(f"{invariant.name}: {invariant.sentence}\n{shown}\n{_text(graph)}")
    return graph


def _text(graph: Graph) -> str:
    try:
        return print_graph(graph)
    except Exception as problem:  # the graph is broken: say so, and keep the offence as the message
        return f"(the graph cannot be printed: {type(problem).__name__}: {problem})"


def _kinds(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        if node.kind not in KINDS:
            yield f"{node.name} is a '{node.kind}'"
        elif (node.kind == "op") != isinstance(node.target, OpDef):
            yield f"{node.name} is a '{node.kind}' whose target is {node.target!r}"


def _one_output(graph: Graph) -> Iterator[str]:
    places = [position for position, node in enumerate(graph.nodes) if node.kind == "output"]
    if places != [len(graph.nodes) - 1]:
        yield f"output nodes stand at {places} of {len(graph.nodes)} nodes"


def _order(graph: Graph) -> Iterator[str]:
    seen: set[Node] = set()
    for node in graph.nodes:
        for used in node.operands():
            if used not in seen:
                yield f"{node.name} uses {used.name}, which does not stand before it"
        if node in seen:
            yield f"{node.name} stands twice"
        seen.add(node)


def _names(graph: Graph) -> Iterator[str]:
    seen: set[str] = set()
    for node in graph.nodes:
        if not node.name.isidentifier():
            yield f"{node.name!r} is not an identifier"
        if node.name in seen:
            yield f"{node.name} is taken twice"
        seen.add(node.name)


def _inputs(graph: Graph) -> Iterator[str]:
    listed, standing = set(graph.inputs), {node for node in graph.nodes if node.kind == "input"}
    if len(listed) != len(graph.inputs):
        yield "an input is listed twice"
    for node in listed ^ standing:
        yield f"{node.name} is {'listed but is no node' if node in listed else 'an input node but not listed'}"


def _users(graph: Graph) -> Iterator[str]:
    expected: dict[Node, set[Node]] = {node: set() for node in graph.nodes}
    for node in graph.nodes:
        for used in node.operands():
            expected[used].add(node)
    for node in graph.nodes:
        if set(node.users) != expected[node]:
            names, wanted = (sorted(user.name for user in users) for users in (node.users, expected[node]))
            yield f"{node.name} has users {names}, not {wanted} (nodes belong to one graph)"


def _targets(graph: Graph) -> Iterator[str]:
    for node in graph.operations:
        if OPS.get(node.target.name) is not node.target and CONTROL.get(node.target.name) is not node.target:
            yield f"{node.name} calls {node.target!r}, which is not the row of that name"


def _schemas(graph: Graph) -> Iterator[str]:
    for node in graph.operations:
        parameters = node.target.schema.parameters
        if len(parameters) != len(node.args):
            yield f"{node.name} has {len(node.args)} arguments, {node.target.name} takes {len(parameters)}"
            continue
        for parameter, argument in zip(parameters, node.args):
            holds = bool(nodes_in(argument))
            if parameter.kind == "attribute" and holds:
                yield f"{node.name}: '{parameter.name}' is an attribute but holds the tensor {argument!r}"
            if parameter.kind == "tensors" and not isinstance(argument, tuple):
                yield f"{node.name}: '{parameter.name}' takes a tuple of tensors, not {argument!r}"
            if parameter.kind == "tensor" and isinstance(argument, (tuple, type(None), np.ndarray)):
                yield f"{node.name}: '{parameter.name}' takes a tensor or a number, not {argument!r}"


def _values(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        if isinstance(node.value, SymInt) and node.kind == "op":
            yield from _size_value(node)
        elif node.kind == "op":
            yield from _CONTROLLED.get(type(node.target), _op_value)(node)
        elif node.kind == "constant":
            array, value = node.args[0], node.value
            if tuple(array.shape) != value.shape or array.dtype != value.dtype.numpy:
                yield f"{node.name} is called {value} but holds {array.dtype}{list(array.shape)}"
        elif node.kind == "input" and not isinstance(node.value, (FakeValue, SymInt)):
            yield f"{node.name} has the value {node.value!r}"


def _control_value(node: Node) -> Iterator[str]:
    """The graphs of a node, each well-formed and made for what it gets, and what they give."""
    yield from node.target.check(node)
    for graph in node.args[0]:
        verify(graph)


def _size_value(node: Node) -> Iterator[str]:
    (count,) = node.args
    if node.target is not ITEM or not node.value.expr.is_Symbol:
        yield f"{node.name} is called the size {node.value}, which {node.target.name} does not give"
    elif not isinstance(count.value, FakeValue) or count.value.dtype.category != INTEGER or any(size != 1 for size in count.value.shape):
        yield f"{node.name} is the size that {count.name} says, which is no whole number"


def _part_value(node: Node) -> Iterator[str]:
    results, index = node.args
    if not isinstance(results.value, tuple) or not same_shape(results.value[index].shape, node.value.shape) or results.value[index].dtype is not node.value.dtype:
        yield f"{node.name} is called {node.value} but is result {index} of {results.name}"


def _op_value(node: Node) -> Iterator[str]:
    """The facets' shape, dtype and strides against those that the node carries."""
    op, value = node.target, node.value
    assert op is not None
    args = tuple(_meta(argument) for argument in node.args)
    with no_grad():
        shape = tuple(op.shape(*args))
        promoted = op.dtype(*args)
    compute, result = promoted if isinstance(promoted, tuple) else (promoted, promoted)
    if not same_shape(shape, value.shape):
        yield f"{node.name} is called {value} but {op.name} gives the shape {list(shape)}"
    if result is not value.dtype:
        yield f"{node.name} is called {value} but {op.name} gives {result.name}"
    if not getattr(op.dtype, "no_cast", False):
        for used in nodes_in(node.args):
            if used.value.dtype is not compute:
                yield f"{node.name}: {op.name} computes in {compute.name} but {used.name} is {used.value.dtype.name} (a cast is missing)"
    source = node.args[0] if node.args else None
    if "alias" in op.tags and isinstance(source, Node):
        strides = view_strides(op, source.value.shape, source.value.strides, node.args[1:], source.value.dtype)
    else:
        strides = contiguous_strides(value.shape)
    if any(type(size) is int and size == 0 for size in value.shape):
        return  # of no elements none lies anywhere
    if strides is None or structural_key(tuple(strides)) != structural_key(value.strides):
        yield f"{node.name} has strides {value.strides}, expected {strides}"


def _meta(argument: Any) -> Any:
    if isinstance(argument, Node):
        value = argument.value
        return value if isinstance(value, SymInt) else Tensor._wrap(MetaArray(value.shape, value.dtype.numpy, value.strides), Storage())
    if isinstance(argument, tuple):
        return tuple(_meta(item) for item in argument)
    return argument


def _outputs(graph: Graph) -> Iterator[str]:
    owned: set[Node] = set()
    for index, output in enumerate(graph.outputs):
        if isinstance(output, Node):
            if output.kind != "op" or "alias" in output.target.tags:
                yield f"output {index}, {output.name}, is not in memory of its own ({output.kind})"
            if output in owned:
                yield f"output {index}, {output.name}, is given out twice"
            owned.add(output)
        elif not isinstance(output, (SymInt, int, float, complex, bool, type(None))):
            yield f"output {index} is a {type(output).__name__}"


def _specs(graph: Graph) -> Iterator[str]:
    limits = {"fresh": len(graph.outputs), "alias_of_output": len(graph.outputs), "input": len(graph.inputs), "alias_of_input": len(graph.inputs)}
    for index, spec in enumerate(graph.output_specs or ()):
        if spec.kind not in limits:
            yield f"result {index} is of kind '{spec.kind}'"
        elif not 0 <= spec.index < limits[spec.kind]:
            yield f"result {index} ({spec.kind}) points at {spec.index}, of {limits[spec.kind]}"


def _writes(graph: Graph) -> Iterator[str]:
    positions = [position for position, _ in graph.writes]
    if len(set(positions)) != len(positions):
        yield f"an input is written twice: {positions}"
    for position, node in graph.writes:
        if not 0 <= position < len(graph.inputs):
            yield f"input {position} of {len(graph.inputs)} is written"
            continue
        target = graph.inputs[position]
        held, new = target.value, node.value
        if not isinstance(held, FakeValue) or not same_shape(held.shape, new.shape) or held.dtype is not new.dtype:
            yield f"{target.name}: {target.value} is written with {node.name}: {node.value}"
        if node.kind != "op" or "alias" in node.target.tags:
            yield f"{target.name} is written with {node.name}, which is not in memory of its own"


def _symbols(graph: Graph) -> Iterator[str]:
    bound = {source.symbol for source in graph.symbols}
    for node in graph.nodes:
        if node in graph.runtime.values():
            bound.add(node.value.expr)
        held = symbols_of(node.value)
        for argument in node.args:
            held |= symbols_of(argument)
        if missing := held - bound:
            yield f"{node.name} holds {', '.join(sorted(map(str, missing)))}, which no input and no node before it gives"


def _random(graph: Graph) -> Iterator[str]:
    for node in graph.operations:
        if "random" in node.target.tags:
            state, call = (node.args[[p.name for p in node.target.schema.parameters].index(name)] for name in ("state", "call"))
            if state is graph.random_state and not (isinstance(call, int) and 0 <= call < graph.random_calls):
                yield f"{node.name} is draw {call!r}, but the graph makes {graph.random_calls}"


def _gradients(graph: Graph) -> Iterator[str]:
    for position in graph.differentiable_inputs:
        if not 0 <= position < len(graph.inputs) or not isinstance(graph.inputs[position].value, FakeValue):
            yield f"input {position} is marked as requiring grad"
    for position in graph.differentiable_writes - {position for position, _ in graph.writes}:
        yield f"input {position} is marked as a differentiable write but is not written"


_CONTROLLED: dict[type, Callable[[Node], Iterator[str]]] = {**{type(row): _control_value for row in CONTROL.values()}, type(CONTROL["part"]): _part_value}

INVARIANTS: tuple[Invariant, ...] = (
    Invariant("kinds", "a node is an input, a constant, an op (with a row as its target) or the output", _kinds),
    Invariant("one output", "there is one output node, and it is the last", _one_output),
    Invariant("order", "a node uses only nodes that stand before it, and stands once", _order),
    Invariant("names", "names are unique identifiers", _names),
    Invariant("inputs", "the listed inputs are exactly the input nodes", _inputs),
    Invariant("users", "each node knows its users in this graph", _users),
    Invariant("targets", "an op's target is a row of OPS", _targets),
    Invariant("schemas", "arguments follow the row's schema", _schemas),
    Invariant("values", "a fake value is what the row's facets give", _values),
    Invariant("outputs", "an output is an op's result in memory of its own, given out once, or a number", _outputs),
    Invariant("specs", "each result comes from an output or an input that exists", _specs),
    Invariant("writes", "an input is written once, with a value of its shape and dtype in memory of its own", _writes),
    Invariant("symbols", "each symbol is the size of an input, or given by a node before", _symbols),
    Invariant("random", "draws are numbered within the graph's count", _random),
    Invariant("gradients", "only tensor inputs require grad, and only written inputs have differentiable writes", _gradients),
)
