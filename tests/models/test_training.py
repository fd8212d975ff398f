"""The demo's two models, three ways: losses step for step, one graph for the whole step, what is left behind, and a warm start."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import segue
from segue.tools.demo import gpt, ways

STEPS = 20


def job(name):
    if name == "gpt":
        return gpt.Text(STEPS)
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    from segue.tools.demo import digits  # noqa: PLC0415  (needs scikit-learn)

    return digits.Digits()


def train(name, way, steps=STEPS):
    return ways.train(job(name), way, steps, advance=lambda loss: None)


@pytest.fixture(scope="module")
def eager_runs():
    return {}


def eager(runs, name):
    if name not in runs:
        runs[name] = train(name, "eager")
    return runs[name]


@pytest.mark.parametrize("way", ["model.compile()", "whole step"])
@pytest.mark.parametrize("name", ["digits", "gpt"])
def test_losses_agree_step_for_step(name, way, eager_runs):
    reference = eager(eager_runs, name)
    run = train(name, way)
    assert len(run.losses) == STEPS
    np.testing.assert_allclose(run.losses, reference.losses, rtol=1e-5)
    assert run.counts["breaks"] == 0 and run.counts["fallbacks"] == 0
    assert run.counts["graphs"] == 1 and run.counts["recompiles"] == 0


@pytest.mark.parametrize("name", ["digits", "gpt"])
def test_a_compiled_step_leaves_what_eager_leaves(name, eager_runs):
    reference, run = eager(eager_runs, name), train(name, "whole step")
    expected, found = reference.model.state_dict(), run.model.state_dict()
    assert list(expected) == list(found)
    for key in expected:
        a, b = expected[key].numpy(), found[key].numpy()
        # Adam divides by the root of the second moment: where a gradient is nothing but rounding, so is the step's direction.
        assert np.mean(np.abs(a - b) <= 1e-3 + 1e-2 * np.abs(a)) > 0.98, key
    for (key, a), (_, b) in zip(reference.model.named_parameters(), run.model.named_parameters()):
        assert (a.grad is None) == (b.grad is None), key
        assert tuple(a.grad.shape) == tuple(b.grad.shape), key


PROGRAM = """
import json, time, segue
from segue.tools.demo import gpt
segue.manual_seed(0)
job = gpt.Text(2)
model, optimizer = job.build()

@segue.compile
def step(x, y):
    optimizer.zero_grad()
    loss = job.loss(model, x, y)
    loss.backward()
    optimizer.step()
    return loss

(x, y), _ = job.batches()
start = time.perf_counter()
loss = step(x, y).item()
print(json.dumps({"seconds": time.perf_counter() - start, "loss": loss, **segue.compiler.stats()}))
"""


SAME = ("graphs", "breaks", "kernels", "library_calls", "host_nodes", "fallbacks", "arena_bytes")


def test_a_second_process_builds_nothing(tmp_path):
    results = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env={**os.environ, "SEGUE_CACHE_DIR": str(tmp_path)}, capture_output=True, text=True, timeout=300, check=True
        )
        results.append(json.loads(done.stdout.splitlines()[-1]))
    cold, warm = results
    assert cold["builds"] > 0 and cold["lowerings"] == 1 and cold["cache_hits"] == cold["program_hits"] == 0
    assert warm["builds"] == 0 and warm["lowerings"] == 0 and warm["cache_hits"] == warm["program_hits"] == 1
    assert {name: warm[name] for name in SAME} == {name: cold[name] for name in SAME}
    assert warm["loss"] == cold["loss"]


def test_dropout_draws_the_same_masks_compiled():
    def noise(x):
        return segue.nn.functional.dropout(x, 0.5) + segue.rand(3) + segue.randn(3)

    x = segue.ones(4, 3)
    segue.manual_seed(5)
    expected = [noise(x).numpy() for _ in range(3)]
    segue.manual_seed(5)
    compiled = segue.compile(noise)
    for value in expected:
        np.testing.assert_allclose(compiled(x).numpy(), value, rtol=1e-6)
