"""The house keeps its own rules: one-way imports, no cycle, no import of the project inside a function, lengths, openings, README's commands."""

from pathlib import Path

import pytest

from segue.tools import house

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def tree():
    return house.House(ROOT)


@pytest.mark.parametrize("check", house.CHECKS, ids=lambda check: check.__name__)
def test_rule(check, tree):
    found = list(check(tree))
    assert not found, "\n" + "\n".join(map(str, found))


def test_every_allowed_length_is_needed(tree):
    long = {module.place for module in tree.modules.values() if module.lines > house.FILE_LIMIT}
    for module in tree.modules.values():
        long |= {f"{module.place}:{f.name}" for f in tree.functions(module) if f.length > house.FUNCTION_LIMIT}
    for room in house.ROOMS:
        long |= {str(p.relative_to(ROOT)) for p in tree.native(room) if p.read_text().count("\n") > house.FILE_LIMIT}
    assert set(house.ALLOWED_LENGTH) <= long


@pytest.fixture
def broken(tmp_path):
    """A small house in which every rule is broken once."""
    for room in house.ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text('"""A room."""\n')
    (tmp_path / "eager" / "a.py").write_text('"""Opens."""\nfrom ..graph import b\n\n\ndef f():\n    from . import c\n    return c, b\n')
    (tmp_path / "eager" / "c.py").write_text('"""Opens."""\nfrom . import a\n')
    long = "\n".join("    x = 1" for _ in range(house.FUNCTION_LIMIT))
    (tmp_path / "graph" / "b.py").write_text(f"def g():\n{long}\n" + "\n" * house.FILE_LIMIT + "P = '/" + "home/me'\n")
    (tmp_path / "README.md").write_text("no commands\n")
    return tmp_path


def test_imports_for_type_checkers_make_no_circle(broken):
    (broken / "eager" / "c.py").write_text('"""Opens."""\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from . import a\n')
    assert list(house.check_cycles(house.House(broken))) == []


def test_the_checks_see_what_is_broken(broken):
    rules = [problem.rule for problem in house.problems(broken)]
    assert sorted(set(rules)) == ["cycle", "import-inside", "length", "one-way", "opening", "readme", "words"]
    assert rules.count("length") == 2


def test_figures_count_lines_and_imports(broken):
    figures = house.figures(broken)
    assert {room: python for room, _, python, _ in figures.rooms}["graph"] == house.FUNCTION_LIMIT + house.FILE_LIMIT + 3
    assert figures.imports[("eager", "graph")] == 1 and figures.imports[("eager", "eager")] == 2
    assert figures.functions[0][1] == "graph/b.py:g"


def test_a_folder_that_is_no_house(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder api"):
        house.House(tmp_path)
