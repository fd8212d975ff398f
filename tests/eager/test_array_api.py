"""The array API standard 2024.12: its whole list of functions with their signatures, and values against NumPy under hypothesis."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import segue

xp = segue.ones(1).__array_namespace__()

# https://data-apis.org/array-api/2024.12/API_specification: name and signature, by section.
ONE = (
    "abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag isfinite isinf isnan log log1p log2 log10 logical_not "
    "negative positive real reciprocal round sign signbit sin sinh square sqrt tan tanh trunc"
)
TWO = (
    "add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide equal floor_divide greater greater_equal hypot less "
    "less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply nextafter not_equal pow remainder subtract"
)
SIGNATURES = {
    **dict.fromkeys(ONE.split(), "(x, /)"),
    **dict.fromkeys(TWO.split(), "(x1, x2, /)"),
    "clip": "(x, /, min=None, max=None)", "where": "(condition, x1, x2, /)",
    "arange": "(start, /, stop=None, step=1, *, dtype=None, device=None)", "asarray": "(obj, /, *, dtype=None, device=None, copy=None)",
    "empty": "(shape, *, dtype=None, device=None)", "empty_like": "(x, /, *, dtype=None, device=None)",
    "eye": "(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None)", "from_dlpack": "(x, /, *, device=None, copy=None)",
    "full": "(shape, fill_value, *, dtype=None, device=None)", "full_like": "(x, /, fill_value, *, dtype=None, device=None)",
    "linspace": "(start, stop, /, num, *, dtype=None, device=None, endpoint=True)", "meshgrid": "(*arrays, indexing='xy')",
    "ones": "(shape, *, dtype=None, device=None)", "ones_like": "(x, /, *, dtype=None, device=None)", "tril": "(x, /, *, k=0)", "triu": "(x, /, *, k=0)",
    "zeros": "(shape, *, dtype=None, device=None)", "zeros_like": "(x, /, *, dtype=None, device=None)",
    "astype": "(x, dtype, /, *, copy=True, device=None)", "can_cast": "(from_, to, /)", "finfo": "(type, /)", "iinfo": "(type, /)",
    "isdtype": "(dtype, kind)", "result_type": "(*arrays_and_dtypes)", "__array_namespace_info__": "()",
    "broadcast_arrays": "(*arrays)", "broadcast_to": "(x, /, shape)", "concat": "(arrays, /, *, axis=0)", "expand_dims": "(x, /, *, axis=0)",
    "flip": "(x, /, *, axis=None)", "moveaxis": "(x, source, destination, /)", "permute_dims": "(x, /, axes)", "repeat": "(x, repeats, /, *, axis=None)",
    "reshape": "(x, /, shape, *, copy=None)", "roll": "(x, /, shift, *, axis=None)", "squeeze": "(x, /, axis)", "stack": "(arrays, /, *, axis=0)",
    "tile": "(x, repetitions, /)", "unstack": "(x, /, *, axis=0)", "take": "(x, indices, /, *, axis=None)",
    "take_along_axis": "(x, indices, /, *, axis=-1)", "argmax": "(x, /, *, axis=None, keepdims=False)", "argmin": "(x, /, *, axis=None, keepdims=False)",
    "count_nonzero": "(x, /, *, axis=None, keepdims=False)", "nonzero": "(x, /)", "searchsorted": "(x1, x2, /, *, side='left', sorter=None)",
    "unique_all": "(x, /)", "unique_counts": "(x, /)", "unique_inverse": "(x, /)", "unique_values": "(x, /)",
    "argsort": "(x, /, *, axis=-1, descending=False, stable=True)", "sort": "(x, /, *, axis=-1, descending=False, stable=True)",
    "cumulative_prod": "(x, /, *, axis=None, dtype=None, include_initial=False)", "cumulative_sum": "(x, /, *, axis=None, dtype=None, include_initial=False)",
    "max": "(x, /, *, axis=None, keepdims=False)", "mean": "(x, /, *, axis=None, keepdims=False)", "min": "(x, /, *, axis=None, keepdims=False)",
    "prod": "(x, /, *, axis=None, dtype=None, keepdims=False)", "std": "(x, /, *, axis=None, correction=0.0, keepdims=False)",
    "sum": "(x, /, *, axis=None, dtype=None, keepdims=False)", "var": "(x, /, *, axis=None, correction=0.0, keepdims=False)",
    "all": "(x, /, *, axis=None, keepdims=False)", "any": "(x, /, *, axis=None, keepdims=False)",
    "diff": "(x, /, *, axis=-1, n=1, prepend=None, append=None)", "matmul": "(x1, x2, /)", "matrix_transpose": "(x, /)",
    "tensordot": "(x1, x2, /, *, axes=2)", "vecdot": "(x1, x2, /, *, axis=-1)",
    "linalg.cholesky": "(x, /, *, upper=False)", "linalg.cross": "(x1, x2, /, *, axis=-1)", "linalg.det": "(x, /)", "linalg.diagonal": "(x, /, *, offset=0)",
    "linalg.eigh": "(x, /)", "linalg.eigvalsh": "(x, /)", "linalg.inv": "(x, /)", "linalg.matmul": "(x1, x2, /)",
    "linalg.matrix_norm": "(x, /, *, keepdims=False, ord='fro')", "linalg.matrix_power": "(x, n, /)", "linalg.matrix_rank": "(x, /, *, rtol=None)",
    "linalg.matrix_transpose": "(x, /)", "linalg.outer": "(x1, x2, /)", "linalg.pinv": "(x, /, *, rtol=None)", "linalg.qr": "(x, /, *, mode='reduced')",
    "linalg.slogdet": "(x, /)", "linalg.solve": "(x1, x2, /)", "linalg.svd": "(x, /, *, full_matrices=True)", "linalg.svdvals": "(x, /)",
    "linalg.tensordot": "(x1, x2, /, *, axes=2)", "linalg.trace": "(x, /, *, offset=0, dtype=None)", "linalg.vecdot": "(x1, x2, /, *, axis=-1)",
    "linalg.vector_norm": "(x, /, *, axis=None, keepdims=False, ord=2)",
    **{f"fft.{name}": "(x, /, *, n=None, axis=-1, norm='backward')" for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{f"fft.{name}": "(x, /, *, s=None, axes=None, norm='backward')" for name in ("fftn", "ifftn", "rfftn", "irfftn")},
    "fft.fftfreq": "(n, /, *, d=1.0, dtype=None, device=None)", "fft.rfftfreq": "(n, /, *, d=1.0, dtype=None, device=None)",
    "fft.fftshift": "(x, /, *, axes=None)", "fft.ifftshift": "(x, /, *, axes=None)",
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNATURES)
def test_function_and_signature(name):
    function = xp
    for part in name.split("."):
        function = getattr(function, part)
    if inspect.isclass(function):  # finfo, iinfo
        return
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(function).parameters.values()]
    assert str(inspect.Signature(plain)) == SIGNATURES[name] and (function.__doc__ or name.startswith("__"))


def test_constants_dtypes_and_what_the_namespace_says():
    assert (xp.e, xp.pi, xp.inf, xp.newaxis) == (math.e, math.pi, math.inf, None) and math.isnan(xp.nan)
    info = xp.__array_namespace_info__()
    assert set(info.dtypes()) == set("bool int8 int16 int32 int64 uint8 float32 float64 complex64 complex128".split())
    assert all(getattr(xp, name) is of for name, of in info.dtypes().items())
    assert info.dtypes(kind=("bool", "unsigned integer")) == {"bool": segue.bool, "uint8": segue.uint8}
    assert info.default_dtypes()["real floating"] is segue.float32 and info.default_device() in info.devices() and "max dimensions" in info.capabilities()
    assert xp.__array_api_version__ == "2024.12"
    with pytest.raises(ValueError, match="version"):
        segue.ones(1).__array_namespace__(api_version="2035.12")


def test_dtypes():
    assert xp.isdtype(xp.int8, "integral") and not xp.isdtype(xp.int8, ("bool", xp.float32))
    with pytest.raises(ValueError, match="kind"):
        xp.isdtype(xp.int8, "whole")
    assert xp.result_type(xp.int8, xp.uint8) is xp.int16 and xp.result_type(segue.ones(()), segue.ones(1, dtype=xp.float64)) is xp.float64
    assert xp.result_type(xp.float32, 1j) is xp.complex64 and xp.can_cast(xp.int8, xp.int32) and not xp.can_cast(xp.float64, xp.float32)
    with pytest.raises(TypeError):
        xp.astype(segue.ones(1, dtype=xp.complex64), xp.float32)
    x = segue.ones(2)
    assert xp.astype(x, xp.float32, copy=False) is x and xp.astype(x, xp.float32) is not x
    assert xp.add(segue.ones((), dtype=xp.float64), segue.ones(1)).dtype is xp.float64 and xp.add(segue.ones(1, dtype=xp.int8), 1).dtype is xp.int8


# ---------------------------------------------------------------------------------------------------------------- values, against NumPy

REAL = ("float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8")
COMPLEX = ("complex64", "complex128")
BITS, ANY = ("bool", *INTEGERS), ("bool", *INTEGERS, *REAL, *COMPLEX)
NUMBERS, ORDERED = (*INTEGERS, *REAL, *COMPLEX), (*INTEGERS, *REAL)
DOMAIN = {
    **dict.fromkeys("acos acosh asin asinh atan atanh cos cosh exp expm1 log log1p log2 log10 reciprocal sin sinh sqrt tan tanh".split(), (*REAL, *COMPLEX)),
    **dict.fromkeys("signbit".split(), REAL), **dict.fromkeys("ceil floor round trunc".split(), ORDERED), "imag": COMPLEX, "logical_not": ("bool",),
    "bitwise_invert": BITS, "conj": COMPLEX, "real": COMPLEX, "isfinite": NUMBERS, "isinf": NUMBERS, "isnan": NUMBERS, "sign": NUMBERS,
    **dict.fromkeys("atan2 copysign hypot logaddexp nextafter".split(), REAL), **dict.fromkeys("bitwise_and bitwise_or bitwise_xor".split(), BITS),
    **dict.fromkeys("bitwise_left_shift bitwise_right_shift".split(), INTEGERS), **dict.fromkeys("logical_and logical_or logical_xor".split(), ("bool",)),
    "divide": (*REAL, *COMPLEX), "equal": ANY, "not_equal": ANY, **dict.fromkeys("add multiply subtract".split(), NUMBERS), "pow": REAL,
    **dict.fromkeys("greater greater_equal less less_equal maximum minimum floor_divide remainder".split(), ORDERED),
}  # fmt: skip


def numbers(data, of, shape, **bounds):
    kind = np.dtype(of).kind
    if kind == "b":
        return data.draw(hnp.arrays(of, shape))
    if kind in "iu":
        return data.draw(hnp.arrays(of, shape, elements=st.integers(0 if kind == "u" else bounds.get("low", -5), 5)))
    steps = hnp.arrays("int64", shape, elements=st.integers(-8, 8))
    x = data.draw(steps) / 4
    return np.asarray(x + 1j * data.draw(steps) / 4 if kind == "c" else x, of)


shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


def same(got, wanted, of=None, tolerance=1e-5):
    got = got.numpy()
    assert got.shape == np.shape(wanted) and (of is None or got.dtype == of)
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("name", ONE.split())
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_of_one(name, data):
    x = numbers(data, data.draw(st.sampled_from(DOMAIN.get(name, NUMBERS))), data.draw(shapes))
    if name in ("acosh", "atanh", "tan", "log1p") and x.dtype.kind == "c":
        x = np.asarray(x + np.asarray(0.1 + 0.2j, x.dtype))  # away from cuts and poles
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(x)
    same(getattr(xp, name)(segue.from_numpy(x)), wanted, wanted.dtype)


@pytest.mark.parametrize("name", TWO.split())
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_of_two(name, data):
    of = data.draw(st.sampled_from(DOMAIN.get(name, NUMBERS)))
    a, b = (numbers(data, of, shape, low=0 if "shift" in name else -5) for shape in data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2)).input_shapes)
    if name in ("floor_divide", "remainder"):
        b = np.asarray(np.where(b == 0, 1, b), of)
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(a, b)
    same(getattr(xp, name)(segue.from_numpy(a), segue.from_numpy(b)), wanted, wanted.dtype)
    if a.size and of != "bool":
        wanted = getattr(np, name)(a, np.asarray(2, of))
        same(getattr(xp, name)(segue.from_numpy(a), 2), wanted, wanted.dtype)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "max", "min", "std", "var", "all", "any", "argmax", "argmin", "count_nonzero"])
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_reductions(name, data):
    x = numbers(data, data.draw(st.sampled_from(REAL if name in ("mean", "std", "var") else ("int32", *REAL))),
                data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3)))  # fmt: skip
    axes = st.integers(-x.ndim, x.ndim - 1) if x.ndim else st.none()
    axis, keepdims = data.draw(st.one_of(st.none(), axes)), data.draw(st.booleans())
    wanted = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    same(getattr(xp, name)(segue.from_numpy(x), axis=axis, keepdims=keepdims), wanted)


CALLS = [
    ("concat", lambda M, x: M.concat([x, x], axis=-1)), ("concat flat", lambda M, x: M.concat([x, x], axis=None)),
    ("expand_dims", lambda M, x: M.expand_dims(x, axis=1)), ("flip", lambda M, x: M.flip(x)), ("flip axis", lambda M, x: M.flip(x, axis=-1)),
    ("moveaxis", lambda M, x: M.moveaxis(x, 0, -1)), ("permute_dims", lambda M, x: M.permute_dims(x, (1, 0))),
    ("repeat", lambda M, x: M.repeat(x, 2, axis=0)), ("repeat flat", lambda M, x: M.repeat(x, 2)), ("reshape", lambda M, x: M.reshape(x, (-1,))),
    ("roll", lambda M, x: M.roll(x, 1)), ("roll axes", lambda M, x: M.roll(x, (1, 2), axis=(0, 1))), ("stack", lambda M, x: M.stack([x, x], axis=1)),
    ("tile", lambda M, x: M.tile(x, (2, 1, 2))), ("unstack", lambda M, x: M.unstack(x, axis=1)[1]), ("sort", lambda M, x: M.sort(x, axis=0)),
    ("take", lambda M, x: M.take(x, M.asarray([2, 0, -1]), axis=1)), ("take_along_axis", lambda M, x: M.take_along_axis(x, M.asarray([[1], [0]]), axis=1)),
    ("cumulative_sum", lambda M, x: M.cumulative_sum(x, axis=1, include_initial=True)), ("cumulative_prod", lambda M, x: M.cumulative_prod(x, axis=0)),
    ("diff", lambda M, x: M.diff(x, axis=1, n=2)), ("clip", lambda M, x: M.clip(x, -1, 2)), ("tril", lambda M, x: M.tril(x, k=1)),
    ("triu", lambda M, x: M.triu(x)), ("where", lambda M, x: M.where(x > 0, x, M.zeros_like(x))), ("meshgrid", lambda M, x: M.meshgrid(x[0], x[1])[1]),
    ("matmul", lambda M, x: M.matmul(x, M.matrix_transpose(x))), ("tensordot", lambda M, x: M.tensordot(x, x, axes=([0], [0]))),
    ("vecdot", lambda M, x: M.vecdot(x, x)), ("linalg.outer", lambda M, x: M.linalg.outer(x[0], x[1])), ("linalg.trace", lambda M, x: M.linalg.trace(x)),
    ("linalg.cross", lambda M, x: M.linalg.cross(x[:, :3], x[:, 1:4])), ("linalg.vector_norm", lambda M, x: M.linalg.vector_norm(x, axis=0, keepdims=True)),
    ("linalg.matrix_norm", lambda M, x: M.linalg.matrix_norm(x)), ("linalg.svdvals", lambda M, x: M.linalg.svdvals(x)),
    ("linalg.pinv", lambda M, x: M.linalg.pinv(x)), ("linalg.matrix_rank", lambda M, x: M.linalg.matrix_rank(x)),
    ("fft.rfft", lambda M, x: M.fft.rfft(x, axis=1)), ("fft.fftn", lambda M, x: M.fft.fftn(x, norm="ortho")), ("fft.fftshift", lambda M, x: M.fft.fftshift(x)),
    ("fft.fftfreq", lambda M, x: M.fft.fftfreq(5, d=0.5)), ("arange", lambda M, x: M.arange(5, 1, -2)), ("arange nothing", lambda M, x: M.arange(3, 1)),
    ("linspace", lambda M, x: M.linspace(0, 1, 4, endpoint=False)), ("eye", lambda M, x: M.eye(2, 3, k=1)), ("full", lambda M, x: M.full(2, 1.5)),
    ("nonzero", lambda M, x: M.nonzero(x > 0)[1]), ("unique_values", lambda M, x: M.unique_values(x)), ("unique_counts", lambda M, x: M.unique_counts(x).counts),
    ("unique_inverse", lambda M, x: M.unique_inverse(x).inverse_indices), ("unique_all", lambda M, x: M.unique_all(x).indices),
    ("searchsorted", lambda M, x: M.searchsorted(M.sort(x[0]), x[1])), ("argsort", lambda M, x: M.argsort(x, axis=1)),
    ("broadcast_to", lambda M, x: M.broadcast_to(x[0], (2, 4))), ("squeeze", lambda M, x: M.squeeze(x[:1], axis=0)),
]  # fmt: skip


@pytest.mark.parametrize("call", [call for _, call in CALLS], ids=[name for name, _ in CALLS])
def test_as_numpy_has_it(call):
    x = np.array([[1.5, -2.0, 0.25, 1.5], [0.0, 3.0, -2.0, 0.5]])
    same(call(xp, segue.from_numpy(x)), call(np, x))


def test_systems():
    a = np.array([[4.0, 1.0], [1.0, 3.0]])
    t = segue.from_numpy(a)
    for name in ("inv", "det", "cholesky", "eigvalsh"):
        same(getattr(xp.linalg, name)(t), getattr(np.linalg, name)(a))
    same(xp.linalg.solve(t, xp.asarray([1.0, 2.0], dtype=xp.float64)), np.linalg.solve(a, [1.0, 2.0]))
    assert xp.linalg.qr(t)._fields == ("Q", "R") and xp.linalg.svd(t)._fields == ("U", "S", "Vh") and xp.linalg.slogdet(t)._fields == ("sign", "logabsdet")
    assert xp.linalg.eigh(t)._fields == ("eigenvalues", "eigenvectors")


def test_errors_and_copies():
    x = segue.ones(2, 3)
    for bad in (lambda: xp.squeeze(x, 0), lambda: xp.take(x, segue.tensor([0])), lambda: xp.cumulative_sum(x), lambda: xp.nonzero(x[0, 0]),
                lambda: xp.reshape(x.T, (6,), copy=False), lambda: xp.asarray([1], copy=False), lambda: xp.result_type(1)):  # fmt: skip
        with pytest.raises(ValueError):
            bad()
    with pytest.raises(TypeError):
        xp.add(1, 2)
    array = np.ones(3)
    assert xp.asarray(array).data_ptr() == array.ctypes.data and xp.asarray(array, copy=True).data_ptr() != array.ctypes.data
    assert xp.asarray(x) is x and xp.asarray(x, copy=True) is not x and xp.reshape(x, (6,), copy=True)._storage is not x._storage
