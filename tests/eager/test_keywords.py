"""Arguments as PyTorch takes them: each expression has PyTorch's value, what it refuses raises its type of error, and `out=` is served as there."""

import warnings

import numpy as np
import pytest

import segue

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.torch

CASES = """
x.split(split_size=1)[1] | x.unfold(dimension=1, size=2, step=1) | x.clone().unsqueeze_(dim=0) | x.clone().squeeze_(dim=0)
x.clone().transpose_(dim0=0, dim1=1) | x.permute(dims=(1, 0)) | M.permute(input=x, dims=(1, 0)) | x.reshape(shape=(6,)) | x.view(size=(6,))
x.view(dtype=M.int32) | x.expand(size=(2, 2, 3)) | x.repeat(repeats=(2, 1)) | x.tile(dims=(2, 1)) | x.sum_to_size(size=(1, 3)) | x.new_zeros(size=(2,))
x.new_full(size=(2,), fill_value=1) | M.zeros(size=(2,)) | M.ones(size=(2, 3)) | M.full(size=(2,), fill_value=3) | M.rand(size=(2,)).shape
M.swapaxes(x, axis0=0, axis1=1) | x.broadcast_to(size=(2, 2, 3))
x.squeeze(0, 1) | x.hsplit(1, 2)[1] | x.vsplit(0, 1)[1] | x.count_nonzero(0, 1) | M.tensor(2.0).mT | x.bernoulli(1.0) | x.to_dense(M.float64) | x.dense_dim() | x.polygamma(1)
x.nan_to_num(M.tensor(2)) | x.logit(M.tensor(0.25)) | x.where(x > 2, x * 0 - 1) | x.where(condition=x > 2, other=x * 0) | M.linalg.norm(input=x) | M.linalg.matrix_norm(input=x) | M.det(input=s) | M.inverse(input=s)
M.slogdet(input=s)[1] | M.linalg.matrix_power(input=s, n=2) | M.linalg.pinv(input=s) | M.linalg.lstsq(input=s, b=s)[0] | M.linalg.eigvals(input=s).real
M.dot(input=x[0], tensor=x[1]) | M.numel(x) | M.promote_types(type1=M.int32, type2=M.float32).itemsize | x.clone().fill_diagonal_(7) | x.get_device()
M.zeros(7, 3).fill_diagonal_(5, wrap=True) | x.is_signed() | x.is_pinned() | len(x[0].storage()) | x.untyped_storage().nbytes() | x.clone().apply_(lambda v: v + 1)
M.hann_window(5) | M.hamming_window(6, periodic=False) | M.kaiser_window(5, True, 8.0) | M.vander(M.arange(3)) | M.norm_except_dim(x, 2, 1)
M.embedding(x, M.tensor([1, 0])) | M.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False) | M.add(x, x, alpha=2) | M.lerp(x, x + 1, 1.0)
M.softmax(x[:0], 0) | M.log_softmax(x[:, :0], 1) | len(M.chunk(x[:0], 2)) | M.nn.functional.glu(x[:0], 0) | M.nn.functional.adaptive_avg_pool1d(x[:0][None], 2)
M.nn.functional.max_unpool1d(x[:0, None], x[:0, None].long(), 1) | M.autograd.grad(outputs=[(w * w).sum()], inputs=[w], only_inputs=True)[0] | M.autograd.grad(w * w, w, M.eye(2), is_grads_batched=True)[0]
M.linspace(4.3, -3, 50, dtype=M.int64) | M.einsum("...ik,...j->ij", x.int()[None], s.int()[0]) | M.einsum("ij,jk->", s.int(), x.int()) | x.max().expand(()).add_(1)
M.linalg.lstsq(x.T, x.T).residuals | M.linalg.lstsq(x.T + s.sum(), x.T.sin(), driver="gelsd").residuals | M.nn.functional.feature_alpha_dropout(x[0], 0.0, True) | M.nn.functional.feature_alpha_dropout(x[0])
M.autograd.grad(M.nn.functional.multi_margin_loss(w, M.tensor(1), margin=2.0), w)[0] | M.autograd.grad(M.nn.functional.multilabel_margin_loss(w / 2, M.tensor([0, -1])), w)[0]
M.nn.functional.gaussian_nll_loss(x, x + 1, s[:1, :1].expand(1, 3)) | M.nn.FractionalMaxPool3d(1, 1, _random_samples=x.reshape(2, 1, 3) / 9)(x.expand(2, 2, 3)[None])
M.abs_(input=-x) | M.fill_(input=x.clone(), value=2) | M.zero_(input=x.clone()) | M.addmv_(input=s[0].clone(), mat=s, vec=s[1]) | M.clamp_max_(input=x.clone(), max=2) | M.relu_(input=x - 2)
M.bitwise_and(self=6, other=x.int()) | M.pow(self=2, exponent=x) | M.remainder(self=7, other=x + 1) | M.where(condition=x > 2, self=2, other=-x) | M.xlogy(self=2, other=x + 1) | M.bucketize(self=2, boundaries=x[0])
M.searchsorted(sorted_sequence=x[0], self=2) | M.float_power(self=2, exponent=x) | M.cholesky_inverse(input=s) | M.cholesky_solve(input=s, input2=s) | M.orgqr(input=s, input2=s[0]) | M.ormqr(input=s, input2=s[0], input3=s)
M.triangular_solve(input=s, A=s)[0] | M.tensor_split(input=x, sections=2)[1] | M.tensor_split(input=x, indices=(1,))[1] | M.hsplit(input=x, sections=3)[1] | x.vsplit(indices=(1,))[1] | M.dsplit(input=x[None], sections=3)[0]
M.isin(element=2, test_elements=x) | M.isin(elements=x, test_element=2) | M.is_signed(input=x) | M.is_same_size(input=x, other=s) | M.result_type(tensor=x, other=2) is x.dtype | M.result_type(scalar=2, tensor=x.int()).itemsize
M.dropout(input=x, p=0.5, train=False) | M.alpha_dropout(input=x, p=0.5, train=False) | M.arange(3, layout=M.strided) | M.eye(2, layout=M.strided) | M.linspace(0, 1, 3, layout=M.strided) | M.randint(3, (2,), requires_grad=False).shape
M.rand_like(x, generator=M.Generator()).shape | M.randint_like(input=x, low=0, high=1, generator=M.Generator()) | M.randint_like(x, high=1) | M.randn_like(x, generator=None, dtype=M.float64).dtype.itemsize | M.randperm(3, layout=M.strided).shape
x.gather(0, x.long() * 0, sparse_grad=True) | M.group_norm(x, 1, None, None, 1e-5, False) | M.layer_norm(x, (3,), None, None, 1e-5, False) | M.histogram(x)[0] | x.histogram()[1] | x.expand(2, 2, 3, implicit=False)
M.repeat_interleave(repeats=M.tensor([1, 2])) | M.threshold(x, 2, 7, out=M.empty(0)) | M.rrelu(x - 2, 0.5, 0.5, True, M.Generator()) | M.vander(x[0], 1) | M.vander(x[0], 0) | M.unsafe_split(input=x, split_size=1)[1]
M.split_copy(input=x, split_size=1)[1] | M.tril_indices(2, 2, requires_grad=False) | x.polygamma(n=1) | (x + 1).polygamma_(n=1) | x.cpu(memory_format=M.preserve_format) | x.type(M.float64, True) | x.is_pinned(device="cpu")
x.clone().copy_(other=s[0, 0]) | x.new(size=(2, 0)) | x.new(other=s) | x.clone().resize_(size=(3, 2)) | M.nn.functional.elu_(x - 2, 0.5, 2.0, 3.0) | M.nn.functional.elu_(x - 2, 0.5) | M.nn.functional.adaptive_max_pool1d(x, 0)
M.nn.functional.adaptive_max_pool1d_with_indices(x, 2, False)[1] | M.nn.functional.embedding_bag(x, M.tensor([[0, 1], [1, 1]]))
M.addcmul(x.long(), x[:1].byte(), x[:1] > 0, value=300) | M.addcdiv(x.max(), x.half(), x.byte() + 1) | M.addcmul(x.max(), x.half(), x.byte(), value=2) | M.addcmul(x, x.int() * 60000, x.int() * 60000)
M.cat([x.long(), M.zeros(0)]) | M.cat([M.zeros(0, dtype=M.complex64), x]) | M.hstack([M.zeros(0, dtype=M.float64), x > 2]) | M.squeeze(x[:1], []) | M.squeeze(x[:1], ()) | M.range(-1.5, 0.5, out=M.empty(0)) | M.range(3, 0, -1.5, dtype=M.int32)
M.nn.functional.elu_(x - 2, input_scale=-1.5) | M.logspace(0.5, 0, 1, dtype=M.int64) | M.cosine_similarity(x.double(), x[0] > 1) | M.trapezoid(x[None].expand(2, 2, 3), x, dim=-2) | M.cumulative_trapezoid(x[None].expand(2, 2, 3), x, dim=1)
M.hamming_window(4, dtype=M.bfloat16).float() > 0.5 | M.bartlett_window(4, dtype=M.float16) | M.kaiser_window(1, dtype=M.float16) | M.hann_window(4, layout=M.strided, requires_grad=True)
M.nn.functional.kl_div(x.double().max(), x.half(), log_target=True, reduction="none")
M.rsqrt(x.int() + 1, out=M.empty(2, 3, dtype=M.float16))
M.lstm_cell(x, (x, x), M.ones(12, 3) / 9, M.ones(12, 3) / 7)[1] | M.gru_cell(x, x, M.ones(9, 3) / 9, M.ones(9, 3) / 7, M.ones(9), M.ones(9)) | M.rnn_tanh_cell(x, x, M.eye(3), M.eye(3) / 2) | M.rnn_relu_cell(x, x, M.eye(3), M.eye(3) - 1)
M.convolution(x[None], M.ones(2, 2, 2), None, [1], [0], [1], False, [0], 1) | M.convolution(x[None], M.ones(2, 2, 2), M.ones(2), [2], [0], [1], True, [1], 1) | M.conv_tbc(x[None].permute(2, 0, 1), M.ones(2, 2, 4), M.ones(4), 1)
M.ctc_loss(x[:, None].log_softmax(2), M.tensor([[1, 2]]), M.tensor([2]), M.tensor([1]), 0, 2) | M.affine_grid_generator(x[None], (1, 1, 2, 2), False) | M.frobenius_norm(x, ()) | M.frobenius_norm(x, 1) | M.nuclear_norm(x) | M.nuclear_norm(x, True)
M.nn.functional.linear_cross_entropy(x, x, M.tensor([0, 1]), options=M.nn.LinearCrossEntropyOptions(batch_chunk_size=1, chunking_method=None)) | M.linalg.matrix_norm(x[:, :0], 1) | M.linalg.matrix_norm(x[:0], float("inf"), keepdim=True) | M.linalg.norm(x[:0] * 1j, float("inf")) | M.dropout_(x.clone(), 0.5, False) | M.alpha_dropout_(input=x.clone(), p=0.5, train=False) | M.feature_dropout_(x.clone(), 1.0, True) | M.as_strided_(x.clone(), (2,), (1,)) | M.is_distributed(x)
"""
EXPRESSIONS = [case.strip() for case in CASES.replace("\n", " | ").split(" | ") if case.strip()]


def value(M, expression):
    names = {
        "M": M, "x": M.arange(6.0).reshape(2, 3), "s": M.tensor([[2.0, 0.5], [0.5, 1.0]]), "w": M.tensor([1.0, 3.0], requires_grad=True),
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = eval(expression, names)
    return found.detach().numpy() if isinstance(found, M.Tensor) else np.asarray(found)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_value(expression):
    want, got = value(torch, expression), value(segue, expression)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


# What PyTorch refuses, grouped only for the page: bad keywords, numbers for tensors, sizes and places that do not fit, values that mean nothing, and `out=`.
BAD = """
x.view(6, size=(6,)) | x.reshape(dims=(6,)) | M.add(x.int(), x.int(), alpha=1.5) | M.add(x, x, alpha=True) | M.sub(x, 1, alpha=1j) | M.add(x.int(), 1, alpha=1.0)
M.maximum(x, 2) | M.eq(2, x) | M.bitwise_and(2, 3) | M.pow(2, 3) | M.xlogy(2, 3) | M.logaddexp(x, 2) | M.heaviside(x, 2) | M.isclose(2, x) | M.clamp_min(2, x)
M.max(2, x) | M.polar(x, 2) | M.special.zeta(2, 3) | M.special.legendre_polynomial_p(2, 3) | M.rsub(2, x) | M.linspace(0, 1, 2.0) | M.logspace(0, 1, 2.5)
M.cat(x) | M.cat(()) | M.diag(x[0, 0]) | M.diag(x[None]) | M.narrow(x[0, 0], 0, 0, 1) | M.narrow(x, 1, 4, 0) | M.narrow(x, 0, s > 0, 1) | M.eye(-1) | M.eye(2, -3)
M.movedim(x, (0, 0), (0, 1)) | M.movedim(x, (0, 1), (1,)) | M.roll(x, (2, 1), 0) | M.roll(x, ()) | M.gradient(x, dim=(1, 1)) | M.arange(0, float("inf"), 2)
M.gather(x, 1, M.tensor([[7]])) | M.scatter(x, 0, M.tensor([[9]]), x) | M.index_select(x, 0, M.tensor([5])) | M.amax(x[:0]) | M.amax(x[:0], 0) | M.aminmax(x[:0])
M.cov(x[0], fweights=x[0]) | M.cov(x[0], aweights=-x[0]) | M.multinomial(x.int(), 1) | M.multinomial(-x, 1) | M.multinomial(x, 4) | M.multinomial(x * 0, 1)
x.clone().normal_(0, -1) | x.clone().uniform_(3, -1) | M.nn.functional.rrelu(x, 0.3, 0.1) | M.nn.functional.adaptive_avg_pool2d(x, 2) | M.nn.functional.adaptive_avg_pool2d(x, (2, 2))
M.nn.functional.adaptive_max_pool1d(x, -1) | M.nn.functional.max_pool1d(x[:0][None], 1) | M.nn.functional.conv1d(x[None], x[None], x[:1, 0].double())
M.nn.functional.multi_margin_loss(x, M.tensor([0, 1]), reduction="abc") | x.int().masked_fill(x > 1, M.tensor(1j)) | M.native_layer_norm(x, (2, 3), x[:1], None, 0.1)
M.mm(x, x.T, out=M.ones(2, 2).double()) | M.sort(x, out=(x.double(), x.long())) | M.abs(x, out=x.double()) | M.add(x, 1, out=x.long()) | M.stack([x], out=x.long()[None])
M.max(x[:0]) | M.max(x[:0], 0) | x[:0].sum_to_size(1, 5) | x[:0].unflatten(0, (2, 2)) | M.aminmax(x[:0], dim=0)
x.bmm(2) | x.allclose((3, 2)) | x.chunk(x) | x.view_as(1) | M.gather(x, 0, 1) | M.cross(x, None) | x.svd(x) | x.topk(x) | x.unique(1) | x.half(None) | x.contiguous(x)
x.int().normal_() | x.exponential_(x) | x.copy_(x, 1) | x.requires_grad_(2) | x.expand(x, 1) | x.reshape(2.0) | x.permute(M.float64) | x.softmax("a") | x.mean(x) | x.int().mean("a")
x.masked_select(x) | x.quantile(M.tensor(3.0)) | x[0, 0].quantile(M.tensor(0.5), 3) | x.addmm(x[0], x) | x.index_fill(0, M.tensor([[0]]), 1.0) | x.to(1.0, 2.0) | x[0].mT | x.new_full(1, 2, 3)
x.hsplit(1.5) | x.split(x) | M.linalg.det(2) | x.bernoulli(2.0) | x.random_(0) | x.fill_(M.int64) | x.polygamma(1.5) | x.triu(1.5) | x[0, 0].split(1) | x.is_contiguous(x)
M.nn.functional.avg_pool2d(x[:0][None], 1) | x.clone().put_(M.tensor([1]), x) | M.zeros(2, dtype=M.int64, out=M.ones(2)) | M.add(x, 1, out=M.ones(1).expand(2, 3)) | M.mul(w, w, out=M.ones(2)) | M.max(x, 1, out=(M.ones(2), M.ones(2)))
M.nn.BatchNorm1d(3, eps=0.0)(x) | M.nn.BatchNorm1d(3, eps=-1.0).eval()(x) | M.nn.HuberLoss(delta=1j) | M.nn.RNN(3, 4, bias=1) | M.nn.GRU(3, 4, batch_first=0) | M.nn.LSTM(3.0, 4) | M.nn.RNN(3, 4)(x.double())
M.nn.RNNCell(3, 4)(x, x[None, None]) | M.nn.LSTMCell(3, 4)(x, (x[None], x[None])) | M.nn.CircularPad1d(1)(x[None, None]) | M.nn.CircularPad3d(1)(x) | M.nn.RNN(0, 4)
M.arange(0, 5, 0.5, dtype=M.int64) | M.arange(0, 5, 0) | M.signal.windows.hann(3, layout=M.sparse_coo) | M.hann_window(3, layout=M.sparse_coo) | M.hann_window(3, dtype=M.int64) | M.range(0, 5, 0)
M.softmax(x, 1, out=x.double()) | M.log_softmax(x, 1, out=x.half()) | M.float_power(x, 2, out=x) | M.inner(x, x, out=s.double()) | M.linalg.matrix_power(s, 2, out=s.double()) | x.byte().index_fill(0, M.tensor([0]), -0.5)
M.round(-1.5) | M.clone([1.0]) | M.relu_(2.0) | M.zeros(2, layout=2) | M.zeros(2, dtype=x.max()) | M.zeros(2, device=1.5) | M.rand(2, generator=2.0) | M.broadcast_to(1.0, (2,)) | M.detach(3) | M.device([1])
M.zeros(3).as_strided((3,), (0,)).add_(1) | M.add(x[0], 1, out=M.zeros(3).as_strided((3,), (0,))) | M.nn.LinearCrossEntropyLoss(2, 3, label_smoothing=2.0) | M.nn.LinearCrossEntropyLoss(2, 3, weight=x[0, :2]) | M.nn.functional.cross_entropy(x, x[:1]) | M.nn.functional.nll_loss(x, x[:1, 0]) | M.nn.LinearCrossEntropyOptions(chunking_method="rows") | M.nn.LinearCrossEntropyOptions(batch_chunk_size=0) | M.nn.LinearCrossEntropyOptions(acc_policy="x") | M.polygamma(x, 1) | M.rand(2, layout=M.strided, bogus=1) | M.vander(x[0], -1) | M.nn.functional.embedding_bag(x, x) | M.randint(3, (2,), requires_grad=True) | M.tensor_split(x, sections=2, indices=(1,))
M.nn.functional.cross_entropy(x, x, ignore_index=1) | M.nn.FractionalMaxPool3d(1, 1, _random_samples=x[None])(x[None, None])
"""


@pytest.mark.parametrize("expression", [case.strip() for case in BAD.replace("\n", " | ").split(" | ") if case.strip()])
def test_what_pytorch_refuses_raises_its_type_of_error(expression):
    with pytest.raises((TypeError, RuntimeError, ValueError, IndexError)) as caught:
        value(torch, expression)
    with pytest.raises(next(kind for kind in (IndexError, ValueError, TypeError, RuntimeError) if isinstance(caught.value, kind))):
        value(segue, expression)


OPERANDS = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "s": np.array([[2.0, 0.5], [0.5, 1.0]], np.float32)}
# Functions that return `out`, with their arguments but the last bracket.
OUT = """
M.matmul(x, x.T | M.mm(x, x.T | M.addmm(s, x, x.T | M.bmm(x[None], x.T[None] | M.outer(x[0], x[1] | M.diag(x[0] | M.triu(x | M.gather(x, 1, x.long()[:, :1] * 0
M.index_select(x, 0, M.tensor([1]) | M.masked_select(x, x > 2 | M.nonzero(x | M.softmax(x, 1 | M.kron(x, x | M.nn.functional.linear(x, x | M.nn.functional.gelu(x
M.scatter_add(x, 0, x.long() * 0, x | M.arange(6 | M.zeros(2, 3 | M.full((2,), 7 | M.topk(x, 2 | M.linalg.qr(s | M.expand_copy(x, (2, 2, 3) | M.fft.rfft(x
M.add(x, 1 | M.cat((x, x) | M.exp(x | M.mean(x, 1
"""


@pytest.mark.parametrize("call", [case.strip() for case in OUT.replace("\n", " | ").split(" | ") if case.strip()])
def test_out_is_written_resized_and_returned(call):
    def parts(found):
        return [found] if hasattr(found, "shape") else list(found)

    wanted = parts(eval(call + ")", {"M": torch, **{n: torch.as_tensor(v) for n, v in OPERANDS.items()}}))
    names = {"M": segue, **{n: segue.as_tensor(v) for n, v in OPERANDS.items()}}
    for start in ((0,), None, (5, 1)):  # empty, of the right shape, and of another, which warns
        out = [segue.ones(*(tuple(w.shape) if start is None else start), dtype=getattr(segue, str(w.dtype).split(".")[1])) for w in wanted]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = parts(eval(call + ", out=out)", names | {"out": out[0] if len(out) == 1 else tuple(out)}))
        assert all(f is o for f, o in zip(found, out)) and len(found) == len(out)
        assert any("resized" in str(warning.message) for warning in caught) == (start == (5, 1) and any(tuple(w.shape) != start for w in wanted))
        for w, o in zip(wanted, out):
            np.testing.assert_allclose(o.numpy(), w.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", ("l1", "ln", "twice", "mask", "global"))
def test_pruning_is_pytorchs(how):
    def run(M):
        layer, prune = M.nn.Linear(5, 4), __import__(f"{M.__name__}.nn.utils.prune", fromlist=["x"])
        with M.no_grad():
            layer.weight.copy_(M.from_numpy(np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)))
            layer.bias.copy_(M.arange(4.0) - 1.5)
        if how == "global":
            prune.global_unstructured([(layer, "weight"), (layer, "bias")], pruning_method=prune.L1Unstructured, amount=0.4)
        elif how == "mask":
            prune.custom_from_mask(layer, "weight", M.eye(4, 5))
        elif how == "ln":
            prune.ln_structured(layer, "weight", amount=2, n=2, dim=0)
        else:
            prune.l1_unstructured(layer, "weight", amount=0.3)
        if how == "twice":
            prune.l1_unstructured(layer, "weight", amount=4)
            prune.ln_structured(layer, "weight", amount=1, n=1, dim=1)
        assert prune.is_pruned(layer) and "weight_orig" in layer.state_dict()
        out = layer(M.ones(2, 5))
        out.sum().backward()
        gradient = layer.weight_orig.grad
        prune.remove(layer, "weight")
        assert sorted(layer.state_dict())[-1] == "weight"
        return [t.detach().numpy() for t in (out, gradient, layer.weight)]

    for want, got in zip(run(torch), run(segue)):
        np.testing.assert_allclose(got, want, atol=1e-6)
