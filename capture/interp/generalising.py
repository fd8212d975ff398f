"""What becomes of a code object that is compiled again: what differs from the frames that were compiled before varies from now on.

In come the entries that do not hold and the frame, out goes what the next capture takes as varying: sizes and strides of tensors, numbers, texts, functions that are made anew at each call.
"""

from __future__ import annotations

import types
from typing import Any

from ...eager.log import log
from .. import guards
from ..sources import MISSING, Item
from .constructors import GETTERS
from .records import Recompile
from .values.growing import generalise_length


def generalise(settings: Any, state: Any, code: types.CodeType, view: Any, entries: tuple) -> None:
    """What differs from the frames that were compiled before becomes symbolic: sizes and strides of tensors, numbers and texts."""
    failed = [entry.guards.first_failed(view) for entry in entries]
    again = Recompile(code.co_qualname, f"{code.co_filename}:{code.co_firstlineno}", tuple((guard.text(), guard.now(view)) for guard in failed if guard is not None))
    settings.recompiles.append(again)
    log("recompiles", again.__str__)
    if settings.dynamic is False:
        return
    state.seen.clear()
    for entry in entries:
        for guard in entry.guards:
            if isinstance(guard, guards.TensorMatch):
                generalise_tensor(state, guard, view)
            elif isinstance(guard, guards.LengthIs):
                misses = sum(isinstance(other, guards.LengthIs) and other.source == guard.source for other in failed)
                generalise_length(state, guard, guard.source.fetch(view), misses)
            elif isinstance(guard, guards.Is):
                generalise_function(state, guard, guard.source.fetch(view))
            elif isinstance(guard, guards.Equals):
                generalise_number(state, guard.source, guard.value, view, guard.source.fetch(view))


def generalise_function(state: Any, guard: guards.Is, now: Any) -> None:
    """A function that the program makes anew at each call (a closure, alive across a break) is known by its parts from now on, and so is a getter."""
    before = guard.value.target()
    if now is before or guard.source in state.constants:
        return
    if type(now) in GETTERS or (type(now) is types.FunctionType and (before is None or getattr(before, "__code__", None) is now.__code__)):
        state.varying.add(guard.source)


def generalise_number(state: Any, source: Any, before: Any, view: Any, now: Any) -> None:
    """A number or text that differs varies from now on, and with it the others of its list (lengths, say); of a tuple, those of its items that differ."""
    if source in state.constants:
        return
    if (type(before), type(now)) == (int, float):  # a sum that began as 0
        state.varying.add(source)
    if type(now) is not type(before) or guards.same_constant(now, before):  # a NaN does not differ from itself
        return
    if type(now) in (int, float, str):
        of = source.base.fetch(view) if isinstance(source, Item) else ()
        together = {Item(source.base, place) for place, other in enumerate(of) if type(other) is type(now)} if type(of) is list else set()
        state.varying.update({source, *together} - state.constants)
    elif type(now) is tuple and len(now) == len(before):
        state.split.add(source)
        for index, (old, new) in enumerate(zip(before, now)):
            generalise_number(state, Item(source, index), old, view, new)


def generalise_tensor(state: Any, guard: guards.TensorMatch, view: Any) -> None:
    now = guard.source.fetch(view)
    if now is MISSING or type(now) is not guard.type:
        return
    state.seen.setdefault(guard.source, []).append(guard)
    shape = guards.array_of(now).shape
    if len(shape) == len(guard.shape):
        changed = {dim for dim, (before, after) in enumerate(zip(guard.shape, shape)) if before is not None and before != after}
        if changed:
            state.dynamic.setdefault(guard.source, set()).update(changed)
