"""The public elementwise operators: PyTorch's names and keyword arguments over the pointwise rows.

In come tensors and numbers, out go tensors. The one idea: where a public operator is just its row, one line makes it; only what PyTorch adds
(`alpha`, `rounding_mode`, `approximate` ...) is written out.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..errors import error
from ..ops.definition import OPS
from ..ops.handed import is_handed
from ..promotion import difference, result_type
from ..tensor import Tensor
from . import curves
from .arguments import Number, accepts_out, as_number, as_operand, cast, need_kind, need_room, need_tensor, rounded_once, write_out
from .creation import tensor
from .fused import fused
from .positions import positions


def unary_function(name: str) -> Callable[..., Tensor]:
    row = OPS[name]

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        found = row(input if isinstance(input, Tensor) else need_tensor(input, name))
        return found if out is None else write_out(out, found, name)

    return _named(function, name, row.doc)


# Which operands of a function of two may be Python numbers, where it is not one of the two, whichever ("either"); the arithmetic ones take two.
NUMBERS = dict.fromkeys(("add", "sub", "mul", "div", "floor_divide"), "both") | dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "fmod", "copysign"), "second")
NUMBERS |= dict.fromkeys(
    (
        "atan2", "maximum", "minimum", "logical_and", "logical_or", "logical_xor", "fmax", "fmin", "hypot", "nextafter", "gcd", "lcm", "logaddexp",
        "logaddexp2", "heaviside", "isclose", "igamma", "igammac", "ldexp", "polar",
    ),
    "none",
)  # fmt: skip


def need_tensors(name: str, input: Any, other: Any) -> None:
    """Raises TypeError for a Python number where function `name` wants a tensor."""
    allowed = NUMBERS.get(name, "either")
    first, second = isinstance(input, Number), isinstance(other, Number)
    if (first and (allowed in ("none", "second") or (second and allowed == "either"))) or (second and allowed == "none"):
        given = " and ".join(type(value).__name__ for value in (input, other))
        raise error(TypeError, f"{name}(): argument '{'input' if first else 'other'}' must be Tensor, got {given}", f"segue.{name}(segue.tensor(number), ...)")


def binary_function(name: str) -> Callable[..., Tensor]:
    row = OPS[name]

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
            need_tensors(name, input, other)
        found = binary(row, input, other)
        return found if out is None else write_out(out, found, name)

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


neg = unary_function("neg")
abs = unary_function("abs")
sign = unary_function("sign")
reciprocal = unary_function("reciprocal")
sqrt = unary_function("sqrt")
rsqrt = rounded_once(unary_function("rsqrt"))
square = unary_function("square")
exp = unary_function("exp")
exp2 = unary_function("exp2")
expm1 = unary_function("expm1")
log = unary_function("log")
log2 = unary_function("log2")
log1p = unary_function("log1p")
sin = unary_function("sin")
cos = unary_function("cos")
tan = unary_function("tan")
asin = unary_function("asin")
acos = unary_function("acos")
atan = unary_function("atan")
sinh = unary_function("sinh")
cosh = unary_function("cosh")
tanh = unary_function("tanh")
sigmoid = unary_function("sigmoid")
erf = unary_function("erf")
floor = unary_function("floor")
ceil = unary_function("ceil")
trunc = unary_function("trunc")
logical_not = unary_function("logical_not")
bitwise_not = unary_function("bitwise_not")
isnan = unary_function("isnan")
isinf = unary_function("isinf")
isfinite = unary_function("isfinite")
relu = unary_function("relu")

mul = binary_function("mul")
floor_divide = binary_function("floor_divide")
remainder = binary_function("remainder")
fmod = binary_function("fmod")
atan2 = binary_function("atan2")
maximum = binary_function("maximum")
minimum = binary_function("minimum")
eq = binary_function("eq")
ne = binary_function("ne")
lt = binary_function("lt")
le = binary_function("le")
gt = binary_function("gt")
ge = binary_function("ge")
logical_and = binary_function("logical_and")
logical_or = binary_function("logical_or")
logical_xor = binary_function("logical_xor")
bitwise_and = binary_function("bitwise_and")
bitwise_or = binary_function("bitwise_or")
bitwise_xor = binary_function("bitwise_xor")

negative = neg
absolute = abs
arcsin = asin
arccos = acos
arctan = atan
arctan2 = atan2
fix = trunc
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
    return write_out(out, binary(OPS["add"], input, other) if type(alpha) is int and alpha == 1 else _with_multiple("add", input, other, alpha), "add")


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """input - alpha * other. Raises RuntimeError for bool operands."""
    return write_out(out, binary(OPS["sub"], input, other) if type(alpha) is int and alpha == 1 else _with_multiple("sub", input, other, alpha), "sub")


def _with_multiple(name: str, input: Any, other: Any, alpha: Any) -> Tensor:
    """input + alpha * other (or -), rounded once. Raises RuntimeError for an alpha that the dtype has no room for."""
    of = result_type(*(as_operand(v, name) for v in (input, other)))
    need_kind(name, "alpha", alpha, of)
    if name == "sub":
        difference(*(as_operand(v, name) for v in (input, other)))
    need_room(alpha, of, name)
    if not is_handed(alpha) and alpha == 1:
        return binary(OPS[name], input, other)
    if of in (dtypes.float16, dtypes.bfloat16):  # numbers are rounded first, as beside + and - without alpha
        alpha, other = (v if isinstance(v, Tensor) else float(of.numpy.type(as_operand(v, name))) for v in (alpha, other))
    return _added(input, other, name, alpha)


@rounded_once
def _added(input: Any, other: Any, name: str, alpha: Any) -> Tensor:
    return binary(OPS[name], input, binary(OPS["mul"], other, alpha))


subtract = sub


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha * input."""
    need_tensor(input, "rsub")
    return sub(other, input, alpha=alpha)


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """input / other; with `rounding_mode` "floor" or "trunc", rounded that way."""
    if rounding_mode is None:
        return write_out(out, binary(OPS["div"], input, other), "div")
    if rounding_mode not in ("floor", "trunc"):
        raise error(RuntimeError, f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    a, b = as_operand(input, "div"), as_operand(other, "div")
    whole = all(not isinstance(v, float) and (isinstance(v, int) or v.dtype.category <= dtypes.INTEGER) for v in (a, b))
    if rounding_mode == "floor":
        found = binary(OPS["floor_divide"], a, b)
        if not whole and any(isinstance(v, Tensor) and v.requires_grad for v in (a, b)):
            found = found + OPS["floor"](binary(OPS["div"], a, b)) * 0.0  # the derivative of a step is 0, not none
        return write_out(out, found, "div")
    if whole:
        of = result_type(a, b)  # a bool may stand beside integers
        a, b = (cast(v, of) if isinstance(v, Tensor) else int(v) if isinstance(v, bool) else v for v in (a, b))
        return write_out(out, sub(a, binary(OPS["fmod"], a, b)) // b, "div")
    return write_out(out, _cut_quotient(a, b), "div")


@rounded_once
def _cut_quotient(a: Any, b: Any) -> Tensor:
    return OPS["trunc"](binary(OPS["div"], a, b))



divide = true_divide = div


def pow(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:  # noqa: A001
    """input ** exponent. Squares, square roots and reciprocals take their own rows, which are exact and cheap."""
    if not isinstance(input, Tensor):
        need_tensors("pow", input, exponent)
    if isinstance(exponent, (int, float)) and not isinstance(exponent, bool) and isinstance(input, Tensor):
        need_room(exponent, input.dtype, "pow")
        if exponent == 2 and (type(exponent) is int or input.dtype.category > dtypes.INTEGER):
            return write_out(out, OPS["square"](input), "pow")
        if input.dtype.is_floating_point and exponent in (0.5, -0.5, -1, 1):
            if exponent == 1:
                return write_out(out, OPS["clone"](input), "pow")
            return write_out(out, {0.5: sqrt, -0.5: rsqrt, -1: reciprocal}[exponent](input), "pow")
        if isinstance(exponent, int) and exponent < 0 and input.dtype.category <= dtypes.INTEGER:
            raise error(RuntimeError, "Integers to negative integer powers are not allowed.", "input.float() ** exponent")
    return write_out(out, binary(OPS["pow"], input, exponent), "pow")


def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:  # noqa: A001
    """To the nearest integer, halves to even; `decimals` moves the place."""
    return write_out(out, OPS["round"](input) if decimals == 0 else _round_at(input, decimals), "round")


@rounded_once
def _round_at(input: Tensor, decimals: int) -> Tensor:
    scale = 10.0 ** builtins.abs(decimals)
    moved = OPS["round"](input * scale if decimals > 0 else input / scale)
    return moved / scale if decimals > 0 else moved * scale


def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:  # noqa: A002
    """Values below `min` become `min`, above `max` become `max`; NaN stays NaN."""
    if min is None and max is None:
        raise error(RuntimeError, "clamp(): At least one of 'min' or 'max' must not be None")
    result = input
    need_room(min, input.dtype, "clamp")
    need_room(max, input.dtype, "clamp")
    if type(min) in (int, float) and type(max) in (int, float) and isinstance(input, Tensor):
        return write_out(out, _clamped(input, min, max), "clamp")
    if min is not None:
        result = binary(OPS["maximum" if isinstance(min, Tensor) else "clamp_min"], result, min)
    if max is not None:
        result = binary(OPS["minimum" if isinstance(max, Tensor) else "clamp_max"], result, max)
    return write_out(out, result, "clamp")


@fused(*curves.clamped)
def _clamped(input: Tensor, low: float, high: float) -> Tensor:
    return binary(OPS["clamp_max"], binary(OPS["clamp_min"], input, low), high)


clip = clamp


@accepts_out
def clamp_min(input: Tensor, min: Any) -> Tensor:  # noqa: A002
    """Values below `min` become `min`."""
    return clamp(need_tensor(input, "clamp_min"), min=min)


@accepts_out
def clamp_max(input: Tensor, max: Any) -> Tensor:  # noqa: A002
    """Values above `max` become `max`."""
    return clamp(need_tensor(input, "clamp_max"), max=max)


def where(condition: Tensor, input: Any = None, other: Any = None, *, out: Tensor | None = None) -> Any:
    """`input` where `condition` (bool) holds, else `other`; all three broadcast. With one argument, the indices of its true elements."""
    if input is None and other is None:
        return tuple(column for column in positions(condition).unbind(1))
    if condition.dtype is not dtypes.bool:
        if condition.dtype is not dtypes.uint8:
            raise error(RuntimeError, f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}")
        condition = cast(condition, dtypes.bool)
    sides = as_operand(input, "where"), as_operand(other, "where")
    common = result_type(*sides)
    if common.category <= dtypes.INTEGER:
        for side in sides:
            need_room(side, common, "where")
    input, other = (cast(side, common) if isinstance(side, Tensor) else side for side in sides)
    return write_out(out, OPS["where"](condition, input, other), "where")


@accepts_out
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input), counted from the end that is nearer: weight 1 gives `end` itself. Raises RuntimeError for different dtypes."""
    if input.dtype is not end.dtype:
        raise error(RuntimeError, f"lerp(): expected dtype {input.dtype.name} for `end` but got dtype {end.dtype.name}")
    if isinstance(weight, Tensor) and weight.dtype is not input.dtype:
        raise error(RuntimeError, f"lerp(): expected dtype {input.dtype.name} for `weight` but got dtype {weight.dtype.name}")
    return _between(input, end, weight)


@rounded_once
def _between(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    gap = end - input
    if isinstance(weight, Tensor) or is_handed(weight):
        return OPS["where"](OPS["lt"](OPS["abs"](weight.segue_float if is_handed(weight) else weight), 0.5), input + gap * weight, end - gap * (1 - weight))
    return input + gap * weight if builtins.abs(weight) < 0.5 else end - gap * (1 - weight)


@accepts_out
@rounded_once
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""
    of = result_type(input, tensor1, tensor2)
    if isinstance(value, float) and of.category <= dtypes.INTEGER:
        value = int(value)  # integers stay integers
    tensor1, tensor2 = cast(tensor1, of), cast(tensor2, of)
    product = tensor1 * tensor2 if not is_handed(value) and value == 1 else tensor1 * value * tensor2
    return input + product


@accepts_out
@rounded_once
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
    of = result_type(input, tensor1, tensor2)
    if of.category > dtypes.INTEGER:
        tensor1, tensor2 = cast(tensor1, of), cast(tensor2, of)
    quotient = tensor1 / tensor2 if not is_handed(value) and value == 1 else tensor1 * value / tensor2
    return input + quotient


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` (a number or a 0-d tensor) where `mask` holds, else `input`."""
    if mask.dtype is not dtypes.bool:
        raise error(RuntimeError, f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype}")
    if isinstance(value, Tensor) and value.ndim:
        raise error(RuntimeError, f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).")
    if isinstance(value, Tensor):
        if value.dtype.is_complex and not input.dtype.is_complex:
            raise error(RuntimeError, f"masked_fill(): a complex value cannot be converted to {input.dtype.name}")
        value = cast(value, input.dtype)
    else:
        value = as_operand(value, "masked_fill")
        need_room(value, input.dtype, "masked_fill")
        if isinstance(value, complex) and not value.imag:
            value = value.real
        if isinstance(value, complex) and not (input.dtype.is_complex or input.dtype is dtypes.bool):
            raise error(RuntimeError, f"masked_fill(): value cannot be converted to type {input.dtype.name} without overflow")
        if input.dtype.category <= dtypes.INTEGER and not isinstance(value, bool):
            value = int(value) if input.dtype is not dtypes.bool else bool(value)
    return OPS["where"](mask, value, input)


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """|input - other| <= atol + rtol * |other|, elementwise; equal infinities are close. Raises RuntimeError for different dtypes."""
    need_tensors("isclose", input, other)
    if input.dtype is not other.dtype:
        raise error(RuntimeError, f"isclose(): {input.dtype.name} did not match {other.dtype.name}", "cast one of them")
    if rtol < 0 or atol < 0:
        raise error(RuntimeError, f"isclose(): rtol and atol must be at least 0, but got rtol={rtol}, atol={atol}")
    close = OPS["eq"](input, other)
    if equal_nan and input.dtype.category > dtypes.INTEGER:
        close = OPS["logical_or"](close, OPS["logical_and"](OPS["ne"](input, input), OPS["ne"](other, other)))
    if rtol == 0 and atol == 0:
        return close
    a, b = (cast(x, dtypes.get_default_dtype()) if x.dtype.category <= dtypes.INTEGER else x for x in (input, other))
    gap = OPS["abs"](a - b)
    near = OPS["logical_and"](OPS["isfinite"](gap), OPS["le"](gap, atol + OPS["abs"](b * rtol)))
    return OPS["logical_or"](close, near)


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close (see `isclose`)."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and elements."""
    return tuple(input.shape) == tuple(other.shape) and bool((input == other).all())


@accepts_out
def nan_to_num(input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """NaN (0 by default) and infinities (the dtype's largest) replaced by numbers; of complex numbers in both parts."""
    if input.dtype.is_complex:
        return OPS["view_as_complex"](nan_to_num(OPS["view_as_real"](input), nan, posinf, neginf))
    if not input.dtype.is_floating_point:
        return OPS["clone"](input)
    limits = dtypes.finfo(input.dtype)
    nan, posinf, neginf = (as_number(n) for n in (nan, posinf, neginf))
    out = OPS["where"](OPS["eq"](input, math.inf), limits.max if posinf is None else posinf, input)
    out = OPS["where"](OPS["eq"](input, -math.inf), limits.min if neginf is None else neginf, out)
    return OPS["where"](OPS["isnan"](input), 0.0 if nan is None else nan, out)
