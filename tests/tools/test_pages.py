"""The pages that are made from the source are up to date, and the examples in the docs run."""

import doctest
from pathlib import Path

import pytest

from segue.tools import pages

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", pages.PAGES)
def test_page_is_up_to_date(name):
    assert (ROOT / name).read_text(encoding="utf-8") == pages.PAGES[name](), "run: python -m segue.tools.pages"


def test_examples_of_getting_started():
    result = doctest.testfile(str(ROOT / "docs" / "getting-started.md"), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 5 and result.failed == 0


def test_links_in_the_docs_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for piece in page.read_text(encoding="utf-8").split("](")[1:]:
            target = piece.split(")")[0]
            assert "://" in target or (page.parent / target).exists(), f"{page.name} links to {target}"
