"""Shapes: broadcasting, strides, and the shape facets that rows share.

In come shapes (tuples of ints or of symbolic sizes) and an operator's name for the message; out goes the result's shape. The one idea: sizes are
only added, multiplied and compared, and compared only when the answer matters, since each comparison of a symbolic size makes a guard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import DimensionError, ShapeError, error
from ..sizes import demand, known, same_size

Shape = tuple[Any, ...]


def is_one(size: Any) -> bool:
    """Whether a size is the constant 1. A symbolic size is not asked."""
    return type(size) is int and size == 1


def numel(shape: Sequence[Any]) -> Any:
    """The number of elements.

    >>> numel((2, 3)), numel(())
    (6, 1)
    """
    return math.prod(shape)


def broadcast_shapes(name: str, *shapes: Shape) -> Shape:
    """The shape to which all broadcast. Raises ShapeError with the operator and the shapes.

    >>> broadcast_shapes("add", (2, 1, 3), (4, 1))
    (2, 4, 3)
    """
    result = shapes[0]
    for shape in shapes[1:]:
        if shape is result:
            continue
        if len(shape) > len(result):
            result, shape = shape, result
        lead = len(result) - len(shape)
        result = result[:lead] + tuple([broadcast_size(a, b, _mismatch, name, shapes, i + lead) for i, (a, b) in enumerate(zip(result[lead:], shape))])
    return result


def broadcast_size(a: Any, b: Any, mismatch: Callable[..., Exception], *what: Any) -> Any:
    """The size that two broadcast to. Raises `mismatch(a, b, *what)`."""
    if a is b or is_one(b):
        return a
    if is_one(a) or same_size(a, b):
        return b
    if known(a, "==", b) is None:  # a size that only the run gives is as good as sure to be as large: where it is 1, the frame runs eagerly
        demand(a, "==", b, lambda: mismatch(a, b, *what))
    if a == b:
        return b
    if b == 1:
        return a
    if a == 1:
        return b
    raise mismatch(a, b, *what)


def _mismatch(a: Any, b: Any, name: str, shapes: tuple[Shape, ...], dim: int) -> Exception:
    return error(
        ShapeError,
        f"{name}(): shapes {' and '.join(str(tuple(s)) for s in shapes)} do not broadcast: "
        f"The size of tensor a ({a}) must match the size of tensor b ({b}) at non-singleton dimension {dim}",
    )


def broadcast(name: str) -> Callable[..., Shape]:
    """The shape facet of a pointwise operator: its tensors broadcast, numbers have no shape."""

    def facet(*operands: Any) -> Shape:
        shapes = [tuple(operand.shape) for operand in operands if hasattr(operand, "shape")]
        return shapes[0] if len(shapes) == 1 else broadcast_shapes(name, *shapes)

    return facet


def same_shape(x: Any, *rest: Any) -> Shape:
    """The shape facet of an operator that keeps the shape of its first operand."""
    return tuple(x.shape)


def contiguous_strides(shape: Sequence[Any]) -> Shape:
    """C-contiguous strides in elements.

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step = size * step if type(step) is not int or type(size) is not int else step * max(size, 1)
    return tuple(reversed(strides))


def is_contiguous(shape: Sequence[Any], strides: Sequence[Any]) -> bool:
    """Whether the strides (in elements) are C-contiguous; the stride of a dimension of size 1 does not matter."""
    if any(type(size) is int and size == 0 for size in shape):
        return True
    step: Any = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if is_one(size):
            continue
        if not (stride is step or stride == step):
            return False
        step = step * size
    return True


def view_strides(shape: Shape, strides: Shape, new_shape: Shape) -> Shape | None:
    """Strides that show the same memory under another shape, or None where a copy would be needed.

    The old dimensions fall into runs that step evenly through memory; the new sizes, taken from the right, must fill run after run exactly.

    >>> view_strides((4, 6), (6, 1), (2, 2, 6)), view_strides((4, 6), (1, 4), (24,)), view_strides((4, 6), (12, 1), (2, 2, 3, 2))
    ((12, 6, 1), None, (24, 12, 2, 1))
    """
    found = _view_strides(shape, strides, new_shape)
    if found is None and any(type(size) is not int and size == 1 for size in shape):  # asked only where it could help
        kept = [(size, stride) for size, stride in zip(shape, strides) if size != 1]
        found = _view_strides(tuple(size for size, _ in kept), tuple(stride for _, stride in kept), new_shape)
    return found


def _view_strides(shape: Shape, strides: Shape, new_shape: Shape) -> Shape | None:
    """As `view_strides`; a symbolic size is not asked whether it is 1."""
    if is_contiguous(shape, strides):
        return contiguous_strides(new_shape)
    runs: list[tuple[Any, Any]] = []  # (elements, stride of the innermost), from the right
    for size, stride in zip(reversed(shape), reversed(strides)):
        if is_one(size):
            continue
        if runs and stride == runs[-1][0] * runs[-1][1]:
            runs[-1] = runs[-1][0] * size, runs[-1][1]
        else:
            runs.append((size, stride))
    result: list[Any] = []
    left = list(reversed(new_shape))
    step: Any = 1
    for elements, base in runs:
        filled: list[Any] = [1]  # by none, one, two ... of the new sizes
        for size in left:
            filled.append(filled[-1] * size)
        count = next((n for n, product in enumerate(filled) if same_size(product, elements)), None)  # without asking, if that will do
        if count is None and (count := next((n for n, product in enumerate(filled) if product == elements), None)) is None:
            return None
        result += [product * base for product in filled[:count]]
        step, left = filled[count] * base, left[count:]
    if any(size != 1 for size in left):
        return None
    return tuple(reversed(result + [step] * len(left)))


def check_dim(name: str, dim: int, ndim: int) -> int:
    """A dimension counted from the front. Raises DimensionError (an IndexError) outside [-ndim, ndim).

    >>> check_dim("sum", -1, 3)
    2
    """
    limit = max(ndim, 1)
    if not -limit <= dim < limit:
        raise error(DimensionError, f"{name}(): Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})")
    return dim + limit if dim < 0 else dim


def reduced_shape(shape: Shape, dims: Sequence[int], keepdim: bool) -> Shape:
    """The shape left when `dims` are folded.

    >>> reduced_shape((2, 3, 4), (0, 2), False), reduced_shape((2, 3, 4), (1,), True)
    ((3,), (2, 1, 4))
    """
    if keepdim:
        return tuple(1 if i in dims else size for i, size in enumerate(shape))
    return tuple(size for i, size in enumerate(shape) if i not in dims)


def replaced(shape: Sequence[Any], dim: int, *sizes: Any) -> Shape:
    """The shape with `sizes` in place of dimension `dim` (none of them: the dimension goes).

    >>> replaced((2, 3, 4), 1, 7), replaced((2, 3, 4), 1)
    ((2, 7, 4), (2, 4))
    """
    shape = tuple(shape)
    return shape[:dim] + sizes + shape[dim + 1 :]


def require_size(a: Any, kind: str, b: Any, problem: Callable[[], str]) -> None:
    """Raise ShapeError unless `a kind b`; where only the run of a graph can tell, the run does."""
    demand(a, kind, b, lambda: error(ShapeError, problem()))


def require_shape(found: Shape, wanted: Shape, problem: Callable[[], str]) -> None:
    """Raise ShapeError unless the shapes are equal."""
    require(len(found) == len(wanted), problem)
    for a, b in zip(found, wanted):
        if a is not b:
            require_size(a, "==", b, problem)


def require(condition: Any, problem: Callable[[], str]) -> None:
    """Raise ShapeError unless the condition holds; the text is written only when it is needed."""
    if not condition:
        raise error(ShapeError, problem())
