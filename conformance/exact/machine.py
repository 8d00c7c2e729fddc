"""A case step by step."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any

from conformance.case import Case
from conformance.dialect import Dialect
from conformance.exact.model import Model, full
from conformance.exact.network import Descent
from conformance.exact.norm import Norm
from conformance.exact.numbers import CONTEXT, Number, Refused, Rows, plain

Shown = tuple[bool, dict[str, list[Decimal]]]  # whether a step raises, and every quantity after it, flat


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Variables by full name, and of each batch normalisation its updates, momentum and epsilon."""

    variables: dict[str, list[Number]]
    norms: dict[str, tuple[int, Any]]


class Machine(Model):
    """A case's layer or network in its course; each verb is a method."""

    def __init__(self, case: Case, dialect: Dialect) -> None:
        super().__init__(case, dialect)
        self.checkpoints: dict[str, Checkpoint] = {}
        self.exports: dict[str, Machine] = {}

    def rows(self, name: str) -> Rows:
        """Data as rows of channels."""
        array = self.case.data[name]
        return [[self.number(x) for x in row] for row in array.reshape(-1, array.shape[-1]).tolist()]

    def passed(self, step: Any) -> dict[str, Any]:
        """A pass with the step's own flag, or with that of the API for training or inference."""
        mask, exported = getattr(step, "mask", None), getattr(step, "exported", None)
        kept = None if mask is None else [bool(w) for w in self.case.data[mask].ravel().tolist()]
        flag, called = getattr(step, "training", step.verb == "train"), hasattr(step, "training")
        model: Model = self if exported is None else copy.deepcopy(self.exports[exported])
        through = getattr(step, "through", None) or ""
        output = model.forward(self.rows(getattr(step, step.verb)), flag, through=through, called=called, kept=kept)
        return {"output": [x for row in output for x in row]}

    train = predict = call = passed

    def evaluate(self, step: Any) -> dict[str, Any]:
        """The mean square over all elements, in inference."""
        output, targets = self.passed(step)["output"], [t for row in self.rows(step.targets) for t in row]
        squares = [(y - t) * (y - t) for y, t in zip(output, targets, strict=True)]
        return {"loss": [sum(squares, self.number(0)) / len(squares)]}

    def backward(self, step: Any) -> dict[str, Any]:
        """The gradient of sum(upstream * output)."""
        output, norm = self.passed(step), self.parts[""]
        gradient = norm.backward(self.rows(step.upstream))
        learned = {f"{name}_gradient": norm.gradients[name] for name in norm.learned if norm.trainable}
        return {**output, "input_gradient": [x for row in gradient for x in row], **learned}

    def fit(self, step: Any) -> None:
        """The training loop of a model, in the order of the data; after each epoch validation, in inference."""
        effect, model = self.dialect.freeze_takes_effect, step.through or ""
        compiled = self.compiled.setdefault(model, self.flags())
        if effect == "refused" and any(compiled[key] != self.parts[key].trainable for key in self.ways[model]):
            raise Refused
        if model not in self.optimizers:
            self.optimizers[model] = Descent(step, self.dialect)
        rows, targets, samples = self.rows(step.fit), self.rows(step.targets), len(self.case.data[step.fit])
        size = len(rows) // samples * step.batch_size if rows else 1
        for _ in range(step.epochs):
            for start in range(0, len(rows), size):
                flags = compiled if effect == "at_compile" else self.flags()
                self.learn(rows[start : start + size], targets[start : start + size], model, flags)
            if step.validation is not None:
                self.forward(self.rows(step.validation), flag=False, through=model, called=False, kept=None)

    def freeze(self, step: Any) -> None:
        """A change of the trainable flag."""
        flagging = getattr(step, step.verb)
        for part in self.named(flagging.of):
            part.trainable = step.verb == "unfreeze"
        if flagging.recompile:
            self.compiled = {model: self.flags() for model in self.compiled}
            self.optimizers = {}

    unfreeze = freeze

    def mode(self, step: Any) -> None:
        """The mode of modules, without a pass."""
        for part in self.named(step.mode.of):
            part.mode = step.mode.training

    def export(self, step: Any) -> None:
        """The model as it is."""
        self.exports[step.export] = copy.deepcopy(self, {id(self.case): self.case, id(self.exports): {}})

    def save(self, step: Any) -> None:
        """A checkpoint."""
        norms = {key: part for key, part in self.parts.items() if isinstance(part, Norm)}
        kept = {key: (norm.updates, norm.settings) for key, norm in norms.items()}
        self.checkpoints[step.save] = Checkpoint({name: [*values] for name, values in self.state().items()}, kept)

    def restore(self, step: Any) -> None:
        """What a checkpoint has, put back; one of another shape is refused."""
        if step.into == "fresh":
            self.build(fresh=True, changed=step.settings.model_dump(exclude_none=True))
        saved, state = self.checkpoints[step.restore], self.state()
        if any(len(saved.variables[name]) != len(values) for name, values in state.items()):
            raise Refused
        if step.omit and self.dialect.missing_statistics == "refused":
            raise Refused
        self.assign({name: [*values] for name, values in saved.variables.items() if name not in step.omit})
        for key, (updates, settings) in saved.norms.items():
            norm = self.parts[key]
            assert isinstance(norm, Norm)
            if self.dialect.settings_restored == "checkpoint":
                norm.adopt(settings)
            norm.count(updates)  # no quantity, so that nothing makes a checkpoint lack it

    def set(self, step: Any) -> None:
        """Values from outside."""
        owners = {full(key, name): part for key, part in self.parts.items() for name in part.variables}
        self.assign({name: owners[name].stored(values.ravel().tolist()) for name, values in step.set.items()})
        for part in self.parts.values():
            if isinstance(part, Norm):
                part.count(part.updates)

    def assign(self, values: dict[str, list[Number]]) -> None:
        """Give variables new values."""
        for key, part in self.parts.items():
            given = {name: values[full(key, name)] for name in part.variables if full(key, name) in values}
            part.variables.update(given)


@lru_cache(maxsize=1000)
def trace(case: Case, dialect: Dialect) -> list[Shown]:
    """What every step of a case shows under a dialect."""
    outcomes: list[Shown] = []
    with localcontext(CONTEXT):
        machine = Machine(case, dialect)
        for step in case.text.steps:
            raises, computed = False, dict[str, list[Number]]()
            try:
                computed = getattr(machine, step.verb)(step) or {}
            except Refused:
                raises = True
            shown = {**computed, **machine.state()}
            outcomes.append((raises, {name: [plain(v) for v in values] for name, values in shown.items()}))
    return outcomes
