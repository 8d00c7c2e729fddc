"""What a case should show, step by step, under a dialect: the reference implementation, float64.

Every array has the leading axis R of copies that `rounding.py` explains. Conventions are values of the dialect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, singledispatchmethod
from typing import Any, NoReturn

import numpy as np

from conformance import steps
from conformance.case import Case
from conformance.dialect import Dialect
from conformance.fields import Floats
from conformance.machine import Model, Parts
from conformance.norm import Norm
from conformance.rounding import Value, value
from conformance.training import Part, Pass, Refused, optimizer


@dataclass(frozen=True, slots=True)
class Saved:
    """What a part leaves behind: its variables, the number of its updates and their weight, and its settings."""

    variables: dict[str, Floats]
    updates: int
    weight: float
    settings: Any


@dataclass(slots=True)
class Outcome:
    """What a step should show: whether it raises, and every quantity after it."""

    raises: bool
    quantities: dict[str, Value]


class Machine(Model):
    """A model in the course of a case."""

    def __init__(self, case: Case, dialect: Dialect, kind: type[Norm] = Norm) -> None:
        super().__init__(case, dialect, kind)
        self.checkpoints: dict[str, list[Saved]] = {}
        self.exports: dict[str, Parts] = {}

    def run(self, name: str, given: bool | None, step: Any, *, by_hand: bool = False) -> dict[str, Floats]:
        """A pass of the data of a name, as a step describes it."""
        options = step.options
        mask = options.get("mask")
        weights = None if mask is None else self.case.data[mask].astype(np.float64)
        how = Pass(given, by_hand, mask=weights)
        return {"output": self.forward(self.data(name), how, options.get("through"))}

    @singledispatchmethod
    def perform(self, step: steps.Step) -> dict[str, Floats]:
        """Do a step; returns what it computes besides the state."""
        raise NotImplementedError(type(step).__name__)

    @perform.register
    def _train(self, step: steps.Train) -> dict[str, Floats]:
        return self.run(step.train, True, step)

    @perform.register
    def _predict(self, step: steps.Predict) -> dict[str, Floats]:
        if step.exported is None:
            return self.run(step.predict, False, step)
        own = self.routes, self.parts
        self.routes, self.parts = self.copied(*self.exports[step.exported])
        try:
            return self.run(step.predict, False, step)
        finally:
            self.routes, self.parts = own

    @perform.register
    def _call(self, step: steps.Call) -> dict[str, Floats]:
        return self.run(step.call, step.training, step, by_hand=True)

    @perform.register
    def _backward(self, step: steps.Backward) -> dict[str, Floats]:
        computed = self.run(step.backward, step.training, step, by_hand=True)
        norm = self.norms[0]
        computed["input_gradient"] = norm.backward(self.data(step.upstream))
        trained = norm.trained(Pass(step.training))
        return computed | {f"{name}_gradient": norm.gradients[name] for name in trained}

    @perform.register
    def _fit(self, step: steps.Fit) -> dict[str, Floats]:
        model = step.through or ""
        for part in self.routes[model]:
            compiled = part.compiled.setdefault(model, part.trainable)
            if self.dialect.freeze_takes_effect == "refused" and compiled != part.trainable:
                raise Refused
        if model not in self.optimizers:
            self.optimizers[model] = optimizer(step, self.dialect, self.rounding)
        x, targets = self.data(step.fit), self.data(step.targets)
        for _ in range(step.epochs):
            for start in range(0, x.shape[1], step.batch_size):
                batch = slice(start, start + step.batch_size)
                self.learn(x[:, batch], targets[:, batch], model)
            if step.validation is not None:
                self.run(step.validation, False, step)
        return {}

    @perform.register
    def _evaluate(self, step: steps.Evaluate) -> dict[str, Floats]:
        y = self.run(step.evaluate, False, step)["output"]
        return {"loss": self.loss(y, self.data(step.targets))}

    @perform.register
    def _freeze(self, step: steps.Freeze) -> dict[str, Floats]:
        return self.change(step.freeze, False)

    @perform.register
    def _unfreeze(self, step: steps.Unfreeze) -> dict[str, Floats]:
        return self.change(step.unfreeze, True)

    def change(self, flagging: steps.Flagging, trainable: bool) -> dict[str, Floats]:
        """Set the trainable flag of the layers named; recompile what had been compiled."""
        for part in self.reached(flagging, trainable=trainable):
            part.trainable = trainable
        if flagging.of == "model":
            self.model_trainable = trainable
        if flagging.recompile:
            for part in self.parts:
                part.compiled = dict.fromkeys(part.compiled, part.trainable)
            self.optimizers = {}
        return {}

    def reached(self, flagging: steps.Flagging, *, trainable: bool) -> list[Part]:  # noqa: ARG002 - it reaches in either case
        """The layers that a change of the flag reaches: the one named, or all of the model."""
        return self.within(flagging.of)

    @perform.register
    def _mode(self, step: steps.Mode) -> dict[str, Floats]:
        for part in self.within(step.mode.of):
            part.mode = step.mode.training
        return {}

    @perform.register
    def _export(self, step: steps.Export) -> dict[str, Floats]:
        self.export(step)
        return {}

    def export(self, step: steps.Export) -> None:
        """Write an exported model."""
        self.exports[step.export] = self.copied(self.routes, self.parts)

    @perform.register
    def _save(self, step: steps.Save) -> dict[str, Floats]:
        self.save(step)
        return {}

    def save(self, step: steps.Save) -> None:
        """Write a checkpoint."""
        self.checkpoints[step.save] = self.snapshot()

    def snapshot(self) -> list[Saved]:
        """What a checkpoint could hold, part by part."""
        return [
            Saved(dict(part.variables), part.updates, part.weight, getattr(part, "settings", None))
            for part in self.parts
        ]

    @perform.register
    def _restore(self, step: steps.Restore) -> dict[str, Floats]:
        if step.into == "fresh":
            self.build(fresh=True, step=step)
        if any(self.misfits(part, saved) for part, saved in self.pairs(step)):
            raise Refused
        if step.omit and self.dialect.missing_statistics == "refused":
            self.refuse(step)
        self.load(step)
        return {}

    def refuse(self, step: steps.Restore) -> NoReturn:  # noqa: ARG002 - for those that do more than refuse
        """Refuse a checkpoint, and leave everything as it is."""
        raise Refused

    def load(self, step: steps.Restore) -> None:
        """Take over what the checkpoint has."""
        names = self.loaded(step)
        for part, saved in self.pairs(step):
            part.variables |= {name: saved.variables[name] for name in part.variables if part.full(name) in names}
            part.updates, part.weight = saved.updates, saved.weight
            if isinstance(part, Norm) and self.dialect.settings_restored == "checkpoint":
                kept = {"momentum": saved.settings.momentum, "epsilon": saved.settings.epsilon}
                part.settings = part.settings.model_copy(update=kept)

    def pairs(self, step: steps.Restore) -> list[tuple[Part, Saved]]:
        """Each part with what the checkpoint has of it."""
        return list(zip(self.parts, self.checkpoints[step.restore], strict=True))

    def misfits(self, part: Part, saved: Saved) -> bool:
        """Whether a checkpoint has another shape."""
        return any(part.variables[name].shape != saved.variables[name].shape for name in part.shown)

    def loaded(self, step: steps.Restore) -> frozenset[str]:
        """The names of the variables that a checkpoint brings."""
        return frozenset(self.state()) - set(step.omit)

    @perform.register
    def _set(self, step: steps.Set) -> dict[str, Floats]:
        for full, given in step.set.items():
            name, _, variable = full.rpartition(".")
            part = next(part for part in self.parts if part.name == name)
            part.variables[variable] = part.stored(given)
        return {}


@lru_cache(maxsize=512)
def trace(case: Case, dialect: Dialect) -> list[Outcome]:
    """What every step of a case should show under a dialect; remembered, as targets share dialects."""
    return replay(Machine(case, dialect))


def replay(machine: Machine) -> list[Outcome]:
    """What every step of its case shows on a machine."""
    return list(stepwise(machine))


def stepwise(machine: Machine) -> Iterator[Outcome]:
    """The same, one step at a time."""
    seen: dict[int, tuple[Floats, Value]] = {}  # most variables stay the same array from step to step
    for step in machine.case.text.steps:
        with np.errstate(all="ignore"):
            raises, computed = False, dict[str, Floats]()
            try:
                computed = machine.perform(step)
            except Refused:
                raises = True
            shown = {**computed, **machine.state()}
            seen = {
                id(copied): seen.get(id(copied)) or (copied, value(copied, machine.dtype(name)))
                for name, copied in shown.items()
            }
            outcome = Outcome(raises, {name: seen[id(copied)][1] for name, copied in shown.items()})
        yield outcome
