"""How far moving statistics are behind, and which of lag, mode and lost state explains predictions that are bad."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from conformance.case import Case
from conformance.causes import Cause, Observed, batches, causes
from conformance.dialect import Dialect
from conformance.layers import BatchNormEntry, flat
from conformance.reference import Outcome

HYPOTHESES: Mapping[str, tuple[str, ...]] = {
    "mode": (
        *("bare_call", "baked_training", "frozen_training_call"),
        *("BatchInInference", "UpdatesInInference", "MovingInTraining", "EvaluationTrains", "ExportedTrains"),
    ),
    "lost state": (
        *("MeanForgotten", "VarianceForgotten", "StatisticsForgotten", "ParametersForgotten", "SameNotRestored"),
        *("StatisticsSwapped", "LayersSwapped", "FirstRestored", "SaveResets", "missing_statistics"),
    ),
    "statistics that do not move": ("NeverUpdates", "MeanNeverUpdates", "VarianceNeverUpdates", "UpdatesOnce"),
}


def left(momentum: float, updates: int) -> float:
    """How much of the start is left in a moving statistic."""
    return float(momentum**updates)


def until(momentum: float, rest: float = 0.01) -> float:
    """How many updates until no more than a rest of the start is left; infinite for momentum 1."""
    if momentum in (0, 1):
        return 1 if momentum == 0 else math.inf
    return math.ceil(math.log(rest) / math.log(momentum))


@dataclass(frozen=True, slots=True)
class Gap:
    """A prediction after some updates: what is left of the start, and how far it is from the output of training mode.

    The distance is in standard deviations of the latter.
    """

    step: int
    updates: int
    left: float
    distance: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether nothing but lag is needed, which changes of each hypothesis reproduce what was seen, and the gaps."""

    lag: bool
    fits: Mapping[str, list[str]]
    gaps: list[Gap]


def why(seen: Observed, dialect: Dialect) -> Answer:
    """Replay an observed sequence under the hypotheses, each as few changes of the reference."""
    lag = seen.fits(dialect)
    every = [] if lag else [cause for cause in causes(dialect) if seen.fits(dialect, cause)]
    fits = {what: [str(cause) for cause in every if cause.name in names] for what, names in HYPOTHESES.items()}
    named = {name for names in HYPOTHESES.values() for name in names}
    fits["something else"] = [str(cause) for cause in every if cause.name not in named]
    return Answer(lag, {what: found for what, found in fits.items() if found}, list(gaps(seen, dialect)))


def gaps(seen: Observed, dialect: Dialect) -> Iterator[Gap]:
    """Every prediction of a sequence that comes after training, as the reference has it."""
    case = seen.case
    pairs = zip(seen.shown(dialect), seen.shown(dialect, Cause("BatchInInference")), strict=True)
    for index, (step, (moving, batch)) in enumerate(zip(case.text.steps, pairs, strict=True)):
        updates = trained(case, index)
        if step.verb == "predict" and updates and "output" in moving.quantities and "output" in batch.quantities:
            yield Gap(index, updates, left(slowest(case), updates), distance(moving, batch))


def trained(case: Case, index: int) -> int:
    """How many training passes come before a step."""
    steps = case.text.steps[:index]
    return sum(step.verb == "train" for step in steps) + sum(batches(case, step) for step in steps)


def slowest(case: Case) -> float:
    """The largest momentum of a case."""
    if case.text.layer is not None:
        return case.text.layer.momentum
    norms = [entry.batch_norm for entry in flat(case.text.network or ()) if isinstance(entry, BatchNormEntry)]
    return max((norm.momentum for norm in norms), default=0.0)


def distance(one: Outcome, other: Outcome) -> float:
    """The largest difference of two outputs in standard deviations of the second."""
    here, there = one.quantities["output"].expected, other.quantities["output"].expected
    if here.shape != there.shape or not here.size:
        return 0.0
    return float(np.abs(here - there).max() / (there.std() or 1.0))
