"""segue: code runs eagerly; `segue.compile` carries the same code, unchanged, into a compiled graph.

The front door: the public names, which are PyTorch's, and nothing else. Everything is made in the rooms behind it (segue.eager, segue.graph,
segue.capture, segue.inductor).
"""

# ruff: noqa: A004  (PyTorch's names: all, any, sum ...)

from segue.capture.compile import compile
from segue.capture.explain import explain
from segue.eager.autograd.mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from segue.eager.config import config
from segue.eager.dtypes import (
    bfloat16, bool, complex64, complex128, device, dtype, finfo, float16, float32, float64, get_default_dtype, iinfo, int8, int16, int32, int64,
    set_default_dtype, uint8,
)  # fmt: skip
from segue.eager.functional import (
    abs, absolute, acos, add, addcdiv, addcmul, addmm, all, allclose, amax, amin, any, arange, arccos, arcsin, arctan, argmax, argmin, argsort, as_tensor,
    asin, atan, atan2, baddbmm, bernoulli, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, bmm, broadcast_shapes, broadcast_tensors, broadcast_to,
    cat, ceil, chunk, clamp, clamp_max, clamp_min, clip, clone, concat, concatenate, cos, cosh, count_nonzero, cumsum, detach, diag, diagonal, div,
    divide, dot, empty, empty_like, eq, equal, erf, exp, exp2, expm1, eye, flatten, flip, floor, floor_divide, fmod, from_numpy, full, full_like, gather,
    ge, ger, greater, greater_equal, gt, index_add, index_copy, index_fill, index_put, index_select, isclose, isfinite, isinf, isnan, le, lerp, less,
    less_equal, linspace, log, log1p, log2, log_softmax, logaddexp, logical_and, logical_not, logical_or, logical_xor, logsumexp, lt, masked_fill,
    masked_select, matmul, max, maximum, mean, meshgrid, min, minimum, mm, moveaxis, movedim, mul, multinomial, multiply, mv, nan_to_num, narrow, ne,
    neg, negative, nonzero, norm, not_equal, ones, ones_like, outer, permute, positive, pow, prod, rand, rand_like, randint, randint_like, randn,
    randn_like, randperm, ravel, reciprocal, relu, remainder, repeat_interleave, reshape, roll, round, rsqrt, rsub, scatter, scatter_add, select,
    sigmoid, sign, sin, sinh, softmax, sort, split, sqrt, square, squeeze, stack, std, sub, subtract, sum, swapaxes, swapdims, t, take_along_dim, tan,
    tanh, tensor, tile, topk, transpose, tril, triu, true_divide, trunc, unbind, unflatten, unsqueeze, var, var_mean, where, zeros, zeros_like,
)  # fmt: skip
from segue.eager.func import vmap
from segue.eager.functional.complex_numbers import complex, conj, imag, real, view_as_complex, view_as_real
from segue.eager.promotion import can_cast, promote_types, result_type
from segue.eager.random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from segue.eager.tensor import Size, Tensor

from . import autograd, compiler, func, nn, optim, random, utils

__version__ = "0.1.0"

half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
