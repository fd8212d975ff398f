"""Passes: a graph in, a smaller graph out that computes the same bits.

The pipelines stand on one page, at the end. The one idea: since graphs are functional, each pass is one walk in order that gives every node its
place in the new graph (`Graph.rewrite`); simplifications are named rules in one table. Before a derivative is taken only such passes run as keep
the history of values (`BEFORE_DERIVATIVE`); what goes to a backend needs none (`FOR_BACKEND`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..eager.autograd.mode import no_grad
from ..eager.config import config
from ..eager.dtypes import BOOL, FLOAT, INTEGER, dtype
from ..eager.ops.definition import OPS, OpDef
from ..eager.tensor import Storage, Tensor
from .functionalise import view_strides
from .ir import FakeValue, Graph, Node, Rewriter, nodes_in
from .repeat import repeat_forward
from .symbolic import SymInt, same_shape, same_size, structural_key
from .verifier import verify

FOLD_LIMIT = 4096  # elements of a constant that folding may make

Pass = Callable[[Graph], Graph]

# --------------------------------------------------------------------------------------------------------------------
# Dead code


def dead_code(graph: Graph) -> Graph:
    """Drop what neither results nor writes need: the graph itself where that is nothing. Inputs stay, since callers pass them."""
    needed: set[Node] = {*graph.output_node.inputs, *graph.checking, *graph.inputs}
    for node in reversed(graph.nodes[:-1]):
        if node in needed:
            needed.update(node.inputs)
    if len(needed) == len(graph.nodes) - 1:
        return graph
    rewriter = Rewriter(graph)
    for node in graph.nodes[:-1]:
        if node in needed:
            rewriter.place[node] = rewriter.copy(node)
    return rewriter.finish()


def keep_checks(graph: Graph) -> Graph:
    """The graph as it was captured, in which operators that may raise and whose values nobody needs are results as well: the program may wait for the error."""
    needed: set[Node] = {*graph.output_node.inputs, *graph.checking}
    unneeded: list[Node] = []
    for node in reversed(graph.nodes[:-1]):
        if node not in needed and node.kind == "op" and "checked" in node.target.tags:
            unneeded.append(node)
            needed.add(node)
        if node in needed:  # the history of what was overwritten is a derivative's, which reads no values of it
            needed.update(nodes_in(node.args[1:]) if node.kind == "op" and node.target.name in ("overwrite", "assign") else node.inputs)
    return graph.rewrite(outputs=[*graph.outputs, *unneeded]) if unneeded else graph


# --------------------------------------------------------------------------------------------------------------------
# Common subexpressions


def key_of(node: Node, args: tuple) -> Any:
    """What two nodes with these (new) arguments have in common when they compute the same from the same values."""
    if node.kind == "constant":
        array = node.args[0]
        return ("constant", array.dtype.str, array.shape, array.tobytes()) if array.size <= FOLD_LIMIT else ("constant", id(array))
    return operation_key(node.target, args, node)


def operation_key(target: OpDef, args: tuple, like: Node) -> Any:
    """The same of an operation that stands for the node `like`. Draws of random numbers are functions of (state, call), so equal draws are one."""
    return (target.name, tuple(map(argument_key, args)), like.differentiable, like.region)


def argument_key(argument: Any) -> Any:
    """A hashable key: equal only for arguments that no operator can tell apart. 1, 1.0 and True differ, as do 0.0 and -0.0; NaN equals itself."""
    kind = type(argument)
    if kind is Node:
        return ("node", id(argument))
    if kind is int or kind is str:
        return (kind, argument)
    if isinstance(argument, tuple):
        return ("tuple", *map(argument_key, argument))
    if isinstance(argument, (float, complex)):
        return (type(argument).__name__, repr(argument))
    if isinstance(argument, SymInt):
        return structural_key(argument)
    if isinstance(argument, dtype):
        return ("dtype", argument.name)
    if isinstance(argument, Graph):
        return ("graph", id(argument))
    return (type(argument).__name__, repr(argument))


# --------------------------------------------------------------------------------------------------------------------
# Constants


def fold_constants(graph: Graph) -> Graph:
    """Run now what depends on constants only, while the result is small."""
    if not any(node.kind == "constant" for node in graph.nodes):
        return graph
    owned = set(graph.output_node.inputs)

    def visit(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
        if node.kind != "op" or node in owned or not _foldable(node, args):
            return None
        values = tuple(Tensor._wrap(a.args[0], Storage()) if isinstance(a, Node) else a for a in args)
        with no_grad():
            result = node.target(*values)._data  # type: ignore[misc]
        array = np.array(result, order="C", copy=True)
        array.flags.writeable = False
        return rewriter.constant(array, node.value.dense(), node)

    return graph.rewrite(visit)


def _foldable(node: Node, args: tuple) -> bool:
    used = node.inputs
    if not used or node.target.kind in ("control", "transfer") or any(isinstance(size, SymInt) for size in node.value.shape) or math.prod(node.value.shape) > FOLD_LIMIT:
        return False
    if any(isinstance(item, SymInt) for item in args):
        return False
    if any(isinstance(item, (Node, SymInt)) for argument in args if isinstance(argument, tuple) for item in argument):
        return False
    # a view of a constant folds to a contiguous constant; a view of that view keeps the strides that its fake value names
    dense = node.value.strides == node.value.dense().strides or not any("alias" in user.target.tags for user in node.users if user.kind == "op")
    return dense and "pure" in node.target.tags and all(a.kind == "constant" for a in args if isinstance(a, Node))


# --------------------------------------------------------------------------------------------------------------------
# Simplification: named rules. A rule sees a node of one of its rows and the node's new arguments, and returns the node that does as well, or None.

Rule = Callable[[Node, tuple, Rewriter], Node | None]


def _same_layout(a: Node, node: Node) -> bool:
    """Whether node `a` has the very type and layout of `node`."""
    x, y = a.value, node.value
    return x.dtype is y.dtype and same_shape(x.shape, y.shape) and len(x.strides) == len(y.strides) and all(map(same_size, x.strides, y.strides))


def view_of_nothing(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """A view with the shape and strides of its source, element for element, is the source: expand, view, permute, slice ... to the same."""
    source = args[0]
    if not _same_layout(source, node):
        return None
    return None if _moves_start(node) else source


def _moves_start(node: Node) -> bool:
    """A view of equal shape and strides may still swap dimensions of equal size and stride, or start elsewhere; only these rows cannot."""
    return node.target.name not in ("view", "expand", "slice", "squeeze", "unsqueeze", "alias") and not _is_identity_permute(node)


def _is_identity_permute(node: Node) -> bool:
    return node.target.name == "permute" and tuple(node.args[1]) == tuple(range(len(node.args[1])))


def view_of_view(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """view(view(x, a), b) is view(x, b), where x allows it."""
    source = args[0]
    if source.kind != "op" or source.target.name != "view":
        return None
    return _view_on(source.args[0], args[1:], node, rewriter)


def permute_of_permute(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """permute(permute(x, a), b) is permute(x, a[b])."""
    source = args[0]
    if source.kind != "op" or source.target.name != "permute":
        return None
    return _view_on(source.args[0], (tuple(source.args[1][dim] for dim in args[1]),), node, rewriter)


def expand_of_expand(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """expand(expand(x, a), b) is expand(x, b)."""
    source = args[0]
    if source.kind != "op" or source.target.name != "expand":
        return None
    return _view_on(source.args[0], args[1:], node, rewriter)


def _view_on(base: Node, attributes: tuple, node: Node, rewriter: Rewriter) -> Node | None:
    strides = view_strides(node.target, base.value.shape, base.value.strides, attributes, base.value.dtype)
    if strides is None or structural_key(strides) != structural_key(node.value.strides):
        return None
    return rewriter.op(node.target, (base, *attributes), node.value, node)  # type: ignore[arg-type]


def cast_to_same(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """cast(x, the dtype of x) is x."""
    return args[0] if _same_layout(args[0], node) else None


def cast_there_and_back(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """cast(cast(x, wider), the dtype of x) is x, when every value of x is a value of the wider type."""
    source = args[0]
    if source.kind != "op" or source.target.name != "cast":
        return None
    x = source.args[0]
    return x if _same_layout(x, node) and (x.value.dtype.name, source.value.dtype.name) in _EXACT_CASTS else None


_EXACT_CASTS = {
    (narrow, wide)
    for narrow, wides in {
        "bool": "uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64",
        "uint8": "int16 int32 int64 float16 float32 float64",
        "int8": "int16 int32 int64 float16 float32 float64",
        "int16": "int32 int64 float32 float64",
        "int32": "int64 float64",
        "float16": "float32 float64",
        "bfloat16": "float32 float64",
        "float32": "float64",
        "complex64": "complex128",
    }.items()
    for wide in wides.split()
}


def copy_of_own(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """A copy in the layout of its source is the source: nothing in a graph is overwritten. An input may be, between the graph and its backward."""
    return args[0] if args[0].kind != "input" and _same_layout(args[0], node) else None


_COPIES = frozenset({"clone", "contiguous"})


def transposed_product(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """a @ b, of which all that is needed is a copy of (a @ b).t(), is (b.t() @ a.t()).t(): the gradient of a linear layer's weight comes as it must lie."""
    if node.value.dtype.category != FLOAT or len(node.value.shape) != 2 or len(node.users) != 1:
        return None
    (turned,) = node.users
    if not _is_swap(turned) or not _is_only_copied(turned):
        return None
    left, right = (x.args[0] if _is_swap(x) else rewriter.op(turned.target, (x, (1, 0)), _swapped(x.value), node) for x in args)
    product = rewriter.op(node.target, (right, left), _swapped(node.value).dense(), node)
    return rewriter.op(turned.target, (product, (1, 0)), _swapped(product.value), node)


def swap_of_swap(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """x.t().t(), of which a copy is made, is x: what `transposed_product` turned lies otherwise than the node knew it."""
    return args[0].args[0] if _is_swap(node) and _is_swap(args[0]) and _is_only_copied(node) else None


def _is_only_copied(node: Node) -> bool:
    """Whether the one user of a node makes a C-contiguous copy of it."""
    if len(node.users) != 1:
        return False
    (user,) = node.users
    return user.kind == "op" and user.target.name in _COPIES and all(map(same_size, user.value.strides, user.value.dense().strides))


def _is_swap(node: Node) -> bool:
    return node.kind == "op" and node.target.name == "permute" and node.args[1] == (1, 0)


def _swapped(value: FakeValue) -> FakeValue:
    return FakeValue(value.shape[::-1], value.dtype, value.strides[::-1], value.device)


def neutral_operand(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """x * 1, x / 1 and x - 0 are x bit for bit; x + 0 only for integers, since -0.0 + 0 is 0.0."""
    if not isinstance(args[0], Node) or isinstance(args[1], (Node, SymInt)) or len(args) > 2:
        return None
    number, categories = _NEUTRAL[node.target.name]
    value = args[1]
    if isinstance(value, (bool, complex)) or value != number or math.copysign(1, value) < 0 or not _same_layout(args[0], node):
        return None
    return args[0] if node.value.dtype.category in categories else None


_NEUTRAL: dict[str, tuple[int, tuple[int, ...]]] = {
    "mul": (1, (INTEGER, FLOAT)),
    "div": (1, (FLOAT,)),
    "sub": (0, (INTEGER, FLOAT)),
    "add": (0, (INTEGER,)),
}


def not_of_not(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """neg(neg(x)) is x; so is logical_not twice on booleans."""
    source = args[0]
    name = node.target.name
    if source.kind != "op" or source.target.name != name:
        return None
    x = source.args[0]
    if not isinstance(x, Node) or not _same_layout(x, node) or (name == "logical_not" and x.value.dtype.category != BOOL):
        return None
    return x


_ON: dict[Rule, Callable[[OpDef], bool]] = {  # in the order in which they are tried; for which rows
    view_of_nothing: lambda op: "alias" in op.tags and op.name not in _HISTORY,
    view_of_view: lambda op: op.name == "view",
    permute_of_permute: lambda op: op.name == "permute",
    swap_of_swap: lambda op: op.name == "permute",
    expand_of_expand: lambda op: op.name == "expand",
    cast_to_same: lambda op: op.name == "cast",
    cast_there_and_back: lambda op: op.name == "cast",
    copy_of_own: lambda op: op.name in _COPIES,
    transposed_product: lambda op: op.name == "matmul",
    neutral_operand: lambda op: op.name in _NEUTRAL,
    not_of_not: lambda op: op.name in ("neg", "logical_not", "bitwise_not"),
}
RULES: dict[str, Rule] = {rule.__name__: rule for rule in _ON}


@cache
def rules_on(op: OpDef) -> tuple[Rule, ...]:
    """The rules that may fit a row's nodes."""
    return tuple(rule for rule, on in _ON.items() if on(op))


class Owners:
    """Which nodes of the new graph give results or written values, each in memory of its own."""

    def __init__(self, graph: Graph) -> None:
        self.old = set(graph.output_node.inputs)
        self.new: set[Node] = set()

    def settle(self, node: Node, args: tuple, found: Node | None, rewriter: Rewriter) -> Node:
        """The place of a node that `found` could stand for: where memory is owned, only an operation's own, and only once."""
        if node not in self.old:
            return found if found is not None else rewriter.copy(node, args)
        if found is None or found.kind != "op" or "alias" in found.target.tags or found in self.new:
            found = rewriter.copy(node, args)
        self.new.add(found)
        return found


class Sharing(Rewriter):
    """A new graph in the making in which what computes the same from the same values is there once."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.known: dict[Any, Node] = {}

    def copy_once(self, node: Node, args: tuple) -> Node:
        key = key_of(node, args)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self.copy(node, args)
        return found

    def op(self, target: OpDef, args: tuple, value: FakeValue, like: Node) -> Node:
        key = operation_key(target, args, like)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = super().op(target, args, value, like)
        return found


def simplify(graph: Graph) -> Graph:
    """Apply the rules at each node, and compute once what is computed twice from the same values. Results and written values keep memory of their own."""
    owners = Owners(graph)
    told_apart = bool(graph.differentiable_inputs)  # a copy that is a result has a gradient of its own, without that of what else was made of the copied

    def visit(node: Node, args: tuple, rewriter: Sharing) -> Node | None:
        if node.kind == "input":
            return None
        owned, found = node in owners.old, None
        if node.kind == "op" and node.differentiable and (not owned or (node.target.name in _COPIES and not told_apart)):
            found = _by_rules(node, args, rewriter)
        if owned or isinstance(node.value, SymInt):
            return owners.settle(node, args, found, rewriter)
        return rewriter.copy_once(node, args) if found is None else found

    return graph.rewrite(visit, Sharing)


def _by_rules(node: Node, args: tuple, rewriter: Rewriter) -> Node | None:
    """What the first rule that fits makes of a node, and the rules of that, if it is new; None where none fits."""
    before, found = len(rewriter.nodes), None
    while (made := next((made for rule in rules_on(node.target) if (made := rule(node, args, rewriter)) is not None), None)) is not None:
        found = made
        if len(rewriter.nodes) == before:
            break
        before, node, args = len(rewriter.nodes), made, made.args
    return found


# --------------------------------------------------------------------------------------------------------------------
# History

_HISTORY: dict[str, int] = {"detach": 0, "assign": 1, "overwrite": 1}  # rows that only steer derivatives -> the argument whose value they pass on


_PLACES = ("argmax", "argmin")


def _single(node: Node, args: tuple) -> bool:
    """Whether the place of an extreme is sought among one element, so that it is 0."""
    shape, dim = args[0].value.shape, args[1]
    sizes = shape if dim is None else (shape[dim],) if shape else ()
    return all(type(size) is int and size == 1 for size in sizes)


def without_rules(graph: Graph) -> Graph:
    """For a graph that nobody will differentiate any more: results with a derivative of the user's (graph/rules.py) are just the results."""
    if not any(node.target.name == "part" for node in graph.operations):
        return graph
    owners = Owners(graph)

    def visit(node: Node, args: tuple, rewriter: Rewriter) -> Node:
        found = None
        if node.kind == "op" and node.target.name == "part" and (args[0].target.name == "with_rule" or (args[0].target.name == "final" and not args[0].args[2])):
            found = args[0].args[1][args[1]]
            if node in owners.old:
                found = rewriter.op(OPS["clone"], (found,), node.value, node)
        return owners.settle(node, args, found, rewriter)

    return dead_code(graph.rewrite(visit))


def forget_history(graph: Graph) -> Graph:
    """For a graph that nobody will differentiate any more: drop `detach`, `assign` and `overwrite`, which only steer derivatives, and all marks."""
    owners = Owners(graph)

    def visit(node: Node, args: tuple, rewriter: Rewriter) -> Node:
        found = None
        if node.kind == "op" and node.target.name in _HISTORY:
            value = args[_HISTORY[node.target.name]]
            found = value if _same_layout(value, node) else None
        elif node.kind == "op" and node.target.name in _PLACES and _single(node, args):
            found = rewriter.op(OPS["full"], (tuple(node.value.shape), 0, node.value.dtype), node.value, node)
        made = owners.settle(node, args, found, rewriter)
        made.differentiable = True
        return made

    return graph.rewrite(visit, differentiable_inputs=frozenset(), differentiable_writes=frozenset())


# --------------------------------------------------------------------------------------------------------------------
# The pipelines

BEFORE_DERIVATIVE: tuple[Pass, ...] = (dead_code, simplify, dead_code)
FOR_BACKEND: tuple[Pass, ...] = (without_rules, forget_history, dead_code, fold_constants, simplify, repeat_forward, dead_code)


def run_passes(graph: Graph, pipeline: tuple[Pass, ...]) -> Graph:
    """Run a pipeline in order; with `config.verify` every invariant is checked after each pass."""
    for step in pipeline:
        graph = step(graph)
        if config.verify:
            verify(graph)
    return graph
