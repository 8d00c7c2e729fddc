"""One batch normalisation under a dialect: the heart of the reference. Conventions are values of the dialect.

Every array has the leading axis R of copies that `rounding.py` explains.
"""

from __future__ import annotations

import numpy as np

from conformance import formulas
from conformance.dialect import Dialect
from conformance.fields import Floats
from conformance.layers import BatchNorm
from conformance.rounding import Rounding, copies
from conformance.training import Part, Pass, Refused


class Norm(Part):
    """A batch normalisation with its variables, and what its last pass leaves behind for the gradients."""

    def __init__(self, settings: BatchNorm, dialect: Dialect, rounding: Rounding, name: str = "") -> None:
        super().__init__(name, dialect, rounding, trainable=settings.trainable)
        self.settings, self.shown = settings, settings.quantities
        starts = {"moving_mean": 0.0, "moving_variance": 1.0, "gamma": 1.0, "beta": 0.0}
        self.variables = {
            name: copies(settings.variables.get(name, np.full(settings.features, start)).astype(np.float32))
            for name, start in starts.items()
        }
        self.training = False
        self.seen: tuple[Floats, Floats, Floats] | None = None

    def flag(self, how: Pass) -> bool:
        """Whether a pass is a training pass: by the flag of the call, the one baked in, or what a bare call means."""
        baked, given, convention = self.settings.training, how.given, self.dialect.baked_training
        if baked is not None and given is not None and how.by_hand and convention == "refused":
            raise Refused
        if baked is not None and (given is None or convention != "overridden"):
            return baked
        if given is not None:
            return given
        if self.dialect.bare_call == "refuses":
            raise Refused
        return how.last if self.dialect.bare_call == "as_last_set" else self.dialect.bare_call == "trains"

    def forward(self, x: Floats, how: Pass) -> Floats:
        """One pass; the statistics move when it is a training pass of a layer that learns."""
        training, learns = self.flag(how), self.learns(how.fitting)
        frozen = self.dialect.frozen_training_call
        self.training = training and (learns or frozen != "infers")
        if not self.training:
            return self.normalised(x, self.variables["moving_mean"], self.variables["moving_variance"])
        if self.settings.epsilon == 0 and self.dialect.epsilon_zero == "refuses":
            raise Refused
        mean, variance, count = self.batch(x, how)
        if count <= 1 and self.dialect.one_value_per_channel == "refuses":
            raise Refused
        if learns or frozen == "trains":
            self.update(mean, variance, count)
        return self.normalised(x, mean, variance)

    def batch(self, x: Floats, how: Pass) -> tuple[Floats, Floats, float]:
        """Mean and population variance of a batch, and the number of values per channel."""
        batch = formulas.statistics(x, how.mask, one_pass=self.dialect.variance_algorithm == "one_pass")
        mean = self.rounding.nudge(batch.mean, batch.mean_scale)
        return mean, np.maximum(self.rounding.nudge(batch.variance, batch.variance_scale), 0), batch.count

    def normalised(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        """The output under given statistics, which are kept for the gradients."""
        self.seen = (x, mean, variance)
        gamma, beta = self.parameters()
        scale = formulas.normalise_scale(x[:1], mean[:1], variance[:1], gamma[:1], beta[:1], self.settings.epsilon)
        return self.rounding.nudge(self.normalise(x, mean, variance), scale)

    def normalise(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        """The formula."""
        return formulas.normalise(x, mean, variance, *self.parameters(), self.settings.epsilon)

    def parameters(self) -> tuple[Floats, Floats]:
        """Gamma and beta."""
        return self.variables["gamma"], self.variables["beta"]

    def update(self, mean: Floats, variance: Floats, count: float) -> None:
        """Move the statistics towards the batch's."""
        stored = formulas.sample_variance(variance, count) if self.dialect.variance == "sample" else variance
        self.move("moving_mean", mean)
        self.move("moving_variance", stored)
        self.updates += 1

    def momentum(self) -> float:
        """The fraction of the old statistic that this update keeps."""
        if self.dialect.startup == "cumulative":
            return self.updates / (self.updates + 1)
        if self.dialect.startup == "first_batch" and self.updates == 0:
            return 0.0
        return self.settings.momentum

    def move(self, name: str, new: Floats) -> None:
        """Move one statistic, as the start-up convention has it."""
        old, momentum, done = self.variables[name], self.momentum(), self.updates
        if self.dialect.startup == "zero_debias" and momentum < 1:
            hidden = formulas.moving(old * (1 - momentum**done), new, momentum)
            moved = hidden / (1 - momentum ** (done + 1))
        else:
            moved = formulas.moving(old, new, momentum)
        moved = self.rounding.nudge(moved, formulas.moving_scale(old, new, momentum))
        self.variables[name] = np.maximum(moved, 0) if name == "moving_variance" else moved

    def backward(self, upstream: Floats) -> Floats:
        """Gradients of what the last forward pass computed."""
        assert self.seen is not None
        x, mean, variance = self.seen
        arguments = (x, upstream, mean, variance, self.variables["gamma"], self.settings.epsilon)
        exact = formulas.gradients(*arguments, training=self.training)
        scale = formulas.gradients_scale(*arguments, training=self.training)
        nudge = self.rounding.nudge
        self.gradients = {"gamma": nudge(exact.gamma, scale.gamma), "beta": nudge(exact.beta, scale.beta)}
        return nudge(exact.input, scale.input)

    def trained(self, *, fitting: bool) -> list[str]:
        """Gamma and beta, where they are there and not frozen."""
        return [name for name in ("gamma", "beta") if name in self.shown and self.learns(fitting)]
