"""What may have caused an observation: knobs at other values than declared, slips, and whether they reproduce it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.dialect import KNOBS, Dialect
from conformance.judge import compare, in_bounds
from conformance.reference import Outcome
from conformance.replays import shown
from conformance.slips import SLIPS, sentence
from conformance.steps import Fit

LONG = 20  # passes: a long case is asked for what short ones do not tell


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


def conventions(dialect: Dialect) -> Iterator[Cause]:
    """Every knob at every other value."""
    for knob, values in KNOBS.items():
        yield from (Cause(knob, value) for value in values if value != getattr(dialect, knob))


def causes(dialect: Dialect) -> Iterator[Cause]:
    """Every single change: conventions first, then slips."""
    yield from conventions(dialect)
    yield from (Cause(name) for name in SLIPS)


def changed(dialect: Dialect, several: Iterable[Cause]) -> tuple[Dialect, tuple[str, ...]]:
    """A dialect with some changes, and the slips among them."""
    slips: tuple[str, ...] = ()
    for cause in several:
        dialect = cause.under(dialect)
        slips += () if cause.value else (cause.name,)
    return dialect, slips


def passes(case: Case) -> int:
    """How many batches go through the layers in a case."""
    fits = [step for step in case.text.steps if isinstance(step, Fit)]
    batches = (step.epochs * -(-len(case.data[step.fit]) // step.batch_size) for step in fits)
    return len(case.text.steps) + sum(batches)


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """A case and what a target showed of it, step by step; what has been compared once is remembered."""

    case: Case
    steps: list[Mapping[str, Any]]
    compared: dict[tuple[int, int], tuple[Outcome, frozenset[str]]] = field(default_factory=dict, repr=False)

    @property
    def whole(self) -> bool:
        """Whether the target went from the first step to the last."""
        return len(self.steps) == len(self.case.text.steps)

    def fits(self, dialect: Dialect, *several: Cause) -> bool:
        """Whether the reference reproduces every number of every step under some changes of a dialect."""
        return self.whole and self.reach(dialect, *several)[0] == len(self.steps)

    def reach(self, dialect: Dialect, *several: Cause) -> tuple[int, int]:
        """How far it reproduces them: the first step that departs, and minus the number of quantities that do there."""
        for index, (outcome, _) in enumerate(zip(self.shown(dialect, *several), self.steps, strict=False)):
            if departing := self.departing(index, outcome):
                return index, -len(departing)
        return len(self.steps), 0

    def shown(self, dialect: Dialect, *several: Cause) -> Iterator[Outcome]:
        """What the reference shows under some changes of a dialect, as far as it is taken."""
        return shown(self.case, *changed(dialect, several))

    def departing(self, index: int, outcome: Outcome) -> frozenset[str]:
        """The quantities of a step that depart from the reference; `step` stands for an error, or for its absence."""
        key = index, id(outcome)
        if key not in self.compared:
            self.compared[key] = outcome, departures(outcome, self.steps[index])
        return self.compared[key][1]


def departures(outcome: Outcome, step: Mapping[str, Any]) -> frozenset[str]:
    """The quantities in which one step departs from the reference."""
    result = compare("", [outcome], [step])
    if result.verdict in ("errored", "unsupported"):
        return frozenset({"step"})
    stray = {"step"} if outcome.raises != bool(result.raised) else set()
    return frozenset(stray | {item.name for items in result.steps for item in items if item.divergence})


def apart(here: Outcome, there: Outcome, names: Iterable[str]) -> bool:
    """Whether two traces of a step are different in one of these quantities, or in whether it raises."""
    if here.raises != there.raises:
        return True
    for name in names:
        one, other = here.quantities.get(name), there.quantities.get(name)
        if one is other:
            continue
        if one is None or other is None or one.dtype != other.dtype or one.expected.shape != other.expected.shape:
            return True
        if not np.array_equal(one.expected, other.expected, equal_nan=True) or (other.scale > 2 * one.scale).any():
            return True
    return False


def distances(here: Outcome, there: Outcome) -> Iterator[float]:
    """The distance at every quantity of a step, in bounds; infinite where one raises and the other does not."""
    if here.raises != there.raises or here.quantities.keys() != there.quantities.keys():
        yield float("inf")
        return
    for name, value in here.quantities.items():
        other = there.quantities[name]
        if value.dtype != other.dtype or value.expected.shape != other.expected.shape:
            yield float("inf")
            return
        yield float(in_bounds(np.asarray(other.expected), value).max(initial=0.0))
