"""C++ for one kernel: a range function over its rows, with explicit vectors along its last column dimension.

In comes a `Kernel`, out goes the text of `static void NAME(begin, end, context)` with the buffers that it expects in `context`. The one idea: the text holds
no name and no address of its graph, so that equal kernels (the layers of a network) are one function, called with other pointers.
"""

from __future__ import annotations

from typing import Any

from ..graph.symbolic import ShapeEnv
from .cpp_values import SCALAR, STORAGE, SYMBOL, VECTOR, WIDE, ValuePrinter, identity
from .expressions import hint, product
from .kernels import Kernel, Partial, Run, Store, chunk_count, chunk_rows
from .loops import Value
from .schedule import BLOCK

LONG = 4096  # a float sum over more columns than this runs in blocks
SCRATCH_BYTES = 32768  # scratch rows up to this size lie on the stack
TASK = 3000.0  # nanoseconds of work that are worth a thread
WIDEST = 16  # lanes of the widest vectors; LONG, BLOCK and GRAIN are multiples of it
TURNED = 16  # rows that are walked side by side where memory lies along them: the elements of a cache line
GRAIN = 64  # columns of a kernel without rows are cut between threads at multiples of it


class KernelPrinter(ValuePrinter):
    """Prints one kernel. `text` has `@` in place of the function's name."""

    def __init__(self, kernel: Kernel, env: ShapeEnv | None) -> None:
        super().__init__(kernel, env)
        self.pass_values, self.kept = kernel.plan_passes()
        self.scratch: dict[Value, str] = {value: f"s{n}" for n, value in enumerate(sorted(self.kept, key=lambda v: v.number))}
        self.flat = not kernel.rows and not kernel.chunks and bool(kernel.columns) and kernel.group.space is not None and not kernel.group.space.reduces
        self._body()
        self.text = self._function()

    # -------------------------------------------------------------------------------------------- loops

    def _body(self) -> None:
        kernel = self.kernel
        self._scratch_rows()
        if self.flat:
            self._rows_values(0)
            self._pass(0, "begin", "end", _even(kernel.columns[-1].size))
            return
        self._invariant()
        if not kernel.rows and not kernel.chunks:
            if any(kernel.by_column(partial) for partial in kernel.partials):
                self.line("const int64_t p = 0;")
            self._only_chunk()
            return
        if self._is_turned():
            self._in_blocks()
            return
        self.open("for (int64_t p = begin; p < end; ++p)")
        chunks = self.size(self._chunk_count()) if kernel.chunks else ""
        self._decode(kernel.rows, f"p / {chunks}" if chunks else "p")
        if kernel.chunks:
            self._chunk(chunks)
        else:
            self._only_chunk()
        self.close()

    def _is_turned(self) -> bool:
        """Whether something lies in memory along the rows, and vectors walk it across (a transposed copy)."""
        kernel = self.kernel
        if kernel.chunks or kernel.passes != 1 or len(kernel.columns) != 1 or self.kept or kernel.pinned or kernel.folds(0) or not all(map(kernel.by_column, kernel.sinks)):
            return False
        row, forms = kernel.rows[-1], [value.attribute[-1] for value in self.pass_values[0] if value.op == "load"] + [store.place for store in kernel.stores]
        return hint(row.size) >= TURNED and any(kernel.collapsed(form).get(row) == 1 and self.along_vector(form) not in (None, 0, 1) for form in forms)

    def _in_blocks(self) -> None:
        """A vector's place in some rows, then the next place: what was fetched for the first of them holds what the others need."""
        kernel = self.kernel
        self.open(f"for (int64_t b = begin; b < end; b += {TURNED})")
        even = _even(kernel.columns[0].size)
        self._open_lanes(kernel.columns[0].name, "0", self.size(kernel.columns[0].size), even)
        self.open(f"for (int64_t p = b; p < least(b + {TURNED}, end); ++p)")
        self._decode(kernel.rows, "p")
        self._rows_values(0)
        self._columns(0, {}, kernel.column_sinks(0), [])
        self.close()
        self._close_lanes(even)
        self.close()

    def _only_chunk(self) -> None:
        """A row in which nothing is left to walk for the partial results (the reduced sizes are 1): one chunk, folded once."""
        for partial in self.kernel.partials:
            if self.kernel.by_column(partial):
                self._open_partial(partial)
        self._row()

    def _chunk_count(self) -> Any:
        return chunk_count(product(run.size for run in self.kernel.chunks), chunk_rows(self.kernel.group))

    def _chunk(self, chunks: str) -> None:
        """All rows of one chunk, folded into the chunk's partial results."""
        kernel = self.kernel
        total = product(run.size for run in kernel.chunks)
        rows = chunk_rows(kernel.group)
        chunk = "p" if not kernel.rows else f"p % {chunks}"
        for partial in kernel.partials:
            self._open_partial(partial)
        first = f"({chunk}) * {rows}" if rows != 1 else chunk
        self.open(f"for (int64_t q = {first}; q < least({first} + {rows}, {self.size(total)}); ++q)")
        self._decode(kernel.chunks, "q")
        self._row()
        self.close()
        for n, partial in enumerate(kernel.partials):
            if not kernel.by_column(partial):
                self.line(f"store_one({self.pointer(partial.buffer)} + p, t{n});")

    def _open_partial(self, partial: Partial) -> None:
        kernel = self.kernel
        start = identity(partial.kind, partial.value.dtype)
        if not kernel.by_column(partial):
            self.line(f"{SCALAR[partial.value.dtype]} t{kernel.partials.index(partial)} = {start};")
            return
        size = product(run.size for run in kernel.columns)
        inner, pointer = self.size(size), self.pointer(partial.buffer)
        even = _even(size)
        self._open_lanes("i", "0", inner, even)
        self.line(f"store(w, {pointer} + p * {inner} + i, {VECTOR[partial.value.dtype]}({start}));")
        self._close_lanes(even)

    def _decode(self, runs: list[Run], flat: str) -> None:
        """The loop variables of runs from their linear number."""
        inner: Any = 1
        for position, run in reversed(list(enumerate(runs))):
            text = flat if inner == 1 else f"({flat}) / {self.size(inner)}"
            if position > 0:
                text = f"({text}) % {self.size(run.size)}"
            self.line(f"const int64_t {run.name} = {text};")
            inner = run.size * inner

    def _invariant(self) -> None:
        """Values that are the same for all rows."""
        for value in self.kernel.trace.ordered:
            if value in self.kernel.used and value.op != "reduce" and not self.kernel.depends[value] and self.kernel.stage[value] == 0:
                self.define(value)

    def _row(self) -> None:
        kernel = self.kernel
        for number in range(kernel.passes):
            self._rows_values(number)
            columns = [run.size for run in kernel.columns]
            end = self.size(columns[-1]) if columns else ""
            even = _even(*columns[-1:])
            if kernel.limit is not None:
                end = f"least({BLOCK}, {self.size(kernel.limit)} - {kernel.chunks[0].name} * {BLOCK})"
                even = _even(kernel.limit)
            self._pass(number, "0", end, even)
        self._rows_values(kernel.passes)
        for store in kernel.stores:
            if not kernel.by_column(store):
                self.store(store, False)
        for n, partial in enumerate(kernel.partials):
            if not kernel.by_column(partial):
                if kernel.chunks:
                    self.line(f"t{n} = fold_{partial.kind}(t{n}, {self.name(partial.value)});")
                else:
                    self.line(f"store_one({self.pointer(partial.buffer)} + 0, {self.name(partial.value)});")

    def _rows_values(self, stage: int) -> None:
        """Values of the row that are known before pass `stage`."""
        kernel = self.kernel
        for value in kernel.trace.ordered:
            if value in kernel.used and not kernel.is_column(value) and kernel.stage[value] == stage and value.op != "reduce":
                self.define(value)

    def _pass(self, number: int, begin: str, end: str, even: bool) -> None:
        """One walk over the columns of a row. `even`: begin and end are multiples of WIDEST."""
        kernel = self.kernel
        folds = kernel.folds(number)
        sinks = kernel.column_sinks(number)
        fills = [v for v in self.kept if self.kept[v] == number and v in self.pass_values[number]]
        if not (folds or sinks or fills):
            return
        if not kernel.columns:
            self._without_columns(folds)
            return
        blocked = self._is_long() and any(self._is_float_sum(f) for f in folds)
        accumulators = {fold: f"a{n}_{number}" for n, fold in enumerate(folds)}
        for fold, name in accumulators.items():
            self.line(self._accumulator(fold, name))
        for run in kernel.columns[:-1]:
            self.open(f"for (int64_t {run.name} = 0; {run.name} < {self.size(run.size)}; ++{run.name})")
        inner = dict(accumulators)
        if blocked:
            self.open(f"for (int64_t b = {begin}; b < {end}; b += {LONG // 4})")
            begin, end = "b", f"least(b + {LONG // 4}, {end})"
            in_blocks = {fold: f"b{name[1:]}" for fold, name in accumulators.items() if fold.attribute[1] is None}  # a position is kept over all
            inner.update(in_blocks)
            for fold, name in in_blocks.items():
                self.line(self._accumulator(fold, name))
        self._open_lanes(kernel.columns[-1].name, begin, end, even)
        self._columns(number, inner, sinks, fills)
        self._close_lanes(even)
        if blocked:
            for fold, name in in_blocks.items():
                self.line(f"{accumulators[fold]} = fold_{fold.attribute[0]}({accumulators[fold]}, {name});")
            self.close()
        for _ in kernel.columns[:-1]:
            self.close()
        for fold, name in accumulators.items():
            self.bind(fold, f"{name}.total()" if fold.attribute[1] is not None else f"total_{fold.attribute[0]}({name})")

    def _open_lanes(self, name: str, begin: str, end: str, even: bool) -> None:
        """A walk by vectors. Where none is cut short it is a plain loop, which the compiler is done with sooner than with a body for each kind of step."""
        if even:
            self.open(f"for (int64_t {name} = {begin}; {name} < {end}; {name} += LANES)")
            self.line("const whole w{};")
        else:
            self.open(f"for_lanes({begin}, {end}, [&](auto w, int64_t {name})")

    def _close_lanes(self, even: bool) -> None:
        self.close("}" if even else "});")

    def _columns(self, number: int, accumulators: dict[Value, str], sinks: list, fills: list) -> None:
        before = dict(self.names)
        for value in self.pass_values[number]:
            filled = self.kept.get(value, number)
            if filled != number:
                self.bind(value, f"load(w, {self.scratch[value]} + {self._column_place()})")
            else:
                self.define(value)
        for value in fills:
            self.line(f"store(w, {self.scratch[value]} + {self._column_place()}, {self.name(value)});")
        for sink in sinks:
            if isinstance(sink, Store):
                self.store(sink, True)
            else:
                self._fold_into(sink)
        for fold, name in accumulators.items():
            operand = self.spread(fold.args[0])
            if fold.attribute[1] is not None:
                place = self.position(fold.attribute[1])
                self.line(f"take(w, {name}, {operand}, {place});")
            else:
                start = identity(fold.attribute[0], fold.dtype)
                self.line(f"{name} = fold_{fold.attribute[0]}({name}, keep(w, {operand}, {start}));")
        self.names = before

    def _fold_into(self, partial: Partial) -> None:
        kernel = self.kernel
        inner = self.size(product(run.size for run in kernel.columns))
        place = f"{self.pointer(partial.buffer)} + p * {inner} + {self._column_place()}"
        self.line(f"store(w, {place}, fold_{partial.kind}(load(w, {place}), {self.spread(partial.value)}));")

    def _column_place(self) -> str:
        """The number of a column within its row."""
        text = ""
        for run in self.kernel.columns:
            text = run.name if not text else f"({text}) * {self.size(run.size)} + {run.name}"
        return text

    def _without_columns(self, folds: list[Value]) -> None:
        for fold in folds:
            self.define(fold.args[0])
            self.bind(fold, "0" if fold.attribute[1] is not None else self.name(fold.args[0]))

    def _is_long(self) -> bool:
        total = product(run.size for run in self.kernel.columns)
        return self.kernel.limit is None and (type(total) is not int or total > LONG)

    @staticmethod
    def _is_float_sum(fold: Value) -> bool:
        return fold.attribute[0] == "sum" and fold.dtype.is_floating_point

    def _accumulator(self, fold: Value, name: str) -> str:
        vector = VECTOR[fold.args[0].dtype]
        if fold.attribute[1] is not None:
            return f"position<{vector}, {'true' if fold.attribute[0] == 'argmax' else 'false'}> {name};"
        return f"{vector} {name}({identity(fold.attribute[0], fold.dtype)});"

    def _scratch_rows(self) -> None:
        total = product(run.size for run in self.kernel.columns)
        for value, name in self.scratch.items():
            storage = SCALAR[value.dtype]
            bytes_ = hint(total) * WIDE[value.dtype].itemsize
            if type(total) is int and bytes_ <= SCRATCH_BYTES:
                self.line(f"alignas(64) {storage} {name}[{max(total, 1)}];")
            else:
                self.line(f"{storage}* const {name} = ({storage}*){self.need('rt')}->acquire({self.size(total)} * {WIDE[value.dtype].itemsize});")
                self.line(f"if (!{name}) {{ *{self.need('failed')} = SEGUE_ERROR_MEMORY; return; }}")

    # -------------------------------------------------------------------------------------------- the function

    def _function(self) -> str:
        head = ["static void @(int64_t begin, int64_t end, void* context) {", "    void** const a = (void**)context;"]
        stored = {id(s.buffer) for s in self.kernel.sinks}
        for n, buffer in enumerate(self.buffers):
            const = "" if id(buffer) in stored else "const "
            head.append(f"    {const}{STORAGE[buffer.dtype]}* const p{n} = ({const}{STORAGE[buffer.dtype]}*)a[{n}];")
        at = len(self.buffers)
        if "failed" in self.needs:
            head.append(f"    int64_t* const failed = (int64_t*)a[{at}];")
        if "rt" in self.needs:
            head.append(f"    const segue_runtime* const rt = (const segue_runtime*)a[{at + 1}];")
        symbols = sorted(self.symbols)
        if symbols:
            head.append(f"    const int64_t* const sizes = (const int64_t*)a[{at + 2}];")
            head += [f"    const int64_t {SYMBOL}{name} = sizes[${name}$];" for name in symbols]
        tail = []
        for name in self.scratch.values():
            if any(f"* const {name} = " in line for line in self.lines):
                tail.append(f"    rt->release({name});")
        return "\n".join([*head, *self.lines, *tail, "}"])

    @property
    def extent(self) -> Any:
        """How many steps its parallel loop has."""
        kernel = self.kernel
        if self.flat:
            return kernel.columns[-1].size
        rows = product(run.size for run in kernel.rows)
        return rows * self._chunk_count() if kernel.chunks else rows

    @property
    def grain(self) -> int:
        """How many steps are worth a thread."""
        kernel = self.kernel
        nanoseconds = kernel.cost_per_row()
        if self.flat:
            per_element = max(nanoseconds - 5, 0.01) / max(hint(kernel.columns[-1].size), 1)
            return max(GRAIN, int(TASK / max(per_element, 0.001)) // GRAIN * GRAIN)
        if kernel.chunks:
            nanoseconds *= chunk_rows(kernel.group)
        return max(1, int(TASK / nanoseconds))


def _even(*sizes: Any) -> bool:
    """Whether no vector is cut short at the end of any of these sizes, whatever the width of vectors."""
    return all(type(size) is int and size % WIDEST == 0 for size in sizes)
