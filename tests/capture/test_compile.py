"""segue.compile and segue.compiler: options, decorators, modules, dynamic sizes, recompiles, limits."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import pydoc
import warnings

import pytest
from interp_support import compiled, same

import segue
from segue import nn
from segue.capture import _capture as hook
from segue.capture.compile import compile, disable, graph_break, is_compiling, reset, stats
from segue.eager.config import config
from segue.eager.errors import CaptureError


def x3():
    return segue.tensor([1.0, -2.0, 3.0])


def double(x: segue.Tensor, by: float = 2.0) -> segue.Tensor:
    """Twice x."""
    return x * by


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return self.linear(x).relu()


def graphs(made):
    return sum(captured.graph is not None for captured in made.cache.settings.captured)


def test_decorator_with_and_without_arguments():
    plain = compile(double, backend="eager")
    bare = compile(backend="eager")(double)

    @compile(backend="eager", fullgraph=True)
    def named(x):
        return x * 2

    for made in (plain, bare, named):
        assert same(made(x3()), x3() * 2)


def test_a_compiled_function_looks_like_the_function():
    made = compiled(double)
    assert made.__name__ == "double" and made.__doc__ == "Twice x." and made.__wrapped__ is double
    assert "Twice x." in pydoc.render_doc(made) and "Twice x." in pydoc.render_doc(disable(double))
    assert inspect.signature(made) == inspect.signature(double)


def test_methods():
    class Holder:
        factor = 3

        @compile(backend="eager")
        def scaled(self, x):
            return x * self.factor

    assert same(Holder().scaled(x3()), x3() * 3)
    other = Holder()
    other.factor = 4
    assert same(other.scaled(x3()), x3() * 4)


def test_partial_and_lambda():
    assert same(compiled(functools.partial(double, by=3.0))(x3()), x3() * 3)
    assert same(compiled(lambda x: x - 1)(x3()), x3() - 1)


def test_nested_compiled_functions_are_one_graph():
    inner = compiled(double)
    outer = compiled(lambda x: inner(x) + 1, fullgraph=True)
    assert same(outer(x3()), x3() * 2 + 1)
    assert graphs(outer) == 1 and graphs(inner) == 0


def test_module_keeps_its_face():
    model = Net()
    fast = compile(model, backend="eager")
    assert isinstance(fast, Net) and repr(fast) == repr(model)
    assert list(fast.state_dict()) == list(model.state_dict())
    assert fast.linear is model.linear
    fast.eval()
    assert not model.training
    fast.extra = 5
    assert model.extra == 5
    assert same(copy.deepcopy(fast)(x3()), model(x3()))
    assert type(pickle.loads(pickle.dumps(fast))) is Net


def test_module_in_a_container():
    model = Net()
    both = nn.Sequential(compile(model, backend="eager"), nn.ReLU())
    assert same(both(x3()), model(x3()).relu())
    assert same(compiled(lambda x: both(x) * 2)(x3()), model(x3()).relu() * 2)


def test_module_compiled_in_place_inside_of_a_step():
    model = Net()
    expected = model(x3()) * 2
    model.compile(backend="eager")
    step = compiled(lambda x: model(x) * 2, fullgraph=True)
    assert same(step(x3()), expected) and graphs(step) == 1


def test_wrong_options():
    with pytest.raises(TypeError):
        compile(3)
    with pytest.raises(ValueError, match="numerics"):
        compile(double, numerics="sloppy")
    with pytest.raises(Exception, match="no backend is called"):
        compile(double, backend="nobody")


def test_callable_backend():
    seen = []

    def backend(module, inputs):
        seen.append((len(list(module.graph.nodes)), len(inputs)))
        return module.forward

    made = compile(double, backend=backend)
    assert same(made(x3()), x3() * 2) and seen


def test_is_compiling():
    def asks(x):
        return x * 2 if is_compiling() else x * 3

    assert same(compiled(asks)(x3()), x3() * 2) and same(asks(x3()), x3() * 3)


def test_disable():
    calls = []

    @disable(reason="it logs")
    def log(x):
        calls.append(is_compiling())
        return x + 1

    made = compiled(lambda x: log(x * 2) * 3)
    assert same(made(x3()), (x3() * 2 + 1) * 3) and calls == [False]
    assert made.cache.settings.captured[0].ended.suggestion == "it logs"


def test_disabled_module():
    model = nn.Sequential(nn.Linear(3, 3), disable(Net()))
    made = compiled(lambda x: model(x) * 2)
    assert same(made(x3()), model(x3()) * 2)
    with pytest.raises(CaptureError):
        compiled(lambda x: model(x) * 2, fullgraph=True)(x3())


def test_config_disable():
    with config.override(disable=True):
        assert compile(double) is double


def test_reset_and_stats():
    made = compiled(double)
    made(x3())
    assert stats()["graphs"] >= 1 and stats()["guards"] > 0
    reset()
    assert stats()["graphs"] == 0 and stats()["guards"] == 0
    assert same(made(x3()), x3() * 2)
    assert stats()["graphs"] == 1


def test_graph_break_is_nothing_eagerly():
    assert graph_break() is None


# -- dynamic sizes -------------------------------------------------------------------------------------------------------------


def reshaped(x):
    n, m = x.shape
    return (x.reshape(n * m) * n + m).view(m, n).sum(0), x[: n // 2], segue.zeros(n) + 1


def test_twenty_lengths_compile_twice():
    made = compiled(reshaped)
    for n in [*range(2, 22), 1, 30]:
        x = segue.randn(n, 4)
        assert same(made(x), reshaped(x)), n
    assert graphs(made) <= 3  # static, symbolic, and perhaps one for the size 1


def test_dynamic_true_compiles_once():
    made = compiled(lambda x: (x * x.shape[0]).sum(), dynamic=True)
    for n in (5, 6, 7):
        assert same(made(segue.ones(n)), segue.ones(n).sum() * n)
    assert graphs(made) == 1


def test_dynamic_false_compiles_each():
    made = compiled(lambda x: x * 2, dynamic=False)
    for n in (5, 6, 7):
        made(segue.ones(n))
    assert graphs(made) == 3


def test_named_shapes():
    def add(x, y):
        return x + y

    made = compiled(add, shapes={"x": ("B", 3), "y": ("B", 3)})
    for n in (5, 6, 7):
        assert same(made(segue.ones(n, 3), segue.ones(n, 3)), segue.ones(n, 3) * 2)
    assert graphs(made) == 1


def test_branches_on_sizes_make_guards():
    def branch(x):
        return x * 2 if x.shape[0] > 5 else x - 1

    made = compiled(branch)
    for n in (3, 4, 5, 6, 9, 2, 12):
        assert same(made(segue.ones(n)), branch(segue.ones(n)))
    assert graphs(made) <= 3


def test_batch_module():
    model = Net()
    made = compiled(lambda x: model(x))
    for n in (4, 5, 9, 1, 2):
        x = segue.randn(n, 3)
        assert same(made(x), model(x))
    assert graphs(made) <= 3


def test_ints_become_symbolic():
    def scaled(x, k):
        return x * k + k // 2

    made = compiled(scaled)
    for k in (3, 4, 5, 100):
        assert same(made(x3(), k), scaled(x3(), k))
    assert graphs(made) == 2


def test_loops_over_a_varying_count():
    def repeated(x, k):
        for _ in range(k):
            x = x * 2
        return x

    made = compiled(repeated)
    for k in (1, 2, 3, 2, 1, 3):
        assert same(made(x3(), k), repeated(x3(), k))


def test_limit():
    def chosen(x, name):
        return getattr(x, name)()

    with config.override(recompile_limit=3):
        made = compiled(chosen)
    names = ["relu", "exp", "abs", "neg", "sin", "cos"]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for name in names:
            assert same(made(x3(), name), chosen(x3(), name))
    (told,) = [w for w in seen if "runs eagerly from now on" in str(w.message)]
    assert told.filename == __file__ and graphs(made) == 3  # the line of the call


def test_recursion_and_reentrancy():
    def power(x, n):
        return x if n == 0 else power(x, n - 1) * x

    made = compiled(power)
    assert same(made(x3(), 4), power(x3(), 4))

    def outer(x, f):
        return f(x) + 1

    both = compiled(outer)
    assert same(both(x3(), lambda y: y * 2), x3() * 2 + 1)


def test_errors_are_the_eager_ones():
    def wrong(x):
        y = x * 2
        return y + segue.ones(5)

    with pytest.raises(Exception) as eager:
        wrong(x3())
    with pytest.raises(type(eager.value)) as found:
        compiled(wrong)(x3())
    assert str(found.value).splitlines()[0] == str(eager.value).splitlines()[0]


def test_a_shape_changed_in_place_is_changed_outside_too():
    x = segue.ones(2, 3)
    compile(lambda x: x.t_() * 2, backend="eager")(x)
    assert tuple(x.shape) == (3, 2)


def test_a_view_of_a_written_input_keeps_its_gradient():
    def f(x):
        part = x.transpose(1, 0)
        part[::2] *= 0.5
        return part

    assert compile(f, backend="eager")(segue.ones(2, 2, requires_grad=True) * 1.0).requires_grad


def test_what_only_unused_results_depend_on_gets_no_gradient():
    x, y = (segue.ones(2, requires_grad=True) for _ in "xy")
    first, _ = compile(lambda x, y: (x * 2, y * 3), backend="eager")(x, y)
    first.sum().backward()
    assert x.grad.tolist() == [2, 2] and y.grad is None


def test_an_input_may_be_written_when_the_derivative_needs_the_result_only():
    leaf = segue.ones(2, requires_grad=True)
    x = leaf * 1.0
    result = compile(segue.sigmoid, backend="eager")(x)
    x.mul_(0.5)
    result.sum().backward()
    assert leaf.grad is not None


def test_a_view_that_only_the_layout_of_a_written_input_allows():
    """The graph reads a dense copy of the input, which cannot be viewed like this."""

    def f(x):
        flat = x.t().view(-1) * 3
        with segue.no_grad():
            x.mul_(2)
        return flat

    found, expected = (segue.arange(12.0, requires_grad=True) for _ in range(2))
    with config.override(verify=True):
        result = compile(f, backend="eager")(found.view(3, 4).t())
    assert result.tolist() == f(expected.view(3, 4).t()).tolist()
    result.sum().backward()
    assert found.grad.tolist() == [3.0] * 12


def test_a_derivative_of_zero_is_not_none_beside_a_write():
    """No tangent enters the derivative of floor; that none comes to the written input does not take the zeros away."""

    def f(x):
        x *= 0.5
        return x.floor()

    leaf = segue.ones(3, requires_grad=True)
    compile(f, backend="eager")(leaf * 1.0).sum().backward()
    assert leaf.grad.tolist() == [0.0] * 3


def test_a_result_may_be_written_when_eager_mode_keeps_only_a_mask_of_it():
    """The backward may compute the mask again, but from a copy."""

    def f(x):
        y = x * 1
        return y, segue.nn.functional.relu6(y)

    leaf = segue.ones(2, requires_grad=True)
    written, result = compile(f, backend="eager")(leaf)
    written.sub_(3)
    result.sum().backward()
    assert leaf.grad.tolist() == [1.0, 1.0]


def test_a_graph_that_raises_within_no_grad_leaves_the_mode_as_it_was():
    def f(x, place):
        with segue.no_grad():
            graph_break()
            part = x[place]
        return x + part

    run = compile(f, backend="eager")
    x = segue.ones(3, requires_grad=True)
    for place in (1, 5, 2, 7):
        index = segue.tensor([place])
        if place < 3:
            assert run(x, index).requires_grad
        else:
            with pytest.raises(IndexError):
                run(x, index)
        assert segue.is_grad_enabled()
    with segue.no_grad():
        with pytest.raises(IndexError):
            run(x, segue.tensor([9]))
        assert not segue.is_grad_enabled()


def _scaled(x):
    x.mul_(2)
    return x**3


def _under_no_grad(x):
    with segue.no_grad():
        x[0] = 2.0
    return x**3


def _masked(x):
    x[x > 1] = x.sum() * 0
    return x.tanh()


@pytest.mark.parametrize("f, inner", [(_scaled, True), (_masked, True), (_under_no_grad, True), (_under_no_grad, False)])
def test_a_second_derivative_goes_through_an_input_that_was_written(f, inner):
    """The first derivative reads what the input was; the second goes on from there to where that came from."""

    def second(f):
        leaf = segue.tensor([0.5, -1.0, 1.5], requires_grad=True)
        (g,) = segue.autograd.grad(f(leaf * 1.0 if inner else leaf).sum(), leaf, create_graph=True)
        (g * segue.tensor([1.0, 2.0, 3.0])).sum().backward()
        return leaf.grad

    assert segue.allclose(second(compile(f, backend="eager")), second(f)), f


def test_constants_returned_side_by_side_stay_apart():
    def f(x):
        made = [segue.tensor([float(i)]) for i in range(4)]
        graph_break()
        return made[0] + 0, segue.tensor(1), segue.tensor([2.5]), segue.tensor([[3.5]])

    for _ in range(3):
        assert [t.tolist() for t in compile(f, backend="eager")(x3())] == [[0], 1, [2.5], [[3.5]]]


REFUSES_SMALL = {  # what raises for sizes that are too small, and the smallest that is large enough
    "convolution": (lambda x: nn.functional.conv1d(x[None], segue.ones(1, 1, 3)), 3),
    "avg_pool": (lambda x: nn.functional.avg_pool1d(x[None], 3), 3),
    "max_pool": (lambda x: nn.functional.max_pool1d(x[None], 3, stride=1), 3),
    "select": (lambda x: x[:, 2], 3),
    "amax": (lambda x: x.amax(1), 1),
    "adaptive_avg_pool": (lambda x: nn.functional.adaptive_avg_pool1d(x[None], 2), 1),
    "interpolate": (lambda x: nn.functional.interpolate(x[None], size=2), 1),
}


@pytest.mark.parametrize("name", REFUSES_SMALL)
def test_a_size_that_an_operator_refuses_is_refused_when_compiled_for_any_size(name):
    function, least = REFUSES_SMALL[name]
    made = compiled(function, dynamic=True)
    for n in (7, 8, 5, least, 9):
        x = segue.arange(float(n)).reshape(1, n)
        assert same(made(x), function(x)), n
    with pytest.raises((RuntimeError, IndexError)):
        made(segue.ones(1, least - 1))


def test_an_operator_compiled_by_itself_is_one_operation():
    """Its code is that of a table, which all others made there share: captured, they would be captured too wherever compiled code calls them."""
    for function, args in ((segue.sigmoid, (segue.ones(2),)), (segue.nn.functional.gelu, (segue.ones(2),)), (segue.add, (segue.ones(2), segue.ones(2)))):
        made = compiled(function, fullgraph=True)
        assert same(made(*args), function(*args)) and made.__name__ == function.__name__ and graphs(made) == 1
    assert hook.is_skipped(segue.sigmoid)


def test_pytorchs_ways_of_tuning_are_accepted():
    assert compile(lambda x: x + 1, backend="eager", mode="reduce-overhead", options={"triton.cudagraphs": True})(segue.ones(1)).item() == 2
    assert compile(disable=True)(same) is same
    with pytest.raises(ValueError, match="mode='fastest' is not supported"):
        compile(same, mode="fastest")


def test_a_reversed_tensor_is_a_tensor():
    def program(x):
        return reversed(x), [row * 2 for row in reversed(x)]

    assert same(compile(program, backend="eager", fullgraph=True)(segue.arange(3)), program(segue.arange(3)))
    assert reversed(segue.arange(3)).tolist() == [2, 1, 0]
