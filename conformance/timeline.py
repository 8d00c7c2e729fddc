"""How behaviour changed from version to version: a pure function of run files.

A series is one API: an adapter in a mode, on one framework and backend. Its points are the versions that were run,
oldest first. All that is known of a change is that it lies between two of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

from conformance.behaviour import has_trace, same_trace, shows
from conformance.case import Case
from conformance.causes import LONG, Observed, passes
from conformance.corpus import Corpus
from conformance.dialect import KNOBS, STANDARD, Dialect
from conformance.infer import changes, observations
from conformance.judge import Result, judge
from conformance.runs import Run, Target

Turn = tuple[str, tuple[str, str]]  # (knob, (was, is))
Turns = Mapping[str, tuple[str, str]]
RAISED = re.compile(r"\w*(?:Error|Exception|Exit|Interrupt)\b")
SILENT = ("unsupported", "crashed", "hung")


@dataclass(frozen=True, slots=True)
class Point:
    """One version: the dialect that it declares, and for every case what was seen and the verdict on that."""

    target: Target
    dialect: Dialect
    lines: Mapping[str, Mapping[str, Any]]
    results: Mapping[str, Result]

    @property
    def version(self) -> str:
        """The version, and that of what computes underneath; the names are those of the series."""
        target = self.target
        return " on ".join([target.version, *numbers(target.backend)[:1]])


@dataclass(frozen=True, slots=True)
class Shift:
    """A case that does not behave as it did: the conventions that account for it, knob -> (was, is), where any do."""

    case: str
    was: str
    now: str
    knobs: Turns


@dataclass(frozen=True, slots=True)
class Change:
    """What is different between two versions next to each other in a series."""

    older: Point
    newer: Point
    compared: int
    shifts: tuple[Shift, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One API through its versions."""

    name: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...]


def numbers(text: str) -> list[str]:
    """The versions in a text: its words that begin with a digit."""
    return re.findall(r"(?<!\S)\d[\w.+-]*", text)


def order(target: Target) -> tuple[list[int], list[int]]:
    """What sorts versions: their numbers, the framework's before the backend's."""
    return [int(n) for n in re.findall(r"\d+", target.version)], [int(n) for n in re.findall(r"\d+", target.backend)]


def name(target: Target) -> str:
    """What the versions of one API have in common."""
    backend = target.backend.split()[:1]
    return f"{target.label} of {' on '.join([target.framework, *backend])}"


def timeline(corpus: Corpus, runs: Iterable[Run]) -> list[Series]:
    """All series of at least two versions, by name."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        if "unavailable" not in run.header.provenance:
            grouped.setdefault(name(run.header.target), []).append(run)
    return [series(corpus, of, grouped[of]) for of in sorted(grouped) if len(grouped[of]) > 1]


def series(corpus: Corpus, of: str, runs: Sequence[Run]) -> Series:
    """One series: every two versions next to each other compared."""
    points = [point(corpus, run) for run in sorted(runs, key=lambda run: order(run.header.target))]
    found = (change(corpus, older, newer) for older, newer in pairwise(points))
    return Series(of, tuple(points), tuple(found))


def point(corpus: Corpus, run: Run) -> Point:
    """A version, judged by what it declares; cases that have changed since are left out."""
    header, dialect = run.header, STANDARD.under(run.header.dialect)
    lines = {
        case_id: line
        for case_id, line in run.lines()
        if case_id in corpus and corpus.case(case_id).digest == header.cases.get(case_id)
    }
    results = {case_id: judge(corpus.case(case_id), line, dialect) for case_id, line in lines.items()}
    return Point(header.target, dialect, lines, results)


def change(corpus: Corpus, older: Point, newer: Point) -> Change:
    """All that is different between two versions, in the cases that both have been asked."""
    both = [corpus.case(case_id) for case_id in older.results if case_id in newer.results]
    found = {case.id: accounts(case, older, newer) for case in both if not same(case.id, older, newer)}
    votes = Counter(turn for several in found.values() for one in several for turn in one.items())
    shifts = (shift(case_id, older, newer, several, votes) for case_id, several in found.items())
    return Change(older, newer, len(both), tuple(shifts))


def same(case_id: str, older: Point, newer: Point) -> bool:
    """Whether two versions behave alike in a case but for rounding."""
    before, after = older.results[case_id], newer.results[case_id]
    if before.verdict in SILENT or after.verdict in SILENT or not (has_trace(before) and has_trace(after)):
        return before.verdict == after.verdict
    return same_trace(before, after)


def shift(case_id: str, older: Point, newer: Point, accounts: Sequence[Turns], votes: Mapping[Turn, int]) -> Shift:
    """What a case shows of a change; of several accounts the one that most other cases give too."""
    best = max(accounts, key=lambda one: sum(votes[turn] for turn in one.items()), default={})
    return Shift(case_id, told(older.results[case_id]), told(newer.results[case_id]), best)


def told(result: Result) -> str:
    """A verdict in a few words, with the type of what was raised."""
    raised = RAISED.search(result.reason) if result.verdict == "errored" else None
    return f"raised {raised[0]}" if raised else result.verdict


def accounts(case: Case, older: Point, newer: Point) -> list[Turns]:
    """The fewest conventions whose change accounts for what a case shows, of those that show in it; alternatives."""
    pairs = product(bearing(case, older), bearing(case, newer))
    found = [turns for before, after in pairs if (turns := turned(case, before, after))]
    fewest = min(map(len, found), default=0)
    return [turns for turns in found if len(turns) == fewest]


def turned(case: Case, before: Dialect, after: Dialect) -> Turns:
    """The knobs in which two dialects differ and which show in a case one by one."""
    return {
        knob: (getattr(before, knob), value)
        for knob, value in after.differences(before).items()
        if shows(case, before, knob, value)
    }


def bearing(case: Case, point: Point) -> list[Dialect]:
    """The dialects that reproduce what a version showed: the declared one, or else those one knob away from it."""
    if point.results[case.id].verdict == "conforms":
        return [point.dialect]
    seen = observations([(case, point.lines[case.id])])
    if passes(case) > LONG or not seen:
        return []
    return [cause.under(point.dialect) for (cause,) in changes(seen[0], point.dialect, 1)]


def values(corpus: Corpus, point: Point, knob: str) -> dict[str, list[str]]:
    """The values of a knob with the cases that prove each: those that it alone reproduces, all else as declared."""
    proofs: dict[str, list[str]] = {value: [] for value in KNOBS[knob]}
    for one in observations((corpus.case(case_id), line) for case_id, line in point.lines.items()):
        left = fitting(one, point.dialect, knob) if passes(one.case) <= LONG else []
        if len(left) == 1:
            proofs[left[0]].append(one.case.id)
    return {value: cases for value, cases in proofs.items() if cases}


def fitting(one: Observed, dialect: Dialect, knob: str) -> list[str]:
    """The values of a knob under which the reference reproduces an observation."""
    return [value for value in KNOBS[knob] if one.fits(dialect.under({knob: value}))]


def turns(found: Change) -> Iterator[tuple[str, str, str, list[str]]]:
    """(knob, was, is, cases) for every convention that changed, the one that shows in most cases first."""
    cases: dict[tuple[str, str, str], list[str]] = {}
    for one in found.shifts:
        for knob, (was, now) in one.knobs.items():
            cases.setdefault((knob, was, now), []).append(one.case)
    for (knob, was, now), ids in sorted(cases.items(), key=lambda item: (-len(item[1]), item[0])):
        yield knob, was, now, ids


def others(found: Change) -> Iterator[tuple[str, str, list[str]]]:
    """(was, is, cases) for all that no convention accounts for."""
    cases: dict[tuple[str, str], list[str]] = {}
    for one in found.shifts:
        if not one.knobs:
            cases.setdefault((one.was, one.now), []).append(one.case)
    for (was, now), ids in sorted(cases.items()):
        yield was, now, ids
