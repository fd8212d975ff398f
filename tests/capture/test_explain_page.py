"""The page of segue.explain: what it says, and what a browser shows of it."""

from __future__ import annotations

import html.parser
import os
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import replace

import pytest

import segue
from segue import nn
from segue.capture.explain import Shares, explain, shares_of
from segue.capture.interp.observe import Span
from segue.capture.interp.records import Skipped
from segue.capture.page import FATES
from segue.graph.backends import lookup_backend

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.scale = 2

    def forward(self, x):
        if self.scale > 1:
            return self.first(x) * self.scale
        return self.first(x) - 1


MODEL = Doubled()


def shown(x, text="<mean> & more"):
    y = MODEL(x)
    print(text, y.shape)
    for _ in range(2):
        y = y.softmax(-1)
    if y.sum() > 1e9:
        y = y * 2
    return y.sum()


def slept(x):
    y = x * 2
    time.sleep(0.05)
    return y + 1


@pytest.fixture(scope="module")
def found():
    ex = explain(shown)
    ex(segue.ones(4, 8))
    ex(segue.ones(5, 8))
    return ex(segue.ones(5, 8))


class Reader(html.parser.HTMLParser):
    """The fate and text of each line of the page, all text, and the names of whatever the page would fetch."""

    def __init__(self):
        super().__init__()
        self.lines, self.words, self.fetched, self._fate = [], [], [], None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get("class", "").startswith("line "):
            self.lines.append([attrs["class"].split()[1], ""])
            self._fate = tag
        self.fetched += [value for name, value in attrs.items() if name in ("src", "href")]

    def handle_endtag(self, tag):
        if tag == self._fate:
            self._fate = None

    def handle_data(self, data):
        self.words.append(data)
        if self._fate:
            self.lines[-1][1] += data


def read(page):
    reader = Reader()
    reader.feed(page)
    return reader


def test_each_line_has_its_fate(found):
    reader = read(found.html())
    fates = {text.lstrip("0123456789").strip(): fate for fate, text in reader.lines}
    assert fates["if self.scale > 1:"] == "captured"
    assert fates["return self.first(x) * self.scale"] == "graph"
    assert fates["return self.first(x) - 1"] == "unseen"
    assert fates["print(text, y.shape)"] == "break"
    assert fates["for _ in range(2):"] == "captured"
    assert fates["y = y.softmax(-1)"] == "graph"
    assert fates["if y.sum() > 1e9:"] == "break"
    assert fates["y = y * 2"] == "unseen"


def plain_behind_a_break(x):
    y = x * 2
    segue.compiler.graph_break()
    names = [name.upper() for name in ("a", "b")]
    return y, names


def test_what_runs_as_plain_python_is_told():
    reader = read(explain(plain_behind_a_break)(segue.ones(3)).html())
    fates = {text.lstrip("0123456789").strip(): fate for fate, text in reader.lines}
    assert fates["y = x * 2"] == "graph" and fates["segue.compiler.graph_break()"] == "break"
    assert fates["return y, names"] == "plain"


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Doubled()

    def forward(self, x):
        return told(self.inner(x))


def told(x):
    print(x.shape)
    return x + 1


def test_a_break_is_told_once_with_the_functions_that_it_was_reached_through():
    outer = Outer()
    found = explain(lambda x: outer(x) * 2)(segue.ones(4, 8))
    text = "".join(read(found.html()).words)
    assert text.count("a call of print is not captured") == 1 and len(found.breaks) > 1
    assert f"It ended {len(found.breaks)} graphs: of" in text and "Outer.forward" in text
    assert f"{len(found.breaks)} breaks at 1 place" in found.headline


def test_the_page_stands_alone_and_escapes_what_it_quotes(found):
    page = found.html()
    reader = read(page)
    assert not reader.fetched and "<script" not in page and "url(" not in page
    assert "<mean>" not in page and 'def shown(x, text="<mean> & more")' in "".join(reader.words)


def test_breaks_guards_and_recompilations_are_told(found):
    text = "".join(read(found.html()).words)
    assert "a call of print is not captured" in text and "Instead: print outside of the compiled function" in text
    assert "x: Tensor(float32, (4, 8)" in text and "shape (5, 8)" in text
    assert [again.function for again in found.recompiles] == ["shown"] * 3
    assert "MODEL.scale == 2" in text
    assert len(found.guard_seconds) == len(found.captured)
    for captured, seconds in zip(found.captured, found.guard_seconds):
        assert len(seconds) == len(captured.guards) and all(second > 0 for second in seconds)


def test_a_function_that_runs_eagerly_is_shown_whole(found):
    explanation = replace(found, captured=(), walked=(), plain=(), skipped=(Skipped("slept", "the reason\nand its traceback", slept.__code__),))
    reader = read(explanation.html())
    assert [fate for fate, _ in reader.lines] == ["eager"] * 4
    assert "time.sleep(0.05)" in reader.lines[2][1]
    assert "the reason" in "".join(reader.words) and "and its traceback" not in "".join(reader.words)
    assert f"slept ({__file__}:{slept.__code__.co_firstlineno}) runs eagerly: the reason" in str(explanation)


def test_shares_divide_the_whole_call():
    ex = explain(slept)
    ex(segue.ones(3))
    found = ex(segue.ones(3))
    shares = found.shares
    assert set(shares.graphs) == {0, 1} and set(shares.breaks) == {0}
    assert shares.breaks[0] >= 0.05  # it slept there
    assert all(seconds > 0 for seconds in shares.graphs.values())
    assert "of the call" in str(found)


def test_captures_are_left_out_of_the_shares():
    spans = [Span(0.0, 4.0, False, None), Span(4.0, 5.0, True, 0), Span(4.2, 4.5, True, 1), Span(9.0, 12.0, True, 2)]
    assert shares_of(0.0, 10.0, spans, set()) == Shares({0: 1.0}, {}, 5.0)
    assert shares_of(0.0, 10.0, spans, {0}) == Shares({0: 1.0}, {0: 5.0}, 0.0)


def test_watching_changes_neither_graphs_nor_what_others_pay():
    plain = segue.compile(shown, backend="eager")
    plain(segue.ones(4, 8))
    settings = plain.cache.settings
    assert settings.backend is lookup_backend("eager")
    watched = explain(shown)(segue.ones(4, 8))
    assert [str(c.guards.text()) for c in settings.captured] == [str(c.guards.text()) for c in watched.captured]
    assert [len(c.graph.operations) for c in settings.captured if c.graph] == [len(graph.operations) for graph in watched.graphs]


def test_saved_where_it_is_told(found, tmp_path):
    path = found.save(tmp_path / "page.html")
    assert path.read_text(encoding="utf-8") == found.html() == found._repr_html_()
    with pytest.raises(OSError):
        found.save(tmp_path / "no such folder" / "page.html")


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine")
def test_a_browser_shows_the_colours(found, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="the picture is read with Pillow")
    page, picture = found.save(tmp_path / "page.html"), tmp_path / "page.png"
    subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1000,2200", f"--user-data-dir={tmp_path / 'profile'}",
         f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True, timeout=120,
        env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},  # a sanitizer is for our code
    )  # fmt: skip
    pixels = image.open(picture).convert("RGB")
    seen = Counter(zip(*[iter(pixels.tobytes())] * 3))
    lines = Counter(fate for fate, _ in read(found.html()).lines)
    for fate in ("break", "graph", "captured"):
        colour = tuple(bytes.fromhex(FATES[fate][0][0][1:]))
        assert seen[colour] > lines[fate] * 700 * 10, f"{lines[fate]} lines of {fate} are not on the picture"
