"""`x.data = y` in captured code: from there on the tensor stands on other memory, in one graph, as eagerly.

In come steps that put data in place of a parameter's; each runs eagerly and compiled on equal models. The one idea: what shares memory afterwards is asked, too.
"""

import pytest
from interp_support import compiled, same

import segue
from segue import nn, optim
from segue.eager.pytree import tree_leaves
from segue.eager.stats import stats

X = segue.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])


def plain_descent(a, b):
    def step(x):
        a.zero_grad()
        loss = a(x).square().sum()
        loss.backward()
        for p in a.parameters():
            p.grad.data = p.grad.data.clamp(-1, 1)
            p.data = p.data - 0.1 * p.grad
        return loss

    return step


def swapped(a, b):
    optimizer = optim.SGD([*a.parameters(), *b.parameters()], 0.1, momentum=0.9)

    def step(x):
        for p, q in zip(a.parameters(), b.parameters()):
            kept = p.data
            p.data = q.data
            q.data = kept
        optimizer.zero_grad()
        loss = (a(x) * b(x).sin()).sum()
        loss.backward()
        optimizer.step()
        return loss

    return step


def shared_with_a_result(a, b):
    def step(x):
        with segue.no_grad():
            old = a.weight.detach().view(-1)
            y = a.weight * 2
            a.weight.data = y
            y.add_(1)
            a.weight.mul_(0.5)
            old.zero_()
        return y

    return step


def between_forward_and_backward(a, b):
    def step(x):
        a.zero_grad()
        loss = a(x).square().sum()
        a.weight.data = a.weight.data * 0.9
        loss.backward()
        return loss

    return step


def made_in_the_graph(a, b):
    def step(x):
        y, z = segue.zeros(2, 3), x * 2
        y.data = z
        z.add_(1)
        return y, z

    return step


def outlives(a, b):
    """The loss leaves with its history: the graph ends before the data is set, and the gradients are those of the new data."""
    def step(x):
        a.zero_grad()
        a.weight.data = a.weight.data * 0.9
        return a(x).square().sum()

    return step


STEPS = dict.fromkeys((plain_descent, swapped, shared_with_a_result, between_forward_and_backward, made_in_the_graph), 1) | {outlives: 2}


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_data_is_put_in_place(make):
    seen = []
    for way in (lambda step: step, compiled):
        segue.manual_seed(0)
        models = [nn.Linear(3, 3), nn.Linear(3, 3)]
        step, before = way(make(*models)), stats.read()
        for _ in range(3):
            result = step(X)
            if isinstance(result, segue.Tensor) and result.requires_grad and make is outlives:
                result.backward()
        if make is shared_with_a_result:
            result.zero_()
            assert not models[0].weight.any(), "the parameter stands on the result's memory"
        if make is made_in_the_graph:
            assert result[0].data_ptr() == result[1].data_ptr()
        state = [[p.detach(), None if p.grad is None else p.grad] for model in models for p in model.parameters()]
        seen.append((result, state, [*dict(models[0].named_parameters())]))
    assert stats.since(before)["graphs"] == STEPS[make]
    assert same(*seen)


def test_gradients_of_parameters_given_as_an_iterator():
    model = nn.Linear(3, 1)
    found = segue.autograd.grad(model(X).sum(), model.parameters())
    assert segue.equal(found[0], X.sum(0, keepdim=True)) and found[1].item() == 2


@pytest.mark.parametrize("program", [lambda x: x._version, lambda x: x._base is None, lambda x: x.retains_grad, lambda x: (x[0]._base is x, x[0]._version)])
def test_what_tells_of_memory_outside_is_asked_of_the_tensor_itself(program):
    found = []
    for asked in (program, segue.compile(program, backend="eager")):
        whole = X.clone().requires_grad_() * 1
        whole.add_(1)
        x = whole[1:]
        x.retain_grad()
        found.append(asked(x))
    assert found[0] == found[1]


def viewed(x):
    made = segue.tensor([[1.0, 2.0], [3.0, 4.0]])
    row, total = made[0], made.sum()
    row += x
    made[1, 1] = x[0]
    return made, row, total


def counted(x):
    sums, count, left = [segue.tensor(0.0), segue.zeros(2)], segue.tensor(0), segue.tensor([3, 5]).tolist()
    if segue.tensor(left).sum() > 7 and not bool(count) and segue.equal(count, segue.tensor(0)):
        left[0] -= int(segue.tensor(1.5))
    for i in range(left[0]):
        sums[0] += x.sum()
        sums[1][i % 2] = x[1] * i
        count += 1
    return sums, count, segue.tensor([left[1], 2]), segue.Size(x.shape).numel()


@pytest.mark.parametrize("program", [viewed, counted])
@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_a_tensor_of_plain_data_is_written_in_the_graph(program, backend):
    made = segue.compile(program, fullgraph=True, backend=backend)
    for x in (segue.ones(2), segue.tensor([2.0, 3.0])):
        assert same(made(x), program(x)) and same(made(x), program(x))  # each call makes its own
    x = segue.ones(2, requires_grad=True)
    gradients = []
    for run in (made, program):
        total = sum(y.sum() for y in tree_leaves(run(x)) if isinstance(y, segue.Tensor) and y.requires_grad)
        gradients += segue.autograd.grad(total, x)
    assert segue.equal(*gradients)


def by_item(k):
    k.data[0] = 7.0


def by_part(k):
    k.data.view(-1)[1:].mul_(3)


def in_place(k):
    k.data -= 2


@pytest.mark.parametrize("write", [by_item, by_part, in_place])
@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_what_a_graph_writes_through_data_is_not_heard_of_by_an_earlier_one(write, backend):
    """The derivative of the first graph reads what stands in its input then, as eagerly."""

    def product(k, w):
        return (k * w).sum()

    found = []
    for run in (lambda f: f, lambda f: segue.compile(f, fullgraph=True, backend=backend)):
        k, w = segue.ones(3), segue.tensor([1.0, 2.0, 3.0], requires_grad=True)
        loss = run(product)(k, w)
        run(write)(k)
        loss.backward()
        found.append((k.tolist(), w.grad.tolist(), k._version))
    assert found[0] == found[1] and found[0][2] == 0


def test_what_a_graph_writes_also_otherwise_is_heard_of():
    @segue.compile(fullgraph=True)
    def both(k):
        k.data[0] = 7.0
        k.add_(1)

    k, w = segue.ones(3), segue.ones(3, requires_grad=True)
    loss = (k * w).sum()
    both(k)
    assert k._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
