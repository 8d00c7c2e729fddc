"""Why a target departs: the fewest knobs or slips under which the reference shows all that was observed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.case import Case
from conformance.dialect import KNOBS, Dialect
from conformance.judge import Result, compare, judge
from conformance.reference import Outcome, replay
from conformance.slips import SLIPS, sentence, slipped

EXPLAINED = ("diverges", "errored")


@dataclass(frozen=True, slots=True)
class Cause:
    """One change: a knob at another value than declared, or a slip."""

    name: str
    value: str = ""

    def under(self, dialect: Dialect) -> Dialect:
        """The dialect with this change, if it is one of a knob."""
        return dialect.under({self.name: self.value}) if self.value else dialect

    def sentence(self, dialect: Dialect) -> str:
        """The cause in words."""
        declared = getattr(dialect, self.name, "")
        return f"{self.name} = {self.value}, where {declared} is declared" if self.value else sentence(self.name)


def explained(case: Case, line: Mapping[str, Any] | None, dialect: Dialect) -> Result:
    """The verdict, and the cause where there is something to explain and a cause is found."""
    result = judge(case, line, dialect)
    if line is None or result.verdict not in EXPLAINED or not line.get("steps"):
        return result
    return replace(result, explanation=in_words(explain(case, line["steps"], dialect), dialect))


def in_words(alternatives: list[tuple[Cause, ...]], dialect: Dialect) -> str:
    """Alternatives in a sentence; empty when there is none."""
    said = [" and ".join(cause.sentence(dialect) for cause in causes) for causes in alternatives]
    return f"either {', or '.join(said)}: this case does not separate them" if len(said) > 1 else "".join(said)


def explain(case: Case, steps: list[Mapping[str, Any]], dialect: Dialect) -> list[tuple[Cause, ...]]:
    """The smallest sets of changes that reproduce every number of every step; several when the case cannot tell."""
    base = replay(slipped(case, dialect, ()))
    telling = [cause for cause in causes(dialect) if differs(base, outcomes(case, dialect, (cause,)))]
    for size in (1, 2):
        found = [
            several
            for several in itertools.combinations(telling, size)
            if len({cause.name for cause in several}) == size and reproduces(case, steps, dialect, several)
        ]
        if found:
            return found
    return []


def causes(dialect: Dialect) -> Iterator[Cause]:
    """Every single change: conventions first, then slips."""
    for knob, values in KNOBS.items():
        yield from (Cause(knob, value) for value in values if value != getattr(dialect, knob))
    yield from (Cause(name) for name in SLIPS)


def outcomes(case: Case, dialect: Dialect, several: tuple[Cause, ...]) -> list[Outcome]:
    """What the reference shows under some changes."""
    for cause in several:
        dialect = cause.under(dialect)
    return replay(slipped(case, dialect, [cause.name for cause in several if not cause.value]))


def reproduces(case: Case, steps: list[Mapping[str, Any]], dialect: Dialect, several: tuple[Cause, ...]) -> bool:
    """Whether the reference under some changes shows all that was observed."""
    return compare(case.id, outcomes(case, dialect, several), steps).verdict == "conforms"


def differs(base: list[Outcome], other: list[Outcome]) -> bool:
    """Whether two traces show anything that an observation could tell apart."""
    return any(
        a.raises != b.raises
        or a.quantities.keys() != b.quantities.keys()
        or any((a.quantities[name].expected != b.quantities[name].expected).any() for name in a.quantities)
        for a, b in zip(base, other, strict=True)
    )
