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
    abs, absolute, acos, acosh, add, addcdiv, addcmul, addmm, all, allclose, amax, amin, angle, any, arange, arccos, arccosh, arcsin, arcsinh,
    arctan, arctanh, argmax, argmin, argsort, as_tensor, asin, asinh, atan, atan2, atanh, baddbmm, bernoulli, bitwise_and, bitwise_left_shift,
    bitwise_not, bitwise_or, bitwise_right_shift, bitwise_xor, bmm, broadcast_shapes, broadcast_tensors, broadcast_to, cat, ceil, chunk, clamp,
    clamp_max, clamp_min, clip, clone, complex, concat, concatenate, conj, conj_physical, copysign, cos, cosh, count_nonzero, cumsum, deg2rad,
    detach, diag, diagonal, digamma, div, divide, dot, empty, empty_like, eq, equal, erf, erfc, erfinv, exp, exp2, expm1, eye, flatten, flip,
    float_power, floor, floor_divide, fmax, fmin, fmod, frac, frexp, from_numpy, full, full_like, gather, gcd, ge, ger, greater, greater_equal, gt,
    heaviside, hypot, i0, igamma, igammac, imag, index_add, index_copy, index_fill, index_put, index_select, is_complex, is_conj, is_floating_point,
    is_neg, is_nonzero, is_tensor, isclose, isfinite, isinf, isnan, isneginf, isposinf, isreal, lcm, ldexp, le, lerp, less, less_equal, lgamma,
    linspace, log, log10, log1p, log2, log_softmax, logaddexp, logaddexp2, logical_and, logical_not, logical_or, logical_xor, logit, logsumexp, lt,
    masked_fill, masked_select, matmul, max, maximum, mean, meshgrid, min, minimum, mm, moveaxis, movedim, mul, multinomial, multiply, mv, mvlgamma,
    nan_to_num, narrow, ne, neg, negative, nextafter, nonzero, norm, not_equal, ones, ones_like, outer, permute, polar, polygamma, positive, pow,
    prod, rad2deg, rand, rand_like, randint, randint_like, randn, randn_like, randperm, ravel, real, reciprocal, relu, remainder, repeat_interleave,
    reshape, resolve_conj, resolve_neg, roll, round, rsqrt, rsub, scatter, scatter_add, select, sgn, sigmoid, sign, signbit, sin, sinc, sinh,
    softmax, sort, split, sqrt, square, squeeze, stack, std, sub, subtract, sum, swapaxes, swapdims, t, take_along_dim, tan, tanh, tensor, tile,
    topk, transpose, tril, triu, true_divide, trunc, unbind, unflatten, unsqueeze, var, var_mean, view_as_complex, view_as_real, where, xlogy, zeros,
    zeros_like,
)  # fmt: skip
from segue.eager.func import vmap
from segue.eager.functional.networks import *  # noqa: F403
from segue.eager.promotion import can_cast, promote_types, result_type
from segue.eager.random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from segue.eager.tensor import Size, Tensor

from . import autograd, compiler, func, nn, optim, random, special, utils

__version__ = "0.1.0"

half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128
