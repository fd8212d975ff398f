"""What a random program may say: a table of statements with holes.

A form is a statement, or an expression that becomes `{v} = ...`. `{x}` and `{y}` are variables that satisfy the group's needs, `{v}` is a new name, and the
other holes are filled by `HOLES` from what is known about `{x}`. `gives` says how the result agrees between two ways of running it:

    same    exactly, when everything that goes in is exact
    close   within the tolerance of its dtype
    whole   exactly for integers, closely for floats
    write   nothing new: `{x}` is written in place; exact as `same`

The one idea: what must agree bit for bit (+ - * / sqrt, comparisons, integer work, data movement) is kept apart from what must not, and only exact
values may be compared, rounded or ranked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import segue

SIZES = (0, 1, 1, 2, 3, 4, 5, 8, 17, 33)


@dataclass(frozen=True)
class Group:
    """Forms that are drawn alike. `needs` are names of TESTS that hold for {x}, `other` for {y} (by default as {x})."""

    weight: int
    needs: str
    gives: str
    forms: tuple[str, ...]
    other: str | None = None


TESTS: dict[str, Callable[[Any], bool]] = {
    "float": lambda t: t.dtype.is_floating_point,
    "single": lambda t: t.dtype in (segue.float32, segue.float64),
    "float32": lambda t: t.dtype is segue.float32,
    "number": lambda t: t.dtype is not segue.bool,
    "bool": lambda t: t.dtype is segue.bool,
    "integer": lambda t: not t.dtype.is_floating_point and not t.dtype.is_complex and t.dtype is not segue.bool,
    "complex": lambda t: t.dtype.is_complex,
    "real": lambda t: not t.dtype.is_complex,
    "rank1": lambda t: t.ndim >= 1,
    "rank2": lambda t: t.ndim >= 2,
    "first": lambda t: t.ndim >= 1 and t.shape[0] > 0,
    "last": lambda t: t.ndim >= 1 and t.shape[-1] > 0,
    "some": lambda t: t.numel() > 0,
    "free": lambda t: not t.requires_grad,
    "image": lambda t: t.ndim >= 2 and t.shape[-1] >= 3 and t.shape[-2] >= 3,
}

GROUPS: dict[str, Group] = {
    "smooth": Group(3, "float", "close", (
        "segue.tanh({x})", "segue.sin({x})", "segue.cos({x})", "segue.sigmoid({x})", "segue.exp(segue.clamp({x}, -3, 3))", "segue.erf({x})",
        "segue.log({x}.abs() + 0.5)", "F.gelu({x})", "F.silu({x})", "segue.rsqrt({x} * {x} + 0.5)", "segue.expm1(segue.clamp({x}, -3, 3))",
        "F.softplus({x})", "F.mish({x})", "F.gelu({x}, approximate='tanh')", "segue.atan({x})", "segue.log1p({x} * {x})", "segue.exp2(-{x} * {x})",
        "segue.asin(segue.tanh({x}) * 0.9)", "({x} * {x} + 0.5) ** 1.5", "segue.logaddexp({x}, {x} * 0.5)", "F.logsigmoid({x})", "F.softsign({x})",
        "segue.sinh(segue.clamp({x}, -3, 3))", "segue.log2({x}.abs() + 1)", "segue.atan2({x}, {x} * {x} + 1)", "segue.tan(segue.tanh({x}))",
    )),
    "special": Group(2, "single", "close", (
        "segue.acos(segue.tanh({x}) * 0.9)", "segue.acosh({x}.abs() + 1.5)", "segue.asinh({x})", "segue.atanh(segue.tanh({x}) * 0.9)",
        "segue.cosh(segue.clamp({x}, -3, 3))", "segue.erfc({x})", "segue.erfinv(segue.tanh({x}) * 0.9)", "segue.lgamma({x}.abs() + 1)",
        "segue.digamma({x}.abs() + 1)", "segue.i0(segue.clamp({x}, -3, 3))", "segue.log10({x}.abs() + 1)", "segue.hypot({x}, {y} * {y} + 1)",
        "segue.xlogy({x}, {x} * {x} + 1)", "segue.special.i1(segue.clamp({x}, -3, 3))", "segue.special.log_ndtr({x})", "segue.polygamma(1, {x}.abs() + 1)",
        "segue.special.xlog1py({x}, {x} * {x})", "segue.cumprod(segue.tanh({x}), {d})", "segue.logcumsumexp({x}, {d})", "F.elu({x})", "F.celu({x})",
        "segue.special.erfcx({x}.abs())", "segue.sinc({x})", "segue.logit(segue.sigmoid({x}))", "F.hardswish({x} * 0.5 + 7)", "F.selu({x})",
        "segue.special.bessel_j0({x})", "segue.special.bessel_j1({x})", "segue.special.bessel_y0({x}.abs() + 1)", "segue.special.bessel_y1({x}.abs() + 1)",
        "segue.special.i0e({x})", "segue.special.i1e({x})", "segue.special.modified_bessel_k0({x}.abs() + 1)", "segue.special.scaled_modified_bessel_k1({x}.abs() + 1)",
        "segue.special.ndtri(segue.sigmoid({x}))", "segue.special.zeta({x}.abs() + 2, 1.5)", "segue.special.gammainc(segue.full({x}.shape, 1.5), {x}.abs() + 1)",
        "segue.special.chebyshev_polynomial_t(segue.tanh({x}), 3)", "segue.special.gammaincc(segue.full({x}.shape, 2.0), {x}.abs() + 1)", "segue.special.entr(segue.sigmoid({x}))",
    )),
    "normalised": Group(2, "float last", "close", (
        "segue.softmax({x}, {d})", "segue.log_softmax({x}, {d})", "F.layer_norm({x}, {x}.shape[-1:])", "F.rms_norm({x}, {x}.shape[-1:])",
        "F.normalize({x} + 3, dim=-1)", "F.cosine_similarity({x}, {x} * {x} + 1, dim=-1)",
    )),
    "unary": Group(2, "number", "same", (
        "segue.neg({x})", "segue.square({x})", "{x}.clone()", "({x} + {x}) * 0.5", "{x} ** 2", "{x}.detach() * {x}", "{x}.reciprocal() * 0 + {x}",
    )),
    "root": Group(1, "float", "same", ("segue.sqrt({x}.abs() + 1)", "segue.sqrt({x} * {x} + 1)", "(1 / ({x} * {x} + 1)).sqrt()")),
    "kinks": Group(2, "number exact", "same", (
        "segue.abs({x})", "segue.relu({x})", "segue.clamp({x}, -1, 2)", "segue.where({x} > 0, {x}, {x} * 0.5)", "{x}.masked_fill({x} < 0, 0.25)",
        "F.leaky_relu({x}, 0.25)", "F.hardtanh({x})", "F.relu6({x})", "segue.sign({x})", "segue.clamp({x}, min=0)", "{x}.clamp_max(1)", "segue.nan_to_num({x})",
    )),
    "rounding": Group(1, "float exact", "same", (
        "segue.copysign({x}, {y})", "segue.fmax({x}, {y})", "segue.fmin({x}, {x} * 0.5)", "segue.signbit({x})", "segue.frexp({x})[0]", "segue.heaviside({x}, {x})",
        "segue.nextafter({x}.detach(), {x}.detach() + 1)", "segue.frac({x})", "segue.isinf({x})", "segue.isfinite({x})",
        "segue.floor({x})", "segue.ceil({x})", "segue.round({x})", "segue.trunc({x})", "{x} // 0.75", "{x} % 0.75", "segue.fmod({x}, 0.5)", "segue.remainder({x}, -0.5)",
    )),
    "bits": Group(1, "integer", "same", (
        "segue.gcd({x}, {y})", "segue.lcm({x} % 7, {x} % 5)", "({x} & 3) << 2", "{x} >> 1", "segue.bitwise_not({x})", "{x}.float() / 3", "{x} / 3", "-{x} // 4",
        "{x} & {y}", "{x} | 3", "{x} ^ {y}", "~{x}", "{x} // 2", "{x} % 3", "segue.fmod({x}, 3)", "{x} // -3", "segue.div({x}, 2, rounding_mode='trunc')", "{x} * {x} * {x}",
    )),
    "logic": Group(1, "bool", "same", (
        "{x} & {y}", "{x} | {y}", "~{x}", "segue.logical_xor({x}, {y})", "{x}.any()", "{x}.all()", "{x}.sum({d})", "segue.where({x}, 1.5, -2.0)", "{x} * 2",
        "{x}.to(segue.float32) - 0.5",
    ), "bool"),
    "binary": Group(4, "number", "same", ("{x} + {y}", "{x} - {y}", "{x} * {y}", "segue.add({x}, {y}, alpha=2)", "{x} / ({y} * {y} + 1)", "segue.lerp({x}, {y}, 0.25)")),
    "choice": Group(2, "number exact", "same", (
        "segue.maximum({x}, {y})", "segue.minimum({x}, {y})", "segue.where({x} > {y}, {x}, {y} * 2)", "segue.where({x} == {y}, {y}, 0)", "({x} < {y}) * {x}",
    )),
    "scalar": Group(2, "number", "same", ("{x} * {n}", "{n} - {x}", "{x} + {n}", "{x} / {n}", "{n} / ({x} * {x} + 1)", "segue.addcmul({x}, {x}, {x}, value=0.5)")),
    "sums": Group(3, "number", "whole", (
        "segue.sum({x}{dims})", "segue.prod({x}{dim})", "{x}.sum({d}, dtype=segue.float64)", "segue.cumsum({x}, {d})", "{x}.sum_to_size({x}.shape)",
    )),
    "means": Group(2, "float some", "close", (
        "segue.std({x}{dims})", "{x}.norm(2, {d}, keepdim=True)", "segue.nansum({x}{dims})", "segue.nanmean({x}, {d})", "F.smooth_l1_loss({x}, {x} * 0.5 + 1)",
        "segue.cov({x}.reshape(-1, {x}.shape[-1]).detach())", "segue.std_mean({x}, {d}, keepdim=True)[0]", "segue.dist({x}, {x} * 0.5 + 2)",
        "segue.mean({x}{dims})", "segue.var({x}{dims})", "segue.logsumexp({x}, {d})", "segue.sqrt(segue.var({x}, {d}) + 0.1)", "segue.norm({x} + 4)",
        "segue.var({x}, {d}, correction=0)", "F.mse_loss({x}, {x} * 0.5)", "segue.var_mean({x}, {d})[1]",
    )),
    "ranks": Group(2, "number exact last", "same", (
        "segue.amax({x}{dims})", "segue.amin({x}{dims})", "{x}.argmax(-1)", "{x}.argmin(-1, keepdim=True)", "{x}.sort(-1).values", "{x}.max(-1).values", "{x}.min({d}).indices",
        "segue.cummax({x}, {d}).values", "segue.cummin({x}, {d}).indices", "{x}.median({d}).values", "{x}.kthvalue(1, {d}).values", "segue.aminmax({x}, dim={d}).max",
        "segue.searchsorted(segue.tensor([-1.0, 0.0, 1.0]), {x}.float().contiguous())", "{x}.sort(0, stable=True).indices", "segue.topk({x}, 1, {d}, largest=False).indices",
        "segue.unique({x})", "segue.bucketize({x}.float(), segue.tensor([0.0, 0.5]))", "{x}.amax((0, -1)) if {x}.ndim > 1 else {x}.amax()", "{x}.sort({d}).values.flip({d})",
        "{x}.argsort(-1)", "segue.topk({x}, 1).values", "{x}.sort({d}, descending=True).indices", "segue.count_nonzero({x})", "{x}.max()", "{x}.argmax()",
    )),
    "compare": Group(2, "number exact", "same", ("({x} > 0)", "({x} < 0.5)", "({x} >= 1)", "({x} == 0)", "({x} != {y})", "segue.isclose({x}, {x} + 1)", "({x} <= {y})")),
    "views": Group(5, "rank1", "same", (
        "{x}.transpose({d}, {e})", "{x}.flatten()", "{x}.narrow({range})", "{x}.select({at})", "{x}.unsqueeze({d})", "{x}.unsqueeze(0).expand(3, *{x}.shape)",
        "{x}.flip({d})", "{x}.reshape(-1, {x}.shape[-1])", "{x}[::2]", "{x}.diagonal(0, {d}, {e})", "{x}.split(2, {d})[-1]", "{x}[..., 1:]", "segue.roll({x}, 1, {d})",
        "{x}.unfold({d}, 2, 1)", "{x}.view(-1)", "{x}.squeeze()", "{x}.squeeze({d})", "{x}.movedim({d}, {e})", "{x}[None, ..., -1:]", "{x}.chunk(2, {d})[0]",
        "{x}.repeat(2, *[1] * ({x}.ndim - 1))", "F.pad({x}, (1, 2))", "segue.tril({x})", "{x}.unbind(0)[-1]", "{x}.contiguous()", "{x}.T", "{x}.view({x}.shape)",
        "{x}.repeat_interleave(2, {d})", "{x}.broadcast_to(2, *{x}.shape)", "segue.movedim({x}, 0, -1).reshape({x}.shape)", "{x}.swapaxes({d}, -1)",
    )),
    "strided": Group(2, "rank1", "same", (
        "{x}.transpose(0, -1)[1:]", "{x}.unfold({d}, 2, 1)[..., 0]", "{x}.expand(2, *{x}.shape)[1]", "{x}.t()[..., :1] if {x}.ndim == 2 else {x}", "{x}.unflatten({d}, (1, -1))",
        "segue.as_strided({x}.contiguous(), (1, 1), (1, 1))", "{x}[..., ::2].flip({d})", "{x}.permute(*range({x}.ndim)[::-1]).reshape(-1)", "{x}.tile(2)", "segue.rot90({x}, 1, (0, -1))",
        "segue.triu({x}, 1)", "F.pad({x}, (1, 0), value=2.0)", "{x}.roll((1, 2), (0, -1))", "{x}[:, None].squeeze(1)", "{x}.hsplit(1)[0]", "segue.diag_embed({x})", "{x}.narrow_copy({range})",
        "segue.atleast_2d({x})[..., -1]", "segue.block_diag({x}.reshape(-1, {x}.shape[-1]), {x}.reshape(-1, {x}.shape[-1]))", "{x}.flatten().unfold(0, 1, 2)", "{x}[-1:, ...]",
    )),
    "linear algebra": Group(2, "single rank2 last", "close", (
        "segue.linalg.inv({square})", "segue.linalg.cholesky({square})", "segue.linalg.solve({square}, {x}.mT)", "segue.linalg.det({square}).log()", "segue.linalg.eigvalsh({apart})",
        "segue.linalg.slogdet({square})[1]", "segue.einsum('...ij,...kj->...ik', segue.tanh({x}), segue.tanh({x}))", "segue.linalg.matrix_exp({square} * 0.1)", "segue.outer({x}.flatten()[:5], {x}.flatten()[-3:])",
        "segue.linalg.matrix_norm({x} + 3)", "segue.linalg.svdvals({apart})", "segue.linalg.pinv({square})", "segue.linalg.qr({square}).R.abs()", "segue.linalg.eigh({apart}).eigenvalues",
        "segue.cholesky_solve({x}.mT, segue.linalg.cholesky({square}))", "segue.linalg.solve_triangular({square}, {x}.mT, upper=True)", "segue.cdist({x}, {x} * 0.5 + 3)",
        "segue.kron({x}[:1], {x}[:2])", "segue.trace({square}.reshape(-1, *{square}.shape[-2:])[0])", "segue.bmm({x}[None].reshape(1, -1, {x}.shape[-1]), {x}[None].reshape(1, -1, {x}.shape[-1]).mT).tanh()",
    )),
    "to complex": Group(2, "single", "close", (
        "segue.complex({x}, {x} * 0.5)", "segue.complex({x}, {y}.to({x}.dtype))", "{x} * 1j", "{x} + 2j", "segue.polar({x}.abs(), {x})", "segue.fft.rfft({x})", "segue.fft.fft({x}, dim={d})",
    )),
    "from complex": Group(4, "complex", "close", (
        "{x}.real", "{x}.imag", "segue.view_as_real({x})", "({x} * {x}.conj()).real", "{x}.abs()", "segue.angle({x} + 3)", "{x} * {x}", "{x} + {x}.conj()", "segue.exp({x}.imag * 1j)", "{x} / ({x} * {x}.conj() + 1)",
        "{x}.sum()", "{x} * (1 + 2j)", "segue.fft.ifft({x})", "segue.fft.irfft({x})", "segue.sin({x} / (1 + {x}.abs()))", "{x}.mean()", "{x} @ {x}.mH", "{x}.clone()", "{x} - 1", "-{x}", "{x}.transpose(0, -1)",
        "{v} = {x} * 1\n{v}.mul_(1j)", "{v} = {x} + 0\n{v}[..., :1] = 2 - 1j", "{v} = {x} * 2\n{v}.real.add_(1)", "{v} = {x} * 1\nsegue.view_as_real({v})[..., 1] *= 0.5", "{v} = {x}.conj() + 1\n{v} += {x}",
        "segue.cat([{x}, {x} * 1j], 0)", "segue.where(segue.ones({x}.shape[-1:]) > 0, {x}, {x} * 0.5j)", "{x}[::2].imag", "{x} ** 2", "segue.tanh({x} * 0.1)", "{x}.cumsum({d})",
    )),
    "promotion": Group(2, "", "same", (
        "{x} + 1", "{x} * 1.5", "{x} * True", "{x} - segue.tensor(2)", "{x} + segue.tensor(0.5, dtype=segue.float64)", "{x} * {y}", "segue.where({x} > 0, 1, 2.5)", "{x} * segue.ones((), dtype=segue.int64)",
        "{x} + segue.ones(1, dtype=segue.float16)", "2 ** ({x} * 0 + 1)", "segue.stack([{x}, {x} * 1.0])", "{x} * segue.tensor(True)", "3 - {x} * 1", "segue.add({x}, {y}, alpha=3)", "{x} // 2", "segue.tensor(1) / ({x} * {x} + 1)",
        "segue.minimum({x}, segue.zeros_like({x}))", "{x} + segue.tensor([1], dtype=segue.uint8)", "{x} * segue.tensor(1.5, dtype=segue.bfloat16)", "{x} + segue.ones(1, dtype=segue.int16)", "{x} * segue.tensor(2j)", "segue.sum({x})", "{x} * segue.tensor(3, dtype=segue.int8)",
    ), ""),
    "products": Group(2, "float rank2", "close", (
        "segue.tanh({x} @ {y})", "segue.tanh({x} @ {y}.transpose(-1, -2))", "segue.tanh({x}.transpose(-1, -2) @ {y})", "segue.tanh({x} @ {x}.mT)",
        "segue.tanh(F.linear({x}, {x}.reshape(-1, {x}.shape[-1])))", "F.scaled_dot_product_attention({x}[None], {x}[None], {x}[None])", "segue.tanh({x}.flatten() @ {x}.flatten())",
    )),
    "images": Group(4, "single image", "close", (
        "segue.tanh(F.conv2d({x}.reshape(-1, 1, *{x}.shape[-2:]), {filter}))", "segue.tanh(F.conv2d({x}.reshape(1, -1, *{x}.shape[-2:])[:, :1], {filter}, padding=1, stride=2))",
        "segue.tanh(F.conv_transpose2d({x}.reshape(-1, 1, *{x}.shape[-2:]), {filter}.reshape(1, 2, 3, 3), stride=2))",
        "segue.tanh(F.conv2d({x}.reshape(1, -1, *{x}.shape[-2:]).repeat(1, 2, 1, 1)[:, :2], {filter}, groups=2, dilation=1, padding='same'))",
        "F.avg_pool2d({x}.reshape(1, -1, *{x}.shape[-2:]), 2, ceil_mode=True)", "F.avg_pool2d({x}.reshape(1, -1, *{x}.shape[-2:]), 3, 1, 1, count_include_pad=False)",
        "F.interpolate({x}.reshape(1, -1, *{x}.shape[-2:]), scale_factor=2, mode='bilinear')", "F.interpolate({x}.reshape(1, -1, *{x}.shape[-2:]), size=(2, 3))",
        "F.unfold({x}.reshape(1, -1, *{x}.shape[-2:]), 2)", "F.lp_pool2d({x}.reshape(1, -1, *{x}.shape[-2:]).abs() + 1, 2, 2)", "F.instance_norm({x}.reshape(1, -1, *{x}.shape[-2:]))",
        "segue.tanh(F.conv3d({x}.reshape(1, 1, -1, *{x}.shape[-2:]), {filter}.reshape(2, 1, 1, 3, 3)))", "F.pad({x}.reshape(1, -1, *{x}.shape[-2:]), (1, 1, 1, 1), mode='reflect')",
        "F.avg_pool2d({x}.reshape(1, -1, *{x}.shape[-2:]), 2)", "F.adaptive_avg_pool2d({x}.reshape(1, -1, *{x}.shape[-2:]), (2, 1))",
        "segue.tanh(F.conv1d({x}.reshape(-1, 1, {x}.shape[-1]), segue.ones(2, 1, 2, dtype={x}.dtype)))", "F.group_norm({x}.reshape(1, -1, *{x}.shape[-2:]), 1)",
    )),
    "pools": Group(2, "float exact image", "same", (
        "F.max_pool2d({x}.reshape(1, -1, *{x}.shape[-2:]), 2)", "F.max_pool2d({x}.reshape(-1, 1, *{x}.shape[-2:]), 3, stride=1, padding=1)",
        "F.adaptive_max_pool2d({x}.reshape(1, -1, *{x}.shape[-2:]), 1)", "F.max_pool1d({x}.reshape(1, -1, {x}.shape[-1]), 2, 1)", "F.pixel_unshuffle({x}[..., :2, :2].reshape(-1, 1, 2, 2), 2)",
        "F.max_pool2d({x}.reshape(1, -1, *{x}.shape[-2:]), 2, return_indices=True)[1]", "F.max_pool2d({x}.reshape(1, -1, *{x}.shape[-2:]), 2, ceil_mode=True)",
    )),
    "gathers": Group(3, "first", "same", (
        "{x}[segue.tensor({places})]", "{x}.index_select(0, segue.tensor({forward}))", "{x}[{places}]", "{x}[None, ..., 0]", "{x}[-1]", "{x}[segue.tensor({places}), ..., :1]",
        "segue.gather({x}, 0, segue.zeros({x}.shape, dtype=segue.int64))", "segue.take_along_dim({x}, segue.zeros({x}.shape, dtype=segue.int64), -1)",
        "F.one_hot(segue.tensor({forward}), {x}.shape[0])", "{x}[segue.tensor({forward})[:, None], ...]", "{x}[segue.arange({x}.shape[0]) % 2 == 0]",
    )),
    "scatters": Group(3, "number first", "same", (
        "{x}.index_add(0, segue.tensor({forward}), {x}[segue.tensor({forward})])", "{x}.index_put((segue.tensor({places}),), {x}[:1] * 2, accumulate=True)",
        "{x}.index_copy(0, segue.tensor({forward}[:1]), {x}[:1] + 1)", "{x}.index_fill(0, segue.tensor({forward}), 2)",
        "segue.scatter({x}, 0, segue.zeros({x}[:1].shape, dtype=segue.int64), {x}[:1] * 2)", "segue.scatter_add({x}, 0, segue.zeros({x}.shape, dtype=segue.int64), {x})",
        "segue.zeros({x}.shape, dtype={x}.dtype).scatter_add(-1, segue.zeros({x}.shape, dtype=segue.int64), {x})",
    )),
    "masks": Group(1, "number exact", "same", ("{x}[{x} > 0]", "segue.nonzero({x})", "segue.masked_select({x}, {x} < 1)", "{x}.masked_fill({x} == {y}, 7)")),
    "joins": Group(2, "rank1", "same", (
        "segue.cat([{x}, {y}], 0)", "segue.stack([{x}, {x}], -1)", "segue.cat([{x}, {y}, {x}], -1)", "segue.stack([{x}, {y}]).sum(0)", "segue.cat([{x}, {x} * 2], {d})[::2]",
    )),
    "casts": Group(2, "", "same", ("{x}.to(segue.{dtype})", "{x}.to({y}.dtype)", "{x}.to(segue.{dtype})", "{x}.type_as({y})", "{x}.double()", "{x}.float()"), ""),
    "whole casts": Group(1, "exact", "same", ("{x}.to(segue.int64)", "{x}.to(segue.int32)", "{x}.bool()", "{x}.to(segue.uint8)", "{x}.to(segue.int8)")),
    "sizes": Group(2, "rank1 number", "same", (
        "{x} * {x}.shape[-1]", "{x} + segue.arange({x}.shape[-1])", "segue.zeros({x}.shape) + {x}", "{x} / max({x}.numel(), 1)", "{x} + len({x})", "{x}.new_zeros({x}.shape) - {x}",
        "{x} * segue.ones_like({x})", "segue.eye({x}.shape[-1]) * 2", "segue.arange({x}.shape[0] * 2).reshape(2, -1)", "{x}[: {x}.shape[0] // 2]", "{x}[{x}.shape[0] // 2 :]",
        "segue.full(({x}.shape[-1], 2), 0.5)", "{x}.reshape({x}.shape[0], -1)", "segue.tensor({x}.shape)", "segue.linspace(0, 1, {x}.shape[-1]) + {x}",
    )),
    "random": Group(2, "", "same", (
        "segue.rand({x}.shape)", "segue.randint(0, 5, {x}.shape)", "segue.randperm(5)", "segue.bernoulli(segue.full({x}.shape, 0.3))", "segue.rand(3) + segue.rand(3)",
    )),
    "random floats": Group(1, "float", "same", ("F.dropout({x}, 0.4)", "segue.rand_like({x})", "F.dropout({x}, 0.5, training=flag0)", "{x} * segue.rand(1)")),
    "normals": Group(1, "", "close", ("segue.randn({x}.shape)", "segue.poisson(segue.full({x}.shape, 2.0))", "segue.distributions.Gamma(segue.full({x}.shape, 1.5), 2.0).sample()", "segue.zeros({x}.shape).normal_()", "segue.randn(2, 3) * 0.5")),
    "in place": Group(4, "float", "write", (
        "{x}.mul_(0.5)", "{x}.add_(1)", "{x} += {y}", "{x}.sub_({y})", "{x}.copy_({y})", "{x}.zero_()", "{x}.fill_(0.25)", "{x} *= 0.5", "{x}.div_(2)", "{x}.neg_()",
        "{x}.unsqueeze_(0)", "{x}.add_({x})", "{x}.t_()",
    )),
    "kinks in place": Group(1, "float exact", "write", ("{x}.clamp_(-1, 1)", "{x}.relu_()", "{x}.masked_fill_({x} < 0, 0.5)", "{x}[{x} < 0] = 0.125", "{x}.uniform_()", "{x}.abs_()")),
    "parts in place": Group(4, "float first", "write", (
        "{x}[0].mul_(2)", "{x}[0] = 0.5", "{x}[..., :1] += 1", "{x}.select(0, -1).zero_()", "{x}.transpose(0, -1)[0] = {y}.sum() * 0 + 3", "{x}[1:] = {x}[:-1]",
        "{x}.view(-1)[::2].neg_()", "{x}[segue.tensor({places})] = 2.5", "{x}.index_add_(0, segue.tensor({forward}), {x}[segue.tensor({forward})].clone())", "{x}[:1].copy_({y}[:1])",
        "{x}.scatter_(0, segue.zeros({x}[:1].shape, dtype=segue.int64), 2.0)", "{x}.flatten()[:1].add_(1)", "{x}.index_put_((segue.tensor({forward}),), {x}[0] * 0 + 1)",
        "{x}[segue.tensor({places}), ...] += 1", "{x}[..., None, 0] = 3", "{x}[{x} > 100] = {y}.sum() * 0", "{x}[segue.tensor({places})[:, None], 0] = 1.5", "{x}.index_copy_(0, segue.tensor({forward}[:1]), {x}[:1] * 2)",
        "{x}.index_fill_(0, segue.tensor({forward}), 0.5)", "{x}.scatter_add_(0, segue.zeros({x}[:1].shape, dtype=segue.int64), {x}[:1].clone())", "{x}.transpose(0, -1)[..., 1:].mul_(0.5)", "{x}[0].view(-1)[:1].copy_({y}[0].reshape(-1)[:1])",
        "{x}.unsqueeze(0).squeeze(0)[0] = 2", "{x}[:1], {x}[-1:] = {x}[-1:] * 2, {x}[:1] * 0.5", "{x}.narrow(0, 0, 1).fill_(4)", "{x}.masked_scatter_({x} > 100, {x}.clone())", "{x}.flip(0)[0] = 1", "{x}[...] = 0.75", "{x}.put_(segue.tensor([0]), {x}[:1].flatten()[:1].clone())",
        "{x}[::2, None] *= 0.5", "{x}.unfold(0, 1, 1).add_(1)", "{x}.unfold(0, 2, 1)[-1].mul_(2)", "{x}.contiguous().as_strided((1, 1), (1, 1)).add_(1)", "{x}.diagonal(0, 0, -1).mul_(2)", "{x}[[0]] = {y}[0]",
    )),
    "views in place": Group(2, "float first", "same", (
        "{v} = {x}.unsqueeze(0)[..., :1]\n{v}.mul_(2)", "{v} = {x}.view(-1)[1:]\n{v}[::2] = 0.5", "{v} = {x}.detach()\n{v}.add_(1)", "{v} = {x}.transpose(0, -1)\n{x}.mul_(2)\n{v}[..., :1] += 1",
        "{v} = {x}[0]\nw = {v}[None]\nw.mul_(3)", "{v} = {x}.diagonal(0, 0, -1)\n{x}[0] = 1", "{v}, w = {x}[:1], {x}[1:]\n{v} += 1\nw *= 2", "{v} = {x}.expand(2, *{x}.shape)\n{x}.add_(1)", "{v} = {x}.flatten()\n{v}[0] = 7",
        "{v} = {x}.clone()\nw = {v}[-1:]\n{v}.zero_()\nw.add_({y}[:1])", "{v} = {x}.unfold(0, 1, 1)\n{x}.neg_()", "with segue.no_grad():\n    {x}[:1].mul_(2)\n{v} = {x} + 1", "{v} = {x}.unbind(0)[0]\n{x}.div_(2)", "{v} = {x}.split(1)[-1]\n{x}[-1:] = {x}[:1] * 3",
        "{v} = {x}.view({x}.shape)\n{v}.copy_({y})", "{v} = {x} * 1\n{v}.t_()\n{v}.unsqueeze_(0)", "{v} = {x}[..., :1].expand({x}.shape)\n{x}[..., 0].add_(1)", "{v} = segue.zeros(3, *{x}.shape, dtype={x}.dtype)\n{v}[1] = {x}\n{v}[2].add_({x})",
    )),
    "whole in place": Group(1, "integer", "write", ("{x}.add_(2)", "{x} += {y}", "{x}.mul_(3)", "{x} //= 2", "{x}.bitwise_and_(3)", "{x}.fill_(4)", "{x}.sub_({y})", "{x} <<= 1")),
    "whole parts in place": Group(1, "integer first", "write", (
        "{x}[0] = 3", "{x}[..., :1] += 1", "{x}.view(-1)[::2].mul_(-1)", "{x}[segue.tensor({places})] = 2", "{x}[1:] = {x}[:-1]", "{x}.transpose(0, -1)[0] = 5", "{x}[{x} > 2] = 1",
        "{x}.scatter_add_(0, segue.zeros({x}[:1].shape, dtype=segue.int64), {x}[:1].clone())", "{x}[:1].copy_({y}[:1])", "{x}[0] -= {x}[-1]",
    )),
    "logic in place": Group(1, "bool", "write", (
        "{x} &= {y}", "{x} |= {y}", "{x}.logical_not_()", "{x}.fill_(True)", "{x}[..., :1] = False", "{x}.copy_({y})", "{x}[None][0].logical_not_()", "{x} ^= True",
    ), "bool"),
    "branches": Group(3, "number", "same", (
        "{x} * 2 if {test} else {x} - 1", "{v} = {x}\nif {test}:\n    {v} = {v} + 1\nelse:\n    {v} = {v} * {v}", "{x} + (1 if {test} and {x}.ndim else 2)",
        "{v} = {x} * 1\nif not {test}:\n    {v} += 1", "{x} * {{True: 2, False: 3}}[bool({test})]",
    )),
    "loops": Group(2, "number", "same", (
        "{v} = {x} + 0\nfor i in range({few}):\n    {v} = {v} * 0.5 + i", "{v} = {x} + 0\nfor i in range({few}):\n    {v} += i", "sum([{x} * k for k in (1, 2)])",
        "{v} = {x}\nn = {few}\nwhile n > 0:\n    {v} = {v} - n\n    n -= 1", "{v} = {x}\nfor i, k in enumerate((1, 0.5)):\n    if i:\n        continue\n    {v} = {v} * k",
        "[t * k for k, t in zip((1, 2), ({x}, {x} + 1))][-1]", "{v} = {x}\nfor t, *rest in [({x}, 1, 2)]:\n    {v} = t + len(rest)", "max(({x}, {x} * 2), key=lambda t: t.ndim)", "(w := {x} + 1) * w",
        "def made():\n    yield {x}\n    yield {x} * 2\n{v} = sum(made())", "{v} = dict(a={x}, **{{'b': {x} * 2}})['b']", "list(map(lambda t: t * 2, [{x}]))[0]", "{v} = {x}\nfor i in range(3):\n    if i == 1:\n        break\n    {v} = {v} * 2\nelse:\n    {v} = {v} + 9",
        "{x} * len(f'{{{x}.ndim}} {{{x}.shape[0] if {x}.ndim else 1}}')", "(lambda *t, k=2: t[-1] * k)(*[{x}, {x} + 1])",
        "(lambda t, *more: t + len(more))({x}, 1, 2)", "{v}, w = {x} + 1, {x} * 2\n{v} = {v} + w", "{v} = {x} * 0\nfor t in {y}.reshape(-1)[:2]:\n    {v} = {v} + t",
    )),
    "data": Group(2, "number exact some", "same", (  # Python looks at values: the graph breaks
        "{x} * 2 if ({x} > 0).sum().item() > 1 else {x} - 1", "{v} = {x}\nif {x}.max() > 1:\n    {v} = {v} * 0.5", "{x} * float({x}.reshape(-1)[0])", "segue.tensor({x}.tolist())",
        "{x}[: int(({x} > 0).sum())] if {x}.ndim else {x}", "segue.from_numpy({x}.detach().numpy() * 1)", "{v} = {x} + bool({x}.any())", "{x} + max({x}.detach().reshape(-1).tolist()[:3])",
    )),
    "breaks": Group(3, "number", "same", (
        "print('x', {x}.shape)\n{v} = {x} + 1", "segue.compiler.graph_break()\n{v} = {x} * 2", "opaque({x})", "opaque({x}) + opaque({x} * 0.5)",
        "{v} = {x} + 0\nfor i in range(2):\n    {v} = {v} * 0.5\n    segue.compiler.graph_break()", "with segue.no_grad():\n    print('inside')\n    {v} = {x} * 2",
        "try:\n    {v} = opaque({x}) * 2\nfinally:\n    state['count'] += 1", "{v} = {x} * 1\ntry:\n    raise ValueError('no')\nexcept ValueError as error:\n    {v} = {v} + len(str(error))",
        "with segue.no_grad():\n    {v} = {x} * 3", "{v} = [opaque(t) for t in ({x}, {x} * 2)][1]",
    )),
    "world": Group(3, "number", "same", (
        "{x} * scale", "helper({x})", "{x} * 2 if state['mode'] == 'double' else {x} * 3", "box({x})", "state['count'] += 1\n{v} = {x} + state['count']", "box.gain = 0.25\n{v} = box({x})",
        "log.append({x}.ndim)\n{v} = {x} + len(log)", "state['last'] = {x}.detach()\n{v} = {x} * 2", "{x} + getattr(box, 'gain', 1)", "{v} = {x} + len(state)\nstate['new' + str(len(log))] = 1",
    )),
    "derivatives": Group(1, "float", "close", (
        "segue.autograd.grad(({x} * {x}).sum(), {x}, allow_unused=True)[0] if {x}.requires_grad else {x}", "segue.func.grad(lambda t: (t * t).sum())({x}.detach())", "segue.func.vmap(lambda t: t * 2 + 1)({x}[None])[0]",
        "w = {x}.detach().requires_grad_()\n(w * w * 0.5).sum().backward()\n{v} = w.grad + {x}", "with segue.enable_grad():\n    {v} = {x} * 2", "segue.func.jvp(lambda t: t.sin(), ({x}.detach(),), ({x}.detach(),))[1]",
        "w = ({x} * 2).detach().requires_grad_()\n{v} = segue.autograd.grad((w ** 3).sum(), w, create_graph=True)[0]", "{x}.detach().requires_grad_() * 2",
        "w = {x} * 2\n{v} = w.sin()\nif w.requires_grad:\n    w.register_hook(lambda g: g * 2)", "w = {x} * 2\n{v} = w.sin() + {x}\nw.detach_()\nw.mul_({v})\n{v} = {v} + w",
        "segue.autograd.grad(({x} * {y}.sum()).sum(), {y}, retain_graph=True)[0].sum() + {x} if {x}.requires_grad and {y}.requires_grad else {x}",
    )),
    "autocast": Group(1, "float32 rank2", "close", ("with segue.autocast('cpu', dtype=segue.bfloat16):\n    {v} = segue.tanh({x} @ {x}.mT)", "with segue.autocast('cpu', dtype=segue.bfloat16):\n    {v} = {x} * 2 + {y}")),
    "containers": Group(3, "number", "same", (
        "items.append({x})\n{v} = items[-1] * 2", "{v} = {x} + items[0]\nitems[0] = 5", "{v} = {x} * table['b']\ntable['c'] = {x}", "{v} = {x} + len(items)\nitems.extend([1, {x}])",
        "{v} = {x} * 1\nfor item in items[:1]:\n    {v} = {v} + item", "items[1].mul_(2)\n{v} = {x} + items[1].sum()", "table['a'] += 1\n{v} = {x} - table['a'].sum()",
        "{v} = {x} * items.pop()", "table.update(b=3, d={x} * 2)\n{v} = table['d']", "{v} = {x} * table.get('none', 2)", "items.insert(0, 2)\n{v} = {x} * items[0]", "sorted(table)[0] == 'a' and {x}",
        "items.reverse()\n{v} = {x} + len(items)", "{v} = {x} - table.pop('b', 1)", "{v} = {x} * sum(i for i in items if not isinstance(i, segue.Tensor))",
    )),
    "models": Group(3, "float32 last", "close", ("{model}({x})", "segue.tanh({model}({x}))", "{model}({x}.detach())")),
    "steps": Group(2, "float32 last", "close", (
        "optimizer = {optimizer}\nloss = ({model}({x}) ** 2).mean()\noptimizer.zero_grad()\nloss.backward()\noptimizer.step()\n{v} = loss.detach()",
        "optimizer = {optimizer}\nloss = {model}({x}.detach()).sum()\nloss.backward()\noptimizer.step()\noptimizer.zero_grad()\n{v} = {x} * 2",
    )),
    "losses": Group(1, "float rank2 last", "close", (
        "F.cross_entropy({x}.reshape(-1, {x}.shape[-1]), segue.zeros({x}.reshape(-1, {x}.shape[-1]).shape[0], dtype=segue.int64))", "F.l1_loss({x}, {x} + 1.5)",
        "F.binary_cross_entropy_with_logits({x}, segue.ones_like({x}) * 0.5)", "F.huber_loss({x}, {x} * 0)", "F.embedding(segue.tensor({forward}), {x}.reshape(-1, {x}.shape[-1])[:9])",
        "F.nll_loss(F.log_softmax({x}.reshape(-1, {x}.shape[-1]), -1), segue.zeros({x}.reshape(-1, {x}.shape[-1]).shape[0], dtype=segue.int64))",
    )),
    "arrays": Group(1, "number", "same", ("{x} + segue.tensor({array})", "segue.tensor({array}).sum() * 0 + {x}", "segue.from_numpy({array}.copy()) * 2", "{x} * {array}.shape[0]")),
}  # fmt: skip

MODELS: dict[str, Callable[[Any], str | None]] = {  # name -> the module that takes {x}, or None where none fits
    "linear": lambda t: f"nn.Linear({t.shape[-1]}, 3)",
    "mlp": lambda t: f"nn.Sequential(nn.Linear({t.shape[-1]}, 5), nn.Tanh(), nn.Dropout(0.25), nn.Linear(5, 2, bias=False))",
    "norm": lambda t: f"nn.Sequential(nn.LayerNorm({t.shape[-1]}), nn.GELU(), nn.Linear({t.shape[-1]}, 2))",
    "batch norm": lambda t: f"nn.Sequential(nn.BatchNorm1d({t.shape[-1]}), nn.Sigmoid())" if t.ndim == 2 and t.shape[0] > 1 else None,
    "prelu": lambda t: f"nn.Sequential(nn.PReLU(), nn.Linear({t.shape[-1]}, 2), nn.Softplus())",
    "group norm": lambda t: f"nn.Sequential(nn.GroupNorm(1, {t.shape[1]}), nn.SiLU())" if t.ndim >= 2 and t.shape[1] > 0 and t.numel() > 1 else None,
    "convolution": lambda t: f"nn.Sequential(nn.Conv2d({t.shape[-3]}, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Tanh())" if t.ndim >= 3 and t.numel() > 4 else None,
}
OPTIMIZERS = ("SGD({}.parameters(), lr=0.05, momentum=0.9)", "SGD({}.parameters(), lr=0.1)", "Adam({}.parameters(), lr=0.01)", "AdamW({}.parameters(), lr=0.01)")
CHANGES = (  # what may change in the world before a call
    "scale = 0.5", "change(0.25)", "state['mode'] = 'other'", "box.gain = 2.0", "log.clear()", "state['count'] = 3", "scale = 3", "helper = opaque",
    "box.__class__.__call__ = lambda self, x: x - self.gain", "segue.manual_seed(5)",
)  # fmt: skip
