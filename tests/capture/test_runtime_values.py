"""Numbers and sizes that only the run of a graph gives: item(), tolist() and their kin inside of compiled functions.

In come programs that ask a tensor for its values. The one idea: what is only kept, computed with and returned stays in the graph; only what decides something ends it,
at the place of the decision.
"""

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
