"""Classes that functions of the library make in captured code: make_dataclass, NamedTuple, types.new_class.

In comes a program that makes one and uses it, out goes eager's answer from one graph.
"""

from __future__ import annotations

import collections
import dataclasses
import types
import typing

import pytest
from interp_support import compiled, same

import segue


def record(x):
    made = dataclasses.make_dataclass("Made", [("a", int), ("b", float, 2.0)])
    one = made(1)
    return x * one.a * one.b, repr(one), dataclasses.asdict(one), made.__module__, one == made(1), dataclasses.replace(one, a=3).a


def frozen_record(x):
    made = dataclasses.make_dataclass("Made", ["a", ("b", list, dataclasses.field(default_factory=list))], namespace={"twice": lambda self: self.a * 2}, frozen=True)
    one = made(3)
    return x * one.twice(), repr(one), one.b, hash(made(1).a)


def typed_tuple(x):
    made = typing.NamedTuple("Made", [("weight", segue.Tensor), ("count", int)])  # noqa: UP014
    one = made(x, 2)._replace(count=3)
    return one.weight * one.count, one._fields, made.__module__, one.count


def plain_tuple(x):
    made = collections.namedtuple("Made", "a b", defaults=[3])  # noqa: PYI024
    one = made(x)
    return one.a * one.b, made.__module__, made._field_defaults


def new_class(x):
    made = types.new_class("Made", (), {}, lambda names: names.update(k=3, get=lambda self: self.k))
    return x * made().get(), made.__name__


@pytest.mark.parametrize("program", [record, frozen_record, typed_tuple, plain_tuple, new_class], ids=lambda program: program.__name__)
def test_one_graph(program):
    made, x = compiled(program, fullgraph=True), segue.tensor([1.0, -2.0])
    for _ in range(2):
        assert same(made(x), program(x))
