"""What a case owes its readers beyond its form: reasons, sources, and literals that the reference bears out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conformance.case import Case
from conformance.causes import Cause
from conformance.dialect import STANDARD
from conformance.dtypes import cast
from conformance.judge import in_bounds
from conformance.load import build, decode, read
from conformance.margins import LEAST, guarded, least, refused
from conformance.reference import Outcome, trace
from conformance.steps import Expectation, Otherwise
from conformance.strict_yaml import BadInput, Problem, parse
from conformance.strict_yaml import Path as Place


@dataclass(frozen=True, slots=True)
class Linted:
    """Everything wrong with one case file, and how clearly it tells apart what it is about."""

    problems: list[Problem]
    least: str = ""


def lint(path: Path) -> Linted:
    """Check one case file."""
    try:
        document = parse(decode(read(path), str(path)), str(path))
        case = build(document, path.stem)
    except BadInput as error:
        return Linted(error.problems)
    found = guarded(case)
    problems = (*_owed(case), *_literals(case), *_margins(case, found))
    return Linted([document.problem(at, message) for at, message in problems], least(found))


def _owed(case: Case) -> Iterator[tuple[Place, str]]:
    text = case.text
    for name in ("question", "effect"):
        if not getattr(text, name):
            yield (), f"`{name}:` is missing: a case says what a user would ask, and what a fault would do to them"
    if not text.sources:
        yield (), "`sources:` is missing: where it is written that this is so"
    if not any(
        expectation.quantities or expectation.raises for step in text.steps for expectation in step.expectations
    ):
        yield ("steps",), "no step expects anything: write literals that a reader can check"
    if case.text.question and not case.text.question.rstrip().endswith("?"):
        yield ("question",), "a question ends with a question mark"


def _margins(case: Case, found: dict[Cause, float]) -> Iterator[tuple[Place, str]]:
    """Conventions and slips whose numbers are too near to the standard's to tell them apart."""
    for cause, margin in refused(case, found).items():
        yield ("steps",), f"{cause} is {margin:.3g} bounds from the standard; a case that guards it needs {LEAST:g}"


def _literals(case: Case) -> Iterator[tuple[Place, str]]:
    """Literals that are not what the reference gives under the standard, or under the dialect that they name."""
    standard = trace(case, STANDARD)
    for index, step in enumerate(case.text.steps):
        for number, expectation in enumerate(step.expectations):
            place: Place = ("steps", index, "expect")
            outcome = standard[index]
            if isinstance(expectation, Otherwise):
                place = ("steps", index, "otherwise", number - 1)
                outcome = trace(case, STANDARD.under(expectation.dialect))[index]
            for name, message in _against(expectation, outcome):
                yield (*place, name), message


def _against(expectation: Expectation, outcome: Outcome) -> Iterator[tuple[str, str]]:
    if expectation.raises != outcome.raises and (expectation.raises or expectation.quantities):
        yield "raises", "the reference raises an error here" if outcome.raises else "the reference raises no error here"
    for name, literal in expectation.quantities.items():
        value = outcome.quantities.get(name)
        if value is None:
            yield name, f"the reference gives no {name} here"
            continue
        errors = in_bounds(cast(literal, value.dtype), value)
        if errors.max(initial=0) > 1:
            exact = np.array2string(value.expected, precision=9, separator=", ", threshold=40)
            yield name, f"the literal is not what the reference gives: {' '.join(exact.split())}"
