"""Programs kept on disk: equal graphs share one, whatever differs does not, and what cannot be trusted is made again."""

import numpy as np
import pytest
from graph_support import compare, floats, traced

import segue
from segue.eager.config import config
from segue.eager.log import listen
from segue.eager.ops.definition import OPS, OpDef
from segue.eager.stats import stats
from segue.graph import cache
from segue.graph.cache import current
from segue.graph.identity import identity
from segue.inductor import programs
from segue.inductor.backend import compile_graph


@pytest.fixture(autouse=True)
def folder(tmp_path):
    with config.override(cache_dir=str(tmp_path), cache=True, verify=False):
        yield tmp_path


def counted(graph):
    """(graphs lowered, programs found) by compiling a graph, which must compute the right thing."""
    before = stats.read()
    runner = compile_graph(graph)
    since = stats.since(before)
    arrays = [floats(*node.value.shape) if node.value.dtype is segue.float32 else np.zeros(node.value.shape, node.value.dtype.numpy) for node in graph.inputs]
    compare(graph, runner, arrays)
    return since["lowerings"], since["program_hits"]


def base(x):
    return ((x * 2).exp() + segue.tensor([1.0, 2.0, 3.0])).sum(-1)


def test_an_equal_graph_is_not_lowered_again():
    assert counted(traced(base, floats(4, 3))) == (1, 0)
    assert counted(traced(base, floats(4, 3))) == (0, 1)


DIFFERENT = {
    "number": lambda: traced(lambda x: ((x * 3).exp() + segue.tensor([1.0, 2.0, 3.0])).sum(-1), floats(4, 3)),
    "type of a number": lambda: traced(lambda x: ((x * 2.0).exp() + segue.tensor([1.0, 2.0, 3.0])).sum(-1), floats(4, 3)),
    "operator": lambda: traced(lambda x: ((x * 2).sin() + segue.tensor([1.0, 2.0, 3.0])).sum(-1), floats(4, 3)),
    "constant": lambda: traced(lambda x: ((x * 2).exp() + segue.tensor([1.0, 2.0, 4.0])).sum(-1), floats(4, 3)),
    "dim": lambda: traced(lambda x: ((x * 2).exp() + segue.tensor([1.0, 2.0, 3.0])).sum(0), floats(4, 3)),
    "shape": lambda: traced(base, floats(5, 3)),
    "strides": lambda: traced(base, floats(3, 4).T),
    "dtype": lambda: traced(base, floats(4, 3, dtype=np.float64)),
    "outputs": lambda: traced(lambda x: [base(x), base(x) * 2], floats(4, 3)),
    "dynamic": lambda: traced(base, floats(4, 3), dynamic={0: {0: "n"}}),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_graph_that_differs_has_another_key(what):
    keys = {programs.key_of(traced(base, floats(4, 3))), programs.key_of(DIFFERENT[what]())}
    assert len(keys) == 2 and None not in keys


@pytest.mark.parametrize("knob, value", [("fusion", False), ("numerics", "fast"), ("isa", "generic"), ("compiler_flags", "-DX")])
def test_a_knob_that_changes_code_changes_the_key(knob, value):
    graph = traced(base, floats(4, 3))
    key = programs.key_of(graph)
    with config.override(**{knob: value}):
        assert programs.key_of(graph) not in (key, None)


def test_what_arguments_differ_in_shows():
    def text(*args):
        return identity(traced(lambda x: x.clamp(*args), floats(3)))

    assert len({str(text(*args)) for args in [(0.0, 1), (-0.0, 1), (0, 1), (False, 1), (0.0, None), (float("nan"), 1)]}) == 6


@pytest.mark.parametrize("content", [b"", b"\x80\x05]", b"cnothing\nthere\n.", b"I1\n."])
def test_an_entry_that_cannot_be_read_is_made_again(content):
    graph = traced(base, floats(4, 3))
    current().put(programs.KIND, programs.key_of(graph), content)
    assert counted(graph) == (1, 0) and counted(graph) == (0, 1)


def test_a_damaged_entry_is_made_again():
    graph = traced(base, floats(4, 3))
    counted(graph)
    path = current().path(programs.KIND, programs.key_of(graph))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    assert counted(graph) == (1, 0)


def test_a_library_that_is_gone_is_built_from_the_kept_text():
    graph = traced(base, floats(4, 3))
    counted(graph)
    for path in current().folder.rglob("*.so"):
        path.unlink()
    before = stats["builds"]
    assert counted(graph) == (0, 1) and stats["builds"] > before


def test_a_hit_shows_what_the_miss_showed():
    seen = []
    for _ in range(2):
        with listen("schedule", "code") as artefacts:
            compile_graph(traced(base, floats(4, 3)))
        seen.append([(artefact.kind, artefact.text) for artefact in artefacts])
    assert seen[0] == seen[1] and {kind for kind, _ in seen[0]} == {"schedule", "code"}


def test_code_changed_under_a_running_process_keeps_nothing(monkeypatch):
    monkeypatch.setattr(cache, "room_code", cache.room_code.__wrapped__)
    assert cache.own_code(programs.ROOMS) is not None
    monkeypatch.setattr(cache, "IMPORTED", 0)
    assert cache.own_code(programs.ROOMS) is None
    graph = traced(base, floats(4, 3))
    assert counted(graph) == (1, 0) and counted(graph) == (1, 0)


def test_rows_from_elsewhere_are_not_kept(monkeypatch):
    row = OPS["exp"]
    stranger = OpDef(**{name: getattr(row, name) for name in row.__dataclass_fields__})
    assert identity(traced(lambda x: x.exp(), floats(3))) is not None
    graph = traced(lambda x: x.exp(), floats(3))
    graph.operations[0].target = stranger
    assert identity(graph) is None


def test_every_row_of_the_package_is_its_own():
    assert {name for name, row in OPS.items() if row.kernel.__module__.partition(".")[0] != "segue"} == set()


def test_a_compilation_that_asked_about_sizes_is_not_kept(monkeypatch):
    graph = traced(base, floats(4, 3), dynamic={0: {0: "n"}})
    (size,) = (value for value in graph.inputs[0].value.shape if not isinstance(value, int))

    def ask():
        assert size > 2  # a guard
        return programs.Program("", [], [], 0, [], 0, False, 0, 0, 0)

    programs.find_or_make(graph, ask)
    again = traced(base, floats(4, 3), dynamic={0: {0: "n"}})
    assert counted(again) == (1, 0)


def test_graphs_with_host_nodes_keep_their_stretches():
    found = []
    for _ in range(2):
        before = stats.read()
        runner = compile_graph(traced(lambda x: (x + 1).to(segue.complex64) * 2, floats(5, 3)))
        since = stats.since(before)
        found.append((since["lowerings"], since["program_hits"], runner.host_nodes))
        np.testing.assert_allclose(runner([floats(5, 3)])[0], (floats(5, 3) + 1).astype(np.complex64) * 2)
    assert found == [(1, 0, 2), (0, 2, 2)]  # the plan, and the program of its stretch


def test_a_call_from_another_line_finds_the_program():
    def f(x):
        return (x * 3).exp().sum(0)

    x = segue.rand(5, 7)
    segue.compile(f)(x)
    before = stats.read()
    assert segue.compile(f)(x).tolist() == segue.compile(f)(x).tolist()
    since = stats.since(before)
    assert since["program_hits"] == 2 and since["lowerings"] == 0
