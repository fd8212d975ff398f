"""Functions and objects of Python's library that work on plain data, in captured code: they are really called, and made again where they must exist behind the graph.

In come programs, each of which is one graph; where something that they read changes, the answer is still eager mode's.
"""

import array
import ast
import base64
import binascii
import collections
import decimal
import functools
import hashlib
import importlib
import inspect
import io
import json
import logging
import operator
import os
import random
import sys
import types
import uuid
import zlib

import numpy as np
import pytest
from interp_support import compiled, same

import segue
from segue.eager.stats import stats

X = segue.tensor([1.0, 2.0, 3.5])
PRICE = decimal.Decimal("1.10")
CONFIG = {"layers": [1, 2], "name": "net", "rate": 0.5, "bias": None}
CALLER, KEYED = operator.methodcaller("sum", 0), operator.methodcaller("mean", dim=0)


def texts(x):
    text = json.dumps(CONFIG, sort_keys=True, indent=2)
    read = json.loads('{"a": [1, 2.5, "x"], "b": null}')
    return x * read["a"][1], text, json.dumps({"rows": x.shape, "kind": (True, "é")}, separators=(",", ":")), read, ast.literal_eval("{'a': (1, 2)}"), base64.b64encode(b"abc"), base64.b64decode("YWJj")


def hashes(x):
    key = hashlib.md5(json.dumps(CONFIG, sort_keys=True).encode()).hexdigest()
    digest = hashlib.sha256(b"abc")
    other = digest.copy()
    digest.update(bytearray(b"d"))
    small = hashlib.blake2b(digest_size=4)
    small.update(b"a")
    return x * int(key[:2], 16), digest.hexdigest(), other.digest(), digest.name, digest.digest_size, small.hexdigest(), hashlib.new("sha1", b"q").hexdigest(), uuid.uuid5(uuid.NAMESPACE_DNS, "a").hex, digest


def checksums(x):
    return x * (zlib.crc32(b"abc") % 7), zlib.decompress(zlib.compress(b"aaaa", level=9)), zlib.adler32(b"a"), binascii.hexlify(b"ab", "-")


def seeded(x):
    generator, other = random.Random(3), random.Random("text")
    items = [x, x + 1, x + 2, x + 3]
    generator.shuffle(items)
    drawn = generator.choice(items), generator.sample(items, 2), generator.choices(items, weights=[1, 2, 3, 4], k=3), other.sample(range(9), 3)
    numbers = generator.random(), generator.randint(1, 5), generator.gauss(0, 1), other.uniform(1, 2)
    if generator.random() < 0.5:
        x = x * 2
    return x, drawn, numbers, items, generator


def arrays(x):
    rng, old = np.random.default_rng(0), np.random.RandomState(1)
    noise = rng.normal(size=3)
    order = [1, 2, 3]
    rng.shuffle(order)
    return x + segue.from_numpy(noise), rng.permutation(4), rng.integers(0, 9), order, old.rand(2), rng


def buffers(x):
    text = io.StringIO("first\nsecond\nthird\n")
    line, rest = next(text), text.read(3)
    text.seek(0, io.SEEK_END)
    text.write("end")
    with io.BytesIO() as raw:
        raw.write(b"abc")
        content = raw.getvalue()
    lines = [one.strip() for one in io.StringIO("a\nb")]
    return x * len(lines), line, rest, text.getvalue(), content, raw.closed, lines, text, text.tell()


def numbers(x):
    held = array.array("f", [1.0, 2.0])
    held.append(3.5)
    held[0] = 4
    held.extend([5.0])
    return x * held[2] + len(held), held.tolist(), sum(held), held.typecode, held.itemsize, 2.0 in held, max(held), held, list(held)


def money(x):
    total = PRICE * 3 + decimal.Decimal("0.25")
    return x * float(total), total, total.quantize(decimal.Decimal("0.1")), str(-total), total > 3, round(total, 1), int(total), decimal.Decimal(7) / 3


def namespaces(x):
    made, other = types.SimpleNamespace(a=1, b=[2]), types.SimpleNamespace(a=1, b=[2])
    same = made == other, made != other, made == 3
    other.c = 1
    return x * made.a, same, made == other, f"{made} {made!r:>30}", str(other)


def callers(x):
    return CALLER(x) + KEYED(x), operator.methodcaller("clamp", min=2)(x), CALLER, operator.methodcaller("split", "a")("bab")


def machine(x):
    return x * (os.getpid() > 0), os.cpu_count(), os.path.exists("/no/such/file"), os.path.isdir("/"), os.getcwd(), sys.getrecursionlimit()


def loggers(x):
    logger = logging.getLogger(__name__)
    logger.debug("not seen %s", x.shape)
    return x * logger.isEnabledFor(logging.CRITICAL), logger.name, logging.getLogger().name, logger is logging.getLogger(__name__)


def imports(x):
    try:
        import no_such_module_at_all
    except ImportError as error:
        return x * 2, error.name, str(error)
    return no_such_module_at_all


PROGRAMS = [texts, hashes, checksums, seeded, arrays, buffers, numbers, money, namespaces, callers, machine, loggers, imports]
SEEN = {"HASH": lambda one: one.hexdigest(), "Random": lambda one: one.getstate(), "Generator": lambda one: one.bit_generator.state, "StringIO": lambda one: (one.getvalue(), one.tell())}


def seen(value):
    """What can be seen of an object that does not compare."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(seen, value))
    return SEEN.get(type(value).__name__, lambda one: one)(value)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_one_graph(program):
    made, before = compiled(program, fullgraph=True), stats.read()
    for scale in (1, 2, 3):
        assert same(seen(program(X * scale)), seen(made(X * scale)))
    assert stats.since(before)["graphs"] == 1


@pytest.mark.parametrize("program", [texts, seeded, buffers, numbers], ids=lambda program: program.__name__)
def test_sizes_that_vary(program):
    made, before = compiled(program), stats.read()
    for size in (3, 4, 5, 6):
        assert same(seen(program(segue.ones(size))), seen(made(segue.ones(size))))
    assert stats.since(before)["graphs"] == 2


def across_a_break(x):
    digest, text, generator, held = hashlib.md5(b"a"), io.StringIO(), random.Random(1), array.array("i", [1])
    digest.update(b"b")
    text.write("one")
    first = generator.random()
    held.append(2)
    y = x * first
    print(end="")
    digest.update(b"c")
    text.write("two")
    held.append(3)
    return y, digest.hexdigest(), text.getvalue(), generator.random(), held.tolist()


def of_what_changes_later(x):
    data, places = bytearray(b"ab"), [1, 2, 3, 4]
    digest, text, held = hashlib.sha1(data), io.BytesIO(data), array.array("B", data)
    data[0] = 0
    digest.update(data)
    text.write(data)
    generator = random.Random(bytes(data))
    generator.shuffle(places)
    places.append(5)
    data[1] = 0
    first = generator.choice(places)
    print(end="")
    return x * first, digest.hexdigest(), text.getvalue(), held, generator.random(), places


def with_functions_of_its_own(x):
    class Encoder(json.JSONEncoder):
        def default(self, o):
            return "object"

    return json.dumps({"a": x}, default=lambda tensor: tensor.tolist()), json.dumps([object()], cls=Encoder), json.loads("[1]", object_hook=dict, parse_int=str), x * 2


def refused(x):
    found = []
    for wrong in (lambda: json.dumps({"x": x}), lambda: json.loads("{"), lambda: random.Random(1).choice([]), lambda: hashlib.new("none"), lambda: PRICE / 0, lambda: array.array("f", ["a"]),
                  lambda: io.StringIO().no_such_method()):
        try:
            wrong()
        except Exception as error:
            found.append((type(error), str(error)))
    return x * 2, found


def without_a_seed(x):
    return x * 2, random.Random().random() < 2, np.random.default_rng().random() < 2


@pytest.mark.parametrize("program", [across_a_break, of_what_changes_later, with_functions_of_its_own, refused, without_a_seed], ids=lambda program: program.__name__)
def test_what_ends_the_graph_is_eagers(program):
    made = compiled(program)
    for _ in range(2):
        assert same(program(X), made(X))


def test_text_of_a_number_that_the_run_gives():
    def program(x):
        return json.dumps({"loss": x.sum().item(), "shape": list(x.shape)}), x * 2

    made, before = compiled(program, fullgraph=True), stats.read()
    for scale in (1, 2, 3):
        assert same(program(X * scale), made(X * scale))
    assert stats.since(before)["graphs"] == 1


def test_the_context_of_decimals():
    made = compiled(money)
    for digits in (28, 4, 28):
        with decimal.localcontext() as context:
            context.prec = digits
            assert same(money(X), made(X))
    with decimal.localcontext() as context:
        context.traps[decimal.Inexact] = True
        for run in (money, made):
            with pytest.raises(decimal.Inexact):
                run(X)
    assert same(money(X), made(X))


def test_facts_that_change(tmp_path, monkeypatch):
    def program(x):
        return x * os.path.exists("here"), os.path.isfile("here"), os.getcwd()

    made = compiled(program)
    for step in (lambda: monkeypatch.chdir(tmp_path), lambda: (tmp_path / "here").write_text(""), lambda: (tmp_path / "here").unlink()):
        step()
        assert same(program(X), made(X)) and same(program(X), made(X))


def test_a_module_that_appears(tmp_path, monkeypatch):
    def program(x):
        try:
            import module_that_appears_later
        except ModuleNotFoundError:
            return x * 2
        return x * module_that_appears_later.scale

    made = compiled(program)
    assert same(made(X), X * 2) and same(made(X), X * 2)
    (tmp_path / "module_that_appears_later.py").write_text("scale = 7")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert same(made(X), X * 7)
    del sys.modules["module_that_appears_later"]


@functools.singledispatch
def scaled(value, by):
    return value * by


@scaled.register(collections.abc.Sequence)
def _(value, by):
    return [scaled(item, by) for item in value]


@scaled.register(collections.abc.Mapping)
def _(value, by):
    return {name: scaled(item, by) for name, item in value.items()}


class Bag:
    def __init__(self, *items):
        self.items = items

    def __mul__(self, by):
        return Bag(*self.items, by)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, place):
        return self.items[place]


def test_generic_functions_of_abstract_classes():
    def program(x):
        return scaled([x, {"a": x}, (x, 1)], 2), scaled(Bag(x), 2)

    made, before = compiled(program, fullgraph=True), stats.read()
    assert same(program(X), made(X)) and same(program(X), made(X))
    assert stats.since(before)["graphs"] == 1
    collections.abc.Sequence.register(Bag)
    assert same(program(X), made(X)) and type(made(X)[1]) is list


def test_signatures_with_keywords():
    def called(a, b=2, *, c=3):
        return a

    def program(x):
        found = inspect.signature(called)
        return x * found.parameters["c"].default, list(found.parameters)

    made = compiled(program, fullgraph=True)
    assert same(program(X), made(X))
    called.__kwdefaults__ = {"c": 5}
    assert same(program(X), made(X))
    called.__kwdefaults__["c"] = 7
    assert same(program(X), made(X)) and made(X)[0][0] == 7.0
