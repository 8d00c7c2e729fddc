"""What `conformance repro` does: looks up what a target showed of a case, and has the script written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click

from conformance import repro
from conformance.case import Case
from conformance.corpus import select
from conformance.dialect import STANDARD
from conformance.judge import Result, judge
from conformance.questions import observed, one
from conformance.reference import trace
from conformance.runs import Run


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A script, the case and the run that it is about, and what was concluded of them."""

    script: str
    case: Case
    run: Run
    result: Result


def reproduce(case_id: str, pattern: str, root: Path, folder: Path, like: str | None = None) -> Reproduced:
    """A script for a case and a target, expecting what the reference shows, or another target."""
    corpus, run = select(root, (case_id,)), one(pattern, folder)
    lines = {case.id: (case, line) for case, line in observed(run, corpus)}
    if case_id not in lines or len(lines[case_id][1].get("steps", ())) != len(lines[case_id][0].text.steps):
        raise click.BadParameter(f"{pattern} has no observation of this case as it is now", param_hint="CASE")
    case, line = lines[case_id]
    dialect = STANDARD.under(run.header.dialect)
    result = judge(case, line, dialect)
    shows = repro.wanted(trace(case, dialect))
    try:
        if like is None:
            judged = [each.beside(step) for each, step in zip(shows, result.steps, strict=False)]
            shows = judged + shows[len(judged) :]
        else:
            theirs = dict(one(like, folder).lines())[case_id]
            others = repro.seen(theirs["steps"], line["steps"])
            shows = [replace(each, bounds=here.bounds) for each, here in zip(others, shows, strict=True)]
        return Reproduced(repro.script(case, run.header.target, line["steps"], shows), case, run, result)
    except repro.NoScript as error:
        raise click.BadParameter(f"there is no script for this: {error}", param_hint="CASE") from None
