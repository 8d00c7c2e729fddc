"""What conventions a target follows, from its observations alone: a value for every knob, and the cases that prove it.

It starts from the standard and takes on, one after the other, the change that explains most of what departs, as long as
more cases conform for it. Nothing that the adapter declares has a part in that.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.case import Case
from conformance.causes import LONG, Cause, Observed, causes, changed, conventions, passes
from conformance.dialect import KNOBS, STANDARD, Dialect
from conformance.features import common


@dataclass(frozen=True, slots=True)
class Departure:
    """Cases that need another value of a knob than the others do, or a slip, and what they alone have in common."""

    cause: Cause
    where: str
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inferred:
    """The dialect of a target as its observations show it.

    refuted: knob -> each other value -> the cases that do not bear it. exceptions: where something else holds.
    unexplained: cases that no single change reproduces.
    """

    dialect: Dialect
    refuted: Mapping[str, Mapping[str, list[str]]]
    exceptions: list[Departure]
    unexplained: list[str]

    def left(self, knob: str) -> list[str]:
        """The values of a knob that no case refutes, the inferred one first."""
        return [getattr(self.dialect, knob), *(value for value, cases in self.refuted[knob].items() if not cases)]

    def proofs(self, knob: str) -> list[str]:
        """The cases that refute another value of a knob, those that refute most values first."""
        counted = Counter(case for cases in self.refuted[knob].values() for case in cases)
        return [case for case, _ in counted.most_common()]

    @property
    def told(self) -> dict[str, str]:
        """The knobs of which one value is left."""
        return {knob: self.left(knob)[0] for knob in KNOBS if len(self.left(knob)) == 1}

    def contradictions(self, declared: Dialect, excused: Iterable[str] = ()) -> dict[str, list[str]]:
        """The knobs whose declared value is refuted, with the cases that do, those that are excused left out."""
        refuting = {knob: self.refuted[knob].get(getattr(declared, knob), []) for knob in KNOBS}
        kept = {knob: [case for case in cases if case not in excused] for knob, cases in refuting.items()}
        return {knob: cases for knob, cases in kept.items() if cases}


def observations(lines: Iterable[tuple[Case, Mapping[str, Any]]]) -> list[Observed]:
    """The cases that a target has gone through from the first step to the last."""
    every = (Observed(case, line["steps"]) for case, line in lines if line.get("steps"))
    return [one for one in every if one.whole and not any("unsupported" in step for step in one.steps)]


def infer(seen: list[Observed]) -> Inferred:
    """The dialect that reproduces most of what was observed, and what proves it."""
    short = [one for one in seen if passes(one.case) <= LONG]
    dialect = settled(seen, settled(short, STANDARD))
    green, red = parted(seen, dialect)
    refuted: dict[str, dict[str, list[str]]] = {knob: {} for knob in KNOBS}
    for cause in conventions(dialect):
        refuted[cause.name][cause.value] = list(refuting(green, dialect, cause))
    exceptions = list(excepted(red, green, dialect))
    explained = {case for exception in exceptions for case in exception.cases}
    return Inferred(dialect, refuted, exceptions, [one.case.id for one in red if one.case.id not in explained])


def settled(seen: list[Observed], dialect: Dialect) -> Dialect:
    """A dialect after all changes for which more cases conform."""
    while change := best(seen, dialect):
        dialect, _ = changed(dialect, change)
    return dialect


def refuting(green: list[Observed], dialect: Dialect, cause: Cause) -> Iterator[str]:
    """The cases that do not bear a change; long ones are only asked where no short one tells."""
    found = False
    for one in sorted(green, key=lambda one: passes(one.case) > LONG):
        if found and passes(one.case) > LONG:
            return
        if not one.fits(dialect, cause):
            found = True
            yield one.case.id


def parted(seen: list[Observed], dialect: Dialect) -> tuple[list[Observed], list[Observed]]:
    """The observations that a dialect reproduces, and the others."""
    fits = [one.fits(dialect) for one in seen]
    return list(itertools.compress(seen, fits)), [one for one, fit in zip(seen, fits, strict=True) if not fit]


def best(seen: list[Observed], dialect: Dialect) -> tuple[Cause, ...]:
    """The change of one knob, or else of two, for which most more cases conform; none when there is no such change."""
    green, red = parted(seen, dialect)
    for size in (1, 2):
        among = red if size == 1 else [one for one in red if passes(one.case) <= LONG]
        votes = Counter(change for one in among for change in changes(one, dialect, size))
        gains = {
            change: votes[change] - sum(not one.fits(dialect, *change) for one in green)
            for change, _ in votes.most_common(5)
        }
        if gains and max(gains.values()) > 0:
            return max(gains, key=gains.__getitem__)
    return ()


def changes(one: Observed, dialect: Dialect, size: int) -> Iterator[tuple[Cause, ...]]:
    """The changes of so many knobs under which the reference reproduces an observation."""
    for several in itertools.combinations(conventions(dialect), size):
        if len({cause.name for cause in several}) == size and one.fits(dialect, *several):
            yield several


def excepted(red: list[Observed], green: list[Observed], dialect: Dialect) -> Iterator[Departure]:
    """The cases that another value of one knob, or a slip, reproduces: the cause of most of them first."""
    every, explaining = list(causes(dialect)), dict[Observed, list[Cause]]()
    for one in sorted(red, key=lambda one: passes(one.case)):
        tried = every if passes(one.case) <= LONG else dict.fromkeys(itertools.chain(*explaining.values()))
        explaining[one] = [cause for cause in tried if one.fits(dialect, cause)]
    while votes := Counter(cause for found in explaining.values() for cause in found):
        cause = max(every, key=votes.__getitem__)
        cases = [one for one, found in explaining.items() if cause in found]
        others = [one for one in green if not one.fits(dialect, cause)]
        yield Departure(cause, common(cases, others), tuple(one.case.id for one in cases))
        explaining = {one: found for one, found in explaining.items() if one not in cases}
