"""Planted faults are named: what a slipped reference shows is explained by that slip and by no other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers import case

from conformance.dialect import KNOBS, STANDARD
from conformance.explain import Cause, causes, explain, explained
from conformance.judge import judge
from conformance.reference import replay, trace
from conformance.slips import SLIPS, slipped
from conformance.wire import encode

RICH = """
layer:
  {features: 2, momentum: 0.75, epsilon: 0.5, gamma: [2, 3], beta: [-1, 4], moving_mean: [10, -7],
    moving_variance: [3, 9]}
data:
  x: [[1, 2], [5, 4], [3, 9]]
  y: [[0, 8], [4, 1], [2, 2], [7, 3]]
  up: [[1, 0], [0, 2], [3, 1]]
  m: [1, 0, 1]
steps:
  - train: x
  - predict: y
  - {train: x, mask: m}
  - {backward: x, upstream: up, training: true}
  - {call: y, training: unset}
  - predict: x
  - {call: y, training: unset}
  - save: a
  - {freeze: {of: layer}}
  - train: y
  - predict: x
  - {unfreeze: {of: model}}
  - train: x
  - {unfreeze: {of: layer}}
  - train: y
  - {restore: a, into: fresh}
  - predict: x
  - {restore: a, into: fresh, omit: [moving_variance]}
  - train: y
  - {fit: x, targets: y3, optimizer: {sgd: {learning_rate: 0.5}}, batch_size: 2}
""".replace("data:\n", "data:\n  y3: [[1, 1], [2, 0], [0, 3]]\n")
CASE = case(RICH)
UNSEEN = {
    "variance_algorithm",
    "adam_epsilon",
    "one_value_per_channel",
    "baked_training",
    "freeze_takes_effect",
    "epsilon_zero",
}


def observed(several: tuple[Cause, ...]) -> list[dict]:
    """What a framework with some faults would have answered."""
    dialect = STANDARD
    for cause in several:
        dialect = cause.under(dialect)
    shown = replay(slipped(CASE, dialect, [cause.name for cause in several if not cause.value]))
    return [
        {"quantities": {name: encode(value.expected.astype(np.float32)) for name, value in step.quantities.items()}}
        | ({"raised": ["ValueError", "no"]} if step.raises else {})
        for step in shown
    ]


def seen_as(one, line):
    """The result of a line, explained."""
    return explained(judge(one, line, STANDARD), one, line, STANDARD)


ALONE = [cause for cause in causes(STANDARD) if cause.name not in UNSEEN]


@pytest.mark.parametrize("cause", ALONE, ids=str)
def test_a_fault_alone_is_named(cause):
    """One fault, one cause, and nothing else explains it as well."""
    assert [(cause,)] == explain(CASE, observed((cause,)), STANDARD)


def test_every_knob_and_slip_is_tried():
    """The list of what is planted is the list of what there is."""
    assert set(KNOBS) | set(SLIPS) == {cause.name for cause in ALONE} | UNSEEN


def test_pairs_of_faults_are_named_or_nothing_is():
    """At least 95 of 100 pairs are named; no wrong cause ever is."""
    pairs = list(itertools.combinations([cause for cause in ALONE if not cause.value], 2))[::9]
    named = [explain(CASE, observed(pair), STANDARD) for pair in pairs]
    same = {"MeanNeverUpdates", "VarianceNeverUpdates"}, [(Cause("NeverUpdates"),)]
    right = [
        pair in found or any((cause,) in found for cause in pair) or same == ({cause.name for cause in pair}, found)
        for pair, found in zip(pairs, named, strict=True)
    ]
    wrong = [(pair, found) for pair, found, good in zip(pairs, named, right, strict=True) if found and not good]
    assert [] == wrong
    assert sum(right) >= 0.95 * len(pairs)


def test_what_nothing_explains_stays_unexplained():
    """A number that no convention gives is told as such, not forced into one."""
    line = {"id": "x", "steps": observed(())}
    line["steps"][0]["quantities"]["moving_mean"] = encode(np.float32([1, 2]))
    result = seen_as(CASE, line)
    assert ("diverges", "", 0, "moving_mean") == (
        result.verdict,
        result.explanation,
        result.first.step,
        result.first.quantity,
    )


def test_what_conforms_needs_no_explanation():
    """The reference's own numbers, in float32, conform."""
    result = seen_as(CASE, {"id": "x", "steps": observed(())})
    assert ("conforms", "") == (result.verdict, result.explanation)
    assert len(trace(CASE, STANDARD)) == len(result.steps)


def test_what_one_case_cannot_tell_apart_is_said():
    """[1, 5] from the start: a first batch copied, a cumulative average and a debiased one are the same."""
    short = case("layer: {features: 1, momentum: 0.9, epsilon: 0.001}\ndata: {b: [[1], [5]]}\nsteps: [train: b]")
    seen = replay(slipped(short, STANDARD.under({"startup": "first_batch"}), ()))
    steps = [{"quantities": {name: encode(value.expected.astype("f")) for name, value in seen[0].quantities.items()}}]
    found = seen_as(short, {"id": "x", "steps": steps}).explanation
    assert found.startswith("either startup = zero_debias")
    assert "or startup = cumulative" in found
    assert "or startup = first_batch" in found
