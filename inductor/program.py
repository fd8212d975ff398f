"""The program of one graph: steps in order, the memory they use, and the translation unit that carries them out.

In comes a graph without host rows; out come the C++ text, the specs for the launcher and the counts. The one idea: everything that the library needs to
know is decided here, once: which buffer is an output, an input that is written, or a place in the arena; the text that follows only says it.
"""

from __future__ import annotations

from typing import Any

from ..graph.ir import Graph, Node
from ..graph.symbolic import ShapeEnv, SymInt
from .codegen_cpp import KernelPrinter
from .expressions import Index, flatten, size_of
from .kernels import Kernel, accumulator, partial_elements
from .lower import Lowering
from .memory import plan
from .ordering import last_check
from .scatter import ScatterKernel
from .schedule import Group, Refusal, Scheduler, Space
from .steps import Step, batches, hosts, lives, title_of
from .units import Buffer, Unit, is_contiguous, is_partial, shape_of

MAX_CUTS = 6  # dimensions of one kernel that are cut in two


class Builder:
    """Decides the program of a graph; `ProgramPrinter` writes it down."""

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
        self.batches = batches(self.steps)
        self.plan = plan(lives(self.batches), hosts(self.batches))

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
        for _, node in self.graph.writes:
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
        """A value for an input goes straight into the input's memory where nobody needs the old value afterwards, and nothing can fail; else it is copied at the end."""
        order = {id(group): n for n, group in enumerate(self.scheduler.groups)}
        fallible = last_check(self.scheduler.groups)
        seen: set[Node] = set()
        for position, node in self.graph.writes:
            target = self.lowering.inputs[self.graph.inputs[position]]
            unit = self.lowering.unit_of[node]
            group = self.group_of[unit]
            if node not in seen and order[id(group)] > fallible and self._may_write(target, unit, group, order):
                seen.add(node)
                assert unit.buffer is not None
                unit.buffer.kind, unit.buffer.position, unit.buffer.node = "written", position, target.node
            else:
                self.write_backs.append((target, unit))

    def _may_write(self, target: Buffer, unit: Unit, group: Group, order: dict[int, int]) -> bool:
        assert unit.buffer is not None and target.node is not None
        strides = tuple(size_of(s) for s in target.node.value.strides)
        if unit.buffer.kind != "temporary" or unit.kind not in ("pointwise", "reduction") or is_partial(unit) or not is_contiguous(target.shape, strides):
            return False
        if any(spec == ("input", target.position) for spec in self.output_specs):
            return False
        now = order[id(group)]
        linear = flatten(group.result[unit], shape_of(unit.node))
        for other in self.scheduler.loading.get(id(target), ()):
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
                if buffer.at(tuple(i.substitute(known.get) for i in place)) != linear:
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
            kernel = self._kernel(group)
            return self._kernel_step(group.units, kernel)
        unit = group.units[0]
        assert unit.buffer is not None
        if group.kind == "scatter":
            step = self._kernel_step([unit], ScatterKernel(unit, self.lowering, self.group_of))
            step.serial = True
            return step
        return Step([unit], [operand.buffer for operand in unit.operands], [unit.buffer], title=title_of([unit.node]))

    def _kernel(self, group: Group) -> Kernel:
        """The kernel of a group, in the finest space that makes its indices linear."""
        kernel = Kernel(group, self.lowering, self.group_of)
        for _ in range(MAX_CUTS):
            space = kernel.finer()
            if space is None:
                break
            try:
                group = Group(group.units, space)
            except Refusal:
                break
            kernel = Kernel(group, self.lowering, self.group_of)
        return kernel

    def _kernel_step(self, units: list[Unit], kernel: Kernel) -> Step:
        printer = KernelPrinter(kernel, self.env)
        written = [sink.buffer for sink in kernel.sinks]
        reads = [buffer for buffer in printer.buffers if buffer not in written or isinstance(kernel, ScatterKernel)]
        return Step(units, reads, written, printer, title=title_of(kernel.evaluator.ran or [unit.node for unit in units]))

    def _write_back(self, target: Buffer, unit: Unit) -> Step:
        """The copy of a value into an input, after everything else."""
        node = unit.node
        copy = Unit(node, "pointwise", shape_of(node))
        copy.is_copy = copy.stored = True
        copy.reads.append((unit, None))
        copy.buffer = Buffer(f"{target.name}_written", target.dtype, target.elements, "written", target.node, target.position, target.shape)
        sizes = tuple(size for size in copy.domain if size != 1)
        group = Group([copy], Space(sizes, (None,) * len(sizes)))
        kernel = Kernel(group, self.lowering, {**self.group_of, copy: group})
        kernel.stores[0].place = target.at(group.place[copy])
        kernel = _again(kernel)
        return self._kernel_step([copy], kernel)


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
