"""Two reports -> what is new, fixed, regressed, changed, removed, from one to the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import starmap
from operator import attrgetter

from conformance.behaviour import same_trace
from conformance.judge import Result
from conformance.report import Column, Report
from conformance.runs import Target

KINDS = {
    "regressed": "was green, and is red",
    "fixed": "was red, and is green",
    "changed": "has another verdict of the same colour, or other numbers, errors or types",
    "new": "was not run before",
    "removed": "is not run any more",
    "same": "does what it did",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One case of one target, before and after; None on the side where it was not run. place: that of its pair."""

    case: str
    target: str
    kind: str
    before: Result | None
    after: Result | None
    place: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every case of every target of either report; pairs are the targets that were held against each other.

    declared: for every pair the conventions that it declares otherwise, knob -> (was, is).
    """

    pairs: list[tuple[Target | None, Target | None]]
    changes: list[Change]
    declared: list[dict[str, tuple[str, str]]]

    @property
    def counts(self) -> dict[str, int]:
        """How many changes there are of which kind."""
        counted = Counter(change.kind for change in self.changes)
        return {kind: counted[kind] for kind in KINDS}

    @property
    def green(self) -> bool:
        """Whether nothing regressed."""
        return not self.counts["regressed"]

    def of(self, kind: str) -> list[Change]:
        """The changes of one kind."""
        return [change for change in self.changes if change.kind == kind]


def compare(before: Report, after: Report) -> Comparison:
    """Hold every target of one report against the same target of the other."""
    pairs = list(paired(before.columns, after.columns))
    changes = [change for place, (old, new) in enumerate(pairs) for change in changed(place, old, new)]
    return Comparison([(target(old), target(new)) for old, new in pairs], changes, list(starmap(turned, pairs)))


def turned(old: Column | None, new: Column | None) -> dict[str, tuple[str, str]]:
    """The conventions that a target declares otherwise than before."""
    if old is None or new is None:
        return {}
    return {knob: (getattr(old.dialect, knob), value) for knob, value in new.dialect.differences(old.dialect).items()}


def target(column: Column | None) -> Target | None:
    """Who was run, if anybody was."""
    return column.target if column else None


def paired(before: list[Column], after: list[Column]) -> Iterator[tuple[Column | None, Column | None]]:
    """Targets of the same name; then those of the same adapter and mode, where only the versions differ."""
    left, right = list(before), list(after)
    for shared in ("name", "label"):
        same = attrgetter(f"target.{shared}")
        for old in list(left):
            twins = [new for new in right if same(new) == same(old)]
            if len(twins) == 1 and [same(other) for other in left].count(same(old)) == 1:
                left.remove(old)
                right.remove(twins[0])
                yield old, twins[0]
    yield from ((old, None) for old in left)
    yield from ((None, new) for new in right)


def changed(place: int, old: Column | None, new: Column | None) -> Iterator[Change]:
    """What became of every case of a target."""
    was, now = (column.results if column else {} for column in (old, new))
    there = new or old
    for case in dict.fromkeys((*now, *was)):
        before, after = was.get(case), now.get(case)
        yield Change(case, there.target.label if there else "", kind(before, after), before, after, place)


def kind(before: Result | None, after: Result | None) -> str:
    """What a change is."""
    if before is None or after is None:
        return "new" if before is None else "removed"
    if before.green != after.green:
        return "fixed" if after.green else "regressed"
    return "same" if before.verdict == after.verdict and same_trace(before, after) else "changed"
