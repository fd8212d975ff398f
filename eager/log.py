"""The artefact bus: everything that explains what the compiler did passes through here.

In come artefacts, `log("graph", text)`: a kind from `KINDS` and a text, or a callable that makes the text only when somebody wants it. Out they go to
stderr for the kinds named in SEGUE_LOGS, to SEGUE_DEBUG_DIR as one file each, and to the listeners of the moment, which is how
`segue.explain` collects them. The one idea: whoever makes an artefact does not know, or care, who reads it.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .config import config

KINDS = {  # kind -> (ending of its files, what it tells)
    "graph": ("py", "the captured graph, as Python that runs"),
    "guards": ("txt", "what must hold for a compiled result to be used again"),
    "breaks": ("txt", "where and why a graph ended early, with the user's line"),
    "recompiles": ("txt", "which guard failed, and what is compiled instead"),
    "code": ("cpp", "the generated C++"),
    "schedule": ("txt", "loops, what was fused and what was refused by which rule"),
    "memory": ("txt", "the arena's plan"),
    "bytecode": ("txt", "the rewritten bytecode"),
    "cache": ("txt", "hits and misses of the disk cache"),
}


@dataclass(frozen=True, slots=True)
class Artefact:
    """One thing that the compiler tells: its kind, a short title, and the text."""

    kind: str
    title: str
    text: str


_listeners: list[tuple[frozenset[str], list[Artefact]]] = []
_number = itertools.count(1)


def _printed() -> frozenset[str]:
    """The kinds that config.logs names. An unknown kind is told once, and not an error: a typing slip must not stop a training run."""
    text = config.logs
    found = _parsed_logs.get(text)
    if found is None:
        names = {name.strip() for name in text.split(",") if name.strip()}
        if unknown := names - KINDS.keys() - {"all"}:
            warnings.warn(f"SEGUE_LOGS names unknown kinds {', '.join(sorted(unknown))}; the kinds are {', '.join(KINDS)}", stacklevel=3)
        found = _parsed_logs[text] = frozenset(KINDS if "all" in names else names)
    return found


_parsed_logs: dict[str, frozenset[str]] = {}


def enabled(kind: str) -> bool:
    """Whether anybody reads artefacts of this kind now. Raises KeyError for a kind that is not in `KINDS`."""
    KINDS[kind]
    return bool(config.debug_dir) or kind in _printed() or any(kind in kinds for kinds, _ in _listeners)


def log(kind: str, text: str | Callable[[], str], title: str = "") -> None:
    """Hand one artefact to whoever reads its kind; a callable is only called when somebody does. Raises KeyError for an unknown kind."""
    if not enabled(kind):
        return
    artefact = Artefact(kind, title, text() if callable(text) else text)
    if kind in _printed():
        head = f"[segue {kind}]" + (f" {title}" if title else "")
        print(head, artefact.text, sep="\n" if "\n" in artefact.text or title else " ", file=sys.stderr, flush=True)
    if config.debug_dir:
        _write(artefact)
    for kinds, received in _listeners:
        if kind in kinds:
            received.append(artefact)


def _write(artefact: Artefact) -> None:
    """One file in config.debug_dir. A folder that cannot be written is told once and then left alone."""
    folder = Path(config.debug_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{next(_number):04d}.{artefact.kind}.{KINDS[artefact.kind][0]}").write_text(artefact.text + "\n", encoding="utf-8")
    except OSError as error:
        warnings.warn(f"SEGUE_DEBUG_DIR={config.debug_dir} cannot be written ({error}); artefacts are not kept", stacklevel=4)
        config.debug_dir = ""


@contextmanager
def listen(*kinds: str) -> Iterator[list[Artefact]]:
    """Collect the artefacts of these kinds (all kinds when none is named) that are made within the block.

    >>> with listen("breaks") as seen:
    ...     log("breaks", "print() at line 3")
    >>> seen[0].text
    'print() at line 3'
    """
    received: list[Artefact] = []
    entry = (frozenset(kinds or KINDS), received)
    _listeners.append(entry)
    try:
        yield received
    finally:
        _listeners[:] = [other for other in _listeners if other is not entry]
