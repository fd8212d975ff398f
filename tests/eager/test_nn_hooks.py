"""Hooks of modules and of their state, extra state, buffers, and moves to and from the meta device."""

import copy
import pickle

import pytest

import segue
from segue import nn
from segue.eager.nn import hooks


def test_forward_hooks_with_keywords_and_order():
    class Scaled(nn.Module):
        def forward(self, x, scale=1.0):
            return x * scale

    module, seen = Scaled(), []
    module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"scale": kwargs["scale"] + 1}), with_kwargs=True)
    module.register_forward_pre_hook(lambda m, args: seen.append("first") or (args[0] + 1,), prepend=True)
    handle = module.register_forward_hook(lambda m, args, kwargs, out: out + kwargs["scale"], with_kwargs=True)
    assert module(segue.ones(2), scale=2.0).tolist() == [9.0, 9.0] and seen == ["first"]
    handle.remove()
    assert module(segue.ones(2), scale=2.0).tolist() == [6.0, 6.0]
    with pytest.raises(RuntimeError, match="new_args, new_kwargs"), module.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True):
        module(segue.ones(2), scale=1.0)


def test_always_call_runs_when_forward_raises():
    module, seen = nn.Linear(2, 2), []
    module.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    module.register_forward_hook(lambda m, args, out: seen.append("plain"))
    with pytest.raises(RuntimeError):
        module(segue.ones(1, 3))
    assert seen == [None]


@pytest.mark.torch
def test_backward_hooks_see_and_change_what_pytorchs_do():
    torch = pytest.importorskip("torch")
    results = []
    for library in (segue, torch):
        layer = library.nn.Linear(3, 2).double()
        layer.load_state_dict({"weight": library.arange(6.0).reshape(2, 3).double() / 3, "bias": library.zeros(2).double()})
        seen = []
        layer.register_full_backward_pre_hook(lambda m, out: (out[0] * 2,))
        layer.register_full_backward_hook(lambda m, gin, gout, seen=seen: seen.extend([gin[0].tolist(), gout[0].tolist()]) or (gin[0] + 1,))
        x = library.ones(4, 3).double().requires_grad_()
        layer(x).cos().sum().backward()
        results.append([*seen, x.grad.tolist(), layer.weight.grad.tolist()])
    for mine, other in zip(*results):
        assert [pytest.approx(row) for row in mine] == other


def test_backward_hooks_see_all_places_and_give_as_many():
    class Scaled(nn.Module):
        def forward(self, x, factor):
            return x * factor, "text"

    layer, seen, x = Scaled(), [], segue.ones(2, requires_grad=True)
    layer.register_full_backward_hook(lambda m, gin, gout: seen.append((len(gin), gin[1], len(gout), gout[1])))
    layer(x, 3.0)[0].sum().backward()
    assert seen == [(2, None, 2, None)] and x.grad.tolist() == [3.0, 3.0]
    layer.register_full_backward_hook(lambda m, gin, gout: gin[:1])
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 1, but expected 2"):
        layer(x, 3.0)[0].sum().backward()


def test_a_backward_hook_without_an_input_that_wants_a_gradient():
    layer, seen = nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda m, gin, gout: seen.append((gin, gout[0].tolist())))
    layer(segue.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]


def test_hooks_of_all_modules():
    seen = []
    with hooks.register_module_forward_pre_hook(lambda m, args: seen.append(type(m).__name__)), \
            hooks.register_module_forward_hook(lambda m, args, out: out * 2):  # fmt: skip
        out = nn.Sequential(nn.Identity(), nn.Identity())(segue.ones(1))
    assert seen == ["Sequential", "Identity", "Identity"] and out.tolist() == [8.0] and not hooks.EVERYWHERE


def test_hooks_are_captured():
    module = nn.Linear(2, 2)
    module.register_forward_hook(lambda m, args, out: out * 3)
    segue.compiler.reset()
    x = segue.ones(1, 2)
    assert segue.allclose(segue.compile(module, backend="eager", fullgraph=True)(x), module(x))


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.count = 3

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


def test_extra_state():
    first, second = nn.Sequential(Counted()), nn.Sequential(Counted())
    first[0].count = 7
    state = first.state_dict()
    assert "0._extra_state" in state
    second.load_state_dict(state)
    assert second[0].count == 7
    del state["0._extra_state"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0._extra_state"'):
        second.load_state_dict(state)


def test_state_hooks():
    module, seen = nn.Sequential(nn.Linear(2, 2)), []
    module.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append("before"))
    module.register_state_dict_post_hook(lambda m, state, prefix, metadata: state.__delitem__("0.bias"))
    assert list(module.state_dict()) == ["0.weight"] and seen == ["before"]
    plain = nn.Sequential(nn.Linear(2, 2))

    def rename(m, state, prefix, *rest):
        state[prefix + "0.weight"] = state.pop(prefix + "old")

    plain.register_load_state_dict_pre_hook(rename)
    plain.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    assert plain.load_state_dict({"old": segue.ones(2, 2)}) == ([], []) and plain[0].weight.sum().item() == 4.0
    plain.register_load_state_dict_post_hook(lambda m, keys: keys)
    with pytest.raises(AssertionError, match="not expected to return"):
        plain.load_state_dict({"old": segue.zeros(2, 2)})
    assert plain[0].weight.sum().item() == 4.0


def test_a_bad_state_changes_nothing():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    before = copy.deepcopy(module.state_dict())
    state = {name: value * 0 for name, value in before.items()} | {"1.bias": segue.zeros(3)}
    with pytest.raises(RuntimeError, match="size mismatch for 1.bias"):
        module.load_state_dict(state)
    assert all(segue.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_batch_norm_loads_a_state_without_a_count():
    state = nn.BatchNorm1d(2).state_dict()
    plain = {name: value for name, value in state.items() if name != "num_batches_tracked"}
    nn.BatchNorm1d(2).load_state_dict(plain)
    with pytest.raises(RuntimeError, match="running_mean"):
        nn.BatchNorm1d(2).load_state_dict({"weight": plain["weight"], "bias": plain["bias"]})


def test_buffers_by_assignment():
    module = nn.Module()
    module.kept, module.forgotten = nn.Buffer(segue.ones(2)), nn.Buffer(segue.ones(2), persistent=False)
    assert [name for name, _ in module.named_buffers()] == ["kept", "forgotten"] and list(module.state_dict()) == ["kept"]


def test_meta_device_and_to_empty():
    module = nn.Linear(3, 2, device="meta")
    assert module.weight.is_meta and module(segue.ones(1, 3, device="meta")).shape == (1, 2)
    state = nn.Linear(3, 2).state_dict()
    with pytest.warns(UserWarning, match="assign=True"):
        module.load_state_dict(state)
    assert module.weight.is_meta
    module.to_empty(device="cpu").load_state_dict(state)
    assert segue.equal(module.weight, state["weight"]) and isinstance(module.weight, nn.Parameter)
    other = nn.Linear(3, 2, device="meta")
    other.load_state_dict(state, assign=True)
    assert segue.equal(other.weight, state["weight"])


def test_copies_and_pickles_keep_hooks_and_state():
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert all(segue.equal(a, b) for a, b in zip(module.state_dict().values(), other.state_dict().values()))
    module.set_submodule("1", nn.Identity())
    assert isinstance(module[1], nn.Identity)
    module.type(segue.float64).share_memory()
    assert module[0].weight.dtype is segue.float64


def test_backward_hooks_of_both_names_are_not_mixed():
    for first, second in (("register_backward_hook", "register_full_backward_hook"), ("register_full_backward_hook", "register_backward_hook")):
        module = nn.Linear(2, 2)
        getattr(module, first)(lambda *a: None)
        with pytest.raises(RuntimeError, match="Cannot use both"):
            getattr(module, second)(lambda *a: None)
