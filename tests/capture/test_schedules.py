"""Learning rate schedules inside of a compiled step: they run behind the graph, and their rates are inputs of it."""

import math
import types

import pytest

import segue
from segue import nn
from segue.optim import lr_scheduler as schedules

MAKERS = {
    "step": lambda o: schedules.StepLR(o, 2, gamma=0.5),
    "lambda": lambda o: schedules.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "cosine": lambda o: schedules.CosineAnnealingLR(o, 5),
    "one cycle": lambda o: schedules.OneCycleLR(o, max_lr=0.3, total_steps=20, cycle_momentum=False),
    "one cycle with momentum": lambda o: schedules.OneCycleLR(o, max_lr=0.3, total_steps=20),
    "restarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, 3),
    "sequence": lambda o: schedules.SequentialLR(o, [schedules.ConstantLR(o, 0.5, 2), schedules.ExponentialLR(o, 0.9)], [2]),
    "plateau": lambda o: schedules.ReduceLROnPlateau(o, patience=1, factor=0.5),
}


def run(make, compiled, steps=7, read=False):
    segue.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = segue.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = make(optimizer)

    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        if isinstance(schedule, schedules.ReduceLROnPlateau):
            schedule.step(loss)
        else:
            schedule.step()
        return (loss, optimizer.param_groups[0]["lr"]) if read else loss

    step = segue.compile(step, fullgraph=not read, backend="eager") if compiled else step
    x, found = segue.ones(4, 3), []
    for _ in range(steps):
        out = step(x)
        found.append((out[0].item(), out[1]) if read else (out.item(), optimizer.param_groups[0]["lr"]))
    return found, [p.tolist() for p in model.parameters()], schedule.last_epoch


@pytest.mark.parametrize("name", MAKERS)
def test_rates_are_inputs_and_schedules_run_behind_the_graph(name):
    eager = run(MAKERS[name], False)
    segue.compiler.reset()
    compiled = run(MAKERS[name], True)
    assert [rate for _, rate in compiled[0]] == [rate for _, rate in eager[0]] and compiled[2] == eager[2]
    assert [loss for loss, _ in compiled[0]] == pytest.approx([loss for loss, _ in eager[0]], rel=1e-5)
    assert segue.compiler.stats()["graphs"] <= 2


def test_a_rate_read_behind_the_schedule_is_the_new_one():
    compiled, eager = run(MAKERS["step"], True, read=True)[0], run(MAKERS["step"], False, read=True)[0]
    assert [rate for _, rate in compiled] == [rate for _, rate in eager]


def test_betas_that_cycle_are_inputs():
    def train(compiled):
        segue.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = segue.optim.AdamW(model.parameters(), lr=0.1)
        schedule = schedules.OneCycleLR(optimizer, max_lr=0.1, total_steps=20)

        def step(x):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            schedule.step()

        step = segue.compile(step, fullgraph=True, backend="eager") if compiled else step
        for _ in range(8):
            step(segue.ones(4, 3))
        return model.weight

    eager = train(False)
    segue.compiler.reset()
    segue.testing.assert_close(train(True), eager)
    assert segue.compiler.stats()["graphs"] == 2


def test_what_a_float_decides_is_guarded():
    def f(x, rate, limits):
        if rate > 0.5:
            x = x + 1
        if limits[1]:
            x = x * math.log(limits[0])
        return x * rate

    compiled = segue.compile(f, fullgraph=True)
    x = segue.ones(2)
    segue.compiler.reset()
    for rate, limits in [(0.1, (2.0, 1.0)), (0.2, (3.0, 1.0)), (0.3, (4.0, 2.0)), (0.7, (2.0, 1.0)), (0.9, (3.0, 0.5)), (0.4, (5.0, 0.0)), (float("nan"), (5.0, 0.1))]:
        segue.testing.assert_close(compiled(x, rate, limits), f(x, rate, limits), equal_nan=True)
    assert segue.compiler.stats()["graphs"] <= 6
    with pytest.raises(ValueError, match="math domain error"):
        segue.compile(f)(x, 0.1, (-1.0, 1.0))


def test_a_schedule_of_the_users_is_followed():
    seen = []

    class Mine(schedules.LRScheduler):
        def get_lr(self):
            seen.append(self.last_epoch)
            return [0.1 / (1 + self.last_epoch)]

    eager = run(Mine, False, steps=3)
    before, seen[:] = list(seen), []
    compiled = run(Mine, True, steps=3)
    assert [rate for _, rate in compiled[0]] == [rate for _, rate in eager[0]] and compiled[2] == eager[2] and seen == before


@pytest.mark.parametrize("reads", ["same list", "dict", "attribute"])
def test_what_changed_before_the_schedule_and_holds_its_rate_has_the_new_one(reads):
    """A list that grew in front of the call and again behind it is written behind it."""

    def train(compiled):
        segue.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = segue.optim.SGD(model.parameters(), lr=0.1)
        schedule = schedules.ExponentialLR(optimizer, 0.5)
        logs, latest, own = [], {}, types.SimpleNamespace(rates=[])

        def step(x):
            loss = model(x).sum()
            loss.backward()
            optimizer.step()
            logs.append(loss.detach()) if reads == "same list" else latest.update(loss=1) if reads == "dict" else own.rates.append(0)
            schedule.step()
            rate = optimizer.param_groups[0]["lr"]
            logs.append({"rate": [rate]}) if reads == "same list" else latest.update(rate=rate) if reads == "dict" else own.rates.append((rate, schedule.last_epoch))

        step = segue.compile(step, fullgraph=True, backend="eager") if compiled else step
        for _ in range(3):
            step(segue.ones(1, 3))
        return logs, latest, own.rates

    segue.testing.assert_close(train(True), train(False))


@pytest.mark.parametrize("change", [{"lr": 0.3}, {"extra": 2.0}])
def test_a_rate_that_is_set_in_front_of_the_schedule_counts(change):
    def train(compiled):
        segue.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = segue.optim.SGD(model.parameters(), lr=0.1)
        schedule = schedules.ExponentialLR(optimizer, 0.5)

        def step(x):
            optimizer.param_groups[0].update(change)
            model(x).sum().backward()
            optimizer.step()
            schedule.step()

        step = segue.compile(step, backend="eager") if compiled else step
        for _ in range(3):
            step(segue.ones(1, 3))
        return optimizer.state_dict()["param_groups"], schedule.state_dict()["_last_lr"], model.weight.detach()

    assert str(train(True)) == str(train(False))
