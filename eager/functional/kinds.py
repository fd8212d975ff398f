"""Whether arguments are of the kinds that a function takes: PyTorch's TypeErrors, from the annotations.

In come a public function and what it was called with, out goes the TypeError that is due, or nothing. The one idea: a function's annotations are the table of
what it takes. They are asked once a call has failed, so that calls that succeed pay nothing for it, and beforehand only for the functions that would
take a wrong argument for something else.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import INTEGER
from ..errors import error
from ..tensor import Tensor

# What a call with a wrong argument fails with, when nobody has looked at it before.
FAILURES = (AttributeError, RuntimeError, ValueError, IndexError, KeyError)
# Functions that would compute something with a wrong argument: a tensor for a flag, a fraction for an index.
STRICT = frozenset(
    (
        "unique unique_consecutive svd qr lu lu_solve cholesky cholesky_inverse cholesky_solve ormqr triangular_solve pinverse diag nan_to_num logit "
        "hardshrink polygamma mvlgamma triu tril rot90 diff diagflat diag_embed exponential_ geometric_ cauchy_ log_normal_ normal_ uniform_ random_ copy_ fill_diagonal_ "
        "flatten diagonal unfold kthvalue chunk unsafe_chunk unsafe_split tensor_split equal dist addcmul addcdiv inner cumprod cumsum topk"
    ).split()
)


def _symbolic(value: Any) -> bool:
    return hasattr(value, "segue_symbol")


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 0


def is_whole(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0 and value.dtype.category == INTEGER
    return hasattr(value, "__index__") and not isinstance(value, (bool, np.bool_, np.ndarray)) or _symbolic(value)


def _is_real(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating, np.bool_)) or _is_scalar(value) or _symbolic(value)


# A word of an annotation -> whether a value fits it. A parameter with any other word in its annotation takes anything.
FITS: dict[str, Callable[[Any], bool]] = {
    "Tensor": lambda value: isinstance(value, Tensor),
    "int": is_whole,
    "float": _is_real,
    "bool": lambda value: isinstance(value, (bool, np.bool_)) or _symbolic(value),
    "complex": lambda value: isinstance(value, (complex, np.complexfloating)) or _is_real(value),
    "Sequence[int]": lambda value: isinstance(value, (tuple, list)) and all(map(is_whole, value)),
    "str": lambda value: isinstance(value, str),
    "None": lambda value: value is None,
}


@functools.cache
def _words(annotation: Any) -> tuple[str, ...]:
    words = tuple(annotation.split(" | ")) if isinstance(annotation, str) else ()
    return words if all(word in FITS for word in words) else ()


def misfit(function: Callable, args: tuple, named: dict[str, Any]) -> Exception | None:
    """The TypeError for the first argument that is none of the kinds which the function's annotation of it names; None when all fit."""
    plain: Any = inspect.unwrap(function)
    code, annotations = plain.__code__, plain.__annotations__
    for position, (parameter, value) in enumerate((*zip(code.co_varnames[: code.co_argcount], args), *named.items())):
        words = _words(annotations.get(parameter))
        if words and not any(FITS[word](value) for word in words):
            place = f" (position {position + 1})" if position < len(args) else ""
            return error(TypeError, f"{function.__name__}(): argument '{parameter}'{place} must be {' or '.join(words)}, not {type(value).__name__}")
    return None


def refuse_misfit(function: Callable, args: tuple, named: dict[str, Any]) -> None:
    """Raise the TypeError of `misfit`, where there is one."""
    if wrong := misfit(function, args, named):
        raise wrong from None


def open_places(function: Any) -> list[int]:
    """At which places a function that no decorator serves yet takes tensors, `out` left aside."""
    if "__wrapped__" in function.__dict__:
        return []
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [place for place, name in enumerate(names) if name != "out" and "Tensor" in _words(function.__annotations__.get(name))]
