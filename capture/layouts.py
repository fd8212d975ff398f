"""In which layout a tensor from outside is captured: how its strides follow from its sizes, as far as its earlier calls tell.

In come the sizes and strides of this call and the guards of earlier captures; out goes a `Layout` (graph/inputs.py), by which the tracer makes strides and the guard checks them.
The one idea: as with sizes, what stayed the same is a number, and what changed is not: the product of sizes where the memory is dense, else a number of its own, read at each call.
A stride of 0 or 1 says how the memory is walked (repeated, in order), so it stays a number: tensors of another such kind are captured apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ..graph.inputs import Layout, dense_order, is_dense
from .guard_tensors import TensorMatch

FOLLOWS = None  # a stride that differs from call to call
UNKNOWN = -1  # one that does not matter: of a dimension of size 1, or of no element


def choose(seen: Iterable[TensorMatch], shape: Sequence[int], strides: Sequence[int], free: Collection[int], all_vary: bool = False) -> Layout:
    """The layout of a tensor whose `free` sizes are symbols. `seen` are the guards of its earlier captures. `all_vary`: no stride need be seen twice to be a number of its own."""
    earlier = [guard for guard in seen if len(guard.shape) == len(shape)]
    for guard in earlier:
        if not _is_static(guard) and guard.strides_hold(shape, strides) and (guard.order is None or set(free) <= set(guard.order)):
            return Layout(guard.order, tuple(strides) if guard.strides is None else guard.strides)  # what differs is something else
    now = _known(shape, strides)
    alike = [guard for guard in earlier if _alike(guard, shape, now, free)]
    if free:
        orders = [_order(guard, free) for guard in earlier] + [dense_order(shape, strides, free)]
        for order in orders:
            if order is not None and set(free) <= set(order) and is_dense(shape, strides, order) and all(_fits(guard, order) for guard in alike):
                return Layout(order, tuple(strides))
    merged = tuple(_merged([*(_strides_of(guard)[dim] for guard in alike), now[dim]], strides[dim]) for dim in range(len(shape)))
    if all_vary and free:
        merged = tuple(stride if stride in (0, 1) or shape[dim] < 2 else None for dim, stride in enumerate(merged))
    if None in merged and not free and dense_order(shape, strides, range(len(shape))) is not None:
        return Layout(None, tuple(strides))  # of these very sizes, and dense: better code comes of numbers
    return Layout(None, merged)


def _known(shape: Sequence[int | None], strides: Sequence[int | None]) -> list[int | None]:
    return [UNKNOWN if size == 1 or 0 in shape else stride for size, stride in zip(shape, strides)]


def _strides_of(guard: TensorMatch) -> list[int | None]:
    """The strides that a capture holds for: numbers, FOLLOWS or UNKNOWN."""
    if guard.order is None:
        return _known(guard.shape, guard.strides or (FOLLOWS,) * len(guard.shape))
    found: list[int | None] = [UNKNOWN] * len(guard.shape)
    step: int | None = 1
    for dim in guard.order:
        found[dim], size = step, guard.shape[dim]
        step = None if step is None or size is None else step * size
    return found


def _order(guard: TensorMatch, free: Collection[int]) -> tuple[int, ...] | None:
    if guard.order is not None:
        return guard.order
    return dense_order(guard.shape, guard.strides, free) if _is_static(guard) else None  # type: ignore[arg-type]


def _is_static(guard: TensorMatch) -> bool:
    return guard.order is None and guard.strides is not None and None not in (*guard.shape, *guard.strides)


def _fits(guard: TensorMatch, order: tuple[int, ...]) -> bool:
    """Whether an earlier capture is of memory that is dense in this order."""
    if _is_static(guard):
        return is_dense(guard.shape, guard.strides, order)  # type: ignore[arg-type]
    return guard.order is not None and [dim for dim in order if dim in guard.order] == [dim for dim in guard.order if dim in order]


def _alike(guard: TensorMatch, shape: Sequence[int], now: list[int | None], free: Collection[int]) -> bool:
    """Whether an earlier capture is of memory that is walked as this one, as far as sizes of 0 and 1 among those that vary let it be told."""
    if any(size is not None and size < 2 for dim in free for size in (shape[dim], guard.shape[dim])):
        return True
    pairs = zip(_strides_of(guard), now)
    return all(a == b or UNKNOWN in (a, b) or (a not in (0, 1) and b not in (0, 1)) for a, b in pairs)


def _merged(found: list[Any], real: int) -> int | None:
    """One stride of those that were seen: the number that all have, or None."""
    known = {stride for stride in found if stride != UNKNOWN}
    if not known:
        return real
    return None if len(known) > 1 or FOLLOWS in known else known.pop()
