"""Pointwise operators: one element of each operand gives one element of the result.

In come tensors that broadcast and Python numbers; out go rows. The one idea: it is a table. A row names its NumPy function, its scalar body and its
derivative; promotion, broadcasting, the batching rule, tags and samples follow from the builder.
"""

from __future__ import annotations

import cmath
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import promotion
from ..errors import DtypeError, error
from ..sizes import is_symbolic
from . import batching, samples
from .definition import Scalar, define, direct
from .native import NATIVE, native
from .shapes import broadcast, same_shape

SPECIAL = {"numpy": "scipy.special", "cupy": "cupyx.scipy.special"}
_INTEGER_KINDS = "iub"
# Beside half precision a number (or a 0-d tensor) at these places keeps float32, in which the element is computed and rounded once; anywhere else it is
# rounded first. So PyTorch's CPU kernels have it.
WIDE: dict[str, tuple[int, ...]] = {"mul": (0, 1), "div": (0, 1), "floor_divide": (1,)}

# --------------------------------------------------------------------------------------------------------------------
# Kernels


def special(xp: Any, name: str) -> Callable[..., Any]:
    return getattr(importlib.import_module(SPECIAL[xp.__name__]), name)


def _wrapped(number: Any, dtype: Any) -> Any:
    """A Python int beside an integer array that cannot hold it wraps around, as in PyTorch; NumPy would raise."""
    if type(number) is not int or dtype.kind not in "iu":
        return number
    limits = np.iinfo(dtype)
    return number if limits.min <= number <= limits.max else (number - int(limits.min)) % 2**limits.bits + int(limits.min)


def _unary(name: str) -> Callable[..., Any]:
    """The array module's function of one operand."""
    of_numpy = getattr(np, name)
    return direct(lambda xp, x: of_numpy(x) if xp is np else getattr(xp, name)(x), lambda x: of_numpy)


def _beside(number: Any, dtype: Any) -> Any:
    """A Python number as it stands beside an array: bfloat16, which NumPy does not promote, rounds it, as NumPy rounds it for float16."""
    return dtype.type(number) if dtype.kind == "V" else _wrapped(number, dtype)


def _binary(name: str) -> Callable[..., Any]:
    """The array module's function of two operands, one of which may be a number."""
    places = WIDE.get({"multiply": "mul", "true_divide": "div"}.get(name, name), ())
    of_numpy = getattr(np, name)

    def kernel(xp: Any, x: Any, y: Any) -> Any:
        function = of_numpy if xp is np else getattr(xp, name)
        if _needs_no_cast(x, y):
            return function(x, y)
        wanted = x.dtype if hasattr(x, "dtype") else y.dtype
        if wanted.itemsize == 2 and wanted.kind not in "iu" and (0 if wanted is getattr(y, "dtype", None) else 1) in places:
            x, y = (v.astype(np.float32) if hasattr(v, "dtype") else np.float32(v) for v in (x, y))
        else:
            x, y = (v if hasattr(v, "dtype") else _beside(v, wanted) for v in (x, y))
        result = function(x, y)
        return result if result.dtype == wanted else result.astype(wanted)

    return direct(kernel, lambda x, y: of_numpy if _needs_no_cast(x, y) else None)


def _needs_no_cast(x: Any, y: Any) -> bool:
    """Whether NumPy's result for two operands has the array's dtype as it is: arrays, or a float and an array of float32 or float64."""
    if type(y) is float:
        return x.dtype.char in "fd"
    return y.dtype.char in "fd" if type(x) is float else hasattr(x, "dtype") and hasattr(y, "dtype")


def _comparison(name: str) -> Callable[..., Any]:
    """The array module's function of two operands with a bool result."""

    def kernel(xp: Any, x: Any, y: Any) -> Any:
        if not hasattr(y, "dtype"):
            y = _beside(y, x.dtype)
        elif not hasattr(x, "dtype"):
            x = _beside(x, y.dtype)
        return getattr(xp, name)(x, y)

    return kernel


def _exact(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A number that the dtype cannot hold raises, where wrapping around would be a wrong answer (a bound, a value to put in)."""

    def checked(xp: Any, *operands: Any) -> Any:
        try:
            return kernel(xp, *operands)
        except OverflowError as problem:
            raise error(DtypeError, f"a value cannot be converted without overflow ({problem})", "cast the tensor to a wider dtype first") from None

    return checked


def _bound(name: str) -> Callable[..., Any]:
    """Maximum or minimum with a bound."""

    def kernel(xp: Any, x: Any, y: Any) -> Any:
        result = getattr(xp, name)(x, y)
        wanted = x.dtype if hasattr(x, "dtype") else y.dtype
        return result if result.dtype == wanted else result.astype(wanted)

    return _exact(kernel)


def _whole(name: str) -> Callable[..., Any]:
    """Rounding: integers are whole already."""
    return lambda xp, x: x.copy() if x.dtype.kind in _INTEGER_KINDS else getattr(xp, name)(x)


def _divides(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Integer division: a zero in the divisor raises, as in PyTorch; NumPy would give 0."""

    def checked(xp: Any, x: Any, y: Any) -> Any:
        if not (y.dtype.kind == "f" or y.dtype.kind == "V" if hasattr(y, "dtype") else isinstance(y, float)):
            kind = (x if hasattr(x, "dtype") else y).dtype.kind
            if kind in _INTEGER_KINDS and not (xp.all(y) if hasattr(y, "dtype") else y):
                raise error(RuntimeError, "ZeroDivisionError: integer division by zero")
        return kernel(xp, x, y)

    return checked


def _power(xp: Any, x: Any, y: Any) -> Any:
    """Integers to a negative power are 1 / x**|y| rounded towards zero (0 except for 1 and -1)."""
    if (x if hasattr(x, "dtype") else y).dtype.kind in _INTEGER_KINDS:
        if hasattr(y, "dtype"):
            negative = y < 0
            if xp.any(negative):
                inverse = xp.where(x == 1, 1, xp.where(x == -1, 1 - 2 * (y & 1), 0))
                whole = xp.power(x, xp.where(negative, 0, y))
                return xp.where(negative, inverse, whole).astype(whole.dtype)
        elif y < 0:
            raise error(RuntimeError, "Integers to negative integer powers are not allowed.", "cast the base to a floating dtype")
    if isinstance(y, (int, float)) and y in (3, -1) and x.dtype.char in "fd":  # what compiled code does, and PyTorch
        if y == -1:
            return xp.divide(1, x)
        return xp.multiply(xp.multiply(x, x), x)
    return _binary("power")(xp, x, y)


def _sign(xp: Any, x: Any) -> Any:
    """PyTorch's: NaN has sign 0."""
    if x.dtype.kind == "b":
        return x.copy()
    return xp.subtract(x > 0, x < 0, dtype=xp.int8).astype(x.dtype)


def special_kernel(name: str) -> Callable[..., Any]:
    """A function of SciPy's; half precision goes through float32."""

    def kernel(xp: Any, x: Any) -> Any:
        if x.dtype.itemsize == 2:
            return special(xp, name)(x.astype(np.float32)).astype(x.dtype)
        return special(xp, name)(x)

    return kernel


def _sigmoid(xp: Any, x: Any) -> Any:
    """1 / (1 + exp(-x)): exp may overflow to infinity, which gives the 0 that is right."""
    if x.dtype.itemsize == 2:
        return _sigmoid(xp, x.astype(np.float32)).astype(x.dtype)
    return 1.0 / (1.0 + xp.exp(-x))


def _cast(xp: Any, x: Any, dtype: Any) -> Any:
    if x.dtype.kind == "c" and not dtype.is_complex:
        x = x.real if dtype.category else x != 0
    return x.astype(dtype.numpy)


def _rectified(xp: Any, x: Any) -> Any:
    found = NATIVE["curve"]("rectified", (x,), ()) if xp is np and "curve" in NATIVE else None
    return xp.maximum(x, x.dtype.type(0)) if found is None else found


def _where(xp: Any, condition: Any, x: Any, y: Any) -> Any:
    found = NATIVE["choose"](condition, x, y) if xp is np and "choose" in NATIVE else None  # NumPy's own jumps at each element, a wrong guess for every other
    if found is not None:
        return found
    result = xp.where(condition, x, y)
    wanted = getattr(x, "dtype", None) or getattr(y, "dtype", None)
    if wanted is None:  # two Python numbers
        wanted = promotion.result_type(x, y).numpy
    return result if result.dtype == wanted else result.astype(wanted)


# --------------------------------------------------------------------------------------------------------------------
# Builders


def primitive(name: str) -> Scalar:
    """The body that is the handler's own primitive of this name."""
    return Scalar(lambda h, *operands: getattr(h, name)(*operands))


def unary(
    name: str, kernel: Any, gradient: Callable | None, doc: str, *, dtype: Any = promotion.promoted_floating, body: Callable | None = None,
    domain: tuple[float, float] = (-2.0, 2.0), sampled: Any = None, tags: str = "recompute", lower: Any = None, tangent: Callable | None = None,
) -> None:  # fmt: skip
    """One operand. `kernel` is a function's name in the array module or a kernel; `gradient` is None where there is no derivative.

    `tangent` is the rule for jvp where it is not the gradient's.
    """
    define(
        name, "x: Tensor", kind="pointwise", dtype=dtype, shape=same_shape, kernel=_unary(kernel) if isinstance(kernel, str) else kernel,
        vjp=gradient and {"x": gradient}, jvp={"x": tangent} if tangent else gradient and "elementwise", batch=batching.broadcasting(name),
        lower=lower or (Scalar(body) if body else primitive(name)),
        samples=sampled or samples.unary(name, *domain), doc=doc, tags=tags if gradient else f"{tags} nondifferentiable",
    )  # fmt: skip


def binary(
    name: str, kernel: Any, x: Callable | None, y: Callable | None, doc: str, *, dtype: Any = promotion.promoted, body: Callable | None = None,
    sampled: Any = None, tags: str = "recompute", lower: Any = None,
) -> None:  # fmt: skip
    """Two operands `x` and `y`, with a derivative for each that has one (None where an operand has none)."""
    vjp = {argument: formula for argument, formula in (("x", x), ("y", y)) if formula}
    define(
        name, "x: Tensor, y: Tensor", kind="pointwise", dtype=dtype, shape=broadcast(name),
        kernel=_binary(kernel) if isinstance(kernel, str) else kernel,
        vjp=vjp or None, jvp="elementwise" if vjp else None, batch=batching.broadcasting(name),
        lower=lower or (Scalar(body) if body else primitive(name)), samples=sampled or samples.binary(name), doc=doc,
        tags=tags if vjp else f"{tags} nondifferentiable",
    )  # fmt: skip


def flat(F: Any, g: Any) -> Any:
    """The derivative of a step function."""
    return F.zeros_like(g)


def _power_base(F: Any, g: Any, x: Any, y: Any) -> Any:
    if not hasattr(y, "dtype"):
        return F.zeros_like(g) if y == 0 else g * (y * F.pow(x, y - 1))
    return F.where(F.eq(y, 0), 0.0, g * (y * F.pow(x, y - 1)))


def _power_exponent(F: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    """g x**y log x, and 0 where 0 ** y is constant (y, or its real part, >= 0)."""
    grows = F.ge(F.real(y) if y.dtype.is_complex else y, 0)
    if is_symbolic(x):
        base = F.zeros_like(y) + x
        return F.where(F.logical_and(F.eq(base, 0), grows), 0.0, g * (out * F.log(base)))
    if not hasattr(x, "dtype"):
        return F.where(grows, 0.0, g * (out * -math.inf)) if x == 0 else g * (out * (cmath if isinstance(x, complex) else math).log(x))
    flat = F.logical_and(F.eq(x, 0), grows)
    return F.where(flat, 0.0, g * (out * F.log(F.where(flat, 1.0, x))))


def _tie(F: Any, g: Any, mine: Any, other: Any, loses: Callable) -> Any:
    """Maximum and minimum: the loser gets nothing, a tie is shared."""
    return F.where(F.eq(mine, other), g / 2, F.where(loses(mine, other), 0.0, g))


def _over_square(F: Any, side: Any, x: Any, y: Any) -> Any:
    """side / (x * x + y * y), and 0 at the origin."""
    square = x * x + y * y
    return F.where(F.eq(square, 0), 0.0, side / square)


# --------------------------------------------------------------------------------------------------------------------
# Arithmetic

binary("add", "add", lambda g: g, lambda g: g, "x + y. Bools add as `or`.")
binary("sub", "subtract", lambda g: g, lambda g: -g, "x - y. Raises for bools.", dtype=promotion.difference)
binary("mul", "multiply", lambda g, y: g * y, lambda g, x: g * x, "x * y. Bools multiply as `and`.")
binary("div", "true_divide", lambda g, y: g / y, lambda g, x, y: -g * ((x / y) / y), "x / y; integers divide to the default floating dtype.",
       dtype=promotion.promoted_floating, sampled=samples.binary("div", second=(0.5, 2.0)))  # fmt: skip
binary("floor_divide", _divides(_binary("floor_divide")), None, None, "x / y rounded down. Raises RuntimeError for an integer division by zero.",
       dtype=promotion.ordered("floor_divide", promotion.not_boolean("floor_divide")), tags="recompute checked", sampled=samples.binary("floor_divide", second=(0.5, 2.0)))  # fmt: skip
binary("remainder", _divides(_binary("remainder")), lambda g: g, lambda F, g, x, y: -g * F.floor_divide(x, y),
       "x - y * floor(x / y): Python's %, with the sign of y. Raises RuntimeError for an integer division by zero.",
       dtype=promotion.ordered("remainder", promotion.not_boolean("remainder")), tags="recompute checked", sampled=samples.binary("remainder", second=(0.5, 2.0)))  # fmt: skip
binary("fmod", _divides(_binary("fmod")), lambda g: g, lambda F, g, x, y: -g * F.trunc(x / y),
       "x - y * trunc(x / y): C's fmod, with the sign of x. Raises RuntimeError for an integer division by zero.",
       dtype=promotion.ordered("fmod", promotion.not_boolean("fmod")), tags="recompute checked", sampled=samples.binary("fmod", second=(0.5, 2.0)))  # fmt: skip
binary("pow", _power, _power_base, _power_exponent, "x ** y. Raises RuntimeError for integers to a negative number.",
       dtype=promotion.not_boolean("pow"), sampled=samples.binary("pow", low=0.5, high=2.0))  # fmt: skip
binary("atan2", "arctan2", lambda F, g, x, y: g * _over_square(F, y, x, y), lambda F, g, x, y: -g * _over_square(F, x, x, y),
       "The angle of the point (y, x): arctan of x / y in the right quadrant.", dtype=promotion.ordered("atan2", promotion.promoted_floating),
       sampled=samples.binary("atan2", second=(0.5, 2.0)))  # fmt: skip
binary("maximum", "maximum", lambda F, g, x, y: _tie(F, g, x, y, F.lt), lambda F, g, x, y: _tie(F, g, y, x, F.lt),
       "The larger of x and y; NaN if either is. A tie shares its gradient.", dtype=promotion.ordered("maximum"), sampled=samples.distinct("maximum"))  # fmt: skip
binary("minimum", "minimum", lambda F, g, x, y: _tie(F, g, x, y, F.gt), lambda F, g, x, y: _tie(F, g, y, x, F.gt),
       "The smaller of x and y; NaN if either is. A tie shares its gradient.", dtype=promotion.ordered("minimum"), sampled=samples.distinct("minimum"))  # fmt: skip
binary("clamp_min", _bound("maximum"), lambda F, g, x, y: F.where(F.ge(x, y), g, 0.0), lambda F, g, x, y: F.where(F.lt(x, y), g, 0.0),
       "The larger of x and the bound y; at the bound the gradient is x's.", body=lambda h, x, y: h.maximum(x, y),
       dtype=promotion.ordered("clamp_min"), sampled=samples.distinct("clamp_min"))  # fmt: skip
binary("clamp_max", _bound("minimum"), lambda F, g, x, y: F.where(F.le(x, y), g, 0.0), lambda F, g, x, y: F.where(F.gt(x, y), g, 0.0),
       "The smaller of x and the bound y; at the bound the gradient is x's.", body=lambda h, x, y: h.minimum(x, y),
       dtype=promotion.ordered("clamp_max"), sampled=samples.distinct("clamp_max"))  # fmt: skip

unary("neg", "negative", lambda g: -g, "-x. Raises for bools.", dtype=promotion.not_boolean("neg"))
unary("abs", "absolute", lambda F, g, x: g * F.sgn(x), "|x|, real for complex x; the derivative at 0 is 0.", dtype=promotion.magnitude,
      tangent=lambda F, t, x: F.real(F.conj(F.sgn(x)) * t),
      sampled=samples.unary("abs", 0.2, 2.0))  # fmt: skip
unary("sign", _sign, flat, "-1, 0 or 1; 0 for NaN.", dtype=promotion.ordered("sign"))
unary("reciprocal", "reciprocal", lambda g, out: -g * (out * out), "1 / x.", body=lambda h, x: h.div(h.constant(1), x), domain=(0.5, 2.0))
unary("sqrt", "sqrt", lambda g, out: g / (2 * out), "The square root; NaN below 0.", domain=(0.5, 2.0))
unary("rsqrt", lambda xp, x: _binary("divide")(xp, 1.0, xp.sqrt(x)), lambda g, out: g * (-0.5 * (out * out * out)), "1 / sqrt(x).",
      body=lambda h, x: h.div(h.constant(1), h.sqrt(x)), domain=(0.5, 2.0))  # fmt: skip
unary("square", lambda xp, x: x * x, lambda g, x: g * (2 * x), "x * x; of bools as int64.", dtype=lambda x: promotion.result_type(x, 1),
      body=lambda h, x: h.mul(x, x))  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Elementary functions: integers give the default floating dtype

unary("exp", "exp", lambda g, out: g * out, "e ** x.")
unary("exp2", "exp2", lambda g, out: g * (out * math.log(2)), "2 ** x.")
unary("expm1", native("expm1", _unary("expm1")), lambda g, out: g * (out + 1), "exp(x) - 1, exact near 0.")
unary("log", "log", lambda g, x: g / x, "The natural logarithm; -inf at 0, NaN below.", domain=(0.5, 2.0))
unary("log2", "log2", lambda g, x: g / (x * math.log(2)), "The logarithm to base 2.", domain=(0.5, 2.0))
unary("log1p", native("log1p", _unary("log1p")), lambda g, x: g / (x + 1), "log(1 + x), exact near 0.", domain=(-0.5, 2.0))
unary("sin", "sin", lambda F, g, x: g * F.cos(x), "The sine.")
unary("cos", "cos", lambda F, g, x: -g * F.sin(x), "The cosine.")
unary("tan", "tan", lambda g, out: g * (1 + out * out), "The tangent.", domain=(-1.0, 1.0))
unary("asin", "arcsin", lambda F, g, x: g * F.rsqrt(1 - x * x), "The inverse sine; NaN outside [-1, 1].", domain=(-0.8, 0.8))
unary("acos", native("acos", _unary("arccos")), lambda F, g, x: -g * F.rsqrt(1 - x * x), "The inverse cosine; NaN outside [-1, 1].", domain=(-0.8, 0.8))
unary("atan", native("atan", _unary("arctan")), lambda g, x: g / (x * x + 1), "The inverse tangent.")
unary("sinh", native("sinh", _unary("sinh")), lambda F, g, x: g * F.cosh(x), "The hyperbolic sine.")
unary("cosh", native("cosh", _unary("cosh")), lambda F, g, x: g * F.sinh(x), "The hyperbolic cosine.")
unary("tanh", "tanh", lambda g, out: g * (1 - out * out), "The hyperbolic tangent.")
unary("sigmoid", _sigmoid, lambda g, out: g * ((1 - out) * out), "1 / (1 + exp(-x)), without overflow.")
unary("erf", native("erf", special_kernel("erf")), lambda F, g, x: g * (2 / math.sqrt(math.pi) * F.exp(-(x * x))), "The error function.",
      dtype=promotion.ordered("erf", promotion.promoted_floating))  # fmt: skip
unary("relu", _rectified, lambda F, g, out: F.where(F.le(out, 0), 0.0, g),
      "x above 0, else 0; the derivative at 0 is 0.", dtype=promotion.ordered("relu", promotion.not_boolean("relu")), body=lambda h, x: h.maximum(x, h.constant(0)))  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Rounding: piecewise constant, so the derivative is 0

unary("floor", _whole("floor"), flat, "The largest whole number not above x.", dtype=promotion.ordered("floor", promotion.not_boolean("floor")))
unary("ceil", _whole("ceil"), flat, "The smallest whole number not below x.", dtype=promotion.ordered("ceil", promotion.not_boolean("ceil")))
unary("round", _whole("rint"), flat, "The nearest whole number, halves to even.", dtype=promotion.ordered("round", promotion.not_boolean("round")))
unary("trunc", _whole("trunc"), flat, "x without its fraction.", dtype=promotion.ordered("trunc", promotion.not_boolean("trunc")))

# --------------------------------------------------------------------------------------------------------------------
# Comparisons and logic: bool results, no derivative

for _name, _function, _sign_text in (
    ("eq", "equal", "=="), ("ne", "not_equal", "!="), ("lt", "less", "<"), ("le", "less_equal", "<="), ("gt", "greater", ">"),
    ("ge", "greater_equal", ">="),
):  # fmt: skip
    binary(_name, _comparison(_function), None, None, f"x {_sign_text} y, element by element, as bool.",
           dtype=promotion.compared if _name in ("eq", "ne") else promotion.ordered(_name, promotion.compared))  # fmt: skip

for _name, _doc in (("logical_and", "Both not zero"), ("logical_or", "Either not zero"), ("logical_xor", "Just one not zero")):
    binary(_name, _comparison(_name), None, None, f"{_doc}, as bool.", dtype=promotion.logical, sampled=samples.whole(_name))
unary("logical_not", "logical_not", None, "Zero, as bool.", dtype=promotion.logical, sampled=samples.whole("logical_not", 1))

for _name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    binary(_name, _name, None, None, f"{_name.replace('_', ' ')} of integers or bools. Raises for floating dtypes.",
           dtype=promotion.discrete(_name), sampled=samples.whole(_name))  # fmt: skip
unary("bitwise_not", "invert", None, "Each bit inverted (of a bool: not). Raises for floating dtypes.",
      dtype=promotion.discrete("bitwise_not"), sampled=samples.whole("bitwise_not", 1))  # fmt: skip

unary("isnan", "isnan", None, "Whether x is NaN.", dtype=promotion.compared)
unary("isinf", "isinf", None, "Whether x is infinite.", dtype=promotion.compared)
unary("isfinite", "isfinite", None, "Whether x is neither infinite nor NaN.", dtype=promotion.compared)

# --------------------------------------------------------------------------------------------------------------------
# Choice and conversion


def _where_dtype(condition: Any, x: Any, y: Any) -> Any:
    if getattr(condition, "dtype", None) is not promotion.bool:
        raise error(DtypeError, f"where() needs a bool condition, not {getattr(condition, 'dtype', condition)}", "where(condition != 0, x, y)")
    found = promotion.result_type(x, y)
    for side in (x, y):
        if hasattr(side, "dtype") and side.dtype is not found:
            raise error(DtypeError, f"where() row: its sides must have been cast to {found}, one is {side.dtype}")
    return found


_where_dtype.no_cast = True  # type: ignore[attr-defined]  # the condition stays bool; the public `where` casts the sides


def _where_samples() -> list[samples.Sample]:
    s = samples.Source("where")
    return samples.calls(
        (s.bools((2, 3)), s.floats((2, 3)), s.floats((2, 3))), (s.bools((2, 1)), s.floats((3,)), s.floats(())), (s.bools((4,)), s.floats((4,)), 0.0),
        (s.bools((3,)), 1.0, s.floats((3,))), (s.bools((0, 2)), s.floats((0, 2)), s.floats((2,))), (s.bools(()), s.integers((2,)), s.integers((2,))),
    )  # fmt: skip


define(
    "where", "condition: Tensor, x: Tensor, y: Tensor", kind="pointwise", dtype=_where_dtype, shape=broadcast("where"), kernel=_exact(_where),
    vjp={"x": lambda F, g, condition: F.where(condition, g, 0.0), "y": lambda F, g, condition: F.where(condition, 0.0, g)}, jvp="elementwise",
    batch=batching.broadcasting("where"), lower=primitive("where"), samples=_where_samples, tags="recompute",
    doc="x where the bool `condition` holds, else y. All three broadcast. Raises for a condition that is not bool.",
)  # fmt: skip


def _cast_dtype(x: Any, dtype: Any) -> Any:
    return dtype


_cast_dtype.no_cast = True  # type: ignore[attr-defined]


def _cast_samples() -> list[samples.Sample]:
    s = samples.Source("cast")
    targets = (promotion.float64, promotion.float16, promotion.bfloat16, promotion.int64, promotion.bool)
    return [((s.floats((2, 3)), dtype), {}) for dtype in targets] + samples.calls((s.integers((0, 2)), promotion.float32),
        (s.bools(()), promotion.int32))


define(
    "cast", "x: Tensor, dtype", kind="pointwise", dtype=_cast_dtype, shape=same_shape, kernel=_cast,
    vjp={"x": lambda F, g, x_dtype: F.cast(g, x_dtype)},
    jvp="linear", batch=batching.broadcasting("cast"), lower=Scalar(lambda h, x, dtype: h.cast(x, dtype)), samples=_cast_samples, tags="recompute",
    doc="A copy in another dtype. Floating to integer cuts the fraction, to bool asks whether it is not zero.",
)  # fmt: skip
