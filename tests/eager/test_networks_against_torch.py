"""The functions of neural networks against PyTorch: values, gradients, captured as one graph, and the class of errors, from tables of expressions."""

import warnings

import numpy as np
import pytest

import segue

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

# x, y (4, 6); s (2, 4, 9); c (2, 4, 7, 6); v (2, 2, 4, 5, 4); w1, w2, w3: weights of 4 channels by 2; u (1, 8, 5); i classes; t1 targets of 1 and -1
CASES = """
F.conv1d(s, w1, stride=2, padding=1, groups=2) | F.conv1d(s[0], w1, dilation=2, groups=2) | F.conv1d(s, w1, padding="same", groups=2)
F.conv2d(c, w2, padding=(1, 0), groups=2) | F.conv2d(c, w2[:, :1], groups=4) | F.conv2d(c, w2, padding="same", dilation=(1, 2), groups=2)
F.conv3d(v, w3[:, :, :2], padding=1, stride=(1, 2, 1)) | F.conv3d(v, w3[:, :1], groups=2) | F.conv_transpose1d(s, w1, groups=1)
F.conv_transpose1d(s, w1, stride=3, padding=1, output_padding=2, groups=2) | F.conv_transpose2d(c, w2, stride=2, padding=1, output_padding=1)
F.conv_transpose2d(c[0], w2, dilation=3, output_padding=2) | F.conv_transpose3d(v[:, :, :2], w3[:2], stride=2) | F.max_pool1d(s, 3, 2, 1)
F.max_pool2d(c, (3, 2), 2, 1, ceil_mode=True) | F.max_pool2d(c, 2, 1, dilation=2) | F.max_pool3d(v, 2, padding=1) | F.max_pool2d(c[0], 2)
F.avg_pool1d(s, 3, 2, 1) | F.avg_pool2d(c, 3, 2, 1, ceil_mode=True) | F.avg_pool2d(c, 3, 2, 1, ceil_mode=True, count_include_pad=False)
F.avg_pool2d(c, 2, divisor_override=3) | F.avg_pool3d(v, 2, 1, 1, count_include_pad=False) | F.lp_pool1d(s, 3, 2) | F.lp_pool2d(c.abs(), 2, 3)
F.adaptive_avg_pool1d(s, 4) | F.adaptive_avg_pool2d(c, (3, None)) | F.adaptive_avg_pool3d(v, (2, 3, 3)) | F.adaptive_max_pool1d(s, 4)
F.adaptive_max_pool2d(c, (3, 4)) | F.adaptive_max_pool3d(v, 2) | F.max_unpool2d(*F.max_pool2d(c, 2, return_indices=True), 2, output_size=(7, 6))
F.max_unpool1d(*F.max_pool1d(s, 3, return_indices=True), 3) | F.adaptive_max_pool2d(c, 3, return_indices=True)[1]
F.fractional_max_pool2d(c, 2, (3, 3), _random_samples=M.full((2, 4, 2), 0.3, dtype=M.float64)) | F.interpolate(s, 5) | F.interpolate(c, scale_factor=1.7)
F.interpolate(c, (9, 5), mode="bilinear") | F.interpolate(c, scale_factor=(1.5, 2.3), mode="bilinear", align_corners=True)
F.interpolate(c, scale_factor=1.7, mode="bicubic") | F.interpolate(c, (4, 9), mode="bicubic", align_corners=True) | F.interpolate(s, 14, mode="linear")
F.interpolate(v, (3, 4, 7), mode="trilinear") | F.interpolate(c, (3, 4), mode="area") | F.interpolate(c, (11, 4), mode="nearest-exact")
F.interpolate(c, (3, 4), mode="bilinear", antialias=True) | F.interpolate(c, (3, 8), mode="bicubic", antialias=True)
F.interpolate(c, scale_factor=0.6, mode="bilinear", recompute_scale_factor=True) | F.upsample_bilinear(c, scale_factor=2) | F.upsample_nearest(c, 5)
F.grid_sample(c, g * 1.3) | F.grid_sample(c, g * 1.3, padding_mode="border", align_corners=True) | F.grid_sample(c, g * 1.7, padding_mode="reflection")
F.grid_sample(c, g, mode="nearest") | F.grid_sample(c, g, mode="bicubic", padding_mode="reflection") | F.grid_sample(c, g, mode="bicubic")
F.grid_sample(v, g3, align_corners=True) | F.affine_grid(theta, (2, 3, 4, 5), align_corners=False) | F.affine_grid(theta, (2, 3, 4, 5), align_corners=True)
F.pad(c, (2, 1, 3, 0), mode="reflect") | F.pad(c, (2, 1, 3, 0), mode="replicate") | F.pad(c, (2, 1, 3, 0), mode="circular") | F.pad(s, (-1, 2), value=2.0)
F.unfold(c, (3, 2), dilation=(1, 2), padding=1, stride=2) | F.fold(F.unfold(c, 2, padding=1, stride=2), (7, 6), 2, padding=1, stride=2)
F.fold(F.unfold(c, 3, dilation=2), (7, 6), 3, dilation=2) | F.pixel_shuffle(c, 2) | F.pixel_unshuffle(c[..., :6, :], 2) | F.channel_shuffle(c, 2)
F.celu(x, 1.3) | F.selu(x) | F.hardshrink(x) | F.softshrink(x, 0.3) | F.tanhshrink(x) | F.softsign(x) | F.hardsigmoid(x * 3) | F.hardtanh(x, -0.4, 0.7)
F.relu6(x * 5) | F.threshold(x, 0.1, 20) | F.prelu(c, y[0, :4]) | F.rrelu(x) | F.softmin(x, 1) | F.softplus(x, 2, 1) | F.prelu(x, y[0, :1])
F.instance_norm(c) | F.instance_norm(c, weight=y[0, :4], bias=y[1, :4]) | F.local_response_norm(c, 3) | F.rms_norm(x, (6,), y[0]) | F.normalize(c, 3, 2)
F.batch_norm(c, M.zeros(4, dtype=M.float64), M.ones(4, dtype=M.float64), y[0, :4], y[1, :4]) | F.group_norm(c, 2, y[0, :4], y[1, :4])
F.pairwise_distance(x, y, 3, keepdim=True) | F.bilinear(x, y[:, :3], w4, y[0, :5]) | F.cosine_similarity(x[:, None], y[None], -1)
F.embedding(i, x, 1) | F.embedding(i, x, scale_grad_by_freq=True) | F.embedding_bag(i, x) | F.embedding_bag(i, x, mode="max", padding_idx=1)
F.embedding_bag(i.reshape(-1), x, M.tensor([0, 3, 3, 9]), mode="sum", per_sample_weights=y.reshape(-1)[:12]) | F.one_hot(i, 5)
F.embedding_bag(i.reshape(-1), x, M.tensor([0, 3, 3, 9]), mode="mean", padding_idx=2) | F.embedding_bag(i.reshape(-1), x, M.tensor([0, 5, 12]), include_last_offset=True)
F.scaled_dot_product_attention(c, c, c, attn_mask=mask) | F.scaled_dot_product_attention(c, c[:, :2], c[:, 2:], enable_gqa=True, scale=0.3)
F.scaled_dot_product_attention(x[:, :0], y[:, :0], y) | F.scaled_dot_product_attention(x, y, y, attn_mask=y @ x.t()) | F.mse_loss(x, y, weight=y.abs()) | F.huber_loss(x, y, delta=0.4, reduction="sum")
F.binary_cross_entropy((x > 0).to(M.float64) * x.sigmoid(), y.detach().sigmoid()) | F.binary_cross_entropy_with_logits(x, y.sigmoid(), pos_weight=y[0].detach().abs())
F.kl_div(x, y.softmax(1), reduction="batchmean") | F.kl_div(x, y, log_target=True, reduction="sum") | F.poisson_nll_loss(x, y.abs() * 3, full=True)
F.gaussian_nll_loss(x, y, y.abs(), full=True) | F.gaussian_nll_loss(x, y, y[:, :1].abs(), reduction="none") | F.hinge_embedding_loss(x, t1)
F.margin_ranking_loss(x, y, t1, 0.2) | F.cosine_embedding_loss(x, y, t1[:, 0], 0.1) | F.triplet_margin_loss(x, y, x * y, swap=True)
F.triplet_margin_with_distance_loss(x, y, x * y, margin=0.7) | F.soft_margin_loss(x, t1) | F.multilabel_margin_loss(x, i6) | F.multi_margin_loss(x, i[:, 0], 2)
F.multi_margin_loss(x, i[:, 0], weight=y[0].detach()) | F.multilabel_soft_margin_loss(x, y.sigmoid(), y[0]) | F.smooth_l1_loss(x, y, beta=0.3)
F.cross_entropy(x, i[:, 0], y[0].detach().abs(), label_smoothing=0.2) | F.cross_entropy(s, i[:2, :1].expand(2, 9)) | F.cross_entropy(x[0], i[0, 0], ignore_index=0)
F.linear_cross_entropy(x, y, i[:, 0]) | F.ctc_loss(s.permute(2, 0, 1).log_softmax(2), i[:2, :2] + 1, (9, 7), (2, 1))
F.ctc_loss(s.permute(2, 0, 1).log_softmax(2), M.tensor([1, 1, 1, 2, 3]), (5, 9), (3, 2), reduction="none") | F.l1_loss(x, y, size_average=False)
F.multi_head_attention_forward(u, u, u, 4, 2, wqkv, None, None, None, False, 0.0, wo, None)[0]
F.multi_head_attention_forward(u, u * 2, u, 4, 2, wqkv, None, None, None, True, 0.0, wo, None, attn_mask=u[:, 0, :1] @ u[:, 0, :1].t())[1]
"""
EXPRESSIONS = [case.strip() for case in CASES.replace("\n", " | ").split("|") if case.strip()]
FLOATS = {
    "x": (4, 6), "y": (4, 6), "s": (2, 4, 9), "c": (2, 4, 7, 6), "v": (2, 2, 4, 5, 4), "w1": (4, 2, 3), "w2": (4, 2, 3, 2), "w3": (4, 2, 3, 2, 2),
    "w4": (5, 6, 3), "g": (2, 3, 5, 2), "g3": (2, 2, 3, 2, 3), "theta": (2, 2, 3), "u": (5, 2, 4), "wqkv": (12, 4), "wo": (4, 4),
}  # fmt: skip


def names_of(module, wants):
    numbers = np.random.default_rng(0)
    names = {"M": module, "F": module.nn.functional}
    for name, shape in FLOATS.items():
        tensor = module.from_numpy(numbers.normal(size=shape))
        names[name] = tensor.requires_grad_() if wants else tensor
    names["i"] = module.from_numpy(numbers.integers(0, 3, (4, 3)))
    names["i6"] = module.from_numpy(np.array([[3, 0, -1, 1, -1, 2], [1, -1, 2, 2, 2, 2], [-1] * 6, [0, 1, 2, 3, 4, 5]]))
    names["t1"] = module.from_numpy(np.sign(numbers.normal(size=(4, 6))))
    mask = numbers.random((7, 7)) > 0.4
    mask[2] = False
    names["mask"] = module.from_numpy(mask)
    return names


def array(tensor):
    return tensor.detach().numpy()


def gradients(module, names, result):
    if not result.requires_grad:
        return {}
    weights = np.cos(np.arange(max(result.numel(), 1))).reshape(tuple(result.shape))
    result.backward(module.from_numpy(weights).to(result.dtype))
    return {name: array(names[name].grad) for name in FLOATS if names[name].grad is not None}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_values_and_gradients(expression):
    ours, theirs = names_of(segue, True), names_of(torch, True)
    found, expected = eval(expression, ours), eval(expression, theirs)
    assert str(found.dtype).split(".")[1] == str(expected.dtype).split(".")[1] and tuple(found.shape) == tuple(expected.shape)
    np.testing.assert_allclose(array(found), array(expected), rtol=1e-6, atol=1e-7)
    a, b = gradients(segue, ours, found), gradients(torch, theirs, expected)
    for name in b:
        np.testing.assert_allclose(a.get(name, 0.0), b[name], rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("start", range(0, len(EXPRESSIONS), 12))
def test_captured_as_one_graph_with_equal_values(start):
    """Twelve expressions at a time: the operators behind them never break a graph (those that read sizes out of tensors are left out)."""
    reads_sizes = ("M.tensor(", "kl_div(x, y.softmax(1), reduction=", "gaussian")
    chosen = [e for e in EXPRESSIONS[start : start + 12] if not any(word in e for word in reads_sizes)]
    arguments = ", ".join([*FLOATS, "i", "i6", "t1", "mask"])
    scope = {"M": segue, "F": segue.nn.functional}
    exec(f"def program({arguments}):\n    return (" + ", ".join(chosen) + ",)", scope)
    names = names_of(segue, False)
    values = [names[name] for name in arguments.split(", ")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = scope["program"](*values)
        segue.compiler.reset()
        found = segue.compile(scope["program"], backend="eager", fullgraph=True)(*values)
    for expression, a, b in zip(chosen, found, expected):
        np.testing.assert_array_equal(array(a), array(b), err_msg=expression)


ERRORS = """
F.conv1d(c, w1) | F.conv2d(c, w1) | F.conv2d(c, w2) | F.conv2d(c, w2, groups=3) | F.conv2d(c, w2, groups=2, stride=0) | F.conv2d(c[..., :1], w2, groups=2)
F.conv2d(c, w2, padding="full", groups=2) | F.conv2d(c, w2, padding="same", stride=2, groups=2) | F.conv2d(c, w2, y[0], groups=2)
F.conv_transpose2d(c, w2, output_padding=1) | F.conv_transpose2d(c[:, :3], w2) | F.conv2d(c, w2, stride=(1, 2, 3), groups=2)
F.max_pool2d(c, 2, padding=2) | F.max_pool2d(c, 9) | F.max_pool2d(x, 2) | F.avg_pool2d(c, 2, padding=2) | F.avg_pool2d(c, 2, divisor_override=0)
F.max_unpool2d(c, c.long(), 2, output_size=(99, 99)) | F.adaptive_avg_pool2d(x, 2) | F.interpolate(c) | F.interpolate(c, 3, 2.0)
F.interpolate(c, 3, mode="linear") | F.interpolate(c, (3, 3, 3)) | F.interpolate(c, 3, align_corners=True) | F.interpolate(c, 3, mode="spline")
F.grid_sample(c, g3) | F.grid_sample(c, g, mode="cubic") | F.grid_sample(c, g, padding_mode="wrap") | F.affine_grid(theta, (2, 3, 4, 5, 6))
F.pad(c, (9, 0), mode="reflect") | F.pad(c, (1, 2, 3)) | F.pad(c, (1, 1), mode="mirror") | F.pad(x, (1,) * 6) | F.unfold(c, 9) | F.fold(c, 3, 2)
F.pixel_shuffle(c, 3) | F.pixel_unshuffle(c, 4) | F.channel_shuffle(c, 3) | F.glu(s, 2) | F.celu(x, 0) | F.prelu(c, y[0]) | F.softshrink(x, -1)
F.dropout(x, 1.5) | F.group_norm(c, 3) | F.batch_norm(c, None, None) | F.batch_norm(x[:1], None, None, training=True) | F.layer_norm(x, (4,))
F.instance_norm(c[..., :1, :1]) | F.local_response_norm(x, 2) | F.one_hot(x, 3) | F.one_hot(i, 2) | F.embedding(i + 9, x) | F.embedding(x, x)
F.embedding_bag(i, x, M.tensor([0])) | F.embedding_bag(i, x, mode="median") | F.embedding_bag(i.reshape(-1), x) | F.bilinear(x, y, w4)
F.scaled_dot_product_attention(x, y, y, attn_mask=mask, is_causal=True) | F.cross_entropy(x, i[:3, 0]) | F.cross_entropy(x, i[:, 0] + 9)
F.nll_loss(x, x[:, 0]) | F.mse_loss(x, y, reduction="average") | F.binary_cross_entropy(x, y[:, :2]) | F.cosine_embedding_loss(x, y, t1)
F.binary_cross_entropy_with_logits(x, y[:, :2]) | F.triplet_margin_loss(x, y, x, margin=-1.0) | F.multi_margin_loss(x, i[:, 0], p=3)
F.huber_loss(x, y, delta=-1.0) | F.smooth_l1_loss(x, y, beta=-1.0) | F.gaussian_nll_loss(x, y, -y.abs()) | F.gaussian_nll_loss(x, y, y[:2].abs())
F.multilabel_margin_loss(x, i) | F.ctc_loss(s, i[:2], (2, 2), (3, 3), blank=20) | F.linear(x, w1[0]) | F.cross_entropy(x, i[:, 0], y[0, :2])
"""
MISTAKES = [case.strip() for case in ERRORS.replace("\n", " | ").split("|") if case.strip()]


@pytest.mark.parametrize("expression", MISTAKES)
def test_mistakes_raise_what_pytorch_raises(expression):
    with pytest.raises(Exception) as expected:  # noqa: B017
        eval(expression, names_of(torch, False))
    with pytest.raises(expected.type):
        eval(expression, names_of(segue, False))


def test_ctc_loss_of_targets_one_behind_the_other_is_one_graph():
    def loss(scores, targets, times, sizes):
        return segue.nn.functional.ctc_loss(scores.log_softmax(-1), targets, times, sizes)

    compiled, numbers = segue.compile(loss, fullgraph=True), np.random.default_rng(0)
    for lengths in ([3, 1, 4], [2, 2, 2], [0, 4, 1], [5, 0, 0], [1, 1, 1]):
        values = numbers.normal(size=(12, 3, 6)), numbers.integers(1, 6, sum(lengths)), np.full(3, 12), np.array(lengths)
        expected = torch.from_numpy(values[0]).requires_grad_()
        torch.nn.functional.ctc_loss(expected.log_softmax(-1), *map(torch.from_numpy, values[1:])).backward()
        for function in (loss, compiled):
            scores = segue.tensor(values[0], requires_grad=True)
            function(scores, *map(segue.tensor, values[1:])).backward()
            np.testing.assert_allclose(scores.grad.numpy(), expected.grad.numpy(), rtol=1e-6, atol=1e-9, err_msg=str(lengths))


def test_ctc_loss_of_more_lengths_than_targets_raises():
    with pytest.raises(RuntimeError, match="to sum up to 3 targets, got 4"):
        segue.nn.functional.ctc_loss(segue.randn(6, 2, 4).log_softmax(-1), segue.tensor([1, 2, 3]), (6, 6), (2, 2))
