"""What becomes of the gradients of the step before: their memory, and who may still look at them."""

import pytest

import segue
from segue import nn
from segue.eager.stats import stats
from segue.inductor import runtime


def test_a_step_lets_go_of_the_old_gradients_before_it_makes_new_ones():
    """One weight's gradient is all that is large: the peak is what one step leaves, not two of them and a copy."""
    model = nn.Linear(256, 256)
    optimizer = segue.optim.SGD(model.parameters(), 0.1)
    weight_bytes = 256 * 256 * 4

    @segue.compile(fullgraph=True)
    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    step(segue.randn(2, 256))
    kept = model.weight.grad
    values = kept.clone()
    for held in (1, 2):  # gradients that live when the step begins
        lived = runtime.pool_state()["live_bytes"]
        runtime.forget_peak()
        step(segue.randn(2, 256))
        assert runtime.pool_state()["peak_bytes"] - lived < (weight_bytes if held == 1 else 0) + weight_bytes / 8
    assert kept is not model.weight.grad and segue.equal(kept, values), "who kept the old gradient has it as it was"


@pytest.mark.parametrize("checked", ["before", "after"])
def test_a_step_that_raises_leaves_the_gradients_as_eager_does(checked):
    """`zero_grad()` behind what may raise is behind it for the gradients, too."""
    def run(compiled):
        segue.manual_seed(0)
        model = nn.Embedding(5, 3)
        optimizer = segue.optim.SGD(model.parameters(), 0.1)

        def step(x):
            if checked == "after":
                optimizer.zero_grad()
            loss = model(x).sum()
            if checked == "before":
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        step = segue.compile(step, backend="eager", fullgraph=True) if compiled else step
        step(segue.tensor([1, 2]))
        before = model.weight.grad
        with pytest.raises(IndexError):
            step(segue.tensor([1, 7]))
        return model.weight.grad is before, model.weight.grad, model.weight.detach()

    reruns = stats.read()["reruns"]
    (same, grad, weight), (same_, grad_, weight_) = run(False), run(True)
    assert stats.read()["reruns"] == reruns + 1
    assert same == same_ == (checked == "before") and (grad is None) == (grad_ is None) and segue.equal(weight, weight_)


def test_gradients_are_asked_by_an_iterator_of_parameters():
    """`model.parameters()` is used up by what takes it, as eagerly."""
    model = nn.Linear(3, 2)

    def program(x):
        parameters = model.parameters()
        found = segue.autograd.grad(model(x).square().sum(), parameters, create_graph=True)
        return sum(slope.square().sum() for slope in found), list(parameters)

    x = segue.ones(4, 3)
    total, rest = segue.compile(program, fullgraph=True, backend="eager")(x)
    expected, _ = program(x)
    assert rest == [] and total.item() == expected.item()
