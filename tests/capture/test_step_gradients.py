"""What becomes of the gradients of the step before: their memory, and who may still look at them."""

import pytest

import segue
from segue import nn
from segue.eager.stats import stats
from segue.inductor import runtime


def test_a_step_lets_go_of_the_old_gradients_before_it_makes_new_ones():
    """One weight's gradient is all that is large: the peak is what one step leaves, not two of them and a copy."""
    model = nn.Linear(256, 256)
    optimizer = segue.optim.SGD(model.parameters(), 0.1)
    weight_bytes = 256 * 256 * 4

    @segue.compile(fullgraph=True)
    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    step(segue.randn(2, 256))
    kept = model.weight.grad
    values = kept.clone()
    for held in (1, 2):  # gradients that live when the step begins
        lived = runtime.pool_state()["live_bytes"]
        runtime.forget_peak()
        step(segue.randn(2, 256))
        assert runtime.pool_state()["peak_bytes"] - lived < (weight_bytes if held == 1 else 0) + weight_bytes / 8
    assert kept is not model.weight.grad and segue.equal(kept, values), "who kept the old gradient has it as it was"


@pytest.mark.parametrize("checked", ["before", "after"])
def test_a_step_that_raises_leaves_the_gradients_as_eager_does(checked):
    """`zero_grad()` behind what may raise is behind it for the gradients, too."""
    def run(compiled):
        segue.manual_seed(0)
        model = nn.Embedding(5, 3)
        optimizer = segue.optim.SGD(model.parameters(), 0.1)

        def step(x):
            if checked == "after":
                optimizer.zero_grad()
            loss = model(x).sum()
            if checked == "before":
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        step = segue.compile(step, backend="eager", fullgraph=True) if compiled else step
        step(segue.tensor([1, 2]))
        before = model.weight.grad
        with pytest.raises(IndexError):
            step(segue.tensor([1, 7]))
        return model.weight.grad is before, model.weight.grad, model.weight.detach()

    reruns = stats.read()["reruns"]
    (same, grad, weight), (same_, grad_, weight_) = run(False), run(True)
    assert stats.read()["reruns"] == reruns + 1
    assert same == same_ == (checked == "before") and (grad is None) == (grad_ is None) and segue.equal(weight, weight_)


def test_gradients_are_asked_by_an_iterator_of_parameters():
    """`model.parameters()` is used up by what takes it, as eagerly."""
    model = nn.Linear(3, 2)

    def program(x):
        parameters = model.parameters()
        found = segue.autograd.grad(model(x).square().sum(), parameters, create_graph=True)
        return sum(slope.square().sum() for slope in found), list(parameters)

    x = segue.ones(4, 3)
    total, rest = segue.compile(program, fullgraph=True, backend="eager")(x)
    expected, _ = program(x)
    assert rest == [] and total.item() == expected.item()


def _penalty(program, overwrite):
    """The first and second derivatives by a leaf, whose product was overwritten between the call and its backward."""
    leaf = segue.tensor([[0.3, -0.7], [1.1, 0.4]], dtype=segue.float64, requires_grad=True)
    x = leaf * 2
    result = program(x)
    overwrite(x)
    (first,) = segue.autograd.grad(result.square().sum(), leaf, create_graph=True)
    (second,) = segue.autograd.grad(first.square().sum(), leaf, create_graph=True)
    (third,) = segue.autograd.grad(second.sum(), leaf)
    return first, second, third


@pytest.mark.parametrize("program", [segue.sigmoid, segue.exp, lambda x: (x.exp() + 1).sqrt(), lambda x: (x * 3).sin(), lambda x: x.tanh() @ x.exp()])
def test_an_input_that_eager_does_not_save_may_be_overwritten_before_a_second_derivative(program):
    compiled = segue.compile(program, fullgraph=True, backend="eager")
    for found, wanted in zip(_penalty(compiled, lambda x: x.add_(1)), _penalty(program, lambda x: x.add_(1))):
        segue.testing.assert_close(found, wanted)


def test_an_input_that_every_way_reads_may_not_be_overwritten_before_a_second_derivative():
    compiled = segue.compile(lambda x: x.square() * x, fullgraph=True, backend="eager")
    for program in (compiled, lambda x: x.square() * x):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            _penalty(program, lambda x: x.add_(1))


def test_gradients_detached_and_zeroed_by_hand_are_one_graph():
    """As `zero_grad()` was written once."""
    found = []
    for compiled in (False, True):
        segue.manual_seed(0)
        made = nn.Linear(3, 2)

        def step(x, made=made):
            for p in made.parameters():
                if p.grad is not None:
                    p.grad.detach_()
                    p.grad.zero_()
            made(x).sum().backward()
            for p in made.parameters():
                p.data.add_(p.grad, alpha=-0.1)

        run = segue.compile(step, backend="eager", fullgraph=True) if compiled else step
        for _ in range(3):
            run(segue.ones(2, 3))
        found.append([p.grad for p in made.parameters()])
    for a, b in zip(*found, strict=True):
        segue.testing.assert_close(b, a)


def through(x, w, given):
    given((x * w).sum(), [w])


@pytest.mark.parametrize(
    "asked", [lambda loss, inputs: segue.autograd.backward(loss, inputs=inputs), lambda loss, inputs: setattr(inputs[0], "grad", segue.autograd.grad(loss, inputs)[0])]
)
def test_a_gradient_by_a_leaf_finds_the_ways_that_go_outside_of_the_graph(asked):
    """What an input was computed from is not part of the graph, and the leaf may lie behind it."""
    found = []
    for function in (through, segue.compile(through, backend="eager")):
        w = segue.tensor([1.0, 2.0], requires_grad=True)
        function(w * 3, w, asked)
        found.append(w.grad.tolist())
    assert found == [[6.0, 12.0], [6.0, 12.0]]


def test_a_gradient_by_an_input_with_a_history_is_part_of_the_graph():
    @segue.compile(backend="eager", fullgraph=True)
    def force(x):
        return segue.autograd.grad((x**3).sum(), [x])[0]

    assert force(segue.tensor([1.0, 2.0], requires_grad=True) * 1).tolist() == [3.0, 12.0]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_view_of_a_leaf_is_not_written(compiled):
    def write(v):
        v[0] = 5.0

    w = segue.ones(2, 3, requires_grad=True)
    write = segue.compile(write, backend="eager") if compiled else write
    write((w * 1).view(3, 2))
    with pytest.raises(RuntimeError, match="view of a leaf"):
        write(w.view(3, 2))
    assert w.tolist() == [[1.0] * 3] * 2


def hooked_late(x, kept):
    h = x * 2
    y = h.sin()
    h.register_hook(lambda g: kept.append(g.tolist()))
    return y


def hooked_inside(x, kept):
    return hooked_late(x * 1, kept) * 3


def retained_late(x, kept):
    h = x * 2
    y = h.sin()
    kept.append(h)
    h.retain_grad()
    return y


@pytest.mark.parametrize("function", [hooked_late, hooked_inside, retained_late])
def test_a_hook_on_what_others_were_computed_from_sees_their_gradient(function):
    """The graph ends before anything is computed from what is hooked."""
    found = []
    for called in (function, segue.compile(function, backend="eager")):
        kept = []
        x = segue.tensor([0.5, 1.0], requires_grad=True)
        called(x, kept).sum().backward()
        found.append([x.grad.tolist(), [k if isinstance(k, list) else k.grad.tolist() for k in kept]])
    assert found[0] == found[1] and len(found[0][1]) == 1


def test_a_gradient_that_arrives_at_one_result_alone_has_the_strides_of_the_sum():
    """Two results shared a sum; where no gradient came to one of them, the sum was its other part, transposed, and a view of it failed in the graph interpreter."""
    layer = nn.Linear(8, 8)

    def program(x):
        key = layer(x)
        return nn.functional.scaled_dot_product_attention(x, key, x), key

    found = []
    for run in (program, segue.compile(program, backend="eager")):
        x = segue.linspace(-1, 1, 80).reshape(2, 5, 8).requires_grad_()
        found.append(segue.autograd.grad(run(x)[0].square().sum(), [x, layer.weight]))
    segue.testing.assert_close(*found)


@pytest.mark.parametrize("program", [
    lambda x: (x[:, None] - x).square().sum(-1).amax(1), lambda x: ((x[:, None] - x).square().sum(-1) * 2).masked_fill(segue.eye(len(x), dtype=segue.bool), 1e9).amin(1),
    lambda x: (lambda d: (d * (d == d.amax(1, keepdim=True))).sum(1))((x[:, None] - x).square().sum(-1)),
])  # fmt: skip
def test_the_gradient_of_a_maximum_over_sums(program):
    """The backward summed again, in another order, and found the maximum nowhere among the sums: NaN."""
    compiled = segue.compile(program)
    for n in (5, 8, 6, 9):
        x, y = (segue.linspace(-1, 1.37, n * 8).reshape(n, 8).square().mul(9).sin().requires_grad_() for _ in range(2))
        segue.testing.assert_close(*(segue.autograd.grad(run(z).square().sum(), z) for run, z in ((compiled, x), (program, y))), rtol=1e-4, atol=1e-4)


def layers(x):
    a = x * 2
    b = a.sin()
    return b * a, b, a


def test_results_computed_from_one_another_are_told_apart_when_they_are_looked_at():
    """Gradients by results, kept ones and hooks, of first and second order: the graph has no step between its results, so it is run again on the tape."""
    def look(function):
        found = []
        for watch in (lambda r, kept: None, lambda r, kept: [t.retain_grad() for t in r], lambda r, kept: [t.register_hook(lambda g: [kept.append(g), g * 2][1]) for t in r]):
            x = segue.tensor([0.5, 1.0], requires_grad=True)
            results, kept = function(x), []
            watch(results, kept)
            (results[0].sum() + results[2].square().sum()).backward()
            found += [x.grad, *kept, *(t.grad for t in results if t._retains)]
        x = segue.tensor([0.5, 1.0], requires_grad=True)
        c, b, a = function(x)
        first = segue.autograd.grad(c.sum(), [b, a], create_graph=True)
        found += [*first, *segue.autograd.grad(sum(g.square().sum() for g in first), x)]
        return [g.tolist() for g in found]

    expected, got = look(layers), look(segue.compile(layers, backend="eager"))
    assert len(got) == len(expected)
    for one, other in zip(got, expected):
        assert one == pytest.approx(other, rel=1e-5)


def test_a_hook_on_a_result_from_which_nothing_was_computed_runs_nothing_again():
    x = segue.ones(2, requires_grad=True)
    seen = []
    c, _, _ = segue.compile(layers, backend="eager")(x)
    c.register_hook(lambda g: seen.append(type(c.grad_fn).__name__))
    call = c.grad_fn
    call.apart = None  # what would run the graph again
    c.sum().backward()
    assert seen == ["CallNode"] and x.grad is not None


def detaches_on_the_way(x, w):
    for step in range(4):
        x = (x * w).sin() + w
        if step == 2:
            x.detach_()
    return x * w


@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_detach_in_place_ends_the_history_in_the_graph(backend):
    found = []
    for function in (detaches_on_the_way, segue.compile(detaches_on_the_way, backend=backend, fullgraph=True)):
        w = segue.tensor([0.5, 1.0], requires_grad=True)
        function(segue.tensor([1.0, 2.0]), w).sum().backward()
        found.append(w.grad)
    assert segue.allclose(*found)


@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_an_index_is_checked_though_what_it_names_is_overwritten(backend):
    """The gathered values are but the history of what stands there."""
    def f(x):
        v = x[segue.tensor([2, 0])]
        v.fill_(1.0)
        return v, x * 2

    with pytest.raises(IndexError):
        segue.compile(f, backend=backend)(segue.ones(1, 2, requires_grad=True))

@pytest.mark.parametrize("program", [
    lambda v, x, y: (x.copy_(v), v), lambda v, x, y: (v, x.copy_(v)), lambda v, x, y: (x.copy_(v), y.copy_(v)), lambda v, x, y: (y.copy_(x.copy_(v)), x, v),
    lambda v, x, y: (v, x.zero_().clone().copy_(v)), lambda v, x, y: (v, x.zero_().clone().__setitem__(..., v) or x * 1),
    lambda v, x, y: (v.clone(), v.sin()), lambda v, x, y: (v.clone(), v.clone(), v.clone().cos()), lambda v, x, y: ((v * 2).clone(), (v * 2).sin()),
])  # fmt: skip
def test_a_copy_has_a_gradient_of_its_own(program):
    """What `copy_` fills stands behind what it copies, one after the other or side by side, as an input or as a result."""

    def f(w, x, y):
        return program(w * 2, x, y)

    found = []
    for run in (f, segue.compile(f, backend="eager"), segue.compile(f)):
        w = segue.ones(3, requires_grad=True)
        results = run(w, segue.zeros(3), segue.zeros(3))
        asked = [r for r in results if r.requires_grad]
        found.append(segue.autograd.grad(sum((r * (i + 3)).sum() for i, r in enumerate(asked)), [*asked, w]))
    segue.testing.assert_close(found[1], found[0])
    segue.testing.assert_close(found[2], found[0])
