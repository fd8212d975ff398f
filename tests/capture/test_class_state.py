"""Data that captured code puts into classes, functions and on tensors: counters, registries, the last of something.

A program is made twice, once for the eager run and once for the compiled one, since what it changes belongs to its own classes.
"""

from __future__ import annotations

import argparse
import copy
from typing import TypedDict

import pytest
from interp_support import check, compiled, same

import segue
from segue.eager.stats import stats


def counts_instances():
    class Base:
        total = 0

    class Made(Base):
        n = 0
        share = 0.5

        def __init__(self):
            Made.n += 1
            self.id = self.n
            type(self).last = self
            Base.total += 2

        def up(self):
            return super().total

    def run(x):
        one, two = Made(), Made()
        Made.share *= 2
        return x * Made.n * two.share, one.id, two.id, Made.last is two, one.total, one.up(), hasattr(Made, "other"), Base.total

    return run, lambda: (Made.n, Made.share, Made.last.id, Base.total, "total" in vars(Made)), lambda: setattr(Made, "n", 100)


def counts_calls():
    def function(x):
        function.calls = getattr(function, "calls", 0) + 1
        return x * function.calls

    def run(x):
        return function(x), function.calls, vars(function).copy(), hasattr(function, "other")

    return run, lambda: function.calls, lambda: setattr(function, "other", 1)


def registers():
    class Registry:
        kinds = ()
        table = None

        @classmethod
        def add(cls, name, value):
            cls.kinds += (name,)
            cls.table = {**(cls.table or {}), name: value}

    def run(x):
        Registry.add("a", x * 2)
        Registry.last = x + 1
        return Registry.table["a"] + Registry.last, len(Registry.kinds)

    return run, lambda: (Registry.kinds[-1:], Registry.table, Registry.last), lambda: setattr(Registry, "kinds", ())


def layers_that_count():
    class Layer(segue.nn.Module):
        count = 0

        def forward(self, x):
            Layer.count += 1
            return x * self.count

    net = segue.nn.Sequential(Layer(), Layer())
    return net.forward, lambda: Layer.count, lambda: setattr(net[0], "count", 7)


def tensors_with_names():
    weight = segue.ones(2)
    weight.tag = "w"

    def run(x):
        made = x * weight
        made.note, made.itself = [1], made
        made.note.append(2)
        weight.seen = getattr(weight, "seen", 0) + 1
        return made, made.note, made.itself is made, weight.tag, weight.seen, hasattr(made, "other"), hasattr(weight, "later"), hasattr(made.detach(), "note")

    return run, lambda: (weight.seen, weight.tag), lambda: setattr(weight, "later", 1)


def a_dict_that_is_its_own():
    class Settings(dict):
        def __init__(self, **named):
            super().__init__(**named)
            self.__dict__ = self

    settings = Settings(rate=2.0, n=1)

    def run(x):
        settings.n += 1
        settings["m"] = settings.n
        settings.k = 3
        del settings["k"]
        return x * settings.rate, settings["n"], settings.m, dict(settings), "k" in settings, hasattr(settings, "k"), vars(settings) is settings

    return run, lambda: list(settings.items()), lambda: settings.update(rate=5.0)


@pytest.mark.parametrize("program", [counts_instances, counts_calls, registers, layers_that_count, tensors_with_names, a_dict_that_is_its_own])
def test_state_of_classes(program):
    (eager, eager_state, eager_change), (plain, state, change) = program(), program()
    made, x = compiled(plain), segue.tensor([1.0, -2.0])
    before = stats.read()
    for turn in range(6):
        if turn == 3:
            eager_change()
            change()
        assert same(eager(x), made(x))
        assert same(eager_state(), state())
    assert stats.since(before)["breaks"] == 0


def test_two_objects_with_one_dict_see_what_the_other_stores():
    def made():
        one, two = Plain(v=1), Plain()
        two.__dict__ = one.__dict__

        def run(x):
            one.v += 1
            two.v += 10
            two.w = one.v
            return x * one.v, two.v, one.w

        return run

    eager, plain, x = made(), compiled(made()), segue.ones(2)
    for _ in range(3):
        assert same(eager(x), plain(x))


def test_what_is_on_a_result_stays_on_it():
    def run(x):
        made = x * 2
        made.note, made.itself, made.of = "n", made, x
        return made

    x = segue.ones(2)
    made = compiled(run)(x)
    assert made.note == "n" and made.itself is made and made.of is x


def counts_up_to_an_error():
    class Made:
        n = 0

    def run(x):
        Made.n += 1
        if Made.n == 2:
            raise ValueError(Made.n)
        return x * Made.n

    return run, lambda: Made.n


def test_what_stood_before_an_error_stays():
    (eager, eager_state), (plain, state) = counts_up_to_an_error(), counts_up_to_an_error()
    made, x = compiled(plain), segue.ones(2)
    for turn in range(4):
        if turn == 1:
            for run in (eager, made):
                with pytest.raises(ValueError, match="2"):
                    run(x)
        else:
            assert same(eager(x), made(x))
        assert eager_state() == state()


def test_what_a_class_acts_by_is_not_stored_in_a_graph():
    class Made:
        @property
        def size(self):
            return 2

    def run(x):
        Made.size = 3
        Made.double = lambda self, x: x * 2
        return Made().double(x) * Made().size

    made = compiled(run)
    assert made(segue.ones(2)).tolist() == [6.0, 6.0] and (Made.size, Made().double(4)) == (3, 8)
    assert "storing attribute 'size'" in str(made.cache.settings.captured[0].ended)


class Options(TypedDict, total=False):
    a: int
    b: str


class Plain:
    def __init__(self, **named):
        vars(self).update(named)


def takes(a, b=1, *, c=2):
    return a


def dicts_of_objects(x):
    one, two, space = Plain(a=1), Plain(a=1), argparse.Namespace(lr=0.5)
    made = Options(a=1, b="z")
    made["a"] += 2
    return x * 2, vars(one) == vars(two), vars(one) != {"a": 2}, vars(one) | {"b": 2}, space == argparse.Namespace(lr=0.5), "lr" in space, made, type(made) is dict


def parts_of_functions(x):
    return x * 2, takes.__code__.co_varnames, takes.__code__.co_argcount, takes.__kwdefaults__, takes.__defaults__


@pytest.mark.parametrize("program", [dicts_of_objects, parts_of_functions])
def test_one_graph(program):
    check(program, segue.ones(3), graphs=1)


def test_numbers_that_vary_are_their_own_copies():
    state = {"n": 1, "share": 0.5}

    def run(x):
        taken = copy.deepcopy(state)
        state["n"] += 1
        state["share"] += 0.25
        return x * taken["n"], taken["share"], copy.copy(state["n"])

    made, found = compiled(run), []
    before = stats.read()
    for _ in range(4):
        out, share, after = made(segue.ones(1))
        found.append((out.item(), share, after))
    assert found == [(1.0, 0.5, 2), (2.0, 0.75, 3), (3.0, 1.0, 4), (4.0, 1.25, 5)]
    assert stats.since(before)["breaks"] == 0


class Acting:
    def act(self, x):
        return x + 1


class ActingMore(Acting):
    def act(self, x):
        return super().act(x) * 2


def replaced(self, x):
    return x * 5


def methods_that_are_replaced(x):
    one, before = ActingMore(), (Acting.act, ActingMore.act)
    found = [one.act(x)]
    Acting.act = lambda self, x: x - 1
    found.append(one.act(x))
    ActingMore.act = replaced
    found += [one.act(x), ActingMore.act(one, x), ActingMore.act is replaced]
    ActingMore.twice = lambda self, x: self.act(self.act(x))
    bound = one.twice
    found += [one.twice(x), bound(x), bound.__self__ is one]
    one.act = lambda x: x
    found.append(one.act(x))
    Acting.act, ActingMore.act = before
    return [*found, ActingMore().act(x)]


def test_methods_that_are_replaced():
    made, found = compiled(methods_that_are_replaced, fullgraph=True), []
    for run in (methods_that_are_replaced, made, made):
        if hasattr(ActingMore, "twice"):
            del ActingMore.twice
        found.append(run(segue.ones(2)))
        assert ActingMore().twice(3) == 18 and ActingMore().act(1) == 4
    assert same(found[0], found[1]) and same(found[0], found[2])


def test_a_forward_that_is_replaced_for_a_while():
    class Scaled(segue.nn.Module):
        def forward(self, x):
            return x * 2

    def other(self, x):
        return x * 3

    def run(model, x):
        before, Scaled.forward = Scaled.forward, other
        y = model(x)
        Scaled.forward = before
        return y, model(x)

    model, made = Scaled(), compiled(run, fullgraph=True)
    for _ in range(2):
        assert same(made(model, segue.ones(2)), run(model, segue.ones(2)))
    Scaled.forward = other
    assert same(made(model, segue.ones(2)), run(model, segue.ones(2))) and Scaled.forward is other
