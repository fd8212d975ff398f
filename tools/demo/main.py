"""`segue demo`: train the digit network and the character GPT three ways each, show a table, and judge it.

In come no arguments but `quick`; out go a table and an exit code, which is not 0 when a target was missed. The one idea: the demo is a test that
people like to watch.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text as Line

import segue

from . import gpt
from .digits import Digits
from .ways import AGREEMENT, COMPARED, WAYS, Run, difference, train

ACCURACY = 0.97
GPT_LOSS = 2.0
WIDTH = 140
GPT_STEPS = 1500  # at most; training stops when the loss is below the target
GPT_COMPARED_STEPS = 50  # of each of the first two ways


@dataclass
class Job:
    """A title, the data, how many steps each way gets, and what came of it."""

    title: str
    data: Any
    steps: dict[str, int]
    runs: list[Run] = field(default_factory=list)


def jobs(quick: bool) -> list[Job]:
    """The two jobs; `quick` is for the tests: few steps, no targets."""
    digits = Digits(epochs=1) if quick else Digits()
    text = gpt.Text(6 if quick else GPT_STEPS)
    short = 4 if quick else GPT_COMPARED_STEPS
    return [
        Job("digits CNN", digits, dict.fromkeys(WAYS, 6 if quick else digits.steps())),
        Job("character GPT", text, {"eager": short, "model.compile()": short, "whole step": text.steps()}),
    ]


def run_job(job: Job, progress: Progress, until: float | None) -> None:
    """Train a job all three ways; the last way of the GPT stops when the mean loss falls below `until`."""
    for way in WAYS:
        task = progress.add_task(f"{job.title}, {way}", total=job.steps[way], loss="")

        def advance(loss: float, task: Any = task) -> None:
            progress.update(task, advance=1, loss=f"loss {loss:.3f}")

        def finished(run: Run, way: str = way) -> bool:
            return until is not None and way == "whole step" and len(run.losses) >= 50 and run.last_loss < until

        run = train(job.data, way, job.steps[way], advance, finished)
        if isinstance(job.data, Digits):
            run.accuracy = job.data.accuracy(run.model)
        progress.update(task, total=len(run.losses))
        job.runs.append(run)


def judge(job: Job) -> list[str]:
    """The targets that a job missed, in words."""
    missed = []
    for run in job.runs:
        if run.accuracy is not None and run.accuracy <= ACCURACY:
            missed.append(f"{job.title}, {run.way}: accuracy {run.accuracy:.2%} is not over {ACCURACY:.0%}")
        if (apart := difference(run, job.runs[0])) > AGREEMENT:
            missed.append(f"{job.title}, {run.way}: the losses of the first {COMPARED} steps differ from eager's by {apart:.1e} relative")
        if run.way == "whole step" and (run.counts["graphs"] != 1 or run.counts["breaks"] != 0):
            graphs, breaks = run.counts["graphs"], run.counts["breaks"]
            missed.append(f"{job.title}, {run.way}: {graphs:.0f} graphs and {breaks:.0f} breaks, where one graph was wanted")
    if job.runs[-1].accuracy is None and job.runs[-1].last_loss >= GPT_LOSS:
        missed.append(f"{job.title}: the loss {job.runs[-1].last_loss:.3f} is not below {GPT_LOSS}")
    return missed


def table(done: list[Job]) -> Table:
    """One row for each job and way. "differs": the largest relative difference from eager's losses over the first steps."""
    result = Table(title="segue demo")
    columns = ["job", "way", "steps", "loss", "accuracy", "differs", "ms/step", "compile s", "graphs", "breaks", "kernels", "peak MiB"]
    for name in columns:
        result.add_column(name, justify="left" if name in ("job", "way") else "right", no_wrap=True)
    for job in done:
        for run in job.runs:
            counts = run.counts
            result.add_row(
                job.title, run.way, str(len(run.losses)), f"{run.last_loss:.4f}", "" if run.accuracy is None else f"{run.accuracy:.2%}",
                f"{difference(run, job.runs[0]):.0e}", f"{run.milliseconds:.1f}", f"{counts['compile_seconds']:.1f}", f"{counts['graphs']:.0f}",
                f"{counts['breaks']:.0f}", f"{counts['kernels']:.0f}", f"{run.peak_bytes / 2**20:.0f}",
            )  # fmt: skip
        result.add_section()
    return result


def captured(done: list[Job]) -> str:
    """One line about what was captured and what was not."""
    parts = []
    for job in done:
        for run in job.runs[1:]:
            graphs, breaks, left = run.counts["graphs"], run.counts["breaks"], run.counts["host_nodes"]
            what = f"{graphs:.0f} graph{'s' * (graphs != 1)}, {breaks:.0f} break{'s' * (breaks != 1)}"
            parts.append(f"{job.title} {run.way}: {what}" + (f", {left:.0f} operators on eager kernels" if left else ""))
    return "Captured: " + "; ".join(parts) + ". Not captured: the loop over batches, the data loader, and sampling run as plain Python."


def main(quick: bool = False) -> int:
    """Run the demo. Returns 0 when every target was met; with `quick` only agreement and graphs are judged."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)  # a file or a pipe: wide enough for the table
    began = time.perf_counter()
    done = jobs(quick)
    columns = [TextColumn("{task.description:30}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[loss]}")]
    with (
        tempfile.TemporaryDirectory(prefix="segue-demo-") as folder,
        segue.config.override(cache_dir=folder),  # an empty cache: the compile seconds are cold ones
        Progress(*columns, console=console) as progress,
    ):
        for job in done:
            run_job(job, progress, None if quick or isinstance(job.data, Digits) else GPT_LOSS)
    console.print(table(done))
    console.print(Line(captured(done)))
    segue.manual_seed(0)
    text = gpt.sample(done[-1].runs[-1].model, 20 if quick else 200)
    console.print(Panel(Line(text), title="characters that the GPT wrote"))
    missed = [line for job in done for line in judge(job) if not quick or "differ" in line or "graphs" in line]
    for line in missed:
        console.print(Line(f"missed: {line}", style="bold red"))
    verdict = "every target was met" if not missed else f"{len(missed)} targets were missed"
    console.print(Line(f"{verdict}, in {time.perf_counter() - began:.0f} s", style="bold green" if not missed else "bold red"))
    return 1 if missed else 0
