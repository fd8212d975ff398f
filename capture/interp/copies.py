"""copy.copy and copy.deepcopy over Values.

In comes a Value, out goes its copy. The one idea: what `copy` does is defined by identity (what is immutable is its own copy, what stood in two places does so in the
copy), so the rules are written over Values, whose identity is that of the objects.
"""

from __future__ import annotations

from typing import Any

from .outcome import Break
from .values.base import Value
from .values.constants import Constant
from .values.containers import ListValue, TupleValue
from .values.functions import BuiltinValue, ClassValue, FunctionValue
from .values.mappings import DictValue, SetValue


def shallow_copy(run: Any, value: Value) -> Value:
    if isinstance(value, (Constant, TupleValue, FunctionValue, ClassValue, BuiltinValue)):
        return value
    if isinstance(value, SetValue) and value.cls is frozenset:
        return value
    if isinstance(value, (ListValue, DictValue, SetValue)):
        return value.call_method(run, "copy", [], {})
    raise Break(f"copy.copy of a {value.describe()} is not captured")


def deep_copy(run: Any, value: Value) -> Value:
    return _deeply_copied(run, value, {})


def _deeply_copied(run: Any, value: Value, memo: dict[int, Value]) -> Value:
    """`memo`: id of a Value -> its copy, so that what stood in two places does so in the copy, too."""
    if isinstance(value, (Constant, FunctionValue, ClassValue, BuiltinValue)):
        return value
    if id(value) in memo:
        return memo[id(value)]
    if type(value) is ListValue and value.cls is list:
        made = memo[id(value)] = ListValue([])
        made.items += [_deeply_copied(run, item, memo) for item in value.items_of(run)]
        return made
    if type(value) is DictValue and value.cls is dict:
        copied = memo[id(value)] = DictValue()
        for key in list(value.entries):
            copied.set_item(run, _deeply_copied(run, value.key_value(run, key), memo), _deeply_copied(run, value.get(run, key), memo))
        return copied
    if isinstance(value, TupleValue):
        items = value.items_of(run)
        parts = [_deeply_copied(run, item, memo) for item in items]
        same = value.cls is tuple and all(part is item for part, item in zip(parts, items))
        return memo.setdefault(id(value), value if same else TupleValue(parts, value.cls))
    raise Break(f"copy.deepcopy of a {value.describe()} is not captured")
