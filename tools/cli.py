"""The `segue` command.

In comes a command line, out goes an exit code. The one idea: each command is a row of `COMMANDS`, a function of the parsed arguments; what it
prints is made elsewhere.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

import segue
from segue.graph import cache

from . import doctor, house
from .bench import calls, eager, gpt, memory, operators, peaks, start, steps
from .demo import main as demo
from .fuzz import command as fuzz


def run_demo(options: argparse.Namespace) -> int:
    """Train two models three ways each."""
    if importlib.util.find_spec("sklearn") is None:
        print("the demo's images come with scikit-learn: pip install 'segue[demo]'", file=sys.stderr)
        return 2
    return demo.main(quick=options.quick)


def run_doctor(options: argparse.Namespace) -> int:
    """Say what was found on this machine; 0 when everything needed is there."""
    findings = doctor.examine()
    table = Table(title="segue doctor", show_header=False)
    for finding in findings:
        table.add_row("[green]ok[/]" if finding.good else "[red]!![/]", finding.name, finding.text)
    console = Console()
    console.print(table)
    for finding in findings:
        if not finding.good:
            console.print(f"{finding.name}: {finding.advice}", style="yellow", markup=False)
    return 0 if all(finding.good for finding in findings if finding.needed) else 1


def run_cache(options: argparse.Namespace) -> int:
    """Show the disk cache, or empty it."""
    store = cache.current()
    if store.folder is None or not segue.config.cache:
        print("there is no cache folder: SEGUE_CACHE=0, or none can be written")
        return 0
    found = store.files()
    kinds = Counter(path.relative_to(store.folder).parts[0] for _, _, path in found)
    text = f"{len(found)} files, {sum(size for _, size, _ in found) / 2**20:.1f} MiB" + "".join(f", {kind} {count}" for kind, count in sorted(kinds.items()))
    if options.clear:
        store.clear()
        print(f"removed {text} from {store.folder}")
    else:
        print(f"{store.folder}: {text}")
    return 0


def run_house(options: argparse.Namespace) -> int:
    """The table of the house, and the rules that are broken."""
    try:
        found = house.figures(options.root)
    except FileNotFoundError as error:
        print(f"{error}; run it in the source tree or give --root", file=sys.stderr)
        return 2
    console = Console()
    rooms = Table("room", "files", "Python", "C and C++", title="lines of each room")
    for room, files, python, native in found.rooms:
        rooms.add_row(room, str(files), str(python), str(native))
    total = [sum(row[i] for row in found.rooms) for i in (1, 2, 3)]  # type: ignore[misc]
    rooms.add_row("all", *map(str, total))
    console.print(rooms)
    for title, rows in (("longest files", found.files), ("longest functions", found.functions)):
        longest = Table("lines", "where", title=title)
        for lines, where in rows:
            longest.add_row(str(lines), where)
        console.print(longest)
    between = Table("imports of", *house.ROOMS, title="imports between rooms")
    for room in house.ROOMS:
        between.add_row(room, *(str(found.imports[(room, other)] or ".") for other in house.ROOMS))
    console.print(between)
    broken = house.problems(options.root)
    for problem in broken:
        console.print(str(problem), style="red", markup=False)
    console.print("every rule is kept" if not broken else f"{len(broken)} rules are broken")
    return 1 if broken else 0


def run_fuzz(options: argparse.Namespace) -> int:
    """Check random programs, one for each seed; 0 when none differs."""
    failures = fuzz.run(options.programs, options.seed, backends=tuple(options.backends.split(",")), smaller=options.minimise)
    print(f"{options.programs} programs, seeds {options.seed} to {options.seed + options.programs - 1}: {failures} differ")
    return 1 if failures else 0


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    return table


def bench_start(options: argparse.Namespace) -> Table:
    """The start of a fresh process."""
    rows = ((what, f"{seconds:.3f}") for what, seconds in start.measure(options.repeat))
    return _table("start: the demo's GPT, whole step", ("a fresh process", "seconds"), rows)


def bench_calls(options: argparse.Namespace) -> Table:
    """Calls, guards and captures."""
    return _table("what a compiled function costs besides its work", ("what", "median", ""), calls.measure(options.repeat))


def bench_gpt(options: argparse.Namespace) -> Table:
    """The demo's GPT, three ways."""
    rows = ((way, f"{milliseconds:.1f}", f"{ratio:.2f}") for way, milliseconds, ratio in gpt.measure(options.steps, options.repeat))
    return _table("training steps of the demo's GPT", ("way", "ms a step", "times as fast as eager"), rows)


def bench_steps(options: argparse.Namespace) -> Table:
    """Training steps beside PyTorch's and JAX's."""
    rows = steps.measure(options.repeat, options.steps, options.only or tuple(steps.WORKLOADS))
    return _table("training steps, one thread: processor time", ("workload", "way", "ms a step", "ours / its"), rows)


def bench_peaks(options: argparse.Namespace) -> Table:
    """The memory of training steps."""
    found = peaks.measure(options.root, options.only or ())
    rows = ((name, f"{eagerly:,}", f"{compiled:,}", f"{compiled / eagerly:.2f}") for name, eagerly, compiled in found)
    return _table("most bytes that a training step takes at once, one thread", ("program", "eager", "whole step compiled", "ratio"), rows)


def bench_eager(options: argparse.Namespace) -> Table:
    """Eager operators on small tensors, and eager training steps."""
    found = eager.measure(options.repeat)
    rows = ((name, *("" if one is None else f"{one:,.2f}" for one in (*times.values(), ratio))) for name, times, ratio in found)
    return _table("microseconds a call on a 4 by 4 float32 tensor, and a training step", ("operator", *found[0][1], "ratio"), rows)


def bench_operators(options: argparse.Namespace) -> Table:
    """Eager operators on arrays of some size."""
    found = operators.measure(options.repeat, options.only or ())
    rows = ((name, *("" if one is None else f"{one:,.3f}" for one in (*times.values(), ratio))) for name, times, ratio in found)
    return _table("milliseconds of processor time a call, with its backward (+)", ("operator", *found[0][1], "segue / torch"), rows)


BENCHES: dict[str, Callable[[argparse.Namespace], Table | str]] = {
    "start": bench_start, "calls": bench_calls, "gpt": bench_gpt, "steps": bench_steps, "peaks": bench_peaks, "eager": bench_eager,
    "operators": bench_operators,
    "memory": lambda options: memory.markdown(memory.measure()),
}  # fmt: skip


def run_bench(options: argparse.Namespace) -> int:
    """Print one table of timings, or of bytes."""
    found = BENCHES[options.what](options)
    if isinstance(found, str):
        print(found)
    else:
        Console().print(found)
    return 0


def run_minimise(options: argparse.Namespace) -> int:
    """Print the smallest program found that fails as a seed's does; 0 when it does not fail."""
    try:
        print(fuzz.cut_down(options.seed, backends=tuple(options.backends.split(","))))
    except ValueError as error:
        print(f"seed {options.seed}: {error}")
        return 0
    return 1


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], str]] = {
    "demo": (run_demo, "train two models three ways each and compare"),
    "doctor": (run_doctor, "say what segue finds on this machine"),
    "cache": (run_cache, "show the disk cache, or empty it"),
    "bench": (
        run_bench,
        "time the start of a process, calls and captures, training steps beside other libraries' and their memory, or count what training keeps",
    ),
    "house": (run_house, "the table of the source tree and its rules"),
    "fuzz": (run_fuzz, "random programs: eager, interpreted and compiled must agree"),
    "minimise": (run_minimise, "cut the failing program of a seed down to what its failure needs"),
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="segue", description="A deep-learning framework: eager tensors, captured and compiled.")
    top.add_argument("--version", action="version", version=f"segue {segue.__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    made = {name: commands.add_parser(name, help=text, description=text) for name, (_, text) in COMMANDS.items()}
    made["demo"].add_argument("--quick", action="store_true", help="a few steps only, no targets of accuracy")
    made["cache"].add_argument("--clear", action="store_true", help="remove everything in it")
    made["bench"].add_argument("what", choices=tuple(BENCHES), help="what is measured")
    made["bench"].add_argument("--repeat", type=int, default=3, help="rounds, of which the median counts (default: 3)")
    made["bench"].add_argument("--steps", type=int, default=20, help="timed steps in a round of gpt and steps (default: 20)")
    made["bench"].add_argument("--only", action="append", help="a workload of steps, a program of peaks, or one of operators; may be repeated (default: all)")
    made["bench"].add_argument("--root", type=Path, default=Path.cwd(), help="the source tree, for peaks (default: here)")
    made["fuzz"].add_argument("--programs", type=int, default=100, help="how many (default: 100)")
    made["fuzz"].add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    made["fuzz"].add_argument("--minimise", action="store_true", help="cut down each program that differs")
    made["minimise"].add_argument("seed", type=int, help="the seed of a program that differs")
    for name in ("fuzz", "minimise"):
        made[name].add_argument("--backends", default="eager,inductor", help="compared with eager (default: eager,inductor)")
    made["house"].add_argument("--root", type=Path, default=Path.cwd(), help="the source tree (default: here)")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(arguments)
    return COMMANDS[options.command][0](options)
