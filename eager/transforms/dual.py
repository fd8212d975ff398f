"""Tangents: arrays of the level that a running `jvp` makes.

In come tensors with a direction, out go tensors that carry a derivative along it. The one idea: dual numbers. Every differentiable row has a tangent
rule beside its kernel, so an operator on duals is the operator on the values and the sum of the rule's terms on the tangents
(Wengert, "A simple automatic derivative evaluation program", 1964).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..autograd.autocast import dtypes_as_they_are
from ..autograd.tape import F
from ..errors import error
from ..ops.definition import OpDef
from ..tensor import Storage, Tensor
from .levels import Level, TransformedArray, beside, fitted, unwrapped


class DualArray(TransformedArray):
    """A value and its tangent (None: zero), both of the level below."""

    def __init__(self, level: DualLevel, value: Tensor, tangent: Tensor | None, is_view: bool = False) -> None:
        super().__init__(level, value, tuple(value.shape), tuple(value.stride()))
        self.tangent = tangent
        self.is_view = is_view


class DualLevel(Level):
    """A running forward-mode derivative."""

    name = "jvp"

    def enter(self, primal: Tensor, tangent: Tensor | None) -> Tensor:
        """The dual of a value and a tangent of its shape. Both keep their place on the tape below."""
        self.tracked = self.tracked or primal.requires_grad or (tangent is not None and tangent.requires_grad)
        return Tensor._wrap(DualArray(self, primal, tangent), Storage())

    def leave(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Value and tangent; None where the result does not depend on what came in."""
        array = self.lift(x)._data
        return array.value, array.tangent

    def beside(self, made: Tensor, array: Any) -> Tensor:
        return self.enter(beside(made, array.value), None)

    def constant(self, x: Tensor) -> DualArray:
        return DualArray(self, x, None)

    @dtypes_as_they_are
    def record(self, op: OpDef, args: tuple, shape: tuple, result: np.dtype) -> DualArray:
        self.need_running()
        values = [tuple(unwrapped(part) for part in argument) if type(argument) is tuple else unwrapped(argument) for argument in args]
        out = fitted(op(*values), result)
        tangent = None
        if op.jvp is not None and (out.dtype.is_floating_point or out.dtype.is_complex):
            tangent = _tangent(op, args, values, out)
        return DualArray(self, out, tangent, "alias" in op.tags)

    def write(self, array: Any, new: Any) -> None:
        if array.tangent is None and new.tangent is not None:
            if array.is_view:
                raise error(
                    RuntimeError,
                    "jvp: a value with a tangent cannot be written into a view of a tensor that has none",
                    "the operation that returns a new tensor, or give the tensor a tangent by zeros_like() of one that has",
                )
            array.tangent = F[0].clone(new.tangent)
        elif array.tangent is not None:
            array.tangent.copy_(F[0].zeros_like(array.tangent) if new.tangent is None else new.tangent)
        array.value.copy_(new.value)


def _tangent(op: OpDef, args: tuple, values: list, out: Tensor) -> Tensor | None:
    """The sum of the tangent rule's terms, of the result's shape and dtype."""
    total: Tensor | None = None
    for place, (parameter, argument) in enumerate(zip(op.schema.parameters, args)):
        if parameter.kind == "attribute" or parameter.name not in (op.vjp or {}):
            continue
        direction = _direction(argument, values[place])
        if direction is None:
            continue
        term = _term(op, place, direction, values, out)
        total = term if total is None else total + term
    if total is not None and tuple(total.shape) != tuple(out.shape):
        total = F[0].expand(total, tuple(out.shape))
    return None if total is None else fitted(total, out._data.dtype)


def _direction(argument: Any, value: Any) -> Any:
    """The tangent of one argument, or of a sequence of them (zeros where a part has none); None where there is nothing to follow."""
    if isinstance(argument, DualArray):
        return argument.tangent
    if type(argument) is not tuple:
        return None
    found = [part.tangent if isinstance(part, DualArray) else None for part in argument]
    if all(tangent is None for tangent in found):
        return None
    return tuple(F[0].zeros_like(part) if tangent is None else tangent for tangent, part in zip(found, value))


def _term(op: OpDef, place: int, direction: Any, values: list, out: Tensor) -> Tensor:
    if op.jvp == "linear":
        return op(*values[:place], direction, *values[place + 1 :])
    name = op.schema.parameters[place].name
    formulas: Any = op.vjp if op.jvp == "elementwise" else op.jvp
    formula = formulas[name]
    if op.jvp == "elementwise" and values[place].dtype.is_complex and not out.dtype.is_complex:
        # A real result of a complex operand: the formula gives the gradient, and the tangent is its real inner product with the direction.
        gradient = formula(*[_value(word, op, F[0].ones_like(out), values, out) for word in _words(formula)])
        return F[0].real(F[0].conj(gradient) * direction)
    return formula(*[_value(word, op, direction, values, out) for word in _words(formula)])


@cache
def _words(formula: Callable) -> tuple[str, ...]:
    return tuple(inspect.signature(formula).parameters)


def _value(word: str, op: OpDef, direction: Any, values: list, out: Tensor) -> Any:
    """What a formula's parameter stands for."""
    if word in ("t", "g"):
        return direction
    if word == "F":
        return F[0]
    if word == "out":
        return out
    for parameter, value in zip(op.schema.parameters, values):
        if word == parameter.name:
            return value
        if word in (f"{parameter.name}_shape", f"{parameter.name}_dtype"):
            read = _shape if word.endswith("_shape") else _dtype
            return [read(part) for part in value] if type(value) is tuple else read(value)
    raise KeyError(f"the tangent rule of {op.name} names '{word}', which is none of its arguments")


def _shape(value: Any) -> tuple:
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def _dtype(value: Any) -> Any:
    return value.dtype if isinstance(value, Tensor) else None
