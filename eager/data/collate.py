"""From items to batches: `default_collate`, and `default_convert` for items that are not batched.

In come items, out go tensors in the items' own structure. The one idea: structure is followed member by member, and what sits at its leaves decides.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ..dtypes import float64
from ..functional import stack
from ..functional.creation import as_tensor, tensor
from ..tensor import Tensor


def _is_named(item: Any) -> bool:
    return isinstance(item, tuple) and hasattr(item, "_fields")


def _like(model: Any, found: Any) -> Any:
    """A mapping or sequence in the class of `model`, where that class can be made so; else a dict or list."""
    try:
        if isinstance(model, MutableMapping):
            made: Any = copy.copy(model)
            made.update(found)
            return made
        if isinstance(model, MutableSequence):
            made = copy.copy(model)
            for place, value in enumerate(found):
                made[place] = value
            return made
        return type(model)(found)
    except TypeError:
        return found


def _arrays(batch: Sequence[Any]) -> Any:
    if batch[0].dtype.kind in "SUOMm":
        raise TypeError(f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {batch[0].dtype}")
    return stack([as_tensor(np.asarray(array)) for array in batch])


def collate(batch: Sequence[Any], *, collate_fn_map: Mapping[Any, Callable] | None = None) -> Any:
    """As `default_collate`, with a table (a class or tuple of classes -> function of the batch and the table) that is asked first."""
    first = batch[0]
    if collate_fn_map is not None:
        for kind, function in collate_fn_map.items():
            if isinstance(first, kind):
                return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        return _like(first, {key: collate([item[key] for item in batch], collate_fn_map=collate_fn_map) for key in first})
    if _is_named(first):
        return type(first)(*(collate(members, collate_fn_map=collate_fn_map) for members in zip(*batch)))
    if isinstance(first, Sequence):
        if len({len(item) for item in batch}) > 1:
            raise RuntimeError("each element in list of batch should be of equal size; pass collate_fn= to join items of different numbers of members")
        columns = [collate(members, collate_fn_map=collate_fn_map) for members in zip(*batch)]
        return columns if isinstance(first, tuple) else _like(first, columns)
    raise TypeError(f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first)}; "
                    "pass collate_fn= to join such items")  # fmt: skip


default_collate_fn_map: dict[Any, Callable] = {
    Tensor: lambda batch, *, collate_fn_map=None: stack(list(batch)),
    np.ndarray: lambda batch, *, collate_fn_map=None: _arrays(batch),
    (np.bool_, np.number, np.object_): lambda batch, *, collate_fn_map=None: as_tensor(np.asarray(batch)),
    float: lambda batch, *, collate_fn_map=None: tensor(list(batch), dtype=float64),
    int: lambda batch, *, collate_fn_map=None: tensor(list(batch)),
    (str, bytes): lambda batch, *, collate_fn_map=None: batch,
}


def default_collate(batch: Sequence[Any]) -> Any:
    """Items of one kind joined along a new first dimension: tensors and arrays stacked, numbers as a tensor, tuples, lists and dicts member by member.

    Floats become float64, as in PyTorch. Strings stay as they are. Raises TypeError for other kinds, RuntimeError for sequences of different lengths.

    >>> default_collate([(1, "a"), (3, "b")])
    [tensor([1, 3]), ('a', 'b')]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def default_convert(data: Any) -> Any:
    """Arrays and NumPy numbers as tensors, structures member by member, everything else as it is.

    >>> default_convert((np.float64(2.0), "a"))
    [tensor(2., dtype=segue.float64), 'a']
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "SUOMm" else as_tensor(np.asarray(data))
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if _is_named(data):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence):
        return _like(data, [default_convert(value) for value in data])
    return data
