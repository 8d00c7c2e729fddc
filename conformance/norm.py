"""One batch normalisation under a dialect: the heart of the reference. Conventions are values of the dialect.

Every array has the leading axis R of copies that `rounding.py` explains.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from conformance import formulas
from conformance.dialect import Dialect
from conformance.dtypes import EPS, cast, coarser, finer
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
        kept_in = {"float32": "float32", "layer": settings.dtype, "wider": finer(settings.dtype, "float32")}
        self.kept_in = kept_in[dialect.state_dtype]
        wide = settings.dtype in ("float32", "float64") or dialect.arithmetic == "layer"
        self.computed_in = settings.dtype if wide else "float32"
        variance = 0.0 if dialect.initial_variance == "zero" else 1.0
        starts = {"moving_mean": 0.0, "moving_variance": variance, "gamma": 1.0, "beta": 0.0}
        self.variables = {
            name: self.stored(settings.variables.get(name, np.full(settings.features, start)))
            for name, start in starts.items()
        }
        self.training = False
        self.mode = dialect.initial_mode == "training" if settings.training is None else settings.training

    def stored(self, given: Floats) -> Floats:
        """A value that a program gives, in the type of the layer, as the layer keeps it."""
        return copies(cast(cast(given, self.dtype), self.kept_in))

    def flag(self, how: Pass) -> bool:
        """Whether a pass is a training pass: by the flag of the call, the one baked in, or what a bare call means."""
        baked, given, convention = self.settings.training, how.given, self.dialect.baked_training
        if baked is not None and given is not None and how.by_hand and convention == "refused":
            raise Refused
        if baked is not None and convention != "overridden":
            return baked
        if given is not None:
            return given
        if baked is not None and self.dialect.bare_call != "as_last_set":
            return baked
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
            return self.degenerate(x, batch, moves=learns or frozen == "trains")
        if self.settings.epsilon == 0 and self.training and self.dialect.epsilon_zero == "refuses":
            raise Refused
        if batch.count <= 1 and self.dialect.one_value_per_channel != "computes":
            return self.alone(x)
        share, moves = self.share(), self.training and (learns or frozen == "trains")
        if moves:
            self.update(batch)
        if self.training and self.settings.track and self.dialect.training_normalisation == "moving":
            y = self.inferred(x)
            if moves:
                sample = self.dialect.variance == "sample" and batch.count > 1
                corrected = formulas.bessel(batch.count) if sample else 1.0
                self.tape[-1] = replace(self.tape[-1], shares=(share, share * corrected), centre=batch.mean)
            return y
        return self.normalised(x, batch.mean, batch.variance, training=True)

    def alone(self, x: Floats) -> Floats:
        """A training pass over one value per channel, where that is an error or handed on as it is."""
        if self.dialect.one_value_per_channel == "refuses":
            raise Refused
        self.tape.append(None)
        return x

    def degenerate(self, x: Floats, batch: Batch, *, moves: bool) -> Floats:
        """A pass over no value at all that asks for its statistics."""
        convention = self.dialect.masked_batch if x.size else self.dialect.empty_batch
        convention = convention if self.training else "nan"  # of a layer that keeps no statistics, in inference
        if convention == "refuses":
            raise Refused
        if convention == "keeps" and self.settings.track:
            return self.inferred(x)
        value = 0.0 if convention == "zeros" else np.nan
        batch = Batch(np.full_like(batch.mean, value), np.full_like(batch.variance, value), 0)
        if moves:
            self.update(batch)
        if self.training and self.settings.track and self.dialect.training_normalisation == "moving":
            return self.inferred(x)
        return self.normalised(x, batch.mean, batch.variance, training=True)

    def batch(self, x: Floats, how: Pass) -> Batch:
        """Mean and population variance of a batch, and the number of values per channel."""
        batch = formulas.statistics(x, how.mask, one_pass=self.dialect.variance_algorithm == "one_pass")
        mean = self.rounding.nudge(batch.mean, batch.mean_scale, self.computed_in)
        scale = batch.variance_scale + EPS[self.computed_in] * batch.mean_scale**2  # the rounded mean's own, squared
        variance = self.rounding.nudge(batch.variance, scale, self.computed_in)
        return Batch(mean, np.maximum(variance, 0), batch.count)

    def inferred(self, x: Floats) -> Floats:
        """The output of inference."""
        mean, variance = self.variables["moving_mean"], self.variables["moving_variance"]
        if self.dialect.startup == "debiased_in_inference" and self.updates and self.weight:
            mean, variance = mean / self.weight, variance / self.weight
        return self.normalised(x, mean, variance)

    def normalised(self, x: Floats, mean: Floats, variance: Floats, *, training: bool = False) -> Floats:
        """The output under given statistics, which are kept for the gradients; training: they are the input's own."""
        self.tape.append(formulas.Normalised(x, mean, variance, (1.0, 1.0) if training else (0.0, 0.0)))
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
        weight = 1 - self.momentum() ** (self.updates + 1)
        self.move("moving_mean", batch.mean, weight)
        self.move("moving_variance", stored, weight)
        self.updates, self.weight = self.updates + 1, weight

    def momentum(self) -> float:
        """The fraction of the old statistic that this update keeps."""
        if self.dialect.startup == "cumulative":
            return self.updates / (self.updates + 1)
        if self.dialect.startup == "first_batch" and self.updates == 0:
            return 0.0
        return self.settings.momentum

    def share(self) -> float:
        """How much of the statistics that a pass uses the coming update's batch will be."""
        share, weight = 1 - self.momentum(), 1 - self.momentum() ** (self.updates + 1)
        debiased = self.dialect.startup in ("zero_debias", "debiased_in_inference")
        return share / weight if debiased and weight else share

    def move(self, name: str, new: Floats, weight: float) -> None:
        """Move one statistic, as the start-up convention has it; weight is that of all batches after this one."""
        old, momentum = self.variables[name], self.momentum()
        moving, scale = formulas.moving(old, new, momentum), formulas.moving_scale(old[:1], new[:1], momentum)
        if self.dialect.startup == "zero_debias" and weight:
            hidden = old * self.weight
            moving = formulas.moving(hidden, new, momentum) / weight
            scale = (formulas.moving_scale(hidden, new, momentum) + np.abs(moving) * (1 - weight)) / weight
        moving = self.rounding.nudge(moving, scale, coarser(self.computed_in, self.kept_in))
        self.variables[name] = self.held(moving) if name == "moving_variance" else moving

    def held(self, variance: Floats) -> Floats:
        """A moving variance, which rounding makes no less than 0."""
        return np.maximum(variance, 0)

    def backward(self, upstream: Floats) -> Floats:
        """Gradients of what the last forward pass computed."""
        normalised = self.tape.pop()
        if normalised is None:  # handed on: gamma and beta had no part in it
            self.gain("gamma", np.zeros_like(self.variables["gamma"]))
            self.gain("beta", np.zeros_like(self.variables["beta"]))
            return upstream
        arguments = (normalised, upstream, self.variables["gamma"], self.settings.epsilon)
        exact, scale = formulas.gradients(*arguments), formulas.gradients_scale(*arguments)
        dtype, nudge = coarser(self.computed_in, self.dtype), self.rounding.nudge
        self.gain("gamma", nudge(exact.gamma, scale.gamma, coarser(dtype, self.kept_in)))
        self.gain("beta", nudge(exact.beta, scale.beta, coarser(dtype, self.kept_in)))
        return nudge(exact.input, scale.input, dtype)

    def trained(self, how: Pass) -> list[str]:
        """Gamma and beta, where they are there and not frozen."""
        return [name for name in ("gamma", "beta") if name in self.shown and self.learns(how)]
