"""Lowering: from graph nodes to units of work whose values can be asked for, element by element.

In comes a functional graph; out come `Unit`s (something that is computed into memory of its own: a pointwise root, a reduction, a scatter, a call of the
run-time library, an eager kernel) and, through `Evaluator`, the value of any node at any index. The one idea: views and cheap pointwise nodes are no
units at all; asking for their value runs their row's body at the index that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..eager import dtypes
from ..eager.ops.definition import Extern, Host, Indexed, IndexMap, Reduction, Scalar, Scatter
from ..graph.ir import FakeValue, Graph, Node, nodes_in
from ..graph.symbolic import SymInt
from .expressions import Index, Variable, flatten, hint, index, product, same, size_of
from .loops import COSTLY, SUPPORTED, Trace, Value

POSITIONS = ("argmax", "argmin")
MAX_READS = 12  # an inlined chain that reads more buffers than this is computed into memory
MAX_OPERATIONS = 60  # and one that is longer than this
CONVOLVED = (dtypes.float32, dtypes.float64)  # dtypes that the run-time library convolves
INLINE_CONSTANT = 1  # constants up to this many elements become numbers in the code
EXTERN_SYMBOLS = frozenset(
    "matmul conv2d conv2d_input_gradient conv2d_weight_gradient max_pool2d_indices cumsum argsort".split()
)


class Buffer:
    """A place in memory for one node's value. `kind`: input, constant, temporary, output or partial (what a reduction over rows has so far)."""

    __slots__ = ("name", "dtype", "elements", "kind", "node", "position", "offset", "shape")

    def __init__(self, name: str, dtype: Any, elements: Any, kind: str, node: Node | None = None, position: int = 0, shape: tuple = ()) -> None:
        self.name = name
        self.dtype = dtype
        self.elements = elements
        self.kind = kind
        self.node = node
        self.position = position
        self.offset: Any = None
        self.shape = shape

    @property
    def bytes(self) -> Any:
        return self.elements * self.dtype.itemsize

    def __repr__(self) -> str:
        return self.name


class Unit:
    """One piece of work. `domain`: the shape that it walks (a reduction's operand, a scatter's source, else the result's shape).

    reads     (unit, index in terms of `variables`) for every access to another unit's result; for units without a loop the index is None
    loads     buffers of inputs and constants that it reads
    """

    __slots__ = ("node", "kind", "domain", "dims", "variables", "reads", "loads", "cost", "stored", "number", "buffer", "operands", "trace_length", "input_reads",
                 "is_copy")  # fmt: skip

    def __init__(self, node: Node, kind: str, domain: tuple, dims: tuple[int, ...] = ()) -> None:
        self.node = node
        self.kind = kind
        self.domain = domain
        self.dims = dims  # of a reduction: the folded dimensions
        self.variables = tuple(index(Variable(f"d{i}", size)) if size != 1 else index(0) for i, size in enumerate(domain))
        self.reads: list[tuple[Unit, tuple[Index, ...] | None]] = []
        self.loads: list[Buffer] = []
        self.input_reads: list[tuple[Buffer, Index | None]] = []
        self.cost = 0
        self.stored = False
        self.number = -1
        self.buffer: Buffer | None = None
        self.operands: list[Operand] = []
        self.trace_length = 0
        self.is_copy = False  # it copies the value that its node has elsewhere

    @property
    def name(self) -> str:
        return self.node.name

    def __repr__(self) -> str:
        return f"<{self.kind} {self.node.name}>"


def reduction_form(unit: Unit) -> str:
    """row: folds the innermost dimension; column: folds outer ones only; full: folds all."""
    live = [d for d, size in enumerate(unit.domain) if size != 1]
    if not live or unit.node.target.lower.kind in POSITIONS:
        return "row"
    if all(d in unit.dims for d in live):
        return "full"
    return "row" if live[-1] in unit.dims else "column"


def is_partial(unit: Unit) -> bool:
    """Whether a reduction folds rows: its kernel leaves one partial result for each chunk of rows."""
    return unit.kind == "reduction" and reduction_form(unit) != "row"


class Operand:
    """What a run-time call reads: a buffer, strides in elements for each dimension of the node, and an offset."""

    __slots__ = ("buffer", "shape", "strides", "offset", "dtype", "unit")

    def __init__(self, buffer: Any, shape: tuple, strides: tuple, offset: Any, dtype: Any, unit: Unit | None) -> None:
        self.buffer = buffer
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.dtype = dtype
        self.unit = unit


def shape_of(node: Node) -> tuple:
    return tuple(size_of(size) for size in node.value.shape)


def is_view(node: Node) -> bool:
    return node.kind == "op" and isinstance(node.target.lower, IndexMap)


def viewed(node: Node, dense: bool) -> Node | None:
    """The node behind a chain of views, if these are nothing but strides over its (C-contiguous) memory; C-contiguous ones, for `dense`."""
    shape = shape_of(node) if isinstance(node.value, FakeValue) else ()
    place = tuple(index(Variable(f"d{i}", size)) if size != 1 else index(0) for i, size in enumerate(shape))
    source, at = node, place
    while is_view(source):
        source, at = source.args[0], source_index(source, at)
    if source is node or not isinstance(node.value, FakeValue):
        return source
    linear = flatten(at, shape_of(source))
    if not linear.is_linear:
        return None
    strides = tuple(linear.terms.get(next(iter(i.terms)), 0) if i.terms else 0 for i in place)
    return source if not dense or _contiguous(shape, strides) else None


def reduced_dims(node: Node) -> tuple[int, ...]:
    """The dimensions that a reduction folds."""
    rank = node.args[0].value.ndim
    dim = node.args[1]
    if dim is None:
        return tuple(range(rank))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    return tuple(sorted(d % rank for d in dims)) if rank else ()


def supported(node: Node) -> bool:
    """Whether all tensors at a node have dtypes that generated code knows."""
    values = [node.value, *(n.value for n in nodes_in(node.args))]
    return all(v.dtype in SUPPORTED for v in values if isinstance(v, FakeValue))


def kind_of(node: Node) -> str:
    """What a node becomes: view, pointwise, reduction, scatter, extern or host."""
    lower = node.target.lower
    if not supported(node):
        return "host"
    if isinstance(lower, Extern):
        known = lower.symbol in EXTERN_SYMBOLS and not (lower.symbol.startswith("conv") and node.value.dtype not in CONVOLVED)
        return "extern" if known else "host"
    if isinstance(lower, Scatter) and is_selection(node):
        return "pointwise"
    if isinstance(lower, Reduction) and not reduced_dims(node):
        return "pointwise"
    return _KINDS[type(lower)]


_KINDS = {Scalar: "pointwise", Indexed: "pointwise", IndexMap: "view", Reduction: "reduction", Scatter: "scatter", Host: "host"}


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
        try:
            return trace.typed(_BODIES[type(node.target.lower)](self, node, place), node.value.dtype)
        finally:
            trace.result_dtype = before
            self.ran[node] = None

    def operand(self, argument: Any, place: tuple[Index, ...], shape: tuple) -> Any:
        """A pointwise operand at an index of the result: dimensions of size one are broadcast."""
        if not isinstance(argument, Node):
            return self.trace.constant(argument)
        if isinstance(argument.value, SymInt):
            return self.trace.constant(argument.value)
        own = shape_of(argument)
        lead = len(shape) - len(own)
        at = tuple(index(0) if size == 1 or not same(size, full) else i for i, size, full in zip(place[lead:], own, shape[lead:]))
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
    return tuple(index(0) if size == 1 else index(i) for i, size in zip(mapped, source.value.shape))


def loaders(evaluator: Evaluator, args: tuple) -> list:
    """Arguments with loaders in place of nodes."""

    def one(argument: Any) -> Any:
        if isinstance(argument, Node):
            return argument.value if isinstance(argument.value, SymInt) else Loader(evaluator, argument)
        return tuple(map(one, argument)) if isinstance(argument, tuple) else argument

    return [one(argument) for argument in args]


def _indexed(evaluator: Evaluator, node: Node, place: tuple) -> Value:
    return node.target.lower.body(evaluator.trace, place, node.value.shape, *loaders(evaluator, node.args))


def _no_reduction(evaluator: Evaluator, node: Node, place: tuple) -> Value:
    """A reduction over no dimensions."""
    if node.target.lower.kind in ("argmax", "argmin"):
        return evaluator.trace.typed(0, node.value.dtype)
    return evaluator.trace.cast(evaluator.value(node.args[0], place), node.value.dtype)


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
    place = tuple(index(Variable(f"d{i}", size)) if size != 1 else index(0) for i, size in enumerate(domain))
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
    base = evaluator.value(next(nodes_in(node.args)), place)
    if scatter_mode(node) == "add":
        return trace.primitive("add", base, trace.where(here, value, trace.typed(0, node.value.dtype)))
    return trace.where(here, value, base)


_BODIES: dict[type, Callable[[Evaluator, Node, tuple], Any]] = {
    Scalar: _scalar, IndexMap: _index_map, Indexed: _indexed, Reduction: _no_reduction, Scatter: _selection,
}  # fmt: skip


class Lowering:
    """All units of a graph, in topological order, and which nodes are computed where they are used."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.units: list[Unit] = []
        self.unit_of: dict[Node, Unit] = {}
        self.inputs: dict[Node, Buffer] = {}
        self.constants: list[Node] = []
        self.live = self._live_nodes()
        self.forced = self._forced()
        self.readers = self._count_readers()
        for position, node in enumerate(graph.inputs):
            if isinstance(node.value, FakeValue):
                self.inputs[node] = Buffer(node.name, node.value.dtype, product(shape_of(node)), "input", node, position, shape_of(node))
        for node in graph.nodes[:-1]:
            if node in self.live:
                self._lower(node)

    # -------------------------------------------------------------------------------------------- what is needed

    def _live_nodes(self) -> set[Node]:
        live: set[Node] = set()
        todo = list(nodes_in(self.graph.output_node.args))
        while todo:
            node = todo.pop()
            if node not in live:
                live.add(node)
                todo.extend(nodes_in(node.args))
        return live

    def _forced(self) -> set[Node]:
        """Pointwise nodes that must stand in memory: results, and what calls and scatters read (behind views)."""
        forced = set(nodes_in(self.graph.output_node.args))
        for node in self.graph.nodes:
            if node in self.live and node.kind == "op" and kind_of(node) in ("extern", "host"):
                dense = kind_of(node) == "host" or node.target.lower.symbol != "matmul"
                for argument in nodes_in(node.args):
                    source = viewed(argument, dense)
                    if source is not None:
                        forced.add(source)
        return forced

    def _count_readers(self) -> dict[Node, int]:
        """How many live nodes use a node, looking through views."""
        readers: dict[Node, set[Node]] = {}
        for node in self.graph.nodes:
            if node not in self.live or node.kind != "op" or is_view(node):
                continue
            for argument in nodes_in(node.args):
                while is_view(argument):
                    argument = argument.args[0]
                readers.setdefault(argument, set()).add(node)
        return {node: len(found) for node, found in readers.items()}

    # -------------------------------------------------------------------------------------------- units

    def _lower(self, node: Node) -> None:
        if node.kind == "constant":
            if product(shape_of(node)) != INLINE_CONSTANT or node.value.dtype not in SUPPORTED:
                self.inputs[node] = Buffer(node.name, node.value.dtype, product(shape_of(node)), "constant", node, len(self.constants), shape_of(node))
                self.constants.append(node)
            return
        if node.kind != "op":
            return
        kind = kind_of(node)
        if kind == "view":
            return
        if kind == "pointwise":
            self._pointwise(node)
        else:
            getattr(self, f"_{kind}")(node)

    def _add(self, unit: Unit) -> Unit:
        unit.number = len(self.units)
        self.units.append(unit)
        self.unit_of[unit.node] = unit
        unit.buffer = Buffer(unit.node.name, unit.node.value.dtype, product(shape_of(unit.node)), "temporary", unit.node, shape=shape_of(unit.node))
        return unit

    def _pointwise(self, node: Node) -> None:
        """A root if it must be, or if computing it again for each reader would cost more than reading it back."""
        unit = Unit(node, "pointwise", shape_of(node))
        full = self._analyse(unit, lambda evaluator: evaluator.body(node, unit.variables))
        many = self.readers.get(node, 0) > 1 and (full > 1 or unit.cost >= COSTLY)
        if node in self.forced or many or len(unit.reads) + len(unit.loads) > MAX_READS or unit.trace_length > MAX_OPERATIONS:
            self._add(unit)

    def _reduction(self, node: Node) -> None:
        source = node.args[0]
        unit = Unit(node, "reduction", shape_of(source), reduced_dims(node))
        self._analyse(unit, lambda evaluator: evaluator.value(source, unit.variables))
        self._add(unit)
        if is_partial(unit) and (node in self.forced or self.readers.get(node, 0) > 1):
            whole = Unit(node, "pointwise", shape_of(node))
            self._analyse(whole, lambda evaluator: evaluator.value(node, whole.variables))
            self._add(whole)

    def _scatter(self, node: Node) -> None:
        """A copy of the base, then the scatter into that copy's memory."""
        base = next(nodes_in(node.args))
        copy = Unit(base, "pointwise", shape_of(node))
        copy.is_copy = copy.stored = True
        self._analyse(copy, lambda evaluator: evaluator.value(base, copy.variables))
        copy.buffer = Buffer(node.name, node.value.dtype, product(shape_of(node)), "temporary", node, shape=shape_of(node))
        copy.number = len(self.units)
        self.units.append(copy)
        unit = Unit(node, "scatter", walked_shape(node))
        self._analyse(unit, lambda evaluator: scatter_values(evaluator, node, unit.variables)[1])
        unit.reads.append((copy, None))
        self._add(unit)
        unit.buffer = copy.buffer

    def _extern(self, node: Node) -> None:
        unit = Unit(node, "extern", shape_of(node))
        dense = node.target.lower.symbol != "matmul"
        unit.operands = [self.operand(argument, unit, dense) for argument in nodes_in(node.args) if isinstance(argument.value, FakeValue)]
        self._add(unit)

    def _host(self, node: Node) -> None:
        unit = Unit(node, "host", shape_of(node))
        unit.operands = [self.operand(argument, unit, True) for argument in nodes_in(node.args) if isinstance(argument.value, FakeValue)]
        self._add(unit)

    # -------------------------------------------------------------------------------------------- reads

    def operand(self, node: Node, reader: Unit, dense: bool) -> Operand:
        """A node as strides over a buffer, computed into memory first where it is no such thing (or not C-contiguous, for `dense`)."""
        shape = shape_of(node)
        place = tuple(index(Variable(f"d{i}", size)) if size != 1 else index(0) for i, size in enumerate(shape))
        source, at = node, place
        while is_view(source) and source not in self.unit_of:
            source, at = source.args[0], source_index(source, at)
        if source in self.inputs and source not in self.unit_of:
            strides = tuple(size_of(s) for s in source.value.strides)
            linear = sum((i * s for i, s in zip(at, strides)), Index({}))
            buffer, unit = self.inputs[source], None
        else:
            unit = self.unit_of.get(source)
            if unit is None:
                return self._materialised(node, reader, dense)
            linear = flatten(at, shape_of(source))
            buffer = unit.buffer
        if not linear.is_linear:
            return self._materialised(node, reader, dense)
        strides = tuple(linear.terms.get(next(iter(i.terms)), 0) if i.terms else 0 for i in place)
        if dense and not _contiguous(shape, strides):
            return self._materialised(node, reader, dense)
        if unit is not None:
            reader.reads.append((unit, None))
        else:
            reader.loads.append(buffer)
            reader.input_reads.append((buffer, None))
        return Operand(buffer, shape, strides, linear.offset, node.value.dtype, unit)

    def _materialised(self, node: Node, reader: Unit, dense: bool) -> Operand:
        """The node computed into memory of its own, C-contiguous."""
        unit = self.unit_of.get(node)
        if unit is None:
            unit = Unit(node, "pointwise", shape_of(node))
            self._analyse(unit, lambda evaluator: self._rooted(evaluator, node, unit.variables))
            self._add(unit)
        return self.operand(node, reader, dense)

    def materialise(self, node: Node) -> Unit:
        """The unit that computes a node that is no unit yet (a view or an input that is a result of the graph)."""
        unit = Unit(node, "pointwise", shape_of(node))
        self._analyse(unit, lambda evaluator: self._rooted(evaluator, node, unit.variables))
        return self._add(unit)

    def _rooted(self, evaluator: Evaluator, node: Node, place: tuple) -> Value:
        return evaluator.body(node, place) if node.kind == "op" else evaluator.value(node, place)

    def _resolver(self, trace: Trace, reads: list, loads: list) -> Callable[[Node, tuple[Index, ...]], Value | None]:
        def resolve(node: Node, place: tuple[Index, ...]) -> Value | None:
            if node.kind == "constant" and node not in self.inputs:
                return trace.typed(node.args[0].item(), node.value.dtype)
            buffer = self.inputs.get(node)
            if buffer is not None:
                loads.append((buffer, place))
                return trace.load(buffer, linear_place(buffer, place))
            unit = self.unit_of.get(node)
            if unit is None:
                return None
            reads.append((unit, place))
            return trace.load(unit.buffer, flatten(place, shape_of(node)))

        return resolve

    def _analyse(self, unit: Unit, run: Callable[[Evaluator], Value]) -> int:
        """Run a unit's body once on a trace of its own: what it reads and costs. Returns how many full-sized buffers it reads."""
        trace = Trace()
        reads: list = []
        loads: list = []
        run(Evaluator(trace, self._resolver(trace, reads, loads)))
        unit.reads.extend(reads)
        for buffer, place in loads:
            unit.input_reads.append((buffer, place))
            if buffer not in unit.loads:
                unit.loads.append(buffer)
        unit.cost += sum(v.cost for v in trace.ordered if v.op != "load")
        unit.trace_length += len(trace.ordered)
        size = hint(product(unit.domain))
        full = {id(v.attribute[0]) for v in trace.ordered if v.op == "load" and 2 * hint(v.attribute[0].elements) > size}
        return len(full)


def _contiguous(shape: tuple, strides: tuple) -> bool:
    if 0 in shape:
        return True
    expected: Any = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size != 1 and not same(stride, expected):
            return False
        expected = size * expected
    return True


def linear_place(buffer: Buffer, place: tuple[Index, ...]) -> Index:
    """The linear position of an element of an input or constant, by its strides."""
    strides = buffer.node.value.strides if buffer.node is not None else ()
    return sum((i * size_of(s) for i, s in zip(place, strides)), Index({}))


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


__all__ = ["POSITIONS", "Buffer", "Evaluator", "Loader", "Lowering", "Operand", "Unit", "is_partial", "is_view", "kind_of", "reduction_form", "scatter_mode", "scatter_values", "shape_of"]
