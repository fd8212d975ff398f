"""The walkthrough stays true: every file and name in it exists, and its example captures what it shows."""

import re
import runpy
from pathlib import Path

import segue
from segue.eager.log import listen

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "tools" / "walkthrough.md").read_text(encoding="utf-8")


def test_every_file_exists():
    named = set(re.findall(r"`([\w/.]+\.(?:py|c|h|cpp)|[\w/]+/)(?:: \w+)?`", TEXT))
    everything = [str(path.relative_to(ROOT)) for room in ("eager", "graph", "capture", "inductor") for path in (ROOT / room).rglob("*")]
    assert len(named) > 30
    files = [*everything, "inductor"]
    missing = [name for name in named if not any(path == name.rstrip("/") or path.endswith("/" + name.rstrip("/")) for path in files)]
    assert missing == []


def test_the_example_captures_what_is_shown(tmp_path):
    example, graph = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[:2]
    script = tmp_path / "walk.py"
    script.write_text(example.replace("segue.compile(f)", 'segue.compile(f, backend="eager")'))
    with listen("graph", "guards") as seen:
        runpy.run_path(str(script))
    shown = [line.split("#")[0].rstrip() for line in graph.splitlines() if "ops." in line]
    made = [line.split("#")[0].rstrip() for line in seen[0].text.splitlines() if "ops." in line]
    assert seen[0].kind == "graph" and shown == made
    guards = next(artefact for artefact in seen if artefact.kind == "guards")
    assert all(line in TEXT for line in guards.text.splitlines())
    assert segue.compiler.stats()["graphs"] >= 1
