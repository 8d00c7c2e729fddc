"""The layers of a case, nested and shared, and the ways through them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from conformance.case import Case
from conformance.dialect import Dialect
from conformance.exact.network import Curve, Descent, Linear
from conformance.exact.norm import Flow, Norm
from conformance.exact.numbers import Number, Rows, digits, exactly

Part = Norm | Linear | Curve
Flags = dict[str, bool]


class Model:
    """The parts by name, and for the whole model ("") and each nested one the names in the order of its layers."""

    def __init__(self, case: Case, dialect: Dialect) -> None:
        self.case, self.dialect = case, dialect
        rational = case.text.network is None and all(step.verb != "fit" for step in case.text.steps)
        self.number = exactly if rational else digits
        self.build(fresh=False, changed={})

    def build(self, *, fresh: bool, changed: dict[str, Any]) -> None:
        """The parts as their constructors leave them; fresh ones have none of the case's values."""
        self.parts: dict[str, Part] = {}
        self.ways: dict[str, list[str]] = {}
        self.compiled: dict[str, Flags] = {}
        self.optimizers: dict[str, Descent] = {}
        text = self.case.text
        if text.layer is not None:
            settings = text.layer.model_copy(update=changed)
            self.parts[""] = Norm(settings, self.dialect, self.number, fresh=fresh)
        self.ways[""] = [""] if text.layer is not None else self.way(text.network or (), fresh=fresh)

    def way(self, entries: Iterable[Any], *, fresh: bool) -> list[str]:
        """Make what entries stand for; the names in the order in which data go through them."""
        names: list[str] = []
        for entry in entries:
            ((kind, settings),) = ((name, getattr(entry, name)) for name in type(entry).model_fields)
            if kind == "again":
                names.append(settings)
            elif kind == "model":
                self.ways[settings.name] = self.way(settings.layers, fresh=fresh)
                names += self.ways[settings.name]
            elif kind == "activation":
                names.append(f"curve {len(self.parts)}")
                self.parts[names[-1]] = Curve(settings)
            else:
                names.append(settings.name)
                norm = kind == "batch_norm"
                made = Norm(settings, self.dialect, self.number, fresh=fresh) if norm else Linear(settings, fresh=fresh)
                self.parts[names[-1]] = made
        return names

    def named(self, of: str) -> list[Part]:
        """What a name stands for: the layer, the model, a nested model, or a part."""
        if of in ("layer", "model"):
            return list(self.parts.values())
        return [self.parts[name] for name in self.ways.get(of, [of])]

    def state(self) -> dict[str, list[Number]]:
        """Every variable by its full name."""
        return {full(key, name): values for key, part in self.parts.items() for name, values in part.variables.items()}

    def flags(self) -> Flags:
        """Which parts are trainable."""
        return {key: part.trainable for key, part in self.parts.items()}

    def forward(
        self, rows: Rows, flag: bool | None, *, through: str = "", called: bool = False,
        kept: list[bool] | None = None, flags: Flags | None = None,
    ) -> Rows:  # fmt: skip
        """A pass through a model; it leaves its mode behind. flags: which parts are seen as trainable."""
        flags = self.flags() if flags is None else flags
        for part in self.parts.values():
            part.begin()
        way = [(key, self.parts[key]) for key in self.ways[through]]
        if flag is not None:
            for _, part in way:
                part.mode = flag
        for key, part in way:
            everything = [True] * len(rows) if kept is None else kept
            rows = part.forward(rows, Flow(flag, called, everything, kept is not None, not flags[key]))
        return rows

    def learn(self, rows: Rows, targets: Rows, model: str, flags: Flags) -> None:
        """One batch: the gradient of the mean square over all elements, and a step against it."""
        output = self.forward(rows, flag=True, through=model, flags=flags)
        weight = Decimal(2) / (len(rows) * len(output[0]))
        pairs = zip(output, targets, strict=True)
        gradient = [[weight * (y - t) for y, t in zip(*pair, strict=True)] for pair in pairs]
        for key in reversed(self.ways[model]):
            gradient = self.parts[key].backward(gradient)
        for key in dict.fromkeys(self.ways[model]):
            part = self.parts[key]
            for name in part.learned if flags[key] else ():
                old, new = part.variables[name], part.gradients[name]
                part.variables[name] = self.optimizers[model].moved(full(key, name), old, new)


def full(key: str, name: str) -> str:
    """The name that observations give a variable of a part."""
    return f"{key}.{name}" if key else name
