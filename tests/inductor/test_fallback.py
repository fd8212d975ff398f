"""Without a working compiler compiled graphs run through the interpreter: right, counted, and told once."""

import warnings

import pytest

import segue
from segue.inductor import backend


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A compiler that answers questions but compiles nothing, and an empty cache."""
    monkeypatch.setattr(backend, "_warned", set())
    fake = tmp_path / "broken++"
    fake.write_text('#!/bin/sh\ncase "$*" in *-dM*) exec g++ "$@";; *-print-*) exec g++ "$@";; esac\necho "this compiler is broken" >&2\nexit 1\n')
    fake.chmod(0o755)
    segue.compiler.reset()
    with segue.config.override(compiler=str(fake), cache_dir=str(tmp_path / "cache")):
        yield


def test_a_failing_compile_is_told_once_and_runs(broken):
    x = segue.randn(4, 5, requires_grad=True)
    with pytest.warns(RuntimeWarning, match="the log is .*interpreter") as told:
        found = segue.compile(lambda x: (x.exp() * 3).sum())(x)
    assert len(told) == 1 and segue.compiler.stats()["fallbacks"] == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.backward()
        segue.compile(lambda x: x + 7)(x)
    assert segue.allclose(found, (x.exp() * 3).sum()) and segue.allclose(x.grad, x.exp() * 3)
    assert segue.compiler.stats()["fallbacks"] == 3


def test_no_compiler_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "_warned", set())
    segue.compiler.reset()
    settings = segue.config.override(compiler=str(tmp_path / "nothing"), cache_dir=str(tmp_path / "cache"))
    with settings, pytest.warns(RuntimeWarning, match="no C\\+\\+ compiler works.*apt install"):
        assert segue.compile(lambda x: x * 11)(segue.ones(2)).tolist() == [11.0, 11.0]
