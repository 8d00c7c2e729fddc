"""The command that says, from run files alone, when behaviour changed."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import click

from conformance.cli_options import CASES, OBSERVED
from conformance.dialect import KNOBS


@click.command()
@click.option("--api", default="*", metavar="GLOB", help="Only these adapters, or adapter[mode].")
@click.option("--statement", metavar="ID", help="Only what the cases of this statement show.")
@click.option("--knob", type=click.Choice(list(KNOBS)), metavar="NAME", help="The values of this knob, by version.")
@CASES
@OBSERVED
def timeline(api: str, statement: str | None, knob: str | None, root: Path, runs: Path) -> None:
    """Say between which versions the behaviour of an API changed, of those that were run."""
    from conformance import report
    from conformance.corpus import Corpus, select
    from conformance.render import history
    from conformance.runs import read
    from conformance.timeline import timeline as drawn

    corpus = select(root, ())
    if statement:
        corpus = Corpus(corpus.root, tuple(case.id for case in corpus if statement in case.text.statements))
    wanted = api.replace("[", "[[]")
    files = [read(path) for path in report.run_files(runs)]
    found = drawn(
        corpus,
        [
            run
            for run in files
            if fnmatchcase(run.header.target.label, wanted) or fnmatchcase(run.header.target.adapter, api)
        ],
    )
    if not found:
        raise click.UsageError(f"there are no two versions of any such API in {runs}")
    click.echo("\n".join(history.knob(corpus, found, knob) if knob else history.changes(found)))
