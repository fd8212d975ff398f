"""Random programs: eager = interpreted = compiled, gradients too. `segue fuzz --programs 2000` runs more; a failure names the seed to minimise."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segue.tools.fuzz import checker, forms, minimise, program, writer

QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def agrees(seed, backends):
    found = checker.check(writer.write(random.Random(seed)), backends)
    assert found is None, f"seed {seed} (segue minimise {seed}): {found}"


@given(st.integers(0, 1999))
@settings(QUIET, max_examples=40)
def test_eager_and_interpreted_agree(seed):
    agrees(seed, ("eager",))


@given(st.integers(0, 1999))
@settings(QUIET, max_examples=8)
def test_eager_interpreted_and_compiled_agree(seed):
    agrees(seed, checker.BACKENDS)


@pytest.fixture
def doubling():
    """x0 * 2, of two numbers."""
    given = program.Input((0,), "float32", "plain", "plain", 1, False)
    made = program.Program(inputs=[given], calls=[program.Call((2,), [True])], exact_inputs=[True])
    made.lines = ["v0 = x0 * 2", "v1 = v0 + 1", "v2 = x0 - 1"]
    made.outputs = [program.Variable("v1", True), program.Variable("v2", True)]
    return made


def test_the_check_sees_a_difference(doubling):
    """What the compiled run sees is made wrong in one place, and reported."""
    expected = checker.eagerly(doubling)
    assert checker.compare(doubling, checker.eagerly(doubling), expected) is None
    for label, seen in expected[0].items():
        wrong = seen.value + 1e-6 if isinstance(seen.value, np.ndarray) else "another"
        found = checker.compare(doubling, [{**expected[0], label: replace(seen, value=wrong)}], expected)
        assert (found is not None) == (seen.exact or not isinstance(seen.value, np.ndarray)), label
    assert checker.check(doubling) is None


def test_an_error_must_stay_an_error(doubling):
    doubling.calls[0].raises = True
    with pytest.raises(checker.Invalid, match="no error was raised"):
        checker.check(doubling)
    doubling.lines[1] = "v1 = v0.reshape(3)"
    assert checker.check(doubling) is None
    doubling.calls[0].raises = False
    with pytest.raises(checker.Invalid, match="shape"):
        checker.check(doubling)


def test_minimise_keeps_what_the_failure_needs(doubling):
    def judge(smaller, backends):
        if "x0 * 2" in "".join(smaller.lines):
            return checker.Difference("eager", "v1", "differs", smaller.text)
        return None

    smallest, found = minimise.minimise(doubling, judge=judge)
    assert smallest.lines == ["v0 = x0 * 2"] and found.program == smallest.text
    with pytest.raises(ValueError, match="does not fail"):
        minimise.minimise(replace(doubling, lines=[]), judge=judge)


def test_every_group_of_forms_is_used():
    """Whatever the table offers, eager accepts some of it."""
    accepted = set()
    for seed in range(120):
        accepted.update(writer.Writer(random.Random(seed), 10).accepted)
    assert [name for name, group in forms.GROUPS.items() if accepted.isdisjoint(group.forms)] == []


def test_a_seed_always_gives_the_same_program():
    assert writer.write(random.Random(5)).describe() == writer.write(random.Random(5)).describe()
