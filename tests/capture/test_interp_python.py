"""Plain Python through the symbolic interpreter: the result is Python's. No tensors."""

from __future__ import annotations

import collections
import functools
import itertools
import operator
from dataclasses import dataclass, field
from enum import Enum

import pytest
from interp_support import check


class Color(Enum):
    RED = 1
    BLUE = 2


Point = collections.namedtuple("Point", "x y")


@dataclass
class Box:
    width: int
    height: int = 2
    tags: list = field(default_factory=list)

    @property
    def area(self):
        return self.width * self.height

    def scaled(self, by):
        return Box(self.width * by, self.height * by, [*self.tags, by])


class Counter:
    total = 0

    def __init__(self, start=0):
        self.count = start

    def __call__(self, by=1):
        self.count += by
        return self.count

    def __len__(self):
        return self.count

    def __getitem__(self, key):
        return (self.count, key)

    def __add__(self, other):
        return Counter(self.count + (other.count if isinstance(other, Counter) else other))

    __radd__ = __add__

    def __eq__(self, other):
        return isinstance(other, Counter) and self.count == other.count

    def __hash__(self):
        return hash(self.count)

    def __lt__(self, other):
        return self.count < other.count

    def __contains__(self, item):
        return item < self.count

    def __iter__(self):
        return iter(range(self.count))

    @classmethod
    def made(cls, n):
        return cls(n)

    @staticmethod
    def twice(n):
        return 2 * n

    def __enter__(self):
        self.count += 10
        return self

    def __exit__(self, kind, value, trace):
        self.count -= 5
        return kind is ValueError


class Child(Counter):
    def __init__(self, start):
        super().__init__(start + 1)

    def __call__(self, by=1):
        return super().__call__(by * 2)


def arithmetic(a, b):
    return a + b * 2 - a // b, a % b, a**2, -a, ~a, a << 2, a & b, a | b, a ^ b, a / b, a < b <= 5 or a == 7, not a


def branches(n):
    if n > 3:
        return "big"
    elif n == 3:
        return "three"
    return "small" if n else "none"


def loops(n):
    total = 0
    for i in range(n):
        if i == 2:
            continue
        if i == 7:
            break
        total += i
    else:
        total += 100
    while total > 50:
        total -= 7
    return total


def containers(n):
    xs = [1, 2, 3]
    xs.append(n)
    xs.extend((5, 6))
    xs[0] = 9
    del xs[1]
    xs.insert(1, 77)
    xs.sort()
    d = {"a": 1, "b": 2}
    d["c"] = n
    d.setdefault("e", []).append(4)
    s = {1, 2, n}
    s.add(9)
    first, *middle, last = xs
    return xs, d, sorted(s), first, middle, last, xs[::-1], xs[1:3], d.pop("a"), list(d.items()), n in s, 3 in xs, "b" in d


def comprehensions(n):
    return [i * j for i in range(n) for j in range(2) if i != j], {i: str(i) for i in range(n)}, {i % 3 for i in range(n)}, sum(i for i in range(n)), tuple(x for x in "ab")


def strings(n, name):
    return f"{name!r:>10}|{n:05d}|{n / 3:.2f}|{name}", name.upper() + "x" * n, "-".join([name, "b"]), "%s %d" % (name, n), f"{n} {name}", name[0], name.split("e")


def closures(n):
    count = n

    def add(k=2, *args, key=3, **rest):
        nonlocal count
        count += k + key + sum(args) + sum(rest.values())
        return count

    return add(), add(1, 2, 3, key=4, z=5), (lambda q: q + count)(1), count


def iteration(n):
    return (
        list(zip(range(n), "abc")), list(enumerate("xy", 1)), list(map(lambda a, b: a + b, [1, 2], [3, 4])), list(filter(None, [0, 1, 2])), list(reversed([1, 2, n])),
        sorted([3, 1, 2], key=lambda v: -v), max(3, n), min([4, n]), any(v > 2 for v in range(n)), all([1, n]), sum([1, 2], n), list(itertools.chain([1], (2,))),
        list(itertools.islice(itertools.count(3), 2)), list(itertools.product([1, 2], [3])), list(itertools.accumulate([1, 2, 3])), functools.reduce(operator.mul, [1, 2, n]),
    )


def generators(n):
    def count(k):
        got = 0
        for i in range(k):
            got = (yield i + (got or 0))
        return "end"

    def outer(k):
        result = yield from count(k)
        yield result

    g = count(n)
    first = next(g)
    sent = g.send(10)
    return first, sent, list(outer(3)), list(g), [*count(2)]


def exceptions(n):
    log = []
    try:
        log.append("in")
        if n > 1:
            raise ValueError("bad", n)
        _ = {}["missing"] if n else 1 // 0
    except KeyError as e:
        log.append(("key", e.args))
    except (ValueError, ZeroDivisionError) as e:
        log.append((type(e).__name__, str(e), e.args))
    else:
        log.append("else")
    finally:
        log.append("finally")
    try:
        try:
            [][n]
        finally:
            log.append("inner")
    except LookupError:
        log.append("lookup")
    return log


def contexts(n):
    c = Counter(n)
    with c as inside:
        inside(2)
    with c, Counter(3) as d:
        d(1)
        raise ValueError("swallowed")
    return c.count, d.count


def objects(n):
    box = Box(n)
    box.tags.append(1)
    big = box.scaled(3)
    c = Child(n)
    c(2)
    total = c + Counter(1) + 2
    p = Point(1, y=n)
    moved = p._replace(x=5)
    return (box.area, big, c.count, total.count, c == Counter(c.count), c[3], len(c), 1 in c, list(c), Counter.made(3).count, Counter.twice(4), c.twice(1), p.x, p, moved,
            Color.RED.value, Color(2) is Color.BLUE, isinstance(c, Counter), hasattr(c, "nope"), getattr(c, "nope", 7), sorted([Counter(3), Counter(1)])[0].count, type(c) is Child)


def partials(n):
    add = functools.partial(lambda a, b, c=0: (a, b, c), 1, c=n)
    return add(2), add(3, c=4), operator.itemgetter(1)([1, 2]), operator.attrgetter("width")(Box(n))


def matching(value):
    match value:
        case {"kind": "a", "v": v}:
            return "dict", v
        case [1, *rest]:
            return "list", rest
        case Point(x=0, y=y):
            return "point", y
        case Box(width=w) if w > 3:
            return "box", w
        case str() as s:
            return "str", s
        case None | True:
            return "constant"
        case _:
            return "other"


def walrus(n):
    return [y for x in range(n) if (y := x * 2) > 2]


def recursion(n):
    return 1 if n < 2 else n * recursion(n - 1)


def collection_kinds(n):
    d = collections.defaultdict(list)
    d["a"].append(n)
    d["b"].append(2)
    o = collections.OrderedDict(a=1)
    o["b"] = n
    o.move_to_end("a")
    return d, o, dict(d), list(o)


def assertions(n):
    assert n > 0, f"n is {n}"
    return n


CASES = [
    (arithmetic, (7, 3)), (arithmetic, (2, 5)), (branches, (5,)), (branches, (3,)), (branches, (0,)), (loops, (5,)), (loops, (20,)), (containers, (4,)), (comprehensions, (4,)),
    (strings, (3, "hello")), (closures, (5,)), (iteration, (3,)), (generators, (3,)), (exceptions, (0,)), (exceptions, (1,)), (exceptions, (2,)), (contexts, (1,)), (objects, (4,)),
    (partials, (3,)), (matching, ({"kind": "a", "v": 3},)), (matching, ([1, 2, 3],)), (matching, (Point(0, 4),)), (matching, (Box(5),)), (matching, ("s",)), (matching, (None,)),
    (matching, (3,)), (walrus, (5,)), (recursion, (6,)), (collection_kinds, (3,)), (assertions, (3,)), (assertions, (0,)),
]  # fmt: skip


@pytest.mark.parametrize(("function", "args"), CASES, ids=[f"{f.__name__}-{i}" for i, (f, _) in enumerate(CASES)])
def test_result_is_pythons(function, args):
    raises = function is assertions and args == (0,)
    check(function, *args, breaks=None if raises else 0)
