"""What differs between two targets: their conventions, each with the cases that show it, and what else they show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.causes import LONG, Cause, Observed, passes
from conformance.dialect import KNOBS, Dialect
from conformance.explain import explain, in_words
from conformance.steps import Otherwise


@dataclass(frozen=True, slots=True)
class Side:
    """One of two targets: its name, the dialect that it declares, and what it showed."""

    name: str
    dialect: Dialect
    seen: Mapping[str, Observed]


@dataclass(frozen=True, slots=True)
class Difference:
    """A knob in which two targets differ, and the cases in which at least one of them shows that."""

    knob: str
    here: str
    there: str
    cases: list[str]


@dataclass(frozen=True, slots=True)
class Oddity:
    """Cases in which one target departs from its own dialect for one cause, and the other does not show the same."""

    side: str
    explanation: str
    cases: list[str]


@dataclass(frozen=True, slots=True)
class Differences:
    """Everything in which two targets differ, and how many cases show the same numbers in both."""

    knobs: list[Difference]
    same: Mapping[str, str]
    oddities: list[Oddity]
    alike: list[str]
    alone: tuple[list[str], list[str]]


def differ(here: Side, there: Side) -> Differences:
    """What differs between two targets, and what is the same."""
    shared = [case for case in here.seen if case in there.seen]
    knobs = [
        Difference(knob, ours, theirs, shows(here, there, shared, knob))
        for knob in KNOBS
        for ours, theirs in [(getattr(here.dialect, knob), getattr(there.dialect, knob))]
        if ours != theirs
    ]
    apart = {difference.knob for difference in knobs}
    same = {knob: getattr(here.dialect, knob) for knob in KNOBS if knob not in apart}
    alike = [case for case in shared if here.seen[case].fits(there.dialect) and there.seen[case].fits(there.dialect)]
    alone = tuple(
        [case for case in one.seen if case not in other.seen] for one, other in ((here, there), (there, here))
    )
    return Differences(knobs, same, oddities(here, there), alike, (alone[0], alone[1]))


def shows(here: Side, there: Side, shared: list[str], knob: str) -> list[str]:
    """The cases in which a target, with the other's value of a knob, would not have shown what it did; clearest first.

    Long cases are not asked: they show nothing that short ones do not.
    """
    sides = [(here, getattr(there.dialect, knob)), (there, getattr(here.dialect, knob))]
    short = [case for case in shared if passes(here.seen[case].case) <= LONG]
    told = {case: sum(tells(side, case, Cause(knob, value)) for side, value in sides) for case in short}
    found = [case for case in short if told[case]]
    return sorted(found, key=lambda case: (not names(here.seen[case], knob), -told[case], len(here.seen[case].steps)))


def tells(side: Side, case: str, cause: Cause) -> bool:
    """Whether a target shows a case as its dialect has it, and not as it would be under a change."""
    return side.seen[case].fits(side.dialect) and not side.seen[case].fits(side.dialect, cause)


def names(one: Observed, knob: str) -> bool:
    """Whether a case has literals for other values of a knob: it was written for that."""
    several = [each for step in one.case.text.steps for each in step.expectations if isinstance(each, Otherwise)]
    return any(knob in each.dialect for each in several)


def oddities(here: Side, there: Side) -> list[Oddity]:
    """The cases that one of the two does not show as it declares, and the other does not show likewise."""
    found: dict[tuple[str, str], list[str]] = {}
    for side, other in ((here, there), (there, here)):
        for case, one in side.seen.items():
            same = case in other.seen and other.seen[case].steps == one.steps
            if not same and not one.fits(side.dialect):
                words = in_words(explain(one.case, one.steps, side.dialect), side.dialect)
                found.setdefault((side.name, words), []).append(case)
    return [Oddity(name, words, cases) for (name, words), cases in found.items()]
