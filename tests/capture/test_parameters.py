"""Parameters and modules made inside of captured code: real ones, on the tape where eager mode has them, in one graph."""

from __future__ import annotations

import pytest
from interp_support import check, compiled, same

import segue
from segue import nn
from segue.eager.stats import stats


def whole(x):
    return nn.Parameter(segue.ones(3) * 2), x


def used(x):
    scale = nn.Parameter(segue.full((3,), 0.5))
    return scale, (scale * x).sum()


def frozen(x):
    memory = segue.ones(3)
    made = nn.Parameter(memory, requires_grad=False)
    memory.add_(1)
    with segue.no_grad():
        made.mul_(3)
    return made, memory, made + x


def trained_by_hand(x):
    weight = nn.Parameter(x.detach().clone())
    for _ in range(2):
        loss = (weight * x).sum()
        loss.backward()
        with segue.no_grad():
            weight -= 0.1 * weight.grad
    return weight, loss


def a_layer(x):
    layer = nn.Linear(3, 2)
    return layer(x), layer.weight, layer.bias


def a_model(x):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    net(x).sum().backward()
    return [(name, weight, weight.grad) for name, weight in net.named_parameters()]


class Grown(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.scale = nn.Parameter(segue.rand(size))
        self.register_buffer("seen", segue.zeros(1))

    def forward(self, x):
        self.seen += 1
        return x * self.scale


def a_module_of_the_user(x):
    made = Grown(3)
    made.weights = nn.ParameterList([segue.ones(1), nn.Parameter(segue.zeros(2))])
    return made(x), made.scale, made.seen, len(made.weights), made.weights[1], sorted(made.state_dict())


@pytest.mark.parametrize("program", [whole, used, frozen, trained_by_hand, a_layer, a_model, a_module_of_the_user], ids=lambda program: program.__name__)
def test_one_graph(program):
    x = segue.tensor([1.0, -2.0, 3.0], requires_grad=True)
    made, found = compiled(program, fullgraph=True), []
    for function in (program, made, program, made):
        segue.manual_seed(3)
        found.append(function(x))
    assert same(found[1], found[0]) and same(found[3], found[2])
    assert [type(item) for item in found[1] if isinstance(item, segue.Tensor)] == [type(item) for item in found[0] if isinstance(item, segue.Tensor)]


@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_its_gradient_is_found_behind_the_graph(backend):
    x = segue.tensor([1.0, -2.0, 3.0], requires_grad=True)
    made = compiled(used, fullgraph=True, backend=backend)
    for _ in range(2):
        x.grad = None
        scale, loss = made(x)
        assert type(scale) is nn.Parameter and scale.is_leaf and scale.requires_grad and scale.grad is None
        loss.backward()
        assert scale.grad.tolist() == [1.0, -2.0, 3.0] and x.grad.tolist() == [0.5, 0.5, 0.5]
    assert made(x)[0] is not scale


def test_a_break_behind_it():
    def program(x):
        scale = nn.Parameter(x * 2)
        y = scale * x
        print(end="")
        return scale, (y * scale).sum()

    found = []
    for function in (program, compiled(program)):
        scale, loss = function(segue.tensor([1.0, 2.0]))
        loss.backward()
        found.append((scale, scale.grad))
    assert same(*found)


def test_memory_is_shared_as_eagerly():
    made, memory, _ = compiled(frozen, fullgraph=True)(segue.ones(3))
    memory.zero_()
    assert made.tolist() == [0.0, 0.0, 0.0] and type(memory) is segue.Tensor


def test_a_module_that_is_returned_is_whole():
    def program(x):
        net = Grown(3)
        return net, net(x)

    made = compiled(program, fullgraph=True)
    net, y = made(segue.ones(3))
    assert isinstance(net, Grown) and list(dict(net.named_parameters())) == ["scale"] and net.seen.item() == 1.0
    assert same(net(segue.ones(3)), y) and net.seen.item() == 2.0


def test_a_layer_is_made_anew_for_each_size():
    def program(x):
        return nn.Linear(x.shape[-1], 2)(x)

    check(lambda x: nn.Parameter(x.new_zeros(x.shape)) + x, segue.ones(2, 3), graphs=1)
    made, before = compiled(program, dynamic=False), stats.read()
    for size in (3, 3, 4):
        segue.manual_seed(1)
        expected = program(segue.ones(size))
        segue.manual_seed(1)
        assert same(made(segue.ones(size)), expected)
    assert stats.since(before)["graphs"] == 2


def test_what_shares_memory_with_something_known_ends_the_graph():
    def of_input(x):
        return nn.Parameter(x), x * 2

    def of_view(x):
        base = segue.zeros(4)
        view = base[:2]
        made = nn.Parameter(view)
        base += 1
        return made, base

    x = segue.ones(3)
    made, _ = compiled(of_input)(x)
    x.zero_()
    assert made.tolist() == [0.0, 0.0, 0.0]
    made, base = compiled(of_view)(x)
    base.zero_()
    assert made.tolist() == [0.0, 0.0]
    with pytest.raises(TypeError, match="made from a Tensor"):
        compiled(lambda x: nn.Parameter([1.0, 2.0]))(x)
    with pytest.raises(RuntimeError, match="cannot require a gradient"):
        compiled(lambda x: nn.Parameter(segue.ones(2, dtype=segue.int64)))(x)


def of_an_input(x):
    made, part, across = nn.Parameter(x), nn.Parameter(x.detach()[1:]), nn.Parameter(x.view(3, 1).t(), requires_grad=False)
    again = nn.Parameter(part)
    loss = (made * x).sum() + (part * 3).sum() + (across * 2).sum() + again.sum()
    loss.backward()
    return loss, made, part, across, again, made.grad, part.grad, across.grad, again.grad, across.stride(), [one.is_leaf for one in (made, part, across)]


@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_a_parameter_of_an_input_is_in_its_memory(backend):
    made = compiled(of_an_input, fullgraph=True, backend=backend)
    for _ in range(2):
        eager, ours = segue.tensor([1.0, -2.0, 3.0]), segue.tensor([1.0, -2.0, 3.0])
        expected, found = of_an_input(eager), made(ours)
        assert same(expected, found)
        for x, values in ((eager, expected), (ours, found)):
            x.mul_(2)
            with segue.no_grad():
                values[2].add_(5)
            assert x.tolist() == [2.0, 1.0, 11.0] == values[1].tolist() == values[3][0].tolist() and values[4].tolist() == [1.0, 11.0]


def test_a_weight_that_is_cut_or_tied():
    def cut(model, x):
        model.weight = nn.Parameter(model.weight.data[:, :2])
        return model(x)

    def tied(models, x):
        models[1].weight = nn.Parameter(models[0].weight)
        y = models[1](models[0](x))
        y.sum().backward()
        return y

    x, before = segue.ones(2, 2), stats.read()
    for program, make, parts in ((cut, lambda: nn.Linear(3, 2), lambda model: [model]), (tied, lambda: [nn.Linear(2, 2), nn.Linear(2, 2)], list)):
        found, run = [], compiled(program, fullgraph=True)
        for function in (program, run):
            segue.manual_seed(0)
            model = make()
            found.append([function(model, x).detach(), *[part.weight for part in parts(model)], *[part.weight.grad for part in parts(model)]])
            assert all(isinstance(part.weight, nn.Parameter) and part.weight.is_leaf for part in parts(model))
        assert same(*found)
    assert stats.since(before)["graphs"] == 2


def test_a_parameter_of_an_input_that_is_written_or_varies():
    def behind_a_write(x):
        x.add_(1)
        return nn.Parameter(x) * 2

    def before_a_write(x):
        made = nn.Parameter(x[1:])
        x.add_(1)
        return made * 2

    for program in (behind_a_write, before_a_write, lambda x: nn.Parameter(x[1:]) + 1):
        made = compiled(program)
        for size in (3, 4, 5, 4):
            eager, ours = segue.arange(float(size)), segue.arange(float(size))
            assert same(made(ours), program(eager)) and same(eager, ours)
