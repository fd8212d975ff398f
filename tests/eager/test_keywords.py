"""Arguments under their keywords, as PyTorch takes them: each expression has PyTorch's value."""

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
x.where(x > 2, x * 0 - 1) | x.where(condition=x > 2, other=x * 0) | M.linalg.norm(input=x) | M.linalg.matrix_norm(input=x) | M.det(input=s) | M.inverse(input=s)
M.slogdet(input=s)[1] | M.linalg.matrix_power(input=s, n=2) | M.linalg.pinv(input=s) | M.linalg.lstsq(input=s, b=s)[0] | M.linalg.eigvals(input=s).real
M.dot(input=x[0], tensor=x[1]) | M.numel(x) | M.promote_types(type1=M.int32, type2=M.float32).itemsize | x.clone().fill_diagonal_(7) | x.get_device()
M.zeros(7, 3).fill_diagonal_(5, wrap=True) | x.is_signed() | x.is_pinned() | len(x[0].storage()) | x.untyped_storage().nbytes() | x.clone().apply_(lambda v: v + 1)
M.hann_window(5) | M.hamming_window(6, periodic=False) | M.kaiser_window(5, True, 8.0) | M.vander(M.arange(3)) | M.norm_except_dim(x, 2, 1)
M.embedding(x, M.tensor([1, 0])) | M.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False) | M.add(x, x, alpha=2) | M.lerp(x, x + 1, 1.0)
M.autograd.grad(outputs=[(w * w).sum()], inputs=[w], only_inputs=True)[0] | M.autograd.grad(w * w, w, M.eye(2), is_grads_batched=True)[0]
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


@pytest.mark.parametrize("expression", ("x.view(6, size=(6,))", "x.reshape(dims=(6,))", "M.add(x.int(), x.int(), alpha=1.5)"))
def test_bad_keywords_raise_alike(expression):
    kinds = []
    for M in (torch, segue):
        with pytest.raises((TypeError, RuntimeError)) as caught:
            value(M, expression)
        kinds.append(TypeError if isinstance(caught.value, TypeError) else RuntimeError)
    assert kinds[0] is kinds[1]


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
