"""What a case should show, step by step, under a dialect: the reference implementation, float64.

Every array has the leading axis R of copies that `rounding.py` explains. Conventions are values of the dialect.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import lru_cache, singledispatchmethod
from typing import NoReturn

import numpy as np

from conformance.case import Case
from conformance.dialect import Dialect
from conformance.fields import Floats
from conformance.layers import BatchNorm, BatchNormEntry, DenseEntry
from conformance.norm import Norm
from conformance.rounding import Rounding, Value, copies, value
from conformance.steps import Backward, Call, Fit, Flagging, Freeze, Predict, Restore, Save, Set, Step, Train, Unfreeze
from conformance.training import Activation, Dense, Optimizer, Part, Pass, Refused, optimizer


@dataclass(slots=True)
class Outcome:
    """What a step should show: whether it raises, and every quantity after it."""

    raises: bool
    quantities: dict[str, Value]


class Machine:
    """A layer or a network in the course of a case."""

    def __init__(self, case: Case, dialect: Dialect, kind: type[Norm] = Norm) -> None:
        self.case, self.dialect, self.kind, self.rounding = case, dialect, kind, Rounding()
        self.checkpoints: dict[str, list[tuple[dict[str, Floats], int]]] = {}
        self.build(fresh=False)

    def build(self, fresh: bool) -> None:
        """Make the layers; fresh ones start as a program would that is about to restore."""
        self.training_last, self.model_trainable, self.optimizer = True, True, Optimizer()
        text = self.case.text
        if text.layer is not None:
            self.parts: list[Part] = [self.norm(text.layer, "", fresh)]
            return
        self.parts = []
        for entry in text.network or ():
            if isinstance(entry, DenseEntry):
                self.parts.append(Dense(entry.dense, self.dialect, self.rounding, fresh=fresh))
            elif isinstance(entry, BatchNormEntry):
                self.parts.append(self.norm(entry.batch_norm, entry.batch_norm.name, fresh))
            else:
                self.parts.append(Activation(entry.activation, self.dialect, self.rounding))

    def norm(self, settings: BatchNorm, name: str, fresh: bool) -> Norm:
        """One batch normalisation."""
        start = settings.model_copy(update=dict.fromkeys(settings.variables)) if fresh else settings
        return self.kind(start, self.dialect, self.rounding, name)

    @property
    def norms(self) -> list[Norm]:
        """The batch normalisations."""
        return [part for part in self.parts if isinstance(part, Norm)]

    def state(self) -> dict[str, Floats]:
        """Every variable by the name that observations give it."""
        return {part.full(name): part.variables[name] for part in self.parts for name in part.shown}

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
        return {"output": self.forward(self.data(step.train), given=True, mask=step.mask)}

    @perform.register
    def _predict(self, step: Predict) -> dict[str, Floats]:
        return {"output": self.forward(self.data(step.predict), given=False, mask=step.mask)}

    @perform.register
    def _call(self, step: Call) -> dict[str, Floats]:
        return {"output": self.forward(self.data(step.call), step.training, step.mask, by_hand=True)}

    @perform.register
    def _backward(self, step: Backward) -> dict[str, Floats]:
        output = self.forward(self.data(step.backward), step.training, by_hand=True)
        norm = self.norms[0]
        computed = {"output": output, "input_gradient": norm.backward(self.data(step.upstream))}
        return computed | {f"{name}_gradient": norm.gradients[name] for name in norm.trained(fitting=False)}

    @perform.register
    def _fit(self, step: Fit) -> dict[str, Floats]:
        for part in self.parts:
            part.compile(anew=False)
            if self.dialect.freeze_takes_effect == "refused" and part.compiled != part.trainable:
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
        error = self.forward(x, given=True, fitting=True) - targets
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
        for part in self.reached(flagging, trainable=trainable):
            part.trainable = trainable
        if flagging.of == "model":
            self.model_trainable = trainable
        for part in self.parts:
            if flagging.recompile and part.compiled is not None:
                part.compile(anew=True)
        if flagging.recompile:
            self.optimizer = Optimizer()
        return {}

    def reached(self, flagging: Flagging, *, trainable: bool) -> list[Part]:  # noqa: ARG002 - it reaches in either case
        """The layers that a change of the flag reaches: the one named, or all of the model."""
        return [part for part in self.parts if flagging.of in ("layer", "model", part.name)]

    @perform.register
    def _save(self, step: Save) -> dict[str, Floats]:
        self.checkpoints[step.save] = [(copy.deepcopy(part.variables), part.updates) for part in self.parts]
        return {}

    @perform.register
    def _restore(self, step: Restore) -> dict[str, Floats]:
        if step.into == "fresh":
            self.build(fresh=True)
        if step.omit and self.dialect.missing_statistics == "refused":
            self.refuse(step)
        self.load(step)
        return {}

    def refuse(self, step: Restore) -> NoReturn:  # noqa: ARG002 - for those that do more than refuse
        """Refuse a checkpoint, and leave everything as it is."""
        raise Refused

    def load(self, step: Restore) -> None:
        """Take over what the checkpoint has."""
        names = self.loaded(step)
        for part, (variables, updates) in zip(self.parts, self.checkpoints[step.restore], strict=True):
            part.variables.update({name: variables[name] for name in variables if part.full(name) in names})
            part.updates = updates

    def loaded(self, step: Restore) -> frozenset[str]:
        """The names of the variables that a checkpoint brings."""
        return frozenset(self.state()) - set(step.omit)

    @perform.register
    def _set(self, step: Set) -> dict[str, Floats]:
        for full, given in step.set.items():
            name, _, variable = full.rpartition(".")
            part = next(part for part in self.parts if part.name == name)
            part.variables[variable] = copies(given.astype(np.float32))
        return {}


@lru_cache(maxsize=512)
def trace(case: Case, dialect: Dialect) -> list[Outcome]:
    """What every step of a case should show under a dialect; remembered, as targets share dialects."""
    return replay(Machine(case, dialect))


def replay(machine: Machine) -> list[Outcome]:
    """What every step of its case shows on a machine."""
    outcomes: list[Outcome] = []
    seen: dict[int, tuple[Floats, Value]] = {}  # most variables stay the same array from step to step
    with np.errstate(all="ignore"):
        for step in machine.case.text.steps:
            raises, computed = False, dict[str, Floats]()
            try:
                computed = machine.perform(step)
            except Refused:
                raises = True
            shown = {**computed, **machine.state()}
            seen = {id(copied): seen.get(id(copied)) or (copied, value(copied)) for copied in shown.values()}
            outcomes.append(Outcome(raises, {name: seen[id(copied)][1] for name, copied in shown.items()}))
    return outcomes
