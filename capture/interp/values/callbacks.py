"""Values on their way through eager code that calls the user's functions: transforms, hooks.

In come Values, out go Python objects that such code may hold: twins, boxes of what has none, and for a function a callable. The one idea: eager code runs
on twins as it is, so a function that it calls only has to be one that follows the user's instructions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from ....eager.autograd.tape import HookHandle
from ...sources import MISSING
from ..outcome import Break, NotPython, Observed, Unbuildable
from .base import Value
from .constants import Constant
from .containers import Sequence
from .state import ModesValue, modes


class DeferredCall(Value):
    """A call that the new code makes for real, behind the graph and in the order of the side effects."""

    def __init__(self, function: Any, args: list[Value]) -> None:
        self.real = function
        self.args = args

    def describe(self) -> str:
        return f"state that {getattr(self.real, '__qualname__', 'a call')}() changes"

    def replay(self, out: Any) -> None:
        out.statement_of(self.real, self.args)


class StaleValue(Value):
    """What a deferred call will have changed: nothing is known of it. Where it is only kept or returned, as the rate that a schedule sets, it is read behind the call.

    `owner` holds it under the name `place`, `path` leads on from there; `turn` counts the deferred calls up to now.
    """

    def __init__(self, born: int, turn: int, owner: Any, place: Any, path: tuple = ()) -> None:
        self.born, self.turn = born, turn
        self.owner, self.place, self.path = owner, place, path

    def type(self) -> type:
        raise Break(STALE)

    def describe(self) -> str:
        return "number that a call behind the graph changes"

    def item(self, run: Any, key: Value) -> Value:
        if not isinstance(key, Constant):
            raise Break(STALE)
        return StaleValue(self.born, self.turn, self.owner, self.place, (*self.path, key.value))

    def build(self, out: Any) -> None:
        """Behind the last deferred call it is what stood there behind its own, unless somebody wrote to the place since."""
        now = self.owner.at(self.place)
        if not isinstance(now, StaleValue) or now.turn != self.turn:
            super().build(out)
        out.helper("read_behind", self.owner, Constant(self.place), Constant(self.path))


class HookHandleValue(Value):
    """What registering a hook on a tensor returns. `edge`: its place on the tape, None for a leaf; `node`: what it is in the graph; `born`: the step before which the
    graph must end, where it does not hold the backward that the hook is for; `handle`: that of the twin."""

    methods: ClassVar[dict[str, Callable]] = {"remove": lambda self, run: self.remove()}

    def __init__(self, run: Any, twin: Any, handle: HookHandle | None = None) -> None:
        self.edge, self.node = twin._edge, getattr(twin._data, "node", None)  # none within a function transform
        self.born: int = run.step
        self.handle = handle
        self.removed = False

    def type(self) -> type:
        return HookHandle

    def check_end(self, run: Any) -> None:
        """Raise Unbuildable for a hook that is to be there behind the graph: of a tensor made in the graph, the graph must end before anything is computed from it."""
        if self.removed or (self.edge is not None and run.tracer.is_walked(self.edge)):
            return
        if self.edge is not None:
            used = next((place for place, node in enumerate(run.tracer.nodes) if self.node in node.inputs), len(run.tracer.nodes))
            self.born = min(self.born, bisect_right(run.begun, used))
        raise Unbuildable(self, self.describe())

    def remove(self) -> Value:
        """A hook that is gone when the graph ends leaves no trace."""
        if self.handle is None:
            raise Break("remove() of this hook is not captured")
        self.handle.remove()
        self.removed = True
        return Constant(None)

    def describe(self) -> str:
        return "hook on a tensor whose backward runs outside of the graph"


STALE = "what a learning rate schedule or its optimizer holds is read behind schedule.step(), which runs behind the graph"


class Box:
    """A Value that stands for no object that real code may use, on its way through a transform."""

    def __init__(self, value: Value) -> None:
        self.value = value


class Handed(Value):
    """What a transform gets for one argument: the twins, and boxes of what has none."""

    def __init__(self, value: Value) -> None:
        self.value = value

    def python(self, run: Any) -> Any:
        value = self.value
        try:
            return value.python(run)
        except NotPython:
            if isinstance(value, Sequence) and value.cls in (tuple, list):
                return value.cls(Handed(item).python(run) for item in value.items_of(run))
            return Box(value)


class Callback(Value):
    """A function of the user's as a Python callable over twins, which follows it."""

    def __init__(self, function: Value) -> None:
        self.function = function

    def python(self, run: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            found = run.call(self.function, [run.make(arg) for arg in args], {name: run.make(value) for name, value in kwargs.items()})
            return Handed(found).python(run)

        call.__name__ = self.function.describe()
        return call


class Apart(Callback):
    """A function that is traced apart, as the branch of a `cond` is: it may run never or often, so what it changes outside cannot be replayed."""

    def __init__(self, function: Value, what: str) -> None:
        super().__init__(function)
        self.what = what

    def python(self, run: Any) -> Any:
        follow = super().python(run)

        def call(*args: Any, **kwargs: Any) -> Any:
            if run.tracer.inner is None:  # it runs now, once
                return follow(*args, **kwargs)
            outside, notes, mode = [*run.frames, self.function], len(run.journal.notes), modes()
            try:
                found = follow(*args, **kwargs)
            except Observed as raised:  # whether it runs at all is not known
                raise Break(f"{self.what} raises {raised.value.describe()}", "raise outside of it") from None
            changed = changed_outside(run, outside, notes, mode)
            if changed is not None:
                raise Break(f"{self.what} changes a {changed.describe()} from outside of it", "return the new value")
            return found

        return call


def changed_outside(run: Any, outside: list, notes: int, mode: Any) -> Value | None:
    """Something from outside of a function that the function wrote to, and did not put back: `outside` can reach it, `notes` were in the journal and `mode` was set before."""
    earlier = {id(value) for value in run.journal.notes[:notes]}
    written = [value for value in run.journal.notes[notes:] if not isinstance(value, ModesValue) or modes() != mode]
    written = [value for value in written if id(value) in earlier or not value.is_as_before()]
    return next((value for value in written if value.real is not MISSING or is_reached(value, outside)), None)


def is_reached(value: Value, roots: Any) -> bool:
    """Whether a Value is held by frames, Values and plain containers, at any depth."""
    return any(held is value for held in reached(roots))


def holds_stale(value: Value, owners: dict[int, Any]) -> bool:
    """Whether a Value that is none of the `owners` (objects that deferred calls change, by identity) holds something that is read behind such a call."""
    return id(value.real) not in owners and any(isinstance(held, StaleValue) for held in reached(value, owners))


def reached(roots: Any, owners: Any = ()) -> Iterator[Any]:
    """What frames, Values and plain containers hold, at any depth, but not what the `owners` hold."""
    seen: set[int] = set()
    stack = [roots]
    while stack:
        held = stack.pop()
        if id(held) in seen:
            continue
        seen.add(id(held))
        yield held
        if owners and isinstance(held, Value) and id(held.real) in owners:
            continue
        if isinstance(held, dict):
            stack.extend(held.values())
        elif isinstance(held, (list, tuple)):
            stack.extend(held)
        elif isinstance(held, Value):
            stack.extend(item for name, item in vars(held).items() if name not in ("real", "source", "twin"))
        elif hasattr(held, "slots"):
            stack.extend(vars(held).values())
