"""A batch normalisation, channel by channel."""

from __future__ import annotations

import operator
from typing import Any

from conformance.dialect import Dialect
from conformance.exact.numbers import Number, Reader, Refused, Rows, rounded


class Norm:
    """A batch normalisation, channel by channel."""

    def __init__(self, settings: Any, dialect: Dialect, number: Reader, *, fresh: bool) -> None:
        self.settings, self.dialect, self.trainable = settings, dialect, settings.trainable
        self.momentum, self.epsilon = number(settings.momentum), number(settings.epsilon)
        self.zero, one = number(0), number(1)
        starts = {"moving_mean": self.zero, "moving_variance": one, "gamma": one, "beta": self.zero}
        self.variables = {name: [starts[name]] * settings.features for name in settings.quantities}
        given = {} if fresh else settings.variables
        self.variables |= {name: rounded(values, number) for name, values in given.items()}
        self.learned = [name for name in ("gamma", "beta") if name in self.variables]
        self.hidden = {name: [self.zero] * settings.features for name in ("moving_mean", "moving_variance")}
        self.updates = 0

    def training(self, flag: bool | None, last: bool, called: bool) -> bool:
        """Whether a pass is in training mode; called: its flag was given in a call, not by another API."""
        baked = self.settings.training
        if baked is not None:
            if called and flag is not None and self.dialect.baked_training == "refused":
                raise Refused
            return baked if flag is None or self.dialect.baked_training != "overridden" else flag
        if flag is None and self.dialect.bare_call == "refuses":
            raise Refused
        return {"infers": False, "trains": True, "as_last_set": last}[self.dialect.bare_call] if flag is None else flag

    def forward(self, rows: Rows, kept: list[bool], training: bool, frozen: bool) -> Rows:
        """The output: y = gamma * (x - mean) / sqrt(variance + epsilon) + beta."""
        does = self.dialect.frozen_training_call if frozen else "trains"
        self.from_batch, moves, n = training and does != "infers", training and does == "trains", sum(kept)
        if self.from_batch and self.settings.epsilon == 0 and self.dialect.epsilon_zero == "refuses":
            raise Refused
        if self.from_batch and n == 1 and self.dialect.one_value_per_channel == "refuses":
            raise Refused
        self.updates += moves
        self.seen, columns = [], []
        for c, xs in enumerate(zip(*rows, strict=True)):
            own = {name: values[c] for name, values in self.variables.items()}
            mean, variance = own["moving_mean"], own["moving_variance"]
            if self.from_batch:
                counted = [x for x, keep in zip(xs, kept, strict=True) if keep]
                mean = sum(counted, self.zero) / n
                squares = sum(((x - mean) * (x - mean) for x in counted), self.zero)
                variance = squares / n
            if moves:
                stored = squares / (n - 1) if self.dialect.variance == "sample" else variance
                self.variables["moving_mean"][c] = self.moved("moving_mean", c, mean)
                self.variables["moving_variance"][c] = self.moved("moving_variance", c, stored)
            gamma, beta, power = own.get("gamma", 1), own.get("beta", 0), variance + self.epsilon
            centred, root = [x - mean for x in xs], power.sqrt()
            self.seen.append((centred, power, root, gamma))
            columns.append([x * gamma / root + beta for x in centred])
        return [list(row) for row in zip(*columns, strict=True)]

    def moved(self, name: str, c: int, new: Number) -> Number:
        """A channel's statistic after an update: by the dialect's start-up, or by momentum."""
        old, kept, t, startup = self.variables[name][c], self.momentum, self.updates, self.dialect.startup
        if startup == "zero_debias" and self.settings.momentum < 1:
            hidden = self.hidden[name][c] = kept * self.hidden[name][c] + (1 - kept) * new
            return hidden / (1 - kept**t)
        if startup == "cumulative":
            return old + (new - old) / t
        return new if startup == "first_batch" and t == 1 else kept * old + (1 - kept) * new

    def backward(self, upstream: Rows) -> Rows:
        """The gradient of the input; those of gamma and beta are kept."""
        n, columns = len(upstream), []
        self.gradients: dict[str, list[Number]] = {"gamma": [], "beta": []}
        for dys, (centred, power, root, gamma) in zip(zip(*upstream, strict=True), self.seen, strict=True):
            total, product = sum(dys), sum(map(operator.mul, dys, centred))
            self.gradients["gamma"].append(product / root)
            self.gradients["beta"].append(total)
            through = list(dys)
            if self.from_batch:
                slope = product / power / n
                through = [dy - total / n - x * slope for dy, x in zip(dys, centred, strict=True)]
            columns.append([dy * gamma / root for dy in through])
        return [list(row) for row in zip(*columns, strict=True)]
