"""Lowering: from graph nodes to units of work whose values can be asked for, element by element.

In comes a functional graph; out come `Unit`s (something that is computed into memory of its own: a pointwise root, a reduction, a scatter, a call of the
run-time library, an eager kernel) and, through `Evaluator`, the value of any node at any index. The one idea: views and cheap pointwise nodes are no
units at all; asking for their value runs their row's body at the index that is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ..eager import dtypes
from ..eager.ops.definition import Extern, Host, Indexed, IndexMap, Reduction, Scalar, Scatter
from ..graph.ir import FakeValue, Graph, Node, nodes_in
from .evaluate import Evaluator, behind, is_copy, is_selection, is_view, is_written_out, reduced_dims, scatter_values, viewed, walked_shape
from .expressions import Index, Looked, Variable, hint, product, same, variables_of
from .loops import COSTLY, SUPPORTED, Trace, Value
from .units import Buffer, Operand, Unit, is_contiguous, is_partial, shape_of

MAX_READS = 12  # an inlined chain that reads more buffers than this is computed into memory
MAX_OPERATIONS = 60  # and one that is longer than this
CONVOLVED = (dtypes.float32, dtypes.float64)  # dtypes that the run-time library convolves
INLINE_CONSTANT = 1  # constants up to this many elements become numbers in the code
EXTERN_SYMBOLS = frozenset(
    "matmul convolution convolution_input_gradient convolution_weight_gradient max_pool_indices cumsum argsort".split()
)


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
    if isinstance(lower, Reduction) and (not reduced_dims(node) or _stays_small(node)):
        return "pointwise"
    return _KINDS[type(lower)]


_KINDS = {Scalar: "pointwise", Indexed: "pointwise", IndexMap: "view", Reduction: "reduction", Scatter: "scatter", Host: "host"}


WIDE = 64  # results of which it pays to write a short fold out
REACH = 100  # nodes that are looked at behind it: what comes later is in another kernel, and a deep graph is not walked anew for each of its folds


def _stays_small(node: Node) -> bool:
    """Whether a reduction is one of a few elements (the coordinates of a point, four neighbours), and what comes of it never meets its operand's elements again: then
    vectors go along its results. Otherwise a kernel that walks the operand's rows has both at hand."""
    if not is_written_out(node) or hint(product(shape_of(node))) < WIDE:
        return False
    whole, seen, todo = shape_of(node.args[0]), {node}, [node]
    while todo and len(seen) < REACH:
        for user in todo.pop(0).users:  # the nearest first
            if user in seen or user.kind != "op":
                continue
            if not is_view(user) and isinstance(user.value, FakeValue) and user.value.ndim == len(whole) and all(map(same, shape_of(user), whole)):
                return False
            if is_view(user) or isinstance(user.target.lower, (Scalar, Indexed)):
                seen.add(user)
                todo.append(user)
    return True


class Lowering:
    """All units of a graph, in topological order, and which nodes are computed where they are used."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.units: list[Unit] = []
        self.unit_of: dict[Node, Unit] = {}
        self.inputs: dict[Node, Buffer] = {}
        self.constants: list[Node] = []
        self.evaluators: dict[tuple, Evaluator] = {}
        self.read_by: dict[Value, tuple[Unit | Buffer, tuple[Index, ...]]] = {}  # a load -> what it reads, and where
        self.live = self._live_nodes()
        self.results = set(nodes_in(graph.output_node.args))
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
        todo = nodes_in(self.graph.output_node.args)
        while todo:
            node = todo.pop()
            if node not in live:
                live.add(node)
                todo.extend(nodes_in(node.args))
        return live

    def _forced(self) -> set[Node]:
        """Pointwise nodes that must stand in memory: results, and what calls and scatters read (behind views)."""
        forced = set(self.results)
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
        evaluator = self._evaluator(unit.domain)
        value = evaluator.body(node, unit.variables)
        full = self._analyse(unit, lambda _: value)
        many = self.readers.get(node, 0) > 1 and (full > 1 or unit.cost >= COSTLY)
        in_part = bool(unit.checks) and any(self._reads_in_part(user, node) for user in node.users)
        if node in self.forced or many or in_part or len(unit.reads) + len(unit.loads) > MAX_READS or unit.trace_length > MAX_OPERATIONS:
            self._add(unit)
        else:
            evaluator.known[node, unit.variables] = value

    def _reads_in_part(self, user: Node, node: Node) -> bool:
        """Whether a reader leaves elements of a node out, directly or behind views: what is wrong with them would not be found."""
        if user not in self.live or user.kind != "op":
            return False
        if not is_view(user):
            return "checked" in user.target.tags and user.target.kind != "pointwise"
        return not same(product(shape_of(user)), product(shape_of(node))) or any(self._reads_in_part(other, node) for other in user.users)

    def _reduction(self, node: Node) -> None:
        source = node.args[0]
        unit = Unit(node, "reduction", shape_of(source), reduced_dims(node))
        self._analyse(unit, lambda evaluator: evaluator.value(source, unit.variables))
        self._add(unit)
        if is_partial(unit) and (node in self.forced or self.readers.get(node, 0) > 1):
            whole = Unit(node, "pointwise", shape_of(node))
            self._analyse(whole, lambda evaluator: evaluator.value(node, whole.variables))
            self._add(whole)
            self.evaluators.clear()  # what they know of the node is the partial results

    def _scatter(self, node: Node) -> None:
        """A copy of the base, then the scatter into that copy's memory."""
        base = nodes_in(node.args)[0]
        copy = Unit(base, "pointwise", shape_of(node))
        copy.is_copy = copy.stored = True
        self._analyse(copy, lambda evaluator: evaluator.value(base, copy.variables))
        copy.buffer = Buffer(node.name, node.value.dtype, product(shape_of(node)), "temporary", node, shape=shape_of(node))
        copy.number = len(self.units)
        self.units.append(copy)
        unit = Unit(node, "scatter", walked_shape(node))
        self._analyse(unit, lambda evaluator: _scattered(evaluator, node, unit.variables))
        unit.reads.append((copy, None))
        self._add(unit)
        unit.buffer = copy.buffer

    def _extern(self, node: Node) -> None:
        unit = Unit(node, "extern", shape_of(node))
        product_ = node.target.lower.symbol == "matmul"
        unit.operands = [self.operand(argument, unit, not product_) for argument in nodes_in(node.args) if isinstance(argument.value, FakeValue)]
        buffer = self._add(unit).buffer
        assert buffer is not None
        if product_:
            buffer.order = self._order(node)

    def _order(self, node: Node) -> tuple[int, ...] | None:
        """The memory order of a product: that in which all its readers permute it, if they agree, so that nobody has to copy it."""
        wanted = {user.args[1] if user.target is not None and user.target.name == "permute" else None for user in node.users if user in self.live}
        order = wanted.pop() if len(wanted) == 1 and node not in self.results else None
        return order if order is not None and order[-1] >= len(order) - 2 else None

    def _host(self, node: Node) -> None:
        unit = Unit(node, "host", shape_of(node))
        unit.operands = [self.operand(argument, unit, True) for argument in nodes_in(node.args) if isinstance(argument.value, FakeValue)]
        self._add(unit)

    # -------------------------------------------------------------------------------------------- reads

    def operand(self, node: Node, reader: Unit, dense: bool) -> Operand:
        """A node as strides over a buffer, computed into memory first where it is no such thing (or not C-contiguous, for `dense`)."""
        shape = shape_of(node)
        place = variables_of(shape)
        source, at = node, place
        while (is_view(source) or is_copy(source)) and source not in self.unit_of:
            source, at = behind(source, at)
        unit = self.unit_of.get(source)
        buffer = unit.buffer if unit is not None else self.inputs.get(source)
        if buffer is None:
            return self._materialised(node, reader, dense)
        linear = buffer.at(at)
        if not linear.is_linear:
            return self._materialised(node, reader, dense)
        strides = tuple(linear.terms.get(next(iter(i.terms)), 0) if i.terms else 0 for i in place)
        if dense and not is_contiguous(shape, strides):
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
            self._add_late(unit)
        return self.operand(node, reader, dense)

    def materialise(self, node: Node) -> Unit:
        """The unit that computes a node that is no unit yet (a view or an input that is a result of the graph)."""
        return self._add_late(Unit(node, "pointwise", shape_of(node)))

    def _add_late(self, unit: Unit) -> Unit:
        """A unit for a node that others may have computed for themselves already: from now on it is read."""
        node = unit.node
        self._analyse(unit, lambda evaluator: (evaluator.body if node.kind == "op" else evaluator.value)(node, unit.variables))
        self.evaluators.clear()
        return self._add(unit)

    def _analyse(self, unit: Unit, run: Callable[[Evaluator], Any]) -> int:
        """Run a unit's body: what it reads and costs. `run` gives its values. Returns how many full-sized buffers it reads."""
        evaluator = self._evaluator(unit.domain)
        size = hint(product(unit.domain))
        full: set[Buffer] = set()
        for value in _behind(run(evaluator)):
            unit.trace_length += 1
            if value.op in ("as_index", "require"):
                unit.checks.add(_check(value) or value)
            if value.op != "load":
                unit.cost += value.cost
                continue
            buffer = value.attribute[0]
            if 2 * hint(buffer.elements) > size:
                full.add(buffer)
            source, place = self.read_by[value]
            if isinstance(source, Unit):
                unit.reads.append((source, place))
                continue
            unit.input_reads.append((source, place))
            if source not in unit.loads:
                unit.loads.append(source)
        return len(full)

    def _evaluator(self, domain: tuple) -> Evaluator:
        """The evaluator of all units that walk `domain`: what several of them compute again for themselves is traced once."""
        found = self.evaluators.get(domain)
        if found is None:
            trace = Trace()
            found = self.evaluators[domain] = Evaluator(trace, lambda node, place: self._resolve(trace, node, place))
        return found

    def _resolve(self, trace: Trace, node: Node, place: tuple[Index, ...]) -> Value | None:
        if node.kind == "constant" and node not in self.inputs:
            return trace.typed(node.args[0].item(), node.value.dtype)
        source: Unit | Buffer | None = self.inputs.get(node) or self.unit_of.get(node)
        if source is None:
            return None
        buffer = source.memory if isinstance(source, Unit) else source
        value = trace.load(buffer, buffer.at(place))
        self.read_by.setdefault(value, (source, place))
        return value


def _scattered(evaluator: Evaluator, node: Node, place: tuple[Index, ...]) -> list[Value]:
    """The values of a scatter: what it stores, and those that say where."""
    target, value = scatter_values(evaluator, node, place)
    return [value, *dict.fromkeys(atom.value for i in target for atom in i.variables() if isinstance(atom, Looked))]


def _behind(roots: Any) -> Iterator[Value]:
    """These values and all that they are computed from, each once."""
    todo = [roots] if isinstance(roots, Value) else list(roots)
    seen: set[Value] = set(todo)
    while todo:
        value = todo.pop()
        yield value
        for one in value.inputs:
            if one not in seen:
                seen.add(one)
                todo.append(one)


def _check(value: Value) -> tuple | None:
    """What an index check looks at: the buffer, the places in it whatever order they are walked in, and the bound. None for checks not so plain."""
    if value.op != "as_index" or len(value.args) > 1:
        return None
    index = value.args[0]
    loaded = index.args[0] if index.op == "cast" else index
    if loaded.op != "load" or loaded.args:
        return None
    buffer, place = loaded.attribute
    if not all(isinstance(atom, Variable) for atom in place.terms):
        return None
    runs = [(coefficient, atom.size) for atom, coefficient in place.terms.items()]
    return buffer, place.offset, _joined(runs), *value.attribute


def _joined(runs: list[tuple[Any, Any]]) -> frozenset:
    """(step, size) of loops over memory, and how many there are of each: two of them are one where the second goes on at the first one's end."""
    for first, (step, size) in enumerate(runs):
        for second, (further, length) in enumerate(runs):
            if first != second and same(step * size, further):
                others = [run for place, run in enumerate(runs) if place not in (first, second)]
                return _joined([*others, (step, product((size, length)))])
    return frozenset(Counter(runs).items())
