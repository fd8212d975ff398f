"""The pages of docs/ that are made from the source: every knob, every operator.

In come the tables (`eager/config.py`, the rows of `eager/ops`), out go Markdown texts. The one idea: what can be read from the source is never
written twice; a test compares the files with what is made here. `python -m segue.tools.pages` in the source tree writes them anew.
"""

from __future__ import annotations

from pathlib import Path

import segue  # noqa: F401  (defines all rows)
from segue.eager.config import table
from segue.eager.log import KINDS
from segue.eager.ops.definition import OPS, OpDef


def configuration() -> str:
    """docs/configuration.md."""
    lines = [
        "# Every knob", "",
        "A knob is an environment variable, an attribute of `segue.config`, and an argument of `with segue.config.override(...)`. A compiled object",
        "keeps the values that held when it was made. (Made by `python -m segue.tools.pages` from `eager/config.py`.)", "",
        "| attribute | environment | type | default | what it does |", "|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [f"| `{name}` | `{variable}` | {kind} | `{default!r}` | {doc} |" for name, variable, kind, default, doc in table()]
    lines += ["", "What `SEGUE_LOGS` can show:", "", "| kind | what it tells |", "|---|---|"]
    lines += [f"| `{kind}` | {doc} |" for kind, (_, doc) in KINDS.items()]
    return "\n".join(lines) + "\n"


def operators() -> str:
    """docs/operators.md."""
    lines = [
        "# Every operator", "",
        "Each is one row in `eager/ops/`; all other functions are composed of these. (Made by `python -m segue.tools.pages`.)", "",
        "| operator | arguments | kind | derivative | becomes | what it computes |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [_operator(OPS[name]) for name in sorted(OPS)]
    return "\n".join(lines) + "\n"


def _operator(row: OpDef) -> str:
    arguments = ", ".join(parameter.name for parameter in row.schema.parameters)
    doc = row.doc.strip().splitlines()[0].replace("|", "\\|")
    return f"| `{row.name}` | {arguments} | {row.kind} | {', '.join(row.vjp or ()) or '-'} | {type(row.lower).__name__} | {doc} |"


PAGES = {"docs/configuration.md": configuration, "docs/operators.md": operators}


def write(root: Path) -> None:
    """Write every page below `root`."""
    for name, make in PAGES.items():
        (root / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write(Path.cwd())
