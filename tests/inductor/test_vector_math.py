"""Elementary functions of segue_math.h: ulps against float64, special values, and bitwise agreement of vectors and scalars.

Every 1021st float32 bit pattern (so every exponent, denormals, NaNs), and dense grids where the functions bend.
"""

import ctypes

import mpmath
import numpy as np
import pytest
from scipy import special

from segue.eager.config import config
from segue.inductor.build import build

UNARY = {  # name -> (reference in float64, ulps stated in segue_math.h)
    "exp": (np.exp, 1.1), "exp2": (np.exp2, 1.1), "expm1": (np.expm1, 1.6), "log": (np.log, 0.9), "log2": (np.log2, 1.5), "log1p": (np.log1p, 1.7),
    "sin": (np.sin, 1.7), "cos": (np.cos, 1.7), "tan": (np.tan, 2.5), "tanh": (np.tanh, 1.4), "sigmoid": (special.expit, 2.4),
    "erf": (special.erf, 1.2), "erfc": (special.erfc, 0.51), "atan": (np.arctan, 1.4), "asin": (np.arcsin, 2.4), "acos": (np.arccos, 1.2),
    "sinh": (np.sinh, 1.7), "cosh": (np.cosh, 1.5), "rsqrt": (lambda x: 1 / np.sqrt(x), 1.5), "reciprocal": (lambda x: 1 / x, 0.5),
    "sqrt": (np.sqrt, 0.5), "floor": (np.floor, 0), "ceil": (np.ceil, 0), "trunc": (np.trunc, 0), "round": (np.rint, 0), "abs": (np.abs, 0),
    "sign": (np.sign, 0), "square": (np.square, 0.5),
}  # fmt: skip
BINARY = {
    "pow": (np.power, 0.51), "atan2": (np.arctan2, 2.0), "fmod": (np.fmod, 0), "remainder": (np.remainder, 0), "divide_floor": (np.floor_divide, 0),
    "minimum": (np.minimum, 0), "maximum": (np.maximum, 0), "copysign": (np.copysign, 0),
}  # fmt: skip
EXACT = {"fmod", "remainder", "divide_floor", "minimum", "maximum", "copysign"}  # defined on the operands' own type: compared in float32
SPECIALS = [0.0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, -3e38, 1e20, 7, -7, 2.5, -2.5]


def source() -> str:
    lines = ['#include "segue_vector.h"', "using namespace segue;"]
    body = "for_lanes(0, n, [&](auto w, int64_t i) {{ store(w, y + i, {f}({v})); }}); for (int64_t i = 0; i < n; ++i) z[i] = {f}({s});"
    for dtype in ("float", "double"):
        for f in UNARY:
            text = body.format(f=f, v="load(w, x + i)", s="x[i]")
            lines.append(f"SEGUE_API void {f}_{dtype}(const {dtype}* x, const {dtype}*, {dtype}* y, {dtype}* z, int64_t n) {{ {text} }}")
        for f in BINARY:
            text = body.format(f=f, v="load(w, x + i), load(w, u + i)", s="x[i], u[i]")
            lines.append(f"SEGUE_API void {f}_{dtype}(const {dtype}* x, const {dtype}* u, {dtype}* y, {dtype}* z, int64_t n) {{ {text} }}")
    return "\n".join(lines)


EXPORTS = tuple(f"{f}_{dtype}" for f in (*UNARY, *BINARY) for dtype in ("float", "double"))


UNFUSED = 0.3  # ulps more where the processor has no fused multiply-add
DOUBLE_RANGE = {"sigmoid": 700, "erfc": 26}  # beyond, SciPy's float64 reference flushes denormal results to 0
PRECISE = {"erfc": lambda x: np.array([float(mpmath.erfc(value)) for value in x.tolist()])}  # where SciPy itself is wrong by tens of ulps


@pytest.fixture(scope="module", params=["native", "avx2", "generic"])
def functions(request):
    with config.override(isa=request.param):
        return build(source(), exports=EXPORTS).addresses


@pytest.fixture
def slack(request):
    return UNFUSED if "generic" in request.node.name else 0.0


def run(address: int, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    vectors, singles = np.empty_like(x), np.empty_like(x)
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64)(address)
    call(x.ctypes.data, u.ctypes.data, vectors.ctypes.data, singles.ctypes.data, len(x))
    return vectors, singles


def check(name: str, x: np.ndarray, u: np.ndarray, got: np.ndarray, single: np.ndarray, want: np.ndarray, bound: float) -> None:
    same = (got.view(f"u{got.itemsize}") == single.view(f"u{got.itemsize}")) | (np.isnan(got) & np.isnan(single))
    assert same.all(), f"{name}: vector and scalar differ at {x[~same][:3]}, {u[~same][:3]}"
    rounded = want.astype(got.dtype)
    nan = np.isnan(got) != np.isnan(rounded)
    assert not nan.any(), f"{name}: NaN differs at {x[nan][:3]}, {u[nan][:3]}: {got[nan][:3]}"
    ends = np.isinf(got) | np.isinf(rounded)
    wrong = ends & (got != rounded) & ~(np.abs(want) > np.finfo(got.dtype).max * (1 - 1e-6))  # rounding may go either way at the very end
    assert not wrong.any(), f"{name}: infinity differs at {x[wrong][:3]}, {u[wrong][:3]}"
    signs = (rounded == 0) & (np.signbit(got) != np.signbit(rounded)) & ~np.isnan(got)
    assert not signs.any(), f"{name}: the sign of 0 differs at {x[signs][:3]}, {u[signs][:3]}"
    usual = np.isfinite(got) & np.isfinite(rounded)
    step = np.spacing(np.maximum(np.abs(rounded[usual]), np.finfo(got.dtype).tiny)).astype(want.dtype)
    error = np.abs(got[usual].astype(want.dtype) - want[usual]) / step
    worst = int(error.argmax())
    assert error[worst] <= bound, f"{name}: {error[worst]:.3f} ulp at {x[usual][worst]!r}, {u[usual][worst]!r}"


@pytest.fixture(scope="module")
def numbers():
    patterns = np.arange(0, 2**32, 1021 * 3, dtype=np.uint64).astype(np.uint32).view(np.float32)
    grids = [np.linspace(-20, 20, 200001), np.linspace(-1.5, 1.5, 200001), np.linspace(-110, 110, 100001), SPECIALS]
    return np.concatenate([patterns, *(np.asarray(grid, np.float32) for grid in grids)])


@pytest.mark.parametrize("name", list(UNARY))
def test_float(functions, numbers, name, slack):
    reference, bound = UNARY[name]
    with np.errstate(all="ignore"):
        got, single = run(functions[f"{name}_float"], numbers, numbers)
        check(name, numbers, numbers, got, single, reference(numbers.astype(np.float64)), bound + slack)


@pytest.fixture(scope="module")
def pairs():
    draw = np.random.default_rng(1)
    n = 200_000
    grid = [part.ravel() for part in np.meshgrid(SPECIALS, SPECIALS)]
    x = np.concatenate([grid[0], draw.uniform(0, 10, n), draw.uniform(-30, 30, n), np.exp(draw.uniform(-80, 80, n)), draw.integers(-50, 50, n)])
    u = np.concatenate([grid[1], draw.uniform(-10, 10, n), draw.uniform(-30, 30, n), draw.uniform(-3, 3, n), draw.integers(-50, 50, n)])
    return x.astype(np.float32), u.astype(np.float32)


@pytest.mark.parametrize("name", list(BINARY))
def test_float_pairs(functions, pairs, name, slack):
    reference, bound = BINARY[name]
    x, u = pairs
    with np.errstate(all="ignore"):
        want = reference(x, u).astype(np.float64) if name in EXACT else reference(x.astype(np.float64), u.astype(np.float64))
        got, single = run(functions[f"{name}_float"], x, u)
        check(name, x, u, got, single, want, bound + slack)


@pytest.mark.parametrize("name", list(UNARY))
def test_double(functions, numbers, name):
    """Through libm, so against NumPy's own within a few ulps; sigmoid and the like are one or two roundings more."""
    with np.errstate(invalid="ignore"):  # signalling NaNs
        x = numbers[::7].astype(np.float64)
    x = x[~(np.abs(x) > DOUBLE_RANGE.get(name, np.inf))]
    with np.errstate(all="ignore"):
        got, single = run(functions[f"{name}_double"], x, x)
        some = slice(None, None, 200 if name in PRECISE else 1)
        want = PRECISE.get(name, UNARY[name][0])(x[some])
        check(name, x[some], x[some], got[some], single[some], want, 0 if UNARY[name][1] == 0 else 4)


@pytest.mark.parametrize("name", list(BINARY))
def test_double_pairs(functions, pairs, name):
    x, u = (part.astype(np.float64) for part in pairs)
    with np.errstate(all="ignore"):
        got, single = run(functions[f"{name}_double"], x, u)
        check(name, x, u, got, single, BINARY[name][0](x, u), 0 if name in EXACT else 2)
