"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path

import click

RUNS = Path("reports")


def _cases_folder() -> Path:
    from conformance import places

    return places.cases()


CASES = click.option(
    "--cases",
    "root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=_cases_folder,
    help="Folder of cases.  [default: the suite's own]",
)
OBSERVED = click.option(
    "--runs",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=RUNS / "runs",
    show_default=True,
    help="Folder of run files in which targets are looked up.",
)
KNOWN = click.option(
    "--known", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Known divergences, besides the own."
)
MOMENTUM = click.option(
    "--momentum",
    default=0.99,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="The fraction of the old moving statistic that is kept.",
)
EPSILON = click.option("--epsilon", default=0.001, show_default=True, type=click.FloatRange(0), help="Under the root.")
