"""Modules against PyTorch: the same names, shapes and printing, its weights loaded, equal results and gradients, and captured as one graph."""

import numpy as np
import pytest

import segue

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

# module | arguments of its call (v: (2, 3, 4); c: (2, 4, 6, 5); d: (2, 4, 3, 4, 3); s: (2, 4, 9); i: integers below 4, (2, 3))
CASES = """
nn.Linear(4, 5) | v ; nn.Linear(4, 5, bias=False) | v ; nn.Bilinear(4, 4, 3) | v, v * 2 ; nn.Embedding(5, 3, padding_idx=1) | i
nn.Embedding(5, 3, max_norm=1.0) | i ; nn.EmbeddingBag(5, 3) | i ; nn.EmbeddingBag(5, 3, mode="max") | i ; nn.Identity() | v ; nn.Flatten() | c
nn.Unflatten(1, (2, 2)) | c ; nn.Conv1d(4, 6, 3, padding=1) | s ; nn.Conv1d(4, 6, 3, padding="same", padding_mode="circular") | s
nn.Conv2d(4, 6, 3, 2, 1, groups=2) | c ; nn.Conv2d(4, 6, (3, 2), padding=(1, 0), padding_mode="reflect", bias=False) | c
nn.Conv3d(4, 2, 2, dilation=(1, 2, 1)) | d ; nn.ConvTranspose1d(4, 2, 3, 2, 1, 1) | s ; nn.ConvTranspose2d(4, 6, 3, 2, groups=2) | c, (14, 11)
nn.ConvTranspose3d(4, 2, 2, bias=False) | d ; nn.MaxPool1d(3, 2, 1) | s ; nn.MaxPool2d(2) | c ; nn.MaxPool3d(2, 1) | d ; nn.AvgPool1d(2) | s
nn.AvgPool2d(3, 2, 1, count_include_pad=False) | c ; nn.AvgPool3d(2) | d ; nn.LPPool1d(2, 3) | s ; nn.LPPool2d(2, 2, ceil_mode=True) | c
nn.AdaptiveAvgPool1d(4) | s ; nn.AdaptiveAvgPool2d((None, 3)) | c ; nn.AdaptiveAvgPool3d(2) | d ; nn.AdaptiveMaxPool1d(4) | s
nn.AdaptiveMaxPool2d(3) | c ; nn.AdaptiveMaxPool3d(2) | d ; nn.ZeroPad1d(2) | s ; nn.ZeroPad2d((1, 2, 0, 1)) | c ; nn.ConstantPad3d(1, 2.5) | d
nn.ReflectionPad1d(2) | s ; nn.ReflectionPad2d(2) | c ; nn.ReplicationPad2d((1, 2, 3, 0)) | c ; nn.ReplicationPad3d(1) | d ; nn.CircularPad2d(2) | c
nn.BatchNorm1d(4) | s ; nn.BatchNorm2d(4, momentum=None) | c ; nn.BatchNorm3d(4, affine=False) | d ; nn.InstanceNorm1d(4) | s
nn.InstanceNorm2d(4, affine=True, track_running_stats=True) | c ; nn.InstanceNorm3d(4) | d ; nn.LayerNorm(4) | v ; nn.LayerNorm((3, 4), bias=False) | v
nn.GroupNorm(2, 4) | c ; nn.RMSNorm(4) | v ; nn.LocalResponseNorm(3) | c ; nn.ReLU() | v ; nn.ReLU6() | v ; nn.LeakyReLU(0.2) | v ; nn.ELU(0.5) | v
nn.SELU() | v ; nn.CELU(0.7) | v ; nn.GELU() | v ; nn.GELU("tanh") | v ; nn.SiLU() | v ; nn.Mish() | v ; nn.Softplus(2.0, 1.0) | v ; nn.Softsign() | v
nn.Softshrink(0.3) | v ; nn.Hardshrink() | v ; nn.Tanhshrink() | v ; nn.Sigmoid() | v ; nn.LogSigmoid() | v ; nn.Hardsigmoid() | v ; nn.Hardswish() | v
nn.Hardtanh(-0.5, 0.7) | v ; nn.Tanh() | v ; nn.Threshold(0.1, 2.0) | v ; nn.GLU(1) | c ; nn.Softmax(dim=1) | v ; nn.Softmin(dim=1) | v
nn.LogSoftmax(dim=-1) | v ; nn.Softmax2d() | c ; nn.PReLU() | c ; nn.PReLU(4) | c ; nn.PixelShuffle(2) | c ; nn.PixelUnshuffle(2) | c[..., :4]
nn.ChannelShuffle(2) | c ; nn.Upsample(scale_factor=2, mode="bilinear") | c ; nn.UpsamplingNearest2d(7) | c ; nn.UpsamplingBilinear2d(scale_factor=2) | c
nn.Unfold(2, padding=1) | c ; nn.Fold((4, 3), 2) | c[0, :, :, :].reshape(1, 20, 6) * 1 ; nn.CosineSimilarity(dim=2) | v, v * 2 + 1 ; nn.PairwiseDistance(3) | v, v + 1
nn.RNN(4, 5) | v ; nn.RNN(4, 5, 2, nonlinearity="relu", bidirectional=True, batch_first=True) | v ; nn.LSTM(4, 5, 2, bidirectional=True) | v
nn.LSTM(4, 5, proj_size=3, batch_first=True, bias=False) | v ; nn.GRU(4, 5, 2) | v[0] ; nn.GRU(4, 5, bidirectional=True) | v ; nn.RNNCell(4, 5) | v[0]
nn.LSTMCell(4, 5) | v[0] ; nn.GRUCell(4, 5, bias=False) | v[0, 0] ; nn.MultiheadAttention(4, 2) | v, v, v
nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True) | v, v * 2, v
nn.MultiheadAttention(4, 2, kdim=4, vdim=3, bias=False) | v, v, v[..., :3] ; nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0) | v
nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, activation="gelu", norm_first=True, batch_first=True, bias=False) | v
nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, 0.0), 2, nn.LayerNorm(4)) | v ; nn.TransformerDecoderLayer(4, 2, 8, 0.0) | v, v * 2
nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, 0.0, norm_first=True), 2) | v, v * 2 ; nn.Transformer(4, 2, 1, 1, 8, 0.0) | v, v * 2
nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Dropout(0.0)) | v ; nn.MSELoss() | v, v * 2 ; nn.L1Loss(reduction="sum") | v, v * 2
nn.SmoothL1Loss(beta=0.3) | v, v * 2 ; nn.HuberLoss(delta=0.2) | v, v * 2 ; nn.KLDivLoss(reduction="batchmean") | v, v.softmax(-1)
nn.BCELoss() | v.sigmoid(), (v * 2).sigmoid() ; nn.BCEWithLogitsLoss() | v, v.sigmoid() ; nn.CrossEntropyLoss(label_smoothing=0.1) | v.transpose(1, 2), i
nn.NLLLoss(ignore_index=1) | v.transpose(1, 2), i ; nn.PoissonNLLLoss() | v, v.abs() ; nn.GaussianNLLLoss() | v, v * 2, v.abs() ; nn.SoftMarginLoss() | v, v.detach().sign()
nn.HingeEmbeddingLoss() | v, v.sign() ; nn.MarginRankingLoss(0.1) | v, v * 2, v.sign() ; nn.MultiLabelSoftMarginLoss() | v, v.sigmoid()
nn.TripletMarginLoss() | v, v * 2, v * 3 ; nn.MultiMarginLoss() | v[0], i[0] ; nn.CosineEmbeddingLoss() | v[0], v[1], v[0, :, 0].sign()
"""
ROWS = [tuple(part.strip() for part in row.split(" | ", 1)) for row in CASES.replace("\n", " ; ").split(";") if row.strip()]


def inputs(module):
    numbers = np.random.default_rng(1)
    found = {"nn": module.nn}
    for name, shape in {"v": (2, 3, 4), "c": (2, 4, 6, 5), "d": (2, 4, 3, 4, 3), "s": (2, 4, 9)}.items():
        found[name] = module.from_numpy(numbers.normal(size=shape)).requires_grad_()
    found["i"] = module.from_numpy(numbers.integers(0, 4, (2, 3)))
    return found


def pair(text):
    """The module of both libraries in float64, ours with the weights of PyTorch's."""
    torch.manual_seed(0)
    theirs, ours = eval(text, {"nn": torch.nn}).double(), eval(text, {"nn": segue.nn}).double()
    state = theirs.state_dict()
    assert {name: (tuple(value.shape), str(value.dtype)[6:]) for name, value in state.items()} == {
        name: (tuple(value.shape), value.dtype.name) for name, value in ours.state_dict().items()
    }
    ours.load_state_dict({name: segue.from_numpy(value.numpy().copy()) for name, value in state.items()})
    return ours, theirs


def flat(result):
    if isinstance(result, (tuple, list)):
        return [part for piece in result if piece is not None for part in flat(piece)]
    return [result]


@pytest.mark.parametrize("text, call", ROWS, ids=[text for text, _ in ROWS])
def test_module(text, call):
    ours, theirs = pair(text)
    assert repr(ours) == repr(theirs)
    a, b = inputs(segue), inputs(torch)
    found, expected = flat(ours(*eval(f"({call},)", a))), flat(theirs(*eval(f"({call},)", b)))
    assert len(found) == len(expected)
    for mine, other in zip(found, expected):
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-6, atol=1e-8)
    differentiable = [(mine, other) for mine, other in zip(found, expected) if other.requires_grad]
    if differentiable:
        sum(mine.cos().sum() for mine, _ in differentiable).backward()
        sum(other.cos().sum() for _, other in differentiable).backward()
    for name, parameter in theirs.named_parameters():
        mine = ours.get_parameter(name).grad
        np.testing.assert_allclose(0 if mine is None else mine.numpy(), parameter.grad.numpy(), rtol=1e-6, atol=1e-7, err_msg=name)
    for name in "vcds":
        if b[name].grad is not None:
            np.testing.assert_allclose(a[name].grad.numpy(), b[name].grad.numpy(), rtol=1e-6, atol=1e-7, err_msg=name)
    for name, value in theirs.state_dict().items():  # what training changed in the buffers
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("start", range(0, len(ROWS), 16))
def test_each_module_is_captured_as_one_graph(start):
    """In float64, where eager kernels give the bits of what is captured."""
    for text, call in ROWS[start : start + 16]:
        segue.compiler.reset()
        segue.manual_seed(3)
        module, names = eval(text, {"nn": segue.nn}).double(), inputs(segue)
        arguments = [x.detach() if isinstance(x, segue.Tensor) else x for x in eval(f"({call},)", names)]
        expected = flat(module.eval()(*arguments))
        found = flat(segue.compile(module, backend="eager", fullgraph=True)(*arguments))
        for mine, other in zip(found, expected):
            np.testing.assert_array_equal(mine.detach().numpy(), other.detach().numpy(), err_msg=text)


def test_starts_have_pytorchs_spread():
    """The same distributions: compared by mean and spread over many elements."""
    for text in (
        "nn.Linear(200, 300)", "nn.Conv2d(20, 30, 5)", "nn.ConvTranspose2d(20, 30, 5)", "nn.LSTM(60, 70)", "nn.Embedding(300, 50)", "nn.Bilinear(30, 40, 50)",
        "nn.MultiheadAttention(96, 4)", "nn.EmbeddingBag(300, 50)", "nn.GRUCell(70, 60)",
    ):  # fmt: skip
        torch.manual_seed(0)
        segue.manual_seed(0)
        theirs, ours = eval(text, {"nn": torch.nn}), eval(text, {"nn": segue.nn})
        for name, parameter in theirs.named_parameters():
            mine, other = ours.get_parameter(name).detach().numpy(), parameter.detach().numpy()
            assert abs(mine.mean() - other.mean()) < 0.2 * other.std() + 1e-7 and abs(mine.std() - other.std()) < 0.15 * other.std() + 1e-7, (text, name)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_packed_sequences(kind):
    ours, theirs = pair(f"nn.{kind}(4, 5, 2, bidirectional=True)")
    values = np.random.default_rng(2).normal(size=(6, 3, 4))
    results = []
    for module, library in ((ours, segue), (theirs, torch)):
        x = library.from_numpy(values.copy()).requires_grad_()
        tools = library.nn.utils.rnn
        packed, last = module(tools.pack_padded_sequence(x, library.tensor([2, 6, 4]), enforce_sorted=False))
        padded, lengths = tools.pad_packed_sequence(packed, padding_value=-1.0, total_length=7)
        (padded.cos().sum() + sum(part.sin().sum() for part in flat(last))).backward()
        results.append([padded, lengths, *flat(last), x.grad, module.weight_hh_l1_reverse.grad])
    for mine, other in zip(*results):
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-6, atol=1e-8)
