"""The reference against a second one, written from the specification alone and in exact arithmetic."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from helpers import case
from hypothesis import given, settings
from strategies import DIALECTS, layers, networks

from conformance import exact
from conformance.dialect import STANDARD
from conformance.exact.machine import Machine
from conformance.exact.numbers import CONTEXT, Exact
from conformance.judge import EPS, K
from conformance.load import load
from conformance.reference import trace

CASES = Path(__file__).parent.parent / "cases"
IDS = sorted(path.relative_to(CASES).with_suffix("").as_posix() for path in CASES.rglob("*.yaml"))
TOLERANCE = 1e-9  # of a value, or of what its conditioning makes of it
WIDTH = Decimal("1e-15")  # of a central difference; what it leaves out is of the order of its square


@lru_cache
def corpus(case_id):
    """A case of the corpus."""
    return load(CASES / f"{case_id}.yaml", CASES)


def dialects(loaded):
    """The standard, and every dialect for which the case has literals."""
    named = (STANDARD.under(other.dialect) for step in loaded.text.steps for other in step.otherwise)
    return dict.fromkeys((STANDARD, *named))


def disagreements(loaded, dialect):
    """Where the two references differ, as (step, quantity or what else, first, second)."""
    for index, (first, (raises, second)) in enumerate(
        zip(trace(loaded, dialect), exact.trace(loaded, dialect), strict=True)
    ):
        if first.raises != raises:
            yield index, "raises", first.raises, raises
        if first.quantities.keys() != second.keys():
            yield index, "names", sorted(first.quantities), sorted(second)
        for name in first.quantities.keys() & second.keys():
            value, other = first.quantities[name], np.array([float(number) for number in second[name]])
            expected, scale = value.expected.ravel(), value.scale.ravel()
            with np.errstate(invalid="ignore"):
                within = TOLERANCE * np.maximum(np.abs(other), scale)
                if loaded.text.dtype == "float64":  # in which the first reference rounds like everybody
                    within = np.maximum(within, K * EPS * scale / 2)
                near = np.abs(expected - other) <= within
            if not (near | (expected == other) | (np.isnan(expected) & np.isnan(other))).all():
                yield index, name, expected.tolist(), other.tolist()


@pytest.mark.parametrize("case_id", IDS)
def test_both_references_agree_on_the_corpus(case_id):
    """Every quantity of every step, and every refusal, under the standard and under each dialect with literals."""
    loaded = corpus(case_id)
    assert [] == [(dialect, *found) for dialect in dialects(loaded) for found in disagreements(loaded, dialect)]


def literals(loaded):
    """(where, its number, the exact one, the bound of a run) for each number that is expected of the case."""
    for index, step in enumerate(loaded.text.steps):
        for expectation in step.expectations:
            dialect = STANDARD.under(getattr(expectation, "dialect", {}))
            shown, values = exact.trace(loaded, dialect)[index][1], trace(loaded, dialect)[index].quantities
            for name, numbers in expectation.quantities.items():
                bounds = K * EPS * values[name].scale
                for literal, number, bound in zip(numbers.ravel().tolist(), shown[name], bounds.ravel(), strict=True):
                    yield f"{loaded.id} step {index} {name}", Decimal(repr(literal)), number, Decimal(float(bound))


def misjudged(loaded):
    """The expectations whose step raises where they do not say so, or the reverse."""
    for index, step in enumerate(loaded.text.steps):
        for expectation in step.expectations:
            raises = exact.trace(loaded, STANDARD.under(getattr(expectation, "dialect", {})))[index][0]
            if expectation.raises != raises and (expectation.raises or expectation.quantities):
                yield index, expectation


def agree(literal, number, bound):
    """To eight digits, in float32, or within the bound of a run; NaN and infinity with themselves alone."""
    if literal.is_nan() or number.is_nan():
        return literal.is_nan() and number.is_nan()
    if literal.is_infinite() or number.is_infinite():
        return literal == number
    eight_digits = Decimal(5).scaleb(literal.adjusted() - 8) if literal else Decimal(0)
    single = abs(Decimal(float(np.float32(literal))) - number)  # what a framework answers where nothing is computed
    return abs(literal - number) <= max(bound, eight_digits) or single <= bound


@pytest.mark.parametrize("case_id", IDS)
def test_literals_are_the_exact_values(case_id):
    """Numbers and errors, of every expectation under its dialect."""
    loaded = corpus(case_id)
    assert [] == [found for found in literals(loaded) if not agree(*found[1:])]
    assert [] == list(misjudged(loaded))


@settings(max_examples=400, deadline=None)
@given(layers(), DIALECTS)
def test_both_references_agree_on_generated_layers(loaded, dialect):
    """Any order of steps under any dialect."""
    assert [] == list(disagreements(loaded, dialect))


@settings(max_examples=150, deadline=None)
@given(networks(), DIALECTS)
def test_both_references_agree_on_generated_networks(loaded, dialect):
    """Fits under both optimizers, freezing and compiling between them."""
    assert [] == list(disagreements(loaded, dialect))


LAYER = """
layer: {features: 1, momentum: 0.5, epsilon: 5, moving_mean: [8]%s}
data: {b: [[1], [5]], up: [[1], [0]], nobody: [0, 0], none: {random_state: 1, normal: [0, 1]},
       none_kept: {random_state: 1, normal: [0]}}
"""
SEQUENCE = """
network: [{dense: {name: stem, kernel: [[2]]}}, {batch_norm: {name: norm, features: 1, momentum: 0.5, epsilon: 5}}]
data: {b: [[[1], [5]], [[2], [4]], [[0], [7]]], t: [[[0], [1]], [[0], [0]], [[1], [1]]]}
steps: [{predict: b}, {fit: b, targets: t, optimizer: {sgd: {learning_rate: 0.1}}, batch_size: 2}]
"""
AROUND = """
network: [{batch_norm: {name: norm, features: 1, momentum: 0.5, epsilon: 5}}, {model: {name: m, layers: [again: norm]}}]
data: {b: [[1], [5]]}
steps: [train: b]
"""
SETTLED = {
    "a dense layer takes data of any rank that a batch may have": (SEQUENCE, {}),
    "a batch without rows is empty, whether or not there is a mask": (
        LAYER % "" + "steps: [{train: none, mask: none_kept}]",
        {"masked_batch": "nan"},
    ),
    "a batch of nothing that is fed as 0 is normalised with the moving statistics where training does so": (
        LAYER % "" + "steps: [{train: b, mask: nobody}]",
        {"masked_batch": "zeros", "training_normalisation": "moving"},
    ),
    "a layer that keeps no statistics has none to infer with where nothing is left of a batch": (
        LAYER.replace(", moving_mean: [8]", ", track: false") % "" + "steps: [{train: b, mask: nobody}]",
        {},
    ),
    "a nested model may call a layer that stands around it": (AROUND, {}),
    "the loss of no sample is 0 / 0": (LAYER % "" + "steps: [{evaluate: none, targets: none}]", {}),
    "an exported model keeps the flags that it was exported with": (
        LAYER % ", training: true" + "steps: [{export: e}, {freeze: {}}, {predict: b, exported: e}]",
        {},
    ),
    "a prediction of an exported model leaves the mode of the model alone": (
        LAYER % "" + "steps: [{export: e}, {predict: b, exported: e}, {call: b, training: unset}]",
        {"bare_call": "as_last_set"},
    ),
    "a statistic that is assigned counts as a hidden average": (
        LAYER % "" + "steps: [train: b, set: {moving_mean: [100]}, train: b]",
        {"startup": "zero_debias"},
    ),
    "and so does one that a restore left alone": (
        LAYER % "" + "steps: [train: b, save: s, {restore: s, into: fresh, omit: [moving_mean]}, train: b]",
        {"startup": "zero_debias", "missing_statistics": "kept"},
    ),
    "backward calls the layer with a flag, as `call` does": (
        LAYER % ", training: true" + "steps: [{backward: b, upstream: up, training: true}]",
        {"baked_training": "refused"},
    ),
}


@pytest.mark.parametrize("claim", SETTLED)
def test_what_has_been_settled_between_the_references(claim):
    """Places where the first reference was wrong once."""
    text, changes = SETTLED[claim]
    assert [] == list(disagreements(case(text), STANDARD.under(changes)))


GRADIENTS = [
    ("{features: 1, momentum: 0.9, epsilon: 0.001, gamma: [2], beta: [-1]}", [4, 1], True),
    ("{features: 2, momentum: 0.5, epsilon: 5, gamma: [3, -2], moving_mean: [10, -1]}", [3, 2], True),
    ("{features: 2, momentum: 0.5, epsilon: 5, gamma: [3, -2], moving_mean: [10, -1]}", [3, 2], False),
    ("{features: 3, momentum: 0.9, epsilon: 0.000001, scale: false}", [2, 2, 3], True),
    ("{features: 1, momentum: 0.9, epsilon: 0.25, center: false, moving_variance: [3]}", [2, 1, 2, 1], False),
    ("{features: 2, momentum: 0.9, epsilon: 0.001, trainable: false, moving_variance: [3, 9]}", [2, 1, 2, 1, 2], True),
    ("{features: 2, momentum: 0.9, epsilon: 0.001, gamma: [0, 7]}", [1, 3, 1, 2, 2], True),
]


def with_data(layer, shape, training):
    """A case that takes the gradient of a layer once."""
    numbers = np.random.RandomState(len(shape)).randint(-40, 40, (2, *shape)) / 8
    data = f"data: {{x: {numbers[0].tolist()}, up: {numbers[1].tolist()}}}"
    return case(f"layer: {layer}\n{data}\nsteps: [{{backward: x, upstream: up, training: {str(training).lower()}}}]")


def slope(loaded, training, nudge):
    """The central difference of sum(upstream * output) for a nudge of (rows of the input, variables of the layer)."""
    sums = []
    for width in (WIDTH, -WIDTH):
        machine = Machine(loaded, STANDARD)
        layer, rows, upstream = machine.parts[""], machine.rows("x"), machine.rows("up")
        nudge(rows, layer.variables, Exact(Fraction(width)))
        output = machine.forward(rows, training, called=True)
        sums.append(sum(u * y for us, ys in zip(upstream, output, strict=True) for u, y in zip(us, ys, strict=True)))
    return float(((sums[0] - sums[1]) / Exact(Fraction(2 * WIDTH))).value)


def nudge_input(row, channel):
    """Moves one element of the input."""

    def nudge(rows, variables, width):
        rows[row][channel] += width

    return nudge


def nudge_variable(name, channel):
    """Moves one element of a variable."""

    def nudge(rows, variables, width):
        variables[name][channel] += width

    return nudge


@pytest.mark.parametrize(("layer", "shape", "training"), GRADIENTS)
def test_gradients_are_central_differences(layer, shape, training):
    """Of the input, gamma and beta, where the layer has and trains them."""
    loaded = with_data(layer, shape, training)
    quantities = trace(loaded, STANDARD)[0].quantities
    names = {"gamma", "beta"} & quantities.keys() if loaded.text.layer.trainable else set()
    rows, channels = range(int(np.prod(shape[:-1]))), range(shape[-1])
    with localcontext(CONTEXT):
        differences = {"input": [slope(loaded, training, nudge_input(r, c)) for r in rows for c in channels]}
        for name in names:
            differences[name] = [slope(loaded, training, nudge_variable(name, channel)) for channel in channels]
    assert {f"{name}_gradient" for name in differences} == {name for name in quantities if "_gradient" in name}
    for name, numbers in differences.items():
        found = quantities[f"{name}_gradient"].expected.ravel().tolist()
        assert pytest.approx(numbers, rel=TOLERANCE, abs=TOLERANCE) == found
