"""The page that `segue.explain` writes for a browser: one HTML file with nothing outside of it.

In comes an `Explanation`, out goes the text of the page. The one idea: every line of the user's functions gets exactly one of a few fates (`FATES`), the colour
and the legend follow from it, and all else on the page hangs on those lines.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from typing import Any

from ..eager.lazy import LazyModule
from ..graph.printer import print_graph

html: Any = LazyModule("html")

FATES = {  # fate -> (colours of the line and of its edge, what it means), the strongest first
    "break": (("#fde0dc", "#c62828"), "the graph ends here: the line runs eagerly"),
    "eager": (("#fff0d6", "#ef8f00"), "the whole function runs eagerly"),
    "graph": (("#dcf2e0", "#2e7d32"), "operations of a graph: compiled"),
    "captured": (("#e6eefb", "#3f6fb5"), "worked out at capture: costs nothing when it runs again"),
    "plain": (("#f3ecf7", "#8e5fb0"), "no tensor operations to capture: plain Python"),
    "unseen": (("#ffffff", "#dddddd"), "not reached in these calls"),
}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #222; }
h1 { font-size: 1.4em; } h2 { font-size: 1.15em; margin-top: 2em; } code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { margin: 0; overflow-x: auto; } pre.graph { background: #f7f7f7; padding: .7em; } .line { display: block; padding-left: .6em; border-left-style: solid; border-left-width: 5px; }
.line b { color: #999; font-weight: normal; display: inline-block; width: 4em; } .legend span { border-left-style: solid; border-left-width: 5px; padding: .1em .6em; margin-right: .7em; white-space: nowrap; }
.legend { line-height: 2.1; } table { border-collapse: collapse; } td, th { text-align: left; vertical-align: top; padding: .2em 1em .2em 0; border-bottom: 1px solid #e5e5e5; }
td.number { text-align: right; white-space: nowrap; } .card { border: 1px solid #ddd; border-radius: 6px; padding: .6em 1em; margin: .8em 0; } .card p { margin: .3em 0; }
.bar { display: flex; height: 1.4em; border-radius: 4px; overflow: hidden; } .bar i { display: block; } summary { cursor: pointer; }
"""


class Page:
    """The parts of the page, each a method that yields lines of HTML."""

    def __init__(self, explanation: Any) -> None:
        self.found = explanation

    def text(self) -> str:
        found = self.found
        colours = "\n".join(f".{fate} {{ background: {fill}; border-color: {edge}; }}" for fate, ((fill, edge), _) in FATES.items())
        parts = [self.bar(), self.lines(), self.breaks(), self.recompiles(), self.pieces()]
        body = "\n".join(line for part in parts for line in part)
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>segue.explain: {html.escape(found.name)}</title>\n<style>{STYLE}{colours}</style></head>\n'
            f"<body><h1>{html.escape(found.headline)}</h1>\n{body}\n</body></html>\n"
        )

    # -- where the time of the call went ------------------------------------------------------------------------------------

    def bar(self) -> Iterator[str]:
        shares, total = self.found.shares, self.found.shares.total
        if not total:
            return
        parts = [("graph", sum(shares.graphs.values()), "in graphs"), ("break", sum(shares.breaks.values()), "behind breaks"), ("unseen", shares.outside, "around them")]
        yield "<h2>Where the call's time went</h2>"
        filled = "".join(f'<i style="width:{100 * seconds / total:.2f}%;background:{FATES[fate][0][1]}"></i>' for fate, seconds, _ in parts)
        yield f'<div class="bar">{filled}</div>'
        told = ", ".join(f"{duration(seconds)} ({self.found.share(seconds)}) {where}" for _, seconds, where in parts)
        yield f"<p>{told}; captures are not counted. Call it again for the shares of a call in which nothing is captured.</p>"

    # -- the user's lines ---------------------------------------------------------------------------------------------------

    def fates(self) -> dict[str, dict[int, str]]:
        """File -> line -> fate, for every line of every function that was looked at."""
        found: dict[str, dict[int, str]] = {}
        strength = {fate: place for place, fate in enumerate(FATES)}

        def settle(file: str, line: int, fate: str) -> None:
            lines = found.setdefault(file, {})
            if line not in lines or strength[fate] < strength[lines[line]]:
                lines[line] = fate

        for fate, pieces in (("plain", [self.found.plain]), ("captured", self.found.walked)):
            for walked in (walked for piece in pieces for walked in piece):
                for line in extent(walked.code):
                    settle(walked.code.co_filename, line, fate if line in walked.lines else "unseen")
        for node in (node for graph in self.found.graphs for node in graph.operations):
            file, _, place = (node.line or "").rpartition(":")
            if int(place or 0) in found.get(file, ()):
                settle(file, int(place), "graph")
        for skipped in self.found.skipped:
            for line in extent(skipped.code):
                settle(skipped.file, line, "eager")
        for ended in self.found.breaks:
            settle(ended.location.file, ended.location.line, "break")
        return found

    def lines(self) -> Iterator[str]:
        yield "<h2>Your lines</h2>"
        yield '<p class="legend">' + " ".join(f'<span class="{fate}">{html.escape(meaning)}</span>' for fate, (_, meaning) in FATES.items()) + "</p>"
        notes = {(ended.location.file, ended.location.line): ended.reason for ended in self.found.breaks}
        for file, fates in self.fates().items():
            if not linecache.getlines(file):  # made from a text, as a namedtuple's or a dataclass's methods are
                continue
            shown: list[str] = []
            for line, fate in sorted(fates.items()):
                if shown and line - 1 not in fates:
                    shown.append('<span class="line unseen"><b>⋮</b></span>')
                title = html.escape(notes.get((file, line), FATES[fate][1]))
                shown.append(f'<span class="line {fate}" title="{title}"><b>{line}</b>{html.escape(linecache.getline(file, line).rstrip())}</span>')
            yield f"<h3><code>{html.escape(file)}</code></h3><pre>{''.join(shown)}</pre>"

    # -- breaks, recompilations ---------------------------------------------------------------------------------------------

    def breaks(self) -> Iterator[str]:
        found = self.found
        if not found.breaks and not found.skipped:
            return
        places: dict[Any, list[int]] = {}  # a line ends a graph of each function that it was reached through, and of each variant that was compiled
        for place, captured in enumerate(found.captured):
            if captured.ended is not None:
                places.setdefault((captured.ended.location, captured.ended.reason), []).append(place)
        took = {key: sum(found.shares.breaks.get(place, 0.0) for place in where) for key, where in places.items()}
        yield f"<h2>Breaks ({len(places)})</h2>"
        for key, where in sorted(places.items(), key=lambda item: -took[item[0]]):
            ended = found.captured[where[0]].ended
            share = f"<p>From here to the next graph: {duration(took[key])}, {found.share(took[key])} of the call.</p>" if took[key] else ""
            through = ", ".join(f"<code>{html.escape(name)}</code>" for name in dict.fromkeys(found.captured[place].function for place in where))
            several = f"<p>It ended {len(where)} graphs: of {through}.</p>" if len(where) > 1 else ""
            yield from self.card(ended.reason, ended.location.show(), ended.suggestion, several + share)
        for skipped in found.skipped:
            yield from self.card(skipped.reason.splitlines()[0], f"{skipped.function} ({skipped.file}:{skipped.line}) runs eagerly", "", "")

    def card(self, reason: str, where: str, suggestion: str, rest: str) -> Iterator[str]:
        instead = f"<p>Instead: {html.escape(suggestion)}</p>" if suggestion else ""
        yield f'<div class="card"><strong>{html.escape(reason)}</strong><pre>{html.escape(where)}</pre>{instead}{rest}</div>'

    def recompiles(self) -> Iterator[str]:
        if not self.found.recompiles:
            return
        yield f"<h2>Compiled again ({len(self.found.recompiles)})</h2><table><tr><th>function</th><th>was compiled for</th><th>and then came</th></tr>"
        for again in self.found.recompiles:
            for guard, now in again.failures:
                yield f"<tr><td><code>{html.escape(again.function)}</code></td><td><code>{html.escape(guard)}</code></td><td><code>{html.escape(now)}</code></td></tr>"
        yield "</table>"

    # -- graphs and guards --------------------------------------------------------------------------------------------------

    def pieces(self) -> Iterator[str]:
        yield "<h2>What was captured</h2>"
        for place, captured in enumerate(self.found.captured):
            took = f", {self.found.share(self.found.shares.graphs[place])} of the call" if place in self.found.shares.graphs else ""
            operations = 0 if captured.graph is None else len(captured.graph.operations)
            yield f'<div class="card"><strong>{place + 1}. {html.escape(captured.function)}</strong> ({html.escape(captured.location)}): {operations} operations, '
            yield f"captured in {captured.seconds * 1e3:.0f} ms{took}"
            if captured.graph is not None:
                yield f'<details><summary>the graph</summary><pre class="graph">{html.escape(print_graph(captured.graph))}</pre></details>'
            yield from self.guards(captured, self.found.guard_seconds[place])
            yield "</div>"

    def guards(self, captured: Any, costs: tuple[float, ...]) -> Iterator[str]:
        yield f"<details><summary>{len(costs)} guards, {sum(costs) * 1e9:.0f} ns one by one (together less: a path is followed once)</summary>"
        yield "<table><tr><th>holds while</th><th>reads</th><th>kind</th><th>ns</th></tr>"
        for guard, seconds in zip(captured.guards, costs):
            paths = ", ".join(dict.fromkeys(source.text() for source in guard.sources))
            yield f"<tr><td><code>{html.escape(guard.text())}</code></td><td><code>{html.escape(paths)}</code></td><td>{guard.kind}</td>"
            yield f'<td class="number">{seconds * 1e9:.0f}</td></tr>'
        yield "</table></details>"


def duration(seconds: float) -> str:
    """Seconds in a unit that gives few digits.

    >>> duration(0.0123), duration(2.5e-6)
    ('12.3 ms', '2.5 µs')
    """
    unit, name = next(((unit, name) for unit, name in ((1.0, "s"), (1e-3, "ms")) if seconds >= unit), (1e-6, "µs"))
    return f"{seconds / unit:.3g} {name}"


def extent(code: Any) -> range:
    """From the first to the last line of a function."""
    lines = [line for _, _, line in code.co_lines() if line]
    return range(min([code.co_firstlineno, *lines]), max([code.co_firstlineno, *lines]) + 1)
