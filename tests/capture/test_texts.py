"""Texts that differ from call to call: what a training step prints of its numbers, names that a loop goes over, times.

In comes a program that is called with other texts each time, out go eager's answers, from as many graphs as there are ways through the program.
"""

from __future__ import annotations

import math
import time

import pytest
from interp_support import compiled, same

import segue
from segue import nn
from segue.eager.stats import stats


def model():
    segue.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def trained(report):
    net = model()
    optimizer = segue.optim.SGD(net.parameters(), lr=0.01)

    def step(x):
        optimizer.zero_grad()
        loss = (net(x) ** 2).sum()
        loss.backward()
        optimizer.step()
        report(loss)
        return loss

    return step


REPORTS = {
    "a number": lambda loss: print("loss", loss.item()),
    "an f-string": lambda loss: print(f"loss {loss.item():.4f} of {loss.item()!r:>12}"),
    "a percent": lambda loss: print(("loss %.3f (%s)" % (loss.item(), "train")).upper().ljust(30) + "|"),
    "joined": lambda loss: print("loss " + str(loss.item()) + "."),
    "a root": lambda loss: print(math.sqrt(loss.item())),
}


@pytest.mark.parametrize("name", REPORTS)
def test_what_a_step_reports_is_not_compiled_for(name, capsys):
    x, texts = segue.tensor([1.0, -2.0, 3.0]), []
    for run in (trained(REPORTS[name]), compiled(trained(REPORTS[name]))):
        before = stats.read()
        found = [run(x) for _ in range(5)]
        texts.append(capsys.readouterr().out)
    counted = stats.since(before)
    assert texts[0] == texts[1] and texts[0].count("\n") == len(found)
    assert (counted["graphs"], counted["recompiles"]) == (2, 0)  # the step's, and that of the function that reports


def test_names_of_a_loop_that_breaks_are_not_compiled_for(capsys):
    nets = nn.ModuleList([nn.Linear(2, 2) for _ in range(30)])

    def run(x):
        for name, p in nets.named_parameters():
            print(name)
            if name.endswith("weight"):
                x = x + p.sum()
            elif name is not None and "3" in name and name != "3.bias":
                x = x * 2
        return x

    x = segue.ones(2)
    expected, text = run(x), capsys.readouterr().out
    before = stats.read()
    assert same(compiled(run)(x), expected) and capsys.readouterr().out == text
    assert stats.since(before)["captures"] < 8


def test_questions_about_a_text_are_guarded():
    def run(x, name):
        if name == "mean":
            x = x * 2
        if name and name.startswith(("s", "m")) and not name.isupper():
            x = x + 1
        return x, f"<{name:>6}>", "%s-%d" % (name, 3), name.replace("m", "n"), "sum" in name, name + "!", ["mean", "x"].index(name) if name in ("mean", "x") else -1

    made, x = compiled(run), segue.ones(2)
    for name in ("mean", "sum", "", "max", "SUM", "x", "mean", "norm", "mode"):
        assert same(made(x, name), run(x, name)), name


def test_a_text_as_a_key_is_a_constant_again():
    def run(x, name):
        return x * {"a": 1, "b": 2, "c": 3}[name], len(name), sorted(name)

    made, x = compiled(run), segue.ones(2)
    for name in ("a", "b", "c", "a", "d"):
        if name == "d":
            with pytest.raises(KeyError):
                made(x, name)
        else:
            assert same(made(x, name), run(x, name))


def test_a_wrong_format_is_pythons_error():
    def run(x, name):
        y = x * 2
        try:
            return y, "%d" % name
        except TypeError as error:
            return y, str(error)

    made, x = compiled(run), segue.ones(2)
    for name in ("a", "b", "c"):
        assert same(made(x, name), run(x, name))


def test_times_in_nanoseconds_are_not_compiled_for():
    def run(x):
        start = time.perf_counter_ns()
        y = x * 2
        print(end="")
        return y, time.perf_counter_ns() - start >= 0

    made, x = compiled(run), segue.ones(2)
    for _ in range(3):
        made(x)
    before = stats.read()
    for _ in range(5):
        assert made(x)[1]
    assert stats.since(before)["captures"] == 0
