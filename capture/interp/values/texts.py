"""Texts that hold sizes and floats that the run gives: `f"length {n}"`, `str(n)`, `"%d rows" % n`, `f"loss {loss.item():.3f}"`.

In come the function that writes the text and Values of its arguments, out goes a Value that is written when the captured code has run. The one idea: as long as a text is only kept,
joined, returned, raised or printed, nobody needs to know the number; whatever else is asked of it ends the attempt, and the next one fixes the sizes in its texts (see capture.py).
"""

from __future__ import annotations

from typing import Any

from ..outcome import RUNTIME, Break
from .base import Value
from .constants import Constant, NumpySizeValue, SymIntValue
from .containers import TupleValue
from .floats import FloatValue, SizeFloat


class SizeText(Value):
    """The text that a helper of rebuild.py writes of these arguments."""

    def __init__(self, helper: str, args: list[Value]) -> None:
        self.helper = helper
        self.args = args

    def type(self) -> type:
        return str

    def describe(self) -> str:
        return "text that holds a size"

    def truth(self, run: Any) -> bool:
        raise self.unsupported("the truth")

    def identity(self) -> Any:
        raise Break("'is' of a text that holds a size is not captured", "compare with ==")

    def build(self, out: Any) -> None:
        out.helper(self.helper, *self.args)


def holds_size(value: Value) -> bool:
    """Whether a Value is a size that varies (or an exact float of one), a float that only the run gives, or a tuple of constants and such."""
    if isinstance(value, TupleValue):
        return any(map(holds_size, value.items)) and all(type(item) is Constant or holds_size(item) for item in value.items)
    if isinstance(value, SizeFloat):
        return value.ratio is not None
    return isinstance(value, (SymIntValue, NumpySizeValue)) or (isinstance(value, FloatValue) and RUNTIME in value.origins)


def text_of(run: Any, helper: str, *args: Value) -> Value | None:
    """A text that is written later, or None where sizes in texts are fixed."""
    if run.knowledge.fixes_open:
        return None
    run.writes = True
    return SizeText(helper, list(args))


def text_binary(run: Any, symbol: str, left: Value, right: Value) -> Value | None:
    """`"n = " + text`, and `"%d rows" % n`."""
    if isinstance(left, SizeText) or isinstance(right, SizeText):
        if symbol == "+" and all(value.type() is str for value in (left, right)):
            return SizeText("joined", [left, right])
        raise Break(f"'{symbol}' of a text that holds a size is not captured")
    return text_of(run, "percent_of", left, right) if symbol == "%" and type(left) is Constant and type(left.value) is str and holds_size(right) else None


def no_text(*values: Value) -> None:
    """Raise Break for a text whose content would have to be known."""
    if any(isinstance(value, SizeText) for value in values):
        raise Break("comparing a text that holds a size is not captured")


__all__ = ["SizeText", "holds_size", "no_text", "text_binary", "text_of"]
