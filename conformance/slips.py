"""Slips: wrong semantics that are nobody's convention. A difference that no knob explains is looked for among them.

Each is a class that changes one thing of the reference's layer or of its machine, and says it in one sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from conformance import formulas
from conformance.case import Case
from conformance.dialect import Dialect
from conformance.fields import Floats
from conformance.norm import Batch, Norm
from conformance.reference import Machine
from conformance.steps import Flagging, Restore
from conformance.training import Part, Pass


class MomentumReversed(Norm):
    """Momentum weighs the new statistic instead of the old one."""

    def momentum(self) -> float:
        return 1 - super().momentum()


class EpsilonOutside(Norm):
    """Epsilon is added to the root instead of under it."""

    def normalise(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        epsilon = self.settings.epsilon
        return super().normalise(x, mean, (np.sqrt(variance) + epsilon) ** 2 - epsilon)


class EpsilonIgnored(Norm):
    """Epsilon is ignored."""

    def normalise(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        return super().normalise(x, mean, variance - self.settings.epsilon)


class EpsilonTwice(Norm):
    """Epsilon is added twice."""

    def normalise(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        return super().normalise(x, mean, variance + self.settings.epsilon)


class RootMissing(Norm):
    """The difference is divided by the variance instead of its root."""

    def normalise(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        epsilon = self.settings.epsilon
        return super().normalise(x, mean, (variance + epsilon) ** 2 - epsilon)


class EpsilonStored(Norm):
    """The moving variance is fed the variance with epsilon already added."""

    def update(self, batch: Batch) -> None:
        super().update(replace(batch, variance=batch.variance + self.settings.epsilon))


class NeverUpdates(Norm):
    """The moving statistics never move."""

    def update(self, batch: Batch) -> None:
        pass


class MeanNeverUpdates(Norm):
    """The moving mean never moves."""

    def update(self, batch: Batch) -> None:
        kept = self.variables["moving_mean"]
        super().update(batch)
        self.variables["moving_mean"] = kept


class VarianceNeverUpdates(Norm):
    """The moving variance never moves."""

    def update(self, batch: Batch) -> None:
        kept = self.variables["moving_variance"]
        super().update(batch)
        self.variables["moving_variance"] = kept


class UpdatesTwice(Norm):
    """The moving statistics move twice in each training pass."""

    def update(self, batch: Batch) -> None:
        super().update(batch)
        super().update(batch)


class DeviationStored(Norm):
    """The moving variance is fed the standard deviation."""

    def update(self, batch: Batch) -> None:
        super().update(replace(batch, variance=np.sqrt(batch.variance)))


class UpdatesInInference(Norm):
    """The moving statistics move in inference too."""

    def forward(self, x: Floats, how: Pass) -> Floats:
        y = super().forward(x, how)
        if not self.training:
            self.update(self.batch(x, how))
        return y


class FrozenStatisticsMove(Norm):
    """A frozen layer infers, but its statistics move in a training pass."""

    def forward(self, x: Floats, how: Pass) -> Floats:
        y = super().forward(x, how)
        if not self.training and not self.learns(how) and self.flag(how):
            self.update(self.batch(x, how))
        return y


class BatchInInference(Norm):
    """Inference normalises with the statistics of the batch."""

    def forward(self, x: Floats, how: Pass) -> Floats:
        y = super().forward(x, how)
        if self.training:
            return y
        batch = self.batch(x, how)
        return self.normalised(x, batch.mean, batch.variance)


class MovingInTraining(Norm):
    """Training normalises with the moving statistics."""

    def forward(self, x: Floats, how: Pass) -> Floats:
        before = dict(self.variables)
        y = super().forward(x, how)
        return self.normalised(x, before["moving_mean"], before["moving_variance"]) if self.training else y


class MaskIgnored(Norm):
    """The mask is ignored."""

    def forward(self, x: Floats, how: Pass) -> Floats:
        return super().forward(x, replace(how, mask=None))


class GammaIgnored(Norm):
    """Gamma is ignored."""

    def normalise(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        beta = formulas.wide(self.variables["beta"], x)
        gamma = formulas.wide(self.variables["gamma"], x)
        return beta + (super().normalise(x, mean, variance) - beta) / gamma


class BetaIgnored(Norm):
    """Beta is ignored."""

    def normalise(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        return super().normalise(x, mean, variance) - formulas.wide(self.variables["beta"], x)


class Forgetful(Machine):
    """A restore that loses what it should bring back."""

    forgets: tuple[str, ...] = ()

    def loaded(self, step: Restore) -> frozenset[str]:
        lost = {name for name in self.state() if name.rpartition(".")[2] in self.forgets}
        return super().loaded(step) - lost


class MeanForgotten(Forgetful):
    """The moving mean is not restored."""

    forgets = ("moving_mean",)


class VarianceForgotten(Forgetful):
    """The moving variance is not restored."""

    forgets = ("moving_variance",)


class StatisticsForgotten(Forgetful):
    """The moving statistics are not restored."""

    forgets = ("moving_mean", "moving_variance")


class ParametersForgotten(Forgetful):
    """Gamma and beta are not restored."""

    forgets = ("gamma", "beta")


class RefusedHalfLoaded(Machine):
    """A restore that is refused has already loaded what the checkpoint has."""

    def refuse(self, step: Restore) -> NoReturn:
        self.load(step)
        super().refuse(step)


class ModelFlagUnchanged(Machine):
    """Setting the model's flag to what it already is does not reach a layer whose own flag differs."""

    def reached(self, flagging: Flagging, *, trainable: bool) -> list[Part]:
        idle = flagging.of == "model" and self.model_trainable == trainable
        return [] if idle else super().reached(flagging, trainable=trainable)


SLIPS: dict[str, type[Norm | Machine]] = {
    kind.__name__: kind
    for kind in (
        MomentumReversed, EpsilonOutside, EpsilonIgnored, EpsilonTwice, RootMissing, EpsilonStored, NeverUpdates,
        MeanNeverUpdates, VarianceNeverUpdates, UpdatesTwice, DeviationStored, UpdatesInInference,
        FrozenStatisticsMove, BatchInInference, MovingInTraining, MaskIgnored, GammaIgnored, BetaIgnored,
        MeanForgotten, VarianceForgotten, StatisticsForgotten, ParametersForgotten, RefusedHalfLoaded,
        ModelFlagUnchanged,
    )
}  # fmt: skip


def sentence(name: str) -> str:
    """What a slip does."""
    said = str(SLIPS[name].__doc__).rstrip(".")
    return said[0].lower() + said[1:]


def slipped(case: Case, dialect: Dialect, names: Sequence[str]) -> Machine:
    """A machine with the slips of these names, in addition to one another."""
    kinds: list[Any] = [SLIPS[name] for name in names]
    norms = [kind for kind in kinds if issubclass(kind, Norm)]
    machines = [kind for kind in kinds if issubclass(kind, Machine)]
    machine: type[Machine] = type("SlippedMachine", (*machines, Machine), {})
    return machine(case, dialect, type("SlippedNorm", (*norms, Norm), {}))
