"""Steps: what a graph's entry does, in order, and which steps run side by side.

In come the scheduler's groups, out come `Step`s with the buffers that they read and write, gathered into batches. The one idea: kernels that do not need each
other share one parallel region, so that the many small updates of an optimizer pay for one fork and join.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..graph.ir import Node
from .codegen_cpp import KernelPrinter
from .evaluate import is_view
from .memory import Host, Life
from .units import Buffer, Unit

MAX_LINES = 4  # of the user's, that the comment above a kernel names
MAX_BATCH = 64  # kernels in one parallel region


@dataclass
class Step:
    """One step of the entry: a kernel (`printer`), or a library call (`unit` alone). `serial`: never run in parallel."""

    units: list[Unit]
    reads: list[Buffer]
    writes: list[Buffer]
    printer: KernelPrinter | None = None
    serial: bool = False
    title: str = ""

    @property
    def fallible(self) -> bool:
        """Whether it may set the entry's `failed`."""
        return self.printer is not None and "failed" in self.printer.needs

    @property
    def changes_inputs(self) -> bool:
        return any(buffer.kind == "written" for buffer in self.writes)

    @property
    def parallel(self) -> bool:
        """Whether it may run beside others: a kernel with more than one step."""
        return self.printer is not None and not self.serial and self.printer.extent != 1 and not self.printer.kernel.is_empty


def batches(steps: list[Step]) -> list[list[Step]]:
    """Neighbouring parallel steps that do not touch what another of them writes, together; any other step alone. Inputs change when all that may fail is done."""
    found: list[list[Step]] = []
    for step in steps:
        last = found[-1] if found else None
        if last is not None and step.parallel and last[0].parallel and len(last) < MAX_BATCH and not any(_meet(step, other) for other in last):
            last.append(step)
        else:
            found.append([step])
    return found


def _meet(a: Step, b: Step) -> bool:
    """Whether one of two steps writes memory that the other touches, or must know that the other did not fail."""
    written_a, written_b = _memory(a.writes), _memory(b.writes)
    if a.changes_inputs and b.fallible or b.changes_inputs and a.fallible:
        return True
    return not (written_a.isdisjoint(written_b | _memory(b.reads)) and written_b.isdisjoint(_memory(a.reads)))


def _memory(buffers: Iterable[Buffer]) -> set:
    return {("input", buffer.position) if buffer.kind in ("input", "written") else buffer for buffer in buffers}


def lives(grouped: list[list[Step]]) -> list[Life]:
    """From which batch to which each buffer of the arena is needed. A result takes over the place of an operand that dies where it is made."""
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for number, batch in enumerate(grouped):
        for step in batch:
            for buffer in (*step.reads, *step.writes):
                if buffer.kind == "temporary":
                    first.setdefault(buffer, number)
                    last[buffer] = number
    found: dict[Buffer, Life] = {}
    for number, batch in enumerate(grouped):
        heirs = _heirs(batch, number, first, last)
        for buffer in (b for step in batch for b in step.writes):
            if buffer.kind != "temporary" or buffer in found:
                continue
            life = found.get(heirs[buffer]) if buffer in heirs else None
            if life is None:
                life = Life([], number, number)
            life.buffers.append(buffer)
            life.last = max(life.last, last[buffer])
            found[buffer] = life
    return list({id(life): life for life in found.values()}.values())


def hosts(grouped: list[list[Step]]) -> list[Host]:
    """The results of known size, which may hold other values until they are written."""
    found: dict[Buffer, Host] = {}
    for number, batch in enumerate(grouped):
        for buffer in (b for step in batch for b in (*step.reads, *step.writes)):
            if buffer.kind == "output" and buffer not in found:
                found[buffer] = Host(buffer.position, buffer.bytes, number)
    return [host for host in found.values() if type(host.bytes) is int]


def _heirs(batch: list[Step], number: int, first: dict[Buffer, int], last: dict[Buffer, int]) -> dict[Buffer, Buffer]:
    """Result -> operand whose memory it takes over: read by this step alone, for the last time, at the very element that is written."""
    found: dict[Buffer, Buffer] = {}
    for step in batch:
        if step.printer is None or step.serial:
            continue
        taken: set[Buffer] = set()
        readers = [buffer for other in batch for buffer in other.reads]
        for store in step.printer.kernel.stores:
            if store.buffer.kind != "temporary" or first[store.buffer] != number:
                continue
            for buffer in step.reads:
                ready = buffer.kind == "temporary" and buffer not in taken and last[buffer] == number and first[buffer] < number
                if ready and readers.count(buffer) == 1 and step.printer.kernel.overwrites(store, buffer):
                    found[store.buffer] = buffer
                    taken.add(buffer)
                    break
    return found


def title_of(nodes: Iterable[Node]) -> str:
    """The operators of a step and the user's lines, for the comment above it."""
    found = [node for node in nodes if node.target is not None and not is_view(node)]
    names = ", ".join(dict.fromkeys(node.target.name for node in found)) or "copy"  # type: ignore[union-attr]
    lines = list(dict.fromkeys(str(node.line).rpartition("/")[2] for node in found if node.line))
    return f"{names}  {', '.join(lines[:MAX_LINES])}{' ...' if len(lines) > MAX_LINES else ''}" if lines else names
