"""The order in which the scheduler's groups run.

In come the groups, what each of them needs, and which of them make a new value for an input; out comes a list. The one idea: a group runs behind what it needs,
otherwise where the graph had it; but an input's memory may be written only when nothing can fail any more, so those that would write it wait for the last check.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Any

Needs = Callable[[Any], Iterable[Any]]


def ordered(groups: list[Any], needs: Needs, writers: set[Any]) -> list[Any]:
    """The groups in the order in which they run."""
    order = _sorted(groups, needs)
    last = last_check(order)
    if last < 0 or not writers:
        return order
    return _sorted(groups, needs, order[last], writers - _behind(order[last], needs))


def last_check(order: list[Any]) -> int:
    """The number of the last group that may find something wrong, -1 if none does: what an earlier one has looked at is known to be right there."""
    last = -1
    passed: set[Any] = set()
    for number, group in enumerate(order):
        checks = set().union(*(unit.checks for unit in group.units))
        if not checks <= passed:
            last = number
            passed |= checks
    return last


def _sorted(groups: list[Any], needs: Needs, gate: Any = None, late: set[Any] | frozenset[Any] = frozenset()) -> list[Any]:
    """Each group behind what it needs, the late ones behind the gate, and otherwise by `_rank`."""
    waiting = {id(g): {id(n) for n in needs(g)} for g in groups}
    by_id = {id(g): g for g in groups}
    blocked: dict[int, list[int]] = {}
    for key, needed in waiting.items():
        for need in needed:
            blocked.setdefault(need, []).append(key)
    ready = [(_rank(g), id(g)) for g in groups if not waiting[id(g)]]
    heapq.heapify(ready)
    held: list[tuple] = []
    order: list[Any] = []
    while ready:
        rank, key = heapq.heappop(ready)
        group = by_id[key]
        if group in late:
            held.append((rank, key))
            continue
        order.append(group)
        if group is gate:
            late = frozenset()
            ready += held
            heapq.heapify(ready)
        for other in blocked.get(key, ()):
            waiting[other].discard(key)
            if not waiting[other]:
                heapq.heappush(ready, (_rank(by_id[other]), other))
    assert len(order) == len(groups), "the schedule has a cycle"
    return order


def _rank(group: Any) -> tuple[bool, int]:
    """Single numbers first, so that larger kernels stand side by side; otherwise as the graph had them."""
    return group.space is None or len(group.space.sizes) > 0, group.units[0].number


def _behind(group: Any, needs: Needs) -> set[Any]:
    """The group and all that it needs."""
    found: set[Any] = set()
    todo = [group]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo.extend(needs(one))
    return found
