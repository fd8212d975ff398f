"""C++ for one kernel: a range function over its rows, with explicit vectors along its last column dimension.

In comes a `Kernel`, out goes the text of `static void NAME(begin, end, context)` with the buffers that it expects in `context`. The one idea: the text holds
no name and no address of its graph, so that equal kernels (the layers of a network) are one function, called with other pointers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..eager import dtypes
from ..graph.symbolic import ShapeEnv, print_c
from .expressions import Index, Looked, Rounded, hint, product
from .kernels import Kernel, Partial, Run, Store, chunk_count, chunk_rows
from .loops import BOOL, FLOAT32, INT32, INT64, NARROW, PRIMITIVES, SHORT, Value, number_text
from .lower import Buffer
from .schedule import BLOCK

STORAGE = {
    dtypes.bool: "bool", dtypes.uint8: "uint8_t", dtypes.int8: "int8_t", dtypes.int16: "int16_t", INT32: "int32_t", INT64: "int64_t",
    dtypes.float16: "half", dtypes.bfloat16: "bfloat16", FLOAT32: "float", dtypes.float64: "double",
}  # fmt: skip
_WIDE = {**{d: d for d in STORAGE}, **{d: INT32 for d in NARROW}, **{d: FLOAT32 for d in SHORT}}
SCALAR = {d: STORAGE[_WIDE[d]] for d in STORAGE}
VECTOR = {d: {"bool": "mask_v", "int32_t": "int32_v", "int64_t": "int64_v", "float": "float_v", "double": "double_v"}[SCALAR[d]] for d in STORAGE}
LONG = 4096  # a float sum over more columns than this runs in blocks
SCRATCH_BYTES = 32768  # scratch rows up to this size lie on the stack
SYMBOL = "size_"
TASK = 3000.0  # nanoseconds of work that are worth a thread


def size_text(size: Any, env: ShapeEnv | None) -> str:
    """A size as C++ text. Symbols, which the user may have named, get a prefix that no name of ours has."""
    if type(size) is int:
        return str(size)
    text = print_c(size, env)
    for symbol in size.free_symbols:
        text = re.sub(rf"\b{re.escape(symbol.name)}\b", SYMBOL + symbol.name, text)
    return text if text.isidentifier() or text[0] == "(" and text.find(")") == len(text) - 1 else f"({text})"


def identity(kind: str, dtype: Any) -> str:
    """The neutral element of a fold, as C++ text."""
    wide = _WIDE[dtype]
    if kind in ("sum", "prod"):
        return number_text(("int", "0" if kind == "sum" else "1"), dtype)
    if kind in ("any", "all"):
        return "false" if kind == "any" else "true"
    lowest = kind in ("amax", "argmax")
    if dtype is BOOL:
        return "false" if lowest else "true"
    if dtype.is_floating_point:
        return number_text(("float", "-inf" if lowest else "inf"), dtype)
    bits = 63 if wide is INT64 else 31
    return number_text(("int", str(-(2**bits) if lowest else 2**bits - 1)), wide)


class KernelPrinter:
    """Prints one kernel. `text` has `@` in place of the function's name; `buffers` is what the call passes, in order."""

    def __init__(self, kernel: Kernel, env: ShapeEnv | None) -> None:
        self.kernel = kernel
        self.env = env
        self.lines: list[str] = []
        self.indent = 1
        self.buffers: list[Buffer] = []
        self.names: dict[Value, str] = {}
        self.symbols: dict[str, None] = {}
        self.needs: dict[str, None] = {}
        self.counter = 0
        self.pass_values, self.kept = kernel.plan_passes()
        self.scratch: dict[Value, str] = {value: f"s{n}" for n, value in enumerate(sorted(self.kept, key=lambda v: v.number))}
        self.flat = not kernel.rows and not kernel.chunks and len(kernel.columns) == 1 and kernel.group.space is not None and not kernel.group.space.reduces
        self._body()
        self.text = self._function()

    # -------------------------------------------------------------------------------------------- text

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def open(self, text: str) -> None:
        self.line(text + " {")
        self.indent += 1

    def close(self, text: str = "}") -> None:
        self.indent -= 1
        self.line(text)

    def size(self, size: Any) -> str:
        if type(size) is int:
            return str(size)
        for symbol in size.free_symbols:
            self.symbols[symbol.name] = None
        return size_text(size, self.env)

    def pointer(self, buffer: Buffer) -> str:
        if buffer not in self.buffers:
            self.buffers.append(buffer)
        return f"p{self.buffers.index(buffer)}"

    def need(self, name: str) -> str:
        self.needs[name] = None
        return name

    # -------------------------------------------------------------------------------------------- indices

    def place(self, form: Index, lane: bool = False, skip: frozenset = frozenset()) -> str:
        """An index expression as text. `lane`: at lane j of a vector."""
        parts = []
        for atom, c in self.kernel.collapsed(form).items():
            if atom in skip:
                continue
            text = self.atom(atom, lane)
            parts.append(text if c == 1 else f"{self.size(c)} * {text}")
        if form.offset != 0 or not parts:
            parts.append(self.size(form.offset))
        return " + ".join(parts)

    def atom(self, atom: Any, lane: bool) -> str:
        if isinstance(atom, Run):
            return f"({atom.name} + j)" if lane and self.is_vector_run(atom) else atom.name
        if isinstance(atom, Looked):
            name = self.name(atom.value)
            return f"lane({name}, j)" if lane and self.kernel.is_vector(atom.value) else name
        assert isinstance(atom, Rounded)
        inner, size = self.place(atom.index, lane), self.size(atom.size)
        low = atom.index.bounds()[0]
        if type(low) is int and low >= 0:
            return f"(({inner}) {'/' if atom.kind == '//' else '%'} {size})"
        return f"{'floor_quotient' if atom.kind == '//' else 'floor_rest'}({inner}, {size})"

    def is_vector_run(self, run: Any) -> bool:
        return bool(self.kernel.columns) and run is self.kernel.columns[-1]

    def along_vector(self, form: Index) -> Any:
        """How an index moves from lane to lane: a coefficient (0: not at all), or None where it is not linear."""
        step: Any = 0
        for atom, c in self.kernel.collapsed(form).items():
            if self.is_vector_run(atom):
                step = c
            elif isinstance(atom, Rounded) and not atom.index.variables().isdisjoint(self.kernel.vector_set):
                return None
            elif isinstance(atom, Rounded) and any(isinstance(a, Looked) and self.kernel.is_vector(a.value) for a in atom.index.variables()):
                return None
            elif isinstance(atom, Looked) and self.kernel.is_vector(atom.value):
                return None
        return step

    def lanes(self, form: Index) -> str:
        return f"[&](int64_t j) {{ return {self.place(form, lane=True)}; }}"

    # -------------------------------------------------------------------------------------------- values

    def name(self, value: Value) -> str:
        if value.op == "constant":
            return number_text(value.attribute, value.dtype)
        return self.names[value]

    def spread(self, value: Value) -> str:
        """The value as a vector."""
        name = self.name(value)
        return name if self.kernel.is_vector(value) else f"{VECTOR[value.dtype]}({name})"

    def define(self, value: Value) -> None:
        """One statement that computes a value."""
        if value.op == "constant" or value in self.names:
            return
        text = _STATEMENTS.get(value.op, KernelPrinter._primitive)(self, value)
        self.bind(value, text)

    def bind(self, value: Value, text: str) -> None:
        name = f"v{self.counter}"
        self.counter += 1
        self.names[value] = name
        kind = (VECTOR if self.kernel.is_vector(value) else SCALAR)[value.dtype]
        self.line(f"const {kind} {name} = {text};")

    def _primitive(self, value: Value) -> str:
        fact = PRIMITIVES[value.op]
        template = fact.on_bool if fact.on_bool is not None and value.args[0].dtype is BOOL else fact.text
        names = [self.name(a) for a in value.args]
        if self.kernel.is_vector(value) and not any(self.kernel.is_vector(a) for a in value.args):
            names = [self.spread(a) for a in value.args]
        return template.format(*[f"({n})" if n.startswith("-") else n for n in names])

    def _fit(self, value: Value) -> str:
        return f"{(NARROW.get(value.dtype) or SHORT.get(value.dtype))}({self.name(value.args[0])})"

    def _cast(self, value: Value) -> str:
        source, target = value.args[0], value.dtype
        text = self.name(source)
        if target is BOOL:
            return f"to_mask({text})"
        wide = _WIDE[target]
        if source.dtype is BOOL or _WIDE[source.dtype] is not wide:
            text = f"to_{wide.name.replace('float32', 'float').replace('float64', 'double')}({text})"
        if target in SHORT:
            return f"{SHORT[target]}({text})"
        return f"{NARROW[target]}({text})" if target in NARROW else text

    def _where(self, value: Value) -> str:
        condition, x, y = value.args
        if not self.kernel.is_vector(value):
            return f"{self.name(condition)} ? {self.name(x)} : {self.name(y)}"
        return f"select({self.spread(condition)}, {self.spread(x)}, {self.spread(y)})"

    def _load(self, value: Value) -> str:
        buffer, form = value.attribute
        pointer = self.pointer(buffer)
        mask = self.name(value.args[0]) if value.args else None
        step = self.along_vector(form)
        extra = f", {mask}" if mask else ""
        if not self.kernel.is_vector(value):
            return f"load_one{'_masked' if mask else ''}({pointer} + {self.place(form)}{extra})"
        if step == 1:
            return f"load{'_masked' if mask else ''}(w, {pointer} + {self.place(form)}{extra})"
        if step is not None and step != 0 and not mask:
            return f"load_strided(w, {pointer} + {self.place(form)}, {self.size(step)})"
        return f"lookup(w, {pointer}, {self.lanes(form)}{extra})"

    def _index(self, value: Value) -> str:
        form = value.attribute[0]
        step = self.along_vector(form)
        small = value.dtype is INT32
        if not self.kernel.is_vector(value):
            return f"(int32_t)({self.place(form)})" if small else self.place(form)
        if step is None:
            text = f"lookup_index(w, {self.lanes(form)})"
            return f"to_int32({text})" if small else text
        kind = "int32_v" if small else "int64_v"
        scalar = "int32_t" if small else "int64_t"
        if step == 1:
            return f"iota<{kind}>(({scalar})({self.place(form)}))"
        return f"{kind}(({scalar})({self.place(form)})) + iota<{kind}>() * {kind}({self.size(step)})"

    def _as_index(self, value: Value) -> str:
        masks = " & ".join(self.name(m) for m in value.args[1:])
        extra = f", {masks}" if masks else ""
        where = "w, " if self.kernel.is_vector(value) else ""
        first = self.spread(value.args[0]) if where else self.name(value.args[0])
        return f"checked_index({where}{first}, {self.size(value.attribute[0])}, {self.need('failed')}{extra})"

    def _random(self, value: Value) -> str:
        function, form = value.attribute
        step = self.along_vector(form)
        if not self.kernel.is_vector(value):
            element = f"int64_t({self.place(form)})"
        elif step is None:
            element = f"lookup_index(w, {self.lanes(form)})"
        else:
            element = f"int64_v({self.place(form)}) + iota<int64_v>() * int64_v({self.size(step)})"
        text = f"{function}({self.name(value.args[0])}, {self.name(value.args[1])}, {element})"
        return f"to_int64({text})" if function == "random_bits" else text

    def _fold(self, value: Value) -> str:
        buffer, kind, count, stride, form = value.attribute
        pointer = self.pointer(buffer)
        rest = f"{self.size(count)}, {self.size(stride)}"
        if not self.kernel.is_vector(value):
            return f"partials_{kind}(one{{}}, {pointer} + {self.place(form)}, {rest})"
        if self.along_vector(form) == 1:
            return f"partials_{kind}(w, {pointer} + {self.place(form)}, {rest})"
        place = self.place(form, lane=True)
        return f"lookup_value<{VECTOR[value.dtype]}>(w, [&](int64_t j) {{ return partials_{kind}(one{{}}, {pointer} + {place}, {rest}); }})"

    def store(self, sink: Store, vector: bool) -> None:
        pointer, value = self.pointer(sink.buffer), sink.value
        if not vector:
            self.line(f"store_one({pointer} + {self.place(sink.place)}, {self.name(value)});")
            return
        step = self.along_vector(sink.place)
        spread = self.spread(value)
        if step == 1:
            self.line(f"store(w, {pointer} + {self.place(sink.place)}, {spread});")
        elif step is not None and step != 0:
            self.line(f"store_strided(w, {pointer} + {self.place(sink.place)}, {self.size(step)}, {spread});")
        else:
            self.line(f"store_lookup(w, {pointer}, {self.lanes(sink.place)}, {spread});")

    # -------------------------------------------------------------------------------------------- loops

    def _body(self) -> None:
        kernel = self.kernel
        self._scratch_rows()
        if self.flat:
            self._rows_values(0)
            self._pass(0, "begin", "end")
            return
        self._invariant()
        if not kernel.rows and not kernel.chunks:
            self._row()
            return
        self.open("for (int64_t p = begin; p < end; ++p)")
        chunks = self.size(self._chunk_count()) if kernel.chunks else ""
        self._decode(kernel.rows, f"p / {chunks}" if chunks else "p")
        if kernel.chunks:
            self._chunk(chunks)
        else:
            self._row()
        self.close()

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
        inner = self.size(product(run.size for run in kernel.columns))
        pointer = self.pointer(partial.buffer)
        self.line(f"for_lanes(0, {inner}, [&](auto w, int64_t i) {{ store(w, {pointer} + p * {inner} + i, {VECTOR[partial.value.dtype]}({start})); }});")

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
            if kernel.limit is not None:
                end = f"least({BLOCK}, {self.size(kernel.limit)} - {kernel.chunks[0].name} * {BLOCK})"
            self._pass(number, "0", end)
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

    def _pass(self, number: int, begin: str, end: str) -> None:
        """One walk over the columns of a row."""
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
            inner = {fold: f"b{name[1:]}" for fold, name in accumulators.items()}
            for fold, name in inner.items():
                self.line(self._accumulator(fold, name))
        self.open(f"for_lanes({begin}, {end}, [&](auto w, int64_t {kernel.columns[-1].name})")
        self._columns(number, inner, sinks, fills)
        self.close("});")
        if blocked:
            for fold, name in accumulators.items():
                self.line(f"{name} = fold_{fold.attribute[0]}({name}, {inner[fold]});")
            self.close()
        for _ in kernel.columns[:-1]:
            self.close()
        for fold, name in accumulators.items():
            self.bind(fold, f"{name}.total()" if fold.attribute[1] is not None else f"total_{fold.attribute[0]}({name})")

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
                place = self._position(fold.attribute[1])
                self.line(f"take(w, {name}, {operand}, {place});")
            else:
                start = identity(fold.attribute[0], fold.dtype)
                self.line(f"{name} = fold_{fold.attribute[0]}({name}, keep(w, {operand}, {start}));")
        self.names = before

    def _position(self, form: Index) -> str:
        step = self.along_vector(form)
        if step is None:
            return f"lookup_index(w, {self.lanes(form)})"
        return f"int64_v({self.place(form)}) + iota<int64_v>() * int64_v({self.size(step)})"

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
            bytes_ = hint(total) * _WIDE[value.dtype].itemsize
            if type(total) is int and bytes_ <= SCRATCH_BYTES:
                self.line(f"alignas(64) {storage} {name}[{max(total, 1)}];")
            else:
                self.line(f"{storage}* const {name} = ({storage}*){self.need('rt')}->acquire({self.size(total)} * {_WIDE[value.dtype].itemsize});")
                self.line(f"if (!{name}) {{ *{self.need('failed')} = SEGUE_ERROR_MEMORY; return; }}")

    # -------------------------------------------------------------------------------------------- the function

    def _function(self) -> str:
        head = ["static void @(int64_t begin, int64_t end, void* context) {", "    void** const a = (void**)context;"]
        stored = {id(s.buffer) for s in (*self.kernel.stores, *self.kernel.partials)}
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
            return kernel.columns[0].size
        rows = product(run.size for run in kernel.rows)
        return rows * self._chunk_count() if kernel.chunks else rows

    @property
    def grain(self) -> int:
        """How many steps are worth a thread."""
        kernel = self.kernel
        nanoseconds = kernel.cost_per_row()
        if self.flat:
            per_element = max(nanoseconds - 5, 0.01) / max(hint(kernel.columns[0].size), 1)
            return max(64, int(TASK / max(per_element, 0.001)) // 64 * 64)
        if kernel.chunks:
            nanoseconds *= chunk_rows(kernel.group)
        return max(1, int(TASK / nanoseconds))


_STATEMENTS: dict[str, Callable[[KernelPrinter, Value], str]] = {
    "fit": KernelPrinter._fit, "cast": KernelPrinter._cast, "where": KernelPrinter._where, "load": KernelPrinter._load, "index": KernelPrinter._index,
    "as_index": KernelPrinter._as_index, "random": KernelPrinter._random, "fold": KernelPrinter._fold,
}  # fmt: skip

__all__ = ["KernelPrinter", "SCALAR", "STORAGE", "VECTOR", "identity"]
