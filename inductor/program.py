"""The program of one graph: steps in order, the memory they use, and the translation unit that carries them out.

In comes a graph without host rows; out come the C++ text, the specs for the launcher and the counts. The one idea: everything that the library needs to
know is decided here, once: which buffer is an output, an input that is written, or a place in the arena; the text that follows only says it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..graph.ir import FakeValue, Graph, Node
from ..graph.symbolic import ShapeEnv, SymInt
from .codegen_cpp import STORAGE, SYMBOL, KernelPrinter, size_text
from .expressions import Index, flatten, same, size_of
from .externs import PRINTERS, Call
from .kernels import Kernel, Store, accumulator, partial_elements
from .lower import Buffer, Lowering, Unit, is_partial, is_view, linear_place, scatter_mode, scatter_values, shape_of
from .memory import Life, Plan, plan
from .schedule import Group, Scheduler, Space

MAX_LINES = 4  # of the user's, that the comment above a kernel names


@dataclass
class Step:
    """One step of the entry: a kernel (`printer`), or a library call (`unit` alone). `serial`: never run in parallel."""

    units: list[Unit]
    reads: list[Buffer]
    writes: list[Buffer]
    printer: KernelPrinter | None = None
    serial: bool = False
    title: str = ""


@dataclass
class Program:
    """What compiling a graph gives, before the compiler runs."""

    source: str
    inputs: list[tuple]
    outputs: list[tuple]
    symbols: list[Any]
    constants: list[Any]
    arena_bytes: int
    symbolic: bool
    kernels: int
    functions: int
    calls: int
    notes: list[str] = field(default_factory=list)


class ScatterKernel(Kernel):
    """A scatter walks its source in order and writes, or adds, at computed places."""

    def __init__(self, unit: Unit, lowering: Lowering, group_of: dict[Unit, Group]) -> None:
        self.scattered = unit
        live = [size for size in unit.domain if size != 1]
        super().__init__(Group([_walker(unit)], Space(tuple(live), (None,) * len(live))), lowering, group_of)

    def _sink(self, unit: Unit) -> None:
        scatter = self.scattered
        target, value = scatter_values(self.evaluator, scatter.node, self.group.place[unit])
        self.target = flatten(target, shape_of(scatter.node))
        self.mode = scatter_mode(scatter.node)
        if self.mode == "add":
            value = self.trace.primitive("add", self.trace.make("load", (), (scatter.buffer, self.target), value.dtype, 1), value)
            for atom in self.target.variables():
                if hasattr(atom, "value"):
                    value.args[0].lookups = (*value.args[0].lookups, atom.value)
                    value.lookups = (*value.lookups, atom.value)
        self.stores.append(Store(scatter.buffer, self.target, value, scatter))

    def _choose_runs(self) -> None:
        super()._choose_runs()
        last = self.columns[-1] if self.columns else None
        if last is not None and not self._by_vectors(last):
            self.rows, self.columns = [*self.rows, last], []

    def _by_vectors(self, run: Any) -> bool:
        """Whether the last dimension goes to neighbouring places, so that a vector of it is one store."""
        variable = run.variables[-1]
        if self.target.terms.get(variable) != 1:
            return False
        for atom in self.target.terms:
            if hasattr(atom, "value"):
                if any(v in run.variables for v in _variables_of(atom.value)):
                    return False
            elif atom not in self.variables:
                return False
        return True


def _variables_of(value: Any) -> set:
    found: set = set()
    todo = [value]
    while todo:
        one = todo.pop()
        for part in (one.attribute if isinstance(one.attribute, tuple) else ()):
            if isinstance(part, Index):
                found |= part.variables()
        todo.extend(one.inputs)
    return found


def _walker(unit: Unit) -> Unit:
    """A stand-in for a scatter that walks its source like a pointwise unit."""
    walker = Unit(unit.node, "pointwise", unit.domain)
    walker.number, walker.buffer, walker.stored = unit.number, unit.buffer, True
    return walker


class Builder:
    """Builds the program of a graph."""

    def __init__(self, graph: Graph, fuse: bool = True) -> None:
        self.graph = graph
        self.env: ShapeEnv | None = graph.shape_env
        self.symbols = [source.symbol for source in graph.symbols]
        self.lowering = Lowering(graph)
        self.output_specs: list[tuple] = []
        self.output_buffers: list[Buffer] = []
        self.write_backs: list[tuple[Buffer, Unit]] = []
        self._results()
        self.scheduler = Scheduler(self.lowering, fuse)
        self.group_of = self.scheduler.group_of
        self._decide_stored()
        self._direct_writes()
        self.steps = [self._step(group) for group in self.scheduler.groups]
        self.steps += [self._write_back(buffer, unit) for buffer, unit in self.write_backs]
        self.plan = self._memory()
        self.functions: dict[str, str] = {}

    # -------------------------------------------------------------------------------------------- results

    def _results(self) -> None:
        """What each output is for the launcher; results that no unit computes yet become units."""
        written = {position for position, _ in self.graph.writes}
        taken: dict[Node, int] = {}
        for position, output in enumerate(self.graph.outputs):
            if isinstance(output, SymInt):
                self.output_specs.append(self._size_spec(output))
            elif not isinstance(output, Node):
                self.output_specs.append(("value", output))
            elif isinstance(output.value, SymInt):
                self.output_specs.append(self._size_spec(output.value))
            elif output.kind == "input" and self.graph.inputs.index(output) not in written:
                self.output_specs.append(("input", self.graph.inputs.index(output)))
            elif output in taken:
                self.output_specs.append(("output", taken[output]))
            else:
                taken[output] = position
                unit = self.lowering.unit_of.get(output) or self.lowering.materialise(output)
                self._make_output(unit, output)
        for position, node in self.graph.writes:
            if node not in self.lowering.unit_of:
                self.lowering.materialise(node)

    def _make_output(self, unit: Unit, node: Node) -> None:
        buffer = unit.buffer
        assert buffer is not None
        buffer.kind = "output"
        buffer.position = len(self.output_buffers)
        self.output_buffers.append(buffer)
        unit.stored = True
        self.output_specs.append(("array", node.value.dtype.numpy, tuple(node.value.shape)))

    def _size_spec(self, value: SymInt) -> tuple:
        if value.expr in self.symbols:
            return ("size", self.symbols.index(value.expr))
        return ("computed", value.expr)

    # -------------------------------------------------------------------------------------------- what goes to memory

    def _decide_stored(self) -> None:
        for unit in self.lowering.units:
            if unit.kind in ("extern", "scatter") or is_partial(unit):
                unit.stored = True
        for unit in self.lowering.units:
            for other, place in unit.reads:
                if place is None or self.group_of[other] is not self.group_of[unit]:
                    other.stored = True
        for _, node in self.graph.writes:
            self.lowering.unit_of[node].stored = True

    def _direct_writes(self) -> None:
        """A value for an input goes straight into the input's memory where nobody needs the old value afterwards; else it is copied at the end."""
        order = {id(group): n for n, group in enumerate(self.scheduler.groups)}
        seen: set[Node] = set()
        for position, node in self.graph.writes:
            target = self.lowering.inputs[self.graph.inputs[position]]
            unit = self.lowering.unit_of[node]
            group = self.group_of[unit]
            if node not in seen and self._may_write(target, unit, group, order):
                seen.add(node)
                assert unit.buffer is not None
                unit.buffer.kind, unit.buffer.position, unit.buffer.node = "written", position, target.node
            else:
                self.write_backs.append((target, unit))

    def _may_write(self, target: Buffer, unit: Unit, group: Group, order: dict[int, int]) -> bool:
        assert unit.buffer is not None and target.node is not None
        strides = tuple(size_of(s) for s in target.node.value.strides)
        if unit.buffer.kind != "temporary" or unit.kind not in ("pointwise", "reduction") or is_partial(unit) or not _dense(target.shape, strides):
            return False
        if any(spec == ("input", target.position) for spec in self.output_specs):
            return False
        now = order[id(group)]
        linear = flatten(group.result[unit], shape_of(unit.node))
        for other in self.lowering.units:
            if target not in other.loads:
                continue
            at = order[id(self.group_of[other])]
            if at > now:
                return False
            if at == now and not self._reads_here(group, other, target, linear):
                return False
        return not group.space.reduces if any(target in u.loads for u in group.units) and group.space is not None else True

    @staticmethod
    def _reads_here(group: Group, reader: Unit, target: Buffer, linear: Index) -> bool:
        """Whether a unit of the writing kernel reads the old value only where the new one goes."""
        known = {next(iter(v.terms)): p for v, p in zip(reader.variables, group.place[reader]) if v.terms}
        for buffer, place in reader.input_reads:
            if buffer is target:
                if place is None:
                    return False
                if linear_place(buffer, tuple(i.substitute(known.get) for i in place)) != linear:
                    return False
        return True

    # -------------------------------------------------------------------------------------------- steps

    def _step(self, group: Group) -> Step:
        if group.kind == "loop":
            for unit in group.units:
                if is_partial(unit):
                    assert unit.buffer is not None
                    unit.buffer.elements = partial_elements(group, unit)
                    unit.buffer.dtype = _partial_dtype(unit)
                    unit.buffer.kind = "temporary"
            kernel = Kernel(group, self.lowering, self.group_of)
            return self._kernel_step(group.units, kernel)
        unit = group.units[0]
        assert unit.buffer is not None
        if group.kind == "scatter":
            step = self._kernel_step([unit], ScatterKernel(unit, self.lowering, self.group_of))
            step.serial = True
            return step
        return Step([unit], [operand.buffer for operand in unit.operands], [unit.buffer], title=_title([unit.node]))

    def _kernel_step(self, units: list[Unit], kernel: Kernel) -> Step:
        printer = KernelPrinter(kernel, self.env)
        written = [sink.buffer for sink in (*kernel.stores, *kernel.partials)]
        reads = [buffer for buffer in printer.buffers if buffer not in written or isinstance(kernel, ScatterKernel)]
        return Step(units, reads, written, printer, title=_title(kernel.evaluator.ran or [unit.node for unit in units]))

    def _write_back(self, target: Buffer, unit: Unit) -> Step:
        """The copy of a value into an input, after everything else."""
        node = unit.node
        copy = Unit(node, "pointwise", shape_of(node))
        copy.is_copy = copy.stored = True
        copy.buffer = Buffer(f"{target.name}_written", target.dtype, target.elements, "written", target.node, target.position, target.shape)
        sizes = tuple(size for size in copy.domain if size != 1)
        group = Group([copy], Space(sizes, (None,) * len(sizes)))
        kernel = Kernel(group, self.lowering, {**self.group_of, copy: group})
        kernel.stores[0].place = linear_place(target, group.place[copy])
        kernel = _again(kernel)
        return self._kernel_step([copy], kernel)

    # -------------------------------------------------------------------------------------------- memory

    def _memory(self) -> Plan:
        first: dict[Buffer, int] = {}
        last: dict[Buffer, int] = {}
        for number, step in enumerate(self.steps):
            for buffer in (*step.reads, *step.writes):
                if buffer.kind == "temporary":
                    first.setdefault(buffer, number)
                    last[buffer] = number
        return plan([Life(buffer, first[buffer], last[buffer]) for buffer in first])

    # -------------------------------------------------------------------------------------------- text

    def address(self, buffer: Buffer, offset: Any = 0) -> str:
        """Where a buffer is, as C++ text."""
        extra = "" if type(offset) is int and offset == 0 else f" + {self.size(offset)}"
        if buffer.kind in ("input", "written"):
            base = f"in[{self._array_position(buffer.position)}]"
        elif buffer.kind == "constant":
            base = f"in[{self._arrays() + buffer.position}]"
        elif buffer.kind == "output":
            base = f"out[{buffer.position}]"
        elif isinstance(buffer.offset, tuple):
            base = f"arena + o{buffer.offset[1]}"
        else:
            base = f"arena + {buffer.offset}"
        return f"(({STORAGE[buffer.dtype]}*)({base}){extra})" if extra else f"({base})"

    def _arrays(self) -> int:
        return sum(isinstance(node.value, FakeValue) for node in self.graph.inputs)

    def _array_position(self, position: int) -> int:
        return sum(isinstance(node.value, FakeValue) for node in self.graph.inputs[:position])

    def size(self, size: Any) -> str:
        return size_text(size, self.env)

    def function(self, printer: KernelPrinter, title: str) -> str:
        """The name of a kernel's function; equal kernels share one."""
        text = printer.text
        for number, symbol in enumerate(self.symbols):
            text = text.replace(f"${symbol.name}$", str(number))
        name = self.functions.get(text)
        if name is None:
            name = self.functions[text] = f"k{len(self.functions)}"
            self.bodies.append(f"// {title}\n" + text.replace("@", name, 1))
        return name

    def _call(self, step: Step) -> list[str]:
        if step.printer is None:
            unit = step.units[0]
            lines = PRINTERS[unit.node.target.lower.symbol](Call(unit, self.size, self.address))
            return [f"// {step.title}", *lines]
        printer = step.printer
        if printer.kernel.is_empty:
            return [f"// {step.title}: no elements"]
        name = self.function(printer, step.title)
        pointers = [self.address(buffer) for buffer in printer.buffers]
        if printer.needs or printer.symbols:
            pointers += ["&failed", "(void*)rt", "(void*)sizes"]
        values = ", ".join(f"(void*){p}" if not p.startswith(("&", "(void*)")) else p for p in pointers)
        extent = self.size(size_of(printer.extent))
        lines = [f"// {step.title}", f"{{ void* a[] = {{{values or 'nullptr'}}};"]
        if step.serial or printer.extent == 1:
            return [*lines, f"  {name}(0, {extent}, a); }}"]
        return [*lines, f"  rt->parallel_for(0, {extent}, {printer.grain}, {name}, a); }}"]

    def build(self) -> Program:
        """The translation unit and what the launcher must know."""
        self.bodies: list[str] = []
        calls: list[str] = []
        for step in self.steps:
            calls += self._call(step)
        shapes, symbolic = self._shapes()
        unpack = [f"const int64_t {SYMBOL}{symbol.name} = sizes[{n}];" for n, symbol in enumerate(self.symbols)]
        unpack += [f"(void){SYMBOL}{symbol.name};" for symbol in self.symbols]
        offsets = self._offsets()
        lines = [
            '#include "segue_loops.h"', "using namespace segue;", "", *self.bodies, "",
            "SEGUE_API int64_t segue_entry(void** in, void** out, const int64_t* sizes, char* arena, const segue_runtime* rt) {",
            "    int64_t failed = 0;", *("    " + line for line in (*unpack, *offsets, *calls)), "    return failed;", "}", *shapes, "",
        ]  # fmt: skip
        loops = [step for step in self.steps if step.printer is not None]
        ran = [step for step in loops if step.printer is not None and not step.printer.kernel.is_empty]
        return Program(
            "\n".join(lines), self._input_specs(), self._launcher_outputs(), self.symbols, [node.args[0] for node in self.lowering.constants],
            self.plan.static_bytes, symbolic, len(ran), len(self.functions), len(self.steps) - len(loops), self.scheduler.notes,
        )  # fmt: skip

    def _offsets(self) -> list[str]:
        lines = []
        at = str(self.plan.static_bytes)
        for number, slot in enumerate(self.plan.slots):
            lines.append(f"const int64_t o{number} = {at};")
            at = f"o{number} + ({self.size(slot)} + 63) / 64 * 64 + 64"
        return lines

    def _shapes(self) -> tuple[list[str], bool]:
        """The function that computes result shapes and the arena's size from the symbols, where there are any."""
        if not self.symbols:
            return [], False
        lines = ["", "SEGUE_API void segue_shapes(const int64_t* sizes, int64_t* dimensions, int64_t* arena_bytes) {"]
        lines += [f"    const int64_t {SYMBOL}{symbol.name} = sizes[{n}]; (void){SYMBOL}{symbol.name};" for n, symbol in enumerate(self.symbols)]
        count = 0
        for spec in self.output_specs:
            sizes = spec[2] if spec[0] == "array" else (spec[1],) if spec[0] == "computed" else ()
            for size in sizes:
                lines.append(f"    dimensions[{count}] = {self.size(size_of(size))};")
                count += 1
        lines += ["    " + line for line in self._offsets()]
        last = f"o{len(self.plan.slots) - 1} + ({self.size(self.plan.slots[-1])} + 63) / 64 * 64 + 64" if self.plan.slots else str(self.plan.static_bytes)
        return [*lines, f"    *arena_bytes = {last};", "}"], True

    def _input_specs(self) -> list[tuple]:
        specs: list[tuple] = []
        written = {position for position, _ in self.graph.writes}
        for position, node in enumerate(self.graph.inputs):
            if isinstance(node.value, SymInt):
                specs.append(("size", self.symbols.index(node.value.expr)))
                continue
            shape = tuple(self._dimension(size) for size in shape_of(node))
            strides = tuple(size_of(s) for s in node.value.strides)
            layout = None if _dense(shape_of(node), strides) else strides if all(type(s) is int for s in strides) else "any"
            specs.append(("array", node.value.dtype.numpy, shape, layout, position in written))
        return specs

    def _dimension(self, size: Any) -> int | None:
        if type(size) is int:
            return size
        return -1 - self.symbols.index(size) if size in self.symbols else None

    def _launcher_outputs(self) -> list[tuple]:
        found: list[tuple] = []
        for spec in self.output_specs:
            if spec[0] == "array":
                sizes = tuple(size_of(s) for s in spec[2])
                found.append(("array", spec[1], tuple(s if type(s) is int else 0 for s in sizes)))
            else:
                found.append(("computed",) if spec[0] == "computed" else spec)
        return found


def _again(kernel: Kernel) -> Kernel:
    """Decide a kernel's loops once more, after a store has moved."""
    kernel._choose_runs()
    kernel.columns_set = {v for run in kernel.columns for v in run.variables}
    kernel.vector_set = set(kernel.columns[-1].variables) if kernel.columns else set()
    kernel._levels()
    return kernel


def _partial_dtype(unit: Unit) -> Any:
    kind = unit.node.target.lower.kind
    return accumulator(unit.node.value.dtype) if kind in ("sum", "prod") else unit.node.value.dtype


def _dense(shape: tuple, strides: tuple) -> bool:
    expected: Any = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size != 1 and not same(stride, expected):
            return False
        expected = size * expected
    return True


def _title(nodes: Iterable[Node]) -> str:
    """The operators of a step and the user's lines, for the comment above it."""
    found = [node for node in nodes if node.target is not None and not is_view(node)]
    names = ", ".join(dict.fromkeys(node.target.name for node in found)) or "copy"  # type: ignore[union-attr]
    lines = list(dict.fromkeys(str(node.line).rpartition("/")[2] for node in found if node.line))
    return f"{names}  {', '.join(lines[:MAX_LINES])}{' ...' if len(lines) > MAX_LINES else ''}" if lines else names


__all__ = ["Builder", "Program", "Step"]
