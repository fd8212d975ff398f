"""Memory that two tensors share, or may share: what a graph copies where eager mode goes on in the same memory, and who could tell.

In come programs that write, or give out, what `contiguous()`, `reshape` or a branch of `cond` returned. The one idea: the compiled program gives what the eager one gives, also
in every tensor that it wrote, whichever size it was compiled for; and where nobody can tell, a size of 1 needs no graph of its own.
"""

import warnings

import pytest

import segue

LENGTHS = (5, 9, 1, 3)


def written(x):
    y = x * 2
    z = y.t().contiguous()  # y's memory where x has one row
    z.add_(1)
    return y, z


def source_written(x):
    y = x * 2
    z = y.t().reshape(-1)
    y.add_(1)
    return z * 1, y


def view_of_it_written(x):
    y = x * 2
    z = y.t().contiguous().contiguous()
    z[:1].mul_(3)
    return y.sum(0), z


def input_written(x):
    x.t().contiguous().view(-1)[:2].zero_()
    return x * 1


def both_given_out(x):
    y = x * 2
    return y, y.t().contiguous()


def given_out(x):
    return x.t().reshape(-1)


def nobody_can_tell(x):
    return x.t().contiguous().view(-1) * 2 + (x * 3).t().reshape(-1)


def heads(x):
    q = x.view(1, x.shape[0], 2, 2).transpose(1, 2)
    return ((q @ q.transpose(-2, -1)).softmax(-1) @ q).transpose(1, 2).contiguous().view(1, -1, 4)


def outcome(function, x):
    """Results and argument behind the call, and all of them once more when the results and the argument were written."""
    found = function(x)
    tensors = [*(found if isinstance(found, tuple) else [found]), x]
    before = [t.clone() for t in tensors]
    for number, t in enumerate(tensors):
        t.add_(number + 1)
    return [*before, *tensors]


@pytest.mark.parametrize("lengths", [LENGTHS, (5, 1, 4, 7)])
@pytest.mark.parametrize("program, graphs", [
    (written, 3), (source_written, 3), (view_of_it_written, 3), (input_written, 3), (both_given_out, 3), (given_out, 3), (nobody_can_tell, 2), (heads, 2)])  # fmt: skip
def test_a_copy_that_nobody_can_tell_asks_nothing(program, graphs, lengths):
    compiled = segue.compile(program, backend="eager", fullgraph=True)
    before = segue.compiler.stats()["graphs"]
    for n in lengths:
        x = segue.rand(n, 4)
        for a, b in zip(outcome(compiled, x.clone()), outcome(program, x.clone()), strict=True):
            assert segue.allclose(a, b)
    assert segue.compiler.stats()["graphs"] - before == graphs


# ------------------------------------------------------------------------------------------------------------- control flow


def operand(x, y):
    return segue.cond(x.sum() > 0, lambda a: a, lambda a: a[:], (y,)), y


def closure(x, y):
    return segue.cond(x.sum() > 0, lambda: y * 2, lambda: y), y


def closure_kept_inside(x, y):
    z = y + 1
    return segue.cond(x.sum() > 0, lambda: z, lambda: z * 2) * 3


def inner_closure(x, y):
    z = y + 1
    found = segue.cond(x.sum() > 0, lambda: segue.cond(x.sum() > 1, lambda: z, lambda: z * 2), lambda: z * 3)
    found.mul_(2)
    return found, z


def twice(x, y):
    def both():
        z = y * 2
        return z, z[:]

    a, b = segue.cond(x.sum() > 0, both, lambda: (y + 1, y + 2))
    a.add_(1)
    return a, b


def carry(x, y):
    return segue.scan(lambda c, a: (a, c), y[0], y), y


def carried_closure(x, y):
    last, rows = segue.scan(lambda c, a: (x, c * a), x * 1, y)
    last.add_(1)
    return last, rows, x


def no_turn(x, y):
    return segue.while_loop(lambda i, a: i < 0, lambda i, a: (i + 1, a * 2), (segue.tensor(0), y)), y


def unconditional_write(x, y):
    z = y * 2
    last = segue.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a + z), (segue.tensor(0), z))[1]
    last.zero_()
    return z, last


BREAKING = (closure, inner_closure, twice, carried_closure)


def flat(value):
    return [leaf for item in value for leaf in flat(item)] if isinstance(value, (tuple, list)) else [value]


@pytest.mark.parametrize("program", [operand, closure, closure_kept_inside, inner_closure, twice, carry, carried_closure, no_turn, unconditional_write], ids=lambda p: p.__name__)
def test_results_of_control_flow_share_what_they_share_eagerly(program):
    compiled = segue.compile(program, backend="eager")
    before = segue.compiler.stats()["breaks"]
    for sign in (1.0, -1.0, 0.1):
        found = []
        for run in (compiled, program):
            x, y = segue.full((4,), sign), segue.arange(8.0).reshape(2, 4)
            results = flat(run(x, y))
            with segue.no_grad():
                results[0].add_(5)
            found.append([*results, x, y])
        assert all(segue.equal(a, b) for a, b in zip(*found, strict=True))
    assert (segue.compiler.stats()["breaks"] > before) is (program in BREAKING)


def test_what_a_branch_raises_is_raised_where_it_runs():
    def program(x):
        def refuse():
            raise ValueError("no")

        try:
            return segue.cond(x.sum() > 0, refuse, lambda: x * 3)
        except ValueError:
            return x * 5

    compiled = segue.compile(program, backend="eager")
    for x in (segue.ones(2), -segue.ones(2)):
        assert segue.equal(compiled(x), program(x))


def test_recording_that_a_branch_switches_on():
    def program(x):
        def on():
            with segue.enable_grad():
                return x * 2

        with segue.no_grad():
            return segue.cond(x.sum() > 0, on, lambda: x * 3), segue.cond(x.sum() > 0, lambda a: a, lambda a: a * 2, (x,))

    compiled = segue.compile(program, backend="eager")
    for sign in (1.0, -1.0):
        x = segue.full((2,), sign, requires_grad=True)
        assert [y.requires_grad for y in compiled(x)] == [y.requires_grad for y in program(x)]


@pytest.mark.parametrize("shape", [(0,), (1, 2), (2,)])
def test_an_out_from_outside_is_resized_as_eagerly(shape):
    compiled = segue.compile(lambda x, out: segue.add(x, 1, out=out), backend="eager")
    out = segue.zeros(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = compiled(segue.ones(2), out)
    assert result is out and out.tolist() == [2.0, 2.0]
