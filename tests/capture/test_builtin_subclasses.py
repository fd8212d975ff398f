"""Users' classes that derive from str, int, float, complex, bytes, tuple, set and frozenset: made, computed with, printed and returned in one graph."""

from __future__ import annotations

import collections
import math
from typing import NamedTuple

import pytest
from interp_support import check, compiled

import segue
from segue.eager.stats import stats


class Text(str):
    __slots__ = ("tag",)

    def loud(self):
        return self.upper()


class Name(str):
    def __new__(cls, text, tag):
        made = super().__new__(cls, text)
        made.tag = tag
        return made

    def __eq__(self, other):
        return isinstance(other, str) and self.lower() == other.lower()

    def __hash__(self):
        return hash(self.lower())

    def __repr__(self):
        return f"Name({str.__repr__(self)})"


class Count(int):
    def doubled(self):
        return self * 2

    def __add__(self, other):
        return Count(int(self) + int(other))


class Plain(int):
    pass


class Metres(float):
    unit = "m"

    def __repr__(self):
        return f"{float(self)} {self.unit}"


class Data(bytes):
    def size(self):
        return len(self)


class Bag(set):
    def add(self, item):
        super().add(item)
        self.last = item


class Fixed(frozenset):
    def ordered(self):
        return sorted(self)


class Wave(complex):
    pass


class Vector(NamedTuple):
    x: float
    y: float = 0.0

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor)

    __rmul__ = __mul__

    def __abs__(self):
        return (self.x * self.x + self.y * self.y) ** 0.5


class Sized(tuple):
    __slots__ = ()

    def __len__(self):
        return 9

    def __contains__(self, item):
        return True


class Tagged(tuple):  # noqa: SLOT001
    def __new__(cls, *items):
        return super().__new__(cls, items)

    def __init__(self, *items):
        self.tag = len(items)

    def __add__(self, other):
        return Tagged(*(one + two for one, two in zip(self, other)))


FAR = Vector(3.0, 4.0)


def vectors(x):
    v, w = Vector(x, x * 2), Vector(3.0, 4.0)
    first, second = v + FAR
    found = [v + w, 2 * w, w * 2, w[0], w[:1], len(w), [*w], w == (3.0, 4.0), w != FAR, w < (5.0,), abs(w), {w: 1}[(3.0, 4.0)], hash(w) == hash((3.0, 4.0)), w in [FAR], 3.0 in w, repr(w), f"{w}"]
    more = [w._replace(x=1.0), w._asdict(), Vector._make([1.0, 2.0]), isinstance(w, tuple), w.index(4.0), max(w), sorted(w), "%s %s" % w, bool(w), FAR + FAR, math.hypot(*w)]
    return first, second, found, more, FAR


def tuples(x):
    t, s = Tagged(1, 2), Sized((1, 2))
    return x, t + t, t.tag, (t + t).tag, vars(t), t * 2, (1, *t), [*s], len(s), 7 in s, s == (1, 2), bool(s)


def text(x):
    s = Text("abc")
    s.tag = 1
    parts = [s.loud(), s.tag, s + "d", "z" + s, s[1], s[1:], len(s), "b" in s, list(s), s == "abc", f"{s}|{s:>5}|{s!r}", {s: 1}["abc"], s.split("b"), ",".join([s, s])]
    return x, s, parts, type(s + "d"), isinstance(s, str), "%s" % s, s.center(7), bool(Text()), s < "b", s < "b", s * 2, type(str(s)), Text(s), hash(s) == hash("abc")


def a_text_of_its_own(x):
    name = Name("Ab", 3)
    return x, name, name.tag, name == "AB", name != "ab", repr(name), str(name), f"{name}", [name][0] is name, {name: 1}["aB"] if False else name.lower()


def whole_numbers(x):
    i, p = Count(3), Plain(2)
    found = [i.doubled(), type(i.doubled()), i + 1, type(i + 1), 1 + i, [1, 2, 3, 4][i], i.bit_length(), i.real, -i, abs(i), i == 3, i < 4, i < 4, i // 2, int(i), str(i), f"{i:03d}", i & 1]
    return x * i, i * x, found, x[:p], math.sqrt(p), list(range(p)), [0] * p, round(p), divmod(p, 2), hash(p), type(p + 0), x.sum(Plain(0)), p


def floats(x):
    f = Metres(1.5)
    found = [f + 1, Metres(2.0), repr(f), str(f), f"{f:.3f}", f.is_integer(), round(f), math.floor(f), f > 1, float(f), type(float(f)), max(f, 1), f"{f}", f.unit, Metres("2.5")]
    return x * f, f * x, found, x + Metres(2), x ** Metres(2), Wave(1 + 2j) * 2, Wave(1, 2).imag


def bags(x):
    s = Bag([1, 2])
    s.add(3)
    s |= {5}
    more = s | {7}
    s.discard(1)
    found = [s.last, type(more), more, 3 in s, len(s), sorted(s), s == {2, 3, 5}, s - {2}, s.copy(), type(s), {1} | s, s & {3}, s <= {2, 3, 5, 6}, repr(Bag([1])), list(Bag([4])), bool(Bag())]
    return x, s, found


def fixed(x):
    s, d = Fixed([1, 2]), Data(b"ab")
    found = [s.ordered(), 1 in s, type(s | {3}), {s: 4}[frozenset([1, 2])], s == {1, 2}, len(s), Fixed(), repr(s), hash(s) == hash(frozenset([1, 2]))]
    return x, s, found, d.size(), d, d + b"c", d[0], d.decode(), list(d), d == b"ab", repr(d)


@pytest.mark.parametrize("program", [text, a_text_of_its_own, whole_numbers, floats, bags, fixed, vectors, tuples], ids=lambda program: program.__name__)
def test_one_graph(program):
    check(program, segue.tensor([1.0, -2.0, 3.0]), graphs=None)
    compiled(program, fullgraph=True)(segue.ones(3))


def test_those_from_outside_are_guarded_by_what_they_are():
    def program(x, text, count, length, bag):
        bag.add(9)
        return x * count.doubled() * length, text.loud(), text, bag.last, 1 in bag, f"{length}"

    made, x, before = compiled(program, fullgraph=True), segue.ones(2), stats.read()
    for arguments in ((Text("a"), Count(2), Metres(0.5), Bag([1])), (Text("b"), Count(2), Metres(0.5), Bag([1])), (Text("b"), Count(3), Metres(-0.0), Bag([2])), (Text("b"), Count(3), Metres(0.0), Bag([2]))):
        other = Bag(arguments[3])
        expected = program(x, *arguments[:3], other)
        y, *found = made(x, *arguments)
        assert y.tolist() == expected[0].tolist() and found == list(expected[1:]) and found[1] is arguments[0] and arguments[3] == other
    assert stats.since(before)["captures"] == 4


def test_a_method_that_is_replaced_is_noticed(monkeypatch):
    made, x = compiled(lambda x, count: x * count.doubled()), segue.ones(2)
    assert made(x, Count(2)).tolist() == [4.0, 4.0]
    monkeypatch.setattr(Count, "doubled", lambda self: int(self) * 10)
    assert made(x, Count(2)).tolist() == [20.0, 20.0]
    monkeypatch.setattr(Count, "__int__", lambda self: 7, raising=False)
    assert made(x, Count(2)).tolist() == [70.0, 70.0]


def test_reflected_methods_have_python_s_order():
    class Reflected(int):
        def __rmul__(self, other):
            return "asked"

        def __radd__(self, other):
            return "asked"

    check(lambda x, r: (x * r, 2 * r, 3 + r, r * 2), segue.ones(2), Reflected(3), graphs=None)


class Record(collections.OrderedDict):
    """As transformers' ModelOutput: attributes that are items, too, and items by number."""

    def __getitem__(self, key):
        return tuple(self[name] for name in self.keys())[key] if isinstance(key, int) else dict(self.items())[key]

    def __setattr__(self, name, value):
        super().__setitem__(name, value)
        super().__setattr__(name, value)


class Doubled(list):
    def __getitem__(self, index):
        return list.__getitem__(self, index) * 2

    def __len__(self):
        return 99


class Odd(tuple):
    def __getitem__(self, index):
        return tuple.__getitem__(self, index) * 2

    def __iter__(self):
        yield 5

    def __len__(self):
        return 99


def test_what_a_class_says_of_its_items_is_not_asked_where_they_are_loaded():
    record = Record()
    record.first, record.second = segue.ones(2), segue.full((2,), 3.0)

    def program(x, record, doubled, odd):
        record.third = x
        doubled.append(x)
        return x * record["first"] + record.second + record[2], doubled[0] + x, len(doubled), len(record), odd[0] + x, len(odd), list(odd), list(record)

    made = check(program, segue.ones(2), record, Doubled([segue.ones(2)]), Odd((segue.ones(2), "text")), graphs=1)
    assert made(segue.ones(2), record, Doubled([segue.full((2,), 4.0)]), Odd((segue.ones(2), "text")))[1].tolist() == [9.0, 9.0]


def test_equal_texts_of_two_objects_are_found_in_a_list():
    class Names:
        wanted = "-".join(["layer", "norm"])

    check(lambda x, names: x * (Names.wanted in names) + (names.index("-".join(["layer", "norm"]))), segue.ones(2), ["other", "layer-norm"], graphs=1)
