"""Optimizers and schedules: step for step against PyTorch, state saved and loaded, bad settings."""

import copy
import math

import numpy as np
import pytest

import segue
from segue import nn, optim

SETTINGS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "dampening": 0.3, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.3, 0.99), "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.01, "betas": (0.0, 0.9)}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True}),
]


def gradients(step, shapes, scale):
    random = np.random.default_rng(step)
    return [(random.standard_normal(shape) * scale).astype(np.float32) for shape in shapes]


@pytest.mark.torch
@pytest.mark.parametrize("name, settings", SETTINGS)
def test_step_for_step_as_pytorch(name, settings):
    torch = pytest.importorskip("torch")
    shapes = [(3, 4), (5,), ()]
    start = gradients(99, shapes, 1.0)
    mine = [segue.tensor(value, requires_grad=True) for value in start]
    theirs = [torch.tensor(value, requires_grad=True) for value in start]
    ours, reference = getattr(optim, name)(mine, **settings), getattr(torch.optim, name)(theirs, **settings)
    for step in range(25):
        for parameter, other, gradient in zip(mine, theirs, gradients(step, shapes, 10.0 ** -(step % 4))):
            parameter.grad, other.grad = segue.tensor(gradient), torch.tensor(gradient)
        ours.step()
        reference.step()
        for parameter, other in zip(mine, theirs):
            np.testing.assert_allclose(parameter.detach().numpy(), other.detach().numpy(), rtol=2e-6, atol=2e-7, err_msg=f"step {step}")


@pytest.mark.torch
def test_first_bias_correction_keeps_float32_precision():
    torch = pytest.importorskip("torch")
    mine, other = segue.tensor([0.0], requires_grad=True), torch.tensor([0.0], requires_grad=True)
    ours, reference = optim.Adam([mine], lr=1.0, eps=0.0), torch.optim.Adam([other], lr=1.0, eps=0.0)
    mine.grad, other.grad = segue.tensor([3e-3]), torch.tensor([3e-3])
    ours.step()
    reference.step()
    np.testing.assert_allclose(mine.item(), other.item(), rtol=5e-7)


@pytest.mark.parametrize("name, settings", SETTINGS)
def test_saved_state_goes_on_where_it_was(name, settings):
    def make():
        parameter = segue.tensor([1.0, -2.0, 3.0], requires_grad=True)
        return parameter, getattr(optim, name)([parameter], **settings)

    def run(parameter, optimizer, steps):
        for step in steps:
            parameter.grad = segue.tensor(gradients(step, [(3,)], 1.0)[0])
            optimizer.step()

    whole, first = make(), make()
    run(*whole, range(6))
    run(*first, range(3))
    state = copy.deepcopy(first[1].state_dict())
    second = make()
    with segue.no_grad():
        second[0].copy_(first[0])
    second[1].load_state_dict(state)
    run(*second, range(3, 6))
    assert segue.equal(second[0], whole[0])


def test_state_has_pytorchs_names():
    parameter = segue.tensor([1.0], requires_grad=True)
    optimizer = optim.AdamW([parameter], amsgrad=True)
    parameter.grad = segue.tensor([1.0])
    optimizer.step()
    assert set(optimizer.state[parameter]) == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
    state = optimizer.state_dict()
    assert state["param_groups"][0]["params"] == [0] and set(state["state"]) == {0}
    assert state["state"][0]["step"].item() == 1.0 and state["state"][0]["step"].dtype is segue.float32


def test_parameters_without_a_gradient_stay():
    moved, stays = (segue.tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.Adam([moved, stays])
    moved.grad = segue.tensor([1.0])
    optimizer.step()
    assert moved.item() != 1.0 and stays.item() == 1.0
    assert optimizer.state[stays]["step"].item() == 0.0


def test_groups_have_settings_of_their_own():
    a, b = (segue.tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 1.0}], lr=0.1)
    a.grad, b.grad = segue.tensor([1.0]), segue.tensor([1.0])
    optimizer.step()
    assert math.isclose(a.item(), 0.9, rel_tol=1e-6) and b.item() == 0.0
    c = segue.tensor([1.0], requires_grad=True)
    optimizer.add_param_group({"params": [c], "lr": 2.0})
    c.grad = segue.tensor([1.0])
    optimizer.step()
    assert c.item() == -1.0
    assert "Parameter Group 2\n    dampening: 0.0\n    lr: 2.0" in repr(optimizer)


def test_zero_grad_and_closure():
    parameter = segue.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([parameter], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (parameter * parameter).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0 and parameter.item() == 1.0
    optimizer.zero_grad(set_to_none=False)
    assert parameter.grad.item() == 0.0
    optimizer.zero_grad()
    assert parameter.grad is None


def test_a_tensor_learning_rate_is_read_at_each_step():
    parameter, lr = segue.tensor([1.0], requires_grad=True), segue.tensor(0.5)
    optimizer = optim.SGD([parameter], lr=lr)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    parameter.grad = segue.tensor([1.0])
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == 0.25
    optimizer.step()
    assert parameter.item() == 0.25


def test_the_state_is_made_once():
    parameter = segue.tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([parameter])
    optimizer.prepare()
    first = optimizer.state[parameter]["exp_avg"]
    optimizer.prepare()
    assert optimizer.state[parameter]["exp_avg"] is first
    assert optim.Optimizer.prepare.__segue_capture_time__


@pytest.mark.torch
@pytest.mark.parametrize("name, settings", [
    ("StepLR", {"step_size": 3, "gamma": 0.5}), ("ExponentialLR", {"gamma": 0.9}), ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.95**epoch}),
])  # fmt: skip
def test_schedules_are_pytorchs(name, settings):
    torch = pytest.importorskip("torch")
    ours = optim.SGD([segue.tensor([1.0], requires_grad=True)], lr=0.1)
    theirs = torch.optim.SGD([torch.tensor([1.0], requires_grad=True)], lr=0.1)
    mine, reference = getattr(optim.lr_scheduler, name)(ours, **settings), getattr(torch.optim.lr_scheduler, name)(theirs, **settings)
    for _ in range(10):
        theirs.step()
        assert math.isclose(mine.get_last_lr()[0], reference.get_last_lr()[0], rel_tol=1e-9)
        mine.step()
        reference.step()


def parameter():
    return segue.tensor([1.0], requires_grad=True)


@pytest.mark.parametrize("wrong, kind, words", [
    (lambda: optim.SGD([], lr=0.1), ValueError, "no parameters"),
    (lambda: optim.SGD(parameter()), TypeError, "iterable"),
    (lambda: optim.SGD([parameter() * 2]), ValueError, "leaf"),
    (lambda: optim.SGD([[1.0]]), TypeError, "not list"),
    (lambda: optim.SGD([parameter()], lr=-1.0), ValueError, "lr is at least 0.0, not -1.0"),
    (lambda: optim.SGD([parameter()], nesterov=True), ValueError, "Nesterov"),
    (lambda: optim.Adam([parameter()], betas=(0.9, 1.0)), ValueError, "betas"),
    (lambda: optim.SGD([(lambda p: {"params": [p, p]})(parameter())]), ValueError, "twice"),
    (lambda: optim.SGD([parameter()]).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}), ValueError, r"\[2\]"),
])  # fmt: skip
def test_bad_settings(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()


def test_training_lowers_a_loss():
    segue.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = optim.AdamW(model.parameters(), lr=0.02)
    x = segue.rand(64, 2)
    y = x[:, :1] * x[:, 1:]
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 20
