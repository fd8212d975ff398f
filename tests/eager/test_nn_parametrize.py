"""Parametrisations, weight and spectral norm in both forms, and fused batch norms, against PyTorch."""

import copy
import pickle

import numpy as np
import pytest

import segue
from segue import nn
from segue.nn.utils import parametrizations, parametrize

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

CASES = {
    "weight norm": lambda l: l.nn.utils.parametrizations.weight_norm(l.nn.Linear(3, 4)),
    "weight norm of all": lambda l: l.nn.utils.parametrizations.weight_norm(l.nn.Linear(3, 4), dim=None),
    "weight norm by hook": lambda l: l.nn.utils.weight_norm(l.nn.Conv1d(3, 4, 1), dim=1),
    "spectral norm": lambda l: l.nn.utils.parametrizations.spectral_norm(l.nn.Linear(3, 4), n_power_iterations=2),
    "spectral norm by hook": lambda l: l.nn.utils.spectral_norm(l.nn.ConvTranspose1d(3, 4, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_same_names_results_and_gradients(name):
    ours, theirs = CASES[name](segue).double(), CASES[name](torch).double()
    state = theirs.state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == {key: tuple(value.shape) for key, value in ours.state_dict().items()}
    ours.load_state_dict({key: segue.from_numpy(value.numpy().copy()) for key, value in state.items()})
    x = np.random.default_rng(0).normal(size=(5, 3, 1) if "hook" in name else (5, 3))
    for _ in range(2):
        a, b = ours(segue.from_numpy(x)), theirs(torch.from_numpy(x))
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-7)
    a.cos().sum().backward()
    b.cos().sum().backward()
    for key, parameter in theirs.named_parameters():
        np.testing.assert_allclose(ours.get_parameter(key).grad.numpy(), parameter.grad.numpy(), rtol=1e-6, atol=1e-9, err_msg=key)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-6, atol=1e-9)


class Doubled(nn.Module):
    def forward(self, x):
        return x * 2

    def right_inverse(self, x):
        return x / 2


def test_register_chain_write_and_remove():
    layer = nn.Linear(2, 2)
    before, kind = layer.weight.detach().clone(), type(layer)
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert parametrize.is_parametrized(layer, "weight") and isinstance(layer, kind) and type(layer).__name__ == "ParametrizedLinear"
    assert segue.allclose(layer.weight, before) and segue.allclose(layer.parametrizations.weight.original, before / 4)
    layer.weight = segue.ones(2, 2)
    assert layer.weight.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    other = copy.deepcopy(layer)
    assert segue.equal(other.weight, layer.weight) and other.parametrizations.weight.original is not layer.parametrizations.weight.original
    with parametrize.cached():
        assert layer.weight is layer.weight
    with pytest.raises(RuntimeError, match="state_dict"):
        pickle.dumps(layer)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is kind and isinstance(layer.weight, nn.Parameter) and sorted(layer.state_dict()) == ["bias", "weight"]
    with pytest.raises(ValueError, match="does not have a parameter"):
        parametrize.register_parametrization(layer, "nothing", Doubled())
    with pytest.raises(ValueError, match="may not change the shape"):
        parametrize.register_parametrization(layer, "weight", nn.Flatten(0))


def test_older_norms_are_removed_again():
    for put, remove in ((nn.utils.weight_norm, nn.utils.remove_weight_norm), (nn.utils.spectral_norm, nn.utils.remove_spectral_norm)):
        layer = put(nn.Linear(3, 2)).eval()
        x = segue.ones(1, 3)
        expected = layer(x)
        remove(layer)
        assert segue.allclose(layer(x), expected) and sorted(layer.state_dict()) == ["bias", "weight"]
        with pytest.raises(ValueError, match="not normalised"):
            remove(layer)


def test_captured_as_one_graph():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    segue.compiler.reset()
    x = segue.ones(2, 3)
    assert segue.allclose(segue.compile(layer, backend="eager", fullgraph=True)(x), layer(x))


def test_fused_batch_norm_and_skipped_start():
    for layer, norm, x, fuse in (
        (nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), segue.randn(2, 3, 4, 4), nn.utils.fuse_conv_bn_eval),
        (nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), segue.randn(5, 3), nn.utils.fuse_linear_bn_eval),
    ):
        norm(layer(x))
        layer.eval(), norm.eval()
        assert segue.allclose(fuse(layer, norm)(x), norm(layer(x)), atol=1e-6)
    assert nn.utils.skip_init(nn.Linear, 2, 3).weight.shape == (3, 2)


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 5)])
@pytest.mark.parametrize("chosen", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("trivial", [True, False])
def test_orthogonal(shape, chosen, trivial):
    layer = nn.Linear(shape[1], shape[0])
    parametrizations.orthogonal(layer, orthogonal_map=chosen, use_trivialization=trivial)
    start = layer.weight.detach()
    for _ in range(2):
        w = layer.weight
        assert segue.allclose(w.mT @ w if shape[0] >= shape[1] else w @ w.mT, segue.eye(min(shape)), atol=1e-5)
        (w * segue.arange(w.numel()).reshape(shape)).sum().backward()
        with segue.no_grad():
            layer.parametrizations.weight.original -= 0.05 * layer.parametrizations.weight.original.grad
    assert not segue.allclose(layer.weight, start, atol=1e-3)
    if trivial or chosen == "householder":
        layer.weight = start
        assert segue.allclose(layer.weight, start, atol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 5)])
@pytest.mark.parametrize("chosen", ["matrix_exp", "cayley", "householder"])
def test_orthogonal_is_pytorchs(shape, chosen):
    torch = pytest.importorskip("torch")
    mine, other = nn.Linear(shape[1], shape[0]), torch.nn.Linear(shape[1], shape[0])
    parametrizations.orthogonal(mine, orthogonal_map=chosen)
    torch.nn.utils.parametrizations.orthogonal(other, orthogonal_map=chosen)
    state = {key: value.detach().numpy().copy() for key, value in mine.state_dict().items()}
    assert list(state) == list(other.state_dict())
    state["parametrizations.weight.original"] = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    mine.load_state_dict({key: segue.tensor(value) for key, value in state.items()})
    other.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
    np.testing.assert_allclose(mine.weight.detach().numpy(), other.weight.detach().numpy(), 1e-4, 1e-4)
    (mine.weight**3).sum().backward()
    (other.weight**3).sum().backward()
    found, expected = (layer.parametrizations.weight.original.grad.numpy() for layer in (mine, other))
    np.testing.assert_allclose(found, expected, 1e-3, 1e-4)


def test_orthogonal_refuses():
    with pytest.raises(ValueError, match="orthogonal_map"):
        parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="qr")
    with pytest.raises(ValueError, match="1 dimensions"):
        parametrizations.orthogonal(nn.Linear(2, 2), "bias")
    with pytest.raises(ValueError, match="no parameter"):
        parametrizations.orthogonal(nn.Linear(2, 2), "w")
