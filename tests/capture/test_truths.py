"""Bools that only the run gives: kept, negated, returned, and checked where one side of a branch only raises."""

from __future__ import annotations

import contextlib
import math

import pytest
from interp_support import check, compiled, same

import segue
from segue.eager.stats import stats

GOOD, BAD = segue.tensor([1.0, 2.0]), segue.tensor([1.0, -2.0])


def raised_at_once(x):
    if not (x > 0).all():
        raise ValueError(f"the least is {x.min()}")
    return x * 2


def asserted(x):
    assert (x > 0).all(), "not positive"
    if not ((x > 0).all() and x.dim() == 1):
        raise AssertionError
    return x * 2


def of_two(x):
    if x[0] > 5 or x[1] < 0:
        raise OverflowError
    return x + 1


def of_a_number(x):
    loss = x.log().sum().item()
    if not math.isfinite(loss) or loss < -1e9:
        print("it diverged")
        raise FloatingPointError(f"{loss}")
    return x * loss


def in_a_callee(x):
    def checked(values, name):
        if name is None or (values < 0).any().item():
            if name is None:
                raise TypeError("no name")
            raise ValueError(name)
        return values

    with contextlib.nullcontext():
        try:
            return checked(x, "x") * 2
        finally:
            x = None


def behind_a_write(x):
    x += 1
    if segue.equal(x, segue.tensor([2.0, -1.0])):
        raise ValueError("equal")
    return x


def asked_of_segue(x):
    segue._assert(x.min() > 0, "why")
    segue._assert_async(x.min() > 0, "why")
    return x


def one_of_several(x):
    n = x.shape[0]
    if not ((x > 9).all() or n == 3 or not (x < 0).any()):  # what an assertion is where pytest does not rewrite it
        raise AssertionError(f"{x.min()}")
    if (x < 0).any() and (x > -9).all():
        raise AssertionError
    if (x < 0).any() and n == 2:
        raise OverflowError
    if not (x.dim() == 2 or (x > 9).all() or n == 2):
        raise AssertionError
    return x * 2


def any_or_all_of(x):
    if not (all(value > 0 for value in x) or not any((value > 9).any() for value in [x, x * 2])):
        raise AssertionError("one")
    if any(map(segue.isnan, x)) or not all(pair[1] > 0 for pair in zip((1, 2), x)):
        raise OverflowError
    return x + 1


PROGRAMS = [one_of_several, any_or_all_of, raised_at_once, asserted, of_two, of_a_number, in_a_callee, behind_a_write, asked_of_segue]


@pytest.mark.parametrize("backend", ["eager", "inductor"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_branch_that_only_raises_is_checked_by_the_run(program, backend):
    made = compiled(program, backend=backend, fullgraph=True)
    for given in (GOOD, BAD, GOOD):
        eager, ours = given.clone(), given.clone()
        before = stats.read()
        try:
            expected = program(eager)
        except Exception as error:
            with pytest.raises(type(error)) as problem:
                made(ours)
            assert str(problem.value) == str(error) and stats.since(before)["reruns"] == 1
        else:
            assert made(ours).tolist() == expected.tolist() and stats.since(before)["reruns"] == 0
        assert ours.tolist() == eager.tolist()


def test_bools_are_results():
    def program(x, y):
        same, near = segue.equal(x, y), not x.allclose(y + 1e-9)
        return x * 2, same, near, bool(x.sum()), (x > 1).any().item(), not x[0], x.is_nonzero() if x.numel() == 1 else None, math.isnan(x.sum().item()), x.sum().item() > 2, segue.equal(x, x[:1])

    made = check(program, GOOD, GOOD, graphs=1)
    assert made(GOOD, BAD)[1:] == program(GOOD, BAD)[1:] and all(type(item) in (bool, type(None)) for item in made(BAD, GOOD)[1:])


def test_a_gradient_stands_beside_a_check():
    def step(x, w):
        loss = (x * w).sum()
        if not segue.isfinite(loss):
            raise FloatingPointError
        loss.backward()
        return w.grad

    for run in (step, compiled(step, fullgraph=True)):
        w = segue.ones(2, requires_grad=True)
        assert run(GOOD, w).tolist() == [1.0, 2.0]
        with pytest.raises(FloatingPointError):
            run(GOOD * math.inf, w)
        assert w.grad.tolist() == [1.0, 2.0]  # the step that failed has changed nothing


def test_what_is_caught_in_the_captured_code_is_a_break():
    def program(x):
        try:
            if (x < 0).any():
                raise ValueError
        except ValueError:
            return x * 0
        return x * 2

    made, before = compiled(program), stats.read()
    assert [made(given).tolist() for given in (GOOD, BAD)] == [[2.0, 4.0], [0.0, -0.0]]
    counted = stats.since(before)
    assert counted["breaks"] > 0 and counted["reruns"] == 0


def test_within_a_branch_of_cond_nothing_is_checked_that_may_not_run():
    def checked(x):
        if (x < 0).any():
            raise ValueError("negative")
        return x.sqrt()

    program = lambda x: segue.cond(x.sum() > 0, checked, lambda x: x * 0, (x,))
    made = compiled(program)
    assert made(segue.tensor([4.0])).tolist() == [2.0] and made(segue.tensor([-4.0])).tolist() == [0.0]


class Initialised(segue.nn.Module):
    """As ActNorm and vector quantisers do it: a flag in a buffer says whether the first batch has come."""

    def __init__(self):
        super().__init__()
        self.register_buffer("done", segue.tensor(False))
        self.register_buffer("count", segue.tensor([0]))
        self.scale = segue.nn.Parameter(segue.ones(2))

    def forward(self, x):
        if not self.done.item():
            with segue.no_grad():
                self.scale.copy_(x.mean(0))
                self.done.fill_(True)
        if not self.count.item():
            x = x + 1
        return x * self.scale if not self.count else x


def test_a_flag_that_an_object_keeps_is_guarded():
    ours, theirs = Initialised(), Initialised()
    made, x, before = segue.compile(ours, fullgraph=True), segue.arange(4.0).reshape(2, 2), stats.read()
    for step in range(8):
        assert made(x).tolist() == theirs(x).tolist() and ours.done.item() is theirs.done.item()
        for model in (ours, theirs):
            if step == 2:
                model.count += 1
            if step == 4:
                model.done.zero_()
                model.count = segue.tensor([0])
    assert stats.since(before)["captures"] == 3


def test_a_flag_that_the_graph_writes_or_that_is_an_argument_is_no_constant():
    class Counter:
        left = None

    counter = Counter()

    def program(x, flag):
        counter.left -= 1
        if counter.left:
            x = x * 2
        return x + 1 if flag else x

    made = compiled(program)
    for left, flag in ((2, True), (1, False), (1, True), (3, True)):
        found = []
        for run in (program, made):
            counter.left = segue.tensor(left)
            found.append(run(segue.ones(1), segue.tensor(flag)).item())
        assert found[0] == found[1]


def test_any_and_all_of_tensors_are_results():
    def program(x):
        rest = iter([x, x * 2, x * 3])
        return x, all(value > 0 for value in x), any([False, x.sum() > 0, True]), all([x.sum() > 0, False]), all(value.sum() > -9 for value in rest), any(x > 9 for x in x), len(list(rest))

    made = check(program, GOOD, graphs=None, breaks=None)
    assert made(BAD)[1:] == program(BAD)[1:]


CALLS: list = []


def noted(x):
    CALLS.append(1)
    return x.sum() > 0


def counting_in_an_assertion(x):
    if not ((x > 0).all() or noted(x)):
        raise AssertionError
    return x * len(CALLS)


def counting_within_any(x):
    return any(noted(value) for value in x), x * len(CALLS)


def writing_in_an_assertion(x):
    y = x * 2
    if not ((x > 0).all() or y.add_(1).sum() > 0):
        raise AssertionError
    return y


def taking_part_of_an_iterator(x):
    rest = iter([x, x * 2, x * 3])
    found = any((value > 0).all() for value, _ in zip(rest, range(9)))
    return found, len(list(rest)), x * 2


@pytest.mark.parametrize("program", [counting_in_an_assertion, counting_within_any, writing_in_an_assertion, taking_part_of_an_iterator], ids=lambda program: program.__name__)
def test_what_may_not_run_changes_nothing(program):
    found = []
    for run in (program, compiled(program)):
        CALLS.clear()
        for given in (GOOD, BAD + 2, GOOD):
            found.append((run(given), len(CALLS)))
    assert all(same(*pair) for pair in zip(found[:3], found[3:]))
