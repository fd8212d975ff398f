"""Tensors on a GPU: everything is run over a stand-in for CuPy (stand_in.py), and once more over CuPy itself where there is a GPU (the tests marked `gpu`).

The oracle is the same operation on the CPU. What only CuPy can show (that its functions compute the same numbers) is in the second run.
"""

import copy
import io
import pickle

import numpy as np
import pytest

import segue
import segue.nn.functional as F
from segue import nn
from segue.eager import cuda
from segue.eager.ops import NAMES, OPS
from segue.eager.ops.samples import map_arrays
from segue.eager.ops.transfers import HOST_ROWS
from segue.eager.stats import stats
from segue.eager.tensor import Tensor, wrap

from . import stand_in

ON_GPU = [pytest.param(stand_in.module, id="stand-in"), pytest.param(None, id="gpu", marks=pytest.mark.gpu)]


@pytest.fixture(params=ON_GPU)
def gpu(request):
    """The device "cuda:0", over the stand-in or the real one."""
    cuda.leave()
    if request.param is not None:
        cuda.enter(request.param)
    elif cuda.accelerator() is None:
        cuda.leave()
        pytest.skip("there is no GPU that CuPy can use")
    yield segue.device("cuda:0")
    cuda.leave()
    HOST_ROWS.clear()


def close(a, b, tolerance=1e-4):
    a, b = a.detach().cpu(), b.detach().cpu()
    assert a.dtype is b.dtype and tuple(a.shape) == tuple(b.shape)
    wide = np.complex128 if a.is_complex() else np.float64
    assert np.allclose(a._data.astype(wide), b._data.astype(wide), rtol=tolerance, atol=tolerance, equal_nan=True), (a, b)


# ---------------------------------------------------------------------------------------------------------------- rows


def _leaves(values):
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif type(value) is tuple:
            yield from _leaves(value)


def carried_out(row, args, where):
    """The result of a row on a device, and the gradients of its operands for a fixed gradient of the result."""
    state = row.kind == "random"  # which stays on the host
    tensors = map_arrays(lambda a: wrap(a.copy("K")) if state and a.shape == (2,) else wrap(a.copy("K")).to(where), args)
    leaves = [x.requires_grad_() for x in _leaves(tensors) if x.is_floating_point() or x.is_complex()]
    with where if row.kind in ("creation", "random") else segue.enable_grad():
        out = row(*tensors)
    assert out.device == where
    if not out.requires_grad:
        return out, []
    weight = segue.from_numpy(np.cos(np.arange(out.numel())).reshape(tuple(out.shape))).to(out.dtype).to(out.device)
    return out, segue.autograd.grad([out], leaves, [weight], allow_unused=True)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"to_device"}))  # which test_gradients_cross_devices is about
def test_rows_and_their_gradients(name, gpu):
    row, cpu = OPS[name], segue.device("cpu")
    for args, _ in row.samples()[:2]:
        here, there = carried_out(row, args, cpu), carried_out(row, args, gpu)
        close(here[0], there[0])
        for a, b in zip(here[1], there[1], strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert b.device == gpu
                close(a, b)


@pytest.mark.parametrize("dtype", [segue.float16, segue.bfloat16, segue.float64])
def test_other_dtypes(dtype, gpu):
    x, index = segue.randn(4, 6, dtype=dtype), segue.tensor([0, 2, 0])
    for function in (
        lambda x, i: x * 2 + x, lambda x, i: x @ x.T, lambda x, i: x.softmax(-1), lambda x, i: x[i].sum(0), lambda x, i: x.index_add(0, i, x[:3]),
        lambda x, i: x.cumsum(1), lambda x, i: x.argsort(1), lambda x, i: F.gelu(x), lambda x, i: x.clamp(-1, 1).sqrt(), lambda x, i: x.sort(1)[0],
    ):  # fmt: skip
        close(function(x, index), function(x.to(gpu), index.to(gpu)), 2e-2 if dtype.itemsize == 2 else 1e-9)


def test_what_cupy_lacks_goes_through_the_host_and_is_counted(gpu):
    x = segue.randn(3, 3)
    before = stats["host_rows"]
    close(segue.linalg.svdvals(x), segue.linalg.svdvals(x.to(gpu)))
    close(segue.special.airy_ai(x), segue.special.airy_ai(x.to(gpu)))
    assert stats["host_rows"] - before == 2
    assert any("linalg_svdvals" in row for row in segue.cuda.host_rows()) and any("airy_ai" in row for row in segue.cuda.host_rows())
    with pytest.raises(RuntimeError, match="singular"):
        segue.linalg.inv(segue.zeros(2, 2, device=gpu))


# ---------------------------------------------------------------------------------------------------------------- tensors


def test_making_and_moving(gpu):
    for make in (
        lambda d: segue.zeros(2, 3, device=d), lambda d: segue.full((2,), 3, device=d), lambda d: segue.arange(3, device=d), lambda d: segue.eye(3, device=d),
        lambda d: segue.linspace(0, 1, 5, device=d), lambda d: segue.tensor([1, 2], device=d), lambda d: segue.as_tensor(np.ones(3), device=d),
        lambda d: segue.asarray([1.0, 2], device=d), lambda d: segue.tril_indices(3, 3, device=d), lambda d: segue.hann_window(5, device=d),
        lambda d: segue.logspace(0, 1, 4, device=d), lambda d: segue.scalar_tensor(2.0, device=d), lambda d: segue.fft.fftfreq(5, device=d),
        lambda d: segue.ones_like(segue.zeros(3, device=d)), lambda d: segue.ones(3, device=d).new_zeros(4), lambda d: segue.ones(3, device=d).new_tensor([1.0]),
    ):  # fmt: skip
        assert make(gpu).device == make("cuda").device == gpu
        close(make("cpu"), make(gpu))
    with gpu:
        assert segue.ones(2).is_cuda and segue.rand(2).is_cuda and nn.Linear(2, 2).weight.is_cuda and not segue.ones(2, device="cpu").is_cuda
    x = segue.ones(2, 3)
    y = x.cuda()
    assert y.is_cuda and y.cuda() is y and y.to("cuda:0") is y and y.cpu().device == x.device and y.to(x).device == x.device
    assert y.get_device() == 0 and y.t().stride() == (1, 3) and not y.t().is_contiguous() and y[1].storage_offset() == 3
    assert repr(y[0]) == "tensor([1., 1., 1.], device='cuda:0')"
    assert copy.deepcopy(y).device == gpu and y.tolist() == [[1, 1, 1], [1, 1, 1]] and float(y.sum()) == 6


def test_refusals(gpu):
    x = segue.tensor([1.0, 2.0], device=gpu)
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu"):
        x.numpy()
    with pytest.raises(TypeError, match="can't convert"):
        np.asarray(x)
    for mixed in (lambda: x + segue.ones(2), lambda: segue.ones(2) * x.sum(), lambda: segue.cat([x, segue.ones(2)]), lambda: segue.where(x > 0, segue.ones(2), x)):
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"):
            mixed()
    close(x + segue.tensor(1.0), segue.tensor([2.0, 3.0]))  # a 0-d tensor counts as a number
    close(segue.tensor(2.0) * x, segue.tensor([2.0, 4.0]))
    close(x[segue.tensor([1])], segue.tensor([2.0]))  # index tensors may come from the host
    for outside in (lambda: x[segue.tensor([5], device=gpu)], lambda: x[segue.tensor([-3], device=gpu)], lambda: x.gather(0, segue.tensor([2], device=gpu))):
        with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
            outside()
    with pytest.raises(RuntimeError, match="single memory location"):
        segue.ones(1, device=gpu).expand(3).add_(1)
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        segue.ones(1, device="cuda:9")
    with pytest.raises(RuntimeError, match="division by zero"):
        segue.tensor([1], device=gpu) // segue.tensor([0], device=gpu)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        x.reshape(1, 2) @ x.reshape(1, 2)


def test_writes_and_views(gpu):
    x = segue.arange(6.0, device=gpu).reshape(2, 3)
    view = x[:, 1]
    view.fill_(9)
    x[0, 0] = 7
    x[1] += segue.ones(3, device=gpu)
    x.T[2].mul_(2)
    assert x.tolist() == [[7, 9, 4], [4, 10, 12]] and view.tolist() == [9, 10]
    host = segue.zeros(2, 3)
    host.copy_(x)
    x.copy_(segue.ones(2, 3))
    assert host.tolist() == [[7, 9, 4], [4, 10, 12]] and x.sum().item() == 6 and host.device.type == "cpu"
    assert host.to(gpu)[host.to(gpu) > 9].tolist() == [10, 12] and segue.nonzero(x).shape == (6, 2)
    weight = segue.ones(3, device=gpu, requires_grad=True)
    scaled = weight * 2
    scaled[0] = 5.0
    (scaled * scaled).sum().backward()
    assert weight.grad.tolist() == [0, 8, 8]


def test_gradients_cross_devices(gpu):
    x = segue.randn(3, requires_grad=True)
    (x.to(gpu) ** 2).sum().backward()
    assert x.grad.device.type == "cpu"
    close(x.grad, 2 * x)
    y = segue.ones(2, device=gpu, requires_grad=True)
    y.cpu().mul(3).sum().backward()
    assert y.grad.tolist() == [3, 3] and y.grad.device == gpu
    close(segue.autograd.functional.hessian(lambda x: (x**3).sum(), segue.ones(2, device=gpu)), 6 * segue.eye(2))
    close(segue.func.vmap(segue.func.grad(lambda x: x.sin().sum()))(segue.ones(3, 2, device=gpu)), segue.ones(3, 2).cos())


@pytest.mark.parametrize("draw", [
    lambda d: segue.rand(5, 3, device=d), lambda d: segue.rand(3, dtype=segue.float64, device=d), lambda d: segue.randn(5, 3, device=d),
    lambda d: segue.randint(0, 100, (7,), device=d), lambda d: segue.randperm(9, device=d), lambda d: segue.empty(4, device=d).normal_(),
    lambda d: segue.multinomial(segue.ones(5, device=d), 3), lambda d: F.dropout(segue.ones(8, device=d), 0.5),
    lambda d: segue.rand(4, device=d, generator=segue.Generator().manual_seed(2**63 + 9)),
])  # fmt: skip
def test_random_numbers_are_those_of_the_cpu(draw, gpu):
    drawn = []
    for where in ("cpu", gpu):
        segue.manual_seed(3)
        drawn.append(draw(where))
    assert drawn[1].device == gpu
    close(*drawn, 1e-6)


def test_saving(gpu):
    layer = nn.Linear(3, 2).to(gpu)
    for options in ({}, {"format": "torch"}):
        file = io.BytesIO()
        segue.save({"layer": layer.state_dict(), "row": layer.weight[1]}, file, **options)
        found = segue.load(io.BytesIO(file.getvalue()))
        assert found["layer"]["weight"].device == gpu
        close(found["layer"]["weight"], layer.weight)
        close(found["row"], layer.weight[1])
        assert segue.load(io.BytesIO(file.getvalue()), map_location="cpu")["row"].device.type == "cpu"
        cuda.leave()
        cuda._found.append(None)  # a machine without a GPU
        with pytest.raises(RuntimeError, match="cuda:0"):
            segue.load(io.BytesIO(file.getvalue()))
        cuda.leave()
        cuda.enter(stand_in.module) if isinstance(layer.weight._data, stand_in.ndarray) else cuda.accelerator()
    file = io.BytesIO()
    segue.save(nn.Linear(3, 2).state_dict(), file)
    layer.load_state_dict(segue.load(io.BytesIO(file.getvalue()), map_location="cuda"))
    layer.load_state_dict(segue.load(io.BytesIO(file.getvalue())))
    assert layer.weight.is_cuda and pickle.loads(pickle.dumps(layer)).weight.device == gpu


# ---------------------------------------------------------------------------------------------------------------- training


class Block(nn.Module):
    """A small language model: embeddings, one layer of attention, a head."""

    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(10, 16), nn.Linear(16, 10)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, activation="gelu", batch_first=True)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device)
        return self.head(self.layer(self.words(x), src_mask=mask)).reshape(-1, 10)


def convolutional():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, groups=2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(8, 10))  # fmt: skip


def trained(make, data, target, where, optimizer, compiled=None):
    segue.manual_seed(0)
    model = make().to(where)
    assert all(p.device.type == segue.device(where).type for p in (*model.parameters(), *model.buffers()))
    step_of = optimizer(model.parameters())
    data, target = data.to(where), target.to(where)

    def step():
        step_of.zero_grad()
        loss = F.cross_entropy(model(data), target.reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        step_of.step()
        return loss

    run = step if compiled is None else segue.compile(step, backend=compiled)
    return [run().item() for _ in range(3)]


IMAGES, WORDS = (convolutional, segue.randn(4, 3, 8, 8), segue.tensor([1, 2, 3, 4])), (Block, segue.arange(12).reshape(2, 6) % 10, segue.arange(12) % 7)


@pytest.mark.parametrize("task", [IMAGES, WORDS], ids=["images", "words"])
def test_training_steps(task, gpu):
    def adam(parameters):
        return segue.optim.AdamW(parameters, lr=1e-2)

    assert trained(*task, gpu, adam) == pytest.approx(trained(*task, "cpu", adam), rel=1e-4)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "NAdam", "RAdam", "Adamax", "Adadelta", "LBFGS"])
def test_optimizers(name, gpu):
    results = []
    for where in ("cpu", gpu):
        weight = segue.tensor([1.0, -2.0, 3.0], device=where, requires_grad=True)
        options = {"lr": 0.1, "momentum": 0.9} if name == "SGD" else {"lr": 0.1}
        optimizer = getattr(segue.optim, name)([weight], **options)

        def loss(optimizer=optimizer, weight=weight):
            optimizer.zero_grad()
            out = (weight**2).sum()
            out.backward()
            return out

        for _ in range(3):
            optimizer.step(loss)
        results.append(weight)
    close(*results)


def test_mixed_precision(gpu):
    model, data = nn.Linear(8, 8).to(gpu), segue.randn(4, 8, device=gpu)
    optimizer, scaler = segue.optim.SGD(model.parameters(), lr=0.1), segue.amp.GradScaler("cuda")
    with segue.autocast("cuda"):
        out = model(data)
    assert out.dtype is segue.float16
    before = model.weight.detach().clone()
    scaler.scale((out.float() ** 2).mean()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert not segue.equal(before, model.weight)


@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_compiled(backend, gpu):
    """The graph is captured, creation and random draws with it, and interpreted; the inductor says so."""
    before = stats.read()

    def attend(x, w):
        out = F.scaled_dot_product_attention(x, x @ w, x, is_causal=True) + segue.ones(4, device=x.device)
        return F.dropout(out, 0.5) * segue.arange(4, device=x.device)

    x, w = segue.randn(2, 3, 4), segue.randn(4, 4)
    results = []
    compiled = segue.compile(attend, backend=backend, fullgraph=True)
    for where, function in (("cpu", attend), (gpu, compiled), (gpu, compiled)):
        segue.manual_seed(1)
        weight = w.detach().clone().to(where).requires_grad_()
        out = function(x.to(where), weight)
        (out**2).sum().backward()
        results.append((out, weight.grad))
    assert results[1][0].device == gpu
    for out, gradient in results[1:]:
        close(results[0][0], out)
        close(results[0][1], gradient)
    since = stats.since(before)
    assert since["graphs"] == 1 and not since["breaks"] and not since["reruns"] and since["fallbacks"] == (0 if backend == "eager" else 2)


def test_compiled_training_step(gpu):
    def sgd(parameters):
        return segue.optim.SGD(parameters, lr=0.1, momentum=0.9)

    assert trained(*WORDS, gpu, sgd, "inductor") == pytest.approx(trained(*WORDS, gpu, sgd), rel=1e-5)


def test_compiled_writes_to_shared_memory(gpu):
    """Two inputs that lie in one memory are seen as such on a GPU, too."""

    def write(a, b):
        a.add_(1)
        return b * 2

    for arguments in (lambda x: (x, x[1:]), lambda x: (x, x + 0), lambda x: (x[:2], x[2:])):
        here, there = segue.arange(4.0, device=gpu), segue.arange(4.0, device=gpu)
        close(write(*arguments(here)), segue.compile(write, backend="eager")(*arguments(there)))
        close(here, there)


# ---------------------------------------------------------------------------------------------------------------- questions


def test_questions(gpu):
    assert segue.cuda.is_available() and segue.cuda.device_count() >= 1 and segue.cuda.current_device() == 0
    assert segue.cuda.get_device_name() and segue.cuda.get_device_capability() >= (5, 0) and segue.accelerator.current_accelerator().type == "cuda"
    free, total = segue.cuda.mem_get_info()
    assert 0 < free <= total and segue.cuda.memory_allocated() + segue.ones(1000, device=gpu).nbytes > 0
    start, end, stream = segue.cuda.Event(enable_timing=True), segue.cuda.Event(enable_timing=True), segue.cuda.Stream()
    start.record()
    with stream:
        x = segue.ones(8, device=gpu) * 2
    segue.cuda.current_stream().wait_stream(stream)
    end.record()
    end.synchronize()
    segue.cuda.synchronize()
    segue.cuda.empty_cache()
    assert start.elapsed_time(end) >= 0 and stream.query() and x.sum().item() == 16
    assert segue.Generator("cuda").device == gpu
    for batch in segue.utils.data.DataLoader(segue.utils.data.TensorDataset(segue.arange(4.0)), batch_size=2, pin_memory=True):
        assert batch[0].to(gpu, non_blocking=True).device == gpu
