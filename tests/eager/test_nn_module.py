"""`nn.Module` and the containers: registries, names, state, modes, hooks, printing, copying."""

import copy
import pickle

import pytest

import segue
from segue import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("scale", segue.tensor(2.0))
        self.register_buffer("scratch", segue.zeros(2), persistent=False)
        self.second = nn.Linear(4, 2, bias=False)

    def forward(self, x):
        return self.second(self.norm(self.first(x))) * self.scale


def test_names_are_pytorchs():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == ["first.weight", "first.bias", "norm.weight", "norm.bias", "second.weight"]
    assert [name for name, _ in net.named_buffers()] == ["scale", "scratch", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]
    assert [name for name, _ in net.named_modules()] == ["", "first", "norm", "second"]
    assert list(net.state_dict()) == [
        "scale", "first.weight", "first.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
        "second.weight",
    ]  # fmt: skip
    assert net.get_submodule("norm") is net.norm and net.get_parameter("first.bias") is net.first.bias
    assert net.get_buffer("norm.running_var") is net.norm.running_var
    with pytest.raises(AttributeError, match="no submodule 'third'"):
        net.get_submodule("third.x")
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'missing'"):
        net.missing  # noqa: B018


def test_shared_parameters_are_listed_once():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 3
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    assert len(net.state_dict()) == 4


def test_assignment_moves_between_registries():
    net = nn.Module()
    net.member = 3
    net.member = nn.Parameter(segue.zeros(2))
    assert "member" in net._parameters and "member" not in net.__dict__
    net.member = nn.ReLU()
    assert "member" in net._modules and "member" not in net._parameters
    del net.member
    assert not hasattr(net, "member")


@pytest.mark.parametrize(
    "wrong, kind, words",
    [
        (lambda net: setattr(net.first, "weight", segue.zeros(4, 3)), TypeError, "assign an nn.Parameter"),
        (lambda net: setattr(net, "first", 3), TypeError, "assign an nn.Module"),
        (lambda net: setattr(net, "scale", 3), TypeError, "assign a Tensor"),
        (lambda net: net.register_buffer("a.b", None), KeyError, "holds no '.'"),
        (lambda net: net.register_parameter("forward", None), KeyError, "already exists"),
        (lambda net: net.register_parameter("p", segue.zeros(2)), TypeError, "not Tensor"),
        (lambda net: net.add_module("m", 3), TypeError, "not int"),
        (lambda net: net.train("yes"), ValueError, "a bool"),
        (lambda net: net.to(segue.int64), TypeError, "floating"),
    ],
)
def test_wrong_assignments_are_refused(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong(Net())


def test_members_before_init_are_refused():
    class Early(nn.Module):
        def __init__(self):
            self.inner = nn.ReLU()
            super().__init__()

    with pytest.raises(AttributeError, match="super"):
        Early()


def test_state_round_trip_and_its_errors():
    net, other = Net(), Net()
    assert other.load_state_dict(net.state_dict()) == ([], [])
    for name, value in net.state_dict().items():
        assert segue.equal(value, other.state_dict()[name])
    state = net.state_dict()
    state["first.weight"] = segue.zeros(9, 9)
    state["extra"] = state.pop("second.weight")
    with pytest.raises(RuntimeError) as caught:
        other.load_state_dict(state)
    for words in (
        'Unexpected key(s) in state_dict: "extra"', 'Missing key(s) in state_dict: "second.weight"',
        "size mismatch for first.weight: copying a param with shape segue.Size([9, 9]) from checkpoint, the shape in current model is segue.Size([4, 3])",
    ):  # fmt: skip
        assert words in str(caught.value)
    state["first.weight"] = segue.ones(4, 3)
    missing, unexpected = other.load_state_dict(state, strict=False)
    assert (missing, unexpected) == (["second.weight"], ["extra"])
    assert segue.equal(other.first.weight.detach(), segue.ones(4, 3))
    with pytest.raises(TypeError, match="dict-like"):
        other.load_state_dict([1])


def test_state_dict_shares_memory_and_is_detached():
    net = nn.Linear(2, 2)
    state = net.state_dict()
    assert not state["weight"].requires_grad
    with segue.no_grad():
        net.weight.fill_(7.0)
    assert state["weight"].tolist() == [[7.0, 7.0], [7.0, 7.0]]


def test_assign_replaces_the_tensors():
    net, state = nn.Linear(2, 2), nn.Linear(2, 2).state_dict()
    net.load_state_dict(state, assign=True)
    assert isinstance(net.weight, nn.Parameter) and net.weight.requires_grad
    with segue.no_grad():
        net.weight.zero_()
    assert not state["weight"].any()


def test_modes_and_requires_grad():
    net = Net()
    assert net.eval() is net and not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())
    net.requires_grad_(False)
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_zero_grad():
    net = nn.Linear(2, 1)
    net(segue.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.weight.grad.tolist() == [[0.0, 0.0]]
    net.zero_grad()
    assert net.weight.grad is None


def test_to_keeps_the_parameters_identity():
    net = Net()
    before = net.first.weight
    values = before.tolist()
    net.double()
    assert net.first.weight is before and before.dtype is segue.float64 and before.tolist() == values
    assert net.scale.dtype is segue.float64 and net.norm.num_batches_tracked.dtype is segue.int64
    assert net(segue.randn(5, 3, dtype=segue.float64)).dtype is segue.float64
    assert net.float().first.weight.dtype is segue.float32


def test_apply_goes_children_first():
    seen = []
    Net().apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "BatchNorm1d", "Linear", "Net"]


def test_hooks_see_and_replace():
    net = nn.Identity()
    seen = []
    first = net.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    second = net.register_forward_hook(lambda module, args, result: seen.append((args[0], result)))
    third = net.register_forward_hook(lambda module, args, kwargs, result: result * 10, with_kwargs=True)
    assert net(1) == 20 and seen == [(2, 2)]
    first.remove()
    third.remove()
    assert net(1) == 1
    with second:
        pass
    assert not net._forward_hooks
    with pytest.raises(TypeError, match="callable"):
        net.register_forward_hook(3)


def test_prepended_hooks_run_first():
    net, order = nn.Identity(), []
    net.register_forward_hook(lambda *_: order.append("later"))
    net.register_forward_hook(lambda *_: order.append("first"), prepend=True)
    net(0)
    assert order == ["first", "later"]


def test_deepcopy_and_pickle_are_independent_and_equal():
    net = Net().eval()
    x = segue.randn(4, 3)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net.first))):
        assert other is not net
    other = copy.deepcopy(net)
    assert segue.equal(net(x), other(x))
    with segue.no_grad():
        other.first.weight.zero_()
    assert net.first.weight.any()
    read = pickle.loads(pickle.dumps(net.first))
    assert isinstance(read.weight, nn.Parameter) and segue.equal(read(x), net.first(x))


def test_no_forward():
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)


def test_printing():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Sequential(nn.ReLU(), nn.Dropout(0.1)))
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Dropout(p=0.1, inplace=False)\n"
        "  )\n"
        ")"
    )


def test_sequential_is_a_list():
    net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert len(net) == 3 and isinstance(net[-1], nn.Sigmoid) and isinstance(net[:2], nn.Sequential) and len(net[:2]) == 2
    del net[1]
    assert [type(m).__name__ for m in net] == ["ReLU", "Sigmoid"] and list(net._modules) == ["0", "1"]
    net.append(nn.Identity()).insert(0, nn.Flatten())
    assert [type(m).__name__ for m in net] == ["Flatten", "ReLU", "Sigmoid", "Identity"]
    net[0] = nn.Tanh()
    assert isinstance(net[0], nn.Tanh)
    with pytest.raises(IndexError, match="index 4 is out of range for Sequential of length 4"):
        net[4]


def test_sequential_from_names():
    net = nn.Sequential({"a": nn.ReLU(), "b": nn.Tanh()})
    assert list(net._modules) == ["a", "b"] and net.a is net[0]


def test_module_list_and_dict_and_parameter_list():
    net = nn.Module()
    net.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(2)])
    net.heads = nn.ModuleDict({"x": nn.Linear(2, 1), "y": nn.Linear(2, 1)})
    net.extra = nn.ParameterList([segue.zeros(3)])
    assert [name for name, _ in net.named_parameters()][:2] == ["layers.0.weight", "layers.0.bias"]
    assert list(net.heads) == ["x", "y"] and "x" in net.heads and len(net.heads) == 2
    assert isinstance(net.extra[0], nn.Parameter) and len(net.extra) == 1
    assert len(list(net.parameters())) == 9
    net.heads.pop("x")
    assert list(net.heads.keys()) == ["y"]


@pytest.mark.torch
def test_dirac_and_sparse_starts():
    torch = pytest.importorskip("torch")
    for shape, groups in (((4, 2, 3), 2), ((3, 4, 3, 2), 1)):
        assert segue.nn.init.dirac_(segue.empty(*shape), groups).tolist() == torch.nn.init.dirac_(torch.empty(*shape), groups).tolist()
    filled = segue.nn.init.sparse_(segue.empty(10, 4), 0.3)
    assert (filled == 0).sum(0).tolist() == [3, 3, 3, 3]


def test_containers_insert_and_join_as_pytorchs():
    blocks = nn.Sequential(nn.ReLU())
    assert blocks.insert(0, module=nn.Tanh()) is blocks and blocks.append(module=nn.GELU()) is blocks and blocks.extend(sequential=[nn.SiLU()]) is blocks
    assert [type(m).__name__ for m in blocks] == ["Tanh", "ReLU", "GELU", "SiLU"] and type(blocks.pop(key=-1)) is nn.SiLU
    with pytest.raises(IndexError, match="out of range"):
        blocks.insert(7, nn.ReLU())
    with pytest.raises(TypeError, match="Module, not int"):
        nn.ModuleList().insert(0, 3)
    both = nn.ParameterDict({"a": segue.ones(2)}) | nn.ParameterDict({"b": segue.ones(1)})
    assert list(both) == ["a", "b"] and list(reversed(both)) == ["b", "a"] and both.copy()["a"] is both["a"]
    assert both.popitem()[0] == "b" and list(both) == ["a"] and list(both.fromkeys("xy", 1).items()) == [("x", 1), ("y", 1)]
    shared = nn.ReLU()
    assert len(list(nn.Sequential(shared, shared).modules())) == 2 and len(list(nn.Sequential(shared, shared).modules(remove_duplicate=False))) == 3


def test_a_copy_on_the_meta_device_runs_with_others_parameters():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).eval()
    shapes = copy.deepcopy(model).to("meta")
    x = segue.randn(4, 3)
    found = segue.func.functional_call(shapes, (dict(model.named_parameters()), dict(model.named_buffers())), (x,))
    assert all(p.device.type == "meta" for p in shapes.parameters()) and segue.equal(found, model(x))
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        shapes.to("cpu")
    assert shapes.to_empty(device="cpu")[0].weight.shape == (2, 3)
    with pytest.raises(RuntimeError, match="cpu to cuda:0"):
        model.to(0)


def test_none_holds_its_place_in_a_list_of_modules():
    blocks = nn.ModuleList([nn.Linear(2, 2), None, nn.Linear(2, 2)])
    assert len(blocks) == 3 and blocks[1] is None and list(blocks)[2] is blocks[2]
    assert list(blocks.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    blocks[1] = nn.Linear(2, 2)
    blocks.insert(0, None)
    assert [block is None for block in blocks] == [True, False, False, False]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.ModuleList([nn.Linear(2, 2), None]), nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])])

        def forward(self, x):
            for linear, activation in self.layers:
                x = linear(x) if activation is None else activation(linear(x))
            return x

    net, x = Net(), segue.ones(3, 2)
    segue.testing.assert_close(segue.compile(net, fullgraph=True)(x), net(x))


def test_a_deep_copy_of_a_parameter_leaves_its_gradient_and_what_was_put_on_it():
    found = []
    for library in (segue, pytest.importorskip("torch")):
        p = library.nn.Parameter(library.ones(3))
        p.tag = "decay"
        (p * 2).sum().backward()
        layer = library.nn.Linear(2, 2)
        layer.weight.grad = library.ones(2, 2)
        other, plain = copy.deepcopy(p), library.ones(3, requires_grad=True)
        plain.tag = "kept"
        (plain * 2).sum().backward()
        tensor = copy.deepcopy(plain)
        found.append((other.grad, hasattr(other, "tag"), other.requires_grad, copy.deepcopy(layer).weight.grad, tensor.grad.tolist(), tensor.tag))
    assert found[0] == found[1]
