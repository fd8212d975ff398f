"""Texts of sizes and of numbers that only the run gives, in captured code.

In come programs that write such texts, out must come what eager mode writes, from two graphs for any number of lengths. The one idea: a symbol's own name is never part of one.
"""

import collections

import pytest

import segue

Point = collections.namedtuple("Point", "n m")
TEXTS = {
    "str of a list": lambda x, found: str(found.tolist()), "repr in a field": lambda x, found: f"{found.tolist()!r:>12} {[x.shape[0], (3, found[0].item())]}", "ascii": lambda x, found: ascii(found.tolist()),
    "a list of sizes": lambda x, found: repr([x.shape[0], 3]) + str((x.shape[0],)), "a dict": lambda x, found: str({"n": x.shape[0], "all": [len(x)]}), "%": lambda x, found: "%s of %s" % (found.tolist(), [x.shape[0]]),
    "format": lambda x, found: "{0:>5d} of {total} {0}".format(x.shape[0], total=found.tolist()), "join": lambda x, found: "x".join(map(str, x.shape)) + ",".join(str(v) for v in found.tolist()),
    "a slice": lambda x, found: str(slice(0, x.shape[0])), "floats": lambda x, found: str((found / 2).tolist()), "shaped": lambda x, found: str(x.shape[0]).zfill(5) + f"{len(x)}".rjust(4),
    "a namedtuple": lambda x, found: str(Point(x.shape[0], found[1].item())), "a shape": lambda x, found: f"{x.shape} {x.shape[:1]} {(2, *x.shape)}",
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_those_of_eager_mode(name):
    program = TEXTS[name]
    compiled = segue.compile(lambda x, found: (x * 2, program(x, found)), backend="eager", fullgraph=True)
    for n in (3, 4, 5, 7, 12):
        assert compiled(segue.ones(n, 2), segue.tensor([n, n + 1]))[1] == program(segue.ones(n, 2), segue.tensor([n, n + 1]))
    assert len(compiled.cache.settings.captured) <= 2


def test_a_list_that_changes_behind_its_text():
    def program(x):
        sizes = [x.shape[0]]
        text = str(sizes)
        sizes.append(7)
        return x * 2, text, sizes

    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for n in (3, 4, 5):
        assert compiled(segue.ones(n))[1:] == (f"[{n}]", [n, 7])


def test_a_format_that_does_not_fit_raises_where_it_stands():
    def program(x):
        try:
            return x * 2, "{:s}".format(x.shape[0])  # noqa: UP032
        except ValueError as problem:
            return x * 3, str(problem)

    compiled = segue.compile(program, backend="eager")
    for n in (3, 4, 5):
        found, expected = compiled(segue.ones(n)), program(segue.ones(n))
        assert found[1] == expected[1] and segue.equal(found[0], expected[0])


def test_parts_of_shapes_are_shapes():
    def program(x):
        s = x.shape
        return x * 2, s[:1], s[::-1], s + (1,), (1,) + s, s * 2, 2 * s, s + s, s[1:] + s[:1], (1, 2)[:1]

    compiled = segue.compile(program, backend="eager", fullgraph=True)
    for n in (3, 4, 5):
        found, expected = compiled(segue.ones(n, 2))[1:], program(segue.ones(n, 2))[1:]
        assert found == expected
        assert [type(part) for part in found] == [type(part) for part in expected] == [segue.Size] * 8 + [tuple]


def test_a_shape_joins_tuples_alone():
    for run in (lambda f: f, lambda f: segue.compile(f, backend="eager")):
        with pytest.raises(TypeError, match="can only concatenate"):
            run(lambda x: x.shape + [1])(segue.ones(2))
