"""How clearly a case tells conventions and slips apart, in units of the bound.

Below one bound a case is blind: a target that does otherwise conforms. From `LEAST` bounds on it sees: no honest
rounding makes up for that. In between it neither sees nor is blind, and rounding decides.
"""

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

LEAST = 10.0
BLIND = 1.0
# What only shows under another convention than the standard: the knobs that it needs.
SHOWN_UNDER: Mapping[str, Mapping[str, str]] = {
    "single_value_variance": {"variance": "sample"},
    "initial_mode": {"bare_call": "as_last_set"},
    "CounterForgotten": {"startup": "cumulative"},
}
AGAINST: dict[str, tuple[str, ...]] = {  # the statements that a slip contradicts
    "MomentumReversed": ("UPDATE-1", "UPDATE-2"),
    "EpsilonOutside": ("NORM-2",),
    "EpsilonIgnored": ("NORM-2", "NUM-3"),
    "EpsilonTwice": ("NORM-2", "NUM-3"),
    "RootMissing": ("NORM-2",),
    "EpsilonStored": ("UPDATE-2",),
    "NeverUpdates": ("UPDATE-1", "UPDATE-2", "UPDATE-3"),
    "MeanNeverUpdates": ("UPDATE-1",),
    "VarianceNeverUpdates": ("UPDATE-2",),
    "UpdatesTwice": ("UPDATE-3", "FIT-1"),
    "EpsilonAmongTheFree": ("UPDATE-2",),
    "DeviationStored": ("UPDATE-2",),
    "UpdatesInInference": ("MODE-2",),
    "FrozenStatisticsMove": ("FREEZE-1",),
    "BatchInInference": ("NORM-4", "MODE-3"),
    "PredictsAhead": ("NORM-4",),
    "ComputedInSingle": ("DTYPE-3",),
    "MovingInTraining": ("NORM-1",),
    "MaskIgnored": ("MASK-1",),
    "GammaIgnored": ("NORM-3",),
    "GammaFixed": ("NORM-3",),
    "BetaIgnored": ("NORM-3",),
    "MeanForgotten": ("RESTORE-1",),
    "VarianceForgotten": ("RESTORE-1",),
    "StatisticsForgotten": ("RESTORE-1",),
    "ParametersForgotten": ("RESTORE-1",),
    "RefusedHalfLoaded": ("RESTORE-8",),
    "RefusedPartLoaded": ("RESTORE-8",),
    "ModelFlagUnchanged": ("FREEZE-4",),
    "GammaBetaSwapped": ("NORM-3",),
    "SampleNormalised": ("NORM-1",),
    "UpdatesLate": ("UPDATE-3", "FIT-1"),
    "UpdatesOnce": ("UPDATE-3", "FIT-1"),
    "UpdatesInBackward": ("UPDATE-3",),
    "SharedUpdateLost": ("STRUCT-1",),
    "ChannelsPooled": ("AXES-1",),
    "FrozenFromStartIgnored": ("FREEZE-1", "FREEZE-6"),
    "StaleParameters": ("FIT-2",),
    "FreezeIgnored": ("FREEZE-1",),
    "UnfreezeIgnored": ("FREEZE-3",),
    "NestedNotReached": ("FREEZE-7",),
    "AllReached": ("FREEZE-7",),
    "FirstRestored": ("RESTORE-1",),
    "StatisticsSwapped": ("RESTORE-1",),
    "LayersSwapped": ("RESTORE-1",),
    "SameNotRestored": ("RESTORE-1",),
    "ShapeBroadcast": ("RESTORE-7",),
    "ShapeAdopted": ("RESTORE-7",),
    "ShapeSpread": ("RESTORE-7",),
    "ShapePassedOver": ("RESTORE-7",),
    "CounterForgotten": ("RESTORE-4",),
    "SaveResets": ("PURE-4",),
    "ExportMoves": ("PURE-2",),
    "ExportedTrains": ("PURE-3",),
    "EvaluationTrains": ("FIT-3",),
}


def named(case: Case) -> set[Cause]:
    """The values of knobs that the case has literals for, single changes only."""
    changes = [other.dialect for step in case.text.steps for other in step.otherwise if len(other.dialect) == 1]
    return {Cause(knob, value) for dialect in changes for knob, value in dialect.items()}


def guarded(case: Case) -> dict[Cause, float]:
    """The margin to every other value of the knobs that the case has literals for, and to the slips it is about.

    Of a long training only to the values that it has literals for: each costs the whole training.
    """
    literal, statements = named(case), set(case.text.statements)
    if passes(case) > MOST_PASSES:
        return margins(case, [cause for cause in causes(STANDARD) if cause in literal])
    knobs = {cause.name for cause in literal}
    about = {slip for slip, against in AGAINST.items() if statements.intersection(against)}
    return margins(case, [cause for cause in causes(STANDARD) if cause.name in knobs | about])


def least(found: dict[Cause, float]) -> str:
    """The least margin of what a case sees, in words."""
    seen = {cause: margin for cause, margin in found.items() if margin >= BLIND}
    if not seen:
        return "guards no knob and no slip"
    nearest = min(seen, key=lambda cause: seen[cause])
    margin = seen[nearest]
    spoken = f"{margin:,.0f}" if margin < 1e9 else "infinite" if margin == float("inf") else f"{margin:.0e}"
    return f"least margin {spoken}, to {nearest}"


def refused(case: Case, found: dict[Cause, float]) -> dict[Cause, float]:
    """What a case neither sees nor is blind to. A literal's own convention it sees, or its numbers are the same."""
    literal = named(case)
    return {
        cause: margin
        for cause, margin in found.items()
        if margin < LEAST and (margin >= BLIND or (margin > 0 and cause in literal))
    }


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
