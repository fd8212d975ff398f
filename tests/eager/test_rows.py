"""Every row of the operator table: that all its facets are there, and that they agree with each other and with plain arithmetic.

The facets are checked against one another on the row's own samples: shape and dtype against the kernel, strides against NumPy's views, the lowering
(run by a small handler over NumPy) against the kernel, the batching rule against a loop. The kernels are checked against Python's own arithmetic.
"""

import cmath
import math
import operator

import numpy as np
import pytest

import segue.eager.functional as F
from segue.eager import dtypes, philox
from segue.eager.ops import NAMES, OPS
from segue.eager.ops.definition import TAGS, Extern, Host, Indexed, IndexMap, Reduction, Scalar, Scatter
from segue.eager.ops.samples import map_arrays
from segue.eager.tensor import Tensor, wrap

from .plain_references import PYTHON

ROWS = [OPS[name] for name in sorted(NAMES)]
OF_MEMORY = {"real", "imag", "view_as_real", "view_as_complex", "view_dtype"}  # views that no index map can tell
KINDS = {"pointwise", "view", "reduction", "index", "scatter", "extern", "random", "creation", "transfer"}
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def tensors(value):
    return map_arrays(lambda array: wrap(array.copy()), value)


def array(x):
    return np.asarray(x._data)


def samples(row):
    return [tensors(args) for args, _ in row.samples()]


# ---------------------------------------------------------------------------------------------------------------- facets


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "view"], ids=lambda row: row.name)
def test_views_are_arrays_over_the_same_memory_however_often_they_are_made(row):
    """A call that was seen before goes another way, and NumPy makes numbers of some views of one element."""
    for args in samples(row):
        made = [row(*args) for _ in range(3)]
        assert all(type(x._data) is np.ndarray and x.shape == made[0].shape for x in made)
        assert all(np.shares_memory(x._data, args[0]._data) for x in made if x.numel() and row.name != "conj")


def test_the_table_is_large_enough():
    assert len(ROWS) >= 95


@each_row
def test_facets_are_there(row):
    """What each kind of row must have; a missing facet would show only when somebody needs it."""
    assert row.kind in KINDS
    assert all(callable(facet) for facet in (row.dtype, row.shape, row.kernel, row.samples))
    assert isinstance(row.lower, (Scalar, IndexMap, Indexed, Reduction, Scatter, Extern, Host))
    assert len(row.doc) > 3 and row.doc.endswith(".")
    assert 3 <= len(row.samples()) <= 8
    assert row.tags <= TAGS.keys()
    assert ("random" in row.tags) != ("pure" in row.tags)
    assert (row.vjp is None) == ("nondifferentiable" in row.tags) == (row.jvp is None)
    assert (row.kind == "creation") == (row.batch is None)
    assert (row.kind == "view") == ("alias" in row.tags) == (row.strides is not None)
    assert (row.kind == "view") == isinstance(row.lower, IndexMap) or row.name in OF_MEMORY
    if isinstance(row.lower, Host):
        assert row.lower.reason


@each_row
def test_formulas_name_known_values(row):
    """A formula's parameters say what the tape saves: each must be something that there is."""
    names = {p.name for p in row.schema.parameters}
    known = {"F", "g", "t", "out", *names, *(f"{n}_shape" for n in row.schema.tensor_names), *(f"{n}_dtype" for n in row.schema.tensor_names)}
    for argument, words in row.reads.items():
        assert argument in row.schema.tensor_names
        assert set(words) <= known, f"{row.name}: derivative for {argument} names {set(words) - known}"
    if isinstance(row.jvp, dict):
        assert row.jvp.keys() == row.vjp.keys()
        assert all(set(formula.__code__.co_varnames[: formula.__code__.co_argcount]) <= known for formula in row.jvp.values())


def test_samples_are_deterministic():
    for row in ROWS:
        first, second = [[str(args) for args, _ in row.samples()] for _ in range(2)]
        assert first == second, row.name


# ---------------------------------------------------------------------------------------------------------------- agreement of facets


@each_row
def test_shape_and_dtype_facets_say_what_the_kernel_does(row):
    for args in samples(row):
        with np.errstate(all="ignore"):
            out = row(*args)
        promoted = row.dtype(*args)
        assert out.dtype is (promoted[1] if isinstance(promoted, tuple) else promoted)
        assert tuple(out.shape) == tuple(row.shape(*args))
        assert array(out).flags.c_contiguous or "alias" in row.tags


@each_row
def test_kernels_compute_in_their_own_dtype(row):
    """NumPy must not widen behind our back: float32 in, float32 out, before the dispatcher could put it right."""
    if row.kind == "random":
        return
    for args in samples(row):
        promoted = row.dtype(*args)
        compute, result = promoted if isinstance(promoted, tuple) else (promoted, promoted)
        cast = not getattr(row.dtype, "no_cast", False)
        plain = [_plain(a, compute.numpy if cast else None) for a in args]
        with np.errstate(all="ignore"):
            out = np.asarray(row.kernel(np, *plain))
        assert out.dtype == result.numpy, f"{row.name}{[getattr(a, 'shape', a) for a in args]}"


def _plain(value, dtype):
    if isinstance(value, tuple):
        return tuple(_plain(part, dtype) for part in value)
    return array(value).astype(dtype or array(value).dtype, copy=False) if isinstance(value, Tensor) else value


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "view"], ids=lambda row: row.name)
def test_views_share_memory_and_their_strides_are_numpys(row):
    for args in samples(row):
        out = row(*args)
        assert out._storage is args[0]._storage
        if out.numel():
            assert np.shares_memory(array(out), array(args[0]))
            assert tuple(row.strides(*args)) == tuple(out.stride())


@pytest.mark.parametrize("row", [row for row in ROWS if row.inverse], ids=lambda row: row.name)
def test_the_inverse_of_a_view_is_what_a_write_through_it_does(row):
    for args in samples(row):
        base = F.clone(args[0])
        new = F.clone(F.add(row(*args), 1))
        expected = array(base).copy()
        row.kernel(np, expected, *args[1:])[...] = array(new)
        assert np.array_equal(array(row.inverse(F, base, new, *args[1:])), expected)


def test_view_refuses_strides_that_need_a_copy():
    x = F.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert OPS["view"].strides(x.permute(1, 0), (4,)) is None
    with pytest.raises(RuntimeError, match="view"):
        OPS["view"](x.permute(1, 0), (4,))


# ---------------------------------------------------------------------------------------------------------------- symbolic sizes


class Symbolic:
    """A size that answers comparisons by its hint, and refuses to become an int."""

    def __init__(self, hint):
        self.hint, self.expr = hint, ("size", hint)

    def __index__(self):
        raise AssertionError("a facet turned a symbolic size into an int")

    __int__ = __hash__ = __index__


def _with_hints(function):
    def method(self, other):
        found = function(self.hint, getattr(other, "hint", other))
        return found if isinstance(found, bool) else Symbolic(found)

    return method


for _name in "add sub mul floordiv mod eq ne lt le gt ge".split():
    setattr(Symbolic, f"__{_name}__", _with_hints(getattr(operator, _name)))
for _operation in (operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod):
    setattr(Symbolic, f"__r{_operation.__name__}__", _with_hints(lambda a, b, operation=_operation: operation(b, a)))


class SymbolicTensor:
    """Shape, strides and dtype of a tensor, all sizes symbolic."""

    def __init__(self, real):
        self.shape, self.dtype, self.ndim = tuple(map(Symbolic, real.shape)), real.dtype, real.ndim
        self.strides = tuple(Symbolic(s) for s in real.stride())

    def stride(self):
        return self.strides


def symbolic(value):
    if isinstance(value, tuple):
        return tuple(symbolic(part) for part in value)
    return SymbolicTensor(value) if isinstance(value, Tensor) else value


@pytest.mark.parametrize("row", [row for row in ROWS if row.name != "nonzero"], ids=lambda row: row.name)
def test_shapes_and_strides_follow_from_symbolic_sizes(row):
    for args in samples(row):
        out = row(*args)
        unknown = [symbolic(a) for a in args]
        assert [getattr(s, "hint", s) for s in row.shape(*unknown)] == list(out.shape)
        if row.strides and out.numel():
            assert [getattr(s, "hint", s) for s in row.strides(*unknown)] == list(out.stride())


# ---------------------------------------------------------------------------------------------------------------- lowering


class Loader:
    """An operand of generated code, over NumPy."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, wrap(values).dtype

    def load(self, index):
        clipped = [np.clip(np.asarray(i, np.int64), 0, max(n - 1, 0)) for i, n in zip(index, self.shape)]  # outside a mask the value is not used
        if 0 in self.shape:
            return np.zeros(np.broadcast_shapes(*(c.shape for c in clipped)), self.values.dtype)
        assert len(clipped) == len(self.shape)
        return self.values[tuple(clipped)] if clipped else self.values


class Handler:
    """Scalar primitives as NumPy computes them, on whole arrays of indices at once."""

    def __getattr__(self, name):
        row = OPS[name]
        assert row.kind == "pointwise", f"{name} is no scalar primitive"

        def call(*operands):
            if not any(hasattr(operand, "dtype") for operand in operands):
                operands = map(np.asarray, operands)
            return np.asarray(row.kernel(np, *operands))

        return call

    def constant(self, value):
        return value

    def where(self, condition, x, y):
        return np.where(condition, x, y)

    def cast(self, x, dtype):
        return np.asarray(x).astype(dtype.numpy)

    def index_expr(self, expression):
        return np.asarray(expression, np.int64)

    def as_index(self, value, size, wraps=False):
        value = np.asarray(value)
        return np.where(value < 0, value + size, value) if wraps else value

    def masked(self, condition, thunk, other):
        return np.where(condition, thunk(), other)

    def random_bits(self, state, call, lane):
        seed, offset = (int(word) for word in state.values.view(np.uint64))
        count = int(np.max(lane, initial=-1)) + 1
        return philox.random_words(np, seed, (offset + call) % 2**64, count)[lane].astype(np.uint32)

    def random_uniform(self, state, call, place, dtype):
        seed, offset = (int(word) for word in state.values.view(np.uint64))
        count = int(np.max(place, initial=-1)) + 1
        return philox.uniform(np, seed, (offset + call) % 2**64, count, dtype)[place]


def loaders(value):
    if isinstance(value, tuple):
        return tuple(loaders(part) for part in value)
    return Loader(array(value)) if isinstance(value, Tensor) else value


def grid(shape):
    return tuple(np.indices(shape, np.int64)) if shape else ()


def lowered(row, args, out_shape):
    """The row's result as its lowering describes it, or None where only the native library knows."""
    lower, h = row.lower, Handler()
    if isinstance(lower, Scalar):
        return np.broadcast_to(lower.body(h, *[array(a) if isinstance(a, Tensor) else a for a in args]), out_shape)
    if isinstance(lower, IndexMap):
        found = Loader(array(args[0])).load(lower.map(grid(out_shape), out_shape, tuple(args[0].shape), *args[1:]))
        return np.broadcast_to(found, out_shape)
    if isinstance(lower, Indexed):
        return np.broadcast_to(lower.body(h, grid(out_shape), out_shape, *loaders(args)), out_shape)
    if isinstance(lower, Scatter):
        return scattered(row, args, out_shape, h)
    return None


def scattered(row, args, out_shape, h):
    lower = row.lower
    mode = lower.mode if isinstance(lower.mode, str) else lower.mode(*args)
    source = array(args[[p.name for p in row.schema.parameters].index(lower.source)])
    space = tuple(lower.space(*args)) if lower.space else source.shape
    if len(source.shape) == len(space):
        source = source[tuple(slice(0, max(size, 1)) for size in space)]
    source = np.broadcast_to(source, space)
    out = array(args[0]).copy()
    for place in np.ndindex(*space):
        target = tuple(int(i) for i in lower.target(h, place, out_shape, *loaders(args)))
        out[target] = out[target] + source[place] if mode == "add" else source[place]
    return out


@each_row
def test_the_lowering_computes_what_the_kernel_computes(row):
    for args in samples(row):
        out = row(*args)
        promoted = row.dtype(*args)
        if not getattr(row.dtype, "no_cast", False):
            compute = promoted[0] if isinstance(promoted, tuple) else promoted
            args = tuple(_cast(a, compute) for a in args)
        with np.errstate(all="ignore"):
            found = lowered(row, args, tuple(out.shape))
        if found is None:
            assert isinstance(row.lower, (Reduction, Extern, Host))
            continue
        expected = array(out)
        assert found.shape == expected.shape
        found = np.asarray(found).astype(expected.dtype)
        if isinstance(row.lower, Scalar) and expected.dtype.kind == "f":  # NumPy's vector and scalar loops may differ in the last bit
            assert np.allclose(found, expected, 3e-7, 0, equal_nan=True)
        else:
            assert np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")


def _cast(value, dtype):
    if isinstance(value, tuple):
        return tuple(_cast(part, dtype) for part in value)
    return F.cast(value, dtype) if isinstance(value, Tensor) else value


# ---------------------------------------------------------------------------------------------------------------- batching


def batches(args):
    """The arguments with a batch of three in one tensor operand or in all, at the front or at the end, and what each example gets."""
    places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
    for chosen in ([[i] for i in places] + ([places] if len(places) > 1 else [])):
        for last in (False, True):
            in_dims, stacked, examples = [None] * len(args), list(args), [list(args) for _ in range(3)]
            for i in chosen:
                values = array(args[i])
                three = [values, values[tuple(slice(None, None, -1) for _ in values.shape)], values]
                in_dims[i] = values.ndim if last else 0
                stacked[i] = wrap(np.stack(three, in_dims[i]))
                for example, value in zip(examples, three):
                    example[i] = wrap(np.array(value))
            yield tuple(in_dims), stacked, examples


def sequence_batches(args):
    """The same for an argument that is a sequence of tensors: each part in turn."""
    for i, value in enumerate(args):
        if isinstance(value, tuple) and any(isinstance(part, Tensor) for part in value):
            for j, part in enumerate(value):
                if isinstance(part, Tensor):
                    three = [array(part), array(part)[::-1].copy() if part.ndim else array(part), array(part)]
                    dims = tuple(0 if k == j else None for k in range(len(value)))
                    put = lambda new, value=value, j=j: (*value[:j], wrap(np.ascontiguousarray(new).reshape(new.shape)), *value[j + 1 :])
                    yield (tuple(dims if k == i else None for k in range(len(args))),
                        [put(np.stack(three)) if k == i else a for k, a in enumerate(args)],
                           [[put(new) if k == i else a for k, a in enumerate(args)] for new in three])  # fmt: skip


@pytest.mark.parametrize("row", [row for row in ROWS if row.batch and row.kind != "random" and row.name != "nonzero"], ids=lambda row: row.name)
def test_the_batching_rule_is_a_loop(row):
    for args in samples(row):
        if isinstance(row.lower, Extern) and row.name.startswith("conv") and args[0].shape[0] == 0:
            continue
        for in_dims, stacked, examples in [*batches(args), *sequence_batches(args)]:
            found = array(row.batch(F, 3, in_dims, *stacked))
            expected = np.stack([array(row(*example)) for example in examples])
            assert found.shape == expected.shape, (in_dims, [getattr(a, "shape", a) for a in stacked])
            exact = expected.dtype.kind in "biu"
            wide = np.complex128 if expected.dtype.kind == "c" else np.float64
            assert np.array_equal(found, expected) if exact else np.allclose(found.astype(wide), expected.astype(wide), 1e-5, 1e-5, equal_nan=True)


def test_batching_refuses_what_has_no_batch():
    with pytest.raises(RuntimeError, match="vmap"):
        OPS["nonzero"].batch(F, 2, (0,), F.tensor([[1.0], [0.0]]), 1)
    with pytest.raises(RuntimeError, match="vmap"):
        OPS["uniform"].batch(F, 2, (0, None, None, None), F.tensor([[1, 2], [3, 4]]), 0, (2,), dtypes.float32)


# ---------------------------------------------------------------------------------------------------------------- plain arithmetic

@pytest.mark.parametrize("name", sorted(PYTHON))
def test_pointwise_kernels_are_pythons_arithmetic(name):
    row = OPS[name]
    for args in samples(row):
        out = array(row(*args))
        operands = np.broadcast_arrays(*[array(a) if isinstance(a, Tensor) else a for a in args])
        for place in np.ndindex(out.shape):
            expected = PYTHON[name](*[o[place].item() for o in operands])
            assert cmath.isclose(out[place].item(), complex(expected), rel_tol=2e-6, abs_tol=2e-6), (name, [o[place] for o in operands])


def test_every_pointwise_row_has_a_plain_reference():
    others = {"cast", "bitwise_not", "polygamma", "orthogonal_polynomial"}  # the last two: test_special.py
    assert {row.name for row in ROWS if row.kind == "pointwise"} - PYTHON.keys() == others


FOLDS = {"sum": sum, "prod": math.prod, "amax": max, "amin": min, "any": any, "all": all}


@pytest.mark.parametrize("name", sorted(FOLDS))
def test_reductions_are_pythons_folds(name):
    for x, dim, keepdim in samples(OPS[name]):
        out, values = array(OPS[name](x, dim, keepdim)), array(x)
        kept = [d for d in range(values.ndim) if d not in dim]
        groups: dict = {place: [] for place in np.ndindex(*(values.shape[d] for d in kept))}
        for place in np.ndindex(values.shape):
            groups[tuple(place[d] for d in kept)].append(values[place].item())
        expected = [FOLDS[name](group) for group in groups.values()]
        assert np.allclose(out.reshape(-1).astype(np.float64), np.array(expected, np.float64), 1e-6)


def test_an_extreme_of_nothing_raises_unless_nothing_is_asked_for():
    for name in ("amax", "amin"):
        with pytest.raises(IndexError, match="non-zero size"):
            OPS[name](F.ones((2, 0)), (1,), False)
        assert tuple(OPS[name](F.ones((2, 0, 0)), (2,), True).shape) == (2, 0, 1)
    assert tuple(OPS["argmax"](F.ones((0, 0)), 1, False).shape) == (0,)


def test_convolution_is_its_definition():
    for x, weight, stride, padding, dilation, groups in samples(OPS["convolution"]):
        image, filters, out = array(x), array(weight), array(OPS["convolution"](x, weight, stride, padding, dilation, groups))
        padded = np.pad(image, ((0, 0), (0, 0), *((p, p) for p in padding))).astype(np.float64)
        per_group, outputs = filters.shape[1], filters.shape[0] // groups
        for n, o, *place in np.ndindex(out.shape):
            start = o // outputs * per_group
            parts = (slice(i * s, i * s + d * (k - 1) + 1, d) for i, s, d, k in zip(place, stride, dilation, filters.shape[2:]))
            window = padded[(n, slice(start, start + per_group), *parts)]
            assert abs(out[(n, o, *place)] - (window * filters[o]).sum()) < 1e-4
