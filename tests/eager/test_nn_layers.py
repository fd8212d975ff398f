"""The layers: values, gradients and initial distributions against PyTorch where it is installed; bad input everywhere."""

import math

import numpy as np
import pytest

import segue
from segue import nn

torch = pytest.importorskip("torch", reason="compares with PyTorch")
pytestmark = pytest.mark.torch


def array(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


LAYERS = {
    "Linear": (lambda nn: nn.Linear(6, 3), (4, 6)),
    "Linear without bias": (lambda nn: nn.Linear(6, 3, bias=False), (2, 4, 6)),
    "Conv2d": (lambda nn: nn.Conv2d(4, 6, 3, stride=2, padding=1), (2, 4, 7, 8)),
    "Conv2d groups": (lambda nn: nn.Conv2d(4, 6, (3, 1), groups=2, bias=False), (2, 4, 5, 5)),
    "Conv2d same": (lambda nn: nn.Conv2d(2, 3, 3, padding="same", dilation=2), (1, 2, 6, 6)),
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(5), (7, 5)),
    "BatchNorm1d of sequences": (lambda nn: nn.BatchNorm1d(5, momentum=None), (3, 5, 4)),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(3, momentum=0.3, eps=1e-3), (4, 3, 5, 5)),
    "BatchNorm2d plain": (lambda nn: nn.BatchNorm2d(3, affine=False, track_running_stats=False), (4, 3, 5, 5)),
    "LayerNorm": (lambda nn: nn.LayerNorm(6), (2, 3, 6)),
    "LayerNorm of two": (lambda nn: nn.LayerNorm((3, 6), bias=False), (2, 3, 6)),
    "RMSNorm": (lambda nn: nn.RMSNorm(6), (2, 3, 6)),
    "GroupNorm": (lambda nn: nn.GroupNorm(2, 6), (2, 6, 3, 3)),
    "ReLU": (lambda nn: nn.ReLU(), (3, 4)),
    "LeakyReLU": (lambda nn: nn.LeakyReLU(0.2), (3, 4)),
    "ELU": (lambda nn: nn.ELU(0.7), (3, 4)),
    "GELU": (lambda nn: nn.GELU(), (3, 4)),
    "GELU tanh": (lambda nn: nn.GELU("tanh"), (3, 4)),
    "SiLU": (lambda nn: nn.SiLU(), (3, 4)),
    "Softplus": (lambda nn: nn.Softplus(2.0, 1.0), (3, 4)),
    "Sigmoid": (lambda nn: nn.Sigmoid(), (3, 4)),
    "Tanh": (lambda nn: nn.Tanh(), (3, 4)),
    "Softmax": (lambda nn: nn.Softmax(1), (3, 4)),
    "LogSoftmax": (lambda nn: nn.LogSoftmax(-1), (3, 4)),
    "Identity": (lambda nn: nn.Identity(1, a=2), (3, 4)),
    "Flatten": (lambda nn: nn.Flatten(), (3, 4, 2)),
    "MaxPool2d": (lambda nn: nn.MaxPool2d(2), (2, 3, 6, 7)),
    "MaxPool2d overlapping": (lambda nn: nn.MaxPool2d(3, 2, 1), (2, 3, 6, 7)),
    "AvgPool2d": (lambda nn: nn.AvgPool2d(2, padding=1), (2, 3, 6, 6)),
    "AvgPool2d inner": (lambda nn: nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 7, 7)),
    "AdaptiveAvgPool2d": (lambda nn: nn.AdaptiveAvgPool2d(1), (2, 3, 6, 6)),
    "AdaptiveAvgPool2d uneven": (lambda nn: nn.AdaptiveAvgPool2d((3, 2)), (2, 3, 7, 5)),
}


def pair(make):
    """A layer of ours and PyTorch's with the same parameters."""
    ours, theirs = make(nn), make(torch.nn)
    state = {name: segue.tensor(array(*value.shape, seed=3) if value.is_floating_point() else np.asarray(value)) for name, value in
             theirs.state_dict().items()}  # fmt: skip
    state = {name: value.abs() + 0.5 if "var" in name else value for name, value in state.items()}
    ours.load_state_dict(state)
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in state.items()})
    return ours, theirs


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("training", [True, False])
def test_layer(name, training):
    make, shape = LAYERS[name]
    ours, theirs = pair(make)
    ours.train(training)
    theirs.train(training)
    x, y = segue.tensor(array(*shape), requires_grad=True), torch.tensor(array(*shape), requires_grad=True)
    mine, reference = ours(x), theirs(y)
    weight = array(*reference.shape, seed=5)
    (mine * segue.tensor(weight)).sum().backward()
    (reference * torch.tensor(weight)).sum().backward()
    np.testing.assert_allclose(mine.detach().numpy(), reference.detach().numpy(), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-4, atol=5e-5)
    assert repr(ours) == repr(theirs)
    expected = dict(theirs.named_parameters())
    for key, parameter in ours.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), expected[key].grad.numpy(), rtol=1e-4, atol=1e-4)
    for key, value in ours.state_dict().items():
        np.testing.assert_allclose(value.numpy(), theirs.state_dict()[key].numpy(), rtol=1e-5, atol=1e-6)


LOSSES = {
    "CrossEntropyLoss": (lambda nn, tensor: nn.CrossEntropyLoss(), (5, 4), "classes"),
    "CrossEntropyLoss of maps": (lambda nn, tensor: nn.CrossEntropyLoss(reduction="sum"), (5, 4, 3), "classes"),
    "CrossEntropyLoss weighted": (lambda nn, tensor: nn.CrossEntropyLoss(tensor([1.0, 2.0, 0.5, 3.0]), ignore_index=1), (5, 4), "classes"),
    "CrossEntropyLoss smoothed": (lambda nn, tensor: nn.CrossEntropyLoss(label_smoothing=0.1), (5, 4), "classes"),
    "NLLLoss": (lambda nn, tensor: nn.NLLLoss(reduction="none"), (5, 4), "classes"),
    "MSELoss": (lambda nn, tensor: nn.MSELoss(), (5, 4), "values"),
    "L1Loss": (lambda nn, tensor: nn.L1Loss(reduction="sum"), (5, 4), "values"),
    "SmoothL1Loss": (lambda nn, tensor: nn.SmoothL1Loss(beta=0.5), (5, 4), "values"),
    "HuberLoss": (lambda nn, tensor: nn.HuberLoss(delta=0.7), (5, 4), "values"),
    "BCELoss": (lambda nn, tensor: nn.BCELoss(), (5, 4), "probabilities"),
    "BCEWithLogitsLoss": (lambda nn, tensor: nn.BCEWithLogitsLoss(pos_weight=tensor([1.0, 2.0, 0.5, 3.0])), (5, 4), "values in [0, 1]"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name):
    make, shape, kind = LOSSES[name]
    random = np.random.default_rng(1)
    inputs = array(*shape) if kind != "probabilities" else random.uniform(0.05, 0.95, shape).astype(np.float32)
    if kind == "classes":
        target = random.integers(0, shape[1], (shape[0], *shape[2:]))
    else:
        target = array(*shape, seed=2) if kind == "values" else random.uniform(0, 1, shape).astype(np.float32)
    x, y = segue.tensor(inputs, requires_grad=True), torch.tensor(inputs, requires_grad=True)
    mine, reference = make(nn, segue.tensor)(x, segue.tensor(target)), make(torch.nn, torch.tensor)(y, torch.tensor(target))
    np.testing.assert_allclose(mine.detach().numpy(), reference.detach().numpy(), rtol=1e-5, atol=1e-6)
    mine.sum().backward()
    reference.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_embedding():
    ours, theirs = pair(lambda nn: nn.Embedding(7, 3, padding_idx=-1))
    indices = np.array([[0, 6, 2], [2, 2, 5]])
    mine, reference = ours(segue.tensor(indices)), theirs(torch.tensor(indices))
    np.testing.assert_array_equal(mine.detach().numpy(), reference.detach().numpy())
    mine.square().sum().backward()
    reference.square().sum().backward()
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-6)
    assert repr(ours) == repr(theirs) and not nn.Embedding(4, 2, padding_idx=1).weight[1].any()


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention(need_weights, batch_first):
    ours, theirs = pair(lambda nn: nn.MultiheadAttention(8, 2, batch_first=batch_first))
    x = array(3, 3, 8)
    hidden = np.triu(np.ones((3, 3), bool), 1)
    mine, weights = ours(*[segue.tensor(x)] * 3, need_weights=need_weights, attn_mask=segue.tensor(hidden))
    reference, expected = theirs(*[torch.tensor(x)] * 3, need_weights=need_weights, attn_mask=torch.tensor(hidden))
    np.testing.assert_allclose(mine.detach().numpy(), reference.detach().numpy(), rtol=1e-4, atol=1e-5)
    if need_weights:
        np.testing.assert_allclose(weights.detach().numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-6)
    else:
        assert weights is None


def test_dropout_drops_scales_and_follows_the_seed():
    layer, x = nn.Dropout(0.25), segue.ones(100, 100)
    segue.manual_seed(3)
    first = layer(x)
    kept = first != 0
    assert 0.72 < kept.float().mean().item() < 0.78
    assert segue.allclose(first[kept], segue.tensor(1 / 0.75))
    segue.manual_seed(3)
    assert segue.equal(layer(x), first) and not segue.equal(layer(x), first)
    assert layer.eval()(x) is x or segue.equal(layer(x), x)
    with pytest.raises(ValueError, match="between 0 and 1"):
        nn.Dropout(1.5)


@pytest.mark.parametrize("name, settings", [
    ("uniform_", {"a": -2, "b": 3}), ("normal_", {"mean": 1.0, "std": 0.5}), ("xavier_uniform_", {"gain": 2.0}), ("xavier_normal_", {}),
    ("kaiming_uniform_", {"a": math.sqrt(5)}), ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}), ("trunc_normal_", {"std": 0.7}),
])  # fmt: skip
def test_initial_distributions_have_pytorchs_moments(name, settings):
    segue.manual_seed(0)
    torch.manual_seed(0)
    mine = getattr(nn.init, name)(segue.empty(60, 40, 3, 3), **settings).numpy()
    reference = getattr(torch.nn.init, name)(torch.empty(60, 40, 3, 3), **settings).numpy()
    assert abs(mine.mean() - reference.mean()) < 0.02 * (reference.std() + 1) and abs(mine.std() / reference.std() - 1) < 0.03
    if name.endswith("uniform_"):
        assert abs(mine.max() / reference.max() - 1) < 0.01 and mine.min() < 0 or settings.get("a")


def test_other_initialisations():
    square = nn.init.orthogonal_(segue.empty(5, 8), gain=2.0)
    assert segue.allclose(square @ square.T, 4 * segue.eye(5), atol=1e-5)
    assert segue.equal(nn.init.eye_(segue.empty(2, 3)), segue.eye(2, 3))
    assert nn.init.constant_(segue.empty(2), 3.0).tolist() == [3.0, 3.0]
    assert nn.init.calculate_gain("tanh") == torch.nn.init.calculate_gain("tanh")
    with pytest.raises(ValueError, match="fan"):
        nn.init.xavier_uniform_(segue.empty(3))


def test_layers_start_as_pytorchs():
    segue.manual_seed(0)
    layer = nn.Linear(100, 400)
    assert 0.099 < layer.weight.abs().max().item() <= 0.1 and 0.098 < layer.bias.abs().max().item() <= 0.1
    assert abs(nn.Embedding(100, 100).weight.std().item() - 1) < 0.03


@pytest.mark.parametrize("power", [2.0, 1.0, 3.0, math.inf])
@pytest.mark.parametrize("limit", [0.1, 1e6])
def test_clip_grad_norm(power, limit):
    ours, theirs = nn.Linear(3, 2), torch.nn.Linear(3, 2)
    for parameter, other in zip(ours.parameters(), theirs.parameters()):
        gradient = array(*other.shape)
        parameter.grad, other.grad = segue.tensor(gradient), torch.tensor(gradient)
    mine = nn.utils.clip_grad_norm_(ours.parameters(), limit, power)
    reference = torch.nn.utils.clip_grad_norm_(theirs.parameters(), limit, power)
    np.testing.assert_allclose(mine.item(), reference.item(), rtol=1e-6)
    for parameter, other in zip(ours.parameters(), theirs.parameters()):
        np.testing.assert_allclose(parameter.grad.numpy(), other.grad.numpy(), rtol=1e-5)


def test_clip_values_and_vectors():
    layer = nn.Linear(2, 1)
    layer.weight.grad = segue.tensor([[3.0, -0.25]])
    nn.utils.clip_grad_value_(layer.parameters(), 0.5)
    assert layer.weight.grad.tolist() == [[0.5, -0.25]]
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (3,)
    nn.utils.vector_to_parameters(segue.tensor([1.0, 2.0, 3.0]), layer.parameters())
    assert layer.weight.tolist() == [[1.0, 2.0]] and layer.bias.tolist() == [3.0]
    layer.weight.grad = segue.tensor([[math.nan, 0.0]])
    with pytest.raises(RuntimeError, match="nan"):
        nn.utils.clip_grad_norm_(layer.parameters(), 1.0, error_if_nonfinite=True)


@pytest.mark.parametrize("wrong, kind, words", [
    (lambda: nn.Linear(3, 2)(segue.ones(2, 4)), RuntimeError, "4"),
    (lambda: nn.Conv2d(3, 4, 3)(segue.ones(1, 2, 5, 5)), RuntimeError, "2"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "divisible"),
    (lambda: nn.Conv2d(3, 4, 2, padding="same", stride=2), ValueError, "same"),
    (lambda: nn.Conv2d(3, 4, 2, padding_mode="mirror"), ValueError, "zeros"),
    (lambda: nn.BatchNorm2d(3)(segue.ones(2, 3)), ValueError, "4D"),
    (lambda: nn.GroupNorm(2, 3), ValueError, "divisible"),
    (lambda: nn.MSELoss(reduction="avg")(segue.ones(2), segue.ones(2)), ValueError, "avg"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), AssertionError, "within num_embeddings"),
    (lambda: nn.BCELoss()(segue.tensor([1.5]), segue.tensor([1.0])), RuntimeError, "elements of input should be between 0 and 1"),
    (lambda: nn.BCELoss()(segue.tensor([0.5]), segue.tensor([2.0])), RuntimeError, "elements of target should be between 0 and 1"),
    (lambda: nn.MarginRankingLoss()(segue.ones(3), segue.ones(3), segue.ones(3, 1)), RuntimeError, "same dimension"),
    (lambda: nn.CTCLoss()(segue.zeros(2, 1, 3), segue.ones(1, 1).long(), [3], [1]), RuntimeError, "input_lengths to have value at most 2"),
    (lambda: nn.MultiMarginLoss(p=3), ValueError, "p == 2"),
    (lambda: nn.TripletMarginLoss(margin=0), ValueError, "greater than 0"),
    (lambda: nn.MultiheadAttention(4, 2)(*[segue.ones(2, 1, 4)] * 3, attn_mask=segue.ones(2, 2).int()), AssertionError, "bool and floating"),
    (lambda: nn.Parameter([1.0]), TypeError, "from a Tensor"),
    (lambda: nn.Parameter(segue.tensor([1])), RuntimeError, "require a gradient"),
])  # fmt: skip
def test_bad_input(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()


@pytest.mark.parametrize("mode, want", [("sum", [[9.0], [15.0]]), ("mean", [[4.5], [7.5]]), ("max", [[6.0], [12.0]])])
def test_a_bag_ends_at_the_last_offset(mode, want):
    table, entries = 3 * segue.arange(5.0)[:, None], segue.tensor([1, 2, 4, 1, 0])
    found = nn.functional.embedding_bag(entries, table, segue.tensor([0, 2, 4]), mode=mode, include_last_offset=True)
    assert found.tolist() == want
    compiled = segue.compile(lambda e, o: nn.functional.embedding_bag(e, table, o, mode=mode, include_last_offset=True), fullgraph=True)
    assert compiled(entries, segue.tensor([0, 2, 4])).tolist() == want


@pytest.mark.parametrize("offsets", [[0, 7], [1, 3], [0, 3, 2], [0, -1]])
def test_offsets_of_bags_rise_from_0_to_the_end(offsets):
    with pytest.raises(RuntimeError, match="offsets must begin with 0"):
        nn.functional.embedding_bag(segue.tensor([1, 2, 4, 1, 0]), segue.ones(5, 1), segue.tensor(offsets))


@pytest.mark.parametrize(("p", "training"), [(0.5, False), (0.0, True)])
def test_dropout_in_place_that_drops_nothing_writes_nothing(p, training):
    x = segue.randn(3, 4, requires_grad=True)
    y = x.softmax(-1)
    before = y._version
    assert segue.nn.functional.dropout(y, p, training, inplace=True) is y and y._version == before
    y.sum().backward()  # softmax reads its result
    assert segue.nn.functional.dropout(x, p, training, inplace=True) is x  # a leaf is not written either
