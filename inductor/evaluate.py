"""Values of graph nodes, element by element: rows' bodies run on a trace.

In come a node and an index (one expression for each dimension), out comes a `Value`. The one idea: views and pointwise nodes need no code of their own
here; one table says how each kind of lowering is run, and `resolve` answers for whatever stands in memory.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..eager import dtypes
from ..eager.ops.definition import Extern, Host, Indexed, IndexMap, Reduction, Scalar, Scatter
from ..graph.ir import FakeValue, Node, nodes_in
from ..graph.symbolic import SymInt
from .expressions import Index, flatten, index, product, same, size_of, unflatten, variables_of
from .loops import BOOL, FLOAT32, INT32, INT64, SHORT, Trace, Value
from .units import POSITIONS, is_contiguous, shape_of

COPIES = frozenset({"clone", "contiguous"})


def is_view(node: Node) -> bool:
    return node.kind == "op" and isinstance(node.target.lower, IndexMap)


def is_copy(node: Node) -> bool:
    """Whether a node's value is its operand's: in a functional graph a copy is a wish about memory, no more."""
    return node.kind == "op" and node.target.name in COPIES


def behind(node: Node, place: tuple) -> tuple[Node, tuple]:
    """The operand of a view or copy, and where it is read."""
    return node.args[0], source_index(node, place) if is_view(node) else place


def viewed(node: Node, dense: bool) -> Node | None:
    """The node behind a chain of views, if these are nothing but strides over its (C-contiguous) memory; C-contiguous ones, for `dense`."""
    shape = shape_of(node) if isinstance(node.value, FakeValue) else ()
    place = variables_of(shape)
    source, at = node, place
    while is_view(source) or is_copy(source):
        source, at = behind(source, at)
    if source is node or not isinstance(node.value, FakeValue):
        return source
    linear = flatten(at, shape_of(source))
    if not linear.is_linear:
        return None
    strides = tuple(linear.terms.get(next(iter(i.terms)), 0) if i.terms else 0 for i in place)
    return source if not dense or is_contiguous(shape, strides) else None


def reduced_dims(node: Node) -> tuple[int, ...]:
    """The dimensions that a reduction folds."""
    rank = node.args[0].value.ndim
    dim = node.args[1]
    if dim is None:
        return tuple(range(rank))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    return tuple(sorted(d % rank for d in dims)) if rank else ()


class Loader:
    """A tensor operand of an `Indexed` body."""

    __slots__ = ("evaluator", "node", "shape", "dtype")

    def __init__(self, evaluator: Evaluator, node: Node) -> None:
        self.evaluator = evaluator
        self.node = node
        self.shape = node.value.shape
        self.dtype = node.value.dtype

    def load(self, place: tuple) -> Value:
        return self.evaluator.value(self.node, tuple(index(i) for i in place))

    @property
    def ndim(self) -> int:
        return len(self.shape)


class Evaluator:
    """Values of nodes at indices, on one trace. `resolve(node, index)` answers for nodes that have memory, or are computed by the same kernel."""

    def __init__(self, trace: Trace, resolve: Callable[[Node, tuple[Index, ...]], Value | None]) -> None:
        self.trace = trace
        self.resolve = resolve
        self.known: dict[Any, Value] = {}
        self.ran: dict[Node, None] = {}  # nodes whose bodies ran, for the comments in the code

    def value(self, node: Node, place: tuple[Index, ...]) -> Value:
        """The value of `node` at `place` (one index for each dimension)."""
        key = (node, place, *self.trace.masks)
        found = self.known.get(key)
        if found is None:
            found = self.resolve(node, place)
            if found is None:
                found = self.body(node, place)
            self.known[key] = found
        return found

    def body(self, node: Node, place: tuple[Index, ...]) -> Value:
        """Run the row's body, whatever `resolve` would say of the node itself."""
        trace = self.trace
        before, trace.result_dtype = trace.result_dtype, node.value.dtype
        outer, trace.checks = trace.checks, []
        try:
            return trace.checked(trace.typed(_BODIES[type(node.target.lower)](self, node, place), node.value.dtype))
        finally:
            trace.result_dtype, trace.checks = before, outer
            self.ran[node] = None

    def operand(self, argument: Any, place: tuple[Index, ...], shape: tuple) -> Any:
        """A pointwise operand at an index of the result: dimensions of size one are broadcast."""
        number = argument.value if isinstance(argument, Node) else argument
        if isinstance(number, SymInt) and self.trace.result_dtype is BOOL:
            return number  # a comparison is made in the dtype of what the size is compared with
        if not isinstance(argument, Node) or isinstance(number, SymInt):
            return self.trace.constant(number)
        own = shape_of(argument)
        lead = len(shape) - len(own)
        at = tuple(index(0) if size == 1 or same(size, 1) else i for i, size in zip(place[lead:], own))  # a size that is written otherwise was found to be equal
        return self.value(argument, at)


def _scalar(evaluator: Evaluator, node: Node, place: tuple) -> Value:
    shape = shape_of(node)
    operands = []
    for parameter, argument in zip(node.target.schema.parameters, node.args):
        tensor = parameter.kind != "attribute" and argument is not None
        operands.append(evaluator.operand(argument, place, shape) if tensor else argument)
    return node.target.lower.body(evaluator.trace, *operands)


def _index_map(evaluator: Evaluator, node: Node, place: tuple) -> Value:
    return evaluator.value(node.args[0], source_index(node, place))


def source_index(node: Node, place: tuple) -> tuple[Index, ...]:
    """Where a view reads its operand."""
    source = node.args[0]
    mapped = node.target.lower.map(place, node.value.shape, source.value.shape, *node.args[1:])
    return tuple(index(0) if size == 1 else index(i) for i, size in zip(mapped, shape_of(source)))


def loaders(evaluator: Evaluator, args: tuple) -> list:
    """Arguments with loaders in place of nodes."""

    def one(argument: Any) -> Any:
        if isinstance(argument, Node):
            return argument.value if isinstance(argument.value, SymInt) else Loader(evaluator, argument)
        return tuple(map(one, argument)) if isinstance(argument, tuple) else argument

    return [one(argument) for argument in args]


def _indexed(evaluator: Evaluator, node: Node, place: tuple) -> Value:
    return node.target.lower.body(evaluator.trace, place, node.value.shape, *loaders(evaluator, node.args))


def _unread(evaluator: Evaluator, node: Node, place: tuple) -> Value:
    """What only memory could give, of a node that got none, as all its readers were found to leave it out (a slice written over whole). Code with it would not print."""
    return evaluator.trace.make("unread", (), (node.name,), node.value.dtype)


FEW = 8  # a fold of no more elements than this may be written out


def folded_count(node: Node) -> Any:
    """How many elements a reduction folds into one."""
    sizes = shape_of(node.args[0])
    return product(sizes[d] for d in reduced_dims(node))


def is_written_out(node: Node) -> bool:
    """Whether a reduction can be done element by element, each of them a short expression."""
    count = folded_count(node)
    return type(count) is int and 0 < count <= FEW


def _few(evaluator: Evaluator, node: Node, place: tuple) -> Value:
    """A reduction of a few elements, written out."""
    if not is_written_out(node):
        return _unread(evaluator, node, place)
    trace, source, kind, dims = evaluator.trace, node.args[0], node.target.lower.kind, reduced_dims(node)
    shape = shape_of(source)
    kept = iter(place if len(place) != len(shape) or not dims else [i for d, i in enumerate(place) if d not in dims])
    around = [None if d in dims else next(kept) for d in range(len(shape))]
    elements = []
    for number in range(folded_count(node)):
        inside = iter(unflatten(index(number), tuple(shape[d] for d in dims)))
        elements.append(fold_operand(trace, node, evaluator.value(source, tuple(next(inside) if i is None else i for i in around))))
    if kind in POSITIONS:
        return _place_of_extreme(trace, elements, "gt" if kind == "argmax" else "lt")
    return trace.cast(functools.reduce(getattr(trace, _FOLDS[kind]), elements), node.value.dtype)


_FOLDS = {"sum": "add", "prod": "mul", "amax": "maximum", "amin": "minimum", "any": "logical_or", "all": "logical_and"}


def fold_operand(trace: Trace, node: Node, value: Value) -> Value:
    """What a reduction folds, in the dtype in which it folds."""
    kind = node.target.lower.kind
    if kind in ("any", "all"):
        return trace.as_bool(value)
    if kind in ("sum", "prod"):
        return trace.cast(value, accumulator(node.value.dtype))
    return trace.cast(value, INT32) if kind in POSITIONS and value.dtype is BOOL else value


def accumulator(dtype: Any) -> Any:
    """The dtype in which sums and products of this result dtype run."""
    return FLOAT32 if dtype in SHORT else dtype


def _place_of_extreme(trace: Trace, elements: list[Value], beyond: str) -> Value:
    """The number of the first element that none is beyond; the first NaN is beyond all."""
    best, found = elements[0], trace.typed(0, INT64)
    for number, element in enumerate(elements[1:], 1):
        better = trace.logical_or(trace.primitive(beyond, element, best), trace.logical_and(trace.primitive("isnan", element), trace.logical_not(trace.primitive("isnan", best))))
        best, found = trace.where(better, element, best), trace.where(better, trace.typed(number, INT64), found)
    return found


def walked_shape(node: Node) -> tuple:
    """The shape that a scatter walks."""
    lower = node.target.lower
    names = [p.name for p in node.target.schema.parameters]
    if lower.space is None:
        return shape_of(node.args[names.index(lower.source)])
    return tuple(size_of(s) for s in lower.space(*loaders(Evaluator(Trace(), _no_memory), node.args)))


def _no_memory(node: Node, place: tuple) -> Value | None:
    raise LookupError(f"{node} has no value here")


def is_selection(node: Node) -> bool:
    """Whether a scatter gives each element of the result at most one element of its source, found by comparing an index: then it is pointwise."""
    domain, shape = walked_shape(node), shape_of(node)
    if len(domain) != len(shape) or not shape:
        return False
    place = variables_of(domain)
    trace = Trace()
    evaluator = Evaluator(trace, lambda n, at: trace.make("load", (), (n, tuple(at)), n.value.dtype))
    target = scatter_values(evaluator, node, place)[0]
    return all((i == p and same(size, full)) or size == 1 for i, p, size, full in zip(target, place, domain, shape))


def _selection(evaluator: Evaluator, node: Node, place: tuple) -> Value:
    """A scatter as a choice: the source where its index is this one, else the base."""
    trace = evaluator.trace
    domain = walked_shape(node)
    at = tuple(index(0) if size == 1 else i for i, size in zip(place, domain))
    target, value = scatter_values(evaluator, node, at)
    here = trace.typed(True, dtypes.bool)
    for wanted, own, size in zip(target, place, domain):
        if size == 1:
            here = trace.logical_and(here, trace.primitive("eq", trace.index_expr(own), trace.index_expr(wanted)))
    base = evaluator.value(nodes_in(node.args)[0], place)
    if scatter_mode(node) == "add":
        return trace.primitive("add", base, trace.where(here, value, trace.typed(0, node.value.dtype)))
    return trace.where(here, value, base)


_BODIES: dict[type, Callable[[Evaluator, Node, tuple], Any]] = {
    Scalar: _scalar, IndexMap: _index_map, Indexed: _indexed, Reduction: _few, Scatter: _selection, Extern: _unread, Host: _unread,
}  # fmt: skip


def scatter_values(evaluator: Evaluator, node: Node, place: tuple[Index, ...]) -> tuple[tuple[Index, ...], Value]:
    """For one index of a scatter's source: the index of the result, and the source's value there."""
    lower = node.target.lower
    names = [p.name for p in node.target.schema.parameters]
    position = names.index(lower.source)
    operands = loaders(evaluator, node.args)
    trace = evaluator.trace
    before, trace.result_dtype = trace.result_dtype, node.value.dtype
    try:
        target = lower.target(trace, place, node.value.shape, *operands)
        source = node.args[position]
        if isinstance(source, Node):
            own = shape_of(source)
            lead = len(place) - len(own)
            at = tuple(index(0) if size == 1 else i for i, size in zip(place[lead:], own))
            value = evaluator.value(source, at)
        else:
            value = trace.typed(source, node.value.dtype)
    finally:
        trace.result_dtype = before
    return tuple(index(i) for i in target), value


def scatter_mode(node: Node) -> str:
    mode = node.target.lower.mode
    return mode if isinstance(mode, str) else mode(*node.args)
