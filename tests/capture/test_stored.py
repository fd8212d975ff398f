"""Captures on disk: a second process traces nothing, and one in which anything has changed gives its own eager answer."""

import json
import os
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

import segue
from segue.capture.interp.stored import StoredGuards
from segue.eager.config import config
from segue.eager.log import listen
from segue.graph.cache import current

HERE = Path(__file__).parent
CHANGED = {
    "SCALE = 2.0": "SCALE = 3.0",
    "return x + 1": "return x + 5",
    "by=2": "by=3",
    "closed(2)": "closed(3)",
    "scale = 2": "scale = 3",
    "CHOSEN = 2": "CHOSEN = 3",
    "Derived(A)": "Derived(B)",
    "return 2": "return 3",
    "    return x * 2\n": "    return x * 3\n\n\nsegue.nn.functional.relu = relu\n",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the programs, and a cache in which two processes, at once, have stored what they captured."""
    folder = tmp_path_factory.mktemp("stored")
    for name in ("stored_programs.py", "stored_facts.py"):
        (folder / name).write_text((HERE / name).read_text())
    for process in [start(folder) for _ in range(2)]:
        report = finished(process)
        assert all(row["right"] for row in report.values())
    return folder


def start(folder, size=8):
    environment = {**os.environ, "SEGUE_CACHE_DIR": str(folder / "cache"), "SEGUE_CACHE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen([sys.executable, str(folder / "stored_programs.py"), str(size)], env=environment, stdout=subprocess.PIPE, text=True)


def finished(process):
    out, _ = process.communicate()
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


def test_a_second_process_traces_and_lowers_nothing(place):
    report = finished(start(place))
    assert all(row["right"] for row in report.values())
    traced = {name: row["captures"] for name, row in report.items() if row["captures"]}
    assert not traced and not any(row["lowerings"] for name, row in report.items() if name != "model")  # there the second derivative is made anew
    assert report["sizes"]["captures_loaded"] == 2 and report["break"]["captures_loaded"] == 2 and report["model"]["captures_loaded"] >= 1 and report["step"]["captures_loaded"] == 1


def test_another_size_is_traced(place):
    report = finished(start(place, 9))
    assert all(row["right"] for row in report.values()) and report["global"]["captures"] == 1


def test_what_changed_in_between_counts(place):
    facts = place / "stored_facts.py"
    before = text = facts.read_text()
    for old, new in CHANGED.items():
        assert old in text
        text = text.replace(old, new)
    facts.write_text(text)
    try:
        report = finished(start(place))
    finally:
        facts.write_text(before)
    assert all(row["right"] for row in report.values())
    changed = {name for name, row in report.items() if row["captures"]}
    assert changed == {"global", "helper", "default", "closure", "class attribute", "enum", "base", "property", "patched", "break"}


def test_a_damaged_file_is_a_miss(place):
    files = list((place / "cache").rglob("capture/**/*.bin"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:-100] + bytes(100))
    report = finished(start(place))
    assert all(row["right"] and row["captures"] and not row["captures_loaded"] for row in report.values())


# -- within one process -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path):
    with config.override(cache_dir=str(tmp_path), cache=True, cache_captures=True, verify=False):
        yield


def twice(function, *args):
    """(captures traced, captures loaded, the answers) of a function that is compiled, and compiled again."""
    before = segue.compiler.stats()
    answers = [segue.compile(function)(*args) for _ in range(2)]
    after = segue.compiler.stats()
    return after["captures"] - before["captures"], after["captures_loaded"] - before["captures_loaded"], answers


@segue.compiler.assume_constant_result
def guess():
    return 3


@segue.compiler.allow_in_graph
def allowed(x):
    return x * 2


def ordered(x):
    total = x
    for name in {"a", "bc"}:
        total = total * len(name) + 1
    return total


ONLY_HERE = {
    "a hash": lambda x: x * (hash("text") % 7),
    "the order of a set": ordered,
    "a result that is assumed": lambda x: x * guess(),
    "a function that is not followed": lambda x: allowed(x),
}


@pytest.mark.parametrize("what", ONLY_HERE)
def test_what_holds_for_this_process_only_is_not_stored(stored, what):
    before = segue.compiler.stats()["captures_not_stored"]
    traced, loaded, answers = twice(ONLY_HERE[what], segue.ones(3))
    assert (traced, loaded) == (2, 0) and segue.compiler.stats()["captures_not_stored"] - before == 2
    assert answers[0].equal(answers[1])


def test_operators_that_one_function_makes_are_told_apart(stored):
    """`Tensor.__rsub__` and its like have one code and no name of their own: what they are stands in their cells."""

    def apply(operator):
        return segue.compile(lambda x, y: operator(x, y))(segue.tensor(2.0), segue.tensor(5.0)).item()

    assert [apply(getattr(segue.Tensor, name)) for name in ("__radd__", "__rsub__", "__rmul__", "__sub__")] == [7, 3, 10, -3]


def test_other_backends_store_nothing(stored):
    for backend in ("eager", lambda module, inputs: module.forward):
        compiled = segue.compile(lambda x: x + 1, backend=backend)
        compiled(segue.ones(3))
    assert not list(current().folder.rglob("capture/**/*.bin"))


def test_the_graph_of_a_stored_capture_is_there_when_asked_for(stored):
    def function(x):
        return (x.sin() * 2).sum()

    first, second = segue.compile(function), segue.compile(function)
    x = segue.ones(3, requires_grad=True)
    first(x), second(x)
    a, b = (compiled.cache.settings.captured[0] for compiled in (first, second))
    assert [isinstance(captured.guards, StoredGuards) for captured in (a, b)] == [False, True]
    assert str(a.graph.nodes) == str(b.graph.nodes) and a.compiled.graph is a.graph
    assert a.guards.text() == b.guards.text() and len(a.guards) == len(b.guards)
    (gradient,) = segue.autograd.grad(second(x), x, create_graph=True)
    assert segue.allclose(segue.autograd.grad(gradient.sum(), x)[0], -2 * segue.sin(x.detach()))


def test_a_stored_capture_holds_neither_frame_nor_arguments(stored):
    class Holder:
        def __init__(self, by):
            self.by = by

    def function(x, holder):
        return x * holder.by

    assert twice(function, segue.ones(3), Holder(2))[:2] == (1, 1)
    compiled, holder = segue.compile(function), Holder(2)
    compiled(segue.ones(3), holder)
    kept = weakref.ref(holder)
    del holder
    assert kept() is None


def sized(x):
    n = x.shape[0]
    y = x * 2 if n > 6 else x - 1
    return y.reshape(-1, n).sum() + n // 2, y[: max(n - 2, 1)].square()


@pytest.mark.parametrize("options", [{}, {"shapes": {"x": ("n",)}}], ids=["seen", "shapes"])
def test_captures_of_sizes_that_vary(stored, options):
    before, traced, loaded = segue.compiler.stats(), [], []
    for _ in range(2):
        compiled = segue.compile(sized, **options)
        for n in (3, 4, 8, 9, 5, 12, 2):
            x, y = (segue.arange(float(n)).requires_grad_() for _ in range(2))
            got, expected = compiled(x), sized(y)
            for results in (got, expected):
                (results[0] + results[1].sum()).backward()
            assert all(map(segue.allclose, got, expected)) and segue.allclose(x.grad, y.grad)
        after = segue.compiler.stats()
        traced.append(after["captures"] - before["captures"])
        loaded.append(after["captures_loaded"] - before["captures_loaded"])
        before = after
    assert traced[0] > 1 and (traced[1], loaded) == (0, [0, traced[0]])


def test_a_stored_capture_of_sizes_that_vary_is_differentiated_again(stored):
    def function(x):
        return (x.sin() * x.shape[0]).reshape(1, -1).sum()

    for _ in range(2):
        compiled = segue.compile(function, dynamic=True)
        for n in (3, 7, 5):
            x = segue.arange(float(n)).requires_grad_()
            (slope,) = segue.autograd.grad(compiled(x), x, create_graph=True)
            assert segue.allclose(segue.autograd.grad(slope.sum(), x)[0], -n * segue.sin(x.detach()))
    captured = compiled.cache.settings.captured[-1]
    assert isinstance(captured.guards, StoredGuards) and list(map(str, captured.graph.shape_env.hints)) and captured.compiled.graph is captured.graph


def kept_mean(x):
    kept = x[x > 1]
    return kept.square().sum() / kept.shape[0], kept * kept.shape[0]


RUNTIME_SIZES = {
    "mask": kept_mean,
    "nonzero": lambda x: x.nonzero().float() @ segue.ones(1, 3) * x.sum(),
    "item": lambda x: segue.zeros(int(x.sum())) + x[1],
    "unique": lambda x: x.unique() * x.sum(),
    "a check": lambda x: x[: (x > 2).sum().item()] * x[x > 2],
    "an operator without native form": lambda x: segue.linalg.eigvalsh(x[:, None] * x + 3 * segue.eye(len(x))),
}


@pytest.mark.parametrize("what", RUNTIME_SIZES)
def test_captures_with_sizes_that_only_the_run_gives(stored, what):
    """The plan of such a graph is kept, with the programs of its stretches: nothing is traced, differentiated or lowered again."""
    function, counted = RUNTIME_SIZES[what], []
    for _ in range(2):
        before, compiled = segue.compiler.stats(), segue.compile(function)
        for n in (4, 5, 7, 9):
            x, y = (segue.arange(float(n)).requires_grad_() for _ in range(2))
            got, expected = (found if isinstance(found, tuple) else (found,) for found in (compiled(x), function(y)))
            assert all(map(segue.allclose, got, expected))
            for results in (got, expected):
                sum(result.sum() for result in results).backward()
            assert segue.allclose(x.grad, y.grad)
        after = segue.compiler.stats()
        counted.append({name: after[name] - before[name] for name in ("captures", "captures_loaded", "captures_not_stored", "lowerings", "host_nodes", "breaks")})
    assert counted[0]["captures"] == 2 and counted[0]["captures_not_stored"] == counted[0]["breaks"] == 0
    assert counted[1] == {**counted[0], "captures": 0, "captures_loaded": 2, "lowerings": 0}


def test_a_stored_check_of_the_run_raises_as_eager_code_does(stored):
    def function(x):
        return x[x > 1] + x[:3]

    for _ in range(2):
        compiled = segue.compile(function)
        for n in (5, 6, 5, 8):
            x = segue.arange(float(n))
            if n == 5:
                assert compiled(x).tolist() == [2, 4, 6]
            else:
                with pytest.raises(RuntimeError, match=r"shapes \(%d,\) and \(3,\) do not broadcast" % (n - 2)):
                    compiled(x)


def test_a_plan_whose_stretch_is_gone_is_made_anew(stored):
    def function(x):
        return (x[x > 1] * 2).cumsum(0)

    x = segue.arange(5.0)
    expected = segue.compile(function)(x)
    for gone in current().folder.rglob("program/**/*.bin"):
        if b"Plan" not in gone.read_bytes()[:300]:
            gone.unlink()
    before = segue.compiler.stats()
    assert segue.compile(function)(x).equal(expected)
    assert segue.compiler.stats()["captures"] - before["captures"] == 1


def test_the_knob(stored):
    with config.override(cache_captures=False):
        assert twice(lambda x: x + 1, segue.ones(3))[:2] == (2, 0)


def test_a_graph_from_the_disk_is_shown(stored):
    layer = segue.nn.Linear(3, 3)

    def f(x):
        return layer(x * 2)

    shown = []
    for _ in range(2):
        with listen("graph") as seen:
            segue.compile(f)(segue.ones(2, 3)).sum().backward()
        shown.append([(artefact.title, artefact.text) for artefact in seen])
    assert shown[0] == shown[1] and [title.partition(", ")[2] for title, _ in shown[0]] == ["", "forward", "backward"]
