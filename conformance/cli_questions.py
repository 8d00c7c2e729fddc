"""The commands that answer questions from run files, without any framework."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from conformance.cli_options import CASES, KNOWN, OBSERVED


@click.command()
@click.argument("target")
@CASES
@OBSERVED
@KNOWN
@click.option("--against-declared", is_flag=True, help="Exit 1 when a declared value is contradicted.")
def infer(target: str, root: Path, runs: Path, known: Path | None, *, against_declared: bool) -> None:
    """Say which conventions a TARGET follows, from its observations alone.

    TARGET is an adapter, adapter[mode], a glob over these or over names of run files, or a run file.
    """
    from conformance.questions import infer as answer

    lines, contradicted = answer(target, root, runs, known)
    click.echo("\n".join(lines))
    sys.exit(int(against_declared and contradicted))


QUESTIONS = (infer,)
