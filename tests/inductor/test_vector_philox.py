"""The generator in generated code: Random123's known answers, and the same numbers as eager/philox.py, whole vectors and single elements."""

import ctypes

import numpy as np
import pytest

from segue.eager import dtypes, philox
from segue.inductor.build import build

SOURCE = r"""
#include "segue_vector.h"
using namespace segue;
SEGUE_API void block(int64_t seed, int64_t offset, int64_t number, uint32_t* out) { philox_block(seed, offset, number, out); }
#define DRAW(NAME, T, CALL)                                                                                                     \
    SEGUE_API void NAME(int64_t seed, int64_t offset, int64_t first, int64_t n, T* vectors, T* singles) {                       \
        for_lanes(0, n, [&](auto where, int64_t i) { auto at = index(where, first + i); store(where, vectors + i, CALL); });    \
        for (int64_t i = 0; i < n; ++i) { int64_t at = first + i; store_one(singles + i, CALL); }                               \
    }
DRAW(uniform32, float, uniform_float(seed, offset, at))
DRAW(uniform16, half, uniform_float(seed, offset, at, 11))
DRAW(uniform64, double, uniform_double(seed, offset, at))
DRAW(few, int64_t, random_below(seed, offset, at, -3, 10))
DRAW(many, int64_t, random_below(seed, offset, at, -5, int64_t(1) << 40))
"""
EXPORTS = ("block", "uniform32", "uniform16", "uniform64", "few", "many")
DRAWS = {
    "uniform32": (np.float32, lambda seed, call, count: philox.uniform(np, seed, call, count, dtypes.float32)),
    "uniform16": (np.float16, lambda seed, call, count: philox.uniform(np, seed, call, count, dtypes.float16)),
    "uniform64": (np.float64, lambda seed, call, count: philox.uniform(np, seed, call, count, dtypes.float64)),
    "few": (np.int64, lambda seed, call, count: philox.integers(np, seed, call, -3, 10, count)),
    "many": (np.int64, lambda seed, call, count: philox.integers(np, seed, call, -5, 1 << 40, count)),
}


@pytest.fixture(scope="module")
def functions():
    return build(SOURCE, exports=EXPORTS).addresses


@pytest.mark.parametrize(
    ("counter", "key", "answer"),  # Random123's kat_vectors, philox4x32 10
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0), (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ],
)
def test_known_answers(functions, counter, key, answer):
    out = (ctypes.c_uint32 * 4)()
    call = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p)(functions["block"])
    call(key[0] | key[1] << 32, counter[2] | counter[3] << 32, counter[0] | counter[1] << 32, out)
    assert tuple(out) == answer


@pytest.mark.parametrize("name", list(DRAWS))
@pytest.mark.parametrize(("seed", "offset"), [(0, 0), (7, 3), (2**63 + 12345, 2**33 + 1)])
def test_same_numbers_as_eager(functions, name, seed, offset):
    dtype, reference = DRAWS[name]
    count, first = 1037, 6
    want = reference(seed, offset, first + count)[first:]
    vectors, singles = np.zeros(count, dtype), np.zeros(count, dtype)
    call = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(functions[name])
    call(seed, offset, first, count, vectors.ctypes.data, singles.ctypes.data)
    np.testing.assert_array_equal(vectors, want)
    np.testing.assert_array_equal(singles, want)
