"""What the rows of linear algebra share: batches of matrices, several results in one, adjoints.

In come tensors whose last two dimensions are matrices; out go the facets that all rows on them have. The one idea: a decomposition is one row with one
result, its factors flattened and laid side by side along the last dimension. So it runs once, is one step on the tape and one node of a graph, and
its derivative sees the gradients of all factors together; the public functions take the factors apart again (`unpack`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import promotion
from ..dtypes import bool as boolean
from ..dtypes import complex64, complex128, dtype, float32, float64
from ..errors import DtypeError, UnsupportedDtypeError, error
from . import batching
from .definition import Host
from .samples import Source
from .shapes import broadcast_shapes, numel, require

NATIVE = (float32, float64, complex64, complex128)
HOST = Host("decompositions run in LAPACK, through NumPy and SciPy")


# --------------------------------------------------------------------------------------------------------------------
# Facets


def matrix_dtype(name: str, result: Callable[[dtype], dtype] = lambda found: found) -> Callable[..., dtype]:
    """All tensors of one floating or complex dtype that LAPACK knows; `result` of it. Raises DtypeError."""

    def facet(*operands: Any) -> dtype:
        kinds = [operand.dtype for operand in operands if isinstance(getattr(operand, "dtype", None), dtype)]
        if kinds[0] not in NATIVE:
            raise error(UnsupportedDtypeError, f"{name}: Expected a floating point or complex tensor as input. Got {kinds[0].name}; float32, float64, complex64 and "
                        "complex128 are supported", "x.double()")  # fmt: skip
        if any(kind is not kinds[0] for kind in kinds):
            raise error(DtypeError, f"{name}: Expected tensors of one dtype, but got {' and '.join(kind.name for kind in kinds)}")
        return result(kinds[0])

    facet.no_cast = True  # type: ignore[attr-defined]
    return facet


def real_of(found: dtype) -> dtype:
    return promotion.REAL_OF.get(found, found)


def complex_of(found: dtype) -> dtype:
    return promotion.COMPLEX_OF.get(found, found)


def matrix_shape(name: str, x: Any, argument: str = "A") -> tuple:
    """(batch, rows, columns). Raises ShapeError for fewer than two dimensions."""
    shape = tuple(x.shape)
    require(len(shape) >= 2, lambda: f"{name}: The input tensor {argument} must have at least 2 dimensions, got {len(shape)} (shape {shape}).")
    return shape[:-2], shape[-2], shape[-1]


def square_shape(name: str, x: Any, argument: str = "A") -> tuple:
    """(batch, size). Raises ShapeError for a matrix that is not square."""
    batch, rows, columns = matrix_shape(name, x, argument)
    require(rows == columns, lambda: f"{name}: {argument} must be batches of square matrices, but they are {rows} by {columns} matrices")
    return batch, rows


def one_operand(name: str) -> Callable[..., Any]:
    """The batching rule of a row on one batch of matrices: the batch goes to the front."""
    return batching.shifted(name, lambda x, *attributes: attributes)


# --------------------------------------------------------------------------------------------------------------------
# Kernels


def each(function: Callable[..., Any], *arrays: Any) -> list[Any]:
    """`function` of each matrix of a batch: a list of its results, in order. The batches broadcast."""
    batch = broadcast_shapes("each", *(array.shape[:-2] for array in arrays))
    wide = [np.broadcast_to(array, (*batch, *array.shape[-2:])) for array in arrays]
    return [function(*(array[place] for array in wide)) for place in np.ndindex(*batch)]


def stacked(results: Sequence[Any], batch: tuple, shape: tuple, kind: Any) -> Any:
    """One array of the batch's results."""
    out = np.empty((*batch, *shape), kind)
    for place, result in zip(np.ndindex(*batch), results):
        out[place] = result
    return out


# --------------------------------------------------------------------------------------------------------------------
# Several results in one


def packed_size(*shapes: tuple) -> Any:
    return functools.reduce(lambda total, shape: total + numel(shape), shapes, 0)


def pack(xp: Any, lead: int, *arrays: Any) -> Any:
    """Arrays of a batch of rank `lead` flattened behind it and joined."""
    kind = np.result_type(*arrays)
    return xp.concatenate([array.reshape(*array.shape[:lead], numel(array.shape[lead:])).astype(kind, copy=False) for array in arrays], axis=-1)


def pack_tensors(F: Any, lead: int, *tensors: Any) -> Any:
    """`pack` on tensors of one dtype."""
    return F.cat([F.reshape(part, (*part.shape[:lead], numel(part.shape[lead:]))) for part in tensors], -1)


def unpack(F: Any, packed: Any, *shapes: tuple) -> list[Any]:
    """The tensors of these shapes that were packed."""
    found, start = [], 0
    for shape in shapes:
        part = F.narrow(packed, -1, start, numel(shape))
        found.append(F.reshape(part, (*packed.shape[:-1], *shape)))
        start = start + numel(shape)
    return found


# --------------------------------------------------------------------------------------------------------------------
# Formulas


def adjoint(formula: Callable[..., Any]) -> Callable[..., Any]:
    """A formula for a function that is not holomorphic, as a row has it: it is given the gradient itself, and gives the adjoint's result.

    The tape conjugates around every formula (see autograd/tape.py); this undoes it.
    """

    @functools.wraps(formula)
    def wrapped(F: Any, g: Any, *values: Any) -> Any:
        return F.conj(formula(F, F.conj(g), *values))

    return wrapped


def turned(F: Any, x: Any) -> Any:
    """The transpose of each matrix."""
    return F.transpose(x, -2, -1)


def adjoint_of(F: Any, x: Any) -> Any:
    """The conjugate transpose of each matrix."""
    return F.conj(F.transpose(x, -2, -1))


def diagonal(F: Any, x: Any) -> Any:
    return F.diagonal(x, 0, -2, -1)


def on_diagonal(F: Any, values: Any) -> Any:
    """Square matrices with these values on the diagonal."""
    identity = F.eye(values.shape[-1], dtype=boolean, device=values.device)
    return F.where(identity, F.unsqueeze(values, -1), 0)


def gaps(F: Any, values: Any) -> Any:
    """values[j] - values[i] beside the diagonal, and 1 on it."""
    difference = F.unsqueeze(values, -2) - F.unsqueeze(values, -1)
    identity = F.eye(values.shape[-1], dtype=boolean, device=values.device)
    return F.where(identity, 1, difference)


def off_diagonal(F: Any, x: Any) -> Any:
    identity = F.eye(x.shape[-1], dtype=boolean, device=x.device)
    return F.where(identity, 0, x)


def solve_triangular(F: Any, matrix: Any, right: Any, upper: bool, unit: bool = False) -> Any:
    return F.linalg_solve_triangular(matrix, right, upper, unit)


# --------------------------------------------------------------------------------------------------------------------
# Samples


def regular(s: Source, shape: tuple, is_complex: bool = False) -> np.ndarray:
    """Matrices that are far from singular, with singular values and eigenvalues far from each other."""
    found = (s.complexes if is_complex else s.floats)(shape, -0.4, 0.4)
    for i in range(min(shape[-2:])):
        found[..., i, i] += 1.5 + i
    return found


def positive(s: Source, shape: tuple, is_complex: bool = False) -> np.ndarray:
    """Hermitian, positive definite matrices with eigenvalues far from each other."""
    found = regular(s, shape, is_complex)
    return (found + np.conj(np.swapaxes(found, -1, -2))) / 2
