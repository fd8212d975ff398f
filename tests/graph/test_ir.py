"""The IR's own rules: printing as Python that runs, the verifier's table (each row is broken once), the interpreter, GraphModule and backends."""

import dataclasses
import re

import numpy as np
import pytest

import segue
from segue.eager.errors import BackendError, GraphError
from segue.eager.ops.definition import OPS
from segue.graph.backends import list_backends, lookup_backend, register_backend
from segue.graph.compiled import compile_graph
from segue.graph.interpreter import interpret
from segue.graph.ir import FakeValue, Graph, Node, OutputSpec, identifier
from segue.graph.module import GraphModule
from segue.graph.printer import describe, namespace, print_graph
from segue.graph.trace import Tracer, trace_function
from segue.graph.verifier import INVARIANTS, verify


def sample():
    def program(x, w):
        y = (x @ w).relu()
        x.add_(1)
        return y.sum(0), y.t(), segue.rand(2) * 2

    return trace_function(program, [segue.ones(3, 4), segue.ones(4, 2)])


GOLDEN = '''\
# 7 operations, 3 inputs, 3 results
#   x0: float32[3, 4]  (written at the end)
#   x1: float32[4, 2]
#   random_state: int64[2]
# result 1 is relu.permute(_, (1, 0))
# draws 1 times from the random generator
def forward(x0, x1, random_state):
    # test_ir.py:N
    matmul = ops.matmul(x0, x1)  # float32[3, 2]
    relu = ops.relu(matmul)  # float32[3, 2]
    # test_ir.py:N
    add = ops.add(x0, 1)  # float32[3, 4]
    # test_ir.py:N
    sum = ops.sum(relu, (0,), False)  # float32[2]
    permute = ops.permute(relu, (1, 0))  # float32[2, 3]
    uniform = ops.uniform(random_state, 0, (2,), segue.float32)  # float32[2]
    mul = ops.mul(uniform, 2)  # float32[2]
    write(x0, add)
    return (sum, relu, mul)'''


def test_golden_print():
    assert re.sub(r"\.py:\d+", ".py:N", describe(sample())) == GOLDEN


def test_the_text_runs_and_gives_what_the_interpreter_gives():
    graph = sample()
    names = namespace(graph)
    exec(print_graph(graph), names)
    arrays = [np.random.default_rng(0).normal(size=(3, 4)).astype("f"), np.random.default_rng(1).normal(size=(4, 2)).astype("f"), np.array([7, 0])]
    first = [segue.tensor(a) for a in arrays]
    second = [segue.tensor(a) for a in arrays]
    for a, b in zip(names["forward"](*first), interpret(graph, second), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    np.testing.assert_array_equal(first[0].numpy(), second[0].numpy())
    np.testing.assert_array_equal(first[0].numpy(), arrays[0] + 1)


def test_text_with_symbols_constants_and_odd_numbers_runs():
    constant = segue.tensor([1.0, float("nan"), -0.0])

    def program(x):
        return (x + constant).clamp(min=float("-inf")) * float("inf"), x.reshape(-1)[: x.shape[0]], x.to(segue.float64), x.shape[0] * 2

    graph = verify(trace_function(program, [segue.ones(4, 3)], {0: {0: "rows"}}))
    names = namespace(graph)
    exec(print_graph(graph), names)
    for rows in (4, 6):
        x = segue.tensor(np.arange(rows * 3, dtype="f").reshape(rows, 3))
        for a, b in zip(names["forward"](x), interpret(graph, [x]), strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_module_paths_and_lines_are_told():
    tracer = Tracer()
    x = tracer.input(segue.ones(2), "x")
    with tracer.active(line="/project/train.py:7", module="layers.0"):
        y = x + 1
    assert "    # train.py:7, in layers.0\n" in print_graph(tracer.finish([y]))


IDENTIFIERS = {"self.layers[0].weight": "self_layers_0_weight", "0": "v0", "lambda": "lambda_", "é~": "é", "": "value", "ops": "ops_"}


@pytest.mark.parametrize(("text", "expected"), IDENTIFIERS.items())
def test_identifier(text, expected):
    assert identifier(text) == expected and expected.isidentifier()


# Each invariant is broken once; the table and this list must agree.


def plain():
    return trace_function(lambda x: (x * 2 + 1,), [segue.ones(3)])


def edited(change):
    """A good graph after `change(graph, list of nodes)`, with users and output node made anew unless told otherwise."""
    graph = plain()
    nodes = list(graph.nodes)
    return change(graph, nodes) or graph


def set_node(index, **values):
    def change(graph, nodes):
        for name, value in values.items():
            setattr(nodes[index], name, value)

    return change


def two_outputs(graph, nodes):
    graph.nodes = (*nodes, Node("output", None, ((), ()), None, "output_1"))


def swapped(graph, nodes):
    graph.nodes = (nodes[0], nodes[2], nodes[1], nodes[3])


def unlisted_input(graph, nodes):
    graph.inputs = ()


def stray_user(graph, nodes):
    nodes[0].users[nodes[2]] = None


def foreign_target(graph, nodes):
    nodes[1].target = dataclasses.replace(OPS["mul"])


def input_as_output(graph, nodes):
    return dataclasses.replace(graph, outputs=(nodes[0],))


def wrong_spec(graph, nodes):
    return dataclasses.replace(graph, output_specs=(OutputSpec("fresh", 5),))


def wrong_write(graph, nodes):
    return dataclasses.replace(graph, writes=[(0, nodes[0])])


def loose_symbol(graph, nodes):
    symbol = segue.graph.symbolic.ShapeEnv().new_symbol(3, "loose")
    nodes[1].args = (nodes[0], symbol)


def wrong_draw(graph, nodes):
    made = trace_function(lambda x: (x + segue.rand(3),), [segue.ones(3)])
    draw = made.find("uniform")
    draw.args = (draw.args[0], 9, *draw.args[2:])
    return made


def wrong_gradient(graph, nodes):
    return dataclasses.replace(graph, differentiable_inputs=frozenset({4}))


BROKEN = {
    "kinds": set_node(1, kind="thought"),
    "one output": two_outputs,
    "order": swapped,
    "names": set_node(1, name="add"),
    "inputs": unlisted_input,
    "users": stray_user,
    "targets": foreign_target,
    "schemas": lambda graph, nodes: setattr(nodes[1], "args", (nodes[0],)),
    "values": lambda graph, nodes: setattr(nodes[1], "value", FakeValue((4,), segue.float32, (1,))),
    "outputs": input_as_output,
    "specs": wrong_spec,
    "writes": wrong_write,
    "symbols": loose_symbol,
    "random": wrong_draw,
    "gradients": wrong_gradient,
}


def test_every_invariant_has_a_broken_example():
    assert list(BROKEN) == [invariant.name for invariant in INVARIANTS]
    verify(plain())


@pytest.mark.parametrize("name", BROKEN)
def test_verifier_names_the_broken_invariant(name):
    with pytest.raises(GraphError, match=f"^{name}: "):
        verify(edited(BROKEN[name]))


def test_dtype_and_strides_are_checked_too():
    with pytest.raises(GraphError, match="gives float32"):
        verify(edited(set_node(1, value=FakeValue((3,), segue.float64, (1,)))))
    with pytest.raises(GraphError, match="strides"):
        verify(edited(set_node(1, value=FakeValue((3,), segue.float32, (2,)))))


def test_interpreter_counts_inputs():
    with pytest.raises(GraphError, match="takes 1 inputs but 2 were given"):
        interpret(plain(), [np.ones(3, "f")] * 2)


def test_rewrite_leaves_the_old_graph_alone():
    graph = plain()
    before = print_graph(graph)
    copy = graph.rewrite()
    assert print_graph(copy) == before == print_graph(graph)
    assert not set(copy.nodes) & set(graph.nodes)
    verify(copy)
    verify(graph)


# Backends


def test_graph_module_is_what_pytorch_backends_expect(capsys):
    module = GraphModule(plain())
    assert [node.op for node in module.graph.nodes] == ["placeholder", "call_function", "call_function", "output"]
    node = module.graph.find_nodes(op="call_function", target=OPS["mul"])[0]
    assert node.all_input_nodes == [module.graph.nodes[0]] and node.kwargs == {} and list(node.users) == [module.graph.nodes[2]]
    assert node.meta["val"].shape == (3,) and "test_ir.py" in node.meta["stack_trace"]
    assert module.code.startswith("def forward(x0):")
    module.print_readable()
    module.graph.print_tabular()
    printed = capsys.readouterr().out
    assert "def forward(x0):" in printed and "call_function" in printed
    np.testing.assert_array_equal(module.forward(segue.ones(3))[0].numpy(), [3, 3, 3])


def test_a_pytorch_style_backend():
    seen = []

    def backend(graph_module, example_inputs):
        seen.append((graph_module, [tuple(x.shape) for x in example_inputs]))
        return graph_module.forward

    x = segue.tensor([1.0, 2.0], requires_grad=True)
    compiled = compile_graph(trace_function(lambda x: ((x * x).sum(),), [x]), backend)
    compiled(x)[0].backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, 4])
    assert [shapes for _, shapes in seen][0] == [(2,)] and len(seen) == 2  # forward, then backward


def test_a_registered_backend_gets_the_graph():
    graphs = []

    def compile_fn(graph):
        graphs.append(graph)
        return lookup_backend("eager").compile(graph)

    register_backend("test_recording", compile_fn)
    (y,) = compile_graph(plain(), "test_recording")(segue.ones(3))
    assert isinstance(graphs[0], Graph) and y.tolist() == [3, 3, 3]
    assert "test_recording" in list_backends() and "eager" in list_backends()


def test_an_unknown_backend_is_named_with_those_that_exist():
    with pytest.raises(BackendError, match="no backend is called 'nonesuch'; there are .*eager"):
        lookup_backend("nonesuch")


def test_inputs_are_counted():
    with pytest.raises(TypeError, match="takes 1 inputs but 0 were given"):
        compile_graph(plain(), "eager")()


def test_logs_show_the_graph():
    from segue.eager.log import listen

    with listen("graph") as seen:
        compile_graph(plain(), "eager", title="step")
    assert seen[0].title == "step" and "ops.mul(x0, 2)" in seen[0].text
