"""segue: code runs eagerly; `segue.compile` carries the same code, unchanged, into a compiled graph.

The front door: the public names, which are PyTorch's, and nothing else. Everything is made in the rooms behind it (segue.eager, segue.graph,
segue.capture, segue.inductor).
"""

# ruff: noqa: A004, E402  (PyTorch's names: all, any, sum ...; what comes before the imports is about them)

import gc as _gc

_collects = _gc.isenabled()
_gc.disable()  # a hundred collections, a seventh of the time, would look for garbage where functions and classes are only made

try:  # these load all that is imported below
    from segue.capture.compile import compile

    from . import (
        _C, _dynamo, _higher_order_ops, accelerator, amp, autograd, backends, compiler, cuda, distributed, distributions, fft, func, jit, library, linalg, masked,
        mps, nn, ops, optim, overrides, profiler, random, serialization, signal, sparse, special, testing, torch, utils, version, xpu,
    )  # fmt: skip
finally:
    if not _gc.get_freeze_count():  # what was made is as old as the program: the two calls make it so without a walk over it, which takes 50 ms
        _gc.freeze()
        _gc.unfreeze()
    if _collects:
        _gc.enable()

from math import e, inf, nan, pi

from segue.capture.explain import explain
from segue.eager.absent import (
    SymBool, SymFloat, SymInt, TensorType, sparse_bsc_tensor, sparse_bsr_tensor, sparse_compressed_tensor, sparse_coo_tensor, sparse_csc_tensor, sparse_csr_tensor,
)  # fmt: skip
from segue.eager.checks import _assert, _assert_async, _check, _check_index, _check_is_size, _check_not_implemented, _check_type, _check_value
from segue.eager.accelerators import Event, Stream
from segue.eager.autograd.anomaly import is_anomaly_check_nan_enabled, is_anomaly_enabled
from segue.eager.autograd.autocast import (
    autocast, clear_autocast_cache, get_autocast_dtype, is_autocast_cache_enabled, is_autocast_enabled, set_autocast_dtype, set_autocast_enabled,
)  # fmt: skip
from segue.eager import array_api as _array_api
from segue.eager.autograd.mode import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from segue.eager.config import config
from segue.eager.control import cond, map, scan, while_loop
from segue.eager.dtypes import (
    bfloat16, bool, complex32, complex64, complex128, device, dtype, finfo, float8_e4m3fn, float8_e4m3fnuz, float8_e5m2, float8_e5m2fnuz, float8_e8m0fnu, float16, float32,
    float64, get_default_dtype, iinfo, int8, int16, int32, int64, set_default_dtype, uint8, uint16, uint32, uint64,
)  # fmt: skip
from segue.eager.functional import (
    _chunk_cat, _segment_reduce, _unsafe_masked_index, _unsafe_masked_index_put_accumulate, abs, absolute, acos, acosh, add, addbmm, addcdiv,
    addcmul, addmm, addmv, addr, adjoint, alias_copy, all, allclose, amax, amin, aminmax, angle, any, arange, arccos, arccosh, arcsin, arcsinh, arctan, arctan2,
    arctanh, argmax, argmin, argsort, argwhere, as_strided, as_strided_copy, as_strided_scatter, as_tensor, asarray, asin, asinh, atan, atan2, atanh,
    atleast_1d, atleast_2d, atleast_3d, baddbmm, bernoulli, bincount, binomial, bitwise_and, bitwise_left_shift, bitwise_not, bitwise_or, bitwise_right_shift,
    bitwise_xor, block_diag, bmm, broadcast_shapes, broadcast_tensors, broadcast_to, bucketize, cartesian_prod, cat, cdist, ceil, chunk, clamp, clamp_max,
    clamp_min, clip, clone, column_stack, combinations, complex, concat, concatenate, conj, conj_physical, constant_pad_nd, copysign, corrcoef, cos,
    cosh, count_nonzero, cov, cummax, cummin, cumprod, cumsum, cumulative_trapezoid, deg2rad, detach, detach_copy, diag, diag_embed, diagflat,
    diagonal, diagonal_copy, diagonal_scatter, diff, digamma, dist, div, divide, dot, dsplit, dstack, empty, empty_like, empty_permuted, empty_strided, eq, equal,
    erf, erfc, erfinv, exp, exp2, expand_copy, expm1, eye, fill, fix, flatten, flip, fliplr, flipud, float_power, floor, floor_divide, fmax, fmin, fmod,
    frac, frexp, from_dlpack, from_numpy, frombuffer, full, full_like, gather, gcd, ge, ger, gradient, greater, greater_equal, gt, heaviside, histc, histogram, histogramdd,
    hsplit, hstack, hypot, i0, igamma, igammac, imag, index_add, index_copy, index_fill, index_put, index_reduce, index_select, is_complex, is_conj,
    is_floating_point, is_neg, is_nonzero, is_tensor, isclose, isfinite, isin, isinf, isnan, isneginf, isposinf, isreal, istft, kron, kthvalue, lcm, ldexp,
    le, lerp, less, less_equal, lgamma, linspace, log, log10, log1p, log2, log_softmax, logaddexp, logaddexp2, logcumsumexp, logical_and,
    logical_not, logical_or, logical_xor, logit, logspace, logsumexp, lt, masked_fill, masked_scatter, masked_select, matmul, max, maximum, mean,
    median, meshgrid, min, minimum, mm, mode, moveaxis, movedim, msort, mul, multinomial, multiply, mv, mvlgamma, nan_to_num, nanmean, nanmedian,
    nanquantile, nansum, narrow, narrow_copy, ne, neg, negative, nextafter, nonzero, nonzero_static, normal, not_equal, ones, ones_like, outer,
    permute, permute_copy, poisson, polar, polygamma, positive, pow, prod, put, quantile, rad2deg, rand, rand_like, randint, randint_like, randn, randn_like,
    randperm, ravel, real, reciprocal, relu, remainder, renorm, repeat_interleave, reshape, resolve_conj, resolve_neg, roll, rot90, round, row_stack,
    rsqrt, rsub, scalar_tensor, scatter, scatter_add, scatter_reduce, searchsorted, segment_reduce, select, select_copy, select_scatter, sgn, sigmoid, sign, signbit,
    sin, sinc, sinh, slice_copy, slice_scatter, softmax, sort, split, split_copy, split_with_sizes, split_with_sizes_copy, sqrt, square, squeeze,
    squeeze_copy, stack, std, std_mean, stft, sub, subtract, sum, swapaxes, swapdims, t, t_copy, take, take_along_dim, tan, tanh, tensor, tensor_split,
    tile, topk, trace, transpose, transpose_copy, trapezoid, trapz, tril, tril_indices, triu, triu_indices, true_divide, trunc, unbind, unbind_copy,
    unflatten, unfold_copy, unique, unique_consecutive, unravel_index, unsafe_chunk, unsafe_split, unsafe_split_with_sizes, unsqueeze,
    unsqueeze_copy, var, var_mean, view_as_complex, view_as_complex_copy, view_as_real, view_as_real_copy, view_copy, vsplit, vstack, where, xlogy,
    zeros, zeros_like,
)  # fmt: skip
from segue.eager.functional.foreach import FOREACH as _FOREACH
from segue.eager.functional.contractions import einsum, inner, tensordot, vdot
from segue.eager.functional.linalg.legacy import (
    chain_matmul, cholesky, cholesky_inverse, cholesky_solve, cross, det, geqrf, inverse, logdet, lu, lu_solve, lu_unpack, matrix_exp, matrix_power,
    norm, orgqr, ormqr, pca_lowrank, pinverse, qr, slogdet, svd, svd_lowrank, triangular_solve,
)  # fmt: skip
from segue.eager.func import vmap
from segue.eager.functional.networks import *  # noqa: F403
from segue.eager.functional.storage import get_device, is_same_size, is_signed, is_storage, numel
from segue.eager.functional.top import *  # noqa: F403
from segue.eager.functional.beneath import *  # noqa: F403
from segue.eager.functional.methods import in_place_functions as _in_place_functions
from segue.eager.layouts import (
    channels_last, channels_last_3d, contiguous_format, layout, memory_format, preserve_format, sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr,
    strided,
)  # fmt: skip
from segue.eager.legacy import TYPES as _TYPES
from segue.eager.opaque import opaque
from segue.eager.printing import printoptions, set_printoptions
from segue.eager.promotion import can_cast, promote_types, result_type
from segue.eager.random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from segue.eager.serialization import load, save
from segue.eager.switches import (
    are_deterministic_algorithms_enabled, get_default_device, get_float32_matmul_precision,
    get_num_interop_threads, is_deterministic_algorithms_warn_only_enabled, is_warn_always_enabled,
    set_default_device, set_default_tensor_type, set_float32_matmul_precision, set_flush_denormal, set_num_interop_threads, set_warn_always,
    typename, use_deterministic_algorithms,
)  # fmt: skip
from segue.eager.shapes import Size
from segue.eager.tensor import Tensor
from segue.inductor.runtime import set_threads as set_num_threads, threads as get_num_threads

__version__ = "0.1.0"

globals().update(_FOREACH)  # `segue._foreach_add_(parameters, gradients)`
globals().update(_in_place_functions())  # `segue.relu_(x)`: the methods, as functions

newaxis = None
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
chalf, cfloat, cdouble = complex32, complex64, complex128
FloatTensor, DoubleTensor, HalfTensor, BFloat16Tensor = (_TYPES[name + "Tensor"] for name in ("Float", "Double", "Half", "BFloat16"))
ByteTensor, CharTensor, ShortTensor, IntTensor = (_TYPES[name + "Tensor"] for name in ("Byte", "Char", "Short", "Int"))
LongTensor, BoolTensor = _TYPES["LongTensor"], _TYPES["BoolTensor"]
