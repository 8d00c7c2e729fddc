"""What the commands of the command line do: the stages in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from conformance import adapters, known, places, report, runs, smoke
from conformance.annotate import annotated
from conformance.cache import Cache, surroundings
from conformance.cli import BAD_USAGE, CANNOT_RUN, GREEN, INTERRUPTED, RED
from conformance.compare import Comparison, compare
from conformance.corpus import Corpus, select
from conformance.extent import Extent
from conformance.process import Interpreter
from conformance.render import json_, junit, markdown
from conformance.render.html import write_page
from conformance.render.terminal import print_report
from conformance.run import Job, Ran, Watch, run

WRITTEN = ("runs", "introductions", "index.html", "report.md", "report.xml", "report.json")  # in the report's folder


class Bars(Watch):
    """Progress on the terminal: a bar for each target that runs."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.bars = progress, dict[runs.Target, TaskID]()

    def begin(self, target: runs.Target, cases: int) -> None:
        """Add a bar."""
        self.bars[target] = self.progress.add_task(target.label, total=cases)

    def answered(self, target: runs.Target) -> None:
        """Move the bar on."""
        self.progress.advance(self.bars[target])


def run_and_report(
    names: Sequence[str],
    root: Path,
    globs: tuple[str, ...],
    modes: tuple[str, ...],
    interpreter: Interpreter,
    jobs: int | None,
    resume: bool,
    list_of_known: Path | None,
    folder: Path,
    words: Sequence[str],
    extent: Extent,
) -> int:
    """Run, judge, render; the exit status."""
    chosen, excuses = choose(names, interpreter), excuses_from(list_of_known)
    with ThreadPoolExecutor(1) as beside:  # looks around while the cases are read
        looking = beside.submit(cache_of, folder, interpreter) if extent.cached else None
        whole, said = extent.whole(select(root, globs))
        corpus = extent.part(whole)
        corpus.check()
    for sentence in said:
        click.echo(sentence, err=True)
    job = Job(
        chosen,
        modes,
        corpus,
        interpreter,
        folder / "runs",
        resume,
        workers=jobs or os.cpu_count() or 1,
        command=("conformance", "run", *words),
        asked_for=bool(names),
        repeat=extent.repeat,
        noted=extent.noted(whole),
        cache=looking.result() if looking else None,
    )
    every = select(root, ()) if globs or len(corpus.ids) < len(whole.ids) else corpus
    return reported(_run(job), corpus, every, excuses, folder, extent, asked_for=bool(names))


def reported(
    ran: Sequence[Ran],
    corpus: Corpus,
    every: Corpus,
    excuses: list[known.Entry],
    folder: Path,
    extent: Extent,
    *,
    asked_for: bool,
) -> int:
    """Judge what was run, print it, and render the page of every case; the exit status."""
    made = report.build(corpus, [outcome.path for outcome in ran if outcome.path], excuses)
    if made.columns:
        print_report(made)
    if extent.annotate:
        click.echo("\n".join(annotated(made, corpus, Path.cwd())))
    page = render(made, every, excuses, folder) if extent.page else None
    status = ended(ran, made, asked_for=asked_for)
    if page and status in (GREEN, RED):
        click.echo(f"report: {page}")
    return status


def cache_of(folder: Path, interpreter: Interpreter) -> Cache:
    """What allows the observations in a report's folder to stand, in the surroundings of now."""
    around = surroundings(interpreter, [folder / name for name in WRITTEN])
    return Cache(folder / "introductions", interpreter, around)


def ended(ran: Sequence[Ran], made: report.Report, *, asked_for: bool) -> int:
    """Say what could not be run; the exit status."""
    for outcome in ran:
        if outcome.reason:
            click.echo(f"{outcome.adapter.name} is unavailable: {outcome.reason}", err=True)
    if any(outcome.reason and (asked_for or not outcome.absent) for outcome in ran):
        return CANNOT_RUN
    if not made.columns:
        click.echo("nothing was run: no such mode, or it is about other cases, or no framework is here", err=True)
        return BAD_USAGE
    return GREEN if made.green else RED


def choose(names: Sequence[str], interpreter: Interpreter) -> list[adapters.Adapter]:
    """The adapters named, or all whose framework this interpreter has (all there are, for another interpreter)."""
    try:
        if names:
            return [adapters.named(name) for name in names]
    except LookupError as error:
        raise click.BadParameter(str(error.args[0]), param_hint="TARGET") from None
    elsewhere = interpreter.python != sys.executable
    return [adapter for adapter in adapters.find() if elsewhere or adapter.present()]


def _run(job: Job) -> list[Ran]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        try:
            return run(job, Bars(progress))
        except KeyboardInterrupt:
            progress.stop()
            click.echo(f"interrupted; what was seen is in {job.folder}, --resume goes on from there", err=True)
            sys.exit(INTERRUPTED)


def excuses_from(path: Path | None) -> list[known.Entry]:
    """The suite's own list of known divergences, and the one that was given."""
    return [entry for file in places.excuses(path) for entry in known.load(file)]


def render(made: report.Report, corpus: Corpus, excuses: list[known.Entry], folder: Path) -> Path:
    """Write the page of all runs that lie in a folder: those that have just been judged, and the others."""
    judged = {column.run.path for column in made.columns}
    others = report.build(corpus, (path for path in report.run_files(folder / "runs") if path not in judged), excuses)
    columns = sorted(made.columns + others.columns, key=lambda column: column.run.path)
    page = folder / "index.html"
    write_page(report.Report(others.cases, columns), page)
    return page


def report_only(
    chosen: Sequence[Path],
    root: Path,
    list_of_known: Path | None,
    folder: Path,
    forms: Sequence[str] = ("html",),
    baseline: Sequence[Path] = (),
) -> int:
    """Judge and render stored runs; the exit status."""
    corpus = select(root, ())
    paths = [
        file for path in chosen or (folder / "runs",) for file in (report.run_files(path) if path.is_dir() else [path])
    ]
    if not paths:
        click.echo("there is no run file (*.jsonl) to report on; `conformance run` writes them", err=True)
        return BAD_USAGE
    excuses = excuses_from(list_of_known)
    made = report.build(corpus, paths, excuses)
    print_report(made)
    since = compare(report.build(corpus, baseline, excuses), made) if baseline else None
    for form in forms:
        click.echo(f"report: {write(made, form, folder, since)}")
    return GREEN if made.green else RED


def write(made: report.Report, form: str, folder: Path, since: Comparison | None = None) -> Path:
    """Write a report in one of its forms; the file. The page has what changed, if that is given."""
    if form == "html":
        write_page(made, folder / "index.html", since)
        return folder / "index.html"
    name, rendered = {
        "markdown": ("report.md", markdown.report),
        "junit": ("report.xml", junit.report),
        "json": ("report.json", json_.report),
    }[form]
    runs.write(folder / name, rendered(made).encode())
    return folder / name


def smoke_test(name: str, interpreter: Interpreter) -> int:
    """Drive an adapter once through every verb; the exit status."""
    try:
        adapter = adapters.named(name)
    except LookupError as error:
        raise click.BadParameter(str(error.args[0]), param_hint="ADAPTER") from None
    found = smoke.smoke(adapter, interpreter)
    for finding in found:
        click.echo(f"{'ok  ' if finding.fine else 'FAIL'} {finding.mode:12} {finding.verb:12} {finding.message}")
    if any(finding.verb == "start" for finding in found):
        return CANNOT_RUN
    return GREEN if all(finding.fine for finding in found) else RED
