"""copy.copy and copy.deepcopy over Values.

In comes a Value, out goes its copy. The one idea: what `copy` does is defined by identity (what is immutable is its own copy, what stood in two places does so in the
copy), so the rules are written over Values, whose identity is that of the objects.
"""

from __future__ import annotations

import collections
from typing import Any

from ...eager.tensor import Tensor
from .outcome import Break
from .values.base import Value
from .values.constants import Constant
from .values.containers import ListValue, TupleValue
from .values.functions import BuiltinValue, ClassValue, FunctionValue
from .values.mappings import DictValue
from .values.sets import SetValue
from .values.tensors import TensorValue


def shallow_copy(run: Any, value: Value) -> Value:
    if isinstance(value, (Constant, TupleValue, FunctionValue, ClassValue, BuiltinValue)):
        return value
    if isinstance(value, SetValue) and value.cls is frozenset:
        return value
    if isinstance(value, (ListValue, DictValue, SetValue)):
        made: Any = value.call_method(run, "copy", [], {})
        if isinstance(value, DictValue):
            made.attributes = value.all_attributes(run)
        return made
    raise Break(f"copy.copy of a {value.describe()} is not captured")


def deep_copy(run: Any, value: Value) -> Value:
    return _deeply_copied(run, value, {})


def _deeply_copied(run: Any, value: Value, memo: dict[Any, Any]) -> Value:
    """`memo`: id of a Value -> its copy, so that what stood in two places does so in the copy, too."""
    if isinstance(value, (Constant, FunctionValue, ClassValue, BuiltinValue)):
        return value
    if id(value) in memo:
        return memo[id(value)]
    if type(value) is ListValue and value.cls is list:
        made = memo[id(value)] = ListValue([])
        made.items += [_deeply_copied(run, item, memo) for item in value.items_of(run)]
        return made
    if type(value) is DictValue and value.cls in (dict, collections.OrderedDict):
        copied = memo[id(value)] = DictValue((), value.cls)
        for key in list(value.entries):
            copied.set_item(run, _deeply_copied(run, value.key_value(run, key), memo), _deeply_copied(run, value.get(run, key), memo))
        copied.attributes = {name: _deeply_copied(run, attribute, memo) for name, attribute in value.all_attributes(run).items()}
        return copied
    if isinstance(value, TupleValue):
        items = value.items_of(run)
        parts = [_deeply_copied(run, item, memo) for item in items]
        same = value.cls is tuple and all(part is item for part, item in zip(parts, items))
        return memo.setdefault(id(value), value if same else TupleValue(parts, value.cls))
    if isinstance(value, TensorValue):
        return memo.setdefault(id(value), _copied_tensor(run, value, memo))
    raise Break(f"copy.deepcopy of a {value.describe()} is not captured")


def _copied_tensor(run: Any, value: TensorValue, memo: dict[Any, Any]) -> Value:
    """A tensor that is no more than its values, in memory that no other part of the copy has."""
    twin = value.twin
    storage = getattr(twin._data, "storage", None)
    if type(twin) is not Tensor or twin.requires_grad or twin.__dict__ or storage is None or storage in memo or not twin.is_contiguous():
        raise Break(f"copy.deepcopy of a {value.describe()} is not captured", "clone()")
    memo[storage] = value
    return value.call_method(run, "clone", [], {})
