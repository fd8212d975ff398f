"""The public elementwise operators: PyTorch's names and keyword arguments over the pointwise rows.

In come tensors and numbers, out go tensors. The one idea: where a public operator is just its row, one line makes it; only what PyTorch adds
(`alpha`, `rounding_mode`, `approximate` ...) is written out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..errors import error
from ..ops.definition import OPS
from ..promotion import result_type
from ..tensor import Tensor
from .arguments import Number, as_operand, cast, need_tensor, write_out
from .creation import tensor


def _unary(name: str) -> Callable[..., Tensor]:
    row = OPS[name]

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        return write_out(out, row(input if isinstance(input, Tensor) else need_tensor(input, name)), name)

    return _named(function, name, row.doc)


def _binary(name: str) -> Callable[..., Tensor]:
    row = OPS[name]

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        return write_out(out, binary(row, input, other), name)

    return _named(function, name, row.doc)


def binary(row: Any, input: Any, other: Any) -> Tensor:
    """A row of two operands, either of which may be a number."""
    if not isinstance(other, Tensor):
        other = as_operand(other, row.name)
    if not isinstance(input, Tensor):
        input = as_operand(input, row.name)
        if isinstance(input, Number) and isinstance(other, Number):
            input = tensor(input)
    return row(input, other)


def _named(function: Callable, name: str, doc: str) -> Callable[..., Tensor]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


neg = _unary("neg")
abs = _unary("abs")
sign = _unary("sign")
reciprocal = _unary("reciprocal")
sqrt = _unary("sqrt")
rsqrt = _unary("rsqrt")
square = _unary("square")
exp = _unary("exp")
exp2 = _unary("exp2")
expm1 = _unary("expm1")
log = _unary("log")
log2 = _unary("log2")
log1p = _unary("log1p")
sin = _unary("sin")
cos = _unary("cos")
tan = _unary("tan")
asin = _unary("asin")
acos = _unary("acos")
atan = _unary("atan")
sinh = _unary("sinh")
cosh = _unary("cosh")
tanh = _unary("tanh")
sigmoid = _unary("sigmoid")
erf = _unary("erf")
floor = _unary("floor")
ceil = _unary("ceil")
trunc = _unary("trunc")
logical_not = _unary("logical_not")
bitwise_not = _unary("bitwise_not")
isnan = _unary("isnan")
isinf = _unary("isinf")
isfinite = _unary("isfinite")
relu = _unary("relu")

mul = _binary("mul")
floor_divide = _binary("floor_divide")
remainder = _binary("remainder")
fmod = _binary("fmod")
atan2 = _binary("atan2")
maximum = _binary("maximum")
minimum = _binary("minimum")
eq = _binary("eq")
ne = _binary("ne")
lt = _binary("lt")
le = _binary("le")
gt = _binary("gt")
ge = _binary("ge")
logical_and = _binary("logical_and")
logical_or = _binary("logical_or")
logical_xor = _binary("logical_xor")
bitwise_and = _binary("bitwise_and")
bitwise_or = _binary("bitwise_or")
bitwise_xor = _binary("bitwise_xor")

negative = neg
absolute = abs
arcsin = asin
arccos = acos
arctan = atan
multiply = mul
greater = gt
less = lt
greater_equal = ge
less_equal = le
not_equal = ne


def positive(input: Tensor) -> Tensor:
    """`input` itself."""
    return input


def add(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """input + alpha * other."""
    return write_out(out, binary(OPS["add"], input, other if alpha == 1 else binary(OPS["mul"], other, alpha)), "add")


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """input - alpha * other. Raises RuntimeError for bool operands."""
    return write_out(out, binary(OPS["sub"], input, other if alpha == 1 else binary(OPS["mul"], other, alpha)), "sub")


subtract = sub


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha * input."""
    return sub(other, input, alpha=alpha)


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """input / other; with `rounding_mode` "floor" or "trunc", rounded that way."""
    if rounding_mode is None:
        return write_out(out, binary(OPS["div"], input, other), "div")
    if rounding_mode == "floor":
        return write_out(out, binary(OPS["floor_divide"], input, other), "div")
    if rounding_mode != "trunc":
        raise error(RuntimeError, f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    a, b = as_operand(input, "div"), as_operand(other, "div")
    whole = all(not isinstance(v, float) and (isinstance(v, int) or v.dtype.category <= dtypes.INTEGER) for v in (a, b))
    if whole:
        return write_out(out, sub(a, binary(OPS["fmod"], a, b)) // b, "div")
    return write_out(out, OPS["trunc"](binary(OPS["div"], a, b)), "div")


divide = true_divide = div


def pow(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:  # noqa: A001
    """input ** exponent. Squares, square roots and reciprocals take their own rows, which are exact and cheap."""
    if isinstance(exponent, (int, float)) and not isinstance(exponent, bool) and isinstance(input, Tensor):
        if exponent == 2:
            return write_out(out, OPS["square"](input), "pow")
        if input.dtype.is_floating_point and exponent in (0.5, -0.5, -1, 1):
            if exponent == 1:
                return write_out(out, OPS["clone"](input), "pow")
            return write_out(out, OPS[{0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}[exponent]](input), "pow")
        if isinstance(exponent, int) and exponent < 0 and input.dtype.category <= dtypes.INTEGER:
            raise error(RuntimeError, "Integers to negative integer powers are not allowed.", "input.float() ** exponent")
    return write_out(out, binary(OPS["pow"], input, exponent), "pow")


def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:  # noqa: A001
    """To the nearest integer, halves to even; `decimals` moves the place."""
    if decimals == 0:
        return write_out(out, OPS["round"](input), "round")
    scale = 10.0 ** abs_int(decimals)
    moved = OPS["round"](input * scale if decimals > 0 else input / scale)
    return write_out(out, moved / scale if decimals > 0 else moved * scale, "round")


def abs_int(value: int) -> int:
    return value if value >= 0 else -value


def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:  # noqa: A002
    """Values below `min` become `min`, above `max` become `max`; NaN stays NaN."""
    if min is None and max is None:
        raise error(ValueError, "clamp(): At least one of 'min' or 'max' must not be None")
    result = input
    if min is not None:
        result = binary(OPS["maximum" if isinstance(min, Tensor) else "clamp_min"], result, min)
    if max is not None:
        result = binary(OPS["minimum" if isinstance(max, Tensor) else "clamp_max"], result, max)
    return write_out(out, result, "clamp")


clip = clamp


def clamp_min(input: Tensor, min: Any) -> Tensor:  # noqa: A002
    """Values below `min` become `min`."""
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:  # noqa: A002
    """Values above `max` become `max`."""
    return clamp(input, max=max)


def where(condition: Tensor, input: Any = None, other: Any = None, *, out: Tensor | None = None) -> Any:
    """`input` where `condition` (bool) holds, else `other`; all three broadcast. With one argument, the indices of its true elements."""
    if input is None and other is None:
        return tuple(column for column in OPS["nonzero"](condition).unbind(1))
    if condition.dtype is not dtypes.bool:
        if condition.dtype is not dtypes.uint8:
            raise error(RuntimeError, f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}")
        condition = cast(condition, dtypes.bool)
    sides = as_operand(input, "where"), as_operand(other, "where")
    common = result_type(*sides)
    input, other = (cast(side, common) if isinstance(side, Tensor) else side for side in sides)
    return write_out(out, OPS["where"](condition, input, other), "where")


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input)."""
    return input + (end - input) * weight


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""
    product = tensor1 * tensor2 if value == 1 else tensor1 * tensor2 * value
    return input + product


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
    quotient = tensor1 / tensor2 if value == 1 else tensor1 * value / tensor2
    return input + quotient


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` (a number or a 0-d tensor) where `mask` holds, else `input`."""
    if mask.dtype is not dtypes.bool:
        raise error(RuntimeError, f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype}")
    if isinstance(value, Tensor) and value.ndim:
        raise error(RuntimeError, f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).")
    if isinstance(value, Tensor):
        value = cast(value, input.dtype)
    elif isinstance(value, float) and input.dtype.category < dtypes.FLOAT:
        value = int(value)
    return OPS["where"](mask, value, input)


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)), without overflow."""
    top = OPS["maximum"](input, other)
    gap = OPS["neg"](OPS["abs"](input - other))
    same = OPS["eq"](input, other)
    return OPS["where"](same, input + math.log(2.0), top + OPS["log1p"](OPS["exp"](gap)))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """|input - other| <= atol + rtol * |other|, elementwise; equal infinities are close."""
    close = (input == other) | ((input - other).abs() <= atol + rtol * other.abs()) & isfinite(other)
    return close | (isnan(input) & isnan(other)) if equal_nan else close


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close (see `isclose`)."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and elements."""
    return tuple(input.shape) == tuple(other.shape) and bool((input == other).all())


def nan_to_num(input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """NaN and infinities replaced by numbers (the dtype's largest by default)."""
    if not input.dtype.is_floating_point:
        return input
    limits = dtypes.finfo(input.dtype)
    out = OPS["where"](OPS["isnan"](input), nan, input)
    out = OPS["where"](OPS["eq"](out, math.inf), limits.max if posinf is None else posinf, out)
    return OPS["where"](OPS["eq"](out, -math.inf), limits.min if neginf is None else neginf, out)
