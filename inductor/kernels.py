"""Kernels: from a group of units to a loop nest whose values, passes and stores are decided.

In comes a group of the scheduler; out comes a `Kernel`, which the code generator only has to print. The one idea: a fold over columns ends a pass; what
depends on its result belongs to the next pass over the same row, which the cache still holds. So softmax is one kernel of three passes, and what is dear and
needed in two of them is kept in a scratch row.
"""

from __future__ import annotations

from typing import Any

from ..graph.expressions import floordiv, sympy
from ..graph.ir import Node
from .evaluate import Evaluator, accumulator, fold_operand
from .expressions import Index, Looked, Rounded, Variable, ceil_divided, flatten, hint, product, same, size_of
from .loops import COSTLY, INT64, Trace, Value
from .lower import Lowering
from .schedule import CHUNK, COLUMN, Group, Space
from .units import MANY, POSITIONS, SHORT_VECTOR, Buffer, Unit, is_partial, reduction_form, shape_of

CHUNK_ROWS = (32, 512)  # rows that one task folds: at least, at most
CHUNKS = 256  # and no more chunks than this while that allows


class Run:
    """Adjacent loop dimensions that every access walks as one. `variables` outermost first; `size` is their product."""

    __slots__ = ("variables", "size", "role", "name")

    def __init__(self, variables: list[Variable], role: Any) -> None:
        self.variables = variables
        self.size = product(v.size for v in variables)
        self.role = role
        self.name = ""


class Store:
    """A value that goes to memory: to `buffer` at `place`, once for each element of its level."""

    __slots__ = ("buffer", "place", "value", "unit")

    def __init__(self, buffer: Buffer, place: Index, value: Value, unit: Unit) -> None:
        self.buffer = buffer
        self.place = place
        self.value = value
        self.unit = unit


class Partial:
    """A fold over rows: `value` (one for each row and column, or one for each row) goes into the partial result of the row's chunk."""

    __slots__ = ("buffer", "kind", "value", "unit", "place")

    def __init__(self, buffer: Buffer, kind: str, value: Value, unit: Unit, place: Index) -> None:
        self.buffer = buffer
        self.kind = kind
        self.value = value
        self.unit = unit
        self.place = place


def fold_count(group: Group) -> Any:
    """How many chunks the folded rows of a group are cut into."""
    assert group.space is not None
    return chunk_count(product(group.space.sizes[i] for i in group.space.places(CHUNK)), chunk_rows(group))


def chunk_count(rows: Any, per_chunk: int) -> Any:
    """At least one, so that a fold of no rows leaves its neutral element. A symbolic count may have an empty chunk at the end."""
    if type(rows) is int:
        return max(1, ceil_divided(rows, per_chunk))
    return rows if per_chunk == 1 else size_of(floordiv(rows, sympy.Integer(per_chunk)) + 1)


def chunk_rows(group: Group) -> int:
    """Rows in a chunk. Depends on sizes alone, never on the number of threads."""
    assert group.space is not None
    space = group.space
    if space.limit is not None:
        return 1
    rows = product(space.sizes[i] for i in space.places(CHUNK))
    if type(rows) is not int:
        return 64
    return max(CHUNK_ROWS[0], min(CHUNK_ROWS[1], -(-rows // CHUNKS)))


class Kernel:
    """One loop nest. `rows` are the runs that stay apart, `chunks` those folded in chunks, `columns` those walked within a row (the last by vectors)."""

    def __init__(self, group: Group, lowering: Lowering, group_of: dict[Unit, Group]) -> None:
        assert group.space is not None
        self.group = group
        self.lowering = lowering
        self.group_of = group_of
        self.trace = Trace()
        self.evaluator = Evaluator(self.trace, self._resolve)
        self.variables = [next(iter(v.terms)) for v in group.variables]
        self.role_of = dict(zip(self.variables, group.space.roles))
        self.stores: list[Store] = []
        self.partials: list[Partial] = []
        self.reductions: dict[Unit, Value] = {}
        self.pinned: set[Value] = set()  # computed anew in every step, as what they read changes
        self.needed = {other for unit in self._readers() for other, _ in unit.reads}
        for unit in group.units:
            self._sink(unit)
        self._choose_runs()
        self.columns_set = {v for run in self.columns for v in run.variables}
        self.vector_set = set(self.columns[-1].variables) if self.columns else set()
        self._levels()

    @property
    def sinks(self) -> list[Store | Partial]:
        return [*self.stores, *self.partials]

    @property
    def limit(self) -> Any:
        assert self.group.space is not None
        return self.group.space.limit

    def _readers(self) -> list[Unit]:
        """The units whose reads the schedule has seen to."""
        return self.group.units

    # -------------------------------------------------------------------------------------------- values

    def _sink(self, unit: Unit) -> None:
        place = flatten(self.group.result[unit], shape_of(unit.node))
        if unit.kind == "pointwise":
            value = self._member(unit)
            if unit.stored:
                self.stores.append(Store(unit.memory, place, value, unit))
        elif is_partial(unit):
            value = self._operand(unit)
            if reduction_form(unit) == "full":
                value = self._fold_columns(unit, value)
            self.partials.append(Partial(unit.memory, unit.node.target.lower.kind, value, unit, place))
        else:
            value = self._reduced(unit)
            if unit.stored:
                self.stores.append(Store(unit.memory, place, value, unit))

    def _resolve(self, node: Node, place: tuple[Index, ...]) -> Value | None:
        lowering = self.lowering
        if node.kind == "constant" and node not in lowering.inputs:
            return self.trace.typed(node.args[0].item(), node.value.dtype)
        buffer = lowering.inputs.get(node)
        if buffer is not None:
            return self.trace.load(buffer, buffer.at(place))
        unit = lowering.unit_of.get(node)
        if unit is None or unit not in self.needed:  # a view that got memory of its own later: the schedule does not know that it is read here
            return None
        if unit in self.group.place:
            if place != self.group.result[unit]:
                raise AssertionError(f"{unit} is read at {place}, but its kernel computes {self.group.result[unit]}")
            return self._member(unit) if unit.kind == "pointwise" else self._reduced(unit)
        return self.fold(unit, place) if is_partial(unit) else self.trace.load(unit.memory, unit.memory.at(place))

    def fold(self, unit: Unit, place: tuple[Index, ...]) -> Value:
        """The result of a fold over rows, from the partial results that its kernel left."""
        group = self.group_of[unit]
        linear = flatten(place, shape_of(unit.node))
        kept, inner = partial_layout(group, unit)
        count = fold_count(group)
        linear = linear if kept == 1 else (linear // inner) * (inner * count) + linear % inner
        dtype = unit.memory.dtype
        if count == 1:
            value = self.trace.load(unit.buffer, linear)
        else:
            kind = unit.node.target.lower.kind
            value = self.trace._placed("fold", (), (unit.buffer, kind, count, inner, linear), dtype, 4 * min(hint(count), 64))
        return self.trace.cast(value, unit.node.value.dtype)

    def _member(self, unit: Unit) -> Value:
        """The value of a pointwise unit at its own place."""
        node, place = unit.node, self.group.place[unit]
        key = (unit, "own")
        found = self.evaluator.known.get(key)
        if found is None:
            partial = next((other for other, _ in unit.reads if other.node is node and is_partial(other)), None)
            if partial is not None:
                found = self.fold(partial, place)
            elif node.kind == "op" and not unit.is_copy:
                found = self.evaluator.body(node, place)
            else:
                found = self.evaluator.value(node, place)
            self.evaluator.known[key] = found
        return found

    def _operand(self, unit: Unit) -> Value:
        """What a reduction folds, in the dtype in which it folds."""
        value = self.evaluator.value(unit.node.args[0], self.group.place[unit])
        self.evaluator.ran[unit.node] = None
        return fold_operand(self.trace, unit.node, value)

    def _reduced(self, unit: Unit) -> Value:
        """The value of a reduction over columns."""
        found = self.reductions.get(unit)
        if found is None:
            self.reductions[unit] = found = self.trace.cast(self._fold_columns(unit, self._operand(unit)), unit.node.value.dtype)
        return found

    def _fold_columns(self, unit: Unit, operand: Value) -> Value:
        kind = unit.node.target.lower.kind
        if kind in POSITIONS:
            columns = [i for i, v in zip(self.group.place[unit], unit.domain)]
            folded = [(columns[d], unit.domain[d]) for d in range(len(columns)) if d in unit.dims]
            at = flatten([i for i, _ in folded], [s for _, s in folded])
            return self.trace.make("reduce", (operand,), (kind, at), INT64, 4)
        return self.trace.make("reduce", (operand,), (kind, None), operand.dtype, 2)

    # -------------------------------------------------------------------------------------------- loops

    def _choose_runs(self) -> None:
        """Adjacent dimensions of one role merge where every access allows it; without folds the last run is the vector's."""
        forms = self._linear_forms()
        kept = [v for v in self.variables if self.role_of[v] not in (COLUMN, CHUNK)]
        chunk = [v for v in self.variables if self.role_of[v] == CHUNK]
        column = [v for v in self.variables if self.role_of[v] == COLUMN]
        self.rows = _merged(kept, "row", forms)
        self.chunks = _merged(chunk, CHUNK, forms)
        self.columns = _merged(column, COLUMN, forms)
        if not column and not chunk and self.rows:
            at = self._vector_run()
            self.columns = [*self.rows[at + 1 :], self.rows[at]]
            del self.rows[at:]
            while self._is_walk_short():
                self.columns.insert(0, self.rows.pop())
        for number, run in enumerate((*self.rows, *self.chunks, *self.columns)):
            run.name = f"i{number}"
        self.run_of = {v: run for run in (*self.rows, *self.chunks, *self.columns) for v in run.variables}

    def _is_walk_short(self) -> bool:
        """Whether finding where a row lies costs more than what is done in it, and rows are left to share among threads without the innermost ones."""
        walked, left = (hint(product(run.size for run in runs)) for runs in (self.columns, self.rows[:-1]))
        return walked < MANY and left >= MANY and hint(self.columns[-1].size) < SHORT_VECTOR

    def _vector_run(self) -> int:
        """The number of the row run that vectors go along: the last, but where the last ones are short (coordinates of points, channels of a picture) a long one before them."""
        inner: Any = 1
        for number in range(len(self.rows) - 1, -1, -1):
            if number < len(self.rows) - 1 and hint(self.rows[number].size) >= SHORT_VECTOR * hint(inner):
                return number
            inner = inner * self.rows[number].size
            if type(inner) is not int or inner >= 2 * SHORT_VECTOR or self.rows[-1].size >= SHORT_VECTOR:
                break
        return len(self.rows) - 1

    def _linear_forms(self) -> list[Index]:
        found: dict[Index, None] = {}
        todo = [place for v in self.trace.ordered if (place := place_of(v)) is not None]
        todo += [store.place for store in self.stores] + [partial.place for partial in self.partials]
        while todo:
            form = todo.pop()
            if form in found:
                continue
            found[form] = None
            todo.extend(atom.index for atom in form.terms if isinstance(atom, Rounded))
        return list(found)

    def collapsed(self, form: Index) -> dict[Any, Any]:
        """The terms of an index over runs (and other atoms) in place of variables."""
        terms: dict[Any, Any] = {}
        for atom, c in form.terms.items():
            if not isinstance(atom, Variable):
                terms[atom] = c
            elif atom in self.run_of:
                run = self.run_of[atom]
                if run.variables[-1] is atom:
                    terms[run] = c
                elif not any(v in form.terms for v in run.variables[-1:]):
                    raise AssertionError(f"{form} does not walk {run.variables} as one")
        return terms

    def finer(self) -> Space | None:
        """A space whose dimensions are cut so that a quotient or remainder in some index goes away; None where there is nothing to cut."""
        space = self.group.space
        assert space is not None
        if space.limit is not None:
            return None
        for form in self._linear_forms():
            for atom in form.terms:
                cut = _cut(atom) if isinstance(atom, Rounded) else None
                if cut is None or cut[0] not in self.variables:
                    continue
                variable, inner = cut
                if variable in self.vector_set and variable is self.columns[-1].variables[-1] and inner < SHORT_VECTOR and (space.reduces or variable.size < MANY * inner):
                    continue
                at = self.variables.index(variable)
                sizes, roles = list(space.sizes), list(space.roles)
                sizes[at : at + 1] = [variable.size // inner, inner]
                roles[at : at + 1] = [roles[at]] * 2
                return Space(tuple(sizes), tuple(roles), space.exact)
        return None

    # -------------------------------------------------------------------------------------------- levels and passes

    def _levels(self) -> None:
        """For each value: the loop variables it depends on, the pass in which it is first known, and whether it has one value for each column."""
        self.depends: dict[Value, frozenset] = {}
        self.stage: dict[Value, int] = {}
        for value in self.trace.ordered:
            depends: set = set(self.variables) if value in self.pinned else set()
            place = place_of(value)
            if place is not None and value.op != "reduce":
                depends |= {v for v in place.variables() if isinstance(v, Variable)}
            stage = 0
            for argument in value.inputs:
                depends |= self.depends[argument]
                stage = max(stage, self.stage[argument])
            if value.op == "reduce":
                depends -= self.columns_set
                depends |= {v for run in (*self.rows, *self.chunks) for v in run.variables}
                stage += 1
            self.depends[value] = frozenset(depends)
            self.stage[value] = stage
        self.passes = 1 + max([self.stage[v.args[0]] for v in self.trace.ordered if v.op == "reduce"], default=-1)
        for sink in self.sinks:
            if self.by_column(sink):
                self.passes = max(self.passes, self.stage[sink.value] + 1)

    def maybe_empty(self, value: Value) -> list[Any]:
        """The sizes of the loops that this value is the same for, where they may be zero."""
        runs = (*self.rows, *self.chunks, *self.columns)
        return [run.size for run in runs if (type(run.size) is not int or run.size == 0) and self.depends[value].isdisjoint(run.variables)]

    def is_column(self, value: Value) -> bool:
        return not self.depends[value].isdisjoint(self.columns_set)

    def is_vector(self, value: Value) -> bool:
        return not self.depends[value].isdisjoint(self.vector_set)

    def by_column(self, sink: Store | Partial) -> bool:
        """Whether a sink writes one element for each column (even of a value that is the same for all)."""
        places = sink.place.variables()
        looked = any(isinstance(atom, Looked) and self.is_column(atom.value) for atom in places)
        return looked or any(v in self.columns_set for v in places) or self.is_column(sink.value)

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing to do: no element at all, and no fold that would leave its neutral element."""
        space = self.group.space
        return space is not None and not space.reduces and 0 in space.sizes

    def overwrites(self, store: Store, buffer: Buffer) -> bool:
        """Whether a result may take the memory of an operand: equal in size, and each element is read, at the latest, where it is written."""
        if not same(store.buffer.elements, buffer.elements) or store.buffer.dtype.itemsize != buffer.dtype.itemsize:
            return False
        if self.by_column(store) and self.stage[store.value] != self.passes - 1:
            return False
        reads = [v for v in self.trace.ordered if v in self.used and v.op in ("load", "fold") and v.attribute[0] is buffer]
        return all(v.op == "load" and v.attribute[1] == store.place for v in reads)

    def column_sinks(self, number: int) -> list[Store | Partial]:
        return [s for s in self.sinks if self.by_column(s) and self.stage[s.value] == number]

    def folds(self, number: int) -> list[Value]:
        """The reductions done in a pass."""
        return [v for v in self.trace.ordered if v.op == "reduce" and self.stage[v.args[0]] == number and v in self.used]

    @property
    def used(self) -> set[Value]:
        """The values that some sink needs."""
        made = getattr(self, "_used", None)
        if made is None:
            made = set()
            todo = [s.value for s in self.sinks] + [atom.value for s in self.sinks for atom in s.place.variables() if isinstance(atom, Looked)]
            while todo:
                value = todo.pop()
                if value not in made:
                    made.add(value)
                    todo.extend(value.inputs)
            self._used = made
        return made

    def plan_passes(self) -> tuple[list[list[Value]], dict[Value, int]]:
        """The column values that each pass computes, in order, and those kept in scratch rows (value -> pass that fills it)."""
        needed = [self._needed(number, {}) for number in range(self.passes)]
        first: dict[Value, int] = {}
        kept: dict[Value, int] = {}
        for number, values in enumerate(needed):
            for value in values:
                if value in first and value.cost >= COSTLY and self.is_vector(value):
                    kept[value] = first[value]
                first.setdefault(value, number)
        return [self._needed(number, kept) for number in range(self.passes)], kept

    def _needed(self, number: int, kept: dict[Value, int]) -> list[Value]:
        found: set[Value] = set()
        todo = [v.args[0] for v in self.folds(number)] + [s.value for s in self.column_sinks(number)]
        for sink in self.column_sinks(number):
            todo.extend(atom.value for atom in sink.place.variables() if isinstance(atom, Looked))
        while todo:
            value = todo.pop()
            if value in found or not self.is_column(value):
                continue
            found.add(value)
            if kept.get(value, number) == number:
                todo.extend(value.inputs)
        return sorted(found, key=lambda v: v.number)

    # -------------------------------------------------------------------------------------------- costs

    def cost_per_row(self) -> float:
        """Nanoseconds, roughly, for one row."""
        columns = hint(product(run.size for run in self.columns))
        per_element = sum(0.035 * max(v.cost, 0) + (0.07 if v.op == "load" else 0) for v in self.used if self.is_column(v))
        per_row = sum(0.5 * max(v.cost, 1) for v in self.used if not self.is_column(v) and v.op != "constant")
        return columns * (per_element + 0.1 * len(self.stores)) + per_row + 5


def _cut(atom: Rounded) -> tuple[Variable, int] | None:
    """The variable and the inner size by which cutting it in two makes this quotient or remainder linear."""
    size = atom.size
    for variable, c in atom.index.terms.items():
        if not isinstance(variable, Variable) or type(variable.size) is not int or type(c) is not int or type(size) is not int or size % c != 0:
            continue
        inner = size // c
        rest = Index({a: k for a, k in atom.index.terms.items() if a is not variable}, atom.index.offset) % size
        if 1 < inner < variable.size and variable.size % inner == 0 and (c == 1 and rest == 0 or rest.within(c)):
            return variable, inner
    return None


def partial_layout(group: Group, unit: Unit) -> tuple[Any, Any]:
    """(how many places of rows that stay apart, elements of a row of partial results) of a fold over rows."""
    space = group.space
    assert space is not None
    kept = product(space.sizes[i] for i, role in enumerate(space.roles) if role not in (CHUNK, COLUMN))
    inner = 1 if reduction_form(unit) == "full" else product(space.sizes[i] for i in space.places(COLUMN))
    return kept, inner


def partial_elements(group: Group, unit: Unit) -> Any:
    kept, inner = partial_layout(group, unit)
    return size_of(kept * inner * fold_count(group))


def place_of(value: Value) -> Index | None:
    """The index expression inside of a value, if it has one."""
    if value.op in ("load", "index", "random", "fold", "reduce"):
        place = value.attribute[-1]
        return place if isinstance(place, Index) else None
    return None


def _merged(variables: list[Variable], role: Any, forms: list[Index]) -> list[Run]:
    runs: list[list[Variable]] = []
    for variable in variables:
        if runs and all(_evenly(form.terms, runs[-1][-1], variable) for form in forms):
            runs[-1].append(variable)
        else:
            runs.append([variable])
    return [Run(run, role) for run in runs]


def _evenly(terms: Any, outer: Variable, inner: Variable) -> bool:
    a, b = terms.get(outer, 0), terms.get(inner, 0)
    return same(a, b * inner.size)


__all__ = ["Kernel", "Partial", "Run", "Store", "accumulator", "chunk_count", "chunk_rows", "fold_count", "partial_elements", "partial_layout", "place_of"]
