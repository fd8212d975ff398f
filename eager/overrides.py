"""`__torch_function__`, as code asks for it that may be given tensors of somebody else's making.

In come arguments, out goes whether one of them wants to answer in the function's place, and its answer. The one idea: segue's own functions take segue's tensors and ask nobody;
these are for functions that ask themselves (`if has_torch_function(args): return handle_torch_function(...)`), and for them the protocol is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .tensor import Tensor


def disabled(func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
    """What a class sets as its `__torch_function__` that wants to be taken for a plain tensor."""
    return func(*args, **(kwargs or {}))


def _answers(value: Any) -> bool:
    return not isinstance(value, type) and getattr(type(value), "__torch_function__", None) not in (None, disabled)


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether one of the arguments has `__torch_function__`; a plain tensor has none.

    >>> import segue
    >>> has_torch_function((segue.ones(2), 1))
    False
    """
    return any(_answers(value) for value in relevant_args)


def has_torch_function_unary(value: Any) -> bool:
    """`has_torch_function` of one argument."""
    return _answers(value)


def has_torch_function_variadic(*relevant_args: Any) -> bool:
    """`has_torch_function` of the arguments themselves."""
    return has_torch_function(relevant_args)


def handle_torch_function(public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """What the first argument answers that does not return NotImplemented, subclasses before their bases. Raises TypeError where none answers."""
    asked: list[Any] = []
    for value in relevant_args:
        if _answers(value) and type(value) not in [type(other) for other in asked]:
            place = next((i for i, other in enumerate(asked) if issubclass(type(value), type(other))), len(asked))
            asked.insert(place, value)
    types = tuple(type(value) for value in asked)
    for value in asked:
        found = value.__torch_function__(public_api, types, args, kwargs)
        if found is not NotImplemented:
            return found
    name = f"{public_api.__module__}.{public_api.__name__}"
    raise TypeError(f"no implementation found for '{name}' on types that implement __torch_function__: {[of.__name__ for of in types]}")


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a tensor or has `__torch_function__`."""
    return isinstance(inp, Tensor) or _answers(inp)


__all__ = ["handle_torch_function", "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic", "is_tensor_like"]
