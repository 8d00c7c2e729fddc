"""Replays that are shared: a dialect that differs only in knobs that a replay never asked for shows the same.

A case is replayed under many dialects and slips, step by step and no further than somebody looks. What one target's
explanation has computed is there for the next one, and for its inference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from conformance.case import Case
from conformance.dialect import KNOBS, Dialect
from conformance.reference import Outcome, stepwise
from conformance.slips import slipped

KEPT = 1 << 11  # cases times slips: with eight times as many a report of 200 runs takes 10 % less time and a gigabyte


class Asked(Dialect):
    """A dialect that notes which of its knobs are asked for."""

    __slots__ = ("asked",)
    asked: set[str]

    def __getattribute__(self, name: str) -> Any:
        """A knob's value, or anything else."""
        if name in KNOBS:
            object.__getattribute__(self, "asked").add(name)
        return object.__getattribute__(self, name)

    def __deepcopy__(self, _: object) -> Asked:
        """Itself: a copy of a machine asks the same dialect."""
        return self


def asked_of(dialect: Dialect) -> Asked:
    """A dialect of the same values that has not been asked for any yet."""
    watched = Asked(**{knob: getattr(dialect, knob) for knob in KNOBS})
    object.__setattr__(watched, "asked", set())
    return watched


@dataclass(slots=True)
class Replay:
    """A case on its way through the reference: what it has shown, and the knobs that were asked for until then."""

    dialect: Dialect
    coming: Iterator[Outcome]
    watched: Asked
    outcomes: list[Outcome] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    def goes_to(self, index: int) -> None:
        """Go on until a step has been shown."""
        while len(self.outcomes) <= index:
            self.outcomes.append(next(self.coming))
            self.asked.append({knob: getattr(self.dialect, knob) for knob in self.watched.asked})

    def tells(self, index: int, dialect: Dialect) -> bool:
        """Whether it has shown a step, and under another dialect would have shown the same."""
        if index >= len(self.asked):
            return False
        return all(getattr(dialect, knob) == value for knob, value in self.asked[index].items())


def shown(case: Case, dialect: Dialect, slips: tuple[str, ...] = ()) -> Iterator[Outcome]:
    """What every step of a case should show under a dialect and some slips; computed only as far as it is taken."""
    replays = _replays(case, slips)
    last: Replay | None = None
    for index in range(len(case.text.steps)):
        if last is None or not last.tells(index, dialect):
            last = next((replay for replay in replays if replay.tells(index, dialect)), None)
        if last is None:
            last = next((replay for replay in replays if replay.dialect == dialect), None)
            if last is None:
                last = begun(case, dialect, slips)
                replays.append(last)
            last.goes_to(index)
        yield last.outcomes[index]


@lru_cache(maxsize=KEPT)
def _replays(case: Case, slips: tuple[str, ...]) -> list[Replay]:  # noqa: ARG001 - a list for each
    """The replays of a case with some slips that there are so far."""
    return []


def begun(case: Case, dialect: Dialect, slips: tuple[str, ...]) -> Replay:
    """A replay that has shown nothing yet."""
    watched = asked_of(dialect)
    return Replay(dialect, stepwise(slipped(case, watched, slips)), watched)
