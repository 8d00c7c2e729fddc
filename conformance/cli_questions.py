"""The commands that answer questions from run files, without any framework."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from conformance.cli_options import CASES, EPSILON, KNOWN, MOMENTUM, OBSERVED


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


@click.command()
@click.argument("here", metavar="A")
@click.argument("there", metavar="B")
@CASES
@OBSERVED
@MOMENTUM
@EPSILON
@click.option("--batch", default=64, show_default=True, type=click.IntRange(1), help="Rows of a training batch.")
@click.option("--positions", default=1, show_default=True, type=click.IntRange(1), help="Positions of a row: H·W.")
def explain(
    here: str, there: str, root: Path, runs: Path, momentum: float, epsilon: float, batch: int, positions: int
) -> None:
    """Say what differs between the targets A and B, with the numbers of your own layer."""
    from conformance.questions import explain as answer
    from conformance.worked import Settings

    click.echo("\n".join(answer(here, there, root, runs, Settings(momentum, epsilon, batch * positions))))


QUESTIONS = (infer, explain)
