"""Loops of training scripts: meters, histories, data loaders and schedules of exploration are compiled once for the first values and once for all others."""

import math
import random
import weakref

import pytest

import segue
import segue.nn.functional as F
from segue import nn
from segue.eager.stats import stats
from segue.utils.data import DataLoader, TensorDataset


def counted(function, calls):
    """What the compiled function gives for each of the calls' arguments, and the recompiles after each."""
    compiled, before = segue.compile(function), stats["recompiles"]
    results, counts = [], []
    for args in calls:
        results.append(compiled(*args))
        counts.append(stats["recompiles"] - before)
    return results, counts


class Meter:
    def __init__(self):
        self.value = self.average = self.sum = self.count = 0

    def update(self, value, count=1):
        self.value = value
        self.sum += value * count
        self.count += count
        self.average = self.sum / self.count

    def __str__(self):
        return f"{self.value:.4f} ({self.average:.4f})"


def test_a_meter_is_compiled_for_its_beginning_and_for_all_that_follows():
    def step(x, meter):
        meter.update(x.amax().item(), x.size(0))
        return x * meter.average

    meter, other = Meter(), Meter()
    batches = [segue.randn(n, 2) for n in (3, 4, 5, 6, 4)]
    results, counts = counted(step, [(x, meter) for x in batches])
    for x, result in zip(batches, results):
        assert segue.equal(result, step(x, other))
    assert vars(meter) == vars(other) and type(meter.count) is int
    assert counts == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("write", ["{:.3f}".format, lambda v: f"{v!r:>9}", lambda v: "%g" % v, str, lambda v: f"{v * 2 - 1:.2e}", lambda v: f"{[v, v + 1]}"], ids=["format", "f", "%", "str", "computed", "list"])
def test_a_float_from_outside_is_written_behind_the_graph(write):
    class Run:
        value = 0.5

    run = Run()

    def step(x):
        return x * 2, write(run.value)

    compiled, before = segue.compile(step, fullgraph=True), stats["recompiles"]
    for value in (0.5, 1.5, -0.0, math.inf, math.nan, 1e-320, 2.5):
        run.value = value
        assert compiled(segue.ones(2))[1] == write(value)
    assert stats["recompiles"] - before <= 2  # -0.0 equals no constant, and is no other float


def test_a_meter_that_writes_itself_is_written_behind_the_graph():
    meter, other = Meter(), Meter()

    def step(x, meter):
        meter.update(x.amax().item())
        return f"{meter} {meter!s:>30} {str(meter)}"

    batches = [segue.randn(3) for _ in range(6)]
    results, counts = counted(step, [(x, meter) for x in batches])
    assert results == [step(x, other) for x in batches]
    assert counts[-1] <= 2


def test_a_text_of_a_float_whose_content_is_asked_for_makes_it_a_constant():
    class Run:
        value = 0.5

    run, names = Run(), {"0.5": 2.0, "1.5": 3.0, "2.5": 4.0}

    def step(x):
        return x * names[str(run.value)]

    compiled = segue.compile(step, fullgraph=True)
    for value, factor in ((0.5, 2.0), (1.5, 3.0), (2.5, 4.0)):
        run.value = value
        assert compiled(segue.ones(2)).tolist() == [factor, factor]


@pytest.mark.parametrize("threshold", [lambda n: 0.05 + 0.85 * math.exp(-n / 20), lambda n: 1 / (n + 2), lambda n: math.sqrt(n) / 10])
def test_a_drawn_number_is_compared_with_a_float_of_a_count(threshold):
    state = [0]

    def step(x):
        state[0] += 1
        if random.random() > threshold(state[0]):
            return x * 2
        return x * 3

    random.seed(1)
    expected = [step(segue.ones(2)).tolist() for _ in range(8)]
    state[0] = 0
    random.seed(1)
    results, counts = counted(step, [(segue.ones(2),)] * 8)
    assert [result.tolist() for result in results] == expected
    assert counts[-1] <= 1 + 2  # the step, and behind the branch its two ways at most


@pytest.mark.parametrize("combine", [lambda v, n: v * n, lambda v, n: n - v, lambda v, n: v / n, lambda v, n: v + n / 2, lambda v, n: (v - n) / (n * 0.5)])
def test_arithmetic_of_results_and_sizes_keeps_the_sizes_free(combine):
    def step(x):
        return combine(x.amax().item(), x.size(0))

    batches = [segue.randn(n) for n in (3, 4, 5, 6)]
    results, counts = counted(step, [(x,) for x in batches])
    assert results == [step(x) for x in batches]
    assert counts == [0, 1, 1, 1]


def test_a_result_divided_by_a_size_that_is_zero_raises():
    def step(x, y):
        return x.sum().item() / y.size(0)

    compiled = segue.compile(step)
    for n in (2, 3, 4):
        assert compiled(segue.ones(2), segue.ones(n)) == 2 / n
    with pytest.raises(ZeroDivisionError):
        compiled(segue.ones(2), segue.ones(0))


def test_an_epoch_over_a_loader_is_one_step_that_runs_for_all_batches():
    def fit():
        segue.manual_seed(0)
        model = nn.Linear(4, 3)
        optimizer = segue.optim.SGD(model.parameters(), lr=0.1)
        loader = DataLoader(TensorDataset(segue.randn(24, 4), segue.randint(3, (24,))), batch_size=4, shuffle=True)

        def epoch(loader):
            total = count = 0
            for index, (x, y) in enumerate(loader):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(x)
                count = index + 1
            return total / count

        return epoch, loader

    epoch, loader = fit()
    expected = [epoch(loader) for _ in range(3)]
    epoch, loader = fit()
    compiled = segue.compile(epoch)
    before, found, counts = (stats["graphs"], stats["recompiles"]), [], []
    for _ in range(3):
        found.append(compiled(loader))
        counts.append((stats["graphs"] - before[0], stats["recompiles"] - before[1]))
    assert found == pytest.approx(expected, rel=1e-5)
    assert counts[1:] == [counts[0]] * 2
    assert counts[0][0] <= 3  # the first step, all others, and what follows the last


def test_what_no_one_reads_is_not_handed_on_behind_a_break():
    def step(x):
        y = x * 2
        z = y + 1
        print(end="")
        return z * 3

    found = segue.explain(step)(segue.ones(3))
    assert step(segue.ones(3)).tolist() == [9.0] * 3
    assert str(found).count("return (add,)") == 1, str(found)


def test_a_variable_that_is_not_read_again_lives_on_where_its_object_could_be_missed():
    class Thing:
        pass

    def step(x):
        thing = Thing()
        seen = weakref.ref(thing)
        y = x * 2
        print(end="")
        return y, seen() is not None

    assert segue.compile(step)(segue.ones(3))[1] is step(segue.ones(3))[1] is True


def test_locals_has_what_is_not_read_again():
    def step(x):
        y = x * 2
        z = y + 1
        print(end="")
        return z * 3, sorted(locals())

    assert segue.compile(step)(segue.ones(3))[1] == step(segue.ones(3))[1]


OPTIMIZERS = [(segue.optim.SGD, {"lr": 0.1}), (segue.optim.SGD, {"lr": 0.1, "momentum": 0.9}), (segue.optim.Adam, {}), (segue.optim.RMSprop, {"centered": True}), (segue.optim.Adagrad, {}), (segue.optim.ASGD, {})]


def fit(step, kind, options, calls=3):
    segue.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = kind(model.parameters(), **options)
    return [step(model, optimizer, segue.randn(5, 4), segue.randn(5, 1)).item() for _ in range(calls)]


def step_of(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS, ids=[kind.__name__ for kind, _ in OPTIMIZERS])
def test_a_step_of_a_new_model_and_a_new_optimizer_is_not_compiled_again(kind, options):
    expected = fit(step_of, kind, options)
    compiled, before = segue.compile(step_of), stats["captures"]
    for _ in range(4):
        assert fit(compiled, kind, options) == pytest.approx(expected, rel=1e-4)
    assert stats["captures"] - before == 1


def test_a_new_optimizer_behind_a_break_is_not_compiled_again():
    def whole(x):
        layer = nn.Linear(3, 3)
        optimizer = segue.optim.Adam(layer.parameters())
        print(end="")
        layer(x).sum().backward()
        optimizer.step()
        return layer.weight

    results, counts = counted(whole, [(segue.ones(2, 3),)] * 4)
    assert counts == [0] * 4 and len({result.detach().sum().item() for result in results}) == 4


def test_a_new_optimizer_of_other_settings_is_compiled_again():
    compiled, before = segue.compile(step_of), stats["captures"]
    for options in ({"lr": 0.1}, {"lr": 0.1, "nesterov": True, "momentum": 0.5}, {"lr": 0.1, "weight_decay": 0.1}):
        assert fit(compiled, segue.optim.SGD, options) == pytest.approx(fit(step_of, segue.optim.SGD, options), rel=1e-4)
    assert stats["captures"] - before == 3


def test_an_optimizer_that_cannot_make_its_state_raises_as_eagerly():
    refused = []

    class Refusing(segue.optim.SGD):
        def make_state(self, parameter, group):
            if refused:
                raise ValueError("no state")
            return super().make_state(parameter, group)

    compiled = segue.compile(step_of)
    assert fit(compiled, Refusing, {"lr": 0.1}) == pytest.approx(fit(step_of, Refusing, {"lr": 0.1}), rel=1e-4)
    refused.append(True)
    for step in (step_of, compiled):
        with pytest.raises(ValueError, match="no state"):
            fit(step, Refusing, {"lr": 0.1})
