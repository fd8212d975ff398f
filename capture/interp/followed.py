"""Python code that is followed in place of what the standard library does in C.

In come the user's objects, as the C code would get them; out goes the same result. The one idea: what can be said in a few lines of Python needs no rule of its own.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable
from typing import Any


class Key:
    """What functools.cmp_to_key(function) makes of an object: its order is the function's."""

    __slots__ = ("compare", "obj")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, compare: Callable[[Any, Any], int], obj: Any) -> None:
        self.compare = compare
        self.obj = obj

    def __lt__(self, other: Key) -> bool:
        return self.compare(self.obj, other.obj) < 0

    def __gt__(self, other: Key) -> bool:
        return self.compare(self.obj, other.obj) > 0

    def __le__(self, other: Key) -> bool:
        return self.compare(self.obj, other.obj) <= 0

    def __ge__(self, other: Key) -> bool:
        return self.compare(self.obj, other.obj) >= 0

    def __eq__(self, other: object) -> bool:
        return self.compare(self.obj, other.obj) == 0  # type: ignore[attr-defined]


def _towards_root(heap: list, start: int, place: int) -> None:
    """Let the item at `place` rise while it is smaller than its parent, not above `start`."""
    item = heap[place]
    while place > start:
        parent = (place - 1) >> 1
        if not item < heap[parent]:
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = item


def _towards_leaves(heap: list, place: int) -> None:
    """Fill `place` with the smaller child all the way down, then let the item rise from there: the order of comparisons that heapq has."""
    start, item, end = place, heap[place], len(heap)
    child = 2 * place + 1
    while child < end:
        if child + 1 < end and not heap[child] < heap[child + 1]:
            child += 1
        heap[place] = heap[child]
        place, child = child, 2 * child + 1
    heap[place] = item
    _towards_root(heap, start, place)


def heappush(heap: list, item: Any) -> None:
    heap.append(item)
    _towards_root(heap, 0, len(heap) - 1)


def heappop(heap: list) -> Any:
    last = heap.pop()
    if not heap:
        return last
    first, heap[0] = heap[0], last
    _towards_leaves(heap, 0)
    return first


def heapreplace(heap: list, item: Any) -> Any:
    first, heap[0] = heap[0], item
    _towards_leaves(heap, 0)
    return first


def heappushpop(heap: list, item: Any) -> Any:
    if heap and heap[0] < item:
        item, heap[0] = heap[0], item
        _towards_leaves(heap, 0)
    return item


def heapify(heap: list) -> None:
    for place in reversed(range(len(heap) // 2)):
        _towards_leaves(heap, place)


def bisect_right(a: Any, x: Any, lo: int = 0, hi: int | None = None, *, key: Callable[[Any], Any] | None = None) -> int:
    if lo < 0:
        raise ValueError("lo must be non-negative")
    hi = len(a) if hi is None else hi
    while lo < hi:
        middle = (lo + hi) // 2
        if x < (a[middle] if key is None else key(a[middle])):
            hi = middle
        else:
            lo = middle + 1
    return lo


def bisect_left(a: Any, x: Any, lo: int = 0, hi: int | None = None, *, key: Callable[[Any], Any] | None = None) -> int:
    if lo < 0:
        raise ValueError("lo must be non-negative")
    hi = len(a) if hi is None else hi
    while lo < hi:
        middle = (lo + hi) // 2
        if (a[middle] if key is None else key(a[middle])) < x:
            lo = middle + 1
        else:
            hi = middle
    return lo


def insort_right(a: Any, x: Any, lo: int = 0, hi: int | None = None, *, key: Callable[[Any], Any] | None = None) -> None:
    a.insert(bisect_right(a, x if key is None else key(x), lo, hi, key=key), x)


def insort_left(a: Any, x: Any, lo: int = 0, hi: int | None = None, *, key: Callable[[Any], Any] | None = None) -> None:
    a.insert(bisect_left(a, x if key is None else key(x), lo, hi, key=key), x)


FOLLOWED: dict[Any, Callable] = {
    heapq.heappush: heappush, heapq.heappop: heappop, heapq.heapreplace: heapreplace, heapq.heappushpop: heappushpop, heapq.heapify: heapify,
    bisect.bisect_right: bisect_right, bisect.bisect_left: bisect_left, bisect.insort_right: insort_right, bisect.insort_left: insort_left,
}  # fmt: skip
