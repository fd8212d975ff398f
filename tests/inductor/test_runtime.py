"""The run-time library through its function table: products, convolutions, sorts, sums, pooling, memory, threads and fork."""

import ctypes
import itertools
import os
import signal
import subprocess
import sys
import threading

import ml_dtypes
import numpy as np
import pytest

from segue.inductor import runtime

I64, POINTER = ctypes.c_int64, ctypes.c_void_p
TYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", ml_dtypes.bfloat16, "float32", "float64")
CODES = {np.dtype(t): code for code, t in enumerate(TYPES)}  # as in segue_runtime.h
OK, MEMORY, ARGUMENT = 0, 1, 2


class Matmul(ctypes.Structure):
    _fields_ = [
        *((name, I64) for name in ("dtype", "m", "n", "k")), ("a", POINTER), ("a_row", I64), ("a_column", I64), ("b", POINTER), ("b_row", I64),
        ("b_column", I64), ("c", POINTER), ("c_row", I64), ("c_column", I64), ("accumulate", I64), ("batch_rank", I64),
        *((name, I64 * 6) for name in ("batch", "a_batch", "b_batch", "c_batch")),
    ]  # fmt: skip


SPACE = [(name, I64 * 3) for name in ("in_size", "kernel", "out_size", "stride", "padding", "dilation")]


class Convolution(ctypes.Structure):
    _fields_ = [
        *((name, I64) for name in ("dtype", "batch", "in_channels", "out_channels", "groups")), *SPACE,
        *((name, POINTER) for name in ("input", "weight", "bias", "output")),
    ]  # fmt: skip


class Pool(ctypes.Structure):
    _fields_ = [("dtype", I64), ("planes", I64), ("size", I64 * 3), *(SPACE[i] for i in (2, 1, 3, 4, 5)), ("input", POINTER), ("indices", POINTER)]


def space(values, neutral=1):
    """Three numbers for up to three dimensions of space."""
    return (I64 * 3)(*(neutral,) * (3 - len(values)), *values)


class Along(ctypes.Structure):
    _fields_ = [*((name, I64) for name in ("dtype", "outer", "size", "inner")), ("input", POINTER), ("output", POINTER), ("descending", I64), ("wanted", I64)]


def function(structure, result=I64):
    return ctypes.CFUNCTYPE(result, ctypes.POINTER(structure))


RANGE = ctypes.CFUNCTYPE(None, I64, I64, POINTER)


class Table(ctypes.Structure):
    _fields_ = [
        ("abi", I64), ("threads", I64), ("parallel_for", ctypes.CFUNCTYPE(None, I64, I64, I64, RANGE, POINTER)), ("matmul", function(Matmul)),
        ("convolution", function(Convolution)), ("convolution_input_gradient", function(Convolution)),
        ("convolution_weight_gradient", function(Convolution)), ("max_pool_indices", function(Pool)), ("cumsum", function(Along)),
        ("argsort", function(Along)), ("acquire", ctypes.CFUNCTYPE(POINTER, I64)), ("release", ctypes.CFUNCTYPE(None, POINTER)),
    ]  # fmt: skip


TABLE = Table.from_address(runtime.table())


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    runtime.set_threads(request.param)
    yield request.param
    runtime.set_threads(0)


def steps(x: np.ndarray) -> list[int]:
    return [stride // x.itemsize for stride in x.strides]


def matmul(a: np.ndarray, b: np.ndarray, c: np.ndarray, accumulate: bool = False) -> int:
    """c = a @ b by the table; a and b are expanded to c's batch with zero strides."""
    batch = c.shape[:-2]
    a, b = np.broadcast_to(a, (*batch, *a.shape[-2:])), np.broadcast_to(b, (*batch, *b.shape[-2:]))
    places = [(I64 * 6)(*values) for values in (batch, steps(a)[:-2], steps(b)[:-2], steps(c)[:-2])]
    call = Matmul(CODES[c.dtype], *c.shape[-2:], a.shape[-1], a.ctypes.data, *steps(a)[-2:], b.ctypes.data, *steps(b)[-2:], c.ctypes.data,
                  *steps(c)[-2:], accumulate, len(batch), *places)  # fmt: skip
    return TABLE.matmul(call)


def numbers(shape, dtype, seed=0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind in "fV" or dtype == ml_dtypes.bfloat16:
        return draw.standard_normal(shape).astype(dtype)
    return draw.integers(0 if dtype.kind in "bu" else -9, 2 if dtype.kind == "b" else 9, shape).astype(dtype)


# -------------------------------------------------------------------------------------------- products


def expected(a, b):
    if a.dtype.kind == "f" and a.itemsize > 2:
        return a.astype(np.float64) @ b.astype(np.float64)
    if a.dtype.kind in "iu":
        return (a.astype(np.int64) @ b.astype(np.int64)).astype(a.dtype)
    return a.astype(np.float64) @ b.astype(np.float64)


def close(got, want):
    if got.dtype.kind in "iu":
        np.testing.assert_array_equal(got, want)
    elif got.dtype.kind == "b":
        np.testing.assert_array_equal(got, want != 0)
    else:
        relative = {np.dtype("float64"): 1e-13, np.dtype("float32"): 2e-5, np.dtype("float16"): 2e-3}.get(got.dtype, 2e-2)
        np.testing.assert_allclose(got.astype(np.float64), want, rtol=relative, atol=relative * 20)


@pytest.mark.parametrize("dtype", list(CODES), ids=str)
@pytest.mark.parametrize("m, n, k", [(1, 1, 1), (1, 37, 19), (3, 70, 33), (8, 100, 64), (9, 40, 50), (40, 9, 130), (0, 3, 2), (3, 0, 2), (3, 4, 0)])
def test_matmul_dtypes(dtype, m, n, k):
    a, b, c = numbers((m, k), dtype), numbers((k, n), dtype, 1), numbers((m, n), dtype, 2)
    assert matmul(a, b, c) == OK
    close(c, expected(a, b))


def layouts(shape, dtype, seed):
    """The same numbers as plain, transposed, strided, reversed, and offset arrays."""
    plain = numbers(shape, dtype, seed)
    yield plain
    yield np.ascontiguousarray(plain.T).T
    wide = np.zeros((shape[0] * 2, shape[1] * 3), dtype)
    wide[::2, ::3] = plain
    yield wide[::2, ::3]
    yield np.ascontiguousarray(plain[::-1, ::-1])[::-1, ::-1]
    frame = np.zeros((shape[0] + 2, shape[1] + 5), dtype)
    frame[1:-1, 2:-3] = plain
    yield frame[1:-1, 2:-3]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("m, n, k", [(1, 50, 40), (5, 50, 40), (33, 20, 41), (2, 1, 7), (20, 1, 30), (1, 1, 64), (67, 20, 12), (20, 11, 300)])
def test_matmul_layouts(dtype, m, n, k):
    for a, b in itertools.product(layouts((m, k), dtype, 0), layouts((k, n), dtype, 1)):
        for c in layouts((m, n), dtype, 2):
            if c.strides[0] < 0:
                continue
            assert matmul(a, b, c) == OK
            close(c, expected(a, b))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m, n, k", [(2, 33, 17), (64, 65, 66), (3, 3, 0)])
def test_matmul_accumulates(dtype, m, n, k):
    for c in layouts((m, n), dtype, 2):
        if c.strides[0] < 0:
            continue
        a, b, before = numbers((m, k), dtype), numbers((k, n), dtype, 1), c.copy()
        assert matmul(a, b, c, accumulate=True) == OK
        close(c, before + expected(a, b))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [*range(4, 34), 40, 47, 64])
def test_narrow_products_touch_no_more_than_their_columns(dtype, columns):
    for m, k in [(65, 20), (64, 1), (19, 600)]:
        frame = numbers((m + 2, columns + 2), dtype, 2)
        c, before = frame[1:-1, 1:-1], frame.copy()
        for a, b in [((m, k), (k, columns)), ((k, m), (columns, k))]:
            a, b = (numbers(a, dtype), numbers(b, dtype, 1)) if a[0] == m else (numbers(a, dtype).T, numbers(b, dtype, 1).T)
            for accumulate in (False, True):
                old = c.copy()
                assert matmul(a, b, c, accumulate) == OK
                close(c, expected(a, b) + (old if accumulate else 0))
        frame[1:-1, 1:-1] = before[1:-1, 1:-1]
        np.testing.assert_array_equal(frame, before)


def test_matmul_batches(threads):
    a, b = numbers((2, 1, 5, 17, 9), "float32"), numbers((3, 1, 9, 21), "float32", 1)
    c = np.zeros((2, 3, 5, 17, 21), np.float32)
    assert matmul(a, b, c) == OK
    close(c, expected(a, b))


def test_matmul_does_not_depend_on_threads():
    found = []
    for count in (1, 2, 3):
        runtime.set_threads(count)
        for m, n, k in [(300, 200, 150), (100, 500, 300), (7, 900, 200)]:
            c = np.zeros((m, n), np.float32)
            assert matmul(numbers((m, k), "float32"), numbers((k, n), "float32", 1), c) == OK
            found.append((m, c))
    runtime.set_threads(0)
    for m, c in found:
        for other, d in found:
            assert m != other or np.array_equal(c, d)


def test_matmul_refuses_wrong_arguments():
    a = numbers((2, 2), "float32")
    call = Matmul(CODES[a.dtype], -1, 2, 2, a.ctypes.data, 2, 1, a.ctypes.data, 2, 1, a.ctypes.data, 2, 1, 0, 0)
    assert TABLE.matmul(call) == ARGUMENT
    call.m, call.dtype = 2, 99
    assert TABLE.matmul(call) == ARGUMENT
    call.dtype, call.batch_rank = 8, 7
    assert TABLE.matmul(call) == ARGUMENT
    x = numbers((2, 2), "int64")
    assert matmul(x, x, x.copy(), accumulate=True) == ARGUMENT


# -------------------------------------------------------------------------------------------- convolution

CASES = [  # batch, in channels, out channels, groups, height, width, kernel, stride, padding, dilation
    (2, 3, 4, 1, 8, 9, (3, 3), (1, 1), (1, 1), (1, 1)),
    (3, 4, 6, 2, 7, 6, (3, 2), (2, 1), (0, 1), (1, 2)),
    (2, 4, 4, 4, 9, 9, (3, 3), (2, 2), (1, 1), (1, 1)),
    (2, 5, 7, 1, 6, 5, (1, 1), (1, 1), (0, 0), (1, 1)),
    (1, 2, 3, 1, 40, 41, (5, 5), (1, 1), (2, 2), (1, 1)),
    (1, 1, 1, 1, 3, 3, (3, 3), (1, 1), (4, 4), (1, 1)),
    (1, 2, 2, 1, 12, 12, (3, 3), (3, 2), (2, 3), (4, 3)),
    (0, 2, 3, 1, 5, 5, (3, 3), (1, 1), (1, 1), (1, 1)),
    (20, 1, 8, 1, 8, 8, (3, 3), (1, 1), (1, 1), (1, 1)),
    (2, 48, 19, 1, 8, 8, (3, 3), (1, 1), (1, 1), (1, 1)),
    (1, 6, 34, 2, 21, 33, (3, 3), (2, 2), (1, 1), (1, 1)),
    (18, 3, 7, 1, 16, 17, (3, 4), (1, 1), (0, 0), (1, 1)),
    (5, 3, 101, 1, 4, 4, (3, 3), (1, 1), (1, 1), (1, 1)),  # images so small that several are taken at once
    (37, 4, 6, 2, 3, 5, (3, 3), (1, 1), (1, 1), (1, 1)),
    (9, 50, 3, 1, 7, 7, (1, 1), (1, 1), (0, 0), (1, 1)),
    (70, 4, 5, 1, 5, 6, (3, 2), (2, 1), (1, 0), (1, 2)),
    (130, 3, 4, 1, 1, 1, (1, 1), (1, 1), (0, 0), (1, 1)),
]


def reference(x, w, groups, stride, padding, dilation):
    """Output, by the definition: a sum over the kernel's taps of shifted inputs."""
    n, c, h, width = x.shape
    o, per, kh, kw = w.shape
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    oh = (h + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (width + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    out = np.zeros((n, o, oh, ow))
    for g, i, j in itertools.product(range(groups), range(kh), range(kw)):
        top, left = i * dilation[0], j * dilation[1]
        patch = x[:, g * per : (g + 1) * per, top : top + oh * stride[0] : stride[0], left : left + ow * stride[1] : stride[1]][:, :, :oh, :ow]
        rows = slice(g * o // groups, (g + 1) * o // groups)
        out[:, rows] += np.einsum("nchw,oc->nohw", patch, w[rows, :, i, j])
    return out


def convolve(name, x, w, bias, out, groups, stride, padding, dilation):
    call = Convolution(CODES[x.dtype], x.shape[0], x.shape[1], w.shape[0], groups, space(x.shape[2:]), space(w.shape[2:]), space(out.shape[2:]),
                       space(stride), space(padding, 0), space(dilation), x.ctypes.data, w.ctypes.data, None if bias is None else bias.ctypes.data, out.ctypes.data)  # fmt: skip
    return getattr(TABLE, name)(call)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution(case, dtype, threads):
    n, c, o, groups, h, w, kernel, *rest = case
    x, weight, bias = numbers((n, c, h, w), dtype), numbers((o, c // groups, *kernel), dtype, 1), numbers((o,), dtype, 2)
    want = reference(x.astype(np.float64), weight.astype(np.float64), groups, *rest)
    out = np.full(want.shape, np.nan, dtype)
    assert convolve("convolution", x, weight, None, out, groups, *rest) == OK
    close(out, want)
    assert convolve("convolution", x, weight, bias, out, groups, *rest) == OK
    close(out, want + bias[:, None, None])

    gradient = numbers(want.shape, dtype, 3)
    dx, dw = np.full_like(x, np.nan), np.full_like(weight, np.nan)
    assert convolve("convolution_input_gradient", dx, weight, None, gradient, groups, *rest) == OK
    assert convolve("convolution_weight_gradient", x, dw, None, gradient, groups, *rest) == OK
    # <g, conv(v, w)> is linear in v and in w: its gradients are found by taking v and w as unit directions, here random ones
    for seed in range(3):
        v, u = numbers(x.shape, "float64", 10 + seed), numbers(weight.shape, "float64", 20 + seed)
        along_x = (reference(v, weight.astype(np.float64), groups, *rest) * gradient).sum()
        along_w = (reference(x.astype(np.float64), u, groups, *rest) * gradient).sum()
        np.testing.assert_allclose((dx.astype(np.float64) * v).sum(), along_x, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose((dw.astype(np.float64) * u).sum(), along_w, rtol=1e-4, atol=1e-3)


def test_convolution_does_not_depend_on_threads():
    x, w, g = numbers((5, 6, 30, 31), "float32"), numbers((8, 6, 3, 3), "float32", 1), numbers((5, 8, 30, 31), "float32", 2)
    found = []
    for count in (1, 2, 3):
        runtime.set_threads(count)
        out, dx, dw = np.empty_like(g), np.empty_like(x), np.empty_like(w)
        rest = (1, (1, 1), (1, 1), (1, 1))
        assert convolve("convolution", x, w, None, out, *rest) == OK
        assert convolve("convolution_input_gradient", dx, w, None, g, *rest) == OK
        assert convolve("convolution_weight_gradient", x, dw, None, g, *rest) == OK
        found.append((out, dx, dw))
    runtime.set_threads(0)
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)


def test_convolution_refuses_wrong_sizes():
    x, w, out = numbers((1, 3, 5, 5), "float32"), numbers((2, 3, 3, 3), "float32"), np.zeros((1, 2, 4, 3), np.float32)
    assert convolve("convolution", x, w, None, out, 1, (1, 1), (0, 0), (1, 1)) == ARGUMENT
    assert convolve("convolution", x, w, None, out, 2, (1, 1), (0, 0), (1, 1)) == ARGUMENT


# -------------------------------------------------------------------------------------------- along a dimension, pooling


def along(name, x, outer, size, inner, out, descending=False, wanted=0):
    return getattr(TABLE, name)(Along(CODES[x.dtype], outer, size, inner, x.ctypes.data, out.ctypes.data, descending, wanted))


@pytest.mark.parametrize("dtype", list(CODES), ids=str)
@pytest.mark.parametrize("shape", [(3, 7, 1), (2, 5, 4), (1, 300, 1), (19, 40, 1), (4, 1, 3), (0, 3, 2), (2, 0, 3)])
def test_cumsum(dtype, shape, threads):
    x = numbers(shape, dtype)
    out = np.zeros_like(x)
    assert along("cumsum", x, *shape, out) == OK
    if dtype.kind == "f" and dtype.itemsize > 2:
        np.testing.assert_array_equal(out, np.cumsum(x, 1, dtype=dtype))
    elif dtype.kind in "iu":
        np.testing.assert_array_equal(out, np.cumsum(x, 1).astype(dtype))
    elif dtype.kind == "b":
        np.testing.assert_array_equal(out, np.cumsum(x, 1).astype(bool))
    else:
        np.testing.assert_array_equal(out, np.cumsum(x.astype(np.float32), 1, dtype=np.float32).astype(dtype))


@pytest.mark.parametrize("dtype", list(CODES), ids=str)
@pytest.mark.parametrize("descending", [False, True])
def test_argsort_is_stable_and_puts_nan_at_the_great_end(dtype, descending, threads):
    x = numbers((3, 200, 2), dtype).round(1) if dtype.kind == "f" else numbers((3, 200, 2), dtype)
    if dtype.kind == "f":
        x[0, ::7] = np.nan
        x[1, ::5], x[1, 1::5] = 0.0, -0.0
        x[2, 3], x[2, 4] = np.inf, -np.inf
    out = np.zeros(x.shape, np.int64)
    assert along("argsort", x, *x.shape, out, descending) == OK
    values = x.astype(np.float64)
    if descending:
        values = np.where(np.isnan(values), -np.inf, -values)  # NaN is greatest; infinities keep behind it by a second key
        want = np.stack([[np.lexsort((np.arange(200), v, ~np.isnan(x.astype(np.float64)[i, :, j]))) for j, v in enumerate(rows.T)]
                         for i, rows in enumerate(values)]).transpose(0, 2, 1)  # fmt: skip
    else:
        want = np.argsort(values, 1, kind="stable")
    np.testing.assert_array_equal(out, want)


@pytest.mark.parametrize("wanted", [1, 7, 200, 900])
def test_the_first_places_of_an_order(wanted):
    x = numbers((3, 200, 2), "float32").round(1)  # with equal ones
    x[0, ::7] = np.nan
    whole, first = np.zeros(x.shape, np.int64), np.full(x.shape, -1, np.int64)
    assert along("argsort", x, *x.shape, whole, True) == along("argsort", x, *x.shape, first, True, wanted) == OK
    np.testing.assert_array_equal(first[:, :wanted], whole[:, :wanted])
    assert (first[:, wanted:] == -1).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32"])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [((2, 2), (2, 2), (0, 0), (1, 1)), ((3, 3), (2, 1), (1, 1), (1, 1)), ((2, 3), (1, 2), (1, 1), (2, 1))],
)
def test_max_pool_indices(dtype, kernel, stride, padding, dilation, threads):
    x = numbers((5, 9, 8), dtype)
    if np.dtype(dtype).kind == "f":
        x = x.round(0)
        x[0, 3, 3:5] = np.nan
    oh, ow = (
        (size + 2 * p - d * (k - 1) - 1) // s + 1 for size, k, s, p, d in zip(x.shape[1:], kernel, stride, padding, dilation)
    )
    out = np.full((5, oh, ow), -1, np.int64)
    call = Pool(CODES[x.dtype], 5, space(x.shape[1:]), space((oh, ow)), space(kernel), space(stride), space(padding, 0), space(dilation), x.ctypes.data,
                out.ctypes.data)  # fmt: skip
    assert TABLE.max_pool_indices(call) == OK
    for plane, y, z in np.ndindex(5, oh, ow):
        places = [
            (y * stride[0] - padding[0] + i * dilation[0], z * stride[1] - padding[1] + j * dilation[1]) for i, j in np.ndindex(*kernel)
        ]
        places = [(i, j) for i, j in places if 0 <= i < 9 and 0 <= j < 8]
        best = int(np.argmax([x[plane, i, j] for i, j in places]))
        assert out[plane, y, z] == places[best][0] * 8 + places[best][1]


# -------------------------------------------------------------------------------------------- memory


def test_blocks_are_aligned_and_used_again():
    runtime.trim_pool()
    before = runtime.pool_state()
    for size in (0, 1, 63, 64, 5000, 1 << 20, (9 << 20) + 1):
        block = TABLE.acquire(size)
        assert block % 64 == 0
        ctypes.memset(block, 1, size)
        TABLE.release(block)
        assert TABLE.acquire(size) == block
        TABLE.release(block)
    block = TABLE.acquire(100_000)
    assert 100_000 <= runtime.pool_state()["live_bytes"] - before["live_bytes"] <= 102_000, "little of a fresh block is unused"
    TABLE.release(block)
    assert TABLE.acquire(97_000) == block, "a size that varies a little finds the same block"
    TABLE.release(block)
    now = runtime.pool_state()
    assert now["live_bytes"] == before["live_bytes"] and now["reused"] >= before["reused"] + 7
    runtime.trim_pool()
    assert runtime.pool_state()["cached_bytes"] == 0


def test_the_pool_is_bounded():
    limit = runtime.pool_state()["limit_bytes"]
    runtime.trim_pool()
    try:
        runtime.set_pool_limit(3 << 20)
        blocks = [TABLE.acquire(1 << 20) for _ in range(8)]
        for block in blocks:
            TABLE.release(block)
        assert 0 < runtime.pool_state()["cached_bytes"] <= 3 << 20
    finally:
        runtime.set_pool_limit(limit)
    assert TABLE.acquire(-1) is None and TABLE.acquire(1 << 62) is None
    TABLE.release(None)


# -------------------------------------------------------------------------------------------- threads


@pytest.mark.parametrize(("begin", "end", "grain"), [(0, 1000, 1), (5, 6, 1), (3, 1003, 64), (0, 0, 5), (7, 3, 1), (0, 100, 1000), (-50, 50, 7)])
def test_parallel_for_covers_the_range_once(begin, end, grain, threads):
    seen, lock = [], threading.Lock()

    @RANGE
    def work(first, last, context):
        with lock:
            seen.append((first, last))

    TABLE.parallel_for(begin, end, grain, work, None)
    assert sorted(i for first, last in seen for i in range(first, last)) == list(range(begin, end))
    assert len(seen) <= 4 * threads and (threads > 1 or len(seen) <= 1)
    assert all((first - begin) % grain == 0 for first, _ in seen)


def test_nested_and_concurrent_loops_run_serially():
    runtime.set_threads(3)
    counts = []

    @RANGE
    def inner(first, last, context):
        counts.append((first, last))

    @RANGE
    def outer(first, last, context):
        TABLE.parallel_for(0, 10, 1, inner, None)

    TABLE.parallel_for(0, 3, 1, outer, None)
    assert counts == [(0, 10)] * 3
    errors = []

    def many():
        for _ in range(50):
            c = np.zeros((120, 130), np.float32)
            if matmul(numbers((120, 90), "float32"), numbers((90, 130), "float32"), c) != OK:
                errors.append("code")

    workers = [threading.Thread(target=many) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    runtime.set_threads(0)
    assert not errors


def test_fork_after_use():
    """The child has no pool; it must work all the same, not wait for threads that are not there."""
    runtime.set_threads(2)
    a, b = numbers((256, 256), "float32"), numbers((256, 256), "float32", 1)
    c = np.zeros((256, 256), np.float32)
    assert matmul(a, b, c) == OK
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)  # a child that hangs is killed, and the parent sees the signal
        d = np.zeros_like(c)
        os._exit(0 if matmul(a, b, d) == OK and np.array_equal(c, d) else 1)
    _, status = os.waitpid(pid, 0)
    runtime.set_threads(0)
    assert status == 0


def test_a_forked_child_may_have_its_own_pool():
    runtime.set_threads(2)
    x = numbers((128, 128), "float32")
    want, got = np.zeros_like(x), np.zeros_like(x)
    assert matmul(x, x, want) == OK
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        seen = set()

        @RANGE
        def work(first, last, context):
            seen.add(threading.get_native_id())

        alone = runtime.threads() == 1
        runtime.set_threads(2)
        for _ in range(200):
            TABLE.parallel_for(0, 8, 1, work, None)
        os._exit(0 if alone and len(seen) <= 2 and matmul(x, x, got) == OK and np.array_equal(got, want) else 1)
    _, status = os.waitpid(pid, 0)
    runtime.set_threads(0)
    assert status == 0


def test_many_loops_in_a_row_lose_nothing():
    """The hand-over of one loop's pieces to the next, thousands of times, with pools of changing size."""
    for count in (2, 4, 3, 2):
        runtime.set_threads(count)
        total = np.zeros(64, np.int64)

        @RANGE
        def work(first, last, context, total=total):
            total[first:last] += 1

        for _ in range(1500):
            TABLE.parallel_for(0, 64, 1, work, None)
        assert (total == 1500).all()
    runtime.set_threads(0)


def test_a_slow_thread_holds_up_only_its_own_piece():
    """One piece waits until all others are done: they must be done by the other threads."""
    runtime.set_threads(2)
    done, others = [], threading.Event()

    @RANGE
    def work(first, last, context):
        if first == 0:
            others.wait(20)
        done.append(first)
        if len(done) == 7:
            others.set()

    TABLE.parallel_for(0, 8, 1, work, None)
    runtime.set_threads(0)
    assert sorted(done) == list(range(8)) and done[-1] == 0


def test_threads_follow_the_environment():
    code = "from segue.inductor import runtime; print(runtime.threads())"
    for text, expected_count in (("1", 1), ("100000", len(os.sched_getaffinity(0)))):
        done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": text}, capture_output=True, text=True, timeout=60)
        assert int(done.stdout) <= expected_count, done.stderr
    with pytest.raises(ValueError):
        runtime.set_threads(-1)
