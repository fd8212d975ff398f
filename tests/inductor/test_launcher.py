"""The launcher: binding of inputs and sizes, refusals before anything changes, results from the pool, threads, errors of libraries."""

import gc
import sys
import threading

import ml_dtypes
import numpy as np
import pytest

from segue.inductor import runtime
from segue.inductor.build import BuildError, build, make_launcher

SUM = r"""
#include "segue_vector.h"
using namespace segue;
SEGUE_API int64_t segue_entry(void** in, void** out, const int64_t* sizes, char* arena, const segue_runtime* rt) {
    const float* x = (const float*)in[0];
    const float* y = (const float*)in[1];
    float* z = (float*)out[0];
    for_lanes(0, sizes[0] * 8, [&](auto where, int64_t i) { store(where, z + i, load(where, x + i) + load(where, y + i)); });
    return 0;
}
"""
SHAPES = r"""
#include "segue_vector.h"
using namespace segue;
SEGUE_API void segue_shapes(const int64_t* s, int64_t* dimensions, int64_t* arena_bytes) {
    dimensions[0] = s[0] + s[1];
    dimensions[1] = s[0] * s[1];
    dimensions[2] = s[0];
    dimensions[3] = s[1];
    *arena_bytes = 4 * (s[0] + s[1]);
}
SEGUE_API int64_t segue_entry(void** in, void** out, const int64_t* s, char* arena, const segue_runtime* rt) {
    float* a = (float*)arena;
    for (int64_t i = 0; i < s[0]; ++i) a[i] = ((const float*)in[0])[i];
    for (int64_t i = 0; i < s[1]; ++i) a[s[0] + i] = ((const float*)in[1])[i];
    for (int64_t i = 0; i < s[0] + s[1]; ++i) ((float*)out[0])[i] = a[i];
    for (int64_t i = 0; i < s[0] * s[1]; ++i) ((int64_t*)out[1])[i] = i;
    return 0;
}
"""
WRITE = r"""
#include "segue_vector.h"
SEGUE_API int64_t segue_entry(void** in, void** out, const int64_t* s, char* arena, const segue_runtime* rt) {
    for (int i = 0; i < 4; ++i) ((float*)in[0])[i] += ((const float*)in[2])[i];
    return ((const int64_t*)in[1])[0];
}
"""


def f32(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.fixture(scope="module")
def added():
    spec = ("array", "float32", (-1, 8))
    return make_launcher(build(SUM), [spec, spec], [spec], symbols=1)


def test_symbols_bind_from_shapes(added):
    for rows in (0, 1, 3, 1000):
        (z,) = added([f32(rows, 8), np.ones((rows, 8), np.float32)])
        assert z.shape == (rows, 8) and z.flags.c_contiguous and z.flags.writeable
        np.testing.assert_array_equal(z, f32(rows, 8) + 1)


@pytest.mark.parametrize(
    ("inputs", "kind", "words"),
    [
        ([f32(2, 8)], TypeError, "takes 2 inputs but 1"),
        ([f32(2, 8), 3], TypeError, "input 1 .*expected float32 of shape .2, 8.*got int"),
        ([f32(2, 8), f32(2, 8).astype(float)], ValueError, "input 1 .*got float64.*dtype"),
        ([f32(2, 8), f32(3, 8)], ValueError, r"input 1 .*shape \(2, 8\).*got float32 of shape \(3, 8\)"),
        ([f32(2, 9), f32(2, 9)], ValueError, r"input 0 .*shape \(2, 8\)|input 0 .*got float32 of shape \(2, 9\)"),
        ([f32(2, 8), f32(16)], ValueError, "number of dimensions"),
        ([f32(8, 2).T, f32(2, 8)], ValueError, "input 0 .*strides"),
        ([f32(2, 8)[:, ::-1], f32(2, 8)], ValueError, "input 0 .*strides"),
        ([f32(2, 8), f32(2, 8).astype(">f4")], ValueError, "dtype"),
        ([f32(2, 8), np.frombuffer(bytes(65), np.uint8)[1:].view(np.float32).reshape(2, 8)], ValueError, "not aligned"),
        (7, TypeError, "one list"),
    ],
)
def test_refusals(added, inputs, kind, words):
    with pytest.raises(kind, match=words):
        added(inputs)


def test_call_forms(added):
    with pytest.raises(TypeError):
        added()
    with pytest.raises(TypeError):
        added([f32(1, 8), f32(1, 8)], extra=1)
    assert added((f32(1, 8), f32(1, 8)))[0].shape == (1, 8)


def test_shapes_program_computed_sizes_and_arena():
    library = build(SHAPES)
    launcher = make_launcher(
        library,
        [("array", "float32", (-1,)), ("size", 1), ("array", "float32", (-2,))],
        [("array", "float32", (-1,)), ("array", "int64", (-1,)), ("array", "bool", (-1, -2)), ("size", 1), ("input", 2), ("output", 0),
         ("value", None)],
        symbols=2,
    )
    x, y = f32(3), f32(5) + 10
    joined, product, flags, size, same, again, nothing = launcher([x, 5, y])
    np.testing.assert_array_equal(joined, np.concatenate([x, y]))
    np.testing.assert_array_equal(product, np.arange(15))
    assert flags.shape == (3, 5) and flags.dtype == bool
    assert size == 5 and same is y and again is joined and nothing is None
    with pytest.raises(ValueError, match="input 2"):
        launcher([x, 4, y])
    with pytest.raises(ValueError, match="input 2"):  # a symbol may be any int, also a negative one; an array's dimension is not
        launcher([x, -1, y])
    with pytest.raises(TypeError):
        launcher([x, "5", y])


def test_constants_writes_and_error_codes():
    launcher = make_launcher(
        build(WRITE), [("array", "float32", (4,), None, True), ("array", "int64", (1,))], [("input", 0)], constants=[f32(4)],
        errors={100: (ZeroDivisionError, "the message of the library")},
    )  # fmt: skip
    x = np.ones(4, np.float32)
    assert launcher([x, np.array([0])])[0] is x
    np.testing.assert_array_equal(x, 1 + f32(4))
    cases = [(1, MemoryError, "memory"), (2, ValueError, "sizes"), (3, IndexError, "index"), (100, ZeroDivisionError, "message"), (55,
            RuntimeError, "55")]
    for code, kind, words in cases:
        with pytest.raises(kind, match=words):
            launcher([x, np.array([code])])
    x.flags.writeable = False
    before = x.copy()
    with pytest.raises(ValueError, match="read-only"):
        launcher([x, np.array([0])])
    np.testing.assert_array_equal(x, before)


def test_layouts():
    source = WRITE.replace("return ((const int64_t*)in[1])[0]", "return 0")
    transposed = make_launcher(build(source), [("array", "float32", (2, 2), (1, 2), True), ("array", "int64", (1,))], [], constants=[f32(4)])
    anyhow = make_launcher(build(source), [("array", "float32", (2, 2), "any", True), ("array", "int64", (None,))], [], constants=[f32(4)])
    transposed([f32(2, 2).T, np.zeros(1, int)])
    anyhow([f32(2, 2).T, np.zeros(9, int)])
    with pytest.raises(ValueError, match="strides of the example"):
        transposed([f32(2, 2), np.zeros(1, int)])
    single = make_launcher(build(source), [("array", "float32", (1, 4), (77, 1), True), ("array", "int64", (1,))], [], constants=[f32(4)])
    single([f32(1, 4), np.zeros(1, int)])  # the stride of a dimension of one element is never taken


@pytest.mark.parametrize(
    ("inputs", "outputs", "options"),
    [
        ([("array", "float32", (-3,))], [], {}),
        ([("array", "float32", [2])], [], {}),
        ([("array", "nonsense", (2,))], [], {}),
        ([("array", "float32", (2,), (1, 2))], [], {}),
        ([("size", 5)], [], {}),
        ([("input", 0)], [], {}),
        ([], [("input", 0)], {}),
        ([], [("output", 0)], {}),
        ([], [("computed",)], {}),
        ([], [("array", "float32", (None,))], {}),
        ([()], [], {}),
        ([], ["array"], {}),
        ([], [], {"symbols": -1}),
        ([], [], {"arena_bytes": -1}),
        ([], [], {"constants": [f32(2, 2).T]}),
    ],
)
def test_wrong_specs_are_refused(inputs, outputs, options):
    with pytest.raises((TypeError, ValueError)):
        make_launcher(build(SUM), inputs, outputs, **options)


def test_a_library_without_entry():
    with pytest.raises(BuildError, match="segue_entry"):
        make_launcher(build('#include "segue_vector.h"\nSEGUE_API int nothing() { return 0; }'), [], [])


def test_bfloat16_and_scalars():
    source = '#include "segue_vector.h"\nusing namespace segue;\n'
    source += "SEGUE_API int64_t segue_entry(void** in, void** out, const int64_t*, char*, const segue_runtime*) {"
    source += "store_one((bfloat16*)out[0], load_one((const bfloat16*)in[0]) * 2.0f); return 0; }"
    launcher = make_launcher(build(source), [("array", ml_dtypes.bfloat16, ())], [("array", ml_dtypes.bfloat16, ())])
    (out,) = launcher([np.array(1.5, ml_dtypes.bfloat16)])
    assert out.dtype == ml_dtypes.bfloat16 and out.shape == () and float(out) == 3.0


def test_results_go_back_to_the_pool(added):
    big = np.zeros((10000, 8), np.float32)
    gc.collect()
    before = runtime.pool_state()
    first = added([big, big])[0]
    view = first[5:, 2:]
    assert runtime.pool_state()["live_bytes"] > before["live_bytes"]
    del first
    assert runtime.pool_state()["live_bytes"] > before["live_bytes"]  # the view holds the block
    assert (view == 0).all()
    del view
    assert runtime.pool_state()["live_bytes"] == before["live_bytes"]
    fresh = runtime.pool_state()["fresh"]
    for _ in range(20):
        added([big, big])
    assert runtime.pool_state()["fresh"] == fresh


def test_references_are_balanced(added):
    x, y = f32(2, 8), f32(2, 8)
    before = [sys.getrefcount(x), sys.getrefcount(y)]
    for _ in range(100):
        added([x, y])
        with pytest.raises(ValueError):
            added([x, y[:1]])
    assert [sys.getrefcount(x), sys.getrefcount(y)] == before


def test_many_inputs_and_outputs():
    body = "".join(f"((float*)out[{i}])[0] = ((const float*)in[{i}])[0] + 1;" for i in range(150))
    source = '#include "segue_vector.h"\n'
    source += f"SEGUE_API int64_t segue_entry(void** in, void** out, const int64_t*, char*, const segue_runtime*) {{ {body} return 0; }}"
    spec = [("array", "float32", (1,))] * 150
    launcher = make_launcher(build(source), spec, spec)
    results = launcher([np.full(1, i, np.float32) for i in range(150)])
    assert [float(r[0]) for r in results] == [i + 1 for i in range(150)]


def test_calls_from_many_threads(added):
    wrong = []

    def work(number):
        x = np.full((4000, 8), number, np.float32)
        for _ in range(50):
            (z,) = added([x, x])
            if not (z == 2 * number).all():
                wrong.append(number)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong and added.calls >= 200


def test_empty():
    assert runtime.empty((3, 4), "int16").shape == (3, 4)
    big = runtime.empty((512, 512), np.float32)
    big[:] = 1
    assert big.ctypes.data % 64 == 0
    with pytest.raises((ValueError, MemoryError)):
        runtime.empty((-1,), "float32")
    with pytest.raises(MemoryError):
        runtime.empty((1 << 40, 1 << 40), "float32")
