"""Declared sizes: `segue.compile(..., shapes=...)` and `compiler.Dim`.

In come functions and modules with declared sizes, and calls that keep to them or do not. The one idea: a declaration holds for every call, whatever is compiled by then, and what
breaks it is named.
"""

import pytest

import segue
from segue.compiler import Dim

R = segue.rand


class Masked(segue.nn.Module):
    def forward(self, x, mask=None):
        return x if mask is None else x * mask


def broken(x, y):
    print(end="")
    return x * y


def first(pair, table):
    return pair[0] @ pair[1] + table["b"]


KEPT = {  # name -> function, shapes, calls, graphs
    "one name for two": (lambda x, y: x + y, {"x": ("B", 4), "y": ("B", 4)}, [(R(n, 4), R(n, 4)) for n in (3, 5, 1)], 1),
    "two names": (lambda x, y: x @ y, {"x": ("N", 4), "y": (4, "M")}, [(R(n, 4), R(4, m)) for n, m in ((3, 3), (3, 5), (2, 7))], 1),
    "one name twice in one tensor": (lambda x: x @ x, {"x": ("N", "N")}, [(R(n, n),) for n in (3, 4, 6)], 1),
    "None is seen to": (lambda x: x * 2, {"x": ("B", None)}, [(R(3, 4),), (R(5, 4),), (R(5, 6),), (R(2, 7),)], 2),
    "bounds": (lambda x: x * 2, {"x": (Dim("B", 2, 8), 3)}, [(R(n, 3),) for n in (4, 2, 8)], 1),
    "a branch within the promise": (lambda x: x * 2 if x.shape[0] > 5 else x * 3, {"x": ("B",)}, [(R(n),) for n in (4, 8, 5, 9)], 2),
    "bounds answer": (lambda x: x * 2 if x.shape[0] > 5 else x * 3, {"x": (Dim("B", 6),)}, [(R(n),) for n in (7, 8, 6)], 1),
    "tensors in containers": (first, {"pair": [("A", 3), (3, "C")], "table": {"b": ("A", 1)}}, [([R(n, 3), R(3, n + 1)], {"b": R(n, 1)}) for n in (2, 4)], 1),
    "a module": (segue.nn.Linear(4, 2), {"input": ("B", 4)}, [(R(n, 4),) for n in (3, 5)], 1),
    "a module's other argument": (Masked(), {"x": ("B", 3), "mask": ("B", 3)}, [(R(n, 3), R(n, 3)) for n in (4, 5)], 1),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_keeps_to_its_declaration_is_compiled_once(name):
    program, shapes, calls, graphs = KEPT[name]
    compiled = segue.compile(program, shapes=shapes, backend="eager", fullgraph=True)
    before = segue.compiler.stats()["graphs"]
    for args in calls:
        segue.testing.assert_close(compiled(*args), program(*args))
    assert segue.compiler.stats()["graphs"] - before == graphs


BROKEN = {  # name -> function, shapes, a call that keeps to them, one that does not, what is said
    "a number": (lambda x: x, {"x": ("B", 4)}, (R(3, 4),), (R(3, 5),), "size 1 of x is declared as 4, but this call has 5"),
    "a name": (lambda x, y: x.sum() + y.sum(), {"x": ("B",), "y": ("B",)}, (R(3), R(3)), (R(3), R(5)), "B is 3 by size 0 of x, but size 0 of y is 5"),
    "an upper bound": (lambda x: x, {"x": (Dim("B", 2, 8),)}, (R(8),), (R(9),), "size 0 of x is B, between 2 and 8, but this call has 9"),
    "a lower bound": (lambda x: x, {"x": (Dim("B", 2),)}, (R(8),), (R(1),), "size 0 of x is B, at least 2, but this call has 1"),
    "the rank": (lambda x: x, {"x": ("B", 4)}, (R(3, 4),), (R(4),), "x is declared with 2 sizes, but this call has a tensor of shape [4]"),
    "behind a break": (broken, {"x": ("B", 3), "y": ("B", 3)}, (R(8, 3), R(8, 3)), (R(8, 3), R(1, 3)), "B is 8 by size 0 of x, but size 0 of y is 1"),
    "in a list": (lambda xs: xs[0], {"xs": [("B",), (2,)]}, ([R(3), R(2)],), ([R(3), R(3)],), "size 0 of xs[1] is declared as 2, but this call has 3"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_its_declaration_is_named_each_time(name):
    program, shapes, good, bad, text = BROKEN[name]
    compiled = segue.compile(program, shapes=shapes, backend="eager")
    for _ in range(2):
        with pytest.raises(RuntimeError) as problem:
            compiled(*bad)
        assert text in str(problem.value)
        segue.testing.assert_close(compiled(*good), program(*good))


def test_a_refused_call_is_not_counted_against_the_limit():
    compiled = segue.compile(lambda x: x * 2, shapes={"x": ("B", 4)}, backend="eager")
    for _ in range(40):
        with pytest.raises(RuntimeError, match="declared as 4"):
            compiled(R(3, 5))


def test_a_named_size_that_the_program_fixes_names_the_line():
    def program(x):
        return x * len("a" * x.shape[0])

    with pytest.raises(RuntimeError, match=r"size 0 of x is named B, but it became one number: .*test_shapes.py:\d+ needs B == 3"):
        segue.compile(program, shapes={"x": ("B", 3)}, backend="eager")(R(3, 3))


BAD = {
    "there is no parameter 'z'; there are x": (ValueError, {"z": ("B",)}),
    "a size of x is a name, a number, None or a Dim": (TypeError, {"x": (3.5,)}),
    "takes a tuple with an entry for each dimension": (TypeError, {"x": "B"}),
    "such as": (TypeError, {"x": {0: "B"}}),
    "takes a dict of parameters": (TypeError, [1]),
    "B is declared as B, at least 2 and as B": (ValueError, {"x": (Dim("B", 2), "B")}),
}


@pytest.mark.parametrize("text", BAD)
def test_bad_declarations(text):
    problem, shapes = BAD[text]
    with pytest.raises(problem, match=text):
        segue.compile(lambda x: x, shapes=shapes)
    for args in (("3x",), ("max",), ("B", 4, 3), ("B", -1)):
        with pytest.raises(ValueError, match="Dim"):
            Dim(*args)


def test_a_tensor_of_fewer_dimensions_than_those_that_varied_is_captured(recwarn):
    f = segue.compile(lambda x: (x * 2).sum(0), backend="eager")
    for shape in ((2, 3), (4, 5), (7,), (8,), (2, 3, 4), (3, 4, 5), (9,), (6, 7)):
        assert f(segue.ones(*shape)).shape == shape[1:]
    assert not [w for w in recwarn if "inside of segue" in str(w.message)]
