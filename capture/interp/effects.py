"""What a program does beside computing, and need not be done before the graph runs: warnings, and the end of a critical section.

In come Values of the arguments, out goes a call that the new code makes behind the graph, in the program's order. The one idea: nothing that is captured in between can tell the difference. A warning
keeps the file and line that eager mode gives it, and where a filter makes an error of it the graph ends before. Of a lock only the release waits: whoever takes one, or calls
anything else that is not captured, does so behind all releases, and what the program writes is written while the lock is held.
"""

from __future__ import annotations

import _thread
import functools
import warnings
from typing import Any

from .. import guards
from ..bytecode.breaks import entry_of
from . import followed
from .builtins import BUILTINS, FUNCTIONS
from .constructors import CONSTRUCTORS
from .outcome import Break
from .rebuild import warn
from .values.base import Value
from .values.callbacks import DeferredCall
from .values.constants import NONE, Constant
from .values.containers import ListValue, TupleValue
from .values.locks import MadeLock
from .values.objects import ObjectValue

# -- warnings ------------------------------------------------------------------------------------------------------------------


def _warn(run: Any, message: Value, category: Value = NONE, stacklevel: Value = Constant(1), source: Value = NONE, *, skip_file_prefixes: Any = TupleValue([])) -> Value:
    kind = message.type() if issubclass(message.type(), Warning) else category.real or UserWarning
    if not (isinstance(kind, type) and issubclass(kind, Warning)):
        raise run.raised(TypeError, f"category must be a Warning subclass, not '{category.type().__name__}'")
    if not isinstance(skip_file_prefixes, TupleValue) or skip_file_prefixes.items_of(run):
        raise Break("a warning with skip_file_prefixes is not captured", "use stacklevel")
    if not is_shown(kind):
        raise Break("a warning that a filter makes an error of, or that a function of the user's shows, is not captured")
    run.guard(guards.Predicate((), functools.partial(is_shown, kind), f"a {kind.__name__} is shown as usual"))
    if (record := recorded()) is not None:
        if id(record) in run.wrapped:
            raise Break("a warning that goes to a list which the captured code has read is not captured")
        run.stale[id(record)] = record
    frames = [frame for frame in run.frames if frame.globals is not vars(followed)]  # what stands there is C code, which has none
    level = max(1, run.python(stacklevel))
    if level <= len(frames):
        frame = frames[-level]
        place: tuple = (frame.code.co_filename, frame.line, frame.globals)
    else:
        place = (level - len(frames) + (entry_of(run.root.code) is not None),)  # the first frame of the function calls those that go on behind its breaks
    run.journal.act(run, DeferredCall(warn, [message, run.wrap_known(kind), source, *map(Constant, place)]))
    return NONE


WRITES = warnings._showwarnmsg_impl  # type: ignore[attr-defined]


def is_shown(kind: type) -> bool:
    """Whether nothing but a text, or an item of a list, can come of a warning of a class."""
    if any(action == "error" and issubclass(kind, of) for action, _, of, *_ in warnings.filters) or warnings.defaultaction == "error":  # type: ignore[attr-defined]
        return False
    return warnings.showwarning is warnings._showwarning_orig and (warnings._showwarnmsg_impl is WRITES or recorded() is not None)  # type: ignore[attr-defined]


def recorded() -> list | None:
    """The list in which `catch_warnings(record=True)` keeps warnings."""
    record = getattr(warnings._showwarnmsg_impl, "__self__", None)  # type: ignore[attr-defined]
    return record if type(record) is list else None


def guard_record(run: Any) -> None:
    """The lists that the program reads go on to be others than the one that its warnings go to."""
    if any(effect.real is warn for effect in run.journal.effects):
        read = tuple(value.source for value in run.wrapped.values() if isinstance(value, ListValue) and value.source is not None)
        run.guard(guards.Predicate(read, are_apart, "no list that is read holds the warnings"))


def are_apart(*lists: Any) -> bool:
    record = recorded()
    return record is None or all(one is not record for one in lists)


def changing_filters(function: Any) -> Any:
    """A function that changes the filters is called behind the graph, too."""

    def handler(run: Any, *args: Value, **kwargs: Value) -> Value:
        plain, named = list(map(run.python, args)), {name: run.python(value) for name, value in kwargs.items()}
        if "error" in (*plain, *named.values()):
            raise Break("a filter that makes errors of warnings is not captured")
        run.journal.act(run, DeferredCall(functools.partial(function, *plain, **named), []))
        return NONE

    return handler


def _enter(run: Any, block: ObjectValue) -> Value:
    kept, filters = (block.attribute(run, name) for name in ("_record", "_filter"))
    if run.truth(kept) or not (isinstance(filters, Constant) and filters.value is None):
        raise Break("catch_warnings(record=True), or with a filter, is not captured")
    run.journal.act(run, DeferredCall(warnings.catch_warnings.__enter__, [block]))
    return NONE


def _leave(run: Any, block: Value, *details: Value) -> Value:
    run.journal.act(run, DeferredCall(warnings.catch_warnings.__exit__, [block]))
    return NONE


BUILTINS[warnings.warn] = _warn
for _function in (warnings.simplefilter, warnings.filterwarnings, warnings.resetwarnings):
    FUNCTIONS[_function] = changing_filters(_function)
FUNCTIONS[warnings.catch_warnings.__enter__] = _enter
FUNCTIONS[warnings.catch_warnings.__exit__] = _leave


# -- locks made in the captured code ---------------------------------------------------------------------------------------------


BUILTINS[_thread.allocate_lock] = lambda run: MadeLock(run, _thread.LockType)
CONSTRUCTORS[_thread.LockType] = CONSTRUCTORS[_thread.RLock] = lambda run, cls, args, kwargs: MadeLock(run, cls, *args, **kwargs)
