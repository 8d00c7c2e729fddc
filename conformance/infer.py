"""What conventions a target follows, from its observations alone: a value for every knob, and the cases that prove it.

It starts from the standard and takes on, one after the other, the change that explains most of what departs, as long as
more cases conform for it. Nothing that the adapter declares has a part in that.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from conformance.case import Case
from conformance.dialect import KNOBS, STANDARD, Dialect
from conformance.explain import Cause, differs, outcomes, reproduces, unbroken
from conformance.explain import machine as changed_machine
from conformance.reference import Outcome, trace


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """A case and what a target showed of it, step by step."""

    case: Case
    steps: list[Mapping[str, Any]]

    def fits(self, dialect: Dialect) -> bool:
        """Whether a dialect reproduces all of it."""
        return reproduces(self.case, self.steps, trace(self.case, dialect))


@dataclass(frozen=True, slots=True)
class Departure:
    """Cases that need another value of a knob than the others do, and what they have in common that the others lack."""

    knob: str
    value: str
    where: str
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inferred:
    """The dialect of a target as its observations show it.

    proofs: knob -> the cases that no other value of the knob reproduces; a knob without any is not told by the cases.
    exceptions: where another value holds. unexplained: cases that no dialect reproduces.
    """

    dialect: Dialect
    proofs: Mapping[str, list[str]]
    exceptions: list[Departure]
    unexplained: list[str]

    @property
    def told(self) -> dict[str, str]:
        """The knobs that the cases tell, with their values."""
        return {knob: getattr(self.dialect, knob) for knob, cases in self.proofs.items() if cases}


def observations(lines: Iterable[tuple[Case, Mapping[str, Any]]]) -> list[Observed]:
    """The cases that a target has gone through from the first step to the last."""
    return [
        Observed(case, line["steps"])
        for case, line in lines
        if len(line.get("steps", ())) == len(case.text.steps)
        and not any("unsupported" in step for step in line["steps"])
    ]


def infer(seen: list[Observed]) -> Inferred:
    """The dialect that reproduces most of what was observed, and what proves it."""
    dialect = STANDARD
    while change := best(seen, dialect):
        for cause in change:
            dialect = cause.under(dialect)
    red = [one for one in seen if not one.fits(dialect)]
    green = [one for one in seen if one not in red]
    proofs = {knob: [one.case.id for one in green if proves(one, dialect, knob)] for knob in KNOBS}
    exceptions = list(excepted(red, green, dialect, proofs))
    explained = {case for exception in exceptions for case in exception.cases}
    return Inferred(dialect, proofs, exceptions, [one.case.id for one in red if one.case.id not in explained])


def best(seen: list[Observed], dialect: Dialect) -> tuple[Cause, ...]:
    """The change of one knob, or else of two, for which most more cases conform; none when there is no such change."""
    red = [one for one in seen if not one.fits(dialect)]
    green = [one for one in seen if one not in red]
    for size in (1, 2):
        votes = Counter(change for one in red for change in changes(one, dialect, size))
        gains = {change: votes[change] - losses(green, dialect, change) for change, _ in votes.most_common(5)}
        if gains and max(gains.values()) > 0:
            return max(gains, key=gains.__getitem__)
    return ()


def changes(one: Observed, dialect: Dialect, size: int) -> list[tuple[Cause, ...]]:
    """The changes of so many knobs under which the reference reproduces an observation."""
    shown = alone(one.case, dialect)
    if size == 1:
        return [(cause,) for cause, changed in shown.items() if reproduces(one.case, one.steps, changed)]
    pairs = itertools.combinations(shown, 2)
    return [
        pair
        for pair in pairs
        if pair[0].name != pair[1].name and unbroken(one.case, one.steps, changed_machine(one.case, dialect, pair))
    ]


@lru_cache(maxsize=4096)
def alone(case: Case, dialect: Dialect) -> Mapping[Cause, list[Outcome]]:
    """What the reference shows under every single change of a knob that shows."""
    base = trace(case, dialect)
    knobs = [Cause(knob, value) for knob in KNOBS for value in KNOBS[knob] if value != getattr(dialect, knob)]
    shown = {cause: outcomes(case, dialect, (cause,)) for cause in knobs}
    return {cause: changed for cause, changed in shown.items() if differs(base, changed)}


def losses(green: list[Observed], dialect: Dialect, change: tuple[Cause, ...]) -> int:
    """How many cases that conform would no longer."""
    for cause in change:
        dialect = cause.under(dialect)
    return sum(not one.fits(dialect) for one in green)


def proves(one: Observed, dialect: Dialect, knob: str) -> bool:
    """Whether an observation rules out every other value of a knob, the other knobs being what they are."""
    shown = {cause: changed for cause, changed in alone(one.case, dialect).items() if cause.name == knob}
    others = len(KNOBS[knob]) - 1
    return len(shown) == others and not any(reproduces(one.case, one.steps, changed) for changed in shown.values())


def excepted(
    red: list[Observed], green: list[Observed], dialect: Dialect, proofs: Mapping[str, list[str]]
) -> Iterable[Departure]:
    """The cases that another value of one knob reproduces, by knob and value."""
    groups: dict[Cause, list[Observed]] = {}
    for one in red:
        for (cause,) in changes(one, dialect, 1)[:1]:
            groups.setdefault(cause, []).append(one)
    for cause, apart in groups.items():
        others = [one for one in green if one.case.id in proofs[cause.name]]
        yield Departure(cause.name, cause.value, common(apart, others), tuple(one.case.id for one in apart))


def common(apart: list[Observed], others: list[Observed]) -> str:
    """What some cases have in common that no other has, in words; empty where nothing tells them apart."""
    for name in ("rank", "dtype", "pass", "mask", "values per channel"):
        here = {feature(one, name) for one in apart}
        if here.isdisjoint(feature(one, name) for one in others) and others:
            return f"{name} {' or '.join(sorted(here))}"
    return ""


def feature(one: Observed, name: str) -> str:
    """What a case is like in one respect."""
    text, data = one.case.text, one.case.data
    passed = [
        step for step in text.steps if isinstance(getattr(step, step.verb), str) and getattr(step, step.verb) in data
    ]
    batches = [data[getattr(step, step.verb)] for step in passed]
    if name == "rank":
        return str(max((batch.ndim for batch in batches), default=0))
    if name == "dtype":
        return text.dtype
    if name == "pass":
        return "fit" if any(step.verb == "fit" for step in passed) else "by hand"
    if name == "mask":
        return "given" if any(getattr(step, "mask", None) for step in passed) else "none"
    return "1" if any(batch[..., 0].size == 1 for batch in batches) else "several"
