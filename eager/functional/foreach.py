"""`_foreach_add_` and its like: one operator over a list of tensors, as hand-written optimizers and averages of weights call it.

In come lists of tensors (and lists or single numbers beside them), out comes a tuple of tensors, or the first list changed in place. The one idea: each is the tensors' own
method, called once a tensor, and made by a table; compiled, the calls of one list become few kernels. Everything is checked before anything is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import error
from ..tensor import Tensor
from .creation import full_like
from .linalg import vector_norm
from .shape import broadcast_shapes

UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round rsqrt sigmoid sign sin sinh sqrt "
    "tan tanh trunc".split()
)  # fmt: skip
BINARY = "add sub mul div pow maximum minimum clamp_max clamp_min lerp".split()
TERNARY = "addcmul addcdiv".split()


def _tensors(name: str, value: Any, argument: str = "self") -> list[Tensor]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(x, Tensor) for x in value):
        raise TypeError(f"{name}(): argument {argument!r} must be a list or tuple of Tensors, not {type(value).__name__}")
    if not value:
        raise error(RuntimeError, f"{name}(): Tensor list must have at least one tensor.")
    return list(value)


def _beside(name: str, value: Any, count: int) -> list[Any]:
    """One operand for each tensor: a list of them, or one number or tensor for all."""
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        what = "Tensor lists must have the same number of tensors" if any(isinstance(x, Tensor) for x in value) else "Tensor list must have same number of elements as scalar list"
        raise error(RuntimeError, f"{name}(): {what}, got {count} and {len(value)}")
    return list(value)


def _in_place(name: str, tensors: Sequence[Tensor], *operands: Sequence[Any]) -> None:
    """Raises RuntimeError where a result would not have its tensor's shape, before any is written."""
    for number, row in enumerate(zip(tensors, *operands)):
        shapes = [x.shape for x in row if isinstance(x, Tensor)]
        if broadcast_shapes(*shapes) != row[0].shape:
            raise error(RuntimeError, f"{name}(): the result of tensor {number} would have shape {tuple(broadcast_shapes(*shapes))}, the tensor has {tuple(row[0].shape)}")


def _value(x: Tensor, name: str, *operands: Any, **settings: Any) -> Tensor:
    if name in ("maximum", "minimum") and not isinstance(operands[0], Tensor):
        operands = (full_like(x, operands[0]),)
    return getattr(x, name)(*operands, **settings)


def _write(x: Tensor, name: str, *operands: Any, **settings: Any) -> None:
    method = getattr(x, f"{name}_", None)
    if method is None:
        x.copy_(_value(x, name, *operands, **settings))
    else:
        method(*operands, **settings)


def _pair(kind: str, make: Callable[[str, bool], Callable]) -> dict[str, Callable]:
    """The function that returns new tensors, and the one that works in place, under their names."""
    made = {}
    for full, inplace in ((f"_foreach_{kind}", False), (f"_foreach_{kind}_", True)):
        made[full] = function = make(full, inplace)
        function.__name__ = function.__qualname__ = full
        function.__doc__ = f"`{kind}` of each tensor of a list" + (", in place." if inplace else ": a tuple.")
    return made


def _unary(kind: str) -> Callable[[str, bool], Callable]:
    def make(full: str, inplace: bool) -> Callable:
        def function(self: Sequence[Tensor]) -> Any:
            tensors = _tensors(full, self)
            if not inplace:
                return tuple([_value(x, kind) for x in tensors])
            for x in tensors:
                _write(x, kind)
            return self

        return function

    return make


def _binary(kind: str) -> Callable[[str, bool], Callable]:
    def make(full: str, inplace: bool) -> Callable:
        def function(self: Any, other: Any, *rest: Any, **settings: Any) -> Any:
            if kind == "pow" and not inplace and isinstance(self, (int, float, complex)):
                return tuple([self**x for x in _tensors(full, other, "exponent")])
            tensors = _tensors(full, self)
            columns = [_beside(full, value, len(tensors)) for value in (other, *rest)]
            if not inplace:
                return tuple([_value(x, kind, *row, **settings) for x, *row in zip(tensors, *columns)])
            _in_place(full, tensors, *columns)
            for x, *row in zip(tensors, *columns):
                _write(x, kind, *row, **settings)
            return self

        return function

    return make


def _ternary(kind: str) -> Callable[[str, bool], Callable]:
    def make(full: str, inplace: bool) -> Callable:
        def function(self: Sequence[Tensor], tensor1: Sequence[Tensor], tensor2: Sequence[Tensor], value: Any = 1) -> Any:
            tensors = _tensors(full, self)
            columns = [_beside(full, _tensors(full, given, name), len(tensors)) for name, given in (("tensor1", tensor1), ("tensor2", tensor2))]
            factors = _beside(full, value.tolist() if isinstance(value, Tensor) else value, len(tensors))
            if inplace:
                _in_place(full, tensors, *columns)
            act = _write if inplace else _value
            found = [act(x, kind, a, b, value=factor) for x, a, b, factor in zip(tensors, *columns, factors)]
            return self if inplace else tuple(found)

        return function

    return make


def _foreach_clone(self: Sequence[Tensor], *, memory_format: Any = None) -> tuple[Tensor, ...]:
    """A copy of each tensor of a list: a tuple."""
    return tuple([x.clone() for x in _tensors("_foreach_clone", self)])


def _foreach_zero_(self: Sequence[Tensor]) -> Sequence[Tensor]:
    """Set each tensor of a list to 0."""
    for x in _tensors("_foreach_zero_", self):
        x.zero_()
    return self


def _foreach_copy_(self: Sequence[Tensor], src: Sequence[Tensor], non_blocking: bool = False) -> Sequence[Tensor]:
    """Write the tensors of one list into those of another. Raises RuntimeError, before any is written, for lengths and shapes that do not fit.

    >>> import segue
    >>> kept, now = [segue.zeros(2), segue.zeros(1)], [segue.ones(2), segue.ones(1)]
    >>> segue._foreach_copy_(kept, now)
    [tensor([1., 1.]), tensor([1.])]
    """
    tensors = _tensors("_foreach_copy_", self)
    sources = _beside("_foreach_copy_", _tensors("_foreach_copy_", src, "src"), len(tensors))
    _in_place("_foreach_copy_", tensors, sources)
    for x, source in zip(tensors, sources):
        x.copy_(source)
    return self


def _foreach_norm(self: Sequence[Tensor], ord: Any = 2, dtype: Any = None) -> tuple[Tensor, ...]:  # noqa: A002
    """The vector norm of all elements of each tensor of a list: a tuple of scalars."""
    return tuple([vector_norm(x, ord, dtype=dtype) for x in _tensors("_foreach_norm", self)])


def _foreach_max(self: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The largest element of each tensor of a list: a tuple of scalars."""
    return tuple([x.max() for x in _tensors("_foreach_max", self)])


_KINDS = [(UNARY, _unary), (BINARY, _binary), (TERNARY, _ternary)]
FOREACH: dict[str, Callable] = {
    **{name: function for kinds, make in _KINDS for kind in kinds for name, function in _pair(kind, make(kind)).items()},
    **{function.__name__: function for function in (_foreach_clone, _foreach_zero_, _foreach_copy_, _foreach_norm, _foreach_max)},
}


__all__ = ["FOREACH"]


def _group_tensors_by_device_and_dtype(tensorlistlist: Sequence[Sequence[Tensor | None]], with_indices: bool = False) -> dict[tuple[Any, Any], tuple[list, list[int]]]:
    """Lists of tensors, side by side, parted by the device and dtype of the first list's: for each the parts, and (`with_indices`) where they stood.

    >>> from segue.eager.functional.creation import ones
    >>> [(str(kind), where) for (_, kind), (_, where) in _group_tensors_by_device_and_dtype([[ones(1), ones(1, dtype=int), ones(2)]], True).items()]
    [('segue.float32', [0, 2]), ('segue.int64', [1])]
    """
    places: dict[tuple[Any, Any], list[int]] = {}
    for i, x in enumerate(tensorlistlist[0]):
        if x is None:
            raise error(RuntimeError, "_group_tensors_by_device_and_dtype(): the first list must hold tensors only, not None")
        places.setdefault((x.device, x.dtype), []).append(i)
    return {kind: ([[each[i] for i in where] if each else [] for each in tensorlistlist], where if with_indices else []) for kind, where in places.items()}
