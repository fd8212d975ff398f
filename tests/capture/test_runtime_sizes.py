"""Sizes that only the run of a graph gives: nonzero, masks, unique, repeats, counts, item() and tolist() as sizes.

In come programs whose intermediate shapes depend on the data, with all, some, one and none of the elements chosen. The one idea: each program is one graph without a
break, compiled once whatever the counts are, and its results, gradients and errors are the eager ones.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from runtime_size_programs import PROGRAMS, caught, checked

import segue


def cases():
    generator = segue.Generator().manual_seed(0)
    x, w = segue.randn(5, 4, generator=generator), segue.randn(4, 2, generator=generator)
    one = -x.abs()
    one[2, 0] = 1.0
    return [(x, w), (x.abs() + 0.1, w), (-x.abs(), w), (one, w), (-x, w)]


def flat(value):
    return [leaf for item in value for leaf in flat(item)] if isinstance(value, (tuple, list)) else [value]


def outcome(program, x, w):
    """Results and gradients."""
    segue.manual_seed(0)
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    found = flat(program(x, w))
    losses = [y.sum() for y in found if isinstance(y, segue.Tensor) and y.requires_grad]
    if losses:
        sum(losses).backward()
    return [*found, x.grad, w.grad]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert type(a) is type(b)
        if isinstance(a, segue.Tensor):
            assert a.shape == b.shape and a.dtype is b.dtype
            segue.testing.assert_close(a, b, equal_nan=True)
        else:
            assert a == b


NATIVE = frozenset({"a mask", "rows", "views", "segments", "a masked loss", "assignments", "a slice from behind", "split", "a mask of a mask", "shapes returned", "dropout", "rolled", "a window that is drawn", "the first of an order", "as many as there are"})


@pytest.mark.parametrize("name, backend", [(name, backend) for name in PROGRAMS for backend in ("eager", "inductor") if backend == "eager" or name in NATIVE])
def test_one_graph_for_all_counts(name, backend):
    program = PROGRAMS[name]
    compiled = segue.compile(program, backend=backend, fullgraph=True)
    before = segue.compiler.stats()
    for x, w in cases():
        assert_same(outcome(compiled, x, w), outcome(program, x, w))
    after = segue.compiler.stats()
    assert after["graphs"] - before["graphs"] == 1 and after["recompiles"] == before["recompiles"]
    assert after["late_guard_misses"] == before["late_guard_misses"]


def test_no_graph_for_a_scalar_assignment_has_a_runtime_size():
    def program(x, w):
        y = x * w.sum()
        y[y > 0] = 0.5
        y[x[:, 0] > 0] = w.sum(1)
        return y

    compiled = segue.compile(program, fullgraph=True)
    x, w = cases()[0]
    assert_same(flat(compiled(x, w)), flat(program(x, w)))
    assert all(node.target.name not in ("item", "nonzero") for node in graph_of(compiled).operations)


def graph_of(compiled):
    return segue.explain(compiled)(*cases()[0]).graphs[-1]


@settings(max_examples=25, deadline=None)
@given(mask=arrays.arrays(bool, (6, 2)))
def test_any_mask(mask):
    x = segue.arange(12).reshape(6, 2).float().requires_grad_()
    found, expected = MASKED(x, segue.tensor(mask)), select(x, segue.tensor(mask))
    assert_same(flat(found), flat(expected))
    assert_same([segue.autograd.grad(found[0].sum(), x)[0]], [segue.autograd.grad(expected[0].sum(), x)[0]])


def select(x, mask):
    picked = x[mask]
    return picked * 2, mask.nonzero(), picked.shape[0], segue.cat([picked, x[~mask]]).sort().values


MASKED = segue.compile(select, backend="eager", fullgraph=True)


@settings(max_examples=25, deadline=None)
@given(start=st.integers(-9, 9), stop=st.integers(-9, 9))
def test_any_slice(start, stop):
    x = segue.arange(12).reshape(6, 2)
    given_bounds = segue.tensor([start, stop])
    assert_same([SLICED(x, given_bounds)], [x[start:stop]])


SLICED = segue.compile(lambda x, n: x[n[0].item() : n[1].item()], backend="eager", fullgraph=True)


def test_a_branch_on_a_runtime_size_breaks_with_its_line():
    def program(x):
        y = x[x > 0]
        if y.shape[0] > 2:
            return y * 2
        return y * 3

    compiled = segue.compile(program)
    for x in (segue.tensor([1.0, 2.0, 3.0]), segue.tensor([1.0, -1.0, 3.0]), -segue.ones(3)):
        assert segue.equal(compiled(x), program(x))
    with pytest.raises(RuntimeError, match=r"whether u0 (>|<=) 2 is known only when the graph runs: u0 is the number of true elements at .*test_runtime_sizes.py") as problem:
        segue.compile(program, fullgraph=True)(segue.ones(3))
    assert "if y.shape[0] > 2" in str(problem.value) and "segue._check" in str(problem.value)


def test_what_code_only_demands_is_checked_by_the_run():
    program = segue.compile(lambda x: (x[x > 0].view(2, -1) * 2, x[x < 0].max()), fullgraph=True, backend="eager")
    assert segue.equal(program(segue.tensor([1.0, -1, 3, -4]))[0], segue.tensor([[2.0], [6.0]]))
    with pytest.raises(RuntimeError, match=r"shape '\[2, -1\]' is invalid for input of size 1(.|\n)*test_runtime_sizes.py"):
        program(segue.tensor([1.0, -1, -3, -4]))
    with pytest.raises(RuntimeError, match=r"numel\(\) == 0"):
        program(segue.tensor([1.0, 1.0]))


def test_a_check_that_fails_changes_inputs_as_eager_mode_does():
    def program(x, y):
        y.add_(1)
        return x[x > 0].view(2, -1)

    y = segue.zeros(2)
    compiled = segue.compile(program, fullgraph=True)
    compiled(segue.ones(4), y)
    x = segue.tensor([1.0, -1, -1, -1])
    with pytest.raises(RuntimeError, match="is invalid"):
        compiled(x, y)
    assert y.tolist() == [2.0, 2.0]  # what eager mode adds before it raises


def test_a_runtime_size_behind_a_break():
    def program(x):
        n = (x > 0).sum().item()
        y = x[:n]
        print(end="")  # breaks
        return y * n, n

    compiled = segue.compile(program)
    for x in (segue.tensor([1.0, 2.0, 3.0]), segue.tensor([1.0, -1.0, 3.0]), -segue.ones(3)):
        assert_same(flat(compiled(x)), flat(program(x)))


def test_checks_are_checked_by_the_run_and_relied_on():
    compiled = segue.compile(checked, fullgraph=True, backend="eager")
    before = segue.compiler.stats()["graphs"]
    for text, problem in {"++--": None, "++++": None, "+++-": AssertionError, "+---": RuntimeError, "----": RuntimeError}.items():
        x = segue.tensor([1.0 if sign == "+" else -1.0 for sign in text])
        if problem is None:
            assert_same(flat(compiled(x)), flat(checked(x)))
            continue
        with pytest.raises(problem) as expected:
            checked(x)
        with pytest.raises(problem) as found:
            compiled(x)
        assert str(expected.value) == str(found.value)
        assert found.traceback[-1].path.name == expected.traceback[-1].path.name
    assert segue.compiler.stats()["graphs"] - before == 1


def test_an_assertion_that_somebody_catches():
    compiled = segue.compile(caught, backend="eager")
    for x in (segue.ones(3), -segue.ones(3)):
        assert segue.equal(compiled(x), caught(x))


def test_checks_run_eagerly():
    segue._check(True)
    segue._check_is_size(0)
    for function, problem in ((segue._check, RuntimeError), (segue._check_index, IndexError), (segue._check_value, ValueError), (segue._check_type, TypeError)):
        with pytest.raises(problem, match="no more"):
            function(False, lambda: "no more")
    with pytest.raises(RuntimeError, match="Expected cond to be True"):
        segue._check_is_size(-1)
    with pytest.raises(TypeError, match="cond must be a bool"):
        segue._check(1)


@pytest.mark.parametrize("dynamic", (None, True))
def test_second_derivatives_through_a_mask(dynamic):
    """The gradients' graph gets its tangent with the size that it finds itself only later: the stretch before that has it from the tangent (random program 1387)."""

    def second(function):
        x = segue.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], requires_grad=True)
        (first,) = segue.autograd.grad((function(x) ** 3).sum(), x, create_graph=True)
        return segue.autograd.grad((first**2).sum(), x)

    def program(x):
        return x[x > 0] * 2

    segue.testing.assert_close(second(segue.compile(program, dynamic=dynamic)), second(program))


def test_a_derivative_that_asks_for_a_size_ends_the_graph_before_it():
    """The product's gradient halves the dimension until one is left (random program 1747)."""

    def program(x):
        return segue.prod((x * 2)[x > 0], 0)

    x = segue.tensor([1.0, -2.0, 3.0, 5.0], requires_grad=True)
    found = segue.explain(program)(x)
    assert (len(found.graphs), len(found.breaks)) == (2, 1)
    assert found.breaks[0].location.line == program.__code__.co_firstlineno + 1
    compiled = segue.compile(program)
    segue.testing.assert_close(segue.autograd.grad(compiled(x), x), segue.autograd.grad(program(x), x))


def test_a_softmax_over_a_runtime_size_stays_in_the_graph():
    def program(x):
        return segue.softmax(x[x > 0], 0)

    compiled = segue.compile(program, fullgraph=True)
    for x in (segue.tensor([1.0, -1.0, 2.0]), -segue.ones(3)):
        segue.testing.assert_close(compiled(x), program(x))


def test_a_runtime_size_beside_a_larger_one_is_checked_to_be_as_large():
    def program(x, values):
        return x[x > 0] + values

    compiled = segue.compile(program, fullgraph=True)
    for numbers in ([1.0, -1.0, 2.0], [3.0, 4.0, -2.0], [1.0, -1.0, -2.0]):
        x, values = segue.tensor(numbers), segue.tensor([1.0, 2.0])
        assert_same(outcome(compiled, x, values), outcome(program, x, values))
