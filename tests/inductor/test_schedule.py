"""What shares a kernel, what does not and why, and where memory is used again. Kernels are counted, never timed."""

import numpy as np
import pytest
from graph_support import check, compare, floats, traced

import segue
import segue.nn.functional as F
from segue.eager.config import config
from segue.eager.log import listen
from segue.eager.tensor import Storage, Tensor
from segue.graph.trace import Tracer
from segue.inductor.backend import compile_graph, program_of
from segue.inductor.evaluate import Evaluator
from segue.inductor.expressions import sizes_known_by
from segue.inductor.lower import Lowering
from segue.inductor.memory import Host, Life, plan
from segue.inductor.program import Builder
from segue.inductor.units import Buffer

KERNELS = {  # what: (function, kernels it becomes)
    "a pointwise chain": (lambda x: ((x + 1).tanh() * x).exp(), 1),
    "siblings": (lambda x: (x + 1, x * 2), 1),
    "softmax": (lambda x: F.softmax(x, -1), 1),
    "log_softmax": (lambda x: F.log_softmax(x, -1), 1),
    "layer norm with a residual": (lambda x: F.layer_norm(x + x.tanh(), (64,)), 1),
    "batch statistics": (lambda x: (x - x.mean((0, 2), keepdim=True)) / (x.var((0, 2), keepdim=True) + 1e-5).sqrt(), 1),
    "mean and deviation of rows": (lambda x: (x.mean(-1), x.var(-1)), 1),
    "a fold over rows, and its use": (lambda x: x.sum(1) * 2, 2),
    "a fold of a few, and its use": (lambda x: x.sum(0) * 2, 1),
    "folds of a few that meet their operand again": (lambda x: x.softmax(0), 3),
    "two folds over rows": (lambda x: (x.sum((0, 1)), (x * x).sum((0, 1))), 3),
    "attention weights": (lambda x: F.softmax(segue.where(segue.ones(48, 64, dtype=segue.bool).tril(), x * 0.1, -1e9), -1), 1),
    "fold of all": (lambda x: (x * x).sum().sqrt(), 2),
    "views alone": (lambda x: x.transpose(1, 2).reshape(-1)[3:] + 1, 1),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels(name):
    function, count = KERNELS[name]
    graph = traced(function, floats(6, 48, 64))
    runner = compile_graph(graph)
    compare(graph, runner, [floats(6, 48, 64)], tolerance=2e-5)
    assert runner.kernels == count, runner.source


def gradients(loss, *arrays):
    """The graph of a loss and its gradients."""
    tracer = Tracer()
    twins = [tracer.input(segue.tensor(array, requires_grad=array.dtype.kind == "f")) for array in arrays]
    with tracer.active():
        for twin in twins:
            twin._grad = None
        result = loss(*twins)
        result.backward()
        found = [result.detach(), *(twin.grad for twin in twins if twin.requires_grad)]
    return tracer.finish(found)


BACKWARDS = {
    "softmax": (lambda x: (F.softmax(x, -1) * F.softmax(x, -1)).sum(), (floats(32, 40),), 3),
    "layer norm": (lambda x, w, b: F.layer_norm(x, (40,), w, b).square().sum(), (floats(64, 40), floats(40, seed=1), floats(40, seed=2)), 5),
    "cross entropy": (F.cross_entropy, (floats(32, 40), np.arange(32) % 7), 4),
}


@pytest.mark.parametrize("name", BACKWARDS)
def test_forward_and_backward(name):
    loss, arrays, most = BACKWARDS[name]
    graph = gradients(loss, *arrays)
    runner = compile_graph(graph)
    compare(graph, runner, arrays, tolerance=2e-5)
    assert runner.kernels <= most, runner.source


def test_no_fusion_without_the_knob():
    graph = traced(lambda x: F.softmax(x, -1), floats(4, 8))
    with config.override(fusion=False):
        assert program_of(graph).kernels > 1


def test_refusals_have_names():
    graph = traced(lambda x: (x.sum(0), x.sum(2)), floats(9, 5, 70))
    notes = "\n".join(program_of(graph).notes)
    assert "reduced dimensions differ" in notes
    with listen("schedule") as seen:
        compile_graph(graph)
    assert "not fused: " in seen[0].text


def test_what_a_group_needs_may_come_later_than_its_own_units():
    """x + 1 and x * c share a kernel; y * 2 and y + d may not, since d needs the first kernel and c needs y * 2: the way round is through products."""

    def crossed(x, y):
        first = x + 1
        d = (first.t() @ first)[0, 0]
        second = y * 2
        c = (second.t() @ second)[0, 0]
        return first, second, x * c, y + d

    graph = traced(crossed, floats(40, 8), floats(30, 6, seed=1))
    runner = compile_graph(graph)
    compare(graph, runner, [floats(40, 8), floats(30, 6, seed=1)], tolerance=2e-5)
    assert runner.kernels == 3, runner.source


def test_a_kernel_between_keeps_two_apart():
    graph = traced(lambda x: (x + 1) @ (x + 1).sum(0, keepdim=True).tanh().reshape(16, 1) + (x + 1).sum(), floats(16, 16))
    runner = compile_graph(graph)
    compare(graph, runner, [floats(16, 16)], tolerance=2e-5)


def optimizer_step(count):
    """The graph of one AdamW step over `count` parameters of different sizes."""
    tracer = Tracer()
    parameters = [segue.tensor(floats(10 + n, 7, seed=n), requires_grad=True) for n in range(count)]
    optimizer = segue.optim.AdamW(parameters, lr=0.1)
    optimizer.prepare()
    arrays = []

    def twin(tensor):
        arrays.append(tensor.detach().numpy().copy())
        made = tracer.input(Tensor._wrap(arrays[-1], Storage()))
        made._grad = None
        return made

    entries = []
    for parameter, state in optimizer._entries[0]:
        target = twin(parameter)
        target._grad = twin(segue.tensor(floats(*parameter.shape, seed=99)))
        entries.append((target, {name: twin(value) for name, value in state.items()}))
    optimizer.param_groups[0]["params"], optimizer._entries = [target for target, _ in entries], [entries]
    with tracer.active():
        optimizer.step()
    return tracer.finish([]), arrays


def test_an_optimizer_is_one_parallel_region_and_writes_in_place():
    graph, arrays = optimizer_step(5)
    program = program_of(graph)
    assert program.kernels == 10  # a step counter and an update for each parameter
    assert program.functions <= 3, program.source
    assert program.source.count("run_together(rt, tasks, 5)") == 1
    assert program.arena_bytes == 0
    runner = compile_graph(graph)
    compare(graph, runner, arrays)


def embedded_step(table, scale, count, places, others):
    """A step that looks rows up, changes `count` and, by those rows, `scale`, and adds that to rows."""
    count.add_(1)
    scale.mul_(F.embedding(places, table).sum())
    table.index_add_(0, others, scale.expand(3, 4))
    return count * 2


@pytest.mark.parametrize("again, copied", [(True, {"x0"}), (False, {"x0", "x1"})], ids=["the same places", "other places"])
def test_inputs_are_written_in_place_behind_the_last_check(again, copied):
    arrays = [floats(9, 4), floats(4), floats(1), np.array([1, 8, 0]), np.array([2, 2, 5])]
    graph = traced(lambda *a: embedded_step(*a[:4], a[3] if again else a[4]), *arrays)
    with sizes_known_by(graph.shape_env):
        assert {target.name for target, _ in Builder(graph).write_backs} == copied
    compare(graph, compile_graph(graph), arrays)


def test_windows_over_indices_are_looked_at_though_their_first_places_were():
    """The windows reach further than the row of places that was checked: what fails there must leave `scale` as it was."""
    def step(table, scale, places):
        scale.mul_(F.embedding(places[:3], table).sum())
        return F.embedding(places.unfold(0, 3, 1), table) * scale

    arrays = [floats(9, 4), floats(4), np.array([1, 8, 0, 99, 2])]
    before = arrays[1].copy()
    with pytest.raises(IndexError):
        compile_graph(traced(step, *arrays))(arrays)
    np.testing.assert_array_equal(arrays[1], before)


def test_a_dying_operand_gives_its_memory_to_the_result():
    def chain(x):
        for _ in range(4):
            x = (x @ x).tanh() + x.sum()
        return x

    graph = traced(chain, floats(32, 32) * 0.1)
    with sizes_known_by(graph.shape_env):
        builder = Builder(graph)
    total = sum(buffer.bytes for step in builder.steps for buffer in step.writes if buffer.kind == "temporary")
    assert builder.plan.static_bytes < total / 2


def test_lives_that_meet_lie_apart():
    random = np.random.default_rng(0)
    lives = []
    for number in range(60):
        first = int(random.integers(0, 30))
        buffer = Buffer(f"b{number}", segue.float32, int(random.integers(1, 5000)), "temporary")
        lives.append(Life([buffer], first, first + int(random.integers(0, 8))))
    hosts = {number: Host(number, int(random.integers(0, 20000)), int(random.integers(0, 40))) for number in range(8)}
    total = plan(lives).static_bytes
    for given in ((), (*hosts.values(),)):
        size = plan(lives, given).static_bytes
        taken = []
        for one in lives:
            offset = one.buffers[0].offset
            host, begin = (None, offset) if type(offset) is int else (hosts[offset[1]], offset[2])
            assert begin % 64 == 0 and begin + one.bytes <= (size if host is None else host.bytes)
            assert host is None or one.last < host.born, "what a result's memory holds must be read before the result is written"
            taken.append((one, host, begin, begin + one.bytes))
        for one, host, begin, end in taken:
            for other, there, low, high in taken:
                if other is not one and there is host and not (other.last < one.first or one.last < other.first):
                    assert end <= low or high <= begin
    assert size < total and any(host is not None for _, host, _, _ in taken)


def test_results_that_come_late_lend_their_memory_until_then():
    """Two results of 16 KB: what is computed on the way needs half as much beside them as it would need alone."""
    def chain(x):
        y = (x @ x).tanh() @ x
        z = (y @ x).tanh() @ y
        return y.t() @ z, z.t() @ y

    arrays = floats(64, 64) * 0.1
    graph = traced(chain, arrays)
    with sizes_known_by(graph.shape_env):
        builder = Builder(graph)
    assert builder.plan.static_bytes < 64 * 64 * 4 * 3
    assert any(isinstance(buffer.offset, tuple) for step in builder.steps for buffer in step.writes)
    check(chain, arrays)


def test_lowering_runs_each_body_of_a_chain_once(monkeypatch):
    ran = []
    body = Evaluator.body
    monkeypatch.setattr(Evaluator, "body", lambda self, node, place: ran.append(node) or body(self, node, place))

    def chain(x):
        for number in range(20):
            x = x * 1.5 + number
        return x

    graph = traced(chain, floats(8, 8))
    Lowering(graph)
    assert len(ran) == len(set(ran)) == 40
