"""Checkpoints, eagerly and in captured graphs: the same gradients bit by bit, fewer bytes, and no second draw of random numbers."""

import weakref

import numpy as np
import pytest

import segue
import segue.nn.functional as F
from segue import nn
from segue.graph.partition import partition
from segue.graph.passes import FOR_BACKEND, run_passes
from segue.graph.recompute import is_repeatable
from segue.tools.bench import memory
from segue.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential, set_checkpoint_early_stop

X = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)


def network(width=8):
    segue.manual_seed(0)
    return nn.Sequential(nn.Linear(4, width), nn.GELU(), nn.Dropout(0.5), nn.LayerNorm(width), nn.Linear(width, width), nn.Softmax(-1), nn.Linear(width, 2))


WAYS = {
    "tape": lambda net, x: checkpoint(net, x, use_reentrant=False),
    "reentrant": lambda net, x: checkpoint(net, x, use_reentrant=True),
    "sequence": lambda net, x: checkpoint_sequential(net, 3, x, use_reentrant=False),
    "nested": lambda net, x: checkpoint(lambda x: checkpoint(net, x, use_reentrant=False), x, use_reentrant=False),
    "whole run": lambda net, x: checkpoint(net, x, use_reentrant=False, early_stop=False),
}


def gradients(way, autocast=False, compiled=False):
    net = network()
    segue.manual_seed(3)
    call = segue.compile(lambda x: way(net, x), fullgraph=True, backend="eager") if compiled else lambda x: way(net, x)
    x = segue.from_numpy(X.copy()).requires_grad_()
    with segue.autocast("cpu", enabled=autocast):
        y = call(x)
    y.float().square().sum().backward()
    return [y.tolist(), *(p.grad.tolist() for p in net.parameters()), x.grad.tolist(), segue.rand(2).tolist()]


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_gradients_and_random_numbers_are_those_without(way, autocast):
    assert gradients(WAYS[way], autocast) == gradients(lambda net, x: net(x), autocast)


def test_captured_checkpoints_change_no_bit():
    plain = gradients(lambda net, x: net(x), compiled=True)
    assert gradients(WAYS["tape"], compiled=True) == plain and gradients(WAYS["reentrant"], compiled=True) == plain


def test_second_derivatives_through_a_checkpoint():
    x = segue.from_numpy(X[0].astype(np.float64)).requires_grad_()
    assert segue.autograd.gradgradcheck(lambda x: checkpoint(lambda x: (x**3).exp(), x, use_reentrant=False), (x,))
    y = checkpoint(lambda x: (x**3).exp(), x, use_reentrant=True)
    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        segue.autograd.grad(y.sum(), x, create_graph=True)


def test_the_second_run_is_checked_and_ends_early():
    calls = []

    def function(x):
        calls.append("begun")
        y = x.exp() * x
        calls.append("ended")
        return y if len(calls) < 3 else y[:2].sin() * 2

    def other(x):
        calls.append(1)
        return x.sin() if len(calls) == 1 else x.sum().exp()

    x = segue.ones(4, requires_grad=True)
    checkpoint(function, x, use_reentrant=False).sum().backward()
    assert calls == ["begun", "ended", "begun"]
    calls.clear()
    with set_checkpoint_early_stop(False):
        y = checkpoint(lambda x: calls.append(1) or x.exp(), x, use_reentrant=False)
    y.sum().backward()
    assert len(calls) == 2
    calls.clear()
    y = checkpoint(other, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match=r"position 0(.|\n)*'shape': \[4\](.|\n)*'shape': \[\]"):
        y.sum().backward()


def test_contexts_and_keywords():
    seen = []

    class Context:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            seen.append(self.name)

        def __exit__(self, *exception):
            pass

    x = segue.ones(4, requires_grad=True)
    checkpoint(lambda x: x.exp(), x, use_reentrant=False, context_fn=lambda: (Context("first"), Context("again"))).sum().backward()
    assert seen == ["first", "again"]
    assert checkpoint(lambda x, k: x * k, x, use_reentrant=False, k=3).tolist() == [3.0] * 4
    with pytest.raises(ValueError, match="Unexpected keyword"):
        checkpoint(lambda x, k: x, x, use_reentrant=True, k=3)
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(lambda x: x, x, use_reentrant=False, determinism_check="some")
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(lambda x: x * 1, x)
    with segue.no_grad():
        assert not checkpoint(lambda x: x * 1, x, use_reentrant=False).requires_grad


def test_eager_checkpoints_keep_only_the_inputs():
    alive = []

    def function(x):
        y = x.exp()
        alive.append(weakref.ref(y))
        return (y * y).sin()

    x = segue.ones(4, requires_grad=True)
    y = checkpoint(function, x, use_reentrant=False)
    z = function(x)
    assert alive[0]() is None and alive[1]() is not None
    (y + z).sum().backward()


# -------------------------------------------------------------------------------------------------------------- graphs


@pytest.fixture(scope="module")
def joints():
    return {name: memory.joint_of(build(), inputs, targets) for name, (build, inputs, targets) in memory.cases(small=True).items()}


def test_a_budget_is_kept_and_never_repeats_what_is_random_or_compared(joints):
    for joint in joints.values():
        splits = [partition(joint, budget) for budget in (1.0, 0.5, 0.25, 0.0)]
        whole = splits[0].saved_bytes
        assert all(one.saved_bytes >= other.saved_bytes for one, other in zip(splits, splits[1:]))
        assert splits[1].saved_bytes <= whole / 2 and splits[3].saved_bytes < whole / 10 and whole < splits[0].keep_all_bytes
        forward = {node.name: node for node in splits[3].forward.operations}
        twice = [node for node in splits[3].backward.operations if node.name in forward and not node.late]
        assert any(node.target.name in ("matmul", "convolution") for node in twice) and all(map(is_repeatable, twice))


def test_checkpointed_blocks_keep_little(joints):
    for build, inputs, targets in memory.cases(small=True).values():
        kept = memory.bytes_kept(build, inputs, targets)
        assert kept["budget 0.0"] < kept["checkpointed blocks"] < kept["budget 1.0"] < kept["keep all"]
    assert "| keep all |" in memory.markdown({"a": kept})


def test_dropout_in_a_checkpoint_is_drawn_once():
    segue.compiler.reset()
    net = network()
    compiled = segue.compile(lambda x: WAYS["tape"](net, x), fullgraph=True, backend="eager")
    compiled(segue.from_numpy(X.copy())).sum().backward()
    split = compiled.cache.settings.captured[-1].compiled._training.partition
    drawn = [[node for node in graph.operations if "random" in node.target.tags] for graph in (split.forward, split.backward)]
    assert len(drawn[0]) == 1 and not drawn[1]


def test_a_budget_changes_no_bit_and_is_an_option_of_compile():
    net, x = network(), segue.from_numpy(X.copy())
    found = []
    for budget in (1.0, 0.0):
        segue.manual_seed(1)
        net.zero_grad()
        compiled = segue.compile(lambda x: net(x), fullgraph=True, memory_budget=budget, backend="eager")
        compiled(x).square().sum().backward()
        found.append(([p.grad.tolist() for p in net.parameters()], compiled.cache.settings.captured[-1].compiled.stats["saved_bytes"]))
    assert found[0][0] == found[1][0] and found[1][1] < found[0][1]
    with pytest.raises(ValueError, match="memory_budget"):
        segue.compile(net, memory_budget=2)


def peak(graph):
    """The most bytes that are alive at once when the nodes run in their order; views hold nothing."""
    last, live, most = {}, 0, 0
    for place, node in enumerate(graph.nodes):
        for used in node.inputs:
            last[used] = place
    for place, node in enumerate(graph.nodes[:-1]):
        size = {n: n.value.nbytes_hint for n in (node, *node.inputs) if n.kind == "op" and "alias" not in n.target.tags}
        live += size.get(node, 0)
        most = max(most, live)
        live -= sum(bytes for n, bytes in size.items() if last.get(n, place) == place)
    return most


def test_in_a_whole_step_checkpoints_need_less_memory():
    def run(wrap):
        segue.manual_seed(0)
        layers = nn.ModuleList([nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 32)) for _ in range(4)])
        optimizer = segue.optim.SGD(layers.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            y = x
            for layer in layers:
                y = y + wrap(layer, y)
            loss = y.square().mean()
            loss.backward()
            optimizer.step()
            return loss

        compiled = segue.compile(step, fullgraph=True, backend="eager")
        losses = [compiled(segue.ones(512, 32)).item() for _ in range(3)]
        return losses, peak(run_passes(compiled.cache.settings.captured[-1].compiled.graph, FOR_BACKEND))

    plain, less = run(lambda layer, y: layer(y)), run(lambda layer, y: checkpoint(layer, y, use_reentrant=False))
    assert plain[0] == less[0] and less[1] < 0.6 * plain[1]


def test_an_input_that_is_only_added_may_be_overwritten_before_the_backward():
    """Its copy is kept where the backward computes from it again; eagerly the tape does not need it either."""
    w, bias = segue.ones(4, 4, requires_grad=True), segue.ones(4)

    def function(x, bias):
        return F.gelu(x @ w + bias).sum()

    grads = []
    for call in (function, segue.compile(function, fullgraph=True, memory_budget=0.0)):
        w.grad = None
        given = bias.clone()
        loss = call(segue.from_numpy(X.copy()), given)
        given.fill_(100.0)
        loss.backward()
        grads.append(w.grad.numpy().copy())
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-5)


def test_a_memory_budget_holds_within_a_whole_step():
    def train(budget):
        segue.manual_seed(0)
        net = nn.Sequential(*(layer for _ in range(8) for layer in (nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 32), nn.Tanh())))
        optimizer = segue.optim.SGD(net.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        x = segue.randn(256, 32)
        compiled = segue.compile(step, fullgraph=True, memory_budget=budget)
        losses = [compiled(x).item() for _ in range(3)]
        return losses, compiled.cache.settings.captured[0].compiled.stats["arena_bytes"]

    (whole, arena), (half, smaller) = train(1.0), train(0.5)
    assert half == pytest.approx(whole, rel=1e-5) and smaller < arena


@pytest.mark.parametrize("function", [segue.div, segue.pow, segue.maximum, lambda a, b: F.rms_norm(a, (4,), b[0]), lambda a, b: a.softmax(-1) * b], ids=range(5))
@pytest.mark.parametrize("compiled", [False, True])
def test_a_step_whose_formulas_read_the_same_value_runs_the_function_again_only_once(function, compiled):
    calls = []

    def counted(a, b):
        calls.append(1)
        return function(a, b)

    def step(a, b):
        checkpoint(counted, a, b, use_reentrant=False).sum().backward()

    a, b = (segue.tensor(X + shift).abs().requires_grad_() for shift in (2, 3))
    (segue.compile(step, backend="eager", fullgraph=True) if compiled else step)(a, b)
    assert len(calls) == 2


def test_an_argument_overwritten_since_is_refused():
    x = segue.ones(3, requires_grad=True)
    y = checkpoint(lambda x: x.sin() * x, x, use_reentrant=False)
    with segue.no_grad():
        x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
