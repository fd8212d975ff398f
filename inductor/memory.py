"""The memory plan: one arena for all that a graph keeps between its kernels.

In come buffers with the steps at which they are first written and last read; out go offsets into the arena and its size. The one idea: two buffers whose
lives do not meet may lie in the same place. With static sizes the large ones are placed first, each at the lowest offset that is free during its life; where
the arena would have to grow, in the memory of a result that is written only later (a training step's gradients come last). With symbolic sizes, offsets are
sums of slots of symbolic size, and buffers of the same size share slots.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .expressions import same, size_of
from .units import Buffer

ALIGNMENT = 64


@dataclass
class Life:
    """Buffers that follow each other in one place, and the first and last step (both included) at which it is needed."""

    buffers: list[Buffer]
    first: int
    last: int

    @property
    def bytes(self) -> Any:
        return self.buffers[0].bytes

    def put(self, offset: Any) -> None:
        for buffer in self.buffers:
            buffer.offset = offset


@dataclass
class Host:
    """The memory of result number `position`, which nobody needs before step `born`."""

    position: int
    bytes: int
    born: int


Placed = tuple[int, int, Life]  # begin and end, in bytes, and whose place it is


@dataclass(frozen=True)
class Plan:
    """`static_bytes`: the arena's size where all sizes are numbers. `slots`: (bytes) of the symbolic slots that follow, in order."""

    static_bytes: int
    slots: tuple[Any, ...] = ()


def plan(lives: list[Life], hosts: Sequence[Host] = ()) -> Plan:
    """Give every buffer its offset: an int, ("output", number, offset) in a result's memory, or ("slot", number) for a symbolic size.

    Largest first is the greedy rule of Pisarchyk and Lee, "Efficient memory management for deep neural net inference" (2020).
    """
    fixed = [life for life in lives if type(life.bytes) is int]
    total = _place(fixed, hosts)
    return Plan(total, tuple(_slots([life for life in lives if type(life.bytes) is not int])))


def _place(lives: list[Life], hosts: Sequence[Host]) -> int:
    arena: list[Placed] = []
    within: list[tuple[Host, list[Placed]]] = [(host, []) for host in sorted(hosts, key=lambda host: host.bytes)]
    total = 0
    for life in sorted(lives, key=lambda one: (-one.bytes, one.first)):
        size = aligned(life.bytes)
        offset = _lowest(arena, life, size)
        if offset + size > total:
            hosted = next(((h, at, taken) for h, taken in within if life.last < h.born and (at := _lowest(taken, life, size)) + life.bytes <= h.bytes), None)
            if hosted is not None:
                host, offset, taken = hosted
                insort(taken, (offset, offset + size, life), key=_begin)
                life.put(("output", host.position, offset))
                continue
        life.put(offset)
        insort(arena, (offset, offset + size, life), key=_begin)
        total = max(total, offset + size)
    return total


def _begin(placed: Placed) -> int:
    return placed[0]


def _lowest(placed: list[Placed], life: Life, size: int) -> int:
    """The lowest offset that is free during a life."""
    offset = 0
    for begin, end, other in placed:
        if other.last < life.first or life.last < other.first:
            continue
        if offset + size <= begin:
            break
        offset = max(offset, end)
    return offset


def _slots(lives: list[Life]) -> list[Any]:
    slots: list[Any] = []
    busy_until: list[int] = []
    for life in sorted(lives, key=lambda one: one.first):
        bytes_ = size_of(life.bytes)
        for number, size in enumerate(slots):
            if busy_until[number] < life.first and same(size, bytes_):
                break
        else:
            number = len(slots)
            slots.append(bytes_)
            busy_until.append(-1)
        busy_until[number] = life.last
        life.put(("slot", number))
    return slots


def aligned(size: int) -> int:
    return max(-(-size // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
