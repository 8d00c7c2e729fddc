"""A case step by step."""

from __future__ import annotations

import copy
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any

from conformance.case import Case
from conformance.dialect import Dialect
from conformance.exact.network import Curve, Descent, Linear
from conformance.exact.norm import Norm
from conformance.exact.numbers import CONTEXT, Number, Refused, Rows, digits, exactly, plain, rounded

Shown = tuple[bool, dict[str, list[Decimal]]]  # whether a step raises, and every quantity after it, flat


class Machine:
    """A case's layer or network under a dialect."""

    def __init__(self, case: Case, dialect: Dialect) -> None:
        self.case, self.dialect = case, dialect
        rational = case.text.network is None and all(step.verb != "fit" for step in case.text.steps)
        self.number = exactly if rational else digits
        self.checkpoints: dict[str, Any] = {}
        self.build(fresh=False)

    def build(self, *, fresh: bool) -> None:
        """The parts as their constructors leave them; fresh ones have none of the case's values."""
        self.parts: dict[str, Any] = {}
        if self.case.text.layer is not None:
            self.parts[""] = Norm(self.case.text.layer, self.dialect, self.number, fresh=fresh)
        for index, entry in enumerate(self.case.text.network or ()):
            if hasattr(entry, "dense"):
                self.parts[entry.dense.name + "."] = Linear(entry.dense, self.number, fresh=fresh)
            elif hasattr(entry, "activation"):
                self.parts[str(index)] = Curve(entry.activation)
            else:
                norm = Norm(entry.batch_norm, self.dialect, self.number, fresh=fresh)
                self.parts[entry.batch_norm.name + "."] = norm
        self.last = True
        self.compiled: dict[str, bool] | None = None
        self.optimizer: Descent | None = None

    def state(self) -> dict[str, list[Number]]:
        """Every variable by its full name."""
        return {key + name: v for key, part in self.parts.items() for name, v in part.variables.items()}

    def rows(self, name: str) -> Rows:
        """Data as rows of channels."""
        array = self.case.data[name]
        return [[self.number(x) for x in row] for row in array.reshape(-1, array.shape[-1]).tolist()]

    def flags(self) -> dict[str, bool]:
        """Which parts are trainable."""
        return {key: part.trainable for key, part in self.parts.items()}

    def forward(self, rows: Rows, kept: list[bool], flag: bool | None, flags: dict[str, bool], called: bool) -> Rows:
        """A pass through all parts; it leaves its mode behind."""
        self.last = self.last if flag is None else flag
        norms = {key: part for key, part in self.parts.items() if isinstance(part, Norm)}
        modes = {key: norm.training(flag, self.last, called) for key, norm in norms.items()}
        for key, part in self.parts.items():
            rows = part.forward(rows, kept, modes.get(key), not flags[key])
        return rows

    def passed(self, step: Any) -> dict[str, Any]:
        """A pass with the step's own flag, or with that of the API for training or inference."""
        rows, mask = self.rows(getattr(step, step.verb)), getattr(step, "mask", None)
        kept = [True] * len(rows) if mask is None else [bool(w) for w in self.case.data[mask].ravel().tolist()]
        flag = getattr(step, "training", step.verb == "train")
        output = self.forward(rows, kept, flag, self.flags(), called=hasattr(step, "training"))
        return {"output": [x for row in output for x in row]}

    train = predict = call = passed

    def backward(self, step: Any) -> dict[str, Any]:
        """The gradient of sum(upstream * output)."""
        output, norm = self.passed(step), self.parts[""]
        gradient = norm.backward(self.rows(step.upstream))
        learned = {f"{name}_gradient": norm.gradients[name] for name in norm.learned if norm.trainable}
        return {**output, "input_gradient": [x for row in gradient for x in row], **learned}

    def fit(self, step: Any) -> None:
        """The training loop, in the order of the data."""
        effect = self.dialect.freeze_takes_effect
        if self.compiled is None:
            self.compiled = self.flags()
        if effect == "refused" and self.compiled != self.flags():
            raise Refused
        flags = self.compiled if effect == "at_compile" else self.flags()
        self.optimizer = descent = self.optimizer or Descent(step, self.dialect)
        rows, targets, samples = self.rows(step.fit), self.rows(step.targets), len(self.case.data[step.fit])
        size = len(rows) // samples * step.batch_size
        for start in [*range(0, len(rows), size)] * step.epochs:
            self.learn(rows[start : start + size], targets[start : start + size], flags, descent)

    def learn(self, rows: Rows, targets: Rows, flags: dict[str, bool], descent: Descent) -> None:
        """One batch: the gradient of the mean square over all elements, and a step against it."""
        output = self.forward(rows, [True] * len(rows), flag=True, flags=flags, called=False)
        weight = Decimal(2) / (len(rows) * len(output[0]))
        pairs = zip(output, targets, strict=True)
        gradient = [[weight * (y - t) for y, t in zip(*pair, strict=True)] for pair in pairs]
        for part in reversed(self.parts.values()):
            gradient = part.backward(gradient)
        for key, part in self.parts.items():
            for name in part.learned if flags[key] else ():
                part.variables[name] = descent.moved(key + name, part.variables[name], part.gradients[name])

    def freeze(self, step: Any) -> None:
        """A change of the trainable flag."""
        flagging = getattr(step, step.verb)
        for key, part in self.parts.items():
            if flagging.of == "model" or key in ("", flagging.of + "."):
                part.trainable = step.verb == "unfreeze"
        if flagging.recompile and self.compiled is not None:
            self.compiled, self.optimizer = self.flags(), None

    unfreeze = freeze

    def save(self, step: Any) -> None:
        """A checkpoint."""
        norms = {key: part for key, part in self.parts.items() if isinstance(part, Norm)}
        counters = {key: (norm.hidden, norm.updates) for key, norm in norms.items()}
        self.checkpoints[step.save] = copy.deepcopy((self.state(), counters))

    def restore(self, step: Any) -> None:
        """What a checkpoint has, put back."""
        if step.into == "fresh":
            self.build(fresh=True)
        if step.omit and self.dialect.missing_statistics == "refused":
            raise Refused
        variables, counters = copy.deepcopy(self.checkpoints[step.restore])
        self.assign({name: values for name, values in variables.items() if name not in step.omit})
        for key, counted in counters.items():  # no quantities, so that nothing makes a checkpoint lack them
            self.parts[key].hidden, self.parts[key].updates = counted

    def set(self, step: Any) -> None:
        """Values from outside."""
        self.assign({name: rounded(values, self.number) for name, values in step.set.items()})

    def assign(self, values: dict[str, list[Number]]) -> None:
        """Give variables new values."""
        for key, part in self.parts.items():
            part.variables.update({name: values[key + name] for name in part.variables if key + name in values})


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
            shown_as = {name: [plain(v) for v in values] for name, values in shown.items()}
            outcomes.append((raises, shown_as))
    return outcomes
