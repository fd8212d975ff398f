"""The demo: a few steps of it end to end, and the judge of its targets."""

import pytest

from segue.tools.demo import gpt, main, ways

pytest.importorskip("sklearn")


def run(way, losses, accuracy=None, graphs=1, breaks=0):
    return ways.Run(way, losses, [0.1] * len(losses), {"graphs": graphs, "breaks": breaks}, 0, accuracy)


def job(*runs):
    return main.Job("job", None, {}, list(runs))


def test_the_judge():
    good = [run("eager", [3.0, 1.0], 0.98), run("whole step", [3.0, 1.0], 0.98)]
    assert main.judge(job(*good)) == []
    assert "accuracy" in main.judge(job(good[0], run("whole step", [3.0, 1.0], 0.97)))[0]
    assert "differ" in main.judge(job(good[0], run("model.compile()", [3.0, 1.0001], 0.98)))[0]
    assert "2 graphs" in main.judge(job(good[0], run("whole step", [3.0, 1.0], 0.98, graphs=2)))[0]
    assert "not below" in main.judge(job(run("eager", [3.0]), run("whole step", [3.0])))[0]


def test_text_covers_what_it_reads():
    text = gpt.standard_library(1000)
    assert len(text) == 1000 and gpt.encode("a\n~é").tolist() == [66, 0, 95, 32]


@pytest.mark.slow
def test_quick_demo_ends_well(capsys):
    assert main.main(quick=True) == 0
    out = capsys.readouterr().out
    for words in ("digits CNN", "character GPT", "whole step", "Captured:", "every target was met"):
        assert words in out
