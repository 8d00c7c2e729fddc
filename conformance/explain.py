"""Why a target departs: the fewest knobs or slips under which the reference shows all that was observed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from conformance.case import Case
from conformance.causes import LONG, Cause, Observed, apart, causes, changed, distances, passes
from conformance.dialect import Dialect
from conformance.judge import Result
from conformance.reference import Outcome, replay
from conformance.replays import shown
from conformance.slips import slipped
from conformance.steps import Fit

EXPLAINED = ("diverges", "errored", "known")
MOST_PASSES = 50  # of a case whose changes are tried in pairs: there are hundreds of pairs
Causes = tuple[Cause, ...]


def explained(result: Result, case: Case, line: Mapping[str, Any], dialect: Dialect) -> Result:
    """A result with its cause, where its numbers depart and a cause is found: one, where its reason is written down."""
    shapeless = result.first is not None and result.first.expected is None and result.first.quantity != "step"
    if result.verdict not in EXPLAINED or shapeless or not line.get("steps"):
        return result
    return replace(result, explanation=told(case, json.dumps(line["steps"]), dialect, two=result.verdict != "known"))


@lru_cache(maxsize=10_000)
def told(case: Case, steps: str, dialect: Dialect, *, two: bool) -> str:
    """The cause in a sentence; targets that show the same bits, such as versions, share it."""
    return in_words(explain(case, json.loads(steps), dialect, two=two), dialect)


def in_words(alternatives: list[Causes], dialect: Dialect) -> str:
    """Alternatives in a sentence; empty when there is none."""
    said = [" and ".join(cause.sentence(dialect) for cause in several) for several in alternatives]
    return f"either {', or '.join(said)}: this case does not separate them" if len(said) > 1 else "".join(said)


def explain(case: Case, steps: list[Mapping[str, Any]], dialect: Dialect, *, two: bool = True) -> list[Causes]:
    """The smallest sets of changes that reproduce every number of every step; several when the case cannot tell."""
    seen = Observed(case, steps)
    if not seen.whole or seen.fits(dialect):
        return []
    every = list(causes(dialect))
    found: list[Causes] = [(cause,) for cause in plausible(seen, dialect, every) if seen.fits(dialect, cause)]
    return pairs(seen, dialect, every) if two and not found and passes(case) <= MOST_PASSES else found


def plausible(seen: Observed, dialect: Dialect, every: list[Cause]) -> list[Cause]:
    """The changes that, of a long case, as far as its beginnings tell, show in all that departs and not before."""
    if passes(seen.case) <= LONG:
        return every
    index, brief = seen.reach(dialect)[0], shortened(seen.case)
    departing = seen.departing(index, list(itertools.islice(seen.shown(dialect), index + 1))[-1])
    base = list(itertools.islice(shown(brief, dialect), index + 1))
    return [cause for cause in every if begins(base, shown(brief, *changed(dialect, [cause])), departing)]


def begins(base: list[Outcome], other: Iterator[Outcome], names: frozenset[str]) -> bool:
    """Whether another trace stays within the bounds of one until its last step, and differs there in all of these."""
    before = zip(base[:-1], other, strict=False)
    if any(distance > 1 for here, there in before for distance in distances(here, there)):
        return False
    last = next(other)
    return all(apart(base[-1], last, [name]) for name in names)


@lru_cache(maxsize=256)
def shortened(case: Case) -> Case:
    """A case that trains for two batches where it trains for more: what a change moves there, it moves in more."""
    fits = [step for step in case.text.steps if isinstance(step, Fit)]
    rows = 2 * min((step.batch_size for step in fits), default=1)
    steps = [step.model_copy(update={"epochs": 1}) if step in fits else step for step in case.text.steps]
    text = case.text.model_copy(update={"steps": steps})
    return replace(case, text=text, data={name: array[:rows] for name, array in case.data.items()})


def pairs(seen: Observed, dialect: Dialect, every: list[Cause]) -> list[Causes]:
    """Two changes at a time: one that gets further by itself and any other, or two that meet where it first departs."""
    start = seen.reach(dialect)
    further = {cause for cause in every if seen.reach(dialect, cause) > start}
    among = every if further else meeting(seen, dialect, every, start[0])
    tried = (two for two in itertools.combinations(among, 2) if two[0].name != two[1].name)
    return [two for two in tried if (not further or further.intersection(two)) and seen.fits(dialect, *two)]


def meeting(seen: Observed, dialect: Dialect, every: list[Cause], index: int) -> list[Cause]:
    """The changes that show in what departs at a step, and not before."""
    base = list(itertools.islice(seen.shown(dialect), index + 1))
    names = seen.departing(index, base[-1])
    return [cause for cause in every if _shows(seen, dialect, cause, base, names)]


def _shows(seen: Observed, dialect: Dialect, cause: Cause, base: list[Outcome], names: frozenset[str]) -> bool:
    shown = zip(seen.shown(dialect, cause), base, strict=False)
    return any(apart(there, here, names) for there, here in shown)


def outcomes(case: Case, dialect: Dialect, several: Causes) -> list[Outcome]:
    """What the reference shows under some changes."""
    return replay(slipped(case, *changed(dialect, several)))
