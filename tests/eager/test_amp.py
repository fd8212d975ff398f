"""Mixed precision: which dtype autocast gives each operator, and the scaler, against PyTorch."""

import warnings

import numpy as np
import pytest

import segue
import segue.nn.functional as F
from segue.amp import GradScaler, autocast, custom_bwd, custom_fwd
from segue.autograd import Function

PROGRAMS = [
    "x @ x", "t.mm(x, x)", "t.matmul(h, x)", "F.linear(x, x, x[0])", "t.addmm(x, x, x)", "t.baddbmm(b, b, b)", "F.conv1d(b, b)", "F.prelu(x, x[0])",
    "F.scaled_dot_product_attention(b, b, b)", "x + h", "t.cat([x, h])", "t.stack([h, h])", "t.stack([x, h])", "h.exp()", "F.softmax(h, 0)",
    "F.mse_loss(h, h)", "F.cross_entropy(h, x.argmax(1))", "h.prod()", "t.einsum('ij,jk->ik', x, x)", "d @ d", "F.layer_norm(h, (3,))", "t.quantile(h, 0.5)",
    "F.l1_loss(h, x)", "h.sum()", "t.tensordot(x, x, 1)", "F.binary_cross_entropy_with_logits(h, x.sigmoid())", "F.gelu(x @ x)", "t.mv(x, x[0])", "t.dot(x[0], x[0])", "t.linalg.vecdot(x, x)", "t.cdist(h, h)", "t.linalg.svdvals(h)", "t.linalg.lstsq(x, x)[0]",
    "t.fft.fft(h)", "F.bilinear(x, x, t.ones(2, 3, 3))", "F.adaptive_max_pool3d(h[None, None].float(), 1)", "F.fractional_max_pool2d(h[None], 2, output_size=2)",
]  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtypes_are_pytorchs(dtype):
    torch = pytest.importorskip("torch")
    found = []
    for t in (segue, torch):
        names = {"t": t, "F": t.nn.functional, "x": t.ones(3, 3) * 0.5, "h": t.ones(3, 3, dtype=getattr(t, dtype)), "b": t.ones(2, 2, 2),
                 "d": t.ones(3, 3, dtype=t.float64)}  # fmt: skip
        with t.autocast("cpu", dtype=getattr(t, dtype)):
            assert t.is_autocast_enabled("cpu") and t.get_autocast_dtype("cpu") is getattr(t, dtype)
            found.append([str(eval(program, names).dtype).split(".")[1] for program in PROGRAMS])
        assert not t.is_autocast_enabled("cpu")
    assert dict(zip(PROGRAMS, found[0])) == dict(zip(PROGRAMS, found[1]))


def test_autocast_nests_decorates_and_stays_out_of_the_backward():
    w = segue.ones(3, 3, requires_grad=True)
    with autocast("cpu"):
        with autocast("cpu", enabled=False):
            assert (w @ w).dtype is segue.float32
        with autocast("cpu", dtype=segue.float16):
            y = w @ w
        assert y.dtype is segue.float16 and (w @ w).dtype is segue.bfloat16
        y.float().sum().backward()
    assert w.grad.dtype is segue.float32 and w.grad.tolist() == [[6.0] * 3] * 3
    assert autocast("cpu")(lambda x: x @ x)(w).dtype is segue.bfloat16
    assert segue.func.vmap(autocast("cpu")(lambda x: x @ x))(segue.ones(2, 3, 3)).dtype is segue.bfloat16


def test_what_autocast_refuses():
    with pytest.raises(ValueError, match="device_type"):
        autocast(3)
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'toaster'"):
        autocast("toaster")
    with pytest.warns(UserWarning, match="cuda"), autocast("cuda"):
        assert not segue.is_autocast_enabled()
    with pytest.warns(UserWarning, match="not supported"), autocast("cpu", dtype=segue.int32):
        assert (segue.ones(2, 2) @ segue.ones(2, 2)).dtype is segue.float32


def test_custom_functions_under_autocast():
    seen = []

    class Product(Function):
        @staticmethod
        @custom_fwd(device_type="cpu", cast_inputs=segue.float32)
        def forward(ctx, x):
            seen.append((x.dtype, segue.is_autocast_enabled()))
            return x @ x

        @staticmethod
        @custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append(segue.is_autocast_enabled())
            return g

    class Follows(Function):
        forward = staticmethod(custom_fwd(lambda ctx, x: x @ x, device_type="cpu"))
        backward = staticmethod(custom_bwd(lambda ctx, g: seen.append(segue.is_autocast_enabled()) or g.float(), device_type="cpu"))

    x = segue.ones(2, 2, requires_grad=True)
    with autocast("cpu"):
        a, b = Product.apply(x.bfloat16()), Follows.apply(x)
    assert a.dtype is segue.float32 and b.dtype is segue.bfloat16
    (a.sum() + b.float().sum()).backward()
    assert seen == [(segue.float32, False), True, False] and not segue.is_autocast_enabled()


def train(t, scaler, steps, bad=()):
    w = t.ones(3, requires_grad=True)
    optimizer = t.optim.SGD([w], lr=0.1, momentum=0.9)
    states = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = (w * w).sum() * (float("inf") if step in bad else 1.0)
        scaler.scale(loss).backward()
        if step % 2:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        states.append((scaler.get_scale(), scaler.state_dict().get("_growth_tracker"), w.tolist()))
    return states


@pytest.mark.torch
def test_scaler_against_pytorch():
    torch = pytest.importorskip("torch")
    ours, theirs = (t.amp.GradScaler("cpu", init_scale=64.0, growth_interval=2) for t in (segue, torch))
    found, wanted = train(segue, ours, 8, bad=(2, 3)), train(torch, theirs, 8, bad=(2, 3))
    assert [state[:2] for state in found] == [state[:2] for state in wanted]
    np.testing.assert_allclose([s[2] for s in found], [s[2] for s in wanted], rtol=1e-6)
    assert ours.state_dict() == theirs.state_dict()
    again = GradScaler("cpu")
    again.load_state_dict(theirs.state_dict())
    assert again.state_dict() == ours.state_dict()


def test_what_the_scaler_refuses():
    w = segue.ones(3, requires_grad=True)
    scaler, optimizer = GradScaler("cpu"), segue.optim.SGD([w], lr=0.1)
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()
    with pytest.raises(AssertionError, match="nothing was scaled"):
        scaler.step(optimizer)
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    for again in (scaler.step, scaler.unscale_):
        with pytest.raises(RuntimeError, match="since the last update|after step"):
            again(optimizer)
    scaler.update()
    half = segue.ones(3, dtype=segue.float16, requires_grad=True)
    half.sum().backward()
    with pytest.raises(ValueError, match="FP16"):
        scaler.unscale_(segue.optim.SGD([half], lr=0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        off = GradScaler()
    assert not off.is_enabled() and off.state_dict() == {} and off.scale(w) is w and off.get_scale() == 1.0


def test_layers_under_autocast_train():
    segue.manual_seed(0)
    model = segue.nn.Sequential(segue.nn.Conv2d(1, 4, 3), segue.nn.BatchNorm2d(4), segue.nn.ReLU(), segue.nn.Flatten(), segue.nn.Linear(16, 2))
    optimizer = segue.optim.Adam(model.parameters(), lr=0.01)
    x, y, losses = segue.rand(8, 1, 4, 4), segue.arange(8) % 2, []
    for _ in range(10):
        with autocast("cpu"):
            out = model(x)
            loss = F.cross_entropy(out, y)
        assert out.dtype is segue.bfloat16 and loss.dtype is segue.float32
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_edges_and_full_contractions_are_computed_as_they_are():
    x = segue.ones(2, 4, 4)
    with segue.autocast("cpu"):
        half = x.bfloat16()
        assert [segue.nn.functional.pad(half, (1, 1), mode=mode).dtype.name for mode in ("reflect", "replicate", "circular", "constant")] == [
            "float32", "float32", "bfloat16", "bfloat16"]  # fmt: skip
        assert segue.tensordot(x[0], x[1]).dtype is segue.float32 and segue.tensordot(x[0], x[1], 1).dtype is segue.bfloat16
    assert segue.tensordot(x[0] * segue.arange(4), x[1], ([0, 1], [1, 0])).item() == 24
