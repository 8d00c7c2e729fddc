"""`conformance report` and `conformance compare`: one set of runs, and what changed between two."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conformance.cli_options import CASES, KNOWN, RUNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.compare import Comparison

FORMATS = ("text", "markdown", "junit", "json", "html")
FORMS = click.option(
    "--format",
    "forms",
    type=click.Choice(["html", "markdown", "junit", "json"]),
    multiple=True,
    default=["html"],
    show_default=True,
    help="index.html, report.md, report.xml, report.json; may be given several times.",
)
FOLDER_OR_FILE = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(exists=True, path_type=Path))
@CASES
@KNOWN
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), default=RUNS, show_default=True)
@click.option("--baseline", type=FOLDER_OR_FILE, help="Earlier runs: the page says what changed since then.")
@FORMS
def report(
    runs: tuple[Path, ...],
    root: Path,
    known: Path | None,
    output: Path,
    baseline: Path | None,
    forms: tuple[str, ...],
) -> None:
    """Render the report from run files (by default those in reports/runs) without running anything."""
    from conformance.commands import report_only

    sys.exit(report_only(runs, root, known, output, forms, _files(baseline) if baseline else ()))


@click.command()
@click.argument("before", type=FOLDER_OR_FILE)
@click.argument("after", type=FOLDER_OR_FILE)
@click.option("--cases", "root", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of cases.")
@KNOWN
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File instead of the terminal.")
def compare(before: Path, after: Path, root: Path | None, known: Path | None, form: str, output: Path | None) -> None:
    """Compare two run files, or two folders of them: what is new, fixed, regressed, changed, removed.

    The same version of the cases judges both. The exit status is 1 when something that was green is red.
    """
    from conformance import places, report
    from conformance.commands import excuses_from
    from conformance.compare import compare as hold
    from conformance.corpus import select
    from conformance.render import html, json_, junit, markdown, terminal

    corpus, excuses = select(root or places.cases(), ()), excuses_from(known)
    older, newer = (report.build(corpus, _files(path), excuses) for path in (before, after))
    made = hold(older, newer)
    writers: dict[str, Callable[[Comparison], str]] = {
        "text": terminal.comparison,
        "markdown": markdown.comparison,
        "junit": junit.comparison,
        "json": json_.comparison,
        "html": partial(html.html, newer),
    }
    text = writers[form](made)
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)
    sys.exit(0 if made.green else 1)


def _files(path: Path) -> list[Path]:
    """A run file, or those of a folder or of its `runs`."""
    from conformance.report import run_files

    found = [path] if path.is_file() else run_files(path) or run_files(path / "runs")
    if not found:
        raise click.BadParameter(f"there is no run file (*.jsonl) in {path}")
    return found
