"""What `conformance repro` does: looks up what a target showed of a case, and has the script written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from conformance import repro
from conformance.case import Case
from conformance.corpus import select
from conformance.dialect import STANDARD
from conformance.judge import Result, judge
from conformance.plan import instruction
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
    try:
        case, steps = performed(*lines[case_id])
    except (KeyError, ValueError):
        raise click.BadParameter(f"{pattern} has no observation of this case as it is now", param_hint="CASE") from None
    line = lines[case_id][1]
    dialect = STANDARD.under(run.header.dialect)
    result = judge(case, line, dialect)
    shows = repro.wanted(trace(case, dialect))
    try:
        if like is None:
            judged = [each.beside(step) for each, step in zip(shows, result.steps, strict=False)]
            shows = judged + shows[len(judged) :]
        else:
            theirs = dict(one(like, folder).lines())[case_id]
            others = repro.seen(theirs["steps"][: len(steps)], steps)
            shows = [replace(each, bounds=here.bounds) for each, here in zip(others, shows, strict=True)]
        return Reproduced(repro.script(case, run.header.target, steps, shows), case, run, result)
    except repro.NoScript as error:
        raise click.BadParameter(f"there is no script for this: {error}", param_hint="CASE") from None


def performed(case: Case, line: Mapping[str, Any]) -> tuple[Case, list[Mapping[str, Any]]]:
    """A case as far as it was done, and its steps; a ValueError where nothing was.

    What cannot be built has all its steps, before which a script raises; one that the target has nothing for ends it.
    """
    if "raised" in line:
        return case, [{"quantities": {}} for _ in case.text.steps]
    observed = line.get("steps", [])
    steps = [step for step in observed if "unsupported" not in step]
    if len(steps) == len(case.text.steps):
        return case, steps
    if not steps or len(steps) == len(observed):
        raise ValueError("the observation is not whole")
    kept = case.text.steps[: len(steps)]
    used = {name for step in kept for name in instruction(step).values() if isinstance(name, str)}
    data = {name: array for name, array in case.data.items() if name in used}
    return replace(case, text=case.text.model_copy(update={"steps": kept}), data=data), steps
