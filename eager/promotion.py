"""Type promotion by PyTorch's rules: which dtype an operator computes in.

In come tensors (anything with `.dtype` and `.ndim`) and Python numbers; out goes a dtype. The one idea: operands stand in three ranks (tensors
with dimensions, 0-d tensors, Python numbers), and a lower rank changes the result only by raising its category: bool < integer < float < complex.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from .dtypes import (
    ALL,
    BOOL,
    FLOAT,
    INTEGER,
    bfloat16,
    bool,
    complex64,
    complex128,
    dtype,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    uint8,
)  # fmt: skip
from .errors import DtypeError, UnsupportedDtypeError, error

COMPLEX_OF = {float16: complex64, bfloat16: complex64, float32: complex64, float64: complex128}
REAL_OF = {complex64: float32, complex128: float64}
_SIGNED = (int8, int16, int32, int64)


@cache
def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that both can be turned into without leaving their category.

    >>> from segue.eager import dtypes
    >>> promote_types(dtypes.uint8, dtypes.int8), promote_types(dtypes.int64, dtypes.float16), promote_types(dtypes.float16, dtypes.bfloat16)
    (segue.int16, segue.float16, segue.float32)
    """
    a, b = type1, type2
    if a is b and isinstance(a, dtype):
        return a
    if not (isinstance(a, dtype) and isinstance(b, dtype)):
        raise TypeError(f"promote_types(): takes two dtypes, not {a!r} and {b!r}")
    if a.category != b.category:
        low, high = sorted((a, b), key=lambda d: d.category)
        if high.is_complex and low.is_floating_point:
            return promote_types(high, COMPLEX_OF[low])
        return high
    if a.category == FLOAT and a.itemsize == b.itemsize:  # float16 and bfloat16
        return float32
    if uint8 in (a, b):
        other = b if a is uint8 else a
        return int16 if other is int8 else other
    return max(a, b, key=lambda d: d.itemsize)


def dtype_of_number(value: Any) -> dtype:
    """The dtype of a Python number: bool, int64, the default dtype, or its complex partner. A symbolic size counts as an int."""
    if value is True or value is False:
        return bool
    if isinstance(value, float):
        return get_default_dtype()
    if isinstance(value, complex):
        return COMPLEX_OF[get_default_dtype()]
    return int64


def _combine(higher: dtype | None, lower: dtype | None) -> dtype | None:
    """The dtype of a rank together with a lower rank, which counts only by its category."""
    if higher is None or lower is None:
        return higher or lower
    if higher.is_complex:
        return higher
    if higher.is_floating_point:
        return COMPLEX_OF[higher] if lower.is_complex else higher
    if higher is bool or lower.category > INTEGER:
        return promote_types(higher, lower)
    return higher


_OPERANDS = frozenset(("tensor", "other", "scalar", "scalar1", "scalar2"))  # PyTorch's names of the two


def result_type(*operands: Any, **named: Any) -> dtype:
    """The dtype in which these tensors and Python numbers meet.

    >>> from segue.eager import dtypes
    >>> class Operand:
    ...     def __init__(self, dtype, ndim):
    ...         self.dtype, self.ndim = dtype, ndim
    >>> result_type(Operand(dtypes.int32, 1), 2.5), result_type(Operand(dtypes.float32, 2), Operand(dtypes.float64, 0))
    (segue.float32, segue.float32)
    """
    if named:
        if not named.keys() <= _OPERANDS:
            raise TypeError(f"result_type() got unexpected keyword arguments: {', '.join(sorted(named.keys() - _OPERANDS))}")
        operands = (*operands, *named.values())
    if len(operands) == 1:
        only = operands[0]
        return only.dtype if hasattr(only, "dtype") else dtype_of_number(only)
    with_dimensions = scalars = numbers = None
    for operand in operands:
        found = getattr(operand, "dtype", None)
        if found is None:
            found = dtype_of_number(operand)
            numbers = found if numbers is None else promote_types(numbers, found)
        elif operand.ndim:
            with_dimensions = found if with_dimensions is None or with_dimensions is found else promote_types(with_dimensions, found)
        else:
            scalars = found if scalars is None or scalars is found else promote_types(scalars, found)
    if numbers is None and scalars is None:
        assert with_dimensions is not None
        return with_dimensions
    combined = _combine(with_dimensions, _combine(scalars, numbers))
    assert combined is not None
    return combined


def floating(found: dtype) -> dtype:
    """The dtype itself, or the default dtype in place of bool and integers."""
    return found if found.category > INTEGER else get_default_dtype()


# --------------------------------------------------------------------------------------------------------------------
# The dtype facets that rows share. Each takes the operator's arguments; attributes come after the operands that count.


def promoted(*operands: Any) -> dtype:
    return result_type(*operands)


def promoted_floating(*operands: Any) -> dtype:
    return floating(result_type(*operands))


def compared(*operands: Any) -> tuple[dtype, dtype]:
    return result_type(*operands), bool


def logical(*operands: Any) -> tuple[dtype, dtype]:
    return bool, bool


def first(x: Any, *rest: Any) -> dtype:
    """Of the first operand; the others are left as they are."""
    return x.dtype


first.no_cast = True  # type: ignore[attr-defined]


def first_to_bool(x: Any, *rest: Any) -> dtype:
    return bool


first_to_bool.no_cast = True  # type: ignore[attr-defined]


def indices(*operands: Any) -> dtype:
    """Positions: int64, whatever the operands are."""
    return int64


indices.no_cast = True  # type: ignore[attr-defined]


def difference(*operands: Any) -> dtype:
    """Promotion for a difference, where a bool stands on neither side, not even beside a number. Raises DtypeError."""
    if any(x is True or x is False or getattr(x, "dtype", None) is bool for x in operands):
        raise error(DtypeError, "Subtraction, the `-` operator, with a bool tensor is not supported: sub() is not defined for bools",
            "~mask or logical_not(mask) inverts a mask, ^ tells where two differ, .to(dtype) makes numbers of it")
    return result_type(*operands)


def summed(x: Any, *rest: Any) -> dtype:
    """Sums and products of bool and integers are int64."""
    return int64 if x.dtype.category <= INTEGER else x.dtype


def not_boolean(name: str) -> Any:
    """Promotion for an operator that has no meaning on bool. Raises DtypeError."""

    def facet(*operands: Any) -> dtype:
        found = result_type(*operands)
        if found is bool:
            raise error(UnsupportedDtypeError, f"{name}() is not defined for bool tensors",
                "the logical operators (^, logical_xor, logical_not), or cast to int")
        return found

    return facet


def ordered(name: str, facet: Any = promoted) -> Any:
    """`facet` for an operator that complex numbers have no meaning for (order, rounding, real functions). Raises DtypeError."""

    def checked(*operands: Any) -> Any:
        if any(getattr(operand, "dtype", None) in REAL_OF or isinstance(operand, complex) for operand in operands):
            raise error(UnsupportedDtypeError, f"{name}() is not implemented for complex tensors", "abs(), real() or imag() of them")
        return facet(*operands)

    return checked


def magnitude(x: Any) -> Any:
    """Of an absolute value: real, of the operand's precision."""
    return (x.dtype, REAL_OF[x.dtype]) if x.dtype in REAL_OF else x.dtype


def discrete(name: str) -> Any:
    """Promotion for an operator on bits: bool and integers only. Raises DtypeError."""

    def facet(*operands: Any) -> dtype:
        found = result_type(*operands)
        if found.category > INTEGER:
            raise error(UnsupportedDtypeError, f"{name}() works on bool and integer tensors, not {found}")
        return found

    return facet


def same(name: str) -> Any:
    """For products: every tensor operand has the dtype of the first. Raises DtypeError."""

    def facet(*operands: Any) -> dtype:
        kinds = [operand.dtype for operand in operands if hasattr(operand, "dtype")]
        if any(kind is not kinds[0] for kind in kinds):
            raise error(DtypeError, f"{name}() expected operands of one dtype, got {' and '.join(map(str, kinds))}",
                "cast one of them with .to(dtype)")
        return kinds[0]

    facet.no_cast = True  # type: ignore[attr-defined]
    return facet


def can_cast(from_: dtype, to: dtype) -> Any:
    """Whether an in-place operator may store `from_` in `to`: the category must not fall.

    >>> from segue.eager import dtypes
    >>> can_cast(dtypes.float64, dtypes.float32), can_cast(dtypes.float32, dtypes.int64)
    (True, False)
    """
    return from_.category <= to.category


__all__ = [
    "ALL", "BOOL", "COMPLEX_OF", "REAL_OF", "can_cast", "compared", "discrete", "dtype_of_number", "first", "first_to_bool", "floating", "indices",
    "logical", "magnitude", "not_boolean", "ordered", "promote_types", "promoted", "promoted_floating", "result_type", "same", "summed",
]  # fmt: skip
