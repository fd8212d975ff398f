"""Symbolic sizes against plain ints: the same answers, and guards under which they stay right."""

import operator

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.graph.symbolic import (
    Interval,
    ShapeEnv,
    SymInt,
    floordiv,
    hint_of,
    modulo,
    print_c,
    print_python,
    same_size,
    structural_key,
    sym_max,
    sym_min,
)

BINARY = [operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, sym_max, sym_min]
COMPARE = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


def trees(leaves):
    return st.recursive(leaves, lambda inner: st.tuples(st.sampled_from(range(len(BINARY))), inner, inner), max_leaves=6)


EXPRESSIONS = trees(st.one_of(st.sampled_from(["a", "b", "c"]), st.integers(-4, 9)))


def build(tree, values):
    if isinstance(tree, str):
        return values[tree]
    if isinstance(tree, int):
        return tree
    index, left, right = tree
    return BINARY[index](build(left, values), build(right, values))


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, st.tuples(*[st.integers(0, 12)] * 3), st.tuples(*[st.integers(0, 12)] * 3))
def test_expressions_give_what_ints_give_for_all_values(tree, seen, later):
    env = ShapeEnv()
    names = ("a", "b", "c")
    symbols = {name: env.new_symbol(value, name) for name, value in zip(names, seen)}
    try:
        expected = build(tree, dict(zip(names, seen)))
    except ZeroDivisionError:
        return
    got = build(tree, symbols)
    assert hint_of(got) == expected
    bounds = env.interval(got.expr) if isinstance(got, SymInt) else Interval(got, got)
    assert bounds.low <= expected <= bounds.high
    try:
        other = build(tree, dict(zip(names, later)))
    except ZeroDivisionError:
        return
    if not env.holds(dict(zip(names, later))):
        return
    assert env.evaluate(got, dict(zip(names, later))) == other
    assert bounds.low <= other <= bounds.high
    assert eval(print_python(got.expr) if isinstance(got, SymInt) else str(got), dict(zip(names, later))) == other


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, EXPRESSIONS, st.sampled_from(COMPARE), st.tuples(*[st.integers(0, 6)] * 3), st.tuples(*[st.integers(0, 6)] * 3))
def test_answers_hold_wherever_the_guards_do(left, right, compare, seen, later):
    env = ShapeEnv()
    names = ("a", "b", "c")
    symbols = {name: env.new_symbol(value, name) for name, value in zip(names, seen)}
    try:
        expected = compare(build(left, dict(zip(names, seen))), build(right, dict(zip(names, seen))))
        later_answer = compare(build(left, dict(zip(names, later))), build(right, dict(zip(names, later))))
    except ZeroDivisionError:
        return
    answer = compare(build(left, symbols), build(right, symbols))
    assert answer is expected
    assert env.holds(env.hints), "guards hold for the values that made them"
    assert compare(build(left, symbols), build(right, symbols)) is expected, "the same question has the same answer"
    if env.holds(dict(zip(names, later))):
        assert later_answer == expected


def test_intervals_answer_without_a_guard():
    env = ShapeEnv()
    n = env.new_symbol(10, "n", low=2)
    assert n > 1 and n >= 2 and n != 0 and n + 1 > n and n * 4 >= 8 and not n < 2 and (n + 3) // 2 >= 2
    assert env.guards == []


def test_structure_answers_without_a_guard():
    env = ShapeEnv()
    n, m = env.new_symbol(10, "n"), env.new_symbol(10, "m", low=1)  # dividing by a size asks whether it is zero
    assert n * m == m * n
    assert (n + 1) * m - m == n * m
    assert (n * 4) // 4 == n
    assert (n * m) % m == 0
    assert env.guards == []


def test_zero_and_one_and_equal_sizes_are_not_special_until_asked():
    env = ShapeEnv()
    n, m = env.new_symbol(1, "n"), env.new_symbol(1, "m")
    assert isinstance(n * m, SymInt)
    assert not same_size(n, m) and env.guards == []
    assert n == m
    assert [str(guard.relation) for guard in env.guards] == ["Eq(n, m)"]
    assert n == 1
    assert env.is_static(n)


def test_a_guard_remembers_who_asked():
    env = ShapeEnv()
    n = env.new_symbol(10, "n")
    assert n > 3
    assert "test_symbolic.py:" in env.guards[0].line
    assert str(env.guards[0]).startswith("n > 3  # asked at")


def test_guards_narrow_intervals():
    env = ShapeEnv()
    n = env.new_symbol(10, "n")
    assert n > 3
    assert n > 2 and n != 0
    assert len(env.guards) == 1
    assert n <= 20 and env.interval(n.expr) == Interval(4, 20)


@pytest.mark.parametrize("use", [int, operator.index, hash, lambda n: list(range(n)), lambda n: [0] * n, lambda n: {n: 1}, lambda n: n / 2])
def test_where_only_a_real_int_will_do_the_symbol_is_fixed(use):
    env = ShapeEnv()
    n = env.new_symbol(10, "n")
    use(n)
    assert [str(guard.relation) for guard in env.guards] == ["Eq(n, 10)"]
    assert int(n) == 10 and len(env.guards) == 1


def test_division_by_zero_raises():
    n = ShapeEnv().new_symbol(10, "n")
    with pytest.raises(ZeroDivisionError):
        n // 0
    with pytest.raises(ZeroDivisionError):
        n % 0


def test_names_are_unique_and_bounds_are_checked():
    env = ShapeEnv()
    assert [str(env.new_symbol(2, "B")) for _ in range(3)] == ["B", "B_1", "B_2"]
    with pytest.raises(ValueError, match="outside its bounds"):
        env.new_symbol(1, "low", low=2)


def test_c_rounds_as_python_does():
    env = ShapeEnv()
    n = env.new_symbol(10, "n")
    assert print_c(((n + 3) // 2 * n).expr, env) == "n * ((n + 3) / 2)"
    signed = print_c(((n - 20) // 7).expr, env)
    remainder = print_c(((n - 20) % 7).expr, env)
    for value in range(40):
        assert eval_c(signed, value) == (value - 20) // 7
        assert eval_c(remainder, value) == (value - 20) % 7


def eval_c(text, n):
    """C's integer division and remainder truncate; evaluate the text by that rule."""

    class C(int):
        def __truediv__(self, other):
            return C(int(int(self) / int(other)))

        def __mod__(self, other):
            return C(int(self) - int(int(self) / int(other)) * int(other))

        def __add__(self, other):
            return C(int(self) + int(other))

        def __sub__(self, other):
            return C(int(self) - int(other))

    return int(eval(text, {"n": C(n)}))


def test_sympy_functions_simplify_cheaply():
    a, b = sympy.symbols("a b", integer=True)
    assert floordiv(a * b * 6, 3 * b) == 2 * a
    assert modulo(a * 4, 2) == 0
    assert type(floordiv(a, b)).__name__ == "FloorDiv"
    assert floordiv(sympy.Integer(-7), sympy.Integer(2)) == -4


def test_structural_key_makes_no_guard():
    env = ShapeEnv()
    n, m = env.new_symbol(4, "n"), env.new_symbol(4, "m")
    assert structural_key((n, 3)) != structural_key((m, 3))
    assert structural_key((n + 1, 3)) == structural_key((1 + n, 3))
    assert env.guards == []


def test_evaluate_relations_and_floats():
    env = ShapeEnv()
    n = env.new_symbol(10, "n")
    assert env.evaluate(sympy.Lt(n.expr, 12), {"n": 11}) is True
    assert (n < 10.5) is True and (n == 10.5) is False
    assert n + 0.5 == 10.5
