"""Every row beside PyTorch's operator of that name: values, dtypes, gradients, promotion, special values, errors.

In come the rows' samples and some values that go wrong easily. The one idea: a table says which PyTorch call is meant by a row; everything else is a
comparison.
"""

import numpy as np
import pytest

import segue.eager.functional as F
from segue.eager import dtypes
from segue.eager.autograd.engine import grad
from segue.eager.ops import NAMES, OPS
from segue.eager.ops.samples import map_arrays
from segue.eager.promotion import promote_types
from segue.eager.tensor import wrap

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SAME = (
    "add sub mul div floor_divide remainder fmod pow neg abs sign reciprocal sqrt rsqrt square exp exp2 expm1 log log2 log1p sin cos tan asin acos "
    "atan atan2 sinh cosh tanh sigmoid erf relu maximum minimum floor ceil round trunc where eq ne lt le gt ge logical_and logical_or logical_not "
    "logical_xor bitwise_and bitwise_or bitwise_xor bitwise_not isnan isinf isfinite permute select unsqueeze diagonal clone flip roll tril triu "
    "gather index_select scatter_add scatter index_add select_scatter cat matmul cumsum detach real imag view_as_real view_as_complex conj complex log10 "
    "asinh acosh atanh erfc signbit fmax fmin copysign hypot nextafter gcd lcm bitwise_left_shift bitwise_right_shift xlogy erfinv digamma polygamma "
    "lgamma igamma igammac i0"
).split()
SPECIAL_NAMES = (
    "xlog1py erfcx ndtri log_ndtr zeta bessel_j0 bessel_j1 bessel_y0 bessel_y1 i1 i0e i1e modified_bessel_k0 modified_bessel_k1 "
    "scaled_modified_bessel_k0 scaled_modified_bessel_k1 airy_ai"
).split()


def _slice(x, dim, start, stop, step):
    return x[(slice(None),) * dim + (slice(start, stop, step),)]


def _prod(x, dim, keepdim):
    out = x.to(torch.int64) if not x.is_floating_point() else x
    for d in sorted(dim, reverse=True):
        out = out.prod(d, keepdim)
    return out


def _pooled(x, kernel, stride, padding, dilation, ceil_mode):
    pool = getattr(torch.nn.functional, f"max_pool{len(kernel)}d")
    return pool(x, kernel, stride, padding, dilation, ceil_mode, return_indices=True)[1]


def _convolved(x, weight, *options):
    return getattr(torch.nn.functional, f"conv{x.ndim - 2}d")(x, weight, None, *options)


def _conv_gradient(which):
    def function(first, second, shape, stride, padding, dilation, groups):
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        if which == "input":
            return getattr(torch.nn.grad, f"conv{first.ndim - 2}d_input")(shape, second, first, **options)
        return getattr(torch.nn.grad, f"conv{first.ndim - 2}d_weight")(second, shape, first, **options)

    return function


CALLS = {
    **{name: getattr(torch, name) for name in SAME}, **{name: getattr(torch.special, name) for name in SPECIAL_NAMES},
    "as_strided": lambda x, size, stride, offset: torch.as_strided(x, size, stride, offset), "cumprod": torch.cumprod,
    "logcumsumexp": torch.logcumsumexp, "cummax_indices": lambda x, dim: torch.cummax(x, dim)[1],
    "cummin_indices": lambda x, dim: torch.cummin(x, dim)[1],
    "searchsorted": lambda sequence, values, right: torch.searchsorted(sequence, values, right=right),
    "scatter_fold": lambda x, dim, index, source, fold: torch.scatter_reduce(x, dim, index, source, fold),
    "frexp_mantissa": lambda x: torch.frexp(x)[0], "frexp_exponent": lambda x: torch.frexp(x)[1],
    "clamp_min": lambda x, y: torch.clamp(x, min=y), "clamp_max": lambda x, y: torch.clamp(x, max=y), "cast": lambda x, dtype: x.to(dtype),
    "view_dtype": torch.Tensor.view,
    "sum": lambda x, dim, keepdim: torch.sum(x, dim, keepdim) if dim else x.clone(), "prod": _prod,
    "amax": lambda x, dim, keepdim: torch.amax(x, dim, keepdim) if dim else x.clone(), "amin": lambda x, dim,
    keepdim: torch.amin(x, dim, keepdim) if dim else x.clone(),
    "any": lambda x, dim, keepdim: torch.any(x, dim, keepdim) if dim else x.bool(), "all": lambda x, dim,
    keepdim: torch.all(x, dim, keepdim) if dim else x.bool(),
    "argmax": lambda x, dim, keepdim: torch.argmax(x, dim, keepdim), "argmin": lambda x, dim, keepdim: torch.argmin(x, dim, keepdim),
    "view": lambda x, shape: x.view(shape), "expand": lambda x, shape: x.expand(shape), "slice": _slice,
    "squeeze": lambda x, dims: x.squeeze(dims), "unfold": lambda x, dim, size, step: x.unfold(dim, size, step), "alias": lambda x: x.view_as(x),
    "pad": lambda x, padding, value: torch.nn.functional.pad(x, padding, value=value), "embedding": lambda weight,
    index: torch.nn.functional.embedding(index, weight),
    "one_hot": lambda index, classes: torch.nn.functional.one_hot(index, classes), "index": lambda x,
    indices: x[tuple(slice(None) if i is None else i for i in indices)],
    "nonzero": lambda x, count: torch.nonzero(x), "index_put": lambda x, indices, values, accumulate: torch.ops.aten.index_put(x, indices, values, accumulate),
    "slice_scatter": lambda x, source, dim, start, stop, step: torch.slice_scatter(x, source, dim, start, stop, step),
    "convolution": _convolved, "convolution_input_gradient": _conv_gradient("input"),
    "convolution_weight_gradient": _conv_gradient("weight"), "max_pool_indices": _pooled,
    "argsort": lambda x, dim, descending: torch.argsort(x, dim=dim, descending=descending, stable=True),
    "full": lambda shape, value, dtype: torch.full(shape, value, dtype=dtype),
    "arange": lambda start, step, count, dtype: torch.arange(start, start + step * count, step, dtype=dtype),
}  # fmt: skip
ROWS = [OPS[name] for name in sorted(NAMES) if name in CALLS]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def to_torch(value):
    if isinstance(value, dtypes.dtype):
        return getattr(torch, value.name)
    return map_arrays(lambda a: torch.from_numpy(np.array(a)), value)


def name_of(torch_dtype):
    return str(torch_dtype).removeprefix("torch.")


def as_array(x):
    return (x.float() if x.dtype == torch.bfloat16 else x).detach().resolve_conj().numpy()


def assert_same(ours, theirs, what, rtol=2e-6, atol=1e-6):
    assert ours.dtype.name == name_of(theirs.dtype), what
    assert tuple(ours.shape) == tuple(theirs.shape), what
    found, expected = np.asarray(ours._data), as_array(theirs)
    assert np.allclose(found.astype(expected.dtype), expected, rtol, atol, equal_nan=True), f"{what}\n{found}\n{expected}"


TENSORS_ONLY = "maximum minimum atan2 logical_and logical_or logical_xor fmax fmin gcd lcm hypot igamma igammac nextafter".split()
NO_RULE = (  # which PyTorch does not differentiate
    "airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 modified_bessel_k0 modified_bessel_k1 scaled_modified_bessel_k0 scaled_modified_bessel_k1"
).split()


def skipped(row, args):
    """Samples of which PyTorch has no form: its argument must be a tensor, or its dtypes are fewer."""
    shapes = [a.shape for a in args if isinstance(a, np.ndarray)]
    numbers = not all(isinstance(a, np.ndarray) for a in args)
    if row.name.startswith("convolution_") and shapes[0][0] == 0:
        return "torch.nn.grad does not take empty batches"
    if row.name.startswith("view_") and not args[0].size:
        return "PyTorch wants a dense gradient and strides, and no empty one"
    if row.name in ("igamma", "igammac", "nextafter") and args[0].dtype.kind == "i":
        return "takes no integers"
    return "takes tensors only" if numbers and row.name in TENSORS_ONLY else ""


def test_all_rows_are_compared():
    others = {"airy_ai_slope", "orthogonal_polynomial", "linear_recurrence", "row_order"}  # test_special.py, test_operators.py
    others |= {"beta_slope", "gamma_slope", *(name for name in NAMES if name.startswith("draw_"))}  # distributions/
    others |= {"overwrite", "to_device"}  # fill_ and copy_, in test_autograd.py; test_cuda.py
    others |= {name for name in NAMES if name.startswith(("linalg_", "fft_"))}  # through their public functions, in test_linalg.py and test_fft.py
    assert set(NAMES) - CALLS.keys() == {"uniform", "randint", *others}


@each_row
def test_values_and_dtypes(row):
    compared = 0
    for args, _ in row.samples():
        if skipped(row, args):
            continue
        ours, theirs = row(*[map_arrays(wrap, a) for a in args]), CALLS[row.name](*map(to_torch, args))
        loose = row.name.startswith("conv") or row.name == "matmul"
        assert_same(ours, theirs, row.name, *((1e-4, 1e-4) if loose else ()))
        compared += 1
    assert compared >= 3


@each_row
def test_gradients(row):
    if row.vjp is None or row.name in NO_RULE:
        return
    for args, _ in row.samples():
        places = [i for i,
            (p, a) in enumerate(zip(row.schema.parameters, args)) if p.name in row.vjp and isinstance(a, np.ndarray) and a.dtype.kind in "fc"]
        if not places or skipped(row, args):
            continue
        if row.name in ("scatter", "scatter_add") and args[2].shape != args[3].shape:
            continue  # PyTorch's own backward refuses a source larger than the index; test_row_derivatives checks ours
        ours = [map_arrays(wrap, a) for a in args]
        theirs = list(map(to_torch, args))
        for i in places:
            ours[i].requires_grad_()
            theirs[i].requires_grad_()
        mine, yours = row(*ours), CALLS[row.name](*theirs)
        if not mine.requires_grad:
            assert not yours.requires_grad
            continue
        seed = np.random.default_rng(3).uniform(0.5, 1.5, tuple(mine.shape))
        mine_found = grad(mine, [ours[i] for i in places], wrap(seed.astype(mine.dtype.numpy)), materialize_grads=True)
        yours_found = torch.autograd.grad(yours, [theirs[i] for i in places], torch.from_numpy(np.array(seed)).to(yours.dtype),
            materialize_grads=True)
        for found, expected in zip(mine_found, yours_found):
            assert_same(found, expected, row.name, 1e-4, 1e-5)


DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()


def test_promotion_of_dtypes():
    for a in DTYPES:
        for b in DTYPES:
            assert promote_types(getattr(dtypes, a),
                getattr(dtypes, b)).name == name_of(torch.promote_types(getattr(torch, a), getattr(torch, b))), (a, b)


@pytest.mark.parametrize("shape", [(), (2,)])
def test_promotion_of_tensors_scalars_and_numbers(shape):
    real = DTYPES[:10]
    for a in real:
        x, y = F.ones(shape, dtype=getattr(dtypes, a)), torch.ones(shape, dtype=getattr(torch, a))
        for number in (True, 2, 2.5):
            for name in ("mul", "div", "eq"):
                assert OPS[name](x, number).dtype.name == name_of(getattr(torch, name)(y, number).dtype), (name, a, number)
        for b in real:
            other, partner = F.ones((), dtype=getattr(dtypes, b)), torch.ones((), dtype=getattr(torch, b))
            for name in ("mul", "div"):
                assert OPS[name](x, other).dtype.name == name_of(getattr(torch, name)(y, partner).dtype), (name, a, b)


SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 100.0, -100.0, np.inf, -np.inf, np.nan, 1e-30], np.float32)


@pytest.mark.parametrize("row",
    [row for row in ROWS if row.kind == "pointwise" and len(row.schema.parameters) == 1 and row.name not in ("bitwise_not", "conj")],
                         ids=lambda row: row.name)  # fmt: skip
def test_special_values(row):
    theirs = CALLS[row.name](torch.from_numpy(SPECIAL.copy()))
    assert_same(row(wrap(SPECIAL.copy())), theirs, row.name, 1e-5, 1e-35)


@pytest.mark.parametrize("name",
    "add sub mul div floor_divide remainder fmod pow atan2 maximum minimum clamp_min clamp_max eq ne lt le gt ge".split())
def test_special_pairs(name):
    x, y = (np.ascontiguousarray(a) for a in np.broadcast_arrays(SPECIAL[:, None], SPECIAL[None, :]))
    theirs = CALLS[name](torch.from_numpy(x.copy()), torch.from_numpy(y.copy()))
    assert_same(OPS[name](wrap(x.copy()), wrap(y.copy())), theirs, name, 1e-5, 1e-35)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32"])
@pytest.mark.parametrize("number", [-1, 300, 2**40])
def test_numbers_that_an_integer_dtype_cannot_hold(dtype, number):
    """Arithmetic and comparisons wrap the number around; bounds and values to put in raise."""
    values = np.array([0, 1, 44, 100], dtype)
    for name in ("add", "sub", "mul", "lt", "eq"):
        assert_same(OPS[name](wrap(values), number), CALLS[name](torch.from_numpy(values), number), name)
    held = np.iinfo(dtype).min <= number <= np.iinfo(dtype).max
    for call in (lambda f, x, t: f["clamp_min"](x, number), lambda f, x, t: f["full"]((2,), number, t)):
        if held:
            assert_same(call(OPS, wrap(values), getattr(dtypes, dtype)), call(CALLS, torch.from_numpy(values), getattr(torch, dtype)), dtype)
        elif number > 0:  # PyTorch lets -1 pass as 255, even as a bound; we raise
            for table, x, t in ((CALLS, torch.from_numpy(values), getattr(torch, dtype)), (OPS, wrap(values), getattr(dtypes, dtype))):
                with pytest.raises(RuntimeError, match="overflow"):
                    call(table, x, t)


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
def test_integer_division(name):
    x, y = (np.ascontiguousarray(a) for a in np.broadcast_arrays(np.arange(-7, 8)[:, None], np.array([-3, -1, 1, 2, 5])[None, :]))
    assert_same(OPS[name](wrap(x.copy()), wrap(y.copy())), CALLS[name](torch.from_numpy(x.copy()), torch.from_numpy(y.copy())), name)
    for zero in (wrap(np.zeros(1, np.int64)), 0):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            OPS[name](wrap(x.copy()), zero)


HALF = "add mul div sqrt exp log tanh sigmoid erf relu maximum floor_divide remainder sum prod amax argmax cumsum argsort matmul convolution".split()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", HALF)
def test_half_precision(name, dtype):
    """Values within a rounding of the last place; matmul and convolution within a few, since the order of their sums differs."""
    row, target = OPS[name], getattr(dtypes, dtype)
    for args, _ in row.samples():
        if skipped(row, args) or not any(isinstance(a, np.ndarray) and a.dtype == np.float32 for a in args):
            continue
        ours = [map_arrays(lambda a: wrap(a.astype(target.numpy)) if a.dtype.kind == "f" else wrap(a), a) for a in args]
        theirs = [a.to(getattr(torch, dtype)) if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in map(to_torch, args)]
        eps = 2.0**-10 if dtype == "float16" else 2.0**-7
        assert_same(row(*ours), CALLS[name](*theirs), name, eps * 1.01, eps * (4 if name in ("matmul", "convolution") else 0.01))


@pytest.mark.parametrize("call", [
    lambda f, t: f["matmul"](t((2, 3)), t((2, 3))), lambda f, t: f["add"](t((2, 3)), t((4,))), lambda f, t: f["view"](t((2, 3)), (4, 2)),
    lambda f, t: f["expand"](t((2, 3)), (2, 4)), lambda f, t: f["cat"]((t((2, 3)), t((2, 4))), 0), lambda f, t: f["amax"](t((0, 3)), (0,), False),
    lambda f, t: f["convolution"](t((1, 2, 4, 4)), t((2, 3, 2, 2)), (1, 1), (0, 0), (1, 1), 1), lambda f, t: f["select"](t((2, 3)), 0, 5),
    lambda f, t: f["sub"](f["gt"](t((2,)), 0), f["gt"](t((2,)), 0)), lambda f, t: f["bitwise_and"](t((2,)), t((2,))), lambda f,
    t: f["unfold"](t((3,)), 0, 5, 1),
    lambda f, t: f["tril"](t((3,)), 0), lambda f, t: f["diagonal"](t((3, 3)), 0, 1, 1),
])  # fmt: skip
def test_errors_are_raised_where_pytorch_raises(call):
    with pytest.raises((RuntimeError, IndexError)) as theirs:
        call(CALLS, lambda shape: torch.ones(shape))
    with pytest.raises(type(theirs.value) if type(theirs.value) in (RuntimeError, IndexError) else RuntimeError):
        call(OPS, lambda shape: F.ones(shape))


def test_indices_out_of_bounds_raise():
    x, far = F.ones((3, 2)), wrap(np.array([[0, 3]]))
    for call in (
        lambda: OPS["gather"](x, 0, far), lambda: OPS["index_select"](x, 0, wrap(np.array([3]))), lambda: OPS["embedding"](x, far),
        lambda: OPS["index"](x, (far,)),
        lambda: OPS["scatter_add"](x, 0, far, F.ones((1, 2))), lambda: OPS["index_add"](x, 0, wrap(np.array([-1])), F.ones((1, 2))),
        lambda: OPS["index_put"](x, (far,), F.ones((1, 2, 2)), True),
    ):  # fmt: skip
        with pytest.raises(IndexError):
            call()
    with pytest.raises(RuntimeError, match="smaller than num_classes=3"):
        OPS["one_hot"](far, 3)

