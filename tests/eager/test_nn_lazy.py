"""Lazy modules, the adaptive softmax, `DataParallel` and the older names of `nn.init`."""

import copy
import pickle

import numpy as np
import pytest

import segue
from segue import nn

LAZY = {  # lazy module, the ordinary one with the same settings, the shape of an input
    "linear": (lambda n: n.LazyLinear(4), lambda n: n.Linear(5, 4), (2, 3, 5)),
    "linear without bias": (lambda n: n.LazyLinear(4, bias=False), lambda n: n.Linear(5, 4, bias=False), (5,)),
    "conv1d": (lambda n: n.LazyConv1d(4, 3), lambda n: n.Conv1d(6, 4, 3), (2, 6, 9)),
    "conv2d": (lambda n: n.LazyConv2d(4, 3, 2, 1, groups=2), lambda n: n.Conv2d(6, 4, 3, 2, 1, groups=2), (2, 6, 9, 9)),
    "conv2d unbatched": (lambda n: n.LazyConv2d(4, 3, bias=False), lambda n: n.Conv2d(6, 4, 3, bias=False), (6, 9, 9)),
    "conv3d": (lambda n: n.LazyConv3d(2, 2), lambda n: n.Conv3d(3, 2, 2), (1, 3, 4, 4, 4)),
    "transposed": (lambda n: n.LazyConvTranspose2d(4, 3, stride=2), lambda n: n.ConvTranspose2d(6, 4, 3, stride=2), (2, 6, 5, 5)),
    "batch norm": (lambda n: n.LazyBatchNorm2d(), lambda n: n.BatchNorm2d(6), (2, 6, 5, 5)),
    "batch norm, bare": (lambda n: n.LazyBatchNorm1d(affine=False, momentum=None), lambda n: n.BatchNorm1d(6, affine=False, momentum=None), (4, 6)),
    "instance norm": (lambda n: n.LazyInstanceNorm1d(affine=True, track_running_stats=True),
                      lambda n: n.InstanceNorm1d(6, affine=True, track_running_stats=True), (2, 6, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAZY)
def test_the_first_call_makes_the_ordinary_module(name):
    lazy, plain, shape = LAZY[name]
    made, expected = lazy(nn), plain(nn)
    assert made.has_uninitialized_params() or not list(expected.parameters()) + list(expected.buffers())
    x = segue.rand(shape)
    segue.manual_seed(1)
    out = made(x)
    segue.manual_seed(1)
    expected = plain(nn)
    assert type(made) is type(expected) and repr(made) == repr(expected)
    assert segue.equal(out, expected(x))
    assert list(made.state_dict()) == list(expected.state_dict()) and all(type(p) is nn.Parameter for p in made.parameters())
    assert segue.equal(made(x), expected(x))
    loss = made(x).sum()
    if loss.requires_grad:
        loss.backward()


@pytest.mark.parametrize("name", LAZY)
def test_a_loaded_state_gives_the_shapes(name):
    lazy, plain, shape = LAZY[name]
    made, source = lazy(nn), plain(nn)
    made.load_state_dict(source.state_dict())
    assert not made.has_uninitialized_params()
    x = segue.rand(shape)
    assert segue.equal(made.eval()(x), source.eval()(x)) and repr(made) == repr(source)


@pytest.mark.torch
@pytest.mark.parametrize("name", LAZY)
def test_as_pytorch(name):
    torch = pytest.importorskip("torch")
    lazy, _, shape = LAZY[name]
    mine, other = lazy(nn), lazy(torch.nn)
    assert type(mine).__name__ == type(other).__name__ and list(mine.state_dict()) == list(other.state_dict())
    mine(segue.rand(shape))
    other(torch.rand(shape))
    assert {k: tuple(v.shape) for k, v in mine.state_dict().items()} == {k: tuple(v.shape) for k, v in other.state_dict().items()}


def test_what_is_not_there_yet_says_so():
    layer = nn.LazyLinear(3)
    assert nn.parameter.is_lazy(layer.weight) and "UninitializedParameter" in repr(layer.weight)
    with pytest.raises(RuntimeError, match="uninitialized parameter"):
        assert layer.weight.shape
    with pytest.raises(RuntimeError, match="uninitialized parameter"):
        layer.weight + 1
    twin = copy.deepcopy(layer)
    layer(segue.ones(1, 4))
    assert twin.has_uninitialized_params() and twin(segue.ones(1, 7)).shape == (1, 3) and layer.in_features == 4
    with pytest.raises(RuntimeError, match="batched"):
        nn.LazyConv2d(2, 3)(segue.ones(3, 3))
    with pytest.raises(ValueError, match="divisible"):
        nn.LazyConv2d(2, 3, groups=2)(segue.ones(1, 3, 5, 5))


def test_a_model_of_lazy_modules_trains_compiled():
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    x = segue.rand(3, 2, 6, 6)
    model(x)
    before = segue.compiler.stats()["graphs"]
    assert segue.allclose(segue.compile(model)(x), model(x), atol=1e-5) and segue.compiler.stats()["graphs"] == before + 1


# ---------------------------------------------------------------------------------------------------------------- adaptive softmax


def test_the_adaptive_softmax_is_a_distribution():
    segue.manual_seed(0)
    model = nn.AdaptiveLogSoftmaxWithLoss(16, 30, [5, 12, 20], div_value=2.0, head_bias=True)
    x, target = segue.randn(8, 16), segue.tensor([0, 4, 5, 11, 12, 19, 20, 29])
    table = model.log_prob(x)
    assert segue.allclose(table.exp().sum(1), segue.ones(8), atol=1e-5)
    out, loss = model(x, target)
    assert segue.allclose(out, table[segue.arange(8), target], atol=1e-6) and segue.allclose(loss, -out.mean())
    assert model.predict(x).tolist() == table.argmax(1).tolist()
    assert segue.allclose(model(x[3], target[3]).output, out[3], atol=1e-6)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.torch
def test_the_adaptive_softmax_is_pytorchs():
    torch = pytest.importorskip("torch")
    settings = ((12, 20, [4, 9]), {"div_value": 3.0})
    mine, other = nn.AdaptiveLogSoftmaxWithLoss(*settings[0], **settings[1]), torch.nn.AdaptiveLogSoftmaxWithLoss(*settings[0], **settings[1])
    assert list(mine.state_dict()) == list(other.state_dict())
    other.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in mine.state_dict().items()})
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(6, 12)).astype(np.float32), np.array([0, 3, 4, 8, 9, 19])
    found, expected = mine(segue.tensor(x), segue.tensor(target)), other(torch.tensor(x), torch.tensor(target))
    np.testing.assert_allclose(found.output.detach().numpy(), expected.output.detach().numpy(), 1e-5, 1e-6)
    found.loss.backward()
    expected.loss.backward()
    for a, b in zip(mine.parameters(), other.parameters()):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), 1e-4, 1e-6)


@pytest.mark.parametrize("wrong, kind, words", [
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 5, [3, 2]), ValueError, "increasing"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 5, []), ValueError, "larger than 0"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(segue.ones(2, 4), segue.tensor([0, 5])), RuntimeError, r"\[0, 4\]"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(segue.ones(2, 4), segue.tensor([0])), RuntimeError, "batch dimension"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(segue.ones(4), segue.tensor([0])), RuntimeError, "same size|1D"),
])  # fmt: skip
def test_bad_input(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()


def test_data_parallel_is_the_module():
    inner = nn.Linear(3, 2)
    model = nn.DataParallel(inner, device_ids=[0])
    x = segue.rand(4, 3)
    assert segue.equal(model(x), inner(x)) and list(model.state_dict()) == ["module.weight", "module.bias"]
    assert segue.equal(nn.parallel.data_parallel(inner, x), inner(x))


def test_older_names_of_initialisers_warn():
    w = segue.empty(3, 2)
    for name in ("uniform", "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal", "eye"):
        with pytest.warns(FutureWarning, match=f"nn.init.{name}_"):
            assert getattr(nn.init, name)(w) is w
    with pytest.warns(FutureWarning):
        assert nn.init.constant(w, 3.0).tolist() == [[3.0, 3.0]] * 3


def test_pickles_keep_shapeless_parameters_shapeless(tmp_path):
    model = nn.Sequential(nn.LazyConv2d(3, 2), nn.LazyBatchNorm2d())
    segue.save(model, tmp_path / "model.pt", pickle_module=pickle)
    for read in (pickle.loads(pickle.dumps(model)), segue.load(tmp_path / "model.pt", weights_only=False)):
        assert type(read[0].weight) is nn.UninitializedParameter and read(segue.ones(2, 4, 5, 5)).shape == (2, 3, 4, 4)
        assert type(read[0]) is nn.Conv2d and type(read[0].weight) is nn.Parameter
