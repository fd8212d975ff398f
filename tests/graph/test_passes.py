"""Passes: what each rule removes, what it must leave, and that the bits stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segue
from segue.eager.config import config
from segue.graph import passes
from segue.graph.interpreter import interpret
from segue.graph.passes import FOR_BACKEND, RULES, dead_code, fold_constants, forget_history, run_passes, simplify
from segue.graph.trace import trace_function
from segue.graph.verifier import verify


def names(graph):
    return [node.target.name for node in graph.operations]


def traced(function, *inputs):
    return verify(trace_function(function, inputs or [segue.ones(2, 3)]))


def after(step, function, *inputs):
    return names(verify(dead_code(step(traced(function, *inputs)))))


def test_dead_code_goes_and_inputs_stay():
    graph = dead_code(traced(lambda x, y: (x.exp(), x.sin())[0], segue.ones(2), segue.ones(2)))
    assert names(graph) == ["exp"] and len(graph.inputs) == 2


def test_common_subexpressions():
    assert after(simplify, lambda x: (x.exp() + x.exp()) * 1.5) == ["exp", "add", "mul"]


@pytest.mark.parametrize("other", [0.0, 1, True, float("inf")])
def test_arguments_that_an_operator_can_tell_apart_stay_apart(other):
    values = {"0.0": (-0.0, 0.0), "1": (1.0, 1), "True": (1, True), "inf": (float("-inf"), float("inf"))}[str(other)]
    assert after(simplify, lambda x: x.add(values[0]) - x.add(values[1])).count("add") == 2


def test_nan_is_itself():
    assert after(simplify, lambda x: x * float("nan") + x * float("nan")).count("mul") == 1


def test_dtypes_stay_apart():
    assert after(simplify, lambda x: x.double().sum() + x.half().sum()).count("cast") == 3  # the half sum is cast up


def test_draws_stay_apart():
    assert after(simplify, lambda x: segue.rand(2, 3) + segue.rand(2, 3)).count("uniform") == 2


def test_results_keep_memory_of_their_own():
    graph = verify(simplify(traced(lambda x: (x.exp(), x.exp()))))
    assert names(graph) == ["exp", "exp"]


def test_gradient_modes_stay_apart():
    def program(x):
        with segue.no_grad():
            y = x.exp()
        return x.exp() + y

    graph = traced(program, segue.ones(2, requires_grad=True))
    assert names(simplify(graph)).count("exp") == 2
    assert names(run_passes(graph, FOR_BACKEND)).count("exp") == 1


def test_constants_fold():
    constant = segue.tensor([1.0, 2.0, 3.0])
    graph = traced(lambda x: x + constant.detach().exp())  # eager already: nothing is traced
    assert names(graph) == ["add"]
    folded = verify(dead_code(fold_constants(trace_function(lambda x: (x + (constant + x * 0 + 1),), [segue.ones(3)]))))
    assert "constant" in [node.kind for node in folded.nodes]


def test_operations_on_constants_fold():
    from segue.eager.ops.definition import OPS
    from segue.eager.tensor import Storage, Tensor
    from segue.graph.trace import Tracer

    tracer = Tracer()
    x = tracer.input(segue.ones(3), "x")
    with tracer.active():
        constant = Tensor._wrap(tracer.constant(np.arange(3, dtype="f")), Storage())
        y = x + OPS["exp"](constant * 2).view(3)
    folded = verify(dead_code(fold_constants(tracer.finish([y]))))
    assert names(folded) == ["add"]
    (result,) = interpret(folded, [np.zeros(3, "f")])
    np.testing.assert_array_equal(result, np.exp(np.arange(3, dtype="f") * 2))


RULE_EXAMPLES = {
    "view_of_nothing": (lambda x: (x.expand(2, 3).view(2, 3) * 1.5), ["mul"]),
    "view_of_view": (lambda x: x.view(6).view(3, 2) * 1.5, ["view", "mul"]),
    "permute_of_permute": (lambda x: x.t().t() * 1.5, ["mul"]),
    "expand_of_expand": (lambda x: x.view(2, 1, 3).expand(2, 4, 3).expand(5, 2, 4, 3) * 1.5, ["view", "expand", "mul"]),
    "cast_to_same": (lambda x: segue.eager.ops.definition.OPS["cast"](x, segue.float32) * 1.5, ["mul"]),
    "cast_there_and_back": (lambda x: x.double().float() * 1.5, ["mul"]),
    "copy_of_own": (lambda x: (x * 1.5).clone() * 1.5, ["mul", "mul"]),
    "transposed_product": (lambda x: (x @ x.t()).t().clone() * 1.5, ["permute", "matmul", "mul"]),
    "swap_of_swap": (lambda x: (x.exp() @ x.t()).t().contiguous() * 1.5, ["exp", "permute", "matmul", "mul"]),
    "neutral_operand": (lambda x: ((x * 1) / 1 - 0) * 1.5, ["mul"]),
    "not_of_not": (lambda x: x.neg().neg() * 1.5, ["mul"]),
}


def test_every_rule_has_an_example():
    assert set(RULE_EXAMPLES) == set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    function, expected = RULE_EXAMPLES[name]
    assert after(lambda graph: simplify(dead_code(simplify(graph))), function) == expected


KEPT = {
    "plus zero": (lambda x: (x + 0) * 1.5, ["add", "mul"]),
    "minus negative zero": (lambda x: (x - -0.0) * 1.5, ["sub", "mul"]),
    "lossy cast": (lambda x: x.half().float() * 1.5, ["cast", "cast", "mul"]),
    "transposing copy": (lambda x: x.t().clone().view(6) * 1.5, ["permute", "clone", "view", "mul"]),
    "transposed product that is needed as it is, too": (lambda x: (lambda y: y.t().clone() * y)(x @ x.t()), ["permute", "matmul", "permute", "clone", "mul"]),
    "swapped equal sizes": (lambda x: x[:, :2].t() * 1.5, ["slice", "permute", "mul"]),
    "copy of an input, which may be written before the backward": (lambda x: x.clone() * 1.5, ["clone", "mul"]),
    "result that is a copy": (lambda x: x.clone(), ["clone"]),
    "detach": (lambda x: x.detach() * 1.5, ["detach", "mul"]),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_changes_bits_or_memory_is_kept(name):
    function, expected = KEPT[name]
    assert after(simplify, function) == expected


def test_history_is_dropped_for_backends():
    def program(x):
        y = x * 2
        with segue.no_grad():
            y.mul_(3)
        return y.detach() * 1.5

    graph = traced(program, segue.ones(3, requires_grad=True))
    assert {"assign", "detach"} <= set(names(graph))
    assert names(dead_code(forget_history(graph))) == ["mul", "mul", "mul"]


@pytest.mark.parametrize("on", [False, True])
def test_verification_after_each_pass_is_a_knob(monkeypatch, on):
    verified = []
    monkeypatch.setattr(passes, "verify", verified.append)
    with config.override(verify=on):
        made = run_passes(traced(lambda x: (x * 1).t().t().exp()), FOR_BACKEND)
    assert names(made) == ["exp"] and len(verified) == (len(FOR_BACKEND) if on else 0)


STEPS = ["x * 1", "x - 0", "x + 0", "-x", "x.t().t()", "x.clone()", "x.double().float()", "x.view(9).view(3, 3)", "x.expand(3, 3)"]
STEPS += ["x * -0.0", "x + x", "x[:, :3]", "x.t().contiguous()"]
SPECIAL = np.array([[0.0, -0.0, np.inf], [-np.inf, np.nan, 1e-45], [1.5, -2.0, 3e38]], np.float32)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=6))
def test_pipelines_keep_every_bit(steps):
    def program(x):
        results = []
        for step in steps:
            x = eval(step, {"x": x})
            results.append(x)
        return (x * 1, *results)

    graph = verify(trace_function(program, [segue.tensor(SPECIAL)]))
    with config.override(verify=True):
        ready = run_passes(graph, FOR_BACKEND)
    for a, b in zip(interpret(graph, [SPECIAL.copy()]), interpret(ready, [SPECIAL.copy()]), strict=True):
        np.testing.assert_array_equal(np.signbit(a), np.signbit(b))
        np.testing.assert_array_equal(a, b)
