"""Numbers and sizes that only the run of a graph gives: item(), tolist() and their kin inside of compiled functions.

In come programs that ask a tensor for its values. The one idea: what is only kept, computed with and returned stays in the graph; only what decides something ends it,
at the place of the decision.
"""

import math

import pytest

import segue

X = segue.tensor([1.0, 2.0, 3.5])
N = segue.tensor([3, 4])
PROGRAMS = {  # name -> (program, its breaks)
    "item": (lambda x, n: (x * 2).sum().item(), 0),
    "an int": (lambda x, n: (x * 2, n.sum().item()), 0),
    "float()": (lambda x, n: float(x.mean()) * 2 + 1, 0),
    "float() of an int": (lambda x, n: float(n[0]), 0),
    "int()": (lambda x, n: int(n.max()), 0),
    "tolist": (lambda x, n: ((x + 1).tolist(), n.tolist(), n[0].tolist(), x.reshape(1, 3).half().tolist()), 0),
    "with tensors": (lambda x, n: x * x.sum().item() + n.sum().item(), 0),
    "a quotient": (lambda x, n: x.sum().item() / 3, 0),
    "as it was before a write": (lambda x, n: [(y := x * 1), v := y.sum().item(), y.add_(1), y.sum().item() - v][1:], 0),
    "of what requires grad": (lambda x, n: (x.clone().requires_grad_() * 2).sum().item(), 0),
    "a branch": (lambda x, n: (x * 2 if x.sum().item() > 7 else x * 3) + 1, 1),
    "a branch on a bool": (lambda x, n: x * 2 if (x > 0).all() else x * 3, 1),
    "text": (lambda x, n: f"{x.sum().item():.2f}", 0),
    "int() of a float": (lambda x, n: int(x.sum()), 0),
    "int() of a float that was a number": (lambda x, n: x * int(x.sum().item() / 3), 0),
    "a size from a float": (lambda x, n: segue.ones(int(abs(x).sum().item())) + x.sum(), 0),
    "a rounded float": (lambda x, n: [how(x.sum().item() / 4) for how in (round, math.floor, math.ceil, math.trunc)], 0),
    "a float with few digits": (lambda x, n: (x + 1, round(x.sum().item(), 2), f"loss {round(x.mean().item(), 3)}", {"loss": round(x.sum().item() / 3, 4)}), 0),
    "arithmetic of one": (lambda x, n: x * round(x.sum().item(), 2), 1),
    "a root": (lambda x, n: (math.sqrt(x.square().sum().item()) / 2, x * math.sqrt(abs(x).sum().item())), 0),
    "arithmetic of ints": (lambda x, n: n.sum().item() + 1, 0),
    "arithmetic of a list": (lambda x, n: [2 * i - 1 for i in n.tolist()], 0),
    "a quotient of ints": (lambda x, n: (n.sum().item() / 4, (x > 1).sum().item() / len(x)), 0),
    "a remainder": (lambda x, n: (n.sum().item() // 2, n.max().item() % 3, -n.min().item()), 0),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_numbers(name):
    program, breaks = PROGRAMS[name]
    compiled = segue.compile(program)
    before = segue.compiler.stats()["breaks"]
    for x in (X, X + 1, -X):
        found, expected = compiled(x, N), program(x, N)
        assert repr(found) == repr(expected) and type(found) is type(expected)
    assert segue.compiler.stats()["breaks"] - before == breaks


SHARES = {
    "int": lambda x, share: x[: int(len(x) * share)],
    "round and max": lambda x, share: x.topk(max(1, round(share * len(x)))).values,
    "floor and ceil": lambda x, share: x[math.floor(share * 2) : math.ceil(share * 5)] * math.trunc(share * 9),
    "a root": lambda x, share: x[: int(len(x) * math.sqrt(1 - share))] * math.sqrt(share),
    "an int returned": lambda x, share: (x * 2, int(share * 100), round(share * 7)),
}


@pytest.mark.parametrize("name", SHARES)
def test_sizes_from_floats_that_differ_need_no_graph_for_each(name):
    program = SHARES[name]
    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for n in (5, 8, 6, 9, 12, 7, 33, 18):
        x, share = segue.arange(float(n)), 1 / n + 0.1
        assert str(compiled(x, share)) == str(program(x, share))
    assert len(compiled.cache.settings.captured) == 2


F = segue.nn.functional
HANDED = {
    "alpha": lambda x, a: x.add(x, alpha=-a) - x.addcmul(x, x, value=a) + x.addcdiv(x, x + 3, value=1 - a), "lerp": lambda x, a: (x.lerp(x * 2, a), x.lerp(x * 2, 1 - a)), "clamp": lambda x, a: x.clamp(-a, a), "where": lambda x, a: segue.where(x > 0, x, a).masked_fill(x > 1, a),
    "quantile": lambda x, a: x.quantile(a), "leaky_relu": lambda x, a: F.leaky_relu(x, a) + F.softplus(x, beta=a), "full": lambda x, a: segue.full((3,), a) * x.new_full((3,), a),
    "draws": lambda x, a: (segue.empty(3).uniform_(0, a), segue.normal(0.0, a, (3,))), "losses": lambda x, a: F.huber_loss(x, x * 2, delta=a) + F.cross_entropy(x[None], segue.tensor([0]), label_smoothing=a),
    "eps": lambda x, a: F.layer_norm(x, (4,), eps=a), "linspace": lambda x, a: segue.linspace(0, a, 4) + x,
}  # fmt: skip


@pytest.mark.parametrize("name, backend", [*((name, "eager") for name in HANDED), ("alpha", "inductor"), ("lerp", "inductor"), ("leaky_relu", "inductor"), ("eps", "inductor")])
def test_floats_in_the_hands_of_operators_need_no_graph_for_each(name, backend):
    program = HANDED[name]
    compiled = segue.compile(program, backend=backend, fullgraph=True)
    for a in (0.2, 0.35, 0.1, 0.45, 0.3):
        x = segue.linspace(-1, 1, 4)
        segue.manual_seed(1)
        expected = program(x, a)
        segue.manual_seed(1)
        segue.testing.assert_close(compiled(x, a), expected)
    assert len(compiled.cache.settings.captured) == 2


def test_a_float_that_the_run_gives_is_handed_to_operators():
    def program(x):
        scale = x.square().mean().item()
        return x.addcmul(x, x, value=scale), segue.full((2,), scale)

    compiled = segue.compile(program, fullgraph=True)
    for x in (X, -X, X * 2):
        segue.testing.assert_close(compiled(x), program(x))


def test_an_int_of_a_float_that_decides_takes_the_float_as_a_constant():
    def program(x, share):
        return x * 2 if int(share * 10) > 3 else x

    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for share in (0.2, 0.5, 0.3, 0.45, 0.2):
        assert compiled(X, share).equal(program(X, share))
    assert len(compiled.cache.settings.captured) == 4


def test_the_root_of_a_negative_number_raises_as_in_python():
    compiled = segue.compile(lambda x: (math.sqrt(x.sum().item()), x + 1), fullgraph=True)
    assert compiled(X)[0] == math.sqrt(6.5)
    for x in (-X, X):
        if x is X:
            assert compiled(x)[0] == math.sqrt(6.5)
        else:
            with pytest.raises(ValueError, match="math domain error"):
                compiled(x)


@pytest.mark.parametrize("number", [1e30, -1e19, float("nan"), float("inf")])
def test_a_float_that_no_int_of_a_graph_can_be_is_for_python(number):
    def program(x, seen):
        seen.append(1)
        return int((x * 1).sum()), x + 1

    compiled = segue.compile(program, fullgraph=True)
    assert compiled(segue.tensor(2.5), [])[0] == 2
    found = []
    for run in (program, compiled):
        seen = []
        try:
            found.append((run(segue.tensor(number), seen)[0], seen))
        except (ValueError, OverflowError) as error:
            found.append((type(error), str(error), seen))
    assert found[0] == found[1]


def test_a_tensor_of_several_elements_has_no_item():
    with pytest.raises(RuntimeError, match="3 elements"):
        segue.compile(lambda x: x.item())(X)


def test_the_loss_of_a_training_step_is_a_number_and_the_step_one_graph():
    model = segue.nn.Linear(3, 1)
    optimizer = segue.optim.SGD(model.parameters(), lr=0.01)

    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    compiled = segue.compile(step, fullgraph=True)
    losses = [compiled(X) for _ in range(4)]
    assert all(type(loss) is float for loss in losses) and losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("write", [
    lambda x: f"{x.item():.3f} of {x.item() / 3!r}", lambda x: "loss %.4f of %d" % (x.item(), 3), lambda x: "loss " + str(x.item()), lambda x: f"{x.long().item()} {x.long().item():4d}",
], ids=range(4))  # fmt: skip
def test_texts_of_numbers_that_the_run_gives_are_written_behind_the_graph(write):
    kept = []

    def f(x):
        kept.append(write(x.sum()))
        return x * 2

    compiled = segue.compile(f, backend="eager", fullgraph=True)
    for x in (segue.ones(3), segue.full((3,), 2.5)):
        compiled(x)
        f(x)
    assert kept[::2] == kept[1::2]
