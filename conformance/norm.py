"""One batch normalisation under a dialect: the heart of the reference. Conventions are values of the dialect.

Every array has the leading axis R of copies that `rounding.py` explains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conformance import formulas
from conformance.dialect import Dialect
from conformance.dtypes import cast, coarser
from conformance.fields import Floats
from conformance.layers import BatchNorm
from conformance.rounding import Rounding, copies
from conformance.training import Part, Pass, Refused


@dataclass(frozen=True, slots=True)
class Batch:
    """Mean and population variance of a batch, (R, C), and the number of values per channel."""

    mean: Floats
    variance: Floats
    count: float


class Norm(Part):
    """A batch normalisation with its variables, and what its passes leave behind for the gradients."""

    def __init__(self, settings: BatchNorm, dialect: Dialect, rounding: Rounding, name: str = "") -> None:
        super().__init__(name, dialect, rounding, trainable=settings.trainable)
        self.settings, self.shown = settings, settings.quantities
        self.dtype = settings.dtype
        self.kept_in = settings.dtype if dialect.state_dtype == "layer" else "float32"
        wide = settings.dtype in ("float32", "float64") or dialect.arithmetic == "layer"
        self.computed_in = settings.dtype if wide else "float32"
        starts = {"moving_mean": 0.0, "moving_variance": 1.0, "gamma": 1.0, "beta": 0.0}
        self.variables = {
            name: self.stored(settings.variables.get(name, np.full(settings.features, start)))
            for name, start in starts.items()
        }
        self.training = False

    def stored(self, given: Floats) -> Floats:
        """A value that a program gives, in the type of the layer, as the layer keeps it."""
        return copies(cast(cast(given, self.dtype), self.kept_in))

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
        return self.mode if self.dialect.bare_call == "as_last_set" else self.dialect.bare_call == "trains"

    def forward(self, x: Floats, how: Pass) -> Floats:
        """One pass; the statistics move when it is a training pass of a layer that learns."""
        training, learns = self.flag(how), self.learns(how)
        frozen = self.dialect.frozen_training_call
        self.training = training and (learns or frozen != "infers")
        if not self.training and self.settings.track:
            return self.inferred(x)
        batch = self.batch(x, how)
        if not batch.count:
            return self.degenerate(x, how, batch, moves=learns or frozen == "trains")
        if self.settings.epsilon == 0 and self.training and self.dialect.epsilon_zero == "refuses":
            raise Refused
        if batch.count <= 1 and self.dialect.one_value_per_channel == "refuses":
            raise Refused
        if self.training and (learns or frozen == "trains"):
            self.update(batch)
        if self.training and self.settings.track and self.dialect.training_normalisation == "moving":
            self.training = False  # the moving statistics are constants to the gradient
            return self.inferred(x)
        self.training = True
        return self.normalised(x, batch.mean, batch.variance)

    def degenerate(self, x: Floats, how: Pass, batch: Batch, *, moves: bool) -> Floats:
        """A training pass over no value at all."""
        convention = self.dialect.empty_batch if how.mask is None else self.dialect.masked_batch
        if convention == "refuses":
            raise Refused
        if convention == "keeps":
            return self.inferred(x)
        if convention == "zeros":
            batch = Batch(np.zeros_like(batch.mean), np.zeros_like(batch.variance), 0)
        if moves:
            self.update(batch)
        return self.normalised(x, batch.mean, batch.variance)

    def batch(self, x: Floats, how: Pass) -> Batch:
        """Mean and population variance of a batch, and the number of values per channel."""
        batch = formulas.statistics(x, how.mask, one_pass=self.dialect.variance_algorithm == "one_pass")
        mean = self.rounding.nudge(batch.mean, batch.mean_scale, self.computed_in)
        variance = self.rounding.nudge(batch.variance, batch.variance_scale, self.computed_in)
        return Batch(mean, np.maximum(variance, 0), batch.count)

    def inferred(self, x: Floats) -> Floats:
        """The output of inference."""
        return self.normalised(x, self.variables["moving_mean"], self.variables["moving_variance"])

    def normalised(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        """The output under given statistics, which are kept for the gradients."""
        self.tape.append((x, mean, variance))
        gamma, beta = self.parameters()
        scale = formulas.normalise_scale(x[:1], mean[:1], variance[:1], gamma[:1], beta[:1], self.settings.epsilon)
        y = self.rounding.nudge(self.normalise(x, mean, variance), scale, self.computed_in)
        return y if self.computed_in == self.dtype else self.rounding.nudge(y, np.abs(y), self.dtype)

    def normalise(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        """The formula."""
        return formulas.normalise(x, mean, variance, *self.parameters(), self.settings.epsilon)

    def parameters(self) -> tuple[Floats, Floats]:
        """Gamma and beta."""
        return self.variables["gamma"], self.variables["beta"]

    def update(self, batch: Batch) -> None:
        """Move the statistics towards the batch's."""
        stored = batch.variance
        if self.dialect.variance == "sample" and batch.count:
            alone = batch.count == 1 and self.dialect.single_value_variance == "population"
            stored = stored if alone else formulas.sample_variance(stored, batch.count)
        self.move("moving_mean", batch.mean)
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
        dtype = coarser(self.computed_in, self.kept_in)
        moved = self.rounding.nudge(moved, formulas.moving_scale(old, new, momentum), dtype)
        self.variables[name] = np.maximum(moved, 0) if name == "moving_variance" else moved

    def backward(self, upstream: Floats) -> Floats:
        """Gradients of what the last forward pass computed."""
        x, mean, variance = self.tape.pop()
        arguments = (x, upstream, mean, variance, self.variables["gamma"], self.settings.epsilon)
        exact = formulas.gradients(*arguments, training=self.training)
        scale = formulas.gradients_scale(*arguments, training=self.training)
        dtype, nudge = coarser(self.computed_in, self.dtype), self.rounding.nudge
        self.gain("gamma", nudge(exact.gamma, scale.gamma, coarser(dtype, self.kept_in)))
        self.gain("beta", nudge(exact.beta, scale.beta, coarser(dtype, self.kept_in)))
        return nudge(exact.input, scale.input, dtype)

    def trained(self, how: Pass) -> list[str]:
        """Gamma and beta, where they are there and not frozen."""
        return [name for name in ("gamma", "beta") if name in self.shown and self.learns(how)]
