"""The public operators against PyTorch: values, dtypes, gradients, and the class of errors, from one table of expressions."""

import numpy as np
import pytest

import segue

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.torch

CASES = """
x + y | x * y - 2 | 3 - x | x / y | x // 2 | x % 0.7 | -x | abs(x) | x ** 2 | x ** 3 | x ** -1 | x ** 0.5 | 2 ** x | x @ y.t()
M.add(x, y, alpha=2) | M.sub(x, y, alpha=0.5) | M.div(x, y, rounding_mode="floor") | M.div(x, y, rounding_mode="trunc") | M.remainder(x, y)
M.fmod(x, y) | M.exp(x) | M.log(x.abs() + 1) | M.sqrt(x.abs()) | M.rsqrt(x.abs() + 1) | M.sin(x) + M.cos(x) | M.tanh(x) | M.sigmoid(x)
M.erf(x) | M.expm1(x) | M.log1p(x.abs()) | M.atan2(x, y) | M.maximum(x, y) | M.minimum(x, y) | M.clamp(x, -0.5, 0.5) | M.clamp(x, min=0.1)
x.clip(-1, 1) | M.where(x > y, x, y) | M.lerp(x, y, 0.3) | x.sum() | x.sum(0) | x.sum((0, 1)) | x.sum(-1, keepdim=True) | x.mean()
x.mean(1) | x.var() | x.var(0, unbiased=False) | x.std(1) | x.prod(0) | x.norm() | x.norm(1, 0) | x.amax(1) | x.amin() | x.max()
x.max(1).values | x.max(1).indices | x.min(0, keepdim=True).values | x.argmax() | x.argmin(1) | x.any() | (x > 0).all(0) | x.logsumexp(1)
F.softmax(x, 1) | F.log_softmax(x, 0) | x.softmax(-1) | x.cumsum(1) | x.sort(1).values | x.sort(0, descending=True).indices
x.topk(2, 1).values | x.argsort(1) | x.view(-1) | x.reshape(2, -1) | x.t() | x.transpose(0, 1) | x.permute(1, 0) | x.flatten()
x.unsqueeze(1) | x.unsqueeze(0).squeeze(0) | x.expand(2, 4, 6) | x.unfold(1, 2, 2) | x[0] | x[:, 1] | x[1:3, ::2] | x[..., -1] | x[None]
x[[0, 2]] | x[[0, 1], [1, 2]] | x[x > 0] | x[:, [0, 2]] | x[M.tensor([1, 0])] | x.narrow(1, 1, 2) | x.select(0, 2) | M.cat([x, y])
M.cat([x, y], 1) | M.stack([x, y], 1) | x.chunk(2, 1)[1] | x.split(2)[0] | x.split([1, 3])[1] | x.unbind(1)[2] | x.repeat(2, 1) | x.tile(2)
M.flip(x, (1,)) | x.roll(1, 0) | x.diagonal() | M.diag(x[0]) | M.tril(x) | M.triu(x, 1) | x.repeat_interleave(2, 1) | x.movedim(0, 1)
M.meshgrid(x[0], y[0], indexing="ij")[1] | x.gather(1, i) | x.scatter(1, i, y[:, :3]) | x.scatter_add(1, i, y[:, :3])
x.index_select(1, i[0]) | x.index_add(1, i[0], y[:, :3]) | x.masked_fill(x > 0, 5.0) | x.int() | x.double() | x.long() + 1.5 | x.bool()
(x > 0) + 1 | (x > 0) & (y > 0) | ~(x > 0) | x.to(M.float64) + y | x.round() | x.floor() | x.ceil() | x.trunc() | x.sign() | F.relu(x)
F.gelu(x) | F.gelu(x, approximate="tanh") | F.silu(x) | F.elu(x) | F.leaky_relu(x) | F.softplus(x) | F.hardswish(x) | F.mish(x)
F.logsigmoid(x) | F.glu(x, 1) | F.linear(x, y) | F.layer_norm(x, (6,), y[0], y[1]) | F.group_norm(x.view(2, 4, 3), 2) | F.embedding(i, x)
F.normalize(x, dim=1) | F.cosine_similarity(x, y) | F.mse_loss(x, y) | F.l1_loss(x, y) | F.smooth_l1_loss(x, y) | F.huber_loss(x, y)
F.cross_entropy(x, i[:, 0]) | F.nll_loss(x, i[:, 0]) | F.kl_div(x, y.abs()) | F.cross_entropy(x, i[:, 0], label_smoothing=0.1)
F.cross_entropy(x, y.softmax(1)) | F.cross_entropy(x, i[:, 0], reduction="none", ignore_index=1)
F.binary_cross_entropy(x.sigmoid(), y.sigmoid()) | F.binary_cross_entropy_with_logits(x, y.sigmoid())
F.nll_loss(x, i[:, 0], weight=y[0].detach().abs(), reduction="mean") | F.conv2d(c, w) | F.conv2d(c, w, stride=2, padding=1)
F.conv2d(c, w[:, :1], groups=2) | F.conv2d(c, w, dilation=2, padding=2) | F.conv2d(c, w, padding="same") | F.max_pool2d(c, 2)
F.max_pool2d(c, 3, 2, 1) | F.avg_pool2d(c, 2) | F.avg_pool2d(c, 3, 2, 1) | F.adaptive_avg_pool2d(c, 1) | F.adaptive_avg_pool2d(c, 2)
F.pad(c, (1, 2, 0, 1)) | F.batch_norm(c, None, None, training=True) | F.scaled_dot_product_attention(c, c, c, is_causal=True)
F.scaled_dot_product_attention(c, c, c) | F.conv1d(c[:, :, 0], w[:, :, 0]) | M.matmul(c, c.transpose(-1, -2)) | c @ c[0, 0] | x @ y[0]
y[0] @ x.t() | M.outer(x[0], y[0]) | M.addmm(x, y, M.ones(6, 6)) | c.flatten(1) | c.mean((2, 3)) | c.permute(0, 2, 3, 1)
"""
EXPRESSIONS = [case.strip() for case in CASES.replace("\n", " | ").split("|") if case.strip()]


def inputs(module, wants):
    numbers = np.random.default_rng(0)

    def floats(*shape):
        tensor = module.from_numpy(numbers.normal(size=shape).astype(np.float32))
        return tensor.requires_grad_() if wants else tensor

    return {
        "x": floats(4, 6), "y": floats(4, 6), "c": floats(2, 2, 5, 5), "w": floats(4, 2, 3, 3),
        "i": module.from_numpy(numbers.integers(0, 3, (4, 3))), "M": module, "F": module.nn.functional,
    }  # fmt: skip


def evaluate(module, expression, wants):
    names = inputs(module, wants)
    return names, eval(expression, names)


def array(tensor):
    return tensor.detach().numpy()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_values_dtypes_and_gradients(expression):
    ours, found = evaluate(segue, expression, True)
    theirs, expected = evaluate(torch, expression, True)
    assert str(found.dtype).split(".")[1] == str(expected.dtype).split(".")[1]
    assert tuple(found.shape) == tuple(expected.shape)
    np.testing.assert_allclose(array(found), array(expected), rtol=2e-5, atol=2e-6)
    if not expected.requires_grad or not found.requires_grad:
        # A floored quotient has a zero gradient in PyTorch and none here.
        assert found.requires_grad == expected.requires_grad or "floor" in expression or "//" in expression
        return
    weights = np.cos(np.arange(expected.numel())).reshape(tuple(expected.shape)).astype(np.float32)
    found.backward(segue.from_numpy(weights).to(found.dtype))
    expected.backward(torch.from_numpy(weights).to(expected.dtype))
    for name in "xycw":
        a, b = ours[name].grad, theirs[name].grad
        if b is None:
            assert a is None or not array(a).any(), name
        else:
            np.testing.assert_allclose(array(a), array(b), rtol=2e-4, atol=2e-5, err_msg=name)


ERRORS = """
x + c[0, 0] | x @ y | x.view(5) | x.reshape(7, -1) | x[4] | x[0, 0, 0] | x.sum(2) | M.cat([x, c]) | M.stack([x, x[0]]) | x.squeeze(5)
x.transpose(0, 3) | x.expand(3, 6) | F.linear(x, w[0, 0]) | F.conv2d(x, w) | F.conv2d(c, w, groups=3) | F.layer_norm(x, (5,))
F.cross_entropy(x, i[:2, 0]) | x.long() ** -1 | M.mean(i) | i.requires_grad_() | x.item() | x.unsqueeze(4) | x.chunk(0) | x.split([1, 1])
x.permute(0) | x.gather(1, y) | x.index_select(0, y[0]) | x.long() & y | bool(x) | M.where(x, x, y) | x.detach().long().add_(1.5)
"""
MISTAKES = [case.strip() for case in ERRORS.replace("\n", " | ").split("|") if case.strip()]


@pytest.mark.parametrize("expression", MISTAKES)
def test_mistakes_raise_what_pytorch_raises(expression):
    with pytest.raises(Exception) as expected:  # noqa: B017
        evaluate(torch, expression, False)
    kind = RuntimeError if expected.type is NotImplementedError else expected.type  # PyTorch says "not implemented" of wrong dtypes
    with pytest.raises(kind):
        evaluate(segue, expression, False)
