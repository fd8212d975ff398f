"""The translation unit of a graph: all kernels, the entry that runs the steps, and the specs for the launcher.

In comes what `Builder` decided, out comes a `Program`: text, specs and counts. The one idea: nothing is decided here; equal kernels become one function, and
every step becomes the few lines that call it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..graph.ir import FakeValue
from ..graph.symbolic import SymInt
from . import runtime
from .codegen_cpp import KernelPrinter
from .cpp_values import STORAGE, SYMBOL, size_text
from .expressions import size_of
from .externs import PRINTERS, Call
from .program import Builder
from .steps import Step
from .units import Buffer, is_contiguous, shape_of

TOGETHER = 8  # kernels up to which a program is one translation unit: small programs gain more by inlining than by compilers side by side
ENTRY_WEIGHT = 0.07  # characters of the entry, in characters of kernels that take the compiler as long
COLD = '#pragma GCC optimize ("O0")\n#pragma clang optimize off\n'  # a long entry only calls: optimising it takes longer than all that it could save


@dataclass
class Program:
    """What compiling a graph gives, before the compiler runs. `units`: the translation units, those that take longest first."""

    units: list[str]
    inputs: list[tuple]
    outputs: list[tuple]
    symbols: int
    constants: list[Any]
    arena_bytes: int
    symbolic: bool
    kernels: int
    functions: int
    calls: int
    notes: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        """All units, one after the other."""
        return "\n".join(self.units)


class ProgramPrinter:
    """Writes a program down."""

    def __init__(self, built: Builder) -> None:
        self.built = built
        self.functions: dict[str, str] = {}
        self.bodies: list[str] = []

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
            kind, number, *within = buffer.offset
            base = f"arena + o{number}" if kind == "slot" else f"(char*)out[{number}] + {within[0]}"
        else:
            base = f"arena + {buffer.offset}"
        return f"(({STORAGE[buffer.dtype]}*)({base}){extra})" if extra else f"({base})"

    def _arrays(self) -> int:
        return sum(isinstance(node.value, FakeValue) for node in self.built.graph.inputs)

    def _array_position(self, position: int) -> int:
        return sum(isinstance(node.value, FakeValue) for node in self.built.graph.inputs[:position])

    def size(self, size: Any) -> str:
        return size_text(size, self.built.env)

    def function(self, printer: KernelPrinter, title: str) -> str:
        """The name of a kernel's function; equal kernels share one."""
        text = printer.text
        for number, symbol in enumerate(self.built.symbols):
            text = text.replace(f"${symbol.name}$", str(number))
        name = self.functions.get(text)
        if name is None:
            name = self.functions[text] = f"k{len(self.functions)}"
            self.bodies.append(f"// {title}\n" + text.replace("@", name, 1))
        return name

    def _calls(self) -> list[str]:
        """The text that runs all batches. A program that fails does so before it changes an input, so that its caller may run eagerly instead."""
        lines: list[str] = []
        unsure = False
        for batch in self.built.batches:
            if unsure and any(step.changes_inputs for step in batch):
                lines.append("if (failed) return failed;")
                unsure = False
            lines += self._call(batch)
            unsure |= any(step.fallible for step in batch)
        return lines

    def _call(self, batch: list[Step]) -> list[str]:
        """The text that runs one batch."""
        step = batch[0]
        if step.printer is None:
            unit = step.units[0]
            return [f"// {step.title}", *PRINTERS[unit.node.target.lower.symbol](Call(unit, self.size, self.address))]
        if step.printer.kernel.is_empty:
            return [f"// {step.title}: no elements"]
        if len(batch) > 1:
            return self._together(batch)
        name, extent = self.function(step.printer, step.title), self.size(size_of(step.printer.extent))
        lines = [f"// {step.title}", f"{{ void* a[] = {{{self._pointers(step.printer)}}};"]
        if not step.parallel:
            return [*lines, f"  {name}(0, {extent}, a); }}"]
        return [*lines, f"  rt->parallel_for(0, {extent}, {step.printer.grain}, {name}, a); }}"]

    def _pointers(self, printer: KernelPrinter) -> str:
        pointers = [f"(void*){self.address(buffer)}" for buffer in printer.buffers]
        if printer.needs or printer.symbols:
            pointers += ["&failed", "(void*)rt", "(void*)sizes"]
        return ", ".join(pointers) or "nullptr"

    def _together(self, batch: list[Step]) -> list[str]:
        """Kernels that do not need each other, in one parallel region."""
        lines = ["{"]
        tasks = []
        for number, step in enumerate(batch):
            assert step.printer is not None
            name, extent = self.function(step.printer, step.title), self.size(size_of(step.printer.extent))
            lines += [f"  // {step.title}", f"  void* a{number}[] = {{{self._pointers(step.printer)}}};"]
            tasks.append(f"{{{name}, a{number}, {extent}, {step.printer.grain}}}")
        return [*lines, f"  const task tasks[] = {{{', '.join(tasks)}}};", f"  run_together(rt, tasks, {len(batch)}); }}"]

    def build(self) -> Program:
        """The translation unit and what the launcher must know."""
        calls = self._calls()
        shapes, symbolic = self._shapes()
        unpack = [f"const int64_t {SYMBOL}{symbol.name} = sizes[{n}];" for n, symbol in enumerate(self.built.symbols)]
        unpack += [f"(void){SYMBOL}{symbol.name};" for symbol in self.built.symbols]
        offsets = self._offsets()
        lines = [
            "SEGUE_API int64_t segue_entry(void** in, void** out, const int64_t* sizes, char* arena, const segue_runtime* rt) {",
            "    int64_t failed = 0;", *("    " + line for line in (*unpack, *offsets, *calls)), "    return failed;", "}", *shapes, "",
        ]  # fmt: skip
        units = translation_units(self.bodies, "\n".join(lines), max(1, runtime.threads()), slim=not symbolic)
        loops = [step for step in self.built.steps if step.printer is not None]
        ran = [step for step in loops if step.printer is not None and not step.printer.kernel.is_empty]
        return Program(
            units, self._input_specs(), self._launcher_outputs(), len(self.built.symbols), [node.args[0] for node in self.built.lowering.constants],
            self.built.plan.static_bytes, symbolic, len(ran), len(self.functions), len(self.built.steps) - len(loops), self.built.scheduler.notes,
        )  # fmt: skip

    def _offsets(self) -> list[str]:
        lines = []
        at = str(self.built.plan.static_bytes)
        for number, slot in enumerate(self.built.plan.slots):
            lines.append(f"const int64_t o{number} = {at};")
            at = f"o{number} + ({self.size(slot)} + 63) / 64 * 64 + 64"
        return lines

    def _shapes(self) -> tuple[list[str], bool]:
        """The function that computes result shapes and the arena's size from the symbols, where there are any."""
        if not self.built.symbols:
            return [], False
        lines = ["", "SEGUE_API void segue_shapes(const int64_t* sizes, int64_t* dimensions, int64_t* arena_bytes) {"]
        lines += [f"    const int64_t {SYMBOL}{symbol.name} = sizes[{n}]; (void){SYMBOL}{symbol.name};" for n, symbol in enumerate(self.built.symbols)]
        count = 0
        for spec in self.built.output_specs:
            sizes = spec[2] if spec[0] == "array" else (spec[1],) if spec[0] == "computed" else ()
            for size in sizes:
                lines.append(f"    dimensions[{count}] = {self.size(size_of(size))};")
                count += 1
        lines += ["    " + line for line in self._offsets()]
        last = f"o{len(self.built.plan.slots) - 1} + ({self.size(self.built.plan.slots[-1])} + 63) / 64 * 64 + 64" if self.built.plan.slots else str(self.built.plan.static_bytes)
        return [*lines, f"    *arena_bytes = {last};", "}"], True

    def _input_specs(self) -> list[tuple]:
        specs: list[tuple] = []
        written = {position for position, _ in self.built.graph.writes}
        for position, node in enumerate(self.built.graph.inputs):
            if isinstance(node.value, SymInt):
                specs.append(("size", self.built.symbols.index(node.value.expr)))
                continue
            shape = tuple(self._dimension(size) for size in shape_of(node))
            strides = tuple(size_of(s) for s in node.value.strides)
            layout = None if is_contiguous(shape_of(node), strides) else strides if all(type(s) is int for s in strides) else "any"
            specs.append(("array", node.value.dtype.numpy, shape, layout, position in written))
        return specs

    def _dimension(self, size: Any) -> int | None:
        if type(size) is int:
            return size
        return -1 - self.built.symbols.index(size) if size in self.built.symbols else None

    def _launcher_outputs(self) -> list[tuple]:
        found: list[tuple] = []
        for spec in self.built.output_specs:
            if spec[0] == "array":
                sizes = tuple(size_of(s) for s in spec[2])
                found.append(("array", spec[1], tuple(s if type(s) is int else 0 for s in sizes)))
            else:
                found.append(("computed",) if spec[0] == "computed" else spec)
        return found


def translation_units(bodies: list[str], entry: str, compilers: int, slim: bool) -> list[str]:
    """The text of a program: one unit where it is short, else its kernels in as many units as compilers run at once, and then its entry.

    `slim`: whether the entry computes no sizes, and so needs no arithmetic of ours.
    """
    head = '#include "segue_loops.h"\nusing namespace segue;\n\n'
    if len(bodies) <= TOGETHER:
        return ["\n".join([head, *bodies, "", entry])]
    shares: list[list[int]] = [[] for _ in range(min(compilers, len(bodies)))]
    weights = [ENTRY_WEIGHT * len(entry), *[0.0] * (len(shares) - 1)]  # the compiler that is done first takes the entry
    for number in sorted(range(len(bodies)), key=lambda number: -len(bodies[number])):
        lightest = min(range(len(shares)), key=weights.__getitem__)
        shares[lightest].append(number)
        weights[lightest] += len(bodies[number])
    kernels = [head + "\n".join(bodies[number].replace("static void", "SEGUE_KERNEL", 1) for number in sorted(share)) for share in shares if share]
    declared = "".join(f"SEGUE_KERNEL k{number}(int64_t begin, int64_t end, void* context);\n" for number in range(len(bodies)))
    return [*kernels, f'{COLD}#include "{"segue_entry.h" if slim else "segue_loops.h"}"\nusing namespace segue;\n\n{declared}\n{entry}']
