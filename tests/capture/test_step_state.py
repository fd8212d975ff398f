"""What a training step does to the state around it, captured: `requires_grad` switched, state_dicts made and loaded, logs that grow, optimizers in hooks.

In come steps as people write them. The one idea: each runs eagerly and compiled on equal models, and leaves the same losses, parameters and objects, in the graphs that are named.
"""

import collections
import copy

import pytest

import segue
from segue import nn, optim
from segue.utils._pytree import tree_leaves

X = segue.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])


def model():
    segue.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1))


def adversaries():
    """The critic is switched off for the generator's turn; the second step finds it so."""
    made, critic = model(), nn.Linear(1, 1)
    ours, theirs = optim.SGD(made.parameters(), 0.1), optim.SGD(critic.parameters(), 0.1)

    def step(x):
        fake = made(x)
        critic.requires_grad_(True)
        theirs.zero_grad()
        critic(fake.detach()).mean().backward()
        theirs.step()
        for p in critic.parameters():
            p.requires_grad = False
        ours.zero_grad()
        loss = -critic(fake).mean()
        loss.backward()
        ours.step()
        return loss.item()

    return step, [made, critic], 2


def input_gradient():
    made = model()

    def step(x):
        x.requires_grad_()
        (slope,) = segue.autograd.grad(made(x).sum(), x, create_graph=True)
        slope.square().sum().backward()
        x.requires_grad_(False)
        return slope.detach()

    return step, [made], 2  # the gradients of the first step are there in the second


def target_network():
    made, target, log = model(), model(), []

    def step(x):
        loss = (made(x) - target(x).detach()).square().mean() + made(x).mean()
        made.zero_grad()
        loss.backward()
        with segue.no_grad():
            for p in made.parameters():
                p -= 0.1 * p.grad
            slow = target.state_dict()
            for name, value in made.state_dict().items():
                slow[name].copy_(0.5 * slow[name] + 0.5 * value)
        target.load_state_dict(copy.deepcopy(slow))
        log.append(loss.item())
        return loss.detach()

    return step, [made, target], 1


def optimizer_in_the_backward():
    made = model()
    optimizers = {p: optim.SGD([p], lr=0.1, momentum=0.9) for p in made.parameters()}

    def hook(p):
        optimizers[p].step()
        optimizers[p].zero_grad()

    for p in made.parameters():
        p.register_post_accumulate_grad_hook(hook)

    def step(x):
        loss = made(x).square().mean()
        loss.backward()
        return loss.item()

    return step, [made], 1


def seen_by_a_lambda():
    made, seen = model(), {}
    made[0].register_forward_hook(lambda module, args, out: seen.__setitem__("first", out))

    def step(x):
        loss = made(x).mean() + seen["first"].square().mean()
        made.zero_grad()
        loss.backward()
        return loss.detach(), "first" in seen

    return step, [made], 1


@pytest.mark.parametrize("make", [adversaries, input_gradient, target_network, optimizer_in_the_backward, seen_by_a_lambda], ids=lambda make: make.__name__)
def test_the_state_behind_the_step_is_eagers(make):
    found = []
    for compiled in (False, True):
        step, models, graphs = make()
        before = segue.compiler.stats()["graphs"]
        run = segue.compile(step, backend="eager", fullgraph=True) if compiled else step
        results = [run(X.clone()) for _ in range(3)]
        assert not compiled or segue.compiler.stats()["graphs"] - before == graphs
        parameters = [p for m in models for p in m.parameters()]
        flags = [(p.requires_grad, p.grad is None) for p in parameters]
        found.append((flags, results, [p.grad for p in parameters if p.grad is not None], [m.state_dict() for m in models]))
    eager, captured = found
    assert eager[0] == captured[0]
    for a, b in zip(tree_leaves(eager[1:]), tree_leaves(captured[1:]), strict=True):
        segue.testing.assert_close(segue.as_tensor(b), segue.as_tensor(a))


def test_a_switch_whose_history_goes_on_outside_is_not_captured():
    def on(x, w):
        before = x * 2
        x.requires_grad_()
        return before.sum() + (x * w).sum()

    def off(x, w):
        early = (x * w).sum()
        x.requires_grad_(False)
        return early + (x * w).sum()

    for function, start in ((on, False), (off, True)):
        grads = []
        for call in (function, segue.compile(function, backend="eager")):
            x, w = X.clone().requires_grad_(start), X.clone().requires_grad_()
            call(x, w).backward()
            grads.append((None if x.grad is None else x.grad.tolist(), w.grad.tolist(), x.requires_grad))
        assert grads[0] == grads[1]


def test_attributes_of_an_ordered_dict_are_read_written_and_copied():
    def program(given, absent):
        made = collections.OrderedDict(a=1)
        made.version = given.version + 1
        return made, copy.copy(given), copy.deepcopy(made), getattr(absent, "version", "none"), hasattr(made, "version")

    given, absent = collections.OrderedDict(b=2), collections.OrderedDict()
    given.version = 3
    compiled = segue.compile(program, backend="eager", fullgraph=True)
    made, shallow, deep, missing, there = compiled(given, absent)
    assert (made, made.version, shallow.version, deep.version, missing, there) == ({"a": 1}, 4, 3, 4, "none", True)
    absent.version = 7
    assert compiled(given, absent)[3] == 7


def test_a_list_that_is_only_appended_to_may_have_any_length():
    log = []

    def step(x):
        log.append(x.sum().item())
        return x + 1

    compiled = segue.compile(step, backend="eager", fullgraph=True)
    before = segue.compiler.stats()["graphs"]
    for number in range(4):
        compiled(segue.full((2,), float(number)))
    assert log == [0.0, 2.0, 4.0, 6.0] and segue.compiler.stats()["graphs"] - before == 1


def test_parameters_as_keys_are_told_apart_by_identity():
    """Two that are equal as tensors are two keys."""
    table = {segue.nn.Parameter(segue.ones(1)): 2.0, segue.nn.Parameter(segue.ones(1)): 3.0}
    first, second = table
    compiled = segue.compile(lambda p, q: p * table[p] + q * table[q], backend="eager")
    assert compiled(first, second).item() == 5.0 and compiled(second, first).item() == 5.0 and compiled(first, first).item() == 4.0
