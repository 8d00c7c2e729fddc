"""What a case should show, step by step, under a dialect: the reference implementation, float64.

Every array has the leading axis R of copies that `rounding.py` explains. Conventions are values of the dialect.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any

import numpy as np

from conformance import formulas
from conformance.case import (
    Backward,
    BatchNorm,
    Call,
    Case,
    Fit,
    Flagging,
    Floats,
    Freeze,
    Predict,
    Restore,
    Save,
    Set,
    Step,
    Train,
    Unfreeze,
)
from conformance.dialect import Dialect
from conformance.rounding import Rounding, Value, copies, value
from conformance.training import Activation, Dense, Optimizer, Part, Pass, optimizer


class Refused(Exception):
    """Under the dialect, an error is the right answer to a step."""


@dataclass(slots=True)
class Outcome:
    """What a step should show: whether it raises, and every quantity after it."""

    raises: bool
    quantities: dict[str, Value]


@dataclass
class Norm(Part):
    """One batch normalisation under a dialect."""

    settings: BatchNorm
    dialect: Dialect
    rounding: Rounding
    name: str = ""
    updates: int = 0
    training: bool = False
    compiled: bool | None = None
    seen: tuple[Any, ...] = ()
    gradients: dict[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        starts = {"moving_mean": 0.0, "moving_variance": 1.0, "gamma": 1.0, "beta": 0.0}
        given = self.settings.variables
        self.variables = {
            name: copies(given.get(name, np.full(self.settings.features, start)).astype(np.float32))
            for name, start in starts.items()
        }
        self.shown = self.settings.quantities
        self.trainable = self.settings.trainable

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

    def compile(self, anew: bool) -> None:
        """Keep the flag as the model's own training loop will see it."""
        if self.compiled is None or anew:
            self.compiled = self.trainable

    def learns(self, fitting: bool) -> bool:
        """Whether the trainable flag is seen as set."""
        if fitting and self.dialect.freeze_takes_effect == "at_compile":
            return bool(self.compiled)
        return self.trainable

    def forward(self, x: Floats, how: Pass) -> Floats:
        """One pass; the statistics move when it is a training pass of a layer that learns."""
        training, learns = self.flag(how), self.learns(how.fitting)
        frozen = self.dialect.frozen_training_call
        self.training = training and (learns or frozen != "infers")
        if not self.training:
            return self.normalised(x, self.variables["moving_mean"], self.variables["moving_variance"])
        batch = formulas.statistics(x, how.mask, self.dialect.variance_algorithm == "one_pass")
        if batch.count <= 1 and self.dialect.one_value_per_channel == "refuses":
            raise Refused
        mean = self.rounding.nudge(batch.mean, batch.mean_scale)
        variance = np.maximum(self.rounding.nudge(batch.variance, batch.variance_scale), 0)
        if learns or frozen == "trains":
            sample = self.dialect.variance == "sample"
            self.move("moving_mean", mean)
            self.move("moving_variance", formulas.sample_variance(variance, batch.count) if sample else variance)
            self.updates += 1
        return self.normalised(x, mean, variance)

    def normalised(self, x: Floats, mean: Floats, variance: Floats) -> Floats:
        """The output under given statistics, kept for the gradients."""
        arguments = (x, mean, variance, self.variables["gamma"], self.variables["beta"], self.settings.epsilon)
        self.seen = (x, mean, variance)
        return self.rounding.nudge(formulas.normalise(*arguments), formulas.normalise_scale(*arguments))

    def move(self, name: str, new: Floats) -> None:
        """Move one statistic, as the start-up convention has it."""
        old, momentum, done = self.variables[name], self.settings.momentum, self.updates
        if self.dialect.startup == "cumulative":
            momentum = done / (done + 1)
        elif self.dialect.startup == "first_batch" and done == 0:
            momentum = 0.0
        if self.dialect.startup == "zero_debias":
            hidden = formulas.moving(old * (1 - momentum**done), new, momentum)
            moved = hidden / (1 - momentum ** (done + 1)) if momentum < 1 else old
        else:
            moved = formulas.moving(old, new, momentum)
        self.variables[name] = self.rounding.nudge(moved, formulas.moving_scale(old, new, momentum))

    def backward(self, upstream: Floats) -> Floats:
        """Gradients of what the last forward pass computed."""
        x, mean, variance = self.seen
        arguments = (x, upstream, mean, variance, self.variables["gamma"], self.settings.epsilon, self.training)
        exact, scale = formulas.gradients(*arguments), formulas.gradients_scale(*arguments)
        nudge = self.rounding.nudge
        self.gradients = {"gamma": nudge(exact.gamma, scale.gamma), "beta": nudge(exact.beta, scale.beta)}
        return nudge(exact.input, scale.input)

    def trained(self) -> list[str]:
        """The variables that an optimizer moves."""
        return [name for name in ("gamma", "beta") if name in self.shown and self.learns(fitting=True)]


class Machine:
    """A layer or a network in the course of a case."""

    def __init__(self, case: Case, dialect: Dialect) -> None:
        self.case, self.dialect, self.rounding = case, dialect, Rounding()
        self.checkpoints: dict[str, list[tuple[dict[str, Floats], int]]] = {}
        self.build(fresh=False)

    def build(self, fresh: bool) -> None:
        """Make the layers; fresh ones start as a program would that is about to restore."""
        self.training_last, self.optimizer = True, Optimizer()
        text = self.case.text
        if text.layer is not None:
            self.parts: list[Part] = [self.norm(text.layer, "", fresh)]
            return
        self.parts = []
        for entry in text.network or ():
            if hasattr(entry, "dense"):
                self.parts.append(Dense(entry.dense, self.rounding, fresh))
            elif hasattr(entry, "batch_norm"):
                self.parts.append(self.norm(entry.batch_norm, entry.batch_norm.name, fresh))
            else:
                self.parts.append(Activation(entry.activation, self.rounding))

    def norm(self, settings: BatchNorm, name: str, fresh: bool) -> Norm:
        """One batch normalisation."""
        start = settings.model_copy(update=dict.fromkeys(settings.variables)) if fresh else settings
        return Norm(start, self.dialect, self.rounding, name)

    @property
    def norms(self) -> list[Norm]:
        """The batch normalisations."""
        return [part for part in self.parts if isinstance(part, Norm)]

    def state(self) -> dict[str, Floats]:
        """Every variable by the name that observations give it."""
        return {
            f"{part.name}.{name}" if part.name else name: part.variables[name]
            for part in self.parts
            for name in part.shown
        }

    def data(self, name: str) -> Floats:
        """An array of the case."""
        return copies(self.case.data[name])

    def forward(
        self, x: Floats, given: bool | None, mask: str | None = None, *, by_hand: bool = False, fitting: bool = False
    ) -> Floats:
        """One pass through all layers."""
        weights = None if mask is None else self.case.data[mask].astype(np.float64)
        if given is not None:
            self.training_last = given
        how = Pass(given, by_hand, self.training_last, fitting, weights)
        for part in self.parts:
            x = part.forward(x, how)
        return x

    @singledispatchmethod
    def perform(self, step: Step) -> dict[str, Floats]:
        """Do a step; returns what it computes besides the state."""
        raise NotImplementedError(type(step).__name__)

    @perform.register
    def _train(self, step: Train) -> dict[str, Floats]:
        return {"output": self.forward(self.data(step.train), True, step.mask)}

    @perform.register
    def _predict(self, step: Predict) -> dict[str, Floats]:
        return {"output": self.forward(self.data(step.predict), False, step.mask)}

    @perform.register
    def _call(self, step: Call) -> dict[str, Floats]:
        return {"output": self.forward(self.data(step.call), step.training, step.mask, by_hand=True)}

    @perform.register
    def _backward(self, step: Backward) -> dict[str, Floats]:
        output = self.forward(self.data(step.backward), step.training)
        norm = self.norms[0]
        computed = {"output": output, "input_gradient": norm.backward(self.data(step.upstream))}
        for name in ("gamma", "beta"):
            if name in norm.shown and norm.trainable:
                computed[f"{name}_gradient"] = norm.gradients[name]
        return computed

    @perform.register
    def _fit(self, step: Fit) -> dict[str, Floats]:
        for norm in self.norms:
            norm.compile(anew=False)
            if self.dialect.freeze_takes_effect == "refused" and norm.compiled != norm.trainable:
                raise Refused
        if not self.optimizer.settings:
            self.optimizer = optimizer(step, self.dialect, self.rounding)
        x, targets = self.data(step.fit), self.data(step.targets)
        starts = range(0, x.shape[1], step.batch_size)
        for start in [start for _ in range(step.epochs) for start in starts]:
            batch = slice(start, start + step.batch_size)
            self.learn(x[:, batch], targets[:, batch])
        return {}

    def learn(self, x: Floats, targets: Floats) -> None:
        """One step of gradient descent on the mean squared error over all elements."""
        error = self.forward(x, True, fitting=True) - targets
        gradient = 2 * error / error[0].size
        gradient = self.rounding.nudge(gradient, 2 * (np.abs(error) + np.abs(targets)) / error[0].size)
        for part in reversed(self.parts):
            gradient = part.backward(gradient)
        self.optimizer.apply(self.parts)

    @perform.register
    def _freeze(self, step: Freeze) -> dict[str, Floats]:
        return self.change(step.freeze, False)

    @perform.register
    def _unfreeze(self, step: Unfreeze) -> dict[str, Floats]:
        return self.change(step.unfreeze, True)

    def change(self, flagging: Flagging, trainable: bool) -> dict[str, Floats]:
        """Set the trainable flag of the layers named; recompile what had been compiled."""
        for part in self.parts:
            if flagging.of in ("layer", "model", part.name):
                part.trainable = trainable
        for norm in self.norms:
            if flagging.recompile and norm.compiled is not None:
                norm.compile(anew=True)
        if flagging.recompile:
            self.optimizer = Optimizer()
        return {}

    @perform.register
    def _save(self, step: Save) -> dict[str, Floats]:
        self.checkpoints[step.save] = [(copy.deepcopy(part.variables), part.updates) for part in self.parts]
        return {}

    @perform.register
    def _restore(self, step: Restore) -> dict[str, Floats]:
        if step.into == "fresh":
            self.build(fresh=True)
        if step.omit and self.dialect.missing_statistics == "refused":
            raise Refused
        for part, (variables, updates) in zip(self.parts, self.checkpoints[step.restore], strict=True):
            kept = {f"{part.name}.{name}" if part.name else name: name for name in variables}
            part.variables.update({name: variables[name] for full, name in kept.items() if full not in step.omit})
            part.updates = updates
        return {}

    @perform.register
    def _set(self, step: Set) -> dict[str, Floats]:
        for full, given in step.set.items():
            name, _, variable = full.rpartition(".")
            part = next(part for part in self.parts if part.name == name)
            part.variables[variable] = copies(given.astype(np.float32))
        return {}


def trace(case: Case, dialect: Dialect) -> list[Outcome]:
    """What every step of a case should show under a dialect."""
    machine = Machine(case, dialect)
    outcomes: list[Outcome] = []
    seen: dict[int, tuple[Floats, Value]] = {}  # most variables stay the same array from step to step
    with np.errstate(all="ignore"):
        for step in case.text.steps:
            raises, computed = False, dict[str, Floats]()
            try:
                computed = machine.perform(step)
            except Refused:
                raises = True
            shown = {**computed, **machine.state()}
            seen = {id(copied): seen.get(id(copied)) or (copied, value(copied)) for copied in shown.values()}
            outcomes.append(Outcome(raises, {name: seen[id(copied)][1] for name, copied in shown.items()}))
    return outcomes
