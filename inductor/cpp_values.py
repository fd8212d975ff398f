"""C++ for the values of one kernel: types, constants, indices, loads, stores and expressions.

In come values of a trace, out come statements such as `const float_v v3 = v1 * v2;`. The one idea: a value that is the same for all lanes is a scalar in the text
and one that is not is a vector; the header's functions have the same names for both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..eager import dtypes
from ..graph.symbolic import ShapeEnv, print_c
from .expressions import Index, Looked, Rounded, at_least
from .kernels import Kernel, Run, Store
from .loops import BOOL, FLOAT32, INT32, INT64, NARROW, PRIMITIVES, SHORT, Value, number_text
from .units import Buffer

STORAGE = {
    dtypes.bool: "bool", dtypes.uint8: "uint8_t", dtypes.int8: "int8_t", dtypes.int16: "int16_t", INT32: "int32_t", INT64: "int64_t",
    dtypes.float16: "half", dtypes.bfloat16: "bfloat16", FLOAT32: "float", dtypes.float64: "double",
}  # fmt: skip
WIDE = {**{d: d for d in STORAGE}, **dict.fromkeys(NARROW, INT32), **dict.fromkeys(SHORT, FLOAT32)}
SCALAR = {d: STORAGE[WIDE[d]] for d in STORAGE}
VECTOR = {d: {"bool": "mask_v", "int32_t": "int32_v", "int64_t": "int64_v", "float": "float_v", "double": "double_v"}[SCALAR[d]] for d in STORAGE}
SYMBOL = "size_"  # before the name of a symbol, which may be the user's


def size_text(size: Any, env: ShapeEnv | None) -> str:
    """A size as C++ text. Symbols, which the user may have named, get a prefix that no name of ours has."""
    if type(size) is int:
        return str(size)
    text = print_c(size, env)
    for symbol in size.free_symbols:
        text = re.sub(rf"\b{re.escape(symbol.name)}\b", SYMBOL + symbol.name, text)
    return text if text.isidentifier() or text[0] == "(" and text.find(")") == len(text) - 1 else f"({text})"


def identity(kind: str, dtype: Any) -> str:
    """The neutral element of a fold, as C++ text: a number of the dtype itself, since it may stand in a result's memory."""
    if kind in ("sum", "prod"):
        return number_text(("int", "0" if kind == "sum" else "1"), dtype)
    if kind in ("any", "all"):
        return "false" if kind == "any" else "true"
    lowest = kind in ("amax", "argmax")
    if dtype is BOOL:
        return "false" if lowest else "true"
    if dtype.is_floating_point:
        return number_text(("float", "-inf" if lowest else "inf"), dtype)
    limits = np.iinfo(dtype.numpy)
    return number_text(("int", str(limits.min if lowest else limits.max)), WIDE[dtype])


class ValuePrinter:
    """Prints values. `lines` is the text so far, `names` what each value is called, `buffers` what the function is given, in order."""

    def __init__(self, kernel: Kernel, env: ShapeEnv | None) -> None:
        self.kernel = kernel
        self.env = env
        self.lines: list[str] = []
        self.indent = 1
        self.buffers: list[Buffer] = []
        self.names: dict[Any, str] = {}
        self.symbols: dict[str, None] = {}
        self.needs: dict[str, None] = {}
        self.counter = 0

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
            return f"{self.lanes_of(atom.value)}[j]" if lane and self.kernel.is_vector(atom.value) else self.name(atom.value)
        assert isinstance(atom, Rounded)
        inner, size = self.place(atom.index, lane), self.size(atom.size)
        if not at_least(atom.size, 1):  # a lane that a mask leaves out, beside a dimension without elements
            size = f"divisor({size})"
        low = atom.index.bounds()[0]
        if type(low) is int and low >= 0:
            return f"(({inner}) {'/' if atom.kind == '//' else '%'} {size})"
        return f"{'floor_quotient' if atom.kind == '//' else 'floor_rest'}({inner}, {size})"

    def lanes_of(self, value: Value) -> str:
        """What a vector of places is called in memory. The statement that puts it there is printed where it is first asked for."""
        key = ("lanes", value)
        if key not in self.names:
            self.names[key] = f"l{self.names[value][1:]}"
            self.line(f"const in_memory {self.names[key]}({self.names[value]});")
        return self.names[key]

    def is_vector_run(self, run: Any) -> bool:
        return bool(self.kernel.columns) and run is self.kernel.columns[-1]

    def along_vector(self, form: Index) -> Any:
        """How an index moves from lane to lane: a coefficient (0: not at all), or None where it is not linear."""
        step: Any = 0
        for atom, c in self.kernel.collapsed(form).items():
            if self.is_vector_run(atom):
                step = c
            elif isinstance(atom, Rounded) and not atom.index.variables().isdisjoint(self.kernel.vector_set) or isinstance(atom, Rounded) and any(isinstance(a, Looked) and self.kernel.is_vector(a.value) for a in atom.index.variables()) or isinstance(atom, Looked) and self.kernel.is_vector(atom.value):
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
        text = _STATEMENTS.get(value.op, ValuePrinter._primitive)(self, value)
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
        wide = WIDE[target]
        if source.dtype is BOOL or WIDE[source.dtype] is not wide:
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
            masked = "" if not mask else "_masked" if self.kernel.is_vector(value.args[0]) else "_if"
            return f"load{masked}(w, {pointer} + {self.place(form)}{extra})"
        if step is not None and step != 0 and not (mask and self.kernel.is_vector(value.args[0])):
            return f"load_strided{'_if' if mask else ''}(w, {pointer} + {self.place(form)}, {self.size(step)}{extra})"
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
        where = "w, " if self.kernel.is_vector(value) else ""
        masks = [self.name(m) for m in value.args[1:]]
        if not where:  # a check in front of loops that may have no step is of no element then
            masks += [f"({self.size(size)} > 0)" for size in self.kernel.maybe_empty(value)]
        extra = f", {' & '.join(masks)}" if masks else ""
        first = self.spread(value.args[0]) if where else self.name(value.args[0])
        extent, wraps = value.attribute
        return f"checked_{'index' if wraps else 'place'}({where}{first}, {self.size(extent)}, {self.need('failed')}{extra})"

    def _require(self, value: Value) -> str:
        masks = " & ".join(self.name(m) for m in value.args[1:])
        where = "w, " if self.kernel.is_vector(value) else ""
        first = self.spread(value.args[0]) if where else self.name(value.args[0])
        return f"required({where}{first}, {self.need('failed')}{', ' if masks else ''}{masks})"

    def _checked(self, value: Value) -> str:
        return self.spread(value.args[0]) if self.kernel.is_vector(value) else self.name(value.args[0])

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

    def position(self, form: Index) -> str:
        step = self.along_vector(form)
        if step is None:
            return f"lookup_index(w, {self.lanes(form)})"
        return f"int64_v({self.place(form)}) + iota<int64_v>() * int64_v({self.size(step)})"


_STATEMENTS: dict[str, Callable[[ValuePrinter, Value], str]] = {
    "fit": ValuePrinter._fit, "cast": ValuePrinter._cast, "where": ValuePrinter._where, "load": ValuePrinter._load, "index": ValuePrinter._index,
    "as_index": ValuePrinter._as_index, "require": ValuePrinter._require, "checked": ValuePrinter._checked, "random": ValuePrinter._random, "fold": ValuePrinter._fold,
}  # fmt: skip
