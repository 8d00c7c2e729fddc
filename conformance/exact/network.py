"""What stands around a batch normalisation, and what trains it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from conformance.dialect import Dialect
from conformance.exact.norm import added
from conformance.exact.numbers import Number, Rows, digits, nearest


class Linear:
    """x @ kernel + bias."""

    def __init__(self, settings: Any, *, fresh: bool) -> None:
        self.width, self.trainable, self.mode = settings.kernel.shape[1], True, True
        given = {name: getattr(settings, name) * (not fresh) for name in settings.quantities}
        self.variables = {name: self.stored(values.ravel().tolist()) for name, values in given.items()}
        self.learned = list(self.variables)
        self.begin()

    def stored(self, values: list[float]) -> list[Number]:
        """Values from outside, in float32."""
        return [digits(nearest(value, "float32")) for value in values]

    def begin(self) -> None:
        """Forget what an earlier pass left behind."""
        self.calls: list[Rows] = []
        self.gradients: dict[str, list[Number]] = {}

    def forward(self, rows: Rows, *_: object) -> Rows:
        """The output."""
        self.calls.append(rows)
        outputs = range(self.width)
        columns = [self.variables["kernel"][o :: self.width] for o in outputs]
        bias = self.variables.get("bias", [0] * self.width)
        return [[sum(map(operator.mul, row, columns[o])) + bias[o] for o in outputs] for row in rows]

    def backward(self, upstream: Rows) -> Rows:
        """The gradient of the input of the last call; those of kernel and bias are added up."""
        above, below = list(zip(*upstream, strict=True)), list(zip(*self.calls.pop(), strict=True))
        starts = range(0, len(below) * self.width, self.width)
        kernel = [self.variables["kernel"][start : start + self.width] for start in starts]
        gradients = {
            "kernel": [sum(map(operator.mul, xs, dys)) for xs in below for dys in above],
            "bias": [sum(dys) for dys in above],
        }
        self.gradients = added(self.gradients, gradients)
        return [[sum(map(operator.mul, dy, weights)) for weights in kernel] for dy in upstream]


CURVES: dict[str, tuple[Callable[[Decimal], Decimal], Callable[[Decimal], Decimal]]] = {
    "tanh": (lambda x: 1 - 2 / ((2 * x).exp() + 1), lambda y: 1 - y * y),
    "sigmoid": (lambda x: 1 / (1 + (-x).exp()), lambda y: y * (1 - y)),
    "relu": (lambda x: x if x.is_nan() or x > 0 else Decimal(0), lambda y: y if y.is_nan() else Decimal(y > 0)),
}


class Curve:
    """An activation; its derivative is written in its output y."""

    learned: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.variables: dict[str, list[Number]] = {}
        self.gradients: dict[str, list[Number]] = {}
        self.trainable, self.mode = True, True
        self.function, self.derivative = CURVES[name]
        self.begin()

    def stored(self, values: list[float]) -> list[Number]:
        """Nothing: there are no variables."""
        raise NotImplementedError(len(values))

    def begin(self) -> None:
        """Forget what an earlier pass left behind."""
        self.calls: list[Rows] = []

    def forward(self, rows: Rows, *_: object) -> Rows:
        """The output."""
        self.calls.append([[self.function(x) for x in row] for row in rows])
        return self.calls[-1]

    def backward(self, upstream: Rows) -> Rows:
        """The gradient of the input of the last call."""
        pairs = zip(upstream, self.calls.pop(), strict=True)
        return [[dy * self.derivative(y) for dy, y in zip(*pair, strict=True)] for pair in pairs]


class Descent:
    """Plain gradient descent, or Adam by algorithm 1 of its paper."""

    def __init__(self, step: Any, dialect: Dialect) -> None:
        self.adam = getattr(step.optimizer, "adam", None)
        self.rate = Decimal((self.adam or step.optimizer.sgd).learning_rate)
        self.uncorrected = dialect.adam_epsilon == "uncorrected"
        self.moments: dict[str, tuple[list[Decimal], list[Decimal], int]] = {}

    def moved(self, key: str, values: list[Number], gradient: list[Number]) -> list[Number]:
        """A variable after one step."""
        if self.adam is None:
            return [v - self.rate * g for v, g in zip(values, gradient, strict=True)]
        b1, b2, epsilon = (Decimal(getattr(self.adam, name)) for name in ("beta_1", "beta_2", "epsilon"))
        first, second, steps = self.moments.get(key, (*([Decimal(0)] * len(values),) * 2, 0))
        first = [b1 * m + (1 - b1) * g for m, g in zip(first, gradient, strict=True)]
        second = [b2 * m + (1 - b2) * g * g for m, g in zip(second, gradient, strict=True)]
        self.moments[key] = first, second, steps + 1
        whole1, whole2 = 1 - b1 ** (steps + 1), (1 - b2 ** (steps + 1)).sqrt()
        added_ = epsilon / whole2 if self.uncorrected else epsilon
        terms = zip(values, first, second, strict=True)
        return [v - self.rate * m / whole1 / (s.sqrt() / whole2 + added_) for v, m, s in terms]
