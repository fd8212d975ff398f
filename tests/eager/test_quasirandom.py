"""Sobol points: those of PyTorch where nothing is scrambled."""

import warnings

import numpy as np
import pytest

import segue
from segue.quasirandom import SobolEngine


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:The balance")
@pytest.mark.parametrize("dimension", [1, 2, 7, 100])
def test_points_are_pytorchs(dimension):
    theirs = pytest.importorskip("torch").quasirandom.SobolEngine(dimension)
    mine = SobolEngine(dimension)
    for step in (
        lambda e: e.draw(5), lambda e: e.draw(), lambda e: e.fast_forward(6).draw(3), lambda e: e.reset().draw_base2(3), lambda e: e.draw_base2(3), lambda e: e.draw(2),
    ):  # fmt: skip
        assert np.array_equal(step(mine).numpy(), step(theirs).numpy()) and mine.num_generated == theirs.num_generated
    assert repr(mine) == repr(theirs) == f"SobolEngine(dimension={dimension})"


def test_scrambled_points_follow_the_seed():
    draw = lambda **said: SobolEngine(3, scramble=True, **said).draw_base2(6)
    assert segue.equal(draw(seed=1), draw(seed=1)) and not segue.equal(draw(seed=1), draw(seed=2)) and not segue.equal(draw(), draw())
    found = []
    for _ in range(2):
        segue.manual_seed(0)
        found.append(draw())
    assert segue.equal(*found) and found[0].min() >= 0 and found[0].max() < 1
    counts = segue.histc(found[0][:, 0], 64, 0, 1)  # one in each of 64 parts
    assert counts.min() == counts.max() == 1
    assert repr(SobolEngine(3, scramble=True, seed=4)) == "SobolEngine(dimension=3, scramble=True, seed=4)"


def test_what_is_asked_and_refused():
    out = segue.empty(2, 3, dtype=segue.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert SobolEngine(3).draw(2, out=out) is out and out[1].tolist() == [0.5] * 3 and SobolEngine(3).draw(2, dtype=segue.float64).dtype is segue.float64
        engine = SobolEngine(2)
        engine.draw(3)
    for wrong in (lambda: SobolEngine(0), lambda: SobolEngine(30000), lambda: engine.draw_base2(3)):
        with pytest.raises(ValueError, match="Sobol"):
            wrong()
