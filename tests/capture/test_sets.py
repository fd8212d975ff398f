"""Sets: their order, those of parameters and other objects, and what becomes of sets from outside.

In comes a program of a set, out goes eager's answer, in eager's order, call after call.
"""

from __future__ import annotations

import collections
import functools

import pytest
from interp_support import check, compiled, same

import segue
from segue import nn


def model():
    segue.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def added_and_dropped(x, seen):
    seen.add("d")
    seen.discard("a")
    found = list(seen)
    seen.add("a")
    return x + 1, found, list(seen)


def joined_and_parted(x, seen):
    seen.difference_update("ab")
    seen |= {"x", "y", "z"}
    seen.symmetric_difference_update("xq")
    seen &= set("cdefghyzq")
    return x + 1, sorted(seen), len(seen)


def popped(x, seen):
    first = seen.pop()
    seen.add(first)
    return x + 1, first, seen.pop(), list(seen)


def emptied(x, seen):
    kept = sorted(seen)
    seen.clear()
    seen.update(reversed(kept))
    seen.add(str(len(kept)))
    return x + 1, len(seen)


@pytest.mark.parametrize("program", [added_and_dropped, joined_and_parted, popped, emptied], ids=lambda function: function.__name__)
def test_a_set_from_outside_has_the_order_that_it_has_eagerly(program):
    x, made = segue.ones(2), compiled(program)
    for content in ("abcdefgh", "abcdef"):
        one, other = set(content), set(content)
        for _ in range(4):
            assert same(made(x, other), program(x, one))
            assert list(other) == list(one)


def test_sets_of_numbers_that_share_places_in_the_table():
    def run(x):
        one = {0, 8, 16}
        one.add(24)
        one |= {32, 40}
        one.discard(0)
        one.add(0)
        other = set(one)
        return x, list(one), list(other | {1}), list(one & {16, 8}), list(one ^ {8, 9}), list(one - {8}), other.pop(), list(frozenset(other)), list(other)

    check(run, segue.ones(2))


def test_parameters_in_a_set_are_gone_over_in_its_order():
    net = model()

    def run(x):
        seen = set(net.parameters())
        total = x.sum()
        for p in seen:
            total = total * 1.5 + p.sum()
        return total, len(seen - frozenset(net[0].parameters())), net[0].weight in seen, [tuple(p.shape) for p in seen]

    made, x = compiled(run, fullgraph=True), segue.ones(3)
    for _ in range(3):
        assert same(made(x), run(x))
        net[0].bias = nn.Parameter(segue.ones(4))


def test_a_set_of_objects_from_outside():
    net = model()
    skipped, layers = {net[0].bias, net[2].bias}, {net[0], net[1]}

    def run(x):
        total = sum(p.sum() for p in net.parameters() if p not in skipped)
        for p in skipped:
            total = total * 1.5 + p.sum()
        rest = set(net.parameters()) - skipped
        return x * total, len(rest), [type(layer).__name__ for layer in layers], skipped == {net[0].bias, net[2].bias}, layers | {net[2]} == set(net.children())

    made, x = compiled(run, fullgraph=True), segue.ones(3)
    assert same(made(x), run(x))
    net[0].bias = nn.Parameter(segue.ones(4))  # it is not in the set
    assert same(made(x), run(x))
    skipped.add(net[0].bias)
    assert same(made(x), run(x))
    layers.discard(net[1])
    assert same(made(x), run(x))


def test_what_a_cached_function_gave_is_not_what_stands_elsewhere_later():
    class Holder:
        pass

    holder = Holder()
    holder.table = first = segue.tensor([1.0, 2.0])

    @functools.lru_cache
    def table():
        return first

    def run(x):
        return x * holder.table, x * table()

    made, x = compiled(run), segue.ones(2)
    assert same(made(x), run(x))
    holder.table = segue.tensor([3.0, 4.0])
    assert same(made(x), run(x))


class Asked:
    """A key that counts how often it is asked for its hash."""

    def __init__(self, number):
        self.number, self.asked = number, 0

    def __hash__(self):
        self.asked += 1
        return self.number

    def __eq__(self, other):
        return self.number == other.number


def test_hashes_that_capture_followed_are_not_asked_again():
    def run(x):
        keys = [Asked(17 * n) for n in range(9)]
        table, counts = {key: x * n for n, key in enumerate(keys)}, collections.defaultdict(list)
        counts[keys[1]].append(2)
        return keys, table, counts, set(keys), {*keys[:6], 3}

    made, x = compiled(run, fullgraph=True), segue.ones(2)
    for _ in range(2):
        keys, table, counts, many, few = made(x)
        eager = run(x)
        assert [key.asked for key in keys] == [key.asked for key in eager[0]]
        assert [[getattr(key, "number", key) for key in one] for one in (table, counts, many, few)] == [[getattr(key, "number", key) for key in one] for one in eager[1:]]
        assert same(table[Asked(34)], x * 2) and counts[Asked(17)] == [2] and Asked(51) in many and Asked(52) not in few


@pytest.mark.parametrize("cls", [set, frozenset])
def test_sets_of_objects_with_hashes_of_their_own_have_eagers_order(cls):
    def of_a_dict(x, numbers):
        keys = list(map(Asked, numbers))
        return cls(dict.fromkeys(keys)), keys

    def of_an_iterator(x, numbers):
        keys = list(map(Asked, numbers))
        return cls(map(keys.__getitem__, range(len(keys)))), keys

    for count in range(3, 30, 4):
        numbers = [7 * n * n % 201 for n in range(count)]
        for program in (of_a_dict, of_an_iterator):
            (found, keys), (expected, others) = compiled(program)(segue.ones(2), numbers), program(segue.ones(2), numbers)
            assert [key.number for key in found] == [key.number for key in expected]
            assert [key.asked for key in keys] == [key.asked for key in others]


def sets_of_a_dict(x, seen):
    table = {17 * n: n for n in range(5)}
    more, odd = {100}, {3}
    more.update(table)
    odd.symmetric_difference_update(table)
    seen.update(table)
    made = [set(table), frozenset(table), {1, 2}.union(table), {0, 17, 34, 51, 68, 85}.difference(table), {0, 17, 34, 51, 68, 85}.intersection(table), more, odd]
    return x + 1, [list(one) for one in made], list(set(list(table))), table.keys() <= more, set(table), frozenset(table), set(made[0]), more  # noqa: C414


def test_sets_of_a_dict_have_the_order_that_its_size_gives_them():
    made, x = compiled(sets_of_a_dict), segue.ones(2)
    for _ in range(2):
        seen, others = {5}, {5}
        found, expected = made(x, seen), sets_of_a_dict(x, others)
        assert same(found, expected) and list(map(list, found[-4:])) == list(map(list, expected[-4:]))
        assert list(seen) == list(others)


TEXTS = ", ".join(repr(f"w{number}") for number in range(20))


@pytest.mark.parametrize("source", [f"lambda x: (x + 1, list({{{TEXTS}}}))", f"lambda x: (x + 1, tuple(word for word in {{{TEXTS}}}), 'w7' in {{{TEXTS}}})"])
def test_a_set_that_is_written_out_has_the_order_of_its_constant(source):
    program = eval(source)  # so that the compiler makes the constant
    found, wanted = segue.compile(program, fullgraph=True)(segue.ones(2)), program(segue.ones(2))
    assert found[1:] == wanted[1:]


def made_of_sets(x, words):
    half = len(words) // 2
    one, other = frozenset(words[:half]), {word + "s" for word in words[half // 2 :]}
    both, apart, left = one | other, other ^ set(one), set(words).union(one, other) - other
    met = one.intersection(words, other)
    stop()
    return x + 1, one, other, both, apart, left, met


def grown_and_thinned(x, words):
    some = set()
    some.update(dict.fromkeys(words))
    some.update(some)
    for word in words[::2]:
        some.discard(word)
    taken = some.pop()
    copies = [some.copy(), set(some), frozenset(some)]
    for word in words[::3]:
        some.add(word + "'")
    stop()
    return x + 1, some, taken, *copies


def written_out(x, words):
    some = {"anchor", "bell", "cask", "deck", "ensign", "funnel", "galley", "hull", "island", "jib", "keel", "lanyard", "mast", "nock", "oar", "pier", "quay", "rudder", "sail"}
    kept = some - {"mast", "jib"}
    some.update(words)
    stop()
    return x + 1, some, kept


def stop():
    print(end="")


@pytest.mark.parametrize("program", [made_of_sets, grown_and_thinned, written_out], ids=lambda function: function.__name__)
def test_a_set_that_lives_across_a_break_lies_as_it_does_eagerly(program):
    """The order follows from the steps that made the set: texts of many hashes, as whoever meets no others in their places lie well whatever the steps."""
    x = segue.ones(2)
    for start in range(0, 600, 20):
        words = [f"word{number * number}" for number in range(start, start + 5 + start // 20)]
        expected, found = program(x, words)[1:], compiled(program)(x, words)[1:]
        assert [type(one) for one in found] == [type(one) for one in expected]
        assert [list(one) for one in found] == [list(one) for one in expected]


def test_the_text_of_a_set_from_outside_has_its_order():
    def f(x, members):
        return x + 1, f"{members}", repr(members)

    made = compiled(f)
    for members in ({12345, 7.5, 33}, {40, float("inf"), 7}, {255, 16, -1.5}, {-1.5, 255, 16}, {8, 0, 16, 1.5}, {2**31, -0.0}):
        assert made(segue.ones(1), members)[1:] == (str(members), repr(members))
