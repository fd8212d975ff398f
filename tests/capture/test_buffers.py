"""bytearrays, memoryviews, struct and dates in captured code: one graph, and what is filled is filled."""

from __future__ import annotations

import argparse
import datetime
import operator
import struct
import types

import pytest
from interp_support import check, compiled, outcome, same

import segue
from segue.eager.stats import stats

HEADER = struct.Struct("<IH")
START = datetime.date(2024, 2, 28)
PICK = operator.itemgetter(1)


def filled(x):
    b = bytearray(b"abc")
    b.append(100)
    b[0] = 122
    b += b"zz"
    b.extend(i for i in (1, 2))
    b[1:3] = b"longer"
    del b[2]
    c = bytearray(4)
    c[1:3] = (120, 121)
    c.reverse()
    return x * len(b), b, bytes(b), b[0], b[1:3], c, b.pop(), b.find(b"z"), b == bytes(b), b != c, b < c, sum(c), list(c), b.hex(), b + b"x", b"y" + c, c * 2, b"n" in b, 100 in b


def kept(x):
    def fill(b, n):
        for i in range(n):
            b.append(i)
        return b

    b = bytearray("hi", "ascii")
    return fill(b, 3) is b, b, x * 2, b.decode("latin1"), bool(bytearray()), isinstance(b, (bytes, bytearray)), bytes(reversed(b)), int.from_bytes(b, "big"), bytearray.fromhex("ff"), b"-".join([b"a", b"b"]), type(b)


def viewed(x):
    b = bytearray(b"xyzw")
    m, fixed = memoryview(b), memoryview(b"abcdef")
    m[0] = 65
    m[1:3] = b"BC"
    part = m[2:]
    part[1] = 66
    words = m.cast("H")
    return x * fixed[1], fixed[::2].tobytes(), len(m), m.nbytes, words.format, words.shape, list(fixed[:2]), b, fixed.readonly, fixed == b"abcdef", words.tolist(), part, m.obj is b, m.hex()


def released(x):
    with memoryview(b"ab") as m:
        k = m[0]
    try:
        m[0]
    except ValueError as problem:
        return x * k, str(problem)


def packed(x):
    p, b = struct.pack("<IHf", 1, 2, 0.5), bytearray(8)
    struct.pack_into("<I", b, 2, 7)
    return x * 2, p, struct.unpack("<IHf", p), struct.calcsize("<IHf"), struct.unpack_from("<H", b, 2), list(struct.iter_unpack("<H", p[:4])), HEADER.pack(1, 2), HEADER.size, struct.Struct("<H").unpack(b"ab")


def refused(x):
    b, found = bytearray(2), []
    for wrong in (lambda: b.append(300), lambda: b[5], lambda: b.index(b"q"), lambda: memoryview(b"a").__setitem__(0, 1), lambda: bytearray(-1), lambda: b + 1):
        try:
            wrong()
        except (ValueError, IndexError, TypeError) as problem:
            found.append((type(problem).__name__, str(problem)))
    return x * 2, found


def dated(x):
    end = START + datetime.timedelta(days=3)
    moment = datetime.datetime(2020, 1, 1, 12)
    return x * end.day, end.isoformat(), (end - START).days, end > START, moment.strftime("%Y-%m"), datetime.datetime.strptime("2020", "%Y").year, {START: 1}[datetime.date(2024, 2, 28)], moment.replace(hour=1), end


def gotten(x):
    a = argparse.Namespace(lr=1, ab=2)
    return PICK([1, x]), operator.methodcaller("sum", 0)(x), dict(vars(a)), {**vars(a)}, types.MappingProxyType({"ab": 1}), dict(types.MappingProxyType({"ab": 1}))


PROGRAMS = [filled, kept, viewed, released, packed, refused, dated, gotten]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_one_graph(program):
    check(program, segue.tensor([1.0, -2.0, 3.0]), graphs=1)


def test_from_outside():
    def program(x, b):
        b[0] += 1
        b.append(33)
        return x * b[0], bytes(b), len(b)

    check(program, segue.ones(2), bytearray(b"global"), graphs=1)
    b, made = bytearray(b"ab"), compiled(lambda x: x * b[0])
    assert made(segue.ones(1)).item() == 97
    b[0] = 3
    assert made(segue.ones(1)).item() == 3


def test_a_bytearray_that_is_only_passed_on_may_hold_anything():
    made, before = compiled(lambda x, b: (x + 1, b)), stats.read()
    for n in range(3):
        b = bytearray(n)
        assert made(segue.ones(1), b)[1] is b
    assert stats.since(before)["graphs"] == 1


def test_views_live_through_a_break(capsys):
    def program(x):
        b = bytearray(b"abcd")
        part = memoryview(b)[1:3]
        y = x * part[0]
        print(y.shape)
        part[0] = 1
        return y, b, part.tobytes()

    check(program, segue.ones(2), breaks=None)


def test_resizing_under_a_view():
    def program(x):
        b = bytearray(b"ab")
        m = memoryview(b)
        b.append(1)
        return x, m

    found = outcome(compiled(program), (segue.ones(1),), {})
    assert found[0] == "raised" and type(found[1]) is BufferError and same(found[1], outcome(program, (segue.ones(1),), {})[1])
