"""Derives the polynomials of inductor/csrc/include/segue_math.h, so that every constant there has a source.

In comes the table `FITS`: a function, the interval after argument reduction, the weight of an error, and a degree; out come float32 coefficients. The
one idea: Remez's exchange (E. Y. Remez, 1934; see J.-M. Muller, Elementary Functions, chapter 3) in high precision, then rounding to float32. The
test tests/inductor/test_vector_coefficients.py runs it again and compares with the header; `python -m segue.tools.polynomials` prints the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
from mpmath import mpf

DIGITS = 50


@dataclass(frozen=True)
class Fit:
    """Minimise max |weight(t) (p(t) - target(t))| over [low, high] for polynomials p of `degree`. `form` says how p enters the function."""

    form: str
    target: Callable
    weight: Callable
    low: float
    high: float
    degree: int


def _ratio(function: Callable, power: int, *lead: float) -> Callable:
    """(function(x) - sum lead_k x^k) / x^power, with lead starting at x^0; by its limit's neighbourhood at 0."""

    def at(x):
        x = x if abs(x) > mpf(10) ** -8 else mpf(10) ** -8
        return (function(x) - sum(mpf(c) * x**k for k, c in enumerate(lead))) / x**power

    return at


def _in_square(function: Callable) -> Callable:
    """The same as a function of t = x^2."""
    return lambda t: function(mpmath.sqrt(t) if t > 0 else mpf(0))


def _odd(function: Callable, high: float, degree: int, form: str) -> Fit:
    """f(x) = x + x^3 p(x^2), relative error."""
    return Fit(form, _in_square(_ratio(function, 3, 0, 1)), _in_square(lambda x: x**3 / function(x) if x else mpf(0)), 0.0, high**2, degree)


HALF_LN2 = 0.34658
FITS = {
    "EXP": Fit("e^r = 1 + r + r^2 p(r)", _ratio(mpmath.exp, 2, 1, 1), lambda r: r**2 / mpmath.exp(r), -HALF_LN2, HALF_LN2, 4),
    "EXPM1": Fit("e^r - 1 = r + r^2 p(r)", _ratio(mpmath.expm1, 2, 0, 1), lambda r: r**2 / mpmath.expm1(r) if r else mpf(0), -HALF_LN2, HALF_LN2, 5),
    "LOG": Fit("log(1 + f) = f - f^2/2 + f^3 p(f)", _ratio(mpmath.log1p, 3, 0, 1, -0.5),
               lambda f: f**3 / mpmath.log1p(f) if f else mpf(0), -0.33334, 0.33334, 7),
    "SIN": _odd(mpmath.sin, 0.7854, 3, "sin r = r + r^3 p(r^2)"),
    "COS": Fit("cos r = 1 - r^2/2 + r^4 p(r^2)", _in_square(_ratio(mpmath.cos, 4, 1, 0, -0.5)),
               _in_square(lambda r: r**4 / mpmath.cos(r)), 0.0, 0.7854**2, 3),
    "TAN": _odd(mpmath.tan, 0.7854, 6, "tan r = r + r^3 p(r^2)"),
    "TANH": _odd(mpmath.tanh, 0.625, 4, "tanh x = x + x^3 p(x^2) for |x| < 0.625"),
    "ERF": Fit("erf x = x + x p(x^2) for |x| < 1", _in_square(lambda x: _ratio(mpmath.erf, 1)(x) - 1),
               _in_square(lambda x: x / mpmath.erf(x) if x else mpf(1)), 0.0, 1.0, 7),
    "ERF_TAIL": Fit("1 - erf x = e^-p(x) for 1 <= x < 4", lambda x: -mpmath.log(mpmath.erfc(x)), mpmath.erfc, 1.0, 4.0, 8),
    "ATAN": _odd(mpmath.atan, 1.0, 8, "atan x = x + x^3 p(x^2) for |x| <= 1"),
    "ASIN": _odd(mpmath.asin, 0.5, 5, "asin x = x + x^3 p(x^2) for |x| <= 1/2"),
    "SINH": _odd(mpmath.sinh, 1.0, 3, "sinh x = x + x^3 p(x^2) for |x| < 1"),
}


def remez(fit: Fit, rounds: int = 12, points: int = 400) -> list:
    """Coefficients of the minimax polynomial, lowest first, in high precision."""
    count = fit.degree + 2
    low, high = mpf(fit.low), mpf(fit.high)
    grid = [(low + high) / 2 - (high - low) / 2 * mpmath.cos(mpmath.pi * k / points) for k in range(points + 1)]
    target, weight = [fit.target(t) for t in grid], [abs(fit.weight(t)) for t in grid]
    chosen = [round(points * (k + 0.5) / count) for k in range(count)]
    coefficients: list = []
    for _ in range(rounds):
        rows, right = mpmath.matrix(count, count), mpmath.matrix(count, 1)
        for i, k in enumerate(chosen):
            for j in range(count - 1):
                rows[i, j] = weight[k] * grid[k] ** j
            rows[i, count - 1] = (-1) ** i
            right[i] = weight[k] * target[k]
        solved = mpmath.lu_solve(rows, right)
        coefficients, level = [solved[j] for j in range(count - 1)], abs(solved[count - 1])
        errors = [weight[k] * (mpmath.polyval(coefficients[::-1], grid[k]) - target[k]) for k in range(points + 1)]
        if max(map(abs, errors)) < level * mpf("1.001"):
            break
        chosen = _extrema(errors, count)
    return coefficients


def _extrema(errors: list, count: int) -> list[int]:
    """`count` places of greatest error with alternating signs."""
    found: list[int] = []
    for k, error in enumerate(errors):
        if found and (error > 0) == (errors[found[-1]] > 0):
            if abs(error) > abs(errors[found[-1]]):
                found[-1] = k
        else:
            found.append(k)
    while len(found) > count:
        found.pop(0 if abs(errors[found[0]]) < abs(errors[found[-1]]) else -1)
    if len(found) < count:
        raise ValueError(f"the error alternates at {len(found)} places only, {count} are needed: the degree is too high for the precision")
    return found


def coefficients(name: str) -> list[np.float32]:
    """The float32 coefficients of one fit, lowest first. Raises KeyError for a name that is not in `FITS`."""
    with mpmath.workdps(DIGITS):
        return [np.float32(float(c)) for c in remez(FITS[name])]


def truncation(name: str) -> float:
    """The greatest weighted error of the rounded polynomial, as a power of 2."""
    fit = FITS[name]
    with mpmath.workdps(DIGITS):
        rounded = [mpf(float(c)) for c in coefficients(name)][::-1]
        places = (fit.low + (mpf(fit.high) - fit.low) * k / 300 for k in range(301))
        return float(mpmath.log(max(abs(fit.weight(t) * (mpmath.polyval(rounded, t) - fit.target(t))) for t in places), 2))


def main() -> None:
    for name, fit in FITS.items():
        print(f"{name}: {fit.form}; error 2^{truncation(name):.1f}")
        print("    " + ", ".join(f"{float(c).hex()}f" for c in coefficients(name)))


if __name__ == "__main__":
    main()
