"""Pointwise rows in plain arithmetic: Python's own functions, and mpmath's for the special ones.

In comes a row's name, out goes a function of numbers. The one idea: a reference must not share code with what it checks.
"""

import math
import operator

import mpmath

PYTHON = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "fmod": math.fmod, "pow": operator.pow, "atan2": math.atan2, "maximum": max, "minimum": min, "clamp_min": max, "clamp_max": min,
    "neg": operator.neg,
    "abs": abs, "sign": lambda x: (x > 0) - (x < 0), "reciprocal": lambda x: 1 / x, "sqrt": math.sqrt, "rsqrt": lambda x: 1 / math.sqrt(x),
    "square": lambda x: x * x, "exp": math.exp, "exp2": math.exp2, "expm1": math.expm1, "log": math.log, "log2": math.log2, "log1p": math.log1p,
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "asin": math.asin, "acos": math.acos, "atan": math.atan, "sinh": math.sinh, "cosh": math.cosh,
    "tanh": math.tanh, "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "erf": math.erf, "relu": lambda x: max(x, 0), "floor": math.floor,
    "ceil": math.ceil,
    "round": round, "trunc": math.trunc, "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
    "ge": operator.ge,
    "logical_and": lambda a, b: bool(a) and bool(b), "logical_or": lambda a, b: bool(a) or bool(b), "logical_xor": lambda a, b: bool(a) != bool(b),
    "logical_not": operator.not_, "bitwise_and": operator.and_, "bitwise_or": operator.or_, "bitwise_xor": operator.xor, "isnan": math.isnan,
    "isinf": math.isinf, "isfinite": math.isfinite, "where": lambda c, a, b: a if c else b,

    "conj": lambda x: complex(x).conjugate(), "complex": complex, "log10": math.log10, "asinh": math.asinh, "acosh": math.acosh, "atanh": math.atanh,
    "erfc": math.erfc, "signbit": lambda x: math.copysign(1, x) < 0, "frexp_mantissa": lambda x: math.frexp(x)[0],
    "frexp_exponent": lambda x: math.frexp(x)[1], "fmax": max, "fmin": min, "copysign": math.copysign, "hypot": math.hypot, "nextafter": math.nextafter,
    "gcd": math.gcd, "lcm": math.lcm, "bitwise_left_shift": operator.lshift, "bitwise_right_shift": operator.rshift,
    "xlogy": lambda x, y: x * math.log(y) if x else 0.0, "xlog1py": lambda x, y: x * math.log1p(y) if x else 0.0,
    "erfinv": mpmath.erfinv, "erfcx": lambda x: mpmath.exp(x * x) * mpmath.erfc(x), "ndtri": lambda x: mpmath.sqrt(2) * mpmath.erfinv(2 * x - 1),
    "log_ndtr": lambda x: mpmath.log(mpmath.ncdf(x)), "digamma": mpmath.digamma, "lgamma": math.lgamma,
    "igamma": lambda a, x: mpmath.gammainc(a, 0, x, regularized=True), "igammac": lambda a, x: mpmath.gammainc(a, x, regularized=True),
    "zeta": mpmath.zeta, "bessel_j0": lambda x: mpmath.besselj(0, x), "bessel_j1": lambda x: mpmath.besselj(1, x),
    "bessel_y0": lambda x: mpmath.bessely(0, x), "bessel_y1": lambda x: mpmath.bessely(1, x), "i0": lambda x: mpmath.besseli(0, x),
    "i1": lambda x: mpmath.besseli(1, x), "i0e": lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(0, x),
    "i1e": lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(1, x), "modified_bessel_k0": lambda x: mpmath.besselk(0, x),
    "modified_bessel_k1": lambda x: mpmath.besselk(1, x), "scaled_modified_bessel_k0": lambda x: mpmath.exp(x) * mpmath.besselk(0, x),
    "scaled_modified_bessel_k1": lambda x: mpmath.exp(x) * mpmath.besselk(1, x), "airy_ai": mpmath.airyai,
    "airy_ai_slope": lambda x: mpmath.airyai(x, derivative=1),
}  # fmt: skip
