"""How clearly a case tells conventions and slips apart, in units of the bound."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import lru_cache

from conformance.case import Case
from conformance.causes import Cause, causes, distances, passes
from conformance.dialect import STANDARD, Dialect
from conformance.explain import MOST_PASSES, outcomes
from conformance.reference import Machine, Outcome, replay
from conformance.simulate import SIMULATED
from conformance.steps import Otherwise

LEAST = 10.0
# What only shows under another convention than the standard: the knobs that it needs.
SHOWN_UNDER: Mapping[str, Mapping[str, str]] = {
    "single_value_variance": {"variance": "sample"},
    "CounterForgotten": {"startup": "cumulative"},
}


def guarded(case: Case) -> dict[Cause, float]:
    """The margin to every other value of the knobs that the case gives literals for, single changes only."""
    named = [
        other.dialect
        for step in case.text.steps
        for other in step.expectations
        if isinstance(other, Otherwise) and len(other.dialect) == 1
    ]
    wanted = dict.fromkeys(Cause(knob, value) for dialect in named for knob, value in dialect.items())
    return margins(case, [cause for cause in wanted if cause.under(STANDARD) != STANDARD])


def everything(case: Case) -> dict[Cause, float]:
    """The margin to every knob value and every slip; of a long training only to what it guards."""
    return guarded(case) if passes(case) > MOST_PASSES else margins(case, list(causes(STANDARD)))


def margins(case: Case, several: list[Cause]) -> dict[Cause, float]:
    """How far the standard's trace is from the one under each change, where that is furthest."""
    return {cause: margin(case, cause) for cause in several}


def margin(case: Case, cause: Cause) -> float:
    """The same of one change; some only show beside another convention, and some only in the arithmetic itself."""
    dialect = STANDARD.under(SHOWN_UNDER.get(cause.name, {}))
    base = _outcomes(case, dialect)
    if str(cause) in SIMULATED:
        changed = replay(Machine(case, dialect, SIMULATED[str(cause)]))
    else:
        changed = outcomes(case, dialect, (cause,))
    apart = (distances(here, there) for here, there in zip(base, changed, strict=True))
    return max(itertools.chain.from_iterable(apart), default=0.0)


@lru_cache(maxsize=4)
def _outcomes(case: Case, dialect: Dialect) -> list[Outcome]:
    return outcomes(case, dialect, ())
