"""copy.copy and copy.deepcopy over Values.

In comes a Value, out goes its copy. The one idea: what `copy` does is defined by identity (what is immutable is its own copy, what stood in two places does so in the
copy), so the rules are written over Values, whose identity is that of the objects.
"""

from __future__ import annotations

import copyreg
import types
from collections.abc import Callable
from typing import Any

from ...eager.nn.parameter import Parameter
from ...eager.tensor import Tensor
from ..sources import MISSING
from .lookup import entry_of
from .outcome import Break
from .values.base import Value
from .values.classes import ClassValue
from .values.constants import NONE, Constant, SymIntValue
from .values.contained import ContainerObject, overrides
from .values.containers import ListValue, SliceValue, TupleValue
from .values.deques import DequeValue
from .values.exceptions import ExceptionValue
from .values.floats import FloatValue
from .values.functions import BuiltinValue, FunctionValue, MadeFunction
from .values.instance import InstanceDictValue
from .values.mappings import DictValue
from .values.objects import ObjectValue, slot_of
from .values.ranges import RangeValue
from .values.sets import SetValue
from .values.tensors import TensorValue

REDUCERS = ("__reduce__", "__reduce_ex__", "__getnewargs__", "__getnewargs_ex__")

UNCHANGING = (Constant, SymIntValue, FloatValue, RangeValue, FunctionValue, MadeFunction, ClassValue, BuiltinValue)  # each is its own copy


def shallow_copy(run: Any, value: Value) -> Value:
    if isinstance(value, (*UNCHANGING, TupleValue, SliceValue)):
        return value
    if isinstance(value, SetValue) and value.cls is frozenset:
        return value
    if isinstance(value, (ListValue, DictValue, SetValue)):
        made: Any = value.call_method(run, "copy", [], {})
        if isinstance(value, DictValue):
            made.attributes = value.all_attributes(run)
        return made
    if isinstance(value, DequeValue):
        return value.call_method(run, "copy", [], {})
    if isinstance(value, ObjectValue):
        own = run.class_entry(value.cls, "__copy__")
        if own is not MISSING:
            return run.call(run.bind_entry(own, value, value.cls), [], {})
        made = fresh_object(run, value, "copy.copy")
        hand_state(run, value, made, lambda part: part)
        if isinstance(value, ContainerObject):
            made.builtin_method(run, "__init__", [value.contents], {})
        return made
    raise Break(f"copy.copy of a {value.describe()} is not captured")


def fresh_object(run: Any, value: ObjectValue, what: str) -> Any:
    """An object of the same class without attributes, where the class has no way of its own to be copied. Raises Break for one that has."""
    for name in REDUCERS:
        if entry_of(value.cls, name)[0] is not entry_of(object, name)[0]:
            raise Break(f"{what} of a {value.describe()}, whose class defines {name}, is not captured")
        run.class_entry(value.cls, name)
    if isinstance(value, ContainerObject) and overrides(value.cls, "__setitem__", "append", "extend"):
        raise Break(f"{what} of a {value.describe()}, whose class stores items in its own way, is not captured")
    if isinstance(value, ExceptionValue) or copyreg.dispatch_table.get(value.cls) is not None:
        raise Break(f"{what} of a {value.describe()} is not captured")
    return run.new_object(value.cls)


def hand_state(run: Any, value: ObjectValue, made: Any, copied: Callable[[Value], Value]) -> None:
    """Give a new object the state of another one, by the methods that its class has for it."""
    giver = run.class_entry(value.cls, "__getstate__")
    taker = run.attribute_or_none(made, "__setstate__")  # also by a `__getattr__`
    if giver is object.__getstate__:
        state = {name: copied(attribute) for name, attribute in state_of(run, value).items()}
        if taker is not None and state:
            if any(slot_of(value.cls, name) for name in state):
                raise Break(f"copying a {value.describe()}, which has slots and a __setstate__, is not captured")
            run.call(taker, [DictValue([(name, Constant(name), attribute) for name, attribute in state.items()])], {})
    else:
        held: Any = copied(run.call(run.bind_entry(giver, value, value.cls), [], {}))
        if taker is not None and not (isinstance(held, Constant) and held.value is None):
            run.call(taker, [held], {})
        if taker is None and not (type(held) is DictValue and all(type(key) is str for key in held.entries)):
            raise Break(f"copying a {value.describe()}, whose state is no dict of attributes, is not captured")
        state = {name: held.get(run, name) for name in held.entries} if taker is None else {}
    if taker is None:
        for name, attribute in state.items():
            made.store_own(run, name, attribute)


def state_of(run: Any, value: ObjectValue) -> dict[str, Value]:
    """The attributes that a copy takes along: those of the dict, then those in slots, as object.__reduce_ex__ collects them."""
    found = {name: value.own(run, name) for name in InstanceDictValue(value).names(run)} if value.has_dict() else {}
    for base in value.cls.__mro__:
        for name, member in vars(base).items():
            if isinstance(member, types.MemberDescriptorType) and name not in ("__dict__", "__weakref__") and name not in found:
                held = run.attribute_or_none(value, name)
                if held is not None:
                    found[name] = held
    return found  # type: ignore[return-value]


class Memo(DictValue):
    """The memo that deepcopy hands to a user's `__deepcopy__`: a dict that knows the copies made so far."""

    def __init__(self, copies: dict[Any, Any]) -> None:
        super().__init__()
        self.copies = copies


def deep_copy(run: Any, value: Value, memo: Value = NONE) -> Value:
    if not isinstance(memo, Memo) and not (isinstance(memo, Constant) and memo.value is None):
        raise Break("copy.deepcopy with a memo of the user's is not captured")
    return _deeply_copied(run, value, memo.copies if isinstance(memo, Memo) else {})


def _deeply_copied(run: Any, value: Value, memo: dict[Any, Any]) -> Value:
    """`memo`: id of a Value -> its copy, so that what stood in two places does so in the copy, too."""
    if isinstance(value, UNCHANGING):
        return value
    if id(value) in memo:
        return memo[id(value)]
    if type(value) is ListValue and value.cls is list:
        made = memo[id(value)] = ListValue([])
        made.items += [_deeply_copied(run, item, memo) for item in value.items_of(run)]
        return made
    if type(value) is DictValue:
        copied = memo[id(value)] = DictValue((), value.cls)
        copied.factory = value.factory
        for key in list(value.entries):
            copied.set_item(run, _deeply_copied(run, value.key_value(run, key), memo), _deeply_copied(run, value.get(run, key), memo))
        copied.attributes = {name: _deeply_copied(run, attribute, memo) for name, attribute in value.all_attributes(run).items()}
        return copied
    if isinstance(value, InstanceDictValue):
        return memo.setdefault(("__dict__", id(value.owner)), _deeply_copied(run, value.snapshot(run), memo))
    if isinstance(value, TupleValue):
        items = value.items_of(run)
        parts = [_deeply_copied(run, item, memo) for item in items]
        same = value.cls is tuple and all(part is item for part, item in zip(parts, items))
        return memo.setdefault(id(value), value if same else TupleValue(parts, value.cls))
    if isinstance(value, TensorValue):
        return memo.setdefault(id(value), _copied_tensor(run, value, memo))
    if isinstance(value, SliceValue):
        return memo.setdefault(id(value), SliceValue(*(_deeply_copied(run, part, memo) for part in value.parts)))
    if isinstance(value, DequeValue):
        deque = memo[id(value)] = DequeValue((), value.limit)
        for item in value.items_of(run):
            deque.put(run, _deeply_copied(run, item, memo))
        return deque
    if isinstance(value, SetValue):
        return memo.setdefault(id(value), SetValue(run, [_deeply_copied(run, item, memo) for item in value.items_of(run)], value.cls))
    if isinstance(value, ObjectValue):
        return _copied_object(run, value, memo)
    raise Break(f"copy.deepcopy of a {value.describe()} is not captured")


def _copied_object(run: Any, value: ObjectValue, memo: dict[Any, Any]) -> Value:
    own = run.attribute_or_none(value, "__deepcopy__")  # asked of the object itself, other than `__copy__`
    if own is not None:
        return memo.setdefault(id(value), run.call(own, [Memo(memo)], {}))
    run.class_entry(value.cls, "__deepcopy__")  # which has none
    made = memo[id(value)] = fresh_object(run, value, "copy.deepcopy")
    hand_state(run, value, made, lambda part: _deeply_copied(run, part, memo))
    if isinstance(value, ContainerObject):
        made.builtin_method(run, "__init__", [_deeply_copied(run, value.contents, memo)], {})
    return made


def _copied_tensor(run: Any, value: TensorValue, memo: dict[Any, Any]) -> Value:
    """A tensor that is no more than its values, in memory that no other part of the copy has."""
    twin = value.twin
    if type(twin) is Parameter:
        data = value.call_method(run, "detach", [], {}).call_method(run, "clone", [], {})
        return run.call(run.wrap_known(Parameter), [data, Constant(twin._requires_grad)], {})
    storage = getattr(twin._data, "storage", None)
    if type(twin) is not Tensor or twin.requires_grad or twin.__dict__ or value.attributes or storage is None or storage in memo or not twin.is_contiguous():
        raise Break(f"copy.deepcopy of a {value.describe()} is not captured", "clone()")
    memo[storage] = value
    return value.call_method(run, "clone", [], {})
