"""Reports and comparisons as JSON, for other programs; `python -m conformance.render.json_ report` prints the schema.

What JSON cannot hold is null: an error without measure, a number that is not finite.
"""

from __future__ import annotations

import json
import sys
from math import isfinite
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from conformance.behaviour import by_place
from conformance.compare import Comparison
from conformance.judge import Divergence, Result
from conformance.render.words import why
from conformance.report import Column, Report
from conformance.runs import Target

Verdict = Literal[
    "conforms",
    "diverges",
    "known",
    "healed",
    "unsupported",
    "errored",
    "crashed",
    "hung",
    "missing",
    "unavailable",
]
Kind = Literal["regressed", "fixed", "changed", "new", "removed", "same"]


class Part(BaseModel):
    """What all parts have in common: nothing is there that the schema does not name."""

    model_config = ConfigDict(extra="forbid")


class Place(Part):
    """Where a target departs first from its reference; the step is counted from 1."""

    step: int
    quantity: str
    what: str
    index: list[int]
    expected: float | None
    observed: float | None
    error: Annotated[float | None, Field(description="in units of the bound; null where there is no measure")]


class Outcome(Part):
    """The result of one case on one target."""

    case: str
    verdict: Verdict
    green: bool
    behaviour: Annotated[str, Field(description="targets with the same letter behave alike in this case")]
    error: Annotated[float | None, Field(description="worst error in units of the bound")]
    why: str
    explanation: str
    first: Place | None


class TargetPart(Part):
    """A target, its run and its results."""

    name: str
    label: str
    adapter: str
    mode: str
    environment: str
    complete: Annotated[bool, Field(description="false when the run was cut off")]
    reused: Annotated[int, Field(description="how many observations were taken over from an earlier run")]
    dialect: Annotated[dict[str, str], Field(description="what it declares, where that is not the standard")]
    counts: dict[str, int]
    results: list[Outcome]


class ReportPart(Part):
    """A report."""

    format: Literal[1] = 1
    green: bool
    cases: list[str]
    targets: list[TargetPart]


class ChangePart(Part):
    """What became of one case on one target."""

    case: str
    target: str
    kind: Kind
    before: Verdict | None
    after: Verdict | None
    why: str


class Pair(Part):
    """Two environments that were held against each other; null where there is only the other."""

    before: str | None
    after: str | None


class ComparisonPart(Part):
    """A comparison of two sets of runs."""

    format: Literal[1] = 1
    green: Annotated[bool, Field(description="whether nothing regressed")]
    counts: dict[Kind, int]
    targets: list[Pair]
    changes: list[ChangePart]


SCHEMAS: dict[str, type[Part]] = {"report": ReportPart, "comparison": ComparisonPart}


def report(made: Report) -> str:
    """A report as JSON."""
    letters = {case_id: by_place(classes) for case_id, classes in made.behaviours.items()}
    targets = [
        _target(column, {case_id: places.get(number, "") for case_id, places in letters.items()})
        for number, column in enumerate(made.columns)
    ]
    part = ReportPart(green=made.green, cases=[case.id for case in made.cases], targets=targets)
    return part.model_dump_json(indent=1) + "\n"


def comparison(made: Comparison) -> str:
    """A comparison as JSON, what is the same left out."""
    changes = [
        ChangePart.model_validate(
            {
                "case": change.case,
                "target": change.target,
                "kind": change.kind,
                "before": change.before and change.before.verdict,
                "after": change.after and change.after.verdict,
                "why": why(change.after) if change.after else "",
            }
        )
        for change in made.changes
        if change.kind != "same"
    ]
    pairs = [Pair(before=_name(old), after=_name(new)) for old, new in made.pairs]
    said = {"green": made.green, "counts": made.counts, "targets": pairs, "changes": changes}
    part = ComparisonPart.model_validate(said)
    return part.model_dump_json(indent=1) + "\n"


def schema(name: str) -> str:
    """The JSON Schema of a report or of a comparison."""
    made = SCHEMAS[name].model_json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **made}, indent=1) + "\n"


def _name(target: Target | None) -> str | None:
    return target.name if target else None


def _target(column: Column, letters: dict[str, str]) -> TargetPart:
    who = column.target
    return TargetPart(
        name=who.name,
        label=who.label,
        adapter=who.adapter,
        mode=who.mode,
        environment=who.environment,
        complete=column.run.complete,
        reused=column.run.reused,
        dialect=dict(column.departs),
        counts=column.counts,
        results=[_outcome(result, letters.get(result.case, "")) for result in column.results.values()],
    )


def _outcome(result: Result, letter: str) -> Outcome:
    return Outcome.model_validate(
        {
            "case": result.case,
            "verdict": result.verdict,
            "green": result.green,
            "behaviour": letter,
            "error": _finite(result.error) if result.steps else None,
            "why": why(result),
            "explanation": result.explanation,
            "first": result.first and _place(result.first),
        }
    )


def _place(first: Divergence) -> Place:
    return Place(
        step=first.step + 1,
        quantity=first.quantity,
        what=first.what,
        index=list(first.index),
        expected=_finite(first.expected),
        observed=_finite(first.observed),
        error=_finite(first.error),
    )


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None


if __name__ == "__main__":
    sys.stdout.write(schema(sys.argv[1]))
