"""The tracer: twins of inputs, symbolic sizes, lazily read gradients, random state, and what is refused."""

import numpy as np
import pytest

import segue
from segue import nn
from segue.eager.errors import CaptureError
from segue.graph.compiled import compile_graph
from segue.graph.interpreter import interpret
from segue.graph.symbolic import SymInt
from segue.graph.trace import Tracer, trace_function
from segue.graph.verifier import verify


def test_a_twin_is_like_its_tensor():
    parameter = nn.Parameter(segue.ones(3))
    parameter.mark = "mine"
    twin = Tracer().input(parameter, "w")
    assert isinstance(twin, nn.Parameter) and twin.mark == "mine"
    assert twin.requires_grad and twin.is_leaf and twin.dtype is parameter.dtype and twin.shape == parameter.shape
    computed = parameter * 2
    twin = Tracer().input(computed, "y")
    assert twin.requires_grad and not twin.is_leaf


def test_strides_of_a_twin_are_those_of_its_tensor():
    x = segue.ones(2, 3, 4)
    for view in (x, x.permute(2, 0, 1), x[:, ::2], x.expand(5, 2, 3, 4)):
        assert Tracer().input(view, "x").stride() == view.stride()


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x.t(), lambda x: x.unsqueeze(1)], ids=["contiguous", "transposed", "unsqueezed"])
def test_strides_follow_symbolic_sizes_where_the_tensor_is_dense(make):
    small, large = make(segue.ones(4, 6)), make(segue.ones(9, 6))
    dim = small.shape.index(4)
    tracer = Tracer()
    twin = tracer.input(small, "x", dynamic=(dim,))
    bindings = {"s0": 9}
    assert tuple(tracer.shape_env.evaluate(s, bindings) for s in twin.stride()) == large.stride()
    assert tracer.shape_env.guards == []


def test_dynamic_dimensions_can_share_a_symbol():
    tracer = Tracer()
    x = tracer.input(segue.ones(4, 3), "x", {0: "B"})
    y = tracer.input(segue.ones(4, 3), "y", {0: x.shape[0]})
    z = tracer.input(segue.ones(4, 3), "z", {0: "B"})
    assert isinstance(x.shape[0], SymInt) and x.shape[0] == y.shape[0] and tracer.shape_env.guards == []
    assert str(z.shape[0]) == "B_1" and x.shape[0] == z.shape[0]
    assert len(tracer.shape_env.guards) == 1, "equal sizes are not assumed to stay equal"


def test_a_size_may_be_passed():
    tracer = Tracer()
    n = tracer.size_input(4, "n")
    x = tracer.input(segue.ones(3), "x")
    with tracer.active():
        y = segue.zeros(n) + x.sum() * n
    graph = verify(tracer.finish([y, n + 1]))
    result, after = interpret(graph, [7, segue.ones(3)])
    assert result.tolist() == [21.0] * 7 and after == 8


def test_python_control_flow_on_sizes_makes_guards_with_lines():
    def program(x):
        return x * 2 if x.shape[0] > 3 else x

    graph = trace_function(program, [segue.ones(5)], {0: {0: "n"}})
    (guard,) = graph.shape_env.guards
    assert str(guard.relation) == "n > 3" and "test_trace.py" in guard.line


def test_gradients_of_twins_are_read_lazily():
    x = segue.ones(3, requires_grad=True)
    tracer = Tracer()
    twin = tracer.input(x, "x")
    reads = []
    tracer.on_grad_read = lambda tensor: reads.append(tensor)
    assert reads == []
    assert twin.grad is None and reads == [twin]
    assert twin.grad is None and len(reads) == 1
    other = tracer.input(segue.ones(3, requires_grad=True), "other")
    other.grad = None
    assert other.grad is None and len(reads) == 1, "what is written without being read is not asked for"


def test_random_state_is_the_last_input():
    def program(x, y):
        return segue.rand(2) + x, segue.rand(2) + y

    graph = verify(trace_function(program, [segue.ones(2), segue.ones(2)]))
    assert [node.name for node in graph.inputs] == ["x0", "x1", "random_state"] and graph.random_calls == 2
    segue.manual_seed(5)
    expected = [r.numpy() for r in program(segue.ones(2), segue.ones(2))]
    for a, b in zip(expected, interpret(graph, [segue.ones(2), segue.ones(2), segue.tensor([5, 0])]), strict=True):
        np.testing.assert_array_equal(a, b.numpy())


def test_the_same_constant_is_kept_once():
    constant = segue.tensor([1.0, 2.0])
    graph = trace_function(lambda x: (x + constant, x * constant), [segue.ones(2)])
    assert [node.kind for node in graph.nodes].count("constant") == 1


def test_a_constant_that_changed_in_between_is_another():
    constant = segue.tensor([1.0, 2.0])

    def program(x):
        y = x + constant
        constant.add_(10)
        return y, x + constant

    graph = trace_function(program, [segue.zeros(2)])
    assert [r.tolist() for r in interpret(graph, [segue.zeros(2)])] == [[1, 2], [11, 12]]


def test_constants_in_one_memory_go_on_sharing_it():
    def program(x):
        v = segue.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
        return v, v[None, ..., 0], v.detach()[1], v.t(), segue.ones(2), x + 1

    results = compile_graph(trace_function(program, [segue.ones(2)]), "eager")(segue.ones(2))
    results[0].mul_(2)
    for found, expected in zip(results, program(segue.ones(2))[:4]):
        np.testing.assert_array_equal(found.numpy(), 2 * expected.numpy())


def test_written_inputs_are_reported():
    tracer = Tracer()
    x, y = tracer.input(segue.ones(3), "x"), tracer.input(segue.ones(3), "y")
    with tracer.active():
        y[1:].add_(x[1:])
    assert tracer.written_inputs() == [1]
    assert [position for position, _ in tracer.finish([]).writes] == [1]


def test_values_cannot_be_read_while_tracing():
    with pytest.raises(RuntimeError, match="values"):
        trace_function(lambda x: x.sum().item(), [segue.ones(3)])


def test_backward_into_what_was_computed_outside_is_refused():
    outside = segue.ones(3, requires_grad=True) * 2
    with pytest.raises(CaptureError, match="outside of the captured region"):
        trace_function(lambda x: x.sum().backward(), [outside])


def test_two_graphs_do_not_mix():
    first, second = Tracer(), Tracer()
    x, y = first.input(segue.ones(2), "x"), second.input(segue.ones(2), "y")
    with pytest.raises(CaptureError, match="one graph"):
        x + y


def test_an_error_in_a_traced_program_names_operator_and_line():
    with pytest.raises(RuntimeError, match=r"matmul[\s\S]*test_trace.py"):
        trace_function(lambda x: x @ x, [segue.ones(2, 3)])


def test_numbers_and_none_may_be_results():
    graph = verify(trace_function(lambda x: (x.shape[1], None, 2.5, x), [segue.ones(2, 3)]))
    assert list(graph.outputs) == [3, None, 2.5]
    assert [spec.kind for spec in graph.output_specs] == ["fresh", "fresh", "fresh", "input"]
