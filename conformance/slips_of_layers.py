"""Slips of a layer: wrong semantics that are nobody's convention, each a class that changes one thing of the reference.

The docstring of a class is the sentence that explains a divergence.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conformance import formulas
from conformance.fields import Floats
from conformance.norm import Batch, Norm
from conformance.training import Pass


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


class EpsilonAmongTheFree(Norm):
    """The moving variance is fed the sum of squares over n - (1 + epsilon), not over n or n - 1."""

    def update(self, batch: Batch) -> None:
        count = batch.count - 1 if self.dialect.variance == "sample" else batch.count  # what divides it later
        with np.errstate(all="ignore"):
            ratio = np.float64(count) / np.float64(batch.count - (1 + self.settings.epsilon))
            super().update(replace(batch, variance=batch.variance * ratio))

    def held(self, variance: Floats) -> Floats:
        return variance  # which is below 0 for a large epsilon


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


class PredictsAhead(Norm):
    """Inference normalises with the statistics as an update by its own batch would leave them."""

    def forward(self, x: Floats, how: Pass) -> Floats:
        y = super().forward(x, how)
        if self.training:
            return y
        before = dict(self.variables), self.updates, self.weight
        self.update(self.batch(x, how))
        y = self.inferred(x)
        self.variables, self.updates, self.weight = before
        return y


class ComputedInSingle(Norm):
    """A float64 layer computes in float32."""

    def forward(self, x: Floats, how: Pass) -> Floats:
        if self.dtype != "float64":
            return super().forward(x, how)
        self.computed_in = "float32"
        return super().forward(x.astype(np.float32).astype(np.float64), how)


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


class GammaFixed(Norm):
    """Gamma is set to 1 in each pass."""

    def forward(self, x: Floats, how: Pass) -> Floats:
        self.variables["gamma"] = np.ones_like(self.variables["gamma"])
        return super().forward(x, how)


class BetaIgnored(Norm):
    """Beta is ignored."""

    def normalise(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        return super().normalise(x, mean, variance) - formulas.wide(self.variables["beta"], x)


class GammaBetaSwapped(Norm):
    """Gamma is added and beta is multiplied with."""

    def parameters(self) -> tuple[Floats, Floats]:
        return self.variables["beta"], self.variables["gamma"]


class SampleNormalised(Norm):
    """Training normalises with the variance ÷(n-1)."""

    def forward(self, x: Floats, how: Pass) -> Floats:
        y = super().forward(x, how)
        if not self.training:
            return y
        batch = self.batch(x, how)
        return self.normalised(x, batch.mean, formulas.sample_variance(batch.variance, batch.count))


class UpdatesLate(Norm):
    """The moving statistics move one training pass late."""

    def update(self, batch: Batch) -> None:
        late: Batch | None = getattr(self, "late", None)
        self.late = batch
        if late is not None:
            super().update(late)


class UpdatesOnce(Norm):
    """Only the first training pass moves the moving statistics."""

    def update(self, batch: Batch) -> None:
        if not self.updates:
            super().update(batch)


class UpdatesInBackward(Norm):
    """The moving statistics move again in the backward pass, which recomputes the forward one."""

    def backward(self, upstream: Floats) -> Floats:
        normalised = self.tape[-1]
        gradient = super().backward(upstream)
        if normalised is not None and self.training and self.trainable:
            self.update(self.batch(normalised.x, Pass(given=True)))
        return gradient


class SharedUpdateLost(Norm):
    """Of several calls in one pass, only the last moves the moving statistics."""

    def begin(self) -> None:
        super().begin()
        self.before, self.done = dict(self.variables), (self.updates, self.weight)

    def update(self, batch: Batch) -> None:
        kept = ("moving_mean", "moving_variance")
        self.variables |= {name: self.before[name] for name in kept}
        self.updates, self.weight = self.done
        super().update(batch)


class ChannelsPooled(Norm):
    """All channels store the mean of their statistics."""

    def update(self, batch: Batch) -> None:
        mean, variance = (
            np.broadcast_to(each.mean(1, keepdims=True), each.shape) for each in (batch.mean, batch.variance)
        )
        super().update(Batch(mean, variance, batch.count))


class FrozenFromStartIgnored(Norm):
    """The trainable flag given to the constructor is ignored."""

    def learns(self, how: Pass) -> bool:
        return super().learns(how) or self.settings.trainable is self.trainable is False


class StaleParameters(Norm):
    """Gamma and beta never learn."""

    def trained(self, how: Pass) -> list[str]:
        return super().trained(how) if how.fitting is None else []
