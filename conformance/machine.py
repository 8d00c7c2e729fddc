"""A layer or a network under a dialect: how it is built, how data go through it, and how it learns.

Every array has the leading axis R of copies that `rounding.py` explains.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np

from conformance.case import Case
from conformance.dialect import Dialect
from conformance.dtypes import coarser
from conformance.fields import Floats
from conformance.layers import ActivationEntry, AgainEntry, BatchNorm, BatchNormEntry, DenseEntry, Entry, ModelEntry
from conformance.norm import Norm
from conformance.rounding import Rounding, copies
from conformance.steps import Restore
from conformance.training import Activation, Dense, Optimizer, Part, Pass

Parts = tuple[dict[str, list[Part]], list[Part]]


class Model:
    """The parts of a case in the order in which data go through them, and the ways through nested models.

    routes: for the whole model ("") and each nested one, its parts in order; a part that stands there twice is in it
    twice. parts: each part once.
    """

    def __init__(self, case: Case, dialect: Dialect, kind: type[Norm] = Norm) -> None:
        self.case, self.dialect, self.kind, self.rounding = case, dialect, kind, Rounding()
        self.build(fresh=False)

    def build(self, *, fresh: bool, step: Restore | None = None) -> None:
        """Make the parts; fresh ones start as a program would that is about to restore, maybe with other settings."""
        self.model_trainable = True
        self.optimizers: dict[str, Optimizer] = {}
        self.routes: dict[str, list[Part]] = {}
        text = self.case.text
        if text.layer is not None:
            changed = step.settings.model_dump(exclude_none=True) if step is not None else {}
            self.parts: list[Part] = [self.norm(text.layer.model_copy(update=changed), "", fresh=fresh)]
            self.routes[""] = self.parts
        else:
            self.parts = []
            self.route("", text.network or (), fresh=fresh)

    def route(self, name: str, entries: Iterable[Entry], *, fresh: bool) -> list[Part]:
        """The way through a model of these entries."""
        parts: list[Part] = []
        for entry in entries:
            if isinstance(entry, ModelEntry):
                parts += self.route(entry.model.name, entry.model.layers, fresh=fresh)
            elif isinstance(entry, AgainEntry):
                parts.append(next(part for part in self.parts if part.name == entry.again))
            else:
                parts.append(self.part(entry, fresh=fresh))
                self.parts.append(parts[-1])
        self.routes[name] = parts
        return parts

    def part(self, entry: Entry, *, fresh: bool) -> Part:
        """One entry of a network."""
        if isinstance(entry, DenseEntry):
            return Dense(entry.dense, self.dialect, self.rounding, fresh=fresh)
        if isinstance(entry, BatchNormEntry):
            return self.norm(entry.batch_norm, entry.batch_norm.name, fresh=fresh)
        assert isinstance(entry, ActivationEntry)
        return Activation(entry.activation, self.dialect, self.rounding)

    def norm(self, settings: BatchNorm, name: str, *, fresh: bool) -> Norm:
        """One batch normalisation."""
        start = settings.model_copy(update=dict.fromkeys(settings.variables)) if fresh else settings
        return self.kind(start, self.dialect, self.rounding, name)

    @property
    def norms(self) -> list[Norm]:
        """The batch normalisations."""
        return [part for part in self.parts if isinstance(part, Norm)]

    def within(self, of: str) -> list[Part]:
        """The parts that a name stands for: the layer, the model, a nested model, or a part."""
        if of in ("layer", "model"):
            return self.parts
        return self.routes.get(of) or [part for part in self.parts if part.name == of]

    def state(self) -> dict[str, Floats]:
        """Every variable by the name that observations give it."""
        return {part.full(name): part.variables[name] for part in self.parts for name in part.shown}

    def dtype(self, quantity: str) -> str:
        """The type in which a quantity is observed."""
        first = self.parts[0]
        if quantity == "loss":
            return "float32"
        if quantity in ("output", "input_gradient"):
            return first.dtype
        return first.kept_in

    def copied(self, routes: dict[str, list[Part]], parts: list[Part]) -> Parts:
        """Copies of parts that share nothing with them but the stream of nudges."""
        return copy.deepcopy((routes, parts), {id(self.rounding): self.rounding})

    def data(self, name: str) -> Floats:
        """An array of the case."""
        return copies(self.case.data[name])

    def forward(self, x: Floats, how: Pass, through: str | None = None) -> Floats:
        """One pass through all layers, or those of a nested model."""
        for part in self.parts:
            part.begin()
        route = self.routes[through or ""]
        for part in route:
            if how.given is not None:
                part.mode = how.given
            x = part.forward(x, how)
        return x

    def learn(self, x: Floats, targets: Floats, model: str) -> None:
        """One step of gradient descent on the mean squared error over all elements."""
        how = Pass(given=True, fitting=model)
        error = self.forward(x, how, model) - targets
        gradient = 2 * error / error[0].size
        gradient = self.rounding.nudge(gradient, 2 * (np.abs(error) + np.abs(targets)) / error[0].size)
        for part in reversed(self.routes[model]):
            gradient = part.backward(gradient)
        self.optimizers[model].apply(list(dict.fromkeys(self.routes[model])), how)

    def loss(self, y: Floats, targets: Floats) -> Floats:
        """The mean squared error over all elements, (R,)."""
        error = y - targets
        axes, size = tuple(range(1, error.ndim)), np.float64(error[0].size)
        scale = ((np.abs(y) + np.abs(targets)) ** 2).sum(axes) / size
        return self.rounding.nudge((error**2).sum(axes) / size, scale, coarser("float32", self.parts[0].dtype))
