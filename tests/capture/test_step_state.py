"""What a training step does to the state around it, captured: `requires_grad` switched, state_dicts made and loaded, logs that grow, optimizers in hooks.

In come steps as people write them. The one idea: each runs eagerly and compiled on equal models, and leaves the same losses, parameters and objects, in the graphs that are named.
"""

import collections
import copy
import functools
import math

import pytest

import segue
from segue import nn, optim
from segue.eager.log import listen
from segue.utils._pytree import tree_leaves
from segue.utils.checkpoint import checkpoint

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


def watched_modules():
    """Backward hooks of modules, a gradient that is kept, an average of the weights."""
    made, average = model(), optim.swa_utils.AveragedModel(model(), multi_avg_fn=optim.swa_utils.get_ema_multi_avg_fn(0.5))
    norms = []
    made[2].register_full_backward_hook(lambda module, inwards, outwards: (inwards[0] * 0.5,))
    made[0].register_full_backward_pre_hook(lambda module, outwards: (outwards[0] * 3,))
    made[0].register_full_backward_hook(lambda module, inwards, outwards: norms.append(outwards[0].norm().item()))

    def step(x):
        made.zero_grad()
        hidden = made[:3](x)
        hidden.retain_grad()
        made[3](hidden).square().mean().backward()
        with segue.no_grad():
            for p in made.parameters():
                p -= 0.1 * p.grad
        average.update_parameters(made)
        return hidden.grad, norms[-1:]

    return step, [made, average], 2  # the list that is read has another length each time: one for the first, one for all others


@pytest.mark.parametrize("make", [watched_modules, adversaries, input_gradient, target_network, optimizer_in_the_backward, seen_by_a_lambda], ids=lambda make: make.__name__)
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


def test_hooks_of_modules_whose_backward_runs_outside():
    grads = []
    for compiled in (False, True):
        made = model()
        made[2].register_full_backward_hook(lambda module, inwards, outwards: (inwards[0] * outwards[0].sum(),))
        run = segue.compile(lambda x, made=made: made(x).square().sum() + 0, backend="eager") if compiled else lambda x, made=made: made(x).square().sum() + 0
        run(X).backward()
        grads.append([p.grad for p in made.parameters()])
    segue.testing.assert_close(grads[1], grads[0])


def warmed_up(optimizer):
    """A schedule by hand: linear, then a cosine."""

    def rate(number):
        if number < 2:
            return 0.1 * (number + 1) / 2
        return 0.05 * (1 + math.cos(math.pi * (number - 2) / 8)) * 0.9**number

    return rate, None


def noam(optimizer):
    return lambda number: min((number + 1) ** -0.5, (number + 1) * 3**-1.5), None


def scheduled(optimizer):
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    def behind():
        schedule.step()
        return schedule.get_last_lr()[0], optimizer.param_groups[0]["lr"]

    return None, behind


def scheduled_twice(optimizer):
    """What was read between two calls is not what stands there behind both: the graph ends there."""
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    def behind():
        schedule.step()
        between = schedule.get_last_lr()[0]
        schedule.step()
        return between, schedule.get_last_lr()[0]

    return None, behind


@pytest.mark.parametrize(("make", "graphs"), [(warmed_up, 4), (noam, 2), (scheduled, 2), (scheduled_twice, None)])
def test_rates_by_hand_and_rates_that_are_read(make, graphs):
    found = []
    for compiled in (False, True):
        made = nn.Linear(3, 1)
        nn.init.zeros_(made.bias), nn.init.ones_(made.weight)
        optimizer = optim.SGD(made.parameters(), 0.1)
        rate, behind = make(optimizer)

        def step(x, number, made=made, optimizer=optimizer, rate=rate, behind=behind):
            if rate is not None:
                for group in optimizer.param_groups:
                    group["lr"] = rate(number)
            optimizer.zero_grad()
            made(x).sigmoid().mean().backward()
            optimizer.step()
            return optimizer.param_groups[0]["lr"] if behind is None else behind()

        before = segue.compiler.stats()["graphs"]
        run = segue.compile(step, backend="eager", fullgraph=graphs is not None) if compiled else step
        found.append(([run(X, number) for number in range(5)], made.weight.detach()))
        assert not compiled or graphs is None or segue.compiler.stats()["graphs"] - before == graphs
    assert tree_leaves(found[1][0]) == pytest.approx(tree_leaves(found[0][0]), rel=1e-14)
    segue.testing.assert_close(found[1][1], found[0][1])


def test_lbfgs_runs_eagerly_around_a_compiled_closure():
    made, data = nn.Linear(3, 1), segue.tensor([[1.0], [-1.0]])
    optimizer = optim.LBFGS(made.parameters(), line_search_fn="strong_wolfe")

    def step(x):
        def closure():
            optimizer.zero_grad()
            loss = (made(x) - data).square().mean()
            loss.backward()
            return loss

        return optimizer.step(closure)

    compiled, before = segue.compile(step, backend="eager"), segue.compiler.stats()
    with listen("breaks") as seen:
        for _ in range(2):
            compiled(X)
    after = segue.compiler.stats()
    assert [after[name] - before[name] for name in ("graphs", "recompiles")] == [1, 0] and (made(X) - data).abs().max() < 1e-3
    assert ["LBFGS.step is disabled" in artefact.text for artefact in seen if ".step ends here" in artefact.text] == [True]


def twice(x):
    loss = (x * x).sum()
    loss.backward()
    loss.backward()


WRONG = {
    "implicitly created only for scalar outputs": lambda x: (x * 2).backward(),
    "does not require grad": lambda x: x.detach().sum().backward(),
    "a second time": twice,
    "the gradient has shape": lambda x: (x * 2).backward(segue.ones(5)),
    "not have been used": lambda x: segue.autograd.grad(x.sum(), segue.ones(1, requires_grad=True)),
    "a leaf Variable that requires grad": lambda x: x.add_(1),
}


@pytest.mark.parametrize("said", WRONG)
def test_an_error_of_the_backward_shows_the_users_line(said):
    for call in (WRONG[said], segue.compile(WRONG[said], backend="eager")):
        with pytest.raises(RuntimeError, match=said) as found:
            call(X.clone().requires_grad_())
        assert __file__ in str(found.value) and "^^" in str(found.value)


def freed_twice(w, x):
    h = (x * w).exp()
    h.sum().backward()
    h.mean().backward()


def freed_part(w, x):
    h = (x * w).exp()
    h.sum().backward()
    return (h * h).sum()


def two_results(w, x):
    h = (x * w).exp()
    return h.sum(), (h * h).sum()


def two_of_their_own(w, x):
    return (x * w).exp().sum(), (x * w).exp().sum()


def nothing_saved(w, x):
    h = x + w
    return h.sum(), h.mean(0).sum()


def overwritten(w, x):
    h = (x * w).exp()
    loss = h.square().sum()
    h.mul_(2)
    return loss


def overwritten_leaf(w, x):
    loss = (x * w).exp().sum()
    with segue.no_grad():
        x.add_(1)
    loss.backward()


@pytest.mark.parametrize("program", [freed_twice, freed_part, two_results, two_of_their_own, nothing_saved, overwritten, overwritten_leaf])
def test_a_backward_fails_where_it_does_eagerly(program):
    outcomes = []
    for call in (program, segue.compile(program, backend="eager")):
        w = segue.ones(3, requires_grad=True)
        try:
            results = call(w, X.clone())
            for result in (results,) if isinstance(results, segue.Tensor) else results or ():
                result.backward()
            outcomes.append(w.grad.tolist())
        except RuntimeError as problem:
            outcomes.append(str(problem).split(":")[0])
    assert outcomes[0] == outcomes[1]


def test_what_a_dict_holds_under_an_object_follows_the_object():
    parameters = [nn.Parameter(segue.full((2,), float(number))) for number in range(3)]
    state, numbers = {p: {"old": p.detach() * 2} for p in parameters}, {id(p): n for n, p in enumerate(parameters)}

    def program(p):
        return state[p]["old"] + numbers[id(p)], id(p) in numbers, p in {parameters[0]}

    compiled = segue.compile(program, backend="eager")
    for p in parameters:
        expected, found = program(p), compiled(p)
        assert found[0].tolist() == expected[0].tolist() and found[1:] == expected[1:]


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("where", ["inside", "outside", "module"])
def test_a_checkpoint_changes_twice_what_it_changes_eagerly(where, reentrant):
    found = []
    for compiled in (False, True):
        made, x = model(), X.clone().requires_grad_()
        segue.manual_seed(1)
        block = nn.Sequential(made[:3], nn.Dropout(0.5))
        if compiled and where == "module":
            block.compile(backend="eager")
        inner = segue.compile(block, backend="eager") if compiled and where == "outside" else block
        run = functools.partial(checkpoint, inner, use_reentrant=reentrant)
        outer = segue.compile(lambda x, run=run: run(x), backend="eager") if compiled and where == "inside" else run
        outer(x).sin().sum().backward()
        found.append([x.grad, *(p.grad for p in block.parameters()), *made.state_dict().values()])
    assert found[0][-1].dtype is found[1][-1].dtype and made[1].num_batches_tracked.item() == 2
    for a, b in zip(*found, strict=True):
        segue.testing.assert_close(b, a)


def test_a_state_that_no_step_has_changed_is_not_in_the_state_dict():
    for make in (lambda p: optim.AdamW(p, 0.1), lambda p: optim.SGD(p, 0.1, momentum=0.9)):
        made, unused = nn.Linear(3, 1), nn.Linear(2, 1)
        optimizer, scaler = make([*made.parameters(), *unused.parameters()]), segue.amp.GradScaler("cpu")

        def step(x, made=made, optimizer=optimizer, scaler=scaler):
            optimizer.zero_grad()
            scaler.scale(made(x).sum()).backward()
            scaler.step(optimizer)
            scaler.update()

        compiled = segue.compile(step, backend="eager", fullgraph=True)
        compiled(X * float("inf"))
        assert optimizer.state_dict()["state"] == {}
        compiled(X)
        assert list(optimizer.state_dict()["state"]) == [0, 1]


@pytest.mark.parametrize("whole", [False, True])
def test_a_checkpointed_child_of_a_compiled_module_saves_the_same_twice(whole):
    """The calls of a module and of its children are one code object; the second run, in the backward, is outside of compiled code."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.seen = nn.Linear(3, 6), nn.Sequential(nn.Linear(6, 4), nn.GELU(), nn.Linear(4, 6)), {}
            self.second[0].register_forward_hook(lambda module, args, out: self.seen.update(out=out))

        def forward(self, x):
            return checkpoint(self.second, self.first(x), use_reentrant=False).sum()

    net, found = Net(), []
    for call in (net, segue.compile(net, backend="eager") if whole else net):
        if call is net and found:
            net.compile(backend="eager")
        net.zero_grad()
        call(X).backward()
        found.append([p.grad.clone() for p in net.parameters()])
    for a, b in zip(*found, strict=True):
        segue.testing.assert_close(b, a)


def test_a_group_that_is_added_in_the_step_takes_part_in_it():
    found = []
    for compiled in (False, True):
        made, head, calls = nn.Linear(3, 3), nn.Linear(3, 2), [0]
        for p in [*made.parameters(), *head.parameters()]:
            nn.init.constant_(p, 0.5)
        optimizer = optim.SGD(made.parameters(), 0.1, momentum=0.9)

        def step(x, made=made, head=head, calls=calls, optimizer=optimizer):
            calls[0] += 1
            if calls[0] == 2:
                optimizer.add_param_group({"params": head.parameters(), "lr": 0.01})
            loss = head(made(x)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

        run = segue.compile(step, backend="eager") if compiled else step
        found.append([*(run(X) for _ in range(3)), made.weight, head.weight])
    for a, b in zip(*found, strict=True):
        segue.testing.assert_close(segue.as_tensor(b), segue.as_tensor(a))


def by_data(net, optimizer, left_out, x):
    net(x).square().sum().backward()
    for p in net.parameters():
        p.data -= 0.1 * p.grad.data
        p.data.mul_(0.9)


def left_out_of_a_set(net, optimizer, left_out, x):
    net(x).square().sum().backward()
    for p in net.parameters():
        if p in left_out:
            p.grad.zero_()
    optimizer.step()


def clipped(net, optimizer, left_out, x):
    net(x).square().sum().backward()
    nn.utils.clip_grad_norm_(net.parameters(), 0.1, error_if_nonfinite=True)
    optimizer.step()


@pytest.mark.parametrize("step", [by_data, left_out_of_a_set, clipped])
def test_steps_as_people_write_them_are_one_graph(step):
    found = []
    for compiled in (False, True):
        net = nn.Linear(3, 2)
        for p in net.parameters():
            nn.init.constant_(p, 0.5)
        optimizer, left_out = optim.SGD(net.parameters(), 0.1, momentum=0.9), {net.bias}
        run = segue.compile(step, backend="eager", fullgraph=True) if compiled else step
        for number in range(4):
            if number == 2:
                left_out.clear()
                left_out.update([net.weight, 3])
            optimizer.zero_grad()
            run(net, optimizer, left_out, X)
        if step is clipped:
            with pytest.raises(RuntimeError, match="the total norm of order 2.0"):
                run(net, optimizer, left_out, X * math.inf)
        found.append([net.weight, net.bias])
    for a, b in zip(*found, strict=True):
        segue.testing.assert_close(b, a)


def hook_of_one_step(made, seen, handles, x):
    handle = made[0].register_forward_hook(lambda module, args, out: seen.append(out.detach().sum()))
    other = made[3].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    loss = made(x).sum()
    handle.remove()
    other.remove()
    return loss


def hook_until_the_next_step(made, seen, handles, x):
    if handles:
        handles.pop().remove()
    loss = made(x).sum()
    handles.append(made[0].register_forward_hook(lambda module, args, out: out * 2))
    return loss + made(x).sum()


@pytest.mark.parametrize("program", [hook_of_one_step, hook_until_the_next_step])
def test_hooks_of_modules_come_and_go_within_a_step(program):
    found = []
    for compiled in (False, True):
        made, seen, handles = model(), [], []

        def step(x, made=made, seen=seen, handles=handles):
            made.zero_grad()
            loss = program(made, seen, handles, x)
            loss.backward()
            return loss.detach()

        run = segue.compile(step, backend="eager", fullgraph=True) if compiled else step
        losses = []
        for turn in range(5):
            losses.append(run(X))
            if turn == 2:  # numbers of hooks made outside and inside do not meet
                made[0].register_forward_hook(lambda module, args, out: out * 0.5)
        found.append([*losses, *seen, *(p.grad for p in made.parameters()), len(made[0]._forward_hooks)])
    for a, b in zip(*found, strict=True):
        segue.testing.assert_close(b, a)
