"""A second reference, written from the specification alone: a case in exact arithmetic, one number at a time.

What a single layer computes without a root is a `Fraction`; from the first root on, in networks and in fits it is a
`Decimal` of 50 digits. Arrays are rows of channels: every axis but the last is one list of positions.
"""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Any

from conformance.case import Case
from conformance.dialect import Dialect

Rows = list[list[Any]]
Number = Callable[[float], Any]
DIGITS = 50
CONTEXT = Context(prec=DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])  # no traps: 0 / 0 is NaN, as in IEEE 754


class Refused(Exception):
    """The step is an error under the dialect."""


def decimal(value: Fraction | Decimal) -> Decimal:
    """The value to as many digits as the context has."""
    return value if isinstance(value, Decimal) else Decimal(value.numerator) / Decimal(value.denominator)


def _operation(function: Callable[[Any, Any], Any], *, swapped: bool = False) -> Callable[[Exact, Any], Exact]:
    def operation(self: Exact, other: Any) -> Exact:
        left, right = self.value, other.value if isinstance(other, Exact) else Fraction(other)
        left, right = (right, left) if swapped else (left, right)
        rational = isinstance(left, Fraction) and isinstance(right, Fraction)
        if not rational or (function is operator.truediv and right == 0):
            left, right = decimal(left), decimal(right)
        return Exact(function(left, right))

    return operation


class Exact:
    """A Fraction while all that it comes from is rational, and a Decimal after that."""

    __slots__ = ("value",)

    def __init__(self, value: Fraction | Decimal) -> None:
        self.value = value

    __add__ = __radd__ = _operation(operator.add)
    __mul__ = __rmul__ = _operation(operator.mul)
    __sub__ = _operation(operator.sub)
    __rsub__ = _operation(operator.sub, swapped=True)
    __truediv__ = _operation(operator.truediv)

    def __pow__(self, exponent: int) -> Exact:
        return Exact(self.value**exponent)

    def sqrt(self) -> Exact:
        """The root, to 50 digits."""
        return Exact(decimal(self.value).sqrt())


def exactly(value: float) -> Exact:
    """A float as the number that it is."""
    return Exact(Fraction(float(value)) if math.isfinite(value) else Decimal(float(value)))


def rounded(array: Any, number: Number) -> list[Any]:
    """A variable's values as a framework gets them, in float32."""
    return [number(v) for v in array.astype("float32").ravel().tolist()]


class Norm:
    """A batch normalisation, channel by channel."""

    def __init__(self, settings: Any, dialect: Dialect, number: Number, *, fresh: bool) -> None:
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
        """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta."""
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

    def moved(self, name: str, c: int, new: Any) -> Any:
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
        n, columns, self.gradients = len(upstream), [], {"gamma": [], "beta": []}
        for dys, (centred, power, root, gamma) in zip(zip(*upstream, strict=True), self.seen, strict=True):
            total, product = sum(dys), sum(map(operator.mul, dys, centred))
            self.gradients["gamma"].append(product / root)
            self.gradients["beta"].append(total)
            through = dys
            if self.from_batch:
                slope = product / power / n
                through = [dy - total / n - x * slope for dy, x in zip(dys, centred, strict=True)]
            columns.append([dy * gamma / root for dy in through])
        return [list(row) for row in zip(*columns, strict=True)]


class Linear:
    """x @ kernel + bias."""

    trainable = True

    def __init__(self, settings: Any, number: Number, *, fresh: bool) -> None:
        self.width = settings.kernel.shape[1]
        given = {"kernel": settings.kernel} | ({} if settings.bias is None else {"bias": settings.bias})
        self.variables = {name: rounded(values * (not fresh), number) for name, values in given.items()}
        self.learned = list(self.variables)

    def forward(self, rows: Rows, *_: object) -> Rows:
        """The output."""
        self.rows, outputs = rows, range(self.width)
        columns = [self.variables["kernel"][o :: self.width] for o in outputs]
        bias = self.variables.get("bias", [0] * self.width)
        return [[sum(map(operator.mul, row, columns[o])) + bias[o] for o in outputs] for row in rows]

    def backward(self, upstream: Rows) -> Rows:
        """The gradient of the input; those of kernel and bias are kept."""
        above, below = list(zip(*upstream, strict=True)), list(zip(*self.rows, strict=True))
        starts = range(0, len(below) * self.width, self.width)
        kernel = [self.variables["kernel"][start : start + self.width] for start in starts]
        self.gradients = {
            "kernel": [sum(map(operator.mul, xs, dys)) for xs in below for dys in above],
            "bias": [sum(dys) for dys in above],
        }
        return [[sum(map(operator.mul, dy, weights)) for weights in kernel] for dy in upstream]


CURVES = {
    "tanh": (lambda x: 1 - 2 / ((2 * x).exp() + 1), lambda y: 1 - y * y),
    "sigmoid": (lambda x: 1 / (1 + (-x).exp()), lambda y: y * (1 - y)),
    "relu": (lambda x: x if x.is_nan() or x > 0 else Decimal(0), lambda y: y if y.is_nan() else Decimal(y > 0)),
}


class Curve:
    """An activation; its derivative is written in its output y."""

    trainable = True
    learned: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.variables: dict[str, list[Any]] = {}
        self.function, self.derivative = CURVES[name]

    def forward(self, rows: Rows, *_: object) -> Rows:
        """The output."""
        self.outputs = [[self.function(x) for x in row] for row in rows]
        return self.outputs

    def backward(self, upstream: Rows) -> Rows:
        """The gradient of the input."""
        pairs = zip(upstream, self.outputs, strict=True)
        return [[dy * self.derivative(y) for dy, y in zip(*pair, strict=True)] for pair in pairs]


class Descent:
    """Plain gradient descent, or Adam by algorithm 1 of its paper."""

    def __init__(self, step: Any, dialect: Dialect) -> None:
        self.adam = getattr(step.optimizer, "adam", None)
        self.rate = Decimal((self.adam or step.optimizer.sgd).learning_rate)
        self.uncorrected = dialect.adam_epsilon == "uncorrected"
        self.moments: dict[str, tuple[list[Decimal], list[Decimal], int]] = {}

    def moved(self, key: str, values: list[Any], gradient: list[Any]) -> list[Any]:
        """A variable after one step."""
        if self.adam is None:
            return [v - self.rate * g for v, g in zip(values, gradient, strict=True)]
        b1, b2, epsilon = (Decimal(getattr(self.adam, name)) for name in ("beta_1", "beta_2", "epsilon"))
        first, second, steps = self.moments.get(key, (*([Decimal(0)] * len(values),) * 2, 0))
        first = [b1 * m + (1 - b1) * g for m, g in zip(first, gradient, strict=True)]
        second = [b2 * m + (1 - b2) * g * g for m, g in zip(second, gradient, strict=True)]
        self.moments[key] = first, second, steps + 1
        whole1, whole2 = 1 - b1 ** (steps + 1), (1 - b2 ** (steps + 1)).sqrt()
        added = epsilon / whole2 if self.uncorrected else epsilon
        terms = zip(values, first, second, strict=True)
        return [v - self.rate * m / whole1 / (s.sqrt() / whole2 + added) for v, m, s in terms]


class Machine:
    """A case's layer or network under a dialect."""

    def __init__(self, case: Case, dialect: Dialect) -> None:
        self.case, self.dialect = case, dialect
        rational = case.text.network is None and all(step.verb != "fit" for step in case.text.steps)
        self.number = exactly if rational else lambda value: Decimal(float(value))
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
        self.last, self.compiled, self.optimizer = True, None, None

    def state(self) -> dict[str, list[Any]]:
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
        output, norm = self.passed(step), self.parts[""]
        gradient = norm.backward(self.rows(step.upstream))
        learned = {f"{name}_gradient": norm.gradients[name] for name in norm.learned if norm.trainable}
        return {**output, "input_gradient": [x for row in gradient for x in row], **learned}

    def fit(self, step: Any) -> None:
        effect = self.dialect.freeze_takes_effect
        if self.compiled is None:
            self.compiled = self.flags()
        if effect == "refused" and self.compiled != self.flags():
            raise Refused
        flags = self.compiled if effect == "at_compile" else self.flags()
        self.optimizer = self.optimizer or Descent(step, self.dialect)
        rows, targets, samples = self.rows(step.fit), self.rows(step.targets), len(self.case.data[step.fit])
        size = len(rows) // samples * step.batch_size
        for start in [*range(0, len(rows), size)] * step.epochs:
            self.learn(rows[start : start + size], targets[start : start + size], flags)

    def learn(self, rows: Rows, targets: Rows, flags: dict[str, bool]) -> None:
        """One batch: the gradient of the mean square over all elements, and a step against it."""
        output = self.forward(rows, [True] * len(rows), flag=True, flags=flags, called=False)
        weight = Decimal(2) / (len(rows) * len(output[0]))
        pairs = zip(output, targets, strict=True)
        gradient = [[weight * (y - t) for y, t in zip(*pair, strict=True)] for pair in pairs]
        for part in reversed(self.parts.values()):
            gradient = part.backward(gradient)
        for key, part in self.parts.items():
            for name in part.learned if flags[key] else ():
                part.variables[name] = self.optimizer.moved(key + name, part.variables[name], part.gradients[name])

    def freeze(self, step: Any) -> None:
        flagging = getattr(step, step.verb)
        for key, part in self.parts.items():
            if flagging.of == "model" or key in ("", flagging.of + "."):
                part.trainable = step.verb == "unfreeze"
        if flagging.recompile and self.compiled is not None:
            self.compiled, self.optimizer = self.flags(), None

    unfreeze = freeze

    def save(self, step: Any) -> None:
        norms = {key: part for key, part in self.parts.items() if isinstance(part, Norm)}
        counters = {key: (norm.hidden, norm.updates) for key, norm in norms.items()}
        self.checkpoints[step.save] = copy.deepcopy((self.state(), counters))

    def restore(self, step: Any) -> None:
        if step.into == "fresh":
            self.build(fresh=True)
        if step.omit and self.dialect.missing_statistics == "refused":
            raise Refused
        variables, counters = copy.deepcopy(self.checkpoints[step.restore])
        self.assign({name: values for name, values in variables.items() if name not in step.omit})
        for key, counted in counters.items():  # no quantities, so that nothing makes a checkpoint lack them
            self.parts[key].hidden, self.parts[key].updates = counted

    def set(self, step: Any) -> None:
        self.assign({name: rounded(values, self.number) for name, values in step.set.items()})

    def assign(self, values: dict[str, list[Any]]) -> None:
        """Give variables new values."""
        for key, part in self.parts.items():
            part.variables.update({name: values[key + name] for name in part.variables if key + name in values})


@lru_cache(maxsize=1000)
def trace(case: Case, dialect: Dialect) -> list[tuple[bool, dict[str, list[Decimal]]]]:
    """For every step: whether it raises, and every quantity after it, flat."""
    outcomes = []
    with localcontext(CONTEXT):
        machine = Machine(case, dialect)
        for step in case.text.steps:
            raises, computed = False, {}
            try:
                computed = getattr(machine, step.verb)(step) or {}
            except Refused:
                raises = True
            shown = {**computed, **machine.state()}
            plain = {name: [decimal(getattr(v, "value", v)) for v in values] for name, values in shown.items()}
            outcomes.append((raises, plain))
    return outcomes
