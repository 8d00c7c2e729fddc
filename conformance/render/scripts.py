"""The repro scripts of a report: for each result that departs and has gone through its case, if there is a template."""

from __future__ import annotations

from conformance import repro
from conformance.case import Case
from conformance.judge import Result
from conformance.render.text import signed
from conformance.runs import Target

LONGEST = 20_000


def script(case: Case, target: Target, result: Result | None) -> str:
    """The script that shows a departure; empty where there is none, or where it would weigh too much in a page."""
    if result is None or result.verdict == "conforms" or len(result.steps) != len(case.text.steps):
        return ""
    steps = [{"raised": result.raised[index]} if index in result.raised else {} for index in range(len(result.steps))]
    try:
        written = signed(repro.script(case, target, steps, repro.judged(result)))
    except repro.NoScript:
        return ""
    return written if len(written) <= LONGEST else ""
