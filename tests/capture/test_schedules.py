"""Learning rate schedules inside of a compiled step: they run behind the graph, and their rates are inputs of it."""

import pytest

import segue
from segue import nn
from segue.optim import lr_scheduler as schedules

MAKERS = {
    "step": lambda o: schedules.StepLR(o, 2, gamma=0.5),
    "lambda": lambda o: schedules.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "cosine": lambda o: schedules.CosineAnnealingLR(o, 5),
    "one cycle": lambda o: schedules.OneCycleLR(o, max_lr=0.3, total_steps=20, cycle_momentum=False),
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
