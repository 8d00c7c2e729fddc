"""Why a target departs: the fewest knobs or slips under which the reference shows all that was observed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from conformance.case import Case
from conformance.dialect import KNOBS, Dialect
from conformance.judge import Result, compare
from conformance.reference import Machine, Outcome, replay, stepwise
from conformance.rounding import Value
from conformance.slips import SLIPS, sentence, slipped
from conformance.steps import Fit

EXPLAINED = ("diverges", "errored")
MOST_PASSES = 50  # of a case whose changes are tried in pairs: there are hundreds of pairs


@dataclass(frozen=True, slots=True)
class Cause:
    """One change: a knob at another value than declared, or a slip."""

    name: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.name} = {self.value}" if self.value else self.name

    def under(self, dialect: Dialect) -> Dialect:
        """The dialect with this change, if it is one of a knob."""
        return dialect.under({self.name: self.value}) if self.value else dialect

    def sentence(self, dialect: Dialect) -> str:
        """The cause in words."""
        declared = getattr(dialect, self.name, "")
        return f"{self}, where {declared} is declared" if self.value else sentence(self.name)


def explained(result: Result, case: Case, line: Mapping[str, Any], dialect: Dialect) -> Result:
    """A result with its cause, where it is red by its numbers and a cause is found."""
    shapeless = result.first is not None and result.first.expected is None and result.first.quantity != "step"
    if result.verdict not in EXPLAINED or shapeless or not line.get("steps"):
        return result
    return replace(result, explanation=in_words(explain(case, line["steps"], dialect), dialect))


def in_words(alternatives: list[tuple[Cause, ...]], dialect: Dialect) -> str:
    """Alternatives in a sentence; empty when there is none."""
    said = [" and ".join(cause.sentence(dialect) for cause in causes) for causes in alternatives]
    return f"either {', or '.join(said)}: this case does not separate them" if len(said) > 1 else "".join(said)


def explain(case: Case, steps: list[Mapping[str, Any]], dialect: Dialect) -> list[tuple[Cause, ...]]:
    """The smallest sets of changes that reproduce every number of every step; several when the case cannot tell."""
    base, alone = alternatives(case, dialect)
    found: list[tuple[Cause, ...]] = [(cause,) for cause, shown in alone.items() if reproduces(case, steps, shown)]
    if found or passes(case) > MOST_PASSES:
        return found
    return _pairs(case, steps, dialect, fits(case, steps, base), alone)


@lru_cache(maxsize=256)
def alternatives(case: Case, dialect: Dialect) -> tuple[list[Outcome], Mapping[Cause, list[Outcome]]]:
    """What the reference shows, and under every single change that shows; remembered, as targets share dialects."""
    base = outcomes(case, dialect, ())
    shown = {cause: outcomes(case, dialect, (cause,)) for cause in causes(dialect)}
    return base, {cause: changed for cause, changed in shown.items() if differs(base, changed)}


def _pairs(
    case: Case, steps: list[Mapping[str, Any]], dialect: Dialect, fitting: int, alone: Mapping[Cause, list[Outcome]]
) -> list[tuple[Cause, ...]]:
    """Two changes at a time, one of which must bring something into place by itself."""
    helping = [cause for cause, shown in alone.items() if fits(case, steps, shown) > fitting]
    pairs = [
        (first, second)
        for first, second in itertools.combinations(alone, 2)
        if first.name != second.name and (first in helping or second in helping)
    ]
    return [pair for pair in pairs if unbroken(case, steps, machine(case, dialect, pair))]


def unbroken(case: Case, steps: list[Mapping[str, Any]], changed: Machine) -> bool:
    """Whether what a machine shows is all that was observed; it goes no further than the first step that is not."""
    shown = stepwise(changed)
    every = all(reproduces(case, [seen], [outcome]) for outcome, seen in zip(shown, steps, strict=False))
    return every and len(steps) == len(case.text.steps)


def passes(case: Case) -> int:
    """How many batches go through the layers in a case."""
    fits = [step for step in case.text.steps if isinstance(step, Fit)]
    batches = (step.epochs * -(-len(case.data[step.fit]) // step.batch_size) for step in fits)
    return len(case.text.steps) + sum(batches)


def causes(dialect: Dialect) -> Iterator[Cause]:
    """Every single change: conventions first, then slips."""
    for knob, values in KNOBS.items():
        yield from (Cause(knob, value) for value in values if value != getattr(dialect, knob))
    yield from (Cause(name) for name in SLIPS)


def outcomes(case: Case, dialect: Dialect, several: tuple[Cause, ...]) -> list[Outcome]:
    """What the reference shows under some changes."""
    return replay(machine(case, dialect, several))


def machine(case: Case, dialect: Dialect, several: tuple[Cause, ...]) -> Machine:
    """A machine with some changes."""
    for cause in several:
        dialect = cause.under(dialect)
    return slipped(case, dialect, [cause.name for cause in several if not cause.value])


def reproduces(case: Case, steps: list[Mapping[str, Any]], shown: list[Outcome]) -> bool:
    """Whether what the reference shows is all that was observed."""
    return compare(case.id, shown, steps).verdict == "conforms"


def fits(case: Case, steps: list[Mapping[str, Any]], shown: list[Outcome]) -> int:
    """How many of the quantities observed are what the reference shows."""
    return sum(item.divergence is None for step in compare(case.id, shown, steps).steps for item in step)


def differs(base: list[Outcome], other: list[Outcome]) -> bool:
    """Whether two traces show anything that an observation could tell apart: values, types, or wider bounds."""
    return any(
        a.raises != b.raises
        or a.quantities.keys() != b.quantities.keys()
        or any(_apart(a.quantities[name], b.quantities[name]) for name in a.quantities)
        for a, b in zip(base, other, strict=True)
    )


def _apart(here: Value, there: Value) -> bool:
    """Whether a quantity has another value, shape or type, or a bound that is more than twice as wide."""
    if here.dtype != there.dtype or here.expected.shape != there.expected.shape:
        return True
    return bool((here.expected != there.expected).any() or (there.scale > 2 * here.scale).any())
