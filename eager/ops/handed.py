"""Floats that only the run of a graph gives, among the arguments of a row: a number computed from sizes, which captured code hands to eager code.

In come a row and its arguments while a graph is traced, out go arguments without such floats. The one idea: where the row takes a tensor the float is a 0-d tensor of the dtype in which
the number would be computed; an attribute has to be the number that it is now. `full`, whose attribute is the one thing that it computes with, is a product.
"""

from __future__ import annotations

from typing import Any

from .definition import OPS, OpDef

STAND_IN = 0.5  # a number in its place, when dtypes are asked for


def is_handed(value: Any) -> bool:
    return hasattr(value, "segue_float")


def holds_handed(args: tuple) -> bool:
    return any(is_handed(argument) for argument in args)


def without_handed(op: OpDef, args: tuple) -> tuple:
    """The arguments with tensors for the floats that stand where tensors may, and numbers for the others."""
    kinds = [parameter.kind for parameter in op.schema.parameters]
    args = tuple(float(argument) if is_handed(argument) and kind != "tensor" else argument for argument, kind in zip(args, kinds, strict=False)) + args[len(kinds) :]
    numbers = op.dtype(*(STAND_IN if is_handed(argument) else argument for argument in args))
    tensors = tuple(argument.segue_float if is_handed(argument) else argument for argument in args)
    if not getattr(op.dtype, "no_cast", False) and op.dtype(*tensors) == numbers:
        return tensors
    compute = numbers[0] if type(numbers) is tuple else numbers
    return tuple(OPS["cast"](argument.segue_float, compute) if is_handed(argument) else argument for argument in args)


def full(shape: Any, value: Any, dtype: Any) -> Any:
    """A tensor filled with such a float."""
    return OPS["mul"](OPS["full"](shape, 1, dtype), OPS["cast"](value.segue_float, dtype))


INSTEAD = {"full": full}  # rows that are carried out by others
