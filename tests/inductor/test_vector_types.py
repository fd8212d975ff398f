"""Loads, stores, conversions, integer division, masks and folds of segue_vector.h against NumPy, for each instruction set and every tail length."""

import ctypes

import ml_dtypes
import numpy as np
import pytest

from segue.eager.config import config
from segue.inductor.build import build

STORAGE = {
    "bool": np.bool_, "uint8_t": np.uint8, "int8_t": np.int8, "int16_t": np.int16, "int32_t": np.int32, "int64_t": np.int64, "half": np.float16,
    "bfloat16": ml_dtypes.bfloat16, "float": np.float32, "double": np.float64,
}  # fmt: skip
ACCESS = {
    "copy": "store(w, y + i, load(w, x + i));",
    **{f"strided{apart}": f"store(w, y + i, load_strided(w, x + {apart} * i, {apart}));" for apart in (2, 3, 4, 5)},
    "spaced": "store_strided(w, y + 2 * i, 2, load(w, x + i));",
    "reversed": "auto m = lanes_below(n - i); auto at = int64_v(n - 1) - index(w, i); scatter(y, at, gather(x, at, m), m);",
}
PAIRS = {  # name -> (type, C++ expression of a and b, NumPy's)
    "quotient32": ("int32_t", "divide_floor(a, b)", np.floor_divide), "rest32": ("int32_t", "remainder(a, b)", np.remainder),
    "quotient64": ("int64_t", "divide_floor(a, b)", np.floor_divide), "rest64": ("int64_t", "remainder(a, b)", np.remainder),
    "fmod64": ("int64_t", "fmod(a, b)", np.fmod), "product64": ("int64_t", "a * b", np.multiply), "sum32": ("int32_t", "a + b", np.add),
    "least64": ("int64_t", "minimum(a, b)", np.minimum), "shift32": ("int32_t", "(a << (b & 31)) >> (b & 15)", lambda a, b: (a << (b & 31)) >> (b & 15)),
    "select64": ("int64_t", "select((a < b) & (b != 3), a, b)", lambda a, b: np.where((a < b) & (b != 3), a, b)),
    "select_double": ("double", "select(!(a < b) | (a == 1.0), a, b - a)", lambda a, b: np.where(~(a < b) | (a == 1.0), a, b - a)),
    "less": ("double", "to_double(a < b)", lambda a, b: (a < b).astype(float)), "bits32": ("int32_t", "(a & b) | ((a ^ b) & ~a)", lambda a, b: (a & b) | ((a ^ b) & ~a)),
    "power64": ("int64_t", "pow(a, b & 7)", lambda a, b: a ** (b & 7)),
}  # fmt: skip
CASTS = {"float": "to_float", "double": "to_double", "int32_t": "to_int32", "int64_t": "to_int64", "bool": "to_mask"}
FOLDS = ("sum", "prod", "max", "min")


def source() -> str:
    lines = ['#include "segue_vector.h"', "using namespace segue;", "SEGUE_API int64_t lanes() { return LANES; }"]
    for t in STORAGE:
        lines += [f"SEGUE_API void {k}_{t}(const {t}* x, {t}* y, int64_t n) {{ for_lanes(0, n, [&](auto w, int64_t i) {{ {v} }}); }}" for k, v in ACCESS.items()]
        for to, function in CASTS.items():
            body = f"store(w, y + i, {function}(load(w, x + i)));"
            text = f"for_lanes(0, n, [&](auto w, int64_t i) {{ {body} }}); for (int64_t i = 0; i < n; ++i) store_one(z + i, {function}(load_one(x + i)));"
            lines.append(f"SEGUE_API void {t}_as_{to}(const {t}* x, {to}* y, {to}* z, int64_t n) {{ {text} }}")
    for t in ("half", "bfloat16"):
        for to in (t, "float"):
            text = "for_lanes(0, n, [&](auto w, int64_t i) { store(w, y + i, load(w, x + i)); });"
            text += "for (int64_t i = 0; i < n; ++i) store_one(z + i, load_one(x + i));"
            lines.append(f"SEGUE_API void {'narrow' if to == t else 'widen'}_{t}(const {'float' if to == t else t}* x, {to}* y, {to}* z, int64_t n) {{ {text} }}")
    for name, (t, expression, _) in PAIRS.items():
        vector = f"for_lanes(0, n, [&](auto w, int64_t i) {{ auto a = load(w, x + i), b = load(w, u + i); store(w, y + i, {expression}); }});"
        single = f"for (int64_t i = 0; i < n; ++i) {{ {t} a = x[i], b = u[i]; z[i] = {expression}; }}"
        lines.append(f"SEGUE_API void {name}(const {t}* x, const {t}* u, {t}* y, {t}* z, int64_t n) {{ {vector} {single} }}")
    for t in ("float", "double", "int32_t", "int64_t"):
        body = " ".join(f"y[{k}] = reduce_{name}(load(x));" for k, name in enumerate(FOLDS))
        lines.append(f"SEGUE_API void folds_{t}(const {t}* x, {t}* y) {{ {body} }}")
    return "\n".join(lines)


EXPORTS = (
    "lanes", *(f"{k}_{t}" for k in ACCESS for t in STORAGE), *(f"{t}_as_{to}" for t in STORAGE for to in CASTS), *PAIRS,
    *(f"{k}_{t}" for k in ("narrow", "widen") for t in ("half", "bfloat16")), *(f"folds_{t}" for t in ("float", "double", "int32_t", "int64_t")),
)  # fmt: skip


@pytest.fixture(scope="module", params=["native", "avx2", "generic"])
def call(request):
    with config.override(isa=request.param):
        addresses = build(source(), exports=EXPORTS).addresses

    def run(name, *args):
        kinds = [ctypes.c_void_p if isinstance(a, np.ndarray) else ctypes.c_int64 for a in args]
        return ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(addresses[name])(*(a.ctypes.data if isinstance(a, np.ndarray) else a for a in args))

    return run


@pytest.mark.parametrize("t", list(STORAGE))
def test_every_tail_is_copied_and_nothing_beyond_is_touched(call, t):
    dtype = np.dtype(STORAGE[t])
    draw = np.random.default_rng(0)
    for n in [*range(40), 100]:
        x = draw.integers(0, 2 if t == "bool" else 100, 5 * n).astype(dtype)
        strided = {f"strided{apart}": (1, x[: apart * n : apart]) for apart in (2, 3, 4, 5)}
        for name, (step, want) in {"copy": (1, x[:n]), **strided, "spaced": (2, x[:n]), "reversed": (1, x[:n])}.items():
            room = np.full((2 * n + 64) * dtype.itemsize, 0xA5, np.uint8)
            call(f"{name}_{t}", x, room, n)
            got = room[: 2 * n * dtype.itemsize].view(dtype)[: n * step : step]
            np.testing.assert_array_equal(got, want)
            rest = room.reshape(-1, dtype.itemsize)
            touched = np.zeros(len(rest), bool)
            touched[: n * step : step] = True
            assert (rest[~touched] == 0xA5).all()


@pytest.mark.parametrize("to", list(CASTS))
@pytest.mark.parametrize("t", list(STORAGE))
def test_casts_are_numpys(call, t, to):
    dtype, target = np.dtype(STORAGE[t]), np.dtype(STORAGE[to])
    x = np.arange(-90, 91).astype(dtype) if t != "bool" else np.arange(181) % 3 == 0
    if x.dtype.kind not in "biu":
        x = (np.arange(-90, 91) / 7).astype(dtype)
    vectors, singles = np.zeros(len(x), target), np.zeros(len(x), target)
    call(f"{t}_as_{to}", x, vectors, singles, len(x))
    want = x.astype(np.float32).astype(target) if t == "bfloat16" else x.astype(target)
    np.testing.assert_array_equal(vectors, want)
    np.testing.assert_array_equal(singles, want)


@pytest.mark.parametrize("t", ["half", "bfloat16"])
def test_short_floats_in_every_bit_pattern(call, t):
    dtype = np.dtype(STORAGE[t])
    every = np.arange(65536, dtype=np.uint16).view(dtype)
    for name in ("vectors", "singles"):
        wide = {"vectors": np.zeros(65536, np.float32), "singles": np.zeros(65536, np.float32)}
        call(f"widen_{t}", every, wide["vectors"], wide["singles"], 65536)
        np.testing.assert_array_equal(wide[name], every.astype(np.float32))
    # rounding: each value, the middle to the next, and its two neighbours; and every 1021st float
    with np.errstate(all="ignore"):
        exact = every[np.isfinite(every.astype(np.float32))].astype(np.float32)
        middle = ((exact.astype(np.float64) + np.nextafter(every, dtype.type(np.inf))[np.isfinite(every.astype(np.float32))].astype(np.float64)) / 2).astype(np.float32)
        some = np.arange(0, 2**32, 1021 * 7, dtype=np.uint64).astype(np.uint32).view(np.float32)
        x = np.concatenate([exact, middle, np.nextafter(middle, np.float32(np.inf)), np.nextafter(middle, np.float32(-np.inf)), some])
        vectors, singles = np.zeros(len(x), dtype), np.zeros(len(x), dtype)
        call(f"narrow_{t}", x, vectors, singles, len(x))
        want = x.astype(dtype)
    for got in (vectors, singles):
        nan = np.isnan(x)
        assert np.isnan(got[nan].astype(np.float32)).all()
        np.testing.assert_array_equal(got[~nan].view(np.uint16), want[~nan].view(np.uint16))


@pytest.mark.parametrize("name", list(PAIRS))
def test_operators_are_numpys(call, name):
    t, _, reference = PAIRS[name]
    dtype = np.dtype(STORAGE[t])
    draw = np.random.default_rng(1)
    ends = [0, 1, -1, 3, -7, 12] + ([np.iinfo(dtype).min, np.iinfo(dtype).max] if dtype.kind == "i" else [0.5])
    grid = [part.ravel() for part in np.meshgrid(ends, ends)]
    a = np.concatenate([grid[0].astype(dtype), draw.integers(-1000, 1000, 999).astype(dtype)])
    b = np.concatenate([grid[1].astype(dtype), draw.integers(-30, 30, 999).astype(dtype)])
    vectors, singles = np.zeros(len(a), dtype), np.zeros(len(a), dtype)
    call(name, a, b, vectors, singles, len(a))
    with np.errstate(all="ignore"):
        want = reference(a, b).astype(dtype)
    np.testing.assert_array_equal(vectors, want)
    np.testing.assert_array_equal(singles, want)


@pytest.mark.parametrize("t", ["float", "double", "int32_t", "int64_t"])
def test_folds(call, t):
    dtype, lanes = np.dtype(STORAGE[t]), call("lanes")
    for seed in range(20):
        x = np.random.default_rng(seed).integers(-9, 9, lanes).astype(dtype)
        if seed % 2 and dtype.kind == "f":
            x[seed % lanes] = np.nan
        out = np.zeros(4, dtype)
        call(f"folds_{t}", x, out)
        np.testing.assert_allclose(out, [x.sum(), x.prod(dtype=dtype), x.max(), x.min()], rtol=1e-6)
