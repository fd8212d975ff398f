"""Helpers that rewritten code calls: making objects without running user code, and the stores of replayed side effects.

In come real objects, out go real objects. The one idea: what capture already ran symbolically (an `__init__`, a `__setattr__`) must not run again, so everything here goes
through `object`'s own slots.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...eager.tensor import Tensor, wrap


def float_tensor(value: float) -> Tensor:
    """A float as an input of a graph."""
    return wrap(np.array(value, dtype=np.float64))


def number_of(tensor: Tensor) -> float:
    """The other way."""
    return tensor.item()


def tuple_of_class(items: tuple, cls: type) -> Any:
    return tuple.__new__(cls, items)


def convert(items: Any, cls: type) -> Any:
    return cls(items)


def call_method(owner: Any, name: str) -> Any:
    return getattr(owner, name)()


def sequence_iterator(sequence: Any, index: int) -> Iterator:
    """An iterator that has taken `index` items."""
    iterator = iter(sequence)
    iterator.__setstate__(index)  # type: ignore[attr-defined]
    return iterator


def advanced_iterator(iterable: Any, count: int) -> Iterator:
    """An iterator without a settable place that has taken `count` items."""
    iterator = iter(iterable)
    for _ in range(count):
        next(iterator)
    return iterator


def strict_zip(iterators: tuple) -> zip:
    return zip(*iterators, strict=True)


def make_function(code: types.CodeType, namespace: dict, defaults: tuple, keyword_defaults: dict, closure: tuple) -> types.FunctionType:
    made = types.FunctionType(code, namespace, None, defaults or None, closure or None)
    made.__kwdefaults__ = keyword_defaults or None
    return made


def make_partial(function: Any, args: tuple, keywords: dict) -> functools.partial:
    return functools.partial(function, *args, **keywords)


def new_object(cls: type) -> Any:
    return object.__new__(cls)


def new_exception(cls: type, args: tuple) -> BaseException:
    made = cls.__new__(cls, *args)
    made.args = args
    return made


def append_item(target: list, item: Any) -> None:
    target.append(item)


def extend_list(target: list, items: list) -> None:
    target.extend(items)


def replace_list(target: list, items: list) -> None:
    target[:] = items


def replace_set(target: set, items: list) -> None:
    target.clear()
    target.update(items)


def store_item(target: dict, key: Any, value: Any) -> None:
    target[key] = value


def delete_item(target: dict, key: Any) -> None:
    del target[key]


def store_attribute(target: Any, name: str, value: Any) -> None:
    setattr(target, name, value)


def store_plain_attribute(target: Any, name: str, value: Any) -> None:
    """Past a class's own `__setattr__`; slots and the instance's dict alike."""
    if isinstance(target, BaseException):
        setattr(target, name, value)
    else:
        object.__setattr__(target, name, value)


def delete_plain_attribute(target: Any, name: str) -> None:
    object.__delattr__(target, name)


def store_instance_entry(target: Any, name: str, value: Any) -> None:
    target.__dict__[name] = value


def store_cell(cell: types.CellType, value: Any) -> None:
    cell.cell_contents = value


def empty_cell(cell: types.CellType) -> None:
    del cell.cell_contents


HELPERS = {name: value for name, value in globals().items() if isinstance(value, types.FunctionType)}
