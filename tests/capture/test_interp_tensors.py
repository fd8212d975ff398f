"""Tensor programs through the symbolic interpreter: eager and compiled agree, with the number of graphs and breaks of each construct."""

from __future__ import annotations

import numpy as np
import pytest
from interp_support import check, compiled, same

import segue
from segue import nn
from segue.eager.stats import stats


def x3():
    return segue.tensor([1.0, -2.0, 3.0])


def straight(x, y):
    z = x * 2 + y
    return z.relu().sum()


def several_results(x):
    return x + 1, {"double": x * 2, "same": x}, [x.sum(), 3]


def sizes(x):
    n, m = x.shape
    return x.reshape(m, n) * n, x.view(-1), x.ndim, x.dtype, len(x), x.size(0), x.numel(), x.is_floating_point()


def branch_on_size(x):
    if x.shape[0] > 2 and x.dtype == segue.float32:
        return x * 2
    return x - 1


def loop_over_layers(x, n):
    for i in range(n):
        x = x * (i + 1)
    return x


def iterate_rows(x):
    return [row * 2 for row in x], segue.stack([r.sum() for r in x])


def indexing(x):
    y = x[1:, 0] + x[..., -1][1:]
    z = x[None, 0]
    return y, z, x[segue.tensor([0, 1])]


def setting(x):
    y = x.clone()
    y[0] = 5.0
    y += 1
    y.mul_(2)
    return y


def writes_argument(x):
    x.add_(1)
    return x * 2


def writes_and_returns_argument(x):
    x[0] = 7.0
    return x


def view_of_argument(x):
    return x[0], x.T


def helper(x, *, scale=2.0):
    return x * scale


def inlined(x):
    return helper(helper(x), scale=3.0)


def closure(x):
    k = x.sum()

    def add(y):
        return y + k

    return add(x) * add(k)


def returns_closure(x):
    y = x * 2
    return lambda z: z + y


def formatted(x):
    name = f"{x.shape[0]}x{x.ndim}"
    return {name: x * 2}


def no_grad_block(x):
    with segue.no_grad():
        y = x * 2
    return y, x * 3


def comprehension(x):
    return {f"k{i}": x * i for i in range(3)}, [t.sum() for t in (x, x * 2)]


def raises_inside(x):
    try:
        if x.shape[0] == 3:
            raise ValueError("three")
        y = x
    except ValueError as e:
        y = x * len(str(e))
    finally:
        z = x + 1
    return y, z


def append_to_argument(x, out):
    out.append(x * 2)
    out[0] = "changed"
    return len(out)


def store_in_dict(x, cache):
    cache["y"] = x + 1
    if "old" in cache:
        del cache["old"]
    return cache["y"] * 2


class Holder:
    def __init__(self):
        self.value = 1
        self.history = []


def store_attribute(x, holder):
    holder.value = x * holder.value
    holder.history.append(holder.value.sum())
    holder.new = Holder()
    return holder.value + 1


def random_numbers(x):
    return segue.rand(3) + x, nn.functional.dropout(x, 0.5, True)


def creation(x):
    return segue.zeros(3) + x, segue.arange(3) * x, segue.ones_like(x), segue.tensor([1.0, 2.0, 3.0]) * x


CASES = [
    (straight, (x3(), x3())), (several_results, (x3(),)), (sizes, (segue.ones(2, 3),)), (branch_on_size, (x3(),)), (branch_on_size, (segue.ones(2),)),
    (loop_over_layers, (x3(), 4)), (iterate_rows, (segue.ones(2, 3),)), (indexing, (segue.ones(3, 3),)), (setting, (x3(),)), (writes_argument, (x3(),)),
    (writes_and_returns_argument, (x3(),)), (view_of_argument, (segue.ones(2, 3),)), (inlined, (x3(),)), (closure, (x3(),)), (formatted, (x3(),)),
    (no_grad_block, (segue.ones(3, requires_grad=True),)), (comprehension, (x3(),)), (raises_inside, (x3(),)), (append_to_argument, (x3(), [1, 2])),
    (store_in_dict, (x3(), {"old": 1, "keep": 2})), (store_attribute, (x3(), Holder())), (creation, (x3(),)),
]  # fmt: skip


@pytest.mark.parametrize(("function", "args"), CASES, ids=[f"{f.__name__}-{i}" for i, (f, _) in enumerate(CASES)])
def test_one_graph(function, args):
    check(function, *args, graphs=1)


def test_random_stream_is_the_eager_one():
    made = compiled(random_numbers)
    for function in (random_numbers, made, made):
        segue.manual_seed(5)
        found = [function(x3()) for _ in range(2)]
        if function is random_numbers:
            expected = found
        assert same(expected, found)


def test_result_is_the_argument():
    x = x3()
    assert compiled(writes_and_returns_argument)(x) is x
    made = compiled(lambda a, b: (b, a, [a]))
    y = x3()
    first, second, (third,) = made(x, y)
    assert first is y and second is x and third is x


def test_closure_is_returned():
    made = compiled(returns_closure)
    assert same(made(x3())(x3()), returns_closure(x3())(x3()))


def test_views_share_memory():
    x = segue.ones(2, 3)
    row, _ = compiled(view_of_argument)(x)
    row.add_(1)
    assert x.tolist()[0] == [2.0, 2.0, 2.0]


class Net(nn.Module):
    def __init__(self, depth=2):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(depth)])
        self.norm = nn.LayerNorm(4)
        self.head = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x).relu()
        return self.head(self.norm(x))


def gradients(model):
    return [None if p.grad is None else p.grad.numpy().copy() for p in model.parameters()]


def test_module():
    segue.manual_seed(0)
    model = Net()
    x = segue.randn(3, 4)
    expected = model(x)
    before = stats.read()
    fast = segue_compiled_module(model)
    assert same(fast(x), expected) and same(fast(x), expected)
    counted = stats.since(before)
    assert counted["graphs"] == 1 and counted["breaks"] == 0 and counted["skipped_frames"] == 0
    assert isinstance(fast, Net) and list(fast.state_dict()) == list(model.state_dict())
    assert all(a is b for a, b in zip(fast.parameters(), model.parameters()))


def segue_compiled_module(model):
    from segue.capture.compile import compile

    return compile(model, backend="eager", fullgraph=True)


def test_module_gradients():
    segue.manual_seed(0)
    model = Net()
    x = segue.randn(3, 4)
    model(x).sum().backward()
    expected = gradients(model)
    model.zero_grad()
    segue_compiled_module(model)(x).sum().backward()
    assert all(np.allclose(a, b) for a, b in zip(expected, gradients(model)))


def test_compile_in_place():
    segue.manual_seed(0)
    model = Net()
    x = segue.randn(3, 4)
    expected = model(x)
    names = list(model.state_dict())
    before = stats.read()
    model.compile(backend="eager", fullgraph=True)
    assert same(model(x), expected) and same(model(x), expected)
    counted = stats.since(before)
    assert counted["graphs"] == 1 and counted["breaks"] == 0 and counted["skipped_frames"] == 0, counted
    assert list(model.state_dict()) == names and type(model) is Net


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * 2 + self.calls


def test_a_counter_is_symbolic_at_its_second_value():
    eager, model = Counting(), Counting()
    fast = segue_compiled_module(model)
    before = stats.read()
    for _ in range(5):
        assert same(fast(x3()), eager(x3()))
    assert model.calls == 5
    assert stats.since(before)["captures"] == 2


def train(make_model, make_optimizer, steps, wrap, loss_of):
    segue.manual_seed(0)
    model = make_model()
    optimizer = make_optimizer(model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = wrap(step)
    losses = []
    for _ in range(steps):
        losses.append(run(segue.randn(6, 4), segue.randn(6, 2)).item())
    return losses, [p.detach().numpy().copy() for p in model.parameters()], run


OPTIMIZERS = {
    "sgd": lambda p: segue.optim.SGD(p, lr=0.1),
    "momentum": lambda p: segue.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: segue.optim.Adam(p, lr=0.01),
    "adamw": lambda p: segue.optim.AdamW(p, lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_train_step_is_one_graph(name):
    expected = train(Net, OPTIMIZERS[name], 4, lambda f: f, nn.functional.mse_loss)
    before = stats.read()
    found = train(Net, OPTIMIZERS[name], 4, lambda f: compiled(f, fullgraph=True), nn.functional.mse_loss)
    counted = stats.since(before)
    assert np.allclose(expected[0], found[0], rtol=1e-5)
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(expected[1], found[1]))
    assert counted["breaks"] == 0 and counted["skipped_frames"] == 0
    assert counted["graphs"] <= 2  # p.grad is None before the first step, and a tensor before the others


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25))
        self.head = nn.Linear(4 * 4 * 4, 10)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


def test_convolution_batch_norm_dropout():
    def run(wrap):
        segue.manual_seed(0)
        model = Digits()
        optimizer = segue.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        go = wrap(step)
        losses = [go(segue.randn(5, 1, 8, 8), segue.randint(0, 10, (5,))).item() for _ in range(4)]
        model.eval()
        return losses, model.state_dict()

    expected, expected_state = run(lambda f: f)
    before = stats.read()
    found, state = run(lambda f: compiled(f, fullgraph=True))
    assert np.allclose(expected, found, rtol=1e-5)
    assert all(np.allclose(expected_state[k].numpy(), state[k].numpy(), atol=1e-5) for k in state)
    counted = stats.since(before)
    assert counted["breaks"] == 0 and counted["skipped_frames"] == 0 and counted["graphs"] <= 2


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(0.1))

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).split(c, dim=2)
        q, k, v = (z.view(b, t, self.heads, c // self.heads).transpose(1, 2) for z in (q, k, v))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, c))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary=20, width=16, context=8):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(context, width)
        self.blocks = nn.ModuleList([Block(width, 2) for _ in range(2)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids, targets=None):
        b, t = ids.shape
        x = self.tokens(ids) + self.places(segue.arange(t))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        if targets is None:
            return logits
        return nn.functional.cross_entropy(logits.view(b * t, -1), targets.view(-1))


def test_gpt_train_step():
    def run(wrap):
        segue.manual_seed(0)
        model = GPT()
        optimizer = segue.optim.AdamW(model.parameters(), lr=1e-2)

        def step(ids, targets):
            loss = model(ids, targets)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            return loss

        go = wrap(step)
        return [go(segue.randint(0, 20, (3, 8)), segue.randint(0, 20, (3, 8))).item() for _ in range(4)]

    expected = run(lambda f: f)
    before = stats.read()
    found = run(lambda f: compiled(f, fullgraph=True))
    assert np.allclose(expected, found, rtol=1e-5)
    counted = stats.since(before)
    assert counted["breaks"] == 0 and counted["skipped_frames"] == 0 and counted["graphs"] == 1


def test_dtypes_are_keys_and_finfo_is_known():
    table = {segue.float32: 2.0, segue.float64: 3.0}

    def f(x):
        return x * table[x.dtype] + segue.finfo(x.dtype).eps * 1e6 * (segue.int8 in table) + (x.dtype in table) + table.get(segue.bool, 0.5)

    compiled = segue.compile(f, backend="eager", fullgraph=True)
    for x in (segue.ones(3), segue.ones(3, dtype=segue.float64)):
        assert segue.equal(compiled(x), f(x))
    table[segue.bool] = 7.0
    assert segue.equal(compiled(segue.ones(3)), f(segue.ones(3)))


def test_what_dtypes_promote_to_is_known():
    def f(x, y):
        of = segue.result_type(x, y)
        return (x + y).to(of) * (2 if segue.can_cast(of, segue.float16) else 3), segue.promote_types(x.dtype, y.dtype)

    compiled = segue.compile(f, backend="eager", fullgraph=True)
    for y in (segue.ones(2, dtype=segue.int32), segue.ones(2, dtype=segue.complex64), 2.5 * segue.ones(())):
        found, expected = compiled(segue.ones(2), y), f(segue.ones(2), y)
        assert segue.equal(found[0], expected[0]) and found[1] is expected[1]


def test_a_leaf_made_inside_keeps_its_history():
    def made_inside(x):
        w = x.detach().clone().requires_grad_()
        return w, (w * 2).sum()

    w, loss = compiled(made_inside)(x3())
    loss.backward()
    assert w.grad.tolist() == [2, 2, 2]

    def depends_on_nothing_else(x):
        return x.detach().clone().requires_grad_() * 2

    assert compiled(depends_on_nothing_else)(x3()).requires_grad


def test_the_gradient_of_a_tensor_made_inside_is_handed_on():
    def with_gradient(x):
        w = x.detach().clone().requires_grad_()
        (w * w).sum().backward()
        return w

    w = check(with_gradient, x3())(x3())
    assert w.grad.tolist() == (2 * x3()).tolist()


def test_a_method_as_a_function_changes_the_tensor_outside():
    def bound_before(x, change):
        change()
        return x * 2

    x = segue.ones(2)
    assert compiled(bound_before)(x, x.requires_grad_).requires_grad and x.requires_grad
    y = segue.ones(2, 3)
    compiled(lambda y: segue.Tensor.t_(y) * 2)(y)
    assert tuple(y.shape) == (3, 2)


def test_gradients_switched_on_inside():
    w = segue.ones(3, requires_grad=True)

    def enabled(x):
        y = x * w
        with segue.enable_grad():
            z = y * w
        return y, z

    with segue.no_grad():
        made = check(enabled, x3(), graphs=1)
        _, z = made(x3())
    z.sum().backward()
    assert w.grad.tolist() == x3().tolist()
