"""Random programs: eager = interpreted = compiled, gradients too. `segue fuzz --programs 2000` runs more of them; a failure prints the program."""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segue.tools import fuzz

QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@given(st.randoms(use_true_random=False))
@settings(QUIET, max_examples=120)
def test_eager_and_interpreted_agree(choose):
    verdict = fuzz.check(fuzz.write(choose), ("eager",))
    assert verdict is None, verdict


@given(st.integers(0, 2**20))
@settings(QUIET, max_examples=60)
def test_eager_interpreted_and_compiled_agree(seed):
    verdict = fuzz.check(fuzz.write(random.Random(seed)))
    assert verdict is None, f"seed {seed}: {verdict}"


def test_the_check_sees_a_difference():
    """A program whose compiled form is made wrong must be reported."""
    program = fuzz.write(random.Random(3))
    results = [(np.ones(2, np.float32), np.ones(2, np.float32), True), (np.ones(2), np.ones(2) + 1e-15, True), (np.ones(2), np.ones((2, 1)), False)]
    assert fuzz.same(*results[0]) is None and fuzz.same(*results[1]) is not None and fuzz.same(*results[2]) is not None
    assert fuzz.same(np.ones(2, np.float32) * 1.01, np.ones(2, np.float32), False) is not None
    assert fuzz.same(None, np.ones(2), False) is not None
    assert "def program(" in program.text


@pytest.mark.parametrize("seed", range(40))
def test_programs_run_eagerly(seed):
    program = fuzz.write(random.Random(seed))
    namespace = {"segue": fuzz.segue, "F": fuzz.segue.nn.functional}
    exec(program.text, namespace)  # noqa: S102
    results, _ = fuzz.outcome(program, namespace["program"])
    assert len(results) == len(program.outputs)
