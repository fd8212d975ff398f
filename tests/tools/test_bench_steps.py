"""The benches of training steps: workloads are the same in segue and PyTorch, the table says what is met, missed or not there, and peaks of memory."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest

import segue
from segue.tools import cli
from segue.tools.bench import operators, peaks, steps, workloads

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.torch
@pytest.mark.parametrize("name", ["Burgers PINN", "AdamW, 150 tensors"])
def test_a_workload_is_the_same_in_both_libraries(name):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    library = {"segue": segue, "torch": torch}
    built = {}
    for which, M in library.items():
        given = np.random.default_rng(0)
        linear = M.nn.Linear

        class Known(linear):
            def __init__(self, *sizes, M=M, given=given, linear=linear):
                linear.__init__(self, *sizes)
                with M.no_grad():
                    for p in self.parameters():
                        p.copy_(M.from_numpy(given.standard_normal(tuple(p.shape), dtype=np.float32) * 0.3))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(M.nn, "Linear", Known)
            step = workloads.WORKLOADS[name](M, True)
        built[which] = [step().item() for _ in range(3)]
    np.testing.assert_allclose(built["segue"], built["torch"], 1e-4)


@pytest.mark.parametrize("name", ["GPT", "small CNN"])
def test_a_workload_learns(name):
    segue.manual_seed(0)
    step = workloads.WORKLOADS[name](segue, True)
    losses = [step().item() for _ in range(4)]
    assert losses[-1] < losses[0]


def test_a_process_times_what_it_is_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(steps, "WORKLOADS", {"tiny": lambda library, small: lambda: library.ones(())})
    monkeypatch.setattr("sys.stdin", io.StringIO("2\n3\n"))
    steps.serve("tiny", steps.OURS)
    ready, *answers = map(eval, capsys.readouterr().out.splitlines())
    assert ready == [] and [len(answer) for answer in answers] == [2, 3] and all(time >= 0 for answer in answers for time in answer)


def test_the_table_judges_and_names_what_is_missing(monkeypatch, capsys):
    times = {steps.OURS: 2.0, steps.TORCH: 8.0, steps.JAX: 3.0}

    class Known:
        def __init__(self, workload, way, folder):
            self.way = way

        def run(self, count):
            return times[self.way]

        def close(self):
            pass

    monkeypatch.setattr(steps, "Process", Known)
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: there("json") if name in ("torch", "jax") else there(name))
    rows = steps.measure(1, 1, ["Burgers PINN"])
    assert rows[1:] == [("", steps.TORCH, "8.0", "0.25 (at most 0.50: met)"), ("", steps.JAX, "3.0", "0.67 (at most 0.50: missed)")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("torch", "jax") else there(name))
    assert cli.main(["bench", "steps", "--repeat", "1", "--only", "Burgers PINN"]) == 0
    assert "torch is not installed" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_a_failing_process_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="segue.*: .*KeyError"):
        steps.Process("nothing", steps.OURS, str(tmp_path))


def test_a_whole_step_takes_no_more_memory_than_eager(monkeypatch, capsys):
    monkeypatch.setitem(peaks.EXAMPLES, "burgers", {"inner": 50, "boundary": 10})
    found = peaks.measure(ROOT, ["vae", "burgers"])
    assert [name for name, _, _ in found] == ["vae", "burgers"]
    assert all(0 < compiled <= eagerly for _, eagerly, compiled in found), found
    monkeypatch.setattr(peaks, "peak", lambda train, compiled: 1 + compiled)
    assert cli.main(["bench", "peaks", "--root", str(ROOT)]) == 0
    out = capsys.readouterr().out
    assert out.count("2.00") == len(list((ROOT / "tests/models/programs").glob("*.py"))) - 1 + len(peaks.EXAMPLES)  # one program has no step


def test_operators_are_measured_in_each_library_that_has_them(capsys):
    assert set(operators.CASES) > operators.ALSO
    rows = {name: times for name, times, _ in operators.measure(1, ("add", "gelu", "isnan"), 0)}
    assert set(rows) == {"add", "add +", "gelu", "gelu +", "isnan", "isnan +"}
    assert rows["add"]["numpy"] is not None and rows["gelu"]["numpy"] is None and all(times["segue"] > 0 for times in rows.values())
    assert cli.main(["bench", "operators", "--repeat", "1", "--only", "where"]) == 0 and "where" in capsys.readouterr().out
