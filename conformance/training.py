"""What stands around a batch normalisation in a network, and the optimizers that train it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conformance.dialect import Dialect
from conformance.fields import Floats
from conformance.layers import Dense as DenseSettings
from conformance.optimizers import Adam, AdamEntry
from conformance.rounding import COPIES, Rounding, copies
from conformance.steps import Fit


@dataclass(frozen=True, slots=True)
class Pass:
    """How data go through a layer.

    given: the training flag; by_hand: given in a call, and not by the API for training or inference; fitting: the
    model in whose own training loop this is, "" for the whole one; mask: (N, …) of 0 and 1.
    """

    given: bool | None
    by_hand: bool = False
    fitting: str | None = None
    mask: Floats | None = None


class Refused(Exception):
    """Under the dialect, an error is the right answer to a step."""


class Part(ABC):
    """A layer of a network: its variables, those of them that observations show, its trainable flag and its mode.

    A layer that stands in a network more than once keeps on its tape what each call leaves behind for the gradients.
    """

    def __init__(self, name: str, dialect: Dialect, rounding: Rounding, *, trainable: bool = True) -> None:
        self.name, self.dialect, self.rounding, self.trainable = name, dialect, rounding, trainable
        self.mode, self.dtype, self.kept_in = True, "float32", "float32"
        self.compiled: dict[str, bool] = {}
        self.tape: list[Any] = []
        self.variables: dict[str, Floats] = {}
        self.shown: tuple[str, ...] = ()
        self.gradients: dict[str, Floats] = {}
        self.updates, self.weight = 0, 0.0  # how many updates, and what they weigh in the statistics: 1 - momentum^t

    def full(self, name: str) -> str:
        """The name that observations give a variable."""
        return f"{self.name}.{name}" if self.name else name

    def stored(self, given: Floats) -> Floats:
        """A value that a program gives, as the layer keeps it."""
        return copies(given.astype(np.float32))

    def begin(self) -> None:
        """Forget what an earlier pass left behind."""
        self.tape.clear()
        self.gradients = {}

    def gain(self, name: str, gradient: Floats) -> None:
        """Add to the gradient of a variable."""
        self.gradients[name] = self.gradients[name] + gradient if name in self.gradients else gradient

    def learns(self, how: Pass) -> bool:
        """Whether the trainable flag is seen as set: the model's own loop may see the one that it was compiled with."""
        if how.fitting is not None and self.dialect.freeze_takes_effect == "at_compile":
            return self.compiled[how.fitting]
        return self.trainable

    def trained(self, how: Pass) -> list[str]:
        """The variables that an optimizer moves."""
        return list(self.shown) if self.learns(how) else []

    @abstractmethod
    def forward(self, x: Floats, how: Pass) -> Floats:
        """The output for an input (R, N, …, C)."""

    @abstractmethod
    def backward(self, upstream: Floats) -> Floats:
        """The gradient of the input; keeps those of the variables."""


class Dense(Part):
    """x @ kernel + bias."""

    def __init__(self, settings: DenseSettings, dialect: Dialect, rounding: Rounding, *, fresh: bool) -> None:
        super().__init__(settings.name, dialect, rounding)
        self.shown = settings.quantities
        given = {"kernel": settings.kernel, "bias": settings.bias}
        values = {name: np.zeros_like(given[name]) if fresh else given[name] for name in self.shown}
        self.variables = {name: self.stored(array) for name, array in values.items()}

    def forward(self, x: Floats, how: Pass) -> Floats:  # noqa: ARG002 - the same in every pass
        """The output for an input; every position of a sample is a row of its own."""
        rows, kernel = x.reshape(len(x), -1, x.shape[-1]), self.variables["kernel"]
        self.tape.append((rows,))
        bias = self.variables.get("bias", np.zeros(1))[..., None, :]
        y = self.rounding.nudge(rows @ kernel + bias, np.abs(rows) @ np.abs(kernel) + np.abs(bias))
        return y.reshape(*x.shape[:-1], y.shape[-1])

    def backward(self, upstream: Floats) -> Floats:
        """The gradient of the input; keeps those of kernel and bias."""
        nudge, kernel = self.rounding.nudge, self.variables["kernel"].swapaxes(1, 2)
        (seen,) = self.tape.pop()
        turned, rows = seen.swapaxes(1, 2), upstream.reshape(len(upstream), -1, upstream.shape[-1])
        self.gain("kernel", nudge(turned @ rows, np.abs(turned) @ np.abs(rows)))
        if "bias" in self.shown:
            self.gain("bias", nudge(rows.sum(1), np.abs(rows).sum(1)))
        gradient = nudge(rows @ kernel, np.abs(rows) @ np.abs(kernel))
        return gradient.reshape(*upstream.shape[:-1], gradient.shape[-1])


class Activation(Part):
    """An elementwise function."""

    def __init__(self, function: str, dialect: Dialect, rounding: Rounding) -> None:
        super().__init__("", dialect, rounding)
        self.function = function

    def forward(self, x: Floats, how: Pass) -> Floats:  # noqa: ARG002 - the same in every pass
        """The output for an input."""
        values = {"tanh": np.tanh(x), "relu": np.maximum(x, 0), "sigmoid": 1 / (1 + np.exp(-x))}
        y = values[self.function]
        self.tape.append((x, y))
        return self.rounding.nudge(y, np.abs(y))

    def backward(self, upstream: Floats) -> Floats:
        """The gradient of the input."""
        x, y = self.tape.pop()
        slopes = {"tanh": 1 - y**2, "relu": (x > 0) * 1.0, "sigmoid": y * (1 - y)}
        gradient = upstream * slopes[self.function]
        return self.rounding.nudge(gradient, np.abs(upstream) * (1 + y**2))


@dataclass
class Optimizer:
    """Gradient descent; without settings it has not been compiled yet."""

    settings: Any = None
    rounding: Rounding = field(default_factory=Rounding)

    def apply(self, parts: list[Part], how: Pass) -> None:
        """Move every trained variable by its gradient."""
        for index, part in enumerate(parts):
            for name in part.trained(how):
                old, gradient = part.variables[name], part.gradients[name]
                change = self.change((index, name), gradient)
                part.variables[name] = self.rounding.nudge(old - change, np.abs(old) + np.abs(change))

    def change(self, key: tuple[int, str], gradient: Floats) -> Floats:  # noqa: ARG002 - plain descent remembers nothing
        """What is taken off a variable."""
        taken: Floats = self.settings.learning_rate * gradient
        return taken


@dataclass
class AdamOptimizer(Optimizer):
    """Adam: Kingma and Ba 2015, algorithm 1, or with epsilon beside the uncorrected root (their section 2)."""

    corrected: bool = True
    moments: dict[tuple[int, str], tuple[Floats, Floats, int]] = field(default_factory=dict)

    def change(self, key: tuple[int, str], gradient: Floats) -> Floats:
        """What is taken off a variable; keeps the moments of its gradient."""
        adam: Adam = self.settings
        first, second, done = self.moments.get(key, (np.zeros_like(gradient), np.zeros_like(gradient), 0))
        first = adam.beta_1 * first + (1 - adam.beta_1) * gradient
        second = adam.beta_2 * second + (1 - adam.beta_2) * gradient**2
        done += 1
        self.moments[key] = (first, second, done)
        first_correction = self.correction(adam.beta_1**done, gradient.ndim)
        second_correction = self.correction(adam.beta_2**done, gradient.ndim)
        if self.corrected:
            root = np.sqrt(second / second_correction) + adam.epsilon
        else:
            root = (np.sqrt(second) + adam.epsilon) / np.sqrt(second_correction)
        taken: Floats = adam.learning_rate * (first / first_correction) / root
        return taken

    def correction(self, decayed: float, axes: int) -> Floats:
        """1 - beta^t, of which rounding takes more the less is left, as (R, 1, …)."""
        ones = (1,) * (axes - 1)
        return self.rounding.nudge(np.full((COPIES, *ones), 1 - decayed), np.full((1, *ones), decayed))


def optimizer(step: Fit, dialect: Dialect, rounding: Rounding) -> Optimizer:
    """The optimizer that a fit step asks for."""
    if isinstance(step.optimizer, AdamEntry):
        return AdamOptimizer(step.optimizer.adam, rounding, dialect.adam_epsilon == "corrected")
    return Optimizer(step.optimizer.sgd, rounding)
