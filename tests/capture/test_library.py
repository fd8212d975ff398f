"""Parts of Python's library inside of compiled functions: regular expressions, generic functions, namespaces, partial methods.

In come programs, each of which is one graph; where something that they read changes, the answer is still eager mode's.
"""

import collections
import contextlib
import copy
import functools
import inspect
import io
import os
import pathlib
import pickle
import re
import string
import sys
import types
import weakref

import pytest
from interp_support import check, same
from interp_support import compiled as strictly

import segue
import segue.onnx
from segue.eager.errors import CaptureError
from segue.eager.stats import stats

X = segue.tensor([1.0, 2.0, 3.5])
LIMITS = types.MappingProxyType({"low": 1.5, "high": 3.0})
DIGITS = re.compile(r"(\d+)")


@functools.singledispatch
def scaled(value):
    return 7


@scaled.register
def _(value: segue.Tensor):
    return value * 3


class Layer:
    @functools.singledispatchmethod
    def apply(self, value):
        return value

    @apply.register
    def _(self, value: int):
        return value + 5

    def power(self, x, exponent):
        return x**exponent

    square = functools.partialmethod(power, exponent=2)


class Config(types.SimpleNamespace):
    def area(self):
        return self.width * self.height


LAYER = Layer()
OUTSIDE = types.SimpleNamespace(rate=0.5, seen=[])


def namespaces(x):
    made = types.SimpleNamespace(x=x, n=2)
    made.y = made.x * made.n
    del made.n
    config = Config(width=3, height=2)
    return made, config.area(), vars(config)["width"], getattr(made, "n", None), config, x * OUTSIDE.rate


def patterns(x):
    names = [re.sub(r"\.(\d+)", lambda m: "_" + m.group(1), name) for name in ("a.1", "b.22")]
    total = sum(int(m.group()) for m in re.finditer(r"\d+", "1 2 3"))
    found = re.match(r"(?P<kind>[a-z]+)(\d+)", "layer12")
    parts = [[m.group() for m in DIGITS.finditer("1a22b333", pos=1, endpos=7)], DIGITS.sub(lambda m: m.group() * 2, string="a1b2", count=1)]
    return x * total * int(DIGITS.search("ab12").group(1)), names, parts, found["kind"], re.match("a", "b"), string.Template("$a b").substitute(a=found.group(2))


def proxies(x):
    return x.clamp(LIMITS["low"], LIMITS.get("high", 2.0)), "low" in LIMITS, len(LIMITS), list(LIMITS)


def generics(x):
    return scaled(x) + scaled("a"), LAYER.square(x)


class Child:
    def __init__(self, parent):
        self.parent = weakref.ref(parent)


CHILD = Child(LAYER)


def references(x):
    return CHILD.parent().power(x, 3), os.path.join("a", "b"), segue.cuda.is_available()


@pytest.mark.parametrize("program", [references, namespaces, patterns, proxies, generics], ids=lambda program: program.__name__)
def test_one_graph(program):
    check(program, X, graphs=1)


def test_what_one_version_keeps_in_c_or_in_a_weak_dict_breaks():
    check(lambda x: (x * 2, LAYER.apply(2), LAYER.apply("b"), str(pathlib.PurePath("b") / "c.txt")), X, breaks=None)


def test_what_is_changed_later_is_seen():
    compiled = segue.compile(lambda x: (x * OUTSIDE.rate, scaled(1.0)), backend="eager")
    assert same(compiled(X), (X * 0.5, 7))
    scaled.register(float, lambda value: value + 1)
    OUTSIDE.rate = 2.0
    assert same(compiled(X), (X * 2.0, 2.0))


def test_a_weak_reference_is_followed_at_every_call():
    first, second = Layer(), Layer()
    first.rate, second.rate = 2.0, 3.0
    child = Child(first)
    compiled = segue.compile(lambda x: x if child.parent() is None else x * child.parent().rate, backend="eager")
    assert same(compiled(X), X * 2.0)
    child.parent = weakref.ref(second)
    assert same(compiled(X), X * 3.0)
    del second
    assert child.parent() is None and same(compiled(X), X)


def test_a_namespace_from_outside_is_changed():
    def program(x, config):
        config.step += 1
        config.last = x * 2
        return config

    check(program, X, types.SimpleNamespace(step=3), graphs=1)


def test_a_cached_function_takes_objects_by_identity_and_sizes():
    class Recipe:
        def __init__(self, parts):
            self.parts = parts

    @functools.lru_cache
    def cooked(recipe, shape, names=()):
        return [shape[0] * recipe.parts, -1], tuple(reversed(range(len(shape)))), {"first": shape[0], "names": names}

    first, second = Recipe(1), Recipe(2)
    chosen = [first]

    def program(x):
        sizes, order, _ = cooked(chosen[0], tuple(x.shape), (("a", 2),))
        return x.permute(order).reshape(sizes) * 2

    compiled = segue.compile(program, fullgraph=True, backend="eager")
    for length in (4, 6, 8, 10):
        x = segue.ones(length, 4)
        assert compiled(x).shape == program(x).shape == (length, 4)
    assert len(compiled.cache.settings.captured) == 2
    chosen[0] = second
    assert compiled(x).shape == program(x).shape == (20, 2)


def test_what_a_cache_keeps_for_a_size_is_not_drawn_again():
    @functools.lru_cache
    def noise(length):
        return segue.randn(length)

    def program(x):
        return x + noise(x.shape[0])

    compiled = segue.compile(program, backend="eager")
    for length in (3, 4, 5):
        x = segue.zeros(length)
        segue.testing.assert_close(compiled(x), program(x))
        segue.testing.assert_close(compiled(x), program(x))


def test_a_cached_function_runs_under_the_modes_around_the_call():
    weight = segue.nn.Parameter(segue.tensor([2.0, 3.0, 4.0]))

    @functools.lru_cache
    def doubled(factor):
        return weight * factor

    def program(x):
        with segue.no_grad():
            made = doubled(2)
        return x * made, made.requires_grad

    compiled = segue.compile(program, fullgraph=True, backend="eager")
    out, wants = compiled(X)
    assert not wants and not out.requires_grad and doubled.cache_info().misses == 1
    segue.testing.assert_close(out, program(X)[0])
    assert doubled.cache_info().misses == 1


def checked(x):
    segue._assert(x.ndim == 2, f"expected two dimensions, got {x.ndim}")
    segue._assert(x.shape[0] > 1, "too few rows")
    return x * 2 if segue.jit.is_scripting() or segue.jit.is_tracing() or segue._C._get_tracing_state() else x * 3


def test_assertions_about_shapes_are_answered_during_capture():
    compiled = segue.compile(checked, fullgraph=True, backend="eager")
    for rows in (2, 3, 4, 5):
        segue.testing.assert_close(compiled(segue.ones(rows, 3)), checked(segue.ones(rows, 3)))
    assert len(compiled.cache.settings.captured) == 2
    for wrong in (segue.ones(3), segue.ones(1, 3)):
        check(checked, wrong, breaks=None)


def test_one_code_for_several_numbers_of_groups():
    def convolved(x, weight, groups):
        return segue.nn.functional.conv2d(x, weight, groups=groups)

    compiled = segue.compile(convolved, fullgraph=True, backend="eager")
    for groups in (1, 2, 4):
        x, weight = segue.ones(1, 4, 5, 5), segue.ones(4, 4 // groups, 3, 3)
        segue.testing.assert_close(compiled(x, weight, groups), convolved(x, weight, groups))


def test_questions_about_tensors_and_devices_are_followed():
    class Doubled(segue.nn.Module):
        def forward(self, x):
            return x * 2

    module = Doubled()

    def program(x):
        found = next(value for value in (module, x) if segue.is_tensor(value))
        with segue.autocast(found.device.type, enabled=False), segue.autocast("cuda", enabled=False):
            return module(found) + 1

    check(program, X)


def test_a_cached_function_gets_named_tuples_as_they_are():
    class Recipe:
        parts = 3

    Key = collections.namedtuple("Key", "recipe shape")  # noqa: PYI024
    recipe = Recipe()

    @functools.lru_cache
    def width(key):
        return key.shape[1] * key.recipe.parts if isinstance(key, Key) else -1

    check(lambda x: x * width(Key(recipe, (2, 4))), X, breaks=None)


def cached_behind_changes():
    ran, state = [], {"n": 0}

    class Table:
        def __init__(self):
            self.k, self.steps = 3, 0

        @functools.lru_cache(4)  # noqa: B019
        def row(self, n, *, by=1):
            ran.append((n, self.steps, state["n"]))
            return tuple(i * self.k * by for i in range(n))

        @staticmethod
        @functools.lru_cache(typed=True)
        def sum(a, b):
            ran.append((a, state["n"]))
            return a + b

    table = Table()

    def run(x):
        table.steps += 1
        state["n"] += 1
        return x * table.row(3, by=2)[-1] + table.sum(1, 2) + Table.sum(1.0, 2)

    def forget():
        Table.row.cache_clear()
        table.k = 5

    return run, lambda: (ran, table.steps), forget


def test_a_cached_function_behind_changes_is_part_of_the_graph_once_it_has_an_answer():
    """Its first run must see what was changed before it: it breaks the graph, until the cache has what it gave."""
    (eager, eager_state, eager_forget), (plain, state, forget) = cached_behind_changes(), cached_behind_changes()
    made, x = strictly(plain), segue.ones(2)
    for turn in range(6):
        if turn == 3:
            eager_forget()
            forget()
        assert same(eager(x), made(x))
        assert eager_state() == state()
    before = stats.read()
    assert same(eager(x), made(x)) and stats.since(before)["recompiles"] == 0
    whole = strictly(plain, fullgraph=True)  # which raises where the graph would break
    eager(x)
    assert same(eager(x), [whole(x), whole(x)][1])


def without_effect(x):
    with segue.backends.cuda.sdp_kernel(enable_flash=False):
        made = segue.nn.functional.scaled_dot_product_attention(x, x, x)
    before = segue.get_float32_matmul_precision()
    segue.set_float32_matmul_precision("highest")
    return made, before, segue.backends.cuda.flash_sdp_enabled(), segue.backends.cudnn.enabled, segue.are_deterministic_algorithms_enabled()


def test_switches_without_effect_are_part_of_the_graph():
    check(without_effect, segue.ones(1, 2, 3, 4), graphs=1)
    with pytest.raises(CaptureError, match="set_default_device"):
        segue.compile(lambda x: (segue.set_default_device("cpu"), x * 2), fullgraph=True, backend="eager")(X)


def stretched(x, by=2.0):
    return x * by


def test_what_code_asks_of_functions_is_known():
    class Layer(segue.nn.Module):
        def forward(self, x, mask=None):
            return x if mask is None else x * mask

    layer = Layer()

    def program(x):
        place = Layer.forward.__code__.co_varnames.index("mask") - 1
        names = inspect.signature(layer.forward).parameters
        return stretched(x, len(names)) + place * inspect.signature(stretched).parameters["by"].default + ("mask" in names)

    compiled = check(program, X)
    try:
        stretched.__defaults__ = (5.0,)
        assert same(compiled(X), program(X))
        Layer.forward = lambda self, x, mask, other: x
        assert same(compiled(X), program(X))
    finally:
        stretched.__defaults__ = (2.0,)


def test_modules_are_imported_where_the_code_does(tmp_path, monkeypatch):
    (tmp_path / "imported_within.py").write_text("half = 0.5\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen = []

    def program(x):
        import imported_within

        return x * imported_within.half

    def behind(x):
        seen.append(1)
        import json.tool  # of Python's library, so it does not look at what is not done yet

        return x * len(json.tool.__name__)

    def missing(x):
        try:
            import not_to_be_found  # noqa: F401
        except ImportError:
            return x + 1

    for function in (program, behind):
        for name in ("imported_within", "json.tool"):
            sys.modules.pop(name, None)
        found = segue.compile(function, fullgraph=True)(X)
        assert same(found, function(X))
    assert seen == [1, 1]
    check(missing, X, breaks=None)


class Settings:
    def __init__(self):
        self.width, self.names = 3, ["a", "b"]

    def copied(self):
        return copy.deepcopy(self.__dict__)

    @functools.lru_cache  # noqa: B019
    def wide(self, by):
        return self.width * by


def test_states_are_copied_and_methods_may_have_a_cache():
    settings = Settings()

    def program(x):
        made = settings.copied()
        made["names"].append("c")
        made["width"] += 1
        return x * made["width"] + len(made["names"]) + settings.wide(2)

    check(program, X)
    assert settings.names == ["a", "b"] and settings.width == 3


def test_layouts_are_compared():
    check(lambda x: x + 1 if x.layout == segue.strided else x, X)
    check(lambda x: x + 1 if x.layout is segue.sparse_coo else x, X)


def test_questions_about_exports_are_answered():
    check(lambda x: x if segue.onnx.is_in_onnx_export() or segue.jit.is_tracing() else x + 1, X)


def test_a_cached_function_counts_what_it_counts_eagerly():
    def counts(wrapper):
        @functools.lru_cache
        def power(n):
            return 2**n

        def run(x):
            y = x * power(3) * power(4) * power(3)
            print(end="")
            return y * power(4)

        called, found = wrapper(run), []
        for _ in range(3):
            called(segue.ones(2))
            found.append(power.cache_info())
        return found

    assert counts(lambda run: segue.compile(run, backend="eager")) == counts(lambda run: run)


def test_the_pickle_of_plain_data_is_a_constant():
    def keyed(x, name, **options):
        return x * 2, {(name, pickle.dumps(options)): 1}, pickle.dumps([name, 1.5, ("b", None)], 2), pickle.dumps({"c": [name]}, protocol=4)

    made = strictly(keyed, fullgraph=True)
    for options in ({}, {"a": 1}, {"a": 1}, {"a": 2, "d": "e"}, {"a": 3, "d": "f"}):
        assert same(made(segue.ones(2), "name", **options), keyed(segue.ones(2), "name", **options)), options


def test_the_pickle_of_one_text_that_may_be_two_is_not_captured():
    check(lambda x, a: (x, pickle.loads(pickle.dumps((a, a)))), X, "ab" * 3, breaks=None)
    with pytest.raises(CaptureError, match="each text once"):
        segue.compile(lambda x, a: (x * 2, pickle.dumps((a, a))), fullgraph=True)(X, "ab" * 3)


def test_a_pattern_that_is_printed_is_printed_at_each_call():
    def shown(x):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            re.compile("ab?", re.DEBUG)
        return x + 1, out.getvalue()

    made = segue.compile(shown, backend="eager")
    for _ in range(2):
        assert made(segue.ones(2))[1] == shown(segue.ones(2))[1] != ""
