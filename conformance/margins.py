"""How clearly a case tells conventions and slips apart, in units of the bound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conformance.case import Case
from conformance.dialect import STANDARD
from conformance.explain import MOST_PASSES, Cause, causes, outcomes, passes
from conformance.judge import in_bounds
from conformance.reference import Outcome
from conformance.steps import Otherwise

LEAST = 10.0


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
    base = outcomes(case, STANDARD, ())
    return {cause: max(distances(base, outcomes(case, STANDARD, (cause,))), default=0.0) for cause in several}


def distances(base: list[Outcome], other: list[Outcome]) -> Iterator[float]:
    """The distance at every quantity of every step; infinite where one raises and the other does not."""
    for here, there in zip(base, other, strict=True):
        if here.raises != there.raises or here.quantities.keys() != there.quantities.keys():
            yield float("inf")
            return
        for name, value in here.quantities.items():
            yield float(in_bounds(np.asarray(there.quantities[name].expected), value).max(initial=0.0))
