"""Python code that is followed in place of what the standard library does in C.

In come the user's objects, as the C code would get them; out goes the same result. The one idea: what can be said in a few lines of Python needs no rule of its own.
"""

from __future__ import annotations

import bisect
import functools
import heapq
import sys
import types
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


def equal_namespaces(left: Any, right: Any) -> Any:
    """types.SimpleNamespace.__eq__."""
    return vars(left) == vars(right) if isinstance(right, types.SimpleNamespace) else NotImplemented


def text_of_namespace(namespace: Any) -> str:
    """types.SimpleNamespace.__repr__."""
    name = "namespace" if type(namespace) is types.SimpleNamespace else type(namespace).__name__
    return f"{name}({', '.join([f'{key}={value!r}' for key, value in vars(namespace).items()])})"


def bind_dispatched(self: Any, obj: Any, cls: Any = None) -> Any:
    """functools.singledispatchmethod.__get__ since 3.13, without its cache, which is by weak reference."""
    dispatch, name = self.dispatcher.dispatch, getattr(self.func, "__name__", "singledispatchmethod method")

    def _method(*args: Any, **kwargs: Any) -> Any:
        if not args:
            raise TypeError(f"{name} requires at least 1 positional argument")
        return dispatch(args[0].__class__).__get__(obj, cls)(*args, **kwargs)

    _method.__isabstractmethod__ = self.__isabstractmethod__  # type: ignore[attr-defined]
    _method.register = self.register  # type: ignore[attr-defined]
    functools.update_wrapper(_method, self.func)
    return _method


def split(group: Any, condition: Any) -> tuple:
    """BaseExceptionGroup.split."""
    return _divide(group, _matcher(condition), True)


def subgroup(group: Any, condition: Any) -> Any:
    return _divide(group, _matcher(condition), False)[0]


def derive(group: Any, errors: Any) -> Any:
    return BaseExceptionGroup(group.message, errors)


def _matcher(condition: Any) -> Callable[[Any], Any]:
    if isinstance(condition, types.FunctionType) or (ANY_CALLABLE and callable(condition) and not isinstance(condition, type)):
        return condition
    classes = condition if type(condition) is tuple else (condition,)
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            raise TypeError(NO_CONDITION)
    return lambda error: issubclass(type(error), classes)


def _divide(error: Any, matches: Callable[[Any], Any], wants_rest: bool) -> tuple:
    if matches(error):
        return error, None
    if not isinstance(error, BaseExceptionGroup):
        return None, error
    found, rest = [], []
    for inner in error.exceptions:
        match, other = _divide(inner, matches, wants_rest)
        if match is not None:
            found.append(match)
        if other is not None:
            rest.append(other)
    match = _part(error, found)
    return match, _part(error, rest) if wants_rest else None


def _part(group: Any, errors: list) -> Any:
    """A group of some of the exceptions of a group, with its history."""
    if not errors:
        return None
    made = group.derive(errors)
    if not isinstance(made, BaseExceptionGroup):
        raise TypeError("derive must return an instance of BaseExceptionGroup")
    made.__traceback__ = group.__traceback__
    made.__context__ = group.__context__
    made.__cause__ = group.__cause__
    notes = getattr(group, "__notes__", None)
    if isinstance(notes, (list, tuple)):
        made.__notes__ = list(notes)
    return made


def prepare_reraise(caught: Any, errors: list) -> Any:
    """What goes on behind the clauses of `except*`: `errors` are those that the clauses raised, and what none of them took (PEP 654)."""
    if not errors:
        return None
    if not isinstance(caught, BaseExceptionGroup):
        return errors[0]
    raised: list = []
    again: list = []
    for error in errors:
        if error is not None:
            (again if same_history(error, caught) else raised).append(error)
    leaves = [leaf for error in again for leaf in _leaves(error)]
    rest = _divide(caught, lambda error: any(error is leaf for leaf in leaves), False)[0]
    if rest is not None:
        raised.append(rest)
    if len(raised) > 1:
        return BaseExceptionGroup("", raised)
    return raised[0] if raised else None


def _leaves(error: Any) -> list:
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)] if isinstance(error, BaseExceptionGroup) else [error]


def same_history(error: Any, other: Any) -> bool:
    """Answered over Values, see library.py."""
    raise NotImplementedError


def no_condition() -> str:
    """What split() says to something that is no condition."""
    try:
        ExceptionGroup("", [ValueError()]).split(0)  # type: ignore[call-overload]
    except TypeError as error:
        return str(error)
    raise AssertionError("not reached")


ANY_CALLABLE = sys.version_info >= (3, 13)
NO_CONDITION = no_condition()
FOLLOWED: dict[Any, Callable] = {
    heapq.heappush: heappush, heapq.heappop: heappop, heapq.heapreplace: heapreplace, heapq.heappushpop: heappushpop, heapq.heapify: heapify,
    bisect.bisect_right: bisect_right, bisect.bisect_left: bisect_left, bisect.insort_right: insort_right, bisect.insort_left: insort_left,
}  # fmt: skip
