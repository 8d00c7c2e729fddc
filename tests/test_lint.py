"""What the linter asks of a case, and what it measures of the corpus."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import HEAD, case

from conformance.causes import Cause
from conformance.corpus import select
from conformance.coverage import coverage, statements
from conformance.dialect import KNOBS
from conformance.lint import lint
from conformance.margins import AGAINST, LEAST, guarded, least, refused
from conformance.places import cases
from conformance.slips import SLIPS

GOOD = (
    HEAD
    + """\
data: {batch: [[1], [5]]}
steps:
  - train: batch
    expect: {moving_mean: [0.3], moving_variance: [1.3]}
    otherwise: [{dialect: {variance: sample}, moving_variance: [1.7]}]
"""
)
OWED = [
    ("question: Is it so?\n", "", "1:1: `question:` is missing"),
    ("Is it so?", "It is so", "2:1: a question ends with a question mark"),
    ("effect: It would not be so.\n", "", "1:1: `effect:` is missing"),
    ("sources: [https://arxiv.org/abs/1502.03167]\n", "", "1:1: `sources:` is missing"),
    ("[0.3]", "[0.30001]", "9:14: the literal is not what the reference gives: [0.3]"),
    ("[1.7]", "[1.3]", "10:47: the literal is not what the reference gives: [1.7]"),
    ("moving_mean: [0.3], moving", "raises: true, moving", "9:14: the reference raises no error here"),
    ("    expect: {moving_mean: [0.3], moving_variance: [1.3]}\n", "", None),
    ("[[1], [5]]", "{random_state: 1, normal: [300000, 1]}", "7:1: variance = sample is"),
]


def linted(tmp_path: Path, text: str) -> list[str]:
    """What the linter says of a text."""
    file = tmp_path / "case.yaml"
    file.write_text(text)
    return [str(problem).removeprefix(f"{file}:") for problem in lint(file).problems]


def test_a_good_case_is_left_alone(tmp_path):
    """Nothing is said of it."""
    assert [] == linted(tmp_path, GOOD)


@pytest.mark.parametrize(("old", "new", "message"), OWED)
def test_what_a_case_owes(tmp_path, old, new, message):
    """One thing missing or wrong is told at its place."""
    said = linted(tmp_path, GOOD.replace(old, new, 1))
    assert any(line.startswith(message) for line in said) if message else [] == said, said


def test_a_case_without_expectations_is_refused(tmp_path):
    """A case that expects nothing proves nothing."""
    assert ["7:1: no step expects anything: write literals that a reader can check"] == linted(
        tmp_path, GOOD[: GOOD.index("    expect")]
    )


def test_margins_are_in_units_of_the_bound():
    """[1, 5] tells the two variances apart by far; a batch of 300,000 does not."""
    text = "layer: {features: 1, momentum: 0.9, epsilon: 0.001}\ndata: {b: %s}\nsteps: [{train: b, otherwise: [%s]}]"
    other = "{dialect: {variance: sample}, moving_mean: [0.3]}"
    near, far = (
        guarded(case(text % (data, other))) for data in ("{random_state: 1, normal: [300000, 1]}", "[[1], [5]]")
    )
    sample = Cause("variance", "sample")
    assert 0 < near[sample] < LEAST
    assert far[sample] > 10_000


SMALL = """\
statements: [UPDATE-2]
layer: {features: 1, momentum: 0.9, epsilon: %s}
data: {b: [[1], [5]]}
steps: [{train: b, otherwise: [{dialect: {startup: cumulative}, moving_mean: [3]}]}]
"""


def test_a_case_guards_the_knobs_that_it_names_and_the_slips_against_its_statements():
    """Every value of the knob but the standard's, and no slip that no statement of the case forbids."""
    expected = {Cause("startup", value) for value in KNOBS["startup"][1:]}
    expected |= {Cause(slip) for slip, against in AGAINST.items() if "UPDATE-2" in against}
    assert expected == set(guarded(case(SMALL % 5)))


@pytest.mark.parametrize(("epsilon", "refuses"), [("0.000001", False), ("0.0001", True), ("1", False)])
def test_a_slip_that_is_neither_seen_nor_unseen_is_refused(epsilon, refuses):
    """Epsilon added to what is stored: below the bound, between 1 and 10 bounds, and beyond."""
    small = case(SMALL % epsilon)
    assert refuses == (Cause("EpsilonStored") in refused(small, guarded(small)))


MARGINS = [
    ({"a": 0.5, "b": 12.4}, "least margin 12, to b"),
    ({"a": 3e12, "b": float("inf")}, "least margin 3e+12, to a"),
    ({"b": float("inf")}, "least margin infinite, to b"),
    ({"a": 0.0}, "guards no knob and no slip"),
]


@pytest.mark.parametrize(("found", "said"), MARGINS)
def test_the_least_margin_is_said_of_what_is_seen(found, said):
    """What a case is blind to has no margin."""
    assert said == least({Cause(name): margin for name, margin in found.items()})


def test_every_slip_contradicts_a_statement_that_is_specified():
    """So that a case about the statement guards it."""
    assert set(SLIPS) == set(AGAINST)
    assert set() == {statement for against in AGAINST.values() for statement in against} - set(statements())


def test_every_slip_is_seen_by_some_case_and_every_statement_of_a_case_is_specified():
    """A slip that no case would see is a hole; a statement that the specification lacks is a typing error."""
    found = coverage(select(cases(), ()))
    only_the_bound = {"variance_algorithm = one_pass"}
    assert [] == [change for change, ids in found.changes.items() if not ids and change not in only_the_bound]
    assert set(found.statements) == set(statements())
