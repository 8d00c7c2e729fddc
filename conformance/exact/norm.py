"""A batch normalisation, channel by channel."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

from conformance.dialect import Dialect
from conformance.exact.numbers import Number, Reader, Refused, Rows, nearest

STATISTICS = ("moving_mean", "moving_variance")


@dataclass(frozen=True, slots=True)
class Flow:
    """How a pass goes through a part.

    flag: the training flag; called: given in a call, and not by the API for training or inference; kept: which
    positions a mask leaves; masked: whether there is one; frozen: whether the part is seen as frozen.
    """

    flag: bool | None
    called: bool
    kept: list[bool]
    masked: bool
    frozen: bool


class Norm:
    """A batch normalisation with its variables, and what each of its calls leaves behind for the gradients."""

    def __init__(self, settings: Any, dialect: Dialect, number: Reader, *, fresh: bool) -> None:
        self.settings, self.dialect, self.number, self.trainable = settings, dialect, number, settings.trainable
        self.zero, one = number(0), number(1)
        variance = self.zero if dialect.initial_variance == "zero" else one
        starts = {"moving_mean": self.zero, "moving_variance": variance, "gamma": one, "beta": self.zero}
        self.variables = {name: [starts[name]] * settings.features for name in settings.quantities}
        given = {} if fresh else settings.variables
        self.variables |= {name: self.stored(values.ravel().tolist()) for name, values in given.items()}
        self.learned = [name for name in ("gamma", "beta") if name in self.variables]
        self.hidden = {name: [self.zero] * settings.features for name in STATISTICS}
        self.updates = 0
        self.mode = settings.training if settings.training is not None else dialect.initial_mode == "training"
        self.begin()

    @property
    def momentum(self) -> Number:
        """The fraction of the old statistic that is kept."""
        return self.number(self.settings.momentum)

    @property
    def epsilon(self) -> Number:
        """What is added to the variance."""
        return self.number(self.settings.epsilon)

    def adopt(self, other: Any) -> None:
        """Take over momentum and epsilon."""
        self.settings = self.settings.model_copy(update={"momentum": other.momentum, "epsilon": other.epsilon})

    def stored(self, values: list[float]) -> list[Number]:
        """Values from outside, in the layer's type, as the layer keeps them."""
        own, convention = self.settings.dtype, self.dialect.state_dtype
        kept = own if convention == "layer" or (convention == "wider" and own == "float64") else "float32"
        return [self.number(nearest(nearest(value, self.settings.dtype), kept)) for value in values]

    def begin(self) -> None:
        """Forget what an earlier pass left behind."""
        self.calls: list[Any] = []
        self.gradients: dict[str, list[Number]] = {}

    def trains(self, flow: Flow) -> bool:
        """Whether a pass is a training pass."""
        baked, convention = self.settings.training, self.dialect.baked_training
        if baked is not None:
            if flow.called and flow.flag is not None and convention == "refused":
                raise Refused
            if convention != "overridden":
                return bool(baked)
        if flow.flag is not None:
            return flow.flag
        if baked is not None and self.dialect.bare_call != "as_last_set":
            return bool(baked)
        if self.dialect.bare_call == "refuses":
            raise Refused
        return {"infers": False, "trains": True, "as_last_set": self.mode}[self.dialect.bare_call]

    def forward(self, rows: Rows, flow: Flow) -> Rows:
        """The output: gamma * (x - mean) / sqrt(variance + epsilon) + beta."""
        does = self.dialect.frozen_training_call if flow.frozen else "trains"
        training = self.trains(flow) and does != "infers"
        from_batch, moves = training or not self.settings.track, training and does == "trains"
        n, zeros = sum(flow.kept), False
        if training and not n:
            convention = self.dialect.masked_batch if rows else self.dialect.empty_batch
            if convention == "refuses":
                raise Refused
            if convention == "keeps":
                from_batch, moves, training = not self.settings.track, False, False
            zeros = convention == "zeros"
        if training and self.settings.epsilon == 0 and self.dialect.epsilon_zero == "refuses":
            raise Refused
        if from_batch and n == 1 and self.dialect.one_value_per_channel == "refuses":
            raise Refused
        if from_batch and n == 1 and self.dialect.one_value_per_channel == "hands_on":
            return self.handed_on(rows)
        moves = moves and self.settings.track
        self.updates += moves
        columns, call = [], []
        for c in range(self.settings.features):
            xs = [row[c] for row in rows]
            counted = [x for x, keep in zip(xs, flow.kept, strict=True) if keep]
            own, mean, variance, shares = self.statistics(c, counted, from_batch=from_batch, moves=moves, zeros=zeros)
            gamma = self.variables["gamma"][c] if self.settings.scale else 1
            beta = self.variables["beta"][c] if self.settings.center else 0
            centred, power = [x - mean for x in xs], variance + self.epsilon
            root = power.sqrt()
            call.append((centred, [x - own for x in xs], power, root, gamma, shares))
            columns.append([x * gamma / root + beta for x in centred])
        self.calls.append(call)
        return [list(row) for row in zip(*columns, strict=True)]

    def statistics(
        self, c: int, counted: list[Number], *, from_batch: bool, moves: bool, zeros: bool
    ) -> tuple[Number, Number, Number, tuple[Number, Number] | None]:
        """A channel's own mean, the mean and variance to normalise with, and how much of them is its own, if any."""
        n = len(counted)
        mean = variance = squares = self.zero
        if from_batch and not zeros:
            mean = sum(counted, self.zero) / n
            squares = sum(((x - mean) * (x - mean) for x in counted), self.zero)
            variance = squares / n
        if moves:
            stored = variance
            if self.dialect.variance == "sample" and n > (self.dialect.single_value_variance == "population"):
                stored = squares / (n - 1)
            self.variables["moving_mean"][c] = self.moved("moving_mean", c, mean)
            self.variables["moving_variance"][c] = self.moved("moving_variance", c, stored)
        later = self.settings.track and self.dialect.training_normalisation == "moving"
        if from_batch and not later:
            return mean, mean, variance, (1, 1)
        corrected = self.number(n) / (n - 1) if self.dialect.variance == "sample" and n > 1 else 1
        share, debt = self.share(), self.debt()
        moving = (self.variables[name][c] / debt for name in STATISTICS)
        return mean, *moving, (share / debt, share * corrected / debt) if moves and n else None

    def debt(self) -> Number:
        """What inference divides the statistics by."""
        late = self.dialect.startup == "debiased_in_inference" and self.updates and self.settings.momentum < 1
        return 1 - self.momentum**self.updates if late else self.number(1)

    def share(self) -> Number:
        """How much of a statistic the last update's batch is."""
        startup, t = self.dialect.startup, self.updates
        if startup == "cumulative":
            return self.number(1) / t
        if startup == "first_batch" and t == 1:
            return self.number(1)
        if startup == "zero_debias" and self.settings.momentum < 1:
            return (1 - self.momentum) / (1 - self.momentum**t)
        return 1 - self.momentum

    def handed_on(self, rows: Rows) -> Rows:
        """The input as it came, and nothing moved."""
        self.calls.append(None)
        return rows

    def moved(self, name: str, c: int, new: Number) -> Number:
        """A channel's statistic after an update: by the dialect's start-up, or by momentum."""
        old, kept, t, startup = self.variables[name][c], self.momentum, self.updates, self.dialect.startup
        if startup == "zero_debias" and self.settings.momentum < 1:
            hidden = self.hidden[name][c] = kept * self.hidden[name][c] + (1 - kept) * new
            return hidden / (1 - kept**t)
        if startup == "cumulative":
            return old + (new - old) / t
        return new if startup == "first_batch" and t == 1 else kept * old + (1 - kept) * new

    def count(self, updates: int) -> None:
        """Take over statistics after so many updates: each counts as a hidden average that these have left."""
        self.updates = updates
        left = 1 - self.momentum**updates if updates else self.zero  # 0 to the power of 0 is no decimal number
        for name in self.hidden.keys() & self.variables.keys():
            self.hidden[name] = [value * left for value in self.variables[name]]

    def backward(self, upstream: Rows) -> Rows:
        """The gradient of the input of the last call; those of gamma and beta are added up."""
        n, columns = len(upstream), []
        gradients: dict[str, list[Number]] = {"gamma": [], "beta": []}
        call = self.calls.pop()
        if call is None:  # handed on: gamma and beta had no part in it
            self.gradients = added(self.gradients, dict.fromkeys(gradients, [self.zero] * self.settings.features))
            return upstream
        for c, (centred, own, power, root, gamma, shares) in enumerate(call):
            dys = [row[c] for row in upstream]
            total, product = sum(dys, self.zero), sum(map(operator.mul, dys, centred), self.zero)
            gradients["gamma"].append(product / root if dys else self.zero)
            gradients["beta"].append(total)
            if shares is not None:
                of_mean, of_variance = shares
                slope = product / power / n
                pairs = zip(dys, own, strict=True)
                dys = [dy - of_mean * total / n - of_variance * x * slope for dy, x in pairs]
            columns.append([dy * gamma / root for dy in dys])
        self.gradients = added(self.gradients, gradients)
        return [list(row) for row in zip(*columns, strict=True)]


def added(one: dict[str, list[Number]], other: dict[str, list[Number]]) -> dict[str, list[Number]]:
    """The sums of two gradients, where there are two."""
    return {
        name: [a + b for a, b in zip(one[name], new, strict=True)] if name in one else new
        for name, new in other.items()
    }
