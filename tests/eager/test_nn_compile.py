"""Modules and optimizers under the compiler: what must not change, and that a training step never compiles anew."""

import copy
import pickle

import pytest

import segue
import segue.nn.functional as F
from segue import nn, optim


@pytest.fixture(autouse=True)
def fresh():
    segue.compiler.reset()
    segue.manual_seed(0)


def make():
    """No bias before the batch norm, which takes it away again: its gradient would be rounding alone, which Adam's division blows up to steps."""
    return nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))


def test_compile_in_place_changes_nothing_but_the_call():
    model = make()
    names, before = list(model.state_dict()), repr(model)
    model.compile(backend="eager")
    assert list(model.state_dict()) == names and repr(model) == before and type(model) is nn.Sequential
    assert len(list(model.parameters())) == 5
    x = segue.randn(5, 4)
    model.eval()
    reference = copy.deepcopy(model)
    assert reference.__dict__.get("_compiled_call") is None
    assert segue.allclose(model(x), reference(x))
    assert segue.compiler.stats()["graphs"] == 1
    read = pickle.loads(pickle.dumps(model))
    assert segue.allclose(read(x), model(x))


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "dampening": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2),
    "Adam": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "Adamax": lambda p: optim.Adamax(p, lr=0.01),
    "NAdam": lambda p: optim.NAdam(p, lr=0.01),
    "RAdam": lambda p: optim.RAdam(p, lr=0.01, betas=(0.9, 0.9)),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.01, lr_decay=0.1),
    "Adadelta": lambda p: optim.Adadelta(p, lr=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True),
    "Rprop": lambda p: optim.Rprop(p, lr=0.01),
    "ASGD": lambda p: optim.ASGD(p, lr=0.01, t0=2),
    "Adafactor": lambda p: optim.Adafactor(p, lr=0.01),
    "AdamW, lr a tensor": lambda p: optim.AdamW(p, lr=segue.tensor(0.01)),
}


def train(make_optimizer, way, steps=6):
    segue.manual_seed(7)
    # In float64: captured, the gradient is a composition's and not the fused kernel's; RMSprop divides the last bit, in which they differ, by a small root.
    model = make().double()
    optimizer = make_optimizer(model.parameters())
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.9) if isinstance(optimizer.param_groups[0]["lr"], segue.Tensor) else None

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = way(step)
    losses = []
    for number in range(steps):
        segue.manual_seed(number)
        x, y = segue.randn(16, 4).double(), segue.randint(3, (16,))
        losses.append(run(x, y).item())
        if schedule:
            schedule.step()
    return losses, model, optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_whole_step_is_one_graph_for_ever(name):
    expected, reference, slow = train(OPTIMIZERS[name], lambda step: step)
    losses, model, fast = train(OPTIMIZERS[name], lambda step: segue.compile(step, backend="eager", fullgraph=True))
    stats = segue.compiler.stats()
    assert (stats["graphs"], stats["breaks"], stats["recompiles"]) == (1, 0, 0)
    assert losses == pytest.approx(expected, rel=1e-13)
    for (key, value), other in zip(model.state_dict().items(), reference.state_dict().values()):
        assert segue.allclose(value, other, rtol=0, atol=1e-13), key
    for value, other in zip(fast.state.values(), slow.state.values()):
        assert set(value) == set(other)
        for key in value:
            assert segue.allclose(value[key], other[key], rtol=0, atol=1e-13), key


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_captured_update_has_the_bits_of_the_eager_one(name):
    """Of the same gradients: both do the same operations in the same order."""

    def updated(way):
        segue.manual_seed(3)
        model = make()
        optimizer = OPTIMIZERS[name](model.parameters())
        step = way(lambda: optimizer.step())
        for _ in range(3):
            for parameter in model.parameters():
                parameter.grad = segue.randn(*parameter.shape)
            step()
        return [*model.parameters(), *[value for state in optimizer.state.values() for value in state.values()]]

    captured = updated(lambda step: segue.compile(step, backend="eager", fullgraph=True))
    assert all(segue.equal(found, expected) for found, expected in zip(captured, updated(lambda step: step), strict=True))


def test_clipping_is_captured_too():
    model = make()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @segue.compile(backend="eager", fullgraph=True)
    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss, norm

    for _ in range(2):
        step(segue.randn(8, 4))
    total = sum(p.grad.square().sum().item() for p in model.parameters()) ** 0.5
    assert total <= 0.5 + 1e-5 and segue.compiler.stats()["graphs"] == 1


def test_a_loaded_optimizer_state_is_used():
    model = nn.Linear(2, 1)
    optimizer = optim.Adam(model.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    compiled = segue.compile(step, backend="eager")
    x = segue.ones(3, 2)
    compiled(x)
    saved, weights = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(model.state_dict())
    compiled(x)
    after = model.weight.detach().clone()
    optimizer.load_state_dict(saved)
    model.load_state_dict(weights)
    compiled(x)
    assert segue.equal(model.weight.detach(), after)
    assert optimizer.state[model.weight]["step"].item() == 2.0


def test_the_grid_of_the_nearest_pixel_has_a_gradient_of_zeros():
    """As in PyTorch, in eager mode and in graphs: an optimizer tells zeros from none."""
    sample = lambda x, grid: segue.nn.functional.grid_sample(x, grid, mode="nearest", align_corners=False).sum()
    for function in (sample, segue.compile(sample)):
        x, grid = segue.ones(1, 1, 3, 3).requires_grad_(), segue.full((1, 2, 2, 2), 0.3).requires_grad_()
        function(x, grid).backward()
        assert grid.grad.tolist() == segue.zeros(1, 2, 2, 2).tolist() and x.grad.sum() == 4
