"""Compiled functions called inside of function transforms that run eagerly.

In comes a call of a compiled function on tensors of running levels, out go its results at these levels. The one idea: the innermost level is taken to the front of
the function (eager/transforms/lifted.py), and that transform of it is compiled in its stead and called on what lies below; there the next level waits, until the tensors are
plain. What cannot be one graph under its transforms (it would have run in part) runs eagerly, and is counted in `transformed_frames`.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any

from ..eager.autograd.mode import STATE
from ..eager.autograd.tape import MultipleNode, Part
from ..eager.errors import CaptureError
from ..eager.pytree import tree_flatten, tree_unflatten
from ..eager.stats import stats
from ..eager.tensor import Tensor
from ..eager.transforms.custom import below
from ..eager.transforms.levels import WATCHERS, level_of
from ..eager.transforms.lifted import TAKEN, Taken, need_unwritten, pull_taken, run_taken
from ..graph.training import dense
from . import _capture, frame
from .interp.capture import Settings, compile_frame
from .interp.observe import Unwatched

_lifted: weakref.WeakKeyDictionary[Any, list[tuple[Any, Any]]] = weakref.WeakKeyDictionary()  # compiled -> (way of calling it, compiled transform or None)
_transforms: weakref.WeakSet[Any] = weakref.WeakSet()  # those that were made here


def call_at_levels(compiled: Any, args: tuple, kwargs: dict) -> Any:
    """What a call of a compiled function does where transforms run; called from C."""
    level: Any = STATE.levels[-1] if STATE.levels else None
    kind = TAKEN.get(type(level))
    if kind is None:
        return eagerly(compiled, args, kwargs)
    leaves, spec = tree_flatten((args, kwargs))
    tensors = [x for x in leaves if isinstance(x, Tensor)]
    for x in tensors:
        if x._base is not None and x._epoch != x._storage.epoch:
            x._refresh()
    taped = tuple(place for place, x in enumerate(leaves) if STATE.enabled and isinstance(x, Tensor) and x.requires_grad and level_of(x) is level)
    key, under = kind.take(level, [level.lift(x)._data if isinstance(x, Tensor) else x for x in leaves], spec, taped)
    made = transformed(compiled, key, lambda taken, function: lambda *values: run_taken(taken, function, *values))
    if made is None:
        return eagerly(compiled, args, kwargs)
    versions = [x._storage.version if isinstance(x, Tensor) else 0 for x in under]
    try:
        with below(level):
            tree, about, on_tape = made(*under)
    except CaptureError:
        give_up(compiled, key)
        return eagerly(compiled, args, kwargs)
    for x, value, version in zip(leaves, under, versions):
        if isinstance(x, Tensor) and value is not x and value._storage.version != version:
            x._storage.version += 1
    results, structure = tree_flatten(tree)
    given = {id(x) for x in under}
    results = [kind.returned(level, x, more, x._base is not None or id(x) in given) if isinstance(x, Tensor) else x for x, more in zip(results, about)]
    if on_tape:
        on_the_tape(compiled, key, leaves, made.taken, results, on_tape)
    return tree_unflatten(results, structure)


def on_the_tape(compiled: Any, key: tuple, leaves: list, taken: Taken, results: list, places: tuple) -> None:
    """Record a call on the level's own tape: its gradients come from another compiled function, which runs the forward again."""
    read = [x for reference in taken.read if (x := reference()) is not None]
    versions = [(x, x._storage.version) for x in [*leaves, *read] if isinstance(x, Tensor)]
    plain = [Tensor._wrap(results[place]._data, results[place]._storage) for place in places]

    def pull(gradients: list) -> list:
        need_unwritten(versions)
        given = [x.new_zeros(x.shape) if g is None else dense(g) for g, x in zip(gradients, plain)]
        found = transformed(compiled, (key, places), lambda taken, function: lambda *values: pull_taken(taken, places, function, *values))
        return list(found(*leaves, *given))

    edges = [leaves[place] if leaves[place]._edge is None else leaves[place]._edge for place in taken.taped]
    node = MultipleNode(edges, pull, "CompiledBackward", len(places))
    for number, place in enumerate(places):
        results[place]._edge, results[place]._requires_grad = Part(node, number), True


def eagerly(compiled: Any, args: tuple, kwargs: dict) -> Any:
    """The function as it is. Raises CaptureError for a transform that was made here: the function that it was made of runs eagerly, under all levels."""
    if compiled in _transforms:
        raise CaptureError("a function under transforms is not one graph")
    stats.count("transformed_frames")
    return compiled.__wrapped__(*args, **kwargs)


def transformed(compiled: Any, key: Any, make: Callable[[Taken, Any], Callable]) -> Any:
    """The compiled transform for one way of calling a function, made when it is first asked for; None where it is known to be no single graph."""
    known = _lifted.setdefault(compiled, [])
    for other, found in known:
        if other == key:
            return found
    cls, *options = key if isinstance(key[0], type) else key[0]
    taken = cls(*options)
    function = make(taken, compiled.__wrapped__)
    settings: Settings = compiled.cache.settings
    apart = dataclasses.replace(
        settings, fullgraph=True, root=function.__code__, shapes={}, states={}, skipped=[], recompiles=[], transformed={}, observer=Unwatched(), owner=None)
    found = frame.Compiled(function, frame.Cache(compile_frame, apart))
    found.taken = taken
    _transforms.add(found)
    known.append((key, found))
    return found


def give_up(compiled: Any, key: Any) -> None:
    """Remember that a way of calling a function is no single graph."""
    _lifted[compiled] = [(other, None if other == key else found) for other, found in _lifted[compiled]]


def forget() -> None:
    """Forget all transforms."""
    _lifted.clear()


_capture.set_lift(call_at_levels)
WATCHERS.append(_capture.add_levels)
