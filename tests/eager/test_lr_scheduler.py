"""Schedules and averages: rate for rate against PyTorch, saved and resumed, chained, and bad settings."""

import math
import warnings

import numpy as np
import pytest

import segue
from segue import nn, optim

schedules = optim.lr_scheduler
SETTINGS = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 4}),
    ("LinearLR", {"start_factor": 0.25, "total_iters": 6}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 4}),
    ("PolynomialLR", {"total_iters": 7, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 3}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.95**epoch}),
    ("MultiplicativeLR", {"lr_lambda": [lambda epoch: 0.95, lambda epoch: 1 / (1 + epoch)]}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": [0.1, 0.2], "step_size_up": 3, "step_size_down": 5}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9, "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 2, "scale_fn": lambda x: 1 / x, "scale_mode": "cycle"}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 25}),
    ("OneCycleLR", {"max_lr": [0.3, 0.1], "epochs": 5, "steps_per_epoch": 5, "three_phase": True, "anneal_strategy": "linear", "pct_start": 0.4}),
]


def pair(torch, kind="SGD", **settings):
    """The same optimizer of two groups, ours and PyTorch's."""
    made = []
    for library in (segue, torch):
        groups = [{"params": [library.tensor([1.0], requires_grad=True)]}, {"params": [library.tensor([2.0], requires_grad=True)], "lr": 0.05}]
        made.append(getattr(library.optim, kind)(groups, lr=0.1, **settings))
    return made


def compare(ours, theirs, mine, reference, steps, argument=lambda step: ()):
    for step in range(steps):
        theirs.step()
        where = f"step {step}"
        np.testing.assert_allclose(mine.get_last_lr(), reference.get_last_lr(), rtol=1e-9, atol=1e-15, err_msg=where)
        for group, other in zip(ours.param_groups, theirs.param_groups):
            assert math.isclose(group["lr"], other["lr"], rel_tol=1e-9, abs_tol=1e-15), where
            assert group.get("momentum") == pytest.approx(other.get("momentum")) and group.get("betas") == pytest.approx(other.get("betas")), where
        mine.step(*argument(step))
        reference.step(*argument(step))


@pytest.mark.torch
@pytest.mark.parametrize("name, settings", SETTINGS)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_schedules_are_pytorchs(name, settings, kind):
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch, kind, **({"momentum": 0.9} if kind == "SGD" else {}))
    mine, reference = getattr(schedules, name)(ours, **settings), getattr(torch.optim.lr_scheduler, name)(theirs, **settings)
    compare(ours, theirs, mine, reference, 22)


@pytest.mark.torch
def test_schedules_of_schedules_are_pytorchs():
    torch = pytest.importorskip("torch")

    def chained(library, optimizer):
        s = library.optim.lr_scheduler
        return s.ChainedScheduler([s.ConstantLR(optimizer, 0.1, 4), s.ExponentialLR(optimizer, 0.9), s.MultiStepLR(optimizer, [3, 8])])

    def sequence(library, optimizer):
        s = library.optim.lr_scheduler
        parts = [s.LinearLR(optimizer, 0.1, total_iters=4), s.CosineAnnealingLR(optimizer, 6), s.ExponentialLR(optimizer, 0.5)]
        return s.SequentialLR(optimizer, parts, milestones=[4, 10])

    for make in (chained, sequence):
        ours, theirs = pair(torch)
        compare(ours, theirs, make(segue, ours), make(torch, theirs), 15)


@pytest.mark.torch
@pytest.mark.parametrize("settings", [
    {"patience": 1}, {"mode": "max", "threshold_mode": "abs", "threshold": 0.1, "patience": 0, "cooldown": 2, "min_lr": [0.0, 0.02]},
    {"mode": "max", "patience": 2, "factor": 0.5}, {"threshold_mode": "abs", "patience": 2, "eps": 0.03},
])  # fmt: skip
def test_plateaus_are_pytorchs(settings):
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch)
    metrics = np.random.default_rng(0).normal(size=40).cumsum().round(1)
    compare(
        ours, theirs, schedules.ReduceLROnPlateau(ours, **settings), torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **settings), 40,
        lambda step: (metrics[step],),
    )  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("strategy, epochs", [("cos", 5), ("linear", 3), ("linear", 0)])
def test_swalr_is_pytorchs(strategy, epochs):
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch)
    settings = {"swa_lr": 0.2, "anneal_epochs": epochs, "anneal_strategy": strategy}
    compare(ours, theirs, optim.swa_utils.SWALR(ours, **settings), torch.optim.swa_utils.SWALR(theirs, **settings), 9)


@pytest.mark.parametrize("name, settings", SETTINGS)
def test_a_saved_schedule_goes_on_where_it_was(name, settings):
    def make():
        groups = [{"params": [segue.tensor([1.0], requires_grad=True)]}, {"params": [segue.tensor([2.0], requires_grad=True)]}]
        optimizer = optim.SGD(groups, lr=0.1, momentum=0.9)
        return optimizer, getattr(schedules, name)(optimizer, **settings)

    whole, first, second = make(), make(), make()
    for _ in range(9):
        whole[1].step()
    for _ in range(4):
        first[1].step()
    second[0].load_state_dict(first[0].state_dict())
    second[1].load_state_dict(first[1].state_dict())
    for _ in range(5):
        second[1].step()
    assert second[1].get_last_lr() == pytest.approx(whole[1].get_last_lr()) and second[1].last_epoch == whole[1].last_epoch


def test_a_schedule_of_the_users():
    class Halving(schedules.LRScheduler):
        def get_lr(self):
            return [base / 2**self.last_epoch for base in self.base_lrs]

    optimizer = optim.SGD([segue.tensor([1.0], requires_grad=True)], lr=segue.tensor(1.0))
    schedule = Halving(optimizer)
    schedule.step()
    assert schedule.get_last_lr() == [0.5] and optimizer.param_groups[0]["lr"].item() == 0.5


def test_average_of_weights():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average, moving = optim.swa_utils.AveragedModel(model), optim.swa_utils.AveragedModel(model, avg_fn=optim.swa_utils.get_ema_avg_fn(0.75))
    for value in (1.0, 2.0, 6.0):
        with segue.no_grad():
            model[0].weight.fill_(value)
        average.update_parameters(model)
        moving.update_parameters(model)
    assert average.module[0].weight.tolist() == [[3.0, 3.0]] * 2 and average.n_averaged.item() == 3
    assert moving.module[0].weight.tolist() == [[(1.0 * 0.75 + 2.0 * 0.25) * 0.75 + 6.0 * 0.25] * 2] * 2
    x = segue.randn(64, 2)
    model.train()
    optim.swa_utils.update_bn([(x[:32],), (x[32:],)], model)
    hidden = model[0](x).detach()
    assert segue.allclose(model[1].running_mean, (hidden[:32].mean(0) + hidden[32:].mean(0)) / 2, atol=1e-5) and model[1].momentum == 0.1


def sgd():
    return optim.SGD([segue.tensor([1.0], requires_grad=True)], lr=0.1)


@pytest.mark.parametrize("wrong, kind, words", [
    (lambda: schedules.StepLR(None, 1), TypeError, "Optimizer"),
    (lambda: schedules.StepLR(sgd(), 1, last_epoch=3), KeyError, "initial_lr"),
    (lambda: schedules.LambdaLR(sgd(), [abs, abs]), ValueError, "2 values for 1"),
    (lambda: schedules.LinearLR(sgd(), start_factor=0.0), ValueError, "start_factor"),
    (lambda: schedules.ConstantLR(sgd(), factor=2.0), ValueError, "factor"),
    (lambda: schedules.ReduceLROnPlateau(sgd(), factor=1.0), ValueError, "below 1"),
    (lambda: schedules.CyclicLR(sgd(), 0.1, 0.2, mode="square"), ValueError, "triangular"),
    (lambda: schedules.CyclicLR(optim.Rprop(sgd().param_groups[0]["params"]), 0.1, 0.2), ValueError, "momentum"),
    (lambda: schedules.OneCycleLR(sgd(), 0.1), ValueError, "total_steps"),
    (lambda: schedules.SequentialLR(sgd(), [], []), ValueError, "at least one"),
    (lambda: schedules.ChainedScheduler([schedules.StepLR(sgd(), 1), schedules.StepLR(sgd(), 1)]), ValueError, "one optimizer"),
    (lambda: schedules.CosineAnnealingWarmRestarts(sgd(), 0), ValueError, "T_0"),
])  # fmt: skip
def test_bad_settings(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()


def test_one_cycle_ends():
    optimizer = optim.SGD([segue.tensor([1.0], requires_grad=True)], lr=0.1, momentum=0.9)
    schedule = schedules.OneCycleLR(optimizer, 0.1, total_steps=3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="3 steps"):
        schedule.step()


def test_a_schedule_warns_when_it_is_stepped_before_the_optimizer():
    p = segue.ones(1, requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    schedule = schedules.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()
    optimizer = optim.SGD([p], lr=1.0)
    both = [schedules.StepLR(optimizer, 1) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        for schedule in both:
            schedule.step()
