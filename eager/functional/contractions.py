"""Contractions: inner products, tensordot and einsum.

In come tensors and the dimensions to sum over, out go tensors. The one idea: labels name dimensions, and two operands meet in one batched matrix
product: labels of both that stay are the batch, labels of both that go are summed, the rest are rows and columns. More operands meet in order.
"""

from __future__ import annotations

import string
from typing import Any

from ..errors import ShapeError, error
from ..ops.shapes import numel
from ..sizes import same_size
from ..tensor import Tensor
from .arguments import need_tensor, write_out
from .complex_numbers import conj
from .products import dot, matmul
from .reduction import sum
from .shape import diagonal, expand, movedim, permute, reshape

__all__ = ["einsum", "inner", "tensordot", "vdot"]


def vdot(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The sum of conj(input) * other of two vectors of one size. Raises RuntimeError for other shapes."""
    return write_out(out, dot(conj(need_tensor(input, "vdot")), need_tensor(other, "vdot", "other")), "vdot")


def inner(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """Sums of products over the last dimension of both; of a 0-d tensor, the product."""
    if not input.ndim or not other.ndim:
        return write_out(out, input * other, "inner")
    if input.shape[-1] != other.shape[-1]:
        raise error(ShapeError, f"inner() the last dimension must match on both input tensors but got shapes {tuple(input.shape)} and {tuple(other.shape)}")
    return write_out(out, tensordot(input, other, ([-1], [-1])), "inner")


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Any = None) -> Tensor:
    """Sums of products over `dims`: the last ones of `a` and first ones of `b`, or a pair of lists. Raises RuntimeError for sizes that differ.

    >>> import segue
    >>> segue.tensordot(segue.ones(2, 3), segue.ones(3, 4), 1).shape
    segue.Size([2, 4])
    """
    dims = dims.tolist() if isinstance(dims, Tensor) else dims
    if isinstance(dims, int):
        if dims < 0:
            raise error(RuntimeError, f"tensordot expects dims >= 0, but got dims={dims}")
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        left, right = ([side] if isinstance(side, int) else list(side) for side in dims)
    left, right = [d % max(a.ndim, 1) for d in left], [d % max(b.ndim, 1) for d in right]
    if len(left) != len(right):
        raise error(RuntimeError, f"tensordot(): both dimension lists should have same length, not {len(left)} and {len(right)}")
    first, second = list(range(a.ndim)), list(range(a.ndim, a.ndim + b.ndim))
    for i, j in zip(left, right):
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise error(ShapeError, f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and second has size {b.shape[j]} in dim {j}")
        second[j] = first[i]
    kept = [label for d, label in enumerate(first) if d not in left] + [label for d, label in enumerate(second) if d not in right]
    if not kept and tuple(a.shape[i] for i in left) == tuple(b.shape[j] for j in right):  # one number: under autocast, too, in the operands' dtype
        return write_out(out, dot(reshape(permute(a, left), (-1,)), reshape(permute(b, right), (-1,))), "tensordot")
    return write_out(out, _ordered(*_met((a, first), (b, second), kept), kept), "tensordot")


def _met(one: tuple, two: tuple, kept: Any) -> tuple[Tensor, list]:
    """Two labelled operands contracted: the labels of neither that are kept are summed."""
    both = [label for label in one[1] if label in two[1]]
    batch, gone = [label for label in both if label in kept], [label for label in both if label not in kept]
    (a, first), (b, second) = (_summed(x, labels, {*other, *kept}) for (x, labels), (_, other) in ((one, two), (two, one)))
    rows, columns = [label for label in first if label not in both], [label for label in second if label not in both]
    sizes = {label: _common(a.shape[first.index(label)], b.shape[second.index(label)]) for label in both}
    if not gone:  # nothing is summed: a product by elements, which promotes, as PyTorch's does
        a, b = _laid(a, first, batch + rows, sizes, both), _laid(b, second, batch + columns, sizes, both)
        lead, row, column = a.shape[: len(batch)], a.shape[len(batch) :], b.shape[len(batch) :]
        return reshape(a, (*lead, *row, *(1,) * len(column))) * reshape(b, (*lead, *(1,) * len(row), *column)), batch + rows + columns
    a, b = _laid(a, first, batch + rows + gone, sizes, both), _laid(b, second, batch + gone + columns, sizes, both)
    lead, row, column = a.shape[: len(batch)], a.shape[len(batch) : len(batch) + len(rows)], b.shape[len(batch) + len(gone) :]
    count = numel(a.shape[len(batch) + len(rows) :])
    if len(rows) != 1 or len(gone) != 1:
        a = reshape(a, (*lead, numel(row), count))
    if len(columns) != 1 or len(gone) != 1:
        b = reshape(b, (*lead, count, numel(column)))
    return reshape(matmul(a, b), (*lead, *row, *column)), batch + rows + columns


def _common(m: Any, n: Any) -> Any:
    """The size of a label that two operands have: the other's where one is 1."""
    return m if same_size(m, n) or n == 1 else n


def _summed(x: Tensor, labels: list, wanted: set, of: Any = None) -> tuple[Tensor, list]:
    gone = tuple(d for d, label in enumerate(labels) if label not in wanted)
    return (sum(x, gone, dtype=of), [label for label in labels if label in wanted]) if gone else (x, list(labels))


def _laid(x: Tensor, labels: list, order: list, sizes: dict, both: list) -> Tensor:
    """Dimensions in `order`; a size of one stretches to what the other operand has."""
    x = permute(x, tuple(labels.index(label) for label in order))
    return expand(x, tuple(sizes.get(label, size) for label, size in zip(order, x.shape)))


def _ordered(x: Tensor, labels: list, kept: list) -> Tensor:
    return permute(x, tuple(labels.index(label) for label in kept)) if labels != kept else x


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products by Einstein's convention: `einsum("bij,bjk->bik", a, b)`; "..." stands for broadcast dimensions.

    Numbers below 52 name dimensions too: `einsum(a, [0, 1], b, [1, 2], [0, 2])`. Operands meet from left to right. Raises RuntimeError for an equation that does not fit.

    >>> import segue
    >>> segue.einsum("ij->ji", segue.ones(2, 3)).shape
    segue.Size([3, 2])
    """
    if not isinstance(equation, str):
        return einsum(*_from_lists((equation, *operands)))
    tensors = list(operands[0]) if len(operands) == 1 and isinstance(operands[0], (tuple, list)) else list(operands)
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(tensors):
        raise error(RuntimeError, f"einsum(): {len(terms)} operands stand in the equation '{equation}', but {len(tensors)} were given")
    labelled = [_labels(term, x, equation) for term, x in zip(terms, tensors)]
    every = [label for _, labels in labelled for label in labels]
    dots = sorted({label for label in every if not isinstance(label, str)}, reverse=True)
    if arrow:
        kept: list = [part for label in output.replace("...", ".") for part in (dots if label == "." else [label])]
        if len(set(kept)) != len(kept) or not set(kept) <= set(every):
            raise error(RuntimeError, f"einsum(): the output '{output}' repeats a subscript, or has one that no operand has")
    else:
        once = inputs.replace("...", "").replace(",", "")
        kept = [*dots, *sorted(label for label in set(once) if once.count(label) == 1)]
    x, labels = labelled[0]
    for position, following in enumerate(labelled[1:], 1):
        x, labels = _met((x, labels), following, {*kept, *(label for _, later in labelled[position + 1 :] for label in later)})
    return _ordered(*_summed(x, labels, set(kept)), kept)


def _from_lists(arguments: tuple) -> tuple:
    """The equation and the operands of `einsum(operand, subscripts, operand, subscripts, ..., [output])`."""
    letters = string.ascii_uppercase + string.ascii_lowercase

    def term(subscripts: Any) -> str:
        if not isinstance(subscripts, (list, tuple)):
            raise error(RuntimeError, f"einsum(): behind each operand stands a list of numbers, not {type(subscripts).__name__}", "'ij,jk->ik'")
        if any(s is not Ellipsis and not (isinstance(s, int) and 0 <= s < 52) for s in subscripts):
            raise error(RuntimeError, f"einsum(): the subscripts {list(subscripts)} must be numbers within the valid range [0, 52)")
        return "".join("..." if s is Ellipsis else letters[s] for s in subscripts)

    pairs = len(arguments) // 2
    equation = ",".join(term(subscripts) for subscripts in arguments[1 : 2 * pairs : 2])
    equation += f"->{term(arguments[-1])}" if len(arguments) % 2 else ""
    return equation, *arguments[: 2 * pairs : 2]


def _labels(term: str, x: Tensor, equation: str) -> tuple[Tensor, list]:
    """An operand with one label for each dimension: letters, and the distance from the right for those of "..."; repeated ones are diagonals."""
    head, dots, tail = term.partition("...")
    if not set(head + tail) <= set(string.ascii_letters):
        raise error(RuntimeError, f"einsum(): the subscripts of '{equation}' must be letters")
    count = x.ndim - len(head) - len(tail)
    if count < 0 or (count and not dots):
        raise error(RuntimeError, f"einsum(): the operand {tuple(x.shape)} does not have as many dimensions as '{term}' has subscripts")
    labels: list = [*head, *(count - i for i in range(count)), *tail]
    for label in head + tail:
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise error(ShapeError, f"einsum(): subscript {label} is repeated for sizes {x.shape[first]} and {x.shape[second]}")
            x = movedim(diagonal(x, 0, first, second), -1, first)
            del labels[second]
    return x, labels
