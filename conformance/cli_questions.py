"""The commands that answer questions from run files, without any framework."""

from __future__ import annotations

import sys
from math import prod
from pathlib import Path

import click

from conformance.cli_options import BATCH, CASES, EPSILON, KNOWN, MOMENTUM, OBSERVED, RUNS


@click.command()
@click.argument("target")
@CASES
@OBSERVED
@KNOWN
@click.option("--against-declared", is_flag=True, help="Exit 1 when a declared value is contradicted.")
@click.option("--write", is_flag=True, help="Keep it in inferred.json beside the run, for the report to show.")
def infer(target: str, root: Path, runs: Path, known: Path | None, *, against_declared: bool, write: bool) -> None:
    """Say which conventions a TARGET follows, from its observations alone.

    TARGET is an adapter, adapter[mode], a glob over these or over names of run files, or a run file.
    """
    from conformance.questions import infer as answer

    lines, contradicted = answer(target, root, runs, known, write=write)
    click.echo("\n".join(lines))
    sys.exit(int(against_declared and contradicted))


@click.command()
@click.argument("here", metavar="A")
@click.argument("there", metavar="B")
@CASES
@OBSERVED
@MOMENTUM
@EPSILON
@BATCH
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
    from conformance.render.issue import report
    from conformance.reproduce import reproduce

    found = reproduce(case_id, target, root, runs, like)
    click.echo(report(found) if issue else found.script, nl=False)


@click.command()
@click.argument("here", metavar="A")
@click.argument("there", metavar="B")
@OBSERVED
@MOMENTUM
@EPSILON
@BATCH
@click.option("--shape", default="64", show_default=True, help="Shape of a sample, channels last: 32,32,64.")
@click.option("--center/--no-center", default=True, help="With beta, or without.")
@click.option("--scale/--no-scale", default=True, help="With gamma, or without.")
def port(
    here: str,
    there: str,
    runs: Path,
    momentum: float,
    epsilon: float,
    batch: int,
    shape: str,
    *,
    center: bool,
    scale: bool,
) -> None:
    """Say what does in B, in its own spelling, what a layer of A does, and what no argument can make equal."""
    from conformance.port import Layer
    from conformance.questions import ported
    from conformance.worked import Settings

    try:
        sizes = tuple(int(size) for size in shape.split(","))
    except ValueError:
        raise click.BadParameter(f"{shape!r} is no shape like 32,32,64", param_hint="--shape") from None
    layer = Layer(momentum, epsilon, sizes, center, scale)
    n = batch * prod(sizes[:-1])
    click.echo("\n".join(ported(here, there, runs, Settings(momentum, epsilon, n), layer)))


@click.command()
@MOMENTUM
@click.option("--steps", default=100, show_default=True, type=click.IntRange(0), help="How many updates.")
def lag(momentum: float, steps: int) -> None:
    """Say how far moving statistics are behind after some updates, and when they have caught up to 1 %."""
    from conformance.render.answers import lag as answer

    click.echo("\n".join(answer(momentum, steps)))


@click.command("why-differ")
@click.argument("target")
@click.argument("globs", nargs=-1, metavar="[CASE]...")
@CASES
@OBSERVED
def why_differ(target: str, globs: tuple[str, ...], root: Path, runs: Path) -> None:
    """Say why a TARGET predicts otherwise than it trains: lag, a wrong mode, or a state that was lost.

    Each observed sequence that trains and then predicts is replayed under the three hypotheses.
    """
    from conformance.questions import why_differ as answer

    click.echo("\n".join(answer(target, globs, root, runs)))


QUESTIONS = (infer, explain, known_, repro, port, lag, why_differ)
