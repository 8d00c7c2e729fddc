"""The commands that answer questions from run files, without any framework."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from conformance.cli_options import CASES, EPSILON, KNOWN, MOMENTUM, OBSERVED, RUNS


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


@click.command("known")
@click.argument("runs", nargs=-1, type=click.Path(exists=True, path_type=Path))
@CASES
@click.option("--known", "listed", type=click.Path(path_type=Path), help="The list.  [default: the suite's own]")
@click.option("--update", is_flag=True, help="Rewrite the list: healed entries go, new ones come with reason: TODO.")
def known_(runs: tuple[Path, ...], root: Path, listed: Path | None, *, update: bool) -> None:
    """Say what each known divergence excuses in RUNS (by default reports/runs); idle and healed ones are red."""
    from conformance.questions import check_known

    lines, well = check_known(runs or (RUNS / "runs",), root, listed, update=update)
    click.echo("\n".join(lines))
    sys.exit(int(not well))


@click.command()
@click.argument("case_id", metavar="CASE")
@click.argument("target")
@CASES
@OBSERVED
@click.option("--as", "like", metavar="OTHER", help="Expect what another target was seen to show.")
@click.option("--issue", is_flag=True, help="Write a bug report in Markdown around it, with versions.")
def repro(case_id: str, target: str, root: Path, runs: Path, like: str | None, *, issue: bool) -> None:
    """Write one script in the framework's own API that shows what a TARGET does in a CASE, and what is expected."""
    from conformance.questions import reproduce
    from conformance.render.issue import report

    script, case, run, result = reproduce(case_id, target, root, runs, like=like)
    click.echo(report(script, case, run, result) if issue else script, nl=False)


QUESTIONS = (infer, explain, known_, repro)
