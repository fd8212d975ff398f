"""Texts that differ from call to call: such as hold sizes and floats that vary (`f"length {n}"`, `"%d rows" % n`, `f"loss {loss.item():.3f}"`), and such as come from outside.

In come the function that writes the text and Values of its arguments, out goes a Value that is written when the captured code has run. The one idea: as long as a text is only kept,
joined, returned, raised or printed, nobody needs to know it. A text from outside varies from its second value on, as a float does: what is asked of it (`name == "bias"`,
`name.endswith("weight")`) is answered as it is now, and guarded; whatever else is asked makes it a constant again. What else is asked of one that holds sizes ends the attempt, and the next
one fixes the sizes in its texts (see capture.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from ... import guards
from ..outcome import Specialise
from ..rebuild import HELPERS
from .base import Value
from .constants import TEXT_METHODS, Constant, NumpySizeValue, SymIntValue, constant
from .containers import ListValue, Sequence, SliceValue, TupleValue
from .floats import FloatValue, ResultValue, SizeFloat
from .mappings import DictValue

ASKING = ("startswith", "endswith", "__contains__", *(name for name in dir(str) if name.startswith("is")))
WRITING = ("upper", "lower", "title", "capitalize", "casefold", "swapcase", "strip", "lstrip", "rstrip", "replace", "removeprefix", "removesuffix", "ljust", "rjust", "center", "zfill")


class SizeText(Value):
    """The text that a helper of rebuild.py writes of these arguments. `origins` are the sources of the texts and floats from outside that it holds, RUNTIME stands among them
    where it holds a float that the run gives."""

    def __init__(self, helper: str, args: list[Value]) -> None:
        self.helper = helper
        self.args = args
        self.origins = origins_of(*args)

    def type(self) -> type:
        return str

    def describe(self) -> str:
        return "text that varies"

    def unsupported(self, what: str, suggestion: str = "") -> Any:
        return Specialise(self.origins) if self.origins else super().unsupported(what, suggestion)

    def python(self, run: Any) -> Any:
        raise self.unsupported("the content")

    def attribute(self, run: Any, name: str) -> Value:
        if name in WRITING:
            return run.builtin_method(self, name)
        raise self.unsupported(f"attribute '{name}'")

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name in WRITING and not kwargs and all(type(arg) is Constant for arg in args):
            text = later(run, "call_method", self, Constant(name), *args)
            if text is not None:
                return text
        raise self.unsupported(f"method '{name}'")

    def build(self, out: Any) -> None:
        out.helper(self.helper, *self.args)


class InputText(SizeText):
    """A text that the frame reaches by a source, of which another value was seen before."""

    def __init__(self, source: Any, now: str) -> None:
        self.source = source
        self.now = now
        self.origins = frozenset((source,))

    def attribute(self, run: Any, name: str) -> Value:
        return run.builtin_method(self, name) if name in ASKING else super().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name in ASKING and not kwargs and all(type(arg) is Constant or isinstance(arg, TupleValue) for arg in args):
            plain = [run.python(arg) for arg in args]
            return constant(self.asked(run, functools.partial(call, name, tuple(plain)), f".{name}({', '.join(map(repr, plain))})"))
        return super().call_method(run, name, args, kwargs)

    def asked(self, run: Any, question: Callable[[str], bool], shown: str) -> bool:
        """The answer to a question as it is in this call; it is guarded to stay so."""
        found = run.concrete(question, self.now)
        run.guard(guards.Predicate((self.source,), functools.partial(stays, question, found), f"{'' if found else 'not '}{self.source.text()}{shown}"))
        return found

    def contains(self, run: Any, item: Value) -> bool:
        plain = run.python(item)
        return self.asked(run, functools.partial(call, "__contains__", (plain,)), f".__contains__({plain!r})")

    def truth(self, run: Any) -> bool:
        return self.asked(run, bool, " is not empty")


def call(name: str, args: tuple, text: str) -> Any:
    return getattr(text, name)(*args)


def compare(function: Callable, other: Any, turned: bool, text: str) -> bool:
    return function(other, text) if turned else function(text, other)


def stays(question: Callable, expected: bool, now: Any) -> bool:
    return type(now) is str and question(now) == expected


def parts_of(value: Value) -> Iterable[Value]:
    """What a Value that `kept` gave consists of."""
    if isinstance(value, DictValue):
        return [item for _, item in value.entries.values()]
    return value.parts if isinstance(value, SliceValue) else value.items if isinstance(value, Sequence) else ()


def origins_of(*values: Value) -> frozenset:
    """The sources of what differs in these values but for sizes."""
    found: frozenset = frozenset()
    for value in values:
        found |= origins_of(*parts_of(value))
        if isinstance(value, (SizeText, FloatValue)):
            found |= value.origins
    return found


def varying(run: Any, value: Value) -> Value | None:
    """What holds a text that varies, a size that does (or an exact float of one), or a float that does, as it is now: a list may change before the text is
    written. None for others."""
    found = kept(run, value)
    return found if found is not None and holds_varying(found) else None


def kept(run: Any, value: Value) -> Value | None:
    """Numbers, texts, and copies of containers of such; None for anything else."""
    value = value.whole(run) if isinstance(value, ResultValue) else value
    if type(value) is Constant or varies(value):
        return value
    if isinstance(value, SliceValue):
        parts: list[Any] = [kept(run, part) for part in value.parts]
        return None if None in parts else SliceValue(*parts)
    if isinstance(value, (TupleValue, ListValue)):
        items = [kept(run, item) for item in value.items_of(run)]
        return None if None in items else TupleValue(items, value.cls) if isinstance(value, TupleValue) else ListValue(items)
    if type(value) is DictValue and value.cls is dict:
        pairs = [(key, kept(run, item)) for key, item in run.pairs(value)]
        if all(type(key) is Constant and item is not None for key, item in pairs):
            return DictValue((key.value, key, item) for key, item in pairs)
    return None


def varies(value: Value) -> bool:
    if isinstance(value, SizeFloat):
        return value.ratio is not None
    return isinstance(value, (SizeText, SymIntValue, NumpySizeValue, FloatValue))


def holds_varying(value: Value) -> bool:
    return varies(value) or any(map(holds_varying, parts_of(value)))


def example_of(value: Any) -> Any:
    """Something of the kind that a Value will be, to try a helper with."""
    if isinstance(value, DictValue):
        return {key.value: example_of(item) for key, item in value.entries.values()}
    if isinstance(value, SliceValue):
        return slice(*map(example_of, value.parts))
    if isinstance(value, Sequence):
        items = map(example_of, value.items)
        return list(items) if value.cls is list else tuple.__new__(value.cls, items)
    if isinstance(value, InputText):
        return value.now
    if isinstance(value, SizeText):
        return HELPERS[value.helper](*map(example_of, value.args))
    if isinstance(value, Constant):
        return value.value
    return 1.0 if isinstance(value, FloatValue) else 1


def later(run: Any, helper: str, *args: Value) -> Value | None:
    """A text that is written when the captured code has run; None where Python refuses to write it."""
    try:
        HELPERS[helper](*map(example_of, args))
    except (TypeError, ValueError, LookupError, AttributeError):
        return None
    return SizeText(helper, list(args))


def text_of(run: Any, helper: str, *args: Value) -> Value | None:
    """A text that is written later, or None where sizes in texts are fixed."""
    if not origins_of(*args):
        if run.knowledge.fixes_open:
            return None
        run.writes = True
    return later(run, helper, *args)


def text_binary(run: Any, symbol: str, left: Value, right: Value) -> Value | None:
    """`"n = " + text`, and `"%d rows" % n`."""
    if symbol == "%" and type(left) is Constant and type(left.value) is str and (held := varying(run, right)) is not None:
        return text_of(run, "percent_of", left, held)
    if isinstance(left, SizeText) or isinstance(right, SizeText):
        if symbol == "+" and all(value.type() is str for value in (left, right)):
            return SizeText("joined", [left, right])
        text: Any = left if isinstance(left, SizeText) else right
        raise text.unsupported(f"'{symbol}'")
    return None


def _join(run: Any, separator: Constant, args: list[Value], kwargs: dict[str, Value]) -> Value:
    items = [run.unpack(arg) for arg in args]
    if len(items) == 1 and any(isinstance(item, SizeText) for item in items[0]) and (text := later(run, "call_method", separator, Constant("join"), ListValue(items[0]))) is not None:
        return text
    return run.make(run.concrete(separator.value.join, *([run.python(item) for item in each] for each in items), **kwargs))


def _format(run: Any, template: Constant, args: list[Value], kwargs: dict[str, Value]) -> Value:
    held = varying(run, TupleValue([*args, *kwargs.values()]))
    if isinstance(held, TupleValue):
        named = DictValue((name, Constant(name), value) for name, value in zip(kwargs, held.items[len(args) :]))
        if (text := text_of(run, "format_all", template, TupleValue(held.items[: len(args)]), named)) is not None:
            return text
    return run.make(run.concrete(template.value.format, *map(run.printable, args), **{name: run.printable(value) for name, value in kwargs.items()}))


TEXT_METHODS.update({"join": _join, "format": _format})


def text_compare(run: Any, function: Callable, symbol: str, left: Value, right: Value) -> bool | None:
    """A text from outside beside a constant, as it comes out now; None where no text is compared. Raises Break or Specialise for one whose content would have to be known."""
    for text, other in ((left, right), (right, left)):
        if isinstance(text, InputText) and type(other) is Constant:
            return text.asked(run, functools.partial(compare, function, other.value, text is right), f" {symbol} {other.value!r}")
    for text in (left, right):
        if isinstance(text, SizeText):
            raise text.unsupported("comparing")
    return None


__all__ = ["InputText", "SizeText", "text_binary", "text_compare", "text_of", "varying"]
