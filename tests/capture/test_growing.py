"""Histories and memories: lists and deques from outside that are longer at each call are not compiled for each length."""

import collections
import copy

import pytest
from interp_support import compiled, same

import segue
from segue.eager.stats import stats

KINDS = {"list": list, "deque": collections.deque, "bounded": lambda: collections.deque(maxlen=5)}


def last(x, h):
    h.append(x.sum().item())
    return x * h[-1], len(h)


def difference(x, h):
    h.append(x.sum().item())
    return h[-1] - h[-2] if len(h) > 1 else 0.0


def mean(x, h):
    h.append(x.sum().item())
    return x * 2, sum(h) / len(h)


def every_third(x, h):
    h.append(x.sum().item())
    if len(h) % 3 == 0:
        print(end="")
        return x * 3, max(h)
    return x * 2


def window(x, h):
    h.append(x.sum().item())
    return x * 2, sum(list(h)[-3:]) if type(h) is not list else sum(h[-3:]) if len(h) >= 3 else 0.0


def begun(x, h):
    if not h:
        h.append(1.0)
    h.extend([2.0, 3.0])
    return x * 2 if h else x


def in_place(x, h):
    h += [1.0, 2.0]
    return x * len(h), h


def aliased(x, h):
    other = {"h": h}
    other["h"].append(1.0)
    h.append(2.0)
    return x * other["h"][-2], other["h"] is h


def first(x, h):
    h.append(float(len(h)))
    return x * h[0]


def popped(x, h):
    h.append(2.0)
    h.append(3.0)
    return x * h.pop(), len(h)


def too_far(x, h):
    h.append(3.0)
    try:
        return x * h[-4]
    except IndexError as error:
        return x, str(error)


def copies(x, h):
    h.append(2.0)
    made = list(h)
    made.append(1.0)
    return x * len(made), h.copy(), copy.deepcopy(h)


def compared(x, h):
    h.append(len(h))
    return x * 2, h == [0], h == [0], h != h, h is None, isinstance(h, list), 3 in h, h > type(h)([0])


def printed(x, h):
    h.append(len(h))
    return x * 2, f"{h}", str(h)


def looped(x, h):
    h.append(2.0)
    for value in h:
        x = x + value
    return x


def listed(x, h):
    h.append(len(h))
    return x * 2, sorted(h), list(zip(h, "abc")), [v for v in h if v % 2], any(h), [*h]


def stored_in(x, h):
    h.append(0.0)
    h[-1] = 5.0
    h[0] = 1.0
    return x * h[-1]


def tensors(x, h):
    h.append(x * 2)
    return segue.stack(list(h)).sum()


PROGRAMS = [last, difference, mean, every_third, window, begun, in_place, aliased, first, popped, too_far, copies, compared, printed, looped, listed, stored_in, tensors]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@pytest.mark.filterwarnings("ignore:segue. .* was compiled 16 times")
def test_longer_at_each_call(program, kind):
    made, real, expected = compiled(program), KINDS[kind](), KINDS[kind]()
    for n in range(12):
        x = segue.full((2,), float(n % 5))
        assert same(made(x, real), program(x, expected)), n
        assert same(list(real), list(expected)), n


@pytest.mark.parametrize("program", [last, difference, begun, in_place, aliased], ids=lambda program: program.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_the_end_is_known_and_no_length_is_compiled_for_itself(program, kind):
    made, real, before = compiled(program, fullgraph=True), KINDS[kind](), stats.read()
    for n in range(20):
        made(segue.full((2,), float(n)), real)
    assert stats.since(before)["captures"] <= 4


@pytest.mark.parametrize("program", [mean, first, printed, listed, compared], ids=lambda program: program.__name__)
def test_where_all_items_are_asked_for_the_graph_ends_after_some_lengths(program):
    made, real, before = compiled(program), [], stats.read()
    for n in range(20):
        made(segue.full((2,), float(n)), real)
    assert stats.since(before)["captures"] <= 8


def test_two_that_are_one_and_two_that_are_not():
    def run(x, a, b):
        a.append(1.0)
        b.append(2.0)
        return x * a[-1], len(a), len(b)

    made, x = compiled(run), segue.ones(2)
    one, other, expected_one, expected_other = [], [], [], []
    for shared in (False, False, False, True, True, False, True):
        got = made(x, one, one if shared else other)
        assert same(got, run(x, expected_one, expected_one if shared else expected_other)), shared
        assert one == expected_one and other == expected_other


def test_another_class_or_bound_is_noticed():
    def run(x, h):
        h.append(x)
        return x * len(h)

    class Mine(list):
        def append(self, item):
            super().append(item)
            super().append(item)

    made, x = compiled(run), segue.ones(2)
    makers = [list, list, collections.deque, lambda items: collections.deque(items, 3), lambda items: collections.deque(items, 2), Mine, list]
    for make in makers:
        for count in (1, 2, 3, 4):
            assert same(made(x, make([0] * count)), run(x, make([0] * count))), (make, count)
