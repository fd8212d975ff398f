"""Memory that eager mode might share: copies in a graph that eager mode would not always make.

In come traced tensors, and a question that tells whether two of them share memory; out go copies, and notes on the storages of what to ask. The one idea: that two tensors
share memory shows only when one of them is written, or when both leave the graph. So a graph copies and asks nothing; where somebody could tell, the question is put, and
should the copy turn out wrong, the attempt ends and the next one asks at once (`Tracer.sharing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..eager.errors import CaptureError, SegueError, UndecidedSize, error
from ..eager.ops.definition import OPS
from ..eager.tensor import Tensor
from ..eager.transforms.levels import TransformedArray

COPY = "clone"  # the row that copies
IGNORE, DEFER, ASK = "ignore", "defer", "ask"  # what a tracer does about such copies: nobody can tell them, they are asked about late, or at once


class SharingMatters(SegueError):  # noqa: N818  (what an attempt learned, not a fault)
    """What a graph has copied shares memory in eager mode, and somebody could tell."""


def copied_unless(input: Tensor, shares: Callable[[], bool]) -> Tensor:
    """A traced tensor as it is where eager mode goes on in its memory, else a copy; a copy, too, where sizes that vary decide."""
    tracer = input._data.tracer
    found = shares() if tracer.sharing in (None, ASK) else without_guards(tracer, shares)
    if found is None:
        copy = OPS[COPY](input)
        if tracer.sharing == DEFER:
            link(copy._data.storage, input._data.storage, lambda: refuse(shares()))
        return copy
    return input if found else OPS[COPY](input)


def without_guards(tracer: Any, question: Callable[[], bool]) -> bool | None:
    """The answer to a question about sizes, or None where it would take a guard."""
    try:
        with tracer.shape_env.quiet():
            return question()
    except UndecidedSize:
        return None


def refuse(shares: bool) -> None:
    """Raise SharingMatters where memory is shared."""
    if shares:
        raise SharingMatters("memory is shared")


def link(one: Any, other: Any, settle: Callable[[], None]) -> None:
    """Note on two traced storages that eager mode might have one memory for both. `settle` makes sure that it has not, or raises SharingMatters."""
    one.alike.append((other, settle))
    other.alike.append((one, settle))


def together(storage: Any) -> dict[Any, None]:
    """A storage and all that might be its memory, over any number of copies."""
    found = {storage: None}
    waiting = [storage]
    for held in waiting:  # grows while it is walked
        for other, _ in held.alike:
            if other not in found:
                found[other] = None
                waiting.append(other)
    return found


def settle(storage: Any) -> None:
    """Somebody can tell whether these storages are one memory: make sure that they are not. Raises SharingMatters."""
    for held in together(storage):
        for _, ask in held.alike:
            ask()
    for held in together(storage):
        held.alike = []


def settle_leaving(storages: Iterable[Any]) -> None:
    """Storages leave the graph: those that might be the memory of one another, or of an input, are settled. Raises SharingMatters."""
    leaving = dict.fromkeys(storages)
    for storage in leaving:
        if storage.alike and sum(held.input is not None or held in leaving for held in together(storage)) > 1:
            settle(storage)


def storage_of(x: Any) -> Any:
    """The traced storage of a tensor, below all transforms; None where there is none."""
    while isinstance(x, Tensor) and isinstance(x._data, TransformedArray):
        x = x._data.value
    return getattr(x._data, "storage", None) if isinstance(x, Tensor) else None


def link_results(one: Tensor, other: Tensor, sharing: str, what: str) -> None:
    """Two tensors around an operator that holds graphs, of which `what` returned one as the other: in eager mode they are one memory. Raises CaptureError where that is asked at once."""
    first, second = storage_of(one), storage_of(other)
    if first is None or second is None or first is second:
        return
    if sharing == ASK:
        raise error(CaptureError, f"{what} returns a tensor from outside, or one tensor twice, and its memory is written or given out", "clone() it")
    link(first, second, lambda: refuse(True))
