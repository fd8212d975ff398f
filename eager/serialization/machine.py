"""A pickle machine that runs nothing: it reads the opcodes of a pickle and builds plain containers, and what a table of names allows.

In come a pickle's opcodes (as the standard library's `pickletools` decodes them), out goes the object they describe. The one idea: Python's own unpickler calls what
the file names; here a name is looked up in a table first, and only what came out of the table may be called. An opcode without a handler is refused.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import CheckpointError, UnsafeCheckpointError
from ..lazy import LazyModule

pickletools: Any = LazyModule("pickletools")

Find = Callable[[str, str], Any]
_DICTS = (dict, OrderedDict, defaultdict, Counter)


class Machine:
    """One pickle. `find(module, name)` gives what a name stands for, or raises; `persistent(id)` what a persistent id does; `own` are the user's classes."""

    def __init__(self, file: Any, find: Find, persistent: Callable[[Any], Any], own: frozenset[int] = frozenset()) -> None:
        self.file, self.find, self.persistent, self.own = file, find, persistent, own
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # the stacks below each mark
        self.memo: dict[int, Any] = {}
        self.callables: dict[int, Any] = {}  # what came out of `find`; held, so that the ids stay theirs

    def run(self) -> Any:
        """The object. Raises UnsafeCheckpointError for what may not be run, CheckpointError for what is no pickle."""
        try:
            for opcode, argument, _ in pickletools.genops(self.file):
                handler = HANDLERS.get(opcode.name)
                if handler is None:
                    raise UnsafeCheckpointError(f"the checkpoint's pickle uses the opcode {opcode.name}, which weights do not need; nothing was run")
                handler(self, argument)
            if len(self.stack) != 1 or self.outer:
                raise CheckpointError("the checkpoint's pickle is damaged: it does not end with one object")
            return self.stack.pop()
        except CheckpointError:
            raise
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, EOFError, RecursionError) as problem:
            raise CheckpointError(f"the checkpoint's pickle is damaged ({type(problem).__name__}: {problem})") from problem

    def popped(self) -> list[Any]:
        """What was pushed behind the last mark; the mark goes too."""
        items, self.stack = self.stack, self.outer.pop()
        return items

    def allows(self, cls: Any) -> bool:
        """Whether the user allowed this class."""
        return id(cls) in self.own

    # -------------------------------------------------------------------------------------------------------- opcodes

    def mark(self, _: Any) -> None:
        self.outer.append(self.stack)
        self.stack = []

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.popped()

    def pop_mark(self, _: Any) -> None:
        self.popped()

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def append(self, _: Any) -> None:
        self._extend([self.stack.pop()])

    def appends(self, _: Any) -> None:
        self._extend(self.popped())

    def _extend(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise CheckpointError(f"the checkpoint's pickle is damaged: it appends to a {type(target).__name__}")
        target.extend(items)

    def additems(self, _: Any) -> None:
        items = self.popped()
        if type(self.stack[-1]) is not set:
            raise CheckpointError(f"the checkpoint's pickle is damaged: it adds to a {type(self.stack[-1]).__name__}")
        self.stack[-1].update(items)

    def setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def setitems(self, _: Any) -> None:
        self._update(self.popped())

    def _update(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) not in _DICTS and not (isinstance(target, dict) and self.allows(type(target))):
            raise CheckpointError(f"the checkpoint's pickle is damaged: it sets items of a {type(target).__name__}")
        for key, value in _pairs(items).items():
            target[key] = value

    def global_(self, names: str) -> None:
        """`module name`, as pickletools writes it."""
        module, _, name = names.partition(" ")
        self._named(module, name)

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise CheckpointError("the checkpoint's pickle is damaged: a name is no string")
        self._named(module, name)

    def _named(self, module: str, name: str) -> None:
        found = self.find(module, name)
        self.callables[id(found)] = found
        self.stack.append(found)

    def reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self._check_call(function, arguments)
        self.stack.append(function(*arguments))

    def newobj(self, _: Any) -> None:
        arguments, cls = self.stack.pop(), self.stack.pop()
        self._check_call(cls, arguments)
        self.stack.append(cls.__new__(cls, *arguments) if self.allows(cls) else cls(*arguments))

    def newobj_ex(self, _: Any) -> None:
        named, arguments, cls = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self._check_call(cls, arguments)
        if not self.allows(cls) or type(named) is not dict:
            raise UnsafeCheckpointError(f"the checkpoint makes an object of {cls!r}, which is not allowed; nothing was run")
        self.stack.append(cls.__new__(cls, *arguments, **named))

    def _check_call(self, function: Any, arguments: Any) -> None:
        if id(function) not in self.callables or not callable(function):
            raise UnsafeCheckpointError(f"the checkpoint's pickle calls a {type(function).__name__}, which no name in it stands for; nothing was run")
        if type(arguments) is not tuple:
            raise CheckpointError("the checkpoint's pickle is damaged: the arguments of a call are no tuple")

    def build(self, _: Any) -> None:
        """State for the object below it: attributes of an OrderedDict (`_metadata`), NumPy's own objects, and the user's classes."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, (np.dtype, np.ndarray)):
            _build_numpy(target, state)
        elif type(target) is OrderedDict or self.allows(type(target)):
            if hasattr(target, "__setstate__"):
                target.__setstate__(state)
                return
            shared, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
            for name, value in {**(shared or {}), **(slots or {})}.items():
                if type(name) is not str or name.startswith("__"):
                    raise UnsafeCheckpointError(f"the checkpoint sets the attribute {str(name)[:40]!r}; nothing was run")
                object.__setattr__(target, name, value)
        else:
            raise UnsafeCheckpointError(
                f"the checkpoint's pickle sets the state of a {type(target).__name__}, which weights do not need; nothing was run"
            )


def _pairs(items: list) -> dict:
    if len(items) % 2:
        raise CheckpointError("the checkpoint's pickle is damaged: a key has no value")
    return dict(zip(items[::2], items[1::2]))


def _build_numpy(target: Any, state: Any) -> None:
    """State of an array of numbers, or of its dtype: all that may be set is what it says already, and the elements."""
    if isinstance(target, np.dtype):
        if type(state) is not tuple or len(state) < 2 or state[1] not in ("<", "|", "="):
            raise CheckpointError(f"the checkpoint holds a NumPy dtype of another form than plain numbers: {str(state)[:60]}")
        return
    _, shape, of, _, data = state
    if type(data) is not bytes or not isinstance(of, np.dtype) or of.kind not in "biufc" or not isinstance(shape, tuple):
        raise CheckpointError("the checkpoint holds a NumPy array of something else than numbers")
    target.__setstate__(state)  # NumPy compares the sizes


def _push(value: Any) -> Callable[[Machine, Any], None]:
    return lambda machine, _: machine.stack.append(value)


def _push_argument(machine: Machine, argument: Any) -> None:
    machine.stack.append(argument)


def _collect(make: Callable[[list], Any]) -> Callable[[Machine, Any], None]:
    """What was pushed behind the mark, as one object."""

    def run(machine: Machine, _: Any) -> None:
        items = machine.popped()
        machine.stack.append(make(items))

    return run


def _last(count: int) -> Callable[[Machine, Any], None]:
    """The last `count` objects as a tuple."""

    def run(machine: Machine, _: Any) -> None:
        if len(machine.stack) < count:
            raise CheckpointError("the checkpoint's pickle is damaged: a tuple has too few members")
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return run


def _empty(make: Callable[[], Any]) -> Callable[[Machine, Any], None]:
    return lambda machine, _: machine.stack.append(make())


HANDLERS: dict[str, Callable[[Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    **dict.fromkeys(
        "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
        "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split(), _push_argument),
    "NONE": _push(None), "NEWTRUE": _push(True), "NEWFALSE": _push(False),
    "EMPTY_LIST": _empty(list), "EMPTY_DICT": _empty(dict), "EMPTY_SET": _empty(set), "EMPTY_TUPLE": _empty(tuple),
    "LIST": _collect(list), "TUPLE": _collect(tuple), "FROZENSET": _collect(frozenset), "DICT": _collect(_pairs),
    "TUPLE1": _last(1), "TUPLE2": _last(2), "TUPLE3": _last(3),
    "MARK": Machine.mark, "POP": Machine.pop, "POP_MARK": Machine.pop_mark,
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), Machine.put), "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine.get),
    "APPEND": Machine.append, "APPENDS": Machine.appends, "ADDITEMS": Machine.additems, "SETITEM": Machine.setitem, "SETITEMS": Machine.setitems,
    "GLOBAL": Machine.global_, "STACK_GLOBAL": Machine.stack_global, "REDUCE": Machine.reduce, "NEWOBJ": Machine.newobj,
    "NEWOBJ_EX": Machine.newobj_ex, "BUILD": Machine.build, "BINPERSID": lambda machine, _: machine.stack.append(machine.persistent(machine.stack.pop())),
}  # fmt: skip
