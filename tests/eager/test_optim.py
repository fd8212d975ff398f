"""Optimizers and schedules: step for step against PyTorch, state saved and loaded, bad settings."""

import copy
import inspect
import math

import numpy as np
import pytest

import segue
from segue import nn, optim

SETTINGS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "dampening": 0.3, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.3, 0.99), "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.01, "betas": (0.0, 0.9)}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True}),
    ("Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adamax", {"lr": 0.01, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.01}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.1}),
    ("RAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01, "betas": (0.8, 0.9), "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adadelta", {"maximize": True}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.7, "centered": True, "weight_decay": 0.1, "eps": 1e-3}),
    ("Rprop", {"lr": 0.01, "step_sizes": (1e-3, 0.05)}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "t0": 5, "weight_decay": 0.1}),
    ("Adafactor", {"lr": 0.1}),
    ("Adafactor", {"lr": 0.1, "eps": (1e-3, 1e-2), "d": 2.0, "weight_decay": 0.1, "maximize": True}),
]


def gradients(step, shapes, scale):
    random = np.random.default_rng(step)
    return [(random.standard_normal(shape) * scale).astype(np.float32) for shape in shapes]


@pytest.mark.torch
@pytest.mark.parametrize("dtype, rtol, atol", [(np.float32, 2e-6, 2e-7), (np.float64, 2e-8, 2e-9)])
@pytest.mark.parametrize("name, settings", SETTINGS)
def test_step_for_step_as_pytorch(name, settings, dtype, rtol, atol):
    torch = pytest.importorskip("torch")
    shapes = [(3, 4), (5,), ()]
    start = [value.astype(dtype) for value in gradients(99, shapes, 1.0)]
    mine = [segue.tensor(value, requires_grad=True) for value in start]
    theirs = [torch.tensor(value, requires_grad=True) for value in start]
    ours, reference = getattr(optim, name)(mine, **settings), getattr(torch.optim, name)(theirs, **settings)
    for step in range(25):
        for parameter, other, gradient in zip(mine, theirs, gradients(step, shapes, 10.0 ** -(step % 4))):
            parameter.grad, other.grad = segue.tensor(gradient.astype(dtype)), torch.tensor(gradient.astype(dtype))
        ours.step()
        reference.step()
        for parameter, other in zip(mine, theirs):
            np.testing.assert_allclose(parameter.detach().numpy(), other.detach().numpy(), rtol=rtol, atol=atol, err_msg=f"step {step}")


@pytest.mark.torch
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "Adagrad", "Adadelta", "ASGD"])
def test_complex_parameters_step_as_pytorchs(name):
    torch = pytest.importorskip("torch")
    start, *steps = [a + 1j * b for a, b in (gradients(seed, [(3, 2), (3, 2)], 1.0) for seed in range(4))]
    settings = {"lr": 0.1, "amsgrad": True} if name == "Adam" else {"lr": 0.1}
    mine, other = segue.tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    ours, reference = getattr(optim, name)([mine], **settings), getattr(torch.optim, name)([other], **settings)
    step = segue.compile(ours.step, backend="eager") if name in ("Adam", "Rprop") else ours.step
    for gradient in steps:
        mine.grad, other.grad = segue.tensor(gradient), torch.tensor(gradient)
        step()
        reference.step()
    np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.torch
@pytest.mark.parametrize("settings", [{}, {"nesterov": False, "weight_decay": 0.0, "adjust_lr_fn": "match_rms_adamw"}])
def test_muon_steps_as_pytorch(settings):
    """Its iterations round to bfloat16, where sums in another order may fall to the other side."""
    torch = pytest.importorskip("torch")
    for shape in ((6, 4), (4, 6)):
        start = gradients(99, [shape], 1.0)[0]
        mine, other = segue.tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
        ours, reference = optim.Muon([mine], lr=1.0, **settings), torch.optim.Muon([other], lr=1.0, **settings)
        for step in range(3):
            gradient = gradients(step, [shape], 1.0)[0]
            mine.grad, other.grad = segue.tensor(gradient), torch.tensor(gradient)
            ours.step()
            reference.step()
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), atol=0.01)
        np.testing.assert_allclose(ours.state[mine]["momentum_buffer"].numpy(), reference.state[other]["momentum_buffer"].numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("settings", [
    {"lr": 0.1}, {"line_search_fn": "strong_wolfe"}, {"line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 7, "max_eval": 9},
])  # fmt: skip
def test_lbfgs_steps_as_pytorch(settings):
    torch = pytest.importorskip("torch")
    start = np.array([-1.2, 1.0, 0.5])

    def run(make, optimizer_class):
        a, b = make(start[:2]), make(start[2:])
        optimizer, calls, values = optimizer_class([a, b], **settings), [], []

        def closure():
            optimizer.zero_grad()
            loss = (1 - a[0]) ** 2 + 10 * (a[1] - a[0] ** 2) ** 2 + ((b - a[1]) ** 4).sum()
            loss.backward()
            calls.append(1)
            return loss

        for _ in range(4):
            values.append(float(optimizer.step(closure)))
        return values, len(calls), [*a.tolist(), *b.tolist()]

    ours = run(lambda v: segue.tensor(v, requires_grad=True), optim.LBFGS)
    theirs = run(lambda v: torch.tensor(v, requires_grad=True), torch.optim.LBFGS)
    assert ours[1] == theirs[1]
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("name", [name for name in optim.__all__ if name not in ("lr_scheduler", "swa_utils", "Optimizer")])
def test_signatures_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    mine, other = (inspect.signature(getattr(module, name)) for module in (optim, torch.optim))
    assert [(p.name, p.kind) for p in mine.parameters.values()][:8] == [(p.name, p.kind) for p in other.parameters.values()][:8]
    assert {n: p.default for n, p in mine.parameters.items()} == {n: p.default for n, p in other.parameters.items()}
    if name != "LBFGS":
        matrix = np.ones((2, 2), np.float32)
        ours = getattr(optim, name)([segue.tensor(matrix, requires_grad=True)])
        theirs = getattr(torch.optim, name)([torch.tensor(matrix, requires_grad=True)])
        assert ours.param_groups[0].keys() == theirs.param_groups[0].keys()


@pytest.mark.torch
@pytest.mark.parametrize("name, settings", [("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}), ("Adam", {}), ("NAdam", {}), ("ASGD", {})])
def test_pytorchs_state_is_loaded(name, settings):
    torch = pytest.importorskip("torch")
    other, mine = torch.tensor([1.0, -2.0], requires_grad=True), segue.tensor([1.0, -2.0], requires_grad=True)
    reference, ours = getattr(torch.optim, name)([other], **settings), getattr(optim, name)([mine], **settings)
    for step in range(4):
        gradient = gradients(step, [(2,)], 1.0)[0]
        mine.grad, other.grad = segue.tensor(gradient), torch.tensor(gradient)
        if step == 2:
            state = copy.deepcopy(reference.state_dict())
            convert = {k: segue.tensor(v.numpy()) if isinstance(v, torch.Tensor) else v for k, v in state["state"][0].items()}
            ours.load_state_dict({"state": {0: convert}, "param_groups": state["param_groups"]})
            with segue.no_grad():
                mine.copy_(segue.tensor(other.detach().numpy()))
        reference.step()
        if step >= 2:
            ours.step()
    np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=2e-6)


def test_hooks():
    parameter = segue.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([("weight", parameter)], lr=1.0)
    assert optimizer.param_groups[0]["param_names"] == ["weight"]
    seen = []
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before")),
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after")),
        optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1}),
        optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append(state["more"])),
    ]
    parameter.grad = segue.tensor([0.5])
    optimizer.step(lambda: seen.append("closure"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["before", "closure", "after", 1]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 4 and parameter.item() == 0.0 and "more" not in optimizer.state_dict()
    optimizer.register_step_pre_hook(lambda o, args, kwargs: (args, {"closure": lambda: seen.append(args == (o,))}))  # as PyTorch: args begin with it
    optimizer.step()
    assert seen[4:] == [True]


def test_a_differentiable_step_is_recorded():
    rate = segue.tensor(0.5, requires_grad=True)
    parameter = segue.tensor([3.0], requires_grad=True).clone()
    optimizer = optim.SGD([parameter], lr=rate, differentiable=True)
    parameter.grad = segue.tensor([2.0])
    optimizer.step()
    (parameter * parameter).sum().backward()
    assert rate.grad.item() == 2 * (3.0 - 0.5 * 2.0) * -2.0


@pytest.mark.torch
def test_first_bias_correction_keeps_float32_precision():
    torch = pytest.importorskip("torch")
    mine, other = segue.tensor([0.0], requires_grad=True), torch.tensor([0.0], requires_grad=True)
    ours, reference = optim.Adam([mine], lr=1.0, eps=0.0), torch.optim.Adam([other], lr=1.0, eps=0.0)
    mine.grad, other.grad = segue.tensor([3e-3]), torch.tensor([3e-3])
    ours.step()
    reference.step()
    np.testing.assert_allclose(mine.item(), other.item(), rtol=5e-7)


@pytest.mark.parametrize("name, settings", SETTINGS)
def test_saved_state_goes_on_where_it_was(name, settings):
    def make():
        parameter = segue.tensor([1.0, -2.0, 3.0], requires_grad=True)
        return parameter, getattr(optim, name)([parameter], **settings)

    def run(parameter, optimizer, steps):
        for step in steps:
            parameter.grad = segue.tensor(gradients(step, [(3,)], 1.0)[0])
            optimizer.step()

    whole, first = make(), make()
    run(*whole, range(6))
    run(*first, range(3))
    state = copy.deepcopy(first[1].state_dict())
    second = make()
    with segue.no_grad():
        second[0].copy_(first[0])
    second[1].load_state_dict(state)
    run(*second, range(3, 6))
    assert segue.equal(second[0], whole[0])


def test_state_has_pytorchs_names():
    parameter = segue.tensor([1.0], requires_grad=True)
    optimizer = optim.AdamW([parameter], amsgrad=True)
    parameter.grad = segue.tensor([1.0])
    optimizer.step()
    assert set(optimizer.state[parameter]) == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
    state = optimizer.state_dict()
    assert state["param_groups"][0]["params"] == [0] and set(state["state"]) == {0}
    assert state["state"][0]["step"].item() == 1.0 and state["state"][0]["step"].dtype is segue.float32


def test_parameters_without_a_gradient_stay():
    moved, stays = (segue.tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.Adam([moved, stays])
    moved.grad = segue.tensor([1.0])
    optimizer.step()
    assert moved.item() != 1.0 and stays.item() == 1.0
    assert optimizer.state[stays]["step"].item() == 0.0


def test_groups_have_settings_of_their_own():
    a, b = (segue.tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 1.0}], lr=0.1)
    a.grad, b.grad = segue.tensor([1.0]), segue.tensor([1.0])
    optimizer.step()
    assert math.isclose(a.item(), 0.9, rel_tol=1e-6) and b.item() == 0.0
    c = segue.tensor([1.0], requires_grad=True)
    optimizer.add_param_group({"params": [c], "lr": 2.0})
    c.grad = segue.tensor([1.0])
    optimizer.step()
    assert c.item() == -1.0
    assert "Parameter Group 2\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n    lr: 2.0" in repr(optimizer)


def test_zero_grad_and_closure():
    parameter = segue.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([parameter], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (parameter * parameter).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0 and parameter.item() == 1.0
    optimizer.zero_grad(set_to_none=False)
    assert parameter.grad.item() == 0.0
    optimizer.zero_grad()
    assert parameter.grad is None


def test_a_tensor_learning_rate_is_read_at_each_step():
    parameter, lr = segue.tensor([1.0], requires_grad=True), segue.tensor(0.5)
    optimizer = optim.SGD([parameter], lr=lr)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    parameter.grad = segue.tensor([1.0])
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == 0.25
    optimizer.step()
    assert parameter.item() == 0.25


def test_the_state_is_made_once():
    parameter = segue.tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([parameter])
    optimizer.prepare()
    first = optimizer.state[parameter]["exp_avg"]
    optimizer.prepare()
    assert optimizer.state[parameter]["exp_avg"] is first
    assert optim.Optimizer.prepare.__segue_capture_time__


def parameter():
    return segue.tensor([1.0], requires_grad=True)


@pytest.mark.parametrize("wrong, kind, words", [
    (lambda: optim.SGD([], lr=0.1), ValueError, "no parameters"),
    (lambda: optim.SGD(parameter()), TypeError, "iterable"),
    (lambda: optim.SGD([parameter() * 2]), ValueError, "leaf"),
    (lambda: optim.SGD([[1.0]]), TypeError, "not list"),
    (lambda: optim.SGD([parameter()], lr=-1.0), ValueError, "lr is at least 0.0, not -1.0"),
    (lambda: optim.SGD([parameter()], nesterov=True), ValueError, "Nesterov"),
    (lambda: optim.Adam([parameter()], betas=(0.9, 1.0)), ValueError, "betas"),
    (lambda: optim.Adam([parameter()], betas=0.9), TypeError, "two numbers"),
    (lambda: optim.Adam([parameter()], betas=(0.9,)), IndexError, "two numbers"),
    (lambda: optim.SGD([parameter()], lr=segue.ones(2)), ValueError, "one element"),
    (lambda: optim.SGD([parameter()], momentum=segue.ones(2)), RuntimeError, "one element"),
    (lambda: optim.SGD([("a", parameter()), parameter()]), ValueError, "names"),
    (lambda: optim.SGD([parameter()]).add_param_group({"params": [("a", parameter())]}), ValueError, "names"),
    (lambda: setattr(parameter(), "grad", segue.ones(1, dtype=segue.float64)), RuntimeError, "dtype"),
    (lambda: optim.SGD((lambda p: [{"params": [p]}, {"params": [p]}])(parameter())), ValueError, "more than one"),
    (lambda: optim.SGD([parameter()]).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}), ValueError, r"\[2\]"),
])  # fmt: skip
def test_bad_settings(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()


def test_training_lowers_a_loss():
    segue.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = optim.AdamW(model.parameters(), lr=0.02)
    x = segue.rand(64, 2)
    y = x[:, :1] * x[:, 1:]
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 20


KERNELS = {
    "Adam": (segue.optim.Adam, {}), "decayed": (segue.optim.Adam, {"weight_decay": 0.1}), "amsgrad": (segue.optim.Adam, {"amsgrad": True}),
    "AdamW": (segue.optim.AdamW, {"betas": (0.0, 0.9), "maximize": True}), "SGD": (segue.optim.SGD, {"weight_decay": 0.1}),
    "momentum": (segue.optim.SGD, {"momentum": 0.9}), "Nesterov": (segue.optim.SGD, {"momentum": 0.9, "nesterov": True}),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [segue.float32, segue.float64])
@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_gives_the_bits_of_the_update(name, dtype):
    kind, settings = KERNELS[name]
    seen = []

    class Watched(kind):
        def update(self, *args):
            seen.append(args)
            super().update(*args)

    def trained(make):
        weights = [segue.linspace(-1, 2, n, dtype=dtype).reshape(shape).requires_grad_() for n, shape in ((6, (2, 3)), (4, (4,)), (1, ()))]
        optimizer = make(weights, lr=0.01, **settings)
        for step in range(4):
            for weight in weights:
                weight.grad = (weight.detach() * (step + 1)).sin()
            optimizer.step()
        return [*weights, *[value for weight in weights for value in optimizer.state[weight].values()]]

    found, expected = trained(kind), trained(Watched)
    assert len(seen) == 12  # a class with an update of its own has no kernel
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.detach().numpy(), theirs.detach().numpy())


def test_a_kernel_counts_as_a_write():
    weight = segue.ones(3, requires_grad=True)
    optimizer = segue.optim.SGD([weight], lr=0.1)
    loss = (weight * weight).sum()
    weight.grad = segue.ones(3)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("name", ["Adafactor", "Muon", "LBFGS"])
def test_complex_parameters_are_refused_by_name(name):
    with pytest.raises(RuntimeError, match=f"{name} does not support complex"):
        getattr(optim, name)([segue.ones(2, 2, dtype=segue.complex64, requires_grad=True)])


@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_put_in_place_of_parameters_and_state_counts(compiled):
    """As programs do it that reset an optimizer, or let the number of parameters' rows grow."""
    def reference(values, gradients_seen):
        weight = segue.tensor(values, requires_grad=True)
        fresh = optim.Adam([weight], lr=0.1)
        for gradient in gradients_seen:
            weight.grad = segue.tensor(gradient)
            fresh.step()
        return weight.detach()

    first = segue.nn.Parameter(segue.ones(2))
    optimizer = optim.Adam([first], lr=0.1)

    def step(factor):
        optimizer.zero_grad()
        (optimizer.param_groups[0]["params"][0] * factor).sum().backward()
        optimizer.step()

    run = segue.compile(step, backend="eager") if compiled else step
    up, down = segue.tensor(1.0), segue.tensor(-3.0)
    run(up)
    run(up)
    optimizer.state.clear()
    before = first.tolist()
    run(down)
    segue.testing.assert_close(first.detach(), reference(before, [[-3.0, -3.0]]))
    moments = optimizer.state.pop(first)
    grown = optimizer.param_groups[0]["params"][0] = segue.nn.Parameter(segue.ones(3))
    optimizer.state[grown] = {name: value if name == "step" else segue.cat([value, segue.zeros(1)]) for name, value in moments.items()}
    run(up)
    kept = optimizer.state[grown]
    assert kept["step"].item() == 2 and kept["exp_avg"].shape == (3,) and not segue.equal(grown.detach(), segue.ones(3))
    optimizer.state = {}
    before = grown.tolist()
    run(up)
    segue.testing.assert_close(grown.detach(), reference(before, [[1.0] * 3]))
    assert optimizer.state[grown]["step"].item() == 1
    assert len(copy.deepcopy(optimizer).state) == 1


def test_a_parameter_that_stands_twice_in_a_group_changes_twice():
    p = parameter()
    before = p.detach().clone()
    with pytest.warns(UserWarning, match="duplicate"):
        optimizer = optim.SGD([p, p], lr=0.5)
    p.grad = segue.ones_like(p)
    optimizer.step()
    assert segue.equal(p, before - 1)
