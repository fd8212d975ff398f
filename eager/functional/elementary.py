"""The public elementary functions beyond arithmetic: complex parts, steps, logarithms of sums, gamma functions, bits.

In come tensors and numbers, out go tensors. The one idea: a function that is a formula of others is written as that formula, so that the compiler fuses it
and its derivative needs no rule; the rest is the row of its name.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

from .. import dtypes
from ..autograd.mode import STATE
from ..errors import DtypeError, error
from ..ops.definition import OPS
from ..promotion import promoted_floating, result_type
from ..tensor import Tensor
from .arguments import accepts_out, as_number, as_operand, cast, rounded_once
from .complex_numbers import real
from .devices import make
from .kinds import is_whole
from .pointwise import binary, binary_function, need_tensors, unary_function

Frexp = namedtuple("Frexp", ("mantissa", "exponent"))

acosh = arccosh = unary_function("acosh")
asinh = arcsinh = unary_function("asinh")
atanh = arctanh = unary_function("atanh")
log10 = unary_function("log10")
erfc = unary_function("erfc")
erfinv = unary_function("erfinv")
digamma = unary_function("digamma")
lgamma = unary_function("lgamma")
i0 = unary_function("i0")
signbit = unary_function("signbit")

copysign = binary_function("copysign")
hypot = binary_function("hypot")
fmax = binary_function("fmax")
fmin = binary_function("fmin")
nextafter = binary_function("nextafter")
gcd = binary_function("gcd")
lcm = binary_function("lcm")
bitwise_left_shift = binary_function("bitwise_left_shift")
bitwise_right_shift = binary_function("bitwise_right_shift")
xlogy = binary_function("xlogy")

# ---------------------------------------------------------------------------------------------------------------- questions


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex."""
    return input.dtype.is_complex


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is floating."""
    return input.dtype.is_floating_point


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero. Raises RuntimeError for more or fewer elements."""
    if input.numel() != 1:
        raise error(RuntimeError, "Boolean value of Tensor with " + ("more than one value" if input.numel() else "no values") + " is ambiguous")
    return bool(input.item())


def is_tensor(obj: Any) -> bool:
    """Whether it is a tensor."""
    return isinstance(obj, Tensor)


def _infinite(name: str, value: float) -> Any:
    def function(input: Tensor) -> Tensor:
        if input.dtype.is_complex:
            raise error(DtypeError, f"{name} does not support complex inputs.")
        return OPS["eq"](input, value) if input.dtype.is_floating_point else make("full", input.device, tuple(input.shape), False, dtypes.bool)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Whether an element is {value}."
    return accepts_out(function)


isposinf = _infinite("isposinf", math.inf)
isneginf = _infinite("isneginf", -math.inf)

# ---------------------------------------------------------------------------------------------------------------- formulas


def _scaled(name: str, factor: float) -> Any:
    def function(input: Tensor) -> Tensor:
        if input.dtype.is_complex:
            raise error(DtypeError, f"{name} is not supported for complex tensors.")
        return cast(input, promoted_floating(input)) * factor

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"input times {factor}."
    return accepts_out(function)


deg2rad = _scaled("deg2rad", math.pi / 180.0)
rad2deg = _scaled("rad2deg", 180.0 / math.pi)


@accepts_out
def frac(input: Tensor) -> Tensor:
    """What is behind the point: input - trunc(input)."""
    if input.dtype.category <= dtypes.INTEGER:
        raise error(RuntimeError, f"frac() is not implemented for {input.dtype.name}")
    return input - OPS["trunc"](input)


@accepts_out
def float_power(input: Any, exponent: Any) -> Tensor:
    """input ** exponent in float64 (complex128 for complex operands)."""
    need_tensors("float_power", input, exponent)
    sides = as_operand(input, "float_power"), as_operand(exponent, "float_power")
    wide = dtypes.complex128 if result_type(*sides).is_complex else dtypes.float64
    base, power = (cast(side, wide) if isinstance(side, Tensor) else OPS["full"]((), side, wide) for side in sides)
    return OPS["pow"](base, power)


@accepts_out
def frexp(input: Tensor) -> Frexp:
    """(mantissa, exponent): input = mantissa * 2 ** exponent, the mantissa in [0.5, 1) or 0."""
    return Frexp(OPS["frexp_mantissa"](input), OPS["frexp_exponent"](input))


@accepts_out
def ldexp(input: Tensor, other: Any) -> Tensor:
    """input * 2 ** other."""
    need_tensors("ldexp", input, other)
    exponent = other if isinstance(other, Tensor) else OPS["full"]((), as_operand(other, "ldexp"), dtypes.get_default_dtype())
    found = binary(OPS["mul"], input, OPS["pow"](2.0, exponent) if exponent.dtype.is_complex else OPS["exp2"](exponent))
    common = result_type(input, exponent)
    return cast(found, common) if common.category > dtypes.INTEGER else found


@accepts_out
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 where input is negative, 1 where positive, `values` where 0. Raises RuntimeError for different dtypes."""
    need_tensors("heaviside", input, values)
    if input.dtype is not values.dtype or input.dtype.is_complex:
        raise error(RuntimeError, f"heaviside is not yet implemented for tensors with different dtypes or complex ones: {input.dtype}, {values.dtype}")
    step = cast(OPS["gt"](input, 0), input.dtype)
    return OPS["where"](OPS["eq"](input, 0), values, step)


@accepts_out
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)); with `eps`, an x below it is it, and one above 1 - eps is that."""
    x = cast(input, promoted_floating(input))
    if x.dtype.is_complex:
        raise error(DtypeError, "logit() is not implemented for complex tensors")
    if eps is not None:
        low: Any = as_number(eps)
        high = 1.0 - low
        x = OPS["where"](OPS["lt"](x, low), low, OPS["where"](OPS["gt"](x, high), high, x))
    return OPS["log"](x / (1.0 - x))


@accepts_out
@rounded_once
def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0."""
    x = cast(input, promoted_floating(input)) * math.pi
    zero = OPS["eq"](x, 0)
    safe = OPS["where"](zero, 1.0, x)
    return OPS["where"](zero, 1.0, OPS["sin"](safe) / safe)


def _sum_of_powers(name: str, exponential: str, logarithm: str, scale: float) -> Any:
    """The larger operand plus log(1 + exp(-distance)); equal ones share the gradient."""

    def function(input: Tensor, other: Tensor) -> Tensor:
        need_tensors(name, input, other)
        common = promoted_floating(input, other)
        a, b = cast(input, common), cast(other, common)
        if common.is_complex:
            first = OPS["ge"](real(a), real(b))
            high, low = OPS["where"](first, a, b), OPS["where"](first, b, a)
            return high + OPS["log1p"](OPS[exponential](low - high)) * scale
        gap = OPS["abs"](OPS["where"](OPS["eq"](a, b), 0.0, a - b))
        return OPS["maximum"](a, b) + OPS["log1p"](OPS[exponential](OPS["neg"](gap))) * scale

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{logarithm}({exponential}(input) + {exponential}(other)), without overflow."
    return accepts_out(function)


logaddexp = _sum_of_powers("logaddexp", "exp", "log", 1.0)
logaddexp2 = _sum_of_powers("logaddexp2", "exp2", "log2", 1.0 / math.log(2.0))

# ---------------------------------------------------------------------------------------------------------------- gamma functions


def undifferentiable(name: str, argument: str, value: Any) -> None:
    """Raise NotImplementedError where a gradient is wanted for an argument that has no rule: none is better than a wrong one."""
    if STATE.enabled and isinstance(value, Tensor) and value.requires_grad:
        raise error(NotImplementedError, f"the derivative of {name}() for '{argument}' is not implemented", f"{argument}.detach()")


@accepts_out
def igamma(input: Tensor, other: Tensor) -> Tensor:
    """The regularised lower incomplete gamma function. It has a derivative for `other` only."""
    need_tensors("igamma", input, other)
    undifferentiable("igamma", "input", input)
    return binary(OPS["igamma"], input, other)


@accepts_out
def igammac(input: Tensor, other: Tensor) -> Tensor:
    """The regularised upper incomplete gamma function. It has a derivative for `other` only."""
    need_tensors("igammac", input, other)
    undifferentiable("igammac", "input", input)
    return binary(OPS["igammac"], input, other)


gammainc, gammaincc = igamma, igammac


@accepts_out
def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma. Raises RuntimeError for a negative n."""
    if not is_whole(n):
        raise error(TypeError, f"polygamma(): argument 'n' must be int, not {type(n).__name__}")
    if n < 0:
        raise error(RuntimeError, f"polygamma(n, x) does not support negative n, but got n={n}")
    return OPS["digamma"](input) if n == 0 else OPS["polygamma"](n, input)


@accepts_out
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension `p`. Raises RuntimeError for p below 1."""
    if p < 1:
        raise error(RuntimeError, f"p has to be greater than or equal to 1, got {p}")
    x = cast(input, promoted_floating(input))
    total: Any = p * (p - 1) / 4.0 * math.log(math.pi)
    for j in range(p):
        total = OPS["lgamma"](x - j / 2.0) + total
    return total


