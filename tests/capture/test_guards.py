"""Guards as data: each kind by example, and the engine in C against the Python oracle on drawn frames."""

import gc
import math
import sys
import types
import weakref

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.capture import guards as g
from segue.capture.frame import Cache, CacheEntry, Compiled, FrameView, GuardDisagreement, Program, check_guards
from segue.capture.guard_constants import CONSTANTS
from segue.capture.guards import MISSING, GuardSet, Local
from segue.capture.relations import OPERATORS, evaluate, program_of
from segue.eager.tensor import Storage, Tensor
from segue.graph.trace import Tracer

A, B = Local("a"), Local("b")
captured = 7


def make_subject():
    kept, empty = [1, 2], None
    del empty

    def subject(a, b=None):
        return kept, empty, captured, len  # noqa: F821

    return subject


subject = make_subject()


def view(a, b=None):
    return FrameView(subject, {"a": a, "b": b})


def engine(guard, frame):
    return Program(GuardSet([guard]).description()).check(frame)


def both(guard, a, b=None):
    """What engine and oracle say, which is the same."""
    frame = view(a, b)
    said = engine(guard, frame)
    assert guard.check(frame) is said, guard.text()
    assert (GuardSet([guard]).explain_failure(frame) is None) is said
    assert guard.text()
    return said


class Plain:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("value",)


class Interrupting:
    @property
    def value(self):
        raise KeyboardInterrupt


# ---------------------------------------------------------------------------------------------------------------- one value


def test_type_is_exact():
    assert both(g.TypeIs(A, int), 1)
    assert not both(g.TypeIs(A, int), True)
    assert not both(g.TypeIs(A, dict), type("D", (dict,), {})())


NAN = float("nan")
APART = [0, 1, True, False, 0.0, -0.0, 1.0, NAN, 0j, complex(-0.0, 0.0), complex(0.0, -0.0), 1j, "1", b"1", None, ..., (), (1,), (True,), (1.0,)]
APART += [(NAN,), (0.0,), (-0.0,), range(0), range(1, 1), range(3), slice(None), slice(0, 1), slice(False, 1), 10**30, -(10**30), "ä"]
APART += [(("x",), (1, (2.0,)))]


@pytest.mark.parametrize("position", range(len(APART)))
def test_constants_are_told_apart(position):
    value = APART[position]
    guard = g.Equals(A, value)
    for other, candidate in enumerate(APART):
        assert both(guard, candidate) is (other == position), (value, candidate)


def test_equal_constants_need_not_be_identical():
    assert both(g.Equals(A, 10**30), int("1" + "0" * 30))
    assert both(g.Equals(A, (float("nan"), "ab" * 2)), (math.nan, "".join(["ab", "ab"])))
    with pytest.raises(TypeError, match="Is or Predicate"):
        g.Equals(A, [1])


def test_identity_is_weak_and_a_dead_object_fails_for_ever():
    value = Plain()
    guard = g.Is(A, value)
    assert both(guard, value)
    assert not both(guard, Plain())
    program = Program(GuardSet([guard]).description())
    reference = weakref.ref(value)
    del value
    gc.collect()
    assert reference() is None, "neither the guard nor the engine keeps the object alive"
    for _ in range(50):  # some of these stand at the address of the dead one
        fresh = Plain()
        assert not program.check(view(fresh))
        assert not guard.check(view(fresh))


def test_identity_of_what_takes_no_weak_references_is_strong():
    value = (1, [2])
    assert both(g.Is(A, value), value)
    assert not both(g.Is(A, value), (1, [2]))
    assert both(g.Is(A, None), None)
    assert not both(g.Is(A, None), 0)


def test_none():
    assert both(g.IsNone(A), None)
    assert not both(g.IsNone(A), 0)
    assert both(g.IsNone(A, expected=False), 0)
    assert not both(g.IsNone(A, expected=False), None)


@pytest.mark.parametrize("value", [[1, 2], (1, 2), {1: 1, 2: 2}, {1, 2}, frozenset((1, 2)), "ab", b"ab", range(2)])
def test_lengths(value):
    assert both(g.LengthIs(A, 2), value)
    assert not both(g.LengthIs(A, 3), value)


def test_lengths_never_run_user_code():
    assert not both(g.LengthIs(A, 2), Plain(__len__=lambda: 2))
    assert both(g.LengthIs(A, 0), type("L", (list,), {"__len__": lambda self: 5})())


def test_dict_keys_in_order():
    guard = g.DictKeys(A, ("x", 1, (2, "y")))
    assert both(guard, {"x": 0, 1: 0, (2, "y"): 0})
    assert not both(guard, {1: 0, "x": 0, (2, "y"): 0})
    assert not both(guard, {"x": 0, True: 0, (2, "y"): 0})
    assert not both(guard, {"x": 0, 1: 0})
    assert not both(guard, {"x": 0, 1: 0, (2, "y"): 0, "z": 0})
    assert not both(guard, ["x", 1, (2, "y")])


def test_keys_and_attributes_present_and_absent():
    assert both(g.HasKey(A, "x"), {"x": 1})
    assert not both(g.HasKey(A, "x"), {})
    assert both(g.HasKey(A, "x", present=False), {})
    assert not both(g.HasKey(A, "x", present=False), {"x": 1})
    assert not both(g.HasKey(A, "x", present=False), [])
    assert not both(g.HasKey(A, []), {})
    assert both(g.HasEntry(A, "x", present=False), Plain)
    assert both(g.HasEntry(A, "__init__"), Plain)
    assert not both(g.HasEntry(A, "x", present=False), 5)
    assert not both(g.HasEntry(A, "__init__", present=False), Plain)
    assert both(g.HasAttribute(A, "x"), Plain(x=1))
    assert not both(g.HasAttribute(A, "x"), Plain())
    assert both(g.HasAttribute(A, "x", present=False), Plain())
    assert not both(g.HasAttribute(A, "x", present=False), Plain(x=1))


# ---------------------------------------------------------------------------------------------------------------- paths


class Parent:
    shared = 1

    def method(self):
        return None


class Child(Parent):
    own = 2


def function(x, y=3, *, z=4):
    return x


def test_paths_from_the_frame():
    assert both(g.Is(g.Function(), subject), 0)
    assert both(g.Is(g.Builtin("len"), len), 0)
    assert both(g.Equals(g.Global("captured"), 7), 0)
    assert not both(g.Equals(g.Global("no such name"), 7), 0)
    assert both(g.Is(g.Cell("kept"), subject.__closure__[subject.__code__.co_freevars.index("kept")].cell_contents), 0)
    assert both(g.Is(g.FreeCell("kept"), subject.__closure__[subject.__code__.co_freevars.index("kept")]), 0)
    assert both(g.CellIsEmpty(g.FreeCell("empty")), 0)
    assert not both(g.CellIsEmpty(g.FreeCell("kept")), 0)
    assert not both(g.IsNone(g.Cell("empty"), expected=False), 0)
    assert both(g.Equals(g.Attribute(g.Constant(math), "pi"), math.pi), 0)


def test_paths_through_objects():
    instance = Child()
    instance.x = 5
    assert both(g.Equals(g.Attribute(A, "x"), 5), instance)
    assert both(g.Equals(g.DictValue(g.InstanceDict(A), "x"), 5), instance)
    assert both(g.HasKey(g.InstanceDict(A), "shared", present=False), instance)
    assert not both(g.TypeIs(g.InstanceDict(A), dict), 5)
    assert not both(g.TypeIs(g.InstanceDict(A), dict), Child)
    assert both(g.Equals(g.TypeEntry(g.TypeOf(A), "shared"), 1), instance)
    assert both(g.Is(g.TypeEntry(g.TypeOf(A), "method"), Parent.__dict__["method"]), instance)
    assert not both(g.Equals(g.TypeEntry(g.TypeOf(A), "nothing"), 1), instance)
    assert not both(g.Equals(g.TypeEntry(A, "shared"), 1), instance)
    assert not both(g.IsNone(g.Attribute(A, "value"), expected=False), Slotted())


def test_paths_through_containers():
    assert both(g.Equals(g.Item(A, 1), 2), [1, 2])
    assert both(g.Equals(g.Item(A, -1), 2), (1, 2))
    assert not both(g.Equals(g.Item(A, 2), 2), [1, 2])
    assert not both(g.Equals(g.Item(A, -3), 1), [1, 2])
    assert not both(g.Equals(g.Item(A, 0), "a"), "ab")
    assert both(g.Equals(g.DictValue(A, (1, "k")), 2), {(1, "k"): 2})
    assert not both(g.Equals(g.DictValue(A, "k"), 2), types.MappingProxyType({"k": 2}))
    assert both(g.Equals(g.DictKey(A, 1), "y"), {"x": 0, "y": 0})
    assert not both(g.Equals(g.DictKey(A, 2), "y"), {"x": 0, "y": 0})
    assert not both(g.Equals(g.DictKey(A, -1), "y"), {"x": 0, "y": 0})
    assert both(g.Equals(g.Length(A), 2), {1, 2})


def test_paths_through_functions():
    inner = make_subject()
    assert both(g.Is(g.FunctionCode(A), function.__code__), function)
    assert not both(g.Is(g.FunctionCode(A), function.__code__), subject)
    assert both(g.Equals(g.Item(g.FunctionDefaults(A), 0), 3), function)
    assert both(g.Equals(g.DictValue(g.FunctionKwDefaults(A), "z"), 4), function)
    assert both(g.IsNone(g.FunctionKwDefaults(A)), inner)
    assert both(g.IsNone(g.Closure(A)), function)
    assert both(g.Is(g.FunctionGlobals(A), globals()), function)
    assert both(g.LengthIs(g.CellContents(g.Item(g.Closure(A), inner.__code__.co_freevars.index("kept"))), 2), inner)
    assert not both(g.IsNone(g.FunctionCode(A)), Child().method)
    assert not both(g.IsNone(g.CellContents(A)), 5)


def test_what_is_no_exception_is_not_swallowed():
    guard = g.IsNone(g.Attribute(A, "value"))
    with pytest.raises(KeyboardInterrupt):
        engine(guard, view(Interrupting()))
    with pytest.raises(KeyboardInterrupt):
        guard.check(view(Interrupting()))


def test_unknown_names_are_refused_when_bound():
    for source in (Local("nobody"), g.Cell("nobody"), g.FreeCell("a")):
        with pytest.raises(ValueError, match="has no"):
            engine(g.IsNone(source), view(1))


def test_texts_read_as_python():
    weight = g.Attribute(g.Item(g.DictValue(g.InstanceDict(Local("self")), "layers"), 0), "weight")
    assert g.TypeIs(weight, int).text() == "type(self.layers[0].weight) is int"
    assert g.Equals(g.DictValue(A, "k"), 1.5).text() == "a['k'] == 1.5"
    assert g.Item(g.Attribute(A, "x"), 2).text() == "a.x[2]"
    assert GuardSet([g.IsNone(A), g.LengthIs(B, 2)]).text() == "a is None\nlen(b) == 2"


def test_failures_name_the_guard_and_both_values():
    guards = GuardSet([g.TypeIs(A, int), g.Equals(A, 3)])
    assert guards.explain_failure(view(3)) is None
    assert guards.explain_failure(view(4)) == "a == 3: now a is 4"
    assert guards.explain_failure(view("x")) == "type(a) is int: now a is 'x'"
    assert "now a.x is nothing" in GuardSet([g.Equals(g.Attribute(A, "x"), 3)]).explain_failure(view(4))


def test_a_fact_is_kept_once():
    assert len(GuardSet([g.Equals(A, 1), g.Equals(A, True), g.Equals(A, 1), g.TypeIs(A, int), g.TypeIs(A, int)])) == 3
    assert len(GuardSet([g.Equals(A, 0.0), g.Equals(A, -0.0), g.Equals(A, (1,)), g.Equals(A, (1.0,))])) == 4
    shared = Plain()
    assert len(GuardSet([g.Is(A, shared), g.Is(A, shared), g.Is(A, Plain())])) == 2


def test_each_path_is_one_node():
    x = g.Attribute(A, "x")
    nodes, checks = GuardSet([g.TypeIs(g.Attribute(x, "y"), int), g.Equals(g.Attribute(x, "y"), 1), g.IsNone(g.Attribute(x, "z"))]).description()
    assert [node[:2] for node in nodes] == [("local", -1), ("attribute", 0), ("attribute", 1), ("attribute", 1)]
    assert [check[1] for check in checks] == [(2,), (2,), (3,)]


def test_the_guard_that_failed_last_is_tried_first():
    calls = []

    def note(name, answer):
        return g.Predicate((A,), lambda a: (calls.append(name), answer(a))[1], name)

    program = Program(GuardSet([note("first", lambda a: True), note("second", lambda a: a != 2)]).description())
    assert program.check(view(1))
    assert not program.check(view(2))
    assert program.last_failed.label == "second"
    assert not program.check(view(2))
    assert calls == ["first", "second", "first", "second", "second"]
    assert program.check(view(1))


def test_malformed_descriptions_are_refused():
    good = g.IsNone(A)
    for description in (
        ([("nonsense", -1, "a")], []),
        ([("local", -1, 5)], []),
        ([("attribute", -1, "x")], []),
        ([("local", 0, "a")], []),
        ([("local", -1, "a")], [("nonsense", (0,), None, good)]),
        ([("local", -1, "a")], [("is_none", (1,), True, good)]),
        ([("local", -1, "a")], [("relation", (0,), (("add", 0),), good)]),
        ([("local", -1, "a")], [("relation", (0,), (("input", 1),), good)]),
        ([("local", -1, "a")], [("aliasing", (0,), (), good)]),
        ([("local", -1, "a")], [("tensor", (0,), (1, 2), good)]),
    ):
        with pytest.raises((ValueError, TypeError)):
            Program(description)
    with pytest.raises(TypeError):
        Program(5)
    with pytest.raises(TypeError):
        Program(([], [])).check(5)


def test_programs_do_not_leak():
    value = Plain(x=[1])
    frame = view(value)
    guards = [g.Equals(g.Item(g.Attribute(A, "x"), 0), 1), g.Predicate((A,), lambda a: True), g.HasAttribute(A, "y", False)]
    program = Program(GuardSet(guards).description())
    before = sys.getrefcount(value), sys.getrefcount(value.x)
    for _ in range(1000):
        assert program.check(frame)
    assert (sys.getrefcount(value), sys.getrefcount(value.x)) == before


# ---------------------------------------------------------------------------------------------------------------- tensors


def tensor(array, requires_grad=False):
    out = Tensor._wrap(np.asarray(array), Storage())
    out._requires_grad = requires_grad
    return out


class Subclass(Tensor):
    pass


BASE = np.arange(24, dtype=np.float32).reshape(4, 6)
READ_ONLY = BASE.copy()
READ_ONLY.flags.writeable = False
ARRAYS = [
    BASE, BASE.T, BASE[::2], BASE[:, ::-1], BASE.astype(np.float64), BASE.astype(">f4"), BASE[:3], BASE[:0], BASE[:, :0], BASE.reshape(-1),
    BASE.reshape(4, 6, 1), np.float32(3).reshape(()), READ_ONLY, np.broadcast_to(BASE[0], (4, 6)), BASE.astype(np.int32), BASE.astype(bool),
]  # fmt: skip
TENSORS = [tensor(array, flag) for array in ARRAYS if array.dtype.isnative for flag in (False, True)]
VALUES = [*TENSORS, *ARRAYS, None, 5, Subclass._wrap(BASE, Storage())]


@pytest.mark.parametrize("position", range(len(VALUES) - 3))
def test_tensor_guards_agree_with_the_oracle_on_every_pair(position):
    value = VALUES[position]
    exact = g.TensorMatch.of(A, value, writeable=g.array_of(value).flags.writeable)
    free = g.TensorMatch.of(A, value, dynamic=range(g.array_of(value).ndim))
    assert both(exact, value)
    assert both(free, value)
    for other in VALUES:
        both(exact, other)
        both(free, other)


def test_what_a_tensor_guard_tells_apart():
    guard = g.TensorMatch.of(A, tensor(BASE))
    assert both(guard, tensor(BASE.copy()))
    for other in (tensor(BASE, True), tensor(BASE.T), tensor(BASE[:3]), tensor(BASE.astype(np.float64)), BASE, Subclass._wrap(BASE, Storage())):
        assert not both(guard, other)
    rows = g.TensorMatch.of(A, tensor(BASE), dynamic=(0,))
    assert both(rows, tensor(BASE[:3]))
    assert not both(rows, tensor(BASE[:, :3].copy()))
    assert not both(rows, tensor(BASE[::2]))
    columns = g.TensorMatch.of(A, tensor(BASE.T), dynamic=(0, 1))
    assert both(columns, tensor(BASE[:3].T))
    assert not both(columns, tensor(BASE))
    assert "dense in order (0, 1)" in columns.text()
    spread = g.TensorMatch.of(A, tensor(BASE[::2]), dynamic=(0,))
    assert both(spread, tensor(BASE[::2][:1]))
    assert not both(spread, tensor(BASE))
    assert "now shape (3, 6)" in guard.failure(view(tensor(BASE[:3])))
    assert guard.text() == "a: Tensor(float32, (4, 6), strides=(6, 1), requires_grad=False)"


def test_a_view_is_asked_for_its_gradient_by_its_own_property():
    base = tensor(BASE.copy(), True)
    part = Tensor._wrap(base._data[:2], base._storage)
    part._base, part._requires_grad = base, True
    assert both(g.TensorMatch.of(A, part), part)
    assert not both(g.TensorMatch.of(A, tensor(BASE[:2])), part)


class Foreign:
    """An array of another kind, as of another library: only its attributes are known."""

    def __init__(self, array):
        self.array = array

    def __getattr__(self, name):
        return getattr(self.array, name)


def test_leaves_are_told_from_results():
    leaf, result = tensor(BASE.copy(), True), tensor(BASE.copy(), True)
    result._edge = object()
    assert both(g.TensorMatch.of(A, leaf), leaf)
    assert both(g.TensorMatch.of(A, result), result)
    assert not both(g.TensorMatch.of(A, leaf), result)
    assert not both(g.TensorMatch.of(A, result), leaf)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=3), st.permutations([0, 1, 2]), st.sets(st.integers(0, 2)), st.data())
def test_free_sizes_agree_with_what_tracing_assumes(sizes, axes, dynamic, data):
    """Whatever passes the guard has the strides that graph/trace.py computed for its sizes, where a stride matters."""
    axes = [axis for axis in axes if axis < len(sizes)]
    dynamic = {dim for dim in dynamic if dim < len(sizes)}
    first = tensor(np.zeros(sizes, np.float32).transpose(axes)[:: data.draw(st.sampled_from([1, 2]))])
    others = data.draw(st.lists(st.integers(0, 3), min_size=len(sizes), max_size=len(sizes)))
    second = tensor(np.zeros(others, np.float32).transpose(data.draw(st.permutations(axes)))[:: data.draw(st.sampled_from([1, 2]))])
    guard = g.TensorMatch.of(A, first, dynamic=dynamic)
    assert both(guard, first)
    if not both(guard, second) or second._data.size == 0:
        return
    tracer = Tracer()
    twin = tracer.input(first, "x", sorted(dynamic))._data
    bindings = {str(size): second._data.shape[dim] for dim, size in enumerate(twin.shape) if dim in dynamic}
    for dim, stride in enumerate(twin.element_strides):
        if second._data.shape[dim] != 1:
            assert tracer.shape_env.evaluate(stride, bindings) * 4 == second._data.strides[dim]


def test_arrays_of_other_kinds_are_asked_in_python():
    value = Tensor._wrap(Foreign(BASE), Storage())
    guard = g.TensorMatch.of(A, value)
    assert both(guard, value)
    assert not both(guard, tensor(BASE))
    assert not both(g.TensorMatch.of(A, tensor(BASE)), value)
    assert both(g.Equals(g.Size(A, 1), 6), value)
    assert not both(g.Equals(g.Size(A, 2), 6), value)


def test_tensors_whose_slots_are_empty_or_absent():
    half_made = object.__new__(Tensor)
    assert not both(g.TensorMatch.of(A, tensor(BASE)), half_made)


# ---------------------------------------------------------------------------------------------------------------- relations between values


def listed(count):
    return tuple(g.Item(A, i) for i in range(count))


def test_aliasing_of_tensors():
    memory = np.zeros(16, np.float32)
    values = [tensor(memory[:8]), tensor(memory[4:12]), tensor(memory[12:]), tensor(np.zeros(3)), tensor(memory[3:3]), tensor(memory[::-1][:2])]
    guard = g.Aliasing.of(listed(6), values)
    assert guard.groups == (0, 0, 1, 2, 3, 1)
    assert both(guard, values)
    for position in range(6):
        changed = [*values]
        changed[position] = tensor(np.zeros(4, np.float32))
        assert both(guard, changed) is (position in (3, 4))
    assert not both(guard, [values[0]] * 6)
    assert not both(guard, values[:5])
    assert not both(guard, [*values[:5], None])
    assert "{a[0], a[1]}" in guard.text()


def test_same_objects():
    x, y = Plain(), Plain()
    guard = g.SameObjects.of(listed(3), [x, y, x])
    assert guard.groups == (0, 1, 0)
    assert both(guard, [y, x, y])
    assert not both(guard, [x, x, x])
    assert not both(guard, [x, y, y])
    assert not both(guard, [x, y])
    assert "now {a[0], a[1], a[2]}" in guard.failure(view([x, x, x]))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4), st.sampled_from([1, 2, -1])), min_size=1, max_size=8), st.data())
def test_aliasing_agrees_with_the_oracle(drawn, data):
    memory = np.zeros(32, np.int16)
    values = [tensor(memory[start : start + size * abs(step)][::step]) for start, size, step in drawn]
    others = [tensor(memory[start : start + size * abs(step)][::step]) for start, size, step in data.draw(st.permutations(drawn))]
    program_guard = g.Aliasing.of(listed(len(values)), values)
    program = Program(GuardSet([program_guard]).description())
    for candidate in (values, others, values, [*reversed(values)]):
        frame = view(candidate)
        assert program.check(frame) is program_guard.check(frame)


S, T = sympy.symbols("s t", integer=True)


@pytest.mark.parametrize(
    "relation",
    [
        sympy.Eq(S, 4), sympy.Ne(S, T), S < T, S <= 2 * T + 1, S > T - 3, S >= T * T, sympy.Eq(sympy.Mod(S, 4), 0), sympy.Eq(sympy.floor(S / 2), T),
        sympy.Eq(sympy.ceiling(S / 3), T), sympy.Max(S, T, 3) < 7, sympy.Min(S, T) > 1, sympy.And(S > 1, T > 1), sympy.Or(S > 5, T > 5),
        sympy.Not(sympy.And(S > 5, sympy.Eq(T, 2))), sympy.Eq(S / 2 + T / 3, 2), sympy.true, sympy.false, S**2 - T**3 > 0,
        sympy.Eq(sympy.floor((S + 2 * T) / 4) * 4, S + 2 * T),
    ],
    ids=str,
)  # fmt: skip
def test_relations_from_sympy(relation):
    guard = g.SizeRelation.from_sympy(relation, {"s": g.Item(A, 0), "t": g.Item(A, 1)}, "model.py:3")
    for s in range(-3, 9):
        for t in range(-3, 9):
            assert both(guard, [s, t]) is bool(relation.subs({S: s, T: t})), (s, t)


def test_relations_over_sizes_and_strides():
    guard = g.SizeRelation.from_sympy(sympy.Eq(S, T * 6), {"s": g.Stride(A, 0), "t": g.Stride(A, 1)})
    assert both(guard, tensor(BASE))
    assert not both(guard, tensor(BASE.T))
    assert not both(guard, tensor(BASE[0]))
    assert not both(g.SizeRelation.from_sympy(S > 0, {"s": g.Length(A)}), [])
    assert g.SizeRelation.from_sympy(sympy.Eq(S, 6), {"s": g.Size(A, 1)}, "model.py:3").text() == "a.shape[1] == 6  # model.py:3"


def test_relations_take_exact_integers_only():
    guard = g.SizeRelation.from_sympy(S > 0, {"s": A})
    assert both(guard, 1)
    for value in (True, 1.0, "1", None):
        assert not both(guard, value)
    with pytest.raises(TypeError, match="cannot hold"):
        g.SizeRelation.from_sympy(sympy.sqrt(S) > 1, {"s": A})
    with pytest.raises(KeyError):
        g.SizeRelation.from_sympy(S > T, {"s": A})


def test_relations_beyond_64_bits_are_left_to_python():
    square = g.SizeRelation((A,), (("input", 0), ("input", 0), ("mul", 0), ("constant", 10**30), ("gt", 0)))
    assert both(square, 10**16)
    assert not both(square, 10**14)
    cube = g.SizeRelation.from_sympy(S * S * S > 5, {"s": A})
    assert both(cube, 2**40)
    assert both(cube, 2**70)
    assert not both(cube, -(2**40))


BINARY = sorted(OPERATORS)


@st.composite
def programs(draw):
    """A postfix program over two inputs that leaves one number."""
    code, depth = [], 0
    for _ in range(draw(st.integers(1, 12))):
        choice = draw(st.sampled_from(["push", "operate", "not"]))
        if choice == "push" or depth == 0 or (choice == "operate" and depth < 2):
            edge = st.sampled_from([0, 1, -1, 2**62, -(2**63), 2**63 - 1, 2**64])
            constant = st.tuples(st.just("constant"), st.one_of(st.integers(-9, 9), edge))
            code.append(draw(st.one_of(st.tuples(st.just("input"), st.integers(0, 1)), constant)))
            depth += 1
        elif choice == "not":
            code.append(("not", 0))
        else:
            code.append((draw(st.sampled_from(BINARY)), 0))
            depth -= 1
    code += [(draw(st.sampled_from(BINARY)), 0) for _ in range(depth - 1)]
    return tuple(code)


NUMBERS = st.one_of(st.integers(-20, 20), st.sampled_from([2**63 - 1, -(2**63), 2**63, 2**62, -(2**100)]))


@settings(max_examples=200, deadline=None)
@given(programs(), NUMBERS, NUMBERS)
def test_the_stack_machine_agrees_with_the_oracle(program, s, t):
    both(g.SizeRelation((g.Item(A, 0), g.Item(A, 1)), program), [s, t])


def test_the_program_of_an_expression_computes_it():
    names, program = program_of(sympy.Eq(sympy.floor(S / 2) + T, 3))
    assert evaluate(program, [{"s": 5, "t": 1}[name] for name in names]) == 1


# ---------------------------------------------------------------------------------------------------------------- drawn frames

SMALL = st.one_of(st.sampled_from(APART), st.integers(-2, 2), st.sampled_from(["x", "y", ""]))
LEAVES = st.one_of(SMALL, st.sampled_from([int, Child, function, Child(), subject, len, Slotted(), math]), st.sampled_from(VALUES))
HASHABLE = st.one_of(st.integers(-2, 2), st.sampled_from(["x", "y", "z", True, 1.0, (1, "x")]))


def containers(inner):
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(HASHABLE, inner, max_size=3),
        st.dictionaries(st.sampled_from(["x", "y", "z"]), inner, max_size=3).map(lambda attributes: Plain(**attributes)),
    )


OBJECTS = st.recursive(LEAVES, containers, max_leaves=8)


SIMPLE_STEPS = [
    g.InstanceDict, g.TypeOf, g.Length, g.FunctionCode, g.FunctionDefaults, g.FunctionKwDefaults, g.FunctionGlobals, g.Closure, g.CellContents,
]  # fmt: skip


def steps(base):
    return st.one_of(
        st.sampled_from(["x", "y", "shared", "__class__", "_data", "__len__"]).map(lambda name: g.Attribute(base, name)),
        st.integers(-3, 3).map(lambda index: g.Item(base, index)),
        HASHABLE.map(lambda key: g.DictValue(base, key)),
        st.integers(-1, 2).map(lambda index: g.DictKey(base, index)),
        st.sampled_from(["x", "own", "method", "__init__"]).map(lambda name: g.TypeEntry(base, name)),
        st.sampled_from(SIMPLE_STEPS).map(lambda kind: kind(base)),
        st.integers(-1, 2).map(lambda dim: g.Size(base, dim)),
        st.integers(-1, 2).map(lambda index: g.ComingItem(base, index)),
        st.integers(-1, 2).map(lambda limit: g.ComingCount(base, limit)),
        st.integers(-1, 2).map(lambda dim: g.Stride(base, dim)),
    )  # fmt: skip


ROOTS = st.sampled_from([A, B, A, B, g.Cell("kept"), g.Cell("empty"), g.FreeCell("empty"), g.Global("captured"), g.Builtin("len"), g.Function()])


@st.composite
def sources(draw):
    source = draw(ROOTS)
    for _ in range(draw(st.integers(0, 3))):
        source = draw(steps(source))
    return source


@st.composite
def some_guards(draw, frame):
    """Guards about paths that exist, as often as not with what stands there now."""
    source = draw(sources())
    now = source.fetch(frame)
    value = draw(SMALL) if now is MISSING or draw(st.booleans()) else now
    kinds = [
        g.TypeIs(source, type(value)),
        g.Is(source, value),
        g.IsNone(source, draw(st.booleans())),
        g.LengthIs(source, draw(st.integers(0, 3))),
        g.HasKey(source, draw(HASHABLE), draw(st.booleans())),
        g.HasAttribute(source, draw(st.sampled_from("xyz")), draw(st.booleans())),
        g.CellIsEmpty(source),
        g.SameObjects((source, A, draw(sources())), draw(st.sampled_from([(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 2)]))),
        g.Predicate((source, A), lambda x, y: x == y),
        g.SizeRelation((source,), (("input", 0), ("constant", draw(st.integers(0, 3))), ("le", 0))),
    ]
    if type(value) in CONSTANTS:
        kinds.append(g.Equals(source, value))
    if isinstance(value, dict):
        kinds.append(g.DictKeys(source, tuple(value)))
    if not isinstance(value, type) and isinstance(g.array_of(value), np.ndarray):
        kinds.append(g.TensorMatch.of(source, value))
        kinds.append(g.Aliasing((source, A), draw(st.sampled_from([(0, 0), (0, 1)]))))
    return draw(st.sampled_from(kinds))


@settings(max_examples=300, deadline=None)
@given(st.data(), OBJECTS, OBJECTS, OBJECTS)
def test_engine_and_oracle_agree_on_drawn_frames(data, first, second, third):
    frame = view(first, second)
    drawn = [data.draw(some_guards(frame)) for _ in range(data.draw(st.integers(1, 4)))]
    guards = GuardSet(drawn)
    program = Program(guards.description())
    for candidate in (frame, view(first, third), view(third, second), frame):
        assert program.check(candidate) is guards.check(candidate), guards.text()
        for guard in guards:
            assert engine(guard, candidate) is guard.check(candidate), guard.text()
        assert (guards.explain_failure(candidate) is None) is guards.check(candidate)


# ---------------------------------------------------------------------------------------------------------------- the debugging mode


class Lying(g.TypeIs):
    """An oracle that says the opposite."""

    def holds(self, *values):
        return not super().holds(*values)


def test_the_debugging_mode_finds_a_difference():
    def user(x):
        return x

    def compiled(guard):
        callback = lambda settings, code, frame, entries: CacheEntry(GuardSet([guard]), user.__code__.replace(co_name="other"))  # noqa: E731
        return Compiled(user, Cache(callback))

    honest, lying = compiled(g.TypeIs(Local("x"), int)), compiled(Lying(Local("x"), int))
    check_guards(True)
    try:
        assert (honest(1), honest(2)) == (1, 2)
        with pytest.raises(GuardDisagreement, match="its oracle differs"):
            lying(1)
    finally:
        check_guards(False)
    assert lying(1) == 1
