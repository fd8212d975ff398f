"""Further elementary functions and bit arithmetic: what the table of pointwise.py leaves out.

In come tensors that broadcast and Python numbers; out go rows made by the builders of pointwise.py. The one idea: a function that is simple in terms of
the scalar primitives has a body made of them; one that is not (carries, exponents, the next number) runs NumPy's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import promotion
from ..dtypes import int32
from ..errors import DtypeError, UnsupportedDtypeError, error
from . import samples
from .definition import Host
from .pointwise import binary, flat, special_kernel, unary

_ROUNDED = promotion.promoted_floating


def _real(name: str) -> Any:
    return promotion.ordered(name, _ROUNDED)


def _wide(function: str) -> Any:
    """NumPy's function, half precision through float32."""

    def kernel(xp: Any, *operands: Any) -> Any:
        wanted = next(o.dtype for o in operands if hasattr(o, "dtype"))
        if wanted.itemsize == 2 and wanted.kind not in "iu":
            operands = tuple(o.astype(np.float32) if hasattr(o, "dtype") else o for o in operands)
        found = getattr(xp, function)(*operands)
        return found if found.dtype == wanted else found.astype(wanted)

    return kernel


# --------------------------------------------------------------------------------------------------------------------
# One operand

unary("log10", "log10", lambda g, x: g / (x * math.log(10)), "The logarithm to base 10.", domain=(0.5, 2.0), lower=Host("no such primitive"))
unary("asinh", _wide("arcsinh"), lambda F, g, x: g * F.rsqrt(x * x + 1), "The inverse hyperbolic sine.", lower=Host("no such primitive"))
unary("acosh", _wide("arccosh"), lambda F, g, x: g * (F.rsqrt(x - 1) * F.rsqrt(x + 1)), "The inverse hyperbolic cosine; NaN below 1.",
      domain=(1.5, 3.0), lower=Host("no such primitive"))  # fmt: skip
unary("atanh", _wide("arctanh"), lambda g, x: g / (1 - x * x), "The inverse hyperbolic tangent; infinite at -1 and 1, NaN beyond.",
      domain=(-0.8, 0.8), lower=Host("no such primitive"))  # fmt: skip
unary("erfc", special_kernel("erfc"), lambda F, g, x: g * (-2 / math.sqrt(math.pi) * F.exp(-(x * x))), "1 - erf(x), exact for large x.",
      dtype=_real("erfc"), lower=Host("1 - erf(x) would lose the digits that it is there for"))  # fmt: skip


def _signbit(xp: Any, x: Any) -> Any:
    if x.dtype.kind in "bu":
        return xp.zeros(x.shape, bool)
    return x < 0 if x.dtype.kind == "i" else xp.signbit(x)


unary("signbit", _signbit, None, "Whether the sign bit is set; true for -0.", dtype=promotion.ordered("signbit", promotion.compared),
      lower=Host("the sign of a NaN is no matter of comparisons"))  # fmt: skip


def _mantissa(xp: Any, x: Any) -> Any:
    return _exponent_parts(xp, x)[0].astype(x.dtype, copy=False)


def _exponent_parts(xp: Any, x: Any) -> tuple:
    return xp.frexp(x.astype(np.float32) if x.dtype.itemsize == 2 else x)


def _frexp_dtype(x: Any) -> Any:
    if not x.dtype.is_floating_point:
        raise error(DtypeError, f"frexp() only supports floating-point dtypes, not {x.dtype}")
    return x.dtype


unary("frexp_mantissa", _mantissa, lambda F, g, x: g * F.exp2(F.cast(F.neg(F.frexp_exponent(x)), x.dtype)),
      "The fraction in [0.5, 1) of x = fraction * 2 ** exponent.", dtype=_frexp_dtype, lower=Host("reads the bits of a number"),
      sampled=samples.unary("frexp", 0.6, 0.9))  # fmt: skip
unary("frexp_exponent", lambda xp, x: _exponent_parts(xp, x)[1].astype(np.int32), None, "The exponent (int32) of x = fraction * 2 ** exponent.",
      dtype=lambda x: (_frexp_dtype(x), int32), lower=Host("reads the bits of a number"), sampled=samples.unary("frexp", 0.6, 0.9))  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Two operands


def _number_first(kernel: Any) -> Any:
    """Numbers become 0-d arrays of the other operand's dtype."""

    def wrapped(xp: Any, x: Any, y: Any) -> Any:
        wanted = x.dtype if hasattr(x, "dtype") else y.dtype
        return kernel(xp, xp.asarray(x, wanted), xp.asarray(y, wanted))

    return wrapped


def _at_least(F: Any, x: Any, y: Any) -> Any:
    return (x >= y) | (y != y)


def _at_most(F: Any, x: Any, y: Any) -> Any:
    return (x <= y) | (y != y)


def _ignoring_nan(name: str, wins: Any) -> None:
    word = "larger" if name == "fmax" else "smaller"
    other = "maximum" if name == "fmax" else "minimum"
    binary(
        name, _number_first(lambda xp, x, y: getattr(xp, name)(x, y)), lambda F, g, x, y: F.where(wins(F, x, y), g, 0.0),
        lambda F, g, x, y: F.where(wins(F, x, y), 0.0, g), f"The {word} of x and y; a NaN gives way to a number. A tie's gradient is x's.",
        dtype=promotion.ordered(name), sampled=samples.distinct(name),
        body=lambda h, x, y: h.where(h.ne(x, x), y, h.where(h.ne(y, y), x, getattr(h, other)(x, y))),
    )  # fmt: skip


_ignoring_nan("fmax", _at_least)
_ignoring_nan("fmin", _at_most)
binary("copysign", _number_first(lambda xp, x, y: xp.copysign(x, y)), lambda F, g, x, out: g * (F.sign(x) * F.sign(out)), lambda F, g: flat(F, g),
       "|x| with the sign of y.", dtype=_real("copysign"), lower=Host("the sign of a NaN is no matter of comparisons"),
       sampled=samples.binary("copysign", low=0.5, high=2.0, second=(-2.0, -0.5)))  # fmt: skip
binary("hypot", _number_first(_wide("hypot")), lambda g, x, out: g * (x / out), lambda g, y, out: g * (y / out),
       "sqrt(x * x + y * y), without overflow.", dtype=promotion.ordered("hypot"), lower=Host("no such primitive"),
       sampled=lambda: samples.binary("hypot", low=0.5, high=2.0)()[:5])  # fmt: skip
binary("nextafter", _number_first(lambda xp, x, y: xp.nextafter(x, y)), lambda g: g, lambda F, g: flat(F, g), "The next number after x towards y.", dtype=_real("nextafter"),
       lower=Host("steps through the bits of a number"))  # fmt: skip


def _integers(name: str) -> Any:
    def facet(*operands: Any) -> Any:
        found = promotion.result_type(*operands)
        if found.category != 1:
            raise error(UnsupportedDtypeError, f"{name}() works on integer tensors, not {found}")
        return found

    return facet


for _name, _doc in (("gcd", "The greatest common divisor, 0 or more."), ("lcm", "The least common multiple, 0 or more.")):
    binary(_name, _number_first(lambda xp, x, y, name=_name: getattr(xp, name)(x, y)), None, None, _doc, dtype=_integers(_name),
           lower=Host("a loop for each element"), sampled=samples.whole_numbers(_name))  # fmt: skip


def _shift(name: str) -> Any:
    """Shifts by as many bits as there are, or more, or by negative counts, give what is left when all are shifted out."""

    def kernel(xp: Any, x: Any, y: Any) -> Any:
        bits = x.dtype.itemsize * 8
        inside = (y >= 0) & (y < bits)
        count = xp.where(inside, y, 0).astype(x.dtype)
        if name == "bitwise_left_shift":
            return xp.where(inside, xp.left_shift(x, count), 0).astype(x.dtype)
        gone = xp.where(x < 0, -1, 0) if x.dtype.kind == "i" else 0
        return xp.where(inside, xp.right_shift(x, count), gone).astype(x.dtype)

    return _number_first(kernel)


for _name, _arrow in (("bitwise_left_shift", "<<"), ("bitwise_right_shift", ">>")):
    binary(_name, _shift(_name), None, None, f"x {_arrow} y, of integers; bits that are shifted out are gone.", dtype=_integers(_name),
           lower=Host("no such primitive"), sampled=samples.whole_numbers(_name, low=0))  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# x log y, with 0 log 0 = 0


def _entropy_body(name: str) -> Any:
    def body(h: Any, x: Any, y: Any) -> Any:
        found = h.mul(x, getattr(h, "log" if name == "xlogy" else "log1p")(y))
        return h.where(h.logical_and(h.eq(x, h.constant(0)), h.eq(y, y)), h.constant(0), found)

    return body


def _times_log(name: str, log: str) -> Any:
    def kernel(xp: Any, x: Any, y: Any) -> Any:
        return xp.where((x == 0) & (y == y), x.dtype.type(0), x * getattr(xp, log)(y))

    return _number_first(kernel)


def _log_where(F: Any, log: Any, g: Any, x: Any, y: Any, bound: float) -> Any:
    """g log y, and 0 where x log y was made 0 although log y is infinite."""
    silent = F.eq(x, 0) & (y <= bound)  # y may be a number
    return g * F.where(silent, 0.0, log(F.where(silent, 1.0, y)))


binary("xlogy", _times_log("xlogy", "log"), lambda F, g, x, y: _log_where(F, F.log, g, x, y, 0.0), lambda g, x, y: g * (x / y),
       "x log y, and 0 where x is 0 and y no NaN.", dtype=_real("xlogy"), body=_entropy_body("xlogy"),
       sampled=samples.binary("xlogy", low=0.5, high=2.0))  # fmt: skip
binary("xlog1py", _times_log("xlog1py", "log1p"), lambda F, g, x, y: _log_where(F, F.log1p, g, x, y, -1.0), lambda g, x, y: g * (x / (y + 1)),
       "x log(1 + y), and 0 where x is 0 and y no NaN.", dtype=_real("xlog1py"), body=_entropy_body("xlog1py"),
       sampled=samples.binary("xlog1py", low=0.5, high=2.0))  # fmt: skip
