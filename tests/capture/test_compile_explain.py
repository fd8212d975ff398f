"""segue.explain and the logs: what a newcomer reads."""

from __future__ import annotations

import logging

import pytest
from interp_support import compiled, same

import segue
from segue import nn
from segue.capture.compile import disable
from segue.capture.explain import explain
from segue.eager.config import config
from segue.eager.errors import CaptureError
from segue.eager.log import listen


@disable(reason="log outside of the compiled function")
def log(x):
    return None


def broken(x):
    y = x * 2
    log(y)
    return y.relu() + 1


def test_explain_lists_graphs_breaks_and_guards():
    found = explain(broken)(segue.ones(3))
    assert len(found.graphs) == 2 and found.operations == 3 and len(found.breaks) == 1
    text = str(found)
    assert "broken: 2 graphs, 3 operations, 1 break" in text
    assert "log is disabled for capture" in text and "instead: log outside of the compiled function" in text
    assert "log(y)" in text and "test_compile_explain.py" in text
    assert "x: Tensor(float32, (3,)" in text
    assert "ops.mul" in text
    assert same(found.result, broken(segue.ones(3)))


def test_explain_of_a_module():
    model = nn.Linear(3, 2)
    found = explain(model)(segue.ones(4, 3))
    assert len(found.graphs) == 1 and not found.breaks
    assert any("self.weight" in guard or "'weight'" in guard for guard in found.guards)


def test_logs_tell_of_breaks_recompiles_and_guards():
    made = compiled(broken)
    with listen("breaks", "recompiles", "guards", "graph") as seen:
        made(segue.ones(3))
        made(segue.ones(4))
    kinds = {artefact.kind for artefact in seen}
    assert kinds == {"breaks", "recompiles", "guards", "graph"}
    recompiled = next(artefact.text for artefact in seen if artefact.kind == "recompiles")
    assert "shape (4,)" in recompiled and "broken" in recompiled
    ended = next(artefact.text for artefact in seen if artefact.kind == "breaks")
    assert "log(y)" in ended


def test_bytecode_is_shown_with_short_constants():
    with listen("bytecode") as seen:
        segue.compile(lambda x: (print(end=""), x * 2), backend="eager")(segue.ones(2))
    assert "print" in seen[0].text and max(map(len, seen[0].text.splitlines())) < 300


def test_a_compiled_module_is_explained_as_the_module_is():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    plain = explain(model)(segue.ones(2, 3))
    for made in (segue.compile(model), segue.compile(segue.compile(model, backend="eager"))):
        found = explain(made)(segue.ones(2, 3))
        assert (len(found.graphs), found.operations, len(found.guards)) == (len(plain.graphs), plain.operations, len(plain.guards)) and found.operations
    for thing in (None, 3):
        with pytest.raises(TypeError, match="explain\\(\\) takes a function or a module"):
            explain(thing)


def test_a_break_in_the_standard_library_stands_at_the_users_line():
    def f(x):
        y = x * 2
        logging.getLogger("segue.tests").warning("seen")
        return y + 1

    (ended,) = explain(f)(segue.ones(2)).breaks
    assert ended.location.line == f.__code__.co_firstlineno + 2 and ended.location.file == __file__
    assert "logging.Logger.warning()" in ended.reason and "logging.Logger.warning()" in ended.suggestion
    with pytest.raises(CaptureError, match="logging.Logger.warning") as raised:
        segue.compile(lambda x: f(x), backend="eager", fullgraph=True)(segue.ones(2))
    assert __file__ in str(raised.value) and ended.suggestion in str(raised.value)


def test_explain_where_compiling_is_switched_off():
    with config.override(disable=True):
        assert explain(lambda x: x * 2)(segue.ones(2)).operations == 1
    with pytest.raises(TypeError, match="disable\\(\\) takes a function or a module, not int"):
        disable(3)
