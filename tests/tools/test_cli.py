"""The `segue` command: each sub-command's output and exit code."""

import subprocess
import sys

import pytest

import segue
from segue.graph import cache
from segue.tools import cli, doctor
from segue.tools.bench.workloads import WORKLOADS


def test_version_and_help(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0 and segue.__version__ in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        cli.main([])
    assert stopped.value.code == 2


def test_python_dash_m():
    done = subprocess.run([sys.executable, "-m", "segue", "--version"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.strip() == f"segue {segue.__version__}"


def test_doctor_lists_every_finding(capsys):
    code = cli.main(["doctor"])
    out = capsys.readouterr().out
    assert all(finding.name in out for finding in doctor.examine())
    assert code == (0 if all(f.good for f in doctor.examine() if f.needed) else 1)


def test_doctor_gives_advice_and_fails_when_something_needed_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "EXAMINATIONS", (lambda: doctor.Finding("thing", False, "none", "install it", needed=True),))
    assert cli.main(["doctor"]) == 1
    assert "thing: install it" in capsys.readouterr().out


def test_cache_is_shown_and_emptied(capsys, tmp_path):
    with segue.config.override(cache_dir=str(tmp_path)):
        cache.current().put("library", "0" * 64, b"x" * 2**20)
        assert cli.main(["cache"]) == 0
        assert "1 files, 1.0 MiB, library 1" in capsys.readouterr().out
        assert cli.main(["cache", "--clear"]) == 0
        assert cache.current().files() == []
    with segue.config.override(cache=False):
        assert cli.main(["cache"]) == 0
        assert "no cache folder" in capsys.readouterr().out


def test_house_outside_the_source_tree(capsys, tmp_path):
    assert cli.main(["house", "--root", str(tmp_path)]) == 2
    assert "no folder api" in capsys.readouterr().err


def test_bench_prints_a_row_for_every_way(capsys):
    assert cli.main(["bench", "gpt", "--steps", "1", "--repeat", "1"]) == 0
    out = capsys.readouterr().out
    assert all(way in out for way in ("eager", "model.compile()", "whole step"))


def test_bench_calls_prints_calls_guards_and_captures(capsys, monkeypatch):
    for name, small in (("CALLS", 2), ("LAYERS", 3), ("DEEP", 1)):
        monkeypatch.setattr(cli.calls, name, small)
    monkeypatch.setattr(cli.calls, "find_spec", lambda name: None)
    assert cli.main(["bench", "calls", "--repeat", "1"]) == 0
    out = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(word in out for word in ("tiny function", "6 parameters", "guards", "GPT of 1", "loss and", "not"))


def test_bench_eager_has_a_row_for_every_operator(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(cli.eager, "CALLS", 1)
    monkeypatch.setattr(cli.eager, "STEPS", {"GPT step, ms": lambda library: WORKLOADS["GPT"](library, True)})
    assert cli.main(["bench", "eager", "--repeat", "1"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*cli.eager.CASES, "GPT step, ms")) and "numpy" in out


def test_bench_start_compares_cold_and_warm(capsys, monkeypatch):
    figures = {"import": 0.5, "first call": 4.0, "build_seconds": 2.0}
    runs = iter([figures, {**figures, "first call": 0.25}])
    monkeypatch.setattr(cli.start, "fresh", lambda folder: next(runs))
    assert cli.main(["bench", "start", "--repeat", "1"]) == 0
    out = capsys.readouterr().out
    assert "4.000" in out and "0.250" in out and "0.062" in out
